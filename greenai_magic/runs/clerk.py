"""The clerk: keeps runs a moment after they happen, so that no cell waits for a disk.

Jobs are done in order a quarter of a second after they were left, by a thread that lives only so long, and at
the latest when the process ends.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import deque
from collections.abc import Callable

_PAUSE_S = 0.25
"""Long enough for the kernel to answer first and for short runs to have ended: one write for them."""


def later(job: Callable[[], None]) -> None:
    """Have a job done soon, after all those left before it."""
    global _thread
    _jobs.append(job)
    if _thread is None:
        _thread = threading.Thread(target=_work, name="greenai-clerk", daemon=True)
        _thread.start()


def catch_up() -> None:
    """Do now all that was left so far; what a reader of the ledger asks for first."""
    with _working:
        while _jobs:
            _jobs.popleft()()


def _work() -> None:
    global _thread
    time.sleep(_PAUSE_S)
    # What is left from here on needs a thread of its own, should this one have passed it.
    _thread = None
    catch_up()


def _forget_parent() -> None:
    # The parent's jobs are the parent's, its thread is not here, and its lock may have been held.
    global _thread, _working
    _jobs.clear()
    _thread, _working = None, threading.RLock()


_jobs: deque[Callable[[], None]] = deque()
_thread: threading.Thread | None = None
_working = threading.RLock()
atexit.register(catch_up)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
