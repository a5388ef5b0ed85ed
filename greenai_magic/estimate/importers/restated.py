"""Why another tool's footprint and ours differ, as a product of causes."""

from __future__ import annotations

from typing import Literal, Protocol

from greenai_magic.estimate.importers.imported import Imported
from greenai_magic.quantity import JOULES_PER_KWH, Quantity, show, significant

_DIGITS = 3
_SAME = 1e-9
"""Ratios closer to 1 than this are rounding."""


class OurFootprint(Protocol):
    """What is needed of a footprint to compare it."""

    @property
    def energy_it_j(self) -> Quantity | float:
        """Energy of the devices in J."""

    @property
    def energy_j(self) -> Quantity | float:
        """Energy with the building's share in J."""

    def gwp_g(
        self, scope: int | None = None, basis: Literal["location", "market"] = "location"
    ) -> Quantity | float:
        """Return g CO2e of a scope."""


def restated(imported: Imported, footprint: OurFootprint) -> str:
    """Return what the tool said, what we say of the same electricity, and the causes of the difference.

    ours / theirs = (energy of devices) x (PUE) x (intensity), each the ratio of our figure to the tool's;
    the tool's intensity is what its own figures imply: its CO2e over its energy with PUE. Exact for any
    figures, since the footprint of electricity is the product of the three.

    Parameters
    ----------
    imported : Imported
        What the tool said.
    footprint : OurFootprint
        Ours of the same run; electricity alone is compared, so its scope 2, location-based.

    Returns
    -------
    str
        Sentences; where the tool left out what a ratio needs, they say so and give no ratio.
    """
    theirs, ours = imported.co2e, footprint.gwp_g(2, "location")
    told = f"ours of its electricity is {_shown(ours)}"
    if theirs is None:
        return f"{imported.source} says no CO2e; {told}."
    opening = f"{imported.source} says {_shown(theirs)}; {told}"
    energy, energy_it = imported.energy, imported.energy_it
    if energy is None or energy_it is None:
        return f"{opening}. It tells no energy with PUE, so the difference cannot be split into causes."
    our_it_j, our_j, our_g = _value(footprint.energy_it_j), _value(footprint.energy_j), _value(ours)
    if min(energy.value, energy_it.value, theirs.value, our_it_j, our_g) <= 0:
        return f"{opening}. One of the two has no energy or no CO2e, so there is no ratio to split."
    pue, our_pue = energy.value / energy_it.value, our_j / our_it_j
    g_per_kwh, our_g_per_kwh = theirs.value * JOULES_PER_KWH / energy.value, our_g * JOULES_PER_KWH / our_j
    return (
        f"{opening}, x{_ratio(our_g / theirs.value)}: "
        f"energy of the devices x{_ratio(our_it_j / energy_it.value)}, "
        f"PUE x{_ratio(our_pue / pue)} ({_ratio(pue)} to {_ratio(our_pue)}), "
        f"intensity x{_ratio(our_g_per_kwh / g_per_kwh)} "
        f"({_ratio(g_per_kwh)} g/kWh implied by its figures to {_ratio(our_g_per_kwh)})."
    )


def _value(figure: Quantity | float) -> float:
    return figure.value if isinstance(figure, Quantity) else figure


def _shown(figure: Quantity | float) -> str:
    return show(figure if isinstance(figure, Quantity) else Quantity(figure, "g CO2e"), digits=_DIGITS)


def _ratio(number: float) -> str:
    return "1" if abs(number - 1) < _SAME else significant(number, _DIGITS)
