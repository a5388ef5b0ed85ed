"""Tally: what a walker over a Keras graph reports, operator by operator, as rows of a report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from greenai_magic.flops.formulas import Cost, Shape
from greenai_magic.flops.report import Kind, Phase, Row, Uncounted

PRODUCTS: tuple[Kind, ...] = ("matmul", "convolution", "attention", "recurrent")
DEAREST_BRANCH = "Where a branch depends on the data, the most expensive one was counted."
ONE_TURN = "one turn of its body counted"
"""Of a loop whose turns depend on the data."""
Shapes = tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operator stands: in which module, in which phase, and how often it is executed there."""

    module: str
    phase: Phase
    calls: int = 1


@dataclass(slots=True)
class _Unknown:
    shapes: Shapes
    calls: int = 0
    modules: dict[str, None] = field(default_factory=dict)


class Tally:
    """Rows and unknown operators, gathered.

    Parameters
    ----------
    kind_in : callable
        What work an operator of a kind is in the module at a path.
    """

    def __init__(self, kind_in: Callable[[str, Kind], Kind]) -> None:
        self._kind_in = kind_in
        self._rows: dict[tuple[str, Phase, str, Kind, Shapes, str], Row] = {}
        self._unknown: dict[str, _Unknown] = {}
        self.notes: dict[str, None] = {}

    def add(self, place: Place, op: str, shapes: Shapes, cost: Cost, bytes_moved: int) -> None:
        """Count an operator at a place, as often as it is called there."""
        kind = self._kind_in(place.module, cost.kind)
        key = (place.module, place.phase, op, kind, shapes, cost.formula)
        row = self._rows.get(key)
        if row is None:
            row = Row(place.module, place.phase, op, kind, shapes, 0, 0, 0, 0, cost.formula)
        self._rows[key] = replace(
            row,
            calls=row.calls + place.calls,
            flops=row.flops + place.calls * cost.flops,
            macs=row.macs + (place.calls * cost.macs if kind in PRODUCTS else 0),
            bytes_moved=row.bytes_moved + place.calls * bytes_moved,
        )

    def add_unknown(self, place: Place, op: str, shapes: Shapes) -> None:
        """Note an operator without a formula."""
        unknown = self._unknown.setdefault(op, _Unknown(shapes))
        unknown.calls += place.calls
        unknown.modules[place.module] = None

    def note(self, sentence: str) -> None:
        """Add a sentence for the reader, once."""
        self.notes[sentence] = None

    @property
    def expense(self) -> tuple[int, int]:
        """MACs and, where those are equal, FLOPs: what one branch is dearer by than another."""
        rows = self._rows.values()
        return sum(row.macs for row in rows), sum(row.flops for row in rows)

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, in the order in which they first came."""
        return tuple(self._rows.values())

    @property
    def uncounted(self) -> tuple[Uncounted, ...]:
        """All unknown operators, in the order in which they first came."""
        return tuple(Uncounted(op, u.shapes, u.calls, tuple(u.modules)) for op, u in self._unknown.items())


def elements(shape: Iterable[int]) -> int:
    """Return the number of elements of a tensor."""
    return math.prod(map(int, shape))
