"""Footprints of a whole history at once: what ``assess`` says of each run, as columns.

Lines of electricity are proportional to the energy and lines of hardware to the duration, with spreads that
depend on neither. So the lines are made once, for a joule and a second, and numpy multiplies and adds them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from greenai_magic.errors import UnitError
from greenai_magic.footprint.embodied import Part, lines_of
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.impacts import assess
from greenai_magic.footprint.place import Place
from greenai_magic.quantity import DUST, Z95, Quantity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

ENERGY = "energy"
"""The cause of error that the energies of all rows share."""


def assess_columns(
    energy_j: ArrayLike,
    duration_s: ArrayLike | None = None,
    *,
    place: Place,
    hardware: Iterable[Part] = (),
    energy_log_sd: float | None = None,
) -> Any:
    """Return the footprint of many runs in one place, the same figures as ``assess`` of each.

    Parameters
    ----------
    energy_j : array-like
        Joules at the devices, one a run; a pandas Series gives its index to the result.
    duration_s : array-like, optional
        Seconds of each run; only hardware needs them.
    place : Place
        Factors of the electricity and of the building, for all runs.
    hardware : iterable of Part
        What each run used for its duration.
    energy_log_sd : float, optional
        Standard deviation of the logarithm of each energy; an energy counter's when left out.

    Returns
    -------
    pandas.DataFrame
        For each criterion its median and the bounds of its 95 % interval: ``gwp`` (location-based),
        ``gwp_low``, ``gwp_high``...; in ``UNITS``. What is not assessed has no column.

    Raises
    ------
    UnitError
        If a figure is negative or not a number, or there is not one for each run.
    """
    import numpy as np
    import pandas as pd

    made = lines_of(hardware, Quantity(1.0, "s", name="duration"))
    log_sd = gsd("energy counter").log_sd if energy_log_sd is None else energy_log_sd
    spread = {ENERGY: log_sd} if log_sd else {}
    unit = assess(Quantity(1.0, "J", spread=spread, name="energy"), place, made)
    energy = _column(energy_j, "energy")
    seconds = energy if duration_s is None and not made else _column(duration_s, "duration", len(energy))
    counted = [line for line in unit.lines if line.scope != "2 market-based"]
    columns: dict[str, NDArray[np.float64]] = {}
    for criterion in dict.fromkeys(line.criterion for line in counted):
        lines = [line for line in counted if line.criterion == criterion]
        factors = np.stack([seconds if line in made else energy for line in lines], axis=-1)
        figures = scaled_totals([line.quantity for line in lines], factors)
        columns |= {criterion + end: f for end, f in zip(("", "_low", "_high"), figures, strict=True)}
    return pd.DataFrame(columns, index=energy_j.index if isinstance(energy_j, pd.Series) else None)


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


def _column(given: ArrayLike | None, name: str, runs: int | None = None) -> NDArray[np.float64]:
    import numpy as np

    figures = np.asarray([math.nan] if given is None else given, dtype=float)
    if figures.ndim != 1 or not np.all((figures >= 0) & np.isfinite(figures)):
        msg = f"Columns need one {name} a run, each a number that is not negative."
        raise UnitError(msg)
    if runs not in {None, len(figures)}:
        msg = f"Columns need one {name} for each of {runs} runs, not {len(figures)}."
        raise UnitError(msg)
    return figures
