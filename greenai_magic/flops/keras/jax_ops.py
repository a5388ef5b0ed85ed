"""What one JAX primitive costs, from the shapes in a jaxpr."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from greenai_magic.flops.formulas import (
    Cost,
    convolution,
    elementwise,
    matmul,
    nothing,
    pooling,
    reduction,
    window_positions,
)
from greenai_magic.flops.keras.tally import Shapes, elements
from greenai_magic.flops.report import Phase

_POINTWISE = """
abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp complex conj cos cosh digamma
div eq erf erf_inv erfc exp exp2 expm1 floor ge gt imag integer_pow is_finite le lgamma log log1p logistic
lt max min mul ne neg nextafter not or population_count pow random_bits real rem round rsqrt select_n
shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt square sub tan tanh threefry2x32
xor
"""
_REDUCTIONS = """
argmax argmin cumlogsumexp cummax cummin cumprod cumsum reduce_and reduce_max reduce_min reduce_or
reduce_prod reduce_sum reduce_xor
"""
_MOVES = """
broadcast_in_dim concatenate convert_element_type copy copy_p dynamic_slice dynamic_update_slice gather
iota pad rev scatter select_and_gather_add slice split stack tile transpose unstack
"""
_VIEWS = """
bitcast_convert_type expand_dims optimization_barrier random_fold_in random_key_data random_seed
random_split random_unwrap random_wrap reduce_precision reshape sharding_constraint squeeze stop_gradient
"""

VIEWS = frozenset(_VIEWS.split())
"""Primitives that touch no data."""


def is_product(eqn: Any) -> bool:
    """Tell whether a primitive sums products, so that a bias may start its accumulation."""
    if eqn.primitive.name != "dot_general":
        return bool(eqn.primitive.name == "conv_general_dilated")
    (contracted, _), _ = eqn.params["dimension_numbers"]
    return bool(contracted)


def cost_of(eqn: Any, phase: Phase) -> Cost | None:
    """Return the cost of one execution, None where there is no formula for it."""
    if eqn.primitive.name == "conv_general_dilated":
        return _convolution(eqn, phase)
    rule = _RULES.get(eqn.primitive.name)
    return None if rule is None else rule(eqn)


def shapes_of(variables: Any) -> Shapes:
    """Return the shapes of those variables that have one."""
    return tuple(tuple(map(int, v.aval.shape)) for v in variables if hasattr(v.aval, "shape"))


def _each_output(eqn: Any) -> Cost:
    return elementwise(sum(elements(shape) for shape in shapes_of(eqn.outvars)))


def _each_input(eqn: Any) -> Cost:
    return reduction(elements(eqn.invars[0].aval.shape))


def _each_update(eqn: Any) -> Cost:
    return reduction(elements(eqn.invars[2].aval.shape))


def _each_window(eqn: Any) -> Cost:
    # The gradient of a largest element has a window for each element that comes in.
    windows = eqn.invars[0] if eqn.primitive.name == "select_and_scatter_add" else eqn.outvars[0]
    return pooling(elements(windows.aval.shape), math.prod(eqn.params["window_dimensions"]))


def _dot(eqn: Any) -> Cost:
    if not is_product(eqn):
        return _each_output(eqn)
    (contracted, _), (batched, _) = eqn.params["dimension_numbers"]
    left, right = shapes_of(eqn.invars)
    batch = math.prod(left[axis] for axis in batched)
    inner = math.prod(left[axis] for axis in contracted)
    rows = elements(left) // max(1, batch * inner)
    columns = elements(right) // max(1, batch * inner)
    return matmul(rows, inner, columns, batch)


def _convolution(eqn: Any, phase: Phase) -> Cost:
    left, right = shapes_of(eqn.invars)
    out = tuple(map(int, eqn.outvars[0].aval.shape))
    numbers = eqn.params["dimension_numbers"]
    image = [left[axis] for axis in numbers.lhs_spec[2:]]
    # JAX writes the gradient of a weight as a convolution too: it sums over the batch, which therefore
    # stands where channels do, with the output's gradient as the window and the weight as the result.
    if phase == "backward" and numbers.lhs_spec[1] == 0:
        positions = window_positions(image, [right[axis] for axis in numbers.rhs_spec[2:]])
        batch, weight = left[numbers.lhs_spec[1]], out
    else:
        positions = window_positions(image, [out[axis] for axis in numbers.out_spec[2:]])
        batch, weight = left[numbers.lhs_spec[0]] // int(eqn.params["batch_group_count"]), right
    return convolution((batch, *positions), weight)


_RULES: dict[str, Callable[[Any], Cost]] = {
    **dict.fromkeys(_POINTWISE.split(), _each_output),
    **dict.fromkeys(_REDUCTIONS.split(), _each_input),
    **dict.fromkeys(_MOVES.split(), lambda _: nothing()),
    "reduce_window_max": _each_window,
    "reduce_window_min": _each_window,
    "reduce_window_sum": _each_window,
    "select_and_scatter_add": _each_window,
    "scatter-add": _each_update,
    "scatter_add": _each_update,
    "scatter-mul": _each_update,
    "scatter_mul": _each_update,
    "dot_general": _dot,
}
