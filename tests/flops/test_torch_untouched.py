"""Counting leaves the model and the process as they were, whatever the model is made of."""

from __future__ import annotations

import gc
import hashlib
import random
import warnings

import numpy as np
import pytest
import torch
from adversaries import ADVERSARIES, LINEAR, X
from torch import nn
from torch.nn import functional as F  # noqa: N812 its usual name

from greenai_magic.errors import FlopError
from greenai_magic.flops import count_flops
from greenai_magic.flops.crosscheck import UNEXPLAINED, crosscheck
from greenai_magic.flops.torch.cell import counting

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning"),
]


def fingerprint(model):
    """All that a user could find changed."""
    return (
        [_of_module(module) for _, module in model.named_modules()],
        torch.get_rng_state().numpy().tobytes(),
        random.getstate(),
        np.random.get_state()[1].tobytes(),  # noqa: NPY002
        torch.backends.mha.get_fastpath_enabled(),
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        [len(getattr(nn.modules.module, name)) for name in dir(nn.modules.module) if name.startswith("_global_")
         and hasattr(getattr(nn.modules.module, name), "__len__")],
        (id(F.linear), id(nn.Module.__call__), id(nn.Linear.forward)),
    )  # fmt: skip


def _of_module(module):
    if isinstance(module, torch.jit.ScriptModule):
        # Each look at a scripted module's tensors makes new objects of them.
        return [
            (name, _of_value(tensor)[1:]) for name, tensor in module.state_dict().items()
        ], module.training
    return type(module), {name: _of_value(value) for name, value in vars(module).items()}


def _of_value(value, depth=0):  # noqa: PLR0911 one for each kind
    if isinstance(value, torch.Tensor):
        if isinstance(value, nn.parameter.UninitializedTensorMixin):
            return id(value), type(value)
        data = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        grad = None if not value.is_leaf or value.grad is None else _of_value(value.grad)
        return id(value), value._version, hashlib.sha256(data).hexdigest(), value.requires_grad, grad
    if isinstance(value, dict):
        return id(value), [(_of_value(k), _of_value(v, depth + 1)) for k, v in value.items()]
    if isinstance(value, (list, tuple)) and depth < 4:
        return id(value), [_of_value(item, depth + 1) for item in value]
    if isinstance(value, torch.Generator):
        return value.get_state().numpy().tobytes()
    if hasattr(type(value), "__slots__") and hasattr(value, "value"):
        return _of_value(value.value)
    if hasattr(value, "gi_frame"):
        return value.gi_frame.f_lasti
    if hasattr(value, "tell"):
        return value.tell()
    return value if isinstance(value, (int, float, str, bool, type(None))) else id(value)


def _pre_hooks(module):
    return getattr(module, "_forward_pre_hooks", {}).values()


@pytest.fixture(params=ADVERSARIES, ids=lambda name: name.replace(" ", "_"))
def adversary(request):
    make, macs = ADVERSARIES[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(), macs


def test_forward_is_exact_and_leaves_no_trace(adversary):
    model, macs = adversary
    x = torch.ones(X, dtype=torch.bfloat16 if _is_half(model) else torch.float32)
    before = fingerprint(model)
    report = count_flops(model, x)
    assert fingerprint(model) == before
    assert report.macs == macs
    assert not report.uncounted
    assert x._version == 0


def test_backward_leaves_no_trace(adversary):
    model, macs = adversary
    x = torch.ones(X, dtype=torch.bfloat16 if _is_half(model) else torch.float32, requires_grad=True)
    before = fingerprint(model)
    report = count_flops(model, x, train_step=True, optimiser=torch.optim.AdamW, loss=lambda out: out.sum())
    assert fingerprint(model) == before
    assert report.macs > macs
    assert (x.grad, x._version) == (None, 0)


def test_a_crosscheck_leaves_no_trace_and_ends_in_figures_or_a_sentence(adversary):
    pytest.importorskip("fvcore")
    pytest.importorskip("thop")
    model, macs = adversary
    x = torch.ones(X, dtype=torch.bfloat16 if _is_half(model) else torch.float32)
    report = count_flops(model, x)
    before = fingerprint(model)
    comparisons = crosscheck(report, model, x)
    assert fingerprint(model) == before
    assert x._version == 0
    assert all(c.ours == macs or c.failure for c in comparisons)
    in_a_hook = any(
        "SpectralNorm" in type(h).__name__ for module in model.modules() for h in _pre_hooks(module)
    )
    assert in_a_hook or all(line.cause != UNEXPLAINED for c in comparisons for line in c.lines)


def test_the_model_works_afterwards(adversary):
    model, _ = adversary
    if isinstance(model, torch._dynamo.OptimizedModule):
        pytest.skip("compiling takes a while")
    x = torch.ones(X, dtype=torch.bfloat16 if _is_half(model) else torch.float32)
    count_flops(model, x, backward=True)
    out = model(x)
    assert type(out) is torch.Tensor
    assert out.isfinite().all()


def test_an_error_leaves_no_trace(adversary):
    model, _ = adversary
    if any(nn.parameter.is_lazy(parameter) for parameter in model.parameters()):
        pytest.skip("takes any shape")
    before = fingerprint(model)
    with pytest.raises(FlopError, match=r"cannot take inputs of .*3 x 5.*: ."):
        count_flops(model, torch.ones(3, 5, dtype=torch.bfloat16 if _is_half(model) else torch.float32))
    assert fingerprint(model) == before


@pytest.mark.parametrize("shape", [X, (3, 5)])
def test_no_copy_of_the_model_is_kept(shape):
    class Unusual(nn.Linear):
        def forward(self, x):
            return super().forward(x) * int(x.sum() > 0)  # has to be run

    model, error = Unusual(4, 4), None
    try:
        count_flops(model, torch.ones(shape))
    except FlopError as raised:
        error = raised  # as a notebook keeps it
    assert (error is None) == (shape == X)
    gc.collect()
    assert [thing for thing in gc.get_objects() if type(thing) is Unusual] == [model]


def test_a_generator_that_would_be_used_up_is_refused():
    class Drawing(nn.Linear):
        def forward(self, x):
            return super().forward(x) * next(self.numbers)

    model = Drawing(4, 4)
    model.numbers = (number for number in range(3))
    with pytest.raises(FlopError, match="draws from a generator, which cannot be copied"):
        count_flops(model, X)
    assert list(model.numbers) == [0, 1, 2]


def test_hooks_of_the_user_are_not_called():
    make, _ = ADVERSARIES["has hooks"]
    model = make()
    count_flops(model, X, backward=True)
    assert model.calls == []
    model(torch.ones(X))
    assert len(model.calls) == 6


def test_the_mode_is_the_twins_only():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4).eval())
    training = count_flops(model, X, train=True).by_kind["normalisation"]
    assert training == count_flops(model, X).by_kind["normalisation"] * 2
    assert [module.training for module in model.modules()] == [True, True, False]


def _is_half(model):
    return any(p.dtype is torch.bfloat16 for p in model.parameters() if not nn.parameter.is_lazy(p))


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode, counting])
def test_the_count_is_the_same_in_any_surroundings(around):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(5))
    alone = count_flops(model, (2, 3, 8, 8), backward=True)
    with around() as seen:
        report = count_flops(model, (2, 3, 8, 8), backward=True)
    assert report == alone
    assert seen is None or seen.rows() == ()  # who counts a cell does not count what is not run


OUTSIDE, OUTSIDE_NORM = nn.Linear(4, 4), nn.BatchNorm1d(4)


class UsesAGlobal(nn.Linear):
    def forward(self, x):
        return OUTSIDE_NORM(OUTSIDE(super().forward(x)))


class UsesAGlobalAndIsRun(UsesAGlobal):
    def forward(self, x):
        return super().forward(x) * int(x.sum() > 0)


@pytest.mark.parametrize("kind", [UsesAGlobal, UsesAGlobalAndIsRun])
@pytest.mark.parametrize("has_gradient", [False, True])
def test_gradients_of_tensors_outside_of_the_model_are_kept(kind, has_gradient):
    OUTSIDE.zero_grad()
    if has_gradient:
        OUTSIDE(torch.ones(X)).sum().backward()
    model = kind(4, 4)
    before = fingerprint(OUTSIDE)
    report = count_flops(model, X, backward=True)
    assert fingerprint(OUTSIDE) == before
    assert "works with tensors that are not the model's: they are not in its parameters" in report.notes
    assert report.macs == 2 * LINEAR + 3 * LINEAR
    assert report.params == 20
    model(torch.ones(X)).sum().backward()
    assert type(OUTSIDE.weight.grad) is torch.Tensor


def test_tensors_that_the_model_makes_are_its_own(adversary):
    model, _ = adversary
    report = count_flops(model, X if not _is_half(model) else (X, "bfloat16"), backward=True)
    assert not any("not the model's" in note for note in report.notes)
