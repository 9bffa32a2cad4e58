"""The records of the demo company's two CRMs. Nothing is drawn or spoilt here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import count
from random import Random
from typing import TypeVar


@dataclass(frozen=True)
class CrmCompany:
    """A company as a CRM has it; organisation is the number it really belongs to.

    A record with deleted_at is gone without a word; one with merged_into lives on in another.
    """

    id: int
    organisation: str
    name: str
    street: str
    postcode: str
    city: str
    country: str
    domain: str | None
    phone: str | None
    vat_id: str | None
    acquisition: str
    owner_id: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    merged_into: int | None = None


@dataclass(frozen=True)
class CrmContact:
    """A contact person as a CRM has it; person is the person_id it really belongs to.

    objected_at: when this person told us to stop advertising.
    """

    id: int
    person: int
    company_id: int | None
    salutation: str
    first_name: str
    last_name: str
    email: str | None
    phone: str | None
    mobile: str | None
    role: str | None
    birthday: date | None
    owner_id: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    merged_into: int | None = None
    objected_at: datetime | None = None


@dataclass(frozen=True)
class CrmDeal:
    """A deal; a won one closed some days before the invoice of the same net amount.

    amount and expected_close_on are texts where somebody typed what is no number and no day: the
    system sends such a text as it stands, and the gate has to stop it.
    """

    id: int
    company_id: int
    contact_id: int | None
    title: str
    amount: Decimal | str
    currency: str
    status: str
    stage: str
    opened_at: datetime
    closed_at: datetime | None
    expected_close_on: date | str | None
    lost_reason: str | None
    origin: str
    owner_id: int
    updated_at: datetime
    order_number: str | None


@dataclass(frozen=True)
class CrmNote:
    """A note of a conversation."""

    id: int
    company_id: int
    contact_id: int | None
    deal_id: int | None
    at: datetime
    text: str
    owner_id: int
    updated_at: datetime


@dataclass(frozen=True)
class CrmActivity:
    """A call, meeting, task or e-mail; done, overdue or still to come."""

    id: int
    kind: str
    subject: str
    company_id: int
    contact_id: int | None
    deal_id: int | None
    due_at: datetime
    done_at: datetime | None
    owner_id: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Crm:
    """The records of one CRM, by id; people who answer for them are `World.owners`."""

    companies: tuple[CrmCompany, ...]
    contacts: tuple[CrmContact, ...]
    deals: tuple[CrmDeal, ...]
    notes: tuple[CrmNote, ...]
    activities: tuple[CrmActivity, ...]


SYSTEMS = ("hubspot", "pipedrive")

_FIRST_ID = {"hubspot": 9_100_000_000, "pipedrive": 1}

_Party = TypeVar("_Party", CrmCompany, CrmContact)


def still_there(records: Sequence[_Party]) -> list[_Party]:
    """The companies or contacts that were neither deleted nor merged into others."""
    return [one for one in records if one.deleted_at is None and one.merged_into is None]


def record_ids(system: str, rng: Random) -> Iterator[int]:
    """Ids as the system gives them: rising, with gaps."""
    return count(_FIRST_ID[system] + rng.randrange(50), rng.randrange(3, 12, 2))
