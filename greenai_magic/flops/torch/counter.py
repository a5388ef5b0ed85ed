"""Counter: sees every operator that PyTorch calls, and tells which module and phase it serves."""

from __future__ import annotations

from collections import Counter as Multiset
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode

from greenai_magic.flops.formulas import Cost, Shape
from greenai_magic.flops.report import Phase, Row, Uncounted
from greenai_magic.flops.torch.fake import FAKE_KERNELS
from greenai_magic.flops.torch.foreign import ForeignTensors
from greenai_magic.flops.torch.memory import LiveBytes
from greenai_magic.flops.torch.plan import (
    Plan,
    bytes_moved,
    cost_of,
    plan_for,
    signature,
    tensors_in,
)


class _Call(NamedTuple):
    """One operator with its shapes."""

    op: str
    shapes: tuple[Shape, ...]
    cost: Cost
    bytes_moved: int


class PlannedMode(TorchDispatchMode):
    """See every operator that PyTorch calls with the plan of how to count it, made once for each."""

    def __init__(self) -> None:
        super().__init__()
        self._plans: dict[Any, Plan] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Take apart an operator that consists of others, and hand on any other one."""
        named = dict(kwargs) if kwargs else {}
        plan = self._plans.get(func)
        if plan is None:
            plan = self._plans[func] = plan_for(func)
        if plan.way == "decompose":
            with self:
                out = func.decompose(*args, **named)
            if out is not NotImplemented:
                return out
        return self.call(plan, func, args, named)

    def call(self, plan: Plan, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Call an operator and count it."""
        raise NotImplementedError


class Counter(PlannedMode):
    """Count what runs while the counter is entered.

    Attributes
    ----------
    phase : str
        What runs now; the counter tells the backward pass and recomputation by itself.
    muted : bool
        Let all through uncounted.
    memory : LiveBytes
        Bytes of the tensors that were made.
    foreign : ForeignTensors or None
        Keeps the contents of tensors that are none of the model's, before they are written over.
    output_shapes : dict of str to tuple of int
        Of each attached module's last call.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()
        self.phase: Phase = "forward"
        self.muted = False
        self.memory = LiveBytes()
        self.foreign: ForeignTensors | None = None
        self.output_shapes: dict[str, Shape] = {}
        self._inside: list[tuple[str, tuple[Shape, ...]]] = []
        self._recurrent: set[str] = set()
        self._calls: dict[Any, _Call | None] = {}
        self._tally: defaultdict[tuple[str, Phase, Any], int] = defaultdict(int)
        self._unknown: dict[str, tuple[tuple[Shape, ...], Multiset[str]]] = {}
        self._made_by: dict[int, str] = {}
        self._parameter_of: dict[int, str] = {}

    def attach(self, model: torch.nn.Module) -> None:
        """Follow the model's modules, by hooks on them: the model must be a copy."""
        for path, module in model.named_modules():
            self.know(path, module)
            if isinstance(module, torch.jit.ScriptModule):
                continue  # they take no hooks

            def enter(_module: Any, args: Any, kwargs: Any, path: str = path) -> None:
                self.enter(path, (*args, *kwargs.values()))

            def leave(_module: Any, _args: Any, out: Any, path: str = path) -> None:
                self.leave(path, out)

            module.register_forward_pre_hook(enter, with_kwargs=True, prepend=True)
            module.register_forward_hook(leave)

    def know(self, path: str, module: torch.nn.Module) -> None:
        """Note what a module is and what it owns."""
        self.output_shapes.setdefault(path, ())
        if isinstance(module, (torch.nn.RNNBase, torch.nn.RNNCellBase)):
            self._recurrent.add(path)
        for parameter in module.parameters(recurse=False):
            self._parameter_of.setdefault(id(parameter), path)

    def enter(self, path: str, arguments: Sequence[Any]) -> None:
        """Note that a module is called."""
        self._remember(self.innermost()[0])
        self._inside.append((path, _shapes(arguments)))

    def leave(self, path: str, out: Any) -> None:
        """Note that a module has returned."""
        # One that failed inside, and was caught, has left its entry behind.
        while self._inside and self._inside.pop()[0] != path:
            pass
        first = next(tensors_in(list(out.values()) if isinstance(out, Mapping) else out), None)
        self.output_shapes[path] = () if first is None else tuple(first.shape)

    def innermost(self) -> tuple[str, tuple[Shape, ...]]:
        """Return the module that runs now, or ran when an error ended all, and its inputs' shapes."""
        return self._inside[-1] if self._inside else ("", ())

    def rows(self) -> tuple[Row, ...]:
        """Return all that was counted."""
        return tuple(
            self._row(path, phase, call, calls)
            for (path, phase, key), calls in self._tally.items()
            if (call := self._calls[key])
        )

    def uncounted(self) -> tuple[Uncounted, ...]:
        """Return the operators that no formula counts."""
        return tuple(
            Uncounted(op, shapes, sum(calls.values()), tuple(calls))
            for op, (shapes, calls) in self._unknown.items()
        )

    def call(self, plan: Plan, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Call an operator and count it."""
        if not self.muted:
            place = self._place()
        if self.foreign is not None:
            self.foreign.keep(func, args, kwargs)
        stand_in = FAKE_KERNELS.get(func) if args and isinstance(args[0], FakeTensor) else None
        out = stand_in(args) if stand_in else func(*args, **kwargs)
        if not self.muted:
            if not getattr(func, "is_view", False):  # a view of what is not the model's makes nothing
                self.memory.note(out, forward=place[1] == "forward")
            if plan.way != "view":
                self._count(plan, place, (func, args, kwargs), out)
        return out

    def _count(self, plan: Plan, place: tuple[str, Phase], call: tuple[Any, Any, Any], out: Any) -> None:
        func, args, kwargs = call
        given = (*args, *kwargs.values())
        key = (func, signature(given), signature((out,)) if plan.result_varies else None)
        if key not in self._calls:
            cost = cost_of(plan, func, args, kwargs, out)
            moved = 0 if cost is None else bytes_moved(plan, given, out)
            self._calls[key] = cost and _Call(plan.op, _shapes(given), cost, moved)
        if self._calls[key] is None:
            self._unknown.setdefault(plan.op, (_shapes(given), Multiset()))[1][place[0]] += 1
            return
        self._tally[(*place, key)] += 1

    def _place(self) -> tuple[str, Phase]:
        """Return the module and the phase that the current operator serves."""
        node = torch._C._current_autograd_node()
        # Nothing but a checkpoint records a graph during the backward pass.
        again = node is not None and self.phase == "backward" and torch.is_grad_enabled()
        if node is not None and not again:
            return self._maker(node), "backward"
        path = self._inside[-1][0] if self._inside else "" if node is None else self._maker(node)
        self._remember(path)
        return path, "recompute" if again else self.phase

    def _remember(self, path: str) -> None:
        """Note whose the newest autograd node is: the first to come by after it was made."""
        if self.output_shapes:  # else there are no modules to tell apart
            self._made_by.setdefault(torch.autograd._get_sequence_nr() - 1, path)

    def _maker(self, node: Any) -> str:
        variable = getattr(node, "variable", None)
        if variable is not None:
            return self._parameter_of.get(id(variable), "")
        return self._made_by.get(node._sequence_nr(), "")

    def _row(self, path: str, phase: Phase, call: _Call, calls: int) -> Row:
        kind, flops, macs, formula = call.cost
        if path in self._recurrent and flops:
            kind = "recurrent"
        return Row(
            path,
            phase,
            call.op,
            kind,
            call.shapes,
            calls,
            calls * flops,
            calls * macs,
            calls * call.bytes_moved,
            formula,
        )


def _shapes(values: Sequence[Any]) -> tuple[Shape, ...]:
    return tuple(tuple(tensor.shape) for tensor in tensors_in(values))
