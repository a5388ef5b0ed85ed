"""The clerk: has the process's ledger, and keeps runs a moment after they happen.

No cell waits for a disk at its end: jobs are done in order a moment after they were left, and at the latest
when the process ends.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from greenai_magic.errors import LedgerError
from greenai_magic.meter.meter import Meter
from greenai_magic.runs.ledger import Ledger


def later(job: Callable[[], None], meter: Meter) -> None:
    """Have the meter's thread do a job soon, after all those left before it; at once where it has none."""
    _jobs.append(job)
    if not meter.soon(catch_up):
        catch_up()


def catch_up() -> None:
    """Do now all that was left so far; what a reader of the ledger asks for first."""
    with _working:
        while _jobs:
            _jobs.popleft()()


def try_to(save: Callable[[Ledger], None], ledger: Ledger) -> str:
    """Save something and return why it could not be saved, ``""`` where it was."""
    global _trouble, _told
    try:
        save(ledger)
    except Exception as error:  # noqa: BLE001 - saving runs in threads, and beside the user's own error
        _trouble = str(error) if isinstance(error, LedgerError) else f"Not saved: {error!r}."
    else:
        _trouble, _told = "", False
    return _trouble


def untold_trouble() -> str:
    """Return why runs are not being saved, once; ``""`` while they are, or when it has been said."""
    global _told
    sentence, _told = "" if _told else _trouble, bool(_trouble)
    return sentence


def ledger_at(path: Path) -> Ledger:
    """Return this process's ledger, moved to a path if it was at another.

    What could not be saved there is saved here.
    """
    global _ledger
    if _ledger is None:
        _ledger = Ledger(path)
        atexit.register(close_ledger)
    elif _ledger.path != path:
        catch_up()
        _ledger.move(path)
    return _ledger


def close_ledger() -> None:
    """Save what still waits and let go of the file; the next run opens it again."""
    catch_up()
    try:
        if _ledger is not None:
            _ledger.close()
    except LedgerError as error:
        print(f"greenai: {error}", file=sys.stderr)  # noqa: T201 - the last chance to say it


def _forget_parent() -> None:
    # The parent's jobs are the parent's, and its lock may have been held.
    global _working
    _jobs.clear()
    _working = threading.RLock()


_jobs: deque[Callable[[], None]] = deque()
_working = threading.RLock()
_ledger: Ledger | None = None
_trouble = ""
"""Why runs are not being saved; empty while they are."""
_told = False
"""Whether that was said."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
