from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import pytest

from greenai_magic.arithmetic import total
from greenai_magic.footprint.impacts import Footprint, assess
from greenai_magic.footprint.place import Place
from greenai_magic.meter.measurement import Measurement
from greenai_magic.meter.trace import Trace
from greenai_magic.quantity import Quantity
from greenai_magic.runs.run import Run


def energy(value_j: float, basis: str = "measured", **parts: Any) -> Quantity:
    spread = {"a sensor": 0.02 if basis == "measured" else 0.4}
    return Quantity(value_j, "J", basis, **({"spread": spread, "source": "RAPL: ±5 %"} | parts))


def build_trace(powers_w: Sequence[float], step_s: float = 1.0) -> Trace:
    trace = Trace(["cpu"])
    energy_j = 0.0
    trace.append(0.0, [0.0])
    for i, power_w in enumerate(powers_w, start=1):
        energy_j += power_w * step_s
        trace.append(i * step_s, [energy_j])
    return trace


def build_place(name: str = "France", hint: str = "", source: str = "Ember 2024") -> Place:
    grid = Quantity.between(
        44, 35, 56, "g CO2e/kWh", cause="grid", basis="declared", source=source, name="grid intensity"
    )
    return Place("FRA", name, grid, Quantity(1.2, "1", "default", "a survey 2024", name="PUE"), hint)


def build_run(
    *,
    components: Mapping[str, Quantity] | None = None,
    duration_s: float = 10.0,
    dynamic: Quantity | None = None,
    attributed: Quantity | None = None,
    trace: Trace | None = None,
    notes: tuple[str, ...] = (),
    place: Place | None = None,
    footprint: Footprint | None = None,
    **parts: Any,
) -> Run:
    components = components or {"cpu": energy(500.0, name="cpu"), "dram": energy(50.0, name="dram")}
    machine = total(components.values(), name="machine energy")
    measurement = Measurement(
        Quantity(duration_s, "s", name="duration"),
        machine,
        components,
        dynamic,
        attributed,
        build_trace([40, 60, 65]) if trace is None else trace,
        notes,
    )
    fields: dict[str, Any] = {
        "id": "0" * 32,
        "name": "train",
        "status": "ok",
        "started_at": datetime(2026, 1, 1, tzinfo=timezone.utc),
        "measurement": measurement,
        "footprint": footprint or assess(machine, place or build_place()),
    }
    return Run(**(fields | parts))


@pytest.fixture(scope="session")
def make_energy() -> Callable[..., Quantity]:
    return energy


@pytest.fixture(scope="session")
def make_trace() -> Callable[..., Trace]:
    return build_trace


@pytest.fixture(scope="session")
def make_place() -> Callable[..., Place]:
    return build_place


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Run]:
    return build_run
