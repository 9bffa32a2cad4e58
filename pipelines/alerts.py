"""What a message about failed checks and runs says, and how it is sent: mail and webhook.

What is new about a run is found out elsewhere, the company's file is read elsewhere, and nothing
here knows Dagster. A message names checks and counts, never a value out of the data; no exception
and no log line of this module holds a password or the address of a webhook.
"""

import contextlib
import email.utils
import html
import logging
import smtplib
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Literal
from urllib.parse import urlsplit

import requests
import tenacity

from sources.contract import Secret

log = logging.getLogger(__name__)

Security = Literal["starttls", "tls", "none"]
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
# A tick of the sensor has 60 s in all, and these hold for each step of a conversation.
MAIL_SECONDS = 8
WEBHOOK_SECONDS = (3, 5)
WEBHOOK_ATTEMPTS = 3
# Teams refuses messages above 28 KB; who has more than this to mend reads on in the UI.
MOST_LISTED = 30
MOST_CHARACTERS = 12_000


class NotDelivered(Exception):
    """A message could not be handed over; the text names the channel and the remedy."""


@dataclass(frozen=True)
class Check:
    """A check as a message shows it: where, what should hold, what it means that it does not.

    found is what the check itself said of this run; counts maps what was counted to its number,
    such as {"rows": 9}.
    """

    asset: str
    name: str
    severity: Literal["ERROR", "WARN"]
    harm: str | None = None
    found: str | None = None
    remedy: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What should hold, in words."""
        return self.name.removeprefix("assert_").replace("_", " ")


@dataclass(frozen=True)
class Digest:
    """Everything worth saying about one run, errors before warnings.

    failed_steps are names of steps, each with the class of its error: an error's text may quote the
    data. The totals also count what is not listed.
    """

    run_id: str
    job: str
    outcome: Literal["success", "failure", "canceled"]
    ended_at: str
    failed_steps: tuple[str, ...] = ()
    newly_failing: tuple[Check, ...] = ()
    healed: tuple[Check, ...] = ()
    still_failing: tuple[Check, ...] = ()
    totals: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Email:
    """Mail through a mail server of the company. password is None where its variable is not set."""

    host: str
    sender: str
    recipients: tuple[str, ...]
    port: int = 587
    security: Security = "starttls"
    user: str | None = None
    password_variable: str | None = None
    password: Secret | None = None

    @property
    def unset_variable(self) -> str | None:
        """The environment variable that is named but not set."""
        return self.password_variable if self.password is None else None

    def deliver(self, digest: Digest) -> None:
        """Send one mail to all recipients. Raises NotDelivered."""
        _require_variable("mail", self.unset_variable)
        _hand_over("mail", lambda: self._send(mail(digest, self)), self._explain)

    def _send(self, message: EmailMessage) -> None:
        with self._connected() as server:
            if self.user:
                server.login(self.user, self.password)
            refused = server.send_message(message)
        if refused:
            # Trying again would send a second mail to those who got it.
            log.warning(
                "The mail server refused %d of %d recipients of an alert: correct alerts: email: "
                "recipients",
                len(refused),
                len(self.recipients),
            )

    @contextlib.contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        tls = ssl.create_default_context()
        if self.security == "tls":
            server = smtplib.SMTP_SSL(self.host, self.port, timeout=MAIL_SECONDS, context=tls)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=MAIL_SECONDS)
        with server:
            if self.security == "starttls":
                server.starttls(context=tls)
            yield server

    def _explain(self, error: Exception) -> str:
        server = f"the mail server {self.host}:{self.port}"
        match error:
            case ssl.SSLCertVerificationError():
                return (
                    f"{server} shows a certificate that is not trusted here: name the host as its "
                    "certificate does, or make its authority known to this machine"
                )
            case ssl.SSLError():
                return f"{server} does not speak TLS: 465 is usual for tls, 587 for starttls"
            case smtplib.SMTPAuthenticationError():
                return (
                    f"{server} refused user and password: correct alerts: email: user, or what "
                    f"{self.password_variable} holds"
                )
            case smtplib.SMTPNotSupportedError():
                return f"{server} offers no {self.security} or no login: correct security or port"
            case smtplib.SMTPRecipientsRefused():
                return f"{server} refused every recipient: correct alerts: email: recipients"
            case smtplib.SMTPSenderRefused():
                return f"{server} refused the sender ({error.smtp_code}): correct sender or user"
            case smtplib.SMTPResponseException():
                return f"{server} refused the mail ({error.smtp_code}): ask who runs it"
            case OSError():
                return f"{server} cannot be reached: correct host and port, or start it"
        return f"{server} could not be talked to ({type(error).__name__})"


@dataclass(frozen=True)
class Webhook:
    """A JSON POST to an address that is a secret. url is None where its variable is not set."""

    url_variable: str
    url: Secret | None = None

    @property
    def unset_variable(self) -> str | None:
        """The environment variable that is named but not set."""
        return self.url_variable if self.url is None else None

    def deliver(self, digest: Digest) -> None:
        """Post one message. Raises NotDelivered."""
        _require_variable("webhook", self.unset_variable)
        _hand_over("webhook", lambda: self._post(payload(digest)), self._explain)

    def _post(self, body: dict) -> None:
        parts = urlsplit(self.url)
        if not parts.hostname or (parts.scheme != "https" and parts.hostname not in LOOPBACK):
            # Anybody on the way could read the address, and post to it.
            raise requests.exceptions.InvalidURL
        _quiet_libraries()
        for attempt in tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_transient),
            wait=tenacity.wait_exponential(multiplier=0.5, max=4),
            stop=tenacity.stop_after_attempt(WEBHOOK_ATTEMPTS),
            reraise=True,
        ):
            with attempt, requests.Session() as session:
                # A proxy of the environment cannot reach our own loopback.
                session.trust_env = parts.hostname not in LOOPBACK
                answer = session.post(
                    self.url, json=body, timeout=WEBHOOK_SECONDS, allow_redirects=False
                )
                if not 200 <= answer.status_code < 300:
                    raise requests.HTTPError(response=answer)

    def _explain(self, error: Exception) -> str:
        receiver = f"the webhook ({self.url_variable})"
        match error:
            case requests.exceptions.SSLError():
                return f"{receiver} shows a certificate that is not trusted here: correct its host"
            case requests.HTTPError():
                return (
                    f"{receiver} answered with status {error.response.status_code}: look whether "
                    "it still exists, and correct the variable"
                )
            case requests.ConnectionError() | requests.Timeout():
                return f"{receiver} cannot be reached: look whether it is up, or correct its host"
            case ValueError():
                return f"{receiver} has no usable address: it must begin with https://"
        return f"{receiver} could not be talked to ({type(error).__name__})"


@dataclass(frozen=True)
class Alerts:
    """Where messages go."""

    email: Email | None = None
    webhook: Webhook | None = None

    @property
    def channels(self) -> dict[str, Email | Webhook]:
        """Those that are set up, by name."""
        both = {"email": self.email, "webhook": self.webhook}
        return {name: channel for name, channel in both.items() if channel}


def _require_variable(channel: str, unset: str | None) -> None:
    if unset:
        raise NotDelivered(
            f"the environment variable {unset} is not set, so that no {channel} can be sent: set "
            "it where Dagster is started"
        )


def _hand_over(channel: str, act: Callable[[], None], explain: Callable[[Exception], str]) -> None:
    """Act, and say of every error only what holds no secret."""
    try:
        act()
        return
    except Exception as error:
        # Whatever goes wrong here must not keep the other channel from sending.
        explained = explain(error)
    # Not inside `except`: Dagster also shows the context of an error, and with it whole addresses.
    raise NotDelivered(f"no {channel} was sent: {explained}")


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, requests.HTTPError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    is_lasting = isinstance(error, requests.exceptions.SSLError)
    return isinstance(error, requests.ConnectionError | requests.Timeout) and not is_lasting


def _quiet_libraries() -> None:
    # At DEBUG it writes the path of the address.
    logging.getLogger("urllib3").setLevel(logging.WARNING)


def mail(digest: Digest, channel: Email) -> EmailMessage:
    """The mail: plain text, and the same as simple HTML."""
    message = EmailMessage()
    message["Subject"] = f"Stammkunde: {headline(digest)}"
    message["From"] = channel.sender
    message["To"] = ", ".join(channel.recipients)
    message["Date"] = email.utils.localtime()
    # The same at every try: a mail sent twice is shown once.
    message["Message-ID"] = f"<{digest.run_id}@{channel.sender.rpartition('@')[2].strip('>')}>"
    # Else absence notes come back.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(as_text(digest))
    message.add_alternative(_as_html(digest), subtype="html")
    return message


def payload(digest: Digest) -> dict:
    """What is posted: `text` for people, the rest for programs."""
    text = as_text(digest)
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS]} …"
    return {
        "text": text,
        "run_id": digest.run_id,
        "job": digest.job,
        "outcome": digest.outcome,
        "ended_at": digest.ended_at,
        "failed_steps": list(digest.failed_steps),
        "totals": {title: _total(digest, title) for title, _, _ in _SECTIONS},
        "newly_failing": [
            {
                "asset": check.asset,
                "check": check.name,
                "severity": check.severity,
                "harm": check.harm,
                "found": check.found,
                "remedy": check.remedy,
                "counts": dict(check.counts),
            }
            for check in digest.newly_failing
        ],
        "healed": [{"asset": check.asset, "check": check.name} for check in digest.healed],
        "still_failing": [
            {"asset": check.asset, "check": check.name, "severity": check.severity}
            for check in digest.still_failing
        ],
    }


def headline(digest: Digest) -> str:
    """The message in one line."""
    said = ["the run failed"] if digest.outcome == "failure" else []
    if new := _total(digest, "newly_failing"):
        serious = " (errors among them)" if digest.newly_failing[0].severity == "ERROR" else ""
        said.append(f"{new} {'check newly fails' if new == 1 else 'checks newly fail'}{serious}")
    if healed := _total(digest, "healed"):
        said.append(f"{healed} {'check holds' if healed == 1 else 'checks hold'} again")
    return ", ".join(said)


def as_text(digest: Digest) -> str:
    """The message as plain text."""
    lines = list(_opening(digest))
    for title, heading, _ in _SECTIONS:
        if total := _total(digest, title):
            lines += ["", f"{heading} ({total})"]
            for check in getattr(digest, title):
                lines.append(f"- {_named(check, title)}")
                lines += [f"  {detail}" for detail in _details(check, title)]
            lines += _rest(digest, title)
    return "\n".join([*lines, "", _CLOSING])


def _as_html(digest: Digest) -> str:
    first, *others = (html.escape(line) for line in _opening(digest))
    parts = [f"<p><b>{first}</b></p>", *(f"<p>{line}</p>" for line in others)]
    for title, heading, colour in _SECTIONS:
        if total := _total(digest, title):
            parts.append(f'<h3 style="color:{colour}">{heading} ({total})</h3><ul>')
            for check in getattr(digest, title):
                details = (html.escape(detail) for detail in _details(check, title))
                shown = "<br>".join([html.escape(_named(check, title)), *details])
                parts.append(f"<li>{shown}</li>")
            parts += [*(f"<li>{line}</li>" for line in _rest(digest, title)), "</ul>"]
    return "\n".join([*parts, f"<p>{_CLOSING}</p>"])


_SECTIONS = (
    ("newly_failing", "Newly failing", "#b3261e"),
    ("healed", "Healed", "#1b6e3c"),
    ("still_failing", "Still failing, said before", "#7a5200"),
)
_CLOSING = "The whole story: make ui, pages Runs and Catalog."
_ENDED = {"success": "ended well", "failure": "failed", "canceled": "was cancelled"}


def _opening(digest: Digest) -> Iterator[str]:
    ended = f"{digest.ended_at[:16].replace('T', ' ')} UTC"
    yield f"The run {digest.run_id[:8]} ({digest.job}) {_ENDED[digest.outcome]} at {ended}."
    if digest.outcome == "failure":
        yield "What was published before goes on serving."
    if digest.failed_steps:
        yield f"Failed steps: {', '.join(digest.failed_steps)}."


def _named(check: Check, title: str) -> str:
    if title == "healed":
        return f"{check.asset}: it holds again that {check.sentence}"
    return f"{check.severity} {check.asset}: it does not hold that {check.sentence}"


def _details(check: Check, title: str) -> Iterator[str]:
    if title != "newly_failing":
        return
    if check.counts:
        yield ", ".join(f"{number:,} {counted}" for counted, number in check.counts.items())
    if check.found:
        yield check.found
    if check.harm:
        yield f"Harm: {check.harm}"
    if check.remedy:
        yield f"Remedy: {check.remedy}"


def _total(digest: Digest, title: str) -> int:
    return max(digest.totals.get(title, 0), len(getattr(digest, title)))


def _rest(digest: Digest, title: str) -> list[str]:
    left = _total(digest, title) - len(getattr(digest, title))
    return [f"- and {left} more"] if left > 0 else []
