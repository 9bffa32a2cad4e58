"""What a cluster is called, night after night: ids that stay, and a list of those that did not.

An id belongs to whoever held it: a cluster keeps the id of its oldest member, a part that splits
off gets back an id its members had before, and no id is ever given to somebody else.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

HELD = pa.schema(
    [
        ("record", pa.string()),
        ("entity_id", pa.string()),
        ("first_night", pa.int64()),
        ("is_gone", pa.bool_()),
    ]
)
PAST = pa.schema([("record", pa.string()), ("entity_id", pa.string()), ("last_night", pa.int64())])
CHANGES = pa.schema(
    [
        ("night", pa.int64()),
        ("kind", pa.string()),
        ("old_id", pa.string()),
        ("new_id", pa.string()),
        ("records", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Registry:
    """Every record ever seen and the ids it was under.

    held: record, entity_id, first_night, is_gone: the id it has, or had when it was last there.
    past: record, entity_id, last_night: the ids it had before.
    """

    held: pa.Table
    past: pa.Table

    @classmethod
    def empty(cls) -> "Registry":
        """Before the first night."""
        return cls(HELD.empty_table(), PAST.empty_table())


@dataclass(frozen=True)
class Assignment:
    """The ids of a night.

    registry: to be kept for the next night. changes: night, kind, old_id, new_id, records. kind is
    merge (nobody has the old id any more), split (somebody else keeps it) or gone (its last record
    vanished, new_id is null); records are those that went from the old id to the new one.
    """

    registry: Registry
    changes: pa.Table


def assigned(
    db: duckdb.DuckDBPyConnection, clusters: str, registry: Registry, *, night: int, prefix: str
) -> Assignment:
    """Give every cluster an id.

    clusters: relation record, cluster. night: a number greater than that of every night before.
    prefix: what ids begin with, such as "o_". Ids of new clusters are made of the key of their
    oldest record, so that a registry that was lost gives the same ids again where nothing was
    merged. Raises ValueError where a record stands in two clusters.
    """
    db.register("held_before", registry.held)
    db.register("past_before", registry.past)
    db.execute(f"create or replace temp table tonight as select record, cluster from {clusters}")
    twice = db.sql("select record from tonight group by record having count(*) > 1").fetchall()
    if twice:
        raise ValueError(f"a record stands in more than one cluster: {twice[0][0]!r}")
    # Who is oldest: seen first, and of one night the first in alphabetical order.
    db.execute(
        "create or replace temp table known as select t.record, t.cluster, h.entity_id, "
        f"coalesce(h.is_gone, false) as is_back, coalesce(h.first_night, {night}) as first_night "
        "from tonight t left join held_before h on t.record = h.record"
    )
    # Who stayed goes before who comes back: an id is not taken from those who kept it.
    db.execute(
        "create or replace temp table named as with claims as ("
        "select entity_id, arg_min(cluster, (is_back, first_night, record)) as cluster, "
        "min((is_back, first_night, record)) as age "
        "from known where entity_id is not null group by entity_id) "
        "select cluster, arg_min(entity_id, age) as entity_id from claims group by cluster"
    )
    _name_the_rest(db, prefix)
    held = db.sql(
        "select k.record, n.entity_id, k.first_night, false as is_gone from known k "
        "join named n on k.cluster = n.cluster union all "
        "select record, entity_id, first_night, true as is_gone from held_before "
        "where record not in (select record from tonight) order by record"
    ).to_arrow_table()
    db.execute(
        "create or replace temp table moved as select k.record, k.entity_id as old_id, "
        "n.entity_id as new_id from known k join named n on k.cluster = n.cluster "
        "where k.entity_id <> n.entity_id"
    )
    past = db.sql(
        "select record, entity_id, last_night from past_before union all "
        f"select record, old_id, {night - 1} from moved order by last_night, record, entity_id"
    ).to_arrow_table()
    changes = db.sql(
        f"select {night}::bigint as night, case when old_id in (select entity_id from named) "
        "then 'split' else 'merge' end as kind, old_id, new_id, count(*) as records "
        "from moved group by old_id, new_id union all "
        f"select {night}::bigint, 'gone', entity_id, null, count(*) from held_before "
        "where not is_gone group by entity_id having count(*) filter "
        "(record in (select record from tonight)) = 0 "
        "and entity_id not in (select entity_id from named) "
        "order by kind, old_id, new_id"
    ).to_arrow_table()
    db.unregister("held_before")
    db.unregister("past_before")
    return Assignment(Registry(held.cast(HELD), past.cast(PAST)), changes.cast(CHANGES))


def _name_the_rest(db: duckdb.DuckDBPyConnection, prefix: str) -> None:
    """Add clusters to `named` none of whose members may keep the id it held."""
    rest = db.sql(
        "select cluster, list(record order by first_night, record) from known "
        "where cluster not in (select cluster from named) group by cluster "
        "order by min((first_night, record))"
    ).fetchall()
    if not rest:
        return
    earlier = _earlier_ids(db)
    used = {name for (name,) in db.sql("select entity_id from named").fetchall()}
    # An id somebody had is only for those who had it.
    had = used | {
        name
        for (name,) in db.sql(
            "select entity_id from held_before union select entity_id from past_before"
        ).fetchall()
    }
    names = []
    for cluster, records in rest:
        name = next(
            (one for record in records for one in earlier.get(record, ()) if one not in used), None
        ) or _fresh(prefix, records, had)
        used.add(name)
        names.append({"cluster": cluster, "entity_id": name})
    db.register("further", pa.Table.from_pylist(names))
    db.execute("insert into named select cluster, entity_id from further")
    db.unregister("further")


def _earlier_ids(db: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Of the records without a name yet, the ids they had before, the latest first."""
    return dict(
        db.sql(
            "select record, list(entity_id order by last_night desc, entity_id) from past_before "
            "where record in (select record from known "
            "where cluster not in (select cluster from named)) group by record"
        ).fetchall()
    )


def _fresh(prefix: str, records: Sequence[str], had: set[str]) -> str:
    """An id that nobody ever had, made of the oldest record."""
    number = 0
    while True:
        text = records[0] if number == 0 else f"{records[0]}#{number}"
        name = f"{prefix}{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        if name not in had:
            return name
        number += 1
