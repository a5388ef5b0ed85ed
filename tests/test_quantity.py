"""Figures with intervals: how they read, explain themselves, and are kept."""

from __future__ import annotations

import ast
import copy
import json
import math
import operator
import pickle
import re

import pytest
from figures import WHOLE, figures, sizes
from hypothesis import assume, given
from hypothesis import strategies as st

from greenai_magic.arithmetic import excess, product, ratio, total
from greenai_magic.errors import UnitError
from greenai_magic.quantity import JOULES_PER_KWH, Z95, Quantity, show, significant

# How figures read


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Quantity(0.80347, "kg", spread={"all": math.log(1.36 / 0.52) / 2 / Z95}), "0.80 kg (0.50–1.3)"),
        (Quantity(0.80347, "kg", below=0.28347, above=0.55653), "0.80 kg (0.52–1.4)"),
        (Quantity(803.47, "g CO2e", spread={"all": 0.2}), "0.80 kg CO2e (0.54–1.2)"),
        (Quantity(1234.5, "g CO2e", spread={"all": 0.02}), "1.23 kg CO2e (1.19–1.28)"),
        (Quantity(999.7, "g CO2e", spread={"all": 0.2}), "1.0 kg CO2e (0.68–1.5)"),
        (Quantity(2.5e6, "g CO2e", spread={"all": 0.2}), "2.5 t CO2e (1.7–3.7)"),
        (Quantity(36_000, "J", spread={"all": 0.1}), "10 Wh (8.2–12)"),
        (Quantity(36_000, "J", spread={"all": 0.02}), "10.0 Wh (9.62–10.4)"),
        (Quantity(3.6, "J", spread={"all": 0.3}), "1.0 mWh (0.56–1.8)"),
        (Quantity(0.0, "J", above=3.6), "< 1.0 mWh"),
        (Quantity(0.1, "J", below=0.1, above=3.6), "< 1.0 mWh"),
        (Quantity(1.8, "J", below=1.8, above=1.8), "< 1.0 mWh"),
        (Quantity(0.0, "J"), "0 Wh"),
        (Quantity(0.0, "s"), "0 s"),
        (Quantity(0.25, "1", below=0.15, above=0.5), "0.25 (0.10–0.75)"),
        (Quantity(90.0, "s"), "1.50 min"),
        (Quantity(12.345, "W"), "12.3 W"),
    ],
)
def test_a_figure_reads_as_few_digits_as_it_deserves(figure, text):
    assert show(figure) == str(figure) == text


@given(figures(unit="g CO2e"))
def test_no_figure_shows_more_than_three_digits_or_an_exponent(figure):
    for number in re.findall(r"[\d.]+(?:e[+-]?\d+)?", show(figure).replace("CO2e", "")):
        assert "e" not in number
        assert len(number.replace(".", "").strip("0")) <= 3


@given(st.floats(1e-12, 1e15), st.integers(1, 4))
def test_rounding_keeps_half_a_unit_of_the_last_digit(number, digits):
    text = significant(number, digits)
    assert "e" not in text
    assert float(text) == pytest.approx(number, rel=0.5 * 10 ** (1 - digits) * WHOLE)


@given(figures())
def test_only_the_bound_is_shown_of_what_may_be_zero(figure):
    assert show(figure).startswith("<") == (figure.low == 0 < figure.high)


@given(figures(unit="J"), st.floats(1e-3, 1.0))
def test_energy_and_its_co2e_are_both_bounds_or_neither_is(energy, log_sd):
    assume(energy.low == 0 or energy.low > 1e-6 * energy.value)
    grid = Quantity(44.0, "g CO2e/kWh", spread={"grid": log_sd}, name="grid intensity")
    co2e = product([energy, grid], "g CO2e", name="CO2e", divisor=JOULES_PER_KWH)
    assert show(co2e).startswith("<") == show(energy).startswith("<")


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Quantity(0.56, "W", below=0.5, above=4.44), "0.56 W (0.060–5.0)"),
        (Quantity(0.56, "W", below=0.56, above=4.44), "< 5.0 W"),
        (Quantity(990.0, "W", below=0.0, above=20.0), "0.990 kW (0.990–1.01)"),
    ],
)
def test_no_bound_has_more_digits_than_it_deserves(figure, text):
    assert show(figure) == text


def test_a_figure_at_the_end_of_a_cell_is_one_short_line():
    figure = Quantity(49e-6, "g CO2e", "modelled", "a source", {"all": 0.35}, name="CO2e")
    assert repr(figure) == "<Quantity CO2e: 49 µg CO2e (25–97), modelled>"


def test_as_many_digits_are_shown_as_asked_for():
    assert show(Quantity(36_000, "J", spread={"all": 0.02}), digits=2) == "10 Wh (9.6–10)"


# How figures explain themselves

OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def evaluate(node):
    """Return the value of plain arithmetic and the largest number in it."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return number, abs(number)
        case ast.BinOp(left, op, right):
            (a, a_size), (b, b_size) = evaluate(left), evaluate(right)
            result = OPERATORS[type(op)](a, b)
            return result, max(a_size, b_size, abs(result)) if isinstance(op, ast.Sub) else abs(result)
        case ast.Call(func=ast.Name(id="max"), args=args):
            values = [evaluate(arg) for arg in args]
            return max(v for v, _ in values), max(s for _, s in values)
    raise AssertionError(ast.dump(node))


@st.composite
def derived(draw, depth=2):
    if depth == 0:
        return draw(figures())
    kind = draw(st.sampled_from(["total", "product", "excess", "ratio"]))
    a, b = draw(derived(depth=depth - 1)), draw(derived(depth=depth - 1))
    match kind:
        case "total":
            return total([a, b, draw(figures())], name=draw(st.sampled_from(["total", "{"])))
        case "product":
            return product([a, b], "J", name="product", divisor=draw(st.sampled_from([1.0, JOULES_PER_KWH])))
        case "excess":
            return excess(a, b, name="excess")
    return ratio(a, Quantity(draw(sizes), "J"), "J", name="ratio")


@given(derived())
def test_the_arithmetic_that_explains_a_figure_gives_the_figure(figure):
    lines = [line for line in figure.explain().splitlines() if re.match(r" *= .+ = \S+ J$", line)]
    assert lines
    for line in lines:
        arithmetic, value = re.match(r" *= (.+) = (\S+) J$", line).groups()
        result, size = evaluate(ast.parse(arithmetic, mode="eval").body)
        assert result == pytest.approx(float(value), rel=1e-7, abs=1e-7 * size)


def test_an_explanation_names_formula_inputs_sources_and_causes():
    energy = Quantity(3600.0, "J", "measured", "RAPL 2018", {"sensor": 0.025}, above=1.0, name="energy")
    grid = Quantity(44.0, "g CO2e/kWh", "declared", "Ember 2024", {"grid": 0.1}, name="grid intensity")
    text = product([energy, grid], "g CO2e", name="use", divisor=JOULES_PER_KWH).explain()
    assert text.splitlines()[:3] == [
        "use: 44 mg CO2e (36–54)  [declared]",
        "  = energy * grid intensity / 3600000",
        "  = 3600 * 44 / 3600000 = 0.044 g CO2e",
    ]
    for part in (
        "source: RAPL 2018",
        "source: Ember 2024",
        "sensor ×/÷ 1.05",
        "grid ×/÷ 1.22",
        "margins -0 / +",
    ):
        assert part in text


def test_an_explanation_tells_figures_of_one_name_apart():
    runs = [Quantity(value, "J", name="machine energy") for value in (1.0, 2.0, 4.0)]
    assert "  = 1 + 2 + 4 = 7 J" in total(runs).explain()


# Keeping and copying


@given(derived())
def test_nothing_is_lost_in_json(figure):
    assert Quantity.from_dict(json.loads(json.dumps(figure.to_dict()))) == figure


@given(derived(depth=1))
def test_a_copy_is_equal_whichever_way_it_was_made(figure):
    for twin in (pickle.loads(pickle.dumps(figure)), copy.copy(figure), copy.deepcopy(figure)):
        assert twin == figure
        assert twin.spread == figure.spread


def test_a_figure_does_not_change_with_the_mapping_it_was_made_from():
    spread = {"sensor": 0.1}
    figure = Quantity(1.0, "J", spread=spread)
    spread["sensor"] = 9.0
    assert figure.log_sd == pytest.approx(0.1)
    with pytest.raises(TypeError):
        figure.spread["sensor"] = 9.0


# What cannot be


@pytest.mark.parametrize(
    "parts",
    [
        {"value": -1.0},
        {"value": math.nan},
        {"value": math.inf},
        {"value": 1.0, "below": -1.0},
        {"value": 1.0, "above": math.nan},
        {"value": 1.0, "spread": {"a": -0.1}},
        {"value": 1.0, "spread": {"a": math.nan}},
        {"value": 1.0, "basis": "guessed"},
    ],
)
def test_a_figure_that_cannot_be_is_refused(parts):
    with pytest.raises(UnitError, match="energy"):
        Quantity(unit="J", name="energy", **parts)


def test_an_interval_without_its_median_is_refused():
    with pytest.raises(UnitError, match="inside"):
        Quantity.between(2.0, 3.0, 4.0, "J", cause="c", basis="default", source="s")
    exact = Quantity.between(2.0, 2.0, 2.0, "J", cause="c", basis="default", source="s")
    assert (exact.low, exact.high, dict(exact.spread)) == (2.0, 2.0, {})


@given(sizes, st.floats(0.1, 1.0), st.floats(1.0, 10.0))
def test_a_figure_between_bounds_has_their_ratio(value, down, up):
    figure = Quantity.between(
        value, value * down, value * up, "J", cause="c", basis="declared", source="a table 2020"
    )
    assert figure.high / figure.low == pytest.approx(up / down)
