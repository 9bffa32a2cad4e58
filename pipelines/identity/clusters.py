"""Which records belong together, given which pairs do: the complete closure, with guards.

Where the pairs come from (keys, a model, a person's word) and what a cluster is called is not known
here.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# The rule of a pair that a person decided; it wins over every guard but another person's "never".
ALWAYS = "always"

_REFUSED = pa.schema(
    [
        ("left_record", pa.string()),
        ("right_record", pa.string()),
        ("rule", pa.string()),
        ("probability", pa.float64()),
        ("reason", pa.string()),
    ]
)


class ContradictoryOverrides(ValueError):
    """Two decisions of people cannot both hold; the text names the records of both."""


@dataclass(frozen=True)
class Clusters:
    """What belongs together, and which pairs a guard kept apart.

    members: record, cluster (the first record of it in alphabetical order), one row per record.
    refused: left_record, right_record, rule, probability, reason; one row per pair.
    """

    members: pa.Table
    refused: pa.Table


def clustered(
    db: duckdb.DuckDBPyConnection,
    records: str,
    pairs: str,
    *,
    exclusive: str | None = None,
    never: str | None = None,
    largest: int = 200,
) -> Clusters:
    """Close the pairs transitively: a–b, b–c and c–d are one cluster of four.

    records    relation with the column record (unique text)
    pairs      relation left_record, right_record, rule, probability; rule "always" is a person's
    exclusive  relation record, attribute, value: a cluster holds one value of an attribute (two VAT
               ids are two companies), unless a person joined them
    never      relation left_record, right_record: a person keeps them apart
    largest    pairs that would make a cluster larger are refused

    In a cluster that breaks a guard the strongest pairs count first, so that the weakest give way;
    what holds no contradiction is closed as a whole. The same input gives the same clusters in
    whatever order it comes. Raises ContradictoryOverrides, and ValueError where a pair names a
    record that is not there.

    Time is linear in records and pairs, but for the clusters that break a guard.
    """
    db.execute(
        "create or replace temp table nodes as "
        f"select record, row_number() over (order by record) - 1 as node from {records}"
    )
    _refuse_strangers(db, pairs, "pair")
    db.execute(
        "create or replace temp table edges as "
        "select l.node as l, r.node as r, p.rule, p.probability, p.rule <> ? as is_found "
        f"from {pairs} p join nodes l on p.left_record = l.record "
        "join nodes r on p.right_record = r.record where l.node <> r.node",
        [ALWAYS],
    )
    labels = _components(db)
    guards = _Guards(
        largest,
        values=_values(db, exclusive) if exclusive else {},
        foes=_foes(db, never) if never else {},
    )
    refused = list(_untied(db, labels, guards))
    names = db.sql("select record from nodes order by node").to_arrow_table()["record"]
    # Numbered in alphabetical order, so that the smallest number is the first record.
    first = np.full(len(labels), len(labels), dtype=np.int64)
    np.minimum.at(first, labels, np.arange(len(labels)))
    members = pa.table({"record": names, "cluster": names.take(pa.array(first[labels]))})
    return Clusters(members, pa.Table.from_pylist(refused, schema=_REFUSED))


def _refuse_strangers(db: duckdb.DuckDBPyConnection, pairs: str, what: str) -> None:
    strangers = db.sql(
        f"select record from (select left_record as record from {pairs} union "
        f"select right_record from {pairs}) where record not in (select record from nodes) "
        "or record is null order by record limit 3"
    ).fetchall()
    if strangers:
        named = ", ".join(repr(name) for (name,) in strangers)
        raise ValueError(f"a {what} names records that are not there: {named}")


def _components(db: duckdb.DuckDBPyConnection) -> np.ndarray:
    """The component of every node, by number of the node."""
    ((count,),) = db.sql("select count(*) from nodes").fetchall()
    edges = db.sql("select distinct l, r from edges").fetchnumpy()
    if not count:
        return np.zeros(0, dtype=np.int64)
    graph = coo_array(
        (np.ones(len(edges["l"]), dtype=np.int8), (edges["l"], edges["r"])), shape=(count, count)
    )
    _, labels = connected_components(graph, directed=False)
    return labels.astype(np.int64)


@dataclass(frozen=True)
class _Guards:
    """What must not come together: values by node and attribute, and nodes kept apart."""

    largest: int
    values: dict[int, dict[str, frozenset[str]]]
    foes: dict[int, frozenset[int]]


def _values(db: duckdb.DuckDBPyConnection, exclusive: str) -> dict[int, dict[str, frozenset[str]]]:
    found: dict[int, dict[str, frozenset[str]]] = defaultdict(dict)
    for node, attribute, values in db.sql(
        f"select node, attribute, list(distinct value) from {exclusive} join nodes using (record) "
        "where value is not null group by node, attribute"
    ).fetchall():
        found[node][attribute] = frozenset(values)
    return found


def _foes(db: duckdb.DuckDBPyConnection, never: str) -> dict[int, frozenset[int]]:
    _refuse_strangers(db, never, "decision")
    found: dict[int, set[int]] = defaultdict(set)
    for one, other in db.sql(
        f"select l.node, r.node from {never} n join nodes l on n.left_record = l.record "
        "join nodes r on n.right_record = r.record"
    ).fetchall():
        found[one].add(other)
        found[other].add(one)
    return {node: frozenset(foes) for node, foes in found.items()}


def _untied(
    db: duckdb.DuckDBPyConnection, labels: np.ndarray, guards: _Guards
) -> Iterator[dict[str, object]]:
    """Cut every component that breaks a guard, in `labels`; yields the pairs that were refused."""
    broken = _broken(labels, guards)
    if not broken:
        return
    concerned = np.flatnonzero(np.isin(labels, list(broken)))
    db.register("concerned", pa.table({"node": concerned}))
    # A person's word first, then by strength; names settle what is equally strong.
    edges = db.sql(
        "select l, r, rule, probability, is_found, nl.record, nr.record from edges "
        "join nodes nl on l = nl.node join nodes nr on r = nr.node "
        "where l in (select node from concerned) "
        "order by is_found, probability desc, rule, least(l, r), greatest(l, r)"
    ).fetchall()
    db.unregister("concerned")
    forest = _Forest(concerned.tolist(), guards)
    for left, right, rule, probability, is_found, left_record, right_record in edges:
        reason = forest.join(left, right, is_found=is_found)
        if reason is None:
            continue
        if not is_found:
            raise ContradictoryOverrides(
                f"{left_record} and {right_record} are to be one always, and by other decisions "
                f"never: {reason}. Remedy: take one of the decisions out"
            )
        yield {
            "left_record": left_record,
            "right_record": right_record,
            "rule": rule,
            "probability": probability,
            "reason": reason,
        }
    # Numbers that no component has yet.
    for node in concerned.tolist():
        labels[node] = len(labels) + forest.root(node)
    labels[:] = np.unique(labels, return_inverse=True)[1]


def _broken(labels: np.ndarray, guards: _Guards) -> set[int]:
    broken = set(np.flatnonzero(np.bincount(labels) > guards.largest).tolist())
    seen: dict[tuple[int, str], frozenset[str]] = {}
    for node, attributes in guards.values.items():
        for attribute, values in attributes.items():
            place = (int(labels[node]), attribute)
            seen[place] = seen.get(place, frozenset()) | values
    broken |= {label for (label, _), values in seen.items() if len(values) > 1}
    broken |= {
        int(labels[node])
        for node, foes in guards.foes.items()
        if any(labels[foe] == labels[node] for foe in foes)
    }
    return broken


class _Forest:
    """Disjoint sets of nodes that refuse to join what must stay apart."""

    def __init__(self, nodes: Iterable[int], guards: _Guards) -> None:
        self._guards = guards
        self._parent = {node: node for node in nodes}
        self._members = {node: [node] for node in self._parent}
        self._values = {node: dict(guards.values.get(node, {})) for node in self._parent}
        self._foes = {node: set(guards.foes.get(node, ())) for node in self._parent}

    def root(self, node: int) -> int:
        while self._parent[node] != node:
            self._parent[node] = self._parent[self._parent[node]]
            node = self._parent[node]
        return node

    def join(self, left: int, right: int, *, is_found: bool) -> str | None:
        """Join the sets of two nodes; says why not where a guard forbids it."""
        one, other = self.root(left), self.root(right)
        if one == other:
            return None
        if len(self._members[one]) < len(self._members[other]):
            one, other = other, one
        if any(self.root(foe) == one for foe in self._foes[other] if foe in self._parent):
            return "a person decided that they are not the same"
        if is_found:
            for attribute, values in self._values[other].items():
                mine = self._values[one].get(attribute, values)
                if not (values <= mine or mine <= values):
                    return f"they would have more than one {attribute}"
            size = len(self._members[one]) + len(self._members[other])
            if size > self._guards.largest:
                return f"{size} records would be more than the {self._guards.largest} allowed"
        self._parent[other] = one
        self._members[one] += self._members.pop(other)
        self._foes[one] |= self._foes.pop(other)
        for attribute, values in self._values.pop(other).items():
            self._values[one][attribute] = self._values[one].get(attribute, values) | values
        return None
