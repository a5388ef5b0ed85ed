"""How to count a PyTorch operator: decided once for each overload, then for each set of shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import torch

import greenai_magic.flops.torch.ops
import greenai_magic.flops.torch.sequence_ops
import greenai_magic.flops.torch.small_ops  # noqa: F401  all fill the registry
from greenai_magic.flops.formulas import Cost, elementwise, nothing, reduction
from greenai_magic.flops.registry import formula_for
from greenai_magic.flops.torch.names import ALLOCATIONS, LOOKUPS, MOVES, PER_INPUT, PER_OUTPUT

Way = Literal["formula", "view", "decompose", "unknown"]

_PLUMBING = ("prim", "profiler", "prims")
_PLAIN = (int, bool, str, type(None))
_SPARSE = (torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)
_REAL_PER_COMPLEX = 4
"""Multiply-adds of real numbers that make one of complex numbers."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to count one overload.

    Attributes
    ----------
    op : str
        ``"aten.addmm"``.
    way : str
        By a formula; not at all, for it touches no data; by the operators that it consists of; or unknown.
    formula : callable or None
        Of the arguments and the result, tensors as their shapes.
    result_varies : bool
        Whether the result's shape depends on more than the arguments' shapes.
    looks_up : bool
        Whether it reads of its first argument only what it returns.
    """

    op: str
    way: Way
    formula: Callable[[Sequence[Any], Any], Cost] | None = None
    result_varies: bool = False
    looks_up: bool = False


def plan_for(func: Any) -> Plan:
    """Return how to count an operator."""
    if not isinstance(func, torch._ops.OpOverload):
        whole = formula_for(f"higher_order::{func}")
        return Plan(str(func), "formula" if whole else "unknown", whole)
    namespace, _, base = func.name().partition(".")[0].partition("::")
    op = f"{namespace}.{base}"
    if namespace in _PLUMBING:
        return Plan(op, "view")
    formula = _registered(namespace, base)
    if formula is None and func._can_decompose():
        return Plan(op, "decompose")
    if formula is None and (func.is_view or base in ALLOCATIONS):
        return Plan(op, "view")
    formula = formula or _by_element(namespace, base, func)
    if formula is None:
        return Plan(op, "unknown")
    varies = torch.Tag.dynamic_output_shape in func.tags
    return Plan(op, "formula", formula, varies, _functional(base) in LOOKUPS)


def _registered(namespace: str, base: str) -> Callable[[Sequence[Any], Any], Cost] | None:
    return formula_for(f"{namespace}::{base}") or formula_for(f"{namespace}::{_functional(base)}")


def _functional(base: str) -> str:
    """Return the name of the variant that is not in place."""
    return base[:-1] if base.endswith("_") and not base.endswith("__") else base


def _by_element(namespace: str, base: str, func: Any) -> Callable[[Sequence[Any], Any], Cost] | None:
    name = _functional(base).removeprefix("_foreach_") if namespace == "aten" else base
    if name in MOVES or name.removesuffix("_copy") in MOVES:
        return _moved
    tags = _tags(func, namespace, name)
    if name in PER_INPUT or torch.Tag.reduction in tags:
        return _each_input
    if name in PER_OUTPUT or torch.Tag.pointwise in tags:
        return _each_output
    return None


def _tags(func: Any, namespace: str, name: str) -> set[Any]:
    """Return the tags of an overload and of all that bear its functional name: in-place ones lack some."""
    found = set(func.tags)
    packet = getattr(getattr(torch.ops, namespace), name, None)
    for overload in packet.overloads() if packet is not None else ():
        found.update(getattr(packet, overload).tags)
    return found


def _moved(_arguments: Sequence[Any], _out: Any) -> Cost:
    return nothing()


def _each_output(arguments: Sequence[Any], out: Any) -> Cost:
    made = out if out is not None and _elements(out) else arguments[0]
    return elementwise(_elements(made))


def _each_input(arguments: Sequence[Any], _out: Any) -> Cost:
    return reduction(_elements(arguments[0]))


def _elements(shapes: Any) -> int:
    """Return how many elements tensors have; what is no tensor has none."""
    if isinstance(shapes, tuple):
        elements: int = prod(shapes)
        return elements
    return sum(_elements(shape) for shape in shapes) if isinstance(shapes, list) else 0


def cost_of(plan: Plan, func: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Cost | None:
    """Return the cost of a call, or None where it cannot be told."""
    if plan.formula is None:
        return None
    cost = plan.formula(arguments_of(func, args, kwargs), as_shapes(out))
    tensors = list(tensors_in((*args, *kwargs.values(), out)))
    if cost.flops and any(tensor.layout in _SPARSE for tensor in tensors):
        return None  # of what is not stored, nothing is computed, and shapes do not tell how much is
    if cost.macs and any(tensor.is_complex() for tensor in tensors):
        macs = _REAL_PER_COMPLEX * cost.macs
        formula = f"{cost.formula}, {_REAL_PER_COMPLEX} real multiply-adds for each complex one"
        return cost._replace(flops=cost.flops + 2 * (macs - cost.macs), macs=macs, formula=formula)
    return cost


def signature(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return what a cost depends on: shapes, types and layouts, integers, flags, and which floats are 0."""
    return tuple(_signature(value) for value in values)


def _signature(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.shape, value.dtype, value.layout
    if isinstance(value, (list, tuple)):
        return signature(value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, float):
        return value != 0
    return id(value) if isinstance(value, torch.ScriptObject) else None


def arguments_of(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
    """Return all arguments in the order of the operator's schema, defaults filled in, tensors as shapes."""
    if not isinstance(func, torch._ops.OpOverload):
        return [as_shapes(value) for value in args]
    values = []
    for at, parameter in enumerate(func._schema.arguments):
        value = args[at] if at < len(args) else kwargs.get(parameter.name, parameter.default_value)
        values.append(as_shapes(value))
    return values


def as_shapes(value: Any) -> Any:
    """Return the value with each tensor replaced by its shape; lists stay lists."""
    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    if isinstance(value, (list, tuple)):
        return [as_shapes(item) for item in value]
    if isinstance(value, torch.ScriptObject) and hasattr(value, "unpack"):
        return tuple(value.unpack()[0].shape)  # the packed weight of a quantised layer
    return value


def tensors_in(values: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors of nested lists and tuples."""
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from tensors_in(value)


def bytes_moved(plan: Plan, args: Sequence[Any], out: Any) -> int:
    """Return the bytes that a call reads and writes, each tensor once."""
    made = _nbytes(out)
    return made + (made + _nbytes(args[1:]) if plan.looks_up else _nbytes(args))


def _nbytes(values: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors_in(values))
