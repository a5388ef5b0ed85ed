from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probes import REGIMES, SENSOR_LOG_SD, STEPS, WATTS, seen, step, white

from greenai_magic.errors import SettingError, UnitError
from greenai_magic.estimate.forecast import (
    EARLIER,
    VARIATION,
    Forecast,
    Verdict,
    forecast,
    score,
    steps_of,
    student,
    warming_steps,
)
from greenai_magic.meter.measurement import Measurement
from greenai_magic.meter.trace import Trace
from greenai_magic.quantity import Z95, Quantity

RUNS = 50
some_steps = st.lists(st.floats(1.0, 3.0), min_size=8, max_size=20)


def _forecast(joules, steps=STEPS, **options) -> Forecast:
    return forecast([step(one, one / WATTS) for one in joules], steps, **options)


@pytest.mark.parametrize("regime", REGIMES)
def test_the_interval_holds_the_truth_in_nine_of_ten_jobs(regime):
    energies, durations = 0, 0
    for seed in range(RUNS):
        draw = random.Random(seed)
        joules = REGIMES[regime](draw)
        told = forecast(seen(joules, draw), STEPS)
        energies += told.energy.low <= sum(joules) <= told.energy.high
        durations += told.duration.low <= sum(joules) / WATTS <= told.duration.high
    assert energies >= 0.9 * RUNS
    assert durations >= 0.9 * RUNS


@pytest.mark.parametrize("regime", ["white", "drifting", "warming"])
def test_the_interval_says_something_where_steps_are_alike(regime):
    draw = random.Random(1)
    told = forecast(seen(REGIMES[regime](draw), draw), STEPS)
    assert told.energy.high / told.energy.low < 1.6


def test_a_sensors_error_does_not_average_out():
    few, many = (_forecast([50.0] * count) for count in (5, 500))
    assert many.energy.spread["sensor"] == pytest.approx(few.energy.spread["sensor"], rel=1e-9)
    assert many.energy.high / many.energy.value > math.exp(Z95 * SENSOR_LOG_SD)


def test_more_steps_tell_more():
    draw = random.Random(3)
    joules = white(draw)
    few, many = (_forecast(joules[:count]).energy.spread[VARIATION] for count in (20, 500))
    assert many < few / 3


def test_alike_neighbours_tell_less_than_independent_steps():
    draw = random.Random(5)
    independent = [draw.gauss(50, 5) for _ in range(100)]
    alike = sorted(independent[:50]) + sorted(independent[50:], reverse=True)
    assert _forecast(alike).energy.spread[VARIATION] > 2 * _forecast(independent).energy.spread[VARIATION]


def test_steps_that_grow_may_go_on_growing():
    growing = _forecast([50.0 + at for at in range(20)])
    shuffled = _forecast([50.0 + at * 7 % 20 for at in range(20)])
    assert growing.energy.above > shuffled.energy.above == 0


def test_warming_up_is_told_apart_and_counted_once():
    told = _forecast([500.0, 100.0, *[50.0] * 18], steps=1000)
    assert told.warming == 2
    assert told.energy_per_step.value == pytest.approx(50)
    assert told.energy.value == pytest.approx(50 * 1000 + 450 + 50)
    assert told.duration.value == pytest.approx(told.energy.value / WATTS)


@pytest.mark.parametrize(
    ("seconds", "warming"),
    [
        ([1.0] * 8, 0),
        ([3.0, *[1.0] * 8], 1),
        ([9.0, 3.0, 1.0, 1.02, 0.99, 1.0, 1.01, 1.0], 2),
        ([1.0, 1.0, 5.0, 1.0, 1.0, 1.0, 1.0, 1.0], 0),  # slow later on is no warming up
        ([1.05, *[1.0] * 8], 0),  # hardly slower
        ([*[9.0] * 5, *[1.0] * 3], 4),  # no more than half
        ([], 0),
    ],
)
def test_only_the_first_steps_warm_up(seconds, warming):
    assert warming_steps(seconds) == warming


@settings(deadline=None)
@given(some_steps, st.integers(1, 10_000), st.integers(2, 9))
def test_a_job_costs_in_proportion_to_its_steps(joules, steps, times):
    one, more = _forecast(joules, steps), _forecast(joules, steps * times)
    warm = one.energy_per_step.value
    assert more.energy.value - one.energy.value == pytest.approx(warm * steps * (times - 1))


@settings(deadline=None)
@given(some_steps, st.floats(0.1, 10))
def test_the_unit_of_energy_does_not_matter(joules, factor):
    one = _forecast(joules).energy
    other = forecast([step(j * factor, j / WATTS) for j in joules], STEPS).energy
    for bound in ("low", "value", "high"):
        assert getattr(other, bound) == pytest.approx(factor * getattr(one, bound), rel=1e-6, abs=1e-6)


def test_joules_of_an_operation():
    told = _forecast([50.0] * 5, flops_per_step=2e9)
    assert told.energy_per_flop.unit == "J/FLOP"
    assert told.energy_per_flop.value == pytest.approx(25e-9)
    exact = _forecast([50.0] * 5, flops_per_step=Quantity(2e9, "FLOP"))
    assert exact.energy_per_flop.value == told.energy_per_flop.value
    assert _forecast([50.0] * 5).energy_per_flop is None


def test_measurements_of_the_meter_are_steps():
    seen_by_meter = [
        Measurement(Quantity(2.0, "s"), Quantity(80.0, "J", below=8.0, above=8.0), {}, None, None, Trace(()))
        for _ in range(4)
    ]
    told = forecast(steps_of(seen_by_meter), 100)
    assert (told.energy.value, told.duration.value) == pytest.approx((8000, 200))
    assert told.energy.low < 0.9 * told.energy.value  # edges of windows are not forgotten


@pytest.mark.parametrize(
    ("joules", "steps", "why"),
    [
        ([50.0, 50.0], 10, "too few"),
        ([900.0, 500.0, 50.0, 50.0], 10, "too few"),
        ([], 10, "too few"),
        ([50.0] * 5, 0, "at least 1"),
        ([50.0] * 5, 2.5, "whole number"),
        ([50.0, 50.0, 50.0, 0.0], 10, "several steps at once"),
    ],
)
def test_what_cannot_be_told_is_said(joules, steps, why):
    with pytest.raises(SettingError, match=why):
        _forecast(joules, steps)


def test_a_forecast_is_scored_against_what_was_measured():
    told = _forecast([50.0, 51.0, 49.0, 50.0, 52.0, 50.0], steps=100)
    right = score(told, Quantity(1.01 * told.energy.value, "J"))
    assert right.inside
    assert right.ratio == pytest.approx(1.01)
    wrong = score(told, Quantity(3 * told.energy.value, "J"))
    assert not wrong.inside
    assert wrong.surprise > Z95
    assert score(told, Quantity(told.duration.value / 3, "s")).surprise < -Z95
    assert "3.00 times" in str(wrong)
    assert "outside" in str(wrong)


def test_a_measurement_is_scored_by_the_machines_joules():
    told = _forecast([50.0] * 6, steps=100)
    measured = Measurement(Quantity(1.0, "s"), Quantity(5000.0, "J"), {}, None, None, Trace(()))
    assert score(told, measured).unit == "J"
    assert score(told, measured).inside


@pytest.mark.parametrize("truth", [Quantity(3.0, "W"), Quantity(0.0, "J")])
def test_only_joules_and_seconds_can_be_held_against_a_forecast(truth):
    with pytest.raises(UnitError, match="cannot be held against"):
        score(_forecast([50.0] * 6), truth)


def test_a_sensor_that_both_share_is_no_excuse():
    told = _forecast([50.0] * 6, steps=100)
    at_the_bound = score(told, Quantity(told.energy.high * 0.999, "J"))
    assert at_the_bound.inside
    assert at_the_bound.surprise > Z95


def _log(*ratios: float) -> list[Verdict]:
    told = _forecast([50.0] * 6, steps=100)
    return [score(told, Quantity(ratio * told.energy.value, "J")) for ratio in ratios]


def test_earlier_misses_widen_the_interval_until_it_would_have_held():
    joules = [50.0] * 6
    plain, widened = _forecast(joules), _forecast(joules, log=_log(1.4, 1.0, 0.9))
    assert widened.energy.high > plain.energy.high
    assert widened.energy.high > 1.4 * widened.energy.value
    assert widened.energy.spread[EARLIER] > 0
    assert widened.energy.value == plain.energy.value
    assert widened.duration.high == plain.duration.high  # energy's misses are energy's


def test_forecasts_that_held_leave_the_interval_as_it_is():
    joules = [50.0] * 6
    plain = _forecast(joules).energy
    assert _forecast(joules, log=_log(*[1.01] * 30)).energy.high == plain.high
    assert _forecast(joules, log=_log(1.4, *[1.0] * 30)).energy.high == plain.high  # one of 31 may miss


@settings(deadline=None)
@given(st.lists(st.floats(0.3, 3.0), max_size=30))
def test_no_log_narrows_an_interval(ratios):
    joules = [50.0, 52.0, 49.0, 51.0]
    plain, told = _forecast(joules).energy, _forecast(joules, log=_log(*ratios)).energy
    assert told.low <= plain.low
    assert told.high >= plain.high


def test_a_widened_forecast_that_holds_is_no_proof_that_it_need_not_be_wide():
    joules = [50.0] * 6
    log = _log(1.4)
    for _ in range(30):
        told = _forecast(joules, log=log)
        log.append(score(told, Quantity(1.4 * told.energy.value, "J")))
        assert log[-1].inside
    assert _forecast(joules, log=log).energy.high > 1.4 * told.energy.value


def test_a_verdict_comes_back_from_json():
    verdict = _log(1.4)[0]
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict


@pytest.mark.parametrize(
    ("freedom", "published"),
    [(2, 4.303), (3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042), (120, 1.980)],
)
def test_students_t_is_that_of_the_published_table(freedom, published):
    """Abramowitz and Stegun 1964, table 26.10."""
    assert student(freedom) == pytest.approx(published, rel=0.01)
