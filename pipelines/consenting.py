"""The night's step of consent: what the sources tell goes into the ledger, and the ledger into the
warehouse. What follows from it, dbt says."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.identity.contact_points import email, phone
from pipelines.identity.normalise import fold
from pipelines.privacy.ledger import ConsentLedger, Head, LedgerBroken
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse
from sources.access import is_demo
from sources.landing import Lake, kept_as

SCHEMA = "consent"
# Where a number is written without its country, a refusal counts in each of these.
_COUNTRIES = ("DE", "AT", "CH")
_COUNTRY_BEHIND = re.compile(r",\s*[A-Z]{2}\s*$")
# What allows something; of an address that may be two it allows nothing.
_GRANTS = frozenset(
    {"requested", "confirmed", "granted_offline", "used", "exception_basis_recorded",
     "notice_given", "imported_without_proof"}
)  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """What one night added, and how long the ledger is now; head: that of its last batch."""

    new_events: int
    events: int
    head: Head | None


def ledger_of(settings: Settings) -> ConsentLedger:
    """The ledger of this company; that of the demo company never mixes with it."""
    return ConsentLedger(settings.lake / _named("consent", settings))


def heads_file(settings: Settings) -> Path:
    """The file of heads, meant to be carried off this machine."""
    return settings.reports / f"{_named('consent_heads', settings)}.txt"


def _named(name: str, settings: Settings) -> str:
    return kept_as(name, is_demo=is_demo(settings.setup, Lake(settings.lake)))


def record_consent(settings: Settings) -> Recorded:
    """Write into the ledger what the warehouse's sources tell; see `recorded`."""
    with open_warehouse(settings) as db:
        return recorded(db, ledger_of(settings), heads_file(settings), now=datetime.now(UTC))


def recorded(
    db: duckdb.DuckDBPyConnection, ledger: ConsentLedger, heads: Path, *, now: datetime
) -> Recorded:
    """Verify the ledger, append what is new of intermediate.int_consent_events_proposed, export
    the heads, and write schema consent: events, batches and contact_points (channel, contact_point
    as in matching, subject, is_valid).

    Raises LedgerBroken where the ledger is not what it was; then nothing is appended or written.
    """
    ledger.verify(read_heads(heads))
    proposed = db.table("intermediate.int_consent_events_proposed").to_arrow_table()
    numbers = db.sql(
        "select distinct point from matching.contact_points where channel = 'phone'"
    ).fetchall()
    new = ledger.append(_placed(proposed, {number for (number,) in numbers}), now=now)
    ledger.export_heads(heads)
    ledger.register(db, SCHEMA)
    _register_points(db, ledger)
    batches = ledger.heads()
    return Recorded(new, sum(one.rows for one in batches), batches[-1] if batches else None)


def read_heads(file: Path) -> list[Head]:
    """The heads of a file; none where it is not there. Raises LedgerBroken for any other line."""
    if not file.exists():
        return []
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            found.append(Head.read(line))
        except ValueError as error:
            raise LedgerBroken(
                f"{file.name}, line {number} is not a head (batch, time, events, head): {line!r}"
            ) from error
    return found


def spelt(channel: str, text: str) -> list[str]:
    """What contact points a text may mean, each in one spelling.

    >>> spelt("email", " Anna@Krone.example "), spelt("phone", "0664 1234567")
    (['anna@krone.example'], ['+436641234567', '+496641234567'])
    """
    if channel == "email":
        return [email(text) or fold(text)]
    if channel == "phone":
        if number := phone(text, None):
            return [number]
        national = {phone(text, country) for country in _COUNTRIES} - {None}
        return sorted(national) or [fold(text)]
    return [_post(text)]


def _post(text: str) -> str:
    """A postal address without its country, which not everybody writes."""
    return fold(_COUNTRY_BEHIND.sub("", text))


def _placed(proposed: pa.Table, numbers: Collection[str]) -> pa.Table:
    """The events with their contact points in one spelling; a refusal for each it may mean.

    numbers: those anybody has. Of several a grant means the one that is among them, or none.
    """
    channels, points = proposed["channel"].to_pylist(), proposed["contact_point"].to_pylist()
    meanings = {key: spelt(*key) for key in set(zip(channels, points, strict=True))}
    rows, spellings, ids = [], [], []
    for row, (channel, point, event, event_id) in enumerate(
        zip(
            channels,
            points,
            proposed["event"].to_pylist(),
            proposed["consent_event_id"].to_pylist(),
            strict=True,
        )
    ):
        meant = meanings[channel, point]
        if len(meant) > 1 and event in _GRANTS:
            had = [one for one in meant if one in numbers]
            meant = had if len(had) == 1 else [fold(point)]
        for one in meant:
            rows.append(row)
            spellings.append(one)
            ids.append(event_id if len(meant) == 1 else f"{event_id}:{one}")
    placed = proposed.take(pa.array(rows, pa.int64()))
    for name, values in (("contact_point", spellings), ("consent_event_id", ids)):
        place = placed.schema.get_field_index(name)
        placed = placed.set_column(place, name, pa.array(values, pa.string()))
    return placed


def _register_points(db: duckdb.DuckDBPyConnection, ledger: ConsentLedger) -> None:
    """Every contact point anybody has, under the pseudonym the ledger knows it by."""
    known = db.sql(
        "select distinct channel, coalesce(point, value) as contact_point, "
        "channel = 'post' or point is not null as is_valid from matching.contact_points"
    ).fetchall()
    rows = [
        (channel, point, ledger.subject(channel, _as_recorded(channel, point, is_valid)), is_valid)
        for channel, point, is_valid in known
    ]
    columns = list(zip(*rows, strict=True)) or [()] * 4
    kinds = (pa.string(), pa.string(), pa.string(), pa.bool_())
    names = ("channel", "contact_point", "subject", "is_valid")
    db.register(
        "points_of_consent",
        pa.table([pa.array(*one) for one in zip(columns, kinds, strict=True)], names=names),
    )
    db.execute(f"create or replace table {SCHEMA}.contact_points as from points_of_consent")
    db.unregister("points_of_consent")


def _as_recorded(channel: str, point: str, is_valid: bool) -> str:
    if channel == "post":
        return _post(point)
    return point if is_valid else fold(point)
