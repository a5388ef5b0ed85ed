"""Which process made a run, and whether it is still there."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timedelta, timezone
from pathlib import Path

from greenai_magic.runs.run import Status

SILENCE = timedelta(seconds=60)
"""A run on another host that was not written for so long is taken for interrupted."""


def session_id() -> str:
    """Return which process this is: host, process and start time, as ``"host:pid:start"``.

    The start time tells a process from a later one with the same number. It is in clock ticks since
    boot, and empty where there is no ``/proc``.
    """
    return f"{platform.node()}:{os.getpid()}:{_start_time(str(os.getpid()))}"


def _start_time(pid: str) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1")
    except OSError:
        return ""
    # The second field is the program's name in parentheses and may hold anything.
    state, *fields = stat.rpartition(")")[2].split()
    # In a container a killed kernel can stay a zombie for ever.
    return "" if state in ("Z", "X") else fields[18]


def _is_alive(session: str, written_at: str) -> bool:
    host, _, process = session.partition(":")
    pid, _, started = process.partition(":")
    if host == platform.node() and started:
        return _start_time(pid) == started
    return datetime.now(timezone.utc) - datetime.fromisoformat(written_at) < SILENCE


def status_now(status: Status, session: str, written_at: str) -> Status:
    """Return the status as it is now: a run whose process is gone was interrupted."""
    gone = status == "running" and not _is_alive(session, written_at)
    return "interrupted" if gone else status
