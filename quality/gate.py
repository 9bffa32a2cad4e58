"""Judges one landed load and splits it. Who reads and who commits the files is not known here."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from quality.expectations import broken_rows
from quality.rules import RuleResult, Severity, Suite, Verdict

log = logging.getLogger(__name__)

ROWS_PER_CHUNK = 200_000
MASK = "•••"

REASONS_SCHEMA = pa.schema(
    [
        ("row_number", pa.int64()),
        ("column_name", pa.string()),
        ("rule", pa.string()),
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
create macro read_moment(written) as coalesce(
    try_cast(trim(written) as timestamptz),
    try_strptime(
        trim(written), ['%d.%m.%Y %H:%M:%S', '%d.%m.%Y %H:%M', '%d.%m.%Y, %H:%M', '%d.%m.%Y']
    )::timestamptz
);
"""


class Judgement:
    """A judged load: its verdict, and the means to write its rows to where they belong."""

    def __init__(self, db: duckdb.DuckDBPyConnection, suite: Suite, verdict: Verdict) -> None:
        self._db = db
        self._suite = suite
        self.verdict = verdict

    def write(self, accepted: Path, quarantined: Path, *, masked: frozenset[str]) -> None:
        """Write every row to exactly one of two folders.

        accepted gets part-00000.parquet with the landed columns; quarantined gets rows.parquet
        (the same columns) and reasons.parquet (REASONS_SCHEMA, one row per row and broken rule).
        masked names the columns whose values are never shown. Raises OSError (no space).
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
        reasons = _reasons(self._db, self._suite, masked)
        pq.write_table(reasons, quarantined / "reasons.parquet")


@contextlib.contextmanager
def judging(parts: Sequence[Path], suite: Suite) -> Iterator[Judgement]:
    """Judge the landed Parquet files of one load; the judgement can be used within the block."""
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
        reasons = _reasons_to_refuse(suite, landed, quarantined, results)
        verdict = Verdict(
            is_let_in=not reasons,
            reasons=reasons,
            landed=landed,
            accepted=0 if reasons else landed - quarantined,
            quarantined=0 if reasons else quarantined,
            results=results,
        )
        yield Judgement(db, suite, verdict)


def _open_landed(db: duckdb.DuckDBPyConnection, parts: Sequence[Path], suite: Suite) -> None:
    db.execute(_MACROS)
    landed = db.read_parquet([str(part) for part in parts])
    landed.create_view("landed")
    prepared = [f"{expression} as {name}" for name, expression in suite.prepared.items()]
    # A deletion has nothing but its key, and there is nothing in it to judge.
    db.execute(
        f"create view prepared as select {', '.join(['*', *prepared])} from landed "
        "where _is_deleted is not true"
    )


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
    for position, (rule, chunks) in enumerate(zip(suite.rules, broken, strict=True)):
        if rule.severity is Severity.QUARANTINE:
            numbers += chunks
            positions += [np.full(len(chunk), position) for chunk in chunks]
    found = pa.table({"_row": np.concatenate(numbers), "rule_position": np.concatenate(positions)})
    db.register("broken", found)
    db.execute("create view quarantined_rows as select distinct _row from broken")


def _reasons_to_refuse(
    suite: Suite, landed: int, quarantined: int, results: tuple[RuleResult, ...]
) -> tuple[str, ...]:
    if landed == 0:
        return ("the load has no rows",)
    share = quarantined / landed
    is_small = quarantined <= suite.bad_rows_always_allowed
    if is_small or share <= suite.share_of_bad_rows_allowed:
        return ()
    worst = max(
        (result for result in results if result.rule.severity is Severity.QUARANTINE),
        key=lambda result: result.broken,
    )
    return (
        f"{quarantined:,} of {landed:,} rows ({share:.1%}) are bad, more than the "
        f"{suite.share_of_bad_rows_allowed:.0%} allowed; most often broken: {worst.rule.name} "
        f"({worst.broken:,} rows). {worst.rule.remedy}",
    )


def _reasons(db: duckdb.DuckDBPyConnection, suite: Suite, masked: frozenset[str]) -> pa.Table:
    """One row per quarantined row and broken rule, with the value as written or its mask."""
    found = [REASONS_SCHEMA.empty_table()]
    for position, rule in enumerate(suite.rules):
        # Column names come from the contract; everything else is bound.
        shown = f"case when {rule.column} is not null then ? end" if rule.column in masked else None
        given = [MASK] if shown else []
        reasons = db.execute(
            f"select _row, ?, ?, ?, ?, {shown or rule.column} from landed "
            "where _row in (select _row from broken where rule_position = ?) order by _row",
            [rule.column, rule.name, rule.harm, rule.remedy, *given, position],
        ).to_arrow_table()
        found.append(reasons.rename_columns(REASONS_SCHEMA.names).cast(REASONS_SCHEMA))
    return pa.concat_tables(found).sort_by([("row_number", "ascending"), ("rule", "ascending")])
