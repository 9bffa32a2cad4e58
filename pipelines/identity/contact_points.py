"""E-mail addresses, web domains and phone numbers in one spelling. Nothing is looked up on a
network, and whether anybody answers there is not known here.
"""

import csv
import re
from pathlib import Path
from typing import Literal

import idna
import phonenumbers
from email_validator import validate_email

from pipelines.identity.normalise import fold, tidy

_LONGEST = 320

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_TLD = r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?(?<=[a-z])"
# Punycode and its like go the slow way, through the rules of internationalised names.
_HOST = re.compile(rf"(?!(?:[^.]*\.)*[^.]{{2}}--)(?:{_LABEL}\.)+{_TLD}")
_ANY_HOST = re.compile(rf"(?:{_LABEL}\.)+{_TLD}")
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LONGEST_LOCAL_PART, _LONGEST_HOST, _LONGEST_ADDRESS = 64, 253, 254
_IN_ANGLES = re.compile(r"<([^<>]*@[^<>]*)>")
_LABEL_BEFORE = re.compile(r"^(?:e-?mail|mail|mailto)\s*:\s*", re.IGNORECASE)
_JUNK = " \t\r\n\"'`<>()[]{},;:.\u200b\u200e\u200f\ufeff\0"
_SCHEME = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)

_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")


def _first_column(file: str) -> list[str]:
    with (Path(__file__).parent / file).open(encoding="utf-8", newline="") as lines:
        return [row[0] for row in list(csv.reader(lines))[1:]]


_ROLES = frozenset(map(fold, _first_column("role_mailboxes.csv")))
_FREE_MAIL = frozenset(_first_column("free_mail_domains.csv"))


def email(text: str | None) -> str | None:
    """A valid address in lower case, its domain in ASCII.

    Of several addresses the first; None where a space is inside, for half an address is another's.

    >>> email("Anna Huber <Anna.Huber@Krone.example>"), email("mailto:office@müller.example")
    ('anna.huber@krone.example', 'office@xn--mller-kva.example')
    """
    text = tidy(text, 2 * _LONGEST)
    if "@" not in text:
        return None
    if found := _IN_ANGLES.search(text):
        text = found[1]
    text = _LABEL_BEFORE.sub("", text.strip(_JUNK))
    text = text.split("?", 1)[0] if "?" in text.rpartition("@")[2] else text
    text = re.split(r"[;,]", text, maxsplit=1)[0].strip(_JUNK).lower()
    if len(text) > _LONGEST:
        return None
    local, _, host = text.rpartition("@")
    if (
        text.isascii()
        and len(local) <= _LONGEST_LOCAL_PART
        and len(host) <= _LONGEST_HOST
        and len(text) <= _LONGEST_ADDRESS
        and _PLAIN_LOCAL_PART.fullmatch(local)
        and _HOST.fullmatch(host)
    ):
        return text
    try:
        # Names that no mail server has, such as *.test, are what demonstration data is made of.
        valid = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except ValueError:
        return None
    host = (valid.ascii_domain or "").lower()
    local = valid.local_part.lower()
    if len(local) > _LONGEST_LOCAL_PART or not _ANY_HOST.fullmatch(host):
        return None
    return f"{local}@{host}"


def email_kind(address: str) -> Literal["role", "free", "personal"]:
    """Whose mailbox it is: a role's, somebody's at a public provider, or a person's at a company.

    >>> email_kind("info@krone.example"), email_kind("anna@gmx.at"), email_kind("a.huber@krone.at")
    ('role', 'free', 'personal')
    """
    local, _, host = address.rpartition("@")
    spellings = (re.split(r"[+._\-\d]", local, maxsplit=1)[0], re.sub(r"[._\-\d]", "", local))
    if any(fold(spelling) in _ROLES for spelling in spellings):
        return "role"
    return "free" if host in _FREE_MAIL else "personal"


def email_domain(address: str | None) -> str | None:
    """The domain of an address that `email` made.

    >>> email_domain("anna@krone.example")
    'krone.example'
    """
    _, at, host = (address or "").rpartition("@")
    return host if at and host else None


def domain(url_or_host: str | None) -> str | None:
    """The host of a web address without www, lower case, ASCII; None for a number or one word.

    >>> domain("https://www.Gasthof-Müller.example:8080/karte?x=1")
    'xn--gasthof-mller-4ob.example'
    """
    text = tidy(url_or_host, 2 * _LONGEST)
    host = re.split(r"[/?#\\]", _SCHEME.sub("", text), maxsplit=1)[0].rpartition("@")[2]
    host = re.sub(r":\d*$", "", host).strip(_JUNK).lower()
    host = host.removeprefix("www.")
    if not host or len(host) > _LONGEST_HOST:
        return None
    if not _HOST.fullmatch(host):
        try:
            host = idna.encode(host, uts46=True).decode("ascii").lower()
        except UnicodeError:
            return None
    return host if _ANY_HOST.fullmatch(host) else None


def phone(text: str | None, country: str | None) -> str | None:
    """A number that can exist, in E.164; without country it must carry + or 00.

    >>> phone("+43 (0)664 / 123 45 67", None), phone("089 12345678", "DE")
    ('+436641234567', '+498912345678')
    """
    text = re.sub(r"(?<=\d)\.0$", "", tidy(text, _LONGEST + 1))
    if len(text) > _LONGEST or not any(letter.isdigit() for letter in text):
        return None
    if phonenumbers.is_alpha_number(text):
        return None
    if re.match(r"\D*00", text):
        text = re.sub(r"^[^\d+]*00", "+", text)
    # Czech, Polish and Danish numbers are invalid with it; Italian ones keep their zero abroad.
    if "+" in text and "+39" not in text.replace(" ", ""):
        text = _TRUNK_ZERO.sub(" ", text)
    try:
        number = phonenumbers.parse(text, (country or "").strip().upper() or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def phone_kind(e164: str) -> Literal["mobile", "fixed", "other"]:
    """What a number that `phone` made rings.

    >>> phone_kind("+436641234567"), phone_kind("+498912345678"), phone_kind("+498001234567")
    ('mobile', 'fixed', 'other')
    """
    try:
        kind = phonenumbers.number_type(phonenumbers.parse(e164))
    except phonenumbers.NumberParseException:
        return "other"
    if kind == phonenumbers.PhoneNumberType.MOBILE:
        return "mobile"
    return "fixed" if kind == phonenumbers.PhoneNumberType.FIXED_LINE else "other"
