"""Figures that somebody declares about a place: numbers or figures of their own, checked."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

from greenai_magic.errors import SettingError
from greenai_magic.quantity import DUST, Z95, Quantity

Figure = float | Quantity
"""A plain number in the unit that the parameter's name says, or a figure with an interval of its own."""

G_PER_KWH = "g CO2e/kWh"
PUE_MAX = 5.0
"""Larger values are taken for typing errors."""
MOST_G_PER_KWH = 3000.0
"""No grid emits more: the dirtiest power stations are at half of it."""
LEAST_G_PER_KWH = 1.0
"""No grid emits less: a smaller number is probably in kg/kWh."""
WUE_MAX = 20.0
"""L/kWh; the thirstiest sites that publish theirs are near 3."""
EWIF_MAX = 500.0
"""L/kWh; reservoirs in dry countries lose tens of litres a kWh."""


def checked_pue(pue: float) -> float:
    """Return a PUE that somebody declares.

    Raises
    ------
    SettingError
        If it is not a number from 1 to 5.
    """
    if not _is_number(pue) or not 1 <= pue <= PUE_MAX:
        msg = f"PUE cannot be {pue!r}: give a number from 1 (a laptop) to {PUE_MAX:g}, such as 1.2."
        raise SettingError(msg)
    return float(pue)


def declared_pue(pue: Figure, code: str, *, gsd: float) -> Quantity:
    """Return a declared PUE, of which the interval never reaches below 1.

    Raises
    ------
    SettingError
        If it is not from 1 to 5.
    """
    if isinstance(pue, Quantity):
        _same_unit(pue, "1", "PUE")
        checked_pue(pue.value)
        if pue.low < 1 - DUST:
            msg = f"PUE cannot be {pue.low:.3g} to {pue.high:.3g}: no building uses less than its devices."
            raise SettingError(msg)
        return replace(pue, name="PUE")
    value = checked_pue(pue)
    return _declared(value, "1", "PUE", {f"PUE {code} {value:g}": pue_log_sd(value, gsd)})


def pue_log_sd(value: float, gsd: float) -> float:
    """Return the standard deviation of ln(PUE), less where its interval would reach below 1.

    No building uses less than its devices: 1 itself is exact.
    """
    return min(math.log(gsd), math.log(value) / Z95)


def declared_litres(litres: Figure, code: str, *, name: str, most: float, gsd: float) -> Quantity:
    """Return declared litres of water per kWh, zero or more.

    Raises
    ------
    SettingError
        If it is no number from 0 to ``most``, or a figure of another unit.
    """
    if isinstance(litres, Quantity):
        _same_unit(litres, "L/kWh", name)
        return replace(litres, name=name)
    if not _is_number(litres) or not 0 <= litres <= most:
        msg = f"{name} cannot be {litres!r}: give litres per kWh from 0 to {most:g}, such as 0.2."
        raise SettingError(msg)
    return _declared(litres, "L/kWh", name, {f"{name} {code} {float(litres):g}": math.log(gsd)})


def declared_grid_intensity(g_per_kwh: Figure, code: str, *, gsd: float) -> Quantity:
    """Return a declared location-based factor, which is never 0.

    It is taken as that of the job's own hours, so that it has no error for the hour of the day.

    Raises
    ------
    SettingError
        If it is 0 or less, or so high or so low that it is probably in another unit.
    """
    name = "grid intensity"
    value = _checked_intensity(g_per_kwh, name)
    if value == 0:
        msg = (
            "grid intensity cannot be 0, since a location-based factor never is: "
            "give the factor of the grid, and a contract's as market_intensity_g_per_kwh."
        )
        raise SettingError(msg)
    if isinstance(g_per_kwh, Quantity):
        return replace(g_per_kwh, name=name)
    return _declared(value, G_PER_KWH, name, {f"{name} {code} {value:g}": math.log(gsd)})


def declared_market_intensity(g_per_kwh: Figure, code: str, *, gsd: float) -> Quantity:
    """Return a declared market-based factor: that of a contract, which may be 0.

    Raises
    ------
    SettingError
        If it is negative, or so high or so low that it is probably in another unit.
    """
    name = "market intensity"
    value = _checked_intensity(g_per_kwh, name)
    if isinstance(g_per_kwh, Quantity):
        return replace(g_per_kwh, name=name)
    return _declared(value, G_PER_KWH, name, {f"{name} {code} {value:g}": math.log(gsd)})


def _checked_intensity(g_per_kwh: Figure, name: str) -> float:
    if isinstance(g_per_kwh, Quantity):
        _same_unit(g_per_kwh, G_PER_KWH, name)
        value, smallest = g_per_kwh.value, 0.0
    elif _is_number(g_per_kwh):
        value, smallest = float(g_per_kwh), LEAST_G_PER_KWH
    else:
        value, smallest = math.nan, 0.0
    if not 0 <= value < math.inf:
        msg = f"{name} cannot be {g_per_kwh!r}: give grams of CO2e per kWh, such as 41.44."
        raise SettingError(msg)
    if value > MOST_G_PER_KWH:
        msg = f"{name} cannot be {value:g} g/kWh, no grid is above {MOST_G_PER_KWH:g}: give grams per kWh."
        raise SettingError(msg)
    if 0 < value < smallest:
        msg = f"{name} of {value:g} is probably in kg/kWh: give {1000 * value:g}, or a Quantity if it is not."
        raise SettingError(msg)
    return value


def _declared(value: float, unit: str, name: str, spread: dict[str, float]) -> Quantity:
    certain = value == 0 or not any(spread.values())
    return Quantity(
        float(value), unit, "declared", "declared by the user", {} if certain else spread, name=name
    )


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= sys.float_info.max


def _same_unit(figure: Quantity, unit: str, name: str) -> None:
    if figure.unit != unit:
        msg = f"{name} cannot be in {figure.unit}: give it in {'no unit' if unit == '1' else unit}."
        raise SettingError(msg)
