"""Quantity: a figure with its 95 % interval, unit, basis and source, and how it reads.

The error of a figure has two parts, kept apart because they combine differently
(:mod:`greenai_magic.arithmetic` says how):

* ``spread``: log-normal errors, each under the name of its cause. Two figures that name the same
  cause share one draw of it: the error of a grid factor does not average out over many cells.
* ``below`` and ``above``: margins added linearly, in the figure's own unit, for what a counter
  cannot resolve. They may reach down to zero, which a log-normal never does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

from greenai_magic.errors import UnitError

Basis = Literal["measured", "declared", "modelled", "default"]
"""How a figure was obtained, best first; a result is as good as its weakest input."""

BASES: tuple[Basis, ...] = get_args(Basis)
Z95 = 1.959963984540054
"""Half-width of the 95 % interval of a standard normal."""
JOULES_PER_KWH = 3.6e6

_SMALL = ((1e-15, "f"), (1e-12, "p"), (1e-9, "n"), (1e-6, "µ"), (1e-3, "m"))
_LARGE = ((1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"))
_COUNTED = (*_LARGE, (1e12, "T"), (1e15, "P"), (1e18, "E"), (1e21, "Z"))
_ALL = (*_SMALL, *_LARGE)
_NO_PREFIX = ((1.0, ""),)
_SCALED = {
    "J": (JOULES_PER_KWH / 1000, "Wh", _ALL),
    # Of fossil resources, which are not to be taken for electricity.
    "MJ": (1e-6, "J", _ALL),
    "FLOP": (1.0, "FLOP", _COUNTED),
    "FLOP/s": (1.0, "FLOP/s", _COUNTED),
} | {unit: (1.0, unit, _ALL) for unit in ("g CO2e", "g Sb eq", "g", "W", "L")}
"""How units are shown: their own size in the unit inside, their name, and the prefixes they take."""
_TONNE_G = 1e6
MEDIAN_OF_A_SUM = "where errors are independent, the median of a sum is above the sum of the medians"
DUST = 1e-9
"""Below this part of a figure, a difference is rounding."""
_TIMES = ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"), (60.0, "min"), (3600.0, "h"))


@dataclass(frozen=True, slots=True, repr=False)
class Quantity:
    """A physical figure that carries all that is needed to judge it.

    Attributes
    ----------
    value : float
        Median, in ``unit``; never negative.
    unit : str
        ``"J"``, ``"W"``, ``"s"``, ``"g CO2e"``, ``"g CO2e/kWh"``, ``"1"``...
    basis : Basis
        The weakest basis among the inputs.
    source : str
        Where the figure comes from, with a year where it has one.
    spread : mapping of str to float
        Standard deviation of ln(value) by cause of error.
    below, above : float
        Margins added to the interval, in ``unit``.
    name : str
        What the figure is, as formulas call it.
    formula : str
        How it was obtained, plain arithmetic with ``{0}``, ``{1}``... for the inputs.
    inputs : tuple of Quantity
        The named figures of ``formula``.
    at_least : bool
        Whether it is a total that leaves something out, which is shown with ``≥``; not passed on.
    """

    value: float
    unit: str
    basis: Basis = "measured"
    source: str = ""
    spread: Mapping[str, float] = field(default_factory=dict)
    below: float = 0.0
    above: float = 0.0
    name: str = "value"
    formula: str = ""
    inputs: tuple[Quantity, ...] = ()
    at_least: bool = False

    def __post_init__(self) -> None:
        figures = (self.value, self.below, self.above, *self.spread.values())
        if not all(map(math.isfinite, figures)) or min(figures) < 0:
            msg = f"{self.name} cannot be {self.value} (-{self.below}, +{self.above}) {self.unit}"
            raise UnitError(msg + ": a figure, its margins and its spreads are finite and not negative.")
        if self.basis not in BASES:
            msg = f"{self.name} has the basis {self.basis!r}; it must be one of {', '.join(BASES)}."
            raise UnitError(msg)
        object.__setattr__(self, "spread", MappingProxyType(dict(self.spread)))

    @classmethod
    def between(
        cls,
        value: float,
        low: float,
        high: float,
        unit: str,
        *,
        cause: str,
        basis: Basis,
        source: str,
        name: str = "value",
    ) -> Quantity:
        """Return the log-normal figure of this median whose 95 % interval has the ratio ``high / low``."""
        if not 0 < low <= value <= high:
            msg = f"{name}: {value} {unit} is not inside its interval, {low} to {high}."
            raise UnitError(msg)
        log_sd = math.log(high / low) / (2 * Z95)
        return cls(value, unit, basis, source, {cause: log_sd} if log_sd else {}, name=name)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        # A mapping proxy cannot be pickled or copied; the plain dict it shows can.
        parts = (self.value, self.unit, self.basis, self.source, dict(self.spread))
        more = (self.below, self.above, self.name, self.formula, self.inputs, self.at_least)
        return type(self), (*parts, *more)

    @property
    def log_sd(self) -> float:
        """Standard deviation of ln(value), all causes together."""
        return math.hypot(*self.spread.values())

    @property
    def low(self) -> float:
        """Lower bound of the 95 % interval, in ``unit``."""
        low = self.value * math.exp(-Z95 * self.log_sd) - self.below
        return low if low > DUST * self.value else 0.0

    @property
    def high(self) -> float:
        """Upper bound of the 95 % interval, in ``unit``."""
        return self.value * math.exp(Z95 * self.log_sd) + self.above

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return show(self)

    def __repr__(self) -> str:
        return f"<Quantity {self.name}: {self}, {self.basis}>"

    def to_dict(self, *, explained: bool = True) -> dict[str, Any]:
        """Return plain types that JSON can hold; parts at their default are left out.

        Nothing is lost but, where it is not to be ``explained``, the formula and its inputs.
        """
        plain: dict[str, Any] = {
            "value": self.value,
            "unit": self.unit,
            "basis": self.basis,
            "name": self.name,
        }
        optional: dict[str, Any] = {
            "source": self.source,
            "spread": dict(self.spread),
            "below": self.below,
            "above": self.above,
            "at_least": self.at_least,
        }
        if explained:
            optional["formula"] = self.formula
            optional["inputs"] = [part.to_dict() for part in self.inputs]
        return plain | {key: part for key, part in optional.items() if part}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Quantity:
        """Return the figure that ``to_dict`` described."""
        parts = dict(plain)
        parts["inputs"] = tuple(cls.from_dict(part) for part in parts.get("inputs", ()))
        return cls(**parts)

    def explain(self) -> str:
        """Return the formula, the inputs and the sources behind the figure, as indented text.

        The second line of a formula is plain arithmetic that gives the figure again.
        """
        return "\n".join(_explain(self, depth=0))


def show(quantity: Quantity, *, digits: int | None = None) -> str:
    """Return the figure as people read it: scaled unit, two significant digits, 95 % interval.

    Three digits where the interval is within about ±10 % (geometric standard deviation under 1.05).
    Energy is shown in Wh. A figure that may be zero shows only its upper bound, and so does all that
    is made from it by multiplying. ``digits`` asks for another number of digits.
    """
    low, high = quantity.low, quantity.high
    tight = low > 0 and math.log(high / low) < 2 * Z95 * math.log(1.05)
    digits = digits or (3 if tight else 2)
    # The upper bound has the most digits before the point. Rounded first: 0.999 kWh is 1.0 kWh, not 1000 Wh.
    scale, unit = _shown_unit(float(f"{high:.{digits - 1}e}"), quantity.unit)
    gap = " " if unit else ""
    if low == 0 < high:
        return f"< {significant(high / scale, digits)}{gap}{unit}"
    bound = "≥ " if quantity.at_least else ""
    text = f"{bound}{significant(quantity.value / scale, digits)}{gap}{unit}"
    if low == high:
        return text
    return f"{text} ({significant(low / scale, digits)}–{significant(high / scale, digits)})"


def significant(number: float, digits: int) -> str:
    """Return ``number`` with so many significant digits, never in scientific notation."""
    if number == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(number)))
    rounded = round(number, decimals)
    # 9.96 rounds up to 10.0, which has one digit more than it deserves.
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:.{max(0, decimals)}f}"


def _shown_unit(value: float, unit: str) -> tuple[float, str]:
    own, shown, prefixes = _SCALED.get(unit, (1.0, "" if unit == "1" else unit, _NO_PREFIX))
    if value == 0:
        return own, shown
    steps = tuple((own * scale, prefix + shown) for scale, prefix in prefixes)
    if unit == "s":
        steps = _TIMES
    elif unit == "g CO2e" and abs(value) >= _TONNE_G:
        steps = ((_TONNE_G, "t CO2e"),)
    return max((step for step in steps if abs(value) >= step[0]), default=steps[0])


def _explain(quantity: Quantity, *, depth: int) -> list[str]:
    pad = "  " * depth
    lines = [f"{pad}{quantity.name}: {show(quantity)}  [{quantity.basis}]"]
    if quantity.formula:
        named = quantity.formula.format(*(part.name for part in quantity.inputs))
        valued = quantity.formula.format(*(f"{part.value:.9g}" for part in quantity.inputs))
        lines.append(f"{pad}  = {named}")
        lines.append(f"{pad}  = {valued} = {quantity.value:.9g} {quantity.unit}")
        if quantity.formula.startswith("("):
            lines.append(f"{pad}  last factor: {MEDIAN_OF_A_SUM}")
    else:
        lines.append(f"{pad}  = {quantity.value:.9g} {quantity.unit}".removesuffix(" 1"))
    told = "; ".join(dict.fromkeys(part.source for part in quantity.inputs if part.source))
    if quantity.source and quantity.source != told:
        lines.append(f"{pad}  source: {quantity.source}")
    causes = [f"{cause} ×/÷ {math.exp(Z95 * sd):.3g}" for cause, sd in quantity.spread.items() if sd]
    if quantity.below or quantity.above:
        margins = f"-{significant(quantity.below, 2)} / +{significant(quantity.above, 2)}"
        causes.append(f"margins {margins} {quantity.unit}".removesuffix(" 1"))
    if causes:
        lines.append(f"{pad}  95 % interval from: {'; '.join(causes)}")
    for part in quantity.inputs:
        lines.extend(_explain(part, depth=depth + 1))
    return lines
