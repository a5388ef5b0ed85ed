"""Sums, products, ratios and differences of figures, none of which loses its interval or its sources.

Products add the spreads cause by cause (exact). Sums match the first two moments of correlated
log-normals (Fenton 1960, IRE Trans. Commun. Syst. 8:57-67), which keeps the shared causes shared,
and correct for the skew of the rest (Cornish and Fisher 1938, Rev. Inst. Int. Stat. 5:307-320, with
the third cumulant to second order): the mean stays, and what reaches further up than a log-normal of
that mean and lower bound goes into ``above``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from greenai_magic.errors import UnitError
from greenai_magic.quantity import BASES, DUST, Z95, Basis, Quantity


def total(terms: Iterable[Quantity], *, name: str = "total", source: str = "") -> Quantity:
    """Add figures of one unit, each shared cause of error drawn once; margins add linearly.

    Parameters
    ----------
    terms : iterable of Quantity
        At least one, all in the same unit.
    name, source : str
        Of the sum; the sources of the terms where none is given.

    Raises
    ------
    UnitError
        If the units differ or there is nothing to add.
    """
    parts = tuple(terms)
    units = {part.unit for part in parts}
    if len(units) != 1:
        msg = f"{name} needs figures of one unit, not {', '.join(sorted(units)) or 'none at all'}."
        raise UnitError(msg)
    value, spread, skew = _sum_of_log_normals(parts)
    # A sum of figures that may all be zero may be zero, however narrow its own spread.
    below = value if all(part.low == 0 for part in parts) else sum(part.below for part in parts)
    formula = " + ".join(f"{{{i}}}" for i in range(len(parts)))
    # Independent errors raise the median of a sum above the sum of the medians.
    raised = value / plain if (plain := math.fsum(part.value for part in parts)) else 1.0
    return Quantity(
        value,
        units.pop(),
        _basis_of(parts),
        source or _joined(part.source for part in parts),
        spread,
        below,
        skew + sum(part.above for part in parts),
        name,
        formula if math.isclose(raised, 1.0, rel_tol=DUST) else f"({formula}) * {raised:.9g}",
        parts,
    )


def product(
    factors: Iterable[Quantity],
    unit: str,
    *,
    name: str,
    divisor: float = 1.0,
    source: str = "",
) -> Quantity:
    """Multiply figures: medians multiply, spreads add cause by cause, margins take the other's bounds.

    Parameters
    ----------
    factors : iterable of Quantity
        At least one.
    unit : str
        Of the result; the caller knows the dimensions.
    divisor : float
        Plain number that converts units, such as 3.6e6 J/kWh.
    """
    parts = tuple(factors)
    value = math.prod(part.value for part in parts) / divisor
    spread: dict[str, float] = {}
    for part in parts:
        for cause, log_sd in part.spread.items():
            spread[cause] = spread.get(cause, 0.0) + log_sd
    core = math.exp(Z95 * math.hypot(*spread.values()))
    highs = math.prod(part.value * math.exp(Z95 * part.log_sd) for part in parts)
    above = (math.prod(part.high for part in parts) - highs) / divisor
    lows = [(part.low, part.value * math.exp(-Z95 * part.log_sd)) for part in parts]
    below = value / core * (1 - math.prod(low / of if of else 0.0 for low, of in lows))
    formula = " * ".join(f"{{{i}}}" for i in range(len(parts)))
    return Quantity(
        value,
        unit,
        _basis_of(parts),
        source or _joined(part.source for part in parts),
        spread,
        max(0.0, below),
        max(0.0, above),
        name,
        formula if divisor == 1.0 else f"{formula} / {divisor:.10g}",
        parts,
    )


def ratio(whole: Quantity, divisor: Quantity, unit: str, *, name: str) -> Quantity:
    """Divide a figure by an exact one, as joules by the seconds of a window.

    Raises
    ------
    UnitError
        If the divisor is zero or has an interval of its own.
    """
    if divisor.value == 0 or divisor.low != divisor.high:
        msg = f"{name} can only be divided by an exact figure above zero, not by {divisor}."
        raise UnitError(msg)
    by = divisor.value
    return replace(
        whole,
        value=whole.value / by,
        unit=unit,
        below=whole.below / by,
        above=whole.above / by,
        name=name,
        formula="{0} / {1}",
        inputs=(whole, divisor),
    )


def quotient(whole: Quantity, divisor: Quantity, unit: str, *, name: str) -> Quantity:
    """Divide a figure by another that has an interval of its own; what both share cancels, cause by cause.

    Raises
    ------
    UnitError
        If the divisor is zero or has margins, of which there is no inverse.
    """
    if divisor.value == 0 or divisor.below or divisor.above:
        msg = f"{name} can only be divided by a figure above zero without margins, not by {divisor}."
        raise UnitError(msg)
    parts = (
        replace(whole, spread=_beyond(whole.spread, divisor.spread)),
        replace(divisor, value=1 / divisor.value, spread=_beyond(divisor.spread, whole.spread)),
    )
    basis = _basis_of((whole, divisor))
    return replace(product(parts, unit, name=name), basis=basis, formula="{0} / {1}", inputs=(whole, divisor))


def excess(whole: Quantity, part: Quantity, *, name: str, source: str = "") -> Quantity:
    """Subtract a part from its whole, never below zero; a cause that both share cancels in step.

    A difference of log-normals can reach zero, so the interval is kept as margins: how far each
    cause alone moves the difference at its own 95 %, the causes together by root sum of squares.
    """
    if whole.unit != part.unit:
        msg = f"{name} cannot take {part.unit} from {whole.unit}."
        raise UnitError(msg)
    down, up = 0.0, 0.0
    for cause in {**whole.spread, **part.spread}:
        shifts = [
            whole.value * math.expm1(z * whole.spread.get(cause, 0.0))
            - part.value * math.expm1(z * part.spread.get(cause, 0.0))
            for z in (-Z95, Z95)
        ]
        down, up = math.hypot(down, min(0.0, *shifts)), math.hypot(up, max(0.0, *shifts))
    difference = whole.value - part.value
    if abs(difference) < DUST * whole.value:
        difference = 0.0
    value = max(0.0, difference)
    return Quantity(
        value,
        whole.unit,
        _basis_of((whole, part)),
        source or _joined((whole.source, part.source)),
        {},
        min(value, down + whole.below + part.above),
        max(0.0, difference + up + whole.above + part.below - value),
        name,
        "max(0, {0} - {1})",
        (whole, part),
    )


def _basis_of(parts: tuple[Quantity, ...]) -> Basis:
    """Return the weakest basis: a chain is as good as its worst link, and an exact figure is no link."""
    uncertain = [part for part in parts if part.low < part.high] or parts
    return max((part.basis for part in uncertain), key=BASES.index)


def _sum_of_log_normals(terms: tuple[Quantity, ...]) -> tuple[float, dict[str, float], float]:
    """Return the value and the spread of a sum, and how much further it reaches upwards."""
    parts = _merged(terms)
    plain = math.fsum(part.value for part in parts)
    means = [part.value * math.exp(part.log_sd**2 / 2) for part in parts]
    mean = math.fsum(means)
    shares = [m / mean for m in means]
    # The weights give each cause its direction; the matched variance gives the length.
    spread: dict[str, float] = {}
    for share, part in zip(shares, parts, strict=True):
        for cause, s in part.spread.items():
            spread[cause] = spread.get(cause, 0.0) + share * s
    length = math.hypot(*spread.values())
    if length < DUST:
        return plain, {}, 0.0
    variance = math.fsum(
        wi * wj * math.expm1(_in_common(a.spread, b.spread))
        for wi, a in zip(shares, parts, strict=True)
        for wj, b in zip(shares, parts, strict=True)
    )
    log_variance = math.log1p(variance)
    # Terms that sway unequally skew the sum, which moves both bounds up.
    sways = (_in_common(part.spread, spread) - length**2 for part in parts)
    skew = math.fsum(w * sway**2 for w, sway in zip(shares, sways, strict=True)) / log_variance / 2
    centre = skew * (Z95**2 - 1) - log_variance / 2
    reach = Z95 * math.sqrt(log_variance)
    # The log-normal of the same mean and lower bound, because means add up however terms are grouped.
    log_sd = math.sqrt(max(Z95**2, Z95**2 + 2 * (reach - centre))) - Z95
    value = mean * math.exp(-(log_sd**2) / 2)
    above = mean * math.exp(centre + reach) - value * math.exp(Z95 * log_sd)
    return (
        value,
        {cause: s * log_sd / length for cause, s in spread.items()},
        above if above > DUST * value else 0.0,
    )


def _merged(parts: Iterable[Quantity]) -> list[Quantity]:
    # What differs in value alone adds up exactly; merging it keeps a sum of many runs fast.
    alike: dict[frozenset[tuple[str, float]], list[Quantity]] = {}
    for part in parts:
        if part.value > 0:
            alike.setdefault(frozenset(part.spread.items()), []).append(part)
    return [replace(same[0], value=math.fsum(p.value for p in same)) for same in alike.values()]


def _in_common(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    return math.fsum(sd * b.get(cause, 0.0) for cause, sd in a.items())


def _beyond(spread: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """Return by how much each cause sways a figure more than it sways another."""
    return {cause: sd - other.get(cause, 0.0) for cause, sd in spread.items() if sd > other.get(cause, 0.0)}


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))
