"""RAPL: the energy counters of Intel and AMD processors, as Linux's powercap tree shows them.

What belongs in the sum: every package, and every dram domain, which no package contains. Never the
cores and the integrated GPU (the package contains them), never the memory-mapped twins of the same
counters, and the platform counter (psys) only where there is no package at all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from greenai_magic.errors import CounterLost
from greenai_magic.meter.accuracy import (
    RAPL_AMD,
    RAPL_CORE,
    RAPL_DRAM,
    RAPL_INTEL,
    RAPL_PLATFORM,
    Accuracy,
)
from greenai_magic.meter.counter import DeviceUsers, EnergyCounter, Reading
from greenai_magic.meter.host import Instant, asleep_s

POWERCAP = Path("/sys/class/powercap")
_PLAUSIBLE_W = 1500.0
_USUAL_RATED_W = 300.0
_HIGHEST_RATED_W = 1000.0
_UPDATE_S = 0.002


class Zone:
    """One counter file, unwrapped: joules and doubt since it was opened.

    Raises
    ------
    OSError
        If the file may not be read.
    """

    def __init__(self, folder: Path) -> None:
        self.rated_w = _rated_w(folder)
        self._range_uj = int((folder / "max_energy_range_uj").read_text())
        if self._range_uj <= 0:
            msg = f"it turns over at {self._range_uj} µJ"
            raise ValueError(msg)
        self._fd = os.open(folder / "energy_uj", os.O_RDONLY | os.O_CLOEXEC)
        self._last_uj = self._read_uj()
        self._last: Instant | None = None
        self.energy_j = 0.0
        self.doubt_j = 0.0

    def advance(self, now: Instant) -> None:
        """Add what was used since the last call, or doubt where the counter cannot be believed."""
        raw_uj = self._read_uj()
        last, self._last = self._last, now
        delta_uj, self._last_uj = raw_uj - self._last_uj, raw_uj
        if last is None:
            return
        awake_s = now.monotonic_s - last.monotonic_s
        if delta_uj < 0:
            delta_uj += self._range_uj
        # An update may have been due just before the interval, so a tick of grace.
        limit_j = max(2 * self.rated_w, _PLAUSIBLE_W) * (awake_s + _UPDATE_S)
        if asleep_s(last, now) or not 0 <= delta_uj / 1e6 <= limit_j:
            self.doubt_j += self.rated_w * awake_s
            return
        self.energy_j += delta_uj / 1e6
        # Nobody looked for longer than one turn of the counter takes: turns may have been missed.
        missed_turns = (self.rated_w * awake_s * 1e6 - delta_uj) // self._range_uj
        self.doubt_j += max(0.0, missed_turns) * self._range_uj / 1e6

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _read_uj(self) -> int:
        return int(os.pread(self._fd, 32, 0))


class RaplCounter:
    """The sum of the zones of one component."""

    period_s = 0.5
    idle_w: float | None = None

    def __init__(self, component: str, label: str, zones: list[Zone], accuracy: Accuracy) -> None:
        self.component = component
        self.label = label
        self.accuracy = accuracy
        self.rated_w = sum(zone.rated_w for zone in zones)
        self._zones = zones

    def read(self, now: Instant, *, edge: bool) -> Reading:
        """Return the joules up to ``now``; see :class:`EnergyCounter`."""
        try:
            for zone in self._zones:
                zone.advance(now)
        except (OSError, ValueError) as error:
            msg = f"The {self.label} stopped answering ({error})."
            raise CounterLost(msg) from error
        return Reading(sum(z.energy_j for z in self._zones), sum(z.doubt_j for z in self._zones))

    def users(self) -> DeviceUsers | None:
        """Return None: who uses a processor is told by CPU time."""
        return None

    def close(self) -> None:
        """Close every zone."""
        for zone in self._zones:
            zone.close()


def open_rapl(root: Path = POWERCAP, *, vendor: str = "") -> tuple[list[EnergyCounter], list[str]]:
    """Open the counters of the processor and of the memory.

    Parameters
    ----------
    root : Path
        The powercap tree.
    vendor : str
        ``vendor_id`` of the processor: ``"GenuineIntel"``, ``"AuthenticAMD"``.

    Returns
    -------
    counters : list of EnergyCounter
        ``cpu`` (or ``platform``) and ``dram`` where they exist and may be read.
    notes : list of str
        At most one sentence, with the remedy, where they exist and may not be read.
    """
    amd = "AMD" in vendor or "Hygon" in vendor
    folders = _zone_folders(root)
    packages = [f for name, f in folders if name.startswith("package") and _counts_once(name, amd=amd)]
    wanted = [
        ("cpu", "RAPL package counters", packages, RAPL_AMD if amd else RAPL_INTEL),
        ("dram", "RAPL memory counters", [f for name, f in folders if name == "dram"], RAPL_DRAM),
    ]
    if not packages:
        platform = [f for name, f in folders if name == "psys"]
        cores = [f for name, f in folders if name == "core"]
        if platform:
            wanted = [("platform", "RAPL platform counter", platform, RAPL_PLATFORM)]
        elif cores:
            wanted[0] = ("cpu", "RAPL core counters", cores, RAPL_CORE)
    counters: list[EnergyCounter] = []
    problems: dict[str, OSError | ValueError] = {}
    for component, label, chosen, accuracy in wanted:
        zones, problem = _open_zones(chosen)
        if zones:
            counters.append(RaplCounter(component, label, zones, accuracy))
        elif problem:
            problems[label] = problem
    return counters, [_remedy(problems)] if problems else []


def _open_zones(folders: list[Path]) -> tuple[list[Zone], OSError | ValueError | None]:
    zones: list[Zone] = []
    try:
        for folder in folders:
            zones.append(Zone(folder))  # noqa: PERF401 - those opened are closed on failure
    except (OSError, ValueError) as error:
        # Half of the sockets would be half of the energy: all or none.
        for zone in zones:
            zone.close()
        return [], error
    return zones, None


def _zone_folders(root: Path) -> list[tuple[str, Path]]:
    # Both sockets call their memory "dram": the path tells them apart, the name what they are.
    try:
        folders = sorted(f for f in root.iterdir() if re.fullmatch(r"intel-rapl:\d+(:\d+)*", f.name))
    except OSError:
        return []
    named = []
    for folder in folders:
        try:
            named.append(((folder / "name").read_text().strip(), folder))
        except OSError:
            continue
    return named


def _counts_once(name: str, *, amd: bool) -> bool:
    # AMD's package counter is one per socket; the kernel shows it again for every die.
    return not amd or re.search(r"-die-0*[1-9]\d*$", name) is None


def _rated_w(folder: Path) -> float:
    limits = []
    for path in folder.glob("constraint_*_power_limit_uw"):
        try:
            limits.append(int(path.read_text()) / 1e6)
        except (OSError, ValueError):
            continue
    believable = [watts for watts in limits if 0 < watts <= _HIGHEST_RATED_W]
    return max(believable, default=_USUAL_RATED_W)


def _remedy(problems: Mapping[str, OSError | ValueError]) -> str:
    what = " and the ".join(problems)
    if any(isinstance(problem, PermissionError) for problem in problems.values()):
        return (
            f"The {what} exist but only root may read them, so a model stands in; to measure, run "
            "`sudo chmod -R a+r /sys/devices/virtual/powercap/intel-rapl/` (until the next start)."
        )
    return f"The {what} exist but cannot be read ({next(iter(problems.values()))}), so a model stands in."
