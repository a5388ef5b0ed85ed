"""Small charts as strings of SVG, and the sentence that says the same to who cannot see them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

from greenai_magic.meter.trace import Trace
from greenai_magic.quantity import Quantity, show

MOST_STEPS = 120
"""Steps drawn at most: some three pixels each at the usual width."""

# The chart brings its own near-white plate: an image cannot see the page's theme.
_PLATE, _FRAME, _INK = "#fcfcfc", "#e3e3e3", "#4d4d4d"
_LINE, _AREA = "#1f7a46", "#d3ebdd"
_LABELS_PX, _MARGIN_PX, _AXIS_PX = 52, 7, 16


class _Step(NamedTuple):
    start_s: float
    end_s: float
    power_w: float


def power_curve_svg(trace: Trace, width: int = 320, height: int = 64) -> str:
    """Draw mean power over time as a step line from 0 W to the highest step.

    Parameters
    ----------
    trace : Trace
        Cumulative joules; all components are added.
    width, height : int
        In pixels.

    Returns
    -------
    str
        An ``<svg>`` element, or ``""`` where there are fewer than two steps to draw.
    """
    steps = _steps(trace)
    if not steps:
        return ""
    right, bottom = width - _MARGIN_PX, height - _AXIS_PX
    label = 'text-anchor="end"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11" fill="{_INK}">'
        f"<title>{escape(_sentence(steps))}</title>"
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="4"'
        f' fill="{_PLATE}" stroke="{_FRAME}"/>'
        f'<path d="{_outline(steps, right, bottom)}" fill="{_AREA}" stroke="{_LINE}"'
        ' stroke-width="1.2" stroke-linejoin="round"/>'
        f'<path d="M{_LABELS_PX} {bottom}H{right}" stroke="{_INK}" stroke-width="0.8"/>'
        f'<text x="{_LABELS_PX - 6}" y="{_MARGIN_PX + 9}" {label}>{_text(_highest_w(steps), "W")}</text>'
        f'<text x="{_LABELS_PX - 6}" y="{bottom}" {label}>0 W</text>'
        f'<text x="{_LABELS_PX}" y="{height - 4}">0 s</text>'
        f'<text x="{right}" y="{height - 4}" {label}>{_text(_length_s(steps), "s")}</text>'
        "</svg>"
    )


def power_curve_alt(trace: Trace) -> str:
    """Return the power curve as one sentence; ``""`` where there is no curve to draw."""
    steps = _steps(trace)
    return _sentence(steps) if steps else ""


def _steps(trace: Trace) -> list[_Step]:
    """Return mean power between edges taken from the trace, so that no joule is lost or smoothed.

    No step is shorter than half the mean interval: across the last moments of a window, power says
    more about the counter's tick than about the cell.
    """
    joules = map(sum, zip(*map(trace.energy_j, trace.components), strict=True))
    points = list(zip(trace.times_s, joules, strict=False))
    if len(points) < 3:
        return []
    shortest_s = (points[-1][0] - points[0][0]) / min(2 * (len(points) - 1), MOST_STEPS)
    edges = points[:1]
    for point in points:
        if point[0] - edges[-1][0] > shortest_s:
            edges.append(point)
    edges[-1] = points[-1]
    if len(edges) < 3:
        return []
    return [_Step(t0, t1, max(0.0, (e1 - e0) / (t1 - t0))) for (t0, e0), (t1, e1) in pairwise(edges)]


def _outline(steps: Sequence[_Step], right: int, bottom: int) -> str:
    x_per_s = (right - _LABELS_PX) / _length_s(steps)
    highest_w, start_s = _highest_w(steps) or 1.0, steps[0].start_s
    path = [f"M{_LABELS_PX} {bottom}"]
    for step in steps:
        y = bottom - step.power_w / highest_w * (bottom - _MARGIN_PX)
        path.append(f"V{y:.1f}H{_LABELS_PX + (step.end_s - start_s) * x_per_s:.1f}")
    return "".join(path) + f"V{bottom}"


def _sentence(steps: Sequence[_Step]) -> str:
    energy_j = sum(step.power_w * (step.end_s - step.start_s) for step in steps)
    mean = _text(energy_j / _length_s(steps), "W")
    return f"Power over {_text(_length_s(steps), 's')}: mean {mean}, highest {_text(_highest_w(steps), 'W')}."


def _highest_w(steps: Sequence[_Step]) -> float:
    return max(step.power_w for step in steps)


def _length_s(steps: Sequence[_Step]) -> float:
    return steps[-1].end_s - steps[0].start_s


def _text(value: float, unit: str) -> str:
    # A curve tells no more than two digits, whatever its counter.
    return show(Quantity(value, unit), digits=2) if value else f"0 {unit}"
