"""Run: one experiment, as it is kept and shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from greenai_magic.footprint.impacts import Footprint
from greenai_magic.meter.measurement import Measurement

Status = Literal["running", "ok", "error", "interrupted"]
METHOD = "greenai_magic energy-counter 1"
"""Identifier of how figures are made; it changes whenever the same joules would give others."""


@dataclass(frozen=True, slots=True, repr=False)
class Run:
    """One experiment: what was measured, what it cost, how it ended.

    Attributes
    ----------
    id : str
        Unique, 32 hexadecimal digits.
    name : str
        The user's, or ``"cell"`` where none was given.
    status : str
        ``"running"``, ``"ok"``, ``"error"`` (the cell raised) or ``"interrupted"``.
    started_at : datetime
        Aware, in UTC.
    measurement : Measurement
        The energy.
    footprint : Footprint
        The impacts and what was not assessed.
    scores, tags : mapping
        The user's own.
    stage : str
        ``"training"``, ``"evaluation"``... or ``""``: untagged work is counted, as untagged.
    source_hash : str
        SHA-256 of the cell's source, ``""`` where there is none.
    source : str or None
        The cell's source, kept only where the user asked for it.
    session : str
        Which kernel or script it ran in: host, process and start time.
    method : str
        Identifier of how the figures were made.
    hardware : str
        What it used, as the user named it, ``""`` where nobody has: the footprint counts its making.
    """

    id: str
    name: str
    status: Status
    started_at: datetime
    measurement: Measurement
    footprint: Footprint
    scores: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    stage: str = ""
    source_hash: str = ""
    source: str | None = None
    session: str = ""
    method: str = METHOD
    hardware: str = ""

    def __repr__(self) -> str:
        figures = f"{self.measurement.duration}, {self.measurement.machine}, {self.footprint.gwp}"
        return f"<Run {self.name!r} {self.status}: {figures}>"

    def to_dict(self) -> dict[str, Any]:
        """Return plain types that JSON can hold, nothing lost."""
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "started_at": self.started_at.isoformat(),
            "measurement": self.measurement.to_dict(),
            "footprint": self.footprint.to_dict(),
            "scores": dict(self.scores),
            "tags": dict(self.tags),
            "stage": self.stage,
            "source_hash": self.source_hash,
            "source": self.source,
            "session": self.session,
            "method": self.method,
            "hardware": self.hardware,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Run:
        """Return the run that ``to_dict`` described."""
        parts = dict(plain)
        parts["started_at"] = datetime.fromisoformat(parts["started_at"])
        parts["measurement"] = Measurement.from_dict(parts["measurement"])
        parts["footprint"] = Footprint.from_dict(parts["footprint"])
        return cls(**parts)
