"""What a notebook cell costs the planet: energy and CO2e, honestly, while you work.

In a notebook, ``%load_ext greenai_magic`` and then ``%%carbon`` on a cell. In a script,
``with greenai_magic.measure("train") as m:``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from greenai_magic import estimate, flops
    from greenai_magic.errors import GreenAIError
    from greenai_magic.quantity import Quantity
    from greenai_magic.runs.measure import last_run, measure

__version__ = "0.1.0"
__all__ = ["GreenAIError", "Quantity", "__version__", "estimate", "flops", "last_run", "measure"]

_HOMES = {
    "GreenAIError": "greenai_magic.errors",
    "Quantity": "greenai_magic.quantity",
    "last_run": "greenai_magic.runs.measure",
    "measure": "greenai_magic.runs.measure",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that the package itself loads at once."""
    if name in {"estimate", "flops"}:
        return import_module(f"greenai_magic.{name}")
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names too that were not asked for yet, so that completion finds them."""
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics: what ``%load_ext greenai_magic`` calls."""
    from greenai_magic.notebook.extension import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Leave nothing behind: what ``%unload_ext`` and ``%reload_ext`` call."""
    from greenai_magic.notebook.extension import unload

    unload(shell)
