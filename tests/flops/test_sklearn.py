"""Estimators of scikit-learn: what predict costs, against what is reckoned by hand."""

from __future__ import annotations

import warnings

import pytest

pytest.importorskip("sklearn")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.cluster import DBSCAN, KMeans
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from greenai_magic.errors import FlopError
from greenai_magic.flops import count_flops
from greenai_magic.show.flops import describe_flops, flops_to_text

ROWS, FEATURES, CLASSES = 60, 5, 3
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(ROWS, FEATURES))
LABELS = RANDOM.integers(0, CLASSES, ROWS)
Y = X[:, 0] * 2 + RANDOM.normal(size=ROWS)
N = 7


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, of solvers that did not converge
        yield


def figures(model, inputs=(N, FEATURES), **options):
    report = count_flops(model, inputs, **options)
    assert all(row.flops == eval(row.formula.replace(" x ", " * ")) for row in report.rows)
    assert not report.uncounted
    return report.macs, report.flops - 2 * report.macs, report.params


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 4))
def test_linear_regression(rows, features, outputs):
    x = np.random.default_rng(0).normal(size=(20, features))
    model = LinearRegression().fit(x, x @ np.ones((features, outputs)))
    assert figures(model, (rows, features)) == (rows * features * outputs, 0, (features + 1) * outputs)
    assert figures(model, None) == figures(model, (1, features))
    assert figures(model, None, batch=rows) == figures(model, (rows, features))


def test_ridge_without_intercept():
    assert figures(Ridge(fit_intercept=False).fit(X, Y)) == (N * FEATURES, 0, FEATURES)


def test_logistic_regression_chooses_among_classes_or_between_two():
    several = LogisticRegression().fit(X, LABELS)
    assert figures(several) == (N * FEATURES * CLASSES, N * CLASSES, (FEATURES + 1) * CLASSES)
    two = LogisticRegression().fit(X, LABELS > 0)
    assert figures(two) == (N * FEATURES, N, FEATURES + 1)


def test_projections():
    params = 2 * FEATURES
    assert figures(PCA(2).fit(X)) == (N * FEATURES * 2, N * FEATURES, params + FEATURES)
    assert figures(PCA(2, whiten=True).fit(X))[1] == N * FEATURES + N * 2
    assert figures(TruncatedSVD(2).fit(X)) == (N * FEATURES * 2, 0, params)


def test_mlp():
    macs = N * (FEATURES * 4 + 4 * 6 + 6 * CLASSES)
    params = 4 * (FEATURES + 1) + 6 * (4 + 1) + CLASSES * (6 + 1)
    several = MLPClassifier(hidden_layer_sizes=(4, 6), max_iter=2).fit(X, LABELS)
    assert figures(several) == (macs, N * (4 + 6 + 5 * CLASSES + CLASSES), params)
    two = MLPClassifier(hidden_layer_sizes=(4,), max_iter=2, activation="identity").fit(X, LABELS > 0)
    assert figures(two)[:2] == (N * (FEATURES * 4 + 4), N * (1 + 1))
    regression = MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, activation="tanh").fit(X, Y)
    assert figures(regression)[:2] == (N * (FEATURES * 4 + 4), N * 4)


@pytest.mark.parametrize(
    ("kernel", "each"), [("linear", 0), ("poly", 3), ("rbf", 2 + FEATURES), ("sigmoid", 3)]
)
def test_support_vectors(kernel, each):
    several = SVC(kernel=kernel).fit(X, LABELS)
    vectors = several.n_support_.sum()
    pairs = CLASSES * (CLASSES - 1) // 2
    macs, others, params = figures(several)
    assert macs == N * vectors * (FEATURES + CLASSES - 1)
    assert others == N * (vectors * each + pairs + CLASSES)
    assert params == vectors * (FEATURES + CLASSES - 1) + pairs
    regression = SVR(kernel=kernel).fit(X, Y)
    vectors = len(regression.support_)
    assert figures(regression)[:2] == (N * vectors * (FEATURES + 1), N * vectors * each)


def test_brute_force_neighbours():
    model = KNeighborsClassifier(4, algorithm="brute").fit(X, LABELS)
    norms, pairs = 2 * FEATURES * (ROWS + N), 3 * N * ROWS
    assert figures(model)[:2] == (N * ROWS * FEATURES, norms + pairs + N * ROWS + N * 4)
    weighted = KNeighborsRegressor(4, algorithm="brute", weights="distance").fit(X, Y)
    assert figures(weighted)[1] == norms + pairs + N * ROWS + N * 4 * 3


def test_k_means():
    model = KMeans(4, n_init=1).fit(X)
    assert figures(model) == (N * 4 * FEATURES, 2 * 4 * FEATURES + 2 * N * 4 + N * 4, 4 * FEATURES)


def walked(tree, rows) -> int:
    """Go down by hand, and count the comparisons."""
    made = 0
    for row in rows.astype(np.float32):
        node = 0
        while tree.children_left[node] >= 0:
            made += 1
            left = row[tree.feature[node]] <= tree.threshold[node]
            node = (tree.children_left if left else tree.children_right)[node]
    return made


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 99))
def test_a_tree_compares_along_the_path_of_each_row(rows, depth, seed):
    x = np.random.default_rng(seed).normal(size=(rows, FEATURES))
    model = DecisionTreeRegressor(max_depth=depth).fit(X, Y)
    exact, most = count_flops(model, x), count_flops(model, (rows, FEATURES))
    assert (exact.macs, exact.flops) == (0, walked(model.tree_, x))
    assert (most.macs, most.flops) == (0, rows * model.get_depth())
    assert exact.flops <= most.flops
    assert exact.by_kind["other"] == exact.flops
    assert exact.method == "executed on this input"
    assert not any("at most" in note for note in exact.notes)
    assert any("at most" in note for note in most.notes)
    assert (exact.at_most, most.at_most) == (False, True)
    headline = describe_flops(most).headline
    assert headline.startswith("DecisionTreeRegressor · 0 MACs · at most ")
    assert "at most" not in describe_flops(exact).headline
    assert repr(most).startswith("<FlopReport DecisionTreeRegressor: at most ")
    assert most.explain().startswith(f"DecisionTreeRegressor: at most {most.flops:,} FLOPs, 0 MACs")


def test_a_tree_that_classifies_chooses_the_largest_share():
    model = DecisionTreeClassifier(max_depth=3).fit(X, LABELS)
    leaves = model.get_n_leaves()
    assert figures(model, X) == (0, walked(model.tree_, X) + ROWS * CLASSES, leaves - 1 + leaves * CLASSES)


def test_ensembles_sum_over_their_trees():
    forest = RandomForestClassifier(4, random_state=0).fit(X, LABELS)
    paths = sum(walked(tree.tree_, X) for tree in forest.estimators_)
    assert figures(forest, X)[:2] == (0, paths + ROWS * CLASSES * (4 + 1) + ROWS * CLASSES)
    extra = ExtraTreesRegressor(4, random_state=0).fit(X, Y)
    paths = sum(walked(tree.tree_, X) for tree in extra.estimators_)
    assert figures(extra, X)[:2] == (0, paths + ROWS * 5)
    boosted = GradientBoostingClassifier(n_estimators=4).fit(X, LABELS)
    paths = sum(walked(tree.tree_, X) for tree in boosted.estimators_.ravel())
    assert figures(boosted, X)[:2] == (0, paths + 2 * ROWS * 4 * CLASSES + ROWS * CLASSES)
    regression = GradientBoostingRegressor(n_estimators=4).fit(X, Y)
    paths = sum(walked(tree.tree_, X) for tree in regression.estimators_.ravel())
    assert figures(regression, X)[:2] == (0, paths + 2 * ROWS * 4)


def test_boosting_on_histograms_has_a_bound():
    model = HistGradientBoostingClassifier(max_iter=3, max_depth=2, min_samples_leaf=5).fit(X, LABELS)
    macs, others, _ = figures(model, X)
    assert macs == 0
    assert others <= ROWS * 9 * (2 + 1) + ROWS * CLASSES
    report = count_flops(model, X)
    assert report.at_most
    assert any("at most" in note for note in report.notes)


def test_a_pipeline_is_the_sum_of_its_steps_under_their_names():
    model = make_pipeline(StandardScaler(), PCA(2), LogisticRegression()).fit(X, LABELS)
    report = count_flops(model, X)
    assert report.macs_by_module == {
        "": ROWS * (FEATURES * 2 + 2 * CLASSES),
        "standardscaler": 0,
        "pca": ROWS * FEATURES * 2,
        "logisticregression": ROWS * 2 * CLASSES,
    }
    assert report.by_module["standardscaler"] == 2 * ROWS * FEATURES
    assert report.flops == 2 * report.macs + ROWS * (2 * FEATURES + FEATURES + CLASSES)
    assert report.params == 2 * FEATURES + 3 * FEATURES + 3 * CLASSES
    assert report.weight_bytes == 8 * report.params
    assert "pca" in flops_to_text(describe_flops(report))


def test_trees_at_the_end_of_a_pipeline_see_what_the_steps_before_them_made():
    before = X.copy()
    model = make_pipeline(StandardScaler(copy=False), PCA(2), DecisionTreeRegressor()).fit(X.copy(), Y)
    path = walked(model[-1].tree_, model[:-1].transform(X.copy()))
    assert count_flops(model, X).by_module["decisiontreeregressor"] == path
    assert np.array_equal(before, X)


def test_a_search_is_its_best_estimator():
    search = GridSearchCV(Ridge(), {"alpha": [1, 2]}, cv=2).fit(X, Y)
    assert figures(search) == figures(search.best_estimator_)


def test_scalers_do_only_what_they_are_asked_to():
    assert figures(StandardScaler(with_mean=False).fit(X)) == (0, N * FEATURES, FEATURES)
    assert figures(StandardScaler(with_mean=False, with_std=False).fit(X)) == (0, 0, 0)
    assert figures(MinMaxScaler(clip=True).fit(X)) == (0, 4 * N * FEATURES, 2 * FEATURES)


@pytest.mark.parametrize("inputs", [X, X.tolist(), X.astype("float32"), (ROWS, FEATURES), [(ROWS, FEATURES)]])
def test_rows_come_as_arrays_lists_or_shapes(inputs):
    assert figures(Ridge().fit(X, Y), inputs)[0] == ROWS * FEATURES


def test_tables_and_sparse_rows():
    scipy = pytest.importorskip("scipy.sparse")
    model = DecisionTreeRegressor().fit(X, Y)
    assert count_flops(model, scipy.csr_matrix(X)).flops == walked(model.tree_, X)
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=list("abcde"))
    named = make_pipeline(StandardScaler(), DecisionTreeRegressor()).fit(table, Y)
    path = walked(named[-1].tree_, named[0].transform(table))
    assert count_flops(named, table).by_module["decisiontreeregressor"] == path


def test_the_report_says_that_fitting_is_measured():
    assert any("%%carbon" in note for note in count_flops(Ridge().fit(X, Y), X).notes)
    assert count_flops(PCA(2).fit(X), X).notes[-1].startswith("transform only")


class OwnRidge(Ridge):
    def predict(self, X):  # noqa: N803 scikit-learn's name
        return super().predict(X) ** 2


class NamedRidge(Ridge):
    pass


class Stateless(BaseEstimator):
    def predict(self, X):  # noqa: N803
        return X


def test_a_subclass_counts_as_long_as_it_predicts_as_its_parent_does():
    assert figures(NamedRidge().fit(X, Y)) == figures(Ridge().fit(X, Y))
    with pytest.raises(FlopError, match="No closed form gives what a OwnRidge costs"):
        count_flops(OwnRidge().fit(X, Y), X)


@pytest.mark.parametrize(
    ("model", "inputs", "options", "told"),
    [
        (Ridge(), X, {}, "This Ridge is not fitted"),
        (Ridge().fit(X, Y), (3, 9), {}, "Ridge takes rows x 5, and not 3 x 9"),
        (Ridge().fit(X, Y), Y, {}, "Ridge takes rows x 5, and not 60"),
        (Ridge().fit(X, Y), [[1, 2], [3]], {}, "no rows of equal length"),
        (Ridge().fit(X, Y), X, {"backward": True}, "What fitting a Ridge costs depends on the data"),
        (DBSCAN().fit(X), X, {}, "No closed form gives what a DBSCAN costs: measure it with %%carbon"),
        (KNeighborsClassifier(algorithm="kd_tree").fit(X, LABELS), X, {}, "algorithm='brute'"),
        (SVC(kernel=lambda a, b: a @ b.T).fit(X, LABELS), X, {}, "kernel of this SVC"),
        (Stateless(), X, {}, "No closed form gives what a Stateless costs"),
        (GridSearchCV(Ridge(), {}, refit=False, cv=2), X, {}, "not fitted"),
    ],
)
def test_what_cannot_be_counted_is_one_sentence(model, inputs, options, told):
    with pytest.raises(FlopError) as caught:
        count_flops(model, inputs, **options)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
