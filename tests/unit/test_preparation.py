"""Records as sources write them in, one row of comparable columns per record out."""

from collections.abc import Callable

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.identity import linkage
from pipelines.identity.preparation import prepare_organisations, prepare_persons, prepare_points

ORGANISATION = (
    "source record_id customer_number name is_natural_person street postcode city country vat_id "
    "domain email phone merged_into_record_id"
).split()
PERSON = (
    "source record_id organisation_record_id customer_number organisation_name first_name "
    "last_name full_name email phone mobile birthday country merged_into_record_id"
).split()
POINT = "record_kind source record_id channel value country".split()


def prepared(prepare: Callable, columns: list[str], rows: list[dict], table: str) -> list[dict]:
    types = {"is_natural_person": pa.bool_()}
    schema = pa.schema([(column, types.get(column, pa.string())) for column in columns])
    with duckdb.connect(config={"threads": 1}) as db:
        db.register("given", pa.Table.from_pylist(rows, schema=schema))
        prepare(db, "given")
        made = db.sql(f"from {table} order by all").to_arrow_table()
        return made.to_pylist() or [dict.fromkeys(made.column_names, "no row")]


def organisations(*rows: dict) -> list[dict]:
    return prepared(prepare_organisations, ORGANISATION, list(rows), "organisation_records")


def persons(*rows: dict) -> list[dict]:
    return prepared(prepare_persons, PERSON, list(rows), "person_records")


def points(*rows: dict) -> list[dict]:
    return prepared(prepare_points, POINT, list(rows), "record_points")


def organisation(**columns: object) -> dict:
    (row,) = organisations({"source": "crm", "record_id": "1", **columns})
    return row


def person(**columns: object) -> dict:
    (row,) = persons({"source": "crm", "record_id": "1", **columns})
    return row


def test_an_organisation_is_brought_into_one_spelling_and_keeps_its_name():
    assert organisation(
        customer_number=" K-1 ",
        name="Gasthof Müller GmbH & Co. KG",
        is_natural_person=False,
        street="Hauptstr. 12 a",
        postcode="1067",
        city="Dresden",
        country="DE",
        vat_id="DE 136 695 976",
        domain="https://www.Mueller.example/karte",
        email="Office@Mueller.example",
        phone="0351 4567890",
        merged_into_record_id="7",
    ) == {
        "record": "crm:1",
        "source": "crm",
        "record_id": "1",
        "merged_into": "crm:7",
        "customer_number": "k-1",
        "written_name": "Gasthof Müller GmbH & Co. KG",
        "is_natural_person": False,
        "vat_id": "DE136695976",
        "register_number": None,
        "name": "gasthof muller",
        "own_name": "muller",
        "name_start": "mull",
        "street": "hauptstrasse",
        "house_number": "12a",
        "postcode": "01067",
        "city": "dresden",
        "email": "office@mueller.example",
        "domain": "mueller.example",
        "phone": "+493514567890",
    }


def test_a_person_is_brought_into_one_spelling_and_keeps_its_name():
    assert person(
        organisation_record_id="7",
        customer_number="K-1",
        organisation_name="Adler GmbH",
        full_name="Frau Dr. Huber, Anna",
        email="A.Huber@Adler.example",
        phone="089 12345678",
        mobile="+43 664 1234567",
        birthday="1970-01-31",
        country="DE",
    ) == {
        "record": "crm:1",
        "source": "crm",
        "record_id": "1",
        "merged_into": None,
        "organisation": "crm:7",
        "customer_number": "k-1",
        "written_name": "Frau Dr. Huber, Anna",
        "organisation_name": "adler",
        "first_name": "anna",
        "last_name": "huber",
        "name": "anna huber",
        "birthday": "1970-01-31",
        "mailbox": "a.huber@adler.example",
        "email": "a.huber@adler.example",
        "domain": "adler.example",
        "phone": "+436641234567",
    }


def test_what_the_models_compare_is_what_is_prepared():
    for blueprint, row in (
        (linkage.ORGANISATIONS, organisation()),
        # Who employs a person is told later, by the organisations that were found.
        (linkage.CONTACTS, person() | {"employer": None}),
    ):
        blocks = {column for block in blueprint.blocks for column in block}
        assert {*blueprint.columns, *blocks, *blueprint.certain} <= row.keys()


@pytest.mark.parametrize(
    ("columns", "domain"),
    [
        ({"domain": "krone.example", "email": "a@other.example"}, "krone.example"),
        ({"email": "anna@krone.example"}, "krone.example"),
        ({"domain": "no domain", "email": "anna@krone.example"}, "krone.example"),
        ({"email": "anna@gmx.at"}, None),
        ({"email": "info@gmx.at"}, None),
        ({"email": "info@krone.example"}, "krone.example"),
        ({"email": "no mailbox"}, None),
    ],
)
def test_an_organisations_domain_is_its_websites_or_its_mailboxs_but_no_providers(columns, domain):
    assert organisation(**columns)["domain"] == domain


@pytest.mark.parametrize(
    ("email", "mailbox", "own", "domain"),
    [
        (
            "A.Huber@krone.example",
            "a.huber@krone.example",
            "a.huber@krone.example",
            "krone.example",
        ),
        ("info@krone.example", "info@krone.example", None, "krone.example"),
        ("anna@gmx.at", "anna@gmx.at", "anna@gmx.at", None),
        ("office@gmx.at", "office@gmx.at", None, None),
        ("anna at gmx", None, None, None),
        (None, None, None, None),
    ],
)
def test_a_roles_mailbox_is_no_persons_and_a_providers_domain_no_organisations(
    email, mailbox, own, domain
):
    row = person(email=email)
    assert (row["mailbox"], row["email"], row["domain"]) == (mailbox, own, domain)


def test_a_mobile_goes_before_a_desk_phone_unless_it_is_no_number():
    desk = {"phone": "089 12345678", "country": "DE"}
    assert person(**desk, mobile="0664 1234567")["phone"] == "+496641234567"
    assert person(**desk, mobile="ask Anna")["phone"] == person(**desk)["phone"] == "+498912345678"


def test_one_number_is_another_in_another_country():
    rows = [
        {"source": "crm", "record_id": str(place), "phone": "0664 1234567", "country": country}
        for place, country in enumerate(("AT", "DE", None))
    ]
    numbers = ["+436641234567", "+496641234567", None]
    assert [row["phone"] for row in organisations(*rows)] == numbers
    assert [row["phone"] for row in persons(*rows)] == numbers
    point = {"record_kind": "person", "channel": "phone", "value": "0664 1234567"}
    made = points(*({**point, **row} for row in rows))
    assert [row["point"] for row in made] == numbers


def test_a_register_number_is_found_where_the_vat_id_should_be():
    row = organisation(vat_id="HRB 12345, Amtsgericht München")
    assert (row["vat_id"], row["register_number"]) == (None, "HRB12345@munchen")


def test_contact_points_are_kept_as_written_with_their_one_spelling_each_once():
    record = {"record_kind": "person", "source": "crm", "record_id": "1", "country": "AT"}
    given = [
        ("email", "Info@Krone.example"),
        ("email", "Info@Krone.example"),
        ("email", "anna@gmx.at"),
        ("email", "anna.huber@krone.example"),
        ("email", "nobody"),
        ("phone", "0664 1234567"),
        ("phone", "anna@gmx.at"),
        ("twitter", "@krone"),
        ("email", None),
    ]
    rows = points(*(record | {"channel": channel, "value": value} for channel, value in given))
    assert {row["record"] for row in rows} == {"crm:1"}
    made = [(row["channel"], row["value"], row["point"], row["mailbox_kind"]) for row in rows]
    assert sorted(made, key=str) == sorted(
        [
            ("email", "Info@Krone.example", "info@krone.example", "role"),
            ("email", "anna@gmx.at", "anna@gmx.at", "free"),
            ("email", "anna.huber@krone.example", "anna.huber@krone.example", "personal"),
            ("email", "nobody", None, None),
            ("phone", "0664 1234567", "+436641234567", None),
            ("phone", "anna@gmx.at", None, None),
            ("twitter", "@krone", None, None),
            ("email", None, None, None),
        ],
        key=str,
    )


def test_without_records_the_tables_are_there_and_empty():
    for made in (organisations(), persons(), points()):
        assert [set(row.values()) for row in made] == [{"no row"}]


def test_records_that_say_nothing_are_there_and_say_nothing():
    said = {"record", "source", "record_id"}
    for row in (organisation(), person(), organisation(name=" ", vat_id="\0"), person(email="\t")):
        shown = {name for name, value in row.items() if value is not None}
        assert shown - {"written_name"} == said


# PostgreSQL's and DuckDB's text has every character but half ones (surrogates).
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
some = st.sampled_from(
    ["anna@gmx.at", "0664 1234567", "Anna", "DE136695976", "Weg 1", "\0", "%'\""]
)


@given(st.lists(st.lists(texts | some, min_size=12, max_size=12), max_size=5))
@settings(max_examples=15, deadline=None)
def test_whatever_the_records_say_there_is_one_row_for_each(drawn):
    rows = []
    for number, given_texts in enumerate(drawn):
        columns = zip(PERSON[2:], given_texts, strict=True)
        rows.append({"source": "crm", "record_id": str(number), **dict(columns)})
    made = [row for row in persons(*rows) if row["record"] != "no row"]
    assert [row["record"] for row in made] == [f"crm:{number}" for number in range(len(drawn))]
    assert [row["written_name"] for row in made] == [row["full_name"] for row in rows]
    for row in rows:
        row["name"], row["street"] = row["full_name"], row["last_name"]
        row["vat_id"], row["domain"] = row["first_name"], row["birthday"]
        row["postcode"], row["city"] = row["mobile"], row["organisation_name"]
    made = [row for row in organisations(*rows) if row["record"] != "no row"]
    assert [row["record"] for row in made] == [f"crm:{number}" for number in range(len(drawn))]
    assert [row["written_name"] for row in made] == [row["name"] for row in rows]
