"""What a Keras training step does after the forward pass: the loss, and the update of the weights.

Keras writes its optimisers once, for all backends, and then again for some, fused; what is followed here is
the first of these, for the count to be the same whatever the backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from greenai_magic.errors import FlopError
from greenai_magic.flops.keras.inputs import Arguments, Leaf

OWN_STEP = "its own train_step is not followed: this is Keras' ordinary one, with the same loss and optimiser"
NO_METRICS = "metrics are not part of the step that is counted"
_SKIPPED = {
    "gradient_accumulation_steps": "accumulation of gradients",
    "ema_overwrite_frequency": "overwriting of weights by their averages",
}
"""Settings of an optimiser that make its work differ from step to step."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is to be trained, as the user said it to us or to Keras.

    Attributes
    ----------
    loss, weights : object
        What ``compile`` takes as its loss and loss weights.
    optimiser : keras.optimizers.Optimizer
        Never built or called: only its configuration is read.
    notes : tuple of str
        For the reader of the report.
    """

    loss: Any
    weights: Any
    optimiser: Any
    notes: tuple[str, ...]


def read_recipe(model: Any, loss: Any, optimiser: Any) -> Recipe:
    """Find out how to train a model: as the user says, or else as the model is compiled.

    Raises
    ------
    FlopError
        If there is no loss or no optimiser; the sentence says what to pass.
    """
    import keras

    name = type(model).__name__
    if not isinstance(model, keras.Model):
        msg = f"{name} is a layer, which Keras does not train: put it into a keras.Sequential."
        raise FlopError(msg)
    compiled = getattr(model, "_compile_loss", None)
    weights = None
    if loss is None and compiled is not None:
        loss, weights = compiled._user_loss, compiled._user_loss_weights  # noqa: SLF001
    if loss is None and not (model.compiled and _overrides(model, "compute_loss")):
        msg = f"{name} is not compiled with a loss: pass one, as loss='mse', or call model.compile first."
        raise FlopError(msg)
    optimiser = getattr(model, "optimizer", None) if optimiser is None else optimiser
    if optimiser is None:
        msg = (
            f"{name} is not compiled with an optimiser: pass one, as optimiser='adam', or call "
            "model.compile first."
        )
        raise FlopError(msg)
    notes = (OWN_STEP,) if _overrides(model, "train_step") else ()
    return Recipe(loss, weights, _optimiser(optimiser), (*notes, NO_METRICS))


def _overrides(model: Any, method: str) -> bool:
    import keras

    return getattr(type(model), method) is not getattr(keras.Model, method)


def _optimiser(given: Any) -> Any:
    import keras

    try:
        return keras.optimizers.get(given() if isinstance(given, type) else given)
    except (TypeError, ValueError) as error:
        msg = f"optimiser={given!r} is none of Keras': pass one, as keras.optimizers.Adam() or 'adam'."
        raise FlopError(msg) from error


@dataclass(frozen=True, slots=True)
class Step:
    """The loss and the optimiser of one step; both are made for it, and no one else's.

    Attributes
    ----------
    loss : object
        As ``compile`` makes it, or None for what the model adds by itself.
    optimiser : keras.optimizers.Optimizer
        Built for the variables that are trained, whose values are never made.
    uncounted : tuple of str
        Work of the optimiser that is not done in every step, and is not followed.
    """

    loss: Any
    optimiser: Any
    uncounted: tuple[str, ...]

    def loss_of(self, model: Any, arguments: Any, outputs: Any, train: bool) -> Any:  # noqa: FBT001
        """Return the loss, scaled as the optimiser wants it, of a model that is being traced."""
        args, kwargs, targets = arguments
        y, weights = [*targets, None, None][:2]
        kept = vars(model).get("_compile_loss")
        # Not by assignment, of which Keras keeps account.
        vars(model)["_compile_loss"] = self.loss
        try:
            loss = model._compute_loss(args[0] if args else kwargs, y, outputs, weights, train)  # noqa: SLF001
        finally:
            vars(model)["_compile_loss"] = kept
        return self.optimiser.scale_loss(loss)

    def update(self, gradients: Iterable[Any], variables: Sequence[Any]) -> None:
        """Train variables by their gradients; in a stateless scope, that keeps their new values."""
        trained = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        if trained:
            self.optimiser.apply([g for g, _ in trained], [v for _, v in trained])


def make_step(model: Any, recipe: Recipe, variables: list[Any]) -> Step:
    """Make the loss and the optimiser of a step that trains these variables."""
    from keras.src.trainers.compile_utils import CompileLoss

    names = getattr(model, "output_names", None)
    loss = None if recipe.loss is None else CompileLoss(recipe.loss, recipe.weights, output_names=names)
    whole, uncounted = recipe.optimiser, []
    inner = getattr(whole, "inner_optimizer", None)
    if inner is not None:
        uncounted.append("check that gradients are finite")
    config = (whole if inner is None else inner).get_config()
    for setting, work in _SKIPPED.items():
        if config.get(setting):
            config[setting] = None
            uncounted.append(work)
    plain = type(whole if inner is None else inner).from_config(config)
    if inner is not None:
        plain.loss_scale_factor = whole.initial_scale
    for name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):
        if hasattr(inner or whole, name):
            setattr(plain, name, getattr(inner or whole, name))
    plain.__class__ = _without_backend(type(plain))
    plain.build(variables)
    return Step(loss, plain, tuple(uncounted))


def _without_backend(optimiser_class: Any) -> Any:
    """Return a class of optimisers as Keras writes it for all backends; its variables have no values."""
    import keras
    from keras.src.optimizers.base_optimizer import BaseOptimizer

    backends = [base for base in optimiser_class.__mro__ if base.__module__.startswith("keras.src.backend.")]
    common = {
        name: value
        for name, value in vars(BaseOptimizer).items()
        if callable(value) and any(name in vars(base) for base in backends) and name != "__init__"
    }

    def add_variable_from_reference(self: Any, *args: Any, **kwargs: Any) -> Any:
        with keras.StatelessScope(initialize_variables=False):
            return BaseOptimizer.add_variable_from_reference(self, *args, **kwargs)

    common["add_variable_from_reference"] = add_variable_from_reference
    return type(optimiser_class.__name__, (optimiser_class,), common)


def with_targets(arguments: Arguments, outputs: Any, loss: Any) -> tuple[Arguments, str | None]:
    """Add targets that fit the outputs, where there are none, and what to tell of them.

    Parameters
    ----------
    arguments : Arguments
        What the model is called with.
    outputs : object
        Its outputs, each a :class:`Leaf`.
    loss : object
        As the user said it: a sparse one takes an index in place of each row.
    """
    import keras

    if arguments.targets or loss is None:
        return arguments, None
    leaves, losses = keras.tree.flatten(outputs), keras.tree.flatten(loss)
    paired = losses if len(losses) == len(leaves) else losses[:1] * len(leaves)
    made = [_target(*pair) for pair in zip(leaves, paired, strict=True)]
    targets = keras.tree.pack_sequence_as(outputs, made)
    told = ", ".join(map(str, made))
    return replace(arguments, targets=(targets,)), f"targets: {told}, as the loss of such outputs wants them"


def _target(output: Leaf, loss: Any) -> Leaf:
    names = (loss if isinstance(loss, str) else "", getattr(loss, "__name__", ""), type(loss).__name__)
    sparse = any("sparse" in name.lower() for name in names)
    return Leaf(output.shape[:-1], "int32") if sparse else output
