"""What people told the demo company on paper and by phone, and whom it must not advertise to.

Here the facts are drawn; how a list is written into a file, and with which mistakes, is not known.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np

from sources.demo.company import AS_OF, FREE_MAIL, Topic, stream
from sources.demo.office_hours import midnight
from sources.demo.organisations import OWNERS, Organisation, Person

CONTROLLER = "Culinary Cooking GmbH"

# Wording of the trade fair's form → the first day on which it was the one to sign. The older one
# does not ask whether the company may ask for a review.
TEXT_VERSIONS = {"messe-2023": date(2023, 1, 1), "messe-2025": date(2025, 1, 1)}

# What a channel is asked for; `advertising`, all of it, can only be refused.
PURPOSES = {
    "email": ("newsletter", "product_info", "event_invite", "review_request"),
    "phone": ("product_info", "event_invite"),
    "post": ("product_info", "event_invite"),
}

# Share of the customers; one more objects to all advertising. What each means: `_told`.
_STORIES = {
    "complete": 0.0125,
    "without_document": 0.003,
    "without_wording": 0.003,
    "withdrawn": 0.004,
    "objected": 0.003,
}
# Known for so long, everybody had time to sign, and to think better of it.
_KNOWN_FOR = timedelta(days=180)
_LAST_WITHDRAWN = AS_OF - timedelta(days=60)

_ECG_ADDRESSES = 0.004
_OWN_ADDRESSES = 0.002
_OWN_NUMBERS = 0.001


@dataclass(frozen=True)
class Declaration:
    """What one person declared about one purpose: granted, withdrawn or objected.

    contact_point is the e-mail address, the E.164 number or the postal address of that day;
    signed_at (UTC) is the day's beginning where only the day is known. customer is None where the
    form left it empty. organisation and person (its person_id) are whose it is; no list shows them.
    """

    declaration_id: str
    customer: str | None
    first_name: str
    last_name: str
    company: str | None
    channel: str
    contact_point: str
    purpose: str
    decision: str
    signed_at: datetime
    is_time_known: bool
    text_version: str | None
    collected_by: str | None
    document_ref: str | None
    controller: str | None
    organisation: str
    person: int


@dataclass(frozen=True)
class Block:
    """An entry of the ECG list (`ecg`) or of the company's own; blocks says in clear whom it means:
    an address, "@domain", an E.164 number or a postal address.

    organisation is whose that is; no list shows it.
    """

    list_name: str
    entry: str
    channel: str
    listed_on: date | None
    blocks: str
    organisation: str


def text_version_on(day: date) -> str:
    """The wording that was signed on a day from 2023 on."""
    return max((first, name) for name, first in TEXT_VERSIONS.items() if first <= day)[1]


def draw_declarations(
    organisations: tuple[Organisation, ...], people: tuple[Person, ...], seed: int
) -> tuple[Declaration, ...]:
    """Forms in the order of their days; one person of an organisation at most has a story."""
    rng = stream(seed, Topic.CONSENT_FORMS)
    employers = {organisation.number: organisation for organisation in organisations}
    waiting = _one_of_each([people[place] for place in rng.permutation(len(people))], employers)
    customers = sum(not organisation.number.startswith("L") for organisation in organisations)
    told = [
        story for story, share in _STORIES.items() for _ in range(max(1, round(share * customers)))
    ]
    declarations: list[Declaration] = []
    for place, story in enumerate([*told, "objected_to_all"]):
        refused = {"objected": ("phone", "post")[place % 2], "objected_to_all": "email"}
        person, channel = _who(waiting, refused.get(story), employers, rng)
        declarations += _told(story, place, person, employers[person.organisation], channel, rng)
    declarations.sort(key=lambda one: (one.signed_at, one.organisation, one.decision))
    return tuple(
        replace(one, declaration_id=f"EW-{position:05d}")
        for position, one in enumerate(declarations, start=1)
    )


def draw_blocks(
    organisations: tuple[Organisation, ...], people: tuple[Person, ...], seed: int
) -> tuple[Block, ...]:
    """The ECG list with addresses and a domain by their SHA-1, then the own list in clear text."""
    rng = stream(seed, Topic.BLOCKING_LISTS)
    employers = {organisation.number: organisation for organisation in organisations}
    waiting = _one_of_each([people[place] for place in rng.permutation(len(people))], employers)
    customers = sum(not organisation.number.startswith("L") for organisation in organisations)
    wanted = (
        ("ecg", "email", max(3, round(_ECG_ADDRESSES * customers))),
        ("ecg", "domain", 1),
        ("own", "email", max(2, round(_OWN_ADDRESSES * customers))),
        ("own", "domain", 1),
        ("own", "phone", max(1, round(_OWN_NUMBERS * customers))),
        ("own", "post", 1),
    )
    blocks = []
    for list_name, kind, count in wanted:
        country = "AT" if list_name == "ecg" else None
        for _ in range(count):
            person, meant = _whom(waiting, kind, country, employers)
            listed_on = AS_OF - timedelta(days=1 + int(rng.random() * 900))
            is_hashed = list_name == "ecg"
            blocks.append(
                Block(
                    list_name=list_name,
                    entry=sha1_of(meant) if is_hashed else meant,
                    channel="email" if kind == "domain" else kind,
                    # RTR's entries have no day.
                    listed_on=None if is_hashed else listed_on,
                    blocks=meant,
                    organisation=person.organisation,
                )
            )
    return tuple(blocks)


def sha1_of(meant: str) -> str:
    """How the ECG list names an address, or a domain with its @: the SHA-1 of the lower case."""
    return hashlib.sha1(meant.lower().encode(), usedforsecurity=False).hexdigest()


def _one_of_each(people: list[Person], employers: dict[str, Organisation]) -> list[Person]:
    """The first person of every organisation that has been known for long enough."""
    first: dict[str, Person] = {}
    for person in people:
        if employers[person.organisation].known_since <= AS_OF - _KNOWN_FOR:
            first.setdefault(person.organisation, person)
    return list(first.values())


def _who(
    waiting: list[Person],
    channel: str | None,
    employers: dict[str, Organisation],
    rng: np.random.Generator,
) -> tuple[Person, str]:
    """The next one who can be reached by a channel, and the channel; None: by any."""
    for place, person in enumerate(waiting):
        reached = _reached(person, employers[person.organisation], AS_OF)
        if channel is None or channel in reached:
            del waiting[place]
            return person, channel or list(reached)[rng.integers(len(reached))]
    raise ValueError(f"too few people: nobody is left who can be reached by {channel}")


def _whom(
    waiting: list[Person], kind: str, country: str | None, employers: dict[str, Organisation]
) -> tuple[Person, str]:
    """The next one of a country (None: of any) with something of a kind, and what that is."""
    for place, person in enumerate(waiting):
        organisation = employers[person.organisation]
        meant = _reached(person, organisation, AS_OF).get("email" if kind == "domain" else kind)
        if meant and kind == "domain":
            at_domain = meant[meant.index("@") :]
            # The provider's domain would block whoever has a free mailbox.
            meant = None if at_domain == f"@{FREE_MAIL}" else at_domain
        if meant and country in (None, organisation.country):
            del waiting[place]
            return person, meant
    raise ValueError(f"too few people: nobody is left for an entry of {kind}")


def _reached(person: Person, organisation: Organisation, day: date) -> dict[str, str]:
    """Channel → where the person was reached by it on a day."""
    moved_on = organisation.moved_on
    address = organisation.previous_address if moved_on and day < moved_on else organisation
    found = {
        "email": person.email,
        "phone": person.mobile or person.phone,
        "post": f"{address.street}, {address.postcode} {address.city}",
    }
    return {channel: contact_point for channel, contact_point in found.items() if contact_point}


def _told(
    story: str,
    place: int,
    person: Person,
    organisation: Organisation,
    channel: str,
    rng: np.random.Generator,
) -> Iterator[Declaration]:
    """The forms of one story: a consent that is complete or lacks its document or its wording, one
    that is withdrawn later by a second form, an objection, or an objection to all advertising.
    """
    day, again, known, named, clock, heard = rng.random(6).tolist()
    first = max(min(TEXT_VERSIONS.values()), organisation.known_since)
    last = _LAST_WITHDRAWN if story == "withdrawn" else AS_OF
    signed_on = first + timedelta(days=int(day * (last - first).days))
    is_lead = organisation.number.startswith("L")
    asks_for_reviews = signed_on >= TEXT_VERSIONS["messe-2025"]
    asked = [one for one in PURPOSES[channel] if one != "review_request" or asks_for_reviews]
    purposes = ["advertising"] if story == "objected_to_all" else asked
    owner = OWNERS[organisation.owner_id - 1]
    is_spoken = place % 3 == 1
    consent = Declaration(
        declaration_id="",
        customer=None if is_lead or known < 0.3 else organisation.number,
        first_name=person.first_name,
        last_name=person.last_name,
        company=organisation.name if person.role and named < 0.9 else None,
        channel=channel,
        contact_point=_reached(person, organisation, signed_on)[channel],
        purpose=purposes[place // 2 % len(purposes)],
        decision="granted",
        signed_at=_moment(signed_on, clock, is_spoken),
        is_time_known=is_spoken,
        text_version=None if story == "without_wording" else text_version_on(signed_on),
        collected_by=f"{owner.first_name} {owner.last_name}",
        document_ref=None
        if story == "without_document"
        else _document("Messe", signed_on, place, is_spoken),
        controller=CONTROLLER,
        organisation=organisation.number,
        person=person.person_id,
    )

    def refusal(decision: str, on: date, is_spoken: bool) -> Declaration:
        # Who refuses fills in no form of the company's: some of what it asks for is missing.
        return replace(
            consent,
            decision=decision,
            signed_at=_moment(on, clock, is_spoken),
            is_time_known=is_spoken,
            text_version=None,
            collected_by=consent.collected_by if heard < 0.5 else None,
            document_ref=_document("Posteingang", on, place, is_spoken),
            controller=CONTROLLER if heard < 0.7 else None,
        )

    if story.startswith("objected"):
        yield refusal("objected", signed_on, is_spoken)
        return
    yield consent
    if story == "withdrawn":
        withdrawn_on = signed_on + timedelta(days=1 + int(again * ((AS_OF - signed_on).days - 1)))
        yield refusal("withdrawn", withdrawn_on, not is_spoken)


def _moment(day: date, clock: float, is_time_known: bool) -> datetime:
    """A whole minute of the office hours of a day, or its beginning (UTC)."""
    return midnight(day) + timedelta(minutes=8 * 60 + int(clock * 600) if is_time_known else 0)


def _document(folder: str, day: date, place: int, is_spoken: bool) -> str:
    if is_spoken:
        return f"Mitschnitt {day:%Y-%m-%d}/{place + 1:03d}"
    return f"Ordner {folder} {day:%Y}, Blatt {place + 1}"
