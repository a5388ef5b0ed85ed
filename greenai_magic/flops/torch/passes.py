"""One pass of a twin under a counter: forward, and where asked, loss, backward pass and optimiser."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

from greenai_magic.errors import FlopError
from greenai_magic.flops.formulas import Shape
from greenai_magic.flops.report import Phase
from greenai_magic.flops.torch.counter import Counter
from greenai_magic.flops.torch.foreign import ForeignTensors
from greenai_magic.flops.torch.inputs import Inputs, rebatch, sequence_of
from greenai_magic.flops.torch.twin import Twin

MODEL_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What a model raises that cannot take its inputs, or that cannot be followed by shapes."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to count.

    Attributes
    ----------
    model : torch.nn.Module
        The user's; only copies of it are run.
    inputs : Inputs
        To call it with.
    batch : int or None
        To repeat the inputs to.
    train : bool or None
        Whether in training mode; None for the mode that each module is in.
    backward, train_step : bool
        How far to go.
    loss, optimiser : callable or None
        Of the training step.
    recorded : bool
        Whether the forward pass keeps what a backward pass needs, though none follows.
    counter : callable
        Makes what sees the operators.
    """

    model: torch.nn.Module
    inputs: Inputs
    batch: int | None = None
    train: bool | None = None
    backward: bool = False
    train_step: bool = False
    loss: Callable[..., Any] | None = None
    optimiser: Any = None
    recorded: bool = False
    counter: Callable[[], Counter] = Counter


@dataclass(frozen=True, slots=True)
class Pass:
    """What came of a pass: the counter, the twin and its inputs as they are now, and notes for the reader."""

    counter: Counter
    model: torch.nn.Module
    inputs: Inputs
    notes: tuple[str, ...]


class Failed(Exception):
    """A pass that did not come to its end: when, where, on what, and why."""

    def __init__(self, phase: Phase, path: str, shapes: tuple[Shape, ...], reason: Exception) -> None:
        super().__init__(phase, path, shapes, reason)
        self.phase = phase
        self.path = path
        self.shapes = shapes
        self.reason = reason


def run(
    job: Job,
    twin: Twin,
    world: contextlib.AbstractContextManager[Any],
    prepare: Callable[[Any], Any] = lambda m: m,
) -> Pass:
    """Run the twin of a job's model and count it.

    Parameters
    ----------
    job : Job
        What to count.
    twin : Twin
        Copies the model and the inputs.
    world : context manager
        In which the tensors that it makes are at home.
    prepare : callable
        Of the twin's model, before it is run.

    Raises
    ------
    Failed
        If the model cannot be run so.
    """
    counter = job.counter()
    foreign = counter.foreign = ForeignTensors(counter.memory.knows)
    try:
        model = twin.copy(job.model)
        prepare(model)
        if job.train is not None:
            model.train(job.train)
        with world:
            given = {
                "args": twin.copy(job.inputs.args),
                "kwargs": twin.copy(job.inputs.kwargs),
                "targets": twin.copy(job.inputs.targets),
            }
            if job.batch is not None:
                given = rebatch(given, job.batch)
            counter.attach(model)
            counter.memory.leave_out([*sequence_of(given), *model.parameters(), *model.buffers()])
            with counter:
                notes = _step(job, twin, model, given, counter)
    except FlopError:
        raise
    except Exception as error:
        raise Failed(counter.phase, *counter.innermost(), error) from error
    finally:
        foreign.put_back()
    inputs = replace(job.inputs, args=given["args"], kwargs=given["kwargs"])
    return Pass(counter, model, inputs, tuple(notes))


def _step(job: Job, twin: Twin, model: Any, given: dict[str, Any], counter: Counter) -> list[str]:
    notes: list[str] = []
    differentiated = job.backward or job.train_step
    with torch.set_grad_enabled(differentiated or job.recorded):
        out = model(*given["args"], **given["kwargs"])
        if not differentiated:
            return notes
        value = _loss(job, twin, out, given["targets"], counter) if job.train_step else None
        if value is None:
            notes.append("the backward pass starts from a gradient for each output: no loss is counted")
        wanted = _wanted(out if value is None else value)
        ours = {*twin.ids(), *(id(tensor) for tensor in (*model.parameters(), *sequence_of(given)))}
        with _gradients_kept(_foreign(wanted, ours)) as foreign:
            _backward(type(job.model).__name__, wanted, counter)
        if foreign:
            notes.append("works with tensors that are not the model's: they are not in its parameters")
    if job.train_step:
        if job.optimiser is None:
            notes.append("no optimiser was given: none is counted")
        else:
            counter.phase = "optimiser"
            _optimise(_optimiser(job.optimiser, twin, model), counter)
    return notes


def _loss(job: Job, twin: Twin, out: Any, targets: tuple[Any, ...], counter: Counter) -> Any:
    counter.phase = "loss"
    if job.loss is not None:
        return twin.copy(job.loss)(out, *targets)
    return out.get("loss") if isinstance(out, Mapping) else getattr(out, "loss", None)


def _wanted(out: Any) -> list[torch.Tensor]:
    return [tensor for tensor in outputs_in(out) if tensor.requires_grad]


def outputs_in(out: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors of a result, whatever holds them."""
    if isinstance(out, torch.Tensor):
        yield out
    elif isinstance(out, Mapping):
        for value in out.values():
            yield from outputs_in(value)
    elif isinstance(out, (list, tuple)):
        for value in out:
            yield from outputs_in(value)


def _backward(name: str, outputs: list[torch.Tensor], counter: Counter) -> None:
    if not outputs:
        msg = f"No output of {name} wants a gradient, so that there is no backward pass to count."
        raise FlopError(msg)
    counter.muted = True  # the gradient to start from is given, not computed
    gradients = [torch.ones_like(output) for output in outputs]
    counter.muted = False
    counter.phase = "backward"
    torch.autograd.backward(outputs, gradients)


def _foreign(outputs: list[torch.Tensor], ours: set[int]) -> list[torch.Tensor]:
    """Return the user's own tensors that the backward pass would reach, as of a layer that is a global."""
    found, seen = [], set()
    nodes = [output.grad_fn for output in outputs]
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        nodes += [above for above, _ in node.next_functions]
        leaf = getattr(node, "variable", None)
        if leaf is not None and id(leaf) not in ours and not isinstance(leaf, FakeTensor):
            found.append(leaf)
    return found


@contextlib.contextmanager
def _gradients_kept(tensors: list[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Give tensors their gradients back in the end; meanwhile they have none, to which would be added."""
    kept = [tensor.grad for tensor in tensors]
    for tensor in tensors:
        tensor.grad = None
    try:
        yield tensors
    finally:
        for tensor, gradient in zip(tensors, kept, strict=True):
            tensor.grad = gradient


def _optimise(optimiser: Any, counter: Counter) -> None:
    """Count the second step: the first one makes the optimiser's state, and skips some work for it."""
    counter.muted = True
    optimiser.step()
    counter.muted = False
    optimiser.step()


def _optimiser(optimiser: Any, twin: Twin, model: Any) -> Any:
    """Return an optimiser of the twin's parameters, of the same kind and options."""
    if not isinstance(optimiser, torch.optim.Optimizer):
        return optimiser(parameter for parameter in model.parameters() if parameter.requires_grad)
    known = {id(parameter) for parameter in model.parameters()}
    groups = twin.copy(optimiser.param_groups)
    if not any(id(parameter) in known for group in groups for parameter in group["params"]):
        msg = f"The {type(optimiser).__name__} holds none of the model's parameters."
        raise FlopError(msg)
    made = object.__new__(type(optimiser))
    # What unpickling does, with no state yet.
    made.__setstate__(
        {
            "defaults": dict(optimiser.defaults),
            "state": defaultdict(dict),
            "param_groups": groups,
        }
    )
    return made
