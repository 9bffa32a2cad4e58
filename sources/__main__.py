"""`python -m sources list | check | pull [source]`: the sources on the command line, no Dagster."""

import argparse
import logging
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table as Screen

from sources.contract import Pull, Source
from sources.landing import Lake
from sources.pulling import pull_source
from sources.registry import SOURCES, source_named
from sources.single_writer import AnotherWriter, single_writer

EXIT_OK, EXIT_USAGE, EXIT_DATA_PROBLEM, EXIT_BUSY = 0, 64, 65, 75


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code (0 fine, 64 usage, 65 problems, 75 busy)."""
    parser = argparse.ArgumentParser(prog="python -m sources", description=__doc__)
    parser.add_argument("command", choices=("list", "check", "pull"))
    parser.add_argument("source", nargs="?", help="one source; all of them without it")
    parser.add_argument("--home", type=Path, default=Path("data"), help="default: ./data")
    parser.add_argument("--reporting-currency", default="EUR")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        chosen = (source_named(given.source),) if given.source else SOURCES
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return EXIT_USAGE
    if given.command == "list":
        _list(chosen)
        return EXIT_OK
    if given.command == "check":
        return _check(chosen, given.home)
    if not given.home.is_dir():
        print(f"{given.home} is not there: create it or name another --home", file=sys.stderr)
        return EXIT_USAGE
    try:
        with single_writer(given.home, "python -m sources pull"):
            return _pull(chosen, given.home, given.reporting_currency)
    except AnotherWriter as other:
        print(other, file=sys.stderr)
        return EXIT_BUSY


def _pull(sources: tuple[Source, ...], home: Path, reporting_currency: str) -> int:
    exit_code = EXIT_OK
    for source in sources:
        context = Pull(inbox=home / "inbox" / source.name, reporting_currency=reporting_currency)
        pull_source(source, Lake(home / "lake"), context)
        if context.problems:
            exit_code = EXIT_DATA_PROBLEM
    return exit_code


def _list(sources: tuple[Source, ...]) -> None:
    screen = Screen("source", "what", "tables", "required", "owner", "access")
    for source in sources:
        tables = ", ".join(table.name for table in source.tables)
        required = "yes" if source.required else "no"
        screen.add_row(source.name, source.title, tables, required, source.owner, source.access)
    Console().print(screen)


def _check(sources: tuple[Source, ...], home: Path) -> int:
    exit_code = EXIT_OK
    for source in sources:
        problems = source.check(home / "inbox" / source.name)
        print(f"{source.name}: {'ready' if not problems else 'not ready'}")
        for problem in problems:
            print(f"  {problem}")
            exit_code = EXIT_DATA_PROBLEM
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
