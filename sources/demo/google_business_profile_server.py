"""The demo company's Google Business Profile: answers as Google's API does, signing in included.

What customers say was drawn elsewhere (`relations`); only what the connector reads is served.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sources.contract import Connection, Secret
from sources.demo.relations import Relations, Review
from sources.demo.world import World

ACCOUNT, LOCATIONS = "101", ("2001", "2002")
SECRETS = {
    "client_id": "demo-client",
    "client_secret": "demo-client-secret",
    "refresh_token": "demo-refresh-token",
}
LARGEST_PAGE = 50
STARS = ("STAR_RATING_UNSPECIFIED", "ONE", "TWO", "THREE", "FOUR", "FIVE")
ORDERS = ("updateTime desc", "rating", "rating desc")


@dataclass
class Books:
    """The reviews by location and id, in Google's shape; tests change them between pulls.

    withheld: locations that the manager has no right to. access_tokens holds those issued so far,
    each good for expires_in seconds as far as the client is told. organisations and people: id of a
    review → customer number and person_id of the world, None for strangers; defects: class → how
    many.
    """

    reviews: dict[str, dict[str, dict]]
    withheld: set[str] = field(default_factory=set)
    expires_in: int = 3_599
    access_tokens: list[str] = field(default_factory=list)
    organisations: dict[str, str | None] = field(default_factory=dict)
    people: dict[str, int | None] = field(default_factory=dict)
    defects: Mapping[str, int] = field(default_factory=dict)


def books(world: World, relations: Relations) -> Books:
    """The demo company's reviews on Google, at its two locations."""
    reviews = [review for review in relations.reviews if review.platform == "google"]
    places: dict[str, dict[str, dict]] = {location: {} for location in LOCATIONS}
    for position, review in enumerate(reviews):
        location = LOCATIONS[position % len(LOCATIONS)]
        places[location][review.id] = _record(review, location)
    return Books(
        reviews=places,
        organisations={review.id: review.organisation for review in reviews},
        people={review.id: review.person for review in reviews},
        defects=relations.truth["google"],
    )


def app(books: Books) -> Starlette:
    """The API over these books, and the address at which tokens are exchanged."""

    async def token(request: Request) -> Response:
        given = dict(parse_qsl((await request.body()).decode()))
        if given != {"grant_type": "refresh_token", **SECRETS}:
            return JSONResponse({"error": "invalid_grant", "error_description": "Bad Request"}, 400)
        books.access_tokens.append(f"demo-access-token-{len(books.access_tokens) + 1}")
        return JSONResponse(
            {
                "access_token": books.access_tokens[-1],
                "expires_in": books.expires_in,
                "scope": "https://www.googleapis.com/auth/business.manage",
                "token_type": "Bearer",
            }
        )

    async def reviews(request: Request) -> Response:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or given not in books.access_tokens:
            return _failure(401, "UNAUTHENTICATED")
        location = request.path_params["location"]
        if location in books.withheld:
            return _failure(403, "PERMISSION_DENIED")
        if request.path_params["account"] != ACCOUNT or location not in books.reviews:
            return _failure(404, "NOT_FOUND")
        try:
            return JSONResponse(_page(list(books.reviews[location].values()), request.query_params))
        except ValueError:
            return _failure(400, "INVALID_ARGUMENT")

    return Starlette(
        routes=[
            Route("/token", token, methods=["POST"]),
            Route("/v4/accounts/{account}/locations/{location}/reviews", reviews),
        ]
    )


def connection(base_url: str) -> Connection:
    """How the demo company's profile is reached."""
    return Connection(
        options={
            "account": ACCOUNT,
            "locations": ",".join(LOCATIONS),
            "base_url": base_url,
            "token_url": f"{base_url}/token",
            "requests": "400",
            "seconds": "1",
        },
        secrets={name: Secret(value) for name, value in SECRETS.items()},
    )


def _failure(code: int, status: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": status, "status": status}}, code)


def _page(records: list[dict], params: Mapping[str, str]) -> dict:
    """Raises ValueError for parameters that Google does not take."""
    size, order = int(params.get("pageSize", LARGEST_PAGE)), params.get("orderBy", ORDERS[0])
    if not 1 <= size <= LARGEST_PAGE or order not in ORDERS:
        raise ValueError
    if set(params) - {"pageSize", "pageToken", "orderBy"}:
        raise ValueError

    def place(record: Mapping[str, object]) -> list:
        if order == ORDERS[0]:
            return [datetime.fromisoformat(record["updateTime"]).timestamp(), record["reviewId"]]
        return [STARS.index(record["starRating"]), record["reviewId"]]

    is_descending = order.endswith("desc")
    ordered = sorted(records, key=place, reverse=is_descending)
    if "pageToken" in params:
        ordered_by, after = json.loads(base64.urlsafe_b64decode(params["pageToken"]))
        if ordered_by != order:
            raise ValueError
        ordered = [
            one for one in ordered if place(one) != after and (place(one) < after) == is_descending
        ]
    page = {"reviews": ordered[:size], "totalReviewCount": len(records)}
    if len(ordered) > size:
        token = json.dumps([order, place(ordered[size - 1])]).encode()
        page["nextPageToken"] = base64.urlsafe_b64encode(token).decode()
    return {name: value for name, value in page.items() if value}


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def _record(review: Review, location: str) -> dict:
    record = {
        "name": f"accounts/{ACCOUNT}/locations/{location}/reviews/{review.id}",
        "reviewId": review.id,
        "reviewer": {
            "displayName": review.author_name,
            "profilePhotoUrl": f"https://photos.example/{review.id}",
        },
        "starRating": STARS[review.stars],
        "comment": review.text,
        "createTime": _moment(review.created_at),
        "updateTime": _moment(review.updated_at),
        "reviewReply": review.reply_text
        and {"comment": review.reply_text, "updateTime": _moment(review.replied_at)},
    }
    return {name: value for name, value in record.items() if value}
