"""Blocking lists (Sperrlisten, Robinsonliste): whom advertising must not reach, whoever asked.

One is kept by the Austrian regulator RTR (ECG-Liste), one by the company; whom an entry means is
found out later.
"""

from sources.contract import Column, Source, Table
from sources.dropped_lists import DroppedList

ENTRIES = Table(
    name="entries",
    grain="One row per list, channel and entry.",
    key=("list_name", "channel", "entry"),
    columns=(
        Column(
            "list_name",
            "ecg (Austria's, kept by RTR) or own (the company's).",
            required=True,
            choices=("ecg", "own"),
        ),
        Column(
            "entry",
            "E-mail address, @domain, phone number or postal address; or the SHA-1, as 40 hex "
            "digits, of an address or @domain in lower case.",
            required=True,
            personal="text",
        ),
        Column(
            "channel",
            "Way that is blocked: email, phone or post.",
            required=True,
            choices=("email", "phone", "post"),
        ),
        Column("listed_on", "Day of the entry, where known.", kind="date"),
    ),
)

LIST = DroppedList(
    table=ENTRIES,
    spellings={
        "list_name": ("Liste", "Sperrliste", "list"),
        "entry": ("Eintrag", "Gesperrt", "Kontakt", "blocked", "contact"),
        "channel": ("Kanal", "Kontaktweg", "Werbeweg"),
        "listed_on": ("Eingetragen am", "Gesperrt am", "Gesperrt seit", "Datum", "date", "since"),
    },
)

SOURCE = Source(
    name="blocking_lists",
    title="Blocking lists (CSV, TSV, XLSX, Parquet)",
    area="company",
    tables=(ENTRIES,),
    owner="marketing",
    access="File drop by hand: the own list as it is; RTR's by whoever has its key.",
    promised_age_hours=7 * 24,
    pull=LIST.pull,
    check=LIST.check,
)
