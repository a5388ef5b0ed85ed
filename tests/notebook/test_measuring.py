"""Runs in the making, where threads and ledgers could spoil them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from greenai_magic.meter.discover import use_meter
from greenai_magic.meter.meter import Meter
from greenai_magic.meter.replay import Replay
from greenai_magic.runs import clerk
from greenai_magic.runs.labels import Labels
from greenai_magic.runs.ledger import Ledger
from greenai_magic.runs.measure import Measuring, last_run
from greenai_magic.runs.run import Run
from greenai_magic.runs.settings import Settings, use_settings
from greenai_magic.testing import FakeClock, replay


def _kept(path: Path) -> list[Run]:
    ledger = Ledger(path)
    runs = ledger.runs()
    ledger.close()
    return runs


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "ledger.sqlite"
    use_settings(Settings("FRA", None, path))
    with replay({"cpu": 10.0}, FakeClock()):
        yield path
    clerk.catch_up()
    use_settings(None)


def _measured(name: str, *, wait: bool = False) -> None:
    measuring = Measuring(Labels(name))
    measuring.start()
    measuring.finish("ok", wait=wait)


def test_a_run_that_has_ended_is_not_taken_back_by_a_state_that_comes_late(ledger: Path) -> None:
    clock = FakeClock()
    use_meter(Meter([Replay("cpu", [0, 1], [0, 10])], clock, threaded=False))
    measuring = Measuring(Labels("overtaken"))
    measuring.start()
    clock.advance(5.0)
    go_on = measuring._window.on_tick
    measuring._saved_s = float("-inf")
    measuring.finish("ok")
    go_on()
    (run,) = _kept(ledger)
    assert run.to_dict() == last_run().to_dict()
    assert (run.status, run.measurement.machine.value) == ("ok", 50.0)
    assert clerk.untold_trouble() == ""


def test_a_run_under_way_is_kept_as_far_as_it_has_come(ledger: Path) -> None:
    clock = FakeClock()
    meter = Meter([Replay("cpu", [0, 1], [0, 10])], clock, threaded=False)
    use_meter(meter)
    measuring = Measuring(Labels("under way"))
    measuring.start()
    assert [run.measurement.duration.value for run in _kept(ledger)] == [0.0]
    clock.advance(5.0)
    measuring._saved_s = float("-inf")
    meter.tick()
    (run,) = _kept(ledger)
    assert (run.status, run.measurement.duration.value, run.measurement.machine.value) == (
        "running",
        5.0,
        50.0,
    )
    assert run.footprint.gwp.value == measuring.gwp_g.value
    measuring.finish("ok")


def test_what_a_broken_ledger_refused_is_told_once_and_kept_by_the_next(ledger: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    use_settings(Settings("FRA", None, tmp_path / "file" / "ledger.sqlite"))
    for name in ("one", "two"):
        _measured(name)
        clerk.catch_up()
    assert "not saved" in clerk.untold_trouble()
    _measured("three", wait=True)
    assert clerk.untold_trouble() == ""
    use_settings(Settings("FRA", None, ledger))
    _measured("four", wait=True)
    assert {run.name for run in _kept(ledger)} == {"one", "two", "three", "four"}


def test_trouble_that_comes_back_is_told_again(ledger: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bad = tmp_path / "file" / "ledger.sqlite"
    for path, told in ((bad, True), (bad, False), (ledger, False), (bad, True), (ledger, False)):
        use_settings(Settings("FRA", None, path))
        _measured("run", wait=True)
        assert bool(clerk.untold_trouble()) == told


def test_runs_left_to_the_clerk_go_where_they_were_to_be_kept(ledger: Path, tmp_path: Path) -> None:
    _measured("here")
    other = tmp_path / "other.sqlite"
    use_settings(Settings("FRA", None, other))
    _measured("there")
    clerk.catch_up()
    assert [run.name for run in _kept(ledger)] == ["here"]
    assert [run.name for run in _kept(other)] == ["there"]
