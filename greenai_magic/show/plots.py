"""Figures that others may print: the only module that knows matplotlib.

Each is made without pyplot, so that it becomes nobody's "current figure", and with the styles in force. What
a colour says is also said in words; the two colours are told apart by colour-blind readers and in print.
"""

from __future__ import annotations

import functools
import io
import math
import operator
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from greenai_magic.errors import MissingExtra, UnitError
from greenai_magic.estimate.reconcile import Reconciliation
from greenai_magic.footprint.impacts import Footprint
from greenai_magic.quantity import DUST, Quantity, show, significant
from greenai_magic.show.words import label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Orange and blue of Okabe and Ito (2008), lighter in grey print the one than the other.
_MORE, _LESS = "#e69f00", "#0072b2"
_ENDS = "0.6"
_WIDTH_IN = 8.0
_INCHES_PER_BAR = 0.42
_HEADROOM = 1.35
_FEW_DECADES = 50.0
_LEAST_SHARE = 0.005
_MOST_BARS = 12
_CAUSE_LETTERS = 42


def waterfall(reconciliation: Reconciliation) -> Figure:
    """Draw how each cause leads from one footprint to the other, as factors on a logarithmic scale.

    Parameters
    ----------
    reconciliation : Reconciliation
        As ``estimate.reconcile`` gives it.

    Returns
    -------
    matplotlib.figure.Figure
        Bars from top to bottom: the first figure, a bar for each cause with its factor, the second.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    from matplotlib.ticker import LogLocator

    first, second = reconciliation.first, reconciliation.second
    causes = [cause for cause in reconciliation.causes if abs(math.log(cause.factor)) > DUST]
    edges = list(accumulate((cause.factor for cause in causes), operator.mul, initial=first.value))
    figure, axes = _figure(len(causes) + 2)
    least, most = min(*edges, second.value) / _HEADROOM, max(*edges, second.value) * _HEADROOM
    names = ["first", *(_short(cause.name) for cause in causes), "second"]
    _bar(axes, 0, least, first.value, _ENDS)
    _say(axes, 0, first.value, show(first))
    for at, (cause, begin, end) in enumerate(zip(causes, edges, edges[1:], strict=False), 1):
        _bar(axes, at, begin, end, _MORE if cause.factor >= 1 else _LESS)
        axes.plot([begin, begin], [at - 1, at], color=_ENDS, linewidth=0.8, zorder=0)
        _say(axes, at, max(begin, end), f"×{significant(cause.factor, 4)}  {_short(cause.note)}".rstrip())
    _bar(axes, len(names) - 1, least, second.value, _ENDS)
    _say(axes, len(names) - 1, second.value, f"{show(second)}, ×{significant(reconciliation.ratio, 4)}")
    axes.set_xscale("log")
    axes.set_xlim(least, most)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if most / least < _FEW_DECADES else (1,)))
    _finish(axes, names, first, "Why two footprints differ: each bar is a factor")
    return figure


def tornado_plot(footprint: Footprint) -> Figure:
    """Draw what each cause of error alone does to a footprint's CO2e, the worst on top.

    Parameters
    ----------
    footprint : Footprint
        With CO2e that something is unsure of.

    Returns
    -------
    matplotlib.figure.Figure
        A bar for each cause, from the CO2e at its lower bound to that at its upper.

    Raises
    ------
    UnitError
        If no CO2e was counted, or nothing of it is unsure.
    MissingExtra
        If matplotlib is not installed.
    """
    from matplotlib.ticker import MaxNLocator

    bars = footprint.tornado() if footprint.gwp_lines else ()
    if not bars:
        msg = "There is nothing to draw: no CO2e was counted, or nothing of it is unsure."
        raise UnitError(msg)
    shown = [bar for bar in bars if bar.share >= _LEAST_SHARE][:_MOST_BARS]
    middle = shown[0].total.value
    figure, axes = _figure(len(shown))
    for at, bar in enumerate(shown):
        _bar(axes, at, bar.low, middle, _LESS)
        _bar(axes, at, middle, bar.high, _MORE)
        _say(axes, at, bar.high, f"{100 * bar.share:.0f} % of the uncertainty")
    axes.axvline(middle, color=_ENDS, linewidth=0.8)
    least, most = min(bar.low for bar in shown), max(bar.high for bar in shown)
    room = (most - least) / 2
    axes.set_xlim(max(0.0, least - room / 4), most + room)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    names = [_short(bar.cause) for bar in shown]
    _finish(axes, names, shown[0].total, f"CO2e with one cause alone unsure. Measure next: {names[0]}")
    return figure


def _figure(bars: int) -> tuple[Figure, Axes]:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        msg = "Figures need matplotlib: run `pip install matplotlib`."
        raise MissingExtra(msg) from error
    figure = Figure(figsize=(_WIDTH_IN, 1.3 + _INCHES_PER_BAR * bars), layout="constrained")
    FigureCanvasAgg(figure)
    # A notebook draws a Figure by itself only where pyplot was imported.
    vars(figure)["_repr_png_"] = functools.partial(_png, figure)
    return figure, figure.add_subplot()


def _png(figure: Figure) -> bytes:
    written = io.BytesIO()
    figure.savefig(written, format="png")
    return written.getvalue()


def _bar(axes: Axes, at: int, begin: float, end: float, colour: str) -> None:
    hatch = {_MORE: "", _LESS: "///", _ENDS: ""}[colour]
    axes.barh(
        at, abs(end - begin), left=min(begin, end), height=0.6, color=colour, hatch=hatch, edgecolor="white",
        linewidth=0,
    )  # fmt: skip


def _say(axes: Axes, at: int, beside: float, words: str) -> None:
    axes.annotate(
        words, (beside, at), xytext=(5, 0), textcoords="offset points", va="center", fontsize="small",
        parse_math=False,
    )  # fmt: skip


def _finish(axes: Axes, names: Sequence[str], of: Quantity, title: str) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(FuncFormatter(functools.partial(_tick, of.unit)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.figure.suptitle(title, x=0.01, ha="left", fontsize="medium", parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)


def _short(cause: str) -> str:
    text = label(cause)
    return text if len(text) <= _CAUSE_LETTERS else f"{text[: _CAUSE_LETTERS - 1]}…"


def _tick(unit: str, value: float, _at: Any) -> str:
    return show(Quantity(value, unit), digits=2) if 0 < value < math.inf else "0"
