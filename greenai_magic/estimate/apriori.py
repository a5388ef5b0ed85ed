"""A priori: operations, before anything has run."""

from __future__ import annotations

from collections.abc import Iterable

from greenai_magic.arithmetic import product, quotient
from greenai_magic.errors import SettingError, UnitError
from greenai_magic.estimate.hardware import Device
from greenai_magic.estimate.inputs import (
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
)
from greenai_magic.estimate.project import flop_count
from greenai_magic.flops.report import FlopReport
from greenai_magic.footprint.embodied import Part, lines_of
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.impacts import Footprint, assess
from greenai_magic.footprint.place import Place
from greenai_magic.quantity import Quantity, show, significant

UTILISATION = 0.33
"""Achieved over peak rate: geometric mean of 12 large trainings published from 2020 to 2024."""
COMPUTE_BOUND = 100.0
"""FLOPs a byte above which accelerators of 2017 to 2024 compute longer than they wait for memory, roughly."""
LEAST_FLOP_PER_S = 1e6
"""No computer of the last forty years is slower: a prefix was forgotten."""
TRAINING_LOAD = 0.744
"""Power over rated power: geometric mean of four (Patterson et al. 2021, arXiv:2104.10350, Table 4)."""


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
    hardware: str | Iterable[str | Part] = (),
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
        achieved, 0.33.
    power_w : float or Quantity, optional
        W that one device draws; left out, its rated power x ``load``.
    load : float or Quantity, optional
        Part of the power that is drawn. Left out, 1 where ``power_w`` is given, and 0.744 (Patterson et
        al. 2021) where the power is a rating.
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
    found = device_of(device, needed=power_w is None or flop_per_s is None or embodied)
    where = placed(
        place,
        found,
        pue=pue,
        grid_intensity_g_per_kwh=grid_intensity_g_per_kwh,
        market_intensity_g_per_kwh=market_intensity_g_per_kwh,
        wue_l_per_kwh=wue_l_per_kwh,
    )
    rate = _rate(found, flop_per_s, utilisation, precision)
    power, part = _power(found, power_w, load)
    time = quotient(work, rate, "s", name="device time")
    devices = how_many(count)
    parts = equipment(hardware, found, devices.value, embodied=embodied)
    each = quotient(time, devices, "s", name="duration")
    return assess(
        product((time, power, part), "J", name="device energy"),
        over(where, each),
        lines_of(parts, each),
        activity={"flops": work, "flop_per_s": rate, "device_time": time, "power": power, "load": part},
        left_out=rest_of_machine(found),
        notes=(*remarks(found, where), *_memory_bound(flops, flop_per_s)),
    )


def _memory_bound(flops: object, flop_per_s: Figure | None) -> tuple[str, ...]:
    """Return why a model that moves much for what it computes takes longer than its operations at a peak."""
    intensity = flops.arithmetic_intensity if isinstance(flops, FlopReport) else None
    if flop_per_s is not None or intensity is None or intensity >= COMPUTE_BOUND:
        return ()
    note = (
        f"{significant(intensity, 2)} FLOPs a byte: such a model waits for memory, which a peak leaves out, "
        "so it takes longer and more than this: time it on the device."
    )
    return (note,)


def _rate(
    device: Device | None, flop_per_s: Figure | None, utilisation: Figure | None, precision: str | None
) -> Quantity:
    exact = gsd("energy counter").log_sd
    if flop_per_s is not None and utilisation is None:
        return _plausible(declared(flop_per_s, "FLOP/s", "achieved rate", log_sd=exact))
    peak = declared(flop_per_s, "FLOP/s", "peak rate") if flop_per_s is not None else _peak(device, precision)
    if utilisation is not None:
        used = declared(utilisation, "1", "utilisation", log_sd=exact)
    else:
        error = gsd("utilisation")
        used = Quantity(
            UTILISATION, "1", "default", error.basis, {"utilisation": error.log_sd}, name="utilisation"
        )
    if used.value > 1:
        msg = f"The utilisation cannot be {used.value:g}: it is achieved over peak rate, at most 1."
        raise SettingError(msg)
    return product((peak, used), "FLOP/s", name="achieved rate")


def _plausible(rate: Quantity) -> Quantity:
    """Return a declared rate, unless a prefix was forgotten."""
    if rate.value < LEAST_FLOP_PER_S:
        msg = f"A rate of {show(rate)} cannot be: give FLOP/s, 130e12 for 130 TFLOP/s."
        raise UnitError(msg)
    return rate


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


def _power(device: Device | None, power_w: Figure | None, load: Figure | None) -> tuple[Quantity, Quantity]:
    exact = gsd("energy counter").log_sd
    if load is not None:
        part = declared_load(load, log_sd=exact)
    elif power_w is None:
        error = gsd("load of a training")
        part = Quantity(
            TRAINING_LOAD, "1", "default", error.basis, {"load of a training": error.log_sd}, name="load"
        )
    else:
        part = Quantity(1.0, "1", "declared", "the power is that drawn", name="load")
    if power_w is not None:
        return declared(power_w, "W", "power of a device", log_sd=exact), part
    if device is None:
        msg = "Give a device, or the watts that it draws with power_w."
        raise SettingError(msg)
    return rated_power(device), part
