"""Windows on a scripted clock: exact edges, honest intervals, and nothing lost between them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from powercap import ScriptedClock, SimulatedDevice, joules, metered, rapl_meter

from greenai_magic.meter.accuracy import CPU_KNOWN_VCPU, NVML_COUNTER, NVML_POWER, RAPL_INTEL
from greenai_magic.meter.models import ChipModel, LinearModel, memory_model
from greenai_magic.meter.replay import Replay
from greenai_magic.meter.trace import POINTS

laws = settings(deadline=None, max_examples=60)


# Windows


def test_a_window_is_the_difference_of_its_edges(clock):
    meter = metered(clock, Replay.constant("cpu", 40.0), Replay.constant("dram", 5.0))
    clock.advance(100.0)
    window = meter.open()
    clock.advance(2.0)
    window.stop()
    clock.advance(100.0)
    measurement = window.measure()
    assert joules(measurement) == pytest.approx({"cpu": 80.0, "dram": 10.0})
    assert measurement.machine.value == pytest.approx(90.0)
    assert measurement.duration.value == pytest.approx(2.0)
    assert measurement.mean_power.value == pytest.approx(45.0)
    assert measurement is window.measure()


def test_windows_nest_and_overlap_without_touching_each_other(clock):
    meter = metered(clock, Replay("cpu", (0, 1, 2, 3, 4), (0, 10, 30, 70, 150)))
    outer = meter.open()
    clock.advance(1.0)
    inner = meter.open()
    clock.advance(1.0)
    outer.stop()
    clock.advance(1.0)
    inner.stop()
    assert outer.measure().machine.value == pytest.approx(30.0)
    assert inner.measure().machine.value == pytest.approx(60.0)


def test_only_the_first_stop_counts(clock):
    meter = metered(clock, Replay.constant("cpu", 40.0))
    window = meter.open()
    clock.advance(1.0)
    window.stop()
    clock.advance(1.0)
    window.stop()
    assert window.measure().machine.value == pytest.approx(40.0)


def test_an_open_window_tells_its_figures_so_far(clock):
    meter = metered(clock, Replay.constant("cpu", 40.0))
    window = meter.open()
    for seconds in (1.0, 2.0):
        clock.advance(1.0)
        assert window.measure().machine.value == pytest.approx(40.0 * seconds)
    assert meter.kernel.measure().duration.value == pytest.approx(2.0)


def test_a_figure_that_was_given_does_not_change_while_the_window_goes_on(clock):
    meter = metered(clock, Replay.constant("cpu", 40.0))
    window = meter.open()
    clock.advance(1.0)
    meter.tick()
    so_far = window.measure()
    before = so_far.to_dict()
    clock.advance(1.0)
    meter.tick()
    window.stop()
    assert so_far.to_dict() == before
    assert len(window.measure().trace) == len(so_far.trace) + 2


def test_a_window_without_length_is_measured_all_the_same(clock):
    meter = metered(clock, Replay.constant("cpu", 40.0), memory_model(8.0))
    window = meter.open()
    window.stop()
    assert window.measure().machine.value == 0
    assert window.measure().duration.value == 0


def test_devices_are_read_furthest_from_the_users_code(clock):
    order = []

    class Noted(SimulatedDevice):
        def read(self, now, *, edge):
            order.append(self.component)
            return super().read(now, edge=edge)

    meter = metered(clock, Noted.constant("gpu0", 100.0), Noted.constant("cpu", 40.0))
    order.clear()
    meter.open().stop()
    assert order == ["gpu0", "cpu", "cpu", "gpu0"]


# Intervals


def test_a_window_shorter_than_a_tick_has_an_upper_bound_and_says_so(tmp_path, clock):
    _, meter = rapl_meter(tmp_path, clock)
    window = meter.open()
    clock.advance(0.0005)
    window.stop()
    machine = window.measure().machine
    assert (machine.value, machine.low) == (0.0, 0.0)
    assert machine.high >= 100.0 * 0.0005
    assert any("only an upper bound" in note for note in window.measure().notes)
    assert str(machine).startswith("<")


def test_a_burst_after_a_rest_stays_below_the_bound(clock):
    gpu = SimulatedDevice("gpu0", (0, 100, 101), (0, 2000, 2700), accuracy=NVML_COUNTER)
    meter = metered(clock, gpu)
    clock.advance(99.9)
    meter.tick()
    window = meter.open()
    clock.advance(0.05)
    window.stop()
    # At rest it drew 20 W; in these 50 ms it may have drawn the 700 W of which no tick tells yet.
    assert window.measure().machine.high >= 700.0 * 0.05


# The thread's timetable


def test_ticks_come_twice_a_second_however_long_it_lasts(clock):
    meter = metered(clock, memory_model(8.0), Replay.constant("cpu", 40.0))
    window = meter.open()
    assert meter.next_wait_s() == 0.5
    clock.advance(3600.0)
    assert meter.next_wait_s() == 0.5
    window.stop()


def test_a_device_without_a_counter_is_looked_at_ten_times_a_second_to_the_end(clock):
    polled = SimulatedDevice.constant("gpu0", 200.0)
    polled.period_s, polled.accuracy = 0.1, NVML_POWER
    meter = metered(clock, Replay.constant("cpu", 40.0), polled)
    window = meter.open()
    assert meter.next_wait_s() == 0.1
    clock.advance(1000.0)
    assert meter.next_wait_s() == 0.1
    window.stop()


def test_a_long_window_keeps_a_fixed_size_and_all_its_joules(clock):
    meter = metered(clock, Replay.constant("cpu", 40.0), memory_model(8.0))
    window = meter.open()
    for _ in range(5000):
        clock.advance(120.0)
        meter.tick()
    window.stop()
    trace = window.measure().trace
    assert len(trace) <= POINTS
    assert trace.energy_j("cpu")[-1] == pytest.approx(40.0 * 120.0 * 5000)
    last = {component: trace.energy_j(component)[-1] for component in trace.components}
    assert joules(window.measure()) == pytest.approx(last)


# Conservation

moments = st.lists(
    st.tuples(st.floats(0.01, 30.0), st.floats(0.0, 1.0), st.booleans(), st.booleans()),
    min_size=1,
    max_size=15,
)


@laws
@given(moments)
def test_cells_and_the_gaps_between_them_add_up_to_the_kernel(moments):
    clock = ScriptedClock()
    meter = metered(
        clock,
        ChipModel("a chip", tdp_w=100.0, cpus=4),
        LinearModel("dram", "linear", CPU_KNOWN_VCPU, idle_w=2.0, busy_w=1.0, cpus=4),
        Replay("gpu0", (0, 5, 20, 300), (0, 100, 150, 9000), accuracy=RAPL_INTEL),
    )
    parts = [meter.open()]
    for seconds, load, is_edge, is_tick in moments:
        clock.advance(seconds, busy_s=4 * load * seconds)
        if is_tick:
            meter.tick()
        if is_edge:
            parts[-1].stop()
            parts.append(meter.open())
    parts[-1].stop()
    whole = joules(meter.kernel.measure())
    for component, energy_j in whole.items():
        assert sum(joules(part.measure())[component] for part in parts) == pytest.approx(energy_j)


@laws
@given(moments)
def test_ticks_change_no_figure_of_a_window(moments):
    seen = []
    for ticking in (True, False):
        clock = ScriptedClock()
        meter = metered(clock, ChipModel("a chip", tdp_w=100.0, cpus=4), Replay.constant("gpu0", 50.0))
        window = meter.open()
        for seconds, load, _, is_tick in moments:
            clock.advance(seconds, busy_s=4 * load * seconds)
            if is_tick and ticking:
                meter.tick()
        window.stop()
        seen.append(joules(window.measure()))
    assert seen[0] == pytest.approx(seen[1])
