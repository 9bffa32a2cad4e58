"""The lake: commits one load of one table, all or nothing, and moves it on once it is judged.

Everything becomes visible by one `rename` of a folder; a process killed at any moment leaves only
folders whose names begin with a dot, which the next run clears away. How a file or an API is read
is not known here, nor what makes a row good or bad.

    lake/landed/<source>/<table>/<load_id>/      part-*.parquet  load.json  (verdict.json)
    lake/accepted/<source>/<table>/<load_id>/    part-*.parquet  load.json  verdict.json
                                                 findings.parquet: let in, but to be looked at
    lake/quarantine/<source>/<table>/<load_id>/  rows.parquet  reasons.parquet  load.json
    lake/withdrawn/<source>/<table>/<load_id>/   a refused load whose file was mended or taken away
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sources.contract import Batch, Table

log = logging.getLogger(__name__)

ROWS_PER_PART = 1_000_000
SECONDS_BETWEEN_REPORTS = 2.0
LOAD_FORMAT = 1
STAGES = ("landed", "accepted", "quarantine", "withdrawn")
# In load.json of a load that was accepted and waits for the gate once more.
_REJOINED = "is_rejoined"

_TECHNICAL_TYPES = {
    "_extra": pa.string(),
    "_defect": pa.string(),
    "_is_deleted": pa.bool_(),
    "_file": pa.string(),
    "_row": pa.int64(),
    "_decimal_mark": pa.string(),
    "_date_order": pa.string(),
    "_load_id": pa.string(),
    "_pulled_at": pa.timestamp("us", tz="UTC"),
}


class LandingProblem(Exception):
    """A load that could not be committed; nothing of it is visible in the lake."""


@dataclass(frozen=True)
class Load:
    """One committed load: where it lies and what its load.json says."""

    folder: Path
    about: dict

    @property
    def load_id(self) -> str:
        """Sequence number in order of arrival and the first 12 digits of the checksum."""
        return self.about["load_id"]

    @property
    def parts(self) -> list[Path]:
        """The Parquet files of this load, in order."""
        return sorted(self.folder.glob("part-*.parquet"))

    @property
    def rows(self) -> list[Path]:
        """The Parquet files that hold rows of this load, in whichever stage it is."""
        return [*self.parts, *self.folder.glob("rows.parquet")]

    @property
    def verdict(self) -> dict | None:
        """What the gate said of this load; None where it has not judged yet."""
        path = self.folder / "verdict.json"
        return json.loads(path.read_text()) if path.exists() else None


def landed_schema(table: Table) -> pa.Schema:
    """The columns of a landed load: the contract's as text, then the technical ones."""
    fields = [pa.field(column.name, pa.string()) for column in table.columns]
    return pa.schema(fields + [pa.field(name, kind) for name, kind in _TECHNICAL_TYPES.items()])


class Lake:
    """All loads of all sources below one folder. The caller holds the writer's lock."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, stage: str, source: str, table: str) -> Path:
        """Where the loads of a table lie in a stage (one of STAGES)."""
        return self.root / stage / source / table

    def loads(self, stage: str, source: str, table: str) -> list[Load]:
        """The committed loads of a table in a stage, in order of arrival."""
        folder = self.folder(stage, source, table)
        if not folder.is_dir():
            return []
        return [
            Load(path, json.loads((path / "load.json").read_text()))
            for path in sorted(folder.iterdir())
            if not path.name.startswith(".")
        ]

    def all_loads(self, source: str, table: str) -> list[Load]:
        """Every load of a table that is judged or waits for it, in order of arrival."""
        loads = self.loads("accepted", source, table) + self.loads("landed", source, table)
        unique = {load.load_id: load for load in reversed(loads)}
        return [unique[load_id] for load_id in sorted(unique)]

    def checksums(self, source: str, table: str) -> set[str]:
        """The checksums of the loads that need not be landed again: the newest of each content.

        An older reading of the same content was replaced; asked for again, it is landed again.
        """
        return {load.about["checksum"] for load in newest_readings(self.all_loads(source, table))}

    def land(
        self, source: str, batch: Batch, *, pulled_at: datetime, is_demo: bool = False
    ) -> Load:
        """Commit a batch as one load.

        Raises LandingProblem where the batch brings columns that the contract does not name, and
        OSError (no space, no permission) with nothing left visible.
        """
        table = batch.table
        load_id = f"{self._next_number(source, table.name):08d}-{batch.checksum[:12]}"
        started = datetime.now(UTC)
        with self._commit("landed", source, table.name, load_id) as folder:
            rows, parts = _write_parts(folder, batch, load_id, pulled_at)
            about = {
                "format": LOAD_FORMAT,
                "source": source,
                "table": table.name,
                "load_id": load_id,
                "checksum": batch.checksum,
                "is_demo": is_demo,
                "rows": rows,
                "parts": parts,
                "pulled_at": pulled_at.isoformat(),
                "started_at": started.isoformat(),
                "ended_at": datetime.now(UTC).isoformat(),
                **batch.about,
            }
            write_json(folder / "load.json", about)
        log.info("Landed %s rows of %s.%s as load %s", f"{rows:,}", source, table.name, load_id)
        return Load(self.folder("landed", source, table.name) / load_id, about)

    @contextlib.contextmanager
    def splitting(self, load: Load) -> Iterator[tuple[Path, Path]]:
        """Two empty folders, for the accepted and the quarantined rows of a load.

        When the block ends without an error both are committed (quarantine first) and the landed
        copy goes; a crash in between is mended by splitting the same load again.
        """
        source, table, load_id = load.about["source"], load.about["table"], load.load_id
        accepted = self.folder("accepted", source, table) / load_id
        if accepted.exists():
            _discard(accepted)
        quarantined = self.folder("quarantine", source, table) / load_id
        if quarantined.exists():
            _discard(quarantined)
        with (
            self._commit("accepted", source, table, load_id) as accepted_rows,
            self._commit("quarantine", source, table, load_id) as quarantined_rows,
        ):
            yield accepted_rows, quarantined_rows
            about = {name: said for name, said in load.about.items() if name != _REJOINED}
            write_json(accepted_rows / "load.json", about)
            write_json(quarantined_rows / "load.json", about)
        _discard(load.folder)

    def refuse(self, load: Load, verdict: dict) -> None:
        """Keep a load that is not let in where it landed, with the verdict beside it."""
        write_json(load.folder / "verdict.json", verdict)

    def rejoin(self, load: Load) -> Load:
        """Put all rows of an accepted load back before the gate; until then it counts as it is.

        The landed copy is committed in one step and marked, so that a crash leaves either the load
        as it was or one that the next run judges anew.
        """
        source, table, load_id = load.about["source"], load.about["table"], load.load_id
        quarantined = self.folder("quarantine", source, table) / load_id
        with self._commit("landed", source, table, load_id) as folder:
            for number, path in enumerate([*load.parts, *quarantined.glob("rows.parquet")]):
                shutil.copyfile(path, folder / f"part-{number:05d}.parquet")
            write_json(folder / "load.json", {**load.about, _REJOINED: True})
        landed = self.folder("landed", source, table) / load_id
        return Load(landed, json.loads((landed / "load.json").read_text()))

    def drop_rejoined(self, load: Load) -> None:
        """Take a load that was put back before the gate away again: it counts as it did."""
        if load.about.get(_REJOINED):
            _discard(load.folder)

    def withdraw(self, load: Load) -> None:
        """Set a refused load aside: it waits for the gate no longer, and none of it is deleted."""
        folder = self.folder("withdrawn", load.about["source"], load.about["table"])
        folder.mkdir(parents=True, exist_ok=True)
        load.folder.rename(folder / load.load_id)
        sync(folder)

    def unjudged(self, source: str, table: str) -> list[Load]:
        """Loads that wait for the gate, the refused ones of earlier runs included."""
        settled = {load.load_id for load in self.loads("accepted", source, table)}
        waiting = []
        for load in self.loads("landed", source, table):
            if load.load_id in settled and not load.about.get(_REJOINED):
                # Killed after both commits and before the landed copy went: that is all to do.
                _discard(load.folder)
            else:
                waiting.append(load)
        return waiting

    def retire_demo(self) -> int:
        """Remove every load of the demo company; returns how many there were."""
        retired = 0
        for stage in STAGES:
            for path in sorted((self.root / stage).glob("*/*/[!.]*/load.json")):
                if json.loads(path.read_text()).get("is_demo"):
                    _discard(path.parent)
                    retired += stage == "accepted"
        for path in (self.root / "cursors").glob("*.demo.json"):
            path.unlink()
        return retired

    def clear_leftovers(self) -> None:
        """Remove what killed runs left half-done (folders whose names begin with a dot)."""
        halves = [path for stage in STAGES for path in (self.root / stage).glob("*/*/.*")]
        for path in [*halves, *self.root.glob(".*")]:
            shutil.rmtree(path)

    def _next_number(self, source: str, table: str) -> int:
        folders = [self.folder(stage, source, table) for stage in STAGES]
        names = [path.name for folder in folders for path in folder.glob("[!.]*")]
        return 1 + max((int(name.split("-")[0]) for name in names), default=0)

    @contextlib.contextmanager
    def _commit(self, stage: str, source: str, table: str, load_id: str) -> Iterator[Path]:
        folder = self.folder(stage, source, table)
        temporary = folder / f".{load_id}"
        temporary.mkdir(parents=True)
        try:
            yield temporary
            for path in temporary.iterdir():
                sync(path)
            sync(temporary)
            temporary.rename(folder / load_id)
            sync(folder)
        finally:
            if temporary.exists():
                shutil.rmtree(temporary, ignore_errors=True)


def newest_readings(loads: Iterable[Load]) -> list[Load]:
    """Of loads in order of arrival those that no later reading of the same content replaced."""
    newest = {load.about.get("content_sha256", load.load_id): load for load in loads}
    return sorted(newest.values(), key=lambda load: load.load_id)


def kept_as(name: str, *, is_demo: bool) -> str:
    """The name under which something is kept: that of the demo company mixes with no other.

    >>> kept_as("identity", is_demo=True), kept_as("identity", is_demo=False)
    ('identity.demo', 'identity')
    """
    return f"{name}.demo" if is_demo else name


@contextlib.contextmanager
def committed(folder: Path) -> Iterator[Path]:
    """A folder that is there as a whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for half in folder.parent.glob(".*/"):
        shutil.rmtree(half)
    temporary = folder.with_name(f".{folder.name}")
    temporary.mkdir()
    try:
        yield temporary
        for path in [*temporary.rglob("*"), temporary]:
            sync(path)
        temporary.rename(folder)
        sync(folder.parent)
    finally:
        if temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path, content: dict) -> None:
    """Replace a JSON file in one step."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n")
    sync(temporary)
    temporary.rename(path)


def sync(path: Path) -> None:
    """Force a file or a folder onto the disk, so that a power cut cannot undo a rename."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _discard(folder: Path) -> None:
    """Remove a committed folder: out of sight in one step, then for good."""
    hidden = folder.with_name(f".{folder.name}.gone")
    if hidden.exists():
        shutil.rmtree(hidden)
    folder.rename(hidden)
    shutil.rmtree(hidden)


def _write_parts(
    folder: Path, batch: Batch, load_id: str, pulled_at: datetime
) -> tuple[int, list[dict]]:
    schema = landed_schema(batch.table)
    rows, parts, told_at = 0, [], time.monotonic()
    writer, rows_in_part = None, 0

    def close() -> None:
        nonlocal writer, rows_in_part
        if writer is not None:
            writer.close()
            parts[-1] |= {"rows": rows_in_part, "sha256": _sha256(folder / parts[-1]["name"])}
            writer, rows_in_part = None, 0

    try:
        for chunk in batch.chunks:
            if writer is None:
                parts.append({"name": f"part-{len(parts):05d}.parquet"})
                writer = pq.ParquetWriter(folder / parts[-1]["name"], schema, compression="zstd")
            writer.write_table(_as_landed(chunk, schema, load_id, pulled_at))
            rows += chunk.num_rows
            rows_in_part += chunk.num_rows
            if time.monotonic() - told_at > SECONDS_BETWEEN_REPORTS:
                told_at = time.monotonic()
                log.info("  … %s rows of %s read", f"{rows:,}", batch.about.get("file", load_id))
            if rows_in_part >= ROWS_PER_PART:
                close()
    finally:
        close()
    return rows, parts


def _as_landed(chunk: pa.Table, schema: pa.Schema, load_id: str, pulled_at: datetime) -> pa.Table:
    unknown = sorted(set(chunk.column_names) - set(schema.names))
    if unknown:
        raise LandingProblem(f"columns outside the contract: {', '.join(unknown)}")
    constants = {"_load_id": load_id, "_pulled_at": pulled_at}
    columns = []
    for field in schema:
        if field.name in constants:
            value = pa.scalar(constants[field.name], field.type)
            columns.append(pa.repeat(value, chunk.num_rows))
        elif field.name in chunk.column_names:
            columns.append(chunk.column(field.name).cast(field.type))
        else:
            columns.append(pa.nulls(chunk.num_rows, field.type))
    return pa.table(columns, schema=schema)


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
