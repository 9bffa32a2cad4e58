"""The lists the demo company keeps in files, each in another of the forms that real exports have.

What stands in them is drawn in `world` and `relations`; here it is written down, and spoilt rows
are added. The sales list and DATEV's files have modules of their own.
"""

import csv
import io
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl

from sources.demo.company import AS_OF
from sources.demo.newsletter_lists import ConsentEvent
from sources.demo.relations import Relations
from sources.demo.spelling import printed_phone
from sources.demo.world import Declaration, World

# The other portals of the demo company have an API.
LISTED_PLATFORMS = ("facebook", "kuechenportal")

_BERLIN = ZoneInfo("Europe/Berlin")
_GERMAN_MARKS = str.maketrans(",.", ".,")
# Of the ways to print a number: with its country and blanks.
_WITH_BLANKS = 1
_NO_DAY = "31.02.2025"
_WRITTEN = datetime(AS_OF.year, AS_OF.month, AS_OF.day, tzinfo=UTC)
_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*")

Value = str | int | Decimal | date | datetime | None


@dataclass(frozen=True)
class FileTruth:
    """What is known about a written list, whatever a reader makes of it.

    rows counts all of them; defects: class → numbers of its rows (as in `_row`). The value of a
    spoilt row that the contract does not allow is the only thing wrong with it.
    """

    file: str
    rows: int
    defects: dict[str, tuple[int, ...]]

    @property
    def quarantined(self) -> int:
        """How many rows must not get past the gate."""
        return sum(map(len, self.defects.values()))


@dataclass(frozen=True)
class _Defect:
    """So many copies of sound rows with other values in some columns."""

    name: str
    count: int
    values: dict[str, Value]


@dataclass(frozen=True)
class _List:
    """A list before it is written: `fresh` gives the n-th spoilt row a key of its own."""

    header: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    fresh: Callable[[int], dict[str, Value]]
    defects: tuple[_Defect, ...]

    def spoilt(self) -> tuple[list[tuple[Value, ...]], dict[str, list[int]]]:
        """All rows, and where (from 0) those of each defect stand.

        A spoilt row is one more: whoever leaves it out misses nothing of what the world knows.
        """
        planned = [defect for defect in self.defects for _ in range(defect.count)]
        rows: list[tuple[Value, ...]] = []
        places: dict[str, list[int]] = {}
        done = 0
        for n, defect in enumerate(planned, 1):
            upto = len(self.rows) * n // (len(planned) + 1)
            rows += self.rows[done:upto]
            done = upto
            copied = dict(zip(self.header, self.rows[done - 1], strict=True))
            places.setdefault(defect.name, []).append(len(rows))
            rows.append(tuple((copied | self.fresh(n) | defect.values).values()))
        return rows + self.rows[done:], places


@dataclass(frozen=True)
class _Form:
    """How a list is written: text of an encoding, or (no delimiter) a workbook."""

    file: str
    encoding: str = ""
    delimiter: str = ""
    line_end: str = "\r\n"
    mark: str = ""
    above: tuple[str, ...] = ()
    mapping: str = ""

    @property
    def first_row(self) -> int:
        """The number of the first row below the header; no cell holds a line break."""
        return len(self.above) + 2

    def render(self, header: tuple[str, ...], rows: list[tuple]) -> bytes:
        """The file's bytes."""
        return self._text(header, rows) if self.delimiter else self._workbook(header, rows)

    def _text(self, header: tuple[str, ...], rows: list[tuple]) -> bytes:
        text = io.StringIO(newline="")
        text.write(self.mark)
        writer = csv.writer(text, delimiter=self.delimiter, lineterminator=self.line_end)
        writer.writerows((header, *rows))
        return text.getvalue().encode(self.encoding)

    def _workbook(self, header: tuple[str, ...], rows: list[tuple]) -> bytes:
        book = openpyxl.Workbook()
        book.properties.created = _WRITTEN.replace(tzinfo=None)
        for row in (*((line,) for line in self.above), header, *rows):
            book.active.append(row)
        written = io.BytesIO()
        book.save(written)
        return _settled(written)


def _settled(workbook: io.BytesIO) -> bytes:
    """The same bytes on every day: openpyxl writes the time of writing into each part."""
    settled = io.BytesIO()
    moment = f"{_WRITTEN:%Y-%m-%dT%H:%M:%SZ}".encode()
    with zipfile.ZipFile(workbook) as given, zipfile.ZipFile(settled, "w") as archive:
        for entry in given.infolist():
            content = _MODIFIED.sub(rb"\g<1>" + moment, given.read(entry))
            archive.writestr(zipfile.ZipInfo(entry.filename, _WRITTEN.timetuple()[:6]), content)
    return settled.getvalue()


def write_dropped_files(folder: Path, world: World, relations: Relations) -> dict[str, FileTruth]:
    """Writes every list into `folder`/<source name>/ and tells what is true about each.

    The same world gives the same bytes; what stands there under these names is replaced.
    """
    return {
        source: write_dropped_file(folder / source, source, world, relations) for source in FORMS
    }


def write_dropped_file(inbox: Path, source: str, world: World, relations: Relations) -> FileTruth:
    """Writes the list of one source into its inbox. Raises KeyError for a source without one."""
    form, drawn = FORMS[source], _DRAWN[source](world, relations)
    rows, places = drawn.spoilt()
    inbox.mkdir(parents=True, exist_ok=True)
    if form.mapping:
        _put(inbox / f"{form.file}.yml", form.mapping.encode())
    _put(inbox / form.file, form.render(drawn.header, rows))
    defects = {name: tuple(form.first_row + at for at in found) for name, found in places.items()}
    return FileTruth(form.file, len(rows), defects)


def _put(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.utime(part, (_WRITTEN.timestamp(), _WRITTEN.timestamp()))
    part.replace(path)


FORMS = {
    "rapidmail": _Form("empfaengerliste.csv", "utf-8", ";", mark="\ufeff"),
    "review_list": _Form("bewertungen.xlsx"),
    "ticket_list": _Form("reklamationen.csv", "cp1252", ";"),
    "service_plan": _Form(
        "serviceplan.xlsx",
        above=("Culinary Cooking GmbH", "Serviceplan, Stand 31.12.2025"),
        mapping="header_row: 3\ncolumns:\n  next_due_on: Termin\n",
    ),
    "product_registrations": _Form("registrations.csv", "utf-8", ",", "\n"),
    "credit_ratings": _Form("bonitaet.txt", "utf-16-le", "\t", mark="\ufeff"),
    "social_statistics": _Form("social_statistics.tsv", "utf-8", "\t", "\n"),
    "monthly_targets": _Form("monatsziele.csv", "cp1252", ";"),
    "consent_forms": _Form("einwilligungen.txt", "cp1252", "\t"),
    "blocking_lists": _Form("sperrlisten.csv", "utf-8", ",", "\n"),
}


def _day(day: date | None) -> str:
    return f"{day:%d.%m.%Y}" if day else ""


def _local(moment: datetime | None) -> datetime | None:
    # Workbooks and exports show the clock on the wall and no zone.
    return moment and moment.astimezone(_BERLIN).replace(tzinfo=None)


def _minute(moment: datetime | None) -> str:
    return f"{_local(moment):%d.%m.%Y %H:%M}" if moment else ""


def _money(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:,.2f}".translate(_GERMAN_MARKS)


# The export shows the newest request and its confirmation only, and the state they led to.
_STATUS_AFTER = {
    "requested": "new",
    "resubscribed": "new",
    "confirmed": "active",
    "withdrawn": "deleted",
    "bounced": "bounced",
}


def _recipients(world: World, relations: Relations) -> _List:
    def evidence(event: ConsentEvent | None) -> tuple[str, str, str]:
        if event is None:
            return "", "", ""
        at = _local(event.at)
        return event.ip or "", f"{at:%d.%m.%Y}", f"{at:%H:%M:%S}"

    rows = []
    for subscriber in relations.subscribers:
        if subscriber.system != "rapidmail":
            continue
        requested = confirmed = None
        for event in subscriber.events:
            if event.event in ("requested", "resubscribed"):
                requested, confirmed = event, None
            elif event.event == "confirmed":
                confirmed = event
        last = subscriber.events[-1] if subscriber.events else None
        rows.append(
            (
                subscriber.email,
                _STATUS_AFTER[last.event] if last else "active",
                *evidence(requested),
                *evidence(confirmed),
                f"{_local(last.at):%d.%m.%Y %H:%M:%S}" if last else "",
                subscriber.first_name,
                subscriber.last_name,
                subscriber.company,
                ", ".join(sorted(subscriber.interests)),
                subscriber.source,
            )
        )
    return _List(
        (
            *("email", "status", "created_ip", "created_date", "created_time"),
            *("activated_ip", "activated_date", "activated_time", "updated"),
            *("firstname", "lastname", "Firma", "Interessen", "extra1"),
        ),
        rows,
        lambda n: {"email": f"spoilt-{n}@postfach.example"},
        (
            _Defect("unknown status", 2, {"status": "gesperrt"}),
            _Defect("no address", 3, {"email": ""}),
            _Defect("no such day", 1, {"created_date": _NO_DAY}),
        ),
    )


def _reviews(world: World, relations: Relations) -> _List:
    rows = [
        (
            review.platform,
            str(review.id),
            review.stars,
            review.title,
            review.text,
            _local(review.created_at),
            review.author_name,
            review.email,
            review.order_number,
            review.reply_text,
            _local(review.replied_at),
            review.language,
        )
        for review in relations.reviews
        if review.platform in LISTED_PLATFORMS
    ]
    return _List(
        (
            *("Portal", "Bewertungsnummer", "Sterne", "Titel", "Bewertungstext", "Erstellt am"),
            *("Verfasser", "E-Mail", "Bestellnummer", "Antwort", "Beantwortet am", "Sprache"),
        ),
        rows,
        lambda n: {"Bewertungsnummer": f"X{n:04d}"},
        (
            # The smallest company has a dozen reviews, and a fifth of bad rows is let in.
            _Defect("more than five stars", 1, {"Sterne": 7}),
            _Defect("unreadable moment", 2, {"Erstellt am": "letzten Dienstag"}),
        ),
    )


def _tickets(world: World, relations: Relations) -> _List:
    rows = [
        (
            ticket.id,
            ticket.customer_number,
            ticket.email,
            ticket.subject,
            ticket.text,
            ticket.category,
            ticket.priority,
            ticket.demand,
            _minute(ticket.opened_at),
            _minute(ticket.closed_at),
            ticket.satisfaction,
            ticket.order_number,
        )
        for ticket in relations.tickets
        if ticket.system == "ticket_list"
    ]
    return _List(
        (
            *("Vorgang", "Kundennummer", "E-Mail", "Betreff", "Beschreibung", "Kategorie"),
            *("Priorität", "Forderung", "Eingegangen am", "Erledigt am", "Zufriedenheit (1-5)"),
            "Rechnungsnummer",
        ),
        rows,
        lambda n: {"Vorgang": f"X{n:04d}"},
        (
            _Defect("no beginning", 3, {"Eingegangen am": ""}),
            _Defect("no such day", 1, {"Erledigt am": f"{_NO_DAY} 10:00"}),
            _Defect("unreadable satisfaction", 2, {"Zufriedenheit (1-5)": "zufrieden"}),
        ),
    )


def _service_plan(world: World, relations: Relations) -> _List:
    rows = [
        (
            contract.contract_number,
            contract.customer,
            contract.product_code,
            contract.product_name,
            contract.serial_number,
            contract.starts_on,
            contract.ends_on,
            contract.interval_months,
            contract.next_due_on,
            contract.yearly_fee,
        )
        for contract in world.service_contracts
    ]
    return _List(
        (
            *("Vertrags-Nr.", "Kunden-Nr.", "Artikel-Nr.", "Gerät", "Serien-Nr."),
            *("Vertragsbeginn", "Vertragsende", "Intervall (Monate)", "Termin", "Jahresgebühr"),
        ),
        rows,
        lambda n: {"Vertrags-Nr.": f"X{n:04d}"},
        (
            _Defect("no customer", 2, {"Kunden-Nr.": None}),
            _Defect("unreadable interval", 3, {"Intervall (Monate)": "halbjährlich"}),
            _Defect("no such day", 1, {"Termin": _NO_DAY}),
        ),
    )


def _registrations(world: World, relations: Relations) -> _List:
    def moment(at: datetime | None) -> str:
        return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else ""

    rows = [
        (
            form.registration_id,
            form.customer,
            form.first_name,
            form.last_name,
            form.company,
            form.email,
            form.product_code,
            form.product_name,
            form.serial_number,
            form.bought_on,
            moment(form.registered_at),
            "yes" if form.newsletter_requested else "no",
            moment(form.newsletter_confirmed_at),
            "/produkt-registrieren",
        )
        for form in world.registrations
    ]
    return _List(
        (
            *("id", "customer id", "first name", "last name", "company", "email"),
            *("article number", "product", "serial no", "purchase date", "submitted at"),
            *("newsletter opt-in", "double opt-in at", "page"),
        ),
        rows,
        lambda n: {"id": f"X{n:04d}"},
        (
            _Defect("no address", 3, {"email": ""}),
            _Defect("neither yes nor no", 2, {"newsletter opt-in": "perhaps"}),
            _Defect("no such moment", 1, {"submitted at": "2025-02-31T10:00:00Z"}),
        ),
    )


def _ratings(world: World, relations: Relations) -> _List:
    rows = [
        (rating.customer, rating.vat_id, rating.index, rating.bureau, _day(rating.rated_on))
        for rating in world.credit_ratings
    ]
    return _List(
        ("Kundennummer", "USt-IdNr.", "Bonitätsindex", "Auskunftei", "Auskunft vom"),
        rows,
        lambda n: {"Auskunftei": f"Auskunftei {n}"},
        (
            _Defect("no index", 3, {"Bonitätsindex": "k. A."}),
            _Defect("no day", 2, {"Auskunft vom": ""}),
        ),
    )


def _statistics(world: World, relations: Relations) -> _List:
    rows = [
        (
            statistic.platform,
            statistic.day.isoformat(),
            statistic.followers,
            statistic.interactions,
            statistic.mentions,
            statistic.own_posts,
        )
        for statistic in world.social_statistics
    ]
    return _List(
        ("platform", "date", "followers", "interactions", "mentions", "posts"),
        rows,
        lambda n: {"platform": f"platform {n}"},
        (
            _Defect("no such day", 2, {"date": "2025-02-31"}),
            _Defect("unreadable number", 1, {"followers": "many"}),
        ),
    )


_GERMAN_MEASURES = {"revenue": "Umsatz", "earnings": "Ertrag", "liquidity": "Liquidität"}


def _targets(world: World, relations: Relations) -> _List:
    rows = [
        (
            _day(target.month),
            _GERMAN_MEASURES[target.measure],
            _money(target.target),
            _money(target.actual),
        )
        for target in world.monthly_targets
    ]
    return _List(
        ("Monat", "Kennzahl", "Soll", "Ist"),
        rows,
        lambda n: {"Monat": _day(date(AS_OF.year + n, 1, 1))},
        (
            _Defect("unknown measure", 1, {"Kennzahl": "Auftragseingang"}),
            _Defect("unreadable target", 2, {"Soll": "siehe Anlage"}),
        ),
    )


def _printed(channel: str, contact_point: str) -> str:
    return printed_phone(contact_point, _WITH_BLANKS) if channel == "phone" else contact_point


def _declarations(world: World, relations: Relations) -> _List:
    def signed(one: Declaration) -> str:
        return _minute(one.signed_at) if one.is_time_known else _day(_local(one.signed_at))

    rows = [
        (
            one.declaration_id,
            one.customer,
            one.first_name,
            one.last_name,
            one.company,
            one.channel,
            _printed(one.channel, one.contact_point),
            one.purpose,
            one.decision,
            signed(one),
            one.text_version,
            one.collected_by,
            one.document_ref,
            one.controller,
        )
        for one in world.declarations
    ]
    return _List(
        (
            *("Formular-Nr.", "Kunden-Nr.", "Vorname", "Nachname", "Firma", "Kanal", "Kontakt"),
            *("Zweck", "Erklärung", "Unterschrieben am", "Fassung", "Aufgenommen von", "Ablage"),
            "Gesellschaft",
        ),
        rows,
        lambda n: {"Formular-Nr.": f"X{n:04d}"},
        (
            _Defect("unknown decision", 2, {"Erklärung": "unleserlich"}),
            _Defect("no contact point", 3, {"Kontakt": ""}),
            _Defect("no such day", 1, {"Unterschrieben am": _NO_DAY}),
        ),
    )


def _blocks(world: World, relations: Relations) -> _List:
    rows = [
        (one.list_name, _printed(one.channel, one.entry), one.channel, _day(one.listed_on))
        for one in world.blocks
    ]
    return _List(
        ("Liste", "Eintrag", "Kanal", "Gesperrt am"),
        rows,
        lambda n: {"Eintrag": f"spoilt-{n}@postfach.example", "Kanal": "email"},
        (
            _Defect("unknown list", 2, {"Liste": "robinson"}),
            _Defect("no entry", 3, {"Eintrag": ""}),
            _Defect("unknown channel", 1, {"Kanal": "fax"}),
        ),
    )


_DRAWN: dict[str, Callable[[World, Relations], _List]] = {
    "rapidmail": _recipients,
    "review_list": _reviews,
    "ticket_list": _tickets,
    "service_plan": _service_plan,
    "product_registrations": _registrations,
    "credit_ratings": _ratings,
    "social_statistics": _statistics,
    "monthly_targets": _targets,
    "consent_forms": _declarations,
    "blocking_lists": _blocks,
}
