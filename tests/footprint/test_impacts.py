"""Footprints: linear in every factor, PUE once, scope 2 never added twice, nothing unknown shown as zero."""

import itertools
import json
import math
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from figures import figures, sizes
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.arithmetic import total
from greenai_magic.errors import BoundaryError, UnitError
from greenai_magic.footprint.boundary import Boundary
from greenai_magic.footprint.contributions import Contribution
from greenai_magic.footprint.direct import burnt
from greenai_magic.footprint.embodied import lines_of, parts_named
from greenai_magic.footprint.impacts import UNITS, Footprint, Line, assess
from greenai_magic.footprint.place import find_place, known_place
from greenai_magic.quantity import JOULES_PER_KWH, Quantity

ENERGY = Quantity(JOULES_PER_KWH, "J", "measured", "a counter", {"counter": 0.05}, name="device energy")
HOUR = Quantity(3600.0, "s", name="duration")
FRANCE = known_place("FRA")
CENTRE = known_place("FRA", pue=1.4, wue_l_per_kwh=0.5, market_intensity_g_per_kwh=12)
LAPTOP = lines_of(parts_named("laptop"), HOUR)
DIESEL = burnt(2.0)
factors = st.floats(1e-3, 1e3)
places = st.sampled_from(
    [FRANCE, CENTRE, known_place("world"), known_place("gcp/europe-west9"), known_place("USA")]
)
CRITERIA = tuple(UNITS)


def times(figure, factor):
    return replace(figure, value=figure.value * factor)


def values(footprint):
    return {(line.scope, line.criterion): line.quantity.value for line in footprint.lines}


@given(sizes, factors, places)
def test_every_line_of_electricity_is_linear_in_the_energy(joules, factor, place):
    energy = Quantity(joules, "J")
    one, more = values(assess(energy, place)), values(assess(times(energy, factor), place))
    assert one
    assert more == pytest.approx({key: value * factor for key, value in one.items()})


@given(st.floats(1, 5), st.floats(1, 5))
def test_pue_multiplies_all_that_is_used_off_site_once_and_water_on_site_never(one, other):
    a, b = (
        values(assess(ENERGY, known_place("FRA", pue=pue, wue_l_per_kwh=0.5, market_intensity_g_per_kwh=12)))
        for pue in (one, other)
    )
    on_site = ("1", "water")
    assert a[on_site] == b[on_site] == pytest.approx(0.5)
    for key in a.keys() - {on_site}:
        assert b[key] / a[key] == pytest.approx(other / one)


def test_pue_is_in_the_energy_and_the_co2e_and_never_in_both():
    footprint = assess(ENERGY, CENTRE)
    assert footprint.energy_it_j is ENERGY
    assert footprint.energy_j.value == pytest.approx(1.4 * JOULES_PER_KWH)
    assert footprint.gwp_g(2).value == pytest.approx(1.4 * CENTRE.grid_intensity.value)
    assert footprint.gwp_g(2).value == pytest.approx(
        footprint.energy_j.value / JOULES_PER_KWH * CENTRE.grid_intensity.value
    )


@given(st.floats(1, 3000), st.floats(1, 3000))
def test_co2e_is_linear_in_the_intensity(one, other):
    a, b = (assess(ENERGY, find_place(None, grid_intensity_g_per_kwh=g)).gwp_g(2) for g in (one, other))
    assert b.value / a.value == pytest.approx(other / one)


# Scope 2, two ways


@given(st.floats(1, 3000), st.floats(1, 3000), st.booleans())
def test_location_and_market_are_two_figures_that_are_never_added(grid, market, with_hardware):
    place = find_place(None, grid_intensity_g_per_kwh=grid, market_intensity_g_per_kwh=market)
    footprint = assess(ENERGY, place, LAPTOP if with_hardware else ())
    making = footprint.gwp_g(3).value if with_hardware else 0.0
    assert footprint.gwp_g(2).value == pytest.approx(grid)
    assert footprint.gwp_g(2, "market").value == pytest.approx(market)
    # The median of a sum may be above the sum of the medians, and never reaches the other figure's.
    location = total(
        [line.quantity for line in footprint.lines if line.criterion == "gwp" and "market" not in line.scope]
    )
    assert footprint.gwp_g().value == footprint.gwp.value == pytest.approx(location.value)
    assert footprint.gwp_g(None, "market").value == pytest.approx(market + making, rel=0.05)
    assert footprint.of("gwp").value == footprint.gwp.value


def test_a_declared_market_factor_of_zero_is_zero_there_and_nowhere_else():
    footprint = assess(ENERGY, known_place("FRA", market_intensity_g_per_kwh=0))
    assert footprint.gwp_g(2, "market").value == 0
    assert footprint.gwp_g(2).value == footprint.gwp_g().value == pytest.approx(FRANCE.grid_intensity.value)


def test_what_nobody_assessed_is_none_and_never_zero():
    footprint = assess(ENERGY, replace(FRANCE, ewif=None, adpe=None, adpf=None))
    assert footprint.gwp_g(1) is None
    assert footprint.gwp_g(3) is None
    assert footprint.gwp_g(2, "market") is None
    assert footprint.gwp_g(basis="market") is None
    assert footprint.water_l() is None
    assert [footprint.of(criterion) for criterion in ("adpe", "adpf", "e-waste")] == [None] * 3
    whole = assess(ENERGY, FRANCE, LAPTOP, direct=[DIESEL])
    assert whole.gwp_g(basis="market") is None
    assert (whole.gwp_g(3, "market"), whole.gwp_g(1, "market")) == (whole.gwp_g(3), whole.gwp_g(1))
    assert Footprint((), ("all",), FRANCE).energy_j is None
    assert str(Footprint((), ("all",), FRANCE)) == "not assessed"
    assert "nothing counted" in repr(Footprint((), ("all",), FRANCE))


@pytest.mark.parametrize("scope", [0, 4, "None", "2 location-based", "123", "", True, 2.0])
def test_a_scope_that_there_is_not_is_refused(scope):
    with pytest.raises(UnitError, match="scope 1, 2 or 3"):
        assess(ENERGY, FRANCE).gwp_g(scope)


def test_a_basis_or_a_criterion_that_there_is_not_is_refused():
    with pytest.raises(UnitError, match="location"):
        assess(ENERGY, FRANCE).gwp_g(2, "net")
    with pytest.raises(UnitError, match="primary energy"):
        assess(ENERGY, FRANCE).of("primary energy")


# At least


@given(
    places,
    st.booleans(),
    st.booleans(),
    st.sets(st.sampled_from(["networks", "software and services", "terminals", "edge devices"])),
)
def test_a_total_of_which_a_part_is_not_assessed_says_at_least(place, making, fuel, covers):
    boundary = Boundary(covers=("computers", *covers))
    footprint = assess(
        ENERGY, place, LAPTOP if making else (), direct=[DIESEL] if fuel else (), boundary=boundary
    )
    assert footprint.not_assessed
    assert str(footprint).startswith("≥ ")
    assert str(footprint) == str(footprint.gwp)
    assert footprint.gwp.at_least
    assert str(footprint.water_l()).startswith("≥ ")


def test_a_total_of_which_all_is_assessed_does_not():
    complete = Footprint(assess(ENERGY, FRANCE).lines, (), FRANCE)
    assert f"≥ {complete}" == str(assess(ENERGY, FRANCE))
    assert not complete.gwp_g().at_least


def test_a_run_alone_names_networks_terminals_storage_staff_and_buildings():
    named = " ".join(assess(ENERGY, FRANCE).not_assessed)
    for part in ("networks", "terminals", "storage", "staff", "buildings"):
        assert part in named


def test_what_the_boundary_covers_is_no_longer_named_and_the_rest_still_is():
    named = " ".join(assess(ENERGY, FRANCE, boundary=Boundary(covers=("computers", "networks"))).not_assessed)
    assert "networks" not in named
    for part in ("terminals", "storage", "staff", "buildings"):
        assert part in named


@given(places, st.booleans())
def test_all_eight_criteria_are_counted_or_named_and_none_is_zero_without_data(place, making):
    footprint = assess(ENERGY, place, LAPTOP if making else ())
    named = " ".join(footprint.not_assessed)
    words = {
        "gwp": "CO2e",
        "water": "water",
        "adpe": "abiotic resources",
        "adpf": "fossil resources",
        "e-waste": "electronic waste",
        "ecotoxicity": "ecotoxicity",
        "particulates": "particulates",
        "ionising radiation": "ionising radiation",
    }
    for criterion, word in words.items():
        counted = criterion in UNITS and footprint.of(criterion) is not None
        assert counted or word in named
        if counted:
            assert footprint.of(criterion).value > 0


def test_what_hardware_lacks_is_named_beside_what_electricity_has():
    named = assess(ENERGY, FRANCE, LAPTOP).not_assessed
    assert "water of the hardware" in named
    assert "fossil resources of the hardware" in named
    assert "abiotic resources (metals and minerals) of the hardware" in named
    assert "scope 3: transport and end of life of the hardware" in named
    assert "electronic waste" not in named


def test_water_on_site_is_not_relevant_at_a_desk_and_not_assessed_in_a_data_centre():
    assert assess(ENERGY, FRANCE).boundary.state("1", "use", "water") == "not relevant"
    centre = assess(ENERGY, known_place("FRA", pue=1.3))
    assert centre.boundary.state("1", "use", "water") == "not assessed"
    assert "water on site" in centre.not_assessed


# Less is known


def log_width(figure):
    return math.log(figure.high / figure.low) if figure.low else math.inf


@pytest.mark.parametrize("energy_sd", [0.0, 0.05, 0.15])
def test_the_interval_grows_as_less_is_known_of_the_place(energy_sd):
    energy = replace(ENERGY, spread={"counter": energy_sd})

    def width(*name, **declared):
        return log_width(assess(energy, find_place(*name, **declared)).gwp)

    own_factor = width(None, grid_intensity_g_per_kwh=41)
    assert own_factor < width("FRA") < width(None)
    assert width("FRA") < width("FRA", pue=1.4)
    assert width("FRA", pue=1.4) < width("FRA", wue_l_per_kwh=0.5)


@given(figures(), st.floats(0.01, 0.5), places)
def test_a_less_sure_energy_never_gives_a_surer_footprint(energy, more, place):
    worse = replace(energy, spread={**energy.spread, "a": energy.spread.get("a", 0.0) + more})
    sure, unsure = (assess(joules, place).gwp for joules in (energy, worse))
    assert unsure.log_sd >= sure.log_sd
    assert unsure.high >= sure.high * (1 - 1e-9)
    assert unsure.low <= sure.low * (1 + 1e-9)


# Sums


def groups(lines, key):
    return [list(of) for _, of in itertools.groupby(sorted(lines, key=key), key)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["1", "2 location-based", "3"]),
            st.sampled_from(["manufacture", "transport", "use", "end of life"]),
            sizes,
            st.floats(0, 0.5),
            st.sampled_from("ab"),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_parts_by_scope_or_stage_add_up_to_the_whole(drawn):
    lines = tuple(
        Line(scope, stage, "gwp", Quantity(grams, "g CO2e", spread={cause: sd}))
        for scope, stage, grams, sd, cause in drawn
    )
    footprint = Footprint(lines, (), FRANCE)

    def mean(figure):
        return figure.value * math.exp(figure.log_sd**2 / 2)

    for key in (lambda line: line.scope[0], lambda line: line.stage):
        parts = [total([line.quantity for line in of]) for of in groups(lines, key)]
        # Medians do not add up and means do: nothing is lost and nothing is counted twice.
        assert sum(map(mean, parts)) == pytest.approx(mean(footprint.gwp))
        assert total(parts).value == pytest.approx(footprint.gwp.value, rel=0.02)
    scopes = [footprint.gwp_g(scope) for scope in (1, 2, 3)]
    assert sum(mean(figure) for figure in scopes if figure) == pytest.approx(mean(footprint.gwp))


@given(places, st.sampled_from(CRITERIA))
def test_a_criterion_is_the_sum_of_its_lines_and_of_no_others(place, criterion):
    footprint = assess(ENERGY, place, LAPTOP, direct=[DIESEL])
    lines = [
        line.quantity
        for line in footprint.lines
        if line.criterion == criterion and "market" not in line.scope
    ]
    found = footprint.of(criterion)
    assert found.unit == UNITS[criterion]
    assert found.value == pytest.approx(total(lines).value)


# Keeping


WHOLE = assess(
    ENERGY,
    CENTRE,
    LAPTOP,
    direct=[DIESEL],
    boundary=Boundary(covers=("computers", "networks"), declared="one run"),
    activity={"device_time": HOUR},
    contributions=[Contribution("offset", Quantity(5.0, "g CO2e"), "trees")],
    left_out=["a thing"],
    notes=["a note"],
)


@pytest.mark.parametrize("footprint", [WHOLE, assess(ENERGY, FRANCE), Footprint((), ("all",), FRANCE)])
def test_nothing_is_lost_in_json_or_by_pickling(footprint):
    assert Footprint.from_dict(json.loads(json.dumps(footprint.to_dict()))) == footprint
    assert pickle.loads(pickle.dumps(footprint)) == footprint


def test_records_made_before_there_were_boundaries_can_be_read():
    new = {"energy_it", "boundary", "activity", "contributions", "notes"}
    old = {key: part for key, part in json.loads(json.dumps(WHOLE.to_dict())).items() if key not in new}
    for line in old["lines"]:
        del line["item"]
    read = Footprint.from_dict(old)
    assert [line.quantity for line in read.lines] == [line.quantity for line in WHOLE.lines]
    assert read.gwp == WHOLE.gwp
    assert read.not_assessed == WHOLE.not_assessed
    assert (read.energy_it_j, read.energy_j, read.boundary) == (None, None, None)
    assert str(read).startswith("≥")
    with pytest.raises(BoundaryError, match="no boundary"):
        read.export()


def test_a_record_as_the_first_version_wrote_it_can_be_read():
    plain = json.loads((Path(__file__).parent / "first_version.json").read_text(encoding="utf-8"))
    read = Footprint.from_dict(plain)
    assert read.gwp.value == pytest.approx(plain["lines"][0]["quantity"]["value"])
    assert read.place.name == "France"
    assert Footprint.from_dict(json.loads(json.dumps(read.to_dict()))) == read


def test_an_export_has_the_boundary_in_it():
    plain = WHOLE.export()
    assert plain == WHOLE.to_dict()
    assert Boundary.from_dict(plain["boundary"]) == WHOLE.boundary


@given(st.floats(0, 1e12), st.sampled_from(["offset", "avoided", "provider offset claim"]))
def test_no_contribution_changes_any_figure(grams, kind):
    claim = Contribution(kind, Quantity(grams, "g CO2e"))
    without, with_claim = (
        assess(ENERGY, CENTRE, LAPTOP),
        assess(ENERGY, CENTRE, LAPTOP, contributions=[claim]),
    )
    assert replace(with_claim, contributions=()) == without
    assert with_claim.to_dict() | {"contributions": []} == without.to_dict()


# What is refused


@pytest.mark.parametrize("unit", ["Wh", "kWh", "W", "s", "g CO2e"])
def test_a_footprint_is_of_joules(unit):
    with pytest.raises(UnitError, match="joules"):
        assess(Quantity(1.0, unit), FRANCE)


def test_a_marginal_intensity_makes_no_footprint():
    with pytest.raises(UnitError, match="marginal"):
        assess(ENERGY, replace(FRANCE, marginal=True))


@pytest.mark.parametrize(
    ("scope", "stage", "criterion", "unit", "error"),
    [
        ("2", "use", "gwp", "g CO2e", BoundaryError),
        ("", "use", "gwp", "g CO2e", BoundaryError),
        ("3", "making", "gwp", "g CO2e", BoundaryError),
        ("3", "use", "gwp", "kg CO2e", UnitError),
        ("3", "use", "water", "g", UnitError),
        ("3", "use", "particulates", "g", UnitError),
    ],
)
def test_a_line_has_a_scope_a_stage_a_criterion_and_its_unit(scope, stage, criterion, unit, error):
    with pytest.raises(error):
        Line(scope, stage, criterion, Quantity(1.0, unit))


def test_a_boundary_cannot_say_counted_of_what_no_line_gives():
    claimed = Boundary({("1", "use", "gwp"): "counted"})
    with pytest.raises(BoundaryError, match="no line gives a figure"):
        assess(ENERGY, FRANCE, boundary=claimed)
    assert assess(ENERGY, FRANCE, direct=[DIESEL], boundary=claimed).gwp_g(1).value == DIESEL.quantity.value


def test_a_line_wins_over_a_cell_that_is_declared_not_relevant():
    declared = Boundary({("1", "use", "gwp"): "not relevant"})
    assert "fuel" not in " ".join(assess(ENERGY, FRANCE, boundary=declared).not_assessed)
    assert (
        assess(ENERGY, FRANCE, direct=[DIESEL], boundary=declared).boundary.state("1", "use", "gwp")
        == "counted"
    )


def test_a_restated_footprint_keeps_its_boundary():
    again = assess(
        ENERGY,
        known_place("DEU"),
        LAPTOP,
        direct=[DIESEL],
        boundary=assess(ENERGY, FRANCE, LAPTOP, direct=[DIESEL]).boundary,
    )
    assert again.boundary == assess(ENERGY, FRANCE, LAPTOP, direct=[DIESEL]).boundary


def test_what_to_measure_next_is_the_cause_that_sways_most():
    bars = assess(replace(ENERGY, spread={"counter": 0.9}), FRANCE).tornado()
    assert bars[0].cause == "counter"
    assert sum(bar.share for bar in bars) == pytest.approx(1)


def test_two_footprints_are_compared_with_what_they_share_cancelled():
    first, second = (assess(replace(ENERGY, value=joules), known_place("FRA")) for joules in (3.6e6, 3.0e6))
    assert first.compare(second).verdict == "second is lower"
    assert second.compare(first).verdict == "first is lower"
    assert first.compare(first).verdict == "indistinguishable"
