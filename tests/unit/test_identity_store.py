"""What identity remembers from night to night is there as a whole or not at all."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.identity.linkage import Model
from pipelines.identity.resolution import COMPARED, PAIRS, Memory
from pipelines.identity.stable_ids import CHANGES, HELD, PAST, Registry
from pipelines.identity.store import NIGHTS_KEPT, Store, is_same

NOW = datetime(2026, 11, 28, 3, 30, tzinfo=UTC)
MODEL = Model(
    {"probability_two_random_records_match": 0.001, "comparisons": [{"ä": [None, 1.5]}]},
    pa.table({"column_name": ["name"], "value": ["müller"], "frequency": [0.25]}),
)


def memory(name: str) -> Memory:
    """What a night may leave; name tells one from another."""
    weights = [{"column": "name", "weight": 5.0}, {"column": "city", "weight": -1.5}]
    return Memory(
        Registry(
            _table(HELD, [f"crm:{name}", f"o_{name}", 1, False]),
            _table(PAST, [f"crm:{name}", "o_before", 1]),
        ),
        _table(CHANGES, [1, "merge", "o_before", f"o_{name}", 1], [2, "gone", "o_x", None, 3]),
        _table(COMPARED, [f"crm:{name}", "0123"]),
        _table(PAIRS, ["crm:1", "crm:2", 0.75, weights], ["crm:3", "crm:4", 1.0, None]),
        model_version="0001",
        pairs_from=0.5,
    )


def _table(schema: pa.Schema, *rows: list) -> pa.Table:
    return pa.Table.from_pylist(
        [dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema
    )


def night(name: str) -> dict[str, Memory]:
    return {"organisation": memory(name), "person": Memory()}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_before_the_first_night_nothing_is_remembered(store):
    assert store.last_night() == (0, {})
    assert store.model("organisation") is None


def test_a_night_is_read_as_it_was_kept(store):
    store.keep_night(1, night("a"))
    number, read = store.last_night()
    kept = night("a")
    assert (number, read.keys()) == (1, kept.keys())
    for kind, one in read.items():
        assert is_same(one, kept[kind])
        assert one.pairs.equals(kept[kind].pairs)


def test_the_last_three_nights_are_kept_and_the_newest_is_read(store, tmp_path):
    for number in (8, 9, 10, 11, 100):
        store.keep_night(number, night(str(number)))
    kept = sorted(path.name for path in (tmp_path / "nights").iterdir())
    assert kept == ["00000010", "00000011", "00000100"]
    assert len(kept) == NIGHTS_KEPT
    number, read = store.last_night()
    assert (number, read["organisation"].registry.held["record"][0].as_py()) == (100, "crm:100")


def failing(problem: BaseException, *, only_folders: bool = False) -> Callable:
    """What to put in the place of a function or of `Path.rename`."""
    rename = Path.rename

    def fail(path: Path, *rest: object, **options: object) -> object:
        if only_folders and not path.is_dir():
            return rename(path, *rest, **options)
        raise problem

    return fail


@pytest.mark.parametrize("at", ["the write", "the rename"])
def test_a_disk_that_fails_leaves_the_last_night_as_it_was(store, tmp_path, monkeypatch, at):
    store.keep_night(1, night("a"))
    store.keep_model("person", MODEL, now=NOW, records=1)
    before = files(tmp_path)
    problem = OSError("no space left on device")
    with monkeypatch.context() as patch:
        if at == "the write":
            patch.setattr(pq, "write_table", failing(problem))
        else:
            patch.setattr(Path, "rename", failing(problem, only_folders=True))
        with pytest.raises(OSError, match="no space left"):
            store.keep_night(2, night("b"))
        with pytest.raises(OSError, match="no space left"):
            store.keep_model("person", MODEL, now=NOW, records=2)
    assert files(tmp_path) == before
    assert store.last_night()[0] == 1
    assert store.model("person").records == 1


def test_a_killed_write_is_neither_read_nor_in_the_way(store, tmp_path, monkeypatch):
    store.keep_night(1, night("a"))
    store.keep_model("person", MODEL, now=NOW, records=1)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", failing(KeyboardInterrupt(), only_folders=True))
        # Who is killed does not tidy up.
        patch.setattr(shutil, "rmtree", lambda *_args, **_options: None)
        with pytest.raises(KeyboardInterrupt):
            store.keep_night(2, night("b"))
        with pytest.raises(KeyboardInterrupt):
            store.keep_model("person", MODEL, now=NOW, records=2)
    assert (tmp_path / "nights" / ".00000002" / "person" / "held.parquet").exists()
    assert store.last_night()[0] == 1
    assert store.model("person").records == 1
    store.keep_night(2, night("c"))
    assert is_same(store.last_night()[1]["organisation"], memory("c"))
    assert store.keep_model("person", MODEL, now=NOW, records=3).version == "0002"
    assert [path for path in files(tmp_path) if "/." in path] == []


def test_what_an_operating_system_leaves_in_a_folder_is_not_in_the_way(store, tmp_path):
    store.keep_night(1, night("a"))
    (tmp_path / "nights" / ".DS_Store").write_bytes(b"\0")
    store.keep_night(2, night("b"))
    assert store.last_night()[0] == 2


def test_a_model_is_read_as_it_was_kept_and_the_newest_of_its_kind_counts(store):
    kept = store.keep_model("organisation", MODEL, now=NOW, records=3_000)
    assert (kept.version, kept.trained_at) == ("0001", "2026-11-28T03:30:00+00:00")
    assert store.model("person") is None
    read = store.model("organisation")
    assert (read.version, read.trained_at, read.records) == ("0001", kept.trained_at, 3_000)
    assert read.model.settings == MODEL.settings
    assert read.model.frequencies.equals(MODEL.frequencies)
    for _ in range(9):
        store.keep_model("organisation", replace(MODEL, settings={}), now=NOW, records=2)
    newest = store.model("organisation")
    assert (newest.version, newest.model.settings) == ("0010", {})


@pytest.mark.parametrize(
    "difference",
    [
        {"registry": memory("b").registry},
        {"registry": Registry(memory("a").registry.held, memory("b").registry.past)},
        {"changes": memory("b").changes},
        {"compared": memory("b").compared},
        {"model_version": "0002"},
        {"pairs_from": 0.6},
    ],
    ids=lambda difference: "".join(difference),
)
def test_a_night_is_like_the_last_only_where_it_leaves_the_same(difference):
    assert is_same(memory("a"), memory("a"))
    assert not is_same(memory("a"), replace(memory("a"), **difference))
