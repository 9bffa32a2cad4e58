"""Table of contents of what Dagster sees. Nothing runs at import."""

import dagster as dg

from pipelines.assets.consent import consent_assets
from pipelines.assets.dbt_models import DBT, PROJECT, dbt_models
from pipelines.assets.identity import identity_assets
from pipelines.assets.published import published_assets
from pipelines.assets.raw import REGISTERED_KEYS, raw_assets
from pipelines.assets.reports import report_assets
from pipelines.jobs import refresh_customer_360
from pipelines.resources import Company, Dbt
from pipelines.schedules import nightly
from pipelines.sensors import alert_on_failed_checks


@dg.definitions
def stammkunde() -> dg.Definitions:
    """All assets, checks, jobs, schedules, sensors and resources."""
    models = dbt_models()
    marts = [key for assets in models for key in assets.keys if key.path[0] == "marts"]
    return dg.Definitions(
        assets=[
            *raw_assets(),
            *models,
            *identity_assets(),
            *consent_assets(),
            *report_assets(REGISTERED_KEYS),
            *published_assets(sorted(marts)),
        ],
        jobs=[refresh_customer_360],
        schedules=[nightly],
        sensors=[alert_on_failed_checks],
        resources={
            "company": Company(),
            "dbt": Dbt(
                project_dir=PROJECT,
                dbt_executable=str(DBT),
                # Nobody reads the manifest, results and debug log of a run (Dagster keeps what dbt
                # says), and relations are looked up when they are asked for: a fifth of the time.
                global_config_flags=[
                    "--no-write-json",
                    *("--log-level-file", "none"),
                    "--no-populate-cache",
                ],
            ),
        },
        # One process per run: DuckDB has one writer, and a small graph takes 11 s instead of 47.
        executor=dg.in_process_executor,
    )
