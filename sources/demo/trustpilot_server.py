"""The demo company's Trustpilot: answers as the vendor's API does, private reviews only.

The forms are those of the vendor's documentation (https://developers.trustpilot.com/). What is in
it was drawn elsewhere (`relations`).
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sources.contract import Connection, Secret
from sources.demo.relations import Relations
from sources.demo.serving import refused
from sources.demo.voices import Review
from sources.demo.world import World

API_KEY, API_SECRET, TOKEN = "demo-key", "demo-secret", "demo-token"
BUSINESS_UNIT_ID = hashlib.md5(b"culinary-cooking.example").hexdigest()[:24]
_DEFAULT_ROWS, _MOST_ROWS = 20, 100
_ORDERS = {
    "createdat.asc": ("createdAt", False),
    "createdat.desc": ("createdAt", True),
    "stars.asc": ("stars", False),
    "stars.desc": ("stars", True),
}
_BASIC = "Basic " + base64.b64encode(f"{API_KEY}:{API_SECRET}".encode()).decode()


@dataclass
class Books:
    """Reviews by id, in the vendor's shape; tests change them between pulls.

    is_open tells whether the plan has the API module. customers: review's id → customer number;
    people: review's id → person_id of the world; defects: class → how many.
    """

    reviews: dict[str, dict] = field(default_factory=dict)
    is_open: bool = True
    customers: dict[str, str] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)
    defects: Mapping[str, int] = field(default_factory=dict)


def books(world: World, relations: Relations) -> Books:
    """The demo company's Trustpilot as it stands on the last day of the world."""
    mine = {
        _hexadecimal(review.id): review
        for review in relations.reviews
        if review.platform == "trustpilot"
    }
    return Books(
        reviews={id_: _review(id_, review) for id_, review in mine.items()},
        customers={id_: review.organisation for id_, review in mine.items() if review.organisation},
        people={id_: review.person for id_, review in mine.items() if review.person is not None},
        defects=relations.truth["trustpilot"],
    )


def app(books: Books) -> Starlette:
    """The API over these books."""

    async def sign_in(request: Request) -> Response:
        form = (await request.body()).decode()
        if form != "grant_type=client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        return refused(request, "Authorization", _BASIC) or JSONResponse(
            {"access_token": TOKEN, "expires_in": "359999"}
        )

    async def reviews(request: Request) -> Response:
        refusal = refused(request, "Authorization", f"Bearer {TOKEN}")
        if refusal:
            return refusal
        if not books.is_open:
            return JSONResponse({"message": "Forbidden"}, 403)
        if request.path_params["unit"] != BUSINESS_UNIT_ID:
            return JSONResponse({"message": "Unknown business unit"}, 404)
        try:
            return _page(list(books.reviews.values()), request.query_params)
        except (KeyError, ValueError):
            return JSONResponse({"message": "Incorrect request", "details": []}, 400)

    return Starlette(
        routes=[
            Route(
                "/oauth/oauth-business-users-for-applications/accesstoken",
                sign_in,
                methods=["POST"],
            ),
            Route("/private/business-units/{unit}/reviews", reviews),
        ]
    )


def connection(base_url: str) -> Connection:
    """How the demo company's Trustpilot is reached."""
    return Connection(
        options={
            "base_url": base_url,
            "business_unit_id": BUSINESS_UNIT_ID,
            "requests": "400",
            "seconds": "1",
        },
        secrets={"api_key": Secret(API_KEY), "api_secret": Secret(API_SECRET)},
    )


def _page(reviews: list[dict], params: Mapping[str, str]) -> Response:
    """Raises KeyError or ValueError where a parameter is not the vendor's."""
    page, size = int(params.get("page", 1)), int(params.get("perPage", _DEFAULT_ROWS))
    if page < 1 or not 1 <= size <= _MOST_ROWS:
        raise ValueError(page, size)
    name, is_descending = _ORDERS[params.get("orderBy", "createdat.desc")]
    since, until = (_bound(params.get(bound)) for bound in ("startDateTime", "endDateTime"))
    found = [
        review
        for review in sorted(reviews, key=lambda review: review[name], reverse=is_descending)
        if (since is None or datetime.fromisoformat(review["createdAt"]) >= since)
        and (until is None or datetime.fromisoformat(review["createdAt"]) < until)
    ]
    return JSONResponse({"links": [], "reviews": found[(page - 1) * size : page * size]})


def _bound(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _review(id_: str, review: Review) -> dict:
    reply = review.replied_at and {
        "text": review.reply_text,
        "createdAt": _moment(review.replied_at),
        "updatedAt": None,
    }
    return {
        "id": id_,
        "stars": review.stars,
        "title": review.title,
        "text": review.text,
        "language": review.language,
        "createdAt": _moment(review.created_at),
        "experiencedAt": f"{review.created_at:%Y-%m-%dT00:00:00Z}",
        "updatedAt": None if review.updated_at == review.created_at else _moment(review.updated_at),
        "numberOfLikes": 0,
        "isVerified": review.is_verified,
        "status": "active",
        "companyReply": reply,
        "consumer": {
            "id": _hexadecimal(review.author_name),
            "displayName": review.author_name,
            "displayLocation": None,
            "numberOfReviews": 1,
            "links": [],
        },
        "businessUnit": {
            "id": BUSINESS_UNIT_ID,
            "identifyingName": "culinary-cooking.example",
            "displayName": "Culinary Cooking",
            "links": [],
        },
        "location": None,
        "countsTowardsTrustScore": True,
        "countsTowardsLocationTrustScore": None,
        "links": [],
        "reportData": None,
        "complianceLabels": [],
        "invitation": {"businessUnitId": BUSINESS_UNIT_ID} if review.email else None,
        "businessUnitHistory": [],
        "reviewVerificationLevel": "verified" if review.is_verified else "not-verified",
        "referralEmail": review.email,
        "referenceId": review.order_number,
        "source": "InvitationLinkApi" if review.email else "Organic",
        "tags": [],
        "findReviewer": {"isEligible": review.email is None, "requests": []},
    }


def _hexadecimal(name: str) -> str:
    """An id of the vendor's form."""
    return hashlib.md5(name.encode()).hexdigest()[:24]


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
