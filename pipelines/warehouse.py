"""The private DuckDB file: opening it, and registering what the lake holds as raw relations.

dbt knows only tables; this is where they come from. What the tables mean is dbt's business.
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from enum import IntEnum
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.findings import COLUMNS as FINDINGS
from pipelines.findings import register_findings
from pipelines.ingest import company_terms, in_force
from pipelines.scoring import ScoredRun, scored_runs
from pipelines.settings import Settings
from pipelines.sql_literals import quoted_literal
from sources.access import is_demo
from sources.contract import Source, Table
from sources.landing import Lake, landed_schema
from sources.registry import SOURCES

log = logging.getLogger(__name__)


# Columns of raw_quality.source_answers.
ANSWERS = {
    "source": "varchar",
    "run_id": "varchar",
    "run_at": "timestamptz",
    "question": "varchar",
    "score": "double",
    "figure": "varchar",
    "value": "double",
    "total": "double",
    "trend": "double",
    "priority": "integer",
}


class NotAWholeBuild(Exception):
    """What lies in the warehouse was not built and checked as a whole, so it is not for readers."""


class WarehouseBusy(Exception):
    """Some process outside this project has the private warehouse open."""


@contextlib.contextmanager
def open_warehouse(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the private warehouse for writing.

    A file that cannot be opened is set aside and built anew: everything in it comes from the lake.
    Raises WarehouseBusy where another process has it open.
    """
    path = settings.warehouse
    try:
        db = duckdb.connect(str(path))
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise WarehouseBusy(
                f"{path.name} is open in another program (a BI tool or a DuckDB shell?): close "
                f"it there and let it read {settings.published.name} instead. {error}"
            ) from error
        _set_aside(path)
        db = duckdb.connect(str(path))
    except (duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException):
        _set_aside(path)
        db = duckdb.connect(str(path))
    try:
        yield db
    finally:
        db.close()


def register_raw(db: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Make every table of every source a relation `raw_<source>.<table>`, empty ones included.

    Also raw_company.settings (one row), and in raw_quality: loads, quarantined_rows and
    source_answers.
    """
    lake = Lake(settings.lake)
    db.execute("begin")
    for schema in ("raw_company", "raw_quality", *(f"raw_{source.name}" for source in SOURCES)):
        db.execute(f"create schema if not exists {schema}")
    as_of, currency = company_terms(settings, lake)
    db.execute(
        "create or replace table raw_company.settings as "
        "select ?::date as as_of, ?::varchar as reporting_currency, ?::boolean as is_demo",
        [as_of, currency, is_demo(settings.setup, lake)],
    )
    loads = []
    db.execute(
        "create or replace table raw_quality.quarantined_rows "
        f"({', '.join(f'{name} {kind}' for name, kind in FINDINGS.items())})"
    )
    for source in SOURCES:
        for table in source.tables:
            accepted = in_force(lake, settings, source, table)
            _register_table(db, source, table, [part for load in accepted for part in load.parts])
            loads += [_load_row(load) for load in accepted]
            if register_findings(db, source, table, accepted, lake):
                db.execute(
                    "insert into raw_quality.quarantined_rows by name "
                    "from findings where is_kept_out"
                )
            loads += [_load_row(load) for load in lake.loads("landed", source.name, table.name)]
    _register_loads(db, loads)
    _register_answers(db, scored_runs(settings))
    db.execute("commit")


class BuildStage(IntEnum):
    """How far one build of everything came; a stage holds where all before it held."""

    BEGUN = 0
    RECORDS = 1
    IDENTITIES = 2
    CONSENT = 3
    WHOLE = 4


def mark_build(db: duckdb.DuckDBPyConnection, stage: BuildStage) -> None:
    """Note how far the build came; `begin_stage` lowers it, so that a killed step shows."""
    db.execute("create schema if not exists raw_company")
    db.execute(
        "create or replace table raw_company.last_build as select ?::integer as stage", [stage]
    )


def stage_of_build(db: duckdb.DuckDBPyConnection) -> BuildStage:
    """How far the last build came; BEGUN where there was none."""
    tables = db.sql(
        "select count(*) from duckdb_columns() where schema_name = 'raw_company' "
        "and table_name = 'last_build' and column_name = 'stage'"
    ).fetchall()
    if tables == [(0,)]:
        return BuildStage.BEGUN
    ((stage,),) = db.sql("from raw_company.last_build").fetchall()
    return BuildStage(stage)


def begin_stage(db: duckdb.DuckDBPyConnection, stage: BuildStage) -> bool:
    """Take back, before a step that leads to `stage`, whatever was built on what it replaces.

    True where all before the step holds, so that the build has come to `stage` when it succeeds.
    """
    before = BuildStage(min(stage_of_build(db), stage - 1))
    mark_build(db, before)
    return before == stage - 1


def require_whole_build(db: duckdb.DuckDBPyConnection) -> None:
    """Raise NotAWholeBuild where the marts are half built, failed a test or are a mix."""
    if stage_of_build(db) is not BuildStage.WHOLE:
        raise NotAWholeBuild(
            "the marts do not come from one whole build that passed its tests: "
            "materialize all assets (job refresh_customer_360), then they are published"
        )


def row_counts(db: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """schema.table → number of rows, for all tables that dbt built (views are not counted)."""
    names = db.sql(
        "select schema_name, table_name from duckdb_tables() where schema_name not like 'raw%'"
    ).fetchall()
    return {
        f"{schema}.{table}": db.table(f"{schema}.{table}").count("*").fetchall()[0][0]
        for schema, table in names
    }


def distribution(
    db: duckdb.DuckDBPyConnection, columns: Sequence[str]
) -> dict[str, list[tuple[str, int]]]:
    """For each of these columns of customer_360 the number of customers per value."""
    customers = db.table("marts.customer_360")
    return {
        column: customers.aggregate(f"{column}, count(*) as customers")
        .order(f"customers desc, {column}")
        .fetchall()
        for column in columns
    }


def _register_table(
    db: duckdb.DuckDBPyConnection, source: Source, table: Table, parts: list[Path]
) -> None:
    # Source and table names are ours (the registry); paths are not, but a view takes no parameter.
    types = {"int64": "bigint", "bool": "boolean", "timestamp[us, tz=UTC]": "timestamptz"}
    wanted = {
        column.name: f"null::{types.get(str(column.type), 'varchar')} as {column.name}"
        for column in landed_schema(table)
    }
    if parts:
        files = ", ".join(quoted_literal(str(part)) for part in parts)
        relation = f"from read_parquet([{files}], union_by_name = true)"
        # A column that the contract gained later is in no older load.
        for name in db.sql(f"{relation} limit 0").columns:
            wanted[name] = name
    else:
        relation = "where false"
    columns = ", ".join(wanted.values())
    db.execute(
        f"create or replace view raw_{source.name}.{table.name} as select {columns} {relation}"
    )


def _load_row(load) -> tuple:
    verdict = load.verdict or {}
    return (
        load.about["source"],
        load.about["table"],
        load.load_id,
        load.about["pulled_at"],
        load.about.get("file"),
        load.about["checksum"],
        load.about["rows"],
        verdict.get("accepted"),
        verdict.get("quarantined"),
        "accepted" if verdict.get("is_let_in") else "rejected",
    )


def _register_loads(db: duckdb.DuckDBPyConnection, rows: list[tuple]) -> None:
    db.execute(
        "create or replace table raw_quality.loads (source varchar, table_name varchar, "
        "load_id varchar, pulled_at timestamptz, file varchar, checksum varchar, "
        "landed_rows bigint, "
        "accepted_rows bigint, quarantined_rows bigint, verdict varchar)"
    )
    if rows:
        db.executemany("insert into raw_quality.loads values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _register_answers(db: duckdb.DuckDBPyConnection, runs: Sequence[ScoredRun]) -> None:
    db.execute(
        "create or replace table raw_quality.source_answers "
        f"({', '.join(f'{name} {kind}' for name, kind in ANSWERS.items())})"
    )
    rows = [
        (
            one.source.name, one.run.run_id, one.run.started_at,
            answer.question, answer.score, answer.figure, answer.value,
            one.scores.total, one.trend, one.priority,
        )
        for one in runs
        for answer in one.scores.answers
    ]  # fmt: skip
    if rows:
        columns = list(zip(*rows, strict=True))
        answers = pa.table(
            [pa.array(column) for column in columns],
            names=list(ANSWERS),
        )
        db.register("answers", answers)
        db.execute("insert into raw_quality.source_answers from answers")
        db.unregister("answers")


def _set_aside(path: Path) -> None:
    stamp = time.strftime("%Y%m%dT%H%M%S")
    for damaged in (path, path.with_name(f"{path.name}.wal")):
        if damaged.exists():
            damaged.rename(damaged.with_name(f"{damaged.name}.damaged-{stamp}"))
    log.warning("The private warehouse could not be opened: set aside and built anew from the lake")
