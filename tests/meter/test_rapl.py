"""RAPL on a tree of real files: what belongs in the sum, and what cannot be believed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from powercap import RANGE_UJ, PowercapTree, ScriptedClock, folder_for_all, open_descriptors, unprivileged

from greenai_magic.errors import CounterLost
from greenai_magic.meter.accuracy import RAPL_AMD, RAPL_CORE, RAPL_INTEL, RAPL_PLATFORM
from greenai_magic.meter.counter import Reading
from greenai_magic.meter.rapl import open_rapl

INTEL, AMD = "GenuineIntel", "AuthenticAMD"


@pytest.fixture
def tree(tmp_path):
    return PowercapTree(tmp_path / "powercap")


def opened(tree, clock, vendor=INTEL):
    """Return the counters by component, each read once, and the notes."""
    counters, notes = open_rapl(tree.root, vendor=vendor)
    for counter in counters:
        counter.read(clock.now(), edge=True)
    return {counter.component: counter for counter in counters}, notes


def energies_j(counters, now):
    return {name: counter.read(now, edge=True).energy_j for name, counter in counters.items()}


def one_package(tree, clock, **parts):
    zone = tree.add("intel-rapl:0", "package-0", **parts)
    return zone, opened(tree, clock)[0]["cpu"]


# What belongs in the sum


def test_package_and_memory_are_counted_and_what_the_package_contains_is_not(tree, clock):
    zones = {
        "package": tree.add("intel-rapl:0", "package-0"),
        "core": tree.add("intel-rapl:0:0", "core"),
        "uncore": tree.add("intel-rapl:0:1", "uncore"),
        "dram": tree.add("intel-rapl:0:2", "dram"),
        "psys": tree.add("intel-rapl:1", "psys"),
        "mmio": tree.add("intel-rapl-mmio:0", "package-0"),
    }
    counters, notes = opened(tree, clock)
    for zone, joules in zip(zones.values(), (50, 30, 10, 4, 80, 50), strict=True):
        zone.use(joules)
    assert energies_j(counters, clock.advance(1.0)) == {"cpu": 50.0, "dram": 4.0}
    assert notes == []
    assert counters["cpu"].accuracy is RAPL_INTEL


def test_two_sockets_that_call_their_memory_alike_are_both_counted(tree, clock):
    for socket in (0, 1):
        tree.add(f"intel-rapl:{socket}", f"package-{socket}").use(0)
    memories = [tree.add(f"intel-rapl:{socket}:0", "dram") for socket in (0, 1)]
    counters, _ = opened(tree, clock)
    memories[0].use(3.0)
    memories[1].use(5.0)
    assert energies_j(counters, clock.advance(1.0)) == {"cpu": 0.0, "dram": 8.0}


@pytest.mark.parametrize(("vendor", "expected_j"), [(INTEL, 11.0 + 13.0 + 17.0), (AMD, 11.0 + 17.0)])
def test_dies_add_up_on_intel_and_repeat_their_socket_on_amd(tree, clock, vendor, expected_j):
    names = ("package-0-die-0", "package-0-die-1", "package-1-die-0")
    zones = [tree.add(f"intel-rapl:{i}", name) for i, name in enumerate(names)]
    counters, _ = opened(tree, clock, vendor)
    for zone, joules in zip(zones, (11.0, 13.0, 17.0), strict=True):
        zone.use(joules)
    assert energies_j(counters, clock.advance(1.0)) == {"cpu": expected_j}


def test_the_platform_counts_only_where_there_is_no_package(tree, clock):
    psys = tree.add("intel-rapl:1", "psys")
    tree.add("intel-rapl:1:0", "dram")
    counters, _ = opened(tree, clock)
    psys.use(80.0)
    assert energies_j(counters, clock.advance(1.0)) == {"platform": 80.0}
    assert counters["platform"].accuracy is RAPL_PLATFORM


def test_the_cores_stand_in_where_there_is_nothing_else(tree, clock):
    core = tree.add("intel-rapl:0:0", "core")
    counters, _ = opened(tree, clock)
    core.use(30.0)
    assert energies_j(counters, clock.advance(1.0)) == {"cpu": 30.0}
    assert counters["cpu"].accuracy is RAPL_CORE


def test_amd_is_told_from_intel_by_its_vendor(tree, clock):
    tree.add("intel-rapl:0", "package-0")
    assert opened(tree, clock, AMD)[0]["cpu"].accuracy is RAPL_AMD
    assert opened(tree, clock, "HygonGenuine")[0]["cpu"].accuracy is RAPL_AMD


def test_a_machine_without_counters_has_none_and_no_note(tree, tmp_path):
    assert open_rapl(tree.root) == ([], [])
    assert open_rapl(tmp_path / "not there") == ([], [])


def test_users_of_a_processor_are_told_by_cpu_time(tree, clock):
    _, cpu = one_package(tree, clock)
    assert cpu.users() is None
    assert cpu.idle_w is None


# What cannot be believed


def test_a_counter_that_turns_over_loses_nothing(tree, clock):
    zone, cpu = one_package(tree, clock, raw_uj=RANGE_UJ - 20_000_000)
    zone.use(60.0)
    assert cpu.read(clock.advance(1.0), edge=True) == Reading(pytest.approx(60.0))


def test_a_counter_that_may_have_turned_over_unseen_is_doubted(tree, clock):
    zone, cpu = one_package(tree, clock, range_uj=100_000_000, limits_w=(150.0,))
    zone.use(30.0)
    reading = cpu.read(clock.advance(2.0), edge=False)
    # At 150 W, 300 J may have gone by: the 30 J that show and two turns of 100 J.
    assert reading == Reading(pytest.approx(30.0), pytest.approx(200.0))
    zone.use(30.0)
    assert cpu.read(clock.advance(0.5), edge=False) == Reading(pytest.approx(60.0), pytest.approx(200.0))


def test_a_counter_that_starts_anew_drops_the_interval_and_doubts_it(tree, clock):
    zone, cpu = one_package(tree, clock, raw_uj=9_000_000_000, limits_w=(65.0,))
    zone.jump(1_000_000)
    assert cpu.read(clock.advance(2.0), edge=True) == Reading(0.0, pytest.approx(130.0))
    zone.use(40.0)
    assert cpu.read(clock.advance(1.0), edge=True) == Reading(pytest.approx(40.0), pytest.approx(130.0))


def test_a_suspend_drops_the_interval_and_doubts_what_was_used_awake(tree, clock):
    zone, cpu = one_package(tree, clock, limits_w=(65.0,))
    zone.use(20.0)
    assert cpu.read(clock.advance(1.0, asleep_s=3600.0), edge=True) == Reading(0.0, pytest.approx(65.0))
    zone.use(20.0)
    assert cpu.read(clock.advance(1.0), edge=True).energy_j == pytest.approx(20.0)


def test_a_jump_that_no_processor_could_make_is_not_energy(tree, clock):
    zone, cpu = one_package(tree, clock)
    zone.use(50_000.0)
    reading = cpu.read(clock.advance(1.0), edge=True)
    assert reading.energy_j == 0.0
    assert reading.doubt_j > 0


def test_a_zone_that_stops_answering_is_lost_by_name(tree, clock):
    zone, cpu = one_package(tree, clock)
    zone.vanish()
    with pytest.raises(CounterLost, match="RAPL package counters stopped answering"):
        cpu.read(clock.advance(1.0), edge=True)


def test_a_closed_counter_answers_no_more_and_leaves_no_descriptor(tree, clock):
    before = open_descriptors()
    _, cpu = one_package(tree, clock)
    cpu.close()
    cpu.close()
    assert open_descriptors() == before
    with pytest.raises(CounterLost):
        cpu.read(clock.advance(1.0), edge=True)


@pytest.mark.parametrize(
    ("limits_w", "rated_w"), [((45.0, 115.0), 115.0), ((), 300.0), ((0.0, 1e9), 300.0), ((1e9, 65.0), 65.0)]
)
def test_the_rated_power_is_the_highest_limit_that_can_be_believed(tree, clock, limits_w, rated_w):
    _, cpu = one_package(tree, clock, limits_w=limits_w)
    assert cpu.rated_w == rated_w


# What may not be read

REMEDY = "sudo chmod -R a+r"


@pytest.fixture
def public_tree():
    with folder_for_all() as folder:
        yield PowercapTree(folder / "powercap")


def test_counters_that_only_root_may_read_give_one_sentence_with_the_remedy(public_tree, clock):
    for zone in (public_tree.add("intel-rapl:0", "package-0"), public_tree.add("intel-rapl:0:0", "dram")):
        zone.file.chmod(0)
    with unprivileged():
        counters, notes = opened(public_tree, clock)
    assert counters == {}
    (note,) = notes
    assert REMEDY in note
    assert note.count(". ") == 0


def test_half_of_the_sockets_is_none(public_tree, clock):
    public_tree.add("intel-rapl:0", "package-0")
    public_tree.add("intel-rapl:1", "package-1").file.chmod(0)
    memory = public_tree.add("intel-rapl:0:0", "dram")
    before = open_descriptors()
    with unprivileged():
        counters, notes = opened(public_tree, clock)
    assert list(counters) == ["dram"]
    assert open_descriptors() == before + 1
    assert [REMEDY in note for note in notes] == [True]
    memory.use(2.0)
    assert energies_j(counters, clock.advance(1.0)) == {"dram": 2.0}


def test_a_counter_broken_in_another_way_gets_no_remedy_that_would_not_help(tree):
    tree.add("intel-rapl:0", "package-0").file.unlink()
    (tree.root / "intel-rapl:0" / "energy_uj").mkdir()
    counters, (note,) = open_rapl(tree.root)
    assert counters == []
    assert REMEDY not in note
    assert "cannot be read" in note


@pytest.mark.parametrize("range_text", ["0", "", "many"])
def test_a_counter_that_does_not_say_where_it_turns_over_is_not_used(tree, range_text):
    zone = tree.add("intel-rapl:0", "package-0")
    (zone.folder / "max_energy_range_uj").write_text(range_text)
    counters, notes = open_rapl(tree.root)
    assert counters == []
    assert len(notes) == 1


# Whatever happens

looks = st.lists(st.tuples(st.floats(0.01, 30.0), st.floats(0.0, 250.0)), min_size=1, max_size=20)


@settings(deadline=None, max_examples=40)
@given(looks, st.integers(0, RANGE_UJ - 1))
def test_any_use_is_counted_exactly_wherever_the_counter_turns_over(looks, raw_uj):
    with folder_for_all() as folder:
        tree, clock = PowercapTree(folder), ScriptedClock()
        zone = tree.add("intel-rapl:0", "package-0", raw_uj=raw_uj, limits_w=(250.0,))
        (cpu,), _ = open_rapl(tree.root)
        cpu.read(clock.now(), edge=True)
        true_j = 0.0
        for seconds, watts in looks:
            zone.use(watts * seconds)
            true_j += watts * seconds
            reading = cpu.read(clock.advance(seconds), edge=False)
            assert reading.doubt_j == 0
            assert math.isclose(reading.energy_j, true_j, abs_tol=1e-6 * len(looks))
        cpu.close()
