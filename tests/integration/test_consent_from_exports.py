"""From the exports of source systems, in whatever order they come, to what may be written.

People subscribe, leave, are put back by hand, bounce and object; exports of it come late, twice and
in disorder. Whatever the night made of it, nobody is written to whom the exports that came refuse.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from pipelines.consenting import recorded
from pipelines.privacy.ledger import ConsentLedger
from tests.integration.consent_desk import DECIDING, MOMENT, NOW, Desk

PEOPLE, NIGHTS, SKEW = 250, 3, timedelta(hours=1)
START = datetime(2024, 6, 1, tzinfo=UTC)
READING = (
    "int_newsletter_members_stacked",
    "int_newsletter_members_versioned",
    "int_crm_objections_versioned",
    "int_consent_states_versioned",
    "int_consent_events_unioned",
    "int_consent_texts_hashed",
    "int_consent_events_proposed",
)
PERMITTING = ("int_consent_scopes", *DECIDING, "int_customer_permissions", "mailing_permission")

TEXT, FLAG, NUMBER = pa.string(), pa.bool_(), pa.int64()
ARRIVED = {"pulled_at": MOMENT, "load_id": TEXT, "file_row": NUMBER}
TABLES = {
    "staging.stg_mailchimp__member_versions": {
        "membership_id": TEXT, "list_id": TEXT, "email": TEXT, "source_status": TEXT,
        "signed_up_at": MOMENT, "signed_up_ip": TEXT, "opted_at": MOMENT, "opted_ip": TEXT,
        "changed_at": MOMENT, "has_given_permission": FLAG, "language": TEXT, "is_current": FLAG,
        "is_deleted": FLAG,
    } | ARRIVED,
    "staging.stg_hubspot__contact_versions": {
        "contact_id": TEXT, "email": TEXT, "additional_emails": TEXT, "has_objected_to_email": FLAG,
        "updated_at": MOMENT,
    } | ARRIVED,
    "staging.stg_rapidmail__recipient_versions": {
        "recipient_id": TEXT, "email": TEXT, "source_status": TEXT, "signed_up_at": MOMENT,
        "has_sign_up_time": FLAG, "signed_up_ip": TEXT, "confirmed_at": MOMENT,
        "has_confirmation_time": FLAG, "confirmed_ip": TEXT, "changed_at": MOMENT,
        "has_change_time": FLAG, "language": TEXT, "is_current": FLAG,
    } | ARRIVED,
    "staging.stg_pipedrive__person_versions": {
        "person_id": TEXT, "emails": TEXT, "marketing_status": TEXT, "updated_at": MOMENT,
    } | ARRIVED,
    "staging.stg_product_registrations__registration_versions": {
        "registration_id": TEXT, "email": TEXT, "registered_at": MOMENT,
        "has_registration_time": FLAG, "has_requested_newsletter": FLAG,
        "newsletter_confirmed_at": MOMENT, "has_confirmation_time": FLAG,
    } | ARRIVED,
    "staging.stg_mailchimp__unsubscribes": {
        "membership_id": TEXT, "email": TEXT, "unsubscribed_at": MOMENT,
    } | ARRIVED,
    "staging.stg_consent_forms__declaration_versions": {
        "declaration_id": TEXT, "channel": TEXT, "contact_point": TEXT, "controller": TEXT,
        "purpose": TEXT, "decision": TEXT, "signed_at": MOMENT, "has_signing_time": FLAG,
        "text_version": TEXT, "document_ref": TEXT, "collected_by": TEXT,
    } | ARRIVED,
    "staging.stg_quality__loads": {"source": TEXT, "load_id": TEXT, "pulled_at": MOMENT},
    "intermediate.int_newsletter_lists_dated": {
        "source": TEXT, "list_id": TEXT, "has_double_opt_in": FLAG,
        "has_marketing_permissions": FLAG, "valid_from": MOMENT, "valid_before": MOMENT,
    },
    "intermediate.int_newsletter_activity_unioned": {
        "source": TEXT, "contact_point": TEXT, "action": TEXT, "happened_at": MOMENT,
        "load_id": TEXT,
    },
    "intermediate.int_consent_blocks_matched": {
        "source": TEXT, "source_record": TEXT, "channel": TEXT, "contact_point": TEXT,
        "event": TEXT, "detail": TEXT, "happened_at": MOMENT, "recorded_load_id": TEXT,
        "recorded_at": MOMENT,
    },
    "intermediate.int_consent_sales_dated": {
        "source": TEXT, "source_record": TEXT, "contact_point": TEXT, "event": TEXT,
        "detail": TEXT, "happened_at": MOMENT, "recorded_load_id": TEXT, "recorded_at": MOMENT,
    },
    "intermediate.int_organisations_unioned": {"source": TEXT, "record_id": TEXT, "country": TEXT},
    "intermediate.int_contacts_unioned": {
        "source": TEXT, "record_id": TEXT, "organisation_record_id": TEXT, "country": TEXT,
    },
    "staging.stg_matching__contact_points": {
        "record_kind": TEXT, "source": TEXT, "record_id": TEXT, "channel": TEXT, "value": TEXT,
        "contact_point": TEXT, "mailbox_kind": TEXT,
    },
    "staging.stg_matching__identities": {
        "record_kind": TEXT, "source": TEXT, "record_id": TEXT, "customer_id": TEXT,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"), tuple(dict.fromkeys((*READING, *PERMITTING))))


@dataclass
class Member:
    """What Mailchimp and the CRM show of somebody at a moment."""

    email: str
    status: str = ""
    signed_up_at: datetime | None = None
    opted_at: datetime | None = None
    changed_at: datetime | None = None
    objected_at: datetime | None = None

    def turn(self, what: str, when: datetime) -> None:
        if what == "object":
            # A mark in the CRM that is set already is not set again.
            self.objected_at = self.objected_at or when
            return
        if what == "confirm" and self.status != "pending":
            return
        if what != "request" and not self.status:
            return
        self.changed_at = when
        match what:
            case "request":
                self.status, self.signed_up_at, self.opted_at = "pending", when, None
            case "confirm":
                self.status, self.opted_at = "subscribed", when
            case "withdraw":
                self.status = "unsubscribed"
            case "bounce":
                self.status = "cleaned"
            case "put back" if self.status == "unsubscribed":
                # The list of long ago is imported again; the form before it stays.
                self.status, self.opted_at = "subscribed", when


@dataclass
class Town:
    """People, and the exports of them that came, each of one moment of one person."""

    dice: random.Random
    members: list[tuple] = field(default_factory=list)
    contacts: list[tuple] = field(default_factory=list)
    refused: dict[str, list[datetime]] = field(default_factory=dict)
    granted: dict[str, list[tuple[datetime, datetime]]] = field(default_factory=dict)

    def live(self, number: int) -> list[tuple[datetime, Member]]:
        """The moments of a life that may be exported."""
        member = Member(f"person{number}@krone.example")
        moments, when = [], START
        for _ in range(self.dice.randrange(1, 8)):
            when += self.dice.choice(
                (timedelta(0), timedelta(minutes=3), timedelta(minutes=50), timedelta(hours=5),
                 timedelta(days=20), timedelta(days=200))
            )  # fmt: skip
            turns = ("request", "confirm", "confirm", "withdraw", "put back", "bounce", "object")
            member.turn(self.dice.choice(turns), when)
            moments.append((when, Member(**vars(member))))
        return moments

    def export(self, member: Member, pulled_at: datetime, load_id: str) -> None:
        """An export comes in; what it tells a person who reads it is noted down."""
        row = len(self.members) + len(self.contacts)
        refused = self.refused.setdefault(member.email, [])
        if member.objected_at:
            refused.append(member.objected_at)
        arrived = (pulled_at, load_id, row)
        self.contacts.append(
            (member.email, member.email, None, bool(member.objected_at),
             member.objected_at or pulled_at, *arrived)
        )  # fmt: skip
        if not member.status:
            return
        if member.status in ("unsubscribed", "cleaned"):
            refused.append(member.changed_at)
        if member.opted_at and member.status != "pending":
            self.granted.setdefault(member.email, []).append((member.signed_up_at, member.opted_at))
        self.members.append(
            (f"list:{member.email}", "c0ffee0001", member.email, member.status,
             member.signed_up_at, "192.0.2.1", member.opted_at, "192.0.2.1", member.changed_at,
             True, "de", True, False, *arrived)
        )  # fmt: skip

    def may_be_allowed(self, email: str) -> bool:
        """Whether a request that was confirmed came clearly after all refusals that are known."""
        asked = [asked for asked, opted in self.granted.get(email, []) if opted > asked]
        refused = self.refused.get(email, [])
        return bool(asked) and (not refused or max(asked) > max(refused) + SKEW)


def fill(db: duckdb.DuckDBPyConnection, table: str, rows: list[tuple]) -> None:
    columns = TABLES[table]
    arrays = [
        pa.array([row[place] for row in rows], kind) for place, kind in enumerate(columns.values())
    ]
    db.register("given", pa.table(arrays, names=list(columns)))
    db.execute(f"create or replace table build.{table} as from given")
    db.unregister("given")


def night(
    desk: Desk, db: duckdb.DuckDBPyConnection, ledger: ConsentLedger, town: Town, now: datetime
) -> None:
    fill(db, "staging.stg_mailchimp__member_versions", town.members)
    fill(db, "staging.stg_hubspot__contact_versions", town.contacts)
    for model in READING:
        desk.run(db, model)
    known = sorted({row[1] for row in town.contacts})
    fill(
        db,
        "staging.stg_matching__contact_points",
        [("person", "hubspot", one, "email", one, one, "personal") for one in known],
    )
    db.execute("use build")
    db.execute("create schema if not exists matching")
    db.execute(
        "create or replace table matching.contact_points as select *, contact_point as point "
        "from staging.stg_matching__contact_points"
    )
    recorded(db, ledger, ledger_heads(ledger), now=now)
    for table in ("events", "contact_points"):
        db.execute(f"create or replace table staging.stg_consent__{table} as from consent.{table}")


def ledger_heads(ledger: ConsentLedger) -> Path:
    return ledger._folder / "heads.txt"


@settings(
    max_examples=40, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(seed=st.integers(0, 10**9))
# Put back by hand in the second in which a new request came.
@example(seed=297)
def test_of_ten_thousand_lives_nobody_is_written_to_whom_the_exports_refuse(
    desk, tmp_path_factory, seed
):
    """Forty towns of 250 people; late, reordered and repeated exports, three nights."""
    town = Town(random.Random(seed))
    dice = town.dice
    exports = []
    for number in range(PEOPLE):
        lived = town.live(number)
        exports += dice.sample(lived, dice.randrange(1, len(lived) + 1))
    exports += dice.sample(exports, len(exports) // 5)
    dice.shuffle(exports)
    ledger = ConsentLedger(tmp_path_factory.mktemp("ledger"))
    with desk.opened() as db:
        for table in TABLES:
            fill(db, table, [])
        always = ("mailchimp", "c0ffee0001", True, False, None, None)
        fill(db, "intermediate.int_newsletter_lists_dated", [always])
        before: set[str] = set()
        for number in range(NIGHTS):
            pulled_at = NOW - timedelta(days=NIGHTS - number)
            for place, (_, member) in enumerate(exports[number::NIGHTS]):
                town.export(member, pulled_at, f"{number:08d}-{place:06d}")
            night(desk, db, ledger, town, pulled_at)
            for model in PERMITTING:
                desk.run(db, model)
            allowed = {
                email
                for (email,) in db.sql(
                    "select contact_point from build.marts.mailing_permission "
                    "where purpose = 'newsletter'"
                ).fetchall()
            }
            wrong = [email for email in allowed if not town.may_be_allowed(email)]
            assert not wrong, (wrong[0], town.granted[wrong[0]], town.refused.get(wrong[0]))
            before |= allowed
        # It is not kept by allowing nobody: whom no export refuses and one shows whole, is allowed.
        lost = [
            email
            for email, grants in town.granted.items()
            if not town.refused.get(email)
            and any(opted > asked for asked, opted in grants)
            and email not in allowed
        ]
        assert not lost, (lost[0], town.granted[lost[0]])
        assert before


def test_no_address_is_allowed_by_merging_or_splitting_customers(desk, tmp_path):  # C05
    """A thousand random graphs of who is who over one hundred addresses."""
    town, dice = Town(random.Random(5)), random.Random(6)
    for number in range(100):
        for place, (_, member) in enumerate(town.live(number)):
            town.export(member, NOW - timedelta(days=1), f"{number:08d}-{place:06d}")
    ledger = ConsentLedger(tmp_path / "ledger")
    with desk.opened() as db:
        for table in TABLES:
            fill(db, table, [])
        always = ("mailchimp", "c0ffee0001", True, False, None, None)
        fill(db, "intermediate.int_newsletter_lists_dated", [always])
        night(desk, db, ledger, town, NOW - timedelta(days=1))
        for model in PERMITTING:
            desk.run(db, model)
        query = "select contact_point, purpose, reason from build.marts.mailing_permission"
        allowed = set(db.sql(query).fetchall())
        assert len(allowed) > 5
        records = sorted({row[1] for row in town.contacts})
        for _ in range(1000):
            customers = dice.randrange(1, len(records))
            fill(
                db,
                "staging.stg_matching__identities",
                [("person", "hubspot", one, f"o_{dice.randrange(customers)}") for one in records],
            )
            for model in ("int_customer_permissions", "mailing_permission"):
                desk.run(db, model)
            assert set(db.sql(query).fetchall()) == allowed
    for model in ("int_consent_scopes", *DECIDING):
        assert "identities" not in desk.sql[model]


def test_what_was_withdrawn_stays_so_when_the_address_is_erased_and_an_old_list_comes_back(
    desk, tmp_path
):  # C04
    town = Town(random.Random(7))
    member = Member("anna@krone.example")
    ledger = ConsentLedger(tmp_path / "ledger")
    day = timedelta(days=1)
    with desk.opened() as db:
        for table in TABLES:
            fill(db, table, [])
        always = ("mailchimp", "c0ffee0001", True, False, None, None)
        fill(db, "intermediate.int_newsletter_lists_dated", [always])

        def allowed(now: datetime) -> bool:
            night(desk, db, ledger, town, now)
            for model in PERMITTING:
                desk.run(db, model)
            rows = db.sql("from build.marts.mailing_permission where purpose = 'newsletter'")
            return bool(rows.fetchall())

        member.turn("request", START)
        member.turn("confirm", START + timedelta(minutes=5))
        old = Member(**vars(member))
        town.export(old, START + day, "1")
        assert allowed(START + day)
        member.turn("withdraw", START + 2 * day)
        town.export(member, START + 3 * day, "2")
        assert not allowed(START + 3 * day)
        ledger.erase("email", "anna@krone.example", now=START + 4 * day)
        # Everything the sources still hold is gone; then somebody finds an old export.
        town.members.clear()
        town.contacts.clear()
        town.export(old, START + 9 * day, "3")
        assert not allowed(START + 9 * day)
        assert "anna" not in str(db.sql("select contact_point from build.consent.events"))
        # A new opt-in of her own counts.
        member.turn("request", START + 20 * day)
        member.turn("confirm", START + 20 * day + timedelta(minutes=5))
        town.export(member, START + 21 * day, "4")
        assert allowed(START + 21 * day)
