"""Operator replay: what is timed, what is not, and what comes of it."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from greenai_magic.errors import FlopError
from greenai_magic.estimate.replay import BETWEEN_CALLS, REPLAY_LOG_SD, Replay, replay
from greenai_magic.flops import count_flops
from greenai_magic.meter.accuracy import REPLAYED
from greenai_magic.meter.host import Host
from greenai_magic.meter.meter import Meter
from greenai_magic.meter.models import LinearModel
from greenai_magic.quantity import Z95

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "replay.json"
WATTS = 40.0


@pytest.fixture
def meter():
    with_power = LinearModel("cpu", "a lamp", REPLAYED, idle_w=WATTS)
    made = Meter([with_power], Host(allowed_only=False), threaded=False)
    yield made
    made.close()


class Bag(nn.Module):
    """A part that cannot be made up, and a larger one that can."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(50, 8)
        self.wide = nn.Linear(8, width)

    def forward(self, ids, offsets):
        return self.wide(self.words(ids, offsets))


BAG = (torch.arange(40), torch.arange(0, 40, 2))


@torch.library.custom_op("greenai_test::odd", mutates_args=())
def odd(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


@odd.register_fake
def _(x):
    return torch.empty_like(x)


class Odd(nn.Module):
    def forward(self, x):
        return torch.ops.greenai_test.odd(x)


def _replay(model, inputs, meter, **options) -> Replay:
    return replay(model, inputs, meter=meter, budget_s=options.pop("budget_s", 20.0), **options)


def _mlp(layers: int) -> nn.Module:
    return nn.Sequential(*(nn.Linear(8, 8) for _ in range(layers)))


def test_duration_is_the_sum_of_the_calls_and_energy_power_times_it(meter):
    told = _replay(_mlp(3), (4, 8), meter)
    assert told.not_timed == ()
    assert told.duration.value == pytest.approx(math.fsum(c.times * c.seconds for c in told.calls))
    assert told.power.value == pytest.approx(WATTS)
    assert told.energy.value == pytest.approx(WATTS * told.duration.value)
    assert (told.duration.unit, told.energy.unit, told.power.unit) == ("s", "J", "W")
    assert told.energy.basis == told.duration.basis == "modelled"


def test_the_longest_calls_come_first(meter):
    took = [call.times * call.seconds for call in _replay(_mlp(3), (4, 8), meter).calls]
    assert took == sorted(took, reverse=True)


def test_alike_calls_are_timed_once_and_counted_each(meter):
    one, many = (_replay(_mlp(layers), (4, 8), meter) for layers in (1, 12))
    assert {c.op: c.times for c in many.calls} == {c.op: 12 * c.times for c in one.calls}


@pytest.mark.parametrize(("threads", "log_sd"), [(1, REPLAY_LOG_SD), (2, math.log(2) / Z95)])
def test_the_interval_is_that_of_the_measured_errors_and_of_python_between_calls(meter, threads, log_sd):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        told = _replay(_mlp(2), (4, 8), meter)
    finally:
        torch.set_num_threads(before)
    calling_s = sum(call.times for call in told.calls) * min(call.seconds for call in told.calls)
    duration = told.duration
    assert duration.spread == {"operator replay": pytest.approx(log_sd)}
    assert (duration.below, duration.above) == pytest.approx((calling_s, BETWEEN_CALLS * calling_s))


def test_the_error_of_replay_is_that_of_the_kept_benchmark():
    passes = json.loads(RESULTS.read_text())["figures"].values()
    usual = [model for sizes in passes for model in sizes["usual sizes"].values()]
    errors = [math.log(model["replay_s"] / model["real_s"]) for model in usual]
    assert len(errors) >= 2 * 15
    rms = math.sqrt(statistics.mean(error**2 for error in errors))
    assert 0.5 * REPLAY_LOG_SD < rms <= REPLAY_LOG_SD


def test_a_model_without_data_is_replayed(meter):
    with torch.device("meta"):
        model = _mlp(2)
    assert _replay(model, (4, 8), meter).duration.value > 0
    assert all(parameter.is_meta for parameter in model.parameters())


@pytest.mark.parametrize("options", [{}, {"backward": True}, {"train": True}])
def test_model_and_process_stay_as_they_are(meter, options):
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))
    model[0].weight.data.fill_(7.0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random_state = torch.get_rng_state()
    _replay(model, (4, 8), meter, **options)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.is_grad_enabled()
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_training_step_has_its_backward_pass_and_optimiser(meter):
    batch = (torch.randn(8, 8), torch.randint(8, (8,)))
    told = _replay(
        _mlp(2), batch, meter, train_step=True, loss=nn.CrossEntropyLoss(), optimiser=torch.optim.AdamW
    )
    ops = {call.op for call in told.calls}
    assert {"aten.addmm.default", "aten.nll_loss_backward.default", "aten.addcdiv_.default"} <= ops
    assert {"loss", "backward", "optimiser"} <= told.report.by_phase.keys()


def test_the_count_comes_with_it(meter):
    assert _replay(_mlp(2), (4, 8), meter).report == count_flops(_mlp(2), (4, 8))


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
def test_recurrent_layers_are_replayed_whole(meter, kind, backward):
    told = _replay(kind(5, 6, bidirectional=True), (7, 2, 5), meter, backward=backward)
    assert kind.__name__.lower() in {call.op.removesuffix("_tanh") for call in told.calls}
    assert told.not_timed == ()


def test_what_was_not_timed_is_named_and_widens_the_interval(meter):
    told = _replay(Bag(512), BAG, meter)
    assert told.not_timed == ("aten._embedding_bag.default",)
    timed_s = math.fsum(call.times * call.seconds for call in told.calls)
    assert told.duration.value > timed_s
    assert told.duration.below >= told.duration.value - timed_s
    assert told.duration.above >= told.duration.value - timed_s


@pytest.mark.parametrize(
    ("model", "inputs", "options", "why"),
    [
        (Bag(1), BAG, {}, "not aten._embedding_bag"),
        (Odd(), torch.randn(4), {}, "not greenai_test.odd"),  # nobody knows what others' do with any data
        (_mlp(2), (4, 8), {"memory_bytes": 10}, "not aten.addmm"),
        (nn.Linear(1, 4096), (1, 1), {"memory_bytes": 16_000}, "not aten.addmm"),
    ],
)
def test_with_less_than_half_of_the_work_there_is_no_figure(meter, model, inputs, options, why):
    with pytest.raises(FlopError, match=f"Less than half.*{why}"):
        _replay(model, inputs, meter, **options)


def test_groups_that_fit_the_memory_give_the_same_calls(meter):
    model = nn.Sequential(*(nn.Linear(8 * n, 8 * (n + 1)) for n in range(1, 6)))
    whole, parts = (_replay(model, (4, 8), meter, memory_bytes=size) for size in (10**8, 12_000))
    assert sorted((c.op, c.times) for c in whole.calls) == sorted((c.op, c.times) for c in parts.calls)


@pytest.mark.parametrize("thing", [3, "resnet50", [nn.Linear(1, 1)]])
def test_only_pytorch_models_are_replayed(thing):
    with pytest.raises(FlopError, match="no PyTorch module"):
        replay(thing)
