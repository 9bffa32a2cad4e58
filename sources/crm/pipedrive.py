"""Pipedrive: organisations, persons, deals, activities, notes and owners through its REST API.

How the vendor is asked, and for what, is all that is known here. Whom a record belongs to is found
out by the pipelines; paging, pace and patience are `sources.http`'s, comparing is `changes`'.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import requests
from requests.auth import AuthBase

from sources.contract import (
    Column,
    Connection,
    Option,
    Parts,
    Pull,
    Reading,
    Secret,
    Source,
    SourceProblem,
    Table,
)
from sources.http import Api, NotPermitted, Pace

# A page answered once more in place of the next one is asked for again so often.
REPEATED_PAGES = 3
LIMIT = 500
# What a request costs of the company's day: a list of v2, one of v1, a single record of v1.
V2_LIST, V1_LIST, V1_RECORD = 10, 20, 2
# Columns for which Pipedrive has no field; the option <column>_field names the company's own one.
OWN_FIELDS = {
    "organizations": ("vat_id", "customer_number", "acquisition"),
    "deals": ("order_number",),
}

_ID = "Number of the record in Pipedrive."
_ADDED = Column("add_time", "When the record was entered (UTC).", kind="timestamp")
_UPDATED = Column("update_time", "When the record was last changed (UTC).", kind="timestamp")
_OWNER = Column("owner_id", "User who looks after it.", kind="integer")
_IS_DELETED = Column("is_deleted", "Whether Pipedrive counts it as deleted.", kind="flag")


def _reference(name: str, what: str) -> Column:
    return Column(name, f"{what} it belongs to.", kind="integer")


def _address(name: str, path: str, description: str) -> Column:
    return Column(name, description, personal="address", path=path)


ORGANIZATIONS = Table(
    name="organizations",
    grain="One row per organisation that is not deleted.",
    key=("id",),
    cursor="update_time",
    columns=(
        Column("id", _ID, kind="integer", required=True),
        Column("name", "Name of the organisation.", required=True, personal="name"),
        Column("vat_id", "VAT id, where the option vat_id_field names its field.", personal="id"),
        Column(
            "customer_number",
            "Its number in accounting, where customer_number_field names the field.",
            personal="id",
        ),
        Column("acquisition", "How it was won, where acquisition_field names the field."),
        _address("address", "address.value", "The address as it was typed in."),
        _address("street", "address.route", "Street, as found by Pipedrive in the address."),
        _address("street_number", "address.street_number", "House number."),
        _address("postcode", "address.postal_code", "Postcode."),
        _address("city", "address.locality", "Town."),
        _address("country", "address.country", "Country by its name, not its code."),
        Column("website", "Address of its web site."),
        _OWNER,
        _IS_DELETED,
        _ADDED,
        _UPDATED,
    ),
)
PERSONS = Table(
    name="persons",
    grain="One row per contact person who is not deleted.",
    key=("id",),
    cursor="update_time",
    columns=(
        Column("id", _ID, kind="integer", required=True),
        Column("name", "First and last name.", required=True, personal="name"),
        Column("first_name", "First name.", personal="name"),
        Column("last_name", "Last name.", personal="name"),
        Column("emails", "List of {value, primary, label}.", kind="json", personal="email"),
        Column("phones", "List of {value, primary, label}.", kind="json", personal="phone"),
        Column("job_title", "Role; only where contact sync is switched on."),
        Column(
            "birthday",
            "Birthday; only where contact sync is switched on.",
            kind="date",
            personal="birthday",
        ),
        Column(
            "marketing_status",
            "Whether Campaigns may write to the person; only where person_fields asks for it.",
            choices=("no_consent", "unsubscribed", "subscribed", "archived"),
        ),
        Column("doi_status", "State of the double opt-in; only where person_fields asks for it."),
        _reference("org_id", "Organisation"),
        _OWNER,
        _IS_DELETED,
        _ADDED,
        _UPDATED,
    ),
)
DEALS = Table(
    name="deals",
    grain="One row per deal that is not deleted, archived ones included.",
    key=("id",),
    cursor="update_time",
    columns=(
        Column("id", _ID, kind="integer", required=True),
        Column("title", "What is to be sold."),
        Column("value", "Amount of the deal in its currency.", kind="decimal"),
        Column("currency", "ISO 4217 code."),
        Column(
            "status",
            "How the deal stands; deleted ones land as deletions.",
            required=True,
            choices=("open", "won", "lost"),
        ),
        Column("stage_id", "Stage of its pipeline.", kind="integer"),
        Column("pipeline_id", "Pipeline.", kind="integer"),
        Column("won_time", "When it was won (UTC); null for others.", kind="timestamp"),
        Column("lost_time", "When it was lost (UTC); null for others.", kind="timestamp"),
        Column("close_time", "When it was won or lost (UTC).", kind="timestamp"),
        Column("lost_reason", "Why it was lost.", personal="text"),
        Column("expected_close_date", "Day it is expected to be decided.", kind="date"),
        Column("origin", "How the record came into Pipedrive."),
        Column("channel", "Marketing channel, by its number.", kind="integer"),
        Column("channel_id", "Where the deal came from within its channel."),
        Column("order_number", "Order or invoice, where order_number_field names the field."),
        Column("is_archived", "Whether it was put into the archive.", kind="flag"),
        _reference("person_id", "Person"),
        _reference("org_id", "Organisation"),
        _OWNER,
        _IS_DELETED,
        _ADDED,
        _UPDATED,
    ),
)
ACTIVITIES = Table(
    name="activities",
    grain="One row per call, meeting, task or e-mail, done or planned, that is not deleted.",
    key=("id",),
    cursor="update_time",
    columns=(
        Column("id", _ID, kind="integer", required=True),
        Column("type", "call, meeting, task, email … ; a company adds its own."),
        Column("subject", "What it is about.", personal="text"),
        Column("note", "What was written down about it (HTML).", personal="text"),
        Column("due_date", "Day it is due (UTC).", kind="date"),
        Column("due_time", "Time of day it is due (UTC)."),
        Column("done", "Whether it is done.", kind="flag"),
        Column("marked_as_done_time", "When it was done (UTC).", kind="timestamp"),
        _reference("deal_id", "Deal"),
        _reference("person_id", "Person"),
        _reference("org_id", "Organisation"),
        _OWNER,
        _IS_DELETED,
        _ADDED,
        _UPDATED,
    ),
)
NOTES = Table(
    name="notes",
    grain="One row per note that is not deleted.",
    key=("id",),
    cursor="update_time",
    columns=(
        Column("id", _ID, kind="integer", required=True),
        Column("content", "What was noted (HTML).", personal="text"),
        _reference("deal_id", "Deal"),
        _reference("person_id", "Person"),
        _reference("org_id", "Organisation"),
        Column("user_id", "User who wrote it.", kind="integer"),
        Column("active_flag", "false: deleted.", kind="flag"),
        _ADDED,
        _UPDATED,
    ),
    # Names that stand in their own tables: a renamed deal would change all its notes.
    ignored=("deal", "person", "organization", "project", "task", "user"),
)
USERS = Table(
    name="users",
    grain="One row per user of the company's Pipedrive, switched off ones included.",
    key=("id",),
    columns=(
        Column("id", _ID, kind="integer", required=True),
        Column("name", "Name of the user.", required=True, personal="name"),
        Column("email", "E-mail address of the user.", personal="email"),
        Column("active_flag", "Whether the user can still sign in.", kind="flag"),
    ),
    # They change with every sign-in.
    ignored=("last_login", "modified", "icon_url", "is_you", "access"),
)
TABLES = (USERS, ORGANIZATIONS, PERSONS, DEALS, ACTIVITIES, NOTES)
V2_TABLES = (ORGANIZATIONS, PERSONS, DEALS, ACTIVITIES)

OPTIONS = (
    Option(
        "base_url",
        "Address of the API; https://<company>.pipedrive.com works as well.",
        "https://api.pipedrive.com",
    ),
    Option("requests", "Requests in so many seconds; 20 in the smallest plan.", "20"),
    Option("seconds", "The seconds these requests are counted in.", "2"),
    Option(
        "daily_tokens",
        "Tokens a pull may spend; a company has 30,000 a day per user, times its plan's factor.",
        "30000",
    ),
    Option(
        "person_fields",
        "Further fields of persons; where Campaigns is booked: marketing_status,doi_status.",
        "",
    ),
    Option("vat_id_field", "Key (40 characters) of the field with an organisation's VAT id.", ""),
    Option("customer_number_field", "Key of the field with its number in accounting.", ""),
    Option("acquisition_field", "Key of the field that says how it was won.", ""),
    Option("order_number_field", "Key of the field with a deal's order or invoice number.", ""),
)
SECRETS = (Option("api_token", "API token of a user who may see all records"),)


def pull(context: Pull) -> Iterator[Reading]:
    """Yield one reading per table, and one more for the deals deleted of late.

    A table that cannot be read does not keep the others from being read; a refused key does.
    Raises SourceProblem.
    """
    budget = _Budget(context.connection)
    shortage = _shortage(context, budget.tokens)
    if shortage:
        raise SourceProblem(f"pipedrive: {shortage}")
    api = _api(context.connection, budget)
    api.one("api/v1/users/me")
    yield Reading(USERS, _users(api), "everything")
    for table in (*V2_TABLES, NOTES):
        since = context.since(table)
        read = _notes if table is NOTES else _v2_records
        records = read(api, table, context.connection, since)
        yield Reading(table, records, "everything" if since is None else "changes")
        if table is DEALS and since is not None and DEALS.name in context.read:
            try:
                yield _deleted_deals(api)
            except SourceProblem as problem:
                context.problems.append(problem)
        if budget.is_exceeded:
            return


def check(context: Pull) -> list[str]:
    """What would keep the next pull from working, by one request of one record for each right."""
    try:
        budget = _Budget(context.connection)
        api = _api(context.connection, budget)
        api.one("api/v1/users/me")
    except SourceProblem as problem:
        return [str(problem)]
    shortage = _shortage(context, budget.tokens)
    problems = [shortage] if shortage else []
    paths = {table: f"api/v2/{table.name}" for table in V2_TABLES}
    for table, path in {**paths, NOTES: "api/v1/notes", USERS: "api/v1/users"}.items():
        try:
            api.one(path, {"limit": 1} if table is not USERS else None)
        except NotPermitted as problem:
            problems.append(f"{problem} Missing: the right to read {table.name}.")
        except SourceProblem as problem:
            problems.append(str(problem))
    return problems


SOURCE = Source(
    name="pipedrive",
    title="Pipedrive (API)",
    area="crm",
    tables=TABLES,
    owner="sales",
    access="API token of a user who may see all records, from Settings › Personal › API.",
    promised_age_hours=36,
    pull=pull,
    check=check,
    options=OPTIONS,
    secrets=SECRETS,
)


class _Budget:
    """The tokens of the company's day that this pull may spend, and has spent."""

    def __init__(self, connection: Connection) -> None:
        self.tokens = int(_number(connection, "daily_tokens"))
        self.spent = 0
        self.is_exceeded = False

    def spend(self, path: str) -> None:
        """Raises SourceProblem before a request that would exceed the budget is sent."""
        cost = _cost(path)
        if self.spent + cost > self.tokens:
            self.is_exceeded = True
            raise SourceProblem(
                f"pipedrive: {self.spent:,} tokens are spent and the next request would exceed "
                f"daily_tokens ({self.tokens:,}); what is not read yet keeps its last state. Once "
                "they are used up, Pipedrive refuses every program of the company until midnight: "
                "raise daily_tokens only as far as the plan reaches"
            )
        self.spent += cost


class _Token(AuthBase):
    """Signs a request after its tokens are booked, so that no page goes unnoticed."""

    def __init__(self, token: Secret, budget: _Budget) -> None:
        self._token, self._budget = token, budget

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        self._budget.spend(request.path_url)
        request.headers["x-api-token"] = self._token
        return request


def _cost(path: str) -> int:
    if "/v2/" in path:
        return V2_LIST
    return V1_RECORD if path.endswith("/me") else V1_LIST


def _shortage(context: Pull, tokens: int) -> str | None:
    """Why the tokens of one day cannot suffice, judged by what the lake holds already."""
    needed = V1_RECORD + V1_LIST
    for table in (*V2_TABLES, NOTES):
        pages = 1
        if context.since(table) is None:
            pages = max(1, math.ceil(len(context.known(table, "update_time")) / LIMIT))
        # The archive and the deleted deals are lists of their own.
        lists = 2 if table is DEALS else 1
        needed += (pages + lists - 1) * (V1_LIST if table is NOTES else V2_LIST)
    if needed <= tokens:
        return None
    return (
        f"the next pull needs about {needed:,} tokens, daily_tokens allows {tokens:,}; raise it in "
        "stammkunde.yml if the company's plan has that many, else buy a top-up from Pipedrive"
    )


def _number(connection: Connection, name: str) -> float:
    try:
        number = float(connection.options[name])
    except ValueError:
        number = 0
    if number <= 0:
        raise SourceProblem(f"pipedrive: {name} in stammkunde.yml must be a number above zero")
    return number


def _api(connection: Connection, budget: _Budget) -> Api:
    return Api(
        "pipedrive",
        connection.options["base_url"],
        auth=_Token(connection.secrets["api_token"], budget),
        paces=(Pace(int(_number(connection, "requests")), _number(connection, "seconds")),),
        remedy="Copy the API token anew (Settings › Personal preferences › API) and see that its "
        "user may use the API and see all records.",
    )


def _users(api: Api) -> Iterator[Mapping[str, object]]:
    from dlt.sources.helpers.rest_client.paginators import SinglePagePaginator

    yield from api.rows("api/v1/users", at="data", paginator=SinglePagePaginator)


def _v2_records(
    api: Api, table: Table, connection: Connection, since: datetime | None
) -> Iterator[Mapping[str, object]]:
    params = {"sort_by": "id", "sort_direction": "asc"}
    if since is not None:
        params |= {"sort_by": "update_time", "updated_since": _moment(since)}
    if table is PERSONS and connection.options["person_fields"]:
        params["include_fields"] = connection.options["person_fields"]
    if table is ORGANIZATIONS:
        # An option of a list is a bare number otherwise.
        params["include_option_labels"] = "true"
    records = _v2_list(api, table.name, params)
    if table is DEALS:
        # An archived deal leaves the list of deals without being deleted.
        records = itertools.chain(records, _v2_list(api, "deals/archived", params))
    if table.name in OWN_FIELDS:
        return (_with_own_fields(record, table, connection) for record in records)
    return records


def _v2_list(api: Api, path: str, params: Mapping[str, str]) -> Iterator[Mapping[str, object]]:
    from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

    yield from api.rows(
        f"api/v2/{path}",
        at="data",
        params={"limit": LIMIT, **params},
        paginator=lambda: JSONResponseCursorPaginator("additional_data.next_cursor", "cursor"),
    )


def _deleted_deals(api: Api) -> Reading:
    """The deals deleted in the last 30 days; of other records Pipedrive tells no deletion."""
    deleted = _v2_list(api, "deals", {"status": "deleted"})
    return Reading(DEALS, (), Parts("id", frozenset(str(deal["id"]) for deal in deleted)))


def _with_own_fields(
    record: Mapping[str, object], table: Table, connection: Connection
) -> Mapping[str, object]:
    """The record with the values of the company's own fields under the contract's names."""
    custom = record.get("custom_fields") or {}
    own = {}
    for name in OWN_FIELDS[table.name]:
        value = custom.get(connection.options[f"{name}_field"])
        own[name] = value.get("label") if isinstance(value, Mapping) else value
    return {**record, **own}


def _notes(
    api: Api, table: Table, connection: Connection, since: datetime | None
) -> Iterator[Mapping[str, object]]:
    """Version 1 counts its pages by offset and tells no total.

    So each page begins with the last note of the one before: where it does not, a note was deleted
    meanwhile and those behind it moved up, and the page before is read again.
    """
    params = {"sort": "id ASC", "limit": LIMIT}
    if since is not None:
        params["updated_since"] = _moment(since)
    start, last, repeated = 0, 0, 0
    while True:
        notes, has_more = _page(api.one("api/v1/notes", {**params, "start": start}))
        if start and (not notes or notes[0]["id"] > last):
            start = max(0, start - LIMIT)
            continue
        yield from notes
        if not has_more:
            return
        if notes and notes[-1]["id"] > last:
            start, last, repeated = start + len(notes) - 1, notes[-1]["id"], 0
            continue
        repeated += 1
        if repeated == REPEATED_PAGES:
            raise SourceProblem("pipedrive: the pages of notes go round in a circle; pull again")


def _page(answer: Mapping[str, object]) -> tuple[list[Mapping[str, object]], bool]:
    """The notes of an answer, which says null where there are none, and whether more follow."""
    match answer:
        case {"data": None}:
            return [], False
        case {
            "data": list(notes),
            "additional_data": {"pagination": {"more_items_in_collection": bool(has_more)}},
        } if all(isinstance(note, dict) and isinstance(note.get("id"), int) for note in notes):
            return notes, has_more
    raise SourceProblem("pipedrive: an answer to GET /api/v1/notes holds no list; pull again later")


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
