"""What each case of the Keras zoo costs, by hand: products of its layers, without any framework.

A product is its multiply-adds and how many gradients a training step takes of it: 2 where both of its
operands lead back to a weight, 1 where only one does, as in a first layer.
"""

from __future__ import annotations

Product = tuple[int, int]


def forward(products: list[Product]) -> int:
    return sum(macs for macs, _ in products)


def backward(products: list[Product]) -> int:
    return sum(macs * gradients for macs, gradients in products)


def first_then(*rest: Product) -> list[Product]:
    """Return the products of a first pointwise convolution of 3 to 4 channels on a 13 x 11 image, and others."""
    return [(BATCH * 13 * 11 * 3 * 4, 1), *rest]


def _resnet50() -> list[Product]:
    products, channels = [(112 * 112 * 7 * 7 * 3 * 64, 1)], 64
    for blocks, width, side in ((3, 64, 56), (4, 128, 28), (6, 256, 14), (3, 512, 7)):
        for block in range(blocks):
            weights = channels * width + 9 * width * width + width * 4 * width
            shortcut = channels * 4 * width if block == 0 else 0
            products.append((side * side * (weights + shortcut), 2))
            channels = 4 * width
    return [*products, (2048 * 1000, 2)]


def _vgg16() -> list[Product]:
    products, channels, side = [], 3, 224
    for convolutions, width in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(convolutions):
            products.append((side * side * 9 * channels * width, 1 if channels == 3 else 2))
            channels = width
        side //= 2
    return [*products, (7 * 7 * 512 * 4096, 2), (4096 * 4096, 2), (4096 * 1000, 2)]


def _mobilenet_v2() -> list[Product]:
    # Sandler et al. 2018, table 2: expansion, channels, repeats, stride.
    table = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    products, channels, side = [(112 * 112 * 27 * 32, 1)], 32, 112
    for expansion, width, repeats, first_stride in table:
        for repeat in range(repeats):
            wide = expansion * channels
            if expansion != 1:
                products.append((side * side * channels * wide, 2))
            side //= first_stride if repeat == 0 else 1
            products += [(side * side * 9 * wide, 2), (side * side * wide * width, 2)]
            channels = width
    return [*products, (7 * 7 * 320 * 1280, 2), (1280 * 1000, 2)]


def _efficientnet_b0() -> list[Product]:
    # Tan and Le 2019, table 1: expansion, kernel, stride, channels, repeats; squeeze to a quarter of the input.
    table = (
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    )
    products, channels, side = [(112 * 112 * 27 * 32, 1)], 32, 112
    for expansion, kernel, first_stride, width, repeats in table:
        for repeat in range(repeats):
            wide = expansion * channels
            if expansion != 1:
                products.append((side * side * channels * wide, 2))
            side //= first_stride if repeat == 0 else 1
            squeezed = max(1, channels // 4)
            products += [
                (side * side * kernel * kernel * wide, 2),
                (2 * wide * squeezed, 2),
                (side * side * wide * width, 2),
            ]
            channels = width
    return [*products, (7 * 7 * 320 * 1280, 2), (1280 * 1000, 2)]


def recurrent(gates: int, inputs: int, units: int, gradients: int = 2, steps: int = 7) -> list[Product]:
    """Return both products of all steps; the first layer of a model needs no gradient of its input."""
    return [(BATCH * steps * gates * units * inputs, gradients), (BATCH * steps * gates * units * units, 2)]


def attention(queries: int, keys: int, width: int, *, heads: int, groups: int, size: int) -> list[Product]:
    """Return the projections of inputs, the two products of each head, and the projection of the output."""
    return [
        (BATCH * queries * width * heads * size, 1),
        (2 * BATCH * keys * width * groups * size, 1),
        (2 * BATCH * heads * queries * keys * size, 2),
        (BATCH * queries * heads * size * width, 2),
    ]


BATCH = 2
PIXELS = BATCH * 13 * 11

TRUTH: dict[str, list[Product]] = {
    "mlp": [(BATCH * 32 * 16, 1), (BATCH * 16 * 4, 2)],
    "mlp_of_one": [(32 * 16, 1), (16 * 4, 2)],
    "dense_on_a_sequence": [(BATCH * 5 * 32 * 16, 1)],
    "half_precision": [(BATCH * 32 * 16, 1), (BATCH * 16 * 4, 2)],
    "einsum_dense": [(BATCH * 5 * 6 * 3 * 4, 1)],
    "dot": [(BATCH * 5 * 4 * 6, 1), (BATCH * 5 * 4 * 6, 1), (BATCH * 5 * 5 * 6, 2)],
    "convolution": first_then((PIXELS * 9 * 4 * 6, 2)),
    "convolution_valid_strided": first_then((BATCH * 6 * 5 * 9 * 4 * 6, 2)),
    "convolution_same_strided": first_then((BATCH * 7 * 6 * 9 * 4 * 6, 2)),
    "convolution_stride_of_three": first_then((BATCH * 4 * 4 * 4 * 4 * 6, 2)),
    "convolution_dilated": first_then((BATCH * 9 * 7 * 9 * 4 * 6, 2)),
    "convolution_dilated_same": first_then((PIXELS * 9 * 4 * 6, 2)),
    "convolution_grouped_strided": first_then((BATCH * 6 * 5 * 9 * 2 * 6, 2)),
    "convolution_wider_than_the_image": [(BATCH * 2 * 2 * 3 * 4, 1), (BATCH * 2 * 2 * 25 * 4 * 6, 2)],
    "convolution_channels_first": [(PIXELS * 3 * 4, 1), (BATCH * 6 * 5 * 9 * 4 * 6, 2)],
    "convolution_1d_causal": [(BATCH * 17 * 3 * 4, 1), (BATCH * 17 * 3 * 4 * 6, 2)],
    "convolution_3d": [(BATCH * 5 * 6 * 7 * 3 * 4, 1), (BATCH * 2 * 2 * 3 * 27 * 4 * 6, 2)],
    "depthwise_strided": first_then((BATCH * 6 * 5 * 9 * 4 * 2, 2)),
    "depthwise_dilated": first_then((BATCH * 9 * 7 * 9 * 4, 2)),
    "depthwise_dilated_strided": first_then((BATCH * 5 * 4 * 9 * 4, 2)),
    "separable_dilated_strided": first_then((BATCH * 7 * 6 * 9 * 4, 2), (BATCH * 7 * 6 * 4 * 6, 2)),
    "depthwise_1d": [(BATCH * 17 * 3 * 4, 1), (BATCH * 15 * 3 * 4 * 2, 2)],
    "separable": first_then((BATCH * 11 * 9 * 9 * 4 * 2, 2), (BATCH * 11 * 9 * 8 * 6, 2)),
    "separable_1d": [(BATCH * 17 * 3 * 4, 1), (BATCH * 8 * 3 * 4, 2), (BATCH * 8 * 4 * 6, 2)],
    "transposed": first_then((PIXELS * 9 * 4 * 6, 2)),
    "transposed_same_strided": first_then((PIXELS * 9 * 4 * 6, 2)),
    "transposed_valid_strided": first_then((PIXELS * 25 * 4 * 6, 2)),
    "transposed_narrower_than_its_stride": first_then((PIXELS * 4 * 4 * 6, 2)),
    "transposed_1d": [(BATCH * 17 * 3 * 4, 1), (BATCH * 17 * 3 * 4 * 6, 2)],
    "attention": attention(5, 9, 12, heads=3, groups=3, size=8),
    "attention_with_dropout": attention(5, 9, 12, heads=3, groups=3, size=8),
    "attention_causal": attention(5, 5, 12, heads=3, groups=3, size=8),
    "attention_grouped": attention(5, 9, 12, heads=4, groups=2, size=8),
    "attention_without_weights": [(BATCH * 5 * 12 * 12, 1), (2 * BATCH * 5 * 5 * 12, 2)],
    "simple_rnn": recurrent(1, 3, 5, gradients=1),
    "lstm": recurrent(4, 3, 5, gradients=1),
    "lstm_twice": [*recurrent(4, 3, 5, gradients=1), *recurrent(4, 5, 6)],
    "lstm_masked": recurrent(4, 3, 5),
    # Unrolled, the first step differs from the others: nobody asks for the gradient of its state.
    "lstm_unrolled": [(BATCH * 7 * 20 * 3, 1), (BATCH * 20 * 5, 1), (BATCH * 6 * 20 * 5, 2)],
    "gru": recurrent(3, 3, 5, gradients=1),
    "gru_reset_before": recurrent(3, 3, 5, gradients=1),
    "bidirectional": [*recurrent(4, 3, 5, gradients=1), *recurrent(4, 3, 5, gradients=1)],
    "cells_stacked": [*recurrent(4, 3, 5, gradients=1), *recurrent(3, 5, 6)],
    "convolutional_lstm": [(BATCH * 4 * 6 * 6 * 9 * 3 * 20, 1), (BATCH * 4 * 6 * 6 * 9 * 5 * 20, 2)],
    "embedding": [(BATCH * 7 * 6 * 4, 2)],
    "time_distributed": [(BATCH * 7 * 3 * 4, 1)],
    "shared": [(BATCH * 8 * 6, 1), (BATCH * 8 * 6, 1), (BATCH * 12 * 3, 2)],
    "two_inputs_by_name": [(BATCH * 8 * 6, 1), (BATCH * 5 * 6, 1), (BATCH * 6 * 3, 2)],
    "nested": [(BATCH * 8 * 6, 1), (BATCH * 6 * 6, 2), (BATCH * 6 * 2, 2)],
    "frozen_first": [(BATCH * 8 * 6, 0), (BATCH * 6 * 4, 1)],
    "frozen_middle": [(BATCH * 8 * 6, 1), (BATCH * 6 * 5, 1), (BATCH * 5 * 4, 2)],
    "subclassed": [(BATCH * 8 * 6, 1), (BATCH * 6 * 3, 2)],
    "subclassed_of_two": [(BATCH * 8 * 6, 1), (BATCH * 5 * 6, 1)],
    "unbuilt": [(BATCH * 8 * 6, 1), (BATCH * 6 * 3, 2)],
    "unbuilt_sequential": [(BATCH * 8 * 6, 1), (BATCH * 6 * 3, 2)],
    "unbuilt_recurrent": [*recurrent(4, 3, 5, gradients=1), *recurrent(4, 3, 5, gradients=1)],
    "unbuilt_attention": attention(5, 9, 12, heads=3, groups=3, size=8),
    "unbuilt_around_a_built_part": [(BATCH * 8 * 6, 1), (BATCH * 6 * 3, 2)],
    "partly_built": [(BATCH * 8 * 6, 1), (BATCH * 6 * 3, 2)],
    "unused_work": [(BATCH * 8 * 6, 1)],
    "ResNet50": _resnet50(),
    "VGG16": _vgg16(),
    "MobileNetV2": _mobilenet_v2(),
    "EfficientNetB0": _efficientnet_b0(),
}
PARAMS = {"ResNet50": 25_636_712, "VGG16": 138_357_544, "MobileNetV2": 3_538_984, "EfficientNetB0": 5_330_571}
"""As keras.io/api/applications prints them, to its 0.1 million, and to the unit by the layers' own shapes."""
