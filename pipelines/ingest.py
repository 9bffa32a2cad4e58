"""Pull, land and judge one source; decide which loads are in force. No Dagster here."""

import logging
from dataclasses import dataclass
from datetime import date

from pipelines.settings import Settings
from quality.gate import judging
from quality.rules import Verdict
from quality.suites.catalogue import suite_for
from sources.contract import Pull, Source, Table
from sources.demo.company import AS_OF as DEMO_AS_OF
from sources.demo.company import CURRENCY as DEMO_CURRENCY
from sources.demo.company import write_sales_list
from sources.landing import Lake, Load, newest_readings, write_json
from sources.pulling import pull_source
from sources.registry import SOURCES

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judged:
    """A load and what the gate said of it in this run."""

    load: Load
    verdict: Verdict


@dataclass(frozen=True)
class IngestReport:
    """What one run did with one source."""

    source: Source
    judged: tuple[Judged, ...]
    problems: tuple[str, ...]
    left_alone: tuple[str, ...]

    @property
    def refused(self) -> tuple[Judged, ...]:
        """The loads that were not let in; they stay landed until a run lets them in."""
        return tuple(judged for judged in self.judged if not judged.verdict.is_let_in)


def ingest(source: Source, settings: Settings) -> IngestReport:
    """Bring everything new of a source into the lake and through the gate.

    The caller holds the writer's lock. Raises OSError where the lake cannot be written; whatever
    was committed before stays, and the next call goes on from there.
    """
    lake = Lake(settings.lake)
    lake.clear_leftovers()
    context = Pull(
        inbox=settings.inbox(source.name), reporting_currency=settings.reporting_currency
    )
    pull_source(source, lake, context)
    _withdraw_mended(source, lake, context)
    if _is_untouched(source, lake, context):
        _pull_demo(source, lake, settings, context)
    judged = tuple(
        Judged(load, _judge(load, source.table(load.about["table"]), lake, settings))
        for table in source.tables
        for load in lake.unjudged(source.name, table.name)
    )
    if has_real_loads(lake):
        retired = lake.retire_demo()
        if retired:
            log.info("Real data are here: %d load(s) of the demo company were removed", retired)
    return IngestReport(
        source=source,
        judged=judged,
        problems=tuple(str(problem) for problem in context.problems),
        left_alone=tuple(context.left_alone),
    )


def has_real_loads(lake: Lake) -> bool:
    """Whether anything but the demo company has been let in."""
    return any(
        not load.about["is_demo"]
        for source in SOURCES
        for table in source.tables
        for load in lake.loads("accepted", source.name, table.name)
    )


def in_force(lake: Lake, source: Source, table: Table) -> list[Load]:
    """The accepted loads that count, in order of arrival.

    The demo company leaves with the first real load, and a file read again under a corrected
    mapping replaces its earlier reading.
    """
    is_real = has_real_loads(lake)
    return newest_readings(
        load
        for load in lake.loads("accepted", source.name, table.name)
        if not (is_real and load.about["is_demo"])
    )


def company_terms(settings: Settings, lake: Lake) -> tuple[date, str]:
    """The as-of day (exclusive) and the reporting currency; the demo company has its own."""
    if has_real_loads(lake):
        return settings.resolved_as_of(), settings.reporting_currency
    return settings.as_of or DEMO_AS_OF, DEMO_CURRENCY


def is_disk_full(message: str) -> bool:
    """Whether the text of an error, from whichever library, says that the disk is full."""
    return "No space left on device" in message or "Errno 28" in message


def _is_untouched(source: Source, lake: Lake, context: Pull) -> bool:
    """No file was ever dropped here, and none is on its way."""
    if context.problems or context.left_alone:
        return False
    return all(
        load.about["is_demo"]
        for table in source.tables
        for load in lake.all_loads(source.name, table.name)
    )


def _withdraw_mended(source: Source, lake: Lake, context: Pull) -> None:
    """Set aside refused loads whose file was mended, read anew or taken away.

    Else one bad file would stop every later run. A file that is still being written may be any of
    them: then nothing is withdrawn yet.
    """
    if context.left_alone:
        return
    for table in source.tables:
        current = newest_readings(lake.all_loads(source.name, table.name))
        counting = {load.load_id for load in current}
        for load in lake.unjudged(source.name, table.name):
            content = load.about.get("content_sha256")
            is_there = content is None or content in context.contents
            if load.verdict and not (is_there and load.load_id in counting):
                log.info("Load %s was refused and its file mended or gone", load.load_id)
                lake.withdraw(load)


def _pull_demo(source: Source, lake: Lake, settings: Settings, context: Pull) -> None:
    folder = settings.home / "demo" / source.name
    folder.mkdir(parents=True, exist_ok=True)
    write_sales_list(folder, progress=log.info)
    demo = Pull(inbox=folder, reporting_currency=DEMO_CURRENCY)
    pull_source(source, lake, demo, is_demo=True)
    context.problems += demo.problems


def _judge(load: Load, table: Table, lake: Lake, settings: Settings) -> Verdict:
    log.info("Judging load %s of %s", load.load_id, load.about.get("file", table.name))
    suite = suite_for(
        load.about["source"],
        table.name,
        reporting_currency=DEMO_CURRENCY if load.about["is_demo"] else settings.reporting_currency,
        pulled_on=date.fromisoformat(load.about["pulled_at"][:10]),
    )
    masked = frozenset(column.name for column in table.columns if column.personal)
    with judging(load.parts, suite) as judgement:
        verdict = judgement.verdict
        if verdict.is_let_in:
            with lake.splitting(load) as (accepted, quarantined):
                judgement.write(accepted, quarantined, masked=masked)
                write_json(accepted / "verdict.json", verdict.as_json())
        else:
            lake.refuse(load, verdict.as_json())
    return verdict
