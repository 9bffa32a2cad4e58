"""Names of organisations and persons, taken apart into what identifies and what does not."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from pipelines.identity.normalise import fold, tidy

_OWNER = re.compile(
    r"[\s,;(–-]*\b(?:inh(?:aber(?:/?-?in)?)?|besitzer(?:in)?|bes(?=\.)|eigent(?:ü|ue)mer(?:in)?"
    r"|propri[ée]taire|prop(?=\.)|titolare)\b(?:[.:]\s*|\s+)([^,;()]+)\)?",
    re.IGNORECASE,
)
_IN_FRONT = frozenset("firma fa familie fam fuer fur herrn herr frau".split())
_AND = frozenset("und u and et".split())
_OFFSPRING = frozenset(fold("Söhne Sohn Sons Son Fils Figli Figlio").split())
_TRADES = frozenset(
    fold(
        "Gasthof Gasthaus Landgasthof Landgasthaus Hotel Landhotel Gasthotel Restaurant Ristorante "
        "Cafe Caffe Kaffeehaus Pension Wirtshaus Wirtschaft Gaststätte Gaststube Weinstube Bar "
        "Bistro Pizzeria Trattoria Osteria Albergo Auberge Brasserie Brauhaus Brauerei Bräu "
        "Heuriger Buschenschank Konditorei Bäckerei Metzgerei Fleischerei Imbiss Kantine Mensa "
        "Catering Partyservice Gastronomie Gastro Gastwirtschaft Berggasthof Alpengasthof Hütte "
        "Hotelbetriebs Hotelbetriebsgesellschaft Gastronomiebetriebs Betriebs Betriebsgesellschaft "
        "Seniorenheim Pflegeheim Klinik Feinkost Hofladen Weingut"
    ).split()
)

# Spellings that the list of GLEIF does not have, and the one form for those of one kind.
_SPELLINGS = {
    "gmbh": "gmbh gesmbh mbh gesellschaftmbh gesellschaftmitbeschrankterhaftung gesmitbh",
    "ggmbh": "ggmbh gemgmbh",
    "gmbh co kg": "gmbhcokg gmbhco gesmbhcokg mbhcokg gmbhcompkg gmbhkg gmbhcompagniekg",
    "ag": "ag aktiengesellschaft agco",
    "ug": "ug ughaftungsbeschrankt gmbhug unternehmergesellschafthaftungsbeschrankt",
    "ug co kg": "ugcokg ughaftungsbeschranktcokg",
    "kg": "kg kommanditgesellschaft cokg compkg keg",
    "ohg": "ohg offenehandelsgesellschaft coohg",
    "og": "og offenegesellschaft oeg ogco",
    "gbr": "gbr egbr gdbr gesbr gesnbr bgbgesellschaft gesellschaftburgerlichenrechts",
    "ek": "ek ekfr ekfm ekffr ekfrau ekfmn eingetragenerkaufmann eingetragenekauffrau",
    "eu": "eu eingetragenesunternehmen einzelunternehmen einzelunternehmer einzelfirma",
    "eg": "eg egen egenmbh eingetragenegenossenschaft regenmbh",
    "ev": "ev eingetragenerverein",
    "partg": "partg partgmbb",
    "klg": "klg kollektivgesellschaft",
    "kmg": "kmg",
    "aor": "aor anstaltdesoffentlichenrechts",
    "kdor": "kdor",
    "sa": "sa",
    "sarl": "sarl sarls eurl",
    "sagl": "sagl",
    "sas": "sas sasu",
    "srl": "srl srls",
    "snc": "snc",
    "ltd": "ltd limited coltd",
    "inc": "inc incorporated",
    "llc": "llc",
    "plc": "plc",
    "co": "co cie comp",
    "sro": "sro spolsro",
    "spzoo": "spzoo",
}
# Forms that are words as well (hotel & spa): only their spelling with dots or a stroke is one.
_ONLY_DOTTED = frozenset({"spa", "as"})
_DOTTED = re.compile(r"(?:\bS\.\s?p\.\s?A|\b[aA]\.\s?[sS]|\bA/S)\.?\s*$")
_STATES = (("in", "liquidation"), ("i", "l"), ("in", "grundung"), ("i", "g"), ("in", "liqu"))
_LONGEST_FORM = 9


def _read_legal_forms() -> dict[str, str]:
    """Folded spelling without spaces -> canonical form; what is ours goes before GLEIF's."""
    forms = {
        spelling: form for form, spellings in _SPELLINGS.items() for spelling in spellings.split()
    }
    with (Path(__file__).parent / "legal_forms.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            abbreviations = [fold(one) for one in row["abbreviations"].split(";") if fold(one)]
            for one in abbreviations:
                if _joined(one) in _ONLY_DOTTED:
                    continue
                forms.setdefault(_joined(one), one if " co " in one else _joined(one))
            # One word such as Stiftung or Verein is part of a name, not a form behind it.
            for name in row["local_name"].split(","):
                name = fold(name)
                if " " in name or name.endswith("gesellschaft"):
                    short = _joined(abbreviations[0]) if abbreviations else name
                    forms.setdefault(_joined(name), forms.get(short, short))
    return forms


def _joined(folded: str) -> str:
    return folded.replace(" ", "")


_LEGAL_FORMS = _read_legal_forms()

_TITLES = frozenset(
    "dr prof professor dipl ing mag magister mba msc bsc llm phd dkfm dkffr di bakk priv doz univ "
    "habil hc med dent vet jur phil rer nat oec pol techn theol soc ddr kfm kffr fh tu tit oek "
    "kommr".split()
)
_SALUTATIONS = frozenset(
    "herr herrn hr frau fr fam familie mr mrs ms monsieur madame mme signor signora sig dame "
    "fraulein und u".split()
)
# What may stand behind a name; behind a comma any title may.
_TITLES_BEHIND = frozenset("mba msc bsc llm phd mas cmc sen jun jr sr".split())
_TITLES_BEHIND_A_COMMA = (
    _TITLES | _TITLES_BEHIND | frozenset("ma ba bed med univ fh ll m b a sc".split())
)
_ADDRESSED_TO = re.compile(r"^\s*(?:z\.?\s?h(?:d|dn)?\.|attn\.?:?|c/o)\s*", re.IGNORECASE)
_PARTICLES = frozenset(
    "von vom van de der den del della di da du la le zu zum zur af av ter ten dos".split()
)


@dataclass(frozen=True)
class OrganisationName:
    """core: folded words that identify; without_kind: the same without words for the trade."""

    core: str
    legal_form: str | None
    owner: str | None
    without_kind: str | None


@dataclass(frozen=True)
class PersonName:
    """Folded names without titles; one of first and last may be missing, full never."""

    first: str | None
    last: str | None
    full: str


def organisation_name(text: str | None) -> OrganisationName | None:
    """The name of an organisation without legal form, owner and what stands in front.

    >>> organisation_name("Fa. Gasthof Müller GmbH & Co. KG, Inh. Anna Huber")
    OrganisationName(core='gasthof muller', legal_form='gmbh co kg', owner='anna huber', \
without_kind='muller')
    """
    text = tidy(text)
    if not (all_words := _organisation_words(text)):
        return None
    owner = None
    words, form = all_words, None
    if found := _OWNER.search(text):
        owned_by, form = _without_legal_form(fold(found[1]).split())
        owner = " ".join(_without_titles(owned_by)) or None
        words = _organisation_words(f"{text[: found.start()]} {text[found.end() :]}")
    if dotted := _DOTTED.search(text):
        words = _organisation_words(text[: dotted.start()]) or words
        form = _joined(fold(dotted[0]))
    words, own_form = _without_legal_form(words)
    form = own_form or form
    while len(words) > 1 and words[0] in _IN_FRONT:
        del words[0]
    if not words:
        words = owner.split() if owner else all_words
    kept = [word for word in words if word not in _TRADES]
    return OrganisationName(" ".join(words), form, owner, " ".join(kept) or None)


def person_name(
    full: str | None = None, first: str | None = None, last: str | None = None
) -> PersonName | None:
    """The name of a person without titles and salutation; first and last win over full.

    >>> person_name("Frau Dr. Huber, Anna"), person_name(first="Hans", last="von der Heide")
    (PersonName(first='anna', last='huber', full='anna huber'), \
PersonName(first='hans', last='von der heide', full='hans von der heide'))
    """
    if _is_no_name(first):
        first = None
    if _is_no_name(last):
        last = None
    given, surname = _without_titles(_pieces(first)), None
    if last and not given:
        given, surname = _split_name(last)
    elif last:
        surname = _without_titles(_pieces(last))
    if not (given and surname) and not _is_no_name(full):
        whole_given, whole_surname = _split_name(full)
        if whole_given and whole_surname:
            given, surname = given or whole_given, surname or whole_surname
        else:
            surname = surname or whole_surname
            if surname == given:
                given = []
    if not (given or surname):
        return None
    given_name, family_name = " ".join(given), " ".join(surname or ())
    both = f"{given_name} {family_name}".strip()
    return PersonName(given_name or None, family_name or None, both)


def _organisation_words(text: str) -> list[str]:
    """Folded words; 'und Sohn' and '& Söhne' are one form, other words for 'and' are dropped."""
    words = fold(text).split()
    last = len(words) - 1
    # The last word stays: it is the U of e.U.
    kept = [word for place, word in enumerate(words) if word not in _AND or place in (0, last)]
    return ["sohne" if place and word in _OFFSPRING else word for place, word in enumerate(kept)]


def _without_legal_form(words: list[str]) -> tuple[list[str], str | None]:
    """The words before the legal form at the end, and the form; all where only a form is there."""
    words = words[:]
    for state in _STATES:
        if len(words) > len(state) and tuple(words[-len(state) :]) == state:
            del words[-len(state) :]
    for length in range(min(_LONGEST_FORM, len(words) - 1), 0, -1):
        if form := _LEGAL_FORMS.get("".join(words[-length:])):
            return words[:-length], form
    return words, None


def _pieces(text: str | None) -> list[str]:
    """Folded words; Huber-Maier is one of them."""
    text = _ADDRESSED_TO.sub("", tidy(text))
    if "-" not in text:
        return fold(text).split()
    pieces = (fold(piece) for piece in re.split(r"[\s.,]+", text))
    return [piece for piece in pieces if piece]


def _is_no_name(text: str | None) -> bool:
    text = tidy(text)
    return "@" in text or not any(letter.isalpha() for letter in text)


def _split_name(text: str | None) -> tuple[list[str], list[str]]:
    """Given names and surname, whichever stands first; one word alone is a surname."""
    before, comma, behind = tidy(text).partition(",")
    behind_words = _without_titles(_pieces(behind.partition(",")[0]))
    behind_words = [word for word in behind_words if word not in _TITLES_BEHIND_A_COMMA]
    words = _without_titles(_pieces(before))
    if comma and behind_words and words:
        return behind_words, words
    words = words or behind_words
    for place, word in enumerate(words[1:-1], start=1):
        if word in _PARTICLES:
            return words[:place], words[place:]
    return words[:-1], words[-1:]


def _without_titles(words: list[str]) -> list[str]:
    start = 0
    while start < len(words) and (words[start] in _TITLES or words[start] in _SALUTATIONS):
        start += 1
    end = len(words)
    while end - start > 2 and words[end - 1] in _TITLES_BEHIND:
        end -= 1
    return words[start:end]
