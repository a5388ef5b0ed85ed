"""What fails while measuring costs a sentence, and never the user's result, error or earlier runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from kernels import Cell, Kernel, kept, wait_until

pytestmark = pytest.mark.kernel

BREAKABLE = """
from greenai_magic.errors import CounterLost
from greenai_magic.meter.discover import use_meter
from greenai_magic.meter.host import Host
from greenai_magic.meter.meter import Meter
from greenai_magic.meter.replay import Replay

class Breakable(Replay):
    error = None
    def read(self, now, *, edge):
        if self.error:
            raise self.error
        return super().read(now, edge=edge)

def new_meter(**options):
    global counter, meter
    counter = Breakable("cpu", [0, 1], [0, 10])
    meter = Meter([counter], Host(), **options)
    before = use_meter(meter)
    if before is not None:
        before.close()

LOST = CounterLost("The counter is gone.")
REFUSED = OSError(5, "Input/output error")
BUG = RuntimeError("a slip in a counter")
"""
SLOW = "import time\ntime.sleep(0.4)\n"


def _sentences(cell: Cell) -> list[str]:
    notes = cell.cards[0]["text/plain"].split("note: ")[1:] if cell.cards else []
    return [*cell.stdout.splitlines(), *(" ".join(note.split()) for note in notes)]


def _breakable(new_kernel: Callable[..., Kernel]) -> Kernel:
    kernel = new_kernel(GREENAI_COUNTRY="FRA")
    kernel.ok(BREAKABLE)
    return kernel


breakable = pytest.fixture(_breakable, scope="module", name="breakable")
refused = pytest.fixture(_breakable, scope="module", name="refused")


MOMENTS = [("start", "41 + 1"), ("meanwhile", "41 + 1"), ("meanwhile", "1 / 0"), ("end", "1 / 0")]


@pytest.mark.parametrize(("moment", "ending"), MOMENTS)
def test_a_counter_that_stops_answering_is_a_note(breakable: Kernel, moment: str, ending: str) -> None:
    _break(breakable, "LOST", moment, ending)


@pytest.mark.parametrize(("moment", "ending"), MOMENTS)
def test_a_counter_that_the_system_refuses_to_read_is_a_note(
    refused: Kernel, moment: str, ending: str
) -> None:
    _break(refused, "REFUSED", moment, ending)


@pytest.mark.parametrize("ending", ["41 + 1", "1 / 0"])
@pytest.mark.parametrize("moment", ["start", "end"])
def test_a_slip_in_a_counter_is_one_sentence(breakable: Kernel, moment: str, ending: str) -> None:
    breakable.ok("new_meter(threaded=False)" + ("\ncounter.error = BUG" if moment == "start" else ""))
    cell = breakable.run(f"%%carbon --no-save --score a=1\ncounter.error = BUG\n{ending}")
    _is_the_user_s(cell, ending)
    what = {"start": "This cell is not measured", "end": "This cell's figures are lost"}[moment]
    assert cell.stdout == f"greenai: {what}: RuntimeError: a slip in a counter\n"
    assert not cell.cards


def test_a_meter_that_cannot_be_made_is_one_sentence(breakable: Kernel) -> None:
    breakable.ok(
        "use_meter(None)\n"
        "from greenai_magic.meter import discover as _d\n"
        "def no_meter():\n    raise RuntimeError('no meter\\nhere')\n"
        "real, _d.discover = _d.discover, no_meter"
    )
    cell = breakable.ok("%%carbon\n41 + 1")
    assert (cell.value, cell.stderr) == ("42", "")
    assert cell.stdout == "greenai: This cell is not measured: RuntimeError: no meter here\n"
    breakable.ok("%greenai auto on")
    cell = breakable.run("1 / 0")
    assert cell.reply["ename"] == "ZeroDivisionError"
    assert cell.stdout == "greenai: This cell is not measured: RuntimeError: no meter here\n"
    breakable.ok("%greenai auto off")
    breakable.ok("_d.discover = real")
    assert breakable.ok("%%carbon\n41 + 1").cards


def _break(kernel: Kernel, error: str, moment: str, ending: str) -> None:
    kernel.ok("new_meter()" + (f"\ncounter.error = {error}" if moment == "start" else ""))
    breaks = "" if moment == "start" else f"counter.error = {error}\n"
    cell = kernel.run(f"%%carbon\n{breaks}{SLOW if moment != 'end' else ''}{ending}")
    _is_the_user_s(cell, ending)
    assert len([text for text in _sentences(cell) if "since then is not counted" in text]) == 1
    assert not kernel.ok(SLOW).outputs


def _is_the_user_s(cell: Cell, ending: str) -> None:
    if ending == "1 / 0":
        assert (cell.status, cell.reply["ename"]) == ("error", "ZeroDivisionError")
        assert "1 / 0" in cell.traceback
    else:
        assert (cell.status, cell.value) == ("ok", "42")
    assert not cell.stderr


def _impossible(folder: Path) -> Path:
    (folder / "file").write_text("not a folder")
    return folder / "file" / "ledger.sqlite"


def _corrupted(folder: Path) -> Path:
    (folder / "ledger.sqlite").write_bytes(b"no database at all " * 500)
    return folder / "ledger.sqlite"


@pytest.mark.parametrize("make", [_impossible, _corrupted])
def test_a_ledger_that_cannot_be_used_is_one_sentence_until_there_is_another(
    new_kernel: Callable[..., Kernel], tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    kernel = new_kernel(GREENAI_LEDGER=str(path), GREENAI_COUNTRY="FRA")

    def quiet(name: str) -> Cell:
        cell = kernel.ok(f"%%carbon {name} --quiet\n41 + 1")
        assert (cell.value, cell.stderr) == ("42", "")
        kernel.settle()
        return cell

    (told,) = quiet("one").stdout.splitlines()
    assert "not saved" in told
    assert str(path) in told
    assert not quiet("two").stdout
    assert not quiet("three").stdout
    shown = kernel.ok("%%carbon four\n41 + 1")
    assert (shown.value, shown.stdout, shown.stderr) == ("42", "", "")
    assert len([text for text in _sentences(shown) if "not saved" in text]) == 1
    assert kernel.run("%%carbon five --quiet\n1 / 0").reply["ename"] == "ZeroDivisionError"

    good = tmp_path / "good" / "ledger.sqlite"
    kernel.ok(f"%config GreenAI.ledger = {str(good)!r}")
    after = kernel.ok("%%carbon six\n41 + 1")
    assert not [text for text in _sentences(after) if "saved" in text]
    assert not quiet("seven").stdout
    names = {run.name: run.status for run in kept(good)}
    assert names == dict.fromkeys(["one", "two", "three", "four", "six", "seven"], "ok") | {"five": "error"}


def test_cards_left_out_by_a_setting_leave_the_sentence_in(
    new_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    kernel = new_kernel(GREENAI_LEDGER=str(_impossible(tmp_path)))
    kernel.ok("%config GreenAI.card = False")
    kernel.ok("%greenai auto on")
    cells = []
    for _ in range(3):
        cells.append(kernel.ok("41 + 1"))
        kernel.settle()
    assert sum("not saved" in cell.stdout for cell in cells) == 1
    assert not any(cell.stderr or cell.cards for cell in cells)


def test_history_of_a_ledger_that_cannot_be_read_is_one_line(
    new_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    kernel = new_kernel(GREENAI_LEDGER=str(_corrupted(tmp_path)))
    cell = kernel.run("%greenai history")
    assert cell.reply["ename"] == "UsageError"
    assert cell.stderr.count("\n") == 1
    assert str(tmp_path) in cell.stderr


def test_a_killed_kernel_leaves_an_interrupted_run(new_kernel: Callable[..., Kernel]) -> None:
    kernel = new_kernel()
    pid = kernel.pid
    kernel.client.execute("%%carbon killed --tag a=b\nwhile True:\n    pass")

    def is_under_way() -> bool:
        return any(run.measurement.duration.value > 1 for run in kept(kernel.ledger))

    wait_until(is_under_way)
    assert kept(kernel.ledger)[0].status == "running"
    kernel.kill(pid)
    wait_until(lambda: kept(kernel.ledger)[0].status == "interrupted")
    (run,) = kept(kernel.ledger)
    assert (run.name, dict(run.tags)) == ("killed", {"a": "b"})
    assert run.measurement.machine.high > 0
