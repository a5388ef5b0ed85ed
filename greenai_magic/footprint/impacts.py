"""From joules in a place to a footprint: a list of lines, and what has no line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from greenai_magic.arithmetic import product, total
from greenai_magic.footprint.place import Place
from greenai_magic.quantity import JOULES_PER_KWH, Quantity

Scope = Literal["1", "2 location-based", "2 market-based", "3"]

NOT_ASSESSED = (
    "scope 1: fuel of back-up generators, refrigerant leaks",
    "scope 2 market-based: contracts and guarantees of origin",
    "scope 3: making, transport and end of life of the hardware",
    "scope 3: networks, storage elsewhere, screens and other terminals, staff, buildings",
    "screens, disks and, where a counter measures, power supplies, fans and main board",
    "water on site and off site",
    "abiotic resources (metals and minerals)",
    "fossil resources",
    "ecotoxicity, particulates, ionising radiation, electronic waste",
)
"""What a footprint of electricity alone leaves out; never to be read as zero."""
UPSTREAM = "scope 3: making of the fuels and of the power stations, losses of the grid"
"""Left out as well where a place's factor is operational and not of the whole life cycle."""


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of a footprint.

    Attributes
    ----------
    scope : str
        Of the GHG Protocol: ``"2 location-based"``.
    stage : str
        Life-cycle stage: ``"use"``.
    criterion : str
        ``"gwp"``.
    quantity : Quantity
        In the criterion's unit; for ``gwp``, g CO2e over 100 years.
    """

    scope: Scope
    stage: str
    criterion: str
    quantity: Quantity


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
    """

    lines: tuple[Line, ...]
    not_assessed: tuple[str, ...]
    place: Place

    def __repr__(self) -> str:
        figures = ", ".join(f"{line.criterion} {line.quantity}" for line in self.lines)
        return f"<Footprint in {self.place.name}: {figures or 'nothing counted'}>"

    @property
    def gwp_lines(self) -> tuple[Line, ...]:
        """The lines that ``gwp`` adds up; a market-based one says the same electricity again."""
        gwp = (line for line in self.lines if line.criterion == "gwp")
        return tuple(line for line in gwp if line.scope != "2 market-based")

    @property
    def gwp(self) -> Quantity:
        """Global warming potential of the lines counted, location-based, in g CO2e."""
        counted = [line.quantity for line in self.gwp_lines]
        return counted[0] if len(counted) == 1 else total(counted, name="CO2e")

    def to_dict(self) -> dict[str, Any]:
        """Return plain types that JSON can hold, nothing lost."""
        return {
            "lines": [
                {
                    "scope": line.scope,
                    "stage": line.stage,
                    "criterion": line.criterion,
                    "quantity": line.quantity.to_dict(),
                }
                for line in self.lines
            ],
            "not_assessed": list(self.not_assessed),
            "place": self.place.to_dict(),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Footprint:
        """Return the footprint that ``to_dict`` described."""
        lines = (
            Line(line["scope"], line["stage"], line["criterion"], Quantity.from_dict(line["quantity"]))
            for line in plain["lines"]
        )
        return cls(tuple(lines), tuple(plain["not_assessed"]), Place.from_dict(plain["place"]))


def assess(energy: Quantity, place: Place) -> Footprint:
    """Turn joules used in a place into a footprint: scope 2, location-based.

    Energy of the devices x PUE x mean intensity of the grid (GHG Protocol Scope 2 Guidance 2015,
    location-based method); PUE is applied once, here.

    Parameters
    ----------
    energy : Quantity
        Joules at the devices.
    place : Place
        Grid intensity in g CO2e/kWh and PUE.
    """
    gwp = product(
        (energy, place.pue, place.grid_intensity),
        "g CO2e",
        name="CO2e",
        divisor=JOULES_PER_KWH,
    )
    left_out = NOT_ASSESSED if place.life_cycle else (UPSTREAM, *NOT_ASSESSED)
    return Footprint((Line("2 location-based", "use", "gwp", gwp),), left_out, place)
