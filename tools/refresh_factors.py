"""Make the shipped factor tables from the packages and tables they come from.

    python tools/refresh_factors.py            write the tables into the package
    python tools/refresh_factors.py --check    say which tables are out of date, write nothing
    python tools/refresh_factors.py --ecologits ecologits-0.11.3-py3-none-any.whl
                                               the table of resources too, from the wheel that
                                               ``pip download --no-deps ecologits==0.11.3`` brings

Grid factors of countries come from Ember through Our World in Data (a CSV kept in ``tools/inputs``);
those of regions and the rated powers of processors from the data files of the installed codecarbon,
which is located but not imported; names from pycountry, which codecarbon brings. What providers of
cloud computing publish of their regions is kept in ``tools/inputs``. The same inputs give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import statistics
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pycountry

from greenai_magic.footprint.place_names import place_key

INPUTS = Path(__file__).parent / "inputs"
EMBER = INPUTS / "grid_country_ember_owid_2026.csv"
VCPU = INPUTS / "vcpu_power.csv"
PROVIDERS = INPUTS / "cloud_provider.csv"
CLOUD = INPUTS / "cloud_region.csv"
PACKAGE = Path(__file__).parents[1] / "greenai_magic"

Row = dict[str, str]
FACTOR_COLUMNS = ("unit", "year", "basis", "source", "licence", "keys")
COUNTRY_COLUMNS = ("code", "iso2", "name", "value", *FACTOR_COLUMNS)
REGION_COLUMNS = ("code", "country", "name", "value", *FACTOR_COLUMNS)
WORLD_COLUMNS = ("code", "name", "value", "low", "high", *FACTOR_COLUMNS)
EFFICIENCY_COLUMNS = ("pue", "pue_low", "pue_high", "wue", "wue_low", "wue_high", "year", "source", "licence")
PROVIDER_COLUMNS = ("provider", "name", *EFFICIENCY_COLUMNS)
CLOUD_COLUMNS = ("code", "name", "grid", *EFFICIENCY_COLUMNS, "keys")
RESOURCE_COLUMNS = ("code", "adpe_g_sb_eq_per_kwh", "adpf_mj_per_kwh", "year", "source", "licence")

UNIT = "g CO2e/kWh"
LIFE_CYCLE = "life-cycle, generation-based, yearly average"
LB_PER_MWH = 0.45359237  # g/kWh; the international pound is 453.59237 g
GOOGLE_YEAR = 2023  # codecarbon gives none; its values are Google's file for that year, row for row
# What people write and no table of names has.
ALSO = {
    "ARE": ("UAE",),
    "AUT": ("Österreich",),
    "BEL": ("België", "Belgique"),
    "BRA": ("Brasil",),
    "CHE": ("Schweiz", "Suisse", "Svizzera"),
    "CIV": ("Ivory Coast",),
    "DEU": ("Deutschland",),
    "DNK": ("Danmark",),
    "ESP": ("España",),
    "FIN": ("Suomi",),
    "GBR": ("UK", "Great Britain", "England", "Scotland", "Wales", "Northern Ireland"),
    "ITA": ("Italia",),
    "MAR": ("Maroc",),
    "NLD": ("Nederland",),
    "NOR": ("Norge",),
    "POL": ("Polska",),
    "SWE": ("Sverige",),
}
# How the provincial mixes and the table of factors by source spell the same source.
SOURCES = {"naturalGas": "natural_gas", "hydro": "hydroelectricity"}
COUNTRIES = {country.alpha_2: country for country in pycountry.countries}
DIVISIONS = {division.code: division.name for division in pycountry.subdivisions}
MISSPELT = {"me-cenrtal1": "me-central1"}
# Whose regions have names that nothing else has, so that they are found without the provider's.
UNMISTAKABLE = ("aws", "azure", "scaleway")
SHORT = {"ovhcloud": "ovh", "gcp": "google"}
PROVIDERS_PAGE = "figures from the provider's page"
ECOLOGITS_YEAR = 2026
# A power station that turned a tenth of its fuel into electricity would take 36 MJ/kWh.
MOST_FOSSIL_MJ_PER_KWH = 36.0


def main(argv: list[str] | None = None) -> int:
    """Write the tables, or with ``--check`` say which differ from what would be written."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("ember", nargs="?", type=Path, default=EMBER, help="CSV of the country factors")
    parser.add_argument("--package", type=Path, default=PACKAGE, help="where greenai_magic lies")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a table is old")
    parser.add_argument("--ecologits", type=Path, metavar="WHEEL", help="makes the table of resources too")
    args = parser.parse_args(argv)
    fresh = tables(args.ember)
    if args.ecologits:
        fresh["footprint/data/electricity_resources.csv"] = resources(args.ecologits)
    stale = [path for path, text in fresh.items() if _read(args.package / path) != text]
    for path in stale:
        print(f"{path} {'is out of date' if args.check else 'written'}")
        if not args.check:
            (args.package / path).parent.mkdir(parents=True, exist_ok=True)
            (args.package / path).write_text(fresh[path], encoding="utf-8", newline="\n")
    if not stale:
        print("every table is up to date")
    return 1 if args.check and stale else 0


def tables(ember: Path) -> dict[str, str]:
    """Return the text of each table by its path inside the package."""
    data, maker = codecarbon_data(), f"codecarbon {version('codecarbon')}"
    countries = list(country_rows(ember, _json(data / "private_infra/global_energy_mix.json")))
    factors = _json(data / "private_infra/carbon_intensity_per_source.json")
    regions = [
        *state_rows(_json(data / "private_infra/2023/usa_emissions.json"), maker),
        *province_rows(_json(data / "private_infra/2023/canada_energy_mix.json"), factors, maker),
        *google_rows(_csv(data / "cloud/impact.csv"), maker),
    ]
    providers = list(_csv(PROVIDERS))
    names = {provider["provider"]: provider["name"] for provider in providers}
    world = world_row(factors["world_average"], countries, maker)
    chips = chip_rows(_csv(data / "hardware/cpu_power.csv"))
    return {
        "footprint/data/grid_country.csv": _text(COUNTRY_COLUMNS, _sorted(countries)),
        "footprint/data/grid_region.csv": _text(REGION_COLUMNS, _sorted(regions)),
        "footprint/data/grid_world.csv": _text(WORLD_COLUMNS, [world]),
        "footprint/data/cloud_provider.csv": _text(
            PROVIDER_COLUMNS, (provider | {"licence": PROVIDERS_PAGE} for provider in providers)
        ),
        "footprint/data/cloud_region.csv": _text(CLOUD_COLUMNS, _sorted(cloud_rows(_csv(CLOUD), names))),
        "meter/data/cpu_tdp.csv": _text(("Name", "TDP"), chips),
        "meter/data/vcpu_power.csv": VCPU.read_text(encoding="utf-8"),
    }


def codecarbon_data() -> Path:
    """Return the data folder of the installed codecarbon without importing it."""
    spec = find_spec("codecarbon")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("codecarbon is not installed: pip install codecarbon, then run this again.")
    return Path(spec.submodule_search_locations[0]) / "data"


def country_rows(ember: Path, mixes: Mapping[str, Any]) -> Iterator[Row]:
    """Yield one row per country of the Ember table, under the name Our World in Data gives it."""
    for given in _csv(ember):
        country = COUNTRIES[given["iso2"]]
        code, name = country.alpha_3, mixes[country.alpha_3]["country_name"]
        iso = (getattr(country, kind, "") for kind in ("name", "common_name", "official_name"))
        yield {
            "code": code,
            "iso2": given["iso2"],
            "name": name,
            "value": given["g_co2e_per_kwh"],
            "unit": UNIT,
            "year": given["year"],
            "basis": given["basis"],
            "source": "Ember 2026 via Our World in Data",
            "licence": given["licence"],
            "keys": _keys(code, given["iso2"], name, *iso, *ALSO.get(code, ())),
        }


def state_rows(states: Mapping[str, Any], maker: str) -> Iterator[Row]:
    """Yield one row per state of the USA: eGRID's total output rate, lb/MWh turned into g/kWh."""
    origin = states["_source"]
    for name, state in states.items():
        if name.startswith("_") or name == "usa":
            continue
        yield _division("US", state["regionCode"]) | {
            "value": _figure(state["emissions"] * LB_PER_MWH),
            "year": str(origin["year"]),
            "basis": "operational, generation-based, yearly average",
            "source": f"EPA eGRID{origin['year']} via {maker}",
            "licence": "public domain",
        }


def province_rows(provinces: Mapping[str, Any], factors: Mapping[str, Any], maker: str) -> Iterator[Row]:
    """Yield one row per province of Canada: its mix times the life-cycle factor of each source.

    intensity = sum(share x factor) / sum(share). codecarbon counts coal, oil and gas alone, which
    gives Quebec 4 g/kWh; hydro and nuclear power have a life cycle too, and the countries' factors
    count it.
    """
    codes = {name.casefold(): code[3:] for code, name in DIVISIONS.items() if code.startswith("CA-")}
    for name, mix in provinces.items():
        shares = {SOURCES.get(s, s): share for s, share in mix.items() if s != "total" and share}
        weighted = math.fsum(share * factors[source] for source, share in shares.items())
        yield _division("CA", codes[name]) | {
            "value": _figure(weighted / math.fsum(shares.values())),
            "year": "2023",
            "basis": LIFE_CYCLE,
            "source": f"provincial mix times life-cycle factor per source, both of {maker}",
            "licence": "MIT",
        }


def google_rows(regions: Iterable[Row], maker: str) -> Iterator[Row]:
    """Yield one row per Google Cloud region."""
    for given in regions:
        region = MISSPELT.get(given["region"], given["region"])
        yield {
            "code": f"gcp/{region}",
            "country": given["countryIsoCode"],
            "name": f"Google Cloud {region}, {given['city']}",
            "value": given["impact"],
            "unit": UNIT,
            "year": str(GOOGLE_YEAR),
            "basis": "operational, location-based, yearly average",
            "source": f"Google region-carbon-info {GOOGLE_YEAR} via {maker}",
            "licence": "Apache-2.0",
            "keys": _keys(f"gcp/{region}", region),
        }


def world_row(average: float, countries: list[Row], maker: str) -> Row:
    """Return the world average between the 2.5 and 97.5 % percentiles of the countries."""
    cuts = statistics.quantiles((float(c["value"]) for c in countries), n=40, method="inclusive")
    return {
        "code": "world",
        "name": "World average",
        "value": _figure(average),
        "low": _figure(cuts[0]),
        "high": _figure(cuts[-1]),
        "unit": UNIT,
        "year": "2019",
        "basis": "basis not stated, yearly average",
        "source": f"IEA Global Energy & CO2 Status Report 2019 via {maker}",
        "licence": "MIT",
        "keys": _keys("world", "World average"),
    }


def cloud_rows(regions: Iterable[Row], names: Mapping[str, str]) -> Iterator[Row]:
    """Yield one row per region of a provider: its grid, and its PUE and WUE where they are published."""
    for given in regions:
        provider, _, region = given["code"].partition("/")
        spelt = [region, *filter(None, given["also"].split("|"))]
        before = [provider, names[provider], SHORT.get(provider, provider)]
        alone = spelt if provider in UNMISTAKABLE else []
        published = given["pue"] or given["wue"]
        yield {column: given[column] for column in CLOUD_COLUMNS if column in given} | {
            "name": f"{names[provider]} {region}, {given['city']}",
            "licence": PROVIDERS_PAGE if published else "",
            "keys": _keys(*(f"{start} {name}" for start in before for name in spelt), *alone),
        }


def resources(wheel: Path) -> str:
    """Return the table of mineral and fossil resources behind a kWh, from a wheel of ecologits.

    What ecologits calls primary energy ("pe") is the fossil part of it: Norway has 0.14 MJ/kWh, less
    than the 3.6 MJ that a kWh is. Countries to which it gives the world's value are left out.
    """
    with zipfile.ZipFile(wheel) as files:
        mixes = json.loads(files.read("ecologits/data/electricity_mixes.json"))["electricity_mixes"]
    known = {country.alpha_3 for country in COUNTRIES.values()}
    rows = []
    for mix in mixes:
        unknown = {"electricity-mix-adpe-world", "electricity-mix-pe-world"} & set(mix["warnings"] or ())
        if unknown or mix["name"] not in known:
            continue
        if not (0 < mix["adpe"] < 1e-5 and 0 < mix["pe"] < MOST_FOSSIL_MJ_PER_KWH):
            sys.exit(f"{mix['name']}: {mix['adpe']} kg Sb eq and {mix['pe']} MJ per kWh cannot be.")
        rows.append(
            {
                "code": mix["name"],
                "adpe_g_sb_eq_per_kwh": f"{1000 * mix['adpe']:.6g}",
                "adpf_mj_per_kwh": f"{mix['pe']:g}",
                "year": str(ECOLOGITS_YEAR),
                "source": wheel.name.partition("-py3")[0].replace("-", " "),
                "licence": "MPL-2.0",
            }
        )
    return _text(RESOURCE_COLUMNS, _sorted(rows))


def chip_rows(chips: Iterable[Row]) -> Iterator[Row]:
    """Yield the processors whose rated power can be read and is above zero."""
    for chip in chips:
        try:
            tdp_w = float(chip["TDP"])
        except ValueError:  # "27.29.5"
            continue
        if tdp_w > 0:
            yield {"Name": chip["Name"], "TDP": f"{tdp_w:g}"}


def _division(iso2: str, short: str) -> Row:
    country, name = COUNTRIES[iso2], DIVISIONS[f"{iso2}-{short}"]
    code = f"{country.alpha_3}/{short}"
    return {
        "code": code,
        "country": country.alpha_3,
        "name": f"{name}, {'USA' if iso2 == 'US' else country.name}",
        "unit": UNIT,
        "keys": _keys(code, f"{iso2}-{short}", f"{country.alpha_3}/{name}", f"{iso2}/{name}", name),
    }


def _keys(*names: str) -> str:
    return "|".join(dict.fromkeys(place_key(name) for name in names if name))


def _figure(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _sorted(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row["code"])


def _text(columns: tuple[str, ...], rows: Iterable[Row]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _csv(path: Path) -> Iterator[Row]:
    # codecarbon's tables start with a byte-order mark.
    with path.open(encoding="utf-8-sig", newline="") as lines:
        yield from csv.DictReader(lines)


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
