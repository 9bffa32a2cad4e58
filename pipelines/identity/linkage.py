"""Which pairs of records are probably one, where no key says so: Splink, behind one module.

The model is that of Fellegi and Sunter: every comparison of two records speaks for or against them
with a weight, the binary logarithm of m / u, where m is how often the comparison comes out so among
records that are one, and u among those that are not (Fellegi and Sunter, "A Theory for Record
Linkage", Journal of the American Statistical Association 64, 1969). What is compared for whom is a
Blueprint; what follows from the pairs is not known here.
"""

import contextlib
import json
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import duckdb
import splink.comparison_level_library as levels
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.comparison_library import CustomComparison

# One seed: training twice on the same records gives the same model.
SEED = 7


class TooLittleToLearnFrom(ValueError):
    """Too few pairs of the records are one to estimate anything; the text says what to do."""


@dataclass(frozen=True)
class Blueprint:
    """What is compared for one kind of record.

    words, numbers  columns compared by likeness (Jaro-Winkler) and by slips of the pen (at most two
                    digits), all text, null where unknown
    blocks          lists of columns: two records are looked at when all columns of one list agree
    certain         columns that agree only for what is one, and the share of what is one for which
                    they do: the start of the estimate
    learnt_from     two lists of columns without one in common: what agrees in the one teaches how
                    often the rest agrees
    """

    words: tuple[str, ...]
    numbers: tuple[str, ...]
    blocks: tuple[tuple[str, ...], ...]
    certain: tuple[str, ...]
    certain_share: float
    learnt_from: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def columns(self) -> tuple[str, ...]:
        """What relations of records must have besides `record`."""
        return (*self.words, *self.numbers)


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


@dataclass(frozen=True)
class Model:
    """A trained model as Splink writes it: comparisons with their m and u, and the prior."""

    settings: dict

    def as_json(self) -> str:
        """The model as it is kept."""
        return json.dumps(self.settings, indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Model":
        """The model as it was kept."""
        return cls(json.loads(text))


def trained(
    db: duckdb.DuckDBPyConnection, records: str, blueprint: Blueprint, *, most_pairs: float = 2e6
) -> Model:
    """Learn from the company's own records how much each comparison says.

    records: relation with record (unique text) and the columns of the blueprint. u is counted in a
    random sample of most_pairs pairs, m by expectation and maximisation. No pair has to be known
    beforehand. Raises TooLittleToLearnFrom.
    """
    with _splink(db, records, _untrained(blueprint)) as linker:
        certain = " and ".join(f"l.{column} = r.{column}" for column in blueprint.certain)
        ((pairs,),) = db.sql(
            f"select count(*) from {records} l join {records} r on {certain} "
            "and l.record < r.record"
        ).fetchall()
        if not pairs:
            raise TooLittleToLearnFrom(
                f"no two records agree in {', '.join(blueprint.certain)}, so that nothing can be "
                "learnt about the rest. Remedy: link by keys alone until more records came"
            )
        linker.training.estimate_probability_two_random_records_match(
            [certain], recall=blueprint.certain_share
        )
        linker.training.estimate_u_using_random_sampling(max_pairs=most_pairs, seed=SEED)
        for columns in blueprint.learnt_from:
            linker.training.estimate_parameters_using_expectation_maximisation(block_on(*columns))
        return Model(linker.misc.save_model_to_json())


def scored(
    db: duckdb.DuckDBPyConnection, records: str, model: Model, pairs: str, *, at_least: float
) -> None:
    """Create the table `pairs`: every pair whose probability is at least `at_least`, and why.

    Its columns: left_record, right_record (of which the left is first in alphabetical order),
    probability, weights: a list of (column, weight in bits), the prior among them as
    "any two records"; they add up to the logit of the probability, to the base 2.
    """
    with _splink(db, records, model.settings) as linker:
        found = linker.inference.predict(threshold_match_probability=at_least).physical_name
        there = db.table(found).columns
        weights = ", ".join(
            f"{{'column': '{name}', 'weight': {_weight(name, there)}}}" for name in _compared(model)
        )
        prior = model.settings["probability_two_random_records_match"]
        db.execute(
            f"create or replace table {pairs} as select "
            "least(record_l, record_r) as left_record, "
            "greatest(record_l, record_r) as right_record, match_probability as probability, "
            f"[{{'column': 'any two records', 'weight': log2({prior} / (1 - {prior}))}}, {weights}]"
            f" as weights from {found}"
        )


def _compared(model: Model) -> list[str]:
    return [comparison["output_column_name"] for comparison in model.settings["comparisons"]]


def _weight(name: str, there: Collection[str]) -> str:
    """A comparison's weight with what the frequency of the value adds to it."""
    return " + ".join(part for part in (f"mw_{name}", f"mw_tf_adj_{name}") if part in there)


def _untrained(blueprint: Blueprint) -> SettingsCreator:
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
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record",
        comparisons=[*words, *numbers],
        blocking_rules_to_generate_predictions=[block_on(*block) for block in blueprint.blocks],
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=True,
    )


@contextlib.contextmanager
def _splink(
    db: duckdb.DuckDBPyConnection, records: str, settings: SettingsCreator | dict
) -> Iterator[Linker]:
    """A linker whose tables are gone afterwards, and who does not talk."""
    before = _tables(db)
    logger = logging.getLogger("splink")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield Linker(DuckDBAPI(db).register(records), settings, log_level=None)
    finally:
        logger.setLevel(level)
        for name in _tables(db) - before:
            if name.startswith("__splink__"):
                db.execute(f'drop table if exists "{name}"')


def _tables(db: duckdb.DuckDBPyConnection) -> set[str]:
    return {name for (name,) in db.sql("select table_name from duckdb_tables()").fetchall()}
