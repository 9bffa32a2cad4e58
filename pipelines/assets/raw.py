"""One asset per table of every source (pulled, landed, judged), and their registration for dbt."""

import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from pipelines.checks import raw_check_results, raw_check_specs, raw_key
from pipelines.findings import Standing
from pipelines.ingest import IngestReport, in_force, ingest, is_disk_full, require_accounting
from pipelines.publishing.quality_report import write_quality_report
from pipelines.resources import Company
from pipelines.scoring import scored_runs
from pipelines.settings import REPOSITORY, Settings
from pipelines.source_runs import record_run
from pipelines.warehouse import open_warehouse, register_raw
from quality.history import SourceRun
from sources.contract import Source, SourceProblem, Table
from sources.landing import Lake, LandingProblem
from sources.registry import SOURCES

ROOMS = ("sources", "quality", "pipelines")
SETTINGS = "raw_company/settings"
REGISTERED = {
    SETTINGS: "One row: the as-of day and the reporting currency of this run.",
    "raw_quality/loads": "One row per load in force or refused, with its row counts.",
    "raw_quality/quarantined_rows": "One row per quarantined row and broken rule.",
    "raw_quality/source_answers": "One row per source, run and question of the scorecard.",
}

REGISTERED_KEYS = [dg.AssetKey(address.split("/")) for address in REGISTERED]

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
    def pull(context: dg.AssetExecutionContext, company: Company) -> Iterator[dg.MaterializeResult]:
        lake = Lake(company.settings.lake)
        report, run, standings = _ingested(source, company.settings, context.run_id)
        if source.required and not run.succeeded:
            # The run will stop here, and whoever is to mend it has to see why.
            write_quality_report(
                company.settings,
                scored_runs(company.settings),
                run_id=context.run_id,
                now=datetime.now(UTC),
            )
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
                check_results=list(
                    raw_check_results(source, table, run, standings[table.name], loads)
                ),
            )

    return pull


def _ingested(
    source: Source, settings: Settings, run_id: str
) -> tuple[IngestReport, SourceRun, dict[str, Standing]]:
    try:
        report = ingest(source, settings)
        return report, *record_run(report, settings, run_id)
    except Exception as error:
        failure = dg.Failure(
            _without_its_text(source, error),
            # Trying again in a minute does not make room.
            allow_retries=not is_disk_full(str(error)),
        )
    # Not inside `except`: Dagster keeps an error's causes and context too, and shows them to all.
    raise failure


def _without_its_text(source: Source, error: Exception) -> str:
    """What is kept of an error. The text of one nobody foresaw may quote a person or a secret."""
    if is_disk_full(str(error)):
        return f"{source.name}: No space left on device"
    if isinstance(error, SourceProblem | LandingProblem):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{source.name}: {error.strerror}: {error.filename}"
    ours = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if any(Path(frame.filename).is_relative_to(REPOSITORY / room) for room in ROOMS)
    ]
    place = f"{Path(ours[-1].filename).relative_to(REPOSITORY)}, line {ours[-1].lineno}"
    return (
        f"{source.name}: an unexpected {type(error).__name__} in {place}; its text is not kept, "
        f"as it may quote the data. `python -m sources pull {source.name}` shows it on the screen "
        "where the pull is what failed"
    )


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
