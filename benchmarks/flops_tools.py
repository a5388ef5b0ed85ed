"""greenai_magic and the other counters behind one function: from a model and its inputs to MACs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

Inputs = Mapping[str, torch.Tensor]


def ordered(model: nn.Module, inputs: Inputs) -> tuple[torch.Tensor, ...] | None:
    """Return the inputs in order, where the model takes them so; hooks of some tools see no others."""
    first = [*inspect.signature(model.forward).parameters][: len(inputs)]
    return tuple(inputs.values()) if first == [*inputs] else None


class ByPosition(nn.Module):
    """A model that takes its inputs in order and gives plain tensors, for tools that know nothing else."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Run the model; all tensors of its output count as used."""
        named = dict(zip(self.names, inputs, strict=True))
        in_order = ordered(self.model, named)
        return tuple(_tensors(self.model(**named) if in_order is None else self.model(*in_order)))


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)


def _ours(model: nn.Module, inputs: Inputs, *, backward: bool = False) -> int:
    from greenai_magic.flops import count_flops

    report = count_flops(model, dict(inputs), backward=backward)
    if report.uncounted:
        msg = f"not counted: {', '.join(item.op for item in report.uncounted)}"
        raise RuntimeError(msg)
    return report.macs


def _run(model: nn.Module, inputs: Inputs, *, backward: bool = False) -> None:
    with torch.set_grad_enabled(backward):
        outputs = [tensor for tensor in _tensors(model(**inputs)) if tensor.requires_grad]
    if backward:
        torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])


def _torch_counter(model: nn.Module, inputs: Inputs, *, backward: bool = False) -> float:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        _run(model, inputs, backward=backward)
    return counter.get_total_flops() / 2


def _fvcore(model: nn.Module, inputs: Inputs) -> float:
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(ByPosition(model, tuple(inputs)).eval(), tuple(inputs.values()))
    analysis.unsupported_ops_warnings(enabled=False).uncalled_modules_warnings(enabled=False)
    return analysis.total()


def _thop(model: nn.Module, inputs: Inputs) -> float:
    from thop import profile

    by_position = ByPosition(model, tuple(inputs)).eval()
    return profile(by_position, inputs=tuple(inputs.values()), verbose=False)[0]


def _ptflops(model: nn.Module, inputs: Inputs) -> float:
    from ptflops import get_model_complexity_info

    size = next(iter(inputs.values())).shape
    in_order = ordered(model, inputs)
    given = in_order[0] if in_order and len(in_order) == 1 else dict(inputs)
    macs, _ = get_model_complexity_info(
        model, tuple(size[1:]), input_constructor=lambda _: given, as_strings=False,
        print_per_layer_stat=False, verbose=False,
    )  # fmt: skip
    # It gives no figure where it failed, and that of one item where there are several.
    if macs is None:
        msg = "it gives None"
        raise RuntimeError(msg)
    return macs * size[0]


def _torchinfo(model: nn.Module, inputs: Inputs) -> float:
    from torchinfo import summary

    return summary(model, input_data=ordered(model, inputs) or dict(inputs), verbose=0).total_mult_adds


def _calflops(model: nn.Module, inputs: Inputs) -> float:
    from calflops import calculate_flops

    in_order = ordered(model, inputs)
    given = {"kwargs": dict(inputs)} if in_order is None else {"args": list(in_order)}
    return calculate_flops(model, **given, print_results=False, print_detailed=False, output_as_string=False)[
        1
    ]


def _deepspeed(model: nn.Module, inputs: Inputs) -> float:
    from deepspeed.profiling.flops_profiler import get_model_profile

    in_order = ordered(model, inputs)
    given = {"kwargs": dict(inputs)} if in_order is None else {"args": list(in_order)}
    _, macs, _ = get_model_profile(model, **given, print_profile=False, as_string=False, warm_up=0)
    return macs


@dataclass(frozen=True)
class Counter:
    """How to count with one tool, the module to import beforehand, and whose that must be if two have it."""

    module: str
    count: Callable[..., float | None]
    package: str | None = None


OURS, FORWARD = "greenai_magic", "plain forward"
AT_HOME = {
    OURS: Counter("greenai_magic.flops.torch.engine", _ours),
    FORWARD: Counter("torch", _run),
    "FlopCounterMode": Counter("torch.utils.flop_counter", _torch_counter),
}
"""What our own interpreter has; the rest are the peers."""
TRAINED = {
    f"{name} with backward": replace(counter, count=partial(counter.count, backward=True))
    for name, counter in AT_HOME.items()
}
PEERS = {
    "fvcore": Counter("fvcore.nn", _fvcore),
    "thop": Counter("thop", _thop, "thop"),
    "ptflops": Counter("ptflops", _ptflops),
    "torchinfo": Counter("torchinfo", _torchinfo),
    "calflops": Counter("calflops", _calflops),
}
"""By the name that pip knows."""
APART = {
    "ultralytics-thop": Counter("thop", _thop, "ultralytics-thop"),
    "deepspeed": Counter("deepspeed.profiling.flops_profiler", _deepspeed),
}
"""Peers in interpreters of their own: the one takes thop's name; installing the other may fail."""
COUNTERS = AT_HOME | PEERS | APART | TRAINED
