"""Alerts against a mail server and a webhook of our own: what is said, when, and what never."""

import contextlib
import json
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import pytest
import trustme
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from dagster._core.definitions.run_request import DagsterRunReaction

from pipelines import sensors
from pipelines.alerts import Alerts, Digest, Email, NotDelivered, Webhook, as_text
from pipelines.checks import FAULTS
from pipelines.sensors import Memory, alert_on_failed_checks
from pipelines.settings import load_settings
from sources.contract import Secret

PASSWORD = "canary-password-7731"
PATH = "/services/canary-path-4402"
PERSON = "Erika Mustermann"

FILLED, KNOWN = "customer_id_is_filled", "country_is_known"


class Mailbox:
    """Keeps what a mail server got."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.logins: list[bytes] = []

    async def handle_DATA(self, server, session, envelope) -> str:
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def authenticate(self, server, session, envelope, mechanism, data) -> AuthResult:
        self.logins.append(data.password)
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class _Controller(Controller):
    def _trigger_server(self) -> None:
        # Its own first call cannot speak TLS with a context that is meant for servers.
        if self.ssl_context is None:
            return super()._trigger_server()
        with socket.create_connection((self.hostname, self.port), timeout=5) as plain:
            trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
            trusting.wrap_socket(plain).recv(1024)


@contextlib.contextmanager
def mail_server(port: int, **options) -> Iterator[Mailbox]:
    mailbox = Mailbox()
    options = {"authenticator": mailbox.authenticate, "auth_require_tls": False, **options}
    controller = _Controller(mailbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


class Receiver(ThreadingHTTPServer):
    """Keeps what was posted, and answers with the statuses it is told, 200 when none is left."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Posted)
        self.posts: list[dict] = []
        self.statuses: list[int] = []
        self.tries = 0


class _Posted(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tries += 1
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 200 and self.path == PATH:
            self.server.posts.append(json.loads(body))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def mail_port() -> int:
    return free_port()


@pytest.fixture
def mailbox(mail_port: int) -> Iterator[Mailbox]:
    with mail_server(mail_port) as kept:
        yield kept


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


class Night:
    """A tiny pipeline with two checks, and the sensor that is asked after its runs."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.broken: dict[str, dg.AssetCheckSeverity] = {}
        self.faults: tuple[str, ...] = ()
        self.is_failing = False
        self.cursor: str | None = None
        self.definitions = dg.Definitions(assets=[self._asset()])

    def _asset(self) -> dg.AssetsDefinition:
        @dg.asset(
            key=["raw_shop", "customers"],
            check_specs=[
                dg.AssetCheckSpec(
                    FILLED, asset=["raw_shop", "customers"], description="No order finds its owner."
                ),
                dg.AssetCheckSpec(
                    KNOWN, asset=["raw_shop", "customers"], description="It is in no country <b>."
                ),
            ],
        )
        def customers():
            if self.is_failing:
                raise LookupError(f"cannot read {PERSON}")
            checks = [
                dg.AssetCheckResult(
                    check_name=name,
                    passed=name not in self.broken,
                    severity=self.broken.get(name, dg.AssetCheckSeverity.ERROR),
                    description="9 of 70 are empty." if name in self.broken else None,
                    metadata={
                        "rows_to_correct": 9,
                        "refused_loads": 0,
                        "remedy": "Fill it in the shop.",
                        "sample": PERSON,
                        "not_read": PERSON,
                        FAULTS: dg.MetadataValue.table(
                            [dg.TableRecord({"fault": fault}) for fault in self.faults],
                            dg.TableSchema([dg.TableColumn("fault", "string")]),
                        ),
                    },
                )
                for name in (FILLED, KNOWN)
            ]
            return dg.MaterializeResult(check_results=checks)

        return customers

    def passes(self, **broken: dg.AssetCheckSeverity) -> None:
        """One run, as `python -m pipelines run` starts it; broken names what does not hold."""
        self.broken = broken
        dg.materialize(list(self.definitions.assets), instance=self.instance, raise_on_error=False)

    def tick(self) -> str:
        """Ask the sensor once; returns what its tick says."""
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, definitions=self.definitions
        )
        result = alert_on_failed_checks.evaluate_tick(context)
        self.cursor = result.cursor
        reactions: list[DagsterRunReaction] = list(result.dagster_run_reactions or [])
        assert (result.skip_message is None) == bool(reactions)
        return reactions[0].error.to_string() if reactions else result.skip_message


@pytest.fixture
def night(
    instance: dg.DagsterInstance,
    home: Path,
    mail_port: int,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> Night:
    """Both channels are set up in stammkunde.yml."""
    said = {
        "email": {
            "host": "127.0.0.1",
            "port": mail_port,
            "security": "none",
            "sender": "stammkunde@example.com",
            "recipients": ["data@example.com", "shop@example.com"],
            "user": "stammkunde",
            "password": "MAIL_PASSWORD",
        },
        "webhook": {"url": "WEBHOOK_URL"},
    }
    (home / "stammkunde.yml").write_text(yaml.safe_dump({"alerts": said}))
    environment = {
        "STAMMKUNDE_HOME": str(home),
        "MAIL_PASSWORD": PASSWORD,
        "WEBHOOK_URL": f"http://127.0.0.1:{receiver.server_port}{PATH}",
    }
    monkeypatch.setattr(sensors, "load_settings", lambda: load_settings(environment))
    return Night(instance)


ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


def test_a_new_failure_is_one_mail_and_one_post(night: Night, mailbox: Mailbox, receiver: Receiver):
    night.passes(country_is_known=WARN, customer_id_is_filled=ERROR)
    night.tick()
    (mail,), (post,) = mailbox.mails, receiver.posts
    assert mail["Subject"] == "Stammkunde: 2 checks newly fail (errors among them)"
    assert mail["To"] == "data@example.com, shop@example.com"
    text = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert "ERROR raw_shop/customers: it does not hold that customer id is filled" in text
    assert (
        "  9 rows to correct\n  9 of 70 are empty.\n  Harm: No order finds its owner.\n"
        "  Remedy: Fill it in the shop.\n"
    ) in text
    assert text.index("ERROR raw_shop") < text.index("WARN raw_shop")
    assert "It is in no country &lt;b&gt;." in mail.get_body(("html",)).get_content()
    assert post["text"].strip() == text.strip()
    assert [(check["check"], check["severity"]) for check in post["newly_failing"]] == [
        (FILLED, "ERROR"),
        (KNOWN, "WARN"),
    ]
    assert post["newly_failing"][0]["counts"] == {"rows to correct": 9}


def test_the_same_failure_in_the_next_run_is_not_said_again(
    night: Night, mailbox: Mailbox, receiver: Receiver
):
    for _ in range(3):
        night.passes(country_is_known=WARN)
        night.tick()
        night.tick()
    assert (len(mailbox.mails), len(receiver.posts)) == (1, 1)


def test_a_warning_that_became_an_error_is_said_again(
    night: Night, mailbox: Mailbox, receiver: Receiver
):
    night.passes(country_is_known=WARN)
    night.passes(country_is_known=ERROR)
    night.passes(country_is_known=WARN)
    night.tick()
    assert [post["newly_failing"][0]["severity"] for post in receiver.posts] == ["WARN", "ERROR"]


def test_another_fault_of_a_check_that_already_failed_is_news(
    night: Night, mailbox: Mailbox, receiver: Receiver
):
    for faults in (("a",), ("a", "b"), ("b",), ("b",), ("a",)):
        night.faults = faults
        night.passes(country_is_known=WARN)
        night.tick()
    assert len(receiver.posts) == len(mailbox.mails) == 3
    assert all(len(post["newly_failing"]) == 1 for post in receiver.posts)


def test_what_healed_is_said_once_beside_what_still_fails(
    night: Night, mailbox: Mailbox, receiver: Receiver
):
    night.passes(country_is_known=WARN, customer_id_is_filled=ERROR)
    night.passes(country_is_known=WARN)
    night.passes(country_is_known=WARN)
    night.tick()
    assert len(receiver.posts) == len(mailbox.mails) == 2
    assert [check["check"] for check in receiver.posts[1]["healed"]] == [FILLED]
    assert [check["check"] for check in receiver.posts[1]["still_failing"]] == [KNOWN]
    assert receiver.posts[1]["newly_failing"] == []
    assert mailbox.mails[1]["Subject"] == "Stammkunde: 1 check holds again"


def test_a_failed_run_is_said_with_the_step_and_without_its_text(
    night: Night, mailbox: Mailbox, receiver: Receiver
):
    night.is_failing = True
    night.passes()
    night.tick()
    assert mailbox.mails[0]["Subject"] == "Stammkunde: the run failed"
    assert receiver.posts[0]["outcome"] == "failure"
    assert receiver.posts[0]["failed_steps"] == ["raw_shop__customers (LookupError)"]


def test_a_run_in_which_all_holds_is_not_worth_a_message(
    night: Night, mailbox: Mailbox, receiver: Receiver
):
    night.passes()
    assert night.tick() == "Nothing to send."
    assert (mailbox.mails, receiver.posts) == ([], [])


def test_a_webhook_that_is_down_is_tried_again_without_a_second_mail(
    night: Night, mailbox: Mailbox, receiver: Receiver
):
    receiver.statuses = [503, 503, 503]
    night.passes(country_is_known=WARN)
    said = night.tick()
    assert "no webhook was sent: the webhook (WEBHOOK_URL) answered with status 503" in said
    assert (len(mailbox.mails), receiver.tries) == (1, 3)
    assert "Sent: webhook" in night.tick()
    assert night.tick() == "Nothing to send."
    assert (len(mailbox.mails), len(receiver.posts)) == (1, 1)


def test_a_mail_server_that_is_down_is_tried_again_without_a_second_post(
    night: Night, mail_port: int, receiver: Receiver
):
    night.passes(country_is_known=WARN)
    assert f"the mail server 127.0.0.1:{mail_port} cannot be reached" in night.tick()
    with mail_server(mail_port) as mailbox:
        night.tick()
        night.tick()
    assert (len(mailbox.mails), len(receiver.posts)) == (1, 1)


def test_a_webhook_that_is_busy_for_a_moment_gets_its_message_in_the_same_tick(
    night: Night, mailbox: Mailbox, receiver: Receiver
):
    receiver.statuses = [429]
    night.passes(country_is_known=WARN)
    night.tick()
    assert (receiver.tries, len(receiver.posts)) == (2, 1)


def test_a_receiver_that_refuses_is_asked_ever_more_rarely(
    night: Night, mailbox: Mailbox, receiver: Receiver
):
    receiver.statuses = [404] * 9
    night.passes(country_is_known=WARN)
    for _ in range(4):
        night.tick()
    assert receiver.tries == 2


def test_what_waits_for_a_dead_receiver_is_bounded(
    night: Night, mailbox: Mailbox, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sensors, "MOST_WAITING", 2)
    receiver.statuses = [404] * 99
    for number in range(4):
        night.passes(**({"country_is_known": WARN} if number % 2 == 0 else {}))
        night.tick()
    assert len(mailbox.mails) == 4
    assert len(Memory.of(night.cursor).waiting) == 2


def test_a_tick_looks_at_a_few_runs_and_the_next_goes_on(
    night: Night, mailbox: Mailbox, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sensors, "RUNS_PER_TICK", 1)
    for broken in ({"country_is_known": WARN}, {}, {"country_is_known": WARN}):
        night.passes(**broken)
    counts = []
    for _ in range(4):
        night.tick()
        counts.append(len(mailbox.mails))
    assert counts == [1, 2, 3, 3]


def test_a_run_that_is_tagged_long_after_its_end_is_not_looked_at_again(
    night: Night, mailbox: Mailbox, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sensors, "OVERLAP_SECONDS", 0)
    night.is_failing = True
    night.passes()
    first = night.instance.get_runs()[0].run_id
    night.tick()
    night.passes()
    night.tick()
    assert first not in Memory.of(night.cursor).seen
    night.instance.add_run_tags(first, {"looked": "at"})
    night.tick()
    assert len(mailbox.mails) == 2


def test_events_beyond_one_read_count_too(
    night: Night, mailbox: Mailbox, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sensors, "EVENTS_PER_READ", 1)
    night.passes(country_is_known=WARN, customer_id_is_filled=ERROR)
    night.tick()
    assert receiver.posts[0]["totals"]["newly_failing"] == 2


def test_without_alerts_in_the_companys_file_the_tick_says_how_to_get_them(
    night: Night, home: Path
):
    (home / "stammkunde.yml").write_text("timezone: Europe/Vienna\n")
    night.passes(country_is_known=WARN)
    assert "write `alerts:` with `email:` or `webhook:` into stammkunde.yml" in night.tick()


def test_a_variable_that_is_not_set_is_named_and_keeps_only_its_own_channel_silent(
    night: Night, mailbox: Mailbox, home: Path, monkeypatch: pytest.MonkeyPatch
):
    environment = {"STAMMKUNDE_HOME": str(home), "MAIL_PASSWORD": PASSWORD}
    monkeypatch.setattr(sensors, "load_settings", lambda: load_settings(environment))
    assert "Not set, so that nothing could be sent there: WEBHOOK_URL" in night.tick()
    night.passes(country_is_known=WARN)
    assert "the environment variable WEBHOOK_URL is not set" in night.tick()
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize("is_up", [True, False])
def test_no_secret_and_nothing_personal_is_in_any_message_log_or_error(
    night: Night,
    mail_port: int,
    receiver: Receiver,
    is_up: bool,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    night.passes(country_is_known=WARN)
    night.is_failing = True
    night.passes()
    caplog.clear()  # what the runs logged themselves
    capfd.readouterr()
    with mail_server(mail_port) if is_up else contextlib.nullcontext(Mailbox()) as mailbox:
        if not is_up:
            receiver.shutdown()
            receiver.server_close()
        said = [night.tick()]
    said += [night.cursor, caplog.text, *capfd.readouterr()]
    said += [mail.as_string() for mail in mailbox.mails]
    said += [part.get_content() for mail in mailbox.mails for part in mail.iter_parts()]
    said += [json.dumps(post) for post in receiver.posts]
    assert len(mailbox.mails) == len(receiver.posts) == (2 if is_up else 0)
    for secret in (PASSWORD, PATH, PERSON):
        assert not [text for text in said if secret in text]


DIGEST = Digest("0123456789", "nightly", "failure", "2026-01-02T03:04:05+00:00")


def an_email(port: int, **said) -> Email:
    given = {"host": "localhost", "sender": "a@example.com", "recipients": ("b@example.com",)}
    login = {"user": "a", "password_variable": "MAIL_PASSWORD", "password": Secret(PASSWORD)}
    return Email(**{**given, **login, "port": port, **said})


@pytest.fixture
def authority(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """A TLS context for localhost, and the certificate of the authority behind it."""
    made = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("localhost").configure_cert(context)
    made.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return context, tmp_path / "authority.pem"


@pytest.mark.parametrize(
    ("security", "option"), [("starttls", "tls_context"), ("tls", "ssl_context")]
)
def test_a_mail_goes_over_tls_when_the_certificate_is_trusted(
    security: str, option: str, authority, mail_port: int, monkeypatch: pytest.MonkeyPatch
):
    context, certificate = authority
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(mail_port, **{option: context}) as mailbox:
        an_email(mail_port, security=security).deliver(DIGEST)
    assert (len(mailbox.mails), mailbox.logins) == (1, [PASSWORD.encode()])


@pytest.mark.parametrize(
    ("security", "option"), [("starttls", "tls_context"), ("tls", "ssl_context")]
)
def test_no_password_goes_to_a_server_whose_certificate_is_not_trusted(
    security: str, option: str, authority, mail_port: int
):
    with (
        mail_server(mail_port, **{option: authority[0]}) as mailbox,
        pytest.raises(NotDelivered, match="not trusted here"),
    ):
        an_email(mail_port, security=security).deliver(DIGEST)
    assert (mailbox.mails, mailbox.logins) == ([], [])


def test_no_password_goes_to_a_server_that_offers_no_tls(mailbox: Mailbox, mail_port: int):
    with pytest.raises(NotDelivered, match="offers no starttls"):
        an_email(mail_port).deliver(DIGEST)
    assert (mailbox.mails, mailbox.logins) == ([], [])


def test_a_wrong_password_is_named_by_its_variable(mailbox: Mailbox, mail_port: int):
    email = an_email(mail_port, security="none", password=Secret("canary-wrong"))
    with pytest.raises(NotDelivered, match="or what MAIL_PASSWORD holds") as problem:
        email.deliver(DIGEST)
    assert "canary-wrong" not in str(problem.value)
    assert problem.value.__context__ is None


def test_a_webhook_over_plain_http_is_not_posted_to():
    webhook = Webhook("WEBHOOK_URL", Secret(f"http://hooks.example.com{PATH}"))
    with pytest.raises(NotDelivered, match="must begin with https://") as problem:
        webhook.deliver(DIGEST)
    assert PATH not in str(problem.value)


def test_a_webhook_that_points_elsewhere_is_not_followed(receiver: Receiver):
    receiver.statuses = [302]
    webhook = Webhook("WEBHOOK_URL", Secret(f"http://127.0.0.1:{receiver.server_port}{PATH}"))
    with pytest.raises(NotDelivered, match="status 302"):
        webhook.deliver(DIGEST)
    assert receiver.tries == 1


def test_a_message_lists_so_many_checks_and_counts_the_rest():
    digest = Digest("0123456789", "nightly", "failure", "2026", totals={"healed": 70})
    assert "Healed (70)\n- and 70 more" in as_text(digest)
    assert Alerts().channels == {}
