"""The one place that reads the environment and the company's stammkunde.yml.

Everything else gets a Settings object. A secret stands in the environment only; the YAML names the
variable that holds it.
"""

import difflib
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from pipelines.alerts import LOOPBACK, Alerts, Email, Webhook
from quality.thresholds import ThresholdProblem, Tolerance, shipped, tolerance
from sources.access import Configured, Setup
from sources.contract import Secret, Source
from sources.demo.company import CUSTOMERS as DEMO_CUSTOMERS
from sources.demo.company import LARGEST_COMPANY, SMALLEST_COMPANY
from sources.pulling import READING_OPTIONS
from sources.registry import SOURCES

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
    configured: Mapping[str, Configured] = field(default_factory=dict)
    demo_customers: int = DEMO_CUSTOMERS
    alerts: Alerts | None = None
    tolerance: Tolerance = field(default_factory=shipped)

    @property
    def setup(self) -> Setup:
        """What the sources need to know."""
        return Setup(self.home, self.reporting_currency, self.configured, self.demo_customers)

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
    def reports(self) -> Path:
        """What people read who mend the data: the quality report and the fix lists."""
        return self.home / "reports"

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


def load_settings(environment: MutableMapping[str, str] = os.environ) -> Settings:
    """Read STAMMKUNDE_HOME and the company's file in it, and prepare the folders.

    Sets what Dagster, dbt and Great Expectations read from the environment (home, warehouse,
    telemetry off). Raises SettingsProblem with the remedy.
    """
    named = environment.get("STAMMKUNDE_HOME")
    home = Path(named).expanduser().absolute() if named else REPOSITORY / "data"
    _prepare_home(home, is_named=bool(named))
    settings = _read_company_file(home, environment)
    if wait := environment.get("STAMMKUNDE_WAIT_FOR_LOCK_SECONDS"):
        settings = replace(settings, wait_for_lock_seconds=_whole_number(wait))
    environment.update(TELEMETRY_OFF)
    environment.update(
        {
            "DAGSTER_HOME": str(settings.dagster_home),
            "STAMMKUNDE_WAREHOUSE": str(settings.warehouse),
            "STAMMKUNDE_MEMORY_LIMIT": settings.memory_limit,
            "STAMMKUNDE_TIMEZONE": settings.timezone,
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
    drops = (f"inbox/{source.name}" for source in SOURCES if not source.secrets)
    folders = [home, *(home / name for name in (*drops, "warehouse", "dagster"))]
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


def _read_company_file(home: Path, environment: Mapping[str, str]) -> Settings:
    path = home / COMPANY_FILE
    if not path.exists():
        return Settings(home=home)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        # The line itself may hold a secret.
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise SettingsProblem(f"{COMPANY_FILE}{place}: this is no valid YAML") from None
    known = {
        "reporting_currency", "timezone", "as_of", "memory_limit", "demo_customers", "sources",
        "alerts", "quality",
    }  # fmt: skip
    _refuse_unknown(content, known, COMPANY_FILE)
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
        configured=_read_sources(content.get("sources") or {}, environment),
        demo_customers=_size_of_the_demo(content.get("demo_customers", DEMO_CUSTOMERS)),
        alerts=_read_alerts(content.get("alerts") or {}, environment),
        tolerance=_read_tolerance(content.get("quality") or {}),
    )


def _read_tolerance(said: object) -> Tolerance:
    tables = frozenset(
        f"{source.name}.{table.name}" for source in SOURCES for table in source.tables
    )
    try:
        return tolerance(said, tables, f"{COMPANY_FILE}: quality")
    except ThresholdProblem as problem:
        raise SettingsProblem(str(problem)) from problem


def _size_of_the_demo(said: object) -> int:
    if isinstance(said, int) and SMALLEST_COMPANY <= said <= LARGEST_COMPANY:
        return said
    raise SettingsProblem(
        f"{COMPANY_FILE}: demo_customers is {said!r}; write a number from {SMALLEST_COMPANY} to "
        f"{LARGEST_COMPANY}"
    )


def _read_sources(content: object, environment: Mapping[str, str]) -> dict[str, Configured]:
    place = f"{COMPANY_FILE}: sources"
    _refuse_unknown(content, {source.name for source in SOURCES}, place)
    return {
        source.name: _read_source(source, content[source.name], environment)
        for source in SOURCES
        if source.name in content
    }


def _read_source(source: Source, content: object, environment: Mapping[str, str]) -> Configured:
    place = f"{COMPANY_FILE}: sources: {source.name}"
    _refuse_unknown(content, {"enabled", "options", "secrets"}, place)
    enabled = content.get("enabled", True)
    if not isinstance(enabled, bool):
        raise SettingsProblem(f"{place}: enabled must be true or false")
    options, variables = content.get("options") or {}, content.get("secrets") or {}
    known = {option.name for option in (*source.options, *READING_OPTIONS)}
    _refuse_unknown(options, known, f"{place}: options")
    _refuse_unknown(variables, {secret.name for secret in source.secrets}, f"{place}: secrets")
    for name, variable in variables.items():
        example = f"{source.name}_{name}".upper()
        _require_name_of_variable(variable, f"{place}: secrets: {name}", example)
    return Configured(
        is_enabled=enabled,
        options={name: str(value) for name, value in options.items()},
        variables=variables,
        secrets={
            name: Secret(environment[variable])
            for name, variable in variables.items()
            if environment.get(variable)
        },
    )


def _read_alerts(content: object, environment: Mapping[str, str]) -> Alerts | None:
    place = f"{COMPANY_FILE}: alerts"
    _refuse_unknown(content, {"email", "webhook"}, place)
    if not content:
        return None
    email = webhook = None
    if "email" in content:
        email = _read_email(content["email"], environment, f"{place}: email")
    if "webhook" in content:
        _refuse_unknown(content["webhook"], {"url"}, f"{place}: webhook")
        variable = content["webhook"].get("url")
        _require_name_of_variable(variable, f"{place}: webhook: url", "STAMMKUNDE_WEBHOOK_URL")
        webhook = Webhook(variable, _secret(variable, environment))
    return Alerts(email, webhook)


def _read_email(content: object, environment: Mapping[str, str], place: str) -> Email:
    _refuse_unknown(
        content, {"host", "port", "security", "sender", "recipients", "user", "password"}, place
    )
    host, sender, user = (content.get(name) for name in ("host", "sender", "user"))
    if not (isinstance(host, str) and re.fullmatch(r"[\w.:-]+", host)):
        raise SettingsProblem(f"{place}: host must name the mail server, such as mail.example.com")
    port = content.get("port", 587)
    if type(port) is not int or not 1 <= port <= 65_535:
        raise SettingsProblem(f"{place}: port is {port!r}; write a number such as 587")
    security = content.get("security", "starttls")
    if security not in ("starttls", "tls", "none"):
        raise SettingsProblem(f"{place}: security is {security!r}; write starttls, tls or none")
    if not _is_mail_address(sender):
        raise SettingsProblem(f"{place}: sender must be an address: stammkunde@example.com")
    recipients = content.get("recipients")
    if not (isinstance(recipients, list) and recipients and all(map(_is_mail_address, recipients))):
        raise SettingsProblem(f"{place}: recipients must be a list: [data@example.com]")
    if (user is None) != (content.get("password") is None):
        raise SettingsProblem(f"{place}: write both user and password, or neither")
    if user is None:
        return Email(host, sender, tuple(recipients), port, security)
    variable = content["password"]
    _require_name_of_variable(variable, f"{place}: password", "STAMMKUNDE_MAIL_PASSWORD")
    if security == "none" and host not in LOOPBACK:
        raise SettingsProblem(
            f"{place}: security: none would send the password in the clear; write starttls or tls"
        )
    password = _secret(variable, environment)
    return Email(host, sender, tuple(recipients), port, security, str(user), variable, password)


def _is_mail_address(text: object) -> bool:
    return isinstance(text, str) and bool(re.fullmatch(r"[!-?A-~]+@[!-?A-~]+", text))


def _secret(variable: str, environment: Mapping[str, str]) -> Secret | None:
    return Secret(environment[variable]) if environment.get(variable) else None


def _require_name_of_variable(variable: object, place: str, example: str) -> None:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", str(variable)):
        # What stands there may be the secret itself, so it is not repeated.
        raise SettingsProblem(
            f"{place} must be the NAME of an environment variable, such as {example}, never the "
            "secret itself"
        )


def _refuse_unknown(content: object, known: set[str], place: str) -> None:
    if not isinstance(content, dict):
        raise SettingsProblem(f"{place}: write entries such as `{min(known)}: …` here")
    for name in content:
        if name not in known:
            near = difflib.get_close_matches(str(name), sorted(known), n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            # What is no word may be a secret in the wrong place.
            is_word = near or re.fullmatch(r"[a-z_]{1,30}", str(name))
            said = f" {name!r}" if is_word else ""
            raise SettingsProblem(
                f"{place} has an unknown entry{said}{hint}; known are: "
                f"{', '.join(sorted(known)) or 'none'}"
            )


def _whole_number(text: str) -> int:
    if not text.isdigit():
        raise SettingsProblem(f"STAMMKUNDE_WAIT_FOR_LOCK_SECONDS is {text!r}: write whole seconds")
    return int(text)
