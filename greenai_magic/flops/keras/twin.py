"""A twin of a model that has no weights yet: built by shapes, its weights without values.

Keras makes weights when a layer is first called. To call the user's model for that would change it, and
fill memory; so its unbuilt layers are copied, and what is built already is shared with the copy, which
never assigns to it.
"""

from __future__ import annotations

import contextlib
import copy
import random
import sys
from collections.abc import Iterator
from typing import Any

from greenai_magic.flops.keras.inputs import Arguments

_BOUND = frozenset({"build", "quantize", "_auto_config"})
"""Attributes that Keras makes anew with each layer, bound to it."""
_OF_COMPILING = ("optimizer", "_compile_loss", "_compile_metrics", "_compile_config", "_loss_tracker")
"""Attributes that a forward pass leaves alone, and that cannot all be copied."""


def built_twin(model: Any, layers: list[Any], arguments: Arguments) -> Any:
    """Return a copy of a model that has its weights, as shapes.

    Parameters
    ----------
    model : keras.layers.Layer
        The model.
    layers : list of keras.layers.Layer
        All its layers, itself included.
    arguments : Arguments
        What it is called with.
    """
    import keras

    twin = _copy(model, layers)
    symbols = keras.tree.map_structure(
        lambda leaf: keras.KerasTensor(leaf.shape, leaf.dtype), (arguments.args, arguments.kwargs)
    )
    with keras.StatelessScope(initialize_variables=False):
        twin(*symbols[0], **symbols[1])
    return twin


def _copy(model: Any, layers: list[Any]) -> Any:
    # Keras' objects hold modules, which cannot be copied.
    memo: dict[int, Any] = {id(kept): kept for kept in (*model.variables, *sys.modules.values())}
    unbuilt = []
    for layer in layers:
        memo |= {id(kept): kept for name in _OF_COMPILING if (kept := vars(layer).get(name)) is not None}
        whole = all(below.built for below in layer._flatten_layers())  # noqa: SLF001
        memo[id(layer)] = layer if whole else _shell(type(layer))
        if not whole:
            unbuilt.append(layer)
    for layer in unbuilt:
        kept = {name: value for name, value in vars(layer).items() if name not in _BOUND}
        vars(memo[id(layer)]).update(copy.deepcopy(kept, memo))
    return memo[id(model)]


def _shell(layer_class: Any) -> Any:
    # Keras prepares a layer before its `__init__`, which must not run again.
    return layer_class.__new__(layer_class)


@contextlib.contextmanager
def names_and_weights_forgotten() -> Iterator[None]:
    """Put back at the end what Keras notes of each object that is made, and the state of `random`."""
    # Keras numbers the names it gives, draws seeds from `random`, and fills, when it can, what has no values.
    from keras.src.backend.common import global_state

    names = ("object_name_uids", "uninitialized_variables", "auto_name_uids")
    before = {name: copy.copy(global_state.get_global_attribute(name)) for name in names}
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
        for name, value in before.items():
            if global_state.get_global_attribute(name) is not None or value is not None:
                global_state.set_global_attribute(name, value)
