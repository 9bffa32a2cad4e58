"""Who subscribed to the demo company's newsletter, with every turn consent takes, and what became
of the mails sent. How Mailchimp or a rapidmail export shows it is not known here.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from sources.demo.company import AS_OF
from sources.demo.dealings import Dealings
from sources.demo.office_hours import END, midnight, office_moment
from sources.demo.organisations import Person
from sources.demo.spoiling import Spoiling
from sources.demo.world import World


@dataclass(frozen=True)
class ConsentEvent:
    """requested, confirmed, withdrawn, bounced, or resubscribed: requested anew after a withdrawal,
    which grants nothing until a later confirmed.
    """

    event: str
    at: datetime
    ip: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Subscriber:
    """An address on the list of one system; person and organisation are None for strangers.

    Without events it was imported: "subscribed", and no evidence at all. No two subscribers of a
    system have the same address, however it is written.
    """

    email: str
    person: int | None
    organisation: str | None
    system: str
    first_name: str
    last_name: str
    company: str
    language: str
    events: tuple[ConsentEvent, ...]
    interests: frozenset[str]
    source: str


@dataclass(frozen=True)
class Campaign:
    """One issue of the newsletter, sent through Mailchimp."""

    id: str
    subject: str
    topic: str
    sent_at: datetime


@dataclass(frozen=True)
class NewsletterAction:
    """What a receiver did with a campaign (its id): open, click or bounce."""

    campaign: str
    email: str
    action: str
    at: datetime
    url: str | None = None


INTERESTS = (
    "Kochen & Garen",
    "Kombidämpfer",
    "Spültechnik",
    "Kühltechnik",
    "Lüftung",
    "Verbrauchsmaterial",
    "Wartung & Service",
    "Aktionen",
)

_SUBJECTS = (
    "Neues Jahr, neue Küche: was sich zu planen lohnt",
    "Kombidämpfer im Vergleich: Gas oder Strom?",
    "Spülen mit halbem Wasser",
    "Kühlen im Sommer: jetzt Dichtungen prüfen",
    "Fettfilter tauschen in zehn Minuten",
    "Sommeraktion: Verbrauchsmaterial im Karton",
    "Wartung vor der Saison",
    "Drei Herde, die wir selbst benutzen würden",
    "Herbstmesse: kommen Sie uns besuchen",
    "Kochen mit Dampf: Einweisung für neue Leute",
    "Spülmittel richtig dosieren",
    "Was 2025 gut lief, und ein Gutschein",
)
_TOPICS = (0, 1, 2, 3, 4, 5, 6, 0, 7, 1, 2, 7)

# Kept for documentation by RFC 5737.
_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")
_REASONS = ("zu viele E-Mails", "kein Interesse mehr", "nie angemeldet", None)
_SOURCES = ("Website", "Messe", "Produktregistrierung", "Telefon", "Bestellung")
# The rest is confirmed. What each case means: `_story`.
_CASES = {
    "pending": 0.12,
    "withdrawn": 0.1,
    "resubscribed": 0.04,
    "resubscription_pending": 0.02,
    "bounced": 0.05,
    "imported": 0.08,
}
_CONFLICT = "withdrawn_but_active_elsewhere"


def draw_newsletter(
    world: World, dealings: Dealings, rng: Random
) -> tuple[
    tuple[Subscriber, ...],
    tuple[Campaign, ...],
    tuple[NewsletterAction, ...],
    dict[str, Counter[str]],
]:
    """Subscribers of both systems, Mailchimp's campaigns and actions, and the counts by system."""
    truth: dict[str, Counter[str]] = {"mailchimp": Counter(), "rapidmail": Counter()}
    campaigns = _campaigns(rng)
    receivers = _receivers(world, rng)
    shared = len(receivers) // 10
    in_both, alone = receivers[:shared], receivers[shared:]
    border = round(0.65 * len(alone))
    lists = {}
    for system, mine in (("mailchimp", alone[:border]), ("rapidmail", alone[border:])):
        subscribers = [replace(one, system=system) for one in mine]
        told = Spoiling(subscribers, rng, truth[system])
        for case, share in _CASES.items():
            told.spoil(case, share, _story(case, campaigns, rng))
        confirm = _story("confirmed", campaigns, rng)
        lists[system] = [
            subscriber if subscriber.source else confirm(subscriber) for subscriber in subscribers
        ]
        truth[system]["confirmed"] = len(subscribers) - sum(truth[system].values())
    _subscribe_twice(in_both, lists, truth, campaigns, rng)
    for system, subscribers in lists.items():
        Spoiling(subscribers, rng, truth[system]).spoil(
            "email_in_capitals", 0.03, lambda one: replace(one, email=one.email.upper())
        )
        truth[system]["quarantined"] = 0
    everybody = tuple(one for subscribers in lists.values() for one in subscribers)
    return everybody, campaigns, _actions(lists["mailchimp"], campaigns, dealings, rng), truth


def _campaigns(rng: Random) -> tuple[Campaign, ...]:
    return tuple(
        Campaign(
            id=f"{rng.getrandbits(40):010x}",
            subject=subject,
            topic=INTERESTS[topic],
            sent_at=midnight(AS_OF.replace(year=AS_OF.year - 1, month=month, day=9))
            + timedelta(hours=9, minutes=5),
        )
        for month, (subject, topic) in enumerate(zip(_SUBJECTS, _TOPICS, strict=True), start=1)
    )


def _receivers(world: World, rng: Random) -> list[Subscriber]:
    """Everybody who ever asked for the newsletter, in no order, once an address; no story yet."""
    names = {organisation.number: organisation.name for organisation in world.organisations}
    drawn = {}
    for person in world.people:
        if person.email and rng.random() < 0.45:
            drawn.setdefault(person.email.lower(), _receiver(person.email, person, names, rng))
    for stranger in range(max(3, len(drawn) // 30)):
        namesake = rng.choice(world.people)
        email = f"leser{stranger + 1:03d}@postfach.example"
        drawn[email] = replace(
            _receiver(email, namesake, names, rng), person=None, organisation=None, company=""
        )
    return rng.sample(list(drawn.values()), len(drawn))


def _receiver(email: str, person: Person, names: dict[str, str], rng: Random) -> Subscriber:
    return Subscriber(
        email=email,
        person=person.person_id,
        organisation=person.organisation,
        system="",
        first_name=person.first_name if rng.random() < 0.85 else "",
        last_name=person.last_name,
        company=names[person.organisation] if person.role and rng.random() < 0.7 else "",
        language=person.language,
        events=(),
        interests=frozenset(rng.sample(INTERESTS, rng.randrange(4))),
        source="",
    )


def _story(
    case: str, campaigns: tuple[Campaign, ...], rng: Random
) -> Callable[[Subscriber], Subscriber]:
    """What happened to a subscriber: its events, each later than the one before."""

    def tell(subscriber: Subscriber) -> Subscriber:
        if case == "imported":
            return replace(subscriber, source="Import Altbestand")
        events = _double_opt_in("requested", midnight(AS_OF.replace(year=2021)), rng)
        if case == "pending":
            events = events[:1]
        elif case == "bounced":
            sent = rng.choice([one for one in campaigns if one.sent_at > events[-1].at])
            # A mailbox is gone within minutes of the mail.
            at = sent.sent_at + timedelta(seconds=rng.randrange(5, 900))
            events = (*events, ConsentEvent("bounced", at, reason="550 mailbox unavailable"))
        elif case != "confirmed":
            events = (*events, _withdrawal(events[-1].at, rng))
            if case != "withdrawn":
                again = _double_opt_in("resubscribed", events[-1].at, rng)
                events = (*events, *again[: 2 if case == "resubscribed" else 1])
        return replace(subscriber, events=events, source=rng.choice(_SOURCES))

    return tell


# A story begins before the last autumn, so that there is time for all its turns.
_LAST_START = midnight(AS_OF.replace(year=AS_OF.year - 1, month=9))
_LAST_RETURN = END - timedelta(days=20)


def _double_opt_in(first: str, after: datetime, rng: Random) -> tuple[ConsentEvent, ConsentEvent]:
    asked = office_moment(rng, after, _LAST_START if first == "requested" else _LAST_RETURN)
    # Most confirm at once, some days later.
    answered = asked + timedelta(seconds=round(rng.expovariate(1 / 600)) + 20)
    if rng.random() < 0.15:
        answered += timedelta(days=rng.randrange(1, 12))
    return ConsentEvent(first, asked, _ip(rng)), ConsentEvent("confirmed", answered, _ip(rng))


def _withdrawal(after: datetime, rng: Random) -> ConsentEvent:
    at = office_moment(rng, after, _LAST_RETURN - timedelta(days=20))
    return ConsentEvent("withdrawn", at, reason=rng.choice(_REASONS))


def _ip(rng: Random) -> str:
    return f"{rng.choice(_NETWORKS)}.{rng.randrange(1, 255)}"


def _subscribe_twice(
    in_both: list[Subscriber],
    lists: dict[str, list[Subscriber]],
    truth: dict[str, Counter[str]],
    campaigns: tuple[Campaign, ...],
    rng: Random,
) -> None:
    """Addresses on both lists: some confirmed on both, some withdrew on one, and the other never
    heard of it.
    """
    confirm = _story("confirmed", campaigns, rng)
    conflicts = {"mailchimp": len(in_both) // 4, "rapidmail": len(in_both) // 3}
    stories = [system for system, many in conflicts.items() for _ in range(many)]
    stories += [None] * (len(in_both) - len(stories))
    for receiver, withdrawn_in in zip(in_both, stories, strict=True):
        both = {system: confirm(replace(receiver, system=system)) for system in lists}
        if withdrawn_in:
            latest = max(one.events[-1].at for one in both.values())
            left = both[withdrawn_in]
            both[withdrawn_in] = replace(left, events=(*left.events, _withdrawal(latest, rng)))
        for system, one in both.items():
            case = "withdrawn" if system == withdrawn_in else "confirmed"
            truth[system].update([case, "in_both_systems", *[_CONFLICT] * (case == "withdrawn")])
            lists[system].append(one)


def _actions(
    subscribers: list[Subscriber],
    campaigns: tuple[Campaign, ...],
    dealings: Dealings,
    rng: Random,
) -> tuple[NewsletterAction, ...]:
    """Who opened and clicked what they were sent; loyal customers do so more often."""
    actions = []
    for subscriber in subscribers:
        keen = rng.betavariate(2, 4) + 0.2 * (subscriber.organisation in dealings.loyal)
        for campaign in campaigns:
            bounce = next(
                (
                    event
                    for event in subscriber.events
                    if event.event == "bounced"
                    and timedelta() < event.at - campaign.sent_at < timedelta(hours=1)
                ),
                None,
            )
            if bounce:
                actions.append(NewsletterAction(campaign.id, subscriber.email, "bounce", bounce.at))
            elif _receives(subscriber, campaign.sent_at) and rng.random() < keen:
                actions += _reading(subscriber, campaign, rng)
    return tuple(sorted(actions, key=lambda action: (action.at, action.email, action.action)))


def _receives(subscriber: Subscriber, at: datetime) -> bool:
    if not subscriber.events:
        return True
    before = [event.event for event in subscriber.events if event.at < at]
    return bool(before) and before[-1] == "confirmed"


def _reading(subscriber: Subscriber, campaign: Campaign, rng: Random) -> list[NewsletterAction]:
    opened = campaign.sent_at + timedelta(seconds=60 + round(rng.expovariate(1 / 40_000)))
    opened = min(opened, END - timedelta(hours=1))
    actions = [NewsletterAction(campaign.id, subscriber.email, "open", opened)]
    interest = 0.5 if campaign.topic in subscriber.interests else 0.2
    if rng.random() < interest:
        clicked = opened + timedelta(seconds=rng.randrange(5, 600))
        page = 1 + INTERESTS.index(campaign.topic)
        url = f"https://www.culinary-cooking.example/themen/{page}"
        actions.append(NewsletterAction(campaign.id, subscriber.email, "click", clicked, url))
    return actions
