"""Mailchimp's connector against the demo server: what arrives, what is asked, what goes wrong."""

import copy
import dataclasses
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import mailchimp_marketing
import pyarrow.parquet as pq
import pytest
import requests
from starlette.responses import JSONResponse

from sources.contract import Connection, Pull, Secret
from sources.demo.mailchimp_server import KEY, LIST, Books, app, books, connection
from sources.demo.relations import draw_relations
from sources.demo.serving import Paced, serving
from sources.demo.world import draw_world
from sources.landing import Lake
from sources.newsletter import mailchimp
from sources.newsletter.mailchimp import SOURCE
from sources.pulling import pull_source

ALL_TABLES = {table.name for table in SOURCE.tables}
LATER = "2026-01-05T10:00:00+00:00"


@pytest.fixture(scope="module")
def drawn() -> Books:
    world = draw_world(customers=200)
    return books(world, draw_relations(world))


@pytest.fixture(scope="module")
def served(drawn: Books) -> Iterator[str]:
    with serving(app(drawn)) as url:
        yield url


@pytest.fixture
def account(drawn: Books) -> Books:
    """Books of one's own, with two campaigns: one that drove people away, and the last."""
    account = copy.deepcopy(drawn)
    kept = {next(iter(account.unsubscribes))[0], list(account.campaigns)[-1]}
    account.campaigns = {id_: one for id_, one in account.campaigns.items() if id_ in kept}
    for name in ("activity", "unsubscribes"):
        records = getattr(account, name)
        setattr(account, name, {key: one for key, one in records.items() if key[0] in kept})
    return account


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


class Server:
    """The demo server, with what it was asked, and what is made to go wrong on purpose."""

    def __init__(self, account: Books) -> None:
        self.app = app(account)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.forbidden: str | None = None
        self.jumps_over = 0

    async def __call__(self, scope, receive, send) -> None:
        asked = dict(parse_qsl(scope["query_string"].decode()))
        path = scope["path"].removeprefix("/3.0/")
        self.asked.append((path, dict(asked)))
        if self.forbidden and path.endswith(self.forbidden):
            await JSONResponse({"title": "Forbidden", "status": 403}, 403)(scope, receive, send)
            return
        if path.endswith("/members") and asked.get("offset", "0") != "0":
            asked["offset"] = str(int(asked["offset"]) + self.jumps_over)
            scope = scope | {"query_string": urlencode(asked).encode()}
        await self.app(scope, receive, send)

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def params(self, path: str) -> list[dict[str, str]]:
        return [params for asked, params in self.asked if asked == path]


def connected(url: str, **options: str) -> Connection:
    said = connection(url)
    defaults = {option.name: option.default for option in SOURCE.options if option.default}
    return Connection({**defaults, **said.options, "page_size": "50", **options}, said.secrets)


def pull(server, lake: Lake, *, source=SOURCE, **options: str) -> tuple[dict[str, list], Pull]:
    """The rows that a pull landed, by table, and what it had to say."""
    with serving(server) as url:
        context = Pull(Path("."), "EUR", connected(url, **options))
        loads = pull_source(source, lake, context)
    landed: dict[str, list] = {}
    for load in loads:
        for part in load.parts:
            landed.setdefault(load.about["table"], []).extend(pq.read_table(part).to_pylist())
    return landed, context


def test_everything_arrives_whole_and_over_several_pages(account: Books, lake: Lake):
    server = Server(account)

    landed, context = pull(server, lake)

    assert (context.problems, context.read) == ([], ALL_TABLES)
    members = {(row["list_id"], row["id"]): row for row in landed["members"]}
    assert len(landed["members"]) == len(members) > 100
    assert members.keys() == account.members.keys()
    for key, member in account.members.items():
        row = members[key]
        for name in ("email_address", "status", "timestamp_signup", "ip_signup", "timestamp_opt"):
            assert row[name] == member[name]
        assert row["ip_opt"] == member["ip_opt"]
        assert row["unsubscribe_reason"] == member.get("unsubscribe_reason")
        for name in ("interests", "marketing_permissions", "merge_fields", "tags"):
            assert json.loads(row[name]) == member[name]
        assert float(row["avg_open_rate"]) == member["stats"]["avg_open_rate"]
        assert "_links" not in row["_extra"]
    assert {(row["id"], row["name"], row["category_title"]) for row in landed["interests"]} == {
        (one["id"], one["name"], account.categories[one["category_id"]]["title"])
        for one in account.interests.values()
    }
    assert Counter(
        (row["campaign_id"], row["email_id"], row["action"], row["timestamp"], row["url"])
        for row in landed["email_activity"]
    ) == Counter(
        (*key, event["action"], event["timestamp"], event.get("url"))
        for key, mail in account.activity.items()
        for event in mail["activity"]
    )
    assert {
        (row["campaign_id"], row["email_id"]): row["timestamp"] for row in landed["unsubscribes"]
    } == {key: one["timestamp"] for key, one in account.unsubscribes.items()}
    assert {
        row["id"]: (row["title"], row["subject_line"], int(row["opens"]))
        for row in landed["campaigns"]
    } == {
        id_: (
            one["settings"]["title"],
            one["settings"]["subject_line"],
            one["report_summary"]["opens"],
        )
        for id_, one in account.campaigns.items()
    }
    assert [row["name"] for row in landed["lists"]] == ["Newsletter Culinary Cooking"]
    offsets = {params.get("offset") for params in server.params(f"lists/{LIST}/members")}
    assert offsets >= {"0", "50", "100"}


def test_every_turn_of_consent_is_among_the_members(account: Books):
    shown = {
        (member["status"], bool(member["timestamp_signup"]), bool(member["timestamp_opt"]))
        for member in account.members.values()
    }
    assert shown == {
        ("subscribed", True, True),
        ("subscribed", False, False),
        ("pending", True, False),
        ("unsubscribed", True, True),
        ("cleaned", True, True),
    }


def test_second_pull_asks_only_for_changes_and_lands_nothing(account: Books, lake: Lake):
    pull(Server(account), lake)
    newest = max(member["last_changed"] for member in account.members.values())
    asked_since = (datetime.fromisoformat(newest) - timedelta(minutes=5)).isoformat()
    server = Server(account)

    landed, context = pull(server, lake)

    assert (landed, context.problems) == ({}, [])
    for params in server.params(f"lists/{LIST}/members"):
        assert params["since_last_changed"] == asked_since
    for campaign_id in account.campaigns:
        assert all(
            "since" in asked for asked in server.params(f"reports/{campaign_id}/email-activity")
        )
    assert all("since_send_time" in asked for asked in server.params("campaigns"))


def test_a_change_and_a_new_member_come_through_as_exactly_these_rows(account: Books, lake: Lake):
    pull(Server(account), lake)
    key = next(key for key, member in account.members.items() if member["status"] == "subscribed")
    account.members[key] |= {
        "status": "unsubscribed",
        "unsubscribe_reason": "zu viele E-Mails",
        "last_changed": LATER,
    }
    new = copy.deepcopy(account.members[key]) | {"id": "0" * 32, "status": "pending"}
    account.members[LIST, new["id"]] = new

    landed, _ = pull(Server(account), lake)

    assert landed.keys() == {"members"}
    assert {(row["id"], row["status"]) for row in landed["members"]} == {
        (key[1], "unsubscribed"),
        ("0" * 32, "pending"),
    }


def test_deleted_records_are_found_when_everything_is_read(account: Books, lake: Lake):
    pull(Server(account), lake)
    member = next(iter(account.members))
    unsubscribe = next(iter(account.unsubscribes))
    interest = next(iter(account.interests))
    del account.members[member], account.unsubscribes[unsubscribe], account.interests[interest]
    opened = next(mail for mail in account.activity.values() if mail["activity"])
    event = opened["activity"].pop()

    landed, _ = pull(Server(account), lake, read_all_after_days="0")

    assert {table: len(rows) for table, rows in landed.items()} == {
        "members": 1,
        "unsubscribes": 1,
        "interests": 1,
        "email_activity": 1,
    }
    assert all(row["_is_deleted"] for rows in landed.values() for row in rows)
    assert (landed["members"][0]["list_id"], landed["members"][0]["id"]) == member
    assert landed["interests"][0]["id"] == interest
    assert landed["email_activity"][0]["timestamp"] == event["timestamp"]


def test_an_archived_member_arrives_though_lists_leave_it_out(account: Books, lake: Lake):
    key, other = list(account.members)[:2]
    account.members[key]["status"] = "archived"

    landed, _ = pull(Server(account), lake)

    statuses = {row["id"]: row["status"] for row in landed["members"]}
    assert statuses[key[1]] == "archived"
    assert statuses[other[1]] != "archived"
    assert len(statuses) == len(account.members)


def test_what_happened_twice_in_a_second_counts_twice(account: Books, lake: Lake):
    mail = next(mail for mail in account.activity.values() if not mail["activity"])
    event = {"action": "click", "timestamp": LATER, "url": "https://one.example"}
    mail["activity"] = [event, {**event, "url": "https://two.example"}, event]

    landed, _ = pull(Server(account), lake)

    assert sorted(
        (row["position"], row["url"])
        for row in landed["email_activity"]
        if row["timestamp"] == LATER
    ) == [
        ("0", "https://one.example"),
        ("1", "https://one.example"),
        ("2", "https://two.example"),
    ]


def test_new_activity_is_landed_alone(account: Books, lake: Lake):
    pull(Server(account), lake)
    key, mail = next((key, mail) for key, mail in account.activity.items() if not mail["activity"])
    mail["activity"] = [{"action": "open", "timestamp": LATER, "ip": "192.0.2.7"}]

    landed, _ = pull(Server(account), lake)

    assert landed.keys() == {"email_activity"}
    (row,) = landed["email_activity"]
    assert (row["campaign_id"], row["email_id"], row["ip"]) == (*key, "192.0.2.7")


def test_old_campaigns_are_left_alone_and_lose_nothing(account: Books, lake: Lake):
    pull(Server(account), lake)
    server = Server(account)

    landed, context = pull(server, lake, campaign_days="1", read_all_after_days="0")

    assert (landed, context.problems) == ({}, [])
    assert not [path for path in server.paths() if path.startswith("reports/")]


def test_a_skipped_member_is_a_problem_and_no_deletion(account: Books, lake: Lake):
    pull(Server(account), lake)
    server = Server(account)
    server.jumps_over = 1

    landed, context = pull(server, lake, read_all_after_days="0")

    assert landed == {}
    assert [str(problem) for problem in context.problems] == [
        f"mailchimp: lists/{LIST}/members brought {len(account.members) - 1} of "
        f"{len(account.members)} records; nothing of it was taken, pull again at a quieter time"
    ]
    assert context.read == ALL_TABLES - {"members"}


@pytest.mark.parametrize("readings", [2, 5])
def test_a_pull_killed_between_two_tables_is_caught_up(account: Books, lake: Lake, readings: int):
    killed = dataclasses.replace(
        SOURCE, pull=lambda context: itertools.islice(mailchimp.pull(context), readings)
    )

    first, _ = pull(Server(account), lake, source=killed)
    second, context = pull(Server(account), lake)

    assert (len(first), context.problems) == (readings, [])
    assert first.keys() | second.keys() == ALL_TABLES
    assert not first.keys() & second.keys()


def test_a_wrong_key_is_one_problem_and_one_request(account: Books, lake: Lake):
    server = Server(account)
    with serving(server) as url:
        said = connected(url)
        wrong = Connection(said.options, {"api_key": Secret("not-the-key-us0")})
        context = Pull(Path("."), "EUR", wrong)
        loads = pull_source(SOURCE, lake, context)
        complaints = SOURCE.check(Pull(Path("."), "EUR", wrong))

    assert loads == []
    (problem,) = context.problems
    assert complaints == [str(problem)]
    assert server.paths() == ["ping", "ping"]
    assert "(401)" in str(problem) and "data_centre" in str(problem)
    assert "not-the-key" not in str(problem)


@pytest.mark.parametrize(
    ("forbidden", "lost"),
    [
        ("lists", {"lists", "interests", "members"}),
        ("members", {"members"}),
        ("campaigns", {"campaigns", "unsubscribes", "email_activity"}),
        ("unsubscribed", {"unsubscribes"}),
        ("email-activity", {"email_activity"}),
    ],
)
def test_what_is_refused_takes_only_what_hangs_on_it_along(
    account: Books, lake: Lake, forbidden: str, lost: set[str]
):
    server = Server(account)
    server.forbidden = forbidden

    _, context = pull(server, lake)

    assert context.read == ALL_TABLES - lost
    (problem,) = context.problems
    assert f"{forbidden} was refused (403)" in str(problem)
    assert KEY not in str(problem)
    assert len([path for path in server.paths() if path.endswith(forbidden)]) == 1


def test_the_rate_limit_is_waited_for(account: Books, lake: Lake):
    # Less lets through than there are requests, so that it is met once.
    paced = Paced(Server(account), requests=15, seconds=4)

    landed, context = pull(paced, lake)

    assert paced.refused > 0
    assert context.problems == []
    assert len(landed["members"]) == len(account.members)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("data_centre", "us21.evil.example/"),
        ("data_centre", ""),
        ("page_size", "1001"),
        ("page_size", "0"),
        ("campaign_days", "sixty"),
        ("campaign_days", "40000"),
        ("requests", "-1"),
        ("seconds", "0"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_asked(
    account: Books, lake: Lake, option: str, value: str
):
    server = Server(account)

    _, context = pull(server, lake, **{option: value})

    (problem,) = context.problems
    assert option in str(problem) and "stammkunde.yml" in str(problem)
    assert server.asked == []


def test_the_data_centre_is_part_of_the_address(lake: Lake, account: Books):
    server = Server(account)
    with serving(server) as url:
        said = connected(url)
        options = said.options | {"base_url": f"{url}/{{data_centre}}", "data_centre": "us21"}
        pull_source(SOURCE, lake, Pull(Path("."), "EUR", Connection(options, said.secrets)))

    assert server.paths() == ["/us21/ping"]


def test_check_is_content_with_a_good_key(account: Books):
    server = Server(account)
    with serving(server) as url:
        assert SOURCE.check(Pull(Path("."), "EUR", connected(url))) == []

    assert server.paths() == ["ping", "lists", "campaigns", "reports"]


@pytest.mark.parametrize("right", ["lists", "campaigns", "reports"])
def test_check_names_the_right_that_is_missing(account: Books, right: str):
    server = Server(account)
    server.forbidden = right
    with serving(server) as url:
        (complaint,) = SOURCE.check(Pull(Path("."), "EUR", connected(url)))

    assert complaint.startswith("the right to see")
    assert f"GET /3.0/{right} was refused (403)" in complaint


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("lists?count=1000", 200),
        ("lists?count=1001", 400),
        ("lists?offset=x", 400),
        (f"lists/{LIST}/members?status=gone", 400),
        (f"lists/{LIST}/members?since_last_changed=yesterday", 400),
        ("lists/nowhere/members", 404),
        ("reports/nowhere/unsubscribed", 404),
        ("nothing", 404),
    ],
)
def test_the_demo_server_refuses_as_mailchimp_does(served: str, path: str, status: int):
    answer = requests.get(f"{served}/3.0/{path}", auth=("any", KEY), timeout=10)

    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json().keys() == {"type", "title", "status", "detail", "instance"}


def test_the_vendors_own_client_reads_the_same_from_the_demo_server(account: Books):
    campaign_id, campaign = list(account.campaigns.items())[-1]
    with serving(app(account)) as url:
        client = mailchimp_marketing.Client({"api_key": KEY})
        client.api_client.host = f"{url}/3.0"

        lists = client.lists.get_all_lists()["lists"]
        members = client.lists.get_list_members_info(LIST, count=1000)["members"]
        campaigns = client.campaigns.list(count=100)["campaigns"]
        reports = client.reports.get_all_campaign_reports(count=100)["reports"]
        activity = client.reports.get_email_activity_for_campaign(campaign_id, count=1000)
        gone = client.reports.get_unsubscribed_list_for_campaign(campaign_id, count=1000)

    def without_links(records: list[dict]) -> list[dict]:
        return [{k: v for k, v in record.items() if k != "_links"} for record in records]

    assert without_links(lists) == list(account.lists.values())
    assert without_links(members) == list(account.members.values())
    assert without_links(campaigns) == list(account.campaigns.values())
    assert {report["id"]: report["opens"]["opens_total"] for report in reports} == {
        id_: one["report_summary"]["opens"] for id_, one in account.campaigns.items()
    }
    assert without_links(activity["emails"]) == [
        mail for (id_, _), mail in account.activity.items() if id_ == campaign_id
    ]
    assert activity["total_items"] == campaign["emails_sent"]
    assert gone["total_items"] == sum(id_ == campaign_id for id_, _ in account.unsubscribes)


def test_the_truth_knows_whose_every_member_is(drawn: Books):
    assert {member["id"] for member in drawn.members.values()} == drawn.truth.keys()
    assert any(person is None for _, person in drawn.truth.values())
    statuses = Counter(member["status"] for member in drawn.members.values())
    assert statuses["cleaned"] == drawn.defects["bounced"]
    assert statuses["pending"] == drawn.defects["pending"] + drawn.defects["resubscription_pending"]
    assert statuses["unsubscribed"] == drawn.defects["withdrawn"]
    assert (
        sum(member["email_address"].isupper() for member in drawn.members.values())
        == (drawn.defects["email_in_capitals"])
    )
