"""A recording played back as a counter: exact figures for tests and lessons."""

from __future__ import annotations

import csv
import itertools
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from greenai_magic.errors import CounterError
from greenai_magic.meter.accuracy import REPLAYED, Accuracy
from greenai_magic.meter.counter import DeviceUsers, Reading
from greenai_magic.meter.host import Instant


class Replay:
    """Cumulative joules known at some seconds, straight lines between, the last power kept after.

    Parameters
    ----------
    component : str
        ``"cpu"``, ``"gpu0"``...
    times_s, energies_j : sequence of float
        At least two points, both never falling; time zero is the first read.
    accuracy : Accuracy
        Exact unless the lesson is about errors.
    """

    period_s = 0.5

    def __init__(
        self,
        component: str,
        times_s: Sequence[float],
        energies_j: Sequence[float],
        *,
        accuracy: Accuracy = REPLAYED,
        idle_w: float | None = None,
    ) -> None:
        pairs = list(zip(times_s, energies_j, strict=True))
        rising = all(b[0] > a[0] and b[1] >= a[1] for a, b in itertools.pairwise(pairs))
        if len(pairs) < 2 or not rising:
            msg = (
                f"A recording of {component} needs two points or more, with time and joules that never fall."
            )
            raise CounterError(msg)
        self.component = component
        self.label = "recording"
        self.accuracy = accuracy
        self.idle_w = idle_w
        self._times_s = [t for t, _ in pairs]
        self._energies_j = [e for _, e in pairs]
        self.rated_w = max(self._slope_w(i) for i in range(1, len(pairs)))
        self._start_s: float | None = None

    @classmethod
    def constant(cls, component: str, watts: float) -> Replay:
        """Return a component that always draws the same power."""
        return cls(component, (0.0, 1.0), (0.0, watts))

    def read(self, now: Instant, *, edge: bool) -> Reading:
        """Return the joules recorded up to as long after the first read."""
        if self._start_s is None:
            self._start_s = now.monotonic_s - self._times_s[0]
        time_s = now.monotonic_s - self._start_s
        i = min(max(1, bisect_right(self._times_s, time_s)), len(self._times_s) - 1)
        return Reading(self._energies_j[i - 1] + self._slope_w(i) * (time_s - self._times_s[i - 1]))

    def users(self) -> DeviceUsers | None:
        """Return None: a recording does not say who computed."""
        return None

    def close(self) -> None:
        """Do nothing: a recording keeps nothing open."""

    def _slope_w(self, i: int) -> float:
        energy_j = self._energies_j[i] - self._energies_j[i - 1]
        return energy_j / (self._times_s[i] - self._times_s[i - 1])


def load_recording(path: Path) -> list[Replay]:
    """Return one counter for each column of a CSV whose first column is ``time_s``.

    Raises
    ------
    CounterError
        If the file has no ``time_s`` column or a cell is not a number.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        times_s = [float(row["time_s"]) for row in rows]
        components = [name for name in rows[0] if name != "time_s"]
        return [Replay(name, times_s, [float(row[name]) for row in rows]) for name in components]
    except (KeyError, ValueError, TypeError, IndexError) as error:
        msg = f"{path.name} is no recording: it needs a column time_s and joules by component ({error})."
        raise CounterError(msg) from error
