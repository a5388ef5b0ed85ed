"""What a Keras model is called with: shapes and types only, from the model or from what the user passes."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from greenai_magic.errors import FlopError


@dataclass(frozen=True, slots=True)
class Leaf:
    """One tensor of the inputs.

    Attributes
    ----------
    shape : tuple of int
        With the batch.
    dtype : str
        As Keras calls it: ``"float32"``.
    """

    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{' x '.join(map(str, self.shape)) or 'scalar'} {self.dtype}"


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a model is called with, leaves in place of tensors; and the targets, with their weights if any."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    targets: tuple[Any, ...] = ()

    def __str__(self) -> str:
        import keras

        return ", ".join(str(leaf) for leaf in keras.tree.flatten((self.args, self.kwargs)))


def read_inputs(model: Any, inputs: Any, batch: int, *, targets: bool = False) -> Arguments:
    """Find the shapes and types to call a model with.

    Parameters
    ----------
    model : keras.layers.Layer
        The model.
    inputs : object
        Tensors of any framework, shapes with or without a type, lists, tuples and dicts of them, nested as
        the model takes them, or a `tf.data.Dataset`; None to take the model's own `inputs`. A tuple or dict
        is one argument, unless `call` needs several.
    batch : int
        In place of a batch that is left open.
    targets : bool
        Whether targets are wanted: the second of a pair, as `fit` takes it from a dataset.

    Raises
    ------
    FlopError
        If they cannot be told; the sentence says what to pass.
    """
    import keras

    declared = _declared(model)
    if inputs is None:
        if declared is None:
            msg = (
                f"{type(model).__name__} does not say what it takes: pass inputs, a batch or its shape with "
                "the batch first, such as inputs=(1, 224, 224, 3)."
            )
            raise FlopError(msg)
        return Arguments((keras.tree.map_structure(lambda t: _leaf(t, batch, t.dtype), declared),), {})
    inputs, rest = _apart(inputs, pair=targets and _is_pair(model, inputs, declared))
    types = [t.dtype for t in keras.tree.flatten(declared)] if declared is not None else []
    default = model.input_dtype if _is_float(model.input_dtype) else keras.config.floatx()
    read = _Reader(batch, types, default).read(inputs)
    wanted = tuple(_Reader(batch, [], default).read(item) for item in rest) if targets else ()
    needed = _needed_arguments(model)
    if len(needed) > 1 and isinstance(read, (tuple, list)) and len(read) >= len(needed):
        return Arguments(tuple(read), {}, wanted)
    if len(needed) > 1 and isinstance(read, dict) and set(needed) <= set(read):
        return Arguments((), read, wanted)
    return Arguments((read,), {}, wanted)


class _Reader:
    # Declared types are taken in the order in which Keras flattens: dicts by sorted key.
    def __init__(self, batch: int, types: list[str], default: str) -> None:
        self._batch = batch
        self._types = types
        self._default = default
        self._next = 0

    def read(self, value: Any) -> Any:
        if _is_shape(value) or hasattr(value, "shape"):
            return self._leaf(value, getattr(value, "dtype", None))
        if _is_typed_shape(value):
            return self._leaf(*value)
        if isinstance(value, dict):
            read = {key: self.read(value[key]) for key in sorted(value)}
            return {key: read[key] for key in value}
        if isinstance(value, (list, tuple)):
            return type(value)([self.read(item) for item in value])
        if isinstance(value, (bool, int, float)):
            return Leaf((), "bool" if isinstance(value, bool) else self._default)
        msg = (
            f"inputs may be tensors, shapes, or lists, tuples and dicts of them, not {type(value).__name__}."
        )
        raise FlopError(msg)

    def _leaf(self, value: Any, dtype: Any) -> Leaf:
        default = self._types[self._next] if self._next < len(self._types) else self._default
        self._next += 1
        return _leaf(value, self._batch, dtype or default)


def _declared(model: Any) -> Any:
    # A functional model knows the structure of its inputs, a Sequential one through its functional self.
    functional = getattr(model, "_functional", None) or model
    return getattr(functional, "_inputs_struct", None)


def _leaf(value: Any, batch: int, dtype: Any) -> Leaf:
    import keras

    shape = tuple(value.shape if hasattr(value, "shape") else value)
    if shape and shape[0] is None:
        shape = (batch, *shape[1:])
    if any(side is None for side in shape):
        msg = (
            f"An input of shape {shape} leaves sizes open: pass inputs, a batch or its shape, such as "
            f"inputs={tuple(128 if side is None else side for side in shape)}."
        )
        raise FlopError(msg)
    name = keras.backend.standardize_dtype(dtype)
    # NumPy's float64 is what people write without thinking of a type; Keras casts it on entry.
    return Leaf(tuple(int(side) for side in shape), keras.config.floatx() if name == "float64" else name)


def _is_shape(value: Any) -> bool:
    sides = value if isinstance(value, (tuple, list)) else ()
    return bool(sides) and all(side is None or type(side) is int for side in sides)


def _is_typed_shape(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and _is_shape(value[0]) and isinstance(value[1], str)


def _is_pair(model: Any, inputs: Any, declared: Any) -> bool:
    # What the model takes as one value may have come with targets; a shape, or a tuple of its own, has not.
    if type(inputs) is not tuple or len(inputs) not in {2, 3} or _is_shape(inputs) or _is_typed_shape(inputs):
        return False
    own = isinstance(declared, (list, tuple)) and len(declared) == len(inputs)
    return not own and len(_needed_arguments(model)) == 1


def _apart(inputs: Any, *, pair: bool) -> tuple[Any, tuple[Any, ...]]:
    # Inputs, and the targets and their weights that may follow.
    if hasattr(inputs, "element_spec"):
        inputs, pair = inputs.element_spec, isinstance(inputs.element_spec, tuple)
    return (inputs[0], inputs[1:]) if pair else (inputs, ())


def _is_float(dtype: str) -> bool:
    return "float" in dtype


def _needed_arguments(model: Any) -> list[str]:
    parameters = inspect.signature(model.call).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in positional and p.default is inspect.Parameter.empty]
