"""What to call a PyTorch model with: from what the user gives, or from what the model says of itself."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from greenai_magic.errors import FlopError
from greenai_magic.flops.formulas import Shape
from greenai_magic.flops.torch.found import find_shapes
from greenai_magic.flops.torch.plan import tensors_in


@dataclass(frozen=True, slots=True)
class Inputs:
    """Arguments of one call of a model.

    Attributes
    ----------
    args : tuple
        Positional.
    kwargs : dict
        By name.
    targets : tuple
        What a batch holds beside the inputs: for a loss.
    notes : tuple of str
        Where they come from, if that needs to be said.
    guessed : bool
        Whether the types of the tensors are a guess.
    """

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    targets: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    guessed: bool = False

    def as_integers(self) -> Inputs:
        """Return the same with indices instead of numbers: the other guess."""
        return replace(
            self,
            args=tuple(arg.to(torch.int64) for arg in self.args),
            kwargs={name: arg.to(torch.int64) for name, arg in self.kwargs.items()},
        )


def read_inputs(model: torch.nn.Module, inputs: Any, batch: int | None) -> Inputs:
    """Return what to call the model with.

    Parameters
    ----------
    model : torch.nn.Module
        To be called.
    inputs : object
        A tensor, a tuple of arguments, a mapping of keyword arguments, a shape or several, each with its
        type or without (``(1, 3, 224, 224)``, ``((1, 128), "int64")``), a DataLoader; None to ask the model.
    batch : int or None
        How many items, where ``inputs`` does not say.

    Raises
    ------
    FlopError
        If that cannot be told.
    """
    if inputs is None:
        return _asked(model, batch)
    if isinstance(inputs, torch.utils.data.DataLoader):
        return _from_loader(model, inputs, batch)
    if hasattr(inputs, "__next__"):
        msg = f"A {type(inputs).__name__} cannot be read without using it up: pass one batch of it."
        raise FlopError(msg)
    given = _from_shapes(model, inputs)
    if given is not None:
        return given
    if isinstance(inputs, Mapping):
        return Inputs(kwargs=_named(model, inputs))
    if isinstance(inputs, (tuple, list)) and not isinstance(inputs, torch.nn.utils.rnn.PackedSequence):
        return Inputs(tuple(_tensor(model, value) for value in inputs))
    return Inputs((_tensor(model, inputs),))


def split_targets(model: torch.nn.Module, inputs: Inputs, loss: Callable[..., Any] | None) -> Inputs:
    """Take a plain batch apart as a loader's: what the model does not ask for is the loss's."""
    wanted = _required(model.forward)
    alone = loss is None or _required(getattr(loss, "forward", loss)) == 1
    if alone or inputs.targets or inputs.kwargs or len(inputs.args) <= wanted:
        return inputs
    return replace(inputs, args=inputs.args[:wanted], targets=inputs.args[wanted:])


def describe(model: torch.nn.Module, inputs: Inputs) -> str:
    """Return names, shapes and types of the inputs, as people read them."""
    names = [name for name, _ in _parameters(model.forward)]
    named = dict(zip((*names, *(f"input {n}" for n in range(len(inputs.args)))), inputs.args, strict=False))
    parts = []
    for name, value in (named | inputs.kwargs).items():
        tensors = list(tensors_in(list(value.values()) if isinstance(value, Mapping) else value))
        shapes = [f"{as_text(tuple(t.shape))} {str(t.dtype).removeprefix('torch.')}" for t in tensors]
        if shapes:
            parts.append(f"{name}: {', '.join(shapes)}")
    return "; ".join(parts)


def as_text(shape: Shape) -> str:
    """Return a shape as people read it: ``"1 x 3 x 224 x 224"``."""
    return " x ".join(map(str, shape)) or "a number"


def rebatch(values: Any, batch: int) -> Any:
    """Return nested tuples and dicts with tensors of the first one's batch repeated or cut to another."""
    first = next(tensors_in(_flat(values)), None)
    if first is None or first.dim() == 0 or first.shape[0] in (0, batch):
        return values
    return _rebatched(values, first.shape[0], batch)


def _rebatched(value: Any, old: int, new: int) -> Any:
    if isinstance(value, dict):
        return {name: _rebatched(item, old, new) for name, item in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_rebatched(item, old, new) for item in value)
    if isinstance(value, torch.Tensor) and value.dim() and value.shape[0] == old:
        times = -(-new // old)
        return (
            value.detach().repeat(times, *([1] * (value.dim() - 1)))[:new].requires_grad_(value.requires_grad)
        )
    return value


def _flat(values: Any) -> list[Any]:
    if isinstance(values, dict):
        return [item for value in values.values() for item in _flat(value)]
    if type(values) in (tuple, list):
        return [item for value in values for item in _flat(value)]
    return [values]


def _asked(model: torch.nn.Module, batch: int | None) -> Inputs:
    example = getattr(model, "example_input_array", None)
    if example is not None:  # Lightning
        given = read_inputs(model, example, batch)
        return replace(given, notes=("inputs: the model's own example_input_array",))
    shapes, note = find_shapes(model, batch or 1)
    kwargs = {name: _of_shape(model, name, *shape) for name, shape in shapes.items()}
    first = next(iter(kwargs.values()))
    if next(iter(shapes)) == "":
        return Inputs((first,), notes=(note,))
    return Inputs(kwargs=kwargs, notes=(note,))


def _from_shapes(model: torch.nn.Module, inputs: Any) -> Inputs | None:
    """Read one shape, several, or several by name; None where it is anything else."""
    main = str(getattr(model, "main_input_name", ""))
    spec = _shape_of(inputs)
    if spec:
        return Inputs((_of_shape(model, main, *spec),), guessed=spec[1] is None)
    values = list(inputs.values()) if isinstance(inputs, Mapping) else inputs
    if not isinstance(values, (tuple, list)) or not values:
        return None
    specs = [_shape_of(value) for value in values]
    found = [spec for spec in specs if spec]
    if len(found) != len(values):
        return None
    names = list(inputs) if isinstance(inputs, Mapping) else [main, *[""] * len(found)]
    tensors = tuple(_of_shape(model, name, *spec) for name, spec in zip(names, found, strict=False))
    guessed = all(dtype is None for _, dtype in found)
    if isinstance(inputs, Mapping):
        return Inputs(kwargs=dict(zip(inputs, tensors, strict=True)), guessed=guessed)
    return Inputs(tensors, guessed=guessed)


def _shape_of(value: Any) -> tuple[Shape, str | torch.dtype | None] | None:
    if not isinstance(value, (tuple, list)) or not value:
        return None
    if all(isinstance(size, int) and not isinstance(size, bool) for size in value):
        return tuple(value), None
    if len(value) == 2 and isinstance(value[1], (str, torch.dtype)):
        shape = _shape_of(value[0])
        return shape and (shape[0], value[1])
    return None


def _of_shape(
    model: torch.nn.Module, name: str, shape: Shape, dtype: str | torch.dtype | None
) -> torch.Tensor:
    if min(shape) < 1:
        msg = f"{shape} is no shape of an input: each size must be 1 or more."
        raise FlopError(msg)
    if isinstance(dtype, str):
        found = getattr(torch, dtype, None)
        if not isinstance(found, torch.dtype):
            msg = f"{dtype!r} is no type of tensors: write float32, bfloat16, int64..."
            raise FlopError(msg)
        dtype = found
    if dtype is None:
        dtype = torch.int64 if name.endswith("_ids") else _float_type(model)
    return torch.empty(shape, dtype=dtype, device="meta")


def _named(model: torch.nn.Module, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Read values by name; beside tensors, a tuple of integers is a value, and else a shape."""
    values = {name: _tensor(model, value) for name, value in inputs.items()}
    if any(isinstance(value, torch.Tensor) for value in values.values()):
        return values
    return {
        name: _of_shape(model, name, *spec) if (spec := _shape_of(value)) else value
        for name, value in values.items()
    }


def _tensor(model: torch.nn.Module, value: Any) -> Any:
    """Make a tensor of a NumPy array: of doubles, which are NumPy's default, one of the model's type."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray):
        return value
    try:
        tensor = torch.from_numpy(value)
    except (TypeError, ValueError) as error:
        msg = f"A NumPy array of {value.dtype} cannot be a tensor: {str(error).splitlines()[0]}"
        raise FlopError(msg) from error
    return tensor.to(_float_type(model)) if tensor.dtype is torch.float64 else tensor


def _float_type(model: torch.nn.Module) -> torch.dtype:
    floats = (p.dtype for p in model.parameters() if p.is_floating_point())
    return next(floats, torch.get_default_dtype())


def _from_loader(model: torch.nn.Module, loader: Any, batch: int | None) -> Inputs:
    """Make one batch of the data set's first item: iterating would advance the loader and its sampler."""
    if isinstance(loader.dataset, torch.utils.data.IterableDataset):
        msg = (
            "A DataLoader over an IterableDataset cannot be read without advancing it: pass one batch of it."
        )
        raise FlopError(msg)
    item = loader.dataset[0]
    size = batch or loader.batch_size or getattr(loader.batch_sampler, "batch_size", None)
    data = loader.collate_fn([item] * size if size else item)
    notes = (f"inputs: the data set's first item, {size or 1} times",)
    if isinstance(data, Mapping):
        known = {name for name, _ in _parameters(model.forward)}
        open_ended = _takes_any_name(model)
        return Inputs(kwargs={k: v for k, v in data.items() if open_ended or k in known}, notes=notes)
    if isinstance(data, (tuple, list)):
        wanted = _required(model.forward)
        return Inputs(tuple(data[:wanted]), targets=tuple(data[wanted:]), notes=notes)
    return Inputs((data,), notes=notes)


def _required(function: Callable[..., Any]) -> int:
    """Return how many arguments have no default; at least one."""
    return max(1, sum(parameter.default is parameter.empty for _, parameter in _parameters(function)))


def _parameters(function: Callable[..., Any]) -> list[tuple[str, inspect.Parameter]]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [(name, p) for name, p in _signature(function).items() if p.kind in kinds]


def _takes_any_name(model: torch.nn.Module) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in _signature(model.forward).values())


def _signature(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except ValueError:  # compiled code has none
        return {}


def realise(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a tensor with data for one that has only a shape: random numbers, or index 0."""
    if not tensor.is_meta:
        return tensor
    if tensor.is_floating_point() or tensor.is_complex():
        return torch.rand(tensor.shape, dtype=tensor.dtype, device=device)
    return torch.zeros(tensor.shape, dtype=tensor.dtype, device=device)


def sequence_of(values: Any) -> Sequence[torch.Tensor]:
    """Return the tensors of nested tuples, lists and mappings."""
    return list(tensors_in(_flat(values)))
