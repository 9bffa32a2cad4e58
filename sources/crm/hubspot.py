"""HubSpot: companies, contacts, deals, notes, tickets, their owners, and who belongs to whom.

Everything is read from the lists, later changes come from the search. How requests are sent is
`sources.http`, what has changed since the last pull is found out by `sources.changes`; what the
records mean is left to staging.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sources.contract import (
    Column,
    Kind,
    Option,
    Parts,
    Pull,
    Reading,
    Source,
    SourceProblem,
    Table,
)
from sources.http import Api, NotPermitted, Pace

if TYPE_CHECKING:
    from requests import Request, Response

log = logging.getLogger(__name__)

# The one path that every token may read (scope `oauth`): what is refused here is the token itself.
ACCOUNT = "/account-info/v3/details"
SCOPES = {
    "owners": "crm.objects.owners.read",
    "companies": "crm.objects.companies.read",
    "contacts": "crm.objects.contacts.read",
    "deals": "crm.objects.deals.read",
    # Notes have no scope of their own.
    "notes": "crm.objects.contacts.read",
    "tickets": "tickets",
}
# A reading may lose this many records without being taken for a broken answer (changes.Limits).
# What HubSpot itself names as merged or deleted is no such loss, however much it is.
NAMED_AT_ONCE = 20

_NUMBER = r"\d+"
_EMAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"


def _property(name: str, description: str, kind: Kind = "text", **more: Any) -> Column:
    return Column(name, description, kind, path=f"properties.{name}", **more)


def _table(
    name: str,
    grain: str,
    *columns: Column,
    created: str = "createdate",
    changed: str = "hs_lastmodifieddate",
) -> Table:
    """The table of an object type, with the columns that all of them have."""
    return Table(
        name=name,
        grain=grain,
        key=("id",),
        cursor=changed,
        # HubSpot says these twice: the properties have them too.
        ignored=("id", "createdAt", "updatedAt", "archived", "url", "objectWriteTraceId"),
        columns=(
            Column(
                "id",
                "Number of the record.",
                required=True,
                path="properties.hs_object_id",
                pattern=_NUMBER,
            ),
            *columns,
            _property("hubspot_owner_id", "Who answers for it (owners.id).", pattern=_NUMBER),
            _property("hs_merged_object_ids", "Records merged into this one, between semicolons."),
            _property(created, "When the record was created.", "timestamp"),
            _property(changed, "When the record was last changed.", "timestamp", required=True),
        ),
    )


_ACQUISITION = (
    _property("hs_analytics_source", "How they came to us (acquisition source), one of a dozen."),
    _property("hs_analytics_source_data_1", "The same in more detail: campaign, fair, word used."),
    _property("hs_object_source", "What created the record: a person, an import, a form."),
)

COMPANIES = _table(
    "companies",
    "One row per company.",
    _property("name", "Name of the company.", personal="name"),
    _property("domain", "Domain of its website."),
    _property("website", "Address of its website."),
    _property("phone", "Phone number, as somebody typed it.", personal="phone"),
    _property("address", "Street and number.", personal="address"),
    _property("zip", "Postcode.", personal="address"),
    _property("city", "City.", personal="address"),
    _property("country", "Country, as somebody typed it."),
    _property("industry", "Trade."),
    _property("lifecyclestage", "Where HubSpot sees the relationship, such as lead or customer."),
    _property("customer_number", "Number of the customer in accounting.", personal="id"),
    _property("vat_id", "VAT identification number.", personal="id"),
    *_ACQUISITION,
)
CONTACTS = _table(
    "contacts",
    "One row per contact person.",
    _property("email", "E-mail address.", personal="email", pattern=_EMAIL),
    _property("hs_additional_emails", "Further addresses, between semicolons.", personal="email"),
    _property("salutation", "Salutation."),
    _property("firstname", "First name.", personal="name"),
    _property("lastname", "Last name.", personal="name"),
    _property("jobtitle", "Role in the company."),
    _property("phone", "Phone number, as somebody typed it.", personal="phone"),
    _property("mobilephone", "Mobile number, as somebody typed it.", personal="phone"),
    _property("date_of_birth", "Birthday; a free text in HubSpot.", personal="birthday"),
    _property("hs_language", "Preferred language, such as de or de-at."),
    _property("company", "Name of the company, as the contact wrote it.", personal="name"),
    _property("associatedcompanyid", "Primary company (companies.id).", pattern=_NUMBER),
    _property("lifecyclestage", "Where HubSpot sees the relationship, such as lead or customer."),
    _property("hs_email_optout", "Told us to send no more marketing e-mail.", "flag"),
    *_ACQUISITION,
    changed="lastmodifieddate",
)
DEALS = _table(
    "deals",
    "One row per deal.",
    _property("dealname", "What the deal is about."),
    _property("amount", "Amount, in deal_currency_code.", "decimal"),
    _property("deal_currency_code", "ISO 4217 code; null: HubSpot's one.", pattern="[A-Z]{3}"),
    _property("pipeline", "Pipeline, by its internal name."),
    _property("dealstage", "Stage, by its internal name."),
    _property("hs_is_closed", "Won or lost.", "flag"),
    _property("hs_is_closed_won", "Won.", "flag"),
    _property("closedate", "When it was won or lost; expected while it is open.", "timestamp"),
    _property("closed_lost_reason", "Why it was lost."),
    _property("dealtype", "newbusiness or existingbusiness."),
    _property("order_number", "Number of the order or invoice that came of it."),
    *_ACQUISITION,
)
NOTES = _table(
    "notes",
    "One row per note of a conversation.",
    _property("hs_note_body", "The note (HTML).", personal="text"),
    _property("hs_timestamp", "When the conversation was.", "timestamp"),
    created="hs_createdate",
)
TICKETS = _table(
    "tickets",
    "One row per ticket: a complaint or another request.",
    _property("subject", "What it is about.", personal="text"),
    _property("content", "What was written.", personal="text"),
    _property("hs_pipeline", "Pipeline, by its internal name."),
    _property("hs_pipeline_stage", "Stage, by its internal name."),
    _property("hs_ticket_category", "Category."),
    _property("hs_ticket_priority", "Priority, such as LOW, MEDIUM or HIGH."),
    _property("source_type", "Channel it came through, such as EMAIL."),
    _property("closed_date", "When it was closed.", "timestamp"),
    _property("customer_number", "Number of the customer in accounting.", personal="id"),
    _property("customer_email", "Who wrote, where no contact is known.", personal="email"),
    _property("order_number", "Number of the order or invoice it is about."),
    _property("demand", "What the customer wants, such as refund or repair."),
    _property("satisfaction", "How content the customer is with the answer.", "decimal"),
)
OBJECTS = (COMPANIES, CONTACTS, DEALS, NOTES, TICKETS)

OWNERS = Table(
    name="owners",
    grain="One row per user who can answer for a record.",
    key=("id",),
    columns=(
        Column("id", "Number that hubspot_owner_id names.", required=True, pattern=_NUMBER),
        Column("email", "E-mail address.", personal="email", pattern=_EMAIL),
        Column("first_name", "First name.", personal="name", path="firstName"),
        Column("last_name", "Last name.", personal="name", path="lastName"),
        Column("type", "PERSON or QUEUE."),
        Column("user_id", "Number of the user.", path="userId", pattern=_NUMBER),
        Column("teams", "Teams of the user.", "json"),
        Column("created_at", "When the owner was created.", "timestamp", path="createdAt"),
        Column("updated_at", "When the owner was last changed.", "timestamp", path="updatedAt"),
    ),
    ignored=("archived", "userIdIncludingInactive"),
)

ENDS = {
    "contacts": ("companies",),
    "deals": ("companies", "contacts"),
    "notes": ("companies", "contacts", "deals"),
    "tickets": ("companies", "contacts"),
}
ASSOCIATIONS = Table(
    name="associations",
    grain="One row per pair of records and way in which the first belongs to the second.",
    key=("from_type", "from_id", "to_type", "to_id", "category", "type_id"),
    columns=(
        Column("from_type", "Table of the first record.", required=True, choices=tuple(ENDS)),
        Column("from_id", "Number of the first record.", required=True, pattern=_NUMBER),
        Column(
            "to_type",
            "Table of the second record.",
            required=True,
            choices=("companies", "contacts", "deals"),
        ),
        Column("to_id", "Number of the second record.", required=True, pattern=_NUMBER),
        Column("category", "Whether HubSpot or the account named this way of belonging."),
        Column("type_id", "Number of the way of belonging, within its category.", "integer"),
        Column("label", "Name of the way of belonging, such as Primary; null: no special one."),
    ),
)

OPTIONS = (
    Option("base_url", "Address of the API.", "https://api.hubapi.com"),
    Option("requests", "How many requests HubSpot lets through in `seconds`.", "100"),
    Option("seconds", "The time that `requests` counts for.", "10"),
    Option("search_requests", "How many searches HubSpot lets through in a second.", "5"),
    Option("page_size", "How many records a page holds.", "100"),
    Option("batch_size", "For how many records associations are asked at once.", "1000"),
    # An own property exists only where the company made one, under the name it chose.
    *(
        Option(f"{name}_property", f"Internal name of the property that holds {what}.", name)
        for name, what in {
            "customer_number": "accounting's customer number (companies, tickets)",
            "vat_id": "the VAT identification number (companies)",
            "order_number": "the order or invoice number (deals, tickets)",
            "customer_email": "the writer's address (tickets)",
            "demand": "what the customer wants (tickets)",
            "satisfaction": "how content the customer is (tickets)",
            "hs_analytics_source": "the acquisition source",
        }.items()
    ),
)
SECRETS = (Option("access_token", "access token of a private app in HubSpot"),)


def pull(context: Pull) -> Iterator[Reading]:
    """Every object type for itself, then what belongs to what, as far as both ends were read.

    Raises SourceProblem where the token is refused or an option makes no sense.
    """
    hubspot = _Hubspot(context)
    hubspot.api.one(ACCOUNT)
    yield Reading(OWNERS, hubspot.listed("/crm/v3/owners"), "everything")
    tables = {table.name: hubspot.as_named(table) for table in OBJECTS}
    for table in tables.values():
        since = context.since(table)
        if since is None:
            records = hubspot.listed(_path(table), properties=",".join(_properties(table)))
            yield Reading(table, records, "everything")
        else:
            yield Reading(table, hubspot.changed(table, since), "changes")
            yield from _named_as_gone(hubspot, table, context)
    # A new association moves no date of its records, therefore all are read each time; a type
    # without one of its ends would look as if it had lost those associations.
    for kind, ends in ENDS.items():
        if {kind, *ends} <= context.read:
            ids = sorted(key for (key,) in context.known(tables[kind], "id"))
            yield Reading(
                ASSOCIATIONS,
                hubspot.associated(kind, ids),
                Parts("from_type", frozenset({kind})),
            )


def check(context: Pull) -> list[str]:
    """What keeps the next pull from working: the token, or each scope that is missing."""
    try:
        hubspot = _Hubspot(context)
        hubspot.api.one(ACCOUNT)
    except SourceProblem as problem:
        return [str(problem)]
    problems = []
    paths = {"owners": "/crm/v3/owners"} | {table.name: _path(table) for table in OBJECTS}
    for name, path in paths.items():
        try:
            hubspot.api.one(path, {"limit": 1})
        except NotPermitted:
            problems.append(
                f"hubspot: {name} may not be read; give the private app the scope {SCOPES[name]}"
            )
        except SourceProblem as problem:
            problems.append(str(problem))
    return problems


class _Hubspot:
    """How one account is asked."""

    def __init__(self, context: Pull) -> None:
        self.options = context.connection.options
        pace = Pace(self._number("requests"), self._number("seconds"))
        self.api = self._api(context, pace)
        # HubSpot counts searches for themselves.
        self.search = self._api(context, Pace(self._number("search_requests"), 1))
        self.page_size, self.batch_size = self._number("page_size"), self._number("batch_size")

    def _api(self, context: Pull, pace: Pace) -> Api:
        return Api(
            "hubspot",
            self.options["base_url"],
            headers={"Authorization": f"Bearer {context.connection.secrets['access_token']}"},
            paces=(pace,),
            remedy="Look whether the private app's token is still valid and has all scopes: "
            "`python -m sources check hubspot` says which is missing.",
        )

    def _number(self, option: str) -> int:
        text = self.options[option]
        if not text.isdecimal() or int(text) < 1:
            raise SourceProblem(
                f"hubspot: {option} must be a whole number above 0; correct it in stammkunde.yml"
            )
        return int(text)

    def as_named(self, table: Table) -> Table:
        """The table with the account's own names for the properties that have an option."""
        columns = (
            replace(column, path=f"properties.{self.options[option]}")
            if (option := f"{column.name}_property") in self.options
            else column
            for column in table.columns
        )
        return replace(table, columns=tuple(columns))

    def listed(self, path: str, **params: str) -> Iterator[dict]:
        """All records of a list that are not deleted (archived: only the deleted ones)."""
        from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

        return self.api.rows(
            path,
            at="results",
            paginator=lambda: JSONResponseCursorPaginator("paging.next.after", "after"),
            params={"limit": self.page_size, "archived": "false", **params},
        )

    def changed(self, table: Table, since: datetime) -> Iterator[dict]:
        """The records that were changed since then."""
        return self.search.rows(
            f"{_path(table)}/search",
            at="results",
            paginator=_BehindTheLast,
            body={
                "filterGroups": [{"filters": [_filter(table.cursor, "GTE", _millis(since))]}],
                "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                "properties": _properties(table),
                "limit": self.page_size,
            },
        )

    def associated(self, kind: str, ids: list[str]) -> Iterator[dict]:
        """A row for each way in which one of these records belongs to another."""
        for end in ENDS[kind] if ids else ():
            results = self.api.rows(
                f"/crm/v4/associations/{kind}/{end}/batch/read",
                at="results",
                paginator=lambda: _Batches(ids, self.batch_size),
                body={"inputs": []},
            )
            for result in results:
                for other in result["to"]:
                    for way in other["associationTypes"]:
                        yield {
                            "from_type": kind,
                            "from_id": result["from"]["id"],
                            "to_type": end,
                            "to_id": other["toObjectId"],
                            "category": way["category"],
                            "type_id": way["typeId"],
                            "label": way["label"],
                        }


def _named_as_gone(hubspot: _Hubspot, table: Table, context: Pull) -> Iterator[Reading]:
    """Deletions of records that lie in HubSpot's recycle bin or were merged into others.

    What was purged for good is missing without a word; the next reading of everything finds it.
    """
    if table.name not in context.read:
        return
    try:
        archived = {record["id"] for record in hubspot.listed(_path(table), archived="true")}
    except SourceProblem as problem:
        log.error("%s", problem)
        context.problems.append(problem)
        return
    known = context.known(table, "hs_merged_object_ids")
    merged = {gone for text in known.values() if text for gone in text.split(";")}
    gone = sorted(key for (key,) in known if key in archived | merged)
    for start in range(0, len(gone), NAMED_AT_ONCE):
        yield Reading(table, (), Parts("id", frozenset(gone[start : start + NAMED_AT_ONCE])))


class _BehindTheLast:
    """Pages of a search that is sorted by number: each asks for what lies behind the page before.

    HubSpot answers 10,000 results of a search at most. A window that slides over the dates would
    stand still where an import changed more records than that in one moment; numbers are unique.
    """

    has_next_page = True

    def init_request(self, request: "Request") -> None:
        """The first page has no page before it."""

    def update_state(self, response: "Response", data: list[dict]) -> None:
        """Note where the page ended."""
        self.has_next_page = bool(data and response.json().get("paging"))
        self._last = data[-1]["id"] if data else None

    def update_request(self, request: "Request") -> None:
        """Ask for the page behind that, if there is one."""
        if not self.has_next_page:
            return
        by_date = request.json["filterGroups"][0]["filters"][0]
        filters = [by_date, _filter("hs_object_id", "GT", self._last)]
        request.json = {**request.json, "filterGroups": [{"filters": filters}]}


class _Batches:
    """The requests of a batch read: so many records each, and those with more to tell once more."""

    has_next_page = True

    def __init__(self, ids: Iterable[str], size: int) -> None:
        self._waiting: list[Mapping[str, str]] = [{"id": one} for one in ids]
        self._size = size

    def init_request(self, request: "Request") -> None:
        """Ask for the first records."""
        self.update_request(request)

    def update_state(self, response: "Response", data: list[dict]) -> None:
        """Queue what the answer left open. Raises SourceProblem where it failed in part."""
        for error in response.json().get("errors") or ():
            # This is how HubSpot says that a record has no associations.
            if error.get("category") != "OBJECT_NOT_FOUND":
                raise SourceProblem(
                    "hubspot: associations were answered in part only; nothing of them was taken, "
                    "the next pull asks again"
                )
        self._waiting += [
            {"id": result["from"]["id"], "after": result["paging"]["next"]["after"]}
            for result in data
            if result.get("paging")
        ]

    def update_request(self, request: "Request") -> None:
        """Ask for the next records; without any there is no next page."""
        batch, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
        self.has_next_page = bool(batch)
        request.json = {"inputs": batch}


def _path(table: Table) -> str:
    return f"/crm/v3/objects/{table.name}"


def _properties(table: Table) -> list[str]:
    return [column.path.removeprefix("properties.") for column in table.columns]


def _filter(name: str, operator: str, value: str) -> dict[str, str]:
    return {"propertyName": name, "operator": operator, "value": value}


def _millis(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1_000))


SOURCE = Source(
    name="hubspot",
    title="HubSpot",
    area="crm",
    tables=(OWNERS, *OBJECTS, ASSOCIATIONS),
    owner="sales",
    access="API, with the access token of a private app.",
    promised_age_hours=24,
    pull=pull,
    check=check,
    options=OPTIONS,
    secrets=SECRETS,
)
