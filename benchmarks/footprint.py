"""What footprints of many runs and draws of their errors cost, and how near the draws come.

A history as columns is held against ``assess`` of one run at a time, whose time for the whole history is
reckoned from part of it. Everything runs in this process, in turns; ratios mean more than milliseconds.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import report

from greenai_magic.arithmetic import product, total
from greenai_magic.footprint.columns import ENERGY, assess_columns
from greenai_magic.footprint.embodied import lines_of, parts_named
from greenai_magic.footprint.impacts import assess
from greenai_magic.footprint.place import find_place
from greenai_magic.footprint.uncertainty import compare, simulated, tornado
from greenai_magic.quantity import JOULES_PER_KWH, Quantity

DRAWS = 50_000
RUNS = 100_000
PART = 2_000
SIMULATED = f"{DRAWS} draws of the worked example"
COLUMNS = f"{RUNS} runs with hardware, all criteria, as columns"
ONE_AT_A_TIME = f"one at a time, {RUNS} reckoned from {PART}"
ENERGY_LOG_SD = 0.05
REFERENCE = {"median": (800.0, 0.02), "2.5 %": (520.0, 0.03), "97.5 %": (1360.0, 0.03)}
"""Of the worked example, in g CO2e, with how far draws may lie away: 200,000 draws by other code."""


def main() -> None:
    """Run all and keep the results."""
    options = _options()
    about = report.machine(sys.executable, ("greenai-magic", "numpy", "pandas"), ())
    lines = _worked_example()
    drawn = simulated(lines, DRAWS)
    found = dict(zip(REFERENCE, (drawn.value, drawn.low, drawn.high), strict=True))
    times = _times(lines, options.repeats)
    medians = report.medians(
        [dict(zip(times, lap, strict=True)) for lap in zip(*times.values(), strict=True)]
    )
    sections = {
        "Targets": _targets(found, medians),
        "The worked example, g CO2e": report.table(
            ("", "reference", f"{DRAWS} draws", "closed form"),
            [
                (name, REFERENCE[name][0], found[name], figure)
                for name, figure in zip(REFERENCE, _bounds(total(lines)), strict=True)
            ],
        ),
        "Time (ms)": report.table(
            ("", "median", "range"),
            [
                (name, medians[name] * 1000, report.noise([1000 * s for s in laps]))
                for name, laps in times.items()
            ],
        ),
    }
    report.save("footprint", "Footprints", about, sections, {"seconds": times, "worked example": found})


def _times(lines: tuple[Quantity, Quantity], repeats: int) -> dict[str, list[float]]:
    place, hardware = find_place("FRA"), parts_named("8 A100 SXM + gpu server")
    rng = np.random.default_rng(7)
    energies_j, durations_s = rng.lognormal(10.0, 2.0, RUNS), rng.lognormal(4.0, 2.0, RUNS)

    def as_columns() -> Any:
        return assess_columns(
            energies_j, durations_s, place=place, hardware=hardware, energy_log_sd=ENERGY_LOG_SD
        )

    criteria = [name for name in as_columns() if not name.endswith(("_low", "_high"))]

    def one_at_a_time() -> None:
        for energy_j, duration_s in zip(energies_j[:PART], durations_s[:PART], strict=True):
            energy = Quantity(float(energy_j), "J", spread={ENERGY: ENERGY_LOG_SD}, name="energy")
            footprint = assess(energy, place, lines_of(hardware, Quantity(float(duration_s), "s")))
            for criterion in criteria:
                _bounds(footprint.of(criterion))

    work: dict[str, Callable[[], object]] = {
        SIMULATED: lambda: simulated(lines, DRAWS),
        "closed form": lambda: _bounds(total(lines)),
        "tornado": lambda: tornado(lines),
        "comparison": lambda: compare(lines, lines),
        COLUMNS: as_columns,
        ONE_AT_A_TIME: one_at_a_time,
    }
    laps: dict[str, list[float]] = {name: [] for name in work}
    for run in work.values():
        run()  # Imports and tables are not what is measured.
    for _ in range(repeats):
        for name, run in work.items():
            start = time.perf_counter()
            run()
            laps[name].append(time.perf_counter() - start)
    laps[ONE_AT_A_TIME] = [seconds * RUNS / PART for seconds in laps[ONE_AT_A_TIME]]
    return laps


def _targets(found: dict[str, float], medians: dict[str, float]) -> str:
    rows: list[tuple[str, str, object, bool]] = [
        (
            f"worked example: {name} / reference",
            f"1 ± {within}",
            found[name] / reference,
            abs(found[name] / reference - 1) <= within,
        )
        for name, (reference, within) in REFERENCE.items()
    ]
    faster = medians[ONE_AT_A_TIME] / medians[COLUMNS]
    rows += [
        (f"{SIMULATED} (ms)", "below 50", 1000 * medians[SIMULATED], medians[SIMULATED] < 0.05),
        (f"{COLUMNS} (s)", "below 1", medians[COLUMNS], medians[COLUMNS] < 1),
        ("one at a time / columns", "above 1", faster, faster > 1),
    ]
    table = [(what, target, value, "met" if met else "missed") for what, target, value, met in rows]
    return report.table(("", "target", "found", ""), table)


def _worked_example() -> tuple[Quantity, Quantity]:
    """10 kWh at the devices, PUE 1.2, 41.44 g CO2e/kWh, and 14 GPU-hours, 20 g CO2e of making each."""
    energy = _unsure(10 * JOULES_PER_KWH, 1.15, "energy", "J")
    place = _unsure(1.2, 1.10, "PUE", "1"), _unsure(41.44, 1.10, "grid", "g CO2e/kWh")
    made = _unsure(20.0, 1.73, "making", "g CO2e"), Quantity(14.0, "1", name="GPU hours")
    use = product((energy, *place), "g CO2e", name="use", divisor=JOULES_PER_KWH)
    return use, product(made, "g CO2e", name="made")


def _unsure(value: float, factor: float, cause: str, unit: str) -> Quantity:
    return Quantity(value, unit, spread={cause: math.log(factor)}, name=cause)


def _bounds(figure: Quantity) -> tuple[float, float, float]:
    return figure.value, figure.low, figure.high


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15, help="how often each is timed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
