"""Kills, full disks, readers at work, two writers: what must hold whatever happens."""

import multiprocessing
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from pipelines.instance import close_unfinished_runs
from pipelines.publishing.publish import fingerprints, publish
from tests.conftest import REPOSITORY, pipelines, start_run
from tests.integration.test_bad_input import LINES, drop


def read_until_told(link: str, stop, failures) -> None:
    """Open the published file again and again; every look must see one whole version."""
    looks = 0
    while not stop.is_set():
        try:
            with duckdb.connect(link, read_only=True) as db:
                generation = db.sql(
                    "select max(generation), min(generation) from marts.a"
                ).fetchall()
                other = db.sql("select max(generation), count(*) from marts.b").fetchall()
            if generation[0][0] != generation[0][1] or generation[0][0] != other[0][0]:
                failures.put(f"mixed: {generation} {other}")
            if other[0][1] != 20_000:
                failures.put(f"half: {other}")
        except duckdb.Error as error:
            failures.put(repr(error))
        looks += 1
    failures.put(looks)


def test_a_reader_never_fails_and_never_sees_a_mix(tmp_path: Path):
    warehouse, link = tmp_path / "build.duckdb", tmp_path / "serving" / "stammkunde.duckdb"
    spawn = multiprocessing.get_context("spawn")
    stop, failures = spawn.Event(), spawn.Queue()
    reader = None
    for generation in range(12):
        with duckdb.connect(str(warehouse)) as db:
            db.execute("create schema if not exists marts")
            for table in ("a", "b"):
                db.execute(
                    f"create or replace table marts.{table} as "
                    "select ?::bigint as generation, i from range(20_000) as t(i)",
                    [generation],
                )
        publish(warehouse, link, run_id=str(generation))
        if reader is None:
            reader = spawn.Process(target=read_until_told, args=(str(link), stop, failures))
            reader.start()
            time.sleep(2)
    time.sleep(0.5)
    stop.set()
    seen = []
    while not seen or not isinstance(seen[-1], int):
        seen.append(failures.get(timeout=60))
    reader.join()
    assert seen[:-1] == []
    assert seen[-1] > 5, "the reader hardly looked"


@pytest.fixture(scope="module")
def rivals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, str]]]:
    """A home in which two runs began at once, and what each of them ended with and said."""
    home = tmp_path_factory.mktemp("rivals")
    (home / "stammkunde.yml").write_text("demo_customers: 300\n")
    runs = [start_run(home, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate(timeout=1800)[1] for run in runs]
    return home, [(run.returncode, words) for run, words in zip(runs, said, strict=True)]


def test_of_two_runs_at_once_one_works_and_one_is_told(rivals):
    (_, said), (refused, told) = sorted(rivals[1])
    assert (refused, "is writing in" in told) == (75, True), told
    assert "Published in" in said, said


def test_a_reader_keeps_reading_during_a_whole_run(rivals):
    home = rivals[0]
    link = home / "serving" / "stammkunde.duckdb"
    run = start_run(home)
    looks = set()
    while run.poll() is None:
        with duckdb.connect(str(link), read_only=True) as db:
            by_customer, by_line, run_id = db.sql(
                "select (select sum(net_revenue_total) from marts.customer_360), "
                "(select sum(line_amount_net) from marts.fct_invoice_lines "
                "where customer_id is not null), (select run_id from publication.version)"
            ).fetchall()[0]
        assert by_customer == by_line
        looks.add(run_id)
        # Often enough for every swap; a reader that never rests starves the run of its two cores.
        time.sleep(0.3)
    assert run.returncode == 0
    assert looks


def test_a_killed_publisher_leaves_the_version_before(tmp_path: Path):
    warehouse, link = tmp_path / "build.duckdb", tmp_path / "serving" / "stammkunde.duckdb"
    with duckdb.connect(str(warehouse)) as db:
        db.execute("create schema marts")
        db.execute("create table marts.a as select i from range(400_000) as t(i)")
    publish(warehouse, link, run_id="first")
    before = fingerprints(link)
    dice = random.Random(7)
    for _ in range(8):
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from pathlib import Path; "
                "from pipelines.publishing.publish import publish; "
                "publish(Path(sys.argv[1]), Path(sys.argv[2]), run_id='killed')",
                str(warehouse),
                str(link),
            ],
            cwd=REPOSITORY,
        )
        time.sleep(dice.uniform(0.1, 1.2))
        process.kill()
        process.wait()
        assert fingerprints(link) == before
    publish(warehouse, link, run_id="last")
    assert not list((link.parent / "versions").glob(".*"))
    assert len(list((link.parent / "versions").iterdir())) <= 3


def test_a_reader_with_the_old_file_open_gets_the_new_one_by_name(tmp_path: Path):
    warehouse, link = tmp_path / "build.duckdb", tmp_path / "serving" / "stammkunde.duckdb"

    def generation(number: int) -> None:
        with duckdb.connect(str(warehouse)) as db:
            db.execute("create schema if not exists marts")
            db.execute(f"create or replace table marts.a as select {number} as generation")
        publish(warehouse, link, run_id=str(number))

    generation(1)
    old = duckdb.connect(str(link), read_only=True)
    generation(2)
    new = duckdb.connect(str(link), read_only=True)
    assert old.sql("from marts.a").fetchall() == [(1,)]
    assert new.sql("from marts.a").fetchall() == [(2,)]


@pytest.fixture
def small_disk(tmp_path: Path):
    """Mounts a file system of a given size over a folder; skipped where that is not permitted."""
    mounted = []

    def mount(folder: Path, size: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("needs the right to mount a small tmpfs (root)")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.drill
def test_a_full_disk_is_named_and_mended_by_the_next_run(home: Path, small_disk):
    drop(home, *LINES)
    # One after the other: what a run committed before the disk was full, the next one builds on.
    for folder, size in (("lake", "16k"), ("warehouse", "6m"), ("serving", "1m")):
        small_disk(home / folder, size)
        run = pipelines(home, "run")
        assert run.returncode == 74, f"{folder}: {run.stderr}"
        assert "The disk is full: make room" in run.stderr
        assert "Traceback" not in run.stderr
        assert not (home / "serving" / "stammkunde.duckdb").exists()
        subprocess.run(["mount", "-o", "remount,size=2g", str(home / folder)], check=True)
    mended = pipelines(home, "run")
    assert mended.returncode == 0, mended.stderr


def test_a_run_whose_process_is_gone_is_closed_at_the_next_start(tmp_path: Path):
    dagster_home = tmp_path / "dagster"
    (dagster_home / "processes").mkdir(parents=True)
    with dg.DagsterInstance.local_temp(str(dagster_home)) as instance:
        runs = {}
        for name in ("gone", "alive", "starting"):
            run = instance.create_run_for_job(_empty_job())
            _start(instance, run)
            runs[name] = run.run_id
        gone = subprocess.Popen([sys.executable, "-c", "pass"])
        gone.wait()
        for name, pid in (("gone", gone.pid), ("alive", os.getpid())):
            _note(dagster_home, runs[name], pid)
        closed = close_unfinished_runs(instance, dagster_home)
        assert closed == [runs["gone"]]
        statuses = {name: instance.get_run_by_id(run_id).status for name, run_id in runs.items()}
    assert statuses == {
        "gone": dg.DagsterRunStatus.FAILURE,
        "alive": dg.DagsterRunStatus.STARTED,
        "starting": dg.DagsterRunStatus.STARTED,
    }


def _empty_job() -> dg.JobDefinition:
    @dg.op
    def nothing() -> None:
        """Does nothing."""

    @dg.job
    def empty() -> None:
        nothing()

    return empty


def _start(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    from dagster._core.events import DagsterEvent, DagsterEventType

    event = DagsterEvent(
        event_type_value=DagsterEventType.PIPELINE_START.value, job_name=run.job_name
    )
    instance.report_dagster_event(event, run.run_id)


def _note(dagster_home: Path, run_id: str, pid: int) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (dagster_home / "processes" / f"{run_id}.json").write_text(
        f'{{"pid": {pid}, "boot": "{boot}"}}'
    )
