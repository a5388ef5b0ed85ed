"""Footprints of a whole history at once: what ``assess`` says of each run, as columns.

Every line of a footprint is proportional to the energy, to the duration or to neither, and its spreads do not
depend on them. So the lines are made once, for a joule and a second, and numpy multiplies and adds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from greenai_magic.errors import UnitError
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.impacts import Footprint, assess
from greenai_magic.footprint.place import Place
from greenai_magic.quantity import DUST, Z95, Quantity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

ENERGY = "energy"
"""The cause of error that the energies of all rows share."""


def assess_columns(
    energy_j: ArrayLike,
    *,
    place: Place,
    energy_log_sd: float = gsd("energy counter").log_sd,
) -> Any:
    """Return the footprint of many runs in one place, the same figures as ``assess`` of each.

    Parameters
    ----------
    energy_j : array-like
        Joules at the devices, one a run; a pandas Series gives its index to the result.
    place : Place
        Grid intensity in g CO2e/kWh and PUE, of all runs.
    energy_log_sd : float
        Standard deviation of the logarithm of each energy.

    Returns
    -------
    pandas.DataFrame
        For each criterion its median, ``gwp``, and the bounds of its 95 % interval, ``gwp_low`` and
        ``gwp_high``; ``attrs["units"]`` has the unit by criterion.

    Raises
    ------
    UnitError
        If an energy is negative or not a number, or they are not one row.
    """
    import numpy as np
    import pandas as pd

    energy = _figures(energy_j, "energy")
    one, two = (_of_joules(joules, energy_log_sd, place) for joules in (1.0, 2.0))
    columns: dict[str, NDArray[np.float64]] = {}
    units = {}
    for criterion, unit_lines in _by_criterion(one).items():
        doubled = _by_criterion(two)[criterion]
        factors = [
            energy if twice.value > line.value else np.ones_like(energy)
            for line, twice in zip(unit_lines, doubled, strict=True)
        ]
        value, low, high = scaled_totals(unit_lines, np.stack(factors, axis=-1))
        columns |= {criterion: value, f"{criterion}_low": low, f"{criterion}_high": high}
        units[criterion] = unit_lines[0].unit
    frame = pd.DataFrame(columns, index=energy_j.index if isinstance(energy_j, pd.Series) else None)
    frame.attrs["units"] = units
    return frame


def scaled_totals(
    lines: Sequence[Quantity], factors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the totals of lines that are each multiplied by a number, a row of numbers a total.

    The same sums of log-normals as :func:`greenai_magic.arithmetic.total`, for all rows at once.

    Parameters
    ----------
    lines : sequence of Quantity
        Of one unit.
    factors : numpy.ndarray
        ``(rows, lines)``, not negative.

    Returns
    -------
    tuple of numpy.ndarray
        Medians, lower and upper bounds of the 95 % intervals, in the lines' unit.
    """
    import numpy as np

    values, below, above = (
        factors * np.array([getattr(line, part) for line in lines]) for part in ("value", "below", "above")
    )
    causes = sorted({cause for line in lines for cause in line.spread})
    spreads = np.array([[line.spread.get(cause, 0.0) for cause in causes] for line in lines])
    lowest = values * np.exp(-Z95 * np.sqrt((spreads**2).sum(axis=-1))) - below
    value, log_sd, skew = _sums_of_log_normals(values, spreads)
    nothing_sure = np.all(lowest <= DUST * values, axis=-1)
    low = value * np.exp(-Z95 * log_sd) - np.where(nothing_sure, value, below.sum(axis=-1))
    high = value * np.exp(Z95 * log_sd) + skew + above.sum(axis=-1)
    return value, np.where(low > DUST * value, low, 0.0), high


def _sums_of_log_normals(
    values: NDArray[np.float64], spreads: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return value, log standard deviation and further reach upwards of each row's sum.

    Formulas and sources are those of :mod:`greenai_magic.arithmetic`.
    """
    import numpy as np

    in_common = spreads @ spreads.T
    means = values * np.exp(np.diag(in_common) / 2)
    mean = means.sum(axis=-1)
    shares = means / np.where(mean > 0, mean, 1.0)[:, None]
    direction = shares @ spreads
    length2 = (direction**2).sum(axis=-1)
    log_variance = np.log1p((shares @ np.expm1(in_common) * shares).sum(axis=-1))
    sways = direction @ spreads.T - length2[:, None]
    unsure = length2 >= DUST**2
    skew = (shares * sways**2).sum(axis=-1) / np.where(unsure, log_variance, 1.0) / 2
    centre = skew * (Z95**2 - 1) - log_variance / 2
    reach = Z95 * np.sqrt(log_variance)
    log_sd = np.sqrt(np.maximum(Z95**2, Z95**2 + 2 * (reach - centre))) - Z95
    value = mean * np.exp(-(log_sd**2) / 2)
    further = mean * np.exp(centre + reach) - value * np.exp(Z95 * log_sd)
    return (
        np.where(unsure, value, values.sum(axis=-1)),
        np.where(unsure, log_sd, 0.0),
        np.where(unsure & (further > DUST * value), further, 0.0),
    )


def _of_joules(joules: float, log_sd: float, place: Place) -> Footprint:
    return assess(Quantity(joules, "J", spread={ENERGY: log_sd} if log_sd else {}, name="energy"), place)


def _by_criterion(footprint: Footprint) -> dict[str, list[Quantity]]:
    """Return the lines that each criterion's total adds up."""
    lines: dict[str, list[Quantity]] = {}
    for line in footprint.lines:
        if line.criterion != "gwp" or line in footprint.gwp_lines:
            lines.setdefault(line.criterion, []).append(line.quantity)
    return lines


def _figures(given: ArrayLike, name: str) -> NDArray[np.float64]:
    import numpy as np

    figures = np.asarray(given, dtype=float)
    if figures.ndim != 1 or not np.all((figures >= 0) & np.isfinite(figures)):
        msg = f"Columns need one {name} a run, each a number that is not negative."
        raise UnitError(msg)
    return figures
