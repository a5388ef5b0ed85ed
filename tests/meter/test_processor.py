"""What processor this is: the right chip or none, and no rated power for a virtual machine."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
from powercap import write_proc

from greenai_magic.meter.processor import (
    Processor,
    detect_processor,
    installed_memory_gb,
    rated_power_w,
    vcpu_watts,
)


@pytest.mark.parametrize(
    ("name", "watts"),
    [
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", None),
        ("AMD EPYC", None),
        ("AMD EPYC 7B12", 240.0),
        ("AMD EPYC 7763 64-Core Processor", 280.0),
        ("Intel(R) Core(TM) i7-12700H", 45.0),
        ("12th Gen Intel(R) Core(TM) i7-12700H", 45.0),
        ("AMD Ryzen 9 5950X 16-Core Processor", 105.0),
        ("AMD Ryzen 7 5800H with Radeon Graphics", 45.0),
        ("Intel(R) Xeon(R) CPU E5-2690 v4 @ 2.60GHz", 135.0),
        ("Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz", 150.0),
        ("QEMU Virtual CPU version 2.5+", None),
        ("DO-Regular", None),
        ("", None),
    ],
)
def test_a_brand_string_gives_its_own_rated_power_or_none(name, watts):
    assert rated_power_w(name) == watts


@pytest.mark.parametrize(
    ("vendor", "family", "model", "stepping", "name"),
    [
        ("AuthenticAMD", 23, 1, 2, "AMD Naples"),
        ("AuthenticAMD", 23, 49, 0, "AMD Rome"),
        ("AuthenticAMD", 25, 1, 1, "AMD Milan"),
        ("AuthenticAMD", 25, 17, 1, "AMD Genoa"),
        ("AuthenticAMD", 26, 2, 1, "AMD Turin"),
        ("GenuineIntel", 6, 79, 1, "Intel Broadwell"),
        ("GenuineIntel", 6, 85, 4, "Intel Skylake"),
        ("GenuineIntel", 6, 85, 7, "Intel Cascade Lake"),
        ("GenuineIntel", 6, 85, 11, "unknown"),
        ("GenuineIntel", 6, 106, 6, "Intel Ice Lake"),
        ("GenuineIntel", 6, 143, 8, "Intel Sapphire Rapids"),
        ("AuthenticAMD", 6, 106, 6, "unknown"),
        ("GenuineIntel", 25, 1, 1, "unknown"),
        ("", -1, -1, -1, "unknown"),
    ],
)
def test_the_microarchitecture_is_told_by_family_model_and_stepping(vendor, family, model, stepping, name):
    found, idle_w, max_w = vcpu_watts(Processor("masked", vendor, family, model, stepping))
    assert found == name
    assert 0 < idle_w < max_w < 10


def test_cpuinfo_tells_what_machine_this_is(tmp_path):
    proc = write_proc(
        tmp_path,
        name="AMD EPYC 7763 64-Core Processor",
        vendor="AuthenticAMD",
        family=25,
        model=1,
        stepping=1,
    )
    assert detect_processor(proc) == Processor("AMD EPYC 7763 64-Core Processor", "AuthenticAMD", 25, 1, 1)


def test_sockets_are_counted_and_a_hypervisor_is_seen(tmp_path):
    assert detect_processor(write_proc(tmp_path / "two", sockets=2)).sockets == 2
    assert detect_processor(write_proc(tmp_path / "vm", virtual=True)).virtual
    assert not detect_processor(write_proc(tmp_path / "metal")).virtual


def test_a_processor_that_says_little_is_still_one(tmp_path):
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\nCPU part\t: 0xd0c\n"
    )
    assert detect_processor(tmp_path) == Processor("")


def test_without_procfs_the_system_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(platform, "processor", lambda: "AMD64 Family 25 Model 33")
    assert detect_processor(tmp_path) == Processor("AMD64 Family 25 Model 33")


@pytest.mark.parametrize("trouble", [OSError("no sysctl"), subprocess.TimeoutExpired("sysctl", 1)])
def test_a_system_that_does_not_answer_has_no_name(tmp_path, monkeypatch, trouble):
    def run(*_args, **_options):
        raise trouble

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", run)
    assert detect_processor(tmp_path) == Processor("")


def test_installed_memory_is_in_powers_of_ten(tmp_path):
    assert installed_memory_gb(write_proc(tmp_path, memory_gb=64.0)) == pytest.approx(64.0)


@pytest.mark.parametrize("text", ["", "MemTotal:\n", "MemTotal: many kB\n"])
def test_memory_that_cannot_be_told_is_unknown(tmp_path, text):
    (tmp_path / "meminfo").write_text(text)
    assert installed_memory_gb(tmp_path) is None
    assert installed_memory_gb(tmp_path / "not there") is None
