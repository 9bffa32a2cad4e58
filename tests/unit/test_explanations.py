"""Why a record is where it is: the strongest way to the first record, and nothing that is not."""

import itertools
from collections.abc import Iterable

import duckdb
import networkx
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.identity.explanations import explained

WEIGHTS = pa.list_(pa.struct([("column", pa.string()), ("weight", pa.float64())]))
PAIRS = pa.schema(
    [
        ("left_record", pa.string()),
        ("right_record", pa.string()),
        ("rule", pa.string()),
        ("probability", pa.float64()),
        ("weights", WEIGHTS),
    ]
)
MEMBERS = pa.schema([("record", pa.string()), ("cluster", pa.string()), ("age", pa.int64())])
NAME_AGREES = [{"column": "name", "weight": 5.0}]


def explain(clusters: Iterable[str], *pairs: tuple, ages: dict[str, int] | None = None) -> dict:
    """The way of every record; clusters are words of records, pairs those of `key` and `alike`."""
    members = [
        {"record": record, "cluster": word, "age": (ages or {}).get(record, 1)}
        for word in clusters
        for record in word
    ]
    with duckdb.connect(config={"threads": 1}) as db:
        db.register("members", pa.Table.from_pylist(members, schema=MEMBERS))
        rows = [dict(zip(PAIRS.names, pair, strict=True)) for pair in pairs]
        db.register("pairs", pa.Table.from_pylist(rows, schema=PAIRS))
        explained(db, "members", "pairs", "why")
        return {row["record"]: row for row in db.table("why").to_arrow_table().to_pylist()}


def key(left: str, right: str, probability: float = 1.0, rule: str = "VAT id") -> tuple:
    return left, right, rule, probability, None


def alike(left: str, right: str, probability: float = 0.99) -> tuple:
    return left, right, "likeness", probability, NAME_AGREES


def test_every_record_leads_to_the_oldest_of_its_cluster_and_of_one_age_to_the_first_by_name():
    ways = explain(["abc", "de"], key("a", "b"), key("b", "c"), key("d", "e"), ages={"c": 0})
    assert {record: way["chain"] for record, way in ways.items()} == {
        "a": "a → b → c", "b": "b → c", "c": "c", "d": "d", "e": "e → d"
    }  # fmt: skip
    assert {record: way["steps"] for record, way in ways.items()} == {
        "a": 2, "b": 1, "c": 0, "d": 0, "e": 1
    }  # fmt: skip
    assert ways["c"] == {
        "record": "c", "linked_to": None, "rule": "first record", "probability": 1.0,
        "weights": None, "steps": 0, "chain": "c",
    }  # fmt: skip


def test_of_two_ways_the_one_whose_weakest_pair_is_strongest_counts():
    ways = explain(["abc"], alike("a", "c", 0.96), alike("a", "b", 0.99), alike("b", "c", 0.98))
    assert ways["c"]["chain"] == "c → b → a"
    assert (ways["c"]["probability"], ways["c"]["weights"]) == (0.98, NAME_AGREES)


def test_a_key_goes_before_likeness_however_likely_that_is():
    ways = explain(["abc"], alike("a", "c", 1.0), key("a", "b", 0.6), key("c", "b", 0.6))
    assert (ways["c"]["chain"], ways["c"]["rule"]) == ("c → b → a", "VAT id")
    both = explain(["ab"], alike("a", "b", 1.0), key("b", "a", 0.6))
    assert (both["b"]["rule"], both["b"]["weights"]) == ("VAT id", None)


def test_of_several_keys_of_a_pair_the_likeliest_is_named():
    ways = explain(["ab"], key("a", "b", 0.9, "e-mail"), key("b", "a", 1.0, "VAT id"))
    assert (ways["b"]["rule"], ways["b"]["probability"]) == ("VAT id", 1.0)


def test_a_pair_between_two_clusters_or_with_itself_explains_nothing():
    ways = explain(["ab", "c"], key("a", "b"), key("b", "c"), key("c", "c"))
    assert (ways["c"]["rule"], ways["c"]["steps"]) == ("first record", 0)
    assert ways["b"]["chain"] == "b → a"


def test_nobody_needs_no_explanation():
    assert explain([]) == {}


def test_a_very_long_way_is_told_to_its_end():
    with duckdb.connect() as db:
        db.execute(
            "create table members as select format('{:05}', n) as record, 'x' as cluster, 1 as age "
            "from range(1500) as t(n)"
        )
        db.execute(
            "create table pairs as select format('{:05}', n) as left_record, "
            "format('{:05}', n + 1) as right_record, 'VAT id' as rule, 1.0::double as probability, "
            'null::struct("column" varchar, weight double)[] as weights from range(1499) as t(n)'
        )
        explained(db, "members", "pairs", "why")
        ((steps, chain),) = db.sql("select steps, chain from why where record = '01499'").fetchall()
    assert (steps, chain.count("→")) == (1_499, 1_499)
    assert chain.endswith("00001 → 00000")


NAMES = "abcdefgh"
names = st.sampled_from(NAMES)
drawn_pairs = st.lists(
    st.tuples(names, names, st.sampled_from([0.6, 0.9, 0.95, 1.0]), st.booleans()), max_size=16
)


@given(drawn_pairs, st.dictionaries(names, st.integers(0, 3)))
@settings(max_examples=40, deadline=None)
def test_no_way_has_a_weaker_pair_than_it_needs_and_every_step_is_a_pair(drawn, ages):
    graph = networkx.Graph()
    graph.add_nodes_from(NAMES)
    for left, right, probability, is_key in drawn:
        if left != right:
            known = graph.get_edge_data(left, right, {"strength": (False, 0)})["strength"]
            graph.add_edge(left, right, strength=max(known, (is_key, probability)))
    clusters = ["".join(sorted(one)) for one in networkx.connected_components(graph)]
    pairs = [
        (key if is_key else alike)(left, right, probability)
        for left, right, probability, is_key in drawn
    ]
    ways = explain(clusters, *pairs, ages=ages)
    assert ways.keys() == set(NAMES)
    for cluster in clusters:
        first = min(cluster, key=lambda record: (ages.get(record, 1), record))
        for record in cluster:
            chain = ways[record]["chain"].split(" → ")
            assert (chain[0], chain[-1], len(chain) - 1) == (record, first, ways[record]["steps"])
            steps = [graph.edges[step]["strength"] for step in itertools.pairwise(chain)]
            if not steps:
                continue
            assert ways[record]["linked_to"] == chain[1]
            assert (ways[record]["weights"] is None, ways[record]["probability"]) == steps[0]
            assert min(steps) == _strongest(graph, record, first)


def _strongest(graph: networkx.Graph, record: str, first: str) -> tuple:
    """The weakest pair of the best of all ways there are."""
    return max(
        min(graph.edges[step]["strength"] for step in itertools.pairwise(way))
        for way in networkx.all_simple_paths(graph, record, first)
    )
