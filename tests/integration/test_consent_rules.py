"""May we write to them? Every rule of the law by an example of its own, and all of them by chance
against an oracle in plain Python."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.integration.consent_desk import DECIDING, NOW, Desk, Event, Oracle, Scope, at, seed

MONDAY = datetime(2025, 6, 2, 8, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ALLOWED = {"contract", "consent", "existing_customer", "legitimate_interest"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"), DECIDING)


def said(event: str, when: datetime | None, **more: object) -> Event:
    return Event("anna", event, when, more.pop("recorded_at", (when or MONDAY) + DAY), **more)


def opt_in(when: datetime = MONDAY, **more: object) -> list[Event]:
    """Both ticks of one form."""
    return [said("requested", when, **more), said("confirmed", when + 5 * MINUTE, **more)]


def answer(desk: Desk, events: list[Event], scope: Scope | None = None, **seeds: list[dict]):
    """The decision of today."""
    scope = scope or Scope("anna")
    return desk.decided(events, [scope], **seeds)["anna", scope.purpose][-1]


def test_both_ticks_with_all_their_evidence_allow_what_the_text_names(desk):
    row = answer(desk, opt_in())
    assert (row["is_allowed"], row["reason"], row["legal_basis"]) == (True, "consent", "6_1_a")
    assert row["is_evidence_complete"]
    assert row["decided_by_event_id"] == opt_in()[1].event_id
    assert f"{row['review_due_on']}" == "2027-06-02"


@pytest.mark.parametrize(
    ("missing", "events"),
    [
        ("time of the request", [said("requested", None), said("confirmed", MONDAY)]),
        ("time of the request", [said("confirmed", MONDAY)]),
        ("time of the confirmation", [said("requested", MONDAY), said("confirmed", None)]),
        ("text version", opt_in(text_version=None)),
        ("text version", opt_in(text_version="newsletter-1999")),
        ("purpose", opt_in(purpose="advertising")),
        ("document", [said("granted_offline", MONDAY)]),
        ("time of the signature", [said("granted_offline", None, document_ref="folder 7")]),
    ],
)
def test_one_missing_piece_of_evidence_allows_nothing_and_is_named(desk, missing, events):  # C01
    row = answer(desk, events)
    assert (row["is_allowed"], row["reason"]) == (False, "unproven")
    assert missing in row["missing_evidence"]
    assert row["decided_by_event_id"]


def test_a_text_allows_no_other_purpose_no_other_channel_and_no_address_that_is_none(desk):  # C01
    for scope, missing in (
        (Scope("anna", purpose="product_info"), "purpose"),
        (Scope("anna", channel="phone"), "channel"),
        (Scope("anna", contact_point="anna", is_valid=False), "contact point"),
    ):
        row = answer(desk, opt_in(purpose=scope.purpose), scope)
        assert (row["is_allowed"], row["reason"]) == (False, "unproven")
        assert row["missing_evidence"] == missing


def test_the_first_tick_alone_is_pending_and_a_bare_status_is_unproven(desk):  # C4
    assert answer(desk, opt_in()[:1])["reason"] == "pending"
    assert answer(desk, [said("imported_without_proof", MONDAY)])["reason"] == "unproven"
    assert answer(desk, [])["reason"] == "unknown"


def test_a_confirmation_of_another_form_confirms_nothing(desk):
    asked, confirmed = opt_in()
    for other in ({"record": "another form"}, {"source": "rapidmail"}):
        assert answer(desk, [asked, replace(confirmed, **other)])["reason"] == "unproven"
    before = replace(confirmed, happened_at=MONDAY - MINUTE)
    assert answer(desk, [asked, before])["reason"] == "unproven"


SALE = said("exception_basis_recorded", MONDAY, purpose="advertising",
            detail="paid_contract:a1", text_version=None)  # fmt: skip
AT_COLLECTION = said("notice_given", MONDAY, purpose="advertising", detail="at_collection")
IN_EVERY_MAIL = said("notice_given", MONDAY, purpose="advertising", detail="in_every_mail")


def with_exception(*countries: str) -> list[dict]:
    return [
        row
        | (
            {"has_existing_customer_exception": "true"}
            if row["country"] in countries and row["channel"] == "email"
            else {}
        )
        for row in seed("consent_jurisdictions")
    ]


@pytest.mark.parametrize("conditions", list(itertools.product((True, False), repeat=4)))
def test_of_the_sixteen_cases_of_the_exception_one_is_allowed(desk, conditions):  # C02, C8
    sold, is_similar, is_silent, is_told = conditions
    events = [replace(SALE, detail="enquiry:a1")] if not sold else [SALE]
    events += [AT_COLLECTION, IN_EVERY_MAIL] if is_told else [AT_COLLECTION]
    events += [] if is_silent else [said("objected", MONDAY, purpose="event_invite")]
    goods = [{"company": "demo", "purpose": "newsletter",
              "product_code_pattern": "a%" if is_similar else "b%"}]  # fmt: skip
    row = answer(
        desk, events, consent_jurisdictions=with_exception("DE"), consent_similar_goods=goods
    )
    assert row["is_allowed"] == all(conditions)
    if all(conditions):
        assert (row["reason"], row["legal_basis"]) == ("existing_customer", "6_1_f_7_3_uwg")
    elif sold:
        missing = {"similar goods": is_similar, "no objection": is_silent,
                   "notice in every mail": is_told}  # fmt: skip
        named = ", ".join(name for name, holds in missing.items() if not holds)
        assert (row["reason"], row["missing_evidence"]) == ("exception_incomplete", named)
    else:
        assert row["reason"] == "unknown"


def test_a_free_account_is_no_sale_and_the_exception_is_off_where_nobody_switched_it_on(desk):
    told = [AT_COLLECTION, IN_EVERY_MAIL]
    account = replace(SALE, detail="free_account:a1")
    switched = {"consent_jurisdictions": with_exception("DE")}
    assert answer(desk, [account, *told], **switched)["reason"] == "unknown"
    assert answer(desk, [SALE, *told])["reason"] == "unknown"
    assert answer(desk, [SALE, *told], Scope("anna", country="CH"), **switched)["reason"] == (
        "unknown"
    )
    old = [
        replace(one, happened_at=MONDAY - 800 * DAY, recorded_at=MONDAY - 799 * DAY)
        for one in (SALE, *told)
    ]
    assert not answer(desk, old, **switched)["is_allowed"]


@pytest.mark.parametrize("refusal", ["withdrawn", "objected", "bounced", "erased"])
@pytest.mark.parametrize(
    ("when", "is_allowed"),
    [
        (MONDAY - 2 * HOUR, True),
        (MONDAY - HOUR, False),
        (MONDAY - MINUTE, False),
        (MONDAY, False),
        (MONDAY + 2 * MINUTE, False),
        (MONDAY + 5 * MINUTE, False),
        (MONDAY + 90 * DAY, False),
        (None, False),
    ],
)
def test_a_refusal_wins_unless_both_ticks_came_clearly_after_it(desk, refusal, when, is_allowed):
    """C03, C9: ties, a clock that is off by an hour and unknown times are the refusal's."""
    events = [*opt_in(), said(refusal, when)]
    for order in itertools.permutations(events):
        row = answer(desk, list(order))
        assert row["is_allowed"] == is_allowed
        assert row["reason"] == ("consent" if is_allowed else refusal)


def test_a_refusal_that_arrives_late_counts_from_when_it_is_known(desk):  # C03, C04
    late = said("withdrawn", MONDAY + DAY, recorded_at=MONDAY + 60 * DAY)
    decisions = desk.decided([*opt_in(), late], [Scope("anna")])["anna", "newsletter"]
    assert at(MONDAY + 59 * DAY, decisions)["reason"] == "consent"
    assert at(MONDAY + 60 * DAY, decisions)["reason"] == "withdrawn"


def test_only_a_new_complete_opt_in_restores_what_was_withdrawn(desk):  # C03, C9
    withdrawn = said("withdrawn", MONDAY + 10 * DAY)
    again = MONDAY + 20 * DAY
    for events, reason in (
        (opt_in(again, record="new"), "consent"),
        (opt_in(again, record="new")[:1], "withdrawn"),
        ([said("confirmed", again)], "withdrawn"),
        (opt_in(again, record="new", text_version=None), "withdrawn"),
        ([said("imported_without_proof", again)], "withdrawn"),
        ([said("used", again)], "withdrawn"),
    ):
        assert answer(desk, [*opt_in(), withdrawn, *events])["reason"] == reason


def test_a_clock_that_runs_ahead_does_not_outlive_a_later_refusal(desk):  # C03
    ahead = [replace(one, happened_at=one.happened_at + 4000 * DAY) for one in opt_in()]
    withdrawn = said("withdrawn", MONDAY + 10 * DAY)
    assert answer(desk, [*ahead, withdrawn])["reason"] == "withdrawn"


def test_an_objection_in_the_crm_stops_the_newsletter_whoever_asked_for_it(desk):  # C04
    objection = said("objected", MONDAY + DAY, purpose="advertising", source="hubspot",
                     record="person", text_version=None)  # fmt: skip
    asked = opt_in(controller="daughter")
    for controller in ("daughter", "company"):
        row = answer(desk, [*asked, objection], Scope("anna", controller=controller))
        assert row["reason"] == "objected"
    named = replace(objection, controller="company")
    assert answer(desk, [*asked, named], Scope("anna", controller="daughter"))["is_allowed"]


def test_the_own_block_list_stops_everything_and_is_not_lifted_by_an_opt_in(desk):
    blocked = said("list_blocked", None, purpose="advertising", detail="own",
                   recorded_at=MONDAY - 99 * DAY)  # fmt: skip
    assert answer(desk, [blocked, *opt_in()])["reason"] == "suppressed"


def test_the_ecg_list_stops_austrians_and_those_nobody_knows_where_they_live(desk):  # C06
    listed = said("list_blocked", MONDAY, purpose="advertising", detail="ecg")
    sold = [SALE, AT_COLLECTION, IN_EVERY_MAIL]
    switched = {"consent_jurisdictions": with_exception("DE", "AT", "CH")}
    for events in (sold, opt_in()):
        for country, is_allowed in (("AT", False), ("DE", events is not sold)):
            row = answer(desk, [*events, listed], Scope("anna", country=country), **switched)
            assert row["is_allowed"] == is_allowed, (country, row["reason"])
        assert answer(desk, events, Scope("anna", country="AT"), **switched)["is_allowed"]
    unknown = Scope("anna", country="unknown")
    assert answer(desk, [*opt_in(), listed], unknown)["reason"] == "ecg_listed"


def test_switzerland_can_do_without_the_second_tick_and_the_unknown_country_cannot(desk):  # C06
    asked = opt_in()[:1]
    swiss = Scope("anna", country="CH")
    assert answer(desk, asked, swiss)["reason"] == "pending"
    switched = [
        row | ({"needs_confirmation": "false"} if row["country"] == "CH" else {})
        for row in seed("consent_jurisdictions")
    ]
    assert answer(desk, asked, swiss, consent_jurisdictions=switched)["is_allowed"]
    for country in ("DE", "AT", "unknown"):
        row = answer(desk, asked, Scope("anna", country=country), consent_jurisdictions=switched)
        assert row["reason"] == "pending"


def test_a_text_that_was_changed_or_was_not_in_use_proves_nothing(desk):  # C07
    texts = seed("consent_texts")
    changed = [row | {"wording": row["wording"] + "!"} for row in texts]
    row = answer(desk, opt_in(), consent_texts=changed)
    assert (row["reason"], row["missing_evidence"]) == ("unproven", "text as it was then")
    # Nor is it proven by recording the same again under the new wording.
    relabelled = opt_in(record="form", text_sha256="f" * 64)
    assert answer(desk, [*opt_in(), *relabelled])["reason"] == "unproven"
    early = opt_in(datetime(2019, 12, 31, 12, tzinfo=UTC))
    row = answer(desk, early)
    assert (row["reason"], row["missing_evidence"]) == ("unproven", "text in use then")
    paper = said("granted_offline", datetime(2025, 1, 1, tzinfo=UTC), text_version="messe-2023",
                 document_ref="folder 7")  # fmt: skip
    assert answer(desk, [paper])["reason"] == "unproven"
    assert answer(desk, [replace(paper, text_version="messe-2025")])["is_allowed"]


@pytest.mark.parametrize(
    ("asked_on", "used_on", "reason"),
    [
        ("2024-01-02", None, "consent"),
        ("2023-12-31", None, "stale"),
        ("2022-01-01", None, "stale"),
        ("2021-12-31", None, "lapsed"),
        ("2021-12-31", "2025-02-01", "consent"),
        ("2020-01-31", "2023-06-01", "stale"),
    ],
)
def test_a_consent_nobody_uses_grows_stale_and_lapses(desk, asked_on, used_on, reason):  # C09
    events = opt_in(datetime.fromisoformat(f"{asked_on}T00:00+00:00") - 5 * MINUTE)
    if used_on:
        events.append(said("used", datetime.fromisoformat(f"{used_on}T00:00+00:00")))
    assert answer(desk, events)["reason"] == reason


def test_it_is_known_of_any_past_day_what_was_decided(desk):  # C5
    events = [*opt_in(datetime(2021, 3, 1, tzinfo=UTC)), said("withdrawn", MONDAY)]
    decisions = desk.decided(events, [Scope("anna")])["anna", "newsletter"]
    for day, reason in (
        ("2021-03-01", "unknown"),
        ("2021-03-03", "consent"),
        ("2023-03-02", "stale"),
        ("2025-03-02", "lapsed"),
        ("2025-12-31", "withdrawn"),
    ):
        moment = datetime.fromisoformat(f"{day}T00:00+00:00")
        assert at(moment, decisions)["reason"] == reason


def test_post_is_allowed_until_somebody_objects_while_mail_is_not(desk):  # C7
    for country, is_allowed in (("DE", True), ("AT", True), ("CH", True), ("unknown", False)):
        scope = Scope("anna", channel="post", country=country, contact_point="Weg 1")
        assert answer(desk, [], scope)["is_allowed"] == is_allowed
        assert not answer(desk, [], replace(scope, channel="email"))["is_allowed"]
        objection = said("objected", MONDAY, channel="post", purpose="advertising")
        assert not answer(desk, [objection], scope)["is_allowed"]


def test_a_contract_message_needs_no_opt_in_and_a_review_request_does(desk):  # C3, C14
    refused = [said("objected", MONDAY, purpose="advertising")]
    contract = Scope("anna", purpose="contract_message", is_advertising=False)
    row = answer(desk, refused, contract)
    assert (row["is_allowed"], row["legal_basis"]) == (True, "6_1_b")
    review = Scope("anna", purpose="review_request")
    assert not answer(desk, [], review)["is_allowed"]
    assert not answer(desk, opt_in(), review)["is_allowed"]
    asked = opt_in(purpose="review_request", text_version="messe-2025")
    assert answer(desk, asked, review)["is_allowed"]
    assert not answer(desk, [*asked, *refused], review)["is_allowed"]
    purposes = {row["purpose"]: row["is_advertising"] for row in seed("consent_purposes")}
    assert purposes["review_request"] == "true"


MOMENTS = st.one_of(
    st.integers(0, 12).map(lambda n: MONDAY + n * 30 * MINUTE),
    st.integers(0, 2190).map(lambda n: datetime(2020, 1, 1, tzinfo=UTC) + n * DAY),
)
KINDS = (
    "requested", "confirmed", "granted_offline", "withdrawn", "objected", "bounced", "erased",
    "list_blocked", "imported_without_proof", "used", "exception_basis_recorded", "notice_given",
)  # fmt: skip


@st.composite
def one_event(draw: st.DrawFn) -> Event:
    kind = draw(st.sampled_from((*KINDS, "requested", "confirmed", "confirmed", "requested")))
    happened_at = draw(st.one_of(MOMENTS, MOMENTS, MOMENTS, st.none()))
    recorded_at = draw(
        st.one_of(MOMENTS, st.integers(0, 300).map(lambda n: (happened_at or MONDAY) + n * DAY))
    )
    details = {
        "list_blocked": ("own", "ecg", "ecg"),
        "exception_basis_recorded": ("paid_contract:a1", "paid_contract:a1", "enquiry:a1"),
        "notice_given": ("at_collection", "in_every_mail"),
    }
    return Event(
        "", kind, happened_at, recorded_at,
        purpose=draw(st.sampled_from(("newsletter", "newsletter", "product_info", "advertising"))),
        record=draw(st.sampled_from(("form", "form", "other"))),
        source=draw(st.sampled_from(("mailchimp", "mailchimp", "rapidmail"))),
        text_version=draw(
            st.sampled_from(("newsletter-2020", "newsletter-2020", "messe-2023", "none", None))
        ),
        detail=draw(st.sampled_from(details.get(kind, (None,)))),
        document_ref=draw(st.sampled_from((None, "folder 7"))),
    )  # fmt: skip


@settings(
    max_examples=400,
    deadline=None,
    database=None,
    # The sequence is small enough to be read as it is; making it smaller would take hours.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.lists(
        st.tuples(
            st.lists(one_event(), max_size=8), st.sampled_from(("DE", "AT", "unknown")), MOMENTS
        ),
        min_size=25,
        max_size=25,
    )
)
def test_ten_thousand_random_sequences_are_decided_as_the_oracle_says(desk, sequences):
    """At the end, and at any moment before; four hundred times twenty-five."""
    events, scopes = [], []
    for number, (told, country, _) in enumerate(sequences):
        subject = f"s{number}"
        events += [replace(one, subject=subject, number=place) for place, one in enumerate(told)]
        for purpose in ("newsletter", "product_info"):
            scopes.append(Scope(subject, purpose=purpose, country=country))
    found = desk.decided(events, scopes, consent_jurisdictions=with_exception("DE", "AT"))
    for number, (_, country, moment) in enumerate(sequences):
        subject = f"s{number}"
        mine = [one for one in events if one.subject == subject]
        oracle = Oracle(mine, country, exception=country != "unknown")
        for purpose in ("newsletter", "product_info"):
            for when in (moment, NOW):
                row = at(when, found[subject, purpose])
                expected = oracle.reason(purpose, when)
                assert row["reason"] == expected, (country, purpose, when, mine)
                assert row["is_allowed"] == (expected in ALLOWED)
