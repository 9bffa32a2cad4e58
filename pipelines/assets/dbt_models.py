"""All dbt models as assets and all dbt tests as their checks, built by one start of dbt."""

import logging
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
from dagster_dbt import DbtProject, dbt_assets

from pipelines.resources import Company, Dbt
from pipelines.settings import REPOSITORY
from pipelines.warehouse import distribution, open_warehouse, row_counts

log = logging.getLogger(__name__)

# Beside this interpreter: a run must never start another dbt that is on the PATH.
DBT = Path(sys.executable).with_name("dbt")
PROJECT = DbtProject(project_dir=REPOSITORY / "dbt_project")

# Shown on the asset's page: how the customers fall into classes, never who they are.
_CLASSES = ("lifecycle", "tier", "abc_class")


def dbt_models() -> list[dg.AssetsDefinition]:
    """The models of dbt_project. Raises FileNotFoundError where dbt was never parsed."""
    if not PROJECT.manifest_path.exists():
        raise FileNotFoundError(f"{PROJECT.manifest_path} is not there: run `make parse`")

    @dbt_assets(manifest=PROJECT.manifest_path, project=PROJECT, pool="warehouse")
    def dbt_build(context: dg.AssetExecutionContext, dbt: Dbt, company: Company) -> Iterator:
        settings = company.settings
        build = dbt.cli(
            # Unit tests run on made-up rows: CI asks them, not the night.
            ["build", "--exclude-resource-type", "unit_test"],
            context=context,
            target_path=settings.dbt_target,
        )
        events, error = [], None
        try:
            for event in build.stream():
                events.append(event)
                _report(context, event)
        except dg.DagsterError as raised:
            error = raised
        with open_warehouse(settings) as db:
            counts = row_counts(db)
            classes = distribution(db, _CLASSES) if "marts.customer_360" in counts else None
        for event in events:
            yield _enriched(context, event, counts, classes)
        if error:
            raise error

    return [_with_freshness(dbt_build)]


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
    extra = {}
    if address in counts:
        extra["dagster/row_count"] = counts[address]
    if address == "marts.customer_360" and classes:
        extra |= {column: _table(column, rows) for column, rows in classes.items()}
    return event.with_metadata({**event.metadata, **extra})


def _table(column: str, rows: list[tuple[str, int]]) -> dg.MetadataValue:
    total = sum(count for _, count in rows) or 1
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    column: str(value),
                    "customers": count,
                    "share": f"{'█' * round(20 * count / total)} {count / total:.1%}",
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


def _with_freshness(assets: dg.AssetsDefinition) -> dg.AssetsDefinition:
    policy = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36))
    return assets.map_asset_specs(
        lambda spec: (
            spec.replace_attributes(freshness_policy=policy)
            if spec.key.path[0] == "marts"
            else spec
        )
    )
