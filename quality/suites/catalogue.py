"""Which suite judges which table."""

import functools
from dataclasses import replace
from datetime import date

from quality.rules import Severity, Suite
from quality.scorecard import read_fields
from quality.suites import contract, sales_list
from quality.suites.contract import ContractTable, written
from quality.suites.written_out import with_own_rules
from quality.thresholds import Tolerance

NAMES_A_CUSTOMER = "a customer is named"


def suite_for(source: str, table: ContractTable, tolerance: Tolerance, *, pulled_on: date) -> Suite:
    """The suite of a table: all its own where it has one, else derived from its contract."""
    thresholds = tolerance.of(source, table.name)
    if (source, table.name) == ("sales_list", "lines"):
        suite = sales_list.suite(table, thresholds, pulled_on=pulled_on)
    else:
        suite = contract.suite(source, table, thresholds, pulled_on=pulled_on)
        suite = with_own_rules(suite, table)
    said = {
        rule.name: tolerance.severities.get(f"{source}.{table.name}.{rule.name}")
        for rule in suite.rules
    }
    rules = tuple(
        replace(rule, severity=Severity(said[rule.name])) if said[rule.name] else rule
        for rule in suite.rules
    )
    return replace(suite, rules=rules, counted={**suite.counted, **_linked(source, table)})


def _linked(source: str, table: ContractTable) -> dict[str, str]:
    """How many rows lead to a customer by a key of their own; nothing for a table without keys."""
    keys = _keys(source).get(table.name, ())
    if not keys:
        return {}
    return {NAMES_A_CUSTOMER: " or ".join(f"{written(name)} is not null" for name in keys)}


@functools.cache
def _keys(source: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for field in read_fields():
        for address in field.columns.get(source, ()) if field.key else ():
            table, column = address.split(".")
            if column not in found.setdefault(table, []):
                found[table].append(column)
    return {table: tuple(columns) for table, columns in found.items()}
