"""Keras on TensorFlow: the operators of a function's graph, traced from shapes alone.

Nothing is executed, and weights are arguments of the graph, never constants in it. Only what the outputs
depend on is counted, loop by loop, as TensorFlow's own optimiser keeps no more; the body of a loop counts
as often as it turns, which is read off its condition.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from greenai_magic.flops.keras.calls import Call
from greenai_magic.flops.keras.layers import LayerTree, followed, phase_in
from greenai_magic.flops.keras.tally import DEAREST_BRANCH, ONE_TURN, Place, Shapes, Tally, elements
from greenai_magic.flops.keras.tensorflow_loops import live_operations, live_through_loop, turns
from greenai_magic.flops.keras.tensorflow_ops import VIEWS, cost_of, shape_of
from greenai_magic.flops.report import Phase

_LOOPS = frozenset({"While", "StatelessWhile"})
_BRANCHES = frozenset({"If", "StatelessIf", "Case", "StatelessCase"})
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
GRADIENTS = "gradient_tape"
"""Scope that TensorFlow opens for what a tape computes."""


def count(call: Call, tally: Tally) -> None:
    """Count the call of a model, and the gradients of its weights where the call asks for them."""
    import tensorflow as tf

    def step(trainable: list[Any], others: list[Any], inputs: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            if call.differentiates:
                tape.watch(trainable)
            starts, made = call.stateless(trainable, others, inputs, tf.name_scope)
        if not call.differentiates:
            return starts, made
        learning = [o for o in starts if o.dtype.is_floating or o.dtype.is_complex]
        ones = [tf.ones_like(o) for o in learning]
        # Sums of gradients bear no scope by themselves.
        with tf.name_scope(GRADIENTS):
            gradients = tape.gradient(learning, trainable, output_gradients=ones)
            if call.step is not None:
                gradients = [_dense(gradient) for gradient in gradients]
        return starts, made, call.updated(gradients, trainable, others, tf.name_scope)

    with followed(call.tree, tf.name_scope) as call.at_work:
        spec = tf.TensorSpec
        concrete = tf.function(step, autograph=False).get_concrete_function(
            [spec(v.shape, v.dtype) for v in call.trainable],
            [spec(v.shape, v.dtype) for v in call.others],
            call.map_inputs(lambda leaf: spec(leaf.shape, leaf.dtype)),
        )
    _Walker(call.tree, tally).walk(concrete.graph, concrete.graph.outputs, "", 1)


class _Walker:
    def __init__(self, tree: LayerTree, tally: Tally) -> None:
        self._tree = tree
        self._tally = tally

    def walk(self, graph: Any, outputs: Iterable[Any], scopes: str, calls: int) -> None:
        """Count what a graph executes for some of its outputs."""
        live = live_operations(outputs)
        for op in graph.get_operations():
            if op not in live:
                continue
            inner = f"{scopes}/{self._scopes_of(op)}"
            place = Place(self._tree.path_in(inner) or "", _phase(inner), calls)
            if op.type in _LOOPS:
                self._loop(op, live[op], inner, place)
            elif op.type in _CALLS:
                body = _function(op, "f")
                self.walk(body, [body.outputs[index] for index in live[op]], inner, calls)
            elif op.type in _BRANCHES:
                self._branch(op, live[op], inner, place)
            elif op.type not in VIEWS:
                self._count(op, place)

    def _scopes_of(self, op: Any) -> str:
        # The gradient of a nested function bears no scope of a layer: its forward half, of which it takes
        # the intermediate results, does.
        if op.type in _CALLS and self._tree.path_in(op.name) is None:
            for tensor in op.inputs:
                if tensor.op.type in _CALLS and self._tree.path_in(tensor.op.name) is not None:
                    return f"{GRADIENTS}/{tensor.op.name}"
        return str(op.name)

    def _loop(self, op: Any, live: set[int], scopes: str, place: Place) -> None:
        body, condition = _function(op, "body"), _function(op, "cond")
        known = turns(op, body, condition)
        if known is None:
            self._tally.add_unknown(place, f"{op.type} ({ONE_TURN})", _shapes(op))
        kept = live_through_loop(live, body, condition)
        calls = place.calls * (1 if known is None else known)
        self.walk(body, [body.outputs[index] for index in kept], scopes, calls)

    def _branch(self, op: Any, live: set[int], scopes: str, place: Place) -> None:
        self._tally.note(DEAREST_BRANCH)
        names = ("then_branch", "else_branch") if "If" in op.type else None
        bodies = [_function(op, n) for n in names] if names else _functions(op, "branches")
        trials = []
        for body in bodies:
            trial = Tally(lambda _, kind: kind)
            _Walker(self._tree, trial).walk(body, [body.outputs[index] for index in live], scopes, 1)
            trials.append(trial.expense)
        dearest = bodies[trials.index(max(trials))]
        self.walk(dearest, [dearest.outputs[index] for index in live], scopes, place.calls)

    def _count(self, op: Any, place: Place) -> None:
        shapes = _shapes(op)
        cost = cost_of(op)
        if cost is None:
            self._tally.add_unknown(place, op.type, shapes)
        else:
            self._tally.add(place, op.type, shapes, cost, _bytes(op))


def _phase(scopes: str) -> Phase:
    return "backward" if GRADIENTS in scopes or "/gradients/" in scopes else phase_in(scopes)


def _dense(gradient: Any) -> Any:
    # Of an embedding, TensorFlow tells the rows that were read alone.
    import tensorflow as tf

    return tf.convert_to_tensor(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient


def _function(op: Any, attribute: str) -> Any:
    return op.graph._get_function(op.get_attr(attribute).name).graph  # noqa: SLF001


def _functions(op: Any, attribute: str) -> list[Any]:
    return [op.graph._get_function(f.name).graph for f in op.get_attr(attribute)]  # noqa: SLF001


def _shapes(op: Any) -> Shapes:
    return tuple(shape_of(tensor) for tensor in op.inputs)


def _bytes(op: Any) -> int:
    tensors = [t for t in (*op.inputs, *op.outputs) if t.dtype.name not in {"variant", "resource", "string"}]
    return sum(elements(shape_of(tensor)) * int(tensor.dtype.size) for tensor in tensors)
