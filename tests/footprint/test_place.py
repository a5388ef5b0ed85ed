import copy
import csv
import dataclasses
import math
import pickle
import statistics
import subprocess
import sys
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.errors import PlaceError, SettingError
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.place import (
    DATA,
    Place,
    checked_pue,
    data_centre_pue,
    find_place,
    known_place,
    old_factor_note,
    place_key,
    places_beginning,
)


def _rows(table):
    with (DATA / table).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


COUNTRIES, REGIONS = _rows("grid_country.csv"), _rows("grid_region.csv")
CODES = [row["code"] for row in COUNTRIES + REGIONS]
CLOUDS = [row["code"] for row in _rows("cloud_region.csv")]


@pytest.mark.parametrize(
    ("name", "code", "g_per_kwh", "year"),
    [
        ("FRA", "FRA", 41.44, 2025),
        ("DEU", "DEU", 329.65, 2025),
        ("USA", "USA", 384.4, 2025),
        ("NOR", "NOR", 28.11, 2025),
        ("POL", "POL", 588.6, 2025),
        ("CAF", "CAF", 111.11, 2012),
        ("USA/CA", "USA/CA", 394.769 * 0.45359237, 2023),
        ("USA/VT", "USA/VT", 52.239 * 0.45359237, 2023),
        ("CAN/QC", "CAN/QC", 31.23, 2023),
        ("gcp/europe-west9", "gcp/europe-west9", 34, 2023),
        ("gcp/me-central1", "gcp/me-central1", 575, 2023),
        ("world", "world", 475, 2019),
    ],
)
def test_a_place_has_the_published_factor_and_its_year(name, code, g_per_kwh, year):
    place = known_place(name)
    assert place.code == code
    assert place.grid_intensity.value == pytest.approx(g_per_kwh, abs=0.006)
    assert place.grid_intensity.unit == "g CO2e/kWh"
    assert f", {year}, " in place.grid_intensity.source


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("FRA", ["FRA", "fra", "FR", "France", " france ", "French Republic"]),
        ("TUR", ["Türkiye", "TURKIYE", "turkey", "TÜRKİYE"]),
        ("GBR", ["GB", "UK", "United Kingdom", "England", "Scotland"]),
        ("DEU", ["Germany", "Deutschland"]),
        ("CIV", ["Côte d'Ivoire", "cote d’ivoire", "Ivory Coast"]),
        ("PRI", ["Puerto Rico"]),
        ("USA/CA", ["USA/California", "USA/CA", "US-CA", "usa california", "us:ca", "California"]),
        ("USA/DC", ["USA/District of Columbia", "US-DC"]),
        ("USA/NY", ["New York", "new_york", "NEW-YORK"]),
        ("CAN/QC", ["CAN/Quebec", "CA-QC", "Québec", "can/québec", "Que\u0301bec"]),
        ("gcp/europe-west9", ["gcp/europe-west9", "gcp:europe-west9", "europe-west9", "GCP Europe West9"]),
    ],
)
def test_a_place_goes_by_many_names(code, names):
    assert {known_place(name).code for name in names} == {code}


def test_every_row_is_found_by_its_code_its_name_and_its_iso_code():
    for row in COUNTRIES + REGIONS:
        assert known_place(row["code"]).code == row["code"]
        assert known_place(row["code"]).name == row["name"]
    for row in COUNTRIES:
        assert known_place(row["name"]).code == row["code"]
        assert known_place(row["iso2"]).code == row["code"]


@given(st.data())
def test_case_and_separators_change_nothing(data):
    code = data.draw(st.sampled_from(CODES))
    spelt = "".join(data.draw(st.sampled_from((letter.lower(), letter.upper()))) for letter in code)
    spelt = spelt.replace("/", data.draw(st.sampled_from("/:-_ .")))
    assert known_place(spelt).code == code


@given(st.text())
def test_the_key_of_a_key_is_itself(text):
    assert place_key(place_key(text)) == place_key(text)


@given(st.one_of(st.none(), st.text(), st.sampled_from(CODES)))
def test_any_text_gives_a_factor_above_zero_inside_its_interval(name):
    place = find_place(name)
    intensity = place.grid_intensity
    assert 0 < intensity.low <= intensity.value <= intensity.high < math.inf
    assert place.pue.low >= 1
    assert intensity.source
    assert place.code in CODES or (place.code == "world" and intensity.basis == "default")


@given(st.sampled_from([*CODES, *CLOUDS, "world"]), st.one_of(st.none(), st.floats(1, 5)))
def test_a_place_survives_a_round_trip_through_plain_types(code, pue):
    place = known_place(code, pue=pue)
    assert Place.from_dict(place.to_dict()) == place


@pytest.mark.parametrize("name", [None, "", "  "])
def test_no_place_is_the_world_and_says_how_to_set_one(name):
    place = find_place(name)
    assert place.code == "world"
    for way in ('%config GreenAI.country = "FRA"', "GREENAI_COUNTRY", 'measure(place="FRA")'):
        assert way in place.hint


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Frnace", "FRA (France)"),
        ("USA/Californa", "USA/CA (California, USA)"),
        ("me-cenrtal1", "gcp/me-central1"),
        ("TX", "USA/TX (Texas, USA)"),
        ("Korea", "KOR (South Korea)"),
    ],
)
def test_an_unknown_place_is_the_world_and_names_the_close_ones(name, meant):
    with pytest.raises(PlaceError, match="did you mean") as raised:
        known_place(name)
    assert meant in str(raised.value)
    place = find_place(name)
    assert place.code == "world"
    assert str(raised.value) in place.hint


@pytest.mark.parametrize("name", ["EU", "Europe", " european union ", "Asia"])
def test_a_name_of_many_grids_asks_for_a_country(name):
    hint = find_place(name).hint
    assert "is many grids: write a country" in hint
    assert "did you mean" not in hint


def test_places_are_found_by_how_their_codes_and_names_begin():
    assert places_beginning("DEU") == places_beginning("Deutsch") == ["DEU"]
    assert places_beginning("germany") == ["DEU", "azure/germanynorth", "azure/germanywestcentral"]
    assert places_beginning("AWS/eu-w") == [f"aws/eu-west-{n}" for n in (1, 2, 3)]
    assert {"CAN/QC"} == set(places_beginning("québ")) == set(places_beginning("can/q"))
    assert places_beginning("zzz") == []
    assert {"FRA", "USA/CA", "gcp/europe-west9", "world"} <= set(places_beginning(""))


@pytest.mark.parametrize("name", ["oracle/rio-1", "zzzzzzzz", "!!!", "x" * 100_000])
def test_a_place_like_no_other_says_what_may_be_written(name):
    hint = find_place(name).hint
    assert "gcp/europe-west9" in hint
    assert len(hint) < 300


@pytest.mark.parametrize(
    ("name", "read_as", "other"),
    [
        ("CA", "CAN", "USA/CA"),
        ("Georgia", "GEO", "USA/GA"),
        ("GA", "GAB", "USA/GA"),
        ("Congo", "COG", "COD"),
        ("NL", "NLD", "CAN/NL"),
    ],
)
def test_a_name_of_two_places_is_the_country_and_the_hint_names_the_other(name, read_as, other):
    place = known_place(name)
    assert place.code == read_as
    assert other in place.hint
    assert known_place(read_as).hint == known_place(other).hint == ""


def test_a_code_of_a_table_is_never_ambiguous():
    assert [code for code in CODES if known_place(code).hint] == []


def test_the_world_reaches_from_the_lowest_to_the_highest_countries():
    values = sorted(float(row["value"]) for row in COUNTRIES)
    world = known_place("world").grid_intensity
    inside = [value for value in values if world.low <= value <= world.high]
    assert len(inside) / len(values) == pytest.approx(0.95, abs=0.01)
    assert world.low == pytest.approx(statistics.quantiles(values, n=40, method="inclusive")[0], abs=0.01)


def test_the_newest_factor_has_the_yearly_and_the_hourly_error_and_no_other():
    spread = known_place("FRA").grid_intensity.spread
    assert sorted(spread.values()) == pytest.approx([gsd("grid yearly").log_sd, gsd("grid hour").log_sd])


def test_a_factor_widens_with_its_age():
    spread = known_place("CAF").grid_intensity.spread
    assert spread["grid intensity CAF"] == pytest.approx(
        gsd("grid yearly").log_sd + 13 * gsd("grid, year of age").log_sd
    )
    by_year = {int(row["year"]): known_place(row["code"]).grid_intensity.log_sd for row in COUNTRIES}
    assert [by_year[year] for year in sorted(by_year)] == sorted(by_year.values(), reverse=True)


def test_two_places_share_no_error_and_one_place_shares_all_of_it():
    france, again, germany = (known_place(name).grid_intensity.spread for name in ("FRA", "FR", "DEU"))
    assert france == again
    assert not france.keys() & germany.keys()


def test_a_source_says_who_where_when_what_and_under_which_licence():
    assert known_place("FRA").grid_intensity.source == (
        "Ember 2026 via Our World in Data, France, 2025, life-cycle (CC BY 4.0)"
    )
    assert "operational (public domain)" in known_place("USA/CA").grid_intensity.source
    assert "operational (Apache-2.0)" in known_place("gcp/europe-west9").grid_intensity.source


def test_a_table_value_is_declared_and_the_world_a_default():
    assert {known_place(code).grid_intensity.basis for code in CODES} == {"declared"}
    assert known_place("world").grid_intensity.basis == "default"


def test_without_a_data_centre_the_pue_is_exactly_one():
    pue = known_place("FRA").pue
    assert (pue.low, pue.value, pue.high, pue.basis) == (1, 1, 1, "default")
    assert "laptop" in pue.source


def test_a_google_region_has_googles_pue():
    pue = known_place("europe-west9").pue
    assert pue.value == 1.10
    assert pue.low == pytest.approx(1.05)
    assert pue.high == pytest.approx(1.16)


@given(st.floats(1, 5), st.sampled_from(["FRA", "gcp/europe-west9", "aws/eu-west-3", "nowhere"]))
def test_a_declared_pue_wins_and_never_reaches_below_one(pue, name):
    figure = find_place(name, pue=pue).pue
    assert figure.value == pue
    assert figure.basis == "declared"
    assert 1 - 1e-12 <= figure.low <= pue <= figure.high <= pue * 1.05**2


@pytest.mark.parametrize("pue", [0, 0.99, -1.2, 5.01, 120, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["FRA", "nowhere", None])
def test_a_pue_that_cannot_be_says_what_can(pue, name):
    with pytest.raises(SettingError, match=r"from 1 .* to 5"):
        find_place(name, pue=pue)
    with pytest.raises(SettingError, match=r"from 1 .* to 5"):
        checked_pue(pue)


def test_finding_a_place_imports_nothing_heavy():
    code = (
        "import sys; from greenai_magic.footprint.place import find_place; find_place('Frnace');"
        "print({'codecarbon', 'pycountry', 'numpy', 'pandas', 'importlib.resources'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# Figures of the providers' own pages, kept here apart from the tables.
@pytest.mark.parametrize(
    ("name", "pue", "wue", "year"),
    [
        ("aws/eu-central-1", 1.35, 0.01, 2024),
        ("aws/eu-west-1", 1.11, 0.03, 2024),
        ("aws/eu-north-1", 1.10, 0.02, 2024),
        ("aws/us-east-1", 1.15, 0.12, 2024),
        ("aws/us-west-2", 1.12, 0.16, 2024),
        ("aws/ap-southeast-3", 1.40, 2.75, 2024),
        ("azure/northeurope", 1.18, 0.02, 2024),
        ("azure/westeurope", 1.14, 0.04, 2024),
        ("ovhcloud/rbx", 1.30, 0.29, 2025),
        ("scaleway/fr-par-2", 1.16, 0.214, 2025),
    ],
)
def test_a_region_has_what_its_provider_publishes_of_it(name, pue, wue, year):
    place = known_place(name)
    assert (place.pue.value, place.wue.value) == (pue, wue)
    assert (place.pue.unit, place.wue.unit) == ("1", "L/kWh")
    for figure in (place.pue, place.wue):
        assert figure.basis == "declared"
        assert f", {year} (" in figure.source
    assert place.wue.high / place.wue.value == pytest.approx(gsd("wue").factor ** 1.96, rel=1e-3)
    assert place.data_centre


@pytest.mark.parametrize(
    ("name", "grid", "life_cycle"),
    [
        ("aws/eu-west-3", "FRA", True),
        ("azure/francecentral", "FRA", True),
        ("ovhcloud/gra", "FRA", True),
        ("scaleway/fr-par", "FRA", True),
        ("aws/ca-central-1", "CAN/QC", True),
        ("azure/eastus", "USA/VA", False),
    ],
)
def test_a_region_stands_on_the_grid_of_its_country_or_state(name, grid, life_cycle):
    region, ground = known_place(name), known_place(grid)
    # The same cause: the errors of two regions on one grid are one error.
    assert region.grid_intensity.spread == ground.grid_intensity.spread
    assert region.grid_intensity.value == ground.grid_intensity.value
    assert region.grid_intensity.source == f"{ground.grid_intensity.source}, the grid of {name}"
    assert (region.life_cycle, region.vintage) == (life_cycle, ground.vintage)
    assert (region.adpe, region.adpf) == (ground.adpe, ground.adpf)


@pytest.mark.parametrize(
    ("name", "pue", "bounds"),
    [("aws/eu-west-3", 1.15, (1.07, 1.46)), ("azure/francecentral", 1.16, (1.12, 1.43))],
)
def test_a_region_without_figures_has_its_providers_mean_as_wide_as_the_regions(name, pue, bounds):
    figure = known_place(name).pue
    assert (figure.value, figure.basis) == (pue, "default")
    assert (figure.low, figure.high) == pytest.approx(bounds)
    # How far a region lies from the mean is its own: two regions do not share the error.
    assert figure.spread.keys() == {f"PUE {name}"}


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("aws/eu-west-3", ["AWS eu-west-3", "eu-west-3", "aws:EU_WEST_3"]),
        ("azure/francecentral", ["France Central", "azure/France Central", "francecentral"]),
        ("ovhcloud/gra", ["ovh/gra", "OVHcloud GRA"]),
        ("ovhcloud/uk", ["ovh/eri", "ovh/uk"]),
        ("scaleway/fr-par", ["fr-par", "scaleway:fr-par"]),
        ("gcp/europe-west9", ["google/europe-west9"]),
    ],
)
def test_a_region_goes_by_many_names(code, names):
    assert {known_place(name).code for name in names} == {code}


def test_no_region_takes_the_name_of_a_country_or_a_state():
    for row in COUNTRIES + [row for row in REGIONS if not row["code"].startswith("gcp/")]:
        for key in row["keys"].split("|"):
            assert known_place(key).code.count("/") <= 1
            assert known_place(key).code.partition("/")[0] not in {"aws", "azure", "ovhcloud", "scaleway"}


@pytest.mark.parametrize("name", CLOUDS)
def test_every_region_of_a_cloud_is_a_data_centre_with_water_and_a_grid(name):
    place = known_place(name)
    assert place.data_centre
    assert place.pue.low >= 1
    assert place.wue.low > 0
    assert place.hint == ""
    assert name in places_beginning(name)


@pytest.mark.parametrize("name", ["FRA", "USA/CA", "CAN/QC", "world"])
def test_outside_a_data_centre_water_on_site_is_no_figure_and_that_of_power_stations_is(name):
    place = known_place(name)
    assert place.wue is None
    assert not place.data_centre
    assert (place.ewif.value, place.ewif.unit, place.ewif.basis) == (3.142, "L/kWh", "default")
    assert place.ewif.high / place.ewif.value == pytest.approx(2**1.96, rel=1e-3)
    assert "2304.03271" in place.ewif.source
    assert place.market_intensity is None


# kg Sb eq/kWh and MJ/kWh of ecologits 0.11.3, electricity_mixes.json.
@pytest.mark.parametrize(
    ("code", "kg_sb", "mj"),
    [
        ("FRA", 4.858e-8, 9.3135),
        ("USA", 9.855e-8, 9.6884),
        ("DEU", 8.787e-8, 8.7477),
        ("NOR", 1.2749e-7, 0.1386),
    ],
)
def test_electricity_has_the_resources_that_are_published(code, kg_sb, mj):
    place = known_place(code)
    assert place.adpe.value == pytest.approx(1000 * kg_sb)
    assert place.adpf.value == pytest.approx(mj)
    assert (place.adpe.unit, place.adpf.unit) == ("g Sb eq/kWh", "MJ/kWh")
    assert place.adpf.basis == "modelled"
    assert "ecologits 0.11.3" in place.adpf.source
    assert "MPL-2.0" in place.adpf.source
    assert "primary" not in f"{place.adpf.name} {place.adpf.source}".lower()


@pytest.mark.parametrize("code", ["ABW", "world"])
def test_a_country_whose_resources_are_unknown_may_be_any_of_the_others(code):
    place = known_place(code)
    for figure, column in (
        (place.adpe, "adpe_g_sb_eq_per_kwh"),
        (place.adpf, "adpf_mj_per_kwh"),
    ):
        values = [float(row[column]) for row in _rows("electricity_resources.csv")]
        inside = [value for value in values if figure.low <= value <= figure.high]
        assert figure.basis == "default"
        assert figure.value == pytest.approx(statistics.median(values))
        assert len(inside) / len(values) == pytest.approx(0.95, abs=0.02)


def test_a_place_made_before_its_new_fields_still_loads():
    new = known_place("FRA")
    old = {key: new.to_dict()[key] for key in ("code", "name", "grid_intensity", "pue", "hint", "life_cycle")}
    place = Place.from_dict(old)
    assert (place.code, place.grid_intensity, place.pue) == ("FRA", new.grid_intensity, new.pue)
    assert (place.wue, place.ewif, place.adpe, place.adpf, place.market_intensity) == (None,) * 5
    assert (place.data_centre, place.vintage, place.marginal) == (False, None, False)


def test_a_pickle_made_before_its_new_fields_still_loads():
    new = known_place("aws/eu-west-3")
    assert pickle.loads(pickle.dumps(new)) == new
    assert copy.deepcopy(new) == new
    old = Place.__new__(Place)
    old.__setstate__([new.code, new.name, new.grid_intensity, new.pue, new.hint, new.life_cycle])
    assert old == Place(new.code, new.name, new.grid_intensity, new.pue, new.hint, new.life_cycle)


@pytest.mark.parametrize(
    ("vintage", "old"), [(2019, True), (2023, True), (2024, False), (2026, False), (None, False)]
)
def test_a_factor_is_old_two_years_after_its_year_has_ended(vintage, old):
    place = dataclasses.replace(known_place("FRA"), vintage=vintage)
    note = old_factor_note(place, date(2026, 11, 25))
    assert bool(note) == old
    if old:
        assert f"of France is of {vintage}" in note
    assert old_factor_note(place, date(2027, 1, 1)) or vintage not in {2019, 2023, 2024}


def test_a_factor_of_the_tables_says_its_year():
    assert {row["code"]: known_place(row["code"]).vintage for row in COUNTRIES} == {
        row["code"]: int(row["year"]) for row in COUNTRIES
    }


def test_a_data_centre_of_which_nothing_is_known_has_a_wide_pue_above_one():
    pue = data_centre_pue()
    assert (pue.value, pue.unit, pue.basis) == (1.5, "1", "default")
    assert pue.high / pue.low == pytest.approx(2.0 / 1.1, rel=0.002)
    assert pue.low > 1
