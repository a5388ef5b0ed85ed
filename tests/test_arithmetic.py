"""Sums, products, ratios and differences of figures: their laws, and a simulation to compare with."""

from __future__ import annotations

import math

import numpy as np
import pytest
from figures import WHOLE, figures, lists_of_figures, sizes
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.arithmetic import excess, product, ratio, total
from greenai_magic.errors import UnitError
from greenai_magic.quantity import JOULES_PER_KWH, Quantity

DRAWS = 200_000


def wider(figure, *, cause="", by=0.0, below=0.0, above=0.0):
    spread = dict(figure.spread)
    if cause:
        spread[cause] = spread.get(cause, 0.0) + by
    return Quantity(
        figure.value,
        figure.unit,
        figure.basis,
        figure.source,
        spread,
        figure.below + below,
        figure.above + above,
        figure.name,
    )


def gsd(value, factor, cause, unit="1"):
    return Quantity(value, unit, spread={cause: math.log(factor)}, name=cause)


def sampled(figure, draws, rng=None, dice=None):
    """Draw a figure without margins; what names one cause shares one draw of it."""
    dice = {} if dice is None else dice
    rng = rng or np.random.default_rng(5)
    for cause in figure.spread:
        if cause not in dice:
            dice[cause] = rng.standard_normal(draws)
    return figure.value * np.exp(sum((sd * dice[c] for c, sd in figure.spread.items()), np.zeros(draws)))


def assert_holds_median(figure):
    assert 0 <= figure.low <= figure.value * WHOLE
    assert figure.value <= figure.high * WHOLE


def assert_encloses(outer, inner):
    assert outer.low <= inner.low * WHOLE
    assert outer.high * WHOLE >= inner.high


# Laws


@given(lists_of_figures())
def test_a_product_holds_its_median_which_is_the_product_of_the_medians(parts):
    result = product(parts, "J", name="p", divisor=7.0)
    assert result.value == pytest.approx(math.prod(part.value for part in parts) / 7)
    assert_holds_median(result)


@given(lists_of_figures())
def test_a_total_holds_its_median_which_is_no_less_than_the_sum_of_the_medians(parts):
    result = total(parts)
    assert result.value * WHOLE >= sum(part.value for part in parts)
    assert_holds_median(result)


@given(figures(), figures())
def test_an_excess_holds_its_median_and_never_falls_below_zero(whole, part):
    result = excess(whole, part, name="above")
    assert result.value == pytest.approx(max(0.0, whole.value - part.value), abs=1e-8 * whole.value)
    assert_holds_median(result)


@given(figures(), sizes)
def test_a_ratio_scales_the_interval_and_nothing_else(whole, seconds):
    result = ratio(whole, Quantity(seconds, "s"), "W", name="power")
    assert_holds_median(result)
    assert result.low == pytest.approx(whole.low / seconds)
    assert result.high == pytest.approx(whole.high / seconds)


@given(lists_of_figures(), st.data())
def test_a_wider_input_never_narrows_a_product(parts, data):
    i = data.draw(st.integers(0, len(parts) - 1))
    worse = wider(
        parts[i],
        cause=data.draw(st.sampled_from("abcd")),
        by=data.draw(st.floats(0, 0.5)),
        below=data.draw(st.floats(0, 10)),
        above=data.draw(st.floats(0, 10)),
    )
    before = product(parts, "J", name="p")
    after = product([*parts[:i], worse, *parts[i + 1 :]], "J", name="p")
    assert_encloses(after, before)


@given(lists_of_figures(), st.integers(0, 3), st.floats(0, 10), st.floats(0, 10))
def test_a_wider_margin_never_narrows_a_total(parts, i, below, above):
    i %= len(parts)
    worse = wider(parts[i], below=below, above=above)
    assert_encloses(total([*parts[:i], worse, *parts[i + 1 :]]), total(parts))


@given(lists_of_figures(), st.integers(0, 3), st.sampled_from("abcd"), st.floats(0, 0.3))
def test_a_wider_cause_never_shortens_a_total_nor_lowers_its_top(parts, i, cause, by):
    # Its bottom may rise: a term that varies more on its own has a higher mean. The slack is what the
    # closed form is too wide by before, where one term is very unsure and the others are steady.
    i %= len(parts)
    before = total(parts)
    after = total([*parts[:i], wider(parts[i], cause=cause, by=by), *parts[i + 1 :]])
    assert after.high * 1.03 >= before.high
    assert (after.high - after.low) * 1.03 >= before.high - before.low


@given(lists_of_figures(), st.floats(0.01, 0.5))
def test_a_cause_that_all_terms_share_widens_a_total_at_both_ends(parts, by):
    assert_encloses(total([wider(part, cause="grid", by=by) for part in parts]), total(parts))


@given(figures(), figures(), st.floats(0, 0.5), st.floats(0, 10), st.booleans())
def test_a_wider_input_never_narrows_an_excess(whole, part, by, margin, on_whole):
    before = excess(whole, part, name="above")
    change = {"cause": "its own", "by": by, "below": margin, "above": margin}
    after = excess(
        wider(whole, **change) if on_whole else whole,
        part if on_whole else wider(part, **change),
        name="above",
    )
    assert_encloses(after, before)


@given(sizes, st.floats(0.01, 0.7), st.integers(2, 8))
def test_equal_terms_that_share_every_cause_are_as_unsure_as_one(value, sd, n):
    one = Quantity(value, "J", spread={"sensor": sd})
    several = total([one] * n)
    assert several.value == pytest.approx(n * value)
    assert several.log_sd == pytest.approx(sd)
    # The same through the general formula: a cause that is barely their own keeps the terms apart.
    apart = total([wider(one, cause=f"own {i}", by=1e-6) for i in range(n)])
    assert apart.value == pytest.approx(n * value, rel=1e-6)
    assert apart.log_sd == pytest.approx(sd, rel=1e-6)


@given(sizes, st.floats(0.01, 0.5), st.integers(2, 8))
def test_errors_of_their_own_average_out(value, sd, n):
    terms = [Quantity(value, "J", spread={f"sensor {i}": sd}) for i in range(n)]
    assert total(terms).log_sd < sd
    assert total(terms).log_sd == pytest.approx(sd / math.sqrt(n), rel=0.2)


@given(lists_of_figures())
def test_the_order_of_terms_does_not_matter(parts):
    there, back = total(parts), total(parts[::-1])
    assert back.value == pytest.approx(there.value)
    assert back.low == pytest.approx(there.low, abs=1e-9 * there.high)
    assert back.high == pytest.approx(there.high)


@given(sizes, st.floats(0.1, 0.9), st.floats(0.05, 0.5))
def test_a_cause_shared_in_step_leaves_an_excess_as_unsure_as_its_whole(value, part, sd):
    whole = Quantity(value, "J", spread={"model": sd})
    above = excess(whole, Quantity(value * part, "J", spread={"model": sd}), name="above")
    assert above.low / above.value == pytest.approx(whole.low / whole.value)
    assert above.high / above.value == pytest.approx(whole.high / whole.value)


# Against a simulation


def test_the_worked_example_of_a_training_run_in_france():
    energy = gsd(10 * JOULES_PER_KWH, 1.15, "energy", "J")
    inputs = [energy, gsd(1.2, 1.10, "PUE"), gsd(41.44, 1.10, "grid", "g CO2e/kWh")]
    use = product(inputs, "g CO2e", name="use", divisor=JOULES_PER_KWH)
    made = product(
        [gsd(20, 1.73, "making", "g CO2e"), Quantity(14, "1", name="GPU hours")], "g CO2e", name="made"
    )
    result = total([use, made], name="footprint")
    assert use.value + made.value == pytest.approx(777, rel=0.002)
    assert result.value == pytest.approx(800, rel=0.02)
    assert (result.low, result.high) == (pytest.approx(520, rel=0.03), pytest.approx(1360, rel=0.03))
    rng, dice = np.random.default_rng(1), {}
    draws = sampled(use, DRAWS, rng, dice) + sampled(made, DRAWS, rng, dice)
    low, median, high = np.quantile(draws, [0.025, 0.5, 0.975])
    assert result.value == pytest.approx(median, rel=0.02)
    assert (result.low, result.high) == (pytest.approx(low, rel=0.03), pytest.approx(high, rel=0.03))


@pytest.mark.parametrize(
    "terms",
    [
        [(1.0, {"a": 0.3}), (1.0, {"b": 0.3})],
        [(5.0, {"cpu": 0.03, "grid": 0.2}), (20.0, {"gpu": 0.04, "grid": 0.2}), (1.0, {"grid": 0.2})],
        [(1.0, {"a": 0.25}), (3.0, {"a": 0.1, "b": 0.3}), (2.0, {"b": 0.2})],
        [(4.0, {"a": 0.5}), (1.0, {}), (2.0, {"a": 0.5, "c": 0.2})],
    ],
)
def test_a_total_agrees_with_draws_of_its_terms(terms):
    parts = [Quantity(value, "J", spread=spread) for value, spread in terms]
    rng, dice = np.random.default_rng(2), {}
    low, median, high = np.quantile(sum(sampled(p, DRAWS, rng, dice) for p in parts), [0.025, 0.5, 0.975])
    result = total(parts)
    assert result.value == pytest.approx(median, rel=0.02)
    # Where a steady term carries an unsure one the closed form errs on the wide side.
    assert low * 0.93 <= result.low <= low * 1.01
    assert high * 0.99 <= result.high <= high * 1.05


def test_a_product_agrees_with_draws_of_its_factors():
    parts = [Quantity(3.0, "J", spread={"a": 0.2, "b": 0.1}), Quantity(2.0, "1", spread={"b": 0.3})]
    rng, dice = np.random.default_rng(3), {}
    draws = math.prod(sampled(part, DRAWS, rng, dice) for part in parts)
    result = product(parts, "J", name="p")
    assert [result.low, result.value, result.high] == pytest.approx(
        np.quantile(draws, [0.025, 0.5, 0.975]), rel=0.02
    )


def test_the_margins_of_a_product_are_reached_with_the_other_factor_at_its_bound():
    unsure = Quantity(2.0, "1", spread={"PUE": 0.2})
    counted = Quantity(0.0, "J", above=5.0)
    assert product([unsure, counted], "J", name="p").high == pytest.approx(5.0 * unsure.high)
    reaching_down = Quantity(10.0, "J", below=10.0)
    assert product([unsure, reaching_down], "J", name="p").low == 0


# What cannot be, and what remains


def test_units_do_not_mix():
    joules, watts = Quantity(1.0, "J", name="energy"), Quantity(1.0, "W", name="power")
    for mix in (
        lambda: total([joules, watts]),
        lambda: excess(joules, watts, name="above"),
    ):
        with pytest.raises(UnitError):
            mix()
    with pytest.raises(UnitError, match="none at all"):
        total([])


def test_only_an_exact_figure_above_zero_divides():
    energy = Quantity(1.0, "J")
    for divisor in (
        Quantity(0.0, "s"),
        Quantity(1.0, "s", above=0.1),
        Quantity(1.0, "s", spread={"clock": 0.1}),
    ):
        with pytest.raises(UnitError, match="exact"):
            ratio(energy, divisor, "W", name="power")


def test_a_result_is_as_good_as_its_weakest_unsure_input():
    measured = Quantity(1.0, "J", "measured", spread={"a": 0.1})
    modelled = Quantity(1.0, "J", "modelled", spread={"b": 0.1})
    exact = Quantity(2.0, "J", "default")
    assert total([measured, modelled]).basis == "modelled"
    assert product([measured, exact], "J", name="p").basis == "measured"
    assert excess(measured, modelled, name="e").basis == "modelled"
    assert product([exact, exact], "J", name="p").basis == "default"
