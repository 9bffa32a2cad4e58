"""How often `quality.anomalies` cries wolf over a made-up company, and which faults it sees.

`python -m tests.benchmarks.anomaly_rates` simulates 39 tables of ten kinds over 200 calm nights
(after a warm-up that begins with the initial load), counts the alarms, and then spoils single
nights, one fault at a time. The tolerance is the product's own; nothing is tuned here.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from rich.console import Console
from rich.table import Table

from quality.anomalies import Night, unusual
from quality.thresholds import Thresholds, shipped

TOLERANCE = shipped().defaults

FIRST_DAY = date(2024, 3, 4)
WARM_UP, CALM_NIGHTS = 120, 200

# German public holidays of the simulated time, and the days between the years when a company rests.
HOLIDAYS = frozenset(
    [date.fromisoformat(f"2024-{day}") for day in "03-29 04-01 05-01 05-09 05-20 10-03".split()]
    + [date(2024, 12, 23) + timedelta(days=day) for day in range(10)]
)

WORKDAYS = (1.4, 1.1, 1.0, 1.0, 0.8, 0.12, 0.05)
STRICT_WORKDAYS = (1.2, 1.0, 1.0, 1.0, 0.9, 0.0, 0.0)
SHOP = (1.0, 0.9, 0.9, 0.95, 1.0, 1.2, 1.4)
EVEN = (1.0,) * 7


@dataclass(frozen=True)
class Kind:
    """A kind of table: its rhythm, its scatter (0.1: variance = mean + 0.1 mean²), its growth."""

    name: str
    means: tuple[float, ...]
    rhythm: tuple[float, ...]
    dispersion: float
    weekly_growth: float = 0.0
    has_season: bool = False
    arrives: str = "nightly"
    shifts: bool = False


KINDS = (
    Kind("busy on workdays", (40, 80, 150, 300, 900, 2500, 120, 60), WORKDAYS, 0.05),
    Kind("only on workdays", (30, 110, 400, 1500), STRICT_WORKDAYS, 0.02),
    Kind("shop with season", (60, 250, 800, 2000), SHOP, 0.03, 0.006, True),
    Kind("growing", (25, 100, 600), WORKDAYS, 0.08, 0.02),
    Kind("shifts its level", (90, 500), WORKDAYS, 0.05, shifts=True),
    Kind("month ends", (50, 200), WORKDAYS, 0.08, arrives="month ends"),
    Kind("quiet", (0.05, 0.3, 1.0, 2.5, 4.0, 7.0, 10.0), WORKDAYS, 0.15),
    Kind("weekly file", (200, 450, 900), EVEN, 0.04, arrives="weekly"),
    Kind("monthly file", (150, 1200), EVEN, 0.04, arrives="monthly"),
    Kind("snapshot", (3, 40, 220, 12000), EVEN, 0.0, 0.001, arrives="snapshot"),
)
# 8 + 4 + 4 + 3 + 2 + 2 + 7 + 3 + 2 + 4
TABLES = 39


@dataclass(frozen=True)
class SimulatedTable:
    """All nights of one table, from the initial load on."""

    kind: str
    nights: tuple[Night, ...]


def company(seed: int, days: int = WARM_UP + CALM_NIGHTS) -> list[SimulatedTable]:
    """The company's 39 tables; the same seed gives the same company."""
    tables = []
    plan = [(kind, mean) for kind in KINDS for mean in kind.means]
    for position, (kind, mean) in enumerate(plan):
        rng = np.random.default_rng([seed, position])
        rows = _rows(rng, kind, mean, days)
        shares = _shares(rng, rows)
        nights = tuple(
            Night(FIRST_DAY + timedelta(days=day), int(rows[day]), shares[day])
            for day in range(days)
        )
        tables.append(SimulatedTable(kind.name, nights))
    return tables


def _rows(rng: np.random.Generator, kind: Kind, mean: float, days: int) -> np.ndarray:
    expected = np.zeros(days)
    for day in range(days):
        on = FIRST_DAY + timedelta(days=day)
        rests = on in HOLIDAYS and kind.rhythm in (WORKDAYS, STRICT_WORKDAYS)
        expected[day] = mean * kind.rhythm[6 if rests else on.weekday()]
        expected[day] *= (1 + kind.weekly_growth) ** (day / 7)
        if kind.has_season:
            # Twice as much before Christmas, up and down over about five weeks.
            expected[day] *= 1 + np.exp(-(((on - date(2024, 12, 12)).days / 18) ** 2))
    if kind.shifts:
        expected[WARM_UP + 60 :] *= 1.35
    if kind.arrives == "month ends":
        for day in range(days):
            # The last workday of a month bills what the month brought.
            on = FIRST_DAY + timedelta(days=day)
            later = [on + timedelta(days=more) for more in range(1, 8)]
            rest = [other for other in later if other.month == on.month and other.weekday() < 5]
            if on.weekday() < 5 and not rest:
                expected[day] = 5 * mean
    if kind.arrives == "snapshot":
        return np.round(expected).astype(int)
    # Every thirtieth night or so a mailing or an import brings more.
    expected *= np.where(rng.random(days) < 0.03, rng.uniform(1.2, 1.7, days), 1.0)
    gamma = rng.gamma(1 / kind.dispersion, kind.dispersion, days)
    rows = rng.poisson(expected * gamma)
    if kind.arrives in ("weekly", "monthly"):
        rows = np.where(_file_days(rng, kind, days), rows, 0)
    rows[0] = int(mean * 400) if kind.arrives == "nightly" else rows[0]
    return rows


def _file_days(rng: np.random.Generator, kind: Kind, days: int) -> np.ndarray:
    """When the file is there: on Mondays or the third of the month, at times a day late."""
    there = np.zeros(days + 2, dtype=bool)
    for day in range(days):
        on = FIRST_DAY + timedelta(days=day)
        is_due = on.weekday() == 0 if kind.arrives == "weekly" else on.day == 3
        if is_due:
            there[day + (on in HOLIDAYS or rng.random() < 0.03)] = True
    return there[:days]


def _shares(rng: np.random.Generator, rows: np.ndarray) -> list[dict[str, tuple[int, int]]]:
    """Fill rates and a status, each with a slow drift and nights that are alike within."""
    days = len(rows)
    shares: list[dict[str, tuple[int, int]]] = [{} for _ in range(days)]
    there = np.flatnonzero(rows)
    for column in range(rng.integers(4, 22)):
        usual = rng.choice([1.0, 1.0, 0.97, 0.85, 0.6, 0.35, 0.08])
        drift = np.cumsum(rng.normal(0, 0.012, days))
        # Weekends have other customers in every third column.
        weekend = rng.normal(0, 0.4) if rng.random() < 1 / 3 else 0.0
        is_weekend = np.array(
            [(FIRST_DAY + timedelta(days=day)).weekday() >= 5 for day in range(days)]
        )
        odds = usual / (1 - usual) if usual < 1 else np.inf
        share = 1 / (1 + 1 / odds * np.exp(-drift - weekend * is_weekend))
        alike = rng.choice([0.0, 0.002, 0.01])
        for day in there:
            p = share[day]
            if alike and 0 < p < 1:
                p = rng.beta(p * (1 / alike - 1), (1 - p) * (1 / alike - 1))
            shares[day][f"column_{column} is filled"] = (
                int(rng.binomial(rows[day], p)),
                int(rows[day]),
            )
    mix = rng.dirichlet([6, 3, 2, 1])
    for day in there:
        counts = rng.multinomial(rows[day], rng.dirichlet(mix * 200))
        for status, count in zip(("open", "won", "lost", "new"), counts, strict=True):
            shares[day][f"status is {status}"] = (int(count), int(rows[day]))
    return shares


# ---------------------------------------------------------------------------------------- faults


def _resized(factor: float) -> Callable[[Night], Night]:
    def resize(night: Night) -> Night:
        rows = round(night.rows * factor)
        shares = {
            what: (round(true * factor), rows) for what, (true, _) in night.shares.items() if rows
        }
        return replace(night, rows=rows, shares=shares)

    return resize


def _emptied(left: float) -> Callable[[Night], Night]:
    def empty(night: Night) -> Night:
        """The column that is filled best loses its values: the widest one is the one missed."""
        filled = {w: c for w, c in night.shares.items() if w.endswith("is filled") and c[0]}
        if not filled:
            return night
        what = max(filled, key=lambda one: (filled[one][0], one))
        true, rows = filled[what]
        return replace(night, shares={**night.shares, what: (round(true * left), rows)})

    return empty


def _taken_over(night: Night) -> Night:
    statuses = [what for what in night.shares if what.startswith("status is")]
    taken = dict.fromkeys(statuses, (0, night.rows)) | {"status is lost": (night.rows,) * 2}
    return replace(night, shares={**night.shares, **(taken if statuses else {})})


FAULTS: dict[str, Callable[[Night], Night]] = {
    "nothing arrives": _resized(0),
    "halved": _resized(0.5),
    "doubled": _resized(2),
    "tenfold": _resized(10),
    "fill halved": _emptied(0.5),
    "fill gone": _emptied(0),
    "one status": _taken_over,
}


# --------------------------------------------------------------------------------------- measuring


@dataclass(frozen=True)
class FalseAlarms:
    """What was said on calm nights."""

    nights: int
    nights_with_alarm: int
    table_nights: int
    table_nights_with_alarm: int
    of_kind: Counter[str]
    sentences: tuple[str, ...]

    @property
    def share_of_nights(self) -> float:
        return self.nights_with_alarm / self.nights

    @property
    def share_of_table_nights(self) -> float:
        return self.table_nights_with_alarm / self.table_nights


def false_alarms(
    tables: Sequence[SimulatedTable],
    first: int,
    tolerance: Thresholds = TOLERANCE,
    holidays: frozenset[date] = HOLIDAYS,
    last: int | None = None,
) -> FalseAlarms:
    """Judge every night from the first-th on of every table against the nights before it."""
    alarmed, of_kind, sentences, judged = Counter(), Counter(), [], 0
    nights = range(first, last or len(tables[0].nights))
    for table in tables:
        for day in nights:
            tonight = table.nights[day]
            found = unusual(table.nights[:day], tonight, tolerance, holidays)
            judged += 1
            if found:
                alarmed[day] += 1
                of_kind[table.kind] += 1
                sentences.append(f"{tonight.day} {table.kind}: {found[0].sentence()}")
    return FalseAlarms(
        len(nights), len(alarmed), judged, sum(alarmed.values()), of_kind, tuple(sentences)
    )


def detection(
    tables: Sequence[SimulatedTable],
    first: int,
    nights_per_table: int,
    tolerance: Thresholds = TOLERANCE,
) -> dict[tuple[str, str], tuple[int, int]]:
    """(kind, fault) -> (nights on which it was seen, spoiled nights), workdays with rows only."""
    seen: dict[tuple[str, str], tuple[int, int]] = {}
    for table in tables:
        spoilable = [
            day
            for day in range(first, len(table.nights))
            if table.nights[day].rows
            and table.nights[day].day.weekday() < 5
            and table.nights[day].day not in HOLIDAYS
        ]
        for day in spoilable[:: -(-len(spoilable) // nights_per_table) or 1]:
            for fault, spoil in FAULTS.items():
                spoiled = spoil(table.nights[day])
                found = unusual(table.nights[:day], spoiled, tolerance, HOLIDAYS)
                if table.kind == "weekly file" and not spoiled.rows and day + 1 < len(table.nights):
                    # It may be a day late: its silence is told the day after.
                    after = replace(table.nights[day + 1], rows=0, shares={})
                    found = unusual((*table.nights[:day], spoiled), after, tolerance, HOLIDAYS)
                hits, tries = seen.get((table.kind, fault), (0, 0))
                seen[table.kind, fault] = (hits + bool(found), tries + 1)
    return seen


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103])
    parser.add_argument("--spoiled", type=int, default=12, help="spoiled nights of each table")
    parser.add_argument("--say", action="store_true", help="print each false alarm")
    chosen = parser.parse_args(arguments)
    console = Console(width=150)

    calm = Table(title="False alarms on calm nights, 39 tables")
    for heading in (
        "seed",
        "nights",
        "nights with an alarm",
        "table-nights with an alarm",
        "where",
    ):
        calm.add_column(heading)
    all_seen: dict[tuple[str, str], tuple[int, int]] = {}
    for seed in chosen.seeds:
        tables = company(seed)
        for name, first, last, holidays in (
            ("settled", WARM_UP, None, HOLIDAYS),
            ("young", 0, WARM_UP, HOLIDAYS),
            ("settled, no holidays known", WARM_UP, None, frozenset()),
        )[: 3 if seed == chosen.seeds[0] else 2]:
            alarms = false_alarms(tables, first, holidays=holidays, last=last)
            calm.add_row(
                str(seed),
                f"{alarms.nights} {name}",
                f"{alarms.nights_with_alarm} ({alarms.share_of_nights:.1%})",
                f"{alarms.table_nights_with_alarm} ({alarms.share_of_table_nights:.3%})",
                ", ".join(f"{kind} {count}" for kind, count in alarms.of_kind.most_common()),
            )
            if chosen.say and holidays:
                for sentence in alarms.sentences:
                    console.print(sentence)
        for key, (hits, tries) in detection(tables, WARM_UP, chosen.spoiled).items():
            before = all_seen.get(key, (0, 0))
            all_seen[key] = (before[0] + hits, before[1] + tries)
    console.print(calm)

    seen = Table(title="Faults seen, one spoiled night at a time")
    seen.add_column("kind of table")
    for fault in FAULTS:
        seen.add_column(fault, justify="right")
    for kind in KINDS:
        rates = [all_seen.get((kind.name, fault), (0, 0)) for fault in FAULTS]
        seen.add_row(kind.name, *(f"{h / t:.0%} of {t}" if t else "–" for h, t in rates))
    console.print(seen)
    return 0


if __name__ == "__main__":
    sys.exit(main())
