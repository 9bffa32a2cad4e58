"""Monthly targets (Monatsziele) of revenue, earnings and liquidity, and what was reached.

Actual revenue is computed from the invoices; what stands here is for measures no source knows.
"""

from sources.contract import Column, Source, Table
from sources.dropped_lists import DroppedList

TARGETS = Table(
    name="targets",
    grain="One row per month and measure.",
    key=("month", "measure"),
    columns=(
        Column("month", "First day of the month.", kind="date", required=True),
        Column(
            "measure",
            "revenue (Umsatz), earnings (Ertrag) or liquidity (Liquidität).",
            required=True,
            choices=("revenue", "earnings", "liquidity", "Umsatz", "Ertrag", "Liquidität"),
        ),
        Column("target", "Target in the reporting currency.", kind="decimal", required=True),
        Column("actual", "Reached, in the reporting currency; may be empty.", kind="decimal"),
    ),
)

LIST = DroppedList(
    table=TARGETS,
    spellings={
        "month": ("Monat", "Periode", "period"),
        "measure": ("Kennzahl", "Größe", "kpi"),
        "target": ("Soll", "Ziel", "Plan", "budget"),
        "actual": ("Ist", "Erreicht", "Istwert"),
    },
)

SOURCE = Source(
    name="monthly_targets",
    title="Monthly targets (CSV, TSV, XLSX, Parquet)",
    area="company",
    tables=(TARGETS,),
    owner="management",
    access="File drop by hand: the controller's plan, saved as it is.",
    promised_age_hours=31 * 24,
    pull=LIST.pull,
    check=LIST.check,
)
