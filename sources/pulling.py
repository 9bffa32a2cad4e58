"""Pulls one source into the lake. What a source reads, and how, its own module knows."""

import functools
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sources.changes import Cursors, Limits, changes, known
from sources.contract import Batch, Option, Pull, Reading, Source, SourceProblem, Table
from sources.landing import Lake, LandingProblem, Load, kept_as

log = logging.getLogger(__name__)

# Every source that is asked (and not dropped) understands these.
READING_OPTIONS = (
    Option("overlap_minutes", "How far a pull reaches back behind the newest change seen.", "5"),
    Option("read_all_after_days", "After how many days everything is read once more.", "7"),
    Option("largest_loss_percent", "Which share of a table may vanish at once.", "20"),
)


def pull_source(
    source: Source,
    lake: Lake,
    context: Pull,
    *,
    is_demo: bool = False,
    accepts_deletions: bool = False,
) -> list[Load]:
    """Land everything a source has that is new; problems stay in `context`, the rest goes on.

    Raises OSError where the lake cannot be written.
    """
    limits = _limits(context, accepts_deletions=accepts_deletions)
    cursors = Cursors(_cursor_file(lake, source, is_demo), limits, now=datetime.now(UTC))
    context.since = lambda table: None if _waits(lake, source, table) else cursors.since(table)
    context.known = functools.partial(known, source=source.name, lake=lake, is_demo=is_demo)
    context.seen |= {
        (table.name, checksum)
        for table in source.tables
        for checksum in lake.checksums(source.name, table.name)
    }
    loads = []
    for item in _handed_over(source, context):
        try:
            if isinstance(item, Batch):
                loads.append(_land(source, item, lake, is_demo=is_demo))
                context.seen.add((item.table.name, item.checksum))
                continue
            with changes(item, source.name, lake, limits, is_demo=is_demo) as found:
                if found.batch:
                    context.contents.add(found.batch.checksum)
                    if found.batch.checksum not in _waits(lake, source, item.table):
                        loads.append(_land(source, found.batch, lake, is_demo=is_demo))
            cursors.advance(item, found.newest)
            context.read.add(item.table.name)
        except (SourceProblem, LandingProblem) as problem:
            log.error("%s", problem)
            context.problems.append(problem)
    return loads


def _handed_over(source: Source, context: Pull) -> Iterator[Batch | Reading]:
    """What the source hands over; what stops it in between is a problem of this source only."""
    try:
        yield from source.pull(context)
    except SourceProblem as problem:
        log.error("%s", problem)
        context.problems.append(problem)


def _land(source: Source, batch: Batch, lake: Lake, *, is_demo: bool) -> Load:
    return lake.land(source.name, batch, pulled_at=datetime.now(UTC), is_demo=is_demo)


def _waits(lake: Lake, source: Source, table: Table) -> set[str]:
    """Checksums of refused loads: as long as one waits, everything is read anew."""
    loads = lake.loads("landed", source.name, table.name)
    return {load.about["checksum"] for load in loads if load.verdict}


def _cursor_file(lake: Lake, source: Source, is_demo: bool) -> Path:
    return lake.root / "cursors" / f"{kept_as(source.name, is_demo=is_demo)}.json"


def _limits(context: Pull, *, accepts_deletions: bool) -> Limits:
    given = {option.name: option.default for option in READING_OPTIONS}
    given |= {name: given_ for name, given_ in context.connection.options.items() if name in given}
    try:
        return Limits(
            loss_share=1.0 if accepts_deletions else float(given["largest_loss_percent"]) / 100,
            smallest_table=sys.maxsize if accepts_deletions else Limits.smallest_table,
            overlap=timedelta(minutes=float(given["overlap_minutes"])),
            read_all_after=timedelta(days=float(given["read_all_after_days"])),
        )
    except ValueError as error:
        names = ", ".join(given)
        raise SourceProblem(f"write numbers for {names} in stammkunde.yml") from error
