"""Which operators of a TensorFlow graph are executed, and how often its loops turn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_PASSING = frozenset({"Identity", "Cast", "StopGradient", "Reshape", "Squeeze"})
_LOOPS = frozenset({"While", "StatelessWhile"})


def live_operations(outputs: Iterable[Any]) -> dict[Any, set[int]]:
    """Return the operators that some tensors depend on, and which of their outputs are used."""
    live: dict[Any, set[int]] = {}
    todo = list(outputs)
    while todo:
        tensor = todo.pop()
        op = tensor.op
        if op not in live:
            live[op] = set()
            todo.extend(op.inputs)
        live[op].add(tensor.value_index)
    return live


def live_through_loop(wanted: set[int], body: Any, condition: Any) -> list[int]:
    """Return which outputs of a loop's body matter: those wanted after it, and all that they come from."""
    kept = set(wanted) | _inputs_used(condition, condition.outputs)
    while True:
        more = kept | _inputs_used(body, [body.outputs[index] for index in kept])
        if more == kept:
            return sorted(kept)
        kept = more


def turns(loop: Any, body: Any, condition: Any) -> int | None:
    """Return how often a loop turns, None where that depends on the data.

    A loop that Keras or TensorFlow writes counts its turns in variables that grow by one, and goes on while
    each is less than a bound that does not change.
    """
    bounds = []
    for op in live_operations(condition.outputs):
        if op.type == "Less":
            bounds.append(_turns_of_comparison(loop, body, condition, op))
        elif op.type not in {"LogicalAnd", "Identity", "Placeholder", "Const"}:
            return None
    # Each comparison can end the loop, so that one unknown among them leaves the number of turns unknown.
    known = [bound for bound in bounds if bound is not None]
    return max(0, min(known)) if known and len(known) == len(bounds) else None


def _turns_of_comparison(loop: Any, body: Any, condition: Any, less: Any) -> int | None:
    counter, bound = (_argument(condition, tensor) for tensor in less.inputs)
    if counter is None or not _grows_by_one(body, counter):
        return None
    start = _scalar(loop.inputs[counter])
    if bound is None:
        end = _scalar(less.inputs[1])
    else:
        end = _scalar(loop.inputs[bound]) if _argument(body, body.outputs[bound]) == bound else None
    return None if start is None or end is None else end - start


def _grows_by_one(body: Any, index: int) -> bool:
    op = _source(body.outputs[index]).op
    if op.type not in {"Add", "AddV2"}:
        return False
    return _argument(body, op.inputs[0]) == index and _scalar(op.inputs[1]) == 1


def _inputs_used(graph: Any, outputs: Iterable[Any]) -> set[int]:
    live = live_operations(outputs)
    return {index for index, tensor in enumerate(graph.inputs) if tensor.op in live}


def _argument(graph: Any, tensor: Any) -> int | None:
    # By number, the argument of a function that a tensor is.
    source = _source(tensor)
    return next((index for index, argument in enumerate(graph.inputs) if argument is source), None)


def _source(tensor: Any) -> Any:
    while tensor.op.type in _PASSING:
        tensor = tensor.op.inputs[0]
    return tensor


def _scalar(tensor: Any) -> int | None:
    from tensorflow.python.framework import tensor_util

    source = _source(tensor)
    value = tensor_util.constant_value(source)
    if value is not None:
        return int(value.item()) if value.size == 1 else None
    op = source.op
    if op.type in _LOOPS and source.value_index == 0:
        # The gradient of a loop turns as often as the loop did, whose first result is the number of turns.
        functions = (op.graph._get_function(op.get_attr(name).name).graph for name in ("body", "cond"))  # noqa: SLF001
        return turns(op, *functions)
    if op.type in {"Max", "Min"}:
        return _scalar(op.inputs[0])
    if op.type in {"Maximum", "Minimum"}:
        both = [side for side in map(_scalar, op.inputs) if side is not None]
        return (max if op.type == "Maximum" else min)(both) if len(both) == 2 else None
    if op.type == "StridedSlice" and source.shape.rank == 0:
        # One side of a shape.
        sides, place = tensor_util.constant_value(op.inputs[0]), _scalar(op.inputs[1])
        return None if sides is None or place is None else int(sides[place])
    return None
