"""Operators called again on random data, each timed alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from greenai_magic.flops.torch.calls import Call, Called, Other, TensorSpec

_CALL_ERRORS = (RuntimeError, LookupError, TypeError, ValueError, ArithmeticError)
"""What operators raise on data that is not what they ask for."""
_BLOCK = 65_536
"""Elements of the random block with which tensors are filled: drawing each of them takes longer."""
_LONG_S = 0.02
"""From here on a first call is as good as any later one."""
_TABLES = ("aten.embedding.default", "aten.index_select.default", "aten.index.Tensor")
_TABLE_BACKWARD = "aten.embedding_dense_backward.default"
_GROUPED = ("aten._grouped_mm.default", "aten._scaled_grouped_mm.default")
_UNSAFE = (
    "aten._cudnn_rnn_backward.default", "aten.miopen_rnn_backward.default",
    "aten._embedding_bag.default", "aten._embedding_bag_forward_only.default",
    "aten._embedding_bag_backward.default", "aten._embedding_bag_dense_backward.default",
)  # fmt: skip
"""Operators that believe what their arguments say of each other: made-up ones could crash the process."""
_LEFT_BY_FORWARD = "aten.mkldnn_rnn_layer_backward.default"


@dataclass(slots=True)
class Timed:
    """A call with data of its own, and the seconds that each round of it took.

    Attributes
    ----------
    called : Called
        The call.
    bound : int
        Below what its indices are.
    run : callable
        Makes it.
    seconds : list of float
        Of each round.
    """

    called: Called
    bound: int
    run: Callable[[], Any] = field(init=False)
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Make the data again, the same that did well before."""
        torch.manual_seed(0)
        self.run = _with_data(self.called.call, self.bound)


def prepare(called: Called, settle: Callable[[], None]) -> Timed | None:
    """Return a call with random data, made once to warm it up; None where it cannot be made."""
    specs = list(called.call.tensors())
    if not called.call.is_known or called.call.op in _UNSAFE or any(isinstance(s, Other) for s in specs):
        return None
    for bound in dict.fromkeys((_index_bound(called.call, specs), 2, 1)):
        timed = Timed(called, bound)
        start = time.perf_counter()
        try:
            timed.run()
            settle()
        except _CALL_ERRORS:
            continue
        took_s = time.perf_counter() - start
        if took_s > _LONG_S:
            timed.seconds.append(took_s)
        return timed
    return None


def time_round(calls: Sequence[Timed], settle: Callable[[], None], until: float) -> None:
    """Make each call once, in turn, so that one finds the caches as the others leave them."""
    clock = time.perf_counter
    for timed in calls:
        start = clock()
        timed.run()
        settle()
        end = clock()
        timed.seconds.append(end - start)
        if end > until:
            return


def _with_data(call: Call, bound: int) -> Callable[[], Any]:
    touched = not call.is_view
    args = [_made(arg, bound, touched=touched) for arg in call.args]
    kwargs = {name: _made(value, bound, touched=touched) for name, value in call.kwargs}
    if call.op in _GROUPED and len(args) > 2:
        rows = torch.linspace(0, args[0].shape[0], args[2].numel() + 1)[1:]
        args[2] = rows.to(args[2].dtype)
    if call.op == _LEFT_BY_FORWARD:
        args[-1] = _workspace(args)
    return partial(call.func, *args, **kwargs)


def _workspace(args: Sequence[Any]) -> Any:
    """Return what a fused recurrent layer leaves for its backward pass, whose arguments these are."""
    reverse, mode, hidden, layers, biases, train, both_ways, sizes, batch_first = args[13:22]
    options = (reverse, sizes, mode, hidden, layers, biases, both_ways, batch_first, train)
    with torch.enable_grad():  # else it leaves nothing
        return torch.ops.aten.mkldnn_rnn_layer(*args[:7], *options)[-1]


def _index_bound(call: Call, specs: Sequence[Any]) -> int:
    """Return below what indices may be: the rows of a table, the smallest side of anything else."""
    if call.op == _TABLE_BACKWARD:
        return int(call.args[2])
    first = next((spec for spec in specs if spec.shape), None)
    if first is None:
        return 1
    bound: int = first.shape[0] if call.op in _TABLES else min(first.shape)
    return max(1, bound)


def _made(value: Any, bound: int, *, touched: bool) -> Any:
    if isinstance(value, tuple):
        return [_made(item, bound, touched=touched) for item in value]
    return _random(value, bound, touched=touched) if isinstance(value, TensorSpec) else value


def _random(spec: TensorSpec, bound: int, *, touched: bool) -> torch.Tensor:
    """Return a tensor of random numbers, or with no number in it where none is ``touched``."""
    extent = spec.extent
    flat = torch.empty(extent, dtype=spec.dtype, device=spec.device)
    if touched:
        block = _block(spec.dtype, min(extent, _BLOCK), bound).to(spec.device)
        whole = extent // _BLOCK * _BLOCK
        if whole:
            flat[:whole].view(-1, _BLOCK).copy_(block)
        flat[whole:].copy_(block[: extent - whole])
    return flat.as_strided(spec.shape, spec.stride)


def _block(dtype: torch.dtype, size: int, bound: int) -> torch.Tensor:
    if dtype is torch.bool:
        return torch.rand(size) < 0.5
    if dtype.is_floating_point or dtype.is_complex:
        # Near one: nothing overflows, vanishes or has no logarithm.
        return (torch.rand(size) + 0.5).to(dtype)
    return torch.randint(bound, (size,)).to(dtype)
