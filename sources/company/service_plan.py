"""The service plan (Serviceplan): maintenance contracts, their devices and when they are due.

Invoices for the service come from accounting; nothing is planned here.
"""

from sources.contract import Column, Source, Table
from sources.dropped_lists import DroppedList

CONTRACTS = Table(
    name="contracts",
    grain="One row per service contract and device.",
    key=("contract_number", "serial_number"),
    columns=(
        Column("contract_number", "Number of the contract.", required=True),
        Column("customer_number", "Number of the customer.", required=True, personal="id"),
        Column("product_code", "Article number of the device."),
        Column("product_name", "Name of the device."),
        Column("serial_number", "Serial number of the device; empty where none is named."),
        Column("starts_on", "First day of the contract.", kind="date", required=True),
        Column("ends_on", "Last day of the contract; empty: until further notice.", kind="date"),
        Column("interval_months", "Months between two services.", kind="integer"),
        Column("next_due_on", "Day the next service is due.", kind="date"),
        Column("yearly_fee", "Net fee a year, in the reporting currency.", kind="decimal"),
    ),
)

LIST = DroppedList(
    table=CONTRACTS,
    spellings={
        "contract_number": ("Vertragsnummer", "Vertrags-Nr.", "Vertrag", "contract no"),
        "customer_number": ("Kundennummer", "Kunden-Nr.", "Kd-Nr.", "customer no"),
        "product_code": ("Artikelnummer", "Artikel-Nr.", "article number", "sku"),
        "product_name": ("Gerät", "Artikel", "Bezeichnung", "device", "product"),
        "serial_number": ("Seriennummer", "Serien-Nr.", "Gerätenummer", "serial no"),
        "starts_on": ("Vertragsbeginn", "Beginn", "Laufzeit von", "start", "start date"),
        "ends_on": ("Vertragsende", "Ende", "Laufzeit bis", "end", "end date"),
        "interval_months": ("Intervall (Monate)", "Wartungsintervall", "Intervall", "interval"),
        "next_due_on": ("Nächste Wartung", "Nächster Termin", "Fällig am", "next service"),
        "yearly_fee": ("Jahresgebühr", "Jahrespauschale", "Jahresbetrag", "annual fee"),
    },
)

SOURCE = Source(
    name="service_plan",
    title="Service plan (CSV, TSV, XLSX, Parquet)",
    area="company",
    tables=(CONTRACTS,),
    owner="customer service",
    access="File drop by hand: the planner's spreadsheet, saved as it is.",
    promised_age_hours=31 * 24,
    pull=LIST.pull,
    check=LIST.check,
)
