"""The sales list (Verkaufsliste): CSV, TSV, XLSX or Parquet dropped into a folder, one line per
invoice line, its columns named by a small YAML file beside it.

How bytes become rows is `sources.files`; what makes a row good is the gate's business.
"""

import difflib
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import yaml

from sources.contract import Batch, Column, Pull, Source, Table
from sources.files import (
    DroppedFile,
    FileProblem,
    Layout,
    checksum,
    open_file,
    still_being_written,
)

log = logging.getLogger(__name__)

ENDINGS = {".csv", ".tsv", ".txt", ".xlsx", ".parquet"}
DEFAULT_MAPPING = "mapping.yml"

LINES = Table(
    name="lines",
    grain="One row per line of an invoice or credit note, as it stands in the dropped file.",
    key=("_load_id", "_row"),
    columns=(
        Column("date", "Date of the invoice or credit note.", kind="date", required=True),
        Column("invoice_number", "Number of the invoice or credit note."),
        Column("customer_number", "Number of the customer in the source.", personal="id"),
        Column("customer_name", "Name of the customer.", personal="name"),
        Column("email", "E-mail address of the customer.", personal="email"),
        Column("product_code", "Article number."),
        Column("product", "Name of the article or service."),
        Column("quantity", "Quantity sold; negative on credit notes.", kind="decimal"),
        Column("unit_price", "Net price of one unit.", kind="decimal"),
        Column("amount", "Net amount of the line, for lists without quantity.", kind="decimal"),
        Column("currency", "ISO 4217 code; the mapping's or the company's where no column says."),
        Column("document_kind", "invoice or credit_note by the mapping's marker; null: by sign."),
        Column("credit_note_amounts", "How credit notes are printed: negative or positive."),
    ),
)

MAPPABLE = tuple(
    column.name
    for column in LINES.columns
    if column.name not in {"document_kind", "credit_note_amounts"}
)


@dataclass(frozen=True)
class CreditNotes:
    """How a credit note (Gutschrift) is recognised; without a marker its sign tells."""

    column: str | None = None
    values: tuple[str, ...] = ()
    invoice_number_starts_with: str | None = None
    amounts: str = "negative"


@dataclass(frozen=True)
class Mapping:
    """What the YAML beside a file says: our column names on the left, the file's on the right."""

    columns: dict[str, str]
    credit_note: CreditNotes = CreditNotes()
    currency: str | None = None
    date_order: str | None = None
    layout: Layout = field(default_factory=Layout)


def pull(context: Pull) -> Iterator[Batch]:
    """Yield one batch per file that is new or whose mapping changed, oldest file first.

    A file that cannot be read is added to `context.problems`; a file that is still being written
    to `context.left_alone`. The others go on.
    """
    for path in _dropped_files(context.inbox):
        reason = still_being_written(path)
        if reason:
            log.warning("%s is left alone: %s", path.name, reason)
            context.left_alone.append(f"{path.name}: {reason}")
            continue
        try:
            batch = _read(path, context)
        except FileProblem as problem:
            log.error("%s", problem)
            context.problems.append(problem)
            continue
        if batch is not None:
            yield batch


def check(inbox: Path) -> list[str]:
    """What would keep tonight's pull from working, as sentences; an empty list is good news."""
    if not inbox.is_dir():
        return [f"the folder {inbox.name} is not there: create it and drop a sales list into it"]
    problems = []
    for path in _dropped_files(inbox):
        try:
            mapping = read_mapping(path)
            _open(path, mapping).decimal_mark(_number_headers(mapping))
        except FileProblem as problem:
            problems.append(str(problem))
    return problems


SOURCE = Source(
    name="sales_list",
    title="Sales list (CSV, TSV, XLSX, Parquet)",
    tables=(LINES,),
    required=True,
    owner="accounting",
    access="File drop by hand or by the accounting tool's export job; no key needed.",
    promised_age_hours=36,
    pull=pull,
    check=check,
)


def read_mapping(path: Path) -> Mapping:
    """Read the mapping beside a dropped file: `<file>.yml` where there is one, else mapping.yml.

    Raises FileProblem where there is none, where it is no YAML, or where it says something that
    cannot be meant.
    """
    mapping_file = mapping_of(path)
    try:
        content = yaml.safe_load(mapping_file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise FileProblem(
            mapping_file.name,
            "is no valid YAML",
            "mend the line named here; docs/examples/ shows a working mapping",
            line=mark.line + 1 if mark else None,
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("columns"), dict):
        raise FileProblem(
            mapping_file.name,
            "has no section 'columns'",
            "write 'columns:' and below it one line per column, such as 'date: Belegdatum'",
        )
    return _checked_mapping(mapping_file.name, content)


def mapping_of(path: Path) -> Path:
    """The mapping file that holds for a dropped file. Raises FileProblem where there is none."""
    candidates = (
        path.with_name(f"{path.name}.yml"),
        path.with_suffix(".yml"),
        path.with_name(DEFAULT_MAPPING),
    )
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise FileProblem(
        path.name,
        "has no mapping beside it",
        f"write {DEFAULT_MAPPING} into the same folder; the example in docs/examples/ can be "
        "copied and its right-hand side replaced by your file's headers",
    )


def _dropped_files(inbox: Path) -> list[Path]:
    if not inbox.is_dir():
        return []
    files = [
        path
        for path in inbox.iterdir()
        if path.suffix.lower() in ENDINGS and not path.name.startswith((".", "~$"))
    ]
    return sorted(files, key=lambda path: (path.lstat().st_mtime_ns, path.name))


def _open(path: Path, mapping: Mapping) -> DroppedFile:
    opened = open_file(path, mapping.layout)
    _check_headers(opened, mapping)
    return opened


def _read(path: Path, context: Pull) -> Batch | None:
    file_sha256 = checksum(path)
    context.contents.add(file_sha256)
    mapping = read_mapping(path)
    meaning = json.dumps([asdict(mapping), context.reporting_currency], sort_keys=True)
    # The same bytes under a corrected mapping are a new reading, and it replaces the earlier one.
    batch_checksum = hashlib.sha256(f"{file_sha256}{meaning}".encode()).hexdigest()
    if (LINES.name, batch_checksum) in context.seen:
        log.info("%s was read before: nothing to do", path.name)
        return None
    opened = _open(path, mapping)
    decimal_mark = opened.decimal_mark(_number_headers(mapping))
    log.info(
        "Reading %s (%s)",
        path.name,
        ", ".join(str(part) for part in (opened.kind, opened.encoding) if part),
    )
    return Batch(
        table=LINES,
        checksum=batch_checksum,
        chunks=_mapped(opened, mapping, decimal_mark, context.reporting_currency),
        about={
            "file": path.name,
            "content_sha256": file_sha256,
            "encoding": opened.encoding,
            "delimiter": opened.delimiter,
            "decimal_mark": decimal_mark,
            "mapping": asdict(mapping),
        },
    )


def _mapped(
    opened: DroppedFile, mapping: Mapping, decimal_mark: str, reporting_currency: str
) -> Iterator[pa.Table]:
    """The file's rows under the contract's names; what the mapping does not name goes to _extra."""
    named = {*mapping.columns.values(), mapping.credit_note.column}
    extra = [header for header in opened.header if header not in named]
    with duckdb.connect() as db:
        for raw in opened.chunks():
            columns = {name: raw.column(header) for name, header in mapping.columns.items()}
            constants = {
                "_file": opened.path.name,
                "_decimal_mark": decimal_mark,
                "_date_order": mapping.date_order,
                "credit_note_amounts": mapping.credit_note.amounts,
            }
            for name, value in constants.items():
                columns[name] = pa.repeat(pa.scalar(value, pa.string()), raw.num_rows)
            columns["_row"] = raw.column("_row")
            columns["_defect"] = raw.column("_defect")
            columns["_extra"] = _extra_column(db, raw, extra)
            columns["document_kind"] = _document_kinds(db, raw, mapping)
            columns["currency"] = _currencies(raw, mapping, reporting_currency)
            yield pa.table(columns)


def _extra_column(db: duckdb.DuckDBPyConnection, raw: pa.Table, headers: list[str]) -> pa.Array:
    """JSON objects of the unmapped columns, and of the raw fields of rows that did not fit."""
    fields = [*headers, "_raw"]
    renamed = pa.table([raw.column(name) for name in fields], names=_positions(fields))
    db.register("chunk", renamed)
    members = ", ".join(f"?, {name}" for name in _positions(fields))
    # json_merge_patch drops the members that are null: a sound row has no `_raw`.
    sql = f"select json_merge_patch('{{}}', json_object({members}))::varchar as extra from chunk"
    result = db.execute(sql, fields).to_arrow_table().column("extra").combine_chunks()
    db.unregister("chunk")
    return result


def _positions(names: list[str]) -> list[str]:
    # A header is the user's text: it reaches SQL as a bound value, never as an identifier.
    return [f"c{position}" for position in range(len(names))]


def _document_kinds(
    db: duckdb.DuckDBPyConnection, raw: pa.Table, mapping: Mapping
) -> pa.Array | pa.ChunkedArray:
    marker = mapping.credit_note
    if marker.column:
        header = marker.column
        test = "list_contains(?, lower(trim(value)))"
        wanted: object = [value.strip().lower() for value in marker.values]
    elif marker.invoice_number_starts_with:
        header = mapping.columns["invoice_number"]
        test = "coalesce(starts_with(trim(value), ?), false)"
        wanted = marker.invoice_number_starts_with
    else:
        return pa.nulls(raw.num_rows, pa.string())
    db.register("chunk", pa.table({"value": raw.column(header)}))
    kinds = db.execute(
        f"select case when {test} then 'credit_note' else 'invoice' end as kind from chunk",
        [wanted],
    ).to_arrow_table()
    db.unregister("chunk")
    return kinds.column("kind").combine_chunks()


def _currencies(raw: pa.Table, mapping: Mapping, reporting_currency: str) -> pa.ChunkedArray:
    default = pa.scalar(mapping.currency or reporting_currency, pa.string())
    header = mapping.columns.get("currency")
    if header is None:
        return pa.chunked_array([pa.repeat(default, raw.num_rows)])
    return raw.column(header).fill_null(default)


def _number_headers(mapping: Mapping) -> list[str]:
    numbers = [column.name for column in LINES.columns if column.kind == "decimal"]
    return [mapping.columns[name] for name in numbers if name in mapping.columns]


def _check_headers(opened: DroppedFile, mapping: Mapping) -> None:
    wanted = dict(mapping.columns)
    if mapping.credit_note.column:
        wanted["credit_note"] = mapping.credit_note.column
    for name, header in wanted.items():
        if header not in opened.header:
            near = difflib.get_close_matches(header, opened.header, n=1)
            raise FileProblem(
                opened.path.name,
                f"has no column '{header}', which the mapping names for '{name}'"
                + (f" (did you mean '{near[0]}'?)" if near else ""),
                f"correct the mapping; the file's columns are: {', '.join(opened.header)}",
                line=opened.layout.header_row,
                column=header,
            )


def _checked_mapping(file: str, content: dict) -> Mapping:
    known = {
        "columns", "credit_note", "currency", "date_order",
        "decimal_mark", "encoding", "delimiter", "sheet", "header_row",
    }  # fmt: skip
    _refuse_unknown(file, "entry", content, known)
    columns = content["columns"]
    _refuse_unknown(file, "column", columns, set(MAPPABLE))
    columns = {name: str(header) for name, header in columns.items() if header is not None}
    _require(file, "date" in columns, "'columns' names no 'date'", "add 'date: <your header>'")
    has_amount = "amount" in columns or {"quantity", "unit_price"} <= set(columns)
    _require(
        file,
        has_amount,
        "'columns' names neither 'amount' nor both 'quantity' and 'unit_price'",
        "name the columns that hold the money",
    )
    _require(
        file,
        bool({"customer_number", "customer_name", "email"} & set(columns)),
        "'columns' names no customer",
        "name 'customer_number', 'customer_name' or 'email'",
    )
    for key, allowed in {
        "date_order": ("dmy", "mdy"),
        "decimal_mark": (",", "."),
        "delimiter": (";", ",", "\t"),
    }.items():
        value = content.get(key)
        shown = ", ".join(repr(choice) for choice in allowed)
        _require(
            file,
            value is None or value in allowed,
            f"'{key}' is {value!r}",
            f"choose one of {shown}, or leave it out",
        )
    return Mapping(
        columns=columns,
        credit_note=_checked_credit_note(file, content.get("credit_note"), columns),
        currency=content.get("currency"),
        date_order=content.get("date_order"),
        layout=Layout(
            encoding=content.get("encoding"),
            delimiter=content.get("delimiter"),
            decimal_mark=content.get("decimal_mark"),
            sheet=content.get("sheet"),
            header_row=int(content.get("header_row", 1)),
        ),
    )


def _checked_credit_note(file: str, content: object, columns: dict) -> CreditNotes:
    if content in (None, "by_sign"):
        return CreditNotes()
    if not isinstance(content, dict):
        raise FileProblem(
            file,
            f"'credit_note' is {content!r}",
            "write by_sign, {invoice_number_starts_with: …} or {column: …, values: […]}",
        )
    _refuse_unknown(
        file,
        "entry of credit_note",
        content,
        {"column", "values", "invoice_number_starts_with", "amounts"},
    )
    amounts = content.get("amounts", "negative")
    _require(
        file,
        amounts in ("negative", "positive"),
        f"'credit_note.amounts' is {amounts!r}",
        "write negative or positive: how the amounts of credit notes are printed",
    )
    starts_with = content.get("invoice_number_starts_with")
    by_column = bool(content.get("column")) and bool(content.get("values"))
    _require(
        file,
        by_column != bool(starts_with),
        "'credit_note' must name either 'column' and 'values' or 'invoice_number_starts_with'",
        "keep one of the two",
    )
    _require(
        file,
        not starts_with or "invoice_number" in columns,
        "'credit_note' looks at the invoice number, which 'columns' does not name",
        "add 'invoice_number: <your header>'",
    )
    values = content.get("values") or ()
    return CreditNotes(
        column=content.get("column"),
        values=tuple(str(value) for value in ([values] if isinstance(values, str) else values)),
        invoice_number_starts_with=str(starts_with) if starts_with else None,
        amounts=amounts,
    )


def _refuse_unknown(file: str, what: str, given: dict, known: set[str]) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), sorted(known), n=1)
            raise FileProblem(
                file,
                f"has an unknown {what} '{name}'"
                + (f" (did you mean '{near[0]}'?)" if near else ""),
                f"known are: {', '.join(sorted(known))}",
            )


def _require(file: str, holds: bool, problem: str, remedy: str) -> None:
    if not holds:
        raise FileProblem(file, problem, remedy)
