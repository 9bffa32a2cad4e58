"""DATEV files: years told from the header, fields by position, what is refused and what is kept."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from sources.accounting import datev
from sources.contract import Batch, Pull
from sources.demo import datev_files
from sources.demo.world import World, draw_world
from sources.landing import Lake
from sources.pulling import pull_source
from tests.conftest import REPOSITORY, SHARED_DATA

HEADER = {
    1: '"EXTF"', 2: "700", 3: "21", 4: '"Buchungsstapel"', 5: "13", 6: "20250801120000000",
    11: "1001", 12: "456", 13: "20250101", 14: "4", 15: "20250701", 16: "20250731",
    17: '"Juli"', 22: '"EUR"',
}  # fmt: skip
BOOKING = {1: "119,00", 2: '"S"', 7: "10042", 8: "8400", 10: "1507", 11: '"RE-7"'}
NAMES = [f"Feld {position} – ü" for position in range(1, 126)]


def line(fields: dict[int, str], width: int) -> str:
    return ";".join(fields.get(position, "") for position in range(1, width + 1))


def header(changes: dict[int, str] | None = None) -> str:
    return line(HEADER | (changes or {}), 31)


def booking(changes: dict[int, str] | None = None) -> str:
    return line(BOOKING | (changes or {}), len(NAMES))


def drop(
    inbox: Path,
    *rows: str,
    header: str = header(),
    names: str = ";".join(NAMES),
    name: str = "EXTF_a.csv",
    encoding: str = "cp1252",
) -> Path:
    path = inbox / name
    path.write_bytes("".join(f"{row}\r\n" for row in (header, names, *rows)).encode(encoding))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def pull(inbox: Path, **context) -> tuple[list[Batch], Pull]:
    given = Pull(inbox=inbox, reporting_currency="CHF", **context)
    return list(datev.pull(given)), given


def rows_of(batch: Batch) -> list[dict]:
    return pa.concat_tables(batch.chunks).to_pylist()


def rows_in(inbox: Path) -> list[dict]:
    batches, context = pull(inbox)
    assert context.problems == []
    return [row for batch in batches for row in rows_of(batch)]


def problem_of(inbox: Path) -> str:
    batches, context = pull(inbox)
    assert batches == []
    assert len(context.problems) == 1
    assert datev.check(context) == [str(context.problems[0])]
    return str(context.problems[0])


def amount(row: dict) -> Decimal:
    return Decimal(row["amount"].replace(",", "."))


@pytest.fixture(scope="session")
def samples() -> Path:
    folder = SHARED_DATA / "datev"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/datev beside the repository")
    return folder


@pytest.fixture(scope="module")
def world() -> World:
    return draw_world(customers=200)


@pytest.fixture(scope="module")
def demo(world: World, tmp_path_factory) -> tuple[Path, datev_files.DatevTruth]:
    folder = tmp_path_factory.mktemp("datev")
    return folder, datev_files.write_datev_files(folder, world)


# --- bookings


def test_a_booking_is_told_by_the_position_of_its_fields(tmp_path: Path):
    drop(tmp_path, booking({13: "2,38", 14: '"Zahlung; „bar“ ""sofort"""', 117: "14082025"}))
    (row,) = rows_in(tmp_path)
    assert (row["amount"], row["_decimal_mark"], row["debit_credit"]) == ("119,00", ",", "S")
    assert (row["account"], row["contra_account"]) == ("10042", "8400")
    assert (row["booking_date"], row["booked_on"]) == ("1507", "2025-07-15")
    assert (row["due_date"], row["due_on"]) == ("14082025", "2025-08-14")
    assert row["posting_text"] == 'Zahlung; „bar“ "sofort"'
    assert (row["discount"], row["document_field_1"], row["order_number"]) == ("2,38", "RE-7", None)
    assert (row["_row"], row["position"], row["_defect"]) == (3, "1", None)
    assert (row["consultant"], row["client"], row["account_length"]) == ("1001", "456", "4")


def test_every_field_that_has_no_column_is_kept_with_its_position_and_name(tmp_path: Path):
    everything = {position: f'"f{position}"' for position in range(1, 126)} | BOOKING
    drop(tmp_path, line(everything | {93: "", 115: "", 117: ""}, 125))
    (row,) = rows_in(tmp_path)
    assert row["_defect"] is None
    extra = json.loads(row["_extra"])
    assert extra["88 Feld 88 – ü"] == "f88"
    kept = {value for value in row.values() if isinstance(value, str)} | set(extra.values())
    assert {value.strip('"') for value in everything.values()} - kept == {"f93", "f115", "f117"}


@pytest.mark.parametrize(
    ("written", "year_begin", "first", "last", "booked_on"),
    [
        ("105", "20250101", "20250101", "20251231", "2025-05-01"),
        ("2102", "20250101", "20250201", "20250228", "2025-02-21"),
        ("3112", "20240701", "20240701", "20250630", "2024-12-31"),
        ("0101", "20240701", "20240701", "20250630", "2025-01-01"),
        ("0101", "20240701", "20241201", "20241231", "2025-01-01"),
        ("2902", "20230701", "20230701", "20240630", "2024-02-29"),
        ("1501", "20250101", "20260101", "20260131", "2026-01-15"),
        ("3102", "20250101", "20250101", "20251231", None),
        ("2902", "20250101", "20250101", "20251231", None),
        ("", "20250101", "20250101", "20251231", None),
        ("01.05", "20250101", "20250101", "20251231", None),
    ],
)
def test_the_year_of_a_booking_comes_from_the_period_else_from_the_fiscal_year(
    tmp_path: Path, written: str, year_begin: str, first: str, last: str, booked_on: str | None
):
    stated = header({13: year_begin, 15: first, 16: last})
    drop(tmp_path, booking({10: written}), header=stated)
    (row,) = rows_in(tmp_path)
    assert row["booked_on"] == booked_on
    assert row["booking_date"] == (written or None)
    assert (row["_defect"] or "").startswith("booking_date (field 10)") == (booked_on is None)


@pytest.mark.parametrize(
    ("written", "due_on"),
    [
        ("14082025", "2025-08-14"),
        ("1082025", "2025-08-01"),
        ("140825", "2025-08-14"),
        ("10825", "2025-08-01"),
        ("0", None),
        ("", None),
    ],
)
def test_due_dates_are_read_with_two_and_with_four_digits_of_the_year(
    tmp_path: Path, written: str, due_on: str | None
):
    drop(tmp_path, booking({93: written, 117: written}))
    (row,) = rows_in(tmp_path)
    assert (row["assigned_due_on"], row["due_on"]) == (due_on, due_on)
    assert row["_defect"] is None


def test_a_due_date_that_is_no_day_makes_a_defect_and_stays_as_written(tmp_path: Path):
    drop(tmp_path, booking({117: "31022026"}))
    (row,) = rows_in(tmp_path)
    assert (row["due_date"], row["due_on"]) == ("31022026", None)
    assert row["_defect"].startswith("due_date (field 117) is no day ddMMyyyy")


def test_the_second_document_field_may_be_a_due_date_and_need_not(tmp_path: Path):
    fields = ('"140825"', '"991299"', '"LS-140825"', "")
    drop(tmp_path, *(booking({12: field}) for field in fields))
    rows = rows_in(tmp_path)
    assert [row["document_field_2_on"] for row in rows] == ["2025-08-14", None, None, None]
    assert [row["_defect"] for row in rows] == [None] * 4


def test_a_currency_is_the_rows_else_the_headers_else_the_companys(tmp_path: Path):
    drop(tmp_path, booking({3: '"USD"'}), booking(), name="a.csv")
    drop(tmp_path, booking(), header=header({22: '""'}), name="b.csv")
    assert [row["currency"] for row in rows_in(tmp_path)] == ["USD", "EUR", "CHF"]


def test_an_account_longer_than_the_header_allows_is_a_defect(tmp_path: Path):
    accounts = ("400", "10042", "100420", "1004A")
    drop(tmp_path, *(booking({7: account}) for account in accounts))
    defects = [row["_defect"] for row in rows_in(tmp_path)]
    assert defects[:2] == [None, None]
    assert all(
        defect.startswith("account (field 7) is no ledger account of 4") for defect in defects[2:]
    )


def test_rows_that_do_not_fit_are_kept_with_their_text_and_spoil_no_other(tmp_path: Path):
    short = booking().rsplit(";", 20)[0]
    open_quote = booking({14: '"Miete'})
    too_long = booking() + ';"x"'
    drop(tmp_path, short, open_quote, too_long, booking() + ";;", ";" * 124, booking())
    rows = rows_in(tmp_path)
    assert [row["_row"] for row in rows] == [3, 4, 5, 6, 8]
    assert [row["position"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert rows[0]["_defect"].startswith("105 fields where the column names have 125 fields")
    assert rows[1]["_defect"].startswith("broken quotes")
    assert rows[2]["_defect"].startswith("126 fields")
    raw = [json.loads(row["_extra"])["_raw"] for row in rows[:3]]
    assert raw == [short, open_quote, too_long]
    assert [row["_defect"] for row in rows[3:]] == [None, None]


def test_an_export_of_the_same_period_has_the_same_batch_key(tmp_path: Path):
    drop(tmp_path, booking(), name="a.csv")
    drop(tmp_path, booking({1: "120,00"}), header=header({6: "20250802"}), name="b.csv")
    drop(tmp_path, booking(), header=header({17: '"Juli Kasse"'}), name="c.csv")
    keys = [row["batch_key"] for row in rows_in(tmp_path)]
    assert keys[0] == keys[1] == "1001/456/2025-07-01/2025-07-31/Juli"
    assert keys[2] == "1001/456/2025-07-01/2025-07-31/Juli Kasse"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig"])
def test_umlauts_are_read_in_each_encoding_that_exports_have(tmp_path: Path, encoding: str):
    drop(tmp_path, booking({14: '"Küche … für 5 €"'}), encoding=encoding)
    (row,) = rows_in(tmp_path)
    assert row["posting_text"] == "Küche … für 5 €"


def test_fewer_columns_of_an_older_format_leave_the_later_ones_empty(tmp_path: Path):
    drop(tmp_path, line(BOOKING, 116), names=";".join(NAMES[:116]) + ";")
    (row,) = rows_in(tmp_path)
    assert (row["document_field_1"], row["due_date"], row["_defect"]) == ("RE-7", None, None)


# --- debtors, creditors, account names


def test_the_name_of_an_account_goes_by_its_type(tmp_path: Path):
    master = header({3: "16", 4: '"Debitoren/Kreditoren"', 5: "5", 15: "", 16: ""})
    people = {4: '"Quast"', 5: '"Zoë"'}
    rows = (
        {1: "10001", 2: '"Gasthof Krähl"', **people, 7: '"2"', 9: '"AT"', 10: '"U12345675"'},
        {1: "10002", 2: '"Gasthof Krähl"', **people, 7: '"1"', 110: "14", 111: "2,00"},
        {1: "10003", 6: '"Verein"', 7: '"0"', 10: '"DE111111125"', 9: '"DE"'},
        {1: "70001", 2: '"Ohne Typ"', 18: '"01067"'},
        {1: "4711", 2: '"Sachkonto"'},
    )
    drop(tmp_path, *(line(row, 125) for row in rows), header=master)
    found = rows_in(tmp_path)
    names = ["Gasthof Krähl", "Zoë Quast", "Verein", "Ohne Typ", "Sachkonto"]
    assert [row["name"] for row in found] == names
    assert [row["vat_id"] for row in found[:3]] == ["ATU12345675", None, "DE111111125"]
    assert (found[1]["due_days"], found[1]["discount_percent"]) == ("14", "2,00")
    assert found[3]["postcode"] == "01067"
    assert [row["_defect"] is None for row in found] == [True, True, True, True, False]


def test_each_category_is_a_table_of_its_own(tmp_path: Path):
    drop(tmp_path, booking(), name="a.csv")
    drop(tmp_path, line({1: "10001"}, 125), header=header({3: "16"}), name="b.csv")
    names = header({3: "20"})
    drop(tmp_path, '8400;"Erlöse";"de-DE"', header=names, names="Konto;B;S", name="c.csv")
    batches, _ = pull(tmp_path)
    assert [batch.table.name for batch in batches] == ["bookings", "accounts", "account_names"]
    (row,) = rows_of(batches[2])
    assert (row["account"], row["name"], row["language"]) == ("8400", "Erlöse", "de-DE")


# --- files that are refused


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({1: '"EXTFD"'}, "does not begin with a DATEV header"),
        ({3: "46"}, "data category"),
        ({11: ""}, "header field 11"),
        ({12: "M-456"}, "header field 12"),
        ({13: "01012025"}, "header field 13"),
        ({14: "9"}, "header field 14"),
        ({14: ""}, "header field 14"),
        ({15: ""}, "header field 15"),
        ({16: "20250230"}, "header field 16"),
        ({16: "20250630"}, "header field 16"),
        ({16: "20260701"}, "header field 16"),
    ],
)
def test_a_broken_header_refuses_the_file_and_names_the_field(
    tmp_path: Path, changes: dict[int, str], said: str
):
    drop(tmp_path, booking(), header=header(changes))
    problem = problem_of(tmp_path)
    assert said in problem
    assert "EXTF_a.csv, line 1: " in problem
    assert "Remedy: " in problem


def test_a_list_that_is_no_datev_file_is_refused(tmp_path: Path):
    (tmp_path / "list.csv").write_text("Datum;Kunde;Betrag\n01.02.2025;1;2,00\n")
    os.utime(tmp_path / "list.csv", (1_700_000_000, 1_700_000_000))
    assert "does not begin with a DATEV header" in problem_of(tmp_path)


def test_a_file_without_column_names_loses_no_booking_to_them(tmp_path: Path):
    drop(tmp_path, booking(), names=booking({114: "0"}))
    assert "line 2 does not hold the names" in problem_of(tmp_path)


def test_a_byte_that_the_encoding_has_not_refuses_the_file_and_names_the_line(tmp_path: Path):
    path = drop(tmp_path, booking(), booking({14: '"Kueche"'}))
    stamp = path.stat().st_mtime
    path.write_bytes(path.read_bytes().replace(b"Kueche", b"K\x81che"))
    os.utime(path, (stamp, stamp))
    assert "EXTF_a.csv, line 4: holds a byte that cp1252 has not" in problem_of(tmp_path)


def test_one_wrong_byte_does_not_turn_a_utf_8_file_into_windows_1252(tmp_path: Path):
    path = drop(tmp_path, booking({14: '"Kueche"'}), encoding="utf-8")
    path.write_bytes(path.read_bytes().replace(b"Kueche", b"K\xfcche"))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert "line 3: holds a byte that utf-8-sig has not" in problem_of(tmp_path)


def test_a_link_is_refused(tmp_path: Path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "EXTF_link.csv").symlink_to(drop(tmp_path, booking()))
    assert "not a file" in problem_of(inbox)


def test_a_folder_is_refused(tmp_path: Path):
    (tmp_path / "EXTF_2025").mkdir()
    os.utime(tmp_path / "EXTF_2025", (1_700_000_000, 1_700_000_000))
    assert "not a file" in problem_of(tmp_path)


def test_one_bad_file_does_not_keep_the_others_back(tmp_path: Path):
    drop(tmp_path, booking(), header=header({3: "65"}), name="a.csv")
    drop(tmp_path, booking(), name="b.csv")
    batches, context = pull(tmp_path)
    assert [batch.about["file"] for batch in batches] == ["b.csv"]
    assert len(context.problems) == 1
    assert len(context.contents) == 2


def test_problems_and_defects_hold_no_value_of_a_record(tmp_path: Path):
    secret = "98761"
    rows = [booking({position: secret}) for position in (10, 117)] + [f"{secret};{secret}"]
    rows += [booking({7: secret + "0"}), booking({14: f'"{secret}'})]
    drop(tmp_path, *rows)
    defects = [row["_defect"] for row in rows_in(tmp_path)]
    assert all(defects)
    assert not any(secret in defect for defect in defects)


# --- pulled again


def test_a_second_pull_lands_nothing(tmp_path: Path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    drop(inbox, booking(), booking())
    lake = Lake(tmp_path / "lake")
    first = Pull(inbox=inbox, reporting_currency="EUR")
    second = Pull(inbox=inbox, reporting_currency="EUR")
    assert [load.about["rows"] for load in pull_source(datev.SOURCE, lake, first)] == [2]
    (inbox / "EXTF_a.csv").rename(inbox / "EXTF_renamed.csv")
    assert pull_source(datev.SOURCE, lake, second) == []
    assert (second.problems, second.contents) == ([], first.contents)


def test_files_come_in_the_order_in_which_they_were_written(tmp_path: Path):
    for name, written in (("b.csv", 1_700_000_000), ("a.csv", 1_700_000_001)):
        os.utime(drop(tmp_path, booking({1: f"{written},00"}), name=name), (written, written))
    batches, _ = pull(tmp_path)
    assert [batch.about["file"] for batch in batches] == ["b.csv", "a.csv"]


def test_an_unfinished_transfer_is_left_alone(tmp_path: Path):
    drop(tmp_path, booking(), name="EXTF_a.csv.part")
    batches, context = pull(tmp_path)
    assert (batches, context.problems) == ([], [])
    assert len(context.left_alone) == 1


def test_a_missing_inbox_is_told_and_pulled_as_nothing(tmp_path: Path):
    batches, context = pull(tmp_path / "none")
    assert batches == []
    assert len(datev.check(context)) == 1


def test_a_batch_without_bookings_is_landed_as_none(tmp_path: Path):
    drop(tmp_path)
    (batch,), _ = pull(tmp_path)
    assert rows_of(batch) == []


# --- the samples of an independent writer


def copied(samples: Path, folder: Path) -> Path:
    for path in samples.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
        os.utime(folder / path.name, (1_700_000_000, 1_700_000_000))
    return folder


def records_of(path: Path) -> list[list[str]]:
    with path.open(encoding="cp1252", newline="") as stream:
        return list(csv.reader(stream, delimiter=";"))[2:]


def test_the_samples_are_read_to_the_cent_and_to_the_last_field(samples: Path, tmp_path: Path):
    batches, context = pull(copied(samples, tmp_path))
    assert (context.problems, len(batches)) == ([], 3)
    for batch in batches:
        rows, records = rows_of(batch), records_of(samples / batch.about["file"])
        assert len(rows) == len(records)
        assert [row["_defect"] for row in rows] == [None] * len(rows)
        for row, record in zip(rows, records, strict=True):
            kept = {*json.loads(row["_extra"] or "{}").values(), *map(str, row.values())}
            assert set(filter(None, record)) <= kept
        if batch.table is datev.BOOKINGS:
            told = sum(Decimal(record[0].replace(",", ".")) for record in records)
            assert sum(map(amount, rows)) == told == Decimal("5974.95")


def test_the_samples_say_what_a_person_reads_in_them(samples: Path, tmp_path: Path):
    rows = {
        row["_file"].removeprefix("ledermann_EXTF_") + str(row["_row"]): row
        for row in rows_in(copied(samples, tmp_path))
    }
    book, fee = rows["Buchungsstapel.csv3"], rows["Buchungsstapel.csv4"]
    assert (book["booked_on"], book["debit_credit"], book["tax_key"]) == ("2018-02-21", "H", "8")
    assert (fee["booked_on"], fee["document_field_1"]) == ("2018-02-22", "RE201802-135")
    assert (fee["account"], fee["contra_account"], fee["currency"]) == ("10000", "8400", "EUR")
    person, company = rows["Stammdaten.csv3"], rows["Stammdaten.csv4"]
    assert (person["postcode"], person["city"], person["country"]) == ("50999", "Köln", "DE")
    assert person["name"] == f"{person['first_name']} {person['last_name']}"
    assert (company["account"], company["name"]) == ("70001", "Meyer GmbH")
    assert rows["Kontenbeschriftungen.csv5"]["name"] == "Girokonto"


# --- the demo company's files


def test_the_demo_books_come_back_as_they_were_written(demo):
    folder, truth = demo
    batches, context = pull(folder)
    assert context.problems == []
    read = {batch.about["file"]: rows_of(batch) for batch in batches}
    assert set(read) == {
        *datev_files.BATCHES.values(), datev_files.DEBTORS, datev_files.ACCOUNT_NAMES,
    }  # fmt: skip
    defective = {place for places in truth.defects.values() for place in places}
    for file in datev_files.BATCHES.values():
        assert len(read[file]) == truth.bookings[file]
        sound = [row for row in read[file] if (file, row["_row"]) not in defective]
        assert sum(map(amount, sound)) == truth.turnover[file]
    assert len(read[datev_files.DEBTORS]) == truth.debtors
    assert len(read[datev_files.ACCOUNT_NAMES]) == len(datev_files.CHART)


def test_the_defects_of_the_demo_books_are_found_and_no_others(demo):
    folder, truth = demo
    assert {name: len(places) for name, places in truth.defects.items()} == datev_files.DEFECTS
    found = {
        (row["_file"], row["_row"])
        for row in rows_in(folder)
        if row["_defect"] or ("amount" in row and not row["amount"])
    }
    assert found == {place for places in truth.defects.values() for place in places}


def test_invoices_and_payments_of_the_demo_tie_to_what_was_drawn(demo, world: World):
    folder, truth = demo
    rows = [row for row in rows_in(folder) if row.get("document_field_1")]
    drawn = {i.number: i for i in world.invoices(date(2024, 1, 1), date(2026, 1, 1))}
    revenue = set(map(str, datev_files.REVENUE.values()))
    invoiced = {row["document_field_1"]: row for row in rows if row["contra_account"] in revenue}
    assert set(invoiced) <= set(drawn)
    for number in set(drawn) - truth.spoilt:
        row, invoice = invoiced[number], drawn[number]
        assert (amount(row), row["booked_on"]) == (abs(invoice.gross), str(invoice.on))
        assert row["debit_credit"] == ("H" if invoice.is_credit_note else "S")
        assert row["account"] == (invoice.customer or datev_files.COUNTER_SALES)
        assert str(invoice.due_on) in (row["due_on"], row["document_field_2_on"])
    left = {number: invoice.gross for number, invoice in drawn.items()}
    for row in rows:
        if row["account"] in ("1200", "1590") and row["document_field_1"] in left:
            taken = amount(row) + Decimal((row["discount"] or "0").replace(",", "."))
            left[row["document_field_1"]] -= taken * {"S": 1, "H": -1}[row["debit_credit"]]
    assert left == {number: invoice.open_amount for number, invoice in drawn.items()}
    assert any(left.values())
    assert not all(left.values())
    assert any(row["discount"] for row in rows)


def test_every_demo_customer_has_an_account(demo, world: World):
    folder, _ = demo
    accounts = {row["account"]: row for row in rows_in(folder) if "vat_id" in row}
    customers = [one for one in world.organisations if one.number.isdigit()]
    assert len(customers) == 200
    for customer in customers:
        row = accounts[customer.number]
        assert (row["name"], row["postcode"]) == (customer.name, customer.postcode)
        assert (row["street"], row["city"]) == (customer.street, customer.city)
        assert (row["phone"], row["email"]) == (customer.phone, customer.email)
        assert row["vat_id"] == (customer.vat_id if customer.country != "CH" else None)


def test_a_name_longer_than_datev_allows_is_cut_and_told(world: World, tmp_path: Path):
    name = "Kantine „Zum Quast“ " + "Möhren" * 6
    first = next(one for one in world.organisations if one.kind != "private")
    others = tuple(one for one in world.organisations if one is not first)
    renamed = replace(world, organisations=(replace(first, name=name), *others))
    truth = datev_files.write_datev_files(tmp_path, renamed)
    assert truth.shortened == (first.number,)
    cut = {row["account"]: row["name"] for row in rows_in(tmp_path) if "vat_id" in row}
    assert cut[first.number] == name[:50] != name


def test_the_demo_books_have_the_same_bytes_in_every_process(demo, tmp_path: Path):
    folder, _ = demo
    script = (
        "import sys; from pathlib import Path; from sources.demo.world import draw_world; "
        "from sources.demo.datev_files import write_datev_files; "
        "write_datev_files(Path(sys.argv[1]), draw_world(customers=200))"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        check=True,
    )
    names = sorted(path.name for path in folder.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert [(tmp_path / n).read_bytes() for n in names] == [
        (folder / n).read_bytes() for n in names
    ]
