"""Operations: what a model costs in multiply-adds, parameters and bytes, without running it."""

from __future__ import annotations

import sys
from importlib import import_module
from numbers import Integral
from typing import TYPE_CHECKING, Any

from greenai_magic.errors import FlopError

if TYPE_CHECKING:
    from greenai_magic.flops.registry import register_flops
    from greenai_magic.flops.report import FlopReport

__all__ = ["FlopReport", "count_flops", "register_flops"]

_HOMES = {
    "FlopReport": "greenai_magic.flops.report",
    "register_flops": "greenai_magic.flops.registry",
}


def count_flops(
    model: Any,
    inputs: Any = None,
    *,
    backward: bool = False,
    train_step: bool = False,
    batch: int | None = None,
    train: bool | None = None,
    loss: Any = None,
    optimiser: Any = None,
) -> FlopReport:
    """Count the operations of a model; it is neither run nor changed.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model or sklearn.base.BaseEstimator
        The model; of a fitted estimator, ``predict`` or ``transform`` is counted.
    inputs : object, optional
        A tensor (on ``meta`` too), a tuple of arguments, a dict of keyword arguments, a shape or a list
        of shapes, each with its type or without (``((1, 128), "int64")``), or a DataLoader. By default,
        what the model says of itself.
    backward : bool
        Whether to count the backward pass as well.
    train_step : bool
        Whether to count a whole training step: ``loss`` and ``optimiser`` are phases of their own.
    batch : int, optional
        How many items; by default, as many as ``inputs`` have.
    train : bool, optional
        Whether in training mode; by default, the mode that the model is in.
    loss : callable, optional
        Of the model's output, and of the targets if ``inputs`` is a DataLoader or a batch that has them;
        for Keras, what ``compile`` takes, and by default the compiled model's own.
    optimiser : object, optional
        An optimiser of the model's parameters, or what makes one of them, as ``torch.optim.AdamW``; for
        Keras, what ``compile`` takes, and by default the compiled model's own.

    Returns
    -------
    FlopReport
        The count, by operator, module and phase.

    Raises
    ------
    FlopError
        If the model cannot take the inputs, or none are known.
    """
    if not train_step and (loss is not None or optimiser is not None):
        msg = "loss and optimiser belong to a training step: pass train_step=True."
        raise FlopError(msg)
    _check_batch(batch)
    options = {
        "backward": backward,
        "train_step": train_step,
        "batch": batch,
        "train": train,
        "loss": loss,
        "optimiser": optimiser,
    }
    # A Keras model is a PyTorch module too where PyTorch is its backend.
    for framework, kind, engine in (
        ("keras", "Layer", "greenai_magic.flops.keras.engine"),
        ("torch.nn", "Module", "greenai_magic.flops.torch.engine"),
        ("sklearn.base", "BaseEstimator", "greenai_magic.flops.sklearn"),
    ):
        known = getattr(sys.modules.get(framework), kind, None)
        if known is not None and isinstance(model, known):
            report: FlopReport = import_module(engine).count(model, inputs, **options)
            return report
    msg = (
        f"A {type(model).__name__} is no PyTorch module, no Keras model and no scikit-learn estimator: "
        "there is nothing to count."
    )
    raise FlopError(msg)


def _check_batch(batch: Any) -> None:
    if batch is not None and (not isinstance(batch, Integral) or int(batch) < 1):
        msg = f"batch must be 1 or more, not {batch!r}."
        raise FlopError(msg)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)
