"""scikit-learn: what ``predict`` or ``transform`` of a fitted estimator costs, from its fitted coefficients.

Closed forms, for what has one; nothing is fitted. Fitting has none, as its course depends on the data: it is
for ``%%carbon`` to measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from greenai_magic.errors import FlopError
from greenai_magic.flops.estimators import AT_MOST, FORMULAS, Data, Work
from greenai_magic.flops.formulas import Shape
from greenai_magic.flops.report import FlopReport, Module, Row

FIT_IS_MEASURED = "{method} only: what fit costs depends on the data, so measure it with %%carbon"
ONE_ROW = "inputs: one row, of as many features as it was fitted on"
_METHODS = ("predict", "transform", "decision_function", "predict_proba")
_SEARCHES = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")
_BYTES = 8
"""Of a number, where no array says it: scikit-learn computes in double precision."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One estimator of the model, and its work."""

    path: str
    class_name: str
    work: Work
    data: Data


def count(
    model: Any,
    inputs: Any = None,
    *,
    batch: int | None = None,
    train: bool | None = None,
    **training: Any,
) -> FlopReport:
    """Count what ``predict`` of a fitted estimator costs, or ``transform`` where it does not predict.

    Parameters
    ----------
    model : sklearn.base.BaseEstimator
        A fitted estimator or pipeline; it stays as it is.
    inputs : object, optional
        An array or table of rows, or their shape ``(rows, features)``; by default one row. Only trees look
        into an array: how many comparisons they make depends on the values.
    batch : int, optional
        How many rows instead.
    train, **training : object
        Not for scikit-learn.

    Raises
    ------
    FlopError
        If it is not fitted, cannot take the inputs, or has no closed form.
    """
    method = "predict" if hasattr(model, "predict") else "transform"
    if train or any(training.values()):
        name = type(model).__name__
        msg = (
            f"What fitting a {name} costs depends on the data: measure it with %%carbon, and count {method}."
        )
        raise FlopError(msg)
    _check_fitted(model)
    data = _read(model, inputs, batch)
    parts = list(_parts(model, "", data))
    asked = () if inputs is not None or batch else (ONE_ROW,)
    return _report(model, data, parts, (*asked, FIT_IS_MEASURED.format(method=method)))


def _report(model: Any, data: Data, parts: list[_Part], notes: tuple[str, ...]) -> FlopReport:
    modules = tuple(_module(part) for part in parts)
    params = sum(module.params for module in modules)
    arrays = [array for part in parts for array in part.work.fitted]
    return FlopReport(
        model=type(model).__name__,
        inputs=f"X: {data.rows} x {data.features}",
        method="executed on this input" if any(p.work.looked for p in parts) else "counted from shapes",
        rows=tuple(row for part in parts for row in _rows(part)),
        modules=modules,
        uncounted=(),
        params=params,
        trainable_params=params,
        weight_bytes=sum(int(array.size) * int(array.dtype.itemsize) for array in arrays),
        notes=(*dict.fromkeys(part.work.note for part in parts if part.work.note), *notes),
        at_most=any(part.work.note.startswith(AT_MOST) for part in parts),
    )


def _check_fitted(model: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    name = type(model).__name__
    try:
        check_is_fitted(model)
    except NotFittedError:
        msg = (
            f"This {name} is not fitted: fit it first, for what predict costs depends on what it has learnt."
        )
        raise FlopError(msg) from None
    except TypeError:  # it has no fit
        raise FlopError(_no_formula(name)) from None


def _read(model: Any, inputs: Any, batch: int | None) -> Data:
    known = getattr(model, "n_features_in_", None)
    values: Callable[[], Any] | None = None
    shape: Any = (1, known) if inputs is None else _shape_said(inputs)
    if shape is None:
        rows = inputs if hasattr(inputs, "shape") else _array(inputs)
        shape = tuple(rows.shape)
        # A transformer may work in place.
        values = rows.copy if hasattr(rows, "copy") else None
    if len(shape) != 2 or shape[1] is None or min(shape) < 1 or known not in (None, shape[1]):
        said = " x ".join(map(str, shape)) if inputs is not None else ""
        msg = f"{type(model).__name__} takes rows x {known or 'features'}, and not {said or 'nothing'}."
        raise FlopError(msg)
    dtype = getattr(inputs, "dtype", None)
    size = getattr(dtype, "itemsize", _BYTES) if getattr(dtype, "kind", "") == "f" else _BYTES
    return Data(batch or shape[0], shape[1], None if batch else values, size)


def _shape_said(inputs: Any) -> Shape | None:
    """Return a shape that was given as one, alone in a list or with a type too; None for rows of values."""
    if isinstance(inputs, list) and len(inputs) == 1 and isinstance(inputs[0], tuple):
        return _shape_said(inputs[0])
    if isinstance(inputs, tuple) and len(inputs) == 2 and isinstance(inputs[1], str):
        return _shape_said(inputs[0])
    if isinstance(inputs, (tuple, list)) and all(isinstance(size, int) for size in inputs):
        return tuple(inputs)
    return None


def _array(rows: Any) -> Any:
    import numpy as np

    try:
        return np.asarray(rows)
    except ValueError as error:
        msg = f"These are no rows of equal length: {error}."
        raise FlopError(msg) from None


def _parts(model: Any, path: str, data: Data) -> Iterator[_Part]:
    """Yield an estimator and what it is made of, in the order in which they work."""
    name = _known_name(type(model))
    if name == "Pipeline":
        yield _Part(path, "Pipeline", Work((), data.features), data)
        for step_name, step in model.steps:
            if step is None or step == "passthrough":
                continue
            inner = list(_parts(step, _below(path, step_name), data))
            yield from inner
            data = _after(step, inner[-1].work, data)
    elif name in _SEARCHES:
        best = getattr(model, "best_estimator_", None)
        if best is None:
            msg = f"This {name} kept no best estimator: set refit=True, or count one of its candidates."
            raise FlopError(msg)
        yield _Part(path, name, Work((), data.features), data)
        yield from _parts(best, _below(path, "best_estimator_"), data)
    elif name in FORMULAS:
        yield _Part(path, type(model).__name__, FORMULAS[name](model, data), data)
    else:
        raise FlopError(_no_formula(type(model).__name__))


def _known_name(kind: type) -> str:
    """Return the name of the class of scikit-learn's that does the work; ``""`` where it is another's."""
    for parent in kind.__mro__:
        if parent.__module__.startswith("sklearn."):
            return parent.__name__
        if any(method in vars(parent) for method in _METHODS):
            break
    return ""


def _no_formula(name: str) -> str:
    return (
        f"No closed form gives what a {name} costs: measure it with %%carbon. There is one for linear "
        "models, PCA, scalers, MLP, SVM, k-means, brute-force k-NN, trees, forests, boosting, pipelines."
    )


def _below(path: str, name: str) -> str:
    name = name.replace(".", "_")
    return f"{path}.{name}" if path else name


def _after(step: Any, work: Work, data: Data) -> Data:
    """Return what a step hands on: values are made only if a later one asks for them."""
    given = data.values
    values = None if given is None else lambda: step.transform(given())
    return replace(data, features=work.columns or 1, values=values)


def _module(part: _Part) -> Module:
    params = sum(int(array.size) for array in part.work.fitted)
    columns = part.work.columns
    shape: Shape = () if not part.work.steps else (part.data.rows, *([columns] if columns else []))
    return Module(part.path, part.class_name, shape, params, params)


def _rows(part: _Part) -> Iterator[Row]:
    for step in part.work.steps:
        kind, flops, macs, formula = step.cost
        moved = part.data.number_bytes * sum(map(prod, (*step.shapes, step.out)))
        yield Row(part.path, "forward", step.op, kind, step.shapes, 1, flops, macs, moved, formula)
