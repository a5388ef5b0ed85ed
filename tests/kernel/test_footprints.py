"""A footprint at the end of a cell, and the commands of `%greenai` that make or show one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kernels import Cell, Kernel

pytestmark = pytest.mark.kernel


def _value(cell: Cell) -> dict[str, str]:
    (value,) = [output["data"] for output in cell.outputs if output["type"] == "execute_result"]
    return value


def test_a_footprint_shows_itself_and_inside_a_list_in_one_line(kernel: Kernel) -> None:
    kernel.ok("%%carbon --quiet --place FRA -o run\nsum(range(10_000_000))")
    faces = _value(kernel.ok("run.footprint"))
    assert faces["text/plain"].startswith("footprint: France · ≥ ")
    assert faces["text/html"].startswith('<div class="greenai">')
    listed = _value(kernel.ok("[run.footprint]"))["text/plain"]
    assert listed.startswith("[<Footprint in France: gwp ")
    assert listed.count("\n") == 0
    assert kernel.look("repr(run.footprint)")[0].startswith("'<Footprint in France")


def test_unloaded_a_footprint_is_one_line_again(new_kernel: Callable[..., Kernel]) -> None:
    kernel = new_kernel()
    kernel.ok("%%carbon --quiet --place FRA -o run\n1")
    kernel.ok("%unload_ext greenai_magic")
    faces = _value(kernel.ok("run.footprint"))
    assert faces.keys() == {"text/plain"}
    assert faces["text/plain"].startswith("<Footprint in France")
