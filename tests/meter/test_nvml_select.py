from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.meter.nvml_select import visible_gpus

UUIDS = ("GPU-aaaa1111-0000", "GPU-aaaa2222-0000", "GPU-bbbb0000-0000")
SLICE = "MIG-cccc0000-0000"
VALID = {
    "0": 0,
    " 2 ": 2,
    UUIDS[1]: 1,
    "GPU-aaaa2": 1,
    "GPU-b": 2,
    SLICE: 2,
    f"MIG-{UUIDS[0]}/1/0": 0,
}
INVALID = ("3", "-1", "", "NoDevFiles", "1.0", "GPU-aaaa", "GPU-dddd", "aaaa1111", "MIG-dddd")

entries = st.lists(st.sampled_from([*VALID]), max_size=5)


def choose(visible: str | None) -> tuple[list[int], str | None]:
    return visible_gpus(visible, UUIDS, lambda uuid: UUIDS[2] if uuid == SLICE else "")


def test_a_variable_that_is_not_set_shows_every_gpu():
    assert choose(None) == ([0, 1, 2], None)


@given(entries.filter(bool))
def test_valid_entries_show_each_gpu_once_in_their_order(shown):
    assert choose(",".join(shown)) == (list(dict.fromkeys(VALID[entry] for entry in shown)), None)


@given(entries, st.sampled_from(INVALID), entries)
def test_the_first_invalid_entry_ends_the_list(before, wrong, after):
    alone = choose(",".join(before))[0] if before else []
    assert choose(",".join([*before, wrong, *after])) == (alone, wrong)


@given(st.sampled_from(range(3)), st.integers(min_value=4))
def test_an_abbreviated_uuid_counts_as_soon_as_it_is_the_only_one(index, length):
    start = UUIDS[index][:length]
    alone = sum(uuid.startswith(start) for uuid in UUIDS) == 1
    assert choose(start) == (([index], None) if alone else ([], start))


@pytest.mark.parametrize("visible", [None, "", "0", "GPU-a", SLICE])
def test_a_machine_without_gpus_shows_none(visible):
    assert visible_gpus(visible, (), lambda _uuid: "")[0] == []


def test_a_gpu_that_tells_no_uuid_is_still_found_by_index():
    assert visible_gpus("1,0", ("", UUIDS[0]), lambda _uuid: "") == ([1, 0], None)


@pytest.mark.parametrize("visible", ["", "-1", "G", "aaaa", "MIG-dddd"])
def test_what_is_no_uuid_is_not_mistaken_for_the_start_of_the_only_one(visible):
    assert visible_gpus(visible, UUIDS[:1], lambda _uuid: "") == ([], visible)


def test_cuda_visible_devices_chooses_what_is_measured(run):
    uuids = ("GPU-aaaa1111-0000", "GPU-bbbb2222-0000", "GPU-cccc3333-0000")
    found = run(f"""
        u = {uuids!r}
        world = World(StubGpu(uuid=u[0]), StubGpu(uuid=u[1], mig=("MIG-1-1", "MIG-1-2")), StubGpu(uuid=u[2]))
        world.at(0)
        found = {{}}
        for visible in (None, "", "-1", "NoDevFiles", "2,0", u[2], "GPU-aaaa", "MIG-1-2", "MIG-" + u[1] + "/1/0",
                        "2,7,0", "wrong"):
            counters, notes = open_gpus(visible)
            found[str(visible)] = [c.component for c in counters], len(notes), any("MIG" in c.label for c in counters)
        answer(found)
    """)
    assert found == {
        "None": [["gpu0", "gpu1", "gpu2"], 1, True],
        "": [[], 0, False],
        "-1": [[], 0, False],
        "NoDevFiles": [[], 0, False],
        "2,0": [["gpu2", "gpu0"], 0, False],
        uuids[2]: [["gpu2"], 0, False],
        "GPU-aaaa": [["gpu0"], 0, False],
        "MIG-1-2": [["gpu1"], 1, True],
        f"MIG-{uuids[1]}/1/0": [["gpu1"], 1, True],
        "2,7,0": [["gpu2"], 1, False],
        "wrong": [[], 1, False],
    }


def test_two_slices_of_one_gpu_are_measured_once_and_read_the_whole_gpu(run):
    components, seen, notes = run("""
        world = World(StubGpu(mig=("MIG-1", "MIG-2")))
        world.at(0)
        counters, notes = open_gpus("MIG-1,MIG-2")
        answer([[c.component for c in counters], read(counters[0], 2).energy_j, notes])
    """)
    assert (components, seen) == (["gpu0"], 200.0)
    assert "whole GPU" in notes[0]


@pytest.mark.parametrize(
    ("visible", "order", "notes"),
    [("0,1", "", 1), ("GPU-a,1", "", 1), ("0,1", "PCI_BUS_ID", 0), ("GPU-a", "", 0), (None, "", 0)],
)
def test_only_indices_of_unlike_gpus_in_cudas_own_order_need_a_note(run, visible, order, notes):
    found = run(
        f"""
        world = World(StubGpu(name="Slow", uuid="GPU-a"), StubGpu(name="Fast", uuid="GPU-b"))
        world.at(0)
        answer(open_gpus({visible!r})[1])
        """,
        CUDA_DEVICE_ORDER=order,
    )
    assert len(found) == notes
    assert all("PCI" in note for note in found)
