"""Rows of figures in words, and how a table of them is laid out as HTML and as text.

The HTML keeps to what the strictest viewers leave of a saved notebook: plain elements, inline styles of
the oldest kind, no colour of its own.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from greenai_magic.quantity import Quantity
from greenai_magic.show.words import figure, label, one_line

MISSING = "not assessed"
BLOCK = "display:inline-block;vertical-align:top;max-width:100%;margin:0 0 4px 0"
PLAIN_ROW = "background:transparent"
CELL = "text-align:left;vertical-align:top;padding:1px 12px 1px 0"
QUIET = "opacity:0.8"
SMALL = "font-size:13px;margin:4px 0 0 0"
LIST = "margin:2px 0;line-height:1.4"
HEADER = f"{CELL};font-weight:normal"
HEADINGS = ("what", "value (95 % interval)", "how known")
_TABLE = "border-collapse:collapse;margin:0;table-layout:auto;font-size:13px"
_CAPTION = "text-align:left;padding:4px 0 2px 0"
_NOTE = "font-size:13px;margin:0 0 6px 0;padding:0 0 0 8px;border-left:3px solid"

# Words stay whole: a note may hold a command to copy.
_WRAPPER = textwrap.TextWrapper(
    100, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, in words.

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
        Whether it is one of the figures to remember.
    """

    label: str
    figure: str
    basis: str = ""
    note: str = ""
    main: bool = False


def row_of(name: str, quantity: Quantity | None, note: str = "") -> Row:
    """Put a figure into words; None is not assessed, never zero."""
    if quantity is None:
        return Row(label(name), MISSING, note=one_line(note))
    return Row(label(name), figure(quantity), quantity.basis, one_line(note))


def rows_to_text(rows: Iterable[Row]) -> list[str]:
    """Return rows as aligned lines of at most 100 columns; what does not fit goes on below."""
    cells = [(row.label, row.figure, row.basis, row.note) for row in rows]
    return list(map(wrapped, aligned(cells)))


def aligned(cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Return rows of cells as lines whose columns stand below one another."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)


def wrapped(line: str) -> str:
    """Return a line indented, and folded where it is longer than a terminal is wide."""
    return _WRAPPER.fill(line)


def rows_to_html(caption: str, rows: Sequence[Row], headings: Sequence[str] = HEADINGS) -> str:
    """Return a table of rows; ``caption`` is HTML already."""
    return table(caption, headings, "".join(map(_html_row, rows)))


def table(caption: str, headings: Iterable[str], body: str) -> str:
    """Return a table; ``caption`` and ``body`` are HTML already."""
    cells = "".join(f'<th scope="col" style="{HEADER};{QUIET}">{escape(name)}</th>' for name in headings)
    return (
        f'<table style="{_TABLE}"><caption style="{_CAPTION}">{caption}</caption>'
        f'<thead style="border:none"><tr style="{PLAIN_ROW}">{cells}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def notes_to_html(notes: Iterable[str]) -> str:
    """Return sentences that stand out, each on its own."""
    return "".join(f'<div style="{_NOTE}">{escape(note)}</div>' for note in notes)


def list_to_html(title: str, items: Iterable[str]) -> str:
    """Return a titled list, nothing where there is nothing to list."""
    entries = "".join(f"<li>{escape(item)}</li>" for item in items)
    if not entries:
        return ""
    return f'<div style="{SMALL}">{escape(title)}<ul style="{LIST}">{entries}</ul></div>'


def _html_row(row: Row) -> str:
    value, bracket, interval = map(escape, row.figure.partition(" ("))
    weight = "strong" if row.main else "span"
    known = escape(" · ".join(filter(None, (row.basis, row.note))))
    return (
        f'<tr style="{PLAIN_ROW}"><th scope="row" style="{HEADER}">{escape(row.label)}</th>'
        f'<td style="{CELL};white-space:nowrap"><{weight}>{value}</{weight}>{bracket}{interval}</td>'
        f'<td style="{CELL};{QUIET}">{known}</td></tr>'
    )
