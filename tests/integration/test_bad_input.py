"""What a user gets to see when something is wrong: message, exit code, nothing published."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.publishing.publish import fingerprints
from tests.conftest import REPOSITORY, pipelines

MAPPING = """\
columns:
  date: Datum
  invoice_number: Beleg
  customer_number: Kunde
  quantity: Menge
  unit_price: Preis
decimal_mark: ","
"""
LINES = [
    "Datum;Beleg;Kunde;Menge;Preis",
    *(f"{day:02d}.03.2025;R{day};K{day % 5};2;10,50" for day in range(1, 29)),
]


def drop(home: Path, *lines: str, name: str = "a.csv", mapping: str = MAPPING) -> Path:
    inbox = home / "inbox" / "sales_list"
    (inbox / "mapping.yml").write_text(mapping, encoding="utf-8")
    path = inbox / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after a whole run on a small list."""
    home = tmp_path_factory.mktemp("small")
    (home / "inbox" / "sales_list").mkdir(parents=True)
    drop(home, *LINES)
    run = pipelines(home, "run")
    assert run.returncode == 0, run.stderr
    return home


@pytest.fixture
def small(finished: Path, tmp_path: Path) -> Iterator[Path]:
    """That home, to break; it is mended afterwards. At another path dbt would parse it all anew."""
    kept = tmp_path / "kept"
    shutil.copytree(finished, kept, symlinks=True)
    yield finished
    shutil.rmtree(finished)
    shutil.copytree(kept, finished, symlinks=True)


def customers(home: Path) -> list[tuple]:
    with duckdb.connect(str(home / "serving" / "stammkunde.duckdb"), read_only=True) as db:
        return db.sql(
            "select customer_number, order_count, net_revenue_total::varchar "
            "from marts.customer_360 order by 1"
        ).fetchall()


def test_a_bad_line_does_not_keep_the_rest_out_and_a_re_exported_document_replaces_it(small: Path):
    before = {number: revenue for number, _, revenue in customers(small)}
    drop(small, LINES[0], "31.02.2025;R90;K0;1;1,00", "30.03.2025;R91;K0;1;1,00",
         *(f"01.04.2025;R{n};K9;1;1,00" for n in range(92, 99)), name="b.csv")  # fmt: skip
    drop(small, LINES[0], "01.03.2025;R1;K1;5;10,50", name="c.csv")
    run = pipelines(small, "run")
    assert run.returncode == 0, run.stderr
    after = {number: revenue for number, _, revenue in customers(small)}
    assert float(after["K1"]) == pytest.approx(float(before["K1"]) + 3 * 10.5)
    untouched = ("K2", "K3", "K4")
    assert [after[number] for number in untouched] == [before[number] for number in untouched]
    with duckdb.connect(str(small / "serving" / "stammkunde.duckdb"), read_only=True) as db:
        bad = db.sql(
            "select file_name, row_number, column_name, rule, value, remedy "
            "from marts.quarantined_rows"
        ).fetchall()
    (row,) = bad
    assert row[:5] == ("b.csv", 2, "date", "date_is_a_calendar_day", "31.02.2025")
    assert "Write a day that exists" in row[5]
    assert after.keys() == {"K0", "K1", "K2", "K3", "K4", "K9"}


def test_a_wrong_mapping_stops_the_run_and_what_was_published_serves_on(small: Path):
    before = fingerprints(small / "serving" / "stammkunde.duckdb")
    version = (small / "serving" / "stammkunde.duckdb").readlink()
    drop(small, *LINES, "01.05.2025;R99;K1;1;1,00", mapping=MAPPING.replace("Menge", "Meng"))
    run = pipelines(small, "run")
    assert run.returncode == 65, run.stderr
    assert "a.csv, line 1, column Meng: has no column 'Meng'" in run.stderr
    assert "did you mean 'Menge'?" in run.stderr
    assert "Traceback" not in run.stderr
    assert (small / "serving" / "stammkunde.duckdb").readlink() == version
    assert fingerprints(small / "serving" / "stammkunde.duckdb") == before


def test_files_that_cannot_be_read_stop_the_run_by_name(small: Path):
    drop(small, "Datum;Beleg;Kunde;Menge;Preis;Preis", "01.03.2025;R1;K1;1;1,00;2,00")
    workbook = small / "inbox" / "sales_list" / "b.xlsx"
    workbook.write_bytes(b"PK\x03\x04 this is no workbook")
    os.utime(workbook, (1_700_000_000, 1_700_000_000))
    run = pipelines(small, "run")
    assert run.returncode == 65, run.stderr
    assert "b.xlsx" in run.stderr
    assert "column Preis: two columns have one name" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_load_with_too_many_bad_rows_is_refused_and_stays_landed(small: Path):
    drop(small, LINES[0], *(f"x;R{n};K1;1;1,00" for n in range(100, 110)), name="b.csv")
    run = pipelines(small, "run")
    assert run.returncode == 65, run.stderr
    assert "every_load_was_let_in" in run.stderr
    assert "10 of 10 rows (100.0%) are bad" in run.stderr
    landed = small / "lake" / "landed" / "sales_list" / "lines"
    assert len([path for path in landed.iterdir() if not path.name.startswith(".")]) == 1


def test_a_missing_home_is_named(tmp_path: Path):
    run = pipelines(tmp_path / "absent", "run")
    assert run.returncode == 78
    assert "which is not there: create it (mkdir -p" in run.stderr


def test_a_wrong_company_file_is_named(home: Path):
    (home / "stammkunde.yml").write_text("reporting_curency: CHF\n", encoding="utf-8")
    run = pipelines(home, "run")
    assert run.returncode == 78
    assert "did you mean 'reporting_currency'?" in run.stderr


def test_a_second_writer_is_told_who_holds_the_lock(small: Path):
    with (small / ".writer.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        lock.truncate()
        lock.write('{"pid": 4711, "purpose": "a test", "since": "2026-01-01"}')
        lock.flush()
        run = pipelines(small, "run")
    assert run.returncode == 75, run.stderr
    assert "process 4711 (a test, since 2026-01-01) is writing" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_warehouse_open_elsewhere_is_named(small: Path):
    with duckdb.connect(str(small / "warehouse" / "build.duckdb")):
        run = pipelines(small, "run")
    assert run.returncode == 75, run.stderr
    assert "open in another program" in run.stderr


def test_a_damaged_warehouse_is_set_aside_and_built_anew(small: Path):
    before = fingerprints(small / "serving" / "stammkunde.duckdb")
    warehouse = small / "warehouse" / "build.duckdb"
    warehouse.write_bytes(b"\x00" * 20_000)
    run = pipelines(small, "run")
    assert run.returncode == 0, run.stderr
    assert fingerprints(small / "serving" / "stammkunde.duckdb") == before
    assert list(warehouse.parent.glob("build.duckdb.damaged-*"))


def test_a_failed_test_of_the_marts_publishes_nothing(small: Path):
    version = (small / "serving" / "stammkunde.duckdb").readlink()
    (part,) = (small / "lake" / "accepted" / "sales_list" / "lines").glob("*/part-*.parquet")
    rows = pq.read_table(part)
    where = rows.schema.get_field_index("quantity")
    spoiled = pa.array(["zwei", *rows["quantity"].to_pylist()[1:]], pa.string())
    pq.write_table(rows.set_column(where, "quantity", spoiled), part)
    run = pipelines(small, "run")
    assert run.returncode == 1, run.stderr
    assert "staging/stg_sales_list__lines: it does not hold that" in run.stderr
    assert "Traceback" not in run.stderr
    assert (small / "serving" / "stammkunde.duckdb").readlink() == version
    # Nor does a click on the published asset alone bring the half-built marts to the readers.
    alone = materialize(small, "published/stammkunde")
    assert alone.returncode != 0
    assert "do not come from one whole build" in alone.stderr + alone.stdout
    assert (small / "serving" / "stammkunde.duckdb").readlink() == version


def test_a_ledger_of_consent_that_lost_its_end_stops_the_run_and_publishes_nothing(small: Path):
    version = (small / "serving" / "stammkunde.duckdb").readlink()
    heads = small / "reports" / "consent_heads.txt"
    heads.write_text(f"1 2026-01-01T00:00:00+00:00 5 {'a' * 64}\n")
    run = pipelines(small, "run")
    assert run.returncode == 1, run.stderr
    assert "The ledger of consent is not what it was" in run.stderr
    assert "event 1 and what followed were cut off" in run.stderr
    assert "it does not hold that the_ledger_is_what_it_was" in run.stderr
    assert "Traceback" not in run.stderr
    assert (small / "serving" / "stammkunde.duckdb").readlink() == version
    verified = pipelines(small, "verify-consent")
    assert verified.returncode == 65
    assert "event 1 and what followed were cut off" in verified.stderr
    heads.unlink()
    verified = pipelines(small, "verify-consent")
    assert (verified.returncode, verified.stdout.splitlines()[0]) == (
        0,
        "0 events fit, and 0 heads of consent_heads.txt",
    )


def test_one_model_built_alone_is_not_published(small: Path):
    version = (small / "serving" / "stammkunde.duckdb").readlink()
    run = materialize(small, "marts/customer_360,published/stammkunde")
    assert run.returncode != 0
    assert "do not come from one whole build" in run.stderr + run.stdout
    assert (small / "serving" / "stammkunde.duckdb").readlink() == version


def materialize(home: Path, assets: str) -> subprocess.CompletedProcess:
    """What a click on some assets in the Dagster UI does."""
    return subprocess.run(
        [
            Path(sys.executable).with_name("dagster"),
            *("asset", "materialize", "--module-name", "pipelines.definitions"),
            *("--select", assets),
        ],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "STAMMKUNDE_HOME": str(home),
            "DAGSTER_HOME": str(home / "dagster"),
        },
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


def test_the_sources_run_without_dagster(home: Path):
    drop(home, *LINES)
    for arguments in (["list"], ["check"], ["pull", "sales_list"]):
        run = subprocess.run(
            [sys.executable, "-m", "sources", *arguments],
            cwd=REPOSITORY,
            env={**os.environ, "STAMMKUNDE_HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert "sales_list" in run.stdout + run.stderr
    assert list((home / "lake" / "landed" / "sales_list" / "lines").iterdir())


def test_without_any_accounting_the_run_says_what_is_missing(home: Path):
    inbox = home / "inbox" / "monthly_targets"
    inbox.mkdir()
    (inbox / "targets.csv").write_text("month;measure;target\n2026-01-01;revenue;1000\n")
    os.utime(inbox / "targets.csv", (1_700_000_000, 1_700_000_000))
    run = pipelines(home, "run")
    assert run.returncode == 65
    assert "no accounting source brought anything" in run.stderr
    assert "inbox/sales_list" in run.stderr
    assert not (home / "serving" / "stammkunde.duckdb").exists()
