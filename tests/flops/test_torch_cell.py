"""Code that runs is counted as it runs, and runs as it would have."""

from __future__ import annotations

import threading
import warnings

import pytest
import torch
from torch import nn
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

from greenai_magic.flops import count_flops
from greenai_magic.flops.torch.cell import counting

ROWS, WIDE = 10, 100
PRODUCT = ROWS * WIDE * WIDE


def _net():
    return nn.Sequential(nn.Linear(WIDE, WIDE), nn.ReLU(), nn.Linear(WIDE, WIDE))


def test_a_training_loop():
    model, x = _net(), torch.randn(ROWS, WIDE)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    with counting() as counter:
        for _ in range(3):
            optimiser.zero_grad()
            model(x).sum().backward()
            optimiser.step()
    report = counter.report("this cell")
    assert report.macs == 3 * (2 * PRODUCT + 3 * PRODUCT)
    assert (report.model, report.method) == ("this cell", "executed on this input")
    assert report.by_phase["backward"] > report.by_phase["forward"]
    assert report.by_phase["optimiser"] == 3 * report.params
    torch.mm(torch.ones(2, 2), torch.ones(2, 2))
    assert counter.report("this cell").macs == report.macs


def test_modules_go_by_the_outermost_that_was_called():
    model, x = _net(), torch.randn(ROWS, WIDE)
    alone = count_flops(model, x, backward=True)
    with counting() as counter:
        out = model(x)
        out.backward(torch.ones_like(out))
        _net()[1](x)
        _net()(x) @ torch.ones(WIDE, 1)
    report = counter.report("this cell")
    assert [module.path for module in report.modules] == [
        "", "Sequential", "Sequential.0", "Sequential.1", "Sequential.2", "ReLU",
        "Sequential-2", "Sequential-2.0", "Sequential-2.1", "Sequential-2.2",
    ]  # fmt: skip
    assert {path: report.by_module[f"Sequential.{path}"] for path in "012"} == {
        path: alone.by_module[path] for path in "012"
    }
    assert report.by_module["Sequential-2"] == 4 * PRODUCT + ROWS * WIDE
    assert report.params == 2 * alone.params
    assert report.weight_bytes == 2 * alone.weight_bytes


def test_results_are_the_same_and_nothing_is_left_behind():
    model, x = _net(), torch.randn(ROWS, WIDE)
    expected = model(x)
    hooks = (
        nn.modules.module._global_forward_hooks,
        nn.modules.module._global_forward_pre_hooks,
        _global_optimizer_pre_hooks,
        _global_optimizer_post_hooks,
    )

    def run():
        with counting() as counter:
            yield counter
            assert torch.equal(model(x), expected)
            raise ZeroDivisionError

    running = run()
    counter = next(running)
    with pytest.raises(ZeroDivisionError):
        next(running)
    assert counter.report("this cell").macs == 2 * PRODUCT
    assert all(not hook for hook in hooks)
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())


def test_fused_kernels_of_a_fast_path_are_counted_too():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    x = torch.randn(3, 5, 8)
    with counting() as counter, torch.no_grad():
        layer(x)
    report = counter.report("this cell")
    assert [row.op for row in report.rows if row.macs] == ["aten._transformer_encoder_layer_fwd"]
    assert report.macs == count_flops(layer, x).macs


def test_what_another_thread_calls_is_said_not_to_be_counted():
    model, other, x = _net(), nn.Sequential(nn.ReLU()), torch.randn(ROWS, WIDE)
    together = threading.Barrier(2)

    class Meeting(nn.Module):
        def forward(self, x):
            together.wait(10)
            together.wait(10)
            return x

    def elsewhere():
        together.wait(10)  # the cell's own module is running
        other(x)
        together.wait(10)

    thread = threading.Thread(target=elsewhere)
    with counting() as counter:
        thread.start()
        nn.Sequential(Meeting(), model)(x)
        thread.join()
    report = counter.report("this cell")
    assert [module.path for module in report.modules if "ReLU" in module.class_name] == ["Sequential.1.1"]
    assert report.by_module["Sequential.1"] == report.flops == 4 * PRODUCT + ROWS * WIDE
    assert [item.op for item in report.uncounted] == ["another thread"]
    assert "at least" in repr(report)


def test_what_is_followed_by_shapes_inside_is_not_listed():
    with counting() as counter:
        count_flops(_net(), (ROWS, WIDE))
    report = counter.report("this cell")
    assert (len(report.modules), report.uncounted) == (1, ())


def test_compiled_modules_bring_no_warning_of_hooks():
    filters = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with counting():
            torch.compile(nn.Linear(WIDE, WIDE), backend="eager")(torch.randn(ROWS, WIDE))
    assert not [warning for warning in caught if "global hooks" in str(warning.message)]
    assert warnings.filters == filters
