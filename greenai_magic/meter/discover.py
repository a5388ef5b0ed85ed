"""Which counters this machine has, and why not the others; and the meter that a process shares."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from greenai_magic.meter import nvml
from greenai_magic.meter.counter import EnergyCounter
from greenai_magic.meter.host import Host, memory_limit_gb
from greenai_magic.meter.meter import Meter
from greenai_magic.meter.models import cpu_model, memory_model
from greenai_magic.meter.processor import detect_processor, installed_memory_gb
from greenai_magic.meter.rapl import POWERCAP, open_rapl


def discover(
    *,
    powercap: Path = POWERCAP,
    proc: Path = Path("/proc"),
    cgroup: Path = Path("/sys/fs/cgroup"),
    threaded: bool = True,
) -> Meter:
    """Return a meter over all that can be measured here, and models of the rest.

    RAPL for processor and memory, NVML for the GPUs of ``CUDA_VISIBLE_DEVICES``; a model of the
    processor where no counter may be read, and of the memory where nothing measures or contains it.
    """
    processor = detect_processor(proc)
    counters, notes = open_rapl(powercap, vendor=processor.vendor)
    measured = bool({"cpu", "platform"} & {counter.component for counter in counters})
    host = Host(allowed_only=not measured, proc=proc, cgroup=cgroup)
    if not measured:
        model = cpu_model(processor, cpus_allowed=host.cpus_allowed, cpus_online=host.cpus_online)
        if model.accuracy.holds_memory:
            # A memory counter that may be read beside would count the memory twice.
            for counter in counters:
                counter.close()
            counters.clear()
        counters.append(model)
    if not host.tells_busy:
        notes.append("The system does not tell what others compute here: only this kernel's work is seen.")
    if not _memory_is_covered(counters):
        memory_gb = installed_memory_gb(proc)
        # A model's scope is what this process may use, of the processor as of the memory.
        limit_gb = None if measured else memory_limit_gb(proc, cgroup)
        if memory_gb is not None:
            counters.append(memory_model(min(memory_gb, limit_gb or memory_gb)))
        else:
            notes.append("Memory is not counted: its size cannot be told here.")
    gpus, gpu_notes = nvml.open_gpus(os.environ.get("CUDA_VISIBLE_DEVICES"))
    # On a machine of its own the kernel answers for the idle power too; a tenant for its quota.
    idle_share = min(1.0, (host.quota_cpus or host.cpus_online) / host.cpus_online) if measured else 1.0
    return Meter(
        [*counters, *gpus],
        host,
        notes=[*notes, *gpu_notes],
        idle_share=idle_share,
        settle=nvml.sync_devices if gpus else None,
        threaded=threaded,
    )


def default_meter() -> Meter:
    """Return the meter that this process shares, made at first use; a forked child makes its own."""
    global _meter
    with _lock:
        if _meter is None:
            _meter = discover()
        return _meter


def use_meter(meter: Meter | None) -> Meter | None:
    """Make ``meter`` the shared one and return the one before; None forgets it."""
    global _meter
    with _lock:
        before, _meter = _meter, meter
    return before


def _memory_is_covered(counters: list[EnergyCounter]) -> bool:
    # A platform counter contains memory, and so do watts per vCPU, taken at a server's plug.
    components = {counter.component for counter in counters}
    return bool({"dram", "platform"} & components) or any(c.accuracy.holds_memory for c in counters)


def _forget_parent() -> None:
    global _meter, _lock
    _meter, _lock = None, threading.RLock()


_meter: Meter | None = None
# Reentrant: a signal's handler may measure while its own thread is opening the counters.
_lock = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
