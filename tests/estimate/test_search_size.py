"""The number of fits that is told beforehand is the one that scikit-learn then makes."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn")

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  registers the two below
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    PredefinedSplit,
    RandomizedSearchCV,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
)

from greenai_magic.errors import SettingError
from greenai_magic.estimate.project import search_size

ROWS = 120
X = np.arange(2.0 * ROWS).reshape(ROWS, 2)
Y = np.arange(ROWS) % 3
GROUPS = np.arange(ROWS) % 4
GRID = {"a": [1, 2, 3, 4], "b": [1, 2, 3]}
SEVERAL = [{"a": [1, 2]}, {"a": [1], "b": [1, 2, 3]}]


class Fits(ClassifierMixin, BaseEstimator):
    """Counts how often any copy of it is fitted."""

    made = 0

    def __init__(self, a=1, b=1, n=1):
        self.a, self.b, self.n = a, b, n

    def fit(self, X, y):  # noqa: N803
        Fits.made += 1
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):  # noqa: N803
        return np.zeros(len(X), dtype=int)

    def score(self, X, y):  # noqa: N803
        return self.a + self.b


class Ranks(Fits):
    """The same, and no classifier."""

    _estimator_type = "regressor"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor"
        return tags


def _all_searches():
    one = Fits()
    yield GridSearchCV(one, GRID)
    yield GridSearchCV(one, GRID, cv=3, refit=False)
    yield GridSearchCV(one, SEVERAL, cv=KFold(4))
    yield GridSearchCV(one, GRID, cv=RepeatedStratifiedKFold(n_splits=2, n_repeats=3))
    yield GridSearchCV(one, GRID, cv=ShuffleSplit(7))
    yield GridSearchCV(one, {"a": [1, 2]}, cv=LeaveOneOut())
    yield GridSearchCV(one, GRID, cv=LeaveOneGroupOut())
    yield GridSearchCV(one, GRID, cv=GroupKFold(2))
    yield GridSearchCV(one, GRID, cv=PredefinedSplit(Y))
    yield GridSearchCV(one, GRID, cv=[*KFold(6).split(X)])
    yield GridSearchCV(one, GRID, scoring=["accuracy", "f1_macro"], refit="accuracy", cv=2)
    yield GridSearchCV(one, {}, cv=2)
    yield RandomizedSearchCV(one, GRID, n_iter=5, cv=2)
    yield RandomizedSearchCV(one, GRID, n_iter=10, cv=2, refit=False)
    for options in (
        {},
        {"factor": 2},
        {"factor": 4, "cv": 3, "refit": False},
        {"min_resources": "smallest", "cv": 2},
        {"min_resources": 20, "cv": 2},
        {"max_resources": 60, "cv": 2},
        {"aggressive_elimination": True, "max_resources": 40, "cv": 2, "min_resources": 20},
        {"resource": "n", "max_resources": 30, "cv": 2},
        {"resource": "n", "max_resources": 5, "min_resources": "smallest", "cv": 2, "factor": 2},
    ):
        yield HalvingGridSearchCV(one, GRID, **options)
        yield HalvingGridSearchCV(Ranks(), GRID, **options)
    grown = {"n_candidates": 9, "cv": StratifiedKFold(2)}
    yield HalvingRandomSearchCV(one, GRID, **grown)
    yield HalvingRandomSearchCV(one, GRID, **grown | {"n_candidates": 7, "min_resources": 30})
    yield HalvingRandomSearchCV(one, {"a": range(100)}, cv=2)


@pytest.mark.parametrize("search", [*_all_searches()], ids=lambda search: f"{search!r:.60}")
@pytest.mark.filterwarnings("ignore")
def test_as_many_fits_as_are_made(search):
    before = dict(vars(search))
    told = search_size(search, X, Y, GROUPS)
    assert vars(search) == before
    Fits.made = 0
    needs_groups = isinstance(getattr(search, "cv", None), (LeaveOneGroupOut, GroupKFold))
    search.fit(X, Y, **({"groups": GROUPS} if needs_groups else {}))
    assert told == Fits.made


def test_folds_that_do_not_depend_on_data_need_none():
    assert search_size(GridSearchCV(Fits(), GRID)) == 12 * 5 + 1
    assert search_size(GridSearchCV(Fits(), GRID, cv=LeaveOneGroupOut()), groups=GROUPS) == 12 * 4 + 1


@pytest.mark.parametrize(
    ("search", "why"),
    [
        (GridSearchCV(Fits(), GRID, cv=LeaveOneOut()), "LeaveOneOut cannot be counted"),
        (GridSearchCV(Fits(), GRID, cv=GroupKFold(2).split(X, Y, GROUPS)), "use up"),
        (HalvingGridSearchCV(Fits(), GRID), "pass X and y"),
        (HalvingGridSearchCV(Fits(), GRID, max_resources=60), "pass X and y"),
        (Fits(), "no scikit-learn search"),
        ("grid", "no scikit-learn search"),
    ],
)
def test_what_cannot_be_counted_is_said(search, why):
    with pytest.raises(SettingError, match=why):
        search_size(search)


def test_more_to_begin_with_than_there_is_is_said():
    with pytest.raises(SettingError, match="starts with 500"):
        search_size(HalvingGridSearchCV(Fits(), GRID, min_resources=500), X, Y)
