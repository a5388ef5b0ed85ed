"""Builders of runs for tests: plausible figures, every part replaceable."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from greenai_magic.arithmetic import total
from greenai_magic.footprint.impacts import assess
from greenai_magic.footprint.place import Place
from greenai_magic.meter.measurement import Measurement
from greenai_magic.meter.trace import Trace
from greenai_magic.quantity import Quantity
from greenai_magic.runs.run import Run


def make_place(code: str = "FRA", grams_per_kwh: float = 44.0) -> Place:
    """Return a place whose figures have intervals, under causes of its own."""
    grid = Quantity.between(
        grams_per_kwh,
        grams_per_kwh * 0.8,
        grams_per_kwh * 1.25,
        "g CO2e/kWh",
        cause=f"grid {code}",
        basis="default",
        source="a test, 2024",
        name="grid intensity",
    )
    pue = Quantity.between(
        1.2, 1.05, 1.4, "1", cause="pue", basis="default", source="a test, 2024", name="PUE"
    )
    return Place(code, code.title(), grid, pue)


def make_measurement(energy_j: float = 3600.0, duration_s: float = 60.0, points: int = 5) -> Measurement:
    """Return a measurement of a CPU and a GPU at constant power, three quarters of it the GPU's."""
    cpu = _energy("cpu", energy_j / 4, log_sd=0.02)
    gpu = _energy("gpu0", energy_j * 3 / 4, log_sd=0.03)
    trace = Trace(["cpu", "gpu0"])
    for i in range(points):
        part = i / max(1, points - 1)
        trace.append(duration_s * part, (cpu.value * part, gpu.value * part))
    return Measurement(
        Quantity(duration_s, "s", name="duration"),
        total([cpu, gpu], name="machine energy"),
        {"cpu": cpu, "gpu0": gpu},
        _energy("dynamic", energy_j / 2, log_sd=0.1),
        None,
        trace,
        ("The share of this kernel on the GPU is not known.",),
    )


def make_run(
    *,
    energy_j: float = 3600.0,
    duration_s: float = 60.0,
    points: int = 5,
    place: Place | None = None,
    **parts: Any,
) -> Run:
    """Return a run that ended well; ``parts`` replace any field of `Run`."""
    measurement = make_measurement(energy_j, duration_s, points)
    fields: dict[str, Any] = {
        "id": uuid4().hex,
        "name": "cell",
        "status": "ok",
        "started_at": datetime.now(timezone.utc),
        "measurement": measurement,
        "footprint": assess(measurement.machine, place or make_place()),
        "scores": {"accuracy": 0.97},
        "tags": {"model": "baseline"},
        "stage": "training",
        "source_hash": "ab" * 32,
    }
    return Run(**(fields | parts))


def _energy(component: str, energy_j: float, *, log_sd: float) -> Quantity:
    return Quantity(
        energy_j, "J", "measured", "a test", {component: log_sd}, 0.01, 0.01, f"{component} energy"
    )
