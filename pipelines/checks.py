"""Where the suites meet the assets. No expectation is written here, no SQL either."""

from collections.abc import Iterable, Iterator
from datetime import date

import dagster as dg

from pipelines.ingest import IngestReport
from quality.rules import Rule, Severity
from quality.suites.catalogue import is_written_out, suite_for
from sources.contract import Source, Table
from sources.landing import Load

READABLE = "everything_could_be_read"
LET_IN = "every_load_was_let_in"
NOTHING_LOST = "landed_rows_are_accepted_or_quarantined"
KEEPS_CONTRACT = "every_row_keeps_its_contract"


def raw_key(source: Source, table: Table) -> dg.AssetKey:
    """The asset key of a source table: its address in the warehouse."""
    return dg.AssetKey([f"raw_{source.name}", table.name])


def raw_check_specs(source: Source) -> list[dg.AssetCheckSpec]:
    """Three checks a table that stop the run where the source is required, and what rows break.

    Rules that are written out are checks of their own; those derived from the contract are one.
    """
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
        ]
        if not is_written_out(source.name, table.name):
            specs.append(
                dg.AssetCheckSpec(
                    KEEPS_CONTRACT,
                    asset=asset,
                    description="A row that breaks its contract would be read as something else. "
                    "It goes to quarantine, or is let in and counted where the harm is small.",
                )
            )
            continue
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
        check_name=READABLE,
        asset_key=asset,
        passed=not report.problems,
        metadata={
            "not_read": len(report.problems),
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
    broken = {
        rule: sum(
            result["broken"]
            for verdict in verdicts
            for result in verdict["rules"]
            if result["name"] == rule.name
        )
        for rule in _rules(source, table)
    }
    if is_written_out(source.name, table.name):
        yield from (_rule_result(asset, rule, rows, landed) for rule, rows in broken.items())
    else:
        yield _contract_result(asset, {rule: rows for rule, rows in broken.items() if rows})


def _rule_result(asset: dg.AssetKey, rule: Rule, broken: int, landed: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=rule.name,
        asset_key=asset,
        passed=broken == 0,
        severity=dg.AssetCheckSeverity.WARN,
        description=rule.remedy if broken else None,
        metadata={
            "broken_rows": broken,
            "share": f"{broken / landed:.2%}" if landed else "no rows",
            "effect": _effect(rule),
        },
    )


def _contract_result(asset: dg.AssetKey, broken: dict[Rule, int]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=KEEPS_CONTRACT,
        asset_key=asset,
        passed=not broken,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "broken_rows": sum(broken.values()),
            "broken_rules": _listed(
                f"{rule.name}: {rows:,} rows, {_effect(rule)}. {rule.remedy}"
                for rule, rows in broken.items()
            ),
        },
    )


def _effect(rule: Rule) -> str:
    return "quarantined" if rule.severity is Severity.QUARANTINE else "shown only"


def _listed(sentences: Iterable[str]) -> dg.MetadataValue:
    text = "\n".join(f"- {sentence}" for sentence in sentences)
    return dg.MetadataValue.md(text) if text else dg.MetadataValue.text("none")


def _rules(source: Source, table: Table) -> tuple[Rule, ...]:
    # Names and harms do not depend on the day.
    return suite_for(source.name, table, pulled_on=date(2000, 1, 1)).rules


def _described(rule: Rule) -> str:
    effect = (
        "A row that breaks it goes to quarantine."
        if rule.severity is Severity.QUARANTINE
        else "A row that breaks it is let in and counted."
    )
    return f"{rule.harm} {effect}"
