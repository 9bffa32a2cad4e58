"""Fixtures that more than one room of tests uses."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="session")
def online_retail() -> Path:
    """The real sales list of issue 2; skipped where the folder of public data is absent."""
    path = SHARED_DATA / "online_retail" / "online_retail.parquet"
    if not path.exists():
        pytest.skip("needs ../shared/data/online_retail beside the repository")
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty $STAMMKUNDE_HOME."""
    folder = tmp_path / "home"
    (folder / "inbox" / "sales_list").mkdir(parents=True)
    return folder


@pytest.fixture
def retail_home(home: Path, online_retail: Path) -> Path:
    """A home into which Online Retail was dropped as its example says."""
    return fill_with_online_retail(home, online_retail)


def fill_with_online_retail(home: Path, parquet: Path) -> Path:
    example = REPOSITORY / "docs" / "examples" / "online_retail"
    shutil.copy(example / "stammkunde.yml", home)
    shutil.copy(example / "mapping.yml", home / "inbox" / "sales_list")
    shutil.copy(parquet, home / "inbox" / "sales_list")
    return home


def start_run(home: Path, **options) -> subprocess.Popen:
    """Start `python -m pipelines run` and leave it running; options are those of Popen."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", "run"],
        cwd=REPOSITORY,
        env={**os.environ, "STAMMKUNDE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        **{"stderr": subprocess.DEVNULL, **options},
    )


def pipelines(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run `python -m pipelines …` in a process of its own, as make does."""
    return subprocess.run(
        [sys.executable, "-m", "pipelines", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "STAMMKUNDE_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
