"""Pairs in, clusters out: the closure is complete, and guards keep apart what they must."""

import itertools

import duckdb
import networkx
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.identity.clusters import Clusters, ContradictoryOverrides, clustered

PAIRS = pa.schema(
    [
        ("left_record", pa.string()),
        ("right_record", pa.string()),
        ("rule", pa.string()),
        ("probability", pa.float64()),
    ]
)


def cluster(
    records: str | list[str],
    *pairs: tuple,
    exclusive: dict[str, str] | None = None,
    never: tuple[tuple[str, str], ...] = (),
    **options: int,
) -> Clusters:
    """pairs: (left, right) or (left, right, probability) or (left, right, probability, rule)."""
    with duckdb.connect() as db:
        db.register("records", pa.table({"record": pa.array(list(records), pa.string())}))
        rows = [dict(zip(PAIRS.names, _filled(pair), strict=True)) for pair in pairs]
        db.register("pairs", pa.Table.from_pylist(rows, schema=PAIRS))
        if exclusive:
            held = [
                {"record": record, "attribute": "vat_id", "value": value}
                for record, value in exclusive.items()
            ]
            db.register("exclusive", pa.Table.from_pylist(held))
        if never:
            db.register(
                "never",
                pa.table(
                    {
                        "left_record": [left for left, _ in never],
                        "right_record": [right for _, right in never],
                    }
                ),
            )
        return clustered(
            db,
            "records",
            "pairs",
            exclusive="exclusive" if exclusive else None,
            never="never" if never else None,
            **options,
        )


def _filled(pair: tuple) -> tuple:
    left, right, *rest = pair
    probability = rest[0] if rest else 0.99
    return left, right, rest[1] if len(rest) > 1 else "found", probability


def sets(found: Clusters) -> list[str]:
    together: dict[str, list[str]] = {}
    for row in found.members.to_pylist():
        together.setdefault(row["cluster"], []).append(row["record"])
    assert all(name == min(members) for name, members in together.items())
    return sorted("".join(sorted(members)) for members in together.values())


def test_a_chain_of_pairs_is_one_cluster_and_a_record_without_a_pair_is_its_own():
    assert sets(cluster("abcde", "ab", "bc", "cd")) == ["abcd", "e"]


def test_no_record_and_one_record():
    assert sets(cluster("")) == []
    assert sets(cluster("a")) == ["a"]


def test_of_two_vat_ids_the_weakest_pair_between_them_gives_way():
    found = cluster(
        "abcd", ("a", "b", 0.99), ("b", "c", 0.95), ("c", "d", 0.99),
        exclusive={"a": "DE1", "d": "DE2"},
    )  # fmt: skip
    assert sets(found) == ["ab", "cd"]
    (refused,) = found.refused.to_pylist()
    assert (refused["left_record"], refused["right_record"]) == ("b", "c")
    assert refused["reason"] == "they would have more than one vat_id"


def test_one_vat_id_on_both_sides_is_no_contradiction():
    assert sets(cluster("abc", "ab", "bc", exclusive={"a": "DE1", "c": "DE1"})) == ["abc"]


def test_a_person_joins_what_has_two_vat_ids_and_others_with_either_may_follow():
    found = cluster(
        "abcd", ("a", "b", 1.0, "always"), ("b", "c"), ("b", "d"),
        exclusive={"a": "DE1", "b": "DE2", "c": "DE1", "d": "DE3"},
    )  # fmt: skip
    assert sets(found) == ["abc", "d"]


def test_what_a_person_joined_may_join_a_larger_cluster_that_has_one_of_its_vat_ids():
    found = cluster(
        "abcde", ("d", "e", 1.0, "always"), ("a", "b", 0.99), ("b", "c", 0.98), ("c", "d", 0.9),
        exclusive={"a": "DE1", "d": "DE1", "e": "DE2"},
    )  # fmt: skip
    assert sets(found) == ["abcde"]


def test_a_person_keeps_apart_what_a_chain_would_join():
    found = cluster("abcd", ("a", "b", 0.9), ("b", "c", 0.8), "cd", never=(("d", "a"),))
    assert sets(found) == ["ab", "cd"]
    assert found.refused["reason"].to_pylist() == ["a person decided that they are not the same"]


def test_decisions_that_cannot_both_hold_are_named():
    always = [("a", "b", 1.0, "always"), ("b", "c", 1.0, "always")]
    with pytest.raises(ContradictoryOverrides, match="take one of the decisions out"):
        cluster("abc", *always, never=(("a", "c"),))


def test_an_unknown_record_is_named():
    with pytest.raises(ValueError, match="a pair names records that are not there: 'x'"):
        cluster("ab", "ax")
    with pytest.raises(ValueError, match="a decision names records that are not there: 'y'"):
        cluster("ab", "ab", never=(("a", "y"),))


def test_a_cluster_that_would_swallow_a_thousand_records_stays_small():
    records = [f"{number:04}" for number in range(1_000)]
    found = cluster(records, *itertools.pairwise(records), largest=50)
    sizes = [len(members) for members in _members(found).values()]
    assert max(sizes) <= 50
    assert sum(sizes) == 1_000
    assert "more than the 50 allowed" in found.refused["reason"][0].as_py()


def _members(found: Clusters) -> dict[str, list[str]]:
    together: dict[str, list[str]] = {}
    for row in found.members.to_pylist():
        together.setdefault(row["cluster"], []).append(row["record"])
    return together


NAMES = "abcdefghij"
names = st.sampled_from(NAMES)
graphs = st.lists(
    st.tuples(names, names, st.sampled_from([0.9, 0.95, 0.99])), max_size=15, unique_by=str
)


@given(graphs)
@settings(max_examples=60, deadline=None)
def test_without_guards_clusters_are_the_connected_components(pairs):
    graph = networkx.Graph()
    graph.add_nodes_from(NAMES)
    graph.add_edges_from((left, right) for left, right, _ in pairs)
    components = ["".join(sorted(one)) for one in networkx.connected_components(graph)]
    assert sets(cluster(NAMES, *pairs)) == sorted(components)


@given(
    graphs,
    st.dictionaries(names, st.sampled_from(["DE1", "DE2", "DE3"]), max_size=6),
    st.lists(st.tuples(names, names).filter(lambda pair: pair[0] != pair[1]), max_size=3),
    st.integers(2, 6),
    st.randoms(),
)
@settings(max_examples=100, deadline=None)
def test_guards_hold_nothing_is_lost_and_order_plays_no_part(pairs, vat_ids, never, largest, dice):
    kept_apart = tuple(never)
    found = cluster(NAMES, *pairs, exclusive=vat_ids, never=kept_apart, largest=largest)
    together = _members(found)
    assert sorted(itertools.chain(*together.values())) == sorted(NAMES)
    for members in together.values():
        assert len(members) <= largest
        assert len({vat_ids[one] for one in members if one in vat_ids}) <= 1
        assert not any(left in members and right in members for left, right in kept_apart)
    # What was refused lies between two clusters; everything else within one.
    of = {one: name for name, members in together.items() for one in members}
    refused = {(row["left_record"], row["right_record"]) for row in found.refused.to_pylist()}
    for left, right, _ in pairs:
        assert (of[left] == of[right]) or (left, right) in refused
    dice.shuffle(pairs)
    turned = [(right, left, probability) for left, right, probability in pairs]
    again = cluster(NAMES[::-1], *turned, exclusive=vat_ids, never=kept_apart, largest=largest)
    assert sets(again) == sets(found)
