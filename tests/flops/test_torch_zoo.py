"""Every model of the zoo is counted to the multiply-add, forward and backward."""

from __future__ import annotations

import pytest
import zoo
from zoo_transformers import TRANSFORMERS

from greenai_magic.flops import count_flops

EVERY = [*zoo.PLAIN, *TRANSFORMERS]


@pytest.fixture(params=EVERY, ids=lambda specimen: specimen.name)
def specimen(request):
    return request.param


def test_forward_is_what_hand_reckoning_gives(specimen):
    report = count_flops(*specimen.build())
    assert (report.macs, report.uncounted) == (specimen.forward, ())


def test_backward_is_what_hand_reckoning_gives(specimen):
    report = count_flops(*specimen.build(), backward=True)
    backward = sum(row.macs for row in report.rows if row.phase == "backward")
    assert (report.macs - backward, backward) == (specimen.forward, specimen.backward)
    assert not report.uncounted
