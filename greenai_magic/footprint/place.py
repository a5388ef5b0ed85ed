"""Where the electricity comes from: its factors and the building around the devices, each sourced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from datetime import date
from typing import Any

from greenai_magic.errors import PlaceError
from greenai_magic.footprint.declared import (
    EWIF_MAX,
    PUE_MAX,
    WUE_MAX,
    Figure,
    checked_pue,
    declared_grid_intensity,
    declared_litres,
    declared_market_intensity,
    declared_pue,
)
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.place_figures import (
    adpe,
    adpf,
    data_centre_pue,
    desk_pue,
    ewif_of_any,
    grid_intensity,
    published,
)
from greenai_magic.footprint.place_names import (
    DATA,
    SHOWN_LETTERS,
    WORLD,
    codes_of,
    country_of,
    grid_of,
    grids,
    listed,
    place_key,
    place_row,
    places_beginning,
    shown,
    unknown_place,
)
from greenai_magic.quantity import Quantity

__all__ = [
    "DATA",
    "PUE_MAX",
    "WORLD",
    "Figure",
    "Place",
    "checked_pue",
    "data_centre_pue",
    "find_place",
    "known_place",
    "old_factor_note",
    "place_key",
    "places_beginning",
]

DECLARED = "declared"
"""Code of a place of which nothing but its grid's factor is known."""

OLD_YEARS = 2
"""A factor is old when its year ended longer ago than this."""

SET_A_PLACE = (
    'No place is set, so a world average is used: set yours with %config GreenAI.country = "FRA", '
    'the environment variable GREENAI_COUNTRY or measure(place="FRA").'
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the electricity comes from, and the building that it feeds.

    Attributes
    ----------
    code : str
        ``"FRA"``, ``"USA/CA"``, ``"CAN/QC"``, ``"aws/eu-west-3"``, ``"world"`` or ``"declared"``.
    name : str
        For people: ``"France"``.
    grid_intensity : Quantity
        In g CO2e/kWh, location-based.
    pue : Quantity
        Energy of the building over energy of the devices, unit ``"1"``.
    hint : str
        One sentence where the place is not what the user may believe; ``""`` otherwise.
    life_cycle : bool
        Whether the grid intensity counts the making of fuels and power stations too.
    wue : Quantity, optional
        Water that the building uses, in L per kWh of the devices; None where it is not assessed or,
        outside a data centre, not relevant.
    ewif : Quantity, optional
        Water that the power stations use, in L/kWh.
    adpe : Quantity, optional
        Abiotic depletion of minerals and metals by the electricity, in g Sb eq/kWh.
    adpf : Quantity, optional
        Abiotic depletion of fossil resources by the electricity, in MJ/kWh. Not its primary energy.
    market_intensity : Quantity, optional
        Market-based factor of the user's contract, in g CO2e/kWh; None where nobody declared one.
    data_centre : bool
        Whether the building is a data centre, and not a desk.
    vintage : int, optional
        Year of the grid intensity; None where it is not known.
    marginal : bool
        Whether the grid intensity is that of one more kWh: for "what if I shift this job" only.
    """

    code: str
    name: str
    grid_intensity: Quantity
    pue: Quantity
    hint: str = ""
    life_cycle: bool = True
    wue: Quantity | None = None
    ewif: Quantity | None = None
    adpe: Quantity | None = None
    adpf: Quantity | None = None
    market_intensity: Quantity | None = None
    data_centre: bool = False
    vintage: int | None = None
    marginal: bool = False

    def __new__(cls, *_: Any, **__: Any) -> Place:
        """Return a place of which every field that has a default has it."""
        # A pickle made before a field existed sets fewer, and no __init__ runs.
        place = object.__new__(cls)
        for field in fields(cls):
            if field.default is not MISSING:
                object.__setattr__(place, field.name, field.default)
        return place

    def to_dict(self) -> dict[str, Any]:
        """Return plain types that JSON can hold, nothing lost."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: part.to_dict() if isinstance(part, Quantity) else part for name, part in parts.items()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Place:
        """Return the place that ``to_dict`` described, with or without the fields of later versions."""
        parts: dict[str, Any] = {
            field.name: Quantity.from_dict(plain[field.name])
            if isinstance(plain[field.name], Mapping)
            else plain[field.name]
            for field in fields(cls)
            if field.name in plain
        }
        return cls(**parts)


def find_place(
    name: str | None = None,
    *,
    pue: Figure | None = None,
    wue_l_per_kwh: Figure | None = None,
    ewif_l_per_kwh: Figure | None = None,
    grid_intensity_g_per_kwh: Figure | None = None,
    market_intensity_g_per_kwh: Figure | None = None,
) -> Place:
    """Return the place of this name, or a world average whose hint says what to do.

    Never a guess: a name that no table knows gives the world average and the names close to it; a
    declared grid intensity takes the world average's place.

    Parameters
    ----------
    name : str, optional
        As for :func:`known_place`; no place at all when left out or blank.
    pue, wue_l_per_kwh, ewif_l_per_kwh, grid_intensity_g_per_kwh, market_intensity_g_per_kwh : optional
        As for :func:`known_place`.

    Raises
    ------
    SettingError
        If a declared figure cannot be one.
    """
    hint = ""
    if name is not None and name.strip():
        try:
            place = _tabled(name)
        except PlaceError as error:
            factor = "world average" if grid_intensity_g_per_kwh is None else "declared factor"
            place, hint = _tabled(WORLD), f"A {factor} is used: {error}"
    else:
        place, hint = _tabled(WORLD), SET_A_PLACE if grid_intensity_g_per_kwh is None else ""
    if place.code == WORLD and grid_intensity_g_per_kwh is not None:
        place = replace(place, code=DECLARED, name="declared factor")
    return _with(
        replace(place, hint=hint or place.hint),
        pue=pue,
        wue=wue_l_per_kwh,
        ewif=ewif_l_per_kwh,
        grid=grid_intensity_g_per_kwh,
        market=market_intensity_g_per_kwh,
    )


def known_place(
    name: str,
    *,
    pue: Figure | None = None,
    wue_l_per_kwh: Figure | None = None,
    ewif_l_per_kwh: Figure | None = None,
    grid_intensity_g_per_kwh: Figure | None = None,
    market_intensity_g_per_kwh: Figure | None = None,
) -> Place:
    """Return the place of this name, its figures replaced by those that are declared.

    Parameters
    ----------
    name : str
        A country by ISO code or name, a state of the USA or a province of Canada by ``"USA/CA"``,
        ``"US-CA"`` or name, a region of AWS, Azure, Google Cloud, OVHcloud or Scaleway by
        ``"aws/eu-west-3"``, or ``"world"``. Case, accents and punctuation do not matter. A name that
        two places share is the country's.
    pue : float or Quantity, optional
        Energy of the building over energy of the devices. Left out, it is 1 (a laptop or a desk
        machine), and the provider's for its regions.
    wue_l_per_kwh : float or Quantity, optional
        Water that the building uses, per kWh of the devices.
    ewif_l_per_kwh : float or Quantity, optional
        Water that the power stations use, per kWh of electricity.
    grid_intensity_g_per_kwh : float or Quantity, optional
        Location-based factor instead of the table's, in g CO2e/kWh.
    market_intensity_g_per_kwh : float or Quantity, optional
        Market-based factor of the user's contract, in g CO2e/kWh; may be 0.

    Raises
    ------
    PlaceError
        If no table knows the name; the message has the closest names that one does.
    SettingError
        If a declared figure cannot be one: a PUE outside 1 to 5, a grid intensity of 0.
    """
    return _with(
        _tabled(name),
        pue=pue,
        wue=wue_l_per_kwh,
        ewif=ewif_l_per_kwh,
        grid=grid_intensity_g_per_kwh,
        market=market_intensity_g_per_kwh,
    )


def old_factor_note(place: Place, today: date) -> str:
    """Return a sentence where the year of the grid factor ended more than two years ago, else ``""``."""
    if place.vintage is None or today.year - place.vintage <= OLD_YEARS:
        return ""
    return (
        f"The grid factor of {place.name} is of {place.vintage}: grids change by a few percent a year, "
        "so update the package or declare a newer factor."
    )


def _with(
    place: Place,
    *,
    pue: Figure | None,
    wue: Figure | None,
    ewif: Figure | None,
    grid: Figure | None,
    market: Figure | None,
) -> Place:
    """Return the place with the figures that somebody declared."""
    code, changed = place.code, dict[str, Any]()
    if pue is not None:
        changed["pue"] = declared_pue(pue, code, gsd=gsd("pue given").factor)
        changed["data_centre"] = place.data_centre or changed["pue"].value > 1
    if wue is not None:
        changed["wue"] = declared_litres(wue, code, name="WUE", most=WUE_MAX, gsd=gsd("wue").factor)
        changed["data_centre"] = True
        if pue is None and not place.data_centre:
            changed["pue"] = data_centre_pue()
    if ewif is not None:
        changed["ewif"] = declared_litres(ewif, code, name="EWIF", most=EWIF_MAX, gsd=gsd("ewif").factor)
    if grid is not None:
        intensity = declared_grid_intensity(grid, code, gsd=gsd("grid yearly").factor)
        # Nobody said of which year it is, nor what it counts.
        changed |= {"grid_intensity": intensity, "vintage": None, "life_cycle": False}
    if market is not None:
        changed["market_intensity"] = declared_market_intensity(market, code, gsd=gsd("grid yearly").factor)
    return replace(place, **changed) if changed else place


def _tabled(name: str) -> Place:
    """Return the place of this name as the tables have it."""
    codes = codes_of(name)
    if not codes:
        raise PlaceError(unknown_place(name))
    code, *others = codes
    hint = (
        f"{name[:SHOWN_LETTERS]!r} is read as {shown(code)}; write {listed(others)} for the other."
        if others
        else ""
    )
    row = grids()[grid_of(code)]
    country = country_of(code)
    pue = published(code, "pue")
    return Place(
        code,
        place_row(code)["name"],
        grid_intensity(row, code),
        pue or desk_pue(),
        hint,
        row["basis"].startswith("life-cycle"),
        wue=published(code, "wue"),
        ewif=ewif_of_any(country),
        adpe=adpe(country),
        adpf=adpf(country),
        data_centre=pue is not None,
        vintage=int(row["year"]),
    )
