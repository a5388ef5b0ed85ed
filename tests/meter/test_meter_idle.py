"""What is above idle, and what is ours."""

from __future__ import annotations

import pytest
from powercap import SimulatedDevice, joules, metered, rapl_meter

from greenai_magic.meter.accuracy import CPU_KNOWN_VCPU
from greenai_magic.meter.counter import DeviceUsers
from greenai_magic.meter.models import LinearModel, memory_model
from greenai_magic.meter.replay import Replay


def quiet(meter, clock, moments, watts=None, zone=None):
    for _ in range(moments):
        clock.advance(0.5)
        if zone:
            zone.use(0.5 * watts)
        meter.tick()


def test_idle_is_learned_between_windows_and_nothing_is_above_it_before(tmp_path, clock):
    zone, meter = rapl_meter(tmp_path, clock)
    first = meter.open()
    clock.advance(1.0)
    first.stop()
    assert first.measure().dynamic is None
    quiet(meter, clock, 8, watts=12.0, zone=zone)
    window = meter.open()
    zone.use(60.0)
    clock.advance(2.0, own_s=2.0, busy_s=2.0)
    window.stop()
    measurement = window.measure()
    assert measurement.dynamic.value == pytest.approx(60.0 - 24.0)
    assert measurement.attributed.value == pytest.approx(60.0)
    assert measurement.dynamic.low < 36.0 < measurement.dynamic.high


def test_work_outside_any_window_is_not_rest(tmp_path, clock):
    zone, meter = rapl_meter(tmp_path, clock)
    for _ in range(20):
        clock.advance(0.5, own_s=0.5, busy_s=0.5)
        zone.use(0.5 * 100.0)
        meter.tick()
    assert meter.next_wait_s() > 10, "a kernel at work is looked at ever less often"
    zone.use(100.0 * 10)
    clock.advance(10.0, own_s=10.0, busy_s=10.0)
    window = meter.open()
    zone.use(100.0 * 10)
    clock.advance(10.0, own_s=10.0, busy_s=10.0)
    window.stop()
    assert window.measure().dynamic is None
    quiet(meter, clock, 1, watts=20.0, zone=zone)
    assert meter.next_wait_s() == 0.5
    assert window.measure().dynamic is None
    again = meter.open()
    zone.use(100.0)
    clock.advance(1.0, own_s=1.0, busy_s=1.0)
    again.stop()
    assert again.measure().dynamic.value == pytest.approx(80.0)


def test_moments_inside_windows_and_across_a_suspend_are_not_idle(tmp_path, clock):
    zone, meter = rapl_meter(tmp_path, clock)
    window = meter.open()
    quiet(meter, clock, 5, watts=90.0, zone=zone)
    window.stop()
    clock.advance(0.5, asleep_s=100.0)
    meter.tick()
    assert window.measure().dynamic is None
    again = meter.open()
    assert again.measure().dynamic is None


def test_a_machine_that_slept_teaches_nothing_though_its_counter_goes_on(clock):
    meter = metered(clock, Replay.constant("gpu0", 40.0))
    clock.advance(0.5, asleep_s=100.0)
    meter.tick()
    assert meter.open().measure().dynamic is None


def test_a_window_inside_another_does_not_take_its_work_for_rest(tmp_path, clock):
    zone, meter = rapl_meter(tmp_path, clock)
    outer = meter.open()
    zone.use(90.0)
    clock.advance(1.0)
    inner = meter.open()
    inner.stop()
    assert inner.measure().dynamic is None
    assert outer.measure().dynamic is None


def test_the_gap_before_a_window_is_a_quiet_moment_too(tmp_path, clock):
    zone, meter = rapl_meter(tmp_path, clock)
    zone.use(100.0)
    clock.advance(10.0)
    window = meter.open()
    zone.use(100.0)
    clock.advance(1.0)
    window.stop()
    assert window.measure().dynamic.value == pytest.approx(90.0)


def test_a_gap_too_short_to_tell_teaches_nothing(tmp_path, clock):
    zone, meter = rapl_meter(tmp_path, clock)
    clock.advance(0.4)
    window = meter.open()
    zone.use(10.0)
    clock.advance(1.0)
    window.stop()
    assert window.measure().dynamic is None


def test_what_is_ours_follows_cpu_time_and_the_list_of_processes(clock):
    cpu = LinearModel("cpu", "a chip", CPU_KNOWN_VCPU, idle_w=10.0, busy_w=10.0, cpus=4)
    gpu = SimulatedDevice.constant("gpu0", 200.0)
    gpu.idle_w = 50.0
    gpu.processes = DeviceUsers(1, 1, 0.25)
    meter = metered(clock, cpu, gpu, idle_share=0.0)
    window = meter.open()
    clock.advance(10.0, own_s=10.0, busy_s=40.0)
    window.stop()
    measurement = window.measure()
    assert joules(measurement) == pytest.approx({"cpu": 500.0, "gpu0": 2000.0})
    assert measurement.attributed.value == pytest.approx(400 / 4 + 1500 / 4, rel=0.02)
    assert measurement.dynamic.value == pytest.approx(1900.0, rel=0.02)


def test_there_is_nothing_to_wait_for_once_idle_is_known(tmp_path, clock):
    zone, meter = rapl_meter(tmp_path, clock)
    assert meter.next_wait_s() == 0.5
    quiet(meter, clock, 8, watts=10.0, zone=zone)
    assert meter.next_wait_s() is None
    assert metered(clock, memory_model(8.0)).next_wait_s() is None
