"""Kernels kept from the network and from the user's own files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from kernels import Kernel

OFFLINE = Path(__file__).parent / "offline"


@pytest.fixture(scope="session")
def quiet_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with no setting of the user's, a home of its own and no network."""
    home = tmp_path_factory.mktemp("home")
    ours = ("GREENAI_", "CODECARBON_", "codecarbon_", "XDG_", "JUPYTER_", "IPYTHON", "PYTHON", "COV_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": str(OFFLINE),
        "PYTHONUNBUFFERED": "1",
        "MPLCONFIGDIR": str(home / "matplotlib"),
    }


@pytest.fixture(scope="module")
def new_kernel(
    tmp_path_factory: pytest.TempPathFactory, quiet_env: dict[str, str]
) -> Iterator[Callable[..., Kernel]]:
    """Start kernels, each with a folder and a ledger of its own; all end with the module.

    The extension is loaded and has said nothing, unless it is not to be loaded.
    """
    kernels = []

    def start(*, load: bool = True, files: Mapping[str, str] | None = None, **env: str) -> Kernel:
        folder = tmp_path_factory.mktemp("kernel")
        for name, text in (files or {}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        own = {"GREENAI_LEDGER": str(folder / "ledger.sqlite"), "IPYTHONDIR": str(folder / "ipython")}
        kernel = Kernel(folder, quiet_env | own | env)
        kernels.append(kernel)
        if load:
            assert not kernel.ok("%load_ext greenai_magic").outputs
        return kernel

    yield start
    for kernel in kernels:
        kernel.close()


@pytest.fixture(scope="module")
def kernel(new_kernel: Callable[..., Kernel]) -> Kernel:
    return new_kernel()
