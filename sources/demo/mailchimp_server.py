"""A Mailchimp that knows the demo company's subscribers: its records, and how the API answers.

Who subscribed and what they did is drawn in `newsletter_lists`; how it is read, the connector
knows. Of the API's parameters those are understood that filter, sort and page.
"""

import base64
import binascii
import hashlib
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from sources.contract import Connection, Secret
from sources.demo.newsletter_lists import Campaign, ConsentEvent, Subscriber
from sources.demo.relations import Relations
from sources.demo.world import World

KEY = "made-up-key-us0"
LIST = "c0ffee0001"
_CATEGORY = "c0ffee0002"
_PERMISSION = "c0ffee0003"
_CREATED = datetime(2021, 1, 4, 8, tzinfo=UTC)
_MOST = 1000
_STATUSES = {"subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived"}
_SENDING = {"save", "paused", "schedule", "sending", "sent"}
# After a campaign it is that campaign's link by which people leave.
_LEAVES_WITHIN = timedelta(days=14)


@dataclass
class Books:
    """Mailchimp's records by their ids, as its API shows them but for the links.

    truth maps a member's id to customer number and person (None for strangers); defects counts the
    classes of defect drawn into the subscribers.
    """

    lists: dict[str, dict]
    categories: dict[str, dict]
    interests: dict[str, dict]
    members: dict[tuple[str, str], dict]
    campaigns: dict[str, dict]
    activity: dict[tuple[str, str], dict]
    unsubscribes: dict[tuple[str, str], dict]
    truth: dict[str, tuple[str | None, int | None]]
    defects: Mapping[str, int]


def books(world: World, relations: Relations) -> Books:
    """The Mailchimp account of the demo company; `world` is the one the relations belong to."""
    subscribers = [one for one in relations.subscribers if one.system == "mailchimp"]
    interests = {
        _hash(name)[:10]: {
            "category_id": _CATEGORY,
            "list_id": LIST,
            "id": _hash(name)[:10],
            "name": name,
            "subscriber_count": str(sum(name in one.interests for one in subscribers)),
            "display_order": place,
        }
        for place, name in enumerate(relations.interests, start=1)
    }
    activity = _activity(subscribers, relations)
    done = defaultdict(list)
    for (_, id_), mail in activity.items():
        done[id_].append({event["action"] for event in mail["activity"]})
    members = [
        _member(web_id, subscriber, interests.values(), done[_hash(subscriber.email.lower())])
        for web_id, subscriber in enumerate(subscribers, start=500_001)
    ]
    return Books(
        lists={LIST: _list(members, len(relations.campaigns))},
        categories={
            _CATEGORY: {
                "list_id": LIST,
                "id": _CATEGORY,
                "title": "Welche Themen interessieren Sie?",
                "display_order": 0,
                "type": "checkboxes",
            }
        },
        interests=interests,
        members={(LIST, member["id"]): member for member in members},
        campaigns={
            campaign.id: _campaign(web_id, campaign, activity)
            for web_id, campaign in enumerate(relations.campaigns, start=900_001)
        },
        activity=activity,
        unsubscribes=_unsubscribes(subscribers, relations.campaigns, activity),
        truth={_hash(one.email.lower()): (one.organisation, one.person) for one in subscribers},
        defects=relations.truth["mailchimp"],
    )


def connection(base_url: str) -> Connection:
    """How the connector reaches this server; base_url is where it listens."""
    return Connection(
        options={
            "data_centre": KEY.rsplit("-", 1)[1],
            "base_url": f"{base_url}/3.0",
            # The demo company's time stands still, the clock of this machine does not.
            "campaign_days": "36500",
            "requests": "400",
        },
        secrets={"api_key": Secret(KEY)},
    )


def _list(members: Sequence[Mapping], campaigns: int) -> dict:
    statuses = Counter(member["status"] for member in members)
    return {
        "id": LIST,
        "web_id": 100_001,
        "name": "Newsletter Culinary Cooking",
        "permission_reminder": "Sie haben unseren Newsletter bestellt.",
        "use_archive_bar": True,
        "date_created": _moment(_CREATED),
        "list_rating": 4,
        "email_type_option": False,
        "visibility": "prv",
        "double_optin": True,
        "has_welcome": False,
        "marketing_permissions": True,
        "modules": [],
        "stats": {
            "member_count": statuses["subscribed"],
            "unsubscribe_count": statuses["unsubscribed"],
            "cleaned_count": statuses["cleaned"],
            "campaign_count": campaigns,
            "merge_field_count": 3,
        },
    }


def _member(
    web_id: int, subscriber: Subscriber, interests: Iterable[Mapping], done: Sequence[set[str]]
) -> dict:
    """One member; `done` has for each mail that was sent to it what was done with it."""
    id_ = _hash(subscriber.email.lower())
    return {
        "id": id_,
        "email_address": subscriber.email,
        "unique_email_id": _hash(f"unique {id_}")[:10],
        "contact_id": _hash(f"contact {id_}"),
        "full_name": f"{subscriber.first_name} {subscriber.last_name}".strip(),
        "web_id": web_id,
        "email_type": "html",
        **_evidence(subscriber.events),
        "merge_fields": {
            "FNAME": subscriber.first_name,
            "LNAME": subscriber.last_name,
            "COMPANY": subscriber.company,
        },
        "interests": {one["id"]: one["name"] in subscriber.interests for one in interests},
        "stats": {
            "avg_open_rate": _share(sum("open" in actions for actions in done), len(done)),
            "avg_click_rate": _share(sum("click" in actions for actions in done), len(done)),
        },
        "member_rating": 2,
        "language": subscriber.language,
        "vip": False,
        "email_client": "",
        "marketing_permissions": [
            {
                "marketing_permission_id": _PERMISSION,
                "text": "E-Mail",
                "enabled": bool(subscriber.events),
            }
        ],
        "source": subscriber.source,
        "tags_count": int(subscriber.source == "Messe"),
        "tags": [{"id": 4_711, "name": "Messe"}] if subscriber.source == "Messe" else [],
        "list_id": LIST,
    }


def _evidence(events: Sequence[ConsentEvent]) -> dict:
    """Status and opt-in evidence after these events: Mailchimp keeps only the last of each."""
    shown = {
        "status": "subscribed",
        "ip_signup": "",
        "timestamp_signup": "",
        "ip_opt": "",
        "timestamp_opt": "",
        "last_changed": _moment(events[-1].at if events else _CREATED),
    }
    for event in events:
        at, ip = _moment(event.at), event.ip or ""
        if event.event in ("requested", "resubscribed"):
            shown |= {"status": "pending", "timestamp_signup": at, "ip_signup": ip}
            shown |= {"timestamp_opt": "", "ip_opt": ""}
            shown.pop("unsubscribe_reason", None)
        elif event.event == "confirmed":
            shown |= {"status": "subscribed", "timestamp_opt": at, "ip_opt": ip}
        elif event.event == "withdrawn":
            shown |= {"status": "unsubscribed", "unsubscribe_reason": event.reason or ""}
        elif event.event == "bounced":
            shown["status"] = "cleaned"
        else:
            raise ValueError(f"Mailchimp has no status for {event.event}")
    return shown


def _activity(
    subscribers: Sequence[Subscriber], relations: Relations
) -> dict[tuple[str, str], dict]:
    """Of every campaign each address it was sent to, with what was done with it (maybe nothing)."""
    actions = defaultdict(list)
    for action in relations.newsletter_actions:
        event = {"action": action.action, "timestamp": _moment(action.at)}
        if action.url:
            event["url"] = action.url
        if action.action == "bounce":
            event["type"] = "hard"
        else:
            event["ip"] = "192.0.2.1"
        actions[action.campaign, _hash(action.email.lower())].append(event)
    return {
        (campaign.id, _hash(one.email.lower())): {
            "campaign_id": campaign.id,
            "list_id": LIST,
            "list_is_active": True,
            "email_id": _hash(one.email.lower()),
            "email_address": one.email,
            "activity": actions[campaign.id, _hash(one.email.lower())],
        }
        for campaign in relations.campaigns
        for one in subscribers
        if _receives(one, campaign.sent_at)
    }


def _receives(subscriber: Subscriber, at: datetime) -> bool:
    if not subscriber.events:
        return True
    before = [event for event in subscriber.events if event.at < at]
    return bool(before) and _evidence(before)["status"] == "subscribed"


def _campaign(web_id: int, campaign: Campaign, activity: Mapping[tuple[str, str], Mapping]) -> dict:
    mails = [mail for (id_, _), mail in activity.items() if id_ == campaign.id]
    done = [[event["action"] for event in mail["activity"]] for mail in mails]
    openers = sum("open" in actions for actions in done)
    clickers = sum("click" in actions for actions in done)
    return {
        "id": campaign.id,
        "web_id": web_id,
        "type": "regular",
        "create_time": _moment(campaign.sent_at - timedelta(days=3)),
        "archive_url": f"https://mail.culinary-cooking.example/{campaign.id}",
        "long_archive_url": f"https://mail.culinary-cooking.example/archiv/{campaign.id}",
        "status": "sent",
        "emails_sent": len(mails),
        "send_time": _moment(campaign.sent_at),
        "content_type": "template",
        "recipients": {
            "list_id": LIST,
            "list_is_active": True,
            "list_name": "Newsletter Culinary Cooking",
            "recipient_count": len(mails),
        },
        "settings": {
            "subject_line": campaign.subject,
            "title": campaign.topic,
            "from_name": "Culinary Cooking",
            "reply_to": "newsletter@culinary-cooking.example",
        },
        "tracking": {"opens": True, "html_clicks": True, "text_clicks": False},
        "report_summary": {
            "opens": sum(actions.count("open") for actions in done),
            "unique_opens": openers,
            "open_rate": _share(openers, len(mails)),
            "clicks": sum(actions.count("click") for actions in done),
            "subscriber_clicks": clickers,
            "click_rate": _share(clickers, len(mails)),
        },
        "delivery_status": {"enabled": False},
    }


def _unsubscribes(
    subscribers: Sequence[Subscriber],
    campaigns: Sequence[Campaign],
    activity: Mapping[tuple[str, str], Mapping],
) -> dict[tuple[str, str], dict]:
    found = {}
    sent = [campaign.sent_at for campaign in campaigns]
    for one in subscribers:
        id_ = _hash(one.email.lower())
        for event in one.events:
            place = bisect_left(sent, event.at) - 1
            if event.event != "withdrawn" or place < 0 or event.at - sent[place] > _LEAVES_WITHIN:
                continue
            campaign = campaigns[place].id
            if (campaign, id_) in activity:
                found[campaign, id_] = {
                    "email_id": id_,
                    "email_address": one.email,
                    "merge_fields": {"FNAME": one.first_name, "LNAME": one.last_name},
                    "vip": False,
                    "timestamp": _moment(event.at),
                    "reason": event.reason or "",
                    "campaign_id": campaign,
                    "list_id": LIST,
                    "list_is_active": True,
                }
    return found


class _Refusal(Exception):
    """What Mailchimp answers instead of records."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(title)
        self.status, self.title, self.detail = status, title, detail


def app(books: Books) -> Starlette:
    """The API over these books; a change of the books is answered from then on."""

    def listed(at: str, find: Callable[[Request], Iterable[dict]]) -> Callable:
        async def endpoint(request: Request) -> JSONResponse:
            _sign_in(request)
            return _page(request, at, [_linked(record) for record in find(request)])

        return endpoint

    async def ping(request: Request) -> JSONResponse:
        _sign_in(request)
        return JSONResponse({"health_status": "Everything's Chimpy!"})

    def members(request: Request) -> Iterable[dict]:
        list_id = _known(request, "list_id", books.lists)
        status = _choice(request, "status", _STATUSES)
        found = [member for (id_, _), member in books.members.items() if id_ == list_id]
        if status:
            found = [member for member in found if member["status"] == status]
        else:
            found = [member for member in found if member["status"] != "archived"]
        found = _between(request, "last_changed", found)
        return _sorted(request, found, {"timestamp_opt", "timestamp_signup", "last_changed"})

    def categories(request: Request) -> Iterable[dict]:
        list_id = _known(request, "list_id", books.lists)
        return [one for one in books.categories.values() if one["list_id"] == list_id]

    def interests(request: Request) -> Iterable[dict]:
        _known(request, "list_id", books.lists)
        category = _known(request, "category_id", books.categories)
        return [one for one in books.interests.values() if one["category_id"] == category]

    def campaigns(request: Request) -> Iterable[dict]:
        status = _choice(request, "status", _SENDING)
        found = [one for one in books.campaigns.values() if status in (None, one["status"])]
        found = _between(request, "send_time", found)
        return _sorted(request, found, {"create_time", "send_time"})

    def reports(request: Request) -> Iterable[dict]:
        return [_report(one) for one in books.campaigns.values() if one["status"] == "sent"]

    def activity(request: Request) -> Iterable[dict]:
        campaign = _known(request, "campaign_id", books.campaigns)
        since = _asked_moment(request, "since")
        for (id_, _), mail in books.activity.items():
            events = [
                event
                for event in mail["activity"]
                if since is None or datetime.fromisoformat(event["timestamp"]) > since
            ]
            if id_ == campaign and (events or since is None):
                yield {**mail, "activity": events}

    def unsubscribes(request: Request) -> Iterable[dict]:
        campaign = _known(request, "campaign_id", books.campaigns)
        return [one for (id_, _), one in books.unsubscribes.items() if id_ == campaign]

    of_list, of_report = "/lists/{list_id}", "/reports/{campaign_id}"
    of_category = f"{of_list}/interest-categories"
    routes = [
        Route("/ping", ping),
        Route("/lists", listed("lists", lambda _: books.lists.values())),
        Route(f"{of_list}/members", listed("members", members)),
        Route(of_category, listed("categories", categories)),
        Route(f"{of_category}/{{category_id}}/interests", listed("interests", interests)),
        Route("/campaigns", listed("campaigns", campaigns)),
        Route("/reports", listed("reports", reports)),
        Route(f"{of_report}/email-activity", listed("emails", activity)),
        Route(f"{of_report}/unsubscribed", listed("unsubscribes", unsubscribes)),
    ]
    return Starlette(
        routes=[Mount("/3.0", routes=routes)],
        exception_handlers={_Refusal: _refuse, HTTPException: _refuse_path},
    )


def _report(campaign: Mapping) -> dict:
    summary = campaign["report_summary"]
    return {
        "id": campaign["id"],
        "campaign_title": campaign["settings"]["title"],
        "type": campaign["type"],
        "list_id": campaign["recipients"]["list_id"],
        "list_is_active": True,
        "subject_line": campaign["settings"]["subject_line"],
        "emails_sent": campaign["emails_sent"],
        "send_time": campaign["send_time"],
        "opens": {"opens_total": summary["opens"], "unique_opens": summary["unique_opens"]},
        "clicks": {
            "clicks_total": summary["clicks"],
            "unique_subscriber_clicks": summary["subscriber_clicks"],
        },
    }


def _sign_in(request: Request) -> None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    try:
        # The name before the colon may be anything.
        key = base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        key = None
    if scheme.lower() != "basic" or key != KEY:
        raise _Refusal(
            401,
            "API Key Invalid",
            "Your API key may be invalid, or you've attempted to access the wrong datacenter.",
        )


def _page(request: Request, at: str, records: Sequence[dict]) -> JSONResponse:
    count, offset = _number(request, "count", 10, _MOST), _number(request, "offset", 0)
    return JSONResponse(
        {
            **request.path_params,
            at: records[offset : offset + count],
            "total_items": len(records),
            "_links": [],
        }
    )


def _linked(record: Mapping) -> dict:
    href = "https://us0.api.mailchimp.com/schema/3.0/Definitions/Response.json"
    return {**record, "_links": [{"rel": "self", "href": href, "method": "GET"}]}


def _between(request: Request, field: str, records: Iterable[dict]) -> list[dict]:
    since, before = (_asked_moment(request, f"{name}_{field}") for name in ("since", "before"))
    if since is None and before is None:
        return list(records)
    return [
        record
        for record in records
        if record[field]
        and (since is None or datetime.fromisoformat(record[field]) > since)
        and (before is None or datetime.fromisoformat(record[field]) < before)
    ]


def _sorted(request: Request, records: list[dict], fields: set[str]) -> list[dict]:
    field = _choice(request, "sort_field", fields)
    is_descending = _choice(request, "sort_dir", {"ASC", "DESC"}) == "DESC"
    if field is None:
        return records
    return sorted(records, key=lambda record: record[field], reverse=is_descending)


def _known(request: Request, name: str, records: Mapping[str, dict]) -> str:
    if request.path_params[name] not in records:
        raise _Refusal(404, "Resource Not Found", "The requested resource could not be found.")
    return request.path_params[name]


def _choice(request: Request, name: str, choices: set[str]) -> str | None:
    given = request.query_params.get(name)
    if given is not None and given not in choices:
        raise _invalid(name)
    return given


def _number(request: Request, name: str, default: int, most: int | None = None) -> int:
    given = request.query_params.get(name, str(default))
    if not given.isdecimal() or (most is not None and int(given) > most):
        raise _invalid(name)
    return int(given)


def _asked_moment(request: Request, name: str) -> datetime | None:
    given = request.query_params.get(name)
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise _invalid(name) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _invalid(name: str) -> _Refusal:
    return _Refusal(400, "Invalid Resource", f"The value of {name} could not be validated.")


async def _refuse(request: Request, refusal: Exception) -> JSONResponse:
    return _problem(refusal.status, refusal.title, refusal.detail)


async def _refuse_path(request: Request, error: Exception) -> JSONResponse:
    return _problem(error.status_code, "Resource Not Found", "There is nothing at this address.")


def _problem(status: int, title: str, detail: str) -> JSONResponse:
    return JSONResponse(
        {
            "type": "https://mailchimp.com/developer/marketing/docs/errors/",
            "title": title,
            "status": status,
            "detail": detail,
            "instance": "00000000-0000-0000-0000-000000000000",
        },
        status,
        media_type="application/problem+json",
    )


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _hash(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
