"""What Dagster sees: keys, groups, checks, schedule. Loaded, not run."""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

ASSETS = """\
intermediate/int_customers_classified
intermediate/int_customers_described
intermediate/int_customers_purchased
intermediate/int_customers_scored
intermediate/int_customers_staged
intermediate/int_customers_tiered
intermediate/int_customers_valued
intermediate/int_documents_summed
intermediate/int_documents_undone
intermediate/int_documents_versioned
intermediate/int_sales_lines_current
intermediate/int_sales_lines_identified
intermediate/int_sales_lines_keyed
intermediate/int_sales_lines_returned
intermediate/int_sales_lines_stacked
intermediate/int_sales_lines_uncredited
marts/customer_360
marts/customer_identities
marts/fct_invoice_lines
marts/fct_invoices
marts/load_reconciliation
marts/quarantined_rows
marts/unmatched_records
published/stammkunde
raw_company/settings
raw_quality/loads
raw_quality/quarantined_rows
raw_sales_list/lines
rules/abc_classes
rules/lifecycle_rules
rules/tier_rules
rules/tiers
staging/stg_company__settings
staging/stg_quality__loads
staging/stg_quality__quarantined_rows
staging/stg_sales_list__lines
""".split()


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    from pipelines.definitions import stammkunde

    return stammkunde()


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions):
    return definitions.resolve_asset_graph()


def test_the_assets_are_exactly_these(graph):
    keys = sorted(key.to_user_string() for key in graph.get_all_asset_keys())
    assert keys == ASSETS


def test_every_asset_is_one_that_can_be_materialised(graph):
    assert set(graph.materializable_asset_keys) == set(graph.get_all_asset_keys())


def test_an_asset_key_is_schema_and_table_and_the_group_is_the_schema(graph):
    for key in graph.get_all_asset_keys():
        assert len(key.path) == 2, key
        assert graph.get(key).group_name == key.path[0], key


def test_every_asset_has_a_description_and_a_kind(graph):
    for key in graph.get_all_asset_keys():
        assert graph.get(key).description, key
        assert graph.get(key).kinds, key


def test_raw_and_marts_promise_freshness(graph):
    for key in graph.get_all_asset_keys():
        if key.path[0] == "marts" or key.path[0] == "raw_sales_list":
            assert graph.get(key).freshness_policy_or_from_metadata is not None, key


def test_what_is_published_waits_for_every_mart(graph):
    parents = graph.get(dg.AssetKey(["published", "stammkunde"])).parent_keys
    assert parents == {key for key in graph.get_all_asset_keys() if key.path[0] == "marts"}


def test_checks_are_sentences_that_say_the_harm(graph):
    raw = [
        graph.get(key)
        for key in graph.asset_check_keys
        if key.asset_key == dg.AssetKey(["raw_sales_list", "lines"])
    ]
    assert len(raw) > 15
    for check in raw:
        assert check.key.name.count("_") >= 2
        assert check.description
    blocking = {check.key.name for check in raw if check.blocking}
    assert blocking == {
        "every_dropped_file_could_be_read",
        "every_load_was_let_in",
        "landed_rows_are_accepted_or_quarantined",
    }


def test_the_night_begins_at_two_in_berlin(definitions: dg.Definitions):
    nightly = definitions.resolve_schedule_def("nightly")
    assert nightly.cron_schedule == "0 2 * * *"
    assert nightly.execution_timezone == "Europe/Berlin"
    assert nightly.default_status is dg.DefaultScheduleStatus.RUNNING
    assert nightly.job_name == "refresh_customer_360"


def test_loading_the_definitions_is_cheap_and_needs_no_secret(tmp_path: Path):
    script = (
        "import sys, json; from pipelines.definitions import stammkunde; stammkunde(); "
        "print(json.dumps([name for name in ('great_expectations', 'splink', 'pandas') "
        "if name in sys.modules]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout.splitlines()[-1]) == []
