"""What estimates are given: plain numbers or figures, a device, a place."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from numbers import Real

from greenai_magic.errors import SettingError, UnitError
from greenai_magic.estimate.hardware import Device
from greenai_magic.footprint.embodied import Part, part, part_like
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.place import Place, data_centre_pue, find_place
from greenai_magic.quantity import Quantity

Figure = float | Quantity
"""A number that the user declares, or a figure with its own interval."""

HOUR_S = 3600.0
DECLARED = "declared by the user"
GPUS_PER_SERVER = 8
MOST_LOAD = 2.0
"""Larger values are taken for percent: with its host, a busy card draws a little more than its rating."""


def declared(figure: Figure, unit: str, name: str, *, log_sd: float = 0.0, scale: float = 1.0) -> Quantity:
    """Return what a user declares as a figure in ``unit``.

    Parameters
    ----------
    figure : float or Quantity
        A number is taken times ``scale``, with an error of ``log_sd``; a figure is taken as it is.
    unit : str
        That the figure must have.
    name : str
        What it is, as formulas call it.

    Raises
    ------
    UnitError
        If a figure is in another unit, or a number is not above zero or beyond what can be counted.
    """
    if isinstance(figure, Quantity):
        if figure.unit != unit:
            msg = f"The {name} is to be in {unit}, not in {figure.unit}."
            raise UnitError(msg)
        return replace(figure, name=name)
    number = _number(figure)
    if not 0 < number * scale < math.inf:
        shown = repr(figure) if number < math.inf else "so large"
        msg = f"The {name} cannot be {shown}: give a number above 0, or a Quantity in {unit}."
        raise UnitError(msg)
    # Two jobs that declare the same share its error; two that do not, do not.
    spread = {f"{name} {number:g}": log_sd} if log_sd else {}
    return Quantity(number * scale, unit, "declared", DECLARED, spread, name=name)


def how_many(count: Figure) -> Quantity:
    """Return a number of devices as an exact figure."""
    return declared(count, "1", "number of devices")


def declared_load(load: Figure, *, log_sd: float = 0.0) -> Quantity:
    """Return the part of its power that a device draws on average.

    Raises
    ------
    UnitError
        As for :func:`declared`.
    SettingError
        If it is so large that it is probably in percent.
    """
    part = declared(load, "1", "load", log_sd=log_sd)
    if part.value > MOST_LOAD:
        msg = f"The load cannot be {part.value:g}: it is a part of the power, such as 0.8, and no percentage."
        raise SettingError(msg)
    return part


def rest_of_machine(device: Device | None, memory_gb: float | None = None) -> tuple[str, ...]:
    """Return what the energy of a device leaves out of its machine, by name."""
    processors = () if device is not None and device.kind == "cpu" else ("processors",)
    memory = ("memory",) if memory_gb is None else ()
    return (f"the rest of the machine: {', '.join((*processors, *memory, 'disks', 'fans'))}",)


def placed(
    place: str | Place | None,
    device: Device | None,
    *,
    pue: Figure | None,
    grid_intensity_g_per_kwh: Figure | None,
    market_intensity_g_per_kwh: Figure | None,
    wue_l_per_kwh: Figure | None,
) -> Place:
    """Return the place of an estimate; what is declared replaces what its tables say.

    A device that stands in data centres gets the PUE of one of which nothing is known, where neither the
    user nor the place says more.
    """
    given = (pue, grid_intensity_g_per_kwh, market_intensity_g_per_kwh, wue_l_per_kwh)
    if isinstance(place, Place):
        if any(figure is not None for figure in given):
            msg = (
                "A Place has its own factors: declare them when you make it, with known_place or find_place."
            )
            raise SettingError(msg)
        return place
    found = find_place(
        place,
        pue=pue,
        grid_intensity_g_per_kwh=grid_intensity_g_per_kwh,
        market_intensity_g_per_kwh=market_intensity_g_per_kwh,
        wue_l_per_kwh=wue_l_per_kwh,
    )
    if pue is None and device is not None and device.data_centre and not found.data_centre:
        return replace(found, pue=data_centre_pue(), data_centre=True)
    return found


def rated_power(device: Device) -> Quantity:
    """Return the rated power of a device.

    Raises
    ------
    SettingError
        If none is published.
    """
    if device.tdp is None:
        msg = f"No rated power of {device.name} is published: give its watts with power_w."
        raise SettingError(msg)
    return device.tdp


def usual_load(device: Device) -> Quantity:
    """Return the part of its rated power that a device draws while it trains, where nobody says.

    0.49, the geometric mean of 11 trainings of Dodge et al. 2022 (arXiv:2206.05229, Table 2).
    """
    error = gsd("power at unknown load")
    return Quantity(0.49, "1", "default", error.basis, {f"load of {device.name}": error.log_sd}, name="load")


def parts_of(device: Device, count: float) -> Iterable[Part]:
    """Return the equipment that devices of one kind stand for: with their share of a server, or a desktop."""
    if device.kind == "cpu":
        return [part("server" if device.data_centre else "desktop", count=count)]
    cards = part_like(device.name, count=count)
    if device.data_centre:
        return [cards, part("gpu server", count=count, share=1 / GPUS_PER_SERVER)]
    return [cards, part("desktop")]


def _number(figure: object) -> float:
    """Return what was given as a number: infinite where it is too large, not a number where it is none."""
    if type(figure) is bool or not isinstance(figure, Real):
        return math.nan
    try:
        return float(figure)
    except OverflowError:
        return math.inf
