"""Totals in sentences and lists: whether what is listed adds up to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from greenai_magic.estimate.lint.claim import Finding
from greenai_magic.estimate.lint.prose import shortened
from greenai_magic.estimate.lint.text import Passage, Section
from greenai_magic.quantity import significant

_LEAST_PARTS = 2
_TOLERANCE = 0.005


def check_sums(sections: Sequence[Section]) -> Iterator[Finding]:
    """Yield totals of CO2e to which the figures beside them, two or more, do not add up."""
    for section in sections:
        for block in section.blocks:
            summed = [passage for passage in block.sentences if _has_sum(passage)]
            for passage in summed or [block.whole()]:
                yield from _check(passage)


def _has_sum(passage: Passage) -> bool:
    figures = passage.of("co2e")
    return len(figures) > _LEAST_PARTS and sum(figure.name == "total" for figure in figures) == 1


def _check(passage: Passage) -> Iterator[Finding]:
    if not _has_sum(passage):
        return
    total = next(figure for figure in passage.of("co2e") if figure.name == "total")
    parts = [figure for figure in passage.of("co2e") if figure is not total]
    summed = sum(figure.value for figure in parts)
    within = total.error * total.value + sum(figure.error * figure.value for figure in parts)
    if abs(summed - total.value) > within + _TOLERANCE * total.value:
        yield Finding(
            "total",
            f"The {len(parts)} figures printed add up to {significant(summed, 4)} kg, and the total says "
            f"{significant(total.value, 4)} kg.",
            "Print the parts that are missing, or the total of those that are there.",
            shortened(passage.text),
            total.line,
        )
