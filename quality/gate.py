"""Judges one landed load and splits it. Who reads and who commits the files is not known here."""

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from quality.expectations import broken_rows
from quality.rules import Profile, Rule, RuleResult, Severity, Suite, Verdict

log = logging.getLogger(__name__)

ROWS_PER_CHUNK = 200_000
MASK = "•••"

# A key of this sort is a number of the source's; every other one could be a person's address.
SHOWN_IN_KEYS = "id"
# Of a row that does not fit the header any column may hold a person.
_IS_SLIPPED = "(_defect is not null)"
# Names of fields are no personal data, unless persons are what a list has columns of.
_A_FIELDS_NAME = re.compile(r"(?:\d{1,3} )?[A-Za-zÄÖÜäöüß_$][\wÄÖÜäöüß$ .()/%-]{0,59}")
_CAPITALISED = r"[A-ZÄÖÜ][^\W\d_]*(?:-[^\W\d_]+)*"
_A_PERSONS_NAME = re.compile(rf"{_CAPITALISED}(?: +{_CAPITALISED})+")

FINDINGS_SCHEMA = pa.schema(
    [
        ("row_number", pa.int64()),
        ("record_key", pa.string()),
        ("column_name", pa.string()),
        ("rule", pa.string()),
        ("family", pa.string()),
        ("harm", pa.string()),
        ("remedy", pa.string()),
        ("value", pa.string()),
    ]
)

# One number format per file, stated beside each row: a point that groups thousands in one file
# ends the integers in the next. A minus may stand behind the digits, as accounting tools print it.
_MACROS = r"""
create macro bare(written) as regexp_replace(written, '[\s\x{00A0}\x{202F}'']', '', 'g');
create macro plain(digits, mark) as case
    when mark = ',' and regexp_full_match(digits, '[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?-?')
        then replace(replace(digits, '.', ''), ',', '.')
    when mark = '.' and regexp_full_match(digits, '[+-]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?-?')
        then replace(digits, ',', '')
end;
create macro read_number(written, mark) as try_cast(
    case
        when ends_with(plain(bare(written), mark), '-')
            then '-' || rtrim(plain(bare(written), mark), '-')
        else plain(bare(written), mark)
    end as decimal(28, 6)
);
create macro clock() as
    '([ T]\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s?([AaPp][Mm]|Z|[+-]\d{2}:?\d{2})?)?';
create macro read_day(written, date_order) as case
    when regexp_full_match(trim(written), '\d{4}-\d{2}-\d{2}' || clock())
        then try_strptime(left(trim(written), 10), '%Y-%m-%d')
    when regexp_full_match(trim(written), '\d{1,2}\.\d{1,2}\.\d{4}' || clock())
        then try_strptime(regexp_extract(trim(written), '^[\d.]+'), '%d.%m.%Y')
    when regexp_full_match(trim(written), '\d{1,2}\.\d{1,2}\.\d{2}' || clock())
        then try_strptime(regexp_replace(
            regexp_extract(trim(written), '^[\d.]+'), '(\d{2})$', '20\1'), '%d.%m.%Y')
    when regexp_full_match(trim(written), '\d{1,2}/\d{1,2}/\d{4}' || clock()) and date_order = 'dmy'
        then try_strptime(regexp_extract(trim(written), '^[\d/]+'), '%d/%m/%Y')
    when regexp_full_match(trim(written), '\d{1,2}/\d{1,2}/\d{4}' || clock()) and date_order = 'mdy'
        then try_strptime(regexp_extract(trim(written), '^[\d/]+'), '%m/%d/%Y')
end::date;
create macro with_seconds(written) as regexp_replace(
    trim(written), '^(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2})(Z|[+-]\d{2}:?\d{2})$', '\1:00\2');
create macro any_moment(written) as coalesce(
    try_cast(with_seconds(written) as timestamptz),
    try_strptime(
        trim(written), ['%d.%m.%Y %H:%M:%S', '%d.%m.%Y %H:%M', '%d.%m.%Y, %H:%M', '%d.%m.%Y']
    )::timestamptz
);
-- infinity and the year 10000 are moments to DuckDB and to nobody else.
create macro read_moment(written) as case
    when any_moment(written) between '0001-01-02' and '9999-12-30' then any_moment(written)
end;
"""


@dataclass(frozen=True)
class Arrival:
    """What is known of how a load came, beside its rows, and of the one before it.

    columns: the contract's columns that the file or answer had (None: not known); columns_before
    those of the last file of this kind, rows_before the rows of the last file of this very name
    (None: there was none).
    """

    columns: frozenset[str] | None = None
    columns_before: frozenset[str] | None = None
    rows_before: int | None = None


class Judgement:
    """A judged load: its verdict, and the means to write its rows to where they belong."""

    def __init__(self, db: duckdb.DuckDBPyConnection, suite: Suite, verdict: Verdict) -> None:
        self._db = db
        self._suite = suite
        self.verdict = verdict

    def write(self, accepted: Path, quarantined: Path, *, personal: Mapping[str, str]) -> None:
        """Write every row to exactly one of two folders.

        accepted gets part-00000.parquet with the landed columns and findings.parquet (what was let
        in although it breaks a rule); quarantined gets rows.parquet (the same columns) and
        reasons.parquet. Both lists are FINDINGS_SCHEMA, one row per row and broken rule. personal
        maps a column to the sort of personal data in it: its values are never shown. Raises OSError
        (no space).
        """
        for membership, target in (
            ("not in", accepted / "part-00000.parquet"),
            ("in", quarantined / "rows.parquet"),
        ):
            self._db.execute(
                f"copy (select * from landed where _row {membership} (from quarantined_rows) "
                "order by _row) to ? (format parquet, compression zstd)",
                [str(target)],
            )
        for severity, target in (
            (Severity.WARN, accepted / "findings.parquet"),
            (Severity.QUARANTINE, quarantined / "reasons.parquet"),
        ):
            findings = _findings(self._db, self._suite, severity, personal)
            pq.write_table(findings, target, compression="zstd")


@contextlib.contextmanager
def judging(
    parts: Sequence[Path],
    suite: Suite,
    arrival: Arrival | None = None,
    *,
    is_let_in_by_hand: bool = False,
) -> Iterator[Judgement]:
    """Judge the landed Parquet files of one load; the judgement can be used within the block.

    is_let_in_by_hand: a person has looked at it, so nothing but its bad rows is kept out.
    """
    with duckdb.connect() as db:
        _open_landed(db, parts, suite)
        landed = db.sql("select count(*) from landed").fetchall()[0][0]
        broken = _judge_rows(db, suite, landed)
        _register_broken(db, suite, broken)
        quarantined = db.sql("select count(*) from quarantined_rows").fetchall()[0][0]
        results = tuple(
            RuleResult(rule, sum(len(rows) for rows in broken[position]))
            for position, rule in enumerate(suite.rules)
        )
        reasons = ()
        if not is_let_in_by_hand:
            reasons = (
                *_reasons_to_refuse(suite, landed, quarantined, results),
                *_changed_since(suite, landed, arrival or Arrival()),
            )
        verdict = Verdict(
            is_let_in=not reasons,
            reasons=reasons,
            landed=landed,
            accepted=0 if reasons else landed - quarantined,
            quarantined=0 if reasons else quarantined,
            results=results,
            profile=_profile(db, suite),
        )
        yield Judgement(db, suite, verdict)


def _open_landed(db: duckdb.DuckDBPyConnection, parts: Sequence[Path], suite: Suite) -> None:
    # A moment without an offset means the same on every machine.
    db.execute("set timezone = 'UTC'")
    db.execute(_MACROS)
    landed = db.read_parquet([str(part) for part in parts])
    landed.create_view("landed")
    prepared = [f"{expression} as {name}" for name, expression in suite.prepared.items()]
    # A deletion has nothing but its key, and there is nothing in it to judge.
    db.execute(
        f"create view prepared as select {', '.join(['*', *prepared])} from landed "
        "where _is_deleted is not true"
    )


def _profile(db: duckdb.DuckDBPyConnection, suite: Suite) -> Profile:
    """Counts over the whole load, in two passes over the columns they need."""
    newest = f"max({suite.newest}) filter ({suite.newest} <= _pulled_at at time zone 'UTC')"
    figures = [
        "count(*)",
        newest if suite.newest else "null",
        *(f"count(*) filter ({condition})" for condition in suite.counted.values()),
    ]
    judged, newest_change, *counts = db.sql(
        f"select {', '.join(figures)} from prepared"
    ).fetchall()[0]
    outside = db.sql(
        "select name, count(*) from (select unnest(json_keys(_extra)) as name from prepared "
        "where _defect is null and json_valid(_extra)) group by name order by name"
    ).fetchall()
    named = {}
    for name, rows in outside:
        shown = name if _is_a_fields(name) else "(a name not shown)"
        named[shown] = named.get(shown, 0) + rows
    return Profile(
        judged,
        dict(zip(suite.counted, counts, strict=True)),
        named,
        newest_change and newest_change.replace(tzinfo=UTC),
    )


def _is_a_fields(name: str) -> bool:
    return bool(_A_FIELDS_NAME.fullmatch(name)) and not _A_PERSONS_NAME.fullmatch(name)


def _judge_rows(db: duckdb.DuckDBPyConnection, suite: Suite, landed: int) -> list[list[np.ndarray]]:
    """For each rule the numbers (`_row`) of the rows that break it, chunk by chunk."""
    looked_at = {rule.looks_at for rule in suite.rules}
    narrowed_by = {name for rule in suite.rules for name, _ in rule.where}
    needed = sorted({"_row"} | looked_at | narrowed_by)
    broken: list[list[np.ndarray]] = [[] for _ in suite.rules]
    reader = db.execute(f"select {', '.join(needed)} from prepared").to_arrow_reader(ROWS_PER_CHUNK)
    judged = 0
    for batch in reader:
        frame = batch.to_pandas()
        row_numbers = frame["_row"].to_numpy()
        for position, rows in enumerate(broken_rows(frame, suite.rules)):
            if len(rows):
                broken[position].append(row_numbers[rows])
        judged += len(frame)
        log.info("  … %s of %s rows judged", f"{judged:,}", f"{landed:,}")
    return broken


def _register_broken(
    db: duckdb.DuckDBPyConnection, suite: Suite, broken: list[list[np.ndarray]]
) -> None:
    numbers, positions = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for position, chunks in enumerate(broken):
        numbers += chunks
        positions += [np.full(len(chunk), position) for chunk in chunks]
    found = pa.table({"_row": np.concatenate(numbers), "rule_position": np.concatenate(positions)})
    db.register("broken", found)
    keeping_out = [
        str(position)
        for position, rule in enumerate(suite.rules)
        if rule.severity is Severity.QUARANTINE
    ]
    db.execute(
        "create temp table quarantined_rows as select distinct _row from broken "
        f"where rule_position in ({', '.join(keeping_out) or 'null'})"
    )


def _reasons_to_refuse(
    suite: Suite, landed: int, quarantined: int, results: tuple[RuleResult, ...]
) -> tuple[str, ...]:
    if landed == 0:
        return ("the load has no rows",)
    share = quarantined / landed
    allowed = suite.thresholds.bad_rows_share
    if quarantined <= suite.thresholds.bad_rows_always_allowed or share <= allowed:
        return ()
    worst = max(
        (result for result in results if result.rule.severity is Severity.QUARANTINE),
        key=lambda result: result.broken,
    )
    return (
        f"{quarantined:,} of {landed:,} rows ({share:.1%}) are bad, more than the "
        f"{allowed:.0%} allowed; most often broken: {worst.rule.name} "
        f"({worst.broken:,} rows). {worst.rule.remedy}",
    )


def _changed_since(suite: Suite, landed: int, arrival: Arrival) -> Iterator[str]:
    """Why a load is refused for what the last one of its kind was like."""
    if arrival.columns is not None and arrival.columns_before is not None:
        gone = sorted(arrival.columns_before - arrival.columns)
        if gone:
            yield (
                f"columns that the last file of this kind had are not in this one: "
                f"{', '.join(gone)}. Put them back or name them in the mapping; if they are gone "
                "for good, let the load in by hand"
            )
    before, least = arrival.rows_before, suite.thresholds.smallest_share_of_last_file
    if (
        before is not None
        and before >= suite.thresholds.smallest_file_compared
        and landed < least * before
    ):
        yield (
            f"it has {landed:,} rows, and the last file of this name had {before:,}: the export "
            "seems cut off. Export it again; if so few are right, let the load in by hand"
        )


def _findings(
    db: duckdb.DuckDBPyConnection, suite: Suite, severity: Severity, personal: Mapping[str, str]
) -> pa.Table:
    """One row per row and broken rule of a severity, with the value as written or its mask."""
    found = [FINDINGS_SCHEMA.empty_table()]
    membership = "in" if severity is Severity.QUARANTINE else "not in"
    key = _shown_key(suite, personal)
    for position, rule in enumerate(suite.rules):
        if rule.severity is not severity:
            continue
        findings = db.execute(
            f"select _row, {key}, ?, ?, ?, ?, ?, {_shown_value(rule, personal)} from landed "
            "where _row in (select _row from broken where rule_position = ?) "
            f"and _row {membership} (from quarantined_rows) order by _row",
            [rule.column, rule.name, rule.family, rule.harm, rule.remedy, position],
        ).to_arrow_table()
        found.append(findings.rename_columns(FINDINGS_SCHEMA.names).cast(FINDINGS_SCHEMA))
    return pa.concat_tables(found).sort_by([("row_number", "ascending"), ("rule", "ascending")])


def _shown_value(rule: Rule, personal: Mapping[str, str]) -> str:
    # Column names come from the contract. What only warns is not looked up by its value.
    if rule.severity is Severity.WARN:
        return "null::varchar"
    if rule.column in personal:
        return f"case when {rule.column} is not null then '{MASK}' end"
    if rule.column == "_defect":
        return rule.column
    return f"case when {_IS_SLIPPED} then '{MASK}' else {_unless_an_address(rule.column)} end"


def _shown_key(suite: Suite, personal: Mapping[str, str]) -> str:
    parts = [
        _unless_an_address(name)
        if personal.get(name, SHOWN_IN_KEYS) == SHOWN_IN_KEYS
        else f"case when {name} is not null then '{MASK}' end"
        for name in suite.key
    ]
    if not parts:
        return "null::varchar"
    return f"case when not {_IS_SLIPPED} then nullif(concat_ws(' / ', {', '.join(parts)}), '') end"


def _unless_an_address(column: str) -> str:
    # In a row that slipped by a column an address stands where a number or a state should.
    return f"case when contains({column}, '@') then '{MASK}' else {column} end"
