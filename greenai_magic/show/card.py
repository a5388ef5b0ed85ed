"""The card of a run: described once, then written as HTML and as plain text.

``describe`` turns every figure into words; the faces only lay those words out, so a figure cannot
read differently in a notebook and in a terminal. The HTML keeps to what the strictest viewers
leave of a saved notebook: plain elements, inline styles of the oldest kind, an image as data.
"""

from __future__ import annotations

import textwrap
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

from greenai_magic.errors import UnitError
from greenai_magic.footprint.impacts import Footprint
from greenai_magic.meter.measurement import Measurement
from greenai_magic.meter.trace import Trace
from greenai_magic.quantity import Quantity
from greenai_magic.runs.run import Run
from greenai_magic.show.charts import power_curve_alt, power_curve_svg
from greenai_magic.show.words import at_least, figure, label, one_line, score_figure

STATUS = {
    "running": "still running",
    "ok": "",
    "error": "ended by an error",
    "interrupted": "interrupted before its end",
}
"""How a run ended, in words."""

_Figure = tuple[str, Quantity | None, str]
"""Label, figure, and where it comes from or why there is none."""
_MISSING = "not assessed"

# Words stay whole: a note may hold a command to copy.
_WRAPPER = textwrap.TextWrapper(
    100, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
)

_BLOCK = "display:inline-block;vertical-align:top;max-width:100%;margin:0 0 4px 0"
_TABLE = "border-collapse:collapse;margin:0;table-layout:auto;font-size:13px"
_CAPTION = "text-align:left;padding:4px 0 2px 0"
_PLAIN_ROW = "background:transparent"
_CELL = "text-align:left;vertical-align:top;padding:1px 12px 1px 0"
_HEADER = f"{_CELL};font-weight:normal"
_QUIET = "opacity:0.8"
_NOTE = "font-size:13px;margin:0 0 6px 0;padding:0 0 0 8px;border-left:3px solid"
_LIST = "margin:2px 0;line-height:1.4"
_SMALL = "font-size:13px;margin:4px 0 0 0"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a card, in words.

    Attributes
    ----------
    label : str
        What the figure is.
    figure : str
        Value, unit and 95 % interval, ``≈`` before what no counter measured; or ``not assessed``.
    basis : str
        Measured, declared, modelled or default; ``""`` where there is no figure.
    note : str
        Source or reason.
    main : bool
        Whether it is one of the two figures to remember.
    """

    label: str
    figure: str
    basis: str = ""
    note: str = ""
    main: bool = False


@dataclass(frozen=True, slots=True)
class CardView:
    """A run in words: all that any face of its card shows.

    Attributes
    ----------
    title : str
        The run's name.
    status : str
        How it ended, ``""`` where all went well.
    headline : str
        Duration, energy and CO2e in one line.
    labels : tuple of str
        Stage and tags.
    rows : tuple of Row
        The figures of the run and its scores.
    details : tuple of Row
        What they rest on: each component's energy, grid and PUE.
    place : str
        Where the electricity came from.
    notes : tuple of str
        What the reader should know.
    not_counted : tuple of str
        What has no figure; never to be read as zero.
    trace : Trace
        The power curve.
    """

    title: str
    status: str
    headline: str
    labels: tuple[str, ...]
    rows: tuple[Row, ...]
    details: tuple[Row, ...]
    place: str
    notes: tuple[str, ...]
    not_counted: tuple[str, ...]
    trace: Trace


def describe(run: Run) -> CardView:
    """Put a run into words: each figure is formatted here, and only here."""
    measurement, footprint = run.measurement, run.footprint
    machine, above_idle, kernel, co2e = (_row(*impact) for impact in _impacts(run))
    if footprint.not_assessed and co2e.basis:
        co2e = replace(co2e, figure=at_least(co2e.figure))
    power = _row("Mean power", *_mean_power(measurement))
    duration = _row("Duration", measurement.duration)
    scores = (Row(label(name), score_figure(score), note="score") for name, score in run.scores.items())
    labels = (run.stage, *(f"{key}={value}" for key, value in run.tags.items()))
    return CardView(
        title=label(run.name) or "unnamed",
        status=STATUS[run.status],
        headline=f"{duration.figure} · {machine.figure} · {co2e.figure}",
        labels=tuple(label(word) for word in labels if word),
        rows=(
            replace(machine, main=True),
            above_idle,
            kernel,
            replace(co2e, main=True),
            power,
            duration,
            *scores,
        ),
        details=tuple(_row(*part) for part in _inputs(run)),
        place=label(footprint.place.name),
        notes=tuple(one_line(note) for note in (footprint.place.hint, *measurement.notes) if note),
        not_counted=tuple(one_line(item) for item in footprint.not_assessed),
        trace=measurement.trace,
    )


def to_line(view: CardView) -> str:
    """Return the run as one line of text."""
    return " · ".join(filter(None, (f"greenai: {view.title}", view.status, view.headline)))


def to_text(view: CardView) -> str:
    """Return the run as a small aligned table for a terminal; its first line is ``to_line``."""
    rows = [(row.label, row.figure, row.basis, row.note) for row in (*view.rows, *view.details)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ("  ".join(map(str.ljust, row, widths)) for row in rows)
    remarks = (
        ("curve", power_curve_alt(view.trace)),
        ("tags", ", ".join(view.labels)),
        *(("note", note) for note in view.notes),
        ("not counted", "; ".join(view.not_counted)),
    )
    lines = (*table, *(f"{kind}: {words}" for kind, words in remarks if words))
    return "\n".join((to_line(view), *map(_WRAPPER.fill, lines)))


def to_html(view: CardView) -> str:
    """Return the run as one ``<div class="greenai">`` that needs no script, style sheet or network."""
    title = f"<strong>{escape(view.title)}</strong>"
    heading = " · ".join((title, *map(escape, filter(None, (view.status, *view.labels)))))
    notes = (f'<div style="{_NOTE}">{escape(note)}</div>' for note in view.notes)
    return "".join(
        (
            '<div class="greenai">',
            f'<div style="{_BLOCK}">{_table(heading, view.rows)}</div>',
            _curve(view.trace),
            *notes,
            _folded(view),
            "</div>",
        )
    )


def explain(run: Run) -> str:
    """Return the formula, the inputs and the sources of each energy and of the CO2e, as text."""
    return "\n\n".join(
        quantity.explain() if quantity else f"{name}: {_MISSING}: {why_not}"
        for name, quantity, why_not in _impacts(run)
    )


def _impacts(run: Run) -> tuple[_Figure, ...]:
    energy = run.measurement
    above_idle, kernel = energy.dynamic, energy.attributed
    return (
        ("Energy, machine", energy.machine, "all components"),
        ("Energy above idle", above_idle, "" if above_idle else "no idle baseline yet"),
        ("Energy, this kernel", kernel, "with its children" if kernel else "its share cannot be told here"),
        ("CO2e", *_gwp(run.footprint)),
    )


def _inputs(run: Run) -> tuple[_Figure, ...]:
    place, components = run.footprint.place, run.measurement.by_component.items()
    return (
        # A counter's source goes on, after its colon, into the causes of its error: those are for `explain`.
        *((component, energy, energy.source.split(": ")[0]) for component, energy in components),
        (f"Grid, {place.name}", place.grid_intensity, place.grid_intensity.source),
        ("PUE", place.pue, place.pue.source),
    )


def _gwp(footprint: Footprint) -> tuple[Quantity | None, str]:
    if not footprint.gwp_lines:
        return None, "nothing was counted"
    return footprint.gwp, ", ".join(dict.fromkeys(f"scope {line.scope}" for line in footprint.gwp_lines))


def _mean_power(measurement: Measurement) -> tuple[Quantity | None, str]:
    try:
        return measurement.mean_power, ""
    except UnitError:
        return None, "the window has no length"


def _row(name: str, quantity: Quantity | None, note: str = "") -> Row:
    if quantity is None:
        return Row(label(name), _MISSING, note=note)
    return Row(label(name), figure(quantity), quantity.basis, one_line(note))


def _table(caption: str, rows: Sequence[Row]) -> str:
    head = "".join(
        f'<th scope="col" style="{_HEADER};{_QUIET}">{column}</th>'
        for column in ("what", "value (95 % interval)", "how known")
    )
    return (
        f'<table style="{_TABLE}"><caption style="{_CAPTION}">{caption}</caption>'
        f'<thead style="border:none"><tr style="{_PLAIN_ROW}">{head}</tr></thead>'
        f"<tbody>{''.join(map(_table_row, rows))}</tbody></table>"
    )


def _table_row(row: Row) -> str:
    value, bracket, interval = map(escape, row.figure.partition(" ("))
    weight = "strong" if row.main else "span"
    known = escape(" · ".join(filter(None, (row.basis, row.note))))
    return (
        f'<tr style="{_PLAIN_ROW}"><th scope="row" style="{_HEADER}">{escape(row.label)}</th>'
        f'<td style="{_CELL};white-space:nowrap"><{weight}>{value}</{weight}>{bracket}{interval}</td>'
        f'<td style="{_CELL};{_QUIET}">{known}</td></tr>'
    )


def _curve(trace: Trace) -> str:
    svg = power_curve_svg(trace, width=280)
    if not svg:
        return ""
    data = b64encode(svg.encode()).decode()
    alt = escape(power_curve_alt(trace))
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{alt}" style="{_BLOCK}">'


def _folded(view: CardView) -> str:
    items = "".join(f"<li>{escape(item)}</li>" for item in view.not_counted)
    missing = f'<div style="{_SMALL}">Not counted, and not zero:<ul style="{_LIST}">{items}</ul></div>'
    return (
        f'<details style="{_SMALL}"><summary style="cursor:pointer">'
        f"Sources, grid of {escape(view.place)}, what is not counted</summary>"
        f"{_table('What these figures rest on', view.details)}{missing if items else ''}</details>"
    )
