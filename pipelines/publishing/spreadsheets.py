"""The one way out into Excel and LibreOffice: CSV and XLSX, written whole, formulas disarmed.

What is exported, under which headings and for whom, is decided by the caller. Where a cell came
from plays no part: every text is treated as if a stranger had typed it into a web form.

The XLSX is the better of the two: a phone number stays a text, a number a number, in every
language of Excel. The CSV is for a double click in a German Excel and therefore has semicolons and
the decimal comma (there, 1.5 would open as the first of May).
"""

import contextlib
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from sources.landing import sync

# Limits of Excel, header included; characters are counted as UTF-16 does.
ROWS_PER_SHEET = 1_048_576
CHARACTERS_PER_CELL = 32_767
CHARACTERS_PER_TITLE = 31
# From 16 digits on, Excel turns the last ones into zeros: such a number is an id, not an amount.
FIRST_INEXACT_INTEGER = 10**15
FIRST_YEAR_OF_EXCEL = 1900

ROWS_MEASURED = 200
WIDTHS = (8, 60)

CUT_SHEET = "Cut here after {count:,} rows. The CSV file holds all of them."
CUT_CELL = " … (cut here; the CSV file holds all)"

# The OWASP list (CSV injection), its full-width and small forms, and the minus sign: Excel in
# Japanese takes the former for the latter, an export in Windows-1252 does so everywhere.
_FORMULA_STARTS = "=+@\\-＝＋－＠﹦﹢﹣﹫−"
# A cell is torn at these by whoever opens the file with other separators than ours, or by line.
_SEPARATORS = ";,\t\r\n\x0b\x0c\x85\u2028\u2029"
# What programs strip or never show: blanks, controls, zero-width and filler characters, quotes.
_SKIPPED = (
    '"\x00-\x08\x0e-\x20\x7f-\x84\x86-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5'
    "\u180b-\u180e\u2000-\u200f\u202a-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\uffff\U000e0000-\U000e0fff"
)
_DANGER = re.compile(
    f"^(?=[\t\r\n])|(?:^|(?<=[{_SEPARATORS}]))(?=[{_SKIPPED}]*[{_FORMULA_STARTS}])"
)
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# Excel reads _x003D_ as an equals sign, so a text that holds such a code is escaped.
_XLSX_CODE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
_FORBIDDEN_IN_TITLE = re.compile(r"[\[\]:*?/\\\s]+")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Replace a CSV file in one step: UTF-8 with BOM, semicolons, CRLF. Returns the number of rows.

    A text that a spreadsheet might calculate gets an apostrophe before it, or before the line or
    part in it that is dangerous. Numbers and dates are never touched. On any error the file of
    before stays.
    """
    count = 0
    with (
        _replacing(path) as temporary,
        temporary.open("w", encoding="utf-8-sig", newline="") as handle,
    ):
        writer = csv.writer(handle, delimiter=";", lineterminator="\r\n")
        writer.writerow([_in_csv(name) for name in header])
        for row in rows:
            writer.writerow([_in_csv(value) for value in row])
            count += 1
    return count


def write_xlsx(
    path: Path,
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str,
    most_rows: int = ROWS_PER_SHEET,
) -> int:
    """Replace an Excel file of one sheet in one step. Returns the number of rows it holds.

    Rows stream through, whatever their number. What does not fit on a sheet (or in most_rows,
    header included) is cut, and the last row says so: the number returned is then smaller than
    that of the CSV. Every text is a text cell, so that no formula can arise, nor come to life when
    somebody edits the cell. On any error the file of before stays.
    """
    with _replacing(path) as temporary, _sheet(title) as (book, sheet):
        rows = iter(rows)
        measured = list(islice(rows, ROWS_MEASURED))
        # In write-only mode everything that stands before the rows in the XML must be known first.
        sheet.freeze_panes = "A2"
        for number, width in enumerate(_widths(header, measured), 1):
            sheet.column_dimensions[get_column_letter(number)].width = width
        sheet.append([_text_cell(sheet, name, is_bold=True) for name in header])
        count = 0
        for row in _cut(chain(measured, rows), most_rows):
            if row is None:
                sheet.append([_text_cell(sheet, CUT_SHEET.format(count=count))])
            else:
                sheet.append([_in_xlsx(sheet, value) for value in row])
                count += 1
        sheet.auto_filter.ref = f"A1:{get_column_letter(max(len(header), 1))}{count + 1}"
        book.save(temporary)
    return count


@contextlib.contextmanager
def _sheet(title: str) -> Iterator[tuple[Workbook, WriteOnlyWorksheet]]:
    """A sheet that streams; after an error it is closed, for openpyxl leaves it half open."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(_sheet_title(title))
    try:
        yield book, sheet
    finally:
        if not sheet.closed:
            with contextlib.suppress(Exception):
                sheet.close()


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A hidden sibling to write to; when the block ends without an error it takes the place."""
    temporary = path.with_name(f".{path.name}")
    try:
        yield temporary
        sync(temporary)
        temporary.rename(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _in_csv(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() | date():
            return str(_without_zone(value))
        case Decimal() if value.is_finite():
            return f"{value:f}".replace(".", ",")
        case float() if Decimal(value).is_finite():
            return repr(float(value)).replace(".", ",")
        case _:
            return _visible(_DANGER.sub("'", str(value)))


def _in_xlsx(sheet: WriteOnlyWorksheet, value: object) -> object:
    match value:
        case None | bool():
            return value
        case int() if abs(value) < FIRST_INEXACT_INTEGER:
            return value
        case Decimal() | float() if Decimal(value).is_finite():
            return value
        case date() if value.year >= FIRST_YEAR_OF_EXCEL:
            return _without_zone(value)
        case _:
            return _text_cell(sheet, str(value))


def _without_zone(value: object) -> object:
    """Excel knows no time zones: a moment is written in UTC, as in all our columns named _at."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def _text_cell(sheet: WriteOnlyWorksheet, text: str, *, is_bold: bool = False) -> WriteOnlyCell:
    cell = WriteOnlyCell(sheet, value=_fitting(_visible(text)))
    # openpyxl has taken "=…" for a formula and "#N/A" for an error.
    cell.data_type = "s"
    # Without it, Excel calculates "=…" as soon as somebody presses F2 and Enter.
    cell.quotePrefix = True
    if is_bold:
        cell.font = Font(bold=True)
    return cell


def _visible(text: str) -> str:
    """Characters that no XLSX may hold, as pictures: NUL is shown as ␀."""
    return _UNWRITABLE.sub(lambda found: _picture(ord(found[0])), text)


def _picture(code: int) -> str:
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


def _fitting(text: str) -> str:
    text = _XLSX_CODE.sub("_x005F_", text.replace("\r\n", "\n").replace("\r", "\n"))
    # No character takes more than two units, so that only a long text needs counting.
    if len(text) * 2 <= CHARACTERS_PER_CELL:
        return text
    units = text.encode("utf-16-le")
    if len(units) <= CHARACTERS_PER_CELL * 2:
        return text
    room = CHARACTERS_PER_CELL - len(CUT_CELL)
    return units[: room * 2].decode("utf-16-le", errors="ignore") + CUT_CELL


def _cut(rows: Iterator[Sequence[object]], most_rows: int) -> Iterator[Sequence[object] | None]:
    """The rows that fit below a header; None in the place of the last one where there are more."""
    yield from islice(rows, min(most_rows, ROWS_PER_SHEET) - 2)
    last = list(islice(rows, 2))
    if len(last) == 2:
        yield None
    else:
        yield from last


def _widths(header: Sequence[str], measured: Sequence[Sequence[object]]) -> list[int]:
    """Room for the longest line of the first rows; the button of the filter takes three signs."""
    widths = [len(name) + 3 for name in header]
    for row in measured:
        for number, value in enumerate(row[: len(widths)]):
            lines = "" if value is None else str(_without_zone(value))
            longest = max(map(len, lines.splitlines()), default=0)
            widths[number] = max(widths[number], longest + 2)
    narrowest, widest = WIDTHS
    return [min(max(width, narrowest), widest) for width in widths]


def _sheet_title(title: str) -> str:
    shown = _FORBIDDEN_IN_TITLE.sub(" ", _visible(title))
    return shown[:CHARACTERS_PER_TITLE].strip(" '") or "Table"
