"""The tuple of sources. Adding one ends with one line here."""

from sources.accounting import sales_list
from sources.contract import Source

SOURCES: tuple[Source, ...] = (sales_list.SOURCE,)


def source_named(name: str) -> Source:
    """The source of that name. Raises KeyError, naming those there are."""
    for source in SOURCES:
        if source.name == name:
            return source
    known = ", ".join(source.name for source in SOURCES)
    raise KeyError(f"no source is called {name!r}; there are: {known}")
