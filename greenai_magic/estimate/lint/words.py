"""How a claim is told: zeros without a basis, neutrality, offsets, trees, digits that mean nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from greenai_magic.estimate.lint.claim import Finding
from greenai_magic.estimate.lint.figures import number_of, significant_digits
from greenai_magic.estimate.lint.prose import shortened
from greenai_magic.estimate.lint.text import Passage
from greenai_magic.quantity import significant

MOST_DIGITS = 3

_NEUTRAL = re.compile(
    r"(?:carbon|climate|co2)[ -]?neutral(?:ity)?|neutres?\s(?:en|au)\s(?:carbone|climat)"
    r"|neutralité\scarbone"
    r"|zéro[ -]carbone|zero[ -]carbon|climate[ -]positive|carbon[ -]negative|positif\spour\sle\sclimat",
    re.IGNORECASE,
)
_NET_ZERO = re.compile(
    r"net[ -]zero|zéro[ -](?:émissions?[ -])?nette?s?|zero[ -]emissions?|zéro[ -]émissions?", re.IGNORECASE
)
_OFFSETS = re.compile(
    r"after[ _](?:carbon[ _])?offsets?|net of (?:carbon )?offsets?|(?:minus|less|deducting|subtracting) "
    r"(?:the )?(?:carbon )?offsets?"
    r"|offsets? (?:(?:are|were|is|was|have been) )?(?:deducted|subtracted)|après compensation"
    r"|compensations? déduites?",
    re.IGNORECASE,
)
_TREES = re.compile(
    r"\b(?:plant\w{0,4}|absor\w{1,6}|equivalent|équivalent|compensat\w{1,5}"
    r"|offset)\b[^.\n]{0,60}\b(?:trees?|arbres?|seedlings?)\b",
    re.IGNORECASE,
)
_CARBON = re.compile(r"carbon|co\s?[2₂]|emission|émission|footprint|empreinte", re.IGNORECASE)
_REFUSED = re.compile(
    r"\b(?:not|never|no|cannot|nor|without|avoid|refus\w{0,4}|misleading|jamais|ne|pas|aucune?|sans"
    r"|éviter)\b|n't|[\"“«'‘]\s{0,2}$",
    re.IGNORECASE,
)
_BEFORE = 60
_LOCATION_FIRST = (
    "Give the location-based figure (energy times the average factor of the grid) and label both."
)


def check_words(sentences: Iterable[Passage], section: Passage) -> Iterator[Finding]:
    """Yield what a section says in words that its figures do not carry."""
    located = any(figure.value > 0 for figure in section.of("co2e"))
    for sentence in sentences:
        if not located:
            yield from _zeros(sentence)
            yield from _phrase(
                sentence, _NET_ZERO, "market-zero", "is market-based or after offsets", _LOCATION_FIRST
            )
        yield from _phrase(
            sentence,
            _NEUTRAL,
            "neutrality",
            "has a meaning for the whole planet only, and none for one model",
            "Say how much was emitted, by which method, and what was done to reduce it.",
        )
        yield from _phrase(
            sentence,
            _OFFSETS,
            "offset-deducted",
            "takes off what was paid for elsewhere",
            "Give the footprint whole, and name contributions beside it.",
        )
        if _CARBON.search(sentence.text):
            yield from _phrase(
                sentence,
                _TREES,
                "trees",
                "reads as if trees made up for it",
                "Compare with something the reader uses, such as hours of a laptop, with its source.",
            )


def check_digits(passages: Iterable[Passage]) -> Iterator[Finding]:
    """Yield the first CO2e of a block or a table that has more digits than an estimate can carry."""
    for passage in passages:
        exact = [f for f in passage.of("co2e") if f.value > 0 and significant_digits(f.digits) > MOST_DIGITS]
        if exact:
            figure = exact[0]
            more = f", as do {len(exact) - 1} more figures here" if len(exact) > 1 else ""
            rounded = significant(number_of(figure.digits), 2)
            yield Finding(
                "false-precision",
                f"{figure.digits} has {significant_digits(figure.digits)} significant digits{more}: an "
                f"estimate of "
                "CO2e is known to two or three at most.",
                f"Write about {rounded}, and an interval.",
                shortened(passage.text),
                figure.line,
            )


def _zeros(sentence: Passage) -> Iterator[Finding]:
    for figure in (*sentence.of("co2e"), *sentence.of("aside co2e")):
        if figure.value == 0 and figure.digits:
            yield Finding(
                "market-zero",
                "0 for electricity that was used is market-based or after offsets, and no "
                "location-based figure is beside it.",
                _LOCATION_FIRST,
                shortened(sentence.text),
                figure.line,
            )
            return


def _phrase(
    sentence: Passage, phrase: re.Pattern[str], code: str, why: str, better: str
) -> Iterator[Finding]:
    found = phrase.search(sentence.text)
    if found and not _REFUSED.search(sentence.text[max(0, found.start() - _BEFORE) : found.start()]):
        yield Finding(
            code, f"“{shortened(found[0])}” {why}.", better, shortened(sentence.text), sentence.line
        )
