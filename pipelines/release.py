"""Sends loads through the gate once more: after a threshold, a contract or a mind has changed.

What the gate says of a load is not decided here. Nothing is built: the next run reads what was let
in.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.ingest import in_force, judge
from pipelines.settings import Settings
from sources.contract import Source, Table
from sources.landing import Lake, Load

log = logging.getLogger(__name__)


class NothingToRelease(Exception):
    """There is no such load, or none that anything was kept out of."""


@dataclass(frozen=True)
class Released:
    """A load that was judged anew: rows kept out before and after, and why it is still refused."""

    table: str
    load_id: str
    file: str | None
    kept_out_before: int
    kept_out: int
    refused: tuple[str, ...]


def release(
    source: Source, settings: Settings, *, load_id: str | None = None, reason: str | None = None
) -> list[Released]:
    """Judge every load of a source again that something was kept out of, or the named one.

    With a reason (who, why) the named load is let in whatever is said of it as a whole; its bad
    rows stay in quarantine. The caller holds the writer's lock. Raises NothingToRelease where no
    load waits, OSError where the lake cannot be written.
    """
    lake = Lake(settings.lake)
    lake.clear_leftovers()
    released = [
        _judged_anew(load, table, lake, settings, reason)
        for table, load in _waiting(source, lake, settings)
        if load_id in (None, load.load_id)
    ]
    if not released:
        wanted = f"no load {load_id} of {source.name}" if load_id else f"no load of {source.name}"
        raise NothingToRelease(f"{wanted} is refused or has rows in quarantine")
    return released


def _waiting(source: Source, lake: Lake, settings: Settings) -> Iterator[tuple[Table, Load]]:
    """Refused loads, and those in force with rows in quarantine."""
    for table in source.tables:
        refused = lake.unjudged(source.name, table.name)
        yield from ((table, load) for load in refused)
        there = {load.load_id for load in refused}
        for load in in_force(lake, settings, source, table):
            if load.verdict["quarantined"] and load.load_id not in there:
                yield table, load


def _judged_anew(
    load: Load, table: Table, lake: Lake, settings: Settings, reason: str | None
) -> Released:
    verdict = load.verdict
    was_accepted = verdict is not None and verdict["is_let_in"]
    before = verdict["quarantined"] if was_accepted else load.about["rows"]
    # A load let in by hand stays so: the decision was a person's.
    by_hand = reason or (verdict or {}).get("let_in_by_hand")
    landed = lake.rejoin(load) if was_accepted else load
    after = judge(landed, table, lake, settings, by_hand=by_hand)
    if not after.is_let_in and was_accepted:
        lake.drop_rejoined(landed)
    return Released(
        table=table.name,
        load_id=load.load_id,
        file=load.about.get("file"),
        kept_out_before=before,
        kept_out=after.quarantined if after.is_let_in else before,
        refused=after.reasons,
    )
