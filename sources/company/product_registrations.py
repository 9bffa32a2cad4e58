"""Product registrations (Produktregistrierung): who registered what, and what they agreed to.

A registration is an occasion to ask for consent; what the consent is worth is decided later.
"""

from sources.contract import Column, Source, Table
from sources.dropped_lists import DroppedList

REGISTRATIONS = Table(
    name="registrations",
    grain="One row per form that was sent in.",
    key=("registration_id",),
    dated_by="registered_at",
    columns=(
        Column("registration_id", "Number of the form.", required=True),
        Column("customer_number", "Number of the customer, where known.", personal="id"),
        Column("first_name", "First name.", personal="name"),
        Column("last_name", "Last name.", personal="name"),
        Column("company", "Company, where there is one.", personal="name"),
        Column("email", "E-mail address.", required=True, personal="email"),
        Column("product_code", "Article number of the product."),
        Column("product_name", "Name of the product."),
        Column("serial_number", "Serial number of the product."),
        Column("bought_on", "Day of the purchase, as the customer says.", kind="date"),
        Column("registered_at", "When the form came in.", kind="timestamp", required=True),
        Column("newsletter_requested", "Whether the newsletter was ticked.", kind="flag"),
        Column(
            "newsletter_confirmed_at",
            "When the link in the confirmation mail was followed (double opt-in).",
            kind="timestamp",
        ),
    ),
)

LIST = DroppedList(
    table=REGISTRATIONS,
    spellings={
        "registration_id": ("id", "Registrierungsnummer", "Registrierung Nr.", "Formular-Nr."),
        "customer_number": ("Kundennummer", "Kunden-Nr.", "customer no", "customer id"),
        "first_name": ("firstname", "Vorname"),
        "last_name": ("lastname", "Nachname", "Name"),
        "company": ("Firma", "Unternehmen"),
        "email": ("E-Mail", "E-Mail-Adresse", "Email address"),
        "product_code": ("Artikelnummer", "Artikel-Nr.", "article number", "sku", "model number"),
        "product_name": ("Produkt", "Gerät", "Artikel", "product", "model"),
        "serial_number": ("Seriennummer", "Serien-Nr.", "Gerätenummer", "serial no"),
        "bought_on": ("Kaufdatum", "Gekauft am", "purchase date", "purchased on"),
        "registered_at": ("Registriert am", "Eingegangen am", "timestamp", "submitted at"),
        "newsletter_requested": ("Newsletter", "Newsletter gewünscht", "newsletter opt-in"),
        "newsletter_confirmed_at": (
            "Newsletter bestätigt am",
            "Double-Opt-in am",
            "double opt-in at",
        ),
    },
)

SOURCE = Source(
    name="product_registrations",
    title="Product registrations (CSV, TSV, XLSX, Parquet)",
    area="company",
    tables=(REGISTRATIONS,),
    owner="marketing",
    access="File drop by hand or by the web form's export job; no key needed.",
    promised_age_hours=7 * 24,
    pull=LIST.pull,
    check=LIST.check,
)
