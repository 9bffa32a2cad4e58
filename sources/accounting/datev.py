"""DATEV's export format (EXTF, DTVF): bookings, debtors and creditors, account names, as files.

A field is told by its position, for every producer names the columns differently. Which booking is
an invoice, a payment or a credit note is not decided here, nor what makes a row good.
"""

import codecs
import csv
import hashlib
import json
import logging
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path

import pyarrow as pa

from sources.contract import Batch, Column, Pull, Source, Table
from sources.dropped_lists import dropped_batches
from sources.files import FileProblem

log = logging.getLogger(__name__)

# DATEV takes 99,999 bookings a file: at 2 KB each, far more than exports have, 200 MB.
MAX_FILE_BYTES = 512 * 1024**2
ROWS_PER_CHUNK = 20_000
# Of the header's 31 fields, those from here on say nothing about the rows; older headers end early.
FEWEST_HEADER_FIELDS = 22
ACCOUNT_LENGTHS = range(4, 9)
AGAIN = "export it again from DATEV or the program that wrote it"

_AMOUNT = r"\d+(,\d+)?"
_HEADER_COLUMNS = (
    Column("consultant", "Number of the tax consultant (Beraternummer).", required=True),
    Column("client", "Number of the client's books (Mandantennummer).", required=True),
    Column("fiscal_year_begin", "First day of the fiscal year.", kind="date", required=True),
    Column(
        "account_length",
        "Digits of a ledger account; a personal account (debtor, creditor) has one more.",
        kind="integer",
        required=True,
    ),
    Column("period_from", "First day of the exported period; null in master data.", kind="date"),
    Column("period_to", "Last day of the exported period; null in master data.", kind="date"),
    Column("batch_name", "Name that the export was given (Bezeichnung)."),
    Column("format_version", "Version of the field layout; later ones only append fields."),
    Column("exported", "When the file was made, local time as written: yyyyMMddHHmmssSSS."),
)
_BOOKING_FIELDS = {
    1: Column(
        "amount",
        "Amount with tax (Umsatz), always positive.",
        kind="decimal",
        required=True,
        pattern=_AMOUNT,
    ),
    2: Column(
        "debit_credit",
        "Side of `account` that is booked: S debit, H credit; null: S.",
        choices=("S", "H"),
    ),
    3: Column("currency", "ISO 4217 code of the amount; the header's or the company's where none."),
    4: Column("exchange_rate", "Amount per unit of the base currency.", kind="decimal"),
    5: Column("base_amount", "The amount in the base currency.", kind="decimal"),
    6: Column("base_currency", "ISO 4217 code of the base currency."),
    7: Column("account", "Ledger or personal account (Konto).", required=True, personal="id"),
    8: Column("contra_account", "The other account (Gegenkonto).", required=True, personal="id"),
    9: Column("tax_key", "Tax and correction key (BU-Schlüssel)."),
    10: Column("booking_date", "Date of the document as written: ddMM, no year.", required=True),
    11: Column("document_field_1", "Number of the invoice; ties a payment to it (Belegfeld 1)."),
    12: Column("document_field_2", "A further number, or the due date as ddMMyy (Belegfeld 2)."),
    13: Column(
        "discount",
        "Cash discount (Skonto) taken with a payment, not within its amount.",
        kind="decimal",
    ),
    14: Column("posting_text", "Text of the booking.", personal="text"),
    37: Column("cost_centre_1", "First cost centre (KOST1)."),
    38: Column("cost_centre_2", "Second cost centre (KOST2)."),
    40: Column("eu_vat_id", "VAT id of the other party in the EU.", personal="id"),
    41: Column("eu_tax_rate", "Tax rate in per cent in the country of destination.", "decimal"),
    93: Column("assigned_due_date", "Due date of municipal books as written: ddMMyyyy."),
    95: Column("order_number", "Number of the order or project."),
    115: Column("service_date", "Date of the service as written: ddMMyyyy."),
    117: Column("due_date", "Due date as written: ddMMyyyy."),
    118: Column("general_reversal", "1 or G: takes an earlier booking back (Generalumkehr)."),
    119: Column("tax_rate", "Tax rate in per cent where the tax key leaves it open.", "decimal"),
}
_DAYS = {
    93: Column("assigned_due_on", "The day of assigned_due_date.", kind="date"),
    115: Column("service_on", "The day of service_date.", kind="date"),
    117: Column("due_on", "The day of due_date.", kind="date"),
}
_ACCOUNT_FIELDS = {
    1: Column("account", "Account of the debtor or creditor.", required=True, personal="id"),
    2: Column("company_name", "Name of a company (type 2).", personal="name"),
    4: Column("last_name", "Last name of a natural person (type 1).", personal="name"),
    5: Column("first_name", "First name of a natural person (type 1).", personal="name"),
    6: Column("unspecified_name", "Name where no type is stated (type 0).", personal="name"),
    7: Column("addressee_type", "0 not stated, 1 natural person, 2 company."),
    8: Column("short_name", "Short name (Kurzbezeichnung).", personal="name"),
    9: Column("vat_country", "Country of the EU VAT id, two letters."),
    10: Column("vat_number", "EU VAT id, usually without its country.", personal="id"),
    11: Column("salutation", "Salutation (Anrede)."),
    16: Column("street", "Street and number.", personal="address"),
    17: Column("post_box", "Post office box.", personal="address"),
    18: Column("postcode", "Postcode.", personal="address"),
    19: Column("city", "City.", personal="address"),
    20: Column("country", "Country, ISO 3166 code of two letters."),
    29: Column("phone", "Telephone.", personal="phone"),
    33: Column("email", "E-mail address.", personal="email"),
    35: Column("website", "Address in the internet."),
    99: Column("customer_number", "Own number of the customer.", personal="id"),
    102: Column("contact_person", "Contact person (Ansprechpartner).", personal="name"),
    108: Column("credit_limit", "Credit limit of a debtor.", kind="decimal"),
    109: Column("payment_terms", "Number of the payment terms (Zahlungsbedingung)."),
    110: Column("due_days", "Days until an invoice is due, for debtors.", kind="integer"),
    111: Column("discount_percent", "Cash discount in per cent, for debtors.", kind="decimal"),
}
_NAME_FIELDS = {
    1: Column("account", "Ledger account.", required=True),
    2: Column("name", "Its name (Kontenbeschriftung), at most 40 characters."),
    3: Column("language", "Language of the name, such as de-DE."),
    4: Column("long_name", "The name in full, from format version 3."),
}

BOOKINGS = Table(
    name="bookings",
    grain="One row per booking of an exported batch (Buchungsstapel).",
    key=("batch_key", "position"),
    dated_by="booked_on",
    unit=("batch_key",),
    columns=(
        Column(
            "batch_key",
            "consultant/client/period_from/period_to/batch_name: of the loads that share it, the "
            "newest replaces the others as a whole.",
            required=True,
        ),
        Column("position", "Place of the booking in its batch, from 1.", "integer", required=True),
        *_HEADER_COLUMNS,
        *_BOOKING_FIELDS.values(),
        Column("booked_on", "The day of booking_date, its year from the header.", "date", True),
        Column("document_field_2_on", "document_field_2 where it can be read as ddMMyy.", "date"),
        *_DAYS.values(),
    ),
)
ACCOUNTS = Table(
    name="accounts",
    grain="One row per debtor or creditor of an exported file (Debitoren/Kreditoren).",
    key=("consultant", "client", "account"),
    columns=(
        *_HEADER_COLUMNS,
        *_ACCOUNT_FIELDS.values(),
        Column("name", "The name that goes with the type, else the one there is.", personal="name"),
        Column("vat_id", "EU VAT id with its country.", personal="id"),
    ),
)
ACCOUNT_NAMES = Table(
    name="account_names",
    grain="One row per ledger account and language of an exported file (Kontenbeschriftungen).",
    key=("consultant", "client", "account", "language"),
    columns=(*_HEADER_COLUMNS, *_NAME_FIELDS.values()),
)


@dataclass(frozen=True)
class Header:
    """What line 1 of a file says of all its rows; the period is None in master data."""

    format_version: str
    exported: str | None
    consultant: str
    client: str
    fiscal_year_begin: date
    account_length: int
    period: tuple[date, date] | None
    batch_name: str | None
    currency: str | None

    def facts(self) -> dict[str, str | None]:
        """The columns that every row of the file has, as text."""
        first, last = self.period or (None, None)
        return {
            "consultant": self.consultant,
            "client": self.client,
            "fiscal_year_begin": str(self.fiscal_year_begin),
            "account_length": str(self.account_length),
            "period_from": first and str(first),
            "period_to": last and str(last),
            "batch_name": self.batch_name,
            "format_version": self.format_version,
            "exported": self.exported,
        }


Row = dict[str, str | int | None]


def _finish_booking(row: Row, header: Header) -> list[str]:
    """Fill in what a booking's fields say together with the header; returns what is wrong."""
    first, last = header.period
    row["batch_key"] = "/".join(
        (header.consultant, header.client, str(first), str(last), header.batch_name or "")
    )
    digits = header.account_length
    defects = [
        f"{name} (field {position}) is no ledger account of {digits} digits, nor a personal "
        "account of one more"
        for position, name in ((7, "account"), (8, "contra_account"))
        if row[name] and not _is_account(row[name], 1, digits + 1)
    ]
    booked_on = _booked_on(row["booking_date"] or "", header)
    row["booked_on"] = booked_on and str(booked_on)
    if booked_on is None:
        defects.append("booking_date (field 10) is no day ddMM of the period or the fiscal year")
    second = row["document_field_2"] or ""
    row["document_field_2_on"] = _day(second) if len(second) == 6 else None
    for position, column in _DAYS.items():
        name = _BOOKING_FIELDS[position].name
        written = row[name] or ""
        row[column.name] = _day(written)
        # An empty number is written as 0 by some.
        if row[column.name] is None and written.strip("0"):
            defects.append(f"{name} (field {position}) is no day ddMMyyyy")
    return defects


def _finish_account(row: Row, header: Header) -> list[str]:
    person = " ".join(part for part in (row["first_name"], row["last_name"]) if part)
    by_type = {"1": person, "2": row["company_name"]}.get(row["addressee_type"])
    names = (by_type, row["unspecified_name"], row["company_name"], person, row["short_name"])
    row["name"] = next(filter(None, names), None)
    country, number = row["vat_country"] or "", row["vat_number"] or ""
    row["vat_id"] = (number if number.startswith(country) else country + number) or None
    digits = header.account_length + 1
    if _is_account(row["account"], digits, digits):
        return []
    return [f"account (field 1) is no personal account of {digits} digits"]


def _finish_name(row: Row, header: Header) -> list[str]:
    if _is_account(row["account"], 1, header.account_length + 1):
        return []
    return [f"account (field 1) is no ledger account of {header.account_length} digits"]


def _is_account(text: str | None, fewest: int, most: int) -> bool:
    return re.fullmatch(rf"\d{{{fewest},{most}}}", text or "") is not None


@dataclass(frozen=True)
class _Category:
    """How the files of one data category (Datenkategorie) are read."""

    table: Table
    fields: dict[int, Column]
    fewest_names: int
    finish: Callable[[Row, Header], list[str]]


_CATEGORIES = {
    "21": _Category(BOOKINGS, _BOOKING_FIELDS, 14, _finish_booking),
    "16": _Category(ACCOUNTS, _ACCOUNT_FIELDS, 20, _finish_account),
    "20": _Category(ACCOUNT_NAMES, _NAME_FIELDS, 2, _finish_name),
}


@dataclass(frozen=True)
class _Opened:
    """A file whose first two lines are understood."""

    name: str
    encoding: str
    category: _Category
    header: Header
    names: list[str]
    lines: list[str]


def pull(context: Pull) -> Iterator[Batch]:
    """Yield one batch per file that was not landed before, oldest file first.

    A file that cannot be read is added to `context.problems`; a file that is still being written
    to `context.left_alone`. The others go on.
    """
    files = _dropped_files(context.inbox)
    return dropped_batches(context, files, lambda path: _read(path, context))


def _read(path: Path, context: Pull) -> Batch | None:
    content = _content(path)
    sha256 = hashlib.sha256(content).hexdigest()
    context.contents.add(sha256)
    if any((table.name, sha256) in context.seen for table in SOURCE.tables):
        log.info("%s was read before: nothing to do", path.name)
        return None
    opened = _opened(path.name, content)
    log.info("Reading %s (%s, %s)", path.name, opened.category.table.name, opened.encoding)
    return Batch(
        table=opened.category.table,
        checksum=sha256,
        chunks=_chunks(opened, context.reporting_currency),
        about={
            "file": path.name,
            "content_sha256": sha256,
            "encoding": opened.encoding,
            **opened.header.facts(),
        },
    )


def check(context: Pull) -> list[str]:
    """What would keep tonight's pull from working, as sentences; an empty list is good news."""
    if not context.inbox.is_dir():
        return [f"the folder {context.inbox.name} is not there: create it and drop EXTF files"]
    problems = []
    for path in _dropped_files(context.inbox):
        try:
            _opened(path.name, _content(path))
        except FileProblem as problem:
            problems.append(str(problem))
    return problems


SOURCE = Source(
    name="datev",
    title="DATEV (EXTF files: bookings, debtors and creditors, account names)",
    area="accounting",
    tables=(BOOKINGS, ACCOUNTS, ACCOUNT_NAMES),
    owner="accounting",
    access="File drop of DATEV's export or of the accounting tool's DATEV interface; no key.",
    promised_age_hours=24 * 35,
    pull=pull,
    check=check,
)


def _dropped_files(inbox: Path) -> list[Path]:
    if not inbox.is_dir():
        return []
    files = [path for path in inbox.iterdir() if not path.name.startswith((".", "~$"))]
    return sorted(files, key=lambda path: (path.lstat().st_mtime_ns, path.name))


def _content(path: Path) -> bytes:
    """The file's bytes, read once: what is hashed is what is parsed."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise FileProblem(path.name, "not a file", "drop the file itself, no folder, no link")
        if found.st_size > MAX_FILE_BYTES:
            problem = f"larger than {MAX_FILE_BYTES // 1024**2} MiB"
            raise FileProblem(path.name, problem, "export it in parts, one per month")
        return path.read_bytes()
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        raise FileProblem(path.name, problem, "check the file and its permissions") from error


def _opened(name: str, content: bytes) -> _Opened:
    # By the column names, full of umlauts, where there are any: one wrong byte further down must
    # not turn every ü of a UTF-8 file into Ã¼.
    start = b"\n".join(content.split(b"\n", 2)[:2])
    encoding = _encoding(content if start.isascii() else start)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"holds a byte that {encoding} has not"
        remedy = "mend the line, or export the file again as Windows-1252"
        raise FileProblem(name, problem, remedy, line=line) from error
    # Not splitlines, which also divides at characters that may stand in a text. DATEV forbids line
    # ends within one, so that a quote left open spoils its own line only.
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    fields = _fields(lines[0])
    if not fields or fields[0] not in ("EXTF", "DTVF") or len(fields) < FEWEST_HEADER_FIELDS:
        problem = "does not begin with a DATEV header (EXTF)"
        raise FileProblem(name, problem, f"{AGAIN}, in DATEV format with its header", line=1)
    category = _CATEGORIES.get(fields[2])
    if category is None:
        problem = "its data category (header field 3) is neither 16, 20 nor 21"
        remedy = "drop only bookings, debtors and creditors, and account names"
        raise FileProblem(name, problem, remedy, line=1)
    header = _header(name, fields, has_period=category.table is BOOKINGS)
    names = [name.strip() for name in _fields(lines[1]) or []] if len(lines) > 1 else []
    while names and not names[-1]:
        names.pop()
    if len(names) < category.fewest_names or names[0][:1].isdigit():
        problem = f"line 2 does not hold the names of at least {category.fewest_names} columns"
        raise FileProblem(name, problem, f"{AGAIN}, with its column names", line=2)
    return _Opened(name, encoding, category, header, names, lines)


def _encoding(sample: bytes) -> str:
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError:
        return "utf-8-sig" if sample.startswith(codecs.BOM_UTF8) else "cp1252"
    return "utf-8-sig"


def _fields(line: str) -> list[str] | None:
    """The fields of a line; None where its quotes are broken."""
    try:
        return next(csv.reader([line], delimiter=";", strict=True), [])
    except csv.Error:
        return None


def _header(name: str, fields: list[str], *, has_period: bool) -> Header:
    def problem(position: int, what: str) -> FileProblem:
        return FileProblem(name, f"header field {position}, {what}", AGAIN, line=1)

    def day(position: int, what: str) -> date:
        try:
            return datetime.strptime(fields[position - 1], "%Y%m%d").date()
        except ValueError:
            raise problem(position, f"{what}, is no day yyyyMMdd") from None

    for position, what in ((11, "the consultant"), (12, "the client")):
        if not re.fullmatch(r"\d+", fields[position - 1]):
            raise problem(position, f"{what}, is no number")
    if fields[13] not in map(str, ACCOUNT_LENGTHS):
        raise problem(14, "the length of ledger accounts, is not 4 to 8")
    period = None
    if has_period:
        period = (day(15, "the first day of the period"), day(16, "the last day of the period"))
        if period[1] < period[0] or _is_a_year_on(period[1], period[0]):
            raise problem(16, "the last day, ends no period of at most one year")
    return Header(
        format_version=fields[4],
        exported=fields[5] or None,
        consultant=fields[10],
        client=fields[11],
        fiscal_year_begin=day(13, "the begin of the fiscal year"),
        account_length=int(fields[13]),
        period=period,
        batch_name=fields[16] or None,
        currency=fields[21] or None,
    )


def _chunks(opened: _Opened, reporting_currency: str) -> Iterator[pa.Table]:
    texts = (*(c.name for c in opened.category.table.columns), "_file", "_decimal_mark")
    schema = pa.schema(
        [(name, pa.string()) for name in (*texts, "_extra", "_defect")] + [("_row", pa.int64())]
    )
    rows = _rows(opened, opened.header.currency or reporting_currency)
    chunk = list(islice(rows, ROWS_PER_CHUNK))
    # A file without rows still is one load: the gate, not the reader, says what to think of it.
    yield pa.Table.from_pylist(chunk, schema)
    while chunk := list(islice(rows, ROWS_PER_CHUNK)):
        yield pa.Table.from_pylist(chunk, schema)


def _rows(opened: _Opened, currency: str) -> Iterator[Row]:
    named = opened.category.fields
    width = len(opened.names)
    constants = {**opened.header.facts(), "_file": opened.name, "_decimal_mark": ","}
    position = 0
    for number, line in enumerate(opened.lines[2:], 3):
        if not line.strip(' ;"'):
            continue
        position += 1
        fields = _fields(line)
        row: Row = {**constants, "_row": number}
        if fields is not None:
            while len(fields) > width and not fields[-1]:
                fields.pop()
        if fields is None or len(fields) != width:
            found = "broken quotes" if fields is None else f"{len(fields)} fields"
            row["_defect"] = f"{found} where the column names have {width} fields: {AGAIN}"
            row["_extra"] = json.dumps({"_raw": line}, ensure_ascii=False)
            fields = []
        row |= {
            column.name: fields[at - 1] or None if at <= len(fields) else None
            for at, column in named.items()
        }
        if fields:
            extra = {
                f"{at} {opened.names[at - 1]}": value
                for at, value in enumerate(fields, 1)
                if value and at not in named
            }
            row["_extra"] = json.dumps(extra, ensure_ascii=False) if extra else None
        defects = opened.category.finish(row, opened.header)
        if fields:
            row["_defect"] = (
                f"{'; '.join(defects)}: correct it there and {AGAIN}" if defects else None
            )
        if opened.category.table is BOOKINGS:
            row["position"] = str(position)
            row["currency"] = row["currency"] or currency
        yield row


def _booked_on(written: str, header: Header) -> date | None:
    """ddMM, the first zero often missing: that day of the period, else of the fiscal year."""
    if not re.fullmatch(r"\d{3,4}", written):
        return None
    first, last = header.period
    begin = header.fiscal_year_begin
    days = [
        day
        for year in sorted({first.year, last.year, begin.year, begin.year + 1})
        if (day := _calendar_day(year, int(written[-2:]), int(written[:-2])))
    ]
    in_period = (day for day in days if first <= day <= last)
    in_year = (day for day in days if begin <= day and not _is_a_year_on(day, begin))
    return next(in_period, None) or next(in_year, None)


def _is_a_year_on(day: date, begin: date) -> bool:
    return (day.year, day.month, day.day) >= (begin.year + 1, begin.month, begin.day)


def _day(written: str) -> str | None:
    """ISO 8601 for ddMMyyyy and ddMMyy, the first zero missing or not; None for what is neither."""
    if not re.fullmatch(r"\d{5,8}", written):
        return None
    digits = written.zfill(6 if len(written) < 7 else 8)
    year = int(digits[4:]) + (2000 if len(digits) == 6 else 0)
    day = _calendar_day(year, int(digits[2:4]), int(digits[:2]))
    return day and str(day)


def _calendar_day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
