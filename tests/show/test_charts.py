import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.meter.trace import Trace
from greenai_magic.show.charts import MOST_STEPS, _steps, power_curve_alt, power_curve_svg

SVG = "{http://www.w3.org/2000/svg}"
watts = st.lists(st.floats(0, 1e4), min_size=2, max_size=300)
seconds = st.floats(1e-3, 1e5)


def drawn(svg):
    """Return the plot's left edge, baseline and steps (right edge, height), in pixels."""
    path = ET.fromstring(svg).find(f"{SVG}path").get("d")
    left, bottom = map(float, re.match(r"M([\d.]+) ([\d.]+)", path).groups())
    return left, bottom, [(float(x), bottom - float(y)) for y, x in re.findall(r"V([\d.]+)H([\d.]+)", path)]


def words(svg):
    return [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("powers_w", [[], [50]])
def test_a_trace_of_fewer_than_two_intervals_has_no_curve(make_trace, powers_w):
    assert power_curve_svg(make_trace(powers_w)) == ""
    assert power_curve_alt(make_trace(powers_w)) == ""


@pytest.mark.parametrize("components", [[], ["cpu"]])
def test_an_empty_trace_has_no_curve(components):
    assert power_curve_svg(Trace(components)) == ""
    assert power_curve_alt(Trace(components)) == ""


def test_points_that_share_one_instant_have_no_curve():
    trace = Trace(["cpu"])
    for energy_j in (0, 1, 2, 3):
        trace.append(5.0, [energy_j])
    assert power_curve_svg(trace) == ""


@given(powers_w=watts, step_s=seconds)
def test_no_joule_is_lost_whatever_is_merged(make_trace, powers_w, step_s):
    steps = _steps(make_trace(powers_w, step_s))
    drawn_j = sum(step.power_w * (step.end_s - step.start_s) for step in steps)
    assert drawn_j == pytest.approx(sum(powers_w) * step_s, rel=1e-9)
    assert all(one.end_s == next_one.start_s for one, next_one in pairwise(steps))


@given(powers_w=st.lists(st.floats(0, 1e4), min_size=2, max_size=60))
def test_a_step_is_as_high_as_its_power(make_trace, powers_w):
    _, _, steps = drawn(power_curve_svg(make_trace(powers_w)))
    top = max(height for _, height in steps)
    shares = [power_w / (max(powers_w) or 1) for power_w in powers_w]
    assert [height for _, height in steps] == pytest.approx([top * share for share in shares], abs=0.06)


@given(powers_w=st.lists(st.floats(0, 1e4), min_size=2, max_size=1000), step_s=seconds)
def test_the_curve_never_has_more_steps_than_the_width_can_show(make_trace, powers_w, step_s):
    _, _, steps = drawn(power_curve_svg(make_trace(powers_w, step_s)))
    assert 2 <= len(steps) <= MOST_STEPS


@given(powers_w=watts, step_s=seconds, width=st.integers(120, 900), height=st.integers(40, 300))
def test_the_curve_stays_inside_its_plate(make_trace, powers_w, step_s, width, height):
    left, bottom, steps = drawn(power_curve_svg(make_trace(powers_w, step_s), width, height))
    assert all(left <= x <= width and 0 <= y <= bottom < height for x, y in steps)
    assert [x for x, _ in steps] == sorted(x for x, _ in steps)


def test_the_last_moments_of_a_window_cannot_make_a_peak_of_their_own(make_trace):
    trace = make_trace([50] * 10)
    trace.append(10.001, [501.0], last=True)
    assert "highest 51 W" in power_curve_alt(trace)


def test_all_components_are_added():
    trace = Trace(["cpu", "gpu0"])
    for second in range(4):
        trace.append(second, [10 * second, 90 * second])
    assert power_curve_alt(trace) == "Power over 3.0 s: mean 100 W, highest 100 W."


def test_the_sentence_says_mean_highest_and_length(make_trace):
    assert power_curve_alt(make_trace([20, 60, 40], 2)) == "Power over 6.0 s: mean 40 W, highest 60 W."


def test_no_power_at_all_is_a_flat_line_on_the_axis(make_trace):
    svg = power_curve_svg(make_trace([0, 0, 0]))
    assert {height for _, height in drawn(svg)[2]} == {0}
    assert words(svg)[:2] == ["0 W", "0 W"]


@given(power_w=st.floats(1e-9, 1e9), step_s=st.floats(1e-6, 1e7))
def test_labels_are_never_in_scientific_notation(make_trace, power_w, step_s):
    svg = power_curve_svg(make_trace([power_w, power_w / 2, power_w], step_s))
    for text in (*words(svg), power_curve_alt(make_trace([power_w, power_w / 2, power_w], step_s))):
        assert not re.search(r"\d[eE][+-]?\d|nan|inf", text)


def test_the_image_has_a_role_and_a_title_that_says_what_it_shows(make_trace):
    trace = make_trace([20, 60, 40])
    svg = ET.fromstring(power_curve_svg(trace))
    assert svg.get("role") == "img"
    assert svg.find(f"{SVG}title").text == power_curve_alt(trace)


def test_the_axes_carry_the_highest_power_and_the_length(make_trace):
    assert words(power_curve_svg(make_trace([20, 60, 40], 2))) == ["60 W", "0 W", "0 s", "6.0 s"]


def test_the_plate_is_light_and_its_ink_readable_on_it(make_trace):
    svg = ET.fromstring(power_curve_svg(make_trace([20, 60])))
    plate = svg.find(f"{SVG}rect").get("fill")
    line = svg.find(f"{SVG}path").get("stroke")
    assert contrast(svg.get("fill"), plate) >= 4.5
    assert contrast(line, plate) >= 3


def contrast(one, other):
    """Return the contrast ratio of two colours (WCAG 2.2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(c * w for c, w in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))
