"""The rules that follow from a table's contract. A table with rules of its own has its own module.

The table arrives as an argument (a `Table` of the sources); this room does not know where from.
"""

from collections.abc import Iterator
from typing import Protocol

from quality.rules import Rule, Severity, Suite

FLAGS = ("true", "false", "1", "0", "ja", "nein", "yes", "no", "x")
# A handful of bad rows in a small nightly load is no reason to refuse the good ones.
BAD_ROWS_ALWAYS_ALLOWED = 20

_READABLE = {
    "decimal": ("is_a_number", "read_number({text}, _decimal_mark)", "a number such as 1234.56"),
    # A cast of the text would round: 1.834, meant with a decimal comma, would become 2.
    "integer": (
        "is_a_whole_number",
        "case when read_number({text}, _decimal_mark) % 1 = 0 then 1 end",
        "a whole number",
    ),
    "date": ("is_a_calendar_day", "read_day({text}, _date_order)", "a day such as 2025-12-31"),
    "timestamp": ("is_a_moment", "read_moment({text})", "a moment such as 2025-12-31T14:05:00Z"),
    "flag": ("is_yes_or_no", f"nullif(lower({{text}}) in {FLAGS}, false)", "true or false"),
    "json": ("is_json", "nullif(json_valid({text}), false)", "a JSON list or object"),
}
_SEEN_BY_MANY = ("email", "phone")


class ContractColumn(Protocol):
    """What is asked of a column of the contract."""

    name: str
    kind: str
    required: bool
    personal: str | None
    pattern: str | None
    choices: tuple[str, ...]


class ContractTable(Protocol):
    """What is asked of a table of the contract."""

    name: str
    columns: tuple[ContractColumn, ...]
    key: tuple[str, ...]


def suite(source: str, table: ContractTable) -> Suite:
    """Rules on presence, form, choices and patterns, and one on the key."""
    prepared = {}
    for column in table.columns:
        text = f"nullif(trim({column.name}), '')"
        prepared[f"{column.name}_text"] = text
        if column.kind in _READABLE:
            _, reading, _ = _READABLE[column.kind]
            prepared[f"{column.name}_unreadable"] = (
                f"case when {reading.format(text=text)} is null then {text} end"
            )
    keys = ", ".join(table.key)
    prepared["copy_number"] = f"row_number() over (partition by {keys} order by _row)"
    return Suite(
        source=source,
        table=table.name,
        prepared=prepared,
        rules=(
            Rule(
                name="every_row_fits_the_header",
                column="_defect",
                looks_at="_defect",
                must="be_absent",
                harm="The values of a row that does not fit stand under the wrong headers.",
                remedy="Mend the row in the source and export it again; _extra holds its raw text.",
            ),
            *(rule for column in table.columns for rule in _rules(column)),
            Rule(
                name="record_stands_only_once",
                column=table.key[-1],
                looks_at="copy_number",
                must="be_between",
                most=1,
                severity=Severity.WARN,
                harm="Of two records with one key only the last one counts.",
                remedy="Remove the older of the two records in the source.",
            ),
        ),
        bad_rows_always_allowed=BAD_ROWS_ALWAYS_ALLOWED,
    )


def _rules(column: ContractColumn) -> Iterator[Rule]:
    shown = column.name.lstrip("_")
    if column.required:
        yield Rule(
            name=f"{shown}_is_filled",
            column=column.name,
            looks_at=f"{column.name}_text",
            must="be_present",
            harm="Without it the record cannot be told from others or counts for nothing.",
            remedy=f"Fill in {shown} in the source.",
        )
    if column.kind in _READABLE:
        sentence, _, form = _READABLE[column.kind]
        yield Rule(
            name=f"{shown}_{sentence}",
            column=column.name,
            looks_at=f"{column.name}_unreadable",
            must="be_absent",
            harm="A value that cannot be read would count as nothing.",
            remedy=f"Write {form} in the source.",
        )
    if column.choices:
        yield Rule(
            name=f"{shown}_is_one_of_the_known",
            column=column.name,
            looks_at=f"{column.name}_text",
            must="be_one_of",
            choices=column.choices,
            harm="Nobody has said what this value means, so no rule can count on it.",
            remedy=f"Known are: {', '.join(column.choices)}. If the value is right, tell us.",
        )
    if column.pattern:
        yield Rule(
            name=f"{shown}_has_the_right_form",
            column=column.name,
            looks_at=f"{column.name}_text",
            must="match",
            pattern=f"^(?:{column.pattern})$",
            # A mistyped address spoils the address, not the record it stands in.
            severity=Severity.WARN if column.personal in _SEEN_BY_MANY else Severity.QUARANTINE,
            harm="What has another form than the vendor promises often means something else.",
            remedy=f"Correct {shown} in the source.",
        )
