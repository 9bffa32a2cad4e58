"""Who may know whom, and what the tree looks like: read from the files, nothing is run."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ROOMS = ("sources", "quality", "pipelines")
MODULES = sorted(path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py"))
TEST_MODULES = sorted((REPOSITORY / "tests").rglob("*.py"))


def names_of(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(REPOSITORY)) for path in paths]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_the_import_rules_hold():
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [lint, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_only_the_expectations_module_knows_great_expectations():
    users = [path for path in MODULES if "great_expectations" in imported(path)]
    assert names_of(users) == ["quality/expectations.py"]


def test_plain_rooms_inside_pipelines_know_no_dagster():
    plain = [
        REPOSITORY / "pipelines" / name
        for name in ("alerts.py", "findings.py", "ingest.py", "release.py", "scoring.py",
                     "settings.py", "source_runs.py", "warehouse.py")
    ]  # fmt: skip
    plain += (REPOSITORY / "pipelines" / "publishing").rglob("*.py")
    assert [path for path in plain if {"dagster", "dagster_dbt"} & imported(path)] == []


def test_only_settings_reads_the_environment():
    readers = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            reads = isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
            named = isinstance(node, ast.ImportFrom) and {"environ", "getenv"} & {
                alias.name for alias in node.names
            }
            if reads or named:
                readers.append(path)
    assert set(names_of(readers)) == {"pipelines/settings.py"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_module_opens_with_what_lives_here(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "no docstring"
    if path.name == "__init__.py":
        assert len(tree.body) == 1, "__init__.py holds a docstring, nothing else"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_public_functions_have_docstrings(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public = [
        node
        for scope in [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
        for node in scope.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        and not getattr(scope, "name", "").startswith("_")
    ]  # fmt: skip
    assert [node.name for node in public if not ast.get_docstring(node)] == []


def test_nothing_is_called_utils():
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
    everything = [*MODULES, *TEST_MODULES, *(REPOSITORY / "dbt_project").rglob("*.sql")]
    assert [path for path in everything if path.stem in vague] == []


def test_python_tests_are_statements():
    for path in TEST_MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                assert node.name.count("_") >= 3, f"{path.name}: {node.name} is no sentence"


def test_the_lock_has_hashes_and_names_no_index():
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^[a-z0-9][^\s=]*==\S+ \\$", lock, flags=re.MULTILINE)
    assert len(pins) > 100
    assert len(re.findall(r"^[a-z0-9].*==", lock, flags=re.MULTILINE)) == len(pins)
    assert not re.search(r"^\s*--(index|extra-index|find-links)|://", lock, flags=re.MULTILINE)


def test_workspace_is_not_overridden():
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert "[tool.dg]" not in project
    assert "[tool.dagster]" not in project


def test_every_source_folder_explains_itself():
    folders = [
        path for path in (REPOSITORY / "sources").iterdir() if (path / "__init__.py").exists()
    ]
    assert [path.name for path in folders if not (path / "README.md").exists()] == []


def test_decisions_have_context_decision_and_price():
    pages = sorted((REPOSITORY / "docs" / "decisions").glob("*.md"))
    assert pages
    for number, page in enumerate(pages, start=1):
        assert page.name.startswith(f"{number:04d}-"), page.name
        text = page.read_text(encoding="utf-8")
        for heading in ("## Context", "## Decision", "## Price"):
            assert heading in text, f"{page.name} has no {heading!r}"


def test_the_readmes_map_of_the_rooms_is_the_tree():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    on_the_map = set(re.findall(r"^\| `([a-z_]+)/` \|", readme, flags=re.MULTILINE))
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    in_the_tree = {name.split("/")[0] for name in tracked if "/" in name}
    assert on_the_map == {name for name in in_the_tree if not name.startswith(".")}


def test_the_readme_names_every_make_target():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):.*## ", makefile, flags=re.MULTILINE)
    assert [name for name in targets if f"`make {name}`" not in readme] == []


def test_no_machine_path_and_no_registry_stands_in_the_repository():
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    machine = re.compile(
        r"(?<![\w}])/" + r"(root|home|work|Users)/[a-z]|pypi\.|pythonhosted|index-url https"
    )
    found = []
    for name in filter(None, tracked):
        path = REPOSITORY / name
        if path.is_file() and path.suffix not in {".png"} and machine.search(
            path.read_text(encoding="utf-8", errors="replace")
        ):  # fmt: skip
            found.append(name)
    assert found == ["tests/architecture/test_rooms.py"]
