"""What the demo company's CRMs, newsletter, reviews and complaints promise, record by record.

Counts in the truth are found again here by looking at the records, never by the generator's code.
"""

import dataclasses
import ipaddress
import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import chain, pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sources.demo.company import AS_OF, FIRST_DAY
from sources.demo.relations import draw_relations
from sources.demo.world import draw_world

REPOSITORY = Path(__file__).parents[2]
SYSTEMS = ("hubspot", "pipedrive")
LISTS = ("companies", "contacts", "deals", "notes", "activities")
NEWSLETTERS = ("mailchimp", "rapidmail")
LEGAL_FORMS = ("GmbH & Co. KG", "GmbH", "e. K.", "OHG", "KG", "OG", "AG", "KlG")
ROLE_MAILBOX = re.compile(r"(info|office|einkauf|kueche|buchhaltung)@", re.IGNORECASE)
DOCUMENTATION = [
    ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
]
MIDNIGHT = datetime(AS_OF.year, AS_OF.month, AS_OF.day, tzinfo=ZoneInfo("Europe/Berlin"))

WORLD = draw_world(customers=600)
RELATIONS = draw_relations(WORLD)
ORGANISATIONS = {organisation.number: organisation for organisation in WORLD.organisations}
PEOPLE = {person.person_id: person for person in WORLD.people}
INVOICES = {
    document.number: document
    for document in WORLD.invoices(FIRST_DAY, AS_OF)
    if not document.is_credit_note
}

each_crm = pytest.mark.parametrize("system", SYSTEMS)
each_newsletter = pytest.mark.parametrize("system", NEWSLETTERS)


def gone(record):
    return record.deleted_at is not None or record.merged_into is not None


def standing(records):
    return [record for record in records if not (hasattr(record, "deleted_at") and gone(record))]


def folded(name):
    """ä, ae and a become the same; so do ß and ss."""
    for umlaut, plain in zip("äöüÄÖÜ", "aouAOU", strict=True):
        name = name.replace(umlaut, plain)
    return re.sub("([aouAOU])e", r"\1", name.replace("ß", "ss"))


def defect_of(written, true):
    """How a name differs from the true one."""
    if written == true:
        return None
    if written.rstrip() == true:
        return "trailing_blank"
    if any(f"{written} {form}" == true for form in LEGAL_FORMS):
        return "legal_form_left_out"
    return "umlaut_variant" if folded(written) == folded(true) else "typo"


def everything():
    yield from chain(RELATIONS.tickets, RELATIONS.subscribers, RELATIONS.reviews)
    yield from chain(RELATIONS.campaigns, RELATIONS.newsletter_actions)
    for subscriber in RELATIONS.subscribers:
        yield from subscriber.events
    for crm in RELATIONS.crm.values():
        for name in LISTS:
            yield from getattr(crm, name)


def digest_in_a_process_of_its_own(seed, hash_seed):
    script = """
import dataclasses, hashlib, sys
from sources.demo.relations import draw_relations
from sources.demo.world import draw_world
relations = draw_relations(draw_world(customers=200, seed=int(sys.argv[1])))
digest = hashlib.sha256()
for crm in relations.crm.values():
    digest.update(repr(crm).encode())
for one in relations.subscribers:
    digest.update(repr((dataclasses.replace(one, interests=None), sorted(one.interests))).encode())
for part in (relations.tickets, relations.reviews, relations.campaigns, relations.truth,
             relations.newsletter_actions):
    digest.update(repr(part).encode())
print(digest.hexdigest())
"""
    result = subprocess.run(
        [sys.executable, "-c", script, str(seed)],
        cwd=REPOSITORY,
        env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def test_a_seed_gives_the_same_records_in_every_process_and_another_seed_gives_others():
    first = digest_in_a_process_of_its_own(1, "1")
    assert digest_in_a_process_of_its_own(1, "2") == first
    assert digest_in_a_process_of_its_own(2, "1") != first


@each_crm
def test_every_company_and_contact_belongs_to_somebody_of_the_world_who_is_known_there(system):
    crm = RELATIONS.crm[system]
    known = {number for number, one in ORGANISATIONS.items() if getattr(one, f"in_{system}")}
    assert {company.organisation for company in crm.companies} == known
    companies = {company.id: company for company in crm.companies}
    owners = {owner.owner_id for owner in WORLD.owners}
    for contact in crm.contacts:
        company = companies[contact.company_id]
        assert PEOPLE[contact.person].organisation == company.organisation
    assert {record.owner_id for name in LISTS for record in getattr(crm, name)} <= owners


@each_crm
def test_deals_notes_and_activities_point_to_records_that_are_still_there(system):
    crm = RELATIONS.crm[system]
    companies = {company.id for company in standing(crm.companies)}
    contacts = {contact.id: contact.company_id for contact in standing(crm.contacts)}
    deals = {deal.id: deal.company_id for deal in crm.deals}
    for record in chain(crm.deals, crm.notes, crm.activities):
        assert record.company_id in companies
        assert record.contact_id is None or contacts[record.contact_id] == record.company_id
        deal = getattr(record, "deal_id", None)
        assert deal is None or deals[deal] == record.company_id
    for name in LISTS:
        ids = [record.id for record in getattr(crm, name)]
        assert ids == sorted(set(ids)) and ids


@each_crm
def test_duplicates_merged_and_deleted_records_are_counted(system):
    crm, truth = RELATIONS.crm[system], RELATIONS.truth[system]
    for kind, records, whose in (
        ("company", crm.companies, lambda company: company.organisation),
        ("contact", crm.contacts, lambda contact: contact.person),
    ):
        kept = {record.id: whose(record) for record in records if record.merged_into is None}
        merged = [record for record in records if record.merged_into is not None]
        assert len(merged) == truth[f"merged_{kind}"] > 0
        assert all(kept[record.merged_into] == whose(record) for record in merged)
        doubles = sum(many - 1 for many in Counter(kept.values()).values())
        assert doubles == truth[f"duplicate_{kind}"] > 0
        deleted = [record for record in records if record.deleted_at]
        assert len(deleted) == truth[f"deleted_{kind}"] > 0
        assert all(record.deleted_at > record.updated_at for record in deleted)


@each_crm
def test_misspelt_names_are_counted_by_how_they_differ(system):
    crm, truth = RELATIONS.crm[system], RELATIONS.truth[system]
    companies = Counter(
        defect_of(company.name, ORGANISATIONS[company.organisation].name)
        for company in crm.companies
    )
    contacts = Counter(
        defect_of(contact.last_name, PEOPLE[contact.person].last_name) for contact in crm.contacts
    )
    assert {f"company_{name}": many for name, many in companies.items() if name} == {
        name: truth[name]
        for name in (
            "company_typo",
            "company_umlaut_variant",
            "company_legal_form_left_out",
            "company_trailing_blank",
        )
    }
    assert {f"contact_{name}": many for name, many in contacts.items() if name} == {
        name: truth[name]
        for name in ("contact_typo", "contact_umlaut_variant", "contact_trailing_blank")
    }


@each_crm
def test_odd_addresses_birthdays_and_objections_of_contacts_are_counted(system):
    contacts, truth = RELATIONS.crm[system].contacts, RELATIONS.truth[system]
    emails = [contact.email for contact in contacts if contact.email]
    assert {
        "email_in_capitals": sum(email.isupper() for email in emails),
        "email_without_at": sum("@" not in email for email in emails),
        "shared_mailbox": sum(bool(ROLE_MAILBOX.match(email)) for email in emails),
        "birthday_1900": sum(contact.birthday == date(1900, 1, 1) for contact in contacts),
        "objected": sum(contact.objected_at is not None for contact in contacts),
        "vat_id_with_blanks": sum(
            " " in (company.vat_id or "") for company in RELATIONS.crm[system].companies
        ),
    } == {
        name: truth[name]
        for name in (
            "email_in_capitals",
            "email_without_at",
            "shared_mailbox",
            "birthday_1900",
            "objected",
            "vat_id_with_blanks",
        )
    }


def test_whoever_moved_is_known_by_the_old_address_in_one_crm_only():
    outdated = defaultdict(Counter)
    for system in SYSTEMS:
        for company in RELATIONS.crm[system].companies:
            true = ORGANISATIONS[company.organisation]
            here = (company.street, company.postcode, company.city)
            if here != (true.street, true.postcode, true.city):
                old = true.previous_address
                assert here == (old.street, old.postcode, old.city)
                outdated[company.organisation][system] += 1
    moved = {
        number
        for number, one in ORGANISATIONS.items()
        if one.moved_on and (one.in_hubspot or one.in_pipedrive)
    }
    assert set(outdated) == moved
    assert all(len(systems) == 1 for systems in outdated.values())
    for system in SYSTEMS:
        many = sum(systems[system] for systems in outdated.values())
        assert many == RELATIONS.truth[system]["old_address"] > 0


@each_crm
def test_one_phone_number_is_written_in_ten_ways_and_never_wrongly(system):
    crm = RELATIONS.crm[system]
    phones = [(one.phone, ORGANISATIONS[one.organisation].phone) for one in crm.companies]
    for contact in crm.contacts:
        person = PEOPLE[contact.person]
        phones += [(contact.phone, person.phone), (contact.mobile, person.mobile)]
    forms = set()
    national = 0
    for written, true in phones:
        if written is None:
            continue
        digits = re.sub(r"\D", "", written.replace("(0)", ""))
        if written.startswith("+") or digits.startswith("00"):
            assert digits.removeprefix("00") == true[1:]
        else:
            national += 1
            assert digits == f"0{true[3:]}"
        forms.add(re.sub(r"\d+", "9", re.sub(r"^(00?|\(0)", lambda m: m[0] + "x", written)))
    assert national == RELATIONS.truth[system]["national_phone"]
    # Pairs of digits make forms of different length; ten spellings are the least there must be.
    assert len(forms) >= 10


@each_crm
def test_late_records_are_older_than_their_number(system):
    crm, truth = RELATIONS.crm[system], RELATIONS.truth[system]
    for name, records in (("late_company", crm.companies), ("late_contact", crm.contacts)):
        newest, late = records[0].created_at, 0
        for record in records:
            late += record.updated_at < newest
            newest = max(newest, record.created_at)
        assert late == truth[name] > 0


@each_crm
def test_records_of_one_moment_lie_across_the_edge_of_every_page(system):
    crm = RELATIONS.crm[system]
    tied = 0
    for name in LISTS:
        moments = sorted(record.updated_at for record in standing(getattr(crm, name)))
        for edge in range(100, len(moments) - 1, 100):
            assert moments[edge - 1] == moments[edge]
        alone = {moment for moment, many in Counter(moments).items() if many == 1}
        tied += sum(moment not in alone for moment in moments)
    assert tied == RELATIONS.truth[system]["equal_updated_at"]
    (_, together), *_ = Counter(contact.updated_at for contact in crm.contacts).most_common(1)
    assert together > 100


@each_crm
def test_what_must_be_quarantined_is_the_text_that_is_no_number_and_the_day_that_is_none(system):
    deals, truth = RELATIONS.crm[system].deals, RELATIONS.truth[system]
    amounts = [deal for deal in deals if not isinstance(deal.amount, Decimal)]
    days = [deal for deal in deals if isinstance(deal.expected_close_on, str)]
    assert all(re.fullmatch(r"[\d.]+,\d\d EUR", deal.amount) for deal in amounts)
    assert all(deal.expected_close_on.startswith("31.02.") for deal in days)
    assert len(amounts) == truth["unreadable_amount"] > 0
    assert len(days) == truth["impossible_close_date"] > 0
    assert len({deal.id for deal in amounts + days}) == truth["quarantined"]


def test_a_system_whose_records_are_all_fit_to_be_let_in_says_so():
    for system in ("mailchimp", "rapidmail", "ticket_list"):
        assert RELATIONS.truth[system]["quarantined"] == 0
    for platform in ("trustpilot", "google", "facebook", "kuechenportal"):
        wrong = sum(
            review.platform == platform and not 1 <= review.stars <= 5
            for review in RELATIONS.reviews
        )
        assert wrong == RELATIONS.truth[platform]["quarantined"]
    assert RELATIONS.truth["trustpilot"]["quarantined"] > 0


@each_crm
def test_a_won_deal_is_a_real_invoice_of_the_same_customer(system):
    crm = RELATIONS.crm[system]
    companies = {company.id: company.organisation for company in crm.companies}
    won = [deal for deal in crm.deals if deal.status == "won"]
    tied = [deal for deal in won if deal.order_number]
    assert len(won) - len(tied) == RELATIONS.truth[system]["won_without_order_number"]
    assert len({deal.order_number for deal in tied}) == len(tied) > 50
    for deal in tied:
        invoice = INVOICES[deal.order_number]
        assert invoice.customer == companies[deal.company_id]
        assert deal.opened_at < deal.closed_at and deal.closed_at.date() <= invoice.on
        if deal.currency == "EUR" and isinstance(deal.amount, Decimal):
            assert deal.amount == invoice.net
    assert {deal.status for deal in crm.deals} == {"won", "lost", "open"}
    for deal in crm.deals:
        assert (deal.closed_at is None) == (deal.status == "open")
        assert (deal.lost_reason is not None) == (deal.status == "lost")


def test_a_complaint_is_about_an_invoice_of_who_complains_and_comes_after_it():
    crm = RELATIONS.crm["hubspot"]
    companies = {company.id: company.organisation for company in standing(crm.companies)}
    contacts = {contact.id: contact.company_id for contact in standing(crm.contacts)}
    for system in ("hubspot", "ticket_list"):
        tickets = [ticket for ticket in RELATIONS.tickets if ticket.system == system]
        truth = RELATIONS.truth[system]
        missing = sum(ticket.order_number is None for ticket in tickets)
        assert missing == truth["ticket_without_order_number"] > 0
        capitals = sum((ticket.email or "").isupper() for ticket in tickets)
        assert capitals == truth["ticket_email_in_capitals"] > 0
        for ticket in tickets:
            assert ticket.order_number is None or (
                INVOICES[ticket.order_number].customer == ticket.organisation
                and INVOICES[ticket.order_number].on <= ticket.opened_at.date()
            )
            assert ticket.closed_at is None or ticket.opened_at < ticket.closed_at
            assert ticket.satisfaction is None or ticket.closed_at
            if system == "hubspot":
                assert companies[ticket.company_id] == ticket.organisation
                assert ticket.contact_id is None or contacts[ticket.contact_id] == ticket.company_id
            else:
                assert ticket.company_id is None
                assert ticket.customer_number in (None, ticket.organisation)
        if system == "ticket_list":
            unnumbered = sum(ticket.customer_number is None for ticket in tickets)
            assert unnumbered == truth["missing_customer_number"] > 0
    assert len({ticket.id for ticket in RELATIONS.tickets}) == len(RELATIONS.tickets)


def test_a_review_belongs_to_a_customer_and_a_purchase_or_to_a_stranger():
    strangers = Counter()
    for review in RELATIONS.reviews:
        if review.organisation is None:
            strangers[review.platform] += 1
            assert (review.person, review.email, review.order_number) == (None, None, None)
            continue
        assert PEOPLE[review.person].organisation == review.organisation
        assert review.order_number is None or (
            INVOICES[review.order_number].customer == review.organisation
            and INVOICES[review.order_number].on <= review.created_at.date()
        )
        assert review.updated_at >= max(review.created_at, review.replied_at or review.created_at)
        assert (review.reply_text is None) == (review.replied_at is None)
    assert strangers.total() > 0
    for platform in ("trustpilot", "google", "facebook", "kuechenportal"):
        assert strangers[platform] == RELATIONS.truth[platform]["stranger"]
    assert any(review.updated_at > review.created_at for review in RELATIONS.reviews)


def test_customers_who_left_complain_more_and_loyal_ones_review_better():
    purchases = defaultdict(list)
    for invoice in INVOICES.values():
        if invoice.customer:
            purchases[invoice.customer].append(invoice.on)
    left = {
        number
        for number, days in purchases.items()
        if len(days) > 3 and (AS_OF - max(days)).days > 700
    }
    loyal = {
        number
        for number, days in purchases.items()
        if len(days) > 10 and (AS_OF - max(days)).days < 90
    }
    complained = {ticket.organisation for ticket in RELATIONS.tickets}
    assert len(left & complained) / len(left) > 2 * len(loyal & complained) / len(loyal)

    def stars(group):
        found = [review.stars for review in RELATIONS.reviews if review.organisation in group]
        return sum(found) / len(found)

    assert stars(loyal) > stars(left) + 1


STORIES = {
    (): "imported",
    ("requested",): "pending",
    ("requested", "confirmed"): "confirmed",
    ("requested", "confirmed", "withdrawn"): "withdrawn",
    ("requested", "confirmed", "bounced"): "bounced",
    ("requested", "confirmed", "withdrawn", "resubscribed"): "resubscription_pending",
    ("requested", "confirmed", "withdrawn", "resubscribed", "confirmed"): "resubscribed",
}


@each_newsletter
def test_consent_events_come_in_causal_order_and_every_case_is_there_and_counted(system):
    mine = [one for one in RELATIONS.subscribers if one.system == system]
    for subscriber in mine:
        assert all(one.at < two.at for one, two in pairwise(subscriber.events))
        for event in subscriber.events:
            has_form = event.event in ("requested", "confirmed", "resubscribed")
            assert (event.ip is not None) == has_form
            if has_form:
                assert any(ipaddress.ip_address(event.ip) in net for net in DOCUMENTATION)
    cases = Counter(STORIES[tuple(event.event for event in one.events)] for one in mine)
    truth = RELATIONS.truth[system]
    assert cases == {case: truth[case] for case in STORIES.values()}
    assert min(cases.values()) > 0
    assert len({one.email.lower() for one in mine}) == len(mine)
    assert sum(one.email.isupper() for one in mine) == truth["email_in_capitals"] > 0


def test_some_withdrew_in_one_system_while_the_other_still_sends():
    lists = {
        system: {one.email.lower(): one for one in RELATIONS.subscribers if one.system == system}
        for system in NEWSLETTERS
    }
    both = lists["mailchimp"].keys() & lists["rapidmail"].keys()
    for here, there in (NEWSLETTERS, NEWSLETTERS[::-1]):
        conflicts = [
            email
            for email in both
            if lists[here][email].events[-1].event == "withdrawn"
            and lists[there][email].events[-1].event == "confirmed"
        ]
        assert len(conflicts) == RELATIONS.truth[here]["withdrawn_but_active_elsewhere"] > 0
        assert RELATIONS.truth[here]["in_both_systems"] == len(both)
        for email in conflicts:
            assert lists[here][email].events[-1].at > lists[there][email].events[-1].at


def test_subscribers_are_people_of_the_world_or_strangers():
    for subscriber in RELATIONS.subscribers:
        if subscriber.person is None:
            assert subscriber.organisation is None
        else:
            person = PEOPLE[subscriber.person]
            assert person.organisation == subscriber.organisation
            assert person.email.lower() == subscriber.email.lower()
        assert subscriber.interests <= set(RELATIONS.interests)
    assert any(subscriber.person is None for subscriber in RELATIONS.subscribers)


def test_only_who_was_subscribed_then_opens_clicks_and_bounces():
    campaigns = {campaign.id: campaign for campaign in RELATIONS.campaigns}
    assert len(campaigns) == 12
    subscribers = {one.email: one for one in RELATIONS.subscribers if one.system == "mailchimp"}
    opened = set()
    bounces = set()
    for action in RELATIONS.newsletter_actions:
        sent = campaigns[action.campaign].sent_at
        before = [event for event in subscribers[action.email].events if event.at <= sent]
        assert action.at > sent
        # Of an imported address there is no evidence at all.
        assert not subscribers[action.email].events or before[-1].event == "confirmed"
        assert (action.url is not None) == (action.action == "click")
        if action.action == "open":
            opened.add((action.campaign, action.email))
        elif action.action == "click":
            assert (action.campaign, action.email) in opened
        else:
            bounces.add((action.email, action.at))
    assert bounces == {
        (one.email, one.events[-1].at)
        for one in subscribers.values()
        if one.events and one.events[-1].event == "bounced"
    }


def test_nothing_happens_before_the_company_existed_or_after_the_last_day():
    for record in everything():
        for field in dataclasses.fields(record):
            value = getattr(record, field.name)
            # What was planned may lie ahead.
            if isinstance(value, datetime) and field.name != "due_at":
                assert value.utcoffset() == timedelta(0)
                assert value < MIDNIGHT, field.name


def test_texts_are_filled_in_and_hardly_ever_the_same():
    texts = {
        "notes": [note.text for crm in RELATIONS.crm.values() for note in crm.notes],
        "tickets": [ticket.text for ticket in RELATIONS.tickets],
        "reviews": [review.text for review in RELATIONS.reviews if review.text],
    }
    for written in texts.values():
        assert not [text for text in written if re.search(r"[{}]| {2}", text)]
        assert len(set(written)) > 0.97 * len(written)
        assert min(map(len, written)) >= 60
    assert {review.language for review in RELATIONS.reviews} >= {"de", "fr"}
    for sign in ("Entretien|Visite", "Telefonata|Visita ", "Call with|Visit to", "Telefonat mit"):
        assert re.search(sign, " ".join(texts["notes"]))


def test_no_address_leads_to_a_real_mailbox():
    for record in everything():
        email = getattr(record, "email", None)
        assert email is None or email.strip().lower().endswith(".example")


@each_crm
def test_no_two_defects_of_a_list_have_the_same_count(system):
    truth = RELATIONS.truth[system]
    for names in (
        "company_trailing_blank deleted_company vat_id_with_blanks late_company",
        "contact_umlaut_variant contact_typo contact_trailing_blank email_in_capitals "
        "email_without_at birthday_1900 objected late_contact",
        "unreadable_amount impossible_close_date won_without_order_number",
    ):
        counts = [truth[name] for name in names.split()]
        assert len(set(counts)) == len(counts)
