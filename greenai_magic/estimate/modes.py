"""Footprints in the digits of older calculators, so that their published figures can be checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from greenai_magic.errors import SettingError
from greenai_magic.estimate.compat import green_algorithms, mlco2
from greenai_magic.estimate.hardware import Device
from greenai_magic.estimate.inputs import HOUR_S, Figure, declared, how_many, rated_power
from greenai_magic.footprint.impacts import Footprint, Line, assess
from greenai_magic.footprint.place import Place
from greenai_magic.quantity import JOULES_PER_KWH, Quantity

Mode = Literal["", "mlco2_compat", "green_algorithms"]
TOOLS = {"mlco2_compat": "ML CO2 Impact", "green_algorithms": "Green Algorithms v3.0"}


def as_that_tool(
    mode: str,
    device: Device | None,
    place: Place,
    *,
    power_w: Figure | None,
    count: Figure,
    hours: Figure,
    load: Figure | None,
    memory_gb: float | None,
    repeats: int,
    pue: Figure | None,
) -> Footprint:
    """Return the footprint that another tool prints for the same inputs, without an interval, as it has none.

    Raises
    ------
    SettingError
        If there is no such mode, or the tool does not know one of the inputs.
    """
    if mode not in TOOLS:
        msg = f"There is no mode {mode!r}: write {' or '.join(map(repr, TOOLS))}, or leave it out."
        raise SettingError(msg)
    time_h = declared(hours, "s", "duration", scale=HOUR_S).value / HOUR_S
    devices, g_per_kwh = how_many(count).value, place.grid_intensity.value
    watts = float(power_w) if power_w is not None else _watts(device)
    if mode == "mlco2_compat":
        if load is not None or memory_gb is not None or repeats != 1:
            msg = "ML CO2 Impact knows no load, memory or repeats: leave them out in this mode."
            raise SettingError(msg)
        printed = mlco2(watts, time_h * devices, g_per_kwh)
        kwh, grams, factor, ratio = printed.energy_kwh, printed.co2_kg * 1000, printed.kg_per_kwh * 1000, 1.0
    else:
        ratio = 1.56 if pue is None else float(pue)
        known = green_algorithms(
            time_h, g_per_kwh=g_per_kwh, memory_gb=memory_gb or 0.0, n_gpus=devices, gpu=watts,
            usage_gpu=1.0 if load is None else float(load), pue=ratio, psf=repeats,
        )  # fmt: skip
        kwh, grams, factor = known.energy_kwh / ratio, known.co2_g, g_per_kwh
    tool = TOOLS[mode]
    source = f"as {tool} computes it, which has no interval"
    energy = Quantity(kwh * JOULES_PER_KWH, "J", "modelled", source, name="device energy")
    where = replace(
        place,
        pue=Quantity(ratio, "1", "declared", source, name="PUE"),
        grid_intensity=Quantity(factor, "g CO2e/kWh", "declared", source, name="grid intensity"),
    )
    whole = assess(energy, where, notes=(f"The digits are those of {tool}.",))
    gwp = Quantity(grams, "g CO2e", "modelled", source, name="CO2e")
    others = (line for line in whole.lines if line.criterion != "gwp")
    return replace(whole, lines=(Line("2 location-based", "use", "gwp", gwp), *others))


def _watts(device: Device | None) -> float:
    if device is None:
        msg = "Give a device or its watts with power_w."
        raise SettingError(msg)
    return rated_power(device).value
