"""Tensors of a twin: fake ones, which have a shape and no data, or real copies."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from greenai_magic.flops.torch.twin import TensorCopier

_ORDINARY = (torch.Tensor, torch.nn.Parameter)


def _fake_grouped_mm(args: Sequence[Any]) -> torch.Tensor:
    """Give the shape of a grouped product, which PyTorch's own fake one refuses for all but bfloat16."""
    a, b, *others = args
    grouped_rows = a.dim() == 2 and b.dim() == 2
    groups = (others[0].shape[0],) if grouped_rows else a.shape[:-2] if a.dim() == b.dim() else ()
    return a.new_empty((*groups, a.shape[-2], b.shape[-1]))


FAKE_KERNELS: dict[Any, Callable[[Sequence[Any]], Any]] = {}
"""Shapes of results of operators of which PyTorch itself does not tell them on every device."""
if hasattr(torch.ops.aten, "_grouped_mm"):
    FAKE_KERNELS[torch.ops.aten._grouped_mm.default] = _fake_grouped_mm


class NeedsRun(RuntimeError):
    """A model that can only be counted by running it."""


def faker(mode: FakeTensorMode, device: torch.device) -> TensorCopier:
    """Return what makes fake tensors; those without a device of their own (``meta``) go to ``device``."""

    def fake(tensor: torch.Tensor) -> torch.Tensor:
        if is_lazy(tensor):
            msg = "a lazy module takes its shapes from the first input"
            raise NeedsRun(msg)
        if isinstance(tensor, FakeTensor):
            return tensor
        if type(tensor) in _ORDINARY and tensor.layout is torch.strided and not tensor.is_quantized:
            with torch.utils._python_dispatch._disable_current_modes():
                empty = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device="meta")
            twin = FakeTensor(mode, empty, device if tensor.is_meta else tensor.device)
        else:
            twin = mode.from_tensor(tensor.detach())
        return _dressed(twin, tensor)

    return fake


def cloned(tensor: torch.Tensor) -> torch.Tensor:
    """Return a copy of a tensor, without its gradient and its history."""
    if is_lazy(tensor):  # a buffer that waits for its shape will not be copied
        kind: Any = type(tensor)
        fresh: torch.Tensor = kind(tensor.requires_grad, tensor.device, tensor.dtype)
        return fresh
    if isinstance(tensor, torch.nn.Parameter):
        twin: torch.Tensor = copy.deepcopy(tensor)
        return twin
    return _dressed(tensor.detach().clone(), tensor)


def is_lazy(tensor: torch.Tensor) -> bool:
    """Whether a tensor waits for its shape."""
    return isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin)


def _dressed(twin: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """Give the twin the role of the tensor: a parameter, or one that wants a gradient."""
    if isinstance(tensor, torch.nn.Parameter):
        return torch.nn.Parameter(twin, requires_grad=tensor.requires_grad)
    return twin.requires_grad_(tensor.requires_grad)
