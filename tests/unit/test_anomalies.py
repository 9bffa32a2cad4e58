"""What is called unusual, and what is not. The rates over a whole company are in benchmarks."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.anomalies import Night, unusual
from tests.benchmarks import anomaly_rates
from tests.benchmarks.anomaly_rates import TOLERANCE

MONDAY = date(2024, 3, 4)
TWELVE_WEEKS = 84
WORKDAYS = (118, 100, 100, 100, 90, 0, 0)
FILLED = "email is filled"


def nights(rows, shares=None):
    """One night after the other from a Monday on."""
    rows = list(rows)
    return [
        Night(MONDAY + timedelta(days=day), int(count), shares[day] if shares else {})
        for day, count in enumerate(rows)
    ]


def rhythm(weekday_means, days=TWELVE_WEEKS, seed=7):
    """Counts that scatter around the mean of their weekday by a tenth, on top of Poisson."""
    rng = np.random.default_rng(seed)
    means = np.array([weekday_means[day % 7] for day in range(days)])
    return rng.poisson(means * rng.gamma(100, 1 / 100, days))


def filled(parts):
    """Nights of (rows with an e-mail, rows)."""
    return nights(
        [rows for _, rows in parts], [{FILLED: part} if part[1] else {} for part in parts]
    )


def said(history, rows, day=None, **more):
    """What is said of the night after the history."""
    day = day or history[-1].day + timedelta(days=1)
    return unusual(history, Night(day, rows, {}), TOLERANCE, **more)


def said_of(history, shares):
    """What is said of the shares of the night after the history."""
    rows = max(count for _, count in shares.values())
    night = Night(history[-1].day + timedelta(days=1), rows, shares)
    return tuple(one for one in unusual(history, night, TOLERANCE) if one.what != "rows")


def alarms_one_by_one(all_nights, first):
    """The nights on which something is said, each judged against the nights before it."""
    return [
        day
        for day in range(first, len(all_nights))
        if unusual(all_nights[:day], all_nights[day], TOLERANCE)
    ]


# ------------------------------------------------------------------------------------- weekdays


def test_no_rows_on_a_monday_where_hundreds_come_is_unusual():
    (found,) = said(nights(rhythm(WORKDAYS)), rows=0)
    assert found.what == "rows"
    assert found.score < -TOLERANCE.unusual_silence_from
    assert found.sentence().startswith("no row arrived; on Mondays it is usually 1")


def test_no_rows_on_a_sunday_is_usual_where_sundays_bring_none():
    assert said(nights(rhythm(WORKDAYS, TWELVE_WEEKS - 1)), rows=0) == ()


def test_a_monday_is_compared_with_mondays():
    history = nights(rhythm((600, 100, 100, 100, 100, 100, 100)))
    assert said(history, rows=600) == ()
    assert said(history, rows=100)[0].compared_with == "on Mondays"
    tuesday = [*history, Night(MONDAY + timedelta(days=TWELVE_WEEKS), 600, {})]
    assert said(tuesday, rows=600)[0].compared_with == "on Tuesdays"


def test_with_few_mondays_a_monday_is_compared_with_workdays():
    history = [night for night in nights(rhythm(WORKDAYS)) if night.day.weekday() != 0]
    (found,) = said(history, rows=0, day=MONDAY + timedelta(days=TWELVE_WEEKS))
    assert found.compared_with == "on workdays"


def test_a_holiday_is_taken_for_a_sunday():
    history = nights(rhythm(WORKDAYS))
    monday = MONDAY + timedelta(days=TWELVE_WEEKS)
    assert said(history, rows=0, holidays={monday}) == ()
    assert said(history, rows=0, holidays=set()) != ()


def test_an_import_on_a_sunday_is_compared_with_the_nights_that_bring_rows():
    history = nights(rhythm(WORKDAYS, TWELVE_WEEKS - 1))
    assert said(history, rows=80) == ()
    assert said(history, rows=3) == ()
    assert said(history, rows=5000)[0].compared_with == "when rows arrive"


def test_what_comes_late_after_an_outage_is_usual():
    history = nights([*rhythm(WORKDAYS), 0, 0])
    assert said(history, rows=318) == ()
    assert said(history, rows=3000) != ()


# --------------------------------------------------------------------- constant and tiny histories


def test_a_table_that_never_changes_may_change_a_little():
    history = nights([1000] * 60)
    assert said(history, rows=1000) == ()
    assert said(history, rows=900) == ()
    assert said(history, rows=500)[0].expected == pytest.approx(1000)
    assert said(history, rows=0) != ()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=60, max_size=60), st.integers(0, 4))
def test_a_table_of_no_one_or_two_rows_a_night_never_alarms(counts, tonight):
    assert said(nights(counts), rows=tonight) == ()


def test_a_table_that_is_always_empty_never_alarms_when_it_stays_so():
    assert said(nights([0] * 60), rows=0) == ()


def test_a_count_scatters_by_chance_even_where_the_history_never_did():
    assert said(nights([60] * 60), rows=26) == ()
    assert said(nights([60] * 60), rows=10) != ()


def test_a_few_equal_nights_prove_less_than_many():
    weekly = nights(([400] + [0] * 6) * 8)
    assert said(weekly, rows=215) == ()
    assert said(nights([400] * 56), rows=215) != ()


def test_one_night_in_four_that_is_small_makes_a_small_night_usual():
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        counts = rng.poisson(np.where(rng.random(TWELVE_WEEKS) < 0.27, 20, 100))
        alarms += bool(said(nights(counts), rows=20))
    # With the MAD alone it is 10 of 20.
    assert alarms <= 2


def test_scatter_that_was_seen_makes_the_same_change_usual():
    rng = np.random.default_rng(3)
    steady = nights(rng.poisson(1000, 84))
    wild = nights(rng.poisson(1000 * rng.gamma(4, 1 / 4, 84)))
    assert said(steady, rows=350) != ()
    assert said(wild, rows=350) == ()


def test_silence_is_usual_where_every_tenth_night_is_silent():
    counts = rhythm((100,) * 7)
    counts[5::10] = 0
    assert said(nights(counts), rows=0) == ()


# ----------------------------------------------------------------------------------------- shares


def test_one_of_two_rows_without_an_email_is_no_news():
    history = filled([(100, 100)] * 60)
    assert said_of(history, {FILLED: (1, 2)}) == ()
    assert said_of(history, {FILLED: (0, 2)}) == ()


def test_a_share_that_was_always_whole_and_falls_to_60_per_cent_is_unusual():
    (found,) = said_of(filled([(300, 300)] * 60), {FILLED: (180, 300)})
    assert (found.what, found.value, found.expected) == (FILLED, 0.6, 1.0)
    assert found.sentence() == (
        "email is filled: 60 % of 300 rows; on Fridays it is usually 100 % (98 % to 100 %)"
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from([0.05, 0.3, 0.5, 0.8, 1.0]))
def test_what_counting_few_rows_explains_is_never_unusual(seed, rows, usual):
    rng = np.random.default_rng(seed)
    history = filled([(int(rng.binomial(rows, usual)), rows) for _ in range(60)])
    # Every share within three binomial standard deviations of the usual one.
    off = 3 * (usual * (1 - usual) / rows) ** 0.5
    for true in range(rows + 1):
        if abs(true / rows - usual) <= off:
            assert said_of(history, {FILLED: (true, rows)}) == ()


def test_a_small_change_is_no_news_however_many_rows_prove_it():
    history = filled([(5000, 5000)] * 60)
    assert said_of(history, {FILLED: (4650, 5000)}) == ()
    assert said_of(history, {FILLED: (4400, 5000)}) != ()


def test_quiet_nights_together_make_the_share_they_are_compared_with():
    history = filled([(2, 2), (1, 1), (0, 0)] * 28)
    assert said_of(history, {FILLED: (10, 40)})[0].expected == 1.0


def test_a_share_that_differs_on_weekends_is_compared_with_weekends():
    week = [(180, 200)] * 5 + [(40, 200)] * 2
    history = filled((week * 12)[:-1])
    assert said_of(history, {FILLED: (40, 200)}) == ()
    assert said_of(filled((week * 12)[:-2]), {FILLED: (180, 200)}) == ()
    assert said_of(history[:-2], {FILLED: (40, 200)}) != ()


def test_a_share_that_swings_from_night_to_night_may_swing_tonight():
    steady = filled([(500, 1000)] * 60)
    swinging = filled([(350, 1000), (500, 1000), (650, 1000)] * 20)
    assert said_of(steady, {FILLED: (690, 1000)}) != ()
    assert said_of(swinging, {FILLED: (690, 1000)}) == ()


def test_a_rare_value_that_vanishes_from_many_rows_is_unusual():
    history = filled([(60, 1000)] * 60)
    assert said_of(history, {FILLED: (0, 1000)}) != ()
    assert said_of(history, {FILLED: (20, 1000)}) == ()


def test_the_most_unusual_comes_first():
    both = {"a is filled": (300, 300), "b is filled": (300, 300)}
    history = nights([300] * 60, [both] * 60)
    found = said_of(history, {"a is filled": (200, 300), "b is filled": (0, 300)})
    assert [one.what for one in found] == ["b is filled", "a is filled"]


# ----------------------------------------------------------------- growth, shifts, the initial load


def test_slow_growth_never_alarms():
    means = [
        100 * 1.03 ** (day / 7) * (1.3, 1, 1, 1, 0.9, 0.1, 0.05)[day % 7] for day in range(300)
    ]
    assert alarms_one_by_one(nights(np.random.default_rng(11).poisson(means)), 28) == []


@pytest.mark.parametrize("factor", [0.35, 3])
def test_a_shift_of_the_level_alarms_at_once_and_is_normal_after_a_week(factor):
    before, after = rhythm((300,) * 7, 70), rhythm((300 * factor,) * 7, 70, seed=8)
    alarms = alarms_one_by_one(nights([*before, *after]), 28)
    assert alarms[0] == 70
    assert alarms[-1] < 70 + 7


def test_a_shift_of_a_share_is_normal_after_a_week():
    alarms = alarms_one_by_one(filled([(270, 300)] * 60 + [(120, 300)] * 40), 28)
    assert alarms[0] == 60
    assert alarms[-1] < 67


def test_an_initial_load_neither_alarms_nor_blinds():
    small = [250_000, 90_000, *rhythm(WORKDAYS)[2:]]
    assert alarms_one_by_one(nights(small), 2) == []
    young = nights(small[:35])
    assert said(young, rows=0) != ()
    assert said(young, rows=1200) != ()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, TWELVE_WEEKS - 1), st.integers(0, 10**7)), min_size=1, max_size=4
    )
)
def test_outliers_in_the_history_hide_nothing(outliers):
    counts = rhythm((118, 100, 100, 100, 90, 80, 80))
    for day, rows in outliers:
        counts[day] = rows
    # Ten times as much an earlier month around this date, twice, would be a monthly rhythm.
    assert said(nights(counts), rows=0) != ()
    assert said(nights(counts), rows=110) == ()


def test_a_month_end_is_usual_from_its_third_time_on():
    counts = rhythm((100,) * 7, 180)
    history = nights(counts)
    ends = [n for n in history if (n.day + timedelta(days=1)).day == 1]
    peaks = [replace(n, rows=700) if n in ends else n for n in history]
    alarms = [peaks[day].day for day in alarms_one_by_one(peaks, 28)]
    assert alarms == [date(2024, 4, 30)]
    mid_month = MONDAY + timedelta(days=168)
    assert unusual(peaks[:168], Night(mid_month, 700, {}), TOLERANCE) != ()


def test_a_weekly_file_may_be_a_day_late_but_not_two():
    week = [400, 0, 0, 0, 0, 0, 0]
    mondays = nights(week * 12)
    assert said(mondays, rows=0) == ()
    late = [*mondays, Night(MONDAY + timedelta(days=84), 0, {})]
    assert said(late, rows=400) == ()
    assert "on Mondays or a day late it is usually 400" in said(late, rows=0)[0].sentence()


def test_a_monthly_file_is_compared_with_monthly_files():
    history = nights([300 if day % 30 == 0 else 0 for day in range(360)])
    assert said(history, rows=310) == ()
    assert said(history, rows=30)[0].compared_with == "when rows arrive"
    assert said(history, rows=0) == ()


# ---------------------------------------------------------------------------------- what is certain


def test_with_little_history_nothing_is_said():
    assert said(nights([100] * (TOLERANCE.nights_needed - 1)), rows=0) == ()
    assert said(nights([100] * TOLERANCE.nights_needed), rows=0) != ()


def test_the_order_of_the_history_and_later_nights_change_nothing():
    history = nights(rhythm(WORKDAYS))
    monday = MONDAY + timedelta(days=TWELVE_WEEKS)
    later = [Night(monday + timedelta(days=more), 10**6, {}) for more in range(60)]
    assert said(history, rows=2) == said([*later, *history[::-1]], rows=2, day=monday) != ()


def test_a_day_twice_in_the_history_is_refused():
    with pytest.raises(ValueError, match="a day twice"):
        said([*nights([5] * 40), Night(MONDAY, 5, {})], rows=5, day=MONDAY + timedelta(days=40))


def test_days_without_a_pull_are_no_nights_without_rows():
    history = [n for n in nights(rhythm((300, 100, 100, 100, 90, 9, 9))) if n.day.weekday() < 5]
    monday = MONDAY + timedelta(days=TWELVE_WEEKS)
    assert said(history, rows=300, day=monday) == ()
    assert said(history, rows=0, day=monday) != ()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=28, max_size=90), st.integers(0, 10**6))
def test_the_usual_range_holds_what_is_expected_and_not_what_came(counts, tonight):
    for one in said(nights(counts), rows=tonight):
        assert 0 <= one.low <= one.expected + 1e-6 <= one.high + 2e-6
        assert not one.low <= one.value <= one.high


# --------------------------------------------------------------------------------- a whole company


@pytest.fixture(scope="module")
def tables():
    return anomaly_rates.company(seed=2024, days=160)


def test_false_alarms_of_39_tables_are_rare(tables):
    assert len(tables) == anomaly_rates.TABLES
    alarms = anomaly_rates.false_alarms(tables, first=130)
    # Six nights of 800 in benchmarks/anomaly_rates (seeds 101 to 104); 30 nights bear one.
    assert alarms.nights_with_alarm <= 1, alarms.sentences
    assert alarms.share_of_table_nights <= 0.001


def test_faults_are_seen_where_they_can_be(tables):
    seen = anomaly_rates.detection(tables, first=130, nights_per_table=2)
    rate = {key: hits / tries for key, (hits, tries) in seen.items()}
    for kind in ("busy on workdays", "only on workdays", "shop with season"):
        assert rate[kind, "nothing arrives"] >= 0.85
        assert rate[kind, "tenfold"] >= 0.85
        assert rate[kind, "fill gone"] >= 0.85
        assert rate[kind, "one status"] >= 0.85
    # A quiet table has too few rows a night for any of this, and claims nothing.
    assert rate["quiet", "halved"] == 0
