"""What the tables hold of a region that a claim names: today's, and that of a calculator in wide use."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from greenai_magic.estimate.hardware import DATA
from greenai_magic.footprint.place import known_place, place_key, places_beginning
from greenai_magic.footprint.place_names import codes_of, country_of, providers

CALCULATOR = "the ML CO2 Impact calculator"

_SAME_PROVIDER = {
    "amazon web services": "aws",
    "amazon": "aws",
    "google cloud platform": "gcp",
    "google cloud": "gcp",
    "google": "gcp",
    "microsoft azure": "azure",
    "microsoft": "azure",
    "ovh": "ovhcloud",
}
_MOST_ROWS = 12


@dataclass(frozen=True, slots=True)
class Factor:
    """One published factor of a region.

    Attributes
    ----------
    label : str
        The region and the table: ``"aws/us-east-1, 2023"``.
    kg_per_kwh : float
        Location-based.
    """

    label: str
    kg_per_kwh: float


@dataclass(frozen=True, slots=True)
class Region:
    """What is known of a name: its factors, and whether it is a region of a cloud, a row in each table."""

    name: str
    factors: tuple[Factor, ...]
    cloud: bool


@lru_cache(maxsize=1000)
def known_region(name: str) -> Region | None:
    """Return the factors of a region, or None where no table knows it.

    Parameters
    ----------
    name : str
        As claims write it: ``"AWS US-east"``, ``"gcp us-east1"``, ``"Paris, France"``. The beginning of the
        name of cloud regions stands for all of them.
    """
    whole = _region(name)
    if whole is not None:
        return whole
    parts = [part for part in name.replace("(", ",").replace(")", ",").split(",") if part.strip()]
    found = [_region(part) for part in reversed(parts)] if len(parts) > 1 else []
    return next((region for region in found if region is not None), None)


def others_like(region: Region, kg_per_kwh: float, within: float) -> str:
    """Return the calculator's region of the same provider whose factor a number is, or ``""``."""
    providers = {factor.label.split("/")[0] for factor in region.factors}
    near = [
        factor
        for key, factor in _calculator()
        if key.split()[0] in providers and _apart(factor.kg_per_kwh, kg_per_kwh) <= within
    ]
    near.sort(key=lambda factor: _apart(factor.kg_per_kwh, kg_per_kwh))
    return near[0].label.split(",")[0] if near else ""


def _region(name: str) -> Region | None:
    key = place_key(name)
    for written, short in _SAME_PROVIDER.items():
        if key.startswith(f"{written} "):
            key = f"{short}{key.removeprefix(written)}"
            break
    codes = codes_of(key)[:1]
    cloud = [code for code in codes if _is_cloud(code)]
    if not codes and len(key.split()) > 1:
        cloud = [code for code in places_beginning(key) if _is_cloud(code)][:_MOST_ROWS]
    if codes and not cloud:
        return Region(name, (*_ours(codes), *_of_country(codes[0])), cloud=False)
    rows = [factor for known, factor in _calculator() if _names(key, known)]
    factors = (*_ours(cloud), *rows[:_MOST_ROWS])
    return Region(name, factors, cloud=True) if factors else None


def _is_cloud(code: str) -> bool:
    return code.split("/", maxsplit=1)[0] in providers()


def _names(key: str, known: str) -> bool:
    """Return whether a key is a region's: with or without its provider, or the beginning of several."""
    alone = known.split(" ", 1)[1]
    many = len(key.split()) > 1
    return key in {known, alone} or (many and known.startswith(key)) or (many and alone.startswith(key))


def _ours(codes: Iterable[str]) -> Iterator[Factor]:
    for code in codes:
        place = known_place(code)
        yield Factor(f"{code}, {place.vintage}", place.grid_intensity.value / 1000)


def _of_country(code: str) -> Iterator[Factor]:
    rows = {factor.kg_per_kwh: factor for factor in _countries().get(code, ())}
    yield from rows.values()


@cache
def _calculator() -> tuple[tuple[str, Factor], ...]:
    return tuple((place_key(factor.label.split(",")[0]), factor) for factor in _rows())


@cache
def _countries() -> dict[str, list[Factor]]:
    """Return what the calculator has of each country, by its code, of the regions that our tables place."""
    found: dict[str, list[Factor]] = {}
    for factor in _rows():
        code = factor.label.split(",")[0]
        if codes_of(code):
            found.setdefault(country_of(codes_of(code)[0]), []).append(factor)
    return found


@cache
def _rows() -> tuple[Factor, ...]:
    with (DATA / "mlco2_regions.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if float(row["g_per_kwh"])]
    # Without a slash it is a provider that has one region only.
    rows = [row for row in rows if "/" in row["code"]]
    return tuple(
        Factor(f"{row['code'].replace('ovh/', 'ovhcloud/')}, {CALCULATOR}", float(row["g_per_kwh"]) / 1000)
        for row in rows
    )


def _apart(one: float, other: float) -> float:
    """Return by what part of the smaller two positive numbers differ."""
    return max(one, other) / min(one, other) - 1 if min(one, other) > 0 else float("inf")
