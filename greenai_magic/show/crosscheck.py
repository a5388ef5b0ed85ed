"""A crosscheck in words: each peer's count beside ours, and a table of the modules where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from greenai_magic.flops.crosscheck import Comparison, Line
from greenai_magic.show.words import label, one_line

_HEAD = ("module", "class", "ours", "theirs", "difference", "why")
_TEXTS = (0, 1, 5)
"""Columns that are words."""


def crosscheck_to_text(comparisons: Sequence[Comparison]) -> str:
    """Return a plain-text table: MACs, ours and theirs, each difference with its cause."""
    lines = ["crosscheck: MACs of products, convolutions, attention and recurrence, forward pass"]
    for comparison in comparisons:
        lines.extend(f"  {line}".rstrip() for line in _lines(comparison))
    return "\n".join(lines)


def _lines(comparison: Comparison) -> Iterator[str]:
    peer = label(comparison.peer)
    if comparison.failure:
        yield f"{peer}: {one_line(comparison.failure)}"
        return
    differing = comparison.differing
    same = len(comparison.lines) - len(differing)
    yield (
        f"{peer}: ours {comparison.ours:,}, theirs {comparison.theirs:,}; "
        f"{same:,} of {len(comparison.lines):,} modules agree"
    )
    if comparison.others:
        named = ", ".join(f"{made:,} of {label(name)}" for name, made in comparison.others.items())
        yield f"  in its own total also {named}: no MACs here, and left out"
    if differing:
        yield from (f"  {row}" for row in _table(differing))


def _table(lines: Sequence[Line]) -> Iterator[str]:
    """Yield aligned rows, one for all the modules of which the same is to be said."""
    alike: dict[tuple[str, int, int, str], list[Line]] = {}
    for line in lines:
        alike.setdefault((line.class_name, line.ours, line.theirs, line.cause), []).append(line)
    rows = [_HEAD, *(_row(same) for same in alike.values())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, range(len(row)), strict=True)
        yield "  ".join(cell.ljust(w) if i in _TEXTS else cell.rjust(w) for cell, w, i in cells).rstrip()


def _row(same: Sequence[Line]) -> tuple[str, ...]:
    line = same[0]
    name = label(line.module or "model")
    if len(same) > 1:
        name += f" and {len(same) - 1:,} alike"
    figures = (f"{line.ours:,}", f"{line.theirs:,}", f"{line.theirs - line.ours:+,}")
    return (name, label(line.class_name), *figures, one_line(line.cause))
