"""Who publishes the live intensity of which grid, how each is asked, and what its answers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reading:
    """What a provider says of a grid.

    Attributes
    ----------
    g_per_kwh : object
        As in the answer, not yet checked: a number of g CO2e/kWh where all is well.
    when : object
        As in the answer: an ISO time with its zone.
    kind : str
        ``"actual"``, ``"forecast"`` or ``"estimated"``.
    life_cycle : bool
        Whether it counts the making of fuels and power stations too.
    """

    g_per_kwh: object
    when: object
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
        From the JSON to a reading; raises LookupError or TypeError where the JSON has another shape.
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
    return Reading(newest["taux_co2"], newest["date_heure"])


def _read_uk(answer: Any) -> Reading:
    newest = answer["data"][0]
    intensity = newest["intensity"]
    # The half hour that runs has a forecast only.
    if intensity.get("actual") is None:
        return Reading(intensity["forecast"], newest["from"], "forecast")
    return Reading(intensity["actual"], newest["from"])


def _read_electricity_maps(answer: Any) -> Reading:
    kind = "estimated" if answer.get("isEstimated") else "actual"
    value = (
        answer["marginalCarbonIntensity"]
        if "marginalCarbonIntensity" in answer
        else answer["carbonIntensity"]
    )
    return Reading(value, answer["datetime"], kind, answer.get("emissionFactorType") == "lifecycle")


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
