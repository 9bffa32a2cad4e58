"""Dropped files as they really come: every encoding, dialect and accident of the file catalogue.

The numbers F01 to F14 name the entries of the catalogue. What a landed row is worth is not judged
here.
"""

import codecs
import copy
import csv
import datetime
import fcntl
import hashlib
import io
import json
import os
import pickle
import re
import subprocess
import sys
import threading
import time
import zipfile
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sources import files
from sources.files import FileProblem, Layout, checksum, open_file, still_being_written

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def dropped(folder, content, name="drop.csv", layout=None):
    """Write the content, open the file."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_file(path, layout or Layout())


def rows_of(file, rows=50_000):
    return pyarrow.concat_tables(file.chunks(rows)).to_pylist()


def values_of(file):
    """The header's columns of every row, as tuples."""
    return [tuple(row[name] for name in file.header) for row in rows_of(file)]


def problem_of(folder, content, name="drop.csv", layout=None):
    with pytest.raises(FileProblem) as caught:
        dropped(folder, content, name, layout)
    return caught.value


def workbook(path, rows, title="Tabelle1", **more_sheets):
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    for name, its_rows in more_sheets.items():
        sheet = book.create_sheet(name)
        for row in its_rows:
            sheet.append(row)
    book.save(path)
    return path


def parquet(path, **columns):
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


# --- the message


def test_a_problem_names_file_line_column_value_and_remedy():
    problem = FileProblem("a.csv", "too odd", "mend it", line=7, column="Preis", value="1,5")
    assert str(problem) == "a.csv, line 7, column Preis, value '1,5': too odd. Remedy: mend it."


def test_a_problem_survives_a_trip_to_another_process():
    problem = FileProblem("a.csv", "too odd", "mend it", line=7, column="Preis", value="1,5")
    assert str(pickle.loads(pickle.dumps(problem))) == str(problem)
    assert copy.copy(problem).line == 7


# --- encodings: F01 to F04


TEXT = "Name;Ort\nMüller & Söhne;Köln\nAßmann;Zürich\n"
READ = [("Müller & Söhne", "Köln"), ("Aßmann", "Zürich")]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode("cp1252"), "windows-1252"),
        (TEXT.encode("utf-8"), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8"),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "utf-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16"),
        (TEXT.encode("utf-16-le"), "utf-16"),
        (TEXT.encode("utf-16-be"), "utf-16"),
    ],
    ids=["cp1252", "utf-8", "utf-8 BOM", "16LE BOM", "16BE BOM", "16LE", "16BE"],
)
@pytest.mark.parametrize("stated", [False, True])
def test_umlauts_are_read_in_every_encoding(tmp_path, content, encoding, stated):
    file = dropped(tmp_path, content, layout=Layout(encoding=encoding if stated else None))
    assert (file.header, file.encoding) == (("Name", "Ort"), encoding)
    assert values_of(file) == READ


def test_euro_sign_and_german_quotes_of_windows_are_no_control_characters(tmp_path):
    file = dropped(tmp_path, "Text;Preis\n„Kissen“ – neu;5 €\n".encode("cp1252"))
    assert values_of(file) == [("„Kissen“ – neu", "5 €")]


@pytest.mark.parametrize("undefined", [0x81, 0x8D, 0x8F, 0x90, 0x9D])
def test_a_byte_that_windows_1252_does_not_know_is_refused_with_its_line(tmp_path, undefined):
    content = b"Name;Ort\r\nK\xf6ln;x\r\nM" + bytes([undefined]) + b"ller;y\r\n"
    problem = problem_of(tmp_path, content)
    assert (problem.line, problem.value) == (3, f"0x{undefined:02X}")


@pytest.mark.parametrize("filling", [0, 2 * 1024**2])
def test_one_wrong_byte_does_not_turn_a_utf8_file_into_mojibake(tmp_path, filling):
    sound = "Müller;Köln\n".encode() * 50 + b"x;y\n" * (filling // 4)
    content = b"Name;Ort\n" + sound + b"M\xfcller;x\n" + "Söhne;y\n".encode() * 5
    problem = problem_of(tmp_path, content)
    assert (problem.line, problem.value) == (52 + filling // 4, "0xFC")
    assert "encoding:" in problem.remedy
    stated = open_file(tmp_path / "drop.csv", Layout(encoding="windows-1252"))
    assert next(stated.chunks(1))["Name"].to_pylist() == ["MÃ¼ller"]


def test_a_windows_file_with_one_utf8_looking_pair_stays_windows(tmp_path):
    content = ("Name;Ort\n" + "Müller;Köln\n" * 5).encode("cp1252") + "Ã¼;x\n".encode("cp1252")
    assert values_of(dropped(tmp_path, content))[-1] == ("Ã¼", "x")


def test_a_character_cut_at_a_block_is_no_wrong_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BLOCK", 7)
    file = dropped(tmp_path, TEXT)
    assert (file.encoding, values_of(file)) == ("utf-8", READ)


@pytest.mark.parametrize("block", [4, 5, 1000])
def test_the_line_of_a_wrong_byte_is_right_whatever_the_line_ends(tmp_path, monkeypatch, block):
    monkeypatch.setattr(files, "BLOCK", block)
    content = b"a;b\r\n1;2\r3;4\n5;6\r\n" + b"\x81;x\r\n"
    assert problem_of(tmp_path, content).line == 5


def test_a_utf8_file_that_ends_within_a_character_is_refused(tmp_path):
    content = ("Name;Ort\n" + "Müller;Köln\n" * 5).encode() + b"x;\xc3"
    assert (problem_of(tmp_path, content).line, problem_of(tmp_path, content).value) == (7, "0xC3")


def test_what_the_mapping_states_is_taken_strictly(tmp_path):
    problem = problem_of(tmp_path, TEXT.encode("cp1252"), layout=Layout(encoding="utf-8"))
    assert (problem.line, problem.value) == (2, "0xFC")
    problem = problem_of(tmp_path, TEXT.encode("utf-8-sig"), layout=Layout(encoding="utf-16"))
    assert "utf-8" in str(problem)
    problem = problem_of(tmp_path, TEXT, layout=Layout(encoding="klingon"))
    assert "windows-1252" in problem.remedy


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, b""])
def test_truncated_utf16_is_refused(tmp_path, mark):
    problem = problem_of(tmp_path, mark + TEXT.encode("utf-16-le")[:-1])
    assert (problem.line, "utf-16" in problem.problem) == (3, True)


def test_an_unpaired_surrogate_in_utf16_is_refused_with_its_line(tmp_path):
    content = codecs.BOM_UTF16_LE + "a;b\n1;".encode("utf-16-le") + b"\x00\xd8" + b"x\0\n\0"
    assert problem_of(tmp_path, content).line == 2


# --- line ends, delimiters, header: F05 to F07


def test_line_ends_of_three_systems_mix_in_one_file(tmp_path):
    file = dropped(tmp_path, "a;b\r\n1;2\n3;4\r5;6\r\n7;8")
    assert [(r["a"], r["b"], r["_row"]) for r in rows_of(file)] == [
        ("1", "2", 2),
        ("3", "4", 3),
        ("5", "6", 4),
        ("7", "8", 5),
    ]


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_the_delimiter_is_found(tmp_path, delimiter):
    content = f'Name{delimiter}"a;b,c\td"{delimiter}Ort\nx{delimiter}y{delimiter}z\n'
    file = dropped(tmp_path, content)
    assert (file.delimiter, file.header) == (delimiter, ("Name", "a;b,c\td", "Ort"))


def test_decimal_commas_do_not_win_over_semicolons(tmp_path):
    file = dropped(tmp_path, "Preis, netto;Menge, Stück\n" + "1,50;2,00\n" * 20)
    assert file.header == ("Preis, netto", "Menge, Stück")
    file = dropped(tmp_path, "id;preis,netto\n1;2,50\n2;1.234,50\n")
    assert file.header == ("id", "preis,netto")


def test_commas_in_the_header_do_not_win_over_the_rows(tmp_path):
    file = dropped(tmp_path, "Name, Vorname, Titel;Ort\n" + "Frau Muster;Köln\n" * 3)
    assert file.header == ("Name, Vorname, Titel", "Ort")


def test_two_delimiters_that_both_fit_are_refused(tmp_path):
    content = "Name, Vorname;Ort, Teil\n" + "Muster, Eva;Köln, Deutz\n" * 5
    assert "delimiter:" in problem_of(tmp_path, content).remedy
    file = dropped(tmp_path, content, layout=Layout(delimiter=";"))
    assert values_of(file)[0] == ("Muster, Eva", "Köln, Deutz")


def test_a_single_column_needs_a_stated_delimiter(tmp_path):
    content = "E-Mail\nann@example.org\n"
    assert "delimiter:" in problem_of(tmp_path, content).remedy
    file = dropped(tmp_path, content, layout=Layout(delimiter=";"))
    assert values_of(file) == [("ann@example.org",)]


def test_a_title_in_place_of_the_header_is_refused_and_header_row_skips_it(tmp_path):
    content = "Umsatz, Stand heute\n\nName;Ort;Betrag;Land\n" + "Muster;Köln;12;DE\n" * 12
    problem = problem_of(tmp_path, content)
    assert problem.line == 1
    assert "header_row:" in problem.remedy
    file = dropped(tmp_path, content, layout=Layout(header_row=3))
    assert file.header == ("Name", "Ort", "Betrag", "Land")
    assert rows_of(file)[0]["_row"] == 4


def test_sep_line_of_excel_is_honoured_and_counts_as_a_line(tmp_path):
    file = dropped(tmp_path, "sep=|\na|b;c;d\n1|2\n")
    assert (file.delimiter, file.header) == ("|", ("a", "b;c;d"))
    assert rows_of(file) == [{"a": "1", "b;c;d": "2", "_row": 3, "_defect": None, "_raw": None}]
    file = dropped(tmp_path, "SEP=;\r\nTitel\r\na;b\r\n1;2\r\n", layout=Layout(header_row=2))
    assert (file.header, rows_of(file)[0]["_row"]) == (("a", "b"), 4)


def test_a_header_beyond_the_end_and_an_empty_header_are_refused(tmp_path):
    layout = Layout(header_row=9, delimiter=";")
    assert "header_row" in str(problem_of(tmp_path, "a;b\n", layout=layout))
    assert problem_of(tmp_path, "\na;b\n1;2\n", layout=Layout(delimiter=";")).line == 1
    assert problem_of(tmp_path, ";;\n1;2;3\n").line == 1


def test_header_names_lose_blanks_and_byte_order_mark_only_outside(tmp_path):
    file = dropped(tmp_path, '\ufeff\ufeff Name ;"Umsatz\nin EUR";\xa0Ort\n1;2;3\n')
    assert file.header == ("Name", "Umsatz\nin EUR", "Ort")
    assert rows_of(file)[0]["_row"] == 3


def test_two_columns_of_one_name_are_refused_with_both_places(tmp_path):
    problem = problem_of(tmp_path, "Name;Ort;Name \n1;2;3\n")
    assert problem.column == "Name"
    assert "number 1 and number 3" in str(problem)


def test_a_nameless_column_with_data_gets_a_name_and_one_without_goes(tmp_path):
    file = dropped(tmp_path, "a;;b;;\n1;2;3;4;\n5;6;7;;\n")
    assert file.header == ("a", "column_2", "b", "column_4")
    assert values_of(file) == [("1", "2", "3", "4"), ("5", "6", "7", None)]
    file = dropped(tmp_path, "a;b;\n1;2;\n3;4\n")
    assert (file.header, values_of(file)) == (("a", "b"), [("1", "2"), ("3", "4")])
    assert [row["_defect"] for row in rows_of(file)] == [None, None]


def test_a_given_name_that_a_nameless_column_would_get_is_refused(tmp_path):
    assert problem_of(tmp_path, "column_2;;c\n1;2;3\n").column == "column_2"


@pytest.mark.parametrize("name", ["_row", "_defect", "_raw"])
def test_the_names_of_the_technical_columns_are_refused(tmp_path, name):
    assert problem_of(tmp_path, f"a;{name}\n1;2\n").column == name


def test_more_columns_than_2000_are_refused(tmp_path):
    names = [f"c{n}" for n in range(2001)]
    assert "2,001" in str(problem_of(tmp_path, ";".join(names) + "\n"))
    assert len(dropped(tmp_path, ";".join(names[:2000]) + "\n").header) == 2000


def test_a_file_with_nothing_but_a_header_has_no_rows(tmp_path):
    file = dropped(tmp_path, "Name;Ort")
    (table,) = file.chunks()
    assert table.num_rows == 0
    assert table.schema == pyarrow.schema(
        [
            ("Name", "string"),
            ("Ort", "string"),
            ("_row", "int64"),
            ("_defect", "string"),
            ("_raw", "string"),
        ]
    )


# --- values and rows: F08 to F13


def test_values_stay_as_they_were_sent(tmp_path):
    sent = ["01067", "+49 351 000000", "=1+1", " x\xa0", "1.234,50", "007", 'a "b" c', "NULL", "-"]
    line = ";".join('"' + value.replace('"', '""') + '"' for value in sent)
    file = dropped(tmp_path, ";".join(f"c{n}" for n in range(9)) + "\n" + line + "\n")
    assert values_of(file) == [tuple(sent)]


def test_an_empty_cell_is_null_and_a_blank_one_is_not(tmp_path):
    file = dropped(tmp_path, 'a;b;c;d\n;"";x; \n')
    assert values_of(file) == [(None, None, "x", " ")]


def test_line_breaks_in_quotes_stay_and_the_rows_keep_their_lines(tmp_path):
    file = dropped(tmp_path, 'a;b\n1;"x\r\ny\rz\n"\n2;w\n\n3;v\n')
    assert [(row["a"], row["b"], row["_row"]) for row in rows_of(file)] == [
        ("1", "x\r\ny\rz\n", 2),
        ("2", "w", 6),
        ("3", "v", 8),
    ]


def test_lines_without_any_value_are_skipped(tmp_path):
    file = dropped(tmp_path, 'a;b\n1;2\n\n;\n"";""\n3;4\n;\n;;;\n\n')
    assert [row["_row"] for row in rows_of(file)] == [2, 6]


def test_a_ragged_row_is_kept_with_its_defect(tmp_path):
    file = dropped(tmp_path, "a;b;c\n1;2;3\n4;5\n6;7;8;9\n10;11;12;;\n13\n")
    found = rows_of(file)
    assert [row["_defect"] for row in found] == [
        None,
        "2 fields where the header has 3",
        "4 fields where the header has 3",
        None,
        "1 field where the header has 3",
    ]
    assert values_of(file)[1:3] == [("4", "5", None), ("6", "7", "8")]
    assert [row["_raw"] for row in found[:3]] == [None, '["4", "5"]', '["6", "7", "8", "9"]']


def test_a_truncated_last_line_is_a_defective_row(tmp_path):
    file = dropped(tmp_path, "a;b;c\n1;2;3\n4;5")
    assert rows_of(file)[-1]["_defect"] == "2 fields where the header has 3"
    file = dropped(tmp_path, 'a;b;c\n1;2;3\n4;5;"trunc')
    assert rows_of(file)[-1]["_defect"] == files.NEVER_CLOSED
    assert rows_of(file)[-1]["_raw"] == '4;5;"trunc'


@pytest.mark.parametrize("rest", [3, 98, 99, 100, 101, 500])
def test_a_quote_that_is_never_closed_spoils_its_own_line_only(tmp_path, rest):
    before = "".join(f"{n};Köln;x\n" for n in range(2, 12))
    after = "".join(f"{n};Bonn;y\n" for n in range(13, 13 + rest))
    file = dropped(tmp_path, "n;b;c\n" + before + '12;"Kissen 24;x\n' + after)
    found = rows_of(file)
    assert [row["_row"] for row in found] == list(range(2, 13 + rest))
    assert [row["_row"] for row in found if row["_defect"]] == [12]
    assert all(row["n"] == str(row["_row"]) for row in found if not row["_defect"])
    bad = found[10]
    assert (bad["_defect"], bad["_raw"]) == (files.NEVER_CLOSED, '12;"Kissen 24;x')
    assert (bad["n"], bad["b"], bad["c"]) == (None, None, None)


def test_a_quoted_text_of_100_lines_is_sound_and_one_of_101_is_not(tmp_path):
    hundred = "\n".join(["zeile"] * 100)
    file = dropped(tmp_path, f'a;b\n1;"{hundred}"\n2;x\n')
    assert values_of(file) == [("1", hundred), ("2", "x")]
    content = f'a;b\n1;"{hundred}\nzeile"\n2;x\n'
    file = dropped(tmp_path, content, layout=Layout(delimiter=";"))
    defects = [row["_defect"] for row in rows_of(file)]
    assert defects[0] == files.NEVER_CLOSED
    assert (len(defects), defects[-1]) == (102, None)


def test_a_record_of_more_than_a_mebibyte_is_cut_at_its_first_line(tmp_path):
    long_line = "x" * 600_000
    file = dropped(tmp_path, f'a;b\n1;"{long_line}\n{long_line}\n2;y\n3;z\n')
    found = rows_of(file)
    assert [row["_row"] for row in found] == [2, 3, 4, 5]
    assert found[0]["_defect"] == files.NEVER_CLOSED
    assert values_of(file)[2:] == [("2", "y"), ("3", "z")]


def test_a_record_of_several_lines_and_more_than_a_mebibyte_is_cut_even_if_it_closes(tmp_path):
    long_text = "x" * 600_000
    file = dropped(tmp_path, f'a;b;c\n1;"{long_text}";"{long_text}\ny"\n2;y;z\n')
    assert [(row["_row"], row["_defect"] is None) for row in rows_of(file)] == [
        (2, False),
        (3, False),
        (4, True),
    ]


def test_a_misplaced_quote_spoils_its_own_line_only(tmp_path):
    file = dropped(tmp_path, 'a;b\n1;"Best" Kissen\n2;24" Monitor\n3;"x"\n')
    found = rows_of(file)
    assert "expected after" in found[0]["_defect"]
    assert found[0]["_raw"] == '1;"Best" Kissen'
    assert values_of(file)[1:] == [("2", '24" Monitor'), ("3", "x")]
    assert [row["_row"] for row in found] == [2, 3, 4]


def test_two_stray_quotes_do_not_merge_the_rows_between_them_unnoticed(tmp_path):
    file = dropped(tmp_path, 'a;b;c\n1;2;3\n4;"24 Zoll;x\n5;6;7\n8;Monitor 24";y\n9;10;11\n')
    found = rows_of(file)
    assert [(row["_row"], row["_defect"] is None) for row in found] == [
        (2, True),
        (3, False),
        (6, True),
    ]
    assert json.loads(found[1]["_raw"]) == ["4", "24 Zoll;x\n5;6;7\n8;Monitor 24", "y"]


def test_a_long_text_with_delimiters_and_line_breaks_is_sound(tmp_path):
    text = "Guten Tag;\nbitte; danke\n; Gruß"
    file = dropped(tmp_path, f'a;b;c;d\n1;"{text}";"x;y;z";4\n"5;5";"\n";"7;7";8\n')
    assert values_of(file) == [("1", text, "x;y;z", "4"), ("5;5", "\n", "7;7", "8")]
    assert [row["_defect"] for row in rows_of(file)] == [None, None]


def test_unclosed_quotes_everywhere_cost_no_more_than_a_hundred_readings(tmp_path):
    lines = 3_000
    content = "a;b\n" + "".join(f'{n};"x\nplain\n' for n in range(lines))
    file = dropped(tmp_path, content, layout=Layout(delimiter=";"))
    started = time.monotonic()
    found = rows_of(file)
    assert time.monotonic() - started < 10
    assert found[-1]["_row"] == 2 * lines + 1


def test_a_nul_character_makes_its_row_defective(tmp_path):
    file = dropped(tmp_path, "a;b\n1;x\0y\n2;z\n")
    found = rows_of(file)
    assert found[0]["_defect"] == "NUL character in column b"
    assert json.loads(found[0]["_raw"]) == ["1", "x\0y"]
    assert found[1]["_defect"] is None


def test_a_cell_of_more_than_a_mebibyte_is_refused_with_its_line(tmp_path):
    file = dropped(tmp_path, "a;b\n1;2\n3;" + "x" * (1024**2 + 1) + "\n")
    with pytest.raises(FileProblem) as caught:
        rows_of(file)
    assert caught.value.line == 3
    fits = dropped(tmp_path, "a;b\n3;" + "x" * 1024**2 + "\n")
    assert len(values_of(fits)[0][1]) == 1024**2


def test_a_cell_too_large_by_a_wrong_delimiter_is_none(tmp_path):
    row = ";".join(["x" * 800_000] * 2)
    file = dropped(tmp_path, f"a;b, c\n{row}\n")
    assert (file.delimiter, len(values_of(file)[0][1])) == (";", 800_000)


@pytest.mark.parametrize(("above", "line"), [("", 1), ("a;b\n", 2)])
def test_a_line_without_end_is_refused(tmp_path, monkeypatch, above, line):
    monkeypatch.setattr(files, "MAX_LINE", 100)
    with pytest.raises(FileProblem, match="16 MiB") as caught:
        rows_of(dropped(tmp_path, above + "1;" * 60 + "\n"))
    assert caught.value.line == line


def test_chunks_hold_all_rows_in_order_and_can_be_read_again(tmp_path):
    file = dropped(tmp_path, "a;b\n" + "".join(f"{n};x\n" for n in range(25)))
    assert [table.num_rows for table in file.chunks(10)] == [10, 10, 5]
    assert rows_of(file, 10) == rows_of(file)
    assert [row["a"] for row in rows_of(file, 10)] == [str(n) for n in range(25)]


def test_a_chunk_of_long_rows_ends_early(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_CHUNK_WEIGHT", 1_000)
    file = dropped(tmp_path, "a;b\n" + "".join(f"{n};{'x' * 300}\n" for n in range(10)))
    assert max(table.num_rows for table in file.chunks()) == 4
    assert len(rows_of(file)) == 10


def test_a_file_that_changes_after_it_was_opened_is_refused(tmp_path):
    file = dropped(tmp_path, "a;b\n1;2\n")
    with open(tmp_path / "drop.csv", "a") as stream:
        stream.write("3;4\n")
    with pytest.raises(FileProblem, match="changed"):
        list(file.chunks())


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path):
    file = dropped(tmp_path, "a;b\n1;2\n")
    chunks = file.chunks()
    next(chunks)
    with open(tmp_path / "drop.csv", "a") as stream:
        stream.write("3;4\n")
    with pytest.raises(FileProblem, match="changed"):
        next(chunks)


@st.composite
def written_tables(draw):
    """A table of random cells, the bytes csv.writer makes of it, and each record's line."""
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    delimiter = draw(st.sampled_from([";", ",", "\t"]))
    quoting = draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
    # Under \r\n alone csv.writer quotes both characters wherever they stand.
    ends = ["\r\n"] if quoting == csv.QUOTE_MINIMAL else ["\r\n", "\n", "\r"]
    codec = "cp1252" if encoding == "cp1252" else "utf-8"
    character = st.characters(codec=codec, exclude_characters="\0")
    tricky = st.sampled_from(['"', ";", ",", "\t", "\n", "\r", "\r\n", " ", "ä", "="])
    cell = st.lists(character | tricky, max_size=6).map("".join)
    width = draw(st.integers(1, 5))
    cells = draw(st.lists(st.lists(cell, min_size=width, max_size=width), max_size=8))
    text, lines = "", []
    for row in [[f"h{n}" for n in range(width)], *cells]:
        lines.append(len(re.findall(r"\r\n|\r|\n", text)) + 1)
        record = io.StringIO(newline="")
        end = draw(st.sampled_from(ends))
        csv.writer(record, delimiter=delimiter, quoting=quoting, lineterminator=end).writerow(row)
        text += record.getvalue()
    stated = "windows-1252" if encoding == "cp1252" else None
    return cells, lines[1:], text.encode(encoding), Layout(encoding=stated, delimiter=delimiter)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(written=written_tables(), rows=st.integers(1, 5))
def test_any_written_table_is_read_back_cell_for_cell(tmp_path, written, rows):
    cells, lines, content, layout = written
    file = dropped(tmp_path, content, layout=layout)
    found = rows_of(file, rows)
    expected = [
        (line, *(value or None for value in row))
        for line, row in zip(lines, cells, strict=True)
        if any(row)
    ]
    assert [(row["_row"], *(row[name] for name in file.header)) for row in found] == expected
    for row in found:
        texts = [row[name] or "" for name in file.header]
        looks_like_rows = any(re.search(r"[\r\n]", t) and layout.delimiter in t for t in texts)
        assert row["_defect"] is None or looks_like_rows


# --- decimal marks


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        (["1,5"], ","),
        (["12,345678"], ","),
        (["1.234,56"], ","),
        (["1.234.567,891"], ","),
        (["1 234,567"], ","),
        (["0,125"], ","),
        (["-12,50 €", "7"], ","),
        (["1.234", "2,5"], ","),
        (["1.5"], "."),
        (["1,234.56"], "."),
        (["1'234.50"], "."),
        (["EUR 3.5"], "."),
        (["1.5E+3"], "."),
        (["17", "-3", "", "n/a", "12.05.2024"], "."),
    ],
)
def test_the_decimal_mark_is_what_the_values_prove(tmp_path, values, mark):
    file = dropped(tmp_path, "n\tv\n" + "".join(f"x\t{value}\n" for value in values))
    assert file.decimal_mark(["v"]) == mark


def test_proof_for_both_marks_names_the_first_value_of_the_rarer(tmp_path):
    file = dropped(tmp_path, "n;v;w\n1;1,5;x\n2;2,5;x\n3;3.25;x\n4;x;4.75\n5;6,5;x\n")
    with pytest.raises(FileProblem) as caught:
        file.decimal_mark(["v", "w"])
    assert (caught.value.line, caught.value.column, caught.value.value) == (4, "v", "3.25")
    assert "decimal_mark:" in caught.value.remedy
    with pytest.raises(FileProblem) as caught:
        file.decimal_mark(["w", "v"])
    assert caught.value.line == 4
    file = dropped(tmp_path, "n;v\n1;3.25\n2;1,5\n3;1,5\n")
    with pytest.raises(FileProblem) as caught:
        file.decimal_mark(["v"])
    assert (caught.value.line, caught.value.value) == (2, "3.25")


def test_of_as_many_proofs_for_either_mark_the_second_is_named(tmp_path):
    file = dropped(tmp_path, "n;v\n1;3.25\n2;1,5\n")
    with pytest.raises(FileProblem) as caught:
        file.decimal_mark(["v"])
    assert (caught.value.line, caught.value.value) == (3, "1,5")


def test_proof_that_comes_a_hundred_thousand_rows_later_counts(tmp_path):
    file = dropped(tmp_path, "n;v\n" + "1;1.234\n" * 100_000 + "2;7,5\n")
    assert file.decimal_mark(["v"]) == ","


@pytest.mark.parametrize("value", ["1.234", "1,234", "1.234.567", "12,345,678", "-1.234 €"])
def test_what_may_be_thousands_or_decimals_is_refused(tmp_path, value):
    file = dropped(tmp_path, f"n\tv\nx\t17\nx\t{value}\n")
    with pytest.raises(FileProblem) as caught:
        file.decimal_mark(["v"])
    assert (caught.value.line, caught.value.value) == (3, value)


def test_a_stated_mark_is_taken_and_a_defective_row_proves_nothing(tmp_path):
    file = dropped(tmp_path, "n;v\nx;1.234\n", layout=Layout(decimal_mark=","))
    assert file.decimal_mark(["v"]) == ","
    file = dropped(tmp_path, "n;v\nx;1,5\nx;1.5;y\n")
    assert file.decimal_mark(["v"]) == ","


def test_an_unknown_column_is_refused(tmp_path):
    with pytest.raises(FileProblem, match="Netto"):
        dropped(tmp_path, "n;v\n1;2\n").decimal_mark(["Netto"])


# --- what is no file to read


def test_an_empty_file_a_folder_and_a_missing_one_are_refused(tmp_path):
    assert "0 bytes" in str(problem_of(tmp_path, b""))
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("folder.csv", "pipe.csv", "missing.csv"):
        with pytest.raises(FileProblem, match=name):
            open_file(tmp_path / name)


def test_a_file_beyond_the_limit_is_refused(tmp_path):
    with open(tmp_path / "huge.csv", "wb") as stream:
        stream.truncate(4 * 1024**3 + 1)
    with pytest.raises(FileProblem, match="4 GiB"):
        open_file(tmp_path / "huge.csv")


OLE2 = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(600)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("a.xlsx", OLE2, "old form"),
        ("a.csv", OLE2, "old form"),
        ("a.xlsx", OLE2 + "EncryptedPackage".encode("utf-16-le"), "without password"),
        ("a.xlsx", b"<html><table><tr><td>x</td></tr></table></html>", "web page"),
        ("a.csv", b"\xef\xbb\xbf\r\n<!DOCTYPE html><html>log in</html>", "web page"),
        ("a.xlsx", b"a;b\n1;2\n", r"\.csv"),
        ("a.parquet", b"a;b\n1;2\n", r"\.csv"),
        ("a.csv", b"\x1f\x8b\x08\x00aaaa", "gzip"),
        ("a.csv", b"%PDF-1.7 aaaa", "PDF"),
        ("a.xlsx", b"PK\x03\x04 and then nothing", "damaged"),
        ("a.parquet", b"PAR1 and then nothing", "damaged"),
        ("a.doc", b"a;b\n1;2\n", "ending"),
    ],
)
def test_content_that_its_ending_does_not_promise_is_refused(tmp_path, name, content, word):
    problem = problem_of(tmp_path, content, name)
    assert re.search(word, str(problem))
    assert problem.remedy


def test_a_workbook_called_csv_and_a_zip_called_xlsx_are_refused(tmp_path):
    book = workbook(tmp_path / "a.xlsx", [["a"], [1]])
    assert ".xlsx" in problem_of(tmp_path, book.read_bytes(), "a.csv").remedy
    with zipfile.ZipFile(tmp_path / "b.xlsx", "w") as archive:
        archive.writestr("data.csv", "a;b\n1;2\n")
    with pytest.raises(FileProblem, match="zip archive"):
        open_file(tmp_path / "b.xlsx")


def test_a_link_out_of_the_folder_is_refused_and_one_within_is_read(tmp_path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (tmp_path / "outside.csv").write_text("a;b\n1;2\n")
    (inbox / "inside.csv").write_text("a;b\n1;2\n")
    (inbox / "out.csv").symlink_to(tmp_path / "outside.csv")
    (inbox / "in.csv").symlink_to("inside.csv")
    (inbox / "nowhere.csv").symlink_to("gone.csv")
    assert values_of(open_file(inbox / "in.csv")) == [("1", "2")]
    for name in ("out.csv", "nowhere.csv"):
        with pytest.raises(FileProblem, match=name):
            open_file(inbox / name)


@pytest.mark.parametrize(
    ("layout", "word"),
    [
        (Layout(delimiter=";;"), "delimiter"),
        (Layout(decimal_mark="x"), "decimal_mark"),
        (Layout(header_row=0), "header_row"),
    ],
)
def test_a_layout_that_makes_no_sense_is_refused(tmp_path, layout, word):
    assert problem_of(tmp_path, "a;b\n1;2\n", layout=layout).problem.startswith(word)


def test_the_checksum_is_the_sha256_of_the_bytes(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"x" * 3_000_000)
    assert checksum(tmp_path / "a.csv") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


# --- workbooks


def test_a_workbook_comes_back_as_text(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["PLZ", "Telefon", "Menge", "Preis", "Datum", "Zeit", "Aktiv", "Text"])
    moment = datetime.datetime(2024, 5, 1, 13, 30)
    sheet.append(["01067", "+49 351 0", 17850.0, 2.5, datetime.date(2024, 5, 1), moment, True, "x"])
    sheet.append([1067, None, 3, 1e-7, None, datetime.time(8, 5), False, "y\nz"])
    sheet["A3"].number_format = "00000"
    sheet["H2"].value, sheet["H2"].data_type = "=1+1", "s"
    book.save(tmp_path / "a.xlsx")
    file = open_file(tmp_path / "a.xlsx")
    assert (file.kind, file.encoding, file.delimiter) == ("xlsx", None, None)
    assert values_of(file) == [
        ("01067", "+49 351 0", "17850", "2.5", "2024-05-01", "2024-05-01 13:30:00", "true", "=1+1"),
        ("01067", None, "3", "0.0000001", None, "08:05:00", "false", "y\nz"),
    ]


def test_rows_of_a_sheet_keep_their_numbers_and_short_rows_are_sound(tmp_path):
    rows = [["Titel"], [], [" a ", "b", "c"], [1], [], [None, None, None], [2, 3, 4]]
    path = workbook(tmp_path / "a.xlsx", rows)
    file = open_file(path, Layout(header_row=3))
    assert file.header == ("a", "b", "c")
    assert [(row["_row"], row["c"], row["_defect"]) for row in rows_of(file)] == [
        (4, None, None),
        (7, "4", None),
    ]


def test_a_nameless_column_of_a_sheet_gets_a_name_where_data_follow(tmp_path):
    path = workbook(tmp_path / "a.xlsx", [["a", None, "b"], [1, 2, 3, 4], [5, 6, 7]])
    file = open_file(path)
    assert file.header == ("a", "column_2", "b", "column_4")
    assert values_of(file) == [("1", "2", "3", "4"), ("5", "6", "7", None)]


def test_a_sheet_that_states_a_wrong_size_loses_nothing(tmp_path):
    path = workbook(tmp_path / "a.xlsx", [["a", "b"], [1, 2], [3, 4, 5]])
    rewritten = tmp_path / "b.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(rewritten, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            new.writestr(entry, content.replace(b'ref="A1:C3"', b'ref="A1"'))
    found = rows_of(open_file(rewritten))
    assert [(row["a"], row["b"]) for row in found] == [("1", "2"), ("3", "4")]
    assert found[1]["_defect"] == "3 fields where the header has 2"
    assert found[1]["_raw"] == '["3", "4", "5"]'


def test_an_error_in_a_cell_makes_its_row_defective(tmp_path):
    path = workbook(tmp_path / "a.xlsx", [["a", "b"], [1, "#REF!"], ["#N/A", 2], [3, 4]])
    found = rows_of(open_file(path))
    assert [row["_defect"] for row in found] == [
        "the cell B2 holds the error #REF!",
        "the cell A3 holds the error #N/A",
        None,
    ]
    assert json.loads(found[0]["_raw"]) == ["1", "#REF!"]


def test_a_formula_that_was_never_calculated_is_an_empty_cell(tmp_path):
    path = workbook(tmp_path / "a.xlsx", [["a", "b"], [1, "=A2*2"]])
    assert values_of(open_file(path)) == [("1", None)]


def test_the_carriage_return_of_excel_is_no_text(tmp_path):
    path = workbook(tmp_path / "a.xlsx", [["a"], ["x_x000D_\ny"], ["_xD800_"], ["a_x0000_b"]])
    found = rows_of(open_file(path))
    assert [row["a"] for row in found] == ["x\r\ny", "_xD800_", "a\0b"]
    assert [row["_defect"] for row in found] == [None, None, "NUL character in column a"]


def test_of_several_filled_sheets_one_must_be_stated(tmp_path):
    path = workbook(tmp_path / "a.xlsx", [["a"], [1]], Zwei=[["b"], [2]], Leer=[])
    with pytest.raises(FileProblem, match="Tabelle1, Zwei") as caught:
        open_file(path)
    assert "Leer" not in str(caught.value)
    assert values_of(open_file(path, Layout(sheet="Zwei"))) == [("2",)]
    with pytest.raises(FileProblem, match="Drei"):
        open_file(path, Layout(sheet="Drei"))


def test_the_only_filled_sheet_is_taken_and_an_empty_workbook_refused(tmp_path):
    path = workbook(tmp_path / "a.xlsx", [], Daten=[["a"], [1]])
    assert values_of(open_file(path)) == [("1",)]
    with pytest.raises(FileProblem, match="no visible sheet"):
        open_file(workbook(tmp_path / "b.xlsx", []))


def test_a_hidden_sheet_is_read_only_where_it_is_stated(tmp_path):
    path = workbook(tmp_path / "a.xlsx", [["a"], [1]], Listen=[["b"], [2]])
    book = openpyxl.load_workbook(path)
    book["Listen"].sheet_state = "hidden"
    book.save(path)
    assert values_of(open_file(path)) == [("1",)]
    assert values_of(open_file(path, Layout(sheet="Listen"))) == [("2",)]


def test_numbers_in_cells_get_the_mark_of_the_text_cells(tmp_path):
    path = workbook(tmp_path / "a.xlsx", [["v"], ["1,5"], [2.25], [7]])
    file = open_file(path)
    assert file.decimal_mark(["v"]) == ","
    assert values_of(file) == [("1,5",), ("2,25",), ("7",)]
    stated = open_file(path, Layout(decimal_mark=","))
    assert values_of(stated) == [("1,5",), ("2,25",), ("7",)]


def test_numbers_in_cells_prove_no_mark(tmp_path):
    file = open_file(workbook(tmp_path / "a.xlsx", [["v"], [2.25], [1.234]]))
    assert file.decimal_mark(["v"]) == "."
    assert values_of(file) == [("2.25",), ("1.234",)]
    file = open_file(workbook(tmp_path / "b.xlsx", [["v"], [2.25], ["1.234"]]))
    with pytest.raises(FileProblem, match=r"1\.234"):
        file.decimal_mark(["v"])


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = workbook(tmp_path / "a.xlsx", [["a"], [1]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet9.xml", bytes(20_000_000))
    with pytest.raises(FileProblem, match="200 times"):
        open_file(path)


def test_a_workbook_that_is_too_large_unpacked_is_refused(tmp_path, monkeypatch):
    path = workbook(tmp_path / "a.xlsx", [["a"], [1]])
    monkeypatch.setattr(files, "MAX_UNPACKED_BYTES", 1_000)
    with pytest.raises(FileProblem, match="2 GiB"):
        open_file(path)


@pytest.mark.parametrize("entry", ["/etc/x", "../x", "xl/../../x", "C:/x", "xl\\..\\..\\x"])
def test_a_workbook_with_paths_that_lead_out_is_refused(tmp_path, entry):
    path = workbook(tmp_path / "a.xlsx", [["a"], [1]])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, "x")
    with pytest.raises(FileProblem, match="lead out"):
        open_file(path)


@pytest.mark.parametrize("part", ["sheet1.xml", "workbook.xml", "styles.xml", "Types"])
def test_a_damaged_workbook_is_refused(tmp_path, part):
    path = workbook(tmp_path / "a.xlsx", [["a"], *[[n] for n in range(50)]])
    rewritten = tmp_path / "b.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(rewritten, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            cut = len(content) // 2 if part in entry.filename else len(content)
            new.writestr(entry, content[:cut])
    with pytest.raises(FileProblem, match="damaged"):
        rows_of(open_file(rewritten))


def test_a_workbook_with_a_wrong_checksum_is_refused(tmp_path):
    path = workbook(tmp_path / "a.xlsx", [["a"], *[[n] for n in range(50)]])
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        sheet = archive.getinfo("xl/worksheets/sheet1.xml")
    content[sheet.header_offset + 30 + len(sheet.filename) + sheet.compress_size // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(FileProblem, match="damaged"):
        rows_of(open_file(path))


# --- Parquet


def test_parquet_types_come_back_as_plain_text(tmp_path):
    moment = datetime.datetime(2024, 5, 1, 13, 30, 1, 500_000)
    midnight = datetime.datetime(2024, 5, 1)
    path = parquet(
        tmp_path / "a.parquet",
        text=["01067", ""],
        whole=pyarrow.array([7, None], pyarrow.int32()),
        double=[17850.0, 1e-7],
        large=[1e16, 123456789012345680.0],
        single=pyarrow.array([1.1, 2.0], pyarrow.float32()),
        half=pyarrow.array([1.5, 2.0], pyarrow.float16()),
        decimal=[Decimal("12.50000000"), Decimal("0.00000001")],
        local=[moment, midnight],
        seconds=pyarrow.array([100, 0], pyarrow.timestamp("s")),
        zoned=pyarrow.array([moment, midnight], pyarrow.timestamp("us", "Europe/Berlin")),
        day=[datetime.date(2024, 5, 1), None],
        clock=[datetime.time(8, 5), datetime.time(8, 5, 1, 250_000)],
        flag=[True, False],
        word=pyarrow.array(["x", "y"]).dictionary_encode(),
        codes=pyarrow.array([1.5, 2.0]).dictionary_encode(),
        bytes=pyarrow.array(["ä".encode(), b""], pyarrow.binary()),
        nested=[["ü"], None],
        record=[{"a": 1, "b": moment}, None],
        nothing=pyarrow.nulls(2),
        huge=pyarrow.array(["x", "y"], pyarrow.large_string()),
    )
    file = open_file(path)
    first, second = values_of(file)
    assert dict(zip(file.header, first, strict=True)) == {
        "text": "01067",
        "whole": "7",
        "double": "17850",
        "large": "10000000000000000",
        "single": "1.1",
        "half": "1.5",
        "decimal": "12.50000000",
        "local": "2024-05-01 13:30:01.5",
        "seconds": "1970-01-01 00:01:40",
        "zoned": "2024-05-01 13:30:01.5+00:00",
        "day": "2024-05-01",
        "clock": "08:05:00",
        "flag": "true",
        "word": "x",
        "codes": "1.5",
        "bytes": "ä",
        "nested": '["ü"]',
        "record": '{"a": 1, "b": "2024-05-01 13:30:01.500000"}',
        "nothing": None,
        "huge": "x",
    }
    assert dict(zip(file.header, second, strict=True)) == {
        "text": None,
        "whole": None,
        "double": "0.0000001",
        "large": "123456789012345680",
        "single": "2",
        "half": "2",
        "decimal": "0.00000001",
        "local": "2024-05-01",
        "seconds": "1970-01-01",
        "zoned": "2024-05-01 00:00:00+00:00",
        "day": None,
        "clock": "08:05:01.25",
        "flag": "false",
        "word": "y",
        "codes": "2",
        "bytes": None,
        "nested": None,
        "record": None,
        "nothing": None,
        "huge": "y",
    }


def test_a_parquet_file_is_read_in_chunks_with_record_numbers(tmp_path):
    file = open_file(parquet(tmp_path / "a.parquet", a=[str(n) for n in range(25)]))
    assert [table.num_rows for table in file.chunks(10)] == [10, 10, 5]
    assert [row["_row"] for row in rows_of(file, 10)] == list(range(1, 26))


def test_numbers_of_a_parquet_file_get_the_mark_of_its_texts(tmp_path):
    path = parquet(tmp_path / "a.parquet", v=["1,5", "x"], n=[2.25, 7.0])
    file = open_file(path)
    assert file.decimal_mark(["n"]) == "."
    assert values_of(file)[0] == ("1,5", "2.25")
    assert file.decimal_mark(["v", "n"]) == ","
    assert values_of(file)[0] == ("1,5", "2,25")


def test_an_empty_parquet_file_has_no_rows(tmp_path):
    path = parquet(tmp_path / "a.parquet", a=pyarrow.array([], pyarrow.int64()))
    (table,) = open_file(path).chunks()
    assert (table.num_rows, table.schema.field("a").type) == (0, pyarrow.string())


def test_nul_and_wrong_bytes_in_parquet_are_found(tmp_path):
    found = rows_of(open_file(parquet(tmp_path / "a.parquet", a=["x", "y\0"])))
    assert [row["_defect"] for row in found] == [None, "NUL character in column a"]
    wrong = pyarrow.array([b"\xff"], pyarrow.binary())
    for column in (wrong, wrong.view(pyarrow.string())):
        file = open_file(parquet(tmp_path / "b.parquet", a=column))
        with pytest.raises(FileProblem, match="damaged"):
            list(file.chunks())


@pytest.mark.parametrize("cut", ["tail", "middle"])
def test_a_corrupt_parquet_file_is_refused(tmp_path, cut):
    path = parquet(tmp_path / "a.parquet", a=[f"{n:09}" for n in range(5_000)])
    content = path.read_bytes()
    path.write_bytes(
        content[:-50] if cut == "tail" else content[:4] + b"\xff" * 4000 + content[4004:]
    )
    with pytest.raises(FileProblem, match="damaged"):
        list(open_file(path).chunks())


def test_a_real_shop_file_of_half_a_million_rows_is_read_whole():
    path = SHARED / "online_retail" / "online_retail.parquet"
    if not path.exists():
        pytest.skip("needs the Online Retail file: put it into ../shared/data/online_retail")
    file = open_file(path)
    rows = defects = 0
    for table in file.chunks():
        rows += table.num_rows
        defects += table.num_rows - table["_defect"].null_count
    assert (rows, defects) == (541_909, 0)
    first = next(file.chunks(1)).to_pylist()[0]
    assert (first["CustomerID"], first["UnitPrice"]) == ("17850", "2.55")
    assert first["InvoiceDate"] == "2010-12-01 08:26:00"


# --- F14: still being written


def old(path, content="a;b\n1;2\n"):
    path.write_text(content)
    os.utime(path, (time.time() - 60, time.time() - 60))
    return path


def seconds_of(path, settle):
    started = time.monotonic()
    assert still_being_written(path, settle) is None
    return time.monotonic() - started


@pytest.mark.parametrize(
    "name", ["~$a.xlsx", ".a.csv", "a.csv.part", "a.TMP", "a.crdownload", "a.filepart", "a.partial"]
)
def test_names_of_unfinished_files_are_left_alone(tmp_path, name):
    assert name in still_being_written(old(tmp_path / name))


def test_an_old_file_is_not_waited_for(tmp_path):
    assert seconds_of(old(tmp_path / "a.csv"), 5.0) < 1


def test_a_fresh_file_is_waited_for(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a;b\n")
    assert 0.3 < seconds_of(path, 0.5) < 2


def test_a_clock_that_is_ahead_is_not_waited_for_longer(tmp_path):
    path = old(tmp_path / "a.csv")
    os.utime(path, (time.time() + 3600, time.time() + 3600))
    assert 0.25 < seconds_of(path, 0.3) < 2


def test_a_file_that_another_process_has_open_for_writing_is_left_alone(tmp_path):
    path = old(tmp_path / "a.csv")
    program = "import sys; f = open(sys.argv[1], 'a'); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"open\n"
        reason = still_being_written(path)
        writer.stdin.close()
        writer.wait(10)
    if reason is None and not leases_work(tmp_path):
        pytest.skip("this file system has no leases: only size and time can be looked at")
    assert "open for writing" in reason
    assert still_being_written(path) is None


def leases_work(folder):
    path = old(folder / "probe")
    with open(path) as stream:
        try:
            fcntl.fcntl(stream, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError:
            return False
    return True


def test_a_file_that_grows_between_two_looks_is_left_alone(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a;b\n")
    timer = threading.Timer(0.2, lambda: path.write_text("a;b\n1;2\n"))
    timer.start()
    reason = still_being_written(path, 0.8)
    timer.join()
    assert "changed" in reason


def test_a_file_that_goes_away_is_left_alone(tmp_path):
    assert "went away" in still_being_written(tmp_path / "gone.csv")


def test_a_writer_that_comes_during_the_look_does_not_end_the_process(tmp_path):
    path = old(tmp_path / "a.csv")
    writing = (
        "import sys, time\nend = time.time() + 1.5\n"
        "while time.time() < end:\n    open(sys.argv[1], 'a').close()\n"
    )
    looking = (
        "import sys, time\nfrom pathlib import Path\n"
        "from sources.files import still_being_written\n"
        "print('up', flush=True)\nend = time.time() + 1.2\n"
        "while time.time() < end:\n    still_being_written(Path(sys.argv[1]), 0.0)\n"
    )
    command = [sys.executable, "-c", looking, str(path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as looker:
        assert looker.stdout.readline() == b"up\n"
        subprocess.run([sys.executable, "-c", writing, str(path)], check=True)
        assert looker.wait(10) == 0
