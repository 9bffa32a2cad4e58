"""Where the suites meet the assets. No expectation is written here, no SQL either."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

import dagster as dg

from pipelines.findings import Standing
from quality.history import Fault, SourceRun, TableRun
from quality.rules import FAMILIES, FAMILY_CHECKS, Family
from sources.contract import Source, Table
from sources.landing import Load

READABLE = "everything_could_be_read"
LET_IN = "every_load_was_let_in"
NOTHING_LOST = "landed_rows_are_accepted_or_quarantined"
# The table of what is wrong, in the metadata of a failed check; its column `fault` names each.
FAULTS = "faults"
DESCRIPTION_LENGTH = 500


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
) -> Iterator[dg.AssetCheckResult]:
    """The results of a run, over all loads in force."""
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
    for family in FAMILIES:
        yield _family_result(asset, family, run, this, stands)


def _family_result(
    asset: dg.AssetKey, family: Family, run: SourceRun, this: TableRun, stands: Standing
) -> dg.AssetCheckResult:
    name, _ = FAMILY_CHECKS[family]
    result = this.families[family]
    said = " ".join(fault.sentence for fault in result.faults)
    metadata: dict[str, dg.MetadataValue | int | float | str] = {**_figures(family, run, this)}
    if result.note:
        metadata["note"] = result.note
    if result.faults:
        metadata[FAULTS] = _table_of(result.faults, stands)
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=asset,
        passed=result.passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=None if result.passed else said[:DESCRIPTION_LENGTH],
        metadata=metadata,
    )


def _figures(family: Family, run: SourceRun, this: TableRun) -> dict[str, int | float | str]:
    """The figures behind a family. Of numbers Dagster draws the curve over the runs by itself."""
    if family == "freshness":
        figures: dict[str, int | float | str] = {
            "newest_change": str(this.newest_change or "not stated by this source")
        }
        if this.last_arrival:
            age = (run.started_at - this.last_arrival) / timedelta(hours=1)
            figures["hours_since_it_arrived"] = round(max(0.0, age), 1)
        return figures
    if family == "reliability":
        return {"rows_of_this_run": this.landed, "rows_in_force": this.rows_in_force}
    figures = {"rows_to_correct": this.to_correct}
    if family == "format":
        figures["fields_outside_the_contract"] = len(this.outside)
    return figures


def _table_of(faults: Sequence[Fault], stands: Standing) -> dg.MetadataValue:
    """What is wrong, what to do, and where; what is personal was masked when it was judged."""
    samples = {row["rule"]: row for row in stands.sample}
    records = []
    for fault in faults:
        sample = samples.get(fault.name, {})
        example = (str(sample[name]) for name in ("place", "value") if sample.get(name) is not None)
        records.append(
            dg.TableRecord(
                {
                    "fault": fault.name,
                    "found, and what to do": fault.sentence.removeprefix(f"{fault.name}: "),
                    "for example": ": ".join(example),
                }
            )
        )
    columns = [dg.TableColumn(name, "string") for name in records[0].data]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=columns))


def _listed(sentences: Iterable[str]) -> dg.MetadataValue:
    text = "\n".join(f"- {sentence}" for sentence in sentences)
    return dg.MetadataValue.md(text) if text else dg.MetadataValue.text("none")
