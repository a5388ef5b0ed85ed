"""Where and on what a run takes place: its hardware, a place of its own, the hours of its grid."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from factories import make_measurement, make_run

from greenai_magic import measure
from greenai_magic.errors import SettingError
from greenai_magic.footprint.embodied import lines_of, parts_named
from greenai_magic.footprint.place import known_place
from greenai_magic.meter.trace import Trace
from greenai_magic.quantity import Quantity
from greenai_magic.runs import clerk
from greenai_magic.runs.ledger import Ledger
from greenai_magic.runs.rows import row_of, run_of
from greenai_magic.runs.run import Run
from greenai_magic.runs.settings import Settings, settings_from_environment, use_settings
from greenai_magic.runs.site import Site, hours_from, named_site, placed_site
from greenai_magic.testing import FakeClock, replay

START = datetime(2025, 1, 31, 14, 30, tzinfo=timezone.utc)
HOURS = "hour,g CO2e/kWh\n2025-01-31T14:00+00:00,20\n2025-01-31T15:00+00:00,80\n"
LAPTOP = "laptop + monitor"


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "hours.csv"
    path.write_text(HOURS)
    return path


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[FakeClock]:
    use_settings(Settings("FRA", None, tmp_path / "ledger.sqlite"))
    clock = FakeClock()
    with replay({"cpu": 10.0}, clock):
        yield clock
    clerk.catch_up()
    use_settings(None)


def test_the_same_names_are_the_same_site() -> None:
    assert named_site("FRA", 1.2, LAPTOP) is named_site("FRA", 1.2, LAPTOP)
    assert named_site("FRA", 1.2, "") is not named_site("FRA", 1.2, LAPTOP)


def test_hardware_adds_its_making_for_as_long_as_the_run_lasted() -> None:
    measurement = make_measurement(duration_s=60.0)
    bare, whole = (named_site("FRA", None, text).footprint(measurement, START) for text in ("", LAPTOP))
    making = lines_of(parts_named(LAPTOP), measurement.duration)
    assert bare.gwp_g(3) is None
    assert whole.lines == (*bare.lines, *making)
    assert whole.gwp_g(3).value == pytest.approx(
        sum(line.quantity.value for line in making if line.criterion == "gwp"), rel=0.05
    )


def test_the_energy_of_each_hour_has_the_intensity_of_that_hour(csv: Path) -> None:
    # Half an hour at one power is in the first hour, three quarters in the second.
    measurement = make_measurement(duration_s=75 * 60.0, points=76)
    site = Site(known_place("FRA"), hourly=hours_from(csv))
    footprint = site.footprint(measurement, START)
    assert footprint.place.grid_intensity.value == pytest.approx((30 * 20 + 45 * 80) / 75)
    assert footprint.place.grid_intensity.source == "hours.csv, hour by hour"
    assert site.so_far(measurement.duration, measurement.machine).place == site.place


def test_a_curve_that_steps_back_or_counts_nothing_still_finds_its_hours(csv: Path) -> None:
    site = Site(known_place("FRA"), hourly=hours_from(csv))
    back = Trace(["cpu"])
    for time_s, joules in ((0.0, 0.0), (600.0, 90.0), (601.0, 80.0), (1200.0, 180.0)):
        back.append(time_s, [joules])
    nothing = Trace(())
    for time_s in (0.0, 600.0):
        nothing.append(time_s, ())
    for trace in (back, nothing):
        footprint = site.footprint(replace(make_measurement(), trace=trace), START)
        assert footprint.place.grid_intensity.value == pytest.approx(20.0)


def test_a_file_of_hours_is_read_again_when_it_has_changed(csv: Path) -> None:
    assert hours_from(csv) is hours_from(csv)
    before = hours_from(csv)
    csv.write_text(HOURS + "2025-01-31T16:00+00:00,90\n")
    assert len(hours_from(csv).g_per_kwh) == len(before.g_per_kwh) + 1


def test_an_old_factor_is_told_in_the_footprint() -> None:
    site = named_site("FRA", None, "")
    later = datetime(site.place.vintage + 4, 1, 1, tzinfo=timezone.utc)
    assert site.footprint(make_measurement(), START).notes == ()
    (note,) = site.footprint(make_measurement(), later).notes
    assert f"is of {site.place.vintage}" in note


def test_a_place_made_by_the_user_is_used_as_it_is_and_no_setting_changes_it(clock: FakeClock) -> None:
    use_settings(Settings("DEU", 1.5, Path("unused"), save=False))
    place = known_place("FRA", pue=1.1, grid_intensity_g_per_kwh=12.5)
    with measure("placed", place=place) as m:
        clock.advance(60.0)
    assert m.run.footprint.place == place
    assert m.gwp_g.value == pytest.approx(600.0 / 3.6e6 * 1.1 * 12.5)


def test_a_marginal_place_and_a_pue_beside_a_place_are_refused_before_anything_runs() -> None:
    place = known_place("FRA")
    with pytest.raises(SettingError, match="marginal"):
        placed_site(replace(place, marginal=True), None, "")
    with pytest.raises(SettingError, match="A Place has its own PUE"):
        measure(place=place, pue=1.2)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"hardware": "labtop"}, "did you mean laptop"),
        ({"hardware": 8}, "Hardware is given as text"),
        ({"intensity_csv": 8}, "path of a file"),
        ({"intensity_csv": "no-such-file.csv"}, "cannot be read"),
    ],
)
def test_what_cannot_be_is_told_before_anything_runs(given: dict[str, object], told: str) -> None:
    with pytest.raises(SettingError, match=told):
        measure("never", **given)


def test_a_run_keeps_its_hardware_and_its_lines_in_the_ledger(clock: FakeClock, tmp_path: Path) -> None:
    with measure("kept", hardware=LAPTOP) as m:
        clock.advance(60.0)
    (run,) = _kept(tmp_path)
    assert (run.hardware, run.footprint) == (LAPTOP, m.run.footprint)
    assert run.footprint.gwp_g(3) == m.run.footprint.gwp_g(3)


def test_hours_that_are_set_and_gone_leave_the_yearly_factor_and_say_so(
    clock: FakeClock, tmp_path: Path, csv: Path
) -> None:
    use_settings(Settings("FRA", None, tmp_path / "ledger.sqlite", intensity_csv=csv))
    csv.unlink()
    with measure("without"):
        clock.advance(1.0)
    (run,) = _kept(tmp_path)
    assert run.footprint.place == known_place("FRA")
    assert any("The yearly factor of the grid is used: " in note for note in run.measurement.notes)


def test_a_run_whose_hours_are_in_the_file_is_counted_by_them(clock: FakeClock, tmp_path: Path) -> None:
    now = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    csv = tmp_path / "now.csv"
    csv.write_text("".join(f"{now + timedelta(hours=h):%Y-%m-%dT%H:%M+00:00},33\n" for h in (-1, 0, 1)))
    with measure("hourly", intensity_csv=csv) as m:
        clock.advance(60.0)
    assert m.run.footprint.place.grid_intensity.value == pytest.approx(33.0)


def test_a_run_broken_off_counts_the_making_of_its_hardware_as_far_as_it_came() -> None:
    run = replace(make_run(duration_s=60.0), status="running", hardware=LAPTOP, session="elsewhere:1:2")
    row = row_of(run, None)
    broken = run_of(row["body"], row["figures"], "2025-01-01T00:00:00+00:00")
    assert broken.status == "interrupted"
    making = lines_of(parts_named(LAPTOP), Quantity(60.0, "s", name="duration"))
    assert {line.item for line in broken.footprint.lines} >= {line.item for line in making}


@pytest.mark.parametrize("hardware", ["a machine of another version", None])
def test_a_row_of_another_version_loads(hardware: str | None) -> None:
    plain = replace(make_run(), status="running", session="elsewhere:1:2").to_dict()
    del plain["hardware"]
    plain |= {"hardware": hardware} if hardware else {}
    row = row_of(make_run(), None)
    run = run_of(json.dumps(plain), row["figures"], "2025-01-01T00:00:00+00:00")
    assert run.hardware == (hardware or "")
    assert run.footprint.gwp_g(3) is None
    assert isinstance(run, Run)


def test_the_environment_names_hardware_and_hours_and_what_cannot_be_is_left_out(csv: Path) -> None:
    environ = {"GREENAI_HARDWARE": " laptop ", "GREENAI_INTENSITY_CSV": str(csv)}
    settings = settings_from_environment(environ, ())
    assert (settings.hardware, settings.intensity_csv, settings.problems) == ("laptop", csv, ())
    bad = settings_from_environment({"GREENAI_HARDWARE": "labtop", "GREENAI_INTENSITY_CSV": "gone.csv"}, ())
    assert (bad.hardware, bad.intensity_csv) == (None, None)
    hardware, hours = bad.problems
    assert "hardware 'labtop' is left out: No table knows" in hardware
    assert "'gone.csv' is left out: " in hours


def _kept(folder: Path) -> list[Run]:
    clerk.catch_up()
    ledger = Ledger(folder / "ledger.sqlite")
    runs = ledger.runs()
    ledger.close()
    return runs
