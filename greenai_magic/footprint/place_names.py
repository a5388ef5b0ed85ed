"""Which places there are, their rows in the tables, and the names they go by."""

from __future__ import annotations

import csv
import difflib
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / "data"
WORLD = "world"

MANY_GRIDS = "eu|european union|europe|africa|america|north america|south america|asia|oceania|middle east"
"""Names that are no single grid, by their keys."""
ALSO_MEANT = {"congo": ["COD"]}
"""Countries that share a name with the one that the tables give it to."""
SUGGESTIONS = 3
SHOWN_LETTERS = 60

WHAT_IS_ALLOWED = (
    "write a country (FRA, FR or France), a state or province (USA/CA, CAN/Quebec) "
    "or a region of aws, azure, gcp, ovhcloud or scaleway (gcp/europe-west9)"
)

Row = Mapping[str, str]


def place_key(name: str) -> str:
    """Return a name as the tables spell it in their column of keys: no case, accents or punctuation."""
    letters = unicodedata.normalize("NFKD", name).casefold()
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(re.findall(r"[^\W_]+", plain))


def places_beginning(text: str) -> list[str]:
    """Return the code of every place of which a code or a name begins so, in order; case does not matter."""
    start = place_key(text)
    found = (codes for key, codes in _index().items() if key.startswith(start))
    return sorted({code for codes in found for code in codes})


def codes_of(name: str) -> list[str]:
    """Return the codes that a name may mean, what it is read as first; none where no table knows it."""
    key = place_key(name)
    return _meanings(key) if key in _index() else []


def unknown_place(name: str) -> str:
    """Return the sentence for a name that no table knows: the closest that one does, or what is allowed."""
    key = place_key(name)
    if key in MANY_GRIDS.split("|"):
        return f"{name[:SHOWN_LETTERS]!r} is many grids: write a country, such as FRA (France)."
    index = _index()
    holding = (known for known in index if f" {key} " in f" {known} ")
    near = difflib.get_close_matches(key[:SHOWN_LETTERS], index, n=SUGGESTIONS, cutoff=0.8)
    codes = [*_meanings(key), *(index[known][0] for known in (*near, *holding))]
    likely = list(dict.fromkeys(codes))[:SUGGESTIONS]
    advice = f"did you mean {listed(likely)}?" if likely else f"{WHAT_IS_ALLOWED}."
    return f"No table knows the place {name[:SHOWN_LETTERS]!r}: {advice}"


def listed(codes: list[str]) -> str:
    """Return codes with their names, as a sentence lists them."""
    return " or ".join(map(shown, codes))


def shown(code: str) -> str:
    """Return a code with its name: ``"FRA (France)"``."""
    return f"{code} ({place_row(code)['name']})"


def place_row(code: str) -> Row:
    """Return the row that names a place: of its grid or, where it has no grid of its own, of its region."""
    return grids().get(code) or clouds()[code]


@cache
def grids() -> dict[str, Row]:
    """Return the row of each grid factor by its place: countries, states, provinces, regions, the world."""
    tables = ("grid_world.csv", "grid_country.csv", "grid_region.csv")
    return {row["code"]: row for table in tables for row in _table(table)}


@cache
def clouds() -> dict[str, Row]:
    """Return the row of each region of a cloud provider: its grid and what is published of its buildings."""
    return {row["code"]: row for row in _table("cloud_region.csv")}


@cache
def providers() -> dict[str, Row]:
    """Return the row of each cloud provider: the mean of what it publishes of its buildings."""
    return {row["provider"]: row for row in _table("cloud_provider.csv")}


@cache
def resources() -> dict[str, Row]:
    """Return the row of each country whose electricity's mineral and fossil resources are known."""
    return {row["code"]: row for row in _table("electricity_resources.csv")}


def _table(name: str) -> list[Row]:
    with (DATA / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _meanings(key: str) -> list[str]:
    """Return the codes that a key may mean: what it is read as, then regions it is short for."""
    short = (f"{country}/{key.upper()}" for country in ("USA", "CAN"))
    named = [*_index().get(key, ()), *ALSO_MEANT.get(key, ())]
    return [*named, *(code for code in short if code in grids())]


@cache
def _index() -> dict[str, list[str]]:
    """Return the codes that each key stands for, countries first and regions of clouds last."""
    index: dict[str, list[str]] = {}
    for row in (*grids().values(), *clouds().values()):
        for key in row["keys"].split("|"):
            codes = index.setdefault(key, [])
            # Google's regions are in both tables.
            if row["code"] not in codes:
                codes.append(row["code"])
    return index
