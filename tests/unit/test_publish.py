"""Publishing: one whole version, a link onto it, three kept. Kills and readers: tests/faults."""

from pathlib import Path

import duckdb
import pytest

from pipelines.publishing import publish as module
from pipelines.publishing.publish import PublishingProblem, fingerprints, publish


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "build.duckdb"
    with duckdb.connect(str(path)) as db:
        db.execute("create schema marts")
        db.execute("create schema intermediate")
        db.execute("create table marts.numbers as select i, i::varchar as t from range(10) as r(i)")
        db.execute("comment on table marts.numbers is 'One row per number; isn''t it.'")
        db.execute("comment on column marts.numbers.i is 'The number.'")
        db.execute("create table intermediate.hidden as select 1 as i")
    return path


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "serving" / "stammkunde.duckdb"


def test_marts_are_published_with_their_descriptions_and_nothing_else(warehouse: Path, link: Path):
    published = publish(warehouse, link, run_id="r1")
    assert [(table.name, table.rows) for table in published.tables] == [("numbers", 10)]
    with duckdb.connect(str(link), read_only=True) as db:
        assert db.sql("select sum(i) from marts.numbers").fetchall() == [(45,)]
        schemas = db.sql("select distinct schema_name from duckdb_tables() order by 1").fetchall()
        assert schemas == [("marts",), ("publication",)]
        comments = db.sql(
            "select comment from duckdb_tables() where table_name = 'numbers' "
            "union all select comment from duckdb_columns() where column_name = 'i' "
            "and table_name = 'numbers'"
        ).fetchall()
        assert comments == [("One row per number; isn't it.",), ("The number.",)]
        assert db.sql("select run_id from publication.version").fetchall() == [("r1",)]


def test_the_link_is_relative_and_three_versions_stay(warehouse: Path, link: Path):
    versions = [publish(warehouse, link, run_id=str(n)).file.name for n in range(5)]
    assert link.readlink() == Path("versions") / versions[-1]
    assert sorted(path.name for path in (link.parent / "versions").iterdir()) == versions[-3:]


def test_equal_rows_have_equal_fingerprints_whatever_their_order(warehouse: Path, link: Path):
    publish(warehouse, link, run_id="1")
    before = fingerprints(link)
    with duckdb.connect(str(warehouse)) as db:
        db.execute("create or replace table marts.numbers as from marts.numbers order by i desc")
    publish(warehouse, link, run_id="2")
    assert fingerprints(link) == before
    with duckdb.connect(str(warehouse)) as db:
        db.execute("update marts.numbers set t = 'x' where i = 3")
    publish(warehouse, link, run_id="3")
    assert fingerprints(link) != before


def test_a_warehouse_without_marts_publishes_nothing(tmp_path: Path, link: Path):
    with duckdb.connect(str(tmp_path / "empty.duckdb")):
        pass
    with pytest.raises(PublishingProblem, match="run the build first"):
        publish(tmp_path / "empty.duckdb", link, run_id="1")
    assert not link.exists()


def test_what_does_not_read_back_is_not_published(
    warehouse: Path, link: Path, monkeypatch: pytest.MonkeyPatch
):
    publish(warehouse, link, run_id="1")
    version = link.readlink()
    real = module._read_back

    def after_a_bad_sector(temporary: Path, tables) -> None:
        with duckdb.connect(str(temporary)) as db:
            db.execute("update marts.numbers set i = 99 where i = 3")
        real(temporary, tables)

    monkeypatch.setattr(module, "_read_back", after_a_bad_sector)
    with pytest.raises(PublishingProblem, match=r"marts\.numbers does not read back"):
        publish(warehouse, link, run_id="2")
    assert link.readlink() == version
    assert len(list((link.parent / "versions").iterdir())) == 1


def test_a_published_file_opens_in_the_storage_format_of_a_year_ago(warehouse: Path, link: Path):
    publish(warehouse, link, run_id="1")
    with duckdb.connect() as db:
        db.execute(f"attach '{link}' as published (read_only)")
        tags = db.sql(
            "select tags from duckdb_databases() where database_name = 'published'"
        ).fetchall()
    assert "v1.4" in str(tags)
