"""The data quality report: one page a run, for who mends the data and for who answers for them.

What a figure means is decided where it is made; here figures are arranged, drawn and written. Only
records of runs and masked samples are read, never a row, so nothing personal can appear.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pipelines.findings import standing
from pipelines.ingest import in_force
from pipelines.scoring import ScoredRun
from pipelines.settings import Settings
from pipelines.source_runs import RUNS_SHOWN
from quality.history import SourceRun, TableRun
from quality.rules import FAMILIES, FAMILY_CHECKS, Family, Rule, Severity
from quality.scorecard import QUESTIONS, Scores
from quality.suites.catalogue import suite_for
from sources.access import is_on
from sources.contract import Source
from sources.landing import Lake, sync
from sources.registry import SOURCES

log = logging.getLogger(__name__)

NAME = "data_quality"
COPIES_KEPT = 30
# Two points are a line that says nothing, and drawing costs a new home seconds.
FEWEST_RUNS_DRAWN = 3
NAMED_AT_MOST = 6
# Each band also has its number in the cell: colour alone tells nobody anything in print.
BANDS = ((90, "good"), (75, "fair"), (50, "middling"), (25, "poor"), (0, "bad"))
ASKED = {
    "A1": ("current", "How current is it? The newest change against the promised age."),
    "A2": ("reliable", "How reliable is it? Pulls and checks that succeeded in the last 30 runs."),
    "A3": ("correct", "What must be corrected? Rows that were kept out, of all that landed."),
    "A4": ("format", "Does the format fit? Columns, types and encoding, as agreed."),
    "A5": ("accessible", "Is it always accessible? Days on which it was read completely."),
    "A6": ("owned", "Who can export it, and how? An owner, a stated way, no hand needed."),
    "A7": ("contributes", "What does it contribute? Fields of the golden record that it fills."),
    "A8": ("stands alone", "Is it understandable alone? Rows that name a customer by a key."),
    "A9": ("complete", "What is missing? Fields that a use case needs and the source lacks."),
    "A10": ("linkable", "Which further sources could be linked? Kinds of keys found in it."),
}
FAMILY_TITLES: dict[Family, str] = {
    "freshness": "Fresh",
    "reliability": "Plausible",
    "format": "Form",
    "errors": "Valid",
}
_DATA = "runs"
EFFECTS = {Severity.QUARANTINE: "kept out", Severity.WARN: "let in and counted"}


@dataclass(frozen=True)
class Cell:
    """A score as the matrix shows it: the number, the band that colours it, what is behind it."""

    question: str
    shown: str
    band: str
    figure: str


@dataclass(frozen=True)
class ToCorrect:
    """A broken rule of a table, and what to do about it."""

    table: str
    rule: str
    rows: int
    effect: str
    harm: str
    remedy: str


@dataclass(frozen=True)
class Said:
    """A sentence of a family about a table."""

    family: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class TablePart:
    """One table in the newest run of its source, and the curve of its rows up to then."""

    name: str
    run: TableRun
    curve: Markup
    curve_says: str
    verdicts: tuple[tuple[str, bool], ...]
    said: tuple["Said", ...]
    to_correct: tuple[ToCorrect, ...]
    sample: tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class SourcePart:
    """One source as the page shows it; concerns: what somebody has to see to."""

    source: Source
    run: SourceRun
    runs: int
    cells: tuple[Cell, ...]
    total: Cell
    trend: str
    priority: int | None
    curve: Markup
    curve_says: str
    concerns: tuple[str, ...]
    tables: tuple[TablePart, ...]

    @property
    def to_correct(self) -> tuple[ToCorrect, ...]:
        """What breaks a rule and still stands, of all tables."""
        return tuple(one for table in self.tables for one in table.to_correct)

    @property
    def said(self) -> dict[Said, tuple[str, ...]]:
        """Every sentence once, what failed first, with the tables it is said of."""
        found: dict[Said, list[str]] = {}
        for table in self.tables:
            for one in table.said:
                found.setdefault(one, []).append(table.name)
        return {one: tuple(found[one]) for one in sorted(found, key=lambda one: one.passed)}

    @property
    def urgent(self) -> tuple[str, ...]:
        """The sentences behind the concerns."""
        refused = (said for table in self.tables for said in table.run.refused)
        failed = (one.sentence for one in self.said if not one.passed)
        return (*self.run.problems, *refused, *failed)

    @property
    def status(self) -> str:
        """One of three words, the worst that applies."""
        if self.concerns:
            return "needs somebody"
        return "fine, rows to correct" if self.to_correct or self.rows_to_correct else "fine"

    @property
    def rows_to_correct(self) -> int:
        """Rows that were kept out and still stand."""
        return _rows_to_correct(self.run)


@dataclass(frozen=True)
class Totals:
    """Rows of all sources: of everything that counts, and of the newest run of each source.

    refused: rows of loads that were not let in, which are neither accepted nor quarantined yet.
    """

    landed_in_force: int
    accepted_in_force: int
    landed: int
    accepted: int
    quarantined: int
    refused: int
    to_correct: int

    @property
    def unaccounted(self) -> int:
        """Rows of the newest runs that are nowhere; anything but 0 is a fault of ours."""
        return self.landed - self.accepted - self.quarantined - self.refused


def write_quality_report(
    settings: Settings, runs: Sequence[ScoredRun], *, run_id: str | None, now: datetime
) -> Path:
    """Write reports/data_quality.html, and a dated copy of which the last COPIES_KEPT are kept.

    runs are those of `scored_runs`, oldest first for each source. Both files appear by rename: a
    reader sees the report before or this one, never half of it. Raises OSError where the disk
    fails.
    """
    folder = settings.reports
    copies = folder / "runs"
    copies.mkdir(parents=True, exist_ok=True)
    page = _page(settings, runs, run_id=run_id, now=now)
    _replace(copies / f"{NAME}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.html", page(is_copy=True))
    for old in sorted(copies.glob(f"{NAME}-*.html"))[:-COPIES_KEPT]:
        old.unlink()
    latest = folder / f"{NAME}.html"
    _replace(latest, page(is_copy=False))
    log.info("Data quality report: %s", latest)
    return latest


def _page(
    settings: Settings, runs: Sequence[ScoredRun], *, run_id: str | None, now: datetime
) -> Callable[..., str]:
    """The page as a function of whether it is a copy: links of a copy start one folder deeper."""
    lake, zone = Lake(settings.lake), ZoneInfo(settings.timezone)
    by_source: dict[str, list[ScoredRun]] = {}
    for one in runs:
        by_source.setdefault(one.source.name, []).append(one)
    pencil = _Pencil(zone)
    parts = [_source_part(settings, lake, pencil, ones) for ones in by_source.values()]
    unheard = [source for source in SOURCES if source.name not in by_source]
    silent = [source for source in unheard if is_on(source, settings.setup, lake)]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["count"] = "{:,}".format
    environment.filters["moment"] = lambda at: f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"
    environment.filters["hours"] = _promised
    template = environment.get_template("quality_report.html")
    content = {
        "now": now,
        "run_id": run_id,
        "verdict": verdict([part.run for part in parts]),
        "parts": parts,
        "totals": _totals(parts),
        "questions": [(question, *ASKED[question]) for question in QUESTIONS],
        "families": [(FAMILY_TITLES[one], *FAMILY_CHECKS[one]) for one in FAMILIES],
        "bands": BANDS,
        "runs_shown": RUNS_SHOWN,
        "off": [source for source in unheard if source not in silent],
        "silent": silent,
    }
    return lambda *, is_copy: template.render(content, is_copy=is_copy)


def verdict(newest: Sequence[SourceRun]) -> str:
    """The state of all sources, from the newest run of each, in one or two sentences."""
    if not newest:
        return "No source has run yet."
    count = len(newest)
    needing = [(run.source, found) for run in newest if (found := _concerns(run))]
    fine = count - len(needing)
    if not needing:
        said = "The one source is fine." if count == 1 else f"All {count} sources are fine."
    else:
        named = [f"{source} ({', '.join(found)})" for source, found in needing]
        rest = named[NAMED_AT_MOST:]
        said = (
            f"{fine} of {count} {'source' if count == 1 else 'sources'} "
            f"{'is' if fine == 1 else 'are'} fine; {len(needing)} "
            f"{'needs' if len(needing) == 1 else 'need'} somebody: "
            f"{', '.join(named[:NAMED_AT_MOST])}{f' and {len(rest)} more' if rest else ''}."
        )
    kept_out = [_rows_to_correct(run) for run in newest]
    if rows := sum(kept_out):
        of = sum(map(bool, kept_out))
        said += (
            f" {rows:,} {'row was' if rows == 1 else 'rows were'} kept out and "
            f"{'is' if rows == 1 else 'are'} to be corrected, in {of} "
            f"{'source' if of == 1 else 'sources'}."
        )
    return said


def _rows_to_correct(run: SourceRun) -> int:
    return sum(table.to_correct for table in run.tables.values())


def _source_part(
    settings: Settings, lake: Lake, pencil: "_Pencil", runs: Sequence[ScoredRun]
) -> SourcePart:
    newest = runs[-1]
    source, run, scores = newest.source, newest.run, newest.scores
    cells = tuple(_cell(answer.question, answer.score, answer.figure) for answer in scores.answers)
    return SourcePart(
        source=source,
        run=run,
        runs=len(runs),
        cells=cells,
        total=_cell("total", scores.total, "weighted mean of what is known"),
        trend=_trend(newest.trend),
        priority=newest.priority,
        curve=pencil.scores([(one.run.started_at, one.scores.total) for one in runs]),
        curve_says=_curve_of_scores([one.scores for one in runs]),
        concerns=_concerns(run),
        tables=tuple(
            _table_part(settings, lake, pencil, source, name, runs) for name in run.tables
        ),
    )


def _table_part(
    settings: Settings,
    lake: Lake,
    pencil: "_Pencil",
    source: Source,
    name: str,
    runs: Sequence[ScoredRun],
) -> TablePart:
    newest = runs[-1].run
    run, table = newest.tables[name], source.table(name)
    recent = [one.run.tables[name] for one in runs[-RUNS_SHOWN:] if name in one.run.tables]
    landed = [past.landed if past.was_read else None for past in recent]
    to_correct: tuple[ToCorrect, ...] = ()
    sample: tuple[dict, ...] = ()
    if run.broken:
        day = newest.started_at.date()
        suite = suite_for(source.name, table, settings.tolerance, pulled_on=day)
        to_correct = _to_correct(name, run, {rule.name: rule for rule in suite.rules})
        sample = standing(source, table, in_force(lake, settings, source, table), lake).sample
    return TablePart(
        name=name,
        run=run,
        curve=pencil.rows(landed),
        curve_says=_curve_of_rows(landed),
        verdicts=tuple(
            (FAMILY_TITLES[family], run.families[family].passed)
            for family in FAMILIES
            if family in run.families
        ),
        said=_said(run),
        to_correct=to_correct,
        sample=sample,
    )


def _to_correct(table: str, run: TableRun, rules: Mapping[str, Rule]) -> tuple[ToCorrect, ...]:
    """Every broken rule, the most frequent first; an earlier version may have known others."""
    return tuple(
        ToCorrect(
            table=table,
            rule=name,
            rows=rows,
            effect=EFFECTS[rules[name].severity] if name in rules else "",
            harm=rules[name].harm if name in rules else "",
            remedy=rules[name].remedy if name in rules else "",
        )
        for name, rows in sorted(run.broken.items(), key=lambda item: (-item[1], item[0]))
    )


def _said(run: TableRun) -> tuple[Said, ...]:
    """What the families say; of a broken rule that stands with what is to be corrected."""
    said = []
    for family in FAMILIES:
        if family not in run.families:
            continue
        result, title = run.families[family], FAMILY_TITLES[family]
        if result.note:
            said.append(Said(title, result.passed, result.note))
        for fault in result.faults:
            if fault.name not in run.broken:
                said.append(Said(title, False, fault.sentence))
    return tuple(said)


def _concerns(run: SourceRun) -> tuple[str, ...]:
    """What cannot wait for whoever corrects rows: each keeps figures from being what they seem."""
    tables = run.tables.values()
    failed = {
        family for table in tables for family, result in table.families.items() if not result.passed
    }
    found = {
        "could not be read": bool(run.problems),
        "a load was refused": any(table.refused for table in tables),
        "late": "freshness" in failed,
        "unusual": "reliability" in failed,
        "its columns changed": any(table.new or table.gone for table in tables),
    }
    return tuple(concern for concern, holds in found.items() if holds)


def _totals(parts: Sequence[SourcePart]) -> Totals:
    tables = [table.run for part in parts for table in part.tables]
    return Totals(
        landed_in_force=sum(table.landed_in_force for table in tables),
        accepted_in_force=sum(table.rows_in_force for table in tables),
        landed=sum(table.landed for table in tables),
        accepted=sum(table.accepted for table in tables),
        quarantined=sum(table.quarantined for table in tables),
        refused=sum(
            table.landed - table.accepted - table.quarantined for table in tables if table.refused
        ),
        to_correct=sum(table.to_correct for table in tables),
    )


def _cell(question: str, score: float | None, figure: str) -> Cell:
    if score is None:
        return Cell(question, "–", "unknown", figure)
    band = next(name for least, name in BANDS if score + 1e-9 >= least)
    return Cell(question, _rounded_down(score), band, figure)


def _rounded_down(score: float) -> str:
    """100 is perfect and nothing else is; a weighted mean of hundreds may end in 99.999…9."""
    return str(math.floor(score + 1e-9))


def _trend(points: float | None) -> str:
    if points is None:
        return "–"
    shown = f"{points:+.1f}"
    if shown in ("+0.0", "-0.0"):
        return "= 0.0"
    return f"{'▲' if points > 0 else '▼'} {shown.replace('-', '−')}"


def _curve_of_scores(scores: Sequence[Scores]) -> str:
    known = [one.total for one in scores if one.total is not None]
    if not known:
        return "no score is known yet"
    runs = f"{len(scores)} run{'s' if len(scores) > 1 else ''}"
    if len(known) == 1:
        return f"{_rounded_down(known[0])} in {runs}"
    least, most, last = (_rounded_down(one) for one in (min(known), max(known), known[-1]))
    return f"{least} to {most} over {runs}, {last} at the end"


def _curve_of_rows(landed: Sequence[int | None]) -> str:
    known = [rows for rows in landed if rows is not None]
    if len(landed) < 2 or not known:
        return "first run" if known else "not read yet"
    said = f"{min(known):,} to {max(known):,}"
    return said if len(landed) == RUNS_SHOWN else f"{said} in {len(landed)} runs"


def _breakable(name: str) -> Markup:
    """A name that may be broken after each of its underscores: rules are named by sentences."""
    return escape(name).replace("_", Markup("_<wbr>"))


def _promised(hours: int) -> str:
    return f"{hours} hours" if hours < 72 else f"{hours / 24:g} days"


class _Pencil:
    """Draws the curves. Light or dark is decided by the page: lines take the colour of the text."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def scores(self, points: Sequence[tuple[datetime, float | None]]) -> Markup:
        """The total score, run by run, on the scale from 0 to 100."""
        if len(points) < FEWEST_RUNS_DRAWN:
            return Markup("")
        last = len(points) - 1
        _, chart, _ = _drawing()
        return self._draw(
            chart,
            [
                # Without a time zone Vega shows what is written.
                {
                    "at": f"{at.astimezone(self._zone):%Y-%m-%dT%H:%M:%S}",
                    "total": total,
                    "is_last": place == last,
                }
                for place, (at, total) in enumerate(points)
            ],
        )

    def rows(self, landed: Sequence[int | None]) -> Markup:
        """Rows run by run, from zero."""
        if len(landed) < FEWEST_RUNS_DRAWN:
            return Markup("")
        _, _, chart = _drawing()
        return self._draw(chart, [{"run": run, "rows": rows} for run, rows in enumerate(landed)])

    def _draw(self, chart: dict, values: Sequence[Mapping]) -> Markup:
        # Only numbers and dates go in, so nothing that came from a file can be markup in it.
        data = [{**one, "values": values} if one["name"] == _DATA else one for one in chart["data"]]
        svg, _, _ = _drawing()
        return Markup(svg({**chart, "data": data}))


@cache
def _drawing() -> tuple[Callable[[dict], str], dict, dict]:
    """Vega, and the two charts without values: to make one takes 60 ms, to draw it again 10."""
    # A second and a half, which everything but a report is spared.
    import altair
    import vl_convert

    charts = (_chart_of_scores(altair), _chart_of_rows(altair))
    return vl_convert.vega_to_svg, *map(vl_convert.vegalite_to_vega, charts)


def _chart_of_scores(altair) -> dict:
    base = altair.Chart(altair.InlineData(values=[], name=_DATA)).encode(
        x=altair.X("at:T", title=None, axis=altair.Axis(tickCount=3, format="%d %b", grid=False)),
        y=altair.Y(
            "total:Q",
            title=None,
            scale=altair.Scale(domain=[0, 100]),
            axis=altair.Axis(values=[0, 50, 100]),
        ),
    )
    end = base.transform_filter("datum.is_last").mark_point(filled=True, size=45)
    return _styled(altair.layer(base.mark_line(strokeWidth=2), end), width=230, height=64)


def _chart_of_rows(altair) -> dict:
    chart = (
        altair.Chart(altair.InlineData(values=[], name=_DATA))
        .mark_area(line={"strokeWidth": 1.5}, fillOpacity=0.25)
        .encode(
            x=altair.X("run:Q", axis=None),
            y=altair.Y("rows:Q", axis=None, scale=altair.Scale(zero=True)),
        )
    )
    return _styled(chart, width=120, height=22)


def _styled(chart, *, width: int, height: int) -> dict:
    ink, font = "currentColor", "system-ui, sans-serif"
    return (
        chart.properties(width=width, height=height, background="transparent", padding=4)
        .configure(font=font)
        .configure_mark(color=ink)
        .configure_line(color=ink)
        .configure_area(color=ink)
        .configure_point(color=ink, opacity=1)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=ink,
            tickColor=ink,
            domainColor=ink,
            gridColor=ink,
            gridOpacity=0.15,
            domainOpacity=0.4,
            tickOpacity=0.4,
            labelFontSize=11,
        )
        .to_dict()
    )


def _replace(path: Path, page: str) -> None:
    temporary = path.with_name(f".{path.name}.next")
    try:
        temporary.write_text(page, encoding="utf-8")
        sync(temporary)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)
