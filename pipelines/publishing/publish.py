"""Copies finished marts into a file of their own and swaps it in, so that readers never wait.

What goes in is decided by schema (`marts`); what is right is decided before this is called.
"""

import contextlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pipelines.sql_literals import quoted_literal
from sources.landing import sync

log = logging.getLogger(__name__)

# The oldest format that holds everything we write: BI tools often carry a DuckDB a year old.
STORAGE_VERSION = "v1.4.0"
VERSIONS_KEPT = 3


class PublishingProblem(Exception):
    """The new version was not published; the one before goes on serving."""


@dataclass(frozen=True)
class PublishedTable:
    """One table of a published version; the fingerprint is equal where the rows are."""

    schema: str
    name: str
    rows: int
    fingerprint: str


@dataclass(frozen=True)
class Publication:
    """A published version: its file and the tables in it."""

    file: Path
    tables: tuple[PublishedTable, ...]


def publish(warehouse: Path, link: Path, *, run_id: str) -> Publication:
    """Copy schema marts of the private warehouse into a new version and point the link at it.

    The version is written under a temporary name, read back in full, forced onto the disk and
    renamed; then the relative symlink is swapped by rename. A symlink, because a process that
    still has the old file open and connects again to the same path would get the old one from
    DuckDB's instance cache. Raises PublishingProblem where there is nothing to publish or what was
    written does not read back as it was, OSError or duckdb.Error where the disk fails.
    """
    versions = link.parent / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    for leftover in versions.glob(".*"):
        leftover.unlink()
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%S%fZ}.duckdb"
    temporary = versions / f".{name}"
    try:
        tables = _write(warehouse, temporary, run_id, now)
        if temporary.with_name(f"{temporary.name}.wal").exists():
            raise PublishingProblem(
                "the new version was not written through: a .wal lies beside it"
            )
        _read_back(temporary, tables)
        sync(temporary)
        temporary.rename(versions / name)
    finally:
        for leftover in versions.glob(f".{name}*"):
            leftover.unlink()
    sync(versions)
    _point(link, Path("versions") / name)
    _prune(versions)
    log.info("Published %d tables as %s", len(tables), name)
    return Publication(versions / name, tables)


def fingerprints(file: Path) -> dict[str, str]:
    """schema.table → fingerprint of every table that two equal runs of whatever home leave alike.

    source_scorecard is not among them, as each run adds its rows, nor what names events of consent:
    their names follow from a key of the home and from when they were pulled.
    """
    with duckdb.connect(str(file), read_only=True) as db:
        rows = db.sql(
            "select table_schema, table_name, fingerprint from publication.tables "
            "where table_name not in ('source_scorecard', 'consent_events', 'consent_status', "
            "'consent_status_history', 'mailing_permission')"
        )
        return {f"{schema}.{table}": print_ for schema, table, print_ in rows.fetchall()}


def _write(
    warehouse: Path, temporary: Path, run_id: str, now: datetime
) -> tuple[PublishedTable, ...]:
    tables = []
    with duckdb.connect() as db:
        db.execute(f"attach {quoted_literal(warehouse)} as build (read_only)")
        db.execute(
            f"attach {quoted_literal(temporary)} as serving (storage_version '{STORAGE_VERSION}')"
        )
        names = db.sql(
            "select schema_name, table_name from duckdb_tables() "
            "where database_name = 'build' and schema_name = 'marts' order by all"
        ).fetchall()
        if not names:
            raise PublishingProblem("the warehouse holds no marts: run the build first")
        db.execute("begin")
        db.execute("create schema serving.marts")
        db.execute("create schema serving.publication")
        for schema, table in names:
            db.execute(f"create table serving.{schema}.{table} as from build.{schema}.{table}")
            _copy_comments(db, schema, table)
            tables.append(_fingerprint(db, "build", schema, table))
        db.execute(
            "create table serving.publication.version as "
            "select ?::varchar as run_id, ?::timestamptz as published_at",
            [run_id, now],
        )
        db.execute(
            "create table serving.publication.tables (table_schema varchar, table_name varchar, "
            "rows bigint, fingerprint varchar)"
        )
        db.executemany(
            "insert into serving.publication.tables values (?, ?, ?, ?)",
            [(table.schema, table.name, table.rows, table.fingerprint) for table in tables],
        )
        db.execute("commit")
        db.execute("checkpoint serving")
        db.execute("detach serving")
    return tuple(tables)


def _copy_comments(db: duckdb.DuckDBPyConnection, schema: str, table: str) -> None:
    """Descriptions travel along: the analyst reads them in the BI tool."""
    comment = db.execute(
        "select comment from duckdb_tables() where database_name = 'build' "
        "and schema_name = ? and table_name = ?",
        [schema, table],
    ).fetchall()[0][0]
    if comment:
        db.execute(f"comment on table serving.{schema}.{table} is {quoted_literal(comment)}")
    columns = db.execute(
        "select column_name, comment from duckdb_columns() where database_name = 'build' "
        "and schema_name = ? and table_name = ? and comment is not null",
        [schema, table],
    ).fetchall()
    for column, text in columns:
        db.execute(f"comment on column serving.{schema}.{table}.{column} is {quoted_literal(text)}")


def _fingerprint(
    db: duckdb.DuckDBPyConnection, database: str, schema: str, table: str
) -> PublishedTable:
    """Row count and a sum over the hash of every row: the order of rows plays no part.

    Every column of every row goes into it, so this also reads the whole table. DuckDB's own hash,
    20 times as fast as MD5; another DuckDB may hash otherwise.
    """
    rows, total = db.sql(
        f"select count(*), sum(hash(row_of)::hugeint) from {database}.{schema}.{table} as row_of"
    ).fetchall()[0]
    return PublishedTable(schema, table, rows, f"{rows}-{total or 0:x}")


def _read_back(temporary: Path, tables: tuple[PublishedTable, ...]) -> None:
    with duckdb.connect() as db:
        db.execute(f"attach {quoted_literal(temporary)} as written (read_only)")
        for table in tables:
            if _fingerprint(db, "written", table.schema, table.name) != table:
                raise PublishingProblem(
                    f"{table.schema}.{table.name} does not read back as it was written: "
                    "check the disk"
                )


def _point(link: Path, target: Path) -> None:
    temporary = link.with_name(f".{link.name}.next")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(target)
    temporary.rename(link)
    sync(link.parent)


def _prune(versions: Path) -> None:
    """Keep the last versions for roll-back; readers keep the file they have open anyway."""
    for old in _published_versions(versions)[:-VERSIONS_KEPT]:
        old.unlink()


def _published_versions(versions: Path) -> list[Path]:
    return sorted(versions.glob("[!.]*.duckdb"))
