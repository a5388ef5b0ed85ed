"""What cannot be followed by shapes is run, on a copy, and the report says so; or refused, in a sentence."""

from __future__ import annotations

import pytest
import torch
import zoo
import zoo_transformers
from torch import nn
from torch.nn.utils import rnn

from greenai_magic.errors import FlopError
from greenai_magic.flops import count_flops


class Loop(nn.Module):
    """As many steps as the data say."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.steps = 0

    def forward(self, x):
        for _ in range(int(x.abs().sum())):
            x = self.layer(x)
            self.steps += 1
        return x


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_course_that_depends_on_the_data_is_run(steps):
    model = Loop()
    x = torch.zeros(1, 4)
    x[0, 0] = steps
    report = count_flops(model, x)
    assert report.method == "executed on this input"
    assert report.macs == steps * 16
    assert model.steps == 0


def test_indices_are_guessed_where_numbers_will_not_do():
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.layer = nn.Embedding(9, 4), nn.Linear(4, 4)

        def forward(self, words):
            x = self.table(words)
            return self.layer(x) if bool(words.sum() == 0) else x

    report = count_flops(Words(), (2, 3))
    assert (report.method, report.macs) == ("executed on this input", 2 * 3 * 16)
    with pytest.raises(FlopError, match=r"table cannot take inputs of 2 x 3: .*indices"):
        count_flops(Words(), ((2, 3), "float32"))


def test_a_course_that_does_not_depend_on_the_data_is_not_run():
    class Trap(nn.Linear):
        def forward(self, x):
            assert not type(x) is torch.Tensor, "run on real data"  # noqa: E714
            return super().forward(x)

    assert count_flops(Trap(4, 4), (2, 4)).method == "counted from shapes"


def test_more_than_half_of_the_free_memory_is_refused(monkeypatch):
    import psutil

    class Memory:
        available = 2 * (4 * 4 + 4 + 4) * 4 - 1

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    with pytest.raises(
        FlopError,
        match=r"Loop can only be counted by running it \(its course depends on the data\), and a copy",
    ):
        count_flops(Loop(), torch.ones(1, 4))
    Memory.available += 1
    assert count_flops(Loop(), torch.ones(1, 4)).macs == 4 * 16


def test_a_model_on_meta_that_has_to_be_run_is_refused():
    with pytest.raises(
        FlopError, match=r"Loop can only be counted by running it \(.*\): on meta it has no data"
    ):
        count_flops(Loop().to("meta"), torch.ones(1, 4))


LENGTHS = [5, 3, 2]


class Packing(nn.Module):
    def __init__(self, layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x, lengths):
        packed = rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        return rnn.pad_packed_sequence(self.layer(packed)[0])[0]


@pytest.mark.parametrize(("cell", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
@pytest.mark.parametrize("both", [False, True])
def test_packed_sequences_cost_what_they_hold(cell, gates, both):
    layer = cell(6, 7, bidirectional=both)
    product = (1 + both) * sum(LENGTHS) * gates * 7 * (6 + 7)
    x = torch.randn(5, 3, 6)
    given = count_flops(layer, rnn.pack_padded_sequence(x, torch.tensor(LENGTHS)))
    assert given.macs == product
    inside = count_flops(Packing(layer), (x, torch.tensor([2, 5, 3])))
    assert (inside.macs, inside.uncounted) == (product, ())
    assert inside.by_module["layer"] == given.flops


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
class TestQuantised:
    def test_dynamic_layers(self):
        model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
        small = torch.ao.quantization.quantize_dynamic(model, {nn.Linear})
        report = count_flops(small, (3, 6))
        assert (report.macs, report.uncounted) == (3 * (48 + 32), ())
        assert report.params == 48 + 8 + 32 + 4
        assert report.weight_bytes == 48 + 32 + 4 * (8 + 4)  # a byte a weight; the biases stay as they were

    def test_dynamic_recurrence(self):
        small = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(6, 8, 2)), {nn.LSTM})
        assert count_flops(small, (5, 3, 6)).macs == 5 * 3 * 32 * ((6 + 8) + (8 + 8))

    def test_static_convolution(self):
        stubs = torch.ao.quantization
        model = nn.Sequential(stubs.QuantStub(), nn.Conv2d(4, 6, 3, groups=2), stubs.DeQuantStub()).eval()
        model.qconfig = stubs.get_default_qconfig("x86")
        stubs.prepare(model, inplace=True)
        model(torch.randn(1, 4, 8, 8))
        stubs.convert(model, inplace=True)
        report = count_flops(model, (2, 4, 8, 8))
        assert (report.macs, report.uncounted) == (2 * 36 * 6 * 2 * 9, ())


def test_experts_are_routed_without_running():
    pytest.importorskip("transformers")
    specimen = zoo_transformers.mixtral("eager")
    model, inputs = specimen.build()
    model.config._experts_implementation = "eager"
    report = count_flops(model, inputs)
    assert (report.method, report.macs) == ("counted from shapes", specimen.forward)
    assert model.config._experts_implementation == "eager"


def test_lazy_layers_take_their_shapes_on_the_copy_only():
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    report = count_flops(model, (2, 3, 8, 8), backward=True)
    conv, linear = 2 * 36 * 4 * 27, 2 * 4 * 36 * 2
    assert report.macs == 2 * conv + 3 * linear
    assert report.params == 4 * 27 + 4 + 2 * 4 + 4 * 36 * 2 + 2
    assert all(nn.parameter.is_lazy(parameter) for parameter in model.parameters())
    assert nn.parameter.is_lazy(model[1].running_mean)


def test_routing_by_hand_is_run():
    specimen = zoo.moe()
    report = count_flops(*specimen.build())
    assert (report.method, report.macs) == ("executed on this input", specimen.forward)


@pytest.mark.parametrize("backward", [False, True])
def test_statistics_of_layers_that_are_not_registered_stay_as_they_are(backward):
    elsewhere = [nn.BatchNorm1d(4)]
    seen = torch.zeros(3, 4)

    class Hides(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)
            self.own = nn.BatchNorm1d(4)

        def forward(self, x):
            seen[0].copy_(x[0])
            return elsewhere[0](self.own(self.layer(x))) if bool(x.sum() > 0) else x

    model = Hides()
    before = {name: value.clone() for name, value in elsewhere[0].state_dict().items()}
    report = count_flops(model, torch.ones(2, 4), train=True, backward=backward)
    assert report.method == "executed on this input"
    for name, value in elsewhere[0].state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(seen, torch.zeros(3, 4))
    assert int(model.own.num_batches_tracked) == 0


def test_what_an_unregistered_layer_writes_is_put_back_after_an_error_too():
    elsewhere = [nn.BatchNorm1d(4)]

    class Fails(nn.Module):
        def forward(self, x):
            elsewhere[0](x)
            assert not bool(x.sum() > 0), "no more"

    with pytest.raises(FlopError, match="no more"):
        count_flops(Fails(), torch.ones(2, 4), train=True)
    assert int(elsewhere[0].num_batches_tracked) == 0
    assert torch.equal(elsewhere[0].running_mean, torch.zeros(4))
