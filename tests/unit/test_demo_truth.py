"""What the truth about the demo company promises: every record of each system, and no other.

Records are counted where the systems show them, in servers' books and written files; ids the
warehouse makes up are made anew by DuckDB. Whose a record is, the books' own truths tell again.
"""

import csv
from collections import defaultdict

import duckdb
import pytest

from sources.demo import (
    hubspot_server,
    lexware_office_server,
    mailchimp_server,
    pipedrive_server,
)
from sources.demo.company import SALES_LIST, write_sales_list
from sources.demo.datev_files import DEBTORS, write_datev_files
from sources.demo.dropped_files import write_dropped_file
from sources.demo.relations import draw_relations
from sources.demo.truth import Truth, records_truth
from sources.demo.world import draw_world

SMALL = 200
WORLD = draw_world(customers=SMALL)
RELATIONS = draw_relations(WORLD)
TRUTH = records_truth(WORLD)
ORGANISATIONS = {organisation.number: organisation for organisation in WORLD.organisations}
PEOPLE = {person.person_id: person for person in WORLD.people}
COUNTER_SALES = "69000"
ACCOUNTING = ("sales_list", "lexware_office", "datev")
LISTS = ("mailchimp", "rapidmail", "product_registrations")
SOURCES = ("hubspot", "pipedrive", *ACCOUNTING[1:], *LISTS, "consent_forms")

each_source = pytest.mark.parametrize("source", SOURCES)


def of(source, mapping):
    """Record id → value of one source."""
    return {record_id: value for (name, record_id), value in mapping.items() if name == source}


def human(person_id):
    return PEOPLE[person_id].same_human


def written(folder, source, delimiter, encoding="utf-8-sig"):
    """The sound rows of a dropped list."""
    told = write_dropped_file(folder, source, WORLD, RELATIONS)
    with (folder / told.file).open(encoding=encoding, newline="") as file:
        rows = list(csv.DictReader(file, delimiter=delimiter))
    spoilt = {place for places in told.defects.values() for place in places}
    assert spoilt
    return [row for place, row in enumerate(rows, start=2) if place not in spoilt]


@pytest.fixture(scope="module")
def hubspot():
    return hubspot_server.books(WORLD, RELATIONS)


@pytest.fixture(scope="module")
def lexware_office():
    return lexware_office_server.books(WORLD)


def test_hubspot_has_the_records_of_its_books_and_those_merged_into_them(hubspot):
    for kind, mapping, told in (
        ("companies", TRUTH.organisations, hubspot.customers["companies"]),
        ("contacts", TRUTH.people, {one: human(two) for one, two in hubspot.people.items()}),
    ):
        standing = {
            record["id"]: (record["properties"]["hs_merged_object_ids"] or "").split(";")
            for record in hubspot.records[kind].values()
            if not record["archived"]
        }
        merged = {old: new for new, many in standing.items() for old in many if old}
        found = of("hubspot", mapping)
        assert (
            len(merged)
            == RELATIONS.truth["hubspot"][
                {"companies": "merged_company", "contacts": "merged_contact"}[kind]
            ]
        )
        assert found.keys() == standing.keys() | merged.keys()
        assert len(found) == len(standing) + len(merged)
        assert all(found[record_id] == told[record_id] for record_id in standing)
        assert all(found[old] == found[new] for old, new in merged.items())


def test_pipedrive_has_the_records_of_its_books_and_nothing_it_merged_away():
    books = pipedrive_server.books(WORLD, RELATIONS)
    assert of("pipedrive", TRUTH.organisations) == {
        str(record_id): books.customers[record_id] for record_id in books.organizations
    }
    assert of("pipedrive", TRUTH.people) == {
        str(record_id): human(books.people[record_id]) for record_id in books.persons
    }


def test_lexware_office_has_companies_their_staff_and_private_persons(lexware_office):
    customers, people, employers = {}, {}, {}
    # As the warehouse names contact persons.
    named = "select left(md5(concat_ws('|', $1, $2, lower($3))), 16)"
    for contact in lexware_office.contacts.values():
        number = lexware_office.truth[contact["id"]]
        staff = [one for one in WORLD.people if one.organisation == number]
        customers[contact["id"]] = number
        if "company" not in contact:
            people[contact["id"]] = staff[0].same_human
            employers[contact["id"]] = number
            continue
        shown = contact["company"]["contactPersons"]
        for person, record in zip(staff, shown, strict=True):
            texts = [record.get(name, "") for name in ("firstName", "lastName", "emailAddress")]
            (hashed,) = duckdb.execute(named, texts).fetchone()
            people[f"{contact['id']}:{hashed}"] = person.same_human
            employers[f"{contact['id']}:{hashed}"] = number
    assert of("lexware_office", TRUTH.organisations) == customers
    assert of("lexware_office", TRUTH.people) == people
    assert of("lexware_office", TRUTH.employers) == employers


def test_datev_has_the_debtors_of_its_file_and_no_creditor(tmp_path):
    write_datev_files(tmp_path, WORLD)
    with (tmp_path / DEBTORS).open(encoding="cp1252", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))[2:]
    debtors = [row for row in rows if row[0] < "7"]
    natural = {row[0]: (row[4], row[3]) for row in debtors if row[6] == "1"}
    accounts = {row[0] for row in debtors}
    assert len(accounts) == len(debtors) == len(rows) - 2 and natural
    assert of("datev", TRUTH.organisations) == {account: account for account in accounts}
    assert COUNTER_SALES in accounts and COUNTER_SALES not in ORGANISATIONS
    found = of("datev", TRUTH.people)
    assert {
        account: (PEOPLE[who].first_name, PEOPLE[who].last_name) for account, who in found.items()
    } == natural


def test_the_sales_list_has_every_customer_under_its_number_private_ones_too(tmp_path):
    write_sales_list(tmp_path, customers=SMALL)
    with (tmp_path / SALES_LIST).open(encoding="cp1252", newline="") as file:
        numbers = {row["Kundennummer"] for row in csv.DictReader(file, delimiter=";")} - {""}
    assert of("sales_list", TRUTH.organisations) == {number: number for number in numbers}
    assert any(ORGANISATIONS[number].kind == "private" for number in numbers)
    assert not of("sales_list", TRUTH.people)


def test_mailchimp_has_the_members_of_its_books_with_the_list_in_their_id():
    books = mailchimp_server.books(WORLD, RELATIONS)
    people, employers = of("mailchimp", TRUTH.people), of("mailchimp", TRUTH.employers)
    assert people.keys() == {f"{list_id}:{member}" for list_id, member in books.members}
    strangers = 0
    for list_id, member in books.members:
        organisation, person = books.truth[member]
        record = f"{list_id}:{member}"
        assert employers[record] == organisation
        strangers += person is None
        assert people[record] not in PEOPLE if person is None else people[record] == human(person)
    assert strangers > 0


def test_rapidmail_has_the_addresses_of_its_list_in_lower_case(tmp_path):
    rows = written(tmp_path, "rapidmail", ";")
    people, employers = of("rapidmail", TRUTH.people), of("rapidmail", TRUTH.employers)
    assert people.keys() == {row["email"].lower() for row in rows}
    assert any(row["email"].isupper() for row in rows)
    for row in rows:
        email = row["email"].lower()
        if employers[email] is None:
            assert row["Firma"] == ""
            continue
        (person,) = (
            one
            for one in WORLD.people
            if (one.same_human, one.organisation) == (people[email], employers[email])
        )
        assert person.email.lower() == email
        assert row["lastname"] == person.last_name
        # The same mailbox may be another person's, too: the name on the list decides.
        assert row["firstname"] in ("", person.first_name)
        assert row["Firma"] in ("", ORGANISATIONS[person.organisation].name)


def test_a_registration_belongs_to_who_is_named_in_it_and_works_for_who_is_numbered(tmp_path):
    rows = written(tmp_path, "product_registrations", ",")
    people = of("product_registrations", TRUTH.people)
    employers = of("product_registrations", TRUTH.employers)
    assert people.keys() == {row["id"] for row in rows}
    mailboxes = {one.email for one in (*WORLD.people, *WORLD.organisations) if one.email}
    known = 0
    for row in rows:
        name = (row["first name"], row["last name"])
        employer = employers[row["id"]]
        if employer is None:
            assert row["customer id"] == row["company"] == ""
            assert row["email"] not in mailboxes
            continue
        (person,) = (
            one
            for one in WORLD.people
            if (one.same_human, one.organisation) == (people[row["id"]], employer)
        )
        known += 1
        assert (person.first_name, person.last_name) == name
        assert row["customer id"] in ("", employer)
        assert row["company"] in ("", ORGANISATIONS[employer].name)
        if person.email:
            assert row["email"] == person.email
        elif ORGANISATIONS[employer].email:
            assert row["email"] == ORGANISATIONS[employer].email
    assert 0 < known < len(rows)


def test_a_consent_form_belongs_to_who_is_named_in_it_and_nobody_is_a_stranger(tmp_path):
    rows = written(tmp_path, "consent_forms", "\t", "cp1252")
    people, employers = of("consent_forms", TRUTH.people), of("consent_forms", TRUTH.employers)
    assert people.keys() == {row["Formular-Nr."] for row in rows}
    for row in rows:
        number = row["Formular-Nr."]
        (person,) = (
            one
            for one in WORLD.people
            if (one.same_human, one.organisation) == (people[number], employers[number])
        )
        assert (row["Vorname"], row["Nachname"]) == (person.first_name, person.last_name)
        assert row["Kunden-Nr."] in ("", person.organisation)
        assert row["Firma"] in ("", ORGANISATIONS[person.organisation].name)
        if row["Kanal"] == "email":
            assert row["Kontakt"] == person.email


@each_source
def test_every_record_belongs_to_an_organisation_or_a_human_there_is(source):
    numbers = set(of(source, TRUTH.organisations).values())
    assert numbers <= ORGANISATIONS.keys() | ({COUNTER_SALES} if source == "datev" else set())
    people, employers = of(source, TRUTH.people), of(source, TRUTH.employers)
    assert people and people.keys() == employers.keys()
    jobs = {(one.same_human, one.organisation) for one in WORLD.people}
    for record_id, who in people.items():
        if employers[record_id] is None:
            assert source in LISTS and who > max(PEOPLE)
        else:
            assert (who, employers[record_id]) in jobs


def test_every_source_of_organisations_is_there_and_no_other_source():
    assert {source for source, _ in TRUTH.organisations} == {"hubspot", "pipedrive", *ACCOUNTING}
    assert {source for source, _ in TRUTH.people} == set(SOURCES)


def test_people_with_two_jobs_are_one_human_with_two_employers():
    second = [one for one in WORLD.people if one.same_human != one.person_id]
    employers = defaultdict(set)
    for record, who in TRUTH.people.items():
        employers[who].add(TRUTH.employers[record])
    assert second
    for person in second:
        first = PEOPLE[person.same_human]
        assert employers[first.person_id] == {first.organisation, person.organisation}
        assert person.person_id not in employers
    both = {who for who, where in employers.items() if len(where) > 1}
    assert both == {person.same_human for person in second}


def test_a_private_customer_is_an_organisation_by_its_number_and_a_human_by_its_name():
    private = [one for one in WORLD.people if ORGANISATIONS[one.organisation].kind == "private"]
    contacts = {
        person.organisation: lexware_office_server.id_of("contact", person.organisation)
        for person in private
    }
    assert private
    for person in private:
        number = person.organisation
        assert TRUTH.organisations["sales_list", number] == number
        for record in (("lexware_office", contacts[number]), ("datev", number)):
            assert TRUTH.organisations[record] == number
            assert TRUTH.people[record] == person.same_human
            assert TRUTH.employers[record] == number


def strangers_of(truth: Truth):
    """Human → records of whoever belongs to nobody known."""
    found = defaultdict(set)
    for record, who in truth.people.items():
        if truth.employers[record] is None:
            found[who].add(record)
    return found


def test_strangers_are_alone_whatever_their_name_and_have_one_number_an_address():
    # Strangers on both lists are too rare in a small company.
    world = draw_world(customers=600)
    truth = records_truth(world)
    written_by = defaultdict(set)
    for one in draw_relations(world).subscribers:
        if one.person is None:
            email = one.email.lower()
            (md5,) = duckdb.execute("select md5($1)", [email]).fetchone()
            written_by[email].add(
                (one.system, email if one.system == "rapidmail" else f"c0ffee0001:{md5}")
            )
    for form in world.registrations:
        if form.person is None:
            written_by[form.email].add(("product_registrations", form.registration_id))
    strangers = strangers_of(truth)
    assert sorted(map(sorted, strangers.values())) == sorted(map(sorted, written_by.values()))
    assert any(len(records) > 1 for records in strangers.values())
    assert min(strangers) > max(person.person_id for person in world.people)
    known = {who for record, who in truth.people.items() if truth.employers[record]}
    assert not known & strangers.keys()


def test_a_shared_mailbox_does_not_make_one_human_of_those_who_read_it():
    readers = defaultdict(set)
    for person in WORLD.people:
        if person.email and person.email == ORGANISATIONS[person.organisation].email:
            readers[person.organisation].add(person.same_human)
    shared = {number: who for number, who in readers.items() if len(who) > 1 and number[0] != "L"}
    assert shared
    for number, who in shared.items():
        staff = {
            TRUTH.people[record]
            for record, employer in TRUTH.employers.items()
            if record[0] == "lexware_office" and employer == number
        }
        assert who <= staff


def test_the_truth_is_the_same_however_often_it_is_asked_for():
    again = records_truth(WORLD)
    assert again == TRUTH and again.people is not TRUTH.people
