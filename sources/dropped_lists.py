"""Lists dropped into a folder, one table each: found, matched with the contract, handed to landing.

How bytes become rows is `sources.files`; which headers a list is known by, and what the YAML beside
it may say besides, its own module knows; what makes a row good is the gate's business.
"""

import difflib
import hashlib
import json
import logging
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import yaml

from sources.contract import Batch, Pull, Table
from sources.files import (
    ENDINGS,
    DroppedFile,
    FileProblem,
    Layout,
    checksum,
    is_shown,
    is_value,
    names_shown,
    open_file,
    still_being_written,
)

log = logging.getLogger(__name__)

DEFAULT_MAPPING = "mapping.yml"
ENTRIES = frozenset("columns date_order decimal_mark encoding delimiter sheet header_row".split())
CHOICES = {
    "date_order": ("dmy", "mdy"),
    "decimal_mark": (",", "."),
    "delimiter": (";", ",", "\t"),
}
_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


@dataclass(frozen=True)
class Mapping:
    """What the YAML beside a file says: our column names on the left, the file's on the right."""

    columns: dict[str, str] = field(default_factory=dict)
    date_order: str | None = None
    layout: Layout = field(default_factory=Layout)

    @property
    def named(self) -> dict[str, str]:
        """Every header that is named, by what it is named for."""
        return self.columns


def _no_more(raw: pa.Table, mapping: Mapping, context: Pull) -> dict[str, pa.Array]:
    return {}


@dataclass(frozen=True)
class DroppedList:
    """A list of one table, whatever file it comes in; `pull` and `check` are its source's.

    spellings: column → the headers it is known by besides its own name; only letters and digits
    count, so that "E-Mail", "e mail" and "EMAIL" are one. any_of names columns of which a file must
    have one at least. read_mapping (file → Mapping, raises FileProblem) takes the place of a
    mapping that need not be there. own_columns (the file's rows, Mapping, Pull → columns) brings
    what no header holds.
    """

    table: Table
    spellings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    any_of: tuple[str, ...] = ()
    read_mapping: Callable[[Path], Mapping] | None = None
    own_columns: Callable[[pa.Table, Mapping, Pull], dict[str, pa.Array]] = _no_more

    def pull(self, context: Pull) -> Iterator[Batch]:
        """Yield one batch per file that is new or whose mapping changed, oldest file first.

        A file that cannot be read is added to `context.problems`; a file that is still being
        written to `context.left_alone`. The others go on.
        """
        files = dropped_files(context.inbox)
        return dropped_batches(context, files, lambda path: self._read(path, context))

    def check(self, context: Pull) -> list[str]:
        """What would keep the next pull from working, as sentences; an empty list is good news."""
        problems = []
        for path in dropped_files(context.inbox):
            try:
                self._open(path, self._mapping(path))
            except FileProblem as problem:
                problems.append(str(problem))
        return problems

    def _read(self, path: Path, context: Pull) -> Batch | None:
        file_sha256 = checksum(path)
        context.contents.add(file_sha256)
        mapping = self._mapping(path)
        meaning = json.dumps([asdict(mapping), context.reporting_currency], sort_keys=True)
        # The same bytes under a corrected mapping are a new reading, and it replaces the earlier.
        batch_checksum = hashlib.sha256(f"{file_sha256}{meaning}".encode()).hexdigest()
        if (self.table.name, batch_checksum) in context.seen:
            log.info("%s was read before: nothing to do", path.name)
            return None
        opened, mapping, decimal_mark = self._open(path, mapping)
        form = ", ".join(filter(None, (opened.kind, opened.encoding)))
        log.info("Reading %s (%s)", path.name, form)
        return Batch(
            table=self.table,
            checksum=batch_checksum,
            chunks=self._chunks(opened, mapping, decimal_mark, context),
            about={
                "file": path.name,
                "content_sha256": file_sha256,
                "encoding": opened.encoding,
                "delimiter": opened.delimiter,
                "decimal_mark": decimal_mark,
                "mapping": asdict(mapping),
                "columns": sorted(mapping.columns),
            },
        )

    def _mapping(self, path: Path) -> Mapping:
        if self.read_mapping is not None:
            return self.read_mapping(path)
        beside = mapping_of(path)
        if beside is None:
            return Mapping()
        return stated(beside.name, read_yaml(beside), self.spellings, ENTRIES)

    def _open(self, path: Path, mapping: Mapping) -> tuple[DroppedFile, Mapping, str]:
        """The file, the mapping with the columns found by their headers, and the decimal mark."""
        opened = open_file(path, mapping.layout)
        _refuse_absent(opened, mapping)
        _refuse_values(opened, mapping)
        mapping = replace(mapping, columns=self._matched(opened, mapping))
        self._refuse_incomplete(opened, mapping)
        numbers = [
            mapping.columns[column.name]
            for column in self.table.columns
            if column.kind in ("decimal", "integer") and column.name in mapping.columns
        ]
        return opened, mapping, opened.decimal_mark(numbers)

    def _matched(self, opened: DroppedFile, mapping: Mapping) -> dict[str, str]:
        """Our columns and the file's headers: those the mapping names, then those known."""
        columns = dict(mapping.columns)
        for name in self.spellings:
            if name in columns:
                continue
            known = self._known(name)
            found = [h for h in _unnamed(opened, mapping) if _letters(h) in known]
            if len(found) > 1:
                raise FileProblem(
                    opened.path.name,
                    f"has several columns that may be '{name}': {', '.join(found)}",
                    f"write 'columns:' and below it '{name}: {found[0]}' into {DEFAULT_MAPPING}, "
                    "or whichever it is",
                )
            if found:
                columns[name] = found[0]
        return columns

    def _refuse_incomplete(self, opened: DroppedFile, mapping: Mapping) -> None:
        missing = [
            column.name
            for column in self.table.columns
            if column.required and column.name not in mapping.columns
        ]
        wanted = [self._with_near_miss(name, opened, mapping) for name in missing]
        if self.any_of and not set(self.any_of) & mapping.columns.keys():
            missing += self.any_of
            either = (self._with_near_miss(name, opened, mapping) for name in self.any_of)
            wanted.append(" or ".join(either))
        if wanted:
            raise FileProblem(
                opened.path.name,
                f"has no column for {', '.join(wanted)}",
                f"rename it in the file, or write 'columns:' and below it '{missing[0]}: <your "
                f"header>' into {DEFAULT_MAPPING}; " + self._columns_of(opened, mapping),
                line=opened.layout.header_row,
            )

    def _columns_of(self, opened: DroppedFile, mapping: Mapping) -> str:
        """The file's columns in words; where none is known the line may hold a person's row."""
        known = {spelling for name in self.spellings for spelling in self._known(name)}
        found = [header for header in opened.header if _letters(header) in known]
        found += mapping.named.values()
        if not found:
            return (
                f"none of the {len(opened.header)} columns' names in this line is known: if it "
                "is a row, put the header above it"
            )
        return f"the file's columns are: {names_shown(opened.header, found)}"

    def _with_near_miss(self, name: str, opened: DroppedFile, mapping: Mapping) -> str:
        headers = {_letters(header): header for header in _unnamed(opened, mapping)}
        for spelling in self._known(name):
            for near in difflib.get_close_matches(spelling, headers, n=1, cutoff=0.75):
                if is_shown(headers[near], opened.header):
                    return f"'{name}' (did you mean '{headers[near]}'?)"
        return f"'{name}'"

    def _known(self, name: str) -> tuple[str, ...]:
        return tuple(_letters(text) for text in (name, *self.spellings.get(name, ())))

    def _chunks(
        self, opened: DroppedFile, mapping: Mapping, decimal_mark: str, context: Pull
    ) -> Iterator[pa.Table]:
        """The file's rows under the contract's names; what is not named goes to _extra."""
        named = {*mapping.columns.values(), *mapping.named.values()}
        extra = [header for header in opened.header if header not in named]
        constants = {
            "_file": opened.path.name,
            "_decimal_mark": decimal_mark,
            "_date_order": mapping.date_order,
        }
        with duckdb.connect() as db:
            for raw in opened.chunks():
                columns = {name: raw.column(header) for name, header in mapping.columns.items()}
                for name, value in constants.items():
                    columns[name] = pa.repeat(pa.scalar(value, pa.string()), raw.num_rows)
                columns["_row"] = raw.column("_row")
                columns["_defect"] = raw.column("_defect")
                columns["_extra"] = _extra_column(db, raw, extra)
                yield pa.table(columns | self.own_columns(raw, mapping, context))


def dropped_files(inbox: Path) -> list[Path]:
    """The files of an inbox that may be lists, oldest first; none where there is no inbox."""
    if not inbox.is_dir():
        return []
    files = [
        path
        for path in inbox.iterdir()
        if path.suffix.lower() in ENDINGS and not path.name.startswith((".", "~$"))
    ]
    return sorted(files, key=lambda path: (path.lstat().st_mtime_ns, path.name))


def dropped_batches(
    context: Pull, files: Iterable[Path], read: Callable[[Path], Batch | None]
) -> Iterator[Batch]:
    """What `read` makes of each file, in their order; None: it was landed before.

    A file that `read` refuses (FileProblem) is added to `context.problems`; a file that is still
    being written to `context.left_alone`. The others go on.
    """
    for path in files:
        reason = still_being_written(path)
        if reason:
            log.warning("%s is left alone: %s", path.name, reason)
            context.left_alone.append(f"{path.name}: {reason}")
            continue
        try:
            batch = read(path)
        except FileProblem as problem:
            log.error("%s", problem)
            context.problems.append(problem)
            continue
        if batch is not None:
            yield batch


def mapping_of(path: Path) -> Path | None:
    """The YAML that holds for a dropped file: `<file>.yml` where there is one, else mapping.yml."""
    candidates = (
        path.with_name(f"{path.name}.yml"),
        path.with_suffix(".yml"),
        path.with_name(DEFAULT_MAPPING),
    )
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def read_yaml(mapping_file: Path) -> dict:
    """What a mapping file says; an empty one says nothing. Raises FileProblem for anything else."""
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
    content = {} if content is None else content
    require(
        mapping_file.name,
        isinstance(content, dict) and isinstance(content.get("columns", {}), dict),
        "has no section 'columns'",
        "write 'columns:' and below it one line per column, such as 'date: Belegdatum'",
    )
    return content


def stated(
    file: str, content: dict, mappable: Collection[str], entries: Collection[str]
) -> Mapping:
    """The mapping a YAML states. Raises FileProblem where it says what cannot be meant."""
    refuse_unknown(file, "entry", content, entries)
    columns = content.get("columns", {})
    refuse_unknown(file, "column", columns, mappable)
    for key, allowed in CHOICES.items():
        value = content.get(key)
        shown = ", ".join(repr(choice) for choice in allowed)
        require(
            file,
            value is None or value in allowed,
            f"'{key}' is {value!r}",
            f"choose one of {shown}, or leave it out",
        )
    header_row = content.get("header_row", 1)
    require(
        file,
        isinstance(header_row, int) and header_row > 0,
        f"'header_row' is {header_row!r}",
        "state the header's line, counted from 1",
    )
    return Mapping(
        columns={name: str(header) for name, header in columns.items() if header is not None},
        date_order=content.get("date_order"),
        layout=Layout(
            encoding=content.get("encoding"),
            delimiter=content.get("delimiter"),
            decimal_mark=content.get("decimal_mark"),
            sheet=content.get("sheet"),
            header_row=header_row,
        ),
    )


def refuse_unknown(file: str, what: str, given: Iterable[str], known: Collection[str]) -> None:
    """Raise FileProblem, with the near miss, for the first name that is not known."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), sorted(known), n=1)
            raise FileProblem(
                file,
                f"has an unknown {what} '{names_shown([str(name)])}'{_did_you_mean(near)}",
                f"known are: {', '.join(sorted(known))}",
            )


def require(file: str, holds: bool, problem: str, remedy: str) -> None:
    """Raise FileProblem unless it holds."""
    if not holds:
        raise FileProblem(file, problem, remedy)


def _refuse_absent(opened: DroppedFile, mapping: Mapping) -> None:
    for name, header in mapping.named.items():
        if header not in opened.header:
            is_named = is_shown(header, opened.header)
            near = [
                other
                for other in difflib.get_close_matches(header, opened.header, n=1)
                if is_shown(other, opened.header)
            ]
            raise FileProblem(
                opened.path.name,
                f"has no column '{header if is_named else '…'}', which the mapping names for "
                f"'{name}'" + _did_you_mean(near),
                "correct the mapping; the file's columns are: "
                + names_shown(opened.header, set(mapping.named.values()) & set(opened.header)),
                line=opened.layout.header_row,
                column=header if is_named else None,
            )


def _refuse_values(opened: DroppedFile, mapping: Mapping) -> None:
    """Refuse a row that was mapped as if it were the header; its fields would be kept as names."""
    for name, header in mapping.named.items():
        if is_value(header):
            raise FileProblem(
                opened.path.name,
                f"what the mapping names for '{name}' reads like a value, not like a column's name",
                "put a line with the columns' names above the first row, and those in the mapping",
                line=opened.layout.header_row,
            )


def _did_you_mean(near: list[str]) -> str:
    return f" (did you mean '{near[0]}'?)" if near else ""


def _unnamed(opened: DroppedFile, mapping: Mapping) -> list[str]:
    return [header for header in opened.header if header not in mapping.named.values()]


def _letters(text: str) -> str:
    """What of a header tells it from others: 'Fällig am', 'FAELLIG_AM' and 'faelligam' are one."""
    # Excel on a Mac exports ä as two characters.
    spelt_out = unicodedata.normalize("NFC", text).casefold().translate(_SPELT_OUT)
    return "".join(filter(str.isalnum, spelt_out))


def _extra_column(db: duckdb.DuckDBPyConnection, raw: pa.Table, headers: list[str]) -> pa.Array:
    """JSON objects of the unmapped columns, and of the raw fields of rows that did not fit."""
    fields = [*headers, "_raw"]
    # A header is the user's text: it reaches SQL as a bound value, never as an identifier.
    positions = [f"c{position}" for position in range(len(fields))]
    renamed = pa.table([raw.column(name) for name in fields], names=positions)
    db.register("chunk", renamed)
    members = ", ".join(f"?, {name}" for name in positions)
    # json_merge_patch drops the members that are null: a sound row has no `_raw`.
    sql = f"select json_merge_patch('{{}}', json_object({members}))::varchar as extra from chunk"
    result = db.execute(sql, fields).to_arrow_table().column("extra").combine_chunks()
    db.unregister("chunk")
    return result
