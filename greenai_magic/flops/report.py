"""FlopReport: what a model costs in operations, as a list of rows; every total is a sum over them.

Convention: a multiply-add is two operations and one MAC. A bias starts the accumulation of a product, so
that k multiplications and k additions make one element of it, with a bias or (one fewer) without.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from greenai_magic.errors import FlopError, MissingExtra

Kind = Literal["matmul", "convolution", "attention", "recurrent", "normalisation", "elementwise", "other"]
"""What sort of work an operator does; the first four are made of multiply-adds."""
Phase = Literal["forward", "backward", "recompute", "loss", "optimiser"]
"""When in a training step; recompute is forward work done again for the backward pass."""
Method = Literal["counted from shapes", "executed on this input"]
"""Whether the model was only followed by shapes, or run because its course depends on the data."""

CONVENTION = (
    "1 multiply-add = 2 FLOPs = 1 MAC, and only products, convolutions, attention and recurrence have MACs; "
    "padding counts, and attention counts every query with every key, whatever the mask"
)
KINDS: tuple[Kind, ...] = get_args(Kind)
PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(frozen=True, slots=True)
class Row:
    """One operator with its shapes, in one module and phase, over all its calls.

    Attributes
    ----------
    module : str
        Dotted path, ``""`` for the model itself.
    phase : str
        ``"forward"``, ``"backward"``...
    op : str
        As the framework calls it: ``"aten.addmm"``.
    kind : str
        ``"matmul"``, ``"convolution"``...
    shapes : tuple of tuple of int
        Of its inputs.
    calls : int
        How often it was called so.
    flops, macs : int
        Operations and multiply-adds of all the calls; both 0 where it only moves data.
    bytes_moved : int
        Read and written by all the calls, each tensor once a call.
    formula : str
        Of one call, with its numbers: ``"2 x 8 x 512 x 1000"``.
    """

    module: str
    phase: Phase
    op: str
    kind: Kind
    shapes: tuple[tuple[int, ...], ...]
    calls: int
    flops: int
    macs: int
    bytes_moved: int
    formula: str


@dataclass(frozen=True, slots=True)
class Module:
    """One module of the model.

    Attributes
    ----------
    path : str
        Dotted, ``""`` for the model itself; parents come before their children.
    class_name : str
        ``"Linear"``.
    output_shape : tuple of int
        Of its last call's first output, empty where it was not called or gives no tensor.
    params, trainable_params : int
        Of its own, children not included; one that several modules share is the first one's.
    """

    path: str
    class_name: str
    output_shape: tuple[int, ...]
    params: int
    trainable_params: int


@dataclass(frozen=True, slots=True)
class Uncounted:
    """An operator without a formula: its work is in no figure, and that is not zero.

    Attributes
    ----------
    op : str
        As the framework calls it.
    shapes : tuple of tuple of int
        Of the inputs of its first call.
    calls : int
        How often it was called, whatever the shapes.
    modules : tuple of str
        Where.
    """

    op: str
    shapes: tuple[tuple[int, ...], ...]
    calls: int
    modules: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class FlopReport:
    """Operations, parameters and bytes of a model on inputs of some shapes.

    Attributes
    ----------
    model : str
        Its class, as ``"ResNet"``.
    inputs : str
        Names, shapes and types, as people read them.
    method : str
        How it was counted.
    rows : tuple of Row
        All the work that was counted; every total is a sum over them.
    modules : tuple of Module
        The tree, parents first.
    uncounted : tuple of Uncounted
        Operators without a formula; where there is one, totals are lower bounds.
    params, trainable_params : int
        Each counted once, however many modules share it.
    weight_bytes, activation_bytes, peak_activation_bytes : int
        Parameters and buffers; all tensors that the forward pass makes; the most bytes that tensors made
        in any phase hold at once. None where an engine cannot tell.
    notes : tuple of str
        What the reader should know: attention counted whole, a part that depends on the data...
    at_most : bool
        Whether FLOPs are an upper bound, as where the paths through trees depend on the data; MACs are not.
    """

    model: str
    inputs: str
    method: Method
    rows: tuple[Row, ...]
    modules: tuple[Module, ...]
    uncounted: tuple[Uncounted, ...]
    params: int
    trainable_params: int
    weight_bytes: int
    activation_bytes: int | None = None
    peak_activation_bytes: int | None = None
    notes: tuple[str, ...] = ()
    at_most: bool = False

    @property
    def flops(self) -> int:
        """Operations of all phases: two for a multiply-add, one for any other arithmetic."""
        return sum(row.flops for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-adds of products, convolutions, attention and recurrence, as papers count them."""
        return sum(row.macs for row in self.rows)

    @property
    def by_kind(self) -> dict[Kind, int]:
        """FLOPs of each kind of work, zeros left in."""
        return {kind: sum(row.flops for row in self.rows if row.kind == kind) for kind in KINDS}

    @property
    def by_phase(self) -> dict[Phase, int]:
        """FLOPs of each phase that there was, in the order of a training step."""
        seen = {row.phase for row in self.rows}
        return {
            phase: sum(r.flops for r in self.rows if r.phase == phase) for phase in PHASES if phase in seen
        }

    @property
    def by_module(self) -> dict[str, int]:
        """FLOPs of each module with all that it contains, by its path; ``""`` is the whole."""
        return self._upwards((row.module, row.flops) for row in self.rows)

    @property
    def macs_by_module(self) -> dict[str, int]:
        """MACs of each module with all that it contains."""
        return self._upwards((row.module, row.macs) for row in self.rows)

    @property
    def params_by_module(self) -> dict[str, int]:
        """Parameters of each module with all that it contains."""
        return self._upwards((module.path, module.params) for module in self.modules)

    @property
    def lower_bounds(self) -> frozenset[str]:
        """Paths of the modules with something in them that was not counted: their figures are at least so."""
        return frozenset(
            above
            for item in self.uncounted
            for path in item.modules or ("",)
            for above in _with_parents(path)
        )

    @property
    def arithmetic_intensity(self) -> float | None:
        """FLOPs for each byte read or written by the operators, or None where nothing moved."""
        moved = sum(row.bytes_moved for row in self.rows)
        return self.flops / moved if moved else None

    def explain(self, module: str = "") -> str:
        """Return the formula of every operator of a module and of what it contains, as text.

        Where some operators could not be counted, the figures are "at least" so, and they are named.

        Raises
        ------
        FlopError
            If there is no such module.
        """
        flops = self.by_module
        if module not in flops:
            msg = f"There is no module {module!r} in {self.model}: use a path of by_module."
            raise FlopError(msg)
        bound = "at least " if module in self.lower_bounds else ""
        macs = self.macs_by_module[module]
        most = bound or ("at most " if self.at_most else "")
        lines = [f"{module or self.model}: {most}{flops[module]:,} FLOPs, {bound}{macs:,} MACs"]
        for item in self.uncounted:
            inside = [path for path in item.modules or ("",) if module in _with_parents(path)]
            if inside:
                where = ", ".join(path or "model" for path in inside)
                lines.append(f"  {where}: {item.op} was not counted, and is not zero")
        for row in self.rows:
            if module in _with_parents(row.module) and row.flops:
                shapes = ", ".join("x".join(map(str, shape)) for shape in row.shapes)
                times = f" x {row.calls} calls" if row.calls > 1 else ""
                lines.append(f"  {row.module or 'model'}, {row.phase}: {row.op} ({shapes})")
                lines.append(f"    = {row.formula}{times} = {row.flops:,} FLOPs")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain types that JSON can hold, nothing lost."""
        return asdict(self) | {"convention": CONVENTION, "flops": self.flops, "macs": self.macs}

    def to_json(self) -> str:
        """Return the same as a JSON text."""
        return json.dumps(self.to_dict())

    def to_pandas(self) -> Any:
        """Return a DataFrame with one line for each row.

        Raises
        ------
        MissingExtra
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            msg = "to_pandas needs pandas: run `pip install pandas`."
            raise MissingExtra(msg) from error
        names = [field.name for field in fields(Row)]
        return pd.DataFrame([[getattr(row, name) for name in names] for row in self.rows], columns=names)

    def __repr__(self) -> str:
        bound = "at least " if self.uncounted else "at most " if self.at_most else ""
        counts = f"{self.flops:,} FLOPs, {self.macs:,} MACs, {self.params:,} parameters"
        return f"<FlopReport {self.model}: {bound}{counts}>"

    def _upwards(self, amounts: Iterable[tuple[str, int]]) -> dict[str, int]:
        totals = {module.path: 0 for module in self.modules}
        for path, amount in amounts:
            for above in _with_parents(path):
                totals[above] = totals.get(above, 0) + amount
        return totals


def _with_parents(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition(".")[0]
    yield ""
