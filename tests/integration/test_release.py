"""Loads that are judged anew by hand: nothing is lost, and a person's decision is kept."""

import os
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.ingest import in_force, ingest
from pipelines.release import NothingToRelease, release
from pipelines.settings import Settings
from quality.thresholds import tolerance
from sources.landing import Lake
from sources.registry import source_named
from tests.conftest import pipelines

TICKETS = source_named("ticket_list")
HEADER = "ticket_id;customer_number;opened_at;satisfaction"


@pytest.fixture
def settings(home: Path) -> Settings:
    (home / "inbox" / "ticket_list").mkdir()
    return Settings(home)


def drop(settings: Settings, name: str, *rows: str) -> None:
    path = settings.home / "inbox" / "ticket_list" / name
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    os.utime(path, (1_700_000_000, 1_700_000_000))


def rows(first: int, last: int, satisfaction: str = "3") -> list[str]:
    return [f"T{number};K{number};2025-01-05T10:00;{satisfaction}" for number in range(first, last)]


def counted(settings: Settings) -> tuple[int, int]:
    """Rows accepted and quarantined in the files themselves, over all loads in force."""
    lake, table = Lake(settings.lake), TICKETS.tables[0]
    loads = in_force(lake, settings, TICKETS, table)
    quarantine = lake.folder("quarantine", TICKETS.name, table.name)
    accepted = sum(pq.read_metadata(part).num_rows for load in loads for part in load.parts)
    kept_out = (pq.read_metadata(quarantine / load.load_id / "rows.parquet") for load in loads)
    return accepted, sum(metadata.num_rows for metadata in kept_out)


def lenient(settings: Settings) -> Settings:
    """The same company after it has decided that a satisfaction of 7 only warns."""
    said = {
        "severities": {"ticket_list.tickets.satisfaction_has_the_right_form": "warn"},
        "tables": {"ticket_list.tickets": {"bad_rows_share": 0.5}},
    }
    return replace(settings, tolerance=tolerance(said, frozenset({"ticket_list.tickets"}), "test"))


def test_rows_leave_quarantine_when_the_rule_has_become_milder(settings: Settings):
    drop(settings, "a.csv", *rows(0, 30), *rows(30, 33, "7"))
    ingest(TICKETS, settings)
    assert counted(settings) == (30, 3)
    (released,) = release(TICKETS, lenient(settings))
    assert (released.kept_out_before, released.kept_out, released.refused) == (3, 0, ())
    assert counted(settings) == (33, 0)
    assert not Lake(settings.lake).loads("landed", "ticket_list", "tickets")


def test_a_refused_load_is_let_in_by_its_new_threshold_or_by_a_person(settings: Settings):
    drop(settings, "a.csv", *rows(0, 60), *rows(60, 90, "x"))
    (refused,) = ingest(TICKETS, settings).refused
    (again,) = release(TICKETS, settings)
    assert "30 of 90 rows" in again.refused[0]
    assert counted(settings) == (0, 0)
    load_id = refused.load.load_id
    (let_in,) = release(TICKETS, settings, load_id=load_id, reason="Erika: a form was wrong")
    assert (let_in.kept_out_before, let_in.kept_out) == (90, 30)
    assert counted(settings) == (60, 30)
    (load,) = in_force(Lake(settings.lake), settings, TICKETS, TICKETS.tables[0])
    assert load.verdict["let_in_by_hand"] == "Erika: a form was wrong"
    # The next night, and a later release, leave the decision as it is.
    ingest(TICKETS, settings)
    release(TICKETS, settings)
    assert counted(settings) == (60, 30)


def test_a_load_that_would_now_be_refused_goes_on_as_it_was(settings: Settings):
    drop(settings, "a.csv", *rows(0, 60), *rows(60, 90, "7"))
    ingest(TICKETS, lenient(settings))
    assert counted(settings) == (90, 0)
    drop(settings, "b.csv", *rows(100, 130), *rows(130, 133, "x"))
    ingest(TICKETS, lenient(settings))
    strict = replace(
        settings,
        tolerance=tolerance(
            {
                "tables": {
                    "ticket_list.tickets": {"bad_rows_always_allowed": 0, "bad_rows_share": 0}
                }
            },
            frozenset({"ticket_list.tickets"}),
            "test",
        ),
    )
    (released,) = release(TICKETS, strict)
    assert released.refused
    assert counted(settings) == (120, 3)
    assert ingest(TICKETS, settings).refused == ()


def test_a_release_killed_before_the_gate_is_finished_by_the_next_run(settings: Settings):
    drop(settings, "a.csv", *rows(0, 30), *rows(30, 33, "7"))
    ingest(TICKETS, settings)
    lake = Lake(settings.lake)
    (load,) = lake.loads("accepted", "ticket_list", "tickets")
    lake.rejoin(load)
    assert counted(settings) == (30, 3)
    ingest(TICKETS, lenient(settings))
    assert counted(settings) == (33, 0)
    assert not lake.loads("landed", "ticket_list", "tickets")


def test_the_command_says_what_was_released_and_what_is_wrong(settings: Settings):
    nothing = pipelines(settings.home, "release", "ticket_list")
    assert (nothing.returncode, nothing.stderr) == (0, "")
    assert "no load of ticket_list is refused or has rows in quarantine" in nothing.stdout
    unknown = pipelines(settings.home, "release", "tickets")
    assert unknown.returncode == 64
    assert "no source is called 'tickets'" in unknown.stderr
    drop(settings, "a.csv", *rows(0, 60), *rows(60, 90, "x"))
    (refused,) = ingest(TICKETS, settings).refused
    still = pipelines(settings.home, "release", "ticket_list")
    assert still.returncode == 65
    assert "a.csv: still not let in: 30 of 90 rows" in still.stdout
    let_in = pipelines(
        settings.home, "release", "ticket_list", "--load", refused.load.load_id, "--because", "me"
    )
    assert let_in.returncode == 0
    assert "a.csv: 90 rows were kept out, 30 are now" in let_in.stdout
    with pytest.raises(NothingToRelease):
        release(TICKETS, settings, load_id="00000009-000000000000")
