import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.errors import SettingError
from greenai_magic.footprint.gsd import gsd
from greenai_magic.footprint.place import (
    Place,
    data_centre_pue,
    find_place,
    known_place,
)
from greenai_magic.quantity import Quantity

G = "g CO2e/kWh"


def test_a_declared_factor_takes_the_place_of_the_tables():
    place = known_place("FRA", grid_intensity_g_per_kwh=56)
    figure = place.grid_intensity
    assert (figure.value, figure.unit, figure.basis, figure.name) == (56, G, "declared", "grid intensity")
    assert figure.source == "declared by the user"
    assert figure.spread == {"grid intensity FRA 56": pytest.approx(gsd("grid yearly").log_sd)}
    assert (place.code, place.name, place.hint, place.vintage) == ("FRA", "France", "", None)
    assert place.adpf == known_place("FRA").adpf


@pytest.mark.parametrize("name", [None, "", "world"])
def test_a_declared_factor_without_a_place_is_a_place_of_its_own(name):
    place = find_place(name, grid_intensity_g_per_kwh=56)
    assert (place.code, place.name, place.hint) == ("declared", "declared factor", "")
    assert place.grid_intensity.value == 56
    assert place.grid_intensity.basis == "declared"


def test_a_declared_factor_for_a_place_that_no_table_knows_says_so():
    place = find_place("Frnace", grid_intensity_g_per_kwh=56)
    assert (place.code, place.grid_intensity.value) == ("declared", 56)
    assert "No table knows the place 'Frnace'" in place.hint
    assert "world average" not in place.hint


def test_a_figure_of_the_users_own_keeps_its_interval_and_its_source():
    given_ = Quantity.between(0.4, 0.2, 0.8, G, cause="a wind farm", basis="measured", source="my meter")
    figure = known_place("FRA", grid_intensity_g_per_kwh=given_).grid_intensity
    assert (figure.value, figure.spread, figure.basis) == (0.4, given_.spread, "measured")
    assert (figure.source, figure.name) == ("my meter", "grid intensity")


@pytest.mark.parametrize(
    ("g_per_kwh", "says"),
    [
        (0, "location-based factor never is.* market_intensity_g_per_kwh"),
        (Quantity(0.0, G), "location-based factor never is"),
        (-1, "give grams of CO2e per kWh"),
        (math.nan, "give grams of CO2e per kWh"),
        (math.inf, "give grams of CO2e per kWh"),
        (True, "give grams of CO2e per kWh"),
        ("56", "give grams of CO2e per kWh"),
        (0.056, "probably in kg/kWh: give 56"),
        (56_000, "no grid is above 3000"),
        (Quantity(56_000.0, G), "no grid is above 3000"),
        (Quantity(0.056, "kg CO2e/kWh"), "cannot be in kg CO2e/kWh: give it in g CO2e/kWh"),
    ],
)
def test_a_factor_that_cannot_be_says_what_can(g_per_kwh, says):
    with pytest.raises(SettingError, match=says):
        find_place("FRA", grid_intensity_g_per_kwh=g_per_kwh)


@given(st.floats(1, 3000))
def test_any_factor_that_a_grid_may_have_is_taken(g_per_kwh):
    figure = find_place(None, grid_intensity_g_per_kwh=g_per_kwh).grid_intensity
    assert figure.value == g_per_kwh
    assert 0 < figure.low < g_per_kwh < figure.high


def test_a_contracts_factor_stands_beside_the_grids_and_may_be_zero():
    place = known_place("FRA", market_intensity_g_per_kwh=0)
    assert place.grid_intensity == known_place("FRA").grid_intensity
    market = place.market_intensity
    assert (market.value, market.low, market.high, market.basis) == (0, 0, 0, "declared")
    assert (market.unit, market.name) == (G, "market intensity")
    assert known_place("FRA", market_intensity_g_per_kwh=20).market_intensity.spread == {
        "market intensity FRA 20": pytest.approx(gsd("grid yearly").log_sd)
    }


@pytest.mark.parametrize("g_per_kwh", [-1, math.nan, 0.02, 20_000, Quantity(1.0, "g")])
def test_a_contracts_factor_that_cannot_be_is_refused(g_per_kwh):
    with pytest.raises(SettingError, match="market intensity"):
        find_place(None, market_intensity_g_per_kwh=g_per_kwh)


def test_declared_water_on_site_makes_a_data_centre_of_a_place():
    place = known_place("FRA", wue_l_per_kwh=0.3)
    assert (place.wue.value, place.wue.unit, place.wue.basis) == (0.3, "L/kWh", "declared")
    assert place.wue.spread == {"WUE FRA 0.3": pytest.approx(gsd("wue").log_sd)}
    assert place.data_centre
    assert place.pue == data_centre_pue()
    assert known_place("FRA", wue_l_per_kwh=0.3, pue=1.2).pue.value == 1.2
    assert known_place("ovhcloud/gra", wue_l_per_kwh=0.3).pue == known_place("ovhcloud/gra").pue


def test_a_building_without_cooling_water_uses_exactly_none():
    wue = known_place("FRA", wue_l_per_kwh=0).wue
    assert (wue.low, wue.value, wue.high, wue.basis) == (0, 0, 0, "declared")


def test_declared_water_of_power_stations_replaces_the_default():
    ewif = known_place("FRA", ewif_l_per_kwh=1.8).ewif
    assert (ewif.value, ewif.basis) == (1.8, "declared")
    assert ewif.spread == {"EWIF FRA 1.8": pytest.approx(gsd("ewif").log_sd)}
    own = Quantity(1.8, "L/kWh", "declared", "my utility 2025", {"utility": 0.1})
    assert known_place("FRA", ewif_l_per_kwh=own).ewif.source == "my utility 2025"


@pytest.mark.parametrize("litres", [-0.1, math.nan, math.inf, 1e6, True, "0.2", Quantity(0.2, "L")])
@pytest.mark.parametrize(("key", "name"), [("wue_l_per_kwh", "WUE"), ("ewif_l_per_kwh", "EWIF")])
def test_litres_that_cannot_be_say_what_can(litres, key, name):
    with pytest.raises(SettingError, match=rf"^{name} cannot be"):
        find_place("FRA", **{key: litres})


@pytest.mark.parametrize(("pue", "data_centre"), [(None, False), (1, False), (1.0, False), (1.2, True)])
def test_a_pue_above_one_tells_of_a_data_centre(pue, data_centre):
    assert known_place("FRA", pue=pue).data_centre is data_centre
    assert known_place("aws/eu-west-3", pue=pue).data_centre


def test_a_pue_may_be_a_figure_of_the_users_own():
    own = Quantity.between(1.3, 1.2, 1.4, "1", cause="meter", basis="measured", source="building meter 2025")
    pue = known_place("FRA", pue=own).pue
    assert (pue.value, pue.source, pue.name) == (1.3, "building meter 2025", "PUE")
    wide = Quantity.between(1.1, 0.9, 1.3, "1", cause="meter", basis="measured", source="")
    for wrong in (wide, Quantity(6.0, "1"), Quantity(0.9, "1"), Quantity(1.2, "J")):
        with pytest.raises(SettingError, match="PUE"):
            known_place("FRA", pue=wrong)


@given(
    st.sampled_from(["FRA", "aws/eu-west-3", "world", None]),
    st.one_of(st.none(), st.floats(1, 5)),
    st.one_of(st.none(), st.floats(0, 20)),
    st.one_of(st.none(), st.floats(1, 3000)),
    st.one_of(st.none(), st.just(0), st.floats(1, 3000)),
)
def test_what_is_declared_survives_a_round_trip_through_plain_types(name, pue, wue, grid, market):
    place = find_place(
        name,
        pue=pue,
        wue_l_per_kwh=wue,
        grid_intensity_g_per_kwh=grid,
        market_intensity_g_per_kwh=market,
    )
    assert Place.from_dict(place.to_dict()) == place
