"""Meter: windows with exact edges over one set of counters, and the one parked thread.

A window's energy is counter(end) - counter(start), read inline just before and just after the code.
The thread only draws the live curve, catches wrap-arounds, integrates power where no counter exists
and learns what idle is; when no window is open and idle is known it sleeps without waking.
"""

from __future__ import annotations

import copy
import math
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from greenai_magic.arithmetic import total
from greenai_magic.errors import CounterLost
from greenai_magic.meter.attribution import IdleBaseline, attributed_energy, dynamic_energy, idle_energies
from greenai_magic.meter.counter import DeviceUsers, EnergyCounter, Explained, Reading, is_device
from greenai_magic.meter.host import Clock, Instant
from greenai_magic.meter.measurement import Measurement
from greenai_magic.meter.trace import Trace
from greenai_magic.quantity import Quantity

FIRST_TICK_S = 0.3
IDLE_MOMENT_S = 0.5
_IDLE_MOMENTS = 8
_SUSPENDED_S = 0.1
_POWER_OVER_S = 0.05
_LAST_TICK_S = 1.0


class Snapshot(NamedTuple):
    """All counters at one instant."""

    now: Instant
    readings: tuple[Reading, ...]


class Window:
    """A start on the meter, and a stop that may come later.

    ``Meter.open`` makes one. Windows nest, overlap and cross threads freely: each is two snapshots
    of the same counters.
    """

    def __init__(self, meter: Meter, start: Snapshot, on_tick: Callable[[], None] | None) -> None:
        self._meter = meter
        self.start = start
        self.on_tick = on_tick
        self.trace = Trace([counter.component for counter in meter.counters])
        self.trace.append(0.0, [0.0] * len(meter.counters))
        self._end: Snapshot | None = None
        self._users: Mapping[str, DeviceUsers | None] = {}
        self._final: Measurement | None = None

    def stop(self) -> None:
        """Close the window; only the first call counts."""
        if self._end is None:
            end = self._meter.close_window(self)
            self._users = self._meter.device_users()
            self.record(end, last=True)
            # Last of all: another thread may be measuring, and what has ended is measured once.
            self._end = end

    def measure(self) -> Measurement:
        """Return the figures up to now, or the final ones once stopped."""
        if self._final is not None:
            return self._final
        if self._end is None:
            return self._meter.measure(self, self._meter.look(), self._meter.device_users())
        self._final = self._meter.measure(self, self._end, self._users)
        return self._final

    def record(self, snapshot: Snapshot, *, last: bool = False) -> None:
        """Add a point to the trace."""
        pairs = zip(snapshot.readings, self.start.readings, strict=True)
        energies_j = [now.energy_j - then.energy_j for now, then in pairs]
        self.trace.append(snapshot.now.monotonic_s - self.start.now.monotonic_s, energies_j, last=last)


class Meter:
    """The counters of one machine, shared by every window of one process.

    Parameters
    ----------
    counters : sequence of EnergyCounter
        Each of another component; devices last, for they are the slowest to read.
    clock : Clock
        Says what time it is and how much CPU time has gone by.
    notes : sequence of str
        What every reader should know of this machine, such as a counter that may not be read.
    idle_share : float
        Share of the idle power that belongs to this kernel, 0 to 1.
    settle : callable, optional
        Waits until the devices have done what they were given, before each edge: work still in
        their queues belongs to the window that ordered it.
    threaded : bool
        Whether to start the thread; without it nothing is read between the edges.
    """

    def __init__(
        self,
        counters: Sequence[EnergyCounter],
        clock: Clock,
        *,
        notes: Sequence[str] = (),
        idle_share: float = 1.0,
        settle: Callable[[], None] | None = None,
        threaded: bool = True,
    ) -> None:
        self.counters = tuple(sorted(counters, key=lambda counter: is_device(counter.component)))
        self.notes = tuple(notes)
        self._clock = clock
        self._idle_share = idle_share
        self._settle = settle
        self._near = sum(not is_device(counter.component) for counter in self.counters)
        self._lock = threading.RLock()
        # Weakly: an interrupt may lose a window before anyone could stop it.
        self._open: weakref.WeakSet[Window] = weakref.WeakSet()
        self._lost: dict[int, str] = {}
        self._idle = tuple(IdleBaseline() for _ in self.counters)
        self._recent_w = [0.0] * len(self.counters)
        self._last: Snapshot | None = None
        self._anchor: Snapshot = self.look()
        self._quiet_since: Snapshot | None = self._anchor
        self.kernel = Window(self, self._anchor, None)
        self._wake = threading.Event()
        self._closed = False
        _METERS.add(self)
        self._thread = threading.Thread(target=self._serve, name="greenai-meter", daemon=True)
        if threaded:
            self._thread.start()

    def open(self, on_tick: Callable[[], None] | None = None) -> Window:
        """Start a window now; ``on_tick`` is called from the thread after each tick."""
        if self._settle:
            self._settle()
        with self._lock:
            if not self._open:
                self._wake.set()
            start = self.look(edge=True, entering=True)
            self._learn_idle(start)
            self._quiet_since = None
            window = Window(self, start, on_tick)
            self._open.add(window)
        return window

    def close_window(self, window: Window) -> Snapshot:
        """End a window now and return the snapshot of its end."""
        if self._settle:
            self._settle()
        with self._lock:
            end = self.look(edge=True)
            self._open.discard(window)
            if not self._open:
                self._quiet_since = end
        return end

    def look(self, *, edge: bool = False, entering: bool = False) -> Snapshot:
        """Read every counter now.

        At the start of a window the slow devices come first, at its end last, so that the clock and
        the processor's counters are read as close to the user's code as can be.
        """
        with self._lock:
            devices = None
            if entering and self._near < len(self.counters):
                devices = self._read(self._clock.now(), slice(self._near, None), edge=edge)
            now = self._clock.now()
            near = self._read(now, slice(0, self._near), edge=edge)
            if devices is None:
                devices = self._read(now, slice(self._near, None), edge=edge)
            self._last = Snapshot(now, near + devices)
            return self._last

    def tick(self) -> None:
        """Take one live point for every open window, or one idle moment when there is none."""
        with self._lock:
            snapshot = self.look()
            self._note_power(snapshot)
            if self._open:
                for window in self._open:
                    window.record(snapshot)
            else:
                self._learn_idle(snapshot)
                self._quiet_since = snapshot
            observers = [window.on_tick for window in self._open if window.on_tick]
        for observe in observers:
            observe()

    def next_wait_s(self) -> float | None:
        """Return the seconds to the next tick, or None when there is nothing to wait for."""
        with self._lock:
            if self._open:
                return min((counter.period_s for counter in self.counters), default=IDLE_MOMENT_S)
            pairs = zip(self._idle, self.counters, strict=True)
            known = all(len(b) >= _IDLE_MOMENTS or c.idle_w is not None for b, c in pairs)
            return None if known else IDLE_MOMENT_S

    def measure(
        self,
        window: Window,
        end: Snapshot,
        users: Mapping[str, DeviceUsers | None],
    ) -> Measurement:
        """Return the figures of a window up to a snapshot."""
        start = window.start
        seconds = end.now.monotonic_s - start.now.monotonic_s
        duration = Quantity(seconds, "s", "measured", "monotonic clock", name="duration")
        with self._lock:
            components = self._energies(start, end, seconds)
            idle = idle_energies(self.counters, self._idle, duration)
            trace = copy.copy(window.trace)
            # A device that was lost after the end of this window has missed none of it.
            lost = [s for i, s in self._lost.items() if end.readings[i].doubt_j > start.readings[i].doubt_j]
        machine = total(components.values(), name="machine energy")
        dynamic = dynamic_energy(machine, idle) if idle.keys() == components.keys() else None
        attributed = attributed_energy(
            components,
            idle,
            duration_s=seconds,
            own_s=end.now.own_s - start.now.own_s,
            busy_s=end.now.busy_s - start.now.busy_s,
            exponents={c.component: c.accuracy.load_exponent for c in self.counters},
            users=users,
            idle_share=self._idle_share,
        )
        notes = (*self.notes, *lost, *_window_notes(start, end, machine))
        return Measurement(duration, machine, components, dynamic, attributed, trace, notes)

    def close(self) -> None:
        """Stop the thread and close every counter."""
        self._closed = True
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_LAST_TICK_S)
        with self._lock:
            for counter in self.counters:
                counter.close()

    def forget_parent(self) -> None:
        """Make a meter usable in a forked child, where it has no thread and nobody waits for its windows."""
        # A lock that the thread held at that moment would never open again.
        self._lock, self._wake = threading.RLock(), threading.Event()
        self._open = weakref.WeakSet()

    def _serve(self) -> None:
        first_tick_s = min([FIRST_TICK_S, *(counter.period_s for counter in self.counters)])
        wait_s = self.next_wait_s()
        while not self._closed:
            if self._wake.wait(wait_s):
                self._wake.clear()
                wait_s = first_tick_s
            else:
                self.tick()
                wait_s = self.next_wait_s()

    def _read(self, now: Instant, which: slice, *, edge: bool) -> tuple[Reading, ...]:
        readings = []
        for i in range(*which.indices(len(self.counters))):
            before = self._last.readings[i] if self._last else Reading(0.0)
            if i not in self._lost:
                try:
                    readings.append(self.counters[i].read(now, edge=edge))
                    continue
                except CounterLost as error:
                    reason = str(error)
                except (OSError, ValueError) as error:
                    reason = f"The {self.counters[i].label} cannot be read ({error})."
                self._lost[i] = f"{reason} Its energy since then is not counted."
            away_s = now.monotonic_s - self._last.now.monotonic_s if self._last else 0.0
            unseen_j = max(self._recent_w[i], self.counters[i].rated_w) * away_s
            readings.append(before._replace(doubt_j=before.doubt_j + unseen_j))
        return tuple(readings)

    def _energies(self, start: Snapshot, end: Snapshot, seconds: float) -> dict[str, Quantity]:
        return {
            counter.component: counter.accuracy.energy(
                after.energy_j - before.energy_j,
                seconds,
                doubt_j=after.doubt_j - before.doubt_j,
                surplus_j=after.surplus_j - before.surplus_j,
                limit_w=counter.rated_w if counter.accuracy.basis == "modelled" else math.inf,
                usual_w=self._usual_w(i, seconds),
                name=counter.component,
                source=counter.label,
                formula=formula,
                inputs=inputs,
            )
            for i, (counter, before, after) in enumerate(
                zip(self.counters, start.readings, end.readings, strict=True),
            )
            for formula, inputs in [_terms(counter, start, end, before, after)]
        }

    def _usual_w(self, i: int, seconds: float) -> float:
        # Two ticks tell the power; in fewer a burst after a rest would not be seen.
        told = seconds >= 2 * self.counters[i].accuracy.tick_s and self._recent_w[i]
        return told or self.counters[i].rated_w

    def device_users(self) -> dict[str, DeviceUsers | None]:
        """Return who computes on each device now."""
        alive = (c for i, c in enumerate(self.counters) if i not in self._lost)
        return {c.component: c.users() for c in alive if is_device(c.component)}

    def _learn_idle(self, snapshot: Snapshot) -> None:
        since = self._quiet_since
        if since is None or snapshot.now.monotonic_s - since.now.monotonic_s < IDLE_MOMENT_S * 0.9:
            return
        for baseline, watts in zip(self._idle, _powers_w(since, snapshot), strict=True):
            if watts is not None:
                baseline.learn(watts)

    def _note_power(self, snapshot: Snapshot) -> None:
        if snapshot.now.monotonic_s - self._anchor.now.monotonic_s < _POWER_OVER_S:
            return
        for i, watts in enumerate(_powers_w(self._anchor, snapshot)):
            self._recent_w[i] = watts or self._recent_w[i]
        self._anchor = snapshot


def _terms(
    counter: EnergyCounter,
    start: Snapshot,
    end: Snapshot,
    before: Reading,
    after: Reading,
) -> tuple[str, tuple[Quantity, ...]]:
    if isinstance(counter, Explained):
        return counter.terms(start.now, end.now)
    edges = (("end", after), ("start", before))
    return "{0} - {1}", tuple(
        Quantity(reading.energy_j, "J", source=counter.label, name=f"counter at the {edge}")
        for edge, reading in edges
    )


def _powers_w(before: Snapshot, after: Snapshot) -> list[float | None]:
    seconds = after.now.monotonic_s - before.now.monotonic_s
    slept = after.now.boottime_s - before.now.boottime_s - seconds > _SUSPENDED_S
    return [
        None if slept or b.doubt_j > a.doubt_j else (b.energy_j - a.energy_j) / seconds
        for a, b in zip(before.readings, after.readings, strict=True)
    ]


def _window_notes(start: Snapshot, end: Snapshot, machine: Quantity) -> list[str]:
    notes = []
    awake_s = end.now.monotonic_s - start.now.monotonic_s
    asleep_s = end.now.boottime_s - start.now.boottime_s - awake_s
    if asleep_s > _SUSPENDED_S:
        notes.append(f"The machine slept for {asleep_s:.0f} s meanwhile; energy while asleep is not counted.")
    if machine.low == 0:
        notes.append("Shorter than the counters can resolve: only an upper bound is known.")
    return notes


_METERS: weakref.WeakSet[Meter] = weakref.WeakSet()


def _forget_parent() -> None:
    for meter in _METERS:
        meter.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
