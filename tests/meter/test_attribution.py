"""Whose joules: never more than the machine's, and an interval where no split is the only right one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai_magic.arithmetic import total
from greenai_magic.meter.accuracy import LOAD_EXPONENT, NVML_COUNTER, RAPL_INTEL
from greenai_magic.meter.attribution import (
    IDLE_SAMPLES,
    IdleBaseline,
    Shares,
    attributed_energy,
    cpu_share,
    device_share,
    dynamic_energy,
    idle_energies,
)
from greenai_magic.meter.counter import DeviceUsers
from greenai_magic.meter.models import LinearModel
from greenai_magic.meter.replay import Replay
from greenai_magic.quantity import Quantity

WHOLE = 1 + 1e-9
EXPONENTS = {"cpu": LOAD_EXPONENT, "dram": LOAD_EXPONENT, "gpu0": LOAD_EXPONENT}

laws = settings(deadline=None, max_examples=100)
users = st.one_of(
    st.none(),
    st.builds(DeviceUsers, st.integers(0, 3), st.integers(0, 3), st.one_of(st.none(), st.floats(0, 1))),
)


@st.composite
def machines(draw):
    """Components of a machine, and the idle part of some of them, which may be above the whole."""
    components, idle = {}, {}
    for name in draw(st.lists(st.sampled_from(sorted(EXPONENTS)), min_size=1, unique=True)):
        energy_j = draw(st.floats(0, 1e5))
        sensor = {f"sensor {name}": draw(st.floats(0, 0.5))}
        margin_j = draw(st.floats(0, 50))
        components[name] = Quantity(
            energy_j, "J", spread=sensor, below=min(energy_j, margin_j), above=margin_j, name=name
        )
        if draw(st.booleans()):
            spread = sensor | {f"idle power {name}": draw(st.floats(0.015, 0.5))}
            idle[name] = Quantity(energy_j * draw(st.floats(0, 1.5)), "J", spread=spread, name=f"idle {name}")
    return components, idle


def attributed(components, idle, *, own_s, busy_s, idle_share=1.0, gpu=None, duration_s=100.0):
    return attributed_energy(
        components,
        idle,
        duration_s=duration_s,
        own_s=own_s,
        busy_s=busy_s,
        exponents=EXPONENTS,
        users={"gpu0": gpu},
        idle_share=idle_share,
    )


@laws
@given(machines(), st.floats(-1, 100), st.floats(-1, 100), users, st.floats(0, 1))
def test_nobody_uses_more_than_the_machine(machine, own_s, busy_s, gpu, idle_share):
    components, idle = machine
    whole = total(components.values())
    own = attributed(components, idle, own_s=own_s, busy_s=busy_s, idle_share=idle_share, gpu=gpu)
    assert 0 <= own.value <= whole.value * WHOLE
    assert own.high <= whole.high * WHOLE
    assert own.low <= own.value * WHOLE <= own.high * WHOLE**2


@laws
@given(machines())
def test_what_is_above_idle_is_no_more_than_the_machine(machine):
    components, idle = machine
    whole = total(components.values())
    if idle:
        above = dynamic_energy(whole, idle)
        assert above.value <= whole.value * WHOLE
        assert above.high <= whole.high * WHOLE


@laws
@given(st.floats(0, 100), st.floats(0, 100), st.floats(0.1, 1.0))
def test_a_share_lies_between_saved_without_it_and_used_alone(own_s, busy_s, exponent):
    share = cpu_share(own_s, busy_s, exponent=exponent)
    assert 0 <= share.low <= share.value <= share.high <= 1


@laws
@given(st.floats(0.001, 100), st.floats(0.001, 100), st.floats(0.1, 1.0), st.floats(0, 1))
def test_a_coarser_clock_only_widens_a_share(own_s, busy_s, exponent, jiffy_s):
    fine = cpu_share(own_s, busy_s, exponent=exponent, jiffy_s=0.0)
    coarse = cpu_share(own_s, busy_s, exponent=exponent, jiffy_s=jiffy_s)
    assert coarse.low <= fine.low * WHOLE
    assert coarse.high * WHOLE >= fine.high


def test_alone_all_is_ours_and_idle_leaves_nothing():
    assert cpu_share(5.0, 5.0, exponent=LOAD_EXPONENT, jiffy_s=0.0) == (1.0, 1.0, 1.0)
    assert cpu_share(0.0, 5.0, exponent=LOAD_EXPONENT) == (0.0, 0.0, 0.0)


def test_where_the_system_does_not_tell_who_is_busy_the_share_is_open():
    assert cpu_share(5.0, 0.0, exponent=LOAD_EXPONENT) == (1.0, 0.0, 1.0)
    assert cpu_share(5.0, -3.0, exponent=LOAD_EXPONENT) == (1.0, 0.0, 1.0)


def test_where_every_thread_costs_the_same_the_share_is_sharp():
    share = cpu_share(2.0, 8.0, exponent=1.0, jiffy_s=0.0)
    assert share == (0.25, pytest.approx(0.25), pytest.approx(0.25))


def test_one_thread_beside_seven_on_an_epyc_8024p():
    # Package watts: idle 17.7, one busy thread 37.5, eight 49.3. Saved without ours: about 1 W; alone: 19.8 W.
    seconds = 100.0
    idle = {"cpu": Quantity(17.7 * seconds, "J", name="idle cpu")}
    crowded = {"cpu": Quantity(49.3 * seconds, "J", name="cpu")}
    own = attributed(crowded, idle, own_s=seconds, busy_s=8 * seconds, idle_share=0.0)
    assert own.value / seconds == pytest.approx(3.95, rel=0.01)
    assert 1.0 < own.low / seconds < 2.5
    assert 10.0 < own.high / seconds < 19.8
    alone = {"cpu": Quantity(37.5 * seconds, "J", name="cpu")}
    own = attributed(alone, idle, own_s=seconds, busy_s=seconds, idle_share=0.0)
    assert own.value / seconds == pytest.approx(19.8)
    own = attributed(alone, idle, own_s=seconds, busy_s=seconds, idle_share=1.0)
    assert own.value / seconds == pytest.approx(37.5)


@pytest.mark.parametrize(
    ("users", "share"),
    [
        (None, (1.0, 0.0, 1.0)),
        (DeviceUsers(0, 0), (1.0, 0.0, 1.0)),
        (DeviceUsers(0, 2), (0.0, 0.0, 1.0)),
        (DeviceUsers(1, 0), (1.0, 1.0, 1.0)),
        (DeviceUsers(1, 3), (0.25, 0.0, 1.0)),
        (DeviceUsers(1, 3, 0.7), (0.7, 0.0, 1.0)),
    ],
)
def test_a_device_is_shared_by_its_list_of_processes(users, share):
    assert device_share(users) == share


def test_a_share_is_shown_as_a_figure_with_its_interval():
    figure = Shares(0.5, 0.2, 0.9).quantity("share cpu")
    assert (figure.value, figure.low, figure.high) == (0.5, pytest.approx(0.2), pytest.approx(0.9))
    assert figure.basis == "modelled"


def test_a_gpu_that_others_use_is_not_given_to_the_busy_processor():
    components = {"gpu0": Quantity(1000.0, "J", name="gpu0")}
    idle = {"gpu0": Quantity(100.0, "J", name="idle gpu0")}
    own = attributed(components, idle, own_s=8.0, busy_s=8.0, idle_share=0.0, gpu=DeviceUsers(1, 3, 0.1))
    assert own.value == pytest.approx(90.0)


def test_without_an_idle_baseline_all_may_be_idle_or_all_may_be_work():
    components = {"cpu": Quantity(1000.0, "J", name="cpu")}
    own = attributed(components, {}, own_s=10.0, busy_s=10.0, idle_share=0.25)
    assert own.value == pytest.approx(1000.0)
    assert own.low <= 250.0
    guest = attributed(components, {}, own_s=0.0, busy_s=10.0, idle_share=0.25)
    assert (guest.value, guest.high) == (0.0, pytest.approx(250.0))


def test_the_idle_power_is_the_owners_and_a_tenants_by_quota():
    components = {"cpu": Quantity(100.0, "J", name="cpu")}
    idle = {"cpu": Quantity(100.0, "J", name="idle cpu")}
    for idle_share in (0.0, 0.5, 1.0):
        own = attributed(components, idle, own_s=0.0, busy_s=1.0, idle_share=idle_share)
        assert own.value == pytest.approx(100.0 * idle_share)


def test_on_a_machine_that_others_share_the_tenants_add_up_to_the_machine():
    components = {"cpu": Quantity(1000.0, "J", name="cpu")}
    idle = {"cpu": Quantity(500.0, "J", name="idle cpu")}
    tenants = [attributed(components, idle, own_s=100.0, busy_s=400.0) for _ in range(4)]
    assert sum(own.value for own in tenants) == pytest.approx(1000.0)
    assert all(own.low < 250.0 < own.high for own in tenants)


def test_the_small_chores_of_a_desktop_leave_its_idle_power_to_the_kernel():
    components = {"cpu": Quantity(1000.0, "J", name="cpu")}
    idle = {"cpu": Quantity(500.0, "J", name="idle cpu")}
    own = attributed(components, idle, own_s=80.0, busy_s=100.0)
    assert own.value == pytest.approx(500.0 + 0.8 * 500.0)


def test_the_idle_power_of_a_gpu_that_only_others_use_is_not_ours():
    components = {"gpu0": Quantity(700.0, "J", name="gpu0")}
    idle = {"gpu0": Quantity(200.0, "J", name="idle gpu0")}
    own = attributed(components, idle, own_s=1.0, busy_s=1.0, gpu=DeviceUsers(0, 3))
    assert own.value == 0.0
    assert own.high == pytest.approx(700.0)


# What idle is


def test_idle_power_is_unknown_before_the_first_quiet_moment():
    assert IdleBaseline().power("cpu", {}) is None


def test_idle_power_is_the_lowest_tenth_of_what_was_seen():
    baseline = IdleBaseline()
    for watts in (30.0, 10.0, *[12.0] * 18):
        baseline.learn(watts)
    power = baseline.power("cpu", {"sensor": 0.03})
    assert power.value == pytest.approx(11.0)
    assert power.unit == "W"
    assert power.spread["sensor"] == 0.03


def test_restless_moments_make_the_baseline_less_sure():
    steady, restless = IdleBaseline(), IdleBaseline()
    for i in range(20):
        steady.learn(10.0)
        restless.learn(10.0 if i < 2 else 25.0)
    assert restless.power("cpu", {}).log_sd > 3 * steady.power("cpu", {}).log_sd > 0


def test_old_moments_are_forgotten():
    baseline = IdleBaseline()
    for watts in [5.0] * IDLE_SAMPLES + [50.0] * IDLE_SAMPLES:
        baseline.learn(watts)
    assert len(baseline) == IDLE_SAMPLES
    assert baseline.power("cpu", {}).value == pytest.approx(50.0)


def test_a_component_that_draws_nothing_has_no_idle_power():
    baseline = IdleBaseline()
    baseline.learn(0.0)
    assert baseline.power("gpu0", {}) is None


def test_a_models_own_idle_power_needs_no_quiet_moment():
    learned = Replay("cpu", (0, 1), (0, 40), accuracy=RAPL_INTEL)
    model = LinearModel("memory", "64 GB", NVML_COUNTER, idle_w=20.0)
    baselines = [IdleBaseline(), IdleBaseline()]
    duration = Quantity(10.0, "s", name="duration")
    assert list(idle_energies([learned, model], baselines, duration)) == ["memory"]
    baselines[0].learn(12.0)
    energies = idle_energies([learned, model], baselines, duration)
    assert {name: energy.value for name, energy in energies.items()} == {"cpu": 120.0, "memory": 200.0}
    assert energies["memory"].basis == "modelled"
    assert RAPL_INTEL.cause in energies["cpu"].spread
