"""The whole run on 541,909 real invoice lines: the numbers of the issue, and running twice."""

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from pipelines.publishing.publish import fingerprints
from tests.conftest import fill_with_online_retail, pipelines


@dataclass(frozen=True)
class Again:
    """Fingerprints before and after a second run, and what it said."""

    before: dict[str, str]
    after: dict[str, str]
    said: str


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, online_retail: Path) -> Path:
    """A home after one whole run."""
    home = tmp_path_factory.mktemp("retail")
    (home / "inbox" / "sales_list").mkdir(parents=True)
    fill_with_online_retail(home, online_retail)
    run = pipelines(home, "run")
    assert run.returncode == 0, run.stderr
    return home


@pytest.fixture(scope="module")
def db(done: Path) -> duckdb.DuckDBPyConnection:
    with duckdb.connect(str(done / "serving" / "stammkunde.duckdb"), read_only=True) as connection:
        yield connection


def one(db: duckdb.DuckDBPyConnection, sql: str) -> tuple:
    return db.sql(sql).fetchall()[0]


def cents(amount: Decimal) -> Decimal:
    return round(amount, 2)


def test_every_line_is_accounted_for(db: duckdb.DuckDBPyConnection):
    landed, accepted, quarantined, customers, unmatched = one(
        db,
        "select landed_rows, accepted_rows, quarantined_rows, customer_rows, unmatched_rows "
        "from marts.load_reconciliation",
    )
    assert landed == 541_909 == accepted + quarantined
    assert quarantined == 1_338
    assert customers == 406_829
    assert unmatched == 133_742
    assert accepted == customers + unmatched
    # 135,080 lines name no customer: stock corrections and bad debt are quarantined, sales kept.
    assert unmatched + quarantined == 135_080
    assert one(db, "select count(*) from marts.unmatched_records") == (133_742,)
    assert one(db, "select count(distinct row_number) from marts.quarantined_rows") == (1_338,)


def test_customers_documents_and_revenue_are_those_of_the_data(db: duckdb.DuckDBPyConnection):
    assert one(db, "select count(*), count(distinct customer_id) from marts.customer_360") == (
        4_372,
        4_372,
    )
    documents = "select count(*) from marts.fct_invoices where customer_id is not null"
    assert one(db, documents) == (22_190,)
    (revenue,) = one(db, "select sum(net_revenue_total) from marts.customer_360")
    assert cents(revenue) == Decimal("8300065.81")
    assert one(db, "select distinct reporting_currency from marts.customer_360") == ("GBP",)


def test_abc_classes_are_those_of_the_data(db: duckdb.DuckDBPyConnection):
    classes = {
        (abc_class, is_positive): (customers, cents(revenue))
        for abc_class, is_positive, customers, revenue in db.sql(
            "select abc_class, net_revenue_total > 0, count(*), sum(net_revenue_total) "
            "from marts.customer_360 group by all"
        ).fetchall()
    }
    assert classes.pop(("C", False))[0] == 55
    assert classes == {
        ("A", True): (1_178, Decimal("6651083.58")),
        ("B", True): (1_456, Decimal("1246929.52")),
        ("C", True): (1_683, Decimal("415281.85")),
    }


def test_most_buyers_came_back_on_another_day(db: duckdb.DuckDBPyConnection):
    buyers, came_back = one(
        db,
        "select count(*), count(*) filter (days >= 2) from (select count(distinct invoiced_on) "
        "as days from marts.fct_invoice_lines where customer_id is not null and quantity > 0 "
        "group by customer_id)",
    )
    assert buyers == 4_339
    assert round(came_back / buyers, 4) == 0.6430


def test_shares_add_up_to_the_identified_part_of_all_revenue(db: duckdb.DuckDBPyConnection):
    shares, expected = one(
        db,
        "select sum(revenue_share), (select sum(line_amount_net) filter (customer_id is not null) "
        "/ sum(line_amount_net) from marts.fct_invoice_lines) from marts.customer_360",
    )
    assert float(shares) == pytest.approx(float(expected), abs=1e-6)


def test_descriptions_travel_into_the_published_file(db: duckdb.DuckDBPyConnection):
    described, columns = one(
        db,
        "select count(comment), count(*) from duckdb_columns() "
        "where schema_name = 'marts' and table_name = 'customer_360'",
    )
    assert described == columns > 20


@pytest.fixture(scope="module")
def again(done: Path, db: duckdb.DuckDBPyConnection) -> Again:
    """A second run in that home, and what was published before and after it."""
    published = done / "serving" / "stammkunde.duckdb"
    before, version = fingerprints(published), published.readlink()
    run = pipelines(done, "run")
    assert run.returncode == 0, run.stderr
    assert published.readlink() != version, "the second run published nothing"
    return Again(before, fingerprints(published), run.stderr)


def test_a_second_run_changes_no_table(done: Path, again: Again):
    assert len(again.before) >= 7
    assert again.after == again.before
    assert len(list((done / "lake" / "accepted" / "sales_list" / "lines").iterdir())) == 1
    assert "was read before" in again.said


def test_the_whole_run_starts_dbt_once_before_and_once_behind_identity(done: Path, again: Again):
    output = (done / "dagster" / "last_run_output.txt").read_text(encoding="utf-8")
    assert output.count("Running with dbt=") == 2


def test_the_summary_says_what_was_done_and_where_to_look(done: Path, again: Again):
    for said in ("4,372", "8,300,065.81", "GBP", "Premium", "1,338 of 541,909", "make ui"):
        assert said in again.said
    assert str(done / "serving" / "stammkunde.duckdb") in again.said


def test_nothing_personal_is_kept_in_dagsters_storage(done: Path, db: duckdb.DuckDBPyConnection):
    # No default I/O manager ever pickles a table: the storage folder stays empty.
    stored = [path for path in (done / "dagster" / "storage").rglob("*") if path.is_file()]
    assert [path for path in stored if path.suffix not in {".out", ".err", ".complete"}] == []


def test_the_verdict_beside_the_load_counts_without_values(done: Path):
    (load,) = (done / "lake" / "accepted" / "sales_list" / "lines").iterdir()
    verdict = json.loads((load / "verdict.json").read_text(encoding="utf-8"))
    broken = {rule["name"]: rule["broken"] for rule in verdict["rules"]}
    assert broken["quantity_is_negative_only_on_credit_notes"] == 1_336
    assert broken["unit_price_is_negative_only_on_credit_notes"] == 2
    assert broken["unit_price_is_not_zero"] == 2_515
    assert broken["line_stands_only_once_in_its_invoice"] == 5_268
    assert broken["line_names_a_customer"] == 135_080
