"""Fix lists: for every source the rows that were kept out, for a clerk to put right in the source.

What makes a row wrong, what to do and why it matters is said by the rules; which values are masked
and which rows are still open is decided when they are registered. How a table becomes a file that
Excel opens without harm is decided in `spreadsheets`.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb

from pipelines.publishing.spreadsheets import write_csv, write_xlsx

log = logging.getLogger(__name__)

ROWS_PER_FETCH = 10_000
# Writing XLSX takes 0.5 ms or more a row: a broken export of a million rows would hold up a run by
# minutes, for a list that nobody works off by hand. The CSV holds every row.
MOST_ROWS_IN_EXCEL = 50_000
HEADINGS = (
    "Table",
    "File",
    "Row",
    "Record",
    "Column",
    "What is wrong",
    "Value",
    "What to do",
    "Why it matters",
    "Found on",
)

# After the order of work, the rest makes the order certain: the same rows give the same file.
_OPEN_ROWS = """
select table_name, file, row_number, record_key, column_name, replace(rule, '_', ' '),
    value, remedy, harm, (found_at at time zone $timezone)::date
from raw_quality.quarantined_rows
where is_open and source = $source
order by table_name, file, row_number, rule, column_name, record_key, load_id
"""


class FixListProblem(Exception):
    """The fix lists were not written; those of the last run still lie there."""


def write_fix_lists(
    db: duckdb.DuckDBPyConnection,
    folder: Path,
    titles: Mapping[str, str],
    *,
    timezone: str = "Europe/Berlin",
) -> dict[str, int]:
    """Write <source>.csv and <source>.xlsx for every source with open rows; returns their number.

    Titles name every source. A source without open rows has no files, so that a finished list goes
    by itself; other files in the folder are left alone. The XLSX stops at MOST_ROWS_IN_EXCEL, the
    CSV holds every row. Found on is a day in the time zone. Raises FixListProblem where an open
    row belongs to a source without a title, and OSError where the disk fails.
    """
    with_open_rows = {
        source
        for (source,) in db.execute(
            "select distinct source from raw_quality.quarantined_rows where is_open"
        ).fetchall()
    }
    unknown = sorted(map(str, with_open_rows - set(titles)))
    if unknown:
        raise FixListProblem(f"open rows of sources without a title: {', '.join(unknown)}")
    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    for source, title in titles.items():
        if source in with_open_rows:
            counts[source] = _write(db, folder, source, title, timezone)
            log.info("Fix list of %s: %s open rows", source, f"{counts[source]:,}")
        else:
            counts[source] = 0
            for ending in ("csv", "xlsx"):
                (folder / f"{source}.{ending}").unlink(missing_ok=True)
                # Left by a run that was killed while it wrote.
                (folder / f".{source}.{ending}").unlink(missing_ok=True)
    return counts


def _write(
    db: duckdb.DuckDBPyConnection, folder: Path, source: str, title: str, timezone: str
) -> int:
    write_xlsx(
        folder / f"{source}.xlsx",
        HEADINGS,
        _open_rows(db, source, timezone),
        title=title,
        most_rows=MOST_ROWS_IN_EXCEL,
    )
    return write_csv(folder / f"{source}.csv", HEADINGS, _open_rows(db, source, timezone))


def _open_rows(db: duckdb.DuckDBPyConnection, source: str, timezone: str) -> Iterator[tuple]:
    """One by one: a broken export of a large company may have a million."""
    found = db.execute(_OPEN_ROWS, {"source": source, "timezone": timezone})
    while rows := found.fetchmany(ROWS_PER_FETCH):
        yield from rows
