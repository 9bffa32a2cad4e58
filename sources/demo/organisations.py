"""The demo company's customers, leads and sales people as they really are: addresses and roles.

What other systems make of them, misspelt or out of date, is drawn elsewhere; so is what they buy.
German telephone numbers come from the ranges the Bundesnetzagentur keeps free for films.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count

import numpy as np

from sources.demo.company import (
    AS_OF,
    DAYS,
    FIRST_DAY,
    FIRST_NAMES,
    FREE_MAIL,
    SEGMENTS,
    SURNAMES,
    TOWNS,
    Books,
    Firm,
    Topic,
    draw_firms,
    plain_letters,
    stream,
)


@dataclass(frozen=True)
class Address:
    """Where an organisation is, or was."""

    street: str
    postcode: str
    city: str


@dataclass(frozen=True)
class Organisation:
    """A customer, or a lead that never bought (its number begins with L).

    name and email are those of the sales list; kind is a segment of it (hotel … private). The phone
    number is E.164; a VAT id has right check digits, and only private persons have none.
    """

    number: str
    name: str
    kind: str
    street: str
    postcode: str
    city: str
    country: str
    vat_id: str | None
    phone: str
    email: str | None
    website: str | None
    previous_address: Address | None
    moved_on: date | None
    known_since: date
    acquisition: str
    in_hubspot: bool
    in_pipedrive: bool
    owner_id: int


@dataclass(frozen=True)
class Person:
    """Someone who works for an organisation, or the private customer himself (role "").

    One human with two employers is two persons; `same_human` is the person_id of the first of them,
    of everybody else the own one. Two persons may share their organisation's mailbox.
    """

    person_id: int
    organisation: str
    salutation: str
    first_name: str
    last_name: str
    role: str
    email: str | None
    phone: str | None
    mobile: str | None
    birthday: date | None
    language: str
    same_human: int


@dataclass(frozen=True)
class Owner:
    """Who of Culinary Cooking's sales people looks after an organisation."""

    owner_id: int
    first_name: str
    last_name: str
    email: str


OWNERS = tuple(
    Owner(
        number,
        first,
        last,
        f"{plain_letters(first)}.{plain_letters(last)}@culinary-cooking.example",
    )
    for number, (first, last) in enumerate(
        (
            ("Käthe", "Grützbrucker"),
            ("Björn", "Zwirnkötter"),
            ("Hürrem", "Knöpfwiesner"),
            ("Emil", "Tröpflmoser"),
            ("Françoise", "Quastbühler"),
            ("Oskar", "Haferlsänger"),
        ),
        start=1,
    )
)

_WOMEN = frozenset(
    "Käthe Zoë Anna Mira Lotte Françoise Hürrem Vroni Renée Märit Ida Frieda".split()
)
_STREET_STEMS = (
    "Quirl Mandel Nudel Safran Trichter Ofen Reiben Kastanien Linsen Pökel Schürzen Estragon "
    "Zimt Tellerwäscher Hefe Bratapfel"
).split()
_STREET_ENDINGS = "straße weg gasse allee platz".split()
_ROLES = {
    "hotel": ("Direktion", "Küchenleitung", "Einkauf", "Buchhaltung"),
    "restaurant": ("Inhaber", "Küchenleitung", "Buchhaltung", "Haustechnik"),
    "canteen": ("Küchenleitung", "Einkauf", "Buchhaltung", "Haustechnik"),
    "bakery": ("Inhaber", "Einkauf", "Buchhaltung", "Haustechnik"),
    "hospital": ("Einkauf", "Küchenleitung", "Haustechnik", "Buchhaltung"),
    "caterer": ("Inhaber", "Küchenleitung", "Einkauf", "Buchhaltung"),
    "private": ("",),
}
_ACQUISITION = {
    "fair": 0.18,
    "web_search": 0.27,
    "referral": 0.22,
    "trade_press": 0.09,
    "newsletter": 0.08,
    "cold_call": 0.16,
}
_LANGUAGES = {
    "DE": {"de": 0.97, "en": 0.03},
    "AT": {"de": 0.97, "en": 0.03},
    "CH": {"de": 0.6, "fr": 0.25, "it": 0.1, "en": 0.05},
}
# Kept free for films: https://www.bundesnetzagentur.de, Amtsblatt 7/2021, Mitteilung 148.
_FILM_LINES = ("+493023125", "+496990009", "+494066969", "+492214710", "+498999998")
_FILM_MOBILES = ("+49176040690", "+4917139200")
_SURNAMES = frozenset(SURNAMES)
_UID_WEIGHTS = (5, 4, 3, 2, 7, 6, 5, 4)


def vat_id(country: str, number: int) -> str:
    """A VAT id with right check digits for a number below a million; it begins with a 9, which
    the offices are not known to have given out yet.
    """
    if country == "DE":
        # BZSt, Aufbau der USt-IdNr.: ISO 7064, MOD 11,10.
        digits = f"99{number:06d}"
        product = 10
        for digit in digits:
            product = ((int(digit) + product) % 10 or 10) * 2 % 11
        return f"DE{digits}{(11 - product) % 10}"
    if country == "AT":
        # BMF, Konstruktionsregeln der UID: cross sums of every second digit doubled, and 4.
        digits = f"9{number:06d}"
        doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(digits)]
        return f"ATU{digits}{-(sum(value // 10 + value % 10 for value in doubled) + 4) % 10}"
    # eCH-0097, UID: weights modulo 11; a number whose check digit would be 10 is left out.
    for lead in (90, 91):
        digits = f"{lead}{number:06d}"
        total = sum(int(digit) * by for digit, by in zip(digits, _UID_WEIGHTS, strict=True))
        if total % 11 != 1:
            break
    return f"CHE{digits}{-total % 11}MWST"


def draw_organisations(books: Books, seed: int) -> tuple[Organisation, ...]:
    """The customers in the order of their numbers, and after them the leads."""
    rng = stream(seed, Topic.ORGANISATIONS)
    company = books.customers
    kinds = list(SEGMENTS)
    first_day = np.full(len(company.numbers), DAYS)
    buyer = books.ledger.customer >= 0
    np.minimum.at(first_day, books.ledger.customer[buyer], books.ledger.day[buyer])
    waited = (5 + rng.exponential(90, len(first_day))).astype(int)
    customers = sorted(
        zip(
            company.numbers,
            company.firms,
            company.segment.tolist(),
            (first_day - waited).tolist(),
            strict=True,
        )
    )
    parties = [*customers, *_leads(company.firms, seed)]

    luck = rng.random((len(parties), 12)).tolist()
    vat_numbers = rng.choice(1_000_000, len(parties), replace=False).tolist()
    acquisitions = rng.choice(
        list(_ACQUISITION), len(parties), p=list(_ACQUISITION.values())
    ).tolist()
    lines = {country: count() for country in ("DE", "AT", "CH")}
    organisations = []
    for (number, firm, segment, known), chances, vat_number, acquisition in zip(
        parties, luck, vat_numbers, acquisitions, strict=True
    ):
        kind = kinds[segment]
        anywhere, web, moves, afar, moved, hubspot, pipedrive, *places = chances
        town, country = firm.town, firm.country
        if kind == "private":
            town, country = TOWNS[int(anywhere * len(TOWNS))]
        known_since = FIRST_DAY + timedelta(days=known)
        address = _address(town, country, places[:2])
        previous, moved_on = None, None
        if moves < 0.07 and (AS_OF - known_since).days > 400:
            left = _another_town(country, anywhere) if afar < 0.3 else town
            previous = _address(left, country, places[2:4])
            moved_on = AS_OF - timedelta(days=1 + int(moved * 365))
        is_lead = number.startswith("L")
        in_hubspot = hubspot < (0.85 if is_lead else 0.65)
        organisations.append(
            Organisation(
                number=number,
                name=firm.name,
                kind=kind,
                street=address.street,
                postcode=address.postcode,
                city=address.city,
                country=country,
                vat_id=None if kind == "private" else vat_id(country, vat_number),
                phone=_switchboard(country, next(lines[country])),
                email=firm.email or None,
                website=f"https://www.{firm.domain}" if kind != "private" and web < 0.7 else None,
                previous_address=previous,
                moved_on=moved_on,
                known_since=known_since,
                acquisition=acquisition,
                in_hubspot=in_hubspot,
                # A lead is known from a CRM or not at all.
                in_pipedrive=pipedrive < 0.45 or (is_lead and not in_hubspot),
                owner_id=OWNERS[TOWNS.index((town, country)) % len(OWNERS)].owner_id,
            )
        )
    return tuple(organisations)


def _leads(customers: list[Firm], seed: int) -> list[tuple[str, Firm, int, int]]:
    """A tenth as many as customers: number, firm, segment and the day they became known."""
    rng = stream(seed, Topic.LEADS)
    wanted = len(customers) // 10
    shares = np.array([share for share, _, _ in SEGMENTS.values()])
    shares[list(SEGMENTS).index("private")] = 0
    # Among the largest company's canteens almost every second name is taken.
    segment = rng.choice(len(shares), 4 * wanted, p=shares / shares.sum())
    taken = {firm.domain for firm in customers}
    free = [
        (firm, kind)
        for firm, kind in zip(draw_firms(segment, rng), segment.tolist(), strict=True)
        if firm.domain not in taken
    ][:wanted]
    known = rng.integers(DAYS - 900, DAYS - 7, wanted).tolist()
    return [
        (f"L{position:04d}", firm, kind, day)
        for position, ((firm, kind), day) in enumerate(zip(free, known, strict=True), start=1)
    ]


def _address(town: str, country: str, chances: list[float]) -> Address:
    street, number = chances
    streets = [stem + ending for ending in _STREET_ENDINGS for stem in _STREET_STEMS]
    name = streets[int(street * len(streets))]
    if country == "CH":
        name = name.replace("ß", "ss")
    return Address(f"{name} {1 + int(number * 97)}", _postcode(town, country), town)


def _postcode(town: str, country: str) -> str:
    """One postcode a town; the first German ones begin with a zero."""
    place = TOWNS.index((town, country))
    return f"{1_067 + 1_087 * place:05d}" if country == "DE" else f"{1_010 + 47 * place:04d}"


def _another_town(country: str, luck: float) -> str:
    towns = [town for town, where in TOWNS if where == country]
    return towns[int(luck * len(towns))]


def _switchboard(country: str, line: int) -> str:
    """The E.164 number of the line-th organisation in a country."""
    if country == "DE":
        area, rest = _FILM_LINES[line % len(_FILM_LINES)], line // len(_FILM_LINES)
        return f"{area}{rest % 1_000:03d}{rest // 1_000}"
    # No range is kept free here: around the example numbers of the phonenumbers library.
    return f"+43123456{line:04d}" if country == "AT" else f"+4121234{line:04d}"


def _mobiles() -> dict[str, Iterator[str]]:
    """Numbers of each country until there are no more of them."""
    film = (f"{range_}{line:02d}" for range_ in _FILM_MOBILES for line in range(100))
    return {
        "DE": film,
        "AT": (f"+43664123{line:05d}" for line in range(100_000)),
        "CH": (f"+4178123{line:04d}" for line in range(10_000)),
    }


def draw_people(organisations: tuple[Organisation, ...], seed: int) -> tuple[Person, ...]:
    """One to four persons an organisation, in its order; at the end the second jobs of some."""
    rng = stream(seed, Topic.PEOPLE)
    sizes = rng.choice((1, 2, 3, 4), len(organisations), p=(0.3, 0.35, 0.2, 0.15)).tolist()
    mobiles = _mobiles()
    people: list[Person] = []
    with_room = []
    for organisation, size in zip(organisations, sizes, strict=True):
        if organisation.kind == "private":
            size = 1
        elif size < 4:
            with_room.append(organisation)
        names: list[tuple[str, str]] = []
        while len(names) < size:
            name = _name(organisation, is_first=not names, rng=rng)
            if name not in names:
                names.append(name)
        for position, name in enumerate(names):
            people.append(_person(len(people) + 1, organisation, position, name, mobiles, rng))

    staff = [person for person in people if person.role]
    second_jobs = max(3, len(organisations) // 100)
    employers = [with_room[place] for place in rng.permutation(len(with_room))[:second_jobs]]
    for place, employer in zip(rng.permutation(len(staff)), employers, strict=False):
        person = staff[place]
        if person.organisation != employer.number:
            people.append(_second_job(len(people) + 1, person, employer))
    return tuple(people)


def _name(
    organisation: Organisation, *, is_first: bool, rng: np.random.Generator
) -> tuple[str, str]:
    first = FIRST_NAMES[rng.integers(len(FIRST_NAMES))]
    last = SURNAMES[rng.integers(len(SURNAMES))]
    words = organisation.name.split()
    if organisation.kind == "private":
        first, last = words
    elif is_first and organisation.kind in ("bakery", "caterer"):
        # These firms bear the name of whoever owns them.
        last = next(word for word in words if word in _SURNAMES)
    return first, last


def _person(
    person_id: int,
    organisation: Organisation,
    position: int,
    name: tuple[str, str],
    mobiles: dict[str, Iterator[str]],
    rng: np.random.Generator,
) -> Person:
    first, last = name
    mail, desk, pocket, born, no_salutation = rng.random(5).tolist()
    languages = _LANGUAGES[organisation.country]
    language = str(rng.choice(list(languages), p=list(languages.values())))
    salutation = "Frau" if first in _WOMEN else "Herr"
    email, phone = organisation.email, organisation.phone
    if organisation.kind != "private":
        email = _mailbox(organisation, person_id, name, mail)
        phone = _desk_phone(organisation, position, desk)
    return Person(
        person_id=person_id,
        organisation=organisation.number,
        salutation="" if no_salutation < 0.04 else salutation,
        first_name=first,
        last_name=last,
        role=_ROLES[organisation.kind][position],
        email=email,
        phone=phone,
        mobile=next(mobiles[organisation.country], None) if pocket < 0.5 else None,
        birthday=date(1950, 1, 1) + timedelta(days=int(born * 36_000)) if born < 0.55 else None,
        language=language,
        same_human=person_id,
    )


def _mailbox(
    organisation: Organisation, person_id: int, name: tuple[str, str], luck: float
) -> str | None:
    local = ".".join(map(plain_letters, name))
    if luck < 0.65:
        # Who has neither shared mailbox nor website has no domain.
        place = (organisation.email or organisation.website or "").partition(
            "@" if organisation.email else "www."
        )[2]
        return f"{local}@{place}" if place else None
    if luck < 0.83:
        return organisation.email
    return f"{local}{person_id}@{FREE_MAIL}" if luck < 0.89 else None


def _desk_phone(organisation: Organisation, position: int, luck: float) -> str | None:
    # Swiss numbers have nine digits and no room for an extension.
    if luck < 0.5 and organisation.country != "CH":
        return f"{organisation.phone}{11 + position}"
    return organisation.phone if luck < 0.75 else None


def _second_job(person_id: int, person: Person, employer: Organisation) -> Person:
    """The same human at another employer: with another mailbox, but no other birthday or mobile."""
    name = (person.first_name, person.last_name)
    return replace(
        person,
        person_id=person_id,
        organisation=employer.number,
        role=_ROLES[employer.kind][3],
        email=_mailbox(employer, person_id, name, 0),
        phone=employer.phone,
    )
