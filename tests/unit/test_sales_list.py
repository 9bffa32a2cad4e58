"""The sales list: mapping, markers, what is read again and what is not."""

import json
import os
from pathlib import Path

import pyarrow as pa
import pytest

from sources.accounting import sales_list
from sources.contract import Batch, Pull
from sources.files import FileProblem

MAPPING = """\
columns:
  date: Datum
  invoice_number: Beleg
  customer_number: Kunde
  quantity: Menge
  unit_price: Preis
"""
HEADER = "Datum;Beleg;Kunde;Menge;Preis;Notiz"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path


def drop(inbox: Path, *lines: str, name: str = "a.csv", header: str = HEADER) -> Path:
    path = inbox / name
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def say(inbox: Path, mapping: str = MAPPING, name: str = "mapping.yml") -> None:
    (inbox / name).write_text(mapping, encoding="utf-8")


def pull(inbox: Path, **context) -> tuple[list[Batch], Pull]:
    given = Pull(inbox=inbox, reporting_currency="EUR", **context)
    return list(sales_list.SOURCE.pull(given)), given


def check(inbox: Path) -> list[str]:
    return sales_list.SOURCE.check(Pull(inbox=inbox, reporting_currency="EUR"))


def rows_of(batch: Batch) -> list[dict]:
    return pa.concat_tables(batch.chunks).to_pylist()


def problem_of(inbox: Path) -> str:
    batches, context = pull(inbox)
    assert batches == []
    assert len(context.problems) == 1
    return str(context.problems[0])


def test_columns_come_out_under_our_names_and_the_rest_is_kept(inbox: Path):
    say(inbox)
    drop(inbox, "01.02.2025;R1;0815;2;3,50;eilig", "02.02.2025;R2;;1;4;")
    (batch,), _ = pull(inbox)
    first, second = rows_of(batch)
    assert first["date"] == "01.02.2025"
    assert first["customer_number"] == "0815"
    assert first["unit_price"] == "3,50"
    assert first["_decimal_mark"] == ","
    assert first["currency"] == "EUR"
    assert json.loads(first["_extra"]) == {"Notiz": "eilig"}
    assert (first["_row"], second["_row"]) == (2, 3)
    assert second["customer_number"] is None
    assert first["document_kind"] is None


def test_a_credit_note_is_marked_by_the_start_of_its_number(inbox: Path):
    say(inbox, MAPPING + "credit_note: {invoice_number_starts_with: C}\n")
    drop(inbox, "01.02.2025;C1;1;-2;3;", "01.02.2025;R1;1;2;3;")
    (batch,), _ = pull(inbox)
    assert [row["document_kind"] for row in rows_of(batch)] == ["credit_note", "invoice"]


def test_a_credit_note_is_marked_by_a_column(inbox: Path):
    say(inbox, MAPPING + "credit_note: {column: Notiz, values: [Gutschrift], amounts: positive}\n")
    drop(inbox, "01.02.2025;R9;1;2;3;GUTSCHRIFT ", "01.02.2025;R1;1;2;3;", "1.2.2025;R2;1;2;3;x")
    (batch,), _ = pull(inbox)
    rows = rows_of(batch)
    assert [row["document_kind"] for row in rows] == ["credit_note", "invoice", "invoice"]
    assert {row["credit_note_amounts"] for row in rows} == {"positive"}
    assert {row["_extra"] for row in rows} == {"{}"}


def test_a_file_seen_before_is_a_no_op_whatever_its_name(inbox: Path):
    say(inbox)
    path = drop(inbox, "01.02.2025;R1;1;2;3;")
    (batch,), _ = pull(inbox)
    path.rename(inbox / "renamed.csv")
    assert pull(inbox, seen={("lines", batch.checksum)})[0] == []


def test_a_corrected_mapping_reads_the_same_file_again(inbox: Path):
    say(inbox)
    drop(inbox, "01.02.2025;R1;1;2;3;")
    (first,), _ = pull(inbox)
    say(inbox, MAPPING.replace("Kunde", "Notiz"))
    (second,), _ = pull(inbox, seen={("lines", first.checksum)})
    assert second.checksum != first.checksum
    assert second.about["content_sha256"] == first.about["content_sha256"]


def test_a_mapping_of_the_files_own_name_wins(inbox: Path):
    say(inbox)
    say(inbox, MAPPING + "currency: CHF\n", name="b.csv.yml")
    drop(inbox, "01.02.2025;R1;1;2;3;", name="a.csv")
    drop(inbox, "01.02.2025;R1;1;2;4;", name="b.csv")
    batches, _ = pull(inbox)
    assert [rows_of(batch)[0]["currency"] for batch in batches] == ["EUR", "CHF"]


def test_a_file_that_cannot_be_read_does_not_keep_the_others_out(inbox: Path):
    say(inbox)
    drop(inbox, "01.02.2025;R1;1;2;3;", name="good.csv")
    (inbox / "bad.xlsx").write_bytes(b"this is no workbook")
    os.utime(inbox / "bad.xlsx", (1_700_000_000, 1_700_000_000))
    batches, context = pull(inbox)
    assert [batch.about["file"] for batch in batches] == ["good.csv"]
    assert "bad.xlsx" in str(context.problems[0])


def test_a_file_still_being_written_is_left_alone_and_said_so(inbox: Path):
    say(inbox)
    path = drop(inbox, "01.02.2025;R1;1;2;3;")
    with path.open("a"):
        batches, context = pull(inbox)
    assert batches == []
    assert context.problems == []
    assert "a.csv" in context.left_alone[0]


def test_two_lists_are_read_in_order_of_their_age(inbox: Path):
    say(inbox)
    drop(inbox, "01.02.2025;R1;1;2;3;", name="z_older.csv")
    newer = drop(inbox, "01.02.2025;R1;1;2;4;", name="a_newer.csv")
    os.utime(newer, (1_700_000_100, 1_700_000_100))
    batches, _ = pull(inbox)
    assert [batch.about["file"] for batch in batches] == ["z_older.csv", "a_newer.csv"]


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        (MAPPING.replace("Menge", "Meng"), "did you mean 'Menge'?"),
        (MAPPING.replace("quantity", "quantitty"), "did you mean 'quantity'?"),
        (MAPPING.replace("  date: Datum\n", ""), "names no 'date'"),
        (MAPPING.replace("  quantity: Menge\n", ""), "neither 'amount' nor both"),
        (MAPPING.replace("  customer_number: Kunde\n", ""), "names no customer"),
        (MAPPING + "decimal_marc: ','\n", "did you mean 'decimal_mark'?"),
        (MAPPING + "decimal_mark: ';'\n", "'decimal_mark' is ';'"),
        (MAPPING + "credit_note: yes\n", "'credit_note' is True"),
        (MAPPING + "credit_note: {column: Notiz}\n", "must name either"),
        (MAPPING + "credit_note: {column: Art, values: [G]}\n", "has no column 'Art'"),
        ("columns: [a, b]\n", "has no section 'columns'"),
        ("columns: {date: [\n", "is no valid YAML"),
    ],
)
def test_a_wrong_mapping_is_named_with_its_remedy(inbox: Path, mapping: str, said: str):
    say(inbox, mapping)
    drop(inbox, "01.02.2025;R1;1;2;3;")
    problem = problem_of(inbox)
    assert said in problem
    assert "Remedy:" in problem


def test_a_missing_mapping_is_named_with_its_remedy(inbox: Path):
    drop(inbox, "01.02.2025;R1;1;2;3;")
    assert "a.csv: has no mapping beside it. Remedy: write mapping.yml" in problem_of(inbox)


def test_two_headers_of_one_name_are_refused(inbox: Path):
    say(inbox)
    drop(inbox, "01.02.2025;R1;1;2;3;4", header="Datum;Beleg;Kunde;Menge;Preis;Preis")
    assert "Preis" in problem_of(inbox)


def test_check_tells_before_the_night_is_lost(inbox: Path):
    say(inbox)
    drop(inbox, "01.02.2025;R1;1;2;3;")
    assert check(inbox) == []
    say(inbox, MAPPING.replace("Menge", "Anzahl"))
    assert "Anzahl" in check(inbox)[0]
    assert "create it" in check(inbox / "absent")[0]


def test_a_header_is_data_and_never_becomes_code(inbox: Path):
    evil = "'x\") from chunk union select 'gone' --"
    say(inbox)
    drop(inbox, "01.02.2025;R1;1;2;3;harmless", header=HEADER.replace("Notiz", evil))
    (batch,), _ = pull(inbox)
    assert json.loads(rows_of(batch)[0]["_extra"]) == {evil: "harmless"}


def test_the_raw_text_of_a_row_that_does_not_fit_is_kept(inbox: Path):
    say(inbox)
    drop(inbox, "01.02.2025;R1;1", "01.02.2025;R2;1;2;3;")
    (batch,), _ = pull(inbox)
    short, sound = rows_of(batch)
    assert short["_defect"]
    assert "R1" in json.loads(short["_extra"])["_raw"]
    assert sound["_defect"] is None


def test_reading_a_mapping_that_is_not_there_raises(inbox: Path):
    with pytest.raises(FileProblem, match="no mapping"):
        sales_list.read_mapping(inbox / "a.csv")
