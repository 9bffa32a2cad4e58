"""What the README shows is what comes out."""

import re
from pathlib import Path

from sources.accounting.sales_list import read_mapping
from tests.conftest import REPOSITORY, pipelines

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_demo_run_prints_what_the_readme_shows(home: Path):
    shown = re.search(
        r"<!-- output of make run -->\n```text\n(.*?)\n```\n<!-- end of output -->", README, re.S
    ).group(1)
    run = pipelines(home, "run")
    assert run.returncode == 0, run.stderr
    printed = "\n".join(line.rstrip() for line in run.stderr.splitlines())
    assert shown in printed


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
