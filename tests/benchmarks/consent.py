"""The ledger of consent at scale: `python -m tests.benchmarks.consent --events 1000000`.

Prints seconds and the ratio to as many bare HMAC-SHA256 of a text of that length, in the same run.
"""

import argparse
import hmac
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pipelines.privacy.ledger import ConsentLedger

# Three events of one address; a canonical text with its evidence has some 650 characters.
_EVENTS = """
select
    'event ' || i as consent_event_id, 'mailchimp' as source, 'list:' || i // 3 as source_record,
    'email' as channel, 'person' || i // 3 || '@krone.example' as contact_point,
    'company' as controller, 'newsletter' as purpose,
    ['requested', 'confirmed', 'withdrawn'][i % 3 + 1] as event,
    '2025-01-01 00:00:00+00'::timestamptz + to_seconds(i) as happened_at, true as is_time_known,
    'newsletter-2020' as text_version, repeat('ab', 32) as text_sha256, null::varchar as detail,
    '2026-01-01 00:00:00+00'::timestamptz as recorded_at, 'subscribed' as source_status,
    '192.0.2.1' as evidence_ip, null::varchar as document_ref, null::varchar as collected_by,
    'load' as recorded_load_id
from range({count}) t(i)
"""
_LENGTH = 650


def main(arguments: list[str] | None = None) -> int:
    """Print the table; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    count = parser.parse_args(arguments).events
    key, text = b"k" * 32, b"x" * _LENGTH
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as db:
        events = db.sql(_EVENTS.format(count=count)).to_arrow_table()
        ledger = ConsentLedger(Path(folder))
        base = 0.0
        print(f"\n{count:,} events of consent")
        for name, work in (
            ("bare HMAC-SHA256", lambda: [hmac.digest(key, text, "sha256") for _ in range(count)]),
            ("first night: all are new", lambda: ledger.append(events, now=now)),
            ("a night without news", lambda: ledger.append(events, now=now)),
            ("verify all", lambda: ledger.verify(ledger.heads())),
            ("into the warehouse", lambda: ledger.register(db, "consent")),
        ):
            start = time.perf_counter()
            work()
            seconds = time.perf_counter() - start
            base = base or seconds
            print(f"  {name:<42}{seconds:>11.1f}{seconds / base:>11.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
