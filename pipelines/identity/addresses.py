"""Street, postcode and city in the spelling they are compared in. No geocoding."""

import re
from dataclasses import dataclass

from pipelines.identity.normalise import fold, tidy

_LONGEST_ADDRESS = 200
_LONGEST_POSTCODE = 40

_PO_BOX = re.compile(
    r"^(?:postfach|pf|p\.?\s?o\.?\s?box|case postale|bo[iî]te postale|casella postale|c\.?p\.?"
    r"|b\.?p\.?)\b[\s.:]*(?:nr\.?\s*)?([\d\s.-]*)$",
    re.IGNORECASE,
)
# After the number come staircase, floor and door: they differ between the systems of one company.
_NUMBER_LAST = re.compile(
    r"^(?P<name>.*?[^\d\s])[\s,]*?(?:\b(?:nr|no|hnr)\b\.?\s*)?"
    r"(?P<number>\d{1,5}\s?(?:[a-z]\b)?(?:\s?-\s?\d{1,5}(?:\s?[a-z]\b)?)?)"
    r"(?:\s*[/,]\s*.*|\s+(?:top|tür|stiege|stg|stock|og|eg|hinterhaus|haus)\b.*|\s+\d+\.\s*\w.*)?$",
    re.IGNORECASE,
)
# In Mannheim a street is a letter and a digit.
_SQUARE = re.compile(r"^(?P<name>[A-U]\s?\d{1,2}),\s*(?P<number>\d{1,3}\s?[a-z]?)$", re.IGNORECASE)
_NUMBER_FIRST = re.compile(r"^(?P<number>\d{1,5}\s?(?:[a-z]\b|bis\b)?),?\s+(?P<name>.+)$", re.I)
_SQUARE_SHORTENED = re.compile(r"pl\.", re.IGNORECASE)
_STREET_KINDS = frozenset("strasse platz gasse weg allee ring ufer".split())

_COUNTRY_BEFORE = re.compile(r"^(DE|AT|CH|LI|FL|D|A|F|I|B|L|NL|PL|CZ|DK)[\s-]+(?=\d)")
_COUNTRY_OF_SIGN = {"D": "DE", "A": "AT", "FL": "LI", "F": "FR", "I": "IT", "B": "BE", "L": "LU"}
_POSTCODE = {
    "DE": re.compile(r"(?!00)\d{5}"),
    "AT": re.compile(r"[1-9]\d{3}"),
    "CH": re.compile(r"[1-9]\d{3}"),
    "LI": re.compile(r"94\d{2}"),
    "FR": re.compile(r"\d{5}"),
    "IT": re.compile(r"\d{5}"),
    "CZ": re.compile(r"\d{5}"),
    "PL": re.compile(r"\d{5}"),
    "LU": re.compile(r"\d{4}"),
    "BE": re.compile(r"\d{4}"),
    "DK": re.compile(r"\d{4}"),
    "NL": re.compile(r"\d{4}[A-Z]{2}"),
}
_ANY_POSTCODE = re.compile(r"(?=[A-Z]*\d)[A-Z0-9]{3,8}")

_POSTCODE_BEFORE = re.compile(r"^(?:[A-Z]{1,2}[\s-]+)?\d{4,5}\s+(?=\S)")
_BRACKETS = re.compile(r"[(\[][^)\]]*[)\]]?")
_RIVER_OR_REGION = re.compile(
    r"^(.+?) (?:am|an der|an dem|im|in der|in|bei|ob der|auf der|a d|i d|o d|v d|a|i|b) .+$"
)


@dataclass(frozen=True)
class Street:
    """The name of a street and the number of the house, without staircase and door."""

    name: str
    number: str | None


def street(text: str | None) -> Street | None:
    """Name and house number; None where there is no name.

    >>> street("Wiener Str. 12 a"), street("Postfach 12 34")
    (Street(name='wienerstrasse', number='12a'), Street(name='postfach', number='1234'))
    """
    text = tidy(text, _LONGEST_ADDRESS).replace("–", "-").replace("—", "-")
    if box := _PO_BOX.match(text):
        return Street("postfach", re.sub(r"\D", "", box[1]) or None)
    found = _SQUARE.match(text) or _NUMBER_FIRST.match(text) or _NUMBER_LAST.match(text)
    name, number = (found["name"], found["number"]) if found else (text, None)
    if not (name := _street_name(name)) or name.isdigit() or name in ("nr", "no"):
        return None
    return Street(name, re.sub(r"\s", "", number).lower() if number else None)


def postcode(text: str | None, country: str | None) -> str | None:
    """The postcode of a country as text; a sign of a country before it wins over the country.

    >>> postcode("D-80331", None), postcode("1067.0", "DE"), postcode("A 1010", "AT")
    ('80331', '01067', '1010')
    """
    text = tidy(text, _LONGEST_POSTCODE + 1).upper()
    if not text.isascii() or len(text) > _LONGEST_POSTCODE:
        return None
    country = (country or "").strip().upper()
    if sign := _COUNTRY_BEFORE.match(text):
        country = _COUNTRY_OF_SIGN.get(sign[1], sign[1])
        text = text[sign.end() :]
    text = re.sub(r"\.0+$", "", text)
    text = re.sub(r"[\s.-]", "", text)
    if country == "DE" and re.fullmatch(r"[1-9]\d{3}", text):
        text = "0" + text
    return text if _POSTCODE.get(country, _ANY_POSTCODE).fullmatch(text) else None


def city(text: str | None) -> str | None:
    """The folded name without river, region, district and post-office number.

    Frankfurt an der Oder and Frankfurt am Main become one: the postcode tells them apart.

    >>> city("St. Pölten"), city("Frankfurt a.M."), city("Wien 3")
    ('sankt polten', 'frankfurt', 'wien')
    """
    text = _BRACKETS.sub(" ", tidy(text, _LONGEST_ADDRESS)).strip(" ,;/")
    words = fold(re.split(r"[,;/]", _POSTCODE_BEFORE.sub("", text), maxsplit=1)[0]).split()
    while len(words) > 1 and words[0].isdigit():
        del words[0]
    while len(words) > 1 and words[-1].isdigit():
        del words[-1]
    name = " ".join("sankt" if word == "st" else word for word in words)
    while found := _RIVER_OR_REGION.match(name):
        name = found[1]
    return name if any(letter.isalpha() for letter in name) else None


def _street_name(text: str) -> str:
    words: list[str] = []
    for word in fold(_SQUARE_SHORTENED.sub("platz ", text)).split():
        if word.endswith("str"):
            word += "asse"
        elif word == "pl":
            word = "platz"
        elif word == "st":
            word = "sankt"
        if word in _STREET_KINDS and words:
            words[-1] += word
        else:
            words.append(word)
    return " ".join(words)
