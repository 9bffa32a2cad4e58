"""The Dagster UI as a user sees it: one click builds everything, and nothing personal is shown.

What the figures must be is asked elsewhere.
"""

import contextlib
import html
import json
import re
from collections import Counter

import duckdb
import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from pipelines.checks import LET_IN, NOTHING_LOST, READABLE
from quality.rules import FAMILY_CHECKS
from tests.browser.conftest import DagsterUi, Visitor

pytestmark = pytest.mark.browser

# A shared machine was seen at a quarter of its speed for hours.
RUN_SECONDS = 1_200
LOOKS = 5
CLASSES = ("lifecycle", "tier", "abc_class")
# Dagster's green for text, in its light theme.
GREEN = "rgb(28, 125, 86)"
CUSTOMER_360 = "/assets/marts/customer_360"
RAW_LINES_CHECKS = "/assets/raw_sales_list/lines?view=checks"
NIGHTLY = "/locations/stammkunde/schedules/nightly"

_ASSETS = "{ assetNodes { groupName assetKey { path } assetMaterializations(limit: 1) { runId } } }"


@pytest.fixture(scope="module")
def run_id(visitor: Visitor, ui: DagsterUi) -> str:
    """The run that a click on "Materialize all" started, once the page calls it a success."""
    page = visitor.open("/asset-groups")
    button = page.get_by_role("button", name="Materialize all")
    button.wait_for()
    visitor.photograph("1_before")
    button.click()
    page.get_by_text(re.compile("^Launched run")).wait_for()
    page.get_by_text("View", exact=True).click()
    page.wait_for_url("**/runs/*")
    started = page.url.rsplit("/", 1)[-1]
    # The page of a running run draws all the time, which would cost the run half a processor.
    page.goto("about:blank")
    ui.wait_until_ended(started, seconds=RUN_SECONDS)
    page = visitor.open(f"/runs/{started}")
    outcome = page.get_by_text(re.compile("^(Success|Failure|Canceled)$")).first
    outcome.wait_for()
    visitor.photograph("2_run")
    assert outcome.inner_text() == "Success"
    return started


@pytest.fixture(scope="module")
def assets(ui: DagsterUi, run_id: str) -> list[dict]:
    """Every asset of the repository, as the server knows it after the run."""
    return ui.ask(_ASSETS)["assetNodes"]


@pytest.fixture(scope="module")
def customers(ui: DagsterUi, run_id: str) -> Counter:
    """How often each value of each class occurs in the published customer_360."""
    with duckdb.connect(str(ui.home / "serving" / "stammkunde.duckdb"), read_only=True) as db:
        rows = db.sql(f"select {', '.join(CLASSES)} from marts.customer_360").fetchall()
    return Counter(pair for row in rows for pair in zip(CLASSES, row, strict=True))


@pytest.fixture(scope="module")
def personal_data(ui: DagsterUi, run_id: str) -> list[str]:
    """Names and addresses of the demo company's customers."""
    with duckdb.connect(str(ui.home / "serving" / "stammkunde.duckdb"), read_only=True) as db:
        rows = db.sql("select customer_name, email from marts.customer_360").fetchall()
    found = [value for row in rows for value in row if value]
    assert len(found) > 300
    return found


@pytest.fixture(scope="module")
def pages(visitor: Visitor, run_id: str) -> dict[str, str]:
    """The text and the tooltips of every page a user would look at, by path."""
    landmarks = {
        "/asset-groups": "raw_sales_list",
        "/assets": "Materialized",
        f"/runs/{run_id}": "Success",
        CUSTOMER_360: "Strategic partner",
        f"{CUSTOMER_360}?view=events": "Strategic partner",
        RAW_LINES_CHECKS: "Evaluation result",
        "/assets/raw_sales_list/lines": "culinary_cooking_sales_list.csv",
        "/assets/marts/quarantined_rows": "Upstream assets",
        "/assets/published/stammkunde": "marts.customer_360",
        NIGHTLY: "Europe/Berlin",
        "/automation": "nightly",
        "/jobs": "refresh_customer_360",
    }
    texts = {}
    for path, landmark in landmarks.items():
        page = visitor.open(path)
        page.get_by_text(landmark, exact=True).filter(visible=True).first.wait_for()
        texts[path] = html.unescape(page.content())
        visitor.photograph("page_" + re.sub(r"\W+", "_", path.replace(run_id, "run")).strip("_"))
    return texts


def test_a_click_turns_every_group_of_the_graph_green(visitor: Visitor, assets: list[dict]):
    sizes = Counter(asset["groupName"] for asset in assets)
    # A wide window: zoomed out further, the graph leaves the state of a group away.
    page = visitor.open("/asset-groups", width=3000, height=3800)
    groups = page.locator("foreignObject")
    # Long names are cut short, so that the numbers tell the groups apart, one number in each: a
    # group with failed or missing assets shows a second one for them.
    number = re.compile(r"^\d+$")
    for _ in range(LOOKS):
        expect(groups).to_have_count(len(sizes))
        with contextlib.suppress(PlaywrightTimeout):
            for shown in groups.all():
                shown.get_by_text(number).first.wait_for(timeout=30_000)
            break
        # A busy server may leave one group's state unanswered; the page never asks again.
        page.reload()
    numbers = [shown.get_by_text(number) for shown in groups.all()]
    for shown in numbers:
        expect(shown).to_have_count(1)
        expect(shown).to_have_css("color", GREEN)
    assert Counter(int(shown.inner_text()) for shown in numbers) == Counter(sizes.values())
    visitor.photograph("3_graph")


def test_the_catalog_shows_every_asset_as_materialized(visitor: Visitor, assets: list[dict]):
    # The list draws only the rows that fit into the window.
    page = visitor.open("/assets", height=400 + 64 * len(assets))
    states = page.get_by_text(
        re.compile("^(Materialized|Never materialized|Failed|Missing|Materializing.*)$")
    )
    expect(states).to_have_text(["Materialized"] * len(assets))
    for state in states.all():
        expect(state).to_have_css("color", GREEN)
    named = page.get_by_test_id(re.compile("^checkbox-")).evaluate_all(
        "boxes => boxes.map(box => box.dataset.testid.replace('checkbox-', ''))"
    )
    assert sorted(named) == sorted("/".join(asset["assetKey"]["path"]) for asset in assets)
    visitor.photograph("4_catalog")


def test_the_expanded_graph_shows_each_mart_as_materialized(visitor: Visitor, assets: list[dict]):
    marts = [asset["assetKey"]["path"][-1] for asset in assets if asset["groupName"] == "marts"]
    # Only what lies within the window is drawn.
    tall = 1500 + 350 * len(marts)
    page = visitor.open("/asset-groups?expanded=global@global:marts", width=3200, height=tall)
    nodes = page.locator("foreignObject").filter(has=page.get_by_text("Latest event"))
    expect(nodes).to_have_count(len(marts))
    for mart in marts:
        node = nodes.filter(has=page.get_by_text(mart, exact=True))
        expect(node.get_by_text("Materialized", exact=True)).to_have_css("color", GREEN)
    visitor.photograph("5_marts")


def test_the_server_agrees_that_the_click_materialized_every_asset(
    ui: DagsterUi, run_id: str, assets: list[dict]
):
    keys = {"/".join(asset["assetKey"]["path"]) for asset in assets}
    assert {"raw_sales_list/lines", "marts/customer_360", "published/stammkunde"} <= keys
    built_by = {
        "/".join(asset["assetKey"]["path"]): [
            event["runId"] for event in asset["assetMaterializations"]
        ]
        for asset in assets
    }
    assert built_by == {key: [run_id] for key in keys}
    runs = ui.ask("{ runsOrError { ... on Runs { results { runId status } } } }")
    assert runs["runsOrError"]["results"] == [{"runId": run_id, "status": "SUCCESS"}]


def test_the_click_publishes_the_file_that_its_page_names(
    visitor: Visitor, ui: DagsterUi, customers: Counter
):
    published = ui.home / "serving" / "stammkunde.duckdb"
    assert sum(count for (name, _), count in customers.items() if name == "tier") > 250
    page = visitor.open("/assets/published/stammkunde")
    expect(page.get_by_text(published.resolve().name, exact=True).first).to_be_visible()


def test_the_page_of_customer_360_shows_the_row_count_and_the_classes(
    visitor: Visitor, customers: Counter
):
    page = visitor.open(CUSTOMER_360, height=3400)
    total = sum(count for (name, _), count in customers.items() if name == "tier")
    expect(page.get_by_text(f"{total:,}", exact=True)).to_be_visible()
    for column in CLASSES:
        rows = _rows_of_table(page, column)
        assert len(rows) > 2
        assert {row[0]: int(row[1]) for row in rows} == {
            value or "none": count for (name, value), count in customers.items() if name == column
        }
    visitor.photograph("6_customer_360")


def test_the_checks_of_a_source_are_sentences_with_the_harm_beside(visitor: Visitor, run_id: str):
    families = dict(FAMILY_CHECKS.values())
    page = visitor.open(RAW_LINES_CHECKS, height=1800)
    expect(page.get_by_text(f"Checks ({len(families) + 3})")).to_be_visible()
    for name in (*families, READABLE, LET_IN, NOTHING_LOST):
        # The list cuts long names in the middle; its tooltip has the whole sentence.
        expect(page.get_by_title(name, exact=True)).to_be_visible()
    name, harm = FAMILY_CHECKS["errors"]
    page.get_by_title(name, exact=True).click()
    expect(page.get_by_text(harm)).to_be_visible()
    remedy = page.get_by_text("Enter the customer number in the source")
    expect(remedy.first).to_be_visible()
    visitor.photograph("7_checks")


def test_the_nightly_schedule_is_running_at_two_in_berlin(visitor: Visitor, run_id: str):
    page = visitor.open(NIGHTLY)
    switch = page.get_by_role("row", name="Running").get_by_role("checkbox")
    expect(switch).to_be_checked()
    expect(page.get_by_role("row", name="Execution timezone")).to_contain_text("Europe/Berlin")
    expect(page.get_by_text("(0 2 * * *)")).to_be_visible()
    expect(page.get_by_text("refresh_customer_360")).to_be_visible()
    visitor.photograph("8_nightly")


def test_no_page_shows_a_customer_by_name_or_address(
    pages: dict[str, str], personal_data: list[str]
):
    shown = [
        (path, value) for path, text in pages.items() for value in personal_data if value in text
    ]
    assert shown == []


def test_dagster_keeps_no_customer_by_name_or_address(ui: DagsterUi, personal_data: list[str]):
    kept = b"\n".join(
        path.read_bytes() for path in (ui.home / "dagster").rglob("*") if path.is_file()
    )
    kept += ui.output.read_bytes()
    assert b"marts.customer_360" in kept
    # Event logs are JSON, where an umlaut is an escape.
    spellings = {value: (value, json.dumps(value)[1:-1]) for value in personal_data}
    found = [
        value
        for value, spelled in spellings.items()
        if any(each.encode() in kept for each in spelled)
    ]
    assert found == []


def test_no_page_raises_an_error(visitor: Visitor, pages: dict[str, str]):
    assert visitor.errors == []


def test_no_page_asks_a_host_outside_this_machine(visitor: Visitor, pages: dict[str, str]):
    assert visitor.strangers == []


def test_the_server_logs_no_error_while_it_is_looked_at(ui: DagsterUi, pages: dict[str, str]):
    output = ui.output.read_text(encoding="utf-8")
    assert f"Dagster UI: {ui.url}" in output
    assert re.findall(r"^.*(?:ERROR\x1b|- ERROR -|CRITICAL|Traceback).*$", output, re.M) == []


def _rows_of_table(page: Page, column: str) -> list[list[str]]:
    """The cells of the visible table whose first header is the column."""
    table = page.get_by_role("table").filter(
        has=page.get_by_role("columnheader", name=column, exact=True)
    )
    body = table.last.locator("tbody tr")
    expect(body.first).to_be_visible()
    return [row.locator("td").all_inner_texts() for row in body.all()]
