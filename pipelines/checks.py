"""Where the suites meet the assets. No expectation is written here, no SQL either."""

from collections.abc import Iterable, Iterator
from datetime import date

import dagster as dg

from pipelines.ingest import IngestReport
from quality.rules import Rule, Severity
from quality.suites.catalogue import suite_for
from sources.contract import Source, Table
from sources.landing import Load

FILES_READABLE = "every_dropped_file_could_be_read"
LET_IN = "every_load_was_let_in"
NOTHING_LOST = "landed_rows_are_accepted_or_quarantined"


def raw_key(source: Source, table: Table) -> dg.AssetKey:
    """The asset key of a source table: its address in the warehouse."""
    return dg.AssetKey([f"raw_{source.name}", table.name])


def raw_check_specs(source: Source) -> list[dg.AssetCheckSpec]:
    """One check per rule and table, and three that stop the run where the source is required."""
    specs = []
    for table in source.tables:
        asset = raw_key(source, table)
        specs += [
            dg.AssetCheckSpec(
                FILES_READABLE,
                asset=asset,
                blocking=source.required,
                description="A file nobody could read is revenue nobody counted.",
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
        ]
        specs += [
            dg.AssetCheckSpec(rule.name, asset=asset, description=_described(rule))
            for rule in _rules(source, table)
        ]
    return specs


def raw_check_results(
    source: Source, table: Table, report: IngestReport, loads: list[Load]
) -> Iterator[dg.AssetCheckResult]:
    """The results over all loads in force; `report` says what went wrong in this run."""
    asset = raw_key(source, table)
    yield dg.AssetCheckResult(
        check_name=FILES_READABLE,
        asset_key=asset,
        passed=not report.problems,
        metadata={
            "unreadable_files": len(report.problems),
            "problems": _listed(report.problems),
            "left_alone": _listed(report.left_alone),
        },
    )
    refused = [judged for judged in report.refused if judged.load.about["table"] == table.name]
    yield dg.AssetCheckResult(
        check_name=LET_IN,
        asset_key=asset,
        passed=not refused,
        metadata={
            "refused_loads": len(refused),
            "refused": _listed(
                f"{judged.load.about.get('file', judged.load.load_id)}: {reason}"
                for judged in refused
                for reason in judged.verdict.reasons
            ),
        },
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
    for rule in _rules(source, table):
        broken = sum(
            result["broken"]
            for verdict in verdicts
            for result in verdict["rules"]
            if result["name"] == rule.name
        )
        yield dg.AssetCheckResult(
            check_name=rule.name,
            asset_key=asset,
            passed=broken == 0,
            severity=dg.AssetCheckSeverity.WARN,
            description=rule.remedy if broken else None,
            metadata={
                "broken_rows": broken,
                "share": f"{broken / landed:.2%}" if landed else "no rows",
                "effect": "quarantined" if rule.severity is Severity.QUARANTINE else "shown only",
            },
        )


def _listed(sentences: Iterable[str]) -> dg.MetadataValue:
    text = "\n".join(f"- {sentence}" for sentence in sentences)
    return dg.MetadataValue.md(text) if text else dg.MetadataValue.text("none")


def _rules(source: Source, table: Table) -> tuple[Rule, ...]:
    # Names and harms do not depend on the company's currency or on the day.
    suite = suite_for(source.name, table.name, reporting_currency="EUR", pulled_on=date(2000, 1, 1))
    return suite.rules


def _described(rule: Rule) -> str:
    effect = (
        "A row that breaks it goes to quarantine."
        if rule.severity is Severity.QUARANTINE
        else "A row that breaks it is let in and counted."
    )
    return f"{rule.harm} {effect}"
