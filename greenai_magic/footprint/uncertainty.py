"""How sure a footprint is: by simulation, by cause, and beside another one.

The arithmetic of figures has closed forms; here the same model is drawn (Monte-Carlo): every cause of
error is one standard normal, shared by all figures that name it, so that what is common to two runs
cancels in their ratio and does not average out in their sum.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from greenai_magic.arithmetic import product, total
from greenai_magic.errors import UnitError
from greenai_magic.quantity import DUST, Z95, Quantity, show

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRAWS = 10_000
SEED = 20
RESOLUTION = "counter resolution and uneven bounds"
"""The margins of figures, as a cause of its own."""
ANEW = (" sampling",)
"""How causes end that the meter names alike in every run and that each run draws anew."""
SURE = 0.95
"""Probability from which one of two footprints is called the lower one."""

_BAR_LETTERS = 20


@dataclass(frozen=True, slots=True)
class Bar:
    """What one cause of error alone does to a total.

    Attributes
    ----------
    cause : str
        As ``Quantity.spread`` names it, or :data:`RESOLUTION` for the margins.
    share : float
        Of the total's log-variance; the shares of all bars add up to 1.
    total : Quantity
        The sum of the medians; its interval is what the cause alone makes of it, at its 95 % bounds.
    """

    cause: str
    share: float
    total: Quantity

    @property
    def low(self) -> float:
        """The total with the cause at its lower bound, in the total's unit."""
        return self.total.low

    @property
    def high(self) -> float:
        """The total with the cause at its upper bound, in the total's unit."""
        return self.total.high


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two totals side by side, what they have in common cancelled.

    Attributes
    ----------
    ratio : Quantity
        The second over the first, unit ``"1"``.
    first_is_lower : float
        Probability that the first is the lower one, from 0 to 1; a tie counts half.
    cancelled : tuple of str
        The causes of error that both share, drawn once.
    """

    ratio: Quantity
    first_is_lower: float
    cancelled: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """``"first is lower"``, ``"second is lower"`` or ``"indistinguishable"``."""
        if self.first_is_lower > SURE:
            return "first is lower"
        return "second is lower" if 1 - self.first_is_lower > SURE else "indistinguishable"

    def __str__(self) -> str:
        words = "Indistinguishable" if self.verdict == "indistinguishable" else f"The {self.verdict}"
        lower, chance = "first", self.first_is_lower
        if chance < 1 / 2:
            lower, chance = "second", 1 - chance
        percent = "over 99" if chance > 0.99 else f"{100 * chance:.0f}"
        shared = f"; in common: {', '.join(self.cancelled)}" if self.cancelled else ""
        odds = f"the {lower} is lower with a probability of {percent} %"
        told = f"{words}: second / first = {show(self.ratio)}, {odds}{shared}."
        return f"{told} What differs from run to run is not in it: repeat both."


def draws(quantities: Iterable[Quantity], n: int = DRAWS, *, seed: int = SEED) -> NDArray[np.float64]:
    """Return draws of figures, one row a figure; a cause that several name is drawn once for all.

    Value x exp(sum of spread x z) + margin x z' / 1.96, never below zero, with z the cause's standard
    normal and z' the figure's own. A cause has the same draws in every call, margins only by the figure's
    place in the call: what is to be added or compared belongs into one call.

    Parameters
    ----------
    quantities : iterable of Quantity
        Of any units.
    n : int
        Draws of each.
    seed : int
        Of all the draws; numpy's global generator is left alone.

    Returns
    -------
    numpy.ndarray
        ``(number of figures, n)``, each row in its figure's unit.
    """
    import numpy as np

    parts = tuple(quantities)
    causes = {cause for part in parts for cause in part.spread}
    dice = {cause: _normal(n, seed, 0, *cause.encode()) for cause in causes}
    drawn = np.zeros((len(parts), n))
    for i, part in enumerate(parts):
        for cause, log_sd in part.spread.items():
            drawn[i] += log_sd * dice[cause]
        drawn[i] = part.value * np.exp(drawn[i])
        if part.below or part.above:
            z = _normal(n, seed, 1, i) / Z95
            drawn[i] += z * np.where(z < 0, part.below, part.above)
    return np.maximum(drawn, 0.0, out=drawn)


def simulated(quantities: Iterable[Quantity], n: int = DRAWS, *, seed: int = SEED) -> Quantity:
    """Return the sum of figures by simulation: median, and 2.5 % and 97.5 % as margins.

    Parameters
    ----------
    quantities : iterable of Quantity
        At least one, all in the same unit.
    n, seed : int
        As for :func:`draws`.

    Raises
    ------
    UnitError
        If the units differ or there is nothing to add.
    """
    parts = tuple(quantities)
    whole = total(parts)
    return _from_draws(draws(parts, n, seed=seed).sum(axis=0), replace(whole, inputs=parts))


def settled(quantities: Iterable[Quantity], cause: str) -> tuple[Quantity, ...]:
    """Return the figures as they would be if one cause of error were known exactly, medians kept.

    Parameters
    ----------
    quantities : iterable of Quantity
        Of any units.
    cause : str
        As ``Quantity.spread`` names it, or :data:`RESOLUTION` for all margins.
    """
    if cause == RESOLUTION:
        return tuple(replace(part, below=0.0, above=0.0) for part in quantities)
    return tuple(
        replace(part, spread={name: sd for name, sd in part.spread.items() if name != cause})
        for part in quantities
    )


def tornado(quantities: Iterable[Quantity]) -> tuple[Bar, ...]:
    """Return what each cause of error alone does to the sum of figures, the worst first.

    A cause counts with the square of its log standard deviation, ln(high / low) / (2 x 1.96), which is
    exact for a product. The margins of figures are independent of one another and add in squares.

    Parameters
    ----------
    quantities : iterable of Quantity
        At least one, all in the same unit.

    Returns
    -------
    tuple of Bar
        Empty where nothing is unsure.

    Raises
    ------
    UnitError
        If the units differ or there is nothing to add.
    """
    parts = tuple(quantities)
    about = total(parts)
    median = math.fsum(part.value for part in parts)
    found = [_of_cause(parts, cause) for cause in sorted({c for part in parts for c in part.spread})]
    found.append(_of_margins(parts, median))
    variance = math.fsum(log_sd**2 for *_, log_sd in found)
    bars = [
        Bar(
            cause,
            log_sd**2 / variance,
            Quantity(
                median,
                about.unit,
                about.basis,
                about.source,
                below=min(median, below),
                above=above,
                name=f"total with {cause} alone unsure",
            ),
        )
        for cause, below, above, log_sd in found
        if log_sd
    ]
    return tuple(sorted(bars, key=lambda bar: bar.share, reverse=True))


def tornado_text(quantities: Iterable[Quantity]) -> str:
    """Return the tornado of a sum as text, and a sentence that says which input to measure next.

    Parameters
    ----------
    quantities : iterable of Quantity
        As for :func:`tornado`.
    """
    parts = tuple(quantities)
    bars, now = tornado(parts), total(parts)
    if not bars:
        return f"Nothing is unsure in {show(now)}."
    wide = max(len(bar.cause) for bar in bars)
    lines = []
    for bar in bars:
        drawn = "█" * round(_BAR_LETTERS * bar.share)
        lines.append(
            f"{bar.cause:{wide}}  {100 * bar.share:3.0f} %  {drawn:{_BAR_LETTERS}}  {show(bar.total)}"
        )
    top = bars[0]
    then = show(total(settled(parts, top.cause)))
    advice = "Measure for longer" if top.cause == RESOLUTION else "Measure next"
    sentence = (
        f"{advice}: {top.cause} makes {100 * top.share:.0f} % of the uncertainty; "
        f"without it {show(now)} would be {then}."
    )
    return "\n".join([*lines, sentence])


def compare(
    first: Sequence[Quantity], second: Sequence[Quantity], *, shared: Collection[str] | None = None
) -> Comparison:
    """Compare two sums of figures, with the causes of error that they share drawn once.

    Parameters
    ----------
    first, second : sequence of Quantity
        The lines of two footprints, all in the same unit.
    shared : collection of str, optional
        The causes that are one and the same in both; ``()`` for two machines in two places. Left out: all
        that are named alike, as in two runs on one machine, but what each run draws anew (:data:`ANEW`).

    Raises
    ------
    UnitError
        If the units differ, or a total is nothing, zero, or may well be zero.
    """
    import numpy as np

    wholes = _above_zero(first, "First total"), _above_zero(second, "Second total")
    both = total((*first, *second), name="the comparison")
    common = {c for part in first for c in part.spread} & {c for part in second for c in part.spread}
    if shared is None:
        shared = {cause for cause in common if not cause.endswith(ANEW)}
    cancelled = common.intersection(shared)
    factors = _shared_factors(first, second, cancelled)
    lines = [_without_margins_of(part, factors) for part in (*first, *second)]
    lines[len(first) :] = (_apart(part, common - cancelled) for part in lines[len(first) :])
    drawn = draws(lines)
    a, b = drawn[: len(first)].sum(axis=0), drawn[len(first) :].sum(axis=0)
    if np.count_nonzero(a) < len(a) * (1 + SURE) / 2:
        msg = f"{wholes[0].name} may be zero ({wholes[0]}), so no ratio can be told: measure a longer run."
        raise UnitError(msg)
    tie = np.abs(a - b) <= DUST * a
    about = Quantity(1.0, "1", both.basis, both.source, name="second / first", inputs=wholes)
    return Comparison(
        _from_draws(b[a > 0] / a[a > 0], about),
        float(np.mean(np.where(tie, 0.5, a < b))),
        tuple(sorted(cancelled)),
    )


def _normal(n: int, *key: int) -> NDArray[np.float64]:
    import numpy as np

    return np.random.default_rng(key).standard_normal(n)


def _from_draws(drawn: NDArray[np.float64], about: Quantity) -> Quantity:
    """Return median and 95 % bounds of draws, as a figure that is otherwise like another."""
    import numpy as np

    low, median, high = map(float, np.quantile(drawn, [0.025, 0.5, 0.975]))
    return replace(about, value=median, spread={}, below=median - low, above=high - median, formula="")


def _of_cause(parts: Sequence[Quantity], cause: str) -> tuple[str, float, float, float]:
    """Return a cause, how far it alone moves a sum down and up, and the log standard deviation that makes."""
    median, low, high = (
        math.fsum(part.value * math.exp(z * part.spread.get(cause, 0.0)) for part in parts)
        for z in (0.0, -Z95, Z95)
    )
    log_sd = math.log(high / low) / (2 * Z95) if low else 0.0
    return cause, median - low, high - median, log_sd


def _of_margins(parts: Sequence[Quantity], median: float) -> tuple[str, float, float, float]:
    below = math.hypot(*(part.below for part in parts))
    above = math.hypot(*(part.above for part in parts))
    if not median:
        # Nothing else can move a sum of zeros.
        return RESOLUTION, 0.0, above, float(above > 0)
    # Margins may reach zero, which has no logarithm: that of a log-normal with their variance.
    relative_sd = (below + above) / (2 * Z95 * median)
    return RESOLUTION, below, above, math.sqrt(math.log1p(relative_sd**2))


def _above_zero(parts: Sequence[Quantity], name: str) -> Quantity:
    whole = total(parts, name=name)
    if whole.value == 0:
        msg = f"{name} is zero ({whole}), so no ratio can be told: compare runs that used something."
        raise UnitError(msg)
    return whole


def _shared_factors(
    first: Sequence[Quantity], second: Sequence[Quantity], cancelled: Collection[str]
) -> list[Quantity]:
    """Return the figures with margins that both sides are made from and whose causes all cancel."""
    others = [factor for part in second for factor in part.inputs]
    return [
        factor
        for part in first
        for factor in part.inputs
        if (factor.below or factor.above)
        and factor.spread
        and factor.spread.keys() <= set(cancelled)
        and factor in others
    ]


def _without_margins_of(part: Quantity, factors: Sequence[Quantity]) -> Quantity:
    """Return a product with the margins that it would have if these factors had none.

    What a factor's margin does to one side it does to the other, as a world average that lies far above
    most countries' own; drawn for each side it would blur every comparison.
    """
    times = " * ".join(f"{{{i}}}" for i in range(len(part.inputs)))
    is_product = part.value and part.formula.partition(" / ")[0] == times
    if not is_product or not any(factor in factors for factor in part.inputs):
        return part
    steady = [replace(f, below=0.0, above=0.0) if f in factors else f for f in part.inputs]
    divisor = math.prod(factor.value for factor in part.inputs) / part.value
    made = product(steady, part.unit, name=part.name, divisor=divisor)
    return replace(part, below=made.below, above=made.above)


def _apart(part: Quantity, causes: Collection[str]) -> Quantity:
    """Return the figure with these causes under names of its own."""
    spread = {f"{cause}, second" if cause in causes else cause: sd for cause, sd in part.spread.items()}
    return replace(part, spread=spread)
