"""The sales list (Verkaufsliste): CSV, TSV, XLSX or Parquet dropped into a folder, one line per
invoice line, its columns named by a small YAML file beside it.

How bytes become rows is `sources.files`; what makes a row good is the gate's business.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sources.contract import Column, Pull, Source, Table
from sources.dropped_lists import (
    DEFAULT_MAPPING,
    ENTRIES,
    DroppedList,
    Mapping,
    mapping_of,
    read_yaml,
    refuse_unknown,
    require,
    stated,
)
from sources.files import FileProblem

LINES = Table(
    name="lines",
    grain="One row per line of an invoice or credit note, as it stands in the dropped file.",
    key=("_load_id", "_row"),
    dated_by="date",
    unit=("invoice_number",),
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
class SalesMapping(Mapping):
    """What the YAML beside a sales list says; only this list needs one."""

    credit_note: CreditNotes = CreditNotes()
    currency: str | None = None

    @property
    def named(self) -> dict[str, str]:
        """Every header that is named, the marker of credit notes included."""
        marker = self.credit_note.column
        return self.columns | ({"credit_note": marker} if marker else {})


def read_mapping(path: Path) -> SalesMapping:
    """Read the mapping beside a dropped file: `<file>.yml` where there is one, else mapping.yml.

    Raises FileProblem where there is none, where it is no YAML, or where it says something that
    cannot be meant.
    """
    beside = mapping_of(path)
    if beside is None:
        raise FileProblem(
            path.name,
            "has no mapping beside it",
            f"write {DEFAULT_MAPPING} into the same folder; the example in docs/examples/ can be "
            "copied and its right-hand side replaced by your file's headers",
        )
    file, content = beside.name, read_yaml(beside)
    said = stated(file, content, MAPPABLE, ENTRIES | {"credit_note", "currency"})
    require(file, "date" in said.columns, "'columns' names no 'date'", "add 'date: <your header>'")
    require(
        file,
        "amount" in said.columns or {"quantity", "unit_price"} <= said.columns.keys(),
        "'columns' names neither 'amount' nor both 'quantity' and 'unit_price'",
        "name the columns that hold the money",
    )
    require(
        file,
        bool({"customer_number", "customer_name", "email"} & said.columns.keys()),
        "'columns' names no customer",
        "name 'customer_number', 'customer_name' or 'email'",
    )
    return SalesMapping(
        **vars(said),
        credit_note=_credit_notes(file, content.get("credit_note"), said.columns),
        currency=content.get("currency"),
    )


def _credit_notes(file: str, content: object, columns: dict[str, str]) -> CreditNotes:
    if content in (None, "by_sign"):
        return CreditNotes()
    if not isinstance(content, dict):
        raise FileProblem(
            file,
            f"'credit_note' is {content!r}",
            "write by_sign, {invoice_number_starts_with: …} or {column: …, values: […]}",
        )
    refuse_unknown(
        file,
        "entry of credit_note",
        content,
        {"column", "values", "invoice_number_starts_with", "amounts"},
    )
    amounts = content.get("amounts", "negative")
    require(
        file,
        amounts in ("negative", "positive"),
        f"'credit_note.amounts' is {amounts!r}",
        "write negative or positive: how the amounts of credit notes are printed",
    )
    starts_with = content.get("invoice_number_starts_with")
    by_column = bool(content.get("column")) and bool(content.get("values"))
    require(
        file,
        by_column != bool(starts_with),
        "'credit_note' must name either 'column' and 'values' or 'invoice_number_starts_with'",
        "keep one of the two",
    )
    require(
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


def _own_columns(raw: pa.Table, mapping: SalesMapping, context: Pull) -> dict[str, pa.Array]:
    """What the mapping says of every row, and what it makes of two columns."""
    amounts = pa.scalar(mapping.credit_note.amounts, pa.string())
    return {
        "credit_note_amounts": pa.repeat(amounts, raw.num_rows),
        "document_kind": _document_kinds(raw, mapping),
        "currency": _currencies(raw, mapping, context.reporting_currency),
    }


def _document_kinds(raw: pa.Table, mapping: SalesMapping) -> pa.Array | pa.ChunkedArray:
    marker = mapping.credit_note
    if marker.column:
        texts = pc.utf8_lower(pc.utf8_trim_whitespace(raw.column(marker.column)))
        wanted = pa.array([value.strip().lower() for value in marker.values], pa.string())
        is_credit_note = pc.is_in(texts, value_set=wanted)
    elif marker.invoice_number_starts_with:
        numbers = pc.utf8_trim_whitespace(raw.column(mapping.columns["invoice_number"]))
        begins = pc.starts_with(numbers, marker.invoice_number_starts_with)
        is_credit_note = pc.fill_null(begins, False)
    else:
        return pa.nulls(raw.num_rows, pa.string())
    return pc.if_else(is_credit_note, "credit_note", "invoice")


def _currencies(raw: pa.Table, mapping: SalesMapping, reporting_currency: str) -> pa.ChunkedArray:
    default = pa.scalar(mapping.currency or reporting_currency, pa.string())
    header = mapping.columns.get("currency")
    if header is None:
        return pa.chunked_array([pa.repeat(default, raw.num_rows)])
    return raw.column(header).fill_null(default)


LIST = DroppedList(table=LINES, read_mapping=read_mapping, own_columns=_own_columns)


def check(context: Pull) -> list[str]:
    """What would keep tonight's pull from working, as sentences; an empty list is good news."""
    if not context.inbox.is_dir():
        folder = context.inbox.name
        return [f"the folder {folder} is not there: create it and drop a sales list into it"]
    return LIST.check(context)


SOURCE = Source(
    name="sales_list",
    title="Sales list (CSV, TSV, XLSX, Parquet)",
    area="accounting",
    tables=(LINES,),
    owner="accounting",
    access="File drop by hand or by the accounting tool's export job; no key needed.",
    promised_age_hours=36,
    pull=LIST.pull,
    check=check,
)
