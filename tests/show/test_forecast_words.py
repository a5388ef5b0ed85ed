"""A forecast in words, and how it came out."""

from __future__ import annotations

import pytest

from greenai_magic.estimate.forecast import Step, forecast, score
from greenai_magic.quantity import Quantity
from greenai_magic.show.forecast import forecast_text, verdict_text
from greenai_magic.show.words import at_least, figure

GWP = Quantity(2.0, "g CO2e", "modelled", spread={"x": 0.2}, name="CO2e")


def steps(joules=10.0, below=0.0, first=1.0):
    def step(at):
        size = joules * (first if at == 0 else 1 + at / 100)
        energy = Quantity(size, "J", "measured", "a sensor", {"a sensor": 0.05}, below, below)
        return Step(Quantity(size / 10, "s", name="duration"), energy)

    return [step(at) for at in range(6)]


def test_a_job_s_figures_stand_beside_those_of_one_step():
    told = forecast(steps(), 5000, flops_per_step=1e12)
    text = forecast_text(told, GWP, whole=True)
    lines = {line.split("  ")[1]: line for line in text.splitlines() if line.startswith("  ")}
    assert text.splitlines()[0] == "forecast: 6 steps measured"
    assert figure(told.energy_per_step) in lines["Energy of a step"]
    assert figure(told.energy) in lines["Energy, 5,000 steps"]
    assert figure(told.duration) in lines["Duration, 5,000 steps"]
    assert at_least(figure(GWP)) in lines["CO2e, 5,000 steps"]
    assert f"{told.energy_per_flop.value * 1e12:.3g}"[:2] in lines["Energy of an operation"]
    assert "pJ/FLOP" in lines["Energy of an operation"]
    assert text.endswith("`%greenai probe --score` says how well this told it.")


def test_without_a_number_of_steps_nothing_is_said_of_the_job():
    text = forecast_text(forecast(steps(), 6), GWP, whole=False)
    assert "CO2e" not in text
    assert "Energy, " not in text
    assert "--total" in text


def test_warming_up_and_steps_too_short_to_measure_are_told():
    assert "the first 1 of them warming up" in forecast_text(forecast(steps(first=5.0), 50), GWP, whole=True)
    short = forecast_text(forecast(steps(below=30.0), 50), GWP, whole=True)
    assert "A step is too short for the counters" in " ".join(short.split())
    assert "A step is too short" not in forecast_text(forecast(steps(), 50), GWP, whole=True)


@pytest.mark.parametrize("factor", [0.1, 1.0, 10.0])
def test_what_was_forecast_and_what_was_measured_stand_side_by_side(make_run, make_energy, factor):
    told = forecast(steps(), 5000)
    cpu = make_energy(told.energy.value * factor)
    seen = make_run(components={"cpu": cpu}, duration_s=told.duration.value).measurement
    energy, duration = score(told, seen), score(told, seen.duration)
    text = " ".join(verdict_text(told, seen, energy, duration).split())
    assert text.startswith("forecast of 5,000 steps, and the last run")
    for words in (figure(told.energy), figure(seen.machine), str(energy), str(duration)):
        assert words in text
    assert ("outside its interval" in text) == (factor != 1.0)
