"""What is counted without running is what PyTorch executes when the model is run."""

from __future__ import annotations

from collections import Counter as Multiset

import pytest
import torch
import zoo
from zoo_transformers import TRANSFORMERS

from greenai_magic.flops import count_flops
from greenai_magic.flops.torch.cell import counting


def executed(model, inputs):
    """Forward and backward on real tensors, each operator as PyTorch calls it."""
    args = inputs if isinstance(inputs, tuple) else () if isinstance(inputs, dict) else (inputs,)
    kwargs = inputs if isinstance(inputs, dict) else {}
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)
    try:
        with counting() as counter:
            outputs = [tensor for tensor in _tensors(model(*args, **kwargs)) if tensor.requires_grad]
            counter.muted = True
            gradients = [torch.ones_like(output) for output in outputs]
            counter.muted = False
            torch.autograd.backward(outputs, gradients)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    assert not counter.uncounted()
    return counter.rows()


def _tensors(out):
    if isinstance(out, torch.Tensor):
        return [out]
    values = out.values() if hasattr(out, "values") else out if isinstance(out, (tuple, list)) else ()
    return [tensor for value in values for tensor in _tensors(value)]


def work(rows):
    """Each call that computes, without the module it is for."""
    calls = Multiset()
    for row in rows:
        if row.flops:
            # oneDNN's workspace, the last argument of some, has no size before it runs.
            calls[row.phase, row.op, row.shapes[:3], row.formula] += row.calls
    return calls


@pytest.mark.parametrize("specimen", [*zoo.PLAIN, *TRANSFORMERS], ids=lambda specimen: specimen.name)
def test_every_operator_of_a_real_pass_is_counted_and_no_other(specimen):
    model, inputs = specimen.build()
    report = count_flops(model, inputs, backward=True)
    rows = executed(model, inputs)
    if specimen.name.startswith(("mixtral", "moe")):  # the experts' shapes depend on the data
        assert sum(row.macs for row in rows) == report.macs
    else:
        assert work(report.rows) == work(rows)


@pytest.mark.parametrize("specimen", [zoo.resnet(), zoo.encoder(), zoo.unet()], ids=lambda s: s.name)
def test_twice_the_batch_is_twice_the_work(specimen):
    model, inputs = specimen.build()
    once = count_flops(model, inputs, backward=True)
    twice = count_flops(model, inputs, backward=True, batch=2 * zoo.BATCH)
    assert twice.macs == 2 * once.macs


def test_a_frozen_part_has_no_gradients():
    model, x = zoo.resnet().build()
    whole = count_flops(model, x, backward=True).by_phase["backward"]
    model[0].requires_grad_(requires_grad=False)
    model[2].requires_grad_(requires_grad=False)
    head = count_flops(model, x, backward=True)
    # Nothing below the head needs a gradient: only the head's weight and bias have one.
    assert head.by_phase["backward"] == 2 * zoo.BATCH * 8 * 5 + zoo.BATCH * 5
    assert head.by_phase["backward"] < whole
