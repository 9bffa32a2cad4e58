"""Trustpilot: the connector against the demo company's server, into a real lake."""

import json
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pyarrow.parquet as pq
import pytest
import requests

from sources.contract import Connection, Pull, Secret
from sources.demo.relations import draw_relations
from sources.demo.serving import Paced, serving
from sources.demo.trustpilot_server import (
    API_SECRET,
    BUSINESS_UNIT_ID,
    TOKEN,
    Books,
    app,
    books,
    connection,
)
from sources.demo.world import World, draw_world
from sources.landing import Lake
from sources.pulling import pull_source
from sources.reviews.trustpilot import OPTIONS, PAGE_SIZE, SOURCE, check

TODAY = datetime.now(UTC).replace(microsecond=0)
SIGN_IN = "/oauth/oauth-business-users-for-applications/accesstoken"


class Asked:
    """The server, and what it was asked: path and parameters of each request."""

    def __init__(self, served, before=lambda params: None) -> None:
        self.served, self.before, self.requests = served, before, []

    async def __call__(self, scope, receive, send) -> None:
        params = dict(parse_qsl(scope["query_string"].decode()))
        self.before(params)
        self.requests.append((scope["path"], params))
        await self.served(scope, receive, send)

    @property
    def pages(self) -> list[dict]:
        """The parameters of each request for reviews."""
        return [params for path, params in self.requests if path != SIGN_IN]


def review(number: int, written: datetime = TODAY, **more) -> dict:
    return {
        "id": f"{number:024x}",
        "stars": 4,
        "title": "Gut beraten",
        "text": f"Herd Nummer {number} läuft",
        "language": "de",
        "createdAt": f"{written:%Y-%m-%dT%H:%M:%SZ}",
        "updatedAt": None,
        "companyReply": None,
        "consumer": {"id": "c" * 24, "displayName": "Anna K.", "numberOfReviews": 1, "links": []},
        "referralEmail": "anna@gasthaus.example",
        "referenceId": "RE-2025-000123",
        "isVerified": True,
        "status": "active",
        "links": [],
    } | more


def shelf(*reviews: dict) -> Books:
    return Books(reviews={one["id"]: one for one in reviews})


def a_day_apart(count: int) -> Books:
    """That many reviews, the newest from today."""
    return shelf(*(review(n, TODAY - timedelta(days=count - n)) for n in range(1, count + 1)))


def reached(url: str, **options: str) -> Connection:
    said = connection(url)
    defaults = {option.name: option.default for option in OPTIONS}
    return Connection({**defaults, **said.options, **options}, said.secrets)


def pulled(lake: Lake, url: str, **options: str) -> tuple[list[dict], Pull]:
    """The rows landed by this pull, and what came of it."""
    context = Pull(lake.root.parent, "EUR", reached(url, **options))
    parts = [part for load in pull_source(SOURCE, lake, context) for part in load.parts]
    return [row for part in parts for row in pq.read_table(part).to_pylist()], context


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture(scope="module")
def world() -> World:
    return draw_world(customers=300)


@pytest.fixture(scope="module")
def company(world: World) -> Books:
    return books(world, draw_relations(world))


def test_the_demo_companys_reviews_arrive_whole_and_as_they_were_written(lake, world, company):
    with serving(app(company)) as url:
        rows, context = pulled(lake, url)
    assert context.problems == []
    assert context.read == {"reviews"}
    drawn = [one for one in draw_relations(world).reviews if one.platform == "trustpilot"]
    assert len(rows) == len(drawn) > 20
    by_text = {(row["created_at"], row["consumer_name"]): row for row in rows}
    for one in drawn:
        row = by_text[f"{one.created_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", one.author_name]
        assert row["stars"] == str(one.stars)
        assert (row["title"], row["text"], row["language"]) == (one.title, one.text, one.language)
        assert (row["referral_email"], row["reference_id"]) == (one.email, one.order_number)
        assert row["reply_text"] == one.reply_text
        assert (row["reply_at"] is None) == (one.replied_at is None)
        assert row["is_verified"] == ("true" if one.is_verified else "false")
        assert company.customers.get(row["id"]) == one.organisation
        assert row["_extra"] is None


def test_the_demo_companys_impossible_stars_are_those_the_contract_refuses(lake, company):
    with serving(app(company)) as url:
        rows, _ = pulled(lake, url)
    (stars,) = (column for column in SOURCE.tables[0].columns if column.name == "stars")
    outside = sum(row["stars"] not in stars.choices for row in rows)
    assert outside == company.defects["impossible_stars"] > 0


def test_a_second_pull_lands_nothing(lake):
    with serving(app(a_day_apart(3))) as url:
        assert len(pulled(lake, url)[0]) == 3
        assert pulled(lake, url)[0] == []


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_every_review_of_every_page_comes_once(lake, count):
    with serving(served := Asked(app(a_day_apart(count)))) as url:
        rows, context = pulled(lake, url)
    assert context.problems == []
    assert sorted(int(row["id"], 16) for row in rows) == list(range(1, count + 1))
    assert all(params["perPage"] == "100" for params in served.pages)
    assert len(served.pages) <= 2 + count // 99


def test_no_question_goes_deeper_than_two_pages_however_many_reviews_there_are(lake):
    with serving(served := Asked(app(a_day_apart(450)))) as url:
        assert len(pulled(lake, url)[0]) == 450
    assert max(int(params["page"]) for params in served.pages) == 2


def test_reviews_of_one_second_fill_more_than_a_page(lake):
    same = [review(number, TODAY) for number in range(PAGE_SIZE * 2 + 50)]
    around = [review(900, TODAY - timedelta(days=1)), review(901, TODAY + timedelta(seconds=1))]
    with serving(app(shelf(*around, *same))) as url:
        rows, context = pulled(lake, url)
    assert context.problems == []
    assert len(rows) == PAGE_SIZE * 2 + 52


def test_a_review_deleted_while_reading_hides_no_other(lake):
    shelved = a_day_apart(250)

    def delete_the_first(params: dict) -> None:
        if "startDateTime" in params:
            shelved.reviews.pop(f"{1:024x}", None)

    with serving(Asked(app(shelved), delete_the_first)) as url:
        rows, _ = pulled(lake, url)
    assert {int(row["id"], 16) for row in rows} >= set(range(2, 251))


def test_an_answer_that_does_not_go_on_takes_nothing(lake):
    shelved = a_day_apart(250)

    def skip_two_days(params: dict) -> None:
        if "startDateTime" in params:
            for number in (99, 100, 101):
                shelved.reviews.pop(f"{number:024x}", None)

    with serving(Asked(app(shelved), skip_two_days)) as url:
        rows, context = pulled(lake, url)
    assert rows == []
    assert "does not go on where the one before ended" in str(context.problems[0])


def test_a_vendor_that_leaves_the_moment_itself_out_hides_no_review(lake):
    inner = app(a_day_apart(250))

    async def exclusive(scope, receive, send) -> None:
        params = dict(parse_qsl(scope["query_string"].decode()))
        if "startDateTime" in params:
            moment = datetime.fromisoformat(params["startDateTime"]) + timedelta(seconds=1)
            params["startDateTime"] = f"{moment:%Y-%m-%dT%H:%M:%S}"
        await inner({**scope, "query_string": urlencode(params).encode()}, receive, send)

    with serving(exclusive) as url:
        rows, context = pulled(lake, url)
    assert context.problems == []
    assert len(rows) == 250


def test_an_edit_and_a_reply_come_with_the_next_pull(lake):
    shelved = a_day_apart(40)
    with serving(app(shelved)) as url:
        pulled(lake, url)
        changed = f"{TODAY:%Y-%m-%dT%H:%M:%SZ}"
        shelved.reviews[f"{3:024x}"] |= {"text": "Nun doch nicht", "updatedAt": changed}
        shelved.reviews[f"{4:024x}"] |= {
            "companyReply": {"text": "Danke!", "createdAt": changed, "updatedAt": None},
            "updatedAt": changed,
        }
        shelved.reviews[f"{41:024x}"] = review(41)
        rows, _ = pulled(lake, url)
    found = {int(row["id"], 16): row for row in rows}
    assert found.keys() == {3, 4, 41}
    assert found[3]["text"] == "Nun doch nicht"
    assert (found[4]["reply_text"], found[4]["reply_at"]) == ("Danke!", changed)
    assert found[41]["updated_at"] is None
    assert not any(row["_is_deleted"] for row in rows)


def edited(days_ago: int, number: int) -> dict:
    moment = TODAY - timedelta(days=days_ago)
    return review(number, moment, updatedAt=f"{moment:%Y-%m-%dT%H:%M:%SZ}")


def test_a_nightly_pull_asks_only_for_the_days_to_be_reread(lake):
    shelved = shelf(edited(200, 1), edited(20, 2), edited(0, 3))
    with serving(served := Asked(app(shelved))) as url:
        pulled(lake, url)
        assert "startDateTime" not in served.pages[0]
        served.requests.clear()
        shelved.reviews[f"{1:024x}"]["title"] = "Zu alt"
        shelved.reviews[f"{2:024x}"]["title"] = "Noch dabei"
        rows, _ = pulled(lake, url, reread_days="30")
    asked = datetime.fromisoformat(served.pages[0]["startDateTime"] + "+00:00")
    assert abs(datetime.now(UTC) - timedelta(days=30) - asked) < timedelta(minutes=2)
    assert [row["title"] for row in rows] == ["Noch dabei"]


def test_after_a_long_break_nothing_between_is_left_out(lake):
    with serving(served := Asked(app(shelf(edited(400, 1), edited(300, 2))))) as url:
        pulled(lake, url)
        served.requests.clear()
        pulled(lake, url)
    assert served.pages[0]["startDateTime"] == f"{TODAY - timedelta(days=300, minutes=5):%FT%T}"


def test_a_deleted_review_is_found_when_everything_is_read(lake):
    shelved = shelf(*(edited(days, days) for days in range(1, 6)))
    with serving(app(shelved)) as url:
        pulled(lake, url)
        del shelved.reviews[f"{2:024x}"]
        assert pulled(lake, url)[0] == []
        cursors = lake.root / "cursors" / "trustpilot.json"
        known = json.loads(cursors.read_text())
        known["reviews"]["read_all_at"] = (TODAY - timedelta(days=8)).isoformat()
        cursors.write_text(json.dumps(known))
        rows, _ = pulled(lake, url)
    assert [(row["id"], row["_is_deleted"]) for row in rows] == [(f"{2:024x}", True)]


def test_what_an_author_writes_about_others_is_no_change(lake):
    shelved = a_day_apart(2)
    with serving(app(shelved)) as url:
        pulled(lake, url)
        shelved.reviews[f"{1:024x}"]["consumer"]["numberOfReviews"] = 7
        shelved.reviews[f"{2:024x}"]["numberOfLikes"] = 3
        assert pulled(lake, url)[0] == []


def test_what_a_reviewer_told_about_himself_is_not_kept(lake):
    request = {"consumerResponse": {"email": "anna.privat@postfach.example"}}
    shelved = shelf(review(1, findReviewer={"isEligible": True, "requests": [request]}))
    with serving(app(shelved)) as url:
        rows, _ = pulled(lake, url)
    assert "anna.privat" not in str(rows)


def test_a_new_field_of_the_vendor_is_kept(lake):
    with serving(app(shelf(review(1, mood="happy")))) as url:
        rows, _ = pulled(lake, url)
    assert json.loads(rows[0]["_extra"]) == {"mood": "happy"}


def test_a_review_without_a_date_is_a_problem_and_not_taken(lake):
    async def answer(scope, receive, send) -> None:
        content = {"access_token": TOKEN, "expires_in": "1"}
        if scope["path"] != SIGN_IN:
            content = {"reviews": [{"id": f"{1:024x}", "stars": 4}]}
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": json.dumps(content).encode()})

    with serving(answer) as url:
        rows, context = pulled(lake, url)
    assert rows == []
    assert "does not say how the list goes on" in str(context.problems[0])


def test_signing_in_happens_once_and_every_question_bears_the_token(lake):
    with serving(served := Asked(app(a_day_apart(250)))) as url:
        pulled(lake, url)
    assert [path for path, _ in served.requests].count(SIGN_IN) == 1
    assert served.requests[0][0] == SIGN_IN


def test_a_wrong_secret_is_one_request_and_one_problem_that_does_not_show_it(lake):
    with serving(served := Asked(app(a_day_apart(3)))) as url:
        wrong = reached(url)
        wrong = Connection(wrong.options, {**wrong.secrets, "api_secret": Secret("sesam öffne€")})
        context = Pull(lake.root.parent, "EUR", wrong)
        assert pull_source(SOURCE, lake, context) == []
        assert [path for path, _ in served.requests] == [SIGN_IN]
        (problem,) = context.problems
        assert "was refused (401)" in str(problem)
        assert "Check API key and secret" in str(problem)
        assert "sesam" not in "".join(traceback.format_exception(problem))
        assert check(Pull(lake.root.parent, "EUR", wrong)) == [str(problem)]


def test_a_plan_without_the_api_module_is_told(lake):
    shelved = a_day_apart(3)
    shelved.is_open = False
    with serving(served := Asked(app(shelved))) as url:
        _, context = pulled(lake, url)
        (problem,) = context.problems
        assert "refused (403)" in str(problem)
        assert "has the API module" in str(problem)
        assert len(served.pages) == 1
        assert check(Pull(lake.root.parent, "EUR", reached(url))) == [str(problem)]


def test_check_is_one_question_and_silent_where_all_is_well(lake):
    with serving(served := Asked(app(a_day_apart(3)))) as url:
        assert check(Pull(lake.root.parent, "EUR", reached(url))) == []
    assert [params for _, params in served.requests] == [{}, {"perPage": "1"}]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("business_unit_id", "culinary-cooking.example", "must be 24 characters"),
        ("business_unit_id", "0" * 24, "no company with this business_unit_id"),
        ("reread_days", "a while", "reread_days in stammkunde.yml must be a number"),
        ("requests", "0", "requests in stammkunde.yml must be a number"),
        ("seconds", "nan", "seconds in stammkunde.yml must be a number"),
        ("base_url", "api.trustpilot.example", "base_url must begin with https://"),
    ],
)
def test_a_wrong_option_is_told(lake, option, value, said):
    with serving(app(a_day_apart(3))) as url:
        rows, context = pulled(lake, url, **{option: value})
        assert rows == []
        assert said in str(context.problems[0])
        assert said in check(Pull(lake.root.parent, "EUR", reached(url, **{option: value})))[0]


def test_a_rate_limit_is_survived(lake):
    paced = Paced(app(a_day_apart(150)), requests=2, seconds=1)
    with serving(paced) as url:
        rows, context = pulled(lake, url)
    assert paced.refused > 0
    assert context.problems == []
    assert len(rows) == 150


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"perPage": "101"}, 400),
        ({"perPage": "0"}, 400),
        ({"page": "0"}, 400),
        ({"orderBy": "updatedat.asc"}, 400),
        ({"startDateTime": "yesterday"}, 400),
        ({"page": "99"}, 200),
    ],
    ids=str,
)
def test_the_demo_server_takes_what_the_vendor_takes(params, status):
    with serving(app(a_day_apart(3))) as url:
        answer = requests.get(
            f"{url}/private/business-units/{BUSINESS_UNIT_ID}/reviews",
            params=params,
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=5,
        )
    assert answer.status_code == status
    assert answer.json().get("reviews", []) == []


def test_the_demo_server_pages_filters_and_sorts():
    with serving(app(a_day_apart(30))) as url:

        def asked(**params: object) -> list[int]:
            answer = requests.get(
                f"{url}/private/business-units/{BUSINESS_UNIT_ID}/reviews",
                params=params,
                headers={"Authorization": f"Bearer {TOKEN}"},
                timeout=5,
            )
            return [int(one["id"], 16) for one in answer.json()["reviews"]]

        assert asked() == list(range(30, 10, -1))
        assert asked(page=2) == list(range(10, 0, -1))
        assert asked(orderBy="createdat.asc", perPage=3, page=2) == [4, 5, 6]
        day = {n: f"{TODAY - timedelta(days=30 - n):%Y-%m-%dT%H:%M:%S}" for n in (28, 30)}
        assert asked(startDateTime=day[28], endDateTime=day[30]) == [29, 28]


def test_the_demo_server_gives_no_token_for_a_wrong_secret():
    with serving(app(a_day_apart(1))) as url:
        for secret, status in ((API_SECRET, 200), ("wrong", 401)):
            answer = requests.post(
                url + SIGN_IN,
                auth=("demo-key", secret),
                data={"grant_type": "client_credentials"},
                timeout=5,
            )
            assert answer.status_code == status
            assert ("access_token" in answer.json()) == (status == 200)
