"""What every source promises: its tables, their columns and keys, who owns it, how to get at it.

No reading and no writing happens here. `quality` gets these objects as arguments and never imports
this module.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

import pyarrow

Kind = Literal["text", "decimal", "integer", "date", "timestamp", "flag", "json"]
Area = Literal["accounting", "crm", "newsletter", "reviews", "complaints", "company"]

TECHNICAL_COLUMNS = {
    "_extra": "JSON object of whatever the file or answer holds that the contract does not name.",
    "_defect": "Why the reader could not fit this row into the columns; null for a sound row.",
    "_is_deleted": "True where the source no longer has the record; only its key is filled then.",
    "_file": "Name of the dropped file; null for a row that came through an API.",
    "_row": "Number of the row in its file (line of its first character) or in the answer.",
    "_decimal_mark": "The mark before the decimals in this row's numbers, ',' or '.'.",
    "_date_order": "dmy or mdy for dates with slashes; null where no such date may occur.",
    "_load_id": "The load that brought the row: sequence number and checksum, in order of arrival.",
    "_pulled_at": "When the row was pulled (UTC).",
}


class SourceProblem(Exception):
    """A source, or one table of it, could not be read; the message names place and remedy.

    It never holds a secret, nor anything personal.
    """


@dataclass(frozen=True)
class Column:
    """One column of a source table, landed as text exactly as the source sent it.

    kind says what the text must be readable as; `personal` names the sort of personal data
    (None: none), so that no value of it is ever shown in a report or a log. `path` leads to the
    value in a JSON record (dots go into objects; None: the column's name). `pattern` is a regular
    expression that the whole text must match, `choices` are the only texts there may be.
    """

    name: str
    description: str
    kind: Kind = "text"
    required: bool = False
    personal: str | None = None
    path: str | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table of a source; `key` names the columns that tell two records apart.

    cursor names the column that says when a record was last changed (None: the vendor has none, so
    that everything is read each time); dated_by, where there is no cursor, the column that says
    when it happened. A later load replaces what an earlier one says of the same `unit` (default:
    the key). Fields of a JSON record in `ignored` say nothing (links) and are not kept.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    cursor: str | None = None
    dated_by: str | None = None
    unit: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def changed_by(self) -> str | None:
        """The column whose newest value says how current the table is; None: there is none."""
        return self.cursor or self.dated_by

    @property
    def replaced_by(self) -> tuple[str, ...]:
        """The columns of which a later load with the same values replaces a record."""
        return self.unit or self.key


@dataclass(frozen=True)
class Batch:
    """What a source hands over to be landed as one load of one table.

    chunks yields Arrow tables whose columns are the contract's columns as text and the technical
    columns the reader knows (`_row`, `_extra`, `_defect`, `_is_deleted`, `_file`, `_decimal_mark`,
    `_date_order`); `checksum` (SHA-256, hexadecimal) tells one batch from another, so that the same
    content is never landed twice; `about` goes into load.json as it is.
    """

    table: Table
    checksum: str
    chunks: Iterator[pyarrow.Table]
    about: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Parts:
    """A reading that is complete for some parents: of their children nothing else is left."""

    column: str
    values: frozenset[str]


@dataclass(frozen=True)
class Reading:
    """What an API answered for one table: JSON objects, in the order in which they came.

    records is read to its end before anything of it is landed, and may raise SourceProblem.
    covers says what it means that a record is not among them: "everything" or `Parts`: it was
    deleted; "changes": nothing. Of records with the same key the last one counts.
    """

    table: Table
    records: Iterable[Mapping[str, object]]
    covers: Literal["everything", "changes"] | Parts


class Secret(str):
    """A text that must not be seen: whoever prints or logs it by accident sees dots."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'•••'"


@dataclass(frozen=True)
class Connection:
    """How to reach a source: what the company's YAML says of it, secrets already looked up."""

    options: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True)
class Option:
    """One thing that can be said of a source in the company's YAML; no default: it must be."""

    name: str
    description: str
    default: str | None = None


def _everything(table: Table) -> datetime | None:
    return None


def _nothing(table: Table, column: str) -> dict[tuple[str, ...], str | None]:
    return {}


@dataclass
class Pull:
    """What a source gets to pull with, and where it reports what it could not or did not read.

    seen holds (table, checksum) of every batch landed before; reading those again is spared.
    contents gets the SHA-256 of every file that is there now, read or not, and of every answer.
    since(table) is the moment (UTC) from which changes have to be asked for, the overlap with the
    last pull included; None: everything has to be read, because nothing was yet or not for long.
    known(table, column) maps the keys of all records the lake holds, deleted ones excepted, to
    their newest text in a column. read gets the name of every table that was read to its end.
    """

    inbox: Path
    reporting_currency: str
    connection: Connection = field(default_factory=Connection)
    since: Callable[[Table], datetime | None] = _everything
    known: Callable[[Table, str], dict[tuple[str, ...], str | None]] = _nothing
    seen: set[tuple[str, str]] = field(default_factory=set)
    contents: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    problems: list[Exception] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """A source system (Quellsystem): what it brings, who answers for it and how it is reached.

    A file drop needs nothing said; a source with secrets is read only where the company's YAML
    names, for each of them, the environment variable that holds it. check tells what would keep the
    next pull from working, as sentences, without landing anything.
    """

    name: str
    title: str
    area: Area
    tables: tuple[Table, ...]
    owner: str
    access: str
    promised_age_hours: int
    pull: Callable[[Pull], Iterator[Batch | Reading]]
    check: Callable[[Pull], list[str]]
    options: tuple[Option, ...] = ()
    secrets: tuple[Option, ...] = ()

    @property
    def required(self) -> bool:
        """Accounting is the one area without which there are no customers."""
        return self.area == "accounting"

    def table(self, name: str) -> Table:
        """The table of that name. Raises KeyError where the contract has none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)
