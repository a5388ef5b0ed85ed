"""One call of a Keras model on shapes, without its variables: what each backend's walker traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from greenai_magic.flops.keras.inputs import Arguments, Leaf
from greenai_magic.flops.keras.layers import LOSS, OPTIMISER, LayerTree, Scope
from greenai_magic.flops.keras.training import Step
from greenai_magic.flops.report import Phase


@dataclass(slots=True)
class Call:
    """A model to call, on what, and whether its weights' gradients are wanted.

    Attributes
    ----------
    model : keras.layers.Layer
        The model; its variables are replaced for the time of the call, never assigned.
    arguments : Arguments
        Shapes and types of its inputs.
    backward : bool
        Whether the gradients of its trainable weights are wanted.
    train : bool
        Whether it is called as in training.
    step : Step or None
        What follows the forward pass in a training step.
    tree : LayerTree
        Its layers.
    trainable, others : list of keras.Variable
        All variables, in the order in which :meth:`stateless` takes their values; an optimiser's are others.
    at_work : list of str
        Paths of the layers at work.
    phase : str
        What is being traced; after an error, what it happened in.
    outputs : object
        Leaves in place of the outputs, once it was traced.
    """

    model: Any
    arguments: Arguments
    backward: bool
    train: bool
    step: Step | None = None
    tree: LayerTree = field(init=False)
    trainable: list[Any] = field(init=False)
    others: list[Any] = field(init=False)
    at_work: list[str] = field(default_factory=list)
    phase: Phase = "forward"
    outputs: Any = None

    def __post_init__(self) -> None:
        self.tree = LayerTree(self.model)
        self.trainable = list(self.model.trainable_variables)
        self.others = list(self.model.non_trainable_variables)
        if self.step is not None:
            self.others += self.step.optimiser.variables

    @property
    def differentiates(self) -> bool:
        """Whether there is a gradient to count."""
        return self.backward and bool(self.trainable)

    def map_inputs(self, make: Callable[[Any], Any]) -> Any:
        """Return the inputs and targets with something in the place of each leaf."""
        import keras

        given = self.arguments
        return keras.tree.map_structure(make, (given.args, given.kwargs, given.targets))

    def stateless(
        self, trainable: Sequence[Any], others: Sequence[Any], inputs: Any, open_scope: Scope
    ) -> tuple[list[Any], list[Any]]:
        """Call the model with these values of its variables.

        Returns
        -------
        starts : list
            The tensors that gradients start from: the loss of a training step, or all outputs.
        made : list
            All that the call makes: outputs, and what it would assign to ``others``, as moving averages.
        """
        import keras

        args, kwargs, _ = inputs
        # Keras' own trainers pass `training` under the same condition.
        options = {"training": self.train} if self.model._call_has_training_arg else {}  # noqa: SLF001
        with self._scope(trainable, others) as scope:
            self.phase = "forward"
            outputs = self.model(*args, **options, **kwargs)
            tensors = [o for o in keras.tree.flatten(outputs) if keras.ops.is_tensor(o)]
            self.outputs = keras.tree.map_structure(_leaf, outputs)
            starts = tensors
            if self.step is not None:
                self.phase = "loss"
                with open_scope(LOSS):
                    starts = [self.step.loss_of(self.model, inputs, outputs, self.train)]
        return starts, [*tensors, *(scope.get_current_value(v) for v in self.others)]

    def updated(
        self, gradients: Sequence[Any], trainable: Sequence[Any], others: Sequence[Any], open_scope: Scope
    ) -> list[Any]:
        """Return the values of all variables after a training step; without one, the gradients."""
        if self.step is None:
            return list(gradients)
        self.phase = "optimiser"
        with self._scope(trainable, others) as scope, open_scope(OPTIMISER):
            self.step.update(gradients, self.trainable)
        return [scope.get_current_value(v) for v in (*self.trainable, *self.others)]

    def _scope(self, trainable: Sequence[Any], others: Sequence[Any]) -> Any:
        import keras

        mapping = list(zip([*self.trainable, *self.others], [*trainable, *others], strict=True))
        # Not to give values, while tracing, to weights of other models that wait for theirs.
        return keras.StatelessScope(mapping, collect_losses=self.step is not None, initialize_variables=False)


def _leaf(output: Any) -> Any:
    import keras

    if not keras.ops.is_tensor(output):
        return output
    return Leaf(tuple(output.shape), keras.backend.standardize_dtype(output.dtype))
