from __future__ import annotations

import csv
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.errors import ImportFileError
from greenai_magic.estimate.importers import from_codecarbon
from greenai_magic.footprint.place import known_place

V2_1 = (
    "timestamp,project_name,run_id,duration,emissions,emissions_rate,cpu_power,gpu_power,ram_power,cpu_energy,"
    "gpu_energy,ram_energy,energy_consumed,country_name,country_iso_code,region,cloud_provider,cloud_region,os,"
    "python_version,cpu_count,cpu_model,gpu_count,gpu_model,longitude,latitude,ram_total_size,tracking_mode,on_cloud"
)
V3_3 = (
    "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,gpu_power,ram_power,"
    "cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,country_name,country_iso_code,region,"
    "cloud_provider,cloud_region,os,python_version,codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,"
    "longitude,latitude,ram_total_size,tracking_mode,cpu_utilization_percent,gpu_utilization_percent,"
    "ram_utilization_percent,ram_used_gb,on_cloud,pue,wue"
)
MINIMAL = "duration,emissions,energy_consumed"


@pytest.fixture
def table(tmp_path):
    def write(header, *rows, name="emissions.csv"):
        columns = header.split(",")
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


def row(**cells):
    return {"duration": 3600, "emissions": 0.5, "energy_consumed": 1.2, "run_id": "a", **cells}


@pytest.mark.parametrize("header", [V2_1, V3_3, MINIMAL, ",".join(reversed(V3_3.split(",")))])
def test_every_version_is_read_by_the_names_of_its_columns(table, header):
    cells = {key: value for key, value in row().items() if key in header.split(",")}
    (run,) = from_codecarbon(table(header, cells))
    assert run.energy.value == pytest.approx(1.2 * 3.6e6)
    assert run.co2e.value == pytest.approx(500)
    assert run.duration.value == 3600


def test_the_pue_of_the_row_is_taken_out_of_the_energy(table):
    (run,) = from_codecarbon(table(V3_3, row(pue="1.5", codecarbon_version="3.3.2")))
    assert run.energy.value == pytest.approx(1.2 * 3.6e6)
    assert run.energy_it.value == pytest.approx(0.8 * 3.6e6)
    assert (run.pue.value, run.pue.basis) == (1.5, "declared")
    assert run.source == "codecarbon 3.3.2, emissions.csv"
    assert run.energy_it.low < run.energy_it.value < run.energy_it.high


def test_without_a_pue_the_default_is_told(table):
    (run,) = from_codecarbon(table(V2_1, row()))
    assert (run.pue.value, run.pue.basis) == (1, "default")
    assert run.energy_it.value == run.energy.value
    assert any("PUE" in note for note in run.notes)


def test_rows_of_one_run_hold_its_totals_so_far(table):
    # A tracker that flushes appends a row each time, with all since its start.
    flushed = [row(duration=60 * n, energy_consumed=0.1 * n, emissions=0.01 * n) for n in (1, 2, 3)]
    first, second = from_codecarbon(table(V3_3, flushed[0], row(run_id="b"), *flushed[1:]))
    assert (first.duration.value, second.duration.value) == (3600, 180)
    assert second.energy.value == pytest.approx(0.3 * 3.6e6)
    assert any("3 rows" in note for note in second.notes)


def test_tasks_of_one_run_are_apart(table):
    header = f"task_name,{V2_1}"
    runs = from_codecarbon(table(header, row(task_name="load"), row(task_name="fit")))
    assert [run.name for run in runs] == ["load", "fit"]


def test_the_timestamp_is_the_end(table):
    (run,) = from_codecarbon(table(V3_3, row(timestamp="2026-05-04T12:30:00")))
    assert run.started_at == datetime(2026, 5, 4, 11, 30)  # noqa: DTZ001 - the file names no zone


@pytest.mark.parametrize("timestamp", ["yesterday", "", "2026-13-45T00:00:00"])
def test_an_unreadable_time_is_told_and_costs_no_energy(table, timestamp):
    (run,) = from_codecarbon(table(V3_3, row(timestamp=timestamp)))
    assert run.started_at is None
    assert any("start" in note for note in run.notes)
    assert run.energy.value > 0


def test_a_time_before_all_calendars_is_none(table):
    (run,) = from_codecarbon(table(V3_3, row(timestamp="2026-05-04T12:30:00", duration="1e20")))
    assert run.started_at is None


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"country_iso_code": "FRA", "region": "ile-de-france"}, "FRA"),
        ({"country_iso_code": "USA", "region": "california"}, "USA/CA"),
        ({"country_iso_code": "CAN", "region": "quebec"}, "CAN/QC"),
        (
            {"country_iso_code": "FRA", "cloud_provider": "gcp", "cloud_region": "europe-west9"},
            "gcp/europe-west9",
        ),
    ],
)
def test_the_place_is_one_that_our_tables_know(table, cells, code):
    (run,) = from_codecarbon(table(V3_3, row(**cells)))
    assert known_place(run.place_name).code == code


@given(st.floats(1e-12, 1e9), st.floats(1, 5))
def test_energy_is_kept_whatever_the_pue(tmp_path_factory, kwh, pue):
    path = tmp_path_factory.mktemp("codecarbon") / "emissions.csv"
    path.write_text(f"{MINIMAL},pue\n1,1,{kwh!r},{pue!r}\n", encoding="utf-8")
    (run,) = from_codecarbon(path)
    assert run.energy.value == pytest.approx(kwh * 3.6e6, rel=1e-12)
    assert run.energy_it.value * run.pue.value == pytest.approx(run.energy.value, rel=1e-12)


def test_a_file_of_no_runs_gives_none(table):
    assert from_codecarbon(table(V3_3)) == []


@pytest.mark.parametrize(("column", "cell"), [("pue", "0.9"), ("pue", "0"), ("pue", "-1"), ("pue", "one")])
def test_a_pue_below_one_is_refused(table, column, cell):
    with pytest.raises(ImportFileError, match=r"pue in line 2 of emissions\.csv is .*from 1"):
        from_codecarbon(table(V3_3, row(**{column: cell})))


def test_a_row_without_its_energy_is_refused_not_read_as_zero(table):
    with pytest.raises(ImportFileError, match=r"energy_consumed is empty in line 3 of emissions\.csv"):
        from_codecarbon(table(V3_3, row(), row(run_id="b", energy_consumed="")))
