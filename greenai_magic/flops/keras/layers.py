"""The layers of a Keras model: their paths, what each is, and which of them is at work.

A walker must know to which layer an operator belongs. Keras' own scopes carry names, which need not be
unique; so for the time of a trace each layer's call opens a scope with the layer's number.
"""

from __future__ import annotations

import contextlib
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from greenai_magic.flops.keras.tally import elements
from greenai_magic.flops.report import Kind, Module, Phase

LOSS = "greenai_loss"
OPTIMISER = "greenai_optimiser"
"""Scopes of the work of a training step that is no layer's."""
_NUMBER = re.compile(r"greenai_(\d+)")
_ATTENTION = frozenset({"MultiHeadAttention", "GroupedQueryAttention", "Attention", "AdditiveAttention"})
_IMAGES = frozenset({"DataLayer", "TFDataLayer", "UpSampling1D", "UpSampling2D", "UpSampling3D"})
"""Layers that resize and move images, which some backends write as matrix products and no paper counts."""
_NORMALISATION = re.compile(r"Normalization$")


class LayerTree:
    """All layers of a model, parents first; one that several parents share has the first one's path.

    Parameters
    ----------
    model : keras.layers.Layer
        The root, whose path is ``""``.
    """

    def __init__(self, model: Any) -> None:
        self.layers: list[Any] = []
        self.paths: list[str] = []
        self._number: dict[int, int] = {}
        self._classes: dict[str, tuple[str, ...]] = {}
        self._output_shapes: dict[int, tuple[int, ...]] = {}
        self._add(model, "")

    def _add(self, layer: Any, path: str) -> None:
        self._number[id(layer)] = len(self.layers)
        self.layers.append(layer)
        self.paths.append(path)
        self._classes[path] = tuple(base.__name__ for base in type(layer).__mro__)
        for child in layer._flatten_layers(include_self=False, recursive=False):  # noqa: SLF001
            if id(child) not in self._number:
                self._add(child, self._free_path(path, child.name.replace(".", "_")))

    def _free_path(self, parent: str, name: str) -> str:
        path = f"{parent}.{name}" if parent else name
        while path in self._classes:
            path += "_"
        return path

    def scope_of(self, layer: Any) -> str | None:
        """Return the name of the scope that stands for a layer, None for a layer of another model."""
        number = self._number.get(id(layer))
        return None if number is None else f"greenai_{number}"

    def path_in(self, scopes: str) -> str | None:
        """Return the path of the innermost layer that a string of scopes names."""
        numbers = _NUMBER.findall(scopes)
        return self.paths[int(numbers[-1])] if numbers else None

    def kind_in(self, path: str, kind: Kind) -> Kind:
        """Return what work an operator is in the layer at a path, being of a kind by itself."""
        classes = self._classes.get(path, ())
        if kind == "matmul" and not _ATTENTION.isdisjoint(classes):
            return "attention"
        if kind == "matmul" and not _IMAGES.isdisjoint(classes):
            return "other"
        if kind in {"matmul", "convolution"} and self._inside(path, "RNN"):
            return "recurrent"
        if kind in {"elementwise", "other"} and classes and _NORMALISATION.search(classes[0]):
            return "normalisation"
        return kind

    def _inside(self, path: str, class_name: str) -> bool:
        while path:
            if class_name in self._classes.get(path, ()):
                return True
            path = path.rpartition(".")[0]
        return class_name in self._classes[""]

    def saw_output(self, layer: Any, shape: tuple[int, ...]) -> None:
        """Remember the shape of the first output of a layer's last call."""
        self._output_shapes[self._number[id(layer)]] = shape

    def modules(self) -> tuple[Module, ...]:
        """Return the tree as a report shows it; a weight of several layers is the first one's."""
        trainable = {id(v) for v in self.layers[0].trainable_variables}
        seen: set[int] = set()
        found = []
        for number, layer in enumerate(self.layers):
            own = {id(v): elements(v.shape) for v in _own_weights(layer) if id(v) not in seen}
            seen.update(own)
            trained = sum(n for key, n in own.items() if key in trainable)
            shape = self._output_shapes.get(number, ())
            module = Module(self.paths[number], type(layer).__name__, shape, sum(own.values()), trained)
            found.append(module)
        return tuple(found)


def _own_weights(layer: Any) -> list[Any]:
    # As `layer.weights`, which has the children's too: no seeds and no metrics.
    return [*layer._trainable_variables, *layer._non_trainable_variables]  # noqa: SLF001


class NotBuilt(Exception):
    """A layer without weights was about to be called, which would have given it some."""


Scope = Callable[[str], AbstractContextManager[Any]]


def phase_in(scopes: str) -> Phase:
    """Return which part of a training step a string of scopes names, gradients aside."""
    return "optimiser" if OPTIMISER in scopes else "loss" if LOSS in scopes else "forward"


@contextlib.contextmanager
def followed(tree: LayerTree, open_scope: Scope) -> Iterator[list[str]]:
    """Open a scope around each call of a layer of the tree, in this thread, and undo it at the end.

    Yields
    ------
    list of str
        The paths of the layers at work, innermost last; after an error, where it happened.

    Raises
    ------
    NotBuilt
        Before a layer would get its weights by being called.
    """
    import keras

    layer_class = keras.layers.Layer
    original = layer_class.__call__
    thread = threading.get_ident()
    at_work: list[str] = []

    def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        scope = tree.scope_of(self) if threading.get_ident() == thread else None
        if scope is None:
            return original(self, *args, **kwargs)
        if not self.built:
            raise NotBuilt(self.name)
        at_work.append(tree.path_in(scope) or "")
        with open_scope(scope):
            outputs = original(self, *args, **kwargs)
        at_work.pop()
        first = next((o for o in keras.tree.flatten(outputs) if hasattr(o, "shape")), None)
        if first is not None:
            tree.saw_output(self, tuple(first.shape))
        return outputs

    layer_class.__call__ = call
    try:
        yield at_work
    finally:
        layer_class.__call__ = original


@contextlib.contextmanager
def untouched(tree: LayerTree) -> Iterator[None]:
    """Put back at the end what calls of the layers write into them, and the state of `random`."""
    before = [(layer, dict(vars(layer)), _contents(layer)) for layer in tree.layers]
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
        for layer, attributes, contents in before:
            _restore(vars(layer), attributes)
            for container, content in contents:
                if type(container)(container) != content:
                    container.clear()
                    (container.extend if isinstance(container, list) else container.update)(content)


def _contents(layer: Any) -> list[tuple[Any, Any]]:
    # Lists and the like that a call may grow, such as a record of activations.
    return [(v, v.copy()) for v in vars(layer).values() if type(v) in {list, dict, set}]


def _restore(now: dict[str, Any], before: dict[str, Any]) -> None:
    if now.keys() != before.keys() or any(now[name] is not value for name, value in before.items()):
        now.clear()
        now.update(before)
