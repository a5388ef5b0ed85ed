"""Runs in the making, where threads and ledgers could spoil them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from greenai_magic.meter.counter import Reading
from greenai_magic.meter.discover import use_meter
from greenai_magic.meter.host import Instant
from greenai_magic.meter.meter import Meter
from greenai_magic.meter.replay import Replay
from greenai_magic.runs import clerk
from greenai_magic.runs.ledger import Ledger
from greenai_magic.runs.measure import Labels, Measuring, last_run, untold_trouble
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


class Endings(Replay):
    """A counter that lets a run end while its state under way is being saved."""

    measuring: Measuring | None = None

    def read(self, now: Instant, *, edge: bool) -> Reading:
        if not edge and self.measuring is not None:
            measuring, self.measuring = self.measuring, None
            measuring.finish("ok", wait=False)
        return super().read(now, edge=edge)


def test_a_run_that_ends_while_its_state_is_saved_is_kept_as_it_ended(ledger: Path) -> None:
    counter, clock = Endings("cpu", [0, 1], [0, 10]), FakeClock()
    use_meter(Meter([counter], clock, threaded=False))
    measuring = Measuring(Labels("overtaken"))
    measuring.start()
    clock.advance(5.0)
    counter.measuring = measuring
    clerk.catch_up()
    (run,) = _kept(ledger)
    assert run.to_dict() == last_run().to_dict()
    assert (run.status, run.measurement.machine.value) == ("ok", 50.0)
    assert untold_trouble() == ""


def test_what_a_broken_ledger_refused_is_told_once_and_kept_by_the_next(ledger: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    use_settings(Settings("FRA", None, tmp_path / "file" / "ledger.sqlite"))
    for name in ("one", "two"):
        _measured(name)
        clerk.catch_up()
    assert "not saved" in untold_trouble()
    _measured("three", wait=True)
    assert untold_trouble() == ""
    use_settings(Settings("FRA", None, ledger))
    _measured("four", wait=True)
    assert {run.name for run in _kept(ledger)} == {"one", "two", "three", "four"}


def test_trouble_that_comes_back_is_told_again(ledger: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bad = tmp_path / "file" / "ledger.sqlite"
    for path, told in ((bad, True), (bad, False), (ledger, False), (bad, True), (ledger, False)):
        use_settings(Settings("FRA", None, path))
        _measured("run", wait=True)
        assert bool(untold_trouble()) == told


def test_runs_left_to_the_clerk_go_where_they_were_to_be_kept(ledger: Path, tmp_path: Path) -> None:
    _measured("here")
    other = tmp_path / "other.sqlite"
    use_settings(Settings("FRA", None, other))
    _measured("there")
    clerk.catch_up()
    assert [run.name for run in _kept(ledger)] == ["here"]
    assert [run.name for run in _kept(other)] == ["there"]


def test_a_job_that_fails_stops_none_of_the_later_ones() -> None:
    done: list[str] = []

    def fail() -> None:
        message = "a slip"
        raise ValueError(message)

    clerk.later(fail)
    with pytest.raises(ValueError, match="a slip"):
        clerk.catch_up()
    clerk.later(lambda: done.append("later"))
    clerk.catch_up()
    assert done == ["later"]
