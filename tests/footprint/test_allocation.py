import math

import figures  # noqa: F401  gives Hypothesis its profile
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from greenai_magic.footprint.allocation import (
    UNTAGGED,
    allocate,
    client_emissions,
    client_usage,
    component_factors,
    monthly_emissions,
    region_emissions,
    region_factors,
    view,
)

COMPONENTS = ["blade", "disk", "power supply"]
REGION_OF = {"paris-1": "france", "paris-2": "france", "dublin": "ireland"}
CENTRES = pd.DataFrame({"centre": list(REGION_OF), "region": list(REGION_OF.values())})
TAGS = ["client", "service", "region", "centre", "period"]

grams = st.floats(1.0, 1e7)
costs = st.one_of(st.just(0.0), st.floats(1e-3, 1e6))


def same(one, other):
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


def months(first, count):
    return [str(month) for month in pd.period_range(first, periods=count, freq="M")]


@st.composite
def components(draw, *, assessed=True):
    count = len(COMPONENTS)
    downstream = grams if assessed else st.one_of(st.none(), grams)
    return pd.DataFrame(
        {
            "component": COMPONENTS,
            "upstream_g": draw(st.lists(grams, min_size=count, max_size=count)),
            "downstream_g": pd.Series(
                draw(st.lists(downstream, min_size=count, max_size=count)), dtype=float
            ),
        }
    )


@st.composite
def procurements(draw):
    order = st.tuples(
        st.sampled_from(COMPONENTS),
        st.sampled_from(list(REGION_OF)),
        st.sampled_from(months("2019-01", 30)),
        st.integers(0, 500),
        st.one_of(st.none(), st.sampled_from(months("2021-07", 60))),
    )
    orders = draw(st.lists(order, min_size=1, max_size=8))
    return pd.DataFrame(orders, columns=["component", "centre", "bought", "pieces", "scrapped"])


@st.composite
def usages(draw, periods=("2021-06", "2021-07")):
    """Every region and month has a client that uses it, and any number of others."""
    sure = [
        ("a", None, region, centre, period, draw(st.floats(1e-3, 1e6)))
        for centre, region in REGION_OF.items()
        for period in periods
    ]
    other = st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["storage", "training", "", None]),
        st.sampled_from(list(REGION_OF)),
        st.booleans(),
        st.sampled_from(periods),
        costs,
    )
    more = [
        (client, service, REGION_OF[centre], centre if told else None, period, cost)
        for client, service, centre, told, period, cost in draw(st.lists(other, max_size=12))
    ]
    return pd.DataFrame([*sure, *more], columns=[*TAGS, "direct_cost"])


@st.composite
def overheads(draw, periods=("2021-06", "2021-07")):
    keys = [(region, period) for region in sorted(set(REGION_OF.values())) for period in periods]
    rows = [(*key, draw(costs)) for key in keys]
    return pd.DataFrame(rows, columns=["region", "period", "overhead_cost"])


def one_of(component="blade", upstream_g=600_000.0, downstream_g=120_000.0):
    return pd.DataFrame(
        {"component": [component], "upstream_g": [upstream_g], "downstream_g": [downstream_g]}
    )


def bought(month="2020-01", pieces=1, **more):
    row = {"component": "blade", "centre": "paris-1", "bought": month, "pieces": pieces}
    return pd.DataFrame([row | more])


# Step 1


def test_a_factor_is_upstream_and_downstream():
    factors = component_factors(one_of())
    assert factors["embodied_g"].tolist() == [720_000.0]
    assert factors["state"].tolist() == ["counted"]


def test_a_missing_downstream_is_not_assessed_and_never_zero():
    factors = component_factors(one_of(downstream_g=None))
    assert factors[["downstream_g", "embodied_g"]].isna().all(axis=None)
    assert factors["state"].tolist() == ["not assessed"]


# Step 2


def test_a_piece_counts_the_same_for_72_months_and_then_nothing():
    monthly = monthly_emissions(bought(), component_factors(one_of()), last="2026-12")
    assert monthly["embodied_g"].tolist() == [pytest.approx(10_000.0, rel=1e-12)] * 72 + [0.0] * 12
    assert monthly["period"].astype(str).tolist() == months("2020-01", 84)


@given(components(), procurements(), st.integers(1, 120))
def test_the_months_of_all_lives_add_up_to_what_was_bought(parts, orders, life):
    factors = component_factors(parts)
    monthly = monthly_emissions(orders, factors, life_months=life)
    each = orders["component"].map(factors.set_index("component")["embodied_g"])
    assert same(monthly["embodied_g"].sum(), (each * orders["pieces"]).sum())
    by_centre = monthly.groupby("centre")["embodied_g"].sum()
    for centre, whole in (each * orders["pieces"]).groupby(orders["centre"]).sum().items():
        assert same(by_centre[centre], whole)


@given(components(), procurements())
def test_after_every_life_the_months_are_exactly_zero(parts, orders):
    end = pd.PeriodIndex(orders["bought"], freq="M").max() + 71
    later = monthly_emissions(orders, component_factors(parts), first=end + 1, last=end + 12)
    assert len(later) == 12 * orders["centre"].nunique()
    assert (later["embodied_g"] == 0).all()
    assert not later["lower_bound"].any()


@given(grams, grams, st.integers(1, 1000), st.integers(0, 71))
def test_scrapping_early_takes_nothing_away(up, down, pieces, age):
    factors = component_factors(one_of(upstream_g=up, downstream_g=down))
    kept = monthly_emissions(bought(pieces=pieces), factors)
    scrapped = monthly_emissions(bought(pieces=pieces, scrapped=months("2020-01", 72)[age]), factors)
    assert_frame_equal(scrapped, kept)


def test_scrapped_at_month_48_all_is_counted_at_month_72():
    factors = component_factors(one_of())
    monthly = monthly_emissions(bought(scrapped="2024-01"), factors, last="2025-12")
    assert same(monthly["embodied_g"].sum(), 720_000.0)


@given(components(), procurements(), st.integers(-80, 80), st.integers(0, 100))
def test_a_range_of_months_is_a_part_of_all_months(parts, orders, offset, length):
    factors = component_factors(parts)
    first = pd.Period("2020-01", freq="M") + offset
    part = monthly_emissions(orders, factors, first=first, last=first + length)
    whole = monthly_emissions(orders, factors)
    everything = whole.set_index(["centre", "period"])["embodied_g"]
    assert set(part["period"]) == set(pd.period_range(first, periods=length + 1, freq="M"))
    for row in part.itertuples():
        assert same(row.embodied_g, everything.get((row.centre, row.period), 0.0))


@pytest.mark.parametrize(
    "month",
    [
        "2020-01",
        "2020-01-31",
        pd.Timestamp(2020, 1, 15),
        pd.Period("2020-01"),
        pd.Timestamp(2020, 1, 1).date(),
    ],
)
def test_a_month_may_be_text_a_date_or_a_period(month):
    factors = component_factors(one_of())
    assert_frame_equal(monthly_emissions(bought(month), factors), monthly_emissions(bought(), factors))


@given(components(assessed=False), procurements())
def test_what_lacks_a_downstream_counts_its_upstream_and_is_flagged_for_its_life(parts, orders):
    factors = component_factors(parts)
    monthly = monthly_emissions(orders, factors).set_index(["centre", "period"])
    known = parts.set_index("component").fillna({"downstream_g": 0.0})
    whole = orders["component"].map(known["upstream_g"] + known["downstream_g"]) * orders["pieces"]
    assert same(monthly["embodied_g"].sum(), whole.sum())
    lacking = set(parts.loc[parts["downstream_g"].isna(), "component"])
    flagged = {
        (order.centre, month)
        for order in orders.itertuples()
        if order.component in lacking and order.pieces
        for month in pd.period_range(order.bought, periods=72, freq="M")
    }
    assert set(monthly.index[monthly["lower_bound"]]) == flagged


# Step 3


@given(components(assessed=False), procurements())
def test_a_region_is_the_sum_of_its_centres(parts, orders):
    monthly = monthly_emissions(orders, component_factors(parts))
    regions = region_emissions(monthly, CENTRES)
    centres = monthly.pivot_table(index="period", columns="centre", values=["embodied_g", "lower_bound"])
    for region, rows in regions.groupby("region"):
        own = [centre for centre in monthly["centre"].unique() if REGION_OF[centre] == region]
        expected = centres["embodied_g"][own].sum(axis=1)
        assert rows["embodied_g"].tolist() == pytest.approx(expected.tolist(), rel=1e-9)
        assert rows["lower_bound"].tolist() == centres["lower_bound"][own].any(axis=1).tolist()
    assert same(regions["embodied_g"].sum(), monthly["embodied_g"].sum())


# Steps 4 to 6


@given(usages(), overheads())
def test_usage_adds_up_to_direct_use_and_overhead(table, extra):
    used = client_usage(table, extra)
    assert same(used["usage_cost"].sum(), table["direct_cost"].sum() + extra["overhead_cost"].sum())


@given(components(), procurements(), usages(), overheads())
def test_overhead_changes_no_share(parts, orders, table, extra):
    orders = every_region_has(orders)
    with_it = allocate(parts, orders, CENTRES, table, extra)
    without = allocate(parts, orders, CENTRES, table)
    assert with_it["embodied_g"].tolist() == pytest.approx(without["embodied_g"].tolist(), rel=1e-9, abs=1e-9)


def regions_of(whole_g, *, lower_bound=False):
    row = {"region": "france", "period": "2021-06", "embodied_g": whole_g, "lower_bound": lower_bound}
    return pd.DataFrame([row])


def shared(direct, whole_g, overhead=None, **flags):
    table = pd.DataFrame({"region": "france", "period": "2021-06", "direct_cost": direct})
    extra = overhead and pd.DataFrame([{"region": "france", "period": "2021-06", "overhead_cost": overhead}])
    used = client_usage(table, extra)
    return client_emissions(used, region_factors(regions_of(whole_g, **flags), used))


@pytest.mark.parametrize("overhead", [None, 50.0, 1e6])
def test_a_30_to_70_split_of_1000_kg(overhead):
    clients = shared([30.0, 70.0], 1_000_000.0, overhead)
    assert clients["embodied_g"].tolist() == pytest.approx([300_000.0, 700_000.0], rel=1e-12)


@given(st.lists(costs, min_size=1, max_size=6).filter(any), st.floats(0, 1e9), st.floats(0.01, 1e6))
def test_clients_share_all_their_region_has(direct, whole_g, overhead):
    assert same(shared(direct, whole_g, overhead)["embodied_g"].sum(), whole_g)


def test_a_factor_is_emissions_by_unit_of_usage():
    used = client_usage(pd.DataFrame({"region": ["france"], "period": "2021-06", "direct_cost": 8.0}))
    factors = region_factors(regions_of(100.0), used)
    assert factors["factor_g_per_cost"].tolist() == [12.5]
    assert factors["usage_cost"].tolist() == [8.0]


def test_what_is_made_from_a_lower_bound_is_one():
    assert shared([1.0, 2.0], 100.0, lower_bound=True)["lower_bound"].all()
    assert not shared([1.0, 2.0], 100.0)["lower_bound"].any()


def test_nothing_to_share_needs_no_usage():
    assert shared([0.0], 0.0)["embodied_g"].tolist() == [0.0]


# Step 7 and all of them


@given(
    components(assessed=False),
    procurements(),
    usages(),
    st.lists(st.sampled_from(TAGS), min_size=1, max_size=5),
)
def test_every_view_has_the_same_total(parts, orders, table, by):
    orders = every_region_has(orders)
    clients = allocate(parts, orders, CENTRES, table)
    seen = view(clients, by)
    assert same(seen["embodied_g"].sum(), clients["embodied_g"].sum())
    assert not seen.duplicated(list(dict.fromkeys(by))).any()
    assert seen["lower_bound"].any() == clients["lower_bound"].any()
    assert_frame_equal(allocate(parts, orders, CENTRES, table, by=by), seen)


def every_region_has(orders):
    more = pd.DataFrame({"component": "blade", "centre": list(REGION_OF), "bought": "2021-01", "pieces": 1})
    return pd.concat([orders.drop(columns="scrapped"), more], ignore_index=True)


@given(components(), procurements(), st.data())
def test_from_the_factory_to_the_clients_nothing_is_lost(parts, orders, data):
    orders = every_region_has(orders)
    factors = component_factors(parts)
    each = orders["component"].map(factors.set_index("component")["embodied_g"])
    begin = pd.PeriodIndex(orders["bought"], freq="M").min()
    end = pd.PeriodIndex(orders["bought"], freq="M").max() + 71
    periods = [str(month) for month in pd.period_range(begin, end, freq="M")]
    table = pd.DataFrame(
        [("a", region, month) for region in set(REGION_OF.values()) for month in periods],
        columns=["client", "region", "period"],
    )
    table = pd.concat([table, table.assign(client="b")], ignore_index=True)
    table["direct_cost"] = [1.0 + data.draw(costs)] * (len(table) // 2) + [2.0] * (len(table) // 2)
    clients = allocate(parts, orders, CENTRES, table)
    assert same(clients["embodied_g"].sum(), (each * orders["pieces"]).sum())


def test_the_months_shared_are_those_of_the_usage():
    table = pd.DataFrame({"region": ["france"], "period": "2021-06", "direct_cost": 5.0})
    clients = allocate(one_of(), bought(), CENTRES, table)
    assert clients["embodied_g"].tolist() == [pytest.approx(10_000.0, rel=1e-12)]


def test_rows_without_a_tag_are_untagged_and_not_dropped():
    clients = pd.DataFrame(
        {
            "service": ["storage", None, "", float("nan"), "storage"],
            "embodied_g": [1.0, 2.0, 3.0, 4.0, 5.0],
            "lower_bound": [False, True, False, False, False],
        }
    )
    seen = view(clients, "service")
    assert seen.set_index("service")["embodied_g"].to_dict() == {"storage": 6.0, UNTAGGED: 9.0}
    assert seen.set_index("service")["lower_bound"].to_dict() == {"storage": False, UNTAGGED: True}


@given(components(assessed=False), procurements(), usages(), overheads())
def test_the_users_tables_stay_as_they_were(parts, orders, table, extra):
    given_tables = [parts, every_region_has(orders), CENTRES, table, extra]
    before = [one.copy(deep=True) for one in given_tables]
    allocate(*given_tables, by="client")
    for one, copy in zip(given_tables, before, strict=True):
        assert_frame_equal(one, copy)


def test_usage_keeps_its_rows_and_its_index():
    table = pd.DataFrame(
        {"client": ["x", "y"], "region": "france", "period": "2021-06", "direct_cost": [3, 1]},
        index=["p", "q"],
    )
    clients = allocate(one_of(), bought(), CENTRES, table)
    assert clients.index.tolist() == ["p", "q"]
    assert clients["embodied_g"].to_dict() == {"p": pytest.approx(7500.0), "q": pytest.approx(2500.0)}
