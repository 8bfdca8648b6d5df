"""Personal data in a text: e-mail addresses, telephone numbers, IBANs and payment cards.

Check digits keep ordinary numbers apart from IBANs and cards. Names and addresses of people are beyond it; a larger
detector such as Presidio can take its place. It knows nothing of requests and backends.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Finding:
    """A place that holds personal data. It does not hold the data itself, so that logs cannot leak it.

    Attributes:
        kind: what it is, in words, such as `an e-mail address`.
        start: index of its first character.
        end: index after its last character.
    """

    kind: str
    start: int
    end: int


class Detector(Protocol):
    """Whatever finds personal data in a text. It must not send the text anywhere."""

    def find(self, text: str) -> list[Finding]:
        """Finds personal data.

        Args:
            text: what would be sent.
        """


_DIGIT = re.compile(r"\d")

# All repetitions are bounded, so that no text can make the search slow.
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}")
_CARD = re.compile(r"(?<![\d.])[2-6](?:[ -]?\d){12,18}(?!\d)")
_PHONE = re.compile(
    r"(?=[+(\d])(?<![\w.@-])(?:"
    r"(?:\+|00)[1-9](?:[ ./()-]{0,2}\d){6,14}"  # international: +49 30 901820
    r"|\(?0\d{1,5}\)?[ /-]{1,3}\d(?:[ -]?\d){4,10}"  # national with an area code: 030 / 901820
    r"|0\d{9,11}"  # national in one piece: 03090182000
    r"|0\d(?:[ .]\d{2}){4}"  # pairs, as in France: 06 12 34 56 78
    r"|\(?[2-9]\d{2}\)?[ .-]{1,2}\d{3}[ .-]\d{4}"  # North America: (212) 555-0187
    r")(?!\d)"
)

# Length of an IBAN by country: the SWIFT IBAN registry, release 99.
_IBAN_LENGTHS = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FO FI GL NL SD FK", "19": "MK SI", "20": "AT BA EE KZ XK LT LU MN",
        "21": "CH HR LV LI", "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ OM TL SO",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST", "26": "IS TR", "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HN HU LB PL SV NI", "29": "BR EG PS QA UA", "30": "JO KW MU YE", "31": "MT SC",
        "32": "LC", "33": "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip


class PatternDetector:
    """Finds e-mail addresses, telephone numbers, IBANs and payment cards by their form and their check digits."""

    def find(self, text: str) -> list[Finding]:
        """Finds personal data, in the order of the text within each kind.

        Args:
            text: what would be sent.
        """
        if not text.isascii():  # full-width digits and invisible characters must not hide anything
            text = unicodedata.normalize("NFKC", text).translate(_INVISIBLE)
        # Most texts have neither an @ nor a digit, and then there is nothing to find.
        found = [Finding("an e-mail address", *span) for span in _emails(text)] if "@" in text else []
        for kind, spans in (_NUMBERS if _DIGIT.search(text) else {}).items():
            numbers = list(spans(text))
            found += [Finding(kind, *span) for span in numbers]
            text = _blanked(text, numbers)  # groups of an IBAN's digits look like a telephone number
        return found


_INVISIBLE = dict.fromkeys((0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))


def _emails(text: str) -> Iterator[tuple[int, int]]:
    yield from (match.span() for match in _EMAIL.finditer(text))


def _phones(text: str) -> Iterator[tuple[int, int]]:
    yield from (match.span() for match in _PHONE.finditer(text))


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    for match in _IBAN.finditer(text):
        places = [place for place in range(*match.span()) if text[place].isalnum()]
        # What follows an IBAN in the sentence is cut off.
        places = places[: _IBAN_LENGTHS.get(match.group()[:2].upper(), 0)]
        compact = "".join(text[place] for place in places)
        if len(compact) == _IBAN_LENGTHS.get(compact[:2].upper()) and _passes_mod97(compact):
            yield places[0], places[-1] + 1


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for match in _CARD.finditer(text):
        if _passes_luhn(re.sub(r"[ -]", "", match.group())):
            yield match.span()


def _passes_mod97(iban: str) -> bool:
    """Checks an IBAN's check digits: ISO 13616, with the letters A to Z as 10 to 35."""
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1


def _passes_luhn(digits: str) -> bool:
    """Checks a card number's last digit: ISO/IEC 7812-1, annex B."""
    doubled = [int(d) * 2 for d in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0  # noqa: PLR2004  # a digit


def _blanked(text: str, spans: list[tuple[int, int]]) -> str:
    ends = [0, *(end for _, end in spans)]
    pieces = (text[end:start] + " " * (stop - start) for end, (start, stop) in zip(ends, spans, strict=False))
    return "".join(pieces) + text[ends[-1] :] if spans else text


# What has check digits comes first.
_NUMBERS: dict[str, Callable[[str], Iterator[tuple[int, int]]]] = {
    "an IBAN": _ibans,
    "a card number": _cards,
    "a telephone number": _phones,
}


class PresidioDetector:
    """Finds personal data with Microsoft Presidio, which also knows names and places (extra `privacy`).

    Args:
        analyzer: a `presidio_analyzer.AnalyzerEngine`; it runs on this machine and needs a spaCy model.
        language: the language of the texts, as ISO 639-1 code.
    """

    def __init__(self, analyzer: Any, language: str = "en") -> None:
        self._analyzer = analyzer
        self._language = language

    def find(self, text: str) -> list[Finding]:
        """Finds personal data.

        Args:
            text: what would be sent.
        """
        results = self._analyzer.analyze(text=text, language=self._language)
        return [Finding(f"{r.entity_type} (Presidio)", r.start, r.end) for r in results]
