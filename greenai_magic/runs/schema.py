"""The shape of a ledger file: its table, and the triggers by which SQLite keeps what has ended."""

from __future__ import annotations

import sqlite3

SCHEMA = 1
"""Version of the table and of the bodies in it; a file with a greater one is left alone."""

_CREATE = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS runs (
    id TEXT NOT NULL UNIQUE,
    session TEXT NOT NULL,
    name TEXT NOT NULL,
    stage TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at TEXT NOT NULL,
    written_at TEXT NOT NULL,
    duration_s REAL NOT NULL,
    machine_j REAL NOT NULL,
    machine_low_j REAL NOT NULL,
    machine_high_j REAL NOT NULL,
    gwp_g REAL NOT NULL,
    gwp_low_g REAL NOT NULL,
    gwp_high_g REAL NOT NULL,
    tags TEXT NOT NULL,
    scores TEXT NOT NULL,
    supersedes TEXT,
    figures TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS runs_by_start ON runs (started_at);
CREATE INDEX IF NOT EXISTS runs_superseded ON runs (supersedes) WHERE supersedes IS NOT NULL;
CREATE VIEW IF NOT EXISTS current_runs AS SELECT * FROM runs
    WHERE id NOT IN (SELECT supersedes FROM runs WHERE supersedes IS NOT NULL);
-- REPLACE deletes without asking the trigger on DELETE, so it is stopped before it inserts.
CREATE TRIGGER IF NOT EXISTS finished_not_replaced BEFORE INSERT ON runs
    WHEN EXISTS (SELECT 1 FROM runs WHERE status <> 'running' AND (id = NEW.id OR rowid = NEW.rowid))
    BEGIN SELECT RAISE(ABORT, 'a finished run never changes'); END;
CREATE TRIGGER IF NOT EXISTS finished_not_updated BEFORE UPDATE ON runs
    WHEN OLD.status <> 'running' OR NEW.id <> OLD.id OR NEW.rowid <> OLD.rowid
    BEGIN SELECT RAISE(ABORT, 'a finished run never changes'); END;
CREATE TRIGGER IF NOT EXISTS finished_not_deleted BEFORE DELETE ON runs
    WHEN OLD.status <> 'running'
    BEGIN SELECT RAISE(ABORT, 'a finished run is never deleted'); END;
"""
# One statement reads one state of the file, even while another process creates the table.
_CONTENT = """
SELECT (SELECT user_version FROM pragma_user_version), count(*), coalesce(sum(name = 'runs'), 0)
FROM sqlite_master
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Make a fresh connection ready for a ledger: check the file, create the table in an empty one.

    Raises
    ------
    sqlite3.Error
        If the file is damaged, holds something else or has a newer schema; it is left as it was.
    """
    version, tables, ledgers = connection.execute(_CONTENT).fetchone()
    if tables and not ledgers:
        msg = "it is a database of something else"
        raise sqlite3.DatabaseError(msg)
    if version > SCHEMA:
        msg = "a newer greenai_magic made it, upgrade this one"
        raise sqlite3.DatabaseError(msg)
    connection.execute("PRAGMA journal_mode = WAL")
    # In WAL mode this survives a killed process; only a power cut can take the last runs.
    connection.execute("PRAGMA synchronous = NORMAL")
    if not ledgers:
        connection.executescript(f"{_CREATE} PRAGMA user_version = {SCHEMA}; COMMIT;")
