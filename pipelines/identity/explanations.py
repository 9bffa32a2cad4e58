"""Why a record is where it is: the strongest way from it to the record its cluster is named after.

Which pairs there are and which were refused is decided before; nothing is decided here.
"""

import duckdb
import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

# The rule of a record that nothing led to: its cluster is named after it.
FIRST = "first record"
_ARROW = " → "


def explained(db: duckdb.DuckDBPyConnection, members: str, pairs: str, into: str) -> None:
    """Create temp table `into`: for every record the pair that put it into its cluster.

    members  relation record, cluster, age: the record of least age is what the others lead to
    pairs    relation left_record, right_record, rule, probability, weights

    Columns made: record, linked_to, rule, probability, weights, steps, chain. Of all ways through
    the pairs of a cluster the one whose weakest pair is strongest counts (a maximum spanning tree),
    where keys, which have no weights, go before likeness; chain names the records from this one to
    the first.
    """
    db.execute(
        "create or replace temp table placed as "
        "select record, cluster, row_number() over (order by record) - 1 as node, "
        "row_number() over (partition by cluster order by age, record) = 1 as is_first "
        f"from {members}"
    )
    db.execute(
        "create or replace temp table steps_within as "
        "select distinct on (1, 2) least(l.node, r.node) as l, greatest(l.node, r.node) as r, "
        f"p.rule, p.probability, p.weights from {pairs} p "
        "join placed l on p.left_record = l.record join placed r on p.right_record = r.record "
        "where l.cluster = r.cluster and l.node <> r.node "
        "order by 1, 2, p.weights is not null, p.probability desc, p.rule"
    )
    names = db.sql("select record from placed order by node").to_arrow_table()["record"]
    firsts = db.sql("select node from placed where is_first order by node").fetchnumpy()["node"]
    edges = db.sql(
        "select l, r, 2 - probability + (weights is not null)::int as length from steps_within "
        "order by l, r"
    ).fetchnumpy()
    parent, order = _parents(len(names), firsts, edges)
    steps = np.zeros(len(names), dtype=np.int64)
    texts = names.to_pylist()
    chains = list(texts)
    for node in order:
        if (above := parent[node]) >= 0:
            steps[node] = steps[above] + 1
            chains[node] = texts[node] + _ARROW + chains[above]
    db.register(
        "ways",
        pa.table(
            {
                "node": np.arange(len(names)),
                "parent": parent,
                "steps": steps,
                "chain": pa.array(chains, pa.string()),
            }
        ),
    )
    db.execute(
        f"create or replace temp table {into} as "
        "select p.record, above.record as linked_to, "
        f"coalesce(s.rule, '{FIRST}') as rule, coalesce(s.probability, 1) as probability, "
        "s.weights, w.steps, w.chain from placed p join ways w using (node) "
        "left join placed above on w.parent = above.node "
        "left join steps_within s "
        "on s.l = least(w.node, w.parent) and s.r = greatest(w.node, w.parent)"
    )
    db.unregister("ways")


def _parents(
    count: int, firsts: np.ndarray, edges: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Of every node the next one on its way to the first of its cluster (-1), and an order in which
    a node comes after its parent.
    """
    if not count:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    graph = coo_array((edges["length"], (edges["l"], edges["r"])), shape=(count, count))
    tree = coo_array(minimum_spanning_tree(graph.tocsr()))
    # One node above the first of every cluster, so that one walk reaches them all.
    row, column = tree.coords
    row = np.concatenate([row, np.full(len(firsts), count)])
    column = np.concatenate([column, firsts])
    whole = coo_array((np.ones(len(row)), (row, column)), shape=(count + 1, count + 1)).tocsr()
    order, parent = breadth_first_order(whole, count, directed=False, return_predecessors=True)
    parent = parent[:count].astype(np.int64)
    parent[parent == count] = -1
    return parent, order[order != count]
