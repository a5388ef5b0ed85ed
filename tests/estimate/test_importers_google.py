from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.errors import ImportFileError
from greenai_magic.estimate.importers import from_google
from greenai_magic.estimate.importers.google import OFFSETS_LEFT_OUT, SCOPE_2_MARKET
from greenai_magic.footprint.place import known_place

LOCATION_SCOPES = ("scope 1", "scope 2, location-based", "scope 3")
kilograms = st.floats(0, 1e6)


def entry(scope1=10.0, located=400.0, market=105.8, scope3=986.8, **more):
    return {
        "usage_month": "2026-03-01",
        "project": {"id": "my-project", "number": "42"},
        "service": {"id": "F17B", "description": "Compute Engine"},
        "location": {"location": "europe-west9-a", "region": "europe-west9"},
        "carbon_model_version": 14,
        "carbon_footprint_kgCO2e": {
            "scope1": scope1,
            "scope2": {"location_based": located, "market_based": market},
            "scope3": scope3,
        },
        "carbon_footprint_total_kgCO2e": {
            "location_based": math.fsum((scope1 or 0, located or 0, scope3 or 0)),
            "market_based": math.fsum((scope1 or 0, market or 0, scope3 or 0)),
            "after_offsets": 0.0,
        },
        **more,
    }


def leaves(document, above=""):
    for key, value in document.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", "" if value is None else value


def write(folder, *entries, as_csv=False, joint="."):
    path = folder / ("carbon.csv" if as_csv else "carbon.json")
    if as_csv:
        flat = [dict(leaves(entry)) for entry in entries]
        lines = [",".join(flat[0]), *(",".join(str(cell) for cell in row.values()) for row in flat)]
        path.write_text("\n".join([lines[0].replace(".", joint), *lines[1:]]), encoding="utf-8")
    else:
        path.write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")
    return path


@pytest.mark.parametrize("form", [{}, {"as_csv": True}, {"as_csv": True, "joint": "_"}])
def test_the_scopes_add_up_to_the_total_of_the_export(tmp_path, form):
    months = from_google(
        write(tmp_path, entry(), entry(scope1=0.5, located=20, market=0, scope3=1.5), **form)
    )
    assert [month.co2e.value for month in months] == [pytest.approx(1_396_800), pytest.approx(22_000)]
    for month in months:
        assert math.fsum(month.scopes[scope].value for scope in LOCATION_SCOPES) == pytest.approx(
            month.co2e.value
        )
        assert month.name == "Compute Engine, my-project"
        assert known_place(month.place_name).code == "gcp/europe-west9"
        assert month.source.startswith("Google Cloud Carbon Footprint, model 14, carbon.")
        assert (month.started_at.year, month.started_at.month) == (2026, 3)


@given(kilograms, kilograms, kilograms, kilograms)
def test_any_scopes_add_up(tmp_path_factory, scope1, located, market, scope3):
    path = write(tmp_path_factory.mktemp("google"), entry(scope1, located, market, scope3))
    (month,) = from_google(path)
    assert math.fsum(month.scopes[scope].value for scope in LOCATION_SCOPES) == pytest.approx(
        month.co2e.value
    )
    assert month.scopes[SCOPE_2_MARKET].value == pytest.approx(market * 1000)
    assert not any("add up" in note for note in month.notes)


@given(kilograms)
def test_offsets_change_nothing_and_are_said_to_be_left_out(tmp_path_factory, after_offsets):
    folder = tmp_path_factory.mktemp("google")
    plain = entry()
    (before,) = from_google(write(folder, plain))
    plain["carbon_footprint_total_kgCO2e"]["after_offsets"] = after_offsets
    (after,) = from_google(write(folder, plain))
    assert after == before
    assert OFFSETS_LEFT_OUT in after.notes


def test_an_empty_scope_is_not_assessed_never_zero(tmp_path):
    (month,) = from_google(write(tmp_path, entry(scope3=None)))
    assert "scope 3" not in month.scopes
    assert any("Not assessed in the export: scope 3" in note for note in month.notes)


def test_without_a_total_the_scopes_that_are_there_are_added(tmp_path):
    (month,) = from_google(write(tmp_path, entry(carbon_footprint_total_kgCO2e={})))
    assert month.co2e.value == pytest.approx(1_396_800)


def test_a_total_that_its_scopes_do_not_give_is_told(tmp_path):
    (month,) = from_google(write(tmp_path, entry(carbon_footprint_total_kgCO2e={"location_based": 1587.3})))
    assert month.co2e.value == pytest.approx(1_587_300)
    assert any("add up to" in note for note in month.notes)


def test_a_month_in_no_region_has_no_place(tmp_path):
    (month,) = from_google(write(tmp_path, entry(location={"location": "global", "region": None})))
    assert month.place_name == ""
    assert (month.energy, month.energy_it, month.pue) == (None, None, None)


@pytest.mark.parametrize("value", [-1, "=1", float("nan")])
def test_a_figure_that_is_none_names_file_and_entry(tmp_path, value):
    broken = entry(carbon_footprint_kgCO2e={"scope1": value})
    with pytest.raises(ImportFileError, match=r"scope1 in entry 2 of carbon\.json"):
        from_google(write(tmp_path, entry(), broken))


def test_the_older_table_without_scopes_is_named_as_such(tmp_path):
    with pytest.raises(ImportFileError, match=r"carbon_footprint_kgCO2e\.scope1"):
        from_google(write(tmp_path, {"usage_month": "2021-10-01", "carbon_footprint_kgCO2e": 3}))
