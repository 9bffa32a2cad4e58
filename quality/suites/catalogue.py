"""Which suite judges which table."""

from datetime import date

from quality.rules import Suite
from quality.suites import contract, sales_list
from quality.suites.contract import ContractTable

_WRITTEN_OUT = {("sales_list", "lines"): sales_list.suite}


def suite_for(source: str, table: ContractTable, *, pulled_on: date) -> Suite:
    """The suite of a table: written out where there is one, else derived from its contract."""
    if written := _WRITTEN_OUT.get((source, table.name)):
        return written(pulled_on=pulled_on)
    return contract.suite(source, table)


def is_written_out(source: str, table: str) -> bool:
    """Whether a table has rules of its own beside those of its contract."""
    return (source, table) in _WRITTEN_OUT
