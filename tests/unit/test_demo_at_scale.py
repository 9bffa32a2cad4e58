"""The demo company at scale: what it says of itself against what lies in the lake."""

import hashlib
import json
from collections import defaultdict
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from pipelines.settings import load_settings
from quality.gate import judging
from quality.suites.catalogue import suite_for
from quality.thresholds import shipped
from sources.access import is_demo, is_on
from sources.demo import at_scale
from sources.demo.at_scale import CUSTOMER_OF, ScaleTruth, write_landed
from sources.demo.company import AS_OF, FIRST_DAY
from sources.demo.organisations import vat_id
from sources.landing import Lake
from sources.registry import source_named

CUSTOMERS, INVOICES = 2_000, 20_000
LONG = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
SHORT = str.maketrans({"ä": "a", "ö": "o", "ü": "u", "Ä": "A", "Ö": "O", "Ü": "U", "ß": "ss"})
TABLES = (
    ("sales_list", "lines"),
    ("hubspot", "companies"),
    ("hubspot", "contacts"),
    ("mailchimp", "lists"),
    ("mailchimp", "members"),
)


def write(folder: Path, **changes) -> tuple[Lake, ScaleTruth]:
    lake, told = Lake(folder), []
    size = {"customers": CUSTOMERS, "invoices": INVOICES, "seed": 7} | changes
    truth = write_landed(lake, **size, progress=told.append)
    assert told
    return lake, truth


def rows_of(lake: Lake, source: str, table: str, more: str = "null as _") -> list[dict]:
    """The landed rows as text; `more` is SQL that adds a column."""
    parts = [str(part) for load in lake.loads("landed", source, table) for part in load.parts]
    found = duckdb.read_parquet(parts).project(f"*, {more}")
    return found.order("_load_id, _row").to_arrow_table().to_pylist()


def rows_with_customers(lake: Lake, source: str, table: str) -> list[dict]:
    return rows_of(lake, source, table, f"{CUSTOMER_OF[source, table]} as customer")


def contents(lake: Lake) -> dict[tuple[str, str], list[str]]:
    return {
        name: [
            part["sha256"] for load in lake.loads("landed", *name) for part in load.about["parts"]
        ]
        for name in TABLES
    }


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, ScaleTruth]:
    return write(tmp_path_factory.mktemp("at_scale"))


@pytest.fixture(scope="module")
def lines(landed) -> list[dict]:
    return rows_of(landed[0], "sales_list", "lines")


@pytest.fixture(scope="module")
def domains(lines: list[dict]) -> dict[str, str]:
    """Customer number → domain, from the invoices that have an e-mail address."""
    return {
        line["customer_number"]: line["email"].partition("@")[2] for line in lines if line["email"]
    }


def amount(line: dict) -> Decimal | None:
    """In EUR; None where a clerk could not book the line."""
    try:
        datetime.strptime(line["date"], "%d.%m.%Y")
        return int(line["quantity"]) * Decimal(line["unit_price"].replace(",", "."))
    except ValueError:
        return None


def test_the_same_seed_lands_the_same_bytes_and_another_one_others(landed, tmp_path: Path):
    lake, truth = landed
    again, truth_again = write(tmp_path / "again")
    assert (contents(again), truth_again) == (contents(lake), truth)
    other, other_truth = write(tmp_path / "other", seed=8)
    assert other_truth.net_revenue != truth.net_revenue
    for name in TABLES:
        # The audience is the same in every company; the load is named after the seed, too.
        ours, theirs = (
            [row | {"_load_id": None} for row in rows_of(each, *name)] for each in (lake, other)
        )
        assert (ours == theirs) == (name == ("mailchimp", "lists")), name


def test_what_is_there_already_is_not_landed_again(tmp_path: Path):
    lake, truth = write(tmp_path, customers=100, invoices=500)
    assert write(tmp_path, customers=100, invoices=500)[1] == truth
    assert [len(lake.loads("landed", *name)) for name in TABLES] == [5, 1, 1, 1, 1]
    write(tmp_path, customers=100, invoices=501)
    assert [len(lake.loads("landed", *name)) for name in TABLES] == [10, 2, 2, 2, 2]


def test_where_a_chunk_ends_changes_no_row(landed, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(at_scale, "INVOICES_PER_CHUNK", 777)
    monkeypatch.setattr(at_scale, "CUSTOMERS_PER_CHUNK", 333)
    in_bits, _ = write(tmp_path)
    for name in TABLES:
        assert rows_of(in_bits, *name) == rows_of(landed[0], *name), name


@pytest.mark.parametrize(
    ("customers", "invoices"), [(0, 10), (11, 10), (at_scale.MOST_CUSTOMERS + 1, 10_000_000)]
)
def test_a_size_that_cannot_be_is_refused(tmp_path: Path, customers: int, invoices: int):
    with pytest.raises(ValueError, match="cannot be"):
        write(tmp_path, customers=customers, invoices=invoices)
    assert not list(tmp_path.iterdir())


def test_all_counts_are_those_that_were_told(landed, lines: list[dict]):
    lake, truth = landed
    numbers = {line["invoice_number"] for line in lines}
    bad = [line for line in lines if amount(line) is None]
    found = {name: len(rows_of(lake, source, name)) for source, name in TABLES}
    assert (truth.customers, truth.invoices) == (CUSTOMERS, INVOICES)
    assert sum(number.startswith("RE-") for number in numbers) == INVOICES
    assert sum(number.startswith("GS-") for number in numbers) == truth.credit_notes > 100
    assert len({line["customer_number"] for line in lines}) == CUSTOMERS
    assert len(bad) == truth.bad_lines > 10
    assert {line["quantity"] == "zwei" for line in bad} == {True, False}
    assert found == {
        "lines": truth.lines,
        "companies": truth.companies,
        "contacts": truth.contacts,
        "lists": 1,
        "members": truth.members,
    }
    # Two lines an invoice, on average, and those of the credit notes.
    assert 1.9 < truth.lines / (INVOICES + truth.credit_notes) < 2.1


def test_the_revenue_is_right_to_the_cent(landed, lines: list[dict]):
    assert sum(amount(line) or 0 for line in lines) == landed[1].net_revenue


def test_the_gate_stops_the_bad_lines_and_finds_nothing_else(landed):
    lake, truth = landed
    stopped = defaultdict(int)
    for source, name in TABLES:
        table = source_named(source).table(name)
        for load in lake.loads("landed", source, name):
            pulled_on = date.fromisoformat(load.about["pulled_at"][:10])
            with judging(
                load.parts, suite_for(source, table, shipped(), pulled_on=pulled_on)
            ) as judgement:
                verdict = judgement.verdict
            assert verdict.is_let_in
            stopped[source] += verdict.quarantined
            broken = {result.rule.name for result in verdict.results if result.broken}
            assert broken <= {
                "date_is_a_calendar_day",
                "quantity_is_a_number",
                "line_has_an_amount",
            }, f"{source}.{name}"
    assert stopped == {"sales_list": truth.bad_lines, "hubspot": 0, "mailchimp": 0}


def test_each_file_holds_its_own_year_from_row_two_on(landed):
    for year, load in enumerate(landed[0].loads("landed", "sales_list", "lines"), start=2021):
        days, rows, file = duckdb.sql(
            "select list(date) filter (document_kind = 'invoice' and date <> '31.02.2025'), "
            f"list(_row), any_value(_file) from read_parquet({[str(p) for p in load.parts]})"
        ).fetchall()[0]
        assert file == load.about["file"] == f"verkaufsliste_{year}.csv"
        assert rows == list(range(2, load.about["rows"] + 2))
        assert {day[-4:] for day in days} == {str(year)}
        months = {day[3:5] for day in days}
        assert len(months) == 12


def test_a_customer_has_one_name_and_one_address_in_all_invoices(lines: list[dict]):
    known = defaultdict(set)
    for line in lines:
        known[line["customer_number"]].add((line["customer_name"], line["email"]))
    assert known.keys() == {str(10_000_000 + i) for i in range(CUSTOMERS)}
    assert {len(each) for each in known.values()} == {1}
    names = {name for each in known.values() for name, _ in each}
    addresses = [email for each in known.values() for _, email in each if email]
    assert len(names) == CUSTOMERS
    assert len(set(addresses)) == len(addresses) == CUSTOMERS * 4 // 5


def test_some_customers_bought_once_and_some_a_hundred_times(lines: list[dict]):
    bought = defaultdict(set)
    for line in lines:
        if line["document_kind"] == "invoice":
            bought[line["customer_number"]].add(line["invoice_number"])
    counts = [len(numbers) for numbers in bought.values()]
    assert counts.count(1) > CUSTOMERS // 10
    assert max(counts) < INVOICES // 100
    assert sum(count > 20 for count in counts) > CUSTOMERS // 10


def test_a_credit_note_undoes_one_invoice_as_a_whole(lines: list[dict]):
    documents = defaultdict(list)
    for line in lines:
        documents[line["invoice_number"]].append(line)
    for number, undone in documents.items():
        if not number.startswith("GS-"):
            continue
        invoice = documents[number.replace("GS-", "RE-")]
        days = [
            datetime.strptime(document[0]["date"], "%d.%m.%Y").date()
            for document in (invoice, undone)
        ]
        assert days[0] >= FIRST_DAY and (days[1] - days[0]).days == 10 and days[1] < AS_OF
        assert sum(map(amount, invoice)) == -sum(map(amount, undone)) > 0
        assert {line["customer_number"] for line in invoice + undone} == {
            invoice[0]["customer_number"]
        }


def test_companies_belong_to_customers_as_told(landed, lines: list[dict], domains: dict):
    lake, truth = landed
    names = {line["customer_number"]: line["customer_name"] for line in lines}
    seen, misspelt, identified = defaultdict(int), 0, defaultdict(int)
    for company in rows_with_customers(lake, "hubspot", "companies"):
        customer = company["customer"]
        seen[customer] += 1
        misspelt += company["name"] != names[customer]
        assert company["domain"] == domains.get(customer, company["domain"])
        assert company["customer_number"] in (None, customer)
        assert company["vat_id"] in (None, vat_id("DE", int(customer) - 10_000_000))
        for name in ("customer_number", "vat_id"):
            identified[name] += company[name] is not None
    assert seen.keys() <= names.keys()
    assert sum(count - 1 for count in seen.values()) == truth.duplicates == CUSTOMERS // 100
    assert len(seen) == truth.companies - truth.duplicates == CUSTOMERS * 6 // 10
    assert 0.3 < misspelt / truth.companies < 0.5
    assert min(identified.values()) > truth.companies // 4


def test_companies_are_misspelt_in_every_way_that_was_told(landed, lines: list[dict]):
    names = {line["customer_number"]: line["customer_name"] for line in lines}
    ways = defaultdict(int)
    for company in rows_with_customers(landed[0], "hubspot", "companies"):
        name, right = company["name"], names[company["customer"]]
        ways["without legal form"] += name != right and right.startswith(f"{name} ")
        ways["one letter lost"] += len(name) == len(right) - 1
        ways["ae"] += name == right.translate(LONG) != right
        ways["a"] += name == right.translate(SHORT) != right
    assert min(ways.values()) > 50, ways


def test_contacts_work_for_the_company_they_name(landed, domains: dict):
    lake, truth = landed
    companies = {
        company["id"]: company["customer"]
        for company in rows_with_customers(lake, "hubspot", "companies")
    }
    contacts = rows_with_customers(lake, "hubspot", "contacts")
    for contact in contacts:
        customer = contact["customer"]
        assert companies[contact["associatedcompanyid"]] == customer
        domain = contact["email"].partition("@")[2]
        assert domain == domains.get(customer, domain)
    for column in ("id", "email"):
        assert len({contact[column] for contact in contacts}) == truth.contacts
    assert {contact["customer"] for contact in contacts} == set(companies.values())
    # Owner and partner may bear one surname; their addresses must differ all the same.
    people = {(contact["customer"], contact["firstname"]) for contact in contacts}
    assert len(people) == truth.contacts


def test_members_belong_to_customers_and_show_their_opt_in(landed, domains: dict):
    lake, truth = landed
    members = rows_with_customers(lake, "mailchimp", "members")
    for member in members:
        address = member["email_address"].lower()
        domain = address.partition("@")[2]
        assert domain == domains.get(member["customer"], domain)
        assert member["id"] == hashlib.md5(address.encode()).hexdigest()
        signup, opt = member["timestamp_signup"], member["timestamp_opt"]
        assert (opt == "") == (member["status"] == "pending")
        assert signup <= opt <= member["last_changed"] < AS_OF.isoformat() or opt == ""
        assert json.loads(member["merge_fields"])["LNAME"]
    assert {member["status"] for member in members} == {
        *("subscribed", "unsubscribed", "pending", "cleaned", "archived")
    }
    assert len({member["customer"] for member in members}) == truth.members
    assert any(member["email_address"].isupper() for member in members)


def test_the_command_line_fills_a_home_whose_sources_are_on(tmp_path: Path, capsys):
    home = tmp_path / "home"
    at_scale.main(["--home", str(home), "--customers", "50", "--invoices", "300"])
    shown = capsys.readouterr()
    assert json.loads(shown.out)["invoices"] == 300
    assert "sales_list.lines verkaufsliste_2025.csv" in shown.err
    settings = load_settings({"STAMMKUNDE_HOME": str(home)})
    lake = Lake(settings.lake)
    assert lake.loads("landed", "sales_list", "lines")
    assert settings.as_of == AS_OF
    assert not is_demo(settings.setup, lake)
    for source, _ in TABLES:
        assert is_on(source_named(source), settings.setup, lake), source
