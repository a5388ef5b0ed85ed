"""The ledger's file defends itself, whoever opens it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from greenai_magic.errors import LedgerError
from greenai_magic.runs.ledger import Ledger
from greenai_magic.runs.schema import SCHEMA
from tests.runs.factories import make_run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a ledger with the finished run "ended" in row 1 and the running one "going" in row 2."""
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    ledger.write(make_run(id="ended"))
    ledger.write(make_run(id="going", status="running"))
    ledger.close()
    return path


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE runs SET machine_j = 0 WHERE id = 'ended'",
        "UPDATE runs SET status = 'running' WHERE id = 'ended'",
        "DELETE FROM runs",
        "INSERT OR REPLACE INTO runs SELECT * FROM runs WHERE id = 'ended'",
        """INSERT OR REPLACE INTO runs (rowid, id, session, name, stage, status, started_at, written_at,
            duration_s, machine_j, machine_low_j, machine_high_j, gwp_g, gwp_low_g, gwp_high_g, tags, scores,
            body) SELECT 1, 'other', '', '', '', 'ok', '', '', 0, 0, 0, 0, 0, 0, 0, '', '', ''""",
        "INSERT INTO runs SELECT * FROM runs WHERE id = 'ended' ON CONFLICT (id) DO UPDATE SET machine_j = 0",
        "UPDATE OR REPLACE runs SET id = 'ended' WHERE id = 'going'",
        "UPDATE OR REPLACE runs SET rowid = 1 WHERE id = 'going'",
    ],
)
@pytest.mark.parametrize("recursive", ["OFF", "ON"])
def test_no_statement_changes_or_deletes_a_finished_run(path: Path, statement: str, recursive: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA recursive_triggers = {recursive}")
        before = connection.execute("SELECT rowid, * FROM runs").fetchall()
        with pytest.raises(sqlite3.IntegrityError, match="a finished run"):
            connection.execute(statement)
        assert connection.execute("SELECT rowid, * FROM runs").fetchall() == before
        assert len(before) == 2


def test_a_running_row_may_be_updated_and_deleted(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute("UPDATE runs SET duration_s = 1 WHERE id = 'going'").rowcount == 1
        assert connection.execute("DELETE FROM runs WHERE id = 'going'").rowcount == 1


def test_the_file_says_its_schema_and_uses_a_write_ahead_log(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_newer_file_is_refused_and_stays_byte_for_byte(path: Path, mode: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
        connection.execute(f"PRAGMA journal_mode = {mode}")
    before = path.read_bytes()
    ledger = Ledger(path)
    with pytest.raises(LedgerError, match="newer greenai_magic"):
        ledger.write(make_run())
    with pytest.raises(LedgerError, match="newer greenai_magic"):
        ledger.runs()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_database_of_something_else_is_refused_and_stays_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "bookmarks.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="something else"):
        Ledger(path).write(make_run())
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.touch()
    ledger = Ledger(path)
    run = make_run()
    ledger.write(run)
    assert ledger.get(run.id).to_dict() == run.to_dict()
    ledger.close()
