"""Why two figures of one job differ: their ratio, split exactly into causes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from greenai_magic.arithmetic import product
from greenai_magic.errors import UnitError
from greenai_magic.footprint.impacts import Footprint
from greenai_magic.quantity import DUST, Quantity, show, significant

_LEAST_TOLD = 1e-3
"""A cause that changes less than this part of the result is left out of the sentence."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One of the factors between two footprints.

    Attributes
    ----------
    name : str
        ``"throughput"``, ``"power"``, ``"load"``, ``"PUE"``, ``"grid intensity"``, ``"boundary"``...
    factor : float
        By which it multiplies the first footprint.
    note : str
        What it was in the first and in the second.
    """

    name: str
    factor: float
    note: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Two footprints and what lies between them.

    Attributes
    ----------
    first, second : Quantity
        In g CO2e.
    causes : tuple of Cause
        Their factors multiply to ``ratio``, up to rounding.
    """

    first: Quantity
    second: Quantity
    causes: tuple[Cause, ...]

    @property
    def ratio(self) -> float:
        """The second over the first."""
        return self.second.value / self.first.value

    @property
    def sentence(self) -> str:
        """The whole in words, the largest cause first."""
        told = sorted(self.causes, key=lambda cause: -abs(math.log(cause.factor)))
        parts = [
            f"{cause.name} ×{significant(cause.factor, 4)} ({cause.note})"
            for cause in told
            if abs(math.log(cause.factor)) >= _LEAST_TOLD
        ]
        between = f"{show(self.first)} and {show(self.second)}"
        if not parts:
            return f"Nothing that is known tells {between} apart."
        return f"{between} differ by ×{significant(self.ratio, 4)}: {', '.join(parts)}."

    def __str__(self) -> str:
        return self.sentence


def reconcile(first: Footprint, second: Footprint) -> Reconciliation:
    """Split the ratio of two footprints, location-based, exactly into causes.

    The ratio of products is the product of the ratios of their factors: operations / throughput or else
    duration, power, load, PUE, grid intensity. Where one of the two knows its load and the other, as a
    measurement, only the power that was drawn, power x load is one cause. What is counted beside the
    electricity is the boundary, or else the other lines.

    Parameters
    ----------
    first, second : Footprint
        Of estimates or of measurements, of the same job.

    Returns
    -------
    Reconciliation
        Its causes in the order of the formula.

    Raises
    ------
    UnitError
        If a footprint counts no electricity, or a figure is zero.
    """
    if not all(f.energy_it is not None and f.energy_it.value and f.gwp.value for f in (first, second)):
        msg = "Two footprints can be reconciled where both count electricity and neither is zero."
        raise UnitError(msg)
    causes = [
        *_of_energy(first, second),
        _cause("PUE", lambda f: f.place.pue, first, second),
        _cause("grid intensity", lambda f: f.place.grid_intensity, first, second),
    ]
    whole = second.gwp.value / first.gwp.value
    rest = whole / math.prod(cause.factor for cause in causes)
    if abs(math.log(rest)) > DUST:
        causes.append(_beside_electricity(rest, first, second))
    return Reconciliation(first.gwp, second.gwp, tuple(causes))


def _of_energy(first: Footprint, second: Footprint) -> Iterator[Cause]:
    """Yield the causes between the energies of the devices."""
    a, b = first.activity, second.activity
    both = a.keys() & b.keys()
    found: list[Cause] = []
    if {"device_time", "power"} <= both:
        if {"flops", "flop_per_s"} <= both:
            found.append(_cause("operations", lambda f: f.activity["flops"], first, second))
            rate = _cause("throughput", lambda f: f.activity["flop_per_s"], first, second)
            found.append(Cause(rate.name, 1 / rate.factor, rate.note))
        else:
            found.append(_cause("duration", lambda f: f.activity["device_time"], first, second))
        if "load" in both:
            found.append(_cause("power", lambda f: f.activity["power"], first, second))
            found.append(_cause("load", lambda f: f.activity["load"], first, second))
        else:
            found.append(_cause("power", _drawn, first, second))
    energy = _cause("energy", lambda f: f.energy_it, first, second)
    rest = energy.factor / math.prod(cause.factor for cause in found)
    if not found:
        found.append(energy)
    elif abs(math.log(rest)) > DUST:
        found.append(Cause("rest of the machine", rest, energy.note))
    yield from found


def _drawn(footprint: Footprint) -> Quantity:
    """Return the power that a device drew, its load in it."""
    known = footprint.activity
    return product([known[name] for name in ("power", "load") if name in known], "W", name="power drawn")


def _beside_electricity(factor: float, first: Footprint, second: Footprint) -> Cause:
    """Return the cause that is left when those of the electricity are known."""
    items = [tuple(dict.fromkeys(line.item for line in f.gwp_lines)) for f in (first, second)]
    if items[0] != items[1]:
        return Cause("boundary", factor, " → ".join(", ".join(of) for of in items))
    if len(items[0]) > 1:
        return Cause("other lines", factor, f"what {', '.join(items[0][1:])} adds to the electricity")
    return Cause("rounding", factor, "a calculator that rounds at every step")


def _cause(
    name: str, figure: Callable[[Footprint], Quantity | None], first: Footprint, second: Footprint
) -> Cause:
    a, b = figure(first), figure(second)
    if a is None or b is None or not a.value or not b.value:
        msg = f"The {name} of one of the two is zero or unknown, so it explains no ratio."
        raise UnitError(msg)
    return Cause(name, b.value / a.value, f"{_plain(a)} → {_plain(b)}")


def _plain(figure: Quantity) -> str:
    """Return a figure without its interval, which says nothing of a ratio of medians."""
    return show(replace(figure, spread={}, below=0.0, above=0.0), digits=3)
