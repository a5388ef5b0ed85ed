"""Figures of every kind for Hypothesis, and room for the time it takes to draw them."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

from greenai_magic.quantity import BASES, Quantity

settings.register_profile("laws", deadline=None, max_examples=60)
settings.load_profile("laws")

WHOLE = 1 + 1e-9
"""Room for rounding, as a factor."""

spreads = st.dictionaries(st.sampled_from("abc"), st.floats(0.0, 0.5), max_size=3)
sizes = st.floats(1e-3, 1e6)


@st.composite
def figures(draw, unit="J"):
    value = draw(st.one_of(st.just(0.0), sizes))
    below, above = draw(st.floats(0.0, 2.0)), draw(st.floats(0.0, 2.0))
    size = value or draw(sizes)
    name = draw(st.sampled_from(["value", "energy of gpu0", "odd {0} name", "a.b[c]!r:d"]))
    return Quantity(
        value,
        unit,
        draw(st.sampled_from(BASES)),
        draw(st.sampled_from(["", "a table 2024"])),
        draw(spreads),
        below * size,
        above * size,
        name=name,
    )


def lists_of_figures(most=4):
    return st.lists(figures(), min_size=1, max_size=most)
