"""`python -m pipelines run | parse | ui | release | verify-consent`: the commands behind `make`."""

import argparse
import logging
import subprocess
import sys
from pathlib import Path

from pipelines.settings import REPOSITORY, Settings, SettingsProblem, load_settings
from sources.registry import source_named
from sources.single_writer import AnotherWriter, single_writer

EXIT_USAGE, EXIT_DATA_PROBLEM, EXIT_BUSY, EXIT_SETTINGS = 64, 65, 75, 78


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns 0, or 1 failed, 64 usage, 65 data, 74 disk, 75 busy, 78 settings."""
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    parser.add_argument("command", choices=("run", "parse", "ui", "release", "verify-consent"))
    parser.add_argument("source", nargs="?", help="release: whose loads the gate judges anew")
    parser.add_argument("--port", type=int, default=3000, help="of the Dagster UI")
    parser.add_argument("--load", help="release: one load, by its id")
    parser.add_argument(
        "--because",
        help="release: who lets that load in although it was refused, and why; kept with the load",
    )
    parser.add_argument(
        "--heads", type=Path, help="verify-consent: the heads that were kept elsewhere"
    )
    given = parser.parse_args(arguments)
    if given.because and not given.load:
        parser.error("--because needs --load: a decision is one about one load")
    try:
        settings = load_settings()
    except SettingsProblem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return EXIT_SETTINGS
    if given.command == "parse":
        return _parse()
    if given.command == "ui":
        return _ui(settings, given.port)
    if given.command == "release":
        return _release(settings, given.source, given.load, given.because)
    if given.command == "verify-consent":
        return _verify_consent(settings, given.heads)
    from pipelines.command_line_run import run

    return run(settings)


def _release(settings: Settings, name: str | None, load_id: str | None, reason: str | None) -> int:
    from pipelines.release import NothingToRelease, release

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        source = source_named(name or "")
        with single_writer(settings.home, "python -m pipelines release"):
            released = release(source, settings, load_id=load_id, reason=reason)
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return EXIT_USAGE
    except AnotherWriter as other:
        print(other, file=sys.stderr)
        return EXIT_BUSY
    except NothingToRelease as nothing:
        print(nothing)
        return 0
    for one in released:
        place = f"{source.name}.{one.table} {one.file or one.load_id}"
        if one.refused:
            print(f"{place}: still not let in: {' '.join(one.refused)}")
        else:
            print(f"{place}: {one.kept_out_before:,} rows were kept out, {one.kept_out:,} are now")
    print("The next run builds with it: make run")
    return EXIT_DATA_PROBLEM if any(one.refused for one in released) else 0


def _verify_consent(settings: Settings, heads: Path | None) -> int:
    from pipelines.consenting import heads_file, ledger_of, read_heads
    from pipelines.privacy.ledger import LedgerBroken

    ours = heads_file(settings)
    if heads is not None and not heads.exists():
        print(f"there is no file {heads}", file=sys.stderr)
        return EXIT_USAGE
    try:
        kept = read_heads(heads or ours)
        count = ledger_of(settings).verify(kept)
    except LedgerBroken as broken:
        print(f"The ledger of consent is not what it was: {broken}", file=sys.stderr)
        return EXIT_DATA_PROBLEM
    print(f"{count:,} events fit, and {len(kept)} heads of {(heads or ours).name}")
    if heads is None:
        print(f"Keep {ours.name} elsewhere and name it (HEADS=…): here it proves little")
    return 0


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
