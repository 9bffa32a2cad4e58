"""Which pairs of records are probably one, where no key says so: Splink, behind one module.

The model is that of Fellegi and Sunter: every comparison of two records speaks for or against them
with a weight, the binary logarithm of m / u, where m is how often the comparison comes out so among
records that are one, and u among those that are not (Fellegi and Sunter, "A Theory for Record
Linkage", Journal of the American Statistical Association 64, 1969). What is compared for whom is a
Blueprint; what follows from the pairs is not known here.
"""

import contextlib
import functools
import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import splink.comparison_level_library as levels
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.comparison_library import CustomComparison
from splink.internals.blocking_rule_creator import BlockingRuleCreator
from splink.internals.splink_dataframe import SplinkDataFrame

_SETTINGS, _FREQUENCIES = "settings.json", "frequencies.parquet"
_FREQUENCY = pa.schema(
    [("column_name", pa.string()), ("value", pa.string()), ("frequency", pa.float64())]
)
# So often two strangers among all records share an identifier: shared phones, mistyped addresses.
_CHANCE, _LEAST_CHANCE = 0.02, 1e-6

_LEAST_M, _LEAST_M_OF_OTHERS = 0.005, 0.1
# Fewer agreeing pairs teach nothing.
_FEWEST_PAIRS = 30

# More records that have one name, one street and the like are not looked at for that alone.
LARGEST_BLOCK = 500

# One seed: training twice on the same records gives the same model.
SEED = 7


class TooLittleToLearnFrom(ValueError):
    """Too few pairs of the records are one to estimate anything; the text says what to do."""


@dataclass(frozen=True)
class Blueprint:
    """What is compared for one kind of record.

    words, numbers  columns compared by likeness (Jaro-Winkler) and by slips of the pen (at most two
                    digits), all text, null where unknown
    identifiers     ladders of columns whose values nearly nobody shares by chance: the first of a
                    ladder that agrees speaks for all of it (a mailbox before its domain)
    groups          ladders of columns that say where one belongs (a town by its postcode, an
                    employer): they agree or not, and what is the same said twice counts once
    blocks          lists of columns: two records are looked at when all columns of one list agree
    certain         columns that agree only for what is one, and the share of what is one for which
                    they do: the start of the estimate
    learnt_from     lists of columns, no column common to all of them: what agrees in the one
                    teaches how often the rest agrees
    """

    words: tuple[str, ...]
    numbers: tuple[str, ...]
    blocks: tuple[tuple[str, ...], ...]
    certain: tuple[str, ...]
    certain_share: float
    learnt_from: tuple[tuple[str, ...], ...]
    identifiers: tuple[tuple[str, ...], ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """What relations of records must have besides `record`."""
        rungs = [column for ladder in (*self.identifiers, *self.groups) for column in ladder]
        return (*self.words, *self.numbers, *rungs)

    @property
    def lists(self) -> tuple[tuple[str, ...], ...]:
        """Every list of columns by which records are brought together, each once."""
        return tuple(dict.fromkeys((*self.blocks, *self.learnt_from)))


PERSONS = Blueprint(
    words=("first_name", "last_name", "street", "district", "city"),
    numbers=("birthday", "house_number", "postcode"),
    blocks=(
        ("first_name", "last_name"),
        ("birthday",),
        ("street", "house_number"),
        ("postcode", "city"),
        ("postcode", "last_name"),
        ("postcode", "first_name"),
        ("street", "last_name"),
        ("street", "first_name"),
        ("city", "last_name"),
        ("city", "first_name"),
        ("district", "postcode"),
        ("house_number", "last_name"),
        ("house_number", "first_name"),
        ("house_number", "postcode"),
    ),
    certain=("first_name", "last_name", "birthday"),
    certain_share=0.6,
    learnt_from=(("birthday",), ("first_name", "last_name")),
)


ORGANISATIONS = Blueprint(
    words=("name", "street"),
    numbers=("house_number",),
    identifiers=(("email", "domain"), ("phone",)),
    groups=(("postcode", "city"),),
    blocks=(
        ("email",),
        ("domain",),
        ("phone",),
        ("name",),
        ("street", "house_number", "postcode"),
        ("postcode", "name_start"),
        ("city", "name_start"),
    ),
    certain=("name", "street", "house_number", "postcode"),
    certain_share=0.5,
    learnt_from=(("street", "house_number", "postcode"), ("name",), ("phone",)),
)

# Persons as customers' contacts: what they have in common is mostly a mailbox and an employer.
CONTACTS = Blueprint(
    words=("first_name", "last_name"),
    numbers=("birthday",),
    identifiers=(("email",), ("phone",)),
    groups=(("employer",),),
    blocks=(
        ("email",),
        ("phone",),
        ("employer", "last_name"),
        ("employer", "first_name"),
        ("birthday", "last_name"),
        ("birthday", "first_name"),
        ("first_name", "last_name"),
    ),
    certain=("first_name", "last_name", "employer"),
    certain_share=0.6,
    learnt_from=(("first_name", "last_name"), ("email",), ("employer", "last_name")),
)


@dataclass(frozen=True)
class Model:
    """A trained model: comparisons with their m and u, the prior, and how frequent words were.

    settings as Splink writes them. frequencies: column, value, frequency (share of the records that
    have one), as they were when the model was trained: the score of a pair follows from its two
    records and from nothing else, so that a pair compared years ago needs no second look.
    """

    settings: dict
    frequencies: pa.Table

    def save(self, folder: Path) -> None:
        """Write the model into a folder that is there."""
        text = json.dumps(self.settings, indent=1, sort_keys=True)
        (folder / _SETTINGS).write_text(text, encoding="utf-8")
        pq.write_table(self.frequencies, folder / _FREQUENCIES)

    @classmethod
    def load(cls, folder: Path) -> "Model":
        """The model that `save` wrote. Raises OSError where it is not there."""
        settings = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        return cls(settings, pq.read_table(folder / _FREQUENCIES))


def crowded(
    db: duckdb.DuckDBPyConnection,
    records: str,
    blueprint: Blueprint,
    *,
    largest_block: int = LARGEST_BLOCK,
) -> pa.Table:
    """The values of blocks that more than largest_block records have: block, value, records.

    By these nobody is looked at: there are thousands of a Peter Müller, and the pairs among them
    grow with the square of their number. Another block may still bring two of them together.
    """
    counted = " union all ".join(
        f"select '{', '.join(columns)}' as block, {_value(columns)} as value, "
        f"count(*) as records from {records} where {_known(columns)} group by {_value(columns)} "
        f"having count(*) > {largest_block}"
        for columns in blueprint.lists
    )
    return db.sql(f"{counted} order by block, records desc, value").to_arrow_table()


def marked(records: str, blueprint: Blueprint, crowds: str) -> str:
    """SQL of the records with a column for each block: true, and null where it does not count.

    crowds: relation as `crowded` returns it.
    """
    marks = ", ".join(
        f"case when {_known(columns)} and {_value(columns)} not in "
        f"(select value from {crowds} where block = '{', '.join(columns)}') then true end "
        f"as {mark(columns)}"
        for columns in blueprint.lists
    )
    return f"select *, {marks} from {records}"


def mark(columns: Sequence[str]) -> str:
    """The name of the column of `marked` for a block."""
    return f"few_{'_'.join(columns)}"


def _value(columns: Sequence[str]) -> str:
    return f"concat_ws(', ', {', '.join(columns)})"


def _known(columns: Sequence[str]) -> str:
    return " and ".join(f"{column} is not null" for column in columns)


def trained(
    db: duckdb.DuckDBPyConnection,
    records: str,
    blueprint: Blueprint,
    *,
    most_pairs: float = 2e6,
    largest_block: int = LARGEST_BLOCK,
) -> Model:
    """Learn from the company's own records how much each comparison says.

    records: relation with record (unique text) and the columns of the blueprint and its blocks. u
    is counted in a random sample of most_pairs pairs, m by expectation and maximisation; for
    identifiers u is set: a sample has hardly two strangers who share one. No pair has to be known
    beforehand. Values of `crowded` teach nothing. Raises TooLittleToLearnFrom.
    """
    ((count,),) = db.sql(f"select count(*) from {records}").fetchall()
    frequencies = _frequencies(db, records, blueprint)
    chances = {
        column: _chance(db, records, column) for ladder in blueprint.groups for column in ladder
    }
    untrained = _untrained(blueprint, count, chances)
    # A seed gives one sample only where one thread draws it.
    db.execute("set threads = 1")
    try:
        return _learnt(db, records, blueprint, untrained, frequencies, most_pairs, largest_block)
    finally:
        db.execute("reset threads")


def _learnt(
    db: duckdb.DuckDBPyConnection,
    records: str,
    blueprint: Blueprint,
    untrained: SettingsCreator,
    frequencies: pa.Table,
    most_pairs: float,
    largest_block: int,
) -> Model:
    crowds = crowded(db, records, blueprint, largest_block=largest_block)
    with _splink(db, records, blueprint, crowds, untrained, frequencies) as (linker, _):
        certain = " and ".join(f"l.{column} = r.{column}" for column in blueprint.certain)
        ((pairs,),) = db.sql(
            f"select count(*) from {records} l join {records} r on {certain} "
            "and l.record < r.record"
        ).fetchall()
        if pairs < _FEWEST_PAIRS:
            raise TooLittleToLearnFrom(
                f"{pairs} pairs of records agree in {', '.join(blueprint.certain)}: of fewer than "
                f"{_FEWEST_PAIRS} nothing can be learnt about the rest. Remedy: link by keys alone "
                "until more records came"
            )
        linker.training.estimate_probability_two_random_records_match(
            [certain], recall=blueprint.certain_share
        )
        linker.training.estimate_u_using_random_sampling(max_pairs=most_pairs, seed=SEED)
        for columns in blueprint.learnt_from:
            linker.training.estimate_parameters_using_expectation_maximisation(_block(columns))
        return Model(_tempered(linker.misc.save_model_to_json(), blueprint), frequencies)


def _tempered(settings: dict, blueprint: Blueprint) -> dict:
    """The model without outcomes that are never or nearly never seen among records that are one.

    What did not happen in a sample may happen still: no m is smaller than a floor, and for
    identifiers and groups that differ it is higher, as companies and people have several.
    """
    several = set(map(_rungs_named, (*blueprint.identifiers, *blueprint.groups)))
    for comparison in settings["comparisons"]:
        levels_ = [one for one in comparison["comparison_levels"] if not one.get("is_null_level")]
        floors = [_LEAST_M] * len(levels_)
        if comparison["output_column_name"] in several:
            floors[-1] = _LEAST_M_OF_OTHERS
        known = [
            max(level.get("m_probability", 0), floor)
            for level, floor in zip(levels_, floors, strict=True)
        ]
        for level, m in zip(levels_, known, strict=True):
            level["m_probability"] = _rounded(m / sum(known))
            # Seen with nobody: it speaks neither for nor against.
            level.setdefault("u_probability", level["m_probability"])
            level["u_probability"] = _rounded(level["u_probability"])
    prior = settings["probability_two_random_records_match"]
    settings["probability_two_random_records_match"] = _rounded(prior)
    return settings


def _rounded(probability: float) -> float:
    """Nine digits: the order in which a computer adds up must not show."""
    return float(f"{probability:.9g}")


def scored(
    db: duckdb.DuckDBPyConnection,
    records: str,
    blueprint: Blueprint,
    model: Model,
    pairs: str,
    *,
    at_least: float,
    changed: str | None = None,
    largest_block: int = LARGEST_BLOCK,
) -> None:
    """Create the table `pairs`: every pair whose probability is at least `at_least`, and why.

    Looked at are the pairs that have a value of a block of the blueprint in common which is not
    `crowded`. changed: relation record; where it is given, only pairs with one of these are looked
    at. Columns of `pairs`: left_record, right_record (of which the left is first in alphabetical
    order), probability, weights: a list of (column, weight in bits), the prior among them as
    "any two records"; they add up to the logit of the probability, to the base 2.
    """
    crowds = crowded(db, records, blueprint, largest_block=largest_block)
    given_model = (model.settings, model.frequencies)
    with _splink(db, records, blueprint, crowds, *given_model) as (linker, given):
        predict = linker.inference
        if changed is None:
            found = [predict.predict_within(given(""), threshold_match_probability=at_least)]
        else:
            new = given(f"where record in (select record from {changed})")
            old = given(f"where record not in (select record from {changed})")
            found = [
                predict.predict_within(new, threshold_match_probability=at_least),
                predict.predict_between(new, old, threshold_match_probability=at_least),
            ]
        names = {column.unquote().name for column in found[0].columns}
        weights = ", ".join(
            f"{{'column': '{name}', 'weight': {_weight(name, names)}}}" for name in _compared(model)
        )
        prior = model.settings["probability_two_random_records_match"]
        rows = " union all by name ".join(f"from {one.physical_name}" for one in found)
        db.execute(
            f"create or replace table {pairs} as select "
            "least(record_l, record_r) as left_record, "
            "greatest(record_l, record_r) as right_record, match_probability as probability, "
            f"[{{'column': 'any two records', 'weight': log2({prior} / (1 - {prior}))}}, {weights}]"
            f" as weights from ({rows})"
        )


def _compared(model: Model) -> list[str]:
    return [comparison["output_column_name"] for comparison in model.settings["comparisons"]]


def _weight(name: str, there: Collection[str]) -> str:
    """A comparison's weight with what the frequency of the value adds to it."""
    return " + ".join(part for part in (f"mw_{name}", f"mw_tf_adj_{name}") if part in there)


def _frequencies(db: duckdb.DuckDBPyConnection, records: str, blueprint: Blueprint) -> pa.Table:
    counted = " union all ".join(
        f"select '{column}' as column_name, {column} as value, "
        f"count(*) / sum(count(*)) over () as frequency from {records} "
        f"where {column} is not null group by {column}"
        for column in blueprint.words
    )
    return db.sql(f"{counted} order by column_name, value").to_arrow_table().cast(_FREQUENCY)


def _chance(db: duckdb.DuckDBPyConnection, records: str, column: str) -> float:
    """How often two records drawn at random agree in a column, of those that have it."""
    ((chance,),) = db.sql(
        "select sum(held * (held - 1)) / nullif(sum(held) * (sum(held) - 1), 0) from "
        f"(select count({column}) as held from {records} where {column} is not null "
        f"group by {column})"
    ).fetchall()
    return chance or _LEAST_CHANCE


def _untrained(blueprint: Blueprint, records: int, chances: Mapping[str, float]) -> SettingsCreator:
    words = [
        CustomComparison(
            output_column_name=column,
            comparison_levels=[
                levels.NullLevel(column),
                # A rare name that agrees says more than a frequent one.
                levels.ExactMatchLevel(column, term_frequency_adjustments=True),
                levels.JaroWinklerLevel(column, 0.92),
                levels.JaroWinklerLevel(column, 0.8),
                levels.ElseLevel(),
            ],
        )
        for column in blueprint.words
    ]
    numbers = [
        CustomComparison(
            output_column_name=column,
            comparison_levels=[
                levels.NullLevel(column),
                levels.ExactMatchLevel(column),
                levels.DamerauLevenshteinLevel(column, 1),
                levels.DamerauLevenshteinLevel(column, 2),
                levels.ElseLevel(),
            ],
        )
        for column in blueprint.numbers
    ]
    identifiers = [
        _ladder(ladder, [_CHANCE * 10**rung / max(records, 1) for rung in range(len(ladder))])
        for ladder in blueprint.identifiers
    ]
    groups = [
        _ladder(ladder, [chances[column] for column in ladder]) for ladder in blueprint.groups
    ]
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record",
        comparisons=[*words, *numbers, *identifiers, *groups],
        blocking_rules_to_generate_predictions=[_block(one) for one in blueprint.blocks],
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=True,
    )


def _block(columns: Sequence[str]) -> BlockingRuleCreator:
    return block_on(*columns, mark(columns))


def _rungs_named(columns: Sequence[str]) -> str:
    return "_or_".join(columns)


def _ladder(columns: Sequence[str], chances: Sequence[float]) -> CustomComparison:
    """The first column that agrees counts; chances are the u of each, which is set, not sampled."""
    unknown = " and ".join(f"({column}_l is null or {column}_r is null)" for column in columns)
    rungs = [
        levels.ExactMatchLevel(column).configure(
            u_probability=min(0.1, chance), fix_u_probability=True
        )
        for column, chance in zip(columns, chances, strict=True)
    ]
    return CustomComparison(
        output_column_name=_rungs_named(columns),
        comparison_levels=[
            levels.CustomLevel(unknown, "unknown").configure(is_null_level=True),
            *rungs,
            levels.ElseLevel(),
        ],
    )


@contextlib.contextmanager
def _splink(
    db: duckdb.DuckDBPyConnection,
    records: str,
    blueprint: Blueprint,
    crowds: pa.Table,
    settings: SettingsCreator | dict,
    frequencies: pa.Table,
) -> Iterator[tuple[Linker, Callable[[str], SplinkDataFrame]]]:
    """A linker of the records, and what hands it those of a condition.

    Its tables are gone afterwards, and it does not talk. A word that was not there when the model
    was trained is as rare as one that was there once.
    """
    before = _tables(db)
    logger = logging.getLogger("splink")
    level = logger.level
    logger.setLevel(logging.ERROR)
    api = DuckDBAPI(db)
    parts = 0

    @functools.cache
    def given(condition: str) -> SplinkDataFrame:
        nonlocal parts
        parts += 1
        name = f"__splink__records_{parts}"
        # In order, so that a random sample is the same whatever order the records came in.
        db.execute(
            f"create or replace table {name} as from __splink__marked {condition} order by record"
        )
        return api.register(name)

    try:
        db.register("crowds", crowds)
        db.execute(
            f"create or replace table __splink__marked as {marked(records, blueprint, 'crowds')}"
        )
        db.unregister("crowds")
        linker = Linker(given(""), settings, log_level=None)
        db.register("frequencies", frequencies)
        for column in pc.unique(frequencies["column_name"]).to_pylist():
            table = f"__splink__frequencies_{column}"
            db.execute(
                f"create or replace table {table} as "
                f"with known as (from frequencies where column_name = '{column}') "
                f"select value as {column}, frequency as tf_{column} from known union all "
                f"select distinct {column}, (select min(frequency) from known) from {records} "
                f"where {column} not in (select value from known)"
            )
            linker.table_management.register_term_frequency_lookup(api.register(table), column)
        yield linker, given
    finally:
        logger.setLevel(level)
        db.unregister("frequencies")
        for name in _tables(db) - before:
            if name.startswith("__splink__"):
                db.execute(f'drop table if exists "{name}"')


def _tables(db: duckdb.DuckDBPyConnection) -> set[str]:
    return {name for (name,) in db.sql("select table_name from duckdb_tables()").fetchall()}
