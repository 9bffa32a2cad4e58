"""The published warehouse: the last asset, after every check that may stop it."""

import dagster as dg

from pipelines.publishing.publish import publish
from pipelines.resources import Company
from pipelines.schedules import FRESH_EVERY_NIGHT
from pipelines.warehouse import open_warehouse, require_whole_build

PUBLISHED = dg.AssetKey(["published", "stammkunde"])


def published_assets(marts: list[dg.AssetKey]) -> list[dg.AssetsDefinition]:
    """The published file, downstream of all marts."""

    @dg.asset(
        key=PUBLISHED,
        deps=marts,
        group_name="published",
        kinds={"duckdb"},
        pool="warehouse",
        freshness_policy=FRESH_EVERY_NIGHT,
        description="The file BI tools read: serving/stammkunde.duckdb, swapped in one step after "
        "every blocking check has passed. The last three versions stay for roll-back.",
    )
    def published(context: dg.AssetExecutionContext, company: Company) -> dg.MaterializeResult:
        settings = company.settings
        with open_warehouse(settings) as db:
            require_whole_build(db)
        publication = publish(settings.warehouse, settings.published, run_id=context.run_id)
        return dg.MaterializeResult(
            metadata={
                "file": publication.file.name,
                "size": f"{publication.file.stat().st_size / 1e6:,.1f} MB",
                "tables": dg.MetadataValue.table(
                    [
                        dg.TableRecord(
                            {"table": f"{table.schema}.{table.name}", "rows": table.rows}
                        )
                        for table in publication.tables
                    ],
                    schema=dg.TableSchema(
                        columns=[dg.TableColumn("table", "string"), dg.TableColumn("rows", "int")]
                    ),
                ),
            }
        )

    return [published]
