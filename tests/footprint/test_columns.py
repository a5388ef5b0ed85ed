"""Footprints as columns are those of each run, one at a time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from figures import lists_of_figures, sizes
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.arithmetic import total
from greenai_magic.errors import UnitError
from greenai_magic.footprint.columns import assess_columns, scaled_totals
from greenai_magic.footprint.impacts import assess
from greenai_magic.footprint.place import find_place
from greenai_magic.quantity import Quantity

PLACES = ["world", "FRA", "USA/CA", "gcp/europe-west9"]
EXACT = 1e-9


def bounds(figure):
    return [figure.value, figure.low, figure.high]


def times(figure, factor):
    return replace(
        figure, value=figure.value * factor, below=figure.below * factor, above=figure.above * factor
    )


@given(
    lists_of_figures(), st.lists(st.lists(st.floats(0, 1e3), min_size=4, max_size=4), min_size=1, max_size=5)
)
def test_totals_of_many_rows_are_the_totals_of_each(lines, rows):
    # A factor that underflows is no use of anything.
    factors = np.array([[f if f > 1e-6 else 0.0 for f in row[: len(lines)]] for row in rows])
    found = np.stack(scaled_totals(lines, factors), axis=-1)
    for row, figures in zip(factors, found, strict=True):
        one = total(times(line, factor) for line, factor in zip(lines, row, strict=True))
        assert list(figures) == pytest.approx(bounds(one), rel=EXACT, abs=EXACT * one.high)


@given(
    st.lists(st.one_of(st.just(0.0), sizes), min_size=1, max_size=5),
    st.sampled_from(PLACES),
    st.one_of(st.just(0.0), st.floats(0.001, 0.7)),
)
def test_columns_are_what_assess_says_of_each_run(energies_j, name, log_sd):
    place = find_place(name)
    frame = assess_columns(energies_j, place=place, energy_log_sd=log_sd)
    assert list(frame) == ["gwp", "gwp_low", "gwp_high"]
    for energy_j, row in zip(energies_j, frame.itertuples(index=False), strict=True):
        energy = Quantity(energy_j, "J", spread={"energy": log_sd})
        assert list(row) == pytest.approx(bounds(assess(energy, place).gwp), rel=EXACT)


def test_a_history_keeps_its_index_and_tells_its_units():
    energies = pd.Series([3.6e6, 7.2e6], index=["first", "second"])
    frame = assess_columns(energies, place=find_place("FRA"))
    assert list(frame.index) == ["first", "second"]
    assert frame.attrs["units"]["gwp"] == "g CO2e"
    assert frame["gwp"]["second"] == pytest.approx(2 * frame["gwp"]["first"])


def test_an_empty_history_has_the_same_columns():
    frame = assess_columns([], place=find_place("FRA"))
    assert len(frame) == 0
    assert list(frame) == list(assess_columns([1.0], place=find_place("FRA")))


@pytest.mark.parametrize("energies", [[-1.0], [math.nan], [math.inf], [[1.0]], 1.0])
def test_what_is_no_column_of_energies_is_refused(energies):
    with pytest.raises(UnitError, match="one energy a run"):
        assess_columns(energies, place=find_place("FRA"))
