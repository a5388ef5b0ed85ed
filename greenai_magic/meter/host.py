"""The machine as one process sees it: clocks, CPU-seconds and how many processors it may use.

Everything is cumulative, so that a window is a difference; on Linux it is read through descriptors
kept open. Elsewhere the machine's CPU-seconds come from psutil, imported when first needed.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple, Protocol

if sys.platform != "win32":
    import resource

CLK_TCK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
# user nice system idle iowait irq softirq steal: guest time is already inside user time.
_BUSY_FIELDS = (0, 1, 2, 5, 6)


class Instant(NamedTuple):
    """One look at the clocks; differences of two are what counts.

    Attributes
    ----------
    monotonic_s : float
        Seconds awake.
    boottime_s : float
        Seconds awake or asleep; runs ahead of ``monotonic_s`` by the time suspended.
    busy_s : float
        CPU-seconds that all the processors in scope have worked, by anyone; as ``own_s`` where the
        system does not tell.
    own_s : float
        CPU-seconds of this process and all its children, ended ones included.
    """

    monotonic_s: float
    boottime_s: float
    busy_s: float
    own_s: float


SUSPENDED_S = 0.1
"""The boot-time clock running ahead by more than this means that the machine slept."""


def asleep_s(since: Instant, until: Instant) -> float:
    """Return the seconds that the machine was suspended between two instants; 0 for a clock's own jitter."""
    ahead_s = (until.boottime_s - since.boottime_s) - (until.monotonic_s - since.monotonic_s)
    return ahead_s if ahead_s > SUSPENDED_S else 0.0


class Clock(Protocol):
    """Whatever can say what time it is; tests script one."""

    def now(self, *, own: bool = True) -> Instant:
        """Return the current instant.

        ``own`` says whether ``own_s`` is wanted up to date: with many threads and children it is
        slow to find out. Otherwise it may be that of an earlier instant.
        """


class Host:
    """The clock of the real machine.

    Parameters
    ----------
    allowed_only : bool
        Count the CPU-seconds of the processors that this process may use (its cgroup quota and
        affinity) instead of the whole machine's: the scope of a CPU model in a container.
    proc, cgroup : Path
        Where procfs and the cgroup tree are mounted.
    """

    _stat_fd = _cgroup_fd = -1

    def __init__(
        self,
        *,
        allowed_only: bool = False,
        proc: Path = Path("/proc"),
        cgroup: Path = Path("/sys/fs/cgroup"),
    ) -> None:
        self._proc = proc
        self.cpus_online = os.cpu_count() or 1
        self.quota_cpus = cpu_quota(proc, cgroup)
        affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else self.cpus_online
        self.cpus_allowed = min(self.cpus_online, affinity, self.quota_cpus or self.cpus_online)
        self._cpu_ids: frozenset[bytes] = frozenset()
        if allowed_only and affinity < self.cpus_online:
            self._cpu_ids = frozenset(b"cpu%d" % cpu for cpu in os.sched_getaffinity(0))
        if allowed_only and self.quota_cpus:
            usage = _cgroup_dir(proc, cgroup) / "cpu.stat"
            self._cgroup_fd = _open(usage if usage.exists() else cgroup / "cpuacct" / "cpuacct.usage")
        self._stat_fd = _open(proc / "stat")
        self._busy_s = self._own = 0.0
        # Some sandboxes show an empty file, or zeros for ever.
        self.tells_busy = self._look_at_machine() > 0

    def now(self, *, own: bool = True) -> Instant:
        """Return the clocks and CPU-seconds at this moment; takes some 20 µs on Linux."""
        if own or not self.tells_busy:
            self._own = self._own_s()
        busy_s = self._look_at_machine() if self.tells_busy else self._own
        monotonic = time.clock_gettime(time.CLOCK_MONOTONIC) if _HAS_BOOTTIME else time.monotonic()
        boottime = time.clock_gettime(time.CLOCK_BOOTTIME) if _HAS_BOOTTIME else monotonic
        return Instant(monotonic, boottime, busy_s, self._own)

    def close(self) -> None:
        """Close the descriptors kept open."""
        for fd in (self._stat_fd, self._cgroup_fd):
            if fd >= 0:
                os.close(fd)
        self._stat_fd = self._cgroup_fd = -1

    __del__ = close

    def _look_at_machine(self) -> float:
        # A file that goes away, or back, must not make joules fall: the last figure stands.
        with contextlib.suppress(OSError, ValueError, ImportError):
            self._busy_s = max(self._busy_s, self._machine_s())
        return self._busy_s

    def _machine_s(self) -> float:
        if self._cgroup_fd >= 0:
            return _usage_s(os.pread(self._cgroup_fd, 256, 0))
        if self._stat_fd < 0:
            return _psutil_busy_s()
        if not self._cpu_ids:
            return _busy_ticks(os.pread(self._stat_fd, 160, 0).split(b"\n", 1)[0]) / CLK_TCK
        lines = os.pread(self._stat_fd, 160 * (self.cpus_online + 1), 0).split(b"\n")
        mine = (line for line in lines if line.partition(b" ")[0] in self._cpu_ids)
        return sum(map(_busy_ticks, mine)) / CLK_TCK

    def _own_s(self) -> float:
        own = time.process_time_ns() / 1e9
        if sys.platform == "win32":
            return own
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        reaped = usage.ru_utime + usage.ru_stime
        return own + reaped + (live_children_s(self._proc) if self._stat_fd >= 0 else 0.0)


def live_children_s(proc: Path = Path("/proc")) -> float:
    """Return the CPU-seconds of this process's living descendants and of those they have reaped.

    Asks the kernel first whether there is any child at all (one system call), because a
    notebook's kernel mostly has none.
    """
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return 0.0
    except OSError:
        pass
    ticks, pending, seen = 0, _children(proc, os.getpid()), set()
    while pending:
        pid = pending.pop()
        if pid in seen:
            continue
        seen.add(pid)
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name may hold spaces and brackets; the fields start after the last one.
            fields = (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
            pending |= _children(proc, pid)
    return ticks / CLK_TCK


def cpu_quota(proc: Path, cgroup: Path) -> float | None:
    """Return the processors that the cgroup's quota, or a parent's, amounts to; None without a quota."""
    quotas = []
    for folder in _cgroup_dirs(proc, cgroup):
        with contextlib.suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text().split()
            quotas.append(int(quota) / int(period))
    with contextlib.suppress(OSError, ValueError):
        quota_us = int((cgroup / "cpu" / "cpu.cfs_quota_us").read_text())
        period_us = int((cgroup / "cpu" / "cpu.cfs_period_us").read_text())
        quotas.append(quota_us / period_us)
    return min((quota for quota in quotas if quota > 0), default=None)


def memory_limit_gb(proc: Path, cgroup: Path) -> float | None:
    """Return the memory (10^9 bytes) that the cgroup and its parents may use, or None without a limit."""
    files = [folder / "memory.max" for folder in _cgroup_dirs(proc, cgroup)]
    limits = []
    for file in (*files, cgroup / "memory" / "memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            limits.append(int(file.read_text()) / 1e9)
    return min(limits, default=None)


def _cgroup_dirs(proc: Path, cgroup: Path) -> list[Path]:
    """Return the process's cgroup and those that hold it, whose limits bind it too."""
    own = _cgroup_dir(proc, cgroup)
    return [own, *(folder for folder in own.parents if folder.is_relative_to(cgroup))]


def _cgroup_dir(proc: Path, cgroup: Path) -> Path:
    with contextlib.suppress(OSError, ValueError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            hierarchy, _, path = line.split(":", 2)
            own = cgroup / path.lstrip("/")
            # Inside a container the path is the host's, and the mount is already our own.
            if hierarchy == "0" and own.is_dir():
                return own
    return cgroup


def _children(proc: Path, pid: int) -> set[int]:
    children: set[int] = set()
    with contextlib.suppress(OSError):
        for task in (proc / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):
                children.update(map(int, (task / "children").read_bytes().split()))
    return children


def _busy_ticks(line: bytes) -> int:
    fields = line.split()[1:]
    return sum(int(fields[i]) for i in _BUSY_FIELDS if i < len(fields))


def _usage_s(text: bytes) -> float:
    # Version 2 begins with "usage_usec 1234"; version 1 is nanoseconds and nothing else.
    first, *others = text.split()
    return int(others[0]) / 1e6 if first == b"usage_usec" else int(first) / 1e9


def _psutil_busy_s() -> float:
    import psutil

    times = psutil.cpu_times()
    return float(times.user + times.system + getattr(times, "nice", 0.0))


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return -1


_HAS_BOOTTIME = hasattr(time, "CLOCK_BOOTTIME")
