"""The inside of a fresh process: each probe measures one thing once and writes it as JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulation import read_world

import tools

CELLS = {
    "bare": "pass",
    "%%time": "%%time\npass",
    "quiet": "%%carbon --quiet\npass",
    "card": "%%carbon\npass",
}


def ipython(_: argparse.Namespace) -> dict[str, float]:
    """Time a bare IPython, then the extension's loading and its first cell, in milliseconds."""
    watch = Stopwatch()
    shell = _shell()
    shell.run_cell("pass")
    watch.lap("bare IPython")
    importlib.import_module("greenai_magic")
    watch.lap("import greenai_magic")
    shell.run_line_magic("load_ext", "greenai_magic")
    watch.lap("%load_ext")
    shell.run_cell("%%carbon\npass")
    watch.lap("first cell")
    return watch.laps_ms


def warm(options: argparse.Namespace) -> dict[str, float]:
    """Time empty cells one after the other in one shell, in milliseconds."""
    shell = _shell()
    shell.run_line_magic("load_ext", "greenai_magic")
    laps: dict[str, list[float]] = {name: [] for name in CELLS}
    for i in range(options.count + 5):
        for name, source in CELLS.items():
            watch = Stopwatch()
            shell.run_cell(source)
            watch.lap(name)
            if i >= 5:
                laps[name].append(watch.laps_ms[name])
            time.sleep(options.pause)
    return {name: statistics.median(times) for name, times in laps.items()}


def cpu(options: argparse.Namespace) -> dict[str, float]:
    """Return CPU milliseconds of an empty cell of each kind, with what its saving costs afterwards."""
    from greenai_magic.runs import clerk

    shell = _shell()
    shell.run_line_magic("load_ext", "greenai_magic")
    spent_ms: dict[str, float] = {}
    for name, source in CELLS.items():
        for _ in range(5):
            shell.run_cell(source)
        clerk.catch_up()
        before_s = time.process_time()
        for _ in range(options.count):
            shell.run_cell(source)
        clerk.catch_up()
        spent_ms[name] = (time.process_time() - before_s) / options.count * 1e3
    return spent_ms


def tool(options: argparse.Namespace) -> dict[str, float]:
    """Time a tool from nothing to its first window, then warm windows, in milliseconds."""
    chosen = tools.TOOLS[options.tool]
    watch = Stopwatch()
    importlib.import_module(chosen.module)
    watch.lap("import")
    begin, end = chosen.open()
    watch.lap("open")
    begin()
    watch.lap("begin")
    end()
    watch.lap("end")
    warm_ms = []
    for _ in range(options.count):
        time.sleep(0.1)
        again = Stopwatch()
        begin()
        end()
        again.lap("both")
        warm_ms.append(again.laps_ms["both"])
    return {**watch.laps_ms, "ready": sum(watch.laps_ms.values()), "warm": statistics.median(warm_ms)}


def windows(options: argparse.Namespace) -> dict[str, Any]:
    """Measure windows of a given length on simulated processor counters, beside the truth."""
    world = read_world(options.world)
    if options.tool == tools.OURS:
        tools.use_counters(options.powercap, options.vendor)
    begin, end = tools.TOOLS[options.tool].open()
    if options.at is not None:
        begin()
        end()
        late_s = time.monotonic() - (world.start_s + options.at)
        if late_s > 0:
            return {"error": f"it took {late_s:.1f} s too long to get ready"}
        time.sleep(-late_s)
    return {"windows": _windows(options, begin, end, world.truth_j)}


def gpu(options: argparse.Namespace) -> dict[str, Any]:
    """Measure windows on the simulated NVIDIA driver, beside the truth."""
    from nvml_stub import StubGpu, World

    from greenai_magic import measure
    from greenai_magic.meter.discover import use_meter
    from greenai_magic.meter.host import Host
    from greenai_magic.meter.meter import Meter
    from greenai_magic.meter.nvml import open_gpus

    trace = tuple(tuple(step) for step in json.loads(options.trace))
    device = StubGpu(trace=trace, tick_s=options.tick)
    start_s = World(device).start()
    use_meter(Meter(open_gpus(None)[0], Host()))
    time.sleep(0.5)
    measuring = []

    def begin() -> None:
        measuring.append(measure("benchmark", save=False))
        measuring[-1].__enter__()

    def end() -> tools.Seen:
        measuring[-1].__exit__(None, None, None)
        return tools.seen_by_us("gpu0", measuring.pop())

    def truth_j(from_s: float, to_s: float) -> float:
        return device.energy_j(to_s - start_s) - device.energy_j(from_s - start_s)

    return {"windows": _windows(options, begin, end, truth_j)}


def idle(options: argparse.Namespace) -> dict[str, Any]:
    """Count the CPU time that this process and its children use while it sleeps, in seconds."""
    if options.powercap and options.tool == tools.OURS:
        tools.use_counters(options.powercap, options.vendor)
    if options.no_save:
        tools.keep_nothing()
    if options.tool:
        begin, end = tools.TOOLS[options.tool].open()
        begin()
        if options.parked:
            end()
    time.sleep(options.settle)
    before_s = _cpu_s()
    time.sleep(options.seconds)
    return {"cpu_s": _cpu_s() - before_s, "children": len(_children())}


class Stopwatch:
    """Milliseconds from lap to lap."""

    def __init__(self) -> None:
        self.laps_ms: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """End a lap and begin the next."""
        now = time.perf_counter()
        self.laps_ms[name] = (now - self._last) * 1e3
        self._last = time.perf_counter()


def _shell() -> Any:
    from IPython.core.interactiveshell import InteractiveShell

    return InteractiveShell.instance()


def _windows(
    options: argparse.Namespace,
    begin: Callable[[], object],
    end: Callable[[], tools.Seen],
    truth_j: Callable[[float, float], float],
) -> list[dict[str, Any]]:
    found = []
    for _ in range(options.count):
        begin()
        from_s = time.monotonic()
        time.sleep(options.seconds)
        to_s = time.monotonic()
        seen = end()
        found.append({"truth_j": truth_j(from_s, to_s), **seen._asdict()})
        # Nothing should tie the next window's phase to this one's.
        time.sleep(0.02 + (to_s * 1e4 % 1) * 0.03)
    return found


def _cpu_s() -> float:
    ticks = 0
    for child in _children():
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _children() -> list[str]:
    lists = Path("/proc/self/task").glob("*/children")
    return [pid for path in lists for pid in path.read_text().split()]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("probe", choices=("ipython", "warm", "cpu", "tool", "windows", "gpu", "idle"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tool", choices=tuple(tools.TOOLS))
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between two cells")
    parser.add_argument("--settle", type=float, default=6.0)
    parser.add_argument("--parked", action="store_true")
    parser.add_argument("--no-save", action="store_true", help="keep greenai_magic's runs in no ledger")
    parser.add_argument("--world", type=Path)
    parser.add_argument("--powercap", type=Path)
    parser.add_argument("--vendor", default="GenuineIntel")
    parser.add_argument("--at", type=float, help="second of the world at which the window opens")
    parser.add_argument("--trace")
    parser.add_argument("--tick", type=float, default=0.1)
    return parser.parse_args()


if __name__ == "__main__":
    chosen = _options()
    with tools.silence():
        found = globals()[chosen.probe](chosen)
        chosen.out.write_text(json.dumps(found))
    # Some tools wait for their threads or processes at exit; nothing is left to learn from that.
    sys.stdout.flush()
