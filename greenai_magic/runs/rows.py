"""A run as a row of the ledger, and a row as a run again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from greenai_magic.errors import SettingError
from greenai_magic.footprint.embodied import Part
from greenai_magic.quantity import Quantity
from greenai_magic.runs.run import Run
from greenai_magic.runs.session import status_now
from greenai_magic.runs.site import Site, equipment

BROKEN_OFF = "Broken off: only totals were kept, and what it used after they were last saved is not counted."


def row_of(run: Run, supersedes: str | None) -> dict[str, Any]:
    """Return the columns of a run; ``supersedes`` is the id of the run that it corrects."""
    return {
        "id": run.id,
        "session": run.session,
        # SQLite refuses half a surrogate pair; the body keeps the name as it is.
        "name": run.name.encode(errors="replace").decode(),
        "stage": run.stage.encode(errors="replace").decode(),
        "status": run.status,
        "started_at": run.started_at.astimezone(timezone.utc).isoformat(timespec="microseconds"),
        "tags": json.dumps(dict(run.tags)),
        "scores": json.dumps(dict(run.scores)),
        "supersedes": supersedes,
        "body": json.dumps(run.to_dict()),
        **figures_of(run.measurement.duration, run.measurement.machine, run.footprint.gwp),
    }


def figures_of(duration: Quantity, machine: Quantity, gwp: Quantity) -> dict[str, Any]:
    """Return the columns that go on while a run does."""
    named = {"duration": duration, "machine": machine, "gwp": gwp}
    return {
        "written_at": datetime.now(timezone.utc).isoformat(timespec="microseconds"),
        "duration_s": duration.value,
        "machine_j": machine.value,
        "machine_low_j": machine.low,
        "machine_high_j": machine.high,
        "gwp_g": gwp.value,
        "gwp_low_g": gwp.low,
        "gwp_high_g": gwp.high,
        "figures": json.dumps({name: figure.to_dict(explained=False) for name, figure in named.items()}),
    }


def run_of(body: str, figures: str, written_at: str) -> Run:
    """Return the run of a row: as it ended, or as far as it had come when it was last saved."""
    run = Run.from_dict(json.loads(body))
    if run.status != "running":
        return run
    status = status_now(run.status, run.session, written_at)
    kept = {name: Quantity.from_dict(plain) for name, plain in json.loads(figures).items()}
    notes = run.measurement.notes if status == "running" else (*run.measurement.notes, BROKEN_OFF)
    measurement = replace(run.measurement, duration=kept["duration"], machine=kept["machine"], notes=notes)
    site = Site(run.footprint.place, run.hardware, _still_known(run.hardware))
    footprint = site.so_far(kept["duration"], kept["machine"])
    return replace(run, status=status, measurement=measurement, footprint=footprint)


def _still_known(hardware: str) -> tuple[Part, ...]:
    try:
        return equipment(hardware)
    except SettingError:
        # Named in another version's tables: its making is not assessed, and the footprint says so.
        return ()
