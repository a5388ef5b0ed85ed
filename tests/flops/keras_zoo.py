"""The models of the Keras zoo; what each costs by hand is in keras_truth.py. Imported in a child only.

They are built without values for their weights, which is quick, and shows that none is read.
"""

from __future__ import annotations

import keras
from keras import Input, Model, Sequential, layers

SEQUENCE = (7, 3)


def _chain(shape, *stack, **options):
    return Sequential([Input(shape, **options), *stack])


def _image(*stack):
    return _chain((13, 11, 3), layers.Conv2D(4, 1), *stack)


def _attention(layer, queries=5, keys=9, **options):
    query, value = Input((queries, 12), name="query"), Input((keys, 12), name="value")
    return Model([query, value], layer(query, value, **options))


def _self_attention(layer, **options):
    x = Input((5, 12))
    return Model(x, layer(x, x, **options))


def _without_weights():
    x = Input((5, 12))
    y = layers.Dense(12, use_bias=False)(x)
    return Model(x, layers.Attention()([y, y]))


def _dot():
    x = Input((5, 4))
    return Model(x, layers.Dot(axes=2)([layers.Dense(6)(x), layers.Dense(6)(x)]))


def _shared():
    left, right, dense = Input((8,)), Input((8,)), layers.Dense(6, name="both")
    return Model([left, right], layers.Dense(3, name="head")(layers.concatenate([dense(left), dense(right)])))


def _two_inputs_by_name():
    a, b = Input((8,), name="a"), Input((5,), name="b")
    return Model({"b": b, "a": a}, layers.Dense(3)(layers.Dense(6)(a) + layers.Dense(6)(b)))


def _nested():
    inner = Sequential(
        [layers.Dense(6, name="one"), layers.Dropout(0.2, seed=3, name="drop"), layers.Dense(6, name="two")],
        name="inner",
    )
    x = Input((8,))
    return Model(x, layers.Dense(2, name="one")(inner(x)))


def _frozen(at):
    model = _chain((8,), layers.Dense(6), *([layers.Dense(5)] if at else []), layers.Dense(4))
    model.layers[at].trainable = False
    return model


@keras.saving.register_keras_serializable("zoo")
class Net(Model):
    """A model of two layers, written as people do."""

    def __init__(self):
        super().__init__()
        self.first = layers.Dense(6, activation="relu")
        self.drop = layers.Dropout(0.5)
        self.second = layers.Dense(3)
        self.calls = 0
        self.seen = []

    def call(self, x, training=None):
        self.calls += 1
        self.seen.append(x.shape)
        return self.second(self.drop(self.first(x), training=training))


class OfTwo(Model):
    """A model whose call takes two tensors."""

    def __init__(self):
        super().__init__()
        self.left, self.right = layers.Dense(6), layers.Dense(6)

    def call(self, x, y):
        return self.left(x) + self.right(y)


class Unused(Model):
    """A model that computes something and drops it."""

    def __init__(self):
        super().__init__()
        self.dense, self.dropped = layers.Dense(6), layers.Dense(7)

    def call(self, x):
        self.dropped(x)
        return self.dense(x)


class Half(layers.Layer):
    """A layer with a part that it never calls."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = layers.Dense(6), layers.Dense(9)

    def call(self, x):
        return self.used(x)


def _partly_built():
    x = Input((8,))
    return Model(x, layers.Dense(3)(Half()(x)))


def _built_inside():
    net = Net()
    net.first = _chain((8,), layers.Dense(6))
    return net


def _called(model, *shapes):
    model(*(Input(shape[1:], batch_size=shape[0]) for shape in shapes))
    return model


def _mixed():
    return _chain(
        (32,),
        layers.Dense(16, dtype="mixed_bfloat16"),
        layers.BatchNormalization(),
        layers.Dense(4, dtype="bfloat16"),
    )


def _application(name):
    return lambda: getattr(keras.applications, name)(weights=None)


CASES = {
    "mlp": lambda: _chain((32,), layers.Dense(16, activation="gelu"), layers.Dense(4, activation="softmax")),
    "mlp_of_one": lambda: _chain((32,), layers.Dense(16), layers.Dense(4)),
    "dense_on_a_sequence": lambda: _chain((5, 32), layers.Dense(16)),
    "half_precision": _mixed,
    "einsum_dense": lambda: _chain(
        (5, 6), layers.EinsumDense("abc,cde->abde", output_shape=(None, 3, 4), bias_axes="de")
    ),
    "dot": _dot,
    "convolution": lambda: _image(
        layers.Conv2D(6, 3, padding="same"), layers.MaxPooling2D(), layers.AveragePooling2D(3)
    ),
    "convolution_valid_strided": lambda: _image(layers.Conv2D(6, 3, strides=2)),
    "convolution_same_strided": lambda: _image(layers.Conv2D(6, 3, strides=2, padding="same")),
    "convolution_stride_of_three": lambda: _image(layers.Conv2D(6, 2, strides=3)),
    "convolution_dilated": lambda: _image(layers.Conv2D(6, 3, dilation_rate=2)),
    "convolution_dilated_same": lambda: _image(layers.Conv2D(6, 3, dilation_rate=2, padding="same")),
    "convolution_grouped_strided": lambda: _image(layers.Conv2D(6, 3, strides=2, groups=2)),
    "convolution_wider_than_the_image": lambda: _chain(
        (2, 2, 3), layers.Conv2D(4, 1), layers.Conv2D(6, 5, padding="same")
    ),
    "convolution_channels_first": lambda: _chain(
        (3, 13, 11),
        layers.Conv2D(4, 1, data_format="channels_first"),
        layers.Conv2D(6, 3, strides=2, data_format="channels_first"),
    ),
    "convolution_1d_causal": lambda: _chain(
        (17, 3), layers.Conv1D(4, 1), layers.Conv1D(6, 3, padding="causal")
    ),
    "convolution_3d": lambda: _chain((5, 6, 7, 3), layers.Conv3D(4, 1), layers.Conv3D(6, 3, strides=2)),
    "depthwise_strided": lambda: _image(layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2)),
    "depthwise_dilated": lambda: _image(layers.DepthwiseConv2D(3, dilation_rate=2)),
    "depthwise_dilated_strided": lambda: _image(layers.DepthwiseConv2D(3, strides=2, dilation_rate=2)),
    "separable_dilated_strided": lambda: _image(
        layers.SeparableConv2D(6, 3, strides=2, dilation_rate=2, padding="same")
    ),
    "depthwise_1d": lambda: _chain(
        (17, 3), layers.Conv1D(4, 1), layers.DepthwiseConv1D(3, depth_multiplier=2)
    ),
    "separable": lambda: _image(layers.SeparableConv2D(6, 3, depth_multiplier=2)),
    "separable_1d": lambda: _chain((17, 3), layers.Conv1D(4, 1), layers.SeparableConv1D(6, 3, strides=2)),
    "transposed": lambda: _image(layers.Conv2DTranspose(6, 3)),
    "transposed_same_strided": lambda: _image(layers.Conv2DTranspose(6, 3, strides=2, padding="same")),
    "transposed_valid_strided": lambda: _image(layers.Conv2DTranspose(6, 5, strides=2)),
    "transposed_narrower_than_its_stride": lambda: _image(layers.Conv2DTranspose(6, 2, strides=3)),
    "transposed_1d": lambda: _chain((17, 3), layers.Conv1D(4, 1), layers.Conv1DTranspose(6, 3, strides=2)),
    "attention": lambda: _attention(layers.MultiHeadAttention(3, 8)),
    "attention_with_dropout": lambda: _attention(layers.MultiHeadAttention(3, 8, dropout=0.1)),
    "attention_causal": lambda: _self_attention(layers.MultiHeadAttention(3, 8), use_causal_mask=True),
    "attention_grouped": lambda: _attention(layers.GroupQueryAttention(8, 4, 2)),
    "attention_without_weights": _without_weights,
    "simple_rnn": lambda: _chain(SEQUENCE, layers.SimpleRNN(5)),
    "lstm": lambda: _chain(SEQUENCE, layers.LSTM(5)),
    "lstm_twice": lambda: _chain(SEQUENCE, layers.LSTM(5, return_sequences=True), layers.LSTM(6)),
    "lstm_masked": lambda: _chain(
        (7,), layers.Embedding(10, 3, mask_zero=True), layers.LSTM(5), dtype="int32"
    ),
    "lstm_unrolled": lambda: _chain(SEQUENCE, layers.LSTM(5, unroll=True)),
    "gru": lambda: _chain(SEQUENCE, layers.GRU(5, return_sequences=True)),
    "gru_reset_before": lambda: _chain(SEQUENCE, layers.GRU(5, reset_after=False)),
    "bidirectional": lambda: _chain(SEQUENCE, layers.Bidirectional(layers.LSTM(5))),
    "cells_stacked": lambda: _chain(SEQUENCE, layers.RNN([layers.LSTMCell(5), layers.GRUCell(6)])),
    "convolutional_lstm": lambda: _chain((4, 8, 8, 3), layers.ConvLSTM2D(5, 3)),
    "embedding": lambda: _chain((7,), layers.Embedding(10, 6), layers.Dense(4), dtype="int32"),
    "time_distributed": lambda: _chain(SEQUENCE, layers.TimeDistributed(layers.Dense(4))),
    "shared": _shared,
    "two_inputs_by_name": _two_inputs_by_name,
    "nested": _nested,
    "frozen_first": lambda: _frozen(0),
    "frozen_middle": lambda: _frozen(1),
    "subclassed": lambda: _called(Net(), (1, 8)),
    "subclassed_of_two": lambda: _called(OfTwo(), (1, 8), (1, 5)),
    "unused_work": lambda: _called(Unused(), (1, 8)),
    "unbuilt": Net,
    "unbuilt_sequential": lambda: Sequential([layers.Dense(6), layers.LayerNormalization(), layers.Dense(3)]),
    "unbuilt_recurrent": lambda: Sequential([layers.Bidirectional(layers.LSTM(5)), layers.Dropout(0.1)]),
    "unbuilt_attention": lambda: layers.MultiHeadAttention(3, 8),
    "unbuilt_around_a_built_part": _built_inside,
    "partly_built": _partly_built,
    **{name: _application(name) for name in ("ResNet50", "VGG16", "MobileNetV2", "EfficientNetB0")},
}


def build(name):
    """Return a model of the zoo."""
    with keras.StatelessScope(initialize_variables=False):
        return CASES[name]()


INPUTS = {
    "unbuilt": (2, 8),
    "unbuilt_sequential": (2, 8),
    "unbuilt_recurrent": (2, 7, 3),
    "unbuilt_attention": ((2, 5, 12), (2, 9, 12)),
    "unbuilt_around_a_built_part": (2, 8),
    "subclassed": (2, 8),
    "subclassed_of_two": ((2, 8), (2, 5)),
    "unused_work": (2, 8),
}
BATCHES = dict.fromkeys(("mlp_of_one", "ResNet50", "VGG16", "MobileNetV2", "EfficientNetB0"), 1)
