"""The table of CodeCarbon's figures beside ours, from figures made for it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from greenai_magic.meter.models import MEMORY_W_PER_GB
from greenai_magic.notebook.crosscheck import comparison
from greenai_magic.quantity import JOULES_PER_KWH
from greenai_magic.runs.labels import Labels
from greenai_magic.runs.measure import Measuring
from greenai_magic.runs.run import Run
from greenai_magic.testing import FakeClock, replay


def _run(**watts: float) -> Run:
    clock = FakeClock()
    with replay(watts, clock):
        measuring = Measuring(Labels(save=False))
        measuring.start()
        clock.advance(10.0)
        measuring.finish("ok")
    return measuring.run


def _theirs(cpu_j: float, ram_j: float = 0.0, gpu_j: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(
        codecarbon_version="3",
        cpu_energy=cpu_j / JOULES_PER_KWH,
        ram_energy=ram_j / JOULES_PER_KWH,
        gpu_energy=gpu_j / JOULES_PER_KWH,
        energy_consumed=(cpu_j + ram_j + gpu_j) / JOULES_PER_KWH,
    )


def _rows(text: str) -> dict[str, str]:
    return {line.split()[0]: line for line in text.splitlines()[1:]}


@pytest.mark.parametrize("cpu_j", [400.0, 400.2, 399.8])
def test_a_figure_within_the_interval_agrees(cpu_j: float) -> None:
    row = _rows(comparison(_run(cpu=40.0), _theirs(cpu_j), "cpu_load"))["processor"]
    assert row.endswith("agrees within our interval")


@pytest.mark.parametrize("cpu_j", [800.0, 415.0, 100.0])
def test_a_figure_outside_the_interval_has_its_cause(cpu_j: float) -> None:
    row = _rows(comparison(_run(cpu=40.0), _theirs(cpu_j), "cpu_load"))["processor"]
    assert "difference: both are models: CodeCarbon (cpu_load)" in row


def test_gpus_are_compared_as_one_and_parts_that_nobody_has_are_left_out() -> None:
    rows = _rows(
        comparison(_run(cpu=40.0, gpu0=100.0, gpu1=50.0), _theirs(400.0, gpu_j=1500.0), "intel_rapl")
    )
    assert rows.keys() == {"processor", "GPU", "all"}
    assert "agrees" in rows["GPU"]
    assert "agrees" in rows["all"]


def test_a_gpu_that_codecarbon_does_not_see_has_its_cause() -> None:
    rows = _rows(comparison(_run(cpu=40.0, gpu0=100.0), _theirs(400.0), "intel_rapl"))
    assert "difference: CodeCarbon saw no GPU: it needs the nvidia-smi program" in rows["GPU"]
    assert rows["all"].endswith("difference: as its parts differ")


def test_the_memory_s_cause_names_the_model_s_own_watts() -> None:
    row = _rows(comparison(_run(cpu=40.0, memory=3.0), _theirs(400.0, ram_j=50.0), "intel_rapl"))["memory"]
    assert f"ours is {MEMORY_W_PER_GB} W/GB" in row


def test_what_only_one_of_us_counts_is_a_difference_and_never_a_zero_of_ours() -> None:
    row = _rows(comparison(_run(cpu=40.0), _theirs(400.0, ram_j=50.0), "intel_rapl"))["memory"]
    assert "ours not counted apart" in row
    assert "difference: " in row
    assert "0 " not in row.split("theirs")[0]
