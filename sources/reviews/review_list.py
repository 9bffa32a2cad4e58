"""The review list (Bewertungsliste): ratings of portals without an API, as CSV or XLSX.

Portals with an API have modules of their own; whose review it is, is found out later.
"""

from sources.contract import Column, Source, Table
from sources.dropped_lists import DroppedList

REVIEWS = Table(
    name="reviews",
    grain="One row per review of a portal.",
    key=("platform", "review_id"),
    dated_by="created_at",
    columns=(
        Column("platform", "Portal the review stands on.", required=True),
        Column("review_id", "Number of the review on its portal.", required=True),
        Column(
            "rating",
            "Stars, 1 to 5; halves and tenths occur.",
            kind="decimal",
            required=True,
            pattern=r"[1-4](?:[.,]\d+)?|5(?:[.,]0+)?",
        ),
        Column("title", "Headline of the review.", personal="text"),
        Column("text", "What the customer wrote.", personal="text"),
        Column("created_at", "When the review was written.", kind="timestamp", required=True),
        Column("author_name", "Name the author goes by on the portal.", personal="name"),
        Column("author_email", "E-mail address of the author.", personal="email"),
        Column("order_reference", "Order or invoice the review names."),
        Column("reply_text", "What the company answered.", personal="text"),
        Column("reply_at", "When the company answered.", kind="timestamp"),
    ),
)

LIST = DroppedList(
    table=REVIEWS,
    spellings={
        "platform": ("Plattform", "Portal", "Quelle", "source"),
        "review_id": ("Bewertungsnummer", "Bewertungs-ID", "Bewertung Nr.", "id"),
        "rating": ("Bewertung", "Sterne", "stars", "Note"),
        "title": ("Titel", "Überschrift", "headline"),
        "text": ("Bewertungstext", "Kommentar", "comment", "review"),
        "created_at": ("Erstellt am", "Datum", "Bewertet am", "date", "created"),
        "author_name": ("Verfasser", "Autor", "Name", "author", "reviewer"),
        "author_email": ("E-Mail", "E-Mail-Adresse", "Verfasser E-Mail"),
        "order_reference": ("Bestellnummer", "Auftragsnummer", "Rechnungsnummer", "order number"),
        "reply_text": ("Antwort", "Antworttext", "Stellungnahme", "reply"),
        "reply_at": ("Beantwortet am", "Antwort am", "Antwortdatum", "replied at"),
    },
)

SOURCE = Source(
    name="review_list",
    title="Review list (CSV, TSV, XLSX, Parquet)",
    area="reviews",
    tables=(REVIEWS,),
    owner="marketing",
    access="File drop by hand, copied or exported from the portals' business pages.",
    promised_age_hours=7 * 24,
    pull=LIST.pull,
    check=LIST.check,
)
