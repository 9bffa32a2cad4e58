"""One HTTP client for all vendors: sign in, page, keep to the rate limit, wait, try again.

dlt's RESTClient signs in and pages, tenacity repeats, pyrate-limiter keeps the pace. Ours is what
they leave open: an answer counts only whole (broken JSON under status 200 is repeated), paging
ends, a refusal is not repeated, no message holds a secret. What the rows mean is not known here.
"""

import email.utils
import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import tenacity
from requests.auth import AuthBase

from sources.contract import SourceProblem

if TYPE_CHECKING:
    from dlt.sources.helpers.rest_client.paginators import BasePaginator

log = logging.getLogger(__name__)

CONNECT_SECONDS, READ_SECONDS = 10, 60
TRANSIENT = {408, 425, 429, *range(500, 600)}
MOST_PAGES = 100_000
FRESH_STARTS = 3


class NotPermitted(SourceProblem):
    """The vendor refused the key (401) or what it asked for (403); trying again would not help."""


class NotThere(SourceProblem):
    """The vendor does not know the one record or path that was asked for (404)."""


class Unreachable(SourceProblem):
    """The vendor gave no usable answer, however often and however patiently it was asked."""


class EndlessPaging(SourceProblem):
    """The vendor's pages go round in a circle."""


@dataclass(frozen=True)
class Pace:
    """How many requests a vendor lets through in so many seconds, over all its endpoints."""

    requests: int
    seconds: float


@dataclass(frozen=True)
class Patience:
    """How long one pull waits for a vendor: per request, and altogether (seconds)."""

    attempts: int = 7
    first_wait: float = 1.0
    longest_wait: float = 120.0
    altogether: float = 1_800.0


class Api:
    """One vendor's API, with one rate limit for everything asked through it.

    remedy says what to do when the key is refused. `sent` counts requests, `waited` the seconds
    spent waiting before repeating one.
    """

    def __init__(
        self,
        vendor: str,
        base_url: str,
        *,
        auth: AuthBase | None = None,
        headers: Mapping[str, str] | None = None,
        paces: tuple[Pace, ...],
        remedy: str,
        patience: Patience = Patience(),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        from dlt.common.configuration.specs import RuntimeConfiguration
        from dlt.sources.helpers.rest_client import RESTClient

        _quiet_libraries()
        self._session = _Session(vendor, paces, remedy, patience, sleep)
        if urlsplit(base_url).hostname in {"127.0.0.1", "localhost"}:
            # A proxy of the environment cannot reach our own loopback.
            self._session.trust_env = False
        elif urlsplit(base_url).scheme != "https":
            # Anybody on the way could read the key.
            raise self._session.unsendable()
        self._client = RESTClient(
            base_url=base_url,
            headers=dict(headers or {}),
            auth=auth,
            session=self._session,
            config=RuntimeConfiguration(http_show_error_body=False),
        )
        self._vendor = vendor

    @property
    def sent(self) -> int:
        """How many requests were sent, repeated ones included."""
        return self._session.sent

    @property
    def waited(self) -> float:
        """Seconds spent waiting before repeating requests."""
        return self._session.waited

    @property
    def session(self) -> requests.Session:
        """For signing in (OAuth): the same pace, patience and silence hold for it."""
        return self._session

    def one(self, path: str, params: Mapping[str, Any] | None = None) -> dict:
        """One JSON object. Raises SourceProblem (NotThere where the vendor has none)."""
        self._session.expect(_an_object)
        return self._client.get(path, params=dict(params or {}), hooks={}).json()

    def rows(
        self,
        path: str,
        *,
        at: str,
        paginator: "Callable[[], BasePaginator]",
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        total: str | None = None,
    ) -> Iterator[dict]:
        """All records of a paged list; `at` is the field of the answer that holds a page of them.

        paginator makes a new one for each reading; a body makes it a POST. Where the vendor tells
        how many there are (`total`: path to that number), a list that changed its length while it
        was read is read again: by offset, whatever lay behind a deleted record was skipped. The
        caller counts only the last record of each key. Raises SourceProblem.
        """
        for attempt in range(1, FRESH_STARTS + 1):
            totals: set[object] = set()
            try:
                for page in self._pages(path, at, paginator(), params, body):
                    if total is not None:
                        totals.add(_at(page.response.json(), total))
                    yield from page
            except _CursorExpired:
                log.info("%s: the cursor expired while paging, starting anew", self._vendor)
                continue
            if len(totals) <= 1:
                return
            log.info("%s: %s changed while it was read (reading %d)", self._vendor, path, attempt)
        raise Unreachable(
            f"{self._vendor}: {path} changed or broke off in each of {FRESH_STARTS} readings; "
            "pull again at a quieter time"
        )

    def _pages(
        self,
        path: str,
        at: str,
        paginator: "BasePaginator",
        params: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
    ) -> Iterator[Any]:
        pages = self._client.paginate(
            path,
            method="POST" if body else "GET",
            params=dict(params or {}),
            json=dict(body) if body else None,
            paginator=paginator,
            data_selector=at,
            hooks={"response": []},
        )
        asked, before = set(), []
        for number in range(1, MOST_PAGES + 1):
            # Said before every page: the caller may ask for other things between two of them.
            self._session.expect(
                lambda answer, before=before: _a_new_list_at(answer, at, before),
                is_paging=number > 1,
            )
            try:
                page = next(pages, None)
            except ValueError:
                # What dlt says of an answer without a total quotes the whole of it.
                raise SourceProblem(
                    f"{self._vendor}: an answer to {path} does not say how the list goes on; "
                    "nothing of this table was taken; if it happens again, tell the vendor"
                ) from None
            if page is None:
                return
            before = list(page)
            following = json.dumps(
                [page.request.url, page.request.params, page.request.json], sort_keys=True
            )
            if paginator.has_next_page and following in asked:
                break
            asked.add(following)
            yield page
        raise EndlessPaging(
            f"{self._vendor}: the pages of {path} go round in a circle (page {number}); nothing of "
            "this table was taken; if it happens again, tell the vendor"
        )


class _Incomplete(Exception):
    """The vendor answered 200 with something that is no whole answer."""


class _CursorExpired(Exception):
    """The vendor no longer knows the place in the list where paging had got to."""


class _Session(requests.Session):
    """Sends each request at the vendor's pace until it has a whole answer, or gives up politely."""

    def __init__(
        self,
        vendor: str,
        paces: tuple[Pace, ...],
        remedy: str,
        patience: Patience,
        sleep: Callable[[float], None],
    ) -> None:
        from pyrate_limiter import Limiter, Rate

        super().__init__()
        self.headers["User-Agent"] = "stammkunde"
        self.sent, self.waited = 0, 0.0
        self.expect(_anything)
        self._vendor, self._remedy, self._patience = vendor, remedy, patience
        self._limiter = Limiter([Rate(pace.requests, int(pace.seconds * 1000)) for pace in paces])
        self._sleep = sleep

    def expect(
        self, expected: "Callable[[object], str | None]", *, is_paging: bool = False
    ) -> None:
        """Say what the next answer must look like, and whether it continues a list."""
        self._expected, self._is_paging = expected, is_paging

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Raises SourceProblem where address or key cannot be sent; the reason would quote them."""
        try:
            return super().prepare_request(request)
        except ValueError:
            raise self.unsendable() from None

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        """Sign in (what dlt's OAuth does in the middle of preparing another request)."""
        expected, is_paging = self._expected, self._is_paging
        self.expect(_an_object)
        try:
            return super().request(*arguments, **options)
        finally:
            self.expect(expected, is_paging=is_paging)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send until answered. Raises SourceProblem; never an error that carries the address."""
        options["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        # A custom header with a key would follow the redirection to another host.
        options["allow_redirects"] = False
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TryAgain),
            stop=tenacity.stop_after_attempt(self._patience.attempts) | self._is_out_of_patience,
            wait=self._wait,
            sleep=self._wait_for,
            reraise=True,
        )
        try:
            return retrying(self._attempt, request, options)
        except _TryAgain as last:
            raise Unreachable(
                f"{self._vendor}: no usable answer to {_place(request)} ({last.reason}), although "
                f"asked {retrying.statistics['attempt_number']} times; {self.waited:.0f} s were "
                "spent waiting in this pull. The next pull goes on from here"
            ) from None

    def _attempt(self, request: requests.PreparedRequest, options: dict) -> requests.Response:
        self._limiter.try_acquire(self._vendor)
        self.sent += 1
        try:
            response = super().send(request, **options)
        except ValueError:
            raise self.unsendable() from None
        except requests.RequestException as error:
            # Its text holds the address with all parameters, so only its name is told.
            raise _TryAgain(type(error).__name__) from None
        status = response.status_code
        if status in TRANSIENT:
            raise _TryAgain(f"status {status}", response.headers.get("Retry-After"))
        if status in {401, 403}:
            raise NotPermitted(
                f"{self._vendor}: {_place(request)} was refused ({status}). {self._remedy}"
            )
        if status in {400, 410} and self._is_paging:
            raise _CursorExpired
        if status in {404, 410}:
            raise NotThere(f"{self._vendor}: {_place(request)} is not there ({status})")
        if not 200 <= status < 300:
            raise SourceProblem(
                f"{self._vendor}: {_place(request)} was answered with {status}; the request does "
                "not suit this account or version of the API: compare its options in stammkunde.yml"
            )
        try:
            answer = _whole_json(response.content)
            problem = self._expected(answer)
        except _Incomplete as incomplete:
            problem = str(incomplete)
        if problem:
            raise _TryAgain(problem)
        # Parsed once, with decimals as they were written.
        response.json = lambda **_: answer
        return response

    def unsendable(self) -> SourceProblem:
        """What is said of an address or a key that cannot be sent."""
        return SourceProblem(
            f"{self._vendor}: base_url must begin with https://, and the key must hold no line "
            "break and no character that is on no English keyboard; correct them where "
            "stammkunde.yml says them"
        )

    def _is_out_of_patience(self, state: tenacity.RetryCallState) -> bool:
        return self.waited + state.upcoming_sleep > self._patience.altogether

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """What the vendor asks for, else longer each time; never in step with other clients."""
        asked_for = _seconds(state.outcome.exception().retry_after)
        patience = self._patience
        if asked_for is None:
            ceiling = min(
                patience.first_wait * 2 ** (state.attempt_number - 1), patience.longest_wait
            )
            return random.uniform(ceiling / 2, ceiling)
        return min(asked_for, patience.longest_wait) + random.uniform(0, patience.first_wait)

    def _wait_for(self, seconds: float) -> None:
        self.waited += seconds
        if seconds > 5:
            log.info("  … waiting %.0f s for %s", seconds, self._vendor)
        self._sleep(seconds)


class _TryAgain(Exception):
    def __init__(self, reason: str, retry_after: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.retry_after = reason, retry_after


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After as seconds or as an HTTP date; None where it is absent, past or neither."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            moment = email.utils.parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        seconds = moment.timestamp() - time.time()
    # NaN is not above zero either.
    return seconds if seconds > 0 else None


def _whole_json(content: bytes) -> object:
    """The answer, decimals as Decimal so that no digit is lost. Raises _Incomplete."""
    try:
        return json.loads(
            content.decode("utf-8-sig"),
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_repetition,
        )
    except (ValueError, ArithmeticError, RecursionError):
        kind = "nothing" if not content.strip() else "no whole JSON"
        raise _Incomplete(f"the answer holds {kind}") from None


def _refuse_constant(name: str) -> None:
    raise _Incomplete(f"the answer holds {name}")


def _without_repetition(pairs: list[tuple[str, object]]) -> dict:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _Incomplete("an object of the answer names a field twice")
    return members


def _anything(answer: object) -> str | None:
    return None


def _an_object(answer: object) -> str | None:
    return None if isinstance(answer, dict) else "the answer is no object"


def _a_new_list_at(answer: object, at: str, before: list) -> str | None:
    rows = answer if at == "$" else _at(answer, at)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return f"the answer has no list of objects at {at!r}"
    # Taken as it is, it would stand in the place of a page that is then never asked for.
    return "the page before came once more" if rows and rows == before else None


def _at(answer: object, path: str) -> object:
    for name in path.split("."):
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer


def _place(request: requests.PreparedRequest) -> str:
    """Method and path; parameters may hold keys and personal data."""
    return f"{request.method} {urlsplit(request.url).path}"


def _quiet_libraries() -> None:
    # At DEBUG they write whole addresses, parameters and headers included.
    for name in ("dlt", "urllib3", "pyrate_limiter"):
        logging.getLogger(name).setLevel(logging.WARNING)
