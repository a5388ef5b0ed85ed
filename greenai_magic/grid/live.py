"""A place with the intensity that its grid has now."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from greenai_magic.errors import SettingError
from greenai_magic.footprint.declared import G_PER_KWH, MOST_G_PER_KWH
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.place import Place, find_place
from greenai_magic.footprint.place_names import country_of, grid_of, grids
from greenai_magic.grid.client import NoAnswer, forget, get_json
from greenai_magic.grid.providers import PROVIDERS, Provider, Reading
from greenai_magic.quantity import Quantity

OLDEST = timedelta(hours=24)
"""A reading further from now than this is not live."""
MARGINAL = 'marginal: only for "what if I shift this job", not for accounts'


def live_place(
    place: str | Place | None,
    *,
    provider: str,
    token: str | None = None,
    marginal: bool = False,
    zone: str | None = None,
    base_url: str | None = None,
) -> Place:
    """Return a place with the intensity that its grid has now, or as it is where nobody can tell.

    A provider that does not answer, or nonsense, leaves the place's yearly factor, and its hint says
    why. The token is in no message and no source.

    Parameters
    ----------
    place : str or Place
        As ``find_place`` takes it, or one that it gave.
    provider : str
        ``"rte"`` (France), ``"uk"`` (Great Britain) or ``"electricitymaps"`` (a token's zones).
    token : str, optional
        Of Electricity Maps.
    marginal : bool
        Whether to ask what one more kWh emits. For "what if I shift this job", not for accounts.
    zone : str, optional
        Of Electricity Maps, where it is not the country's or the province's: ``"US-CAL-CISO"``.
    base_url : str, optional
        Another address of the provider, such as a mirror.

    Raises
    ------
    SettingError
        If there is no such provider, or it has no marginal intensity.
    MissingExtra
        If the packages of the extra ``live`` are not installed.
    """
    if provider not in PROVIDERS:
        msg = f"No provider of live intensity is called {provider!r}: choose {', '.join(PROVIDERS)}."
        raise SettingError(msg)
    asked = PROVIDERS[provider]
    if marginal and not asked.marginal_path:
        msg = f"{asked.name} has no marginal intensity: ask electricitymaps."
        raise SettingError(msg)
    yearly = place if isinstance(place, Place) else find_place(place)
    try:
        params, headers = _question(asked, yearly, token, zone)
        path = asked.marginal_path if marginal else asked.path
        answer = get_json((base_url or asked.base_url).rstrip("/") + path, params, headers)
        reading = _checked(asked, answer)
    except NoAnswer as error:
        reason = f"The yearly factor is used: {asked.name} {error}."
        return replace(yearly, hint=" ".join(filter(None, (reason, yearly.hint))))
    return _at(yearly, asked.name, reading, marginal=marginal)


def _at(yearly: Place, name: str, reading: Reading, *, marginal: bool) -> Place:
    """Return the place with the intensity of a checked reading."""
    basis = "life-cycle" if reading.life_cycle else "operational"
    source = f"{name}, {_shown(reading.when)}, {reading.kind}, {basis}"
    cause, hint = f"grid intensity {grid_of(yearly.code)}", yearly.hint
    if marginal:
        cause, source = f"marginal {cause}", f"{source}, {MARGINAL}"
        hint = " ".join(filter(None, (f"The intensity is {MARGINAL}.", hint)))
    spread = {cause: gsd("grid yearly").log_sd}
    return replace(
        yearly,
        grid_intensity=Quantity(
            reading.g_per_kwh, G_PER_KWH, "declared", source, spread, name="grid intensity"
        ),
        hint=hint,
        life_cycle=reading.life_cycle,
        vintage=reading.when.year,
        marginal=marginal,
    )


def _question(
    asked: Provider, place: Place, token: str | None, zone: str | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the parameters and the headers of the question about a place."""
    country = country_of(place.code)
    if asked.country:
        if country != asked.country:
            msg = f"knows {grids()[asked.country]['name']} only, not {place.name}"
            raise NoAnswer(msg)
        return dict(asked.params), {}
    if not token:
        msg = "needs a token, which its site gives"
        raise NoAnswer(msg)
    zone = zone or _zone(place.code, country)
    if not zone:
        msg = f"needs the zone of {place.name}, such as US-CAL-CISO"
        raise NoAnswer(msg)
    return {"zone": zone, **asked.params}, {"auth-token": token}


def _zone(code: str, country: str) -> str:
    """Return the zone of Electricity Maps: a country's or a Canadian province's ISO code, else none."""
    grid = grid_of(code)
    if grid.startswith("CAN/"):
        return grid.replace("CAN/", "CA-")
    if country == "USA" and grid != country:
        return ""
    return grids().get(country, {}).get("iso2", "")


def _checked(asked: Provider, answer: object) -> Reading:
    """Return what an answer says; forget one that says nothing, so that it is asked again."""
    try:
        reading = asked.read(answer)
        wrong = _what_is_wrong(reading)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        wrong = "answered JSON of another shape"
    if wrong:
        forget()
        raise NoAnswer(wrong)
    return reading


def _what_is_wrong(reading: Reading) -> str:
    if not 0 < reading.g_per_kwh <= MOST_G_PER_KWH:
        return f"answered no intensity between 0 and {MOST_G_PER_KWH:g} g/kWh"
    if abs(datetime.now(timezone.utc) - reading.when) > OLDEST:
        return f"has nothing newer than {_shown(reading.when)}"
    return ""


def _shown(when: datetime) -> str:
    return f"{when.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
