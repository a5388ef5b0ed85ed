"""Offsets and avoided emissions stand beside a footprint and change nothing in it."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from figures import figures
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.errors import UnitError
from greenai_magic.footprint.contributions import Contribution, Kind, contributions_text
from greenai_magic.footprint.direct import burnt
from greenai_magic.footprint.embodied import lines_of, parts_named
from greenai_magic.footprint.impacts import UNITS, Footprint, assess
from greenai_magic.footprint.place import find_place
from greenai_magic.quantity import Quantity, show

DURATION = Quantity(3600.0, "s", name="duration")
PLACES = [
    find_place("FRA", market_intensity_g_per_kwh=0),
    find_place("gcp/europe-west9", wue_l_per_kwh=0.3),
    find_place("world"),
]
HARDWARE = [(), lines_of(parts_named("8 A100 SXM + gpu server"), DURATION)]
DIRECT = [(), (burnt(2.0),)]

amounts = st.one_of(
    figures("g CO2e"),
    st.floats(0.0, 1e300).map(lambda grams: Quantity(grams, "g CO2e", "declared", name="offset")),
)
contributions = st.builds(Contribution, st.sampled_from(get_args(Kind)), amounts, st.text(max_size=20))
several = st.lists(contributions, min_size=1, max_size=4)


def everything_said_by(footprint: Footprint) -> str:
    """Return all but the contributions as text, in which no two floats read the same."""
    plain = [footprint.to_dict(), footprint.export(), Footprint.from_dict(footprint.to_dict()).to_dict()]
    for one in plain:
        del one["contributions"]
    asked = {
        "gwp": footprint.gwp,
        "water": footprint.water_l(),
        "energy": footprint.energy_j,
        "energy of the devices": footprint.energy_it_j,
        **{criterion: footprint.of(criterion) for criterion in UNITS},
        **{f"{s} {b}": footprint.gwp_g(s, b) for s in (None, 1, 2, 3) for b in ("location", "market")},
    }
    told = {name: figure and (figure.to_dict(), figure.low, figure.high) for name, figure in asked.items()}
    shown = [str(footprint), repr(footprint), repr(footprint.tornado()), repr(footprint.not_assessed)]
    return json.dumps([plain, told, shown])


@given(figures(), st.sampled_from(PLACES), st.sampled_from(HARDWARE), st.sampled_from(DIRECT), several)
def test_no_contribution_changes_a_bit_of_the_footprint(energy, place, hardware, direct, given_to):
    alone = assess(energy, place, hardware, direct=direct)
    beside = assess(energy, place, hardware, direct=direct, contributions=given_to)
    assert everything_said_by(beside) == everything_said_by(alone)


@given(several)
def test_contributions_are_kept_as_they_were_told(given_to):
    footprint = assess(Quantity(1e6, "J"), PLACES[0], contributions=given_to)
    stored = json.loads(json.dumps(footprint.export()))
    again = Footprint.from_dict(stored).contributions
    assert [one.to_dict() for one in again] == [one.to_dict() for one in given_to]
    assert stored["contributions"] == [one.to_dict() for one in given_to]


@given(several)
def test_their_table_is_their_own_and_says_that_nothing_is_deducted(given_to):
    text = contributions_text(given_to)
    head = text.splitlines()[0]
    assert "not part of the footprint" in head
    assert "not deducted" in head
    for one in given_to:
        assert f"{one.kind:<22} {show(one.amount)}" in text


def test_each_contribution_has_a_line_with_its_note():
    amount = Quantity(2e6, "g CO2e", "declared", name="offset")
    text = contributions_text(
        [Contribution("offset", amount, "trees, by us"), Contribution("avoided", amount)]
    )
    first, second = text.splitlines()[1:]
    assert first.split() == ["offset", "2.00", "t", "CO2e", "trees,", "by", "us"]
    assert second.split() == ["avoided", "2.00", "t", "CO2e"]


@pytest.mark.parametrize(("kind", "unit"), [("discount", "g CO2e"), ("offset", "J"), ("offset", "L")])
def test_what_is_no_contribution_is_refused(kind, unit):
    with pytest.raises(UnitError, match="A contribution is one of offset, avoided, provider offset claim"):
        Contribution(kind, Quantity(1.0, unit))
