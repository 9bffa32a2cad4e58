"""Credit ratings (Bonitätsauskünfte): what a bureau says of a customer, and when it said so.

How customers really pay is accounting's to know; what an index is worth is a rule of the company.
"""

from sources.contract import Column, Source, Table
from sources.dropped_lists import DroppedList

RATINGS = Table(
    name="ratings",
    grain="One row per report of a bureau about a customer.",
    key=("bureau", "customer_number", "vat_id", "rated_on"),
    dated_by="rated_on",
    columns=(
        Column("customer_number", "Number of the customer, or its VAT id.", personal="id"),
        Column("vat_id", "VAT id of the customer, or its number.", personal="id"),
        Column("credit_index", "Index in the scale of the bureau.", "decimal", required=True),
        Column("bureau", "Bureau that gave the report.", required=True),
        Column("rated_on", "Day of the report.", kind="date", required=True),
    ),
)

LIST = DroppedList(
    table=RATINGS,
    spellings={
        "customer_number": ("Kundennummer", "Kunden-Nr.", "Kd-Nr.", "customer no"),
        "vat_id": ("USt-IdNr.", "USt-ID", "Umsatzsteuer-ID", "UID", "VAT number"),
        "credit_index": ("Bonitätsindex", "Index", "Bonität", "Score", "credit score"),
        "bureau": ("Auskunftei", "Auskunft von", "agency"),
        "rated_on": ("Auskunft vom", "Stichtag", "Datum", "date", "rating date"),
    },
    any_of=("customer_number", "vat_id"),
)

SOURCE = Source(
    name="credit_ratings",
    title="Credit ratings (CSV, TSV, XLSX, Parquet)",
    area="company",
    tables=(RATINGS,),
    owner="accounting",
    access="File drop by hand: the portfolio export of the credit bureau's portal.",
    promised_age_hours=31 * 24,
    pull=LIST.pull,
    check=LIST.check,
)
