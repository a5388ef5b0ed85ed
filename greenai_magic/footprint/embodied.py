"""Embodied: what the making, transport and end of life of hardware adds to a run that used it a while."""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from numbers import Real
from pathlib import Path

from greenai_magic.arithmetic import product, quotient
from greenai_magic.errors import SettingError, UnitError
from greenai_magic.footprint.boundary import Stage
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.impacts import UNITS, Line
from greenai_magic.quantity import Quantity

LIFE_MONTHS = 72
"""Straight line over six years, nothing after (Microsoft's scope 3 method of 2021)."""
MONTH_S = 365.25 * 86400 / 12
P90 = 1.2815515655446004
"""A standard normal's 90th percentile."""
FREIGHT_G_PER_KG_KM = {"air": 2.11, "sea": 0.0131}
"""g CO2e per kg and km, from the GPU calculator of ADEME and Hubblo (2026)."""
MOST = 1e12
"""Pieces, months, kilograms or kilometres; larger numbers are typing errors."""
SHOWN_LETTERS = 60
DECLARED = "declared by the user"
DATA = Path(__file__).parent / "data"

SERVER_USE = 0.85
PERSONAL_USE = 0.2

ALWAYS = Quantity(1.0, "1", "declared", "used all the time, by this run alone", name="share")


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of equipment, what one piece of it costs to make, and how long it serves.

    Attributes
    ----------
    name : str
        For people: ``"laptop"``.
    impacts : mapping of (stage, criterion) to Quantity
        Of one piece over its life: ``("manufacture", "gwp")`` in g CO2e...; what is not there is not
        assessed.
    utilisation : Quantity
        The part of its life in which it is used at all, 0 to 1.
    lifetime : Quantity
        Seconds.
    count : float
        How many pieces.
    share : Quantity
        The part of a piece that the run had for itself, 0 to 1.
    age_months : float
        Since it was bought.
    """

    name: str
    impacts: Mapping[tuple[Stage, str], Quantity]
    utilisation: Quantity
    lifetime: Quantity
    count: float = 1.0
    share: Quantity = ALWAYS
    age_months: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.count < math.inf and 0 <= self.age_months < math.inf and self.lifetime.value):
            msg = f"{self.name}: the count, the lifetime and the age cannot be negative, nor the first two 0."
            raise SettingError(msg)
        for what, part in (("utilisation", self.utilisation), ("share", self.share)):
            if not 0 < part.value <= 1:
                msg = f"{self.name}: the {what} cannot be {part.value:g}: give a number above 0, at most 1."
                raise SettingError(msg)

    @property
    def label(self) -> str:
        """How many of what; a share of a piece is that part of one."""
        return f"{self.count * self.share.value:g} {self.name}"


def part(
    name: str,
    *,
    count: float = 1.0,
    share: float = 1.0,
    utilisation: float | None = None,
    life_months: float = LIFE_MONTHS,
    age_months: float = 0.0,
) -> Part:
    """Return equipment of the shipped tables.

    Parameters
    ----------
    name : str
        ``"laptop"``, ``"desktop"``, ``"monitor"``, ``"server"``, ``"gpu server"`` (for 8 cards, without
        them), ``"cpu"``, ``"memory"`` (32 GB), a GPU such as ``"A100 SXM"`` or ``"gpu"`` for any other.
    count : float
        How many.
    share : float
        The part of each that the run had for itself: 1/8 of a server for one of its eight GPUs.
    utilisation : float, optional
        The part of its life in which it is used; left out, 0.85 for servers and their parts and 0.2
        (working hours) for personal machines.
    life_months : float
        Its impacts are spread evenly over so many months, whenever it is scrapped.
    age_months : float
        Since it was bought; beyond its life there is nothing left to count.

    Raises
    ------
    SettingError
        If no table has the equipment, or a figure cannot be.
    """
    row = _row(name)
    use = _usual_use(personal=row["kind"] == "personal")
    if utilisation is not None:
        use = Quantity(_positive(utilisation, name), "1", "declared", DECLARED, name="utilisation")
    lifetime = Quantity(
        _positive(life_months, name) * MONTH_S,
        "s",
        "default" if life_months == LIFE_MONTHS else "declared",
        "six years, Microsoft 2021" if life_months == LIFE_MONTHS else DECLARED,
        {f"lifetime of {row['kind']} equipment": gsd("lifetime").log_sd},
        name="lifetime",
    )
    part_of_each = _positive(share, name)
    own = ALWAYS if part_of_each == 1 else replace(ALWAYS, value=part_of_each, source=DECLARED)
    pieces, age = _positive(count, name), _positive(age_months, name, or_zero=True)
    return Part(row["name"], _impacts(row), use, lifetime, pieces, own, age)


def part_like(name: str, *, count: float = 1.0) -> Part:
    """Return the card of the tables whose words are all in a device's name, or else one of another kind."""
    words = set(_key(name).replace("sxm4", "sxm").replace("sxm5", "sxm").split())
    fitting = [key for key, row in _table().items() if row["kind"] == "gpu" and set(key.split()) <= words]
    return part(max(fitting, key=len, default="gpu"), count=count)


def parts_named(text: str) -> tuple[Part, ...]:
    """Return the equipment that a text lists, as in ``"laptop + monitor"`` or ``"8 A100 SXM + gpu server"``.

    Raises
    ------
    SettingError
        As for :func:`part`.
    """
    found = []
    for item in text.split("+"):
        first, *rest = item.split(maxsplit=1)[:2] or [""]
        # A float, because thousands of digits make no int.
        counted = first.isdecimal() and rest
        found.append(part(rest[0], count=float(first)) if counted else part(item))
    return tuple(found)


def lines_of(parts: Iterable[Part], duration: Quantity) -> tuple[Line, ...]:
    """Return the share of a run in the making, transport and end of life of what it used.

    Impact x count x share x duration / (lifetime x utilisation), the straight line of Luccioni et al.
    2022 (arXiv:2211.02001) and of SCI (ISO/IEC 21031:2024). Older than its life, a piece counts 0: all of
    it was counted before.

    Parameters
    ----------
    parts : iterable of Part
        What was used.
    duration : Quantity
        Seconds for which it was used, each piece.

    Raises
    ------
    UnitError
        If the duration is not in seconds.
    """
    if duration.unit != "s":
        msg = f"Hardware is used for seconds, not for {duration.unit}."
        raise UnitError(msg)
    return tuple(
        Line("3", stage, criterion, _share_of(impact, piece, stage, duration), piece.label)
        for piece in parts
        for (stage, criterion), impact in piece.impacts.items()
    )


def freight(mass_kg: float, distance_km: float, mode: str) -> Quantity:
    """Return the CO2e in g of carrying one piece: mass x distance x factor of the mode.

    Parameters
    ----------
    mass_kg, distance_km : float
        Of the packed piece and its way.
    mode : str
        ``"air"`` or ``"sea"``.

    Raises
    ------
    SettingError
        If there is no such mode.
    """
    if mode not in FREIGHT_G_PER_KG_KM:
        msg = f"Freight goes by {' or '.join(FREIGHT_G_PER_KG_KM)}, not by {mode!r}."
        raise SettingError(msg)
    grams = _positive(mass_kg, "freight") * _positive(distance_km, "freight") * FREIGHT_G_PER_KG_KM[mode]
    source = "GPU calculator of ADEME and Hubblo, 2026"
    return Quantity(
        grams, "g CO2e", "modelled", source, {f"freight by {mode}": gsd("freight").log_sd}, name="transport"
    )


def with_transport(piece: Part, grams: Quantity) -> Part:
    """Return the equipment with the CO2e of its way here, in g a piece."""
    return replace(piece, impacts={**piece.impacts, ("transport", "gwp"): grams})


def _usual_use(*, personal: bool) -> Quantity:
    """Return the part of its life in which equipment is used, where nobody says."""
    if personal:
        error, what = gsd("use of personal machines"), "hours of personal use"
        return Quantity(PERSONAL_USE, "1", "default", error.basis, {what: error.log_sd}, name="utilisation")
    error, what = gsd("use of servers"), "use of the server"
    return Quantity(SERVER_USE, "1", "default", error.basis, {what: error.log_sd}, name="utilisation")


def _share_of(impact: Quantity, piece: Part, stage: str, duration: Quantity) -> Quantity:
    name = f"{stage} of {piece.label}"
    months = piece.lifetime.value / MONTH_S
    if piece.age_months >= months:
        source = f"older than {months:.0f} months: all of it was counted before"
        return Quantity(0.0, impact.unit, "declared", source, name=name)
    count = Quantity(piece.count, "1", "declared", name="count")
    used = product((impact, count, piece.share, duration), f"{impact.unit} s", name=f"{name} x time used")
    life = product((piece.lifetime, piece.utilisation), "s", name="time in use")
    return quotient(used, life, impact.unit, name=name)


def _impacts(row: Mapping[str, str]) -> dict[tuple[Stage, str], Quantity]:
    source, name = f"{row['source']}, {row['year']} ({row['licence']})", row["name"]
    found: dict[tuple[Stage, str], Quantity] = {
        ("manufacture", "gwp"): _figure(row, "manufacture", UNITS["gwp"], source)
    }
    if row["adpe_g"]:
        spread = {f"metals of {name}": gsd("embodied").log_sd}
        figure = Quantity(
            float(row["adpe_g"]), UNITS["adpe"], "default", source, spread, name=f"metals of {name}"
        )
        found["manufacture", "adpe"] = figure
    if row["mass_kg"]:
        found["end of life", "e-waste"] = _figure(row, "mass", UNITS["e-waste"], source)
    return found


def _figure(row: Mapping[str, str], column: str, unit: str, source: str) -> Quantity:
    """Return a cell of the table, in grams: between its 10th and 90th percentile, or of the given GSD."""
    what = f"{column} of {row['name']}"
    low, high = row[f"{column}_low_kg"], row[f"{column}_high_kg"]
    log_sd = math.log(float(high) / float(low)) / (2 * P90) if low else math.log(float(row["gsd"]))
    return Quantity(float(row[f"{column}_kg"]) * 1000, unit, "default", source, {what: log_sd}, name=what)


def _row(name: str) -> Mapping[str, str]:
    rows = _table()
    key = _key(name)
    if key not in rows:
        near = difflib.get_close_matches(key[:SHOWN_LETTERS], rows, n=3, cutoff=0.6)
        advice = f"did you mean {' or '.join(near)}?" if near else f"write one of {', '.join(rows)}."
        msg = f"No table knows the equipment {name.strip()[:SHOWN_LETTERS]!r}: {advice}"
        raise SettingError(msg)
    return rows[key]


def _key(name: str) -> str:
    return " ".join(name.casefold().replace("nvidia", "").replace("-", " ").split())


@cache
def _table() -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for table in ("embodied.csv", "embodied_gpu.csv"):
        with (DATA / table).open(encoding="utf-8", newline="") as lines:
            rows.update((row["key"], row) for row in csv.DictReader(lines))
    return rows


def _positive(number: float, what: str, *, or_zero: bool = False) -> float:
    known = type(number) is not bool and isinstance(number, Real)
    if not known or not 0 <= number <= MOST or (number == 0 and not or_zero):
        shown = repr(number)[:SHOWN_LETTERS]
        msg = f"{what[:SHOWN_LETTERS]}: {shown} cannot be: give a number above 0{' or 0' if or_zero else ''}."
        raise SettingError(msg)
    return float(number)
