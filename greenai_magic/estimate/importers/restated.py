"""Why another tool's footprint and ours differ, as a product of causes."""

from __future__ import annotations

from dataclasses import replace

from greenai_magic.errors import SettingError
from greenai_magic.estimate.importers.imported import Imported
from greenai_magic.footprint.impacts import Footprint, assess
from greenai_magic.footprint.place import Place, find_place
from greenai_magic.quantity import JOULES_PER_KWH, Quantity, show, significant

_DIGITS = 3
_SAME = 1e-9
"""Ratios closer to 1 than this are rounding."""


def assessed(imported: Imported, place: Place | None = None) -> Footprint:
    """Return our footprint of the energy that another tool found, which stays as it is.

    Parameters
    ----------
    imported : Imported
        What the tool said.
    place : Place, optional
        With the factors to use; left out, that of the tool's own place, with the tool's own PUE.

    Raises
    ------
    SettingError
        If the tool tells no energy of the devices.
    """
    if imported.energy_it is None:
        msg = f"{imported.source} tells no energy of the devices, so there is nothing to assess."
        raise SettingError(msg)
    where = place or find_place(imported.place_name or None, pue=imported.pue)
    return assess(imported.energy_it, where, notes=imported.notes)


def restated(imported: Imported, footprint: Footprint) -> str:
    """Return what the tool said, what we say of the same electricity, and the causes of the difference.

    ours / theirs = (energy of devices) x (PUE) x (intensity), each the ratio of our figure to the tool's;
    the tool's intensity is what its own figures imply: its CO2e over its energy with PUE. Exact for any
    figures, since the footprint of electricity is the product of the three.

    Parameters
    ----------
    imported : Imported
        What the tool said.
    footprint : Footprint
        Ours of the same run; electricity alone is compared, so its scope 2, location-based.

    Returns
    -------
    str
        Sentences; where the tool left out what a ratio needs, they say so and give no ratio.
    """
    theirs, ours = imported.co2e, footprint.gwp_g(2, "location")
    if ours is None or footprint.energy_it_j is None or footprint.energy_j is None:
        return f"{imported.source}: our footprint counts no electricity to set beside it."
    told = f"ours of its electricity is {_shown(ours)}"
    if theirs is None:
        return f"{imported.source} says no CO2e; {told}."
    opening = f"{imported.source} says {_shown(theirs)}; {told}"
    energy, energy_it = imported.energy, imported.energy_it
    if energy is None or energy_it is None:
        return f"{opening}. It tells no energy with PUE, so the difference cannot be split into causes."
    our_it_j, our_j, our_g = footprint.energy_it_j.value, footprint.energy_j.value, ours.value
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


def _shown(figure: Quantity) -> str:
    return show(replace(figure, at_least=False), digits=_DIGITS)


def _ratio(number: float) -> str:
    return "1" if abs(number - 1) < _SAME else significant(number, _DIGITS)
