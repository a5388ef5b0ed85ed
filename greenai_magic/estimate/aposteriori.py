"""A posteriori: hours of a device in a place, after the fact and without a meter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from greenai_magic.arithmetic import product, quotient, total
from greenai_magic.errors import SettingError
from greenai_magic.estimate.compat import MEMORY_W_PER_GB
from greenai_magic.estimate.hardware import Device
from greenai_magic.estimate.inputs import (
    HOUR_S,
    Figure,
    declared,
    declared_load,
    device_of,
    equipment,
    how_many,
    over,
    placed,
    rated_power,
    remarks,
    rest_of_machine,
    usual_load,
)
from greenai_magic.estimate.modes import Job, Mode, as_that_tool
from greenai_magic.estimate.project import flop_count
from greenai_magic.footprint.embodied import Part, lines_of
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.impacts import Footprint, assess
from greenai_magic.footprint.place import Place
from greenai_magic.quantity import Quantity


def estimate_aposteriori(
    device: str | Device | None = None,
    *,
    power_w: Figure | None = None,
    count: Figure = 1,
    hours: Figure,
    load: Figure | None = None,
    memory_gb: float | None = None,
    repeats: int = 1,
    flops: object = None,
    pue: Figure | None = None,
    place: str | Place | None = None,
    grid_intensity_g_per_kwh: Figure | None = None,
    market_intensity_g_per_kwh: Figure | None = None,
    wue_l_per_kwh: Figure | None = None,
    embodied: bool = False,
    hardware: str | Iterable[str | Part] = (),
    mode: Mode = "",
) -> Footprint:
    """Return the footprint of devices that ran for some hours: count x hours x power x load, in a place.

    Parameters
    ----------
    device : str or Device, optional
        Its name, as ``estimate.hardware.find_device`` takes it.
    power_w : float or Quantity, optional
        W that one device draws; left out, the device's rated power.
    count : float or Quantity
        How many devices.
    hours : float or Quantity
        How long each ran; a Quantity in s.
    load : float or Quantity, optional
        Part of ``power_w``, or of the rated power, that was drawn on average. Left out, it is 1 where the
        power is given and the mean of published trainings where it is not.
    memory_gb : float, optional
        Memory of the machine, at 0.3725 W/GB (Lannelongue et al. 2021, Adv. Sci. 8:2100707).
    repeats : int
        How often the job was really run, tests and failures included.
    flops : int, float, str, Quantity or FlopReport, optional
        Operations of the job, which tell its rate: :func:`reconcile` compares rates.
    pue, grid_intensity_g_per_kwh, market_intensity_g_per_kwh, wue_l_per_kwh : float or Quantity, optional
        Declared factors, instead of the place's.
    place : str or Place, optional
        Where the electricity came from.
    embodied : bool
        Whether the device's making is counted, with its share of a server.
    hardware : str or iterable of str or Part
        Equipment whose making is counted, as ``"laptop + monitor"``.
    mode : str
        ``"mlco2_compat"`` or ``"green_algorithms"`` for the digits of those tools, which look a device up in
        their own tables (:func:`greenai_magic.estimate.modes.as_that_tool`); ``""`` for full precision.

    Returns
    -------
    Footprint
        With ``activity`` of the device's time, power and load.

    Raises
    ------
    SettingError
        If there is neither a device nor a power, or one cannot be.
    UnitError
        If a figure has the wrong unit, or operations are given as a rate.
    """
    factors: dict[str, Any] = {
        "pue": pue,
        "grid_intensity_g_per_kwh": grid_intensity_g_per_kwh,
        "market_intensity_g_per_kwh": market_intensity_g_per_kwh,
        "wue_l_per_kwh": wue_l_per_kwh,
    }
    if mode:
        job = Job(device, power_w, count, hours, load, memory_gb, repeats, pue)
        region = place if isinstance(place, str) and grid_intensity_g_per_kwh is None else ""
        given = {"flops": flops is not None, "embodied": embodied, "hardware": hardware}
        unknown = [name for name, told in given.items() if told]
        return as_that_tool(
            mode, job, placed(place, None, known=False, **factors), region=region, unknown=unknown
        )
    found = device_of(device, needed=power_w is None or embodied)
    where = placed(place, found, **factors)
    power, part = _power_and_load(found, power_w, load)
    each = declared(hours, "s", "duration", scale=HOUR_S)
    devices, times = how_many(count), declared(repeats, "1", "repeats")
    device_time = product((each, devices, times), "s", name="device time")
    energy = product((device_time, power, part), "J", name="device energy")
    if memory_gb is not None:
        energy = total([energy, _memory(memory_gb, each, times)], name="energy")
    activity = {"device_time": device_time, "power": power, "load": part}
    if flops is not None:
        activity |= _rate(flop_count(flops), device_time)
    parts = equipment(hardware, found, devices.value, embodied=embodied)
    duration = product((each, times), "s", name="duration")
    return assess(
        energy,
        over(where, duration),
        lines_of(parts, duration),
        activity=activity,
        left_out=rest_of_machine(found, memory_gb),
        notes=remarks(found, where),
    )


def _power_and_load(
    device: Device | None, power_w: Figure | None, load: Figure | None
) -> tuple[Quantity, Quantity]:
    whole = Quantity(1.0, "1", "declared", "the power is that drawn", name="load")
    part = whole if load is None else declared_load(load, log_sd=gsd("energy counter").log_sd)
    if power_w is not None:
        return declared(power_w, "W", "power of a device", log_sd=gsd("energy counter").log_sd), part
    if device is None:
        msg = 'Give a device, such as "A100 PCIe 40GB", or its watts with power_w.'
        raise SettingError(msg)
    if load is None and device.mean_power is not None:
        return device.mean_power, whole
    return rated_power(device), usual_load(device) if load is None else part


def _memory(memory_gb: float, duration: Quantity, repeats: Quantity) -> Quantity:
    size = declared(memory_gb, "GB", "memory")
    watts = Quantity(
        MEMORY_W_PER_GB,
        "W/GB",
        "modelled",
        "Lannelongue et al. 2021, Green Algorithms",
        {"power of memory": gsd("power at unknown load").log_sd},
        name="power of a GB",
    )
    return product((duration, repeats, size, watts), "J", name="memory energy")


def _rate(flops: int | Quantity, device_time: Quantity) -> dict[str, Quantity]:
    count = flops if isinstance(flops, Quantity) else declared(flops, "FLOP", "operations")
    per_s = quotient(count, device_time, "FLOP/s", name="rate")
    return {"flops": count, "flop_per_s": per_s}
