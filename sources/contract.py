"""What every source promises: its tables, their columns and keys, who owns it, how to get at it.

No reading and no writing happens here. `quality` gets these objects as arguments and never imports
this module.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow

Kind = Literal["text", "decimal", "date", "flag"]

TECHNICAL_COLUMNS = {
    "_extra": "JSON object of whatever the file or answer holds that the contract does not name.",
    "_defect": "Why the reader could not fit this row into the columns; null for a sound row.",
    "_file": "Name of the dropped file; null for a row that came through an API.",
    "_row": "Number of the row in its file (line of its first character) or in the answer.",
    "_decimal_mark": "The mark before the decimals in this row's numbers, ',' or '.'.",
    "_date_order": "dmy or mdy for dates with slashes; null where no such date may occur.",
    "_load_id": "The load that brought the row: sequence number and checksum, in order of arrival.",
    "_pulled_at": "When the row was pulled (UTC).",
}


@dataclass(frozen=True)
class Column:
    """One column of a source table, landed as text exactly as the source sent it.

    kind says what the text must be readable as; `personal` names the sort of personal data
    (None: none), so that no value of it is ever shown in a report or a log.
    """

    name: str
    description: str
    kind: Kind = "text"
    required: bool = False
    personal: str | None = None


@dataclass(frozen=True)
class Table:
    """One table of a source; `key` names the columns that tell two records apart."""

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]


@dataclass(frozen=True)
class Batch:
    """What a source hands over to be landed as one load of one table.

    chunks yields Arrow tables whose columns are the contract's columns as text and the technical
    columns the reader knows (`_row`, `_extra`, `_defect`, `_file`, `_decimal_mark`, `_date_order`);
    `checksum` (SHA-256, hexadecimal) tells one batch from another, so that the same content is
    never landed twice; `about` goes into load.json as it is.
    """

    table: Table
    checksum: str
    chunks: Iterator[pyarrow.Table]
    about: dict = field(default_factory=dict)


@dataclass
class Pull:
    """What a source gets to pull with, and where it reports what it could not or did not read.

    seen holds (table, checksum) of every batch landed before; reading those again is spared.
    contents gets the SHA-256 of every file that is there now, read or not.
    """

    inbox: Path
    reporting_currency: str
    seen: set[tuple[str, str]] = field(default_factory=set)
    contents: set[str] = field(default_factory=set)
    problems: list[Exception] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """A source system (Quellsystem): what it brings, who answers for it and how it is reached."""

    name: str
    title: str
    tables: tuple[Table, ...]
    required: bool
    owner: str
    access: str
    promised_age_hours: int
    pull: Callable[[Pull], Iterator[Batch]]
    check: Callable[[Path], list[str]]

    def table(self, name: str) -> Table:
        """The table of that name. Raises KeyError where the contract has none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)
