import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.errors import UnitError
from greenai_magic.estimate import estimate_aposteriori
from greenai_magic.estimate.restate import restate
from greenai_magic.footprint.direct import burnt
from greenai_magic.footprint.embodied import lines_of, parts_named
from greenai_magic.footprint.impacts import Footprint, assess
from greenai_magic.footprint.place import known_place
from greenai_magic.quantity import Quantity

ENERGY = Quantity(3.6e6, "J", spread={"meter": 0.05}, name="energy")
HOUR = Quantity(3600.0, "s")
factors = st.floats(1.0, 3000.0)


@given(factors, factors)
def test_the_old_figure_stays_beside_the_new_one(old_g, new_g):
    old = assess(
        ENERGY, known_place("FRA", grid_intensity_g_per_kwh=old_g), lines_of(parts_named("laptop"), HOUR)
    )
    before = json.dumps(old.to_dict())
    restated = restate(old, known_place("FRA", grid_intensity_g_per_kwh=new_g))
    assert json.dumps(restated.old.to_dict()) == before
    assert restated.new.gwp_g(2).value == pytest.approx(new_g)
    assert restated.new.gwp_g(3) == old.gwp_g(3)
    assert restated.new.energy_it == ENERGY


def test_what_is_not_electricity_stays_and_what_was_left_out_is_still_named():
    old = assess(ENERGY, known_place("FRA"), direct=[burnt(1)], left_out=["the cables"], notes=["by hand"])
    new = restate(old, known_place("POL", pue=1.5)).new
    assert new.gwp_g(1) == old.gwp_g(1)
    assert "the cables" in new.not_assessed
    assert "water on site" in new.not_assessed
    assert new.notes == ("by hand",)
    assert new.boundary.state("1", "use", "gwp") == "counted"


def test_the_difference_is_explained_and_reads_in_one_line():
    old = estimate_aposteriori(power_w=100, hours=10, place="FRA")
    restated = restate(old, known_place("FRA", grid_intensity_g_per_kwh=56.04))
    assert restated.why.ratio == pytest.approx(56.04 / 41.44)
    assert str(restated).startswith("was ≥ 41 g CO2e")
    assert "grid intensity ×1.352" in str(restated)


def test_a_footprint_of_no_known_energy_cannot_be_restated():
    place = known_place("FRA")
    with pytest.raises(UnitError, match="Only a footprint of electricity can be restated"):
        restate(Footprint((), (), place), place)
