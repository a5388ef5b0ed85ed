from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.errors import ImportFileError
from greenai_magic.estimate.importers import from_azure, from_mlflow, from_mlflow_series

KWH = 3.6e6
START_S = 1_700_000_000
HOUR = [(START_S + 10.0 * n, 250.0) for n in range(361)]
MINUTES = [datetime(2026, 5, 4, tzinfo=timezone.utc) + timedelta(minutes=n) for n in range(60)]


def history(samples, key="system/gpu_0_power_usage_watts", **more):
    return [
        {"key": key, "value": w, "timestamp": int(t * 1000), "step": i, **more}
        for i, (t, w) in enumerate(samples)
    ]


@pytest.fixture
def written(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write


def test_250_w_for_an_hour_is_a_quarter_of_a_kilowatt_hour(written):
    rows = "\n".join(f"system/gpu_0_power_usage_watts,250,{int(t * 1000)}" for t, _ in HOUR)
    from_csv = from_mlflow(written("power.csv", f"key,value,timestamp\n{rows}\n"))
    from_json = from_mlflow(written("power.json", {"metrics": history(HOUR)}))
    plain = from_mlflow_series({"gpu_0": HOUR})
    for run in (*from_csv, *from_json, plain):
        assert run.energy_it.value == pytest.approx(0.250 * KWH, rel=1e-12)
        assert run.energy_it.basis == "measured"
        assert run.duration.value == 3600
        assert run.started_at == datetime.fromtimestamp(START_S, tz=timezone.utc)
        assert (run.energy, run.co2e, run.pue) == (None, None, None)
        assert any("GPUs alone" in note for note in run.notes)


def test_gpus_nodes_and_runs_are_told_apart(written):
    metrics = [
        *history(HOUR, run_id="a"),
        *history(HOUR, "system/gpu_1_power_usage_watts", run_id="a"),
        *history(HOUR, "system/node_0/gpu_0_power_usage_watts", run_id="b"),
        *history([(START_S, 1.0)], "system/gpu_0_power_usage_percentage", run_id="b"),
        *history([(START_S, 1.0)], "loss", run_id="c"),
    ]
    first, second = from_mlflow(written("power.json", metrics))
    assert (first.name, first.energy_it.value) == ("a", pytest.approx(0.5 * KWH))
    assert (second.name, second.energy_it.value) == ("b", pytest.approx(0.25 * KWH))
    # One kind of sensor: its error does not average out over the cards.
    assert first.energy_it.log_sd == pytest.approx(second.energy_it.log_sd)


def test_a_ramp_is_integrated_by_trapezoids_in_any_order():
    ramp = [(0.0, 0.0), (10.0, 100.0), (20.0, 200.0)]
    assert from_mlflow_series({"gpu_0": list(reversed(ramp))}).energy_it.value == pytest.approx(2000)


def test_a_gap_of_more_than_three_intervals_is_refused(written):
    for silence_s in (30, 31):
        samples = [(t + (silence_s - 10 if t > START_S + 100 else 0), w) for t, w in HOUR]
        path = written("power.json", {"metrics": history(samples)})
        if silence_s == 30:
            assert from_mlflow(path)[0].energy_it.value == pytest.approx((3600 + 20) * 250)
        else:
            with pytest.raises(ImportFileError, match=r"power\.json is silent for 31 s .* 10 s apart"):
                from_mlflow(path)


@pytest.mark.parametrize(
    "series", [{}, {"gpu_0": []}, {"gpu_0": [(0.0, 1.0)]}, {"gpu_0": [(5.0, 1.0), (5.0, 2.0)]}]
)
def test_nothing_to_integrate_is_refused(series):
    with pytest.raises(ImportFileError):
        from_mlflow_series(series)


@pytest.mark.parametrize("sample", [(10.0, float("nan")), (10.0, -1.0), (float("inf"), 1.0), (10.0, None)])
def test_a_sample_that_is_no_number_is_refused(sample):
    with pytest.raises(ImportFileError, match="no number"):
        from_mlflow_series({"gpu_0": [(0.0, 1.0), sample]})


def test_an_export_without_system_metrics_is_refused(written):
    with pytest.raises(ImportFileError, match="system metrics on"):
        from_mlflow(written("power.json", history(HOUR, "loss")))


@given(st.lists(st.floats(0, 1000), min_size=3, max_size=40), st.floats(0.1, 1e4), st.floats(0.1, 10))
def test_energy_is_linear_in_power_and_in_time(watts, interval_s, factor):
    def energy(power, time):
        series = {"gpu_0": [(n * interval_s * time, w * power) for n, w in enumerate(watts)]}
        return from_mlflow_series(series).energy_it.value

    assert energy(factor, 1) == pytest.approx(energy(1, 1) * factor, rel=1e-9, abs=1e-9)
    assert energy(1, factor) == pytest.approx(energy(1, 1) * factor, rel=1e-9, abs=1e-9)


def test_fewer_samples_mean_a_wider_interval():
    few, many = from_mlflow_series({"gpu_0": HOUR[:5]}), from_mlflow_series({"gpu_0": HOUR})
    assert few.energy_it.log_sd > many.energy_it.log_sd > 0


def azure_csv(cells, header="Time,Sum GpuEnergyJoules"):
    rows = (f"{time.isoformat()},{cell}" for time, cell in zip(MINUTES, cells, strict=False))
    return "\n".join([header, *rows]) + "\n"


def azure_json(totals, aggregation="total"):
    data = [
        {"timeStamp": time.isoformat().replace("+00:00", "Z"), aggregation: joules}
        for time, joules in zip(MINUTES, totals, strict=False)
    ]
    metric = {"name": {"value": "GpuEnergyJoules"}, "timeseries": [{"data": data}]}
    return {"value": [{"name": {"value": "CpuUtilization"}, "timeseries": []}, metric]}


def test_sixty_minutes_of_60_kj_are_a_kilowatt_hour(written):
    for path in (
        written("gpu.csv", azure_csv([60_000] * 60)),
        written("gpu.json", azure_json([60_000] * 60)),
        written("titled.csv", "Metrics of workspace w\n\n" + azure_csv([60_000] * 60)),
    ):
        (run,) = from_azure(path)
        assert run.energy_it.value == pytest.approx(1.000 * KWH, rel=1e-12)
        assert (run.duration.value, run.started_at) == (3600, MINUTES[0])


def test_all_devices_of_a_workspace_add_up(written):
    header = "Time,GpuEnergyJoules (DeviceId = 0),GpuEnergyJoules (DeviceId = 1)"
    (run,) = from_azure(written("gpu.csv", azure_csv(["1000,500"] * 10, header)))
    assert run.energy_it.value == 15_000


def test_minutes_without_a_figure_are_told_not_taken_for_zero(written):
    for path in (
        written("gpu.csv", azure_csv([60_000] * 57 + [""] * 3)),
        written("gpu.json", azure_json([60_000] * 57 + [None] * 3)),
    ):
        (run,) = from_azure(path)
        assert run.energy_it.value == pytest.approx(57 * 60_000)
        assert any("3 of 60" in note and "at least" in note for note in run.notes)


def test_an_average_is_no_sum(written):
    with pytest.raises(ImportFileError, match="no sum"):
        from_azure(written("gpu.csv", azure_csv([1] * 3, "Time,Avg GpuEnergyJoules")))
    with pytest.raises(ImportFileError, match="Total"):
        from_azure(written("gpu.json", azure_json([1] * 3, "average")))


def test_an_export_of_no_joules_is_refused(written):
    with pytest.raises(ImportFileError, match="no joules"):
        from_azure(written("gpu.csv", azure_csv([""] * 5)))


def test_times_that_cannot_be_read_cost_no_energy(written):
    (run,) = from_azure(written("gpu.csv", "Time,GpuEnergyJoules\n5/4/26 10:00 AM,60000\n"))
    assert (run.energy_it.value, run.duration, run.started_at) == (60_000, None, None)
    assert any("times" in note for note in run.notes)
