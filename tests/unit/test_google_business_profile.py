"""Google Business Profile: the connector against the demo company's server, into a real lake."""

import logging
from pathlib import Path
from urllib.parse import parse_qsl

import pyarrow.parquet as pq
import pytest
import requests

from sources.contract import Connection, Pull, Secret
from sources.demo.google_business_profile_server import (
    ACCOUNT,
    SECRETS,
    Books,
    app,
    books,
    connection,
)
from sources.demo.relations import draw_relations
from sources.demo.serving import Paced, serving
from sources.demo.world import draw_world
from sources.landing import Lake
from sources.pulling import pull_source
from sources.reviews.google_business_profile import OPTIONS, SOURCE, check

HERE, THERE = "2001", "2002"
PLACE = f"/v4/accounts/{ACCOUNT}/locations"
STARS = {"ONE": 1, "TWO": 2, "THREE": 3, "FOUR": 4, "FIVE": 5}
NOON = "2025-06-30T12:00:00.123456789Z"


class Asked:
    """The server, and what it was asked: path and parameters of each request."""

    def __init__(self, served, before=lambda path, params: None) -> None:
        self.served, self.before, self.requests = served, before, []

    async def __call__(self, scope, receive, send) -> None:
        params = dict(parse_qsl(scope["query_string"].decode()))
        self.before(scope["path"], params)
        self.requests.append((scope["path"], params))
        await self.served(scope, receive, send)


def review(number: int, changed: str | None = None, **more) -> dict:
    # The higher the number, the later: five reviews a day.
    moment = f"2025-{number // 140 + 1:02}-{number // 5 % 28 + 1:02}T{number % 5 + 8:02}:00:00Z"
    return {
        "reviewId": f"r{number}",
        "name": f"accounts/{ACCOUNT}/locations/{HERE}/reviews/r{number}",
        "reviewer": {"displayName": "K. Beispiel", "profilePhotoUrl": "https://photos.example/1"},
        "starRating": "FOUR",
        "createTime": moment,
        "updateTime": changed or moment,
    } | more


def few_reviews(count: int = 3) -> Books:
    """That many reviews at one location, none at the other."""
    return Books({HERE: {f"r{n}": review(n) for n in range(1, count + 1)}, THERE: {}})


def reached(url: str, **options: str) -> Connection:
    said = connection(url)
    defaults = {option.name: option.default for option in OPTIONS}
    return Connection({**defaults, **said.options, **options}, said.secrets)


def pulled(lake: Lake, url: str, **options: str) -> tuple[dict[str, dict], Pull]:
    """The rows landed by this pull, by review, and what came of it."""
    context = Pull(lake.root.parent, "EUR", reached(url, **options))
    rows = {}
    for load in pull_source(SOURCE, lake, context):
        for part in load.parts:
            for row in pq.read_table(part).to_pylist():
                assert row["review_id"] not in rows
                rows[row["review_id"]] = row
    return rows, context


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_the_demo_companys_reviews_arrive_whole_and_as_they_were_sent(lake):
    world = draw_world(customers=300)
    relations = draw_relations(world)
    with serving(app(books(world, relations))) as url:
        rows, context = pulled(lake, url)
    drawn = {one.id: one for one in relations.reviews if one.platform == "google"}
    assert context.problems == []
    assert context.read == {"reviews"}
    assert set(rows) == set(drawn)
    for number, one in drawn.items():
        row = rows[number]
        assert STARS.get(row["star_rating"], 0) == one.stars
        assert (row["comment"], row["reviewer_name"]) == (one.text, one.author_name)
        assert (row["reply_comment"], bool(row["reply_time"])) == (
            one.reply_text,
            bool(one.replied_at),
        )
        assert row["update_time"].startswith(f"{one.updated_at:%Y-%m-%dT%H:%M:%S}")
        assert row["_extra"] is None


def test_every_page_of_every_location_is_read(lake):
    company = few_reviews(120)
    company.reviews[THERE] = {"s1": review(1, reviewId="s1")}
    served = Asked(app(company))
    with serving(served) as url:
        rows, _ = pulled(lake, url)
    assert set(rows) == {f"r{number}" for number in range(1, 121)} | {"s1"}
    # Three pages and a last look at the front, one page and a last look.
    assert [path for path, _ in served.requests] == [
        "/token",
        *[f"{PLACE}/{HERE}/reviews"] * 4,
        *[f"{PLACE}/{THERE}/reviews"] * 2,
    ]


def test_a_later_pull_asks_only_for_the_newest_page_and_lands_what_changed(lake):
    company = few_reviews(120)
    served = Asked(app(company))
    with serving(served) as url:
        pulled(lake, url)
        asked = len(served.requests)
        nothing, _ = pulled(lake, url)
        requests_of_an_idle_night = served.requests[asked:]
        company.reviews[HERE]["r2"] |= {"starRating": "ONE", "updateTime": NOON}
        company.reviews[HERE]["r121"] = review(121)
        rows, context = pulled(lake, url)
    assert nothing == {}
    assert [path for path, _ in requests_of_an_idle_night] == [
        "/token",
        f"{PLACE}/{HERE}/reviews",
        f"{PLACE}/{THERE}/reviews",
    ]
    assert context.problems == []
    assert {number: row["star_rating"] for number, row in rows.items()} == {
        "r2": "ONE",
        "r121": "FOUR",
    }
    assert rows["r2"]["update_time"] == NOON


def test_a_deleted_review_and_a_reply_are_found_when_everything_is_read(lake):
    company = few_reviews(10)
    with serving(app(company)) as url:
        pulled(lake, url)
        del company.reviews[HERE]["r3"]
        company.reviews[HERE]["r4"]["reviewReply"] = {"comment": "Danke!", "updateTime": NOON}
        rows, _ = pulled(lake, url, read_all_after_days="0")
    assert {number: row["_is_deleted"] for number, row in rows.items()} == {"r3": True, "r4": None}
    assert rows["r4"]["reply_comment"] == "Danke!"


def test_a_review_changed_while_everything_is_read_is_not_taken_for_deleted(lake):
    company = few_reviews(120)

    def change(path: str, params: dict) -> None:
        if "pageToken" in params:
            company.reviews[HERE]["r1"]["updateTime"] = NOON

    with serving(Asked(app(company), change)) as url:
        rows, _ = pulled(lake, url)
    assert set(rows) == {f"r{number}" for number in range(1, 121)}
    assert rows["r1"]["update_time"] == NOON


def test_a_photo_that_changes_is_no_change_of_the_review(lake):
    company = few_reviews()
    with serving(app(company)) as url:
        first, _ = pulled(lake, url)
        company.reviews[HERE]["r1"]["reviewer"]["profilePhotoUrl"] = "https://photos.example/2"
        second, _ = pulled(lake, url)
    assert (set(first), second) == ({"r1", "r2", "r3"}, {})


def test_an_access_token_is_renewed_before_it_ends(lake):
    company = few_reviews(120)
    company.expires_in = 30
    with serving(app(company)) as url:
        rows, context = pulled(lake, url)
    assert (len(rows), context.problems) == (120, [])
    assert len(company.access_tokens) == 5


def test_a_withdrawn_refresh_token_gives_one_problem_and_one_request(lake):
    served = Asked(app(few_reviews()))
    with serving(served) as url:
        said = reached(url)
        secrets = {**said.secrets, "refresh_token": Secret("withdrawn-token")}
        context = Pull(lake.root, "EUR", Connection(said.options, secrets))
        assert pull_source(SOURCE, lake, context) == []
        told = check(context)
    assert [path for path, _ in served.requests] == ["/token", "/token"]
    assert [str(one) for one in context.problems] == told
    assert "takes this refresh token or client no longer" in told[0]
    assert "withdrawn-token" not in told[0]


def test_a_location_without_the_right_to_it_holds_up_the_table_until_the_right_is_given(lake):
    company = few_reviews()
    company.withheld = {THERE}
    with serving(app(company)) as url:
        rows, context = pulled(lake, url)
        company.withheld = set()
        later, _ = pulled(lake, url)
    assert rows == {}
    assert len(context.problems) == 1
    assert f"locations/{THERE}/reviews was refused (403)" in str(context.problems[0])
    assert set(later) == {"r1", "r2", "r3"}


def test_check_names_the_locations_it_may_not_or_cannot_see(lake):
    company = few_reviews()
    served = Asked(app(company))
    with serving(served) as url:
        assert check(Pull(lake.root, "EUR", reached(url))) == []
        assert [params for _, params in served.requests[1:]] == [{"pageSize": "1"}] * 2
        company.withheld = {HERE}
        told = check(Pull(lake.root, "EUR", reached(url, locations=f"{HERE}, 9")))
    assert [sentence.partition("Missing: ")[2] for sentence in told] == [
        f"the right to manage accounts/{ACCOUNT}/locations/{HERE}.",
        f"accounts/{ACCOUNT}/locations/9, or Google has not verified it.",
    ]


def test_too_many_requests_are_waited_for(lake):
    paced = Paced(app(few_reviews()), requests=2, seconds=1)
    with serving(paced) as url:
        rows, context = pulled(lake, url)
    assert paced.refused > 0
    assert (len(rows), context.problems) == (3, [])


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("account", "accounts/101", "account in stammkunde.yml must be a number"),
        ("locations", "", "account in stammkunde.yml must be a number"),
        ("requests", "many", "requests in stammkunde.yml must be a number above zero"),
    ],
)
def test_a_wrong_option_is_named(lake, option, value, told):
    rows, context = pulled(lake, "http://127.0.0.1:9", **{option: value})
    assert rows == {}
    assert [told in str(one) for one in context.problems] == [True]


def test_a_review_without_a_time_is_refused_with_all_others(lake):
    company = few_reviews()

    class Timeless:
        """Google's server, forgetting the time of a review."""

        def __init__(self, served) -> None:
            self.served = served

        async def __call__(self, scope, receive, send) -> None:
            async def shortened(message) -> None:
                if message["type"] == "http.response.body":
                    message["body"] = message["body"].replace(b"updateTime", b"changeTime")
                await send(message)

            await self.served(scope, receive, shortened)

    with serving(Timeless(app(company))) as url:
        rows, context = pulled(lake, url)
    assert rows == {}
    assert ["no readable updateTime" in str(one) for one in context.problems] == [True]


def test_no_problem_and_no_log_shows_a_secret_or_a_record(lake, caplog):
    caplog.set_level(logging.DEBUG)
    company = few_reviews()
    company.withheld = {THERE}
    with serving(app(company)) as url:
        _, context = pulled(lake, url)
        told = check(Pull(lake.root, "EUR", reached(url)))
    shown = caplog.text + " ".join(str(one) for one in [*context.problems, *told])
    assert "was refused (403)" in shown
    for secret in (*SECRETS.values(), *company.access_tokens, "Beispiel"):
        assert secret not in shown


def test_the_demo_server_refuses_what_google_refuses():
    company = few_reviews()
    with serving(app(company)) as url:
        address = f"{url}{PLACE}/{HERE}/reviews"
        assert requests.get(address, timeout=5).status_code == 401
        assert requests.post(f"{url}/token", {"grant_type": "x"}, timeout=5).status_code == 400
        given = {"grant_type": "refresh_token", **SECRETS}
        token = requests.post(f"{url}/token", given, timeout=5).json()["access_token"]
        signed = {"Authorization": f"Bearer {token}"}
        wrong = [{"pageSize": 51}, {"orderBy": "createTime"}, {"pageToken": "none"}, {"since": "1"}]
        answers = [requests.get(address, one, headers=signed, timeout=5) for one in wrong]
        nothing = requests.get(f"{url}{PLACE}/{THERE}/reviews", headers=signed, timeout=5)
    assert [answer.status_code for answer in answers] == [400] * len(wrong)
    assert nothing.json() == {}
