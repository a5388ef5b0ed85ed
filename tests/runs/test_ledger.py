"""The ledger keeps every run, whatever happens around it."""

from __future__ import annotations

import json
import math
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.arithmetic import total
from greenai_magic.errors import LedgerError
from greenai_magic.runs.ledger import Ledger, default_ledger_path
from greenai_magic.runs.session import session_id
from tests.runs.factories import make_place, make_run

NOON = datetime(2025, 3, 1, 12, tzinfo=timezone.utc)
TEXTS = st.text() | st.sampled_from(
    ["'; DROP TABLE runs; --", "%s {0} :id ?", "émission 🌱", "\ud800", "a\0b"]
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    ledger = Ledger(path)
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def shared_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path_factory.mktemp("shared") / "ledger.sqlite")
    yield ledger
    ledger.close()


# Keeping


def test_nothing_touches_the_disk_before_the_first_run(ledger: Ledger, path: Path) -> None:
    assert ledger.runs() == []
    assert ledger.totals() == []
    with pytest.raises(LedgerError, match="no run 'x'"):
        ledger.get("x")
    ledger.close()
    assert not path.parent.exists()


@given(
    st.fixed_dictionaries(
        {
            "name": TEXTS,
            "stage": TEXTS,
            "tags": st.dictionaries(TEXTS, TEXTS, max_size=3),
            "scores": st.dictionaries(TEXTS, st.floats(allow_nan=False), max_size=3),
            "source": st.none() | TEXTS,
        }
    )
)
def test_a_run_comes_back_as_it_was_written(shared_ledger: Ledger, parts: dict[str, Any]) -> None:
    run = make_run(points=3, **parts)
    shared_ledger.write(run)
    assert shared_ledger.get(run.id).to_dict() == run.to_dict()
    assert shared_ledger.runs(1)[0].to_dict() == run.to_dict()


def test_a_score_that_is_not_a_number_comes_back(ledger: Ledger) -> None:
    run = make_run(scores={"loss": math.nan, "best": -math.inf})
    ledger.write(run)
    scores = ledger.get(run.id).scores
    assert math.isnan(scores["loss"])
    assert scores["best"] == -math.inf


def test_the_whole_trace_comes_back(ledger: Ledger) -> None:
    run = make_run(points=512)
    ledger.write(run)
    assert ledger.get(run.id).measurement.trace.to_dict() == run.measurement.trace.to_dict()


def test_a_row_has_plain_columns_for_other_tools(ledger: Ledger, path: Path) -> None:
    run = make_run(tags={"model": "forêt"}, scores={"f1": 0.5}, started_at=NOON)
    ledger.write(run)
    machine, gwp = run.measurement.machine, run.footprint.gwp
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM runs").fetchone())
    assert (row["machine_low_j"], row["machine_j"], row["machine_high_j"]) == (
        machine.low,
        machine.value,
        machine.high,
    )
    assert (row["gwp_low_g"], row["gwp_g"], row["gwp_high_g"]) == (gwp.low, gwp.value, gwp.high)
    assert (row["duration_s"], row["started_at"]) == (60.0, "2025-03-01T12:00:00.000000+00:00")
    assert (json.loads(row["tags"]), json.loads(row["scores"])) == ({"model": "forêt"}, {"f1": 0.5})


def test_a_running_row_is_replaced_as_it_goes(ledger: Ledger) -> None:
    for energy_j, status in [(1.0, "running"), (2.0, "running"), (3.0, "error")]:
        ledger.write(make_run(id="a", status=status, energy_j=energy_j, session=session_id()))
        (run,) = ledger.runs()
        assert (run.measurement.machine.value, run.status) == (pytest.approx(energy_j, rel=1e-3), status)


def test_a_run_goes_on_in_its_row_until_it_ends(ledger: Ledger) -> None:
    run = make_run(id="a", status="running", energy_j=1.0, session=session_id())
    ledger.write(run)
    later = make_run(energy_j=50.0, duration_s=5.0)
    figures = later.measurement.duration, later.measurement.machine, later.footprint.gwp
    ledger.go_on("a", *figures)
    now = ledger.get("a")
    assert (now.status, now.name, now.tags) == ("running", run.name, run.tags)
    assert now.measurement.machine.value == pytest.approx(later.measurement.machine.value)
    assert (now.measurement.machine.low, now.measurement.duration.value) == (figures[1].low, 5.0)
    assert now.footprint.gwp.value == pytest.approx(
        later.measurement.machine.value * run.footprint.gwp.value / run.measurement.machine.value
    )
    assert ledger.totals()[0].machine.value == pytest.approx(figures[1].value)
    ended = make_run(id="a", energy_j=60.0)
    ledger.write(ended)
    ledger.go_on("a", *figures)
    assert ledger.get("a").to_dict() == ended.to_dict()


def test_a_finished_run_refuses_another_end(ledger: Ledger) -> None:
    first = make_run()
    ledger.write(first)
    with pytest.raises(LedgerError, match="supersedes"):
        ledger.write(replace(first, status="error"))
    assert ledger.get(first.id).to_dict() == first.to_dict()
    ledger.write(make_run())
    assert len(ledger.runs()) == 2


def test_writing_the_same_end_twice_or_a_late_running_state_is_harmless(ledger: Ledger) -> None:
    run = make_run()
    ledger.write(run)
    ledger.write(run)
    ledger.write(replace(run, status="running"))
    assert [kept.to_dict() for kept in ledger.runs()] == [run.to_dict()]


def test_a_closed_ledger_opens_again_by_itself(ledger: Ledger) -> None:
    ledger.write(make_run())
    ledger.close()
    ledger.write(make_run())
    assert len(ledger.runs()) == 2


# Reading


def test_runs_are_newest_first_whatever_their_time_zone_and_order_of_writing(ledger: Ledger) -> None:
    west = timezone(timedelta(hours=-9))
    starts = [NOON, NOON.astimezone(west) + timedelta(seconds=2), NOON + timedelta(seconds=1)]
    for start, name in zip(starts, "ace", strict=True):
        ledger.write(make_run(name=name, started_at=start))
    assert [run.name for run in ledger.runs()] == ["c", "e", "a"]
    assert [run.name for run in ledger.runs(2)] == ["c", "e"]


def test_history_can_be_that_of_one_session_or_unlimited(ledger: Ledger) -> None:
    for i in range(25):
        ledger.write(make_run(session="mine" if i < 3 else "other"))
    assert {run.session for run in ledger.runs(session="mine")} == {"mine"}
    assert [len(ledger.runs(session="mine")), len(ledger.runs()), len(ledger.runs(-1))] == [3, 20, 25]


def test_a_correction_is_a_new_row_that_takes_the_place_of_the_old(ledger: Ledger) -> None:
    old, other = make_run(energy_j=100.0), make_run(energy_j=1.0)
    new = replace(make_run(energy_j=50.0), started_at=old.started_at)
    ledger.write(old)
    ledger.write(other)
    ledger.write(new, supersedes=old.id)
    assert {run.id for run in ledger.runs()} == {new.id, other.id}
    assert ledger.totals()[0].machine.value == pytest.approx(51.0, rel=1e-3)
    assert ledger.get(old.id).to_dict() == old.to_dict()


# Totals


def test_groups_add_up_whatever_they_group_by(ledger: Ledger) -> None:
    ends = ["ok", "error", "interrupted", "ok", "running"]
    for i, status in enumerate(ends):
        stage, name = ("training", "") if i % 2 else ("", "cell")
        ledger.write(
            make_run(energy_j=10.0 * 3**i, status=status, stage=stage, name=name, session=f"s{i % 3}")
        )
    (whole,) = ledger.totals()
    assert whole.count == len(ends)
    for key, groups in [("stage", 2), ("status", 4), ("session", 3), ("name", 2)]:
        rows = ledger.totals(key)
        assert (len(rows), sum(row.count for row in rows)) == (groups, whole.count)
        for figure in ("duration", "machine", "gwp"):
            together, all_runs = total(getattr(row, figure) for row in rows), getattr(whole, figure)
            assert together.value == pytest.approx(all_runs.value, rel=1e-9)
            assert (together.low, together.high) == pytest.approx((all_runs.low, all_runs.high), rel=1e-9)


def test_groups_in_different_places_keep_the_same_mean(ledger: Ledger) -> None:
    for i, code in enumerate(["FRA", "POL", "FRA", "SWE"]):
        ledger.write(
            make_run(energy_j=1000.0 * (i + 1), place=make_place(code, 30.0 * 4**i), stage=f"{i % 2}")
        )
    (whole,) = ledger.totals()
    rows = ledger.totals("stage")
    means = [row.gwp.value * math.exp(row.gwp.log_sd**2 / 2) for row in rows]
    assert math.fsum(means) == pytest.approx(whole.gwp.value * math.exp(whole.gwp.log_sd**2 / 2), rel=1e-9)
    assert rows[0].machine.value > rows[1].machine.value


def test_a_total_does_not_average_out_the_error_that_its_runs_share(ledger: Ledger) -> None:
    for _ in range(9):
        ledger.write(make_run())
    gwp, one = ledger.totals()[0].gwp, make_run().footprint.gwp
    assert gwp.value == pytest.approx(9 * one.value)
    assert gwp.log_sd == pytest.approx(one.log_sd)


def test_a_total_explains_itself_by_its_runs_even_with_braces_in_their_names(ledger: Ledger) -> None:
    for energy_j in (1.0, 2.0):
        ledger.write(make_run(id=f"{energy_j:032.0f}"[::-1], name="{x", energy_j=energy_j))
    text = ledger.totals()[0].machine.explain()
    assert "run 20000000 + run 10000000" in text
    assert "cpu energy" not in text


# Places and names


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("linux", {"XDG_DATA_HOME": "/data"}, Path("/data")),
        ("linux", {"XDG_DATA_HOME": ""}, Path.home() / ".local/share"),
        ("linux", {}, Path.home() / ".local/share"),
        ("darwin", {"XDG_DATA_HOME": "/data"}, Path.home() / "Library/Application Support"),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local")),
        ("win32", {}, Path.home() / "AppData/Local"),
    ],
)
def test_the_ledger_lives_in_the_users_data_folder(
    monkeypatch: pytest.MonkeyPatch, platform: str, environ: dict[str, str], folder: Path
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert default_ledger_path(environ) == folder / "greenai_magic" / "ledger.sqlite"
