import math
from datetime import datetime, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenai_magic.errors import SettingError
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.hourly import HOUR_S, Hourly, at_hours, energy_by_hour, read_hourly
from greenai_magic.footprint.place import known_place

NOON = int(datetime(2025, 1, 31, 12, tzinfo=timezone.utc).timestamp())
FRANCE = known_place("FRA")


def _series(values, first=NOON):
    return Hourly({first + i * HOUR_S: value for i, value in enumerate(values)}, "rte.csv")


@pytest.fixture
def write(tmp_path):
    def _write(*lines):
        path = tmp_path / "rte.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return _write


@st.composite
def curves(draw):
    """Times around the hours of a series and joules up to each; steps of zero among them."""
    steps = draw(st.lists(st.tuples(st.floats(0, 2 * HOUR_S), st.floats(0, 1e6)), min_size=1, max_size=12))
    times, joules = [NOON + draw(st.floats(-3 * HOUR_S, 6 * HOUR_S))], [draw(st.floats(0, 1e6))]
    for seconds, energy in steps:
        times.append(times[-1] + seconds)
        joules.append(joules[-1] + energy)
    return times, joules


series = st.lists(st.floats(5, 1500), min_size=1, max_size=6)


@given(series, curves())
def test_the_energy_of_the_hours_adds_up_to_that_of_the_run(values, curve):
    times, joules = curve
    shares = energy_by_hour(_series(values), times, joules)
    assert all(share > 0 for share in shares.values())
    used = joules[-1] - joules[0]
    if used > 0:
        assert math.fsum(shares.values()) == pytest.approx(used, rel=1e-9, abs=1e-9)


@given(series, curves())
def test_the_energy_of_an_hour_is_that_between_its_edges(values, curve):
    times, joules = curve

    def until(edge):
        for t0, t1, j0, j1 in zip(times, times[1:], joules, joules[1:], strict=False):
            if edge < t1:
                return j0 + (j1 - j0) * max(0.0, edge - t0) / (t1 - t0)
        return joules[-1]

    hourly = _series(values)
    shares = energy_by_hour(hourly, times, joules)
    if joules[-1] > joules[0] and len(set(times)) == len(times):
        for start in hourly.g_per_kwh:
            expected = until(start + HOUR_S) - until(start)
            assert shares.get(start, 0.0) == pytest.approx(expected, rel=1e-6, abs=1e-3)


@given(st.floats(5, 1500), curves())
def test_a_constant_series_gives_the_constant(value, curve):
    times, joules = curve
    hours = int((times[-1] - times[0]) // HOUR_S) + 2
    hourly = _series([value] * hours, first=int(times[0] // HOUR_S) * HOUR_S)
    assert at_hours(FRANCE, hourly, times, joules).grid_intensity.value == pytest.approx(value)


@given(series, curves())
def test_the_mean_lies_between_the_lowest_and_the_highest_hour(values, curve):
    times, joules = curve
    mean = at_hours(FRANCE, _series(values), times, joules).grid_intensity.value
    all_of_them = [*values, FRANCE.grid_intensity.value]
    assert min(all_of_them) * (1 - 1e-9) <= mean <= max(all_of_them) * (1 + 1e-9)


def test_a_run_in_one_hour_has_that_hours_intensity_and_no_error_of_the_hour():
    place = at_hours(FRANCE, _series([20, 30, 40]), [NOON + 3700, NOON + 3800, NOON + 3900], [5, 6, 9])
    figure = place.grid_intensity
    assert figure.value == 30
    assert (figure.unit, figure.basis, figure.name) == ("g CO2e/kWh", "declared", "grid intensity")
    assert figure.spread == {"grid intensity FRA": pytest.approx(gsd("grid yearly").log_sd)}
    assert figure.source == "rte.csv, hour by hour"
    assert place.vintage == 2025


def test_two_hours_are_weighted_by_energy_and_not_by_time():
    # A minute before 13:00 at 300 W, and 9 minutes after it at 100 W.
    times, joules = [NOON + 3540, NOON + 3600, NOON + 4140], [0.0, 18_000.0, 72_000.0]
    figure = at_hours(FRANCE, _series([10, 50]), times, joules).grid_intensity
    assert figure.value == pytest.approx(0.25 * 10 + 0.75 * 50)


def test_hours_without_a_value_have_the_yearly_factor_and_the_source_says_how_much():
    # A quarter of the energy is used after the last hour of the series.
    place = at_hours(FRANCE, _series([100]), [NOON + 2700, NOON + 3900], [0.0, 400.0])
    figure, yearly = place.grid_intensity, FRANCE.grid_intensity
    assert figure.value == pytest.approx(0.75 * 100 + 0.25 * yearly.value)
    assert figure.source.startswith("rte.csv, hour by hour; 25.0% of the energy, in hours without a value")
    assert yearly.source in figure.source
    part = 0.25 * yearly.value / figure.value
    assert figure.spread["hour of the day FRA"] == pytest.approx(part * yearly.spread["hour of the day FRA"])
    assert figure.spread["grid intensity FRA"] == pytest.approx(gsd("grid yearly").log_sd)


def test_a_run_outside_the_series_keeps_the_yearly_factor_and_says_why():
    place = at_hours(FRANCE, _series([100]), [NOON - 60, NOON], [0.0, 400.0])
    figure = place.grid_intensity
    assert (figure.value, figure.spread) == (FRANCE.grid_intensity.value, FRANCE.grid_intensity.spread)
    assert figure.source.endswith("rte.csv has no value for the hours of the run")
    assert place.life_cycle
    assert place.vintage == FRANCE.vintage


def test_the_world_average_lends_its_width_only_to_the_hours_without_a_value():
    world = known_place("world")
    covered = at_hours(world, _series([100]), [NOON, NOON + 60], [0.0, 1.0]).grid_intensity
    assert covered.high == pytest.approx(100 * gsd("grid yearly").factor ** 1.96, rel=1e-3)
    half = at_hours(world, _series([100]), [NOON + 3540, NOON + 3660], [0.0, 1.0]).grid_intensity
    assert (half.basis, half.below) == ("default", pytest.approx(world.grid_intensity.below / 2))


def test_a_run_without_energy_is_weighted_by_time():
    figure = at_hours(FRANCE, _series([10, 50]), [NOON + 3300, NOON + 4200], [7.0, 7.0]).grid_intensity
    assert figure.value == pytest.approx(10 / 3 + 50 * 2 / 3)
    instant = at_hours(FRANCE, _series([10, 50]), [NOON + 3300] * 2, [7.0, 7.0]).grid_intensity
    assert instant.value == 10


@pytest.mark.parametrize(
    ("times", "joules"), [([0.0], [1.0]), ([0, 1], [2, 1]), ([1, 0], [1, 2]), ([0, math.nan], [1, 2])]
)
def test_a_curve_that_falls_is_none(times, joules):
    with pytest.raises(SettingError, match="ever falls"):
        energy_by_hour(_series([10]), times, joules)


def test_a_file_is_read_with_its_zone_and_with_or_without_names(write):
    plain = read_hourly(write("2025-01-31T12:00Z,41.5", "2025-01-31T14:00:00+01:00,39"))
    named = read_hourly(write("time;g/kWh", "2025-01-31 12:00+00:00;41.5", "2025-01-31 13:00+00:00;39"))
    assert plain.g_per_kwh == named.g_per_kwh == {NOON: 41.5, NOON + HOUR_S: 39}
    assert (plain.source, plain.gaps, plain.life_cycle) == ("rte.csv", (), False)
    assert read_hourly(write("2025-01-31T12:00Z,41.5"), life_cycle=True).life_cycle


def test_hours_of_a_zone_half_an_hour_off_are_whole_hours(write):
    hourly = read_hourly(write("2025-01-31T17:00+05:30,700", "2025-01-31T18:00+05:30,710"))
    place = at_hours(known_place("IND"), hourly, [NOON + 1500, NOON + 2100], [0, 2.0])
    assert place.grid_intensity.value == pytest.approx(705)


def test_gaps_are_no_error_and_are_told_with_their_line(write):
    hourly = read_hourly(write("2025-01-31T12:00Z,41", "2025-01-31T14:00Z,42", "2025-01-31T15:00Z,"))
    assert list(hourly.g_per_kwh) == [NOON, NOON + 2 * HOUR_S]
    assert hourly.gaps == (
        "rte.csv, line 2: no hours from 2025-01-31T13:00+00:00 to 2025-01-31T14:00+00:00.",
        "rte.csv, line 3: no value for the hour from 2025-01-31T15:00+00:00.",
    )


FIRST = "2025-01-31T12:00Z,41"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([FIRST, "2025-01-31T12:00+00:00,42"], "line 2: 2025-01-31T12:00.* is there twice"),
        ([FIRST, "2025-01-31T13:00+01:00,42"], "line 2: .* is there twice"),
        ([FIRST, "2025-01-31T11:00Z,42"], "line 2: .* comes after .*: sort"),
        ([FIRST, "2025-01-31T18:00+05:30,42"], "line 2: .* within the hour from"),
        ([FIRST, "2025-01-31T13:30Z,42"], "line 2: .* not the start of an hour"),
        ([FIRST, "2025-01-31T13:00,42"], "line 2: '2025-01-31T13:00' has no zone"),
        ([FIRST, "0001-01-31T13:00Z,42"], "line 2: '0001.* is no time of a run"),
        ([FIRST, "yesterday,42"], "line 2: 'yesterday' is no time"),
        ([FIRST, "2025-01-31T13:00Z,forty"], "line 2: 'forty' is no intensity"),
        ([FIRST, "2025-01-31T13:00Z,nan"], "line 2: 'nan' is no intensity"),
        ([FIRST, "2025-01-31T13:00Z,-4"], "line 2: '-4' is no intensity"),
        ([FIRST, "2025-01-31T13:00Z,0"], "line 2: '0' is no intensity: give g/kWh above 0"),
        ([FIRST, "2025-01-31T13:00Z,41000"], "line 2: '41000' is no intensity"),
        ([FIRST, "2025-01-31T13:00Z"], "line 2: 1 columns, give two"),
        ([FIRST, "2025-01-31T13:00Z,41,5"], "line 2: 3 columns, give two"),
        (["time,kg/kWh", "2025-01-31T13:00Z,0.041"], "line 1: 'kg/kWh' is not g/kWh"),
        (["time,g/MWh", "2025-01-31T13:00Z,41"], "line 1: 'g/MWh' is not g/kWh"),
        (["time,value", "2025-01-31T13:00Z,0.041"], "no value above 0.041: give g/kWh and not kg/kWh"),
        (["time,value"], "no hour with a value"),
        ([], "no hour with a value"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(write, lines, says):
    with pytest.raises(SettingError, match=says) as raised:
        read_hourly(write(*lines))
    assert str(raised.value).startswith("rte.csv")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_none_is_named(tmp_path):
    (tmp_path / "noise.csv").write_bytes(b"\xff\xfe\x00\x9f")
    for name in ("missing.csv", "noise.csv"):
        with pytest.raises(SettingError, match=f"{name} cannot be read"):
            read_hourly(tmp_path / name)


pieces = st.sampled_from(["2025-01-31T12:00Z", "2025-01-31T13:00+01:00", "9999-12-31T23:00Z", "41", "0.1"])
lines_of_any_kind = st.lists(
    st.one_of(st.text(max_size=20), st.lists(pieces | st.text(max_size=4), max_size=3).map(",".join)),
    max_size=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines_of_any_kind)
def test_any_text_is_hours_or_one_sentence(tmp_path, lines):
    path = tmp_path / "any.csv"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    try:
        hourly = read_hourly(path)
    except SettingError as error:
        assert len(str(error).splitlines()) <= 1  # noqa: PT017
    else:
        assert all(0 < value <= 3000 for value in hourly.g_per_kwh.values())
