"""The ledger: one SQLite file where every run is kept, and nothing finished ever changes.

A run's row is written when it starts and again as it goes; once it has ended, triggers inside the
file refuse to change or delete it, whoever asks. A correction is a new row that names the old one.
What cannot be saved now stays in memory and is tried again at the next write.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from greenai_magic.arithmetic import total
from greenai_magic.errors import LedgerError
from greenai_magic.quantity import Quantity
from greenai_magic.runs.rows import figures_of, row_of, run_of
from greenai_magic.runs.run import Run
from greenai_magic.runs.schema import prepare
from greenai_magic.runs.session import status_now

UNSAVED_RUNS = 256
"""How many runs wait in memory at most while the file cannot be written."""
BUSY_S = 0.25
"""How long a write waits for another process; longer would be felt in the cell."""
LAST_BUSY_MS = 2000
"""How long the last write of a process waits: nobody is in a cell any more."""

_PUT = """
INSERT OR REPLACE INTO runs VALUES (
    :id, :session, :name, :stage, :status, :started_at, :written_at, :duration_s,
    :machine_j, :machine_low_j, :machine_high_j, :gwp_g, :gwp_low_g, :gwp_high_g,
    :tags, :scores, :supersedes, :figures, :body)
"""
_GO_ON = """
UPDATE runs SET written_at = :written_at, duration_s = :duration_s,
    machine_j = :machine_j, machine_low_j = :machine_low_j, machine_high_j = :machine_high_j,
    gwp_g = :gwp_g, gwp_low_g = :gwp_low_g, gwp_high_g = :gwp_high_g, figures = :figures
WHERE id = :id AND status = 'running'
"""
_FIGURES = """
SELECT id, session, name, stage, status, written_at, figures FROM current_runs
ORDER BY started_at DESC, written_at DESC
"""
_HISTORY = """
SELECT body, figures, written_at FROM current_runs WHERE :session IS NULL OR session = :session
ORDER BY started_at DESC, written_at DESC LIMIT :limit
"""

# A connection that came through a fork is neither used nor closed, so it must not be collected.
_inherited: list[sqlite3.Connection | None] = []


@dataclass(frozen=True, slots=True)
class Total:
    """Sums over a group of runs.

    Attributes
    ----------
    group : str
        What the runs have in common: ``"training"``; ``"all"`` where they were not grouped.
    count : int
        How many runs, whatever their end.
    duration, machine, gwp : Quantity
        In s, J and g CO2e; a cause of error that the runs share is drawn once.
    """

    group: str
    count: int
    duration: Quantity
    machine: Quantity
    gwp: Quantity


class Ledger:
    """The file that keeps the runs. Nothing is opened or created before it is needed.

    Several threads, and several processes with a ledger each, may use one file at once.

    Parameters
    ----------
    path : Path
        The SQLite file; its folder is created with the first run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin()

    def write(self, run: Run, *, supersedes: str | None = None) -> None:
        """Save a run, or its new state while the saved one is still running.

        If another process holds the file for too long, the state waits in memory for the next write.

        Parameters
        ----------
        run : Run
            Status ``"running"`` as it goes, another one when it has ended.
        supersedes : str, optional
            Id of the run that this one corrects; history and totals then count this one only.

        Raises
        ------
        LedgerError
            If the run is not saved; it stays in memory and the next write tries again.
        """
        row = row_of(run, supersedes)
        with self._own_lock():
            self._keep(row)
            self._flush()

    def go_on(self, run_id: str, duration: Quantity, machine: Quantity, gwp: Quantity) -> None:
        """Save how far a run has come, without all that `write` keeps: it is done every other second.

        Raises
        ------
        LedgerError
            If the file cannot be used; one that another process holds is left for the next time.
        """
        with self._own_lock():
            self._flush()
            self._do(_GO_ON, {"id": run_id} | figures_of(duration, machine, gwp))

    def forget(self, run_id: str) -> None:
        """Take out the row of a run under way that turned out to be none.

        Raises
        ------
        LedgerError
            If the file cannot be used.
        """
        with self._own_lock():
            if self._unsaved.pop(run_id, None) is None:
                self._do("DELETE FROM runs WHERE id = :id AND status = 'running'", {"id": run_id})

    @property
    def waiting(self) -> int:
        """How many runs are in memory only, because the file could not be written."""
        return len(self._unsaved)

    def runs(self, limit: int = 20, *, session: str | None = None) -> list[Run]:
        """Return the newest runs first, corrected ones in their corrected form only.

        Parameters
        ----------
        limit : int
            At most so many; all of them where it is negative.
        session : str, optional
            Only the runs of this session.

        Raises
        ------
        LedgerError
            If the file cannot be read.
        """
        rows = self._rows(_HISTORY, {"session": session, "limit": limit})
        return [run_of(*row) for row in rows]

    def get(self, run_id: str) -> Run:
        """Return one run, corrected since or not.

        Raises
        ------
        LedgerError
            If there is no such run or the file cannot be read.
        """
        found = self._rows("SELECT body, figures, written_at FROM runs WHERE id = :id", {"id": run_id})
        if not found:
            msg = f"There is no run {run_id!r} in {self.path}; %greenai history lists those there are."
            raise LedgerError(msg)
        return run_of(*found[0])

    def totals(self, group_by: Literal["stage", "status", "session", "name"] | None = None) -> list[Total]:
        """Return the sums over all runs, or over each group, the most energy first.

        Failed and interrupted runs count. The groups add up: `total` of theirs is that of all runs.
        """
        groups: dict[str, list[dict[str, Quantity]]] = {}
        for run_id, session, name, stage, status, written_at, figures in self._rows(_FIGURES, {}):
            now = status_now(status, session, written_at)
            keys = {"session": session, "name": name, "stage": stage, "status": now}
            # Each run explains its own figures; a sum names the runs.
            parts = {
                key: replace(Quantity.from_dict(plain), name=f"run {run_id[:8]}")
                for key, plain in json.loads(figures).items()
            }
            groups.setdefault(keys[group_by] if group_by else "all", []).append(parts)
        sums = (_total(group, figures) for group, figures in groups.items())
        return sorted(sums, key=lambda row: row.machine.value, reverse=True)

    def move(self, path: Path) -> None:
        """Keep runs in another file from now on; what is not saved yet will go there."""
        with self._own_lock():
            self._disconnect()
            self.path = path

    def close(self) -> None:
        """Save what still waits and let go of the file; a later write opens it again.

        Raises
        ------
        LedgerError
            If something could not be saved.
        """
        with self._own_lock():
            try:
                if self._connection is not None:
                    self._connection.execute(f"PRAGMA busy_timeout = {LAST_BUSY_MS}")
                self._flush(last=True)
            finally:
                self._disconnect()

    def _begin(self) -> None:
        self._pid = os.getpid()
        # Reentrant: a signal's handler may measure while its own thread is writing.
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._unsaved: dict[str, dict[str, Any]] = {}
        self._dropped = 0

    def _own_lock(self) -> threading.RLock:
        # After a fork the lock may be held by a thread that is not here, and the rows are the parent's.
        if self._pid != os.getpid():
            _inherited.append(self._connection)
            self._begin()
        return self._lock

    def _keep(self, row: dict[str, Any]) -> None:
        waiting = self._unsaved.get(row["id"], row)
        # The meter's thread may come late with a state older than the end of the run.
        if waiting["status"] == "running" or row["status"] != "running":
            self._unsaved[row["id"]] = row
        if len(self._unsaved) > UNSAVED_RUNS:
            del self._unsaved[next(iter(self._unsaved))]
            self._dropped += 1

    def _flush(self, *, last: bool = False) -> None:
        if not self._unsaved:
            return
        try:
            connection = self._connect()
            for row in list(self._unsaved.values()):
                taken = _put(connection, row)
                self._unsaved.pop(row["id"], None)
                if not taken:
                    msg = f"Run {row['id']} has ended and stays as saved; write one that supersedes it."
                    raise LedgerError(msg)
        except (sqlite3.Error, OSError) as error:
            if _is_locked(error) and not last and len(self._unsaved) < UNSAVED_RUNS:
                return
            names = [repr(row["name"]) for row in self._unsaved.values()]
            what = f"Run {names[0]} is" if len(names) == 1 else f"{len(names)} runs are"
            lost = f", {self._dropped} older ones are lost" if self._dropped else ""
            msg = f"{what} not saved yet{lost}: {self._trouble(error)}"
            raise LedgerError(msg) from error

    def _do(self, statement: str, values: Mapping[str, object]) -> None:
        try:
            self._connect().execute(statement, values)
        except (sqlite3.Error, OSError) as error:
            if not _is_locked(error):
                msg = f"A run under way is not saved: {self._trouble(error)}"
                raise LedgerError(msg) from error

    def _rows(self, query: str, values: Mapping[str, object]) -> list[Any]:
        with self._own_lock():
            try:
                self._flush()
            except LedgerError:
                # What is saved can still be read; where nothing is, what waits is the news.
                if not self.path.exists():
                    raise
            try:
                if not self.path.exists():
                    return []
                return self._connect().execute(query, values).fetchall()
            except (sqlite3.Error, OSError) as error:
                msg = f"The runs cannot be read: {self._trouble(error)}"
                raise LedgerError(msg) from error

    def _connect(self) -> sqlite3.Connection:
        if self._connection is not None and _identity(self.path) != self._file:
            # Somebody took the file away or put another in its place; what is written to it is lost.
            self._disconnect()
        if self._connection is None:
            with suppress(FileExistsError):
                self.path.parent.mkdir(mode=0o700, parents=True)
            connection = sqlite3.connect(
                self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            try:
                prepare(connection)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection, self._file = connection, _identity(self.path)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _trouble(self, error: sqlite3.Error | OSError) -> str:
        cause = error.strerror if isinstance(error, OSError) else error
        file = '"/another/folder/ledger.sqlite"'
        remedy = f"fix that, or set %config GreenAI.ledger = {file} (in a script, GREENAI_LEDGER)."
        return f"{self.path} cannot be used ({cause}); {remedy}"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def default_ledger_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the ledger's place in the user's data folder, as the platform has it."""
    try:
        home = Path.home()
    except RuntimeError:
        # A user without a home: the first write says that nothing can be kept, and how to mend it.
        home = Path(os.devnull)
    if sys.platform == "darwin":
        folder = home / "Library" / "Application Support"
    elif sys.platform == "win32":
        folder = home / (environ.get("LOCALAPPDATA") or "AppData/Local")
    else:
        folder = home / (environ.get("XDG_DATA_HOME") or ".local/share")
    return folder / "greenai_magic" / "ledger.sqlite"


def _is_locked(error: Exception) -> bool:
    # SQLite's error numbers are known from Python 3.11 on only.
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def _put(connection: sqlite3.Connection, row: Mapping[str, Any]) -> bool:
    try:
        connection.execute(_PUT, row)
    except sqlite3.IntegrityError:
        # Harmless where the run has ended meanwhile, or where an interrupted write had gone through.
        same = connection.execute("SELECT 1 FROM runs WHERE id = :id AND body = :body", row).fetchone()
        return row["status"] == "running" or same is not None
    return True


def _total(group: str, runs: list[dict[str, Quantity]]) -> Total:
    return Total(
        group,
        len(runs),
        total((run["duration"] for run in runs), name="duration"),
        total((run["machine"] for run in runs), name="machine energy"),
        total((run["gwp"] for run in runs), name="CO2e"),
    )
