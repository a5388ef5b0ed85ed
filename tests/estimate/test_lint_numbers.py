"""Claims in numbers: every published row that closes passes, every one that does not is found."""

import csv
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.errors import SettingError
from greenai_magic.estimate.lint.claim import check_claim

CASES = Path(__file__).parent / "cases"


def rows(table, status="consistent"):
    with (CASES / f"{table}.csv").open(encoding="utf-8", newline="") as lines:
        found = [row for row in csv.DictReader(lines) if row.get("status", status) == status]
    assert found, table
    return pytest.mark.parametrize("row", found, ids=[row["case_id"] for row in found])


def wrong(**claim):
    return [finding.code for finding in check_claim(**claim) if finding.inconsistent]


def number(row, column):
    return float(row[column]) if row[column] else None


def llama(row):
    return {
        "hours": float(row["gpu_hours"]),
        "power_w": float(row["W_per_gpu"]),
        "pue": float(row["pue"]),
        "grid_kg_per_kwh": float(row["ci_kg_per_kwh"]),
        "co2e_kg": 1000 * float(row["expected_tco2e_location"]),
    }


def card(row):
    return {
        "hours": float(row["device_hours_entered"]),
        "power_w": float(row["tdp_w"]),
        "region": row["region"],
        "co2e_kg": float(row["published_kg"]),
    }


@rows("llama_family")
def test_llama_closes(row):
    energy = number(row, "expected_mwh")
    assert wrong(**llama(row), energy_kwh=energy and 1000 * energy) == []


@rows("llama_family", "INCONSISTENT")
def test_a_total_of_other_rows_is_found(row):
    assert wrong(**llama(row)) == ["co2e"]


@rows("mlco2_published_cards")
def test_cards_of_the_calculator_close(row):
    assert wrong(**card(row), grid_kg_per_kwh=float(row["tool_ci_used_kg"])) == []
    assert wrong(**card(row)) == []


@rows("mlco2_published_cards", "INCONSISTENT")
def test_a_factor_of_another_region_is_found(row):
    assert wrong(**card(row)) == ["region-factor"]
    assert wrong(**card(row), grid_kg_per_kwh=float(row["tool_ci_used_kg"])) == ["region-factor"]


@rows("patterson2021_training")
def test_patterson_closes(row):
    assert (
        wrong(
            energy_kwh=1000 * float(row["expected_mwh"]),
            co2e_kg=1000 * float(row["expected_tco2e_gross"]),
            hours=float(row["hours"]),
            count=float(row["n_devices"]),
            power_w=float(row["W_per_device_measured"]),
            pue=float(row["pue"]),
            grid_kg_per_kwh=float(row["ci_gross_kg_per_kwh"]),
        )
        == []
    )


@rows("strubell2019_training")
def test_strubell_closes(row):
    assert (
        wrong(
            energy_kwh=float(row["expected_kwh_with_pue"]),
            co2e_kg=float(row["expected_co2e_kg"]),
            hours=float(row["hours"]),
            power_w=float(row["total_power_W"]),
            pue=float(row["pue"]),
            grid_kg_per_kwh=float(row["ef_kg_per_kwh"]),
        )
        == []
    )


@rows("bloom2022", "INCONSISTENT")
@pytest.mark.parametrize(("pue", "code"), [(None, "co2e"), (1.1, "pue")])
def test_a_co2e_without_the_pue_of_its_energy_is_found(row, pue, code):
    mwh, kg_per_kwh = map(float, re.findall(r"[\d.]+", row["inputs"]))
    claim = {
        "energy_kwh": 1000 * mwh,
        "grid_kg_per_kwh": kg_per_kwh,
        "co2e_kg": 1000 * float(row["expected"]),
    }
    assert wrong(**claim, pue=pue) == [code]


@rows("olmo")
def test_an_energy_without_pue_is_accepted_and_zero_named(row):
    if row["energy_mwh_it"]:
        found = check_claim(
            energy_kwh=1000 * float(row["energy_mwh_it"]),
            pue=float(row["pue"]),
            grid_kg_per_kwh=float(row["ci_kg_per_kwh"]),
            co2e_kg=1000 * float(row["expected_tco2e"]),
        )
        zero = float(row["expected_tco2e"]) == 0
        assert [finding.code for finding in found] == ["market-zero"] * zero


@rows("mlco2_calculator")
def test_what_the_calculator_prints_closes_with_its_region(row):
    co2e, region = float(row["tool_co2_kg"]), f"{row['provider']} {row['region']}"
    claim = {"hours": float(row["hours"]), "power_w": float(row["tdp_w"]), "co2e_kg": co2e, "region": region}
    found = check_claim(**claim)
    assert [finding.code for finding in found] == (["market-zero"] if co2e == 0 else [])


figures = st.floats(0.1, 1e6)
pues = st.floats(1.3, 2.5)
factors = st.floats(0.02, 0.8)


@given(figures, figures, st.integers(1, 1000), pues, factors)
def test_what_is_computed_by_the_formula_closes(hours, power, count, pue, grid):
    energy = hours * power * count / 1000 * pue
    claim = {"hours": hours, "power_w": power, "count": count, "pue": pue, "grid_kg_per_kwh": grid}
    assert check_claim(**claim, energy_kwh=energy, co2e_kg=energy * grid) == []
    assert check_claim(**claim, co2e_kg=energy * grid) == []


@given(figures, factors, st.floats(0.001, 1000).filter(lambda times: abs(math.log(times)) > 0.06))
def test_what_is_off_by_more_than_the_tolerance_is_found(energy, grid, times):
    assert wrong(energy_kwh=energy, grid_kg_per_kwh=grid, co2e_kg=energy * grid * times)


@given(figures, figures, pues, factors)
def test_a_pue_counted_twice_or_left_out_is_named(hours, power, pue, grid):
    energy = hours * power / 1000 * pue
    claim = {"hours": hours, "power_w": power, "pue": pue, "grid_kg_per_kwh": grid, "energy_kwh": energy}
    assert wrong(**claim, co2e_kg=energy * grid * pue) in (["pue"], ["implied-factor"])
    assert wrong(**claim, co2e_kg=energy * grid / pue) in (["pue"], ["implied-factor"])


@pytest.mark.parametrize(("kwh", "kg"), [(1, 1.3), (1, 0.009), (100, 40_000), (1287, 552_100), (1000, 0.4)])
def test_a_factor_of_no_grid_is_found(kwh, kg):
    assert wrong(energy_kwh=kwh, co2e_kg=kg) == ["implied-factor"]


def test_devices_counted_as_one_are_named():
    (finding,) = check_claim(energy_kwh=25, hours=100, power_w=250, count=8)
    assert "counted as one" in finding.message
    assert "8" in finding.better


@pytest.mark.parametrize(
    ("place", "kg", "codes"), [("France", 57, []), ("France", 600, ["region-factor"]), ("Nowhere", 600, [])]
)
def test_a_country_is_compared_within_what_its_sources_differ_by(place, kg, codes):
    assert wrong(energy_kwh=1000, co2e_kg=kg, region=place) == codes


@pytest.mark.parametrize("value", [-1, 0, math.nan, math.inf, "3", True])
def test_what_is_no_number_is_refused_in_one_sentence(value):
    with pytest.raises(
        SettingError, match=r"^energy_kwh cannot be .*: give a finite number above 0, or leave it out\.$"
    ):
        check_claim(energy_kwh=value)
