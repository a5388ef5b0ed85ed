"""Jobs are done in order, soon, and even where no thread can be had."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from greenai_magic.meter.host import Host
from greenai_magic.meter.meter import Meter
from greenai_magic.meter.replay import Replay
from greenai_magic.runs import clerk


def _meter(*, threaded: bool) -> Meter:
    return Meter([Replay.constant("cpu", 10.0)], Host(), threaded=threaded)


@pytest.fixture
def meter() -> Iterator[Meter]:
    meter = _meter(threaded=True)
    yield meter
    meter.close()


def test_jobs_are_done_in_order_a_moment_later(meter: Meter) -> None:
    done: list[int] = []
    over = threading.Event()
    for i in range(5):
        clerk.later(lambda i=i: done.append(i), meter)
    assert not done
    clerk.later(over.set, meter)
    assert over.wait(60)
    assert done == [0, 1, 2, 3, 4]
    over.clear()
    clerk.later(over.set, meter)
    assert over.wait(60)


def test_what_is_left_is_done_when_the_meter_is_closed(meter: Meter) -> None:
    done: list[int] = []
    clerk.later(lambda: done.append(1), meter)
    meter.close()
    assert done == [1]


def test_where_there_is_no_thread_a_job_is_done_at_once() -> None:
    done: list[int] = []
    clerk.later(lambda: done.append(1), _meter(threaded=False))
    assert done == [1]
