"""Who is who at scale: keys and closure, our linkage, Splink's defaults, a night of changes.

`python -m tests.benchmarks.identity --records 100000` draws organisations of which each stands in
two or three systems, spoilt as in real life, and prints for each way seconds, F1 over pairs, and
the ratio to the exact keys of the same run; then the closure alone on random edges, against
Splink's own and a loop in SQL.
"""

import argparse
import contextlib
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import duckdb
import splink.comparison_library as comparisons
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.clustering import cluster_pairwise_predictions_at_threshold

from pipelines.identity.clusters import clustered
from pipelines.identity.keys import paired_by_key
from pipelines.identity.linkage import ORGANISATIONS, SEED, scored, trained
from pipelines.identity.resolution import KINDS

LINK_FROM = 0.95
CHANGED_SHARE = 0.01
# On average each organisation stands in two and a half systems, and 27 bear a name: one of so many
# words before one of five trades.
RECORDS_OF_ONE = 2.5
ORGANISATIONS_OF_A_WORD = 133

# One in ten names is misspelt, one in fifteen records has an old address; some thirty companies
# bear each name, and one in thirty shares phone and domain with its chain.
_RECORDS = """
create table records as
with one as (
    select
        i,
        ['gasthof ', 'hotel ', 'cafe ', 'pension ', 'kantine '][(hash(i, 1) % 5 + 1)::int]
        || md5((hash(i, 2) % {names})::varchar)[:7] as name,
        md5((hash(i, 3) % 900)::varchar)[:9] || 'strasse' as street,
        (hash(i, 4) % 120 + 1)::varchar as house_number,
        10000 + hash(i, 5) % 4000 as postcode,
        case when hash(i, 6) % 30 = 0 then i // 20 * 20 else i end as chain
    from range({organisations}) t(i)
),
said as (
    select
        *, hash(i, n, 7) as luck, hash(i, n, 8) as other, hash(i, n, 9) as third
    from one, range(3) s(n)
    where n < 2 or hash(i, 10) % 2 = 0
)
select
    's' || n || ':' || lpad(i::varchar, 9, '0') as record,
    i as truth,
    case when luck % 10 = 0 then name[:8] || 'x' || name[10:] else name end as name,
    left(split_part(name, ' ', 2), 4) as name_start,
    split_part(name, ' ', 2) as own_name,
    case when other % 15 = 0 then md5(third::varchar)[:9] || 'gasse' else street end as street,
    case when other % 15 = 0 then (third % 90)::varchar else house_number end as house_number,
    postcode::varchar as postcode,
    'ort' || postcode as city,
    case when luck % 100 < 30 then 'office' || i || '@' || md5(chain::varchar)[:12] || '.example'
        end as email,
    case when luck % 100 < 60 then md5(chain::varchar)[:12] || '.example' end as domain,
    case when third % 10 < 5 then '+4989' || lpad(chain::varchar, 8, '0') end as phone,
    case when other % 4 = 0 then 'DE' || lpad(i::varchar, 9, '0') end as vat_id
from said
"""


def main(arguments: list[str] | None = None) -> int:
    """Print the table; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--edges", type=int, default=1_000_000)
    asked = parser.parse_args(arguments)
    logging.getLogger("splink").setLevel(logging.ERROR)
    with _database() as db:
        organisations = round(asked.records / RECORDS_OF_ONE)
        names = max(1, organisations // ORGANISATIONS_OF_A_WORD)
        db.execute(_RECORDS.format(organisations=organisations, names=names))
        _linking(db)
    _closures(asked.edges)
    return 0


@contextlib.contextmanager
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    """In memory; what does not fit there goes where it is deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as db:
        db.execute(f"set temp_directory = '{folder}'")
        yield db


class _Table:
    """A table whose rows are printed as they come; the first is what the others are measured by."""

    def __init__(self, title: str, *columns: str) -> None:
        self._base: float | None = None
        print(f"\n{title}", flush=True)
        self._print(*columns)

    def row(self, way: str, seconds: float, *said: str) -> None:
        self._base = self._base or seconds
        self._print(way, f"{seconds:.1f}", f"{seconds / self._base:.1f}", *said)

    def _print(self, way: str, *cells: str) -> None:
        print(f"  {way:<42}" + "".join(f"{cell:>11}" for cell in cells), flush=True)


def _linking(db: duckdb.DuckDBPyConnection) -> None:
    ((count,),) = db.sql("select count(*) from records").fetchall()
    table = _Table(f"{count:,} records", "way", "seconds", "of keys", "precision", "recall", "F1")
    with _timed() as keys:
        _keys(db)
        _close(db, "keyed")
    table.row("exact keys and closure", keys(), *_truth(db, "members"))
    with _timed() as training:
        model = trained(db, "records", ORGANISATIONS)
    table.row("training, once", training())
    with _timed() as ours:
        _keys(db)
        scored(db, "records", ORGANISATIONS, model, "alike", at_least=LINK_FROM)
        _close(
            db,
            "(from keyed union all by name select left_record, right_record, probability, "
            "'likeness' as rule from alike join records l on left_record = l.record "
            "join records r on right_record = r.record "
            f"where not coalesce({KINDS['organisation'].doubtful}, false))",
        )
    table.row("keys, stored model and closure", ours(), *_truth(db, "members"))
    db.execute(
        "create table changed as select record from records "
        f"where hash(record) % 1000 < {round(1000 * CHANGED_SHARE)}"
    )
    with _timed() as night:
        _keys(db)
        scored(db, "records", ORGANISATIONS, model, "alike", at_least=LINK_FROM, changed="changed")
    table.row(f"a night with {CHANGED_SHARE:.0%} changed", night())
    with _timed() as defaults:
        _defaults(db)
    table.row("Splink's defaults, trained and clustered", defaults(), *_truth(db, "members"))


def _keys(db: duckdb.DuckDBPyConnection) -> None:
    db.execute(
        "create or replace temp table rules as select 'VAT id' as rule, 1.0 as probability, "
        "200 as at_most union all select 'e-mail address', 1.0, 50"
    )
    found = paired_by_key(
        db,
        "(select record, 'VAT id' as rule, vat_id as value from records "
        "union all select record, 'e-mail address', email from records)",
        "rules",
    )
    db.register("found", found.pairs)
    db.execute("create or replace table keyed as from found")
    db.unregister("found")


def _close(db: duckdb.DuckDBPyConnection, pairs: str) -> None:
    exclusive = "(select record, 'VAT id' as attribute, vat_id as value from records)"
    found = clustered(db, "records", pairs, exclusive=exclusive)
    db.register("found", found.members)
    db.execute("create or replace table members as from found")
    db.unregister("found")


def _defaults(db: duckdb.DuckDBPyConnection) -> None:
    """What Splink's documentation begins with: its own comparisons, everything estimated."""
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record",
        comparisons=[
            comparisons.NameComparison("name").configure(term_frequency_adjustments=True),
            comparisons.JaroWinklerAtThresholds("street"),
            comparisons.ExactMatch("house_number"),
            comparisons.ExactMatch("postcode").configure(term_frequency_adjustments=True),
            comparisons.ExactMatch("city").configure(term_frequency_adjustments=True),
            comparisons.EmailComparison("email"),
            comparisons.ExactMatch("phone").configure(term_frequency_adjustments=True),
        ],
        blocking_rules_to_generate_predictions=[block_on(*block) for block in ORGANISATIONS.blocks],
    )
    api = DuckDBAPI(db)
    linker = Linker(api.register("records"), settings, log_level=None)
    training = linker.training
    training.estimate_probability_two_random_records_match(
        [block_on("name", "street", "house_number", "postcode")], recall=0.5
    )
    training.estimate_u_using_random_sampling(max_pairs=2e6, seed=SEED)
    for columns in ORGANISATIONS.learnt_from:
        training.estimate_parameters_using_expectation_maximisation(block_on(*columns))
    pairs = linker.inference.predict(threshold_match_probability=LINK_FROM)
    found = linker.clustering.cluster_pairwise_predictions_at_threshold(pairs, LINK_FROM)
    db.execute(
        "create or replace table members as select record, cluster_id as cluster "
        f"from {found.physical_name}"
    )


def _truth(db: duckdb.DuckDBPyConnection, members: str) -> tuple[str, str, str]:
    ((right, together, true),) = db.sql(
        f"with m as (from {members} join records using (record)), "
        "counted as (select sum(n * (n - 1) / 2) as pairs, kind from ("
        "select count(*) as n, 'right' as kind from m group by cluster, truth union all "
        "select count(*), 'together' from m group by cluster union all "
        "select count(*), 'true' from m group by truth) group by kind) "
        "select max(pairs) filter (kind = 'right'), max(pairs) filter (kind = 'together'), "
        "max(pairs) filter (kind = 'true') from counted"
    ).fetchall()
    precision, recall = right / together, right / true
    f1 = 2 * precision * recall / (precision + recall)
    return f"{precision:.4f}", f"{recall:.4f}", f"{f1:.4f}"


def _closures(edges: int) -> None:
    """The closure alone, on random edges: half as many nodes as edges."""
    table = _Table(f"{edges:,} random edges", "closure", "seconds", "of ours")
    with _database() as db:
        db.execute(
            f"create table records as select 'n' || i as record from range({edges // 2}) t(i)"
        )
        db.execute(
            f"create table pairs as select 'n' || hash(i, 1) % {edges // 2} as left_record, "
            f"'n' || hash(i, 2) % {edges // 2} as right_record, 'likeness' as rule, "
            f"0.99 as probability from range({edges}) t(i)"
        )
        for name, close in (
            ("scipy, as clusters.py", lambda: clustered(db, "records", "pairs", largest=edges)),
            ("Splink's own", lambda: _splink_closure(db)),
            ("a loop of contractions in SQL", lambda: _sql_closure(db)),
        ):
            with _timed() as seconds:
                close()
            table.row(name, seconds())


def _splink_closure(db: duckdb.DuckDBPyConnection) -> None:
    api = DuckDBAPI(db)
    cluster_pairwise_predictions_at_threshold(
        api.register("records"),
        api.register(
            db.sql(
                "select left_record as record_l, right_record as record_r, "
                "probability as match_probability from pairs"
            ).to_arrow_table()
        ),
        api,
        node_id_column_name="record",
        edge_id_column_name_left="record_l",
        edge_id_column_name_right="record_r",
        threshold_match_probability=0.9,
    )


def _sql_closure(db: duckdb.DuckDBPyConnection) -> None:
    """Every node takes the least label among its neighbours until no label changes."""
    db.execute(
        "create or replace table ends as select left_record as l, right_record as r from pairs "
        "union all select right_record, left_record from pairs"
    )
    db.execute("create or replace table labels as select record, record as label from records")
    while True:
        db.execute(
            "create or replace table lower as select n.record, "
            "least(n.label, min(o.label)) as label from labels n "
            "join ends e on n.record = e.l join labels o on e.r = o.record "
            "group by n.record, n.label"
        )
        db.execute(
            "create or replace table next as select n.record, coalesce(l2.label, l.label, n.label) "
            "as label from labels n left join lower l on n.record = l.record "
            "left join lower l2 on l.label = l2.record"
        )
        ((changed,),) = db.sql(
            "select count(*) from next join labels using (record) where next.label <> labels.label"
        ).fetchall()
        db.execute("create or replace table labels as from next")
        if not changed:
            return


@contextlib.contextmanager
def _timed() -> Iterator[Callable[[], float]]:
    start = time.perf_counter()
    taken = 0.0
    yield lambda: taken
    taken = time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
