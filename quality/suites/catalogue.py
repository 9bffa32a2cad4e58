"""Which suite judges which table."""

from datetime import date

from quality.rules import Suite
from quality.suites import sales_list

_SUITES = {("sales_list", "lines"): sales_list.suite}


def suite_for(source: str, table: str, *, reporting_currency: str, pulled_on: date) -> Suite:
    """The suite of a table. Raises KeyError for a table that nobody wrote rules for."""
    return _SUITES[source, table](reporting_currency=reporting_currency, pulled_on=pulled_on)
