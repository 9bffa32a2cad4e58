"""`python -m tests.faults.kill_drill --kills N`: kill -9 of a whole run, again and again.

Each segment starts with an empty home, is killed a few times at random moments and then runs to its
end; the published tables must then be those of a run that nobody disturbed.
"""

import argparse
import contextlib
import hashlib
import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import duckdb

from pipelines.publishing.publish import fingerprints
from tests.conftest import pipelines, start_run

KILLS_PER_HOME = 5
TIMEOUT = 1800


class DrillFailed(AssertionError):
    """A killed run was not mended by the next one."""


def drill(kills: int, workplace: Path, *, seed: int, tell=print) -> list[float]:
    """Kill `kills` runs at random moments; returns those moments in seconds after their start.

    Raises DrillFailed where a later whole run fails or publishes other tables than an undisturbed
    one does.
    """
    dice = random.Random(seed)
    started = time.monotonic()
    expected = _whole_run(_new_home(workplace / "undisturbed"))
    duration = time.monotonic() - started
    tell(f"undisturbed run: {duration:.0f} s, {len(expected)} tables")
    moments: list[float] = []
    while len(moments) < kills:
        home = _new_home(workplace / f"home{len(moments)}")
        for _ in range(min(KILLS_PER_HOME, kills - len(moments))):
            moment = dice.uniform(0.2, duration)
            was_alive = _kill_after(home, moment)
            moments.append(moment)
            tell(f"kill {len(moments)} after {moment:.1f} s" + ("" if was_alive else " (done)"))
        published = _whole_run(home)
        if others := sorted(
            table
            for table in expected.keys() | published.keys()
            if expected.get(table) != published.get(table)
        ):
            raise DrillFailed(f"{home.name}: other {others} after {moments[-KILLS_PER_HOME:]}")
    return moments


def _new_home(home: Path) -> Path:
    home.mkdir()
    # A small company: a kill hits every step as well, and a run takes half the time.
    (home / "stammkunde.yml").write_text("demo_customers: 300\n")
    return home


def _whole_run(home: Path) -> dict[str, str]:
    run = pipelines(home, "run")
    if run.returncode != 0:
        raise DrillFailed(f"exit code {run.returncode}\n{run.stderr}")
    published = home / "serving" / "stammkunde.duckdb"
    return fingerprints(published) | {"who may be written to": _permissions(published)}


def _permissions(published: Path) -> str:
    with duckdb.connect(str(published), read_only=True) as db:
        rows = db.sql(
            "select channel, contact_point, controller, purpose, is_allowed, reason "
            "from marts.consent_status order by all"
        ).fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _kill_after(home: Path, seconds: float) -> bool:
    """Start a run in a process group of its own and kill the group; whether it was still alive."""
    process = start_run(home, start_new_session=True)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    is_alive = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(TIMEOUT)
    return is_alive


def main() -> None:
    """The drill on the demo company, as often as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as workplace:
        moments = drill(given.kills, Path(workplace), seed=given.seed)
    print(f"{len(moments)} kills, 0 lost, 0 duplicated, every home mended by its next run")


if __name__ == "__main__":
    main()
