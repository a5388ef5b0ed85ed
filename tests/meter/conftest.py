from __future__ import annotations

import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "simulation"))
from nvml_stub import build_stub, run_script
from powercap import ScriptedClock


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory):
    """The simulated driver."""
    if not shutil.which("cc"):
        pytest.skip("the simulated driver is built with cc")
    return build_stub(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def run(nvml_library, tmp_path):
    """Run a script where NVML is the simulated driver, and return what it answers."""
    return partial(run_script, library=nvml_library, world=tmp_path / "world")


@pytest.fixture
def clock():
    """A clock that stands still until it is told to go on."""
    return ScriptedClock()
