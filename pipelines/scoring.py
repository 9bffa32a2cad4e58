"""What the scorecard needs to know of a source, taken from the records of its runs.

How it is scored is `quality.scorecard`'s business; the marts only read what comes out.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb

from pipelines.settings import Settings
from pipelines.source_runs import earlier_runs
from quality.history import SourceRun
from quality.scorecard import Figures, Scores, priority, score, trend
from quality.suites.catalogue import NAMES_A_CUSTOMER, suite_for
from sources.access import is_demo, is_on
from sources.contract import Source
from sources.demo.company import AS_OF as DEMO_AS_OF
from sources.landing import Lake, kept_as, write_json
from sources.registry import SOURCES

RUNS_LOOKED_BACK = 30
# A quarter of nights is published; what is older stays in the lake.
RUNS_PUBLISHED = 90
_FILLED = " is filled"


@dataclass(frozen=True)
class ScoredRun:
    """One source at one run; priority is set for the newest run only (1: trusted most)."""

    source: Source
    run: SourceRun
    scores: Scores
    trend: float | None
    priority: int | None


def scored_runs(settings: Settings) -> list[ScoredRun]:
    """Every source that is on, at each of its last runs, oldest first.

    All are scored by today's weights, so that a trend is one of the source and not of the scale.
    """
    lake = Lake(settings.lake)
    is_the_demos = is_demo(settings.setup, lake)
    wins_file = _wins_file(settings, is_the_demos=is_the_demos)
    wins = json.loads(wins_file.read_text()) if wins_file.exists() else {}
    found: list[ScoredRun] = []
    newest: list[Scores] = []
    for source in SOURCES:
        if not is_on(source, settings.setup, lake):
            continue
        runs = earlier_runs(lake, source, settings)
        of_format = _format_rules(source, settings)
        totals: list[float | None] = []
        first = max(0, len(runs) - RUNS_PUBLISHED)
        for at in range(first, len(runs)):
            scores = score(
                figures(
                    source,
                    runs[: at + 1],
                    of_format,
                    is_the_demos=is_the_demos,
                    wins_share=wins.get(source.name),
                )
            )
            totals.append(scores.total)
            found.append(
                ScoredRun(source, runs[at], scores, trend(totals[-RUNS_LOOKED_BACK:]), None)
            )
        if runs:
            newest.append(scores)
    ranks = priority(newest)
    last_of = {one.source.name: at for at, one in enumerate(found)}
    for name, at in last_of.items():
        one = found[at]
        found[at] = ScoredRun(one.source, one.run, one.scores, one.trend, ranks[name])
    return found


def note_wins(db: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Keep for the next scorecard how often each source won a part of a customer's golden record.

    A night late: the scorecard decides who wins, so it is made before.
    """
    rows = db.sql(
        "select told.source, count(chosen.source) / count(*) from (select distinct customer_id, "
        "field_group, source from intermediate.int_customer_fields_stacked) as told "
        "left join intermediate.int_customer_fields_chosen as chosen "
        "using (customer_id, field_group, source) group by told.source order by told.source"
    ).fetchall()
    lake = Lake(settings.lake)
    write_json(
        _wins_file(settings, is_the_demos=is_demo(settings.setup, lake)),
        {source: round(share, 6) for source, share in rows},
    )


def _wins_file(settings: Settings, *, is_the_demos: bool) -> Path:
    return settings.lake / f"{kept_as('wins', is_demo=is_the_demos)}.json"


def figures(
    source: Source,
    runs: Sequence[SourceRun],
    of_format: Mapping[str, frozenset[str]],
    *,
    is_the_demos: bool,
    wins_share: float | None,
) -> Figures:
    """The figures of a source at the last of `runs` (oldest first, at least one).

    of_format: table → its rules on the form of a row. wins_share: of the parts of golden records
    that the source could tell, those it was taken for; None where nobody knows.
    """
    run, recent = runs[-1], runs[-RUNS_LOOKED_BACK:]
    tables = run.tables.values()
    results = [
        result.passed
        for one in recent
        for table in one.tables.values()
        for result in table.families.values()
    ]
    reached = sorted({_day(one) for one in recent if _is_complete(one)})
    fills = {
        f"{name}.{sentence.removesuffix(_FILLED)}": (count, table.judged_in_force)
        for name, table in run.tables.items()
        for sentence, count in table.counted_in_force.items()
        if sentence.endswith(_FILLED)
    }
    judged = sum(table.judged_in_force for table in tables)
    linked = [
        (table.counted_in_force[NAMES_A_CUSTOMER], table.judged_in_force)
        for table in tables
        if NAMES_A_CUSTOMER in table.counted_in_force
    ]
    return Figures(
        source=source.name,
        area=source.area,
        title=source.title,
        owner=source.owner,
        access=source.access,
        is_by_hand=not source.secrets,
        promised_age_hours=source.promised_age_hours,
        newest_change_age_hours=_age(
            max((t.newest_change for t in tables if t.newest_change), default=None),
            _now(run, is_the_demos=is_the_demos),
        ),
        last_arrival_age_hours=_age(
            max((t.last_arrival for t in tables if t.last_arrival), default=None), run.started_at
        ),
        pulls=[one.succeeded for one in recent],
        checks_passed=sum(results),
        checks_made=len(results),
        landed_rows=sum(table.landed_in_force for table in tables),
        accepted_rows=sum(table.rows_in_force for table in tables),
        rows_to_correct=sum(table.to_correct for table in tables),
        rows_with_format_errors=sum(
            count
            for name, table in run.tables.items()
            for rule, count in table.broken.items()
            if rule in of_format[name]
        ),
        columns_missing=tuple(
            f"{name}.{column}" for name, table in run.tables.items() for column in table.gone
        ),
        columns_unknown=tuple(
            f"{name}.{column}" for name, table in run.tables.items() for column in table.new
        ),
        days_reached=len(reached),
        days_asked=len({_day(one) for one in recent}),
        longest_gap_days=_longest_gap(reached, _day(run)),
        fills=fills,
        # A table without any key (the lines of an invoice) is not asked, unless all are.
        linked_rows=(
            sum(count for count, _ in linked),
            sum(rows for _, rows in linked) if linked else judged,
        ),
        wins_share=wins_share,
    )


def _format_rules(source: Source, settings: Settings) -> dict[str, frozenset[str]]:
    # Names and families do not depend on the day.
    suites = [
        suite_for(source.name, table, settings.tolerance, pulled_on=date(2000, 1, 1))
        for table in source.tables
    ]
    return {
        suite.table: frozenset(rule.name for rule in suite.rules if rule.family == "format")
        for suite in suites
    }


def _now(run: SourceRun, *, is_the_demos: bool) -> datetime:
    """The demo company's calendar ends on a fixed day; its changes are as old as they were then."""
    if is_the_demos:
        return datetime.combine(DEMO_AS_OF, datetime.min.time(), run.started_at.tzinfo)
    return run.started_at


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else max(timedelta(), now - moment) / timedelta(hours=1)


def _day(run: SourceRun) -> date:
    return run.started_at.date()


def _is_complete(run: SourceRun) -> bool:
    return all(table.was_read for table in run.tables.values())


def _longest_gap(reached: Sequence[date], today: date) -> float | None:
    """The most days between two days on which everything was read, today included."""
    if not reached:
        return None
    days = [*reached, today]
    return float(max((later - earlier).days for earlier, later in itertools.pairwise(days)))
