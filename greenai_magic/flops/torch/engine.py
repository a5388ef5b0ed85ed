"""The PyTorch engine: follows a twin of the model by shapes, or runs a copy where that cannot be."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)

from greenai_magic.errors import FlopError
from greenai_magic.flops.report import FlopReport, Method, Row
from greenai_magic.flops.torch.counter import Counter
from greenai_magic.flops.torch.facts import module_facts, nbytes, weight_bytes
from greenai_magic.flops.torch.fake import NeedsRun, cloned, faker
from greenai_magic.flops.torch.inputs import (
    as_text,
    describe,
    read_inputs,
    realise,
    sequence_of,
    split_targets,
)
from greenai_magic.flops.torch.passes import Failed, Job, Pass, run
from greenai_magic.flops.torch.twin import Twin
from greenai_magic.flops.torch.world import unchanged

ATTENTION_BACKWARD = "fused attention makes its scores again for the backward pass: 2.5 times the forward one"
_DATA_DEPENDENT = (DataDependentOutputException, DynamicOutputShapeException)
_UNFOLLOWED = (UnsupportedOperatorException, UnsupportedFakeTensorException)
_MUST_RUN = (*_DATA_DEPENDENT, *_UNFOLLOWED, NeedsRun)


def count(
    model: torch.nn.Module,
    inputs: Any = None,
    *,
    backward: bool = False,
    train_step: bool = False,
    batch: int | None = None,
    train: bool | None = None,
    loss: Callable[..., Any] | None = None,
    optimiser: Any = None,
    counter: Callable[[], Counter] = Counter,
) -> FlopReport:
    """Count the operations of a PyTorch model; see :func:`greenai_magic.flops.count_flops`.

    ``counter`` makes what sees the operators, once for each attempt.
    """
    model = unwrapped(model)
    with unchanged():
        _check_callable("loss", loss)
        _check_callable("optimiser", None if isinstance(optimiser, torch.optim.Optimizer) else optimiser)
        given = read_inputs(model, inputs, batch)
        if train_step:
            given = split_targets(model, given, loss)
        job = Job(model, given, batch, train, backward, train_step, loss, optimiser, counter=counter)
        failure: Failed | None = None
        for attempt in _attempts(job):
            try:
                return attempt(failure)
            except Failed as failed:
                failure = failed
        _drop_frames(failure)
        msg = _sentence(job, failure)
        raise FlopError(msg) from (failure and failure.reason)


def _check_callable(name: str, value: Any) -> None:
    if value is not None and not callable(value):
        example = {"loss": "torch.nn.CrossEntropyLoss()", "optimiser": "torch.optim.AdamW"}[name]
        msg = f"{name}={value!r} cannot be called: pass one of PyTorch's, as {example}."
        raise FlopError(msg)


def _drop_frames(error: BaseException | None) -> None:
    """Let go of what ran: a notebook keeps the last error, and with it would keep the copies."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _attempts(job: Job) -> Iterator[Callable[[Failed | None], FlopReport]]:
    """Yield the ways to count, best first; some are for one kind of failure and hand on any other."""
    yield partial(_by_shapes, job)
    if not (job.backward or job.train_step):
        recorded = replace(job, recorded=True)
        yield partial(_if_it_says, "not require grad", _by_shapes, recorded)  # it differentiates something
    if job.inputs.guessed:
        indices = replace(job, inputs=job.inputs.as_integers())
        yield partial(_if_it_says, "index|indices", _by_shapes, indices)
    if hasattr(getattr(job.model, "config", None), "_experts_implementation"):
        yield partial(_by_shapes, job, prepare=_group_experts)
    yield partial(_by_running, job)
    if job.inputs.guessed:
        yield partial(_if_it_says, "index|indices", _by_running, indices)


def _if_it_says(
    words: str, way: Callable[[Job, Failed | None], FlopReport], job: Job, failure: Failed | None
) -> FlopReport:
    if failure and not re.search(words, str(failure.reason)):
        raise failure
    return way(job, failure)


def _by_shapes(job: Job, _: Failed | None, prepare: Callable[[Any], Any] = lambda m: m) -> FlopReport:
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    twin = Twin(faker(mode, _device(job.model)))
    done = run(job, twin, mode, prepare)
    return _report(job, "counted from shapes", done, twin.shared)


def _group_experts(model: Any) -> None:
    """Route by grouped products: the work of any routing, which sends each token to as many experts."""
    for module in model.modules():
        config: Any = getattr(module, "config", None)
        if hasattr(config, "_experts_implementation"):
            config._experts_implementation = "grouped_mm"


def _by_running(job: Job, failure: Failed | None) -> FlopReport:
    _check_room(job, failure)
    device = _device(job.model)
    twin = Twin(lambda tensor: cloned(realise(tensor, device)))
    done = run(job, twin, contextlib.nullcontext())
    return _report(job, "executed on this input", done, twin.shared)


def _check_room(job: Job, failure: Failed | None) -> None:
    """Refuse to run a copy that has no data or would not fit half of the memory that is free."""
    why = _reason(failure.reason) if failure else ""
    tensors = [*job.model.parameters(), *job.model.buffers()]
    if any(tensor.is_meta for tensor in tensors):
        if failure and isinstance(failure.reason, _MUST_RUN):
            name = type(job.model).__name__
            msg = f"{name} can only be counted by running it ({why}): on meta it has no data."
            raise FlopError(msg)
        raise FlopError(_sentence(job, failure))
    copies = 1 + (job.backward or job.train_step) + 2 * (job.optimiser is not None)
    needed = copies * sum(nbytes(tensor) for tensor in tensors)
    needed += sum(nbytes(tensor) for tensor in sequence_of((job.inputs.args, job.inputs.kwargs)))
    free = free_bytes(_device(job.model))
    if needed > free // 2:
        msg = (
            f"{type(job.model).__name__} can only be counted by running it ({why}), and a copy of it takes "
            f"{needed / 1e9:.1f} GB: more than half of the {free / 1e9:.1f} GB that are free."
        )
        raise FlopError(msg)


def free_bytes(device: torch.device) -> int:
    """Return the memory that a device has left."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return int(psutil.virtual_memory().available)


def _sentence(job: Job, failure: Failed | None) -> str:
    if failure is None:
        return f"{type(job.model).__name__} on meta holds no data to run it with."
    name = type(job.model).__name__
    if failure.phase != "forward":
        what = "backward pass" if failure.phase == "backward" else failure.phase
        called_wrongly = failure.phase == "loss" and isinstance(failure.reason, TypeError)
        needs_targets = called_wrongly and not job.inputs.targets
        advice = ": pass a DataLoader, a batch with its targets, or a loss of the output alone"
        return f"The {what} of {name} fails: {_reason(failure.reason)}{advice if needs_targets else ''}"
    where = f"{name}'s {failure.path}" if failure.path else name
    shapes = [as_text(shape) for shape in failure.shapes] or [_given_text(job)]
    return f"{where} cannot take inputs of {', '.join(shapes)}: {_reason(failure.reason)}"


def _given_text(job: Job) -> str:
    """Return the inputs as people read them: their types, where there are no tensors among them."""
    values = (*job.inputs.args, *job.inputs.kwargs.values())
    types = ", ".join(f"type {type(value).__name__}" for value in values)
    return describe(job.model, job.inputs) or types or "no value"


def _reason(error: Exception) -> str:
    if isinstance(error, _DATA_DEPENDENT):
        return "its course depends on the data"
    if isinstance(error, _UNFOLLOWED):
        return f"shapes alone do not tell what {error} gives"
    if isinstance(error, KeyError):  # its text is the key alone
        return f"KeyError: {error}"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    for line, marker in pairwise(lines):
        if "<--- HERE" in marker:  # a script tells where, and sometimes not why
            return f"{lines[-1].strip()} {line.strip()}"
    return lines[0]


def unwrapped(model: Any) -> Any:
    """Return the model inside ``torch.compile`` and data parallelism."""
    wrappers = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    while True:
        inner = model.module if isinstance(model, wrappers) else getattr(model, "_orig_mod", None)
        if inner is None:
            return model
        model = inner


def _device(model: torch.nn.Module) -> torch.device:
    """Return where the model lives; ``meta`` is nowhere, so that it becomes the CPU."""
    tensors = (*model.parameters(), *model.buffers())
    return next((t.device for t in tensors if not t.is_meta), torch.device("cpu"))


def _report(job: Job, method: Method, done: Pass, shared: list[str]) -> FlopReport:
    rows = done.counter.rows()
    modules = module_facts(done.model.named_modules(), done.counter)
    return FlopReport(
        model=type(job.model).__name__,
        inputs=_inputs_text(job, done),
        method=method,
        rows=rows,
        modules=modules,
        uncounted=done.counter.uncounted(),
        params=sum(module.params for module in modules),
        trainable_params=sum(module.trainable_params for module in modules),
        weight_bytes=weight_bytes(done.model.modules()),
        activation_bytes=done.counter.memory.made,
        peak_activation_bytes=done.counter.memory.peak,
        notes=(*job.inputs.notes, *done.notes, *_notes(rows, done, shared)),
    )


def _below(model: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the modules inside a model; a scripted one is all one piece."""
    return [] if isinstance(model, torch.jit.ScriptModule) else list(model.modules())


def _inputs_text(job: Job, done: Pass) -> str:
    text = describe(job.model, done.inputs)
    return text if job.batch is None else f"{text}; batch {job.batch}"


def _notes(rows: tuple[Row, ...], done: Pass, shared: list[str]) -> Iterator[str]:
    if done.model.training:
        yield "in training mode"
    if any(row.kind == "attention" and row.phase == "backward" for row in rows):
        yield ATTENTION_BACKWARD
    if any(isinstance(child, torch.jit.ScriptModule) for child in _below(done.model)):
        yield "the work of scripted modules is listed with the module that holds them"
    if shared:
        yield f"not copied but shared with the model: {', '.join(sorted(set(shared)))}"
