"""Each fault of the proxy is really produced, and a patient client reads everything in spite of it.

What a client makes of each fault by itself is tested in tests/unit/test_http.py.
"""

import email.utils
import http.client
import json
import time
from collections import Counter
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from dlt.sources.helpers.rest_client.paginators import (
    JSONResponseCursorPaginator,
    OffsetPaginator,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sources.demo.serving import serving
from sources.http import Api, Pace, Patience
from tests.faults.fault_proxy import FAULTS, MOST_IN_A_ROW, SLOW_SECONDS, Misbehaving

RECORDS = [{"id": number, "name": f"Gasthaus {number}"} for number in range(90)]
PAGE_SIZE = 10


async def things(request: Request) -> JSONResponse:
    params = dict(request.query_params) | (await request.json() if await request.body() else {})
    start = int(params.get("offset") or params.get("after") or 0)
    following = start + PAGE_SIZE if start + PAGE_SIZE < len(RECORDS) else None
    page = RECORDS[start : start + PAGE_SIZE]
    return JSONResponse({"things": page, "total": len(RECORDS), "next": following})


def shelf() -> Starlette:
    return Starlette(routes=[Route("/things", things, methods=["GET", "POST"])])


def misbehaving(seed: int = 1, share: float = 1.0) -> Misbehaving:
    return Misbehaving(shelf(), seed, share)


class Raw:
    """One answer as it came over the wire."""

    def __init__(self, url: str, target: str) -> None:
        started = time.monotonic()
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
        self.body, self.broke = b"", None
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            self.status, self.headers = answer.status, dict(answer.getheaders())
            self.body = answer.read()
        except (http.client.HTTPException, OSError) as error:
            self.broke = error
            self.body = getattr(error, "partial", b"")
        finally:
            connection.close()
        self.seconds = time.monotonic() - started

    @property
    def is_whole(self) -> bool:
        try:
            json.loads(self.body)
        except ValueError:
            return False
        return self.broke is None


def until(fault: str, target: str = "/things?offset=20") -> Raw:
    """The first answer with this fault; the page before the target's was asked for, too."""
    with serving(proxy := misbehaving(share=0.5)) as url:
        for _ in range(1_000):
            Raw(url, "/things?offset=10")
            before = proxy.done[fault]
            answer = Raw(url, target)
            if proxy.done[fault] > before:
                return answer
    raise AssertionError(f"{fault} never came; there were {proxy.done}")


def true_page(offset: int) -> list[dict]:
    return RECORDS[offset : offset + PAGE_SIZE]


@pytest.mark.parametrize("fault", ["500", "502", "503", "504"])
def test_server_errors_have_their_status(fault: str):
    assert until(fault).status == int(fault)


def test_too_many_requests_come_with_every_form_of_retry_after():
    said = {name: until(f"429 {name}") for name in ("in seconds", "until a date", "negative")} | {
        "without a word": until("429 without a word")
    }
    assert {answer.status for answer in said.values()} == {429}
    waits = {name: answer.headers.get("retry-after") for name, answer in said.items()}
    assert 0 < float(waits["in seconds"]) < 1
    assert waits["negative"] == "-5"
    assert waits["without a word"] is None
    moment = email.utils.parsedate_to_datetime(waits["until a date"])
    assert abs((moment - datetime.now(UTC)).total_seconds()) < 3


def test_html_comes_with_status_200():
    answer = until("HTML")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html")
    assert answer.body.startswith(b"<!doctype html>")


def test_an_empty_body_comes_with_status_200():
    answer = until("empty body")
    assert (answer.status, answer.body, answer.broke) == (200, b"", None)


def test_gzip_garbage_says_it_is_gzip():
    answer = until("gzip garbage")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.body.startswith(b"\x1f\x8b{")


def test_truncated_json_is_whole_as_far_as_http_knows():
    answer = until("truncated JSON")
    assert answer.broke is None
    assert answer.body.startswith(b'{"things":[{"id":20')
    assert not answer.is_whole


def test_nan_stands_in_an_otherwise_true_answer():
    found = json.loads(until("NaN").body)
    assert found[""] != found[""]
    assert found["things"] == true_page(20)


def test_duplicate_keys_stand_in_an_otherwise_true_answer():
    pairs = json.loads(until("duplicate keys").body, object_pairs_hook=list)
    assert Counter(name for name, _ in pairs)["things"] == 2


def test_a_byte_order_mark_stands_before_the_true_answer():
    body = until("byte order mark").body
    assert body.startswith(b"\xef\xbb\xbf")
    assert json.loads(body.decode("utf-8-sig"))["things"] == true_page(20)


def test_a_slow_answer_is_true():
    answer = until("slow answer")
    assert answer.seconds >= SLOW_SECONDS
    assert json.loads(answer.body)["things"] == true_page(20)


def test_a_reset_breaks_the_connection_in_the_middle_of_the_body():
    answer = until("reset")
    assert isinstance(answer.broke, ConnectionResetError)
    assert answer.status == 200


def test_too_much_promised_ends_before_its_length():
    answer = until("too much promised")
    assert isinstance(answer.broke, http.client.IncompleteRead)
    assert json.loads(answer.body)["things"] == true_page(20)


def test_too_little_promised_ends_in_the_middle():
    answer = until("too little promised")
    assert answer.broke is None
    assert len(answer.body) == int(answer.headers["content-length"])
    assert not answer.is_whole


def test_the_page_before_comes_in_the_place_of_the_next():
    assert json.loads(until("page before").body)["things"] == true_page(10)


@pytest.mark.parametrize("target", ["/things", "/things?offset=0", "/things?offset=20&all=1"])
def test_the_page_before_comes_only_where_one_was_asked_for(target: str):
    with serving(proxy := misbehaving(share=0.5)) as url:
        for _ in range(80):
            Raw(url, "/things?offset=10")
            answer = Raw(url, target)
            assert not answer.is_whole or json.loads(answer.body).get("things") != true_page(10)
    assert proxy.done.keys() >= FAULTS.keys() - {"page before"}


def test_no_request_fails_more_than_twice_in_a_row():
    with serving(proxy := misbehaving()) as url:
        faults = []
        for _ in range(60):
            before = proxy.done.total()
            Raw(url, "/things?offset=0")
            faults.append(proxy.done.total() - before)
    assert faults == ([1] * MOST_IN_A_ROW + [0]) * 20


def test_the_share_is_kept():
    with serving(proxy := misbehaving(share=0.3)) as url:
        for number in range(300):
            Raw(url, f"/things?all={number}")
    assert proxy.asked == 300
    assert 60 <= proxy.done.total() <= 120


def test_a_share_of_nothing_changes_nothing():
    with serving(proxy := misbehaving(share=0)) as url:
        assert json.loads(Raw(url, "/things?offset=20").body)["things"] == true_page(20)
    assert proxy.done.total() == 0


def test_the_same_seed_brings_the_same_faults():
    def faults(seed: int) -> list[Counter]:
        with serving(proxy := misbehaving(seed, 0.5)) as url:
            seen = []
            for number in range(30):
                Raw(url, f"/things?all={number}")
                seen.append(proxy.done.copy())
        return seen

    assert faults(7) == faults(7)
    assert faults(7) != faults(8)


def test_what_the_app_refuses_goes_through_as_it_is():
    with serving(proxy := misbehaving()) as url:
        assert Raw(url, "/elsewhere").status == 404
    assert proxy.done.total() == 0


def read(url: str, paging: str, seed: int) -> tuple[list[dict], Api]:
    asking = Api(
        "vendor",
        url,
        paces=(Pace(1_000, 1),),
        remedy="",
        patience=Patience(first_wait=0.01),
    )
    ways = {
        "offset": {"paginator": lambda: OffsetPaginator(PAGE_SIZE, total_path="total")},
        "cursor": {"paginator": lambda: JSONResponseCursorPaginator("next", "after")},
        "search": {
            "paginator": lambda: JSONResponseCursorPaginator("next", cursor_body_path="after"),
            "body": {"query": f"all {seed}"},
        },
    }
    found = asking.rows("things", at="things", params={"seed": seed}, total="total", **ways[paging])
    return list(found), asking


@pytest.mark.parametrize("paging", ["offset", "cursor", "search"])
def test_a_patient_client_reads_every_record_once_through_all_faults(paging: str):
    """R06 to R09: over all faults together, nothing is lost and nothing comes twice."""
    with serving(proxy := misbehaving(seed=11, share=0.6)) as url:
        for reading in range(4):
            found, asking = read(url, paging, reading)
            assert found == RECORDS
            assert asking.sent >= len(RECORDS) / PAGE_SIZE
    assert proxy.done.keys() == FAULTS.keys()
    assert proxy.asked > proxy.done.total() > 20
