"""Which counters a machine has, on trees that say what machine it is."""

from __future__ import annotations

import os

import pytest
from powercap import PowercapTree, folder_for_all, unprivileged, write_proc, write_stat

from greenai_magic.meter.accuracy import CPU_KNOWN_CHIP, CPU_KNOWN_VCPU, MEMORY_MODEL, RAPL_AMD, RAPL_INTEL
from greenai_magic.meter.discover import default_meter, discover, use_meter
from greenai_magic.meter.models import MEMORY_W_PER_GB

XEON = {"name": "Intel(R) Xeon(R) CPU E5-2690 v4 @ 2.60GHz", "model": 79}
EPYC = {"name": "AMD EPYC 7763 64-Core Processor", "vendor": "AuthenticAMD", "family": 25, "model": 1}


@pytest.fixture
def folder(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with folder_for_all() as folder:
        (folder / "cgroup").mkdir()
        write_proc(folder / "proc", **XEON)
        yield folder


@pytest.fixture
def tree(folder):
    return PowercapTree(folder / "powercap")


@pytest.fixture
def look(folder):
    """Discover the machine of the folder; every meter is closed at the end."""
    meters = []

    def look():
        places = {"powercap": folder / "powercap", "proc": folder / "proc", "cgroup": folder / "cgroup"}
        meters.append(discover(**places, threaded=False))
        return meters[-1]

    yield look
    for meter in meters:
        meter.close()


def accuracies(meter):
    return {counter.component: counter.accuracy for counter in meter.counters}


def test_an_intel_client_measures_processor_and_memory(tree, look):
    tree.add("intel-rapl:0", "package-0")
    tree.add("intel-rapl:0:0", "core")
    tree.add("intel-rapl:0:1", "dram")
    meter = look()
    assert list(accuracies(meter)) == ["cpu", "dram"]
    assert accuracies(meter)["cpu"] is RAPL_INTEL
    assert meter.notes == ()


def test_amd_measures_the_processor_and_models_the_memory_that_it_does_not_see(folder, tree, look):
    write_proc(folder / "proc", **EPYC, memory_gb=256.0)
    tree.add("intel-rapl:0", "package-0")
    tree.add("intel-rapl:0:0", "core")
    meter = look()
    assert accuracies(meter) == {"cpu": RAPL_AMD, "memory": MEMORY_MODEL}
    assert meter.counters[1].rated_w == pytest.approx(256 * MEMORY_W_PER_GB)


def test_a_platform_counter_holds_the_memory(tree, look):
    tree.add("intel-rapl:0", "psys")
    assert list(accuracies(look())) == ["platform"]


def test_a_virtual_machine_models_the_processor_and_the_memory_with_it(folder, look):
    write_proc(folder / "proc", **XEON, virtual=True)
    meter = look()
    assert accuracies(meter) == {"cpu": CPU_KNOWN_VCPU}
    assert meter.notes == ()


def test_bare_metal_without_counters_models_both(look):
    assert accuracies(look()) == {"cpu": CPU_KNOWN_CHIP, "memory": MEMORY_MODEL}


def test_counters_that_may_not_be_read_are_modelled_and_one_note_tells_the_remedy(tree, look):
    for zone in (tree.add("intel-rapl:0", "package-0"), tree.add("intel-rapl:0:0", "dram")):
        zone.file.chmod(0)
    with unprivileged():
        meter = look()
    assert accuracies(meter) == {"cpu": CPU_KNOWN_CHIP, "memory": MEMORY_MODEL}
    (note,) = meter.notes
    assert "chmod" in note
    assert note in meter.open().measure().notes


def test_memory_that_a_model_holds_is_not_counted_beside_it(folder, tree, look):
    write_proc(folder / "proc", name="unknown chip", family=99)
    tree.add("intel-rapl:0", "package-0").file.chmod(0)
    tree.add("intel-rapl:0:0", "dram")
    with unprivileged():
        meter = look()
    assert list(accuracies(meter)) == ["cpu"]


def test_where_nobody_tells_who_is_busy_a_note_says_so(folder, look):
    write_stat(folder / "proc")
    assert any("does not tell what others compute" in note for note in look().notes)


def test_memory_whose_size_cannot_be_told_is_said_to_be_left_out(folder, tree, look):
    tree.add("intel-rapl:0", "package-0")
    (folder / "proc" / "meminfo").unlink()
    meter = look()
    assert list(accuracies(meter)) == ["cpu"]
    assert meter.notes == ("Memory is not counted: its size cannot be told here.",)


def test_in_a_container_models_cover_what_it_may_use(folder, look):
    (folder / "cgroup" / "cpu.max").write_text("25000 100000\n")
    (folder / "cgroup" / "cpu.stat").write_text("usage_usec 0\n")
    (folder / "cgroup" / "memory.max").write_text("4000000000\n")
    chip, memory = look().counters
    assert chip.rated_w == pytest.approx(135.0 * 0.25 / os.cpu_count())
    assert memory.rated_w == pytest.approx(4 * MEMORY_W_PER_GB)


def test_a_tenant_of_a_measured_machine_answers_for_its_part_of_the_idle_power(folder, tree, look):
    zone = tree.add("intel-rapl:0", "package-0")
    (folder / "cgroup" / "cpu.max").write_text("25000 100000\n")
    (folder / "cgroup" / "memory.max").write_text("4000000000\n")
    meter = look()
    assert [counter.rated_w for counter in meter.counters[1:]] == pytest.approx([16 * MEMORY_W_PER_GB])
    window = meter.open()
    zone.use(0.5)
    write_stat(folder / "proc", cpu0=100_000)
    window.stop()
    # All the work is another's, and all of the processor's energy may be idle power.
    own, machine = window.measure().attributed, window.measure().machine
    quota_of_memory_j = window.measure().by_component["memory"].value * 0.25 / os.cpu_count()
    assert own.value < 0.005 + 1.01 * quota_of_memory_j
    assert own.high == pytest.approx(machine.high * 0.25 / os.cpu_count(), rel=0.01)


def test_a_process_has_one_meter_until_another_is_put_in_its_place(look):
    mine = look()
    before = use_meter(mine)
    try:
        assert default_meter() is mine
        assert use_meter(None) is mine
        made = default_meter()
        assert made is not mine
        assert default_meter() is made
        made.close()
    finally:
        use_meter(before)
