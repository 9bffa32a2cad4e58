"""Which sources are on, and how each of them is reached: at the company's systems or at the demo's.

The company's YAML and the environment are read elsewhere; what they say arrives here as `Setup`.
How a source is read its own module knows.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sources.contract import Connection, Pull, Secret, Source, SourceProblem
from sources.demo.company import CURRENCY as DEMO_CURRENCY
from sources.demo.company import CUSTOMERS as DEMO_CUSTOMERS
from sources.demo.systems import demo_pull
from sources.dropped_lists import dropped_files
from sources.landing import Lake
from sources.pulling import READING_OPTIONS
from sources.registry import SOURCES


@dataclass(frozen=True)
class Configured:
    """What the company's YAML says of one source.

    variables maps the name of each secret to the environment variable that holds it, secrets to its
    value (absent where the variable is not set).
    """

    is_enabled: bool = True
    options: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True)
class Setup:
    """Where files are dropped, what amounts are counted in, and what is said of each source.

    demo_customers is the size of the demo company, for as long as there is nothing real.
    """

    home: Path
    reporting_currency: str = "EUR"
    configured: Mapping[str, Configured] = field(default_factory=dict)
    demo_customers: int = DEMO_CUSTOMERS

    def inbox(self, source: str) -> Path:
        """Where files for a source are dropped."""
        return self.home / "inbox" / source


def is_demo(setup: Setup, lake: Lake) -> bool:
    """Whether the demo company is pulled: no system is named, no file was ever dropped."""
    return not (
        any(said.is_enabled and said.variables for said in setup.configured.values())
        or any(dropped_files(setup.inbox(source.name)) for source in SOURCES)
        or has_real_loads(lake)
    )


def has_real_loads(lake: Lake) -> bool:
    """Whether anything but the demo company has been let in."""
    return any(
        not load.about["is_demo"]
        for source in SOURCES
        for table in source.tables
        for load in lake.loads("accepted", source.name, table.name)
    )


def is_on(source: Source, setup: Setup, lake: Lake) -> bool:
    """Whether a source is pulled and counts. A system must be named for that, a file drop not."""
    said = setup.configured.get(source.name)
    if said is not None:
        return said.is_enabled
    return not source.secrets or is_demo(setup, lake)


@contextlib.contextmanager
def reached(
    source: Source,
    setup: Setup,
    lake: Lake,
    *,
    progress: Callable[[str], None],
) -> Iterator[Pull]:
    """What to pull a source with; the demo company's server runs as long as the block lasts.

    Raises SourceProblem where the company's YAML does not say enough.
    """
    if is_demo(setup, lake):
        folder, customers = setup.home / "demo", setup.demo_customers
        with demo_pull(source.name, folder, customers=customers, progress=progress) as pull:
            pull.connection = with_defaults(source, pull.connection)
            yield pull
        return
    yield Pull(
        inbox=setup.inbox(source.name),
        reporting_currency=setup.reporting_currency,
        connection=_connection(source, setup.configured.get(source.name, Configured())),
    )


def reporting_currency(setup: Setup, lake: Lake) -> str:
    """ISO 4217 code; the demo company has its own."""
    return DEMO_CURRENCY if is_demo(setup, lake) else setup.reporting_currency


def _connection(source: Source, said: Configured) -> Connection:
    for secret in source.secrets:
        variable = said.variables.get(secret.name)
        if variable is None:
            raise SourceProblem(
                f"{source.name}: stammkunde.yml names no environment variable for {secret.name} "
                f"({secret.description}); write it below sources: {source.name}: secrets:"
            )
        if secret.name not in said.secrets:
            raise SourceProblem(
                f"{source.name}: the environment variable {variable} is not set; it must hold "
                f"{secret.name} ({secret.description})"
            )
    connection = with_defaults(source, Connection(said.options, said.secrets))
    for option in source.options:
        if option.name not in connection.options:
            raise SourceProblem(
                f"{source.name}: stammkunde.yml does not say {option.name} ({option.description}); "
                f"write it below sources: {source.name}: options:"
            )
    return connection


def with_defaults(source: Source, connection: Connection) -> Connection:
    """The connection with every option said: the company's word, the source's default, ours."""
    known = (*source.options, *READING_OPTIONS)
    defaults = {option.name: option.default for option in known if option.default is not None}
    own = {option.name: option.default for option in source.options if option.default is not None}
    return Connection({**defaults, **own, **connection.options}, connection.secrets)
