"""Companies and contacts as sales people typed them into a CRM: twice, misspelt, out of date.

What was agreed and talked about with them is in `crm_history`.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TypeVar

from sources.demo.crm_records import CrmCompany, CrmContact, record_ids
from sources.demo.office_hours import END, midnight, office_moment
from sources.demo.spelling import (
    PHONE_SPELLINGS,
    has_umlaut,
    is_role_mailbox,
    mistyped,
    printed_phone,
    without_legal_form,
    without_umlauts,
)
from sources.demo.spoiling import Spoiling
from sources.demo.world import Organisation, Person, World

_STARTED_ON = {"hubspot": date(2022, 3, 1), "pipedrive": date(2021, 6, 7)}
_MASS_EDIT = datetime(2025, 3, 17, 9, 30, tzinfo=UTC)
_LATE_BY = timedelta(hours=1)
# What is deleted was there for some pulls at least.
_TIME_TO_SEE = timedelta(days=3)
# Nothing is entered so late that nobody could change it any more.
_LAST_ENTRY = END - timedelta(hours=12)

_Party = TypeVar("_Party", CrmCompany, CrmContact)


def draw_parties(
    system: str, world: World, outdated: set[str], rng: Random, truth: Counter[str]
) -> tuple[list[CrmCompany], list[CrmContact]]:
    """Companies and contacts of one system by id; the defects in them are counted in truth.

    outdated holds the numbers of the organisations known there by the address they left.
    """
    register = _Register(system, world, outdated, rng, truth)
    companies = register.companies()
    return companies, register.contacts(companies)


class _Register:
    """Who is in one CRM."""

    def __init__(
        self, system: str, world: World, outdated: set[str], rng: Random, truth: Counter[str]
    ) -> None:
        self.system, self.outdated, self.rng, self.truth = system, outdated, rng, truth
        self.organisations = {
            organisation.number: organisation
            for organisation in world.organisations
            if getattr(organisation, f"in_{system}")
        }
        self.people = defaultdict(list)
        for person in world.people:
            self.people[person.organisation].append(person)

    def entered(self, after: datetime) -> datetime:
        """When somebody typed a record in; most of what is older came with the first import."""
        started = midnight(_STARTED_ON[self.system]) + timedelta(hours=8)
        if after < started:
            return started + timedelta(seconds=self.rng.randrange(3_600))
        return office_moment(self.rng, after, min(after + timedelta(days=45), _LAST_ENTRY))

    def companies(self) -> list[CrmCompany]:
        rng = self.rng
        drafts = [
            (self.entered(midnight(organisation.known_since)), organisation, "only")
            for organisation in self.organisations.values()
        ]
        twice = rng.sample(drafts, round(0.07 * len(drafts)) + 3)
        merged = len(twice) // 3
        for position, (entered, organisation, _) in enumerate(twice):
            again = office_moment(rng, entered, _LAST_ENTRY)
            drafts.append((again, organisation, "merged" if position < merged else "duplicate"))
        self.truth.update(merged_company=merged, duplicate_company=len(twice) - merged)

        companies = []
        kept = {}
        ids = record_ids(self.system, self.rng)
        for entered, organisation, record in sorted(drafts, key=lambda draft: draft[0]):
            company = self.company(next(ids), organisation, entered)
            if record == "only":
                kept[organisation.number] = company.id
            else:
                company = self.respelt(company)
            if record == "merged":
                company = replace(
                    company,
                    merged_into=kept[organisation.number],
                    updated_at=office_moment(rng, entered, END),
                )
            companies.append(company)
        self.truth["old_address"] = sum(one.organisation in self.outdated for one in companies)
        self.truth["national_phone"] = _national_phones(companies)

        _edit_many_at_once(companies, rng)
        fixed = {organisation.number for _, organisation, _ in twice}
        defects = Spoiling(companies, rng, self.truth)
        defects.spoil(
            "deleted_company",
            0.02,
            lambda company: replace(
                company, deleted_at=office_moment(rng, company.updated_at + _TIME_TO_SEE, END)
            ),
            # A duplicate would carry on, and nothing would be gone.
            lambda company: (
                company.organisation not in fixed and company.updated_at < END - 2 * _TIME_TO_SEE
            ),
        )
        for defect, share in {
            "company_umlaut_variant": 0.1,
            "company_legal_form_left_out": 0.08,
            "company_typo": 0.04,
            "company_trailing_blank": 0.03,
        }.items():
            defects.spoil(
                defect,
                share,
                lambda company, defect=defect: self.misspelt(company, defect),
                lambda company, defect=defect: (
                    company.name == self.true_name(company)
                    and self.can_be_misspelt(company, defect)
                ),
            )
        defects.spoil(
            "vat_id_with_blanks",
            0.02,
            lambda company: replace(
                company, vat_id=f"{company.vat_id[:3]} {company.vat_id[3:6]} {company.vat_id[6:]}"
            ),
            lambda company: company.vat_id is not None,
        )
        self.arrive_late(defects, companies, "late_company", 0.015)
        return companies

    def company(self, record_id: int, organisation: Organisation, entered: datetime) -> CrmCompany:
        rng = self.rng
        address = organisation
        if organisation.number in self.outdated:
            address = organisation.previous_address
        domain = None
        if organisation.kind != "private" and rng.random() < 0.88:
            site = (organisation.website or "").removeprefix("https://").removeprefix("www.")
            domain = site or (organisation.email or "").partition("@")[2] or None
        return CrmCompany(
            id=record_id,
            organisation=organisation.number,
            name=organisation.name,
            street=address.street,
            postcode=address.postcode,
            city=address.city,
            country=organisation.country,
            domain=domain,
            phone=self.phone(organisation.phone, missing=0.1),
            vat_id=organisation.vat_id if rng.random() < 0.6 else None,
            acquisition=organisation.acquisition,
            owner_id=organisation.owner_id,
            created_at=entered,
            updated_at=office_moment(rng, entered, END),
        )

    def true_name(self, company: CrmCompany) -> str:
        return self.organisations[company.organisation].name

    def can_be_misspelt(self, company: CrmCompany, defect: str) -> bool:
        if defect == "company_umlaut_variant":
            return has_umlaut(company.name)
        if defect == "company_legal_form_left_out":
            return without_legal_form(company.name) != company.name
        return True

    def misspelt(self, company: CrmCompany, defect: str) -> CrmCompany:
        name = company.name
        if defect == "company_umlaut_variant":
            name = without_umlauts(self.rng, name)
        elif defect == "company_legal_form_left_out":
            name = without_legal_form(name)
        elif defect == "company_typo":
            name = mistyped(self.rng, name)
        else:
            name += self.rng.choice((" ", "  "))
        return replace(company, name=name)

    def respelt(self, company: CrmCompany) -> CrmCompany:
        """Who enters a company twice hardly ever spells it the same way."""
        defects = ("company_umlaut_variant", "company_legal_form_left_out", "company_typo")
        defect = self.rng.choice(
            [defect for defect in defects if self.can_be_misspelt(company, defect)]
        )
        if self.rng.random() < 0.3:
            return company
        self.truth[defect] += 1
        return self.misspelt(company, defect)

    def phone(self, number: str | None, missing: float) -> str | None:
        spelling = self.rng.randrange(PHONE_SPELLINGS)
        return None if self.rng.random() < missing else printed_phone(number, spelling)

    def contacts(self, companies: list[CrmCompany]) -> list[CrmContact]:
        rng = self.rng
        second = {}
        first = {}
        for company in companies:
            if company.merged_into is None:
                (second if company.organisation in first else first)[company.organisation] = company
        drafts = []
        for number, company in first.items():
            for person in self.people[number]:
                if rng.random() < 0.85:
                    entered = company.created_at + timedelta(minutes=rng.randrange(1, 20))
                    if company.deleted_at is None and rng.random() < 0.4:
                        entered = office_moment(rng, company.created_at, _LAST_ENTRY)
                    drafts.append((entered, person, company, "only"))
        again = rng.sample(
            [draft for draft in drafts if draft[2].deleted_at is None],
            round(0.06 * len(drafts)) + 4,
        )
        merged = len(again) // 4
        for position, (entered, person, company, _) in enumerate(again):
            drafts.append(
                (
                    office_moment(rng, entered, _LAST_ENTRY),
                    person,
                    second.get(person.organisation, company),
                    "merged" if position < merged else "duplicate",
                )
            )
        self.truth.update(merged_contact=merged, duplicate_contact=len(again) - merged)

        contacts = []
        kept = {}
        ids = record_ids(self.system, self.rng)
        for entered, person, company, record in sorted(drafts, key=lambda draft: draft[0]):
            contact = self.contact(next(ids), person, company, entered)
            if record == "only":
                kept[person.person_id] = contact.id
            elif record == "merged":
                contact = replace(contact, merged_into=kept[person.person_id])
            contacts.append(contact)

        _edit_many_at_once(contacts, rng)
        gone = {company.id for company in companies if company.deleted_at}
        self.truth["deleted_contact"] = sum(contact.company_id in gone for contact in contacts)
        self.spoil_contacts(contacts, {person.person_id for _, person, _, _ in again})
        self.truth["shared_mailbox"] = sum(is_role_mailbox(contact.email) for contact in contacts)
        self.truth["national_phone"] += _national_phones(contacts)
        return contacts

    def spoil_contacts(self, contacts: list[CrmContact], entered_twice: set[int]) -> None:
        rng = self.rng
        defects = Spoiling(contacts, rng, self.truth)
        defects.spoil(
            "deleted_contact",
            0.02,
            lambda contact: replace(
                contact, deleted_at=office_moment(rng, contact.updated_at + _TIME_TO_SEE, END)
            ),
            lambda contact: (
                contact.deleted_at is None
                and contact.person not in entered_twice
                and contact.updated_at < END - 2 * _TIME_TO_SEE
            ),
        )
        for defect, share, change, fits in (
            (
                "contact_umlaut_variant",
                0.07,
                lambda contact: replace(contact, last_name=without_umlauts(rng, contact.last_name)),
                lambda contact: has_umlaut(contact.last_name),
            ),
            (
                "contact_typo",
                0.03,
                lambda contact: replace(contact, last_name=mistyped(rng, contact.last_name)),
                lambda contact: True,
            ),
            (
                "contact_trailing_blank",
                0.035,
                lambda contact: replace(
                    contact, last_name=f"{contact.last_name} ", email=f"{contact.email}  "
                ),
                lambda contact: contact.email is not None,
            ),
            (
                "email_in_capitals",
                0.045,
                lambda contact: replace(contact, email=contact.email.upper()),
                lambda contact: contact.email is not None,
            ),
            (
                "email_without_at",
                0.01,
                lambda contact: replace(contact, email=contact.email.replace("@", "(at)")),
                lambda contact: contact.email is not None,
            ),
            (
                "birthday_1900",
                0.025,
                lambda contact: replace(contact, birthday=date(1900, 1, 1)),
                lambda contact: True,
            ),
            (
                "objected",
                0.02,
                lambda contact: replace(
                    contact, objected_at=office_moment(rng, contact.created_at, contact.updated_at)
                ),
                lambda contact: contact.deleted_at is None and contact.merged_into is None,
            ),
        ):
            defects.spoil(defect, share, change, fits)
        self.arrive_late(defects, contacts, "late_contact", 0.012)

    def contact(
        self, record_id: int, person: Person, company: CrmCompany, entered: datetime
    ) -> CrmContact:
        rng = self.rng
        email = person.email
        if rng.random() < 0.05:
            email = self.organisations[person.organisation].email or email
        elif rng.random() < 0.06:
            email = None
        last = company.deleted_at or END
        return CrmContact(
            id=record_id,
            person=person.person_id,
            company_id=company.id,
            salutation=person.salutation,
            first_name=person.first_name,
            last_name=person.last_name,
            email=email,
            phone=self.phone(person.phone, missing=0.2),
            mobile=self.phone(person.mobile, missing=0.3),
            role=person.role if person.role and rng.random() < 0.8 else None,
            birthday=person.birthday if rng.random() < 0.5 else None,
            owner_id=company.owner_id,
            created_at=entered,
            updated_at=office_moment(rng, entered, last),
            deleted_at=company.deleted_at,
        )

    def arrive_late(
        self, defects: Spoiling, records: list[_Party], defect: str, share: float
    ) -> None:
        """Records written offline, months before they got their number: older than their number."""
        written = {
            record.id: records[place // 2].created_at
            for place, record in enumerate(records)
            if place > 0.75 * len(records)
        }
        defects.spoil(
            defect,
            share,
            lambda record: replace(
                record,
                created_at=written[record.id],
                updated_at=written[record.id] + _LATE_BY,
            ),
            lambda record: (
                record.id in written and record.deleted_at is None and record.merged_into is None
            ),
        )


def _national_phones(records: Sequence[CrmCompany | CrmContact]) -> int:
    return sum(
        phone.startswith("(") or (phone.startswith("0") and not phone.startswith("00"))
        for record in records
        for phone in (record.phone, getattr(record, "mobile", None))
        if phone
    )


def _edit_many_at_once(records: list[_Party], rng: Random) -> None:
    """One import touched more records than a page holds, all at the same moment."""
    older = [
        place
        for place, record in enumerate(records)
        if record.updated_at < _MASS_EDIT
        and record.created_at < _MASS_EDIT
        and record.deleted_at is None
        and record.merged_into is None
    ]
    for place in rng.sample(older, len(older) // 2):
        records[place] = replace(records[place], updated_at=_MASS_EDIT)
