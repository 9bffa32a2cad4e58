"""What the demo company's world promises: one truth, the same everywhere, as the books have it.

The sales list is read with the csv module, money is computed anew with Decimal, and check digits
by another rule than the generator's.
"""

import csv
import hashlib
import itertools
import os
import re
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sources.demo.company import AS_OF, DAYS, FIRST_DAY, HEADER, SALES_LIST, write_sales_list
from sources.demo.consent_lists import TEXT_VERSIONS
from sources.demo.world import World, draw_world

REPOSITORY = Path(__file__).parents[2]
SMALL = 200
MIDNIGHT = datetime(2025, 12, 31, 23, tzinfo=UTC)  # of AS_OF in Berlin
FILM_LINES = r"\+49(3023125|6990009|4066969|2214710|8999998)"
FILM_MOBILES = r"\+49(176040690|17139200)\d\d"


@pytest.fixture(scope="module")
def world() -> World:
    return draw_world(customers=SMALL)


@pytest.fixture(scope="module")
def large() -> World:
    """The company of the default size, for what is too rare among 200 customers."""
    return draw_world()


@pytest.fixture(scope="module")
def documents(world):
    return list(world.invoices(FIRST_DAY, AS_OF))


@pytest.fixture(scope="module")
def invoices(documents):
    return {document.number: document for document in documents if not document.is_credit_note}


@pytest.fixture(scope="module")
def notes(documents):
    return [document for document in documents if document.is_credit_note]


@pytest.fixture(scope="module")
def sales_list(tmp_path_factory):
    """The truth about the sales list, and its rows (fields by row number; the header is row 1)."""
    folder = tmp_path_factory.mktemp("demo")
    truth = write_sales_list(folder, customers=SMALL)
    with (folder / SALES_LIST).open(encoding="cp1252", newline="") as file:
        rows = list(csv.reader(file, delimiter=";", strict=True))
    return truth, dict(enumerate(rows, start=1))


@pytest.fixture(scope="module")
def sound(sales_list):
    """The rows of the sales list without an injected defect, by header."""
    truth, rows = sales_list
    spoilt = {row for places in truth.defects.values() for row in places}
    return [
        dict(zip(HEADER, fields, strict=True))
        for row, fields in rows.items()
        if row > 1 and row not in spoilt
    ]


def lines_of(documents):
    return [(document, line) for document in documents for line in document.lines]


def rounded(amount):
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def digest(world):
    told = [world.organisations, world.people, world.owners, world.service_contracts,
            world.registrations, world.credit_ratings, world.social_statistics,
            world.monthly_targets, world.declarations, world.blocks, sorted(world.late_payers),
            list(world.invoices(FIRST_DAY, AS_OF))]  # fmt: skip
    return hashlib.sha256(repr(told).encode()).hexdigest()


def test_another_process_draws_the_same_world(world):
    script = (
        "from tests.unit.test_demo_world import SMALL, digest, draw_world; "
        "print(digest(draw_world(customers=SMALL)))"
    )
    odd = {"PYTHONHASHSEED": "4711", "LC_ALL": "C", "TZ": "Pacific/Kiritimati", "PYTHONUTF8": "0"}
    other = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env=os.environ | odd,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert other.stdout.strip() == digest(world)


def test_another_seed_draws_another_world(world):
    assert digest(draw_world(customers=SMALL, seed=7)) != digest(world)


def test_a_world_is_drawn_once_in_a_process(world):
    assert draw_world(customers=SMALL, seed=20_260_101) is world


@pytest.mark.parametrize("customers", [199, 20_001])
def test_a_size_the_demo_cannot_have_is_refused(customers):
    with pytest.raises(ValueError, match=rf"customers is {customers}"):
        draw_world(customers=customers)


def test_every_document_of_the_sales_list_is_there_once(documents, sales_list):
    truth, rows = sales_list
    numbers = [document.number for document in documents]

    assert len(numbers) == len(set(numbers)) == truth.invoices + truth.credit_notes
    assert set(numbers) == {fields[1] for row, fields in rows.items() if row > 1}


def test_every_sound_line_of_the_sales_list_is_a_line_of_its_document(documents, sound, sales_list):
    def read(text):
        return Decimal(text.replace(",", "."))

    listed = Counter(
        (
            line["Belegnummer"],
            datetime.strptime(line["Belegdatum"], "%d.%m.%Y").date(),
            line["Belegart"] == "Gutschrift",
            line["Kundennummer"] or None,
            line["Artikelnummer"],
            line["Artikel"],
            read(line["Menge"]),
            read(line["Einzelpreis"]),
        )
        for line in sound
    )
    drawn = Counter(
        (
            document.number,
            document.on,
            document.is_credit_note,
            document.customer,
            line.product_code,
            line.product_name,
            line.quantity,
            line.unit_price,
        )
        for document, line in lines_of(documents)
    )

    spoilt = {key: rows for key, rows in sales_list[0].defects.items() if key != "repeated line"}
    assert not listed - drawn
    assert (drawn - listed).total() == sum(len(rows) for rows in spoilt.values())


def test_the_revenue_is_the_sales_lists_apart_from_its_defects(documents, sales_list):
    truth, rows = sales_list
    spoilt = {
        (rows[row][1], rows[row][6])
        for defect, places in truth.defects.items()
        for row in places
        if defect != "repeated line"
    }
    revenue = sum(
        line.quantity * line.unit_price
        for document, line in lines_of(documents)
        if (document.number, line.product_code) not in spoilt
    )
    assert revenue == truth.net_revenue


def test_days_asked_for_one_by_one_give_all_documents_in_order(world, documents):
    firsts = [FIRST_DAY + timedelta(days=day) for day in range(0, DAYS, 13)]
    parts = [
        list(world.invoices(first, before))
        for first, before in itertools.pairwise([*firsts, AS_OF])
    ]

    assert [document for part in parts for document in part] == documents
    assert list(world.invoices(AS_OF, date(2030, 1, 1))) == []
    assert all(d.on == FIRST_DAY + timedelta(5) for d in world.invoices(
        FIRST_DAY + timedelta(5), FIRST_DAY + timedelta(6)))  # fmt: skip


def test_amounts_are_rounded_half_up_and_add_up(documents, world):
    country = {organisation.number: organisation.country for organisation in world.organisations}
    rates = {"DE": 19, "AT": 20, "CH": 0, None: 19}
    for document, line in lines_of(documents):
        assert line.net_amount == rounded(line.quantity * line.unit_price)
        assert line.tax_rate == rates[country.get(document.customer)]
        assert line.product_code.startswith(f"{line.product_group}-")
    for document in documents:
        assert document.net == sum(line.net_amount for line in document.lines)
        assert document.tax == rounded(document.net * document.lines[0].tax_rate / 100)
        assert document.gross == document.net + document.tax
        assert (document.gross < 0) == document.is_credit_note
        assert document.gross.as_tuple().exponent == -2
    assert {line.tax_rate for _, line in lines_of(documents)} == {0, 19, 20}
    assert {line.unit for _, line in lines_of(documents)} == {"Stück", "Stunde", "Pauschale"}


def test_a_credit_note_undoes_lines_of_an_invoice_of_the_same_customer(notes, invoices):
    assert len({note.credits for note in notes}) == len(notes) > 20
    for note in notes:
        invoice = invoices[note.credits]
        sold = {(line.product_code, line.unit_price): line.quantity for line in invoice.lines}
        assert invoice.customer == note.customer is not None
        assert timedelta(1) <= note.on - invoice.on <= timedelta(16)
        for line in note.lines:
            assert 0 < -line.quantity <= sold[line.product_code, line.unit_price]
    assert all(invoice.credits is None for invoice in invoices.values())


def test_some_credit_notes_undo_all_of_their_invoice_and_some_a_part(notes, invoices):
    whole = [note for note in notes if note.gross == -invoices[note.credits].gross]
    assert 0 < len(whole) < len(notes)


def test_a_credit_note_is_set_off_against_its_invoice_on_its_day(notes, invoices):
    for note in notes:
        invoice = invoices[note.credits]
        (settled,) = note.payments
        (set_off,) = [payment for payment in invoice.payments if payment.is_set_off]
        assert settled.is_set_off
        assert settled.on == set_off.on == note.on
        assert settled.amount == -set_off.amount == note.gross
        assert note.open_amount == 0
        if note.gross == -invoice.gross:
            assert invoice.payments == (set_off,)
    credited = {note.credits for note in notes}
    for invoice in invoices.values():
        assert any(payment.is_set_off for payment in invoice.payments) == (
            invoice.number in credited
        )


def test_nobody_pays_before_the_invoice_nor_after_the_last_day_nor_too_much(documents):
    for document in documents:
        days = [payment.on for payment in document.payments]
        assert days == sorted(days)
        assert all(document.on <= day < AS_OF for day in days)
        assert all(payment.amount * document.gross > 0 for payment in document.payments)
        left = document.gross - sum(p.amount + p.cash_discount for p in document.payments)
        assert left == document.open_amount
        assert min(document.gross, 0) <= left <= max(document.gross, 0)


def first_money(invoice):
    return next((payment for payment in invoice.payments if not payment.is_set_off), None)


@pytest.fixture(scope="module")
def delays(invoices):
    """Per customer: days from the due date to the first money, of every paid invoice."""
    delays = defaultdict(list)
    for invoice in invoices.values():
        payment = first_money(invoice)
        if payment is not None and invoice.customer is not None:
            delays[invoice.customer].append((payment.on - invoice.due_on).days)
    return delays


def test_late_payers_pay_every_invoice_ten_to_sixty_days_late(world, delays):
    assert 10 <= len(world.late_payers) <= 40
    for customer in world.late_payers:
        assert delays[customer]
        assert all(10 <= delay <= 60 for delay in delays[customer])


def test_the_others_pay_within_terms_or_a_week_late_at_most(world, delays):
    others = [
        delay
        for customer, days in delays.items()
        if customer not in world.late_payers
        for delay in days
    ]
    # An invoice with a credit note is not paid before that, which may be after its due date.
    assert sum(delay > 7 for delay in others) / len(others) < 0.01
    assert 0.02 < sum(delay > 0 for delay in others) / len(others) < 0.1


def test_invoices_are_due_in_14_or_30_days_and_counter_sales_paid_at_once(documents):
    terms = defaultdict(set)
    for document in documents:
        if not document.is_credit_note:
            terms[document.customer].add((document.due_on - document.on).days)
    assert terms.pop(None) == {0}
    assert all(len(days) == 1 for days in terms.values())
    assert set.union(*terms.values()) == {14, 30}
    counter = [document for document in documents if document.is_collective]
    assert counter
    assert all(document.customer is None for document in counter)
    assert all(document.payments[0].on == document.on for document in counter)
    assert all(document.open_amount == 0 for document in counter)


def test_a_cash_discount_is_two_per_cent_inside_ten_days(invoices):
    taken = [
        (invoice, payment)
        for invoice in invoices.values()
        for payment in invoice.payments
        if payment.cash_discount
    ]
    assert len(taken) > 100
    for invoice, payment in taken:
        assert payment.on - invoice.on <= timedelta(10)
        assert payment.cash_discount == rounded(invoice.gross * Decimal("0.02"))
        assert payment.amount + payment.cash_discount == invoice.gross


def test_what_is_open_is_recent_or_partly_paid(invoices):
    unpaid = [invoice for invoice in invoices.values() if invoice.open_amount == invoice.gross]
    partly = [i for i in invoices.values() if 0 < i.open_amount < i.gross and first_money(i)]

    assert len(unpaid) >= 10
    assert all(AS_OF - invoice.on < timedelta(120) for invoice in unpaid)
    assert 0 < len(partly) < 0.02 * len(invoices)
    instalments = [i for i in invoices.values() if sum(not p.is_set_off for p in i.payments) == 2]
    assert instalments
    assert all(invoice.open_amount == 0 for invoice in instalments)


def has_right_check_digits(vat_id):
    """The checking form of each rule, over all digits; the generator has the computing form."""
    country, digits = vat_id[:2], [int(digit) for digit in vat_id if digit.isdigit()]
    if country == "DE":
        check = 5
        for digit in digits:
            check = ((check or 10) * 2 % 11 + digit) % 10
        return len(digits) == 9 and check == 1
    if country == "AT":
        # Luhn over all eight digits leaves 4 short of a whole ten.
        crossed = sum(
            digit if place % 2 == 0 else (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)[digit]
            for place, digit in enumerate(digits[:7])
        )
        return len(digits) == 8 and (crossed + 4 + digits[7]) % 10 == 0
    weights = (5, 4, 3, 2, 7, 6, 5, 4, 1)
    total = sum(digit * weight for digit, weight in zip(digits, weights, strict=True))
    return vat_id.endswith("MWST") and total % 11 == 0


# Printed in the documentation of python-stdnum.
@pytest.mark.parametrize("published", ["DE136695976", "ATU13585627", "CHE107787577MWST"])
def test_the_check_of_vat_ids_knows_right_from_wrong_digits(published):
    assert has_right_check_digits(published)
    for place, digit in enumerate(published):
        if digit.isdigit():
            wrong = f"{published[:place]}{(int(digit) + 1) % 10}{published[place + 1 :]}"
            assert not has_right_check_digits(wrong)


def test_vat_ids_have_right_check_digits_and_belong_to_one_organisation(world):
    companies = [o for o in world.organisations if o.kind != "private"]
    forms = {"DE": r"DE9\d{8}", "AT": r"ATU9\d{7}", "CH": r"CHE9\d{8}MWST"}
    for organisation in companies:
        assert re.fullmatch(forms[organisation.country], organisation.vat_id)
        assert has_right_check_digits(organisation.vat_id), organisation.vat_id
    assert len({organisation.vat_id for organisation in companies}) == len(companies)
    assert {o.vat_id for o in world.organisations if o.kind == "private"} == {None}


def test_the_organisations_are_the_customers_of_the_sales_list_and_the_leads(world, sales_list):
    truth, rows = sales_list
    customers = {o.number: o for o in world.organisations if not o.number.startswith("L")}
    listed = defaultdict(set)
    for fields in rows.values():
        listed[fields[3]].add((fields[4], fields[5]))

    assert len(customers) == truth.customers == SMALL
    for number, organisation in customers.items():
        assert listed[number] == {(organisation.name, organisation.email or "")}
    leads = [o for o in world.organisations if o.number.startswith("L")]
    assert [lead.number for lead in leads] == [f"L{n:04d}" for n in range(1, SMALL // 10 + 1)]


def test_no_lead_bears_a_customers_name_or_mail_domain(large):
    names = Counter(organisation.name for organisation in large.organisations)
    companies = [o for o in large.organisations if o.kind != "private"]
    domains = Counter(o.email.split("@")[1] for o in companies if o.email)

    assert len(names) == 2_200
    assert names.most_common(1)[0][1] == domains.most_common(1)[0][1] == 1


def test_leads_have_no_invoices_but_stand_in_a_crm(world, documents):
    buyers = {document.customer for document in documents}
    leads = [o for o in world.organisations if o.number.startswith("L")]

    assert all(lead.number not in buyers for lead in leads)
    assert all(lead.in_hubspot or lead.in_pipedrive for lead in leads)
    assert {o.number for o in world.organisations} - buyers == {lead.number for lead in leads}


def test_the_crms_know_overlapping_shares_of_the_customers(world):
    customers = [o for o in world.organisations if not o.number.startswith("L")]
    shares = Counter((o.in_hubspot, o.in_pipedrive) for o in customers)

    assert len(shares) == 4
    assert 0.5 < sum(o.in_hubspot for o in customers) / SMALL < 0.8
    assert 0.3 < sum(o.in_pipedrive for o in customers) / SMALL < 0.6


def test_everyone_was_known_before_the_first_purchase(world, documents):
    first = {}
    for document in documents:
        first.setdefault(document.customer, document.on)
    for organisation in world.organisations:
        assert organisation.known_since < first.get(organisation.number, AS_OF)
        assert organisation.acquisition in {
            "fair", "web_search", "referral", "trade_press", "newsletter", "cold_call",
        }  # fmt: skip
        assert organisation.owner_id in {owner.owner_id for owner in world.owners}
    assert len(world.owners) == 6


def test_some_organisations_moved_while_they_were_known(world):
    moved = [o for o in world.organisations if o.previous_address]

    assert len(moved) >= 5
    for organisation in moved:
        here = (organisation.street, organisation.postcode, organisation.city)
        before = organisation.previous_address
        assert here != (before.street, before.postcode, before.city)
        assert organisation.known_since < organisation.moved_on < AS_OF
    assert any(o.city != o.previous_address.city for o in moved)
    assert all(o.moved_on is None for o in world.organisations if not o.previous_address)


def test_postcodes_have_the_form_of_their_country(world):
    for organisation in world.organisations:
        form = r"\d{5}" if organisation.country == "DE" else r"[1-9]\d{3}"
        assert re.fullmatch(form, organisation.postcode)
    assert any(o.postcode.startswith("0") for o in world.organisations)
    assert not any("ß" in o.street for o in world.organisations if o.country == "CH")
    assert {o.country for o in world.organisations} == {"DE", "AT", "CH"}


def test_german_telephone_numbers_are_from_the_ranges_kept_free_for_films(world):
    prefix = {"DE": FILM_LINES, "AT": r"\+43", "CH": r"\+41"}
    country = {o.number: o.country for o in world.organisations}
    for organisation in world.organisations:
        assert re.fullmatch(prefix[organisation.country] + r"\d{4,}", organisation.phone)
    for person in world.people:
        where = country[person.organisation]
        assert person.phone is None or re.fullmatch(prefix[where] + r"\d{4,}", person.phone)
        mobile = person.mobile
        if mobile is not None and mobile.startswith("+49"):
            assert re.fullmatch(FILM_MOBILES, mobile)
    assert len({o.phone for o in world.organisations}) == len(world.organisations)
    humans = {(person.mobile, person.same_human) for person in world.people if person.mobile}
    assert len({mobile for mobile, _ in humans}) == len(humans) > 50


def test_every_organisation_has_one_to_four_persons_and_a_private_customer_is_one(world):
    staff = defaultdict(list)
    for person in world.people:
        staff[person.organisation].append(person)

    assert [person.person_id for person in world.people] == list(range(1, len(world.people) + 1))
    assert staff.keys() == {o.number for o in world.organisations}
    assert {len(persons) for persons in staff.values()} == {1, 2, 3, 4}
    private = [o for o in world.organisations if o.kind == "private"]
    assert private
    for organisation in private:
        (person,) = staff[organisation.number]
        assert f"{person.first_name} {person.last_name}" == organisation.name
        assert (person.email, person.role) == (organisation.email, "")


def test_some_humans_work_for_two_organisations(world):
    jobs = defaultdict(list)
    for person in world.people:
        jobs[person.same_human].append(person)
    doubled = [persons for persons in jobs.values() if len(persons) > 1]

    assert len(doubled) >= 2
    for human, persons in jobs.items():
        assert human == min(person.person_id for person in persons)
    for first, second in doubled:
        assert first.organisation != second.organisation
        same = ("salutation", "first_name", "last_name", "birthday", "mobile", "language")
        assert all(getattr(first, name) == getattr(second, name) for name in same)


def test_mailboxes_are_personal_unless_they_are_the_organisations(world):
    shared = {o.email for o in world.organisations if o.kind != "private"}
    humans = defaultdict(set)
    for person in world.people:
        if person.email:
            assert person.email.endswith(".example")
            humans[person.email].add(person.same_human)

    assert all(len(people) == 1 for email, people in humans.items() if email not in shared)
    assert any(len(people) > 1 for people in humans.values())
    assert any(email.endswith("@postfach.example") for email in humans)
    assert any(person.email is None for person in world.people)


def test_a_service_contract_is_for_a_device_its_customer_bought(world, invoices):
    bought = defaultdict(set)
    for invoice in invoices.values():
        for line in invoice.lines:
            bought[invoice.customer, line.product_code].add(invoice.on)
    contracts = world.service_contracts
    for contract in contracts:
        assert min(bought[contract.customer, contract.product_code]) < contract.starts_on < AS_OF
        if contract.ends_on and contract.ends_on < AS_OF:
            assert contract.next_due_on is None
        if contract.next_due_on:
            assert contract.starts_on < contract.next_due_on
            assert contract.next_due_on <= (contract.ends_on or contract.next_due_on)

    assert len({contract.contract_number for contract in contracts}) == len(contracts) > 20
    assert len({contract.serial_number for contract in contracts}) == len(contracts)
    ended = [contract for contract in contracts if contract.ends_on and contract.ends_on < AS_OF]
    assert 0 < len(ended) < len(contracts) / 2
    assert any(contract.ends_on and contract.ends_on >= AS_OF for contract in contracts)
    assert any(contract.next_due_on and contract.next_due_on < AS_OF for contract in contracts)


def test_registrations_are_confirmed_after_they_came_in_and_only_where_asked_for(large):
    forms = large.registrations
    names = {(person.first_name, person.last_name) for person in large.people}
    for form in forms:
        assert form.registered_at < MIDNIGHT
        assert form.bought_on is None or form.bought_on < form.registered_at.date()
        if form.newsletter_confirmed_at:
            assert form.newsletter_requested
            assert form.registered_at < form.newsletter_confirmed_at < MIDNIGHT
    asked = [form for form in forms if form.newsletter_requested]
    confirmed = [form for form in asked if form.newsletter_confirmed_at]

    assert [form.registered_at for form in forms] == sorted(form.registered_at for form in forms)
    assert 0 < len(confirmed) < len(asked) < len(forms)
    assert any((form.first_name, form.last_name) not in names for form in forms)
    assert 0 < sum(form.customer is None for form in forms) < len(forms)


def test_ratings_name_a_number_or_a_vat_id_and_are_worse_for_late_payers(world):
    by_vat_id = {o.vat_id: o.number for o in world.organisations if o.vat_id}
    indexes = defaultdict(list)
    for rating in world.credit_ratings:
        assert (rating.customer is None) != (rating.vat_id is None)
        assert 100 <= rating.index <= 600
        assert FIRST_DAY <= rating.rated_on < AS_OF
        number = rating.customer or by_vat_id[rating.vat_id]
        indexes[number in world.late_payers].append(rating.index)

    assert statistics.mean(indexes[True]) > statistics.mean(indexes[False]) + 50
    assert {bool(rating.customer) for rating in world.credit_ratings} == {True, False}


def test_social_statistics_cover_the_last_ninety_days_of_three_platforms(world):
    days = {AS_OF - timedelta(days=ago) for ago in range(1, 91)}
    platforms = {statistic.platform for statistic in world.social_statistics}

    assert len(platforms) == 3
    assert len(world.social_statistics) == 270
    assert {(s.platform, s.day) for s in world.social_statistics} == {
        (platform, day) for platform in platforms for day in days
    }
    assert any(s.mentions and not s.own_posts for s in world.social_statistics)


def test_every_month_has_targets_near_its_revenue_and_only_accounting_knows_the_revenue(
    world, documents
):
    revenue = defaultdict(Decimal)
    for document in documents:
        revenue[document.on.replace(day=1)] += document.net
    months = Counter(target.month for target in world.monthly_targets)

    assert set(months.values()) == {3}
    assert len(months) == 72
    assert all(month.day == 1 for month in months)
    for target in world.monthly_targets:
        is_known = target.measure != "revenue" and target.month < AS_OF
        assert (target.actual is not None) == is_known
        if target.measure == "revenue" and target.month < AS_OF:
            assert abs(target.target / revenue[target.month] - 1) < Decimal("0.5")


def local_day(at):
    return at.astimezone(ZoneInfo("Europe/Berlin")).date()


def test_a_declaration_is_about_what_its_person_was_reached_by_on_that_day(large):
    people = {person.person_id: person for person in large.people}
    organisations = {organisation.number: organisation for organisation in large.organisations}
    consents = {(d.person, d.purpose): d for d in large.declarations if d.decision == "granted"}
    for one in large.declarations:
        person, organisation = people[one.person], organisations[one.organisation]
        assert (one.first_name, one.last_name) == (person.first_name, person.last_name)
        assert person.organisation == one.organisation
        assert one.customer in (None, one.organisation)
        assert one.customer is None or not one.customer.startswith("L")
        assert one.company in (None, organisation.name)
        if one.channel == "email":
            assert one.contact_point == person.email
        elif one.channel == "phone":
            assert one.contact_point == person.mobile or one.contact_point == person.phone
        else:
            # Who moved meanwhile takes back what the form says.
            said = consents[one.person, one.purpose] if one.decision == "withdrawn" else one
            moved_on = organisation.moved_on
            has_moved = moved_on is None or local_day(said.signed_at) >= moved_on
            address = organisation if has_moved else organisation.previous_address
            assert one.contact_point == f"{address.street}, {address.postcode} {address.city}"
        assert max(FIRST_DAY, organisation.known_since) <= local_day(one.signed_at)
        assert one.signed_at < MIDNIGHT
    assert {d.channel for d in large.declarations} == {"email", "phone", "post"}
    assert {d.customer is None for d in large.declarations} == {True, False}


def test_the_standard_company_has_sixty_declarations_and_a_larger_one_more(large, world):
    assert [len(one.declarations) for one in (world, large)] == [8, 60]
    for one in (world, large):
        numbers = [declaration.declaration_id for declaration in one.declarations]
        assert numbers == [f"EW-{place:05d}" for place in range(1, len(numbers) + 1)]
        signed = [declaration.signed_at for declaration in one.declarations]
        assert signed == sorted(signed)


@pytest.mark.parametrize("customers", [SMALL, 300, 2_000])
def test_every_turn_of_a_consent_on_paper_is_there_at_every_size(customers):
    declarations = draw_world(customers=customers).declarations
    consents = [one for one in declarations if one.decision == "granted"]
    lacks = Counter(
        tuple(
            name
            for name in ("text_version", "document_ref", "collected_by", "controller")
            if getattr(one, name) is None
        )
        for one in consents
    )
    assert lacks.keys() == {(), ("text_version",), ("document_ref",)}
    assert lacks[()] > lacks["text_version",] == lacks["document_ref",]
    objections = [one for one in declarations if one.decision == "objected"]
    assert {one.channel for one in objections if one.purpose != "advertising"} <= {"phone", "post"}
    assert sum(one.purpose == "advertising" for one in objections) == 1
    assert not any(one.purpose == "advertising" for one in declarations if one not in objections)
    assert len(objections) > 1 and any(one.decision == "withdrawn" for one in declarations)
    assert all(one.text_version is None for one in declarations if one.decision != "granted")
    assert {one.is_time_known for one in declarations} == {True, False}


def test_a_withdrawal_is_a_second_form_that_ends_a_consent_of_before(large):
    stories = defaultdict(list)
    for one in large.declarations:
        stories[one.organisation].append(one)
    told = Counter(tuple(one.decision for one in story) for story in stories.values())
    assert told.keys() == {("granted",), ("granted", "withdrawn"), ("objected",)}
    for first, *second in stories.values():
        for one in second:
            same = ("person", "channel", "contact_point", "purpose", "customer")
            assert [getattr(one, name) for name in same] == [getattr(first, name) for name in same]
            assert first.declaration_id != one.declaration_id
            assert local_day(first.signed_at) < local_day(one.signed_at)


def test_a_consent_is_signed_in_the_wording_of_its_day(large):
    assert TEXT_VERSIONS["messe-2025"] == date(2025, 1, 1)
    seen = set()
    for one in large.declarations:
        if one.text_version:
            is_new = local_day(one.signed_at) >= date(2025, 1, 1)
            assert one.text_version == ("messe-2025" if is_new else "messe-2023")
            assert is_new or one.purpose != "review_request"
            seen.add(one.text_version)
    assert seen == TEXT_VERSIONS.keys()


@pytest.mark.parametrize("customers", [SMALL, 2_000])
def test_the_ecg_list_blocks_austrian_addresses_and_a_domain_by_their_sha1(customers):
    world = draw_world(customers=customers)
    organisations = {organisation.number: organisation for organisation in world.organisations}
    mailboxes = defaultdict(set)
    for person in world.people:
        mailboxes[person.organisation].add(person.email)
    listed = [block for block in world.blocks if block.list_name == "ecg"]
    for block in listed:
        assert block.entry == hashlib.sha1(block.blocks.lower().encode()).hexdigest()
        assert (block.channel, block.listed_on) == ("email", None)
        assert organisations[block.organisation].country == "AT"
        assert any(
            mailbox and mailbox.endswith(block.blocks) for mailbox in mailboxes[block.organisation]
        )
    domains = [block for block in listed if block.blocks.startswith("@")]
    assert len(domains) == 1 < len(listed) - 1
    assert domains[0].blocks != "@postfach.example"


@pytest.mark.parametrize("customers", [SMALL, 2_000])
def test_the_own_list_blocks_addresses_a_domain_numbers_and_a_postal_address_in_clear(customers):
    world = draw_world(customers=customers)
    known = {place for person in world.people for place in (person.email, person.phone)}
    known |= {person.mobile for person in world.people}
    known |= {f"{o.street}, {o.postcode} {o.city}" for o in world.organisations}
    known |= {email[email.index("@") :] for email in known if email and "@" in email}
    own = [block for block in world.blocks if block.list_name == "own"]
    kinds = Counter()
    for block in own:
        assert block.entry == block.blocks in known
        assert FIRST_DAY < block.listed_on < AS_OF
        kinds[block.channel, block.entry.startswith("@")] += 1
    assert kinds.keys() == {("email", False), ("email", True), ("phone", False), ("post", False)}
    entries = [(block.list_name, block.channel, block.entry) for block in world.blocks]
    assert len(set(entries)) == len(entries)
