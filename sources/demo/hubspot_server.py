"""The demo company's HubSpot: answers as the vendor's API does, its quirks and refusals included.

What is in it was drawn elsewhere (`relations`); what the connector does not read is not served.
"""

import html
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sources.contract import Connection, Secret
from sources.demo.crm_records import CrmCompany, CrmContact, CrmDeal, CrmNote, still_there
from sources.demo.relations import Relations
from sources.demo.voices import Ticket
from sources.demo.world import Owner, World

TOKEN = "pat-demo-token"
LARGEST_PAGE, LARGEST_OWNERS_PAGE, LARGEST_SEARCH_PAGE = 100, 500, 200
MOST_RESULTS = 10_000
LARGEST_BATCH = 1_000
SCOPES = {
    "companies": "crm.objects.companies.read",
    "contacts": "crm.objects.contacts.read",
    "deals": "crm.objects.deals.read",
    "notes": "crm.objects.contacts.read",
    "tickets": "tickets",
    "owners": "crm.objects.owners.read",
}
CHANGED = defaultdict(lambda: "hs_lastmodifieddate", contacts="lastmodifieddate")
CREATED = defaultdict(lambda: "createdate", notes="hs_createdate")
# HubSpot's own numbers for ways of belonging; the first is the one called Primary, where there is.
WAYS = {
    ("contacts", "companies"): (1, 279),
    ("deals", "companies"): (5, 341),
    ("deals", "contacts"): (None, 3),
    ("notes", "companies"): (None, 190),
    ("notes", "contacts"): (None, 202),
    ("notes", "deals"): (None, 214),
    ("tickets", "companies"): (26, 339),
    ("tickets", "contacts"): (None, 16),
}
ACQUISITIONS = {
    "web_search": "ORGANIC_SEARCH",
    "referral": "REFERRALS",
    "trade_press": "OTHER_CAMPAIGNS",
    "newsletter": "EMAIL_MARKETING",
    "Website": "DIRECT_TRAFFIC",
    "Empfehlung": "REFERRALS",
}
COUNTRIES = {"DE": "Germany", "AT": "Austria", "CH": "Switzerland"}


@dataclass
class Books:
    """What is in one HubSpot account, in the vendor's shape; tests change it between pulls.

    records: object type → id → record, whose `archived` says that it lies in the recycle bin.
    associations: (from type, to type) → from id → list of {toObjectId, associationTypes}, of which
    an answer tells others_told at most. scopes is what the token may read, failing the object types
    whose associations HubSpot cannot tell just now. customers and people: object type → id →
    customer number, person id; defects: class → count. asked: path and parameters of all requests.
    """

    records: dict[str, dict[str, dict]]
    owners: dict[str, dict] = field(default_factory=dict)
    associations: dict[tuple[str, str], dict[str, list[dict]]] = field(default_factory=dict)
    scopes: set[str] = field(default_factory=lambda: set(SCOPES.values()))
    failing: set[str] = field(default_factory=set)
    others_told: int = 500
    customers: dict[str, dict[str, str]] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)
    defects: Mapping[str, int] = field(default_factory=dict)
    asked: list[tuple[str, dict]] = field(default_factory=list)

    def put(
        self, kind: str, record_id: str, changed: datetime, created: datetime, **values: Any
    ) -> None:
        """Write a record, or write it anew."""
        properties = {name: _text(value) for name, value in values.items()}
        standard = {
            "hs_object_id": record_id,
            CREATED[kind]: _moment(created),
            CHANGED[kind]: _moment(changed),
        }
        self.records.setdefault(kind, {})[record_id] = {
            "id": record_id,
            "properties": {"hs_merged_object_ids": None} | properties | standard,
            "createdAt": _moment(created),
            "updatedAt": _moment(changed),
            "archived": False,
        }

    def associate(self, from_type: str, from_id: str, to_type: str, to_id: str) -> None:
        """Let one record belong to another in the usual way; the primary one, where there is."""
        primary, usual = WAYS[from_type, to_type]
        ways = [_way(usual, None)]
        if primary:
            ways.insert(0, _way(primary, "Primary"))
        others = self.associations.setdefault((from_type, to_type), {}).setdefault(from_id, [])
        others.append({"toObjectId": int(to_id), "associationTypes": ways})


def books(world: World, relations: Relations) -> Books:
    """The demo company's HubSpot as it stands on the last day of the world."""
    crm = relations.crm["hubspot"]
    tickets = [ticket for ticket in relations.tickets if ticket.system == "hubspot"]
    companies, contacts = still_there(crm.companies), still_there(crm.contacts)
    account = Books(
        records={kind: {} for kind in SCOPES if kind != "owners"},
        owners={str(owner.owner_id): _owner(owner) for owner in world.owners},
        customers={
            "companies": {str(company.id): company.organisation for company in companies},
            "tickets": {ticket.id: ticket.organisation for ticket in tickets},
        },
        people={str(contact.id): contact.person for contact in contacts},
        defects=relations.truth["hubspot"],
    )
    language = {person.person_id: person.language for person in world.people}
    merged = _merged((*crm.companies, *crm.contacts))
    for company in companies:
        _put_company(account, company, merged[company.id, CrmCompany])
    for contact in contacts:
        _put_contact(account, contact, merged[contact.id, CrmContact], language[contact.person])
    for deal in crm.deals:
        _put_deal(account, deal)
    for note in crm.notes:
        _put_note(account, note)
    for ticket in tickets:
        _put_ticket(account, ticket)
    _put_into_the_bin(account, crm.companies, crm.contacts)
    return account


def connection(base_url: str) -> Connection:
    """How to reach the demo company's HubSpot."""
    return Connection(
        options={
            "base_url": base_url,
            "requests": "400",
            "seconds": "1",
            "search_requests": "400",
        },
        secrets={"access_token": Secret(TOKEN)},
    )


def app(books: Books) -> Starlette:
    """The API."""
    api = _Api(books)
    return Starlette(
        routes=[
            Route("/account-info/v3/details", api.account),
            Route("/crm/v3/owners", api.owners),
            Route("/crm/v3/objects/{kind}", api.listed),
            Route("/crm/v3/objects/{kind}/search", api.searched, methods=["POST"]),
            Route(
                "/crm/v4/associations/{kind}/{other}/batch/read", api.associated, methods=["POST"]
            ),
        ],
        exception_handlers={_Refused: _refusal},
    )


class _Refused(Exception):
    def __init__(self, status: int, category: str, message: str, **more: Any) -> None:
        self.status = status
        self.body = {
            "status": "error",
            "message": message,
            "correlationId": "00000000-0000-0000-0000-000000000000",
            "category": category,
            **more,
        }


async def _refusal(request: Request, refused: _Refused) -> Response:
    return JSONResponse(refused.body, refused.status)


class _Api:
    def __init__(self, books: Books) -> None:
        self._books = books

    async def account(self, request: Request) -> Response:
        self._admit(request, {})
        return JSONResponse(
            {
                "portalId": 4711,
                "accountType": "STANDARD",
                "timeZone": "Europe/Berlin",
                "companyCurrency": "EUR",
                "additionalCurrencies": ["CHF"],
                "utcOffset": "+01:00",
                "utcOffsetMilliseconds": 3_600_000,
                "uiDomain": "app-eu1.hubspot.com",
                "dataHostingLocation": "eu1",
            }
        )

    async def owners(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self._admit(request, asked, "owners")
        owners = [one for one in self._books.owners.values() if one["archived"] == _archived(asked)]
        page, paging = _page(request, owners, asked, LARGEST_OWNERS_PAGE)
        return JSONResponse({"results": page, **paging})

    async def listed(self, request: Request) -> Response:
        asked = dict(request.query_params)
        kind = self._admit(request, asked, request.path_params["kind"])
        records = self._books.records[kind].values()
        wanted = [one for one in records if one["archived"] == _archived(asked)]
        page, paging = _page(request, wanted, asked, LARGEST_PAGE)
        names = [
            name for text in request.query_params.getlist("properties") for name in text.split(",")
        ]
        return JSONResponse({"results": [_shown(kind, one, names) for one in page], **paging})

    async def searched(self, request: Request) -> Response:
        asked = await request.json()
        kind = self._admit(request, asked, request.path_params["kind"])
        limit = _limit(asked, LARGEST_SEARCH_PAGE)
        after = int(asked.get("after") or 0)
        if after + limit > MOST_RESULTS:
            raise _Refused(
                400, "VALIDATION_ERROR", "There was a problem with the request: paging past 10,000"
            )
        found = [
            record
            for record in self._books.records[kind].values()
            if not record["archived"] and _fits(record["properties"], asked["filterGroups"])
        ]
        if len(asked.get("sorts", ())) > 1:
            raise _Refused(400, "VALIDATION_ERROR", "Only one sort is allowed")
        for sort in asked.get("sorts") or [{"propertyName": CREATED[kind]}]:
            found.sort(
                key=lambda record: _order(record["properties"][sort["propertyName"]]),
                reverse=sort.get("direction") == "DESCENDING",
            )
        end = after + limit
        paging = {"paging": {"next": {"after": str(end)}}} if end < len(found) else {}
        page = [_shown(kind, one, asked.get("properties", ())) for one in found[after:end]]
        return JSONResponse({"total": len(found), "results": page, **paging})

    async def associated(self, request: Request) -> Response:
        asked = await request.json()
        kind = self._admit(request, asked, request.path_params["kind"])
        other = self._admit(request, None, request.path_params["other"])
        if not 1 <= len(asked["inputs"]) <= LARGEST_BATCH:
            raise _Refused(
                400, "VALIDATION_ERROR", f"The maximum batch size is {LARGEST_BATCH} inputs"
            )
        known = self._books.associations.get((kind, other), {})
        results, errors = [], []
        for wanted in asked["inputs"]:
            # Nothing belongs to a record in the recycle bin, as long as it lies there.
            others = [
                one
                for one in known.get(wanted["id"], [])
                if self._is_there(kind, wanted["id"])
                and self._is_there(other, str(one["toObjectId"]))
            ]
            start = int(wanted.get("after") or 0)
            end = start + self._books.others_told
            paging = {"paging": {"next": {"after": str(end)}}} if end < len(others) else {}
            if kind in self._books.failing:
                errors.append(_error("INTERNAL_ERROR", "internal error", wanted["id"]))
            elif others:
                results.append({"from": {"id": wanted["id"]}, "to": others[start:end], **paging})
            else:
                message = f"No {other} is associated with {kind} {wanted['id']}."
                errors.append(_error("OBJECT_NOT_FOUND", message, wanted["id"]))
        moment = _moment(datetime(2026, 1, 1, tzinfo=UTC))
        answer = {
            "status": "COMPLETE",
            "results": results,
            "startedAt": moment,
            "completedAt": moment,
        }
        if errors:
            return JSONResponse({**answer, "numErrors": len(errors), "errors": errors}, 207)
        return JSONResponse(answer)

    def _is_there(self, kind: str, record_id: str) -> bool:
        record = self._books.records[kind].get(record_id)
        return record is not None and not record["archived"]

    def _admit(self, request: Request, asked: dict | None, kind: str | None = None) -> str | None:
        """The object type, if the token may read it. Raises _Refused."""
        if asked is not None:
            self._books.asked.append((request.url.path, asked))
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise _Refused(
                401,
                "INVALID_AUTHENTICATION",
                "Authentication credentials not found. This API supports OAuth 2.0 authentication",
            )
        if kind is not None and kind not in SCOPES:
            raise _Refused(400, "VALIDATION_ERROR", f"Unable to infer object type from: {kind}")
        if kind is not None and SCOPES[kind] not in self._books.scopes:
            raise _Refused(
                403,
                "MISSING_SCOPES",
                "This app hasn't been granted all required scopes to make this call.",
                errors=[
                    {
                        "message": "One or more of the following scopes are required.",
                        "context": {"requiredGranularScopes": [SCOPES[kind]]},
                    }
                ],
            )
        return kind


def _page(
    request: Request, records: Iterable[dict], asked: Mapping[str, str], largest: int
) -> tuple[list[dict], dict]:
    """The records behind the cursor, which is the number of the last one, and where to go on."""
    limit = _limit(asked, largest)
    after = int(asked.get("after") or 0)
    records = sorted(records, key=lambda record: int(record["id"]))
    behind = [record for record in records if int(record["id"]) > after]
    page = behind[:limit]
    if len(behind) <= limit:
        return page, {}
    last = page[-1]["id"]
    link = str(request.url.include_query_params(after=last))
    return page, {"paging": {"next": {"after": last, "link": link}}}


def _limit(asked: Mapping[str, Any], largest: int) -> int:
    limit = int(asked.get("limit") or 10)
    if not 1 <= limit <= largest:
        raise _Refused(400, "VALIDATION_ERROR", f"limit must be between 1 and {largest}")
    return limit


def _archived(asked: Mapping[str, str]) -> bool:
    return asked.get("archived", "false").lower() == "true"


def _shown(kind: str, record: dict, names: Iterable[str]) -> dict:
    """The record with the properties asked for and those that are always told; others do not count.

    HubSpot leaves out names that it does not know, without a word.
    """
    always = {"hs_object_id", CREATED[kind], CHANGED[kind]}
    properties = record["properties"]
    return record | {
        "properties": {name: properties[name] for name in properties if name in {*names, *always}},
        "url": f"https://app-eu1.hubspot.com/contacts/4711/record/{kind}/{record['id']}",
    }


def _fits(properties: Mapping[str, str | None], groups: list[dict]) -> bool:
    return not groups or any(
        all(_passes(properties, one) for one in group["filters"]) for group in groups
    )


def _passes(properties: Mapping[str, str | None], one: Mapping[str, str]) -> bool:
    value = properties.get(one["propertyName"])
    if one["operator"] not in {"GTE", "GT"}:
        raise _Refused(400, "VALIDATION_ERROR", f"Invalid operator {one['operator']}")
    if value is None:
        return False
    compared, wanted = _order(value), _order(one["value"])
    return compared > wanted or (one["operator"] == "GTE" and compared == wanted)


def _order(value: str) -> int:
    """Numbers as such, moments in milliseconds."""
    if value.isdecimal():
        return int(value)
    return round(datetime.fromisoformat(value).timestamp() * 1_000)


def _error(category: str, message: str, record_id: str) -> dict:
    return {
        "status": "error",
        "category": category,
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": message,
        "context": {"fromObjectId": [record_id]},
    }


def _way(type_id: int, label: str | None) -> dict:
    return {"category": "HUBSPOT_DEFINED", "typeId": type_id, "label": label}


def _merged(records: Iterable[CrmCompany | CrmContact]) -> dict[tuple[int, type], str | None]:
    """The numbers merged into each record that lives on."""
    merged = defaultdict(list)
    for record in records:
        if record.merged_into is not None:
            merged[record.merged_into, type(record)].append(str(record.id))
    return defaultdict(lambda: None, {into: ";".join(ids) for into, ids in merged.items()})


def _put_company(account: Books, company: CrmCompany, merged: str | None) -> None:
    account.put(
        "companies",
        str(company.id),
        company.updated_at,
        company.created_at,
        name=company.name,
        domain=company.domain,
        website=company.domain and f"https://www.{company.domain}",
        phone=company.phone,
        address=company.street,
        zip=company.postcode,
        city=company.city,
        country=COUNTRIES[company.country],
        industry=None,
        lifecyclestage="lead" if company.organisation.startswith("L") else "customer",
        customer_number=None,
        vat_id=company.vat_id,
        hubspot_owner_id=company.owner_id,
        hs_merged_object_ids=merged,
        **_acquired(company.acquisition),
    )


def _put_contact(account: Books, contact: CrmContact, merged: str | None, language: str) -> None:
    account.put(
        "contacts",
        str(contact.id),
        contact.updated_at,
        contact.created_at,
        email=contact.email,
        hs_additional_emails=None,
        salutation=contact.salutation or None,
        firstname=contact.first_name,
        lastname=contact.last_name,
        jobtitle=contact.role,
        phone=contact.phone,
        mobilephone=contact.mobile,
        date_of_birth=contact.birthday,
        hs_language=language,
        company=None,
        associatedcompanyid=contact.company_id,
        lifecyclestage=None,
        hs_email_optout=True if contact.objected_at else None,
        hubspot_owner_id=contact.owner_id,
        hs_merged_object_ids=merged,
        hs_analytics_source="OFFLINE",
        hs_analytics_source_data_1="CRM_UI",
        hs_object_source="CRM_UI",
    )
    _associate(account, "contacts", contact, companies=contact.company_id)


def _put_deal(account: Books, deal: CrmDeal) -> None:
    account.put(
        "deals",
        str(deal.id),
        deal.updated_at,
        deal.opened_at,
        dealname=deal.title,
        amount=deal.amount,
        deal_currency_code=deal.currency,
        pipeline="default",
        dealstage={"won": "closedwon", "lost": "closedlost"}.get(deal.status, deal.stage),
        hs_is_closed=deal.status != "open",
        hs_is_closed_won=deal.status == "won",
        closedate=deal.closed_at or _midnight(deal.expected_close_on),
        closed_lost_reason=deal.lost_reason,
        dealtype="existingbusiness" if deal.origin == "Bestandskunde" else "newbusiness",
        order_number=deal.order_number,
        hubspot_owner_id=deal.owner_id,
        **_acquired(deal.origin),
    )
    _associate(account, "deals", deal, companies=deal.company_id, contacts=deal.contact_id)


def _put_note(account: Books, note: CrmNote) -> None:
    account.put(
        "notes",
        str(note.id),
        note.updated_at,
        note.at,
        hs_note_body=f"<p>{html.escape(note.text)}</p>",
        hs_timestamp=note.at,
        hubspot_owner_id=note.owner_id,
    )
    _associate(
        account,
        "notes",
        note,
        companies=note.company_id,
        contacts=note.contact_id,
        deals=note.deal_id,
    )


def _put_ticket(account: Books, ticket: Ticket) -> None:
    account.put(
        "tickets",
        ticket.id,
        ticket.updated_at,
        ticket.opened_at,
        subject=ticket.subject,
        content=ticket.text,
        hs_pipeline="0",
        # The last of the four stages that HubSpot's support pipeline comes with is the closed one.
        hs_pipeline_stage="4" if ticket.closed_at else "1",
        hs_ticket_category=ticket.category,
        hs_ticket_priority=ticket.priority,
        source_type="EMAIL",
        closed_date=ticket.closed_at,
        customer_number=ticket.customer_number,
        customer_email=ticket.email,
        order_number=ticket.order_number,
        demand=ticket.demand,
        satisfaction=ticket.satisfaction,
        hubspot_owner_id=None,
    )
    _associate(account, "tickets", ticket, companies=ticket.company_id, contacts=ticket.contact_id)


def _associate(
    account: Books,
    kind: str,
    record: CrmContact | CrmDeal | CrmNote | Ticket,
    **others: int | None,
) -> None:
    for other, other_id in others.items():
        if other_id is not None:
            account.associate(kind, str(record.id), other, str(other_id))


def _put_into_the_bin(
    account: Books, companies: Iterable[CrmCompany], contacts: Iterable[CrmContact]
) -> None:
    for kind, records in (("companies", companies), ("contacts", contacts)):
        for record in records:
            if record.deleted_at is not None and record.merged_into is None:
                account.put(kind, str(record.id), record.updated_at, record.created_at)
                account.records[kind][str(record.id)] |= {
                    "archived": True,
                    "archivedAt": _moment(record.deleted_at),
                }


def _acquired(origin: str) -> dict[str, str]:
    return {
        "hs_analytics_source": ACQUISITIONS.get(origin, "OFFLINE"),
        "hs_analytics_source_data_1": origin,
        "hs_object_source": "CRM_UI",
    }


def _owner(owner: Owner) -> dict:
    entered = _moment(datetime(2021, 1, 4, 8, tzinfo=UTC))
    return {
        "id": str(owner.owner_id),
        "email": owner.email,
        "type": "PERSON",
        "firstName": owner.first_name,
        "lastName": owner.last_name,
        "userId": 700 + owner.owner_id,
        "userIdIncludingInactive": 700 + owner.owner_id,
        "createdAt": entered,
        "updatedAt": entered,
        "archived": False,
        "teams": [{"id": "31", "name": "Vertrieb", "primary": True}],
    }


def _midnight(day: date | str | None) -> datetime | str | None:
    """A property with a time of day; what is no day stays the text that it is."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if isinstance(day, date) else day


def _text(value: object) -> str | None:
    """All values of properties are texts."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return _moment(value)
    return str(value)


def _moment(moment: datetime) -> str:
    """As HubSpot writes them: in UTC, milliseconds only where there are any."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z").replace(".000Z", "Z")
