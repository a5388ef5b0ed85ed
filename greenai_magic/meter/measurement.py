"""What a window on the meter returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from greenai_magic.arithmetic import ratio
from greenai_magic.meter.trace import Trace
from greenai_magic.quantity import Quantity


@dataclass(frozen=True, slots=True, repr=False)
class Measurement:
    """The energy of one window, every figure with its interval.

    Attributes
    ----------
    duration : Quantity
        Seconds awake between the two edges.
    machine : Quantity
        Joules of all components together, whoever used them.
    by_component : mapping of str to Quantity
        Joules of ``"cpu"``, ``"dram"``, ``"memory"``, ``"gpu0"``...
    dynamic : Quantity or None
        Joules above idle; None until an idle baseline is known.
    attributed : Quantity or None
        Joules of this kernel and its children; None where nobody's share can be told.
    trace : Trace
        Cumulative joules over the window.
    notes : tuple of str
        One sentence for each thing the reader should know: a counter that may not be read, a
        suspend, a device that stopped answering.
    """

    duration: Quantity
    machine: Quantity
    by_component: Mapping[str, Quantity]
    dynamic: Quantity | None
    attributed: Quantity | None
    trace: Trace
    notes: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        return f"<Measurement {self.duration}: {self.machine}>"

    def to_dict(self) -> dict[str, Any]:
        """Return plain types that JSON can hold, nothing lost."""
        return {
            "duration": self.duration.to_dict(),
            "machine": self.machine.to_dict(),
            "by_component": {name: energy.to_dict() for name, energy in self.by_component.items()},
            "dynamic": self.dynamic and self.dynamic.to_dict(),
            "attributed": self.attributed and self.attributed.to_dict(),
            "trace": self.trace.to_dict(),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Measurement:
        """Return the measurement that ``to_dict`` described."""
        return cls(
            Quantity.from_dict(plain["duration"]),
            Quantity.from_dict(plain["machine"]),
            {name: Quantity.from_dict(energy) for name, energy in plain["by_component"].items()},
            plain["dynamic"] and Quantity.from_dict(plain["dynamic"]),
            plain["attributed"] and Quantity.from_dict(plain["attributed"]),
            Trace.from_dict(plain["trace"]),
            tuple(plain["notes"]),
        )

    @property
    def mean_power(self) -> Quantity:
        """Machine energy over duration, in watts."""
        return ratio(self.machine, self.duration, "W", name="mean power")
