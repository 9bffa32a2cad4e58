"""What the README shows is what comes out."""

import re
from pathlib import Path

import pytest

from pipelines.settings import load_settings
from sources.accounting.sales_list import read_mapping
from sources.registry import SOURCES
from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_readmes_table_of_source_systems_is_the_registry():
    table = README.split("<!-- source systems -->")[1].split("<!-- end of source systems -->")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.split("\n")[3:-1]]
    assert [(name, area, tables, how) for name, _, area, tables, how in rows] == [
        (
            f"`{source.name}`",
            source.area,
            ", ".join(table.name for table in source.tables),
            "API: " + ", ".join(f"`{secret.name}`" for secret in source.secrets)
            if source.secrets
            else "file drop",
        )
        for source in SOURCES
    ]


def test_the_readmes_example_of_stammkunde_yml_is_understood(home: Path):
    example = re.search(r"```yaml\n(sources:.*?)```", README, re.S).group(1)
    (home / "stammkunde.yml").write_text(example, encoding="utf-8")
    settings = load_settings({"STAMMKUNDE_HOME": str(home), "MAILCHIMP_API_KEY": "key-us21"})
    assert settings.configured["mailchimp"].secrets == {"api_key": "key-us21"}
    assert not settings.configured["monthly_targets"].is_enabled


def test_the_readmes_examples_of_thresholds_and_alerts_are_understood(home: Path):
    examples = re.findall(r"```yaml\n((?:quality|alerts):.*?)```", README, re.S)
    assert len(examples) == 2
    (home / "stammkunde.yml").write_text("".join(examples), encoding="utf-8")
    secrets = {
        "STAMMKUNDE_MAIL_PASSWORD": "p",
        "STAMMKUNDE_WEBHOOK_URL": "https://hooks.example.com/x",
    }
    settings = load_settings({"STAMMKUNDE_HOME": str(home), **secrets})
    assert settings.tolerance.of("credit_ratings", "ratings").smallest_share_of_last_file == 0.3
    assert settings.tolerance.of("datev", "bookings").bad_rows_share == 0.1
    assert settings.alerts is not None and settings.alerts.email is not None


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_source_is_explained_in_the_readme_of_its_folder(source):
    folder = REPOSITORY / "sources" / source.area
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert f"`{source.name}`" in text or f"{source.name}:" in text
    for said in (*source.secrets, *source.options):
        assert f"`{said.name}`" in text or f"{said.name}:" in text, said.name


def test_the_readmes_example_mapping_is_read(tmp_path: Path):

    for page in ("README.md", "sources/accounting/README.md"):
        text = (REPOSITORY / page).read_text(encoding="utf-8")
        (tmp_path / "mapping.yml").write_text(
            re.search(r"```yaml\n(columns:.*?)```", text, re.S).group(1), encoding="utf-8"
        )
        assert read_mapping(tmp_path / "a.csv").columns["date"] == "Belegdatum"


def test_every_link_of_the_readme_leads_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 3
    assert [link for link in links if not (REPOSITORY / link).exists()] == []
