"""PyTorch's products of matrices and convolutions, by operator.

Each function takes an operator's first arguments, tensors as their shapes: see :func:`register_flops`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from greenai_magic.flops.formulas import (
    Cost,
    Shape,
    convolution,
    convolution_backward,
    matmul,
    of_macs,
    total,
)
from greenai_magic.flops.registry import register_flops


@register_flops("aten::mm", "aten::_int_mm", "aten::_scaled_mm", "aten::_scaled_mm_v2")
def _mm(a: Shape, b: Shape) -> Cost:
    return matmul(a[0], a[1], b[1])


@register_flops("aten::addmm", "aten::_addmm_activation")
def _addmm(bias: Shape, a: Shape, b: Shape) -> Cost:
    return _mm(a, b)


@register_flops("aten::bmm")
def _bmm(a: Shape, b: Shape) -> Cost:
    return matmul(a[1], a[2], b[2], a[0])


@register_flops("aten::baddbmm", "aten::addbmm")
def _baddbmm(bias: Shape, a: Shape, b: Shape) -> Cost:
    return _bmm(a, b)


@register_flops("aten::mv")
def _mv(a: Shape, x: Shape) -> Cost:
    return matmul(a[0], a[1], 1)


@register_flops("aten::addmv")
def _addmv(bias: Shape, a: Shape, x: Shape) -> Cost:
    return _mv(a, x)


@register_flops("aten::dot", "aten::vdot")
def _dot(x: Shape, y: Shape) -> Cost:
    return matmul(1, x[0], 1)


@register_flops("aten::addr")
def _addr(bias: Shape, x: Shape, y: Shape) -> Cost:
    return matmul(x[0], 1, y[0])


@register_flops("aten::mkldnn_linear", "aten::_weight_int8pack_mm")
def _linear(x: Shape, weight: Shape) -> Cost:
    """``weight`` is output x input features."""
    return matmul(prod(x[:-1]), x[-1], weight[0])


@register_flops("aten::linear_backward")
def _linear_backward(x: Shape, grad: Shape, weight: Shape, mask: Sequence[bool]) -> Cost:
    wanted = mask[0] + mask[1]
    others = prod(grad) if mask[2] else 0
    return of_macs("matmul", prod(x[:-1]), x[-1], weight[0], times=wanted, others=others)


@register_flops(
    "aten::_weight_int4pack_mm",
    "aten::_weight_int4pack_mm_for_cpu",
    "aten::_mixed_dtypes_linear",
    "aten::_dyn_quant_matmul_4bit",
    "quantized::linear",
    "quantized::linear_dynamic",
    "quantized::linear_dynamic_fp16",
    "quantized::linear_relu",
    "quantized::linear_relu_dynamic",
    "quantized::linear_relu_dynamic_fp16",
    "quantized::linear_leaky_relu",
    "quantized::linear_tanh",
)
def _packed_linear(x: Shape, *, out: Shape) -> Cost:
    """Take the shape of the weight, which is packed, from the input's and the output's."""
    return matmul(prod(x[:-1]), x[-1], out[-1])


@register_flops("aten::_trilinear")
def _trilinear(
    a: Shape,
    b: Shape,
    c: Shape,
    new_a: list[int],
    new_b: list[int],
    new_c: list[int],
    summed: list[int],
) -> Cost:
    """Multiply ``a`` and ``b`` first, summed over all that ``c`` does not have; then the rest with ``c``."""
    sizes = (_expanded(a, new_a), _expanded(b, new_b), _expanded(c, new_c))
    terms = dict(enumerate(max(lengths) for lengths in zip(*sizes, strict=True)))
    first = [terms[at] for at in terms if not (at in new_a and at in new_b)]
    second = [terms[at] for at in terms if not (at in summed and at in new_c)]
    return total("matmul", of_macs("matmul", *first), of_macs("matmul", *second))


def _expanded(shape: Shape, at: Sequence[int]) -> list[int]:
    sizes = list(shape)
    for position in sorted(at):
        sizes.insert(position, 1)
    return sizes


@register_flops("aten::_grouped_mm", "transformers::grouped_mm_fallback")
def _grouped_mm(a: Shape, b: Shape) -> Cost:
    """Each row meets the matrix of its group, so that the number of groups does not matter."""
    if len(a) == 3 and len(b) == 3:
        return _bmm(a, b)
    return matmul(a[-2], a[-1], b[-1])


@register_flops("aten::_scaled_grouped_mm", "aten::_scaled_grouped_mm_v2")
def _scaled_grouped_mm(a: Shape, b: Shape) -> Cost:
    return _grouped_mm(a, b)


@register_flops("transformers::grouped_mm_fallback_backward")
def _grouped_mm_backward(a: Shape, b: Shape) -> Cost:
    return of_macs("matmul", a[-2], a[-1], b[-1], times=2)


@register_flops(
    "aten::_convolution",
    "aten::convolution",
    "aten::convolution_overrideable",
    "aten::_mps_convolution",
)
def _convolution(
    x: Shape,
    weight: Shape,
    bias: Shape | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    *,
    out: Shape,
) -> Cost:
    return convolution(_positions(x if transposed else out), weight)


@register_flops(
    "aten::mkldnn_convolution",
    "aten::cudnn_convolution",
    "aten::cudnn_convolution_relu",
    "aten::cudnn_convolution_add_relu",
    "aten::miopen_convolution",
    "aten::miopen_depthwise_convolution",
    "aten::_conv_depthwise2d",
    "aten::conv_depthwise3d",
    "aten::_slow_conv2d_forward",
    "aten::slow_conv3d_forward",
    "aten::slow_conv_dilated2d",
    "aten::slow_conv_dilated3d",
    "aten::_nnpack_spatial_convolution",
    "quantized::conv1d",
    "quantized::conv1d_relu",
    "quantized::conv1d_dynamic",
    "quantized::conv2d",
    "quantized::conv2d_relu",
    "quantized::conv2d_add",
    "quantized::conv2d_add_relu",
    "quantized::conv2d_dynamic",
    "quantized::conv3d",
    "quantized::conv3d_relu",
    "quantized::conv3d_dynamic",
)
def _plain_convolution(x: Shape, weight: Shape, *, out: Shape) -> Cost:
    return convolution(_positions(out), weight)


@register_flops(
    "aten::cudnn_convolution_transpose",
    "aten::miopen_convolution_transpose",
    "aten::slow_conv_transpose2d",
    "aten::slow_conv_transpose3d",
)
def _transposed_convolution(x: Shape, weight: Shape) -> Cost:
    return convolution(_positions(x), weight)


@register_flops("aten::conv_tbc")
def _conv_tbc(x: Shape, weight: Shape, *, out: Shape) -> Cost:
    """Time comes first, then batch, then channels."""
    return convolution(out[:2], weight)


@register_flops("aten::convolution_backward", "aten::convolution_backward_overrideable")
def _convolution_backward(
    grad: Shape,
    x: Shape,
    weight: Shape,
    bias: list[int] | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
    mask: Sequence[bool],
) -> Cost:
    positions = _positions(x if transposed else grad)
    return convolution_backward(positions, weight, mask[0] + mask[1], prod(grad) if mask[2] else 0)


def _positions(shape: Shape) -> Shape:
    return (shape[0], *shape[2:])
