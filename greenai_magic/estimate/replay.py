"""Operator replay: a model's time and energy from its operators, each timed here once on random data.

    T = sum of n_i * t_i      E = P * T

n_i is how often the model makes a call of these shapes and types, t_i what the call takes on this machine,
P the machine's mean power while the calls were made. The model is followed by shapes: its weights are neither
read nor needed. FLOPs over a device's peak say less, as kernels reach very different parts of it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from greenai_magic.arithmetic import product, quotient, ratio, total
from greenai_magic.errors import FlopError
from greenai_magic.flops.report import FlopReport
from greenai_magic.meter.discover import default_meter
from greenai_magic.meter.measurement import Measurement
from greenai_magic.meter.meter import Meter
from greenai_magic.quantity import Z95, Quantity

if TYPE_CHECKING:
    from greenai_magic.flops.torch.calls import Call, Called

REPLAY_LOG_SD = 0.16
"""At least the root mean square of ln(predicted / real time) that benchmarks/replay.py found (2026)."""
BETWEEN_CALLS = 2.0
"""Python between two calls takes up to so many times the shortest call, which is little else than calling: on
the small models of the same benchmark (2026). A call that PyTorch makes by itself saves as much as one."""
_MEASURED = (REPLAY_LOG_SD, "error as measured on 19 models, on one core (2026)")
_UNMEASURED = (
    math.log(2) / Z95,
    "a factor of 2, an engineering choice: no error was measured on such a device, or on several threads",
)
"""On a GPU every call is waited for, so that launches which overlap in the model count in full."""
POWER_LOG_SD = 0.05
"""Power of the loop against that of the model, whose operators come in other parts: an engineering choice."""


@dataclass(frozen=True, slots=True)
class TimedCall:
    """One operator with its shapes: ``times`` calls of ``seconds`` each."""

    op: str
    times: int
    seconds: float


@dataclass(frozen=True, slots=True, repr=False)
class Replay:
    """What one forward pass, or one training step, takes on this machine.

    Attributes
    ----------
    duration : Quantity
        Seconds.
    energy : Quantity
        Joules of the machine.
    power : Quantity
        Watts of the machine while the operators were timed.
    calls : tuple of TimedCall
        What the duration is the sum of, longest first.
    not_timed : tuple of str
        Operators that were not: too large for the memory, past the time, or on data that cannot be made up.
        The others stand for them, and the margins are as large as what they add.
    report : FlopReport
        The count of operations.
    """

    duration: Quantity
    energy: Quantity
    power: Quantity
    calls: tuple[TimedCall, ...]
    not_timed: tuple[str, ...]
    report: FlopReport

    @property
    def flop_per_s(self) -> Quantity:
        """Rate that this model achieves here, as ``estimate_apriori`` takes it beside ``power``."""
        work = Quantity(float(self.report.flops), "FLOP", "modelled", self.report.method, name="operations")
        whole = replace(self.duration, below=0.0, above=0.0)
        return quotient(work, whole, "FLOP/s", name="rate by operator replay")

    def __repr__(self) -> str:
        return f"<Replay {self.report.model}: {self.duration}, {self.energy}>"


def replay(
    model: Any,
    inputs: Any = None,
    *,
    budget_s: float = 2.0,
    memory_bytes: int | None = None,
    meter: Meter | None = None,
    **step: Any,
) -> Replay:
    """Predict time and energy of a PyTorch model on this machine; the model is neither run nor changed.

    Parameters
    ----------
    model : torch.nn.Module
        The model, on ``meta`` too.
    inputs : object, optional
        As :func:`greenai_magic.flops.count_flops` takes them.
    budget_s : float
        Seconds after which no further call is begun; counting comes before.
    memory_bytes : int, optional
        Most bytes of random data at once, and of a result; a quarter of what is free by default, up to 1 GB.
    meter : Meter, optional
        What measures the power; the shared one by default.
    **step
        ``backward``, ``train_step``, ``batch``, ``train``, ``loss`` and ``optimiser`` of ``count_flops``.

    Returns
    -------
    Replay
        Of one forward pass, or of the step that was asked for.

    Raises
    ------
    FlopError
        If it is no PyTorch model, cannot be counted, or less than half of its work could be timed.
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        msg = (
            f"A {type(model).__name__} is no PyTorch module, and only operators of one are timed here: "
            "name a device to estimate by its data sheet."
        )
        raise FlopError(msg)
    from greenai_magic.estimate.replay_loop import time_calls, work
    from greenai_magic.flops.torch.calls import operator_calls

    report, calls = operator_calls(model, inputs, **step)
    timing = time_calls(calls, budget_s, memory_bytes, meter or default_meter())
    seconds = timing.seconds
    done = sum(work(called) for called in calls if called.call in seconds)
    left = sum(work(called) for called in calls if called.call not in seconds)
    if not timing.measurements or done < left:
        missing = ", ".join(_not_timed(calls, seconds)) or "all of it"
        msg = (
            f"Less than half of the work of {report.model} could be timed in {budget_s:g} s (not {missing}): "
            "give replay() more of budget_s or of memory_bytes, or measure a few real steps."
        )
        raise FlopError(msg)
    known = timing.device == "cpu" and torch.get_num_threads() == 1
    duration = _duration(calls, seconds, left / done if left else 0.0, known=known)
    power = _power(timing.measurements)
    energy = product((power, duration), "J", name="energy of one pass")
    return Replay(duration, energy, power, _timed(calls, seconds), _not_timed(calls, seconds), report)


def _duration(
    calls: Sequence[Called], seconds: Mapping[Call, float], left: float, *, known: bool
) -> Quantity:
    """Return the sum over all calls; what was not timed takes as long for its work as the rest, or none."""
    log_sd, why = _MEASURED if known else _UNMEASURED
    timed_s = sum(called.times * seconds[called.call] for called in calls if called.call in seconds)
    source = (
        f"{sum(called.times for called in calls)} calls of {len(calls)} operators, each timed here on random "
        f"data; {why}"
    )
    missing_s = timed_s * left
    calling_s = sum(called.times for called in calls) * min(seconds.values())
    return Quantity(
        timed_s + missing_s,
        "s",
        "modelled",
        source,
        {"operator replay": log_sd},
        below=min(missing_s + calling_s, timed_s + missing_s),
        above=missing_s + BETWEEN_CALLS * calling_s,
        name="duration of one pass",
    )


def _power(measurements: Sequence[Measurement]) -> Quantity:
    joules = total((seen.machine for seen in measurements), name="energy of the replay")
    seconds = total((seen.duration for seen in measurements), name="duration of the replay")
    power = ratio(joules, seconds, "W", name="power of the replay")
    return replace(power, spread={**power.spread, "operators in other parts": POWER_LOG_SD})


def _timed(calls: Sequence[Called], seconds: Mapping[Call, float]) -> tuple[TimedCall, ...]:
    timed = (
        TimedCall(called.call.op, called.times, seconds[called.call])
        for called in calls
        if called.call in seconds
    )
    return tuple(sorted(timed, key=lambda one: -one.times * one.seconds))


def _not_timed(calls: Sequence[Called], seconds: Mapping[Call, float]) -> tuple[str, ...]:
    return tuple(sorted({called.call.op for called in calls if called.call not in seconds}))
