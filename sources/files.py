"""Dropped files, whatever their encoding and dialect, read as columns of text: CSV, Excel, Parquet.

The form of a file is found out here and never guessed: what two readings would fit is refused with
the line of the mapping that settles it. No value is judged or converted here, and nothing is known
of contracts, mappings or folders; a row that does not fit the header is handed on with `_defect`.
DuckDB's and pandas' CSV sniffers stay out: they drop and merge rows without a word.
"""

import codecs
import csv
import datetime
import errno
import fcntl
import hashlib
import io
import json
import os
import re
import signal
import stat
import time
import zipfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

import openpyxl
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet
from openpyxl.utils import get_column_letter

from sources.contract import SourceProblem

MAX_FILE_BYTES = 4 * 1024**3
MAX_COLUMNS = 2_000
MAX_CELL = 1024**2
MAX_LINE = 16 * 1024**2
MAX_UNPACKED_BYTES = 2 * 1024**3
MAX_UNPACKED_RATIO = 200
MAX_SHEET_ROW = 1_048_576
MAX_RECORD_LINES = 100
MAX_RECORD_CHARACTERS = 1024**2
# 50,000 rows of long comments or of 2,000 columns would not fit into memory: so many characters
# and cells end a chunk, too.
MAX_CHUNK_WEIGHT = 32 * 1024**2
BLOCK = 1024**2

ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".xlsx": "xlsx",
    ".parquet": "parquet",
}
DELIMITERS = (";", ",", "\t")
DELIMITER_SAMPLE = 100
RESERVED = ("_row", "_defect", "_raw")
ENCODINGS = {"utf-8": "utf-8", "utf-16": "utf-16", "cp1252": "windows-1252"}
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
MARKUP = (b"<!doctype", b"<html", b"<head", b"<table", b"<?xml")
KIND_OF_CONTENT = {"text": "csv", "an Excel workbook": "xlsx", "parquet": "parquet"}
ASCII = bytes(range(128))
NOT_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"
TEMPORARY_ENDINGS = (".part", ".tmp", ".crdownload", ".filepart", ".partial")
NO_LEASES_HERE = {
    errno.EINVAL,
    errno.EACCES,
    errno.EPERM,
    errno.ENOLCK,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
}
DECIMAL_COMMA = re.compile(r"[^\d,]*[\d.]+,\d+[^\d,]*")
# No telephone number, nor a text with a number in it.
A_NUMBER = re.compile(r"[-\s]*(?:0|[1-9][\d\s'’]*)?[.,][\d.,\s'’]*[-\s%€$]*|[\d.,]*[eE][+-]?\d+")
LINE_END = re.compile(r"\r\n|\r|\n")
ZEROS = re.compile(r"0{2,}")
# What a row has and a header has not: an e-mail address, a day, a postcode, a telephone number.
# Some programs number their columns.
A_VALUE = re.compile(r".*@.*|(?!\d{1,3}$)[\W_]*\d[\d\W_]*", re.DOTALL)
NEVER_CLOSED = "the quote opened in this line is never closed"

_LEAD, _TAIL = r"^[^0-9.,]*", r"(?:[eE][+-]?\d+)?[^0-9.,]*$"
_BLANK_OR_APOSTROPHE = r" '’\x{A0}\x{202F}"


def _proof(mark: str, other: str) -> str:
    """The pattern of the numbers that only `mark` as the decimal mark explains."""
    return (
        f"{_LEAD}(?:"
        rf"\d*[{mark}](?:\d{{1,2}}|\d{{4,}})"
        rf"|(?:0\d*|\d{{4,}})?[{mark}]\d{{3}}"
        rf"|\d{{1,3}}(?:[{other}{_BLANK_OR_APOSTROPHE}]\d{{3}})+[{mark}]\d+"
        f"){_TAIL}"
    )


MARK_EVIDENCE = {
    ",": _proof(",", "."),
    ".": _proof(".", ","),
    "ambiguous": rf"{_LEAD}[1-9]\d{{0,2}}(?:(?:\.\d{{3}})+|(?:,\d{{3}})+){_TAIL}",
}
STATE_MARK = "state decimal_mark: ',' or '.' in the mapping; rows that do not fit go to quarantine"

# A record on its way from a file into a chunk: number of its first line, fields, why it is
# defective and its raw text (both None for a sound one).
Record = tuple[int, list[str | None], str | None, str | None]


class FileProblem(SourceProblem):
    """A file that cannot be read as a whole: str() names place, problem and remedy."""

    def __init__(
        self,
        file: str,
        problem: str,
        remedy: str,
        *,
        line: int | None = None,
        column: str | None = None,
        value: str | None = None,
    ):
        super().__init__(file, problem, remedy)
        self.file = file
        self.problem = problem
        self.remedy = remedy
        self.line = line
        self.column = column
        self.value = value

    def __str__(self) -> str:
        place = [self.file]
        if self.line is not None:
            place.append(f"line {self.line}")
        if self.column is not None:
            place.append(f"column {self.column}")
        if self.value is not None:
            shown = self.value if len(self.value) <= 80 else self.value[:80] + "…"
            place.append(f"value {shown!r}")
        return f"{', '.join(place)}: {self.problem}. Remedy: {self.remedy}."


@dataclass(frozen=True)
class Layout:
    """What the user's mapping says about the form of a file; None: find out.

    encoding is utf-8, utf-16 or windows-1252; `header_row` counts from 1 and, in a file that opens
    with Excel's `sep=;`, from the line after it. `sheet` matters to workbooks only.
    """

    encoding: str | None = None
    delimiter: str | None = None
    decimal_mark: str | None = None
    sheet: str | None = None
    header_row: int = 1


@dataclass(frozen=True)
class _Form:
    """What open_file found out and no user needs to see."""

    size: int
    written_at_ns: int
    codec: str = ""
    mark_bytes: int = 0
    lines_above: int = 0
    sheet: str = ""


@dataclass(frozen=True)
class DroppedFile:
    """A file whose form is known: `chunks` reads it, as often as wanted.

    Cells of a workbook or a Parquet file that hold numbers have no decimal mark of their own. They
    are written with the one the file's *text* cells use, so that one mark fits the whole file:
    the layout's, else the one `decimal_mark` last found for this object, else '.'. So ask
    `decimal_mark` first, then read `chunks`.
    """

    path: Path
    kind: Literal["csv", "xlsx", "parquet"]
    header: tuple[str, ...]
    encoding: str | None
    delimiter: str | None
    layout: Layout
    _form: _Form = field(repr=False)
    _found: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def chunks(self, rows: int = 50_000) -> Iterator[pyarrow.Table]:
        """The file's rows as tables of at most `rows`; one empty table where it has none.

        The columns are the header's, as text exactly as sent (an empty cell is null), then `_row`
        (line of the record's first character, the sheet's row, or the record's number), `_defect`
        (null for a sound row) and `_raw` (of a defective row: its fields as a JSON list, or the
        plain line where no fields could be told apart). Rows without any value are left out of CSV
        files and sheets.
        """
        return self._tables(rows, self.layout.decimal_mark or self._found.get("decimal_mark", "."))

    def decimal_mark(self, columns: Sequence[str]) -> str:
        """The mark before the decimals: the layout's, or what all values of `columns` prove.

        Only sound rows count, and only cells that hold text. '.' where no value has a mark.
        Raises FileProblem where the values prove both marks, or where all there is are values
        like 1.234 that either mark would explain.
        """
        mark = self.layout.decimal_mark or self._proven_mark(tuple(dict.fromkeys(columns)))
        self._found["decimal_mark"] = mark
        return mark

    def _proven_mark(self, columns: tuple[str, ...]) -> str:
        for column in columns:
            if column not in self.header:
                raise FileProblem(
                    self.path.name,
                    f"no such column; it has {names_shown(self.header)}",
                    "mend the mapping",
                    column=column if is_shown(column, self.header) else None,
                )
        counts: Counter[str] = Counter()
        first: dict[str, tuple[int, str, str]] = {}
        for table in self._tables(50_000, None):
            sound = table.filter(pc.is_null(table["_defect"]))
            for column in columns:
                tally = pc.value_counts(sound[column])
                tally = tally.filter(pc.match_substring_regex(tally.field("values"), "[.,]"))
                for kind, pattern in MARK_EVIDENCE.items():
                    hits = tally.filter(pc.match_substring_regex(tally.field("values"), pattern))
                    if len(hits) == 0:
                        continue
                    counts[kind] += pc.sum(hits.field("counts")).as_py()
                    # value_counts keeps the order of appearance: its first hit is the column's.
                    value = hits.field("values")[0]
                    line = sound["_row"][pc.index(sound[column], value).as_py()].as_py()
                    hit = (line, column, value.as_py())
                    first[kind] = min(first.get(kind, hit), hit, key=lambda place: place[0])
        if "," in first and "." in first:
            odd = min(",.", key=lambda mark: (counts[mark], -first[mark][0]))
            words = {",": "a decimal comma", ".": "a decimal point"}
            problem = f"{words.pop(odd)}, where other numbers of the file have {words.popitem()[1]}"
        elif "," in first or "." in first:
            return "," if "," in first else "."
        elif "ambiguous" in first:
            odd, problem = "ambiguous", "no number of the file tells thousands from decimals"
        else:
            return "."
        line, column, value = first[odd]
        raise FileProblem(
            self.path.name,
            problem,
            STATE_MARK,
            line=line,
            column=column if is_shown(column, self.header) else None,
            value=value if A_NUMBER.fullmatch(value) else None,
        )

    def _tables(self, rows: int, mark: str | None) -> Iterator[pyarrow.Table]:
        """The chunks, numbers written with `mark`; None leaves cells that hold decimals empty."""
        _refuse_change(self.path, self._form)
        if self.kind == "parquet":
            tables = _parquet_tables(self.path, self.header, rows, mark)
        else:
            if self.kind == "csv":
                records = _text_records(self.path, self._form, self.delimiter)
            else:
                records = _sheet_records(self.path, self._form, mark)
            next(records)
            tables = _tables_of(self.path, self.header, records, rows)
        empty = True
        for table in tables:
            empty = False
            yield table
        _refuse_change(self.path, self._form)
        if empty:
            yield _table(self.path, self.header, [_texts([]) for _ in self.header], [], {})


def open_file(path: Path, layout: Layout = Layout()) -> DroppedFile:
    """Find out the form of a dropped file. Raises FileProblem where it cannot be read."""
    _refuse_layout(path, layout)
    _refuse_foreign_link(path)
    found = _stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise FileProblem(path.name, "not a file", "drop a file here, no folder and no pipe")
    if found.st_size == 0:
        raise FileProblem(path.name, "the file is empty, 0 bytes", "export it again")
    if found.st_size > MAX_FILE_BYTES:
        raise FileProblem(path.name, "larger than 4 GiB", "export it in parts")
    form = _Form(found.st_size, found.st_mtime_ns)
    try:
        kind = _kind(path)
        if kind == "csv":
            return _open_text_file(path, layout, form)
        if kind == "xlsx":
            return _open_workbook(path, layout, form)
        return _open_parquet(path, layout, form)
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        raise FileProblem(path.name, problem, "check the file and its permissions") from error


def checksum(path: Path) -> str:
    """SHA-256 of the file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def still_being_written(path: Path, settle_seconds: float = 2.0) -> str | None:
    """Why the file should be left alone for now; None when it may be read.

    Its name, a process that has it open for writing (seen by a lease, on Linux and for files of
    one's own) and its size and time at two looks are asked. A file that was last written longer
    than `settle_seconds` ago is not waited for.
    """
    if path.name.startswith(("~$", ".")):
        return f"{path.name} has the name of a temporary or hidden file"
    if path.name.lower().endswith(TEMPORARY_ENDINGS):
        return f"{path.name} has the name of an unfinished transfer"
    try:
        before = path.stat()
        # A time in the future is a clock that differs, no reason to wait until then.
        missing = settle_seconds - max(0.0, time.time() - before.st_mtime)
        if missing > 0:
            time.sleep(missing)
        if _is_open_for_writing(path):
            return f"{path.name} is open for writing in another process"
        after = path.stat()
    except FileNotFoundError:
        return f"{path.name} went away while it was looked at"
    for what in ("st_size", "st_mtime_ns", "st_ino"):
        if getattr(before, what) != getattr(after, what):
            return f"{path.name} changed while it was looked at"
    return None


def _is_open_for_writing(path: Path) -> bool:
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except BlockingIOError:
        return True
    except PermissionError:
        return False
    try:
        # A writer that comes while the lease is held is announced by a signal, and the default one
        # (SIGIO) would end this process; SIGURG is ignored unless somebody asks for it.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno in NO_LEASES_HERE:
            return False
        if error.errno == errno.EAGAIN:
            return True
        raise
    finally:
        os.close(descriptor)
    return False


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise FileProblem(path.name, problem, "check the file and its permissions") from error


def _refuse_change(path: Path, form: _Form) -> None:
    found = _stat(path)
    if (found.st_size, found.st_mtime_ns) != (form.size, form.written_at_ns):
        raise FileProblem(
            path.name,
            "the file was changed after it was opened",
            "write it under another name and rename it when it is complete",
        )


def _refuse_layout(path: Path, layout: Layout) -> None:
    delimiter = layout.delimiter
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        problem = f"delimiter: {delimiter!r} is not a single character"
        raise FileProblem(path.name, problem, r"state ';', ',' or '\t' in the mapping")
    if layout.decimal_mark not in (None, ",", "."):
        problem = f"decimal_mark: {layout.decimal_mark!r} is neither ',' nor '.'"
        raise FileProblem(path.name, problem, "state one of the two in the mapping")
    if layout.header_row < 1:
        problem = f"header_row: {layout.header_row} is before the first line"
        raise FileProblem(path.name, problem, "state the header's line, counted from 1")


def _refuse_foreign_link(path: Path) -> None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        problem = "cannot be read: no such file, or a link that leads nowhere"
        raise FileProblem(path.name, problem, "drop the file itself") from error
    if not target.is_relative_to(path.parent.resolve()):
        problem = "a link to a place outside its folder"
        raise FileProblem(path.name, problem, "drop the file itself, not a link")


def _kind(path: Path) -> str:
    """csv, xlsx or parquet, where the content agrees with the ending."""
    ending = path.suffix.lower()
    expected = ENDINGS.get(ending)
    if expected is None:
        problem = f"the ending {ending!r} is not known"
        raise FileProblem(path.name, problem, f"drop one of {', '.join(ENDINGS)}")
    with open(path, "rb") as stream:
        start = stream.read(4096)
        stream.seek(-min(4, path.stat().st_size), os.SEEK_END)
        end = stream.read()
    if start.startswith(OLE2):
        _refuse_old_office_file(path)
    text = (
        start.removeprefix(codecs.BOM_UTF8).replace(b"\0", b"").lstrip(b"\xff\xfe \t\r\n").lower()
    )
    content, remedy = "text", "give it the ending .csv, or save it as what its ending says"
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        content, remedy = _zip_content(path)
    elif start.startswith(b"PAR1") and (end == b"PAR1" or expected == "parquet"):
        content, remedy = "parquet", "give it the ending .parquet"
    elif text.startswith(MARKUP):
        content, remedy = "a web page or XML", "open it in Excel and save it as an Excel workbook"
    elif start.startswith(b"%PDF"):
        content, remedy = "a PDF document", "export the table itself, as CSV or Excel workbook"
    elif start.startswith(b"\x1f\x8b"):
        content, remedy = "packed with gzip", "unpack it first"
    if KIND_OF_CONTENT.get(content) != expected:
        raise FileProblem(path.name, f"called {ending}, but its content is {content}", remedy)
    return expected


def _zip_content(path: Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        problem = "a damaged or truncated workbook or zip archive"
        raise FileProblem(path.name, problem, "save or transfer it again") from error
    if any(name.startswith("xl/") for name in names):
        return "an Excel workbook", "give it the ending .xlsx"
    return "a zip archive", "unpack it and drop the files in it"


def _refuse_old_office_file(path: Path) -> None:
    encrypted = "EncryptedPackage".encode("utf-16-le")
    with open(path, "rb") as stream:
        tail = b""
        while block := stream.read(BLOCK):
            if encrypted in tail + block:
                problem = "the workbook is protected with a password"
                raise FileProblem(path.name, problem, "save it without password")
            tail = block[-len(encrypted) :]
    problem = "an Excel file of the old form (.xls), whatever it is called"
    raise FileProblem(path.name, problem, "save it as Excel workbook (.xlsx), without password")


# --- what of a header may be said


def is_value(name: str) -> bool:
    """Whether a name in a header reads like a value of a row."""
    return A_VALUE.fullmatch(name) is not None


def is_shown(name: str, header: Sequence[str]) -> bool:
    """Whether a message may hold a name: the line is a header, and this no first and last name."""
    words = re.split(r"[\s,]+", name.strip())
    is_persons = len(words) > 1 and all(
        word[:1].isupper() and word.replace("-", "").isalpha() for word in words
    )
    return not (is_persons or is_value(name) or any(map(is_value, header)))


def names_shown(names: Sequence[str], known: Iterable[str] = ()) -> str:
    """The names, as far as a message may hold them; those in `known` are the contract's own."""
    known = set(known)
    shown = [name for name in names if name in known or is_shown(name, names)]
    hidden = len(names) - len(shown)
    if hidden:
        shown.append(f"{hidden} not shown, for they read like a person or a row")
    return ", ".join(shown)


# --- rows to tables


def _texts(values: Iterable[str | None]) -> pyarrow.Array:
    return pyarrow.array(values, pyarrow.string())


def _json(values: Iterable[str | None]) -> str:
    return json.dumps(list(values), ensure_ascii=False)


def _header(
    path: Path, line: int | None, fields: Sequence[str | None], following: Iterable[Record]
) -> tuple[str, ...]:
    """The columns' names; `following` is only read where columns at the end have none."""
    names = [(name or "").strip("\ufeff").strip() for name in fields]
    named = max((n for n, name in enumerate(names, 1) if name), default=0)
    if named == 0:
        problem = "this line should hold the columns' names, but it is empty"
        raise FileProblem(path.name, problem, "state header_row: in the mapping", line=line)
    if named < len(names):
        filled = named
        for _, values, defect, _ in following:
            if defect is None and any(values[filled : len(names)]):
                filled = max(n for n, value in enumerate(values[: len(names)], 1) if value)
        names = names[:filled]
    if len(names) > MAX_COLUMNS:
        problem = f"{len(names):,} columns, more than {MAX_COLUMNS:,}"
        raise FileProblem(path.name, problem, "check the delimiter, or export fewer", line=line)
    names = [name or f"column_{n}" for n, name in enumerate(names, 1)]
    places: dict[str, int] = {}
    for n, name in enumerate(names, 1):
        if "\0" in name:
            problem = "NUL characters in the header"
            raise FileProblem(path.name, problem, "state encoding: in the mapping", line=line)
        if name in RESERVED:
            problem = f"column {n} has a name that is kept for this project's own columns"
            raise FileProblem(path.name, problem, "rename it", line=line, column=name)
        if name in places:
            problem = f"two columns have one name, number {places[name]} and number {n}"
            shown = name if is_shown(name, names) else None
            raise FileProblem(path.name, problem, "rename one", line=line, column=shown)
        places[name] = n
    return tuple(names)


def _header_of(path: Path, header_row: int, records: Iterator[Record]) -> tuple[str, ...]:
    first = next(records, None)
    if first is None:
        problem = f"the file ends before its header, which should be in line {header_row}"
        raise FileProblem(path.name, problem, "mend header_row: in the mapping")
    line, fields, defect, _ = first
    if defect is not None:
        remedy = "mend the line, or state delimiter: and header_row: in the mapping"
        raise FileProblem(path.name, f"the header cannot be read: {defect}", remedy, line=line)
    return _header(path, line, fields, records)


def _fitted(fields: list[str | None], width: int) -> tuple[list[str | None], str | None]:
    """The fields, as many as the header has, and what is wrong with their number."""
    count = len(fields)
    if count > width and not any(fields[width:]):
        return fields[:width], None
    noun = "field" if count == 1 else "fields"
    defect = f"{count} {noun} where the header has {width}"
    return fields[:width] + [None] * (width - count), defect


def _tables_of(
    path: Path, header: tuple[str, ...], records: Iterator[Record], rows: int
) -> Iterator[pyarrow.Table]:
    width = len(header)
    lines: list[int] = []
    # One flat list, sliced into columns: a list of rows costs a second more per million cells.
    cells: list[str | None] = []
    defects: dict[int, tuple[str, str]] = {}
    weight = 0
    for line, fields, defect, raw in records:
        if defect is None and not any(fields):
            continue
        weight += width + sum(map(len, fields))
        if defect is not None:
            defects[len(lines)] = (defect, raw)
            fields = _fitted(fields, width)[0]
        elif len(fields) != width:
            sent = fields
            fields, misfit = _fitted(fields, width)
            if misfit is not None:
                defects[len(lines)] = (misfit, _json(sent))
        lines.append(line)
        cells.extend(fields)
        if len(lines) >= rows or weight > MAX_CHUNK_WEIGHT:
            columns = [_texts(cells[n::width]) for n in range(width)]
            yield _table(path, header, columns, lines, defects)
            lines, cells, defects, weight = [], [], {}, 0
    if lines:
        columns = [_texts(cells[n::width]) for n in range(width)]
        yield _table(path, header, columns, lines, defects)


def _table(
    path: Path,
    header: tuple[str, ...],
    columns: Iterable[pyarrow.Array],
    lines: Sequence[int],
    defects: dict[int, tuple[str, str]],
) -> pyarrow.Table:
    """One chunk: empty cells become null; a NUL makes its row defective, a huge cell the file."""
    lines = pyarrow.array(lines, pyarrow.int64())
    nothing = pyarrow.scalar(None, pyarrow.string())
    columns = [pc.if_else(pc.equal(column, ""), nothing, column) for column in columns]
    spoilt: dict[int, str] = {}
    for name, column in zip(header, columns, strict=True):
        too_long = pc.greater(pc.binary_length(column), MAX_CELL)
        if pc.any(too_long).as_py():
            raise FileProblem(
                path.name,
                "a cell of more than 1 MiB",
                "shorten it, or check the quotes around it",
                line=lines[pc.index(too_long, True).as_py()].as_py(),
                column=name if is_shown(name, header) else None,
            )
        has_nul = pc.match_substring(column, "\0")
        if pc.any(has_nul).as_py():
            for n in pc.indices_nonzero(pc.fill_null(has_nul, False)).to_pylist():
                spoilt.setdefault(n, f"NUL character in column {names_shown([name])}")
    for n, defect in spoilt.items():
        defects.setdefault(n, (defect, _json(column[n].as_py() for column in columns)))
    notes = [[None] * len(lines), [None] * len(lines)]
    for n, (defect, raw) in defects.items():
        notes[0][n], notes[1][n] = defect, raw
    return pyarrow.table([*columns, lines, *map(_texts, notes)], names=[*header, *RESERVED])


# --- text files


def _open_text_file(path: Path, layout: Layout, form: _Form) -> DroppedFile:
    mark_bytes, codec = _codec(path, layout.encoding)
    form = replace(form, codec=codec, mark_bytes=mark_bytes)
    with _text(path, form) as stream:
        stated = re.fullmatch(r'"?sep=([^"\r\n])"?[\r\n]*', stream.readline(20), re.IGNORECASE)
    form = replace(form, lines_above=layout.header_row - (0 if stated else 1))
    delimiter = layout.delimiter or (stated and stated[1]) or _found_delimiter(path, form)
    records = _text_records(path, form, delimiter)
    header = _header_of(path, form.lines_above + 1, records)
    encoding = ENCODINGS[codec.removesuffix("-le").removesuffix("-be")]
    return DroppedFile(path, "csv", header, encoding, delimiter, layout, form)


def _text(path: Path, form: _Form) -> io.TextIOWrapper:
    stream = open(path, "rb")  # noqa: SIM115
    stream.seek(form.mark_bytes)
    # Only newline="" leaves the line ends inside of quotes as they are.
    return io.TextIOWrapper(stream, form.codec, newline="")


def _blocks(path: Path, skip: int) -> Iterator[bytes]:
    with open(path, "rb") as stream:
        stream.seek(skip)
        while block := stream.read(BLOCK):
            yield block


def _codec(path: Path, stated: str | None) -> tuple[int, str]:
    """Length of the byte order mark and the codec after it; the whole file is seen to fit it."""
    with open(path, "rb") as stream:
        start = stream.read(BLOCK)
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise FileProblem(path.name, "the text is UTF-32", "save it as UTF-8")
    mark_bytes, codec = 0, None
    for mark, name in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            mark_bytes, codec = len(mark), name
    if stated is not None:
        codec = _stated_codec(path, stated, codec, start)
        problem = f"bytes that are not {stated}, which the mapping states"
        remedy = "state another encoding: in the mapping, or save the file as UTF-8"
    elif codec is not None:
        problem = f"bytes that are not {codec}, which the file's first bytes state"
        remedy = "save or transfer the file again"
    else:
        codec = _utf16_by_zeros(start)
        problem = f"bytes that are not {codec}, which the file's other bytes look like"
        remedy = "state encoding: in the mapping, or transfer the file again"
    if codec is None:
        return 0, _utf8_or_cp1252(path)
    bad = _first_bad_byte(path, mark_bytes, codec)
    if bad is not None:
        raise _bad_byte(path, mark_bytes, codec, bad, problem, remedy)
    return mark_bytes, codec


def _stated_codec(path: Path, stated: str, by_mark: str | None, start: bytes) -> str:
    try:
        codec = codecs.lookup(stated).name
    except LookupError:
        codec = stated
    if codec not in ENCODINGS:
        problem = f"encoding: {stated} is not among those that can be read"
        raise FileProblem(path.name, problem, f"state one of {', '.join(ENCODINGS.values())}")
    if by_mark is not None and not by_mark.startswith(codec):
        problem = f"the mapping states {stated}, but the file's first bytes say {by_mark}"
        raise FileProblem(path.name, problem, "mend encoding: in the mapping")
    if codec != "utf-16":
        return codec
    by_zeros = "utf-16-be" if start[0::2].count(0) > start[1::2].count(0) else "utf-16-le"
    return by_mark or by_zeros


def _utf16_by_zeros(start: bytes) -> str | None:
    """UTF-16 without a mark: most characters of a western text have a zero as one byte of two."""
    pairs = len(start) // 2
    first, second = start[0::2].count(0), start[1::2].count(0)
    if max(first, second) * 2 >= pairs and min(first, second) * 20 <= pairs:
        return "utf-16-be" if first > second else "utf-16-le"
    return None


def _first_bad_byte(path: Path, mark_bytes: int, codec: str) -> int | None:
    decoder = codecs.getincrementaldecoder(codec)()
    offset = mark_bytes
    for block in _blocks(path, mark_bytes):
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            return offset + len(block) - len(error.object) + error.start
        offset += len(block)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return offset - len(error.object) + error.start
    return None


def _utf8_or_cp1252(path: Path) -> str:
    """UTF-8 where every byte fits, else Windows-1252 where every byte fits and few look like UTF-8.

    One wrong byte in a UTF-8 file must not turn every ü of it into Ã¼.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset, bad, undefined = 0, None, None
    beyond_ascii = like_utf8 = 0
    for block in _blocks(path, 0):
        high = block.translate(None, ASCII)
        beyond_ascii += len(high)
        if bad is None:
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                bad = offset + len(block) - len(error.object) + error.start
        if high and bad is None:
            like_utf8 += len(high)
        elif high:
            like_utf8 += len(block.decode("utf-8", "ignore").encode().translate(None, ASCII))
        if high and undefined is None and len(high.translate(None, NOT_IN_CP1252)) < len(high):
            undefined = offset + min(
                place for byte in NOT_IN_CP1252 if (place := block.find(byte)) >= 0
            )
        offset += len(block)
    if bad is None:
        try:
            decoder.decode(b"", final=True)
            return "utf-8"
        except UnicodeDecodeError as error:
            bad = offset - len(error.object)
    if like_utf8 * 2 > beyond_ascii:
        problem = "the file is UTF-8, but not here: it holds two encodings"
        remedy = "mend the line and save as UTF-8, or state encoding: in the mapping"
        raise _bad_byte(path, 0, "utf-8", bad, problem, remedy)
    if undefined is not None:
        problem = "the file is not UTF-8, and Windows-1252 has no such byte"
        remedy = "save it as UTF-8 (is it an export of an old DOS or Mac program?)"
        raise _bad_byte(path, 0, "cp1252", undefined, problem, remedy)
    return "cp1252"


def _bad_byte(
    path: Path, mark_bytes: int, codec: str, offset: int, problem: str, remedy: str
) -> FileProblem:
    decoder = codecs.getincrementaldecoder(codec)("ignore")
    line, last, left = 1, "", offset - mark_bytes
    for block in _blocks(path, mark_bytes):
        text = decoder.decode(block[:left])
        line += text.count("\n") + text.count("\r") - (last + text).count("\r\n")
        last, left = text[-1:], left - len(block)
        if left <= 0:
            break
    with open(path, "rb") as stream:
        stream.seek(offset)
        value = f"0x{stream.read(1).hex().upper()}"
    return FileProblem(path.name, problem, remedy, line=line, value=value)


def _found_delimiter(path: Path, form: _Form) -> str:
    """The delimiter that gives the header the most fields and that the next records agree with."""
    widths: dict[str, int] = {}
    agreeing: dict[str, int] = {}
    samples: dict[str, list[list[str | None]]] = {}
    for delimiter in DELIMITERS:
        fields, sample = _sample(path, form, delimiter)
        if len(fields) < 2:
            continue
        named = max((n for n, name in enumerate(fields, 1) if name), default=0)
        widths[delimiter], samples[delimiter] = len(fields), sample
        agreeing[delimiter] = sum(
            len(values) >= named and not any(values[len(fields) :]) for values in sample
        )
    remedy = "state delimiter: (and header_row:, if a title stands above) in the mapping"
    line = form.lines_above + 1
    if not widths:
        problem = "no semicolon, comma or tab divides this line into columns"
        raise FileProblem(path.name, problem, remedy, line=line)
    fitting = [d for d in widths if agreeing[d] * 2 >= len(samples[d])]
    if not fitting and all(agreeing[d] == 0 and len(samples[d]) >= 10 for d in widths):
        problem = "this line has not as many fields as any of the lines that follow"
        raise FileProblem(path.name, problem, remedy, line=line)
    ranked = sorted(fitting or widths, key=lambda d: (widths[d], agreeing[d]), reverse=True)
    if len(ranked) == 1:
        return ranked[0]
    best, second = ranked[:2]
    tie = (widths[best], agreeing[best]) == (widths[second], agreeing[second])
    if not tie and (best != "," or not samples[second]):
        return best
    # "Preis, netto;Menge, Stück" over "1,50;2,00" has most fields by the comma, and is none.
    for other in ranked:
        commas = [v for values in samples[other] for v in values if v and "," in v]
        if other != "," and commas and all(map(DECIMAL_COMMA.fullmatch, commas)):
            return other
    problem = f"{best!r} and {second!r} both divide this file into columns"
    raise FileProblem(path.name, problem, remedy, line=line)


def _sample(
    path: Path, form: _Form, delimiter: str
) -> tuple[list[str | None], list[list[str | None]]]:
    """The header and the first records by one delimiter; of a broken quote no fields are left."""
    header: list[str | None] = []
    sample: list[list[str | None]] = []
    try:
        for n, (_, fields, defect, _) in enumerate(_text_records(path, form, delimiter)):
            if n == 0:
                header = [] if defect else fields
            elif defect or any(fields):
                sample.append(fields)
            if n == DELIMITER_SAMPLE:
                break
    except FileProblem:
        # Too large a cell by this delimiter may be none by another; else the reading will tell.
        if not header:
            raise
    return header, sample


class _RecordTooLong(Exception):
    """More lines or characters than a record may have: a quote was not closed."""


class _Lines:
    """The lines of a text file, which can be given back where a quote swallowed too many."""

    def __init__(self, file: str, stream: io.TextIOWrapper):
        self.file = file
        self.number = 0
        self.record: list[str] = []
        self._size = 0
        self._read = stream.readline
        self._given_back: deque[str] = deque()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self.record:
            self._size = 0
        elif len(self.record) >= MAX_RECORD_LINES or self._size > MAX_RECORD_CHARACTERS:
            raise _RecordTooLong
        line = self._given_back.popleft() if self._given_back else self._read(MAX_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) >= MAX_LINE:
            problem = "a line of more than 16 MiB"
            raise FileProblem(self.file, problem, "check its line ends", line=self.number)
        self._size += len(line)
        self.record.append(line)
        return line

    def give_back(self, lines: list[str]) -> None:
        self.number -= len(lines)
        self._given_back.extendleft(reversed(lines))


def _text_records(path: Path, form: _Form, delimiter: str) -> Iterator[Record]:
    """The records of a text file from the header on.

    A quote that is not closed spoils its own line only: reading goes on with the next one, which
    is why a record may have no more than 100 lines.
    """
    with _text(path, form) as stream:
        lines = _Lines(path.name, stream)
        for _ in range(form.lines_above):
            next(lines, None)
            lines.record.clear()
        record = lines.record
        while True:
            csv.field_size_limit(MAX_CELL)
            try:
                for fields in csv.reader(lines, delimiter=delimiter, strict=True):
                    if len(record) == 1:
                        yield lines.number, fields, None, None
                    else:
                        defect = _swallowed(fields, delimiter)
                        raw = defect and _json(fields)
                        yield lines.number - len(record) + 1, fields, defect, raw
                    record.clear()
                return
            except (csv.Error, _RecordTooLong) as error:
                line = lines.number - len(record) + 1
                if len(record) == 1 and "field limit" in str(error):
                    problem = "a cell of more than 1 MiB"
                    remedy = "shorten it, or check the quotes around it"
                    raise FileProblem(path.name, problem, remedy, line=line) from error
                unclosed = len(record) > 1 or "end of data" in str(error)
                defect = NEVER_CLOSED if unclosed else f"misplaced quote: {error}"
                yield line, [], defect, record[0].rstrip("\r\n")
                lines.give_back(record[1:])
                record.clear()
            except UnicodeDecodeError as error:
                problem = "the file was changed while it was read"
                remedy = "write it under another name and rename it when it is complete"
                raise FileProblem(path.name, problem, remedy, line=lines.number + 1) from error


def _swallowed(fields: list[str], delimiter: str) -> str | None:
    """What is wrong where a stray quote and a later one made one record of many.

    No rule of CSV helps: from `1;"24 inch;x` to `5;Monitor 24";x` all is well formed. But then each
    line, with what the quotes hold of it, has as many delimiters as the whole record.
    """
    broken = [n for n, value in enumerate(fields) if "\n" in value or "\r" in value]
    if len(fields) < 3 or len(broken) != 1:
        return None
    counts = [part.count(delimiter) for part in LINE_END.split(fields[broken[0]])]
    counts[0] += broken[0]
    counts[-1] += len(fields) - 1 - broken[0]
    if any(count != len(fields) - 1 for count in counts):
        return None
    return (
        f"the quote opened in this line closes {len(counts) - 1} lines further down, "
        "but each of these lines looks like a row of its own"
    )


# --- workbooks


def _open_workbook(path: Path, layout: Layout, form: _Form) -> DroppedFile:
    _refuse_bomb(path)
    form = replace(form, sheet=_sheet(path, layout.sheet), lines_above=layout.header_row - 1)
    header = _header_of(path, layout.header_row, _sheet_records(path, form, "."))
    return DroppedFile(path, "xlsx", header, None, None, layout, form)


def _refuse_bomb(path: Path) -> None:
    """Judge the zip directory before anything is unpacked."""
    remedy = "save it again with Excel or LibreOffice"
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    for entry in entries:
        parts = entry.filename.replace("\\", "/").split("/")
        if parts[0] == "" or ":" in parts[0] or ".." in parts:
            raise FileProblem(path.name, "the workbook holds paths that lead out of it", remedy)
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_UNPACKED_BYTES:
        raise FileProblem(path.name, "larger than 2 GiB when unpacked", "export it as CSV")
    # Measured against the file, not the entries' own sizes: overlapping entries share their bytes.
    if unpacked > MAX_UNPACKED_RATIO * path.stat().st_size:
        problem = f"unpacks to more than {MAX_UNPACKED_RATIO} times its size, like a zip bomb"
        raise FileProblem(path.name, problem, remedy)


@contextmanager
def _workbook(path: Path) -> Iterator[openpyxl.Workbook]:
    try:
        with closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as book:
            yield book
    except FileProblem:
        raise
    # openpyxl lets through whatever it stumbles over in a wrong part, from KeyError to ParseError.
    except Exception as error:
        # Its text may quote a cell.
        problem = f"the workbook is damaged ({type(error).__name__})"
        remedy = "open it in Excel and save it again"
        raise FileProblem(path.name, problem, remedy) from error


def _sheet(path: Path, stated: str | None) -> str:
    with _workbook(path) as book:
        names = [sheet.title for sheet in book.worksheets]
        if stated is not None:
            if stated not in names:
                said = f"{stated!r}" if is_shown(stated, ()) else "as stated"
                problem = f"no sheet is called {said}; there are {names_shown(names)}"
                raise FileProblem(path.name, problem, "mend sheet: in the mapping")
            return stated
        filled = []
        for sheet in book.worksheets:
            # What hides a sheet says that it is not the table; a mapping can still name it.
            if sheet.sheet_state == "visible":
                sheet.reset_dimensions()
                if any(any(row) for row in sheet.iter_rows(values_only=True)):
                    filled.append(sheet.title)
    if not filled:
        problem = "no visible sheet holds anything"
        raise FileProblem(path.name, problem, "export it again, or state sheet: in the mapping")
    if len(filled) > 1:
        problem = f"several sheets hold data: {names_shown(filled)}"
        raise FileProblem(path.name, problem, "state sheet: in the mapping")
    return filled[0]


def _sheet_records(path: Path, form: _Form, mark: str | None) -> Iterator[Record]:
    """The rows of a sheet from the header on; cells a row does not store are empty, not missing."""
    with _workbook(path) as book:
        sheet = book[form.sheet]
        # The stated size is a hint where nameless columns may be, but no limit: exporters that
        # state A1 for the whole sheet would lose every other cell.
        width = sheet.max_column or 0
        sheet.reset_dimensions()
        for number, cells in enumerate(sheet.iter_rows(), 1):
            if number > MAX_SHEET_ROW:
                problem = "more rows than a sheet can have"
                raise FileProblem(path.name, problem, "export it as CSV", line=number)
            if number <= form.lines_above:
                continue
            fields = [_cell_text(cell, mark) for cell in cells]
            while fields and not fields[-1]:
                fields.pop()
            if number == form.lines_above + 1:
                width = max(width, len(fields))
            fields += [""] * (width - len(fields))
            wrong = [n for n, cell in enumerate(cells) if cell.data_type == "e"]
            if wrong:
                place = f"{get_column_letter(wrong[0] + 1)}{number}"
                defect = f"the cell {place} holds the error {fields[wrong[0]]}"
                yield number, fields, defect, _json(fields)
            else:
                yield number, fields, None, None


def _cell_text(cell: openpyxl.cell.ReadOnlyCell, mark: str | None) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        return _unescaped(value) if "_x" in value else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        text = _plain(value)
        # Excel's own format for German postcodes, 00000, shows the number 1067 as 01067.
        if ZEROS.fullmatch(cell.number_format) and text.isdigit():
            return text.zfill(len(cell.number_format))
        if mark is None:
            return text if "." not in text else ""
        return text.replace(".", mark)
    if isinstance(value, datetime.datetime):
        if value.time() == datetime.time():
            return value.date().isoformat()
        return value.isoformat(" ")
    return str(value)


def _unescaped(text: str) -> str:
    """What Excel shows: it stores a carriage return, for one, as _x000D_."""
    shown = re.sub(r"_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), text)
    return text if re.search(r"[\ud800-\udfff]", shown) else shown


def _plain(number: int | float) -> str:
    """17850.0 as 17850, 1e-07 as 0.0000001."""
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    text = repr(number)
    return format(Decimal(text), "f") if "e" in text else text


# --- Parquet


def _open_parquet(path: Path, layout: Layout, form: _Form) -> DroppedFile:
    with _parquet(path) as file:
        header = _header(path, None, file.schema_arrow.names, [])
        if len(header) < len(file.schema_arrow.names):
            raise FileProblem(path.name, "a column has no name", "name it")
    return DroppedFile(path, "parquet", header, None, None, layout, form)


@contextmanager
def _parquet(path: Path) -> Iterator[pyarrow.parquet.ParquetFile]:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        # Its text may quote a value.
        problem = f"the Parquet file is damaged ({type(error).__name__})"
        raise FileProblem(path.name, problem, "write or transfer it again") from error


def _parquet_tables(
    path: Path, header: tuple[str, ...], rows: int, mark: str | None
) -> Iterator[pyarrow.Table]:
    with _parquet(path) as file:
        first = 1
        for batch in file.iter_batches(batch_size=rows):
            batch.validate(full=True)
            columns = [_column_text(column, mark) for column in batch.columns]
            yield _table(path, header, columns, range(first, first + len(batch)), {})
            first += len(batch)


def _column_text(column: pyarrow.Array, mark: str | None) -> pyarrow.Array:
    kind, types = column.type, pyarrow.types
    if isinstance(column, pyarrow.ExtensionArray):
        return _column_text(column.storage, mark)
    if types.is_dictionary(kind):
        return _column_text(column.dictionary_decode(), mark)
    if types.is_floating(kind) or types.is_decimal(kind):
        if mark is None:
            return pyarrow.nulls(len(column), pyarrow.string())
        return pc.replace_substring(_number_text(column), ".", mark)
    if types.is_timestamp(kind):
        # Without its zone the type is cast as the time in UTC.
        text = column.cast(pyarrow.timestamp(kind.unit)).cast(pyarrow.string())
        text = pc.replace_substring_regex(text, r"(\.\d*?)0+$", r"\1")
        text = pc.replace_substring_regex(text, r"\.$", "")
        if kind.tz is not None:
            return pc.binary_join_element_wise(text, "+00:00", "")
        return pc.replace_substring_regex(text, " 00:00:00$", "")
    if types.is_time(kind):
        text = pc.replace_substring_regex(column.cast(pyarrow.string()), r"(\.\d*?)0+$", r"\1")
        return pc.replace_substring_regex(text, r"\.$", "")
    if types.is_nested(kind):
        return _texts(
            None if value is None else json.dumps(value, ensure_ascii=False, default=str)
            for value in column.to_pylist()
        )
    if types.is_duration(kind) or types.is_interval(kind):
        return _texts(None if value is None else str(value) for value in column.to_pylist())
    if types.is_fixed_size_binary(kind):
        column = column.cast(pyarrow.binary())
    return column.cast(pyarrow.string())


def _number_text(column: pyarrow.Array) -> pyarrow.Array:
    text = column.cast(pyarrow.string())
    if not pc.any(pc.match_substring_regex(text, "[eE]")).as_py():
        return text
    return _texts(
        format(Decimal(value), "f") if value and "e" in value.lower() else value
        for value in text.to_pylist()
    )
