"""What is not assessed, by name, so that nobody reads it as zero."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from greenai_magic.footprint.boundary import Boundary
from greenai_magic.footprint.place import Place

FUEL = "scope 1: fuel of back-up generators, refrigerant leaks"
MARKET = "scope 2 market-based: contracts and guarantees of origin"
MAKING = "scope 3: making, transport and end of life of the hardware"
PARTS_OF_LIFE = "scope 3: {} of the hardware"
ELSEWHERE: Mapping[str, str] = {
    "networks": "networks",
    "software and services": "storage elsewhere",
    "terminals": "screens and other terminals",
}
"""What else a run uses, by the equipment of ``boundary.EQUIPMENT`` that would cover it."""
ALWAYS_ELSEWHERE = ("staff", "buildings")
UNMETERED = "screens, disks and, where a counter measures, power supplies, fans and main board"
UPSTREAM = "scope 3: making of the fuels and of the power stations, losses of the grid"
"""Left out where a place's factor is operational and not of the whole life cycle."""
WATER_ON_SITE = "water on site"
WATER = "water off site, at the power stations"
ADPE = "abiotic resources (metals and minerals)"
ADPF = "fossil resources"
OTHERS = "ecotoxicity, particulates, ionising radiation"
E_WASTE = "electronic waste"


def unassessed(place: Place, boundary: Boundary) -> Iterator[str]:
    """Name what a footprint of electricity in a place, with this boundary, does not assess.

    Parameters
    ----------
    place : Place
        Whose factors were used.
    boundary : Boundary
        With the cells of every line.
    """

    def lacks(scope: str, stage: str, criterion: str = "gwp") -> bool:
        return boundary.state(scope, stage, criterion) == "not assessed"

    life = [stage for stage in ("manufacture", "transport", "end of life") if lacks("3", stage)]
    making = MAKING if len(life) > 2 else ""
    elsewhere = [text for equipment, text in ELSEWHERE.items() if equipment not in boundary.covers]
    # Where nothing of the making is assessed, ``making`` says it of every criterion.
    others = (("water", "water"), ("adpf", ADPF)) if "manufacture" not in life else ()
    named: list[tuple[bool, str]] = [
        (not place.life_cycle, UPSTREAM),
        (lacks("1", "use"), FUEL),
        (place.market_intensity is None, MARKET),
        (bool(life), making or PARTS_OF_LIFE.format(" and ".join(life))),
        (True, f"scope 3: {', '.join((*elsewhere, *ALWAYS_ELSEWHERE))}"),
        (True, UNMETERED),
        (lacks("1", "use", "water"), WATER_ON_SITE),
        (lacks("2", "use", "water"), WATER),
        (lacks("2", "use", "adpe"), ADPE),
        (lacks("2", "use", "adpf"), ADPF),
        *(
            (
                not lacks("2", "use", criterion) and lacks("3", "manufacture", criterion),
                f"{text} of the hardware",
            )
            for criterion, text in (("adpe", ADPE), *others)
        ),
        (True, OTHERS),
        (lacks("3", "end of life", "e-waste"), E_WASTE),
    ]
    return (text for left_out, text in named if left_out)
