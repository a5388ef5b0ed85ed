"""Who publishes the live intensity of which grid, how each is asked, and what its answers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Reading:
    """What a provider says of a grid.

    Attributes
    ----------
    g_per_kwh : float
        In g CO2e/kWh, as the provider has it.
    when : datetime
        With its zone.
    kind : str
        ``"actual"``, ``"forecast"`` or ``"estimated"``.
    life_cycle : bool
        Whether it counts the making of fuels and power stations too.
    """

    g_per_kwh: float
    when: datetime
    kind: str = "actual"
    life_cycle: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """A public service that is asked over HTTP.

    Attributes
    ----------
    name : str
        For people.
    base_url : str
        Scheme and host.
    path, marginal_path : str
        Of the average and of the marginal intensity; ``""`` where it has none.
    params : mapping of str to str
        Of the query, without the zone.
    read : callable
        From the JSON to a reading; raises LookupError, TypeError, ValueError, AttributeError or
        OverflowError where the JSON has another shape.
    country : str
        Of the only grid it knows; ``""`` where it knows many and is told a zone and a token.
    """

    name: str
    base_url: str
    path: str
    read: Callable[[Any], Reading]
    params: Mapping[str, str]
    country: str = ""
    marginal_path: str = ""


def _read_rte(answer: Any) -> Reading:
    newest = answer["results"][0]
    return Reading(_number(newest["taux_co2"]), _time(newest["date_heure"]))


def _read_uk(answer: Any) -> Reading:
    newest = answer["data"][0]
    intensity, when = newest["intensity"], _time(newest["from"])
    # The half hour that runs has a forecast only.
    if intensity["actual"] is None:
        return Reading(_number(intensity["forecast"]), when, "forecast")
    return Reading(_number(intensity["actual"]), when)


def _read_electricity_maps(answer: Any) -> Reading:
    kind = "estimated" if answer.get("isEstimated") else "actual"
    name = "marginalCarbonIntensity" if "marginalCarbonIntensity" in answer else "carbonIntensity"
    life_cycle = answer.get("emissionFactorType") == "lifecycle"
    return Reading(_number(answer[name]), _time(answer["datetime"]), kind, life_cycle)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(value)
    return float(value)


def _time(text: str) -> datetime:
    when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if when.tzinfo is None:
        raise ValueError(text)
    return when


PROVIDERS = {
    "rte": Provider(
        "RTE éCO2mix (ODRÉ)",
        "https://odre.opendatasoft.com",
        "/api/explore/v2.1/catalog/datasets/eco2mix-national-tr/records",
        _read_rte,
        {
            "select": "date_heure,taux_co2",
            "where": "taux_co2 is not null",
            "order_by": "date_heure desc",
            "limit": "1",
        },
        country="FRA",
    ),
    "uk": Provider(
        "Carbon Intensity API (NESO)",
        "https://api.carbonintensity.org.uk",
        "/intensity",
        _read_uk,
        {},
        country="GBR",
    ),
    "electricitymaps": Provider(
        "Electricity Maps",
        "https://api.electricitymaps.com",
        "/v3/carbon-intensity/latest",
        _read_electricity_maps,
        {},
        marginal_path="/v3/marginal-carbon-intensity/latest",
    ),
}
