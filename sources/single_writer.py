"""One writer at a time in a home, whoever starts it: the kernel lock that all writers hold."""

import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

log = logging.getLogger(__name__)

LOCK_NAME = ".writer.lock"
POLL_SECONDS = 1.0


class AnotherWriter(Exception):
    """Some other process is pulling or building in this home; the message says which."""


@contextlib.contextmanager
def single_writer(home: Path, purpose: str, *, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the writer's lock of a home while the block runs.

    The lock is the kernel's (flock) and goes with the process, however that ends. Raises
    AnotherWriter where it is not free within wait_seconds.
    """
    path = home / LOCK_NAME
    with path.open("a+", encoding="utf-8") as handle:
        _acquire(handle, path, wait_seconds)
        handle.seek(0)
        handle.truncate()
        json.dump(
            {
                "pid": os.getpid(),
                "purpose": purpose,
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
            },
            handle,
        )
        handle.flush()
        try:
            yield
        finally:
            handle.seek(0)
            handle.truncate()
            handle.flush()
            fcntl.flock(handle, fcntl.LOCK_UN)


def _acquire(handle, path: Path, wait_seconds: float) -> None:
    give_up_at = time.monotonic() + wait_seconds
    told = False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                raise AnotherWriter(_who_holds(path)) from None
            if not told:
                log.info("%s; waiting up to %d s", _who_holds(path), wait_seconds)
                told = True
            time.sleep(POLL_SECONDS)
        else:
            return


def _who_holds(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        who = f"process {holder['pid']} ({holder['purpose']}, since {holder['since']})"
    except (ValueError, KeyError):
        who = "another process"
    return (
        f"{who} is writing in {path.parent}: wait until it has finished, "
        "or end it; nothing was changed"
    )
