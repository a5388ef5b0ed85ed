"""How far each source of energy may be from the truth: one table, each entry with its reason.

A term is a log-normal factor (95 %), a floor for what the counter cannot resolve at the two edges
of a window, or both. Sizes marked "engineering choice" are consistent with the cited papers, not
taken from them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from greenai_magic.quantity import Z95, Basis, Quantity

LOAD_EXPONENT = 0.43
"""Package power above idle against the share of busy threads, fitted on CodeCarbon's RAPL data (2025)."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The error of one source of energy.

    Attributes
    ----------
    cause : str
        Name of the error; counters that share it share one draw of it.
    low, high : float
        95 % factors on the joules: ``0.95, 1.05`` is ±5 %.
    basis : Basis
        ``"measured"`` for a counter, ``"modelled"`` for a model.
    reason : str
        Why these sizes, with the source and its year.
    tick_s : float
        Time between two updates of the counter, in seconds.
    edge_ticks : int
        Ticks that may be missed or seen too early over a window's two edges.
    unit_j : float
        Smallest step of the counter, in joules.
    burst : float
        Extra log-normal factor (95 %) of a sensor that looks only part of the time, at 1 s; it
        falls with the square root of the window's length.
    sampling_s : float
        For integrated power: seconds whose ratio to the window's length is the extra 95 % error.
    load_exponent : float
        How dynamic power grows with the number of busy threads: 0.43 on a package, whose first
        busy core costs most; 1 where every thread costs the same.
    holds_memory : bool
        Whether the figure contains the memory too.
    """

    cause: str
    low: float
    high: float
    basis: Basis
    reason: str
    tick_s: float = 0.0
    edge_ticks: int = 1
    unit_j: float = 0.0
    burst: float = 0.0
    sampling_s: float = 0.0
    load_exponent: float = LOAD_EXPONENT
    holds_memory: bool = False

    def energy(
        self,
        seen_j: float,
        duration_s: float,
        *,
        doubt_j: float = 0.0,
        surplus_j: float = 0.0,
        limit_w: float = math.inf,
        usual_w: float = 0.0,
        name: str,
        source: str,
        formula: str = "",
        inputs: tuple[Quantity, ...] = (),
    ) -> Quantity:
        """Return what a counter saw over a window as a figure with its interval.

        Parameters
        ----------
        seen_j, duration_s : float
            Difference of the counter and length of the window.
        doubt_j, surplus_j : float
            Joules that may have gone uncounted inside the window, or been counted too many.
        limit_w : float
            Power that a model cannot pass: busy processors are counted in ticks, and one of them may
            stand for more time than a short window has.
        usual_w : float
            Power that the component may have drawn at the edges, however little was seen.
        formula, inputs
            How the joules come about, as a :class:`Quantity` takes it.
        """
        power_w = max(usual_w, seen_j / max(duration_s, self.tick_s, 1e-9))
        floor_j = power_w * self.tick_s * self.edge_ticks + 2 * self.unit_j
        spread = self.spread()
        extra = self._extra_log_sd(duration_s)
        if extra:
            spread[f"{name} sampling"] = extra
        limit_j = limit_w * duration_s if math.isfinite(limit_w) else math.inf
        if seen_j > limit_j and formula:
            formula = f"min({formula}, {limit_j:.9g})"
        seen_j, most_j = min(seen_j, limit_j), limit_j * self.high
        # The spread is that of the nearer bound; how much further the other one lies is a margin.
        nearer = min(self.high, 1 / self.low)
        core_j = seen_j * math.exp(Z95 * math.hypot(*spread.values()))
        return Quantity(
            seen_j,
            "J",
            self.basis,
            f"{source}: {self.reason}",
            spread,
            min(seen_j, floor_j + surplus_j + seen_j * (1 / nearer - self.low)),
            max(0.0, min(floor_j + doubt_j + seen_j * (self.high - nearer), most_j - core_j)),
            name,
            formula,
            inputs,
        )

    def spread(self) -> dict[str, float]:
        """Return the sensor's or model's own error, the same at every moment."""
        nearer = min(self.high, 1 / self.low)
        return {self.cause: math.log(nearer) / Z95} if nearer > 1 else {}

    def _extra_log_sd(self, duration_s: float) -> float:
        seconds = max(duration_s, 1e-3)
        # A factor of 3 is already "nobody knows"; below that length the tick floor rules.
        error = min(2.0, math.hypot(self.burst / math.sqrt(seconds), self.sampling_s / seconds))
        return math.log1p(error) / Z95


RAPL_INTEL = Accuracy(
    "RAPL package sensor (Intel)", 0.95, 1.05, "measured",
    "±5 %, follows the plug since Haswell (Hackenberg 2015; Khan 2018); size an engineering choice",
    tick_s=0.001, edge_ticks=2, unit_j=61e-6,
)  # fmt: skip
RAPL_AMD = Accuracy(
    "RAPL package model (AMD)", 0.85, 1.15, "measured",
    "±15 %, the counter is itself a model that sees no memory (Schöne 2021); size an engineering choice",
    tick_s=0.001, edge_ticks=2, unit_j=15.3e-6,
)  # fmt: skip
RAPL_DRAM = Accuracy(
    "RAPL memory sensor", 0.8, 1.2, "measured",
    "±20 %, right trend with a constant offset (Desrochers 2016); size an engineering choice",
    tick_s=0.001, edge_ticks=2, unit_j=61e-6,
)  # fmt: skip
RAPL_CORE = replace(
    RAPL_INTEL, cause="RAPL cores only", low=0.95, high=2.0,
    reason="only the cores' counter exists: caches and memory controller are not seen; engineering choice",
)  # fmt: skip
RAPL_PLATFORM = replace(
    RAPL_INTEL, cause="RAPL platform sensor", low=0.9, high=1.1,
    reason="±10 %, the whole platform (psys), a wider scope than packages; engineering choice",
)  # fmt: skip
NVML_COUNTER = Accuracy(
    "NVIDIA power sensor", 0.93, 1.07, "measured",
    "±7 %: ±5 % by NVIDIA, -6 to +13 % seen on some 15 GPUs (Yang 2024, arXiv 2312.02741); "
    "one counter tick of 100 ms (ML.ENERGY 2025)",
    tick_s=0.1,
)  # fmt: skip
NVML_COUNTER_PART_TIME = replace(
    NVML_COUNTER, burst=0.10,
    reason=NVML_COUNTER.reason + "; the sensor of A100 and H100 looks 25 % of the time (Yang 2024)",
)  # fmt: skip
NVML_POWER = replace(
    NVML_COUNTER, cause="NVIDIA power sensor, polled", tick_s=0.1, sampling_s=0.15,
    reason="±7 % sensor; polling a 1 s mean at 10 Hz adds 30 % at 0.5 s, 7 % at 2 s, "
    "1.5 % at 10 s; engineering choice",
)  # fmt: skip
CPU_KNOWN_CHIP = Accuracy(
    "CPU load law", 0.55, 1.9, "modelled",
    "rated power and busy threads; left-out machine -46 to +92 % (4 machines, CodeCarbon data 2025)",
    tick_s=0.01,
)  # fmt: skip
CPU_KNOWN_VCPU = Accuracy(
    "vCPU power model", 0.6, 1.6, "modelled",
    "watts per vCPU of the microarchitecture; SPECpower 2026 spread within a family, and tenancy",
    tick_s=0.01, load_exponent=1.0, holds_memory=True,
)  # fmt: skip
CPU_UNKNOWN = Accuracy(
    "unknown processor", 0.35, 2.5, "modelled",
    "watts per thread of all SPECpower servers since 2017: 1.17 / 3.35 / 5.44 (5, 50, 95 %)",
    tick_s=0.01, load_exponent=1.0, holds_memory=True,
)  # fmt: skip
MEMORY_MODEL = Accuracy(
    "memory power model", 0.5, 1.5, "modelled",
    "0.28 to 0.39 W/GB in four published models (Boavizta, Green Algorithms, CCF); nothing measures it here",
)  # fmt: skip
REPLAYED = Accuracy(
    "replayed recording", 1.0, 1.0, "declared", "a recording played back, for tests and lessons"
)
