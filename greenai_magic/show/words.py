"""How figures read, and how words that came from outside are made safe to show."""

from __future__ import annotations

import math

from greenai_magic.quantity import Basis, Quantity, significant

ROUGH: tuple[Basis, ...] = ("modelled", "default")
"""Bases that no counter and no declaration stand behind."""
_LONGEST_LABEL = 80
_SCORE_DIGITS = 4


def figure(quantity: Quantity) -> str:
    """Return value, unit and 95 % interval, after ``≈`` where the interval is a model's.

    A figure that may be zero is only an upper bound, ``< 3.0 mWh``.
    """
    text = str(quantity)
    rough = quantity.basis in ROUGH and quantity.low < quantity.high
    return f"≈ {text}" if rough and not text.startswith(("<", "≥")) else text


def at_least(figure: str) -> str:
    """Mark a total that leaves something out: it bounds the whole from below.

    An interval or an upper bound can only be said of what was counted, never of the whole.
    """
    if figure.startswith("<"):
        return f"{figure} counted"
    return f"≥ {figure.removeprefix('≈ ').removeprefix('≥ ').replace('(', '(counted: ')}"


def score_figure(score: float) -> str:
    """Return a score with at least four digits; those before the point are all kept."""
    if not math.isfinite(score):
        return str(score)
    return label(significant(score, max(_SCORE_DIGITS, len(str(int(abs(score)))))))


def one_line(text: str) -> str:
    """Return a text on one line, without what could steer a terminal or turn the direction of reading."""
    return " ".join("".join(char for char in text if char.isprintable() or char.isspace()).split())


def label(text: str) -> str:
    """Return a text as one line that is short enough for a label."""
    line = one_line(text)
    return line if len(line) <= _LONGEST_LABEL else f"{line[: _LONGEST_LABEL - 1]}…"
