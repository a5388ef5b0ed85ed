"""Every operator that a model calls, and that each can be called again on other data."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from zoo import PLAIN
from zoo_transformers import TRANSFORMERS

from greenai_magic.estimate.replay_calls import prepare
from greenai_magic.flops import count_flops
from greenai_magic.flops.torch.calls import Other, TensorSpec, operator_calls


@pytest.mark.parametrize("specimen", PLAIN + TRANSFORMERS, ids=lambda specimen: specimen.name)
@pytest.mark.parametrize("backward", [False, True])
def test_every_call_of_the_zoo_can_be_made_again(specimen, backward):
    model, inputs = specimen.build()
    if backward and not any(parameter.requires_grad for parameter in model.parameters()):
        pytest.skip("no gradient")
    report, calls = operator_calls(model, inputs, backward=backward)
    assert sum(called.times * called.flops for called in calls) == report.flops
    with torch.no_grad():
        assert [called.call for called in calls if prepare(called, lambda: None) is None] == []


def test_the_count_is_the_same_as_without_keeping_the_calls():
    model = nn.TransformerEncoderLayer(8, 2, 12).eval()
    assert operator_calls(model, (5, 2, 8))[0] == count_flops(model, (5, 2, 8))


def test_alike_calls_are_one_and_others_are_not():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    _, calls = operator_calls(model, (3, 4))
    assert sorted(c.times for c in calls if c.call.op == "aten.addmm.default") == [1, 2]


def test_a_call_keeps_strides_types_and_options():
    class Net(nn.Module):
        def forward(self, x):
            return torch.softmax(x.mT.to(torch.float64), dim=1)

    _, calls = operator_calls(Net(), torch.randn(2, 3, 4))
    softmax = next(called.call for called in calls if "softmax" in called.call.op)
    spec, dim, _ = softmax.args
    assert (spec.shape, spec.stride, spec.dtype, dim) == ((2, 4, 3), (12, 1, 4), torch.float64, 1)
    assert softmax.nbytes == 24 * 8
    assert next(called.made_bytes for called in calls if called.call == softmax) == 24 * 8


@pytest.mark.parametrize(
    ("shape", "stride", "extent"),
    [
        ((2, 3), (3, 1), 6),
        ((2, 3), (1, 2), 6),
        ((2, 3), (10, 1), 13),
        ((5, 3), (0, 1), 3),
        ((0, 3), (3, 1), 0),
        ((), (), 1),
    ],
)
def test_the_extent_of_a_tensor_is_what_its_storage_needs(shape, stride, extent):
    assert TensorSpec(shape, stride, torch.float32, torch.device("cpu")).extent == extent


def test_views_touch_no_data():
    _, calls = operator_calls(nn.Flatten(), (2, 3, 4))
    assert [called.call.nbytes for called in calls if called.call.is_view] == [0]


def test_a_recurrent_layer_is_one_call_with_all_its_operations():
    model = nn.GRU(5, 6)
    report, calls = operator_calls(model, (7, 2, 5))
    gru = next(called for called in calls if called.call.op == "gru")
    assert (gru.times, gru.flops) == (1, report.flops)


def test_what_is_no_plain_value_is_named():
    class Net(nn.Module):
        def forward(self, x):
            return torch.rand(3, generator=torch.Generator()) + x

    _, calls = operator_calls(Net(), (3,))
    others = [spec for called in calls for spec in called.call.tensors() if isinstance(spec, Other)]
    assert [other.type_name for other in others] == ["Generator"]
