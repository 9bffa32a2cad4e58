"""All dbt models as assets and all dbt tests as their checks, built by two starts of dbt.

The first makes the records of organisations and persons, the second everything that follows from
who is who and from what was declared, which `identity` and `consent` say in between.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
from dagster_dbt import DbtProject, dbt_assets
from dagster_dbt.errors import DagsterDbtCliRuntimeError

from pipelines.resources import Company, Dbt
from pipelines.schedules import FRESH_EVERY_NIGHT
from pipelines.scoring import note_wins
from pipelines.settings import REPOSITORY
from pipelines.warehouse import (
    BuildStage,
    begin_stage,
    distribution,
    mark_build,
    open_warehouse,
    row_counts,
)

log = logging.getLogger(__name__)

# Beside this interpreter: a run must never start another dbt that is on the PATH.
DBT = Path(sys.executable).with_name("dbt")
PROJECT = DbtProject(project_dir=REPOSITORY / "dbt_project")

# Shown on the asset's page: how the customers fall into classes, never who they are.
_CLASSES = ("lifecycle", "tier", "abc_class")
_DBTS_OWN = {"unique_id", "invocation_id", "status"}

# Everything that reads who is who or what was declared, however far down.
_BEHIND_THE_STEPS = "source:matching+ source:consent+"


def dbt_models() -> list[dg.AssetsDefinition]:
    """The models of dbt_project. Raises FileNotFoundError where dbt was never parsed."""
    if not PROJECT.manifest_path.exists():
        raise FileNotFoundError(f"{PROJECT.manifest_path} is not there: run `make parse`")

    @dbt_assets(
        name="build_records",
        manifest=PROJECT.manifest_path,
        project=PROJECT,
        pool="warehouse",
        exclude=_BEHIND_THE_STEPS,
    )
    def build_records(context: dg.AssetExecutionContext, dbt: Dbt, company: Company) -> Iterator:
        # A test that reads what is built later belongs to the second half.
        yield from _build(
            context,
            dbt,
            company,
            ["--indirect-selection", "buildable"],
            is_all=context.selected_asset_keys == build_records.keys,
            end=BuildStage.RECORDS,
        )

    @dbt_assets(
        name="build_customers",
        manifest=PROJECT.manifest_path,
        project=PROJECT,
        pool="warehouse",
        select=_BEHIND_THE_STEPS,
    )
    def build_customers(context: dg.AssetExecutionContext, dbt: Dbt, company: Company) -> Iterator:
        yield from _build(
            context,
            dbt,
            company,
            [],
            is_all=context.selected_asset_keys == build_customers.keys,
            end=BuildStage.WHOLE,
        )

    return [half.map_asset_specs(_as_shown) for half in (build_records, build_customers)]


def _build(
    context: dg.AssetExecutionContext,
    dbt: Dbt,
    company: Company,
    arguments: Sequence[str],
    *,
    is_all: bool,
    end: BuildStage,
) -> Iterator:
    """One start of dbt; the build has come to `end` where all of it was built on what is whole."""
    settings = company.settings
    with open_warehouse(settings) as db:
        is_on_whole = begin_stage(db, end)
    build = dbt.cli(
        # Unit tests run on made-up rows: CI asks them, not the night.
        ["build", "--exclude-resource-type", "unit_test", *arguments],
        context=context,
        target_path=settings.dbt_target,
    )
    events, error = [], None
    try:
        for event in build.stream():
            events.append(event)
            _report(context, event)
    except DagsterDbtCliRuntimeError as raised:
        error = raised
    with open_warehouse(settings) as db:
        if is_all and error is None and is_on_whole:
            mark_build(db, end)
            if end is BuildStage.WHOLE:
                note_wins(db, settings)
        counts = row_counts(db)
        classes = distribution(db, _CLASSES) if "marts.customer_360" in counts else None
    for event in events:
        yield _enriched(context, event, counts, classes)
    if error:
        raise error


def _report(context: dg.AssetExecutionContext, event: object) -> None:
    if isinstance(event, dg.Output):
        log.info("Built %s", ".".join(context.asset_key_for_output(event.output_name).path))
    elif isinstance(event, dg.AssetCheckResult) and not event.passed:
        log.warning("It does not hold that %s", event.check_name)


def _enriched(
    context: dg.AssetExecutionContext,
    event: object,
    counts: dict[str, int],
    classes: dict[str, list[tuple[str, int]]] | None,
) -> object:
    """The event with the row count of its table and, for customer_360, the classes."""
    if not isinstance(event, dg.Output):
        return event
    key = context.asset_key_for_output(event.output_name)
    address = ".".join(key.path)
    shown = {}
    if address in counts:
        shown["dagster/row_count"] = counts[address]
    if address == "marts.customer_360" and classes:
        shown |= {column: _table(column, rows) for column, rows in classes.items()}
    shown |= {name: value for name, value in event.metadata.items() if name not in _DBTS_OWN}
    return event.with_metadata(shown)


def _table(column: str, rows: list[tuple[str, int]]) -> dg.MetadataValue:
    total = sum(count for _, count in rows) or 1
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    column: "none" if value is None else str(value),
                    "customers": count,
                    "share": f"{'█' * max(1, round(10 * count / total))} {count / total:.1%}",
                }
            )
            for value, count in rows
        ],
        schema=dg.TableSchema(
            columns=[
                dg.TableColumn(column, "string"),
                dg.TableColumn("customers", "int"),
                dg.TableColumn("share", "string"),
            ]
        ),
    )


def _as_shown(spec: dg.AssetSpec) -> dg.AssetSpec:
    """The description without the SQL behind it, and a freshness policy for what users read."""
    spec = spec.replace_attributes(description=spec.description.split("#### Raw SQL")[0].strip())
    if spec.key.path[0] != "marts":
        return spec
    return spec.replace_attributes(freshness_policy=FRESH_EVERY_NIGHT)
