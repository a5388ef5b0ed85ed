"""What measuring costs: loading, the first cell, warm cells; beside a bare cell and beside the peers.

Every figure is the median of fresh processes (or of many cells in one), taken in turns, so that a busy
neighbour meets all of them alike; ratios within one run mean more than milliseconds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import DEVNULL
from typing import Any

import report
from probe import CELLS

import tools

LOAD = "%load_ext greenai_magic"
CODECARBON = """
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="FRA", log_level="critical")
tracker.start()
tracker.stop()
"""


def main() -> None:
    """Run all and keep the results."""
    options = _options()
    about = report.machine(options.peers_python)
    loading = [report.probe(sys.executable, "ipython") for _ in range(options.processes)]
    tool_runs = _tool_runs(options)
    kernel_runs = [_kernel_ready() for _ in range(options.kernels)]
    kernel_warm = _kernel_warm(options.cells)
    shell_warm = {
        pause: report.probe(sys.executable, "warm", "--count", options.cells, "--pause", pause)
        for pause in (0.1, 0)
    }
    shell_cpu = report.probe(sys.executable, "cpu", "--count", options.cells)
    sections = {
        "Targets": _targets(loading, tool_runs, kernel_runs, shell_warm),
        "Loading, in an IPython of its own (ms)": _spread_table(loading),
        "From nothing to the first result (ms)": _tool_table(tool_runs),
        "In a real kernel, seen from the front end (ms)": _spread_table(kernel_runs),
        "A warm empty cell (ms)": _warm_table(kernel_warm, shell_warm, shell_cpu),
    }
    figures = {
        "loading": loading,
        "tools": tool_runs,
        "kernels": kernel_runs,
        "warm kernel": kernel_warm,
        "warm shell": shell_warm,
        "CPU": shell_cpu,
    }
    report.save("overhead", "Overhead", about, sections, figures)


def _tool_runs(options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in tools.TOOLS}
    for _ in range(options.processes):
        for name, samples in runs.items():
            python = sys.executable if name == tools.OURS else options.peers_python
            samples.append(report.probe(python, "tool", "--tool", name))
    return runs


def _kernel_ready() -> dict[str, float]:
    with _kernel() as run_ms:
        bare_ms = run_ms("pass")
        load_ms, first_ms = run_ms(LOAD), run_ms(CELLS["card"])
    with _kernel() as run_ms:
        run_ms("pass")
        codecarbon_ms = run_ms(CODECARBON)
    ready_ms = load_ms + first_ms
    return {
        "bare cell": bare_ms,
        "%load_ext": load_ms,
        "first %%carbon": first_ms,
        "ready": ready_ms,
        "codecarbon ready": codecarbon_ms,
        "codecarbon / ours": codecarbon_ms / ready_ms,
    }


def _kernel_warm(count: int) -> dict[str, float]:
    laps: dict[str, list[float]] = {name: [] for name in CELLS}
    with _kernel() as run_ms:
        run_ms(LOAD)
        for source in CELLS.values():
            run_ms(source)
        for _ in range(count):
            for name, source in CELLS.items():
                time.sleep(0.1)
                laps[name].append(run_ms(source))
    return {name: statistics.median(times) for name, times in laps.items()}


@contextmanager
def _kernel() -> Iterator[Any]:
    """Start a kernel; gives a function that runs a cell and returns milliseconds to its last message."""
    from jupyter_client.manager import start_new_kernel

    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"GREENAI_LEDGER": f"{folder}/runs.db", "GREENAI_COUNTRY": "FRA"}
        # What a kernel says of its own transport is no part of this.
        manager, client = start_new_kernel(cwd=folder, env=environment, stderr=DEVNULL)

        def run_ms(source: str) -> float:
            start = time.perf_counter()
            reply = client.execute_interactive(source, output_hook=_ignore, timeout=120)
            if reply["content"]["status"] != "ok":
                raise RuntimeError(reply["content"]["evalue"])
            return (time.perf_counter() - start) * 1e3

        try:
            yield run_ms
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def _ignore(message: object) -> None:
    """Take a message of the kernel and show nothing."""


def _spread_table(samples: list[dict[str, float]]) -> str:
    rows = [
        (name, value, report.noise([sample[name] for sample in samples]))
        for name, value in report.medians(samples).items()
    ]
    return report.table(("", "median", "range"), rows)


def _tool_table(runs: dict[str, list[dict[str, Any]]]) -> str:
    ours = report.medians(runs[tools.OURS])["ready"]
    rows = []
    for name, samples in runs.items():
        good = [sample for sample in samples if "error" not in sample]
        if not good:
            rows.append((name, f"does not run here: {samples[0]['error']}", *[""] * 6))
            continue
        middle = report.medians(good)
        rows.append((name, *middle.values(), f"{middle['ready'] / ours:.1f}"))
    columns = ("import", "open", "first begin", "first end", "sum", "warm begin + end", "sum / ours")
    return report.table(("", *columns), rows)


def _warm_table(kernel: dict[str, float], shell: dict[float, dict[str, float]], cpu: dict[str, float]) -> str:
    kinds = {
        "kernel, after a pause": kernel,
        "shell, after a pause": shell[0.1],
        "shell, back to back": shell[0],
        "shell, CPU time, saving afterwards included": cpu,
    }
    rows = [
        (kind, *cells.values(), cells["quiet"] - cells["bare"], cells["card"] - cells["bare"])
        for kind, cells in kinds.items()
    ]
    return report.table(("", *CELLS, "quiet adds", "card adds"), rows)


def _targets(
    loading: list[dict[str, float]],
    runs: dict[str, list[dict[str, Any]]],
    kernels: list[dict[str, float]],
    shell: dict[float, dict[str, float]],
) -> str:
    load, kernel = report.medians(loading), report.medians(kernels)
    script = report.medians(runs[tools.OURS])["ready"]
    codecarbon = [sample["ready"] for sample in runs["codecarbon"] if "error" not in sample]
    warm = shell[0]
    rows = [
        ("load above bare IPython", "< 60 ms", load["import greenai_magic"] + load["%load_ext"]),
        ("ready in IPython: load and first cell", "< 100 ms", sum(load.values()) - load["bare IPython"]),
        ("ready in a kernel: load and first cell", "< 100 ms", kernel["ready"]),
        ("codecarbon / ours, in a kernel", "> 20", kernel["codecarbon / ours"]),
        ("warm empty cell adds, with its card", "< 10 ms", warm["card"] - warm["bare"]),
        ("warm empty cell adds, quiet", "< 0.5 ms", warm["quiet"] - warm["bare"]),
    ]
    if codecarbon:
        rows.insert(4, ("codecarbon / ours, in a script", "> 20", statistics.median(codecarbon) / script))
    return report.table(("", "target", "found", ""), [(*row, _verdict(row[1], row[2])) for row in rows])


def _verdict(target: str, found: float) -> str:
    sign, limit = target.split()[:2]
    return "met" if (found < float(limit)) == (sign == "<") else "missed"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", default=sys.executable, help="interpreter that has the peers")
    parser.add_argument("--processes", type=int, default=9, help="fresh processes for each tool")
    parser.add_argument("--kernels", type=int, default=7, help="fresh kernels")
    parser.add_argument("--cells", type=int, default=100, help="warm cells of each kind")
    return parser.parse_args()


if __name__ == "__main__":
    main()
