"""A simulated NVIDIA driver: builds nvmlstub.c and writes the world that it answers from.

Run the code under test in a process of its own, with ``stub_environment``: the real pynvml then loads
the stub. That process may import this file, change the GPUs of its ``World`` and let time pass with
``at``; a world whose clock was never set runs on CLOCK_MONOTONIC, from the second of ``start``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("nvmlstub.c")
WORLD = "NVML_STUB_WORLD"
NOT_SUPPORTED, NO_PERMISSION, DRIVER_NOT_LOADED, GPU_IS_LOST, MISMATCH = 3, 4, 9, 15, 18

PRELUDE = """
import json, os, subprocess, sys, time
import nvml_stub as stub
from nvml_stub import StubGpu, World
from greenai_magic.errors import CounterLost
from greenai_magic.meter.host import Instant
from greenai_magic.meter.nvml import open_gpus

def at(second):
    world.at(second)
    return Instant(second, second, 0.0, 0.0)

def read(counter, second):
    return counter.read(at(second), edge=True)

def answer(value):
    print(json.dumps(value))
"""
"""What a script may use: names, a clock that stands still, and ``answer``."""


@dataclass
class StubGpu:
    """One GPU; a ``*_code`` other than 0 is the error that the calls of that kind answer.

    ``trace`` gives the seconds from which the GPU draws so many watts; ``mig`` the UUIDs of its slices;
    ``sm`` the pids and percents of the SM utilisation; after ``lost_after`` reads of energy or power
    (a negative number means never) it falls off the bus; without ``limit_w`` it tells no power limit.
    """

    name: str = "NVIDIA Stub"
    uuid: str = "GPU-00000000-0000-0000-0000-000000000000"
    mig: Sequence[str] = ()
    trace: Sequence[tuple[float, float]] = ((0.0, 100.0),)
    tick_s: float = 0.1
    base_mj: int = 123_456_789
    limit_w: float = 0.0
    pids: Sequence[int] = ()
    mps_pids: Sequence[int] = ()
    sm: Sequence[tuple[int, int]] = ()
    handle_code: int = 0
    energy_code: int = 0
    power_code: int = 0
    process_code: int = 0
    lost_after: int = -1

    def energy_j(self, until_s: float) -> float:
        """Return the true joules from the start of the trace."""
        ends = [*(start for start, _ in self.trace[1:]), until_s]
        steps = zip(self.trace, ends, strict=True)
        return sum(watts * max(0.0, min(end, until_s) - start) for (start, watts), end in steps)


class World:
    """The GPUs of the simulated machine, written where the stub looks."""

    def __init__(self, *gpus: StubGpu, init_code: int = 0) -> None:
        self.gpus = gpus
        self.init_code = init_code
        self._clock: dict[str, float] = {}

    def at(self, clock_s: float) -> None:
        """Stop the clock at a second of the traces."""
        self._clock = {"clock_s": clock_s}
        self.write()

    def start(self) -> float:
        """Let the traces begin now, on CLOCK_MONOTONIC, and return that second."""
        self._clock = {"t0_s": time.clock_gettime(time.CLOCK_MONOTONIC)}
        self.write()
        return self._clock["t0_s"]

    def write(self) -> None:
        """Show the stub the world as it is now, at once and whole."""
        lines = ["", f"gpus={len(self.gpus)}", f"init_code={self.init_code}"]
        lines += [f"{key}={seconds:.9f}" for key, seconds in self._clock.items()]
        for index, gpu in enumerate(self.gpus):
            lines += [f"{index}.{field.name}={_plain(getattr(gpu, field.name))}" for field in fields(gpu)]
        path = Path(os.environ[WORLD])
        draft = path.with_suffix(".draft")
        draft.write_text("\n".join([*lines, ""]))
        draft.replace(path)


def build_stub(folder: Path) -> Path:
    """Compile the stub as ``folder/libnvidia-ml.so.1`` and return its path; needs cc."""
    library = folder / "libnvidia-ml.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-lm"], check=True)
    return library


def stub_environment(library: Path, world: Path) -> dict[str, str]:
    """Return the environment of a process whose NVML is the stub, and which may import this file."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CUDA_")}
    return clean | {
        "LD_LIBRARY_PATH": _before("LD_LIBRARY_PATH", library.parent),
        "PYTHONPATH": _before("PYTHONPATH", SOURCE.parent),
        WORLD: str(world),
    }


def run_script(script: str, *, library: Path, world: Path, **variables: str) -> Any:
    """Run a script after PRELUDE in a process whose NVML is the stub, and return what it answers."""
    world.touch()
    result = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script)],
        env=stub_environment(library, world) | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (result.stderr, result.returncode) == ("", 0)
    return json.loads(result.stdout)


def _before(variable: str, folder: Path) -> str:
    return os.pathsep.join(filter(None, [str(folder), os.environ.get(variable)]))


def _plain(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(":".join(map(str, item)) if isinstance(item, tuple) else str(item) for item in value)
    return str(value)
