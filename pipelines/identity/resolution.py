"""Who is who, from source records to customers: the other modules of this folder put together.

Relations in, tables out. Where that lies which is kept from night to night is the caller's to say.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import duckdb
import pyarrow as pa

from pipelines.identity.clusters import ALWAYS, clustered
from pipelines.identity.explanations import explained
from pipelines.identity.keys import paired_by_key
from pipelines.identity.linkage import (
    CONTACTS,
    ORGANISATIONS,
    Blueprint,
    Model,
    crowded,
    mark,
    marked,
    scored,
)
from pipelines.identity.preparation import prepare_organisations, prepare_persons, prepare_points
from pipelines.identity.stable_ids import CHANGES, Registry, assigned

LIKENESS = "likeness"

_WEIGHTS = pa.list_(pa.struct([("column", pa.string()), ("weight", pa.float64())]))
COMPARED = pa.schema([("record", pa.string()), ("fingerprint", pa.string())])
PAIRS = pa.schema(
    [
        ("left_record", pa.string()),
        ("right_record", pa.string()),
        ("probability", pa.float64()),
        ("weights", _WEIGHTS),
    ]
)

# Names so unlike (Jaro-Winkler) are no slips of the pen for one another.
_OTHER_NAME = 0.8
# Who shares a mailbox is asked of so many names; of more it is nobody's.
_MOST_NAMES = 12
_RULES = ("link_from", "review_from", "largest_cluster", "largest_block", "branches_are_one")


class UnknownRule(ValueError):
    """A rule in the company's own tables is missing; the text names it."""


@dataclass(frozen=True)
class Inputs:
    """Relations to read.

    organisations, persons, points  as `preparation` wants them
    rules      parameter, value: link_from and review_from (probabilities), largest_cluster
               (records), largest_block (records), branches_are_one (1 or 0)
    key_rules  record_kind, rule, probability, at_most (records that may share a value)
    overrides  record_kind, decision (always or never), left_source, left_record_id, right_source,
               right_record_id
    """

    organisations: str
    persons: str
    points: str
    rules: str
    key_rules: str
    overrides: str


@dataclass(frozen=True)
class Memory:
    """What one night leaves to the next, of one kind of record.

    compared: the records that were compared by likeness, and how they read; pairs: what came of
    it, from the probability pairs_from on; all hold for the model of that version. changes: all
    changes of ids there ever were.
    """

    registry: Registry = field(default_factory=Registry.empty)
    changes: pa.Table = field(default_factory=CHANGES.empty_table)
    compared: pa.Table = field(default_factory=COMPARED.empty_table)
    pairs: pa.Table = field(default_factory=PAIRS.empty_table)
    model_version: str | None = None
    pairs_from: float | None = None


@dataclass(frozen=True)
class Kind:
    """What is particular to one kind of record.

    doubtful: condition on two records l and r that a person should look at however alike they are;
    branches: the same, where every address is a customer of its own.
    """

    name: str
    records: str
    prefix: str
    blueprint: Blueprint
    doubtful: str
    branches: str | None = None


KINDS = {
    # The same phone or domain under another name is an agency's, a chain's or a successor's; a
    # Hotel Post in a Hauptstraße is in every other town.
    "organisation": Kind(
        "organisation",
        "organisation_records",
        "o_",
        ORGANISATIONS,
        doubtful="coalesce(jaro_winkler_similarity(l.own_name, r.own_name) < "
        f"{_OTHER_NAME}, false) or (l.postcode <> r.postcode and l.city <> r.city "
        "and not coalesce(l.email = r.email or l.domain = r.domain or l.phone = r.phone, "
        "false))",
        branches="coalesce(l.postcode <> r.postcode, l.city <> r.city, false) "
        "or coalesce(l.street <> r.street, false) "
        "or coalesce(l.house_number <> r.house_number, false)",
    ),
    # A surname and an employer are the brother's, too.
    "person": Kind(
        "person",
        "person_records",
        "p_",
        CONTACTS,
        doubtful="(l.first_name is null or r.first_name is null) "
        "and not coalesce(l.email = r.email or l.phone = r.phone, false)",
    ),
}

# kind, relation of prepared records -> model and its version; None where nothing can be learnt.
ModelOf = Callable[[Kind], tuple[Model, str] | None]


def resolve(
    db: duckdb.DuckDBPyConnection,
    inputs: Inputs,
    memories: Mapping[str, Memory],
    model_of: ModelOf,
    *,
    night: int,
) -> dict[str, Memory]:
    """Say who is who, and what the next night has to know.

    memories: of each kind in KINDS what the last night left, nothing at first. night: a number
    greater than that of every night before. Creates in schema `matching` the tables

    identities  record_kind, source, record_id, record_name, entity_id, customer_id, customer_rule,
                rule, probability, linked_source, linked_record_id, steps, chain, spoke_for,
                spoke_against, weights (JSON); one row per record
    contact_points  record_kind, source, record_id, channel, value, point, mailbox_kind
    review      record_kind, left_source, left_record_id, right_source, right_record_id, left_id,
                right_id, rule, probability, spoke_for, spoke_against, weights, reason
    shared      record_kind, rule, value, records: values too many share to be a key, or, where the
                rule begins with "likeness", to be compared by (and "alone": by nothing else)
    changes     record_kind, night, kind, old_id, new_id, records

    Raises UnknownRule, and ContradictoryOverrides of `clusters`.
    """
    rules = dict(db.sql(f"select parameter, value::double from {inputs.rules}").fetchall())
    for name in _RULES:
        if name not in rules:
            raise UnknownRule(f"the parameter {name!r} is missing in the rules of identity")
    db.execute("create schema if not exists matching")
    night_of = _Night(db, inputs, rules, model_of, night)
    prepare_organisations(db, inputs.organisations)
    prepare_points(db, inputs.points)
    left = {}
    left["organisation"] = night_of.link(
        KINDS["organisation"],
        _organisation_keys(branches_are_one=bool(rules["branches_are_one"])),
        memories.get("organisation", Memory()),
        exclusive=_EXCLUSIVE,
    )
    prepare_persons(db, inputs.persons)
    _tell_employers(db)
    _tell_own_contact_points(db)
    left["person"] = night_of.link(KINDS["person"], _PERSON_KEYS, memories.get("person", Memory()))
    _make_customers(db)
    night_of.write()
    return left


def _organisation_keys(*, branches_are_one: bool) -> str:
    branch = (
        "vat_id"
        if branches_are_one
        else "vat_id || ' ' || coalesce(postcode, '') || ' ' || coalesce(street, '') || ' ' || "
        "coalesce(house_number, '')"
    )
    return f"""
        select record, 'merged in the source' as rule, unnest([record, merged_into]) as value
        from organisation_records
        union all select record, 'customer number', customer_number from organisation_records
        union all select record, 'VAT id', {branch} from organisation_records
        union all select record, 'commercial register', register_number from organisation_records
    """


_EXCLUSIVE = """
    select record, 'VAT id' as attribute, vat_id as value from organisation_records
    union all select record, 'commercial register', register_number from organisation_records
"""
_PERSON_KEYS = """
    select record, 'merged in the source' as rule, unnest([record, merged_into]) as value
    from person_records
    union all select record, 'e-mail address', point from own_mailboxes
    union all select record, 'customer number and name', customer_number || ' ' || name
    from person_records where first_name is not null and last_name is not null
"""


class _Night:
    """One night's links: `link` for each kind, then `write`."""

    def __init__(
        self,
        db: duckdb.DuckDBPyConnection,
        inputs: Inputs,
        rules: Mapping[str, float],
        model_of: ModelOf,
        night: int,
    ) -> None:
        self._db, self._inputs, self._rules = db, inputs, rules
        self._model_of, self._night = model_of, night
        self._tables: dict[str, list[str]] = {"review": [], "shared": [], "changes": []}

    def link(self, kind: Kind, keys: str, memory: Memory, exclusive: str | None = None) -> Memory:
        """Create temp tables <kind>_members (record, entity_id) and <kind>_ways (`explained`)."""
        db = self._db
        key_rules = (
            f"(select rule, probability, at_most from {self._inputs.key_rules} "
            f"where record_kind = '{kind.name}')"
        )
        doubtful = kind.doubtful
        if kind.branches and not self._rules["branches_are_one"]:
            doubtful = f"({doubtful}) or {kind.branches}"
        keyed = paired_by_key(db, f"({keys})", key_rules)
        forgotten = self._forget_shared(kind)
        crowds = crowded(
            db, kind.records, kind.blueprint, largest_block=int(self._rules["largest_block"])
        )
        memory = self._compare(kind, memory, crowds)
        always, never = self._overrides(kind)
        pairs = f"{kind.name}_pairs"
        db.register("keyed_pairs", keyed.pairs)
        db.register("like_pairs", memory.pairs)
        db.execute(
            "create or replace temp table judged as select p.*, "
            f"probability >= {self._rules['link_from']} and not coalesce({doubtful}, false) "
            "as is_linked "
            f"from like_pairs p join {kind.records} l on p.left_record = l.record "
            f"join {kind.records} r on p.right_record = r.record"
        )
        db.execute(
            f"create or replace temp table {pairs} as "
            "select left_record, right_record, rule, probability, "
            f'null::struct("column" varchar, weight double)[] as weights from keyed_pairs '
            "union all by name select left_record, right_record, probability, weights, "
            f"'{LIKENESS}' as rule from judged where is_linked "
            f"union all by name select *, '{ALWAYS}' as rule, 1.0 as probability from {always}"
        )
        found = clustered(
            db,
            kind.records,
            pairs,
            exclusive=f"({exclusive})" if exclusive else None,
            never=never,
            largest=int(self._rules["largest_cluster"]),
        )
        db.register("found_members", found.members)
        named = assigned(
            db, "found_members", memory.registry, night=self._night, prefix=kind.prefix
        )
        db.register("held_now", named.registry.held)
        db.execute(
            f"create or replace temp table {kind.name}_members as select m.record, m.cluster, "
            "h.entity_id, h.first_night as age from found_members m join held_now h using (record)"
        )
        db.register("refused_pairs", found.refused)
        db.execute(
            f"create or replace temp table {kind.name}_kept as select p.* from {pairs} p "
            "where not exists (select 1 from refused_pairs r where r.left_record = p.left_record "
            "and r.right_record = p.right_record and r.rule = p.rule)"
        )
        explained(db, f"{kind.name}_members", f"{kind.name}_kept", f"{kind.name}_ways")
        self._note(kind, "shared", pa.concat_tables([keyed.shared, forgotten, _ruled(crowds)]))
        self._review(kind)
        changes = pa.concat_tables([memory.changes, named.changes])
        self._note(kind, "changes", changes)
        for name in ("keyed_pairs", "like_pairs", "found_members", "held_now", "refused_pairs"):
            db.unregister(name)
        return replace(memory, registry=named.registry, changes=changes)

    def write(self) -> None:
        """Create the tables of schema matching."""
        for name, parts in self._tables.items():
            self._db.execute(
                f"create or replace table matching.{name} as " + " union all by name ".join(parts)
            )
        self._db.execute(
            f"create or replace table matching.identities as {_identities()} "
            "order by record_kind, source, record_id"
        )
        self._db.execute(
            "create or replace table matching.contact_points as select record_kind, "
            f"{_split('record')}, channel, value, point, mailbox_kind from record_points"
        )

    def _forget_shared(self, kind: Kind) -> pa.Table:
        """Compare nobody by a mailbox, domain or number that more have than may be one, nor who
        reads as so many others do.

        It would say that all of them are one, and take the square of their number to say so.
        """
        db, found = self._db, []
        everything = kind.blueprint.columns
        ladders = [column for ladder in kind.blueprint.identifiers for column in ladder]
        for name, columns in (*((one, (one,)) for one in ladders), ("everything", everything)):
            value = f"nullif(concat_ws(', ', {', '.join(columns)}), '')"
            found.append(
                db.sql(
                    f"select '{LIKENESS}: {name}' as rule, {value} as value, count(*) as records "
                    f"from {kind.records} where {value} is not null group by {value} "
                    f"having count(*) > {int(self._rules['largest_cluster'])} "
                    "order by records desc, value"
                ).to_arrow_table()
            )
            db.register("too_many", found[-1])
            db.execute(
                f"update {kind.records} set {', '.join(f'{one} = null' for one in columns)} "
                f"where {value} in (select value from too_many)"
            )
            db.unregister("too_many")
        return pa.concat_tables(found)

    def _compare(self, kind: Kind, memory: Memory, crowds: pa.Table) -> Memory:
        """The pairs that are alike, where only what is new or changed is compared with all.

        Changed is a record also where a block of its has become crowded, or is no longer.
        """
        db = self._db
        marks = [f"{mark(columns)}::varchar" for columns in kind.blueprint.lists]
        columns = ", ".join(f"coalesce({one}, '∅')" for one in (*kind.blueprint.columns, *marks))
        db.register("crowds", crowds)
        db.execute(
            "create or replace temp table reads as select record, "
            f"md5(concat_ws('|', {columns})) as fingerprint "
            f"from ({marked(kind.records, kind.blueprint, 'crowds')})"
        )
        db.unregister("crowds")
        compared = db.table("reads").order("record").to_arrow_table().cast(COMPARED)
        found = self._model_of(kind)
        if found is None:
            return replace(
                memory, compared=COMPARED.empty_table(), pairs=PAIRS.empty_table(),
                model_version=None, pairs_from=None,
            )  # fmt: skip
        model, version = found
        at_least = min(self._rules["review_from"], self._rules["link_from"])
        is_known = memory.pairs_from is not None and memory.pairs_from <= at_least

        def compare(changed: str | None) -> None:
            scored(
                db, kind.records, kind.blueprint, model, "alike", at_least=at_least,
                changed=changed, largest_block=int(self._rules["largest_block"]),
            )  # fmt: skip

        if version != memory.model_version or not is_known:
            compare(None)
            kept = ""
        else:
            db.register("compared_before", memory.compared)
            db.register("alike_before", memory.pairs)
            db.execute(
                "create or replace temp table changed as select record from "
                "(from reads except from compared_before)"
            )
            same = "(select record from reads where record not in (select record from changed))"
            kept = (
                f"union all by name from alike_before where left_record in {same} "
                f"and right_record in {same} and probability >= {at_least}"
            )
            if db.table("changed").shape[0]:
                compare("changed")
            else:
                db.register("no_pairs", PAIRS.empty_table())
                db.execute("create or replace table alike as from no_pairs")
                db.unregister("no_pairs")
        pairs = db.sql(f"from alike {kept} order by left_record, right_record").to_arrow_table()
        db.execute("drop table alike")
        for name in ("compared_before", "alike_before"):
            db.unregister(name)
        return replace(
            memory, compared=compared, pairs=pairs.cast(PAIRS), model_version=version,
            pairs_from=at_least,
        )  # fmt: skip

    def _overrides(self, kind: Kind) -> tuple[str, str]:
        """Relations of the decisions of people that name records there are; notes the others."""
        db = self._db
        db.execute(
            "create or replace temp table decided as select distinct decision, "
            "left_source || ':' || left_record_id as left_record, "
            f"right_source || ':' || right_record_id as right_record from {self._inputs.overrides} "
            f"where record_kind = '{kind.name}'"
        )
        there = f"(select record from {kind.records})"
        db.execute(
            f"create or replace temp table {kind.name}_unknown as select * from decided "
            f"where left_record not in {there} or right_record not in {there}"
        )
        db.execute(
            f"create or replace temp table {kind.name}_decided as select * from decided "
            f"where left_record in {there} and right_record in {there}"
        )
        return tuple(
            f"(select left_record, right_record from {kind.name}_decided "
            f"where decision = '{decision}')"
            for decision in (ALWAYS, "never")
        )

    def _note(self, kind: Kind, table: str, rows: pa.Table) -> None:
        name = f"{kind.name}_{table}_rows"
        self._db.register("noted", rows)
        self._db.execute(f"create or replace temp table {name} as from noted")
        self._db.unregister("noted")
        self._tables[table].append(f"select '{kind.name}' as record_kind, * from {name}")

    def _review(self, kind: Kind) -> None:
        """What a person should look at and has not: nearly alike, refused, of unknown records."""
        self._db.execute(
            f"create or replace temp table {kind.name}_review_rows as with asked as ("
            "select left_record, right_record, "
            f"'{LIKENESS}' as rule, probability, weights, 'probable, not certain' as reason "
            "from judged where not is_linked "
            "union all by name select left_record, right_record, rule, probability, reason "
            "from refused_pairs union all by name select left_record, right_record, "
            "decision as rule, 'a decision names a record that is not there' as reason "
            f"from {kind.name}_unknown) "
            "select a.*, l.entity_id as left_id, r.entity_id as right_id from asked a "
            f"left join {kind.name}_members l on a.left_record = l.record "
            f"left join {kind.name}_members r on a.right_record = r.record "
            f"left join {kind.name}_decided d "
            "on least(a.left_record, a.right_record) = least(d.left_record, d.right_record) "
            "and greatest(a.left_record, a.right_record) = greatest(d.left_record, d.right_record) "
            "where d.decision is null "
            "and (l.entity_id is distinct from r.entity_id or l.entity_id is null) "
            "qualify row_number() over (partition by a.left_record, a.right_record "
            "order by a.probability desc nulls last, a.rule) = 1"
        )
        self._tables["review"].append(
            f"select '{kind.name}' as record_kind, {_split('left_record', 'left_')}, "
            f"{_split('right_record', 'right_')}, left_id, right_id, rule, probability, "
            f"{_spoken('weights')}, reason from {kind.name}_review_rows"
        )


def _ruled(crowds: pa.Table) -> pa.Table:
    """Crowded blocks as rows of `shared`."""
    rules = [f"{LIKENESS}: {block} alone" for block in crowds["block"].to_pylist()]
    return crowds.drop_columns("block").add_column(0, "rule", pa.array(rules, pa.string()))


def _spoken(weights: str) -> str:
    """SQL of what spoke for and against, the strongest first, in bits, and of all of it as JSON."""
    texts = ", ".join(
        "nullif(array_to_string(list_transform(list_reverse_sort(list_transform(list_filter("
        f"{weights}, lambda one: one.weight {sign}), lambda one: {{'size': abs(one.weight), "
        "'text': one.\"column\" || ' ' || format('{:+.1f}', one.weight)})), "
        f"lambda one: one.text), ', '), '') as {name}"
        for name, sign in (("spoke_for", "> 0.05"), ("spoke_against", "< -0.05"))
    )
    return f"{texts}, to_json({weights})::varchar as weights"


def _split(record: str, prefix: str = "") -> str:
    """A record's source and its id; no source has a colon in its name."""
    return (
        f"split_part({record}, ':', 1) as {prefix}source, "
        f"substring({record}, strpos({record}, ':') + 1) as {prefix}record_id"
    )


# The first that holds counts. A key that two organisations have in common tells nothing.
_EMPLOYERS = (
    (
        "its own account",
        "r.record",
        "(select record as value, record from organisation_records where is_natural_person)",
    ),
    (
        "its organisation in the source",
        "r.organisation",
        "(select record as value, record from organisation_records)",
    ),
    (
        "customer number",
        "r.customer_number",
        "(select customer_number as value, record from organisation_records)",
    ),
    (
        "mailbox of the organisation",
        "r.mailbox",
        "(select point as value, record from record_points "
        "where record_kind = 'organisation' and channel = 'email')",
    ),
    (
        "domain of the organisation",
        "r.domain",
        "(select domain as value, record from organisation_records)",
    ),
    (
        "name of the organisation",
        "r.organisation_name",
        "(select name as value, record from organisation_records)",
    ),
)


def _tell_employers(db: duckdb.DuckDBPyConnection) -> None:
    """Create temp table employers: record, entity_id, rule; add employer to person_records."""
    found = " union all ".join(
        f"select r.record, k.entity_id, '{rule}' as rule, {place} as place from person_records r "
        "join (select value, min(entity_id) as entity_id from "
        f"{keys} join organisation_members using (record) where value is not null "
        f"group by value having count(distinct entity_id) = 1) k on {value} = k.value"
        for place, (rule, value, keys) in enumerate(_EMPLOYERS)
    )
    db.execute(
        "create or replace temp table employers as "
        f"select distinct on (record) record, entity_id, rule from ({found}) order by record, place"
    )
    db.execute(
        "create or replace temp table person_records as select r.*, e.entity_id as employer "
        "from person_records r left join employers e using (record)"
    )


def _tell_own_contact_points(db: duckdb.DuckDBPyConnection) -> None:
    """Create temp table own_mailboxes: record, point; and forget what others share with a person.

    A mailbox or number is nobody's own where people of different names have it, a number also where
    an organisation has it.
    """
    db.execute(
        "create or replace temp table known_points as "
        "select distinct p.channel, p.point, r.first_name as f, r.last_name as l "
        "from record_points p join person_records r using (record) "
        "where p.record_kind = 'person' and r.name is not null and p.point is not null "
        "and p.mailbox_kind is distinct from 'role'"
    )
    other = " or ".join(
        f"(a.{n} is not null and b.{n} is not null and jaro_winkler_similarity(a.{n}, b.{n}) < "
        f"{_OTHER_NAME} and not starts_with(a.{n}, b.{n}) and not starts_with(b.{n}, a.{n}))"
        for n in ("f", "l")
    )
    db.execute(
        "create or replace temp table shared_points as with many as ("
        "select channel, point from known_points group by all "
        f"having count(*) > {_MOST_NAMES}) "
        "from many union select channel, point from record_points "
        "where record_kind = 'organisation' and channel = 'phone' "
        "union select a.channel, a.point from known_points a join known_points b "
        "on a.channel = b.channel and a.point = b.point anti join many m "
        "on a.channel = m.channel and a.point = m.point "
        f"where ({other}) and not coalesce(a.f = b.l and a.l = b.f, false)"
    )
    db.execute(
        "create or replace temp table own_mailboxes as select record, point from record_points "
        "where record_kind = 'person' and channel = 'email' and mailbox_kind <> 'role' "
        "and point not in (select point from shared_points where channel = 'email')"
    )
    for column, channel in (("email", "email"), ("phone", "phone")):
        db.execute(
            f"update person_records set {column} = null where {column} in "
            f"(select point from shared_points where channel = '{channel}')"
        )


def _make_customers(db: duckdb.DuckDBPyConnection) -> None:
    """Create temp table customers: record, customer_id, rule, for every record of a person.

    Who told no organisation belongs to that of the nearest record of the same person, through the
    pairs that made it one; who has none there is a customer of its own.
    """
    db.execute("create or replace temp table customers as from employers")
    while True:
        before = db.table("customers").shape[0]
        db.execute(
            "insert into customers select distinct on (record) near.record, c.entity_id, "
            "'another record of the person' from ("
            "select left_record as record, right_record as other, probability from person_kept "
            "union all select right_record, left_record, probability from person_kept) near "
            "join customers c on near.other = c.record "
            "anti join customers known on near.record = known.record "
            "order by near.record, near.probability desc, near.other"
        )
        if db.table("customers").shape[0] == before:
            break


def _identities() -> str:
    def shown(kind: str) -> str:
        return (
            f"select '{kind}' as record_kind, r.source, r.record_id, "
            "r.written_name as record_name, m.entity_id, w.rule, w.probability, "
            f"{_split('w.linked_to', 'linked_')}, w.steps, w.chain, w.weights, w.record "
            f"from {kind}_ways w join {kind}_members m using (record) "
            f"join {kind}_records r using (record)"
        )

    return (
        f"with w as ({shown('organisation')} union all by name {shown('person')}) "
        "select w.* exclude (weights, record), "
        "case when w.record_kind = 'organisation' then w.entity_id "
        "else coalesce(c.entity_id, w.entity_id) end as customer_id, "
        "case when w.record_kind = 'organisation' then 'the organisation itself' "
        "else coalesce(c.rule, 'the person itself') end as customer_rule, "
        f"{_spoken('w.weights')} from w "
        # A condition on one side alone would make DuckDB compare everything with everything.
        "left join customers c "
        "on case when w.record_kind = 'person' then w.record end = c.record"
    )
