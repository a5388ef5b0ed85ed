"""What the benchmarks share: fresh processes, medians, tables, and the machine in generic words."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PEERS = ("codecarbon", "zeus", "carbontracker")


def probe(
    python: str,
    *arguments: object,
    environment: Mapping[str, str] = os.environ,
    script: str = "probe.py",
    longest_s: float = 300,
) -> dict[str, Any]:
    """Run a probe in a fresh process; returns what it found, or ``{"error": sentence}``."""
    with tempfile.TemporaryDirectory() as folder:
        # Nobody's own ledger, and no folder of results to read or to write.
        paths = [str(HERE.parent), environment.get("PYTHONPATH", "")]
        own = {"GREENAI_LEDGER": f"{folder}/runs.db", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        command = [python, HERE / script, *map(str, arguments), "--out", f"{folder}/found.json"]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**environment, **own},
            capture_output=True,
            text=True,
            timeout=longest_s,
            check=False,
        )
        found = Path(folder) / "found.json"
        if done.returncode == 0 and found.exists():
            return json.loads(found.read_text())
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return {"error": last}


def medians(samples: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median of each figure over several samples."""
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}


def noise(values: Sequence[float]) -> str:
    """Return the least and the greatest value in words."""
    return f"{min(values):.3g} to {max(values):.3g}"


def machine(
    peers_python: str,
    own: Sequence[str] = ("greenai-magic", "ipython", "ipykernel"),
    peers: Sequence[str] = PEERS,
) -> dict[str, Any]:
    """Describe machine and versions in words that hold anywhere."""
    command = [peers_python, "-c", _VERSIONS, *peers]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "processor": f"{_processor()}, {os.cpu_count()} hardware threads",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "versions": {name: version(name) for name in own} | json.loads(found),
    }


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a markdown table."""
    lines = [header, ["---"] * len(header), *([_cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def save(
    name: str, title: str, about: Mapping[str, Any], sections: Mapping[str, str], figures: object
) -> None:
    """Print the sections and keep them under ``results/``, as markdown and as JSON."""
    versions = ", ".join(f"{package} {number}" for package, number in about["versions"].items())
    head = (
        f"# {title}\n\n{about['date']}; {about['processor']}; {about['system']}; Python {about['python']}; "
        f"{versions}; load average before {about['load_before']}."
    )
    text = "\n\n".join([head, *(f"## {caption}\n\n{body}" for caption, body in sections.items())])
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text + "\n")
    (RESULTS / f"{name}.json").write_text(json.dumps({"machine": about, "figures": figures}, indent=1) + "\n")


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


_VERSIONS = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        found[name] = "not installed"
print(json.dumps(found))
"""
