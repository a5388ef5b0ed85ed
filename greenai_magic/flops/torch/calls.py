"""Every operator that a model calls, with all that is needed to call it again on other data."""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from greenai_magic.flops.report import FlopReport
from greenai_magic.flops.torch.counter import Counter
from greenai_magic.flops.torch.engine import count
from greenai_magic.flops.torch.plan import cost_of, tensors_in

_PLAIN = (
    int, float, complex, bool, str, type(None), torch.dtype, torch.device, torch.layout, torch.memory_format,
)  # fmt: skip
_NO_WORK = ("prim", "profiler")
_WHOLE = (
    "gru", "lstm", "rnn_tanh", "rnn_relu", "gru_cell", "lstm_cell", "rnn_tanh_cell", "rnn_relu_cell",
)  # fmt: skip
"""Functions of thousands of operators that call each other without Python: in parts they take far longer."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a tensor is, without its data."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @property
    def extent(self) -> int:
        """How many elements its storage needs."""
        if not prod(self.shape):
            return 0
        return 1 + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))


@dataclass(frozen=True, slots=True)
class Other:
    """An argument of which only the type is known: its call cannot be made again."""

    type_name: str


@dataclass(frozen=True, slots=True)
class Call:
    """One operator with its arguments.

    Attributes
    ----------
    func : object
        PyTorch's operator.
    args : tuple
        Positional arguments, each tensor as its :class:`TensorSpec`, lists as tuples.
    kwargs : tuple of tuple
        Arguments by name.
    """

    func: Any
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...]

    def tensors(self) -> Iterator[TensorSpec | Other]:
        """Yield the tensors among its arguments, and what stands for arguments that are not known."""
        yield from _tensors((self.args, tuple(value for _, value in self.kwargs)))

    @property
    def op(self) -> str:
        """The operator's name: ``"aten.addmm.default"``, ``"gru"``."""
        return str(self.func) if isinstance(self.func, torch._ops.OpOverload) else self.func.__name__

    @property
    def is_known(self) -> bool:
        """Whether it is PyTorch's own: what others' would do with made-up data, nobody knows."""
        return getattr(self.func, "namespace", "aten") == "aten"

    @property
    def is_view(self) -> bool:
        """Whether it touches no data."""
        return bool(getattr(self.func, "is_view", False))

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors that it reads or changes."""
        if self.is_view:
            return 0
        specs = (spec for spec in self.tensors() if isinstance(spec, TensorSpec))
        return sum(spec.extent * spec.dtype.itemsize for spec in specs)

    @property
    def device(self) -> torch.device | None:
        """Where its first tensor is, or None where it takes none."""
        return next((spec.device for spec in self.tensors() if isinstance(spec, TensorSpec)), None)


@dataclass(frozen=True, slots=True)
class Called:
    """How often a model makes a call, how many operations each has, and the bytes of its result."""

    call: Call
    times: int
    flops: int
    made_bytes: int


class Recorder(Counter):
    """A counter that keeps the calls themselves, views and copies too: they take time as well."""

    def __init__(self) -> None:
        super().__init__()
        self.whole: Call | None = None
        self._times: Multiset[Call] = Multiset()
        self._flops: Multiset[Call] = Multiset()
        self._made_bytes: dict[Call, int] = {}

    def calls(self) -> tuple[Called, ...]:
        """Return all that was called."""
        return tuple(
            Called(call, times, self._flops[call] // times, self._made_bytes.get(call, 0))
            for call, times in self._times.items()
        )

    def note(self, call: Call) -> None:
        """Count one call."""
        if not self.muted:
            self._times[call] += 1

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the operator, count it and keep the call."""
        named = dict(kwargs or {})
        # Before the call, which may change its arguments' shapes.
        call = self.whole or _call(func, args, named)
        out = super().__torch_dispatch__(func, types, args, named)
        plan = self._plans[func]
        if self.muted or plan.way == "decompose" or plan.op.startswith(_NO_WORK):
            return out
        if self.whole is None:
            self.note(call)
        cost = cost_of(plan, func, args, named, out)
        self._flops[call] += cost.flops if cost else 0
        if call not in self._made_bytes and not call.is_view:
            self._made_bytes[call] = sum(made.numel() * made.element_size() for made in tensors_in(out))
        return out


class _Wholes(TorchFunctionMode):
    """Has the newest recorder keep some functions as one call."""

    def __init__(self) -> None:
        super().__init__()
        self.recorders: list[Recorder] = []

    def recorder(self) -> Recorder:
        """Make the next one."""
        self.recorders.append(Recorder())
        return self.recorders[-1]

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the function."""
        named = dict(kwargs or {})
        if getattr(func, "__name__", "") not in _WHOLE or not self.recorders:
            return func(*args, **named)
        recorder = self.recorders[-1]
        recorder.whole = _call(func, args, named)
        try:
            recorder.note(recorder.whole)
            return func(*args, **named)
        finally:
            recorder.whole = None


def operator_calls(
    model: torch.nn.Module, inputs: Any = None, **options: Any
) -> tuple[FlopReport, tuple[Called, ...]]:
    """Return what a model costs and the calls that it makes; it is neither run nor changed.

    Parameters are those of :func:`greenai_magic.flops.count_flops`.

    Raises
    ------
    FlopError
        If the model cannot take the inputs, or none are known.
    """
    with _Wholes() as wholes:
        report = count(model, inputs, counter=wholes.recorder, **options)
    return report, wholes.recorders[-1].calls()


def _call(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call:
    return Call(func, _specs(args), tuple((name, _spec(value)) for name, value in kwargs.items()))


def _specs(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(map(_spec, values))


def _spec(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided or value.is_quantized:
            return Other(type(value).__name__)
        return TensorSpec(tuple(value.shape), value.stride(), value.dtype, value.device)
    if isinstance(value, (list, tuple)):
        return _specs(value)
    return value if isinstance(value, _PLAIN) else Other(type(value).__name__)


def _tensors(value: Any) -> Iterator[TensorSpec | Other]:
    if isinstance(value, tuple):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, (TensorSpec, Other)):
        yield value
