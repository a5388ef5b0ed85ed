"""Azure Monitor's ``GpuEnergyJoules``: joules of GPUs, minute by minute."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from greenai_magic.estimate.importers.files import StrPath, moment, number, read_json, read_rows, refuse
from greenai_magic.estimate.importers.imported import Imported
from greenai_magic.estimate.importers.mlflow import GPUS_ALONE
from greenai_magic.footprint.gsd import gsd
from greenai_magic.quantity import Quantity

METRIC = "GpuEnergyJoules"
_MINUTE_S = 60.0
_TIME_COLUMNS = ("time", "timestamp", "timegenerated")
_METRIC_WORDS = ("gpuenergyjoules", "gpuenergyinjoules")
_NO_SUM = re.compile(r"\b(avg|average|mean|min|minimum|max|maximum|count)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Interval:
    at: datetime | None
    energy_j: float | None


def from_azure(path: StrPath) -> list[Imported]:
    """Return the energy of an export of ``GpuEnergyJoules`` as one run.

    Parameters
    ----------
    path : str or Path
        A CSV file with a column of times and one or more whose names hold ``GpuEnergyJoules``, which are
        added up, or JSON as ``az monitor metrics list`` answers it. The aggregation has to be the sum.

    Raises
    ------
    ImportFileError
        If the file is no such export or holds another aggregation; the message has file and line.
    """
    file = Path(path)
    intervals = list(_from_json(path) if file.suffix.casefold() == ".json" else _from_csv(path))
    known = [interval.energy_j for interval in intervals if interval.energy_j is not None]
    if not known:
        refuse(f"{file.name} has no joules at all: export the sum of {METRIC} over a time when a job ran.")
    source = f"Azure Monitor {METRIC}, {file.name}"
    notes = [GPUS_ALONE]
    if len(known) < len(intervals):
        silent = len(intervals) - len(known)
        notes.append(f"{silent} of {len(intervals)} intervals have no figure: the energy is at least this.")
    times = sorted({interval.at for interval in intervals if interval.at}, key=datetime.timestamp)
    if not times:
        notes.append("Its times cannot be read, so start and duration are not known.")
    spread = {"power sensor of the GPUs": gsd("energy counter").log_sd}
    energy = Quantity(math.fsum(known), "J", "measured", source, spread, name="energy of the GPUs")
    return [
        Imported(
            name=file.stem,
            started_at=times[0] if times else None,
            duration=_duration(times, source),
            energy_it=energy,
            energy=None,
            co2e=None,
            place_name="",
            pue=None,
            notes=tuple(notes),
            source=source,
        )
    ]


def _duration(times: Sequence[datetime], source: str) -> Quantity | None:
    if not times:
        return None
    gaps = [(later - time).total_seconds() for time, later in pairwise(times)]
    # A time names the start of its interval, so the last one is yet to come.
    last_s = statistics.median(gaps) if gaps else _MINUTE_S
    return Quantity(math.fsum(gaps) + last_s, "s", "declared", source, name="duration")


def _from_csv(path: StrPath) -> Iterator[_Interval]:
    for row in read_rows(path, _lacking):
        columns = [column for column in row.cells if _is_metric(column)]
        wrong = next(filter(_NO_SUM.search, columns), None)
        if wrong:
            refuse(f"{wrong[:60]!r}, a column in {row.where}, is no sum: export the aggregation Sum.")
        told = [joules for column in columns if (joules := row.number(column)) is not None]
        time = next(row.text(column) for column in row.cells if _is_time(column))
        yield _Interval(moment(time), math.fsum(told) if told else None)


def _from_json(path: StrPath) -> Iterator[_Interval]:
    name = Path(path).name
    document: Any = read_json(path)
    try:
        points = [
            point
            for metric in document["value"]
            if metric["name"]["value"] == METRIC
            for series in metric["timeseries"]
            for point in series["data"]
        ]
        if points and not any("total" in point for point in points):
            refuse(f"{name} holds no sums: ask for --aggregation Total.")
        told = [(str(point["timeStamp"]), point.get("total")) for point in points]
    except (KeyError, TypeError, AttributeError):
        refuse(f"{name} is no answer of Azure Monitor for {METRIC}: export it with az monitor metrics list.")
    for at, (time, joules) in enumerate(told, 1):
        energy_j = None if joules is None else number(joules, f"total {at} of {name}")
        yield _Interval(moment(time), energy_j)


def _lacking(columns: Sequence[str]) -> list[str]:
    lacks = {METRIC: not any(map(_is_metric, columns)), "Time": not any(map(_is_time, columns))}
    return [column for column, lacked in lacks.items() if lacked]


def _is_metric(column: str) -> bool:
    letters = re.sub(r"[^a-z]", "", column.casefold())
    return any(word in letters for word in _METRIC_WORDS)


def _is_time(column: str) -> bool:
    return re.sub(r"[^a-z]", "", column.casefold()).removesuffix("utc") in _TIME_COLUMNS
