"""A footprint in words: described once, then written as HTML and as plain text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from html import escape

from greenai_magic.arithmetic import total
from greenai_magic.footprint.boundary import CRITERIA, SCOPES, STAGES, Boundary, has_meaning
from greenai_magic.footprint.contributions import HEADING
from greenai_magic.footprint.impacts import Footprint, Line
from greenai_magic.footprint.left_out import ADPE, ADPF, E_WASTE, MARKET, OTHERS
from greenai_magic.footprint.uncertainty import tornado_text
from greenai_magic.quantity import MEDIAN_OF_A_SUM, Quantity, show
from greenai_magic.show.rows import (
    BLOCK,
    CELL,
    HEADER,
    HEADINGS,
    PLAIN_ROW,
    SMALL,
    Row,
    aligned,
    list_to_html,
    notes_to_html,
    row_of,
    rows_to_html,
    rows_to_text,
    table,
    wrapped,
)
from greenai_magic.show.words import at_least, figure, label, one_line

_OF_OTHER_CRITERIA = ("water", ADPE, ADPF, OTHERS, E_WASTE)
"""How the names begin of what may be left out without a gram of CO2e missing."""
_CRITERIA = {"gwp": "CO2e", "adpe": "ADPe", "adpf": "ADPf"}
"""What is not called by its own name."""
_MARKS = {"not assessed": "?", "not relevant": "–"}
_MARKS_READ = "In the boundary, ? is not assessed, never zero, and – is not relevant."
_TELLING = 0.01
"""By what part a total may differ from the sum of its parts without a word."""
_LEAST_SHARE = 0.005
"""Of the uncertainty: what has less is left out of the table."""
_CAUSES = ("cause", "CO2e (95 % interval)", "part of the uncertainty")
_FOLDED = "Stages of life, sources, what to measure next, boundary"


@dataclass(frozen=True, slots=True)
class Section:
    """A table of a footprint: what it is about, its rows, a sentence below, what its columns are."""

    caption: str
    rows: tuple[Row, ...]
    remark: str = ""
    headings: tuple[str, ...] = HEADINGS


@dataclass(frozen=True, slots=True)
class FootprintView:
    """A footprint in words: all that any face of it shows.

    Attributes
    ----------
    title : str
        Where the electricity came from.
    headline : str
        The CO2e of all that was counted.
    impacts : tuple of Section
        CO2e by scope, and the other criteria.
    details : tuple of Section
        CO2e by stage, what the figures rest on, what moves them most, and contributions apart.
    matrix : tuple of tuple of str
        The boundary: a row of headings, then one for each criterion; empty where there is none.
    points : tuple of str
        How the boundary reads, how many of the five points of completeness are met, and each of them.
    notes : tuple of str
        What the reader should know.
    not_assessed : tuple of str
        What has no figure; never to be read as zero.
    """

    title: str
    headline: str
    impacts: tuple[Section, ...]
    details: tuple[Section, ...]
    matrix: tuple[tuple[str, ...], ...]
    points: tuple[str, ...]
    notes: tuple[str, ...]
    not_assessed: tuple[str, ...]


def describe_footprint(footprint: Footprint) -> FootprintView:
    """Put a footprint into words: each figure is formatted here, and only here."""
    whole = co2e_row(footprint)
    boundary = footprint.boundary
    details = (
        Section("CO2e by stage of life", tuple(_stage_rows(footprint))),
        Section("What these figures rest on", tuple(_source_rows(footprint))),
        _uncertainty(footprint),
        Section(
            HEADING,
            tuple(row_of(c.kind, c.amount, c.note) for c in footprint.contributions),
        ),
    )
    return FootprintView(
        title=label(footprint.place.name),
        headline=whole.figure,
        impacts=(
            Section("CO2e by scope", (whole, *scope_rows(footprint))),
            Section("Other criteria", tuple(criterion_rows(footprint))),
        ),
        details=tuple(section for section in details if section.rows),
        matrix=_matrix(boundary) if boundary else (),
        points=_points(boundary) if boundary else (),
        notes=footprint_notes(footprint),
        not_assessed=tuple(one_line(item) for item in footprint.not_assessed),
    )


def footprint_to_text(view: FootprintView) -> str:
    """Return the footprint as tables for a terminal; the first line says the most."""
    lines = [f"footprint: {view.title} · {view.headline}"]
    for section in (*view.impacts, *view.details):
        lines += [section.caption, *rows_to_text(section.rows)]
        lines += [wrapped(section.remark)] if section.remark else []
    lines += [wrapped(f"note: {note}") for note in view.notes]
    return "\n".join((*lines, boundary_to_text(view)))


def boundary_to_text(view: FootprintView) -> str:
    """Return what a footprint covers and what it leaves out."""
    head = ["Boundary"] if view.matrix else []
    matrix = (f"  {line}" for line in aligned(view.matrix)) if view.matrix else ()
    return "\n".join((*head, *matrix, *map(wrapped, (*view.points, *_left_out(view)))))


def operations_line(footprint: Footprint, device: str | None) -> str:
    """Return what counted operations take, on a device or on this machine, in one line and its notes."""
    energy = footprint.energy_j
    figures = (
        device or "operators timed on this machine",
        figure(footprint.activity["device_time"]),
        "not assessed" if energy is None else figure(energy),
        co2e_row(footprint).figure,
        footprint.place.name,
    )
    notes = (wrapped(f"note: {note}") for note in footprint_notes(footprint))
    return "\n".join((f"energy: {one_line(' · '.join(figures))}", *notes))


def footprint_to_html(view: FootprintView) -> str:
    """Return the footprint as one ``<div class="greenai">`` that needs no script, style sheet or network."""
    heading = f"<strong>Footprint, {escape(view.title)}: {escape(view.headline)}</strong>"
    return "".join(
        (
            f'<div class="greenai"><div>{heading}</div>',
            *(f'<div style="{BLOCK}">{_section(section)}</div>' for section in view.impacts),
            notes_to_html(view.notes),
            *(f'<div style="{SMALL}">{escape(line)}</div>' for line in _left_out(view)),
            f'<details style="{SMALL}"><summary style="cursor:pointer">{_FOLDED}</summary>',
            *map(_section, view.details),
            _matrix_to_html(view.matrix) if view.matrix else "",
            list_to_html("", view.points),
            "</details></div>",
        )
    )


def co2e_row(footprint: Footprint) -> Row:
    """Return the CO2e of all that was counted, which leaves something out as a rule, and of which scopes."""
    if not footprint.gwp_lines:
        return row_of("CO2e", None, "nothing was counted")
    scopes = ", ".join(sorted({f"scope {line.scope}" for line in footprint.gwp_lines}))
    return replace(_bounded("CO2e", footprint.gwp, scopes, bool(footprint.not_assessed)), main=True)


def scope_rows(footprint: Footprint) -> Iterator[Row]:
    """Return the CO2e of each scope; the two figures of scope 2 are one thing counted in two ways."""
    for name, scope, basis, gaps in (
        ("CO2e, scope 1", "1", "location", _lacks(footprint, "scope 1")),
        ("CO2e, scope 2 location-based", "2", "location", _lacks(footprint, "")),
        ("CO2e, scope 2 market-based", "2", "market", _lacks(footprint, "")),
        ("CO2e, scope 3", "3", "location", _lacks(footprint, "scope 3")),
    ):
        quantity = footprint.gwp_g(scope, "market" if basis == "market" else "location")
        kind = f"2 {basis}-based" if scope == "2" else scope
        counted = [line for line in footprint.lines if (line.scope, line.criterion) == (kind, "gwp")]
        note = _items(counted)
        if basis == "market" and quantity is not None:
            note = "the same electricity by its contract: never added"
        yield _bounded(name, quantity, note, gaps, _state(footprint, "gwp", (scope,)))


def criterion_rows(footprint: Footprint) -> Iterator[Row]:
    """Return each criterion beside CO2e, water on site and off site apart."""
    for name, criterion, scopes in (
        ("Water on site", "water", ("1",)),
        ("Water off site", "water", ("2",)),
        ("Metals and minerals (ADPe)", "adpe", SCOPES),
        ("Fossil resources (ADPf)", "adpf", SCOPES),
        ("Electronic waste", "e-waste", SCOPES),
    ):
        lines = [x for x in footprint.lines if x.criterion == criterion and x.scope[0] in scopes]
        state = _state(footprint, criterion, scopes)
        gaps = _lacks(footprint, "") or state == "not assessed"
        yield _bounded(name, _sum(lines, criterion), _items(lines), gaps, state)


def footprint_notes(footprint: Footprint) -> tuple[str, ...]:
    """Return what the reader of a footprint should know."""
    parts = math.fsum(line.quantity.value for line in footprint.gwp_lines)
    raised = parts and footprint.gwp.value / parts > 1 + _TELLING
    sums = f"The CO2e is more than its parts: {MEDIAN_OF_A_SUM}." if raised else ""
    return tuple(one_line(note) for note in (footprint.place.hint, *footprint.notes, sums) if note)


def _bounded(name: str, quantity: Quantity | None, note: str, gaps: bool, state: str = "") -> Row:  # noqa: FBT001
    """Return a row of which the figure is a lower bound where something is missing in it."""
    row = row_of(name, quantity, note)
    if quantity is None:
        return replace(row, figure=state) if state == "not relevant" else row
    return replace(row, figure=at_least(row.figure)) if gaps else row


def _lacks(footprint: Footprint, scope: str) -> bool:
    """Return whether CO2e of a scope, or with ``""`` of the electricity, is named as not assessed."""
    return any(
        text.startswith(scope) if scope else not text.startswith("scope")
        for text in footprint.not_assessed
        if not text.startswith(_OF_OTHER_CRITERIA)
    )


def _state(footprint: Footprint, criterion: str, scopes: Iterable[str]) -> str:
    """Return ``"not assessed"`` where the boundary has such a cell, ``"not relevant"`` where no other."""
    if footprint.boundary is None:
        return "not assessed"
    found = {footprint.boundary.state(scope, stage, criterion) for scope in scopes for stage in STAGES}
    return "not assessed" if "not assessed" in found else "not relevant" if len(found) == 1 else "counted"


def _stage_rows(footprint: Footprint) -> Iterator[Row]:
    gaps = any(not text.startswith(_OF_OTHER_CRITERIA) and text != MARKET for text in footprint.not_assessed)
    for stage in STAGES:
        lines = [line for line in footprint.gwp_lines if line.stage == stage]
        yield _bounded(stage.capitalize(), _sum(lines, f"CO2e, {stage}"), _items(lines), gaps)


def _source_rows(footprint: Footprint) -> Iterator[Row]:
    place = footprint.place
    figures = (
        ("Energy of the devices", footprint.energy_it_j),
        *footprint.activity.items(),
        ("PUE", place.pue),
        (f"Grid, {place.name}", place.grid_intensity),
        ("Contract's intensity", place.market_intensity),
        ("Water on site per kWh", place.wue),
        ("Water off site per kWh", place.ewif),
        ("ADPe per kWh", place.adpe),
        ("ADPf per kWh", place.adpf),
    )
    rows = [(name.replace("_", " "), figure) for name, figure in figures if figure is not None]
    rows += [
        (f"{_criterion(line.criterion)}, {line.stage}, {line.item}", line.quantity)
        for line in footprint.lines
        if line.scope[0] == "3" or (line.scope, line.criterion) == ("1", "gwp")
    ]
    before = ""
    for name, quantity in rows:
        yield row_of(name, quantity, "as above" if quantity.source == before else quantity.source)
        before = quantity.source


def _uncertainty(footprint: Footprint) -> Section:
    quantities = [line.quantity for line in footprint.gwp_lines]
    bars = footprint.tornado() if quantities else ()
    rows = (
        Row(label(bar.cause), show(bar.total), note=f"{100 * bar.share:.0f} %")
        for bar in bars
        if bar.share >= _LEAST_SHARE
    )
    advice = tornado_text(quantities).splitlines()[-1] if bars else ""
    caption = "What each cause of error alone does to the CO2e, and its part of the uncertainty"
    return Section(caption, tuple(rows), one_line(advice), _CAUSES)


def _matrix(boundary: Boundary) -> tuple[tuple[str, ...], ...]:
    columns = [(scope, stage) for scope in SCOPES for stage in STAGES if has_meaning(scope, stage, "gwp")]
    head = ("scope and stage", *(f"{scope} {stage}" for scope, stage in columns))
    states = {name: [boundary.state(*column, name) for column in columns] for name in CRITERIA}
    rows = ((_criterion(name), *(_MARKS.get(state, state) for state in row)) for name, row in states.items())
    return (head, *rows)


def _criterion(name: str) -> str:
    return _CRITERIA.get(name, name)


def _points(boundary: Boundary) -> tuple[str, ...]:
    points = (
        f"{'yes' if point.met else 'no'}: {': '.join(filter(None, (point.name, point.advice)))}"
        for point in boundary.points()
    )
    said = [f"declared: {one_line(boundary.declared)}"] if boundary.declared else []
    covers = f"covered: {', '.join(boundary.covers)}"
    return (_MARKS_READ, f"completeness: {boundary.score()} of 5", *points, covers, *said)


def _items(lines: Iterable[Line]) -> str:
    return ", ".join(dict.fromkeys(line.item for line in lines))


def _sum(lines: list[Line], name: str) -> Quantity | None:
    return total((line.quantity for line in lines), name=name) if lines else None


def _left_out(view: FootprintView) -> list[str]:
    return [f"Not assessed, and not zero: {'; '.join(view.not_assessed)}"] if view.not_assessed else []


def _section(section: Section) -> str:
    remark = f'<div style="{SMALL}">{escape(section.remark)}</div>' if section.remark else ""
    return rows_to_html(escape(section.caption), section.rows, section.headings) + remark


def _matrix_to_html(matrix: tuple[tuple[str, ...], ...]) -> str:
    head, *rows = matrix
    body = "".join(
        f'<tr style="{PLAIN_ROW}"><th scope="row" style="{HEADER}">{escape(name)}</th>'
        + "".join(f'<td style="{CELL}">{escape(state)}</td>' for state in states)
        + "</tr>"
        for name, *states in rows
    )
    return table("Boundary", head, body)
