"""Models where nothing measures: joules as a function of cumulative seconds and CPU-seconds.

A model is a counter like any other. Because it depends on cumulative figures only, its answer does
not change with how often somebody looks.
"""

from __future__ import annotations

from greenai_magic.meter.accuracy import (
    CPU_KNOWN_CHIP,
    CPU_KNOWN_VCPU,
    CPU_UNKNOWN,
    LOAD_EXPONENT,
    MEMORY_MODEL,
    Accuracy,
)
from greenai_magic.meter.counter import DeviceUsers, EnergyCounter, Reading
from greenai_magic.meter.host import Instant
from greenai_magic.meter.processor import Processor, rated_power_w, vcpu_watts
from greenai_magic.quantity import Quantity

IDLE_SHARE = 0.11
LOAD_SHARE = 0.62
"""P / TDP = 0.11 + 0.62 u^0.43, u the share of busy threads: fitted on package RAPL of four machines
in CodeCarbon's published data (2025), against which the cubic law in use elsewhere is refuted."""
MEMORY_W_PER_GB = 0.37
"""Between 0.284 (Boavizta), 0.3725 (Green Algorithms), 0.375 and 0.392 (Cloud Carbon Footprint)."""


class LinearModel:
    """Watts that are always there, and watts for each busy CPU."""

    period_s = 0.5

    def __init__(
        self,
        component: str,
        label: str,
        accuracy: Accuracy,
        *,
        idle_w: float,
        busy_w: float = 0.0,
        cpus: float = 1.0,
    ) -> None:
        self.component = component
        self.label = label
        self.accuracy = accuracy
        self.idle_w: float | None = idle_w
        self.rated_w = idle_w + busy_w * cpus
        self._always_w = idle_w
        self._busy_w = busy_w
        self._start: Instant | None = None

    def read(self, now: Instant, *, edge: bool) -> Reading:
        """Return the joules up to ``now``; see :class:`EnergyCounter`."""
        if self._start is None:
            self._start = now
        awake_s = now.monotonic_s - self._start.monotonic_s
        busy_s = now.busy_s - self._start.busy_s
        return Reading(self._always_w * awake_s + self._busy_w * busy_s)

    def terms(self, start: Instant, end: Instant) -> tuple[str, tuple[Quantity, ...]]:
        """Return idle and busy watts times their seconds; see :class:`Explained`."""
        always = Quantity(self._always_w, "W", "modelled", self.label, name="power at rest")
        awake_s, busy_s = end.monotonic_s - start.monotonic_s, end.busy_s - start.busy_s
        duration = Quantity(max(0.0, awake_s), "s", source="monotonic clock", name="duration")
        if not self._busy_w:
            return "{0} * {1}", (always, duration)
        busy = Quantity(max(0.0, busy_s), "s", source="worked by anyone in scope", name="CPU-seconds")
        each = Quantity(self._busy_w, "W", "modelled", self.label, name="power of a busy processor")
        return "{0} * {1} + {2} * {3}", (always, duration, each, busy)

    def users(self) -> DeviceUsers | None:
        """Return None: who uses a processor is told by CPU time."""
        return None

    def close(self) -> None:
        """Do nothing: a model keeps nothing open."""


class ChipModel:
    """A whole processor of known rated power, whose first busy core costs most.

    Its law is concave, so its energy is settled at the edges of windows only: between two edges it
    takes the mean load, and does not change with how often the thread looks. No way of spending the
    same CPU-seconds uses more, and all processors at once uses least: the difference is told as
    surplus. Another window's edge in between settles the law on two means instead of one.
    """

    period_s = 0.5
    component = "cpu"

    def __init__(self, label: str, *, tdp_w: float, cpus: float) -> None:
        self.label = label
        self.accuracy = CPU_KNOWN_CHIP
        self.idle_w: float | None = IDLE_SHARE * tdp_w
        self.rated_w = tdp_w
        self._cpus = cpus
        self._settled = Reading(0.0)
        self._edge: Instant | None = None

    def read(self, now: Instant, *, edge: bool) -> Reading:
        """Return the joules up to ``now``; see :class:`EnergyCounter`."""
        since = self._edge or now
        awake_s, busy_s = now.monotonic_s - since.monotonic_s, now.busy_s - since.busy_s
        energy_j = self._law_j(awake_s, busy_s)
        least_j = self.rated_w * (IDLE_SHARE * awake_s + LOAD_SHARE * max(0.0, busy_s) / self._cpus)
        reading = Reading(
            self._settled.energy_j + energy_j,
            surplus_j=self._settled.surplus_j + max(0.0, energy_j - least_j),
        )
        if edge or self._edge is None:
            self._settled, self._edge = reading, now
        return reading

    def users(self) -> DeviceUsers | None:
        """Return None: who uses a processor is told by CPU time."""
        return None

    def close(self) -> None:
        """Do nothing: a model keeps nothing open."""

    def _law_j(self, awake_s: float, busy_s: float) -> float:
        if awake_s <= 0:
            return 0.0
        load = min(1.0, max(0.0, busy_s) / (awake_s * self._cpus))
        share: float = IDLE_SHARE + LOAD_SHARE * load**LOAD_EXPONENT
        return self.rated_w * awake_s * share


def cpu_model(processor: Processor, *, cpus_allowed: float, cpus_online: int) -> EnergyCounter:
    """Return the best model of this processor.

    On bare metal with a chip of known rated power: the concave law, for the part of the chip that
    this process may use. Otherwise watts per hardware thread of the microarchitecture, which are
    taken at the server's plug and so contain memory, power supply and fans.
    """
    tdp_w = None if processor.virtual else rated_power_w(processor.name)
    if tdp_w is not None:
        share = cpus_allowed / cpus_online
        label = f"{processor.name}, {tdp_w:g} W rated x ({IDLE_SHARE} + {LOAD_SHARE} load^{LOAD_EXPONENT})"
        return ChipModel(label, tdp_w=tdp_w * processor.sockets * share, cpus=cpus_allowed)
    name, idle_w, max_w = vcpu_watts(processor)
    known = name != "unknown"
    return LinearModel(
        "cpu",
        f"{name if known else 'unknown processor'}, {cpus_allowed:g} vCPU at {idle_w:g} to {max_w:g} W each",
        CPU_KNOWN_VCPU if known else CPU_UNKNOWN,
        idle_w=idle_w * cpus_allowed,
        busy_w=max_w - idle_w,
        cpus=cpus_allowed,
    )


def memory_model(memory_gb: float) -> EnergyCounter:
    """Return the model of memory that nothing measures: the same watts whatever runs."""
    label = f"{memory_gb:.0f} GB at {MEMORY_W_PER_GB} W/GB"
    return LinearModel("memory", label, MEMORY_MODEL, idle_w=MEMORY_W_PER_GB * memory_gb)
