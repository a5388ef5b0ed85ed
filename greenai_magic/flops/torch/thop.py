"""What thop counts: by rules for classes of layers, called from hooks on them.

Two packages go by that name. The one of the MIT licence knows layers by their exact class and nothing
between them; ultralytics-thop knows subclasses too, and functional products, of which it tells the sum alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import torch

from greenai_magic.flops.crosscheck import OUTSIDE, Tally, Unseen
from greenai_magic.flops.report import FlopReport, Row

if TYPE_CHECKING:
    from greenai_magic.flops.torch.peers import Subject

_PRODUCTS = ("conv", "linear", "bilinear", "multihead", "rnn", "gru", "lstm")
_UNKNOWN_FUNCTIONS = ("mm", "mv", "dot", "convolution", "trilinear", "recurrent")
"""What is in our names for functions that ultralytics-thop may not know; it knows fused attention."""
_EACH_UNIT = {"lstm": (8, 8), "gru": (7, 6), "rnn": (1, 2)}
"""What thop adds for each hidden unit and step: elementwise work, and two biases for each gate."""


def tally(name: str, subject: Subject) -> Tally:
    """Let thop count a copy of the model."""
    import thop
    from thop.profile import register_hooks

    functional = name.startswith("ultralytics")
    rules = {
        path: _rule(type(module), register_hooks, inherited=functional)
        for path, module in subject.model.named_modules()
    }
    total, _, layers = thop.profile(subject.call, inputs=subject.tensors, verbose=False, ret_layer_info=True)
    first = _first_paths(subject.model)
    own = {path: int(ops) for path, ops in _own(layers, "", first, summed=functional)}
    macs = {p: ops for p, ops in own.items() if _multiplies(rules[first[p]])}
    others: Counter[str] = Counter()
    for path, ops in own.items():
        if path not in macs and ops:
            others[rules[first[path]].removeprefix("count_")] += ops
    lone = {path for path in rules if not _multiplies(rules[path])}
    if functional:
        macs[OUTSIDE] = int(total) - sum(own.values())
        why = "thop knows matmul, bmm, einsum, linear and attention as functions, and no others"
        unseen = {OUTSIDE: Unseen(why, _UNKNOWN_FUNCTIONS)}
    else:
        unseen = dict.fromkeys(lone, Unseen("thop counts layers of the classes it knows, and nothing else"))
    return Tally(
        name,
        macs,
        others,
        unseen=unseen,
        extras=_extras(subject, macs, first),
        pooled=frozenset(lone) if functional else frozenset(),
    )


def _rule(kind: type, rules: Mapping[type, Any], *, inherited: bool) -> str:
    """Return the name of thop's rule for a class; ``""`` where it has none."""
    kinds = kind.__mro__ if inherited else (kind,)
    return next((rules[known].__name__ for known in kinds if known in rules), "")


def _multiplies(rule: str) -> bool:
    return rule.removeprefix("count_").startswith(_PRODUCTS)


def _first_paths(model: torch.nn.Module) -> dict[str, str]:
    """Return, for each path of a module, the first one that leads to it."""
    first: dict[torch.nn.Module, str] = {}
    return {path: first.setdefault(m, path) for path, m in model.named_modules(remove_duplicate=False)}


def _own(
    layers: Mapping[str, Any], above: str, first: Mapping[str, str], *, summed: bool
) -> Iterator[tuple[str, float]]:
    """Yield each module's operations without its children's, by our paths."""
    for name, (ops, _, inner) in layers.items():
        full = f"{above}.{name}" if above else name
        path = full.partition(".")[2]
        if not summed:
            yield path, 0 if inner else ops  # a module with a rule is not looked into
        elif first[path] == path:
            yield path, ops - sum(part[0] for key, part in inner.items() if _is_first(path, key, first))
        yield from _own(inner, full, first, summed=summed)


def _is_first(path: str, name: str, first: Mapping[str, str]) -> bool:
    inner = f"{path}.{name}" if path else name
    return first[inner] == inner


def _extras(subject: Subject, macs: Mapping[str, int], first: Mapping[str, str]) -> dict[str, Counter[str]]:
    """Return what thop's rules are known to count above the multiply-adds."""
    places = Counter(first[path] for path in macs if path != OUTSIDE)
    rows: dict[str, list[Row]] = {}
    for row in subject.report.rows:
        if row.phase == "forward":
            rows.setdefault(row.module, []).append(row)
    extras = {}
    for path in macs:
        if path == OUTSIDE:
            continue
        here = rows.get(first[path], [])
        ours = sum(row.macs for row in here)
        if first[path] != path:
            extras[path] = Counter({f"the same module as {first[path]}, counted again": macs[first[path]]})
            continue
        module = subject.model.get_submodule(path)
        extras[path] = _of_rule(module, here, ours, subject.report)
        if places[path] > 1:
            cause = f"stands in {places[path]} places, so that each call is counted {places[path]} times"
            extras[path][cause] = (places[path] - 1) * ours
    return extras


def _of_rule(module: torch.nn.Module, rows: list[Row], ours: int, report: FlopReport) -> Counter[str]:
    if isinstance(module, (torch.nn.RNNBase, torch.nn.RNNCellBase)):
        return _recurrent(module, ours)
    if isinstance(module, torch.nn.modules.conv._ConvTransposeNd):
        return _transposed(module, rows, report)
    if isinstance(module, torch.nn.MultiheadAttention):
        return Counter({"the softmax of attention is counted too": sum(map(_softmax, rows))})
    return Counter()


def _recurrent(module: Any, ours: int) -> Counter[str]:
    weights = [p for name, p in module.named_parameters() if name.startswith("weight_")]
    tokens = ours // sum(weight.numel() for weight in weights)
    cells = getattr(module, "num_layers", 1) * (1 + getattr(module, "bidirectional", False))
    kinds = (kind.__name__.removesuffix("Cell").lower() for kind in type(module).__mro__)
    elementwise, biases = next(_EACH_UNIT[kind] for kind in kinds if kind in _EACH_UNIT)
    units = tokens * cells * module.hidden_size
    cause = "biases and elementwise work of the recurrence are counted too"
    return Counter({cause: units * (elementwise + biases * bool(module.bias))})


def _transposed(module: Any, rows: list[Row], report: FlopReport) -> Counter[str]:
    path = rows[0].module if rows else ""
    out = next((known.output_shape for known in report.modules if known.path == path), ())
    extra = 0
    for row in (row for row in rows if row.macs):
        taps = prod(module.kernel_size)
        extra += row.calls * prod(out) * (row.shapes[0][1] // module.groups) * taps - row.macs
    return Counter({"a transposed convolution is counted at its output's positions, not its input's": extra})


def _softmax(row: Row) -> int:
    """Return thop's figure for the softmax of attention: two for each score, and its sum."""
    if row.op.startswith("aten._softmax") or row.op.startswith("aten._safe_softmax"):
        rows, keys = prod(row.shapes[0][:-1]), row.shapes[0][-1]
    elif row.kind == "attention":
        rows, keys = prod(row.shapes[0][:-1]), row.shapes[1][-2]
    else:
        return 0
    return row.calls * rows * (3 * keys - 1)
