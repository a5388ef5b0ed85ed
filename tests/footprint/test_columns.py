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
from greenai_magic.footprint.embodied import lines_of, parts_named
from greenai_magic.footprint.impacts import assess
from greenai_magic.footprint.place import find_place
from greenai_magic.quantity import Quantity

PLACES = ["world", "FRA", "USA/CA", "gcp/europe-west9"]
HARDWARE = ["", "laptop + monitor", "8 A100 SXM + gpu server"]
EXACT = 1e-9


may_be_zero = st.one_of(st.just(0.0), sizes)


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
    st.lists(st.tuples(may_be_zero, may_be_zero), min_size=1, max_size=5),
    st.sampled_from(PLACES),
    st.sampled_from(HARDWARE),
    st.one_of(st.just(0.0), st.floats(0.001, 0.7)),
)
def test_columns_are_what_assess_says_of_each_run(runs, name, hardware, log_sd):
    place, parts = find_place(name), parts_named(hardware) if hardware else ()
    frame = assess_columns(*zip(*runs, strict=True), place=place, hardware=parts, energy_log_sd=log_sd)
    for (energy_j, duration_s), row in zip(runs, frame.to_dict("records"), strict=True):
        energy = Quantity(energy_j, "J", spread={"energy": log_sd})
        one = assess(energy, place, lines_of(parts, Quantity(duration_s, "s")))
        assert row.keys() == {f"{line.criterion}{end}" for line in one.lines for end in ("", "_low", "_high")}
        for criterion in {line.criterion for line in one.lines}:
            found = [row[criterion], row[f"{criterion}_low"], row[f"{criterion}_high"]]
            assert found == pytest.approx(bounds(one.of(criterion)), rel=EXACT, abs=0)


def test_a_contract_is_another_figure_and_no_part_of_the_column():
    green = Quantity(5.0, "g CO2e/kWh", "declared", "a contract", name="contract")
    places = [find_place("FRA"), replace(find_place("FRA"), market_intensity=green)]
    without, beside = (assess_columns([3.6e6], place=place)["gwp"][0] for place in places)
    assert beside == without


def test_hardware_costs_by_the_second():
    laptop = {"place": find_place("FRA"), "hardware": parts_named("laptop")}
    frame = assess_columns([3.6e6, 3.6e6, 0.0], [0.0, 3600.0, 3600.0], **laptop)
    electricity, both, made = frame["gwp"]
    assert electricity < both
    assert made > 0
    assert list(frame["e-waste"]) == pytest.approx([0, frame["e-waste"][1], frame["e-waste"][1]])


def test_a_history_keeps_its_index():
    energies = pd.Series([3.6e6, 7.2e6], index=["first", "second"])
    frame = assess_columns(energies, place=find_place("FRA"))
    assert list(frame.index) == ["first", "second"]
    assert frame["gwp"]["second"] == pytest.approx(2 * frame["gwp"]["first"])


def test_an_empty_history_has_the_same_columns():
    frame = assess_columns([], place=find_place("FRA"))
    assert len(frame) == 0
    assert list(frame) == list(assess_columns([1.0], place=find_place("FRA")))


@pytest.mark.parametrize("figures", [[-1.0], [math.nan], [math.inf], [[1.0]], 1.0])
def test_what_is_no_column_is_refused(figures):
    with pytest.raises(UnitError, match="one energy a run"):
        assess_columns(figures, place=find_place("FRA"))
    with pytest.raises(UnitError, match="one duration a run"):
        assess_columns([1.0], figures, place=find_place("FRA"))


def test_hardware_needs_a_duration_for_each_energy():
    laptop = {"place": find_place("FRA"), "hardware": parts_named("laptop")}
    with pytest.raises(UnitError, match="one duration a run"):
        assess_columns([1.0], **laptop)
    with pytest.raises(UnitError, match="one duration for each of 1 runs, not 2"):
        assess_columns([1.0], [1.0, 2.0], **laptop)
