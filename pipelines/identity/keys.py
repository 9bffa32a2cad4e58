"""Which pairs of records share a key: a VAT id, a customer number, a mailbox of one's own.

How likely a shared key means one and the same, and how many may share it, is data.
"""

from dataclasses import dataclass

import duckdb
import pyarrow as pa

ALL_PAIRS_UP_TO = 8


@dataclass(frozen=True)
class Keyed:
    """Pairs by key, and values that too many share to be a key.

    pairs: left_record, right_record, rule, probability. Up to eight records with one value are all
    paired with each other, so that the others still are one when a guard keeps one of them out; of
    more each is paired with the first.
    shared: rule, value, records.
    """

    pairs: pa.Table
    shared: pa.Table


def paired_by_key(db: duckdb.DuckDBPyConnection, keys: str, rules: str) -> Keyed:
    """Pair the records that have a value in common.

    keys   relation record, rule, value (normalised text; null is no value)
    rules  relation rule, probability (of being one where the value is shared), at_most (how many
           records may share a value before it is a switchboard or a common mailbox, which joins
           nobody)

    Raises ValueError where a key is of a rule that is not described, or a rule is described twice.
    """
    wrong = db.sql(
        f"select rule from {keys} where rule not in (select rule from {rules}) or rule is null "
        f"union select rule from {rules} group by rule having count(*) > 1 order by rule limit 1"
    ).fetchall()
    if wrong:
        raise ValueError(
            f"the rule {wrong[0][0]!r} has to be described once, with its probability and how many "
            "records may share a value"
        )
    db.execute(
        "create or replace temp table key_values as select rule, value, "
        "count(distinct record) as records, min(record) as first_record "
        f"from {keys} where value is not null group by all having count(distinct record) > 1"
    )
    pairs = db.sql(
        "select distinct one.record as left_record, other.record as right_record, v.rule, "
        f"r.probability from key_values v join {rules} r on v.rule = r.rule "
        f"join {keys} one on one.rule = v.rule and one.value = v.value "
        f"join {keys} other on other.rule = v.rule and other.value = v.value "
        f"where v.records <= r.at_most and (v.records <= {ALL_PAIRS_UP_TO} or "
        "one.record = v.first_record) and one.record < other.record "
        "order by v.rule, left_record, right_record"
    ).to_arrow_table()
    shared = db.sql(
        f"select v.rule, v.value, v.records from key_values v join {rules} r on v.rule = r.rule "
        "where v.records > r.at_most order by v.records desc, v.rule, v.value"
    ).to_arrow_table()
    return Keyed(pairs, shared)
