"""A FlopReport in words: described once, then written as a tree that folds and as plain text.

Counts are exact, so they are shown whole where there is room and in three digits where there is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from greenai_magic.flops.report import CONVENTION, FlopReport, Kind, Module, Row
from greenai_magic.quantity import significant
from greenai_magic.show.words import label, one_line

Sort = Literal["order", "flops"]
By = Literal["module", "op"]
_SCALES = ((1, ""), (10**3, "k"), (10**6, "M"), (10**9, "G"), (10**12, "T"), (10**15, "P"), (10**18, "E"))
_INDENT = "  "
_LOWER = "≥ "
"""Before a figure that something is missing in."""
_UPPER = "at most "
"""Before a figure that is not reached where the data do not go the longest way."""
_OPEN_TO = 1
"""Levels of the HTML tree that are unfolded at first."""
_ROW = "line-height:1.5;white-space:nowrap"
_AS_SUMMARY = "padding:0 0 0 16px"
_WIDTHS_PX = (52, 66, 66, 80)
_CELL = "display:inline-block;text-align:right;padding:0 12px 0 0"
_QUIET = "opacity:0.8"
_SMALL = "font-size:13px;margin:4px 0 0 0"
_NOTE = "font-size:13px;margin:0 0 6px 0;padding:0 0 0 8px;border-left:3px solid"


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of the tree, in words.

    Attributes
    ----------
    name, what : str
        Last part of the module's path and its class; an operator's name and its kind.
    flops, macs, params : str
        With all that the module contains.
    share : str
        Of the whole report's FLOPs.
    output : str
        Shape of what it gives.
    children : tuple of Branch
        Deeper lines; empty below the depth asked for.
    """

    name: str
    what: str
    flops: str
    macs: str
    params: str
    share: str
    output: str
    children: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True)
class FlopView:
    """A report in words: all that any face of it shows."""

    headline: str
    facts: tuple[tuple[str, str], ...]
    branches: tuple[Branch, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


def describe_flops(
    report: FlopReport, *, depth: int | None = None, sort: Sort = "order", by: By = "module"
) -> FlopView:
    """Put a report into words.

    Parameters
    ----------
    report : FlopReport
        What was counted.
    depth : int, optional
        Levels of modules below the model; all of them by default.
    sort : str
        ``"order"`` as in the model, ``"flops"`` the most expensive first.
    by : str
        ``"module"`` for the tree, ``"op"`` for one line an operator.
    """
    figures = (
        _figure(report.macs, "MACs", lower=bool(report.uncounted)),
        f"{_bound(report)}{count(report.flops, 'FLOPs')}",
    )
    size = f"{count(report.params)} parameters" if report.weight_bytes else ""
    headline = " · ".join(filter(None, (label(report.model), *figures, size)))
    branches = _operators(report) if by == "op" else (_tree(report, depth, sort),)
    missing = tuple(
        f"{label(item.op)}, {_times(item.calls)}, first on "
        f"{shape_text(item.shapes)} in {label(', '.join(item.modules) or 'the model')}"
        for item in report.uncounted
    )
    return FlopView(headline, tuple(_facts(report)), branches, missing, tuple(map(one_line, report.notes)))


def flops_to_text(view: FlopView) -> str:
    """Return the report as an aligned table for a terminal; its first line says the most."""
    head = ("module", "what", "output", "parameters", "MACs", "FLOPs", "share")
    rows = [head, *(row for branch in view.branches for row in _text_rows(branch, 0))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = (
        "  ".join(
            cell.ljust(w) if i < 3 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    missing = (f"not counted, and not zero: {item}" for item in view.missing)
    facts = (f"{name}: {text}" for name, text in view.facts)
    notes = (f"note: {note}" for note in view.notes)
    lines = (*missing, *facts, "", *table, *notes)
    return "\n".join((f"flops: {view.headline}", *(f"{_INDENT}{line}".rstrip() for line in lines)))


def flops_to_html(view: FlopView) -> str:
    """Return the report as one ``<div class="greenai">`` whose modules fold."""
    facts = "".join(f"<div>{escape(name)}: {escape(text)}</div>" for name, text in view.facts)
    missing = "".join(f"<li>{escape(item)}</li>" for item in view.missing)
    notes = "".join(f'<div style="{_NOTE}">{escape(note)}</div>' for note in view.notes)
    alarm = f'<div style="{_NOTE}"><strong>Not counted, and not zero:</strong><ul>{missing}</ul></div>'
    columns = _cells("share", "FLOPs", "MACs", "parameters")
    head = f'<div style="{_ROW};{_AS_SUMMARY};{_QUIET}">{columns}module</div>'
    tree = "".join(_html(branch, 0) for branch in view.branches)
    return "".join(
        (
            f'<div class="greenai"><strong>{escape(view.headline)}</strong>',
            alarm if missing else "",
            f'<div style="{_SMALL}">{facts}</div>',
            f'<div style="{_SMALL};overflow-x:auto">{head}{tree}</div>',
            notes,
            "</div>",
        )
    )


def count(number: int, unit: str = "") -> str:
    """Return an exact count in three digits, scaled: ``"4.09 GMACs"``."""
    # Rounded before the scale is chosen: 999,999 is 1.00 M, not 1000 k.
    rounded = float(f"{number:.2e}") if number else 0.0
    scale, prefix = max(s for s in _SCALES if s[0] <= max(1.0, rounded))
    figure = f"{number:,}" if scale == 1 else significant(number / scale, 3)
    return f"{figure} {prefix}{unit}".rstrip()


def shape_text(shapes: Sequence[Sequence[int]]) -> str:
    """Return shapes as people write them: ``1x3x224x224, 64x3x7x7``."""
    return ", ".join("x".join(map(str, shape)) or "scalar" for shape in shapes) or "no tensor"


def _facts(report: FlopReport) -> Iterator[tuple[str, str]]:
    lower = _LOWER if report.uncounted else ""
    yield "FLOPs", f"{_bound(report)}{report.flops:,} ({lower}{report.macs:,} MACs); {CONVENTION}"
    if report.inputs:
        yield "inputs", f"{one_line(report.inputs)}; {report.method}"
    else:
        yield "method", report.method
    phases, whole = report.by_phase, report.flops
    if len(phases) > 1:
        yield "of these", ", ".join(f"{phase} {count(flops)}".rstrip() for phase, flops in phases.items())
    kinds = ((kind, flops) for kind, flops in report.by_kind.items() if flops)
    yield (
        "kinds of what was counted" if report.uncounted else "kinds",
        ", ".join(f"{kind} {_share(flops, whole)}" for kind, flops in kinds) or "none",
    )
    if report.weight_bytes:
        trainable = f"{report.params:,}, {report.trainable_params:,} of them trainable"
        yield "parameters", f"{trainable}; weights {count(report.weight_bytes, 'B')}"
    made, most = map(_bytes_or_not, (report.activation_bytes, report.peak_activation_bytes))
    yield "activations", f"made {made} in the forward pass; most at once, all phases {most}"
    if (intensity := report.arithmetic_intensity) is not None:
        yield "arithmetic intensity", f"{significant(intensity, 2)} FLOPs a byte moved"


def _bound(report: FlopReport) -> str:
    return _LOWER if report.uncounted else _UPPER if report.at_most else ""


def _bytes_or_not(number: int | None) -> str:
    return "not assessed" if number is None else count(number, "B")


def _tree(report: FlopReport, depth: int | None, sort: Sort) -> Branch:
    children: dict[str, list[Module]] = {}
    for module in report.modules[1:]:
        children.setdefault(module.path.rpartition(".")[0], []).append(module)
    flops, macs, params = report.by_module, report.macs_by_module, report.params_by_module
    whole, lower = report.flops, report.lower_bounds

    def branch(module: Module, level: int) -> Branch:
        below = children.get(module.path, []) if depth is None or level < depth else []
        if sort == "flops":
            below = sorted(below, key=lambda child: flops[child.path], reverse=True)
        return Branch(
            name=label(module.path.rpartition(".")[2] or "model"),
            what=label(module.class_name),
            flops=_figure(flops[module.path], lower=module.path in lower),
            macs=_figure(macs[module.path], lower=module.path in lower),
            params=count(params[module.path]),
            share=_share(flops[module.path], whole, lower=module.path in lower),
            output="x".join(map(str, module.output_shape)),
            children=tuple(branch(child, level + 1) for child in below),
        )

    return branch(report.modules[0], 0)


def _operators(report: FlopReport) -> tuple[Branch, ...]:
    rows: dict[tuple[str, Kind], list[Row]] = {}
    for row in report.rows:
        rows.setdefault((row.op, row.kind), []).append(row)
    whole = report.flops
    lower = {item.op for item in report.uncounted}
    lines = []
    for (op, kind), same in rows.items():
        flops = sum(row.flops for row in same)
        branch = Branch(
            name=label(op),
            what=kind,
            flops=_figure(flops, lower=op in lower),
            macs=_figure(sum(row.macs for row in same), lower=op in lower),
            params="",
            share=_share(flops, whole, lower=op in lower),
            output=_times(sum(row.calls for row in same)),
        )
        lines.append((flops, branch))
    return tuple(line for _, line in sorted(lines, key=lambda pair: pair[0], reverse=True))


def _text_rows(branch: Branch, level: int) -> Iterator[tuple[str, ...]]:
    yield (
        f"{_INDENT * level}{branch.name}", branch.what, branch.output,
        branch.params, branch.macs, branch.flops, branch.share,
    )  # fmt: skip
    for child in branch.children:
        yield from _text_rows(child, level + 1)


def _html(branch: Branch, level: int) -> str:
    # Every line is as far in as its depth, and its figures stand before it: so they stay in line.
    name = f'<span style="padding:0 0 0 {16 * level}px">{escape(branch.name)}</span>'
    what = f'<span style="{_QUIET}"> {escape(f"{branch.what} {branch.output}".strip())}</span>'
    line = f"{_cells(branch.share, branch.flops, branch.macs, branch.params)}{name}{what}"
    if not branch.children:
        return f'<div style="{_ROW};{_AS_SUMMARY}">{line}</div>'
    inner = "".join(_html(child, level + 1) for child in branch.children)
    opened = " open" if level < _OPEN_TO else ""
    return f'<details{opened}><summary style="{_ROW};cursor:pointer">{line}</summary>{inner}</details>'


def _cells(*texts: str) -> str:
    widths = zip(texts, _WIDTHS_PX, strict=True)
    return "".join(f'<span style="{_CELL};width:{width}px">{escape(text)}</span>' for text, width in widths)


def _times(calls: int) -> str:
    return "1 call" if calls == 1 else f"{calls:,} calls"


def _figure(number: int, unit: str = "", *, lower: bool) -> str:
    return f"{_LOWER if lower else ''}{count(number, unit)}"


def _share(part: int, whole: int, *, lower: bool = False) -> str:
    if not part:
        return "?" if lower else "0 %"
    share = 100 * part / whole
    return "< 0.1 %" if share < 0.1 else f"{significant(share, 2 if share < 99.5 else 3)} %"
