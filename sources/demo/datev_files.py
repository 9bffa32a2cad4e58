"""The demo company's books as its accounting hands them over: EXTF files as DATEV describes them.

Who bought and paid what is drawn in `sources.demo.world`; here it is only written down, with a few
counted defects. The files are read by `sources.accounting.datev`, of which nothing is used here.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from sources.demo.company import AS_OF, CURRENCY, FIRST_DAY
from sources.demo.world import Invoice, Organisation, World

YEARS = (2024, 2025)
BATCHES = {year: f"EXTF_Buchungsstapel_{year}.csv" for year in YEARS}
DEBTORS = "EXTF_Debitoren.csv"
ACCOUNT_NAMES = "EXTF_Kontenbeschriftungen.csv"
CONSULTANT, CLIENT = 1001, 360
EXPORTED_AT = datetime(AS_OF.year, AS_OF.month, AS_OF.day, 6, tzinfo=UTC)

BANK, SET_OFF = 1200, 1590
COUNTER_SALES = "69000"
LANDLORD, CARRIER = "70001", "70002"
RENT, FREIGHT = 4210, 4730
# By the tax rate in per cent: home, Austria (taxed there, one-stop shop) and export.
REVENUE = {19: 8400, 20: 8320, 0: 8120}
# Standard chart of accounts 03.
CHART = {
    BANK: "Bank",
    SET_OFF: "Durchlaufende Posten",
    RENT: "Miete, unbewegliche Wirtschaftsgüter",
    FREIGHT: "Ausgangsfrachten",
    8120: "Steuerfreie Umsätze § 4 Nr. 1a UStG",
    8320: "Erlöse aus im anderen EU-Land stpfl. L.",
    8400: "Erlöse 19 % USt",
}
# A different count for each class: two classes mixed up cannot cancel out.
DEFECTS = {
    "impossible booking date": 2,
    "missing amount": 3,
    "account of unknown length": 4,
    "too few fields": 5,
    "unreadable due date": 6,
}
FIELDS_OF_A_SHORT_ROW = 20
LONGEST_NAME, LONGEST_STREET, LONGEST_CITY = 50, 36, 30
# Whoever has as many documents in the books is a customer without the spoilt one, too.
DOCUMENTS_OF_A_REGULAR = 4


def _numbered(pattern: str, count: int) -> str:
    return ";".join(pattern.format(n) for n in range(1, count + 1))


_BOOKING_NAMES = (
    "Umsatz (ohne Soll/Haben-Kz);Soll/Haben-Kennzeichen;WKZ Umsatz;Kurs;Basis-Umsatz;"
    "WKZ Basis-Umsatz;Konto;Gegenkonto (ohne BU-Schlüssel);BU-Schlüssel;Belegdatum;Belegfeld 1;"
    "Belegfeld 2;Skonto;Buchungstext;Postensperre;Diverse Adressnummer;Geschäftspartnerbank;"
    "Sachverhalt;Zinssperre;Beleglink;"
    f"{_numbered('Beleginfo – Art {0};Beleginfo – Inhalt {0}', 8)};"
    "KOST1 – Kostenstelle;KOST2 – Kostenstelle;Kost-Menge;EU-Land u. UStID (Bestimmung);"
    "EU-Steuersatz (Bestimmung);Abw. Versteuerungsart;Sachverhalt L+L;Funktionsergänzung L+L;"
    "BU 49 Hauptfunktionstyp;BU 49 Hauptfunktionsnummer;BU 49 Funktionsergänzung;"
    f"{_numbered('Zusatzinformation – Art {0};Zusatzinformation – Inhalt {0}', 20)};"
    "Stück;Gewicht;Zahlweise;Forderungsart;Veranlagungsjahr;Zugeordnete Fälligkeit;Skontotyp;"
    "Auftragsnummer;Buchungstyp;USt-Schlüssel (Anzahlungen);EU-Land (Anzahlungen);"
    "Sachverhalt L+L (Anzahlungen);EU-Steuersatz (Anzahlungen);Erlöskonto (Anzahlungen);"
    "Herkunft-Kz;Buchungs GUID;KOST-Datum;SEPA-Mandatsreferenz;Skontosperre;Gesellschaftername;"
    "Beteiligtennummer;Identifikationsnummer;Zeichnernummer;Postensperre bis;"
    "Bezeichnung SoBil-Sachverhalt;Kennzeichen SoBil-Buchung;Festschreibung;Leistungsdatum;"
    "Datum Zuord. Steuerperiode;Fälligkeit;Generalumkehr (GU);Steuersatz;Land;"
    "Abrechnungsreferenz;BVV-Position;EU-Land u. UStID (Ursprung);EU-Steuersatz (Ursprung);"
    "Abw. Skontokonto"
).split(";")
# As far as to the payment terms, which is where many programs end.
_DEBTOR_NAMES = (
    "Konto;Name (Adressattyp Unternehmen);Unternehmensgegenstand;Name (Adressattyp natürl. Person);"
    "Vorname (Adressattyp natürl. Person);Name (Adressattyp keine Angabe);Adressattyp;"
    "Kurzbezeichnung;EU-Land;EU-UStID;Anrede;Titel/Akad. Grad;Adelstitel;Namensvorsatz;Adressart;"
    "Straße;Postfach;Postleitzahl;Ort;Land;Versandzusatz;Adresszusatz;Abweichende Anrede;"
    "Abw. Zustellbezeichnung 1;Abw. Zustellbezeichnung 2;Kennz. Korrespondenzadresse;"
    "Adresse Gültig von;Adresse Gültig bis;Telefon;Bemerkung (Telefon);Telefon GL;"
    "Bemerkung (Telefon GL);E-Mail;Bemerkung (E-Mail);Internet;Bemerkung (Internet);Fax;"
    "Bemerkung (Fax);Sonstige;Bemerkung (Sonstige);"
    + _numbered(
        "Bankleitzahl {0};Bankbezeichnung {0};Bank-Kontonummer {0};Länderkennzeichen {0};"
        "IBAN-Nr. {0};Leerfeld;SWIFT-Code {0};Abw. Kontoinhaber {0};Kennz. Hauptbankverb. {0};"
        "Bankverb {0} Gültig von;Bankverb {0} Gültig bis",
        5,
    )
    + ";Leerfeld;Briefanrede;Grußformel;Kunden-/Lief.-Nr.;Steuernummer;Sprache;Ansprechpartner;"
    "Vertreter;Sachbearbeiter;Diverse-Konto;Ausgabeziel;Währungssteuerung;Kreditlimit (Debitor);"
    "Zahlungsbedingung;Fälligkeit in Tagen (Debitor);Skonto in Prozent (Debitor)"
).split(";")


@dataclass(frozen=True)
class DatevTruth:
    """What is true of the written files, whatever a reader makes of them.

    bookings: file → number of its bookings; turnover: file → sum of the amounts in EUR, those of
    defective rows left out. debtors: number of rows of the debtors' file, creditors included.
    shortened: accounts whose name is longer than the 50 characters DATEV has for it. defects: class
    → (file, line), line 1 being the header; spoilt: the numbers of the invoices they fell on.
    """

    bookings: dict[str, int]
    turnover: dict[str, Decimal]
    debtors: int
    shortened: tuple[str, ...]
    defects: dict[str, tuple[tuple[str, int], ...]]
    spoilt: frozenset[str]


@dataclass(frozen=True)
class _Booking:
    """One booking, its fields by position; invoice: its number, where it is one."""

    on: date
    amount: Decimal
    fields: dict[int, str]
    invoice: str | None = None
    debtor: str | None = None
    defect: str | None = None


def write_datev_files(folder: Path, world: World) -> DatevTruth:
    """Write two fiscal years of bookings, the debtors and the account names into the folder.

    Payments of invoices from before those years are among them, as in any real batch. The same
    world gives the same bytes. Raises OSError where the folder cannot be written, ValueError where
    the world has too few customers for the defects.
    """
    invoices = list(world.invoices(FIRST_DAY, AS_OF))
    books = [booking for invoice in invoices for booking in _bookings_of(invoice)]
    books = [booking for booking in (*books, *_expenses()) if booking.on.year in YEARS]
    books = _spoilt(sorted(books, key=lambda booking: booking.on))

    folder.mkdir(parents=True, exist_ok=True)
    defects: dict[str, list[tuple[str, int]]] = {defect: [] for defect in DEFECTS}
    turnover = dict.fromkeys(BATCHES.values(), Decimal(0))
    bookings = {}
    for year, name in BATCHES.items():
        of_year = [booking for booking in books if booking.on.year == year]
        period = (date(year, 1, 1), date(year, 12, 31))
        header = _header(21, "Buchungsstapel", 13, year, f"Buchungen {year}", period)
        lines = [_booking_line(booking) for booking in of_year]
        _write(folder / name, [header, ";".join(_BOOKING_NAMES), *lines])
        bookings[name] = len(of_year)
        for line, booking in enumerate(of_year, 3):
            if booking.defect:
                defects[booking.defect].append((name, line))
            else:
                turnover[name] += booking.amount
    debtors, shortened = _debtor_lines(world, invoices)
    year = YEARS[-1]
    header = _header(16, "Debitoren/Kreditoren", 5, year, "Debitoren")
    _write(folder / DEBTORS, [header, ";".join(_DEBTOR_NAMES), *debtors])
    header = _header(20, "Kontenbeschriftungen", 2, year, "Konten")
    names = [_line(3, {1: str(n), 2: _text(t), 3: _text("de-DE")}) for n, t in CHART.items()]
    _write(folder / ACCOUNT_NAMES, [header, "Konto;Kontenbeschriftung;Sprach-ID", *names])
    return DatevTruth(
        bookings=bookings,
        turnover=turnover,
        debtors=len(debtors),
        shortened=shortened,
        defects={defect: tuple(places) for defect, places in defects.items()},
        spoilt=frozenset(booking.invoice for booking in books if booking.defect),
    )


def _bookings_of(invoice: Invoice) -> Iterator[_Booking]:
    """The document against revenue, then what settles it against the bank or its counterpart."""
    debtor = invoice.customer or COUNTER_SALES
    rate = invoice.lines[0].tax_rate
    fields = {
        2: _text("H" if invoice.is_credit_note else "S"),
        7: debtor,
        8: str(REVENUE[rate]),
        11: _text(invoice.number),
        14: _text(f"Gutschrift zu {invoice.credits}" if invoice.is_credit_note else "Rechnung"),
    }
    if rate == 20:
        fields |= {40: _text("AT"), 41: "20,00"}
    # Both ways of stating the due date are met in real books.
    if invoice.on.year == YEARS[0]:
        fields[12] = _text(f"{invoice.due_on:%d%m%y}")
    else:
        fields |= {115: _day(invoice.on), 116: _day(invoice.on), 117: _day(invoice.due_on)}
    number = None if invoice.is_credit_note else invoice.number
    yield _Booking(invoice.on, abs(invoice.gross), fields, number, debtor)
    for payment in invoice.payments:
        discount = payment.cash_discount
        fields = {
            2: _text("H" if payment.amount < 0 else "S"),
            7: str(SET_OFF if payment.is_set_off else BANK),
            8: debtor,
            11: _text(invoice.number),
            13: _number(discount) if discount else "",
            14: _text(f"Verrechnung {invoice.number}" if payment.is_set_off else "Zahlung"),
        }
        yield _Booking(payment.on, abs(payment.amount), fields)


def _expenses() -> Iterator[_Booking]:
    """Bookings that concern no customer, as any real batch has them."""
    for year in YEARS:
        for month in range(1, 13):
            for day, account, creditor, amount, text in (
                (1, RENT, LANDLORD, Decimal("14280.00"), "Miete Lager und Büro"),
                (28, FREIGHT, CARRIER, Decimal("3570.00"), "Frachten"),
            ):
                fields = {2: _text("S"), 7: str(account), 8: creditor, 9: _text("9")}
                fields |= {11: _text(f"{creditor}-{year}{month:02d}"), 14: _text(text)}
                yield _Booking(date(year, month, day), amount, fields)


def _spoilt(books: list[_Booking]) -> list[_Booking]:
    """The books with every class of DEFECTS, spread evenly over the invoices of regulars."""
    documents = Counter(booking.debtor for booking in books if booking.invoice)
    free = [
        place
        for place, booking in enumerate(books)
        if booking.invoice
        and booking.debtor != COUNTER_SALES
        and documents[booking.debtor] >= DOCUMENTS_OF_A_REGULAR
    ]
    books = list(books)
    for defect, count in DEFECTS.items():
        fitting = [
            place for place in free if defect != "unreadable due date" or 117 in books[place].fields
        ]
        if len(fitting) < count:
            raise ValueError(f"too few customers: no {count} bookings that suit a {defect}")
        for n in range(count):
            place = fitting[(2 * n + 1) * len(fitting) // (2 * count)]
            books[place] = replace(books[place], defect=defect)
            free.remove(place)
    return books


def _booking_line(booking: _Booking) -> str:
    fields = {
        1: _number(booking.amount),
        3: _text(CURRENCY),
        # As numbers are written, and as many programs do: without the first zero.
        10: f"{booking.on:%d%m}".lstrip("0"),
        114: "0",
        **booking.fields,
    }
    if booking.defect == "impossible booking date":
        fields[10] = "3102"
    elif booking.defect == "missing amount":
        fields[1] = ""
    elif booking.defect == "account of unknown length":
        fields[7] += "00"
    elif booking.defect == "unreadable due date":
        fields[117] = "31022026"
    line = _line(len(_BOOKING_NAMES), fields)
    if booking.defect == "too few fields":
        return ";".join(line.split(";")[:FIELDS_OF_A_SHORT_ROW])
    return line


def _debtor_lines(world: World, invoices: list[Invoice]) -> tuple[list[str], tuple[str, ...]]:
    """One line per customer with a number, counter sales and creditors; whose name was cut."""
    terms = {i.customer: (i.due_on - i.on).days for i in invoices if not i.is_credit_note}
    persons = {person.organisation: person for person in reversed(world.people)}
    lines, shortened = [], []
    for customer in world.organisations:
        if not customer.number.isdigit():
            continue
        fields = _address(customer)
        if customer.kind == "private":
            person = persons[customer.number]
            fields |= {4: _text(person.last_name), 5: _text(person.first_name), 7: _text("1")}
            fields[11] = _text(person.salutation)
        else:
            fields |= {2: _text(customer.name[:LONGEST_NAME]), 7: _text("2")}
            if len(customer.name) > LONGEST_NAME:
                shortened.append(customer.number)
        if customer.number in terms:
            fields[110] = str(terms[customer.number])
        lines.append(_line(len(_DEBTOR_NAMES), fields))
    for account, name in (
        (COUNTER_SALES, "Barverkauf"),
        (LANDLORD, "Lagerhaus am Rührbach GmbH"),
        (CARRIER, "Spedition Pfannenstiel OHG"),
    ):
        fields = {1: account, 2: _text(name), 7: _text("2")}
        lines.append(_line(len(_DEBTOR_NAMES), fields))
    return lines, tuple(shortened)


def _address(customer: Organisation) -> dict[int, str]:
    fields = {
        1: customer.number,
        15: _text("STR"),
        16: _text(customer.street[:LONGEST_STREET]),
        18: _text(customer.postcode),
        19: _text(customer.city[:LONGEST_CITY]),
        20: _text(customer.country),
        29: _text(customer.phone or ""),
        33: _text(customer.email or ""),
        35: _text(customer.website or ""),
        99: _text(customer.number),
    }
    # The field is for the EU: a Swiss id does not go into it.
    if customer.vat_id and customer.country != "CH":
        fields |= {9: _text(customer.vat_id[:2]), 10: _text(customer.vat_id[2:])}
    return fields


def _header(
    category: int,
    name: str,
    version: int,
    year: int,
    batch: str,
    period: tuple[date, date] | None = None,
) -> str:
    first, last = (f"{day:%Y%m%d}" for day in period) if period else ("", "")
    fields = {
        1: _text("EXTF"),
        2: "700",
        3: str(category),
        4: _text(name),
        5: str(version),
        6: f"{EXPORTED_AT:%Y%m%d%H%M%S}000",
        8: _text("RE"),
        11: str(CONSULTANT),
        12: str(CLIENT),
        13: f"{year}0101",
        14: "4",
        15: first,
        16: last,
        17: _text(batch),
        19: "1" if period else "",
        22: _text(CURRENCY) if period else "",
        27: _text("03"),
    }
    return _line(31, fields)


def _line(width: int, fields: dict[int, str]) -> str:
    return ";".join(fields.get(position, "") for position in range(1, width + 1))


def _text(value: str) -> str:
    escaped = value.replace('"', '""')
    return f'"{escaped}"'


def _number(value: Decimal) -> str:
    return f"{value:.2f}".replace(".", ",")


def _day(day: date) -> str:
    return f"{day:%d%m%Y}"


def _write(path: Path, lines: list[str]) -> None:
    """Put the file in place in one step; its time is the export's, so that nobody waits for it."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes("".join(f"{line}\r\n" for line in lines).encode("cp1252"))
    os.utime(part, (EXPORTED_AT.timestamp(), EXPORTED_AT.timestamp()))
    part.replace(path)
