"""One asset per table of every source (pulled, landed, judged), and their registration for dbt."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from pipelines.checks import raw_check_results, raw_check_specs, raw_key
from pipelines.ingest import in_force, ingest, is_disk_full, require_accounting
from pipelines.resources import Company
from pipelines.warehouse import open_warehouse, register_raw
from sources.contract import Source, Table
from sources.landing import Lake
from sources.registry import SOURCES

SETTINGS = "raw_company/settings"
REGISTERED = {
    SETTINGS: "One row: the as-of day and the reporting currency of this run.",
    "raw_quality/loads": "One row per load in force or refused, with its row counts.",
    "raw_quality/quarantined_rows": "One row per quarantined row and broken rule.",
}

_RETRIES = dg.RetryPolicy(
    max_retries=2, delay=20, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)


def raw_assets() -> list[dg.AssetsDefinition]:
    """All sources of the registry, and what is registered beside them."""
    return [*(_source_assets(source) for source in SOURCES), _registered()]


def _source_assets(source: Source) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"pull_{source.name}",
        specs=[_spec(source, table) for table in source.tables],
        check_specs=raw_check_specs(source),
        retry_policy=_RETRIES,
        pool="warehouse",
        can_subset=False,
    )
    def pull(company: Company) -> Iterator[dg.MaterializeResult]:
        try:
            report = ingest(source, company.settings)
        except Exception as error:
            if is_disk_full(str(error)):
                # Trying again in a minute does not make room.
                raise dg.Failure(str(error), allow_retries=False) from error
            raise
        lake = Lake(company.settings.lake)
        for table in source.tables:
            loads = in_force(lake, company.settings, source, table)
            yield dg.MaterializeResult(
                asset_key=raw_key(source, table),
                metadata={
                    "dagster/row_count": sum(load.verdict["accepted"] for load in loads),
                    "source_is": "on" if report.is_on else "switched off or not set up",
                    "new_loads": sum(
                        judged.load.about["table"] == table.name for judged in report.judged
                    ),
                    "loads": dg.MetadataValue.table(
                        [
                            dg.TableRecord(
                                {
                                    "file": load.about.get("file", load.load_id),
                                    "landed": load.about["rows"],
                                    "accepted": load.verdict["accepted"],
                                    "quarantined": load.verdict["quarantined"],
                                }
                            )
                            for load in loads[-10:]
                        ],
                        schema=_LOADS_SCHEMA,
                    ),
                },
                check_results=list(raw_check_results(source, table, report, loads)),
            )

    return pull


_LOADS_SCHEMA = dg.TableSchema(
    columns=[
        dg.TableColumn("file", "string"),
        dg.TableColumn("landed", "int"),
        dg.TableColumn("accepted", "int"),
        dg.TableColumn("quarantined", "int"),
    ]
)


def _spec(source: Source, table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        raw_key(source, table),
        description=f"{table.grain}\n\n{source.title}. {source.access}",
        group_name=f"raw_{source.name}",
        kinds={"parquet"},
        owners=[f"team:{source.owner}"],
        metadata={
            "dagster/column_schema": dg.TableSchema(
                columns=[
                    dg.TableColumn(column.name, "text", description=column.description)
                    for column in table.columns
                ]
            )
        },
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=source.promised_age_hours)
        ),
    )


def _all_tables() -> list[dg.AssetKey]:
    return [raw_key(source, table) for source in SOURCES for table in source.tables]


def _registered() -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="register_raw",
        specs=[
            dg.AssetSpec(
                dg.AssetKey(address.split("/")),
                description=description,
                group_name=address.split("/")[0],
                kinds={"duckdb"},
                deps=[] if address == SETTINGS else _all_tables(),
            )
            for address, description in REGISTERED.items()
        ],
        pool="warehouse",
        can_subset=False,
    )
    def register(company: Company) -> Iterator[dg.MaterializeResult]:
        require_accounting(company.settings)
        with open_warehouse(company.settings) as db:
            register_raw(db, company.settings)
            for address in REGISTERED:
                table = db.table(address.replace("/", "."))
                metadata = {"dagster/row_count": table.count("*").fetchall()[0][0]}
                if address == SETTINGS:
                    (values,) = table.fetchall()
                    metadata |= {
                        name: str(value) for name, value in zip(table.columns, values, strict=True)
                    }
                yield dg.MaterializeResult(
                    asset_key=dg.AssetKey(address.split("/")), metadata=metadata
                )

    return register
