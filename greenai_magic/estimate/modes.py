"""Footprints in the digits of older calculators, so that their published figures can be checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from greenai_magic.errors import DeviceError, SettingError
from greenai_magic.estimate.compat import (
    DEFAULT_PUE,
    green_algorithms,
    green_algorithms_kind,
    mlco2,
    mlco2_region,
    mlco2_watts,
)
from greenai_magic.estimate.hardware import Device, find_device
from greenai_magic.estimate.inputs import (
    HOUR_S,
    Figure,
    declared,
    declared_load,
    how_many,
    rated_power,
    rest_of_machine,
)
from greenai_magic.footprint.contributions import Contribution
from greenai_magic.footprint.impacts import Footprint, Line, Scope, assess
from greenai_magic.footprint.place import Place
from greenai_magic.quantity import JOULES_PER_KWH, Quantity

Mode = Literal["", "mlco2_compat", "green_algorithms"]
TOOLS = {"mlco2_compat": "ML CO2 Impact", "green_algorithms": "Green Algorithms v3.0"}


@dataclass(frozen=True, slots=True)
class Job:
    """What the two tools are told of a job, each figure as ``estimate_aposteriori`` takes it."""

    device: str | Device | None
    power_w: Figure | None
    count: Figure
    hours: Figure
    load: Figure | None
    memory_gb: float | None
    repeats: int
    pue: Figure | None

    @property
    def time_h(self) -> float:
        """Hours of one device."""
        return declared(self.hours, "s", "duration", scale=HOUR_S).value / HOUR_S

    @property
    def devices(self) -> float:
        """How many devices or, for Green Algorithms, cores."""
        return how_many(self.count).value


@dataclass(frozen=True, slots=True)
class _Printed:
    """What a tool prints, and the factors that it took."""

    energy_it_kwh: float
    co2_g: float
    g_per_kwh: float
    pue: float
    claim_g: float = 0.0


def as_that_tool(
    mode: str, job: Job, place: Place, *, region: str = "", unknown: Sequence[str] = ()
) -> Footprint:
    """Return the footprint that another tool prints for the same inputs, without an interval, as it has none.

    A device is looked up by its name in the tool's own table, right or wrong, and only then in ours.

    Parameters
    ----------
    mode : str
        One of ``TOOLS``.
    job : Job
        What ran. ``count`` is a number of cores where Green Algorithms lists the device as a processor.
    place : Place
        Of which the grid intensity is taken; ML CO2 Impact drops its decimals, as those of a region.
    region : str
        A provider's region, whose intensity is looked up in the table of ML CO2 Impact first.
    unknown : sequence of str
        Names of inputs that were given and that neither tool has.

    Raises
    ------
    SettingError
        If there is no such mode, or the tool does not know one of the inputs.
    DeviceError
        If no table knows the device.
    """
    if mode not in TOOLS:
        msg = f"There is no mode {mode!r}: write {' or '.join(map(repr, TOOLS))}, or leave it out."
        raise SettingError(msg)
    tool = TOOLS[mode]
    if mode == "mlco2_compat" and mlco2_region(region):
        # It lists regions that our tables do not have.
        place = replace(place, code=region, name=region, hint="")
    if mode == "mlco2_compat":
        given = {"load": job.load, "memory_gb": job.memory_gb, "pue": job.pue}
        unknown = [*(name for name, figure in given.items() if figure is not None), *unknown]
        if job.repeats != 1:
            unknown.append("repeats")
    if unknown:
        msg = f"{tool} knows no {', '.join(unknown)}: leave it out in this mode, or leave the mode out."
        raise SettingError(msg)
    printed = _mlco2(job, place, region) if mode == "mlco2_compat" else _green_algorithms(job, place)
    return _footprint(printed, place, tool, job)


def _mlco2(job: Job, place: Place, region: str) -> _Printed:
    listed = mlco2_region(region)
    g_per_kwh, offset_percent = listed or (place.grid_intensity.value, 0.0)
    watts = _declared_watts(job)
    if watts is None:
        watts = mlco2_watts(job.device) if isinstance(job.device, str) else None
    if watts is None:
        watts = _rated_watts(job.device)
    told = mlco2(watts, job.time_h * job.devices, g_per_kwh, offset_percent=offset_percent)
    return _Printed(
        told.energy_kwh, told.co2_kg * 1000, told.kg_per_kwh * 1000, 1.0, told.offset_claim_kg * 1000
    )


def _green_algorithms(job: Job, place: Place) -> _Printed:
    ratio = place.pue.value if job.pue is not None else DEFAULT_PUE["v3.0"]
    load = 1.0 if job.load is None else declared_load(job.load).value
    memory_gb = 0.0 if job.memory_gb is None else declared(job.memory_gb, "GB", "memory").value
    repeats = declared(job.repeats, "1", "repeats").value
    device: str | float | None = _declared_watts(job)
    kind = green_algorithms_kind(job.device) if device is None and isinstance(job.device, str) else ""
    if kind and isinstance(job.device, str):
        device = job.device
    elif device is None:
        device = _rated_watts(job.device, cores=True)
    g_per_kwh = place.grid_intensity.value
    if kind == "cpu":
        told = green_algorithms(
            job.time_h, g_per_kwh=g_per_kwh, memory_gb=memory_gb, n_cores=job.devices, cpu=device,
            usage_cpu=load, pue=ratio, psf=repeats,
        )  # fmt: skip
    else:
        told = green_algorithms(
            job.time_h, g_per_kwh=g_per_kwh, memory_gb=memory_gb, n_gpus=job.devices, gpu=device,
            usage_gpu=load, pue=ratio, psf=repeats,
        )  # fmt: skip
    return _Printed(told.energy_kwh / ratio, told.co2_g, g_per_kwh, ratio)


def _footprint(printed: _Printed, place: Place, tool: str, job: Job) -> Footprint:
    source = f"as {tool} computes it, which has no interval"
    energy = Quantity(printed.energy_it_kwh * JOULES_PER_KWH, "J", "modelled", source, name="device energy")
    where = replace(
        place,
        pue=Quantity(printed.pue, "1", "declared", source, name="PUE"),
        grid_intensity=Quantity(printed.g_per_kwh, "g CO2e/kWh", "declared", source, name="grid intensity"),
    )
    claim = Quantity(printed.claim_g, "g CO2e", "declared", source, name="offset claim")
    whole = assess(
        energy,
        where,
        contributions=[Contribution("provider offset claim", claim, source)] if printed.claim_g else (),
        left_out=rest_of_machine(None, job.memory_gb),
        notes=(f"The digits are those of {tool}.",),
    )
    gwp = Quantity(printed.co2_g, "g CO2e", "modelled", source, name="CO2e")
    located: Scope = "2 location-based"
    lines = (
        Line(located, "use", "gwp", gwp) if (line.scope, line.criterion) == (located, "gwp") else line
        for line in whole.lines
    )
    return replace(whole, lines=tuple(lines))


def _declared_watts(job: Job) -> float | None:
    return None if job.power_w is None else declared(job.power_w, "W", "power of a device").value


def _rated_watts(device: str | Device | None, *, cores: bool = False) -> float:
    if device is None:
        msg = "Give a device or its watts with power_w."
        raise SettingError(msg)
    found = find_device(device) if isinstance(device, str) else device
    if cores and found.kind == "cpu":
        msg = f"Green Algorithms lists no {found.name}: give the watts of one core with power_w."
        raise DeviceError(msg)
    return rated_power(found).value
