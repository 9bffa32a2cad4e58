"""What the gate tolerates: read from thresholds.yml, changed by what the company says.

What is measured against these figures stands in the suites and in `gate`.
"""

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from pathlib import Path

import yaml

from quality.anomalies import Tolerance as AnomalyTolerance

SHIPPED = Path(__file__).with_name("thresholds.yml")
SEVERITIES = ("quarantine", "warn")


class ThresholdProblem(Exception):
    """What was said of the thresholds cannot be used; the message names place and remedy."""


@dataclass(frozen=True)
class Thresholds(AnomalyTolerance):
    """The figures for one table; thresholds.yml says what each means."""

    bad_rows_share: float
    bad_rows_always_allowed: int
    smallest_share_of_last_file: float
    smallest_file_compared: int
    first_plausible_day: date
    days_in_the_future: int
    largest_plausible_amount: float


@dataclass(frozen=True)
class Tolerance:
    """The figures for all tables (`source.table`), and severities by `source.table.rule`."""

    defaults: Thresholds
    tables: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    severities: Mapping[str, str] = field(default_factory=dict)

    def of(self, source: str, table: str) -> Thresholds:
        """The figures for one table."""
        return replace(self.defaults, **self.tables.get(f"{source}.{table}", {}))


@functools.cache
def shipped() -> Tolerance:
    """What thresholds.yml says."""
    content = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    _refuse_unknown(content, _ENTRIES, SHIPPED.name)
    figures = _figures(content["defaults"], f"{SHIPPED.name}: defaults")
    return _changed(Tolerance(Thresholds(**figures)), content, SHIPPED.name)


def tolerance(said: Mapping[str, object], tables: frozenset[str], place: str) -> Tolerance:
    """The shipped figures, changed by what a company says; tables are all `source.table`.

    Raises ThresholdProblem with the remedy where an entry is unknown or a figure is none.
    """
    _refuse_unknown(said, _ENTRIES, place)
    _refuse_unknown(said.get("tables") or {}, tables, f"{place}: tables")
    return _changed(shipped(), said, place)


_ENTRIES = frozenset({"defaults", "tables", "severities"})
_KINDS = {figure.name: figure.type for figure in fields(Thresholds)}


def _changed(before: Tolerance, said: Mapping[str, object], place: str) -> Tolerance:
    defaults = replace(
        before.defaults, **_figures(said.get("defaults") or {}, f"{place}: defaults")
    )
    tables = dict(before.tables)
    for name, figures in (said.get("tables") or {}).items():
        tables[name] = {**tables.get(name, {}), **_figures(figures, f"{place}: tables: {name}")}
    severities = dict(said.get("severities") or {})
    for rule, severity in severities.items():
        if severity not in SEVERITIES or str(rule).count(".") != 2:
            raise ThresholdProblem(
                f"{place}: severities: write source.table.rule: {' or '.join(SEVERITIES)}"
            )
    return Tolerance(defaults, tables, {**before.severities, **severities})


def _figures(said: object, place: str) -> dict[str, object]:
    _refuse_unknown(said, _KINDS.keys(), place)
    for name, figure in said.items():
        wanted = _KINDS[name]
        is_number = isinstance(figure, int | float) and not isinstance(figure, bool)
        fits = {
            date: type(figure) is date,
            int: isinstance(figure, int) and is_number and figure >= 0,
            float: is_number and figure >= 0,
        }[wanted]
        if not fits:
            form = {date: "a day such as 1990-01-01", int: "a whole number", float: "a number"}
            raise ThresholdProblem(f"{place}: {name} is {figure!r}; write {form[wanted]}")
        if "share" in name and wanted is float and not name.endswith("from") and figure > 1:
            raise ThresholdProblem(f"{place}: {name} is {figure!r}; write a share from 0 to 1")
    return dict(said)


def _refuse_unknown(content: object, known: frozenset[str], place: str) -> None:
    if not isinstance(content, Mapping):
        raise ThresholdProblem(f"{place}: write entries such as `{min(known)}: …` here")
    for name in content:
        if name not in known:
            near = difflib.get_close_matches(str(name), sorted(known), n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ThresholdProblem(
                f"{place} has an unknown entry {name!r}{hint}; known are: "
                f"{', '.join(sorted(known))}"
            )
