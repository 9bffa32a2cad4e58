"""The whole run on the command line: progress while it works, a summary and a clear exit code."""

import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
from rich.console import Console
from rich.table import Table as Screen

from pipelines.ingest import is_disk_full
from pipelines.instance import opened_instance
from pipelines.settings import REPOSITORY, Settings

log = logging.getLogger(__name__)

EXIT_CODES = {
    "SettingsProblem": 78,
    "AnotherWriter": 75,
    "WarehouseBusy": 75,
    "NoAccounting": 65,
    "DagsterAssetCheckFailedError": 65,
}


def run(settings: Settings) -> int:
    """Execute the job in this process. Returns the exit code."""
    started = time.monotonic()
    with _progress(settings) as screen, opened_instance(settings.dagster_home) as instance:
        log.info("Loading the definitions")
        from pipelines.definitions import stammkunde

        job = stammkunde().resolve_job_def("refresh_customer_360")
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "resources": {
                    "company": {"config": {"wait_for_lock_seconds": settings.wait_for_lock_seconds}}
                },
            },
        )
        exit_code = 0 if result.success else _explain(result, screen)
    if exit_code == 0:
        _summarise(settings, screen, time.monotonic() - started)
    return exit_code


@contextlib.contextmanager
def _progress(settings: Settings) -> Iterator[Console]:
    """Show what the rooms log; keep dbt's own output in a file."""
    screen = Console(stderr=True, highlight=False)
    handler = _ScreenHandler(screen)
    rooms = [logging.getLogger(room) for room in ("sources", "quality", "pipelines")]
    for room in rooms:
        room.setLevel(logging.INFO)
        room.addHandler(handler)
    output = settings.dagster_home / "last_run_output.txt"
    try:
        with output.open("w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
            yield screen
    finally:
        for room in rooms:
            room.removeHandler(handler)


class _ScreenHandler(logging.Handler):
    def __init__(self, screen: Console) -> None:
        super().__init__(logging.INFO)
        self._screen = screen
        self._started = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        seconds = time.monotonic() - self._started
        style = "yellow" if record.levelno >= logging.WARNING else None
        line = f"{seconds:6.1f} s  {record.getMessage()}"
        self._screen.print(line, style=style, markup=False, soft_wrap=True)


def _explain(result: dg.ExecuteInProcessResult, screen: Console) -> int:
    """Say in plain words why the run failed; returns the exit code."""
    screen.print("\nThe run failed; what was published before goes on serving.", style="bold red")
    failed = [
        event.event_specific_data
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        and not event.event_specific_data.passed
        and event.event_specific_data.severity is dg.AssetCheckSeverity.ERROR
    ]
    for check in failed:
        _explain_check(check, screen)
    errors = [
        link
        for event in result.all_events
        if (error := getattr(event.event_specific_data, "error", None))
        for link in _chain(error)
    ]
    known = [EXIT_CODES[name] for name, _ in errors if name in EXIT_CODES]
    if any(is_disk_full(message) for _, message in errors):
        screen.print(
            "The disk is full: make room; nothing was lost, and the next run goes on.", style="red"
        )
        return 74
    for name, message in errors:
        if name in EXIT_CODES and name != "DagsterAssetCheckFailedError":
            screen.print(
                message.split(": ", 1)[-1].strip(), style="red", markup=False, soft_wrap=True
            )
            break
    if known:
        return known[0]
    if not failed:
        for _, message in dict.fromkeys(errors[:3]):
            screen.print(message.strip(), style="red", markup=False, soft_wrap=True)
    screen.print("The whole story: make ui, page Runs", markup=False)
    return 1


def _explain_check(check: dg.AssetCheckEvaluation, screen: Console) -> None:
    address = "/".join(check.asset_key.path)
    screen.print(
        f"{address}: it does not hold that {check.check_name}",
        style="red",
        markup=False,
        soft_wrap=True,
    )
    for name in ("problems", "refused"):
        if name in check.metadata and check.metadata[name].value != "none":
            screen.print(str(check.metadata[name].value), markup=False, soft_wrap=True)


def _chain(error) -> Iterator[tuple[str, str]]:
    """The error and what caused it, as class name and message."""
    while error is not None:
        yield error.cls_name or "", error.message
        error = error.cause or error.context


def _summarise(settings: Settings, screen: Console, seconds: float) -> None:
    with duckdb.connect(str(settings.published), read_only=True) as db:
        customers, prospects, revenue, currency, as_of = db.sql(
            "select count(*), count(*) filter (lifecycle = 'prospect'), sum(net_revenue_total), "
            "max(reporting_currency), max(as_of) from marts.customer_360"
        ).fetchall()[0]
        tiers = db.sql(
            "select tier, count(*) as customers, sum(net_revenue_12m) as revenue "
            "from marts.customer_360 where lifecycle <> 'prospect' "
            "group by tier order by revenue desc nulls last"
        ).fetchall()
        quarantined = db.sql(
            "select coalesce(sum(quarantined_rows), 0), coalesce(sum(landed_rows), 0) "
            "from marts.load_reconciliation"
        ).fetchall()[0]
    table = Screen(title=f"Customer 360 as of {as_of}", title_justify="left", show_header=False)
    table.add_row("customers", f"{customers:,} ({prospects:,} are prospects)")
    table.add_row(f"net revenue ({currency})", f"{revenue or 0:,.2f}")
    for tier, count, twelve_months in tiers:
        table.add_row(f"tier {tier}", f"{count:,} ({twelve_months or 0:,.2f} in 12 months)")
    table.add_row("rows in quarantine", f"{quarantined[0]:,} of {quarantined[1]:,}")
    screen.print(table)
    shown, report = _shown(settings.published), _shown(settings.reports / "data_quality.html")
    screen.print(f"Published in {seconds:.0f} s: {shown}", soft_wrap=True, markup=False)
    screen.print(
        f"  read it:  duckdb -readonly {shown} "
        '"from marts.customer_360 order by net_revenue_total desc limit 10"\n'
        f"  quality:  {report}   (fix lists beside it)\n"
        "  see it:   make ui   (Dagster on http://127.0.0.1:3000)",
        soft_wrap=True,
        markup=False,
    )


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(REPOSITORY))
    except ValueError:
        return str(path)
