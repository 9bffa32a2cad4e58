"""The whole run on a company of any size against one DuckDB aggregation over the same Parquet.

`python -m tests.benchmarks.at_scale --customers 100000 --invoices 1000000` fills a home by
`sources.demo.at_scale`, runs the product on it once and, right after it, the aggregation over the
accepted lines, each as a process of its own. It fails before any time is shown where the revenue of
the three is not the same to the cent. Nothing is measured inside the run: see `whole_run`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from statistics import median

import duckdb
from rich.console import Console
from rich.table import Table

from tests.benchmarks.whole_run import PYTHON, Process, timed
from tests.conftest import REPOSITORY

FILL, RUN, ALONE = "fill the home", "whole run", "DuckDB alone"
ROUNDS_ALONE = 3

# One row per customer out of text: what every design has to do at least.
AGGREGATION = """
with lines as (
    select
        customer_number,
        invoice_number,
        document_kind,
        strptime(date, '%d.%m.%Y') as invoiced_on,
        quantity::decimal(12, 0) * replace(unit_price, ',', '.')::decimal(12, 2) as amount
    from read_parquet(?)
)
select
    customer_number,
    count(distinct invoice_number) filter (document_kind = 'invoice') as invoices,
    min(invoiced_on) as first_invoiced_on,
    max(invoiced_on) as last_invoiced_on,
    sum(amount) as net_revenue_total,
    sum(amount) filter (invoiced_on >= date '2025-01-01') as net_revenue_12m
from lines
group by customer_number
"""


def aggregate(lines: str, target: str) -> None:
    """Write one row per customer of the accepted lines (a glob of Parquet files)."""
    with duckdb.connect() as db:
        db.sql(AGGREGATION, params=[lines]).write_parquet(target)


def fill(home: Path, customers: int, invoices: int) -> dict:
    """Land the company in a home; what it tells of itself."""
    command = [PYTHON, "-m", "sources.demo.at_scale", "--home", str(home)]
    command += ["--customers", str(customers), "--invoices", str(invoices)]
    filled = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, check=True)
    return json.loads(filled.stdout)


def check_agreement(home: Path, alone: Path, truth: dict) -> int:
    """The number of customers published. Exits unless the revenue of all three is the same."""
    with duckdb.connect() as db:
        db.execute(f"attach '{home}/serving/stammkunde.duckdb' as published (read_only)")
        revenue = "sum(net_revenue_total)::decimal(28, 2)"
        ((customers, published),) = db.sql(
            f"select count(*), {revenue} from published.marts.customer_360"
        ).fetchall()
        ((aggregated,),) = db.sql(f"select {revenue} from read_parquet('{alone}')").fetchall()
    if not published == aggregated == Decimal(truth["net_revenue"]):
        sys.exit(
            f"error: the revenue is {published} in the marts, {aggregated} by DuckDB alone and "
            f"{truth['net_revenue']} in truth"
        )
    return customers


def show(title: str, run: Process, alone: list[Process], screen: Console) -> None:
    """Print what the run took beside the median of the aggregations."""
    table = Table(title=title)
    table.add_column("")
    for name in ("seconds", "CPU s", "peak MB", f"× {ALONE}"):
        table.add_column(name, justify="right")
    wall = median(each.wall for each in alone)
    for name, processes in ((RUN, [run]), (ALONE, alone)):
        seconds, cpu, peak = (
            median(getattr(each, part) for each in processes) for part in ("wall", "cpu", "peak_mb")
        )
        table.add_row(name, f"{seconds:.1f}", f"{cpu:.1f}", f"{peak:.0f}", f"{seconds / wall:.0f}")
    screen.print(table)


def main() -> None:
    """Fill, run, aggregate; hold the results against each other, then show the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--invoices", type=int, default=1_000_000)
    parser.add_argument("--aggregate", nargs=2, metavar=("LINES", "TARGET"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.aggregate:
        aggregate(*given.aggregate)
        return
    with tempfile.TemporaryDirectory(prefix="stammkunde_bench_") as folder:
        home, log, target = (
            Path(folder) / name for name in ("home", "output.txt", "alone.parquet")
        )
        truth = fill(home, given.customers, given.invoices)
        run = timed([PYTHON, "-m", "pipelines", "run"], log, STAMMKUNDE_HOME=str(home))
        lines = home / "lake" / "accepted" / "sales_list" / "lines" / "*" / "part-*.parquet"
        command = [PYTHON, "-m", "tests.benchmarks.at_scale", "--aggregate", lines, target]
        alone = [timed(command, log) for _ in range(ROUNDS_ALONE)]
        published = check_agreement(home, target, truth)
    title = (
        f"{truth['customers']:,} customers ({published:,} published), {truth['invoices']:,} "
        f"invoices, {truth['lines']:,} lines, load {os.getloadavg()[0]:.1f}"
    )
    show(title, run, alone, Console(width=118))


if __name__ == "__main__":
    main()
