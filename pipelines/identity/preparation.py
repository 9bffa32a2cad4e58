"""Records of organisations and persons in the one spelling they are compared in.

In goes what source systems say, out comes a table with one row per record whose columns are those
of the blueprints in `linkage`, and what keys are made of. Who belongs together is not known here.
"""

import functools
from collections.abc import Callable, Sequence

import duckdb
import pyarrow as pa

from pipelines.identity.addresses import city, postcode, street
from pipelines.identity.company_numbers import register_number, vat_id
from pipelines.identity.contact_points import domain, email, email_domain, email_kind, phone
from pipelines.identity.names import organisation_name, person_name

ORGANISATIONS, PERSONS, POINTS = "organisation_records", "person_records", "record_points"


def prepare_points(db: duckdb.DuckDBPyConnection, points: str) -> None:
    """Create temp table record_points, one row per contact point of a record.

    points: relation record_kind (organisation or person), source, record_id, channel (email, phone
    or another), value as written, country. Columns made: record_kind, record, channel, value, point
    (the normalised address or number; null where it cannot be one), mailbox_kind (role, free or
    personal).
    """
    db.execute(f"create or replace temp table told_points as from {points}")
    _translated(
        db, "emails", "select distinct value from told_points where channel = 'email'",
        lambda value: _email(value), ("point", "kind"),
    )  # fmt: skip
    _translated(
        db, "phones", "select distinct value, country from told_points where channel = 'phone'",
        lambda *given: (_phone(*given),), ("point",),
    )  # fmt: skip
    db.execute(
        f"create or replace temp table {POINTS} as select distinct p.record_kind, "
        f"{_record('p.source', 'p.record_id')} as record, p.channel, p.value, "
        "coalesce(e.point, n.point) as point, e.kind as mailbox_kind from told_points p "
        # A condition on one side alone would make DuckDB compare everything with everything.
        "left join emails e on case when p.channel = 'email' then p.value end = e.value "
        "left join phones n on case when p.channel = 'phone' then p.value end = n.value "
        "and p.country is not distinct from n.country"
    )


def prepare_organisations(db: duckdb.DuckDBPyConnection, organisations: str) -> None:
    """Create temp table organisation_records, one row per record.

    organisations: relation source, record_id, customer_number, name, street, postcode, city,
    country, vat_id, domain, email, phone, merged_into_record_id, all text as written, and the
    boolean is_natural_person (of an account). Columns made: record, source, record_id, merged_into,
    customer_number, written_name, is_natural_person, vat_id, register_number, name, own_name,
    name_start, street, house_number, postcode, city, email, domain, phone.
    """
    _translated(
        db, "names", f"select distinct name from {organisations}",
        lambda name: _organisation(name), ("core", "own"),
    )  # fmt: skip
    _addresses(db, organisations)
    _translated(
        db, "numbers", f"select distinct vat_id, country from {organisations}",
        lambda text, country: (vat_id(text, country), register_number(text)),
        ("vat", "register_number"),
    )  # fmt: skip
    _translated(
        db, "hosts", f"select distinct domain, email from {organisations}",
        lambda host, address: (_own_domain(host, address), email(address)), ("host", "address"),
    )  # fmt: skip
    _translated(
        db, "phones", f"select distinct phone, country from {organisations}",
        lambda *given: (_phone(*given),), ("point",),
    )  # fmt: skip
    db.execute(
        f"create or replace temp table {ORGANISATIONS} as "
        f"select {_record('o.source', 'o.record_id')} as record, o.source, o.record_id, "
        f"{_record('o.source', 'o.merged_into_record_id')} as merged_into, "
        f"{_NUMBER} as customer_number, "
        "o.name as written_name, o.is_natural_person, v.vat as vat_id, v.register_number, "
        "n.core as name, coalesce(n.own, n.core) as own_name, "
        "left(coalesce(n.own, n.core), 4) as name_start, "
        "a.street_name as street, a.house_number, a.code as postcode, a.town as city, "
        "h.address as email, h.host as domain, p.point as phone "
        f"from {organisations} o "
        "join names n on o.name is not distinct from n.name "
        f"join addresses a on {_alike('o', 'a', _ADDRESS)} "
        f"join numbers v on {_alike('o', 'v', ('vat_id', 'country'))} "
        f"join hosts h on {_alike('o', 'h', ('domain', 'email'))} "
        f"join phones p on {_alike('o', 'p', ('phone', 'country'))}"
    )


def prepare_persons(db: duckdb.DuckDBPyConnection, persons: str) -> None:
    """Create temp table person_records, one row per record.

    persons: relation source, record_id, organisation_record_id, customer_number, organisation_name,
    first_name, last_name, full_name, email, phone, mobile, birthday, country,
    merged_into_record_id, all text as written. Columns made: record, source, record_id,
    merged_into, organisation, customer_number, written_name, organisation_name, first_name,
    last_name, name, birthday, mailbox, email (the mailbox where it is not a role's), domain (null
    at a public provider), phone (the mobile where there is one).
    """
    _translated(
        db, "names", f"select distinct full_name, first_name, last_name from {persons}",
        lambda *given: _person(*given), ("first", "last", "name"),
    )  # fmt: skip
    _translated(
        db, "employers", f"select distinct organisation_name from {persons}",
        lambda name: (_organisation(name)[0],), ("core",),
    )  # fmt: skip
    _translated(
        db, "emails", f"select distinct email from {persons}",
        lambda value: (*_email(value), _own_domain(None, value)), ("address", "kind", "host"),
    )  # fmt: skip
    _translated(
        db, "phones", f"select distinct mobile, phone, country from {persons}",
        lambda mobile, desk, country: (_phone(mobile, country) or _phone(desk, country),),
        ("point",),
    )  # fmt: skip
    db.execute(
        f"create or replace temp table {PERSONS} as "
        f"select {_record('o.source', 'o.record_id')} as record, o.source, o.record_id, "
        f"{_record('o.source', 'o.merged_into_record_id')} as merged_into, "
        f"{_record('o.source', 'o.organisation_record_id')} as organisation, "
        f"{_NUMBER} as customer_number, "
        "o.full_name as written_name, w.core as organisation_name, n.first as first_name, "
        "n.last as last_name, n.name, "
        "o.birthday, e.address as mailbox, case when e.kind <> 'role' then e.address end as email, "
        "e.host as domain, p.point as phone "
        f"from {persons} o "
        f"join names n on {_alike('o', 'n', ('full_name', 'first_name', 'last_name'))} "
        "join employers w on o.organisation_name is not distinct from w.organisation_name "
        "join emails e on o.email is not distinct from e.email "
        f"join phones p on {_alike('o', 'p', ('mobile', 'phone', 'country'))}"
    )


# "-", "0" and the like stand where nobody has a number.
_NUMBER = (
    "case when regexp_matches(o.customer_number, '[1-9\\p{L}]') "
    "then lower(trim(o.customer_number)) end"
)
_ADDRESS = ("street", "postcode", "city", "country")


def _addresses(db: duckdb.DuckDBPyConnection, records: str) -> None:
    def spelt(line: str | None, code: str | None, town: str | None, country: str | None) -> tuple:
        found = street(line)
        name, number = (found.name, found.number) if found else (None, None)
        return name, number, postcode(code, country), city(town)

    _translated(
        db, "addresses", f"select distinct {', '.join(_ADDRESS)} from {records}", spelt,
        ("street_name", "house_number", "code", "town"),
    )  # fmt: skip


def _organisation(text: str | None) -> tuple[str | None, str | None]:
    found = organisation_name(text)
    return (found.core, found.without_kind) if found else (None, None)


def _person(full: str | None, first: str | None, last: str | None) -> tuple:
    found = person_name(full, first, last)
    return (found.first, found.last, found.full) if found else (None, None, None)


# The same numbers stand in several systems and are read for several purposes.
@functools.lru_cache(maxsize=1 << 17)
def _phone(text: str | None, country: str | None) -> str | None:
    return phone(text, country)


def _email(text: str | None) -> tuple[str | None, str | None]:
    address = email(text)
    return address, email_kind(address) if address else None


def _own_domain(host: str | None, address: str | None) -> str | None:
    """The domain of the website, else of the mailbox where it is no public provider's."""
    if found := domain(host):
        return found
    valid = email(address)
    # A role at a public provider is told by another name for the mailbox.
    if valid is None or email_kind(f"somebody@{email_domain(valid)}") == "free":
        return None
    return email_domain(valid)


def _translated(
    db: duckdb.DuckDBPyConnection,
    table: str,
    distinct: str,
    translate: Callable[..., tuple],
    columns: Sequence[str],
) -> None:
    """Create temp table: the distinct values as they are, and what each becomes, as text."""
    values = db.sql(distinct)
    names = values.columns
    rows = values.fetchall()
    made = [translate(*row) for row in rows]
    db.register(
        "translated",
        pa.table(
            {
                name: pa.array([row[place] for row in table_rows], pa.string())
                for table_names, table_rows in ((names, rows), (columns, made))
                for place, name in enumerate(table_names)
            }
        ),
    )
    db.execute(f"create or replace temp table {table} as from translated")
    db.unregister("translated")


def _record(source: str, record_id: str) -> str:
    """SQL of the name of a record over all sources; null where the id is."""
    return f"{source} || ':' || {record_id}"


def _alike(one: str, other: str, columns: Sequence[str]) -> str:
    return " and ".join(
        f"{one}.{column} is not distinct from {other}.{column}" for column in columns
    )
