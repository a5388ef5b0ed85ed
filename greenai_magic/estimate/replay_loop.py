"""The loop that times operators, in groups that fit the memory, in a window on the meter."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from greenai_magic.estimate.replay_calls import Timed, prepare, time_round
from greenai_magic.flops.torch.calls import Call, Called
from greenai_magic.flops.torch.engine import free_bytes
from greenai_magic.flops.torch.world import unchanged
from greenai_magic.meter.measurement import Measurement
from greenai_magic.meter.meter import Meter

_LEAST_ROUNDS = 3
_WINDOW_S = 0.5
"""Counters of energy move in steps of up to 0.1 s: a shorter loop would not tell its power."""
_FRESH = 64
"""Rounds until data are made again: what is multiplied in place comes to vanish, and that takes longer."""
_MOST_BYTES = 1_000_000_000
_PART_OF_FREE = 4


@dataclass(frozen=True, slots=True)
class Timing:
    """What the loop saw: on what device, seconds of each call that was timed, a measurement of each group."""

    device: str
    seconds: dict[Call, float] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)


def time_calls(calls: Sequence[Called], budget_s: float, memory_bytes: int | None, meter: Meter) -> Timing:
    """Time what there is time and memory for, random numbers and modes of the process left as they are."""
    device = next((called.call.device for called in calls if called.call.device), torch.device("cpu"))
    timing = Timing(device.type)
    settle: Callable[[], None] = getattr(torch, device.type).synchronize
    most = memory_bytes or min(_MOST_BYTES, free_bytes(device) // _PART_OF_FREE)
    groups = list(_groups(calls, most))
    end = time.perf_counter() + budget_s
    with unchanged(), torch.no_grad():
        for number, group in enumerate(groups):
            # Each has a part of what is left, as large as its work.
            left = sum(map(work, (called for later in groups[number:] for called in later)))
            now = time.perf_counter()
            until = now + (end - now) * sum(map(work, group)) / max(1, left)
            # Half of the time to make up data, half to use them.
            prepared = _prepared(group, settle, (now + until) / 2)
            if prepared:
                _time(prepared, settle, until, meter, timing)
    return timing


def work(called: Called) -> int:
    """Return how much all the calls have to do, roughly: their operations, and the bytes they take."""
    return called.times * (called.flops + called.call.nbytes)


def _groups(calls: Sequence[Called], most: int) -> Iterator[list[Called]]:
    """Split the calls, in their order, so that each group's data fit; what is too large alone is left out."""
    group: list[Called] = []
    held = 0
    for called in calls:
        size = called.call.nbytes
        if max(size, called.made_bytes) > most:
            continue
        if held + size > most:
            yield group
            group, held = [], 0
        group.append(called)
        held += size
    if group:
        yield group


def _prepared(group: Sequence[Called], settle: Callable[[], None], until: float) -> list[Timed]:
    """Return the calls with data, for as long as there is time; the most work comes first."""
    prepared: dict[Call, Timed] = {}
    for called in sorted(group, key=lambda called: -work(called)):
        if prepared and time.perf_counter() > until:
            break
        timed = prepare(called, settle)
        if timed is not None:
            prepared[called.call] = timed
    # As the model makes them, one finds in the caches what the one before has left.
    return [prepared[called.call] for called in group if called.call in prepared]


def _time(calls: list[Timed], settle: Callable[[], None], until: float, meter: Meter, timing: Timing) -> None:
    window = meter.open()
    start = now = time.perf_counter()
    rounds = 0
    while not rounds or (now < until and (rounds < _LEAST_ROUNDS or now - start < _WINDOW_S)):
        if rounds % _FRESH == _FRESH - 1:
            for timed in calls:
                timed.renew()
        time_round(calls, settle, until)
        rounds += 1
        now = time.perf_counter()
    window.stop()
    timing.measurements.append(window.measure())
    timing.seconds.update({t.called.call: statistics.median(t.seconds) for t in calls if t.seconds})
