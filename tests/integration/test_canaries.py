"""Canary secrets and canary persons through every failing path: nothing kept or printed holds one.

S01 and S05 of the catalogue. Rows themselves lie in the inbox and in the lake's Parquet, nowhere
else. What the messages say besides is tested where they are made.
"""

import html
import io
import json
import logging
import os
import sqlite3
import traceback
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import duckdb
import openpyxl
import pyarrow.parquet as pq
import pytest
import requests
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from pipelines.assets import raw
from pipelines.checks import raw_check_results
from pipelines.ingest import in_force, ingest
from pipelines.resources import Company
from pipelines.settings import TELEMETRY_OFF, Settings, SettingsProblem, load_settings
from pipelines.source_runs import record_run
from quality.gate import MASK
from quality.history import SourceRun
from sources.access import Configured
from sources.accounting import datev, sales_list
from sources.company import product_registrations, service_plan
from sources.complaints import ticket_list
from sources.contract import Column, Pull, Secret, Source
from sources.demo.serving import serving
from sources.demo.systems import SERVERS
from sources.http import Api, Patience
from sources.landing import Lake
from sources.newsletter import rapidmail
from sources.registry import SOURCES, source_named
from sources.reviews import review_list
from tests.conftest import pipelines
from tests.unit.test_datev import NAMES, booking, line
from tests.unit.test_datev import header as datev_header

SECRET = "CANARY-SECRET-7f3a9c2e51"
PERSON = {
    "name": "Kanarina Vogelsang-Quittenbaum",
    "email": "kanarina@quittenbaum.example",
    "phone": "+49 30 23125 987",
    "address": "Zeisiggäßchen 17",
    "text": "Mein Wellensittich grämt sich über das Gerät",
    "ip": "198.51.100.77",
    "id": "kanarina@quittenbaum.example",
    "birthday": "am Tag der Nachtigall",
}
NAME, EMAIL = PERSON["name"], PERSON["email"]
# What must be nowhere, in lower case; parts of the name, for half of it is a person, too.
CANARIES = (
    "7f3a9c2e51", "kanarina", "vogelsang", "quittenbaum", "23125 987", "23125987", "zeisiggäßchen",
    "wellensittich grämt", "198.51.100.77", "tag der nachtigall",
)  # fmt: skip
PERSONS_ROW = ";".join(
    ("K17", NAME, EMAIL, PERSON["phone"], PERSON["address"], PERSON["text"], "01.03.2025")
)
LISTS = tuple(source for source in SOURCES if not source.secrets and source.name != "datev")
SALES_MAPPING = "columns: {date: Datum, invoice_number: Beleg, customer_name: Kunde, amount: Netto}"


def spellings(canary: str) -> set[bytes]:
    """The canary in raw UTF-8, and as JSON, HTML, UTF-16 and Latin-1 write it."""
    escaped = json.dumps(canary)[1:-1]
    return {
        canary.encode(),
        escaped.encode(),
        # JSON within JSON.
        json.dumps(escaped)[1:-1].encode(),
        html.escape(canary).encode(),
        canary.encode("utf-16-le"),
        canary.encode("latin-1"),
    }


NEEDLES = {spelling: canary for canary in CANARIES for spelling in spellings(canary)}


def found_in(content: str | bytes) -> set[str]:
    """The canaries in a text or in the bytes of a file."""
    # Lower case before it is bytes: bytes.lower() leaves Ä as it is.
    texts = [content.encode("utf-8", "surrogatepass")] if isinstance(content, str) else [content]
    return {canary for text in texts for n, canary in NEEDLES.items() if n in text.lower()}


def kept(home: Path) -> dict[str, set[str]]:
    """Every kept file that holds a canary, by its path; rows in the inbox and the lake excepted."""
    places = {}
    for path in home.rglob("*"):
        place = path.relative_to(home)
        if not path.is_file() or place.parts[0] == "inbox" or place.name == "stammkunde.yml":
            continue
        contents: list[str | bytes] = []
        if place.parts[0] == "lake" and path.suffix == ".parquet":
            if path.name in ("reasons.parquet", "findings.parquet"):
                contents.append(str(pq.read_table(path).to_pylist()))
        else:
            contents.append(path.read_bytes())
            contents += readable(path)
        places[str(place)] = set().union(*map(found_in, contents))
    assert places, "a search that looks into nothing finds nothing"
    return {place: found for place, found in places.items() if found}


def readable(path: Path) -> Iterator[str | bytes]:
    """What the bytes of a file hide: rows of databases and the members of a workbook."""
    if path.suffix == ".db":
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            yield "\n".join(db.iterdump())
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as db:
            for schema, table in db.sql(
                "select schema_name, table_name from duckdb_tables()"
            ).fetchall():
                yield str(db.sql(f'from "{schema}"."{table}"').fetchall())
    elif path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as book:
            yield from (book.read(name) for name in book.namelist())


@dataclass(frozen=True)
class Night:
    """One run of one source: its record, and everything that was said of it anywhere."""

    run: SourceRun
    said: str

    @property
    def sentences(self) -> str:
        results = [r for table in self.run.tables.values() for r in table.families.values()]
        return " ".join(fault.sentence for result in results for fault in result.faults)


class Home:
    """A home whose sources are run one by one, with everything that is said of them caught."""

    def __init__(self, home: Path, caplog: pytest.LogCaptureFixture, capfd) -> None:
        self.path, self._caplog, self._capfd = home, caplog, capfd
        self._written_at = 1_700_000_000
        caplog.set_level(logging.DEBUG)

    def drop(self, source: Source, name: str, content: str | bytes) -> None:
        self._written_at += 60
        dropped(self.path, source, name, content, self._written_at)

    def night(self, source: Source, configured: dict[str, Configured] | None = None) -> Night:
        settings = Settings(home=self.path, configured=configured or {})
        report = ingest(source, settings)
        run, standings = record_run(report, settings, "a test")
        lake = Lake(settings.lake)
        checks = [
            result
            for table in source.tables
            for result in raw_check_results(
                source, table, run, standings[table.name],
                in_force(lake, settings, source, table),
            )
        ]  # fmt: skip
        said = [self._caplog.text, *self._capfd.readouterr(), str(run.as_json()), str(checks)]
        if not source.secrets:
            said += source.check(Pull(settings.setup.inbox(source.name), "EUR"))
        return Night(run, "\n".join(said))


@pytest.fixture
def home(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd) -> Home:
    return Home(tmp_path, caplog, capfd)


def dropped(
    home: Path, source: Source, name: str, content: str | bytes, at: int = 1_700_000_000
) -> None:
    path = home / "inbox" / source.name / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (at, at))


def lines(*rows: str) -> str:
    return "".join(f"{row}\n" for row in rows)


# --- rows


GOOD = {
    "decimal": "4", "integer": "4", "date": "2025-03-01", "timestamp": "2025-03-01T10:00:00Z",
    "flag": "ja", "json": "[]",
}  # fmt: skip


def good(column: Column, number: int) -> str:
    if column.name == "created_time" or column.name == "activated_time":
        return "10:00"
    if column.name == "currency":
        return "EUR"
    if column.choices:
        return column.choices[0]
    if column.personal == "email" or column.name == "entry":
        return f"gut{number}@example.com"
    return GOOD.get(column.kind) or f"{column.name}{number}"


def columns_of(source: Source) -> list[Column]:
    columns = source.tables[0].columns
    if source.name == "sales_list":
        return [column for column in columns if column.name in sales_list.MAPPABLE]
    return list(columns)


def good_row(source: Source, number: int, changed: dict[str, str] | None = None) -> str:
    row = {column.name: good(column, number) for column in columns_of(source)} | (changed or {})
    return ";".join(row.values())


def persons_row(source: Source, number: int, broken: dict[str, str]) -> str:
    """A row of the canary's, its columns that are personal filled with her, and what is wrong."""
    personal = {c.name: PERSON[c.personal] for c in columns_of(source) if c.personal}
    return good_row(source, number, personal | broken)


def bad_rows(source: Source) -> list[str]:
    """One row for everything that can be wrong with a column; and some that slipped by a column."""
    broken = []
    for column in columns_of(source):
        if column.required:
            broken.append({column.name: ""})
        if column.kind in GOOD or column.pattern or column.choices:
            broken.append({column.name: PERSON.get(column.personal or "", "?")})
            broken.append({column.name: EMAIL})
    rows = [persons_row(source, 900 + n, one) for n, one in enumerate(broken)]
    whole = persons_row(source, 990, {})
    # Too many fields, too few, a quote never closed, a NUL.
    return [*rows, f"{whole};{NAME}", NAME, f'"{whole}', f"{whole}\0"]


def drop_list(home: Home, source: Source, *rows: str) -> None:
    header = ";".join(column.name for column in columns_of(source))
    if source.name == "sales_list":
        named = ", ".join(f"{column.name}: {column.name}" for column in columns_of(source))
        home.drop(source, "mapping.yml", f"columns: {{{named}}}\ndecimal_mark: ','\n")
    home.drop(source, "liste.csv", lines(header, *rows))


@pytest.mark.parametrize("source", LISTS, ids=lambda source: source.name)
def test_of_bad_rows_only_their_place_and_rule_are_told(source: Source, home: Home):
    bad = bad_rows(source)
    drop_list(home, source, *(good_row(source, n) for n in range(6 * len(bad))), *bad)
    night = home.night(source)
    (table,) = night.run.tables.values()
    assert (table.accepted > 0, table.quarantined > 3, table.refused) == (True, True, ())
    assert found_in(night.said) == set()
    assert kept(home.path) == {}
    (reasons,) = (home.path / "lake" / "quarantine").rglob("reasons.parquet")
    if source is rapidmail.SOURCE:
        # Masked, not left out: somebody has to see that there is something.
        assert MASK in pq.read_table(reasons)["value"].to_pylist()
        assert MASK in pq.read_table(reasons)["record_key"].to_pylist()


@pytest.mark.parametrize("source", LISTS, ids=lambda source: source.name)
def test_of_a_refused_load_only_counts_are_told(source: Source, home: Home):
    drop_list(home, source, *(row for _ in range(8) for row in bad_rows(source)[:-1]))
    night = home.night(source)
    (table,) = night.run.tables.values()
    assert "are bad, more than the 20% allowed" in "".join(table.refused)
    assert found_in(night.said) == set()
    assert kept(home.path) == {}


def test_of_bad_datev_rows_only_their_place_and_rule_are_told(home: Home):
    texts = {14: PERSON["text"], 11: "RE-9"}
    bad = [
        booking(texts | {7: NAME}),
        booking(texts | {40: EMAIL, 10: "9999"}),
        booking(texts | {1: EMAIL}),
        booking(texts) + f";{NAME};{EMAIL}",
        booking({14: f'"{NAME}'}),
    ]
    content = lines(datev_header(), ";".join(NAMES), *[booking()] * 40, *bad)
    home.drop(datev.SOURCE, "EXTF_bookings.csv", content.encode("cp1252"))
    person = {
        2: NAME, 4: NAME, 5: NAME, 6: NAME, 8: NAME, 10: EMAIL, 16: PERSON["address"],
        29: PERSON["phone"], 33: EMAIL, 99: EMAIL, 102: NAME, 110: "?",
    }  # fmt: skip
    accounts = [line({1: "10001", 2: "Gut"}, 125)] * 40
    accounts += [line(person | {1: EMAIL}, 125), line(person | {1: "10002"}, 125), NAME]
    master = datev_header({3: "16", 4: '"Debitoren/Kreditoren"', 5: "5", 15: "", 16: ""})
    content = lines(master, ";".join(NAMES), *accounts)
    home.drop(datev.SOURCE, "EXTF_debtors.csv", content.encode("cp1252"))
    home.drop(datev.SOURCE, "EXTF_rows_alone.csv", PERSONS_ROW)
    night = home.night(datev.SOURCE)
    assert [night.run.tables[name].quarantined for name in ("bookings", "accounts")] == [5, 3]
    assert "EXTF_rows_alone.csv, line 1: does not begin with a DATEV header" in night.said
    assert found_in(night.said) == set()
    assert kept(home.path) == {}


# --- files


def workbook(*rows: Sequence[object], title: str = "Tabelle") -> bytes:
    book, content = openpyxl.Workbook(), io.BytesIO()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    book.save(content)
    return content.getvalue()


def text_in_a_number_cell() -> bytes:
    content, spoilt = (
        io.BytesIO(workbook([*TICKET_HEADER.split(";")], [17, "K", "a", "b", 4711])),
        io.BytesIO(),
    )
    with zipfile.ZipFile(content) as whole, zipfile.ZipFile(spoilt, "w") as other:
        for name in whole.namelist():
            other.writestr(name, whole.read(name).replace(b"4711", NAME.encode()))
    return spoilt.getvalue()


TICKET_HEADER = "Ticket;Kundennummer;E-Mail;Betreff;Eröffnet am"
# What it is, whose it is, the files in the inbox, and what is still said.
FILES: tuple[tuple[str, Source, dict[str, str | bytes], str], ...] = (
    (
        "a file without a header, whose first line is a person",
        ticket_list.SOURCE,
        {"a.csv": lines(PERSONS_ROW, PERSONS_ROW.replace("K17", "K18"))},
        "has no column for 'ticket_id', 'opened_at'",
    ),
    (
        "a first line of nothing but names",
        rapidmail.SOURCE,
        {"a.csv": lines("Kanarina;Vogelsang;Quittenbaum", "a;b;c")},
        "none of the 3 columns' names in this line is known",
    ),
    (
        "a person as a column, beside columns that are known",
        ticket_list.SOURCE,
        {"a.csv": lines(f"Ticket;Betreff;{NAME}", "1;2;3")},
        "the file's columns are: Ticket, Betreff, 1 not shown",
    ),
    (
        "two columns of one person's name",
        product_registrations.SOURCE,
        {"a.csv": lines(f"id;{NAME};{NAME}", "1;2;3")},
        "two columns have one name, number 2 and number 3",
    ),
    (
        "a row as the header that says one thing twice",
        product_registrations.SOURCE,
        {"a.csv": lines(f"Kanarina;Kanarina;{EMAIL};01.03.2025", "1;2;3;4")},
        "two columns have one name, number 1 and number 2",
    ),
    (
        "a header cut off within quotes",
        ticket_list.SOURCE,
        {"a.csv": f'Ticket;"{NAME};{EMAIL}'},
        "a.csv, line 1",
    ),
    (
        "a line cut off within quotes",
        ticket_list.SOURCE,
        {"a.csv": lines(TICKET_HEADER) + f'T1;K1;{EMAIL};"{PERSON["text"]}'},
        "every_row_fits_the_header",
    ),
    (
        "two encodings in one file",
        ticket_list.SOURCE,
        {"a.csv": lines(TICKET_HEADER, "ü;ä;ö;ß;é").encode() + PERSONS_ROW.encode("cp1252")},
        "it holds two encodings",
    ),
    (
        "a workbook that is none",
        ticket_list.SOURCE,
        {"a.xlsx": b"PK\x03\x04" + PERSONS_ROW.encode()},
        "a damaged or truncated workbook",
    ),
    (
        "a workbook with a text where it promises a number",
        ticket_list.SOURCE,
        {"a.xlsx": text_in_a_number_cell()},
        "the workbook is damaged (ValueError)",
    ),
    (
        "a workbook with a person as a sheet",
        ticket_list.SOURCE,
        {"a.xlsx": workbook(["Ticket"], title=NAME), "mapping.yml": "sheet: Mai\n"},
        "no sheet is called 'Mai'",
    ),
    (
        "a Parquet file that is none",
        ticket_list.SOURCE,
        {"a.parquet": b"PAR1" + PERSONS_ROW.encode() + b"PAR1"},
        "the Parquet file is damaged",
    ),
    (
        "no delimiter",
        ticket_list.SOURCE,
        {"a.csv": lines(NAME, NAME)},
        "no semicolon, comma or tab divides this line",
    ),
    (
        "a mapping to a person's name that is no column",
        ticket_list.SOURCE,
        {
            "a.csv": lines(TICKET_HEADER, PERSONS_ROW),
            "mapping.yml": f"columns: {{email: {NAME}}}\n",
        },
        "which the mapping names for 'email'",
    ),
    (
        "a mapping to the first row",
        sales_list.SOURCE,
        {
            "a.csv": lines(f"01.03.2025;R1;{NAME};10,50", f"02.03.2025;R2;{NAME};10,50"),
            "mapping.yml": f"columns: {{date: '01.03.2025', invoice_number: R1, "
            f"customer_name: {NAME}, amount: '10,50'}}\n",
        },
        "what the mapping names for 'date' reads like a value",
    ),
    (
        "a mapping turned round",
        sales_list.SOURCE,
        {"a.csv": lines("Datum;Netto", "1;2"), "mapping.yml": f"columns: {{{NAME}: date}}\n"},
        "has an unknown column",
    ),
    (
        "a mapping of a person's column as a number",
        sales_list.SOURCE,
        {
            "a.csv": lines(
                "Datum;Beleg;Kunde;Netto",
                f"01.03.2025;R1;K1;{NAME} 10,50",
                f"02.03.2025;R2;K2;{PERSON['address']}.5",
            ),
            "mapping.yml": SALES_MAPPING,
        },
        "Remedy: state decimal_mark:",
    ),
    (
        "a mapping of telephone numbers as numbers",
        sales_list.SOURCE,
        {
            "a.csv": lines(
                "Datum;Beleg;Kunde;Netto", "01.03.2025;R1;K1;030.23125987", "02.03.2025;R2;K2;1,5"
            ),
            "mapping.yml": SALES_MAPPING,
        },
        "Remedy: state decimal_mark:",
    ),
    (
        "a mapping that is no YAML",
        ticket_list.SOURCE,
        {"a.csv": lines(TICKET_HEADER, "1"), "mapping.yml": f"columns: {{email: [{NAME}\n{SECRET}"},
        "is no valid YAML",
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("source", "files", "said"), [case[1:] for case in FILES], ids=[case[0] for case in FILES]
)
def test_of_a_file_that_cannot_be_read_only_its_place_is_told(
    source: Source, files: dict[str, str | bytes], said: str, home: Home
):
    for name, content in files.items():
        home.drop(source, name, content)
    night = home.night(source)
    assert said in night.said
    assert found_in(night.said) == set()
    assert kept(home.path) == {}


def test_new_fields_are_named_unless_a_person_or_an_address_is_their_name(home: Home):
    row = "T{};K1;a@b.example;Gerät;05.01.2025"
    home.drop(ticket_list.SOURCE, "a1.csv", lines(TICKET_HEADER, *map(row.format, range(9))))
    home.night(ticket_list.SOURCE)
    header = f"{TICKET_HEADER};Kanal;{NAME};{NAME.upper()};{EMAIL};{PERSON['ip']}"
    rows = (row.format(n) + ";Web;1;2;3;4" for n in range(9, 18))
    home.drop(ticket_list.SOURCE, "a2.csv", lines(header, *rows))
    night = home.night(ticket_list.SOURCE)
    assert "New fields, kept in _extra: (a name not shown) (36 rows), Kanal (9 rows)." in (
        night.sentences
    )
    assert found_in(night.said) == set()
    assert kept(home.path) == {}


# --- answers


def _truncated(request: Request) -> Response:
    whole = json.dumps({"results": [PERSON], "token": SECRET})
    return Response(whole[:-20], media_type="application/json")


def _page(request: Request) -> Response:
    return HTMLResponse(f"<h1>Sorry</h1>{NAME} {EMAIL} {dict(request.headers)} {SECRET}", 500)


def _said(status: int) -> Callable[[Request], Response]:
    """The vendor's answer with the key, the whole request and a person in it."""
    return lambda request: JSONResponse(
        {"message": f"{SECRET} is not good for {NAME}", "asked": str(request.url),
         "headers": dict(request.headers), "person": PERSON},
        status,
        {"Retry-After": SECRET},
    )  # fmt: skip


ANSWERS: dict[str, Callable[[Request], Response]] = {
    **{str(status): _said(status) for status in (200, 400, 401, 403, 404, 409, 429)},
    "500 with a page": _page,
    "truncated JSON": _truncated,
    "a redirect": lambda request: RedirectResponse(f"https://x.example/?t={SECRET}&e={EMAIL}"),
    "a list": lambda request: JSONResponse([PERSON, SECRET]),
    "a text": lambda request: JSONResponse(f"{NAME} {SECRET}"),
    "a list of texts": lambda request: JSONResponse({"results": [NAME], "data": [NAME]}),
    "no gzip": lambda request: Response(NAME, headers={"Content-Encoding": "gzip"}),
}


def pointed_at(source: Source, base_url: str, secret: str = SECRET) -> dict[str, Configured]:
    """The source as a company names it, with the demo's options and canaries for keys."""
    server = __import__(SERVERS[source.name], fromlist=["connection"])
    options = {**server.connection(base_url).options, "requests": "1000", "seconds": "1"}
    names = [option.name for option in source.secrets]
    return {
        source.name: Configured(
            options=options,
            variables={name: f"VARIABLE_OF_{name.upper()}" for name in names},
            secrets={name: Secret(secret) for name in names},
        )
    }


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = Patience(attempts=2, first_wait=0.01, longest_wait=0.01)
    monkeypatch.setitem(Api.__init__.__kwdefaults__, "patience", patience)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", SERVERS)
def test_of_an_answer_only_its_kind_is_told(name: str, home: Home):
    source, now = source_named(name), {}

    async def app(scope, receive, send):
        await now["answer"](Request(scope, receive))(scope, receive, send)

    with serving(app) as base_url:
        for kind, answer in ANSWERS.items():
            now["answer"] = answer
            night = home.night(source, pointed_at(source, base_url))
            assert night.run.problems, kind
            assert found_in(night.said) == set(), kind
    assert kept(home.path) == {}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("secret", [f"{SECRET}\n", f"{SECRET}ü€", f" {SECRET}", f"{SECRET}\0"])
def test_a_key_that_cannot_be_sent_is_not_repeated(name: str, secret: str, home: Home):
    source = source_named(name)
    with serving(JSONResponse({}, 401)) as base_url:
        night = home.night(source, pointed_at(source, base_url, secret))
    assert night.run.problems
    assert found_in(night.said) == set()
    assert kept(home.path) == {}


def test_a_variable_that_is_not_set_is_named(home: Home):
    source = source_named("hubspot")
    said = Configured(variables={"access_token": "HUBSPOT_TOKEN"})
    night = home.night(source, {"hubspot": said})
    assert "the environment variable HUBSPOT_TOKEN is not set" in night.said


# --- the company's file


@pytest.mark.parametrize(
    "content",
    [
        f"sources: {{hubspot: {{secrets: {{access_token: {SECRET}}}}}}}",
        f"sources: {{hubspot: {{secrets: {SECRET}}}}}",
        f"sources: {{hubspot: {{secrets: [{SECRET}]}}}}",
        f"sources: {{hubspot: {{access_token: {SECRET}}}}}",
        f"sources: {{hubspot: {{options: {{access_token: {SECRET}}}}}}}",
        f"sources: {{hubspot: {SECRET}}}",
        f"alerts: {{webhook: {{url: 'https://hooks.example/{SECRET}'}}}}",
        f"alerts: {{webhook: 'https://hooks.example/{SECRET}'}}",
        "alerts: {email: {host: m.example, sender: a@b.example, recipients: [a@b.example], "
        f"user: u, password: {SECRET}}}}}",
        pytest.param(
            f"sources:\n  hubspot:\n    secrets: {{access_token: {SECRET}: [}}",
            id="a line that is no YAML",
        ),
        pytest.param(
            f"sources: {{hubspot: {{secrets: {{{SECRET}: HUBSPOT_TOKEN}}}}}}",
            id="a secret in the place of its name",
        ),
    ],
)
def test_a_secret_in_the_companys_file_is_refused_and_not_repeated(content: str, tmp_path: Path):
    (tmp_path / "stammkunde.yml").write_text(content, encoding="utf-8")
    with pytest.raises(SettingsProblem) as refused:
        load_settings({"STAMMKUNDE_HOME": str(tmp_path)})
    assert found_in("".join(traceback.format_exception(refused.value))) == set()


# --- errors that nobody foresaw


def _plain() -> None:
    raise ValueError(f"could not convert {NAME} with {SECRET}")


def _caused() -> None:
    try:
        raise KeyError(EMAIL)
    except KeyError as error:
        raise RuntimeError(PERSON["text"]) from error


def _in_the_middle_of_another() -> None:
    try:
        raise requests.ConnectionError(f"https://x.example/?token={SECRET}")
    finally:
        raise UnicodeEncodeError("ascii", PERSON["address"], 0, 1, NAME)


def _with_a_note() -> None:
    error = TypeError(NAME)
    error.add_note(EMAIL)
    raise error


def _full() -> None:
    raise duckdb.IOException(f"Could not write {NAME}: No space left on device")


@pytest.mark.parametrize("place", ["pipelines.ingest.pull_source", "pipelines.ingest.judging"])
@pytest.mark.parametrize("fail", [_plain, _caused, _in_the_middle_of_another, _with_a_note, _full])
def test_of_an_error_nobody_foresaw_dagster_keeps_its_class_and_place(
    place: str, fail: Callable[[], None], home: Home, monkeypatch: pytest.MonkeyPatch, capfd
):
    for name in (*TELEMETRY_OFF, "DAGSTER_HOME", "STAMMKUNDE_WAREHOUSE", "STAMMKUNDE_MEMORY_LIMIT",
                 "STAMMKUNDE_TIMEZONE"):  # fmt: skip
        # What the settings set is taken back after the test.
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("STAMMKUNDE_HOME", str(home.path))
    monkeypatch.setattr(raw, "_RETRIES", None)
    monkeypatch.setattr(place, lambda *_, **__: fail())
    home.drop(ticket_list.SOURCE, "a.csv", lines(TICKET_HEADER, "T1;K1;a@b.example;x;05.01.2025"))
    (home.path / "store").mkdir()
    with dg.DagsterInstance.local_temp(str(home.path / "store")) as instance:
        result = dg.materialize(
            [raw._source_assets(ticket_list.SOURCE)],
            instance=instance,
            resources={"company": Company(wait_for_lock_seconds=0)},
            raise_on_error=False,
        )
        (failure,) = result.get_step_failure_events()
    told = str(failure.event_specific_data)
    foreseen = ("pipelines/ingest.py" if fail is not _full else "No space left on device",)
    assert not result.success
    assert any(part in told for part in (*foreseen, "sources/")), told
    assert found_in(told) == set()
    assert found_in("".join(capfd.readouterr())) == set()
    assert kept(home.path) == {}
    assert list(home.path.glob("store/**/*.db"))


# --- whole runs


def test_whole_runs_keep_and_print_nothing_of_them(tmp_path: Path):
    sales = [f"{day:02d}.03.2025;R{day};Kunde {day % 5};10,50" for day in range(1, 29)]
    dropped(tmp_path, sales_list.SOURCE, "mapping.yml", SALES_MAPPING)
    header = "Datum;Beleg;Kunde;Netto"
    bad = f"31.02.2025;R90;{NAME};10,50"
    dropped(tmp_path, sales_list.SOURCE, "a.csv", lines(header, *sales, bad))
    rows = [good_row(ticket_list.SOURCE, n) for n in range(200)]
    names = ";".join(column.name for column in columns_of(ticket_list.SOURCE))
    tickets = lines(names, *rows, *bad_rows(ticket_list.SOURCE))
    dropped(tmp_path, ticket_list.SOURCE, "a.csv", tickets)
    names = ";".join(column.name for column in columns_of(review_list.SOURCE))
    dropped(tmp_path, review_list.SOURCE, "a.csv", lines(names, *bad_rows(review_list.SOURCE) * 4))
    dropped(tmp_path, rapidmail.SOURCE, "a.csv", lines(PERSONS_ROW, PERSONS_ROW))
    dropped(tmp_path, product_registrations.SOURCE, "a.csv", lines(f"id;{NAME};{NAME}", "1;2;3"))
    dropped(tmp_path, ticket_list.SOURCE, "b.xlsx", text_in_a_number_cell())
    dropped(tmp_path, service_plan.SOURCE, "a.csv", lines("Vertrag;Kundennummer", "1;2"))
    mapped = f"columns: {{customer_number: {NAME}}}"
    dropped(tmp_path, service_plan.SOURCE, "mapping.yml", mapped)

    async def echo(scope, receive, send):
        await _said(401)(Request(scope, receive))(scope, receive, send)

    with serving(echo) as base_url:
        (tmp_path / "stammkunde.yml").write_text(
            "sources:\n"
            f"  hubspot: {{options: {{base_url: '{base_url}'}}, "
            "secrets: {access_token: CANARY_TOKEN}}\n"
            "  pipedrive: {secrets: {api_token: NOT_SET_AT_ALL}}\n"
        )
        run = pipelines(tmp_path, "run", CANARY_TOKEN=SECRET)
        assert run.returncode == 0, run.stderr
        assert "none of the 7 columns' names in this line is known" in run.stderr
        assert "b.xlsx: the workbook is damaged (ValueError)" in run.stderr
        assert "was refused (401)" in run.stderr
        assert "NOT_SET_AT_ALL is not set" in run.stderr
        assert_nothing_leaked(tmp_path, run.stdout + run.stderr)
        worse = [f"x;R{n};{NAME};{EMAIL}" for n in range(100, 130)]
        dropped(tmp_path, sales_list.SOURCE, "b.csv", lines(header, *worse))
        dropped(tmp_path, sales_list.SOURCE, "c.csv", lines(PERSONS_ROW, PERSONS_ROW))
        run = pipelines(tmp_path, "run", CANARY_TOKEN=SECRET)
    assert run.returncode == 65, run.stderr
    assert "30 of 30 rows (100.0%) are bad" in run.stderr
    assert_nothing_leaked(tmp_path, run.stdout + run.stderr)


def assert_nothing_leaked(home: Path, printed: str) -> None:
    assert found_in(printed) == set()
    # All of what is searched has to be there, or nothing is shown by finding nothing in it.
    for pattern in ("dagster/**/*.db", "lake/runs/**/*.json", "lake/**/verdict.json",
                    "lake/**/load.json", "lake/**/reasons.parquet", "reports/**/*.html",
                    "warehouse/*.duckdb", "serving/*.duckdb"):  # fmt: skip
        assert list(home.glob(pattern)), pattern
    assert kept(home) == {}
