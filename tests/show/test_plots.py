"""Figures: what their bars span, what they say without colour, and what they leave alone."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys

import matplotlib as mpl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import Rectangle

from greenai_magic.errors import UnitError
from greenai_magic.estimate.reconcile import Cause, Reconciliation
from greenai_magic.footprint.impacts import Footprint, assess
from greenai_magic.quantity import Quantity
from greenai_magic.show.plots import tornado_plot, waterfall

SIGNATURES = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
CAUSES = (
    Cause("throughput", 5.285, "130 → 24.6 TFLOP/s"),
    Cause("operations", 1.0, "the same"),
    Cause("PUE", 0.978, "1.125 → 1.10"),
)


def grams(value):
    return Quantity(value, "g CO2e", "modelled", spread={"x": 0.1}, name="CO2e")


def reconciled(causes=CAUSES, first=85e6):
    whole = first
    for cause in causes:
        whole *= cause.factor
    return Reconciliation(grams(first), grams(whole), tuple(causes))


def spans(figure):
    """Return begin and end of each bar, from top to bottom."""
    (axes,) = figure.axes
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    return [
        (bar.get_x(), bar.get_x() + bar.get_width())
        for bar in sorted(bars, key=lambda b: (b.get_y(), b.get_x()))
    ]


def said(figure):
    (axes,) = figure.axes
    return [text.get_text() for text in axes.texts], [text.get_text() for text in axes.get_yticklabels()]


@pytest.fixture
def footprint(make_energy, make_place):
    return assess(make_energy(3600.0, spread={"a sensor": 0.3}), make_place())


def test_bars_lead_from_the_first_figure_to_the_second_each_where_the_last_ended():
    told = reconciled()
    start, throughput, pue, end = spans(waterfall(told))
    assert start[1] == throughput[0] == told.first.value
    assert throughput[1] == pue[1] == pytest.approx(85e6 * 5.285)
    assert pue[0] == end[1] == pytest.approx(told.second.value)
    assert waterfall(told).axes[0].get_xscale() == "log"


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=8), st.floats(1e-6, 1e12))
def test_whatever_the_factors_the_last_bar_of_a_cause_ends_at_the_second(factors, first):
    told = reconciled([Cause(f"cause {i}", factor, "") for i, factor in enumerate(factors)], first)
    *causes, end = spans(waterfall(told))[1:]
    assert end[1] == pytest.approx(told.second.value)
    if causes:
        assert min(abs(edge / told.second.value - 1) for edge in causes[-1]) < 1e-6


def test_words_say_all_that_colours_do():
    words, names = said(waterfall(reconciled()))
    assert names == ["first", "throughput", "PUE", "second"]
    assert words[1:3] == ["×5.285  130 → 24.6 TFLOP/s", "×0.9780  1.125 → 1.10"]
    assert words[-1].endswith(", ×5.169")
    (axes,) = waterfall(reconciled()).axes
    hatches = [patch.get_hatch() for patch in axes.patches]
    assert (hatches[1], hatches[2]) == ("", "///")


def test_a_tornado_spans_what_each_cause_does_and_names_the_worst(footprint):
    figure = tornado_plot(footprint)
    bars = footprint.tornado()
    found = spans(figure)
    for i, bar in enumerate(bars):
        assert found[2 * i] == pytest.approx((bar.low, bar.total.value))
        assert found[2 * i + 1] == pytest.approx((bar.total.value, bar.high))
    words, names = said(figure)
    assert names == [bar.cause for bar in bars]
    assert words[0] == f"{100 * bars[0].share:.0f} % of the uncertainty"
    assert figure.get_suptitle().endswith(f"Measure next: {bars[0].cause}")


def test_where_nothing_is_unsure_there_is_nothing_to_draw(make_place):
    with pytest.raises(UnitError, match="nothing to draw"):
        tornado_plot(Footprint((), ("all",), make_place()))


@pytest.mark.parametrize("kind", SIGNATURES)
def test_a_figure_can_be_saved_in_every_format_and_kept(kind):
    figure = pickle.loads(pickle.dumps(waterfall(reconciled())))
    file = io.BytesIO()
    figure.savefig(file, format=kind)
    assert file.getvalue().startswith(SIGNATURES[kind])
    assert figure._repr_png_().startswith(SIGNATURES["png"])


def test_the_style_in_force_is_the_user_s():
    with mpl.rc_context({"figure.facecolor": "black", "axes.labelcolor": "white"}):
        dark = waterfall(reconciled())
    assert dark.get_facecolor() == (0.0, 0.0, 0.0, 1.0)
    assert waterfall(reconciled()).get_facecolor() != dark.get_facecolor()


def test_pyplot_and_its_current_figure_are_left_alone():
    code = (
        "import sys\n"
        "from greenai_magic.show.plots import waterfall\n"
        "assert 'matplotlib' not in sys.modules\n"
        "from greenai_magic.estimate.reconcile import Reconciliation\n"
        "from greenai_magic.quantity import Quantity\n"
        "g = Quantity(1.0, 'g CO2e')\n"
        "waterfall(Reconciliation(g, g, ()))._repr_png_()\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("text", ["$x^2", "$\\nonsense$", "\x1b[31m", "n" * 500, "two\nlines"])
def test_names_from_outside_are_drawn_as_they_are_on_one_line(text):
    figure = waterfall(reconciled([Cause(text, 2.0, text)]))
    figure.savefig(io.BytesIO(), format="png")
    _, names = said(figure)
    assert names[1].isprintable()
    assert len(names[1]) <= 80
