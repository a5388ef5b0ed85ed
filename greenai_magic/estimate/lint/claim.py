"""Whether the numbers of one claim follow from one another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from greenai_magic.errors import SettingError
from greenai_magic.estimate.lint.region import Region, known_region, others_like
from greenai_magic.quantity import significant

LEAST_KG_PER_KWH = 0.01
MOST_KG_PER_KWH = 1.2
"""No grid of the tables, averaged over a year, is outside these."""
TOLERANCE = 0.05
"""Published figures that close do so within this: calculators round factors to two decimals."""

NOT_ARITHMETIC = frozenset(
    {"market-zero", "device-count", "false-precision", "neutrality", "offset-deducted", "trees"}
)
"""Codes of findings whose numbers may well follow from one another: it is the words that mislead."""

_REGION_TOLERANCE = 0.05
_COUNTRY_TIMES = 2.0
"""Factors of one country differ so much by year, source and basis."""
_USUAL_LOAD = 0.49
"""Of 11 trainings (Dodge et al. 2022, arXiv:2206.05229, Table 2), the geometric mean."""
_LEAST_LOAD = 0.1
"""Devices at work draw at least this part of their rated power."""
_UNITS = {1e3: "1000 times too high", 1e-3: "1000 times too low", 1e6: "a million times too high"} | {
    1e-6: "a million times too low"
}
_USUAL_PUE = 2.0
"""The highest PUE that is believed where nobody states one."""
_DIGITS = 3
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a claim gets wrong, or leaves its reader to guess.

    Attributes
    ----------
    code : str
        A short slug: ``"implied-factor"``, ``"energy"``, ``"co2e"``, ``"pue"``, ``"region-factor"``,
        ``"total"``, ``"grams"``, ``"scientific-notation"``, or one of ``NOT_ARITHMETIC``.
    message : str
        The reason, with the numbers.
    better : str
        A better sentence, or what to add.
    quote : str
        The text in question; ``""`` for numbers.
    line : int
        Its line, from 1; 0 for numbers.
    """

    code: str
    message: str
    better: str
    quote: str = ""
    line: int = 0

    @property
    def inconsistent(self) -> bool:
        """Whether the claim's own figures contradict one another, and not just the way they are told."""
        return self.code not in NOT_ARITHMETIC

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{self.message} {self.better}".rstrip()


@dataclass(frozen=True, slots=True)
class Claim:
    """What one claim states, in numbers; None for what it does not.

    Attributes
    ----------
    energy_kwh, co2e_kg, hours, power_w, count, pue, grid_kg_per_kwh, region
        As for :func:`check_claim`.
    rated : bool
        Whether ``power_w`` is a rating, of which a job draws a part that nobody states.
    unstated_pue : bool
        Whether the claim says that a PUE is in its figures, and not which.
    tolerance : float
        By which part figures may differ.
    """

    energy_kwh: float | None = None
    co2e_kg: float | None = None
    hours: float | None = None
    power_w: float | None = None
    count: float | None = None
    pue: float | None = None
    grid_kg_per_kwh: float | None = None
    region: str | None = None
    rated: bool = False
    unstated_pue: bool = False
    tolerance: float = TOLERANCE

    @property
    def device_kwh(self) -> float | None:
        """Hours times power times number of devices, without PUE."""
        if self.hours is None or self.power_w is None:
            return None
        return self.hours * self.power_w * (self.count or 1) / 1000

    def close(self, ratio: float, to: float = 1.0) -> bool:
        """Return whether a ratio is another, within the tolerance."""
        return ratio > 0 and abs(math.log(ratio / to)) <= math.log1p(self.tolerance)


def check_claim(
    *,
    energy_kwh: float | None = None,
    co2e_kg: float | None = None,
    hours: float | None = None,
    power_w: float | None = None,
    count: float | None = None,
    pue: float | None = None,
    grid_kg_per_kwh: float | None = None,
    region: str | None = None,
    tolerance: float = TOLERANCE,
) -> list[Finding]:
    """Return what does not follow in a claim: energy = hours x count x power x PUE, CO2e = energy x factor.

    The energy may include PUE or not: a claim that closes either way is accepted, unless its other figures
    say which of the two it is.

    Parameters
    ----------
    energy_kwh, co2e_kg : float, optional
        In kWh and kg, as printed.
    hours, power_w, count : float, optional
        Hours of each of ``count`` devices (one where left out), and the power of one in W.
    pue : float, optional
        Energy of the building over energy of the devices.
    grid_kg_per_kwh : float, optional
        Grid intensity in kg CO2e/kWh.
    region : str, optional
        As claims write it; one that no table knows is not checked.
    tolerance : float
        By which part two figures may differ.

    Raises
    ------
    SettingError
        If a number cannot be one: negative, not finite, or a zero that is no claim.
    """
    may_be_zero = {"co2e_kg": co2e_kg, "grid_kg_per_kwh": grid_kg_per_kwh}
    above_zero = {"energy_kwh": energy_kwh, "hours": hours, "power_w": power_w, "count": count, "pue": pue}
    for name, value in {**may_be_zero, **above_zero, "tolerance": tolerance}.items():
        if value is None:
            continue
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not number or value < 0 or (value == 0 and name in above_zero):
            least = "above 0" if name in above_zero else "of 0 or more"
            msg = f"{name} cannot be {value!r}: give a finite number {least}, or leave it out."
            raise SettingError(msg)
    claim = Claim(
        energy_kwh, co2e_kg, hours, power_w, count, pue, grid_kg_per_kwh, region, tolerance=tolerance
    )
    return check(claim)


def check(claim: Claim) -> list[Finding]:
    """Return what does not follow in a claim; see :func:`check_claim`."""
    if claim.co2e_kg == 0:
        return [*_of_energy(claim), zero()]
    return [*_of_energy(claim), *_of_co2e(claim), *_of_region(claim)]


def zero() -> Finding:
    """Return the finding of a CO2e of 0."""
    return Finding(
        "market-zero",
        "0 kg CO2e for electricity that was used can only be a market-based figure, or one after offsets.",
        "Give the location-based figure first: energy times the average factor of the grid, and label both.",
    )


def _of_energy(claim: Claim) -> Iterator[Finding]:
    """Check the energy against hours, devices and power."""
    computed, energy = claim.device_kwh, claim.energy_kwh
    if computed is None or energy is None:
        return
    ratio = energy / computed
    if claim.close(ratio) or (claim.pue is not None and claim.close(ratio, claim.pue)):
        return
    if _within_limits(claim, ratio):
        return
    count = claim.count or 1
    shown = f"{_product(claim)} is {_kwh(computed)}, not {_kwh(energy)} ({_times(ratio)})"
    if count > 1 and (claim.close(ratio * count) or claim.close(ratio * count, claim.pue or 1)):
        yield Finding(
            "energy",
            f"{shown}: it closes only if the {count:g} devices are counted as one.",
            f"Multiply by {count:g}, or say that the hours are those of all devices together.",
        )
    else:
        yield Finding(
            "energy",
            f"{shown}{_hint(claim, ratio)}.",
            "Correct one of the figures, or say what else is counted.",
        )


def _of_co2e(claim: Claim) -> Iterator[Finding]:
    """Check the CO2e against the energy and the grid intensity."""
    base, co2e = _base(claim), claim.co2e_kg
    if base is None or not co2e:
        return
    least = LEAST_KG_PER_KWH * (_USUAL_LOAD if _only_rated(claim) else 1)
    # Hours times power has no PUE in it; a printed energy may have.
    pue = claim.pue if claim.energy_kwh is None else None
    implied = co2e / base / (pue or 1)
    if not least <= implied <= MOST_KG_PER_KWH:
        yield _out_of_range(claim, implied)
        return
    if not claim.grid_kg_per_kwh:
        return
    ratio = co2e / base / claim.grid_kg_per_kwh
    if any(claim.close(ratio, factor) for factor in _accepted(claim)):
        return
    if (claim.energy_kwh is None or claim.unstated_pue) and _within_limits(claim, ratio):
        return
    follows = base * claim.grid_kg_per_kwh * (pue or 1)
    by_pue = f" × PUE {pue:g}" if pue else ""
    product = f"{_origin(claim)}{by_pue} × {_factor(claim.grid_kg_per_kwh)}"
    shown = f"{product} is {_kg(follows)}, not {_kg(co2e)} ({_times(co2e / follows)})"
    yield _explained(claim, ratio, shown)


def _accepted(claim: Claim) -> list[float]:
    """Return by what the CO2e may exceed the printed energy times the factor."""
    pue = claim.pue or 1.0
    computed = claim.device_kwh
    if claim.energy_kwh is None:
        return [pue]
    if computed is None or pue == 1 or claim.rated:
        return [1.0, pue]
    with_pue = claim.close(claim.energy_kwh / computed, pue)
    without = claim.close(claim.energy_kwh / computed)
    return [1.0, pue] if with_pue == without else [1.0] if with_pue else [pue]


def _explained(claim: Claim, ratio: float, shown: str) -> Finding:
    """Return the finding of a CO2e that does not follow, with what alone would explain it."""
    pue, count = claim.pue or 1.0, claim.count or 1
    if pue > 1 and claim.close(ratio, pue * pue):
        return Finding("pue", f"{shown}: PUE {pue:g} is counted twice.", "Multiply by PUE once.")
    if pue > 1 and claim.energy_kwh is not None and claim.close(ratio, pue):
        return Finding(
            "pue",
            f"{shown}: the energy already includes PUE {pue:g}, which is counted again.",
            "Multiply by PUE once.",
        )
    if pue > 1 and (claim.close(ratio, 1 / pue) or claim.close(ratio)):
        return Finding(
            "pue",
            f"{shown}: the CO2e leaves out PUE {pue:g}, and the figure beside it does not.",
            "Put both on one side of PUE, and say which.",
        )
    if count > 1 and claim.energy_kwh is None and claim.close(ratio * count, pue):
        return Finding(
            "co2e",
            f"{shown}: it closes only if the {count:g} devices are counted as one.",
            f"Multiply by {count:g}, or say that the hours are those of all devices together.",
        )
    better = "Correct one of the figures, or say what else is counted."
    return Finding("co2e", f"{shown}{_hint(claim, ratio)}.", better)


def _out_of_range(claim: Claim, implied: float) -> Finding:
    times = next(
        (f": it is {said}, as a wrong unit makes it" for by, said in _UNITS.items() if _usual(implied / by)),
        "",
    )
    return Finding(
        "implied-factor",
        f"{_kg(claim.co2e_kg or 0)} for {_origin(claim)} is {_factor(implied)}, outside the "
        f"{LEAST_KG_PER_KWH:g} to {MOST_KG_PER_KWH:g} of the world's grids{times}.",
        "Check the units (g, kg, t; Wh, kWh, MWh) of both figures, and state the grid intensity used.",
    )


def _of_region(claim: Claim) -> Iterator[Finding]:
    """Check the factor, stated or implied, against those published of the region."""
    factor = claim.grid_kg_per_kwh or _implied(claim)
    region = known_region(claim.region) if claim.region else None
    if factor is None or region is None or not LEAST_KG_PER_KWH <= factor <= MOST_KG_PER_KWH:
        return
    read = [factor] if claim.grid_kg_per_kwh or claim.pue is None else [factor, factor / claim.pue]
    if any(_is_of(region, value, claim) for value in read):
        return
    base = _base(claim)
    told = f"its grid intensity is {_factor(factor)}"
    if claim.grid_kg_per_kwh is None and claim.co2e_kg is not None:
        told = f"{_kg(claim.co2e_kg)} for {_origin(claim)} is {_factor(factor)}"
    known = "; ".join(
        f"{significant(row.kg_per_kwh, _DIGITS)} ({row.label})" for row in region.factors[:_SHOWN]
    )
    least, most = (choose(row.kg_per_kwh for row in region.factors) for choose in (min, max))
    other = others_like(region, factor, _REGION_TOLERANCE) if region.cloud else ""
    also = f" {_factor(factor)} is that of {other} in the calculator." if other else ""
    right = ""
    if base is not None and claim.co2e_kg is not None:
        right = f" With those here it would be {_plain(base * least)} to {_kg(base * most)}."
    yield Finding(
        "region-factor",
        f"The claim is for {region.name.strip()} and {told}, but the factors known of it are {known}.{also}",
        f"Name the factor, its source and its year, which may be another than these.{right}",
    )


def _is_of(region: Region, factor: float, claim: Claim) -> bool:
    if region.cloud:
        # The calculator multiplies by its factor rounded to two decimals.
        published = [kg for row in region.factors for kg in (row.kg_per_kwh, round(row.kg_per_kwh, 2)) if kg]
        within = max(_REGION_TOLERANCE, claim.tolerance)
        return any(abs(math.log(factor / kg)) <= math.log1p(within) for kg in published)
    numbers = [row.kg_per_kwh for row in region.factors]
    least = min(numbers) / _COUNTRY_TIMES * (_LEAST_LOAD if _only_rated(claim) else 1)
    return least <= factor <= max(numbers) * _COUNTRY_TIMES


def _within_limits(claim: Claim, ratio: float) -> bool:
    """Return whether a load or a PUE that nobody states may explain a ratio."""
    least = _LEAST_LOAD if claim.rated else 1 / (1 + claim.tolerance)
    most = (claim.pue or _USUAL_PUE) if claim.rated or claim.unstated_pue else 0.0
    return least <= ratio <= most * (1 + claim.tolerance)


def _base(claim: Claim) -> float | None:
    return claim.device_kwh if claim.energy_kwh is None else claim.energy_kwh


def _only_rated(claim: Claim) -> bool:
    return claim.rated and claim.energy_kwh is None


def _implied(claim: Claim) -> float | None:
    base = _base(claim)
    return claim.co2e_kg / base if base and claim.co2e_kg else None


def _hint(claim: Claim, ratio: float) -> str:
    """Return what may explain a ratio that nothing stated does."""
    for by, said in _UNITS.items():
        if claim.close(ratio, by):
            return f": it is {said}, as a wrong unit makes it"
    if claim.pue is None and 1 < ratio <= _USUAL_PUE:
        return f", as if multiplied by a PUE of {significant(ratio, _DIGITS)} that is not stated"
    if claim.pue is None and 1 < 1 / ratio <= _USUAL_PUE:
        return f", as if a PUE of {significant(1 / ratio, _DIGITS)} were in the one and left out of the other"
    return ""


def _usual(factor: float) -> bool:
    return LEAST_KG_PER_KWH <= factor <= MOST_KG_PER_KWH


def _origin(claim: Claim) -> str:
    if claim.energy_kwh is not None:
        return _kwh(claim.energy_kwh)
    return f"{_product(claim)} = {_kwh(claim.device_kwh or 0)}"


def _product(claim: Claim) -> str:
    devices = f"{claim.count:,g} × " if claim.count and claim.count != 1 else ""
    kind = " rated" if claim.rated else ""
    return f"{devices}{claim.hours or 0:,.9g} h × {claim.power_w or 0:,.6g} W{kind}"


def _kwh(kwh: float) -> str:
    return f"{_plain(kwh)} kWh"


def _kg(kg: float) -> str:
    return f"{_plain(kg)} kg"


def _factor(kg_per_kwh: float) -> str:
    return f"{significant(kg_per_kwh, _DIGITS)} kg CO2e/kWh"


def _plain(number: float) -> str:
    """Return a number as it compares with a printed one: its whole part in full."""
    return f"{number:,.0f}" if number >= 1000 else significant(number, 4)


def _times(ratio: float) -> str:
    return f"×{significant(ratio, _DIGITS)}"
