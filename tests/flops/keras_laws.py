"""What must hold on each backend beside the zoo. Imported in a child only; the tests judge what it returns."""

from __future__ import annotations

import logging
import random

import keras
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import Input, Model, Sequential, layers
from keras_zoo import Net

from greenai_magic.errors import FlopError
from greenai_magic.flops.keras import engine as keras_engine

_SEARCH = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def _trained():
    """Return a model in the midst of a user's work: fitted, with all that a call may write to."""

    class Remembers(layers.Layer):
        def __init__(self):
            super().__init__()
            self.calls, self.shapes, self.by_name = 0, [], {}
            self.turns = self.add_weight(shape=(), initializer="zeros", trainable=False, name="turns")

        def call(self, x):
            self.calls += 1
            self.shapes.append(tuple(x.shape))
            self.by_name["last"] = x
            self.turns.assign_add(1.0)
            self.last = x
            return x * (1 + 0 * random.random() * np.random.rand())  # noqa: NPY002

    x = Input((6, 4))
    y = layers.LSTM(5, recurrent_dropout=0.1, seed=7)(layers.GaussianNoise(0.1)(x))
    y = Remembers()(layers.Dropout(0.4)(layers.BatchNormalization()(y)))
    model = Model(x, layers.Dense(2)(y))
    model.compile("adam", "mse")
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(4, 6, 4)), rng.normal(size=(4, 2)), verbose=0)
    return model


def _state(model):
    every = [*model.variables, *model.optimizer.variables]
    state = {
        f"variable {n} {v.path}": np.asarray(keras.ops.convert_to_numpy(v)).tobytes()
        for n, v in enumerate(every)
    }
    for layer in model._flatten_layers():
        for key, value in vars(layer).items():
            state[f"{layer.path}.{key}"] = id(value)
            if type(value) in {list, dict, set}:
                state[f"{layer.path}.{key} content"] = [id(v) for v in value]
    state["random"] = hash(random.getstate())
    state["numpy"] = np.random.get_state()[1].tobytes()  # noqa: NPY002
    state["call"], state["first state"] = id(layers.Layer.__call__), id(layers.RNN.get_initial_state)
    state["names"] = dict(keras.src.backend.common.global_state.get_global_attribute("object_name_uids"))
    if keras.backend.backend() == "torch":
        import torch

        state["torch"] = torch.get_rng_state().numpy().tobytes()
        state["gradients"] = [v.value.grad is None for v in model.variables]
    return state


def untouched():
    """Return what differs in a trained model after it was counted, and whether it still predicts the same."""
    model = _trained()
    x = np.random.default_rng(1).normal(size=(3, 6, 4)).astype("float32")
    expected = model.predict(x, verbose=0)
    before = _state(model)
    for backward in (False, True):
        keras_engine.count(model, backward=backward)
    after = _state(model)
    same = np.array_equal(model.predict(x, verbose=0), expected)
    loss = model.train_on_batch(x, np.zeros((3, 2), "float32"))
    differs = sorted(key for key in before | after if before.get(key) != after.get(key))
    return {
        "differs": differs,
        "predicts the same": bool(same),
        "trains on": bool(np.isfinite(loss)),
        "looked at": len(before),
    }


def untouched_unbuilt():
    """Return what a model without weights has after it was counted."""
    net = Net()
    names = dict(keras.src.backend.common.global_state.get_global_attribute("object_name_uids"))
    state = random.getstate()
    report = keras_engine.count(net, (2, 8), backward=True)
    return {
        "built": [net.built, net.first.built],
        "variables": len(net.variables),
        "calls": net.calls,
        "seen": len(net.seen),
        "same random state": random.getstate() == state,
        "same names": dict(keras.src.backend.common.global_state.get_global_attribute("object_name_uids"))
        == names,
        "params": report.params,
        "waiting": len(
            keras.src.backend.common.global_state.get_global_attribute("uninitialized_variables") or []
        ),
    }


def ways_to_say_inputs():
    """Return the count of one model by each way to say what it takes."""
    model = Sequential([Input((6, 4)), layers.Dense(5)])
    ways = {
        "declared": (None, 3),
        "shape": ((3, 6, 4), None),
        "open batch": ((None, 6, 4), 3),
        "typed shape": (((3, 6, 4), "float32"), None),
        "numpy": (np.zeros((3, 6, 4)), None),
        "backend": (keras.ops.zeros((3, 6, 4)), None),
        "symbol": (keras.KerasTensor((3, 6, 4)), None),
    }
    return {
        name: keras_engine.count(model, inputs, batch=batch).macs for name, (inputs, batch) in ways.items()
    }


def ways_to_say_two_inputs():
    """Return the count of a model of two inputs by each way."""
    a, b = Input((4,), name="a"), Input((5,), name="b", dtype="int32")
    model = Model({"a": a, "b": b}, layers.Dense(3)(layers.concatenate([a, layers.Embedding(9, 2)(b)[:, 0]])))
    ways = {
        "declared": None,
        "shapes by name": {"a": (2, 4), "b": (2, 5)},
        "in another order": {"b": (2, 5), "a": (2, 4)},
        "arrays": {"a": np.zeros((2, 4)), "b": np.zeros((2, 5), "int64")},
    }
    return {name: keras_engine.count(model, inputs, batch=2).macs for name, inputs in ways.items()}


def _built(layer):
    layer.built = True
    return layer


def sentences():
    """Return what is said where a model cannot be counted."""

    class Broken(Model):
        def __init__(self):
            super().__init__()
            self.inner = layers.Dense(3, name="inner")

        def call(self, x):
            return self.inner(x) @ self.inner(x)

    class Asks(layers.Layer):
        def call(self, x):
            return x["size"]

    class Decides(layers.Layer):
        def call(self, x):
            return x if keras.ops.sum(x) > 0 else -x

    class Branches(layers.Layer):
        def call(self, x):
            return keras.ops.cond(keras.ops.sum(x) > 0, lambda: x, lambda: -x)

    broken = Broken()
    broken.inner.build((None, 4))
    broken.built = True
    tries = {
        "nothing declared": lambda: keras_engine.count(Net()),
        "open sizes": lambda: keras_engine.count(Sequential([Input((None, 4)), layers.Dense(2)])),
        "not inputs": lambda: keras_engine.count(Net(), object()),
        "wrong shape": lambda: keras_engine.count(Sequential([Input((4,)), layers.Dense(2)]), (2, 5)),
        "broken": lambda: keras_engine.count(broken, (2, 4)),
        "key": lambda: keras_engine.count(_built(Asks()), {"a": (2, 4)}),
        "python's if": lambda: keras_engine.count(_built(Decides()), (2, 4)),
        "branches": lambda: keras_engine.count(_built(Branches()), (2, 4)),
        "no loss": lambda: keras_engine.count(Net(), (2, 8), train_step=True, optimiser="sgd"),
        "no optimiser": lambda: keras_engine.count(Net(), (2, 8), train_step=True, loss="mse"),
        "no such optimiser": lambda: keras_engine.count(
            Net(), (2, 8), train_step=True, loss="mse", optimiser="no"
        ),
        "no such loss": lambda: keras_engine.count(
            Net(), (2, 8), train_step=True, loss="no", optimiser="sgd"
        ),
        "a layer": lambda: keras_engine.count(layers.Dense(3), (2, 8), train_step=True, loss="mse"),
    }
    said = {}
    for name, attempt in tries.items():
        try:
            attempt()
            said[name] = None
        except FlopError as error:
            said[name] = str(error)
    return said


def logged():
    """Return the names of the logs that are written to while a model fails to be counted."""

    class Speaks(layers.Layer):
        def call(self, x):
            logging.getLogger("the user's").error("as before")
            return keras.ops.matmul(x, x)

    written = []
    handler = logging.Handler()
    handler.emit = lambda record: written.append(record.name)
    logging.getLogger().addHandler(handler)
    # PyTorch's logs do not go up to the root.
    logging.getLogger("torch._subclasses.fake_tensor").addHandler(handler)
    try:
        keras_engine.count(_built(Speaks()), (2, 3))
    except FlopError as error:
        return {"said": str(error), "written": sorted(set(written))}
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger("torch._subclasses.fake_tensor").removeHandler(handler)


def empty_batch():
    """Return the inputs and MACs of a model on no items, and by default."""
    model = Sequential([Input((4,)), layers.Dense(3)])
    reports = [keras_engine.count(model, batch=batch) for batch in (0, None)]
    return [(report.inputs, report.macs) for report in reports]


def nothing_to_train():
    """Return the count and the notes of a model whose weights are all frozen, asked for its backward pass."""
    model = Sequential([Input((4,)), layers.Dense(3)])
    model.trainable = False
    report = keras_engine.count(model, backward=True)
    return {"macs": report.macs, "notes": list(report.notes), "phases": list(report.by_phase)}


def data_dependent_loop():
    """Return what is told of a loop whose turns depend on the data, where the backend can follow it."""

    class Loops(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(4)

        def build(self, shape):
            self.dense.build(shape)

        def call(self, x):
            return keras.ops.while_loop(
                lambda y: keras.ops.sum(y) < 100, lambda y: (self.dense(y) + 1,), (x,)
            )[0]

    model = Sequential([Input((4,)), Loops()])
    try:
        report = keras_engine.count(model)
    except FlopError as error:
        return {"said": str(error)}
    return {"uncounted": [unknown.op for unknown in report.uncounted], "macs": report.macs}


def counted_loop():
    """Return the count of a loop of a fixed number of turns."""

    class Loops(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(4)

        def build(self, shape):
            self.dense.build(shape)

        def call(self, x):
            return keras.ops.fori_loop(0, 9, lambda _, y: self.dense(y), x)

    return keras_engine.count(Sequential([Input((4,)), Loops()]), batch=2).macs


def scan():
    """Return MACs by phase of a scan over five steps, and what was not counted."""

    class Scans(layers.Layer):
        def call(self, x):
            weight = keras.ops.ones((4, 4))

            def step(carry, item):
                return carry + keras.ops.matmul(item, weight), carry

            return keras.ops.scan(step, keras.ops.zeros_like(x[:, 0]), keras.ops.transpose(x, (1, 0, 2)))[0]

        def compute_output_shape(self, shape):
            return (shape[0], shape[2])

    x = Input((5, 4))
    report = keras_engine.count(Model(x, Scans()(layers.Dense(4)(x))), batch=2, backward=True)
    return [sum(r.macs for r in report.rows if r.phase == phase) for phase in ("forward", "backward")] + [
        unknown.op for unknown in report.uncounted
    ]


def einsum_without_sum():
    """Return MACs and FLOPs of an einsum that sums nothing, and of one that does."""

    class Einsum(layers.Layer):
        def __init__(self, equation):
            super().__init__()
            self.equation = equation
            self.built = True

        def call(self, a, b):
            return keras.ops.einsum(self.equation, a, b)

    reports = [
        keras_engine.count(Einsum(equation), shapes)
        for equation, shapes in (
            ("bi,bj->bij", ((2, 8), (2, 8))),
            ("bi,bi->bi", ((2, 8), (2, 8))),
            ("bij,bjk->bik", ((2, 3, 4), (2, 4, 5))),
        )
    ]
    return [(report.macs, report.flops) for report in reports]


def dearest_branch():
    """Return the FLOPs of branches without multiply-adds, the dearer one first and last."""

    class Branches(layers.Layer):
        def __init__(self, *branches):
            super().__init__()
            self.branches = branches
            self.built = True

        def call(self, x):
            first, last = self.branches
            return keras.ops.cond(keras.ops.sum(x) > 0, lambda: first(x), lambda: last(x))

    def cheap(x):
        return -x

    def dear(x):
        return keras.ops.exp(-x) * x

    try:
        reports = [keras_engine.count(Branches(*pair), (2, 4)) for pair in ((dear, cheap), (cheap, dear))]
    except FlopError as error:
        return {"said": str(error)}
    return {"flops": [r.flops for r in reports], "notes": [list(r.notes) for r in reports]}


def biases():
    """Return the forward FLOPs beyond multiply-adds of layers with a bias, and of a residual connection."""
    x, image = Input((4,)), Input((1, 1, 3))
    models = {
        "dense": Sequential([Input((3,)), layers.Dense(4)]),
        "sequence": Sequential([Input((6, 3)), layers.Dense(4)]),
        "convolution": Sequential([Input((6, 6, 3)), layers.Conv2D(4, 3)]),
        "transposed": Sequential([Input((6, 6, 3)), layers.Conv2DTranspose(4, 3)]),
        "one pixel": Sequential([image, layers.Conv2D(4, 1)]),
        "residual": Model(x, layers.Dense(4)(x) + x),
        "activated": Model(x, layers.Dense(4, activation="relu")(x) + x[:, :1]),
    }
    return {
        name: [
            report.flops - 2 * report.macs
            for report in (keras_engine.count(model, batch=batch) for batch in (1, 2))
        ]
        for name, model in models.items()
    }


def resized():
    """Return the MACs of a model that resizes its images before it convolves them."""
    model = Sequential([Input((32, 32, 3)), layers.Resizing(16, 16), layers.Conv2D(4, 3)])
    return keras_engine.count(model, batch=2).macs


def remat():
    """Return MACs by phase of a layer whose forward work is done again in the backward pass."""
    with keras.RematScope(mode="full"):
        model = Sequential(
            [Input((8,)), layers.Dense(6, activation="relu"), layers.Dense(5), layers.Dense(3)]
        )
    try:
        report = keras_engine.count(model, batch=2, backward=True)
    except FlopError as error:
        return {"said": str(error)}
    return {phase: sum(r.macs for r in report.rows if r.phase == phase) for phase in report.by_phase}


@st.composite
def _convolutions(draw):
    rank = draw(st.integers(1, 2))
    kernel = draw(st.lists(st.integers(1, 4), min_size=rank, max_size=rank))
    dilated = draw(st.booleans())
    stretch = draw(st.lists(st.integers(1, 3), min_size=rank, max_size=rank))
    strides, dilation = ([1] * rank, stretch) if dilated else (stretch, [1] * rank)
    size = [draw(st.integers((k - 1) * d + 1, 14)) for k, d in zip(kernel, dilation, strict=True)]
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    return {
        "batch": draw(st.integers(1, 3)),
        "size": size,
        "channels": groups * draw(st.integers(1, 3)),
        "filters": groups * draw(st.integers(1, 3)),
        "groups": groups,
        "kernel": kernel,
        "strides": strides,
        "dilation": dilation,
        "padding": draw(st.sampled_from(["same", "valid"])),
    }


def _phases(model, batch):
    report = keras_engine.count(model, batch=batch, backward=True)
    assert not report.uncounted, report.uncounted
    return [sum(r.macs for r in report.rows if r.phase == phase) for phase in ("forward", "backward")]


@_SEARCH
@given(_convolutions())
def convolutions(c):
    """Any convolution costs each weight once for each output, and as much again for each of both gradients."""
    layer = (layers.Conv1D if len(c["size"]) == 1 else layers.Conv2D)(
        c["filters"], c["kernel"], c["strides"], c["padding"], dilation_rate=c["dilation"], groups=c["groups"]
    )
    out = [
        -(-n // s) if c["padding"] == "same" else (n - (k - 1) * d - 1) // s + 1
        for n, k, s, d in zip(c["size"], c["kernel"], c["strides"], c["dilation"], strict=True)
    ]
    first, macs = _of(c, out, c["channels"] // c["groups"] * c["filters"])
    model = _after_pointwise(c, layer)
    assert _phases(model, c["batch"]) == [first + macs, first + 2 * macs]


@_SEARCH
@given(_convolutions())
def transposed_convolutions(c):
    """Any transposed convolution costs each weight once for each input."""
    layer = (layers.Conv1DTranspose if len(c["size"]) == 1 else layers.Conv2DTranspose)(
        c["filters"], c["kernel"], c["strides"], c["padding"], dilation_rate=c["dilation"]
    )
    first, macs = _of(c, c["size"], c["channels"] * c["filters"])
    assert _phases(_after_pointwise(c, layer), c["batch"]) == [first + macs, first + 2 * macs]


@_SEARCH
@given(st.sampled_from(["LSTM", "GRU", "SimpleRNN"]), *[st.integers(1, 6)] * 4)
def recurrent_layers(name, batch, steps, inputs, units):
    """Any recurrent layer costs its weights once a step and item."""
    gates = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}[name]
    with keras.StatelessScope(initialize_variables=False):
        model = Sequential([Input((steps, inputs)), getattr(layers, name)(units)])
    of_input, of_state = batch * steps * gates * units * inputs, batch * steps * gates * units * units
    assert _phases(model, batch) == [of_input + of_state, of_input + 2 * of_state]


def _after_pointwise(c, layer):
    # A layer before it, so that the gradient of its input is wanted.
    pointwise = (layers.Conv1D if len(c["size"]) == 1 else layers.Conv2D)(c["channels"], 1)
    with keras.StatelessScope(initialize_variables=False):
        return Sequential([Input((*c["size"], 2)), pointwise, layer])


def _of(c, positions, channels):
    first = c["batch"] * 2 * c["channels"]
    macs = c["batch"] * channels
    for n, k, p in zip(c["size"], c["kernel"], positions, strict=True):
        first, macs = first * n, macs * k * p
    return first, macs


LAWS = {
    law.__name__: law
    for law in (
        untouched,
        untouched_unbuilt,
        ways_to_say_inputs,
        ways_to_say_two_inputs,
        sentences,
        logged,
        empty_batch,
        nothing_to_train,
        data_dependent_loop,
        counted_loop,
        scan,
        einsum_without_sum,
        biases,
        dearest_branch,
        resized,
        remat,
        convolutions,
        transposed_convolutions,
        recurrent_layers,
    )
}
