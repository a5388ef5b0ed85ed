"""From joules in a place to a footprint: a list of lines, and what has no line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from greenai_magic.arithmetic import product, total
from greenai_magic.errors import BoundaryError, UnitError
from greenai_magic.footprint.boundary import Boundary, Cell, Stage, State
from greenai_magic.footprint.contributions import Contribution
from greenai_magic.footprint.left_out import unassessed
from greenai_magic.footprint.place import Place
from greenai_magic.footprint.uncertainty import Bar, Comparison, compare, tornado
from greenai_magic.quantity import JOULES_PER_KWH, Quantity

Scope = Literal["1", "2 location-based", "2 market-based", "3"]
Criterion = Literal["gwp", "water", "adpe", "adpf", "e-waste"]
UNITS: Mapping[str, str] = {
    "gwp": "g CO2e",
    "water": "L",
    "adpe": "g Sb eq",
    "adpf": "MJ",
    "e-waste": "g",
}
"""The unit of each criterion."""


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of a footprint.

    Attributes
    ----------
    scope : str
        Of the GHG Protocol: ``"1"``, ``"2 location-based"``, ``"2 market-based"`` or ``"3"``.
    stage : str
        Life-cycle stage: ``"manufacture"``, ``"transport"``, ``"use"`` or ``"end of life"``.
    criterion : str
        ``"gwp"``, ``"water"``, ``"adpe"``, ``"adpf"`` or ``"e-waste"``.
    quantity : Quantity
        In the criterion's unit (``UNITS``); for ``gwp``, g CO2e over 100 years.
    item : str
        What it is of: ``"electricity"``, ``"1 laptop"``.
    """

    scope: Scope
    stage: Stage
    criterion: str
    quantity: Quantity
    item: str = "electricity"

    def __post_init__(self) -> None:
        if self.scope not in get_args(Scope) or self.stage not in get_args(Stage):
            msg = (
                f"A line of a footprint has a scope ({', '.join(get_args(Scope))}) and a stage "
                f"({', '.join(get_args(Stage))}), not {self.scope!r} and {self.stage!r}."
            )
            raise BoundaryError(msg)
        if UNITS.get(self.criterion) != self.quantity.unit:
            known = ", ".join(f"{name} in {unit}" for name, unit in UNITS.items())
            msg = f"A line cannot be {self.criterion} in {self.quantity.unit}: there are {known}."
            raise UnitError(msg)

    @property
    def basis(self) -> str:
        """How the figure was obtained."""
        return self.quantity.basis

    @property
    def source(self) -> str:
        """Where the figure comes from."""
        return self.quantity.source


@dataclass(frozen=True, slots=True, repr=False)
class Footprint:
    """Lines that were counted, and the names of those that were not.

    Attributes
    ----------
    lines : tuple of Line
        What was counted.
    not_assessed : tuple of str
        What was not: a total is a lower bound of the whole because of these.
    place : Place
        Where the electricity came from.
    energy_it : Quantity, optional
        Joules of the devices, before PUE; None where the footprint is of no electricity.
    boundary : Boundary, optional
        What is covered, cell by cell; None in records made before there were boundaries.
    activity : mapping of str to Quantity
        What the energy came from, as far as it is known: ``flops``, ``flop_per_s``, ``device_time``
        (s, all devices together), ``power`` (W a device at full load), ``load`` (0 to 1). Of a measurement,
        ``power`` is what was drawn and ``load`` is absent.
    contributions : tuple of Contribution
        Offsets and avoided emissions, told apart; no figure of the footprint depends on them.
    notes : tuple of str
        One sentence for each thing the reader should know.
    """

    lines: tuple[Line, ...]
    not_assessed: tuple[str, ...]
    place: Place
    energy_it: Quantity | None = None
    boundary: Boundary | None = None
    activity: Mapping[str, Quantity] = field(default_factory=dict)
    contributions: tuple[Contribution, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        figures = f"gwp {self.gwp}" if self.gwp_lines else "nothing counted"
        return f"<Footprint in {self.place.name}: {figures}>"

    def __str__(self) -> str:
        return str(self.gwp) if self.gwp_lines else "not assessed"

    @property
    def energy_it_j(self) -> Quantity | None:
        """Joules of the devices, before PUE; None where no electricity was assessed."""
        return self.energy_it

    @property
    def energy_j(self) -> Quantity | None:
        """Joules of the devices and of the building around them: PUE applied, once."""
        if self.energy_it is None:
            return None
        return product((self.energy_it, self.place.pue), "J", name="energy with PUE")

    @property
    def gwp_lines(self) -> tuple[Line, ...]:
        """The lines that ``gwp`` adds up; a market-based one says the same electricity again."""
        return self._counted("gwp")

    @property
    def gwp(self) -> Quantity:
        """Global warming potential of the lines counted, location-based, in g CO2e."""
        return self._total(self.gwp_lines, "CO2e")

    def gwp_g(
        self, scope: int | str | None = None, basis: Literal["location", "market"] = "location"
    ) -> Quantity | None:
        """Return the global warming potential in g CO2e; None, and never 0, where it was not assessed.

        Parameters
        ----------
        scope : int or str, optional
            1, 2 or 3; all that was counted when left out.
        basis : str
            ``"location"`` or ``"market"``: by which method scope 2 is counted. The two are never added.

        Raises
        ------
        UnitError
            If there is no such scope or basis.
        """
        if (scope is not None and str(scope) not in {"1", "2", "3"}) or basis not in {"location", "market"}:
            msg = f'Give scope 1, 2 or 3 and basis "location" or "market", not {scope!r} and {basis!r}.'
            raise UnitError(msg)
        asked = "123" if scope is None else str(scope)
        found = self._counted("gwp", basis, asked)
        market = any(line.scope == "2 market-based" for line in found)
        if not found or (basis == "market" and "2" in asked and not market):
            return None
        return self._total(found, "CO2e" if basis == "location" else "CO2e, market-based")

    def water_l(self) -> Quantity | None:
        """Return the water on site and off site in L; None where neither was assessed."""
        return self.of("water")

    def of(self, criterion: str) -> Quantity | None:
        """Return the total of a criterion in its unit, location-based; None where it was not assessed.

        Raises
        ------
        UnitError
            If there is no such criterion.
        """
        if criterion not in UNITS:
            msg = f"No line can be of {criterion!r}: choose from {', '.join(UNITS)}."
            raise UnitError(msg)
        found = self._counted(criterion)
        return self._total(found, "CO2e" if criterion == "gwp" else criterion) if found else None

    def tornado(self) -> tuple[Bar, ...]:
        """Return what each cause of error alone does to the CO2e, the worst first: measure that next."""
        return tornado(line.quantity for line in self.gwp_lines)

    def compare(self, other: Footprint) -> Comparison:
        """Return the other's CO2e over this one's, with the causes of error that both share cancelled.

        Raises
        ------
        BoundaryError
            If the two count different things.
        """
        counted = [{(line.scope, line.stage) for line in footprint.gwp_lines} for footprint in (self, other)]
        if counted[0] != counted[1]:
            apart = ", ".join(sorted(f"scope {scope} {stage}" for scope, stage in counted[0] ^ counted[1]))
            msg = (
                f"Only one of the two footprints counts {apart}: compare what both count, or reconcile them."
            )
            raise BoundaryError(msg)
        return compare(*([line.quantity for line in f.gwp_lines] for f in (self, other)))

    def export(self) -> dict[str, Any]:
        """Return the footprint for others to read, which it can only be with its boundary.

        Raises
        ------
        BoundaryError
            If the footprint has no boundary.
        """
        if self.boundary is None:
            msg = "This footprint has no boundary, so it cannot be exported: assess it again, or add one."
            raise BoundaryError(msg)
        return self.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """Return plain types that JSON can hold, nothing lost."""
        return {
            "lines": [
                {
                    "scope": line.scope,
                    "stage": line.stage,
                    "criterion": line.criterion,
                    "quantity": line.quantity.to_dict(),
                    "item": line.item,
                }
                for line in self.lines
            ],
            "not_assessed": list(self.not_assessed),
            "place": self.place.to_dict(),
            "energy_it": self.energy_it and self.energy_it.to_dict(),
            "boundary": self.boundary and self.boundary.to_dict(),
            "activity": {name: figure.to_dict() for name, figure in self.activity.items()},
            "contributions": [contribution.to_dict() for contribution in self.contributions],
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Footprint:
        """Return the footprint that ``to_dict`` described, in this version or an earlier one."""
        lines = (
            Line(**(line | {"quantity": Quantity.from_dict(line["quantity"])})) for line in plain["lines"]
        )
        energy_it, boundary = plain.get("energy_it"), plain.get("boundary")
        return cls(
            tuple(lines),
            tuple(plain["not_assessed"]),
            Place.from_dict(plain["place"]),
            Quantity.from_dict(energy_it) if energy_it else None,
            Boundary.from_dict(boundary) if boundary else None,
            {name: Quantity.from_dict(figure) for name, figure in plain.get("activity", {}).items()},
            tuple(map(Contribution.from_dict, plain.get("contributions", ()))),
            tuple(plain.get("notes", ())),
        )

    def _total(self, lines: Iterable[Line], name: str) -> Quantity:
        """Return a sum of lines, as a lower bound where something was not assessed."""
        return replace(_sum(lines, name), at_least=bool(self.not_assessed))

    def _counted(self, criterion: str, basis: str = "location", scopes: str = "123") -> tuple[Line, ...]:
        other = "2 market-based" if basis == "location" else "2 location-based"
        return tuple(
            line
            for line in self.lines
            if line.criterion == criterion and line.scope != other and line.scope[0] in scopes
        )


def assess(
    energy: Quantity,
    place: Place,
    hardware: Iterable[Line] = (),
    *,
    direct: Iterable[Line] = (),
    boundary: Boundary | None = None,
    activity: Mapping[str, Quantity] | None = None,
    contributions: Sequence[Contribution] = (),
    left_out: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Footprint:
    """Turn joules used in a place into a footprint.

    Scope 2 is energy of the devices x PUE x mean intensity of the grid (GHG Protocol Scope 2 Guidance
    2015), location-based, and market-based beside it where the user declared a contract. PUE is applied
    once, here. Water is E x WUE on site and E x PUE x EWIF off site (Li et al. 2023, arXiv:2304.03271).

    Parameters
    ----------
    energy : Quantity
        Joules at the devices.
    place : Place
        Factors of the electricity and of the building.
    hardware : iterable of Line
        Making, transport and end of life of the devices, as ``embodied.lines_of`` gives them.
    direct : iterable of Line
        Scope 1, as ``direct.burnt`` and ``direct.leaked`` give it.
    boundary : Boundary, optional
        What else the user declares: cells that are not relevant, what is covered, and why.
    activity : mapping of str to Quantity, optional
        What the energy was made from: see :class:`Footprint`.
    contributions : sequence of Contribution
        Offsets and avoided emissions, kept apart.
    left_out : sequence of str
        What else was not assessed.
    notes : sequence of str
        For the reader.

    Raises
    ------
    UnitError
        If the energy is not in joules, or the place's intensity is a marginal one.
    BoundaryError
        If the boundary says counted or estimated of what no line gives.
    """
    if energy.unit != "J":
        msg = f"A footprint is of joules, not of {energy.unit}: for hours of a device, estimate_aposteriori."
        raise UnitError(msg)
    if place.marginal:
        msg = "A marginal intensity tells what shifting a job would change, not a footprint: use the average."
        raise UnitError(msg)
    lines = (*_of_electricity(energy, place), *hardware, *direct)
    declared = boundary or Boundary()
    cells = dict(declared.cells)
    if not place.data_centre:
        # A desk has no cooling tower.
        cells.setdefault(("1", "use", "water"), "not relevant")
    found = _cells(lines)
    _check_figures(cells, found)
    whole = Boundary(cells | found, declared.covers, declared.declared)
    return Footprint(
        lines,
        (*unassessed(place, whole), *left_out),
        place,
        energy,
        whole,
        activity or {},
        tuple(contributions),
        tuple(notes),
    )


def _of_electricity(energy: Quantity, place: Place) -> list[Line]:
    factors: list[tuple[Scope, Criterion, str, Quantity | None]] = [
        ("2 location-based", "gwp", "CO2e of electricity", place.grid_intensity),
        ("2 market-based", "gwp", "CO2e of electricity, market-based", place.market_intensity),
        ("2 location-based", "water", "water off site", place.ewif),
        ("2 location-based", "adpe", "abiotic resources of electricity", place.adpe),
        ("2 location-based", "adpf", "fossil resources of electricity", place.adpf),
    ]
    lines = [
        Line(
            scope,
            "use",
            criterion,
            product((energy, place.pue, factor), UNITS[criterion], name=name, divisor=JOULES_PER_KWH),
        )
        for scope, criterion, name, factor in factors
        if factor is not None
    ]
    if place.wue is not None:
        # WUE is litres per kWh of the devices: PUE has no place in it.
        on_site = product((energy, place.wue), "L", name="water on site", divisor=JOULES_PER_KWH)
        lines.append(Line("1", "use", "water", on_site, "cooling"))
    return lines


def _cells(lines: Iterable[Line]) -> dict[Cell, State]:
    cells: dict[Cell, State] = {}
    for line in lines:
        cell = (line.scope[0], line.stage, line.criterion)
        known = line.basis in {"measured", "declared"}
        cells[cell] = "counted" if known and cells.get(cell) != "estimated" else "estimated"
    return cells


def _check_figures(declared: Mapping[Cell, State], found: Mapping[Cell, State]) -> None:
    for cell, state in declared.items():
        if state in {"counted", "estimated"} and cell not in found:
            msg = (
                f"The boundary has {' / '.join(cell)} as {state}, but no line gives a figure: give one, or "
                "say not relevant or not assessed."
            )
            raise BoundaryError(msg)


def _sum(lines: Iterable[Line], name: str) -> Quantity:
    parts = [line.quantity for line in lines]
    return parts[0] if len(parts) == 1 else total(parts, name=name)
