"""What every dropped list has in common, tried on one that nobody keeps."""

import dataclasses
import hashlib
import json
import os
import unicodedata
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest

from sources.contract import Batch, Column, Pull, Source, SourceProblem, Table
from sources.dropped_lists import DroppedList
from sources.files import FileProblem
from sources.landing import Lake
from sources.pulling import pull_source

LIST = DroppedList(
    table=Table(
        name="loans",
        grain="One row per loan of a device.",
        key=("loan_id",),
        columns=(
            Column("loan_id", "Number of the loan.", required=True),
            Column("due_on", "Day it is due back.", kind="date", required=True),
            Column("fee", "Fee.", kind="decimal"),
            Column("days", "Days.", kind="integer"),
            Column("phone", "Phone of the borrower."),
            Column("email", "E-mail address of the borrower."),
        ),
    ),
    spellings={
        "loan_id": ("Leihnummer",),
        "due_on": ("Fällig am", "Rückgabe bis"),
        "fee": ("Gebühr",),
        "days": ("Tage",),
        "phone": ("Telefon",),
        "email": ("E-Mail",),
    },
    any_of=("phone", "email"),
)
SOURCE = Source(
    name="loans",
    title="Loans",
    area="company",
    tables=(LIST.table,),
    owner="nobody",
    access="none",
    promised_age_hours=1,
    pull=LIST.pull,
    check=LIST.check,
)
HEADER = "Leihnummer;Fällig am;Gebühr;E-Mail"
ROW = "L1;01.02.2025;3,50;a@b.example"
BEFORE = 1_700_000_000


def drop(inbox: Path, *lines: str, name: str = "a.csv", at: int = BEFORE) -> Path:
    return drop_bytes(inbox, ("\n".join(lines) + "\n").encode(), name, at)


def drop_bytes(inbox: Path, content: bytes, name: str = "a.csv", at: int = BEFORE) -> Path:
    path = inbox / name
    path.write_bytes(content)
    os.utime(path, (at, at))
    return path


def pull(inbox: Path, **context) -> tuple[list[Batch], Pull]:
    given = Pull(inbox=inbox, reporting_currency="EUR", **context)
    return list(LIST.pull(given)), given


def rows_of(batch: Batch) -> list[dict]:
    return pa.concat_tables(batch.chunks).to_pylist()


def rows_in(inbox: Path) -> list[dict]:
    batches, context = pull(inbox)
    assert context.problems == []
    return [row for batch in batches for row in rows_of(batch)]


def problem_in(inbox: Path) -> str:
    batches, context = pull(inbox)
    assert batches == []
    (problem,) = context.problems
    assert isinstance(problem, SourceProblem)
    return str(problem)


def test_values_land_as_they_stand_with_their_place(tmp_path: Path):
    drop(tmp_path, HEADER, " L1 ;1.2.2025;3,50;A@B.example", "L2;31.02.2025;viel;")
    first, second = rows_in(tmp_path)
    assert (first["loan_id"], first["fee"], first["email"]) == (" L1 ", "3,50", "A@B.example")
    assert (second["due_on"], second["fee"], second["email"]) == ("31.02.2025", "viel", None)
    assert [row["_row"] for row in (first, second)] == [2, 3]
    assert (first["_file"], first["_decimal_mark"], first["_date_order"]) == ("a.csv", ",", None)


@pytest.mark.parametrize(
    "header",
    [
        "LEIHNUMMER;FAELLIG_AM;GEBUEHR;e mail",
        "loan id;Due On;Fee;EMAIL",
        "Leih-Nummer;rückgabe  bis;gebühr;E-Mail:",
        unicodedata.normalize("NFD", HEADER),
    ],
)
def test_case_blanks_and_punctuation_of_a_header_do_not_matter(tmp_path: Path, header: str):
    drop(tmp_path, header, ROW)
    (row,) = rows_in(tmp_path)
    found = (row["loan_id"], row["due_on"], row["fee"], row["email"])
    assert found == ("L1", "01.02.2025", "3,50", "a@b.example")


def test_a_mapping_wins_over_a_known_header(tmp_path: Path):
    drop(tmp_path, f"{HEADER};Vereinbart bis", f"{ROW};05.02.2025")
    (tmp_path / "mapping.yml").write_text("columns:\n  due_on: Vereinbart bis\n")
    (row,) = rows_in(tmp_path)
    assert row["due_on"] == "05.02.2025"
    assert json.loads(row["_extra"]) == {"Fällig am": "01.02.2025"}


def test_a_header_the_mapping_has_given_away_is_not_taken_twice(tmp_path: Path):
    drop(tmp_path, f"{HEADER};Telefon", f"{ROW};+49 30 23125 000")
    (tmp_path / "mapping.yml").write_text("columns:\n  email: Telefon\n")
    (row,) = rows_in(tmp_path)
    assert (row["email"], "phone" in row) == ("+49 30 23125 000", False)


def test_the_mapping_of_the_files_own_name_wins(tmp_path: Path):
    drop(tmp_path, f"{HEADER};Mobil", f"{ROW};0")
    (tmp_path / "mapping.yml").write_text("columns: {phone: Nirgends}\n")
    (tmp_path / "a.csv.yml").write_text("columns: {phone: Mobil}\n")
    assert rows_in(tmp_path)[0]["phone"] == "0"


def test_an_empty_mapping_says_nothing(tmp_path: Path):
    drop(tmp_path, HEADER, ROW)
    (tmp_path / "mapping.yml").write_text("# nothing yet\n")
    assert rows_in(tmp_path)[0]["loan_id"] == "L1"


def test_a_mapping_settles_the_form_of_a_text_file(tmp_path: Path):
    lines = ["Leihliste", "Leihnummer\tFällig am\tGebühr\tE-Mail", "L1\t01/02/2025\t1.234\tä"]
    drop_bytes(tmp_path, "\n".join(lines).encode("cp1252"))
    (tmp_path / "mapping.yml").write_text(
        'header_row: 2\ndelimiter: "\\t"\nencoding: windows-1252\ndecimal_mark: ","\n'
        "date_order: dmy\n"
    )
    (row,) = rows_in(tmp_path)
    assert (row["fee"], row["email"], row["_row"]) == ("1.234", "ä", 3)
    assert (row["_decimal_mark"], row["_date_order"]) == (",", "dmy")


def test_a_mapping_names_the_sheet_of_a_workbook(tmp_path: Path):
    book = openpyxl.Workbook()
    book.active.append(["nothing", "of", "interest"])
    sheet = book.create_sheet("Leihen")
    sheet.append(HEADER.split(";"))
    sheet.append(["L1", "01.02.2025", 3.5, "a@b.example"])
    book.save(tmp_path / "a.xlsx")
    os.utime(tmp_path / "a.xlsx", (BEFORE, BEFORE))
    assert "state sheet:" in problem_in(tmp_path)
    (tmp_path / "mapping.yml").write_text("sheet: Leihen\n")
    assert rows_in(tmp_path)[0]["fee"] == "3.5"


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("columns: [a]\n", "has no section 'columns'"),
        ("columns:\n", "has no section 'columns'"),
        ("- a\n", "has no section 'columns'"),
        ("columns: {date: [\n", "is no valid YAML"),
        ("columns: {due_onn: Frist}\n", "did you mean 'due_on'?"),
        ("columns: {due_on: Gebuehr}\n", "did you mean 'Gebühr'?"),
        ("decimal_marc: ','\n", "did you mean 'decimal_mark'?"),
        ("date_order: ymd\n", "'date_order' is 'ymd'"),
        ("delimiter: '|'\n", "'delimiter' is '|'"),
        ("encoding: morse\n", "encoding: morse is not among those"),
        ("header_row: 0\n", "'header_row' is 0"),
        ("header_row: first\n", "'header_row' is 'first'"),
        ("currency: EUR\n", "unknown entry 'currency'"),
    ],
)
def test_a_wrong_mapping_is_named_with_its_remedy(tmp_path: Path, mapping: str, said: str):
    drop(tmp_path, HEADER, ROW)
    (tmp_path / "mapping.yml").write_text(mapping, encoding="utf-8")
    problem = problem_in(tmp_path)
    assert said in problem
    assert "Remedy:" in problem


def test_missing_required_columns_are_all_named_with_what_comes_near(tmp_path: Path):
    drop(tmp_path, "Nr.;Faellig zum;E-Mail", "L1;01.02.2025;a@b.example")
    problem = problem_in(tmp_path)
    assert "no column for 'loan_id', 'due_on' (did you mean 'Faellig zum'?)." in problem
    assert "'loan_id: <your header>' into mapping.yml" in problem
    assert "the file's columns are: Nr., Faellig zum, E-Mail" in problem


def test_of_the_columns_of_which_one_must_be_there_one_is_enough(tmp_path: Path):
    drop(tmp_path, "Leihnummer;Fällig am;Phone", "L1;01.02.2025;0")
    assert rows_in(tmp_path)[0]["phone"] == "0"
    drop(tmp_path, "Leihnummer;Fällig am;Telefonn", "L1;01.02.2025;0")
    assert "no column for 'phone' (did you mean 'Telefonn'?) or 'email'" in problem_in(tmp_path)


def test_two_headers_for_one_column_are_refused_and_not_guessed(tmp_path: Path):
    drop(tmp_path, f"{HEADER};Rückgabe bis", f"{ROW};05.02.2025")
    assert "may be 'due_on': Fällig am, Rückgabe bis" in problem_in(tmp_path)
    (tmp_path / "mapping.yml").write_text("columns: {due_on: Rückgabe bis}\n", encoding="utf-8")
    assert rows_in(tmp_path)[0]["due_on"] == "05.02.2025"


def test_what_nobody_named_is_kept_and_never_becomes_code(tmp_path: Path):
    evil = "x'') from chunk union select ''gone'' --"
    drop(tmp_path, f"{HEADER};{evil};Leer", f"{ROW};kept;")
    assert json.loads(rows_in(tmp_path)[0]["_extra"]) == {evil: "kept"}


def test_a_row_that_does_not_fit_keeps_its_raw_text(tmp_path: Path):
    drop(tmp_path, HEADER, "L1;01.02.2025", ROW)
    short, sound = rows_in(tmp_path)
    assert short["_defect"]
    assert json.loads(json.loads(short["_extra"])["_raw"]) == ["L1", "01.02.2025"]
    assert sound["_defect"] is None


def test_whole_numbers_with_thousands_marks_ask_for_the_decimal_mark(tmp_path: Path):
    drop(tmp_path, "Leihnummer;Fällig am;Tage;E-Mail", "L1;01.02.2025;1.234;a@b.example")
    assert "state decimal_mark" in problem_in(tmp_path)


def test_files_are_read_oldest_first_and_a_bad_one_stops_no_other(tmp_path: Path):
    drop(tmp_path, HEADER, ROW, name="z.csv")
    drop(tmp_path, "Nummer;Frist", "1;2", name="m.csv", at=BEFORE + 1)
    drop(tmp_path, HEADER, ROW, ROW, name="a.csv", at=BEFORE + 2)
    (tmp_path / "notes.md").write_text("no list")
    (tmp_path / ".hidden.csv").write_text("no list")
    batches, context = pull(tmp_path)
    assert [batch.about["file"] for batch in batches] == ["z.csv", "a.csv"]
    assert [problem.file for problem in context.problems] == ["m.csv"]
    hashes = {hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.glob("[!.]*.csv")}
    assert context.contents == hashes


def test_a_file_still_being_written_is_left_alone(tmp_path: Path):
    with drop(tmp_path, HEADER, ROW).open("a"):
        batches, context = pull(tmp_path)
    assert (batches, context.problems) == ([], [])
    assert "a.csv" in context.left_alone[0]


def test_second_pull_changes_nothing_whatever_the_files_name(tmp_path: Path):
    inbox, lake = tmp_path / "inbox", Lake(tmp_path / "lake")
    inbox.mkdir()
    path = drop(inbox, HEADER, ROW)

    def landed() -> list[int]:
        context = Pull(inbox=inbox, reporting_currency="EUR")
        loads = pull_source(SOURCE, lake, context)
        assert context.problems == []
        return [load.about["rows"] for load in loads]

    assert landed() == [1]
    assert landed() == []
    path.rename(inbox / "renamed.csv")
    drop(inbox, HEADER, ROW, name="copy.csv")
    assert landed() == []
    drop(inbox, HEADER, ROW, ROW, name="newer.csv")
    assert landed() == [2]


def test_a_corrected_mapping_reads_the_same_file_again(tmp_path: Path):
    drop(tmp_path, f"{HEADER};Mobil", f"{ROW};0")
    (first,), _ = pull(tmp_path)
    seen = {("loans", first.checksum)}
    assert pull(tmp_path, seen=seen)[0] == []
    (tmp_path / "mapping.yml").write_text("columns: {phone: Mobil}\n")
    (second,), _ = pull(tmp_path, seen=seen)
    assert second.about["content_sha256"] == first.about["content_sha256"]
    assert second.about["mapping"]["columns"]["phone"] == "Mobil"


def test_check_tells_before_the_night_is_lost(tmp_path: Path):
    def check(inbox: Path) -> list[str]:
        return LIST.check(Pull(inbox=inbox, reporting_currency="EUR"))

    assert check(tmp_path / "absent") == []
    drop(tmp_path, HEADER, ROW)
    assert check(tmp_path) == []
    drop(tmp_path, "Leihnummer;E-Mail", "L1;a", name="b.csv")
    assert ["b.csv" in problem and "'due_on'" in problem for problem in check(tmp_path)] == [True]


def test_a_list_without_a_row_yields_no_row(tmp_path: Path):
    drop(tmp_path, HEADER)
    (batch,), _ = pull(tmp_path)
    assert rows_of(batch) == []


def test_a_list_with_a_mapping_of_its_own_kind_reads_that_alone(tmp_path: Path):
    def refuse(path: Path):
        raise FileProblem(path.name, "is refused by its own rule", "none")

    drop(tmp_path, HEADER, ROW)
    strict = dataclasses.replace(LIST, read_mapping=refuse)
    context = Pull(inbox=tmp_path, reporting_currency="EUR")
    assert list(strict.pull(context)) == []
    assert "its own rule" in str(context.problems[0])
