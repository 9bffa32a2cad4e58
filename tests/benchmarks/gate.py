"""The gate on a million rows and ten rules, against the same rules as bare DuckDB SQL.

`python -m tests.benchmarks.gate` (make bench) writes two loads (one row in a thousand bad, and
every second one), judges and splits each by the gate and by SQL alone, in turn, each in a process
of its own, and prints rows a second, peak memory and the ratio. It fails where the two do not find
the same rows.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from statistics import median

import duckdb
from rich.console import Console
from rich.table import Table as Screen

from quality.gate import _MACROS, judging
from quality.rules import Suite
from quality.suites.contract import suite
from quality.thresholds import shipped
from sources.contract import Column, Table

RULES = (
    "every_row_fits_the_header",
    "id_is_filled",
    "id_has_the_right_form",
    "email_has_the_right_form",
    "status_is_one_of_the_known",
    "amount_is_a_number",
    "amount_is_filled",
    "pieces_is_a_whole_number",
    "ordered_on_is_a_calendar_day",
    "ordered_on_is_plausible",
)
TABLE = Table(
    name="orders",
    grain="One row per order.",
    key=("id",),
    dated_by="ordered_on",
    columns=(
        Column("id", "Number.", required=True, pattern=r"A-\d+"),
        Column("email", "Address.", personal="email", pattern=r"[^@\s]+@[^@\s]+\.[a-z]{2,}"),
        Column("status", "State.", choices=("open", "paid", "cancelled")),
        Column("amount", "Amount.", "decimal", required=True),
        Column("pieces", "Pieces.", "integer"),
        Column("ordered_on", "Day.", "date"),
    ),
)
# The same rules in SQL: what is true of a bad row. Rules that only warn are not among them.
_BAD = {
    "every_row_fits_the_header": "_defect is not null",
    "id_is_filled": "nullif(trim(id), '') is null",
    "id_has_the_right_form": "not regexp_matches(nullif(trim(id), ''), '^(?:A-\\d+)$')",
    "status_is_one_of_the_known": "trim(status) not in ('open', 'paid', 'cancelled')",
    "amount_is_a_number": "amount is not null and read_number(amount, ',') is null",
    "amount_is_filled": "nullif(trim(amount), '') is null",
    "pieces_is_a_whole_number": "pieces is not null and read_number(pieces, ',') % 1 <> 0",
    "ordered_on_is_a_calendar_day": "ordered_on is not null "
    "and read_day(ordered_on, 'dmy') is null",
    "ordered_on_is_plausible": "read_day(ordered_on, 'dmy') not between '1990-01-01' and "
    "'2026-01-02'",
}


@dataclass(frozen=True)
class Taken:
    """What one way took: seconds, peak memory of its process in MB, rows kept out."""

    seconds: float
    peak_mb: float
    bad: int


def ten_rules() -> Suite:
    """The suite of the table that the contract gives, cut down to ten rules."""
    lenient = replace(shipped().defaults, bad_rows_share=1.0)
    whole = suite("shop", TABLE, lenient, pulled_on=date(2026, 1, 1))
    return replace(whole, rules=tuple(rule for rule in whole.rules if rule.name in RULES))


def write_load(path: Path, rows: int, *, one_bad_in: int) -> None:
    """A landed load; every so many rows one is bad, in turn by amount, day, state and number."""
    with duckdb.connect() as db:
        db.execute(
            f"copy (select case when bad and n // {one_bad_in} % 4 = 0 then 'B7' else 'A-' || n end"
            " as id, 'kunde' || n || '@firma.example' as email, "
            f"case when bad and n // {one_bad_in} % 4 = 1 then 'lost' else 'paid' end as status, "
            f"case when bad and n // {one_bad_in} % 4 = 2 then 'zehn' else n % 900 || ',50' end "
            "as amount, (n % 9)::varchar as pieces, "
            f"case when bad and n // {one_bad_in} % 4 = 3 then '31.02.2025' "
            "else strftime(date '2025-01-01' + (n % 300)::int, '%d.%m.%Y') end as ordered_on, "
            "null::varchar as _extra, null::varchar as _defect, null::boolean as _is_deleted, "
            "'orders.csv' as _file, n as _row, ',' as _decimal_mark, 'dmy' as _date_order, "
            "'00000001-aaaaaaaaaaaa' as _load_id, "
            "timestamptz '2026-01-01 02:00:00+00' as _pulled_at from "
            f"(select range as n, range % {one_bad_in} = 0 as bad from range({rows}))) "
            "to ? (format parquet, compression zstd)",
            [str(path)],
        )


def by_the_gate(load: Path, folder: Path) -> int:
    """Judge and split by Great Expectations; returns the rows kept out."""
    accepted, quarantined = folder / "accepted", folder / "quarantined"
    accepted.mkdir()
    quarantined.mkdir()
    with judging([load], ten_rules()) as judgement:
        judgement.write(accepted, quarantined, personal={"email": "email"})
        return judgement.verdict.quarantined


def by_sql(load: Path, folder: Path) -> int:
    """The same rules, split and reasons in DuckDB alone; returns the rows kept out."""
    reasons = ", ".join(f"case when {bad} then '{rule}' end" for rule, bad in _BAD.items())
    with duckdb.connect() as db:
        db.execute(_MACROS)
        db.execute(
            f"create temp table judged as select *, list_filter([{reasons}], "
            "lambda rule: rule is not null) as reasons from read_parquet(?)",
            [str(load)],
        )
        for name, condition in (("accepted", "="), ("quarantined", ">")):
            db.execute(
                f"copy (select * from judged where len(reasons) {condition} 0 order by _row) to ? "
                "(format parquet, compression zstd)",
                [str(folder / f"{name}.parquet")],
            )
        return db.sql("select count(*) from judged where len(reasons) > 0").fetchall()[0][0]


WAYS = {"gate": by_the_gate, "SQL alone": by_sql}


def measure(way: str, load: Path) -> Taken:
    """Let a process of its own do it; imports are not counted."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.gate", "--way", way, "--load", str(load)],
        capture_output=True,
        text=True,
        check=True,
    )
    return Taken(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measure both ways on both loads, in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--load", type=Path)
    given = parser.parse_args()
    if given.way:
        _one(given.way, given.load)
        return
    screen = Screen("load", "way", "seconds", "rows a second", "peak MB", "against SQL alone")
    with tempfile.TemporaryDirectory() as folder:
        for name, one_bad_in in (("1 in 1,000 bad", 1_000), ("every second bad", 2)):
            load = Path(folder) / f"{one_bad_in}.parquet"
            write_load(load, given.rows, one_bad_in=one_bad_in)
            taken: dict[str, list[Taken]] = {way: [] for way in WAYS}
            for _ in range(given.rounds):
                for way, done in taken.items():
                    done.append(measure(way, load))
            found = {one.bad for done in taken.values() for one in done}
            if len(found) != 1:
                raise SystemExit(f"{name}: the ways keep different rows out: {sorted(found)}")
            base = median(one.seconds for one in taken["SQL alone"])
            for way, done in taken.items():
                seconds = median(one.seconds for one in done)
                screen.add_row(
                    name,
                    way,
                    f"{seconds:.1f}",
                    f"{given.rows / seconds:,.0f}",
                    f"{max(one.peak_mb for one in done):,.0f}",
                    f"{seconds / base:.1f} x",
                )
    Console().print(screen)


def _one(way: str, load: Path) -> None:
    from quality.expectations import broken_rows

    # Great Expectations is imported on first use: that is not the gate's speed.
    with duckdb.connect() as db:
        broken_rows(
            db.sql("select null::varchar as _defect, 'x' as id_text").df(),
            [rule for rule in ten_rules().rules if rule.name == "id_has_the_right_form"],
        )
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        bad = WAYS[way](load, Path(folder))
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "bad": bad}))


if __name__ == "__main__":
    main()
