"""Where the suites meet the assets. No expectation is written here, no SQL either."""

from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from pipelines.findings import Standing
from pipelines.source_runs import RUNS_SHOWN
from quality.history import SourceRun, TableRun
from quality.rules import FAMILIES, FAMILY_CHECKS, Family
from sources.contract import Source, Table
from sources.landing import Load

READABLE = "everything_could_be_read"
LET_IN = "every_load_was_let_in"
NOTHING_LOST = "landed_rows_are_accepted_or_quarantined"
_LEVELS = "▁▂▃▄▅▆▇█"


def raw_key(source: Source, table: Table) -> dg.AssetKey:
    """The asset key of a source table: its address in the warehouse."""
    return dg.AssetKey([f"raw_{source.name}", table.name])


def raw_check_specs(source: Source) -> list[dg.AssetCheckSpec]:
    """Three checks a table that stop the run where the source is required, and one per family."""
    specs = []
    for table in source.tables:
        asset = raw_key(source, table)
        specs += [
            dg.AssetCheckSpec(
                READABLE,
                asset=asset,
                blocking=source.required,
                description="What nobody could read is revenue, or a withdrawal, that nobody saw.",
            ),
            dg.AssetCheckSpec(
                LET_IN,
                asset=asset,
                blocking=source.required,
                description="A load that was refused is missing from every figure.",
            ),
            dg.AssetCheckSpec(
                NOTHING_LOST,
                asset=asset,
                blocking=True,
                description="A row that is in neither place has vanished.",
            ),
            *(
                dg.AssetCheckSpec(name, asset=asset, description=harm)
                for name, harm in FAMILY_CHECKS.values()
            ),
        ]
    return specs


def raw_check_results(
    source: Source,
    table: Table,
    run: SourceRun,
    stands: Standing,
    loads: Sequence[Load],
    earlier: Sequence[SourceRun],
) -> Iterator[dg.AssetCheckResult]:
    """The results of a run, over all loads in force; `earlier` are the runs before it."""
    asset = raw_key(source, table)
    yield dg.AssetCheckResult(
        check_name=READABLE,
        asset_key=asset,
        passed=not run.problems,
        metadata={
            "not_read": len(run.problems),
            "problems": _listed(run.problems),
            "left_alone": _listed(run.left_alone),
        },
    )
    this = run.tables[table.name]
    yield dg.AssetCheckResult(
        check_name=LET_IN,
        asset_key=asset,
        passed=not this.refused,
        metadata={"refused_loads": len(this.refused), "refused": _listed(this.refused)},
    )
    verdicts = [load.verdict for load in loads]
    landed = sum(load.about["rows"] for load in loads)
    accepted = sum(verdict["accepted"] for verdict in verdicts)
    quarantined = sum(verdict["quarantined"] for verdict in verdicts)
    yield dg.AssetCheckResult(
        check_name=NOTHING_LOST,
        asset_key=asset,
        passed=landed == accepted + quarantined,
        metadata={"landed": landed, "accepted": accepted, "quarantined": quarantined},
    )
    past = [one.tables[table.name] for one in earlier if table.name in one.tables]
    for family in FAMILIES:
        yield _family_result(asset, family, this, [*past, this][-RUNS_SHOWN:], stands)


def _family_result(
    asset: dg.AssetKey,
    family: Family,
    this: TableRun,
    runs: Sequence[TableRun],
    stands: Standing,
) -> dg.AssetCheckResult:
    name, _ = FAMILY_CHECKS[family]
    result = this.families[family]
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=asset,
        passed=result.passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=None if result.passed else " ".join(result.sentences)[:500],
        metadata={
            "what": _listed(result.sentences),
            **_figures(family, this, runs),
            **(_sample(stands, result.sentences) if family in ("format", "errors") else {}),
        },
    )


def _figures(
    family: Family, this: TableRun, runs: Sequence[TableRun]
) -> dict[str, dg.MetadataValue | int | float | str]:
    """The figure behind a family, and the curve of the last runs it ends."""
    if family == "freshness":
        figures = {
            "last_arrival": str(this.last_arrival or "never"),
            "newest_change": str(this.newest_change or "not stated by this source"),
        }
        return figures | _curve("was_read", [float(run.was_read) for run in runs])
    if family == "reliability":
        figures = {"rows_of_this_run": this.landed, "rows_in_force": this.rows_in_force}
        return figures | _curve("rows", [float(run.landed) for run in runs])
    if family == "format":
        figures = {"fields_outside_the_contract": len(this.outside)}
        return figures | _curve("rows_to_correct", [float(run.to_correct) for run in runs])
    figures = {"rows_to_correct": this.to_correct, "rows_in_force": this.rows_in_force}
    return figures | _curve("rows_to_correct", [float(run.to_correct) for run in runs])


def _curve(figure: str, values: Sequence[float]) -> dict[str, str]:
    """One block per run, the newest last; the lowest run is empty ground, the highest full."""
    least, most = min(values), max(values)
    span = (most - least) or 1
    blocks = "".join(_LEVELS[round((value - least) / span * 7)] for value in values)
    return {f"{figure}_over_{len(values)}_runs": f"{blocks}  {least:,.0f} to {most:,.0f}"}


def _sample(stands: Standing, sentences: Sequence[str]) -> dict[str, dg.MetadataValue]:
    """A few rows to look at; what is personal was masked when they were judged."""
    rules = {sentence.split(":", 1)[0] for sentence in sentences}
    rows = [row for row in stands.sample if row["rule"] in rules]
    if not rows:
        return {}
    return {
        "sample": dg.MetadataValue.table(
            [dg.TableRecord({name: str(row[name] or "") for name in row}) for row in rows],
            schema=dg.TableSchema(
                columns=[dg.TableColumn(name, "string") for name in ("place", "rule", "value")]
            ),
        )
    }


def _listed(sentences: Iterable[str]) -> dg.MetadataValue:
    text = "\n".join(f"- {sentence}" for sentence in sentences)
    return dg.MetadataValue.md(text) if text else dg.MetadataValue.text("none")
