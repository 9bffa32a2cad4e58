"""Numbers that an office gave to a company: VAT id and commercial register. Checked by their own
rules only; whether they are in force is the office's to say.
"""

import re

from stdnum.ch import uid
from stdnum.eu import vat
from stdnum.exceptions import ValidationError

from pipelines.identity.addresses import city
from pipelines.identity.normalise import fold, tidy

_LONGEST = 200

_WORDS_BEFORE_VAT_ID = re.compile(
    r"^(?:UMSATZSTEUER|MEHRWERTSTEUER|IDENTIFIKATIONS|UST|MWST|VAT|TVA|PARTITAIVA|PIVA|IVA|BTW|UID"
    r"|IDENT|ID|NUMMER|NUMBER|NR|NO)+(?=[A-Z]{2,3}[A-Z0-9]{6,}|\d)"
)
_SWISS = re.compile(r"^(?:CHE?)?(\d{9})(?:MWST|TVA|IVA|TPV|HR)*$")
_VAT_PREFIX = {"GR": "EL"}

_GERMAN_REGISTER = re.compile(
    r"\b(HRA|HRB|GNR|VR|PR|GSR)[\s.:-]*(?:NR|NUMMER)?[\s.:]*0*(\d{1,7})"
    r"(?:\s?(?!AG\b|AM\b|IM\b|IN\b)([A-Z]{1,2})\b)?",
    re.IGNORECASE,
)
_AUSTRIAN_REGISTER = re.compile(
    r"\b(?:FN|FIRMENBUCH(?:[\s-]*(?:NUMMER|NR))?)[\s.:-]*0*(\d{1,6})\s?([A-Z])\b", re.IGNORECASE
)
_BRACKETS = re.compile(r"\([^)]*\)?")
_COURT_WORDS = frozenset(
    "amtsgericht ag registergericht handelsregister registernummer handelsregisternummer hr nr "
    "nummer register gericht beim bei des der am im unter eingetragen sitz in hrb hra".split()
)
# Charlottenburg keeps the register of the whole of Berlin.
_COURT_OF = {"berlin": "charlottenburg", "berlin charlottenburg": "charlottenburg"}


def vat_id(text: str | None, country: str | None) -> str | None:
    """A VAT id with a right check digit, with its prefix; without prefix the country's.

    >>> vat_id("USt-IdNr. DE 136 695 976", None), vat_id("CHE-107.787.577 MWST", "CH")
    ('DE136695976', 'CHE107787577')
    """
    text = tidy(text, _LONGEST + 1).upper()
    if len(text) > _LONGEST:
        return None
    number = re.sub(r"[^A-Z0-9+*]", "", text)
    number = _WORDS_BEFORE_VAT_ID.sub("", number)
    # EU is what sellers from outside report by; it names no company of a member state.
    if not number.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ").strip("0") or number.startswith("EU"):
        return None
    country = (country or "").strip().upper()
    country = _VAT_PREFIX.get(country, country)
    if (swiss := _SWISS.match(number)) and (number[:2] == "CH" or country in ("CH", "LI")):
        return _valid(uid, "CHE" + swiss[1])
    if country == "AT" and re.fullmatch(r"\d{8}", number):
        number = "U" + number
    return _valid(vat, number) or (_valid(vat, country + number) if country else None)


def register_number(text: str | None) -> str | None:
    """An entry in a commercial register that means one company; None where the court is missing.

    German numbers are given by each court anew, Austrian ones once for the country.

    >>> register_number("HRB 12345 B, Amtsgericht München"), register_number("FN 123456 a")
    ('HRB12345B@munchen', 'FN123456A')
    """
    text = tidy(text, _LONGEST)
    if austrian := _AUSTRIAN_REGISTER.search(text):
        return f"FN{int(austrian[1])}{austrian[2].upper()}"
    entries = list(_GERMAN_REGISTER.finditer(text))
    # Of two entries in one field nobody can say which court is whose.
    if len(entries) != 1:
        return None
    (found,) = entries
    rest = f"{text[: found.start()]} {text[found.end() :]}"
    court = _court(_BRACKETS.sub(" ", rest)) or _court(rest)
    if court is None:
        return None
    kind, number, letters = found[1].upper(), int(found[2]), (found[3] or "").upper()
    return f"{kind}{number}{letters}@{_COURT_OF.get(court, court)}"


def _court(text: str) -> str | None:
    court = city(" ".join(word for word in fold(text).split() if word not in _COURT_WORDS))
    return None if court is None or any(letter.isdigit() for letter in court) else court


def _valid(rules, number: str) -> str | None:
    try:
        number = rules.validate(number)
    except ValidationError:
        return None
    return _VAT_PREFIX.get(number[:2], number[:2]) + number[2:]
