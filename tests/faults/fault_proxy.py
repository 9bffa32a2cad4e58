"""A proxy that misbehaves in front of a demo server, as vendors and the networks before them do.

Put around an app it answers a share of all requests with a fault, drawn by a seed. Which faults a
client must survive is said in the tests.
"""

import asyncio
import email.utils
import json
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_IN_A_ROW = 2
SLOW_SECONDS = 0.05
# A request that differs from the one before in one of these only asks for another page.
COUNTERS, CURSORS = {"page", "offset", "start"}, {"after", "cursor", "pageToken"}
PLACES = COUNTERS | CURSORS


@dataclass(frozen=True)
class Answer:
    """What the server behind said, or what is said in its place; length is what it claims."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"application/json"),)
    length: int | None = None

    def with_body(self, body: bytes, *more: tuple[bytes, bytes]) -> "Answer":
        """The same answer around another body."""
        return Answer(body, self.status, (*self.headers, *more))

    @property
    def said(self) -> list[tuple[bytes, bytes]]:
        """All headers."""
        length = len(self.body) if self.length is None else self.length
        return [*self.headers, (b"content-length", str(length).encode())]


@dataclass(frozen=True)
class Question:
    """A request, as far as it tells whether it was asked before and what page it is."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...]

    @property
    def thread(self) -> tuple:
        """What all pages of one list have in common."""
        return self.method, self.path, tuple(pair for pair in self.params if pair[0] not in PLACES)

    def follows(self, before: "Question") -> bool:
        """Whether this asks for a page behind that one."""
        here, there = dict(self.params), dict(before.params)
        return any(
            int(here[name]) > int(there[name]) for name in COUNTERS & here.keys() & there.keys()
        ) or any(here[name] != there.get(name) for name in CURSORS & here.keys())


class Misbehaving:
    """An ASGI app that lets `share` of the requests to another go wrong.

    Of the faults that fit a request one of the rarest so far is taken. The same request fails
    twice in a row at most, so that a patient client gets through; what the app itself refuses goes
    through as it is. `done` counts the faults by name (those of FAULTS), `asked` all requests. It
    must be the outermost app, as it takes hold of uvicorn's connection.
    """

    def __init__(self, app: ASGIApp, seed: int, share: float) -> None:
        self._app, self._random, self._share = app, random.Random(seed), share
        self._failed: Counter[Question] = Counter()
        self._before: dict[tuple, tuple[Question, Answer]] = {}
        self.done: Counter[str] = Counter()
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        self.asked += 1
        body = await _whole_body(receive)
        question = _question(scope, body)
        is_due = self._random.random() < self._share and self._failed[question] < MOST_IN_A_ROW
        answer = await _asked(self._app, scope, body)
        if answer.status != HTTPStatus.OK:
            await _say(answer, send)
            return
        if not is_due:
            self._failed[question] = 0
            self._before[question.thread] = question, answer
            await _say(answer, send)
            return
        broken = {name: fault(answer) for name, fault in FAULTS.items()}
        asked_before, page_before = self._before.get(question.thread, (question, None))
        if question.follows(asked_before):
            broken["page before"] = page_before
        name = self._drawn([name for name, one in broken.items() if one])
        self._failed[question] += 1
        self.done[name] += 1
        if name in HARMLESS:
            self._before[question.thread] = question, answer
        if name == "slow answer":
            await asyncio.sleep(SLOW_SECONDS)
        if name in TORN:
            await _tear(broken[name], receive, send, is_reset=name == "reset")
        else:
            await _say(broken[name], send)

    def _drawn(self, names: list[str]) -> str:
        return min(names, key=lambda name: (self.done[name], self._random.random()))


def _too_many(retry_after: str | None) -> Answer:
    headers = ((b"content-type", b"application/json"),)
    if retry_after is not None:
        headers += ((b"retry-after", retry_after.encode()),)
    return Answer(b'{"message": "too many requests"}', 429, headers)


def _soon() -> str:
    return email.utils.format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)


def _twice(answer: Answer) -> Answer | None:
    members = _members(answer)
    if not members:
        return None
    first = json.dumps(next(iter(members))).encode()
    return answer.with_body(b"{" + first + b": null, " + answer.body.lstrip()[1:])


def _members(answer: Answer) -> dict:
    found = json.loads(answer.body)
    return found if isinstance(found, dict) else {}


# From the true answer to what is said in its place; None where it cannot be broken in this way.
FAULTS: dict[str, Callable[[Answer], Answer | None]] = {
    "429 in seconds": lambda answer: _too_many("0.1"),
    "429 until a date": lambda answer: _too_many(_soon()),
    "429 negative": lambda answer: _too_many("-5"),
    "429 without a word": lambda answer: _too_many(None),
    **{
        str(status): lambda answer, status=status: Answer(b'{"message": "busy"}', status)
        for status in (500, 502, 503, 504)
    },
    "HTML": lambda answer: Answer(
        b"<!doctype html><title>Maintenance</title>", headers=((b"content-type", b"text/html"),)
    ),
    "empty body": lambda answer: answer.with_body(b""),
    "gzip garbage": lambda answer: answer.with_body(
        b"\x1f\x8b" + answer.body, (b"content-encoding", b"gzip")
    ),
    "truncated JSON": lambda answer: answer.with_body(answer.body[: len(answer.body) // 2]),
    "NaN": lambda answer: (
        answer.with_body(b'{"": NaN, ' + answer.body.lstrip()[1:]) if _members(answer) else None
    ),
    "duplicate keys": _twice,
    "byte order mark": lambda answer: answer.with_body(b"\xef\xbb\xbf" + answer.body),
    "slow answer": lambda answer: answer,
    "reset": lambda answer: replace(
        answer, body=answer.body[: len(answer.body) // 2], length=len(answer.body)
    ),
    "too much promised": lambda answer: replace(answer, length=len(answer.body) + 100),
    "too little promised": lambda answer: replace(answer, length=len(answer.body) // 2),
    "page before": lambda answer: None,
}
# With these the client has its page.
HARMLESS = {"byte order mark", "slow answer"}
# These break HTTP itself, which no server does through ASGI.
TORN = {"reset", "too much promised", "too little promised"}


async def _whole_body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _question(scope: Scope, body: bytes) -> Question:
    params = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
    if body[:1] == b"{":
        params |= {name: json.dumps(value) for name, value in json.loads(body).items()}
        params |= {name: params[name].strip('"') for name in PLACES & params.keys()}
    return Question(scope["method"], scope["path"], tuple(sorted(params.items())))


async def _asked(app: ASGIApp, scope: Scope, body: bytes) -> Answer:
    """What the app answers to the request."""
    heard: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def hear(message: Message) -> None:
        heard.append(message)

    await app(scope, receive, hear)
    start, *parts = heard
    headers = tuple(
        (name, value) for name, value in start["headers"] if name.lower() != b"content-length"
    )
    return Answer(b"".join(part.get("body", b"") for part in parts), start["status"], headers)


async def _say(answer: Answer, send: Send) -> None:
    start = {"type": "http.response.start", "status": answer.status, "headers": answer.said}
    await send(start)
    await send({"type": "http.response.body", "body": answer.body})


async def _tear(answer: Answer, receive: Receive, send: Send, *, is_reset: bool) -> None:
    """Write the answer past uvicorn's checks and break the connection."""
    transport = send.__self__.transport
    lines = [b"HTTP/1.1 %d OK" % answer.status, *(b": ".join(pair) for pair in answer.said)]
    transport.write(b"\r\n".join([*lines, b"", answer.body]))
    if is_reset:
        # Without a rest the client could meet the reset before the first byte.
        await asyncio.sleep(0.01)
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass
