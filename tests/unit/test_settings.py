"""Settings: what is read from the environment and from stammkunde.yml, and what is refused."""

import os
from datetime import date
from pathlib import Path

import pytest

from pipelines.settings import SettingsProblem, load_settings


def test_telemetry_is_off_for_everything_that_is_started(home: Path):
    environment = {"STAMMKUNDE_HOME": str(home)}
    load_settings(environment)
    assert environment["DAGSTER_DISABLE_TELEMETRY"] == "1"
    assert environment["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"
    assert environment["GX_ANALYTICS_ENABLED"] == "false"
    assert environment["RUNTIME__DLTHUB_TELEMETRY"] == "false"
    assert "enabled: false" in (home / "dagster" / "dagster.yaml").read_text()


def test_the_companys_file_decides(home: Path):
    (home / "stammkunde.yml").write_text(
        "reporting_currency: CHF\nas_of: 2026-01-01\ntimezone: Europe/Zurich\n"
    )
    settings = load_settings({"STAMMKUNDE_HOME": str(home)})
    assert settings.reporting_currency == "CHF"
    assert settings.resolved_as_of() == date(2026, 1, 1)


def test_without_an_as_of_day_a_purchase_of_today_counts(home: Path):
    settings = load_settings({"STAMMKUNDE_HOME": str(home)})
    assert (settings.resolved_as_of() - settings.today()).days == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("as_off: 2026-01-01", "did you mean 'as_of'?"),
        ("as_of: yesterday", "write a day such as 2026-01-01"),
        ("as_of: 2026-01-01 10:00:00", "write a day such as 2026-01-01"),
        ("reporting_currency: Euro", "write an ISO code such as EUR"),
        ("timezone: Berlin", "write one such as Europe/Vienna"),
        ("demo_customers: many", "write a number from 200 to 20000"),
        ("demo_customers: 20", "write a number from 200 to 20000"),
        ("a: [", "is no valid YAML"),
    ],
)
def test_a_wrong_entry_is_named_with_its_remedy(home: Path, content: str, said: str):
    (home / "stammkunde.yml").write_text(content)
    with pytest.raises(SettingsProblem) as problem:
        load_settings({"STAMMKUNDE_HOME": str(home)})
    assert said in str(problem.value)
    assert "stammkunde.yml" in str(problem.value)


def test_a_home_that_is_a_file_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsProblem, match="must name a folder"):
        load_settings({"STAMMKUNDE_HOME": str(tmp_path / "file")})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere: run as another user")
def test_a_home_without_write_access_is_named(home: Path):
    home.chmod(0o500)
    with pytest.raises(SettingsProblem, match="write access"):
        load_settings({"STAMMKUNDE_HOME": str(home)})


MAIL = """\
alerts:
  email:
    host: mail.example.com
    sender: stammkunde@example.com
    recipients: [data@example.com]
"""


def alerts_of(home: Path, content: str, **environment: str):
    (home / "stammkunde.yml").write_text(content)
    return load_settings({"STAMMKUNDE_HOME": str(home), **environment}).alerts


def test_alerts_are_off_until_the_companys_file_names_a_receiver(home: Path):
    assert alerts_of(home, "timezone: Europe/Vienna") is None
    assert alerts_of(home, "alerts:") is None


def test_a_mail_goes_by_starttls_to_port_587_unless_the_company_says_otherwise(home: Path):
    email = alerts_of(home, MAIL).email
    assert (email.port, email.security) == (587, "starttls")
    email = alerts_of(home, f"{MAIL}    port: 465\n    security: tls\n").email
    assert (email.port, email.security) == (465, "tls")


def test_secrets_of_alerts_are_looked_up_and_never_printed(home: Path):
    alerts = alerts_of(
        home,
        f"{MAIL}    user: me\n    password: MAIL_WORD\n  webhook:\n    url: HOOK\n",
        MAIL_WORD="canary-word",
        HOOK="https://hooks.example.com/canary-path",
    )
    assert alerts.email.password == "canary-word"
    assert alerts.webhook.url == "https://hooks.example.com/canary-path"
    assert "canary" not in repr(alerts)


def test_a_secret_that_is_not_in_the_environment_stops_no_run_and_is_named(home: Path):
    alerts = alerts_of(home, "alerts: {webhook: {url: HOOK}}")
    assert alerts.webhook.unset_variable == "HOOK"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("alerts: {mail: {}}", "did you mean 'email'?"),
        ("alerts: data@example.com", "write entries such as `email: …` here"),
        ("alerts: {email: }", "alerts: email: write entries such as"),
        (f"{MAIL}    recipient: a@example.com", "did you mean 'recipients'?"),
        ("alerts: {email: {sender: a@example.com}}", "host must name the mail server"),
        (f"{MAIL}    host: https://mail.example.com", "host must name the mail server"),
        (f"{MAIL}    port: yes", "port is True; write a number such as 587"),
        (f"{MAIL}    port: 70000", "port is 70000; write a number such as 587"),
        (f"{MAIL}    security: ssl", "security is 'ssl'; write starttls, tls or none"),
        (f"{MAIL}    sender: me", "sender must be an address"),
        (f'{MAIL}    sender: "a@example.com\\nBcc: b@example.com"', "sender must be an address"),
        (f"{MAIL}    recipients: a@example.com", "recipients must be a list"),
        (f"{MAIL}    recipients: []", "recipients must be a list"),
        (f"{MAIL}    user: me", "write both user and password, or neither"),
        (
            f"{MAIL}    user: me\n    password: MAIL_WORD\n    security: none",
            "security: none would send the password in the clear",
        ),
        ("alerts: {webhook: {url: }}", "url must be the NAME of an environment variable"),
    ],
)
def test_a_wrong_entry_below_alerts_is_named_with_its_remedy(home: Path, content: str, said: str):
    with pytest.raises(SettingsProblem) as problem:
        alerts_of(home, content)
    assert said in str(problem.value)
    assert "stammkunde.yml: alerts" in str(problem.value)


@pytest.mark.parametrize(
    "content",
    [
        f"{MAIL}    user: me\n    password: canary-Secret",
        "alerts: {webhook: {url: https://hooks.example.com/canary-Secret}}",
        "alerts: {webhook: https://hooks.example.com/canary-Secret}",
    ],
)
def test_a_secret_in_the_place_of_its_name_is_refused_and_not_repeated(home: Path, content: str):
    with pytest.raises(SettingsProblem) as problem:
        alerts_of(home, content)
    assert "canary" not in str(problem.value)
