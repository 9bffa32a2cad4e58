"""How people write down one and the same name, address or number. Who does so lives elsewhere."""

import re
from random import Random

ROLE_MAILBOXES = ("info", "office", "einkauf", "kueche", "buchhaltung")
PHONE_SPELLINGS = 10

_LEGAL_FORM = re.compile(r" (GmbH & Co\. KG|GmbH|e\. K\.|OHG|KG|OG|AG|KlG)$")
_LONG = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
_SHORT = str.maketrans({"ä": "a", "ö": "o", "ü": "u", "Ä": "A", "Ö": "O", "Ü": "U", "ß": "ss"})
# Vowels stay: "Bauer" without its e would be an umlaut variant of "Baür".
_SLIP = re.compile(r"(?<=\w)[bcdfghklmnprstvwz]")


def has_umlaut(text: str | None) -> bool:
    """Whether there is anything to write otherwise."""
    return bool(text) and text.translate(_LONG) != text


def without_umlauts(rng: Random, text: str) -> str:
    """ä as ae or as a."""
    return text.translate(rng.choice((_LONG, _SHORT)))


def without_legal_form(name: str) -> str:
    """The name as people say it; the same name where it has no legal form."""
    return _LEGAL_FORM.sub("", name)


def mistyped(rng: Random, text: str) -> str:
    """The text with one consonant lost or doubled, not in its legal form."""
    slip = rng.choice([match.start() for match in _SLIP.finditer(without_legal_form(text))])
    return text[:slip] + text[slip] * rng.choice((0, 2)) + text[slip + 1 :]


def is_role_mailbox(email: str | None) -> bool:
    """Whether several people read what goes there."""
    return email is not None and email.strip().lower().partition("@")[0] in ROLE_MAILBOXES


def printed_phone(number: str | None, spelling: int) -> str | None:
    """The E.164 number in one of PHONE_SPELLINGS ways."""
    if number is None:
        return None
    country, rest = number[:3], number[3:]
    area, line = rest[: _area_digits(country, rest)], rest[_area_digits(country, rest) :]
    pairs = " ".join(line[at : at + 2] for at in range(0, len(line), 2))
    return (
        number,
        f"{country} {area} {line}",
        f"{country} (0){area} {line}",
        f"{country} ({area}) {line[:-2]}-{line[-2:]}",
        f"00{country[1:]} {area} {line}",
        f"0{area} {line}",
        f"0{area}/{line}",
        f"(0{area}) {pairs}",
        f"0{area}-{line}",
        f"0{rest}",
    )[spelling]


def _area_digits(country: str, rest: str) -> int:
    if country == "+43" and rest.startswith("1"):
        return 1
    return 2 if country == "+41" or rest[:2] in ("30", "40", "69", "89") else 3
