"""Where the electricity comes from: grid intensity and PUE, each a sourced figure."""

from __future__ import annotations

import csv
import difflib
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from greenai_magic.errors import PlaceError, SettingError
from greenai_magic.quantity import Z95, Quantity

DATA = Path(__file__).parent / "data"
WORLD = "world"

YEARLY_GSD = 1.10
"""Geometric standard deviation of a yearly grid factor of the newest year, within one basis."""
GSD_PER_YEAR = 0.02
"""Added for each year that a factor is older than the newest in the tables: an engineering choice."""
HOURLY_GSD = 1.3
"""Of the hours of a year around their mean, since a cell runs in some hours only; France's value."""
PUE_GSD = 1.05
"""Of a PUE that somebody declares."""
PUE_MAX = 5.0
"""Larger values are taken for typing errors."""
MANY_GRIDS = "eu|european union|europe|africa|america|north america|south america|asia|oceania|middle east"
"""Names that are no single grid, by their keys."""
ALSO_MEANT = {"congo": ["COD"]}
"""Countries that share a name with the one that the tables give it to."""
SUGGESTIONS = 3
SHOWN_LETTERS = 60

SET_A_PLACE = (
    'No place is set, so a world average is used: set yours with %config GreenAI.country = "FRA", '
    'the environment variable GREENAI_COUNTRY or measure(place="FRA").'
)
WHAT_IS_ALLOWED = (
    "write a country (FRA, FR or France), a state or province (USA/CA, CAN/Quebec) "
    "or a Google Cloud region (gcp/europe-west9)"
)

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the electricity comes from.

    Attributes
    ----------
    code : str
        ``"FRA"``, ``"USA/CA"``, ``"CAN/QC"``, ``"gcp/europe-west9"`` or ``"world"``.
    name : str
        For people: ``"France"``.
    grid_intensity : Quantity
        In g CO2e/kWh.
    pue : Quantity
        Energy of the building over energy of the devices, unit ``"1"``.
    hint : str
        One sentence where the place is not what the user may believe; ``""`` otherwise.
    life_cycle : bool
        Whether the grid intensity counts the making of fuels and power stations too.
    """

    code: str
    name: str
    grid_intensity: Quantity
    pue: Quantity
    hint: str = ""
    life_cycle: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return plain types that JSON can hold, nothing lost."""
        return {
            "code": self.code,
            "name": self.name,
            "grid_intensity": self.grid_intensity.to_dict(),
            "pue": self.pue.to_dict(),
            "hint": self.hint,
            "life_cycle": self.life_cycle,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Place:
        """Return the place that ``to_dict`` described."""
        return cls(
            plain["code"],
            plain["name"],
            Quantity.from_dict(plain["grid_intensity"]),
            Quantity.from_dict(plain["pue"]),
            plain["hint"],
            plain["life_cycle"],
        )


def find_place(name: str | None = None, *, pue: float | None = None) -> Place:
    """Return the place of this name, or a world average whose hint says what to do.

    Never a guess: a name that no table knows gives the world average and the names close to it.

    Parameters
    ----------
    name : str, optional
        As for :func:`known_place`; no place at all when left out or blank.
    pue : float, optional
        As for :func:`known_place`.

    Raises
    ------
    SettingError
        If the PUE cannot be one.
    """
    if name is None or not name.strip():
        return replace(known_place(WORLD, pue=pue), hint=SET_A_PLACE)
    try:
        return known_place(name, pue=pue)
    except PlaceError as error:
        return replace(known_place(WORLD, pue=pue), hint=f"A world average is used: {error}")


def known_place(name: str, *, pue: float | None = None) -> Place:
    """Return the place of this name.

    Parameters
    ----------
    name : str
        A country by ISO code or name, a state of the USA or a province of Canada by ``"USA/CA"``,
        ``"US-CA"`` or name, a Google Cloud region with or without ``"gcp/"``, or ``"world"``. Case,
        accents and punctuation do not matter. A name that two places share is the country's.
    pue : float, optional
        Energy of the building over energy of the devices. Left out, it is 1 (a laptop or a desk
        machine), and Google's for its regions.

    Raises
    ------
    PlaceError
        If no table knows the name; the message has the closest names that one does.
    SettingError
        If the PUE is not a number from 1 to 5.
    """
    key = place_key(name)
    if key not in _index():
        raise PlaceError(_unknown(name, key))
    code, *others = _meanings(key)
    row = _rows()[code]
    hint = (
        f"{name[:SHOWN_LETTERS]!r} is read as {_shown(code)}; write {_listed(others)} for the other."
        if others
        else ""
    )
    life_cycle = row["basis"].startswith("life-cycle")
    return Place(code, row["name"], _grid_intensity(row), _pue(code, pue), hint, life_cycle)


def places_beginning(text: str) -> list[str]:
    """Return the code of every place of which a code or a name begins so, in order; case does not matter."""
    start = place_key(text)
    found = (codes for key, codes in _index().items() if key.startswith(start))
    return sorted({code for codes in found for code in codes})


def checked_pue(pue: float) -> float:
    """Return a PUE that somebody declares.

    Raises
    ------
    SettingError
        If it is not a number from 1 to 5.
    """
    number = isinstance(pue, (int, float)) and not isinstance(pue, bool)
    if not number or not 1 <= pue <= PUE_MAX:
        msg = f"PUE cannot be {pue!r}: give a number from 1 (a laptop) to {PUE_MAX:g}, such as 1.2."
        raise SettingError(msg)
    return float(pue)


def place_key(name: str) -> str:
    """Return a name as the tables spell it in their column of keys: no case, accents or punctuation."""
    letters = unicodedata.normalize("NFKD", name).casefold()
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(re.findall(r"[^\W_]+", plain))


def _grid_intensity(row: Row) -> Quantity:
    code, value = row["code"], float(row["value"])
    if "low" in row:
        # Countries lie further below their mean than above it, which no log-normal follows: the
        # spread reaches up to the highest and a margin down to the lowest.
        low, high = float(row["low"]), float(row["high"])
        spread = {f"grid intensity {code}": math.log(high / value) / Z95}
        below = value**2 / high - low
    else:
        yearly_gsd = YEARLY_GSD + GSD_PER_YEAR * (_newest_year() - int(row["year"]))
        spread = {
            f"grid intensity {code}": math.log(yearly_gsd),
            f"hour of the day {code}": math.log(HOURLY_GSD),
        }
        below = 0.0
    basis = row["basis"].partition(",")[0]
    return Quantity(
        value,
        row["unit"],
        "default" if code == WORLD else "declared",
        f"{row['source']}, {row['name']}, {row['year']}, {basis} ({row['licence']})",
        spread,
        below,
        name="grid intensity",
    )


def _pue(code: str, declared: float | None) -> Quantity:
    if declared is None and code.startswith("gcp/"):
        # Google's regions had 1.07 to 1.16 in 2024.
        spread = {"PUE of Google": math.log(1.16 / 1.10) / Z95}
        return Quantity(1.10, "1", "declared", "Google 2024, 1.07 to 1.16 by region", spread, name="PUE")
    if declared is None:
        source = "no data centre declared: a laptop or desk machine has 1.0"
        return Quantity(1.0, "1", "default", source, name="PUE")
    value = checked_pue(declared)
    # No building uses less than its devices: the interval stops at 1, and 1 itself is exact.
    log_sd = min(math.log(PUE_GSD), math.log(value) / Z95)
    spread = {f"PUE {code}": log_sd} if log_sd else {}
    return Quantity(value, "1", "declared", "declared by the user", spread, name="PUE")


def _meanings(key: str) -> list[str]:
    """Return the codes that a name may mean: what it is read as, then regions it is short for."""
    short = (f"{country}/{key.upper()}" for country in ("USA", "CAN"))
    named = [*_index().get(key, ()), *ALSO_MEANT.get(key, ())]
    return [*named, *(code for code in short if code in _rows())]


def _unknown(name: str, key: str) -> str:
    if key in MANY_GRIDS.split("|"):
        return f"{name[:SHOWN_LETTERS]!r} is many grids: write a country, such as FRA (France)."
    index = _index()
    holding = (known for known in index if f" {key} " in f" {known} ")
    near = difflib.get_close_matches(key[:SHOWN_LETTERS], index, n=SUGGESTIONS, cutoff=0.8)
    codes = [*_meanings(key), *(index[known][0] for known in (*near, *holding))]
    likely = list(dict.fromkeys(codes))[:SUGGESTIONS]
    advice = f"did you mean {_listed(likely)}?" if likely else f"{WHAT_IS_ALLOWED}."
    return f"No table knows the place {name[:SHOWN_LETTERS]!r}: {advice}"


def _listed(codes: list[str]) -> str:
    return " or ".join(map(_shown, codes))


def _shown(code: str) -> str:
    return f"{code} ({_rows()[code]['name']})"


@cache
def _rows() -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for table in ("grid_world.csv", "grid_country.csv", "grid_region.csv"):
        with (DATA / table).open(encoding="utf-8", newline="") as lines:
            rows.update((row["code"], row) for row in csv.DictReader(lines))
    return rows


@cache
def _index() -> dict[str, list[str]]:
    """Return the codes that each key stands for, countries first."""
    index: dict[str, list[str]] = {}
    for code, row in _rows().items():
        for key in row["keys"].split("|"):
            index.setdefault(key, []).append(code)
    return index


@cache
def _newest_year() -> int:
    return max(int(row["year"]) for row in _rows().values())
