"""Lexware Office: connector and demo server, over loopback and into a real lake."""

import contextlib
import copy
import itertools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests

from sources.accounting.lexware_office import OPTIONS, SOURCE, VOUCHERS, check
from sources.contract import Connection, Pull, Secret
from sources.demo.company import AS_OF
from sources.demo.lexware_office_server import (
    API_KEY,
    DRAFTS,
    FIRST_VOUCHER_DAY,
    VOIDED,
    Books,
    app,
    books,
    connection,
    id_of,
)
from sources.demo.serving import Paced, serving
from sources.demo.world import draw_world
from sources.landing import Lake, Load
from sources.pulling import pull_source

WORLD = draw_world(customers=200)


class Asked:
    """Notes what the server is asked before it answers."""

    def __init__(self, inner) -> None:
        self._inner, self.requests = inner, []

    async def __call__(self, scope, receive, send) -> None:
        self.requests.append((scope["path"].removeprefix("/v1/"), scope["query_string"].decode()))
        await self._inner(scope, receive, send)

    def paths(self, beginning: str) -> list[str]:
        return [path for path, _ in self.requests if path.startswith(beginning)]

    def queries(self, path: str) -> list[dict[str, str]]:
        return [
            {name: value for name, (value,) in parse_qs(query).items()}
            for asked, query in self.requests
            if asked == path
        ]


class Desk:
    """A server with books that can be changed between two pulls into one lake."""

    def __init__(self, held: Books, lake: Lake, connection: Connection, asked: Asked) -> None:
        self.books, self.lake, self.connection, self.asked = held, lake, connection, asked

    def pull(self, source=SOURCE, **options: str) -> tuple[list[Load], list[str]]:
        self.asked.requests.clear()
        context = Pull(
            inbox=Path("none"),
            reporting_currency="EUR",
            connection=replace(self.connection, options={**self.connection.options, **options}),
        )
        loads = pull_source(source, self.lake, context, is_demo=True)
        return loads, [str(problem) for problem in context.problems]

    def rows(self, table: str) -> list[dict]:
        loads = self.lake.loads("landed", SOURCE.name, table)
        return [row for load in loads for row in _rows(load)]


def _rows(load: Load) -> list[dict]:
    return pa.concat_tables([pq.read_table(part) for part in load.parts]).to_pylist()


def _landed(loads: list[Load]) -> dict[str, list[dict]]:
    landed: dict[str, list[dict]] = {}
    for load in loads:
        landed.setdefault(load.about["table"], []).extend(_rows(load))
    return landed


@contextlib.contextmanager
def _desk(held: Books, folder: Path, wrap=lambda inner: inner) -> Iterator[Desk]:
    asked = Asked(app(held))
    with serving(wrap(asked)) as url:
        yield Desk(held, Lake(folder / "lake"), connection(url), asked)


def _few() -> Books:
    """Thirty contacts; of documents the oldest, the newest, and one of each sort of credit note."""
    held = books(WORLD)
    for id in list(held.contacts)[30:]:
        del held.contacts[id]
    notes = [id for id, row in held.vouchers.items() if row["voucherType"] == "creditnote"]
    related = next(id for id in notes if held.details[id]["relatedVouchers"])
    undone = held.details[related]["relatedVouchers"][0]["id"]
    # The drafts and the voided ones were entered last.
    newest = list(held.vouchers)[-(3 + DRAFTS + VOIDED) :]
    kept = {related, undone, *list(held.vouchers)[:5], *newest}
    for part in (held.vouchers, held.details, held.payments):
        for id in set(part) - kept:
            del part[id]
    # Nobody but a credit note that has no invoice here is told payments of.
    alone = id_of("voucher", "GS-alone")
    held.vouchers[alone] = {**held.vouchers[related], "id": alone, "voucherNumber": "GS-alone"}
    held.details[alone] = {**held.details[related], "id": alone, "relatedVouchers": []}
    held.payments[alone] = {
        "openAmount": 10.5,
        "currency": "EUR",
        "paymentStatus": "openRevenue",
        "voucherType": "creditnote",
        "voucherStatus": "open",
        "paymentItems": [],
    }
    return held


FEW = _few()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A server with a few books, and an empty lake."""
    with _desk(copy.deepcopy(FEW), tmp_path) as desk:
        yield desk


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A server with a few books that nobody changes."""
    with _desk(FEW, tmp_path_factory.mktemp("counter")) as desk:
        yield desk


@pytest.fixture(scope="module")
def pulled_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pulled")
    with _desk(copy.deepcopy(FEW), folder) as desk:
        _, problems = desk.pull()
    assert problems == []
    return folder


@pytest.fixture
def pulled(desk: Desk, pulled_lake: Path, tmp_path: Path) -> Desk:
    """A server with a few books that were pulled once."""
    shutil.copytree(pulled_lake, tmp_path, dirs_exist_ok=True)
    return desk


def _one(held: Books, status: str, kind: str = "invoice") -> str:
    return next(
        id
        for id, row in held.vouchers.items()
        if row["voucherStatus"] == status and row["voucherType"] == kind
    )


def _touch(held: Books, voucher: str, **changes: object) -> None:
    """What the vendor does to list and details when somebody changes a voucher."""
    moment = "2026-01-01T09:00:00.000+01:00"
    held.vouchers[voucher] |= {"updatedDate": moment, **changes}
    held.details[voucher]["updatedDate"] = moment.replace(".000", ".123")
    held.details[voucher]["version"] += 1


def test_everything_the_world_knows_arrives_whole(tmp_path: Path):
    with _desk(books(WORLD), tmp_path) as desk:
        _, problems = desk.pull()
    assert problems == []
    known = {
        organisation.number: organisation
        for organisation in WORLD.organisations
        if not organisation.number.startswith("L")
    }
    contacts = {row["customer_number"]: row for row in desk.rows("contacts")}
    assert set(contacts) == set(known)
    for number, row in contacts.items():
        name = row["company_name"] or f"{row['first_name']} {row['last_name']}"
        assert (name, row["vat_id"]) == (known[number].name, known[number].vat_id)
        assert known[number].street in row["billing_addresses"]
        assert (known[number].email or "null") in (row["emails"] or "null")

    documents = {document.number: document for document in WORLD.invoices(FIRST_VOUCHER_DAY, AS_OF)}
    vouchers = {row["id"]: row for row in desk.rows("vouchers")}
    details = {row["voucher_number"]: row for row in desk.rows("voucher_details")}
    finished = {number: row for number, row in details.items() if number in documents}
    assert set(finished) == set(documents)
    numbers = {contacts[number]["id"]: number for number in contacts}
    lines = _sums_by_voucher(desk.rows("voucher_lines"), "line_item_amount")
    paid = _sums_by_voucher(desk.rows("payment_items"), "amount")
    open_amounts = {row["voucher_id"]: row["open_amount"] for row in desk.rows("payments")}
    for number, row in finished.items():
        document = documents[number]
        assert vouchers[row["id"]]["voucher_number"] == number
        assert numbers.get(row["contact_id"]) == document.customer
        assert Decimal(row["total_net_amount"]) == abs(document.net)
        assert Decimal(row["total_gross_amount"]) == abs(document.gross)
        assert lines[row["id"]] == (abs(document.net), len(document.lines))
        if document.credits in documents:
            assert document.credits in row["related_vouchers"]
            assert row["id"] not in open_amounts
        else:
            assert Decimal(open_amounts[row["id"]]) == abs(document.open_amount)
            assert paid[row["id"]][0] == abs(document.gross) - abs(document.open_amount)


def _sums_by_voucher(rows: list[dict], amount: str) -> dict[str, tuple[Decimal, int]]:
    sums: dict[str, tuple[Decimal, int]] = {}
    for row in rows:
        total, count = sums.get(row["voucher_id"], (Decimal(0), 0))
        sums[row["voucher_id"]] = (total + Decimal(row[amount]), count + 1)
    return sums | {
        id_of("voucher", document.number): (Decimal(0), 0)
        for document in WORLD.invoices(FIRST_VOUCHER_DAY, AS_OF)
        if id_of("voucher", document.number) not in sums
    }


def test_a_second_pull_lands_nothing_and_asks_only_what_may_have_been_paid(pulled: Desk):
    assert pulled.pull() == ([], [])
    unpaid = {
        id
        for id, payment in pulled.books.payments.items()
        if payment["paymentStatus"] != "balanced"
    }
    assert set(pulled.asked.paths("payments/")) == {f"payments/{id}" for id in unpaid}
    assert pulled.asked.paths("invoices/") == pulled.asked.paths("credit-notes/") == []


def test_a_payment_lands_as_the_rows_it_changed(pulled: Desk):
    voucher = _one(pulled.books, "open")
    _touch(pulled.books, voucher, voucherStatus="paid", openAmount=0.0)
    pulled.books.payments[voucher] |= {
        "openAmount": 0.0,
        "paymentStatus": "balanced",
        "paidDate": "2026-01-01T13:42:02.123+01:00",
        "paymentItems": [
            {
                "paymentItemType": "manualPayment",
                "postingDate": "2026-01-01T00:00:00.000+01:00",
                "amount": 12.5,
                "currency": "EUR",
            },
            {
                "paymentItemType": "cashDiscount",
                "postingDate": "2026-01-01T00:00:00.000+01:00",
                "amount": 0.25,
                "currency": "EUR",
            },
        ],
    }
    loads, problems = pulled.pull()
    landed = _landed(loads)
    assert problems == []
    assert {table: len(rows) for table, rows in landed.items()} == {
        "vouchers": 1,
        "voucher_details": 1,
        "payments": 1,
        "payment_items": 2,
    }
    (payment,) = landed["payments"]
    assert (payment["voucher_id"], payment["payment_status"]) == (voucher, "balanced")
    assert payment["paid_date"] == "2026-01-01T13:42:02.123+01:00"
    assert [(row["position"], row["type"], row["amount"]) for row in landed["payment_items"]] == [
        ("1", "manualPayment", "12.5"),
        ("2", "cashDiscount", "0.25"),
    ]
    assert pulled.pull() == ([], [])
    assert f"payments/{voucher}" not in pulled.asked.paths("payments/")


def test_a_line_taken_out_of_a_voucher_is_a_deletion(pulled: Desk):
    voucher = next(
        id for id, detail in pulled.books.details.items() if len(detail["lineItems"]) > 2
    )
    _touch(pulled.books, voucher)
    lines = pulled.books.details[voucher]["lineItems"]
    lines[0] = {**lines[0], "quantity": 7.25}
    removed = len(lines)
    lines.pop()
    landed = sorted(_landed(pulled.pull()[0])["voucher_lines"], key=lambda row: row["position"])
    assert [(row["position"], row["quantity"], row["_is_deleted"]) for row in landed] == [
        ("1", "7.25", None),
        (str(removed), None, True),
    ]


def test_a_deleted_voucher_is_deleted_with_all_that_hung_on_it(pulled: Desk):
    voucher = _one(pulled.books, "paid")
    lines = len(pulled.books.details[voucher]["lineItems"])
    items = len(pulled.books.payments[voucher]["paymentItems"])
    for part in (pulled.books.vouchers, pulled.books.details, pulled.books.payments):
        del part[voucher]
    loads, problems = pulled.pull()
    landed = _landed(loads)
    assert problems == []
    assert {table: len(rows) for table, rows in landed.items()} == {
        "vouchers": 1,
        "voucher_lines": lines,
        "voucher_details": 1,
        "payment_items": items,
        "payments": 1,
    }
    assert all(row["_is_deleted"] for rows in landed.values() for row in rows)
    assert {row["voucher_id"] for row in landed["voucher_lines"]} == {voucher}
    assert pulled.pull() == ([], [])


def test_changed_new_and_deleted_contacts_land_as_exactly_these_rows(pulled: Desk):
    changed, deleted, like = list(pulled.books.contacts)[:3]
    pulled.books.contacts[changed] = {
        **pulled.books.contacts[changed],
        "version": 9,
        "archived": True,
    }
    del pulled.books.contacts[deleted]
    new = id_of("contact", "new")
    pulled.books.contacts[new] = {**pulled.books.contacts[like], "id": new, "note": "ruft an"}
    landed = _landed(pulled.pull()[0])
    assert set(landed) == {"contacts"}
    rows = {row["id"]: row for row in landed["contacts"]}
    assert set(rows) == {changed, deleted, new}
    assert (rows[changed]["version"], rows[changed]["archived"]) == ("9", "true")
    assert (rows[deleted]["_is_deleted"], rows[deleted]["customer_number"]) == (True, None)
    assert rows[new]["note"] == "ruft an"


def test_suppliers_are_not_asked_for(desk: Desk):
    supplier = id_of("contact", "supplier")
    desk.books.contacts[supplier] = {
        "id": supplier,
        "roles": {"vendor": {"number": 70001}},
        "company": {"name": "Blechwerk"},
    }
    desk.pull()
    assert supplier not in {row["id"] for row in desk.rows("contacts")}
    assert len(desk.rows("contacts")) == len(desk.books.contacts) - 1


def test_becoming_overdue_changes_the_list_alone(pulled: Desk):
    voucher = _one(pulled.books, "open")
    pulled.books.vouchers[voucher]["voucherStatus"] = "overdue"
    landed = _landed(pulled.pull()[0])
    assert [(row["id"], row["voucher_status"]) for row in landed.pop("vouchers")] == [
        (voucher, "overdue")
    ]
    assert landed == {}
    assert pulled.asked.paths("invoices/") == []


def test_a_draft_brings_details_and_payments_once_it_is_finished(desk: Desk):
    draft = _one(desk.books, "draft")
    desk.pull()
    assert f"invoices/{draft}" not in desk.asked.paths("invoices/")
    assert f"payments/{draft}" not in desk.asked.paths("payments/")
    _touch(desk.books, draft, voucherStatus="open", openAmount=1.0)
    desk.books.payments[draft] = dict(desk.books.payments[_one(desk.books, "open")])
    landed = _landed(desk.pull()[0])
    assert [row["id"] for row in landed["voucher_details"]] == [draft]
    assert [row["voucher_id"] for row in landed["payments"]] == [draft]


def test_a_credit_note_set_off_with_an_invoice_is_asked_for_no_payments(desk: Desk):
    _, problems = desk.pull()
    assert problems == []
    asked = desk.asked.paths("payments/")
    notes = {
        id: bool(desk.books.details[id]["relatedVouchers"])
        for id, row in desk.books.vouchers.items()
        if row["voucherType"] == "creditnote"
    }
    assert set(notes.values()) == {True, False}
    for note, is_related in notes.items():
        assert (f"payments/{note}" in asked) is not is_related


def test_a_voucher_that_was_only_booked_has_payments_but_no_details(desk: Desk):
    booked = id_of("voucher", "booked")
    paid = _one(desk.books, "paid")
    desk.books.vouchers[booked] = {
        **desk.books.vouchers[paid],
        "id": booked,
        "voucherType": "salesinvoice",
    }
    desk.books.payments[booked] = desk.books.payments[paid]
    desk.pull()
    assert booked in {row["id"] for row in desk.rows("vouchers")}
    assert booked in {row["voucher_id"] for row in desk.rows("payments")}
    assert booked not in {row["id"] for row in desk.rows("voucher_details")}


def test_an_open_amount_in_quotes_arrives_like_any_other(desk: Desk):
    voucher = _one(desk.books, "open")
    desk.books.payments[voucher]["openAmount"] = "1337.00"
    desk.pull()
    rows = {row["voucher_id"]: row["open_amount"] for row in desk.rows("payments")}
    assert rows[voucher] == "1337.00"


def test_no_personal_data_is_left_outside_the_contract(pulled: Desk):
    for table in SOURCE.tables:
        for row in pulled.rows(table.name):
            for named in ("street", "Sammelkunde", "example", "+49"):
                assert named not in (row["_extra"] or ""), table.name


@pytest.mark.parametrize(
    ("table", "field"), [("voucher_details", "lineItems"), ("payments", "paymentItems")]
)
def test_what_has_a_table_of_its_own_is_not_kept_twice(pulled: Desk, table: str, field: str):
    rows = pulled.rows(table)
    assert rows
    assert all(field not in (row["_extra"] or "") for row in rows)


def test_contacts_are_read_page_by_page(desk: Desk):
    like = next(iter(desk.books.contacts.values()))
    for number in range(600 - len(desk.books.contacts)):
        id = id_of("contact", f"copy {number}")
        desk.books.contacts[id] = {**like, "id": id}
    desk.pull()
    assert len({row["id"] for row in desk.rows("contacts")}) == 600
    pages = [query for query in desk.asked.queries("contacts") if query["size"] == "250"]
    assert [query["page"] for query in pages] == ["0", "1", "2"]


def _fill_with_drafts(held: Books, count: int, days: int) -> None:
    like = held.vouchers[_one(held, "draft")]
    held.vouchers.clear()
    for number in range(count):
        day = (date(2022, 1, 1) + timedelta(days=number % days)).isoformat()
        id = id_of("voucher", str(number))
        held.vouchers[id] = {
            **like,
            "id": id,
            "voucherDate": f"{day}T00:00:00.000+01:00",
            "createdDate": f"{day}T08:00:00.000+01:00",
        }


def test_more_vouchers_than_one_query_hands_out_are_read_in_parts(desk: Desk):
    _fill_with_drafts(desk.books, 10_300, days=900)
    _, problems = desk.pull()
    assert problems == []
    assert {row["id"] for row in desk.rows("vouchers")} == set(desk.books.vouchers)
    read = [query for query in desk.asked.queries("voucherlist") if query["size"] == "250"]
    assert len({(query["voucherDateFrom"], query["voucherDateTo"]) for query in read}) > 1
    assert len(read) < 10_300 / 250 + 10


def test_a_day_with_too_many_vouchers_is_said_and_nothing_of_the_list_is_taken(desk: Desk):
    _fill_with_drafts(desk.books, 10_000, days=1)
    _, problems = desk.pull()
    assert len(problems) == 1
    assert "on 2022-01-01 there are 10,000 vouchers or more" in problems[0]
    assert desk.rows("vouchers") == []
    assert len(desk.rows("contacts")) == len(desk.books.contacts)


def test_more_customers_than_are_handed_out_are_said_and_the_vouchers_go_on(desk: Desk):
    like = next(iter(desk.books.contacts.values()))
    desk.books.contacts |= {str(number): {**like, "id": str(number)} for number in range(10_000)}
    _, problems = desk.pull()
    assert len(problems) == 1
    assert "10,000 customers or more" in problems[0]
    assert desk.rows("contacts") == []
    assert len(desk.rows("vouchers")) == len(desk.books.vouchers)


def test_vouchers_before_history_from_are_not_read(desk: Desk):
    days = sorted(row["voucherDate"][:10] for row in desk.books.vouchers.values())
    desk.pull(history_from=days[-1])
    assert {row["voucher_date"][:10] for row in desk.rows("vouchers")} == {days[-1]}
    assert days[0] < days[-1]


def test_a_refused_key_is_one_problem_and_one_request(desk: Desk):
    desk.connection = replace(desk.connection, secrets={"api_key": Secret("wrong-key")})
    loads, problems = desk.pull()
    assert loads == []
    assert len(problems) == len(desk.asked.requests) == 1
    assert "(401)" in problems[0]
    assert "app.lexware.de/addons/public-api" in problems[0]
    assert "wrong-key" not in problems[0]


@pytest.mark.parametrize(
    ("forbidden", "landed"),
    [
        ("contacts", set()),
        ("voucherlist", {"contacts"}),
        ("credit-notes", {"contacts", "vouchers", "voucher_lines", "voucher_details"}),
        ("payments", {"contacts", "vouchers", "voucher_lines", "voucher_details"}),
    ],
)
def test_a_missing_right_is_one_problem_and_one_request(
    desk: Desk, forbidden: str, landed: set[str]
):
    desk.books.forbidden = {forbidden}
    loads, problems = desk.pull()
    assert len(problems) == 1
    assert f"/v1/{forbidden}" in problems[0]
    assert "(403)" in problems[0]
    assert len(desk.asked.paths(forbidden)) == 1
    assert {load.about["table"] for load in loads} == landed


def test_what_a_missing_right_kept_back_comes_with_the_next_pull(desk: Desk):
    desk.books.forbidden = {"credit-notes"}
    desk.pull()
    desk.books.forbidden.clear()
    _, problems = desk.pull()
    assert problems == []
    assert len(desk.rows("payments")) == len(desk.books.payments)


def test_a_vendor_that_asks_to_slow_down_is_obeyed(tmp_path: Path):
    wrapped = []

    def paced(inner) -> Paced:
        wrapped.append(Paced(inner, requests=30, seconds=6))
        return wrapped[0]

    with _desk(copy.deepcopy(FEW), tmp_path, paced) as desk:
        _, problems = desk.pull()
    assert problems == []
    assert wrapped[0].refused >= 1
    assert len(desk.rows("payments")) == len(desk.books.payments)


def test_a_pull_killed_before_the_details_are_landed_is_caught_up(desk: Desk):
    def killed(context: Pull) -> Iterator:
        return itertools.islice(SOURCE.pull(context), 3)

    loads, _ = desk.pull(replace(SOURCE, pull=killed))
    assert [load.about["table"] for load in loads] == ["contacts", "vouchers", "voucher_lines"]
    loads, problems = desk.pull()
    assert problems == []
    assert "voucher_lines" not in _landed(loads)
    finished = [id for id, row in desk.books.vouchers.items() if row["voucherStatus"] != "draft"]
    assert {row["id"] for row in desk.rows("voucher_details")} == set(finished)


def test_a_voucher_whose_lines_were_refused_is_read_again(pulled: Desk):
    (load,) = pulled.lake.loads("landed", SOURCE.name, "voucher_lines")
    (load.folder / "verdict.json").write_text('{"accepted": false}')
    loads, _ = pulled.pull()
    assert loads == []
    finished = {row["id"] for row in pulled.rows("voucher_details")}
    asked = pulled.asked.paths("invoices/") + pulled.asked.paths("credit-notes/")
    assert {path.partition("/")[2] for path in asked} == finished


def test_details_wait_for_lines_that_could_not_be_landed(desk: Desk):
    voucher = _one(desk.books, "paid")
    for detail in desk.books.details.values():
        detail["lineItems"] = detail["lineItems"][:1]
    desk.books.details[voucher]["lineItems"] *= 60
    desk.pull()
    _touch(desk.books, voucher)
    del desk.books.details[voucher]["lineItems"][1:]
    loads, problems = desk.pull()
    assert "voucher_lines: 59 of" in problems[0]
    assert "voucher_details" not in _landed(loads)
    loads, _ = desk.pull(largest_loss_percent="100")
    assert len(_landed(loads)["voucher_lines"]) == 59
    assert [row["id"] for row in _landed(loads)["voucher_details"]] == [voucher]


def test_an_answer_without_lines_spoils_no_other_voucher(desk: Desk):
    voucher = _one(desk.books, "paid")
    lines = desk.books.details[voucher].pop("lineItems")
    _, problems = desk.pull()
    assert len(problems) == 1
    assert "no list lineItems" in problems[0]
    details = {row["id"] for row in desk.rows("voucher_details")}
    assert voucher not in details
    assert len(details) == len(desk.books.details) - 1 - desk.books.counts["draft"]
    desk.books.details[voucher]["lineItems"] = lines
    loads, problems = desk.pull()
    assert problems == []
    assert [row["id"] for row in _landed(loads)["voucher_details"]] == [voucher]


def test_a_changed_api_is_not_asked_for_every_voucher(desk: Desk):
    for payment in desk.books.payments.values():
        del payment["paymentItems"]
    _, problems = desk.pull()
    assert len(problems) == len(desk.asked.paths("payments/")) == 10
    assert desk.rows("payments") == desk.rows("payment_items") == []


def test_a_voucher_deleted_while_it_is_read_is_no_problem(desk: Desk):
    voucher = _one(desk.books, "paid")
    # The vendor no longer knows it under invoices, though the list read before named it.
    context_pull = SOURCE.pull

    def deleting(context: Pull) -> Iterator:
        for reading in context_pull(context):
            yield reading
            if reading.table is VOUCHERS:
                del desk.books.vouchers[voucher], desk.books.payments[voucher]

    _, problems = desk.pull(replace(SOURCE, pull=deleting))
    assert problems == []
    assert voucher not in {row["id"] for row in desk.rows("voucher_details")}
    assert desk.asked.paths(f"invoices/{voucher}") == [f"invoices/{voucher}"]


@pytest.mark.parametrize(
    "wrong", [{"history_from": "yesterday"}, {"requests": "0"}, {"seconds": "soon"}]
)
def test_an_option_that_cannot_be_read_is_named_before_anything_is_asked(desk: Desk, wrong: dict):
    loads, problems = desk.pull(**wrong)
    assert loads == desk.asked.requests == []
    assert len(problems) == 1
    assert next(iter(wrong)) in problems[0]
    assert "stammkunde.yml" in problems[0]


def _checked(desk: Desk, **secrets: Secret) -> list[str]:
    used = replace(desk.connection, secrets={**desk.connection.secrets, **secrets})
    return check(Pull(inbox=Path("none"), reporting_currency="EUR", connection=used))


def test_check_asks_once_per_right_and_finds_nothing_missing(desk: Desk):
    assert _checked(desk) == []
    assert len(desk.asked.requests) == 6


def test_check_names_each_right_that_is_missing(desk: Desk):
    desk.books.forbidden = {"payments", "credit-notes"}
    problems = _checked(desk)
    assert [problem.partition(".")[0] for problem in problems] == [
        "the key may not read credit notes",
        "the key may not read payments",
    ]


def test_check_says_once_that_the_key_is_refused(desk: Desk):
    (problem,) = _checked(desk, api_key=Secret("wrong-key"))
    assert problem.startswith("Lexware Office refuses the key")
    assert "wrong-key" not in problem


def test_the_defaults_are_the_vendors(desk: Desk):
    defaults = {option.name: option.default for option in OPTIONS}
    assert defaults["base_url"] == "https://api.lexware.io/v1"
    assert int(defaults["requests"]) / float(defaults["seconds"]) < 2
    desk.connection = Connection(
        {**defaults, "base_url": desk.connection.options["base_url"]}, desk.connection.secrets
    )
    assert _checked(desk) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("voucherlist?voucherStatus=any", 400),
        ("voucherlist?voucherType=any", 400),
        ("voucherlist?voucherType=any&voucherStatus=any&voucherDateFrom=01.10.2025", 400),
        ("voucherlist?voucherType=any&voucherStatus=any&sort=contactName", 400),
        ("voucherlist?voucherType=any&voucherStatus=any&size=250&page=40", 500),
        ("contacts?page=first", 400),
        ("invoices/unknown", 404),
        ("payments/unknown", 404),
    ],
)
def test_the_demo_server_refuses_what_the_vendor_refuses(counter: Desk, path: str, status: int):
    assert _get(counter, path).status_code == status


def test_the_demo_server_takes_its_default_for_a_page_that_is_too_large(counter: Desk):
    page = _get(counter, "contacts?size=251").json()
    assert (page["size"], page["numberOfElements"], page["totalPages"]) == (25, 25, 2)
    assert _get(counter, "contacts?size=250").json()["numberOfElements"] == 30


def test_the_demo_server_has_no_payments_of_drafts(counter: Desk):
    assert _get(counter, f"payments/{_one(counter.books, 'draft')}").status_code == 406


def test_the_demo_server_counts_overdue_among_the_open(desk: Desk):
    desk.books.vouchers[_one(desk.books, "open")]["voucherStatus"] = "overdue"
    rows = _get(desk, "voucherlist?voucherType=invoice&voucherStatus=open").json()["content"]
    assert "overdue" in {row["voucherStatus"] for row in rows}


def _get(desk: Desk, path: str) -> requests.Response:
    return requests.get(
        f"{desk.connection.options['base_url']}/{path}",
        headers={"Authorization": f"Bearer {API_KEY}"},
        timeout=10,
    )
