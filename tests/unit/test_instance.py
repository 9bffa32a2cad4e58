"""Dagster's own store as we open it."""

import sqlite3
from pathlib import Path

import dagster as dg
import pytest

from pipelines.instance import opened_instance


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The databases that were connected to, one entry for every connection."""
    opened, connect = [], sqlite3.connect

    def counted(database, *arguments, **options):
        opened.append(str(database))
        return connect(database, *arguments, **options)

    # SQLAlchemy asks the module it imports as pysqlite.
    monkeypatch.setattr("sqlite3.dbapi2.connect", counted)
    return opened


def test_a_run_does_not_open_the_event_log_anew_for_every_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connections: list[str]
):
    @dg.asset
    def one() -> None: ...

    @dg.asset(deps=[one])
    def two() -> None: ...

    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with opened_instance(tmp_path) as instance:
        result = dg.materialize([one, two], instance=instance)
        events = len(instance.all_logs(result.run_id))
    opened = [
        path for path in connections if "/history/runs/" in path and "run_records" not in path
    ]
    assert result.success
    assert events > 15
    # Dagster asks once in a while whether a table exists, on a connection of its own.
    assert 0 < len(opened) < events
