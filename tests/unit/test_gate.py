"""The gate: which rule a bad row breaks, and that every row goes to exactly one place."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.gate import MASK, Arrival, judging
from quality.rules import Severity, Suite, Verdict
from quality.suites.catalogue import suite_for
from quality.thresholds import shipped
from sources.accounting.sales_list import LINES
from sources.landing import landed_schema

SUITE = suite_for("sales_list", LINES, shipped(), pulled_on=date(2026, 1, 1))
PERSONAL = {column.name: column.personal for column in LINES.columns if column.personal}
SOUND = {
    "date": "01.02.2025",
    "invoice_number": "R1",
    "customer_number": "0815",
    "customer_name": "Erika Beispiel",
    "email": "erika@example.com",
    "quantity": "2",
    "unit_price": "3,50",
    "currency": "EUR",
    "document_kind": "invoice",
    "credit_note_amounts": "negative",
    "_decimal_mark": ",",
}


def lenient(suite: Suite) -> Suite:
    return replace(suite, thresholds=replace(suite.thresholds, bad_rows_share=1.0))


def judge(
    tmp_path: Path,
    rows: list[dict],
    suite: Suite = SUITE,
    arrival: Arrival | None = None,
    *,
    by_hand: bool = False,
) -> tuple[Verdict, dict]:
    """Judge rows and read back what was written: accepted, quarantined, reasons and findings."""
    schema = landed_schema(LINES)
    stamped = [
        {"_row": number, "_load_id": "1", "_pulled_at": datetime(2026, 1, 1, tzinfo=UTC), **row}
        for number, row in enumerate(rows, start=2)
    ]
    landed = tmp_path / "part-00000.parquet"
    pq.write_table(pa.Table.from_pylist(stamped, schema=schema), landed)
    accepted, quarantined = tmp_path / "accepted", tmp_path / "quarantined"
    accepted.mkdir(exist_ok=True)
    quarantined.mkdir(exist_ok=True)
    with judging([landed], suite, arrival, is_let_in_by_hand=by_hand) as judgement:
        if judgement.verdict.is_let_in:
            judgement.write(accepted, quarantined, personal=PERSONAL)
        verdict = judgement.verdict
    written = {
        name: pq.read_table(path).to_pylist() if path.exists() else None
        for name, path in {
            "accepted": accepted / "part-00000.parquet",
            "quarantined": quarantined / "rows.parquet",
            "reasons": quarantined / "reasons.parquet",
            "findings": accepted / "findings.parquet",
        }.items()
    }
    return verdict, written


def broken_rules(tmp_path: Path, severity: Severity, **changes) -> set[str]:
    verdict, _ = judge(tmp_path, [SOUND | changes], lenient(SUITE))
    return {
        result.rule.name
        for result in verdict.results
        if result.broken and result.rule.severity is severity
    }


def test_a_sound_row_breaks_no_rule(tmp_path: Path):
    verdict, written = judge(tmp_path, [SOUND])
    assert [result.rule.name for result in verdict.results if result.broken] == []
    assert (verdict.landed, verdict.accepted, verdict.quarantined) == (1, 1, 0)
    assert len(written["accepted"]) == 1
    assert written["reasons"] == []


CREDIT = {"document_kind": "credit_note", "quantity": "-2"}
PRINTED_POSITIVE = {"document_kind": "credit_note", "credit_note_amounts": "positive"}


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"_defect": "3 fields where the header has 9"}, {"every_row_fits_the_header"}),
        ({"date": "31.02.2025"}, {"date_is_a_calendar_day"}),
        ({"date": None}, {"date_is_a_calendar_day"}),
        ({"date": "02/03/2025"}, {"date_is_a_calendar_day"}),
        ({"date": "02/03/2025", "_date_order": "dmy"}, set()),
        ({"date": "13/03/2025", "_date_order": "mdy"}, {"date_is_a_calendar_day"}),
        ({"date": "2025-02-29"}, {"date_is_a_calendar_day"}),
        ({"date": "2024-02-29T10:00:00.5+01:00"}, set()),
        ({"date": "02.01.2026"}, set()),
        ({"date": "03.01.2026"}, {"date_is_plausible"}),
        ({"date": "31.12.1989"}, {"date_is_plausible"}),
        ({"quantity": "zwei"}, {"quantity_is_a_number", "line_has_an_amount"}),
        ({"unit_price": "3.50"}, {"unit_price_is_a_number", "line_has_an_amount"}),
        ({"unit_price": "1.003,50"}, set()),
        ({"unit_price": "3,50-", **CREDIT, "quantity": "2"}, set()),
        ({"unit_price": None}, {"line_has_an_amount"}),
        ({"unit_price": None, "amount": "7"}, set()),
        ({"quantity": "-2"}, {"quantity_is_negative_only_on_credit_notes"}),
        ({"unit_price": "-3,50"}, {"unit_price_is_negative_only_on_credit_notes"}),
        ({"quantity": "-2", "document_kind": None}, set()),
        (CREDIT, set()),
        ({**CREDIT, "quantity": "2"}, {"credit_note_takes_money_off"}),
        (PRINTED_POSITIVE, set()),
        ({**PRINTED_POSITIVE, "quantity": "-2"}, {"credit_note_printed_positive_is_positive"}),
        ({"currency": "Taler"}, {"currency_is_a_currency_code"}),
        ({"quantity": "9" * 40}, {"quantity_is_a_number", "line_has_an_amount"}),
        ({"quantity": "9" * 14}, {"amount_is_plausible"}),
        ({"unit_price": "1'003.50", "_decimal_mark": "."}, set()),
    ],
)
def test_a_bad_row_breaks_the_right_rule(tmp_path: Path, changes: dict, rules: set[str]):
    assert broken_rules(tmp_path, Severity.QUARANTINE, **changes) == rules


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"unit_price": "0"}, {"unit_price_is_not_zero"}),
        ({"unit_price": "0,000"}, {"unit_price_is_not_zero"}),
        ({"email": "erika(at)example.com"}, {"email_looks_like_an_address"}),
        ({"customer_number": None, "email": None, "customer_name": " "}, {"line_names_a_customer"}),
        ({"customer_number": None}, set()),
    ],
)
def test_a_doubtful_row_is_let_in_and_counted(tmp_path: Path, changes: dict, rules: set[str]):
    assert broken_rules(tmp_path, Severity.WARN, **changes) == rules
    verdict, _ = judge(tmp_path, [SOUND | changes])
    assert verdict.accepted == 1


def test_a_line_repeated_in_its_invoice_is_counted_once(tmp_path: Path):
    verdict, _ = judge(tmp_path, [SOUND, SOUND, SOUND | {"quantity": "3"}])
    counts = {result.rule.name: result.broken for result in verdict.results}
    assert counts["line_stands_only_once_in_its_invoice"] == 1
    assert verdict.accepted == 3


def test_a_row_that_breaks_two_rules_is_quarantined_once_with_two_reasons(tmp_path: Path):
    rows = [SOUND] * 9 + [SOUND | {"date": "x", "currency": "Taler"}]
    verdict, written = judge(tmp_path, rows)
    assert verdict.quarantined == 1
    assert len(written["quarantined"]) == 1
    assert {(reason["row_number"], reason["rule"]) for reason in written["reasons"]} == {
        (11, "date_is_a_calendar_day"),
        (11, "currency_is_a_currency_code"),
    }
    by_rule = {reason["rule"]: reason for reason in written["reasons"]}
    assert by_rule["currency_is_a_currency_code"]["value"] == "Taler"
    assert all(reason["harm"] and reason["remedy"] for reason in written["reasons"])


def test_a_personal_value_is_never_shown_as_a_reason(tmp_path: Path):
    rules = tuple(
        replace(rule, severity=Severity.QUARANTINE)
        if rule.name == "email_looks_like_an_address"
        else rule
        for rule in SUITE.rules
    )
    masked_suite = lenient(replace(SUITE, rules=rules, key=("invoice_number", "email")))
    _, written = judge(tmp_path, [SOUND | {"email": "secret person"}], masked_suite)
    assert [reason["value"] for reason in written["reasons"]] == [MASK]
    assert [reason["record_key"] for reason in written["reasons"]] == [f"R1 / {MASK}"]


def test_too_many_bad_rows_keep_the_whole_load_out(tmp_path: Path):
    rows = [SOUND] * 3 + [SOUND | {"quantity": "zwei"}]
    verdict, written = judge(tmp_path, rows)
    assert not verdict.is_let_in
    assert (verdict.accepted, verdict.quarantined) == (0, 0)
    assert "1 of 4 rows (25.0%)" in verdict.reasons[0]
    assert written == dict.fromkeys(("accepted", "quarantined", "reasons", "findings"))


def test_a_load_without_rows_is_not_let_in(tmp_path: Path):
    verdict, _ = judge(tmp_path, [])
    assert verdict.reasons == ("the load has no rows",)


def test_a_doubtful_row_is_listed_beside_the_accepted_ones_without_its_value(tmp_path: Path):
    _, written = judge(tmp_path, [SOUND, SOUND | {"email": "erika(at)example.com"}])
    (finding,) = written["findings"]
    assert finding["rule"] == "email_looks_like_an_address"
    assert finding["family"] == "format"
    assert (finding["row_number"], finding["record_key"], finding["value"]) == (3, "R1", None)


def test_a_person_lets_a_refused_load_in_but_not_its_bad_rows(tmp_path: Path):
    rows = [SOUND] * 3 + [SOUND | {"quantity": "zwei"}]
    verdict, written = judge(tmp_path, rows, by_hand=True)
    assert (verdict.is_let_in, verdict.accepted, verdict.quarantined) == (True, 3, 1)
    assert [row["quantity"] for row in written["quarantined"]] == ["zwei"]


def test_a_load_is_described_by_counts_and_never_by_a_value(tmp_path: Path):
    rows = [
        SOUND | {"_extra": '{"Filiale": "Nord", "erika@example.com": "1"}'},
        SOUND | {"email": None, "date": "03.02.2025"},
    ]
    profile = judge(tmp_path, rows)[0].profile
    assert profile.judged == 2
    assert profile.counted["email is filled"] == 1
    assert profile.counted["date is filled"] == 2
    assert profile.newest_change == datetime(2025, 2, 3, tzinfo=UTC)
    assert profile.outside == {"Filiale": 1, "(a name not shown)": 1}


@pytest.mark.parametrize(
    ("arrival", "reason"),
    [
        (Arrival(rows_before=100), "the last file of this name had 100"),
        (Arrival(rows_before=49), None),
        (Arrival(rows_before=8), None),
        (Arrival(frozenset({"date"}), frozenset({"date", "email"})), "not in this one: email"),
        (Arrival(frozenset({"date", "email"}), frozenset({"date"})), None),
        (Arrival(None, frozenset({"date"})), None),
    ],
)
def test_a_load_is_refused_that_is_cut_off_or_lost_a_column(tmp_path: Path, arrival, reason):
    verdict, _ = judge(tmp_path, [SOUND] * 25, arrival=arrival)
    assert verdict.is_let_in == (reason is None)
    assert reason is None or reason in verdict.reasons[0]


TEXTS = st.one_of(st.none(), st.text(max_size=8), st.sampled_from(["1", "-1", "1,5", "01.02.2025"]))


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            dict.fromkeys(("date", "quantity", "unit_price", "amount", "currency", "email"), TEXTS)
        ),
        min_size=1,
        max_size=12,
    )
)
def test_landed_rows_are_accepted_or_quarantined_whatever_they_hold(tmp_path_factory, rows):
    verdict, written = judge(
        tmp_path_factory.mktemp("load"), [SOUND | row for row in rows], lenient(SUITE)
    )
    assert verdict.landed == len(rows) == verdict.accepted + verdict.quarantined
    placed = [row["_row"] for row in written["accepted"] + written["quarantined"]]
    assert sorted(placed) == list(range(2, len(rows) + 2))
    assert {reason["row_number"] for reason in written["reasons"]} == {
        row["_row"] for row in written["quarantined"]
    }
