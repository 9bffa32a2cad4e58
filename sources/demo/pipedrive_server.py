"""The demo company's Pipedrive: answers as the vendor's API does, versions 1 and 2.

What is in it was drawn elsewhere (`relations`); what is not read by the connector is not served.
"""

import base64
import binascii
import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sources.contract import Connection, Secret
from sources.demo.relations import (
    Crm,
    CrmActivity,
    CrmCompany,
    CrmContact,
    CrmDeal,
    CrmNote,
    Relations,
    still_there,
)
from sources.demo.world import Owner, World

TOKEN = "demo-token"
DEFAULT_LIMIT, LARGEST_LIMIT = 100, 500
COUNTRIES = {"DE": "Germany", "AT": "Austria", "CH": "Switzerland"}
# The keys of a company's own fields are hashes that Pipedrive draws.
OWN_FIELDS = {
    name: hashlib.sha1(name.encode()).hexdigest()
    for name in ("vat_id", "acquisition", "phone", "salutation", "order_number")
}
CAMPAIGN_FIELDS = {"marketing_status", "doi_status"}
SORTABLE = ("id", "update_time", "add_time")
V2_PARAMETERS = {"limit", "cursor", "sort_by", "sort_direction", "updated_since", "updated_until"}

Records = dict[int, dict]


@dataclass
class Books:
    """The records of a Pipedrive by id, in the vendor's shape; tests change them between pulls.

    A deleted deal stays among the deals with status "deleted", any other deleted record is taken
    out. `withheld` names lists that the token's user may not read. customers: organisation's id →
    customer number; people: person's id → person_id of the world; defects: class → how many.
    """

    organizations: Records = field(default_factory=dict)
    persons: Records = field(default_factory=dict)
    deals: Records = field(default_factory=dict)
    activities: Records = field(default_factory=dict)
    notes: Records = field(default_factory=dict)
    users: Records = field(default_factory=dict)
    withheld: set[str] = field(default_factory=set)
    customers: dict[int, str] = field(default_factory=dict)
    people: dict[int, int] = field(default_factory=dict)
    defects: Mapping[str, int] = field(default_factory=dict)


def books(world: World, relations: Relations) -> Books:
    """The demo company's Pipedrive as it stands on the last day of the world."""
    crm: Crm = relations.crm["pipedrive"]
    companies, contacts = still_there(crm.companies), still_there(crm.contacts)
    stages = _numbered(deal.stage for deal in crm.deals)
    channels = _numbered(deal.origin for deal in crm.deals)
    names = {company.id: company.name for company in crm.companies}
    return Books(
        organizations=_by_id(map(_organization, companies)),
        persons=_by_id(map(_person, contacts)),
        deals=_by_id(_deal(deal, stages, channels) for deal in crm.deals),
        activities=_by_id(map(_activity, crm.activities)),
        notes=_by_id(_note(note, names[note.company_id]) for note in crm.notes),
        users=_by_id(map(_user, world.owners)),
        customers={company.id: company.organisation for company in companies},
        people={contact.id: contact.person for contact in contacts},
        defects=relations.truth["pipedrive"],
    )


def app(books: Books) -> Starlette:
    """The API over these books."""

    def listed(name: str):
        async def answer(request: Request) -> Response:
            return _refusal(request, books, name) or _v2_list(request, books, name)

        return answer

    async def notes(request: Request) -> Response:
        return _refusal(request, books, "notes") or _v1_notes(request, books.notes)

    async def users(request: Request) -> Response:
        return _refusal(request, books, "users") or _success(list(books.users.values()))

    async def me(request: Request) -> Response:
        return _refusal(request, books, "me") or _success(next(iter(books.users.values())))

    lists = ("organizations", "persons", "deals", "deals/archived", "activities")
    return Starlette(
        routes=[
            *(Route(f"/api/v2/{name}", listed(name)) for name in lists),
            Route("/api/v1/notes", notes),
            Route("/api/v1/users", users),
            Route("/api/v1/users/me", me),
        ]
    )


def connection(base_url: str) -> Connection:
    """How the demo company's Pipedrive is reached."""
    return Connection(
        options={
            "base_url": base_url,
            "requests": "400",
            "seconds": "1",
            "person_fields": "marketing_status,doi_status",
            "vat_id_field": OWN_FIELDS["vat_id"],
            "acquisition_field": OWN_FIELDS["acquisition"],
            "order_number_field": OWN_FIELDS["order_number"],
        },
        secrets={"api_token": Secret(TOKEN)},
    )


class _BadRequest(Exception):
    """A parameter that the vendor does not take."""


def _refusal(request: Request, books: Books, name: str) -> Response | None:
    if request.headers.get("x-api-token") != TOKEN:
        return _failure(401, "unauthorized access")
    if name in books.withheld:
        return _failure(403, "Forbidden")
    return None


def _success(data: object, additional: Mapping[str, object] | None = None) -> Response:
    return _json(200, {"success": True, "data": data, "additional_data": additional})


def _failure(status: int, error: str) -> Response:
    return _json(
        status,
        {
            "success": False,
            "error": error,
            "error_info": "Please check developers.pipedrive.com for more information",
            "data": None,
            "additional_data": None,
        },
    )


def _json(status: int, content: Mapping[str, object]) -> Response:
    # Amounts are numbers to the vendor, with the digits they were entered with.
    return Response(
        json.dumps(content, default=_as_number, ensure_ascii=False),
        status,
        media_type="application/json",
    )


def _v2_list(request: Request, books: Books, name: str) -> Response:
    try:
        return _v2_page(request.query_params, books, name)
    except (_BadRequest, ValueError) as problem:
        return _failure(400, f"Parameter validation failed: {problem}")


def _v2_page(params: Mapping[str, str], books: Books, name: str) -> Response:
    table, _, archive = name.partition("/")
    _refuse_unknown(params, name)
    records = list(getattr(books, table).values())
    if table == "deals":
        wanted = params.get("status", "open,won,lost").split(",")
        records = [
            deal
            for deal in records
            if deal["status"] in wanted and deal["is_archived"] == bool(archive)
        ]
    for bound, is_within in (
        ("updated_since", lambda changed, moment: changed >= moment),
        ("updated_until", lambda changed, moment: changed < moment),
    ):
        if bound in params:
            moment = _read_moment(params[bound])
            records = [
                one for one in records if is_within(_read_moment(one["update_time"]), moment)
            ]
    sort_by = _chosen(params, "sort_by", SORTABLE)
    is_descending = _chosen(params, "sort_direction", ("asc", "desc")) == "desc"

    def place(record: Mapping[str, object]) -> tuple[object, int]:
        return record[sort_by], record["id"]

    records.sort(key=place, reverse=is_descending)
    if "cursor" in params:
        after = _read_cursor(params["cursor"], sort_by)
        records = [one for one in records if (place(one) < after) == is_descending]
        records = [one for one in records if place(one) != after]
    limit = _limit(params)
    page = records[:limit]
    cursor = _cursor(sort_by, place(page[-1])) if len(records) > limit else None
    extras = set(filter(None, params.get("include_fields", "").split(",")))
    is_labelled = params.get("include_option_labels") == "true"
    shown = [_shown(record, extras, is_labelled) for record in page]
    return _success(shown, {"next_cursor": cursor})


def _refuse_unknown(params: Mapping[str, str], name: str) -> None:
    known = V2_PARAMETERS | ({"status"} if name.startswith("deals") else set())
    if name not in ("activities", "deals/archived"):
        known = known | {"include_option_labels"}
    if name == "persons":
        known = known | {"include_fields"}
        unknown_fields = set(params.get("include_fields", "").split(",")) - CAMPAIGN_FIELDS - {""}
        if unknown_fields:
            raise _BadRequest("include_fields")
    if set(params) - known:
        raise _BadRequest(", ".join(sorted(set(params) - known)))


def _chosen(params: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = params.get(name, choices[0])
    if value not in choices:
        raise _BadRequest(name)
    return value


def _limit(params: Mapping[str, str]) -> int:
    limit = int(params.get("limit", DEFAULT_LIMIT))
    if not 1 <= limit <= LARGEST_LIMIT:
        raise _BadRequest("limit")
    return limit


def _cursor(sort_by: str, place: tuple[object, int]) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort_by, *place]).encode()).decode()


def _read_cursor(cursor: str, sort_by: str) -> tuple[object, int]:
    try:
        sorted_by, value, number = json.loads(base64.urlsafe_b64decode(cursor))
    except (binascii.Error, ValueError):
        raise _BadRequest("cursor") from None
    if sorted_by != sort_by:
        raise _BadRequest("cursor")
    return value, number


def _shown(record: Mapping[str, object], extras: set[str], is_labelled: bool) -> dict:
    shown = {name: value for name, value in record.items() if name not in CAMPAIGN_FIELDS - extras}
    if "custom_fields" in record and not is_labelled:
        shown["custom_fields"] = {
            key: value["id"] if isinstance(value, Mapping) else value
            for key, value in record["custom_fields"].items()
        }
    return shown


def _v1_notes(request: Request, notes: Records) -> Response:
    params = request.query_params
    try:
        start, limit = int(params.get("start", 0)), _limit(params)
        since = params.get("updated_since")
        moment = since and _read_moment(since)
    except (_BadRequest, ValueError):
        return _failure(400, "Bad request")
    # Version 1 takes whatever it does not know without a word.
    is_descending = params.get("sort", "id ASC").upper() == "ID DESC"
    found = [
        note
        for _, note in sorted(notes.items(), reverse=is_descending)
        if not moment or _read_moment(note["update_time"]) >= moment
    ]
    page, has_more = found[start : start + limit], len(found) > start + limit
    pagination = {"start": start, "limit": limit, "more_items_in_collection": has_more}
    if has_more:
        pagination["next_start"] = start + limit
    return _success(page or None, {"pagination": pagination})


def _read_moment(text: str) -> datetime:
    """A moment of version 1 (UTC without saying so) or 2. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _as_number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)


def _v2_time(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _v1_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _by_id(records: Iterable[dict]) -> Records:
    return {record["id"]: record for record in records}


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return dict(zip(sorted(set(names)), itertools.count(1)))


def _own(**values: str | None) -> dict[str, str | None]:
    return {OWN_FIELDS[name]: value for name, value in values.items()}


def _organization(company: CrmCompany) -> dict:
    country = COUNTRIES[company.country]
    street = re.fullmatch(r"(?P<route>.+?) (?P<number>\d+\s?\w?)", company.street)
    return {
        "id": company.id,
        "name": company.name,
        "owner_id": company.owner_id,
        "add_time": _v2_time(company.created_at),
        "update_time": _v2_time(company.updated_at),
        "is_deleted": False,
        "visible_to": 3,
        "label_ids": [],
        "website": company.domain and f"https://www.{company.domain}",
        "address": {
            "value": f"{company.street}, {company.postcode} {company.city}, {country}",
            "country": country,
            "locality": company.city,
            "postal_code": company.postcode,
            "route": street["route"] if street else company.street,
            "street_number": street["number"] if street else None,
        },
        "custom_fields": _own(vat_id=company.vat_id, phone=company.phone)
        | {
            OWN_FIELDS["acquisition"]: {
                "id": _option_id(company.acquisition),
                "label": company.acquisition,
            }
        },
    }


def _option_id(label: str) -> int:
    return int.from_bytes(hashlib.sha1(label.encode()).digest()[:2])


def _person(contact: CrmContact) -> dict:
    has_objected = contact.objected_at is not None
    numbers = (("work", contact.phone), ("mobile", contact.mobile))
    return {
        "id": contact.id,
        "name": f"{contact.first_name} {contact.last_name}",
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        "owner_id": contact.owner_id,
        "org_id": contact.company_id,
        "add_time": _v2_time(contact.created_at),
        "update_time": _v2_time(contact.updated_at),
        "is_deleted": False,
        "visible_to": 3,
        "label_ids": [],
        "picture_id": None,
        "emails": _primary_first([("work", contact.email)]),
        "phones": _primary_first(numbers),
        "job_title": contact.role,
        "birthday": contact.birthday and contact.birthday.isoformat(),
        "marketing_status": "unsubscribed" if has_objected else "no_consent",
        "doi_status": 1,
        "custom_fields": _own(salutation=contact.salutation or None),
    }


def _primary_first(values: Iterable[tuple[str, str | None]]) -> list[dict]:
    there = [(label, value) for label, value in values if value]
    return [
        {"label": label, "value": value, "primary": position == 0}
        for position, (label, value) in enumerate(there)
    ]


def _deal(deal: CrmDeal, stages: Mapping[str, int], channels: Mapping[str, int]) -> dict:
    closed = _v2_time(deal.closed_at)
    expected = deal.expected_close_on
    return {
        "id": deal.id,
        "title": deal.title,
        "creator_user_id": deal.owner_id,
        "owner_id": deal.owner_id,
        "value": deal.amount,
        "currency": deal.currency,
        "person_id": deal.contact_id,
        "org_id": deal.company_id,
        "stage_id": stages[deal.stage],
        "pipeline_id": 1,
        "status": deal.status,
        "add_time": _v2_time(deal.opened_at),
        "update_time": _v2_time(deal.updated_at),
        "stage_change_time": _v2_time(deal.updated_at),
        "won_time": closed if deal.status == "won" else None,
        "lost_time": closed if deal.status == "lost" else None,
        "close_time": closed,
        "lost_reason": deal.lost_reason,
        "expected_close_date": expected and str(expected),
        "probability": None,
        "visible_to": 3,
        "label_ids": [],
        "origin": "ManuallyCreated",
        "origin_id": None,
        "channel": channels[deal.origin],
        "channel_id": deal.origin,
        "is_deleted": False,
        "is_archived": False,
        "custom_fields": _own(order_number=deal.order_number),
    }


def _activity(activity: CrmActivity) -> dict:
    return {
        "id": activity.id,
        "type": activity.kind,
        "subject": activity.subject,
        "note": None,
        "owner_id": activity.owner_id,
        "creator_user_id": activity.owner_id,
        "org_id": activity.company_id,
        "person_id": activity.contact_id,
        "deal_id": activity.deal_id,
        "due_date": f"{activity.due_at:%Y-%m-%d}",
        "due_time": f"{activity.due_at:%H:%M:%S}",
        "duration": None,
        "done": activity.done_at is not None,
        "marked_as_done_time": _v2_time(activity.done_at),
        "add_time": _v2_time(activity.created_at),
        "update_time": _v2_time(activity.updated_at),
        "is_deleted": False,
    }


def _note(note: CrmNote, company_name: str) -> dict:
    return {
        "id": note.id,
        "content": note.text,
        "user_id": note.owner_id,
        "org_id": note.company_id,
        "person_id": note.contact_id,
        "deal_id": note.deal_id,
        "lead_id": None,
        "add_time": _v1_time(note.at),
        "update_time": _v1_time(note.updated_at),
        "active_flag": True,
        "last_update_user_id": note.owner_id,
        "pinned_to_deal_flag": False,
        "deal": None,
        "person": None,
        "organization": {"name": company_name},
        "user": {"is_you": False},
    }


def _user(owner: Owner) -> dict:
    return {
        "id": owner.owner_id,
        "name": f"{owner.first_name} {owner.last_name}",
        "email": owner.email,
        "active_flag": True,
        "is_you": False,
        "last_login": "2025-12-31 07:30:00",
    }
