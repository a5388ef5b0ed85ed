"""Keras on JAX: the operators of a jaxpr, which is made from shapes alone.

Nothing is compiled, executed or allocated. The body of a ``scan`` counts as often as it turns, and what no
output depends on does not count, as XLA would not execute it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from greenai_magic.flops.formulas import nothing
from greenai_magic.flops.keras.calls import Call
from greenai_magic.flops.keras.jax_ops import VIEWS, cost_of, is_product, shapes_of
from greenai_magic.flops.keras.layers import LayerTree, followed, phase_in
from greenai_magic.flops.keras.tally import DEAREST_BRANCH, ONE_TURN, Place, Tally, elements
from greenai_magic.flops.report import Phase


def count(call: Call, tally: Tally) -> None:
    """Count the call of a model, and the gradients of its weights where the call asks for them."""
    import jax
    from jax.interpreters import partial_eval

    def forward(trainable: list[Any], others: list[Any], inputs: Any) -> Any:
        starts, made = call.stateless(trainable, others, inputs, jax.named_scope)
        return [o for o in starts if jax.numpy.issubdtype(o.dtype, jax.numpy.inexact)], made

    def step(trainable: list[Any], others: list[Any], inputs: Any) -> Any:
        if not call.differentiates:
            return forward(trainable, others, inputs)
        starts, pull_back, made = jax.vjp(lambda t: forward(t, others, inputs), trainable, has_aux=True)
        (gradients,) = pull_back([jax.numpy.ones_like(o) for o in starts])
        return made, starts, call.updated(gradients, trainable, others, jax.named_scope)

    with followed(call.tree, jax.named_scope) as call.at_work:
        spec = jax.ShapeDtypeStruct
        closed = jax.make_jaxpr(step)(
            [spec(v.shape, v.dtype) for v in call.trainable],
            [spec(v.shape, v.dtype) for v in call.others],
            call.map_inputs(lambda leaf: spec(leaf.shape, jax.dtypes.canonicalize_dtype(leaf.dtype))),
        )
    jaxpr, _ = partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    _Walker(call.tree, tally).walk(jaxpr, "", 1)


class _Walker:
    def __init__(self, tree: LayerTree, tally: Tally) -> None:
        self._tree = tree
        self._tally = tally

    def walk(self, jaxpr: Any, scopes: str, calls: int) -> None:
        products: set[Any] = set()
        vectors: set[Any] = set()
        for eqn in jaxpr.eqns:
            inner = f"{scopes}/{eqn.source_info.name_stack}"
            if not self._enter(eqn, inner, calls):
                self._count(
                    eqn, Place(self._tree.path_in(inner) or "", _phase(inner), calls), products, vectors
                )
            _follow_products(eqn, products)
            if _lays_out_a_vector(eqn):
                vectors.update(eqn.outvars)

    def _enter(self, eqn: Any, scopes: str, calls: int) -> bool:
        # Walk what an operator contains, as often as it executes it.
        name = eqn.primitive.name
        if name == "cond":
            self._tally.note(DEAREST_BRANCH)
            dearest = max(eqn.params["branches"], key=lambda branch: self._expense(branch.jaxpr))
            self.walk(dearest.jaxpr, scopes, calls)
            return True
        if name == "while":
            place = Place(self._tree.path_in(scopes) or "", _phase(scopes), calls)
            self._tally.add_unknown(place, f"while ({ONE_TURN})", shapes_of(eqn.invars))
            self.walk(eqn.params["body_jaxpr"].jaxpr, scopes, calls)
            return True
        bodies = list(_bodies(eqn))
        turns = int(eqn.params["length"]) if name == "scan" else 1
        for body in bodies:
            self.walk(body, scopes, calls * turns)
        return bool(bodies)

    def _expense(self, jaxpr: Any) -> tuple[int, int]:
        trial = Tally(lambda _, kind: kind)
        _Walker(self._tree, trial).walk(jaxpr, "", 1)
        return trial.expense

    def _count(self, eqn: Any, place: Place, products: set[Any], vectors: set[Any]) -> None:
        op = eqn.primitive.name
        shapes = shapes_of(eqn.invars)
        if op in VIEWS:
            return
        cost = nothing() if _starts_accumulation(eqn, products, vectors) else cost_of(eqn, place.phase)
        if cost is None:
            self._tally.add_unknown(place, op, shapes)
        else:
            self._tally.add(place, op, shapes, cost, _bytes(eqn))


def _phase(scopes: str) -> Phase:
    if "rematted_computation" in scopes:
        return "recompute"
    return "backward" if "transpose(" in scopes else phase_in(scopes)


def _bodies(eqn: Any) -> Iterator[Any]:
    # custom_vjp_call and custom_jvp_call carry their rules as functions, not as jaxprs: only what runs.
    for value in eqn.params.values():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            body = getattr(item, "jaxpr", item)
            if hasattr(body, "eqns"):
                yield body


def _bytes(eqn: Any) -> int:
    avals = [v.aval for v in (*eqn.invars, *eqn.outvars)]
    return sum(elements(a.shape) * _itemsize(a.dtype) for a in avals if hasattr(a, "dtype"))


def _itemsize(dtype: Any) -> int:
    # Keys of random generators are an extended type without a size of their own.
    return int(getattr(dtype, "itemsize", 0))


def _follow_products(eqn: Any, products: set[Any]) -> None:
    moved = eqn.primitive.name in {"reshape", "transpose", "squeeze"}
    if is_product(eqn) or (moved and _is_in(eqn.invars[0], products)):
        products.update(eqn.outvars)


def _lays_out_a_vector(eqn: Any) -> bool:
    return eqn.primitive.name in {"broadcast_in_dim", "reshape"} and len(eqn.invars[0].aval.shape) == 1


def _starts_accumulation(eqn: Any, products: set[Any], vectors: set[Any]) -> bool:
    # A bias is a vector, broadcast and added to a product; its addition is one of the product's own.
    if eqn.primitive.name != "add":
        return False
    whole = [v for v in eqn.invars if v.aval.shape == eqn.outvars[0].aval.shape and not _is_in(v, vectors)]
    return len(whole) == 1 and _is_in(whole[0], products)


def _is_in(variable: Any, variables: set[Any]) -> bool:
    # Literals cannot be hashed.
    return not hasattr(variable, "val") and variable in variables
