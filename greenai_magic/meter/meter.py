"""Meter: windows with exact edges over one set of counters, and the one parked thread.

A window's energy is counter(end) - counter(start), read inline just before and just after the code.
The thread only draws the live curve, catches wrap-arounds, integrates power where no counter exists,
learns what idle is, and does what a window's owner leaves to it: to keep what was seen. When no window is
open and idle is known it sleeps without waking.
"""

from __future__ import annotations

import copy
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence

from greenai_magic.arithmetic import total
from greenai_magic.errors import CounterLost
from greenai_magic.meter.attribution import IdleBaseline, attributed_energy, dynamic_energy, idle_energies
from greenai_magic.meter.counter import DeviceUsers, EnergyCounter, Reading, is_device
from greenai_magic.meter.host import Clock, Instant
from greenai_magic.meter.measurement import Measurement
from greenai_magic.meter.snapshot import Snapshot, duration_between, notes_between, powers_w, terms_between
from greenai_magic.meter.trace import Trace
from greenai_magic.quantity import Quantity

FIRST_TICK_S = 0.3
IDLE_MOMENT_S = 0.5
_IDLE_MOMENTS = 8
_BUSY_SHARE = 0.05
"""A kernel that worked for more of a moment than this was not idle."""
_LONGEST_IDLE_WAIT_S = 60.0
_POWER_OVER_S = 0.05
_LAST_TICK_S = 1.0


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
            # Its owner is a window's owner: a circle would wait for the garbage collector.
            self.on_tick = None
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

    def so_far(self) -> tuple[Quantity, Quantity]:
        """Return seconds and joules as the last look saw them, whoever looked; a fraction of ``measure``."""
        return self._meter.machine_energy(self)

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
        self._last = Snapshot(clock.now(), tuple(Reading(0.0) for _ in self.counters))
        self._anchor: Snapshot = self.look()
        self._quiet_since: Snapshot | None = self._anchor
        self.kernel = Window(self, self._anchor, None)
        self._wake = threading.Event()
        self._chores: list[Callable[[], None]] = []
        self._idle_wait_s = IDLE_MOMENT_S
        self._first_tick_s = min([FIRST_TICK_S, *(counter.period_s for counter in self.counters)])
        self._next_tick_s = -math.inf
        self._closed = False
        _METERS.add(self)
        self._thread = threading.Thread(target=self._serve, name="greenai-meter", daemon=True)
        if threaded:
            try:
                self._thread.start()
            except RuntimeError as error:
                self.notes += (f"No thread could be started ({error}): no curve, and no idle power learned.",)

    def open(self, on_tick: Callable[[], None] | None = None) -> Window:
        """Start a window now; ``on_tick`` is called from the thread after each tick."""
        if self._settle:
            self._settle()
        with self._lock:
            if not self._open and self._next_tick_s - time.monotonic() > self._first_tick_s:
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

    def look(self, *, edge: bool = False, entering: bool = False, own: bool = True) -> Snapshot:
        """Read every counter now; ``own`` as a clock takes it.

        At the start of a window what is slow comes first, devices and the search for children, and at
        its end last, so that the clock and the processor's counters are read as close to the user's
        code as can be.
        """
        with self._lock:
            devices = range(self._near, len(self.counters))
            if entering:
                far = self._read(self._clock.now(own=False), devices, edge=edge) if devices else ()
                now = self._clock.now()
                near = self._read(now, range(self._near), edge=edge)
            else:
                now = self._clock.now(own=False)
                near = self._read(now, range(self._near), edge=edge)
                far = self._read(now, devices, edge=edge)
                if own:
                    now = now._replace(own_s=self._clock.now().own_s)
            self._last = Snapshot(now, near + far)
            return self._last

    def tick(self) -> None:
        """Take one live point for every open window, or one idle moment when there is none."""
        with self._lock:
            # Whose the work is, is asked at a window's end, and when the kernel may be at rest.
            snapshot = self.look(own=not self._open)
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

    def soon(self, chore: Callable[[], None]) -> bool:
        """Have the thread do something a moment from now, so that no cell waits for it.

        Returns
        -------
        bool
            False where there is no thread to do it; the same chore left twice is done once.
        """
        if not self._thread.is_alive():
            return False
        with self._lock:
            if chore not in self._chores:
                self._chores.append(chore)
            if self._next_tick_s - time.monotonic() > self._first_tick_s:
                self._wake.set()
        return True

    def next_wait_s(self) -> float | None:
        """Return the seconds to the next tick, or None when there is nothing to wait for."""
        with self._lock:
            if self._open:
                return min((counter.period_s for counter in self.counters), default=IDLE_MOMENT_S)
            pairs = zip(self._idle, self.counters, strict=True)
            known = all(len(b) >= _IDLE_MOMENTS or c.idle_w is not None for b, c in pairs)
            return None if known else self._idle_wait_s

    def machine_energy(self, window: Window) -> tuple[Quantity, Quantity]:
        """Return seconds and joules of a window up to the last look."""
        with self._lock:
            duration = duration_between(window.start, self._last)
            components = self._energies(window.start, self._last, duration.value)
        return duration, total(components.values(), name="machine energy")

    def measure(
        self,
        window: Window,
        end: Snapshot,
        users: Mapping[str, DeviceUsers | None],
    ) -> Measurement:
        """Return the figures of a window up to a snapshot."""
        start = window.start
        duration = duration_between(start, end)
        seconds = duration.value
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
        notes = (*self.notes, *lost, *notes_between(start, end, machine))
        return Measurement(duration, machine, components, dynamic, attributed, trace, notes)

    def close(self) -> None:
        """Stop the thread and close every counter."""
        self._closed = True
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_LAST_TICK_S)
        self._do_chores()
        with self._lock:
            for counter in self.counters:
                counter.close()

    def forget_parent(self) -> None:
        """Make a meter usable in a forked child, where it has no thread and nobody waits for its windows."""
        # A lock that the thread held at that moment would never open again.
        self._lock, self._wake = threading.RLock(), threading.Event()
        self._open = weakref.WeakSet()

    def _serve(self) -> None:
        woken = False
        while not self._closed:
            with self._lock:
                wait_s = self._first_tick_s if woken else self.next_wait_s()
                # Written under the lock, so that a window that opens now either wakes or is waited for.
                self._next_tick_s = math.inf if wait_s is None else time.monotonic() + wait_s
            woken = self._wake.wait(wait_s)
            if woken:
                self._wake.clear()
            else:
                self.tick()
                self._do_chores()

    def _do_chores(self) -> None:
        while self._chores:
            self._chores.pop(0)()

    def _read(self, now: Instant, which: Iterable[int], *, edge: bool) -> tuple[Reading, ...]:
        readings = []
        for i in which:
            before = self._last.readings[i]
            if i not in self._lost:
                try:
                    readings.append(self.counters[i].read(now, edge=edge))
                    continue
                except CounterLost as error:
                    reason = str(error)
                except (OSError, ValueError) as error:
                    reason = f"The {self.counters[i].label} cannot be read ({error})."
                self._lost[i] = f"{reason} Its energy since then is not counted."
            away_s = now.monotonic_s - self._last.now.monotonic_s
            unseen_j = max(self._recent_w[i], self.counters[i].rated_w) * away_s
            readings.append(before._replace(doubt_j=before.doubt_j + unseen_j))
        return tuple(readings)

    def _energies(self, start: Snapshot, end: Snapshot, seconds: float) -> dict[str, Quantity]:
        energies = {}
        for i, counter in enumerate(self.counters):
            before, after = start.readings[i], end.readings[i]
            formula, inputs = terms_between(counter, start, end, i)
            energies[counter.component] = counter.accuracy.energy(
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
        return energies

    def _usual_w(self, i: int, seconds: float) -> float:
        # Two ticks tell the power; in fewer a burst after a rest would not be seen.
        if seconds < 2 * self.counters[i].accuracy.tick_s or not self._recent_w[i]:
            return self.counters[i].rated_w
        return self._recent_w[i]

    def device_users(self) -> dict[str, DeviceUsers | None]:
        """Return who computes on each device now."""
        alive = (c for i, c in enumerate(self.counters) if i not in self._lost)
        return {c.component: c.users() for c in alive if is_device(c.component)}

    def _learn_idle(self, snapshot: Snapshot) -> None:
        since = self._quiet_since
        seconds = snapshot.now.monotonic_s - since.now.monotonic_s if since else 0.0
        if since is None or seconds < IDLE_MOMENT_S * 0.9:
            return
        if snapshot.now.own_s - since.now.own_s > _BUSY_SHARE * seconds:
            # Working without a window: look again, ever less often.
            self._idle_wait_s = min(2 * self._idle_wait_s, _LONGEST_IDLE_WAIT_S)
            return
        self._idle_wait_s = IDLE_MOMENT_S
        for baseline, watts in zip(self._idle, powers_w(since, snapshot), strict=True):
            if watts is not None:
                baseline.learn(watts)

    def _note_power(self, snapshot: Snapshot) -> None:
        if snapshot.now.monotonic_s - self._anchor.now.monotonic_s < _POWER_OVER_S:
            return
        for i, watts in enumerate(powers_w(self._anchor, snapshot)):
            self._recent_w[i] = watts or self._recent_w[i]
        self._anchor = snapshot


_METERS: weakref.WeakSet[Meter] = weakref.WeakSet()


def _forget_parent() -> None:
    for meter in _METERS:
        meter.forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
