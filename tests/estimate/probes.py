"""Synthetic jobs: the joules of each step, in several regimes of noise, seen by a sensor with an error of its own."""

from __future__ import annotations

import math
import random

from greenai_magic.estimate.forecast import Step
from greenai_magic.quantity import Z95, Quantity

STEPS, PROBED, STEP_J, WATTS = 2000, 30, 50.0, 40.0
SENSOR_LOG_SD = math.log(1.05) / Z95


def white(draw: random.Random) -> list[float]:
    cv = draw.choice([0.02, 0.1, 0.3])
    return [STEP_J * max(0.05, draw.gauss(1, cv)) for _ in range(STEPS)]


def wandering(draw: random.Random) -> list[float]:
    """Each step is like the one before."""
    level, sd, r = draw.gauss(0, 0.1), 0.1, 0.8
    steps = []
    for _ in range(STEPS):
        level = r * level + draw.gauss(0, sd * math.sqrt(1 - r * r))
        steps.append(STEP_J * math.exp(level))
    return steps


def drifting(draw: random.Random) -> list[float]:
    """A machine that heats up or cools down: most of the way is behind the probe."""
    change, over = draw.choice([-0.06, 0.03, 0.06]), draw.choice([PROBED, 5 * PROBED])
    return [STEP_J * (1 + change * -math.expm1(-at / over)) * draw.gauss(1, 0.05) for at in range(STEPS)]


def warming(draw: random.Random) -> list[float]:
    first = draw.randrange(1, 6)
    slower = [draw.uniform(1.5, 20.0) if at < first else 1.0 for at in range(STEPS)]
    return [STEP_J * factor * draw.gauss(1, 0.05) for factor in slower]


def heavy_tailed(draw: random.Random) -> list[float]:
    return [STEP_J * math.exp(draw.gauss(0, 0.6)) for _ in range(STEPS)]


def spiking(draw: random.Random) -> list[float]:
    """One step in five saves a checkpoint, or waits for the disk."""
    return [STEP_J * draw.gauss(1, 0.03) * (4.0 if draw.random() < 0.2 else 1.0) for _ in range(STEPS)]


REGIMES = {made.__name__: made for made in (white, wandering, drifting, warming, heavy_tailed, spiking)}


def seen(joules: list[float], draw: random.Random, *, probed: int = PROBED) -> list[Step]:
    """Return the first steps as a sensor sees them, always wrong by the same factor."""
    factor = math.exp(draw.gauss(0, SENSOR_LOG_SD))
    return [step(joules_of * factor, joules_of / WATTS) for joules_of in joules[:probed]]


def step(joules: float, seconds: float) -> Step:
    sensor = {"sensor": SENSOR_LOG_SD}
    return Step(Quantity(seconds, "s"), Quantity(joules, "J", "measured", "a sensor 2026", sensor))
