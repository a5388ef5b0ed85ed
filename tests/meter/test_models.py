"""Models: laws of the load, what they are taken over, and no dependence on who looks."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from powercap import PowercapTree, ScriptedClock, folder_for_all

from greenai_magic.meter.accuracy import CPU_KNOWN_CHIP, CPU_KNOWN_VCPU, CPU_UNKNOWN, MEMORY_MODEL
from greenai_magic.meter.meter import Meter
from greenai_magic.meter.models import (
    IDLE_SHARE,
    LOAD_SHARE,
    MEMORY_W_PER_GB,
    ChipModel,
    LinearModel,
    cpu_model,
    memory_model,
)
from greenai_magic.meter.processor import Processor
from greenai_magic.meter.rapl import open_rapl
from greenai_magic.meter.replay import Replay

XEON = Processor("Intel(R) Xeon(R) CPU E5-2690 v4 @ 2.60GHz", "GenuineIntel", 6, 79, 1)
XEON_W = 135.0

laws = settings(deadline=None, max_examples=60)


def watts(model, load, *, cpus, seconds=10.0):
    clock = ScriptedClock()
    before = model.read(clock.now(), edge=True).energy_j
    after = model.read(clock.advance(seconds, busy_s=load * cpus * seconds), edge=True).energy_j
    return (after - before) / seconds


def chip(cpus=16.0):
    return ChipModel("a chip", tdp_w=100.0, cpus=cpus)


def virtual():
    return LinearModel("cpu", "vCPUs", CPU_KNOWN_VCPU, idle_w=2.0, busy_w=1.5, cpus=4.0)


# The laws


def test_a_chip_draws_the_published_shares_of_its_rated_power():
    assert watts(chip(), 0.0, cpus=16) == pytest.approx(100 * IDLE_SHARE)
    assert watts(chip(), 1.0, cpus=16) == pytest.approx(100 * (IDLE_SHARE + LOAD_SHARE))
    assert watts(chip(), 3.0, cpus=16) == pytest.approx(100 * (IDLE_SHARE + LOAD_SHARE))


def test_the_first_busy_core_of_a_chip_costs_most():
    powers_w = [watts(chip(), busy / 16, cpus=16) for busy in range(17)]
    steps_w = [after - before for before, after in itertools.pairwise(powers_w)]
    assert steps_w == sorted(steps_w, reverse=True)
    assert steps_w[0] > 4 * steps_w[-1] > 0


def test_every_busy_cpu_of_a_virtual_machine_costs_the_same():
    assert [watts(virtual(), busy / 4, cpus=4) for busy in range(5)] == pytest.approx(
        [2.0, 3.5, 5.0, 6.5, 8.0]
    )


def test_memory_draws_the_same_whatever_runs():
    assert watts(memory_model(64.0), 0.0, cpus=1) == pytest.approx(64 * MEMORY_W_PER_GB)
    assert watts(memory_model(64.0), 1.0, cpus=1) == pytest.approx(64 * MEMORY_W_PER_GB)
    assert memory_model(64.0).accuracy is MEMORY_MODEL


@pytest.mark.parametrize("model", [chip(), virtual(), memory_model(8.0)], ids=["chip", "virtual", "memory"])
def test_two_looks_at_one_moment_see_no_energy_between_them(model):
    now = ScriptedClock().advance(5.0, busy_s=1.0)
    assert model.read(now, edge=True) == model.read(now, edge=False) == model.read(now, edge=True)
    assert model.users() is None
    model.close()


# What they are taken over


def test_a_known_chip_on_bare_metal_follows_the_load_law():
    model = cpu_model(XEON, cpus_allowed=28, cpus_online=28)
    assert model.accuracy is CPU_KNOWN_CHIP
    assert model.idle_w == pytest.approx(IDLE_SHARE * XEON_W)
    assert "135 W" in model.label


def test_a_part_of_a_chip_draws_a_part_and_two_sockets_draw_double():
    part = cpu_model(XEON, cpus_allowed=7, cpus_online=28)
    assert watts(part, 1.0, cpus=7) == pytest.approx(XEON_W / 4 * (IDLE_SHARE + LOAD_SHARE))
    two = Processor(XEON.name, XEON.vendor, XEON.family, XEON.model, XEON.stepping, sockets=2)
    assert cpu_model(two, cpus_allowed=56, cpus_online=56).rated_w == pytest.approx(2 * XEON_W)


def test_a_virtual_machine_never_gets_the_rated_power_of_its_host():
    guest = Processor(XEON.name, XEON.vendor, XEON.family, XEON.model, XEON.stepping, virtual=True)
    model = cpu_model(guest, cpus_allowed=2, cpus_online=2)
    assert model.accuracy is CPU_KNOWN_VCPU
    assert model.rated_w == pytest.approx(2 * 3.05)
    assert model.accuracy.holds_memory
    assert "Broadwell" in model.label


@pytest.mark.parametrize("virtual", [True, False])
def test_a_processor_nobody_knows_is_said_to_be_unknown(virtual):
    model = cpu_model(Processor("Neon 9000", virtual=virtual), cpus_allowed=0.5, cpus_online=8)
    assert model.accuracy is CPU_UNKNOWN
    assert model.accuracy.holds_memory
    assert "unknown processor" in model.label
    assert model.idle_w == pytest.approx(0.5 * 0.63)
    assert watts(model, 1.0, cpus=0.5) == pytest.approx(0.5 * 3.35)


# Who looks changes nothing

steps = st.tuples(st.floats(0.0, 20.0), st.floats(0.0, 1.0), st.booleans())


def counters_over(folder):
    """Return one counter of every kind, with the zone of the true one."""
    tree = PowercapTree(folder)
    zone = tree.add("intel-rapl:0", "package-0", limits_w=(200.0,))
    (rapl,), _ = open_rapl(tree.root)
    recording = Replay("cpu", (0.0, 3.0, 40.0), (0.0, 90.0, 200.0))
    return [rapl, chip(4.0), virtual(), memory_model(8.0), recording], zone


def readings_at_edges(looks, *, between):
    """Return what each counter says at the edges; with or without the looks between them."""
    clock, readings = ScriptedClock(), []
    with folder_for_all() as folder:
        counters, zone = counters_over(folder)
        for counter in counters:
            counter.read(clock.now(), edge=True)
        for seconds, load, is_edge in [*looks, (0.1, 0.0, True)]:
            now = clock.advance(seconds, busy_s=load * 4 * seconds)
            zone.use(200.0 * load * seconds)
            if is_edge or between:
                row = [counter.read(now, edge=is_edge) for counter in counters]
            if is_edge:
                readings.append(row)
        for counter in counters:
            counter.close()
    return [figure for row in readings for reading in row for figure in reading]


@laws
@given(st.lists(steps, max_size=12))
def test_looks_between_two_edges_change_no_figure_at_the_edges(looks):
    often, seldom = (readings_at_edges(looks, between=between) for between in (True, False))
    assert often == pytest.approx(seldom, rel=1e-9, abs=1e-5)


@laws
@given(st.lists(steps, min_size=1, max_size=12))
def test_no_counter_ever_falls(looks):
    clock = ScriptedClock()
    for model in (chip(4.0), virtual(), memory_model(8.0)):
        last_j = model.read(clock.now(), edge=True).energy_j
        for seconds, load, is_edge in looks:
            reading = model.read(clock.advance(seconds, busy_s=load * 4 * seconds), edge=is_edge)
            assert reading.energy_j >= last_j - 1e-9
            last_j = reading.energy_j


def test_what_a_concave_law_may_overstate_is_inside_its_interval(clock):
    # One second at full load, then nine at rest: the law on the mean load says more than it does piece by piece.
    chip = ChipModel("chip", tdp_w=100.0, cpus=16.0)
    meter = Meter([chip], clock, threaded=False)
    window = meter.open()
    clock.advance(1.0, busy_s=16.0)
    piecewise_j = 100.0 * (0.11 + 0.62) + 100.0 * 0.11 * 9.0
    clock.advance(9.0)
    window.stop()
    machine = window.measure().machine
    assert machine.low < piecewise_j < machine.high


def test_a_foreign_window_in_between_moves_a_chips_figure_only_within_its_interval(clock):
    alone, crossed = (
        Meter([ChipModel("chip", tdp_w=100.0, cpus=16.0)], clock, threaded=False) for _ in range(2)
    )
    windows = [alone.open(), crossed.open()]
    clock.advance(1.0, busy_s=16.0)
    crossed.open().stop()
    clock.advance(9.0)
    for window in windows:
        window.stop()
    calm, moved = (window.measure().machine for window in windows)
    assert calm.low < moved.value < calm.value


def test_a_linear_model_shows_the_formula_of_its_joules(clock):
    meter = Meter(
        [LinearModel("cpu", "2 vCPU", CPU_KNOWN_VCPU, idle_w=0.6, busy_w=1.3, cpus=2)], clock, threaded=False
    )
    window = meter.open()
    clock.advance(10.0, busy_s=4.0)
    window.stop()
    cpu = window.measure().by_component["cpu"]
    assert cpu.formula.format(*(part.value for part in cpu.inputs)) == "0.6 * 10.0 + 1.3 * 4.0"
    assert cpu.value == pytest.approx(0.6 * 10.0 + 1.3 * 4.0)
    assert "power at rest * duration + power of a busy processor * CPU-seconds" in cpu.explain()


@laws
@given(st.floats(1e-4, 100.0), st.floats(0.0, 500.0))
def test_the_formula_shown_gives_the_joules_even_where_a_busy_tick_outlasts_the_window(seconds, busy_s):
    clock = ScriptedClock()
    model = LinearModel("cpu", "2 vCPU", CPU_KNOWN_VCPU, idle_w=0.6, busy_w=1.3, cpus=2)
    meter = Meter([model], clock, threaded=False)
    window = meter.open()
    clock.advance(seconds, busy_s=busy_s)
    window.stop()
    cpu = window.measure().by_component["cpu"]
    arithmetic = cpu.formula.format(*(part.value for part in cpu.inputs))
    assert eval(arithmetic) == pytest.approx(cpu.value, rel=1e-8)


def test_a_models_figures_are_modelled_all_the_way_down(clock):
    meter = Meter([ChipModel("chip", tdp_w=100.0, cpus=16.0)], clock, threaded=False)
    window = meter.open()
    clock.advance(1.0, busy_s=16.0)
    window.stop()
    cpu = window.measure().by_component["cpu"]
    assert {part.basis for part in (cpu, *cpu.inputs)} == {"modelled"}
