"""quality/fields.yml tells the truth about the contracts; the room itself does not know them."""

import re
from collections import defaultdict
from typing import get_args

import pytest

from quality.scorecard import KINDS_OF_KEYS, read_fields
from sources.contract import Area
from sources.registry import SOURCES

FIELDS = read_fields()
PROVIDERS = {
    (source, column)
    for field in FIELDS
    for source, columns in field.columns.items()
    for column in columns
}
COLUMNS = {
    (source.name, f"{table.name}.{column.name}"): column
    for source in SOURCES
    for table in source.tables
    for column in table.columns
}
CAPABILITY = re.compile(r"[ACDIKQTVX][1-9]\d?")

AS_PRINTED = "Stands on one document as it was printed; the contact it belongs to is asked instead."
NO_FIELD = {
    ("lexware_office", "vouchers.contact_name"): AS_PRINTED,
    ("lexware_office", "voucher_details.recipient_name"): AS_PRINTED,
    ("lexware_office", "voucher_details.recipient_contact_person"): AS_PRINTED,
    ("lexware_office", "voucher_details.recipient_supplement"): AS_PRINTED,
    ("lexware_office", "voucher_details.recipient_street"): AS_PRINTED,
    ("lexware_office", "voucher_details.recipient_zip"): AS_PRINTED,
    ("lexware_office", "voucher_details.recipient_city"): AS_PRINTED,
    ("trustpilot", "reviews.consumer_location"): "Any place an author likes to give: no address.",
}


def test_every_provider_is_a_column_of_a_contract():
    assert sorted(PROVIDERS - set(COLUMNS)) == []


def test_every_source_of_the_registry_is_asked_for_something():
    unasked = [
        source.name
        for source in SOURCES
        if not any(
            field.is_asked_of(source.name, source.area) and source.name in field.columns
            for field in FIELDS
        )
    ]
    assert unasked == []


def test_the_areas_are_those_of_the_contract():
    assert list(dict.fromkeys(field.area for field in FIELDS)) == list(get_args(Area))


def test_where_each_source_stands_alone_only_its_own_area_is_listed():
    areas = {source.name: source.area for source in SOURCES}
    strangers = [
        (field.name, source)
        for field in FIELDS
        if not field.is_asked_of_all
        for source in field.columns
        if areas[source] != field.area
    ]
    assert strangers == []


def test_names_and_addresses_of_persons_are_some_fields_columns():
    personal = {
        place
        for place, column in COLUMNS.items()
        if column.personal in {"name", "email", "phone", "address"}
    }
    assert sorted(personal - PROVIDERS - set(NO_FIELD)) == []


def test_the_list_of_columns_without_a_field_is_true():
    assert sorted(place for place in NO_FIELD if place not in COLUMNS) == []
    assert sorted(PROVIDERS & set(NO_FIELD)) == []


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: f"{field.area}: {field.name}")
def test_every_field_is_needed_and_has_a_column(field):
    assert field.needed_for, "no use case needs it"
    assert [name for name in field.needed_for if not CAPABILITY.fullmatch(name)] == []
    assert len(set(field.needed_for)) == len(field.needed_for)
    assert field.columns
    assert all(field.columns.values())
    assert all(len(set(columns)) == len(columns) for columns in field.columns.values())


def test_a_field_stands_once_in_an_area():
    places = [(field.area, field.name) for field in FIELDS]
    assert len(set(places)) == len(places)


def test_a_field_of_several_areas_is_golden_and_a_key_in_all_or_none():
    kinds = defaultdict(set)
    for field in FIELDS:
        kinds[field.name].add((field.is_golden, field.key))
    assert {name: kind for name, kind in kinds.items() if len(kind) > 1} == {}


def test_every_kind_of_key_has_a_field():
    assert {field.key for field in FIELDS if field.key} == set(KINDS_OF_KEYS)


def test_customer_numbers_and_vat_ids_are_keys():
    for (source, place), column in COLUMNS.items():
        kind = {"customer_number": "customer", "vat_id": "vat_id"}.get(column.name)
        if kind:
            found = {f.key for f in FIELDS if place in f.columns.get(source, ())}
            assert found == {kind}, f"{source}: {place}"
