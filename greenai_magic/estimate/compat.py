"""The sums of two older calculators, digit for digit: what they print, not what we would.

ML CO2 Impact rounds at every step and knows neither load nor PUE; Green Algorithms rounds nowhere and
counts the memory that was asked for. Their figures are plain numbers here, as those tools print them:
no interval and no source belongs to them.
"""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType

from greenai_magic.errors import DeviceError, SettingError

DATA = Path(__file__).parent / "data"
MEMORY_W_PER_GB = 0.3725
"""Of Green Algorithms in all its versions (Lannelongue et al. 2021, Adv. Sci. 8:2100707)."""
DEFAULT_PUE: Mapping[str, float] = MappingProxyType({"v2.2": 1.67, "v3.0": 1.56})
"""What Green Algorithms takes for a data centre that it knows nothing of, by its version."""
_G_PER_KG = 1000.0
_W_PER_KW = 1000.0
_NO_DECIMALS_FROM = 1e21
"""From here on JavaScript writes numbers with an exponent and rounds no more."""
_SHOWN_LETTERS = 60


@dataclass(frozen=True, slots=True)
class MLCO2Impact:
    """What the page of ML CO2 Impact prints.

    Attributes
    ----------
    energy_kwh, kg_per_kwh, co2_kg : float
        Each rounded to two decimals, but an intensity that the user typed.
    offset_claim_kg : float
        What the provider says it offsets: a claim, part of no footprint.
    """

    energy_kwh: float
    kg_per_kwh: float
    co2_kg: float
    offset_claim_kg: float


@dataclass(frozen=True, slots=True)
class GreenAlgorithmsResult:
    """What the page of Green Algorithms computes.

    Attributes
    ----------
    power_w : float
        Of processors and memory, PUE in it.
    energy_kwh, co2_g : float
        Of all repetitions.
    g_per_kwh : float
        The intensity used.
    memory_share : float
        Part of the power that is memory's, 0 to 1.
    """

    power_w: float
    energy_kwh: float
    g_per_kwh: float
    co2_g: float
    memory_share: float

    @property
    def energy_text(self) -> str:
        """The energy as the page writes it: ``"2.28 kWh"``."""
        return _printed(self.energy_kwh, ((1e3, "MWh"), (1.0, "kWh"), (1e-3, "Wh")))

    @property
    def co2_text(self) -> str:
        """The footprint as the page writes it: ``"1.08 kgCO2e"``."""
        units = ((1e6, "TCO2e"), (1e3, "kgCO2e"), (1.0, "gCO2e"), (1e-3, "mgCO2e"))
        return _printed(self.co2_g, units)


def mlco2(
    tdp_w: float, hours: float, g_per_kwh: float, *, custom: bool = False, offset_percent: float = 0.0
) -> MLCO2Impact:
    """Return what ML CO2 Impact prints for one device.

    Two decimals are kept of the kilowatt-hours, of the kilograms per kilowatt-hour and of their product;
    the intensity of a region first loses its decimals (js/data.js and js/grayscale.js of mlco2/impact).

    Parameters
    ----------
    tdp_w : float
        Power of the device in W: its rating for most, a mean for the TPUs of its table.
    hours : float
        Time of the device.
    g_per_kwh : float
        Grid intensity.
    custom : bool
        Whether the user typed the intensity: then it is not rounded.
    offset_percent : float
        What the provider says it offsets.

    Raises
    ------
    SettingError
        If a number is negative or not finite.
    """
    _check({"tdp_w": tdp_w, "hours": hours, "g_per_kwh": g_per_kwh, "offset_percent": offset_percent})
    energy_kwh = _two_decimals(tdp_w * hours / _W_PER_KW)
    kg_per_kwh = g_per_kwh / _G_PER_KG if custom else _two_decimals(math.trunc(g_per_kwh) / _G_PER_KG)
    co2_kg = _two_decimals(energy_kwh * kg_per_kwh)
    return MLCO2Impact(energy_kwh, kg_per_kwh, co2_kg, _two_decimals(co2_kg * offset_percent / 100))


def green_algorithms(
    hours: float,
    *,
    g_per_kwh: float,
    memory_gb: float,
    n_cores: float = 0,
    cpu: str | float = "Any",
    usage_cpu: float = 1.0,
    n_gpus: float = 0,
    gpu: str | float = "Any",
    usage_gpu: float = 1.0,
    pue: float | None = None,
    psf: float = 1.0,
    version: str = "v3.0",
) -> GreenAlgorithmsResult:
    """Return what Green Algorithms computes.

    energy = hours x (cores x W per core x usage + memory x 0.3725 W/GB) x PUE x PSF (Lannelongue et al.
    2021, Adv. Sci. 8:2100707), where the pragmatic scaling factor is how often the job was really run.

    Parameters
    ----------
    hours : float
        Of one run.
    g_per_kwh : float
        Grid intensity.
    memory_gb : float
        Memory asked for, used or not.
    n_cores, n_gpus : float
        How many.
    cpu, gpu : str or float
        A name of the tool's table for its watts per core or card, or those watts.
    usage_cpu, usage_gpu : float
        Share of that power that the job takes.
    pue : float, optional
        The default of the version where left out; 1 for a computer of one's own.
    psf : float
        How often the job was run.
    version : str
        ``"v2.2"`` or ``"v3.0"``: whose table and default PUE.

    Raises
    ------
    DeviceError
        If the table of that version has no such name.
    SettingError
        If the version is not known, or a number is negative or not finite.
    """
    if version not in DEFAULT_PUE:
        msg = f"Green Algorithms {version!r} is not known here: choose {' or '.join(DEFAULT_PUE)}."
        raise SettingError(msg)
    factor = DEFAULT_PUE[version] if pue is None else pue
    cpu_w, gpu_w = _watts("cpu", cpu, version), _watts("gpu", gpu, version)
    _check({"hours": hours, "g_per_kwh": g_per_kwh, "memory_gb": memory_gb, "pue": factor, "psf": psf})
    _check({"n_cores": n_cores, "cpu": cpu_w, "usage_cpu": usage_cpu})
    _check({"n_gpus": n_gpus, "gpu": gpu_w, "usage_gpu": usage_gpu})
    memory_w = factor * (memory_gb * MEMORY_W_PER_GB)
    power_w = factor * n_cores * cpu_w * usage_cpu + factor * n_gpus * gpu_w * usage_gpu + memory_w
    energy_kwh = hours * power_w * psf / _W_PER_KW
    share = memory_w / power_w if power_w else 0.0
    return GreenAlgorithmsResult(power_w, energy_kwh, g_per_kwh, energy_kwh * g_per_kwh, share)


def green_algorithms_kind(device: str, version: str = "v3.0") -> str:
    """Return ``"cpu"`` or ``"gpu"`` as Green Algorithms lists a device, ``""`` where it does not."""
    kinds = (kind for kind in ("cpu", "gpu") if device.casefold() in _core_watts(kind, version))
    return next(kinds, "")


def mlco2_watts(device: str) -> float | None:
    """Return the W that ML CO2 Impact lists for a device, right or wrong; None where it lists none."""
    row = _mlco2_rows("mlco2_devices.csv", "name").get(device.casefold())
    return float(row["tdp_w"]) if row else None


def mlco2_region(code: str) -> tuple[float, float] | None:
    """Return the g CO2e/kWh and the offset claim in % that ML CO2 Impact lists for a provider's region.

    ``code`` is such as ``"gcp/us-central1"``; None where it lists no such region.
    """
    row = _mlco2_rows("mlco2_regions.csv", "code").get(code.casefold())
    return (float(row["g_per_kwh"]), float(row["offset_percent"])) if row else None


def _watts(kind: str, device: str | float, version: str) -> float:
    if not isinstance(device, str):
        return device
    table = _core_watts(kind, version)
    if device.casefold() in table:
        return table[device.casefold()]
    near = difflib.get_close_matches(device[:_SHOWN_LETTERS].casefold(), table, n=3)
    advice = f"did you mean {' or '.join(near)}? Else give" if near else "give"
    asked = f"{kind} {device[:_SHOWN_LETTERS]!r}"
    msg = f"Green Algorithms {version} lists no {asked}: {advice} its watts, as {kind}=7.5."
    raise DeviceError(msg)


@cache
def _core_watts(kind: str, version: str) -> dict[str, float]:
    with (DATA / "green_algorithms.csv").open(newline="", encoding="utf-8") as lines:
        return {
            row["name"].casefold(): float(row["core_w"])
            for row in csv.DictReader(lines)
            if row["kind"] == kind and version in row["versions"].split("|")
        }


@cache
def _mlco2_rows(table: str, key: str) -> dict[str, dict[str, str]]:
    with (DATA / table).open(newline="", encoding="utf-8") as lines:
        return {row[key].casefold(): row for row in csv.DictReader(lines)}


def _two_decimals(number: float) -> float:
    """Return a number as JavaScript's ``Number(x.toFixed(2))`` does.

    The exact value that a float holds is rounded, and only a true half goes up (ECMA-262,
    Number.prototype.toFixed): 0.105 is held as a little less and gives 0.10.
    """
    if number >= _NO_DECIMALS_FROM:
        return number
    return float(Decimal(number).quantize(Decimal("0.01"), ROUND_HALF_UP))


def _printed(value: float, units: Sequence[tuple[float, str]]) -> str:
    size, unit = next((pair for pair in units if value >= pair[0]), units[-1])
    scaled = value / size
    plain = scaled == 0 or 1 <= scaled < 1e3
    return f"{scaled:,.2f} {unit}" if plain else f"{scaled:,.2e} {unit}"


def _check(numbers: Mapping[str, float]) -> None:
    for name, number in numbers.items():
        if not isinstance(number, (int, float)) or not math.isfinite(number) or number < 0:
            msg = f"{name} cannot be {number!r}: give a number from 0 up."
            raise SettingError(msg)
