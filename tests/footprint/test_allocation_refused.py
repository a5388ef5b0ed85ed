import math

import pandas as pd
import pytest

from greenai_magic.errors import GreenAIError
from greenai_magic.footprint.allocation import (
    allocate,
    client_usage,
    component_factors,
    monthly_emissions,
    region_factors,
)

CENTRES = pd.DataFrame({"centre": ["paris-1"], "region": ["france"]})


def one_of(component="blade", upstream_g=600_000.0, downstream_g=120_000.0):
    return pd.DataFrame(
        {"component": [component], "upstream_g": [upstream_g], "downstream_g": [downstream_g]}
    )


def bought(month="2020-01", pieces=1, **more):
    row = {"component": "blade", "centre": "paris-1", "bought": month, "pieces": pieces}
    return pd.DataFrame([row | more])


USAGE = pd.DataFrame({"region": ["france", "france"], "period": "2021-06", "direct_cost": [3.0, 1.0]})
OVERHEAD = pd.DataFrame({"region": ["france"], "period": ["2021-06"], "overhead_cost": [2.0]})
GOOD = {
    "components": one_of(),
    "procurement": bought(),
    "centres": CENTRES,
    "usage": USAGE,
    "overhead": OVERHEAD,
}


@pytest.mark.parametrize(("table", "column"), [(t, c) for t, frame in GOOD.items() for c in frame.columns])
def test_a_missing_column_is_named(table, column):
    tables = GOOD | {table: GOOD[table].drop(columns=column)}
    with pytest.raises(GreenAIError, match=f"^The {table} table has no columns '{column}'"):
        allocate(**tables)


@pytest.mark.parametrize("number", [-1.0, math.inf, math.nan, "many", None])
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("components", "upstream_g"),
        ("procurement", "pieces"),
        ("usage", "direct_cost"),
        ("overhead", "overhead_cost"),
    ],
)
def test_a_figure_that_cannot_be_is_named_with_its_row(table, column, number):
    frame = pd.concat([GOOD[table], GOOD[table]], ignore_index=True).astype({column: object})
    frame.loc[1, column] = number
    with pytest.raises(
        GreenAIError, match=rf"^Row 1 of the {table} table has the {column} \S+: give a number"
    ):
        allocate(**GOOD | {table: frame})


def test_a_negative_downstream_is_no_missing_one():
    with pytest.raises(GreenAIError, match="Row 0 of the components table has the downstream_g -5"):
        component_factors(one_of(downstream_g=-5.0))


@pytest.mark.parametrize("table", ["components", "centres", "overhead"])
def test_a_key_that_is_there_twice_is_refused(table):
    frame = pd.concat([GOOD[table], GOOD[table].iloc[:1]], ignore_index=True)
    with pytest.raises(GreenAIError, match=f"Row {len(frame) - 1} of the {table} table .* of another row"):
        allocate(**GOOD | {table: frame})


@pytest.mark.parametrize(
    ("table", "frame", "said"),
    [
        (
            "procurement",
            bought(component="rack"),
            "component rack, of which the component factors table has no",
        ),
        ("procurement", bought(centre="oslo"), "centre oslo, of which the centres table has no row"),
        ("procurement", bought(centre=None), "Row 0 of the procurement table has no centre"),
        ("procurement", bought("2020"), "bought 2020: write a month as 2024-05"),
        ("procurement", bought(None), "bought None: write a month"),
        ("procurement", bought("2020-13"), "bought 2020-13: write a month"),
        ("procurement", bought(scrapped="2019-12"), "scrapped before it is bought"),
        ("procurement", bought().iloc[:0], "The procurement table has no rows"),
        ("procurement", bought().to_dict(), "The procurement table cannot be a dict"),
        ("usage", USAGE.assign(region="norway"), "region and period norway, 2021-06, of which the overhead"),
        ("usage", USAGE.assign(direct_cost=0.0), "has overhead in its region and month and nobody's"),
        (
            "overhead",
            OVERHEAD.assign(period="2021-07"),
            "france, 2021-06, of which the overhead table has no row",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_sentence(table, frame, said):
    with pytest.raises(GreenAIError, match=said) as caught:
        allocate(**GOOD | {table: frame})
    assert "\n" not in str(caught.value)


def test_overhead_that_no_usage_would_carry_is_refused():
    more = pd.concat([OVERHEAD, OVERHEAD.assign(period="2021-07")], ignore_index=True)
    with pytest.raises(
        GreenAIError, match=r"Row 1 of the overhead table .* of which the usage table has no row"
    ):
        client_usage(USAGE, more)


@pytest.mark.parametrize(
    ("whole_g", "lower_bound", "cost"),
    [(1.0, False, 0.0), (1.0, True, 0.0), (0.0, True, 0.0), (1.0, False, 5e-324)],
)
def test_emissions_that_no_usage_would_carry_are_refused(whole_g, lower_bound, cost):
    regions = pd.DataFrame(
        {"region": ["france"], "period": "2021-06", "embodied_g": whole_g, "lower_bound": lower_bound}
    )
    with pytest.raises(GreenAIError, match="Row 0 of the region emissions table has no usage above 0"):
        region_factors(regions, client_usage(USAGE.assign(direct_cost=cost)))


def test_usage_in_a_region_without_hardware_is_not_zero():
    with pytest.raises(GreenAIError, match="norway, 2021-06, of which the region emissions table has no row"):
        allocate(one_of(), bought(), CENTRES, USAGE.assign(region=["france", "norway"]))


@pytest.mark.parametrize("life", [0, -72, 7.5, True, "72"])
def test_a_life_is_a_whole_number_of_months(life):
    with pytest.raises(GreenAIError, match="cannot live for"):
        allocate(**GOOD, life_months=life)


@pytest.mark.parametrize(
    ("span", "said"),
    [
        ({"first": "soon"}, "first month cannot be 'soon'"),
        ({"first": "2021-02", "last": "2021-01"}, "no months from"),
    ],
)
def test_months_that_are_none_are_refused(span, said):
    with pytest.raises(GreenAIError, match=said):
        monthly_emissions(bought(), component_factors(one_of()), **span)


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("floor", "The client emissions table has no columns 'floor'"),
        (["region", "floor"], "The client emissions table has no columns 'floor'"),
        ("embodied_g", "not by embodied_g: name some"),
        (["region", "lower_bound"], "not by region, lower_bound: name some"),
    ],
)
def test_a_view_by_what_is_no_tag_is_refused(by, said):
    with pytest.raises(GreenAIError, match=said):
        allocate(**GOOD, by=by)
