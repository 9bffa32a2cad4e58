"""What is kept of identity from night to night, in a folder of the lake.

    nights/<number>/<kind>/   held.parquet  past.parquet  changes.parquet  compared.parquet
                              pairs.parquet  about.json
    models/<kind>/<version>/  settings.json  frequencies.parquet  about.json

A night and a model become visible by one rename; a killed process leaves only folders whose names
begin with a dot. Everything else about identity can be built anew from the records; the ids cannot.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.identity.linkage import Model
from pipelines.identity.resolution import COMPARED, KINDS, PAIRS, Memory
from pipelines.identity.stable_ids import CHANGES, HELD, PAST, Registry
from sources.landing import committed, write_json

NIGHTS_KEPT = 3
_TABLES = {"held": HELD, "past": PAST, "changes": CHANGES, "compared": COMPARED, "pairs": PAIRS}


@dataclass(frozen=True)
class KeptModel:
    """A stored model: when it was trained (ISO 8601, UTC), and on how many records."""

    model: Model
    version: str
    trained_at: str
    records: int


class Store:
    """The folder of one company. The caller holds the writer's lock."""

    def __init__(self, folder: Path) -> None:
        self._nights, self._models = folder / "nights", folder / "models"

    def last_night(self) -> tuple[int, dict[str, Memory]]:
        """The number of the last night and what it left; 0 and nothing before the first."""
        numbers = [int(path.name) for path in self._nights.glob("[!.]*")]
        if not numbers:
            return 0, {}
        folder = self._nights / f"{max(numbers):08d}"
        return max(numbers), {kind: _read(folder / kind) for kind in KINDS}

    def keep_night(self, number: int, memories: Mapping[str, Memory]) -> None:
        """Commit what a night leaves. Raises OSError where the disk fails; then nothing changed."""
        with committed(self._nights / f"{number:08d}") as folder:
            for kind, memory in memories.items():
                (folder / kind).mkdir()
                tables = {
                    "held": memory.registry.held,
                    "past": memory.registry.past,
                    "changes": memory.changes,
                    "compared": memory.compared,
                    "pairs": memory.pairs,
                }
                for name, table in tables.items():
                    pq.write_table(table, folder / kind / f"{name}.parquet")
                about = {"model_version": memory.model_version, "pairs_from": memory.pairs_from}
                write_json(folder / kind / "about.json", about)
        for old in sorted(self._nights.glob("[!.]*"))[:-NIGHTS_KEPT]:
            shutil.rmtree(old)

    def model(self, kind: str) -> KeptModel | None:
        """The newest model of a kind; None where none was trained yet."""
        folders = sorted((self._models / kind).glob("[!.]*"))
        if not folders:
            return None
        about = json.loads((folders[-1] / "about.json").read_text())
        return KeptModel(Model.load(folders[-1]), folders[-1].name, **about)

    def keep_model(self, kind: str, model: Model, *, now: datetime, records: int) -> KeptModel:
        """Commit a model as the newest of its kind."""
        last = self.model(kind)
        version = f"{int(last.version) + 1 if last else 1:04d}"
        about = {"trained_at": now.isoformat(timespec="seconds"), "records": records}
        with committed(self._models / kind / version) as folder:
            model.save(folder)
            write_json(folder / "about.json", about)
        return KeptModel(model, version, **about)


def is_same(one: Memory, other: Memory) -> bool:
    """Whether a night left what the one before it left."""
    return (
        one.model_version == other.model_version
        and one.pairs_from == other.pairs_from
        and all(
            mine.equals(theirs)
            for mine, theirs in (
                (one.registry.held, other.registry.held),
                (one.registry.past, other.registry.past),
                (one.changes, other.changes),
                (one.compared, other.compared),
            )
        )
    )


def _read(folder: Path) -> Memory:
    tables: dict[str, pa.Table] = {
        name: pq.read_table(folder / f"{name}.parquet").cast(schema)
        for name, schema in _TABLES.items()
    }
    return Memory(
        Registry(tables["held"], tables["past"]),
        tables["changes"],
        tables["compared"],
        tables["pairs"],
        **json.loads((folder / "about.json").read_text()),
    )
