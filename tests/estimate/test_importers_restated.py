from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.errors import SettingError
from greenai_magic.estimate.importers import Imported, assessed, restated
from greenai_magic.footprint.impacts import assess
from greenai_magic.footprint.place import Place, known_place
from greenai_magic.quantity import Quantity

KWH = 3.6e6


def ours(kwh, pue, g_per_kwh):
    """Return a footprint of electricity from its three factors."""
    place = Place("there", "there", Quantity(g_per_kwh, "g CO2e/kWh"), Quantity(pue, "1"))
    return assess(Quantity(kwh * KWH, "J"), place)


def theirs(kwh, pue, g_per_kwh):
    return Imported(
        name="fit",
        started_at=None,
        duration=None,
        energy_it=Quantity(kwh * KWH, "J"),
        energy=Quantity(kwh * pue * KWH, "J"),
        co2e=Quantity(kwh * pue * g_per_kwh, "g CO2e"),
        place_name="FRA",
        pue=Quantity(pue, "1"),
        notes=(),
        source="codecarbon 3.3.2, emissions.csv",
    )


def ratios(text):
    return [float(number) for number in re.findall(r"x(\d+(?:\.\d+)?)", text)]


def test_one_run_with_another_intensity_and_pue():
    text = restated(theirs(10, 1.0, 56.04), ours(10, 1.5, 41.44))
    assert (
        "codecarbon 3.3.2, emissions.csv says 560 g CO2e; ours of its electricity is 622 g CO2e, x1.11"
        in text
    )
    assert "energy of the devices x1, PUE x1.50 (1 to 1.50)" in text
    assert "intensity x0.739 (56.0 g/kWh implied by its figures to 41.4)" in text


sizes = st.floats(0.01, 1e4)


@given(sizes, st.floats(1, 3), sizes, sizes, st.floats(1, 3), sizes)
def test_the_causes_multiply_to_the_difference(kwh, pue, g_per_kwh, our_kwh, our_pue, our_g_per_kwh):
    whole, *causes = ratios(restated(theirs(kwh, pue, g_per_kwh), ours(our_kwh, our_pue, our_g_per_kwh)))
    assert len(causes) == 3
    # Each is shown to three digits.
    assert math.prod(causes) == pytest.approx(whole, rel=0.025)
    assert causes[0] == pytest.approx(our_kwh / kwh, rel=0.006)
    assert causes[1] == pytest.approx(our_pue / pue, rel=0.006)
    assert causes[2] == pytest.approx(our_g_per_kwh / g_per_kwh, rel=0.006)


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ({"co2e": None}, "says no CO2e"),
        ({"energy": None}, "cannot be split"),
        ({"energy_it": None}, "cannot be split"),
        ({"co2e": Quantity(0, "g CO2e")}, "no ratio"),
        ({"energy": Quantity(0, "J"), "energy_it": Quantity(0, "J")}, "no ratio"),
    ],
)
def test_what_the_tool_left_out_is_said_and_no_ratio_invented(lost, said):
    text = restated(replace(theirs(10, 1.0, 56.04), **lost), ours(10, 1.5, 41.44))
    assert said in text
    assert ratios(text) == []


def test_the_energy_stays_and_the_co2e_is_ours():
    found = theirs(10, 1.2, 56.04)
    footprint = assessed(found)
    assert footprint.energy_it == found.energy_it
    assert footprint.place.code == "FRA"
    assert footprint.place.pue.value == 1.2
    assert footprint.gwp_g(2).value == pytest.approx(10 * 1.2 * 41.44)
    assert assessed(found, known_place("POL")).gwp_g(2).value == pytest.approx(10 * 588.6)


def test_without_energy_there_is_nothing_to_assess():
    with pytest.raises(SettingError, match="nothing to assess"):
        assessed(replace(theirs(10, 1.2, 56.04), energy_it=None))
