from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai_magic.errors import SettingError, UnitError
from greenai_magic.estimate.project import (
    break_even,
    flop_count,
    inference_share,
    project_cost,
    transformer_inference_flops,
    transformer_training_flops,
)
from greenai_magic.flops.report import FlopReport, Row, Uncounted
from greenai_magic.quantity import JOULES_PER_KWH, Quantity

WH = JOULES_PER_KWH / 1000
FACTORS = ("examples", "epochs", "folds", "seeds", "trials")
counts = st.integers(1, 1000)


def joules(value: float, **spread: float) -> Quantity:
    return Quantity(value, "J", "measured", "a meter 2026", spread, name="one example")


def report(flops: int = 6, *, uncounted: tuple[Uncounted, ...] = ()) -> FlopReport:
    row = Row("", "forward", "aten.mm", "matmul", ((1, 1),), 1, flops, flops // 2, 12, "2 x 3")
    return FlopReport("Net", "x: 1", "counted from shapes", (row,), (), uncounted, 3, 3, 12)


def test_cost_is_in_proportion_to_e_d_and_h():
    cost = project_cost(joules(0.002 * WH), examples=50_000, trials=40)
    assert cost.total.value == pytest.approx(4 * JOULES_PER_KWH)
    assert str(cost.total) == "4.00 kWh"


def test_what_was_left_at_one_is_named():
    cost = project_cost(joules(1), examples=50_000, trials=40)
    assert cost.left_at_one == ("epochs", "folds", "seeds")
    assert cost.left_out == ("failed_runs", "validation_examples")
    assert cost.note == (
        "50,000 examples, 40 trials; epochs, folds, seeds left at 1; "
        "failed runs and validation examples not included."
    )
    assert cost.total.source == "a meter 2026; epochs, folds, seeds left at 1"
    assert str(cost).endswith(cost.note)


def test_one_that_was_given_is_not_left_at_one():
    cost = project_cost(joules(1), **dict.fromkeys(FACTORS, 1), failed_runs=0, validation_examples=0)
    assert (cost.left_at_one, cost.left_out) == ((), ())
    assert cost.total.value == 1
    assert "left" not in cost.note + cost.total.source


@settings(deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(FACTORS, counts)), st.sampled_from(FACTORS), counts)
def test_cost_is_linear_in_each_factor(factors, name, times):
    one = project_cost(joules(2.0, sensor=0.1), **factors).total
    more = project_cost(joules(2.0, sensor=0.1), **{**factors, name: factors[name] * times}).total
    for bound in ("low", "value", "high"):
        assert getattr(more, bound) == pytest.approx(times * getattr(one, bound))


@settings(deadline=None)
@given(st.floats(1e-6, 1e6), counts)
def test_cost_is_linear_in_the_example(each, examples):
    cost = project_cost(joules(each), examples=examples, epochs=3)
    assert cost.total.value == pytest.approx(each * examples * 3)


def test_a_failed_run_costs_as_a_whole_one():
    good = project_cost(joules(1), examples=100, epochs=10, trials=4).total.value
    all_runs = project_cost(joules(1), examples=100, epochs=10, trials=4, failed_runs=2).total.value
    assert (good, all_runs) == (4000, 6000)


def test_validation_is_a_forward_pass_for_each_of_its_examples_an_epoch():
    whole = project_cost(joules(3, sensor=0.1), examples=100, epochs=10, validation_examples=30).total
    assert whole.value == pytest.approx(10 * (300 + 30))
    assert whole.spread["sensor"] == pytest.approx(0.1)
    given_cost = project_cost(joules(3), examples=100, validation_examples=30, validation_example=joules(2))
    assert given_cost.total.value == pytest.approx(360)


def test_the_formula_gives_the_figure_again():
    whole = project_cost(joules(3), examples=100, epochs=10, folds=5, failed_runs=1).total
    line = next(line for line in whole.explain().splitlines() if re.match(r"  = [\d(]", line))
    assert eval(line.split("=")[1]) == pytest.approx(whole.value)


@pytest.mark.parametrize(
    ("example", "unit", "value"),
    [
        (2.5, "J", 2.5),
        (Quantity(3e9, "FLOP"), "FLOP", 3e9),
        ("3 GFLOP", "FLOP", 3e9),
        (report(6), "FLOP", 6),
        (Quantity(0.5, "s"), "s", 0.5),
        (Quantity(0.5, "g CO2e"), "g CO2e", 0.5),
    ],
)
def test_an_example_costs_joules_operations_seconds_or_grams(example, unit, value):
    total = project_cost(example, examples=10).total
    assert (total.unit, total.value) == (unit, 10 * value)


@pytest.mark.parametrize("unit", ["FLOP/s", "W", "g CO2e/kWh", "1"])
def test_what_does_not_add_up_is_refused(unit):
    with pytest.raises(UnitError, match=r"rate|add up"):
        project_cost(Quantity(1.0, unit), examples=10)


def test_two_units_are_not_mixed():
    with pytest.raises(UnitError, match="one unit"):
        project_cost(joules(1), examples=1, validation_examples=1, validation_example=Quantity(1, "FLOP"))
    with pytest.raises(UnitError, match="figure"):
        project_cost([1.0], examples=1)


@pytest.mark.parametrize("count", [0, -1, 2.0, True, "3"])
@pytest.mark.parametrize("name", FACTORS)
def test_a_factor_is_a_whole_number_above_zero(name, count):
    with pytest.raises(SettingError, match=f"{name} must be a whole number of at least 1"):
        project_cost(joules(1), **{name: count})


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (3.14e23, 314_000_000_000_000_000_000_000),
        (17, 17),
        ("3.14e23", 314_000_000_000_000_000_000_000),
        ("3.14e23 FLOP", 314_000_000_000_000_000_000_000),
        ("3.14E+23 FLOPs", 314_000_000_000_000_000_000_000),
        ("4.1 GFLOP", 4_100_000_000),
        ("4.1GFLOPs", 4_100_000_000),
        ("12,345", 12_345),
        ("9007199254740993", 9007199254740993),
    ],
)
def test_a_number_of_operations(value, count):
    assert flop_count(value) == pytest.approx(count, rel=1e-15, abs=0)
    assert isinstance(flop_count(value), int)


def test_a_figure_and_a_report_are_counts_too():
    figure = Quantity(3e9, "FLOP", "declared", "a paper 2020", {"model": 0.1})
    assert flop_count(figure) is figure
    assert (flop_count(report(8)).value, flop_count(report(8)).unit) == (8, "FLOP")


def test_what_a_report_could_not_count_is_named():
    partly = report(uncounted=(Uncounted("aten.odd", ((2,),), 1, ("",)),))
    assert "at least: aten.odd not counted" in flop_count(partly).source


@pytest.mark.parametrize(
    "rate",
    [
        Quantity(1e12, "FLOP/s"),
        "312 TFLOP/s",
        "312 TFLOPS",
        "312e12 FLOP/s",
        "19.5 TFLOPs/s",
        "5 gflops",
        "5 GFLOP per second",
        "5 GFLOP s^-1",
    ],
)
def test_a_rate_is_no_count(rate):
    with pytest.raises(UnitError, match="rate: FLOP/s say how fast"):
        flop_count(rate)


@pytest.mark.parametrize(
    "value",
    [0, 0.5, -1, float("nan"), float("inf"), True, None, [1], "", "many", "5 J", "1.2.3", Quantity(1.0, "J")],
)
def test_what_is_no_number_of_operations_is_refused(value):
    with pytest.raises(UnitError, match="no number of operations"):
        flop_count(value)


@pytest.mark.parametrize(
    ("name", "parameters", "tokens", "published"),
    [
        ("GPT-3, Brown et al. 2020, table D.1", 174.6e9, 300e9, 3.14e23),
        ("Llama 3.1 405B, Llama Team 2024, section 3.2", 405e9, 15.6e12, 3.8e25),
        ("T5-11B, Brown et al. 2020, table D.1 (of its two halves, each does half)", 11e9 / 2, 1e12, 3.30e22),
    ],
)
def test_operations_of_training_are_those_published(name, parameters, tokens, published):
    assert transformer_training_flops(parameters, tokens).value == pytest.approx(published, rel=0.005), name


@settings(deadline=None)
@given(st.floats(1, 1e12), st.floats(1, 1e13))
def test_inference_is_a_third_of_training(parameters, tokens):
    trained, served = (
        transformer_training_flops(parameters, tokens),
        transformer_inference_flops(parameters, tokens),
    )
    assert trained.value == pytest.approx(3 * served.value)
    assert served.value == pytest.approx(2 * parameters * tokens)
    assert trained.unit == served.unit == "FLOP"


def test_the_short_form_says_what_it_leaves_out():
    assert "queries with keys" in transformer_training_flops(1e9, 1e9).source
    assert "2001.08361" in transformer_inference_flops(1e9, 1e9).source


@pytest.mark.parametrize("bad", [0, -1, float("nan"), "7B", True])
def test_parameters_are_a_number_above_zero(bad):
    with pytest.raises(SettingError, match="above zero"):
        transformer_training_flops(bad, 1e9)


def test_inference_outweighs_training_after_so_many_requests():
    assert break_even(100 * JOULES_PER_KWH, WH).value == pytest.approx(100_000)
    assert break_even(joules(100 * JOULES_PER_KWH), joules(WH)).value == pytest.approx(100_000)
    assert inference_share(100 * JOULES_PER_KWH, WH, 100_000) == pytest.approx(0.5)
    assert inference_share(100 * JOULES_PER_KWH, WH, 400_000) == pytest.approx(0.8)
    assert inference_share(100 * JOULES_PER_KWH, WH, 0) == 0


def test_an_error_that_both_share_cancels():
    shared = break_even(joules(1000, sensor=0.2), joules(1, sensor=0.2))
    own = break_even(joules(1000, a=0.2), joules(1, b=0.2))
    assert shared.low == pytest.approx(shared.high)
    assert own.high / own.value == pytest.approx(joules(1, a=0.2 * 2**0.5).high)


@settings(deadline=None)
@given(st.floats(0, 0.9), st.floats(0, 2), st.floats(0, 0.9), st.floats(0, 2))
def test_margins_of_both_widen_the_break_even(below, above, each_below, each_above):
    training = Quantity(1000.0, "J", below=1000 * below, above=1000 * above)
    request = Quantity(1.0, "J", below=each_below, above=each_above)
    found = break_even(training, request)
    assert found.low == pytest.approx(training.low / request.high, abs=1e-6)
    assert found.high == pytest.approx(training.high / request.low)


@pytest.mark.parametrize(
    ("training", "request_cost"),
    [
        (joules(1), Quantity(1.0, "FLOP")),
        (joules(1), joules(0)),
        (joules(1), Quantity(1.0, "J", below=1.0)),
    ],
)
def test_a_request_that_may_cost_nothing_never_breaks_even(training, request_cost):
    with pytest.raises(UnitError, match="request"):
        break_even(training, request_cost)
