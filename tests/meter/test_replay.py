"""A recording played back is a counter that is exact."""

from __future__ import annotations

import pytest
from powercap import ScriptedClock

from greenai_magic.errors import CounterError
from greenai_magic.meter.replay import Replay, load_recording


def played(counter, *seconds):
    clock = ScriptedClock()
    first_j = counter.read(clock.now(), edge=True).energy_j
    return [counter.read(clock.advance(step), edge=False).energy_j - first_j for step in seconds]


def test_joules_lie_on_straight_lines_and_the_last_power_stays():
    assert played(Replay("cpu", (0, 2, 4), (0, 20, 100)), 1, 1, 1, 1, 10) == [10, 20, 60, 100, 500]


def test_time_zero_is_the_first_read():
    assert played(Replay("cpu", (100, 101), (7, 17)), 0.5, 0.5) == pytest.approx([5, 10])


def test_a_constant_power_is_a_recording_too():
    counter = Replay.constant("gpu0", 250.0)
    assert played(counter, 4) == [1000]
    assert (counter.rated_w, counter.idle_w, counter.users()) == (250.0, None, None)
    counter.close()


@pytest.mark.parametrize(
    ("times_s", "energies_j"),
    [((0,), (0,)), ((0, 0), (0, 1)), ((0, 1), (1, 0)), ((1, 0), (0, 1)), ((0, float("nan")), (0, 1))],
)
def test_a_recording_that_falls_back_is_refused(times_s, energies_j):
    with pytest.raises(CounterError, match="gpu0"):
        Replay("gpu0", times_s, energies_j)


def test_each_column_of_a_file_is_a_counter(tmp_path):
    path = tmp_path / "cell.csv"
    path.write_text("time_s,cpu,gpu0\n0,0,0\n1,40,250\n2,80,600\n")
    cpu, gpu = load_recording(path)
    assert (cpu.component, gpu.component) == ("cpu", "gpu0")
    assert played(gpu, 2) == [600]


@pytest.mark.parametrize("text", ["", "cpu\n1\n", "time_s,cpu\n0,0\n1,much\n", "time_s,cpu\n0,0\n1\n"])
def test_a_file_that_is_no_recording_is_named(tmp_path, text):
    path = tmp_path / "cell.csv"
    path.write_text(text)
    with pytest.raises(CounterError, match=r"cell\.csv|recording"):
        load_recording(path)
