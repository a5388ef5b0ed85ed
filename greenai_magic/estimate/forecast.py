"""Forecast: from a few measured steps to the whole job, with the interval that so short a probe deserves.

Joules of a job of n steps, from k steps after warming up:

    E = n * mean + (what the w warming steps took more)

Three errors, which combine differently. A sensor's own is the same in every step and does not fall with k;
the variation from step to step falls with the number of steps that tell something new; and what no probe of k
steps can see, as a processor that heats up, is told from how the steps drift, and learned from earlier
forecasts. What happens less than once in a probe is in no forecast.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from numbers import Integral
from typing import Any

from greenai_magic.arithmetic import product, ratio, total
from greenai_magic.errors import SettingError, UnitError
from greenai_magic.meter.measurement import Measurement
from greenai_magic.quantity import Z95, Quantity

LATER_LOG_SD = 0.03
"""What a short probe cannot see of a long job (heat, clocks, other work): an engineering choice."""
VARIATION = "from step to step"
LATER = "later than the probe"
EARLIER = "earlier forecasts"
LEAST_STEPS = 3
_SLOWER_SDS = 4.0
_SLOWER = 1.1
"""A first step is warming up from here on: times the usual one, and standard deviations above it."""
_SEEN_DRIFT_SDS = 2.5
_MISSES = 0.05


@dataclass(frozen=True, slots=True)
class Step:
    """One execution of the probed statement: seconds and joules."""

    duration: Quantity
    energy: Quantity


@dataclass(frozen=True, slots=True, repr=False)
class Forecast:
    """What a whole job will take.

    Attributes
    ----------
    energy, duration : Quantity
        Joules and seconds of all steps.
    energy_per_step, duration_per_step : Quantity
        Of one step when warm.
    energy_per_flop : Quantity or None
        Joules for each operation, where those of a step are known.
    steps : int
        Of the job.
    probed, warming : int
        Steps that were measured, and how many of them were warming up.
    """

    energy: Quantity
    duration: Quantity
    energy_per_step: Quantity
    duration_per_step: Quantity
    energy_per_flop: Quantity | None
    steps: int
    probed: int
    warming: int

    def __repr__(self) -> str:
        return f"<Forecast of {self.steps:,} steps: {self.energy}, {self.duration}>"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a forecast came out; a list of them is the log that widens later forecasts.

    Attributes
    ----------
    ratio : float
        Measured over forecast.
    inside : bool
        Whether the measured figure was inside the forecast's 95 % interval.
    surprise : float
        ln(ratio) in standard deviations of what the probe itself left open: without the sensor's error, which
        both have, and without what earlier forecasts added.
    unit : str
        ``"J"`` or ``"s"``.
    """

    ratio: float
    inside: bool
    surprise: float
    unit: str

    def __str__(self) -> str:
        where = "inside" if self.inside else "outside"
        return f"measured {self.ratio:.2f} times the forecast, {where} its interval"

    def to_dict(self) -> dict[str, Any]:
        """Return plain types that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Verdict:
        """Return the verdict that ``to_dict`` described."""
        return cls(**plain)


def steps_of(measurements: Iterable[Measurement]) -> tuple[Step, ...]:
    """Return what the meter says of several executions of a statement, in their order, machine energy."""
    return tuple(Step(seen.duration, seen.machine) for seen in measurements)


def forecast(
    probed: Sequence[Step],
    steps: int,
    *,
    flops_per_step: float | Quantity | None = None,
    log: Sequence[Verdict] = (),
) -> Forecast:
    """Project a job from its first steps.

    Parameters
    ----------
    probed : sequence of Step
        In the order in which they ran, at least 3 of them warm; where one is shorter than a counter's step,
        measure several at once and take these for one.
    steps : int
        Of the whole job, those in the probe included; epochs times steps of an epoch.
    flops_per_step : float or Quantity, optional
        Operations of one step.
    log : sequence of Verdict
        How earlier forecasts on this machine came out: where more than 5 % missed, the interval widens so
        that it would have held 95 % of them. It never narrows.

    Raises
    ------
    SettingError
        If there are too few steps to tell a mean from.
    """
    if not _is_count(steps):
        msg = f"A job has a whole number of steps of at least 1, not {steps!r}."
        raise SettingError(msg)
    warming = warming_steps([step.duration.value for step in probed])
    if len(probed) - warming < LEAST_STEPS:
        msg = (
            f"{len(probed)} steps with {warming} of them warming up are too few to tell what one takes: "
            f"measure at least {LEAST_STEPS + warming}."
        )
        raise SettingError(msg)
    energies = [step.energy for step in probed]
    durations = [step.duration for step in probed]
    energy_per_step, energy = _projected(energies, warming, steps, log, "energy")
    duration_per_step, duration = _projected(durations, warming, steps, log, "duration")
    return Forecast(
        energy,
        duration,
        energy_per_step,
        duration_per_step,
        _per_flop(energy_per_step, flops_per_step),
        steps,
        len(probed),
        warming,
    )


def score(told: Forecast, measured: Measurement | Quantity) -> Verdict:
    """Return how a forecast came out.

    Parameters
    ----------
    told : Forecast
        Made before.
    measured : Measurement or Quantity
        Of the whole job: the machine's joules, or seconds.

    Raises
    ------
    UnitError
        If it is neither joules nor seconds, or nothing was measured.
    """
    truth = measured.machine if isinstance(measured, Measurement) else measured
    figures = {"J": told.energy, "s": told.duration}
    if truth.unit not in figures or truth.value == 0:
        msg = f"A forecast is of joules and seconds: it cannot be held against {truth}."
        raise UnitError(msg)
    figure = figures[truth.unit]
    log_ratio = math.log(truth.value / figure.value)
    # Without what earlier forecasts added: else a wide one would soon count as proof that it need not be.
    own = math.hypot(*(figure.spread.get(cause, 0.0) for cause in (VARIATION, LATER)))
    margin = figure.above if log_ratio > 0 else figure.below
    reach = Z95 * own + math.log1p(margin / figure.value)
    inside = figure.low <= truth.value <= figure.high
    return Verdict(math.exp(log_ratio), inside, Z95 * log_ratio / reach, truth.unit)


def warming_steps(seconds: Sequence[float]) -> int:
    """Return how many of the first steps are slower than the later half's usual one; half of all at most."""
    half = len(seconds) // 2
    later = list(seconds[half:])
    if not later:
        return 0
    usual = statistics.median(later)
    # A median absolute deviation is 0.6745 of a normal's standard deviation.
    sd = statistics.median(abs(one - usual) for one in later) / 0.6745
    limit = max(_SLOWER * usual, usual + _SLOWER_SDS * sd)
    return next((at for at, one in enumerate(seconds[:half]) if one <= limit), half)


def _is_count(steps: Any) -> bool:
    return type(steps) is not bool and isinstance(steps, Integral) and int(steps) >= 1


def _projected(
    figures: Sequence[Quantity], warming: int, steps: int, log: Sequence[Verdict], what: str
) -> tuple[Quantity, Quantity]:
    """Return the figure of one warm step and of the whole job."""
    warm = figures[warming:]
    seen = total(warm, name=f"{what} of {len(warm)} warm steps", source=_source(warm))
    count = Quantity(float(len(warm)), "1", name="warm steps")
    plain = ratio(seen, count, seen.unit, name=f"mean {what} of a step")
    values = [figure.value for figure in warm]
    if min(values) <= 0:
        msg = f"A step took no {what}: measure several steps at once."
        raise SettingError(msg)
    own = {VARIATION: _variation(values, steps), LATER: LATER_LOG_SD}
    widened = _widening(log, plain.unit)
    if widened > 1:
        own[EARLIER] = math.hypot(*own.values()) * math.sqrt(widened**2 - 1)
    # How the steps drift may go on for as long again as it was seen.
    down, up = _drift(values)
    each = replace(
        plain,
        spread={**plain.spread, **own},
        below=min(plain.value, plain.below + down),
        above=plain.above + up,
    )
    job = product((each, Quantity(float(steps), "1", name="steps")), each.unit, name=f"{what} of all steps")
    extra = sum(max(0.0, figure.value - plain.value) for figure in figures[:warming])
    if not extra:
        return each, job
    # The same causes, so that the sum stays in proportion.
    warmup = Quantity(extra, each.unit, each.basis, each.source, each.spread, name=f"{what} of warming up")
    return each, total((job, warmup), name=f"{what} of the job")


def _source(figures: Sequence[Quantity]) -> str:
    sources = dict.fromkeys(figure.source for figure in figures if figure.source)
    return "; ".join((f"a probe of {len(figures)} steps", *sources))


def _variation(values: Sequence[float], steps: int) -> float:
    """Return the standard deviation of ln(mean of the job / mean of the probe), scaled to a 95 % interval.

    Of a log-normal's mean (Cox's method: Zhou and Gao 1997, Stat. Med. 16:783-790), the number of steps cut
    down to those that are independent, and Student's t in place of the normal; or that of the plain mean.
    """
    logs = [math.log(value) for value in values]
    count = len(logs)
    again = _repeated(logs)
    variance = statistics.variance(logs)
    telling = max(2.0, count / again)
    # A mean cannot vary more than its own steps do, however alike they are.
    left = min(1.0, again / steps)
    of_mean = variance + variance**2 * telling / (2 * max(1.0, telling - 1))
    # Rare steps that are much larger hardly show in logarithms.
    of_probe = max(of_mean, statistics.variance(values) / statistics.fmean(values) ** 2) / telling
    return math.sqrt(of_probe + variance * left) * student(count - 1) / Z95


def _repeated(logs: Sequence[float]) -> float:
    """Return how many steps tell as much as an independent one: (1 + r) / (1 - r) with r from step to step.

    r is corrected for its bias in short series (Marriott and Pope 1954, Biometrika 41:390-402).
    """
    mean = statistics.fmean(logs)
    away = [one - mean for one in logs]
    squares = math.fsum(one**2 for one in away)
    if squares == 0:
        return 1.0
    seen = math.fsum(a * b for a, b in pairwise(away)) / squares
    r = min(0.95, max(0.0, seen + (1 + 3 * seen) / len(logs)))
    return (1 + r) / (1 - r)


def _drift(values: Sequence[float]) -> tuple[float, float]:
    """Return how far the next steps may lie below and above the mean, where the probe's drift clearly."""
    count = len(values)
    middle, mean = (count - 1) / 2, statistics.fmean(values)
    spread = math.fsum((at - middle) ** 2 for at in range(count))
    slope = math.fsum((at - middle) * (value - mean) for at, value in enumerate(values)) / spread
    rest = math.fsum((value - mean - slope * (at - middle)) ** 2 for at, value in enumerate(values))
    sd = math.sqrt(rest / (count - 2) / spread)
    if abs(slope) <= _SEEN_DRIFT_SDS * sd:
        return 0.0, 0.0
    # From the middle of the probe to its end, and as far again as it is long.
    far = abs(slope) * (middle + count)
    # What falls, falls ever more slowly: no step takes less than nothing.
    return (-mean * math.expm1(-far / mean), 0.0) if slope < 0 else (0.0, far)


def _widening(log: Sequence[Verdict], unit: str) -> float:
    """Return the factor on the interval with which 95 % of earlier forecasts would have held."""
    surprises = sorted(abs(verdict.surprise) for verdict in log if verdict.unit == unit)
    misses = sum(surprise > Z95 for surprise in surprises)
    if not surprises or misses <= _MISSES * len(surprises):
        return 1.0
    at = min(len(surprises), math.ceil((1 - _MISSES) * (len(surprises) + 1)))
    return max(1.0, surprises[at - 1] / Z95)


def _per_flop(each: Quantity, flops: float | Quantity | None) -> Quantity | None:
    if flops is None:
        return None
    count = flops if isinstance(flops, Quantity) else Quantity(float(flops), "FLOP", name="operations")
    return ratio(each, count, "J/FLOP", name="energy of one operation")


def student(freedom: int) -> float:
    """Return the 97.5 % point of Student's t, by its expansion (Abramowitz and Stegun 1964, 26.7.5).

    Parameters
    ----------
    freedom : int
        Degrees, at least 2; the error is 1 % there and falls fast.
    """
    z, n = Z95, freedom
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / n**power for power, term in enumerate(terms, 1))
