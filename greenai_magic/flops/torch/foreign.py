"""Tensors that are not of the copy, and that a run of it writes into: their contents are put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

from greenai_magic.flops.torch.plan import tensors_in

_STATISTICS = frozenset({"running_mean", "running_var"})
"""Arguments that normalisations write into, though their schemas do not say so."""


class ForeignTensors:
    """Contents of the user's own tensors, as of a layer that a list or a closure holds.

    Parameters
    ----------
    is_ours : callable
        Whether a storage is of the copy, or was made by it.
    """

    def __init__(self, is_ours: Callable[[Any], bool]) -> None:
        self._is_ours = is_ours
        self._kept: dict[int, tuple[Any, Any]] = {}
        self._written: dict[Any, tuple[tuple[int, str], ...]] = {}

    def keep(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Keep what an operator is about to write over."""
        if func not in self._written:
            self._written[func] = tuple(_written(func))
        for at, name in self._written[func]:
            for tensor in tensors_in(args[at] if at < len(args) else kwargs.get(name)):
                if isinstance(tensor, FakeTensor) or tensor.is_meta or tensor.layout is not torch.strided:
                    continue
                storage = tensor.untyped_storage()
                if not self._is_ours(storage) and storage._cdata not in self._kept:
                    self._kept[storage._cdata] = storage, storage.clone()

    def put_back(self) -> None:
        """Undo what was written."""
        for storage, content in self._kept.values():
            storage.copy_(content)


def _written(func: Any) -> Iterator[tuple[int, str]]:
    """Yield the place and the name of each argument that an operator writes into."""
    arguments = func._schema.arguments if isinstance(func, torch._ops.OpOverload) else ()
    for at, argument in enumerate(arguments):
        writes = argument.alias_info is not None and argument.alias_info.is_write
        if writes or argument.name in _STATISTICS:
            yield at, argument.name
