"""Who is really behind every record of an organisation or a person, whichever system holds it.

Records are named as the warehouse names them: by source and by the record's id there. What no pull
delivers is left out: deleted records, records that Pipedrive merged away, the spoilt rows of lists.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from sources.demo import datev_files, lexware_office_server, mailchimp_server
from sources.demo.crm_records import still_there
from sources.demo.relations import Relations, draw_relations
from sources.demo.world import Person, World

Record = tuple[str, str]


@dataclass(frozen=True)
class Truth:
    """The real organisation and the real human behind every (source, record_id).

    organisations: record of an organisation → its number ("10054", "L0001"); DATEV's account of
    counter sales is nobody's and stands for itself. people: record of a person → the human, whose
    number is `Person.same_human`; strangers have numbers beyond all person_ids, one an e-mail
    address. employers: the same records → number of the organisation the record is about, None for
    strangers. A private customer of Lexware Office and DATEV is in all three: customer and human.
    """

    organisations: Mapping[Record, str]
    people: Mapping[Record, int]
    employers: Mapping[Record, str | None]


def records_truth(world: World) -> Truth:
    """The truth about all records of this world's systems."""
    relations = draw_relations(world)
    register = _Register({person.person_id: person for person in world.people})
    _enter_crm(register, relations)
    _enter_accounting(register, world)
    _enter_newsletters(register, relations)
    for form in world.registrations:
        register.enter("product_registrations", form.registration_id, form.person, form.email)
    for one in world.declarations:
        register.enter("consent_forms", one.declaration_id, one.person)
    return Truth(register.organisations, register.people, register.employers)


@dataclass
class _Register:
    """What is found out so far; strangers are numbered by their e-mail address."""

    known: Mapping[int, Person]
    organisations: dict[Record, str] = field(default_factory=dict)
    people: dict[Record, int] = field(default_factory=dict)
    employers: dict[Record, str | None] = field(default_factory=dict)
    strangers: dict[str, int] = field(default_factory=dict)

    def enter(self, source: str, record_id: str, person_id: int | None, email: str = "") -> None:
        """Enter a person's record; who has no person_id is known by the e-mail address alone."""
        record = source, record_id
        if person_id is None:
            beyond = max(self.known) + 1 + len(self.strangers)
            self.people[record] = self.strangers.setdefault(email.lower(), beyond)
            self.employers[record] = None
        else:
            person = self.known[person_id]
            self.people[record] = person.same_human
            self.employers[record] = person.organisation


def _enter_crm(register: _Register, relations: Relations) -> None:
    for system, crm in relations.crm.items():
        companies, contacts = still_there(crm.companies), still_there(crm.contacts)
        if system == "hubspot":
            # There a record that lives on names those merged into it.
            companies += [one for one in crm.companies if one.merged_into is not None]
            contacts += [one for one in crm.contacts if one.merged_into is not None]
        for company in companies:
            register.organisations[system, str(company.id)] = company.organisation
        for contact in contacts:
            register.enter(system, str(contact.id), contact.person)


def _enter_accounting(register: _Register, world: World) -> None:
    """Customers in the sales list, in Lexware Office (with their staff) and in DATEV."""
    customers = {one.number: one for one in world.organisations if one.number.isdigit()}
    for number in customers:
        register.organisations["sales_list", number.lower()] = number
        contact = lexware_office_server.id_of("contact", number)
        register.organisations["lexware_office", contact] = number
        register.organisations["datev", number] = number
    account = datev_files.COUNTER_SALES
    register.organisations["datev", account] = account
    # Two of one name and mailbox in one company would be one record: that of the first.
    for person in reversed(world.people):
        customer = customers.get(person.organisation)
        if customer is None:
            continue
        contact = lexware_office_server.id_of("contact", customer.number)
        if customer.kind == "private":
            register.enter("lexware_office", contact, person.person_id)
            register.enter("datev", customer.number, person.person_id)
        else:
            place = f"{contact}:{_person_hash(person)}"
            register.enter("lexware_office", place, person.person_id)


def _person_hash(person: Person) -> str:
    """Persons have no id in Lexware Office: the warehouse names them by what stands there."""
    written = (person.first_name, person.last_name, (person.email or "").lower())
    return hashlib.md5("|".join(written).encode(), usedforsecurity=False).hexdigest()[:16]


def _enter_newsletters(register: _Register, relations: Relations) -> None:
    for one in relations.subscribers:
        record_id = email = one.email.lower()
        if one.system == "mailchimp":
            member = hashlib.md5(email.encode(), usedforsecurity=False).hexdigest()
            record_id = f"{mailchimp_server.LIST}:{member}"
        register.enter(one.system, record_id, one.person, email)
