"""What accounting's three systems tell of the demo company, held against what is true of it.

How a system is read, and what one made-up row becomes, is tested elsewhere.
"""

import csv
import dataclasses
import json
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import duckdb
import pytest

from pipelines.identifying import identify
from pipelines.ingest import ingest
from pipelines.settings import Settings, load_settings
from pipelines.warehouse import open_warehouse, register_raw
from sources.access import Configured
from sources.demo.company import AS_OF, FIRST_DAY, SALES_LIST, write_sales_list
from sources.demo.datev_files import YEARS, write_datev_files
from sources.demo.lexware_office_server import FIRST_VOUCHER_DAY
from sources.demo.world import Invoice, draw_world
from sources.registry import SOURCES
from tests.integration.test_dbt_rules import RUN_RESULTS, dbt

ACCOUNTING = [source for source in SOURCES if source.area == "accounting"]
FIRST_BOOKING_DAY = date(YEARS[0], 1, 1)
TWO_AMOUNTS = "assert_a_document_in_two_systems_has_one_amount"
RECORDS_TO_RESOLVE = (
    *("+int_organisations_unioned", "+int_contacts_unioned", "+int_contact_channels_exploded"),
    *("identity_rules", "identity_keys", "identity_overrides"),
)

Row = Mapping[str, object]


@dataclass(frozen=True)
class Truth:
    """The world's documents by number, and those of which a system holds a defective row.

    short: the list has a line too few, too many or another price; without_customer: it has a line
    of nobody; unbooked: DATEV's booking of it is defective.
    """

    documents: Mapping[str, Invoice]
    short: frozenset[str]
    without_customer: frozenset[str]
    unbooked: frozenset[str]

    def of(self, fits: Callable[[Invoice], bool]) -> set[str]:
        return {number for number, document in self.documents.items() if fits(document)}


@dataclass(frozen=True)
class Books:
    """What the warehouse holds after builds with all systems, and with one switched off."""

    output: str
    all_systems: Mapping[str, list[Row]]
    facts: list[tuple]
    without_lexware: Mapping[str, list[Row]]
    without_list: Mapping[str, list[Row]]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings({"STAMMKUNDE_HOME": str(tmp_path_factory.mktemp("home"))})


@pytest.fixture(scope="module")
def truth(settings: Settings, books: Books) -> Truth:
    """The files are those that were pulled: the same world gives the same bytes."""
    folder = settings.home / "demo"
    world = draw_world()
    drawn = write_sales_list(folder / "sales_list", progress=lambda step: None)
    defects = dict(drawn.defects)
    with (folder / "sales_list" / SALES_LIST).open(encoding="cp1252", newline="") as file:
        numbers = [row[1] for row in csv.reader(file, delimiter=";")]
    of_nobody = defects.pop("missing customer")
    return Truth(
        documents={document.number: document for document in world.invoices(FIRST_DAY, AS_OF)},
        short=frozenset(numbers[line - 1] for lines in defects.values() for line in lines),
        without_customer=frozenset(numbers[line - 1] for line in of_nobody),
        unbooked=write_datev_files(folder / "datev", world).spoilt,
    )


@pytest.fixture(scope="module")
def books(settings: Settings) -> Books:
    for source in ACCOUNTING:
        report = ingest(source, settings)
        assert (report.problems, report.refused) == ((), ())
    with open_warehouse(settings) as db:
        register_raw(db, settings)
    build(settings, *RECORDS_TO_RESOLVE)
    identify(settings)
    done = build(
        settings, "+int_invoices_unioned", "+fct_invoices", "accounting_rules", TWO_AMOUNTS
    )
    with open_warehouse(settings) as db:
        facts = db.sql("select document_number, net_amount, open_amount from marts.fct_invoices")
        return Books(
            output=done.stdout,
            facts=facts.fetchall(),
            all_systems=invoices(db),
            without_lexware=invoices_without("lexware_office", db, settings),
            without_list=invoices_without("sales_list", db, settings),
        )


def build(settings: Settings, *chosen: str) -> subprocess.CompletedProcess:
    options = ("--exclude-resource-type", "unit_test", "--indirect-selection", "empty")
    done = dbt(settings.warehouse, "build", *options, "--select", *chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def invoices(db: duckdb.DuckDBPyConnection) -> dict[str, list[Row]]:
    """Number → rows of int_invoices_unioned, the one with a customer first."""
    found = db.sql("from intermediate.int_invoices_unioned order by customer_id nulls last")
    by_number = defaultdict(list)
    for values in found.fetchall():
        row = dict(zip(found.columns, values, strict=True))
        by_number[row["document_number"]].append(row)
    return by_number


def invoices_without(
    name: str, db: duckdb.DuckDBPyConnection, settings: Settings
) -> dict[str, list[Row]]:
    """The same with a source switched off: what dbt compiled, run again in its order.

    Views, which are not run again, see what is registered.
    """
    off = dataclasses.replace(settings, configured={name: Configured(is_enabled=False)})
    register_raw(db, off)
    db.execute(f"set TimeZone = '{settings.timezone}'")
    tables = db.sql("from duckdb_tables() select schema_name, table_name").fetchall()
    for result in json.loads(RUN_RESULTS.read_text(encoding="utf-8"))["results"]:
        _, schema, table = (result["relation_name"] or "..").replace('"', "").split(".")
        if schema == "intermediate" and (schema, table) in tables:
            db.execute(f"create or replace table {schema}.{table} as {result['compiled_code']}")
    return invoices(db)


def differs(rows: list[Row], document: Invoice) -> bool:
    # A document adds up its lines rounded to cents; the list's count as they are multiplied.
    rounded = Decimal("0.005") * len(document.lines)
    return abs(sum(row["net_amount"] for row in rows) - document.net) > rounded


def is_old(document: Invoice) -> bool:
    """From before the move to Lexware Office."""
    return document.on < FIRST_VOUCHER_DAY


def test_every_document_counts_once_from_the_best_system_that_holds_it(books, truth):
    assert books.all_systems.keys() == truth.documents.keys()
    for number, document in truth.documents.items():
        rows = books.all_systems[number]
        sources = {"sales_list" if is_old(document) else "lexware_office"}
        assert {row["source"] for row in rows} == sources
        assert {row["is_credit_note"] for row in rows} == {document.is_credit_note}
        assert {row["invoiced_on"] for row in rows} == {document.on}
        assert rows[0]["customer_number"] == document.customer
    twice = {number for number, rows in books.all_systems.items() if len(rows) > 1}
    assert twice == truth.without_customer & truth.of(is_old)


def test_every_document_has_its_net_amount_but_for_the_lists_defective_lines(books, truth):
    wrong = {
        number
        for number, document in truth.documents.items()
        if differs(books.all_systems[number], document)
    }
    assert wrong == truth.short & truth.of(is_old)
    assert len(wrong) == 51


def test_the_mart_tells_what_the_invoices_do(books):
    rows = [row for rows in books.all_systems.values() for row in rows]
    expected = [(row["document_number"], row["net_amount"], row["open_amount"]) for row in rows]
    assert sorted(books.facts, key=str) == sorted(expected, key=str)


def test_two_amounts_of_one_document_are_warned_of(books, truth):
    in_two = truth.of(lambda document: document.on >= FIRST_BOOKING_DAY)
    only_in_the_list = truth.unbooked & truth.of(is_old)
    expected = truth.short & in_two - only_in_the_list
    assert f"WARN {len(expected)} {TWO_AMOUNTS}" in books.output


def test_every_credit_note_in_an_accounting_system_is_tied_to_its_invoice(books, truth):
    for number, document in truth.documents.items():
        row = books.all_systems[number][0]
        is_told = document.on >= FIRST_BOOKING_DAY
        assert row["credited_document_number"] == (document.credits if is_told else None)


def test_what_is_due_paid_and_open_is_what_the_world_says_to_the_cent(books, truth):
    unknown = truth.unbooked & truth.of(is_old)
    assert len(unknown) == 18
    since = truth.of(lambda document: document.on >= FIRST_BOOKING_DAY)
    assert len(since) > 13_000
    for number in since:
        document, row = truth.documents[number], books.all_systems[number][0]
        payments = document.payments
        settled = sum(payment.amount + payment.cash_discount for payment in payments)
        assert row["settled_amount"] == settled
        is_paid = number not in unknown and not document.open_amount
        paid_on = max(payment.on for payment in payments) if is_paid else None
        terms = (document.due_on, document.gross, document.open_amount)
        if number in unknown:
            terms = (None, None, None)
        found = (row["due_on"], row["document_gross_amount"], row["open_amount"])
        assert (*found, row["paid_on"]) == (*terms, paid_on)
        if is_paid and not document.is_credit_note:
            assert row["payment_delay_days"] == (paid_on - document.due_on).days


def test_the_late_payers_are_those_with_the_greatest_delays(books):
    delays = defaultdict(list)
    for rows in books.all_systems.values():
        for row in rows:
            if row["customer_number"] and row["payment_delay_days"] is not None:
                delays[row["customer_number"]].append(row["payment_delay_days"])
    # Of a single invoice a late second instalment looks like a late payer.
    medians = {
        customer: statistics.median(days) for customer, days in delays.items() if len(days) > 2
    }
    late = draw_world().late_payers & medians.keys()
    assert len(late) > 100
    assert set(sorted(medians, key=medians.get)[-len(late) :]) == late


def test_without_lexware_office_the_sales_list_tells_its_documents(books, truth):
    assert books.without_lexware.keys() == truth.documents.keys()
    new = truth.of(lambda document: not is_old(document))
    for number in new:
        assert {row["source"] for row in books.without_lexware[number]} == {"sales_list"}
    assert len(new) == 1_769
    sound = new - truth.short
    assert len(sound) == 1_768
    for held in (books.all_systems, books.without_lexware):
        assert not any(differs(held[number], truth.documents[number]) for number in sound)
    old = truth.of(is_old)
    assert {number: books.all_systems[number] for number in old} == {
        number: books.without_lexware[number] for number in old
    }


def test_without_the_sales_list_the_accounting_systems_tell_their_documents(books, truth):
    known = truth.of(lambda document: document.on >= FIRST_BOOKING_DAY)
    assert books.without_list.keys() == known - (truth.unbooked & truth.of(is_old))
    for number, (row, *others) in books.without_list.items():
        document = truth.documents[number]
        assert others == []
        assert row["source"] == ("datev" if is_old(document) else "lexware_office")
        assert row["customer_number"] == document.customer
        assert not differs([row], document)
        assert row["open_amount"] == document.open_amount
