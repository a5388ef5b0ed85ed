"""NVIDIA GPUs through NVML: the driver's energy counter, or its power where there is none.

NVML measures whole GPUs, whoever uses them. Each counter keeps its own hold on the library, so that
other users of it in the same process (and their ``nvmlShutdown``) do not disturb it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from greenai_magic.errors import CounterLost
from greenai_magic.meter.accuracy import NVML_COUNTER, NVML_COUNTER_PART_TIME, NVML_POWER, Accuracy
from greenai_magic.meter.counter import DeviceUsers, EnergyCounter, Reading
from greenai_magic.meter.host import Instant
from greenai_magic.meter.nvml_select import MEANS_NONE, visible_gpus

# A800 and H800 are A100 and H100 for export; H200 and GH200 carry the H100's die. Not RTX A1000.
_PART_TIME = re.compile(r"(?<![A-Z0-9])(A100|A800|H100|H200|H800|GH200)(?!\d)")
# Cards that tell no limit are old or in laptops; PCI Express allowed a card 300 W at most (2008).
_NO_LIMIT_W = 300.0
_LONG_GAP_S = 1.0
_PROC = Path("/proc")


def open_gpus(visible: str | None) -> tuple[list[EnergyCounter], list[str]]:
    """Open a counter for each GPU that this process may see.

    Parameters
    ----------
    visible : str or None
        ``CUDA_VISIBLE_DEVICES``; None where it is not set.

    Returns
    -------
    counters : list of EnergyCounter
        ``gpu0``, ``gpu1``... by NVML's index.
    notes : list of str
        One sentence for each GPU that cannot be measured, or not as one would expect. A machine
        without an NVIDIA driver has neither counters nor notes.
    """
    if not _has_library():
        return [], []
    import pynvml as nvml

    try:
        nvml.nvmlInit()
        count = nvml.nvmlDeviceGetCount()
    except (nvml.NVMLError_LibraryNotFound, nvml.NVMLError_DriverNotLoaded):
        return [], []
    except nvml.NVMLError as error:
        why = "often a driver updated without a restart, or no right to use /dev/nvidia*"
        return [], [f"NVIDIA GPUs are not measured: NVML answers {str(error)!r}, {why}."]
    try:
        return _open_visible(nvml, visible, count)
    finally:
        _release(nvml)


def _has_library() -> bool:
    """Return whether the driver's library can be there at all: asking costs far less than pynvml's import."""
    if sys.platform != "linux":
        return True
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


def sync_devices() -> None:
    """Wait for what PyTorch has queued on the GPUs it uses, so that its energy falls into this window.

    Does nothing unless PyTorch is loaded and has started CUDA. A CUDA error belongs to the user's
    code and is left for it to meet.
    """
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    # A module that another thread is still importing lacks its functions.
    with contextlib.suppress(RuntimeError, AttributeError):
        if cuda is not None and cuda.is_initialized():
            for device in range(cuda.device_count()):
                # To synchronise a device that is not in use would start it, at 300 MB and a second.
                if cuda.memory_reserved(device):
                    cuda.synchronize(device)


class _Gpu:
    """What both sources share: names, who uses the GPU, and its end.

    Raises
    ------
    NVMLError
        If the driver does not know the GPU by name.
    """

    idle_w: float | None = None

    def __init__(self, nvml: Any, index: int, handle: Any, source: str, accuracy: Accuracy) -> None:
        name = nvml.nvmlDeviceGetName(handle)
        self.component = f"gpu{index}"
        self.sliced = _is_sliced(nvml, handle)
        self.label = f"{source} of {name}" + (" (shared by its MIG slices)" if self.sliced else "")
        part_time = accuracy is NVML_COUNTER and _PART_TIME.search(name)
        self.accuracy = NVML_COUNTER_PART_TIME if part_time else accuracy
        self.rated_w = _rated_w(nvml, handle)
        self._nvml = nvml
        self._handle = handle
        nvml.nvmlInit()
        # A handle means nothing in a forked child; 0 once closed.
        self._pid = os.getpid()

    def users(self) -> DeviceUsers | None:
        """Return who computes on the GPU, or None where the driver does not tell.

        Drawing on a screen does not count: a desktop's is part of the idle power. In a container a
        driver may hide the processes of others; one that gives the host's numbers tells nothing.
        """
        if os.getpid() != self._pid:
            return None
        try:
            pids = _compute_pids(self._nvml, self._handle)
        except self._nvml.NVMLError:
            return None
        own = {pid for pid in pids if _is_own(pid, self._pid)}
        if not own and not all(map(_is_here, pids)):
            return None
        share = _own_share(self._nvml, self._handle, own, pids) if own and pids > own else None
        return DeviceUsers(len(own), len(pids - own), share)

    def close(self) -> None:
        """Let go of NVML; a second call does nothing."""
        if os.getpid() == self._pid:
            self._pid = 0
            _release(self._nvml)

    def _ask(self, question: Callable[[Any], int]) -> int:
        if os.getpid() != self._pid:
            msg = f"The {self.label} was opened by another process or closed; open it again here."
            raise CounterLost(msg)
        try:
            return question(self._handle)
        except self._nvml.NVMLError as error:
            msg = f"The {self.label} ({self.component}) stopped answering ({error})."
            raise CounterLost(msg) from error


class NvmlCounter(_Gpu):
    """The energy counter of a GPU (Volta and later), millijoules since the driver was loaded."""

    period_s = 0.5

    def __init__(self, nvml: Any, index: int, handle: Any) -> None:
        self._last_mj = nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        super().__init__(nvml, index, handle, "NVML energy counter", NVML_COUNTER)
        self._last_s: float | None = None
        self._energy_mj = 0
        self._doubt_j = 0.0

    def read(self, now: Instant, *, edge: bool) -> Reading:
        """Return the joules up to ``now``; see :class:`EnergyCounter`.

        A counter that has gone back was started anew (the driver was reloaded): what was used since
        the last read is dropped, and at most the power limit times that time may be missing.
        """
        last_mj, self._last_mj = self._last_mj, self._ask(self._nvml.nvmlDeviceGetTotalEnergyConsumption)
        last_s, self._last_s = self._last_s, now.monotonic_s
        if self._last_mj >= last_mj:
            self._energy_mj += self._last_mj - last_mj
        elif last_s is not None:
            self._doubt_j += self.rated_w * (now.monotonic_s - last_s)
        return Reading(self._energy_mj / 1000, self._doubt_j)


class PolledPower(_Gpu):
    """The power of a GPU without an energy counter, integrated by trapezoids between the reads."""

    period_s = 0.1

    def __init__(self, nvml: Any, index: int, handle: Any) -> None:
        self._last_w = nvml.nvmlDeviceGetPowerUsage(handle) / 1000
        super().__init__(nvml, index, handle, "NVML power", NVML_POWER)
        self._last_s: float | None = None
        self._energy_j = 0.0
        self._doubt_j = 0.0

    def read(self, now: Instant, *, edge: bool) -> Reading:
        """Return the joules up to ``now``; see :class:`EnergyCounter`.

        When nobody has looked for more than a second the trapezoid is a guess: the GPU may have
        drawn as much as its power limit all the while.
        """
        last_w, self._last_w = self._last_w, self._ask(self._nvml.nvmlDeviceGetPowerUsage) / 1000
        last_s, self._last_s = self._last_s, now.monotonic_s
        if last_s is not None:
            gap_s = now.monotonic_s - last_s
            mean_w = (last_w + self._last_w) / 2
            self._energy_j += mean_w * gap_s
            if gap_s > _LONG_GAP_S:
                self._doubt_j += max(0.0, self.rated_w - mean_w) * gap_s
        return Reading(self._energy_j, self._doubt_j)


def _open_visible(nvml: Any, visible: str | None, count: int) -> tuple[list[EnergyCounter], list[str]]:
    identities = [_identity(nvml, index) for index in range(count)]
    uuids = [uuid for uuid, _ in identities]
    chosen, ended_by = visible_gpus(visible, uuids, partial(_parent_of_mig, nvml))
    notes = _order_notes(visible, {name for _, name in identities if name})
    if ended_by is not None and ended_by not in MEANS_NONE:
        notes.append(f"CUDA_VISIBLE_DEVICES ends at {ended_by!r}, which is no GPU of this machine.")
    counters: list[EnergyCounter] = []
    for index in chosen:
        try:
            counter = _open(nvml, index)
        except nvml.NVMLError as error:
            notes.append(f"gpu{index} is not measured: NVML answers {str(error)!r}.")
            continue
        counters.append(counter)
        if counter.sliced:
            notes.append(f"{counter.component} is split by MIG: the whole GPU is measured, not the slice.")
    return counters, notes


def _open(nvml: Any, index: int) -> NvmlCounter | PolledPower:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    try:
        return NvmlCounter(nvml, index, handle)
    except (nvml.NVMLError_NotSupported, nvml.NVMLError_FunctionNotFound):
        return PolledPower(nvml, index, handle)


def _identity(nvml: Any, index: int) -> tuple[str, str]:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        return nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle)
    except nvml.NVMLError:
        # Opening it meets the same error, and tells it if the GPU is one of the visible.
        return "", ""


def _parent_of_mig(nvml: Any, uuid: str) -> str:
    try:
        parent = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvml.nvmlDeviceGetHandleByUUID(uuid))
        return str(nvml.nvmlDeviceGetUUID(parent))
    except nvml.NVMLError:
        return ""


def _order_notes(visible: str | None, models: set[str]) -> list[str]:
    by_index = re.search(r"(^|,)\s*\d", visible or "")
    # By default CUDA counts from the fastest GPU, which only CUDA itself can tell.
    if len(models) < 2 or not by_index or os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
        return []
    order = "the indices in CUDA_VISIBLE_DEVICES are taken to be in PCI order"
    return [f"The GPUs differ and {order}; set CUDA_DEVICE_ORDER=PCI_BUS_ID to make CUDA agree."]


def _is_sliced(nvml: Any, handle: Any) -> bool:
    try:
        return bool(nvml.nvmlDeviceGetMigMode(handle)[0] == nvml.NVML_DEVICE_MIG_ENABLE)
    except nvml.NVMLError:
        return False


def _rated_w(nvml: Any, handle: Any) -> float:
    try:
        return float(nvml.nvmlDeviceGetEnforcedPowerLimit(handle)) / 1000
    except nvml.NVMLError:
        return _NO_LIMIT_W


def _compute_pids(nvml: Any, handle: Any) -> set[int]:
    pids = {process.pid for process in nvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)}
    with contextlib.suppress(nvml.NVMLError):
        # Where processes share a GPU through NVIDIA's MPS, they are listed here and only here.
        pids |= {process.pid for process in nvml.nvmlDeviceGetMPSComputeRunningProcesses_v3(handle)}
    return pids


def _own_share(nvml: Any, handle: Any, own: set[int], pids: set[int]) -> float | None:
    try:
        samples = nvml.nvmlDeviceGetProcessUtilization(handle, 0)
    except nvml.NVMLError:
        return None
    busy = sum(sample.smUtil for sample in samples)
    # In a container some drivers give the list in its numbers and the samples in the host's.
    if not busy or not {sample.pid for sample in samples} <= pids:
        return None
    return float(sum(sample.smUtil for sample in samples if sample.pid in own) / busy)


def _is_own(pid: int, ancestor: int) -> bool:
    while pid > 1 and pid != ancestor:
        try:
            status = (_PROC / str(pid) / "status").read_text()
        except OSError:
            return False
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        # Some drivers list a thread instead of its process.
        pid = ancestor if fields.get("Tgid") == str(ancestor) else int(fields.get("PPid", 0))
    return pid == ancestor


def _is_here(pid: int) -> bool:
    return not _PROC.is_dir() or (_PROC / str(pid)).is_dir()


def _release(nvml: Any) -> None:
    with contextlib.suppress(nvml.NVMLError):
        nvml.nvmlShutdown()
