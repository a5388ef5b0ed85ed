"""The site of a run: where its electricity comes from and what it runs on, which make joules a footprint."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from pathlib import Path

from greenai_magic.errors import SettingError
from greenai_magic.footprint.embodied import Part, lines_of, parts_named
from greenai_magic.footprint.hourly import Hourly, at_hours, read_hourly
from greenai_magic.footprint.impacts import Footprint, assess
from greenai_magic.footprint.place import Place, find_place, old_factor_note
from greenai_magic.meter.measurement import Measurement
from greenai_magic.quantity import Quantity


# Figures have no hash: a site is the same as itself alone, and that is quick to look up.
@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """Where and on what runs take place.

    Attributes
    ----------
    place : Place
        With the yearly factor of its grid.
    hardware : str
        As the user wrote it; ``""`` where nobody has said.
    parts : tuple of Part
        The same, from the tables.
    hourly : Hourly, optional
        The intensity of the grid by hour.
    """

    place: Place
    hardware: str = ""
    parts: tuple[Part, ...] = ()
    hourly: Hourly | None = None

    def so_far(self, duration: Quantity, machine: Quantity) -> Footprint:
        """Return the footprint of seconds and joules, at the yearly factor of the grid."""
        return assess(machine, self.place, lines_of(self.parts, duration))

    def footprint(self, measurement: Measurement, started_at: datetime) -> Footprint:
        """Return the footprint of what was measured, at the hours of the run where they are known."""
        place = self._place_of(measurement, started_at)
        note = old_factor_note(place, started_at.date())
        lines = lines_of(self.parts, measurement.duration)
        return assess(
            measurement.machine,
            place,
            lines,
            activity=_activity(measurement),
            notes=(note,) if note else (),
        )

    def _place_of(self, measurement: Measurement, started_at: datetime) -> Place:
        if self.hourly is None:
            return self.place
        trace = measurement.trace
        joules = (math.fsum(point) for point in zip(*map(trace.energy_j, trace.components), strict=True))
        # A counter that was lost and found again may step back, which no energy does.
        curve = list(accumulate(joules, max)) or [0.0] * len(trace)
        # The trace's clock stands still while the machine sleeps; what comes after is placed that much early.
        times_s = [started_at.timestamp() + time_s for time_s in trace.times_s]
        return at_hours(self.place, self.hourly, times_s, curve)


def _activity(measurement: Measurement) -> dict[str, Quantity]:
    """Return what the energy was made from, as estimates tell it: a window of no length has no power."""
    if not measurement.duration.value:
        return {}
    return {"device_time": measurement.duration, "power": measurement.mean_power}


@functools.lru_cache(maxsize=64)
def named_site(name: str | None, pue: float | None, hardware: str) -> Site:
    """Return the site of these names; the same object for the same names.

    Parameters
    ----------
    name : str or None
        Of the place, as ``find_place`` takes it.
    pue : float or None
        Energy of the building over energy of the devices; None for the place's own.
    hardware : str
        As ``parts_named`` takes it; ``""`` for none.

    Raises
    ------
    SettingError
        If the PUE or the hardware cannot be one.
    """
    return Site(find_place(name, pue=pue), hardware, equipment(hardware))


def placed_site(place: Place, pue: float | None, hardware: str) -> Site:
    """Return the site of a place that somebody made.

    Raises
    ------
    SettingError
        If its intensity is a marginal one, a PUE is given beside it, or the hardware cannot be one.
    """
    if place.marginal:
        msg = "A run is not counted at a marginal intensity, which tells what shifting it would change."
        raise SettingError(msg)
    if pue is not None:
        msg = "A Place has its own PUE: declare it when you make it, as in known_place('FRA', pue=1.2)."
        raise SettingError(msg)
    return Site(place, hardware, equipment(hardware))


def equipment(text: str) -> tuple[Part, ...]:
    """Return the equipment that a text lists, none where it is blank.

    Raises
    ------
    SettingError
        If no table knows it.
    """
    return parts_named(text) if text.strip() else ()


def hours_from(path: Path) -> Hourly:
    """Return the hours in a file, read again only where it has changed.

    Raises
    ------
    SettingError
        If it cannot be read.
    """
    try:
        status = path.stat()
    except OSError:
        return read_hourly(path)
    return _hours(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4)
def _hours(path: Path, _changed_ns: int, _size: int) -> Hourly:
    return read_hourly(path)
