"""Which process made a run."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from greenai_magic.runs import session as module
from greenai_magic.runs.session import session_id


def test_a_session_is_one_process() -> None:
    show = f"from {module.__name__} import session_id; print(session_id())"
    other = subprocess.run(
        [sys.executable, "-c", show], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert session_id() == session_id() != other
    assert other.split(":")[0] == session_id().split(":")[0]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only /proc tells when a process started")
def test_a_program_whose_name_looks_like_a_status_is_read_right(tmp_path: Path) -> None:
    sleeper = tmp_path / "a) Z 1 ("
    sleeper.symlink_to("/bin/sleep")
    process = subprocess.Popen([sleeper, "60"])
    try:
        assert module._start_time(str(process.pid)).isdigit()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert module._start_time(str(process.pid)) == ""
