"""codecarbon's ``emissions.csv``, by the names of its columns: every version from 2 on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from greenai_magic.arithmetic import ratio
from greenai_magic.estimate.importers.files import Row, StrPath, earlier, moment, read_rows, without
from greenai_magic.estimate.importers.imported import Imported, energy_of, said
from greenai_magic.footprint.gsd import gsd
from greenai_magic.quantity import Quantity

NEEDED = ("duration", "emissions", "energy_consumed")
_COUNTRIES_OF_REGIONS = ("USA", "CAN")


def from_codecarbon(path: StrPath) -> list[Imported]:
    """Return the runs of an ``emissions.csv``.

    ``energy_consumed`` has the PUE in it: the energy of the devices is that, divided by the row's own PUE.
    Rows of one run hold its totals so far, so the last one counts.

    Parameters
    ----------
    path : str or Path
        The file, also one of tasks (``emissions_<name>_<run>.csv``).

    Raises
    ------
    ImportFileError
        If the file is no such table, or a figure is none; the message has file and line.
    """
    file = Path(path)
    return [_imported(rows, file.name) for rows in _runs(read_rows(path, without(*NEEDED)))]


def _runs(rows: Iterable[Row]) -> list[list[Row]]:
    """Group the rows of each run and task, in the order of their last row."""
    runs: dict[object, list[Row]] = {}
    for number, row in enumerate(rows):
        run = row.text("run_id")
        # A file without ids, as of old versions, has one row a run.
        key: object = (run, row.text("task_name")) if run else number
        # Taken out and put back, so that the run moves to the place of its last row.
        so_far = runs.pop(key, [])
        so_far.append(row)
        runs[key] = so_far
    return list(runs.values())


def _imported(rows: list[Row], file: str) -> Imported:
    row = rows[-1]
    version = row.text("codecarbon_version")
    source = f"codecarbon {version}, {file}" if version else f"codecarbon, {file}"
    duration = Quantity(row.needed("duration"), "s", "declared", source, name="duration")
    energy = energy_of(
        row.needed("energy_consumed"),
        source,
        name="energy with PUE, as codecarbon says",
        spread={"energy as codecarbon counts it": gsd("energy of codecarbon").log_sd},
    )
    notes = list[str]()
    declared = row.number("pue", least=1.0)
    if declared is None:
        notes.append("The file names no PUE: codecarbon's own default, 1, is taken out.")
    pue = Quantity(
        declared or 1.0, "1", "declared" if declared else "default", source, name="PUE as codecarbon took it"
    )
    if len(rows) > 1:
        notes.append(f"{len(rows)} rows are one run so far: the last one counts.")
    ended = moment(row.text("timestamp"))
    if ended is None:
        notes.append("The time of the row cannot be read, so its start is not known.")
    return Imported(
        name=row.text("task_name") or row.text("project_name") or "codecarbon",
        started_at=earlier(ended, duration.value),
        duration=duration,
        energy_it=ratio(energy, pue, "J", name="energy of the devices"),
        energy=energy,
        co2e=said(row.needed("emissions"), source),
        place_name=_place_name(row),
        pue=pue,
        notes=tuple(notes),
        source=source,
    )


def _place_name(row: Row) -> str:
    cloud, cloud_region = row.text("cloud_provider").casefold(), row.text("cloud_region")
    if cloud and cloud_region:
        return f"{cloud}/{cloud_region}"
    country, region = row.text("country_iso_code"), row.text("region")
    return f"{country}/{region}" if region and country in _COUNTRIES_OF_REGIONS else country
