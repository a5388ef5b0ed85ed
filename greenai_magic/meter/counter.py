"""The one contract of every source of energy: a monotone counter of joules."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

from greenai_magic.meter.accuracy import Accuracy
from greenai_magic.meter.host import Instant
from greenai_magic.quantity import Quantity


class Reading(NamedTuple):
    """What a counter says at one instant; both figures only ever grow.

    Attributes
    ----------
    energy_j : float
        Joules since the counter was opened.
    doubt_j : float
        Joules that may have gone uncounted since then: dropped intervals after a reset, a
        suspend or a failed read. A window's interval is widened upwards by their difference.
    surplus_j : float
        Joules that may have been counted too many, where a law takes a mean for what varied. A
        window's interval is widened downwards by their difference.
    """

    energy_j: float
    doubt_j: float = 0.0
    surplus_j: float = 0.0


class DeviceUsers(NamedTuple):
    """Who computes on a device: this kernel's processes and the others'.

    Attributes
    ----------
    own, others : int
        Number of processes on the device.
    own_share : float or None
        This kernel's share of the work (0 to 1) where the driver tells; None where it does not.
    """

    own: int
    others: int
    own_share: float | None = None


def is_device(component: str) -> bool:
    """Return whether a component has users of its own (a GPU) rather than a share of CPU time."""
    return component.startswith("gpu")


class EnergyCounter(Protocol):
    """A source of energy figures for one component.

    Attributes
    ----------
    component : str
        ``"cpu"``, ``"dram"``, ``"gpu0"``... unique on a meter.
    label : str
        What is read, as people read it: ``"RAPL package counters"``.
    accuracy : Accuracy
        How far its joules may be from the truth, and why.
    period_s : float
        Time between two reads of the thread while a window is open, in seconds.
    idle_w : float or None
        Its idle power where the source itself knows it (a model); None where it is to be learned.
    rated_w : float
        Power it is unlikely to pass, in watts: it bounds what a window shorter than a tick cannot
        see, and what was missed while the source was away.
    """

    component: str
    label: str
    accuracy: Accuracy
    period_s: float
    idle_w: float | None
    rated_w: float

    def read(self, now: Instant, *, edge: bool) -> Reading:
        """Return the joules up to ``now``.

        ``edge`` is true at the start or the end of a window. A model whose law is not linear
        settles its energy only there, so that a window's energy does not depend on how often
        the thread has looked in between; every other counter ignores it.

        Raises
        ------
        CounterLost
            If the source no longer answers; the meter then drops it, once.
        """

    def users(self) -> DeviceUsers | None:
        """Return who uses the device, or None where that is told by CPU time instead."""

    def close(self) -> None:
        """Release what was kept open; reading afterwards is an error."""


@runtime_checkable
class Explained(Protocol):
    """A counter whose joules have a formula of their own, more than that it was read twice."""

    def terms(self, start: Instant, end: Instant) -> tuple[str, tuple[Quantity, ...]]:
        """Return the formula of the joules between two instants and its inputs, as a Quantity's."""
