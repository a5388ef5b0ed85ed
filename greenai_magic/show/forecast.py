"""A forecast in words, and how it came out."""

from __future__ import annotations

from greenai_magic.arithmetic import product
from greenai_magic.estimate.forecast import Forecast, Verdict
from greenai_magic.meter.measurement import Measurement
from greenai_magic.quantity import Quantity
from greenai_magic.show.rows import Row, row_of, rows_to_text, wrapped
from greenai_magic.show.words import at_least, figure

_PICO = 1e-12
_THEN_SCORE = "After the job is measured, `%greenai probe --score` says how well this told it."
_SAY_HOW_MANY = "Say with --total how many steps the whole job has, and this tells what it will take."
_TOO_SHORT = (
    "A step is too short for the counters: probe several as one, such as "
    "`%greenai probe --total 50 for _ in range(100): step()` for 5,000 of them."
)


def forecast_text(told: Forecast, gwp: Quantity, *, whole: bool) -> str:
    """Return a forecast as text.

    Parameters
    ----------
    told : Forecast
        From a probe.
    gwp : Quantity
        CO2e of its energy, in g CO2e: of the electricity alone, and so a lower bound.
    whole : bool
        Whether the user said how many steps the job has.
    """
    rows = [
        row_of("Energy of a step", told.energy_per_step),
        row_of("Duration of a step", told.duration_per_step),
    ]
    if told.energy_per_flop is not None:
        per_flop = product((told.energy_per_flop,), "pJ/FLOP", name="energy of an operation", divisor=_PICO)
        rows.append(row_of("Energy of an operation", per_flop))
    if whole:
        steps = f"{told.steps:,} steps"
        rows += [
            row_of(f"Energy, {steps}", told.energy),
            Row(f"CO2e, {steps}", at_least(figure(gwp)), gwp.basis),
            row_of(f"Duration, {steps}", told.duration),
        ]
    warming = f", the first {told.warming} of them warming up" if told.warming else ""
    advice = _THEN_SCORE if whole else _SAY_HOW_MANY
    if told.energy_per_step.low == 0:
        advice = f"{_TOO_SHORT} {advice}"
    return "\n".join(
        (f"forecast: {told.probed} steps measured{warming}", *rows_to_text(rows), wrapped(advice))
    )


def verdict_text(told: Forecast, measured: Measurement, energy: Verdict, duration: Verdict) -> str:
    """Return how a forecast of the job that was measured came out, as text."""
    rows = [
        Row("Energy, forecast", figure(told.energy), told.energy.basis),
        Row("Energy, measured", figure(measured.machine), measured.machine.basis, str(energy)),
        Row("Duration, forecast", figure(told.duration), told.duration.basis),
        Row("Duration, measured", figure(measured.duration), measured.duration.basis, str(duration)),
    ]
    return "\n".join((f"forecast of {told.steps:,} steps, and the last run", *rows_to_text(rows)))
