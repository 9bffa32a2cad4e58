"""The HTTP client against a real server on loopback that answers what each test tells it to.

R06 to R09, R13 and R14 are the names of these faults in the catalogue of reliability tests. What a
vendor's answers mean is tested with its connector.
"""

import base64
import contextlib
import email.utils
import gzip
import http.server
import itertools
import json
import logging
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import dlt.common.logger
import pytest
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.helpers.rest_client.paginators import (
    JSONResponseCursorPaginator,
    OffsetPaginator,
    PageNumberPaginator,
)
from requests.auth import HTTPBasicAuth
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from sources import http as client
from sources.contract import SourceProblem
from sources.demo.serving import Paced, serving
from sources.http import (
    Api,
    EndlessPaging,
    NotPermitted,
    NotThere,
    Pace,
    Patience,
    Unreachable,
)

SECRET = "s3cret-of-the-test"
REMEDY = "Ask the owner for a key that may read contacts."
FAST = (Pace(1_000, 1),)


@dataclass(frozen=True)
class Asked:
    """One request as it reached the server."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def params(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass(frozen=True)
class Reset:
    """The first bytes of an answer, then the connection is torn down."""

    begun: bytes


@dataclass(frozen=True)
class Silence:
    """Nothing at all until the client has gone."""


Answer = bytes | Reset | Silence | Callable[[Asked], bytes]


def answer(content: object = None, status: int = 200, **headers: str) -> bytes:
    """A whole HTTP answer; bytes go out as they are, anything else as JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    given = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


WELL = answer({"is": "well"})


@dataclass
class Vendor:
    """A server that gives its answers in order, and the last one for ever."""

    url: str
    script: list[Answer]
    asked: list[Asked] = field(default_factory=list)

    def next_answer(self) -> Answer:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


@contextlib.contextmanager
def vendor(*script: Answer) -> Iterator[Vendor]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = Asked(self.command, self.path, dict(self.headers), body, time.monotonic())
            answering.asked.append(asked)
            given = answering.next_answer()
            if isinstance(given, Silence):
                self.rfile.read(1)
                self.close_connection = True
                return
            if isinstance(given, Reset):
                self.wfile.write(given.begun)
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                self.close_connection = True
                return
            self.wfile.write(given(asked) if callable(given) else given)

        do_POST = do_GET

        def finish(self) -> None:
            with contextlib.suppress(OSError):
                super().finish()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    answering = Vendor(f"http://127.0.0.1:{server.server_port}", list(script))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield answering
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def api(url: str, naps: list[float] | None = None, **options: object) -> Api:
    given = {"paces": FAST, "remedy": REMEDY, "sleep": (naps if naps is not None else []).append}
    return Api("vendor", url, **(given | options))


def told(error: BaseException, caplog: pytest.LogCaptureFixture) -> str:
    """Everything that anybody might print of an error, and the whole log."""
    chain = "".join(traceback.format_exception(error))
    return "\n".join((str(error), repr(error), chain, caplog.text))


# R06: too many requests


def in_seconds(seconds: float) -> str:
    return email.utils.format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [
        pytest.param("30", 30, 31, id="seconds"),
        pytest.param("0.5", 0.5, 1.5, id="part of a second"),
        pytest.param(in_seconds(3_000), 120, 121, id="date far away"),
        pytest.param(in_seconds(-60), 0.5, 1, id="date in the past"),
        pytest.param(None, 0.5, 1, id="absent"),
        pytest.param("3600", 120, 121, id="more than the cap"),
        pytest.param("inf", 120, 121, id="for ever"),
        pytest.param("-5", 0.5, 1, id="negative"),
        pytest.param("0", 0.5, 1, id="zero"),
        pytest.param("nan", 0.5, 1, id="not a number"),
        pytest.param("soon", 0.5, 1, id="nonsense"),
        pytest.param("", 0.5, 1, id="empty"),
    ],
)
def test_the_client_waits_as_long_as_it_is_asked_to(
    retry_after: str | None, least: float, most: float
):
    """R06."""
    headers = {} if retry_after is None else {"Retry_After": retry_after}
    with vendor(answer({}, 429, **headers), WELL) as server:
        asking = api(server.url, naps := [])
        assert asking.one("things") == {"is": "well"}
    assert len(naps) == 1
    assert least <= naps[0] <= most
    assert asking.waited == naps[0]
    assert asking.sent == len(server.asked) == 2


def test_a_date_to_wait_for_is_waited_for():
    """R06."""
    with vendor(answer({}, 429, Retry_After=in_seconds(40)), WELL) as server:
        api(server.url, naps := []).one("things")
    # An HTTP date has no fractions of a second, and asking takes time.
    assert 37 <= naps[0] <= 41


def test_waits_grow_and_are_never_in_step():
    """R06."""
    with vendor(answer({}, 503)) as server:
        longest = Patience(longest_wait=8)
        waits = []
        for _ in range(3):
            with pytest.raises(Unreachable):
                api(server.url, naps := [], patience=longest).one("things")
            waits.append(naps)
    for naps in waits:
        assert len(naps) == 6
        for nap, ceiling in zip(naps, (1, 2, 4, 8, 8, 8), strict=True):
            assert ceiling / 2 <= nap <= ceiling
    assert all(len(set(same_turn)) == 3 for same_turn in zip(*waits, strict=True))


def test_a_wait_asked_for_is_jittered():
    """R06."""
    with vendor(*[answer({}, 429, Retry_After="10")] * 5, WELL) as server:
        api(server.url, naps := []).one("things")
    assert len(set(naps)) == 5


def test_the_waits_of_a_pull_are_bounded_altogether_and_reported():
    """R06."""
    with vendor(answer({}, 429, Retry_After="3600")) as server:
        asking = api(server.url, naps := [], patience=Patience(attempts=50, altogether=600))
        with pytest.raises(Unreachable) as caught:
            asking.one("things")
        assert sum(naps) <= 600
        assert asking.waited == sum(naps)
        assert f"asked {len(server.asked)} times" in str(caught.value)
        assert f"{sum(naps):.0f} s were spent waiting" in str(caught.value)
        assert "status 429" in str(caught.value)
        before = len(server.asked)
        with pytest.raises(Unreachable):
            asking.one("other things")
        assert len(server.asked) == before + 1, "the patience is that of the pull, not of a request"


def test_a_long_wait_is_told_while_it_lasts(caplog: pytest.LogCaptureFixture):
    """R06."""
    caplog.set_level(logging.INFO)
    with vendor(answer({}, 429, Retry_After="90"), WELL) as server:
        api(server.url).one("things")
    assert "waiting 9" in caplog.text


# R07: servers and connections that break


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 520])
def test_a_passing_failure_is_asked_again(status: int):
    """R07."""
    with vendor(*[answer({"error": "busy"}, status)] * 2, WELL) as server:
        asking = api(server.url)
        assert asking.one("things") == {"is": "well"}
        assert asking.sent == len(server.asked) == 3


def test_a_failure_that_stays_ends_with_the_place_and_the_reason():
    """R07."""
    with vendor(answer({}, 500)) as server:
        with pytest.raises(Unreachable, match=r"vendor: .* GET /v1/things \(status 500\)"):
            api(f"{server.url}/v1").one("things", {"since": "yesterday"})
        assert len(server.asked) == Patience().attempts


def test_a_refused_connection_is_tried_again_and_told():
    """R07."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        asking = api(f"http://127.0.0.1:{nobody.getsockname()[1]}", naps := [])
        with pytest.raises(Unreachable, match="ConnectionError"):
            asking.one("things")
    assert asking.sent == Patience().attempts
    assert len(naps) == Patience().attempts - 1


def test_a_server_that_comes_back_is_not_given_up():
    """R07."""
    with vendor(Reset(b""), Reset(b"HTTP/1.1 200 Said\r\nContent-"), WELL) as server:
        assert api(server.url).one("things") == {"is": "well"}
        assert len(server.asked) == 3


def test_silence_ends_with_the_read_time_out(monkeypatch: pytest.MonkeyPatch):
    """R07."""
    monkeypatch.setattr(client, "READ_SECONDS", 0.2)
    with vendor(Silence(), WELL) as server:
        assert api(server.url).one("things") == {"is": "well"}
    assert len(server.asked) == 2
    with (
        vendor(Silence()) as server,
        pytest.raises(Unreachable, match="ReadTimeout"),
    ):
        api(server.url, patience=Patience(attempts=2)).one("things")


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(Reset(WELL[:-4]), id="reset in the middle of the body"),
        pytest.param(
            Reset(answer({"is": "well"}, Content_Length="5000")), id="shorter than it says"
        ),
        pytest.param(answer({"is": "well"}, Content_Length="9"), id="longer than it says"),
        pytest.param(
            Reset(
                b"HTTP/1.1 200 Said\r\nTransfer-Encoding: chunked\r\n\r\n"
                b'e\r\n{"is": "well"}\r\nff\r\n'
            ),
            id="a chunk that never ends",
        ),
    ],
)
def test_half_an_answer_is_none(broken: Answer):
    """R07."""
    with vendor(broken, WELL) as server:
        assert api(server.url).one("things") == {"is": "well"}
        assert len(server.asked) == 2


# R08: answers with status 200 that are none

GARBAGE = {
    "truncated JSON": answer(b'{"is": "we'),
    "HTML": answer(b"<html><body>Maintenance</body></html>", Content_Type="text/html"),
    "empty": answer(b""),
    "blanks": answer(b"  \n"),
    "gzip garbage": answer(b"\x1f\x8bno gzip at all", Content_Encoding="gzip"),
    "half a gzip": answer(gzip.compress(b'{"is": "well"}')[:-14], Content_Encoding="gzip"),
    "NaN": answer(b'{"is": NaN}'),
    "Infinity": answer(b'{"is": -Infinity}'),
    "duplicate keys": answer(b'{"is": "ill", "is": "well"}'),
    "duplicate keys below": answer(b'{"is": [{"a": 1, "a": 1}]}'),
    "not UTF-8": answer('{"is": "wohl, müde"}'.encode("cp1252")),
    "endless number": answer(b'{"is": ' + b"9" * 5_000 + b"}"),
    "impossible number": answer(b'{"is": 1e99999999999999999999}'),
    "abyss": answer(b"[" * 100_000),
    "two answers": answer(b'{"is": "well"}{"is": "well"}'),
    "a list": answer([{"is": "well"}]),
    "nothing": answer(None),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_never_taken_and_asked_for_again(garbage: bytes):
    """R08."""
    with vendor(garbage, WELL) as server:
        assert api(server.url).one("things") == {"is": "well"}
        assert len(server.asked) == 2


def test_garbage_for_ever_is_a_problem_that_quotes_none_of_it():
    """R08."""
    page = b"<html>Kundin Erika Muster, erika@kueche.example</html>"
    with vendor(answer(page)) as server:
        with pytest.raises(Unreachable, match="holds no whole JSON") as caught:
            api(server.url).one("things")
        assert "erika" not in "".join(traceback.format_exception(caught.value)).lower()


def test_a_byte_order_mark_is_no_garbage():
    """R08."""
    with vendor(answer(b'\xef\xbb\xbf{"is": "well"}')) as server:
        assert api(server.url).one("things") == {"is": "well"}
        assert len(server.asked) == 1


def test_no_digit_of_a_number_is_lost():
    """R08."""
    text = b'{"amount": 1234567890123456.10, "count": 12345678901234567890}'
    with vendor(answer(text)) as server:
        found = api(server.url).one("things")
    assert found["amount"] == Decimal("1234567890123456.10")
    assert str(found["amount"]) == "1234567890123456.10"
    assert found["count"] == 12345678901234567890


# R14: another shape than promised


@pytest.mark.parametrize(
    "other",
    [
        {"error": "internal"},
        {"items": None},
        {"items": {"id": 1}},
        {"items": ["id"]},
        {"data": [{"id": 1}]},
        [],
    ],
    ids=str,
)
def test_an_error_object_is_not_an_empty_list(other: object):
    """R14."""
    with vendor(answer(other), answer({"items": [{"id": 7}], "total": 1})) as server:
        assert ids(api(server.url), BY_OFFSET) == [7]
        assert len(server.asked) == 2
    with vendor(answer(other)) as server, pytest.raises(Unreachable, match="no list of objects"):
        ids(api(server.url), BY_OFFSET)


def test_a_list_without_its_total_is_a_problem_that_quotes_no_record():
    """R14."""
    with vendor(answer({"items": [{"email": "erika@kueche.example"}]})) as server:
        with pytest.raises(SourceProblem, match="does not say how the list goes on") as caught:
            ids(api(server.url), BY_OFFSET)
        assert "erika" not in "".join(traceback.format_exception(caught.value))


# R09: a list of many pages

BY_OFFSET = {"at": "items", "paginator": lambda: OffsetPaginator(2, total_path="total")}
BY_PAGE = {"at": "items", "paginator": lambda: PageNumberPaginator(total_path="pages")}
BY_CURSOR = {"at": "items", "paginator": lambda: JSONResponseCursorPaginator("next", "after")}


def ids(asking: Api, paging: dict, **options: object) -> list[int]:
    return [row["id"] for row in asking.rows("things", **paging, **options)]


def rows(*numbers: int) -> list[dict]:
    return [{"id": number} for number in numbers]


def shelf(numbers: list[int]) -> Callable[[Asked], bytes]:
    """A list of two records a page, by offset, page number or cursor, whatever is asked for."""

    def page(asked: Asked) -> bytes:
        params = asked.params | (json.loads(asked.body) if asked.body else {})
        start = int(params.get("offset") or params.get("after") or 2 * int(params.get("page", 0)))
        found = {"items": rows(*numbers[start : start + 2]), "total": len(numbers)}
        found["pages"] = -(-len(numbers) // 2)
        found["next"] = str(start + 2) if start + 2 < len(numbers) else None
        return answer(found)

    return page


@pytest.mark.parametrize("paging", [BY_OFFSET, BY_PAGE, BY_CURSOR], ids=["offset", "page", "next"])
@pytest.mark.parametrize("count", [0, 1, 2, 4, 5])
def test_every_record_of_every_page_comes_once(paging: dict, count: int):
    """R09."""
    with vendor(shelf(list(range(count)))) as server:
        assert ids(api(server.url), paging) == list(range(count))
        assert len(server.asked) == max(1, -(-count // 2))


def test_a_search_is_paged_in_its_body():
    """R09."""
    paging = {
        "at": "items",
        "paginator": lambda: JSONResponseCursorPaginator("next", cursor_body_path="after"),
        "body": {"query": "all"},
    }
    with vendor(shelf([1, 2, 3])) as server:
        asking = api(server.url)
        assert ids(asking, paging) == ids(asking, paging) == [1, 2, 3]
        assert [asked.method for asked in server.asked] == ["POST"] * 4
        bodies = [json.loads(asked.body) for asked in server.asked]
    assert bodies == [{"query": "all"}, {"query": "all", "after": "2"}] * 2


def test_params_go_along_with_every_page():
    """R09."""
    with vendor(shelf([1, 2, 3])) as server:
        ids(api(server.url), BY_CURSOR, params={"since": "2025-01-01"})
        assert [asked.params.get("since") for asked in server.asked] == ["2025-01-01"] * 2


@pytest.mark.parametrize("paging", [BY_OFFSET, BY_PAGE, BY_CURSOR], ids=["offset", "page", "next"])
def test_a_page_that_comes_twice_does_not_hide_the_next_one(paging: dict):
    """R09."""
    things = shelf([1, 2, 3, 4, 5])
    first = Asked("GET", "/things", {}, b"", 0)
    with vendor(things, things(first), things) as server:
        assert ids(api(server.url), paging) == [1, 2, 3, 4, 5]
        assert len(server.asked) == 4


def test_a_page_repeated_for_ever_ends():
    """R09."""
    page = answer({"items": rows(1, 2), "total": 1_000})
    with vendor(page) as server, pytest.raises(Unreachable, match="the page before came once more"):
        ids(api(server.url), BY_OFFSET)


def test_pages_that_go_round_in_a_circle_end(monkeypatch: pytest.MonkeyPatch):
    """R09."""
    monkeypatch.setattr(client, "MOST_PAGES", 20)
    circle = itertools.cycle(("b", "c", "a"))
    number = itertools.count()

    def page(asked: Asked) -> bytes:
        return answer({"items": rows(next(number)), "next": next(circle)})

    with vendor(page) as server:
        with pytest.raises(EndlessPaging, match="go round in a circle"):
            ids(api(server.url), BY_CURSOR)
        assert len(server.asked) == 4


def test_a_next_page_that_never_ends_ends(monkeypatch: pytest.MonkeyPatch):
    """R09."""
    monkeypatch.setattr(client, "MOST_PAGES", 20)
    number = itertools.count()

    def page(asked: Asked) -> bytes:
        at = next(number)
        return answer({"items": rows(at), "next": str(at)})

    with vendor(page) as server:
        with pytest.raises(EndlessPaging):
            ids(api(server.url), BY_CURSOR)
        assert len(server.asked) <= 21


@pytest.mark.parametrize("status", [400, 410])
def test_a_cursor_that_expired_starts_the_list_anew(status: int):
    """R09."""
    things = shelf([1, 2, 3])
    with vendor(things, answer({"error": "cursor"}, status), things) as server:
        assert ids(api(server.url), BY_CURSOR) == [1, 2, 1, 2, 3]
        assert [asked.params.get("after") for asked in server.asked] == [None, "2", None, "2"]


def test_a_cursor_that_expires_again_and_again_is_a_problem():
    """R09."""

    def page(asked: Asked) -> bytes:
        return answer({}, 410) if "after" in asked.params else shelf([1, 2, 3])(asked)

    with vendor(page) as server:
        with pytest.raises(Unreachable, match="broke off in each of 3 readings"):
            ids(api(server.url), BY_CURSOR)
        assert len(server.asked) == 6


def test_a_bad_request_at_the_first_page_is_no_expired_cursor():
    """R09."""
    with vendor(answer({"error": "since"}, 400)) as server:
        with pytest.raises(SourceProblem, match="answered with 400"):
            ids(api(server.url), BY_CURSOR)
        assert len(server.asked) == 1


def test_a_question_between_two_pages_is_no_page():
    """R09."""
    with vendor(shelf([1, 2, 3]), answer({"error": "no such thing"}, 400), WELL) as server:
        asking = api(server.url)
        pages = asking.rows("things", **BY_CURSOR)
        assert [next(pages)["id"], next(pages)["id"]] == [1, 2]
        with pytest.raises(SourceProblem, match="GET /thing was answered with 400"):
            asking.one("thing")
        assert asking.one("thing") == {"is": "well"}
        server.script[:] = [shelf([1, 2, 3])]
        assert [row["id"] for row in pages] == [3]


def test_a_list_that_shrinks_while_it_is_read_is_read_again():
    """R09."""
    more, fewer = shelf([1, 2, 3, 4, 5]), shelf([2, 3, 4, 5])
    with vendor(more, fewer) as server:
        found = ids(api(server.url), BY_OFFSET, total="total")
        assert len(server.asked) == 4
    # What the first reading skipped, 3, is there after the second.
    assert found == [1, 2, 4, 5, 2, 3, 4, 5]


def test_a_list_that_never_rests_is_a_problem():
    """R09."""
    number = itertools.count(10)

    def page(asked: Asked) -> bytes:
        at = next(number)
        return answer({"items": rows(at), "total": at, "next": None if at % 2 else str(at)})

    with (
        vendor(page) as server,
        pytest.raises(Unreachable, match="changed or broke off in each of 3 readings"),
    ):
        ids(api(server.url), BY_CURSOR, total="total")


@pytest.mark.parametrize("broken", [answer({}, 502), answer(b"[{"), Reset(b"HTTP/1.1 200 ")])
def test_a_fault_between_two_pages_costs_no_record(broken: Answer):
    """R07."""
    things = shelf([1, 2, 3, 4, 5])
    with vendor(things, broken, things) as server:
        assert ids(api(server.url), BY_OFFSET) == [1, 2, 3, 4, 5]
        assert len(server.asked) == 4


# R13: what the key does not open, and what nobody may see


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_one_request_and_says_what_to_do(status: int):
    """R13."""
    with vendor(answer({"message": "no"}, status)) as server:
        asking = api(f"{server.url}/v1", naps := [])
        with pytest.raises(NotPermitted) as caught:
            asking.one("things")
        assert str(caught.value) == f"vendor: GET /v1/things was refused ({status}). {REMEDY}"
        assert len(server.asked) == asking.sent == 1
        assert naps == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_revoked_in_the_middle_of_a_list_ends_it(status: int):
    """R13."""
    with vendor(shelf([1, 2, 3]), answer({}, status)) as server:
        with pytest.raises(NotPermitted):
            ids(api(server.url), BY_CURSOR)
        assert len(server.asked) == 2


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_told_apart(status: int):
    """R13."""
    with vendor(answer({}, status)) as server:
        with pytest.raises(NotThere, match=r"GET /things is not there"):
            api(server.url).one("things")
        assert len(server.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirection_is_not_followed(status: int):
    """R13."""
    with vendor(WELL) as elsewhere, vendor(answer({}, status, Location=elsewhere.url)) as server:
        with pytest.raises(SourceProblem, match=f"answered with {status}"):
            api(server.url, headers={"x-key": SECRET}).one("things")
        assert len(server.asked) == 1
        assert elsewhere.asked == []


def header_key(secret: str) -> dict:
    return {"headers": {"x-api-token": secret}}


def basic_auth(secret: str) -> dict:
    return {"auth": HTTPBasicAuth("user", secret.encode())}


def key_in_the_query(secret: str) -> dict:
    return {"params": {"apikey": secret}}


FAULTS = {
    "refused": [answer({"message": f"bad key {SECRET}"}, 401)],
    "bad request": [answer({"message": f"bad key {SECRET}"}, 400)],
    "server error": [answer(SECRET.encode(), 500)],
    "garbage": [answer(f"<html>{SECRET}".encode())],
    "reset": [Reset(b"")],
    "gone": [answer({}, 404)],
    "moved": [answer({}, 302, Location=f"/?key={SECRET}")],
    "other shape": [answer({"total": SECRET})],
    "no total": [answer({"items": [{"id": SECRET}]})],
}


@pytest.mark.parametrize("way", [header_key, basic_auth, key_in_the_query])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_no_secret_is_told_or_logged(
    way: Callable[[str], dict],
    fault: list[Answer],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    """R13."""
    caplog.set_level(logging.DEBUG)
    # As it is set in a process that also runs a pipeline of dlt's.
    monkeypatch.setattr(dlt.common.logger, "LOGGER", logging.getLogger("dlt"))
    given = way(SECRET)
    params = given.pop("params", {})
    with vendor(*fault) as server, pytest.raises(SourceProblem) as caught:
        ids(api(server.url, **given), BY_OFFSET, params=params)
    assert any(
        SECRET in asked.target
        or SECRET in asked.headers.get("x-api-token", "")
        or encoded("user", SECRET) in asked.headers.get("Authorization", "")
        for asked in server.asked
    ), "the secret was not even sent"
    found = told(caught.value, caplog)
    assert SECRET not in found
    assert encoded("user", SECRET) not in found


def test_no_address_with_a_key_in_it_is_told_where_nobody_answers(
    caplog: pytest.LogCaptureFixture,
):
    """R13."""
    caplog.set_level(logging.DEBUG)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        asking = api(f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(Unreachable) as caught:
            asking.one("things", {"apikey": SECRET})
    assert SECRET not in told(caught.value, caplog)


def encoded(user: str, secret: str) -> str:
    return base64.b64encode(f"{user}:{secret}".encode()).decode()


@pytest.mark.parametrize("wrong", [f"{SECRET}\n", f" {SECRET}", f"{SECRET}€", f"{SECRET}\r\nx: y"])
def test_a_key_that_cannot_be_sent_is_a_problem_that_does_not_show_it(
    wrong: str, caplog: pytest.LogCaptureFixture
):
    """R13."""
    caplog.set_level(logging.DEBUG)
    with vendor(WELL) as server, pytest.raises(SourceProblem, match="the key must hold") as caught:
        api(server.url, headers={"x-api-token": wrong}).one("things")
    assert SECRET not in told(caught.value, caplog)
    assert server.asked == []


@pytest.mark.parametrize("wrong", ["api.vendor.example/v1", "ftp://api.vendor.example", "https://"])
def test_an_address_that_is_none_is_a_problem(wrong: str):
    """R13."""
    naps = []
    with pytest.raises(SourceProblem, match="base_url must begin with https://"):
        api(wrong, naps).one("things")
    assert naps == []


# Signing in


def signing_in(*, valid_for: int = 3_600) -> Callable[[Asked], bytes]:
    """A list behind OAuth whose tokens are valid for so many seconds."""
    tokens = itertools.count(1)
    things = shelf([1, 2, 3, 4, 5])

    def page(asked: Asked) -> bytes:
        if asked.path == "/token":
            token = f"token-{next(tokens)}-{SECRET}"
            return answer({"access_token": token, "expires_in": valid_for})
        return things(asked)

    return page


def oauth(url: str) -> OAuth2ClientCredentials:
    return OAuth2ClientCredentials(
        access_token_url=f"{url}/token", client_id="we", client_secret=SECRET
    )


def oauth_api(url: str, naps: list[float] | None = None, **options: object) -> Api:
    auth = oauth(url)
    asking = api(url, naps, auth=auth, **options)
    auth.session = asking.session
    return asking


def test_signing_in_between_two_pages_does_not_disturb_paging(caplog: pytest.LogCaptureFixture):
    """R09."""
    caplog.set_level(logging.DEBUG)
    with vendor(b"") as server:
        server.script[:] = [signing_in(valid_for=0)]
        asking = oauth_api(server.url)
        assert ids(asking, BY_OFFSET, total="total") == [1, 2, 3, 4, 5]
        assert [asked.path for asked in server.asked] == ["/token", "/things"] * 3
        assert asking.sent == 6, "signing in counts against the rate limit"
        assert server.asked[-1].headers["Authorization"] == f"Bearer token-3-{SECRET}"
    assert SECRET not in caplog.text


def test_a_token_is_asked_for_once():
    """R06."""
    with vendor(b"") as server:
        server.script[:] = [signing_in()]
        ids(oauth_api(server.url), BY_OFFSET)
        assert [asked.path for asked in server.asked].count("/token") == 1


def test_a_cursor_still_expires_after_signing_in():
    """R09."""
    signed = answer({"access_token": "t", "expires_in": 0})
    things = shelf([1, 2, 3])
    with vendor(signed, things, signed, answer({}, 410), signed, things, signed, things) as server:
        assert ids(oauth_api(server.url), BY_CURSOR) == [1, 2, 1, 2, 3]


@pytest.mark.parametrize(
    ("said", "requests"),
    [
        (answer({"error": SECRET}, 401), 1),
        (answer({"error": SECRET}, 400), 1),
        (answer({"error": SECRET}, 500), Patience().attempts),
        (answer(f"<html>{SECRET}".encode()), Patience().attempts),
        (Reset(b""), Patience().attempts),
        (answer({"access_token": SECRET, "expires_in": SECRET}), 1),
        (answer({"access_token": f"{SECRET}\n"}), 1),
    ],
    ids=["401", "400", "500", "garbage", "reset", "nonsense", "broken token"],
)
def test_a_failing_sign_in_is_told_without_the_secret(
    said: Answer, requests: int, caplog: pytest.LogCaptureFixture
):
    """R13."""
    caplog.set_level(logging.DEBUG)
    with vendor(said) as server:
        with pytest.raises(SourceProblem) as caught:
            oauth_api(server.url).one("things")
        assert [asked.path for asked in server.asked] == ["/token"] * requests
    assert SECRET not in told(caught.value, caplog)


# The pace


def test_the_pace_holds_over_all_endpoints():
    """R06."""
    with vendor(shelf([1, 2, 3, 4])) as server:
        asking = api(server.url, paces=(Pace(4, 0.25), Pace(6, 0.5)))
        for _ in range(4):
            asking.one("a")
            asking.one("b")
            ids(asking, BY_OFFSET)
        times = [asked.at for asked in server.asked]
    assert len(times) == 16
    for requests, seconds in ((4, 0.25), (6, 0.5)):
        windows = zip(times, times[requests:], strict=False)
        # What the limiter let go early may arrive late.
        assert min(later - earlier for earlier, later in windows) >= seconds - 0.05


def test_a_vendor_stricter_than_its_pace_is_survived():
    """R06."""
    paced = Paced(
        Starlette(routes=[Route("/things", lambda request: JSONResponse({"is": "well"}))]),
        requests=2,
        seconds=1,
    )
    with serving(paced) as url:
        asking = api(url, sleep=time.sleep, patience=Patience(first_wait=0.1))
        assert [asking.one("things") for _ in range(5)] == [{"is": "well"}] * 5
    assert paced.refused >= 1
    assert asking.waited >= 1
    assert asking.sent == 5 + paced.refused


# The environment


def test_a_proxy_of_the_environment_is_not_asked_for_the_loopback(monkeypatch: pytest.MonkeyPatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with vendor(answer({}, 500)) as proxy, vendor(WELL) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert api(server.url).one("things") == {"is": "well"}
        by_name = server.url.replace("127.0.0.1", "localhost")
        assert api(by_name).one("things") == {"is": "well"}
        assert proxy.asked == []


def test_a_proxy_of_the_environment_is_asked_for_a_vendor():
    assert api("https://api.vendor.example").session.trust_env
    assert not api("http://127.0.0.1:1").session.trust_env


def test_a_key_is_never_sent_to_a_foreign_host_without_encryption():
    with pytest.raises(SourceProblem, match="must begin with https://"):
        Api("Vendor", "http://api.vendor.example", paces=(Pace(1, 1),), remedy="")
