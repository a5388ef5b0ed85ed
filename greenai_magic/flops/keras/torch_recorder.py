"""Recorder: every operator that PyTorch dispatches, kept until it is known whose results are used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from greenai_magic.flops.formulas import Cost, nothing
from greenai_magic.flops.keras.tally import Place, Shapes, Tally
from greenai_magic.flops.report import Phase
from greenai_magic.flops.torch.counter import PlannedMode
from greenai_magic.flops.torch.plan import Plan, arguments_of, as_shapes, bytes_moved, tensors_in

_SHAPE_ONLY = frozenset(
    {
        "empty_like",
        "full_like",
        "new_empty",
        "new_full",
        "new_ones",
        "new_zeros",
        "ones_like",
        "rand_like",
        "randn_like",
        "zeros_like",
    }
)
"""Operators that take of a tensor its shape alone."""


@dataclass(frozen=True, slots=True)
class _Call:
    """One operator that was called; storages stand for the tensors that lie in them."""

    place: Place
    op: str
    shapes: Shapes
    cost: Cost | None
    bytes_moved: int
    counts: bool
    reads: frozenset[int]
    writes: frozenset[int]


class Recorder(PlannedMode):
    """Record what is dispatched while the recorder is entered."""

    def __init__(self) -> None:
        super().__init__()
        self._phase: Phase = "forward"
        self._inside: list[str] = []
        self._calls: list[_Call] = []
        self._made_by: dict[int, str] = {}
        self._products: set[int] = set()
        self._vectors: set[int] = set()
        self._alive: list[Any] = []

    @contextlib.contextmanager
    def inside(self, path: str, phase: Phase | None = None) -> Iterator[None]:
        """Say which layer is at work, ``""`` for none, and that another phase has begun."""
        before, self._phase = self._phase, phase or self._phase
        self._inside.append(path)
        try:
            yield
        finally:
            self._inside.pop()
            self._phase = before

    def tell(self, tally: Tally, made: Iterable[Any]) -> None:
        """Count what the tensors in ``made`` depend on; those that are None are left out."""
        live = set(_storages([tensor for tensor in made if tensor is not None]))
        used = []
        for call in reversed(self._calls):
            if call.writes & live:
                live |= call.reads
                used.append(call)
        for call in reversed(used):
            if call.counts and call.cost is None:
                tally.add_unknown(call.place, call.op, call.shapes)
            elif call.counts and call.cost is not None:
                tally.add(call.place, call.op, call.shapes, call.cost, call.bytes_moved)

    def call(self, plan: Plan, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Call an operator and keep what it was."""
        place = self._place()
        out = func(*args, **kwargs)
        cost = plan.formula(arguments_of(func, args, kwargs), as_shapes(out)) if plan.formula else None
        self._keep(plan, cost, place, (*args, *kwargs.values()), out)
        return out

    def _keep(self, plan: Plan, cost: Cost | None, place: Place, given: tuple[Any, ...], out: Any) -> None:
        counts = plan.way != "view"
        moved = bytes_moved(plan, given, out) if counts else 0
        shapes = tuple(tuple(tensor.shape) for tensor in tensors_in(given))
        # A storage that is let go may give its address to another.
        self._alive.append((given, out))
        written = _storages(out)
        if plan.op == "aten.add" and self._starts_accumulation(given, out):
            cost = nothing()
        if cost and cost.flops:
            (self._products.update if cost.macs else self._products.difference_update)(written)
        self._vectors |= _storages([tensor for tensor in tensors_in(given) if tensor.dim() == 1])
        reads: frozenset[int] = frozenset() if plan.op.partition(".")[2] in _SHAPE_ONLY else _storages(given)
        call = _Call(place, plan.op, shapes, cost, moved, counts, reads, written)
        self._calls.append(call)

    def _starts_accumulation(self, given: tuple[Any, ...], out: Any) -> bool:
        # As on the other backends: a bias is a vector, broadcast and added to a product.
        added = list(tensors_in(given))
        whole = [
            t for t in added if t.shape == out.shape and (t.dim() < 2 or not _storages(t) & self._vectors)
        ]
        return len(added) == 2 and len(whole) == 1 and bool(_storages(whole[0]) & self._products)

    def _place(self) -> Place:
        node = torch._C._current_autograd_node()  # noqa: SLF001
        maker = "" if node is None else self._made_by.get(node._sequence_nr(), "")  # noqa: SLF001
        # Nothing but work that is done again records a graph during the backward pass.
        again = node is not None and self._phase == "backward" and torch.is_grad_enabled()
        if node is not None and not again:
            return Place(maker, self._phase)
        path = self._inside[-1] if self._inside else maker
        # Whose the newest node of the graph is: the first to come by after it was made.
        self._made_by.setdefault(torch.autograd._get_sequence_nr() - 1, path)  # noqa: SLF001
        return Place(path, "recompute" if again else self._phase)


def _storages(values: Any) -> frozenset[int]:
    return frozenset(tensor.untyped_storage()._cdata for tensor in tensors_in(values))  # noqa: SLF001
