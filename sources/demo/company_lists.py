"""What the demo company keeps in lists of its own: contracts, registrations, ratings, plans.

Here the facts are drawn; how a list is written into a file, and with which mistakes, is not known.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np

from sources.demo.company import (
    AS_OF,
    FIRST_DAY,
    FIRST_NAMES,
    FREE_MAIL,
    SURNAMES,
    Books,
    Topic,
    plain_letters,
    stream,
)
from sources.demo.documents import Documents
from sources.demo.office_hours import midnight
from sources.demo.organisations import Organisation, Person

BUREAUS = ("Kreditblick", "Bonitas Nord")
PLATFORMS = {"instagram": 8_400, "facebook": 5_100, "linkedin": 1_900}
SOCIAL_DAYS = 90

_MAINTAINED = frozenset(("HE", "KD", "SP", "KT", "LT"))
_REGISTERED = frozenset(("HE", "KD", "SP", "KT", "KG"))


@dataclass(frozen=True)
class ServiceContract:
    """A maintenance contract for a device that was bought; it runs while ends_on is not past.

    starts_on is the first of a month; next_due_on is empty where no service is left before the
    end, and before AS_OF where one is overdue; yearly_fee is net, in EUR.
    """

    contract_number: str
    customer: str
    product_code: str
    product_name: str
    serial_number: str
    starts_on: date
    ends_on: date | None
    interval_months: int
    next_due_on: date | None
    yearly_fee: Decimal


@dataclass(frozen=True)
class Registration:
    """A product registered on the web site, sometimes by strangers who bought it second-hand.

    customer is None where the form left it empty, too. newsletter_confirmed_at (UTC) is set where
    the link in the confirmation mail was followed. organisation and person (its person_id) are who
    really filled it in, None for strangers; no list shows them.
    """

    registration_id: str
    customer: str | None
    first_name: str
    last_name: str
    company: str | None
    email: str
    product_code: str
    product_name: str
    serial_number: str
    bought_on: date | None
    registered_at: datetime
    newsletter_requested: bool
    newsletter_confirmed_at: datetime | None
    organisation: str | None
    person: int | None


@dataclass(frozen=True)
class CreditRating:
    """A bureau's index from 100 (best) to 600; it names the customer's number or its VAT id."""

    customer: str | None
    vat_id: str | None
    index: int
    bureau: str
    rated_on: date


@dataclass(frozen=True)
class SocialStatistic:
    """One day of one platform; followers at its end, the rest counted within it."""

    platform: str
    day: date
    followers: int
    interactions: int
    mentions: int
    own_posts: int


@dataclass(frozen=True)
class MonthlyTarget:
    """What was planned for a month in EUR: measure is revenue, earnings or liquidity.

    Revenue has no actual: accounting knows it. The months of the year from AS_OF on are planned,
    too, and have none either.
    """

    month: date
    measure: str
    target: Decimal
    actual: Decimal | None


@dataclass(frozen=True)
class _Device:
    """A line of an invoice that sold something with a serial number."""

    customer: int
    day: int
    product: int
    cents: int
    serial_number: str


def draw_service_contracts(books: Books, seed: int) -> tuple[ServiceContract, ...]:
    """Contracts for some of the larger devices, in the order of the invoices that sold them."""
    rng = stream(seed, Topic.SERVICE_CONTRACTS)
    devices = _devices(books, _MAINTAINED, 100_000, 0.03, rng)
    end = _month_of(AS_OF)
    contracts = []
    for device, chances in zip(devices, rng.random((len(devices), 4)).tolist(), strict=True):
        stops, years, overdue, interval = chances
        start = _month_of(FIRST_DAY + timedelta(days=device.day + 14)) + 1
        if start >= end:
            continue
        ended_years = int(1 + years * 3) if stops < 0.3 else 0
        months = (6, 12, 12, 24)[int(interval * 4)]
        ends_on = None
        if ended_years and start + 12 * ended_years <= end:
            ends_on = _first_of(start + 12 * ended_years) - timedelta(days=1)
        elif stops < 0.45:
            running_years = (end - start) // 12 + 1
            ends_on = _first_of(start + 12 * running_years) - timedelta(days=1)
        next_due_on = None
        if ends_on is None or ends_on >= AS_OF:
            services = -(-(end - start) // months) or 1
            if overdue < 0.1 and services > 1:
                services -= 1
            planned = _first_of(start + months * services)
            next_due_on = planned if ends_on is None or planned <= ends_on else None
        contracts.append(
            ServiceContract(
                contract_number=f"SV-{len(contracts) + 1:05d}",
                customer=books.customers.numbers[device.customer],
                product_code=books.products.codes[device.product],
                product_name=books.products.names[device.product],
                serial_number=device.serial_number,
                starts_on=_first_of(start),
                ends_on=ends_on,
                interval_months=months,
                next_due_on=next_due_on,
                yearly_fee=Decimal(max(90, device.cents * 7 // 100_000 * 10)),
            )
        )
    return tuple(contracts)


def draw_registrations(
    books: Books, organisations: tuple[Organisation, ...], people: tuple[Person, ...], seed: int
) -> tuple[Registration, ...]:
    """Forms in the order in which they came in; about one in twelve from a stranger."""
    rng = stream(seed, Topic.REGISTRATIONS)
    devices = _devices(books, _REGISTERED, 20_000, 0.03, rng)
    company = {organisation.number: organisation for organisation in organisations}
    staff = defaultdict(list)
    for person in people:
        staff[person.organisation].append(person)
    forms = []
    for device, chances in zip(devices, rng.random((len(devices), 8)).tolist(), strict=True):
        strange, known, named, dated, waits, hour, wants, pause = chances
        number = books.customers.numbers[device.customer]
        organisation = company[number]
        person = staff[number][rng.integers(len(staff[number]))]
        names = person.first_name, person.last_name
        email = person.email or organisation.email
        is_stranger = strange < 1 / 12
        if is_stranger:
            names = (
                FIRST_NAMES[rng.integers(len(FIRST_NAMES))],
                SURNAMES[rng.integers(len(SURNAMES))],
            )
            email = None
        local = ".".join(map(plain_letters, (*names, device.serial_number)))
        bought_on = FIRST_DAY + timedelta(days=device.day)
        registered_at = midnight(bought_on + timedelta(days=1 + int(waits * 40))) + timedelta(
            hours=7, seconds=int(hour * 15 * 3_600)
        )
        # Most follow the link within minutes, some after days, and two in five never do.
        confirmed_at = registered_at + timedelta(seconds=90 + int(pause**6 * 3e6))
        if confirmed_at >= midnight(AS_OF):
            continue
        is_company = organisation.kind != "private" and named < 0.8 and not is_stranger
        forms.append(
            Registration(
                registration_id="",
                customer=number if known < 0.6 and not is_stranger else None,
                first_name=names[0],
                last_name=names[1],
                company=organisation.name if is_company else None,
                email=email or f"{local}@{FREE_MAIL}",
                product_code=books.products.codes[device.product],
                product_name=books.products.names[device.product],
                serial_number=device.serial_number,
                bought_on=bought_on if dated < 0.85 and not is_stranger else None,
                registered_at=registered_at,
                newsletter_requested=wants < 0.45,
                newsletter_confirmed_at=confirmed_at if wants < 0.27 else None,
                organisation=None if is_stranger else number,
                person=None if is_stranger else person.person_id,
            )
        )
    forms.sort(key=lambda form: (form.registered_at, form.serial_number))
    return tuple(
        replace(form, registration_id=f"PR-{position:05d}")
        for position, form in enumerate(forms, start=1)
    )


def draw_credit_ratings(
    organisations: tuple[Organisation, ...], late_payers: frozenset[str], seed: int
) -> tuple[CreditRating, ...]:
    """One to three reports on most companies, in the order of their days; late payers do worse."""
    rng = stream(seed, Topic.CREDIT_RATINGS)
    ratings = []
    for organisation in organisations:
        is_lead = organisation.number.startswith("L")
        if organisation.kind == "private" or rng.random() >= (0.2 if is_lead else 0.6):
            continue
        by_number = not is_lead and rng.random() < 0.6
        usual = rng.normal(330 if organisation.number in late_payers else 225, 35)
        span = (AS_OF - max(organisation.known_since, FIRST_DAY)).days
        reports = min(span, int(rng.integers(1, 4)))
        for days_ago in (1 + rng.choice(span, reports, replace=False)).tolist():
            ratings.append(
                CreditRating(
                    customer=organisation.number if by_number else None,
                    vat_id=None if by_number else organisation.vat_id,
                    index=int(np.clip(usual + rng.normal(0, 12), 100, 600)),
                    bureau=BUREAUS[rng.integers(len(BUREAUS))],
                    rated_on=AS_OF - timedelta(days=days_ago),
                )
            )
    # Within a day they stay in the order of the organisations.
    return tuple(sorted(ratings, key=lambda rating: rating.rated_on))


def draw_social_statistics(seed: int) -> tuple[SocialStatistic, ...]:
    """The days the platforms still remember, each platform by itself; some without an own post."""
    rng = stream(seed, Topic.SOCIAL_STATISTICS)
    statistics = []
    for platform, followers in PLATFORMS.items():
        for days_ago in range(SOCIAL_DAYS, 0, -1):
            posts = int(rng.poisson(0.5))
            followers += int(rng.integers(-4, 9)) + 3 * posts
            statistics.append(
                SocialStatistic(
                    platform=platform,
                    day=AS_OF - timedelta(days=days_ago),
                    followers=followers,
                    interactions=int(rng.poisson(followers / 400 * (1 + 3 * posts))),
                    mentions=int(rng.poisson(1.2 + 1.5 * posts)),
                    own_posts=posts,
                )
            )
    return tuple(statistics)


def draw_monthly_targets(documents: Documents, seed: int) -> tuple[MonthlyTarget, ...]:
    """Plans of all months there are invoices of, and of the year after."""
    rng = stream(seed, Topic.MONTHLY_TARGETS)
    first, end = _month_of(FIRST_DAY), _month_of(AS_OF)
    days = np.datetime64(FIRST_DAY) + documents.books.ledger.day
    month = days.astype("datetime64[M]").astype(int) + 1970 * 12 - first
    revenue = np.bincount(month, weights=documents.net, minlength=end - first) / 100
    # Next year's plan is this year's months and a little more.
    expected = [*revenue.tolist(), *(1.06 * revenue[-12:]).tolist()]
    targets = []
    for place, amount in enumerate(expected):
        planned = amount * rng.normal(1, 0.08)
        margin, cash = rng.normal((0.08, 0.9), (0.02, 0.15)).tolist()
        for measure, target, reached in (
            ("revenue", planned, None),
            ("earnings", 0.08 * planned, margin * amount),
            ("liquidity", 0.9 * planned, cash * amount),
        ):
            is_past = first + place < end
            targets.append(
                MonthlyTarget(
                    month=_first_of(first + place),
                    measure=measure,
                    target=Decimal(round(target / 1_000) * 1_000),
                    actual=Decimal(round(reached * 100)).scaleb(-2)
                    if is_past and reached is not None
                    else None,
                )
            )
    return tuple(targets)


def _devices(
    books: Books, groups: frozenset[str], cents: int, share: float, rng: np.random.Generator
) -> list[_Device]:
    """A share of the devices of these groups from a price on that customers bought and kept."""
    ledger, products = books.ledger, books.products
    lines = ledger.lines
    is_wanted = np.array([group in groups for group in products.groups])
    is_kept = (ledger.customer >= 0) & ~ledger.is_credit_note
    is_kept[ledger.credits[ledger.is_credit_note]] = False
    fits = is_wanted[lines.product] & (lines.cents >= cents) & is_kept[lines.document]
    return [
        _Device(
            customer=int(ledger.customer[lines.document[line]]),
            day=int(ledger.day[lines.document[line]]),
            product=int(lines.product[line]),
            cents=int(lines.cents[line]),
            serial_number=f"{products.groups[lines.product[line]]}{line:07d}",
        )
        for line in np.flatnonzero(fits & (rng.random(len(fits)) < share)).tolist()
    ]


def _month_of(day: date) -> int:
    return day.year * 12 + day.month - 1


def _first_of(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)
