"""The one folding that every comparison of text rests on. Names, addresses and numbers have
modules of their own beside this one.
"""

import re
import unicodedata

# Canonical ordering of combining characters is quadratic: text is cut before it, never after.
LONGEST_TEXT = 400

# Letters that Unicode does not take apart into a letter and an accent.
_LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i"})
_SEPARATORS = re.compile(r"[\W_]+")
# Behind a vowel or q it is none: Bauer is not Baur.
_UMLAUT_SPELT_OUT = re.compile(r"([ao])e+|(?<![aeiouq])(u)e+")


def tidy(text: str | None, longest: int = LONGEST_TEXT) -> str:
    """NFKC, no space around it, and not longer than this; '' where there is nothing.

    >>> tidy(" Ｇａｓｔｈｏｆ ")
    'Gasthof'
    """
    if not text:
        return ""
    text = text.strip()[:longest]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)[:longest].strip()
    return text


def fold(text: str | None) -> str:
    """Lower case without accents; ä, ae and a are one letter; all but letters and digits a space.

    >>> fold("Gasthof MÜLLER-Groß"), fold("Gasthof Mueller Gross")
    ('gasthof muller gross', 'gasthof muller gross')
    """
    text = tidy(text)
    if text.isascii():
        text = text.lower()
    else:
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        text = "".join(letter for letter in text if unicodedata.category(letter)[0] != "M")
        # Taking apart and together again is what makes folding twice the same as once.
        text = unicodedata.normalize("NFKC", text.translate(_LETTERS))[:LONGEST_TEXT]
    text = _UMLAUT_SPELT_OUT.sub(r"\1\2", text)
    return _SEPARATORS.sub(" ", text).strip()
