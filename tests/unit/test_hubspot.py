"""HubSpot: the connector against the demo company's server, into a real lake."""

import dataclasses
import itertools
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import hubspot
import pyarrow.parquet as pq
import pytest
from hubspot.crm.associations.v4 import BatchInputPublicFetchAssociationsBatchRequest
from hubspot.crm.objects import PublicObjectSearchRequest

from sources.contract import Connection, Pull, Reading, Secret
from sources.crm.hubspot import ENDS, OBJECTS, OPTIONS, SOURCE, check
from sources.demo import hubspot_server
from sources.demo.crm_records import still_there
from sources.demo.hubspot_server import TOKEN, Books, app, books, connection
from sources.demo.relations import draw_relations
from sources.demo.serving import Paced, serving
from sources.demo.world import draw_world
from sources.landing import Lake
from sources.pulling import pull_source

MORNING = datetime(2025, 6, 1, 7, tzinfo=UTC)
NOON = datetime(2025, 6, 1, 12, 0, 0, 250_000, tzinfo=UTC)
WORLD = draw_world(customers=300)
NAMES = {"companies": "name", "contacts": "lastname", "deals": "dealname", "tickets": "subject"}


def write(account: Books, kind: str, number: int, changed: datetime = MORNING, **values) -> None:
    said = {NAMES.get(kind, "hs_note_body"): f"Beispiel {number}"} | values
    account.put(kind, str(number), changed, MORNING, **said)


def small_account() -> Books:
    """Three records of each kind, all belonging together, under the same three numbers."""
    account = Books(records={}, owners={"7": owner("7"), "8": owner("8")})
    for kind, number in itertools.product((table.name for table in OBJECTS), (9, 10, 11)):
        write(account, kind, number)
    for kind, ends in ENDS.items():
        for end, number in itertools.product(ends, ("9", "10", "11")):
            account.associate(kind, number, end, number)
    return account


def owner(number: str) -> dict:
    return {"id": number, "email": f"o{number}@firma.example", "userId": 7, "archived": False}


@pytest.fixture(scope="module")
def server():
    account = small_account()
    with serving(app(account)) as url:
        yield account, url


@pytest.fixture
def account(server) -> Books:
    """What the server serves, as if nobody had touched it before."""
    account, _ = server
    vars(account).update(vars(small_account()))
    return account


@pytest.fixture
def empty(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture(scope="module")
def first_pull(server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    account, url = server
    vars(account).update(vars(small_account()))
    lake = Lake(tmp_path_factory.mktemp("first") / "lake")
    assert set(pulled(lake, reached(url))) == {table.name for table in SOURCE.tables}
    return lake.root


@pytest.fixture
def lake(first_pull: Path, tmp_path: Path) -> Lake:
    """A lake into which the account was pulled once."""
    return Lake(Path(shutil.copytree(first_pull, tmp_path / "lake")))


@pytest.fixture
def url(server, account: Books) -> str:
    return server[1]


@pytest.fixture(scope="module")
def company() -> Books:
    return books(WORLD, draw_relations(WORLD))


def reached(url: str, token: str = TOKEN, **options: str) -> Pull:
    said = connection(url)
    defaults = {option.name: option.default for option in OPTIONS}
    options = {**defaults, **said.options, **options}
    return Pull(Path("nowhere"), "EUR", Connection(options, {"access_token": Secret(token)}))


def pulled(lake: Lake, context: Pull, *tables: str, most: int | None = None) -> dict[str, list]:
    """The rows landed by a pull of these tables (none named: all), broken off after so many."""

    def readings(context: Pull) -> Iterator[Reading]:
        wanted = (one for one in SOURCE.pull(context) if not tables or one.table.name in tables)
        return itertools.islice(wanted, most)

    rows = {}
    for load in pull_source(dataclasses.replace(SOURCE, pull=readings), lake, context):
        for part in load.parts:
            rows.setdefault(load.about["table"], []).extend(pq.read_table(part).to_pylist())
    return rows


def numbers(rows: dict[str, list[dict]], *, deleted: bool = False) -> dict[str, list[str]]:
    """Key of every row: the number, or both ends of an association."""
    found = {
        table: sorted(key(row) for row in landed if bool(row["_is_deleted"]) is deleted)
        for table, landed in rows.items()
    }
    return {table: keys for table, keys in found.items() if keys}


def key(row: dict) -> str:
    ends = ("from_type", "from_id", "to_type", "to_id", "type_id")
    return row["id"] if "id" in row else "/".join(row[name] for name in ends)


def associations_of(account: Books) -> set[tuple]:
    return {
        (kind, number, end, str(other["toObjectId"]), way["category"], way["typeId"], way["label"])
        for (kind, end), by_number in account.associations.items()
        for number, others in by_number.items()
        for other in others
        for way in other["associationTypes"]
    }


def test_the_demo_companys_records_arrive_whole_and_as_they_were_sent(empty, company):
    with serving(app(company)) as url:
        context = reached(url)
        rows = pulled(empty, context)
    assert context.problems == []
    assert context.read == {table.name for table in SOURCE.tables}
    for table in OBJECTS:
        sent = {
            number: record["properties"]
            for number, record in company.records[table.name].items()
            if not record["archived"]
        }
        assert len(rows[table.name]) == len(sent) > 0
        for row in rows[table.name]:
            properties = dict(sent[row["id"]])
            for column in table.columns:
                name = column.path.removeprefix("properties.")
                assert row[column.name] == properties.pop(name, None)
            assert properties == {}
            assert row["_extra"] is None
    found = [
        tuple(row[column.name] for column in SOURCE.table("associations").columns)
        for row in rows["associations"]
    ]
    assert {(*row[:5], int(row[5]), row[6]) for row in found} == associations_of(company)
    assert len(found) == len(associations_of(company))
    assert {row["id"] for row in rows["owners"]} == set(company.owners)


def test_the_demo_account_holds_the_drawn_records_and_their_defects(company):
    crm = draw_relations(WORLD).crm["hubspot"]
    served = {
        kind: [one["properties"] for one in records.values() if not one["archived"]]
        for kind, records in company.records.items()
    }
    assert len(served["companies"]) == len(still_there(crm.companies))
    assert len(served["contacts"]) == len(still_there(crm.contacts)) == len(company.people)
    for kind, defect in {"companies": "merged_company", "contacts": "merged_contact"}.items():
        merged = [one["hs_merged_object_ids"] for one in served[kind]]
        gone = [number for text in merged if text for number in text.split(";")]
        assert len(gone) == company.defects[defect] > 0
        assert not set(gone) & set(company.records[kind])
    in_the_bin = [one for one in company.records["companies"].values() if one["archived"]]
    assert len(in_the_bin) == company.defects["deleted_company"] > 0
    objected = [one for one in served["contacts"] if one["hs_email_optout"] == "true"]
    assert len(objected) == company.defects["objected"] > 0
    unreadable = [
        one
        for one in served["deals"]
        if not one["amount"].replace(".", "").isdecimal() or one["amount"].count(".") > 1
    ]
    assert len(unreadable) == company.defects["unreadable_amount"] > 0
    impossible = [one for one in served["deals"] if (one["closedate"] or "").startswith("31.02.")]
    assert len(impossible) == company.defects["impossible_close_date"] > 0
    assert len(served["tickets"]) == len(company.customers["tickets"])


def test_a_second_pull_lands_nothing(lake, url):
    assert pulled(lake, reached(url)) == {}


def test_a_list_of_several_pages_is_read_to_its_end(empty, account, url):
    rows = pulled(empty, reached(url, page_size="2"), "contacts")
    assert numbers(rows) == {"contacts": ["10", "11", "9"]}
    pages = [asked for path, asked in account.asked if path == "/crm/v3/objects/contacts"]
    # By number, not by text: "9" comes before "10".
    assert [page.get("after") for page in pages] == [None, "10"]


def test_changed_and_new_records_arrive_as_exactly_these_rows(lake, account, url):
    write(account, "contacts", 10, NOON, lastname="Neu", email="neu@firma.example")
    write(account, "notes", 12, NOON)
    write(account, "tickets", 9, NOON, subject="Offen")
    rows = pulled(lake, reached(url), "contacts", "notes", "tickets")
    assert numbers(rows) == {"contacts": ["10"], "notes": ["12"], "tickets": ["9"]}
    (contact,) = rows["contacts"]
    assert contact["lastname"] == "Neu"
    assert contact["lastmodifieddate"] == "2025-06-01T12:00:00.250Z"


def test_after_the_first_pull_only_changes_are_asked_for(lake, account, url):
    write(account, "deals", 10, NOON)
    pulled(lake, reached(url), "deals")
    lists = [asked for path, asked in account.asked if path == "/crm/v3/objects/deals"]
    assert [asked["archived"] for asked in lists] == ["true"]
    account.asked.clear()
    assert pulled(lake, reached(url), "deals", "contacts") == {}
    searches = {path: asked["filterGroups"] for path, asked in account.asked if "search" in path}
    five_minutes_before = {
        "deals": ("hs_lastmodifieddate", NOON - timedelta(minutes=5)),
        "contacts": ("lastmodifieddate", MORNING - timedelta(minutes=5)),
    }
    for kind, (name, moment) in five_minutes_before.items():
        millis = str(round(moment.timestamp() * 1_000))
        by_date = {"propertyName": name, "operator": "GTE", "value": millis}
        assert searches[f"/crm/v3/objects/{kind}/search"] == [{"filters": [by_date]}]


def test_more_changes_at_one_moment_than_a_search_answers_arrive_whole(
    lake, account, url, monkeypatch
):
    for number in range(95, 107):
        write(account, "companies", number, NOON)
    monkeypatch.setattr(hubspot_server, "MOST_RESULTS", 4)
    context = reached(url, page_size="2")
    rows = pulled(lake, context, "companies")
    assert context.problems == []
    assert numbers(rows) == {"companies": sorted(str(number) for number in range(95, 107))}


def test_a_record_in_the_recycle_bin_is_gone_with_all_that_belonged_to_it(lake, account, url):
    account.records["contacts"]["10"] |= {"archived": True, "archivedAt": "2025-06-02T08:00:00Z"}
    rows = pulled(lake, reached(url))
    assert numbers(rows, deleted=True) == {
        "contacts": ["10"],
        "associations": [
            "contacts/10/companies/10/1",
            "contacts/10/companies/10/279",
            "deals/10/contacts/10/3",
            "notes/10/contacts/10/202",
            "tickets/10/contacts/10/16",
        ],
    }
    assert pulled(lake, reached(url), "contacts") == {}


def test_merged_records_are_gone_however_many_and_whatever_their_survivor_is_called(
    empty, account, url
):
    merged = [str(number) for number in range(100, 145)]
    for number in merged:
        write(account, "companies", int(number))
    pulled(empty, reached(url), "companies")
    for number in merged:
        del account.records["companies"][number]
    write(account, "companies", 200, NOON, hs_merged_object_ids=";".join(merged))
    context = reached(url)
    rows = pulled(empty, context, "companies")
    assert context.problems == []
    assert numbers(rows) == {"companies": ["200"]}
    assert numbers(rows, deleted=True) == {"companies": merged}


def test_a_record_that_was_purged_is_found_by_the_next_reading_of_everything(lake, account, url):
    del account.records["deals"]["9"]
    assert pulled(lake, reached(url), "deals") == {}
    rows = pulled(lake, reached(url, read_all_after_days="0"), "deals")
    assert numbers(rows, deleted=True) == {"deals": ["9"]}


def test_an_association_arrives_and_goes_although_no_record_changed(lake, account, url):
    account.associate("notes", "9", "deals", "11")
    # A ticket with the same number keeps its own.
    del account.associations["contacts", "companies"]["10"]
    rows = pulled(lake, reached(url))
    assert numbers(rows) == {"associations": ["notes/9/deals/11/214"]}
    assert numbers(rows, deleted=True) == {
        "associations": ["contacts/10/companies/10/1", "contacts/10/companies/10/279"]
    }


def test_associations_are_asked_in_batches_and_to_the_end_of_each(empty, account, url):
    for number in ("9", "11", "10", "11"):
        account.associate("notes", "10", "deals", number)
    account.others_told = 2
    rows = pulled(empty, reached(url, batch_size="2"))
    found = [row for row in rows["associations"] if row["to_type"] == "deals"]
    assert sorted((row["from_id"], row["to_id"]) for row in found) == [
        ("10", "10"),
        ("10", "11"),
        ("10", "9"),
        ("11", "11"),
        ("9", "9"),
    ]
    batches = [asked["inputs"] for path, asked in account.asked if "notes/deals" in path]
    assert batches == [
        [{"id": "10"}, {"id": "11"}],
        [{"id": "9"}, {"id": "10", "after": "2"}],
        [{"id": "10", "after": "4"}],
    ]


def test_associations_answered_in_part_are_no_loss(lake, account, url):
    account.failing.add("deals")
    account.associate("notes", "9", "deals", "11")
    context = reached(url)
    assert numbers(pulled(lake, context)) == {"associations": ["notes/9/deals/11/214"]}
    (problem,) = context.problems
    assert "in part" in str(problem)


def test_a_refused_token_is_one_problem_and_one_request(empty, account, url):
    context = reached(url, token="pat-mistyped")
    assert pulled(empty, context) == {}
    (problem,) = context.problems
    assert "401" in str(problem) and "token" in str(problem)
    assert "mistyped" not in str(problem)
    assert account.asked == [("/account-info/v3/details", {})]


def test_a_missing_scope_keeps_its_own_table_out_and_no_other(empty, account, url):
    account.scopes.remove("tickets")
    context = reached(url)
    rows = pulled(empty, context)
    (problem,) = context.problems
    assert "/crm/v3/objects/tickets" in str(problem) and "403" in str(problem)
    assert len([path for path, _ in account.asked if "tickets" in path]) == 1
    assert TOKEN not in str(problem)
    assert set(rows) == {table.name for table in SOURCE.tables} - {"tickets"}
    assert {row["from_type"] for row in rows["associations"]} == {"contacts", "deals", "notes"}


def test_a_scope_withdrawn_later_deletes_nothing(lake, account, url):
    account.scopes.remove("crm.objects.deals.read")
    context = reached(url)
    assert pulled(lake, context) == {}
    assert len(context.problems) == 1


def test_check_names_each_scope_that_is_missing(account, url):
    assert check(reached(url)) == []
    account.scopes -= {"tickets", "crm.objects.contacts.read"}
    found = check(reached(url))
    assert [sentence.partition(" may")[0] for sentence in found] == [
        "hubspot: contacts",
        "hubspot: notes",
        "hubspot: tickets",
    ]
    assert "crm.objects.contacts.read" in found[0] and "scope tickets" in found[2]


def test_check_of_a_refused_token_is_one_sentence(account, url):
    (sentence,) = check(reached(url, token="pat-mistyped"))
    assert "401" in sentence and "mistyped" not in sentence


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("base_url", "api.hubapi.com"),
        ("base_url", "http://api.hubapi.example"),
        ("requests", "many"),
        ("page_size", "0"),
        ("search_requests", "-5"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(empty, option, value):
    context = reached("https://nowhere.example", **{option: value})
    assert pulled(empty, context) == {}
    (problem,) = context.problems
    assert option in str(problem) and "stammkunde.yml" in str(problem)


def test_a_page_larger_than_hubspot_allows_is_refused_with_a_hint_at_the_options(empty, url):
    context = reached(url, page_size="101")
    assert pulled(empty, context, "companies") == {}
    (problem,) = context.problems
    assert "400" in str(problem) and "stammkunde.yml" in str(problem)


def test_a_busy_vendor_is_waited_for(empty, account):
    paced = Paced(app(account), requests=1, seconds=1)
    with serving(paced) as url:
        context = reached(url)
        rows = pulled(empty, context, "companies")
    assert paced.refused > 0
    assert context.problems == []
    assert numbers(rows) == {"companies": ["10", "11", "9"]}


@pytest.mark.parametrize("most", [4, 8])
def test_whatever_a_killed_pull_left_undone_the_next_one_does(lake, account, url, most):
    for table in OBJECTS:
        write(account, table.name, 10, NOON, hubspot_owner_id=7)
        write(account, table.name, 12, NOON)
    account.associate("contacts", "12", "companies", "12")
    account.records["tickets"]["9"]["archived"] = True
    first = pulled(lake, reached(url), most=most)
    second = pulled(lake, reached(url))
    assert first and second
    rows = {
        table.name: first.get(table.name, []) + second.get(table.name, [])
        for table in SOURCE.tables
    }
    # Each of them once, whichever of the two pulls brought it.
    assert numbers(rows) == {
        **{table.name: ["10", "12"] for table in OBJECTS},
        "associations": ["contacts/12/companies/12/1", "contacts/12/companies/12/279"],
    }
    assert numbers(rows, deleted=True) == {
        "tickets": ["9"],
        "associations": [
            "tickets/9/companies/9/26",
            "tickets/9/companies/9/339",
            "tickets/9/contacts/9/16",
        ],
    }


def test_own_properties_arrive_under_the_names_of_the_contract(empty, account, url):
    write(account, "companies", 9, vat_id="not this one", ustid="DE136695976", kdnr="10042")
    context = reached(url, vat_id_property="ustid", customer_number_property="kdnr")
    (row,) = [row for row in pulled(empty, context, "companies")["companies"] if row["id"] == "9"]
    assert (row["vat_id"], row["customer_number"], row["_extra"]) == ("DE136695976", "10042", None)


def test_the_vendors_own_client_reads_the_same(empty, account):
    """Outside judge: what HubSpot's client parses from our server is what the connector lands."""
    write(account, "contacts", 10, NOON, email="e@firma.example", hs_email_optout=True)
    write(account, "deals", 10, NOON, amount=Decimal("1234.50"))
    account.records["companies"]["11"] |= {"archived": True, "archivedAt": "2025-06-02T08:00:00Z"}
    with serving(app(account)) as url:
        rows = pulled(empty, reached(url))
        client = hubspot.HubSpot(access_token=TOKEN, host=url)
        for table in OBJECTS:
            names = [column.path.removeprefix("properties.") for column in table.columns]
            objects = client.crm.objects
            listed, after = [], None
            while not listed or after:
                page = objects.basic_api.get_page(
                    table.name, properties=names, limit=2, **({"after": after} if after else {})
                )
                listed += page.results
                after = page.paging and page.paging.next.after
            search = PublicObjectSearchRequest(
                filter_groups=[
                    {
                        "filters": [
                            {"propertyName": table.cursor, "operator": "GTE", "value": "0"},
                            {"propertyName": "hs_object_id", "operator": "GT", "value": "0"},
                        ]
                    }
                ],
                sorts=[{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                properties=names,
                limit=100,
            )
            found = objects.search_api.do_search(table.name, search)
            landed = {row["id"]: row for row in rows[table.name]}
            assert found.total == len(landed) == (2 if table.name == "companies" else 3)
            for records in (listed, found.results):
                assert [record.id for record in records] == sorted(landed, key=int)
                for record in records:
                    row = landed[record.id]
                    for column, name in zip(table.columns, names, strict=True):
                        assert record.properties.get(name) == row[column.name]
                    moment = datetime.fromisoformat(row[table.cursor])
                    assert record.updated_at == moment
        for kind, ends in ENDS.items():
            for end in ends:
                wanted = BatchInputPublicFetchAssociationsBatchRequest(
                    inputs=[{"id": number} for number in account.records[kind]]
                )
                answer = client.crm.associations.v4.batch_api.get_page(kind, end, wanted)
                assert {
                    (one._from.id, other.to_object_id, way.type_id, way.label)
                    for one in answer.results
                    for other in one.to
                    for way in other.association_types
                } == {
                    (row["from_id"], row["to_id"], int(row["type_id"]), row["label"])
                    for row in rows["associations"]
                    if (row["from_type"], row["to_type"]) == (kind, end)
                }
        owners = client.crm.owners.owners_api.get_page(limit=500).results
        assert {(one.id, one.email) for one in owners} == {
            (row["id"], row["email"]) for row in rows["owners"]
        }
        gone = client.crm.objects.basic_api.get_page("companies", archived=True).results
        assert [one.id for one in gone] == ["11"]
        for refused in (
            lambda: client.crm.objects.basic_api.get_page("companies", limit=101),
            lambda: client.crm.objects.search_api.do_search(
                "companies", PublicObjectSearchRequest(filter_groups=[], limit=100, after="9950")
            ),
        ):
            with pytest.raises(hubspot.crm.objects.ApiException) as error:
                refused()
            assert error.value.status == 400
            assert json.loads(error.value.body)["category"] == "VALIDATION_ERROR"
