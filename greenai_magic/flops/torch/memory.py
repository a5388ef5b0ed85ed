"""LiveBytes: how much memory the tensors that a model makes take, in all and at once."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch

from greenai_magic.flops.torch.fake import is_lazy
from greenai_magic.flops.torch.plan import tensors_in


class LiveBytes:
    """Follows storages from their making to their end; what the model and its inputs hold is left out.

    Attributes
    ----------
    made : int
        Bytes of all that the forward pass made.
    peak : int
        Most bytes that lived at once.
    """

    def __init__(self) -> None:
        self.made = 0
        self.peak = 0
        self._live = 0
        self._known: dict[int, Any] = {}

    def leave_out(self, tensors: Iterable[torch.Tensor]) -> None:
        """Take these storages for known."""
        for tensor in tensors:
            if is_lazy(tensor) or tensor.layout is not torch.strided:
                continue
            storage = tensor.untyped_storage()
            self._known[storage._cdata] = storage

    def knows(self, storage: Any) -> bool:
        """Whether a storage was left out or noted, and still lives."""
        return storage._cdata in self._known

    def note(self, out: Any, *, forward: bool) -> None:
        """Count the storages among an operator's results that are new."""
        for tensor in tensors_in(out):
            if tensor.layout is not torch.strided:
                continue
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key in self._known:
                continue
            size = storage.nbytes()
            self._known[key] = weakref.ref(storage, partial(self._freed, key, size))
            self._live += size
            self.peak = max(self.peak, self._live)
            if forward:
                self.made += size

    def _freed(self, key: int, size: int, _: Any) -> None:
        self._live -= size
        self._known.pop(key, None)
