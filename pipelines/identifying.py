"""The step between the two halves of the build: who is who, remembered in the lake.

What makes two records one is decided in `identity`; here is only where it reads and what it keeps.
"""

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from pipelines.identity.linkage import Model, TooLittleToLearnFrom, trained
from pipelines.identity.resolution import KINDS, Inputs, Kind, Memory, resolve
from pipelines.identity.store import KeptModel, Store, is_same
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse
from sources.access import is_demo
from sources.landing import Lake, kept_as

log = logging.getLogger(__name__)

# What is read of the warehouse, in the columns that `identity.preparation` names.
_VIEWS = {
    "organisations_to_resolve": """
        select source, record_id, customer_number, name, is_natural_person, street, postcode, city,
            country, vat_id, coalesce(domain, website) as domain, email, phone,
            merged_into_record_id
        from intermediate.int_organisations_unioned
    """,
    "persons_to_resolve": """
        select source, record_id, organisation_record_id, customer_number, organisation_name,
            first_name, last_name, full_name, email, phone, mobile,
            cast(birthday_on as varchar) as birthday, country, merged_into_record_id
        from intermediate.int_contacts_unioned
    """,
    "points_to_resolve": """
        select p.record_kind, p.source, p.record_id, p.channel, p.value, r.country
        from intermediate.int_contact_channels_exploded p
        join (
            select 'organisation' as record_kind, source, record_id, country
            from intermediate.int_organisations_unioned
            union all
            select 'person', source, record_id, country from intermediate.int_contacts_unioned
        ) r using (record_kind, source, record_id)
    """,
}
_INPUTS = Inputs(
    organisations="organisations_to_resolve",
    persons="persons_to_resolve",
    points="points_to_resolve",
    rules="rules.identity_rules",
    key_rules="rules.identity_keys",
    overrides="rules.identity_overrides",
)


@dataclass(frozen=True)
class Found:
    """What one night found, of one kind of record.

    by_rule: how many records each rule put where they are; likenesses: the probabilities of the
    pairs that were compared, as far as they were kept.
    """

    records: int
    entities: int
    by_rule: dict[str, int]
    to_review: int
    changes: int
    likenesses: list[float]
    model: KeptModel | None


def store_of(settings: Settings) -> Store:
    """Where this company's identity is kept; the demo company's never mixes with it."""
    demo = is_demo(settings.setup, Lake(settings.lake))
    return Store(settings.lake / kept_as("identity", is_demo=demo))


def identify(settings: Settings, *, retrain: bool = False) -> dict[str, Found]:
    """Resolve the records of the company's warehouse; see `resolved`."""
    with open_warehouse(settings) as db:
        return resolved(db, store_of(settings), retrain=retrain)


def resolved(
    db: duckdb.DuckDBPyConnection, store: Store, *, retrain: bool = False
) -> dict[str, Found]:
    """Resolve the records of a warehouse into schema matching, and remember the ids.

    retrain: learn the models anew though there are some. A night that finds what the last one found
    leaves the store as it is. Raises ContradictoryOverrides, UnknownRule.
    """
    number, before = store.last_night()
    used: dict[str, KeptModel] = {}
    for name, sql in _VIEWS.items():
        db.execute(f"create or replace temp view {name} as {sql}")

    def model_of(kind: Kind) -> tuple[Model, str] | None:
        kept = None if retrain else store.model(kind.name)
        kept = kept or _trained(db, kind, store)
        if kept is None:
            return None
        used[kind.name] = kept
        return kept.model, kept.version

    after = resolve(db, _INPUTS, before, model_of, night=number + 1)
    # The ids first: what lies in the warehouse can be built anew, an id given twice cannot.
    if not all(kind in before and is_same(before[kind], after[kind]) for kind in after):
        store.keep_night(number + 1, after)
    return {kind: _found(db, kind, number + 1, after[kind], used.get(kind)) for kind in KINDS}


def _trained(db: duckdb.DuckDBPyConnection, kind: Kind, store: Store) -> KeptModel | None:
    try:
        model = trained(db, kind.records, kind.blueprint)
    except TooLittleToLearnFrom as problem:
        log.info("%s: %s", kind.name, problem)
        return None
    records = db.table(kind.records).shape[0]
    kept = store.keep_model(kind.name, model, now=datetime.now(UTC), records=records)
    log.info("Learnt from %d records how %ss are compared", records, kind.name)
    return kept


def _found(
    db: duckdb.DuckDBPyConnection, kind: str, night: int, memory: Memory, model: KeptModel | None
) -> Found:
    rules = db.execute(
        "select rule, count(*) from matching.identities where record_kind = ? "
        "group by rule order by count(*) desc, rule",
        [kind],
    ).fetchall()
    ((entities,),) = db.execute(
        "select count(distinct entity_id) from matching.identities where record_kind = ?", [kind]
    ).fetchall()
    ((to_review,),) = db.execute(
        "select count(*) from matching.review where record_kind = ?", [kind]
    ).fetchall()
    return Found(
        records=sum(count for _, count in rules),
        entities=entities,
        by_rule=dict(rules),
        to_review=to_review,
        changes=Counter(memory.changes["night"].to_pylist())[night],
        likenesses=memory.pairs["probability"].to_pylist(),
        model=model,
    )
