"""What users get for their own tests gives exact figures."""

import pytest

from greenai_magic import measure
from greenai_magic.errors import CounterError
from greenai_magic.meter.discover import default_meter
from greenai_magic.testing import FakeClock, replay


def test_constant_watts_over_a_scripted_time_give_exact_joules():
    clock = FakeClock()
    with replay({"cpu": 40.0, "gpu0": 250.0}, clock), measure("two seconds", save=False) as m:
        clock.advance(2.0, busy_s=2.0, own_s=1.0)
    assert m.duration_s.value == 2.0
    assert m.energy_j_by_component["cpu"].value == pytest.approx(80.0)
    assert m.energy_j_by_component["gpu0"].value == pytest.approx(500.0)
    assert m.energy_j.value == pytest.approx(580.0)


def test_a_recording_is_played_back_with_straight_lines_between_its_points(tmp_path):
    recording = tmp_path / "run.csv"
    recording.write_text("time_s,cpu,dram\n0,0,0\n1,10,1\n3,50,2\n")
    clock = FakeClock()
    with replay(recording, clock), measure(save=False) as m:
        clock.advance(2.0)
    assert m.energy_j_by_component["cpu"].value == pytest.approx(30.0)
    assert m.energy_j_by_component["dram"].value == pytest.approx(1.5)


@pytest.mark.parametrize(
    "text", ["time_s,cpu\n0,0\n", "cpu\n1\n2\n", "time_s,cpu\n0,0\n1,x\n", "time_s,cpu\n0,5\n1,4\n", ""]
)
def test_what_is_no_recording_is_refused_in_one_sentence(tmp_path, text):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(CounterError) as refusal, replay(path, FakeClock()):
        pass
    assert "\n" not in str(refusal.value)


def test_the_machines_own_meter_comes_back_afterwards():
    own = default_meter()
    with replay({"cpu": 1.0}, FakeClock()) as played:
        assert default_meter() is played
    assert default_meter() is own


def test_time_asleep_is_told_and_not_counted():
    clock = FakeClock()
    with replay({"cpu": 10.0}, clock), measure(save=False) as m:
        clock.advance(1.0, asleep_s=600.0)
    assert m.duration_s.value == 1.0
    assert m.energy_j.value == pytest.approx(10.0)
    assert any("slept for 600 s" in note for note in m.run.measurement.notes)
