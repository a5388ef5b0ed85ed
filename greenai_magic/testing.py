"""For tests and lessons of your own: figures that are the same on every machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from greenai_magic.meter.discover import use_meter
from greenai_magic.meter.host import Clock, Host, Instant
from greenai_magic.meter.meter import Meter
from greenai_magic.meter.replay import Replay, load_recording


class FakeClock:
    """A clock that goes on only when told to."""

    def __init__(self) -> None:
        self._now = Instant(0.0, 0.0, 0.0, 0.0)

    def now(self, *, own: bool = True) -> Instant:
        """Return the current instant."""
        return self._now

    def advance(
        self, seconds: float, *, busy_s: float = 0.0, own_s: float = 0.0, asleep_s: float = 0.0
    ) -> None:
        """Let time pass.

        Parameters
        ----------
        seconds : float
            Time awake.
        busy_s, own_s : float
            CPU-seconds worked meanwhile by everybody, and by this process and its children.
        asleep_s : float
            Time suspended, on top of ``seconds``.
        """
        then = self._now
        self._now = Instant(
            then.monotonic_s + seconds,
            then.boottime_s + seconds + asleep_s,
            then.busy_s + busy_s,
            then.own_s + own_s,
        )


@contextlib.contextmanager
def replay(recording: Path | Mapping[str, float], clock: Clock | None = None) -> Iterator[Meter]:
    """Measure from a recording instead of this machine's counters, inside a ``with`` block.

    Parameters
    ----------
    recording : Path or mapping of str to float
        A CSV of cumulative joules by component with a column ``time_s``, or constant watts by
        component: ``{"cpu": 40.0, "gpu0": 250.0}``.
    clock : Clock, optional
        Such as :class:`FakeClock`; the real one by default.

    Yields
    ------
    Meter
        The meter that ``%%carbon`` and ``measure`` use meanwhile.

    Raises
    ------
    CounterError
        If the file is no recording.
    """
    if isinstance(recording, Path):
        counters = load_recording(recording)
    else:
        counters = [Replay.constant(component, watts) for component, watts in recording.items()]
    meter = Meter(counters, clock or Host(), threaded=clock is None)
    before = use_meter(meter)
    try:
        yield meter
    finally:
        use_meter(before)
        meter.close()
