"""All counters at one instant, and what two such looks say of the time between."""

from __future__ import annotations

from typing import NamedTuple

from greenai_magic.meter.counter import EnergyCounter, Explained, Reading
from greenai_magic.meter.host import Instant, asleep_s
from greenai_magic.quantity import Quantity


class Snapshot(NamedTuple):
    """All counters at one instant."""

    now: Instant
    readings: tuple[Reading, ...]


def duration_between(start: Snapshot, end: Snapshot) -> Quantity:
    """Return the seconds awake between two snapshots."""
    seconds = end.now.monotonic_s - start.now.monotonic_s
    return Quantity(seconds, "s", "measured", "monotonic clock", name="duration")


def terms_between(
    counter: EnergyCounter, start: Snapshot, end: Snapshot, i: int
) -> tuple[str, tuple[Quantity, ...]]:
    """Return the formula and the inputs of the joules of the i-th counter, as a Quantity takes them."""
    if isinstance(counter, Explained):
        return counter.terms(start.now, end.now)
    edges = (("end", end), ("start", start))
    return "{0} - {1}", tuple(
        Quantity(
            snapshot.readings[i].energy_j,
            "J",
            counter.accuracy.basis,
            counter.label,
            name=f"counter at the {edge}",
        )
        for edge, snapshot in edges
    )


def powers_w(before: Snapshot, after: Snapshot) -> list[float | None]:
    """Return each counter's mean power in watts, None where the time between cannot be believed."""
    seconds = after.now.monotonic_s - before.now.monotonic_s
    slept = asleep_s(before.now, after.now)
    return [
        None if slept or b.doubt_j > a.doubt_j else (b.energy_j - a.energy_j) / seconds
        for a, b in zip(before.readings, after.readings, strict=True)
    ]


def notes_between(start: Snapshot, end: Snapshot, machine: Quantity) -> list[str]:
    """Return a sentence for each thing that the reader of a window's figures should know."""
    notes = []
    slept_s = asleep_s(start.now, end.now)
    if slept_s:
        notes.append(f"The machine slept for {slept_s:.0f} s meanwhile; energy while asleep is not counted.")
    if machine.low == 0:
        notes.append("Too short to tell: only an upper bound of its energy is known.")
    return notes
