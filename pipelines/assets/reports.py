"""What people read who mend the data: the quality report and the fix lists."""

from datetime import UTC, datetime

import dagster as dg

from pipelines.publishing.fix_lists import write_fix_lists
from pipelines.publishing.quality_report import write_quality_report
from pipelines.resources import Company
from pipelines.schedules import FRESH_EVERY_NIGHT
from pipelines.scoring import scored_runs
from pipelines.warehouse import open_warehouse
from sources.registry import SOURCES

DATA_QUALITY = dg.AssetKey(["reports", "data_quality"])


def report_assets(registered: list[dg.AssetKey]) -> list[dg.AssetsDefinition]:
    """The quality report and the fix lists, downstream of what was registered of the loads."""

    @dg.asset(
        key=DATA_QUALITY,
        deps=registered,
        group_name="reports",
        kinds={"html", "excel"},
        pool="warehouse",
        freshness_policy=FRESH_EVERY_NIGHT,
        description="reports/data_quality.html: the ten questions asked of every source, what is "
        "wrong and what to do. reports/fix_lists/: for each source a list (CSV, XLSX) of the rows "
        "to correct; a corrected row leaves it by itself.",
    )
    def data_quality(context: dg.AssetExecutionContext, company: Company) -> dg.MaterializeResult:
        settings = company.settings
        titles = {source.name: source.title for source in SOURCES}
        with open_warehouse(settings) as db:
            open_rows = write_fix_lists(
                db, settings.reports / "fix_lists", titles, timezone=settings.timezone
            )
        report = write_quality_report(
            settings, scored_runs(settings), run_id=context.run_id, now=datetime.now(UTC)
        )
        return dg.MaterializeResult(
            metadata={
                "report": str(report.relative_to(settings.home)),
                "rows_to_correct": sum(open_rows.values()),
                "fix_lists": dg.MetadataValue.table(
                    [
                        dg.TableRecord({"source": source, "rows": rows})
                        for source, rows in open_rows.items()
                        if rows
                    ],
                    schema=dg.TableSchema(
                        columns=[dg.TableColumn("source", "string"), dg.TableColumn("rows", "int")]
                    ),
                ),
            }
        )

    return [data_quality]
