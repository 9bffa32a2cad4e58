"""A Dagster UI in a fresh home, and the Chromium that looks at it. No question is asked here."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[2]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
LOOPBACK = {"127.0.0.1", "localhost"}
START_SECONDS = 400
END_SECONDS = 60
# Two shared cores: a page that takes 2 s alone was seen to take 20.
PAGE_MILLISECONDS = 180_000

_LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries {
    loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } } }"""


@dataclass(frozen=True)
class DagsterUi:
    """A running `python -m pipelines ui`: where it answers, its home and what it printed."""

    url: str
    home: Path
    output: Path

    def ask(self, query: str) -> dict[str, Any]:
        """The answer of the server's GraphQL. Raises AssertionError where it reports an error."""
        request = urllib.request.Request(
            f"{self.url}/graphql",
            json.dumps({"query": query}).encode(),
            {"content-type": "application/json"},
        )
        # Without the machine's proxy, which would be asked for loopback addresses too.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer
        return answer["data"]

    def wait_until_ended(self, run_id: str, *, seconds: float) -> None:
        """Return once the run is over, however it ended."""
        end = time.monotonic() + seconds
        question = f'{{ runOrError(runId: "{run_id}") {{ ... on Run {{ status }} }} }}'
        while self.ask(question)["runOrError"]["status"] not in ("SUCCESS", "FAILURE", "CANCELED"):
            assert time.monotonic() < end, f"the run did not end within {seconds:.0f} s"
            time.sleep(2)


@dataclass
class Visitor:
    """One Chromium with one page, and what went wrong or left this machine while it was used."""

    page: Page
    url: str
    screenshots: Path
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def open(self, path: str, *, width: int = 1600, height: int = 1000) -> Page:
        """Go to a page of the UI in a window of that size."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.goto(f"{self.url}{path}")
        return self.page

    def photograph(self, name: str) -> None:
        """Keep a picture of what the window shows."""
        self.page.screenshot(path=self.screenshots / f"{name}.png")


@pytest.fixture(scope="session")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        pytest.skip("needs a Chromium on the PATH: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def ui(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterUi]:
    """The UI of the demo company, asked for only where there is a browser to look at it."""
    folder = tmp_path_factory.mktemp("dagster_ui")
    (home := folder / "home").mkdir()
    (home / "stammkunde.yml").write_text("demo_customers: 300\n")
    port = _free_port()
    started = DagsterUi(f"http://127.0.0.1:{port}", home, folder / "output.txt")
    with started.output.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines", "ui", "--port", str(port)],
            cwd=REPOSITORY,
            env={**os.environ, "STAMMKUNDE_HOME": str(home)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_default_signals,
        )
    try:
        _wait_until_loaded(started, process)
        yield started
    finally:
        _end_group(process)


@pytest.fixture(scope="module")
def visitor(
    chromium: str, ui: DagsterUi, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visitor]:
    pictures = os.environ.get("STAMMKUNDE_SCREENSHOTS")
    screenshots = Path(pictures) if pictures else tmp_path_factory.mktemp("screenshots")
    screenshots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=chromium,
            args=CHROMIUM_FLAGS,
            locale="en-US",
        )
        context.set_default_timeout(PAGE_MILLISECONDS)
        expect.set_options(timeout=PAGE_MILLISECONDS)
        visitor = Visitor(context.new_page(), ui.url, screenshots)
        _watch(context, visitor)
        yield visitor
        context.close()


def _watch(context: BrowserContext, visitor: Visitor) -> None:
    """Note every uncaught error; note and block every request that leaves this machine."""
    visitor.page.on("pageerror", lambda error: visitor.errors.append(str(error)))
    context.on("request", lambda request: _note(request.url, visitor))
    visitor.page.on("websocket", lambda socket: _note(socket.url, visitor))
    context.route(_leaves_this_machine, lambda route: route.abort())


def _note(url: str, visitor: Visitor) -> None:
    if _leaves_this_machine(url):
        visitor.strangers.append(url)


def _leaves_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname
    # No host: data: and blob: addresses never leave the page.
    return host is not None and host not in LOOPBACK


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _default_signals() -> None:
    # A shell's background job ignores SIGINT, and Dagster's children inherit that for good.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _wait_until_loaded(ui: DagsterUi, process: subprocess.Popen) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at:
        assert process.poll() is None, f"the UI ended by itself:\n{ui.output.read_text()}"
        # Not listening yet.
        with contextlib.suppress(OSError):
            entries = ui.ask(_LOCATIONS)["workspaceOrError"]["locationEntries"]
            if entries and all(entry["loadStatus"] == "LOADED" for entry in entries):
                problems = [
                    location["message"]
                    for entry in entries
                    if "message" in (location := entry["locationOrLoadError"])
                ]
                assert not problems, problems
                return
        time.sleep(0.5)
    raise AssertionError(f"the UI did not load within {START_SECONDS} s:\n{ui.output.read_text()}")


def _end_group(process: subprocess.Popen) -> None:
    """End the UI with everything it started: first asked, then made to."""
    _signal_group(process, signal.SIGTERM)
    give_up_at = time.monotonic() + END_SECONDS
    while _signal_group(process, 0) and time.monotonic() < give_up_at:
        process.poll()
        time.sleep(0.2)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen, number: int) -> bool:
    """Whether there was a process left in the group to get the signal."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True
