"""How a measured cell ends: by an error, an interrupt, an await; and what the ledger then holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from kernels import Kernel, kept, plain
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

pytestmark = pytest.mark.kernel

ENDLESS = "import time\nprint('begun')\nwhile True:\n    time.sleep(0.01)"


def _interrupt(kernel: Kernel) -> None:
    kernel.manager.interrupt_kernel()


def test_an_interrupt_ends_the_cell_as_usual_and_the_run_as_interrupted(kernel: Kernel) -> None:
    cell = kernel.run(f"%%carbon --quiet endless\n{ENDLESS}", on_output=_interrupt)
    assert (cell.status, cell.reply["ename"]) == ("error", "KeyboardInterrupt")
    assert "----> 5     time.sleep(0.01)" in cell.traceback
    assert "greenai" not in cell.traceback
    assert not cell.stderr
    run = kernel.runs()[0]
    assert (run.name, run.status) == ("endless", "interrupted")
    assert run.measurement.duration.value > 0


def test_an_interrupted_cell_has_a_card(kernel: Kernel) -> None:
    cell = kernel.run(f"%%carbon\n{ENDLESS}", on_output=_interrupt)
    assert "interrupted" in cell.cards[0]["text/plain"].splitlines()[0]


def test_a_failed_cell_counts_and_its_card_says_so(kernel: Kernel) -> None:
    cell = kernel.run("%%carbon doomed --score accuracy=1\n1 / 0")
    assert "error" in cell.cards[0]["text/plain"].splitlines()[0]
    run = kernel.runs()[0]
    assert (run.name, run.status, dict(run.scores)) == ("doomed", "error", {})


def test_an_interrupt_while_scoring_loses_the_score_alone(kernel: Kernel) -> None:
    kernel.ok("import time\ndef wait():\n    print('begun')\n    while True:\n        time.sleep(0.01)")
    line = "%%carbon scored -o kept --score first=1 --score slow=wait() --score last=2"
    cell = kernel.run(f"{line}\n41 + 1", on_output=_interrupt)
    assert cell.reply["ename"] == "KeyboardInterrupt"
    assert "----> 1 wait()" in cell.traceback
    assert "greenai" not in cell.traceback
    assert "greenai: The run is kept without the score slow: KeyboardInterrupt\n" in cell.stdout
    assert len(cell.cards) == 1
    run = kernel.runs()[0]
    assert (run.name, run.status, dict(run.scores)) == ("scored", "ok", {"first": 1.0})
    assert kernel.look("kept.id", "__import__('greenai_magic').last_run().id") == [f"'{run.id}'"] * 2


def test_a_cell_that_exits_without_a_code_has_done_its_work(kernel: Kernel) -> None:
    assert kernel.run("%%carbon exits --quiet\nraise SystemExit").reply["ename"] == "SystemExit"
    assert kernel.runs()[0].status == "ok"


@pytest.mark.parametrize("body", ["a = = 1", "await one()", "async for i in many():\n    pass"])
def test_what_cannot_run_is_not_measured(kernel: Kernel, body: str) -> None:
    before = len(kernel.runs())
    cell = kernel.run(f"%%carbon\nprint('never')\n{body}")
    assert cell.status == "error"
    assert not cell.cards
    assert not cell.stdout
    assert len(kernel.runs()) == before


def test_a_cell_that_awaits_is_told_the_ways_that_work(kernel: Kernel) -> None:
    cell = kernel.run("%%carbon\nimport asyncio\nawait asyncio.sleep(0)")
    assert cell.reply["ename"] == "UsageError"
    assert cell.stderr.count("\n") == 1
    assert "async with greenai_magic.measure()" in cell.stderr
    assert "%greenai auto on" in cell.stderr


def test_measure_awaits_in_a_plain_cell(kernel: Kernel) -> None:
    cell = kernel.ok(
        "import asyncio, greenai_magic\n"
        "async with greenai_magic.measure('awaited') as m:\n"
        "    await asyncio.sleep(0.01)\n"
        "m.duration_s.value >= 0.01, m.run.status"
    )
    assert cell.value == "(True, 'ok')"
    assert [output["type"] for output in cell.outputs] == ["execute_result"]
    assert kernel.runs()[0].name == "awaited"


def test_the_traceback_can_be_shown_again_and_the_error_be_pickled(kernel: Kernel) -> None:
    kernel.run("%%carbon --quiet\n1 / 0")
    again = [output for output in kernel.run("%tb").outputs if output["type"] == "error"]
    shown = plain("\n".join(again[0]["traceback"]))
    assert "----> 2 1 / 0" in shown
    assert "greenai_magic/" not in shown
    assert kernel.ok("import pickle, sys\npickle.loads(pickle.dumps(sys.last_value))").value


def test_an_error_that_another_cell_raises_again_tells_of_that_cell(kernel: Kernel) -> None:
    kernel.run("%%carbon --quiet\nkept = ValueError('kept')\nraise kept")
    again = kernel.run("# the other cell\nraise kept")
    assert "# the other cell" in again.traceback
    assert "----> 3 raise kept" in again.traceback


def test_an_error_without_room_for_attributes_is_still_shown(kernel: Kernel) -> None:
    kernel.ok(
        "class Slim(Exception):\n    __slots__ = ()\n    def __setattr__(self, *_):\n        raise AttributeError"
    )
    cell = kernel.run("%%carbon --quiet\nraise Slim('slim')")
    assert (cell.reply["ename"], cell.reply["evalue"]) == ("Slim", "slim")
    assert "----> 2 raise Slim('slim')" in cell.traceback


def test_a_failed_cell_lets_go_of_what_its_functions_held(kernel: Kernel) -> None:
    kernel.ok(
        "import gc, weakref\n"
        "class Big: ...\n"
        "def fail():\n    global held\n    big = Big()\n    held = weakref.ref(big)\n    raise ValueError"
    )
    kernel.run("%%carbon --quiet\nfail()")
    kernel.run("raise ValueError('the next error')")
    assert kernel.ok("gc.collect(); held() is None").value == "True"


def test_run_all_stops_at_the_error_of_a_measured_cell(tmp_path: Path, quiet_env: dict[str, str]) -> None:
    sources = ["%load_ext greenai_magic", "%%carbon\n1 / 0", "print('never')"]
    notebook: Any = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in sources])
    client = NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}})
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        client.execute(env=quiet_env | {"GREENAI_LEDGER": str(tmp_path / "ledger.sqlite")})
    assert notebook.cells[1].outputs[-1].ename == "ZeroDivisionError"
    assert not notebook.cells[2].outputs
    assert [run.status for run in kept(tmp_path / "ledger.sqlite")] == ["error"]


def test_a_cell_outside_the_history_is_measured_as_any_other(kernel: Kernel) -> None:
    cell = kernel.ok("%%carbon unnumbered\n40 + 2", store_history=False)
    assert (cell.value, len(cell.cards)) == ("42", 1)
    assert kernel.ok("%%carbon --quiet\n40 + 2;", store_history=False).value is None
    assert "----> 2 1 / 0" in kernel.run("%%carbon\n1 / 0", store_history=False).traceback


def test_an_error_is_the_same_in_a_terminal_s_traceback_modes(kernel: Kernel) -> None:
    for mode in ("Plain", "Minimal", "Verbose", "Context"):
        kernel.ok(f"%xmode {mode}")
        cell = kernel.run("%%carbon --quiet\ndef f(n):\n    return n / 0\nf(1)")
        assert cell.reply["ename"] == "ZeroDivisionError"
        assert "greenai_magic/" not in cell.traceback
        assert "Unexpected" not in cell.stdout
