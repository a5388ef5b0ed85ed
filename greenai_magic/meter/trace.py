"""A curve of cumulative joules that never outgrows its size, however long the cell runs."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence

POINTS = 512


class Trace:
    """Cumulative joules of each component over time, at most ``POINTS`` points.

    When it is full, every second point goes and the stride doubles. The energies are cumulative,
    so the mean power between any two points that stay is exact at every stride.

    Parameters
    ----------
    components : sequence of str
        One channel each; a point gives their joules in this order.
    """

    def __init__(self, components: Sequence[str]) -> None:
        self.components = tuple(components)
        # Replaced at each point and never changed, so that a copy is a look that stays as it is.
        self._columns = tuple(array("d") for _ in range(len(self.components) + 1))
        self._stride = 1
        self._offered = 0

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def times_s(self) -> Sequence[float]:
        """Seconds since the window's start."""
        return self._columns[0]

    def append(self, time_s: float, energies_j: Iterable[float], *, last: bool = False) -> None:
        """Add a point, seconds and joules since the window's start; ``last`` is always kept."""
        kept = last or self._offered % self._stride == 0
        self._offered += 1
        if not kept:
            return
        columns = self._columns
        if len(self) >= POINTS:
            columns = tuple(column[::2] for column in columns)
            self._stride *= 2
        point = (time_s, *energies_j)
        self._columns = tuple(old + array("d", [new]) for old, new in zip(columns, point, strict=True))

    def energy_j(self, component: str) -> Sequence[float]:
        """Return the cumulative joules of one component, one for each of ``times_s``."""
        return self._columns[self.components.index(component) + 1]

    def power_w(self, component: str | None = None) -> list[tuple[float, float, float]]:
        """Return mean power between neighbouring points, all components together by default.

        Returns
        -------
        list of (start_s, end_s, watts)
        """
        times_s, *channels = self._columns
        if component is not None:
            channels = [channels[self.components.index(component)]]
        joules = [sum(values) for values in zip(*channels, strict=True)]
        edges = zip(times_s, times_s[1:], joules, joules[1:], strict=False)
        return [(t0, t1, (e1 - e0) / (t1 - t0)) for t0, t1, e0, e1 in edges if t1 > t0]

    def to_dict(self) -> dict[str, list[float]]:
        """Return plain lists: ``time_s`` and one list of joules for each component."""
        named = zip(("time_s", *self.components), self._columns, strict=True)
        return {name: list(column) for name, column in named}

    @classmethod
    def from_dict(cls, lists: Mapping[str, Sequence[float]]) -> Trace:
        """Return the trace that ``to_dict`` described."""
        trace = cls([name for name in lists if name != "time_s"])
        trace._columns = tuple(array("d", lists[name]) for name in ("time_s", *trace.components))
        trace._offered = len(trace)
        return trace
