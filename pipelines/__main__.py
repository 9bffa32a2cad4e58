"""`python -m pipelines run | parse | ui`: the commands behind `make`."""

import argparse
import subprocess
import sys
from pathlib import Path

from pipelines.settings import REPOSITORY, Settings, SettingsProblem, load_settings

EXIT_SETTINGS = 78


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns 0, or 1 failed, 65 data, 74 disk, 75 busy, 78 settings."""
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    parser.add_argument("command", choices=("run", "parse", "ui"))
    parser.add_argument("--port", type=int, default=3000, help="of the Dagster UI")
    given = parser.parse_args(arguments)
    try:
        settings = load_settings()
    except SettingsProblem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return EXIT_SETTINGS
    if given.command == "parse":
        return _parse()
    if given.command == "ui":
        return _ui(settings, given.port)
    from pipelines.command_line_run import run

    return run(settings)


def _parse() -> int:
    """Parse the dbt project once, so that no start of Dagster has to."""
    project = REPOSITORY / "dbt_project"
    dbt = Path(sys.executable).with_name("dbt")
    command = [
        dbt, "--quiet", "parse", "--project-dir", project, "--profiles-dir", project,
        # Parsed in part, singular tests lose what their yml says, and their asset with it.
        "--no-partial-parse",
    ]  # fmt: skip
    return subprocess.run(command, cwd=project, check=False).returncode


def _ui(settings: Settings, port: int) -> int:
    from pipelines.instance import opened_instance

    with opened_instance(settings.dagster_home):
        # Runs left behind are closed before the daemon queues up new ones behind them.
        pass
    print(f"Dagster UI: http://127.0.0.1:{port}   (end with Ctrl-C)", flush=True)
    command = [
        Path(sys.executable).with_name("dagster"), "dev",
        "--workspace", REPOSITORY / "workspace.yaml",
        "--host", "127.0.0.1", "--port", str(port),
        # At INFO the daemon says every five seconds that a run is under way.
        "--log-level", "warning",
    ]  # fmt: skip
    return subprocess.run(command, cwd=REPOSITORY, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
