"""Jobs are done in order, soon, and even where no thread can be had."""

from __future__ import annotations

import threading

import pytest

from greenai_magic.runs import clerk


def test_jobs_are_done_in_order_by_a_thread_that_ends() -> None:
    done: list[int] = []
    over = threading.Event()
    for i in range(5):
        clerk.later(lambda i=i: done.append(i))
    clerk.later(over.set)
    assert over.wait(60)
    assert done == [0, 1, 2, 3, 4]


def test_where_no_thread_can_be_started_a_job_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clerk.catch_up()
    monkeypatch.setattr(clerk, "_thread", None)

    def refuse(_thread: threading.Thread) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    done: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        clerk.later(lambda: done.append(1))
    assert done == [1]
    over = threading.Event()
    clerk.later(over.set)
    assert over.wait(60)
