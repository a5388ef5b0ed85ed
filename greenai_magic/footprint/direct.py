"""Scope 1: what the user's own site burns and leaks."""

from __future__ import annotations

from greenai_magic.errors import SettingError
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.impacts import UNITS, Line
from greenai_magic.quantity import Quantity

L_PER_GALLON = 3.785411784
FUEL_G_PER_L = {"diesel": 10_210 / L_PER_GALLON, "petrol": 8_780 / L_PER_GALLON}
"""g CO2 per litre burnt: 10.21 and 8.78 kg a US gallon (US EPA, GHG Emission Factors Hub, 2024)."""
REFRIGERANT_GWP = {"R-134a": 1530.0, "R-32": 771.0, "R-410A": 2255.5}
"""g CO2e per g over 100 years (IPCC AR6, 2021, chapter 7 supplement; R-410A is half R-32, half R-125)."""
MOST = 1e12
"""Litres or kilograms; the world burns less in a year."""


def burnt(litres: float, fuel: str = "diesel", *, share: float = 1.0) -> Line:
    """Return the line of a fuel that the site burns, as in a back-up generator.

    Parameters
    ----------
    litres : float
        Burnt in the period.
    fuel : str
        ``"diesel"`` or ``"petrol"``.
    share : float
        The run's part of the site's use in the period.

    Raises
    ------
    SettingError
        If no factor is known, or a figure cannot be.
    """
    factor = _factor(FUEL_G_PER_L, fuel, "fuel")
    source = "declared litres; US EPA GHG Emission Factors Hub, 2024; CO2 alone"
    return _line(litres, factor, share, fuel, source=source, log_sd=gsd("fuel").log_sd)


def leaked(kilograms: float, refrigerant: str = "R-410A", *, share: float = 1.0) -> Line:
    """Return the line of a refrigerant that the site's cooling lost.

    Parameters
    ----------
    kilograms : float
        Refilled in the period.
    refrigerant : str
        ``"R-134a"``, ``"R-32"`` or ``"R-410A"``.
    share : float
        The run's part of the site's use in the period.

    Raises
    ------
    SettingError
        As for :func:`burnt`.
    """
    factor = _factor(REFRIGERANT_GWP, refrigerant, "refrigerant")
    source = "declared kilograms; global warming potential of IPCC AR6, 2021"
    return _line(
        kilograms, 1000 * factor, share, refrigerant, source=source, log_sd=gsd("refrigerant").log_sd
    )


def _factor(table: dict[str, float], name: str, kind: str) -> float:
    found = {known.casefold(): factor for known, factor in table.items()}
    if name.casefold() not in found:
        msg = f"No factor is known of the {kind} {name[:40]!r}: write one of {', '.join(table)}."
        raise SettingError(msg)
    return found[name.casefold()]


def _line(amount: float, factor: float, share: float, item: str, *, source: str, log_sd: float) -> Line:
    numbers = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (amount, share))
    if not numbers or not 0 <= amount < MOST or not 0 < share <= 1:
        msg = f"{item}: give an amount of at least 0 and a share above 0 and up to 1."
        raise SettingError(msg)
    name = f"CO2e of {item}"
    figure = Quantity(
        amount * factor * share, UNITS["gwp"], "declared", source, {f"factor of {item}": log_sd}, name=name
    )
    return Line("1", "use", "gwp", figure, item)
