"""From what the sources tell to the ledger and into the warehouse."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from pipelines.consenting import read_heads, recorded, spelt
from pipelines.privacy.ledger import ConsentLedger, LedgerBroken

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def db():
    with duckdb.connect() as db:
        db.execute("set TimeZone = 'UTC'")
        db.execute("create schema intermediate; create schema matching")
        db.execute(
            "create table intermediate.int_consent_events_proposed as select "
            "null::varchar as consent_event_id, 'consent_forms' as source, "
            "null::varchar as source_record, null::varchar as channel, "
            "null::varchar as contact_point, null::varchar as controller, "
            "'newsletter' as purpose, null::varchar as event, null::timestamptz as happened_at, "
            "null::varchar as text_version, null::varchar as text_sha256, "
            "null::varchar as detail, true as is_time_known, null::varchar as source_status, "
            "null::varchar as evidence_ip, null::varchar as document_ref, "
            "null::varchar as collected_by, null::varchar as recorded_load_id, "
            "null::timestamptz as recorded_at where false"
        )
        db.execute(
            "create table matching.contact_points (channel varchar, value varchar, point varchar)"
        )
        yield db


def propose(db: duckdb.DuckDBPyConnection, *events: tuple[str, str, str]) -> None:
    for number, (channel, contact_point, event) in enumerate(events):
        db.execute(
            "insert into intermediate.int_consent_events_proposed by name select "
            "? as consent_event_id, 'consent_forms' as source, ? as channel, ? as contact_point, "
            "'newsletter' as purpose, ? as event, true as is_time_known, "
            "'2025-01-01'::timestamptz as happened_at, '2025-06-01'::timestamptz as recorded_at",
            [f"e{number}{event}", channel, contact_point, event],
        )


def known(db: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """Which contact points of matching have which event."""
    return set(
        db.sql(
            "select p.contact_point, e.event from consent.contact_points p "
            "join consent.events e using (subject)"
        ).fetchall()
    )


@pytest.mark.parametrize(
    ("channel", "text", "meant"),
    [
        ("email", "Anna Huber <Anna@Krone.example>", ["anna@krone.example"]),
        ("email", "none at all", ["none at all"]),
        ("phone", "+43 664 1234567", ["+436641234567"]),
        ("phone", "0043 664 1234567", ["+436641234567"]),
        ("phone", "0664 1234567", ["+436641234567", "+496641234567"]),
        ("phone", "040 123456", ["+4940123456"]),
        ("phone", "nobody", ["nobody"]),
        ("post", "Hauptstraße 1, 1010 Wien, AT", ["hauptstrasse 1 1010 wien"]),
        ("post", "Hauptstrasse 1, 1010  Wien", ["hauptstrasse 1 1010 wien"]),
    ],
)
def test_a_text_means_these_contact_points(channel, text, meant):
    assert spelt(channel, text) == meant


def test_a_refusal_finds_the_address_however_it_is_written(db, tmp_path: Path):
    db.execute(
        "insert into matching.contact_points values ('email', 'Anna@X.example', 'anna@x.example'), "
        "('phone', '0664/1234567', '+496641234567'), ('post', 'Weg 1, 1010 Wien, AT', null), "
        "('phone', 'nobody', null), ('email', 'someone@', null)"
    )
    propose(
        db,
        ("email", "ANNA@x.example", "objected"),
        ("phone", "0664 1234567", "objected"),
        ("post", "Weg 1,  1010 Wien", "objected"),
        ("email", "someone@", "objected"),
    )
    found = recorded(db, ConsentLedger(tmp_path / "ledger"), tmp_path / "heads", now=NOW)
    assert found.new_events == 5
    assert known(db) == {
        ("anna@x.example", "objected"),
        ("+496641234567", "objected"),
        ("Weg 1, 1010 Wien, AT", "objected"),
        ("someone@", "objected"),
    }
    valid = dict(db.sql("select contact_point, is_valid from consent.contact_points").fetchall())
    assert {point for point, is_valid in valid.items() if not is_valid} == {"nobody", "someone@"}


@pytest.mark.parametrize("had", [("+43",), ("+49",), ("+43", "+49"), ()])
def test_a_grant_for_a_number_that_may_be_two_means_the_one_that_somebody_has(db, tmp_path, had):
    for country in had:
        db.execute(
            "insert into matching.contact_points values ('phone', ?, ?)",
            [f"{country} 6641234567", f"{country}6641234567"],
        )
    propose(db, ("phone", "0664 1234567", "granted_offline"))
    recorded(db, ConsentLedger(tmp_path / "ledger"), tmp_path / "heads", now=NOW)
    expected = {(f"{had[0]}6641234567", "granted_offline")} if len(had) == 1 else set()
    assert known(db) == expected
    assert db.sql("select count(*) from consent.events").fetchall() == [(1,)]


def test_a_night_without_news_leaves_ledger_and_heads_as_they_were(db, tmp_path: Path):
    propose(db, ("email", "anna@x.example", "requested"))
    ledger = ConsentLedger(tmp_path / "ledger")
    assert recorded(db, ledger, tmp_path / "heads", now=NOW).new_events == 1
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert recorded(db, ledger, tmp_path / "heads", now=NOW).new_events == 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_broken_ledger_takes_nothing_in_and_tells_the_warehouse_nothing(db, tmp_path: Path):
    propose(db, ("email", "anna@x.example", "requested"))
    ledger = ConsentLedger(tmp_path / "ledger")
    recorded(db, ledger, tmp_path / "heads", now=NOW)
    (head,) = ledger.heads()
    (tmp_path / "heads").write_text(head.line().replace(head.head, "0" * 64) + "\n")
    propose(db, ("email", "berta@x.example", "requested"))
    with pytest.raises(LedgerBroken, match="not the one whose head was kept elsewhere"):
        recorded(db, ledger, tmp_path / "heads", now=NOW)
    assert ledger.heads() == [head]
    assert db.sql("select count(*) from consent.events").fetchall() == [(1,)]


def test_a_line_that_is_no_head_is_named(tmp_path: Path):
    (tmp_path / "heads").write_text("1 2026-01-01 5 abc\nnonsense\n")
    with pytest.raises(LedgerBroken, match=r"heads, line 2 is not a head .*'nonsense'"):
        read_heads(tmp_path / "heads")
    assert read_heads(tmp_path / "missing") == []
