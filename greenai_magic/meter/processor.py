"""What processor this is, and the watts that the shipped tables give it."""

from __future__ import annotations

import csv
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parent / "data"
_GB = 1e9


@dataclass(frozen=True, slots=True)
class Processor:
    """What a machine says of its processor.

    Attributes
    ----------
    name, vendor : str
        Brand string and vendor id.
    family, model, stepping : int
        Of CPUID; -1 where the processor has none.
    sockets : int
        Packages seen.
    virtual : bool
        Whether this is a virtual machine.
    """

    name: str
    vendor: str = ""
    family: int = -1
    model: int = -1
    stepping: int = -1
    sockets: int = 1
    virtual: bool = False


def detect_processor(proc: Path = Path("/proc")) -> Processor:
    """Return this machine's processor, from ``/proc/cpuinfo`` or what the system tells instead."""
    try:
        text = (proc / "cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Processor(_brand_string())
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    sockets = {line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("physical id")}
    return Processor(
        fields.get("model name", ""),
        fields.get("vendor_id", ""),
        _number(fields.get("cpu family")),
        _number(fields.get("model")),
        _number(fields.get("stepping")),
        max(1, len(sockets)),
        "hypervisor" in fields.get("flags", "").split(),
    )


def rated_power_w(name: str) -> float | None:
    """Return the rated power (TDP) of a processor by its brand string, or None where it is unknown.

    An exact match after tidying, never a near one: a wrong chip is worse than none.
    """
    wanted = _tidy(name)
    if not wanted:
        return None
    with (DATA / "cpu_tdp.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            if row[0].casefold() == wanted:
                return float(row[1])
    return None


def vcpu_watts(processor: Processor) -> tuple[str, float, float]:
    """Return microarchitecture, idle and full watts of one hardware thread, at the server's plug.

    Returns
    -------
    (str, float, float)
        The name is ``"unknown"`` where no family and model of the table fits.
    """
    with (DATA / "vcpu_power.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    row = next((row for row in rows if _fits(processor, row)), None)
    if row is None:
        (row,) = (row for row in rows if row["name"] == "unknown")
    return row["name"], float(row["idle_w"]), float(row["max_w"])


def installed_memory_gb(proc: Path = Path("/proc")) -> float | None:
    """Return the machine's memory in GB (10^9 bytes), or None where it cannot be told."""
    try:
        return int((proc / "meminfo").read_text().split()[1]) * 1024 / _GB
    except (OSError, ValueError, IndexError):
        return None


def _fits(processor: Processor, row: dict[str, str]) -> bool:
    return (
        row["name"] != "unknown"
        and row["vendor"] == processor.vendor
        and int(row["family"]) == processor.family
        and _within(processor.model, row["models"])
        and _within(processor.stepping, row["steppings"])
    )


def _tidy(name: str) -> str:
    name = re.sub(
        r"\((R|TM|C)\)|\bCPU\b|\bProcessor\b|@.*$|\b\d+-Core\b|\bwith\b.*$", " ", name, flags=re.IGNORECASE
    )
    name = re.sub(r"^\s*\d+th Gen ", "", name)
    return " ".join(name.split()).casefold()


def _within(number: int, ranges: str) -> bool:
    """Return whether a number is in ranges such as ``"1 17-19"``; no range at all means any."""
    bounds = [(low, high or low) for low, _, high in (part.partition("-") for part in ranges.split())]
    return not bounds or any(int(low) <= number <= int(high) for low, high in bounds)


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else -1


def _brand_string() -> str:
    if sys.platform == "darwin":
        import subprocess

        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        try:
            return subprocess.run(
                command, capture_output=True, text=True, timeout=1, check=False
            ).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return ""
    return platform.processor()
