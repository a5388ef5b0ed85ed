"""What one call of a TensorFlow operator costs, from the shapes in its graph."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from greenai_magic.flops.formulas import (
    SOFTMAX,
    Cost,
    Shape,
    convolution,
    einsum,
    elementwise,
    matmul,
    nothing,
    pooling,
    reduction,
    softmax,
)
from greenai_magic.flops.keras.tally import elements

_POINTWISE = """
Abs Acos Acosh Add AddN AddV2 ApproximateEqual Asin Asinh Atan Atan2 Atanh BitwiseAnd BitwiseOr BitwiseXor
Ceil ClipByValue Cos Cosh Digamma Div DivNoNan Elu EluGrad Equal Erf Erfc Erfinv Exp Expm1 Floor FloorDiv
FloorMod Greater GreaterEqual Inv InvGrad IsFinite IsInf IsNan LeakyRelu LeakyReluGrad Less LessEqual
Lgamma Log Log1p LogicalAnd LogicalNot LogicalOr Maximum Minimum Mod Mul MulNoNan Ndtri Neg NotEqual Pow
RealDiv Reciprocal ReciprocalGrad Relu Relu6 Relu6Grad ReluGrad Rint Round Rsqrt RsqrtGrad Select SelectV2
Selu SeluGrad Sigmoid SigmoidGrad Sign Sin Sinh Softplus SoftplusGrad Softsign SoftsignGrad Sqrt SqrtGrad
Square SquaredDifference StatelessRandomNormalV2 StatelessRandomUniformV2 StatelessTruncatedNormalV2 Sub
Tan Tanh TanhGrad TruncateDiv TruncateMod Where Xdivy Xlogy Zeta
"""
_REDUCTIONS = """
All Any ArgMax ArgMin BiasAddGrad Cumprod Cumsum EuclideanNorm L2Loss Max Mean Min Prod Sum
"""
_MOVES = """
BatchToSpaceND BroadcastTo Cast ConcatV2 DynamicStitch EmptyTensorList Fill Gather GatherNd GatherV2
InvertPermutation MatrixBandPart MatrixDiagV3 MirrorPad OneHot OnesLike Pack Pad PadV2 Range
ResizeNearestNeighbor ReverseV2 ScatterUpdate Slice SpaceToBatchND SparseToDense Split SplitV StridedSlice
StridedSliceGrad TensorListFromTensor TensorListGetItem TensorListPopBack TensorListPushBack
TensorListReserve TensorListSetItem TensorListStack TensorScatterUpdate Tile Transpose Unpack ZerosLike
"""
_POOLS = """
AvgPoolGrad AvgPool3DGrad MaxPoolGrad MaxPool3DGrad AvgPool AvgPool3D MaxPool MaxPool3D MaxPoolV2
"""
_SCATTERS = """
ResourceScatterAdd ScatterNd TensorScatterAdd UnsortedSegmentMax UnsortedSegmentSum
"""
_VIEWS = """
Assert BroadcastArgs BroadcastGradientArgs ConcatOffset Const EnsureShape ExpandDims Identity IdentityN
LoopCond NoOp OptionalFromValue OptionalGetValue Placeholder PlaceholderWithDefault PreventGradient Rank
ReadVariableOp Reshape Shape ShapeN Size Squeeze StatelessRandomGetKeyCounter
StatelessRandomGetKeyCounterAlg StopGradient TensorListElementShape TensorListLength
"""

VIEWS = frozenset(_VIEWS.split())
"""Operators that touch no data."""
_MOVING = frozenset(_MOVES.split())
"""Operators that do no work."""
_RESHAPING = frozenset({"ExpandDims", "Identity", "Reshape", "Squeeze"})


class _UnknownShape(Exception):
    """The graph does not know the shape that a cost depends on."""


def shape_of(tensor: Any) -> Shape:
    """Return the shape of a tensor, zero where the graph does not know it."""
    shape = tensor.shape
    return tuple(int(side or 0) for side in shape) if shape.rank is not None else ()


def _shape(tensor: Any) -> Shape:
    if not tensor.shape.is_fully_defined():
        raise _UnknownShape
    return shape_of(tensor)


def cost_of(op: Any) -> Cost | None:
    """Return the cost of one call, None where there is no formula for it or its shapes are not known."""
    if op.type in _MOVING:
        return nothing()
    rule = _RULES.get(op.type)
    try:
        return None if rule is None else rule(op)
    except _UnknownShape:
        return None


def _each_output(op: Any) -> Cost:
    return elementwise(elements(_shape(op.outputs[0])))


def _each_input(op: Any) -> Cost:
    return reduction(elements(_shape(op.inputs[0])))


def _each_update(op: Any) -> Cost:
    return reduction(max(elements(_shape(tensor)) for tensor in op.inputs))


def _softmax(op: Any) -> Cost:
    return softmax(elements(_shape(op.outputs[0])))


def _crossentropy(op: Any) -> Cost:
    # A softmax and its gradient in one; with labels that are no indices, products and their sums too.
    more = 1 if op.type.startswith("Sparse") else 3
    return elementwise(elements(_shape(op.inputs[0])), SOFTMAX + more)


def _each_window(op: Any) -> Cost:
    # A gradient has a window for each element that comes in, as its last tensor.
    windows = op.inputs[-1] if op.type.endswith("Grad") else op.outputs[0]
    return pooling(elements(_shape(windows)), math.prod(op.get_attr("ksize")))


def _interpolated(op: Any, taps: int) -> Cost:
    return pooling(elements(_shape(op.outputs[0])), 2 * taps - 1)


def _matmul(op: Any) -> Cost:
    left, produced = _shape(op.inputs[0]), _shape(op.outputs[0])
    transposed = op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x")
    return matmul(produced[-2], left[-2 if transposed else -1], produced[-1], math.prod(produced[:-2]))


def _bias(op: Any) -> Cost:
    # A bias is a vector, and starts its product's accumulation. Keras adds any other tensor that is one but
    # for sides of 1 in the same way.
    tensor = op.inputs[1]
    while tensor.op.type in _RESHAPING:
        tensor = tensor.op.inputs[0]
    return nothing() if tensor.shape.rank == 1 else _each_output(op)


def _einsum(op: Any) -> Cost:
    equation = op.get_attr("equation").decode()
    left, _, right = equation.partition("->")
    if len(op.inputs) == 2 and set(left) - {",", " "} <= set(right):
        return _each_output(op)  # nothing is summed
    return einsum(equation, [_shape(tensor) for tensor in op.inputs])


def _convolution(op: Any) -> Cost:
    return _convolution_cost(op, _beyond_space_to_batch(op.outputs[0]), _shape(op.inputs[1]))


def _gradient_of_input(op: Any) -> Cost:
    # Also what a transposed convolution is made of.
    return _convolution_cost(op, _before_space_to_batch(op.inputs[2]), _shape(op.inputs[1]))


def _gradient_of_weight(op: Any) -> Cost:
    return _convolution_cost(op, _before_space_to_batch(op.inputs[2]), _shape(op.outputs[0]))


def _convolution_cost(op: Any, image: Shape, weight: Shape) -> Cost:
    first = op.get_attr("data_format").decode().startswith("NC")
    return convolution((image[0], *(image[2:] if first else image[1:-1])), weight)


def _beyond_space_to_batch(tensor: Any) -> Shape:
    # A dilated convolution is cut into dense ones, laid side by side in the batch with some padding; what
    # counts is the image that they are put together to.
    whole = _user(tensor, "BatchToSpaceND")
    if whole is None:
        return _shape(tensor)
    # With strides as well, Keras takes all and then drops what the strides leave out, in the same scope.
    kept = _user(whole.outputs[0], "StridedSlice")
    if kept is not None and kept.name.rpartition("/")[0] == whole.name.rsplit("/", 2)[0]:
        return _shape(kept.outputs[0])
    return _shape(whole.outputs[0])


def _before_space_to_batch(tensor: Any) -> Shape:
    op = _maker(tensor)
    if op.type != "SpaceToBatchND":
        return _shape(tensor)
    dropped = _maker(op.inputs[0])
    inside = op.name.rsplit("/", 2)[0]
    if dropped.type == "StridedSliceGrad" and dropped.name.rpartition("/")[0].startswith(inside):
        return _shape(dropped.inputs[4])
    return _shape(op.inputs[0])


def _user(tensor: Any, kind: str) -> Any:
    # The operator of a kind that uses a tensor, perhaps reshaped.
    todo = [tensor]
    while todo:
        for user in todo.pop().consumers():
            if user.type == kind:
                return user
            if user.type in _RESHAPING:
                todo.append(user.outputs[0])
    return None


def _maker(tensor: Any) -> Any:
    while tensor.op.type in _RESHAPING:
        tensor = tensor.op.inputs[0]
    return tensor.op


_RULES: dict[str, Callable[[Any], Cost]] = {
    **dict.fromkeys(_POINTWISE.split(), _each_output),
    **dict.fromkeys(_REDUCTIONS.split(), _each_input),
    **dict.fromkeys(_SCATTERS.split(), _each_update),
    **dict.fromkeys(_POOLS.split(), _each_window),
    "ResizeBicubic": lambda op: _interpolated(op, 16),
    "ResizeBilinear": lambda op: _interpolated(op, 4),
    "LogSoftmax": _softmax,
    "Softmax": _softmax,
    "SoftmaxCrossEntropyWithLogits": _crossentropy,
    "SparseSoftmaxCrossEntropyWithLogits": _crossentropy,
    "MatMul": _matmul,
    "BatchMatMul": _matmul,
    "BatchMatMulV2": _matmul,
    "BatchMatMulV3": _matmul,
    "BiasAdd": _bias,
    "Einsum": _einsum,
    "Conv2D": _convolution,
    "Conv3D": _convolution,
    "DepthwiseConv2dNative": _convolution,
    "Conv2DBackpropInput": _gradient_of_input,
    "Conv3DBackpropInputV2": _gradient_of_input,
    "DepthwiseConv2dNativeBackpropInput": _gradient_of_input,
    "Conv2DBackpropFilter": _gradient_of_weight,
    "Conv3DBackpropFilterV2": _gradient_of_weight,
    "DepthwiseConv2dNativeBackpropFilter": _gradient_of_weight,
}
