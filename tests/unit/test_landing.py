"""The lake: one load, all or nothing. Kills in the middle are simulated by raising."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources.contract import Batch, Column, Table
from sources.landing import Lake, LandingProblem, landed_schema

TABLE = Table("things", "One row per thing.", (Column("name", "Name."),), key=("name",))
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def batch(*names: str, checksum: str = "ab" * 32, **columns) -> Batch:
    rows = pa.table({"name": list(names), "_row": list(range(1, len(names) + 1)), **columns})
    return Batch(table=TABLE, checksum=checksum, chunks=iter([rows]), about={"file": "a.csv"})


def broken_batch() -> Batch:
    def chunks():
        yield pa.table({"name": ["first"], "_row": [1]})
        raise OSError(28, "No space left on device")

    return Batch(table=TABLE, checksum="cd" * 32, chunks=chunks())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def visible(lake: Lake) -> list[str]:
    return sorted(str(path.relative_to(lake.root)) for path in lake.root.rglob("load.json"))


def test_a_landed_load_has_the_contract_columns_and_the_technical_ones(lake: Lake):
    load = lake.land("shop", batch("ä", "b"), pulled_at=NOW)
    rows = pq.read_table(load.parts[0])
    assert rows.schema.names == landed_schema(TABLE).names
    assert rows["name"].to_pylist() == ["ä", "b"]
    assert set(rows["_load_id"].to_pylist()) == {load.load_id}
    assert set(rows["_pulled_at"].to_pylist()) == {NOW}
    assert load.about["rows"] == 2
    assert load.about["parts"][0]["rows"] == 2


def test_load_ids_sort_in_order_of_arrival(lake: Lake):
    first = lake.land("shop", batch("a", checksum="ff" * 32), pulled_at=NOW)
    second = lake.land("shop", batch("b", checksum="00" * 32), pulled_at=NOW)
    assert [first.load_id, second.load_id] == ["00000001-ffffffffffff", "00000002-000000000000"]
    assert [load.load_id for load in lake.all_loads("shop", "things")] == [
        first.load_id,
        second.load_id,
    ]


def test_a_pull_that_breaks_leaves_nothing_visible(lake: Lake):
    with pytest.raises(OSError, match="No space"):
        lake.land("shop", broken_batch(), pulled_at=NOW)
    assert visible(lake) == []
    assert list(lake.folder("landed", "shop", "things").iterdir()) == []


def test_a_column_outside_the_contract_is_refused_by_name(lake: Lake):
    with pytest.raises(LandingProblem, match="surprise"):
        lake.land("shop", batch("a", surprise=["x"]), pulled_at=NOW)
    assert visible(lake) == []


def test_splitting_moves_a_load_on_in_one_step(lake: Lake):
    load = lake.land("shop", batch("a"), pulled_at=NOW)
    with lake.splitting(load) as (accepted, quarantined):
        (accepted / "part-00000.parquet").write_bytes(b"a")
        (quarantined / "rows.parquet").write_bytes(b"q")
        assert visible(lake) == [f"landed/shop/things/{load.load_id}/load.json"]
    assert visible(lake) == [
        f"accepted/shop/things/{load.load_id}/load.json",
        f"quarantine/shop/things/{load.load_id}/load.json",
    ]
    assert lake.unjudged("shop", "things") == []


def test_a_split_that_breaks_leaves_the_load_landed(lake: Lake):
    load = lake.land("shop", batch("a"), pulled_at=NOW)
    with pytest.raises(RuntimeError), lake.splitting(load) as (accepted, _):
        (accepted / "part-00000.parquet").write_bytes(b"a")
        raise RuntimeError("killed")
    assert visible(lake) == [f"landed/shop/things/{load.load_id}/load.json"]
    assert [waiting.load_id for waiting in lake.unjudged("shop", "things")] == [load.load_id]


def test_a_kill_between_the_two_commits_is_mended_by_splitting_again(lake: Lake):
    load = lake.land("shop", batch("a"), pulled_at=NOW)
    half = lake.folder("quarantine", "shop", "things") / load.load_id
    half.mkdir(parents=True)
    (half / "rows.parquet").write_bytes(b"from the killed run")
    with lake.splitting(load) as (_, quarantined):
        (quarantined / "rows.parquet").write_bytes(b"new")
    assert (half / "rows.parquet").read_bytes() == b"new"


def test_a_kill_before_the_landed_copy_goes_is_mended(lake: Lake):
    load = lake.land("shop", batch("a"), pulled_at=NOW)
    accepted = lake.folder("accepted", "shop", "things") / load.load_id
    accepted.mkdir(parents=True)
    (accepted / "load.json").write_text((load.folder / "load.json").read_text())
    assert lake.unjudged("shop", "things") == []
    assert not load.folder.exists()


def test_leftovers_of_a_killed_run_are_cleared(lake: Lake):
    leftover = lake.folder("landed", "shop", "things") / ".00000001-abc"
    leftover.mkdir(parents=True)
    (leftover / "part-00000.parquet").write_bytes(b"half")
    lake.clear_leftovers()
    assert not leftover.exists()
    assert lake.all_loads("shop", "things") == []


def test_only_the_demo_companys_loads_are_retired(lake: Lake):
    real = lake.land("shop", batch("a"), pulled_at=NOW)
    demo = lake.land("shop", batch("b", checksum="ef" * 32), pulled_at=NOW, is_demo=True)
    for load in (real, demo):
        with lake.splitting(load):
            pass
    assert lake.retire_demo() == 1
    assert [load.load_id for load in lake.all_loads("shop", "things")] == [real.load_id]
    assert not (lake.folder("quarantine", "shop", "things") / demo.load_id).exists()
