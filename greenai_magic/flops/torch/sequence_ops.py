"""PyTorch's attention and recurrence, by operator; see :mod:`greenai_magic.flops.torch.ops`."""

from __future__ import annotations

from math import prod

from greenai_magic.flops.formulas import (
    RECURRENT_GATES,
    Cost,
    Shape,
    attention,
    attention_backward,
    elementwise,
    matmul,
    normalisation,
    recurrent,
    total,
)
from greenai_magic.flops.registry import register_flops

_CUDNN_CELLS = {0: "rnn", 1: "rnn", 2: "lstm", 3: "gru"}
"""The numbers by which cuDNN and oneDNN know the recurrent cells."""


@register_flops(
    "aten::_scaled_dot_product_flash_attention",
    "aten::_scaled_dot_product_flash_attention_for_cpu",
    "aten::_scaled_dot_product_efficient_attention",
    "aten::_scaled_dot_product_cudnn_attention",
    "aten::_scaled_dot_product_fused_attention_overrideable",
    "aten::_scaled_dot_product_attention_math_for_mps",
    "aten::_cudnn_attention_forward",
    "higher_order::flex_attention",
)
def _attention(query: Shape, key: Shape, value: Shape) -> Cost:
    """Heads come before the sequence."""
    return attention(query[:-2], query[-2], key[-2], query[-1], value[-1])


@register_flops(
    "aten::_scaled_dot_product_flash_attention_backward",
    "aten::_scaled_dot_product_flash_attention_for_cpu_backward",
    "aten::_scaled_dot_product_efficient_attention_backward",
    "aten::_scaled_dot_product_cudnn_attention_backward",
    "aten::_scaled_dot_product_fused_attention_overrideable_backward",
    "aten::_cudnn_attention_backward",
)
def _attention_backward(grad: Shape, query: Shape, key: Shape, value: Shape) -> Cost:
    return attention_backward(query[:-2], query[-2], key[-2], query[-1], value[-1])


@register_flops("higher_order::flex_attention_backward")
def _flexible_backward(query: Shape, key: Shape, value: Shape) -> Cost:
    return attention_backward(query[:-2], query[-2], key[-2], query[-1], value[-1])


@register_flops("aten::_flash_attention_forward", "aten::_flash_attention_forward_no_dropout_inplace")
def _flash(
    query: Shape,
    key: Shape,
    value: Shape,
    starts_q: Shape | None,
    starts_k: Shape | None,
    longest_q: int,
    longest_k: int,
) -> Cost:
    return attention(*_sequences_first(query, key, value, starts_q, longest_q, longest_k))


@register_flops("aten::_efficient_attention_forward")
def _efficient(
    query: Shape,
    key: Shape,
    value: Shape,
    bias: Shape | None,
    starts_q: Shape | None,
    starts_k: Shape | None,
    longest_q: int | None,
    longest_k: int | None,
) -> Cost:
    return attention(*_sequences_first(query, key, value, starts_q, longest_q, longest_k))


@register_flops("torch_attn::_varlen_attn")
def _varlen(
    query: Shape, key: Shape, value: Shape, starts_q: Shape, starts_k: Shape, longest_q: int, longest_k: int
) -> Cost:
    return attention(*_sequences_first(query, key, value, starts_q, longest_q, longest_k))


@register_flops("aten::_flash_attention_backward")
def _flash_backward(
    grad: Shape,
    query: Shape,
    key: Shape,
    value: Shape,
    out_shape: Shape,
    log_sum: Shape,
    starts_q: Shape | None,
    starts_k: Shape | None,
    longest_q: int,
    longest_k: int,
) -> Cost:
    return attention_backward(*_sequences_first(query, key, value, starts_q, longest_q, longest_k))


@register_flops("torch_attn::_varlen_attn_backward")
def _varlen_backward(
    grad: Shape,
    query: Shape,
    key: Shape,
    value: Shape,
    out_shape: Shape,
    log_sum: Shape,
    starts_q: Shape,
    starts_k: Shape,
    longest_q: int,
    longest_k: int,
) -> Cost:
    return attention_backward(*_sequences_first(query, key, value, starts_q, longest_q, longest_k))


@register_flops("aten::_efficient_attention_backward")
def _efficient_backward(
    grad: Shape,
    query: Shape,
    key: Shape,
    value: Shape,
    bias: Shape | None,
    out_shape: Shape,
    starts_q: Shape | None,
    starts_k: Shape | None,
    longest_q: int,
    longest_k: int,
) -> Cost:
    return attention_backward(*_sequences_first(query, key, value, starts_q, longest_q, longest_k))


def _sequences_first(
    query: Shape, key: Shape, value: Shape, starts: Shape | None, longest_q: int | None, longest_k: int | None
) -> tuple[Shape, int, int, int, int]:
    """Return the sizes where the sequence comes before the heads; packed ones are as long as the longest."""
    *batch, queries, heads, size = query
    if starts and longest_q and longest_k:
        return (starts[0] - 1, heads), longest_q, longest_k, size, value[-1]
    return (*batch, heads), queries, key[-3], size, value[-1]


@register_flops("aten::_native_multi_head_attention")
def _multi_head_attention(query: Shape, key: Shape, value: Shape, size: int, heads: int) -> Cost:
    batch, queries, _ = query
    keys = key[1]
    return total(
        "attention",
        matmul(batch * queries, size, size),
        matmul(batch * keys, size, size),
        matmul(batch * keys, size, size),
        attention((batch, heads), queries, keys, size // heads, size // heads),
        matmul(batch * queries, size, size),
    )


@register_flops("aten::_transformer_encoder_layer_fwd")
def _encoder_layer(
    x: Shape,
    size: int,
    heads: int,
    qkv_weight: Shape,
    qkv_bias: Shape,
    out_weight: Shape,
    out_bias: Shape,
    use_gelu: bool,
    norm_first: bool,
    epsilon: float,
    norm_weight_1: Shape,
    norm_bias_1: Shape,
    norm_weight_2: Shape,
    norm_bias_2: Shape,
    wide_weight: Shape,
) -> Cost:
    batch, length, _ = x
    tokens, wide = batch * length, wide_weight[0]
    return total(
        "attention",
        _multi_head_attention(x, x, x, size, heads),
        matmul(tokens, size, wide),
        elementwise(tokens * wide),
        matmul(tokens, wide, size),
        normalisation(2 * tokens * size),
        elementwise(2 * tokens * size),
    )


@register_flops("aten::mkldnn_rnn_layer")
def _onednn_recurrent(
    x: Shape,
    input_weight: Shape,
    state_weight: Shape,
    bias_1: Shape,
    bias_2: Shape,
    state: Shape,
    cell: Shape,
    reverse: bool,
    sizes: list[int],
    mode: int,
    hidden: int,
) -> Cost:
    return recurrent(prod(x[:-1]), (input_weight, state_weight), hidden, _CUDNN_CELLS[mode])


@register_flops("aten::mkldnn_rnn_layer_backward")
def _onednn_recurrent_backward(x: Shape, input_weight: Shape, state_weight: Shape) -> Cost:
    """OneDNN is called for long short-term memory only."""
    hidden = state_weight[-1]
    return _twice(recurrent(prod(x[:-1]), (input_weight, state_weight), hidden, "lstm"))


@register_flops("aten::_cudnn_rnn")
def _cudnn_recurrent(
    x: Shape,
    weights: list[Shape],
    per_layer: int,
    buffer: Shape | None,
    state: Shape,
    cell: Shape | None,
    mode: int,
    hidden: int,
) -> Cost:
    return _cudnn(x, weights, state, mode, hidden)


@register_flops("aten::_cudnn_rnn_backward")
def _cudnn_recurrent_backward(
    x: Shape,
    weights: list[Shape],
    per_layer: int,
    buffer: Shape,
    state: Shape,
    cell: Shape | None,
    output: Shape,
    grad: Shape | None,
    grad_state: Shape | None,
    grad_cell: Shape | None,
    mode: int,
    hidden: int,
) -> Cost:
    return _twice(_cudnn(x, weights, state, mode, hidden))


def _cudnn(x: Shape, weights: list[Shape], state: Shape, mode: int, hidden: int) -> Cost:
    matrices = [weight for weight in weights if len(weight) == 2]
    # One state for each layer and direction.
    return recurrent(prod(x[:-1]), matrices, state[0] * hidden, _CUDNN_CELLS[mode])


def _twice(cost: Cost) -> Cost:
    """Return the cost of two gradients, the inputs' and the weights', each as much as the forward pass."""
    return Cost(cost.kind, 2 * cost.flops, 2 * cost.macs, f"2 x ({cost.formula})")


@register_flops("aten::quantized_lstm")
def _quantised_lstm(
    x: Shape,
    state: list[Shape],
    packed: list[object],
    biases: bool,
    layers: int,
    dropout: float,
    training: bool,
    both: bool,
) -> Cost:
    return _layered(x, state[0][-1], layers, 1 + both, "lstm")


@register_flops("aten::quantized_gru")
def _quantised_gru(
    x: Shape,
    state: Shape,
    packed: list[object],
    biases: bool,
    layers: int,
    dropout: float,
    training: bool,
    both: bool,
) -> Cost:
    return _layered(x, state[-1], layers, 1 + both, "gru")


def _layered(x: Shape, hidden: int, layers: int, sides: int, cell: str) -> Cost:
    """Return the cost where the weights are packed: their shapes follow from the layers."""
    rows = RECURRENT_GATES[cell] * hidden
    widths = [x[-1], *[sides * hidden] * (layers - 1)]
    weights = [(rows, width + hidden) for width in widths] * sides
    return recurrent(prod(x[:-1]), weights, layers * sides * hidden, cell)


@register_flops("aten::_thnn_fused_lstm_cell", "aten::_thnn_fused_gru_cell")
def _fused_cell(input_gates: Shape, hidden_gates: Shape) -> Cost:
    """Count no products: they came before."""
    return elementwise(prod(input_gates), 3)
