"""A grid's intensity hour by hour, from a file, and the mean of the hours in which a run used energy."""

from __future__ import annotations

import csv
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

from greenai_magic.errors import SettingError
from greenai_magic.footprint.declared import MOST_G_PER_KWH
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.place import Place
from greenai_magic.footprint.place_names import grid_of
from greenai_magic.quantity import BASES, Quantity

HOUR_S = 3600
HIGHEST_IN_KG = 3.0
"""A file of which no value is above is in kg/kWh: every grid reaches more grams in some hour."""
FIRST_YEAR, LAST_YEAR = 1990, 2200
OTHER_UNITS = ("kg", "mg", "lb", "/mwh", "/mj", "ton")


@dataclass(frozen=True, slots=True)
class Hourly:
    """Grid intensity by hour.

    Attributes
    ----------
    g_per_kwh : mapping of int to float
        Mean intensity (g CO2e/kWh) of the hour that starts at this epoch second, in order.
    source : str
        Where it comes from.
    life_cycle : bool
        Whether it counts the making of fuels and power stations too.
    gaps : tuple of str
        A sentence for each run of hours without a value between the first and the last.
    """

    g_per_kwh: Mapping[int, float]
    source: str
    life_cycle: bool = False
    gaps: tuple[str, ...] = ()


def read_hourly(path: str | Path, *, life_cycle: bool = False) -> Hourly:
    """Read a file of two columns: the start of an hour in ISO format with its zone, and g CO2e/kWh.

    A first line that does not start with a time is taken for the names of the columns. An hour that
    is missing, or whose value is empty, is a gap and no error.

    Parameters
    ----------
    path : str or Path
        CSV with commas or semicolons.
    life_cycle : bool
        Whether the values count the making of fuels and power stations too.

    Raises
    ------
    SettingError
        If the file cannot be read, or a line of it: the message names the line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"The hourly factors in {path.name} cannot be read ({error}): give a CSV file in UTF-8."
        raise SettingError(msg) from error
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    lines = csv.reader(text.splitlines(), delimiter=delimiter)
    values: dict[int, float] = {}
    gaps: list[str] = []
    last: int | None = None
    for number, cells in _numbered(lines, path.name):
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path.name}, line {number}"
        if number == 1 and _is_header(cells, where):
            continue
        start, value = _row(cells, where)
        if last is not None:
            gaps += _step(last, start, where)
        last = start
        if value is None:
            gaps.append(f"{where}: no value for the hour from {_shown(start)}.")
        else:
            values[start] = value
    if not values:
        msg = f"{path.name} has no hour with a value: give lines such as 2025-01-31T14:00+00:00,41.4."
        raise SettingError(msg)
    if max(values.values()) < HIGHEST_IN_KG:
        msg = f"{path.name} has no value above {max(values.values()):g}: give g/kWh and not kg/kWh."
        raise SettingError(msg)
    return Hourly(values, path.name, life_cycle, tuple(gaps))


def energy_by_hour(
    hourly: Hourly, times_s: Sequence[float], cumulative_j: Sequence[float]
) -> dict[int | None, float]:
    """Return the joules used in each hour that has a value, and under None those in no such hour.

    Power is constant between two points, and so an hour's edge splits their energy by time. The
    joules add up to the last point's less the first's. Where no energy was used, seconds take the
    place of joules.

    Parameters
    ----------
    hourly : Hourly
        The hours.
    times_s : sequence of float
        Epoch seconds of the points, none before the one it follows.
    cumulative_j : sequence of float
        Joules up to each point, never falling.

    Raises
    ------
    SettingError
        If the points are fewer than two, or fall.
    """
    points = list(zip(times_s, cumulative_j, strict=True))
    falls = any(later[0] < before[0] or later[1] < before[1] for before, later in pairwise(points))
    if len(points) < 2 or falls or not all(map(math.isfinite, (*times_s, *cumulative_j))):
        msg = "A curve of energy needs two points or more, of which neither time nor energy ever falls."
        raise SettingError(msg)
    if cumulative_j[0] == cumulative_j[-1]:
        points = [(time, time) for time in times_s]
    starts = list(hourly.g_per_kwh)
    edges = sorted({edge for start in starts for edge in (start, start + HOUR_S)})
    found: dict[int | None, float] = {}
    for (t0, j0), (t1, j1) in pairwise(points):
        for begin, end in _pieces(t0, t1, edges):
            share = (end - begin) / (t1 - t0) if t1 > t0 else 1.0
            hour = _hour_of((begin + end) / 2, starts)
            found[hour] = found.get(hour, 0.0) + share * (j1 - j0)
    return {hour: joules for hour, joules in found.items() if joules > 0} or {
        _hour_of(times_s[0], starts): 1.0
    }


def at_hours(place: Place, hourly: Hourly, times_s: Sequence[float], cumulative_j: Sequence[float]) -> Place:
    """Return the place with the mean intensity of the hours of a run, weighted by its energy.

    Hours with a value have no error of the hour of the day; the others keep the place's yearly
    factor, and the source says how much of the energy that is. Spreads add by their share, which is
    exact to first order.

    Parameters
    ----------
    place : Place
        Where the run was.
    hourly : Hourly
        The intensity of its grid.
    times_s : sequence of float
        Epoch seconds of the points of the run's curve of energy.
    cumulative_j : sequence of float
        Joules up to each point.

    Raises
    ------
    SettingError
        If the curve is none: see :func:`energy_by_hour`.
    """
    joules = energy_by_hour(hourly, times_s, cumulative_j)
    whole = math.fsum(joules.values())
    left = joules.get(None, 0.0) / whole
    known = {hour: joule for hour, joule in joules.items() if hour is not None}
    if not known:
        yearly = place.grid_intensity
        source = f"{yearly.source}; {hourly.source} has no value for the hours of the run"
        return replace(place, grid_intensity=replace(yearly, source=source))
    covered = math.fsum(joule * hourly.g_per_kwh[hour] for hour, joule in known.items()) / whole
    return replace(
        place,
        grid_intensity=_mean(place, hourly, covered, left),
        life_cycle=hourly.life_cycle and (place.life_cycle or not left),
        vintage=datetime.fromtimestamp(max(known), timezone.utc).year,
    )


def _mean(place: Place, hourly: Hourly, covered: float, left: float) -> Quantity:
    """Return the intensity of a run: g/kWh from its hours, and for what is left the place's own."""
    yearly = place.grid_intensity
    value = covered + left * yearly.value
    spread = {f"grid intensity {grid_of(place.code)}": covered / value * gsd("grid yearly").log_sd}
    source = f"{hourly.source}, hour by hour"
    if left:
        for name, log_sd in yearly.spread.items():
            spread[name] = spread.get(name, 0.0) + left * yearly.value / value * log_sd
        source += f"; {left:.1%} of the energy, in hours without a value, at {yearly.source}"
    return replace(
        yearly,
        value=value,
        basis=max("declared", yearly.basis, key=BASES.index) if left else "declared",
        source=source,
        spread=spread,
        below=left * yearly.below,
        above=left * yearly.above,
    )


def _numbered(lines: Any, name: str) -> Iterator[tuple[int, list[str]]]:
    try:
        for cells in lines:
            yield lines.line_num, cells
    except csv.Error as error:
        msg = f"{name}, line {lines.line_num}: not readable as CSV ({error})."
        raise SettingError(msg) from error


def _pieces(begin: float, end: float, edges: list[int]) -> Iterator[tuple[float, float]]:
    inside = edges[bisect_right(edges, begin) : bisect_left(edges, end)]
    return pairwise((begin, *inside, end))


def _hour_of(time_s: float, starts: list[int]) -> int | None:
    place = bisect_right(starts, time_s) - 1
    return starts[place] if place >= 0 and time_s < starts[place] + HOUR_S else None


def _is_header(cells: list[str], where: str) -> bool:
    if cells[0].strip()[:1].isdigit():
        return False
    unit = "".join(cells[1:]).casefold()
    for other in OTHER_UNITS:
        if other in unit:
            msg = f"{where}: {''.join(cells[1:]).strip()!r} is not g/kWh: give grams of CO2e per kWh."
            raise SettingError(msg)
    return True


def _row(cells: list[str], where: str) -> tuple[int, float | None]:
    if len(cells) != 2:
        msg = f"{where}: {len(cells)} columns, give two: 2025-01-31T14:00+00:00,41.4."
        raise SettingError(msg)
    when, text = (cell.strip() for cell in cells)
    try:
        # Python 3.10 does not know the Z of UTC.
        time = datetime.fromisoformat(when[:-1] + "+00:00" if when[-1:] in "Zz" else when)
    except ValueError as error:
        msg = f"{where}: {when!r} is no time: write it as 2025-01-31T14:00+00:00."
        raise SettingError(msg) from error
    if not FIRST_YEAR <= time.year <= LAST_YEAR:
        msg = f"{where}: {when!r} is no time of a run: check the year."
        raise SettingError(msg)
    if time.tzinfo is None:
        msg = f"{where}: {when!r} has no zone: write it as {when}+00:00 if it is UTC."
        raise SettingError(msg)
    if time.minute or time.second or time.microsecond:
        msg = f"{where}: {when!r} is not the start of an hour: take the mean of each hour first."
        raise SettingError(msg)
    start = int(time.timestamp())
    if not text:
        return start, None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= MOST_G_PER_KWH:
        msg = f"{where}: {text!r} is no intensity: give g/kWh above 0, at most {MOST_G_PER_KWH:g}."
        raise SettingError(msg)
    return start, value


def _step(last: int, start: int, where: str) -> list[str]:
    """Return the sentence of a gap between two lines, if there is one; refuse two hours that overlap."""
    if start == last:
        msg = f"{where}: {_shown(start)} is there twice: leave one line of it."
        raise SettingError(msg)
    if start < last:
        msg = f"{where}: {_shown(start)} comes after {_shown(last)}: sort the lines by time."
        raise SettingError(msg)
    if start < last + HOUR_S:
        msg = f"{where}: {_shown(start)} is within the hour from {_shown(last)}: give whole hours."
        raise SettingError(msg)
    if start == last + HOUR_S:
        return []
    missing = f"{_shown(last + HOUR_S)} to {_shown(start)}"
    return [f"{where}: no hours from {missing}."]


def _shown(start: int) -> str:
    return datetime.fromtimestamp(start, timezone.utc).isoformat(timespec="minutes")
