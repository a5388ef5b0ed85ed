"""fvcore and thop: each counts a copy of the model, by executing it, and what it says is put into a Tally."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch.utils import _pytree as pytree

from greenai_magic.errors import MissingExtra
from greenai_magic.flops.crosscheck import Tally
from greenai_magic.flops.report import FlopReport
from greenai_magic.flops.torch.engine import free_bytes, unwrapped
from greenai_magic.flops.torch.facts import nbytes
from greenai_magic.flops.torch.fake import cloned
from greenai_magic.flops.torch.inputs import Inputs, read_inputs, realise, rebatch
from greenai_magic.flops.torch.passes import MODEL_ERRORS, outputs_in
from greenai_magic.flops.torch.twin import Twin
from greenai_magic.flops.torch.world import unchanged

ROOT = "model"
"""What the wrapped model is called."""
THOPS = {"thop": "MIT", "ultralytics-thop": "AGPL-3.0"}
"""The two packages that install the name thop; the first is the one that is asked for."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A copy of the model for one peer.

    Attributes
    ----------
    call : torch.nn.Module
        Holds the model as ``ROOT``; takes tensors alone and gives tensors alone.
    tensors : tuple of torch.Tensor
        To call it with.
    report : FlopReport
        Our own count.
    """

    call: torch.nn.Module
    tensors: tuple[torch.Tensor, ...]
    report: FlopReport

    @property
    def model(self) -> torch.nn.Module:
        """The copy itself."""
        model: torch.nn.Module = getattr(self.call, ROOT)
        return model


class Call(torch.nn.Module):
    """Calls a model with any arguments, given only the tensors of them: more no tracer takes."""

    def __init__(self, model: torch.nn.Module, arguments: Any) -> None:
        super().__init__()
        self.model = model
        self._leaves, self._layout = pytree.tree_flatten(arguments)

    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Return the tensors of the arguments."""
        return tuple(leaf for leaf in self._leaves if isinstance(leaf, torch.Tensor))

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the tensors of the model's result, all of them: a trace drops what leads to none."""
        given = iter(tensors)
        leaves = [next(given) if isinstance(leaf, torch.Tensor) else leaf for leaf in self._leaves]
        args, kwargs = pytree.tree_unflatten(leaves, self._layout)
        return tuple(outputs_in(self.model(*args, **kwargs)))


def tallies(report: FlopReport, model: Any, inputs: Any, batch: int | None) -> list[Tally]:
    """Return the counts of fvcore and thop; see :func:`greenai_magic.flops.crosscheck.crosscheck`.

    Raises
    ------
    MissingExtra
        If one of them is not installed.
    """
    from greenai_magic.flops.torch import fvcore, thop

    ways = ((fvcore_name(), fvcore.tally), (thop_name(), thop.tally))
    model = unwrapped(model)
    with unchanged(), _silence():
        given = read_inputs(model, inputs, batch)
        guesses = [given, *([given.as_integers()] if given.guessed else [])]  # as the engine tries them
        copied = partial(_copied, report, model, batch)
        return [_tally(name, way, guesses, copied) for name, way in ways]


def fvcore_name() -> str:
    """Return name and version of fvcore."""
    found = _installed("fvcore")
    if found is None:
        raise MissingExtra(_missing("fvcore"))
    return f"fvcore {found}"


def thop_name() -> str:
    """Return name, version and licence of the package that is imported as ``thop``.

    The one that was installed last owns the files, and is told by its version where both are there.
    """
    found = {name: known for name in THOPS if (known := _installed(name))}
    if not found:
        raise MissingExtra(_missing("thop"))
    name = next(iter(found))
    if len(found) > 1:
        with contextlib.suppress(*MODEL_ERRORS), _silence():
            import thop

            imported = getattr(thop, "__version__", "")
            name = next((name for name, known in found.items() if known.startswith(imported)), name)
    return f"{name} {found[name]} ({THOPS[name]})"


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _missing(name: str) -> str:
    return f"--crosscheck needs {name}: run `pip install greenai-magic[torch]`."


def _tally(
    name: str,
    way: Callable[[str, Subject], Tally],
    guesses: list[Inputs],
    copied: Callable[[Inputs], Subject],
) -> Tally:
    reasons: list[str] = []
    for guess in guesses:
        try:
            return way(name, copied(guess))
        except MODEL_ERRORS as error:
            reasons.append(" ".join((type(error).__name__ + ":", *str(error).strip().splitlines()[:1])))
    return Tally(name, failure=f"it cannot count this model ({reasons[0]})")


def _copied(report: FlopReport, model: torch.nn.Module, batch: int | None, inputs: Inputs) -> Subject:
    twin = Twin(cloned)
    arguments = twin.copy((inputs.args, inputs.kwargs))
    if batch is not None:
        arguments = rebatch(arguments, batch)
    tensors = [*model.parameters(), *model.buffers()]
    device = next((tensor.device for tensor in tensors), torch.device("cpu"))
    if device.type != "meta":
        arguments = pytree.tree_map_only(torch.Tensor, partial(realise, device=device), arguments)
        _check_room(sum(map(nbytes, tensors)), free_bytes(device))
    call = Call(twin.copy(model), arguments)
    call.training = model.training
    return Subject(call, call.tensors(), report)


def _check_room(needed: int, free: int) -> None:
    if needed > free // 2:
        msg = f"a copy takes {needed / 1e9:.1f} GB, more than half of the {free / 1e9:.1f} GB that are free"
        raise OSError(msg)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep the peers' prints, warnings and log lines from the user."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
