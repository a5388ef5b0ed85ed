"""The cost of a whole project from the cost of one example, and where inference outweighs training.

    cost = (E * D + V) * epochs * (folds * seeds * H + failed runs)

E is the cost of one example, D how many there are, H how many settings are tried (Schwartz et al. 2020,
"Green AI", Commun. ACM 63(12):54-63: cost is proportional to E * D * H), V that of one validation pass.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from numbers import Integral, Real
from typing import Any

from greenai_magic.arithmetic import product, total
from greenai_magic.errors import SettingError, UnitError
from greenai_magic.estimate.search import search_size
from greenai_magic.flops.report import FlopReport
from greenai_magic.quantity import BASES, Z95, Basis, Quantity

__all__ = [
    "ProjectCost",
    "break_even",
    "flop_count",
    "inference_share",
    "project_cost",
    "search_size",
    "transformer_inference_flops",
    "transformer_training_flops",
]

KAPLAN = "Kaplan et al. 2020 (arXiv 2001.08361)"
_LEFT_OUT = (
    "leaves out the products of queries with keys, small while the context is much shorter than 12 times the "
    "width, and recomputation"
)
_ADDS_UP = ("J", "FLOP", "s", "g CO2e", "L")
"""Units of what a project has the more of, the more it does."""
_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_COUNT = re.compile(r"([\d.,_]+(?:[eE][+-]?\d+)?)\s*(?:([kMGTPEZY]?)FLOPs?)?")
_RATE = re.compile(r"FLOPS|flops|Flops|/\s*s|per\s+s|s\^?-1|s⁻¹", re.ASCII)


def flop_count(value: Any) -> int | Quantity:
    """Return a number of operations, and refuse operations a second.

    Parameters
    ----------
    value : int, float, str, Quantity or FlopReport
        ``3.14e23``, ``"3.14e23"``, ``"314 ZFLOP"``, a figure in ``"FLOP"``, a count of a model.

    Returns
    -------
    int or Quantity
        A figure where a figure or a report was given, else a whole number.

    Raises
    ------
    UnitError
        If it is a rate, no count at all, or less than one operation.
    """
    if isinstance(value, FlopReport):
        return _report_count(value)
    if isinstance(value, Quantity):
        if value.unit != "FLOP":
            raise UnitError(_no_count(f"{value.name} in {value.unit}", rate=bool(_RATE.search(value.unit))))
        return value
    if isinstance(value, str):
        found = _COUNT.fullmatch(value.strip())
        if found is None:
            raise UnitError(_no_count(repr(value), rate=bool(_RATE.search(value))))
        value = _number(found[1], 3 * _PREFIXES.index(found[2] or ""))
    if not _is_number(value) or value < 1:
        raise UnitError(_no_count(repr(value), rate=False))
    return int(value)


def _number(text: str, tens: int) -> int | float:
    try:
        number = Decimal(text.replace(",", "")).scaleb(tens)
        return int(number) if number.adjusted() <= sys.float_info.max_10_exp else math.inf
    except DecimalException:
        return math.nan


def _is_number(value: Any) -> bool:
    if type(value) is bool or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _no_count(what: str, *, rate: bool) -> str:
    if rate:
        return (
            f"{what} is a rate: FLOP/s say how fast a machine works, FLOPs how much there is to do. Give the "
            'number of operations, as 3.14e23 or "3.14e23 FLOP".'
        )
    return f'{what} is no number of operations: give one of at least 1, as 3.14e23 or "3.14e23 FLOP".'


def _report_count(report: FlopReport) -> Quantity:
    missing = ", ".join(item.op for item in report.uncounted)
    source = f"{report.model} {report.method}" + (f", at least: {missing} not counted" if missing else "")
    return Quantity(report.flops, "FLOP", "modelled", source, name=f"operations of {report.model}")


@dataclass(frozen=True, slots=True)
class ProjectCost:
    """What a project costs.

    Attributes
    ----------
    total : Quantity
        In the unit of the example's cost.
    factors : mapping of str to int
        Those that were given: ``"examples"``, ``"epochs"``, ``"folds"``, ``"seeds"``, ``"trials"``,
        ``"failed_runs"``, ``"validation_examples"``.
    left_at_one, left_out : tuple of str
        Factors that nobody gave and that count once; terms that nobody gave and that are not in the total.
    """

    total: Quantity
    factors: Mapping[str, int]
    left_at_one: tuple[str, ...]
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.total}: {self.note}"

    @property
    def note(self) -> str:
        """One sentence: what was multiplied, what was left at 1, what is not in it."""
        given = ", ".join(f"{count:,} {_words(name)}" for name, count in self.factors.items())
        parts = [given or "one example"]
        if self.left_at_one:
            parts.append(f"{', '.join(map(_words, self.left_at_one))} left at 1")
        if self.left_out:
            parts.append(f"{' and '.join(map(_words, self.left_out))} not included")
        return "; ".join(parts) + "."


def project_cost(
    example: Quantity | FlopReport | float | str,
    *,
    examples: int | None = None,
    epochs: int | None = None,
    folds: int | None = None,
    seeds: int | None = None,
    trials: int | None = None,
    failed_runs: int | None = None,
    validation_examples: int | None = None,
    validation_example: Quantity | FlopReport | float | str | None = None,
) -> ProjectCost:
    """Return the cost of a whole project from that of one training example.

    Parameters
    ----------
    example : Quantity, FlopReport, float or str
        E: joules, or what else adds up, as a figure; a plain number is joules, a report or a text operations.
    examples : int, optional
        D, of the training set.
    epochs, folds, seeds : int, optional
        Passes over them, parts of the cross-validation, repetitions with other random numbers.
    trials : int, optional
        H, settings that are tried; :func:`search_size` tells fits, which are trials times folds and one more.
    failed_runs : int, optional
        Runs that came to nothing, each taken for a whole one.
    validation_examples : int, optional
        Looked at once an epoch.
    validation_example : Quantity, FlopReport, float or str, optional
        Cost of one of them; by default a third of ``example``: a forward pass alone, where training has a
        backward pass of twice its work (Kaplan et al. 2020).

    Returns
    -------
    ProjectCost
        With the names of the factors that were left at 1.

    Raises
    ------
    UnitError
        If a cost is a rate, or the two are not of one unit.
    SettingError
        If a factor is no whole number above zero.
    """
    each = _cost(example, "cost of an example")
    factors = {"examples": examples, "epochs": epochs, "folds": folds, "seeds": seeds, "trials": trials}
    terms = {"failed_runs": failed_runs, "validation_examples": validation_examples}
    given = {name: _whole(name, count) for name, count in factors.items() if count is not None}
    added = {name: _whole(name, count, least=0) for name, count in terms.items() if count is not None}
    left_at_one = tuple(name for name in factors if name not in given)
    left_out = tuple(name for name in terms if name not in added)
    epoch = product((each, _exact("examples", given.get("examples", 1))), each.unit, name="one epoch")
    if added.get("validation_examples"):
        third = product((each,), each.unit, divisor=3.0, name="cost of a validation example")
        one = third if validation_example is None else _cost(validation_example, third.name)
        looked = product(
            (one, _exact("validation examples", added["validation_examples"])), one.unit, name="validation"
        )
        epoch = total((epoch, looked), name="one epoch with validation")
    runs = math.prod(given.get(name, 1) for name in ("folds", "seeds", "trials")) + added.get(
        "failed_runs", 0
    )
    left = f"{', '.join(map(_words, left_at_one))} left at 1" if left_at_one else ""
    whole = product(
        (epoch, _exact("epochs", given.get("epochs", 1)), _exact("runs", runs)),
        each.unit,
        name="cost of the project",
        source="; ".join(filter(None, (each.source, left))),
    )
    return ProjectCost(whole, given | added, left_at_one, left_out)


def transformer_training_flops(parameters: float, tokens: float) -> Quantity:
    """Return 6 N D, the operations of training a transformer (Kaplan et al. 2020, arXiv 2001.08361).

    Parameters
    ----------
    parameters, tokens : float
        N without embeddings, D over all epochs. What is left out are the products of queries with keys and
        recomputation.
    """
    return _per_parameter(6, parameters, tokens)


def transformer_inference_flops(parameters: float, tokens: float) -> Quantity:
    """Return 2 N D, the operations of a transformer's forward passes (Kaplan et al. 2020, arXiv 2001.08361).

    Parameters
    ----------
    parameters, tokens : float
        N without embeddings, D read and written. What is left out are the products of queries with keys.
    """
    return _per_parameter(2, parameters, tokens)


def _per_parameter(each: int, parameters: float, tokens: float) -> Quantity:
    for name, number in (("parameters", parameters), ("tokens", tokens)):
        if not _is_number(number) or number <= 0:
            msg = f"{name} must be a number above zero, not {number!r}."
            raise SettingError(msg)
    inputs = (
        Quantity(each, "FLOP", "modelled", KAPLAN, name="operations for each parameter and token"),
        Quantity(float(parameters), "1", "declared", name="parameters"),
        Quantity(float(tokens), "1", "declared", name="tokens"),
    )
    source = f"{each}ND, {KAPLAN}; {_LEFT_OUT}"
    return product(inputs, "FLOP", name="operations of the transformer", source=source)


def break_even(training: Quantity | float, request: Quantity | float) -> Quantity:
    """Return after how many requests inference has cost as much as training.

    Parameters
    ----------
    training, request : Quantity or float
        Of one unit; plain numbers are joules. A cause of error that both share, as a sensor's, cancels.

    Raises
    ------
    UnitError
        If their units differ or a request costs nothing.
    """
    whole, each = _pair(training, request)
    spread = {
        cause: abs(whole.spread.get(cause, 0.0) - each.spread.get(cause, 0.0))
        for cause in (*whole.spread, *each.spread)
    }
    value = whole.value / each.value
    reach = math.exp(Z95 * math.hypot(*spread.values()))
    # Margins take the other's bound: they share nothing.
    below = value / reach - max(0.0, whole.value - whole.below) / (each.value + each.above) / reach
    least = each.value - each.below
    if least <= 0:
        msg = f"A request may cost nothing ({each}): measure many at once, so that there is a bound."
        raise UnitError(msg)
    above = ((whole.value + whole.above) / least - value) * reach
    weakest: Basis = max((whole.basis, each.basis), key=BASES.index)
    return Quantity(
        value, "1", weakest, "", {c: s for c, s in spread.items() if s}, below, above,
        "requests to break even", "{0} / {1}", (whole, each),
    )  # fmt: skip


def inference_share(training: Quantity | float, request: Quantity | float, requests: float) -> float:
    """Return the part of the whole cost, 0 to 1, that so many requests have.

    Parameters
    ----------
    training, request : Quantity or float
        As in :func:`break_even`.
    requests : float
        How many there have been.
    """
    whole, each = _pair(training, request)
    served = each.value * requests
    return served / (whole.value + served)


def _pair(training: Quantity | float, request: Quantity | float) -> tuple[Quantity, Quantity]:
    whole, each = _cost(training, "training"), _cost(request, "one request")
    if whole.unit != each.unit or each.value == 0:
        msg = (
            f"Training ({whole}) and one request ({each}) must be of one unit, and a request cost something."
        )
        raise UnitError(msg)
    return whole, each


def _cost(value: Any, name: str) -> Quantity:
    """Return a cost as a figure: a plain number is joules, a report or a text operations."""
    if isinstance(value, (FlopReport, str)):
        counted = flop_count(value)
        return counted if isinstance(counted, Quantity) else Quantity(counted, "FLOP", "declared", name=name)
    if _is_number(value):
        return Quantity(float(value), "J", "declared", "given as a number of joules", name=name)
    if not isinstance(value, Quantity):
        msg = f"{name} must be a figure or a number of joules, not a {type(value).__name__}."
        raise UnitError(msg)
    if value.unit == "FLOP/s":
        flop_count(value)
    if value.unit not in _ADDS_UP:
        msg = f"{name} in {value.unit} does not add up: give joules, operations, seconds or grams."
        raise UnitError(msg)
    return value


def _whole(name: str, count: Any, *, least: int = 1) -> int:
    if type(count) is bool or not isinstance(count, Integral) or count < least:
        msg = f"{_words(name)} must be a whole number of at least {least}, not {count!r}."
        raise SettingError(msg)
    return int(count)


def _exact(name: str, count: int) -> Quantity:
    return Quantity(count, "1", "declared", name=name)


def _words(name: str) -> str:
    return name.replace("_", " ")
