"""What one call of a fitted scikit-learn estimator costs: a closed form for each family, of what it learnt.

Every function takes an estimator and what it is given, and returns its work step by step. Intercepts start
the sums of products and cost nothing, as biases do; a choice among n is n comparisons.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from greenai_magic.errors import FlopError
from greenai_magic.flops import formulas
from greenai_magic.flops.formulas import Cost, Shape

AT_MOST = "comparisons of trees: at most, each row to the deepest leaf"
BY_DEPTH = f"{AT_MOST}; pass the data for the exact number"
_ACTIVATIONS = {"identity": 0, "relu": 1, "tanh": 1, "logistic": 1, "softmax": formulas.SOFTMAX}
_KERNELS = {
    "linear": 0,
    "poly": 3,  # scaled, shifted, raised to a power
    "rbf": 2,  # scaled, exponential
    "sigmoid": 3,  # scaled, shifted, tanh
}
"""Operations for each kernel value, beside its product."""


@dataclass(frozen=True, slots=True)
class Data:
    """What an estimator is given: how many rows of how many features, the values if known, and their size."""

    rows: int
    features: int
    values: Callable[[], Any] | None = None
    number_bytes: int = 8


class Step(NamedTuple):
    """One thing that an estimator does: its name, cost, inputs and result."""

    op: str
    cost: Cost
    shapes: tuple[Shape, ...]
    out: Shape


@dataclass(frozen=True, slots=True)
class Work:
    """What an estimator does.

    Attributes
    ----------
    steps : tuple of Step
        In order.
    columns : int
        Of its result; 0 for one value a row.
    fitted : tuple of arrays
        What it has learnt.
    note : str
        What the reader should know.
    looked : bool
        Whether the values were looked at.
    """

    steps: tuple[Step, ...]
    columns: int = 0
    fitted: tuple[Any, ...] = ()
    note: str = ""
    looked: bool = False


def _product(op: str, rows: int, inner: int, columns: int) -> Step:
    shapes = ((rows, inner), (inner, columns))
    return Step(op, formulas.matmul(rows, inner, columns), shapes, (rows, columns))


def _each(op: str, shape: Shape, each: int = 1) -> Step:
    return Step(op, formulas.elementwise(prod(shape), each), (shape,), shape)


def _fold(op: str, shape: Shape, each: int = 1) -> Step:
    return Step(op, formulas.reduction(prod(shape), each), (shape,), shape[:1])


def _choice(est: Any, rows: int, columns: int) -> tuple[Step, ...]:
    """Return how a class is chosen: the largest of several scores, or on which side one of them is."""
    if not hasattr(est, "classes_"):
        return ()
    return (_each("threshold", (rows,)),) if columns == 1 else (_fold("argmax", (rows, columns)),)


def _linear(est: Any, data: Data) -> Work:
    outputs = 1 if est.coef_.ndim == 1 else est.coef_.shape[0]
    scores = _product("decision_function", data.rows, data.features, outputs)
    learnt = (est.coef_, *_arrays(est.intercept_))
    several = outputs if not hasattr(est, "classes_") and est.coef_.ndim > 1 else 0
    return Work((scores, *_choice(est, data.rows, outputs)), several, learnt)


def _pca(est: Any, data: Data) -> Work:
    size = est.components_.shape[0]
    mean = getattr(est, "mean_", None)
    steps = [_product("project", data.rows, data.features, size)]
    if mean is not None:
        steps.insert(0, _each("centre", (data.rows, data.features)))
    if getattr(est, "whiten", False):
        steps.append(_each("whiten", (data.rows, size)))
    return Work(tuple(steps), size, (est.components_, *_arrays(mean)))


def _scaler(*said: tuple[str, str]) -> Callable[[Any, Data], Work]:
    """Return the formula of a scaler: one operation an element for each option that is on."""

    def work(est: Any, data: Data) -> Work:
        on = [learnt for option, learnt in said if getattr(est, option, True)]
        each = len(on) + 2 * bool(getattr(est, "clip", False))  # not below, and not above
        steps = (_each("scale", (data.rows, data.features), each),) if each else ()
        learnt = tuple(array for name in on for array in _arrays(getattr(est, name)))
        return Work(steps, data.features, learnt)

    return work


def _mlp(est: Any, data: Data) -> Work:
    steps = []
    columns = data.features
    for number, weights in enumerate(est.coefs_):
        inner, columns = weights.shape
        last = number == len(est.coefs_) - 1
        steps.append(_product(f"layer {number + 1}", data.rows, inner, columns))
        name = est.out_activation_ if last else est.activation
        if _ACTIVATIONS[name]:
            steps.append(_each(name, (data.rows, columns), _ACTIVATIONS[name]))
    if hasattr(est, "classes_"):
        several = est.out_activation_ == "softmax"
        shape = (data.rows, columns)
        steps.append(_fold("argmax", shape) if several else _each("threshold", shape))
    regressed = columns if columns > 1 and not hasattr(est, "classes_") else 0
    return Work(tuple(steps), regressed, (*est.coefs_, *est.intercepts_))


def _svm(est: Any, data: Data) -> Work:
    if est.kernel not in _KERNELS:
        msg = f"What the kernel of this {type(est).__name__} costs is not known: measure it with %%carbon."
        raise FlopError(msg)
    rows, vectors, machines = data.rows, est.support_vectors_.shape[0], est.dual_coef_.shape[0]
    steps = [_product("kernel products", rows, data.features, vectors)]
    if est.kernel == "rbf":  # the product of a difference with itself
        steps.insert(0, _each("differences", (rows, vectors, data.features)))
    if _KERNELS[est.kernel]:
        steps.append(_each(est.kernel, (rows, vectors), _KERNELS[est.kernel]))
    steps.append(_product("decision_function", rows, vectors, machines))
    pairs = machines * (machines + 1) // 2
    if pairs > 1:  # one machine for each pair of classes, each with a vote
        steps += [_each("votes", (rows, pairs)), _fold("argmax", (rows, machines + 1))]
    else:
        steps += _choice(est, rows, 1)
    return Work(tuple(steps), 0, (est.support_vectors_, est.dual_coef_, est.intercept_))


def _neighbours(est: Any, data: Data) -> Work:
    name = type(est).__name__
    if est._fit_method != "brute" or est.effective_metric_ != "euclidean":  # noqa: SLF001 - no public name
        msg = (
            f"Closed for a {name} is only brute force with the Euclidean distance: fit it with "
            "algorithm='brute', or measure it with %%carbon, since what its search costs depends on the data."
        )
        raise FlopError(msg)
    if callable(est.weights):
        msg = f"What the weights of this {name} cost is not known: measure it with %%carbon."
        raise FlopError(msg)
    rows, points, nearest = data.rows, est._fit_X.shape[0], est.n_neighbors  # noqa: SLF001
    outputs = prod(est._y.shape[1:])  # noqa: SLF001
    weighted = est.weights == "distance"
    steps = [
        *_distances(data, points, each=3),
        _fold("norms of X", (rows, data.features), formulas.ROOT_MEAN_SQUARE),
        _fold("nearest", (rows, points)),
        *([_each("weights", (rows, nearest))] if weighted else []),
        _fold("vote", (rows, nearest, outputs), 1 + weighted),
    ]
    note = "the nearest neighbours are chosen by one comparison for each distance, the fewest there can be"
    return Work(tuple(steps), outputs if outputs > 1 else 0, (est._fit_X, est._y), note)  # noqa: SLF001


def _k_means(est: Any, data: Data) -> Work:
    centres = est.cluster_centers_
    steps = [*_distances(data, centres.shape[0], each=2), _fold("argmin", (data.rows, centres.shape[0]))]
    return Work(tuple(steps), 0, (centres,))


def _distances(data: Data, points: int, each: int) -> tuple[Step, ...]:
    """Return the squared distances as products: -2 x y + y y, and + x x where wanted: two or three a pair."""
    return (
        _product("products", data.rows, data.features, points),
        _fold("norms of points", (points, data.features), formulas.ROOT_MEAN_SQUARE),
        _each("distances", (data.rows, points), each),
    )


def _tree(est: Any, data: Data) -> Work:
    path, note, looked = _paths([est.tree_], data)
    scores = est.tree_.value.shape[1] * est.tree_.value.shape[2]
    chosen = (_fold("argmax", (data.rows, scores)),) if hasattr(est, "classes_") else ()
    return Work((path, *chosen), _several(est), _nodes([est.tree_]), note, looked)


def _forest(est: Any, data: Data) -> Work:
    trees = [tree.tree_ for tree in est.estimators_]
    path, note, looked = _paths(trees, data)
    scores = trees[0].value.shape[1] * trees[0].value.shape[2]
    mean = _fold("mean of trees", (data.rows, scores, len(trees) + 1))  # each added, and the sum divided
    chosen = (_fold("argmax", (data.rows, scores)),) if hasattr(est, "classes_") else ()
    return Work((path, mean, *chosen), _several(est), _nodes(trees), note, looked)


def _boosting(est: Any, data: Data) -> Work:
    if est.init not in (None, "zero"):
        msg = f"This {type(est).__name__} starts from an estimator of its own: measure it with %%carbon."
        raise FlopError(msg)
    trees = [tree.tree_ for tree in est.estimators_.ravel()]
    path, note, looked = _paths(trees, data)
    added = _fold("sum of trees", (data.rows, len(trees)), 2)  # scaled by the learning rate, and added
    chosen = _choice(est, data.rows, est.estimators_.shape[1])
    return Work((path, added, *chosen), 0, _nodes(trees), note, looked)


def _histogram_boosting(est: Any, data: Data) -> Work:
    trees = [tree for stage in est._predictors for tree in stage]  # noqa: SLF001 - no public name
    depth = sum(int(tree.get_max_depth()) for tree in trees)
    path = Step(
        "decision paths", formulas.reduction(data.rows * depth), ((data.rows, data.features),), (data.rows,)
    )
    added = _fold("sum of trees", (data.rows, len(trees)))
    chosen = _choice(est, data.rows, est.n_trees_per_iteration_)
    learnt = tuple(
        array
        for tree in trees
        for array in (
            tree.nodes["num_threshold"][tree.nodes["is_leaf"] == 0],
            tree.nodes["value"][tree.nodes["is_leaf"] != 0],
        )
    )
    return Work((path, added, *chosen), 0, learnt, AT_MOST)


def _paths(trees: list[Any], data: Data) -> tuple[Step, str, bool]:
    """Return the comparisons along the paths of all rows through all trees: counted, or at most."""
    made = data.rows * sum(int(tree.max_depth) for tree in trees)
    looked = data.values is not None
    if data.values is not None:
        values = data.values()
        values = values.tocsr() if hasattr(values, "tocsr") else values
        single = values.astype("float32") if hasattr(values, "tocsr") else _single(values)
        # The last node of each path is a leaf, where nothing is compared.
        made = sum(int(tree.decision_path(single).nnz) - data.rows for tree in trees)
    step = Step("decision paths", formulas.reduction(made), ((data.rows, data.features),), (data.rows,))
    return step, "" if looked else BY_DEPTH, looked


def _single(values: Any) -> Any:
    import numpy as np

    return np.ascontiguousarray(values, dtype=np.float32)  # as the trees themselves compare


def _nodes(trees: list[Any]) -> tuple[Any, ...]:
    """Return what trees have learnt: the thresholds of their splits and the values of their leaves."""
    splits = [(tree, tree.children_left >= 0) for tree in trees]
    return tuple(array for tree, at in splits for array in (tree.threshold[at], tree.value[~at]))


def _several(est: Any) -> int:
    outputs = int(getattr(est, "n_outputs_", 1))
    return outputs if outputs > 1 else 0


def _arrays(learnt: Any) -> tuple[Any, ...]:
    """Return a fitted attribute if it is an array or one of numpy's numbers, and not a plain 0.0 or None."""
    return (learnt,) if hasattr(learnt, "itemsize") else ()


_REGRESSORS = (
    "LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "LassoLars", "LassoLarsCV", "LassoLarsIC",
    "ElasticNet", "ElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV", "MultiTaskElasticNet",
    "MultiTaskElasticNetCV", "Lars", "LarsCV", "OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV",
    "BayesianRidge", "ARDRegression", "HuberRegressor", "TheilSenRegressor", "QuantileRegressor",
    "SGDRegressor", "PassiveAggressiveRegressor", "LinearSVR",
)  # fmt: skip
_CLASSIFIERS = (
    "LogisticRegression", "LogisticRegressionCV", "RidgeClassifier", "RidgeClassifierCV", "SGDClassifier",
    "Perceptron", "PassiveAggressiveClassifier", "LinearSVC",
)  # fmt: skip
FORMULAS: dict[str, Callable[[Any, Data], Work]] = {
    **dict.fromkeys((*_REGRESSORS, *_CLASSIFIERS), _linear),
    **dict.fromkeys(("PCA", "IncrementalPCA", "TruncatedSVD"), _pca),
    **dict.fromkeys(("MLPClassifier", "MLPRegressor"), _mlp),
    **dict.fromkeys(("SVC", "NuSVC", "SVR", "NuSVR"), _svm),
    **dict.fromkeys(("KNeighborsClassifier", "KNeighborsRegressor"), _neighbours),
    **dict.fromkeys(("KMeans", "MiniBatchKMeans"), _k_means),
    **dict.fromkeys(
        ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"),
        _tree,
    ),
    **dict.fromkeys(
        ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor"),
        _forest,
    ),
    **dict.fromkeys(("GradientBoostingClassifier", "GradientBoostingRegressor"), _boosting),
    **dict.fromkeys(("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"), _histogram_boosting),
    "StandardScaler": _scaler(("with_mean", "mean_"), ("with_std", "scale_")),
    "RobustScaler": _scaler(("with_centering", "center_"), ("with_scaling", "scale_")),
    "MinMaxScaler": _scaler(("", "scale_"), ("", "min_")),
    "MaxAbsScaler": _scaler(("", "scale_")),
}
"""By the estimator's class."""
