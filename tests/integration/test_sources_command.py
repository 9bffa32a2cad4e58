"""`python -m sources`: what it prints and how it ends, without Dagster."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sources.registry import SOURCES
from tests.conftest import REPOSITORY

KEY = "canary-secret-of-nobody"


def sources(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "sources", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "STAMMKUNDE_HOME": str(home), "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


@pytest.fixture
def small_demo(home: Path) -> Path:
    (home / "stammkunde.yml").write_text("demo_customers: 200\n")
    return home


def test_list_names_every_source_and_whether_it_is_on(home: Path):
    (home / "stammkunde.yml").write_text("sources: {hubspot: {enabled: false}}\n")
    listed = sources(home, "list")
    assert listed.returncode == 0, listed.stderr
    for source in SOURCES:
        (row,) = [line for line in listed.stdout.splitlines() if f" {source.name} " in line]
        assert row.split("│")[3].strip() == ("no" if source.name == "hubspot" else "yes")


def test_list_of_one_source_says_what_has_to_be_known_to_switch_it_on(home: Path):
    listed = sources(home, "list", "mailchimp")
    assert listed.returncode == 0, listed.stderr
    for said in ("api_key", "data_centre", "campaign_days [60]", "Owner: marketing"):
        assert said in listed.stdout


def test_check_finds_every_system_of_the_demo_company_ready_and_lands_nothing(small_demo: Path):
    checked = sources(small_demo, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count(": ready") == len(SOURCES)
    assert not (small_demo / "lake").exists()


def test_pull_lands_one_source_shows_progress_and_a_second_one_nothing(small_demo: Path):
    first = sources(small_demo, "pull", "pipedrive")
    assert first.returncode == 0, first.stderr
    assert "Landed" in first.stderr
    assert "pipedrive: " in first.stdout
    assert "rows in 6 new loads" in first.stdout
    landed = {path.name for path in (small_demo / "lake" / "landed").iterdir()}
    assert landed == {"pipedrive"}
    second = sources(small_demo, "pull", "pipedrive")
    assert "pipedrive: 0 rows in 0 new loads" in second.stdout


def test_check_says_what_is_missing_before_a_night_is_lost(home: Path):
    (home / "stammkunde.yml").write_text(
        "sources:\n"
        "  hubspot: {secrets: {access_token: HUBSPOT_ACCESS_TOKEN}}\n"
        "  pipedrive: {secrets: {api_token: PIPEDRIVE_TOKEN}}\n"
    )
    checked = sources(home, "check", "hubspot")
    assert checked.returncode == 65
    assert "environment variable HUBSPOT_ACCESS_TOKEN is not set" in checked.stdout
    assert "Traceback" not in checked.stderr


def test_a_system_that_cannot_be_reached_is_one_sentence_without_the_secret(home: Path):
    (home / "stammkunde.yml").write_text(
        "sources:\n  hubspot:\n    secrets: {access_token: TOKEN}\n"
        "    options: {base_url: 'http://127.0.0.1:9'}\n"
    )
    # The port of the discard protocol: nobody listens there.
    script = (
        "import sources.http, sources.__main__ as command, sys; "
        "sources.http.Api.__init__.__kwdefaults__['patience'] = "
        "sources.http.Patience(attempts=2, first_wait=0.01); "
        "sys.exit(command.main(['pull', 'hubspot']))"
    )
    pulled = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env={**os.environ, "STAMMKUNDE_HOME": str(home), "TOKEN": KEY},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert pulled.returncode == 65
    assert "no usable answer" in pulled.stderr
    assert KEY not in pulled.stderr + pulled.stdout
    assert "Traceback" not in pulled.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["pull", "hubspott"], 64, "no source is called 'hubspott'"),
        (["dance"], 2, "invalid choice"),
    ],
)
def test_a_mistyped_command_is_explained(home: Path, arguments: list[str], code: int, said: str):
    answer = sources(home, *arguments)
    assert answer.returncode == code
    assert said in answer.stderr


def test_a_wrong_stammkunde_yml_ends_with_its_own_code(home: Path):
    (home / "stammkunde.yml").write_text("sources: {hubspott: {}}\n")
    answer = sources(home, "list")
    assert answer.returncode == 78
    assert "did you mean 'hubspot'?" in answer.stderr
