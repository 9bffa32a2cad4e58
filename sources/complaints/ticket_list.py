"""The ticket list (Reklamationsliste): complaints of a help desk without an API, as CSV or XLSX.

HubSpot's tickets come with `sources.crm`; categories and priorities are the company's own words and
are put in order later.
"""

from sources.contract import Column, Source, Table
from sources.dropped_lists import DroppedList

TICKETS = Table(
    name="tickets",
    grain="One row per complaint.",
    key=("ticket_id",),
    dated_by="opened_at",
    columns=(
        Column("ticket_id", "Number of the ticket.", required=True),
        Column("customer_number", "Number of the customer in accounting.", personal="id"),
        Column("email", "E-mail address of whoever complains.", personal="email"),
        Column("subject", "Subject of the complaint.", personal="text"),
        Column("text", "The problem in the customer's words.", personal="text"),
        Column("category", "What it is about, such as delivery or defect."),
        Column("priority", "How urgent it is, such as LOW or hoch."),
        Column("demand", "What the customer wants, such as refund or repair."),
        Column("opened_at", "When the complaint came in.", kind="timestamp", required=True),
        Column("closed_at", "When it was solved; empty while it is open.", kind="timestamp"),
        Column(
            "satisfaction",
            "How content the customer is with the solution, 1 (not at all) to 5 (very).",
            kind="integer",
            pattern="[1-5]",
        ),
        Column("order_reference", "Order or invoice the complaint is about."),
    ),
)

LIST = DroppedList(
    table=TICKETS,
    spellings={
        "ticket_id": ("id", "Ticket", "Ticketnummer", "Ticket-Nr.", "Vorgang", "Vorgangsnummer"),
        "customer_number": ("Kundennummer", "Kunden-Nr.", "Kd-Nr.", "customer no", "customer id"),
        "email": ("E-Mail", "E-Mail-Adresse", "Absender", "Email address"),
        "subject": ("Betreff", "Titel", "title"),
        "text": ("Beschreibung", "Problem", "Nachricht", "description", "message"),
        "category": ("Kategorie", "Art", "type"),
        "priority": ("Priorität", "Dringlichkeit"),
        "demand": ("Forderung", "Kundenwunsch", "requested solution"),
        "opened_at": ("Eröffnet am", "Eingegangen am", "Erstellt am", "Eingang", "created at"),
        "closed_at": ("Geschlossen am", "Gelöst am", "Erledigt am", "solved at", "resolved at"),
        "satisfaction": ("Zufriedenheit", "Zufriedenheit (1-5)", "csat", "satisfaction rating"),
        "order_reference": ("Bestellnummer", "Auftragsnummer", "Rechnungsnummer", "order number"),
    },
    any_of=("customer_number", "email"),
)

SOURCE = Source(
    name="ticket_list",
    title="Ticket list (CSV, TSV, XLSX, Parquet)",
    area="complaints",
    tables=(TICKETS,),
    owner="customer service",
    access="File drop by hand or by the help desk's export job; no key needed.",
    promised_age_hours=36,
    pull=LIST.pull,
    check=LIST.check,
)
