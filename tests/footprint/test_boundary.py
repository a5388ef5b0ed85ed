"""What a footprint covers: states, meaning, and the five points."""

import itertools
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.errors import BoundaryError
from greenai_magic.footprint.boundary import CRITERIA, EQUIPMENT, SCOPES, STAGES, Boundary, has_meaning
from greenai_magic.footprint.direct import burnt
from greenai_magic.footprint.embodied import lines_of, parts_named, with_transport
from greenai_magic.footprint.impacts import Line, assess
from greenai_magic.footprint.place import known_place
from greenai_magic.quantity import Quantity

ALL = list(itertools.product(SCOPES, STAGES, CRITERIA))
STATES = ["counted", "estimated", "not assessed", "not relevant"]
ENERGY = Quantity(3.6e6, "J")
boundaries = st.builds(
    Boundary,
    st.dictionaries(st.sampled_from(ALL), st.sampled_from(STATES)),
    st.lists(st.sampled_from(EQUIPMENT), unique=True).map(tuple),
    st.sampled_from(["", "training only, because it is one run"]),
)


@pytest.mark.parametrize(
    ("cell", "meaning"),
    [
        (("1", "use", "gwp"), True),
        (("1", "manufacture", "gwp"), False),
        (("2", "use", "gwp"), True),
        (("2", "transport", "gwp"), False),
        (("3", "manufacture", "gwp"), True),
        (("3", "end of life", "gwp"), True),
        (("1", "use", "water"), True),
        (("1", "use", "adpe"), False),
        (("2", "use", "adpf"), True),
        (("3", "end of life", "e-waste"), True),
        (("3", "manufacture", "e-waste"), False),
        (("2", "use", "e-waste"), False),
        (("3", "manufacture", "particulates"), True),
    ],
)
def test_which_cells_can_hold_a_figure(cell, meaning):
    assert has_meaning(*cell) is meaning
    assert Boundary().state(*cell) == ("not assessed" if meaning else "not relevant")


@given(boundaries)
def test_a_cell_is_what_was_said_of_it_or_else_not_assessed(boundary):
    for cell in ALL:
        default = "not assessed" if has_meaning(*cell) else "not relevant"
        assert boundary.state(*cell) == boundary.cells.get(cell, default)
    assert boundary.missing() == sorted(boundary.missing(), key=lambda cell: CRITERIA.index(cell[2]))
    assert set(boundary.missing()) == {cell for cell in ALL if boundary.state(*cell) == "not assessed"}


@given(boundaries)
def test_an_unmet_point_says_what_would_meet_it_and_a_met_one_nothing(boundary):
    points = boundary.points()
    assert len(points) == 5
    assert all(bool(point.advice) is not point.met for point in points)
    assert boundary.score() == sum(point.met for point in points)
    text = boundary.to_text()
    assert f"Completeness: {boundary.score()} of 5" in text
    assert all(point.advice in text for point in points)


@given(boundaries)
def test_nothing_is_lost_in_json_or_by_pickling(boundary):
    assert Boundary.from_dict(json.loads(json.dumps(boundary.to_dict()))) == boundary
    assert pickle.loads(pickle.dumps(boundary)) == boundary


@given(boundaries, st.sampled_from(ALL))
def test_knowing_more_never_lowers_the_score(boundary, cell):
    assert (
        Boundary({**boundary.cells, cell: "counted"}, boundary.covers, boundary.declared).score()
        >= boundary.score()
    )
    assert Boundary(boundary.cells, EQUIPMENT, "why").score() >= boundary.score()


@pytest.mark.parametrize("place", ["FRA", "world", "gcp/europe-west9"])
def test_a_run_with_nothing_but_its_electricity_scores_one_at_most(place):
    boundary = assess(ENERGY, known_place(place)).boundary
    assert boundary.score() <= 1
    advice = " ".join(point.advice for point in boundary.points())
    for lacking in ("1, 3", "manufacture", "transport", "end of life", "networks", "edge devices", "why"):
        assert lacking in advice


def test_electricity_of_which_only_the_carbon_is_known_scores_none():
    boundary = Boundary({("2", "use", "gwp"): "counted"})
    assert boundary.score() == 0
    assert "give one of water, adpe, adpf, e-waste" in boundary.points()[-1].advice


@pytest.mark.parametrize(
    "cell", [("2", "use", "water"), ("3", "manufacture", "adpe"), ("3", "end of life", "e-waste")]
)
def test_one_criterion_beside_carbon_is_not_only_carbon(cell):
    assert Boundary({cell: "estimated"}).points()[-1].met
    assert not Boundary({cell: "not relevant"}).points()[-1].met


def test_a_footprint_that_has_everything_scores_five():
    (laptop,) = parts_named("laptop")
    duration = Quantity(3600.0, "s")
    hardware = [
        *lines_of([with_transport(laptop, Quantity(5e3, "g CO2e"))], duration),
        Line("3", "end of life", "gwp", Quantity(1.0, "g CO2e", "declared"), "recycling"),
    ]
    declared = Boundary(covers=EQUIPMENT, declared="one training; staff and buildings are out, being shared")
    whole = assess(ENERGY, known_place("FRA"), hardware, direct=[burnt(1.0)], boundary=declared)
    assert whole.boundary.score() == 5
    assert "Completeness: 5 of 5" in whole.boundary.to_text()
    assert str(whole).startswith("≥")


def test_declared_not_relevant_is_no_gap():
    boundary = Boundary(
        {
            ("1", "use", "gwp"): "not relevant",
            ("2", "use", "gwp"): "counted",
            ("3", "manufacture", "gwp"): "estimated",
        }
    )
    assert boundary.points()[0].met


def test_all_criteria_have_a_row_and_what_is_unknown_is_a_question_mark():
    rows = Boundary().to_text().splitlines()
    for criterion in CRITERIA:
        (row,) = (row for row in rows if row.startswith(criterion))
        assert "?" in row
        assert "0" not in row


@pytest.mark.parametrize(
    "cells",
    [
        {("4", "use", "gwp"): "counted"},
        {("2", "making", "gwp"): "counted"},
        {("2", "use", "carbon"): "counted"},
        {("2", "use", "gwp"): "zero"},
        {("2", "use"): "counted"},
        {("2", "use", "gwp", "more"): "counted"},
        {"2 use gwp": "counted"},
        {2: "counted"},
    ],
)
def test_a_cell_that_there_is_not_is_refused(cells):
    with pytest.raises(BoundaryError):
        Boundary(cells)


def test_a_cell_that_there_is_not_has_no_state():
    with pytest.raises(BoundaryError, match="manufacture"):
        Boundary().state("3", "manufacturing", "gwp")


@pytest.mark.parametrize("covers", [("everything",), ("computers", ""), "computers"])
def test_equipment_that_there_is_not_is_refused(covers):
    with pytest.raises(BoundaryError, match="choose from"):
        Boundary(covers=covers)


def test_later_changes_to_the_cells_that_were_given_change_nothing():
    cells = {("2", "use", "gwp"): "counted"}
    boundary = Boundary(cells)
    cells.clear()
    assert boundary.state("2", "use", "gwp") == "counted"
    with pytest.raises(TypeError):
        boundary.cells["2", "use", "water"] = "counted"
