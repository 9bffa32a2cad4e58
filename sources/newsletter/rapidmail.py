"""rapidmail: the export of a recipient list, with the evidence of the double opt-in.

Which event follows from which status is staging's business; campaigns and clicks are not in it.
"""

from sources.contract import Column, Source, Table
from sources.dropped_lists import DroppedList

# The codes of the export, and the words the screen has for them.
STATUSES = (
    *("new", "active", "bounced", "abused", "deleted"),
    *("Unbestätigt", "Aktiv", "Gebounct", "Unerwünscht", "Abgemeldet"),
)
_CLOCK = r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?"

RECIPIENTS = Table(
    name="recipients",
    grain="One row per e-mail address of the recipient list.",
    key=("email",),
    dated_by="updated_at",
    columns=(
        Column("email", "E-mail address of the recipient.", required=True, personal="email"),
        Column(
            "status",
            "new (requested, not confirmed), active, bounced, abused (marked as spam) or deleted "
            "(unsubscribed), or the German word for it.",
            required=True,
            choices=STATUSES,
        ),
        Column("created_ip", "Address from which the newsletter was requested.", personal="ip"),
        Column("created_on", "Day of the request, local time.", kind="date"),
        Column("created_time", "Time of day of the request, local time.", pattern=_CLOCK),
        Column("created_at", "Moment of the request, where one column holds it.", "timestamp"),
        Column("activated_ip", "Address from which the request was confirmed.", personal="ip"),
        Column("activated_on", "Day of the confirmation, local time.", kind="date"),
        Column("activated_time", "Time of day of the confirmation, local time.", pattern=_CLOCK),
        Column(
            "activated_at", "Moment of the confirmation, where one column holds it.", "timestamp"
        ),
        Column("updated_at", "Last change of the record, an unsubscription too.", "timestamp"),
        Column("salutation", "Form of address, or gender.", personal="name"),
        Column("first_name", "First name.", personal="name"),
        Column("last_name", "Last name.", personal="name"),
        Column("company", "Company of the recipient.", personal="name"),
        Column("customer_number", "The company's own number (foreign_id).", personal="id"),
        Column("postcode", "Postcode.", personal="address"),
        Column("birthday", "Birthday.", kind="date", personal="birthday"),
        Column("language", "Language of the recipient."),
        Column("interests", "Topics asked for, separated by commas."),
    ),
)

LIST = DroppedList(
    table=RECIPIENTS,
    spellings={
        "email": ("E-Mail", "E-Mail-Adresse", "Mailadresse", "Email address"),
        "status": ("Anmeldestatus", "Empfängerstatus"),
        "created_ip": ("Anmeldung IP", "Anmeldung IP-Adresse", "Erstellt IP"),
        "created_on": ("created date", "Anmeldung Datum", "Anmeldedatum", "Erstellt Datum"),
        "created_time": ("Anmeldung Uhrzeit", "Erstellt Uhrzeit"),
        "created_at": ("created", "Anmeldung", "Angemeldet am", "Erstellt am"),
        "activated_ip": ("Bestätigung IP", "Bestätigung IP-Adresse", "Aktiviert IP"),
        "activated_on": (
            "activated date",
            "Bestätigung Datum",
            "Bestätigungsdatum",
            "Aktiviert Datum",
        ),
        "activated_time": ("Bestätigung Uhrzeit", "Aktiviert Uhrzeit"),
        "activated_at": ("activated", "Bestätigung", "Bestätigt am", "Aktiviert am"),
        "updated_at": ("updated", "Geändert am", "Letzte Änderung", "Aktualisiert am"),
        "salutation": ("Anrede", "gender", "Geschlecht"),
        "first_name": ("firstname", "Vorname"),
        "last_name": ("lastname", "Nachname", "Name"),
        "company": ("Firma", "Unternehmen"),
        "customer_number": ("foreign_id", "Kundennummer", "Kunden-Nr.", "Fremd-ID"),
        "postcode": ("zip", "PLZ", "Postleitzahl"),
        "birthday": ("birthdate", "Geburtstag", "Geburtsdatum"),
        "language": ("Sprache",),
        "interests": ("Interessen", "Themen"),
    },
)

SOURCE = Source(
    name="rapidmail",
    title="rapidmail recipient list (CSV, XLSX)",
    area="newsletter",
    tables=(RECIPIENTS,),
    owner="marketing",
    access="File drop: Empfänger > Empfängerlisten > Optionen > Empfänger exportieren, by hand.",
    promised_age_hours=7 * 24,
    pull=LIST.pull,
    check=LIST.check,
)
