"""Draws of figures, what each cause does to a sum, and two sums side by side."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from figures import WHOLE, figures, lists_of_figures, sizes
from hypothesis import assume, given
from hypothesis import strategies as st

from greenai_magic.arithmetic import product, total
from greenai_magic.errors import UnitError
from greenai_magic.footprint.impacts import assess
from greenai_magic.footprint.place import find_place
from greenai_magic.footprint.uncertainty import (
    RESOLUTION,
    Comparison,
    compare,
    draws,
    settled,
    simulated,
    tornado,
    tornado_text,
)
from greenai_magic.meter.accuracy import CPU_KNOWN_VCPU, NVML_COUNTER, NVML_POWER
from greenai_magic.quantity import JOULES_PER_KWH, Z95, Quantity

GPU_HOURS = Quantity(14, "1", name="GPU hours")


def unsure(value, factor, cause, unit="1"):
    return Quantity(value, unit, spread={cause: math.log(factor)}, name=cause)


def training_in_france(energy_kwh=10.0, hours=GPU_HOURS):
    """10 kWh at the devices, PUE 1.2, 41.44 g/kWh, and 14 GPU-hours of 20 g each."""
    energy = unsure(energy_kwh * JOULES_PER_KWH, 1.15, "energy", "J")
    place = unsure(1.2, 1.10, "PUE"), unsure(41.44, 1.10, "grid", "g CO2e/kWh")
    use = product([energy, *place], "g CO2e", name="use", divisor=JOULES_PER_KWH)
    making = unsure(20, 1.73, "making", "g CO2e")
    return use, product([making, hours], "g CO2e", name="made")


def without_margins(parts):
    return settled(parts, RESOLUTION)


def width(figure):
    return math.log(figure.high / figure.low)


# Draws


def test_the_worked_example_of_a_training_run_in_france():
    lines = training_in_france()
    result = simulated(lines, 50_000)
    assert result.value == pytest.approx(800, rel=0.02)
    assert (result.low, result.high) == (pytest.approx(520, rel=0.03), pytest.approx(1360, rel=0.03))
    assert str(result) == "0.80 kg CO2e (0.52–1.4)"
    closed = total(lines)
    assert [closed.low, closed.value, closed.high] == pytest.approx(
        [result.low, result.value, result.high], rel=0.03
    )


@given(figures())
def test_one_figure_is_drawn_as_it_is_told(figure):
    steady = without_margins([figure])
    result = simulated(steady, 50_000)
    assert result.value == pytest.approx(figure.value, rel=0.02)
    assert [result.low, result.high] == pytest.approx([steady[0].low, steady[0].high], rel=0.03)


@given(lists_of_figures())
def test_the_closed_form_of_a_total_is_never_much_narrower_than_its_draws(parts):
    drawn, closed = simulated(parts, 20_000), total(parts)
    assert closed.low <= drawn.low + 0.03 * (drawn.high - drawn.low)
    assert closed.high * 1.03 >= drawn.high


@given(sizes, st.floats(0, 3), st.floats(0, 3))
def test_margins_alone_reach_their_bounds_and_never_below_zero(value, below, above):
    (row,) = draws([Quantity(value, "J", below=below * value, above=above * value)], 50_000)
    assert row.min() >= 0
    low, median, high = np.quantile(row, [0.025, 0.5, 0.975])
    assert low == pytest.approx(max(0.0, value * (1 - below)), abs=0.02 * (1 + below) * value)
    assert median == pytest.approx(value, rel=0.03)
    assert high == pytest.approx(value * (1 + above), rel=0.03)


def test_a_figure_that_may_be_zero_is_drawn_up_to_its_bound():
    result = simulated([Quantity(0.0, "J", above=5.0)])
    assert (result.low, result.value) == (0, 0)
    assert result.high == pytest.approx(5.0, rel=0.05)


@given(sizes, sizes, st.floats(0.01, 0.5))
def test_a_shared_cause_is_drawn_once(a, b, log_sd):
    spread = {"grid": log_sd}
    first, second = draws([Quantity(a, "J", spread=spread), Quantity(b, "J", spread=spread)], 100)
    assert first / a == pytest.approx(second / b)
    # In another call as well, whatever else is drawn there.
    _, again = draws([unsure(1.0, 1.5, "other"), Quantity(a, "J", spread=spread)], 100)
    assert np.array_equal(again, first)


def test_causes_of_their_own_and_margins_are_independent():
    parts = [unsure(1.0, 1.2, "a"), unsure(1.0, 1.2, "b"), *2 * [Quantity(9.0, "1", below=1.0, above=1.0)]]
    correlation = np.corrcoef(draws(parts, 50_000))
    assert correlation == pytest.approx(np.eye(4), abs=0.02)


def test_a_seed_gives_the_same_draws_and_leaves_the_global_generator_alone():
    lines = [*training_in_france(), Quantity(9.0, "g CO2e", below=1.0)]
    np.random.seed(3)  # noqa: NPY002
    first = draws(lines, 1000, seed=1)
    after = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    assert np.random.random() == after  # noqa: NPY002
    assert np.array_equal(draws(lines, 1000, seed=1), first)
    assert not np.array_equal(draws(lines, 1000, seed=2), first)


@given(lists_of_figures(), st.floats(0.1, 10))
def test_draws_are_linear_in_the_value(parts, by):
    larger = [replace(p, value=p.value * by, below=p.below * by, above=p.above * by) for p in parts]
    assert draws(larger, 50) == pytest.approx(draws(parts, 50) * by)


def test_a_simulated_sum_keeps_its_unit_its_basis_and_its_terms():
    lines = [unsure(1.0, 1.1, "a", "J"), replace(unsure(1.0, 1.1, "b", "J"), basis="modelled")]
    result = simulated(lines)
    assert (result.unit, result.basis, result.inputs) == ("J", "modelled", tuple(lines))
    with pytest.raises(UnitError, match="none at all"):
        simulated([])


# By cause


@given(lists_of_figures())
def test_shares_of_causes_add_up_to_one_and_come_largest_first(parts):
    bars = tornado(parts)
    assume(bars)
    shares = [bar.share for bar in bars]
    assert math.fsum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    median = math.fsum(part.value for part in parts)
    for bar in bars:
        assert bar.low <= median * WHOLE
        assert bar.high * WHOLE >= median


@given(st.dictionaries(st.sampled_from("abcde"), st.floats(0.01, 0.7), min_size=1), sizes)
def test_the_shares_of_a_product_are_its_log_variances(spread, value):
    bars = tornado([Quantity(value, "J", spread=spread)])
    variance = math.fsum(sd**2 for sd in spread.values())
    assert {bar.cause: bar.share for bar in bars} == {
        cause: pytest.approx(sd**2 / variance) for cause, sd in spread.items()
    }
    for bar in bars:
        assert bar.low == pytest.approx(value * math.exp(-Z95 * spread[bar.cause]))
        assert bar.high == pytest.approx(value * math.exp(Z95 * spread[bar.cause]))


@given(lists_of_figures())
def test_knowing_the_first_cause_shrinks_the_interval_most(parts):
    lines = without_margins(part for part in parts if part.value)
    bars = tornado(lines) if lines else ()
    assume(bars)
    left = {bar.cause: width(simulated(settled(lines, bar.cause))) for bar in bars}
    # Causes that do nearly the same may come in either order.
    assert left[bars[0].cause] <= min(left.values()) + 0.05 * width(simulated(lines))


def test_the_making_of_hardware_is_what_a_training_run_in_france_should_learn_more_about():
    lines = training_in_france()
    bars = tornado(lines)
    assert [bar.cause for bar in bars] == ["making", "energy", "PUE", "grid"]
    assert bars[0].low == pytest.approx(497.28 + 280 / 1.73**Z95)
    assert bars[0].high == pytest.approx(497.28 + 280 * 1.73**Z95)
    widths = {bar.cause: width(total(settled(lines, bar.cause))) for bar in bars}
    assert min(widths, key=widths.get) == "making"
    *rows, sentence = tornado_text(lines).splitlines()
    assert [row.split()[:3] for row in rows] == [
        ["making", "73", "%"],
        ["energy", "14", "%"],
        ["PUE", "7", "%"],
        ["grid", "7", "%"],
    ]
    assert rows[0].endswith("0.78 kg CO2e (0.59–1.3)")
    assert sentence.startswith("Measure next: making makes 73 % of the uncertainty;")
    assert sentence.endswith("without it 0.81 kg CO2e (0.51–1.4) would be 0.78 kg CO2e (0.62–1.0).")


def test_margins_are_a_cause_of_their_own():
    short = Quantity(10.0, "J", spread={"sensor": 0.02}, below=6.0, above=6.0)
    resolution, sensor = tornado([short])
    assert (resolution.cause, sensor.cause) == (RESOLUTION, "sensor")
    assert (resolution.low, resolution.high) == (pytest.approx(4), pytest.approx(16))
    assert resolution.share == pytest.approx(
        math.log1p((6 / Z95 / 10) ** 2) / (math.log1p((6 / Z95 / 10) ** 2) + 0.02**2)
    )
    assert tornado(settled([short], RESOLUTION))[0].share == 1
    assert "Measure for longer: counter resolution and uneven bounds makes" in tornado_text([short])


def test_margins_of_several_figures_add_in_squares_as_they_are_drawn():
    lines = [Quantity(100.0, "J", below=6.0, above=3.0), Quantity(100.0, "J", below=8.0, above=4.0)]
    (bar,) = tornado(lines)
    assert (bar.low, bar.high) == (pytest.approx(190), pytest.approx(205))
    result = simulated(lines, 50_000)
    assert result.high == pytest.approx(bar.high, rel=0.01)


def test_what_may_be_nothing_is_unsure_by_its_margin_alone():
    (bar,) = tornado([Quantity(0.0, "J", spread={"sensor": 0.3}, above=5.0)])
    assert (bar.cause, bar.share, bar.low, bar.high) == (RESOLUTION, 1, 0, 5)


def test_what_is_exact_has_no_tornado():
    exact = [Quantity(3600.0, "J", spread={"sensor": 0.0})]
    assert tornado(exact) == ()
    assert tornado_text(exact) == "Nothing is unsure in 1.00 Wh."


def test_a_tornado_needs_figures_of_one_unit():
    with pytest.raises(UnitError, match="none at all"):
        tornado([])
    with pytest.raises(UnitError, match="one unit"):
        tornado([Quantity(1.0, "J"), Quantity(1.0, "W")])


# Two side by side


def test_making_hardware_does_not_blur_a_saving_of_energy_on_one_machine():
    before, after = training_in_france(10.0), training_in_france(9.0)
    result = compare(before, after)
    assert result.verdict == "second is lower"
    assert result.cancelled == ("PUE", "energy", "grid", "making")
    assert result.ratio.value == pytest.approx(1 - 0.1 * 497.28 / 777.28, abs=0.005)
    assert 0.9 < result.ratio.low < result.ratio.high < 0.975
    assert str(result) == (
        f"The second is lower: second / first = {result.ratio}, the second is lower with a probability "
        "of over 99 %; in common: PUE, energy, grid, making. What differs from run to run is not in it: repeat both."
    )


def test_across_machines_nothing_cancels():
    before, after = training_in_france(10.0), training_in_france(9.0)
    result = compare(before, after, shared=())
    assert result.verdict == "indistinguishable"
    assert result.cancelled == ()
    assert result.ratio.high / result.ratio.low > 3


def test_only_what_is_said_to_be_shared_cancels():
    before, after = training_in_france(10.0), training_in_france(9.0)
    two_machines_in_one_place = compare(before, after, shared={"grid", "PUE", "no such cause"})
    assert two_machines_in_one_place.cancelled == ("PUE", "grid")
    widths = [width(compare(before, after, shared=s).ratio) for s in ((), {"grid", "PUE"}, None)]
    assert widths == sorted(widths, reverse=True)


@given(lists_of_figures(), st.floats(0.1, 10))
def test_what_is_shared_throughout_leaves_an_exact_ratio(parts, by):
    lines = without_margins(parts)
    assume(sum(line.value for line in lines))
    result = compare(lines, [replace(line, value=line.value * by) for line in lines])
    assert [result.ratio.low, result.ratio.value, result.ratio.high] == pytest.approx([by] * 3)


@given(lists_of_figures(), lists_of_figures())
def test_turning_two_round_turns_the_verdict(a, b):
    a, b = without_margins(a), without_margins(b)
    assume(sum(part.value for part in a) and sum(part.value for part in b))
    there, back = compare(a, b), compare(b, a)
    assert there.first_is_lower + back.first_is_lower == pytest.approx(1)
    assert there.ratio.value * back.ratio.value == pytest.approx(1, rel=0.001)


@given(lists_of_figures())
def test_a_footprint_is_indistinguishable_from_itself(parts):
    lines = without_margins(parts)
    assume(sum(line.value for line in lines))
    result = compare(lines, lines)
    assert (result.verdict, result.first_is_lower) == ("indistinguishable", 0.5)


@pytest.mark.parametrize(
    ("probability", "verdict"),
    [
        (0.0499, "second is lower"),
        (0.05, "indistinguishable"),
        (0.5, "indistinguishable"),
        (0.95, "indistinguishable"),
        (0.9501, "first is lower"),
    ],
)
def test_a_verdict_needs_more_than_95_in_100(probability, verdict):
    assert Comparison(Quantity(1.0, "1"), probability, ()).verdict == verdict


def test_an_error_of_a_sensor_cancels_between_two_runs():
    before, after = (NVML_COUNTER.energy(j, 60.0, name="gpu0", source="replay") for j in (6000.0, 5800.0))
    assert before.high > 1.05 * before.value
    result = compare([before], [after])
    assert result.verdict == "second is lower"
    assert result.cancelled == (NVML_COUNTER.cause,)


@pytest.mark.parametrize("place", ["world", "FRA", "USA/CA", "gcp/europe-west9"])
def test_where_the_electricity_comes_from_does_not_blur_a_saving_on_one_machine(place):
    before, after = (
        assess(NVML_COUNTER.energy(j, 60.0, name="gpu0", source="replay"), find_place(place))
        for j in (6000.0, 5400.0)
    )
    lines = [[line.quantity for line in footprint.gwp_lines] for footprint in (before, after)]
    result = compare(*lines)
    assert result.verdict == "second is lower"
    assert result.ratio.high / result.ratio.low < 1.03
    assert compare(*lines, shared=()).verdict == "indistinguishable"


def test_margins_of_each_run_stay_when_those_of_the_place_cancel():
    grid = Quantity(475.0, "g CO2e/kWh", spread={"grid": 0.3}, below=225.0, name="grid")
    lines = [
        [product([Quantity(j, "J", below=1.0, above=1.0), grid], "g CO2e", name="CO2e", divisor=3.6e6)]
        for j in (10.0, 9.0)
    ]
    result = compare(*lines)
    assert result.verdict == "indistinguishable"
    bare = compare([Quantity(10.0, "J", below=1.0, above=1.0)], [Quantity(9.0, "J", below=1.0, above=1.0)])
    # A product takes an input's margin at the other's bound.
    assert width(bare.ratio) < width(result.ratio) < 1.5 * width(bare.ratio)


def test_noise_of_sampling_does_not_cancel_between_two_runs():
    polled = [NVML_POWER.energy(j, 1.0, name="gpu0", source="replay") for j in (100.0, 96.0)]
    assert set(polled[0].spread) == {NVML_POWER.cause, "gpu0 sampling"}
    steady = [replace(energy, below=0.0, above=0.0) for energy in polled]
    result = compare(steady[:1], steady[1:])
    assert result.cancelled == (NVML_POWER.cause,)
    assert result.verdict == "indistinguishable"
    noise = polled[0].spread["gpu0 sampling"]
    assert width(result.ratio) == pytest.approx(2 * Z95 * noise * math.sqrt(2), rel=0.03)


def test_what_a_model_is_wrong_by_cancels_between_two_runs():
    before, after = (CPU_KNOWN_VCPU.energy(j, 60.0, name="cpu", source="model") for j in (600.0, 540.0))
    assert compare([before], [after]).verdict == "second is lower"
    assert compare([before], [after], shared=()).verdict == "indistinguishable"


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ([], [Quantity(1.0, "J")], "First total needs figures of one unit, not none at all"),
        ([Quantity(1.0, "J")], [], "Second total needs figures of one unit, not none at all"),
        ([Quantity(0.0, "J")], [Quantity(1.0, "J")], "First total is zero"),
        ([Quantity(1.0, "J")], [Quantity(0.0, "J", above=1.0)], "Second total is zero"),
        ([Quantity(1.0, "J", below=3.0)], [Quantity(1.0, "J")], "First total may be zero .* longer run"),
        ([Quantity(1.0, "J")], [Quantity(1.0, "W")], "one unit, not J, W"),
    ],
)
def test_what_gives_no_ratio_is_refused_in_one_sentence(first, second, sentence):
    with pytest.raises(UnitError, match=sentence):
        compare(first, second)
