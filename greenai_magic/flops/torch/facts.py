"""What a report says of a model's modules: parameters, bytes, shapes of their results."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from greenai_magic.flops.report import Module
from greenai_magic.flops.torch.counter import Counter
from greenai_magic.flops.torch.fake import is_lazy


def module_facts(named: Iterable[tuple[str, torch.nn.Module]], counter: Counter) -> tuple[Module, ...]:
    """Return the modules with their own parameters; one that several share is the first one's.

    A scripted module is one piece: no hook tells which of its children runs.
    """
    seen: dict[int, torch.Tensor] = {}
    facts = []
    scripts: list[str] = []
    for path, module in named:
        if any(not script or path.startswith(f"{script}.") for script in scripts):
            continue
        scripted = isinstance(module, torch.jit.ScriptModule)
        if scripted:
            scripts.append(path)
        own = [p for p in module.parameters(recurse=scripted) if id(p) not in seen]
        seen.update((id(parameter), parameter) for parameter in own)
        facts.append(
            Module(
                path,
                type(module).__name__,
                counter.output_shapes.get(path, ()),
                sum(parameter.numel() for parameter in (*own, *_packed(module))),
                sum(parameter.numel() for parameter in own if parameter.requires_grad),
            )
        )
    return tuple(facts)


def weight_bytes(modules: Iterable[torch.nn.Module]) -> int:
    """Return the bytes of the modules' parameters and buffers, each once."""
    tensors: dict[int, torch.Tensor] = {}
    packed = 0
    for module in modules:
        own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
        tensors.update((id(tensor), tensor) for tensor in own)
        packed += sum(nbytes(tensor) for tensor in _packed(module))
    return packed + sum(nbytes(tensor) for tensor in tensors.values())


def nbytes(tensor: torch.Tensor) -> int:
    """Return the bytes of a tensor; none yet of one that waits for its shape."""
    return 0 if is_lazy(tensor) else tensor.numel() * tensor.element_size()


def _packed(module: torch.nn.Module) -> list[torch.Tensor]:
    """Return weight and bias of a quantised layer, which are packed into what is no parameter."""
    packed = [value for value in vars(module).values() if isinstance(value, torch.ScriptObject)]
    parts = [part for value in packed if hasattr(value, "unpack") for part in value.unpack()]
    return [part for part in parts if isinstance(part, torch.Tensor)]
