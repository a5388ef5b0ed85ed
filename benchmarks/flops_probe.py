"""The inside of a fresh process: makes one model, then lets each tool count it in a fork of its own."""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import time
import warnings
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import flops_tools
import flops_zoo
import torch
from torch import nn

import tools

_AGAIN = 2
"""Further counts, for what one costs once all is loaded."""


def main() -> None:
    """Write what each tool found of one model, as JSON."""
    options = _options()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    with tools.silence(), flops_zoo.torchvision_without_its_operators():
        found = {}
        model, inputs = flops_zoo.ALL[options.model].build()
        model.eval()
        for name in options.tools.split(","):
            try:
                _load(flops_tools.COUNTERS[name])
            except Exception as error:  # noqa: BLE001 whatever a tool stumbles over stands in the table
                found[name] = {"error": _sentence(error)}
                continue
            gc.collect()
            found[name] = _in_a_fork(name, model, inputs, options.limit)
    options.out.write_text(json.dumps(found))


def _load(counter: flops_tools.Counter) -> None:
    importlib.import_module(counter.module)
    owners = packages_distributions().get(counter.module, [])
    if counter.package and counter.package not in owners:
        msg = f"{counter.module} is of {', '.join(owners)}"
        raise ImportError(msg)


def _in_a_fork(name: str, model: nn.Module, inputs: flops_tools.Inputs, limit_s: float) -> dict[str, Any]:
    # What was loaded and made is shared with the fork, so that its own memory is what counting took.
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        try:
            found = _measured(name, model, inputs, limit_s)
        except BaseException as error:  # noqa: BLE001 nothing may return into the parent's course
            found = {"error": _sentence(error)}
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    ready, _, _ = select.select([reader], [], [], limit_s)
    if not ready:
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    if not ready:
        return {"error": f"took more than {limit_s:.0f} s"}
    return json.loads(text) if text else {"error": "ended its process"}


def _measured(name: str, model: nn.Module, inputs: flops_tools.Inputs, limit_s: float) -> dict[str, Any]:
    count = flops_tools.COUNTERS[name].count
    before_mb = _mb("VmRSS")
    start_s = time.perf_counter()
    macs = count(model, inputs)
    first_s = time.perf_counter() - start_s
    found = {"macs": macs, "first_s": first_s, "extra_mb": max(0.0, _mb("VmHWM") - before_mb)}
    if first_s * (1 + _AGAIN) > limit_s / 2:
        return found
    again_s = []
    with contextlib.suppress(Exception):  # some tools can count a model only once
        for _ in range(_AGAIN):
            start_s = time.perf_counter()
            count(model, inputs)
            again_s.append(time.perf_counter() - start_s)
        found["again_s"] = min(again_s)
    return found


def _mb(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1e3 * 1.024
    msg = f"the system does not tell {field}"
    raise OSError(msg)


def _sentence(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:160]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=tuple(flops_zoo.ALL))
    parser.add_argument("--tools", required=True)
    parser.add_argument("--limit", type=float, default=120, help="seconds that a tool may take")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
