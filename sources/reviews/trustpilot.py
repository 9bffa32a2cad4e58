"""Trustpilot: the company's service reviews, with the order they name and the company's answers.

Only what the vendor says of its own; whose review it is, is found out later. HTTP is
`sources.http`'s business. Product reviews and invitations are not read.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from requests.auth import HTTPBasicAuth

from sources.contract import (
    Column,
    Connection,
    Option,
    Pull,
    Reading,
    Source,
    SourceProblem,
    Table,
)
from sources.http import Api, NotThere, Pace

if TYPE_CHECKING:
    from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
    from dlt.sources.helpers.rest_client.paginators import BasePaginator

PAGE_SIZE = 100

REVIEWS = Table(
    name="reviews",
    grain="One row per service review of the company.",
    key=("id",),
    cursor="updated_at",
    columns=(
        Column("id", "The review.", required=True, pattern="[0-9a-f]{24}"),
        Column("stars", "Rating.", "integer", required=True, choices=("1", "2", "3", "4", "5")),
        Column("title", "Headline of the review.", personal="text"),
        Column("text", "What the consumer wrote.", personal="text"),
        Column("language", "Language of the review, such as de."),
        Column("created_at", "When it was written.", "timestamp", required=True, path="createdAt"),
        Column(
            "updated_at",
            "When it was last edited or answered; null: never.",
            "timestamp",
            path="updatedAt",
        ),
        Column("experienced_at", "The day it is about.", "timestamp", path="experiencedAt"),
        Column("consumer_id", "The author's id.", personal="id", path="consumer.id"),
        Column(
            "consumer_name",
            "Name the author goes by.",
            personal="name",
            path="consumer.displayName",
        ),
        Column(
            "consumer_location",
            "Place the author gives.",
            personal="address",
            path="consumer.displayLocation",
        ),
        Column(
            "referral_email",
            "Address to which the company sent its invitation; null: not invited.",
            personal="email",
            path="referralEmail",
        ),
        Column(
            "reference_id",
            "Order or invoice number, from the invitation or entered by the author.",
            path="referenceId",
        ),
        Column(
            "reply_text",
            "What the company answered.",
            personal="text",
            path="companyReply.text",
        ),
        Column(
            "reply_at",
            "When the company answered.",
            "timestamp",
            path="companyReply.createdAt",
        ),
        Column(
            "reply_updated_at",
            "When the answer was changed.",
            "timestamp",
            path="companyReply.updatedAt",
        ),
        Column("is_verified", "Whether a purchase is proven.", "flag", path="isVerified"),
        Column(
            "verification_level",
            "How the review came about: invited, verified, not verified.",
            path="reviewVerificationLevel",
        ),
        Column("source", "Through which invitation it came, such as Organic."),
        Column("status", "active, or why it is not shown."),
        Column("report_data", "Who reported it, and why.", "json", path="reportData"),
        Column("tags", "Tags the company gave.", "json"),
    ),
    # Likes would make a new version each time. Find Reviewer holds name, phone and address of
    # people who were asked who they are: nothing that is needed here.
    ignored=(
        *("links", "businessUnit", "businessUnitHistory", "location", "invitation"),
        *("numberOfLikes", "findReviewer", "countsTowardsTrustScore"),
        *("countsTowardsLocationTrustScore", "complianceLabels"),
    ),
)

OPTIONS = (
    Option("business_unit_id", "Id of the company at Trustpilot, 24 characters of 0-9 and a-f."),
    Option("base_url", "Address of the API.", "https://api.trustpilot.com/v1"),
    Option("reread_days", "How far back reviews are read again for edits and answers.", "90"),
    Option("requests", "How many requests Trustpilot lets through in `seconds`.", "833"),
    Option("seconds", "See requests.", "300"),
)
SECRETS = (
    Option(
        "api_key", "API key, made in Trustpilot Business under Integrations › Developers › APIs"
    ),
    Option("api_secret", "the secret shown with that key"),
)
REMEDY = (
    "Check API key and secret, that the key belongs to this business_unit_id, and that the plan "
    "has the API module (Trustpilot Business › Integrations › Developers › APIs)."
)


def pull(context: Pull) -> Iterator[Reading]:
    """The reviews of the last reread_days, or all: only the date of writing can be asked for.

    Raises SourceProblem where an option is wrong.
    """
    api, path = _api(context.connection)
    since = context.since(REVIEWS)
    reread = timedelta(days=_number(context.connection, "reread_days"))
    start = since and min(since, datetime.now(UTC) - reread)
    yield Reading(REVIEWS, _reviews(api, path, start), "changes" if since else "everything")


def check(context: Pull) -> list[str]:
    """What would keep the next pull from working: one sign-in and one review."""
    try:
        api, path = _api(context.connection)
        _number(context.connection, "reread_days")
        api.one(path, {"perPage": 1})
    except NotThere:
        return [_no_such_unit()]
    except SourceProblem as problem:
        return [str(problem)]
    return []


SOURCE = Source(
    name="trustpilot",
    title="Trustpilot (Business Units API, private reviews)",
    area="reviews",
    tables=(REVIEWS,),
    owner="marketing",
    access="API key and secret of a Trustpilot plan with the API module; it is read with only.",
    promised_age_hours=36,
    pull=pull,
    check=check,
    options=OPTIONS,
    secrets=SECRETS,
)


def _api(connection: Connection) -> tuple[Api, str]:
    """The client, signed in when it is first used, and the path of the reviews."""
    unit = connection.options["business_unit_id"]
    if not re.fullmatch("[0-9a-f]{24}", unit):
        raise SourceProblem(
            "trustpilot: business_unit_id in stammkunde.yml must be 24 characters of 0-9 and a-f; "
            "Trustpilot shows it under Integrations › Developers › APIs"
        )
    base_url = connection.options["base_url"].rstrip("/")
    auth = _sign_in(base_url, connection)
    api = Api(
        "trustpilot",
        base_url,
        auth=auth,
        paces=(Pace(int(_number(connection, "requests")), _number(connection, "seconds")),),
        remedy=REMEDY,
    )
    auth.session = api.session
    return api, f"private/business-units/{unit}/reviews"


def _number(connection: Connection, name: str) -> float:
    try:
        number = float(connection.options[name])
    except ValueError:
        number = 0
    if not 1 <= number < 100_000:
        raise SourceProblem(f"trustpilot: {name} in stammkunde.yml must be a number from 1 up")
    return number


def _sign_in(base_url: str, connection: Connection) -> "OAuth2ClientCredentials":
    from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials

    class ByKeyAndSecret(OAuth2ClientCredentials):
        def build_access_token_request(self) -> dict[str, Any]:
            return {
                # As bytes: a wrong character must not turn up in an encoding error.
                "auth": HTTPBasicAuth(
                    connection.secrets["api_key"].encode(),
                    connection.secrets["api_secret"].encode(),
                ),
                "data": {"grant_type": "client_credentials"},
            }

    return ByKeyAndSecret(
        access_token_url=f"{base_url}/oauth/oauth-business-users-for-applications/accesstoken"
    )


def _reviews(api: Api, path: str, start: datetime | None) -> Iterator[dict]:
    params: dict[str, Any] = {"orderBy": "createdat.asc", "perPage": PAGE_SIZE, "page": 1}
    if start:
        params["startDateTime"] = _moment(start)
    try:
        for review in api.rows(path, at="reviews", paginator=_onwards, params=params):
            yield _without_noise(review)
    except NotThere:
        raise SourceProblem(_no_such_unit()) from None


def _onwards() -> "BasePaginator":
    from dlt.sources.helpers.rest_client.paginators import BasePaginator

    class Onwards(BasePaginator):
        """Asks for what was written after the newest review of a page, rather than for page 2.

        So no list is ever so deep that the vendor cuts it (100,000), and a review deleted in
        between shifts nothing. Where a page ends within a second, the next page is asked for.
        """

        def __init__(self) -> None:
            super().__init__()
            self._page, self._start, self._newest = 1, None, None

        def update_state(self, response: object, data: list[dict] | None = None) -> None:
            """Raises SourceProblem where the answer does not go on where the last one ended."""
            if self._page == 1 and self._newest not in {None, *(row.get("id") for row in data)}:
                raise SourceProblem(
                    "trustpilot: an answer does not go on where the one before ended; nothing of "
                    "it was taken. Pull again; if it stays, the vendor reads startDateTime in "
                    "another time zone than UTC"
                )
            if not data:
                self._has_next_page = False
                return
            # Whether the vendor counts the moment itself in is not said, so one second is asked
            # for twice.
            start = _written(data[-1]) - timedelta(seconds=1)
            if len(data) >= PAGE_SIZE and start > _written(data[0]):
                self._page, self._start, self._newest = 1, start, data[-1].get("id")
            else:
                self._page += 1

        def update_request(self, request: Any) -> None:
            """Asks for the next page."""
            request.params["page"] = self._page
            if self._start:
                request.params["startDateTime"] = _moment(self._start)

    return Onwards()


def _written(review: Mapping) -> datetime:
    moment = datetime.fromisoformat(str(review.get("createdAt")))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def _without_noise(review: Mapping) -> dict:
    """The review without what changes whenever its author reviews somebody else."""
    consumer = review.get("consumer") or {}
    kept = {name: consumer[name] for name in consumer.keys() - {"links", "numberOfReviews"}}
    return {**review, "consumer": kept, "companyReply": review.get("companyReply") or {}}


def _no_such_unit() -> str:
    return "trustpilot: there is no company with this business_unit_id; compare it in Trustpilot"
