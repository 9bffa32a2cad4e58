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
