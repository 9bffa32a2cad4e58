"""The record of every run of every source: made of what the run did, kept in the lake, read again.

What is usual, fresh or well formed is said in `quality`; how it is shown in Dagster, in the
warehouse and in the report, by those.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pipelines.findings import Standing, standing
from pipelines.ingest import IngestReport, in_force
from pipelines.settings import Settings
from quality.anomalies import Night, unusual
from quality.history import FamilyResult, Fault, SourceRun, TableRun
from quality.rules import FAMILIES, Family, Suite
from quality.suites.catalogue import suite_for
from quality.thresholds import Thresholds
from sources.access import is_demo
from sources.contract import Source, Table
from sources.landing import Lake, Load, kept_as, write_json

log = logging.getLogger(__name__)

# Two runs a day for half a year; the detectors look back 60 nights, the scorecard 30 runs.
RUNS_KEPT = 400
# How far back a curve goes.
RUNS_SHOWN = 30
# A company closes on the holidays of the country it keeps its clock by.
_COUNTRIES = {
    "Europe/Berlin": "DE",
    "Europe/Vienna": "AT",
    "Europe/Zurich": "CH",
    "Europe/Vaduz": "LI",
}
SWITCHED_OFF = "The source is switched off or not set up."


def record_run(
    report: IngestReport, settings: Settings, run_id: str
) -> tuple[SourceRun, dict[str, Standing]]:
    """Make the record of a run and keep it; also what stands of each table, with samples."""
    lake, source = Lake(settings.lake), report.source
    earlier = earlier_runs(lake, source, settings)
    tables, standings = {}, {}
    for table in source.tables:
        loads = in_force(lake, settings, source, table)
        standings[table.name] = standing(source, table, loads, lake)
        tables[table.name] = _table_run(
            report, table, loads, standings[table.name], earlier, settings
        )
    run = SourceRun(
        source=source.name,
        run_id=run_id,
        started_at=report.started_at,
        is_on=report.is_on,
        problems=report.problems,
        left_alone=report.left_alone,
        tables=tables,
    )
    if report.is_on:
        _keep(lake, source, settings, run)
    return run, standings


def earlier_runs(lake: Lake, source: Source, settings: Settings) -> list[SourceRun]:
    """The kept records of a source, oldest first."""
    return [
        SourceRun.from_json(json.loads(path.read_text(encoding="utf-8")))
        for path in _files(_folder(lake, source, settings))
    ]


def _keep(lake: Lake, source: Source, settings: Settings, run: SourceRun) -> None:
    folder = _folder(lake, source, settings)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{run.started_at:%Y%m%dT%H%M%S%f}.json", run.as_json())
    for old in _files(folder)[:-RUNS_KEPT]:
        old.unlink()


def _folder(lake: Lake, source: Source, settings: Settings) -> Path:
    name = kept_as(source.name, is_demo=is_demo(settings.setup, lake))
    return lake.root / "runs" / name


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[!.]*.json"))


def _table_run(
    report: IngestReport,
    table: Table,
    loads: Sequence[Load],
    stands: Standing,
    earlier: Sequence[SourceRun],
    settings: Settings,
) -> TableRun:
    source = report.source
    judged = [one for one in report.judged if one.load.about["table"] == table.name]
    let_in = [one for one in judged if one.verdict.is_let_in]
    profiles = [one.verdict.profile for one in let_in]
    in_force_profiles = [load.verdict.get("profile", {}) for load in loads]
    before = [run.tables[table.name] for run in earlier if table.name in run.tables]
    was_read = table.name in report.read
    columns = {name for one in let_in for name in one.load.about.get("columns", ())}
    suite = suite_for(source.name, table, settings.tolerance, pulled_on=report.started_at.date())
    run = TableRun(
        was_read=was_read,
        landed=sum(one.verdict.landed for one in judged),
        accepted=sum(one.verdict.accepted for one in judged),
        quarantined=sum(one.verdict.quarantined for one in judged),
        judged=sum(profile.judged for profile in profiles),
        counted=_summed([profile.counted for profile in profiles]),
        to_correct=stands.to_correct,
        broken=stands.broken,
        outside=_summed([profile.outside for profile in profiles]),
        columns=tuple(sorted(columns)),
        refused=tuple(
            f"{one.load.about.get('file', one.load.load_id)}: {reason}"
            for one in judged
            for reason in one.verdict.reasons
        ),
        newest_change=_newest(loads),
        last_arrival=_last_arrival(report, table, loads, before),
        landed_in_force=sum(load.about["rows"] for load in loads),
        rows_in_force=sum(load.verdict["accepted"] for load in loads),
        judged_in_force=sum(profile.get("judged", 0) for profile in in_force_profiles),
        counted_in_force=_summed([profile.get("counted", {}) for profile in in_force_profiles]),
    )
    run = replace(run, new=_new_fields(run, before), gone=_gone(run, before, suite.thresholds))
    families = _families(report, table, run, earlier, suite, settings)
    return replace(run, families=families)


def _families(
    report: IngestReport,
    table: Table,
    run: TableRun,
    earlier: Sequence[SourceRun],
    suite: Suite,
    settings: Settings,
) -> dict[Family, FamilyResult]:
    if not report.is_on:
        return {family: FamilyResult(note=SWITCHED_OFF) for family in FAMILIES}
    drift = []
    if run.new:
        named = (f"{name} ({_rows(run.outside[name])})" for name in run.new)
        drift.append(
            Fault(
                f"new: {', '.join(run.new)}",
                f"New fields, kept in _extra: {', '.join(named)}.",
                "Ask its owner what they mean; nothing is lost meanwhile.",
            )
        )
    if run.gone:
        drift.append(
            Fault(
                f"gone: {', '.join(run.gone)}",
                f"No longer sent: {', '.join(run.gone)}.",
                "Ask its owner whether they were renamed.",
            )
        )
    return {
        "freshness": _freshness(report, run),
        "reliability": _reliability(report, table, run, earlier, suite.thresholds, settings),
        "format": _broken(suite, run, "format", drift),
        "errors": _broken(suite, run, "errors", ()),
    }


def _freshness(report: IngestReport, run: TableRun) -> FamilyResult:
    promised = timedelta(hours=report.source.promised_age_hours)
    if run.last_arrival is None:
        if report.source.secrets:
            never = "It has never been read to its end."
            return FamilyResult((Fault("never read", never, "Mend what the pull complains of."),))
        return FamilyResult(note="No file has been dropped yet.")
    age = report.started_at - run.last_arrival
    said = f"It last arrived {_duration(age)} ago, and {_duration(promised)} are promised."
    if age <= promised:
        return FamilyResult(note=said)
    owner = report.source.owner
    return FamilyResult((Fault("late", said, f"Ask its owner ({owner}) for it."),))


def _reliability(
    report: IngestReport,
    table: Table,
    run: TableRun,
    earlier: Sequence[SourceRun],
    thresholds: Thresholds,
    settings: Settings,
) -> FamilyResult:
    if not run.was_read:
        return FamilyResult(note="It was not read, so there is nothing to compare.")
    zone = ZoneInfo(settings.timezone)
    nights = _nights(
        [
            (past.started_at, past.tables[table.name])
            for past in earlier
            if table.name in past.tables
        ]
        + [(report.started_at, run)],
        zone,
    )
    *history, tonight = nights
    free = free_days(settings.timezone, [night.day for night in nights])
    found = unusual(history, tonight, thresholds, free)
    return FamilyResult(tuple(Fault(one.what, one.sentence()) for one in found))


def free_days(timezone: str, days: Sequence[date]) -> frozenset[date]:
    """The public holidays of the whole country among the days; none where it is not known.

    Without them an untouched company would have a false alarm in one night of 22 instead of 200.
    """
    # Some 10 ms for each country and year, and never needed to load the definitions.
    import holidays

    country = _COUNTRIES.get(timezone)
    if country is None or not days:
        return frozenset()
    known = holidays.country_holidays(country, years={day.year for day in days})
    return frozenset(day for day in days if day in known)


def _nights(runs: Sequence[tuple[datetime, TableRun]], zone: ZoneInfo) -> list[Night]:
    """One per calendar day with a complete reading: two runs on a day are one night."""
    days: dict = {}
    for started_at, run in runs:
        if run.was_read:
            days.setdefault(started_at.astimezone(zone).date(), []).append(run)
    nights = []
    for day, of_the_day in sorted(days.items()):
        rows = sum(run.judged for run in of_the_day)
        counted = _summed([run.counted for run in of_the_day])
        shares = {name: (count, rows) for name, count in counted.items()} if rows else {}
        nights.append(Night(day, sum(run.landed for run in of_the_day), shares))
    return nights


def _new_fields(run: TableRun, before: Sequence[TableRun]) -> tuple[str, ...]:
    """Fields outside the contract that no load before had; nothing is new in the first."""
    with_rows = [past for past in before if past.judged]
    if not with_rows:
        return ()
    known = {name for past in with_rows for name in past.outside}
    return tuple(sorted(run.outside.keys() - known))


def _gone(run: TableRun, before: Sequence[TableRun], thresholds: Thresholds) -> tuple[str, ...]:
    """Columns that the last load with rows had and this one has not."""
    had = [past.columns for past in before if past.columns]
    # Some vendors leave out what is empty: few records may well all lack a column.
    if not had or not run.columns or run.judged < thresholds.smallest_file_compared:
        return ()
    return tuple(sorted(set(had[-1]) - set(run.columns)))


def _broken(suite: Suite, run: TableRun, family: Family, drift: Sequence[Fault]) -> FamilyResult:
    broken = [
        Fault(
            rule.name,
            f"{rule.name}: {_rows(run.broken[rule.name])} {_effect(rule.severity)}.",
            rule.remedy,
        )
        for rule in suite.rules
        if rule.family == family and run.broken.get(rule.name)
    ]
    return FamilyResult((*drift, *broken))


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _effect(severity: str) -> str:
    return "kept out" if severity == "quarantine" else "let in and counted"


def _newest(loads: Sequence[Load]) -> datetime | None:
    written = [load.verdict.get("profile", {}).get("newest_change") for load in loads]
    return max((datetime.fromisoformat(text) for text in written if text), default=None)


def _last_arrival(
    report: IngestReport, table: Table, loads: Sequence[Load], before: Sequence[TableRun]
) -> datetime | None:
    """A vendor that was asked and had nothing new is as fresh as can be; a folder is not."""
    if report.source.secrets:
        if table.name in report.read:
            return report.started_at
        return before[-1].last_arrival if before else None
    pulled = (datetime.fromisoformat(load.about["pulled_at"]) for load in loads)
    return max(pulled, default=None)


def _summed(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for name, count in one.items():
            total[name] = total.get(name, 0) + count
    return total


def _duration(span: timedelta) -> str:
    hours = max(0.0, span.total_seconds() / 3600)
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"
