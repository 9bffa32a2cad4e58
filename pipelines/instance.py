"""Dagster's own store: opening it, which process works on which run, and runs left behind.

A run worker killed together with the daemon (a power cut) leaves its run STARTED for good, and with
one run at a time everything queues up behind it: run monitoring does not notice on a single box.
"""

import contextlib
import fcntl
import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import sqlalchemy
from dagster._core.storage.event_log import SqliteEventLogStorage

log = logging.getLogger(__name__)

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# A run without a note of its process may just be starting: run monitoring gives it 180 s.
GRACE = timedelta(minutes=10)
_UNFINISHED = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@contextlib.contextmanager
def opened_instance(dagster_home: Path) -> Iterator[dg.DagsterInstance]:
    """The instance at DAGSTER_HOME, with runs closed that a process left behind.

    One process at a time opens it: two first starts at once both create the same tables, and one
    of them fails ("table alembic_version already exists").
    """
    with (dagster_home / ".opening.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        instance = dg.DagsterInstance.get()
    with instance, _reused_connections(instance):
        close_unfinished_runs(instance, dagster_home)
        yield instance


@contextlib.contextmanager
def working(instance: dg.DagsterInstance, dagster_home: Path, run_id: str) -> Iterator[None]:
    """Keep a note of the process that works on a run while the block runs."""
    notes = dagster_home / "processes"
    notes.mkdir(parents=True, exist_ok=True)
    note = notes / f"{run_id}.json"
    note.write_text(json.dumps({"pid": os.getpid(), "boot": _boot()}), encoding="utf-8")
    try:
        with _reused_connections(instance):
            yield
    finally:
        note.unlink(missing_ok=True)


@contextlib.contextmanager
def _reused_connections(instance: dg.DagsterInstance) -> Iterator[None]:
    """Let the event log of an instance reuse its SQLite connections while the block lasts.

    Dagster opens and closes two files for every event, and closing the last connection copies
    SQLite's log back into the file: 12 ms for each of two thousand events a run, instead of 3.
    These are private names of Dagster's: a test counts the connections.
    """
    storage = instance.event_log_storage
    engines: dict[str, sqlalchemy.Engine] = {}

    @contextlib.contextmanager
    def connect(shard: str) -> Iterator[sqlalchemy.Connection]:
        with storage._db_lock:
            engine = engines.get(shard)
            if engine is None:
                engine = engines[shard] = sqlalchemy.create_engine(
                    storage.conn_string_for_shard(shard), connect_args={"timeout": 60}
                )
                # A power cut may cost the last events of the log, never the log itself.
                sqlalchemy.event.listen(engine, "connect", _sync_at_checkpoints_only)
            if shard not in storage._initialized_dbs:
                storage._initdb(engine)
                storage._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    if not isinstance(storage, SqliteEventLogStorage) or "_connect" in vars(storage):
        yield
        return
    storage._connect = connect
    try:
        yield
    finally:
        del storage._connect
        for engine in engines.values():
            engine.dispose()


def _sync_at_checkpoints_only(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("pragma synchronous = normal")


def close_unfinished_runs(instance: dg.DagsterInstance, dagster_home: Path) -> list[str]:
    """Mark runs as failed whose process is gone; returns their ids. Called before a start."""
    closed = []
    notes = dagster_home / "processes"
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED)):
        run = record.dagster_run
        note = notes / f"{run.run_id}.json"
        if note.exists():
            is_gone = not _is_alive(json.loads(note.read_text(encoding="utf-8")))
        else:
            is_gone = datetime.now(UTC) - record.create_timestamp > GRACE
        if is_gone:
            instance.report_run_failed(
                run,
                "The process of this run is gone (power cut, kill or crash). Nothing is lost: "
                "the next run goes on from what was committed.",
            )
            note.unlink(missing_ok=True)
            log.warning("Run %s was left unfinished by a process that is gone", run.run_id[:8])
            closed.append(run.run_id)
    return closed


def _is_alive(note: dict) -> bool:
    if note["boot"] != _boot():
        return False
    try:
        os.kill(note["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _boot() -> str:
    return BOOT_ID.read_text(encoding="utf-8").strip() if BOOT_ID.exists() else "unknown"
