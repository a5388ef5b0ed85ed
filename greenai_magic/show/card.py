"""The card of a run: described once, then written as HTML and as plain text.

``describe`` turns every figure into words; the faces only lay those words out, so a figure cannot
read differently in a notebook and in a terminal.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape

from greenai_magic.errors import UnitError
from greenai_magic.footprint.impacts import Footprint
from greenai_magic.meter.measurement import Measurement
from greenai_magic.meter.trace import Trace
from greenai_magic.quantity import Quantity
from greenai_magic.runs.run import Run
from greenai_magic.show.charts import power_curve_alt, power_curve_svg
from greenai_magic.show.footprint import co2e_row, criterion_rows, footprint_notes, scope_rows
from greenai_magic.show.rows import (
    BLOCK,
    MISSING,
    SMALL,
    Row,
    list_to_html,
    notes_to_html,
    row_of,
    rows_to_html,
    rows_to_text,
    wrapped,
)
from greenai_magic.show.words import label, one_line, score_figure

STATUS = {
    "running": "still running",
    "ok": "",
    "error": "ended by an error",
    "interrupted": "interrupted before its end",
}
"""How a run ended, in words."""

_Figure = tuple[str, Quantity | None, str]
"""Label, figure, and where it comes from or why there is none."""


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
        What they rest on: each component's energy, grid and PUE; and scopes, water and resources.
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
    machine, above_idle, kernel = (row_of(*energy) for energy in _energies(measurement))
    co2e = co2e_row(footprint)
    power = row_of("Mean power", *_mean_power(measurement))
    duration = row_of("Duration", measurement.duration)
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
            co2e,
            power,
            duration,
            *scores,
        ),
        details=(*(row_of(*part) for part in _inputs(run)), *_other_impacts(footprint)),
        place=label(footprint.place.name),
        notes=(*footprint_notes(footprint), *map(one_line, measurement.notes)),
        not_counted=tuple(one_line(item) for item in footprint.not_assessed),
        trace=measurement.trace,
    )


def to_line(view: CardView) -> str:
    """Return the run as one line of text."""
    return " · ".join(filter(None, (f"greenai: {view.title}", view.status, view.headline)))


def to_text(view: CardView) -> str:
    """Return the run as a small aligned table for a terminal; its first line is ``to_line``."""
    remarks = (
        ("curve", power_curve_alt(view.trace)),
        ("tags", ", ".join(view.labels)),
        *(("note", note) for note in view.notes),
        ("not counted", "; ".join(view.not_counted)),
    )
    said = (wrapped(f"{kind}: {words}") for kind, words in remarks if words)
    return "\n".join((to_line(view), *rows_to_text((*view.rows, *view.details)), *said))


def to_html(view: CardView) -> str:
    """Return the run as one ``<div class="greenai">`` that needs no script, style sheet or network."""
    title = f"<strong>{escape(view.title)}</strong>"
    heading = " · ".join((title, *map(escape, filter(None, (view.status, *view.labels)))))
    return "".join(
        (
            '<div class="greenai">',
            f'<div style="{BLOCK}">{rows_to_html(heading, view.rows)}</div>',
            _curve(view.trace),
            notes_to_html(view.notes),
            _folded(view),
            "</div>",
        )
    )


def explain(run: Run) -> str:
    """Return the formula, the inputs and the sources of each energy and of the CO2e, as text."""
    return "\n\n".join(
        quantity.explain() if quantity else f"{name}: {MISSING}: {why_not}"
        for name, quantity, why_not in _impacts(run)
    )


def _impacts(run: Run) -> tuple[_Figure, ...]:
    footprint = run.footprint
    co2e = footprint.gwp if footprint.gwp_lines else None
    return (*_energies(run.measurement), ("CO2e", co2e, "nothing was counted"))


def _energies(energy: Measurement) -> tuple[_Figure, ...]:
    above_idle, kernel = energy.dynamic, energy.attributed
    return (
        ("Energy, machine", energy.machine, "all components"),
        ("Energy above idle", above_idle, "" if above_idle else "no idle baseline yet"),
        ("Energy, this kernel", kernel, "with its children" if kernel else "its share cannot be told here"),
    )


def _inputs(run: Run) -> tuple[_Figure, ...]:
    place, components = run.footprint.place, run.measurement.by_component.items()
    return (
        # A counter's source goes on, after its colon, into the causes of its error: those are for `explain`.
        *((component, energy, energy.source.split(": ")[0]) for component, energy in components),
        (f"Grid, {place.name}", place.grid_intensity, place.grid_intensity.source),
        ("PUE", place.pue, place.pue.source),
    )


def _other_impacts(footprint: Footprint) -> Iterator[Row]:
    """Yield what has a figure beside the CO2e of all scopes; the scopes where there are several."""
    scopes = [row for row in scope_rows(footprint) if row.basis]
    yield from scopes if len(scopes) > 1 else ()
    yield from (row for row in criterion_rows(footprint) if row.basis)


def _mean_power(measurement: Measurement) -> tuple[Quantity | None, str]:
    try:
        return measurement.mean_power, ""
    except UnitError:
        return None, "the window has no length"


def _curve(trace: Trace) -> str:
    svg = power_curve_svg(trace, width=280)
    if not svg:
        return ""
    data = b64encode(svg.encode()).decode()
    alt = escape(power_curve_alt(trace))
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{alt}" style="{BLOCK}">'


def _folded(view: CardView) -> str:
    return (
        f'<details style="{SMALL}"><summary style="cursor:pointer">'
        f"Sources, grid of {escape(view.place)}, water and resources, what is not counted</summary>"
        f"{rows_to_html('What these figures rest on, and the other impacts', view.details)}"
        f"{list_to_html('Not counted, and not zero:', view.not_counted)}</details>"
    )
