"""The dbt project on its own: raw relations in, marts out, through dbt's own command line.

Where the raw relations come from and what happens to the marts afterwards is tested elsewhere.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from pipelines.consenting import SCHEMA, recorded
from pipelines.findings import COLUMNS as FINDINGS
from pipelines.identifying import resolved
from pipelines.identity.store import Store
from pipelines.privacy.ledger import ConsentLedger
from pipelines.warehouse import ANSWERS
from sources.accounting.sales_list import LINES
from sources.landing import landed_schema
from sources.registry import SOURCES

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
DBT = Path(sys.executable).with_name("dbt")

LINE_COLUMNS = landed_schema(LINES).names
TYPES = {"int64": "bigint", "bool": "boolean", "timestamp[us, tz=UTC]": "timestamptz"}
FIRST_LOAD, SECOND_LOAD = "00000001-aaaaaaaaaaaa", "00000002-bbbbbbbbbbbb"


# Before it was found who is who.
NOBODY_YET = {
    "identities": "record_kind varchar, source varchar, record_id varchar, record_name varchar, "
    "entity_id varchar, customer_id varchar, customer_rule varchar, rule varchar, "
    "probability double, linked_source varchar, linked_record_id varchar, steps bigint, "
    "chain varchar, spoke_for varchar, spoke_against varchar, weights varchar",
    "contact_points": "record_kind varchar, source varchar, record_id varchar, channel varchar, "
    "value varchar, point varchar, mailbox_kind varchar",
    "review": "record_kind varchar, left_source varchar, left_record_id varchar, "
    "right_source varchar, right_record_id varchar, left_id varchar, right_id varchar, "
    "rule varchar, probability double, spoke_for varchar, spoke_against varchar, reason varchar",
    "changes": "record_kind varchar, night bigint, kind varchar, old_id varchar, new_id varchar, "
    "records bigint",
}


def make_raw(db: duckdb.DuckDBPyConnection, *, as_of: date, currency: str) -> None:
    """The raw relations as the pipelines register them, without a row that a source brought."""
    for schema in ("raw_company", "raw_quality", *(f"raw_{source.name}" for source in SOURCES)):
        db.execute(f"create schema {schema}")
    for source in SOURCES:
        for table in source.tables:
            columns = ", ".join(
                f"{field.name} {TYPES.get(str(field.type), 'varchar')}"
                for field in landed_schema(table)
            )
            db.execute(f"create table raw_{source.name}.{table.name} ({columns})")
    db.execute(
        "create table raw_company.settings as select ?::date as as_of, ? as reporting_currency, "
        "false as is_demo",
        [as_of, currency],
    )
    db.execute(
        "create table raw_quality.loads (source varchar, table_name varchar, load_id varchar, "
        "pulled_at timestamptz, file varchar, checksum varchar, landed_rows bigint, "
        "accepted_rows bigint, quarantined_rows bigint, verdict varchar)"
    )
    db.execute("create schema matching")
    for table, columns in NOBODY_YET.items():
        db.execute(f"create table matching.{table} ({columns})")
    ConsentLedger(Path(_DESK.name) / "no_ledger").register(db, SCHEMA)
    db.execute(
        f"create table {SCHEMA}.contact_points (channel varchar, contact_point varchar, "
        "subject varchar, is_valid boolean)"
    )
    for table, columns in (("quarantined_rows", FINDINGS), ("source_answers", ANSWERS)):
        described = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        db.execute(f"create table raw_quality.{table} ({described})")


def add_load(
    db: duckdb.DuckDBPyConnection,
    load_id: str,
    accepted: int,
    *,
    quarantined: int = 0,
    verdict: str = "accepted",
) -> None:
    db.execute(
        "insert into raw_quality.loads values ('sales_list', 'lines', ?, now(), 'sales.csv', ?, "
        "?, ?, ?, ?)",
        [load_id, load_id[9:], accepted + quarantined, accepted, quarantined, verdict],
    )


def add_lines(db: duckdb.DuckDBPyConnection, load_id: str, lines: Sequence[dict]) -> None:
    """Lines of one load, with what every line of a plain German file has in common."""
    alike = {
        "currency": "EUR",
        "_file": "sales.csv",
        "_decimal_mark": ",",
        "_load_id": load_id,
        "quantity": "1",
        "product_code": "A1",
    }
    rows = [{**alike, "_row": number, **line} for number, line in enumerate(lines, start=2)]
    marks = ", ".join("?" * len(LINE_COLUMNS))
    db.executemany(
        f"insert into raw_sales_list.lines values ({marks})",
        [[row.get(column) for column in LINE_COLUMNS] for row in rows],
    )
    add_load(db, load_id, len(rows))


# Where the path of the warehouse is another one, dbt parses the whole project anew.
_DESK = tempfile.TemporaryDirectory(prefix="dbt_")
# Of the last start: what dbt compiled, and how each of it ended.
RUN_RESULTS = Path(_DESK.name) / "target" / "run_results.json"


def dbt(warehouse: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Start dbt on a warehouse, which lies at one place for all of them meanwhile."""
    desk = Path(_DESK.name)
    where = {
        "--project-dir": PROJECT,
        "--profiles-dir": PROJECT,
        "--target-path": desk / "target",
        "--log-path": desk / "logs",
    }
    options = [word for option in where.items() for word in option]
    on_desk = shutil.move(warehouse, desk / "build.duckdb")
    try:
        return subprocess.run(
            [DBT, "--no-use-colors", "--log-level-file", "none", *arguments, *options],
            env={**os.environ, "STAMMKUNDE_WAREHOUSE": str(on_desk)},
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
    finally:
        shutil.move(on_desk, warehouse)


# The two halves of a night's build, between which it is found who is who and what was declared.
STEPS = ("source:matching+", "source:consent+")
RECORDS = ("--exclude", *STEPS, "--indirect-selection", "buildable")
BEHIND = ("--select", *STEPS)


def marts_of(warehouse: Path) -> subprocess.CompletedProcess:
    """Build what the marts are made of, as far as it goes; nothing else is asked about here."""
    done = dbt(warehouse, "build", "--exclude-resource-type", "unit_test", *RECORDS)
    if done.returncode:
        return done
    with duckdb.connect(str(warehouse)) as db:
        resolved(db, Store(warehouse.with_name("identity")))
        ledger = ConsentLedger(warehouse.with_name("consent"))
        recorded(db, ledger, warehouse.with_name("heads.txt"), now=datetime.now(UTC))
    return dbt(warehouse, "build", "--exclude-resource-type", "unit_test", *BEHIND)


def nightly_build(warehouse: Path) -> None:
    done = marts_of(warehouse)
    assert done.returncode == 0, done.stdout + done.stderr


def fingerprints(warehouse: Path) -> dict[str, tuple]:
    """Row count and hash of every mart; the order of rows plays no part."""
    with duckdb.connect(str(warehouse), read_only=True) as db:
        marts = db.sql(
            "select table_name from duckdb_tables() where schema_name = 'marts'"
        ).fetchall()
        return {
            name: db.sql(f"select count(*), sum(hash(mart)) from marts.{name} as mart").fetchall()
            for (name,) in marts
        }


@pytest.fixture
def empty_warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "build.duckdb"
    with duckdb.connect(str(path)) as db:
        make_raw(db, as_of=date(2026, 1, 1), currency="EUR")
    return path


def test_every_rule_holds_on_made_up_rows_and_no_sales_are_no_broken_build(empty_warehouse: Path):
    done = dbt(empty_warehouse, "build")
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {name: rows[0][0] for name, rows in fingerprints(empty_warehouse).items()}
    assert counts == dict.fromkeys(
        [
            "consent_events",
            "consent_funnel",
            "consent_rate",
            "consent_status",
            "consent_status_history",
            "consent_worklist",
            "contact_points",
            "cross_table_findings",
            "customer_360",
            "customer_identities",
            "fct_complaints",
            "fct_invoice_lines",
            "fct_invoices",
            "fct_reviews",
            "identity_changes",
            "identity_review",
            "load_reconciliation",
            "mailing_permission",
            "quarantined_rows",
            "source_scorecard",
            "unmatched_records",
        ],
        0,
    )


def test_values_that_cannot_be_read_and_rows_unaccounted_for_stop_the_build(empty_warehouse: Path):
    with duckdb.connect(str(empty_warehouse)) as db:
        bad = [
            {"date": "31.02.2025", "unit_price": "1,00"},
            {"date": "1.2.2025", "unit_price": "1.50"},
            {"date": "1.2.2025", "unit_price": "1,50", "document_kind": "refund"},
            {"date": "1.2.2025", "unit_price": "1,50", "currency": "XAU"},
        ]
        add_lines(db, FIRST_LOAD, bad)
        add_load(db, SECOND_LOAD, 7)
        db.execute("update raw_quality.loads set landed_rows = 9")
    done = marts_of(empty_warehouse)
    assert done.returncode == 1
    for name in (
        "every_date_the_gate_let_in_could_be_read",
        "every_amount_the_gate_let_in_could_be_read",
        "a_marked_document_is_an_invoice_or_a_credit_note",
    ):
        assert f"Failure in test {name}" in done.stdout
    # Behind a failed test dbt builds nothing: the others are asked once the first are mended.
    with duckdb.connect(str(empty_warehouse)) as db:
        db.execute("delete from raw_sales_list.lines where currency = 'EUR'")
    done = marts_of(empty_warehouse)
    assert "Failure in test every_line_in_a_foreign_currency_finds_a_rate" in done.stdout
    with duckdb.connect(str(empty_warehouse)) as db:
        db.execute("delete from raw_sales_list.lines")
    done = marts_of(empty_warehouse)
    assert done.returncode == 1
    assert "Failure in test every_accepted_row_is_accounted_for" in done.stdout
    assert "Failure in test every_landed_row_is_accepted_or_quarantined" in done.stdout


# What each customer of the made-up company did: (day, number, amount, credit note?).
PURCHASES = {
    "one invoice": [("1.12.2025", "1", "10")],
    "two lines": [("1.12.2025", "2", "10"), ("1.12.2025", "2", "20")],
    "two invoices": [("1.11.2025", "3", "10"), ("1.12.2025", "4", "10")],
    "second cancelled": [
        ("1.11.2025", "5", "10"),
        ("1.12.2025", "6", "20"),
        ("2.12.2025", "7", "20", "credit"),
    ],
    "second partially credited": [
        ("1.11.2025", "8", "10"),
        ("1.12.2025", "9", "20"),
        ("1.12.2025", "9", "30"),
        ("2.12.2025", "10", "20", "credit"),
    ],
    "returned, bought again": [
        ("1.1.2025", "11", "30"),
        ("1.2.2025", "12", "30", "credit"),
        ("1.12.2025", "13", "30"),
    ],
    "only purchase cancelled": [("1.11.2025", "14", "10"), ("2.11.2025", "15", "10", "credit")],
    "today": [("31.12.2025", "16", "10")],
    "silent": [("1.1.2024", "17", "300"), ("1.2.2024", "18", "500")],
    "below Business": [("1.6.2025", "20", "49.999,99")],
    "Business": [("1.6.2025", "21", "50.000,00")],
    "below Premium": [("1.6.2025", "22", "149.999,99")],
    "Premium": [("1.6.2025", "23", "150.000,00")],
    "below Strategic": [("1.6.2025", "24", "499.999,99")],
    "Strategic": [("1.6.2025", "25", "500.000,00")],
    "first of the year": [("1.1.2025", "26", "50.000,00")],
    "last of the year before": [("31.12.2024", "27", "50.000,00")],
    "same number": [("1.5.2024", "28", "10"), ("1.5.2025", "28", "10")],
    "without a number": [("1.12.2025", None, "10"), ("2.12.2025", None, "10")],
}


def line_of(customer: str, day: str, number: str | None, amount: str, credit: str = "") -> dict:
    return {
        "date": day,
        "invoice_number": number,
        "customer_number": customer,
        "document_kind": "credit_note" if credit else "invoice",
        # One half of all exports prints credit notes positive.
        "credit_note_amounts": "positive",
        "unit_price": amount,
    }


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse built from the made-up company: a first file, and one that corrects it."""
    path = tmp_path_factory.mktemp("company") / "build.duckdb"
    first = [line_of(name, *sale) for name, sales in PURCHASES.items() for sale in sales]
    first += [
        {"date": "1.12.2025", "invoice_number": "40", "unit_price": "7"},
        line_of("corrected", "1.12.2025", "41", "1000"),
        line_of("corrected", "1.12.2025", "41", "500"),
        line_of("sold to another", "1.12.2025", "42", "10"),
        line_of("later", "1.1.2026", "43", "10"),
        {"date": "1.12.2025", "email": "Eva@Kueche.example", "unit_price": "8"},
        {"date": "2.12.2025", "email": "eva@kueche.EXAMPLE", "unit_price": "8"},
        {"date": "2.12.2025", "customer_name": "Gasthof  Adler", "unit_price": "8"},
    ]
    second = [
        line_of("corrected", "1.12.2025", "41", "900"),
        line_of("the other", "1.12.2025", "42", "10"),
    ]
    with duckdb.connect(str(path)) as db:
        make_raw(db, as_of=date(2026, 1, 1), currency="EUR")
        add_lines(db, FIRST_LOAD, first)
        add_lines(db, SECOND_LOAD, second)
        add_load(db, "00000003-cccccccccccc", 0, quarantined=0, verdict="rejected")
    nightly_build(path)
    return path


@pytest.fixture(scope="module")
def ask(company: Path) -> Callable[[str], list[tuple]]:
    with duckdb.connect(str(company), read_only=True) as db:
        yield lambda sql: db.sql(sql).fetchall()


@pytest.mark.parametrize(
    ("customer", "lifecycle", "orders"),
    [
        ("one invoice", "new", 1),
        ("two lines", "new", 1),
        ("two invoices", "existing", 2),
        ("second cancelled", "new", 1),
        ("second partially credited", "existing", 2),
        ("returned, bought again", "new", 1),
        ("only purchase cancelled", "prospect", 0),
        ("today", "new", 1),
        ("silent", "former", 2),
        ("same number", "existing", 2),
        ("without a number", "existing", 2),
    ],
)
def test_an_existing_customer_bought_at_least_twice(
    ask, customer: str, lifecycle: str, orders: int
):
    found = ask(
        "select lifecycle, is_existing_customer, order_count from marts.customer_360 "
        f"where customer_number = '{customer}'"
    )
    assert found == [(lifecycle, orders >= 2, orders)]


def test_a_dormant_customer_is_listed_with_the_revenue_at_stake(ask):
    assert ask(
        "select is_dormant, revenue_at_stake, last_ordered_on, days_since_last_order, "
        "purchase_interval_days from marts.customer_360 where customer_number = 'silent'"
    ) == [(True, Decimal(800), date(2024, 2, 1), 700, 31.0)]
    assert ask(
        "select is_dormant, revenue_at_stake from marts.customer_360 "
        "where customer_number in ('today', 'only purchase cancelled')"
    ) == [(False, None), (False, None)]


@pytest.mark.parametrize(
    ("customer", "tier", "missing"),
    [
        ("below Business", "No tier", "0.01"),
        ("Business", "Business", "100000"),
        ("below Premium", "Business", "0.01"),
        ("Premium", "Premium", "350000"),
        ("below Strategic", "Premium", "0.01"),
        ("Strategic", "Strategic partner", None),
        ("first of the year", "Business", "100000"),
        ("last of the year before", "No tier", "50000"),
    ],
)
def test_a_tier_begins_at_its_minimum_to_the_cent(ask, customer: str, tier: str, missing: str):
    assert ask(
        "select tier, revenue_to_next_tier from marts.customer_360 "
        f"where customer_number = '{customer}'"
    ) == [(tier, missing and Decimal(missing))]


def test_a_newer_file_replaces_the_documents_it_holds(ask):
    assert ask(
        "select customer_number, net_revenue_total from marts.customer_360 where customer_number "
        "in ('corrected', 'sold to another', 'the other') order by all"
    ) == [("corrected", Decimal(900)), ("the other", Decimal(10))]


def test_what_lies_on_the_as_of_date_or_after_it_does_not_count_yet(ask):
    assert ask("select * from marts.customer_360 where customer_number = 'later'") == []
    assert ask("select * from marts.fct_invoices where invoiced_on >= '2026-01-01'") == []


def test_a_customer_without_a_number_is_known_by_email_or_name(ask):
    assert ask(
        "select customers.email, customers.customer_name, customers.order_count, "
        "split_part(identities.record_id, ':', 1), identities.rule, identities.probability "
        "from marts.customer_360 as customers join marts.customer_identities as identities "
        "using (customer_id) where customers.customer_number is null order by all"
    ) == [
        ("eva@kueche.example", None, 2, "email", "first record", 1.0),
        (None, "Gasthof  Adler", 1, "customer_name", "first record", 1.0),
    ]


def test_every_row_of_every_load_is_accounted_for(ask):
    first = sum(len(sales) for sales in PURCHASES.values()) + 8
    assert ask(
        "select load_id, landed_rows, accepted_rows, customer_rows, unmatched_rows, "
        "superseded_rows, later_rows from marts.load_reconciliation order by all"
    ) == [
        (FIRST_LOAD, first, first, first - 5, 1, 3, 1),
        (SECOND_LOAD, 2, 2, 2, 0, 0, 0),
        ("00000003-cccccccccccc", 0, 0, 0, 0, 0, 0),
    ]
    assert ask("select document_number, unmatched_reason from marts.unmatched_records") == [
        ("40", "no customer number, e-mail or name")
    ]


def test_building_twice_changes_nothing(company: Path, tmp_path: Path):
    before = fingerprints(company)
    again = tmp_path / "build.duckdb"
    again.write_bytes(company.read_bytes())
    # Contact points are named by a key of the ledger.
    shutil.copytree(company.with_name("consent"), again.with_name("consent"))
    nightly_build(again)
    assert fingerprints(again) == before
    assert before["customer_360"][0][0] == len(PURCHASES) + 4


@pytest.fixture(scope="module")
def retail(tmp_path_factory: pytest.TempPathFactory, online_retail: Path):
    """The marts of Online Retail, as of the day after its last invoice."""
    path = tmp_path_factory.mktemp("retail") / "build.duckdb"
    with duckdb.connect(str(path)) as db:
        make_raw(db, as_of=date(2011, 12, 10), currency="GBP")
        db.read_parquet(str(online_retail)).create_view("online_retail")
        db.execute(
            "insert into raw_sales_list.lines by name select "
            "strftime(InvoiceDate, '%Y-%m-%d %H:%M:%S') as date, InvoiceNo as invoice_number, "
            "CustomerID::bigint::varchar as customer_number, StockCode as product_code, "
            "Description as product, Quantity::bigint::varchar as quantity, "
            "UnitPrice::varchar as unit_price, 'GBP' as currency, "
            "if(InvoiceNo like 'C%', 'credit_note', 'invoice') as document_kind, "
            f"row_number() over () as _row, '.' as _decimal_mark, '{FIRST_LOAD}' as _load_id "
            "from online_retail "
            # What the gate quarantines: stock corrections and bad-debt bookings, 1,338 lines.
            "where InvoiceNo like 'C%' or (Quantity >= 0 and UnitPrice >= 0)"
        )
        add_load(db, FIRST_LOAD, 541_909 - 1_338, quarantined=1_338)
    nightly_build(path)
    with duckdb.connect(str(path), read_only=True) as db:
        yield lambda sql: db.sql(sql).fetchall()


def test_customers_documents_and_revenue_are_those_of_the_data(retail):
    assert retail(
        "select count(*), count(distinct customer_id), round(sum(net_revenue_total), 2) "
        "from marts.customer_360"
    ) == [(4_372, 4_372, Decimal("8300065.81"))]
    assert retail("select count(*) from marts.fct_invoices where customer_id is not null") == [
        (22_190,)
    ]


def test_abc_classes_are_those_of_the_data(retail):
    assert retail(
        "select abc_class, net_revenue_total > 0 as is_positive, count(*), "
        "round(sum(net_revenue_total) filter (net_revenue_total > 0), 2) "
        "from marts.customer_360 group by all order by all"
    ) == [
        ("A", True, 1_178, Decimal("6651083.58")),
        ("B", True, 1_456, Decimal("1246929.52")),
        ("C", False, 55, None),
        ("C", True, 1_683, Decimal("415281.85")),
    ]


def test_buyers_and_those_who_came_back_are_those_of_the_data(retail):
    [(buyers, share)] = retail(
        "select count(*), round(count(*) filter (days >= 2) / count(*), 4) from ("
        "select count(distinct invoiced_on) as days from marts.fct_invoice_lines "
        "where customer_id is not null and quantity > 0 group by customer_id)"
    )
    assert (buyers, share) == (4_339, 0.6430)


def test_what_is_left_of_a_purchase_is_what_a_stack_of_pieces_says(retail):
    lines = retail(
        "select line_id, customer_id, lower(coalesce(product_code, product_name, '')), unit_price, "
        "quantity, remaining_quantity from marts.fct_invoice_lines where customer_id is not null "
        "and document_id not in (select document_id from intermediate.int_documents_undone) "
        "order by invoiced_on, quantity < 0, load_id, file_row"
    )
    left: dict[str, Decimal] = {}
    stacks: dict[tuple, list[str]] = defaultdict(list)
    for line_id, *kind, quantity, _ in lines:
        stack = stacks[tuple(kind)]
        left[line_id] = max(quantity, Decimal(0))
        if quantity > 0:
            stack.append(line_id)
        while quantity < 0 and stack:
            taken = min(-quantity, left[stack[-1]])
            left[stack[-1]] -= taken
            quantity += taken
            if not left[stack[-1]]:
                stack.pop()
    wrong = [line[0] for line in lines if line[-1] != left[line[0]]]
    assert wrong == []
    assert sum(1 for line in lines if 0 < line[4] != line[5]) > 5_000, "hardly anything returned"


def test_shares_of_revenue_add_up_to_what_named_customers_bought(retail):
    [(shares, expected)] = retail(
        "select (select sum(revenue_share) from marts.customer_360), "
        "sum(line_amount_net) filter (customer_id is not null) / sum(line_amount_net) "
        "from marts.fct_invoice_lines"
    )
    assert shares == pytest.approx(float(expected), abs=1e-9)
    assert 0.84 < shares < 0.86
