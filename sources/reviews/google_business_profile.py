"""Google Business Profile: the reviews of a company's locations on Google Search and Maps.

How Google is asked is all that is known here. Whose review it is, is found out by the pipelines;
pace and patience are `sources.http`'s, comparing is `changes`'.
"""

import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime

import requests
from requests.auth import AuthBase

from sources.contract import (
    Column,
    Connection,
    Option,
    Pull,
    Reading,
    Secret,
    Source,
    SourceProblem,
    Table,
)
from sources.http import Api, NotPermitted, NotThere, Pace, Unreachable

PAGE_SIZE = 50
SECONDS_BEFORE_THE_END = 60

REVIEWS = Table(
    name="reviews",
    grain="One row per review of one of the company's locations.",
    key=("review_id",),
    cursor="update_time",
    columns=(
        Column("review_id", "Number of the review.", required=True, path="reviewId"),
        Column("name", "Where it stands: accounts/…/locations/…/reviews/…"),
        Column(
            "star_rating",
            "Stars as a word.",
            required=True,
            path="starRating",
            choices=("ONE", "TWO", "THREE", "FOUR", "FIVE"),
        ),
        Column("comment", "What the customer wrote; many write nothing.", personal="text"),
        Column(
            "reviewer_name",
            "Name the author goes by.",
            personal="name",
            path="reviewer.displayName",
        ),
        Column(
            "is_anonymous",
            "Whether the author chose not to be named.",
            kind="flag",
            path="reviewer.isAnonymous",
        ),
        Column(
            "create_time",
            "When it was written (UTC).",
            kind="timestamp",
            required=True,
            path="createTime",
        ),
        Column(
            "update_time",
            "When its author last changed it (UTC).",
            kind="timestamp",
            required=True,
            path="updateTime",
        ),
        Column(
            "reply_comment",
            "What the company answered.",
            personal="text",
            path="reviewReply.comment",
        ),
        Column(
            "reply_time",
            "When the company answered or last changed its answer (UTC).",
            kind="timestamp",
            path="reviewReply.updateTime",
        ),
    ),
    # What is left of it is the address of a photo, which changes by itself.
    ignored=("reviewer",),
)

OPTIONS = (
    Option("account", "Number of the account, as in accounts/<number>."),
    Option("locations", "Numbers of the locations, comma separated."),
    Option("base_url", "Address of the API.", "https://mybusiness.googleapis.com"),
    Option("token_url", "Where Google exchanges tokens.", "https://oauth2.googleapis.com/token"),
    Option("requests", "Requests in so many seconds.", "300"),
    Option("seconds", "The seconds these requests are counted in.", "60"),
)
SECRETS = (
    Option("client_id", "OAuth client, from the Google Cloud project"),
    Option("client_secret", "secret of that client"),
    Option("refresh_token", "refresh token of a manager of the locations"),
)


def pull(context: Pull) -> Iterator[Reading]:
    """Yield one reading with the reviews of all locations.

    A location that cannot be read holds up the others: its reviews would seem deleted. Raises
    SourceProblem.
    """
    api = _api(context.connection)
    places = _places(context.connection)
    since = context.since(REVIEWS)
    yield Reading(
        REVIEWS,
        (review for place in places for review in _reviews(api, place, since)),
        "everything" if since is None else "changes",
    )


def check(context: Pull) -> list[str]:
    """What would keep the next pull from working, by one request of one review a location."""
    problems = []
    try:
        api = _api(context.connection)
        for place in _places(context.connection):
            try:
                api.one(f"v4/{place}/reviews", {"pageSize": 1})
            except (_NotSignedIn, Unreachable):
                raise
            except NotPermitted as problem:
                problems.append(f"{problem} Missing: the right to manage {place}.")
            except NotThere as problem:
                problems.append(f"{problem}. Missing: {place}, or Google has not verified it.")
    except SourceProblem as problem:
        problems.append(str(problem))
    return problems


SOURCE = Source(
    name="google_business_profile",
    title="Google Business Profile (API)",
    area="reviews",
    tables=(REVIEWS,),
    owner="marketing",
    access="OAuth refresh token of a manager of the locations; Google admits projects on request.",
    promised_age_hours=36,
    pull=pull,
    check=check,
    options=OPTIONS,
    secrets=SECRETS,
)


class _NotSignedIn(NotPermitted):
    """Google gives no access token."""


class _SignIn(AuthBase):
    """Exchanges the refresh token for access tokens, a new one before the last one ends."""

    def __init__(self, session: requests.Session, url: str, secrets: Mapping[str, Secret]) -> None:
        self._session, self._url, self._secrets = session, url, secrets
        self._token, self._ends_at = "", 0.0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if time.monotonic() > self._ends_at - SECONDS_BEFORE_THE_END:
            self._exchange()
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _exchange(self) -> None:
        asked_at = time.monotonic()
        try:
            answer = self._session.post(
                self._url, data={"grant_type": "refresh_token", **self._secrets}
            ).json()
            self._token = answer["access_token"]
            self._ends_at = asked_at + int(answer["expires_in"])
        except Unreachable:
            raise
        # Google says 400 for a token that was withdrawn or has ended.
        except (SourceProblem, KeyError):
            raise _NotSignedIn(
                "google_business_profile: Google takes this refresh token or client no longer. "
                "Sign in anew and store the new refresh token; those of a project in test mode "
                "end after seven days"
            ) from None


def _api(connection: Connection) -> Api:
    options = connection.options
    paces = (Pace(int(_number(connection, "requests")), _number(connection, "seconds")),)
    remedy = (
        "Sign in as a manager of the locations, and see that Google has admitted the project to "
        "the Business Profile APIs."
    )
    signing = Api(
        "google_business_profile", options["token_url"], paces=paces, remedy="Sign in anew."
    )
    return Api(
        "google_business_profile",
        options["base_url"],
        auth=_SignIn(signing.session, options["token_url"], connection.secrets),
        paces=paces,
        remedy=remedy,
    )


def _number(connection: Connection, name: str) -> float:
    try:
        number = float(connection.options[name])
    except ValueError:
        number = 0
    if number <= 0:
        raise SourceProblem(
            f"google_business_profile: {name} in stammkunde.yml must be a number above zero"
        )
    return number


def _places(connection: Connection) -> list[str]:
    account, locations = connection.options["account"], connection.options["locations"]
    numbers = [number.strip() for number in locations.split(",")]
    if not all(re.fullmatch(r"\d+", number) for number in (account, *numbers)):
        raise SourceProblem(
            "google_business_profile: account in stammkunde.yml must be a number, locations "
            "numbers with commas between them; both stand in the address of the profile"
        )
    return [f"accounts/{account}/locations/{number}" for number in numbers]


def _reviews(api: Api, place: str, since: datetime | None) -> Iterator[Mapping[str, object]]:
    newest = None
    for review in _newest_first(api, place, since):
        newest = newest or _moment(review)
        yield review
    if since is None and newest is not None:
        # What was changed while it was read moved to the front, and no page showed it.
        yield from _newest_first(api, place, newest)


def _newest_first(api: Api, place: str, since: datetime | None) -> Iterator[Mapping[str, object]]:
    """The reviews of a location down to those last changed before `since`.

    Google leaves out what is empty, the list of reviews included, and has no filter by time.
    """
    params = {"pageSize": PAGE_SIZE, "orderBy": "updateTime desc"}
    tokens = {None}
    while True:
        page = api.one(f"v4/{place}/reviews", params)
        for review in page.get("reviews") or ():
            if since is not None and _moment(review) < since:
                return
            yield review
        token = page.get("nextPageToken")
        if token is None:
            return
        if token in tokens:
            raise SourceProblem(
                "google_business_profile: the pages of reviews go round in a circle; pull again"
            )
        tokens.add(token)
        params["pageToken"] = token


def _moment(review: Mapping[str, object]) -> datetime:
    try:
        return datetime.fromisoformat(review["updateTime"])
    except (KeyError, TypeError, ValueError):
        raise SourceProblem(
            "google_business_profile: a review has no readable updateTime, by which they are "
            "sorted; nothing of this reading was taken"
        ) from None
