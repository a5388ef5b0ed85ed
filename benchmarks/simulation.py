"""A simulated powercap tree whose truth is exact: counters that integrate a known power over time.

Inside a user namespace of its own the tree lies where the kernel would put it, so that every tool reads
it unmodified, and its ``energy_uj`` files are served through FUSE: each read answers with the integral
up to that moment, in the steps of a real counter. Where namespaces or ``/dev/fuse`` may not be used, a
process rewrites plain files every millisecond in a temporary folder; its own lateness is then an error
that every tool sees.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from functools import cached_property
from pathlib import Path

TICK_S = 0.001
UNIT_J = 1 / 16384
RANGE_UJ = 262_143_328_850
SYSFS = Path("/sys/class")
INSIDE = "GREENAI_BENCHMARK_NAMESPACE"
_SEGMENT_S = 0.05
_LENGTH_S = 1200.0


@dataclass(frozen=True)
class Power:
    """Piecewise-constant watts from second 0 on: between two levels, or at one."""

    levels_w: tuple[float, ...]
    seed: int = 1

    @cached_property
    def _segments(self) -> tuple[list[float], list[float], list[float]]:
        dice = random.Random(self.seed)
        lengths_s = [dice.expovariate(1 / _SEGMENT_S) for _ in range(int(_LENGTH_S / _SEGMENT_S))]
        if len(self.levels_w) == 1:
            lengths_s = [_LENGTH_S]
        starts_s = [0.0, *itertools.accumulate(lengths_s)]
        watts = [self.levels_w[i % len(self.levels_w)] for i in range(len(starts_s))]
        steps_j = (watt * length for watt, length in zip(watts, lengths_s, strict=False))
        return starts_s, watts, [0.0, *itertools.accumulate(steps_j)]

    def energy_j(self, until_s: float) -> float:
        """Return the exact joules from second 0 to ``until_s``."""
        starts_s, watts, joules = self._segments
        i = bisect_right(starts_s, until_s) - 1
        return joules[i] + watts[i] * (until_s - starts_s[i])

    def steps(self) -> list[tuple[float, float]]:
        """Return the seconds at which a level begins, with its watts."""
        return list(zip(self._segments[0], self._segments[1], strict=True))


@dataclass(frozen=True)
class Zone:
    """One powercap zone; ``wraps_at_s`` and ``resets_at_s`` count from the world's start."""

    folder: str
    name: str
    power: Power
    wraps_at_s: float | None = None
    resets_at_s: float | None = None

    def counter_uj(self, elapsed_s: float) -> int:
        """Return what the counter says: the integral up to its last tick, in its own units."""
        elapsed_s = int(elapsed_s / TICK_S) * TICK_S
        start_j = 1000.0
        if self.wraps_at_s is not None:
            start_j = RANGE_UJ / 1e6 - self.power.energy_j(self.wraps_at_s)
        elif self.resets_at_s is not None and elapsed_s >= self.resets_at_s:
            start_j = -self.power.energy_j(self.resets_at_s)
        elif self.resets_at_s is not None:
            start_j = 5000.0
        units = int((start_j + self.power.energy_j(elapsed_s)) / UNIT_J)
        return int(units * UNIT_J * 1e6) % RANGE_UJ


@dataclass(frozen=True)
class World:
    """The zones of one machine, and the second of CLOCK_MONOTONIC at which their power begins."""

    zones: tuple[Zone, ...]
    truth: Power
    """Power of all packages together, which is what the tools are asked for."""
    start_s: float = field(default_factory=time.monotonic)

    def truth_j(self, from_s: float, to_s: float) -> float:
        """Return the exact joules of the packages between two seconds of CLOCK_MONOTONIC."""
        return self.truth.energy_j(to_s - self.start_s) - self.truth.energy_j(from_s - self.start_s)

    def write(self, path: Path) -> None:
        """Keep the world in a file, for the processes that share it."""
        path.write_text(json.dumps(asdict(self)))


def read_world(path: Path) -> World:
    """Return the world kept in a file."""
    plain = json.loads(path.read_text())
    zones = tuple(Zone(**{**zone, "power": _power(zone["power"])}) for zone in plain["zones"])
    return World(zones, _power(plain["truth"]), plain["start_s"])


def enter_namespace() -> None:
    """Start this script again in a user and mount namespace of its own; where that may not be, go on."""
    command = ["unshare", "--user", "--map-root-user", "--mount"]
    if INSIDE in os.environ or shutil.which("unshare") is None or not os.access("/dev/fuse", os.W_OK):
        return
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", [*command, sys.executable, *sys.argv])


def is_exact() -> bool:
    """Return whether counters are served through FUSE, at the place where every tool looks."""
    return INSIDE in os.environ


@contextlib.contextmanager
def powercap(world: World) -> Iterator[tuple[Path, Path]]:
    """Serve a world's counters; gives the powercap folder and the file that holds the world."""
    with tempfile.TemporaryDirectory() as folder:
        root, counters = Path(folder) / "powercap", Path(folder) / "counters"
        counters.mkdir()
        if is_exact():
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", SYSFS], check=True)
            root = SYSFS / "powercap"
        _lay_out(world, root, counters)
        path = Path(folder) / "world.json"
        world.write(path)
        server = subprocess.Popen([sys.executable, __file__, path, counters], stdout=subprocess.PIPE)
        try:
            server.stdout.readline()
            yield root, path
        finally:
            server.terminate()
            server.communicate()
            if is_exact():
                subprocess.run(["umount", "--lazy", counters], check=True)
                subprocess.run(["umount", "--lazy", SYSFS], check=True)


def _lay_out(world: World, root: Path, counters: Path) -> None:
    control = root / "intel-rapl"
    control.mkdir(parents=True)
    (control / "enabled").write_text("1\n")
    for zone in world.zones:
        # As in sysfs: a part lies inside its package, and all are listed side by side as well.
        package = zone.folder.rpartition(":")[0]
        home = (control / package if package.count(":") else control) / zone.folder
        home.mkdir()
        (home / "name").write_text(f"{zone.name}\n")
        (home / "enabled").write_text("1\n")
        (home / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
        (home / "constraint_0_power_limit_uw").write_text("150000000\n")
        (home / "energy_uj").symlink_to(counters / zone.folder)
        (root / zone.folder).symlink_to(home)
    (control / "subsystem").symlink_to(root)


def _power(plain: dict[str, object]) -> Power:
    return Power(tuple(plain["levels_w"]), plain["seed"])


def _rewrite_files(world: World, folder: Path) -> None:
    files = [os.open(folder / zone.folder, os.O_RDWR | os.O_CREAT) for zone in world.zones]
    for rounds in itertools.count():
        elapsed_s = time.monotonic() - world.start_s
        for fd, zone in zip(files, world.zones, strict=True):
            os.pwrite(fd, b"%-20d\n" % zone.counter_uj(elapsed_s), 0)
        if rounds == 0:
            print("ready", flush=True)
        time.sleep(max(0.0, world.start_s + elapsed_s + TICK_S - time.monotonic()))


def _serve_fuse(world: World, folder: Path) -> None:
    """Answer the kernel's FUSE requests (protocol 7.31) for one folder of counters."""
    fuse = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
    if ctypes.CDLL(None, use_errno=True).mount(b"counters", bytes(folder), b"fuse", 0, options):
        raise OSError(ctypes.get_errno(), "FUSE may not be mounted")
    print("ready", flush=True)
    # A sleeping server would need up to a millisecond to wake, where a real counter takes microseconds.
    os.set_blocking(fuse, False)
    while True:
        try:
            request = os.read(fuse, 1 << 17)
        except BlockingIOError:
            continue
        _, opcode, unique, node = struct.unpack_from("<IIQQ", request)
        answer = _answer(world, opcode, node, request[40:])
        if answer is None:
            continue
        error, body = (answer, b"") if isinstance(answer, int) else (0, answer)
        os.write(fuse, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


def _answer(world: World, opcode: int, node: int, body: bytes) -> bytes | int | None:
    """Return a request's answer: a body, an error number, or nothing at all."""
    match opcode:
        case _Op.FORGET:
            answer = None
        case _Op.INIT:
            answer = struct.pack("<IIIIHHIIHHI28x", 7, 31, 1 << 16, 0, 8, 8, 1 << 16, 1, 0, 0, 0)
        case _Op.LOOKUP:
            answer = _look_up(world, body.rstrip(b"\0").decode())
        case _Op.GETATTR:
            answer = struct.pack("<QII", 3600, 0, 0) + _attributes(node)
        case _Op.OPEN:
            uncached = 1
            answer = struct.pack("<QII", node, uncached, 0)
        case _Op.READ:
            offset, size = struct.unpack_from("<QI", body, 8)
            text = b"%d\n" % world.zones[node - 2].counter_uj(time.monotonic() - world.start_s)
            answer = text[offset : offset + size]
        case _Op.RELEASE | _Op.FLUSH:
            answer = b""
        case _:
            answer = -errno.ENOSYS
    return answer


def _look_up(world: World, name: str) -> bytes | int:
    names = [zone.folder for zone in world.zones]
    if name not in names:
        return -errno.ENOENT
    node = names.index(name) + 2
    return struct.pack("<QQQQII", node, 0, 3600, 3600, 0, 0) + _attributes(node)


def _attributes(node: int) -> bytes:
    mode = 0o40555 if node == 1 else 0o100444
    return struct.pack("<6Q10I", node, 4096, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


class _Op(IntEnum):
    LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT = 1, 2, 3, 14, 15, 18, 25, 26


if __name__ == "__main__":
    serve = _serve_fuse if is_exact() else _rewrite_files
    serve(read_world(Path(sys.argv[1])), Path(sys.argv[2]))
