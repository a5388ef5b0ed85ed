"""Google Cloud's Carbon Footprint export: kilograms by month, service and region, no energy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from greenai_magic.estimate.importers.files import Row, StrPath, moment, read_json, read_rows, refuse
from greenai_magic.estimate.importers.imported import Imported, said
from greenai_magic.quantity import Quantity

SCOPE_1, SCOPE_2_LOCATION, SCOPE_2_MARKET, SCOPE_3 = (
    "scope 1",
    "scope 2, location-based",
    "scope 2, market-based",
    "scope 3",
)
OFFSETS_LEFT_OUT = "The column after_offsets is left out: offsets are no part of a footprint."
_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        SCOPE_1: "carbon_footprint_kgCO2e_scope1",
        SCOPE_2_LOCATION: "carbon_footprint_kgCO2e_scope2_location_based",
        SCOPE_2_MARKET: "carbon_footprint_kgCO2e_scope2_market_based",
        SCOPE_3: "carbon_footprint_kgCO2e_scope3",
    }
)
_LOCATION_TOTAL = "carbon_footprint_total_kgCO2e_location_based"
_AFTER_OFFSETS = "carbon_footprint_total_kgCO2e_after_offsets"
_LOCATION_BASED = (SCOPE_1, SCOPE_2_LOCATION, SCOPE_3)
_DISAGREES = 0.005
"""Part of a total by which its scopes may miss it through rounding."""


def from_google(path: StrPath) -> list[Imported]:
    """Return the rows of a Carbon Footprint export, each one month of one service in one place.

    Parameters
    ----------
    path : str or Path
        BigQuery's table as CSV, its columns joined by ``.`` or ``_``, or as JSON lines.

    Returns
    -------
    list of Imported
        Their ``co2e`` is the location-based total, their ``scopes`` its parts and the market-based scope 2
        beside them. What the export left empty is in no part.

    Raises
    ------
    ImportFileError
        If the file is no such export, or a figure is none; the message has file and line.
    """
    file = Path(path)
    is_json = file.suffix.casefold() in (".json", ".jsonl", ".ndjson")
    rows = _json_rows(path) if is_json else map(_flat_names, read_rows(path, _lacking))
    return [_imported(row, file.name) for row in rows]


def _imported(row: Row, file: str) -> Imported:
    version = row.text("carbon_model_version")
    source = f"Google Cloud Carbon Footprint{f', model {version}' if version else ''}, {file}"
    scopes = {
        scope: said(kg, source, name=scope)
        for scope, column in _COLUMNS.items()
        if (kg := row.number(column)) is not None
    }
    declared = row.number(_LOCATION_TOTAL)
    co2e = None if declared is None else said(declared, source)
    service = row.text("service_description") or "Google Cloud"
    project = row.text("project_id")
    region = row.text("location_region")
    return Imported(
        name=f"{service}, {project}" if project else service,
        started_at=moment(row.text("usage_month")),
        duration=None,
        energy_it=None,
        energy=None,
        co2e=co2e or _sum_of(scopes, source),
        # A place is a region; "global" and the multi-regions are none.
        place_name=f"gcp/{region}" if "-" in region else "",
        pue=None,
        notes=_notes(row, scopes, co2e),
        source=source,
        scopes=scopes,
    )


def _sum_of(scopes: Mapping[str, Quantity], source: str) -> Quantity | None:
    parts = [scopes[scope].value for scope in _LOCATION_BASED if scope in scopes]
    return Quantity(math.fsum(parts), "g CO2e", "declared", source, name="sum of scopes") if parts else None


def _notes(row: Row, scopes: Mapping[str, Quantity], declared: Quantity | None) -> tuple[str, ...]:
    notes = ["Google tells no energy, so this footprint cannot be restated."]
    if _AFTER_OFFSETS in row.cells:
        notes.append(OFFSETS_LEFT_OUT)
    missing = [scope for scope in _LOCATION_BASED if scope not in scopes]
    if missing:
        notes.append(f"Not assessed in the export: {' and '.join(missing)}.")
    parts = _sum_of(scopes, "")
    if not missing and parts and declared:
        gap = abs(parts.value - declared.value)
        if gap > _DISAGREES * max(parts.value, declared.value):
            notes.append(f"Its scopes add up to {parts}, its own total is {declared}.")
    return tuple(notes)


def _lacking(columns: Sequence[str]) -> list[str]:
    flat = [_flat_name(column) for column in columns]
    lacks = [] if "usage_month" in flat else ["usage_month"]
    known = (_LOCATION_TOTAL, *_COLUMNS.values())
    return lacks if any(column in flat for column in known) else [*lacks, "carbon_footprint_kgCO2e.scope1"]


def _json_rows(path: StrPath) -> Iterator[Row]:
    document: Any = read_json(path)
    name = Path(path).name
    entries = document if isinstance(document, list) else [document]
    for at, entry in enumerate(entries, 1):
        cells = dict(_leaves(entry, "")) if isinstance(entry, dict) else {}
        if lacks := _lacking(list(cells)):
            refuse(f"Entry {at} of {name} has no {' and '.join(lacks)}: is it the right export?")
        yield Row(f"entry {at} of {name}", cells)


def _leaves(entry: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    for key, value in entry.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{key}_")
        else:
            yield f"{above}{key}", "" if value is None else str(value)


def _flat_names(row: Row) -> Row:
    return Row(row.where, {_flat_name(column): cell for column, cell in row.cells.items()})


def _flat_name(column: str) -> str:
    return re.sub(r"\.", "_", column)
