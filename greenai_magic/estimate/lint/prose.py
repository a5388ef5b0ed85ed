"""The claims that passages of a text make, and whether they close in any reading of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from greenai_magic.estimate.lint.claim import TOLERANCE, Claim, Finding, check
from greenai_magic.estimate.lint.figures import Figure, watts_of
from greenai_magic.estimate.lint.region import known_region
from greenai_magic.estimate.lint.text import Passage, Section, distinct, joined

SHOWN_LETTERS = 200

_ROUNDING_OF_FACTORS = 0.02
_LARGEST_TOLERANCE = 0.5
_POWER_OF_ALL = 2.0
"""A power so many times the rating of one device is that of all of them."""


def shortened(text: str) -> str:
    """Return a text as a finding quotes it."""
    plain = " ".join(text.split())
    return plain if len(plain) <= SHOWN_LETTERS else f"{plain[:SHOWN_LETTERS]}…"


def check_prose(sections: Sequence[Section]) -> Iterator[Finding]:
    """Yield what does not follow in the claims of a text, from the shortest passages that make one."""
    document = joined([section.whole() for section in sections])
    # By identity: equal figures on one line are two.
    used: set[int] = set()
    levels: list[list[tuple[Passage, ...]]] = [[], [], [], [(document,)]]
    for section in sections:
        whole = section.whole()
        levels[2].append((whole, document))
        for block in section.blocks:
            around = (block.whole(), whole, document)
            levels[1].append(around)
            levels[0] += [(sentence, *around) for sentence in block.sentences]
    for level, passages in enumerate(levels):
        for scopes in passages:
            yield from _check_passage(scopes, used, alone=level == 0)


def _check_passage(scopes: tuple[Passage, ...], used: set[int], *, alone: bool) -> Iterator[Finding]:
    passage = scopes[0]
    figures = [figure for figure in passage.of("co2e") if figure.value > 0]
    fresh = [figure for figure in figures if id(figure) not in used]
    if figures and not fresh:
        return
    co2e = distinct(fresh)
    energies = passage.apart.get("energy", [])
    if alone and len(co2e) == len(energies) > 1:
        for one, other in zip(co2e, energies, strict=True):
            used.add(id(one))
            yield from read_all(scopes, one, other)
        return
    if len(co2e) > 1 or len(energies) > 1 or not (energies or _unique("hours", scopes[:1])):
        return
    mass = co2e[0] if co2e else None
    energy = energies[0] if energies else None
    if mass is None and (energy is None or id(energy) in used or not passage.of("hours")):
        return
    used.update(map(id, (*fresh, *passage.of("energy"))))
    yield from read_all(scopes, mass, energy)


def read_all(scopes: tuple[Passage, ...], mass: Figure | None, energy: Figure | None) -> Iterator[Finding]:
    """Yield what does not follow in a claim: it closes in no reading, or only in one that misleads.

    Parameters
    ----------
    scopes : tuple of Passage
        The passage that makes the claim, then those around it, which say what it leaves out.
    mass, energy : Figure or None
        Its CO2e and its energy.
    """
    readings = list(_readings(scopes, mass, energy))
    found = [check(claim) for claim in readings]
    at = mass or energy
    if not found or at is None:
        return
    quote, line = shortened(scopes[0].text), at.line
    many = max((claim.count or 1 for claim in readings), default=1)
    closing = next((claim for claim, wrong in zip(readings, found, strict=True) if not wrong), None)
    if closing is None:
        yield from (replace(finding, quote=quote, line=line) for finding in found[0])
    elif many > 1 and (closing.count or 1) == 1:
        yield Finding(
            "device-count",
            f"The figures close only with 1 device, and the claim names {many:g}: if each ran "
            f"{closing.hours:,.9g} h, "
            f"the footprint is {many:g} times larger.",
            f"Say that the hours are device-hours, or multiply by {many:g}.",
            quote,
            line,
        )


def _readings(scopes: tuple[Passage, ...], mass: Figure | None, energy: Figure | None) -> Iterator[Claim]:
    hours, power, pue, grid = (_unique(kind, scopes) for kind in ("hours", "power", "pue", "grid"))
    device = _unique_device(scopes)
    rated = watts_of(device.name) if device else ()
    watts: tuple[float | None, ...] = (power.value,) if power else rated or (None,)
    count = _count(scopes, device)
    if power and rated and power.value >= _POWER_OF_ALL * max(rated):
        count = 1.0
    together = hours is None or hours.all_devices
    counts = (1.0,) if together or count <= 1 else (count, 1.0)
    if energy is not None and together:
        counts = (1.0,)
    errors = [
        figure.error for figure in (mass, energy, hours if energy is None else None, power, grid) if figure
    ]
    for number, watt in product(counts, watts):
        yield Claim(
            energy.value if energy else None,
            mass.value if mass else None,
            hours.value if hours else None,
            watt,
            number,
            pue.value if pue else None,
            grid.value if grid and grid.value else None,
            _region(scopes),
            rated=power is None or power.name == "rated",
            unstated_pue=pue is None and any(scope.of("unstated pue") for scope in scopes),
            tolerance=tolerance(errors),
        )


def tolerance(errors: Iterable[float]) -> float:
    """Return by which part figures may differ that are printed with these rounding errors."""
    return min(_LARGEST_TOLERANCE, max(TOLERANCE, _ROUNDING_OF_FACTORS + sum(errors)))


def _unique(kind: str, scopes: Sequence[Passage]) -> Figure | None:
    """Return the one figure of a kind in the nearest scope that has any; None where it has several."""
    for scope in scopes:
        found = scope.apart.get(kind, [])
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _unique_device(scopes: Sequence[Passage]) -> Figure | None:
    for scope in scopes:
        found = scope.apart.get("device", [])
        if found:
            same = len({figure.name for figure in found}) == 1
            return max(found, key=lambda figure: figure.value) if same else None
    return None


def _count(scopes: Sequence[Passage], device: Figure | None) -> float:
    if device is not None and device.value:
        return device.value
    found = _unique("count", scopes)
    return found.value if found else 1.0


def _region(scopes: Sequence[Passage]) -> str | None:
    """Return the region that the nearest scope names, with its provider."""
    for scope in scopes:
        names = [figure.name for figure in scope.apart.get("region", [])]
        if len(names) > 1:
            return None
        if names:
            providers = [f.name for s in scopes for f in s.apart.get("provider", [])]
            both = f"{providers[0]} {names[0]}" if providers else names[0]
            return both if known_region(both) else names[0]
    return None
