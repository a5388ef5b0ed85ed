"""`%%carbon --crosscheck`: CodeCarbon's figures for the same cell next to ours, and why they differ.

CodeCarbon's task interface on one long-lived offline tracker: its start and stop would miss cells
under 50 ms, and its default tracker asks the network where it is.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from typing import Any

from greenai_magic.arithmetic import total
from greenai_magic.errors import GreenAIError, MissingExtra
from greenai_magic.meter.models import MEMORY_W_PER_GB
from greenai_magic.quantity import JOULES_PER_KWH, Quantity, show
from greenai_magic.runs.run import Run

_QUIET = "critical"
_ROUNDING = 1e-3
_tracker: Any = None
_under_way = False


class CrossCheck:
    """One task of CodeCarbon's tracker, begun just before our window and ended just after it."""

    def start(self) -> None:
        """Begin the task.

        Raises
        ------
        GreenAIError
            If another one is under way: to CodeCarbon both would be the same.
        """
        global _under_way
        if _under_way:
            msg = "CodeCarbon measures one cell at a time, and is measuring another."
            raise GreenAIError(msg)
        self._tracker = _warm_tracker()
        self._task = f"greenai {time.monotonic_ns()}"
        self._tracker.start_task(self._task)
        _under_way = True

    def stop(self) -> None:
        """End the task."""
        global _under_way
        _under_way = False
        self._theirs = self._tracker.stop_task(self._task)

    def comparison(self, run: Run) -> str:
        """Return both figures side by side, given our run."""
        hardware = {type(part).__name__.lower(): part for part in self._tracker._hardware}  # noqa: SLF001 - no public name
        return comparison(run, self._theirs, getattr(hardware.get("cpu"), "_mode", "unknown"))


def comparison(run: Run, theirs: Any, cpu_mode: str) -> str:
    """Return a table of both tools' energy by component, each difference with its cause in words.

    Parameters
    ----------
    run : Run
        Ours.
    theirs : codecarbon EmissionsData
        Its energies are in kWh.
    cpu_mode : str
        How CodeCarbon measured the processor: ``"intel_rapl"``, ``"cpu_load"``...
    """
    ours = run.measurement.by_component
    gpus = [energy for component, energy in ours.items() if component.startswith("gpu")]
    memory = ours.get("dram") or ours.get("memory")
    rows = [
        ("processor", ours.get("cpu") or ours.get("platform"), theirs.cpu_energy, _cpu_cause(ours, cpu_mode)),
        ("memory", memory, theirs.ram_energy, _memory_cause(ours)),
        (
            "GPU",
            total(gpus, name="gpu") if gpus else None,
            theirs.gpu_energy,
            _gpu_cause(theirs),
        ),
        ("all", run.measurement.machine, theirs.energy_consumed, "as its parts differ"),
    ]
    lines = [f"Crosscheck with CodeCarbon {theirs.codecarbon_version}"]
    for name, mine, kwh, cause in rows:
        if mine is None and not kwh:
            continue
        their = Quantity(kwh * JOULES_PER_KWH, "J")
        shown = show(mine) if mine is not None else "not counted apart"
        lines.append(f"  {name:<10} ours {shown:<28} theirs {show(their):<10} {_verdict(mine, their, cause)}")
    return "\n".join(lines)


def _verdict(mine: Quantity | None, their: Quantity, cause: str) -> str:
    if mine is None:
        return f"difference: {cause}"
    agrees = mine.low * (1 - _ROUNDING) <= their.value <= mine.high * (1 + _ROUNDING)
    return "agrees within our interval" if agrees else f"difference: {cause}"


def _cpu_cause(ours: Any, mode: str) -> str:
    if "cpu" in ours and ours["cpu"].basis == "measured":
        if mode == "intel_rapl":
            return "same RAPL counters; CodeCarbon reads them some milliseconds apart from the cell's edges"
        return f"ours reads RAPL, CodeCarbon estimates ({mode}): rated power x (10 % + 90 % load^3)"
    return (
        f"both are models: CodeCarbon ({mode}) bills the whole chip's rated power, or 4 W a thread, "
        "x (10 % + 90 % load^3); ours bills the processors that this process may use"
    )


def _memory_cause(ours: Any) -> str:
    if "dram" in ours:
        return "ours is measured; CodeCarbon adds 5 W for each memory module that it guesses"
    if "memory" in ours:
        return f"ours is {MEMORY_W_PER_GB} W/GB; CodeCarbon adds 5 W for each memory module that it guesses"
    return "our processor figure holds memory already; CodeCarbon adds 5 W for each module that it guesses"


def _gpu_cause(theirs: Any) -> str:
    if theirs.gpu_energy:
        return "same NVML counters, read at other moments"
    return (
        "CodeCarbon saw no GPU: it needs the nvidia-smi program, and takes a UUID or a MIG name in "
        "CUDA_VISIBLE_DEVICES for none"
    )


def _warm_tracker() -> Any:
    global _tracker
    if _tracker is None:
        # Read when the package is imported; a level passed later comes too late for its first lines.
        level = os.environ.setdefault("CODECARBON_LOG_LEVEL", _QUIET)
        try:
            from codecarbon import OfflineEmissionsTracker
        except ImportError as error:
            msg = "--crosscheck needs CodeCarbon: run `pip install codecarbon`."
            raise MissingExtra(msg) from error
        finally:
            if level == _QUIET:
                del os.environ["CODECARBON_LOG_LEVEL"]
        with contextlib.redirect_stderr(io.StringIO()):
            tracker = OfflineEmissionsTracker(
                country_iso_code="FRA",  # its energies do not depend on it, and no CO2e is compared
                output_methods=[],
                electricitymaps_api_token="",
                emissions_endpoint=False,
                allow_multiple_runs=True,
                log_level=_QUIET,
            )
            tracker.start_task("warm-up")
            tracker.stop_task("warm-up")
        _tracker = tracker
    return _tracker
