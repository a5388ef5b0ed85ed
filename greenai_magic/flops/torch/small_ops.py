"""PyTorch's operators other than products: normalisation, pooling, losses, and what only moves data.

What PyTorch tags as pointwise or as a reduction needs no line here.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from greenai_magic.flops.formulas import (
    Cost,
    Shape,
    elementwise,
    factorisation,
    fourier,
    interpolation,
    normalisation,
    normalisation_backward,
    pooling,
    reduction,
    rms_normalisation,
    softmax,
    softmax_backward,
)
from greenai_magic.flops.registry import register_flops


@register_flops(
    "aten::_softmax",
    "aten::_log_softmax",
    "aten::_safe_softmax",
    "aten::_masked_softmax",
    "quantized::softmax",
)
def _softmax(x: Shape) -> Cost:
    return softmax(prod(x))


@register_flops(
    "aten::_softmax_backward_data", "aten::_log_softmax_backward_data", "aten::_masked_softmax_backward"
)
def _softmax_backward(grad: Shape) -> Cost:
    return softmax_backward(prod(grad))


@register_flops(
    "aten::native_batch_norm",
    "aten::cudnn_batch_norm",
    "aten::miopen_batch_norm",
)
def _batch_norm(
    x: Shape,
    weight: Shape | None,
    bias: Shape | None,
    mean: Shape | None,
    variance: Shape | None,
    training: bool,
) -> Cost:
    return _batch_normalisation(x, weight, known=not training)


@register_flops("aten::_native_batch_norm_legit")
def _batch_norm_of_two_kinds(
    x: Shape,
    weight: Shape | None,
    bias: Shape | None,
    mean_or_training: Shape | bool | None,
    variance_or_momentum: Shape | float | None,
    training_or_epsilon: float,
) -> Cost:
    """Tell the overloads apart: one has no running statistics among its arguments."""
    alone = isinstance(mean_or_training, bool)
    return _batch_normalisation(x, weight, known=not (mean_or_training if alone else training_or_epsilon))


@register_flops("aten::_native_batch_norm_legit_no_training", "aten::_batch_norm_no_update")
def _batch_norm_evaluated(x: Shape, weight: Shape | None) -> Cost:
    return _batch_normalisation(x, weight, known=True)


@register_flops("aten::_batch_norm_with_update", "aten::_native_batch_norm_legit_functional")
def _batch_norm_trained(x: Shape, weight: Shape | None) -> Cost:
    return _batch_normalisation(x, weight, known=False)


def _batch_normalisation(x: Shape, weight: Shape | None, *, known: bool) -> Cost:
    if known:
        return normalisation(prod(x), statistics=0, affine=bool(weight))
    return normalisation(prod(x), affine=bool(weight))


@register_flops("aten::native_batch_norm_backward")
def _batch_norm_backward(
    grad: Shape,
    x: Shape,
    weight: Shape | None,
    mean: Shape | None,
    variance: Shape | None,
    saved_mean: Shape | None,
    saved_deviation: Shape | None,
    training: bool,
) -> Cost:
    return normalisation_backward(prod(x), known=not training, affine=bool(weight))


@register_flops(
    "aten::batch_norm_backward", "aten::cudnn_batch_norm_backward", "aten::miopen_batch_norm_backward"
)
def _batch_norm_backward_trained(x: Shape, grad: Shape, weight: Shape | None) -> Cost:
    return normalisation_backward(prod(x), affine=bool(weight))


@register_flops("aten::native_layer_norm")
def _layer_norm(x: Shape, normalised: list[int], weight: Shape | None) -> Cost:
    return normalisation(prod(x), affine=bool(weight))


@register_flops("aten::native_layer_norm_backward")
def _layer_norm_backward(
    grad: Shape, x: Shape, normalised: list[int], mean: Shape, deviation: Shape, weight: Shape | None
) -> Cost:
    return normalisation_backward(prod(x), affine=bool(weight))


@register_flops("aten::native_group_norm")
def _group_norm(x: Shape, weight: Shape | None) -> Cost:
    return normalisation(prod(x), affine=bool(weight))


@register_flops("aten::native_group_norm_backward")
def _group_norm_backward(grad: Shape, x: Shape, mean: Shape, deviation: Shape, weight: Shape | None) -> Cost:
    return normalisation_backward(prod(x), affine=bool(weight))


@register_flops("aten::_fused_rms_norm")
def _rms_norm(x: Shape, normalised: list[int], weight: Shape | None) -> Cost:
    return rms_normalisation(prod(x), affine=bool(weight))


@register_flops("aten::_fused_rms_norm_backward")
def _rms_norm_backward(
    grad: Shape, x: Shape, normalised: list[int], deviation: Shape, weight: Shape | None
) -> Cost:
    return normalisation_backward(prod(x), affine=bool(weight))


@register_flops("aten::_weight_norm_interface")
def _weight_norm(direction: Shape) -> Cost:
    return rms_normalisation(prod(direction), affine=False)


@register_flops("aten::_weight_norm_interface_backward")
def _weight_norm_backward(grad: Shape) -> Cost:
    return normalisation_backward(prod(grad), affine=False)


@register_flops(
    "aten::avg_pool2d",
    "aten::max_pool2d_with_indices",
    "aten::mkldnn_max_pool2d",
    "aten::quantized_max_pool2d",
)
def _pool_2d(x: Shape, kernel: Sequence[int], *, out: Any) -> Cost:
    return _pool(2, kernel, out)


@register_flops("aten::avg_pool3d", "aten::max_pool3d_with_indices", "aten::mkldnn_max_pool3d")
def _pool_3d(x: Shape, kernel: Sequence[int], *, out: Any) -> Cost:
    return _pool(3, kernel, out)


@register_flops("aten::avg_pool1d", "aten::max_pool1d", "aten::quantized_max_pool1d")
def _pool_1d(x: Shape, kernel: Sequence[int], *, out: Any) -> Cost:
    return _pool(1, kernel, out)


@register_flops("aten::avg_pool2d_backward")
def _pool_2d_backward(grad: Shape, x: Shape, kernel: Sequence[int]) -> Cost:
    return _pool(2, kernel, grad)


@register_flops("aten::avg_pool3d_backward")
def _pool_3d_backward(grad: Shape, x: Shape, kernel: Sequence[int]) -> Cost:
    return _pool(3, kernel, grad)


def _pool(dimensions: int, kernel: Sequence[int], pooled: Any) -> Cost:
    made = pooled[0] if isinstance(pooled, list) else pooled  # the largest, and where they were
    return pooling(prod(made), prod(kernel) if len(kernel) == dimensions else kernel[0] ** dimensions)


_TAPS = {"linear1d": 2, "bilinear2d": 4, "trilinear3d": 8, "bicubic2d": 16}


@register_flops("aten::grid_sampler_2d", "aten::cudnn_grid_sampler")
def _grid_sampler(x: Shape, grid: Shape, mode: int = 0, *, out: Shape) -> Cost:
    return interpolation(prod(out), {0: 4, 1: 1, 2: 16}[mode])


@register_flops("aten::grid_sampler_3d")
def _grid_sampler_3d(x: Shape, grid: Shape, mode: int, *, out: Shape) -> Cost:
    return interpolation(prod(out), {0: 8, 1: 1}[mode])


@register_flops("aten::grid_sampler_2d_backward")
def _grid_sampler_backward(grad: Shape, x: Shape, grid: Shape, mode: int) -> Cost:
    return interpolation(2 * prod(grad), {0: 4, 1: 1, 2: 16}[mode])


def _register_interpolations() -> None:
    """Register the resizings that weigh neighbours, by the number of neighbours."""
    for name, taps in _TAPS.items():

        def resize(x: Shape, *, out: Shape, n: int = taps) -> Cost:
            return interpolation(prod(out), n)

        def resize_backward(grad: Shape, *, n: int = taps) -> Cost:
            return interpolation(prod(grad), n)

        register_flops(f"aten::upsample_{name}")(resize)
        register_flops(f"aten::upsample_{name}_backward")(resize_backward)


@register_flops("aten::_fft_c2c")
def _fft(x: Shape, axes: list[int]) -> Cost:
    length = prod(x[axis] for axis in axes)
    return fourier(prod(x) // max(length, 1), length)


@register_flops("aten::_fft_r2c")
def _fft_of_real(x: Shape, axes: list[int]) -> Cost:
    length = prod(x[axis] for axis in axes)
    return fourier(prod(x) // max(length, 1), length, real=True)


@register_flops("aten::_fft_c2r")
def _fft_to_real(x: Shape, axes: list[int], *, out: Shape) -> Cost:
    return _fft_of_real(out, axes)


@register_flops("aten::_cdist_forward", "aten::_euclidean_dist")
def _distances(a: Shape, b: Shape) -> Cost:
    """Take a difference, a power and a sum for each pair and coordinate."""
    return reduction(prod(a[:-2]) * a[-2] * b[-2] * a[-1], 3)


@register_flops("aten::_cdist_backward")
def _distances_backward(grad: Shape, a: Shape, b: Shape) -> Cost:
    return reduction(prod(a[:-2]) * a[-2] * b[-2] * a[-1], 3)


@register_flops("aten::linalg_cholesky_ex", "aten::cholesky")
def _cholesky(x: Shape) -> Cost:
    return factorisation(prod(x[:-2]), x[-1], 1)


@register_flops("aten::linalg_lu_factor_ex", "aten::_linalg_det", "aten::_linalg_slogdet", "aten::linalg_lu")
def _lu(x: Shape) -> Cost:
    return factorisation(prod(x[:-2]), x[-1], 2)


@register_flops("aten::linalg_inv_ex")
def _inverse(x: Shape) -> Cost:
    return factorisation(prod(x[:-2]), x[-1], 6)


@register_flops("aten::linalg_solve_triangular")
def _triangular(a: Shape, b: Shape, *, out: Shape) -> Cost:
    """Every unknown takes as many operations as there are equations, from whichever side."""
    return reduction(prod(out) * a[-1])


@register_flops("aten::triangular_solve")
def _triangular_of_old(b: Shape, a: Shape, *, out: list[Shape]) -> Cost:
    return _triangular(a, b, out=out[0])


@register_flops("aten::_linalg_solve_ex")
def _solve(a: Shape, b: Shape) -> Cost:
    size, columns = a[-1], b[-1] if len(b) == len(a) else 1
    others = 2 * prod(a[:-2]) * size * size * columns
    cost = factorisation(prod(a[:-2]), size, 2)
    return cost._replace(flops=cost.flops + others, formula=f"{cost.formula} + {others}")


@register_flops("aten::nll_loss_forward", "aten::nll_loss2d_forward")
def _nll_loss(logarithms: Shape, target: Shape) -> Cost:
    """One score for each target is looked up and added."""
    return reduction(prod(target))


@register_flops("aten::index_put", "aten::_index_put_impl", "aten::_unsafe_index_put")
def _index_put(x: Shape, indices: list[Shape | None], values: Shape, accumulate: bool = False) -> Cost:
    return reduction(prod(values)) if accumulate else reduction(0)


@register_flops("aten::index_add", "aten::index_reduce")
def _index_add(x: Shape, axis: int, index: Shape, source: Shape) -> Cost:
    return reduction(prod(source))


@register_flops("aten::scatter_add", "aten::scatter_reduce")
def _scatter_add(x: Shape, axis: int, index: Shape) -> Cost:
    return reduction(prod(index))


@register_flops("aten::_embedding_bag", "aten::_embedding_bag_forward_only")
def _embedding_bag(weight: Shape, indices: Shape) -> Cost:
    return reduction(prod(indices) * weight[-1])


@register_flops("aten::topk", "aten::sort", "aten::argsort", "aten::kthvalue", "aten::median")
def _sorted(x: Shape) -> Cost:
    return reduction(prod(x))


@register_flops("aten::_fused_adam")
def _fused_adam(
    parameters: list[Shape],
    grads: list[Shape],
    means: list[Shape],
    squares: list[Shape],
    largest: list[Shape],
    steps: list[Shape],
    rate: float,
    beta: float,
    beta_of_squares: float,
    decay: float,
    epsilon: float,
    amsgrad: bool,
    maximise: bool,
) -> Cost:
    """As many as the same optimiser takes in single steps: 7, and one for each option that is used."""
    return _fused(parameters, 7 + bool(decay) + amsgrad + maximise)


register_flops("aten::_fused_adamw")(_fused_adam)


@register_flops("aten::_fused_sgd")
def _fused_sgd(
    parameters: list[Shape],
    grads: list[Shape],
    buffers: list[Shape],
    decay: float,
    momentum: float,
    rate: float,
    dampening: float,
    nesterov: bool,
    maximise: bool,
) -> Cost:
    return _fused(parameters, 1 + bool(decay) + 2 * bool(momentum) + nesterov + maximise)


@register_flops("aten::_fused_adagrad")
def _fused_adagrad(
    parameters: list[Shape],
    grads: list[Shape],
    sums: list[Shape],
    steps: list[Shape],
    rate: float,
    rate_decay: float,
    decay: float,
    epsilon: float,
    maximise: bool,
) -> Cost:
    return _fused(parameters, 4 + bool(decay) + maximise)


def _fused(parameters: list[Shape], each: int) -> Cost:
    return elementwise(sum(prod(shape) for shape in parameters), each)


_register_interpolations()
