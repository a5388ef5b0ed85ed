import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.quantity import Quantity
from greenai_magic.show.words import at_least, figure, label, one_line, score_figure


@pytest.mark.parametrize(
    ("basis", "mark"), [("measured", ""), ("declared", ""), ("modelled", "≈ "), ("default", "≈ ")]
)
def test_an_interval_that_no_counter_stands_behind_is_marked(make_energy, basis, mark):
    energy = make_energy(500.0, basis)
    assert figure(energy) == f"{mark}{energy}"


def test_an_exact_figure_is_not_approximate():
    assert figure(Quantity(1.0, "1", "default", name="PUE")) == "1.00"


def test_an_upper_bound_is_never_approximate():
    assert figure(Quantity(0.0, "J", "modelled", above=3.6)) == "< 1.0 mWh"


def test_a_total_that_leaves_something_out_is_a_lower_bound_and_its_interval_that_of_the_rest():
    assert at_least("≈ 19 mg CO2e (15–25)") == "≥ 19 mg CO2e (counted: 15–25)"
    assert at_least("3 g CO2e") == "≥ 3 g CO2e"


def test_an_upper_bound_is_said_of_what_was_counted_alone():
    assert at_least("< 3.7 µg CO2e") == "< 3.7 µg CO2e counted"


@pytest.mark.parametrize(
    ("score", "shown"),
    [(0.9342, "0.9342"), (0, "0"), (-3.14159, "-3.142"), (123456, "123456"), (2e-7, "0.0000002000")],
)
def test_a_score_keeps_its_digits(score, shown):
    assert score_figure(score) == shown


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_no_number_says_so(score):
    assert score_figure(score) == str(score)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_score_is_short_and_never_in_scientific_notation(score):
    assert re.fullmatch(r"-?[\d.]+…?", score_figure(score))
    assert len(score_figure(score)) <= 80


@given(st.text())
def test_one_line_is_printable_and_saying_it_twice_changes_nothing(text):
    line = one_line(text)
    assert line.isprintable()
    assert one_line(line) == line


@pytest.mark.parametrize("text", ["France", "naïve Bayes, 3 × 5", "训练 🌱"])
def test_ordinary_words_are_left_alone(text):
    assert one_line(text) == label(text) == text


def test_a_label_is_cut_where_it_is_seen_to_be_cut():
    assert label("n" * 81) == "n" * 79 + "…"
    assert label("n" * 80) == "n" * 80
