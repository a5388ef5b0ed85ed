"""What estimates are given: plain numbers or figures, a device, a place."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone
from numbers import Real

from greenai_magic.errors import DeviceError, SettingError, UnitError
from greenai_magic.estimate.hardware import Device, find_device
from greenai_magic.footprint.embodied import Part, part, part_like, parts_named
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.place import Place, data_centre_pue, find_place, known_place, old_factor_note
from greenai_magic.quantity import Quantity

Figure = float | Quantity
"""A number that the user declares, or a figure with its own interval."""

HOUR_S = 3600.0
DECLARED = "declared by the user"
GPUS_PER_SERVER = 8
CPUS_PER_SERVER = 2
SHOWN_LETTERS = 60
DAY_S = 86400.0
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
        shown = "so large" if number == math.inf else repr(figure)[:SHOWN_LETTERS]
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
    place: object,
    device: Device | None,
    *,
    pue: Figure | None,
    grid_intensity_g_per_kwh: Figure | None,
    market_intensity_g_per_kwh: Figure | None,
    wue_l_per_kwh: Figure | None,
    known: bool = True,
) -> Place:
    """Return the place of an estimate; what is declared replaces what its tables say.

    A device that stands in data centres gets the PUE of one of which nothing is known, where neither the
    user nor the place says more. A name that no table knows is refused where it has to be ``known``.
    """
    given = (pue, grid_intensity_g_per_kwh, market_intensity_g_per_kwh, wue_l_per_kwh)
    if not isinstance(place, str | Place | None):
        msg = f'A place cannot be a {type(place).__name__}: give its name, such as "FRA".'
        raise SettingError(msg)
    if isinstance(place, Place):
        if any(figure is not None for figure in given):
            msg = (
                "A Place has its own factors: declare them when you make it, with known_place or find_place."
            )
            raise SettingError(msg)
        return place
    if known and isinstance(place, str) and place.strip():
        # A job that has ended is in a place that its user knows: a wrong name is no reason to guess.
        known_place(place)
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


def over(place: Place, duration: Quantity) -> Place:
    """Return the place with less error for the hour of the day, the longer a job goes on.

    Days average out as independent draws do: an engineering choice.
    """
    days = max(1.0, duration.value / DAY_S)
    grid = place.grid_intensity
    spread = {
        cause: log_sd / math.sqrt(days) if cause.startswith("hour of the day") else log_sd
        for cause, log_sd in grid.spread.items()
    }
    return replace(place, grid_intensity=replace(grid, spread=spread))


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


def device_of(device: object, *, needed: bool = True) -> Device | None:
    """Return the device of a name, or the device itself.

    Where no figure of it is ``needed``, a name that is of several devices, or of none, will do.

    Raises
    ------
    SettingError
        If it is neither, or no table knows the name.
    """
    if device is None or isinstance(device, Device):
        return device
    if not isinstance(device, str):
        msg = f'A device cannot be a {type(device).__name__}: give its name, such as "A100 PCIe 40GB".'
        raise SettingError(msg)
    try:
        return find_device(device)
    except DeviceError:
        if needed:
            raise
        hint = "The device's name is of no single one that is known, but its figures are given."
        return Device(device[:SHOWN_LETTERS], "gpu", None, hint=hint)


def equipment(hardware: object, device: Device | None, count: float, *, embodied: bool) -> tuple[Part, ...]:
    """Return the equipment whose making is counted: what was named, and the device's own where asked for.

    Raises
    ------
    SettingError
        If no table has it.
    """
    if not isinstance(hardware, Iterable):
        msg = f'Hardware cannot be a {type(hardware).__name__}: name it, as in "laptop + monitor".'
        raise SettingError(msg)
    listed = (hardware,) if isinstance(hardware, str) else hardware
    named = [[item] if isinstance(item, Part) else parts_named(str(item)) for item in listed if item != ""]
    own = parts_of(device, count) if embodied and device is not None else ()
    parts = (*itertools.chain.from_iterable(named), *own)
    if twice := [name for name, times in Counter(piece.name for piece in parts).items() if times > 1]:
        msg = f"The making of the {twice[0]} would be counted twice: leave out embodied or name it once."
        raise SettingError(msg)
    return parts


def parts_of(device: Device, count: float) -> Iterable[Part]:
    """Return the equipment that devices of one kind stand for: with their share of a server, or a desktop."""
    if device.kind == "cpu" and device.data_centre:
        return [part("server", count=count, share=1 / CPUS_PER_SERVER)]
    if device.kind == "cpu":
        return [part("desktop", count=count)]
    if device.data_centre:
        return [
            part_like(device.name, count=count),
            part("gpu server", count=count, share=1 / GPUS_PER_SERVER),
        ]
    desktop = part("desktop")
    return [replace(part_like(device.name, count=count), utilisation=desktop.utilisation), desktop]


def remarks(device: Device | None, place: Place) -> tuple[str, ...]:
    """Return what the reader should know of how a device was found, and of a factor that is old."""
    old = old_factor_note(place, datetime.now(timezone.utc).date())
    if device is None:
        return (old,) if old else ()
    match = f"{device.matched_from!r} is read as {device.name}." if device.matched_from else ""
    return tuple(filter(None, (match, device.hint, old)))


def _number(figure: object) -> float:
    """Return what was given as a number: infinite where it is too large, not a number where it is none."""
    if type(figure) is bool or not isinstance(figure, Real):
        return math.nan
    try:
        return float(figure)
    except OverflowError:
        return math.inf
