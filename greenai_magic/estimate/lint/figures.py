"""The figures that a line of text states: energy, CO2e, hours, power, PUE, grid intensity, devices, regions.

Every expression here repeats a bounded number of times, so a text takes time in proportion to its length.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from greenai_magic.errors import DeviceError
from greenai_magic.estimate.hardware import DATA, LONGEST_NAME, find_device

_MASS_KG = {
    **dict.fromkeys(("kg", "kilogram", "kilograms", "kilos", "kilogrammes"), 1.0),
    **dict.fromkeys(("g", "gram", "grams", "grammes", "gramme"), 1e-3),
    **dict.fromkeys(("mg", "milligrams"), 1e-6),
    **dict.fromkeys(
        ("t", "ton", "tons", "tonne", "tonnes", "metric ton", "metric tons", "metric tonnes"), 1e3
    ),
    **dict.fromkeys(("kt", "kilotons", "kilotonnes"), 1e6),
    **dict.fromkeys(("mt", "megatons", "megatonnes"), 1e9),
    **dict.fromkeys(("lb", "lbs", "pound", "pounds"), 0.45359237),
}
_ENERGY_KWH = {
    **dict.fromkeys(("wh", "watt-hours", "watt hours"), 1e-3),
    **dict.fromkeys(("kwh", "kilowatt-hours", "kilowatt hours", "kw h", "kw·h"), 1.0),
    **dict.fromkeys(("mwh", "megawatt-hours", "megawatt hours"), 1e3),
    **dict.fromkeys(("gwh", "gigawatt-hours", "gigawatt hours"), 1e6),
    **dict.fromkeys(("twh",), 1e9),
    **dict.fromkeys(("mj",), 1 / 3.6),
    **dict.fromkeys(("gj",), 1e3 / 3.6),
}
_POWER_W = {"w": 1.0, "watt": 1.0, "watts": 1.0, "kw": 1e3, "kilowatts": 1e3, "mw": 1e6}
_TIME_H = {
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "heure", "heures"), 1.0),
    **dict.fromkeys(("day", "days", "jour", "jours"), 24.0),
    **dict.fromkeys(("week", "weeks", "semaines"), 168.0),
    **dict.fromkeys(("minute", "minutes", "min", "mins"), 1 / 60),
}
_MANY = {"k": 1e3, "thousand": 1e3, "mille": 1e3, "m": 1e6, "million": 1e6, "millions": 1e6, "billion": 1e9}


def _any(names: object) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))  # type: ignore[call-overload]


_NUMBER = (
    r"(?<![\w.,])(?<!\w-)(?P<number>\d{1,3}(?:[, \u00a0\u202f']\d{3}){1,5}(?:\.\d{1,12})?(?!\d)"
    r"|\d{1,15}(?:[.,]\d{1,18})?"
    r"(?:[eE][+-]?\d{1,2})?)(?:[ -]?(?P<many>k|K|M|thousand|million|millions|billion|mille)(?![A-Za-z]))?"
)
_SPACE = r"[ \u00a0\u202f\t]{0,3}-?"
_MASS = rf"(?P<mass>(?i:{_any(_MASS_KG)}))"
_OF_CO2 = rf"(?P<co2>{_SPACE}\.?(?:of |de |eq\.? ?|éq\.? ?)?(?:CO|carbon|d'équ)[^\s|/,;()]{{0,20}})?"
_PER = r"(?:\s?/\s?|\s?per\s|\s?par\s)(?P<per>(?i:kWh|MWh|kilowatt-hour|kilowatt hour))"

_FACTOR = re.compile(rf"{_NUMBER}{_SPACE}{_MASS}{_OF_CO2}{_PER}\b")
_WEIGHT = re.compile(rf"{_NUMBER}{_SPACE}{_MASS}(?=\b|CO|eq)(?!\s?/){_OF_CO2}")
_ENERGY = re.compile(rf"{_NUMBER}{_SPACE}(?P<unit>(?i:{_any(_ENERGY_KWH)}))\b(?!\s?/)")
_POWER = re.compile(rf"{_NUMBER}{_SPACE}(?P<unit>(?i:{_any(_POWER_W)}))\b(?!\s?/)")
_TIME = re.compile(
    rf"{_NUMBER}[ \u00a0-]{{0,2}}(?P<of>(?:(?:[A-Za-z][A-Za-z0-9]{{0,11}}|\d{{1,3}}GB)[ "
    rf"-]){{0,4}}?)(?P<unit>(?i:{_any(_TIME_H)}))\b(?!\s?/)"
)
_PUE = re.compile(r"\bPUE\b[^\d\n|;.]{0,24}(?P<number>\d(?:[.,]\d{1,4})?)(?![\d.,]?\d)")
_DEVICE_TIME = re.compile(
    r"\b(?:[gtc]pu|xpu|device|chip|card|core|accelerator|node|[a-z]{1,2}\d{1,4}\w{0,2})s?\b", re.IGNORECASE
)
_PLAIN_TIME = re.compile(
    r"(?:(?:of|total|compute|training|wall|clock|heures|wall-clock)[ -]){0,4}", re.IGNORECASE
)
_CARBON = re.compile(
    r"carbon|co\s?[2₂]|emission|émission|emit|émet|ghg|greenhouse|footprint|empreinte|climat", re.IGNORECASE
)
_DEVICE = re.compile(
    r"(?<![\w.])(?:(?P<count>\d{1,3}(?:,\d{3})+|\d{1,6})\s{0,2}(?:[x×*]\s{0,2}|\s|\)\s?))?"
    r"(?P<name>(?:(?:NVIDIA|Nvidia|AMD|Google|Tesla|GeForce|Quadro|Instinct|Cloud)[ -]){0,3}"
    r"(?:(?:RTX|GTX|TITAN|Titan)[ -]?\w{1,6}(?: ?(?:Ti|Super|SUPER))?|TPU[ -]?v\d[a-z]{0,7}"
    r"|TPUv\d[a-z]?|v[2-6][ep]?(?=-\d)"
    r"|GB?[HB]\d{3}|[ABHLPTVKM]\d{1,4}[A-Z]?|MI\d{3}[XxAa]?))"
    r"(?P<cores>-\d{1,5}(?![\dG]))?(?:s\b|(?![\w]))(?P<form>(?:[ -]{1,2}(?:PCI[eE]|SXM\d?|NVL|\d{1,3} "
    r"?G[Bi]{0,2}B?|[Cc]hip)\b){0,3})"
)
_SOME_DEVICES = re.compile(
    r"(?<![\w.,])(?P<count>\d{1,3}(?:,\d{3})+|\d{1,6})\s{1,2}(?:[A-Za-z0-9-]{1,12}\s){0,2}(?:[GT]PU"
    r"|chip|device|accelerator|card)s\b(?![ -]?hours)"
)
_CLOUD = re.compile(
    r"(?:\b(?P<provider>AWS|GCP|Azure|Google Cloud|Amazon Web Services)\b[\s/,:(-]{0,3}(?:region "
    r")?)?\b(?P<region>"
    r"(?:us|eu|europe|asia|ap|ca|sa|me|af|northamerica|southamerica|australia)-(?:gov-)?(?:north|south"
    r"|east|west|central)"
    r"[a-z]{0,9}(?:-?\d{1,2})?)\b",
    re.IGNORECASE,
)
_FORMS = ("", "PCIe", "SXM", "PCIe 16GB", "PCIe 40GB", "PCIe 80GB", "SXM 80GB")
_CORES_PER_CHIP = 2
_CORES = re.compile(r"v[2-4]|v5p", re.IGNORECASE)
MOST_PUE = 3.0
_SMALLEST, _LARGEST = 1e-30, 1e30


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a text.

    Attributes
    ----------
    kind : str
        ``"energy"`` (kWh), ``"co2e"`` (kg), ``"hours"``, ``"power"`` (W), ``"count"``, ``"pue"``, ``"grid"``
        (kg/kWh), ``"device"`` or ``"region"``.
    value : float
        In that unit; the number of devices for a device, 0 for a region.
    line, start, end : int
        Its line, from 1, and where in the sentence it is.
    digits : str
        As printed, without its unit.
    error : float
        Half a unit of the last printed digit, as a part of the value.
    name : str
        Of the device or the region.
    all_devices : bool
        Whether hours are those of all devices together.
    """

    kind: str
    value: float
    line: int = 0
    start: int = 0
    end: int = 0
    digits: str = ""
    error: float = 0.0
    name: str = ""
    all_devices: bool = False


def figures_in(text: str, line: int = 0, *, carbon: bool | None = None) -> list[Figure]:
    """Return the figures of a text in order; a mass is one of CO2e where ``carbon`` or the text says so."""
    about = bool(_CARBON.search(text)) if carbon is None else carbon
    found: list[Figure] = []
    for figure in (*_measures(text, about=about), *_named(text)):
        if not any(figure.start < other.end and other.start < figure.end for other in found):
            found.append(replace(figure, line=line))
    return sorted(found, key=lambda figure: figure.start)


def number_of(digits: str, many: str | None = None) -> float:
    """Return a printed number: 1,287 is a thousand and more, 0,429 less than one."""
    text = re.sub(r"[ \u00a0\u202f']", "", digits)
    if re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", text):
        text = text.replace(",", "")
    value = float(text.replace(",", "."))
    return value * _MANY.get((many or "").casefold(), 1.0)


def rounding(digits: str) -> float:
    """Return half a unit of the last digit of a printed number, as a part of it."""
    value = number_of(digits)
    if not value:
        return 0.0
    plain = re.sub(r"[ \u00a0\u202f']", "", digits).casefold().split("e")[0]
    whole = re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+", plain)
    decimals = 0 if whole else len(re.split(r"[.,]", plain)[-1]) if re.search(r"[.,]", plain) else 0
    return min(
        0.5,
        0.5 * 10.0**-decimals / (value if "e" not in digits.casefold() else float(plain.replace(",", "."))),
    )


def significant_digits(digits: str) -> int:
    """Return how many digits of a printed number mean something: the zeros that end an integer do not."""
    plain = re.sub(r"[ \u00a0\u202f']", "", digits).casefold().split("e")[0]
    if re.fullmatch(r"\d+|[1-9]\d{0,2}(?:,\d{3})+", plain):
        return len(plain.replace(",", "").strip("0"))
    return len(re.sub(r"[.,]", "", plain).lstrip("0"))


def mass_unit(label: str) -> float | None:
    """Return the kg of the unit that a label names for a mass of CO2e, or None where it names none."""
    unit = rf"(?P<unit>(?i:{_any(_MASS_KG)}))"
    found = re.search(rf"(?<![A-Za-z]){unit}(?=[ -]?(?:of )?(?:eq\.? ?)?CO)", label) or re.search(
        rf"(?:[(\[,]\s?|\bin ){unit}\s?(?:[)\]]|$)", label
    )
    return _MASS_KG[found["unit"].casefold()] if found else None


def label_unit(label: str, units: str) -> float | None:
    """Return the scale of the unit of ``"energy"``, ``"power"`` or ``"hours"`` that a label names, if any."""
    table = {"energy": _ENERGY_KWH, "power": _POWER_W, "hours": _TIME_H}[units]
    found = re.search(rf"(?<![A-Za-z])(?i:{_any(table)})(?![A-Za-z])", label)
    return table[found[0].casefold()] if found else None


@lru_cache(maxsize=1000)
def watts_of(name: str) -> tuple[float, ...]:
    """Return what is published of the power of a device, in W; several where a name is several devices'."""
    if not _models() & set(re.findall(r"[^\W_]+", name.casefold())):
        return ()
    watts: dict[float, None] = {}
    for form in _FORMS:
        asked = f"{name} {form}".strip()
        if len(asked) > LONGEST_NAME:
            continue
        try:
            device = find_device(asked)
        except DeviceError:
            continue
        if device.kind != "cpu":
            watts |= {figure.value: None for figure in (device.tdp, device.mean_power) if figure is not None}
            if not form:
                break
    return tuple(watts)


@cache
def _models() -> frozenset[str]:
    """Return the words of the names of accelerators; any other name need not be looked for."""
    with (DATA / "devices.csv").open(newline="", encoding="utf-8") as lines:
        names = [f"{row['name']} {row['aliases']}" for row in csv.DictReader(lines)]
    words = {
        word for name in names for word in re.findall(r"[^\W_]+", name.casefold()) if re.search(r"\d", word)
    }
    return frozenset(words | {f"tpu{word}" for word in words})


def _measures(text: str, *, about: bool) -> Iterator[Figure]:
    """Yield the figures that have a unit."""
    for found in _FACTOR.finditer(text):
        per = 1e3 if found["per"].casefold() == "mwh" else 1.0
        yield _figure("grid", found, _MASS_KG[found["mass"].casefold()] / per)
    for found in _ENERGY.finditer(text):
        yield _figure("energy", found, _ENERGY_KWH[found["unit"].casefold()])
    for found in _WEIGHT.finditer(text):
        if found["co2"] or about:
            yield _figure("co2e", found, _MASS_KG[found["mass"].casefold()])
    for found in _POWER.finditer(text):
        yield _figure("power", found, _POWER_W[found["unit"].casefold()])
    for found in _TIME.finditer(text):
        of = found["of"]
        together = bool(_DEVICE_TIME.search(of))
        if together or _PLAIN_TIME.fullmatch(of):
            yield replace(_figure("hours", found, _TIME_H[found["unit"].casefold()]), all_devices=together)
    for found in _PUE.finditer(text):
        if 1 <= number_of(found["number"]) <= MOST_PUE:
            yield _figure("pue", found, 1.0)


def _figure(kind: str, found: re.Match[str], scale: float) -> Figure:
    groups = found.groupdict()
    digits = groups["number"]
    value = number_of(digits, groups.get("many")) * scale
    # Beyond these, products would no longer be finite; no job is there.
    value = value if _SMALLEST <= value <= _LARGEST else 0.0
    return Figure(kind, value, start=found.start(), end=found.end(), digits=digits, error=rounding(digits))


def _named(text: str) -> Iterator[Figure]:
    """Yield the devices and the regions of clouds that a text names."""
    for found in _CLOUD.finditer(text):
        name = " ".join(filter(None, (found["provider"], found["region"])))
        yield Figure("region", 0.0, start=found.start(), end=found.end(), name=name)
    for found in _DEVICE.finditer(text):
        model = found["name"]
        family = f"TPU {model}" if model.startswith("v") else model
        name = f"{family}{found['form']}".replace("  ", " ")
        # A plural "s" is no part of the name, and a form may be one that no table has.
        known = next((n for n in (name, family) if watts_of(n)), "")
        if known:
            count = number_of(found["count"]) if found["count"] else 0.0
            cores = int(found["cores"][1:]) if found["cores"] and "v" in model.casefold() else 0
            chips = cores / _CORES_PER_CHIP if cores and _CORES.search(model) else cores
            value = (count or 1) * max(1.0, chips) if count or chips else 0.0
            yield Figure("device", value, start=found.start(), end=found.end(), name=known)
    for found in _SOME_DEVICES.finditer(text):
        yield Figure("count", number_of(found["count"]), start=found.start(), end=found.end())
