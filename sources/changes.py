"""What changed at a source since the last pull: the rows worth landing out of all that it answered.

Every reading is compared with the newest version of each record in the lake. What is new or changed
is landed, what is gone is landed as a deletion, what is unchanged is not landed again. How a vendor
is asked is not known here, nor how a load is committed.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from sources.contract import Batch, Parts, Reading, SourceProblem, Table
from sources.landing import Lake, write_json

RECORDS_PER_CHUNK = 5_000
STAGING = ".reading-"


class TooMuchGone(SourceProblem):
    """So many records are missing at once that a broken answer is likelier than a deletion."""


@dataclass(frozen=True)
class Limits:
    """When a reading is refused, and how far the next one reaches back.

    A loss is too large when it is more than `loss_share` of what was there and more than
    `loss_rows` records, or when a table of at least `smallest_table` comes back empty. Changes are
    asked for from `overlap` before the newest one seen; after `read_all_after` everything is read
    once, which finds silent deletions and late changes.
    """

    loss_share: float = 0.2
    loss_rows: int = 20
    smallest_table: int = 5
    overlap: timedelta = timedelta(minutes=5)
    read_all_after: timedelta = timedelta(days=7)


class Cursors:
    """How far each table of a source was read; a lost file costs one complete reading, no row."""

    def __init__(self, path: Path, limits: Limits, *, now: datetime) -> None:
        self._path, self._limits, self._now = path, limits, now
        self._tables = json.loads(path.read_text()) if path.exists() else {}

    def since(self, table: Table) -> datetime | None:
        """From when on changes have to be asked for (UTC); None: everything is due."""
        known = self._tables.get(table.name)
        if table.cursor is None or known is None or None in known.values():
            return None
        if self._now - datetime.fromisoformat(known["read_all_at"]) > self._limits.read_all_after:
            return None
        return datetime.fromisoformat(known["cursor"]) - self._limits.overlap

    def advance(self, reading: Reading, newest: datetime | None) -> None:
        """Note a reading whose rows are landed; newest is the latest change among them."""
        known = self._tables.get(reading.table.name, {"cursor": None, "read_all_at": None})
        # Asked for everything, a source may answer in parts, or with the changes of all time.
        if reading.covers == "everything" or self.since(reading.table) is None:
            known["read_all_at"] = self._now.isoformat()
        if newest is not None:
            # A change dated in the future must not hide all changes until then.
            reached = min(newest, self._now)
            before = known["cursor"] and datetime.fromisoformat(known["cursor"])
            known["cursor"] = max(reached, before or reached).isoformat()
        self._tables[reading.table.name] = known
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self._path, self._tables)


@dataclass(frozen=True)
class Changes:
    """What a reading came to: the batch to land (None: nothing changed) and its newest change."""

    batch: Batch | None
    newest: datetime | None


@contextlib.contextmanager
def changes(
    reading: Reading, source: str, lake: Lake, limits: Limits, *, is_demo: bool
) -> Iterator[Changes]:
    """Read to the end and compare; the batch can be landed within the block.

    Raises SourceProblem where the vendor could not be read to the end, TooMuchGone where more
    records are missing than the limits allow.
    """
    table = reading.table
    lake.root.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=lake.root, prefix=STAGING) as folder,
        duckdb.connect() as db,
    ):
        db.execute("set preserve_insertion_order = false")
        # Pipedrive's notes name no offset and mean UTC; the machine's own zone must not matter.
        db.execute("set timezone = 'UTC'")
        answered = Path(folder) / "answered.parquet"
        read, present = _stage(reading, answered)
        _compare(db, table, reading, answered, lake, source, is_demo=is_demo)
        deleted = _count(db, "gone")
        # Of the whole table: one invoice may well lose most of its lines.
        before = _count(db, "known_records")
        is_empty = reading.covers == "everything" and read == 0 and before >= limits.smallest_table
        if is_empty or deleted > max(limits.loss_rows, limits.loss_share * before):
            raise TooMuchGone(
                f"{source}.{table.name}: {deleted:,} of {before:,} records are gone at once; "
                "nothing of this reading was taken. If they were really deleted, pull once with "
                f"`python -m sources pull {source} --accept-deletions`"
            )
        changed = _count(db, "changed")
        newest = None
        if table.cursor is not None:
            (newest,) = db.execute(
                f"select max(try_cast({table.cursor} as timestamptz)) at time zone 'UTC' "
                "from answered"
            ).fetchall()[0]
            newest = newest and newest.replace(tzinfo=UTC)
        batch = None
        if changed + deleted:
            landing = Path(folder) / "landing.parquet"
            _write(db, table, landing)
            batch = Batch(
                table=table,
                checksum=_checksum(db, landing),
                chunks=_chunks(landing),
                about={
                    "covers": reading.covers if isinstance(reading.covers, str) else "parts",
                    "read": read,
                    "unchanged": _count(db, "newest_answered") - changed,
                    "deleted": deleted,
                    "columns": sorted(present),
                },
            )
        yield Changes(batch, newest)


def known(
    table: Table, column: str, source: str, lake: Lake, *, is_demo: bool
) -> dict[tuple[str, ...], str | None]:
    """The newest text of a column for every record the lake holds and the source still has."""
    with duckdb.connect() as db:
        _register_known(db, table, lake, source, is_demo=is_demo)
        keys = ", ".join(table.key)
        rows = db.sql(f"select {keys}, {column} from known where not _is_deleted").fetchall()
    return {row[:-1]: row[-1] for row in rows}


def as_row(table: Table, record: Mapping[str, object]) -> dict[str, str | None]:
    """A JSON record under the contract's names, as text; what nobody named is kept in `_extra`.

    Numbers as they were written, true and false in words, lists and objects as JSON.
    """
    rest = {name: value for name, value in record.items() if name not in table.ignored}
    row = {}
    for column in table.columns:
        path = (column.path or column.name).split(".")
        row[column.name] = _text(_taken(rest, path, record))
    row["_extra"] = _text(rest) if rest else None
    return row


def _taken(rest: dict, path: list[str], record: Mapping[str, object]) -> object:
    """The value at a path of the record; it goes from the rest, and so do objects left empty."""
    name, *deeper = path
    value = record.get(name) if isinstance(record, Mapping) else None
    if not deeper:
        rest.pop(name, None)
        return value
    if not isinstance(value, Mapping):
        if value is None:
            rest.pop(name, None)
        return None
    if rest.get(name) is value:
        rest[name] = dict(value)
    remaining = rest.get(name, {})
    found = _taken(remaining, deeper, value)
    if not remaining:
        rest.pop(name, None)
    return found


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=_number)


def _number(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)


def _stage(reading: Reading, path: Path) -> tuple[int, set[str]]:
    """Write the answer's records as rows; how many there are, and the columns any of them had."""
    names = [column.name for column in reading.table.columns]
    never = {
        column.name: (column.path or column.name).split(".") for column in reading.table.columns
    }
    schema = pa.schema([(name, pa.string()) for name in (*names, "_extra")] + [("_n", pa.int64())])
    read, rows = 0, []

    def write() -> None:
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        rows.clear()

    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for record in reading.records:
            read += 1
            for name in [name for name, way in never.items() if _is_there(record, way)]:
                del never[name]
            rows.append(as_row(reading.table, record) | {"_n": read})
            if len(rows) == RECORDS_PER_CHUNK:
                write()
        write()
    return read, set(names) - never.keys()


def _is_there(record: object, path: list[str]) -> bool:
    for name in path:
        if not isinstance(record, Mapping) or name not in record:
            return False
        record = record[name]
    return True


def _compare(
    db: duckdb.DuckDBPyConnection,
    table: Table,
    reading: Reading,
    answered: Path,
    lake: Lake,
    source: str,
    *,
    is_demo: bool,
) -> None:
    """Views answered, newest_answered, known, known_records, changed and gone."""
    # Table and column names are the contract's; everything else is bound.
    keys = ", ".join(table.key)
    same = " and ".join(f"a.{name} is not distinct from k.{name}" for name in table.key)
    content = [column.name for column in table.columns] + ["_extra"]
    differs = " or ".join(f"a.{name} is distinct from k.{name}" for name in content)
    db.read_parquet(str(answered)).create_view("answered")
    db.execute(
        "create temp table newest_answered as select * from answered "
        f"qualify row_number() over (partition by {keys} order by _n desc) = 1"
    )
    _register_known(db, table, lake, source, is_demo=is_demo)
    db.execute(
        "create view changed as select a.* from newest_answered a left join known k "
        f"on {same} where k._is_deleted is null or k._is_deleted or {differs}"
    )
    db.execute("create view known_records as select * from known where not _is_deleted")
    reach = "true"
    if isinstance(reading.covers, Parts):
        parents = pa.table({"parent": pa.array(sorted(reading.covers.values), pa.string())})
        db.register("parents", parents)
        reach = f"{reading.covers.column} in (select parent from parents)"
    elif reading.covers == "changes":
        reach = "false"
    db.execute(
        f"create view gone as select k.* from known_records k where {reach} "
        f"and not exists (select 1 from newest_answered a where {same})"
    )


def _register_known(
    db: duckdb.DuckDBPyConnection, table: Table, lake: Lake, source: str, *, is_demo: bool
) -> None:
    """The newest version of every record in the lake, wherever the gate put it.

    A refused load does not count, so that the next pull brings its rows again.
    """
    files = [
        str(path)
        for stage in ("accepted", "quarantine", "landed")
        for load in lake.loads(stage, source, table.name)
        if load.about["is_demo"] == is_demo and not (stage == "landed" and load.verdict)
        for path in load.rows
    ]
    names = [column.name for column in table.columns] + ["_extra"]
    if not files:
        columns = ", ".join(f"null::varchar as {name}" for name in names)
        db.execute(f"create temp table known as select {columns}, false as _is_deleted where false")
        return
    relation = db.read_parquet(files, union_by_name=True)
    # A column that the contract gained later is not in any older load.
    columns = ", ".join(
        name if name in relation.columns else f"null::varchar as {name}" for name in names
    )
    relation.create_view("versions")
    db.execute(
        f"create temp table known as select {columns}, "
        "coalesce(_is_deleted, false) as _is_deleted from versions "
        f"qualify row_number() over (partition by {', '.join(table.key)} "
        "order by _load_id desc, _row desc) = 1"
    )


def _write(db: duckdb.DuckDBPyConnection, table: Table, path: Path) -> None:
    content = ", ".join([column.name for column in table.columns] + ["_extra"])
    nothing = ", ".join(
        column.name if column.name in table.key else f"null::varchar as {column.name}"
        for column in table.columns
    )
    keys = ", ".join(table.key)
    db.execute(
        "copy (select row_number() over (order by _is_deleted, _n) as _row, "
        "* exclude (_n), '.' as _decimal_mark from ("
        f"select {content}, null::boolean as _is_deleted, _n from changed union all "
        f"select {nothing}, null::varchar, true, row_number() over (order by {keys}) from gone"
        ") order by _row) to ? (format parquet, compression zstd)",
        [str(path)],
    )


def _checksum(db: duckdb.DuckDBPyConnection, path: Path) -> str:
    ((checksum,),) = db.execute(
        "select sha256(string_agg(sha256(to_json(t)::varchar), '' order by _row)) "
        "from read_parquet(?) as t",
        [str(path)],
    ).fetchall()
    return checksum


def _chunks(path: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            yield pa.Table.from_batches([batch])


def _count(db: duckdb.DuckDBPyConnection, view: str) -> int:
    return db.table(view).count("*").fetchall()[0][0]
