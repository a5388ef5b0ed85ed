"""A priori: operations, before anything has run."""

from __future__ import annotations

from collections.abc import Iterable

from greenai_magic.arithmetic import product, quotient
from greenai_magic.errors import SettingError
from greenai_magic.estimate.aposteriori import remarks
from greenai_magic.estimate.hardware import Device, find_device
from greenai_magic.estimate.inputs import (
    Figure,
    declared,
    declared_load,
    how_many,
    parts_of,
    placed,
    rated_power,
    rest_of_machine,
)
from greenai_magic.estimate.project import flop_count
from greenai_magic.footprint.embodied import Part, lines_of, parts_named
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.impacts import Footprint, assess
from greenai_magic.footprint.place import Place
from greenai_magic.quantity import Quantity

NAIVE = 2.39
"""How much more energy large trainings took than their operations at the device's peak and rated power.

Geometric mean of 7 published trainings of 2020 to 2024; see ``gsd("energy from operations")``.
"""
TRAINING_LOAD = 0.746
TRAINING_LOAD_LOG_SD = 0.293
"""Power over rated power of four trainings (Patterson et al. 2021, arXiv:2104.10350, Table 4)."""


def estimate_apriori(
    flops: object,
    *,
    device: str | Device | None = None,
    flop_per_s: Figure | None = None,
    utilisation: Figure | None = None,
    power_w: Figure | None = None,
    load: Figure | None = None,
    precision: str | None = None,
    count: Figure = 1,
    pue: Figure | None = None,
    place: str | Place | None = None,
    grid_intensity_g_per_kwh: Figure | None = None,
    market_intensity_g_per_kwh: Figure | None = None,
    wue_l_per_kwh: Figure | None = None,
    embodied: bool = False,
    hardware: str | Iterable[Part] = (),
) -> Footprint:
    """Return the footprint of so many operations: over peak rate x utilisation, times power, in a place.

    Parameters
    ----------
    flops : int, float, str, Quantity or FlopReport
        Number of operations, two per multiply-add. Not a rate.
    device : str or Device, optional
        Its name, as ``estimate.hardware.find_device`` takes it.
    flop_per_s : float or Quantity, optional
        FLOP/s of one device: achieved, or its peak where ``utilisation`` is given. Left out, the device's
        peak.
    utilisation : float or Quantity, optional
        Achieved over peak rate. Left out where the rate is the device's peak, it is what large trainings
        achieved for their energy, 1 / 2.39.
    power_w : float or Quantity, optional
        W that one device draws; left out, its rated power x ``load``.
    load : float or Quantity, optional
        Part of the power that is drawn. Left out, 1 where ``power_w`` is given, and 0.746 (Patterson et
        al. 2021) where the power is a rating; 1 too where neither ``flop_per_s`` nor ``utilisation`` is
        given, since 1 / 2.39 holds the load.
    precision : str, optional
        Whose peak: ``"bf16"``, ``"fp16"`` or ``"fp32"``. Left out, the fastest that the table has.
    count : float or Quantity
        How many devices share the work: for how long, not for how much energy.
    pue, place, grid_intensity_g_per_kwh, market_intensity_g_per_kwh, wue_l_per_kwh, embodied, hardware
        As for ``estimate_aposteriori``.

    Returns
    -------
    Footprint
        With ``activity`` of the operations, their rate, the device's time, power and load.

    Raises
    ------
    UnitError
        If the operations are given as a rate, or a figure has the wrong unit.
    SettingError
        If the rate or the power is neither given nor known of the device.
    """
    counted = flop_count(flops)
    work = counted if isinstance(counted, Quantity) else declared(counted, "FLOP", "operations")
    found = find_device(device) if isinstance(device, str) else device
    where = placed(
        place,
        found,
        pue=pue,
        grid_intensity_g_per_kwh=grid_intensity_g_per_kwh,
        market_intensity_g_per_kwh=market_intensity_g_per_kwh,
        wue_l_per_kwh=wue_l_per_kwh,
    )
    rate = _rate(found, flop_per_s, utilisation, precision)
    power, part = _power(found, power_w, load, naive=flop_per_s is None and utilisation is None)
    time = quotient(work, rate, "s", name="device time")
    parts = parts_named(hardware) if isinstance(hardware, str) else tuple(hardware)
    devices = how_many(count)
    if embodied and found is not None:
        parts = (*parts, *parts_of(found, devices.value))
    each = quotient(time, devices, "s", name="duration")
    return assess(
        product((time, power, part), "J", name="device energy"),
        where,
        lines_of(parts, each),
        activity={"flops": work, "flop_per_s": rate, "device_time": time, "power": power, "load": part},
        left_out=rest_of_machine(found),
        notes=remarks(found),
    )


def _rate(
    device: Device | None, flop_per_s: Figure | None, utilisation: Figure | None, precision: str | None
) -> Quantity:
    exact = gsd("energy counter").log_sd
    if flop_per_s is not None and utilisation is None:
        return declared(flop_per_s, "FLOP/s", "achieved rate", log_sd=exact)
    peak = declared(flop_per_s, "FLOP/s", "peak rate") if flop_per_s is not None else _peak(device, precision)
    if utilisation is not None:
        used = declared(utilisation, "1", "utilisation", log_sd=exact)
    else:
        error = gsd("energy from operations")
        used = Quantity(
            1 / NAIVE, "1", "default", error.basis, {"utilisation": error.log_sd}, name="utilisation"
        )
    if used.value > 1:
        msg = f"The utilisation cannot be {used.value:g}: it is achieved over peak rate, at most 1."
        raise SettingError(msg)
    return product((peak, used), "FLOP/s", name="achieved rate")


def _peak(device: Device | None, precision: str | None) -> Quantity:
    if device is None:
        msg = 'Give a device, such as "A100 PCIe 40GB", or the rate that it achieves with flop_per_s.'
        raise SettingError(msg)
    peaks = device.peak_flop_per_s
    if precision is not None and precision not in peaks:
        msg = f"No {precision} peak of {device.name} is known: choose from {', '.join(peaks) or 'none'}."
        raise SettingError(msg)
    if not peaks:
        msg = f"No peak of {device.name} is known: give the rate that it achieves with flop_per_s."
        raise SettingError(msg)
    return peaks[precision] if precision else max(peaks.values(), key=float)


def _power(
    device: Device | None, power_w: Figure | None, load: Figure | None, *, naive: bool
) -> tuple[Quantity, Quantity]:
    # The error of a naive rate is that of the whole energy: the power's is in it.
    exact = 0.0 if naive else gsd("energy counter").log_sd
    if load is not None:
        part = declared_load(load, log_sd=exact)
    elif power_w is None and not naive:
        source = "four trainings of Patterson et al. 2021 (arXiv:2104.10350, Table 4)"
        part = Quantity(TRAINING_LOAD, "1", "default", source, {"load": TRAINING_LOAD_LOG_SD}, name="load")
    else:
        part = Quantity(1.0, "1", "declared", "the power is that drawn", name="load")
    if power_w is not None:
        return declared(power_w, "W", "power of a device", log_sd=exact), part
    if device is None:
        msg = "Give a device, or the watts that it draws with power_w."
        raise SettingError(msg)
    return rated_power(device), part
