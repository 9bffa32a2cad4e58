"""Consent forms (Einwilligungen auf Papier): who agreed, took it back or objected, and to what.

What a declaration is worth, and until when, is decided later.
"""

from sources.contract import Column, Source, Table
from sources.dropped_lists import DroppedList

DECLARATIONS = Table(
    name="declarations",
    grain="One row per form that was signed, or declaration that was spoken.",
    key=("declaration_id",),
    dated_by="signed_at",
    columns=(
        Column("declaration_id", "Number of the form.", required=True),
        Column("customer_number", "Number of the customer, where known.", personal="id"),
        Column("first_name", "First name.", personal="name"),
        Column("last_name", "Last name.", personal="name"),
        Column("company_name", "Company, where there is one.", personal="name"),
        Column(
            "channel",
            "Way it is about: email, phone or post.",
            required=True,
            choices=("email", "phone", "post"),
        ),
        Column(
            "contact_point",
            "Address, number or postal address it is about, as written.",
            required=True,
            personal="text",
        ),
        Column(
            "purpose",
            "What for: newsletter, product_info, event_invite or review_request; advertising is "
            "all of them, in withdrawals and objections only.",
            required=True,
            choices=("newsletter", "product_info", "event_invite", "review_request", "advertising"),
        ),
        Column(
            "decision",
            "granted (Einwilligung), withdrawn (Widerruf) or objected (Widerspruch).",
            required=True,
            choices=("granted", "withdrawn", "objected"),
        ),
        Column("signed_at", "Day, or moment, of the declaration.", "timestamp", required=True),
        Column("text_version", "Wording that was signed or read out."),
        Column("collected_by", "Who took it.", personal="name"),
        Column("document_ref", "Where the paper or the recording is kept."),
        Column("controller", "Company of the group it was told to."),
    ),
)

LIST = DroppedList(
    table=DECLARATIONS,
    spellings={
        "declaration_id": ("id", "Formularnummer", "Formular-Nr.", "Erklärung Nr.", "form no"),
        "customer_number": ("Kundennummer", "Kunden-Nr.", "Kd-Nr.", "customer no", "customer id"),
        "first_name": ("firstname", "Vorname"),
        "last_name": ("lastname", "Nachname", "Name"),
        "company_name": ("Firma", "Unternehmen", "company"),
        "channel": ("Kanal", "Kontaktweg", "Werbeweg"),
        "contact_point": ("Kontakt", "Kontaktdaten", "Adresse oder Nummer", "contact"),
        "purpose": ("Zweck", "Werbezweck", "consent to"),
        "decision": ("Erklärung", "Entscheidung", "declaration"),
        "signed_at": ("Unterschrieben am", "Erklärt am", "Datum", "date", "signed on"),
        "text_version": ("Textfassung", "Fassung", "Wortlaut", "wording", "form version"),
        "collected_by": ("Aufgenommen von", "Entgegengenommen von", "taken by"),
        "document_ref": ("Ablage", "Beleg", "Fundstelle", "document", "kept at"),
        "controller": ("Verantwortlicher", "Gesellschaft", "told to"),
    },
)

SOURCE = Source(
    name="consent_forms",
    title="Consent forms (CSV, TSV, XLSX, Parquet)",
    area="company",
    tables=(DECLARATIONS,),
    owner="marketing",
    access="File drop by hand: the register of signed forms and calls, saved as it is.",
    promised_age_hours=7 * 24,
    pull=LIST.pull,
    check=LIST.check,
)
