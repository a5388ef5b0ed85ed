"""One call of a Keras model on shapes, without its variables: what each backend's walker traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from greenai_magic.flops.keras.inputs import Arguments
from greenai_magic.flops.keras.layers import LayerTree


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
    tree : LayerTree
        Its layers.
    trainable, others : list of keras.Variable
        All variables, in the order in which :meth:`stateless` takes their values.
    at_work : list of str
        Paths of the layers at work.
    """

    model: Any
    arguments: Arguments
    backward: bool
    train: bool
    tree: LayerTree = field(init=False)
    trainable: list[Any] = field(init=False)
    others: list[Any] = field(init=False)
    at_work: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tree = LayerTree(self.model)
        self.trainable = list(self.model.trainable_variables)
        self.others = list(self.model.non_trainable_variables)

    @property
    def differentiates(self) -> bool:
        """Whether there is a gradient to count."""
        return self.backward and bool(self.trainable)

    def map_inputs(self, make: Callable[[Any], Any]) -> Any:
        """Return the inputs with something in the place of each leaf."""
        import keras

        return keras.tree.map_structure(make, (self.arguments.args, self.arguments.kwargs))

    def stateless(self, trainable: Sequence[Any], others: Sequence[Any], inputs: Any) -> tuple[Any, Any]:
        """Call the model with these values of its variables.

        Returns
        -------
        outputs : list
            Its output tensors, flat.
        updates : list
            What the call would assign to ``others``, such as moving averages.
        """
        import keras

        args, kwargs = inputs
        mapping = list(zip([*self.trainable, *self.others], [*trainable, *others], strict=True))
        # Keras' own trainers pass `training` under the same condition.
        options = {"training": self.train} if self.model._call_has_training_arg else {}  # noqa: SLF001
        # Not to give values, while tracing, to weights of other models that wait for theirs.
        with keras.StatelessScope(state_mapping=mapping, initialize_variables=False) as scope:
            outputs = self.model(*args, **options, **kwargs)
        tensors = [o for o in keras.tree.flatten(outputs) if keras.ops.is_tensor(o)]
        return tensors, [scope.get_current_value(v) for v in self.others]
