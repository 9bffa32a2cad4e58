"""Pull, land and judge one source; decide which loads are in force. No Dagster here."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from pipelines.settings import Settings
from quality.expectations import RuleCouldNotBeJudged
from quality.gate import Arrival, judging
from quality.rules import Suite, Verdict
from quality.suites.catalogue import suite_for
from sources.access import has_real_loads, is_demo, is_on, reached, reporting_currency
from sources.contract import Pull, Source, SourceProblem, Table
from sources.demo.company import AS_OF as DEMO_AS_OF
from sources.landing import Lake, Load, newest_readings, write_json
from sources.pulling import pull_source
from sources.registry import SOURCES

log = logging.getLogger(__name__)


class NoAccounting(Exception):
    """No accounting system brought anything, so there are no customers to tell about."""


@dataclass(frozen=True)
class Judged:
    """A load and what the gate said of it in this run."""

    load: Load
    verdict: Verdict


@dataclass(frozen=True)
class IngestReport:
    """What one run did with one source; read are the tables that were read to their end."""

    source: Source
    started_at: datetime
    judged: tuple[Judged, ...] = ()
    problems: tuple[str, ...] = ()
    left_alone: tuple[str, ...] = ()
    read: frozenset[str] = frozenset()
    is_on: bool = True

    @property
    def refused(self) -> tuple[Judged, ...]:
        """The loads that were not let in; they stay landed until a run lets them in."""
        return tuple(judged for judged in self.judged if not judged.verdict.is_let_in)


def ingest(source: Source, settings: Settings) -> IngestReport:
    """Bring everything new of a source into the lake and through the gate.

    The caller holds the writer's lock. Raises OSError where the lake cannot be written; whatever
    was committed before stays, and the next call goes on from there.
    """
    started_at = datetime.now(UTC)
    lake = Lake(settings.lake)
    lake.clear_leftovers()
    if not is_on(source, settings.setup, lake):
        return IngestReport(source, started_at, is_on=False)
    context = _pulled(source, settings, lake)
    _withdraw_mended(source, lake, context)
    judged = tuple(
        Judged(load, judge(load, source.table(load.about["table"]), lake, settings))
        for table in source.tables
        for load in lake.unjudged(source.name, table.name)
    )
    if has_real_loads(lake):
        retired = lake.retire_demo()
        if retired:
            log.info("Real data are here: %d load(s) of the demo company were removed", retired)
    return IngestReport(
        source=source,
        started_at=started_at,
        judged=judged,
        problems=tuple(str(problem) for problem in context.problems),
        left_alone=tuple(context.left_alone),
        read=_read(source, context),
    )


def _read(source: Source, context: Pull) -> frozenset[str]:
    """The tables read to their end; a folder of files is, unless one of them could not be read."""
    if source.secrets:
        return frozenset(context.read)
    if context.problems or context.left_alone:
        return frozenset()
    return frozenset(table.name for table in source.tables)


def _pulled(source: Source, settings: Settings, lake: Lake) -> Pull:
    setup = settings.setup
    try:
        with reached(source, setup, lake, progress=log.info) as context:
            pull_source(source, lake, context, is_demo=is_demo(setup, lake))
            return context
    except SourceProblem as problem:
        log.error("%s", problem)
        nothing = Pull(setup.inbox(source.name), setup.reporting_currency)
        nothing.problems.append(problem)
        return nothing


def in_force(lake: Lake, settings: Settings, source: Source, table: Table) -> list[Load]:
    """The accepted loads that count, in order of arrival; none of a source that is switched off.

    The demo company leaves with the first real load, and a file read again under a corrected
    mapping replaces its earlier reading.
    """
    if not is_on(source, settings.setup, lake):
        return []
    is_demos = is_demo(settings.setup, lake)
    return newest_readings(
        load
        for load in lake.loads("accepted", source.name, table.name)
        if load.about["is_demo"] == is_demos
    )


def require_accounting(settings: Settings) -> None:
    """Raise NoAccounting where no accounting source has a load in force."""
    lake = Lake(settings.lake)
    accounting = [source for source in SOURCES if source.required]
    if not any(
        in_force(lake, settings, source, table) for source in accounting for table in source.tables
    ):
        names = ", ".join(source.name for source in accounting)
        raise NoAccounting(
            "no accounting source brought anything, and without one there are no customers: drop a "
            f"sales list into inbox/sales_list, or switch on one of {names} in stammkunde.yml"
        )


def company_terms(settings: Settings, lake: Lake) -> tuple[date, str]:
    """The as-of day (exclusive) and the reporting currency; the demo company has its own."""
    currency = reporting_currency(settings.setup, lake)
    if is_demo(settings.setup, lake):
        return settings.as_of or DEMO_AS_OF, currency
    return settings.resolved_as_of(), currency


def is_disk_full(message: str) -> bool:
    """Whether the text of an error, from whichever library, says that the disk is full."""
    return "No space left on device" in message or "Errno 28" in message


def _withdraw_mended(source: Source, lake: Lake, context: Pull) -> None:
    """Set aside refused loads whose file was mended, read anew or taken away, or answered anew.

    Else one bad file would stop every later run. A file that is still being written may be any of
    them: then nothing is withdrawn yet.
    """
    if context.left_alone:
        return
    for table in source.tables:
        current = newest_readings(lake.all_loads(source.name, table.name))
        counting = {load.load_id for load in current}
        for load in lake.unjudged(source.name, table.name):
            if not load.verdict:
                continue
            if "content_sha256" in load.about:
                content = load.about["content_sha256"]
                stands = content in context.contents and load.load_id in counting
            else:
                # What an API answered stands until the table was read anew and came out otherwise.
                current_answer = load.about["checksum"] in context.contents
                stands = table.name not in context.read or current_answer
            if not stands:
                log.info("Load %s was refused and is mended or gone", load.load_id)
                lake.withdraw(load)


def judge(
    load: Load, table: Table, lake: Lake, settings: Settings, *, by_hand: str | None = None
) -> Verdict:
    """Send a landed load through the gate: split it, or keep it where it is with the verdict.

    by_hand: why a person lets it in whatever the gate would say of it as a whole.
    """
    log.info("Judging load %s of %s", load.load_id, load.about.get("file", table.name))
    suite = suite_for(
        load.about["source"],
        table,
        settings.tolerance,
        pulled_on=date.fromisoformat(load.about["pulled_at"][:10]),
    )
    try:
        return _judge(load, table, lake, suite, by_hand)
    except RuleCouldNotBeJudged as problem:
        # One value that the library cannot take must not stop every later night.
        reason = f"the rule {problem} could not be judged; correct {table.name} in the source"
        verdict = Verdict(False, (reason,), load.about["rows"], 0, 0, ())
        lake.refuse(load, verdict.as_json())
        return verdict


def _judge(load: Load, table: Table, lake: Lake, suite: Suite, by_hand: str | None) -> Verdict:
    personal = {column.name: column.personal for column in table.columns if column.personal}
    arrival = _arrival(load, lake.loads("accepted", load.about["source"], table.name))
    with judging(load.parts, suite, arrival, is_let_in_by_hand=by_hand is not None) as judgement:
        verdict = judgement.verdict
        kept = verdict.as_json() | ({"let_in_by_hand": by_hand} if by_hand else {})
        if verdict.is_let_in:
            with lake.splitting(load) as (accepted, quarantined):
                judgement.write(accepted, quarantined, personal=personal)
                write_json(accepted / "verdict.json", kept)
        else:
            lake.refuse(load, kept)
    return verdict


def _arrival(load: Load, accepted: Sequence[Load]) -> Arrival:
    """How a file came, against the last ones of its name and of its kind (digits apart)."""
    name = load.about.get("file")
    if name is None:
        return Arrival()
    earlier = [
        other
        for other in accepted
        if other.about.get("file")
        and other.load_id < load.load_id
        and other.about.get("content_sha256") != load.about.get("content_sha256")
    ]
    of_its_name = [other for other in earlier if other.about["file"] == name]
    of_its_kind = [
        other
        for other in earlier
        if "columns" in other.about and _kind(other.about["file"]) == _kind(name)
    ]
    return Arrival(
        columns=frozenset(load.about["columns"]) if "columns" in load.about else None,
        columns_before=frozenset(of_its_kind[-1].about["columns"]) if of_its_kind else None,
        rows_before=of_its_name[-1].about["rows"] if of_its_name else None,
    )


def _kind(file: str) -> str:
    """The name without what numbers and dates it: sales_2026-01.csv and sales_2026-02.csv."""
    return re.sub(r"\d+", "#", file)
