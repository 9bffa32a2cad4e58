"""What is landed of a reading: what is new, what changed and what is gone, and nothing else."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sources.changes import Cursors, Limits, as_row
from sources.contract import Column, Connection, Parts, Pull, Reading, Source, SourceProblem, Table
from sources.landing import Lake
from sources.pulling import pull_source

CONTACTS = Table(
    name="contacts",
    grain="One row per contact.",
    columns=(
        Column("id", "Id.", required=True),
        Column("name", "Name.", personal="name"),
        Column("city", "City.", path="address.city"),
        Column("updated_at", "Last change.", kind="timestamp"),
    ),
    key=("id",),
    cursor="updated_at",
)
LINES = Table(
    name="lines",
    grain="One row per line of an invoice.",
    columns=(Column("invoice_id", "Invoice."), Column("position", "Position.", kind="integer")),
    key=("invoice_id", "position"),
)


def contact(number: int, name: str = "Erika", day: int = 1, **more) -> dict:
    return {"id": str(number), "name": name, "updated_at": f"2025-06-{day:02d}T10:00:00Z", **more}


class Vendor:
    """A vendor that answers what it was told to, and remembers what it was asked for."""

    def __init__(self, table: Table = CONTACTS) -> None:
        self.table = table
        self.records: list = []
        self.covers = None
        self.asked_since: list = []

    def pull(self, context: Pull):
        since = context.since(self.table)
        self.asked_since.append(since)
        yield Reading(
            self.table, self._answer(), self.covers or ("changes" if since else "everything")
        )

    def _answer(self):
        for record in self.records:
            if isinstance(record, Exception):
                raise record
            yield record


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def pull(lake: Lake, vendor: Vendor, options: dict | None = None, **how) -> tuple[list, list]:
    """Pull once: the rows that were landed, and the problems there were."""
    source = Source(
        "vendor", "Vendor", "crm", (vendor.table,), "sales", "API", 24, vendor.pull, lambda _: []
    )
    context = Pull(Path("nowhere"), "EUR", Connection(options or {}))
    loads = pull_source(source, lake, context, **how)
    rows = [row for load in loads for part in load.parts for row in pq.read_table(part).to_pylist()]
    return rows, context.problems


def cities(rows: list) -> list:
    return [(row["id"], row["name"], bool(row["_is_deleted"])) for row in rows]


def test_the_first_pull_lands_everything_in_the_order_of_the_answer(lake, vendor):
    vendor.records = [contact(2), contact(1)]
    rows, _ = pull(lake, vendor)
    assert [(row["id"], row["_row"]) for row in rows] == [("2", 1), ("1", 2)]


def test_a_second_pull_of_the_same_lands_nothing(lake, vendor):
    vendor.records = [contact(1), contact(2)]
    pull(lake, vendor)
    assert pull(lake, vendor) == ([], [])
    assert len(lake.loads("landed", "vendor", "contacts")) == 1


def test_only_the_changed_record_is_landed_again(lake, vendor):
    vendor.records = [contact(1), contact(2)]
    pull(lake, vendor)
    vendor.records = [contact(1), contact(2, "Erna", 2)]
    assert cities(pull(lake, vendor)[0]) == [("2", "Erna", False)]


def test_a_field_the_contract_does_not_name_is_a_change_too(lake, vendor):
    vendor.records = [contact(1)]
    pull(lake, vendor)
    vendor.records = [contact(1, nickname="Eri")]
    (row,), _ = pull(lake, vendor)
    assert json.loads(row["_extra"]) == {"nickname": "Eri"}


def test_a_record_that_returns_to_an_earlier_form_is_landed_again(lake, vendor):
    for name in ("Erika", "Erna", "Erika"):
        vendor.records = [contact(1, name)]
        rows, _ = pull(lake, vendor)
        assert cities(rows) == [("1", name, False)]


def test_a_silent_deletion_is_found_by_the_complete_reading(lake, vendor):
    vendor.covers = "everything"
    vendor.records = [contact(1), contact(2)]
    pull(lake, vendor)
    vendor.records = [contact(2)]
    assert cities(pull(lake, vendor)[0]) == [("1", None, True)]
    assert pull(lake, vendor) == ([], [])


def test_what_comes_back_after_a_deletion_is_landed(lake, vendor):
    vendor.covers = "everything"
    for numbers, landed in (((1, 2), 2), ((2,), 1), ((1, 2), 1)):
        vendor.records = [contact(number) for number in numbers]
        rows, _ = pull(lake, vendor)
        assert len(rows) == landed
    assert cities(rows) == [("1", "Erika", False)]


def test_changes_alone_delete_nothing(lake, vendor):
    vendor.records = [contact(1), contact(2)]
    pull(lake, vendor)
    vendor.records = []
    assert pull(lake, vendor) == ([], [])
    assert vendor.asked_since[-1] is not None


def test_children_that_are_gone_from_their_parent_are_deleted_and_no_others(lake):
    vendor = Vendor(LINES)

    def lines(*numbers):
        return [{"invoice_id": invoice, "position": place} for invoice, place in numbers]

    vendor.covers = Parts("invoice_id", frozenset({"A", "B"}))
    vendor.records = lines(("A", 1), ("A", 2), ("B", 1))
    pull(lake, vendor)
    vendor.covers = Parts("invoice_id", frozenset({"A"}))
    vendor.records = lines(("A", 1))
    rows, _ = pull(lake, vendor)
    assert [(row["invoice_id"], row["position"], row["_is_deleted"]) for row in rows] == [
        ("A", "2", True)
    ]


def test_a_mass_deletion_is_refused_and_nothing_of_the_reading_taken(lake, vendor):
    vendor.covers = "everything"
    vendor.records = [contact(number) for number in range(100)]
    pull(lake, vendor)
    vendor.records = [contact(number, "Erna") for number in range(79)]
    rows, (problem,) = pull(lake, vendor)
    assert rows == []
    assert "21 of 100 records are gone" in str(problem)
    assert "--accept-deletions" in str(problem)


def test_a_fifth_may_go_and_more_when_a_person_says_so(lake, vendor):
    vendor.covers = "everything"
    vendor.records = [contact(number) for number in range(105)]
    pull(lake, vendor)
    vendor.records = [contact(number) for number in range(84)]
    assert len(pull(lake, vendor)[0]) == 21
    vendor.records = []
    assert len(pull(lake, vendor)[1]) == 1
    rows, problems = pull(lake, vendor, accepts_deletions=True)
    assert (len(rows), problems) == (84, [])


def test_an_empty_answer_does_not_delete_all_customers(lake, vendor):
    vendor.covers = "everything"
    vendor.records = [contact(number) for number in range(50)]
    pull(lake, vendor)
    vendor.records = []
    rows, problems = pull(lake, vendor)
    assert rows == []
    assert len(problems) == 1


def test_a_reading_that_breaks_off_lands_nothing_and_moves_no_cursor(lake, vendor):
    vendor.records = [contact(1), SourceProblem("the line is dead")]
    rows, (problem,) = pull(lake, vendor)
    assert (rows, str(problem)) == ([], "the line is dead")
    vendor.records = [contact(1)]
    assert len(pull(lake, vendor)[0]) == 1
    assert vendor.asked_since == [None, None]


def test_changes_are_asked_for_with_an_overlap_behind_the_newest_one(lake, vendor):
    vendor.records = [contact(1, day=3), contact(2, day=2)]
    pull(lake, vendor)
    pull(lake, vendor, {"overlap_minutes": "60"})
    assert vendor.asked_since[1] == datetime(2025, 6, 3, 9, tzinfo=UTC)


def test_a_change_dated_in_the_future_hides_no_later_change(lake, vendor):
    vendor.records = [contact(1) | {"updated_at": "2199-01-01T00:00:00Z"}]
    pull(lake, vendor)
    pull(lake, vendor)
    assert vendor.asked_since[1] < datetime.now(UTC)


def test_a_late_answer_does_not_move_the_cursor_back(lake, vendor):
    vendor.records = [contact(1, day=20)]
    pull(lake, vendor)
    vendor.records = [contact(2, day=5)]
    pull(lake, vendor)
    pull(lake, vendor)
    assert vendor.asked_since[2] == vendor.asked_since[1]


def test_everything_is_read_again_after_so_many_days(tmp_path):
    path = tmp_path / "cursors.json"
    now = datetime(2025, 6, 1, tzinfo=UTC)
    reading = Reading(CONTACTS, [], "everything")
    Cursors(path, Limits(), now=now).advance(reading, now)
    week = timedelta(days=7)
    assert Cursors(path, Limits(), now=now + week).since(CONTACTS) is not None
    assert Cursors(path, Limits(), now=now + week + timedelta(hours=1)).since(CONTACTS) is None


def test_a_lost_cursor_costs_a_complete_reading_and_no_row(lake, vendor):
    vendor.records = [contact(1)]
    pull(lake, vendor)
    (lake.root / "cursors" / "vendor.json").unlink()
    assert pull(lake, vendor) == ([], [])
    assert vendor.asked_since == [None, None]


def test_as_long_as_a_refused_load_waits_everything_is_asked_for_anew(lake, vendor):
    vendor.records = [contact(1), contact(2)]
    pull(lake, vendor)
    (load,) = lake.loads("landed", "vendor", "contacts")
    lake.refuse(load, {"is_let_in": False})
    assert pull(lake, vendor) == ([], []), "the same answer waits already"
    vendor.records = [contact(1), contact(2, "Erna")]
    rows, _ = pull(lake, vendor)
    assert cities(rows) == [("1", "Erika", False), ("2", "Erna", False)]
    assert vendor.asked_since == [None, None, None]


def test_of_one_record_answered_twice_the_last_one_counts(lake, vendor):
    vendor.records = [contact(1), contact(2), contact(1, "Erna")]
    rows, _ = pull(lake, vendor)
    assert cities(rows) == [("2", "Erika", False), ("1", "Erna", False)]


def test_the_demo_company_is_not_compared_with_the_real_one(lake, vendor):
    vendor.covers = "everything"
    vendor.records = [contact(number) for number in range(50)]
    pull(lake, vendor, is_demo=True)
    vendor.records = [contact(1)]
    rows, problems = pull(lake, vendor)
    assert (cities(rows), problems) == ([("1", "Erika", False)], [])


def test_every_row_answered_is_landed_or_unchanged(lake, vendor):
    vendor.records = [contact(1), contact(2), contact(3)]
    pull(lake, vendor)
    vendor.covers = "everything"
    vendor.records = [contact(1), contact(2, "Erna"), contact(4)]
    pull(lake, vendor)
    about = lake.loads("landed", "vendor", "contacts")[-1].about
    assert about["rows"] == 3
    assert (about["read"], about["unchanged"], about["deleted"]) == (3, 1, 1)


def test_numbers_stay_as_they_were_written_and_lists_stay_json():
    record = {
        "id": 12345678901234567890,
        "name": True,
        "address": {"city": "Zürich", "zip": "08001"},
        "total": Decimal("1190.00"),
        "tags": ["ä", Decimal("0.10")],
    }
    table = Table("t", "", (*CONTACTS.columns, Column("total", ""), Column("tags", "")), ("id",))
    row = as_row(table, record)
    assert row["id"] == "12345678901234567890"
    assert row["name"] == "true"
    assert row["city"] == "Zürich"
    assert row["total"] == "1190.00"
    assert row["tags"] == '["ä", "0.10"]'
    assert json.loads(row["_extra"]) == {"address": {"zip": "08001"}}
    assert record["address"] == {"city": "Zürich", "zip": "08001"}, "the record is left as it was"


def test_a_parent_that_is_no_object_leaves_its_columns_empty():
    row = as_row(CONTACTS, {"id": "1", "address": None})
    assert (row["city"], row["_extra"]) == (None, None)
    assert json.loads(as_row(CONTACTS, {"address": "Wien"})["_extra"]) == {"address": "Wien"}


def test_a_table_first_read_in_parts_is_asked_for_changes_next_time(lake, vendor):
    vendor.covers = Parts("name", frozenset({"Erika"}))
    vendor.records = [contact(1)]
    pull(lake, vendor)
    pull(lake, vendor)
    assert vendor.asked_since[1] is not None


def test_one_parent_may_lose_most_of_its_children_but_not_a_fifth_of_all_at_once(lake):
    vendor = Vendor(LINES)

    def answer(**lines):
        vendor.covers = Parts("invoice_id", frozenset(lines))
        vendor.records = [
            {"invoice_id": invoice, "position": place}
            for invoice, places in lines.items()
            for place in range(places)
        ]
        return pull(lake, vendor)

    answer(**{f"I{number}": 30 for number in range(10)})
    rows, problems = answer(I0=1)
    assert ([row["_is_deleted"] for row in rows], problems) == ([True] * 29, [])
    rows, problems = answer(I1=0, I2=0, I3=0)
    assert (rows, len(problems)) == ([], 1)
