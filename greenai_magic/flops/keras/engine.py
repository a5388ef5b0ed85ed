"""Operations of a Keras 3 model, on whichever backend Keras runs: followed by shapes, nothing executed.

The graph that the backend would execute is traced with shapes in place of weights and inputs and then
walked, operator by operator. Multiply-adds come out the same on each backend; what is done element by
element does not, since each backend writes it its own way.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from greenai_magic.errors import FlopError
from greenai_magic.flops.keras.calls import Call
from greenai_magic.flops.keras.inputs import read_inputs
from greenai_magic.flops.keras.layers import NotBuilt, untouched
from greenai_magic.flops.keras.tally import Place, Tally, elements
from greenai_magic.flops.keras.training import Recipe, make_step, read_recipe, with_targets
from greenai_magic.flops.keras.twin import built_twin, names_and_weights_forgotten
from greenai_magic.flops.report import FlopReport

ELEMENTWISE_DIFFERS = (
    "Multiply-adds are the same whatever Keras' backend; elementwise work is what {backend} executes, before "
    "its compiler fuses it."
)
MEMORY_DIFFERS = (
    "Activation memory is not assessed: which tensors are made, and which of them live at once, is up to "
    "each backend and its compiler."
)
DATA_DECIDES = "its course depends on the data, and shapes have none"
NOTHING_TO_TRAIN = "No weight is trainable, so that there is no backward pass."

_WALKERS = {
    "tensorflow": ("TensorFlow", "greenai_magic.flops.keras.tensorflow"),
    "jax": ("JAX", "greenai_magic.flops.keras.jax"),
    "torch": ("PyTorch", "greenai_magic.flops.keras.torch"),
}
_DATA_DECIDES = frozenset(
    {
        "ConcretizationTypeError",
        "DataDependentOutputException",
        "OperatorNotAllowedInGraphError",
        "TracerArrayConversionError",
        "TracerBoolConversionError",
        "TracerIntegerConversionError",
    }
)
"""What backends raise where Python asks for a value."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TROUBLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)


def count(
    model: Any,
    inputs: Any = None,
    *,
    backward: bool = False,
    batch: int | None = None,
    train: bool | None = None,
    train_step: bool = False,
    loss: Any = None,
    optimiser: Any = None,
) -> FlopReport:
    """Count what one call of a model costs, and leave the model as it was.

    Parameters
    ----------
    model : keras.layers.Layer
        A model or a layer.
    inputs : object
        Tensors of any framework, shapes with the batch, each with its type or without
        (``((1, 128), "int32")``), lists, tuples and dicts of them, nested as the model takes them, or a
        `tf.data.Dataset`; by default the model's own `inputs`.
    backward : bool
        Whether to count the gradients of its trainable weights as well.
    batch : int
        In place of a batch that the inputs leave open; by default 1.
    train : bool
        Whether to call it as in training; by default, if ``backward``.
    train_step : bool
        Whether to count a whole training step.
    loss, optimiser : object
        Of the step, as ``compile`` takes them; by default, those that the model is compiled with.

    Raises
    ------
    FlopError
        If it cannot be counted, in a sentence that says what to do.
    """
    recipe = read_recipe(model, loss, optimiser) if train_step else None
    backward = backward or train_step
    arguments = read_inputs(model, inputs, 1 if batch is None else batch, targets=train_step)
    call = Call(model, arguments, backward, backward if train is None else train)
    with names_and_weights_forgotten():
        return _count(call, recipe) if model.built else _count_twin(call, recipe)


def _count(call: Call, recipe: Recipe | None) -> FlopReport:
    tally = Tally(call.tree.kind_in)
    try:
        with untouched(call.tree):
            if recipe is not None:
                call = _training(call, recipe, tally)
            name = _walk(call, tally)
    except NotBuilt:
        return _count_twin(call, recipe)
    except _TROUBLE as error:
        raise FlopError(_sentence(call, error)) from error
    tally.note(ELEMENTWISE_DIFFERS.format(backend=name))
    tally.note(MEMORY_DIFFERS)
    if call.backward and not call.trainable:
        tally.note(NOTHING_TO_TRAIN)
    return _report(call, tally)


def _training(call: Call, recipe: Recipe, tally: Tally) -> Call:
    """Return the same call as a training step, with targets for its loss."""
    arguments, told = call.arguments, None
    if not arguments.targets:
        forward = Call(call.model, arguments, backward=False, train=call.train)
        _walk(forward, Tally(forward.tree.kind_in))
        arguments, told = with_targets(arguments, forward.outputs, recipe.loss)
    step = make_step(call.model, recipe, call.trainable)
    for note in (told, *recipe.notes):
        if note:
            tally.note(note)
    for work in step.uncounted:
        tally.add_unknown(Place("", "optimiser"), work, ())
    return replace(call, arguments=arguments, step=step)


def _sentence(call: Call, error: Exception) -> str:
    name = type(call.model).__name__
    reason = _reason(error)
    if call.phase == "forward":
        where = next((path for path in reversed(call.at_work) if path), name)
        return f"{where} cannot be followed on inputs {call.arguments} ({reason})."
    other = call.phase == "loss" and reason != DATA_DECIDES
    advice = ": pass inputs=(inputs, targets), or another loss" if other else ""
    return f"The {call.phase} of {name} cannot be followed ({reason}){advice}."


def _count_twin(call: Call, recipe: Recipe | None) -> FlopReport:
    try:
        twin = built_twin(call.model, call.tree.layers, call.arguments)
    except _TROUBLE as error:
        name = type(call.model).__name__
        msg = f"{name} has no weights yet, and shapes do not do ({_reason(error)}): call it once on a batch."
        raise FlopError(msg) from error
    return _count(Call(twin, call.arguments, call.backward, call.train), recipe)


def _with_what_it_came_from(error: BaseException | None) -> Iterator[BaseException]:
    # Keras makes some errors of its backends anew, and fails at those that need more than a text.
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: Exception) -> str:
    # Keras puts what it was calling before the reason, in a paragraph of its own, and colours the reason.
    if any(type(e).__name__ in _DATA_DECIDES for e in _with_what_it_came_from(error)):
        return DATA_DECIDES
    # The text of a KeyError is the representation of what it says.
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    lines = [_COLOUR.sub("", line).strip() for line in text.splitlines()]
    told = [line for line in lines if line and not line.startswith("Exception encountered when calling")]
    return f"{type(error).__name__}: {told[0].rstrip('.')}" if told else type(error).__name__


def _walk(call: Call, tally: Tally) -> str:
    import keras

    backend = keras.backend.backend()
    if backend not in _WALKERS:
        msg = f"Operations on Keras' {backend} backend are not counted: use {', '.join(_WALKERS)}."
        raise FlopError(msg)
    name, module = _WALKERS[backend]
    importlib.import_module(module).count(call, tally)
    return name


def _report(call: Call, tally: Tally) -> FlopReport:
    modules = call.tree.modules()
    return FlopReport(
        model=type(call.model).__name__,
        inputs=str(call.arguments),
        method="counted from shapes",
        rows=tally.rows,
        modules=modules,
        uncounted=tally.uncounted,
        params=sum(module.params for module in modules),
        trainable_params=sum(module.trainable_params for module in modules),
        weight_bytes=sum(_bytes(weight) for weight in call.model.weights),
        notes=tuple(tally.notes),
    )


def _bytes(variable: Any) -> int:
    import keras

    # In bits, since int4 weights are packed.
    name = keras.backend.standardize_dtype(variable.dtype)
    digits = "".join(c for c in name.partition("_")[0] if c.isdigit())
    bits = 8 if name == "bool" or name.startswith("float8") else int(digits)
    return elements(variable.shape) * bits // 8
