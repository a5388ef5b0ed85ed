"""What fvcore counts: multiply-adds of the operators it knows, along a trace of the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from greenai_magic.flops.crosscheck import Tally, Unseen

if TYPE_CHECKING:
    from greenai_magic.flops.torch.peers import Subject

_PRODUCTS = ("conv", "linear", "addmm", "mm", "bmm", "matmul", "einsum")
_MULTIPLYING: dict[tuple[str, ...], tuple[str, ...]] = {
    ("scaled_dot_product_attention",): ("attention", "bmm"),
    ("_native_multi_head_attention", "_transformer_encoder_layer_fwd"): ("",),
    ("lstm", "gru", "rnn_tanh", "rnn_relu"): ("recurrent",),
    ("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"): ("recurrent",),
    ("mv", "addmv", "linalg_vecdot", "dot", "vdot", "inner", "cdist"): ("mv", "dot", "mm", "cdist"),
    ("tensordot", "chain_matmul", "linalg_multi_dot", "kron"): ("mm",),
    ("baddbmm", "addbmm"): ("bmm",),
    ("bilinear",): ("trilinear",),
    ("_convolution_mode",): ("convolution",),
    ("_grouped_mm", "_scaled_mm", "_int_mm"): ("_mm",),
}
"""Operators of a trace that multiply and that fvcore has no rule for, and what is in our names for them."""


def tally(name: str, subject: Subject) -> Tally:
    """Let fvcore count a copy of the model."""
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(subject.call, subject.tensors)
    with torch.no_grad():
        counts = analysis.by_module_and_operator()
    own = _without_children(counts)
    return Tally(
        name,
        macs={path: sum(_exact(own[path][op]) for op in _PRODUCTS if op in own[path]) for path in own},
        others={op: _exact(made) for op, made in counts[""].items() if op not in _PRODUCTS and made},
        unseen=_unsupported({path: analysis.unsupported_ops(path) for path in counts}),
    )


def _unsupported(listed: Mapping[str, Any]) -> dict[str, Unseen]:
    """Return what is missed in each module with operators that fvcore itself says it does not know."""
    reasons = {}
    for path, ops in _without_children(listed).items():
        words = {op: _words(op) for op, times in ops.items() if times and _words(op)}
        if words:
            why = f"fvcore lists {', '.join(words)} as unsupported"
            reasons[path] = Unseen(why, tuple(word for some in words.values() for word in some))
    return reasons


def _words(op: str) -> tuple[str, ...]:
    if op.startswith("prim::PythonOp"):  # a function with a gradient of its own: it may do anything
        return ("",)
    name = op.partition("::")[2]
    return next((words for names, words in _MULTIPLYING.items() if name in names), ())


def _without_children(totals: Mapping[str, Any]) -> dict[str, Counter[str]]:
    """Return each module's own share of figures that hold those of its children, by our paths."""
    own = {path: Counter(figures) for path, figures in totals.items()}
    for path, figures in totals.items():
        if path:
            own[path.rpartition(".")[0]].subtract(figures)
    return {path.partition(".")[2]: figures for path, figures in own.items() if path}


def _exact(figure: Any) -> Any:
    """Return a count as an integer; a fraction, which an einsum can give, stays one."""
    return int(figure) if figure == int(figure) else figure
