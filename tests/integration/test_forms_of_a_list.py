"""One list, dropped in every form that real companies export: always the same rows come in."""

import csv
import io
import json
import os
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.ingest import IngestReport, in_force, ingest
from pipelines.settings import Settings, load_settings
from quality import gate
from sources.landing import Lake
from sources.registry import source_named

HEADER = ["Datum", "Beleg", "Kunde", "Name", "Menge", "Preis"]
ROWS = [
    (
        datetime(2025, 3, day),
        f"R{day}",
        f"0{day}",
        f"Bäckerei „Süß“ {day} €",
        day,
        Decimal("1234.5"),
    )
    for day in range(1, 10)
] + [(datetime(2025, 3, 10), "G1", "01", "Käse\nund Wein; GmbH", -2, Decimal("0.25"))]
MAPPING = """\
columns: {date: Datum, invoice_number: Beleg, customer_number: Kunde, customer_name: Name,
          quantity: Menge, unit_price: Preis}
"""


def as_csv(delimiter: str, decimals: str, day: str, line_end: str = "\r\n") -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(HEADER)
    for date, number, customer, name, quantity, price in ROWS:
        writer.writerow(
            [
                date.strftime(day),
                number,
                customer,
                name,
                quantity,
                f"{price}".replace(".", decimals),
            ]
        )
    return text.getvalue()


def as_xlsx() -> bytes:
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    for row in ROWS:
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def as_parquet() -> bytes:
    content = io.BytesIO()
    columns = [list(column) for column in zip(*ROWS, strict=True)]
    pq.write_table(pa.table(columns, names=HEADER), content)
    return content.getvalue()


FORMS = {
    "german_windows.csv": as_csv(";", ",", "%d.%m.%Y").encode("cp1252"),
    "german_utf8_with_mark.csv": as_csv(";", ",", "%d.%m.%y").encode("utf-8-sig"),
    "english_utf8.csv": as_csv(",", ".", "%Y-%m-%d", "\n").encode("utf-8"),
    "tabs_utf16.tsv": as_csv("\t", ",", "%d.%m.%Y 00:00").encode("utf-16"),
    "tabs_utf16_without_mark.txt": as_csv("\t", ".", "%Y-%m-%dT00:00:00").encode("utf-16-le"),
    "sheet.xlsx": as_xlsx(),
    "table.parquet": as_parquet(),
}


@pytest.fixture
def settings(home: Path) -> Settings:
    (home / "inbox" / "sales_list" / "mapping.yml").write_text(MAPPING, encoding="utf-8")
    return load_settings({"STAMMKUNDE_HOME": str(home)})


def drop(settings: Settings, name: str, content: bytes) -> None:
    path = settings.setup.inbox("sales_list") / name
    path.write_bytes(content)
    os.utime(path, (1_700_000_000, 1_700_000_000))


def run(settings: Settings) -> IngestReport:
    return ingest(source_named("sales_list"), settings)


def accepted(settings: Settings) -> list[tuple]:
    with duckdb.connect() as db:
        db.execute(gate._MACROS)
        return db.execute(
            "select read_day(date, _date_order), invoice_number, customer_number, customer_name, "
            "read_number(quantity, _decimal_mark), read_number(unit_price, _decimal_mark) "
            "from read_parquet(?) order by 1",
            [str(settings.lake / "accepted" / "sales_list" / "lines" / "*" / "part-*.parquet")],
        ).fetchall()


@pytest.mark.parametrize("name", FORMS)
def test_every_form_brings_the_same_rows(settings: Settings, name: str):
    drop(settings, name, FORMS[name])
    report = run(settings)
    assert report.problems == ()
    assert [judged.verdict.accepted for judged in report.judged] == [len(ROWS)]
    assert accepted(settings) == [(row[0].date(), *row[1:]) for row in ROWS]


def test_a_second_ingest_of_the_same_files_does_nothing(settings: Settings):
    for name, content in FORMS.items():
        drop(settings, name, content)
    assert len(run(settings).judged) == len(FORMS)
    assert run(settings).judged == ()


def test_a_file_still_being_written_comes_in_with_the_next_run(settings: Settings):
    drop(settings, "list.csv", FORMS["english_utf8.csv"])
    with (settings.setup.inbox("sales_list") / "list.csv").open("a"):
        first = run(settings)
    assert first.judged == ()
    assert "list.csv" in first.left_alone[0]
    assert len(run(settings).judged) == 1


def test_a_corrected_mapping_replaces_the_earlier_reading(settings: Settings):
    source = source_named("sales_list")

    def counting() -> list[str]:
        loads = in_force(Lake(settings.lake), settings, source, source.table("lines"))
        return [load.about["mapping"]["columns"]["customer_number"] for load in loads]

    mapping = settings.setup.inbox("sales_list") / "mapping.yml"
    drop(settings, "list.csv", FORMS["english_utf8.csv"])
    mapping.write_text(MAPPING.replace("Kunde,", "Beleg,"), encoding="utf-8")
    run(settings)
    assert counting() == ["Beleg"]
    mapping.write_text(MAPPING, encoding="utf-8")
    run(settings)
    assert counting() == ["Kunde"]
    run(settings)
    assert counting() == ["Kunde"]
    mapping.write_text(MAPPING.replace("Kunde,", "Beleg,"), encoding="utf-8")
    run(settings)
    assert counting() == ["Beleg"]


def test_a_refused_load_leaves_when_its_file_is_mended(settings: Settings):
    bad = FORMS["english_utf8.csv"].replace(b"2025-03", b"2025-13")
    drop(settings, "list.csv", bad)
    assert len(run(settings).refused) == 1
    assert len(run(settings).refused) == 1, "still there: still refused"
    drop(settings, "list.csv", FORMS["english_utf8.csv"])
    report = run(settings)
    assert report.refused == ()
    assert len(accepted(settings)) == len(ROWS)
    (withdrawn,) = (settings.lake / "withdrawn" / "sales_list" / "lines").iterdir()
    assert len(pq.read_table(next(withdrawn.glob("part-*.parquet")))) == len(ROWS)


def test_the_demo_company_comes_back_when_the_only_file_was_refused_and_taken_away(
    settings: Settings,
):
    drop(settings, "list.csv", FORMS["english_utf8.csv"].replace(b"2025-03", b"2025-13"))
    assert len(run(settings).refused) == 1
    (settings.setup.inbox("sales_list") / "list.csv").unlink()
    assert [judged.load.about["is_demo"] for judged in run(settings).judged] == [True]


def test_a_refused_load_leaves_when_the_mapping_is_corrected(settings: Settings):
    mapping = settings.setup.inbox("sales_list") / "mapping.yml"
    mapping.write_text(MAPPING.replace("date: Datum", "date: Beleg"), encoding="utf-8")
    drop(settings, "list.csv", FORMS["english_utf8.csv"])
    assert len(run(settings).refused) == 1
    mapping.write_text(MAPPING, encoding="utf-8")
    assert run(settings).refused == ()
    assert len(accepted(settings)) == len(ROWS)


def test_the_demo_company_leaves_with_the_first_real_list(settings: Settings):
    assert [judged.load.about["is_demo"] for judged in run(settings).judged] == [True]
    drop(settings, "list.csv", FORMS["english_utf8.csv"])
    run(settings)
    assert len(accepted(settings)) == len(ROWS)
    assert len(run(settings).judged) == 0


def test_the_demo_company_does_not_come_where_a_file_waits(settings: Settings):
    drop(settings, "list.csv", b"no header that fits\n")
    report = run(settings)
    assert len(report.problems) == 1
    assert report.judged == ()


# Zero prices, repeated lines, missing customers are let in and counted (decisions 0001, 0002).
KEPT_OUT = {
    "impossible date": "date_is_a_calendar_day",
    "date in the future": "date_is_plausible",
    "unreadable quantity": "quantity_is_a_number",
    "negative quantity on an invoice": "quantity_is_negative_only_on_credit_notes",
    "missing price": "line_has_an_amount",
    "too few fields": "every_row_fits_the_header",
}


def test_exactly_the_demo_companys_defects_are_quarantined_by_the_right_rule(settings: Settings):
    run(settings)
    truth = json.loads((settings.home / "demo" / "sales_list" / ".demo_truth.json").read_text())
    reasons = pq.read_table(
        next((settings.lake / "quarantine" / "sales_list" / "lines").glob("*/reasons.parquet"))
    ).to_pylist()
    found = {(reason["row_number"], reason["rule"]) for reason in reasons}
    expected = {
        (row, rule) for defect, rule in KEPT_OUT.items() for row in truth["defects"][defect]
    }
    assert {row for row, _ in found} == {row for row, _ in expected}
    assert expected <= found
    assert set(truth["defects"]) - set(KEPT_OUT) == {
        "zero price",
        "repeated line",
        "missing customer",
    }
