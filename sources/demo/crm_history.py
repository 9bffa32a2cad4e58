"""What sales people agreed, noted and planned with companies: a CRM's deals, notes, activities.

A won deal belongs to an invoice. The companies themselves are drawn in `crm_parties`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random

from sources.demo.company import AS_OF
from sources.demo.crm_records import (
    CrmActivity,
    CrmCompany,
    CrmContact,
    CrmDeal,
    CrmNote,
    record_ids,
    still_there,
)
from sources.demo.dealings import SERVICES, Dealings
from sources.demo.office_hours import END, midnight, office_moment
from sources.demo.phrases import (
    ACTIVITY_SUBJECTS,
    LOST_REASONS,
    NOTES,
    composed,
    written_day,
)
from sources.demo.spelling import without_legal_form
from sources.demo.spoiling import Spoiling
from sources.demo.world import Invoice, World

# What the gate has to stop; the rest of the defects it lets pass, with a warning at most.
QUARANTINED_DEALS = ("unreadable_amount", "impossible_close_date")

_STAGES = ("Erstgespräch", "Bedarf geklärt", "Angebot", "Verhandlung")
_ORIGINS = ("Telefon", "Website", "Messe", "Empfehlung", "Bestandskunde")
_CHF_PER_EUR = Decimal("0.94")
_DEAL_FROM = 800
_NOTES_A_COMPANY = (0.25, 0.3, 0.25, 0.15, 0.05)
_ACTIVITIES_A_COMPANY = (0.3, 0.3, 0.25, 0.15)


def draw_history(
    system: str,
    world: World,
    dealings: Dealings,
    companies: list[CrmCompany],
    contacts: list[CrmContact],
    rng: Random,
    truth: Counter[str],
) -> tuple[list[CrmDeal], list[CrmNote], list[CrmActivity]]:
    """What happened with the companies still there, by id; its defects are counted in truth."""
    diary = _Diary(system, world, dealings, companies, contacts, rng)
    deals = diary.deals(truth)
    for deal in deals:
        diary.opened[deal.company_id].append(deal.id)
    return deals, diary.notes(), diary.activities()


class _Diary:
    """What happened in one CRM."""

    def __init__(
        self,
        system: str,
        world: World,
        dealings: Dealings,
        companies: list[CrmCompany],
        contacts: list[CrmContact],
        rng: Random,
    ) -> None:
        self.system, self.dealings, self.rng = system, dealings, rng
        self.served = still_there(companies)
        self.staff = defaultdict(list)
        for contact in still_there(contacts):
            self.staff[contact.company_id].append(contact)
        self.opened: dict[int, list[int]] = defaultdict(list)
        self.language = {person.person_id: person.language for person in world.people}
        self.names = {one.number: without_legal_form(one.name) for one in world.organisations}
        # Nobody calls about aluminium foil.
        self.appliances = [
            line
            for line in dealings.articles
            if line.unit_price >= _DEAL_FROM and line.product_group != SERVICES
        ]

    def deals(self, truth: Counter[str]) -> list[CrmDeal]:
        rng = self.rng
        ids = record_ids(self.system, self.rng)
        deals = [
            replace(deal, id=next(ids))
            for deal in sorted(self.all_deals(), key=lambda deal: deal.opened_at)
        ]
        defects = Spoiling(deals, rng, truth)
        defects.spoil(
            "unreadable_amount",
            0.004,
            lambda deal: replace(
                deal, amount=f"{deal.amount:,.2f} EUR".translate(str.maketrans(",.", ".,"))
            ),
            lambda deal: deal.currency == "EUR",
        )
        defects.spoil(
            "impossible_close_date",
            0.005,
            lambda deal: replace(deal, expected_close_on=f"31.02.{AS_OF.year}"),
            lambda deal: deal.status == "open",
        )
        defects.spoil(
            "won_without_order_number",
            0.05,
            lambda deal: replace(deal, order_number=None),
            lambda deal: deal.order_number is not None,
        )
        return deals

    def all_deals(self) -> Iterator[CrmDeal]:
        rng = self.rng
        won = set()
        for company in self.served:
            invoices = [
                invoice
                for invoice in self.dealings.invoices.get(company.organisation, ())
                if midnight(invoice.on) > company.created_at + timedelta(days=3)
                and invoice.net >= _DEAL_FROM
                and invoice.number not in won
            ]
            for invoice in rng.sample(invoices, min(len(invoices), rng.choice((0, 1, 1, 2, 3)))):
                won.add(invoice.number)
                yield self.won(company, invoice)
            if rng.random() < 0.3:
                article, pieces = rng.choice(self.appliances), rng.randrange(1, 5)
                opened = office_moment(rng, company.created_at, END - timedelta(hours=2))
                closed = office_moment(rng, opened, min(opened + timedelta(days=75), END))
                yield self.deal(
                    company,
                    title=f"{article.product_name} ({pieces} Stück)",
                    amount=article.unit_price * pieces,
                    opened_at=opened,
                    closed_at=closed,
                    status="lost",
                    lost_reason=rng.choice(LOST_REASONS),
                )
            if rng.random() < 0.25:
                article, pieces = rng.choice(self.appliances), rng.randrange(1, 5)
                after = max(company.created_at, END - timedelta(days=150))
                yield self.deal(
                    company,
                    title=f"{article.product_name} ({pieces} Stück)",
                    amount=article.unit_price * pieces,
                    opened_at=office_moment(rng, after, END - timedelta(hours=1)),
                    # Some plans are older than today and nobody looked after them.
                    expected_close_on=AS_OF + timedelta(days=rng.randrange(-20, 120)),
                )

    def won(self, company: CrmCompany, invoice: Invoice) -> CrmDeal:
        largest = max(invoice.lines, key=lambda line: line.net_amount)
        ordered = midnight(invoice.on)
        opened = office_moment(
            self.rng, max(company.created_at, ordered - timedelta(days=120)), ordered
        )
        return self.deal(
            company,
            title=f"{largest.product_name} für {self.names[company.organisation]}",
            amount=invoice.net,
            opened_at=opened,
            closed_at=office_moment(self.rng, opened, ordered + timedelta(hours=8)),
            status="won",
            order_number=invoice.number,
        )

    def deal(
        self,
        company: CrmCompany,
        *,
        title: str,
        amount: Decimal,
        opened_at: datetime,
        closed_at: datetime | None = None,
        status: str = "open",
        expected_close_on: date | None = None,
        lost_reason: str | None = None,
        order_number: str | None = None,
    ) -> CrmDeal:
        rng = self.rng
        is_in_francs = company.country == "CH" and rng.random() < 0.5
        touched = closed_at or opened_at
        return CrmDeal(
            id=0,
            company_id=company.id,
            contact_id=self.someone(company, opened_at),
            title=title,
            amount=(amount * _CHF_PER_EUR if is_in_francs else amount).quantize(Decimal("0.01")),
            currency="CHF" if is_in_francs else "EUR",
            status=status,
            stage={"won": "Gewonnen", "lost": "Verloren"}.get(status) or rng.choice(_STAGES),
            opened_at=opened_at,
            closed_at=closed_at,
            expected_close_on=expected_close_on,
            lost_reason=lost_reason,
            origin=rng.choice(_ORIGINS),
            owner_id=company.owner_id,
            updated_at=office_moment(rng, touched, min(touched + timedelta(days=20), END)),
            order_number=order_number,
        )

    def someone(self, company: CrmCompany, at: datetime) -> int | None:
        known = [contact.id for contact in self.staff[company.id] if contact.created_at <= at]
        return self.rng.choice(known) if known and self.rng.random() < 0.8 else None

    def notes(self) -> list[CrmNote]:
        drafts = self.occasions(_NOTES_A_COMPANY)
        ids = record_ids(self.system, self.rng)
        notes = []
        for at, company in drafts:
            contact = self.rng.choice(self.staff[company.id] or [None])
            notes.append(
                CrmNote(
                    id=next(ids),
                    company_id=company.id,
                    contact_id=contact and contact.id,
                    deal_id=self.rng.choice([None, *self.opened[company.id]]),
                    at=at,
                    text=self.conversation(company, contact, at),
                    owner_id=company.owner_id,
                    updated_at=office_moment(self.rng, at, min(at + timedelta(days=9), END)),
                )
            )
        return notes

    def conversation(self, company: CrmCompany, contact: CrmContact | None, at: datetime) -> str:
        spoken = self.language[contact.person] if contact else "de"
        # Most sales people note in German whatever was spoken.
        language = spoken if self.rng.random() < 0.5 else "de"
        person = company.name.strip()
        if contact:
            person = f"{contact.salutation} {contact.last_name}".strip()
        return composed(
            self.rng,
            NOTES[language],
            person=person,
            house=company.name.strip(),
            town=company.city,
            product=self.rng.choice(self.appliances).product_name,
            day=written_day(at.date(), language),
        )

    def activities(self) -> list[CrmActivity]:
        ids = record_ids(self.system, self.rng)
        activities = []
        for at, company in self.occasions(_ACTIVITIES_A_COMPANY):
            kind = self.rng.choice(tuple(ACTIVITY_SUBJECTS))
            due = at + timedelta(days=self.rng.randrange(1, 30), hours=1)
            # What is due after today cannot be done yet; one in ten of the others never was.
            is_done = due < END - timedelta(days=1) and self.rng.random() < 0.9
            done = office_moment(self.rng, at, due + timedelta(days=1)) if is_done else None
            activities.append(
                CrmActivity(
                    id=next(ids),
                    kind=kind,
                    subject=composed(
                        self.rng,
                        (ACTIVITY_SUBJECTS[kind],),
                        product=self.rng.choice(self.appliances).product_name,
                        house=company.name.strip(),
                        town=company.city,
                    ),
                    company_id=company.id,
                    contact_id=self.someone(company, at),
                    deal_id=self.rng.choice([None, *self.opened[company.id]]),
                    due_at=due,
                    done_at=done,
                    owner_id=company.owner_id,
                    created_at=at,
                    updated_at=done or at,
                )
            )
        return activities

    def occasions(self, shares: tuple[float, ...]) -> list[tuple[datetime, CrmCompany]]:
        """When something happened with whom, in order; as many times a company as shares say."""
        happened = [
            (office_moment(self.rng, company.created_at, END - timedelta(hours=1)), company)
            for company in self.served
            for _ in range(self.rng.choices(range(len(shares)), shares)[0])
        ]
        return sorted(happened, key=lambda occasion: occasion[0])
