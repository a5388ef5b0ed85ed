import csv
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from greenai_magic.footprint.place_names import place_key

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "refresh_factors.py"
PACKAGE = ROOT / "greenai_magic"
GRID = ("grid_country.csv", "grid_region.csv", "grid_world.csv")
FOLDERS = (PACKAGE / "footprint" / "data", PACKAGE / "meter" / "data")


def _rows(path):
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _grid(table):
    return _rows(PACKAGE / "footprint" / "data" / table)


MADE_FROM = re.search(r"codecarbon (\S+)", _grid("grid_world.csv")[0]["source"])[1]
same_codecarbon = pytest.mark.skipif(
    version("codecarbon") != MADE_FROM,
    reason=f"the tables were made from codecarbon {MADE_FROM}",
)


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("refresh_factors", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@same_codecarbon
def test_the_shipped_tables_are_what_their_sources_give(tool, capsys):
    assert tool.main(["--check"]) == 0
    assert capsys.readouterr().out == "every table is up to date\n"


@same_codecarbon
def test_a_changed_table_is_named_then_written_again(tool, tmp_path, capsys):
    for folder in ("footprint", "meter"):
        shutil.copytree(PACKAGE / folder / "data", tmp_path / folder / "data")
    changed = tmp_path / "footprint" / "data" / "grid_country.csv"
    whole = changed.read_bytes()
    changed.write_bytes(whole.replace(b"41.44", b"14.44"))
    where = ["--package", str(tmp_path)]
    assert tool.main(["--check", *where]) == 1
    assert capsys.readouterr().out == "footprint/data/grid_country.csv is out of date\n"
    assert tool.main(where) == 0
    assert changed.read_bytes() == whole
    assert tool.main(["--check", *where]) == 0


def test_another_table_of_countries_can_be_given(tool, tmp_path):
    other = tmp_path / "ember.csv"
    other.write_text(tool.EMBER.read_text(encoding="utf-8").replace("FR,41.44,2025", "FR,40.5,2026"))
    assert tool.main([str(other), "--package", str(tmp_path)]) == 0
    france = next(row for row in _rows(tmp_path / "footprint/data/grid_country.csv") if row["code"] == "FRA")
    assert (france["value"], france["year"]) == ("40.5", "2026")


def test_codecarbon_is_read_and_never_imported():
    code = (
        "import runpy, sys; tool = runpy.run_path(sys.argv[1]); tool['tables'](tool['EMBER']);"
        "print('codecarbon' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(TOOL)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("table", GRID)
def test_every_factor_is_above_zero_and_says_where_it_comes_from(table):
    for row in _grid(table):
        assert float(row["value"]) > 0, row
        assert row["unit"] == "g CO2e/kWh"
        assert 2009 <= int(row["year"]) <= 2026
        assert row["basis"].startswith(("life-cycle", "operational", "basis not stated")), row
        assert all(row[column] for column in ("code", "name", "source", "licence", "keys")), row


def test_the_tables_have_every_country_state_province_and_google_region():
    codes = [row["code"] for row in _grid("grid_region.csv")]
    assert len(_grid("grid_country.csv")) == 213
    assert [sum(code.startswith(kind) for code in codes) for kind in ("USA/", "CAN/", "gcp/")] == [51, 13, 40]
    assert len(codes) == 104
    assert len(_grid("grid_world.csv")) == 1


def test_every_region_of_a_cloud_has_a_grid_and_no_figure_without_its_year_and_source():
    grids = {row["code"]: row for table in GRID for row in _grid(table)}
    rows = _grid("cloud_region.csv")
    for row in rows:
        assert row["grid"] in grids, row
        assert bool(row["pue"] or row["wue"]) == bool(row["source"]) == bool(row["year"]), row
        assert bool(row["source"]) == bool(row["licence"]), row
    assert {row["code"].partition("/")[0] for row in rows} == {
        row["provider"] for row in _grid("cloud_provider.csv")
    }


@pytest.mark.parametrize("table", ["cloud_region.csv", "cloud_provider.csv"])
def test_every_figure_of_a_building_can_be_one_and_lies_in_its_interval(table):
    for row in _grid(table):
        for kind, least, most in (("pue", 1.0, 2.0), ("wue", 0.0, 3.0)):
            value, low, high = row[kind], row[f"{kind}_low"], row[f"{kind}_high"]
            assert bool(low) == bool(high), row
            if low:
                assert least < float(low) <= float(value) <= float(high) < most, row
            elif value:
                assert least < float(value) < most, row


def test_the_resources_are_of_countries_and_each_can_be():
    rows = _grid("electricity_resources.csv")
    countries = {row["code"] for row in _grid("grid_country.csv")}
    assert len(rows) == len({row["code"] for row in rows}) == 136
    assert {row["code"] for row in rows} <= countries
    for row in rows:
        assert 1e-6 < float(row["adpe_g_sb_eq_per_kwh"]) < 1e-3, row
        assert 0 < float(row["adpf_mj_per_kwh"]) < 36, row
        assert (row["licence"], row["source"]) == ("MPL-2.0", "ecologits 0.11.3")


def _wheel(folder, *mixes):
    path = folder / "ecologits-0.99-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as files:
        files.writestr(
            "ecologits/data/electricity_mixes.json", json.dumps({"electricity_mixes": list(mixes)})
        )
    return path


def _mix(name, adpe=5e-8, pe=9.3, warnings=None):
    return {"name": name, "adpe": adpe, "pe": pe, "gwp": 0.04, "wue": 3.7, "warnings": warnings}


def test_resources_come_from_a_wheel_without_the_worlds_value(tool, tmp_path):
    wheel = _wheel(
        tmp_path,
        _mix("NOR", 1.2749e-7, 0.1386),
        _mix("FRA", 4.858e-8, 9.3135, ["electricity-mix-wue-world"]),
        _mix("ABW", 1.349e-8, 2.5871, ["electricity-mix-adpe-world", "electricity-mix-pe-world"]),
        _mix("WOR", 1.349e-8, 2.5871),
    )
    assert tool.main(["--ecologits", str(wheel), "--package", str(tmp_path)]) == 0
    rows = _rows(tmp_path / "footprint/data/electricity_resources.csv")
    assert [(row["code"], row["adpe_g_sb_eq_per_kwh"], row["adpf_mj_per_kwh"]) for row in rows] == [
        ("FRA", "4.858e-05", "9.3135"),
        ("NOR", "0.00012749", "0.1386"),
    ]
    assert {row["source"] for row in rows} == {"ecologits 0.99"}


@pytest.mark.parametrize("mix", [_mix("FRA", pe=93), _mix("FRA", adpe=0), _mix("FRA", adpe=4.9e-5)])
def test_resources_that_cannot_be_stop_the_tool(tool, tmp_path, mix):
    with pytest.raises(SystemExit, match=r"FRA: .* cannot be"):
        tool.resources(_wheel(tmp_path, mix))


def test_no_two_countries_and_no_two_regions_share_a_key():
    for table in (*GRID, "cloud_region.csv"):
        keys = [key for row in _grid(table) for key in row["keys"].split("|")]
        assert len(keys) == len(set(keys))
        assert [key for key in keys if place_key(key) != key or not key] == []


def test_every_rated_power_is_a_number_of_watts_above_zero():
    rows = _rows(PACKAGE / "meter" / "data" / "cpu_tdp.csv")
    assert len(rows) == len({row["Name"] for row in rows}) == 4913
    assert all(0 < float(row["TDP"]) < 1000 for row in rows)
    assert next(row["TDP"] for row in rows if row["Name"] == "Intel Core i7-12700H") == "45"


def test_watts_per_vcpu_rise_from_idle_to_full_and_end_with_the_unknown():
    rows = _rows(PACKAGE / "meter" / "data" / "vcpu_power.csv")
    assert all(0 < float(row["idle_w"]) < float(row["max_w"]) < 10 for row in rows)
    assert all(
        row[column] for row in rows for column in ("name", "unit", "year", "basis", "source", "licence")
    )
    assert [row["name"] for row in rows if not row["vendor"]] == [rows[-1]["name"]] == ["unknown"]
    assert (rows[-1]["idle_w"], rows[-1]["max_w"]) == ("0.63", "3.35")


def test_steppings_tell_skylake_from_cascade_lake():
    rows = _rows(PACKAGE / "meter" / "data" / "vcpu_power.csv")
    steppings = {
        row["name"]: row["steppings"] for row in rows if (row["family"], row["models"]) == ("6", "85")
    }
    assert steppings == {"Intel Skylake": "0-4", "Intel Cascade Lake": "5-7"}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_sources_credits_every_table_and_names_every_licence(folder):
    credits_ = (folder / "SOURCES.md").read_text(encoding="utf-8")
    for table in folder.glob("*.csv"):
        assert f"`{table.name}`" in credits_
        for licence in {row.get("licence", "MIT") for row in _rows(table)}:
            assert licence in credits_
