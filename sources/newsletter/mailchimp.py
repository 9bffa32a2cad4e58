"""Mailchimp: audiences, members with the evidence of their double opt-in, campaigns and what was
opened, clicked, bounced and cancelled.

Which consent follows from which status is staging's business; HTTP is `sources.http`'s.
"""

import itertools
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from requests.auth import HTTPBasicAuth

from sources.contract import (
    Column,
    Connection,
    Option,
    Parts,
    Pull,
    Reading,
    Source,
    SourceProblem,
    Table,
)
from sources.http import Api, Pace

log = logging.getLogger(__name__)

_HASH = "[0-9a-f]{32}"
_MEMBER = "MD5 of the address in lower case, the same on every list and in every report."
# Links lead back to the API; whether a list still exists, its own record says.
_SAYS_NOTHING = ("_links", "list_is_active")

LISTS = Table(
    name="lists",
    grain="One row per audience (list).",
    key=("id",),
    columns=(
        Column("id", "The audience's id."),
        Column("name", "Name of the audience."),
        Column("date_created", "When it was created.", "timestamp"),
        Column("double_optin", "Whether its forms ask for a confirmation by e-mail.", "flag"),
        Column("marketing_permissions", "Whether its forms ask for permissions (GDPR).", "flag"),
        Column("permission_reminder", "What recipients are told about why they get the mail."),
        Column("member_count", "Subscribed members.", "integer", path="stats.member_count"),
        Column("unsubscribe_count", "Those gone.", "integer", path="stats.unsubscribe_count"),
        Column("cleaned_count", "Those that bounced.", "integer", path="stats.cleaned_count"),
    ),
    ignored=_SAYS_NOTHING,
)

MEMBERS = Table(
    name="members",
    grain="One row per address and audience, whatever its status; archived ones too.",
    key=("list_id", "id"),
    cursor="last_changed",
    columns=(
        Column("list_id", "The audience."),
        Column("id", _MEMBER, personal="id", pattern=_HASH),
        Column("contact_id", "The person's id where there is no address (SMS).", personal="id"),
        Column("email_address", "E-mail address.", personal="email"),
        Column("full_name", "Name.", personal="name"),
        Column(
            "status",
            "subscribed, unsubscribed, cleaned (bounced), pending (not confirmed), transactional "
            "(customer who never subscribed) or archived (put away by us, status before unknown).",
            required=True,
            choices=(
                *("subscribed", "unsubscribed", "cleaned", "pending", "transactional"),
                "archived",
            ),
        ),
        Column("timestamp_signup", "When the form was sent; empty: by no form.", "timestamp"),
        Column("ip_signup", "Address from which the form was sent.", personal="ip"),
        Column(
            "timestamp_opt",
            "When it was confirmed; without double opt-in: when the address was added.",
            "timestamp",
        ),
        Column("ip_opt", "Address from which it was confirmed or added.", personal="ip"),
        Column("last_changed", "Last change of the record.", "timestamp", required=True),
        Column("unsubscribe_reason", "What the person gave as the reason for leaving."),
        Column("interests", "Interest id → whether chosen.", "json"),
        Column("marketing_permissions", "Permissions with text and whether given.", "json"),
        Column("merge_fields", "The audience's own fields (FNAME …).", "json", personal="name"),
        Column("tags", "Tags the company gave, at most 50.", "json"),
        Column("source", "How the address came onto the list."),
        Column("language", "Language of the person, where known."),
        Column("vip", "Whether the company marked the person as important.", "flag"),
        Column("member_rating", "Mailchimp's rating of the engagement, 1 to 5.", "integer"),
        Column("avg_open_rate", "Share opened, 0 to 1.", "decimal", path="stats.avg_open_rate"),
        Column("avg_click_rate", "Share clicked, 0 to 1.", "decimal", path="stats.avg_click_rate"),
    ),
    ignored=_SAYS_NOTHING,
)

INTERESTS = Table(
    name="interests",
    grain="One row per interest that an audience offers to choose from.",
    key=("list_id", "id"),
    columns=(
        Column("list_id", "The audience."),
        Column("category_id", "The question it answers.", required=True),
        Column("category_title", "The text of that question."),
        Column("id", "The interest, as in members.interests."),
        Column("name", "Its name."),
    ),
    # The count changes with every subscription, and members.interests holds it.
    ignored=(*_SAYS_NOTHING, "subscriber_count", "display_order"),
)

CAMPAIGNS = Table(
    name="campaigns",
    grain="One row per campaign that was sent.",
    key=("id",),
    cursor="send_time",
    columns=(
        Column("id", "The campaign's id."),
        Column("type", "regular, plaintext, absplit, rss or variate."),
        Column("status", "sent; others are not asked for."),
        Column("send_time", "When it was sent.", "timestamp", required=True),
        Column("emails_sent", "How many it was sent to.", "integer"),
        Column("list_id", "The audience.", path="recipients.list_id"),
        Column("title", "Name the company gave it.", path="settings.title"),
        Column("subject_line", "Subject.", path="settings.subject_line"),
        Column("archive_url", "Where it can be read.", path="long_archive_url"),
        Column("opens", "All openings.", "integer", path="report_summary.opens"),
        Column("unique_opens", "Who opened.", "integer", path="report_summary.unique_opens"),
        Column("clicks", "All clicks.", "integer", path="report_summary.clicks"),
        Column("unique_clicks", "Who clicked.", "integer", path="report_summary.subscriber_clicks"),
    ),
    ignored=_SAYS_NOTHING,
)

EMAIL_ACTIVITY = Table(
    name="email_activity",
    grain="One row per opening, click or bounce of one campaign's mail to one person.",
    key=("campaign_id", "email_id", "action", "timestamp", "position"),
    cursor="timestamp",
    columns=(
        Column("campaign_id", "The campaign."),
        Column("email_id", _MEMBER, personal="id", pattern=_HASH),
        Column("list_id", "The audience."),
        Column("email_address", "E-mail address.", personal="email"),
        Column("action", "What happened.", choices=("open", "click", "bounce")),
        Column("timestamp", "When, to the second.", "timestamp"),
        Column("position", "Counts what happened more than once in a second, from 0.", "integer"),
        Column("url", "What was clicked."),
        Column("bounce_type", "hard (no such address) or soft (not now).", path="type"),
        Column("ip", "From where.", personal="ip"),
    ),
    ignored=_SAYS_NOTHING,
)

UNSUBSCRIBES = Table(
    name="unsubscribes",
    grain="One row per person who left an audience through one campaign's mail.",
    key=("campaign_id", "email_id"),
    columns=(
        Column("campaign_id", "The campaign."),
        Column("email_id", _MEMBER, personal="id", pattern=_HASH),
        Column("list_id", "The audience."),
        Column("email_address", "E-mail address.", personal="email"),
        Column("timestamp", "When.", "timestamp", required=True),
        Column("reason", "What the person gave as the reason."),
        Column("merge_fields", "The audience's own fields (FNAME …).", "json", personal="name"),
    ),
    ignored=_SAYS_NOTHING,
)

OPTIONS = (
    Option("data_centre", "What stands after the dash of the API key, such as us21."),
    Option("base_url", "Address of the API.", "https://{data_centre}.api.mailchimp.com/3.0"),
    Option("campaign_days", "How long after sending a campaign is read again.", "60"),
    Option("page_size", "Records per page, 1000 at most; fewer where answers time out.", "1000"),
    Option("requests", "How many requests Mailchimp lets through in `seconds`.", "10"),
    Option("seconds", "See requests.", "1"),
)
SECRETS = (Option("api_key", "API key, made under Account → Extras → API keys."),)
REMEDY = (
    "Check the API key, that data_centre is what stands after the key's last dash, and that the "
    "user the key belongs to may see audiences and reports (role Manager, Admin or Owner)."
)


def pull(context: Pull) -> Iterator[Reading]:
    """Audiences with interests and members first, then campaigns with what came of them.

    Where the list of audiences cannot be had, there are no interests and members in this pull;
    where that of campaigns cannot, no activity and no unsubscribes; the other half goes on. Raises
    SourceProblem where the key or an option is wrong.
    """
    account = _account(context.connection)
    account.api.one("ping")
    for half in (_audiences, _campaigns):
        try:
            yield from half(account, context)
        except SourceProblem as problem:
            log.error("%s", problem)
            context.problems.append(problem)


def check(context: Pull) -> list[str]:
    """What would keep the next pull from working: one request for the key, one for each right."""
    try:
        account = _account(context.connection)
        account.api.one("ping")
    except SourceProblem as problem:
        return [str(problem)]
    problems = []
    for right, path in (
        ("see audiences", "lists"),
        ("see campaigns", "campaigns"),
        ("see reports", "reports"),
    ):
        try:
            account.api.one(path, {"count": 1})
        except SourceProblem as problem:
            problems.append(f"the right to {right} is missing: {problem}")
    return problems


SOURCE = Source(
    name="mailchimp",
    title="Mailchimp (Marketing API 3.0)",
    area="newsletter",
    tables=(LISTS, INTERESTS, MEMBERS, CAMPAIGNS, UNSUBSCRIBES, EMAIL_ACTIVITY),
    owner="marketing",
    access="API key of a user with the role Manager, Admin or Owner; it is read with only.",
    promised_age_hours=36,
    pull=pull,
    check=check,
    options=OPTIONS,
    secrets=SECRETS,
)


@dataclass(frozen=True)
class _Account:
    api: Api
    page_size: int
    campaign_days: int

    def all(
        self, path: str, at: str, *, id_: str = "id", is_whole: bool = True, **filters: str | None
    ) -> Iterator[dict]:
        """All records of a list. Raises SourceProblem where one is missing or has no id.

        By offset a record can be skipped while the total stays as it was (equal places in the
        order, a page shorter than asked for), and what is missing would count as deleted.
        is_whole: the total says how many records there are.
        """
        from dlt.sources.helpers.rest_client.paginators import OffsetPaginator

        total = self.api.one(path, {**filters, "count": 1}).get("total_items", 0)
        ids = set()
        for record in self.api.rows(
            path,
            at=at,
            paginator=lambda: OffsetPaginator(
                limit=self.page_size, limit_param="count", total_path="total_items"
            ),
            params=filters,
            total="total_items",
        ):
            if not record.get(id_):
                raise SourceProblem(f"mailchimp: a record of {path} has no {id_}")
            ids.add(record[id_])
            yield record
        if is_whole and len(ids) < total:
            raise SourceProblem(
                f"mailchimp: {path} brought {len(ids):,} of {total:,} records; nothing of it was "
                "taken, pull again at a quieter time"
            )


def _account(connection: Connection) -> _Account:
    options = connection.options
    if not re.fullmatch(r"[a-z]{2,4}\d+", options["data_centre"]):
        raise SourceProblem(
            "mailchimp: data_centre in stammkunde.yml must be what stands after the last dash of "
            "the API key, such as us21"
        )
    names = ("campaign_days", "page_size", "requests", "seconds")
    try:
        days, size, requests, seconds = (int(options[name]) for name in names)
    except ValueError:
        days = size = requests = seconds = 0
    if min(size, requests, seconds) < 1 or size > 1000 or not 1 <= days <= 36_500:
        raise SourceProblem(
            "mailchimp: campaign_days (36500 at most), page_size (1000 at most), requests and "
            "seconds in stammkunde.yml must be whole numbers above 0"
        )
    api = Api(
        "mailchimp",
        options["base_url"].replace("{data_centre}", options["data_centre"]),
        # As bytes: a key with a wrong character in it must not turn up in an encoding error.
        auth=HTTPBasicAuth(b"stammkunde", connection.secrets["api_key"].encode()),
        paces=(Pace(requests, seconds),),
        remedy=REMEDY,
    )
    return _Account(api, size, days)


def _audiences(account: _Account, context: Pull) -> Iterator[Reading]:
    lists = list(account.all("lists", "lists"))
    ids = [audience["id"] for audience in lists]
    since = context.since(MEMBERS)
    yield Reading(LISTS, lists, "everything")
    yield Reading(INTERESTS, _interests(account, ids), "everything")
    yield Reading(MEMBERS, _members(account, ids, since), "changes" if since else "everything")


def _interests(account: _Account, list_ids: list[str]) -> Iterator[dict]:
    for list_id in list_ids:
        path = f"lists/{list_id}/interest-categories"
        for category in account.all(path, "categories"):
            for interest in account.all(f"{path}/{category['id']}/interests", "interests"):
                yield {**interest, "category_title": category.get("title")}


def _members(account: _Account, list_ids: list[str], since: datetime | None) -> Iterator[dict]:
    for list_id in list_ids:
        # Without a status archived members are left out; asked for last, so that one who is
        # archived in between is met twice rather than never.
        for status in (None, "archived"):
            yield from account.all(
                f"lists/{list_id}/members",
                "members",
                status=status,
                since_last_changed=since and _moment(since),
                # The only order that a change while reading does not upset.
                sort_field="timestamp_signup",
                sort_dir="ASC",
            )


def _campaigns(account: _Account, context: Pull) -> Iterator[Reading]:
    since = context.since(CAMPAIGNS)
    oldest = datetime.now(UTC) - timedelta(days=account.campaign_days)
    campaigns = list(
        account.all(
            "campaigns",
            "campaigns",
            status="sent",
            since_send_time=since and _moment(min(since, oldest)),
            sort_field="send_time",
            sort_dir="ASC",
        )
    )
    yield Reading(CAMPAIGNS, campaigns, "changes" if since else "everything")
    # Mailchimp writes all moments in UTC and in one form, so they compare as texts.
    recent = [
        campaign["id"]
        for campaign in campaigns
        if (campaign.get("send_time") or "") >= _moment(oldest)
    ]
    whole = Parts("campaign_id", frozenset(recent))
    yield Reading(UNSUBSCRIBES, _unsubscribes(account, recent), whole)
    since = context.since(EMAIL_ACTIVITY)
    # Activity of older campaigns is not read again and must not count as deleted.
    covers = "changes" if since else whole
    yield Reading(EMAIL_ACTIVITY, _activity(account, recent, since), covers)


def _unsubscribes(account: _Account, campaign_ids: list[str]) -> Iterator[dict]:
    for campaign_id in campaign_ids:
        yield from account.all(
            f"reports/{campaign_id}/unsubscribed", "unsubscribes", id_="email_id"
        )


def _activity(account: _Account, campaign_ids: list[str], since: datetime | None) -> Iterator[dict]:
    for campaign_id in campaign_ids:
        for email in account.all(
            f"reports/{campaign_id}/email-activity",
            "emails",
            id_="email_id",
            # With a moment it is not said whether the total counts all recipients.
            is_whole=since is None,
            since=since and _moment(since),
        ):
            yield from _events(email)


def _events(email: Mapping) -> Iterator[dict]:
    """Each activity with the mail it belongs to. All of one second come in one answer."""
    mail = {name: value for name, value in email.items() if name != "activity"}
    events = sorted(email.get("activity") or (), key=lambda event: (*_what(event), _url(event)))
    for _, same in itertools.groupby(events, key=_what):
        for position, event in enumerate(same):
            yield {**mail, **event, "position": position}


def _what(event: Mapping) -> tuple[str, str]:
    return event.get("timestamp") or "", event.get("action") or ""


def _url(event: Mapping) -> str:
    return event.get("url") or ""


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
