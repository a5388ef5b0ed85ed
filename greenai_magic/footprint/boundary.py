"""Boundary: what a footprint covers, scope by scope, stage by stage, criterion by criterion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType
from typing import Any, Literal, get_args

from greenai_magic.errors import BoundaryError

State = Literal["counted", "estimated", "not assessed", "not relevant"]
Stage = Literal["manufacture", "transport", "use", "end of life"]

SCOPES = ("1", "2", "3")
STAGES: tuple[Stage, ...] = get_args(Stage)
ASSESSABLE = ("gwp", "water", "adpe", "adpf", "e-waste")
"""Criteria that a line may have."""
NAMED_ONLY = ("ecotoxicity", "particulates", "ionising radiation")
"""Criteria without a factor that may be shipped: always not assessed, always named."""
CRITERIA = (*ASSESSABLE, *NAMED_ONLY)
EQUIPMENT = ("computers", "networks", "software and services", "terminals", "edge devices")
"""What the paper calls all infrastructure and services."""

Cell = tuple[str, str, str]
"""Scope, stage and criterion."""
_CELLS: frozenset[Cell] = frozenset(product(SCOPES, STAGES, CRITERIA))


@dataclass(frozen=True, slots=True)
class Point:
    """One of the five points of completeness.

    Attributes
    ----------
    name : str
        What is asked.
    met : bool
        Whether the boundary has it.
    advice : str
        What would meet it; ``""`` where it is met.
    """

    name: str
    met: bool
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Boundary:
    """Scopes x stages x criteria, and the state of each cell.

    Attributes
    ----------
    cells : mapping of (scope, stage, criterion) to State
        Cells that are not listed are not assessed, or not relevant where :func:`has_meaning` says so.
    covers : tuple of str
        Which of ``EQUIPMENT`` the figures are of.
    declared : str
        What is in, what is out and why, in the project's own words; ``""`` where nobody has said.
    """

    cells: Mapping[Cell, State] = field(default_factory=dict)
    covers: tuple[str, ...] = ("computers",)
    declared: str = ""

    def __post_init__(self) -> None:
        for cell, state in self.cells.items():
            _check(cell)
            if state not in get_args(State):
                msg = f"A cell cannot be {state!r}: its states are {', '.join(get_args(State))}."
                raise BoundaryError(msg)
        if unknown := [name for name in self.covers if name not in EQUIPMENT]:
            msg = f"A boundary cannot cover {unknown[0]!r}: choose from {', '.join(EQUIPMENT)}."
            raise BoundaryError(msg)
        object.__setattr__(self, "cells", MappingProxyType(dict(self.cells)))

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        # A mapping proxy cannot be pickled; the plain dict it shows can.
        return type(self), (dict(self.cells), self.covers, self.declared)

    def state(self, scope: str, stage: str, criterion: str) -> State:
        """Return the state of a cell.

        Raises
        ------
        BoundaryError
            If there is no such cell.
        """
        cell = (scope, stage, criterion)
        _check(cell)
        return self.cells.get(cell, "not assessed" if has_meaning(*cell) else "not relevant")

    def missing(self) -> list[Cell]:
        """Return the cells that have a meaning and no figure."""
        return [
            (scope, stage, criterion)
            for criterion in CRITERIA
            for scope in SCOPES
            for stage in STAGES
            if self.state(scope, stage, criterion) == "not assessed"
        ]

    def points(self) -> tuple[Point, ...]:
        """Return the five key points of Impact AI's paper, each met or with what would meet it."""

        def done(scope: str, stage: str, criterion: str = "gwp") -> bool:
            return self.state(scope, stage, criterion) != "not assessed"

        scopes = [scope for scope in SCOPES if not any(done(scope, stage) for stage in _stages(scope))]
        stages = [stage for stage in STAGES if not done("2" if stage == "use" else "3", stage)]
        equipment = [name for name in EQUIPMENT if name not in self.covers]
        bounds = [] if self.declared else ["what is in, what is out and why"]
        others = [c for c in ASSESSABLE[1:] if not any(key[2] == c for key in self._with_figures())]
        asked = (
            ("the three scopes", scopes, "give a figure for scope"),
            ("the whole life cycle", stages, "give a figure for"),
            ("all infrastructure and services", equipment, "cover"),
            ("bounds stated inside Green IT", bounds, "state"),
            ("not only carbon", others if len(others) == len(ASSESSABLE) - 1 else [], "give one of"),
        )
        return tuple(
            Point(name, not lacking, f"{advice} {', '.join(lacking)}" if lacking else "")
            for name, lacking, advice in asked
        )

    def score(self) -> int:
        """Return how many of the five points are met."""
        return sum(point.met for point in self.points())

    def to_text(self) -> str:
        """Return the matrix and the five points as plain text."""
        marks = {"counted": "x", "estimated": "~", "not assessed": "?", "not relevant": "-"}
        head = f"{'':<20}" + "".join(f"{f'{scope} {stage}':>15}" for scope, stage in _columns())
        rows = [
            f"{criterion:<20}"
            + "".join(f"{marks[self.state(scope, stage, criterion)]:>15}" for scope, stage in _columns())
            for criterion in CRITERIA
        ]
        key = "scope and stage; x counted, ~ estimated, ? not assessed (never zero), - not relevant"
        points = [
            f"  {'yes' if point.met else 'no':<4}{': '.join(filter(None, (point.name, point.advice)))}"
            for point in self.points()
        ]
        return "\n".join((head, *rows, key, f"Completeness: {self.score()} of 5", *points))

    def to_dict(self) -> dict[str, Any]:
        """Return plain types that JSON can hold, nothing lost."""
        cells = [[*cell, state] for cell, state in self.cells.items()]
        return {"cells": cells, "covers": list(self.covers), "declared": self.declared}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Boundary:
        """Return the boundary that ``to_dict`` described."""
        cells = {(scope, stage, criterion): state for scope, stage, criterion, state in plain["cells"]}
        return cls(cells, tuple(plain["covers"]), plain["declared"])

    def _with_figures(self) -> Iterable[Cell]:
        return (cell for cell, state in self.cells.items() if state in {"counted", "estimated"})


def has_meaning(scope: str, stage: str, criterion: str) -> bool:
    """Return whether a cell can hold a figure at all.

    Scopes 1 and 2 are what is burnt, leaks or is plugged in while the machines are used; whatever
    happens in factories, on ships and in scrapyards is scope 3. Waste arises at the end of life.
    """
    if criterion == "e-waste":
        return (scope, stage) == ("3", "end of life")
    if criterion in {"adpe", "adpf"} and scope == "1":
        return False
    return scope == "3" or stage == "use"


def _check(cell: Cell) -> None:
    if cell not in _CELLS:
        msg = (
            f"A boundary has no cell {cell!r}: scopes are {', '.join(SCOPES)}, stages {', '.join(STAGES)}, "
            f"criteria {', '.join(CRITERIA)}."
        )
        raise BoundaryError(msg)


def _stages(scope: str) -> tuple[Stage, ...]:
    return STAGES if scope == "3" else ("use",)


def _columns() -> list[tuple[str, Stage]]:
    return [(scope, stage) for scope in SCOPES for stage in _stages(scope)]
