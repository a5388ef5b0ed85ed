"""Models that do not like to be copied, run or looked at, each with its multiply-adds by hand."""

from __future__ import annotations

import random
import tempfile
import threading

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 its usual name
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm
from torch.utils.checkpoint import checkpoint

LINEAR = 2 * 4 * 4
"""Of a layer of 4 features on two rows."""
X = (2, 4)


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(x)


class Counting(Base):
    """Counts its calls, and keeps what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.seen = []
        self.cache = {"last": None, "nested": [torch.zeros(3)]}

    def forward(self, x):
        self.calls += 1
        self.seen.append(x)
        self.cache["last"] = self.layer(x)
        self.cache["nested"][0].add_(1)
        return self.cache["last"]


class Locked(Base):
    def __init__(self) -> None:
        super().__init__()
        self.lock, self.condition = threading.Lock(), threading.Condition()

    def forward(self, x):
        with self.lock, self.condition:
            return self.layer(x)


class WithGenerators(Base):
    """Holds a Python generator that it does not draw from, and one of PyTorch's that it does."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = (number for number in range(10))
        self.random = torch.Generator()

    def forward(self, x):
        return self.layer(x) * torch.rand(4, generator=self.random)


class RunsAndDraws(WithGenerators):
    """Has to be run, so that real numbers are drawn."""

    def forward(self, x):
        return super().forward(x) * bool(x.sum() > 0)


class Gambler(Base):
    """Draws from every source of random numbers there is."""

    def forward(self, x):
        if random.random() < 2 and np.random.rand() < 2:  # noqa: NPY002
            x = x + torch.rand_like(x)
        return F.dropout(self.layer(x), 0.5, training=True)


class Tensors(Base):
    """Holds tensors outside of parameters and buffers, with a history too."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.ones(4)
        self.derived = self.layer.weight * 2
        self.many = [torch.ones(4), {"a": (torch.ones(4),)}]

    def forward(self, x):
        self.scale.mul_(2)
        return F.linear(x * self.many[1]["a"][0], self.derived) * self.scale


class Shared(nn.Module):
    """One layer in three places, and a weight tied to another's."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.b = self.a
        self.c = nn.Linear(4, 4)
        self.c.weight = self.a.weight
        self.list = [self.a]

    def forward(self, x):
        return self.c(self.b(self.a(self.list[0](x))))


class Checkpointed(Base):
    def forward(self, x):
        return checkpoint(self.layer, x, use_reentrant=False).relu()


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        return grad @ weight.T, x.T @ grad


class Custom(Base):
    def forward(self, x):
        return Double.apply(x, self.layer.weight)


class Frozen(Base):
    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Linear(4, 4).requires_grad_(requires_grad=False)

    def forward(self, x):
        with torch.no_grad():
            x = self.frozen(x)
        return self.layer(x)


class Mixed(Base):
    """In training mode, with a part in evaluation mode; normalises, so that it changes its buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.still = nn.BatchNorm1d(4), nn.BatchNorm1d(4).eval()
        self.drop = nn.Dropout()

    def forward(self, x):
        return self.drop(self.still(self.norm(self.layer(x))))


class Patched(Base):
    """Its forward was replaced by a closure over itself."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        original = self.layer.forward
        self.layer.forward = lambda x: self.norm(original(x))


class Numpy(Base):
    def forward(self, x):
        return self.layer(torch.from_numpy(x.detach().numpy() + 1))


class Branching(Base):
    def forward(self, x):
        return self.layer(x) if x.sum() > 100 else self.layer(self.layer(x))


class Slotted:
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = [1]


class Odd(Base):
    """Holds a class with slots, itself in a list, a file, and the method of a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.slotted, self.me, self.call = Slotted(), [self], self.layer.forward
        self.file = tempfile.TemporaryFile()  # noqa: SIM115

    def forward(self, x):
        self.slotted.value.append(len(self.me))
        return self.call(x)


def _hooked():
    model, calls = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)), []
    for layer in model:
        layer.register_forward_hook(lambda module, args, out: calls.append(out))
        layer.register_forward_pre_hook(lambda module, args: calls.append(args))
        layer.register_full_backward_hook(lambda module, into, out: calls.append(into))
    model.calls = calls
    return model


def _pruned():
    model = nn.Sequential(nn.Linear(4, 4))
    prune.l1_unstructured(model[0], "weight", amount=0.5)
    return model


def _attached(wrap):
    return lambda: nn.Sequential(wrap(nn.Linear(4, 4)))


def _grown():
    """Has gradients from earlier."""
    model = Base()
    model(torch.ones(X)).sum().backward()
    return model


ADVERSARIES = {
    "counts its calls": (Counting, LINEAR),
    "holds locks": (Locked, LINEAR),
    "holds generators": (WithGenerators, LINEAR),
    "draws as it is run": (RunsAndDraws, LINEAR),
    "draws random numbers": (Gambler, LINEAR),
    "holds plain tensors": (Tensors, LINEAR),
    "shares layers": (Shared, 4 * LINEAR),
    "checkpoints": (Checkpointed, LINEAR),
    "differentiates itself": (Custom, LINEAR),
    "is partly frozen": (Frozen, 2 * LINEAR),
    "normalises in mixed modes": (Mixed, LINEAR),
    "was patched": (Patched, LINEAR),
    "goes through numpy": (Numpy, LINEAR),
    "branches on its data": (Branching, 2 * LINEAR),
    "holds odd things": (Odd, LINEAR),
    "has hooks": (_hooked, 2 * LINEAR),
    "is pruned": (_pruned, LINEAR),
    "has old weight normalisation": (_attached(weight_norm), LINEAR),
    "has weight normalisation": (_attached(parametrizations.weight_norm), LINEAR),
    # In training mode, each power iteration multiplies the weight by a vector twice, and once more for the norm.
    "has old spectral normalisation": (_attached(spectral_norm), LINEAR + 16 + 16 + 16 + 4),
    "has spectral normalisation": (_attached(parametrizations.spectral_norm), LINEAR + 16 + 16 + 16 + 4),
    "has gradients": (_grown, LINEAR),
    "is in half precision": (lambda: Base().bfloat16(), LINEAR),
    "is scripted": (lambda: torch.jit.script(Base()), LINEAR),
    "is traced": (lambda: torch.jit.trace(Base(), torch.ones(X)), LINEAR),
    "is compiled": (lambda: torch.compile(Base()), LINEAR),
    "is parallel": (lambda: nn.DataParallel(Base()), LINEAR),
    "is lazy": (lambda: nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d()), LINEAR),
}
