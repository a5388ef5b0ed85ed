"""The table of errors: each entry says why, and worse data never give a narrower interval."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai_magic.meter import accuracy as table
from greenai_magic.meter.accuracy import Accuracy

ENTRIES = {name: entry for name, entry in vars(table).items() if isinstance(entry, Accuracy)}
WHOLE = 1 + 1e-9

laws = settings(deadline=None, max_examples=60)
entries = st.sampled_from(list(ENTRIES.values()))
powers_w = st.floats(0.0, 1000.0)
lengths_s = st.floats(1e-4, 1e4)


def seen(entry, power_w, length_s, **more):
    return entry.energy(power_w * length_s, length_s, **more, name="cpu", source="a counter")


def width(figure):
    return figure.high / figure.low if figure.low else float("inf")


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_every_entry_names_its_cause_and_its_reason(entry):
    assert entry.cause
    assert any(year in entry.reason for year in ("201", "202")) or any(
        reason in entry.reason for reason in ("engineering choice", "published", "recording")
    )
    assert entry.low <= 1 <= entry.high
    assert seen(entry, 50.0, 10.0).basis == entry.basis
    assert entry.reason in seen(entry, 50.0, 10.0).source


def test_one_sensor_has_one_error_wherever_it_stands():
    assert table.RAPL_INTEL.cause == "RAPL package sensor (Intel)"
    assert len({entry.cause for entry in (table.NVML_COUNTER, table.NVML_COUNTER_PART_TIME)}) == 1


@laws
@given(entries, powers_w, lengths_s, st.floats(0, 100), st.floats(0, 300))
def test_an_interval_holds_what_was_seen(entry, power_w, length_s, doubt_j, usual_w):
    figure = seen(entry, power_w, length_s, doubt_j=doubt_j, usual_w=usual_w)
    assert figure.value == power_w * length_s
    assert 0 <= figure.low <= figure.value * WHOLE
    assert figure.value <= figure.high * WHOLE


@laws
@given(
    entries,
    powers_w,
    lengths_s,
    st.sampled_from(["tick_s", "edge_ticks", "unit_j", "burst", "sampling_s"]),
    st.floats(0, 3),
)
def test_a_coarser_counter_never_narrows_the_interval(entry, power_w, length_s, part, more):
    more = round(more) if part == "edge_ticks" else more
    fine, coarse = (
        seen(version, power_w, length_s, usual_w=20.0)
        for version in (entry, replace(entry, **{part: getattr(entry, part) + more}))
    )
    assert coarse.low <= fine.low * WHOLE
    assert coarse.high * WHOLE >= fine.high


@laws
@given(entries, powers_w, lengths_s, st.floats(0, 100), st.floats(0, 300))
def test_doubt_and_a_higher_usual_power_only_widen(entry, power_w, length_s, doubt_j, usual_w):
    sure = seen(entry, power_w, length_s)
    doubted = seen(entry, power_w, length_s, doubt_j=doubt_j)
    assert doubted.low == sure.low
    assert doubted.high == pytest.approx(sure.high + doubt_j)
    restless = seen(entry, power_w, length_s, usual_w=usual_w)
    assert restless.low <= sure.low * WHOLE
    assert restless.high * WHOLE >= sure.high


@laws
@given(entries, st.floats(1.0, 1000.0), lengths_s, st.floats(0.01, 1.0))
def test_a_shorter_window_is_never_surer(entry, power_w, length_s, part):
    assert width(seen(entry, power_w, length_s * part)) * WHOLE >= width(seen(entry, power_w, length_s))


@laws
@given(entries.filter(lambda entry: entry.tick_s), lengths_s)
def test_a_window_that_saw_nothing_is_not_nothing(entry, length_s):
    figure = entry.energy(0.0, length_s, usual_w=40.0, name="cpu", source="a counter")
    assert (figure.value, figure.low) == (0.0, 0.0)
    assert figure.high >= 40.0 * entry.tick_s


@laws
@given(entries.filter(lambda entry: entry.tick_s), powers_w)
def test_what_one_tick_brought_may_all_have_been_used_before(entry, power_w):
    assert seen(entry, power_w, entry.tick_s).low == 0


def test_a_long_window_leaves_only_the_sensors_own_error():
    for entry in ENTRIES.values():
        figure = seen(entry, 60.0, 1e5)
        assert figure.low / figure.value == pytest.approx(entry.low, rel=0.01)
        assert figure.high / figure.value == pytest.approx(entry.high, rel=0.01)


@pytest.mark.parametrize(
    ("counter", "model"),
    [
        (table.RAPL_INTEL, table.CPU_KNOWN_CHIP),
        (table.RAPL_INTEL, table.CPU_KNOWN_VCPU),
        (table.RAPL_AMD, table.CPU_KNOWN_CHIP),
        (table.RAPL_DRAM, table.MEMORY_MODEL),
        (table.CPU_KNOWN_VCPU, table.CPU_UNKNOWN),
    ],
)
def test_what_is_less_known_has_a_much_wider_interval(counter, model):
    assert width(seen(model, 60.0, 10.0)) > 1.9 * width(seen(counter, 60.0, 10.0))


def test_only_a_sensor_that_looks_part_of_the_time_is_worse_on_bursts():
    whole, part_time = (
        seen(entry, 300.0, 0.5) for entry in (table.NVML_COUNTER, table.NVML_COUNTER_PART_TIME)
    )
    assert part_time.high > whole.high
    assert "cpu sampling" in part_time.spread
    assert "cpu sampling" not in whole.spread
