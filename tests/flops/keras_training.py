"""What must hold of training steps on each backend. Imported in a child only; the tests judge what it returns."""

from __future__ import annotations

import keras
import numpy as np
from keras import Input, Sequential, layers
from keras_laws import _state
from keras_zoo import Net

from greenai_magic.flops.keras import engine as keras_engine

BATCH = 2
MODELS = {
    "dense": lambda: Sequential([Input((32,)), layers.Dense(16, activation="relu"), layers.Dense(4)]),
    "convolution": lambda: Sequential(
        [Input((13, 11, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(5)]
    ),
    "recurrent": lambda: Sequential([Input((7, 3)), layers.LSTM(5), layers.Dense(4)]),
    "embedding": lambda: Sequential(
        [Input((7,), dtype="int32"), layers.Embedding(6, 4), layers.Flatten(), layers.Dense(4)]
    ),
}
OPTIMISERS = {
    "sgd": lambda: "sgd",
    "momentum": lambda: keras.optimizers.SGD(momentum=0.9),
    "adam": lambda: keras.optimizers.Adam,
}


def _step(model, **options):
    report = keras_engine.count(model, options.pop("inputs", None), batch=BATCH, train_step=True, **options)
    macs = {phase: sum(row.macs for row in report.rows if row.phase == phase) for phase in report.by_phase}
    return {
        "flops": report.by_phase,
        "macs": macs,
        "params": report.trainable_params,
        "uncounted": [unknown.op for unknown in report.uncounted],
        "notes": list(report.notes),
    }


def steps():
    """Return the training step of each model with each optimiser."""
    return {
        f"{model}, {optimiser}": _step(MODELS[model](), loss="mse", optimiser=OPTIMISERS[optimiser]())
        for model in MODELS
        for optimiser in OPTIMISERS
    }


def passes():
    """Return MACs of each model's forward and backward pass without a step."""
    return {
        name: [keras_engine.count(make(), batch=BATCH, backward=b).macs for b in (False, True)]
        for name, make in MODELS.items()
    }


def compiled():
    """Return the step of a model by its own loss and optimiser, and by others that are passed."""
    model = MODELS["dense"]()
    model.compile(keras.optimizers.SGD(momentum=0.9), "mse")
    unbuilt = Net()
    unbuilt.compile("adam", "mse")
    return {
        "own": _step(model),
        "other": _step(model, optimiser="sgd"),
        "unbuilt": _step(unbuilt, inputs=(BATCH, 8)),
        "still unbuilt": [unbuilt.built, unbuilt.optimizer.built, len(unbuilt.variables)],
    }


def targets():
    """Return the steps of one model by what is said of its targets."""
    index = {"loss": "sparse_categorical_crossentropy", "optimiser": "sgd"}
    x = np.zeros((BATCH, 32), "float32")
    return {
        "as the outputs": _step(MODELS["dense"](), loss="categorical_crossentropy", optimiser="sgd"),
        "indices": _step(MODELS["dense"](), **index),
        "a pair": _step(MODELS["dense"](), inputs=(x, np.zeros((BATCH,), "int32")), **index),
    }


def losses_of_layers():
    """Return the step of a model whose layers add to the loss."""
    model = Sequential(
        [Input((32,)), layers.Dense(16, kernel_regularizer="l2"), layers.ActivityRegularization(l2=0.1)]
    )
    return _step(model, loss="mse", optimiser="sgd")


def parts_of_optimisers():
    """Return the steps of optimisers that do not do the same in each step."""
    made = {
        "accumulates": keras.optimizers.SGD(gradient_accumulation_steps=4),
        "averages": keras.optimizers.SGD(use_ema=True, ema_overwrite_frequency=2),
        "scales": keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()),
        "decays": keras.optimizers.AdamW(),
        "scheduled": keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)),
    }
    return {name: _step(MODELS["dense"](), loss="mse", optimiser=made[name]) for name in made}


def trained_on():
    """Return what differs in a model in training, and in its optimiser, after its step was counted."""
    model = Sequential(
        [
            Input((32,)),
            layers.Dense(16),
            layers.BatchNormalization(),
            layers.Dropout(0.3, seed=1),
            layers.Dense(4),
        ]
    )
    model.compile(keras.optimizers.Adam(), "mse", metrics=["mae"])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 32)).astype("float32"), rng.normal(size=(6, 4)).astype("float32")
    model.fit(x, y, epochs=2, verbose=0)
    before, parts = _state(model), _parts(model)
    _step(model)
    _step(model, loss="mae", optimiser=model.optimizer)
    after = _state(model)
    iterations = int(model.optimizer.iterations)
    model.fit(x, y, verbose=0)
    return {
        "differs": sorted(key for key in before | after if before.get(key) != after.get(key)),
        "parts": parts == _parts(model),
        "iterations": [iterations, int(model.optimizer.iterations)],
        "looked at": len(before),
    }


def _parts(model):
    kept = (model.optimizer, model._compile_loss)
    return [id(part) for part in kept] + [type(model.optimizer).__name__, len(model.optimizer.variables)]


LAWS = {
    law.__name__: law
    for law in (
        steps,
        passes,
        compiled,
        targets,
        losses_of_layers,
        parts_of_optimisers,
        trained_on,
    )
}
