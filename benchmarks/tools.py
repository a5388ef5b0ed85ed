"""greenai_magic and its peers behind one pair of functions: begin and end of a window."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

JOULES_PER_KWH = 3.6e6


class Seen(NamedTuple):
    """Joules of the processor over a window; the interval only from tools that state one."""

    energy_j: float | None
    low_j: float | None = None
    high_j: float | None = None


@dataclass(frozen=True)
class Tool:
    """How to use one tool, once its module is imported.

    ``open`` does what a user does once, and returns what begins and what ends a window.
    """

    module: str
    open: Callable[[], tuple[Callable[[], object], Callable[[], Seen]]]


def use_counters(powercap: Path, vendor: str) -> None:
    """Let greenai_magic measure with the counters of a powercap folder alone, whatever this machine is."""
    from greenai_magic.meter.discover import use_meter
    from greenai_magic.meter.host import Host
    from greenai_magic.meter.meter import Meter
    from greenai_magic.meter.rapl import open_rapl

    counters, notes = open_rapl(powercap, vendor=vendor)
    use_meter(Meter(counters, Host(), notes=notes))


def keep_nothing() -> None:
    """Let greenai_magic keep no run in its ledger."""
    from greenai_magic.runs.settings import current_settings, use_settings

    use_settings(replace(current_settings(), save=False))


def seen_by_us(component: str, measuring: object) -> Seen:
    """Return what greenai_magic says of a component."""
    energy = measuring.energy_j_by_component[component]
    return Seen(energy.value, energy.low, energy.high)


def _greenai() -> tuple[Callable[[], object], Callable[[], Seen]]:
    from greenai_magic import measure
    from greenai_magic.meter.discover import default_meter

    default_meter()
    windows = []

    def begin() -> None:
        windows.append(measure("benchmark", place="FRA"))
        windows[-1].__enter__()

    def end() -> Seen:
        windows[-1].__exit__(None, None, None)
        return seen_by_us("cpu", windows.pop())

    return begin, end


def _codecarbon() -> tuple[Callable[[], object], Callable[[], Seen]]:
    tracker = None

    def begin() -> None:
        # A stopped tracker cannot start again: its construction belongs to every window.
        nonlocal tracker
        tracker = _codecarbon_tracker()
        tracker.start()

    def end() -> Seen:
        tracker.stop()
        return Seen(tracker.final_emissions_data.cpu_energy * JOULES_PER_KWH)

    return begin, end


def _codecarbon_tasks() -> tuple[Callable[[], object], Callable[[], Seen]]:
    tracker = _codecarbon_tracker()

    def end() -> Seen:
        return Seen(tracker.stop_task().cpu_energy * JOULES_PER_KWH)

    return tracker.start_task, end


def _codecarbon_tracker() -> object:
    from codecarbon import OfflineEmissionsTracker

    return OfflineEmissionsTracker(
        country_iso_code="FRA",
        log_level="critical",
        output_dir=tempfile.gettempdir(),
        allow_multiple_runs=True,
    )


def _zeus() -> tuple[Callable[[], object], Callable[[], Seen]]:
    from zeus.monitor import ZeusMonitor

    # Waiting for the GPU would import PyTorch; there is no GPU in these windows.
    monitor = ZeusMonitor(gpu_indices=[])

    def end() -> Seen:
        energies = monitor.end_window("benchmark", sync_execution=False).cpu_energy
        return Seen(sum(energies.values()) if energies else None)

    return lambda: monitor.begin_window("benchmark", sync_execution=False), end


def _carbontracker() -> tuple[Callable[[], object], Callable[[], Seen]]:
    from carbontracker.constants import PUE_2023
    from carbontracker.tracker import CarbonTracker

    tracker = CarbonTracker(epochs=100_000, epochs_before_pred=0, components="cpu", verbose=0)

    def end() -> Seen:
        tracker.epoch_end()
        # Its energy is a building's; everybody else's is the machine's.
        energy_kwh = float(tracker.tracker.total_energy_per_epoch()[-1]) / PUE_2023
        return Seen(energy_kwh * JOULES_PER_KWH)

    return tracker.epoch_start, end


TOOLS = {
    "greenai_magic": Tool("greenai_magic.runs.measure", _greenai),
    "codecarbon": Tool("codecarbon", _codecarbon),
    "codecarbon tasks": Tool("codecarbon", _codecarbon_tasks),
    "zeus": Tool("zeus.monitor", _zeus),
    "carbontracker": Tool("carbontracker.tracker", _carbontracker),
}
OURS = "greenai_magic"


@contextlib.contextmanager
def silence() -> object:
    """Send what tools print, at whatever depth, to nowhere."""
    nowhere, kept = os.open(os.devnull, os.O_WRONLY), [os.dup(1), os.dup(2)]
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        for stream, fd in zip((1, 2), kept, strict=True):
            os.dup2(fd, stream)
