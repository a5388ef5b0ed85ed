"""MLflow's system metrics: the power of each GPU, integrated over time."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

from greenai_magic.arithmetic import total
from greenai_magic.estimate.importers.files import (
    StrPath,
    clean,
    moment,
    number,
    read_json,
    read_rows,
    refuse,
    without,
)
from greenai_magic.estimate.importers.imported import Imported
from greenai_magic.footprint.gsd import gsd
from greenai_magic.quantity import Quantity

GAP_INTERVALS = 3
"""A longer silence is no measurement: nobody knows what the device did."""
FEW_SAMPLES = 10
"""Below so many, the power between two samples is a guess too."""
GPUS_ALONE = "GPUs alone: processor, memory and the rest of the machine are not in it."
_POWER = re.compile(r"system/(?:node_\w{1,40}/)?gpu_\d{1,4}_power_usage_watts")
_RUN_COLUMNS = ("run_id", "run_uuid", "run")
_MS = 1000.0

Series = Sequence[tuple[float, float]]
Metric = tuple[str, str, float, float]
"""Run, key, time in s and power in W."""


def from_mlflow(path: StrPath) -> list[Imported]:
    """Return the runs of an export of ``system/gpu_<i>_power_usage_watts``.

    Parameters
    ----------
    path : str or Path
        A CSV file with the columns ``key``, ``value`` and ``timestamp``, or JSON as
        ``metrics/get-history`` answers it; each may name runs by ``run_id``. Times are milliseconds since
        1970, or ISO 8601.

    Raises
    ------
    ImportFileError
        If the file is no such export, has no power of a GPU, or a series has a gap; see
        :func:`from_mlflow_series`.
    """
    file = Path(path)
    metrics = _json_metrics(path) if file.suffix.casefold() == ".json" else _csv_metrics(path)
    runs: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for run, key, time_s, power_w in metrics:
        runs.setdefault(run, {}).setdefault(key, []).append((time_s, power_w))
    if not runs:
        refuse(f"{file.name} has no system/gpu_0_power_usage_watts: switch MLflow's system metrics on.")
    return [from_mlflow_series(series, name=run or file.stem, file=file.name) for run, series in runs.items()]


def from_mlflow_series(
    watts: Mapping[str, Series], *, name: str = "MLflow run", file: str = "series given"
) -> Imported:
    """Return one run from the power of its GPUs, by the trapezoidal rule.

    Parameters
    ----------
    watts : mapping of str to sequence of (float, float)
        By GPU: time in s (since 1970, for a start to be told) and power in W.
    name, file : str
        Of the run and of where the series are from, for sentences.

    Raises
    ------
    ImportFileError
        If there is no series, one has fewer than two times, a figure is negative or not finite, or two
        samples lie more than three intervals apart; the interval is the median one.
    """
    source = f"MLflow system metrics, {file}"
    energies = [_energy(gpu, sorted(series), source) for gpu, series in watts.items()]
    if not energies:
        refuse(f"{file} has no power of any GPU: give at least one series.")
    times = [time_s for series in watts.values() for time_s, _ in series]
    return Imported(
        name=name,
        started_at=_since_1970(min(times)),
        duration=Quantity(max(times) - min(times), "s", source=source, name="duration"),
        energy_it=total(energies, name="energy of the GPUs"),
        energy=None,
        co2e=None,
        place_name="",
        pue=None,
        notes=(GPUS_ALONE,),
        source=source,
    )


def _energy(gpu: str, samples: Series, source: str) -> Quantity:
    for time_s, power_w in samples:
        number(time_s, f"A time of {gpu} in {source}")
        number(power_w, f"A power of {gpu} in {source}")
    gaps = [later - time_s for (time_s, _), (later, _) in pairwise(samples) if later > time_s]
    if not gaps:
        refuse(f"{gpu} in {source} has fewer than two times: nothing can be integrated.")
    interval_s, longest_s = statistics.median(gaps), max(gaps)
    # The clock of MLflow's thread is not exact: a gap of just three intervals is none too many.
    if longest_s > GAP_INTERVALS * interval_s * 1.01:
        refuse(
            f"{gpu} in {source} is silent for {longest_s:.0f} s where samples are {interval_s:.0f} s apart: "
            f"import the parts before and after it one by one."
        )
    energy_j = math.fsum(
        (later - time_s) * (w + next_w) / 2 for (time_s, w), (later, next_w) in pairwise(samples)
    )
    error = gsd("energy counter" if len(samples) >= FEW_SAMPLES else "energy counter, short run")
    spread = {"power sensor of the GPUs": error.log_sd}
    return Quantity(energy_j, "J", "measured", source, spread, name=f"energy of {gpu}")


def _csv_metrics(path: StrPath) -> Iterator[Metric]:
    for row in read_rows(path, without("key", "value", "timestamp")):
        key = row.text("key")
        if _POWER.fullmatch(key):
            run = next(filter(None, map(row.text, _RUN_COLUMNS)), "")
            time_s = _seconds(row.cells["timestamp"], f"timestamp in {row.where}")
            yield run, key, time_s, row.needed("value")


def _json_metrics(path: StrPath) -> Iterator[Metric]:
    document: Any = read_json(path)
    listed = document.get("metrics") if isinstance(document, dict) else document
    name = Path(path).name
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        refuse(f'{name} is no history of metrics: it is {{"metrics": [...]}} as MLflow answers it.')
    for at, entry in enumerate(listed, 1):
        key = str(entry.get("key"))
        if _POWER.fullmatch(key):
            where = f"metric {at} of {name}"
            run = next((clean(str(entry[column])) for column in _RUN_COLUMNS if entry.get(column)), "")
            time_s = _seconds(entry.get("timestamp"), f"timestamp in {where}")
            yield run, key, time_s, number(entry.get("value"), f"value in {where}")


def _seconds(timestamp: object, where: str) -> float:
    told = moment(timestamp) if isinstance(timestamp, str) and "-" in timestamp else None
    return told.timestamp() if told else number(timestamp, where) / _MS


def _since_1970(time_s: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(time_s, tz=timezone.utc)
    except (OverflowError, OSError, ValueError):
        return None
