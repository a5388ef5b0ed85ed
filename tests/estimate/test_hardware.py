from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.errors import DeviceError
from greenai_magic.estimate import hardware
from greenai_magic.estimate.hardware import DATA, find_device
from greenai_magic.meter.processor import rated_power_w
from greenai_magic.quantity import BASES

CASES = Path(__file__).parent / "cases"
ROWS = list(csv.DictReader((DATA / "devices.csv").open(encoding="utf-8")))
NAMES = [(row["name"], alias) for row in ROWS for alias in (row["name"], *row["aliases"].split("|")) if alias]


def watts(name):
    return find_device(name).tdp.value


def tflops(device, precision):
    return device.peak_flop_per_s[precision].value / 1e12


@pytest.mark.parametrize(
    "row",
    list(csv.DictReader((CASES / "accelerators.csv").open(encoding="utf-8"))),
    ids=lambda row: row["name"],
)
def test_published_specifications(row):
    device = find_device(row["name"])
    assert (device.tdp.value if device.tdp else None) == (float(row["tdp_w"]) if row["tdp_w"] else None)
    half = device.peak_flop_per_s.get("bf16") or device.peak_flop_per_s.get("fp16")
    if row["half_tflops"]:
        assert half.value == pytest.approx(float(row["half_tflops"]) * 1e12, rel=0.02)
    if row["fp32_tflops"]:
        # Makers and databases take different clocks for older cards.
        assert tflops(device, "fp32") == pytest.approx(float(row["fp32_tflops"]), rel=0.07)


@pytest.mark.parametrize(
    ("reported", "name"),
    [
        ("NVIDIA A100-SXM4-80GB", "A100 SXM4 80GB"),
        ("NVIDIA A100-SXM4-40GB", "A100 SXM4 40GB"),
        ("NVIDIA A100-PCIE-40GB", "A100 PCIe 40GB"),
        ("NVIDIA A100 80GB PCIe", "A100 PCIe 80GB"),
        ("Tesla V100-SXM2-16GB", "V100 SXM2 16GB"),
        ("Tesla V100-PCIE-32GB", "V100 PCIe 32GB"),
        ("Tesla V100S-PCIE-32GB", "V100S PCIe 32GB"),
        ("Tesla P100-PCIE-16GB", "P100 PCIe 16GB"),
        ("Tesla T4", "T4"),
        ("NVIDIA H100 80GB HBM3", "H100 SXM"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H100 NVL", "H100 NVL"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA L40", "L40"),
        ("NVIDIA GeForce RTX 3090", "RTX 3090"),
        ("NVIDIA GeForce RTX 3080 Laptop GPU", "RTX 3080 Laptop"),
        ("GeForce GTX 1080 Ti", "GTX 1080 Ti"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("Quadro RTX 6000", "Quadro RTX 6000"),
        ("NVIDIA TITAN Xp", "Titan Xp"),
        ("AMD Instinct MI300X", "MI300X"),
        ("AMD Radeon RX 7900 XTX", "Radeon RX 7900 XTX"),
        ("TPUv3 Chip", "TPU v3"),
        ("Intel(R) Xeon(R) CPU E5-2683 v4 @ 2.10GHz", "Intel Xeon E5-2683 v4"),
        ("Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz", "Intel Xeon Gold 6148"),
        ("AMD EPYC 7763 64-Core Processor", "AMD EPYC 7763"),
        ("11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz", "Intel Core i7-1165G7"),
        ("AMD Ryzen 5 5600G with Radeon Graphics", "AMD Ryzen 5 5600G"),
        ("Apple M2 Pro", "Apple M2 Pro"),
    ],
)
def test_what_drivers_report_is_found_without_a_word(reported, name):
    device = find_device(reported)
    assert (device.name, device.matched_from) == (name, "")


@pytest.mark.parametrize(("name", "alias"), NAMES, ids=[alias for _, alias in NAMES])
def test_each_name_of_the_table_means_its_own_row(name, alias):
    assert find_device(alias).name == name


@given(st.sampled_from(ROWS), st.data())
def test_case_punctuation_and_order_do_not_matter(row, data):
    words = data.draw(st.permutations(row["name"].split()))
    joint = data.draw(st.sampled_from([" ", "-", "_", "  ", ", "]))
    written = joint.join(data.draw(st.sampled_from([word, word.upper(), word.lower()])) for word in words)
    assert find_device(written).name == row["name"]


def test_a_part_of_a_name_is_enough_where_it_means_one_set_of_figures():
    device = find_device("A6000")
    assert (device.name, device.matched_from) == ("RTX A6000", "A6000")
    # 40 and 80 GB of one card use the same power.
    assert (watts("A100 SXM"), find_device("A100 SXM").matched_from) == (400, "A100 SXM")
    assert find_device("Xeon E5-2683").matched_from == "Xeon E5-2683"


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("A100", ["A100 SXM4 80GB (400 W)", "A100 PCIe 40GB (250 W)", "A100 PCIe 80GB (300 W)"]),
        ("A100 80GB", ["A100 SXM4 80GB (400 W)", "A100 PCIe 80GB (300 W)"]),
        ("A100 PCIe", ["A100 PCIe 40GB (250 W)", "A100 PCIe 80GB (300 W)"]),
        ("V100", ["V100 SXM2 16GB (300 W)", "V100 PCIe 16GB (250 W)"]),
        ("H100", ["H100 SXM (700 W)", "H100 PCIe (350 W)", "H100 NVL (400 W)"]),
        ("RTX 6000", ["RTX 6000 Ada (300 W)", "Quadro RTX 6000 (260 W)"]),
    ],
)
def test_a_name_of_several_devices_asks_which(name, listed):
    with pytest.raises(DeviceError) as error:
        find_device(name)
    assert all(text in str(error.value) for text in listed)
    assert "power_w" in str(error.value)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("NVIDIA GeForce RTX 3091", "RTX 3090 (350 W)"),
        ("TPU v3-8", "TPU v3 (450 W)"),
        ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", "A100 SXM4 80GB (400 W)"),
        ("A100 PCIe 40/80GB", "A100 PCIe 80GB (300 W)"),
        ("EPYC 7764", "AMD EPYC 7763 (280 W)"),
    ],
)
def test_an_unknown_name_is_never_guessed_but_told_its_neighbours(name, near):
    with pytest.raises(DeviceError, match="did you mean") as error:
        find_device(name)
    assert near in str(error.value)


@pytest.mark.parametrize(
    "name", ["", "  ", "x" * 201, None, 7, "NVIDIA", "thing of nobody", "<script>", "((((" * 40]
)
def test_nonsense_is_one_short_sentence(name):
    with pytest.raises(DeviceError) as error:
        find_device(name)
    assert len(str(error.value)) < 300
    assert "\n" not in str(error.value)


@given(st.text(max_size=250))
def test_any_text_is_a_device_or_a_device_error(text):
    try:
        device = find_device(text)
    except DeviceError:
        return
    assert device.tdp is not None or device.hint


def test_the_rated_powers_of_the_v100_are_not_exchanged():
    # A table in use elsewhere has the PCIe card at 300 W and the SXM2 one at 250 W.
    assert watts("Tesla V100-SXM2-16GB") == watts("Tesla V100-SXM2-32GB") == 300
    assert watts("Tesla V100-PCIE-16GB") == watts("Tesla V100-PCIE-32GB") == 250


def test_the_peak_of_an_h100_is_dense():
    # The data sheet prints 1979, which only half-empty matrices reach.
    assert tflops(find_device("H100 SXM"), "bf16") == pytest.approx(1979 / 2)
    assert tflops(find_device("H100 PCIe"), "bf16") == pytest.approx(1513 / 2)


def test_the_pcie_a100_of_80_gb_uses_more_than_that_of_40():
    assert (watts("A100 PCIe 40GB"), watts("A100 PCIe 80GB")) == (250, 300)


def test_the_power_of_a_tpu_on_jobs_is_not_its_rating():
    for name, rated, mean in (("TPU v2", 280, 221), ("TPU v3", 450, 283)):
        device = find_device(name)
        assert (device.tdp.value, device.mean_power.value) == (rated, mean)
        assert device.mean_power.low < mean < device.mean_power.high < rated
    assert find_device("TPU v5e").tdp is None


def test_sixteen_bit_peaks_by_rule_are_that_multiple_of_the_32_bit_ones():
    multiples = {"tensor_x2": 2, "tensor_x4": 4, "tensor_x8": 8}
    ruled = [row for row in ROWS if row["half_source"] in multiples]
    assert {row["half_source"] for row in ruled} == set(multiples)
    for row in ruled:
        expected = multiples[row["half_source"]] * float(row["fp32_tflops"])
        assert float(row["half_tflops"]) == pytest.approx(expected, abs=0.06)
    # NVIDIA's own figures for cards that the rules are taken from.
    for name, printed in (("RTX 3090", 71), ("RTX 4090", 165.2), ("RTX 2080 Ti", 53.8), ("RTX 5080", 112.6)):
        half = find_device(name).peak_flop_per_s["fp16"]
        assert (half.value, half.basis) == (pytest.approx(printed * 1e12, rel=0.005), "modelled")


def test_every_figure_has_a_known_source_with_a_year():
    known = {row["key"]: row for row in csv.DictReader((DATA / "device_sources.csv").open(encoding="utf-8"))}
    used = set()
    for row in ROWS:
        for what, column in (
            ("tdp", "tdp_w"),
            ("mean", "mean_w"),
            ("half", "half_tflops"),
            ("fp32", "fp32_tflops"),
        ):
            assert bool(row[column]) == bool(row[f"{what}_source"]), row["name"]
            used |= {row[f"{what}_source"]} - {""}
    assert used == set(known)
    assert all(source["basis"] in BASES and 2017 <= int(source["year"]) <= 2026 for source in known.values())
    # What nobody has read again is never more than a default.
    assert {source["basis"] for source in known.values() if source["provenance"] == "recalled"} == {"default"}
    device = find_device("T4")
    assert device.tdp.source.endswith("2025")
    assert device.peak_flop_per_s["fp16"].unit == "FLOP/s"


def test_processors_are_those_of_the_meter():
    device = find_device("AMD EPYC 7763 64-Core Processor")
    assert device.tdp.value == rated_power_w("AMD EPYC 7763 64-Core Processor")
    assert (device.kind, device.data_centre, dict(device.peak_flop_per_s)) == ("cpu", True, {})
    assert not find_device("Apple M2 Pro").data_centre


def test_the_list_of_processors_is_read_only_where_no_accelerator_fits():
    code = (
        "from greenai_magic.estimate import hardware\n"
        "hardware.find_device('Tesla T4')\n"
        "assert hardware._processors.cache_info().currsize == 0\n"
        "hardware.find_device('AMD EPYC 7763')\n"
        "assert hardware._processors.cache_info().currsize == 1\n"
    )
    root = Path(hardware.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)
