"""Why two footprints differ: causes whose product is the ratio, exactly."""

import math
import re
from dataclasses import replace

import pytest
from figures import sizes
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai_magic.errors import UnitError
from greenai_magic.estimate import estimate_aposteriori, estimate_apriori, reconcile
from greenai_magic.footprint.direct import burnt
from greenai_magic.footprint.impacts import Footprint, assess
from greenai_magic.footprint.place import known_place
from greenai_magic.quantity import JOULES_PER_KWH, Quantity

GPT3 = 3.14e23
A100 = "A100 PCIe 40GB"


def factors_of(reconciliation):
    return {cause.name: cause.factor for cause in reconciliation.causes}


# Anthony et al. 2020 (arXiv:2007.03051) against Patterson et al. 2021 (arXiv:2104.10350), Table 4.
ANTHONY = estimate_apriori(
    GPT3, flop_per_s=130e12, power_w=250, pue=1.125, grid_intensity_g_per_kwh=449.06, count=10_000
)
PATTERSON = estimate_apriori(
    GPT3, flop_per_s=24.6e12, power_w=330, pue=1.10, grid_intensity_g_per_kwh=429, count=10_000
)


def test_the_two_footprints_of_gpt_3():
    assert ANTHONY.gwp.value / 1e6 == pytest.approx(84.738, rel=1e-4)
    assert PATTERSON.gwp.value / 1e6 == pytest.approx(552.1, rel=2e-3)
    told = reconcile(ANTHONY, PATTERSON)
    assert {name: round(factor, 3) for name, factor in factors_of(told).items()} == {
        "operations": 1.0, "throughput": 5.285, "power": 1.32, "load": 1.0, "PUE": 0.978, "grid intensity": 0.955,
    }  # fmt: skip
    assert math.prod(factors_of(told).values()) == pytest.approx(told.ratio, rel=1e-9)
    assert re.fullmatch(
        r"≥ 85 t CO2e \(.*\) and ≥ 550 t CO2e \(.*\) differ by ×6\.51\d: throughput ×5\.285 \(130 TFLOP/s → 24\.6 TFLOP/s\), "
        r"power ×1\.320 \(250 W → 330 W\), grid intensity ×0\.9553 \(449 g CO2e/kWh → 429 g CO2e/kWh\), "
        r"PUE ×0\.9778 \(1\.1[23] → 1\.10\)\.",
        str(told),
    ), str(told)


def footprints(joules, place, made=""):
    apriori = estimate_apriori(joules, flop_per_s=1e9, power_w=100, place=place, hardware=made or ())
    measured = assess(
        Quantity(joules, "J", "measured", "a counter"),
        known_place(place, pue=1.2),
        activity={"device_time": Quantity(7.0, "s"), "power": Quantity(joules / 7, "W")},
    )
    return [
        apriori,
        estimate_aposteriori(power_w=joules, hours=1, place=place, hardware=made or ()),
        estimate_aposteriori(A100, hours=joules, place=place, embodied=True, flops=joules * 1e6),
        estimate_aposteriori(A100, hours=1, count=joules, pue=1.3, memory_gb=64, load=0.7),
        measured,
        replace(measured, activity={}),
        estimate_aposteriori(power_w=250, hours=joules, grid_intensity_g_per_kwh=41, mode="green_algorithms"),
    ]


def pairs(joules, others, place, made):
    for first in footprints(joules, "FRA"):
        for second in footprints(others, place, made):
            yield first, second


@settings(max_examples=15)
@given(
    st.floats(10, 1e5),
    st.floats(10, 1e5),
    st.sampled_from(["FRA", "world", "gcp/us-central1"]),
    st.sampled_from(["", "laptop"]),
)
def test_the_product_of_the_causes_is_the_ratio_and_turns_over_with_it(joules, others, place, made):
    for first, second in pairs(joules, others, place, made):
        there, back = reconcile(first, second), reconcile(second, first)
        assert there.ratio == pytest.approx(second.gwp.value / first.gwp.value)
        for told in (there, back):
            assert math.prod(factors_of(told).values()) == pytest.approx(told.ratio, rel=1e-9)
        assert factors_of(back) == pytest.approx(
            {name: 1 / factor for name, factor in factors_of(there).items()}, rel=1e-9
        )


@given(st.floats(10, 1e5))
def test_a_footprint_differs_from_itself_by_nothing(joules):
    for footprint in footprints(joules, "FRA", "laptop"):
        told = reconcile(footprint, footprint)
        assert all(factor == pytest.approx(1) for factor in factors_of(told).values())
        assert str(told).startswith("Nothing that is known tells")
        assert "×" not in str(told)


@given(sizes, st.floats(0.01, 0.99))
def test_one_changed_input_is_one_cause(factor, load):
    def job(**other):
        return estimate_aposteriori(
            **({"power_w": 200, "hours": 10, "load": 0.5, "pue": 1.2, "place": "FRA"} | other)
        )

    for name, other, expected in [
        ("duration", {"hours": 10 * factor}, factor),
        ("power", {"power_w": 200 * factor}, factor),
        ("load", {"load": load}, load / 0.5),
        ("PUE", {"pue": 1.8}, 1.5),
        (
            "grid intensity",
            {"place": "SWE"},
            known_place("SWE").grid_intensity.value / known_place("FRA").grid_intensity.value,
        ),
    ]:
        found = factors_of(reconcile(job(), job(**other)))
        assert found.pop(name) == pytest.approx(expected)
        assert all(value == pytest.approx(1) for value in found.values())


# Predicted or recalculated, against measured


def measured(joules, seconds):
    return assess(
        Quantity(joules, "J", "measured", "counters", {"counter": 0.05}, name="machine energy"),
        known_place("FRA"),
        activity={
            "device_time": Quantity(seconds, "s", "measured"),
            "power": Quantity(joules / seconds, "W", "measured"),
        },
    )


def test_a_measured_run_against_a_recalculation_says_how_long_and_how_much_it_drew():
    estimate = estimate_aposteriori(A100, hours=1, place="FRA", pue=1.0)
    told = reconcile(estimate, measured(180 * 1800.0, 1800.0))
    assert factors_of(told) == pytest.approx(
        {"duration": 0.5, "power": 180 / (250 * 0.49), "PUE": 1.0, "grid intensity": 1.0}
    )
    # The load that only the estimate knows is in the power that was drawn, not left over.
    assert "power ×1.469 (123 W → 180 W)" in str(told) or "power ×1.469 (122 W → 180 W)" in str(told)
    assert "duration ×0.5000 (1.00 h → 30.0 min)" in str(told)


def test_a_measured_run_against_a_prediction_says_how_long_and_how_much_it_drew():
    prediction = estimate_apriori(3.6e15, flop_per_s=1e12, power_w=200, place="FRA")
    assert factors_of(reconcile(prediction, measured(100 * 7200.0, 7200.0))) == pytest.approx(
        {"duration": 2.0, "power": 0.5, "PUE": 1.0, "grid intensity": 1.0}
    )


def test_a_measured_run_whose_operations_are_known_says_how_fast_it_was():
    run = measured(100 * 7200.0, 7200.0)
    operations, rate = Quantity(3.6e15, "FLOP"), Quantity(0.5e12, "FLOP/s")
    run = replace(run, activity={**run.activity, "flops": operations, "flop_per_s": rate})
    prediction = estimate_apriori(3.6e15, flop_per_s=1e12, power_w=200, place="FRA")
    assert factors_of(reconcile(prediction, run)) == pytest.approx(
        {"operations": 1.0, "throughput": 2.0, "power": 0.5, "PUE": 1.0, "grid intensity": 1.0}
    )


def test_a_recalculation_that_knows_its_operations_is_compared_by_its_rate():
    prediction = estimate_apriori(1e18, flop_per_s=1e14, power_w=300, place="FRA")
    slower = estimate_aposteriori(power_w=300, hours=10_000 / 3600 * 4, flops=1e18, place="FRA")
    without = estimate_aposteriori(power_w=300, hours=10_000 / 3600 * 4, place="FRA")
    assert factors_of(reconcile(prediction, slower))["throughput"] == pytest.approx(4)
    assert "throughput" not in factors_of(reconcile(prediction, without))
    assert factors_of(reconcile(prediction, without))["duration"] == pytest.approx(4)


def test_a_run_of_which_only_the_joules_are_known_differs_in_energy():
    bare = assess(Quantity(7.2e6, "J"), known_place("FRA"))
    found = factors_of(reconcile(estimate_aposteriori(power_w=1000, hours=1, place="FRA"), bare))
    assert found == pytest.approx({"energy": 2.0, "PUE": 1.0, "grid intensity": 1.0})


def test_memory_is_the_rest_of_the_machine():
    alone, whole = (
        estimate_aposteriori(power_w=100, hours=1, place="FRA", memory_gb=gb) for gb in (None, 1000)
    )
    assert factors_of(reconcile(alone, whole))["rest of the machine"] == pytest.approx(4.725, rel=0.1)


# What is counted beside the electricity


def test_making_that_only_one_counts_is_the_boundary():
    alone, whole = (
        estimate_aposteriori(power_w=50, hours=10, place="FRA", hardware=parts) for parts in ("laptop", ())
    )
    told = reconcile(whole, alone)
    assert told.causes[-1].name == "boundary"
    assert told.causes[-1].note == "electricity → electricity, 1 laptop"
    assert told.causes[-1].factor == pytest.approx(alone.gwp.value / whole.gwp.value)
    assert told.causes[-1].factor > 2


def test_fuel_that_only_one_counts_is_the_boundary():
    energy, place = Quantity(JOULES_PER_KWH, "J"), known_place("FRA")
    told = reconcile(assess(energy, place), assess(energy, place, direct=[burnt(1.0)]))
    assert (told.causes[-1].name, told.causes[-1].note) == ("boundary", "electricity → electricity, diesel")


def test_what_both_count_beside_the_electricity_is_no_boundary():
    one, two = (
        estimate_aposteriori(power_w=50, hours=10, place=place, hardware="laptop") for place in ("FRA", "POL")
    )
    assert reconcile(one, two).causes[-1].name == "other lines"


def test_a_calculator_that_rounds_differs_by_its_rounding():
    job = {"power_w": 70, "hours": 3.3, "grid_intensity_g_per_kwh": 566.3}
    told = reconcile(estimate_aposteriori(**job), estimate_aposteriori(**job, mode="mlco2_compat"))
    assert told.causes[-1].name == "rounding"
    assert math.prod(factors_of(told).values()) == pytest.approx(told.ratio, rel=1e-9)


def test_a_market_based_line_is_no_cause():
    plain = estimate_aposteriori(power_w=50, hours=10, place="FRA")
    contract = estimate_aposteriori(power_w=50, hours=10, place="FRA", market_intensity_g_per_kwh=0)
    assert all(factor == pytest.approx(1) for factor in factors_of(reconcile(plain, contract)).values())


@pytest.mark.parametrize(
    "other",
    [
        assess(Quantity(0.0, "J"), known_place("FRA")),
        Footprint((), (), known_place("FRA")),
        Footprint((burnt(1.0),), (), known_place("FRA")),
    ],
    ids=["zero", "nothing", "fuel alone"],
)
def test_what_has_no_ratio_is_refused(other):
    for pair in ((other, ANTHONY), (ANTHONY, other)):
        with pytest.raises(UnitError, match="reconciled where both count electricity"):
            reconcile(*pair)
