"""The rules that follow from a table's contract. Rules of a table's own stand in `written_out`.

The table arrives as an argument (a `Table` of the sources); this room does not know where from.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Protocol

from quality.rules import Rule, Severity, Suite
from quality.thresholds import Thresholds

FLAGS = ("true", "false", "1", "0", "ja", "nein", "yes", "no", "x")

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
# Its own number, such as a line's place in a file, is no number to correct anything by.
_TECHNICAL = "_"


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
    changed_by: str | None
    replaced_by: tuple[str, ...]


FITS_THE_HEADER = Rule(
    name="every_row_fits_the_header",
    column="_defect",
    looks_at="_defect",
    must="be_absent",
    family="format",
    harm="The values of a row that does not fit stand under the wrong headers.",
    remedy="Mend the row in the source and export it again; _extra holds its raw text.",
)


def suite(source: str, table: ContractTable, thresholds: Thresholds, *, pulled_on: date) -> Suite:
    """Rules on presence, form, choices, patterns and plausible days, and one on the key."""
    prepared = {}
    for column in table.columns:
        text = written(column.name)
        prepared[f"{column.name}_text"] = text
        if column.kind in _READABLE:
            _, reading, _ = _READABLE[column.kind]
            prepared[f"{column.name}_unreadable"] = (
                f"case when {reading.format(text=text)} is null then {text} end"
            )
    keys = ", ".join(table.key)
    # Two records of which nobody knows the number are two.
    named = [f"{name} is not null" for name in table.key if _is_required(table, name)]
    prepared["copy_number"] = (
        f"case when {' and '.join(named) or 'true'} "
        f"then row_number() over (partition by {keys} order by _row) end"
    )
    rules = [FITS_THE_HEADER, *(rule for column in table.columns for rule in _rules(column))]
    newest = None
    if table.changed_by:
        moment = read_moment(column_named(table, table.changed_by))
        prepared["changed_at"] = moment
        rules.append(plausible_day(table.changed_by, "changed_at", thresholds, pulled_on))
        newest = moment
    for column in table.columns:
        if column.personal == "birthday":
            prepared[f"{column.name}_day"] = f"read_day({column.name}, _date_order)::timestamp"
            rules.append(_plausible_birthday(column.name, pulled_on))
    rules.append(
        Rule(
            name="record_stands_only_once",
            column=table.key[-1],
            looks_at="copy_number",
            must="be_between",
            most=1,
            severity=Severity.WARN,
            harm="Of two records with one key only the last one counts.",
            remedy="Remove the older of the two records in the source.",
        )
    )
    return Suite(
        source=source,
        table=table.name,
        rules=tuple(rules),
        thresholds=thresholds,
        prepared=prepared,
        key=record_key(table),
        counted=counted(table),
        newest=newest,
    )


def _is_required(table: ContractTable, name: str) -> bool:
    return any(column.name == name and column.required for column in table.columns)


def written(column: str) -> str:
    """The text of a column, null where there is none to read."""
    return f"nullif(trim({column}), '')"


def read_moment(column: ContractColumn) -> str:
    """When a date or timestamp column says it was: a timestamp without zone, in UTC."""
    if column.kind == "date":
        return f"read_day({column.name}, _date_order)::timestamp"
    return f"(read_moment({written(column.name)}) at time zone 'UTC')"


def column_named(table: ContractTable, name: str) -> ContractColumn:
    """The column of that name. Raises KeyError where the contract has none."""
    for column in table.columns:
        if column.name == name:
            return column
    raise KeyError(f"{table.name}.{name}")


def record_key(table: ContractTable) -> tuple[str, ...]:
    """The columns that name a record to the person who has to correct it."""
    return tuple(name for name in table.replaced_by if not name.startswith(_TECHNICAL))


def counted(table: ContractTable) -> dict[str, str]:
    """What is counted of a load to see whether it looks as usual: filled columns and choices."""
    conditions = {
        f"{column.name} is filled": f"{written(column.name)} is not null"
        for column in table.columns
    }
    for column in table.columns:
        for choice in column.choices:
            escaped = choice.replace("'", "''")
            conditions[f"{column.name} is {choice}"] = f"{written(column.name)} = '{escaped}'"
    return conditions


def plausible_day(column: str, looks_at: str, thresholds: Thresholds, pulled_on: date) -> Rule:
    """No day before the first plausible one, none in the future."""
    last = pulled_on + timedelta(days=thresholds.days_in_the_future)
    return Rule(
        name=f"{column}_is_plausible",
        column=column,
        looks_at=looks_at,
        must="be_between",
        least=thresholds.first_plausible_day,
        most=datetime.combine(last, time.max),
        harm="A day in the future makes what is silent look active, and hides later changes.",
        remedy=f"Correct {column}: it must lie between {thresholds.first_plausible_day} and the "
        "day of the export.",
    )


def _plausible_birthday(column: str, pulled_on: date) -> Rule:
    return Rule(
        name=f"{column}_is_plausible",
        column=column,
        looks_at=f"{column}_day",
        must="be_between",
        # Forms write 1 January 1900 where nothing was filled in.
        least=date(1900, 1, 2),
        most=pulled_on,
        severity=Severity.WARN,
        harm="Somebody would be congratulated on a day that is not theirs.",
        remedy=f"Correct or clear {column} in the source.",
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
            family="format",
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
            family="format",
            # A mistyped address spoils the address, not the record it stands in.
            severity=Severity.WARN if column.personal in _SEEN_BY_MANY else Severity.QUARANTINE,
            harm="What has another form than the vendor promises often means something else.",
            remedy=f"Correct {shown} in the source.",
        )
