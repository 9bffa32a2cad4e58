"""What customers say of the demo company: complaints and reviews. How a portal, a CRM or a list
shows them is not known here.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from sources.demo.crm_records import Crm, CrmCompany, CrmContact, still_there
from sources.demo.dealings import SERVICES, Dealings
from sources.demo.office_hours import END, midnight, office_moment
from sources.demo.phrases import COMPLAINTS, DEMANDS, REPLIES, REVIEWS, composed, written_day
from sources.demo.spoiling import Spoiling
from sources.demo.world import Invoice, InvoiceLine, Organisation, Person, World


@dataclass(frozen=True)
class Ticket:
    """A complaint, kept in HubSpot or in the ticket list; organisation is who really complained.

    order_number is the number of an invoice. satisfaction goes from 1 to 5.
    """

    id: str
    system: str
    organisation: str
    company_id: int | None
    contact_id: int | None
    customer_number: str | None
    email: str | None
    subject: str
    text: str
    category: str
    priority: str
    demand: str
    opened_at: datetime
    closed_at: datetime | None
    satisfaction: int | None
    order_number: str | None
    updated_at: datetime


@dataclass(frozen=True)
class Review:
    """A review on a portal; organisation and person are None for strangers.

    stars go from 1 to 5; a 0, which no portal should send, has to be stopped by the gate.
    """

    id: str
    platform: str
    organisation: str | None
    person: int | None
    author_name: str
    email: str | None
    order_number: str | None
    stars: int
    title: str | None
    text: str | None
    language: str
    created_at: datetime
    updated_at: datetime
    reply_text: str | None
    replied_at: datetime | None
    is_verified: bool


TICKET_SYSTEMS = ("hubspot", "ticket_list")
PLATFORMS = ("trustpilot", "google", "facebook", "kuechenportal")

_FIRST_TICKET_ID = 5_400_000_000
# What goes wrong with services, with what has neither plug nor hose, and with appliances.
_SERVICE_TROUBLE = {"service": 0.7, "invoice": 0.3}
_GOODS_TROUBLE = {"delivery": 0.7, "invoice": 0.3}
_APPLIANCE_TROUBLE = {"delivery": 0.3, "defect": 0.45, "invoice": 0.1, "advice": 0.15}
_TROUBLE = {SERVICES: _SERVICE_TROUBLE, "GN": _GOODS_TROUBLE, "VB": _GOODS_TROUBLE}
_DEMANDS = {
    "delivery": ("replacement", "refund", "apology", "none"),
    "defect": ("repair", "replacement", "refund"),
    "invoice": ("refund", "none"),
    "service": ("apology", "repair", "refund"),
    "advice": ("refund", "replacement", "apology"),
}
_PRIORITIES = {"LOW": 0.3, "MEDIUM": 0.5, "HIGH": 0.2}
# How customers who left, loyal ones and the others answer on a scale from 1 to 5.
_LEFT = (0.3, 0.28, 0.2, 0.14, 0.08)
_LOYAL = (0.02, 0.03, 0.1, 0.3, 0.55)
_OTHERS = (0.07, 0.1, 0.18, 0.33, 0.32)
_SATISFIED = {"left": _LEFT, "others": _OTHERS, "loyal": (0.05, 0.1, 0.25, 0.35, 0.25)}
# Portal: its share, titles, how often an author gives an e-mail address and an order number.
_PORTALS = {
    "trustpilot": (0.4, True, 0.7, 0.7),
    "google": (0.3, False, 0, 0),
    "facebook": (0.15, False, 0, 0),
    "kuechenportal": (0.15, True, 0.5, 0.4),
}
_MOODS = ("bad", "bad", "bad", "fair", "good", "good")


def draw_tickets(
    world: World, dealings: Dealings, hubspot: Crm, rng: Random
) -> tuple[tuple[Ticket, ...], dict[str, Counter[str]]]:
    """The complaints of both systems, oldest first, and the counts of defects by system."""
    companies = {company.organisation: company for company in still_there(hubspot.companies)}
    contacts = defaultdict(list)
    for contact in still_there(hubspot.contacts):
        contacts[contact.company_id].append(contact)
    people = _by_organisation(world.people)
    tickets = []
    for organisation in world.organisations:
        invoices = dealings.invoices.get(organisation.number, ())
        has_left = organisation.number in dealings.left
        complaints = 0
        if invoices and rng.random() < (0.45 if has_left else 0.14):
            complaints = rng.choice((1, 2, 3) if has_left else (1, 1, 1, 2))
        company = companies.get(organisation.number)
        for _ in range(complaints):
            # What drove a customer away was one of the last purchases.
            invoice = rng.choice(invoices[-3:] if has_left else invoices)
            ticket = _ticket(organisation, invoice, people[organisation.number], dealings, rng)
            if company and rng.random() < 0.75 and company.created_at < ticket.opened_at:
                ticket = _in_hubspot(ticket, company, contacts[company.id], rng)
            tickets.append(ticket)
    truth = {}
    booked = []
    for system in TICKET_SYSTEMS:
        mine = sorted(
            (ticket for ticket in tickets if ticket.system == system),
            key=lambda ticket: ticket.opened_at,
        )
        mine = [
            replace(
                ticket,
                id=str(_FIRST_TICKET_ID + 7 * place)
                if system == "hubspot"
                else f"B-{ticket.opened_at:%Y}-{place:04d}",
            )
            for place, ticket in enumerate(mine, start=1)
        ]
        truth[system] = _forget(mine, system, rng)
        booked += mine
    return tuple(sorted(booked, key=lambda ticket: (ticket.opened_at, ticket.id))), truth


def _forget(tickets: list[Ticket], system: str, rng: Random) -> Counter[str]:
    truth: Counter[str] = Counter()
    defects = Spoiling(tickets, rng, truth)
    defects.spoil(
        "ticket_without_order_number", 0.12, lambda ticket: replace(ticket, order_number=None)
    )
    if system == "ticket_list":
        defects.spoil(
            "missing_customer_number", 0.08, lambda ticket: replace(ticket, customer_number=None)
        )
    defects.spoil(
        "ticket_email_in_capitals",
        0.05,
        lambda ticket: replace(ticket, email=ticket.email.upper()),
        lambda ticket: ticket.email is not None and ticket.email != ticket.email.upper(),
    )
    truth["quarantined"] = 0
    return truth


def _ticket(
    organisation: Organisation,
    invoice: Invoice,
    people: list[Person],
    dealings: Dealings,
    rng: Random,
) -> Ticket:
    """A complaint about one line of an invoice, in the ticket list for now."""
    person = rng.choice(people)
    line = rng.choice(invoice.lines)
    categories = _TROUBLE.get(line.product_group, _APPLIANCE_TROUBLE)
    category = rng.choices(list(categories), list(categories.values()))[0]
    demand = rng.choice(_DEMANDS[category])
    ordered = midnight(invoice.on)
    opened = office_moment(
        rng, ordered + timedelta(hours=9), min(ordered + timedelta(days=30), END)
    )
    closed_at = None
    # The newest are still open, and some older ones were simply forgotten.
    if opened < END - timedelta(days=4) and rng.random() < 0.94:
        closed_at = office_moment(rng, opened, min(opened + timedelta(days=18), END))
    answers = closed_at is not None and rng.random() < 0.6
    openings, matters = COMPLAINTS[person.language][category]
    subject, matter = rng.choice(matters)
    facts = _facts(invoice, line, person.language)
    return Ticket(
        id="",
        system="ticket_list",
        organisation=organisation.number,
        company_id=None,
        contact_id=None,
        customer_number=organisation.number,
        email=person.email or organisation.email,
        subject=subject.format(**facts),
        text=composed(rng, (openings, (matter,), DEMANDS[person.language][demand]), **facts),
        category=category,
        priority=rng.choices(list(_PRIORITIES), list(_PRIORITIES.values()))[0],
        demand=demand,
        opened_at=opened,
        closed_at=closed_at,
        satisfaction=_out_of_five(rng, _SATISFIED[_kind(organisation.number, dealings)])
        if answers
        else None,
        order_number=invoice.number,
        updated_at=closed_at or opened,
    )


def _in_hubspot(
    ticket: Ticket, company: CrmCompany, contacts: list[CrmContact], rng: Random
) -> Ticket:
    contact = rng.choice(contacts) if contacts and rng.random() < 0.8 else None
    return replace(
        ticket,
        system="hubspot",
        company_id=company.id,
        contact_id=contact and contact.id,
        customer_number=None,
    )


def _facts(invoice: Invoice, line: InvoiceLine, language: str) -> dict[str, str]:
    return {
        "product": line.product_name,
        "order": invoice.number,
        "day": written_day(invoice.on, language),
    }


def _kind(number: str, dealings: Dealings) -> str:
    if number in dealings.left:
        return "left"
    return "loyal" if number in dealings.loyal else "others"


def _out_of_five(rng: Random, weights: Sequence[float]) -> int:
    return rng.choices((1, 2, 3, 4, 5), weights)[0]


def _by_organisation(people: Sequence[Person]) -> dict[str, list[Person]]:
    found = defaultdict(list)
    for person in people:
        found[person.organisation].append(person)
    return found


def draw_reviews(
    world: World, dealings: Dealings, rng: Random
) -> tuple[tuple[Review, ...], dict[str, Counter[str]]]:
    """The reviews of all portals, oldest first, and the counts of defects by portal."""
    people = _by_organisation(world.people)
    names = {organisation.number: organisation.name for organisation in world.organisations}
    reviews = []
    for number, invoices in dealings.invoices.items():
        kind = _kind(number, dealings)
        if rng.random() < {"left": 0.16, "loyal": 0.24, "others": 0.1}[kind]:
            weights = {"left": _LEFT, "loyal": _LOYAL, "others": _OTHERS}[kind]
            person = rng.choice(people[number])
            reviews.append(_review(rng.choice(invoices), person, names[number], weights, rng))
    # Strangers review what somebody bought at the counter, or nothing at all.
    sold = list(dealings.invoices.values())
    for _ in range(len(reviews) // 16):
        namesake = rng.choice(world.people)
        seen = _review(rng.choice(rng.choice(sold)), namesake, "", _OTHERS, rng)
        reviews.append(
            replace(
                seen,
                organisation=None,
                person=None,
                email=None,
                order_number=None,
                is_verified=False,
            )
        )
    reviews.sort(key=lambda review: review.created_at)
    reviews = [
        replace(review, id=f"{review.platform[:2]}{place:06d}{rng.getrandbits(32):08x}")
        for place, review in enumerate(reviews, start=1)
    ]
    truth: dict[str, Counter[str]] = {platform: Counter() for platform in PLATFORMS}
    Spoiling(reviews, rng, truth["trustpilot"]).spoil(
        "impossible_stars",
        0.01,
        lambda review: replace(review, stars=0),
        lambda review: review.platform == "trustpilot",
    )
    for platform, counts in truth.items():
        counts["stranger"] = sum(
            review.platform == platform and review.organisation is None for review in reviews
        )
        counts["quarantined"] = counts["impossible_stars"]
    return tuple(reviews), truth


def _review(
    invoice: Invoice, person: Person, house: str, weights: Sequence[float], rng: Random
) -> Review:
    platform = rng.choices(PLATFORMS, [share for share, *_ in _PORTALS.values()])[0]
    _, has_title, gives_email, gives_order = _PORTALS[platform]
    stars = _out_of_five(rng, weights)
    mood = _MOODS[stars]
    titles, *sentences = REVIEWS[person.language][mood]
    dearest = max(invoice.lines, key=lambda line: line.unit_price)
    text = composed(rng, sentences, product=dearest.product_name)
    bought = midnight(invoice.on)
    created = office_moment(rng, bought + timedelta(hours=9), min(bought + timedelta(days=60), END))
    # Some write more a few days later; only the date of the change tells.
    changed = created
    if rng.random() < 0.08:
        changed = min(created + timedelta(days=rng.randrange(1, 9)), END - timedelta(minutes=1))
    replied = None
    if created < END - timedelta(days=4) and rng.random() < (0.7 if mood == "bad" else 0.4):
        replied = office_moment(rng, created, min(created + timedelta(days=8), END))
    order_number = invoice.number if rng.random() < gives_order else None
    return Review(
        id="",
        platform=platform,
        organisation=person.organisation,
        person=person.person_id,
        author_name=_author(person, house, rng),
        email=person.email if rng.random() < gives_email else None,
        order_number=order_number,
        stars=stars,
        title=rng.choice(titles) if has_title else None,
        text=None if platform == "google" and rng.random() < 0.25 else text,
        language=person.language,
        created_at=created,
        updated_at=max(changed, replied or changed),
        reply_text=rng.choice(REPLIES[mood]) if replied else None,
        replied_at=replied,
        is_verified=order_number is not None and platform == "trustpilot",
    )


def _author(person: Person, house: str, rng: Random) -> str:
    full = f"{person.first_name} {person.last_name}"
    short = f"{person.first_name} {person.last_name[0]}."
    return rng.choice((full, short, person.last_name, house or short))
