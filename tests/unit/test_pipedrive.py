"""Pipedrive: the connector against the demo company's server, into a real lake."""

import json
import logging
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl

import pyarrow.parquet as pq
import pytest
import requests

from sources.contract import Connection, Pull, Secret
from sources.crm.pipedrive import OPTIONS, SOURCE, TABLES, check
from sources.demo.pipedrive_server import OWN_FIELDS, TOKEN, Books, app, books, connection
from sources.demo.relations import draw_relations
from sources.demo.serving import Paced, serving
from sources.demo.world import draw_world
from sources.landing import Lake
from sources.pulling import pull_source

V2_LISTS = ("organizations", "persons", "deals", "deals/archived", "activities")
MORNING, NOON = "2025-06-01T07:00:00Z", "2025-06-01T12:00:00Z"


class Asked:
    """The server, and what it was asked: path and parameters of each request."""

    def __init__(self, served, before=lambda path, params: None) -> None:
        self.served, self.before, self.requests = served, before, []

    async def __call__(self, scope, receive, send) -> None:
        params = dict(parse_qsl(scope["query_string"].decode()))
        self.before(scope["path"], params)
        self.requests.append((scope["path"], params))
        await self.served(scope, receive, send)


def organization(number: int, changed: str = MORNING, **more) -> dict:
    return {
        "id": number,
        "name": f"Gasthaus {number}",
        "owner_id": 1,
        "add_time": MORNING,
        "update_time": changed,
        "address": {"value": "Hauptstraße 1, 89073 Ulm", "route": "Hauptstraße"},
        "custom_fields": {},
    } | more


def person(number: int, changed: str = MORNING, **more) -> dict:
    return {
        "id": number,
        "name": f"Anna {number}",
        "org_id": 1,
        "emails": [{"value": f"anna{number}@gasthaus.example", "primary": True, "label": "work"}],
        "phones": [],
        "marketing_status": "no_consent",
        "add_time": MORNING,
        "update_time": changed,
        "custom_fields": {},
    } | more


def deal(number: int, changed: str = MORNING, **more) -> dict:
    return {
        "id": number,
        "title": "Herd",
        "value": 1234.5,
        "currency": "EUR",
        "status": "open",
        "is_archived": False,
        "add_time": MORNING,
        "update_time": changed,
        "custom_fields": {},
    } | more


def activity(number: int, changed: str = MORNING, **more) -> dict:
    known = {"id": number, "type": "call", "subject": "Rückruf", "done": False}
    return known | {"add_time": MORNING, "update_time": changed} | more


def note(number: int, changed: str = "2025-06-01 07:00:00", **more) -> dict:
    known = {"id": number, "content": "Will neuen Herd", "org_id": 1, "active_flag": True}
    times = {"add_time": "2025-06-01 07:00:00", "update_time": changed}
    return known | times | {"organization": {"name": "Gasthaus 1"}} | more


def few_records(count: int = 3) -> Books:
    """That many records of each kind, and one user."""
    numbers = range(1, count + 1)
    return Books(
        organizations={number: organization(number) for number in numbers},
        persons={number: person(number) for number in numbers},
        deals={number: deal(number) for number in numbers},
        activities={number: activity(number) for number in numbers},
        notes={number: note(number) for number in numbers},
        users={1: {"id": 1, "name": "Käthe Grützbrucker", "last_login": "2025-06-01 07:00:00"}},
    )


def reached(url: str, **options: str) -> Connection:
    said = connection(url)
    defaults = {option.name: option.default for option in OPTIONS}
    return Connection({**defaults, **said.options, **options}, said.secrets)


def pulled(lake: Lake, url: str, **options: str) -> tuple[dict[str, list[dict]], Pull]:
    """The rows landed by this pull, table by table, and what came of it."""
    context = Pull(lake.root.parent, "EUR", reached(url, **options))
    loads = pull_source(SOURCE, lake, context)
    rows = {}
    for load in loads:
        for part in load.parts:
            rows.setdefault(load.about["table"], []).extend(pq.read_table(part).to_pylist())
    return rows, context


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture(scope="module")
def company() -> Books:
    world = draw_world(customers=300)
    return books(world, draw_relations(world))


def test_the_demo_companys_records_arrive_whole_and_as_they_were_sent(lake, company):
    with serving(app(company)) as url:
        rows, context = pulled(lake, url)
    assert context.problems == []
    by_id = {name: {int(row["id"]): row for row in found} for name, found in rows.items()}
    for table in TABLES:
        assert set(by_id[table.name]) == set(getattr(company, table.name))
        assert len(rows[table.name]) == len(by_id[table.name])
        assert context.read >= {table.name}
    for number, sent in company.organizations.items():
        row = by_id["organizations"][number]
        assert (row["name"], row["city"]) == (sent["name"], sent["address"]["locality"])
        assert row["vat_id"] == sent["custom_fields"][OWN_FIELDS["vat_id"]]
        assert row["acquisition"] == sent["custom_fields"][OWN_FIELDS["acquisition"]]["label"]
    for number, sent in company.persons.items():
        row = by_id["persons"][number]
        assert json.loads(row["emails"]) == sent["emails"]
        assert (row["job_title"], row["birthday"]) == (sent["job_title"], sent["birthday"])
        assert row["marketing_status"] == sent["marketing_status"]
    for number, sent in company.deals.items():
        row = by_id["deals"][number]
        if isinstance(sent["value"], Decimal):
            assert Decimal(row["value"]) == sent["value"]
        assert (row["status"], row["won_time"]) == (sent["status"], sent["won_time"])
        assert row["order_number"] == sent["custom_fields"][OWN_FIELDS["order_number"]]
    for number, sent in company.notes.items():
        row = by_id["notes"][number]
        assert (row["content"], row["update_time"]) == (sent["content"], sent["update_time"])
    objected = [row for row in rows["persons"] if row["marketing_status"] == "unsubscribed"]
    assert len(objected) == company.defects["objected"]
    unreadable = [one for one in company.deals.values() if isinstance(one["value"], str)]
    assert len(unreadable) == company.defects["unreadable_amount"]
    assert {by_id["deals"][one["id"]]["value"] for one in unreadable} == {
        one["value"] for one in unreadable
    }


def test_a_second_pull_lands_nothing_and_asks_only_for_changes(lake):
    served = Asked(app(few_records()))
    with serving(served) as url:
        first, _ = pulled(lake, url)
        asked_first = len(served.requests)
        second, context = pulled(lake, url)
    assert (len(first), second, context.problems) == (len(TABLES), {}, [])
    asked = served.requests[asked_first:]
    changes = {path: params["updated_since"] for path, params in asked if "updated_since" in params}
    since = "2025-06-01T06:55:00Z"
    assert changes == {f"/api/v2/{name}": since for name in V2_LISTS} | {"/api/v1/notes": since}
    others = [(path, params) for path, params in asked if "updated_since" not in params]
    assert others == [
        ("/api/v1/users/me", {}),
        ("/api/v1/users", {}),
        ("/api/v2/deals", {"status": "deleted", "limit": "500"}),
    ]


def test_changed_and_new_records_land_as_exactly_these_rows(lake):
    company = few_records()
    edits = {
        "organizations": {"name": "Gasthaus Linde"},
        "persons": {"first_name": "Ännchen"},
        "deals": {"value": 99.95, "is_archived": True},
        "activities": {"done": True},
        "notes": {"content": "Ruft zurück"},
    }
    new = {
        "organizations": organization(9, NOON),
        "persons": person(9, NOON),
        "deals": deal(9, NOON),
        "activities": activity(9, NOON),
        "notes": note(9, "2025-06-01 12:00:00"),
    }
    with serving(app(company)) as url:
        pulled(lake, url)
        for table, edit in edits.items():
            records = getattr(company, table)
            records[2] |= edit | {"update_time": new[table]["update_time"]}
            records[9] = new[table]
        rows, context = pulled(lake, url)
    assert context.problems == []
    as_text = {True: "true", 99.95: "99.95"}
    for table, edit in edits.items():
        landed = {row["id"]: row for row in rows.pop(table)}
        assert {key: row["_is_deleted"] for key, row in landed.items()} == {"2": None, "9": None}
        for column, value in edit.items():
            assert landed["2"][column] == as_text.get(value, value)
    assert rows == {}


def test_a_deleted_deal_lands_as_a_deletion_at_the_next_pull(lake):
    company = few_records()
    with serving(app(company)) as url:
        pulled(lake, url)
        company.deals[2] |= {"status": "deleted", "is_deleted": True}
        rows, context = pulled(lake, url)
        again, _ = pulled(lake, url)
    assert context.problems == []
    assert {name: [(row["id"], row["_is_deleted"]) for row in rows[name]] for name in rows} == {
        "deals": [("2", True)]
    }
    assert again == {}


def test_any_other_deletion_is_found_when_everything_is_read(lake):
    company = few_records()
    company.users[2] = {"id": 2, "name": "Björn Zwirnkötter"}
    with serving(app(company)) as url:
        pulled(lake, url)
        for table in TABLES:
            del getattr(company, table.name)[2]
        unseen, _ = pulled(lake, url)
        rows, _ = pulled(lake, url, read_all_after_days="0")
    deletion = [("2", True)]
    assert set(unseen) == {"users"}
    assert {name: [(row["id"], row["_is_deleted"]) for row in rows[name]] for name in rows} == {
        table.name: deletion for table in TABLES if table.name != "users"
    }


def test_lists_longer_than_a_page_are_read_to_the_end(lake):
    company = few_records(1_203)
    served = Asked(app(company))
    with serving(served) as url:
        rows, context = pulled(lake, url)
        for number in range(1, 1_101):
            # More than a page of them changed at one moment.
            company.persons[number] |= {"job_title": "Küche", "update_time": NOON}
        changed, _ = pulled(lake, url)
    assert context.problems == []
    for table in TABLES[1:]:
        assert sorted(int(row["id"]) for row in rows[table.name]) == list(range(1, 1_204))
    assert sorted(int(row["id"]) for row in changed["persons"]) == list(range(1, 1_101))
    assert max(int(params.get("limit", 0)) for _, params in served.requests) == 500


def test_a_company_without_notes_is_no_problem(lake):
    company = few_records()
    company.notes.clear()
    with serving(app(company)) as url:
        rows, context = pulled(lake, url)
    assert context.problems == []
    assert (context.read >= {"notes"}, "notes" in rows) == (True, False)


def test_notes_deleted_while_notes_are_paged_hide_no_other(lake):
    company = few_records(1_203)

    def delete(path: str, params: dict) -> None:
        if path == "/api/v1/notes" and params["start"] != "0":
            for number in range(5, 15):
                company.notes.pop(number, None)

    with serving(Asked(app(company), delete)) as url:
        rows, context = pulled(lake, url)
    assert context.problems == []
    assert sorted(int(row["id"]) for row in rows["notes"]) == list(range(1, 1_204))


def test_a_refused_token_gives_one_problem_and_one_request(lake):
    served = Asked(app(few_records()))
    with serving(served) as url:
        said = reached(url)
        context = Pull(lake.root, "EUR", Connection(said.options, {"api_token": Secret("wrong")}))
        assert pull_source(SOURCE, lake, context) == []
    assert len(served.requests) == 1
    assert len(context.problems) == 1
    assert "(401)" in str(context.problems[0])
    assert "API token" in str(context.problems[0])


def test_withheld_lists_cost_their_own_tables_only_and_are_caught_up(lake):
    company = few_records()
    company.withheld = {"users", "persons", "deals/archived", "notes"}
    with serving(app(company)) as url:
        rows, context = pulled(lake, url)
        company.withheld = set()
        later, _ = pulled(lake, url)
    assert set(rows) == {"organizations", "activities"}
    assert [str(one).split(" was refused (403)")[0] for one in context.problems] == [
        "pipedrive: GET /api/v1/users",
        "pipedrive: GET /api/v2/persons",
        "pipedrive: GET /api/v2/deals/archived",
        "pipedrive: GET /api/v1/notes",
    ]
    assert set(later) == {"users", "persons", "deals", "notes"}


def test_deletions_of_deals_that_cannot_be_read_cost_nothing_else(lake):
    company = few_records()
    hits = []

    def withhold(path: str, params: dict) -> None:
        company.withheld = {"deals"} if "status" in params else set()
        hits.append("status" in params)

    with serving(Asked(app(company), withhold)) as url:
        pulled(lake, url)
        company.notes[9] = note(9, "2025-06-01 12:00:00")
        rows, context = pulled(lake, url)
    assert any(hits)
    assert list(rows) == ["notes"]
    assert len(context.problems) == 1


def test_too_many_requests_are_waited_for(lake):
    paced = Paced(app(few_records()), requests=6, seconds=4)
    with serving(paced) as url:
        rows, context = pulled(lake, url)
    assert paced.refused > 0
    assert (len(rows), context.problems) == (len(TABLES), [])


def test_the_pull_ends_before_it_spends_more_tokens_than_it_may(lake):
    served = Asked(app(few_records()))
    with serving(served) as url:
        rows, context = pulled(lake, url, daily_tokens="97")
    cost = {"v2": 10, "v1": 20}
    spent = sum(
        2 if path.endswith("/me") else cost[path.split("/")[2]] for path, _ in served.requests
    )
    assert context.problems == []
    assert (spent, len(rows)) == (92, len(TABLES))
    # A budget that the known records do not exceed, but the records now there do.
    company = few_records(1_203)
    served = Asked(app(company))
    with serving(served) as url:
        _, context = pulled(Lake(lake.root.parent / "second"), url, daily_tokens="97")
    assert len(context.problems) == 1
    assert "daily_tokens (97)" in str(context.problems[0])
    assert [path for path, _ in served.requests].count("/api/v2/organizations") == 3
    assert not [path for path, _ in served.requests if path == "/api/v1/notes"]


def test_a_day_whose_tokens_cannot_suffice_is_told_before_any_is_spent(lake):
    company = few_records(1_203)
    served = Asked(app(company))
    with serving(served) as url:
        pulled(lake, url)
        asked = len(served.requests)
        rows, context = pulled(lake, url, daily_tokens="200", read_all_after_days="0")
        assert len(served.requests) == asked
        context.problems.clear()
        told = check(context)
    assert rows == {}
    assert len(told) == 1
    # users/me, users, 3 pages of each of 4 lists, archive and deleted deals, 3 pages of notes
    assert "needs about 212 tokens, daily_tokens allows 200" in told[0]


def test_check_names_each_missing_right(lake):
    company = few_records()
    served = Asked(app(company))
    with serving(served) as url:
        context = Pull(lake.root, "EUR", reached(url))
        assert check(context) == []
        assert len(served.requests) == 1 + 4 + 1 + 1
        company.withheld = {"deals", "notes"}
        told = check(context)
    assert [sentence.rpartition("Missing: ")[2] for sentence in told] == [
        "the right to read deals.",
        "the right to read notes.",
    ]


def test_check_tells_of_a_refused_token_once(lake):
    with serving(app(few_records())) as url:
        said = reached(url)
        context = Pull(lake.root, "EUR", Connection(said.options, {"api_token": Secret("wrong")}))
        told = check(context)
    assert len(told) == 1
    assert "(401)" in told[0]


@pytest.mark.parametrize(
    ("option", "value"), [("daily_tokens", "many"), ("requests", "0"), ("seconds", "-1")]
)
def test_a_wrong_option_is_named(lake, option, value):
    rows, context = pulled(lake, "http://127.0.0.1:9", **{option: value})
    assert rows == {}
    assert [str(one) for one in context.problems] == [
        f"pipedrive: {option} in stammkunde.yml must be a number above zero"
    ]


def test_further_person_fields_that_are_not_booked_cost_the_persons_only(lake):
    with serving(app(few_records())) as url:
        rows, context = pulled(lake, url, person_fields="shoe_size")
    assert "persons" not in rows
    assert len(rows) == len(TABLES) - 1
    assert ["/api/v2/persons was answered with 400" in str(one) for one in context.problems] == [
        True
    ]


def test_own_fields_that_no_option_names_are_kept_aside(lake):
    company = few_records(1)
    company.organizations[1]["custom_fields"] = {OWN_FIELDS["vat_id"]: "DE136695976"}
    with serving(app(company)) as url:
        rows, _ = pulled(lake, url, vat_id_field="", acquisition_field="")
    (row,) = rows["organizations"]
    assert row["vat_id"] is None
    assert json.loads(row["_extra"]) == {
        "custom_fields": {OWN_FIELDS["vat_id"]: "DE136695976"},
    }


def test_no_problem_and_no_log_shows_the_token_or_a_record(lake, caplog):
    caplog.set_level(logging.DEBUG)
    company = few_records()
    company.withheld = {"persons", "notes"}
    with serving(app(company)) as url:
        _, context = pulled(lake, url)
        told = check(context)
    shown = caplog.text + " ".join(str(one) for one in [*context.problems, *told])
    assert "was refused (403)" in shown
    assert TOKEN not in shown
    assert "Gasthaus" not in shown


def test_the_demo_server_refuses_what_the_vendor_refuses():
    wrong = [
        ("/api/v2/persons", {"limit": 501}),
        ("/api/v2/persons", {"limit": 0}),
        ("/api/v2/persons", {"sort_by": "name"}),
        ("/api/v2/persons", {"sort_direction": "up"}),
        ("/api/v2/persons", {"updated_since": "yesterday"}),
        ("/api/v2/persons", {"cursor": "no cursor"}),
        ("/api/v2/activities", {"status": "deleted"}),
        ("/api/v1/notes", {"limit": 501}),
        ("/api/v1/notes", {"start": "first"}),
    ]
    with serving(app(few_records())) as url:
        answers = [
            requests.get(url + path, params, headers={"x-api-token": TOKEN}, timeout=5)
            for path, params in wrong
        ]
    assert [answer.status_code for answer in answers] == [400] * len(wrong)
    assert not any(answer.json()["success"] for answer in answers)


def test_the_demo_server_says_null_where_version_1_has_no_notes():
    with serving(app(Books())) as url:
        answer = requests.get(f"{url}/api/v1/notes", headers={"x-api-token": TOKEN}, timeout=5)
    assert answer.json()["data"] is None
