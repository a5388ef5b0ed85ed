"""A simulated machine: a powercap tree of real files, a procfs, a cgroup tree and a clock that is told the time.

The code under test opens and reads the files as it would the kernel's. Nothing moves by itself: a
zone uses energy when ``use`` is called, and time passes when ``ScriptedClock.advance`` is.
"""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from greenai_magic.errors import CounterLost
from greenai_magic.meter.counter import DeviceUsers, EnergyCounter, Reading
from greenai_magic.meter.host import Clock, Instant
from greenai_magic.meter.measurement import Measurement
from greenai_magic.meter.meter import Meter
from greenai_magic.meter.rapl import open_rapl
from greenai_magic.meter.replay import Replay
from greenai_magic.testing import FakeClock

RANGE_UJ = 262_143_328_850
"""Where a counter of 2^32 units of 61 µJ turns over."""
NOBODY = 65534


class ScriptedClock(FakeClock):
    """The clock for users' tests, which also tells the instant that it has reached."""

    def advance(self, seconds: float, **more: float) -> Instant:
        """Let ``seconds`` pass awake, and more as :class:`FakeClock` has it; return the instant then."""
        super().advance(seconds, **more)
        return self.now()


class SimulatedDevice(Replay):
    """A GPU from a recording, which tells who uses it and may be lost."""

    processes: DeviceUsers | None = DeviceUsers(1, 0)
    lost = False

    def read(self, now: Instant, *, edge: bool) -> Reading:
        """Return the joules recorded, unless it is lost."""
        if self.lost:
            msg = f"The {self.component} fell off the bus."
            raise CounterLost(msg)
        return super().read(now, edge=edge)

    def users(self) -> DeviceUsers | None:
        """Return whom the test has put there."""
        return self.processes


class SimulatedZone:
    """One powercap folder, ``intel-rapl:0`` or ``intel-rapl:0:1``."""

    def __init__(
        self, folder: Path, name: str, raw_uj: int, range_uj: int, limits_w: Sequence[float]
    ) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.file = folder / "energy_uj"
        self.range_uj = range_uj
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
        for i, watts in enumerate(limits_w):
            (folder / f"constraint_{i}_power_limit_uw").write_text(f"{watts * 1e6:.0f}\n")
        self.file.touch()
        self.jump(raw_uj)

    def use(self, energy_j: float) -> None:
        """Add joules to the counter, which turns over at the end of its range."""
        self.jump((self._raw_uj + round(energy_j * 1e6)) % self.range_uj)

    def jump(self, raw_uj: int) -> None:
        """Make the counter say this, as a suspend that resets it does."""
        self._raw_uj = raw_uj
        # One write of one width: a reader in another thread never sees half a figure.
        with self.file.open("r+") as file:
            file.write(f"{raw_uj:>20d}\n")

    def vanish(self) -> None:
        """Answer no more, not even to those who have the file open."""
        os.truncate(self.file, 0)


class PowercapTree:
    """The folder that stands for ``/sys/class/powercap``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def add(
        self,
        folder: str,
        name: str,
        *,
        raw_uj: int = 123_456_789,
        range_uj: int = RANGE_UJ,
        limits_w: Sequence[float] = (),
    ) -> SimulatedZone:
        """Add a zone: ``tree.add("intel-rapl:0", "package-0", limits_w=(45, 115))``."""
        return SimulatedZone(self.root / folder, name, raw_uj, range_uj, limits_w)


def metered(clock: Clock, *counters: EnergyCounter, **parts: Any) -> Meter:
    """Return a meter that looks only when it is told to."""
    return Meter(counters, clock, threaded=False, **parts)


def rapl_meter(folder: Path, clock: Clock, **parts: Any) -> tuple[SimulatedZone, Meter]:
    """Return a package of 100 W rated power and a meter over it alone."""
    zone = PowercapTree(folder).add("intel-rapl:0", "package-0", limits_w=(100.0,), **parts)
    counters, notes = open_rapl(folder)
    return zone, metered(clock, *counters, notes=notes)


def joules(measurement: Measurement) -> dict[str, float]:
    """Return the joules by component, without their intervals."""
    return {name: energy.value for name, energy in measurement.by_component.items()}


def write_proc(
    proc: Path,
    *,
    name: str = "",
    vendor: str = "GenuineIntel",
    family: int = 6,
    model: int = 154,
    stepping: int = 3,
    virtual: bool = False,
    sockets: int = 1,
    memory_gb: float = 16.0,
    cgroup_path: str = "/",
) -> Path:
    """Write the files of a procfs that say what machine this is, and return its folder."""
    flags = "fpu sse2 hypervisor" if virtual else "fpu sse2"
    cores = [
        f"processor\t: {socket}\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\n"
        f"model name\t: {name}\nstepping\t: {stepping}\nphysical id\t: {socket}\nflags\t\t: {flags}\n"
        for socket in range(sockets)
    ]
    (proc / "self").mkdir(parents=True, exist_ok=True)
    (proc / "cpuinfo").write_text("\n".join(cores))
    (proc / "meminfo").write_text(f"MemTotal:       {memory_gb * 1e9 / 1024:.0f} kB\nMemFree: 1 kB\n")
    (proc / "self" / "cgroup").write_text(f"1:cpu:/\n0::{cgroup_path}\n")
    write_stat(proc, cpu0=1)
    return proc


def write_stat(proc: Path, **busy_ticks: int) -> None:
    """Write ``/proc/stat`` with the user time of each CPU, ``cpu0=100``; only the sum by default."""
    lines = {"cpu": sum(busy_ticks.values()), **busy_ticks}
    (proc / "stat").write_text(
        "".join(f"{cpu} {ticks} 0 0 999 9 0 0 7 3 0\n" for cpu, ticks in lines.items())
    )


def open_descriptors() -> int:
    """Return how many files this process holds open, those of garbage not counted."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


@contextlib.contextmanager
def folder_for_all() -> Iterator[Path]:
    """Give a temporary folder that every user may enter, as pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Let file permissions count, for root too."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
