"""`%flops --crosscheck`: what fvcore and thop count beside ours, and why they differ.

Only multiply-adds of products, convolutions, attention and recurrence are compared, in the forward pass and
module by module. A cause is given where it accounts for the difference to the last multiply-add; any other
difference is unexplained. Nothing is averaged: ours stays as it is.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from greenai_magic.errors import FlopError
from greenai_magic.flops.report import FlopReport, Row

UNEXPLAINED = "unexplained"
OUTSIDE = "(outside layers)"
"""Where the work stands of which a peer tells no module."""
_NAMES = {"attention": "SDPA", "recurrent": "recurrence"}
"""What the work of operators is called that have many names."""
_MOST_TERMS = 10


@dataclass(frozen=True, slots=True)
class Unseen:
    """Why a peer misses work in a module, and which: parts of our operators' names, or kinds of work."""

    why: str
    words: tuple[str, ...] = ("",)

    def may_be(self, row: Row) -> bool:
        """Whether the work of a row can be what is missed."""
        return any(word == row.kind or word in row.op for word in self.words)


@dataclass(frozen=True, slots=True)
class Tally:
    """What a peer counts, module by module.

    Attributes
    ----------
    peer : str
        Its name and version.
    macs : mapping of str to int
        Of products, convolutions, attention and recurrence, by path; children are not included.
    others : mapping of str to int
        What else it adds to the same figure, by the name it has there.
    unseen : mapping of str to Unseen
        For each module in which it misses something, or may.
    extras : mapping of str to Counter
        What it is known to count above ours (or, below zero, not to count), by path and cause.
    pooled : frozenset of str
        Paths of modules that it does not tell apart; their sum stands at ``OUTSIDE``.
    failure : str
        Why there is no count.
    """

    peer: str
    macs: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)
    unseen: Mapping[str, Unseen] = field(default_factory=dict)
    extras: Mapping[str, Counter[str]] = field(default_factory=dict)
    pooled: frozenset[str] = frozenset()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """Multiply-adds of one module without its children, ours and a peer's; the cause of a difference."""

    module: str
    class_name: str
    ours: int
    theirs: int
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A peer's count beside ours, one line for each module that multiplies; no lines where it failed."""

    peer: str
    lines: tuple[Line, ...]
    others: Mapping[str, int] = field(default_factory=dict)
    failure: str = ""

    @property
    def ours(self) -> int:
        """Our multiply-adds of all modules."""
        return sum(line.ours for line in self.lines)

    @property
    def theirs(self) -> int:
        """The peer's multiply-adds of all modules."""
        return sum(line.theirs for line in self.lines)

    @property
    def differing(self) -> tuple[Line, ...]:
        """The lines whose figures differ."""
        return tuple(line for line in self.lines if line.ours != line.theirs)


def crosscheck(
    report: FlopReport, model: Any, inputs: Any = None, batch: int | None = None
) -> tuple[Comparison, ...]:
    """Let fvcore and thop count copies of a model, and compare.

    Parameters
    ----------
    report : FlopReport
        Ours, of the same model and inputs.
    model : torch.nn.Module
        The model; it stays as it is.
    inputs, batch : object
        As for ``count_flops``. Unlike it, the peers execute the model.

    Raises
    ------
    FlopError
        If it is no PyTorch model.
    MissingExtra
        If a peer is not installed.
    """
    module = getattr(sys.modules.get("torch.nn"), "Module", None)
    keras = getattr(sys.modules.get("keras"), "Layer", None)
    if module is None or not isinstance(model, module) or (keras is not None and isinstance(model, keras)):
        msg = (
            f"fvcore and thop count PyTorch modules only: there is no crosscheck of a {type(model).__name__}."
        )
        raise FlopError(msg)
    from greenai_magic.flops.torch.peers import tallies

    return tuple(compare(report, tally) for tally in tallies(report, model, inputs, batch))


def compare(report: FlopReport, tally: Tally) -> Comparison:
    """Set a peer's count beside ours."""
    if tally.failure:
        return Comparison(tally.peer, (), failure=tally.failure)
    rows: dict[str, list[Row]] = {}
    for row in report.rows:
        if row.phase == "forward" and row.macs:
            rows.setdefault(OUTSIDE if row.module in tally.pooled else row.module, []).append(row)
    classes = {module.path: module.class_name for module in report.modules}
    paths = dict.fromkeys((*classes, OUTSIDE, *tally.macs))
    lines = (
        Line(
            path, classes.get(path, ""), sum(row.macs for row in rows.get(path, ())), tally.macs.get(path, 0)
        )
        for path in paths
    )
    return Comparison(
        tally.peer,
        tuple(
            _with_cause(line, rows.get(line.module, []), tally) for line in lines if line.ours or line.theirs
        ),
        tally.others,
    )


def _with_cause(line: Line, rows: Sequence[Row], tally: Tally) -> Line:
    if line.ours == line.theirs:
        return line
    unseen = tally.unseen.get(line.module)
    each = [(_name(row), -row.macs) for row in rows if unseen and unseen.may_be(row)]
    whole: Counter[str] = Counter()
    for name, macs in each:
        whole[name] += macs
    extras = list((tally.extras.get(line.module) or {}).items())
    # All the work of an operator, or else some of its shapes: as where only some come from one function.
    for missed in (list(whole.items()), each):
        causes = explain(line.theirs - line.ours, [*missed, *extras])
        if causes is not None:
            gone = [name for name in causes if name in whole]
            told = [f"{', '.join(gone)} unseen: {unseen.why}"] if unseen and gone else []
            return replace(line, cause="; ".join((*told, *(cause for cause in causes if cause not in whole))))
    return replace(line, cause=UNEXPLAINED)


def _name(row: Row) -> str:
    return _NAMES.get(row.kind) or row.op.partition(".")[2] or row.op


def explain(difference: int, terms: Sequence[tuple[str, int]]) -> list[str] | None:
    """Find which causes account for a difference exactly: all of them, or else as many as do.

    Parameters
    ----------
    difference : int
        Theirs less ours.
    terms : sequence of (str, int)
        Causes that may apply, and how much each adds to theirs.

    Returns
    -------
    list of str or None
        The causes, each once; None where none do.
    """
    terms = [term for term in terms if term[1]]
    for size in range(len(terms), 0, -1) if len(terms) <= _MOST_TERMS else (len(terms),):
        for chosen in combinations(terms, size):
            if sum(amount for _, amount in chosen) == difference:
                return list(dict.fromkeys(cause for cause, _ in chosen))
    return None
