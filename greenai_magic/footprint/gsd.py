"""How unsure each input of a footprint is where nothing better is known: one table with its basis.

A geometric standard deviation (GSD) is a factor: 95 % of a log-normal lies between median / GSD^1.96 and
median x GSD^1.96. A GSD of 1 is an exact figure.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from greenai_magic.errors import SettingError


@dataclass(frozen=True, slots=True)
class Gsd:
    """A geometric standard deviation and why it has this size.

    Attributes
    ----------
    factor : float
        At least 1; dimensionless.
    basis : str
        The source, with its year, or the reason for an engineering choice.
    """

    factor: float
    basis: str

    @property
    def log_sd(self) -> float:
        """Standard deviation of the logarithm, as ``Quantity.spread`` takes it."""
        return math.log(self.factor)


GSDS: Mapping[str, Gsd] = MappingProxyType({
    "energy counter": Gsd(1.05, "±5 % by NVIDIA for its sensor (Yang 2024, arXiv 2312.02741); rounded up"),
    "energy counter, short run": Gsd(
        1.15, "fewer than 10 averaging windows of a sensor (Yang 2024, arXiv 2312.02741); engineering choice"
    ),
    "energy of codecarbon": Gsd(
        1.19, "up to 40 % off a wattmeter (arXiv 2509.22092, 2025), taken as the 95 % interval"
    ),
    "power at unknown load": Gsd(
        1.53, "GPUs draw 0.49 of their rated power, 11 training runs (Dodge 2022, arXiv 2206.05229)"
    ),
    "utilisation": Gsd(
        1.65,
        "12 large trainings (published 2020 to 2024) reached 0.16 to 0.55 of their peak, a GSD of 1.45; "
        "wider for smaller jobs: engineering choice",
    ),
    "load of a training": Gsd(
        1.34, "4 trainings drew 0.54 to 1.10 of their rated power (Patterson 2021, arXiv 2104.10350, Table 4)"
    ),
    "pue given": Gsd(1.05, "declared, most often as the mean of a year; engineering choice"),
    "pue unknown": Gsd(1.165, "1.1 in the largest centres, 1.56 on average (Uptime Institute 2024), up to 2"),
    "grid yearly": Gsd(1.10, "publishers of yearly factors of one basis (2024); engineering choice"),
    "grid hour": Gsd(1.30, "hours of France around their yearly mean (2024); other grids differ"),
    "embodied": Gsd(
        1.73,
        "10.4, 16.7, 24.5 and 37.5 g CO2e per GPU-hour: BLOOM (Luccioni 2022), NVIDIA's declaration in "
        "EcoLogits' server, boaviztapi 2.5, EcoLogits 0.11 (2025)",
    ),
    "use of servers": Gsd(1.10, "0.85 of BLOOM's cluster (Luccioni 2022); engineering choice"),
    "use of personal machines": Gsd(1.50, "8 h a day, 220 days a year; engineering choice"),
    "freight": Gsd(1.50, "one factor a mode (ADEME and Hubblo 2026); engineering choice"),
    "fuel": Gsd(1.02, "carbon in a litre (US EPA 2024); engineering choice"),
    "refrigerant": Gsd(1.20, "warming potentials over 100 years (IPCC AR6 2021); engineering choice"),
    "lifetime": Gsd(1.25, "servers are kept for 3 to 7 years; engineering choice"),
    "grid, year of age": Gsd(
        1.02, "added for each year that a factor is older than the newest (2024); engineering choice"
    ),
    "resources": Gsd(1.70, "factors whose basis and year are not stated (2025); engineering choice"),
    "wue": Gsd(1.50, "0.01 to 2.75 L/kWh by region (AWS 2024); engineering choice for a known operator"),
    "ewif": Gsd(2.00, "1.9 to 19 L/kWh by country, by its hydropower (WRI 2020); engineering choice"),
})  # fmt: skip
"""By the name of the input."""


def gsd(name: str) -> Gsd:
    """Return the geometric standard deviation of an input: the user's, or else the table's.

    Parameters
    ----------
    name : str
        One of :data:`GSDS`.

    Raises
    ------
    SettingError
        If the table has no such name.
    """
    known = _known(name)
    if name not in _changed:
        return known
    return Gsd(_changed[name], f"set by the user; {known.factor:g} by default")


def use_gsds(changed: Mapping[str, float]) -> None:
    """Put a user's geometric standard deviations in force in this process; none of them go back to the table.

    Parameters
    ----------
    changed : mapping of str to float
        Factors of at least 1, by the names of :data:`GSDS`. Places that were found before keep theirs.

    Raises
    ------
    SettingError
        If the table has no such name, or a factor is not a number of at least 1; nothing is changed then.
    """
    global _changed
    for name in changed:
        _known(name)
    _changed = {name: _checked(name, factor) for name, factor in changed.items()}


def _known(name: str) -> Gsd:
    if name in GSDS:
        return GSDS[name]
    near = difflib.get_close_matches(str(name).casefold(), GSDS, n=3, cutoff=0.4)
    likely = f"did you mean {' or '.join(map(repr, near))}?" if near else f"write one of {', '.join(GSDS)}."
    msg = f"No input has the uncertainty {name!r}: {likely}"
    raise SettingError(msg)


def _checked(name: str, factor: float) -> float:
    number = isinstance(factor, (int, float)) and not isinstance(factor, bool)
    if not number or not 1 <= factor < math.inf:
        msg = f"The GSD of {name!r} cannot be {factor!r}: give a number from 1 (exact) up, such as 1.2."
        raise SettingError(msg)
    return float(factor)


_changed: Mapping[str, float] = {}
