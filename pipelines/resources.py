"""What assets are handed: the company's settings under the writer's lock, and dbt."""

import contextlib
from collections.abc import Iterator
from functools import cached_property
from importlib.metadata import version

import dagster as dg
from dagster_dbt import DbtCliResource
from packaging.version import Version, parse
from pydantic import PrivateAttr

from pipelines.instance import working
from pipelines.settings import Settings, load_settings
from sources.single_writer import single_writer


class Company(dg.ConfigurableResource):
    """The company's settings. Who asks for it is the only writer of the home until the run ends.

    The in-process executor sets a resource up once per run, so that two runs never interleave their
    steps: one waits, or fails with the name of the other.
    """

    wait_for_lock_seconds: int = 900
    _settings: Settings = PrivateAttr()

    @property
    def settings(self) -> Settings:
        """Where everything lies and what the company decided."""
        return self._settings

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Company"]:
        """Read the settings and hold the lock. Raises SettingsProblem or AnotherWriter."""
        self._settings = load_settings()
        run_id = context.run.run_id if context.run else "outside Dagster"
        with (
            working(context.instance, self._settings.dagster_home, run_id),
            single_writer(
                self._settings.home,
                f"Dagster run {run_id[:8]}",
                wait_seconds=self.wait_for_lock_seconds,
            ),
        ):
            yield self


class Dbt(DbtCliResource):
    """dbt, started once per run: no second start to ask its version, no adapter in this process.

    The one costs seconds and asks the package registry over the network every night; the other is
    for row counts of Dagster's own, which we read when dbt has ended. Both are private names of
    dagster-dbt: a test counts the starts.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return parse(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: object) -> None:
        return None
