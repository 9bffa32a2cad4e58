"""Records with a key in common are paired; a value that everybody shares is no key."""

from collections.abc import Sequence

import duckdb
import pytest

from pipelines.identity.clusters import clustered
from pipelines.identity.keys import Keyed, paired_by_key

RULES = [("same VAT id", 1.0, 100), ("same e-mail", 0.97, 5)]


def paired(keys: Sequence[tuple], rules: Sequence[tuple] = RULES) -> Keyed:
    """keys: (record, rule, value); rules: (rule, probability, at_most)."""
    with _given(keys, rules) as db:
        return paired_by_key(db, "keys", "rules")


def _given(keys: Sequence[tuple], rules: Sequence[tuple]) -> duckdb.DuckDBPyConnection:
    db = duckdb.connect()
    db.execute("create table keys (record varchar, rule varchar, value varchar)")
    db.execute("create table rules (rule varchar, probability double, at_most bigint)")
    for table, rows in (("keys", keys), ("rules", rules)):
        if rows:
            db.executemany(f"insert into {table} values (?, ?, ?)", rows)
    return db


def test_no_keys_are_no_pairs():
    found = paired([])
    assert (found.pairs.num_rows, found.shared.num_rows) == (0, 0)


def test_few_that_share_a_value_are_all_paired_and_many_with_the_first_of_them():
    found = paired([(record, "same VAT id", "DE1") for record in "cab"] + [("d", RULES[0][0], "x")])
    assert found.pairs.to_pylist() == [
        {"left_record": one, "right_record": other, "rule": "same VAT id", "probability": 1.0}
        for one, other in ("ab", "ac", "bc")
    ]
    many = paired([(record, "same VAT id", "DE1") for record in "abcdefghi"]).pairs.to_pylist()
    assert [(row["left_record"], row["right_record"]) for row in many] == [
        ("a", other) for other in "bcdefghi"
    ]


def test_when_a_guard_keeps_one_out_the_others_are_one_still():
    keys = [(record, "same e-mail", "x") for record in "abc"]
    with _given(keys, RULES) as db:
        db.register("pairs", paired_by_key(db, "keys", "rules").pairs)
        db.execute(
            "create table exclusive as select 'a' as record, 'VAT id' as attribute, 'DE1' as value "
            "union all select unnest(['b', 'c']), 'VAT id', 'DE2'"
        )
        records = "(select distinct record from keys)"
        members = clustered(db, records, "pairs", exclusive="exclusive").members
    assert members["cluster"].to_pylist() == ["a", "b", "b"]


def test_a_value_that_is_unknown_or_stands_twice_in_one_record_pairs_nobody():
    keys = [("a", "same e-mail", None), ("b", "same e-mail", None)]
    assert paired([*keys, ("a", "same e-mail", "x"), ("a", "same e-mail", "x")]).pairs.num_rows == 0


def test_one_value_under_two_rules_is_two_keys():
    assert paired([("a", "same VAT id", "1"), ("b", "same e-mail", "1")]).pairs.num_rows == 0


def test_ten_thousand_records_with_one_address_stay_apart_and_are_told():
    keys = [(f"r{n:05}", "same e-mail", "office@krone.example") for n in range(10_000)]
    keys += [("r00001", "same VAT id", "DE1"), ("r00002", "same VAT id", "DE1")]
    with _given(keys, RULES) as db:
        found = paired_by_key(db, "keys", "rules")
        db.register("pairs", found.pairs)
        members = clustered(db, "(select distinct record from keys)", "pairs").members
    assert found.shared.to_pylist() == [
        {"rule": "same e-mail", "value": "office@krone.example", "records": 10_000}
    ]
    assert len(set(members["cluster"].to_pylist())) == 9_999


@pytest.mark.parametrize("rules", [RULES[:1], [*RULES, RULES[1]]], ids=["unknown", "twice"])
def test_a_rule_that_is_not_described_once_is_named(rules):
    with pytest.raises(ValueError, match="'same e-mail' has to be described once"):
        paired([("a", "same e-mail", "x")], rules)
