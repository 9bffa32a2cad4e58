"""Records in, customers out: what the parts of `identity` promise when they are put together.

Whatever a test is about, every night of every company is checked by `_check` as well.
"""

import copy
import csv
import json
import math
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa
import pytest
from stdnum.iso7064 import mod_11_10

from pipelines.identity.clusters import ContradictoryOverrides
from pipelines.identity.company_numbers import register_number, vat_id
from pipelines.identity.contact_points import email
from pipelines.identity.linkage import Model, trained
from pipelines.identity.names import person_name
from pipelines.identity.resolution import (
    COMPARED,
    PAIRS,
    Inputs,
    Kind,
    Memory,
    UnknownRule,
    resolve,
)
from pipelines.identity.store import is_same
from tests.conftest import REPOSITORY

TABLES = {
    "organisations": "source record_id customer_number name is_natural_person street postcode city "
    "country vat_id domain email phone merged_into_record_id",
    "persons": "source record_id organisation_record_id customer_number organisation_name "
    "first_name last_name full_name email phone mobile birthday country merged_into_record_id",
    "points": "record_kind source record_id channel value country",
    "overrides": "record_kind decision left_source left_record_id right_source right_record_id",
}
INPUTS = Inputs("organisations", "persons", "points", "rules", "key_rules", "overrides")
MATCHING = ("identities", "contact_points", "review", "shared", "changes")
SECONDS_FOR_HOSTILE_INPUT = 20


def seed(name: str) -> list[dict]:
    path = REPOSITORY / "dbt_project" / "seeds" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def german_vat_id(number: int) -> str:
    digits = f"{10_000_000 + number}"
    return f"DE{digits}{mod_11_10.calc_check_digit(digits)}"


def keys_alone(_db: object, _kind: object) -> None:
    """The model of who has none."""


@dataclass(frozen=True)
class Night:
    """The tables of a night; of organisations and persons the row of every record by its name."""

    tables: dict[str, list[dict]]
    organisations: dict[str, dict]
    persons: dict[str, dict]
    memories: dict[str, Memory]

    @property
    def review(self) -> dict[tuple[str, str], dict]:
        return {
            (f"{row['left_source']}:{row['left_record_id']}",
             f"{row['right_source']}:{row['right_record_id']}"): row
            for row in self.tables["review"]
        }  # fmt: skip

    @property
    def changes(self) -> list[tuple]:
        """Those of this night: kind, old id, new id, records."""
        numbers = [row["night"] for row in self.tables["changes"]]
        return [
            (row["kind"], row["old_id"], row["new_id"], row["records"])
            for row in self.tables["changes"]
            if row["night"] == max(numbers)
        ]


class Company:
    """Records and rules, which go through one night after another; records are source:id."""

    def __init__(self, **rules: float) -> None:
        self.organisations: dict[str, dict] = {}
        self.persons: dict[str, dict] = {}
        self.overrides: list[dict] = []
        self.rules = {row["parameter"]: float(row["value"]) for row in seed("identity_rules")}
        self.rules |= rules
        self.keys = seed("identity_keys")
        self.memories: dict[str, Memory] = {}
        self.nights = 0

    def organisation(self, record: str, **columns: object) -> None:
        self.organisations[record] = {"is_natural_person": False} | columns | _named(record)

    def person(self, record: str, **columns: object) -> None:
        self.persons[record] = columns | _named(record)

    def decide(self, decision: str, left: str, right: str, kind: str = "organisation") -> None:
        decided = {"record_kind": kind, "decision": decision}
        self.overrides.append(decided | _named(left, "left_") | _named(right, "right_"))

    def at_most(self, kind: str, rule: str, records: int) -> None:
        for row in self.keys:
            if (row["record_kind"], row["rule"]) == (kind, rule):
                row["at_most"] = records

    def night(self, model_of: Callable = keys_alone) -> Night:
        night = self.rehearsed(model_of, self.memories, self.nights + 1)
        self.memories, self.nights = night.memories, self.nights + 1
        return night

    def copy(self) -> "Company":
        twin = copy.copy(self)
        twin.organisations = {record: dict(row) for record, row in self.organisations.items()}
        twin.persons = {record: dict(row) for record, row in self.persons.items()}
        twin.overrides, twin.rules = list(self.overrides), dict(self.rules)
        return twin

    def rehearsed(self, model_of: Callable, memories: dict[str, Memory], number: int) -> Night:
        """A night with memories of one's choice, which leaves the company as it was."""
        with duckdb.connect(config={"threads": 1}) as db:
            for name, rows in {
                "organisations": self.organisations.values(),
                "persons": self.persons.values(),
                "points": self._points(),
                "overrides": self.overrides,
            }.items():
                db.register(name, _table(TABLES[name].split(), rows))
            parameters = {"parameter": list(self.rules), "value": list(self.rules.values())}
            db.register("rules", pa.table(parameters))
            keys = [
                {
                    "record_kind": row["record_kind"],
                    "rule": row["rule"],
                    "probability": float(row["probability"]),
                    "at_most": int(row["at_most"]),
                }
                for row in self.keys
            ]
            db.register("key_rules", pa.Table.from_pylist(keys))
            after = resolve(db, INPUTS, memories, lambda kind: model_of(db, kind), night=number)
            tables = {
                name: db.table(f"matching.{name}").to_arrow_table().to_pylist() for name in MATCHING
            }
        by_kind: dict[str, dict[str, dict]] = {"organisation": {}, "person": {}}
        for row in tables["identities"]:
            of_kind = by_kind[row["record_kind"]]
            record = f"{row['source']}:{row['record_id']}"
            assert record not in of_kind, f"{record} stands twice"
            of_kind[record] = row
        night = Night(tables, by_kind["organisation"], by_kind["person"], after)
        _check(self, night)
        return night

    def _points(self) -> Iterator[dict]:
        for kind, records in (("organisation", self.organisations), ("person", self.persons)):
            for row in records.values():
                for column in ("email", "phone", "mobile"):
                    if row.get(column) is not None:
                        yield {
                            "record_kind": kind,
                            "source": row["source"],
                            "record_id": row["record_id"],
                            "channel": "email" if column == "email" else "phone",
                            "value": row[column],
                            "country": row.get("country"),
                        }


def _named(record: str, prefix: str = "") -> dict[str, str]:
    source, _, record_id = record.partition(":")
    return {f"{prefix}source": source, f"{prefix}record_id": record_id}


def _table(columns: list[str], rows: Iterable[dict]) -> pa.Table:
    types = {"is_natural_person": pa.bool_()}
    schema = pa.schema([(column, types.get(column, pa.string())) for column in columns])
    return pa.Table.from_pylist(list(rows), schema=schema)


def _check(company: Company, night: Night) -> None:
    """What holds of every night, whatever the records are."""
    for kind, given, rows in (
        ("organisation", company.organisations, night.organisations),
        ("person", company.persons, night.persons),
    ):
        assert rows.keys() == given.keys()
        decided = [
            {f"{row['left_source']}:{row['left_record_id']}",
             f"{row['right_source']}:{row['right_record_id']}"}
            for row in company.overrides
            if (row["record_kind"], row["decision"]) == (kind, "always")
        ]  # fmt: skip
        firsts: dict[str, str] = {}
        members: defaultdict[str, list[str]] = defaultdict(list)
        for record, row in rows.items():
            assert row["entity_id"].startswith("o_" if kind == "organisation" else "p_")
            assert row["customer_id"]
            assert row["customer_rule"]
            members[row["entity_id"]].append(record)
            if row["rule"] == "first record":
                assert row["entity_id"] not in firsts
                assert (row["linked_source"], row["steps"], row["chain"]) == (None, 0, record)
                firsts[row["entity_id"]] = record
                continue
            linked = f"{row['linked_source']}:{row['linked_record_id']}"
            above = rows[linked]
            assert above["entity_id"] == row["entity_id"]
            assert row["steps"] == above["steps"] + 1
            assert row["chain"] == f"{record} → {above['chain']}"
            assert _is_pair(row["rule"], record, linked, given, decided), (row["rule"], record)
            assert (row["weights"] is not None) == (row["rule"] == "likeness")
        assert firsts.keys() == members.keys()
        if kind == "organisation":
            assert all(row["customer_id"] == row["entity_id"] for row in rows.values())
            by_a_person = {rows[one]["entity_id"] for pair in decided for one in pair & rows.keys()}
            for entity, records in members.items():
                vat_ids = {_vat_id(given[one]) for one in records} - {None}
                assert len(vat_ids) <= 1 or entity in by_a_person


def _vat_id(row: dict) -> str | None:
    return vat_id(row.get("vat_id"), row.get("country"))


def _is_pair(rule: str, one: str, other: str, given: dict, decided: list[set[str]]) -> bool:
    left, right = given[one], given[other]
    number = (left.get("customer_number") or "").strip().lower()
    same_number = number == (right.get("customer_number") or "").strip().lower() != ""
    match rule:
        case "customer number":
            return same_number
        case "customer number and name":
            return same_number and _name(left) == _name(right)
        case "VAT id":
            return _vat_id(left) == _vat_id(right) is not None
        case "merged in the source":
            became = [(row["source"], row.get("merged_into_record_id")) for row in (left, right)]
            named = [(row["source"], row["record_id"]) for row in (left, right)]
            return became[0] in (named[1], became[1]) or became[1] == named[0]
        case "e-mail address":
            return email(left["email"]) == email(right["email"]) is not None
        case "always":
            return {one, other} in decided
        case "commercial register":
            return register_number(left["vat_id"]) == register_number(right["vat_id"]) is not None
    return rule == "likeness"


def _name(row: dict) -> str:
    return person_name(row.get("full_name"), row.get("first_name"), row.get("last_name")).full


def ids(rows: dict[str, dict], column: str = "entity_id") -> dict[str, str]:
    return {record: row[column] for record, row in rows.items()}


def sets(rows: dict[str, dict], column: str = "entity_id") -> list[list[str]]:
    """The records that have an id in common, in alphabetical order."""
    together: defaultdict[str, list[str]] = defaultdict(list)
    for record, row in rows.items():
        together[row[column]].append(record)
    return sorted(sorted(records) for records in together.values())


def test_a_chain_through_four_keys_is_one_customer_and_every_link_is_named():
    company = Company()
    company.organisation("crm:1", name="Gasthof Müller", customer_number="K-1")
    company.organisation("erp:1", customer_number=" k-1 ", vat_id="DE 136 695 976")
    company.organisation("web:1", vat_id="DE136695976", merged_into_record_id="2")
    company.organisation("web:2", vat_id="HRB 77, Amtsgericht München")
    company.organisation("shop:1", vat_id="AG München HRB 77")
    company.organisation("shop:2", name="Somebody else")
    night = company.night()
    assert sets(night.organisations) == [
        ["crm:1", "erp:1", "shop:1", "web:1", "web:2"],
        ["shop:2"],
    ]
    assert night.organisations["shop:1"]["chain"] == "shop:1 → web:2 → web:1 → erp:1 → crm:1"
    assert {record: row["rule"] for record, row in night.organisations.items()} == {
        "crm:1": "first record",
        "erp:1": "customer number",
        "web:1": "VAT id",
        "web:2": "merged in the source",
        "shop:1": "commercial register",
        "shop:2": "first record",
    }


@pytest.mark.parametrize("kind", ["organisation", "person"])
def test_what_was_merged_into_a_record_that_was_merged_itself_is_one(kind):
    company = Company()
    add = getattr(company, kind)
    add("crm:1", merged_into_record_id="2")
    add("crm:2", merged_into_record_id="3")
    add("crm:3")
    add("crm:4", merged_into_record_id="99")
    add("crm:5", merged_into_record_id="99")
    add("erp:3", merged_into_record_id="3")
    night = company.night()
    rows = night.organisations if kind == "organisation" else night.persons
    assert sets(rows) == [["crm:1", "crm:2", "crm:3"], ["crm:4", "crm:5"], ["erp:3"]]


def test_two_vat_ids_stay_two_and_the_pair_that_gave_way_is_to_be_reviewed():
    company = Company()
    company.organisation("crm:1", customer_number="K-1", vat_id=german_vat_id(1))
    company.organisation("erp:1", customer_number="K-1", vat_id=german_vat_id(2))
    company.organisation("web:1", vat_id=german_vat_id(2))
    night = company.night()
    assert sets(night.organisations) == [["crm:1"], ["erp:1", "web:1"]]
    ((pair, row),) = night.review.items()
    assert pair == ("crm:1", "erp:1")
    assert (row["rule"], row["reason"]) == (
        "customer number",
        "they would have more than one VAT id",
    )
    assert [row["left_id"], row["right_id"]] == [
        night.organisations[record]["entity_id"] for record in pair
    ]


def test_a_missing_rule_is_named():
    company = Company()
    del company.rules["link_from"]
    with pytest.raises(UnknownRule, match="'link_from' is missing"):
        company.night()


# Decisions of people


def test_always_joins_even_two_vat_ids_and_never_splits_even_by_key():
    company = Company()
    company.organisation("crm:1", vat_id=german_vat_id(1))
    company.organisation("erp:1", vat_id=german_vat_id(2))
    company.organisation("crm:2", customer_number="K-2")
    company.organisation("erp:2", customer_number="K-2")
    company.person("crm:1", full_name="Anna Huber", email="anna@gmx.at")
    company.person("crm:2", full_name="Anna Huber", email="anna@gmx.at")
    company.person("crm:3", full_name="Frieda Maier")
    company.decide("always", "crm:1", "erp:1")
    company.decide("never", "erp:2", "crm:2")
    company.decide("never", "crm:1", "crm:2", "person")
    company.decide("always", "crm:2", "crm:3", "person")
    night = company.night()
    assert sets(night.organisations) == [["crm:1", "erp:1"], ["crm:2"], ["erp:2"]]
    assert sets(night.persons) == [["crm:1"], ["crm:2", "crm:3"]]
    assert night.organisations["erp:1"]["rule"] == night.persons["crm:3"]["rule"] == "always"
    # What a person has decided is not asked again.
    assert night.review == {}


def test_decisions_that_cannot_both_hold_stop_the_night_and_name_the_records():
    company = Company()
    for record in ("crm:1", "crm:2", "crm:3"):
        company.organisation(record)
    company.decide("always", "crm:1", "crm:2")
    company.decide("always", "crm:2", "crm:3")
    company.decide("never", "crm:3", "crm:1")
    with pytest.raises(ContradictoryOverrides, match="crm:2 and crm:3 are to be one always"):
        company.night()
    company.overrides = []
    company.decide("always", "crm:1", "crm:2")
    company.decide("never", "crm:1", "crm:2")
    with pytest.raises(ContradictoryOverrides, match="crm:1 and crm:2"):
        company.night()


def test_a_decision_on_a_record_that_is_not_there_joins_nobody_and_is_to_be_reviewed():
    company = Company()
    for record in ("crm:1", "crm:2"):
        company.organisation(record)
    company.decide("always", "crm:1", "crm:404")
    company.decide("always", "crm:404", "crm:2")
    company.decide("never", "crm:405", "crm:406")
    night = company.night()
    assert sets(night.organisations) == [["crm:1"], ["crm:2"]]
    assert {pair: row["rule"] for pair, row in night.review.items()} == {
        ("crm:1", "crm:404"): "always",
        ("crm:404", "crm:2"): "always",
        ("crm:405", "crm:406"): "never",
    }
    assert {row["reason"] for row in night.review.values()} == {
        "a decision names a record that is not there"
    }


def test_what_a_person_unmerges_has_its_earlier_ids_again_until_the_decision_is_taken_back():
    company = Company()
    company.organisation("crm:1", customer_number="K-1")
    company.organisation("erp:1", vat_id="DE136695976")
    before = ids(company.night().organisations)
    company.organisation("erp:1", vat_id="DE136695976", customer_number="K-1")
    night = company.night()
    assert ids(night.organisations) == dict.fromkeys(before, before["crm:1"])
    assert night.changes == [("merge", before["erp:1"], before["crm:1"], 1)]
    company.decide("never", "crm:1", "erp:1")
    night = company.night()
    assert ids(night.organisations) == before
    assert night.changes == [("split", before["crm:1"], before["erp:1"], 1)]
    company.overrides.clear()
    night = company.night()
    assert ids(night.organisations) == dict.fromkeys(before, before["crm:1"])
    assert [row["night"] for row in night.tables["changes"]] == [2, 3, 4]


# Persons, and whose customers they are


def test_people_of_one_mailbox_or_number_are_one_only_where_it_is_their_own():
    company = Company()
    for number, (name, address) in enumerate(
        [
            ("Anna Huber", "a.huber@krone.example"),
            ("Huber, Anna", "A.Huber@krone.example"),
            (None, "a.huber@krone.example"),
            # A role's.
            ("Karl Maier", "info@krone.example"),
            ("Karl Maier", "info@krone.example"),
            # Two names, one of them twice.
            ("Rosa Klein", "family@gmx.at"),
            ("Emil Klein", "family@gmx.at"),
            ("Rosa Klein", "family@gmx.at"),
            # Surnames alone.
            ("Wagner", "desk@gmx.at"),
            ("Pichler", "desk@gmx.at"),
        ]
    ):
        company.person(f"crm:{number}", full_name=name, email=address)
    assert sets(company.night().persons) == [
        ["crm:0", "crm:1", "crm:2"], *([f"crm:{number}"] for number in range(3, 10))
    ]  # fmt: skip


def test_one_number_of_the_customer_is_one_person_only_under_one_name():
    company = Company()
    for number, name in enumerate(["Anna Huber", "Frau Anna Huber", "Emil Huber", "Huber"]):
        company.person(f"crm:{number}", full_name=name, customer_number="K-1")
    night = company.night()
    assert sets(night.persons) == [["crm:0", "crm:1"], ["crm:2"], ["crm:3"]]
    assert night.persons["crm:1"]["rule"] == "customer number and name"


def test_a_person_of_two_organisations_is_one_whose_records_are_with_two_customers():
    company = Company()
    company.organisation("crm:o1", name="Krone")
    company.organisation("crm:o2", name="Adler")
    for number in (1, 2):
        company.person(
            f"crm:{number}", full_name="Anna Huber", email="anna@gmx.at",
            organisation_record_id=f"o{number}",
        )  # fmt: skip
    company.person("crm:3", full_name="Emil Klein", email="emil@gmx.at")
    night = company.night()
    assert sets(night.persons) == [["crm:1", "crm:2"], ["crm:3"]]
    customers = ids(night.persons, "customer_id")
    assert customers["crm:1"] == night.organisations["crm:o1"]["entity_id"]
    assert customers["crm:2"] == night.organisations["crm:o2"]["entity_id"]
    assert customers["crm:3"] == night.persons["crm:3"]["entity_id"]
    assert customers["crm:3"].startswith("p_")
    assert night.persons["crm:3"]["customer_rule"] == "the person itself"


def test_a_record_without_an_organisation_is_with_the_nearest_of_the_same_person():
    company = Company()
    company.organisation("crm:o1", name="Krone")
    company.organisation("crm:o2", name="Adler")
    company.person("newsletter:1", email="anna@gmx.at")
    company.person("newsletter:2")
    company.person(
        "crm:1", full_name="Anna Huber", email="anna@gmx.at", organisation_record_id="o1"
    )
    company.person(
        "crm:2", full_name="Anna Huber", organisation_record_id="o2", merged_into_record_id="1"
    )
    company.decide("always", "newsletter:1", "newsletter:2", "person")
    night = company.night()
    assert len(sets(night.persons)) == 1
    krone, adler = (night.organisations[record]["customer_id"] for record in ("crm:o1", "crm:o2"))
    assert ids(night.persons, "customer_id") == {
        "crm:1": krone, "crm:2": adler, "newsletter:1": krone, "newsletter:2": krone
    }  # fmt: skip
    rules = ids(night.persons, "customer_rule")
    assert rules["newsletter:2"] == rules["newsletter:1"] == "another record of the person"
    # As near, and likelier.
    company.decide("always", "newsletter:1", "crm:2", "person")
    assert company.night().persons["newsletter:1"]["customer_id"] == adler


EMPLOYERS = {
    "its own account": {},
    "its organisation in the source": {"organisation_record_id": "source"},
    "customer number": {"customer_number": "K-9"},
    "mailbox of the organisation": {"email": "info@mailbox.example"},
    "domain of the organisation": {"email": "anna@domain.example"},
    "name of the organisation": {"organisation_name": "Gasthof Name GmbH"},
}


def employers() -> Company:
    """An organisation for every rule of EMPLOYERS, and persons 1 to 6.

    The first rule that leads number n to an organisation is the n-th; all after it lead to others.
    """
    company = Company()
    company.organisation("crm:1", is_natural_person=True)
    company.organisation("crm:source")
    company.organisation("erp:number", customer_number="k-9")
    company.organisation("erp:mailbox", email="info@mailbox.example")
    company.organisation("erp:domain", domain="https://www.domain.example/")
    company.organisation("erp:name", name="Gasthof Name")
    said = list(EMPLOYERS.values())
    for number, name in enumerate(("Ahuber", "Bhuber", "Chuber", "Dhuber", "Ehuber", "Fhuber")):
        columns: dict[str, str] = {}
        for later in reversed(said[number:]):
            columns |= later
        company.person(f"crm:{number + 1}", full_name=f"Anna {name}", **columns)
    return company


def test_whose_customer_a_person_is_follows_the_first_rule_that_holds():
    night = employers().night()
    assert ids(night.persons, "customer_rule") == {
        f"crm:{number}": rule for number, rule in enumerate(EMPLOYERS, start=1)
    }
    assert list(ids(night.persons, "customer_id").values()) == [
        night.organisations[record]["customer_id"]
        for record in (
            "crm:1", "crm:source", "erp:number", "erp:mailbox", "erp:domain", "erp:name"
        )
    ]  # fmt: skip


def test_what_two_organisations_have_in_common_says_nothing_of_a_person():
    company = employers()
    # Two with one number are one, but for a person's word.
    company.organisation("web:number", customer_number="K-9")
    company.decide("never", "web:number", "erp:number")
    company.organisation("web:domain", domain="domain.example")
    rules = list(ids(company.night().persons, "customer_rule").values())
    of_mailbox, of_name = "mailbox of the organisation", "name of the organisation"
    assert rules == [*list(EMPLOYERS)[:2], of_mailbox, of_mailbox, of_name, of_name]
    company.organisation("web:mailbox", email="info@mailbox.example")
    company.organisation("web:name", name="Gasthof Name e.U.")
    rules = list(ids(company.night().persons, "customer_rule").values())
    assert rules == [*list(EMPLOYERS)[:2], *["the person itself"] * 4]


def test_two_records_of_one_organisation_are_no_contradiction():
    company = Company()
    company.organisation("crm:o1", domain="krone.example", customer_number="K-1")
    company.organisation("erp:o1", domain="krone.example", customer_number="K-1")
    company.person("crm:1", full_name="Anna Huber", email="anna@krone.example")
    night = company.night()
    assert night.persons["crm:1"]["customer_id"] == night.organisations["crm:o1"]["customer_id"]


def test_branches_of_one_vat_id_are_one_customer_or_several_as_the_company_wants():
    company = Company(branches_are_one=0)
    seven = german_vat_id(7)
    munich = {"street": "Hauptstraße 1", "postcode": "80331", "country": "DE"}
    company.organisation("crm:1", vat_id=seven, **munich)
    company.organisation("crm:2", vat_id=seven, **munich | {"street": "Hauptstr. 1"})
    company.organisation("crm:3", vat_id=seven, **munich | {"street": "Hauptstraße 2"})
    company.organisation("crm:4", vat_id=seven, **munich | {"postcode": "01067"})
    company.organisation("crm:5", vat_id=seven, customer_number="K-5", **munich | {"street": "B 5"})
    company.organisation("crm:6", vat_id=seven, customer_number="K-5", **munich | {"street": "C 6"})
    company.organisation("crm:7", vat_id=german_vat_id(8), customer_number="K-5", **munich)
    apart = company.night()
    assert sets(apart.organisations) == [
        ["crm:1", "crm:2"], ["crm:3"], ["crm:4"], ["crm:5", "crm:6"], ["crm:7"]
    ]  # fmt: skip
    company.rules["branches_are_one"] = 1
    night = company.night()
    assert sets(night.organisations) == [[f"crm:{number}" for number in range(1, 7)], ["crm:7"]]
    company.rules["branches_are_one"] = 0
    assert ids(company.night().organisations) == ids(apart.organisations)


# Nights


class Fate:
    """Thirty nights of a company: records come, change, vanish and come back."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.company = Company()
        self.held: dict[str, dict[str, str]] = {"organisation": {}, "person": {}}
        self.holders: dict[str, set[str]] = {}
        self.living: dict[str, set[str]] = {"organisation": set(), "person": set()}
        self.seen: Counter[str] = Counter()

    def change(self) -> None:
        dice = self.dice
        for number in range(24):
            record = f"{'ab'[number % 2]}:{number}"
            if dice.random() < 0.25:
                self.company.organisations.pop(record, None)
                if dice.random() < 0.75:
                    self.company.organisation(
                        record,
                        customer_number=dice.choice([None, None, f"K-{dice.randrange(9)}"]),
                        vat_id=dice.choice([None, german_vat_id(dice.randrange(5))]),
                        merged_into_record_id=dice.choice([None] * 5 + [str(dice.randrange(24))]),
                    )
            if dice.random() < 0.25:
                self.company.persons.pop(record, None)
                if dice.random() < 0.75:
                    self.company.person(
                        record,
                        full_name=dice.choice(["Anna Huber", "Emil Klein", "Rosa Wagner", None]),
                        email=dice.choice([None, "info@k.at", f"m{dice.randrange(9)}@gmx.at"]),
                        customer_number=dice.choice([None, None, f"K-{dice.randrange(9)}"]),
                        organisation_record_id=dice.choice([None, str(dice.randrange(24))]),
                    )
        # Nobody who is always somebody is never somebody else: they cannot contradict.
        self.company.overrides.clear()
        for kind in self.held:
            for _ in range(3):
                one, other = dice.sample(range(0, 24, 2), 2)
                self.company.decide("always", f"a:{one}", f"a:{other}", kind)
                one, other = dice.sample(range(1, 24, 2), 2)
                self.company.decide("never", f"b:{one}", f"b:{other}", kind)

    def pass_(self) -> None:
        night = self.company.night()
        number = self.company.nights
        for kind, rows in (("organisation", night.organisations), ("person", night.persons)):
            now, held = ids(rows), self.held[kind]
            for name in set(now.values()):
                holding = {record for record, of in now.items() if of == name}
                assert name not in self.holders or self.holders[name] & holding
                self.holders.setdefault(name, set()).update(holding)
            changes = [
                row
                for row in night.tables["changes"]
                if (row["record_kind"], row["night"]) == (kind, number)
            ]
            moved = Counter(
                (held[record], name)
                for record, name in now.items()
                if held.get(record, name) != name
            )
            living = set(now.values())
            assert moved == {
                (row["old_id"], row["new_id"]): row["records"]
                for row in changes
                if row["kind"] != "gone"
            }
            for row in changes:
                assert (row["old_id"] in living) == (row["kind"] == "split")
                self.seen[row["kind"]] += 1
            # Who was there yesterday and is not today is said to have become somebody or nobody.
            assert self.living[kind] - living <= {row["old_id"] for row in changes}
            self.living[kind] = living
            held |= now


def test_over_thirty_nights_every_record_has_one_customer_and_every_change_of_an_id_is_said():
    fate = Fate(seed=11)
    for _ in range(30):
        fate.change()
        fate.pass_()
    assert min(fate.seen[kind] for kind in ("merge", "split", "gone")) > 20


def test_a_night_like_the_last_leaves_what_the_last_left():
    company = employers()
    company.decide("always", "erp:name", "erp:domain")
    first, again = company.night(), company.night()
    for kind, memory in first.memories.items():
        assert is_same(memory, again.memories[kind])
    assert first.tables == again.tables
    assert again.tables["changes"] == []


# Likeness


def town(dice: random.Random, organisations: int = 140) -> Company:
    """Organisations and their people in a CRM and in accounting, spelt more or less alike."""
    company = Company()
    for number in range(organisations):
        add_house(company, dice, number)
    return company


def add_house(company: Company, dice: random.Random, number: int) -> None:
    name, street = f"Gasthof {word(dice)} {word(dice)}", f"{word(dice)}straße"
    address = {
        "name": name,
        "street": f"{street} {dice.randrange(1, 90)}",
        "postcode": f"{dice.randrange(10, 99)}{number % 10:03}",
        "city": word(dice),
        "country": "DE",
        "email": f"info@{word(dice)}.example",
        "phone": f"089 {20_000_000 + number}",
    }
    spoilt = address | {
        0: {"name": slipped(dice, name), "email": None},
        1: {"phone": None, "street": slipped(dice, street)},
        2: {"name": name + " GmbH", "phone": None, "email": None},
        3: dict.fromkeys(("postcode", "city", "email", "phone")),
    }.get(number % 8, {})
    numbered = {"customer_number": f"K-{number}"} if number % 5 == 0 else {}
    company.organisation(f"crm:{number}", **address, **numbered)
    company.organisation(f"erp:{number}", **spoilt, **numbered)
    for place in range(2):
        first, last = word(dice), word(dice)
        person = {
            "full_name": f"{first} {last}",
            "email": f"{first}.{last}@gmx.at",
            "organisation_record_id": f"{number}",
            "country": "DE",
        }
        spoilt = person | {
            0: {"full_name": f"{first} {slipped(dice, last)}", "email": None},
            1: {"full_name": last, "email": None},
            2: {"email": None},
        }.get((number + place) % 6, {})
        company.person(f"crm:{number}-{place}", **person)
        company.person(f"erp:{number}-{place}", **spoilt)


def word(dice: random.Random) -> str:
    syllables = "ba ke li mo nu ra se ti wo zu gel hart burg stein feld mann".split()
    return "".join(dice.choices(syllables, k=3)).title()


def slipped(dice: random.Random, text: str) -> str:
    place = dice.randrange(len(text) - 2, len(text))
    return text[:place] + dice.choice("xyq") + text[place + 1 :]


class Learnt:
    """A town after its first night, and the models it learnt then."""

    def __init__(self) -> None:
        self.dice = random.Random(5)
        self.company = town(self.dice)
        self.models: dict[str, tuple[Model, str]] = {}
        self.first = self.company.night(self.model_of)

    def model_of(self, db: duckdb.DuckDBPyConnection, kind: Kind) -> tuple[Model, str]:
        if kind.name not in self.models:
            self.models[kind.name] = trained(db, kind.records, kind.blueprint), "0001"
        return self.models[kind.name]


@pytest.fixture(scope="module")
def learnt() -> Learnt:
    return Learnt()


def test_what_is_alike_is_one_and_its_weights_add_up_to_the_probability(learnt):
    night = learnt.first
    assert sets(night.organisations) == sorted(
        [f"crm:{number}", f"erp:{number}"] for number in range(140)
    )
    alike = [row for row in night.tables["identities"] if row["rule"] == "likeness"]
    in_review = [row for row in night.tables["review"] if row["weights"]]
    assert {row["record_kind"] for row in alike} == {"organisation", "person"}
    for row in alike + in_review:
        weights = [(one["weight"], one["column"]) for one in json.loads(row["weights"])]
        odds = 2 ** math.fsum(weight for weight, _ in weights)
        assert odds / (1 + odds) == pytest.approx(row["probability"], rel=1e-9)
        for_, against = (
            ", ".join(
                f"{column} {weight:+.1f}"
                for weight, column in sorted(weights, key=lambda one: -abs(one[0]))
                if abs(weight) > 0.05 and (weight > 0) == speaks_for
            )
            for speaks_for in (True, False)
        )
        # What weighs as much may stand in either order.
        assert _words(row["spoke_for"]) == _words(for_)
        assert _words(row["spoke_against"]) == _words(against)
        sizes = [abs(float(one)) for one in re.findall(r"[+-][\d.]+", row["spoke_for"])]
        assert sizes == sorted(sizes, reverse=True)


def _words(text: str) -> list[str]:
    return sorted(text.split(", "))


def test_a_key_goes_before_likeness_where_both_lead_to_a_record(learnt):
    numbered = [row for record, row in learnt.first.organisations.items()
                if record.startswith("erp:") and int(row["record_id"]) % 5 == 0]  # fmt: skip
    assert len(numbered) == 28
    assert {(row["rule"], row["weights"]) for row in numbered} == {("customer number", None)}


def test_a_surname_at_one_employer_joins_nobody_and_is_put_before_a_person(learnt):
    night = learnt.first
    surnames = [row for row in night.persons.values() if " " not in row["record_name"]]
    assert len(surnames) == 48
    for row in surnames:
        assert row["rule"] == "first record"
        crm, erp = f"crm:{row['record_id']}", f"erp:{row['record_id']}"
        assert night.persons[crm]["entity_id"] != night.persons[erp]["entity_id"]
        assert night.review[crm, erp]["reason"] == "probable, not certain"


def test_with_models_too_a_night_like_the_last_leaves_what_the_last_left(learnt):
    again = learnt.company.rehearsed(learnt.model_of, learnt.first.memories, 2)
    for kind, memory in learnt.first.memories.items():
        assert is_same(memory, again.memories[kind])
        assert memory.pairs.equals(again.memories[kind].pairs)
    assert _rows(again) == _rows(learnt.first)


def test_a_night_that_compares_only_what_is_new_finds_what_a_full_run_finds(learnt):
    company, dice = learnt.company.copy(), random.Random(6)
    for number in range(140, 146):
        add_house(company, dice, number)
    company.organisation("web:1", **company.organisations["crm:1"] | {"email": None})
    company.person(
        "web:1-0", full_name=company.persons["crm:1-0"]["full_name"], birthday="1.1.1970"
    )
    for record in ("crm:3", "erp:7", "crm:11", "erp:11"):
        del company.organisations[record]
        del company.persons[f"{record}-0"]
    for number in range(20, 50):
        row = company.organisations[f"erp:{number}"]
        company.organisations[f"erp:{number}"] = row | {"name": slipped(dice, row["name"])}
    # What changes the others: a merged employer, and a mailbox that is nobody's own any more.
    company.organisations["crm:60"] |= {"customer_number": "K-61"}
    company.organisations["crm:61"] |= {"customer_number": "K-61"}
    company.person("web:2", full_name="Quirin Xaver", email=company.persons["crm:2-0"]["email"])
    memories = learnt.first.memories
    night = company.rehearsed(learnt.model_of, memories, 2)
    full = company.rehearsed(learnt.model_of, _forgetful(memories), 2)
    assert {change[0] for change in night.changes} == {"merge", "split", "gone"}
    assert _rows(night) == _rows(full)
    for kind, memory in full.memories.items():
        assert is_same(memory, night.memories[kind])


def test_where_more_get_a_name_than_may_a_night_ends_like_a_full_run(learnt):
    company = learnt.company.copy()
    company.rules["largest_block"] = 30
    # A slip of the pen in the birthday: nothing but the name brings the two together.
    for source, birthday in (("web", "1970-05-01"), ("erp", "1970-05-02")):
        company.person(f"{source}:0", full_name="Anna Nowak", birthday=birthday)
    first = company.rehearsed(learnt.model_of, {}, 1)
    pair = ("erp:0", "web:0")
    assert pair in compared(first)
    for number in range(1, 21):
        for source in ("web", "erp"):
            company.person(
                f"{source}:{number}", full_name="Anna Nowak", email=f"anna{number}@gmx.at"
            )
    night = company.rehearsed(learnt.model_of, first.memories, 2)
    full = company.rehearsed(learnt.model_of, _forgetful(first.memories), 2)
    assert _rows(night) == _rows(full)
    (row,) = [row for row in night.tables["shared"] if row["record_kind"] == "person"]
    assert (row["rule"], row["value"], row["records"]) == (
        "likeness: first_name, last_name alone",
        "anna, nowak",
        42,
    )
    # Another block still brings them together.
    assert [f"erp:{number}", f"web:{number}"] in sets(night.persons)
    assert pair not in compared(night)


def compared(night: Night) -> set[tuple[str, str]]:
    """The pairs of persons that likeness speaks for."""
    pairs = night.memories["person"].pairs
    return set(
        zip(pairs["left_record"].to_pylist(), pairs["right_record"].to_pylist(), strict=True)
    )


@pytest.mark.usefixtures("soon")
def test_thousands_of_one_name_are_not_compared_for_the_name_alone(learnt):
    company = Company()
    for number in range(10_000):
        company.person(
            f"crm:{number}", full_name="Peter Müller", phone=f"+43 664 {1000000 + number}"
        )
        company.organisation(f"crm:{number}", name="Gasthof Post", street=f"Weg {number}")
    night = company.rehearsed(learnt.model_of, {}, 1)
    assert len(sets(night.persons)) == len(sets(night.organisations)) == 10_000
    assert {(row["rule"], row["value"], row["records"]) for row in night.tables["shared"]} == {
        ("likeness: first_name, last_name alone", "peter, muller", 10_000),
        ("likeness: name alone", "gasthof post", 10_000),
    }


def _forgetful(memories: dict[str, Memory]) -> dict[str, Memory]:
    """The ids are known, and no pair that was ever compared."""
    return {
        kind: replace(
            memory, compared=COMPARED.empty_table(), pairs=PAIRS.empty_table(), model_version=None
        )
        for kind, memory in memories.items()
    }


def test_a_branch_is_joined_by_likeness_only_where_branches_are_one_customer(learnt):
    company = learnt.company.copy()
    branch = company.organisations["crm:1"] | {"street": "Ganz Andere Gasse 7"}
    company.organisation("web:1", **branch)
    together = company.rehearsed(learnt.model_of, learnt.first.memories, 2)
    assert ["crm:1", "erp:1", "web:1"] in sets(together.organisations)
    company.rules |= {"branches_are_one": 0}
    apart = company.rehearsed(learnt.model_of, learnt.first.memories, 2)
    assert ["web:1"] in sets(apart.organisations)
    assert apart.review["crm:1", "web:1"]["reason"] == "probable, not certain"


def test_a_lower_threshold_finds_pairs_of_old_records_too(learnt):
    company = learnt.company.copy()
    company.rules |= {"review_from": 0.9999, "link_from": 0.9999}
    strict = company.rehearsed(learnt.model_of, {}, 1)
    assert len(sets(strict.persons)) > len(sets(learnt.first.persons))
    company.rules["link_from"] = learnt.company.rules["link_from"]
    linked = company.rehearsed(learnt.model_of, strict.memories, 2)
    assert sets(linked.persons) == sets(learnt.first.persons)
    company.rules = learnt.company.rules
    night = company.rehearsed(learnt.model_of, linked.memories, 3)
    assert sets(night.persons) == sets(learnt.first.persons)
    assert night.review.keys() == learnt.first.review.keys()


def test_no_record_one_record_and_none_that_is_left_with_models_too(learnt):
    company = Company()
    nobody = company.rehearsed(learnt.model_of, {}, 1)
    assert nobody.tables["identities"] == []
    company.organisation("crm:1", name="Krone")
    company.person("crm:1", full_name="Anna Huber")
    alone = company.rehearsed(learnt.model_of, nobody.memories, 2)
    assert sets(alone.organisations) == sets(alone.persons) == [["crm:1"]]
    company.organisations.clear()
    company.persons.clear()
    company.organisation("crm:2", name="Krone")
    night = company.rehearsed(learnt.model_of, alone.memories, 3)
    assert sets(night.organisations) == [["crm:2"]]
    assert [change[0] for change in night.changes] == ["gone", "gone"]


def _rows(night: Night) -> dict[str, list[str]]:
    return {name: sorted(map(str, rows)) for name, rows in night.tables.items()}


# Whatever comes in


@pytest.fixture
def soon() -> Iterator[None]:
    """A verdict that comes too late is none."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < SECONDS_FOR_HOSTILE_INPUT


def test_no_record_at_all_and_one_alone():
    company = Company()
    assert all(rows == [] for rows in company.night().tables.values())
    company.person("crm:1", full_name="Anna Huber")
    assert sets(company.night().persons) == [["crm:1"]]


def test_records_that_say_nothing_are_customers_of_their_own():
    company = Company()
    for number in range(3):
        company.organisation(f"crm:{number}", is_natural_person=None)
        company.person(f"crm:{number}")
        company.organisation(f"erp:{number}", **dict.fromkeys(("name", "vat_id", "email"), " \t"))
        company.person(f"erp:{number}", **dict.fromkeys(("full_name", "email", "phone"), "\u200b"))
    night = company.night()
    assert len(sets(night.organisations)) == len(sets(night.persons)) == 6
    assert night.review == {}


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("point", [{"email": "anna@gmx.at"}, {"phone": "+43 664 1234567"}])
def test_ten_thousand_that_share_a_mailbox_or_a_phone_stay_ten_thousand(learnt, point):
    company = Company()
    for number in range(10_000):
        company.organisation(f"crm:{number}", name=f"Gasthof {name_of(number)}", **point)
        company.person(f"crm:{number}", full_name=f"Anna {name_of(number)}", **point)
    night = company.rehearsed(learnt.model_of, {}, 1)
    assert len(sets(night.organisations)) == len(sets(night.persons)) == 10_000
    assert set(ids(night.persons, "customer_rule").values()) == {"the person itself"}
    (row,) = night.tables["shared"]
    assert (row["record_kind"], row["records"]) == ("organisation", 10_000)
    assert row["rule"] == f"likeness: {next(iter(point))}"


def name_of(number: int) -> str:
    """A name that no other number has."""
    syllables = "ba ke li mo nu ra se ti wo zu".split()
    return "".join(syllables[int(digit)] for digit in f"{number:05}").title()


@pytest.mark.usefixtures("soon")
def test_ten_thousand_that_are_alike_in_everything_stay_apart_and_are_listed(learnt):
    company = Company()
    for number in range(10_000):
        company.person(
            f"crm:{number}", full_name="Web Shop", email="zoe@gmx.at", phone="+43 664 1234567"
        )
        company.organisation(f"crm:{number}", name="Web Shop")
    night = company.rehearsed(learnt.model_of, {}, 1)
    assert len(sets(night.persons)) == len(sets(night.organisations)) == 10_000
    assert night.review == {}
    assert {row["records"] for row in night.tables["shared"]} == {10_000}
    assert {(row["record_kind"], row["rule"], row["value"]) for row in night.tables["shared"]} == {
        ("organisation", "likeness: everything", "web shop"),
        ("person", "e-mail address", "zoe@gmx.at"),
        ("person", "likeness: email", "zoe@gmx.at"),
        ("person", "likeness: phone", "+436641234567"),
        ("person", "likeness: everything", "web, shop"),
    }


def test_a_number_that_more_share_than_may_is_no_key_and_is_listed():
    company = Company()
    for number in range(51):
        company.organisation(f"crm:{number}", customer_number="77")
    for number in range(50):
        company.organisation(f"erp:{number}", customer_number="1")
    night = company.night()
    assert len(sets(night.organisations)) == 51 + 1
    (row,) = night.tables["shared"]
    assert (row["rule"], row["value"], row["records"]) == ("customer number", "77", 51)


def test_what_stands_where_nobody_has_a_number_is_none():
    company = Company()
    for place, written in enumerate(("0", "-", "000", " ", "0-0", "\u2014")):
        company.organisation(f"crm:{place}", customer_number=written)
        company.organisation(f"erp:{place}", customer_number=written)
    company.organisation("crm:n", customer_number="Ä-0")
    company.organisation("erp:n", customer_number="ä-0")
    assert len(sets(company.night().organisations)) == 12 + 1


@pytest.mark.usefixtures("soon")
def test_a_cluster_that_would_swallow_a_thousand_stays_small_and_what_gave_way_is_listed():
    company = Company(largest_cluster=40)
    company.at_most("organisation", "customer number", 2_000)
    for number in range(1_000):
        company.organisation(f"crm:{number}", merged_into_record_id=str(number + 1))
        company.organisation(f"erp:{number}", customer_number="K-1")
    night = company.night()
    assert max(map(len, sets(night.organisations))) == 40
    reasons = Counter(row["reason"] for row in night.review.values())
    assert sum(reasons.values()) >= 960 + 24
    assert all("more than the 40 allowed" in reason for reason in reasons)


@pytest.mark.usefixtures("soon")
def test_names_of_a_million_letters_change_nothing_for_the_others():
    company = Company()
    texts = ["A" * 1_000_000, "Ä " * 500_000, "e" + "\u0301" * 999_999, "\0" * 1_000_000]
    columns = ("name", "street", "postcode", "city", "vat_id", "domain", "email", "phone")
    for number, text in enumerate(texts):
        company.organisation(f"crm:{number}", customer_number="K-1", **dict.fromkeys(columns, text))
        company.person(
            f"crm:{number}", organisation_name=text, full_name=text, last_name=text,
            email=f"{text}@gmx.at", phone=text, customer_number=f"K-{text}",
        )  # fmt: skip
    night = company.night()
    assert len(sets(night.organisations)) == 1
    assert len(sets(night.persons)) == len(texts)
    assert {len(row["record_name"]) for row in night.persons.values()} == {1_000_000}


def test_names_of_all_writings_are_kept_as_they_are_and_compared_in_one_spelling():
    company = Company()
    names = [
        "مطعم السلام",
        "\u202eמסעדה\u202c",
        "Cafe\u0301 Zoe\u0308",
        "Café Zoë",
        "Gasthof\0Krone",
        "👩\u200d🍳 Küche",
    ]
    for number, name in enumerate(names):
        company.organisation(f"crm:{number}", name=name, customer_number=name)
        company.person(f"crm:{number}", full_name=name, organisation_name=name)
    company.organisation("erp:1", customer_number=names[1])
    company.organisation("erp:4", customer_number="Gasthof")
    night = company.night()
    assert ["crm:1", "erp:1"] in sets(night.organisations)
    assert [night.organisations[f"crm:{number}"]["record_name"] for number in range(6)] == names
    assert [night.persons[f"crm:{number}"]["record_name"] for number in range(6)] == names
    rules = ids(night.persons, "customer_rule")
    # Two organisations write themselves so.
    assert rules["crm:2"] == rules["crm:3"] == "the person itself"
    assert rules["crm:0"] == rules["crm:1"] == "name of the organisation"


def test_ids_of_records_may_hold_anything():
    company = Company()
    strange = ["a:b::c", "'; drop table nodes; --", '"', "Müller→ß", " ", "\0", "{}", "%s", ""]
    for number, text in enumerate(strange):
        company.organisation(f"crm:{text}", customer_number=f"K-{number}")
        company.organisation(f"erp:{text}", customer_number=f"K-{number}")
        company.person(f"crm:{text}", organisation_record_id=text)
        company.organisation(f"web:{text}", merged_into_record_id=text)
    company.decide("always", f"web:{strange[0]}", f"crm:{strange[1]}")
    company.decide("never", f"crm:{strange[2]}", f"erp:{strange[2]}")
    night = company.night()
    assert len(sets(night.organisations)) == 2 * len(strange) - 1 + 1
    for text in strange:
        customer = night.organisations[f"crm:{text}"]["customer_id"]
        assert night.persons[f"crm:{text}"]["customer_id"] == customer
