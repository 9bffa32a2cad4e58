"""Fix lists: what a clerk finds in them, and that what is done leaves by itself."""

import csv
from datetime import datetime
from pathlib import Path

import duckdb
import openpyxl
import pytest

from pipelines.publishing import fix_lists as module
from pipelines.publishing.fix_lists import FixListProblem, write_fix_lists

TITLES = {"crm": "Customer base", "newsletter": "Newsletter", "shop": "Shop"}
HEADINGS = [
    "Table", "File", "Row", "Record", "Column", "What is wrong", "Value", "What to do",
    "Why it matters", "Found on",
]  # fmt: skip


@pytest.fixture
def db():
    with duckdb.connect() as db:
        db.execute("create schema raw_quality")
        db.execute(
            "create table raw_quality.quarantined_rows (source varchar, table_name varchar, "
            "load_id varchar, file varchar, row_number bigint, record_key varchar, "
            "column_name varchar, rule varchar, harm varchar, remedy varchar, value varchar, "
            "found_at timestamptz, is_open boolean)"
        )
        yield db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "fix_lists"


def add(db: duckdb.DuckDBPyConnection, source: str, **values: object) -> None:
    row = {
        "source": source,
        "table_name": "contacts",
        "load_id": "00000001-abc",
        "file": "contacts.csv",
        "row_number": 1,
        "record_key": "K1",
        "column_name": "email",
        "rule": "email_is_valid",
        "harm": "No letter arrives.",
        "remedy": "Write a valid address in the source.",
        "value": "•••",
        "found_at": "2024-01-30 23:30:00+00",
        "is_open": True,
        **values,
    }
    marks = ", ".join("?" for _ in row)
    db.execute(f"insert into raw_quality.quarantined_rows values ({marks})", list(row.values()))


def in_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.reader(handle, delimiter=";"))


def in_xlsx(path: Path) -> list[list[object]]:
    return [list(row) for row in openpyxl.load_workbook(path).active.iter_rows(values_only=True)]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_row_says_where_it_is_what_is_wrong_and_what_to_do(db, folder: Path):
    add(db, "crm", row_number=7)
    assert write_fix_lists(db, folder, TITLES) == {"crm": 1, "newsletter": 0, "shop": 0}
    told = [
        "contacts", "contacts.csv", "7", "K1", "email", "email is valid", "•••",
        "Write a valid address in the source.", "No letter arrives.", "2024-01-31",
    ]  # fmt: skip
    assert in_csv(folder / "crm.csv") == [HEADINGS, told]
    typed = [*told[:2], 7, *told[3:-1], datetime(2024, 1, 31)]
    assert in_xlsx(folder / "crm.xlsx") == [HEADINGS, typed]
    assert openpyxl.load_workbook(folder / "crm.xlsx").sheetnames == ["Customer base"]


def test_a_day_is_that_of_the_time_zone_whatever_the_session_says(db, folder: Path):
    add(db, "crm")
    db.execute("set timezone = 'Pacific/Auckland'")
    write_fix_lists(db, folder, TITLES, timezone="Europe/London")
    assert in_csv(folder / "crm.csv")[1][-1] == "2024-01-30"


def test_a_source_has_its_own_rows_and_one_without_any_has_no_file(db, folder: Path):
    add(db, "crm")
    add(db, "shop", record_key="S1")
    add(db, "shop", record_key="S2")
    assert write_fix_lists(db, folder, TITLES) == {"crm": 1, "newsletter": 0, "shop": 2}
    assert names(folder) == ["crm.csv", "crm.xlsx", "shop.csv", "shop.xlsx"]
    assert [row[3] for row in in_csv(folder / "shop.csv")[1:]] == ["S1", "S2"]


def test_a_list_is_ordered_by_table_file_row_and_rule(db, folder: Path):
    places = [
        ("a", "1.csv", 2, "x_is_set"),
        ("a", "1.csv", 10, "w_is_set"),
        ("a", "1.csv", 10, "x_is_set"),
        ("a", "2.csv", 1, "x_is_set"),
        ("b", "1.csv", 1, "x_is_set"),
    ]
    for table, file, row, rule in reversed(places):
        add(db, "crm", table_name=table, file=file, row_number=row, rule=rule)
    write_fix_lists(db, folder, TITLES)
    found = [(row[0], row[1], int(row[2]), row[5]) for row in in_csv(folder / "crm.csv")[1:]]
    assert found == [(*place[:3], place[3].replace("_", " ")) for place in places]


def test_a_corrected_row_leaves_the_list(db, folder: Path):
    add(db, "crm", record_key="K1")
    add(db, "crm", record_key="K2")
    write_fix_lists(db, folder, TITLES)
    db.execute("update raw_quality.quarantined_rows set is_open = false where record_key = 'K1'")
    assert write_fix_lists(db, folder, TITLES)["crm"] == 1
    assert [row[3] for row in in_csv(folder / "crm.csv")[1:]] == ["K2"]
    assert [row[3] for row in in_xlsx(folder / "crm.xlsx")[1:]] == ["K2"]


def test_a_finished_list_leaves_the_folder_and_other_files_stay(db, folder: Path):
    add(db, "crm")
    write_fix_lists(db, folder, TITLES)
    (folder / "notes.csv").write_text("mine")
    (folder / "crm.docx").write_text("mine")
    (folder / ".crm.csv").write_text("left by a killed run")
    db.execute("update raw_quality.quarantined_rows set is_open = false")
    assert write_fix_lists(db, folder, TITLES) == {"crm": 0, "newsletter": 0, "shop": 0}
    assert names(folder) == ["crm.docx", "notes.csv"]


def test_a_second_run_changes_nothing(db, folder: Path):
    for number in range(20):
        add(db, "crm", row_number=number % 3, record_key=str(number))
    write_fix_lists(db, folder, TITLES)
    first = (folder / "crm.csv").read_bytes(), in_xlsx(folder / "crm.xlsx")
    write_fix_lists(db, folder, TITLES)
    assert ((folder / "crm.csv").read_bytes(), in_xlsx(folder / "crm.xlsx")) == first


def test_a_list_longer_than_one_fetch_is_whole(db, folder: Path, monkeypatch):
    monkeypatch.setattr(module, "ROWS_PER_FETCH", 3)
    for number in range(10):
        add(db, "crm", row_number=number)
    assert write_fix_lists(db, folder, TITLES)["crm"] == 10
    assert [row[2] for row in in_xlsx(folder / "crm.xlsx")[1:]] == list(range(10))


def test_a_list_too_long_to_work_off_is_cut_in_excel_alone(db, folder: Path, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS_IN_EXCEL", 6)
    for number in range(10):
        add(db, "crm", row_number=number)
    assert write_fix_lists(db, folder, TITLES)["crm"] == 10
    assert len(in_csv(folder / "crm.csv")) == 11
    rows = in_xlsx(folder / "crm.xlsx")
    assert len(rows) == 6
    assert rows[-1][0] == "Cut here after 4 rows. The CSV file holds all of them."


def test_a_formula_in_a_rejected_row_is_not_calculated(db, folder: Path):
    add(db, "crm", value="=1+1", record_key="+49 30 123", file="@x.csv")
    write_fix_lists(db, folder, TITLES)
    row = in_csv(folder / "crm.csv")[1]
    assert (row[6], row[3], row[1]) == ("'=1+1", "'+49 30 123", "'@x.csv")
    cell = openpyxl.load_workbook(folder / "crm.xlsx").active["G2"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")


def test_a_row_of_a_source_without_a_title_is_an_error_and_nothing_is_written(db, folder: Path):
    add(db, "crm")
    add(db, "forgotten")
    with pytest.raises(FixListProblem, match="forgotten"):
        write_fix_lists(db, folder, TITLES)
    assert not folder.exists()
