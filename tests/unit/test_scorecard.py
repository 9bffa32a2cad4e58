"""The ten answers about a source: exact numbers at the corners, and what may never happen."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.scorecard import (
    QUESTIONS,
    SCORING_FILE,
    Answer,
    Field,
    Figures,
    Scores,
    Scoring,
    priority,
    read_fields,
    read_scoring,
    score,
    trend,
)

# Numbers of the tests' own: a company that weighs differently breaks none of them.
SCORING = Scoring(
    weights=dict(zip(QUESTIONS, (15, 15, 10, 10, 10, 5, 10, 10, 10, 5), strict=True)),
    age_zero_at_promised_ages=5,
    pulls_part_of_reliability=0.75,
    rows_to_correct_zero_at_share=0.1,
    format_errors_zero_at_share=0.2,
    points_off_per_missing_column=10,
    points_off_per_unknown_column=2,
    days_part_of_access=0.75,
    gap_zero_at_promised_ages=3,
    points_for_owner=30,
    points_for_access=30,
    points_for_automated=40,
    wins_part_of_contribution=0.25,
    filled_from_share=0.02,
    kinds_of_keys_for_full_score=4,
)


def field(name, needed_for, columns, *, area="crm", asked_of_all=True, golden=False, key=None):
    return Field(name, area, asked_of_all, golden, key, needed_for, columns)


FIELDS = (
    field("number", ("I1",), {"books": ("a.number",)}, golden=True, key="customer"),
    field("e-mail", ("I1", "C7"), {"books": ("a.mail", "b.mail")}, golden=True, key="person"),
    field("phone", ("I3", "C7", "X5"), {"other": ("p.phone",)}, golden=True, key="phone"),
    field("order", ("Q2",), {"books": ("b.order",), "shop": ("o.id",)}, key="order"),
    field("number", ("Q5",), {"books": ("t.number",), "desk": ("t.number",)}, area="complaints",
          golden=True, key="customer"),
    field("seats", ("X4",), {"other": ("s.seats",)}, asked_of_all=False),
)  # fmt: skip

FIGURES = Figures(
    source="books",
    area="crm",
    title="Books",
    owner="sales",
    access="API key",
    is_by_hand=False,
    promised_age_hours=36,
    newest_change_age_hours=6,
    last_arrival_age_hours=2,
    pulls=(True,) * 30,
    checks_passed=100,
    checks_made=100,
    landed_rows=1000,
    accepted_rows=1000,
    rows_to_correct=0,
    rows_with_format_errors=0,
    columns_missing=(),
    columns_unknown=(),
    days_reached=30,
    days_asked=30,
    longest_gap_days=1,
    fills={"a.number": (100, 100), "a.mail": (50, 100), "b.mail": (8, 10), "b.order": (10, 10)},
    linked_rows=(100, 100),
    wins_share=None,
)
NOTHING = replace(
    FIGURES,
    newest_change_age_hours=None,
    last_arrival_age_hours=None,
    pulls=(),
    checks_passed=0,
    checks_made=0,
    landed_rows=0,
    accepted_rows=0,
    days_reached=0,
    days_asked=0,
    longest_gap_days=None,
    fills={},
    linked_rows=(0, 0),
)


def answer(question: str, figures: Figures = FIGURES, **changes) -> Answer:
    return score(replace(figures, **changes), SCORING, FIELDS).answers[QUESTIONS.index(question)]


def points(question: str, figures: Figures = FIGURES, **changes) -> float | None:
    return answer(question, figures, **changes).score


def scored(source: str, *points_of_questions: float | None) -> Scores:
    """Scores with these points for A1, A2, ...; the rest is unknown."""
    padded = [*points_of_questions, *(None,) * (10 - len(points_of_questions))]
    answers = (Answer(name, one, "", None) for name, one in zip(QUESTIONS, padded, strict=True))
    return Scores(source, tuple(answers), None)


@pytest.mark.parametrize(
    ("age", "expected"),
    [(-5, 100), (0, 100), (36, 100), (72, 75), (108, 50), (180, 0), (9999, 0)],
)
def test_a1_is_full_up_to_the_promise_and_falls_evenly(age, expected):
    assert points("A1", newest_change_age_hours=age) == pytest.approx(expected)


def test_a1_says_both_ages_in_words():
    assert answer("A1") == Answer("A1", 100, "newest change 6 h old, promised 36 h", 6)
    ahead = answer("A1", newest_change_age_hours=-5).figure
    assert ahead == "newest change dated 5 h ahead, promised 36 h"


def test_a1_takes_the_last_arrival_where_no_column_tells_of_changes():
    taken = answer("A1", newest_change_age_hours=None, last_arrival_age_hours=72)
    assert (taken.score, taken.value) == (75, 72)
    assert taken.figure == "age of the changes unknown, last arrival 72 h old, promised 36 h"


def test_a1_of_a_promise_of_no_hours_is_all_or_nothing():
    assert points("A1", promised_age_hours=0, newest_change_age_hours=0) == 100
    assert points("A1", promised_age_hours=0, newest_change_age_hours=1) == 0


def test_a2_weighs_pulls_and_checks_as_two_shares():
    half = answer("A2", pulls=(True, False), checks_passed=90, checks_made=100)
    assert half.score == pytest.approx(60)
    assert half.value == pytest.approx(0.6)
    assert half.figure == "1 of 2 pulls and 90 of 100 checks succeeded"
    assert points("A2", pulls=(False,) * 30, checks_passed=0) == 0
    assert points("A2") == 100


def test_a2_is_decided_by_pulls_alone_where_nothing_was_checked():
    assert points("A2", pulls=(True, True, True, False), checks_made=0, checks_passed=0) == 75
    assert points("A2", pulls=(), checks_passed=60) == 60


def test_a_share_never_counts_for_more_than_all():
    assert points("A2", pulls=(False,), checks_passed=200, checks_made=100) == 25
    assert answer("A8", linked_rows=(9, 8)).value == 1


@pytest.mark.parametrize(("rows", "expected"), [(0, 100), (25, 75), (50, 50), (100, 0), (900, 0)])
def test_a3_falls_to_nothing_at_the_share_of_the_data(rows, expected):
    assert points("A3", rows_to_correct=rows) == pytest.approx(expected)


def test_a3_says_how_many_rows_to_correct_out_of_how_many():
    told = answer("A3", rows_to_correct=12, landed_rows=3400, accepted_rows=3388)
    assert told.figure == "12 rows to correct out of 3,400 landed, 3,388 accepted"
    assert told.value == 12


def test_a3_counts_open_rows_of_loads_no_longer_in_force():
    assert points("A3", rows_to_correct=3, landed_rows=0) == 0


@pytest.mark.parametrize(
    ("errors", "missing", "unknown", "expected"),
    [(0, 0, 0, 100), (100, 0, 0, 50), (200, 0, 0, 0), (0, 1, 0, 90), (0, 0, 1, 98),
     (100, 2, 5, 20), (0, 11, 0, 0)],
)  # fmt: skip
def test_a4_loses_points_for_rows_and_for_columns(errors, missing, unknown, expected):
    figures = replace(
        FIGURES,
        rows_with_format_errors=errors,
        columns_missing=("a.x",) * missing,
        columns_unknown=("y",) * unknown,
    )
    assert points("A4", figures) == pytest.approx(expected)


def test_a4_names_missing_columns_and_only_counts_unknown_ones():
    told = answer(
        "A4",
        rows_with_format_errors=7,
        columns_missing=[f"a.c{number}" for number in (7, 6, 5, 4, 3, 2, 1)],
        columns_unknown=["Erika Beispiel", "erika@example.com"],
    )
    assert told.figure == (
        "7 of 1,000 rows with format errors; columns: 7 missing "
        "(a.c1, a.c2, a.c3, a.c4, a.c5, and 2 more), 2 unknown"
    )
    assert told.value == 7


def test_a4_speaks_of_drift_before_any_row_has_landed():
    assert points("A4", NOTHING, columns_missing=["a.x"]) == 90
    assert points("A4", NOTHING, columns_unknown=["x"]) == 98
    assert points("A4", NOTHING) is None


@pytest.mark.parametrize(
    ("reached", "gap", "expected"),
    # Promised are 36 hours: a gap of 1.5 days is kept, of 3 days half, of 4.5 days nothing.
    [(30, 1.5, 100), (30, 3, 87.5), (30, 4.5, 75), (15, 1.5, 62.5), (15, 30, 37.5), (0, 30, 0),
     (15, None, 50)],
)  # fmt: skip
def test_a5_weighs_days_reached_and_the_longest_gap(reached, gap, expected):
    told = answer("A5", days_reached=reached, longest_gap_days=gap)
    assert told.score == pytest.approx(expected)
    assert told.value == pytest.approx(reached / 30)


def test_a5_says_days_and_gap_in_words():
    assert answer("A5", days_reached=28, longest_gap_days=2).figure == (
        "read completely on 28 of 30 days; longest gap 2.0 days, promised 1.5"
    )
    unknown = answer("A5", longest_gap_days=None).figure
    assert unknown == "read completely on 30 of 30 days; longest gap unknown"


@pytest.mark.parametrize(
    ("owner", "access", "by_hand", "expected", "value"),
    [("sales", "API", False, 100, 3), ("sales", "File drop", True, 60, 2),
     ("", "API", False, 70, 2), ("sales", " ", False, 70, 2), ("", "", True, 0, 0)],
)  # fmt: skip
def test_a6_gives_points_for_owner_way_and_automation(owner, access, by_hand, expected, value):
    told = answer("A6", owner=owner, access=access, is_by_hand=by_hand)
    assert (told.score, told.value) == (expected, value)


def test_a6_says_who_and_how():
    assert answer("A6").figure == "sales, automated: API key"
    nobody = answer("A6", owner="", access="", is_by_hand=True).figure
    assert nobody == "nobody named, by hand: no way of access stated"


def test_a7_is_the_mean_fill_of_all_golden_fields_while_wins_are_unknown():
    # number 1.0, e-mail 0.8 (the best filled column), phone 0 of three golden fields.
    told = answer("A7")
    assert told.score == pytest.approx(60)
    assert told.value == pytest.approx(0.6)
    assert told.figure == (
        "feeds 2 of 3 golden fields, all 3 filled to 60 % on average; wins not known yet"
    )


def test_a7_counts_wins_by_their_part():
    assert points("A7", wins_share=1) == pytest.approx(70)
    assert points("A7", wins_share=0) == pytest.approx(45)
    assert answer("A7", wins_share=0.4).figure.endswith("wins 40 % of the field groups")


def test_a7_is_unknown_where_only_wins_count_and_nobody_won_yet():
    only_wins = replace(SCORING, wins_part_of_contribution=1.0)
    assert score(FIGURES, only_wins, FIELDS).answers[6].score is None
    won = score(replace(FIGURES, wins_share=0.25), only_wins, FIELDS)
    assert won.answers[6].score == 25


@pytest.mark.parametrize(("linked", "expected"), [((0, 8), 0), ((2, 8), 25), ((8, 8), 100)])
def test_a8_is_the_share_that_names_a_customer(linked, expected):
    assert points("A8", linked_rows=linked) == expected


def test_a8_says_what_needs_context():
    told = answer("A8", linked_rows=(62, 100))
    assert told.figure == "62 % names a customer by a key of its own, the rest needs other sources"
    assert told.value == 0.62


def test_a9_counts_what_the_area_needs_and_the_source_fills():
    told = answer("A9")
    assert (told.score, told.value) == (75, 1)
    assert told.figure == "3 of 4 needed fields; missing: phone [I3, C7, X5]"


def test_a9_tells_an_empty_column_from_one_that_is_not_there():
    # 1.9 % is a stray value, 2 % is a use; most needed comes first.
    fills = {"a.number": (19, 1000), "a.mail": (20, 1000)}
    told = answer("A9", fills=fills)
    assert told.score == 25
    assert told.figure == (
        "1 of 4 needed fields; missing: phone [I3, C7, X5], number [I1; empty], order [Q2; empty]"
    )


def test_a9_of_an_area_of_unlike_sources_asks_only_those_listed():
    assert "seats" not in answer("A9").figure
    other = answer("A9", source="other", fills={"p.phone": (1, 1)})
    assert other.figure.endswith("seats [X4; empty]")
    assert other.value == 4


def test_a9_names_five_and_counts_the_rest():
    fields = tuple(field(f"f{number}", ("Q2",), {}) for number in range(8))
    told = score(FIGURES, SCORING, fields).answers[8]
    assert told.score == 0
    assert told.figure == (
        "0 of 8 needed fields; missing: f0 [Q2], f1 [Q2], f2 [Q2], f3 [Q2], f4 [Q2], and 3 more"
    )


def test_a9_is_unknown_where_no_use_case_asks():
    assert points("A9", area="weather") is None


def test_a10_names_the_keys_found_and_who_could_be_linked():
    told = answer("A10")
    assert (told.score, told.value) == (75, 3)
    assert told.figure == (
        "keys found: customer (a.number 100 %), person (b.mail 80 %), order (b.order 100 %); "
        "2 further sources can hold one of them"
    )


def test_a10_finds_a_key_in_the_fields_of_another_area():
    told = answer("A10", fills={"t.number": (1, 4)})
    assert told.figure.startswith("keys found: customer (t.number 25 %); 1 further")
    assert told.score == 25


def test_a10_without_a_filled_key_is_nothing():
    told = answer("A10", fills={"a.name": (5, 5)})
    assert told == Answer("A10", 0, "keys found: none", 0)


def test_a10_is_full_from_enough_kinds_on():
    enough = replace(SCORING, kinds_of_keys_for_full_score=2)
    assert score(FIGURES, enough, FIELDS).answers[9].score == 100


def test_what_cannot_be_known_yet_is_none_and_no_part_of_the_total():
    scores = score(NOTHING, SCORING, FIELDS)
    assert [one.score for one in scores.answers] == [None] * 5 + [100] + [None] * 4
    assert scores.total == 100
    assert [one.value for one in scores.answers if one.score is None] == [None] * 9


def test_the_answers_come_in_the_order_of_the_questions():
    scores = score(FIGURES, SCORING, FIELDS)
    assert tuple(one.question for one in scores.answers) == QUESTIONS
    assert scores.source == "books"


def test_a_total_without_any_known_answer_is_none():
    silent = replace(SCORING, weights={**dict.fromkeys(QUESTIONS, 1), "A6": 0})
    assert score(NOTHING, silent, FIELDS).total is None


def test_the_total_of_the_example_is_this_number():
    # 15+15+10+10+10+5 at 100, A7 60, A8 100, A9 75, A10 75, by 10, 10, 10 and 5 of 100.
    assert score(FIGURES, SCORING, FIELDS).total == pytest.approx(92.25)


rows = st.integers(0, 2000)
shares = st.floats(0, 1)
fills = st.tuples(rows, rows)
any_figures = st.builds(
    replace,
    st.just(FIGURES),
    owner=st.sampled_from(["", "sales"]),
    access=st.sampled_from(["", "API"]),
    is_by_hand=st.booleans(),
    promised_age_hours=st.floats(0, 1000),
    newest_change_age_hours=st.none() | st.floats(-100, 10_000),
    last_arrival_age_hours=st.none() | st.floats(-100, 10_000),
    pulls=st.lists(st.booleans(), max_size=30),
    checks_passed=rows,
    checks_made=rows,
    landed_rows=rows,
    accepted_rows=rows,
    rows_to_correct=rows,
    rows_with_format_errors=rows,
    columns_missing=st.lists(st.just("a.x"), max_size=12),
    columns_unknown=st.lists(st.just("y"), max_size=60),
    days_reached=st.integers(0, 31),
    days_asked=st.integers(0, 31),
    longest_gap_days=st.none() | st.floats(0, 400),
    fills=st.dictionaries(
        st.sampled_from(["a.number", "a.mail", "b.mail", "b.order", "t.number"]), fills
    ),
    linked_rows=st.tuples(rows, rows),
    wins_share=st.none() | shares,
)
weights = st.lists(st.integers(0, 20), min_size=10, max_size=10).map(
    lambda all_ten: dict(zip(QUESTIONS, all_ten, strict=True))
)


@given(any_figures, weights)
def test_every_score_lies_between_0_and_100_whatever_the_figures(figures, weights):
    scores = score(figures, replace(SCORING, weights=weights), FIELDS)
    known = [one.score for one in scores.answers if one.score is not None]
    assert all(0 <= one <= 100 for one in known)
    assert scores.total is None or min(known) - 1e-9 <= scores.total <= max(known) + 1e-9


@given(any_figures, weights)
def test_the_total_is_the_weighted_mean_of_the_known_answers_exactly(figures, weights):
    scores = score(figures, replace(SCORING, weights=weights), FIELDS)
    known = [one for one in scores.answers if one.score is not None]
    parts = sum(weights[one.question] for one in known)
    if not parts:
        assert scores.total is None
        return
    exact = sum(Fraction(one.score) * weights[one.question] for one in known) / parts
    assert scores.total == pytest.approx(float(exact), abs=1e-10)


@given(any_figures)
def test_an_unknown_answer_weighs_as_if_it_weighed_nothing(figures):
    scores = score(figures, SCORING, FIELDS)
    unknown = {one.question: 0 for one in scores.answers if one.score is None}
    without = replace(SCORING, weights={**SCORING.weights, **unknown})
    assert score(figures, without, FIELDS).total == scores.total


def _pairs(values):
    return st.tuples(values, values).map(sorted)


# question, what of the figures gets better as it grows (+1) or worse (-1), and its values
MONOTONE = [
    ("A1", "newest_change_age_hours", -1, _pairs(st.floats(-100, 10_000))),
    ("A1", "promised_age_hours", 1, _pairs(st.floats(0, 1000))),
    ("A2", "checks_passed", 1, _pairs(rows)),
    ("A3", "rows_to_correct", -1, _pairs(rows)),
    ("A3", "landed_rows", 1, _pairs(st.integers(1, 2000))),
    ("A4", "rows_with_format_errors", -1, _pairs(rows)),
    ("A5", "days_reached", 1, _pairs(st.integers(0, 31))),
    ("A5", "longest_gap_days", -1, _pairs(st.floats(0, 400))),
    ("A6", "is_by_hand", -1, st.just([False, True])),
    ("A6", "owner", 1, st.just(["", "sales"])),
    ("A6", "access", 1, st.just(["", "API"])),
    ("A7", "wins_share", 1, _pairs(shares)),
]


@pytest.mark.parametrize(
    ("question", "name", "sense", "pairs"), MONOTONE, ids=[f"{row[0]}-{row[1]}" for row in MONOTONE]
)
@settings(max_examples=60)
@given(data=st.data())
def test_a_better_figure_never_lowers_a_score(question, name, sense, pairs, data):
    figures = data.draw(any_figures)
    low, high = data.draw(pairs)
    before = points(question, figures, **{name: low})
    after = points(question, figures, **{name: high})
    if before is not None and after is not None:
        assert sense * (after - before) >= -1e-9


@given(any_figures, st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 29))
def test_a_pull_that_fails_never_raises_a2(figures, pulls, at):
    failed = [good and run != at for run, good in enumerate(pulls)]
    assert points("A2", figures, pulls=failed) <= points("A2", figures, pulls=pulls) + 1e-9


@given(any_figures, st.integers(1, 2000), st.data())
def test_a_fuller_column_never_lowers_a7_a9_or_a10(figures, everything, data):
    column = data.draw(st.sampled_from(["a.number", "b.mail", "b.order", "t.number"]))
    low, high = data.draw(_pairs(st.integers(0, everything)))
    for question in ("A7", "A9", "A10"):
        before, after = (
            points(question, figures, fills={**figures.fills, column: (filled, everything)})
            for filled in (low, high)
        )
        assert before <= after + 1e-9


@given(any_figures, st.integers(1, 2000), st.data())
def test_more_linked_rows_never_lower_a8(figures, everything, data):
    low, high = data.draw(_pairs(st.integers(0, everything)))
    before = points("A8", figures, linked_rows=(low, everything))
    assert before <= points("A8", figures, linked_rows=(high, everything))


@given(any_figures)
def test_a_further_column_adrift_never_raises_a4(figures):
    before = points("A4", figures)
    for name in ("columns_missing", "columns_unknown"):
        after = points("A4", figures, **{name: [*getattr(figures, name), "a.x"]})
        assert before is None or after <= before + 1e-9


def test_no_figure_repeats_a_text_the_source_sent():
    figures = replace(FIGURES, columns_unknown=["Erika Beispiel"], fills={"a.Erika": (1, 2)})
    assert not [
        one for one in score(figures, SCORING, FIELDS).answers if "Erika" in one.figure
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("totals", "expected"),
    [([], None), ([80], None), ([None, 80, None], None), ([80, 80], 0), ([60, 70, 80], 20),
     ([80, 70, 60], -20), ([80, None, 60], -20), ([60, None, 70], 10)],
)  # fmt: skip
def test_trend_is_the_change_over_the_runs(totals, expected):
    assert trend(totals) == expected


def test_one_bad_night_makes_no_trend():
    assert trend([80, 80, 80, 5, 80, 80, 80]) == 0
    assert trend([80, 80, 80, 80, 80, 80, 5]) == 0


def test_the_most_trusted_source_ranks_first():
    ranks = priority([scored("a", 50), scored("b", 90), scored("c", 70)], SCORING)
    assert ranks == {"b": 1, "c": 2, "a": 3}


def test_priority_weighs_the_questions_of_trust():
    # a: (15 x 100 + 10 x 0) / 25 = 60; b: 50
    assert priority([scored("b", 50), scored("a", 100, None, 0)], SCORING) == {"a": 1, "b": 2}


@pytest.mark.parametrize("question", QUESTIONS[5:])
def test_priority_does_not_ask_what_is_no_question_of_trust(question):
    at = QUESTIONS.index(question)
    better = scored("b", *(80,) * 5, *(100 if place == at else 0 for place in range(5, 10)))
    assert priority([better, scored("a", *(80,) * 5)], SCORING) == {"a": 1, "b": 2}


@pytest.mark.parametrize("question", QUESTIONS[:5])
def test_priority_asks_every_question_of_trust(question):
    at = QUESTIONS.index(question)
    worse = scored("a", *(0 if place == at else 80 for place in range(5)))
    assert priority([worse, scored("b", *(80,) * 5)], SCORING) == {"b": 1, "a": 2}


def test_a_tie_in_trust_is_decided_by_the_name_in_whatever_order_they_come():
    tied = [scored("c", 80), scored("a", 80.01), scored("b", 80.04)]
    assert priority(tied, SCORING) == priority(tied[::-1], SCORING) == {"a": 1, "b": 2, "c": 3}


def test_a_source_of_which_nothing_is_known_is_trusted_least():
    assert priority([scored("a"), scored("b", 0)], SCORING) == {"b": 1, "a": 2}


def test_a_source_is_ranked_only_once():
    with pytest.raises(ValueError, match="twice"):
        priority([scored("a", 1), scored("a", 2)], SCORING)


def test_winning_more_never_changes_the_priority():
    won = (score(replace(FIGURES, wins_share=share), SCORING, FIELDS) for share in (0.0, 1.0))
    rival = replace(score(FIGURES, SCORING, FIELDS), source="acting")
    first, second = (priority([one, rival], SCORING) for one in won)
    assert first == second


def test_the_data_beside_the_module_is_what_counts_where_nothing_else_is_given():
    figures = replace(FIGURES, source="hubspot")
    assert score(figures) == score(figures, read_scoring(), read_fields())
    one = [score(figures)]
    assert priority(one) == priority(one, read_scoring())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"age_zero_at_promised_ages": 1}, "age_zero"),
        ({"gap_zero_at_promised_ages": 0}, "gap_zero"),
        ({"rows_to_correct_zero_at_share": 0}, "rows_to_correct"),
        ({"filled_from_share": 0}, "filled_from"),
        ({"kinds_of_keys_for_full_score": 0}, "kinds_of_keys"),
        ({"wins_part_of_contribution": 1.5}, "wins_part"),
        ({"points_off_per_missing_column": -1}, "points_off"),
        ({"points_for_owner": 31}, "sum to 100"),
        ({"weights": {"A1": 1}}, "A10"),
        ({"weights": {**SCORING.weights, "A1": -1}}, "negative"),
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused(changes, named):
    with pytest.raises(ValueError, match=named):
        replace(SCORING, **changes)


def test_a_misspelt_threshold_is_refused_by_its_file(tmp_path: Path):
    text = SCORING_FILE.read_text(encoding="utf-8")
    file = tmp_path / "scoring.yml"
    file.write_text(text.replace("points_for_owner", "points_for_ovner"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"scoring\.yml: .*points_for_ovner"):
        read_scoring(file)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [("key: order", "key: ordre", "key must be"), ("golden: true", "goldne: true", "goldne"),
     ("asked_of: all", "asked_of: some", "asked_of")],
)  # fmt: skip
def test_a_misspelt_entry_is_refused_by_its_file(tmp_path: Path, old, new, named):
    file = tmp_path / "fields.yml"
    entry = "{field: x, golden: true, key: order, needed_for: [Q1], from: {books: [a.b]}}"
    text = f"crm:\n  asked_of: all\n  fields:\n    - {entry}\n"
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=named):
        read_fields(file)


def test_every_weight_and_threshold_has_a_line_that_says_why():
    lines = SCORING_FILE.read_text(encoding="utf-8").splitlines()
    bare = [
        line
        for before, line in pairwise(lines)
        if ":" in line and "#" not in (line.lstrip()[:1], before.lstrip()[:1])
    ]
    assert bare == []
