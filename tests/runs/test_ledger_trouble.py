"""The ledger loses nothing when others write too, when its process dies and when its file fails."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from greenai_magic.errors import LedgerError
from greenai_magic.runs import ledger as module
from greenai_magic.runs.ledger import Ledger
from greenai_magic.runs.session import session_id
from tests.runs.factories import make_run

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="only /proc tells when a process started"
)

GO_ON_UNTIL_KILLED = """
import sys
from pathlib import Path
from greenai_magic.runs.ledger import Ledger
from greenai_magic.runs.session import session_id
from tests.runs.factories import make_run

ledger = Ledger(Path(sys.argv[1]))
ledger.write(make_run(name="before"))
run = make_run(name="doomed", status="running", session=session_id(), energy_j=7.0)
ledger.write(run)
print(run.id, flush=True)
sys.stdin.read()
"""
WRITE_FIFTY = """
import sys
from pathlib import Path
from greenai_magic.runs.ledger import Ledger
from tests.runs.factories import make_run

ledger = Ledger(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for i in range(50):
    run = make_run(name=f"{sys.argv[2]} {i}", status="running")
    ledger.write(run)
    ledger.write(make_run(id=run.id, name=run.name))
ledger.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    ledger = Ledger(path)
    yield ledger
    ledger.close()


def spawn(script: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *arguments]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)


def assert_one_sentence(error: pytest.ExceptionInfo[LedgerError], *parts: str) -> None:
    text = str(error.value)
    assert text.endswith(".")
    assert ". " not in text
    assert "\n" not in text
    for part in (*parts, "%config GreenAI.ledger = "):
        assert part in text


# Killed, asleep, elsewhere


@needs_proc
def test_a_killed_process_leaves_an_interrupted_run_with_all_it_had_written(
    ledger: Ledger, path: Path
) -> None:
    process = spawn(GO_ON_UNTIL_KILLED, str(path))
    run_id = process.stdout.readline().strip()
    assert ledger.get(run_id).status == "running"
    process.kill()
    # Dead but not reaped yet: a zombie, as a killed kernel whose server does not look.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ledger.get(run_id).status == "interrupted"
    process.communicate()
    run = ledger.get(run_id)
    assert run.status == "interrupted"
    assert run.measurement.machine.value == pytest.approx(7.0, rel=1e-3)
    assert "is not counted" in run.measurement.notes[-1]
    assert [run.name for run in ledger.runs()] == ["doomed", "before"]
    assert {row.group: row.count for row in ledger.totals("status")} == {"ok": 1, "interrupted": 1}


@needs_proc
def test_another_process_with_the_same_number_is_not_the_one_that_wrote(ledger: Ledger) -> None:
    host, pid, started = session_id().split(":")
    ledger.write(make_run(id="same", status="running", session=f"{host}:{pid}:{started}"))
    ledger.write(make_run(id="later", status="running", session=f"{host}:{pid}:{int(started) - 1}"))
    assert ledger.get("same").status == "running"
    assert ledger.get("later").status == "interrupted"


@pytest.mark.parametrize(
    "session",
    ["elsewhere:12:345", "", f"{session_id().partition(':')[0]}:{os.getpid()}:"],
    ids=["another host", "unknown", "no start time"],
)
def test_where_the_process_cannot_be_seen_silence_tells(ledger: Ledger, path: Path, session: str) -> None:
    ledger.write(make_run(id="a", status="running", session=session))
    assert ledger.get("a").status == "running"
    for silence_s, status in [(50, "running"), (70, "interrupted")]:
        then = datetime.now(timezone.utc) - timedelta(seconds=silence_s)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("UPDATE runs SET written_at = ?", (then.isoformat(),))
        assert ledger.get("a").status == status


# Together


def test_four_processes_that_create_and_write_one_file_at_once_lose_nothing(
    ledger: Ledger, path: Path
) -> None:
    processes = [spawn(WRITE_FIFTY, str(path), f"process {n}") for n in range(4)]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 4
    runs = ledger.runs(-1)
    assert {run.name for run in runs} == {f"process {n} {i}" for n in range(4) for i in range(50)}
    assert {run.status for run in runs} == {"ok"}


def test_threads_share_one_ledger(ledger: Ledger) -> None:
    def write() -> None:
        for _ in range(20):
            ledger.write(make_run())

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.runs(-1)) == 80


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_forked_child_opens_the_file_for_itself_even_if_the_lock_was_held(
    ledger: Ledger, path: Path
) -> None:
    ledger.write(make_run(name="parent"))
    with ledger._lock:
        child = multiprocessing.get_context("fork").Process(
            target=ledger.write, args=[make_run(name="child")]
        )
        child.start()
        child.join(20)
    assert child.exitcode == 0
    ledger.write(make_run(name="parent again"))
    assert {run.name for run in ledger.runs()} == {"parent", "child", "parent again"}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_while_another_process_holds_the_file_the_newest_state_waits_in_memory(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_S", 0.01)
    ledger.write(make_run(name="first"))
    ended = make_run(id="a", name="waits")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ledger.write(replace(ended, status="running"))
        ledger.write(ended)
        ledger.write(replace(ended, status="running"))
        assert [run.name for run in ledger.runs()] == ["first"]
        with pytest.raises(LedgerError) as error:
            ledger.close()
        assert_one_sentence(error, "Run 'waits' is not saved", "locked", str(path))
    ledger.write(make_run(name="next"))
    assert {run.name for run in ledger.runs()} == {"first", "waits", "next"}
    assert ledger.get("a").to_dict() == ended.to_dict()


def test_reading_shows_what_waited_once_the_file_is_free(ledger: Ledger, path: Path) -> None:
    ledger.write(make_run(name="first"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ledger.write(make_run(name="waited"))
        assert ledger.waiting == 1
    assert {run.name for run in ledger.runs()} == {"first", "waited"}
    assert ledger.waiting == 0


def test_too_many_waiting_runs_are_told(ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNSAVED_RUNS", 2)
    monkeypatch.setattr(module, "BUSY_S", 0.01)
    ledger.write(make_run())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ledger.write(make_run())
        with pytest.raises(LedgerError, match="2 runs are not saved"):
            ledger.write(make_run())


# Trouble


@pytest.mark.parametrize("end", ["", "deeper/"])
def test_a_folder_that_cannot_be_made_is_told_and_another_file_takes_the_run(
    tmp_path: Path, end: str
) -> None:
    (tmp_path / "file").write_text("not a folder")
    path = tmp_path / "file" / f"{end}ledger.sqlite"
    ledger = Ledger(path)
    run = make_run(name="it's mine")
    with pytest.raises(LedgerError) as error:
        ledger.write(run)
    assert_one_sentence(error, 'Run "it\'s mine" is not saved', str(path))
    ledger.move(tmp_path / "elsewhere" / "ledger.sqlite")
    ledger.close()
    assert ledger.get(run.id).to_dict() == run.to_dict()
    ledger.close()
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_full_disk_is_told_and_the_run_is_saved_once_there_is_room(ledger: Ledger) -> None:
    first, second = make_run(), make_run(points=512, name="big")
    ledger.write(first)
    pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerError) as error:
        ledger.write(second)
    assert_one_sentence(error, "Run 'big' is not saved", "disk is full")
    assert [run.id for run in ledger.runs()] == [first.id]
    ledger._connection.execute(f"PRAGMA max_page_count = {pages + 100}")
    ledger.write(make_run())
    assert ledger.get(second.id).to_dict() == second.to_dict()
    assert len(ledger.runs()) == 3


@pytest.mark.parametrize("damage", ["header", "everything"])
def test_a_damaged_file_is_told_and_stays_byte_for_byte(path: Path, damage: str) -> None:
    ledger = Ledger(path)
    ledger.write(make_run())
    ledger.close()
    whole = path.read_bytes()
    path.write_bytes(b"#" * 100 + whole[100:] if damage == "header" else os.urandom(len(whole)))
    before = path.read_bytes()
    with pytest.raises(LedgerError) as error:
        ledger.write(make_run(name="lost?"))
    assert_one_sentence(error, "Run 'lost?' is not saved", str(path), "not a database")
    with pytest.raises(LedgerError) as error:
        ledger.runs()
    assert_one_sentence(error, "cannot be read")
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    path.write_bytes(whole)
    assert {run.name for run in ledger.runs()} == {"cell", "lost?"}
    ledger.close()


def test_memory_holds_only_so_many_runs_and_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UNSAVED_RUNS", 3)
    ledger = Ledger(Path(os.devnull) / "ledger.sqlite")
    for i in range(5):
        with pytest.raises(LedgerError, match="not saved" if i < 3 else f"{i - 2} older ones are lost"):
            ledger.write(make_run(name=f"{i}"))
    ledger.move(tmp_path / "ledger.sqlite")
    assert {run.name for run in ledger.runs()} == {"2", "3", "4"}
    ledger.close()
