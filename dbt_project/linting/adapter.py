"""What sqlfluff sees in place of dbt's adapter. dbt itself never reads this."""

from collections.abc import Callable


def dispatch(macro: str) -> Callable[..., str]:
    """A call of a function of the macro's name: its form is linted, not what it expands to."""
    return lambda *arguments: f"{macro}({', '.join(arguments)})"
