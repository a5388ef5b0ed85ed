"""How near the truth: windows on simulated counters whose energy is known exactly.

The error is that of edges and arithmetic alone: a simulated sensor has none of its own. An interval must
contain the truth; how wide it is says what it is worth.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import report
from simulation import Power, World, Zone, enter_namespace, is_exact, powercap

import tools

STUB = report.HERE.parent / "tests" / "simulation"
POWERS = {"const": Power((60.0,)), "burst": Power((15.0, 95.0))}
GPU_POWERS = {"const": Power((300.0,)), "burst": Power((70.0, 400.0))}
MEMORY = Power((4.0,))
EVENT_S = 12.0
INTEL, AMD = "GenuineIntel", "AuthenticAMD"
Window = Mapping[str, Any]
Runs = Sequence[Mapping[str, Any]]
Key = tuple[str, str, float]


@dataclass(frozen=True)
class Case:
    """A machine that tools get wrong; ``eventful`` where something happens at ``EVENT_S``.

    ``truth`` is the power of all its packages together.
    """

    zones: tuple[Zone, ...]
    truth: Power
    vendor: str = INTEL
    eventful: bool = False


def main() -> None:
    """Run all and keep the results."""
    options = _options()
    enter_namespace()
    about = report.machine(options.peers_python)
    names = list(tools.TOOLS) if is_exact() else [tools.OURS]
    processors = {
        (name, power, seconds): _processor_runs(options, name, power, seconds, count)
        for power in POWERS
        for name in names
        for seconds, count in options.windows.items()
    }
    gpus = _gpu_runs(options)
    cases = {
        (name, tool): _case_run(options, case, tool) for name, case in _cases().items() for tool in names
    }
    how = "served through FUSE" if is_exact() else "plain files rewritten every millisecond (peers left out)"
    sections = {
        "Targets": _targets(processors),
        f"Processor: error against the truth, counters {how} (%)": _error_table("tool", processors),
        "GPU: greenai_magic on a simulated NVML energy counter (%)": gpus
        if isinstance(gpus, str)
        else _error_table("tick", gpus),
        "Machines that tools get wrong: reported joules over true ones (%)": report.table(
            ("case", *names),
            [(name, *(_share(cases[name, tool]) for tool in names)) for name in _cases()],
        ),
    }
    samples = {
        kind: [{"of": key, "found": runs} for key, runs in found.items()]
        for kind, found in (("processor", processors), ("gpu", gpus), ("cases", cases))
        if isinstance(found, dict)
    }
    report.save("accuracy", "Accuracy", about, sections, samples)


def _processor_runs(options: argparse.Namespace, name: str, power: str, seconds: float, count: int) -> Runs:
    arguments = ("--count", count, "--seconds", seconds)
    worlds = (World(_package(0, POWERS[power]), POWERS[power]) for _ in range(options.processes))
    return [_measured(options, world, name, *arguments) for world in worlds]


def _case_run(options: argparse.Namespace, case: Case, name: str) -> dict[str, Any]:
    at = ["--at", EVENT_S - 1] if case.eventful else []
    arguments = ("--count", 1, "--seconds", 2.5, "--vendor", case.vendor, *at)
    return _measured(options, World(case.zones, case.truth), name, *arguments)


def _measured(options: argparse.Namespace, world: World, name: str, *arguments: object) -> dict[str, Any]:
    python = sys.executable if name == tools.OURS else options.peers_python
    with powercap(world) as (root, path):
        return report.probe(
            python, "windows", "--tool", name, "--world", path, "--powercap", root, *arguments
        )


def _gpu_runs(options: argparse.Namespace) -> dict[Key, Runs] | str:
    sys.path.insert(0, str(STUB))
    from nvml_stub import build_stub, stub_environment

    runs: dict[Key, Runs] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            library = build_stub(Path(folder))
        except OSError as error:
            return f"Not run: the simulated driver needs a C compiler ({error.strerror})."
        environment = stub_environment(library, Path(folder) / "world")
        for tick_s, power in itertools.product((0.02, 0.1), GPU_POWERS):
            # The simulated driver takes a short text: 200 steps are some ten seconds of bursts.
            steps = GPU_POWERS[power].steps()[:200]
            trace = json.dumps([(round(second, 3), watts) for second, watts in steps])
            for seconds, count in options.gpu_windows.items():
                arguments = ("--trace", trace, "--tick", tick_s, "--count", count, "--seconds", seconds)
                found = report.probe(sys.executable, "gpu", *arguments, environment=environment)
                runs[f"{tick_s:g} s", power, seconds] = [found]
    return runs


def _error_table(first: str, runs: Mapping[Key, Runs]) -> str:
    columns = ("first window", "later, median", "later, worst", "truth inside", "half width", "")
    rows = [(key[0], key[1], f"{key[2]:g} s", *_errors(found)) for key, found in runs.items()]
    return report.table((first, "power", "window", *columns), rows)


def _errors(runs: Runs) -> list[object]:
    """Return the columns of a table row: errors in percent of the truth, and what intervals did."""
    good = [run["windows"] for run in runs if "error" not in run]
    if not good or good[0][0]["energy_j"] is None:
        why = runs[0].get("error", "it reports no energy")
        return [*[""] * 5, f"does not run here: {why}"]
    later = [_error(window) for windows in good for window in windows[1:]]
    first = statistics.median(_error(windows[0]) for windows in good)
    every = [window for windows in good for window in windows]
    return [first, statistics.median(later), max(later), *_coverage(every), ""]


def _targets(runs: Mapping[Key, Runs]) -> str:
    rows = []
    for power, (seconds, limit) in itertools.product(POWERS, ((0.1, 1.5), (2.0, 0.1))):
        first, later, *_ = _errors(runs[tools.OURS, power, seconds])
        for which, found in (("first", first), ("later", later)):
            verdict = "met" if found < limit else "missed"
            rows.append((f"{which} window of {seconds:g} s, {power}", f"< {limit} %", found, verdict))
    return report.table(("", "target", "found", ""), rows)


def _coverage(windows: Sequence[Window]) -> tuple[str, str]:
    if windows[0]["low_j"] is None:
        return "", ""
    inside = statistics.mean(_holds(window) for window in windows)
    widths = [(window["high_j"] - window["low_j"]) / 2 / window["truth_j"] for window in windows]
    return f"{100 * inside:.0f}", f"{100 * statistics.median(widths):.0f}"


def _share(run: Mapping[str, Any]) -> str:
    if "error" in run:
        return f"does not run here: {run['error']}"
    window = run["windows"][0]
    if window["energy_j"] is None:
        return "no energy"
    text = f"{100 * window['energy_j'] / window['truth_j']:.1f}"
    if window["low_j"] is None:
        return text
    low, high = (100 * window[key] / window["truth_j"] for key in ("low_j", "high_j"))
    return f"{text} ({low:.0f} to {high:.0f}, truth {'inside' if _holds(window) else 'OUTSIDE'})"


def _error(window: Window) -> float:
    return 100 * abs(window["energy_j"] / window["truth_j"] - 1)


def _holds(window: Window) -> bool:
    return bool(window["low_j"] <= window["truth_j"] <= window["high_j"])


def _package(socket: int, power: Power, name: str = "", **events: float) -> tuple[Zone, ...]:
    folder = f"intel-rapl:{socket}"
    return (
        Zone(folder, name or f"package-{socket}", power, **events),
        Zone(f"{folder}:0", "core", Power(tuple(0.6 * watts for watts in power.levels_w))),
        Zone(f"{folder}:1", "dram", MEMORY),
    )


def _cases() -> dict[str, Case]:
    one, two, both = Power((60.0,)), Power((30.0,)), Power((90.0,))
    package = _package(0, one)
    twin = Zone("intel-rapl-mmio:0", "package-0", one)
    platform = Zone("intel-rapl:1", "psys", Power((85.0,)))
    mirrored = (Zone("intel-rapl:0", "package-0-die-0", one), Zone("intel-rapl:1", "package-0-die-1", one))
    return {
        "one package": Case(package, one),
        "AMD: no dram": Case(package[:2], one, AMD),
        "two sockets": Case((*package, *_package(1, two)), both),
        "two dies of one package": Case(
            (*_package(0, one, "package-0-die-0"), *_package(1, two, "package-0-die-1")), both
        ),
        "AMD: one counter shown for two dies": Case(mirrored, one, AMD),
        "platform counter beside (psys)": Case((*package, platform), one),
        "memory-mapped twin": Case((*package, twin), one),
        "counter wraps in the window": Case(_package(0, one, wraps_at_s=EVENT_S), one, eventful=True),
        "counter starts anew in the window (suspend)": Case(
            _package(0, one, resets_at_s=EVENT_S), one, eventful=True
        ),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", default=sys.executable, help="interpreter that has the peers")
    parser.add_argument("--processes", type=int, default=3, help="fresh processes for each tool and length")
    parser.add_argument("--quick", action="store_true", help="fewer windows")
    options = parser.parse_args()
    few, many = (3, 5) if options.quick else (4, 15)
    options.windows = {0.01: many, 0.1: many, 2.0: few}
    options.gpu_windows = {0.01: 2 * many, 0.1: 2 * many, 2.0: few}
    return options


if __name__ == "__main__":
    main()
