"""The one thread, other threads, coroutines and forks: figures stay right and nothing waits for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from powercap import PowercapTree, SimulatedDevice, joules, metered, open_descriptors

from greenai_magic.meter import discover as module
from greenai_magic.meter.accuracy import NVML_POWER
from greenai_magic.meter.counter import DeviceUsers
from greenai_magic.meter.discover import default_meter, use_meter
from greenai_magic.meter.host import Host
from greenai_magic.meter.meter import FIRST_TICK_S, Meter
from greenai_magic.meter.models import memory_model
from greenai_magic.meter.rapl import open_rapl
from greenai_magic.meter.replay import Replay

LONG_S = 10.0
"""Nobody waits this long unless something is wrong."""
WATTS = 60.0

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


class Known(Replay):
    """A counter whose idle power is known, and which counts the looks at it."""

    looks = 0

    def read(self, now, *, edge):
        self.looks += 1
        return super().read(now, edge=edge)


def known(component="cpu", watts=WATTS):
    return Known(component, (0, 1), (0, watts), idle_w=watts / 10)


@contextmanager
def meter_over(*counters, threaded=True):
    meter = Meter(counters, Host(), threaded=threaded)
    try:
        yield meter
    finally:
        meter.close()


def assert_exact(measurement, watts=WATTS):
    assert measurement.machine.value == pytest.approx(watts * measurement.duration.value)


def meter_threads():
    return [thread for thread in threading.enumerate() if thread.name == "greenai-meter"]


# The meter's own thread


def test_the_first_tick_comes_after_a_third_of_a_second_and_draws_a_point():
    ticked = threading.Event()
    with meter_over(known()) as meter:
        window = meter.open(ticked.set)
        assert ticked.wait(LONG_S)
        window.stop()
        times_s = window.measure().trace.times_s
        assert times_s[1] >= FIRST_TICK_S * 0.9
        assert len(times_s) == 3
        assert_exact(window.measure())


def test_a_device_that_must_be_polled_is_looked_at_at_once():
    polled = known("gpu0")
    polled.period_s, polled.accuracy = 0.02, replace(NVML_POWER, tick_s=0.02)
    ticks = []
    enough = threading.Event()

    def on_tick():
        ticks.append(1)
        if len(ticks) >= 5:
            enough.set()

    with meter_over(polled) as meter:
        window = meter.open(on_tick)
        assert meter.next_wait_s() == polled.period_s
        assert enough.wait(LONG_S)
        window.stop()


def test_where_no_thread_can_be_started_windows_are_right_all_the_same(monkeypatch):
    def refuse(_thread):
        msg = "can't start new thread"
        raise RuntimeError(msg)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with meter_over(known()) as meter:
        window = meter.open()
        window.stop()
        measurement = window.measure()
        assert_exact(measurement)
        assert any("can't start new thread" in note for note in measurement.notes)


def test_nobody_looks_while_no_window_is_open_and_idle_is_known():
    counter = known()
    with meter_over(counter) as meter:
        assert meter.next_wait_s() is None
        before = counter.looks
        time.sleep(0.6)
        assert counter.looks == before


def test_idle_is_learned_by_the_thread_without_a_window():
    with meter_over(Replay.constant("cpu", WATTS)) as meter:
        deadline_s = time.monotonic() + LONG_S
        while not len(meter._idle[0]):
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        assert meter.open().measure().dynamic is not None


def test_no_thread_and_no_descriptor_is_left_after_closing(tmp_path):
    PowercapTree(tmp_path / "powercap").add("intel-rapl:0", "package-0")
    before = open_descriptors(), len(meter_threads())
    counters, _ = open_rapl(tmp_path / "powercap")
    meter = Meter(counters, Host())
    window = meter.open(lambda: None)
    assert len(meter_threads()) == before[1] + 1
    meter.close()
    meter.close()
    assert len(meter_threads()) == before[1]
    window.stop()
    assert window.measure().duration.value > 0
    del meter, window, counters
    assert open_descriptors() == before[0]


def test_a_meter_may_be_closed_by_its_own_thread():
    closed = threading.Event()
    meter = Meter([known()], Host())

    def close():
        meter.close()
        closed.set()

    window = meter.open(close)
    assert closed.wait(LONG_S)
    window.stop()


# Other threads


def test_windows_of_many_threads_are_each_right_while_the_meter_ticks():
    stopping = threading.Event()
    errors = []

    def watched(work):
        def run():
            try:
                while not stopping.is_set():
                    work()
            except Exception as error:
                errors.append(error)
                raise

        return threading.Thread(target=run)

    with meter_over(known(), known("dram", 5.0), SimulatedDevice.constant("gpu0", 200.0)) as meter:

        def cell():
            window = meter.open()
            inner = meter.open()
            window.measure().to_dict()
            inner.stop()
            window.stop()
            for measurement in (window.measure(), inner.measure()):
                seconds, seen_j = measurement.duration.value, joules(measurement)
                assert seen_j["cpu"] == pytest.approx(WATTS * seconds)
                assert seen_j["dram"] == pytest.approx(5.0 * seconds)
                # Devices are read first and last: their window is a little longer.
                assert seen_j["gpu0"] >= 200.0 * seconds * 0.999
                steps = measurement.trace.power_w("cpu")
                assert [watts for _, _, watts in steps] == pytest.approx([WATTS] * len(steps))

        interval_s = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        threads = [watched(cell) for _ in range(3)] + [watched(meter.tick)]
        for thread in threads:
            thread.start()
        time.sleep(0.7)
        stopping.set()
        for thread in threads:
            thread.join(LONG_S)
        sys.setswitchinterval(interval_s)
        assert errors == []
        assert not meter._open


def test_a_look_from_another_thread_while_a_window_stops_keeps_its_users(clock):
    class Slow(SimulatedDevice):
        window = None

        def users(self):
            if self.window is not None:
                # The thread's tick saves the figures so far, just while the window is being stopped.
                looking, self.window = self.window, None
                other = threading.Thread(target=looking.measure)
                other.start()
                other.join(LONG_S)
            return DeviceUsers(1, 3, 0.5)

    gpu = Slow.constant("gpu0", 200.0)
    gpu.idle_w = 20.0
    meter = metered(clock, gpu)
    window = meter.open()
    clock.advance(1.0)
    gpu.window = window
    window.stop()
    measurement = window.measure()
    assert measurement.attributed.value == pytest.approx(100.0)
    assert len(measurement.trace) == 2


def test_coroutines_that_take_turns_have_windows_of_their_own():
    async def cell(meter, naps):
        window = meter.open()
        for _ in range(naps):
            await asyncio.sleep(0.005)
        window.stop()
        return window.measure()

    async def cells(meter):
        return await asyncio.gather(*(cell(meter, naps) for naps in (1, 4, 2)))

    with meter_over(known()) as meter:
        measurements = asyncio.run(cells(meter))
    for measurement, naps in zip(measurements, (1, 4, 2), strict=True):
        assert measurement.duration.value >= naps * 0.004
        assert_exact(measurement)


# Forks


def in_a_fork(work):
    """Run ``work`` in a forked child and return whether it came to its end."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(int(LONG_S))
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@forks
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forked_while_the_meter_is_busy_measures_on_its_own():
    busy, go_on = threading.Event(), threading.Event()

    class Slow(Replay):
        blocks = False

        def read(self, now, *, edge):
            if self.blocks:
                self.blocks = False
                busy.set()
                go_on.wait(LONG_S)
            return super().read(now, edge=edge)

    counter = Slow.constant("cpu", WATTS)
    with meter_over(counter) as meter:
        window = meter.open()
        counter.blocks = True
        # The meter's lock is held, and so is the one inside the event that wakes its thread.
        with meter._wake._cond:
            looking = threading.Thread(target=meter.look)
            looking.start()
            assert busy.wait(LONG_S)

            def child():
                inherited = meter.open()
                time.sleep(0.01)
                inherited.stop()
                assert_exact(inherited.measure())
                fresh = Meter([known()], Host())
                ticked = threading.Event()
                own = fresh.open(ticked.set)
                assert ticked.wait(LONG_S)
                own.stop()
                assert_exact(own.measure())
                fresh.close()
                meter.close()

            assert in_a_fork(child)
        go_on.set()
        looking.join(LONG_S)
        window.stop()
        assert_exact(window.measure())


@forks
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_makes_a_shared_meter_of_its_own(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    parents = Meter([known()], Host())
    before = use_meter(parents)
    try:

        def child():
            assert default_meter() is not parents
            assert default_meter() is default_meter()
            window = default_meter().open()
            window.stop()
            assert window.measure().machine.high > 0

        # Another thread is just making the meter.
        with module._lock:
            assert in_a_fork(child)
        assert default_meter() is parents
        window = parents.open()
        time.sleep(0.01)
        window.stop()
        assert_exact(window.measure())
    finally:
        use_meter(before)
        parents.close()


def test_memory_alone_is_a_meter():
    with meter_over(memory_model(8.0)) as meter:
        window = meter.open()
        time.sleep(0.01)
        window.stop()
        assert window.measure().machine.value == pytest.approx(8 * 0.37 * window.measure().duration.value)
