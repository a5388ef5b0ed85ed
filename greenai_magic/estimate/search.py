"""How many fits a scikit-learn search makes, before it makes them."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

from greenai_magic.errors import SettingError

_SEARCHES = ("GridSearchCV", "RandomizedSearchCV")
_HALVING = ("HalvingGridSearchCV", "HalvingRandomSearchCV")
_SAMPLES_PER_SPLIT = 2
"""What scikit-learn starts a halving search with, for each split and each class."""


def search_size(search: Any, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: N803
    """Return how many fits a hyper-parameter search makes, exactly: candidates x splits, and the final fit.

    The search is neither run nor changed. In a halving search each fit counts once, though they grow.

    Parameters
    ----------
    search : object
        A ``GridSearchCV``, ``RandomizedSearchCV``, ``HalvingGridSearchCV`` or ``HalvingRandomSearchCV``.
    X, y, groups : array-like, optional
        The data, where the number of splits depends on them, as leaving one out does.

    Raises
    ------
    SettingError
        If it is no such search, or its splits cannot be told without data.
    """
    selection: Any = sys.modules.get("sklearn.model_selection")
    halving: Any = sys.modules.get("sklearn.model_selection._search_successive_halving")
    if _is_one_of(search, halving, _HALVING):
        splits = _splits(selection, search, X, y, groups)
        fits = sum(_candidates_by_round(selection, search, X, y, splits)) * splits
    elif _is_one_of(search, selection, _SEARCHES):
        fits = _candidates(selection, search) * _splits(selection, search, X, y, groups)
    else:
        msg = (
            f"A {type(search).__name__} is no scikit-learn search whose fits can be counted: give the number "
            "of fits itself."
        )
        raise SettingError(msg)
    return fits + bool(search.refit)


def _is_one_of(search: Any, module: Any, names: Sequence[str]) -> bool:
    return any(isinstance(search, kind) for name in names if (kind := getattr(module, name, None)))


def _candidates(selection: Any, search: Any) -> int:
    if hasattr(search, "param_grid"):
        return len(selection.ParameterGrid(search.param_grid))
    return len(selection.ParameterSampler(search.param_distributions, search.n_iter))


def _splits(selection: Any, search: Any, X: Any, y: Any, groups: Any) -> int:  # noqa: N803
    if hasattr(search.cv, "__next__"):
        msg = (
            "The splits of this search are an iterator, which counting would use up: give it a list of them."
        )
        raise SettingError(msg)
    classifier = sys.modules["sklearn.base"].is_classifier(search.estimator)
    splitter = selection.check_cv(search.cv, y, classifier=classifier)
    try:
        return int(splitter.get_n_splits(X, y, groups))
    except (TypeError, ValueError) as error:
        needed = f"The splits of {type(splitter).__name__} cannot be counted: {error}"
        msg = f"{needed.rstrip('.')} Pass X, y and groups as to fit."
        raise SettingError(msg) from error


def _candidates_by_round(selection: Any, search: Any, X: Any, y: Any, splits: int) -> list[int]:  # noqa: N803
    """Return how many candidates each round has; a ``factor``-th of one's, rounded up, goes on to the next.

    Jamieson and Talwalkar 2016 (arXiv 1502.07943), with the resources of scikit-learn's user guide, 3.2.3.
    """
    least, most = _resources(search, X, y, splits)
    if hasattr(search, "param_grid"):
        candidates = len(selection.ParameterGrid(search.param_grid))
    else:
        wanted = most // least if search.n_candidates == "exhaust" else search.n_candidates
        candidates = len(selection.ParameterSampler(search.param_distributions, wanted))
    required = 1 + math.floor(math.log(candidates, search.factor))
    if search.min_resources == "exhaust":
        least = max(least, int(most // search.factor ** (required - 1)))
    possible = 1 + math.floor(math.log(most // least, search.factor))
    rounds = []
    for _ in range(required if search.aggressive_elimination else min(possible, required)):
        rounds.append(candidates)
        candidates = math.ceil(candidates / search.factor)
    return rounds


def _resources(search: Any, X: Any, y: Any, splits: int) -> tuple[int, int]:  # noqa: N803
    """Return the least and the most of the resource that a candidate is given."""
    of_samples = search.resource == "n_samples"
    needs_y = of_samples and isinstance(search.min_resources, str) and y is None
    if (search.max_resources == "auto" and X is None) or (
        needs_y and sys.modules["sklearn.base"].is_classifier(search.estimator)
    ):
        msg = f"The rounds of {type(search).__name__} depend on the data: pass X and y as to fit."
        raise SettingError(msg)
    most = search.max_resources
    if most == "auto":
        most = X.shape[0] if hasattr(X, "shape") else len(X)
    least = search.min_resources
    if isinstance(least, str):
        least = 1
        if of_samples:
            classifier = sys.modules["sklearn.base"].is_classifier(search.estimator)
            least = splits * _SAMPLES_PER_SPLIT * (len(set(_plain(y))) if classifier else 1)
    if least > most:
        msg = f"{type(search).__name__} starts with {least} of {search.resource}, which has {most} at most."
        raise SettingError(msg)
    return int(least), int(most)


def _plain(values: Any) -> Any:
    return values.tolist() if hasattr(values, "tolist") else values
