"""The demo company's world: who there is, what accounting knows, what the company's lists say.

One seed gives the whole truth; nothing here is misspelt, missing or out of date, and no file and no
answer of a server is written. Organisations and people are drawn in `organisations.py`, invoices
and payments in `documents.py`, the lists in `company_lists.py` and `consent_lists.py`; all others
import them from here.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sources.demo.company import CUSTOMERS, draw_books
from sources.demo.company_lists import (
    CreditRating,
    MonthlyTarget,
    Registration,
    ServiceContract,
    SocialStatistic,
    draw_credit_ratings,
    draw_monthly_targets,
    draw_registrations,
    draw_service_contracts,
    draw_social_statistics,
)
from sources.demo.consent_lists import Block, Declaration, draw_blocks, draw_declarations
from sources.demo.documents import Documents, Invoice, InvoiceLine, Payment, draw_documents
from sources.demo.organisations import (
    OWNERS,
    Address,
    Organisation,
    Owner,
    Person,
    draw_organisations,
    draw_people,
)

__all__ = [
    "Address",
    "Block",
    "CreditRating",
    "Declaration",
    "Invoice",
    "InvoiceLine",
    "MonthlyTarget",
    "Organisation",
    "Owner",
    "Payment",
    "Person",
    "Registration",
    "ServiceContract",
    "SocialStatistic",
    "World",
    "draw_world",
]


@dataclass(frozen=True, eq=False, repr=False)
class World:
    """The demo company of one seed and number of customers.

    organisations: the customers by number, then the leads.
    """

    customers: int
    seed: int
    organisations: tuple[Organisation, ...]
    people: tuple[Person, ...]
    owners: tuple[Owner, ...]
    service_contracts: tuple[ServiceContract, ...]
    registrations: tuple[Registration, ...]
    credit_ratings: tuple[CreditRating, ...]
    social_statistics: tuple[SocialStatistic, ...]
    monthly_targets: tuple[MonthlyTarget, ...]
    declarations: tuple[Declaration, ...]
    blocks: tuple[Block, ...]
    documents: Documents

    @property
    def late_payers(self) -> frozenset[str]:
        """Numbers of the customers that pay every invoice 10 to 60 days after it was due."""
        return self.documents.late_payers

    def invoices(self, first: date, before: date) -> Iterator[Invoice]:
        """Documents from one day on and before another, counter sales too, in their order."""
        return self.documents.between(first, before)


def draw_world(*, customers: int = CUSTOMERS, seed: int = 20_260_101) -> World:
    """The world of a seed, drawn once in a process.

    Raises ValueError for a size the demo cannot have.
    """
    return _drawn(customers, seed)


@functools.cache
def _drawn(customers: int, seed: int) -> World:
    books = draw_books(customers, seed)
    organisations = draw_organisations(books, seed)
    people = draw_people(organisations, seed)
    countries = {organisation.number: organisation.country for organisation in organisations}
    documents = draw_documents(books, countries, seed)
    return World(
        customers=customers,
        seed=seed,
        organisations=organisations,
        people=people,
        owners=OWNERS,
        service_contracts=draw_service_contracts(books, seed),
        registrations=draw_registrations(books, organisations, people, seed),
        credit_ratings=draw_credit_ratings(organisations, documents.late_payers, seed),
        social_statistics=draw_social_statistics(seed),
        monthly_targets=draw_monthly_targets(documents, seed),
        declarations=draw_declarations(organisations, people, seed),
        blocks=draw_blocks(organisations, people, seed),
        documents=documents,
    )
