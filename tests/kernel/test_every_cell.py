"""`%greenai auto on`: every cell is measured, and each once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from kernels import Kernel

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def auto(new_kernel: Callable[..., Kernel]) -> Kernel:
    kernel = new_kernel()
    cell = kernel.ok("%greenai auto on")
    assert "from now on" in cell.stdout
    assert not cell.cards
    return kernel


@pytest.fixture
def runs_before(auto: Kernel) -> Iterator[int]:
    return len(auto.runs())


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("1 + 1", "ok"),
        ("import asyncio\nawait asyncio.sleep(0.01)\n'awaited'", "ok"),
        ("async with asyncio.Lock():\n    pass", "ok"),
        ("1 / 0", "error"),
        ("import asyncio\nasync def fail():\n    1 / 0\nawait fail()", "error"),
        ("raise KeyboardInterrupt", "interrupted"),
        ("%%time\n1 + 1", "ok"),
        ("%%capture caught\nprint('in')", "ok"),
        ("!echo hello", "ok"),
        ("get_ipython().run_cell('1 + 1')", "ok"),
        ("text = 'not a %carbon of its own'", "ok"),
    ],
)
def test_a_cell_is_measured_once(auto: Kernel, runs_before: int, source: str, status: str) -> None:
    cell = auto.run(source)
    assert len(cell.cards) == 1
    runs = auto.runs()
    assert len(runs) == runs_before + 1
    assert runs[0].status == status
    assert cell.status == ("ok" if status == "ok" else "error")


@pytest.mark.parametrize(
    "source",
    [
        "%%carbon\n1 + 1",
        "%%carbon --quiet\n1 / 0",
        "%carbon 1 + 1",
        "a = 1\n%carbon a + 1",
        "%%time\n%%carbon\n1 + 1",
        "\n%%carbon\n1 + 1",
    ],
)
def test_a_cell_that_measures_itself_is_not_measured_twice(
    auto: Kernel, runs_before: int, source: str
) -> None:
    cell = auto.run(source)
    assert len(cell.cards) == int("--quiet" not in source)
    assert len(auto.runs()) == runs_before + 1


@pytest.mark.parametrize("source", ["%greenai last", "%greenai status", "%load_ext greenai_magic"])
def test_a_cell_about_measuring_is_not_measured(auto: Kernel, runs_before: int, source: str) -> None:
    auto.run(source)
    assert len(auto.runs()) == runs_before


@pytest.mark.parametrize("source", ["a = = 1", "if True:\n1", "print('open"])
def test_a_mistake_in_writing_is_no_run(auto: Kernel, source: str) -> None:
    auto.ok("'before'")
    # The clerk's quarter of a second for that run is over.
    auto.run("import time; time.sleep(0.4)", silent=True)
    (before, *_) = auto.runs()
    cell = auto.run(source)
    assert cell.status == "error"
    assert not cell.cards
    assert auto.runs()[0].id == before.id
    assert auto.look("__import__('greenai_magic').last_run().id") == [repr(before.id)]


def test_an_interrupt_of_a_cell_that_awaits_is_one(auto: Kernel) -> None:
    source = "import asyncio\nprint('begun')\nwhile True:\n    await asyncio.sleep(0.01)"
    cell = auto.run(source, on_output=lambda kernel: kernel.manager.interrupt_kernel())
    assert cell.status == "error"
    assert "interrupted" in cell.cards[0]["text/plain"]


def test_a_cell_shows_what_it_did_before(auto: Kernel) -> None:
    cell = auto.ok("print('out')\n41 + 1")
    assert (cell.value, cell.stdout, cell.stderr) == ("42", "out\n", "")
    assert auto.ok("41 + 1;").value is None
    assert "----> 1 1 / 0" in auto.run("1 / 0").traceback


def test_cards_can_be_left_out(auto: Kernel, runs_before: int) -> None:
    auto.ok("%config GreenAI.card = False")
    assert not auto.ok("1 + 1").outputs[1:]
    auto.ok("%config GreenAI.card = True")
    assert len(auto.runs()) == runs_before + 3


def test_switching_on_twice_is_switching_on_once(auto: Kernel, runs_before: int) -> None:
    auto.ok("%greenai auto on")
    auto.ok("1 + 1")
    assert len(auto.runs()) == runs_before + 1
    assert "Every cell is measured: yes" in auto.ok("%greenai status").stdout


def test_off_is_off(auto: Kernel, runs_before: int) -> None:
    auto.ok("%greenai auto off")
    assert not auto.ok("1 + 1").cards
    auto.ok("%greenai auto off")
    assert len(auto.runs()) == runs_before
    auto.ok("%greenai auto on")
    assert auto.ok("1 + 1").cards
