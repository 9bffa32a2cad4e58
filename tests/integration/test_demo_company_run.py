"""A whole run over the demo company: every system is pulled over HTTP or from dropped files.

What single sources, models and rules do is tested elsewhere; here it is asked what comes of all.
"""

import json
import re
import shutil
from pathlib import Path

import duckdb
import pytest

from pipelines.publishing.publish import fingerprints
from pipelines.settings import Settings
from pipelines.warehouse import register_raw
from sources.access import Configured
from sources.demo.company import DEFECTS
from sources.demo.datev_files import write_datev_files
from sources.demo.dropped_files import write_dropped_files
from sources.demo.relations import draw_relations
from sources.demo.world import draw_world
from sources.registry import SOURCES
from tests.conftest import REPOSITORY, pipelines

# Credit notes of a lump sum and tables that contradict each other: the demo company has neither.
EMPTY = ["int_cross_table_findings", "int_documents_undone", "cross_table_findings"]
# What a line of the sales list is spoilt by without being kept out.
ONLY_WARNED = ("zero price", "repeated line", "missing customer")
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory):
    """A home after one run, and what the run printed. Nobody writes into it but the second run."""
    home = tmp_path_factory.mktemp("demo") / "home"
    home.mkdir()
    run = pipelines(home, "run")
    assert run.returncode == 0, run.stderr
    return home, run


def published(home: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(home / "serving" / "stammkunde.duckdb"), read_only=True)


def built(home: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(home / "warehouse" / "build.duckdb"), read_only=True)


def loads(home: Path) -> set[str]:
    found = (home / "lake").glob("*/*/*/[!.]*/load.json")
    return {str(path.relative_to(home)) for path in found}


def marts(home: Path) -> dict[str, str]:
    return fingerprints(home / "serving" / "stammkunde.duckdb")


def test_the_run_prints_what_the_readme_shows(demo):
    shown = re.search(
        r"<!-- output of make run -->\n```text\n(.*?)\n```\n<!-- end of output -->", README, re.S
    ).group(1)
    printed = "\n".join(line.rstrip() for line in demo[1].stderr.splitlines())
    assert shown in printed


def test_every_table_of_every_source_is_filled(demo):
    with built(demo[0]) as db:
        empty = [
            f"{source.name}.{table.name}"
            for source in SOURCES
            for table in source.tables
            if not db.sql(f"from raw_{source.name}.{table.name} limit 1").fetchall()
        ]
    assert empty == []


def test_every_model_is_filled(demo):
    with built(demo[0]) as db:
        tables = db.sql(
            "select schema_name, table_name from duckdb_tables() where schema_name in "
            "('intermediate', 'marts') union all select schema_name, view_name from "
            "duckdb_views() where schema_name in ('staging', 'intermediate')"
        ).fetchall()
        empty = [
            table
            for schema, table in tables
            if not db.sql(f"from {schema}.{table} limit 1").fetchall()
        ]
    assert len(tables) > 100
    assert sorted(empty) == sorted(EMPTY)


def test_exactly_the_injected_defects_are_in_quarantine(demo, tmp_path: Path):
    world = draw_world()
    relations = draw_relations(world)
    expected = {
        source: truth.quarantined
        for source, truth in write_dropped_files(tmp_path, world, relations).items()
    }
    expected["sales_list"] = sum(
        count for defect, count in DEFECTS.items() if defect not in ONLY_WARNED
    )
    datev = write_datev_files(tmp_path / "datev", world)
    expected["datev"] = sum(map(len, datev.defects.values()))
    for system in ("hubspot", "pipedrive", "trustpilot"):
        expected[system] = relations.truth[system]["quarantined"]
    with published(demo[0]) as db:
        found = db.sql(
            "select source, sum(quarantined_rows)::int from marts.load_reconciliation "
            "group by source having sum(quarantined_rows) > 0"
        ).fetchall()
    assert dict(found) == expected


def test_every_row_that_was_answered_is_landed_or_known_already(demo):
    for path in (demo[0] / "lake").glob("accepted/*/*/*/load.json"):
        load = json.loads(path.read_text())
        if "covers" in load:
            assert load["read"] >= load["rows"] - load["deleted"] > 0
        verdict = json.loads(path.with_name("verdict.json").read_text())
        assert load["rows"] == verdict["accepted"] + verdict["quarantined"]


def test_no_secret_and_no_person_is_in_what_dagster_keeps(demo):
    home, run = demo
    world = draw_world()
    persons = [p.email for p in world.people if p.email and "office" not in p.email][:400]
    assert len(persons) == 400
    kept = [path for path in (home / "dagster").rglob("*") if path.is_file()]
    content = b"".join(path.read_bytes() for path in kept) + run.stderr.encode()
    assert [person for person in persons if person.encode() in content] == []


def test_a_second_run_lands_nothing_and_changes_no_published_table(demo):
    home, _ = demo
    before, loads_before = marts(home), loads(home)
    again = pipelines(home, "run")
    assert again.returncode == 0, again.stderr
    assert loads(home) == loads_before
    assert marts(home) == before


def test_with_accounting_alone_the_customers_are_the_same(demo, tmp_path: Path):
    home = tmp_path / "home"
    shutil.copytree(demo[0], home, symlinks=True)
    off = [source.name for source in SOURCES if source.area != "accounting"]
    said = "".join(f"  {name}: {{enabled: false}}\n" for name in off)
    (home / "stammkunde.yml").write_text(f"sources:\n{said}")
    run = pipelines(home, "run")
    assert run.returncode == 0, run.stderr
    with published(home) as db:
        kept = db.sql("select distinct source from marts.load_reconciliation").fetchall()
    assert {source for (source,) in kept} == {"sales_list", "lexware_office", "datev"}
    accounting = ("customer_360", "customer_identities", "fct_invoices", "fct_invoice_lines")
    before, after = marts(demo[0]), marts(home)
    for mart in accounting:
        assert after[f"marts.{mart}"] == before[f"marts.{mart}"], mart
    with built(home) as db:
        for source in SOURCES:
            rows = [
                db.sql(f"from raw_{source.name}.{table.name} limit 1").fetchall()
                for table in source.tables
            ]
            assert any(rows) == (source.area == "accounting"), source.name


@pytest.mark.parametrize(
    "off", [source for source in SOURCES if not source.required], ids=lambda source: source.name
)
def test_one_source_switched_off_empties_its_own_tables_and_no_others(demo, tmp_path: Path, off):
    settings = Settings(demo[0], configured={off.name: Configured(is_enabled=False)})

    def rows(settings: Settings) -> dict[str, int]:
        with duckdb.connect(str(tmp_path / f"{len(settings.configured)}.duckdb")) as db:
            register_raw(db, settings)
            return {
                f"{source.name}.{table.name}": db.sql(
                    f"select count(*) from raw_{source.name}.{table.name}"
                ).fetchall()[0][0]
                for source in SOURCES
                for table in source.tables
            }

    everything, without = rows(Settings(demo[0])), rows(settings)
    assert without == {
        table: 0 if table.startswith(f"{off.name}.") else count
        for table, count in everything.items()
    }
