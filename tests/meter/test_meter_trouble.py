"""What goes wrong: counters that jump, devices that leave, interrupts, and a meter that is closed."""

from __future__ import annotations

import gc

import pytest
from powercap import SimulatedDevice, joules, metered, rapl_meter

from greenai_magic.meter.models import memory_model
from greenai_magic.meter.replay import Replay

# Counters that jump


def test_a_counter_turning_over_inside_a_window_loses_nothing(tmp_path, clock):
    zone, meter = rapl_meter(tmp_path, clock, raw_uj=95_000_000, range_uj=100_000_000)
    window = meter.open()
    for _ in range(4):
        zone.use(30.0)
        clock.advance(0.5)
        meter.tick()
    window.stop()
    machine = window.measure().machine
    assert machine.value == pytest.approx(120.0)
    assert machine.high < 120 * 1.06


def test_turns_that_nobody_saw_widen_the_interval_upwards(tmp_path, clock):
    zone, meter = rapl_meter(tmp_path, clock, range_uj=100_000_000)
    window = meter.open()
    zone.use(30.0 + 200.0)
    clock.advance(3.0)
    window.stop()
    machine = window.measure().machine
    assert machine.value == pytest.approx(30.0)
    assert machine.high > 230.0
    assert machine.low > 25.0


def test_a_reset_inside_a_window_widens_the_interval_upwards(tmp_path, clock):
    zone, meter = rapl_meter(tmp_path, clock)
    window = meter.open()
    zone.use(20.0)
    clock.advance(0.5)
    meter.tick()
    zone.jump(0)
    clock.advance(0.5)
    meter.tick()
    zone.use(20.0)
    clock.advance(0.5)
    window.stop()
    machine = window.measure().machine
    assert machine.value == pytest.approx(40.0)
    assert machine.high >= 40.0 + 100.0 * 0.5


def test_a_suspend_is_noted_and_not_counted(tmp_path, clock):
    zone, meter = rapl_meter(tmp_path, clock)
    window = meter.open()
    zone.use(20.0)
    clock.advance(0.5)
    meter.tick()
    clock.advance(0.2, asleep_s=3600.0)
    zone.use(1.0)
    meter.tick()
    zone.use(20.0)
    clock.advance(0.5)
    window.stop()
    measurement = window.measure()
    assert measurement.machine.value == pytest.approx(40.0)
    assert measurement.machine.high >= 40.0 + 100.0 * 0.2
    assert measurement.duration.value == pytest.approx(1.2)
    (note,) = measurement.notes
    assert "slept for 3600 s" in note


# Devices that go away


def test_a_lost_device_keeps_the_others_and_its_own_joules_so_far(clock):
    gpu = SimulatedDevice.constant("gpu0", 200.0)
    meter = metered(clock, Replay.constant("cpu", 40.0), gpu)
    before = meter.open()
    clock.advance(1.0)
    before.stop()
    window = meter.open()
    clock.advance(1.0)
    meter.tick()
    gpu.lost = True
    clock.advance(2.0)
    meter.tick()
    clock.advance(1.0)
    window.stop()
    measurement = window.measure()
    assert joules(measurement) == pytest.approx({"cpu": 160.0, "gpu0": 200.0})
    assert measurement.by_component["gpu0"].high >= 200.0 + 3 * 200.0
    assert measurement.by_component["cpu"].high < 161.0
    (note,) = measurement.notes
    assert "fell off the bus" in note
    assert before.measure().notes == ()


def test_what_was_lost_stays_lost_and_is_told_once_in_every_window(clock):
    gpu = SimulatedDevice.constant("gpu0", 200.0)
    meter = metered(clock, gpu, Replay.constant("cpu", 40.0))
    gpu.lost = True
    clock.advance(1.0)
    meter.tick()
    gpu.lost = False
    window = meter.open()
    clock.advance(1.0)
    window.stop()
    assert joules(window.measure()) == pytest.approx({"cpu": 40.0, "gpu0": 0.0})
    assert len(window.measure().notes) == 1
    assert meter.device_users() == {}


def test_a_zone_that_vanishes_is_noted_and_doubted(tmp_path, clock):
    zone, meter = rapl_meter(tmp_path, clock)
    window = meter.open()
    zone.use(50.0)
    clock.advance(1.0)
    meter.tick()
    zone.vanish()
    clock.advance(1.0)
    window.stop()
    measurement = window.measure()
    assert measurement.machine.value == pytest.approx(50.0)
    assert measurement.machine.high >= 150.0
    assert any("stopped answering" in note for note in measurement.notes)


# Interrupts


def test_a_window_that_nobody_holds_does_not_keep_the_meter_awake(clock):
    meter = metered(clock, memory_model(8.0))
    meter.open()
    gc.collect()
    assert meter.next_wait_s() is None


def test_an_interrupt_while_a_counter_is_read_leaves_the_meter_usable(clock):
    class Interrupted(Replay):
        interrupts = 0

        def read(self, now, *, edge):
            if self.interrupts:
                self.interrupts -= 1
                raise KeyboardInterrupt
            return super().read(now, edge=edge)

    counter = Interrupted.constant("cpu", 40.0)
    meter = metered(clock, counter)
    counter.interrupts = 1
    with pytest.raises(KeyboardInterrupt):
        meter.open()
    window = meter.open()
    clock.advance(1.0)
    counter.interrupts = 1
    with pytest.raises(KeyboardInterrupt):
        window.stop()
    clock.advance(1.0)
    window.stop()
    assert window.measure().machine.value == pytest.approx(80.0)


def test_a_closed_meter_still_ends_its_windows(tmp_path, clock):
    zone, meter = rapl_meter(tmp_path, clock)
    window = meter.open()
    zone.use(10.0)
    clock.advance(1.0)
    meter.tick()
    meter.close()
    meter.close()
    clock.advance(1.0)
    meter.tick()
    window.stop()
    assert window.measure().machine.value == pytest.approx(10.0)
    assert any("stopped answering" in note for note in window.measure().notes)
