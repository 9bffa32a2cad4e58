"""The writer's lock, across processes."""

import functools
import multiprocessing
import time
from pathlib import Path

import pytest

from pipelines.settings import load_settings
from sources.__main__ import main
from sources.single_writer import AnotherWriter, single_writer


def hold(home: str, taken, seconds: float) -> None:
    with single_writer(Path(home), "the other one"):
        taken.set()
        time.sleep(seconds)


@pytest.fixture
def other(tmp_path: Path):
    spawn = multiprocessing.get_context("spawn")
    processes = []

    def start(seconds: float) -> multiprocessing.Process:
        taken = spawn.Event()
        process = spawn.Process(target=hold, args=(str(tmp_path), taken, seconds))
        process.start()
        processes.append(process)
        assert taken.wait(30)
        return process

    yield start
    for process in processes:
        process.kill()
        process.join()


def test_a_second_writer_is_refused_by_name(tmp_path: Path, other):
    process = other(60)
    with pytest.raises(AnotherWriter, match=rf"process {process.pid} \(the other one, since "):
        single_writer(tmp_path, "this one").__enter__()


def test_a_second_writer_that_waits_gets_its_turn(tmp_path: Path, other):
    other(1.5)
    with single_writer(tmp_path, "this one", wait_seconds=30):
        pass


def test_the_lock_goes_with_a_killed_process(tmp_path: Path, other):
    process = other(60)
    process.kill()
    process.join()
    with single_writer(tmp_path, "this one"):
        pass


def pull_by_hand(home: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """What `python -m sources pull` returns, without a trace in this process's environment."""
    settings = functools.partial(load_settings, {"STAMMKUNDE_HOME": str(home)})
    monkeypatch.setattr("sources.__main__.load_settings", settings)
    return main(["pull"])


def test_pulling_by_hand_waits_for_nobody_and_says_who_writes(
    tmp_path: Path, other, capsys, monkeypatch: pytest.MonkeyPatch
):
    other(60)
    assert pull_by_hand(tmp_path, monkeypatch) == 75
    assert "the other one" in capsys.readouterr().err
    assert not (tmp_path / "lake").exists()


def test_pulling_into_a_home_that_is_not_there_is_refused(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
):
    assert pull_by_hand(tmp_path / "absent", monkeypatch) == 78
    assert "is not there" in capsys.readouterr().err
