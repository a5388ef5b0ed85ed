"""A text as its sections, blocks and sentences, each with the figures that it states."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from greenai_magic.estimate.lint.figures import Figure, figures_in, label_unit, mass_unit, number_of, rounding

LONGEST_LINE = 2000
MOST_LINES = 20_000

_HEADING = re.compile(r"\s{0,3}#{1,6}\s")
_ITEM = re.compile(r"\s{0,12}(?:[-*+•]|\d{1,3}[.)])\s")
_LABELLED = re.compile(
    r"[\s>*+•_-]{0,16}(?P<label>[A-Za-zÀ-ÿ#][^:|\n]{0,160}?)[*_`\s]{0,6}:[*_`\s]{0,6}(?P<rest>.*)", re.DOTALL
)
_SENTENCE_END = re.compile(r"(?<=[.!?;])(?<!\beq\.)(?<!éq\.)(?<!approx\.)[*_)\"']{0,3}\s+(?=[^\sa-z])|;\s+")
_BARE = re.compile(
    r"(?P<number>\d{1,3}(?:[, ]\d{3}){1,5}(?:\.\d+)?|\d{1,15}(?:[.,]\d{1,18})?)(?P<many>[kKM])?(?![\w%/.])"
)
_ASIDE = re.compile(
    r"market|basé\w* sur le marché|marché|offset|compens|avoid|saved|saving|évit|embodied|manufactur"
    r"|fabrication"
    r"|passenger|flight|\bcar\b|voiture|\bvol\b|per year|per capita|lifetime|\bnet\b|idle"
    r"|infrastructure|budget|per query",
    re.IGNORECASE,
)
_LOCATION = re.compile(r"location|localis|gross|\bbrut", re.IGNORECASE)
_PUE = re.compile(r"\bPUE\b|power usage effectiveness", re.IGNORECASE)
_TOTAL = re.compile(r"\b(?:total|totals|totalling|sum|in all|altogether|somme)\b", re.IGNORECASE)
_RATED = re.compile(r"\bTDP\b|thermal design|rated|\bpeak\b|maxim|nameplate|nominal", re.IGNORECASE)
_CARBON_LABEL = re.compile(r"carbon|co\s?[2₂]|emission|émission|ghg|greenhouse", re.IGNORECASE)
_FIELDS = (
    ("hours", re.compile(r"\bhours?\b|hours_used|heures", re.IGNORECASE)),
    (
        "region",
        re.compile(
            r"\bregion|geographical_location|\blocation\b|\bcountry\b|région|\bpays\b|cloud_region",
            re.IGNORECASE,
        ),
    ),
    ("provider", re.compile(r"provider|fournisseur", re.IGNORECASE)),
    (
        "count",
        re.compile(
            r"(?:number|num|#|nb|count)\s?(?:of\s)?_?(?:gpus?|devices?|chips?|tpus?|accelerators?|cards?)",
            re.IGNORECASE,
        ),
    ),
)
_BEFORE, _AFTER = 70, 24
_SAME = 0.015
_ABOVE_ZERO = frozenset({"energy", "hours", "power", "grid", "pue", "count"})
_MOST_APART = 20


@dataclass(frozen=True)
class Passage:
    """A sentence, or all sentences of a block, a section or the document.

    Attributes
    ----------
    text : str
        Of a sentence; of a longer passage, its first sentence.
    line : int
        Where it begins.
    figures : tuple of Figure
        In order.
    """

    text: str
    line: int
    figures: tuple[Figure, ...]

    @cached_property
    def by_kind(self) -> dict[str, list[Figure]]:
        """Its figures by their kinds."""
        found: dict[str, list[Figure]] = {}
        for figure in self.figures:
            found.setdefault(figure.kind, []).append(figure)
        return found

    @cached_property
    def apart(self) -> dict[str, list[Figure]]:
        """Its first different figures by their kinds: none that repeats another, in this unit or another."""
        return {
            kind: distinct([f for f in figures if f.value > 0 or kind not in _ABOVE_ZERO])
            for kind, figures in self.by_kind.items()
        }

    def of(self, kind: str) -> list[Figure]:
        """Return its figures of a kind."""
        return self.by_kind.get(kind, [])


@dataclass(frozen=True, slots=True)
class Block:
    """Sentences without an empty line between them, or a line of a list."""

    sentences: tuple[Passage, ...]

    def whole(self) -> Passage:
        """Return the block as one passage."""
        return joined(self.sentences)


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading."""

    blocks: tuple[Block, ...]

    def whole(self) -> Passage:
        """Return the section as one passage."""
        return joined([sentence for block in self.blocks for sentence in block.sentences])


def distinct(figures: Sequence[Figure]) -> list[Figure]:
    """Return the first different figures, without those that repeat another, in this unit or another."""
    found: list[Figure] = []
    for figure in figures:
        if not any(_same(figure, other) for other in found):
            found.append(figure)
        if len(found) == _MOST_APART:
            break
    return found


def _same(one: Figure, other: Figure) -> bool:
    within = max(_SAME, one.error + other.error)
    names = {figure.name for figure in (one, other)} - {"total"}
    return len(names) < 2 and abs(one.value - other.value) <= within * max(one.value, other.value)


def joined(parts: Sequence[Passage]) -> Passage:
    """Return passages as one."""
    return Passage(
        parts[0].text if parts else "",
        parts[0].line if parts else 0,
        tuple(figure for part in parts for figure in part.figures),
    )


def sections_of(lines: Sequence[tuple[int, str]]) -> list[Section]:
    """Return the sections of numbered lines, cut to a size that any text can be checked at."""
    sections: list[list[Block]] = [[]]
    for heading, block in _blocks(lines):
        if heading:
            sections.append([])
        if block:
            sections[-1].append(Block(tuple(_sentences(block))))
    return [Section(tuple(blocks)) for blocks in sections if blocks]


def _blocks(lines: Sequence[tuple[int, str]]) -> Iterator[tuple[bool, list[tuple[int, str]]]]:
    """Yield whether a heading comes before, and the lines of a block."""
    block: list[tuple[int, str]] = []
    heading = False
    for number, line in lines:
        if not line.strip() or _HEADING.match(line):
            if block:
                yield heading, block
                block, heading = [], False
            if line.strip():
                heading = True
                block = [(number, line)]
        else:
            block.append((number, line))
    if block:
        yield heading, block


def _sentences(block: Sequence[tuple[int, str]]) -> Iterator[Passage]:
    """Yield the sentences of a block; a line of a list or with a label begins one."""
    run: list[tuple[int, str]] = []
    for number, line in block:
        if run and (_ITEM.match(line) or _labelled(line)):
            yield from _split(run)
            run = []
        run.append((number, line))
    if run:
        yield from _split(run)


def _labelled(line: str) -> bool:
    found = _LABELLED.match(line)
    return found is not None and any(
        field.search(found["label"]) for field in (_CARBON_LABEL, *(field for _, field in _FIELDS))
    )


def _split(run: Sequence[tuple[int, str]]) -> Iterator[Passage]:
    """Yield the sentences of lines that belong together."""
    starts, size = [], 0
    for _, line in run:
        starts.append(size)
        size += len(_plain(line)) + 1
    text = " ".join(_plain(line) for _, line in run)
    begin = 0
    cuts = range(LONGEST_LINE, len(text), LONGEST_LINE)
    for end in sorted({*(found.end() for found in _SENTENCE_END.finditer(text)), *cuts, len(text)}):
        sentence = text[begin:end].rstrip()
        if sentence:
            figures = [
                replace(figure, line=run[bisect_right(starts, begin + figure.start) - 1][0])
                for figure in _stated(sentence)
            ]
            yield Passage(sentence, run[bisect_right(starts, begin) - 1][0], tuple(figures))
        begin = end


def _plain(line: str) -> str:
    """Return a line without what makes words bold, which comes between a number and its unit."""
    return line.replace("**", "").strip()


def _stated(sentence: str) -> Iterator[Figure]:
    """Yield the figures of a sentence, each under the kind that the words around it give it."""
    labelled = _LABELLED.match(sentence)
    about = True if labelled and _CARBON_LABEL.search(labelled["label"]) else None
    figures = figures_in(sentence, carbon=about)
    if labelled:
        figures = _with_field(labelled, figures)
    previous = 0
    for figure in figures:
        yield _meant(figure, sentence, previous)
        previous = figure.end
    if _PUE.search(sentence) and not any(figure.kind == "pue" for figure in figures):
        yield Figure("unstated pue", 0.0)


def _with_field(labelled: re.Match[str], figures: list[Figure]) -> list[Figure]:
    """Add what a line says under a label: a number without its unit, a region, a provider."""
    label, rest, at = labelled["label"], labelled["rest"], labelled.start("rest")
    carbon = bool(_CARBON_LABEL.search(label))
    kind = "" if carbon else next((kind for kind, field in _FIELDS if field.search(label)), "")
    if kind in {"region", "provider"}:
        name = rest.strip(" *_`.")[:80]
        others = [figure for figure in figures if figure.kind != kind]
        return [*others, Figure(kind, 0.0, start=at, end=at + len(rest), name=name)] if name else others
    found = _BARE.match(rest)
    if found is None or any(figure.start <= at < figure.end for figure in figures):
        return figures
    scale = 1.0
    if carbon:
        kind, scale = "co2e", mass_unit(label) or mass_unit(rest) or 1.0
    elif not kind:
        named = next((k for k in ("energy", "power") if label_unit(label, k) is not None), "")
        if not named:
            return figures
        kind, scale = named, label_unit(label, named) or 1.0
    digits = found["number"]
    value = number_of(digits, found["many"]) * scale
    together = bool(re.search(r"gpu|tpu|device|chip", label, re.IGNORECASE))
    new = Figure(kind, value, 0, at, at + found.end(), digits, rounding(digits), all_devices=together)
    return sorted([*figures, new], key=lambda figure: figure.start)


def _meant(figure: Figure, sentence: str, previous: int) -> Figure:
    """Return a figure under the kind that the words around it give it."""
    before = sentence[max(previous, figure.start - _BEFORE) : figure.start]
    after = re.split(r"[,;.]|\band\b|\d", sentence[figure.end : figure.end + _AFTER])[0]
    if figure.kind == "power" and _RATED.search(before + after):
        return replace(figure, name="rated")
    if figure.kind not in {"co2e", "energy"}:
        return figure
    words = f"{before} {after}"
    if _ASIDE.search(words) and not _LOCATION.search(words):
        return replace(figure, kind=f"aside {figure.kind}")
    return replace(figure, name="total") if _TOTAL.search(words) else figure
