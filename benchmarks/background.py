"""What measuring costs while nothing happens: CPU time of a sleeping process, in a window and beside one.

The counters are simulated where that is possible, so that every tool reads what it reads on a real
machine; the server of the simulation is a process of its own and not counted. Children that a tool
starts are counted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from typing import Any

import report
from simulation import Power, World, Zone, enter_namespace, is_exact, powercap

import tools

TARGET = 0.1
PACKAGE = Power((60.0,))
ZONES = (Zone("intel-rapl:0", "package-0", PACKAGE), Zone("intel-rapl:0:0", "dram", Power((4.0,))))
ASLEEP = "asleep, no tool"
PARKED = "greenai_magic, parked"
UNSAVED = "greenai_magic, in a window, keeping nothing"


def main() -> None:
    """Run all and keep the results."""
    options = _options()
    enter_namespace()
    about = report.machine(options.peers_python)
    states: dict[str, list[object]] = {
        ASLEEP: [],
        PARKED: ["--tool", tools.OURS, "--parked"],
        UNSAVED: ["--tool", tools.OURS, "--no-save"],
        **{f"{name}, in a window": ["--tool", name] for name in tools.TOOLS},
    }
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in states}
    for _ in range(options.processes):
        for name, arguments in states.items():
            runs[name].append(_idle(options, arguments))
    rows = [(name, *_row(samples, options.seconds)) for name, samples in runs.items()]
    whole, sampling = (
        _percent(runs[name], options.seconds) for name in (f"{tools.OURS}, in a window", UNSAVED)
    )
    verdict = (
        f"{TARGET} % of one core or less: found {sampling:.3f} % for sampling at 2 Hz, and {whole:.3f} % "
        "together with keeping the run every 1.5 s."
    )
    columns = ("% of one core, median", "range", "processes besides")
    counters = "simulated counters" if is_exact() else "this machine's own counters or models"
    sections = {
        f"CPU time over {options.seconds:g} s of sleep, {counters}": report.table(("", *columns), rows)
    }
    report.save("background", "In the background", about, {"Target": verdict} | sections, runs)


def _idle(options: argparse.Namespace, arguments: list[object]) -> dict[str, Any]:
    ours = not arguments or tools.OURS in arguments
    python = sys.executable if ours else options.peers_python
    with powercap(World(ZONES, PACKAGE)) as (root, _):
        return report.probe(python, "idle", "--seconds", options.seconds, "--powercap", root, *arguments)


def _row(samples: list[dict[str, Any]], seconds: float) -> tuple[object, ...]:
    if any("error" in sample for sample in samples):
        return f"does not run here: {samples[0]['error']}", "", ""
    shares = [100 * sample["cpu_s"] / seconds for sample in samples]
    return statistics.median(shares), report.noise(shares), samples[0]["children"]


def _percent(samples: list[dict[str, Any]], seconds: float) -> float:
    return 100 * statistics.median(sample["cpu_s"] for sample in samples) / seconds


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", default=sys.executable, help="interpreter that has the peers")
    parser.add_argument("--processes", type=int, default=3, help="fresh processes for each state")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each sleeps")
    return parser.parse_args()


if __name__ == "__main__":
    main()
