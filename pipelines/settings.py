"""The one place that reads the environment and the company's stammkunde.yml.

Everything else gets a Settings object. No secret is kept here: later sources name the environment
variable that holds one.
"""

import difflib
import os
from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
COMPANY_FILE = "stammkunde.yml"

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
}


class SettingsProblem(Exception):
    """The home folder or stammkunde.yml cannot be used; the message names the remedy."""


@dataclass(frozen=True)
class Settings:
    """Where everything lies and what the company decided.

    as_of is the first day that no longer counts (None: tomorrow in `timezone`, so that a purchase
    of today counts); amounts are net in `reporting_currency` (ISO 4217).
    """

    home: Path
    reporting_currency: str = "EUR"
    timezone: str = "Europe/Berlin"
    as_of: date | None = None
    memory_limit: str = "4GB"
    wait_for_lock_seconds: int = 0

    @property
    def lake(self) -> Path:
        """Everything pulled, as Parquet."""
        return self.home / "lake"

    @property
    def warehouse(self) -> Path:
        """The private database that is built; readers never open it."""
        return self.home / "warehouse" / "build.duckdb"

    @property
    def serving(self) -> Path:
        """The folder of the published database."""
        return self.home / "serving"

    @property
    def published(self) -> Path:
        """The file BI tools open: a symlink onto the newest version."""
        return self.serving / "stammkunde.duckdb"

    @property
    def dagster_home(self) -> Path:
        """Run history, logs and dagster.yaml."""
        return self.home / "dagster"

    @property
    def dbt_target(self) -> Path:
        """What dbt writes while it works; kept, so that the next run need not parse again."""
        return self.home / "warehouse" / "dbt"

    def today(self) -> date:
        """The calendar day at the company."""
        return datetime.now(ZoneInfo(self.timezone)).date()

    def resolved_as_of(self) -> date:
        """The as-of day: as configured, else tomorrow."""
        return self.as_of or self.today() + timedelta(days=1)

    def inbox(self, source: str) -> Path:
        """Where files for a source are dropped."""
        return self.home / "inbox" / source


def load_settings(environment: MutableMapping[str, str] = os.environ) -> Settings:
    """Read STAMMKUNDE_HOME and the company's file in it, and prepare the folders.

    Sets what Dagster, dbt and Great Expectations read from the environment (home, warehouse,
    telemetry off). Raises SettingsProblem with the remedy.
    """
    named = environment.get("STAMMKUNDE_HOME")
    home = Path(named).expanduser().absolute() if named else REPOSITORY / "data"
    _prepare_home(home, is_named=bool(named))
    settings = _read_company_file(home)
    if wait := environment.get("STAMMKUNDE_WAIT_FOR_LOCK_SECONDS"):
        settings = replace(settings, wait_for_lock_seconds=_whole_number(wait))
    environment.update(TELEMETRY_OFF)
    environment.update(
        {
            "DAGSTER_HOME": str(settings.dagster_home),
            "STAMMKUNDE_WAREHOUSE": str(settings.warehouse),
            "STAMMKUNDE_MEMORY_LIMIT": settings.memory_limit,
        }
    )
    return settings


def _prepare_home(home: Path, *, is_named: bool) -> None:
    if is_named and not home.exists():
        raise SettingsProblem(
            f"STAMMKUNDE_HOME names {home}, which is not there: "
            f"create it (mkdir -p {home}) or correct the variable"
        )
    if home.exists() and not home.is_dir():
        raise SettingsProblem(f"{home} is a file: STAMMKUNDE_HOME must name a folder")
    folders = [home, *(home / name for name in ("inbox/sales_list", "warehouse", "dagster"))]
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        _copy_whole(REPOSITORY / "pipelines" / "dagster.yaml", home / "dagster" / "dagster.yaml")
    except PermissionError as error:
        raise SettingsProblem(
            f"{error.filename} cannot be written: give this user write access to {home}"
        ) from error


def _copy_whole(source: Path, target: Path) -> None:
    """Copy where it differs, by rename: another process may be reading the target."""
    content = source.read_bytes()
    if not target.exists() or target.read_bytes() != content:
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        temporary.write_bytes(content)
        temporary.rename(target)


def _read_company_file(home: Path) -> Settings:
    path = home / COMPANY_FILE
    if not path.exists():
        return Settings(home=home)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise SettingsProblem(f"{COMPANY_FILE} is no valid YAML: {error}") from error
    known = {"reporting_currency", "timezone", "as_of", "memory_limit"}
    for name in content:
        if name not in known:
            near = difflib.get_close_matches(str(name), sorted(known), n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise SettingsProblem(
                f"{COMPANY_FILE} has an unknown entry {name!r}{hint}; "
                f"known are: {', '.join(sorted(known))}"
            )
    as_of = content.get("as_of")
    if as_of is not None and type(as_of) is not date:
        raise SettingsProblem(
            f"{COMPANY_FILE}: as_of is {as_of!r}; write a day such as 2026-01-01 or leave it out"
        )
    currency = str(content.get("reporting_currency", "EUR"))
    if not (len(currency) == 3 and currency.isalpha() and currency.isupper()):
        raise SettingsProblem(
            f"{COMPANY_FILE}: reporting_currency is {currency!r}; write an ISO code such as EUR"
        )
    timezone = str(content.get("timezone", "Europe/Berlin"))
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsProblem(
            f"{COMPANY_FILE}: timezone {timezone!r} is unknown; write one such as Europe/Vienna"
        ) from error
    return Settings(
        home=home,
        reporting_currency=currency,
        timezone=timezone,
        as_of=as_of,
        memory_limit=str(content.get("memory_limit", "4GB")),
    )


def _whole_number(text: str) -> int:
    if not text.isdigit():
        raise SettingsProblem(f"STAMMKUNDE_WAIT_FOR_LOCK_SECONDS is {text!r}: write whole seconds")
    return int(text)
