"""The curve: a fixed size, exact energies, and looks that stay as they are."""

from __future__ import annotations

import copy
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai_magic.meter.trace import POINTS, Trace

WEEK_TICKS = 7 * 24 * 3600 * 2


def traced(powers_w, step_s=0.5):
    trace = Trace(["cpu"])
    energy_j = 0.0
    trace.append(0.0, [0.0])
    for i, watts in enumerate(powers_w, start=1):
        energy_j += watts * step_s
        trace.append(i * step_s, [energy_j], last=i == len(powers_w))
    return trace, energy_j


def test_a_week_of_ticks_keeps_a_fixed_number_of_points_and_exact_energies():
    trace = Trace(["cpu", "gpu0"])
    for i in range(WEEK_TICKS):
        trace.append(i * 0.5, (i * 2.0, i * i * 1e-3))
    trace.append(WEEK_TICKS * 0.5, (WEEK_TICKS * 2.0, WEEK_TICKS**2 * 1e-3), last=True)
    assert POINTS / 2 < len(trace) <= POINTS
    kept = [round(time_s / 0.5) for time_s in trace.times_s]
    assert kept[0] == 0
    assert kept[-1] == WEEK_TICKS
    assert len({after - before for before, after in itertools.pairwise(kept[:-1])}) == 1
    assert list(trace.energy_j("cpu")) == [i * 2.0 for i in kept]
    assert list(trace.energy_j("gpu0")) == [i * i * 1e-3 for i in kept]
    assert {watts for _, _, watts in trace.power_w("cpu")} == {4.0}


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 500), min_size=1, max_size=3 * POINTS))
def test_the_power_between_any_two_points_gives_back_all_joules(powers_w):
    trace, energy_j = traced(powers_w)
    assert len(trace) <= POINTS
    steps = trace.power_w()
    assert sum((end - start) * watts for start, end, watts in steps) == pytest.approx(energy_j)
    assert all(start < end for start, end, _ in steps)


def test_the_end_is_kept_however_the_points_fall():
    for ticks in range(POINTS - 3, POINTS + 6):
        trace, energy_j = traced([7.0] * ticks)
        assert trace.times_s[-1] == ticks * 0.5
        assert trace.energy_j("cpu")[-1] == energy_j


def test_all_components_add_up_unless_one_is_asked_for():
    trace = Trace(["cpu", "dram"])
    for i in range(3):
        trace.append(float(i), (10.0 * i, 2.0 * i))
    assert trace.power_w() == [(0.0, 1.0, 12.0), (1.0, 2.0, 12.0)]
    assert trace.power_w("dram") == [(0.0, 1.0, 2.0), (1.0, 2.0, 2.0)]


def test_two_points_at_one_moment_have_no_power():
    trace = Trace(["cpu"])
    for time_s, energy_j in ((0.0, 0.0), (0.0, 1.0), (2.0, 5.0)):
        trace.append(time_s, [energy_j])
    assert trace.power_w() == [(0.0, 2.0, 2.0)]


def test_a_copy_stays_as_it_was_while_the_curve_goes_on():
    trace, _ = traced([5.0] * (POINTS - 1))
    look = copy.copy(trace)
    before = look.to_dict()
    for i in range(POINTS):
        trace.append(1000.0 + i, [1e6 + i])
    assert look.to_dict() == before
    assert trace.to_dict() != before


def test_nothing_is_lost_in_json():
    trace, _ = traced([1.0, 2.0, 3.0])
    again = Trace.from_dict(json.loads(json.dumps(trace.to_dict())))
    assert again.to_dict() == trace.to_dict()
    assert again.components == ("cpu",)
    assert len(again) == 4


def test_a_point_must_tell_every_component():
    trace = Trace(["cpu", "dram"])
    with pytest.raises(ValueError, match="zip"):
        trace.append(0.0, [1.0])
