"""What running code costs: counts the operators that PyTorch executes, as it executes them."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from greenai_magic.flops.report import FlopReport, Module, Uncounted
from greenai_magic.flops.torch.counter import Counter
from greenai_magic.flops.torch.facts import module_facts, weight_bytes


class CellCounter(Counter):
    """Counts running code; modules go by the class of the outermost one that is called: ``Net.body.0``."""

    def __init__(self) -> None:
        super().__init__()
        self._named: dict[str, torch.nn.Module] = {}
        self._paths: dict[int, str] = {}
        self._thread = threading.get_ident()
        self._elsewhere = 0

    def sees(self) -> bool:
        """Return whether what runs now is counted; a module that another thread calls is only noted.

        PyTorch's hooks are those of all threads, and its modes those of one; it hands them on to the threads
        of its backward pass.
        """
        seen = any(mode is self for mode in _get_current_dispatch_mode_stack())
        self._elsewhere += not seen and threading.get_ident() != self._thread
        return seen

    def uncounted(self) -> tuple[Uncounted, ...]:
        """Return the operators that no formula counts, and the modules that other threads called."""
        others = (Uncounted("another thread", (), self._elsewhere, ("",)),) if self._elsewhere else ()
        return (*super().uncounted(), *others)

    def report(self, name: str) -> FlopReport:
        """Return what was counted, with the modules that were called.

        Parameters
        ----------
        name : str
            Of the code, as in ``"this cell"``.
        """
        modules = module_facts(self._named.items(), self)
        return FlopReport(
            model=name,
            inputs="",
            method="executed on this input",
            rows=self.rows(),
            modules=(Module("", name, (), 0, 0), *modules),
            uncounted=self.uncounted(),
            params=sum(module.params for module in modules),
            trainable_params=sum(module.trainable_params for module in modules),
            weight_bytes=weight_bytes(self._named.values()),
            activation_bytes=self.memory.made,
            peak_activation_bytes=self.memory.peak,
        )

    def path_of(self, module: torch.nn.Module) -> str:
        """Return the module's path, and learn those of all inside if it is met for the first time."""
        if id(module) not in self._paths:
            root = self._free_name(type(module).__name__)
            for path, part in module.named_modules():
                full = f"{root}.{path}" if path else root
                self._named[full] = part  # keeps it alive, so that its id stays its own
                self._paths.setdefault(id(part), full)
                self.know(full, part)
        return self._paths[id(module)]

    def _free_name(self, name: str) -> str:
        number = 2
        free = name
        while free in self._named:
            free, number = f"{name}-{number}", number + 1
        return free


@contextlib.contextmanager
def counting() -> Iterator[CellCounter]:
    """Count what PyTorch executes inside a ``with`` block; nothing is changed, and all runs as ever.

    Yields
    ------
    CellCounter
        Its report is complete when the block ends.
    """
    counter = CellCounter()

    def enter(module: Any, args: Any) -> None:
        if counter.sees():
            counter.enter(counter.path_of(module), args)

    def leave(module: Any, _args: Any, out: Any) -> None:
        if counter.sees():
            counter.leave(counter.path_of(module), out)

    def before_step(*_: Any) -> None:
        if counter.sees():
            counter.phase = "optimiser"

    def after_step(*_: Any) -> None:
        if counter.sees():
            counter.phase = "forward"

    hooks = (
        register_module_forward_pre_hook(enter),
        register_module_forward_hook(leave),
        register_optimizer_step_pre_hook(before_step),
        register_optimizer_step_post_hook(after_step),
    )
    try:
        with _no_warning(), counter:
            yield counter
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def _no_warning() -> Iterator[None]:
    """Silence the warning of ``torch.compile`` that there are hooks on all modules, and no other."""
    warnings.filterwarnings("ignore", message=r"Using `torch\.compile\(module\)` when there are global hooks")
    ours = warnings.filters[0]
    try:
        yield
    finally:
        if ours in warnings.filters:
            warnings.filters.remove(ours)  # type: ignore[attr-defined]
