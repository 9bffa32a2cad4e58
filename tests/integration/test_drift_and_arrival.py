"""A load unlike the last one: what is said of it, and what of yesterday stays in force."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import duckdb
import openpyxl
import pyarrow.parquet as pq
import pytest

from pipelines.findings import Standing, register_findings
from pipelines.ingest import (
    IngestReport,
    NoAccounting,
    in_force,
    ingest,
    judge,
    require_accounting,
)
from pipelines.settings import Settings
from pipelines.source_runs import record_run
from quality.history import SourceRun, TableRun
from sources.access import Configured
from sources.accounting import datev, sales_list
from sources.company import consent_forms, credit_ratings, product_registrations
from sources.complaints import ticket_list
from sources.contract import Pull, Reading, Secret, Source
from sources.crm import pipedrive
from sources.landing import Lake, Load, write_json
from sources.newsletter import rapidmail
from tests.unit.test_datev import NAMES, booking
from tests.unit.test_datev import header as datev_header


@dataclass(frozen=True)
class Night:
    """What one run did with one source; `table` is the one that is looked at."""

    report: IngestReport
    run: SourceRun
    table: TableRun
    stands: Standing

    @property
    def problems(self) -> str:
        return "\n".join(self.run.problems)

    @property
    def refused(self) -> str:
        return "\n".join(self.table.refused)

    @property
    def red(self) -> set[str]:
        return {family for family, result in self.table.families.items() if not result.passed}

    def sentences(self, family: str) -> str:
        result = self.table.families[family]
        return " ".join([result.note, *(fault.sentence for fault in result.faults)]).strip()


class Company:
    """A home into which files are dropped; each night is one run of one source."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home, configured={"pipedrive": _named(pipedrive.SOURCE)})
        self.lake = Lake(self.settings.lake)
        self._written_at = 1_700_000_000

    def drop(self, source: Source, name: str, *lines: str, encoding: str = "utf-8") -> Path:
        content = "".join(f"{line}\r\n" for line in lines).encode(encoding)
        return self.drop_bytes(source, name, content)

    def drop_bytes(self, source: Source, name: str, content: bytes) -> Path:
        path = self.settings.setup.inbox(source.name) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        # Files are read in the order in which they were written, and new ones are waited for.
        self._written_at += 60
        os.utime(path, (self._written_at, self._written_at))
        return path

    def night(self, source: Source, table: str | None = None) -> Night:
        report = ingest(source, self.settings)
        run, standings = record_run(report, self.settings, "a test")
        for one in report.judged:
            assert_nothing_is_lost(self.lake, one.load, is_let_in=one.verdict.is_let_in)
        name = table or source.tables[0].name
        return Night(report, run, run.tables[name], standings[name])

    def loads(self, source: Source, table: str | None = None) -> list[Load]:
        contract = source.table(table) if table else source.tables[0]
        return in_force(self.lake, self.settings, source, contract)

    def rows(self, source: Source, column: str, table: str | None = None) -> list:
        """A column of all rows in force, in order of arrival."""
        parts = [part for load in self.loads(source, table) for part in load.parts]
        return [value for part in parts for value in pq.read_table(part)[column].to_pylist()]

    def findings(self, source: Source, table: str | None = None) -> list[tuple]:
        """File or key, rule and whether it still stands, of everything the gate objected to."""
        contract = source.table(table) if table else source.tables[0]
        with duckdb.connect() as db:
            if not register_findings(db, source, contract, self.loads(source, table), self.lake):
                return []
            return db.sql(
                "select coalesce(file, record_key), rule, is_open from findings "
                "order by load_id, row_number, rule"
            ).fetchall()


def _named(source: Source) -> Configured:
    return Configured(
        options={option.name: "x" for option in source.options if option.default is None},
        variables={secret.name: "A_VARIABLE" for secret in source.secrets},
        secrets={secret.name: Secret("x") for secret in source.secrets},
    )


def assert_nothing_is_lost(lake: Lake, load: Load, *, is_let_in: bool) -> None:
    """Every row landed is accepted or quarantined; of a refused load all of them stay landed."""
    source, table = load.about["source"], load.about["table"]
    stages = ("accepted", "quarantine") if is_let_in else ("landed",)
    folders = [lake.folder(stage, source, table) / load.load_id for stage in stages]
    files = [path for folder in folders for path in (*folder.glob("part-*"), *folder.glob("rows*"))]
    assert sum(pq.read_metadata(path).num_rows for path in files) == load.about["rows"]


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path)


TICKETS = ticket_list.SOURCE
TICKET_HEADER = "Ticket;Kundennummer;Betreff;Eröffnet am;Zufriedenheit"


def ticket(number: int, *, opened: str = "05.01.2025", content: str = "4") -> str:
    return f"T{number};K{number % 7};Gerät {number} defekt;{opened};{content}"


def tickets(count: int) -> list[str]:
    return [TICKET_HEADER, *map(ticket, range(count))]


SALES = sales_list.SOURCE
SALES_HEADER = "Datum;Beleg;Kunde;Menge;Preis"
SALES_MAPPING = """\
columns: {date: Datum, invoice_number: Beleg, customer_number: Kunde, quantity: Menge,
  unit_price: Preis}
decimal_mark: ","
"""


def sale(number: int, *, day: str = "05.03.2025", price: str = "10,50") -> str:
    return f"{day};R{number};K{number % 5};2;{price}"


def sales(count: int) -> list[str]:
    return [SALES_HEADER, *map(sale, range(count))]


@pytest.fixture
def shop(company: Company) -> Company:
    """A company whose sales of one day are in force."""
    company.drop_bytes(SALES, "mapping.yml", SALES_MAPPING.encode())
    company.drop(SALES, "sales_2025-03.csv", *sales(60))
    assert company.night(SALES).run.succeeded
    return company


RATINGS = credit_ratings.SOURCE
RATING_HEADER = "Auskunftei;Kundennummer;Bonitätsindex;Auskunft vom"


def rating(number: int, *, index: str = "230,5", day: str = "31.01.2025") -> str:
    return f"Büro;K{number};{index};{day}"


# --- columns of a file


def test_a_new_column_is_let_in_and_said_once(company: Company):
    company.drop(TICKETS, "a.csv", *tickets(30))
    assert company.night(TICKETS).red == set()
    company.drop(TICKETS, "b.csv", f"{TICKET_HEADER};Kanal", *(f"{ticket(n)};Web" for n in (1, 2)))
    night = company.night(TICKETS)
    assert night.run.succeeded
    assert night.red == {"format"}
    assert night.sentences("format").startswith("New fields, kept in _extra: Kanal (2 rows). Ask")
    assert company.rows(TICKETS, "_extra")[-1] == '{"Kanal":"Web"}'
    company.drop(TICKETS, "c.csv", f"{TICKET_HEADER};Kanal", f"{ticket(3)};Telefon")
    assert company.night(TICKETS).red == set(), "it is new only once"


def test_a_column_gone_from_a_series_keeps_the_file_out_until_it_is_put_back(company: Company):
    company.drop(TICKETS, "tickets_2025-01.csv", *tickets(30))
    company.night(TICKETS)
    shorter = [line.rpartition(";")[0] for line in tickets(40)]
    company.drop(TICKETS, "tickets_2025-02.csv", *shorter)
    night = company.night(TICKETS)
    assert "had are not in this one: satisfaction. Put them back" in night.refused
    assert not night.run.succeeded
    assert len(company.rows(TICKETS, "ticket_id")) == 30, "yesterday's are still in force"
    assert night.red == set(), "nothing of it counts"
    assert company.night(TICKETS).refused, "as long as it lies there it is refused"
    company.drop(TICKETS, "tickets_2025-02.csv", *tickets(40))
    night = company.night(TICKETS)
    assert night.run.succeeded
    assert len(company.rows(TICKETS, "ticket_id")) == 70
    assert len(company.lake.loads("withdrawn", "ticket_list", "tickets")) == 1


def test_a_file_of_another_kind_may_lack_a_column(company: Company):
    company.drop(TICKETS, "tickets_2025-01.csv", *tickets(30))
    company.night(TICKETS)
    company.drop(TICKETS, "hotline.csv", *(line.rpartition(";")[0] for line in tickets(40)))
    night = company.night(TICKETS)
    assert (night.run.succeeded, night.table.accepted) == (True, 40)


def test_a_column_a_person_let_go_is_not_missed_any_more(company: Company):
    shorter = [line.rpartition(";")[0] for line in tickets(40)]
    company.drop(TICKETS, "tickets_2025-01.csv", *tickets(30))
    company.night(TICKETS)
    company.drop(TICKETS, "tickets_2025-02.csv", *shorter)
    (refused,) = company.night(TICKETS).report.refused
    verdict = judge(
        refused.load, ticket_list.TICKETS, company.lake, company.settings, by_hand="gone for good"
    )
    assert verdict.is_let_in
    company.drop(TICKETS, "tickets_2025-03.csv", *shorter, ticket(99).rpartition(";")[0])
    assert company.night(TICKETS).run.succeeded
    assert company.loads(TICKETS)[1].verdict["let_in_by_hand"] == "gone for good"


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("Ticket;Kundennummer;Betreff;Zufriedenheit", "has no column for 'opened_at'"),
        ("Kundennummer;Betreff;Eröffnet am", "has no column for 'ticket_id'"),
        ("Ticket;Betreff;Eröffnet am", "has no column for 'customer_number' or 'email'"),
        ("Ticket;Kundennummer;Eröffnet ab", "'opened_at' (did you mean 'Eröffnet ab'?)"),
        ("Tickett;Kundennummer;Eröffnet am", "'ticket_id' (did you mean 'Tickett'?)"),
    ],
)
def test_a_required_column_missing_or_renamed_is_a_problem_of_the_file(
    company: Company, header: str, said: str
):
    company.drop(TICKETS, "a.csv", *tickets(30))
    company.night(TICKETS)
    company.drop(TICKETS, "a.csv", header, ";".join("x" for _ in header.split(";")))
    night = company.night(TICKETS)
    assert "a.csv, line 1: " in night.problems
    assert said in night.problems
    assert f"the file's columns are: {header.replace(';', ', ')}" in night.problems
    assert (night.table.was_read, night.table.landed, night.red) == (False, 0, set())
    assert len(company.rows(TICKETS, "ticket_id")) == 30


def test_a_renamed_optional_column_keeps_the_file_of_a_series_out(company: Company):
    company.drop(TICKETS, "tickets_1.csv", *tickets(30))
    company.night(TICKETS)
    renamed = TICKET_HEADER.replace("Zufriedenheit", "Zufriedenheit gesamt")
    company.drop(TICKETS, "tickets_2.csv", renamed, *map(ticket, range(30)))
    night = company.night(TICKETS)
    assert "not in this one: satisfaction" in night.refused
    company.drop_bytes(TICKETS, "mapping.yml", b"columns: {satisfaction: Zufriedenheit gesamt}")
    company.drop(TICKETS, "tickets_1.csv", renamed, *map(ticket, range(30)))
    assert company.night(TICKETS).run.succeeded, "its mapping names the new header"


# --- forms of values in a file


@dataclass(frozen=True)
class Retyped:
    """A column of a list whose values change their form."""

    source: Source
    header: str
    good: str
    bad: str
    rule: str
    family: str = "format"


RETYPED = [
    Retyped(TICKETS, TICKET_HEADER, "T{n};K1;x;05.01.2025;4", "T{n};K1;x;05.01.2025;gut",
            "satisfaction_is_a_whole_number"),
    Retyped(TICKETS, TICKET_HEADER, "T{n};K1;x;05.01.2025;4", "T{n};K1;x;Jan 5, 2025 5pm;4",
            "opened_at_is_a_moment"),
    Retyped(TICKETS, TICKET_HEADER, "T{n};K1;x;05.01.2025;4", "T{n};K1;x;05.01.2025;87",
            "satisfaction_has_the_right_form"),
    Retyped(TICKETS, TICKET_HEADER, "T{n};K1;x;05.01.2025;4", "T{n};K1;x;;4",
            "opened_at_is_filled", "errors"),
    Retyped(RATINGS, RATING_HEADER, "Büro;K{n};230,5;31.01.2025", "Büro;K{n};230,5 P.;31.01.2025",
            "credit_index_is_a_number"),
    Retyped(RATINGS, RATING_HEADER, "Büro;K{n};230,5;31.01.2025", "Büro;K{n};gut;31.01.2025",
            "credit_index_is_a_number"),
    Retyped(RATINGS, RATING_HEADER, "Büro;K{n};230,5;31.01.2025", "Büro;K{n};230,5;01/31/2025",
            "rated_on_is_a_calendar_day"),
]  # fmt: skip


@pytest.mark.parametrize("drift", RETYPED, ids=lambda drift: drift.rule)
def test_a_column_of_another_form_keeps_the_file_out(company: Company, drift: Retyped):
    good = [drift.good.format(n=n) for n in range(100)]
    company.drop(drift.source, "a_1.csv", drift.header, *good)
    assert company.night(drift.source).red == set()
    bad = [drift.bad.format(n=n) for n in range(21)]
    company.drop(drift.source, "a_2.csv", drift.header, *bad, *good[21:])
    night = company.night(drift.source)
    assert "21 of 100 rows (21.0%) are bad, more than the 20% allowed" in night.refused
    assert f"most often broken: {drift.rule} (21 rows)" in night.refused
    assert (night.table.accepted, night.table.quarantined, night.red) == (0, 0, set())
    assert len(company.rows(drift.source, "_row")) == 100, "yesterday's are still in force"


@pytest.mark.parametrize("drift", RETYPED[::3], ids=lambda drift: drift.rule)
def test_single_values_of_another_form_are_kept_out_until_the_file_is_corrected(
    company: Company, drift: Retyped
):
    good = [drift.good.format(n=n) for n in range(100)]
    bad = [drift.bad.format(n=n) for n in range(20)]
    company.drop(drift.source, "a.csv", drift.header, *bad, *good[20:])
    night = company.night(drift.source)
    assert (night.run.succeeded, night.table.accepted, night.table.quarantined) == (True, 80, 20)
    assert night.red == {drift.family}
    assert f"{drift.rule}: 20 rows kept out." in night.sentences(drift.family)
    assert (night.stands.to_correct, night.stands.broken[drift.rule]) == (20, 20)
    assert company.night(drift.source).red == {drift.family}, "it stays so until it is mended"
    company.drop(drift.source, "a.csv", drift.header, *good)
    night = company.night(drift.source)
    assert (night.table.accepted, night.red, night.stands) == (100, set(), Standing())
    assert {is_open for _, _, is_open in company.findings(drift.source)} == {False}


# --- files that are empty, small, cut off or not yet complete


@pytest.mark.parametrize("source", [TICKETS, RATINGS], ids=lambda source: source.name)
def test_a_header_without_rows_does_not_take_anything_away(company: Company, source: Source):
    header, row = {
        "ticket_list": (TICKET_HEADER, ticket(1)),
        "credit_ratings": (RATING_HEADER, rating(1)),
    }[source.name]
    company.drop(source, "a.csv", header, row)
    company.night(source)
    company.drop(source, "a.csv", header)
    night = company.night(source)
    assert night.table.refused == ("a.csv: the load has no rows",)
    assert len(company.rows(source, "_row")) == 1
    company.drop(source, "a.csv", header, row, row.replace("1", "2"))
    assert company.night(source).run.succeeded
    assert len(company.loads(source)) == 2


def test_a_first_file_without_rows_is_refused_too(company: Company):
    company.drop(TICKETS, "a.csv", TICKET_HEADER)
    assert company.night(TICKETS).table.refused == ("a.csv: the load has no rows",)
    assert company.loads(TICKETS) == []


def test_a_file_of_0_bytes_is_a_problem_and_takes_nothing_away(company: Company):
    company.drop(TICKETS, "a.csv", *tickets(30))
    company.night(TICKETS)
    company.drop_bytes(TICKETS, "a.csv", b"")
    night = company.night(TICKETS)
    assert "a.csv: the file is empty, 0 bytes. Remedy: export it again" in night.problems
    assert (night.table.was_read, night.table.refused) == (False, ())
    assert len(company.rows(TICKETS, "_row")) == 30


def test_a_file_of_the_same_name_with_less_than_half_the_rows_is_refused(company: Company):
    company.drop(TICKETS, "a.csv", *tickets(100))
    company.night(TICKETS)
    company.drop(TICKETS, "a.csv", *tickets(49))
    night = company.night(TICKETS)
    assert "it has 49 rows, and the last file of this name had 100" in night.refused
    assert [load.about["rows"] for load in company.loads(TICKETS)] == [100]
    company.drop(TICKETS, "a.csv", *tickets(50))
    assert company.night(TICKETS).run.succeeded
    assert [load.about["rows"] for load in company.loads(TICKETS)] == [100, 50]


@pytest.mark.parametrize(
    ("name", "before", "after"), [("b.csv", 100, 10), ("a.csv", 49, 10)], ids=["other", "small"]
)
def test_a_file_of_another_name_or_after_a_small_one_may_be_short(
    company: Company, name: str, before: int, after: int
):
    company.drop(TICKETS, "a.csv", *tickets(before))
    company.night(TICKETS)
    company.drop(TICKETS, name, *tickets(after))
    night = company.night(TICKETS)
    assert (night.run.succeeded, night.table.accepted) == (True, after)


@pytest.mark.parametrize("cut", [1, 2, 14])
def test_a_row_cut_off_in_the_middle_is_kept_out_where_it_can_be_told(company: Company, cut: int):
    whole = "\r\n".join(tickets(30)).encode()
    company.drop_bytes(TICKETS, "a.csv", whole[:-cut])
    night = company.night(TICKETS)
    can_be_told = cut > 1
    assert (night.table.accepted, night.table.quarantined) == ((29, 1) if can_be_told else (30, 0))
    assert ("format" in night.red) is can_be_told
    assert ("every_row_fits_the_header" in night.stands.broken) is can_be_told
    company.drop_bytes(TICKETS, "a.csv", whole)
    night = company.night(TICKETS)
    assert (night.table.accepted, night.red, night.stands) == (30, set(), Standing())


def test_a_file_cut_off_within_quotes_loses_that_row_alone(company: Company):
    company.drop_bytes(TICKETS, "a.csv", "\r\n".join([*tickets(30), 'T99;K1;"Das Gerät']).encode())
    night = company.night(TICKETS)
    assert (night.table.accepted, night.table.quarantined) == (30, 1)
    assert "format" in night.red
    assert night.stands.broken["every_row_fits_the_header"] == 1


def _packed(path: Path) -> bytes:
    book = openpyxl.Workbook()
    for line in tickets(30):
        book.active.append(line.split(";"))
    book.save(path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "said"),
    [("a.xlsx", "a damaged or truncated workbook"), ("a.csv", "its content is packed with gzip")],
)
def test_a_packed_file_cut_off_is_a_problem_by_name_and_takes_nothing(
    company: Company, tmp_path: Path, name: str, said: str
):
    company.drop(TICKETS, "yesterday.csv", *tickets(30))
    company.night(TICKETS)
    packed = _packed(tmp_path / "a.xlsx") if name == "a.xlsx" else b"\x1f\x8b\x08\x00" + bytes(60)
    company.drop_bytes(TICKETS, name, packed[: len(packed) // 2])
    night = company.night(TICKETS)
    assert said in night.problems
    assert night.problems.startswith(name)
    assert (night.table.landed, night.table.was_read) == (0, False)
    assert len(company.rows(TICKETS, "_row")) == 30


def test_a_file_still_being_written_is_left_alone_and_read_the_next_night(company: Company):
    path = company.drop(TICKETS, "a.csv", *tickets(30))
    with path.open("a"):
        night = company.night(TICKETS)
    assert "a.csv is open for writing in another process" in "".join(night.run.left_alone)
    assert (night.run.succeeded, night.table.was_read, night.table.landed) == (True, False, 0)
    assert company.night(TICKETS).table.accepted == 30


def test_a_refused_load_is_not_taken_for_mended_while_its_file_is_being_written(company: Company):
    company.drop(TICKETS, "a.csv", TICKET_HEADER)
    company.night(TICKETS)
    path = company.drop(TICKETS, "a.csv", *tickets(30))
    with path.open("a"):
        assert company.night(TICKETS).refused == "a.csv: the load has no rows"
    night = company.night(TICKETS)
    assert (night.refused, night.table.accepted) == ("", 30)


# --- days, copies and encodings in a file


@pytest.mark.parametrize("day", ["05.01.2199", "31.12.1989", "2199-01-05T10:00:00Z"])
def test_a_row_with_an_implausible_day_is_kept_out(company: Company, day: str):
    company.drop(TICKETS, "a.csv", *tickets(30), ticket(99, opened=day))
    night = company.night(TICKETS)
    assert (night.table.accepted, night.table.quarantined, night.red) == (30, 1, {"errors"})
    assert night.stands.broken == {"opened_at_is_plausible": 1}
    assert "T99" not in company.rows(TICKETS, "ticket_id")
    assert night.table.newest_change.year == 2025, "what is ahead of us makes nothing current"


RECIPIENTS = rapidmail.SOURCE
RECIPIENT_HEADER = "E-Mail;Status;Geändert am"


@pytest.mark.parametrize("day", ["05.01.2199 10:00:00", "31.12.1989 10:00:00"])
def test_a_withdrawal_with_an_implausible_day_never_waits(company: Company, day: str):
    company.drop(RECIPIENTS, "a.csv", RECIPIENT_HEADER,
                 *(f"p{n}@example.com;active;05.01.2025 10:00:00" for n in range(30)))  # fmt: skip
    company.night(RECIPIENTS)
    company.drop(RECIPIENTS, "b.csv", RECIPIENT_HEADER, f"p1@example.com;deleted;{day}")
    night = company.night(RECIPIENTS)
    assert (night.table.accepted, night.table.quarantined, night.red) == (1, 0, {"errors"})
    assert "updated_at_is_plausible: 1 row let in and counted." in night.sentences("errors")
    assert company.rows(RECIPIENTS, "status")[-1] == "deleted"
    assert night.stands.to_correct == 0
    assert "p1@example.com" not in str(night.run.as_json())
    assert "p1@example.com" not in str(night.stands)


@pytest.mark.parametrize("decision", ["withdrawn", "objected"])
def test_a_refusal_on_paper_never_waits_and_a_consent_of_a_day_to_come_does(
    company: Company, decision: str
):
    source = consent_forms.SOURCE
    header = "id;Kanal;Kontakt;Zweck;Erklärung;Unterschrieben am;Fassung;Ablage"
    company.drop(
        source,
        "a.csv",
        header,
        f"1;email;p1@example.com;newsletter;{decision};05.01.2199;;",
        "2;email;p2@example.com;newsletter;granted;05.01.2199;messe-2025;Blatt 2",
    )
    night = company.night(source)
    assert (night.table.accepted, night.table.quarantined, night.red) == (1, 1, {"errors"})
    assert company.rows(source, "decision") == [decision]
    assert "example.com" not in str(night.run.as_json())
    assert "example.com" not in str(night.stands)


def test_a_registration_with_a_day_to_come_waits_for_it_is_no_withdrawal(company: Company):
    source = product_registrations.SOURCE
    company.drop(
        source, "a.csv", "id;E-Mail;Registriert am", "1;a@example.com;2199-01-05T10:00:00Z"
    )
    night = company.night(source)
    assert (night.table.accepted, night.table.quarantined, night.red) == (0, 1, {"errors"})


def test_a_row_that_stands_twice_is_let_in_and_counted(company: Company):
    company.drop(TICKETS, "a.csv", *tickets(30), ticket(4), ticket(4, content="2"))
    night = company.night(TICKETS)
    assert (night.table.accepted, night.table.quarantined, night.red) == (32, 0, {"errors"})
    assert night.stands.broken == {"record_stands_only_once": 2}
    assert night.stands.to_correct == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_the_umlauts_are_the_same_in_every_encoding(company: Company, encoding: str):
    company.drop(TICKETS, "a.csv", *tickets(30), encoding=encoding)
    assert company.night(TICKETS).table.accepted == 30
    assert company.rows(TICKETS, "subject")[7] == "Gerät 7 defekt"


@pytest.mark.parametrize(
    ("stated", "content", "said"),
    [
        ("utf-8", "cp1252", "bytes that are not utf-8, which the mapping states"),
        (None, "mixed", "it holds two encodings"),
        ("windows-1252", "utf-16", "the mapping states windows-1252, but"),
    ],
)
def test_a_wrong_encoding_is_a_problem_of_the_file(
    company: Company, stated: str | None, content: str, said: str
):
    company.drop(TICKETS, "yesterday.csv", *tickets(30))
    company.night(TICKETS)
    if stated:
        company.drop_bytes(TICKETS, "a.yml", f"encoding: {stated}".encode())
    lines = "\r\n".join(tickets(30))
    mixed = lines.encode() + "\r\nT99;K1;Gerät;05.01.2025;1".encode("cp1252")
    company.drop_bytes(TICKETS, "a.csv", mixed if content == "mixed" else lines.encode(content))
    night = company.night(TICKETS)
    assert said in night.problems
    assert (night.table.landed, night.table.was_read) == (0, False)
    assert len(company.rows(TICKETS, "_row")) == 30


# --- what was corrected leaves the list of what stands


def test_a_row_corrected_in_another_file_leaves_by_its_key(company: Company):
    company.drop(TICKETS, "a.csv", *tickets(30), ticket(98, content="99"), ticket(99, content="99"))
    company.night(TICKETS)
    company.drop(TICKETS, "b.csv", TICKET_HEADER, ticket(99))
    night = company.night(TICKETS)
    assert [is_open for _, _, is_open in company.findings(TICKETS)] == [True, False]
    assert (night.stands.to_correct, night.red) == (1, {"format"})


def test_rows_without_a_key_do_not_correct_each_other(company: Company):
    without = f";{ticket(1).partition(';')[2]}"
    company.drop(TICKETS, "a.csv", *tickets(30), without)
    company.night(TICKETS)
    company.drop(TICKETS, "b.csv", *tickets(31), without)
    night = company.night(TICKETS)
    rule = "ticket_id_is_filled"
    assert company.findings(TICKETS) == [("a.csv", rule, True), ("b.csv", rule, True)]
    assert night.stands.to_correct == 2
    company.drop(TICKETS, "a.csv", *tickets(32))
    night = company.night(TICKETS)
    assert company.findings(TICKETS) == [("a.csv", rule, False), ("b.csv", rule, True)]
    assert (night.stands.to_correct, night.red) == (1, {"errors"})


def test_a_file_read_anew_that_is_still_wrong_is_listed_once(company: Company):
    company.drop(TICKETS, "a.csv", *tickets(30), ticket(99, content="99"))
    company.night(TICKETS)
    company.drop(TICKETS, "a.csv", *tickets(31), ticket(99, content="98"))
    night = company.night(TICKETS)
    assert [is_open for _, _, is_open in company.findings(TICKETS)] == [False, True]
    assert (night.stands.to_correct, night.table.to_correct) == (1, 1)


# --- the required source


def test_the_first_sales_list_refused_leaves_no_customers(company: Company):
    company.drop_bytes(SALES, "mapping.yml", SALES_MAPPING.encode())
    company.drop(SALES, "a.csv", SALES_HEADER, *(sale(n, price="viel") for n in range(10)))
    night = company.night(SALES)
    assert "10 of 10 rows (100.0%) are bad" in night.refused
    assert not night.run.succeeded
    with pytest.raises(NoAccounting, match="drop a sales list"):
        require_accounting(company.settings)


def test_a_later_sales_list_refused_leaves_yesterdays_customers(shop: Company):
    shop.drop(SALES, "sales_2025-04.csv", SALES_HEADER, *(sale(n, day="gestern") for n in range(9)))
    night = shop.night(SALES)
    assert "most often broken: date_is_a_calendar_day (9 rows)" in night.refused
    require_accounting(shop.settings)
    assert len(shop.rows(SALES, "_row")) == 60


@pytest.mark.parametrize(("bad", "is_let_in"), [(2, True), (3, False)])
def test_a_handful_of_bad_sales_is_too_many_where_they_are_a_fifth(
    shop: Company, bad: int, is_let_in: bool
):
    lines = [*(sale(n, price="10.50 €") for n in range(bad)), *map(sale, range(bad, 10))]
    shop.drop(SALES, "sales_2025-04.csv", SALES_HEADER, *lines)
    night = shop.night(SALES)
    assert bool(night.table.refused) is not is_let_in
    assert night.table.quarantined == (bad if is_let_in else 0)


def test_half_a_sales_list_is_refused_and_a_whole_one_heals_it(shop: Company):
    shop.drop(SALES, "sales_2025-03.csv", *sales(20))
    assert "the export seems cut off" in shop.night(SALES).refused
    assert len(shop.rows(SALES, "_row")) == 60
    shop.drop(SALES, "sales_2025-03.csv", *sales(61))
    assert shop.night(SALES).run.succeeded


def test_a_sales_list_without_a_column_its_mapping_names_is_a_problem(shop: Company):
    shop.drop(SALES, "sales_2025-04.csv", SALES_HEADER.replace("Preis", "Preise"), sale(1))
    night = shop.night(SALES)
    assert "has no column 'Preis'" in night.problems
    assert "(did you mean 'Preise'?)" in night.problems
    assert len(shop.rows(SALES, "_row")) == 60


def test_a_new_column_of_the_sales_list_is_let_in(shop: Company):
    shop.drop(SALES, "sales_2025-04.csv", f"{SALES_HEADER};Lager", f"{sale(99)};Nord")
    night = shop.night(SALES)
    assert (night.run.succeeded, night.red) == (True, {"format"})
    assert "Lager (1 row)" in night.sentences("format")


def test_invoices_without_a_number_do_not_correct_each_other(shop: Company):
    for month in ("04", "05"):
        lines = [*sales(60), f"05.01.2199;;K{month};1;1,00"]
        shop.drop(SALES, f"sales_2025-{month}.csv", *lines)
        shop.night(SALES)
    rule = "date_is_plausible"
    assert shop.findings(SALES) == [
        ("sales_2025-04.csv", rule, True),
        ("sales_2025-05.csv", rule, True),
    ]


# --- DATEV, where a field is told by its position


DATEV = datev.SOURCE


def drop_bookings(company: Company, name: str, *rows: str, names: str = ";".join(NAMES)) -> Path:
    return company.drop(DATEV, name, datev_header(), names, *rows, encoding="cp1252")


def bookings(count: int) -> list[str]:
    return [booking({11: f'"RE-{number}"'}) for number in range(count)]


@pytest.fixture
def books(company: Company) -> Company:
    """A company whose bookings of July are in force."""
    drop_bookings(company, "EXTF_07.csv", *bookings(60))
    assert company.night(DATEV).run.succeeded
    return company


def test_a_field_that_a_later_datev_version_appends_is_let_in(books: Company):
    names = ";".join([*NAMES, "Leistungsland"])
    drop_bookings(books, "EXTF_07.csv", *(f"{row};AT" for row in bookings(60)), names=names)
    night = books.night(DATEV)
    assert (night.run.succeeded, night.red) == (True, {"format"})
    assert "New fields, kept in _extra: " in night.sentences("format")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({1: '"viel"'}, "amount_is_a_number"),
        ({2: '"X"'}, "debit_credit_is_one_of_the_known"),
        ({10: "2025-07-15"}, "every_row_fits_the_header"),
    ],
)
def test_datev_bookings_of_another_form_are_kept_out_one_by_one_or_all(
    books: Company, changes: dict, rule: str
):
    bad = [booking(changes)] * 21
    drop_bookings(books, "EXTF_07.csv", *bad, *bookings(39))
    assert "21 of 60 rows (35.0%) are bad" in books.night(DATEV).refused
    assert len(books.rows(DATEV, "_row")) == 60
    drop_bookings(books, "EXTF_07.csv", *bad[:20], *bookings(40))
    night = books.night(DATEV)
    assert (night.table.accepted, night.table.quarantined) == (40, 20)
    assert night.stands.broken[rule] == 20
    drop_bookings(books, "EXTF_07.csv", *bookings(62))
    night = books.night(DATEV)
    assert (night.run.succeeded, night.red, night.stands) == (True, set(), Standing())


def test_datev_bookings_of_the_same_period_correct_those_of_another_name(books: Company):
    drop_bookings(books, "EXTF_07a.csv", *bookings(60), booking({1: "viel"}))
    assert books.night(DATEV).stands.to_correct == 1
    drop_bookings(books, "EXTF_07b.csv", *bookings(61))
    assert books.night(DATEV).stands == Standing()


def test_a_datev_file_without_bookings_or_cut_off_takes_nothing_away(books: Company):
    drop_bookings(books, "EXTF_07.csv")
    assert "EXTF_07.csv: the load has no rows" in books.night(DATEV).refused
    whole = drop_bookings(books, "EXTF_07.csv", *bookings(60)).read_bytes()
    books.drop_bytes(DATEV, "EXTF_07.csv", whole[: len(whole) // 3])
    assert "the export seems cut off" in books.night(DATEV).refused
    assert len(books.rows(DATEV, "_row")) == 60


def test_a_datev_row_cut_off_in_the_middle_is_kept_out(books: Company):
    whole = drop_bookings(books, "EXTF_07.csv", *bookings(60)).read_bytes()
    books.drop_bytes(DATEV, "EXTF_07.csv", whole[:-60])
    night = books.night(DATEV)
    assert (night.table.accepted, night.table.quarantined, night.red) == (
        59,
        1,
        {"format", "errors"},
    )


# --- a vendor's API


class Vendor:
    """Pipedrive's contract, but it answers what it is told to, and everything each time."""

    def __init__(self) -> None:
        self.answers: dict[str, list[dict]] = {}

    def pull(self, context: Pull) -> Iterator[Reading]:
        for table, records in self.answers.items():
            yield Reading(pipedrive.SOURCE.table(table), records, "everything")


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


def asked(company: Company, vendor: Vendor, table: str, records: list[dict]) -> Night:
    """A night in which the vendor answers these records for one table."""
    vendor.answers = {table: records}
    return company.night(replace(pipedrive.SOURCE, pull=vendor.pull), table)


def deal(number: int, **changes) -> dict:
    record = {
        "id": number,
        "title": f"Deal {number}",
        "value": 100.5,
        "currency": "EUR",
        "status": "open",
        "update_time": "2025-06-01T10:00:00Z",
    }
    return {name: value for name, value in (record | changes).items() if value is not ...}


def deals(count: int, **changes) -> list[dict]:
    return [deal(number, **changes) for number in range(count)]


def deal_ids(company: Company) -> int:
    return len(set(company.rows(pipedrive.SOURCE, "id", "deals")))


def test_a_new_field_of_an_api_is_let_in_and_said_once(company: Company, vendor: Vendor):
    assert asked(company, vendor, "deals", deals(60)).red == set()
    night = asked(company, vendor, "deals", [*deals(60)[:58], *deals(60, mood="gut")[58:]])
    assert (night.run.succeeded, night.table.accepted, night.red) == (True, 2, {"format"})
    assert night.sentences("format").startswith("New fields, kept in _extra: mood (2 rows). Ask")
    assert asked(company, vendor, "deals", deals(60, mood="gut")).red == set()


@pytest.mark.parametrize(("count", "red"), [(60, {"format"}), (49, set())])
def test_an_optional_field_an_api_no_longer_sends_is_said_where_many_lack_it(
    company: Company, vendor: Vendor, count: int, red: set
):
    asked(company, vendor, "deals", deals(count))
    night = asked(company, vendor, "deals", deals(count, currency=...))
    assert (night.run.succeeded, night.table.accepted, night.red) == (True, count, red)
    assert ("No longer sent: currency." in night.sentences("format")) is bool(red)


def test_a_required_field_an_api_no_longer_sends_keeps_the_answer_out(
    company: Company, vendor: Vendor
):
    asked(company, vendor, "deals", deals(60))
    night = asked(company, vendor, "deals", deals(60, status=...))
    assert "most often broken: status_is_filled (60 rows)" in night.refused
    assert company.rows(pipedrive.SOURCE, "status", "deals") == ["open"] * 60
    night = asked(company, vendor, "deals", deals(60, status="won"))
    assert (night.run.succeeded, night.red) == (True, set()), "answered well again, it is mended"
    assert company.rows(pipedrive.SOURCE, "status", "deals")[60:] == ["won"] * 60


def test_a_renamed_field_of_an_api_is_said_twice(company: Company, vendor: Vendor):
    asked(company, vendor, "deals", deals(60))
    renamed = [deal(number, title=..., name=f"Deal {number}") for number in range(60)]
    night = asked(company, vendor, "deals", renamed)
    assert (night.run.succeeded, night.red) == (True, {"format"})
    assert "New fields, kept in _extra: name (60 rows)." in night.sentences("format")
    assert "No longer sent: title." in night.sentences("format")


@pytest.mark.parametrize(
    ("change", "rule", "family"),
    [
        ({"value": "1.234,56"}, "value_is_a_number", "format"),
        ({"org_id": "Beispiel GmbH"}, "org_id_is_a_whole_number", "format"),
        ({"update_time": "last Tuesday"}, "update_time_is_a_moment", "format"),
        ({"status": "frozen"}, "status_is_one_of_the_known", "errors"),
        ({"status": None}, "status_is_filled", "errors"),
        ({"update_time": "2199-01-01T00:00:00Z"}, "update_time_is_plausible", "errors"),
    ],
)
def test_records_of_another_form_are_kept_out_one_by_one_or_all(
    company: Company, vendor: Vendor, change: dict, rule: str, family: str
):
    asked(company, vendor, "deals", deals(60))
    night = asked(company, vendor, "deals", deals(60, **change))
    assert f"most often broken: {rule} (60 rows)" in night.refused
    assert len(company.loads(pipedrive.SOURCE, "deals")) == 1, "yesterday's are still in force"
    night = asked(company, vendor, "deals", [deal(0, **change), *deals(60)[1:]])
    assert (night.run.succeeded, night.table.quarantined, night.red) == (True, 1, {family})
    assert night.stands.broken == {rule: 1}


def test_an_object_that_became_a_text_is_kept_beside_and_said(company: Company, vendor: Vendor):
    def organizations(address: object) -> list[dict]:
        when = "2025-06-01T10:00:00Z"
        return [{"id": n, "name": "A", "address": address, "update_time": when} for n in range(60)]

    asked(company, vendor, "organizations", organizations({"value": "Gasse 1", "route": "Gasse"}))
    night = asked(company, vendor, "organizations", organizations("Gasse 1"))
    assert (night.run.succeeded, night.red) == (True, {"format"})
    assert "New fields, kept in _extra: address (60 rows)" in night.sentences("format")
    assert "No longer sent: address, street" in night.sentences("format")


@pytest.mark.parametrize("left", [0, 79])
def test_an_api_that_loses_more_than_a_fifth_is_not_believed(
    company: Company, vendor: Vendor, left: int
):
    asked(company, vendor, "deals", deals(100))
    night = asked(company, vendor, "deals", deals(left, title="changed"))
    assert f"{100 - left} of 100 records are gone at once" in night.problems
    assert (night.table.landed, night.table.was_read, night.red) == (0, False, set())
    assert not night.run.succeeded
    assert deal_ids(company) == 100
    assert set(company.rows(pipedrive.SOURCE, "_is_deleted", "deals")) == {None}


def test_a_fifth_of_the_records_may_be_deleted_at_once(company: Company, vendor: Vendor):
    asked(company, vendor, "deals", deals(100))
    night = asked(company, vendor, "deals", deals(80))
    assert (night.run.succeeded, night.table.accepted) == (True, 20)
    assert night.table.judged == 0, "in a deletion there is nothing to judge"


@pytest.mark.parametrize("when", ["2199-01-01T00:00:00Z", "1989-12-31T00:00:00Z"])
def test_a_person_who_withdraws_with_an_implausible_day_is_let_in(
    company: Company, vendor: Vendor, when: str
):
    person = {"id": 1, "name": "Erika", "update_time": "2025-06-01T10:00:00Z"}
    asked(company, vendor, "persons", [person | {"marketing_status": "subscribed"}])
    withdrawn = person | {"marketing_status": "unsubscribed", "update_time": when}
    night = asked(company, vendor, "persons", [withdrawn])
    assert (night.table.accepted, night.table.quarantined, night.red) == (1, 0, {"errors"})
    assert night.stands.broken == {"update_time_is_plausible": 1}
    assert company.rows(pipedrive.SOURCE, "marketing_status", "persons")[-1] == "unsubscribed"


def test_of_a_record_answered_twice_the_last_one_is_landed(company: Company, vendor: Vendor):
    night = asked(company, vendor, "deals", [*deals(30), deal(7, status="won")])
    assert (night.table.landed, night.table.accepted, night.red) == (30, 30, set())
    assert company.rows(pipedrive.SOURCE, "status", "deals").count("won") == 1


def test_a_corrected_record_of_an_api_leaves_and_the_checks_heal(company: Company, vendor: Vendor):
    wrong = deals(2, value="viel")
    night = asked(company, vendor, "deals", [*wrong, *deals(30)[2:]])
    assert (night.stands.to_correct, night.red) == (2, {"format"})
    assert asked(company, vendor, "deals", [*wrong, *deals(30)[2:]]).red == {"format"}
    night = asked(company, vendor, "deals", [wrong[0], *deals(30)[1:]])
    assert (night.stands.to_correct, night.red) == (1, {"format"})
    assert [is_open for _, _, is_open in company.findings(pipedrive.SOURCE, "deals")] == [
        True,
        False,
    ]
    night = asked(company, vendor, "deals", deals(30))
    assert (night.stands, night.red) == (Standing(), set())


def test_a_deleted_record_of_an_api_leaves_and_the_checks_heal(company: Company, vendor: Vendor):
    asked(company, vendor, "deals", [deal(99, value="viel"), *deals(30)])
    night = asked(company, vendor, "deals", deals(30))
    assert (night.table.landed, night.stands, night.red) == (1, Standing(), set())
    assert company.findings(pipedrive.SOURCE, "deals") == [("99", "value_is_a_number", False)]


def test_a_correction_that_is_wrong_again_is_listed_once(company: Company, vendor: Vendor):
    asked(company, vendor, "deals", [deal(0, value="viel"), *deals(30)[1:]])
    night = asked(company, vendor, "deals", [deal(0, value="mehr"), *deals(30)[1:]])
    assert night.stands.to_correct == 1
    assert night.stands.sample[0]["value"] == "mehr"


def test_a_vendor_that_falls_silent_turns_reliability_red(company: Company, vendor: Vendor):
    night = asked(company, vendor, "deals", deals(30))
    folder = company.lake.root / "runs" / "pipedrive"
    for days in range(1, 41):
        started_at = night.run.started_at - timedelta(days=days)
        past = TableRun(was_read=True, landed=30, judged=30, columns=("id",))
        run = SourceRun("pipedrive", "earlier", started_at, True, tables={"deals": past})
        write_json(folder / f"{started_at:%Y%m%dT%H%M%S%f}.json", run.as_json())
    assert night.red == set()
    (folder / f"{night.run.started_at:%Y%m%dT%H%M%S%f}.json").unlink()
    night = asked(company, vendor, "deals", deals(30))
    assert (night.table.landed, night.run.succeeded, night.red) == (0, True, {"reliability"})
    assert "no row arrived" in night.sentences("reliability")


@pytest.mark.parametrize("opened", ["10000-01-01 00:00:00", "99999-01-01", "infinity"])
def test_a_moment_that_no_calendar_has_is_one_bad_row(company, opened: str):
    company.drop(TICKETS, "a.csv", *tickets(30), ticket(99, opened=opened))
    assert company.night(TICKETS).table.quarantined == 1


@pytest.mark.parametrize("content", [b"", b"\r\n\r\n"])
def test_a_datev_file_without_a_header_is_a_problem_of_that_file(books, content: bytes):
    books.drop_bytes(DATEV, "EXTF_08.csv", content)
    assert "EXTF_08.csv" in books.night(DATEV).problems


def test_a_new_field_of_a_datev_file_is_named(books):
    names = ";".join([*NAMES, "Leistungsland"])
    drop_bookings(books, "EXTF_07.csv", *(f"{row};AT" for row in bookings(60)), names=names)
    assert "126 Leistungsland (60 rows)" in books.night(DATEV).sentences("format")


def test_rows_without_a_number_are_no_copies_of_each_other(company):
    without = f";{ticket(1).partition(';')[2]}"
    company.drop(TICKETS, "a.csv", *tickets(30), without, without)
    assert set(company.night(TICKETS).stands.broken) == {"ticket_id_is_filled"}


def test_half_a_key_closes_no_finding_of_another_file(company):
    rows = [*map(rating, range(30))]
    company.drop(RATINGS, "a.csv", RATING_HEADER, *rows, rating(99, day=""))
    company.night(RATINGS)
    company.drop(RATINGS, "b.csv", RATING_HEADER, *rows, rating(99, day="", index="500"))
    assert company.night(RATINGS).stands.to_correct == 2


def test_a_row_that_is_kept_out_is_not_listed_as_let_in(company):
    company.drop(TICKETS, "a.csv", *tickets(30), "T98;K1;x;;3", "T98;K1;x;;3")
    assert "let in and counted" not in company.night(TICKETS).sentences("errors")


def test_a_moment_with_an_offset_and_without_seconds_is_read(company):
    company.drop(TICKETS, "a.csv", *tickets(30), ticket(99, opened="2025-01-05T10:00Z"))
    assert company.night(TICKETS).table.quarantined == 0
