"""Pulls one source into the lake. What a source reads, and how, its own module knows."""

from datetime import UTC, datetime

from sources.contract import Pull, Source
from sources.files import FileProblem
from sources.landing import Lake, Load


def pull_source(source: Source, lake: Lake, context: Pull, *, is_demo: bool = False) -> list[Load]:
    """Land everything a source has that is new; problems stay in `context`, the rest goes on.

    Raises OSError where the lake cannot be written.
    """
    context.seen |= {
        (table.name, checksum)
        for table in source.tables
        for checksum in lake.checksums(source.name, table.name)
    }
    loads = []
    for batch in source.pull(context):
        try:
            load = lake.land(source.name, batch, pulled_at=datetime.now(UTC), is_demo=is_demo)
        except FileProblem as problem:
            context.problems.append(problem)
            continue
        context.seen.add((batch.table.name, batch.checksum))
        loads.append(load)
    return loads
