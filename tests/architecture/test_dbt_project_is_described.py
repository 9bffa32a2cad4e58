"""What the dbt manifest must say: grain, descriptions, names, contracts. Read, not run."""

import json
from pathlib import Path

import pytest

from sources.contract import TECHNICAL_COLUMNS
from sources.registry import SOURCES

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def manifest() -> dict:
    path = REPOSITORY / "dbt_project" / "target" / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8"))


def of_kind(manifest: dict, kind: str) -> list[dict]:
    found = [node for node in manifest["nodes"].values() if node["resource_type"] == kind]
    assert found, f"the manifest has no {kind}"
    return found


def test_every_model_and_seed_begins_with_its_grain(manifest: dict):
    described = of_kind(manifest, "model") + of_kind(manifest, "seed")
    assert [
        node["name"] for node in described if not node["description"].startswith("One row")
    ] == []


def test_every_column_of_every_model_is_described(manifest: dict):
    bare = [
        f"{node['name']}.{column['name']}"
        for node in of_kind(manifest, "model")
        for column in node["columns"].values()
        if not column["description"]
    ]
    assert bare == []
    assert [node["name"] for node in of_kind(manifest, "model") if not node["columns"]] == []


def test_every_mart_has_an_enforced_contract_and_types(manifest: dict):
    marts = [node for node in of_kind(manifest, "model") if node["schema"] == "marts"]
    assert len(marts) >= 5
    for node in marts:
        assert node["contract"]["enforced"], node["name"]
        assert all(column["data_type"] for column in node["columns"].values()), node["name"]


def test_every_mart_names_the_capability_it_serves(manifest: dict):
    marts = [node for node in of_kind(manifest, "model") if node["schema"] == "marts"]
    silent = [
        node["name"]
        for node in marts
        if not node["config"]["meta"].get("capability")
        and not any(column["meta"].get("capability") or column["config"].get("meta", {}).get(
            "capability") for column in node["columns"].values())
    ]  # fmt: skip
    assert silent == []


def test_every_dbt_test_is_named_as_a_sentence(manifest: dict):
    generic = [node for node in of_kind(manifest, "test") if node.get("test_metadata")]
    unnamed = [
        node["name"] for node in generic if node["name"].startswith(("unique_", "not_null_",
        "accepted_values_", "relationships_", "source_"))
    ]  # fmt: skip
    assert unnamed == []
    singular = [node for node in of_kind(manifest, "test") if not node.get("test_metadata")]
    assert [node["name"] for node in singular if not node["name"].startswith("assert_")] == []


def test_groups_are_the_schemas(manifest: dict):
    for node in of_kind(manifest, "model") + of_kind(manifest, "seed"):
        assert node["config"]["meta"]["dagster"]["group"] == node["schema"], node["name"]


def test_no_threshold_stands_in_a_model(manifest: dict):
    money_rules = ("50000", "150000", "500000", "0.8", "0.95")
    for node in of_kind(manifest, "model"):
        words = node["raw_code"].replace("(", " ").replace(")", " ").replace(",", " ").split()
        assert not set(money_rules) & set(words), node["name"]


def test_the_raw_tables_are_described_as_their_contracts_say(manifest: dict):
    described = {
        (node["source_name"], node["name"]): {
            name: (column["description"].strip(), column["config"].get("meta", {}).get("personal"))
            for name, column in node["columns"].items()
        }
        for node in manifest["sources"].values()
    }
    for source in SOURCES:
        if source.name == "sales_list":
            continue
        for table in source.tables:
            promised = {
                column.name: (" ".join(column.description.split()), column.personal)
                for column in table.columns
            } | {name: (text, None) for name, text in TECHNICAL_COLUMNS.items()}
            assert described[f"raw_{source.name}", table.name] == promised
