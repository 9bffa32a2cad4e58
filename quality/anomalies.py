"""Is what a source brought tonight unusual against its own last nights, in rows and in shares?

Arithmetic only: nothing is read or written here, no threshold is set here (they are data, see
Tolerance), and nothing is refused; what comes out is for a person to look at.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import islice
from statistics import median

SATURDAY, SUNDAY = 5, 6
WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")

# MAD and the 80 % quantile of |error| as estimates of one standard deviation of a normal error.
MAD_TO_SD = 1.4826
Q80_TO_SD = 1 / 1.2816
# The variance of a median of n values is 1.57 times that of their mean.
MEDIAN_PRICE = 1.57
# A MAD of 8 nights is by chance half of what it should be once in ten times; this many nights of
# twice the counting error are added to what was seen, so that luck is not taken for calm.
NIGHTS_OF_CAUTION = 8
# Weekdays that bring within this factor of each other lend each other level and scatter.
PEERS_WITHIN = 5.0
# Longest silence that a night may catch up with.
DAYS_CAUGHT_UP = 7
# An invoicing run on the 1st lies up to three days off because of a weekend.
MONTHS_ASKED, DAYS_AROUND = 3, 3
# Anscombe: with it sqrt and arcsine stabilise the variance down to a handful of rows.
ANSCOMBE = 3 / 8


@dataclass(frozen=True)
class Night:
    """What one calendar day brought of one table.

    rows is 0 where a pull brought nothing; a day without a pull has no Night. shares maps a
    sentence ("email is filled") to (rows it is true of, rows) and is empty where nothing arrived.
    """

    day: date
    rows: int
    shares: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Tolerance:
    """How far a night may be off before it is called unusual.

    nights_needed                with fewer nights of history nothing is said
    nights_compared              how many nights count, the newest; for shares those with rows
    nights_recent                the newest of them, which set the level: a shift that lasted for
                                 more than half of these is the new normal
    same_weekday_needed          with fewer, workdays or weekends are compared as a whole
    rows_needed_for_a_share      a share of fewer rows is not judged
    unusual_volume_from          robust z of a night with rows; unusual_silence_from of one without,
    unusual_silence_from         which is lower: no row is a kind of its own, not a very small night
    unusual_share_from           robust z of a share
    smallest_share_change        a difference; it is waived only where a share falls to nothing
    ordinary_volume_spread       relative scatter that any table is granted beyond counting error;
                                 with 0.1 nothing below a factor of 1.6 is unusual
    ordinary_share_spread        scatter from night to night that any share is granted (at 50 %)
    silence_is_normal_from       share of comparable nights without rows from which a night without
                                 rows is ordinary
    """

    nights_needed: int
    nights_compared: int
    nights_recent: int
    same_weekday_needed: int
    rows_needed_for_a_share: int
    unusual_volume_from: float
    unusual_silence_from: float
    unusual_share_from: float
    smallest_share_change: float
    ordinary_volume_spread: float
    ordinary_share_spread: float
    silence_is_normal_from: float


@dataclass(frozen=True)
class Unusual:
    """One thing about tonight that is unusual; low to high holds about 95 of 100 usual nights."""

    what: str
    value: float
    expected: float
    low: float
    high: float
    score: float
    rows: int
    compared_with: str

    def sentence(self) -> str:
        """What a person reads: what came, and what usually comes."""
        if self.what == "rows":
            came = {0: "no row", 1: "1 row"}.get(self.rows, f"{self.rows:,} rows")
            return (
                f"{came} arrived; {self.compared_with} it is usually {self.expected:,.0f} "
                f"({self.low:,.0f} to {self.high:,.0f})"
            )
        return (
            f"{self.what}: {_per_cent(self.value)} of {self.rows:,} rows; {self.compared_with} it "
            f"is usually {_per_cent(self.expected)} "
            f"({_per_cent(self.low)} to {_per_cent(self.high)})"
        )


def unusual(
    history: Sequence[Night],
    tonight: Night,
    tolerance: Tolerance,
    holidays: Collection[date] = frozenset(),
) -> tuple[Unusual, ...]:
    """What is unusual about tonight, the most unusual first; empty on a calm night.

    history may hold more than is compared and in any order; nights from tonight on are left out.
    The longer it is, the more is known of a monthly file (120 nights are good, 400 better). A
    holiday is taken for a Sunday. Raises ValueError where a day is in the history twice.
    """
    before = sorted((night for night in history if night.day < tonight.day), key=lambda n: n.day)
    if len({night.day for night in before}) < len(before):
        raise ValueError("The history holds a day twice; rows of one day have to be added up.")
    if len(before) < tolerance.nights_needed:
        return ()
    found = [_unusual_rows(before, tonight, tolerance, holidays)]
    found += [
        _unusual_share(what, before, tonight, tolerance, holidays)
        for what in sorted(tonight.shares)
    ]
    return tuple(sorted((one for one in found if one), key=lambda one: (-abs(one.score), one.what)))


# ------------------------------------------------------------------------------------------- rows


@dataclass(frozen=True)
class _Level:
    """What is expected on the scale of `_stable`, and how far a night is off by chance."""

    centre: float
    spread: float
    compared_with: str


def _unusual_rows(
    before: Sequence[Night], tonight: Night, tolerance: Tolerance, holidays: Collection[date]
) -> Unusual | None:
    """Tonight's rows; a weekly file may be a day late, so its silence is judged the day after."""
    if tonight.rows == 0:
        compared = before[-tolerance.nights_compared :]
        centres = _centres(compared, tolerance, holidays)
        if _is_only_day(tonight.day, centres, tolerance, holidays):
            return None
        yesterday = tonight.day - timedelta(days=1)
        came_yesterday = before[-1].day == yesterday and before[-1].rows > 0
        if _is_only_day(yesterday, centres, tolerance, holidays) and not came_yesterday:
            earlier = [night for night in before if night.day < yesterday]
            missed = _judged_rows(earlier, Night(yesterday, 0, {}), tolerance, holidays)
            return missed and replace(missed, compared_with=f"{missed.compared_with} or a day late")
    return _judged_rows(before, tonight, tolerance, holidays)


def _is_only_day(
    day: date, centres: Mapping[int, float], tolerance: Tolerance, holidays: Collection[date]
) -> bool:
    """Is this the one weekday on which the table brings something?"""
    with_rows = [weekday for weekday, c in centres.items() if _rows(c, tolerance) >= 0.5]
    return len(centres) > 1 and with_rows == [_weekday(day, holidays)]


def _judged_rows(
    before: Sequence[Night], tonight: Night, tolerance: Tolerance, holidays: Collection[date]
) -> Unusual | None:
    compared = before[-tolerance.nights_compared :]
    centres = _centres(compared, tolerance, holidays)
    peers, compared_with = _peers(compared, tonight.day, centres, tolerance, holidays)
    level = _level(peers, tonight.day, centres, compared_with, tolerance, holidays)
    expected = _rows(level.centre, tolerance)
    looks_down = True
    if expected < 0.5 and tonight.rows > 0:
        # A day that mostly brings nothing has its file tonight (it is monthly, or a day late):
        # the question is not why, but whether the file has its usual size.
        arrived = [night for night in before if night.rows > 0][-tolerance.nights_compared :]
        if len(arrived) < tolerance.same_weekday_needed:
            return None
        is_sporadic = all(_rows(centre, tolerance) < 0.5 for centre in centres.values())
        level = _level(arrived, tonight.day, {}, "when rows arrive", tolerance, holidays)
        looks_down = is_sporadic
        expected = _rows(level.centre, tolerance)
    caught_up = expected + _rows_of_silent_days(before, tonight.day, centres, tolerance, holidays)
    aims_at = caught_up if tonight.rows > expected else expected
    score = (_stable(tonight.rows, tolerance) - _stable(aims_at, tolerance)) / level.spread
    unusual_from = tolerance.unusual_volume_from if tonight.rows else tolerance.unusual_silence_from
    if (tonight.rows > expected) != (score > 0) or abs(score) < unusual_from:
        return None
    if score < 0 and (not looks_down or _is_silence_normal(peers, tonight, tolerance)):
        return None
    if score > 0 and _came_in_other_months(before, tonight, centres, tolerance, holidays):
        return None
    aim = _stable(aims_at, tolerance)
    return Unusual(
        what="rows",
        value=float(tonight.rows),
        expected=aims_at,
        low=_rows(aim - 2 * level.spread, tolerance),
        high=_rows(aim + 2 * level.spread, tolerance),
        score=score,
        rows=tonight.rows,
        compared_with=level.compared_with,
    )


def _centres(
    compared: Sequence[Night], tolerance: Tolerance, holidays: Collection[date]
) -> dict[int, float]:
    """The median of each weekday of which there are enough nights."""
    by_weekday: dict[int, list[float]] = {}
    for night in compared:
        seen = by_weekday.setdefault(_weekday(night.day, holidays), [])
        seen.append(_stable(night.rows, tolerance))
    return {
        weekday: median(seen)
        for weekday, seen in by_weekday.items()
        if len(seen) >= tolerance.same_weekday_needed
    }


def _peers(
    compared: Sequence[Night],
    day: date,
    centres: Mapping[int, float],
    tolerance: Tolerance,
    holidays: Collection[date],
) -> tuple[Sequence[Night], str]:
    """The nights tonight is compared with, and how they are called."""
    weekday = _weekday(day, holidays)
    if weekday in centres:
        size = _rows(centres[weekday], tolerance) + 1
        alike = {
            other
            for other, centre in centres.items()
            if 1 / PEERS_WITHIN <= (_rows(centre, tolerance) + 1) / size <= PEERS_WITHIN
        }
        peers = [night for night in compared if _weekday(night.day, holidays) in alike]
        return peers, _called(day, holidays)
    is_weekend = weekday >= SATURDAY
    group = [n for n in compared if (_weekday(n.day, holidays) >= SATURDAY) == is_weekend]
    if len(group) >= tolerance.same_weekday_needed:
        return group, "on weekends" if is_weekend else "on workdays"
    return compared, "on a night"


def _level(
    peers: Sequence[Night],
    day: date,
    centres: Mapping[int, float],
    compared_with: str,
    tolerance: Tolerance,
    holidays: Collection[date],
) -> _Level:
    """What these nights let expect of a day: its weekday's median, moved to the recent level."""
    stable = [_stable(night.rows, tolerance) for night in peers]
    weekdays = [_weekday(night.day, holidays) for night in peers]
    weekday = _weekday(day, holidays)
    of_weekday = weekdays.count(weekday)
    if weekday in centres:
        centre = centres[weekday]
        offs = [y - centres[w] for y, w in zip(stable, weekdays, strict=True)]
    else:
        centre, of_weekday = median(stable), len(stable)
        offs = [y - centre for y in stable]
    recent = max(3, min(tolerance.nights_recent, len(offs) // 4))
    # Each night against the nights before it, as tonight is: the scatter of these errors holds
    # what the moving level itself costs, and a shift of the level is in it for a few nights only.
    errors = [offs[i] - median(offs[i - recent : i]) for i in range(recent, len(offs))]
    seen = _scatter(errors)
    caution = 2 * COUNTING_ERROR
    spread = math.sqrt(
        (len(errors) * seen**2 + NIGHTS_OF_CAUTION * caution**2) / (len(errors) + NIGHTS_OF_CAUTION)
    )
    spread = max(seen, spread, COUNTING_ERROR) * math.sqrt(1 + MEDIAN_PRICE / of_weekday)
    return _Level(centre + median(offs[-recent:]), spread, compared_with)


def _rows_of_silent_days(
    before: Sequence[Night],
    day: date,
    centres: Mapping[int, float],
    tolerance: Tolerance,
    holidays: Collection[date],
) -> float:
    """What the days without rows just before would have brought: after an outage it comes late."""
    brought = {night.day for night in before if night.rows > 0}
    late = 0.0
    for back in range(1, DAYS_CAUGHT_UP + 1):
        silent = day - timedelta(days=back)
        if silent in brought:
            break
        # A weekday that never has a pull has no centre: its rows are in tonight's centre already.
        weekday = _weekday(silent, holidays)
        late += _rows(centres[weekday], tolerance) if weekday in centres else 0.0
    return late


def _is_silence_normal(peers: Sequence[Night], tonight: Night, tolerance: Tolerance) -> bool:
    if tonight.rows > 0:
        return False
    silent = sum(night.rows == 0 for night in peers)
    # One silent night proves nothing: it may have been the last outage.
    return silent >= 2 and silent / len(peers) >= tolerance.silence_is_normal_from


def _came_in_other_months(
    before: Sequence[Night],
    tonight: Night,
    centres: Mapping[int, float],
    tolerance: Tolerance,
    holidays: Collection[date],
) -> bool:
    """A night far above its weekday was around this date in two of the last three months.

    An invoicing run, a month end. Half as much counts, because such runs vary as much as any night;
    twice, because an initial load or one import can be that large by itself.
    """
    in_months = 0
    for months_back in range(1, MONTHS_ASKED + 1):
        around = _months_before(tonight.day, months_back)
        for night in before:
            weekday = _weekday(night.day, holidays)
            if (
                min(abs((night.day - same).days) for same in around) <= DAYS_AROUND
                and weekday in centres
                and night.rows * 2 >= tonight.rows
                and night.rows >= 2 * _rows(centres[weekday], tolerance)
            ):
                in_months += 1
                break
    return in_months >= 2


def _months_before(day: date, months: int) -> tuple[date, date]:
    """The same date of an earlier month, counted from the month's start and from its end."""
    first = _first_of_month(day, -months)
    last = _first_of_month(day, 1 - months) - timedelta(days=1)
    to_end = (_first_of_month(day, 1) - timedelta(days=1) - day).days
    return min(first + timedelta(days=day.day - 1), last), max(last - timedelta(days=to_end), first)


def _first_of_month(day: date, months_on: int) -> date:
    months = day.year * 12 + day.month - 1 + months_on
    return date(months // 12, months % 12 + 1, 1)


# On the scale of `_stable` a count with this relative spread on top has half a unit of error,
# whether it is 3 or 300,000.
COUNTING_ERROR = 0.5


def _stable(rows: float, tolerance: Tolerance) -> float:
    """Like a root for small counts (Poisson) and a logarithm for large ones (a relative spread)."""
    spread = tolerance.ordinary_volume_spread
    return math.asinh(spread * math.sqrt(rows + ANSCOMBE)) / spread


def _rows(stable: float, tolerance: Tolerance) -> float:
    """The inverse of `_stable`."""
    spread = tolerance.ordinary_volume_spread
    return max(0.0, (math.sinh(max(0.0, stable) * spread) / spread) ** 2 - ANSCOMBE)


# ----------------------------------------------------------------------------------------- shares


@dataclass(frozen=True)
class _Block:
    """One night, or as many quiet nights together as have enough rows for a share."""

    true: int
    rows: int
    nights: int

    @property
    def stable(self) -> float:
        return _stable_share(self.true, self.rows)

    @property
    def counting_variance(self) -> float:
        return 1 / (4 * self.rows + 2)


def _unusual_share(
    what: str,
    before: Sequence[Night],
    tonight: Night,
    tolerance: Tolerance,
    holidays: Collection[date],
) -> Unusual | None:
    """Tonight's share against all, the recent and the same weekdays' nights; all have to agree."""
    true, rows = tonight.shares[what]
    if rows < tolerance.rows_needed_for_a_share:
        return None
    having = (night for night in reversed(before) if night.shares.get(what, (0, 0))[1] > 0)
    nights = list(islice(having, tolerance.nights_compared))[::-1]
    everything = _blocks(what, nights, tolerance)
    if len(everything) < tolerance.same_weekday_needed:
        return None
    if not _is_changed(true, rows, everything, tolerance):
        return None
    variance = _variance_of_nights(what, nights, tolerance)
    now, share = _stable_share(true, rows), true / rows
    weakest: Unusual | None = None
    for blocks, compared_with in (
        (everything, "over all"),
        (_blocks(what, nights[-tolerance.nights_recent :], tolerance), "of late"),
        _blocks_of_weekday(what, nights, tonight.day, tolerance, holidays),
    ):
        if len(blocks) < min(3, tolerance.same_weekday_needed):
            continue
        centre = median(block.stable for block in blocks)
        usual = median(block.true / block.rows for block in blocks)
        of_centre = median(block.counting_variance for block in blocks) + variance
        spread = math.sqrt(1 / (4 * rows + 2) + variance + MEDIAN_PRICE * of_centre / len(blocks))
        score = (now - centre) / spread
        if abs(score) < tolerance.unusual_share_from:
            return None
        if not _is_changed(true, rows, blocks, tolerance):
            return None
        if weakest and weakest.score * score < 0:
            return None
        if not weakest or abs(score) < abs(weakest.score):
            weakest = Unusual(
                what=what,
                value=share,
                expected=usual,
                low=min(usual, _share(centre - 2 * spread)),
                high=max(usual, _share(centre + 2 * spread)),
                score=score,
                rows=rows,
                compared_with=compared_with,
            )
    return weakest


def _is_changed(true: int, rows: int, blocks: Sequence[_Block], tolerance: Tolerance) -> bool:
    usual = median(block.true / block.rows for block in blocks)
    return true == 0 or abs(true / rows - usual) >= tolerance.smallest_share_change


def _blocks(what: str, nights: Iterable[Night], tolerance: Tolerance) -> list[_Block]:
    """Nights put together, from the newest back, until each block has rows enough for a share."""
    blocks: list[_Block] = []
    true = rows = count = 0
    for night in reversed(list(nights)):
        more_true, more_rows = night.shares[what]
        true, rows, count = true + more_true, rows + more_rows, count + 1
        if rows >= tolerance.rows_needed_for_a_share:
            blocks.append(_Block(true, rows, count))
            true = rows = count = 0
    return blocks


def _blocks_of_weekday(
    what: str,
    nights: Sequence[Night],
    day: date,
    tolerance: Tolerance,
    holidays: Collection[date],
) -> tuple[list[_Block], str]:
    weekday = _weekday(day, holidays)
    same = [night for night in nights if _weekday(night.day, holidays) == weekday]
    blocks = _blocks(what, same, tolerance)
    if len(blocks) >= tolerance.same_weekday_needed:
        return blocks, _called(day, holidays)
    is_weekend = weekday >= SATURDAY
    group = [n for n in nights if (_weekday(n.day, holidays) >= SATURDAY) == is_weekend]
    return _blocks(what, group, tolerance), "on weekends" if is_weekend else "on workdays"


def _variance_of_nights(what: str, nights: Sequence[Night], tolerance: Tolerance) -> float:
    """How a share varies from night to night beyond what counting so few rows explains."""
    offs: list[float] = []
    blocks: list[_Block] = []
    # Each against its own: two weekend nights of seven would by themselves fill the scatter.
    for is_weekend in (False, True):
        group = [night for night in nights if (night.day.weekday() >= SATURDAY) == is_weekend]
        own = _blocks(what, group, tolerance)
        centre = median(block.stable for block in own) if own else 0.0
        offs += [block.stable - centre for block in own]
        blocks += own
    if not blocks:
        return tolerance.ordinary_share_spread**2
    beyond = max(0.0, _scatter(offs) ** 2 - median(block.counting_variance for block in blocks))
    # Nights put together vary less than each of them; few blocks may be alike by luck.
    beyond *= median(block.nights for block in blocks) * (1 + NIGHTS_OF_CAUTION / len(blocks))
    return max(beyond, tolerance.ordinary_share_spread**2)


def _stable_share(true: int, rows: int) -> float:
    return math.asin(math.sqrt((true + ANSCOMBE) / (rows + 2 * ANSCOMBE)))


def _share(stable: float) -> float:
    return math.sin(min(math.pi / 2, max(0.0, stable))) ** 2


# ------------------------------------------------------------------------------- rows and shares


def _scatter(errors: Sequence[float]) -> float:
    """One standard deviation, robustly: up to a fifth of the errors may be anything.

    The larger of two estimates, because a table with frequent larger nights has a small MAD.
    """
    if not errors:
        return 0.0
    centre = median(errors)
    sizes = sorted(abs(error - centre) for error in errors)
    return max(MAD_TO_SD * median(sizes), Q80_TO_SD * sizes[int(0.8 * (len(sizes) - 1))])


def _weekday(day: date, holidays: Collection[date]) -> int:
    return SUNDAY if day in holidays else day.weekday()


def _called(day: date, holidays: Collection[date]) -> str:
    name = WEEKDAYS[_weekday(day, holidays)]
    return f"on {name} and holidays" if day in holidays else f"on {name}"


def _per_cent(share: float) -> str:
    return f"{100 * share:.0f} %"
