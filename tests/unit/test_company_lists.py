"""Every source that is a dropped list: its headers, its demands, what the demo company drops."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quality.gate import judging
from quality.suites.catalogue import suite_for
from quality.thresholds import shipped
from sources.company import (
    blocking_lists,
    consent_forms,
    credit_ratings,
    monthly_targets,
    product_registrations,
    service_plan,
    social_statistics,
)
from sources.complaints import ticket_list
from sources.contract import Batch, Column, Pull
from sources.demo.dropped_files import (
    FORMS,
    LISTED_PLATFORMS,
    FileTruth,
    write_dropped_file,
    write_dropped_files,
)
from sources.demo.relations import Relations, draw_relations
from sources.demo.spelling import printed_phone
from sources.demo.world import World, draw_world
from sources.landing import Lake
from sources.newsletter import rapidmail
from sources.pulling import pull_source
from sources.reviews import review_list

SOURCES = Path(__file__).resolve().parents[2] / "sources"
BEFORE = 1_700_000_000

Row = dict[str, str | None]


@dataclass(frozen=True)
class Known:
    """One list: the same row under German and English headers; the required headers among them."""

    module: ModuleType
    german: str
    english: str
    columns: str
    row: str
    required: str

    def __str__(self) -> str:
        return self.module.SOURCE.name


LISTS = [
    Known(
        rapidmail,
        "E-Mail-Adresse;Status;Anmeldung IP-Adresse;Anmeldung Datum;Anmeldung Uhrzeit;Bestätigung "
        "IP-Adresse;Bestätigung Datum;Bestätigung Uhrzeit;Vorname;Nachname;Firma",
        "email;status;created_ip;created_date;created_time;activated_ip;activated_date;"
        "activated_time;firstname;lastname;Company",
        "email status created_ip created_on created_time activated_ip activated_on activated_time "
        "first_name last_name company",
        "a@b.example;Aktiv;192.0.2.7;12.03.2024;09:14:02;192.0.2.8;13.03.2024;10:00;A.;Quast;Q AG",
        "email status",
    ),
    Known(
        review_list,
        "Plattform;Bewertungs-ID;Sterne;Titel;Bewertungstext;Datum;Verfasser;E-Mail;Bestellnummer;"
        "Antwort;Beantwortet am",
        "platform;review_id;rating;title;text;created_at;author_name;author_email;order_reference;"
        "reply_text;reply_at",
        "platform review_id rating title text created_at author_name author_email order_reference "
        "reply_text reply_at",
        "facebook;8812;4;Gut;Da.;12.03.2025 14:05;K. Quast;k@b.example;RE-1;Danke;13.03.2025",
        "platform review_id rating created_at",
    ),
    Known(
        ticket_list,
        "Ticket-Nr.;Kunden-Nr.;E-Mail;Betreff;Beschreibung;Kategorie;Priorität;Forderung;"
        "Eröffnet am;Gelöst am;Zufriedenheit;Rechnungsnummer",
        "id;customer no;email;title;description;category;priority;demand;created at;resolved at;"
        "CSAT;order number",
        "ticket_id customer_number email subject text category priority demand opened_at closed_at "
        "satisfaction order_reference",
        "4711;10042;a@b.example;Undicht;Es tropft.;Defekt;hoch;Reparatur;12.03.2025 08:40;"
        "14.03.2025 16:00;5;RE-2025-000123",
        "ticket_id opened_at",
    ),
    Known(
        service_plan,
        "Vertragsnummer;Kundennummer;Artikelnummer;Gerät;Seriennummer;Vertragsbeginn;Vertragsende;"
        "Wartungsintervall;Nächste Wartung;Jahresgebühr",
        "contract no;customer no;sku;device;serial no;start date;end date;interval;next service;"
        "annual fee",
        "contract_number customer_number product_code product_name serial_number starts_on ends_on "
        "interval_months next_due_on yearly_fee",
        "SV-1;10042;KD-1002;Dämpfer;SN-1;01.03.2024;28.02.2027;12;01.03.2026;1.490,00",
        "contract_number customer_number starts_on",
    ),
    Known(
        product_registrations,
        "Registrierungsnummer;Kundennummer;Vorname;Nachname;Firma;E-Mail;Artikelnummer;Produkt;"
        "Seriennummer;Kaufdatum;Registriert am;Newsletter gewünscht;Newsletter bestätigt am",
        "id;customer id;first name;last name;company;email address;model number;model;serial no;"
        "purchase date;submitted at;newsletter opt-in;double opt-in at",
        "registration_id customer_number first_name last_name company email product_code "
        "product_name serial_number bought_on registered_at newsletter_requested "
        "newsletter_confirmed_at",
        "R-17;10042;Anna;Quast;Q AG;a@b.example;KG-1004;Rührmaschine;SN-1;01.03.2025;"
        "04.03.2025 09:12;ja;04.03.2025 09:20",
        "registration_id email registered_at",
    ),
    Known(
        credit_ratings,
        "Kd-Nr.;USt-IdNr.;Bonitätsindex;Auskunftei;Auskunft vom",
        "customer no;VAT number;credit score;agency;rating date",
        "customer_number vat_id credit_index bureau rated_on",
        "10042;DE999999999;217,5;Kreditblick;15.11.2025",
        "credit_index bureau rated_on",
    ),
    Known(
        social_statistics,
        "Plattform;Datum;Follower;Interaktionen;Erwähnungen;Eigene Beiträge",
        "channel;date;subscribers;engagements;mentions;posts",
        "platform day followers interactions mentions own_posts",
        "facebook;15.11.2025;1834;57;4;1",
        "platform day",
    ),
    Known(
        monthly_targets,
        "Monat;Kennzahl;Soll;Ist",
        "period;KPI;budget;actual",
        "month measure target actual",
        "01.11.2025;Liquidität;250.000,00;231.480,50",
        "month measure target",
    ),
    Known(
        consent_forms,
        "Formular-Nr.;Kundennummer;Vorname;Nachname;Firma;Kanal;Kontakt;Zweck;Erklärung;"
        "Unterschrieben am;Textfassung;Aufgenommen von;Ablage;Verantwortlicher",
        "id;customer id;first name;last name;company;channel;contact;purpose;decision;signed on;"
        "wording;taken by;document;controller",
        "declaration_id customer_number first_name last_name company_name channel contact_point "
        "purpose decision signed_at text_version collected_by document_ref controller",
        "17;10042;Anna;Quast;Q AG;email;a@b.example;newsletter;granted;12.03.2025;messe-2025;"
        "K. Grütz;Blatt 17;Culinary Cooking GmbH",
        "declaration_id channel contact_point purpose decision signed_at",
    ),
    Known(
        blocking_lists,
        "Liste;Eintrag;Kanal;Gesperrt am",
        "list;blocked;channel;since",
        "list_name entry channel listed_on",
        "ecg;86a61ee541736fdf46e46b6efb5408f01cfe4af1;email;12.03.2025",
        "list_name entry channel",
    ),
]
every_list = pytest.mark.parametrize("known", LISTS, ids=str)


def drop(inbox: Path, header: str, *rows: str, name: str = "a.csv") -> None:
    path = inbox / name
    path.write_bytes("\r\n".join([header, *rows, ""]).encode("cp1252"))
    os.utime(path, (BEFORE, BEFORE))


def pull(module: ModuleType, inbox: Path, **context) -> tuple[list[Batch], Pull]:
    given = Pull(inbox=inbox, reporting_currency="EUR", **context)
    return list(module.SOURCE.pull(given)), given


def landed(module: ModuleType, inbox: Path) -> list[Row]:
    batches, context = pull(module, inbox)
    assert context.problems == []
    return [row for batch in batches for row in pa.concat_tables(batch.chunks).to_pylist()]


def problem_in(known: Known, inbox: Path) -> str:
    batches, context = pull(known.module, inbox)
    assert batches == []
    (problem,) = context.problems
    return str(problem)


@every_list
@pytest.mark.parametrize("language", ["german", "english"])
def test_headers_are_known_in_both_languages(known: Known, language: str, tmp_path: Path):
    drop(tmp_path, getattr(known, language), known.row)
    (row,) = landed(known.module, tmp_path)
    names = known.columns.split()
    assert {name: row[name] for name in names} == dict(
        zip(names, known.row.split(";"), strict=True)
    )
    assert row["_extra"] == "{}"


@every_list
def test_a_mapping_overrides_every_known_header(known: Known, tmp_path: Path):
    names = known.columns.split()
    strange = [f"Spalte {name[::-1]}" for name in names]
    drop(tmp_path, ";".join(strange), known.row)
    said = "".join(f"  {name}: {header}\n" for name, header in zip(names, strange, strict=True))
    (tmp_path / "mapping.yml").write_text(f"columns:\n{said}")
    (row,) = landed(known.module, tmp_path)
    assert [row[name] for name in names] == known.row.split(";")


@every_list
def test_every_missing_required_column_is_refused_by_name(known: Known, tmp_path: Path):
    table = known.module.SOURCE.tables[0]
    assert [column.name for column in table.columns if column.required] == known.required.split()
    for absent in known.required.split():
        place = known.columns.split().index(absent)
        header, row = known.german.split(";"), known.row.split(";")
        del header[place], row[place]
        drop(tmp_path, ";".join(header), ";".join(row))
        assert re.search(rf"has no column for '{absent}'[. ]", problem_in(known, tmp_path))


@pytest.mark.parametrize(
    ("known", "either"),
    [(LISTS[2], ("customer_number", "email")), (LISTS[5], ("customer_number", "vat_id"))],
    ids=str,
)
def test_without_any_customer_a_list_is_refused(
    known: Known, either: tuple[str, str], tmp_path: Path
):
    kept = [n for n, name in enumerate(known.columns.split()) if name not in either]
    header, row = known.german.split(";"), known.row.split(";")
    drop(tmp_path, ";".join(header[n] for n in kept), ";".join(row[n] for n in kept))
    assert f"has no column for '{either[0]}' or '{either[1]}'" in problem_in(known, tmp_path)


@every_list
def test_columns_nobody_named_are_kept(known: Known, tmp_path: Path):
    drop(tmp_path, f"{known.german};Hausfarbe", f"{known.row};blau")
    (row,) = landed(known.module, tmp_path)
    assert json.loads(row["_extra"]) == {"Hausfarbe": "blau"}


@every_list
def test_second_pull_and_a_copy_change_nothing(known: Known, tmp_path: Path):
    inbox, lake = tmp_path / "inbox", Lake(tmp_path / "lake")
    inbox.mkdir()
    drop(inbox, known.german, known.row)

    def loads() -> int:
        context = Pull(inbox=inbox, reporting_currency="EUR")
        return len(pull_source(known.module.SOURCE, lake, context))

    assert (loads(), loads()) == (1, 0)
    drop(inbox, known.german, known.row, name="copy.csv")
    (inbox / "a.csv").rename(inbox / "renamed.csv")
    assert loads() == 0


@every_list
def test_a_contract_has_one_table_whose_key_is_among_its_columns(known: Known):
    (table,) = known.module.SOURCE.tables
    names = [column.name for column in table.columns]
    assert set(table.key) <= set(names)
    assert set(known.module.LIST.spellings) == set(names)
    assert not known.module.SOURCE.required


@every_list
def test_no_header_is_known_for_two_columns(known: Known, tmp_path: Path):
    """One file per header: whatever it is read as, it is read as one column."""
    spellings = known.module.LIST.spellings
    headers = [(name, header) for name in spellings for header in (name, *spellings[name])]
    for name, header in headers:
        if name in known.required.split():
            continue
        needed = known.required.split()
        other = next((one for one in known.module.LIST.any_of if one != name), None)
        needed += [other] if other else []
        drop(tmp_path, ";".join([*needed, header]), ";".join("x" * (len(needed) + 1)))
        (row,) = landed(known.module, tmp_path)
        assert {column for column in spellings if row.get(column)} == {*needed, name}


@every_list
def test_each_source_has_its_section_in_the_readme(known: Known):
    folder = Path(known.module.__file__).parent
    readme = (folder / "README.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", readme, flags=re.MULTILINE)
    (section,) = [part for part in sections if f"(`{known.module.SOURCE.name}`)" in part[:80]]
    for word in ("Required", "Sample row", "Quirks", *known.required.split()):
        assert word in section


def test_the_readmes_mapping_is_read(tmp_path: Path):
    readme = (SOURCES / "company" / "README.md").read_text(encoding="utf-8")
    mapping = re.search(r"```yaml\n(.*?)```", readme, re.S).group(1)
    (tmp_path / "mapping.yml").write_text(re.sub(r"^  ", "", mapping, flags=re.MULTILINE))
    known = LISTS[3]
    header = known.german.replace("Nächste Wartung", "Termin")
    drop(tmp_path, f"Serviceplan\r\n\r\n{header}", known.row)
    (row,) = landed(known.module, tmp_path)
    assert (row["next_due_on"], row["_date_order"]) == ("01.03.2026", "dmy")


# --- what the demo company drops


@pytest.fixture(scope="module")
def world() -> World:
    return draw_world(customers=200)


@pytest.fixture(scope="module")
def relations(world: World) -> Relations:
    return draw_relations(world)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dropped")


@pytest.fixture(scope="module")
def truths(folder: Path, world: World, relations: Relations) -> dict[str, FileTruth]:
    return write_dropped_files(folder, world, relations)


def number(text: str, mark: str) -> Decimal:
    assert re.fullmatch(r"-?(\d+|\d{1,3}([.,]\d{3})+)([.,]\d+)?", text), text
    return Decimal(text.replace("." if mark == "," else ",", "").replace(",", "."))


def moment(text: str) -> datetime:
    """Berlin's clock where the text states no zone."""
    for form in ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y"):
        try:
            at = datetime.strptime(text, form)
            break
        except ValueError:
            continue
    else:
        at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo("Europe/Berlin"))).astimezone(UTC)


def day(text: str) -> date:
    return datetime.strptime(text, "%d.%m.%Y").date() if "." in text else date.fromisoformat(text)


READERS: dict[str, Callable[[str, str], object]] = {
    "text": lambda text, mark: text,
    "decimal": number,
    "integer": lambda text, mark: int(text),
    "date": lambda text, mark: day(text),
    "timestamp": lambda text, mark: moment(text),
    "flag": lambda text, mark: {"yes": True, "no": False}[text],
}


def is_allowed(column: Column, row: Row) -> bool:
    text = row.get(column.name)
    if text is None:
        return not column.required
    try:
        READERS[column.kind](text, row["_decimal_mark"])
    except (ValueError, AssertionError, KeyError):
        return False
    chosen = not column.choices or text in column.choices
    return chosen and (not column.pattern or bool(re.fullmatch(column.pattern, text)))


def split(known: Known, folder: Path) -> tuple[list[Row], list[Row]]:
    """What the contract allows and what it does not, judged here and not by the gate."""
    good, bad = [], []
    columns = known.module.SOURCE.tables[0].columns
    for row in landed(known.module, folder / str(known)):
        is_good = row["_defect"] is None and all(is_allowed(column, row) for column in columns)
        (good if is_good else bad).append(row)
    return good, bad


@every_list
def test_exactly_the_spoilt_rows_break_the_contract(
    known: Known, folder: Path, truths: dict[str, FileTruth]
):
    good, bad = split(known, folder)
    truth = truths[str(known)]
    numbers = sorted(at for rows in truth.defects.values() for at in rows)
    assert [row["_row"] for row in bad] == numbers
    assert len(bad) == truth.quarantined > 2
    assert len(good) + len(bad) == truth.rows


@every_list
def test_the_gate_stops_exactly_the_spoilt_rows(
    known: Known, folder: Path, truths: dict[str, FileTruth], tmp_path: Path
):
    source = known.module.SOURCE
    context = Pull(inbox=folder / source.name, reporting_currency="EUR")
    (load,) = pull_source(source, Lake(tmp_path / "lake"), context)
    (tmp_path / "accepted").mkdir()
    (tmp_path / "quarantine").mkdir()
    suite = suite_for(source.name, source.tables[0], shipped(), pulled_on=datetime.now(UTC).date())
    with judging(load.parts, suite) as judgement:
        assert judgement.verdict.is_let_in
        judgement.write(tmp_path / "accepted", tmp_path / "quarantine", personal={})
    stopped = pq.read_table(tmp_path / "quarantine" / "rows.parquet").column("_row").to_pylist()
    assert stopped == sorted(at for rows in truths[source.name].defects.values() for at in rows)


@every_list
def test_no_two_good_rows_have_the_same_key(
    known: Known, folder: Path, truths: dict[str, FileTruth]
):
    key = known.module.SOURCE.tables[0].key
    keys = [tuple(row.get(name) for name in key) for row in split(known, folder)[0]]
    assert len(set(keys)) == len(keys) > 0


def read_back(known: Known, folder: Path, *names: str) -> list[tuple]:
    """The good rows' values in these columns, read as the contract says."""
    columns = {column.name: column for column in known.module.SOURCE.tables[0].columns}

    def values(row: Row) -> Iterator[object]:
        for name in names:
            text = row.get(name)
            yield text and READERS[columns[name].kind](text, row["_decimal_mark"])

    return [tuple(values(row)) for row in split(known, folder)[0]]


def test_the_recipient_list_is_read_back_whole(folder, truths, relations: Relations):
    names = ("email", "created_ip", "created_on", "created_time", "activated_ip", "updated_at")
    names += ("first_name", "last_name", "company", "interests")
    expected = []
    for one in relations.subscribers:
        if one.system != "rapidmail":
            continue
        asked = [event for event in one.events if event.event in ("requested", "resubscribed")][-1:]
        answered = [e for e in one.events if e.event == "confirmed" and e.at > asked[0].at]
        local = [event.at.astimezone(ZoneInfo("Europe/Berlin")) for event in asked]
        expected.append(
            (
                one.email,
                *((asked[0].ip, local[0].date(), f"{local[0]:%H:%M:%S}") if asked else (None,) * 3),
                answered[0].ip if answered else None,
                one.events[-1].at if one.events else None,
                one.first_name or None,
                one.last_name or None,
                one.company or None,
                ", ".join(sorted(one.interests)) or None,
            )
        )
    assert read_back(LISTS[0], folder, *names) == expected


def test_the_recipients_status_is_what_the_last_event_led_to(folder, truths, relations: Relations):
    status = dict(read_back(LISTS[0], folder, "email", "status"))
    last = {
        one.email: one.events[-1].event if one.events else "imported"
        for one in relations.subscribers
        if one.system == "rapidmail"
    }
    assert {(last[email], status[email]) for email in last} == {
        ("requested", "new"),
        ("resubscribed", "new"),
        ("confirmed", "active"),
        ("imported", "active"),
        ("withdrawn", "deleted"),
        ("bounced", "bounced"),
    }


def test_the_review_list_is_read_back_whole(folder, truths, relations: Relations):
    names = ("platform", "review_id", "rating", "title", "text", "created_at", "author_name")
    names += ("author_email", "order_reference", "reply_text", "reply_at")
    expected = [
        (
            *(one.platform, str(one.id), one.stars, one.title, one.text, one.created_at),
            *(one.author_name, one.email, one.order_number, one.reply_text, one.replied_at),
        )
        for one in relations.reviews
        if one.platform in LISTED_PLATFORMS
    ]
    assert read_back(LISTS[1], folder, *names) == expected


def test_the_ticket_list_is_read_back_whole(folder, truths, relations: Relations):
    names = ("ticket_id", "customer_number", "email", "subject", "text", "category", "priority")
    names += ("demand", "opened_at", "closed_at", "satisfaction", "order_reference")

    def minute(at: datetime | None) -> datetime | None:
        return at and at.replace(second=0, microsecond=0)

    expected = [
        (
            *(str(one.id), one.customer_number, one.email, one.subject, one.text, one.category),
            *(one.priority, one.demand, minute(one.opened_at), minute(one.closed_at)),
            *(one.satisfaction, one.order_number),
        )
        for one in relations.tickets
        if one.system == "ticket_list"
    ]
    assert read_back(LISTS[2], folder, *names) == expected


def test_the_service_plan_is_read_back_whole(folder, truths, world: World):
    expected = [
        (
            *(one.contract_number, one.customer, one.product_code, one.product_name),
            *(one.serial_number, one.starts_on, one.ends_on, one.interval_months),
            *(one.next_due_on, one.yearly_fee),
        )
        for one in world.service_contracts
    ]
    assert read_back(LISTS[3], folder, *LISTS[3].columns.split()) == expected


def test_the_registrations_are_read_back_whole(folder, truths, world: World):
    expected = [
        (
            *(one.registration_id, one.customer, one.first_name, one.last_name, one.company),
            *(one.email, one.product_code, one.product_name, one.serial_number, one.bought_on),
            *(one.registered_at, one.newsletter_requested, one.newsletter_confirmed_at),
        )
        for one in world.registrations
    ]
    found = read_back(LISTS[4], folder, *LISTS[4].columns.split())
    assert found == [
        tuple(v.replace(microsecond=0) if isinstance(v, datetime) else v for v in one)
        for one in expected
    ]


def test_ratings_statistics_and_targets_are_read_back_whole(folder, truths, world: World):
    ratings = [(r.customer, r.vat_id, r.index, r.bureau, r.rated_on) for r in world.credit_ratings]
    assert read_back(LISTS[5], folder, *LISTS[5].columns.split()) == ratings
    days = [
        (s.platform, s.day, s.followers, s.interactions, s.mentions, s.own_posts)
        for s in world.social_statistics
    ]
    assert read_back(LISTS[6], folder, *LISTS[6].columns.split()) == days
    measures = {"Umsatz": "revenue", "Ertrag": "earnings", "Liquidität": "liquidity"}
    targets = [
        (month, measures[measure], target, actual)
        for month, measure, target, actual in read_back(LISTS[7], folder, *LISTS[7].columns.split())
    ]
    assert targets == [(t.month, t.measure, t.target, t.actual) for t in world.monthly_targets]


def with_blanks(channel: str, contact_point: str) -> str:
    """As the lists print it: +49 30 23125006 in place of +493023125006."""
    return printed_phone(contact_point, 1) if channel == "phone" else contact_point


def test_the_consent_forms_are_read_back_whole(folder, truths, world: World):
    expected = [
        (
            *(one.declaration_id, one.customer, one.first_name, one.last_name, one.company),
            *(one.channel, with_blanks(one.channel, one.contact_point), one.purpose, one.decision),
            *(one.signed_at, one.text_version, one.collected_by, one.document_ref, one.controller),
        )
        for one in world.declarations
    ]
    assert read_back(LISTS[8], folder, *LISTS[8].columns.split()) == expected


def test_a_form_shows_a_time_of_day_only_where_it_is_known(folder, truths, world: World):
    written = {row["declaration_id"]: row["signed_at"] for row in split(LISTS[8], folder)[0]}
    shown = {one.declaration_id: one.is_time_known for one in world.declarations}
    assert {number: ":" in text for number, text in written.items()} == shown
    assert set(shown.values()) == {True, False}


def test_the_blocking_lists_are_read_back_whole(folder, truths, world: World):
    expected = [
        (one.list_name, with_blanks(one.channel, one.entry), one.channel, one.listed_on)
        for one in world.blocks
    ]
    assert read_back(LISTS[9], folder, *LISTS[9].columns.split()) == expected


@pytest.mark.skipif(shutil.which("xxd") is None, reason="xxd, which the README names, is missing")
def test_the_readmes_command_makes_entries_of_a_file_of_the_ecg_list(tmp_path: Path):
    readme = (SOURCES / "company" / "README.md").read_text(encoding="utf-8")
    command = re.search(r"\$ (\(echo list_name.*)\n", readme).group(1)
    listed = ("anna.quastmoser@postfach.example", "@postfach.example")
    digests = [hashlib.sha1(text.encode()).digest() for text in listed]
    (tmp_path / "ecg-liste.hash").write_bytes(b"".join(digests))
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    os.utime(tmp_path / "ecg.csv", (BEFORE, BEFORE))
    rows = landed(blocking_lists, tmp_path)
    assert [(row["list_name"], row["entry"], row["channel"]) for row in rows] == [
        ("ecg", digest.hex(), "email") for digest in digests
    ]
    assert rows[0]["entry"] in readme.partition("(`blocking_lists`)")[2]


def test_the_same_world_gives_the_same_bytes_at_a_fixed_time(
    folder, truths, world: World, relations: Relations, tmp_path: Path
):
    assert write_dropped_files(tmp_path, world, relations) == truths
    written = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert len(written) == len(FORMS) + 1
    for path in written:
        before = folder / path.relative_to(tmp_path)
        assert path.read_bytes() == before.read_bytes(), path.name
        assert datetime.fromtimestamp(path.stat().st_mtime, UTC) == datetime(2026, 1, 1, tzinfo=UTC)


def test_each_list_comes_in_a_form_of_its_own(folder, truths):
    forms = set()
    for known in LISTS:
        (batch,), _ = pull(known.module, folder / str(known))
        about = batch.about
        forms.add((about["encoding"], about["delimiter"], about["decimal_mark"]))
    assert forms == {
        ("utf-8", ";", "."),
        ("utf-8", ",", "."),
        ("utf-8", "\t", "."),
        ("utf-16", "\t", "."),
        ("windows-1252", ";", "."),
        ("windows-1252", ";", ","),
        ("windows-1252", "\t", "."),
        (None, None, "."),
    }


def test_a_source_without_a_list_is_no_key(folder, world: World, relations: Relations):
    with pytest.raises(KeyError, match="hubspot"):
        write_dropped_file(folder, "hubspot", world, relations)
