"""What another tool said of one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from greenai_magic.quantity import JOULES_PER_KWH, Basis, Quantity

G_PER_KG = 1000.0


@dataclass(frozen=True, slots=True)
class Imported:
    """What another tool said of one run, or of one month of a service.

    Attributes
    ----------
    name : str
        What the tool calls it.
    started_at : datetime or None
        In the time zone of the file, none where the file names none.
    duration : Quantity or None
        In s.
    energy_it : Quantity or None
        Of the devices alone, in J.
    energy : Quantity or None
        With the building's share, in J; the tool's own figure.
    co2e : Quantity or None
        What the tool said, in g CO2e: location-based where it has two.
    place_name : str
        As :func:`greenai_magic.footprint.place.known_place` takes it; ``""`` where the file names none.
    pue : Quantity or None
        Energy of the building over energy of the devices, as the tool took it.
    notes : tuple of str
        Sentences on what was left out, assumed or does not fit.
    source : str
        The tool, its version where the file has it, and the file.
    scopes : mapping of str to Quantity
        The parts of the footprint in g CO2e, where the tool tells them apart. A part that is missing was
        not assessed.
    """

    name: str
    started_at: datetime | None
    duration: Quantity | None
    energy_it: Quantity | None
    energy: Quantity | None
    co2e: Quantity | None
    place_name: str
    pue: Quantity | None
    notes: tuple[str, ...]
    source: str
    scopes: Mapping[str, Quantity] = field(default_factory=dict)


def energy_of(
    kwh: float, source: str, *, name: str, spread: Mapping[str, float], basis: Basis = "declared"
) -> Quantity:
    """Return energy in J out of a tool's kilowatt-hours."""
    return Quantity(kwh * JOULES_PER_KWH, "J", basis, source, spread, name=name)


def said(kg: float, source: str, *, name: str = "CO2e as the tool says") -> Quantity:
    """Return g CO2e out of a tool's kilograms: a quotation, so it has no interval of ours."""
    return Quantity(kg * G_PER_KG, "g CO2e", "declared", source, name=name)
