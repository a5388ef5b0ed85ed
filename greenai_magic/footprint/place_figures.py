"""The figures of a place as the tables have them, each with its interval and its source."""

from __future__ import annotations

import math
from functools import cache
from typing import Literal

from greenai_magic.footprint.declared import pue_log_sd
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.place_names import Row, clouds, grids, place_row, providers, resources
from greenai_magic.quantity import Z95, Basis, Quantity

US_EWIF_L_PER_KWH = 3.142
US_EWIF_SOURCE = "mean of the USA, Li et al. 2023 (arXiv:2304.03271, Table 1), for want of the place's own"


def data_centre_pue() -> Quantity:
    """Return the PUE of a data centre of which nothing is known: 1.5, 95 % 1.1 to 2.0."""
    error = gsd("pue unknown")
    source = f"a data centre whose PUE nobody declared: {error.basis}"
    spread = {"PUE of an unknown data centre": pue_log_sd(1.5, error.factor)}
    return Quantity(1.5, "1", "default", source, spread, name="PUE")


def desk_pue() -> Quantity:
    """Return the PUE outside a data centre: 1, exactly."""
    return Quantity(
        1.0, "1", "default", "no data centre declared: a laptop or desk machine has 1.0", name="PUE"
    )


def grid_intensity(row: Row, of: str) -> Quantity:
    """Return the grid intensity of a row, in g CO2e/kWh, for a place that may be a region on that grid."""
    code, value = row["code"], float(row["value"])
    basis = row["basis"].partition(",")[0]
    source = f"{row['source']}, {row['name']}, {row['year']}, {basis} ({row['licence']})"
    if "low" in row:
        low, high = float(row["low"]), float(row["high"])
        spread, below, above = _inside(value, low, high, f"grid intensity {code}")
        return Quantity(value, row["unit"], "default", source, spread, below, above, "grid intensity")
    age = _newest_year() - int(row["year"])
    yearly = gsd("grid yearly").log_sd + age * gsd("grid, year of age").log_sd
    spread = {
        f"grid intensity {code}": yearly,
        f"hour of the day {code}": gsd("grid hour").log_sd,
    }
    if of != code:
        source += f", the grid of {of}"
    return Quantity(value, row["unit"], "declared", source, spread, name="grid intensity")


def published(code: str, kind: Literal["pue", "wue"]) -> Quantity | None:
    """Return the PUE or the WUE (in L/kWh) of a provider's region: its own, or the provider's mean.

    None for a place that is no provider's.
    """
    provider = providers().get(code.partition("/")[0])
    if provider is None:
        return None
    name, unit = kind.upper(), "1" if kind == "pue" else "L/kWh"
    region = clouds().get(code, {})
    own = bool(region.get(kind))
    row = region if own else provider
    value, cause = float(row[kind]), f"{name} {code}"
    below = above = 0.0
    if row[f"{kind}_low"]:
        low, high = float(row[f"{kind}_low"]), float(row[f"{kind}_high"])
        spread, below, above = _inside(value, low, high, cause)
    else:
        spread = {cause: pue_log_sd(value, gsd("pue given").factor) if kind == "pue" else gsd("wue").log_sd}
    basis: Basis = "declared" if own else "default"
    source = f"{row['source']}, {row['year']} ({row['licence']})"
    return Quantity(value, unit, basis, source, spread, below, above, name)


def ewif_of_any(country: str) -> Quantity:
    """Return the water that power stations use, in L/kWh: one value for every country, and wide.

    No table by country may be redistributed.
    """
    spread = {f"EWIF {country}": gsd("ewif").log_sd}
    return Quantity(US_EWIF_L_PER_KWH, "L/kWh", "default", US_EWIF_SOURCE, spread, name="EWIF")


def adpe(country: str) -> Quantity:
    """Return the minerals and metals that a country's electricity depletes, in g Sb eq/kWh."""
    log_sd = gsd("resources").log_sd
    return _resource("adpe_g_sb_eq_per_kwh", country, "g Sb eq/kWh", "ADPe of electricity", log_sd)


def adpf(country: str) -> Quantity:
    """Return the fossil resources that a country's electricity depletes, in MJ/kWh."""
    log_sd = gsd("resources").log_sd
    return _resource("adpf_mj_per_kwh", country, "MJ/kWh", "ADPf of electricity", log_sd)


@cache
def _resource(column: str, country: str, unit: str, name: str, log_sd: float) -> Quantity:
    """Return the country's own figure, or the median of all countries where it has none."""
    rows, cause = resources(), f"{name} {country}"
    if country in rows:
        row = rows[country]
        source = f"{row['source']}, {place_row(country)['name']}, {row['year']} ({row['licence']})"
        return Quantity(float(row[column]), unit, "modelled", source, {cause: log_sd}, name=name)
    # Some milliseconds to load, which most places never need.
    import statistics

    row = next(iter(rows.values()))
    known = [float(row[column]) for row in rows.values()]
    cuts, value = statistics.quantiles(known, n=40, method="inclusive"), statistics.median(known)
    spread, below, above = _inside(value, cuts[0], cuts[-1], cause)
    source = f"median and 95 % of {len(known)} countries, {row['source']}, {row['year']} ({row['licence']})"
    return Quantity(value, unit, "default", source, spread, below, above, name)


def _inside(value: float, low: float, high: float, cause: str) -> tuple[dict[str, float], float, float]:
    """Return the spread and the margins below and above of a figure of exactly these bounds.

    Where one bound is further from the median than the other, no log-normal has both: the spread
    reaches to the nearer and a margin to the further.
    """
    log_sd = min(math.log(value / low), math.log(high / value)) / Z95
    reach = math.exp(Z95 * log_sd)
    return {cause: log_sd}, max(0.0, value / reach - low), max(0.0, high - value * reach)


@cache
def _newest_year() -> int:
    return max(int(row["year"]) for row in grids().values())
