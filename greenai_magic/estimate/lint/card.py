"""A published claim read as a stranger would: model cards, README files, reports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from greenai_magic.errors import ImportFileError
from greenai_magic.estimate.importers.files import read_text
from greenai_magic.estimate.lint.claim import Finding
from greenai_magic.estimate.lint.figures import Figure, figures_in, rounding
from greenai_magic.estimate.lint.prose import check_prose, read_all, shortened
from greenai_magic.estimate.lint.sums import check_sums
from greenai_magic.estimate.lint.tables import all_figures, check_table, tables_of
from greenai_magic.estimate.lint.text import LONGEST_LINE, MOST_LINES, Passage, Section, joined, sections_of
from greenai_magic.estimate.lint.words import check_digits, check_words

LARGEST_TEXT = 5_000_000
MOST_FINDINGS = 200

_LONGEST_PATH = 1000
_TOO_LONG = f"The text is longer than {LARGEST_TEXT // 10**6} million letters: give the part with the claim."
_PATH = re.compile(
    r"[^\s|]{1,500}\.(?:md|txt|rst|ya?ml|html?|json|ipynb|csv|markdown)|(?:\.{0,2}/|[A-Za-z]:\\)\S{1,500}"
)
_FIELD = re.compile(r"(?P<indent>[ \t]{0,40})co2_eq_emissions[ \t]{0,4}:[ \t]{0,8}(?P<rest>.*)")
_ENTRY = re.compile(
    r"(?P<indent>[ \t]{1,40})[\"']?(?P<key>[\w-]{1,60})[\"']?[ \t]{0,4}:[ \t]{0,8}(?P<rest>.*)"
)
_VALUE = re.compile(
    r"[\"']?\s{0,4}(?P<number>\d{1,15}(?:\.\d{1,20})?|\.\d{1,20})(?P<power>[eE][+-]?\d{1,3})?(?P<unit>.{0,40})"
)
_KILOGRAMS = re.compile(r"\s{0,3}(?:kg|kilo|t\b|tons?\b|tonnes?\b|lbs?\b)", re.IGNORECASE)
_GRAMS_PER_KG = 1000.0


@dataclass(frozen=True, slots=True)
class _Front:
    """The block of a card's front matter that states its CO2e."""

    fields: dict[str, str]
    lines: dict[str, int]
    taken: frozenset[int]


def lint_card(text_or_path: str | Path) -> list[Finding]:
    """Return what a published claim gets wrong, in the order of its lines.

    Parameters
    ----------
    text_or_path : str or Path
        A model card, its YAML front matter, a README or a report, in Markdown or plain text; or the path of
        such a file.

    Returns
    -------
    list of Finding
        Empty where nothing was found, which proves nothing of figures that the text leaves out.

    Raises
    ------
    ImportFileError
        If the path is no file, or the file no text.
    """
    text = _text(text_or_path)
    lines = _lines(text)
    front = _front(lines)
    tables, rest = tables_of([(n, line) for n, line in lines if n not in front.taken])
    sections = sections_of(rest)
    document = joined([section.whole() for section in sections])
    found = [
        *_of_front(front, joined([document, all_figures(tables)])),
        *(finding for table in tables for finding in check_table(table, (document,))),
        *check_prose(sections),
        *check_sums(sections),
        *_of_words(sections, all_figures(tables)),
        *check_digits([block.whole() for section in sections for block in section.blocks]),
        *check_digits([all_figures([table]) for table in tables]),
    ]
    return sorted(dict.fromkeys(found), key=lambda finding: finding.line)[:MOST_FINDINGS]


def _text(text_or_path: str | Path) -> str:
    if isinstance(text_or_path, str):
        line = text_or_path.strip()
        if "\n" in text_or_path or len(line) > _LONGEST_PATH or not (_PATH.fullmatch(line) or _is_file(line)):
            if len(text_or_path) > LARGEST_TEXT:
                raise ImportFileError(_TOO_LONG)
            return text_or_path
        text_or_path = line
    if not _is_file(text_or_path):
        msg = (
            f"{str(text_or_path)[:_LONGEST_PATH]!r} is no file: give the path of a text, or the text itself."
        )
        raise ImportFileError(msg)
    text = read_text(text_or_path)
    if len(text) > LARGEST_TEXT:
        raise ImportFileError(_TOO_LONG)
    return text


def _is_file(path: str | Path) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def _lines(text: str) -> list[tuple[int, str]]:
    """Return the numbered lines of a text; one that is too long for a line is cut into several."""
    found: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        cuts = range(0, max(1, len(line)), LONGEST_LINE)
        found += [(number, line[cut : cut + LONGEST_LINE]) for cut in cuts]
        if len(found) >= MOST_LINES:
            break
    return found[:MOST_LINES]


def _front(lines: Sequence[tuple[int, str]]) -> _Front:
    """Return the block ``co2_eq_emissions`` of a text, and which lines are front matter."""
    fields: dict[str, str] = {}
    where: dict[str, int] = {}
    taken: set[int] = set()
    if lines and lines[0][1].strip() == "---":
        end = next((n for n, line in lines[1:] if line.strip() in {"---", "..."}), 0)
        taken.update(range(1, end + 1))
    for index, (number, line) in enumerate(lines):
        start = _FIELD.fullmatch(line)
        if start is None:
            continue
        taken.add(number)
        if start["rest"].strip() and not start["rest"].lstrip().startswith(("#", "{")):
            fields["emissions"], where["emissions"] = start["rest"], number
        for below, text in lines[index + 1 :]:
            entry = _ENTRY.fullmatch(text)
            if entry is None or len(entry["indent"]) <= len(start["indent"]):
                break
            taken.add(below)
            fields.setdefault(entry["key"].casefold(), entry["rest"])
            where.setdefault(entry["key"].casefold(), below)
        break
    return _Front(fields, where, frozenset(taken))


def _of_front(front: _Front, document: Passage) -> Iterator[Finding]:
    """Check the field ``emissions``, which is in grams and which the Hub reads with a plain pattern."""
    written = front.fields.get("emissions", "").split(" #")[0].strip()
    found = _VALUE.match(written)
    if found is None:
        return
    line, quote = front.lines["emissions"], f"emissions: {shortened(written)}"
    digits, grams = found["number"], float(found["number"] + (found["power"] or ""))
    if found["power"]:
        yield Finding(
            "scientific-notation",
            f"The Hub reads only the digits before the exponent of {shortened(written)}: it shows "
            f"{digits} g.",
            f"Write {grams:.12f}".rstrip("0").rstrip(".") + ".",
            quote,
            line,
        )
    if _KILOGRAMS.match(found["unit"]):
        yield _no_grams(quote, line, f"{shortened(written)} is read as {digits} g", grams)
        return
    if grams > 0:
        yield from _grams(
            front, document, grams, Figure("co2e", 0, line, digits=digits, error=rounding(digits)), quote
        )


def _grams(front: _Front, document: Passage, grams: float, at: Figure, quote: str) -> Iterator[Finding]:
    own = [
        figure
        for key in ("hardware_used", "source")
        for figure in figures_in(front.fields.get(key, ""), at.line)
    ]
    place = front.fields.get("geographical_location", "").split(" #")[0].strip(" \"'")
    if place:
        own.append(Figure("region", 0.0, at.line, name=place[:80]))
    scopes = (Passage(quote, at.line, tuple(own)), document)
    printed = [figure for figure in document.apart.get("co2e", []) if figure.value]
    as_grams, as_kilograms = replace(at, value=grams / _GRAMS_PER_KG), replace(at, value=grams)
    said = [figure.value for figure in printed]
    if any(_near(grams, kg) for kg in said) and not any(_near(grams / _GRAMS_PER_KG, kg) for kg in said):
        yield _no_grams(quote, at.line, f"the field is in grams, and the text says {said[0]:,.9g} kg", grams)
        return
    energies = document.apart.get("energy", [])
    energy = energies[0] if len(energies) == 1 else None
    wrong = [f for f in read_all(scopes, as_grams, energy) if f.inconsistent]
    right = [f for f in read_all(scopes, as_kilograms, energy) if f.inconsistent]
    if wrong and not right:
        yield _no_grams(
            quote,
            at.line,
            f"the field is in grams, and in grams it does not close: {wrong[0].message}",
            grams,
        )
    else:
        yield from (replace(finding, quote=quote) for finding in wrong)


def _no_grams(quote: str, line: int, why: str, kg: float) -> Finding:
    shown = f"{kg * _GRAMS_PER_KG:.9f}".rstrip("0").rstrip(".")
    return Finding(
        "grams",
        f"Kilograms where grams belong: {why}",
        f"If it is kg, write emissions: {shown}.",
        quote,
        line,
    )


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= 0.02 * max(one, other)


def _of_words(sections: Sequence[Section], tables: Passage) -> Iterator[Finding]:
    for section in sections:
        whole = joined([section.whole(), tables])
        yield from check_words((s for block in section.blocks for s in block.sentences), whole)
    if not any(
        figure.value for passage in (tables, *(s.whole() for s in sections)) for figure in passage.of("co2e")
    ):
        yield from check_words([replace(tables, text="", line=0)], tables)
