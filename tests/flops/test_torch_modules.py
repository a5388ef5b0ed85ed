"""Each operator is put down to the module that it serves, forward and backward, and to its phase."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from greenai_magic.flops import count_flops

BATCH = 3


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 5), nn.Tanh())
        self.head = nn.Linear(5, 2, bias=False)

    def forward(self, x):
        return (self.head(self.body(x)) @ torch.ones(2, 6)).exp()


def macs(report, phase):
    found = {}
    for row in report.rows:
        if row.phase == phase and row.macs:
            found[row.module] = found.get(row.module, 0) + row.macs
    return found


def test_modules_are_a_tree_with_parents_first():
    report = count_flops(Net(), (BATCH, 4))
    assert [(m.path, m.class_name, m.output_shape, m.params) for m in report.modules] == [
        ("", "Net", (BATCH, 6), 0),
        ("body", "Sequential", (BATCH, 5), 0),
        ("body.0", "Linear", (BATCH, 5), 25),
        ("body.1", "Tanh", (BATCH, 5), 0),
        ("head", "Linear", (BATCH, 2), 10),
    ]
    assert (report.params, report.trainable_params, report.weight_bytes) == (35, 35, 140)


def test_forward_and_backward_are_the_modules_own():
    report = count_flops(Net(), (BATCH, 4), backward=True)
    first, head, last = BATCH * 4 * 5, BATCH * 5 * 2, BATCH * 2 * 6
    assert macs(report, "forward") == {"body.0": first, "head": head, "": last}
    assert macs(report, "backward") == {"body.0": first, "head": 2 * head, "": last}
    tanh = [row.flops for row in report.rows if row.module == "body.1"]
    assert tanh == [BATCH * 5, BATCH * 5]  # its value, and the gradient
    assert report.by_module["body"] == sum(
        row.flops for row in report.rows if row.module.startswith("body")
    )  # fmt: skip
    assert report.by_module[""] == report.flops


def test_a_shared_module_is_counted_at_every_call_and_owns_its_weights_once():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    model.append(model[0])
    report = count_flops(model, (BATCH, 4))
    assert macs(report, "forward") == {"0": 2 * BATCH * 16}
    assert report.params == 20
    tied = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 7, bias=False))
    tied[1].weight = tied[0].weight
    assert count_flops(tied, ((BATCH,), "int64")).params == 28


def test_a_frozen_parameter_is_not_trainable():
    model = Net()
    model.body.requires_grad_(requires_grad=False)
    report = count_flops(model, (BATCH, 4))
    assert (report.params, report.trainable_params) == (35, 10)


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_what_a_checkpoint_does_again_is_a_phase_of_its_own(reentrant, whole):
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            inner = (lambda x: self.b(self.a(x)).tanh()) if whole else self.a
            return checkpoint(inner, x, use_reentrant=reentrant)

    x = torch.ones(BATCH, 4, requires_grad=True)
    report = count_flops(Block(), x, backward=True)
    product = BATCH * 16
    again = {"a": product, "b": product} if whole else {"a": product}
    forward, backward = macs(report, "forward"), macs(report, "backward")
    assert forward == again
    assert backward == {name: 2 * macs for name, macs in forward.items()}
    # One that is not reentrant stops when it has what was to be kept: of a lone product, its inputs only.
    assert macs(report, "recompute") == (again if whole or reentrant else {})


def test_a_training_step_tells_loss_and_optimiser_apart():
    target = torch.zeros(BATCH, dtype=torch.long)
    report = count_flops(
        nn.Linear(4, 5),
        (BATCH, 4),
        train_step=True,
        loss=lambda out: nn.functional.cross_entropy(out, target),
        optimiser=lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    )
    product = BATCH * 4 * 5
    assert report.by_phase["forward"] == 2 * product
    assert report.by_phase["loss"] == 5 * BATCH * 5 + BATCH  # log-softmax, and a sum of the scores
    assert macs(report, "backward") == {"": product}
    assert report.by_phase["optimiser"] == 3 * 25  # momentum times, plus gradient, and the step
    assert not report.uncounted


def test_an_optimiser_of_the_models_own_parameters_is_left_alone():
    model = nn.Linear(4, 5)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, 4)).sum().backward()
    optimiser.step()
    state = {key: value.clone() for key, value in optimiser.state[model.weight].items()}
    fresh = count_flops(model, (BATCH, 4), train_step=True, optimiser=torch.optim.AdamW)
    report = count_flops(model, (BATCH, 4), train_step=True, optimiser=optimiser)
    assert report.by_phase["optimiser"] == fresh.by_phase["optimiser"] >= 8 * 25
    assert all(torch.equal(optimiser.state[model.weight][key], value) for key, value in state.items())
    assert optimiser.param_groups[0]["params"][0] is model.weight


def test_a_gradient_inside_the_forward_pass():
    class Slope(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 1)

        def forward(self, x):
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.layer(x).sum(), x, create_graph=True)[0]

    report = count_flops(Slope(), (BATCH, 4))
    assert macs(report, "forward") == macs(report, "backward") == {"layer": BATCH * 4}


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_scripted_module_is_one_piece():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    note = "the work of scripted modules is listed with the module that holds them"
    whole = count_flops(net, (2, 4))
    for scripted in (torch.jit.script(net), torch.jit.trace(net, torch.ones(2, 4))):
        report = count_flops(scripted, (2, 4))
        assert [module.path for module in report.modules] == [""]
        assert (report.flops, report.params, note in report.notes) == (whole.flops, whole.params, False)
        report = count_flops(nn.Sequential(scripted, nn.Linear(3, 3)), (2, 4))
        assert [(module.path, module.params) for module in report.modules] == [("", 0), ("0", 35), ("1", 12)]
        assert note in report.notes
