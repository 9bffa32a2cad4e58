"""The only module that speaks to Great Expectations: rules in, positions of broken rows out.

The library is imported on first use: it takes over three seconds, and whoever only lists the rules
(the Dagster definitions do) must not pay for that.
"""

import functools
import logging
import operator
import warnings
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np

from quality.rules import Rule

if TYPE_CHECKING:
    import pandas as pd

# Counts and row positions only: by default failing values, that is personal data, go into results.
_RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "exclude_unexpected_values": True,
    "partial_unexpected_count": 0,
}


class RuleCouldNotBeJudged(Exception):
    """Great Expectations raised an error instead of judging a rule."""


def broken_rows(frame: "pd.DataFrame", rules: Sequence[Rule]) -> list[np.ndarray]:
    """For each rule the positions (0-based) of the rows of `frame` that break it, ascending.

    Raises RuleCouldNotBeJudged where the library could not evaluate a rule.
    """
    broken: list[np.ndarray] = [np.empty(0, dtype=np.int64) for _ in rules]
    # Most columns hold nothing that a rule could object to; asking takes 15 ms a rule and load.
    asked = [n for n, rule in enumerate(rules) if not _holds_plainly(frame[rule.looks_at], rule)]
    if not asked:
        return broken
    gx = _library()
    frame = frame.reset_index(drop=True)
    batch = _batch_definition().get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite(
        name="rules",
        expectations=[_expectation(rules[position], position) for position in asked],
    )
    for result in batch.validate(suite, result_format=_RESULT_FORMAT).results:
        position = result.expectation_config.meta["position"]
        if result.exception_info and _has_raised(result.exception_info):
            raise RuleCouldNotBeJudged(rules[position].name)
        rows = result.result.get("unexpected_index_list") or []
        broken[position] = np.sort(np.asarray(rows, dtype=np.int64))
    return broken


def _holds_plainly(values: "pd.Series", rule: Rule) -> bool:
    """Whether a column is full where something must be, or empty where a value would be judged."""
    if rule.must == "be_present":
        return bool(values.notna().all())
    return bool(values.isna().all())


def _has_raised(info: dict[str, Any]) -> bool:
    # Either one record or one record per metric, depending on where the error arose.
    if "raised_exception" in info:
        return bool(info["raised_exception"])
    return any(record.get("raised_exception") for record in info.values())


def _expectation(rule: Rule, position: int):
    expect = _library().expectations
    common: dict[str, Any] = {"column": rule.looks_at, "meta": {"position": position}}
    if rule.where:
        common["row_condition"] = _condition(rule)
    match rule.must:
        case "be_present":
            return expect.ExpectColumnValuesToNotBeNull(**common)
        case "be_absent":
            return expect.ExpectColumnValuesToBeNull(**common)
        case "be_between":
            bounds = {
                side: datetime.combine(bound, time()) if isinstance(bound, date) else bound
                for side, bound in (("min_value", rule.least), ("max_value", rule.most))
                if bound is not None
            }
            return expect.ExpectColumnValuesToBeBetween(**common, **bounds)
        case "be_one_of":
            return expect.ExpectColumnValuesToBeInSet(**common, value_set=list(rule.choices))
        case "match":
            return expect.ExpectColumnValuesToMatchRegex(**common, regex=rule.pattern)


def _condition(rule: Rule):
    from great_expectations.expectations.row_conditions import Column

    equalities = [Column(name) == value for name, value in rule.where]
    return functools.reduce(operator.and_, equalities)


@functools.cache
def _library():
    # It reports hundreds of its own registrations at INFO.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations
        import great_expectations.expectations
    return great_expectations


@functools.cache
def _batch_definition():
    context = _library().get_context(mode="ephemeral")
    context.enable_analytics(enable=False)
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas(name="load")
    return source.add_dataframe_asset("chunk").add_batch_definition_whole_dataframe("all")
