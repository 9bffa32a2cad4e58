"""`python -m sources list | check | pull [source]`: the sources on the command line, no Dagster."""

import argparse
import logging
import sys

from rich.console import Console
from rich.table import Table as Screen

from pipelines.settings import SettingsProblem, load_settings
from sources.access import Setup, is_demo, is_on, reached
from sources.contract import Source, SourceProblem
from sources.landing import Lake
from sources.pulling import pull_source
from sources.registry import SOURCES, source_named
from sources.single_writer import AnotherWriter, single_writer

EXIT_OK, EXIT_USAGE, EXIT_DATA_PROBLEM, EXIT_BUSY, EXIT_SETTINGS = 0, 64, 65, 75, 78


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns 0 fine, 64 usage, 65 problems, 75 busy or 78 settings."""
    parser = argparse.ArgumentParser(
        prog="python -m sources",
        description=f"{__doc__} The home is $STAMMKUNDE_HOME, else ./data; what is switched on "
        "stands in its stammkunde.yml.",
    )
    parser.add_argument("command", choices=("list", "check", "pull"))
    parser.add_argument("source", nargs="?", help="one source; all of them without it")
    parser.add_argument(
        "--accept-deletions",
        action="store_true",
        help="pull: believe it once when much of a table is gone",
    )
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        chosen = (source_named(given.source),) if given.source else SOURCES
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return EXIT_USAGE
    try:
        settings = load_settings()
    except SettingsProblem as problem:
        print(problem, file=sys.stderr)
        return EXIT_SETTINGS
    lake = Lake(settings.lake)
    if given.command == "list":
        if given.source:
            _describe(chosen[0], settings.setup, lake)
        else:
            _list(chosen, settings.setup, lake)
        return EXIT_OK
    if given.command == "check":
        return _check(chosen, settings.setup, lake)
    try:
        with single_writer(settings.home, "python -m sources pull"):
            return _pull(chosen, settings.setup, lake, accepts_deletions=given.accept_deletions)
    except AnotherWriter as other:
        print(other, file=sys.stderr)
        return EXIT_BUSY


def _pull(sources: tuple[Source, ...], setup: Setup, lake: Lake, *, accepts_deletions: bool) -> int:
    exit_code = EXIT_OK
    lake.clear_leftovers()
    for source in sources:
        if not is_on(source, setup, lake):
            print(f"{source.name}: off")
            continue
        try:
            with reached(source, setup, lake, progress=print) as context:
                loads = pull_source(
                    source,
                    lake,
                    context,
                    is_demo=is_demo(setup, lake),
                    accepts_deletions=accepts_deletions,
                )
        except SourceProblem as problem:
            print(problem, file=sys.stderr)
            exit_code = EXIT_DATA_PROBLEM
            continue
        rows = sum(load.about["rows"] for load in loads)
        print(f"{source.name}: {rows:,} rows in {len(loads)} new loads")
        if context.problems:
            exit_code = EXIT_DATA_PROBLEM
    return exit_code


def _list(sources: tuple[Source, ...], setup: Setup, lake: Lake) -> None:
    screen = Screen("source", "area", "on", "reached by", "tables")
    for source in sources:
        screen.add_row(
            source.name,
            source.area,
            "yes" if is_on(source, setup, lake) else "no",
            "API" if source.secrets else "file drop",
            ", ".join(table.name for table in source.tables),
        )
    Console().print(screen)


def _describe(source: Source, setup: Setup, lake: Lake) -> None:
    """What has to be known to switch a source on."""
    print(f"{source.title}\n{source.access}\nOwner: {source.owner}")
    if not source.secrets:
        print(f"Files go into {setup.inbox(source.name)}")
    for heading, said in (("secrets", source.secrets), ("options", source.options)):
        if said:
            print(f"{heading}, below sources: {source.name}: in stammkunde.yml")
        for one in said:
            default = "" if one.default is None else f" [{one.default}]"
            print(f"  {one.name}{default}: {one.description}")
    _list((source,), setup, lake)


def _check(sources: tuple[Source, ...], setup: Setup, lake: Lake) -> int:
    exit_code = EXIT_OK
    for source in sources:
        if not is_on(source, setup, lake):
            print(f"{source.name}: off")
            continue
        problems = _problems(source, setup, lake)
        print(f"{source.name}: {'ready' if not problems else 'not ready'}")
        for problem in problems:
            print(f"  {problem}")
            exit_code = EXIT_DATA_PROBLEM
    return exit_code


def _problems(source: Source, setup: Setup, lake: Lake) -> list[str]:
    try:
        with reached(source, setup, lake, progress=_nothing) as context:
            return source.check(context)
    except SourceProblem as problem:
        return [str(problem)]


def _nothing(message: str) -> None:
    """Takes the progress that a check has no use for."""


if __name__ == "__main__":
    sys.exit(main())
