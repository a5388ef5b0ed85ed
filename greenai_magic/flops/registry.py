"""Which formula counts which operator."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from greenai_magic.errors import FlopError
from greenai_magic.flops.formulas import Cost

Function = TypeVar("Function", bound=Callable[..., Cost | int])


@dataclass(frozen=True, slots=True)
class Formula:
    """A function of shapes, and which of the operator's arguments it asks for.

    Attributes
    ----------
    function : callable
        Of the first ``arguments`` arguments, each tensor replaced by its shape.
    arguments : int
        How many.
    wants_out : bool
        Whether it takes ``out`` too: the shape of the result, or a list of shapes.
    """

    function: Callable[..., Cost | int]
    arguments: int
    wants_out: bool

    def __call__(self, arguments: Sequence[Any], out: Any) -> Cost:
        """Return the cost of a call with these arguments and this result, as shapes."""
        named = {"out": out} if self.wants_out else {}
        cost = self.function(*arguments[: self.arguments], **named)
        return Cost("other", cost, 0, f"{self.function.__name__}: {cost}") if isinstance(cost, int) else cost


_FORMULAS: dict[str, Formula] = {}


def register_flops(*operators: str) -> Callable[[Function], Function]:
    """Count calls of an operator of your own by a formula: a decorator.

    Parameters
    ----------
    *operators : str
        Names as PyTorch knows them: ``"mylib::op"``.

    Returns
    -------
    callable
        Registers a function of the operator's first arguments, as many as it names, each tensor
        replaced by its shape (a tuple of int), and, if it has a parameter ``out``, of the shape of
        the result. It returns the operations of one call, or a
        :class:`~greenai_magic.flops.formulas.Cost`, which tells multiply-adds apart.

    Raises
    ------
    FlopError
        If another function counts that operator already.

    Examples
    --------
    >>> @register_flops("mylib::scale_and_add")
    ... def scale_and_add(x, y):
    ...     return 2 * math.prod(x)
    """

    def register(function: Function) -> Function:
        parameters = inspect.signature(function).parameters
        leading = [p for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "out"]
        for operator in operators:
            known = _FORMULAS.get(operator)
            # The same cell run again defines the same function anew.
            if known and _address(known.function) != _address(function):
                msg = f"{operator} is counted already, by {known.function.__name__}."
                raise FlopError(msg)
            _FORMULAS[operator] = Formula(function, len(leading), "out" in parameters)
        return function

    return register


def formula_for(operator: str) -> Formula | None:
    """Return the formula of an operator, ``"aten::mm"``, or None."""
    return _FORMULAS.get(operator)


def _address(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__
