"""The whole run on Online Retail against the same result by pandas alone and by DuckDB alone.

`python -m tests.benchmarks.whole_run` (make bench) starts each as a process of its own, in rounds,
times it from outside, and takes the first run apart by what Dagster and dbt wrote down. Nothing of
the product is changed. It fails before any time is shown where the three results differ, and at the
end where a run started dbt more than once. Linux only: processes are counted in /proc.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

import duckdb
from rich.console import Console
from rich.table import Table

from tests.conftest import REPOSITORY, SHARED_DATA, fill_with_online_retail

ONLINE_RETAIL = SHARED_DATA / "online_retail" / "online_retail.parquet"
DBT = Path(sys.executable).with_name("dbt")
PYTHON = sys.executable

FIRST, SECOND = "first run: pull, gate, build, publish", "second run: nothing new"
PANDAS, ALONE = "pandas alone", "DuckDB alone"
RUNS = (FIRST, SECOND, PANDAS, ALONE)

# Class, customers, their positive revenue; the 55 customers without any are C.
CLASSES = [("A", 1178, 6651083.58), ("B", 1456, 1246929.52), ("C", 1683 + 55, 415281.85)]
TOTAL = [(4372, 8300065.81)]
MONEY = (
    "customer_number, abc_class, tier, net_revenue_total::decimal(28, 4), "
    "net_revenue_12m::decimal(28, 4)"
)
# The product sets returns against purchases and quarantines lines: these differ by intention.
EVERYTHING = (
    f"{MONEY}, round(revenue_share, 9), first_ordered_on::date, last_ordered_on::date, "
    "order_count, recency_score, frequency_score, monetary_score"
)


@dataclass(frozen=True)
class Process:
    """What one process took, seen from outside; peak_mb is that of its largest process."""

    started_at: float
    wall: float
    cpu: float
    peak_mb: float
    dbt_starts: tuple[str, ...]


def timed(command: list, log: Path, **environment: str) -> Process:
    """Run a command in the repository to its end. Exits with its output where it fails."""
    starts: dict[int, str] = {}
    done = threading.Event()
    with log.open("w") as output:
        started_at, started = time.time(), time.monotonic()
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
        )
        watcher = threading.Thread(target=_watch_dbt, args=(process.pid, starts, done))
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        done.set()
        watcher.join()
    if process.returncode:
        sys.exit(f"error: {command} ended with {process.returncode}:\n{log.read_text()[-4000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    return Process(started_at, wall, cpu, usage.ru_maxrss / 1024, tuple(starts.values()))


def _watch_dbt(root: int, starts: dict[int, str], done: threading.Event) -> None:
    """Note every process beneath root that is dbt: importing it alone takes over a second."""
    while not done.wait(0.1):
        for pid in _descendants(root):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[1:3]
                if words and Path(words[0]).name == "dbt":
                    starts[pid] = " ".join(["dbt", *words[1:]])


def _descendants(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                yield int(child)
                yield from _descendants(int(child))


def one_round(folder: Path) -> tuple[dict[str, Process], dict]:
    """Everything once, one after the other; also what dbt wrote down of the first run."""
    home, log = folder / "home", folder / "output.txt"
    (home / "inbox" / "sales_list").mkdir(parents=True)
    fill_with_online_retail(home, ONLINE_RETAIL)
    target, project = home / "warehouse" / "dbt", REPOSITORY / "dbt_project"
    places = {
        "STAMMKUNDE_HOME": str(home),
        "STAMMKUNDE_WAREHOUSE": str(home / "warehouse" / "build.duckdb"),
    }
    run = [PYTHON, "-m", "pipelines", "run"]
    pandas_alone = [PYTHON, "-m", "tests.benchmarks.pandas_alone", ONLINE_RETAIL]
    duckdb_alone = [PYTHON, "-m", "tests.benchmarks.duckdb_alone", ONLINE_RETAIL]
    definitions = "from pipelines.definitions import stammkunde; stammkunde()"
    parse = [DBT, "--quiet", "parse", "--project-dir", project, "--profiles-dir", project]
    parse += ["--target-path", target, "--log-path", folder]
    processes = {FIRST: timed(run, log, **places)}
    dbt_results = json.loads((target / "run_results.json").read_text())
    processes |= {
        SECOND: timed(run, log, **places),
        PANDAS: timed([*pandas_alone, folder / "pandas.parquet"], log),
        ALONE: timed([*duckdb_alone, folder / "alone.duckdb"], log),
        "an empty Python": timed([PYTHON, "-c", "pass"], log),
        "import Dagster, build the definitions": timed([PYTHON, "-c", definitions], log),
        "import Great Expectations": timed([PYTHON, "-c", "import great_expectations"], log),
        "dbt parse, nothing changed": timed(parse, log, **places),
    }
    return processes, dbt_results


def parts_of(home: Path, run: Process, dbt_results: dict) -> dict[str, float]:
    """Seconds by part, from Dagster's event log and dbt's run_results.json; they add up to wall."""
    # Imported after all rounds: a process inherits the peak memory of the one that starts it.
    import dagster as dg

    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        first = instance.get_run_records(limit=1, ascending=True)[0].dagster_run
        steps = {step.step_key: step for step in instance.get_run_step_stats(first.run_id)}
    pull, build = steps["pull_sales_list"], steps["dbt_build"]
    invoked = _epoch(dbt_results["metadata"]["invocation_started_at"])
    times = [each for node in dbt_results["results"] for each in node["timing"]]
    ends = {
        "start-up: Python, imports, Dagster": pull.start_time,
        "work: read, land, judge (with GX)": pull.end_time,
        "work: register for dbt": build.start_time,
        "start-up: Dagster gets dbt going": invoked,
        "start-up: dbt parses and plans": min(_epoch(each["started_at"]) for each in times),
        "work: seeds, models, tests": max(_epoch(each["completed_at"]) for each in times),
        "records: dbt ends, Dagster writes": build.end_time,
        "work: publish": steps["published__stammkunde"].end_time,
        "records: summary and end": run.started_at + run.wall,
    }
    starts = [run.started_at, *ends.values()]
    return {name: end - start for (name, end), start in zip(ends.items(), starts, strict=False)}


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def check_agreement(folder: Path) -> None:
    """Exit unless all three results have the golden numbers and agree customer by customer."""
    with duckdb.connect() as db:
        db.execute(f"attach '{folder}/home/serving/stammkunde.duckdb' as published (read_only)")
        db.execute(f"attach '{folder}/alone.duckdb' as alone (read_only)")
        results = {
            FIRST: db.table("published.marts.customer_360"),
            PANDAS: db.read_parquet(f"{folder}/pandas.parquet"),
            ALONE: db.table("alone.customer_table"),
        }
        for name, result in results.items():
            revenue = "round(sum(greatest(net_revenue_total, 0)), 2)::double"
            classes = result.aggregate(f"abc_class, count(*), {revenue}").order("abc_class")
            total = result.aggregate("count(*), round(sum(net_revenue_total), 2)::double")
            found = total.fetchall(), classes.fetchall()
            if found != (TOTAL, CLASSES):
                sys.exit(f"error: {name} does not have the numbers of the issue: {found}")
        for name, columns in ((FIRST, MONEY), (PANDAS, EVERYTHING)):
            theirs, ours = results[name].project(columns), results[ALONE].project(columns)
            differing = len(theirs.except_(ours)) + len(ours.except_(theirs))
            if differing:
                sys.exit(f"error: {name} and {ALONE} differ in {differing} rows")


def show(rounds: list[tuple[dict[str, Process], dict[str, float]]], screen: Console) -> None:
    """Print medians over the rounds; a ratio is the median of the ratios within each round."""
    table = Table(title=f"Online Retail, {len(rounds)} round(s), load {os.getloadavg()[0]:.1f}")
    table.add_column("")
    for name in ("seconds", "min–max", "CPU s", "peak MB", f"× {PANDAS}", f"× {ALONE}"):
        table.add_column(name, justify="right")
    for name in rounds[0][0]:
        took = [processes[name] for processes, _ in rounds]
        ratios = [
            f"{median(p[name].wall / p[other].wall for p, _ in rounds):.1f}" if name in RUNS else ""
            for other in (PANDAS, ALONE)
        ]
        cpu, peak = median(each.cpu for each in took), median(each.peak_mb for each in took)
        walls = _spread([each.wall for each in took])
        table.add_row(name, *walls, f"{cpu:.1f}", f"{peak:.0f}", *ratios, end_section=name == ALONE)
    table.add_section()
    table.add_row("where the first run's seconds go", "", "", "", "", "share", style="bold")
    for name in rounds[0][1]:
        share = median(parts[name] / processes[FIRST].wall for processes, parts in rounds)
        seconds = _spread([parts[name] for _, parts in rounds])
        table.add_row(f"  {name}", *seconds, "", "", f"{share:.0%}")
    for kind in ("start-up", "work", "records"):
        summed = [
            sum(seconds for name, seconds in parts.items() if name.startswith(kind))
            for _, parts in rounds
        ]
        share = median(each / p[FIRST].wall for each, (p, _) in zip(summed, rounds, strict=True))
        table.add_row(f"all {kind}", *_spread(summed), "", "", f"{share:.0%}")
    screen.print(table)


def _spread(seconds: list[float]) -> tuple[str, str]:
    return f"{median(seconds):.1f}", f"{min(seconds):.1f}–{max(seconds):.1f}"


def main() -> None:
    """Run the rounds, hold the results against each other, then show the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    count = parser.parse_args().rounds
    if not ONLINE_RETAIL.exists():
        sys.exit("error: needs ../shared/data/online_retail/online_retail.parquet beside the repo")
    rounds, taken_apart = [], []
    with tempfile.TemporaryDirectory(prefix="stammkunde_bench_") as folder:
        folders = [Path(folder) / f"round_{number}" for number in range(1, count + 1)]
        for each in folders:
            print(f"{each.name} of {count} …", file=sys.stderr, flush=True)
            rounds.append(one_round(each))
        for each, (processes, dbt_results) in zip(folders, rounds, strict=True):
            check_agreement(each)
            parts = parts_of(each / "home", processes[FIRST], dbt_results)
            taken_apart.append((processes, parts))
    show(taken_apart, Console(width=118))
    starts = {processes[name].dbt_starts for processes, _ in rounds for name in (FIRST, SECOND)}
    if any(len(each) != 1 for each in starts):
        found = " / ".join(sorted(" + ".join(each) for each in starts))
        sys.exit(f"error: the graph allows one start of dbt in a run; there was: {found}")
    print("dbt was started once in every run.")


if __name__ == "__main__":
    main()
