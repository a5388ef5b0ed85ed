"""What one call of an operator costs: pure functions of shapes, for any framework.

The convention, printed with every report:

* a multiply-add is two operations and one MAC; a bias starts the sum of products and costs nothing more;
* only products, convolutions, attention and recurrent layers have MACs, as papers count them;
* padding is multiplied like any other input;
* any other arithmetic is one operation for each element it makes, or, where it reduces, for each it
  reads; the tables below say it for softmax and for normalisation;
* moving data costs bytes and no operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from greenai_magic.flops.report import Kind

Shape = tuple[int, ...]

SOFTMAX = 5
"""For each element: compare for the maximum, subtract it, exponential, add to the sum, divide."""
SOFTMAX_BACKWARD = 4
"""For each element: multiply the gradient by the output, add to the sum, subtract, multiply."""
SCORE = 1 + SOFTMAX
"""For each score of fused attention: the scaling and the softmax."""
SCORE_BACKWARD = SCORE + 1 + SOFTMAX_BACKWARD
"""For each score of fused attention: forward work again, for it was not kept, and the gradient."""
STATISTICS = 4
"""For each element: add to the mean; subtract it, square and add to the variance."""
ROOT_MEAN_SQUARE = 2
"""For each element: square and add."""
NORMALISE = 2
"""For each element: subtract the mean and divide by the deviation."""
AFFINE = 2
"""For each element: multiply by the weight and add the bias."""
NORMALISATION_BACKWARD = 9
"""For each element: normalise again (2), two sums (3), and what they and the gradient make (4)."""
AFFINE_BACKWARD = 3
"""For each element: multiply and add to the weight's gradient, add to the bias's."""

RECURRENT_GATES = {"lstm": 4, "gru": 3, "rnn": 1}
"""Products of the input, and of the state, for each hidden unit and step."""
RECURRENT_UNIT = {"lstm": 9, "gru": 10, "rnn": 2}
"""Elementwise work for each hidden unit and step.

lstm: three sigmoids, two tanh, two products and a sum for the cell, a product for the output. gru: two
sums and two sigmoids for the gates, a product, a sum and a tanh for the candidate, and a difference, a
product and a sum for the state. rnn: a sum and a tanh.
"""


class Cost(NamedTuple):
    """Operations of one call, of them multiply-adds (counted once), and how that was reckoned."""

    kind: Kind
    flops: int
    macs: int
    formula: str


def of_macs(kind: Kind, *factors: int, others: int = 0, times: int = 1) -> Cost:
    """Return the cost of ``times`` equal products of as many multiply-adds as ``factors`` make.

    Parameters
    ----------
    kind : str
        Of the work.
    *factors : int
        Their product is the number of multiply-adds.
    others : int
        Operations that are no multiply-adds.
    times : int
        How many such products.
    """
    macs = times * prod(factors)
    formula = " x ".join(map(str, (2, *([times] if times != 1 else []), *factors)))
    return Cost(kind, 2 * macs + others, macs, f"{formula} + {others}" if others else formula)


def matmul(rows: int, inner: int, columns: int, batch: int = 1) -> Cost:
    """Return the cost of ``batch`` products of rows x inner by inner x columns."""
    return of_macs("matmul", *([batch] if batch != 1 else []), rows, inner, columns)


def convolution(positions: Sequence[int], weight: Sequence[int]) -> Cost:
    """Return the cost of a convolution: at each position, every element of the weight is used once.

    Parameters
    ----------
    positions : sequence of int
        Batch and space: of the output, or of the input where the convolution is transposed.
    weight : sequence of int
        Its shape, in any order: channels (of one group, on one side) and kernel.
    """
    return of_macs("convolution", *positions, *weight)


def convolution_backward(
    positions: Sequence[int], weight: Sequence[int], gradients: int, bias_elements: int = 0
) -> Cost:
    """Return the cost of the gradients of a convolution: each product is as large as the forward one.

    Parameters
    ----------
    positions, weight : sequence of int
        Of the forward pass: see :func:`convolution`.
    gradients : int
        How many of the input's and the weight's gradients are wanted.
    bias_elements : int
        Elements of the output's gradient that are summed for the bias's, if wanted.
    """
    return of_macs("convolution", *positions, *weight, others=bias_elements, times=gradients)


def attention(batch: Sequence[int], queries: int, keys: int, key_size: int, value_size: int) -> Cost:
    """Return the cost of attention: every query meets every key, whatever the mask.

    Parameters
    ----------
    batch : sequence of int
        Batch and heads (of the queries, where several share a key).
    queries, keys : int
        Lengths of the two sequences.
    key_size, value_size : int
        Of one head.
    """
    scores = prod(batch) * queries * keys
    flops = 2 * scores * (key_size + value_size) + SCORE * scores
    product = " x ".join(map(str, (*batch, queries, keys)))
    return Cost(
        "attention",
        flops,
        scores * (key_size + value_size),
        f"{product} x (2 x ({key_size} + {value_size}) + {SCORE})",
    )


def attention_backward(batch: Sequence[int], queries: int, keys: int, key_size: int, value_size: int) -> Cost:
    """Return the cost of the gradients of fused attention, which makes the scores a second time.

    Five products instead of four, so that it costs 2.5 times the forward pass: what the hardware does.
    """
    scores = prod(batch) * queries * keys
    macs = scores * (3 * key_size + 2 * value_size)
    product = " x ".join(map(str, (*batch, queries, keys)))
    return Cost(
        "attention",
        2 * macs + SCORE_BACKWARD * scores,
        macs,
        f"{product} x (2 x (3 x {key_size} + 2 x {value_size}) + {SCORE_BACKWARD})",
    )


def recurrent(tokens: int, weights: Sequence[Sequence[int]], units: int, cell: str) -> Cost:
    """Return the cost of a recurrent layer: each token is multiplied once by every weight matrix.

    Parameters
    ----------
    tokens : int
        Steps x batch.
    weights : sequence of shapes
        The matrices, of all layers and directions.
    units : int
        Hidden units, of all layers and directions.
    cell : str
        ``"lstm"``, ``"gru"`` or ``"rnn"``.
    """
    elements = sum(prod(weight) for weight in weights)
    return of_macs("recurrent", tokens, elements, others=RECURRENT_UNIT[cell] * tokens * units)


def elementwise(elements: int, each: int = 1) -> Cost:
    """Return the cost of ``each`` operations for each element."""
    return _per_element("elementwise", elements, each)


def reduction(elements: int, each: int = 1) -> Cost:
    """Return the cost of a sum, a maximum, a pooling...: ``each`` operations for each element read."""
    return _per_element("other", elements, each)


def softmax(elements: int) -> Cost:
    """Return the cost of a softmax or its logarithm."""
    return elementwise(elements, SOFTMAX)


def softmax_backward(elements: int) -> Cost:
    """Return the cost of the gradient of a softmax or its logarithm."""
    return elementwise(elements, SOFTMAX_BACKWARD)


def normalisation(elements: int, *, statistics: int = STATISTICS, affine: bool = True) -> Cost:
    """Return the cost of batch, layer, group or instance normalisation.

    Parameters
    ----------
    elements : int
        Of the input.
    statistics : int
        For each element: ``STATISTICS``, or 0 where they are known, as in evaluation.
    affine : bool
        Whether a weight and a bias follow.
    """
    return _per_element("normalisation", elements, statistics + NORMALISE + AFFINE * affine)


def rms_normalisation(elements: int, *, affine: bool = True) -> Cost:
    """Return the cost of a division by the root mean square: no mean is subtracted, no bias added."""
    return _per_element("normalisation", elements, ROOT_MEAN_SQUARE + 1 + affine)


def normalisation_backward(elements: int, *, known: bool = False, affine: bool = True) -> Cost:
    """Return the cost of the gradients of a normalisation.

    Parameters
    ----------
    elements : int
        Of the input.
    known : bool
        Whether the statistics were known, so that the gradient is only scaled.
    affine : bool
        Whether the weight's and the bias's gradients are wanted.
    """
    each = NORMALISE if known else NORMALISATION_BACKWARD
    return _per_element("normalisation", elements, each + AFFINE_BACKWARD * affine)


def pooling(outputs: int, window: int) -> Cost:
    """Return the cost of a pooling: one operation for each element of each window."""
    return _product("other", outputs, window)


def interpolation(outputs: int, taps: int) -> Cost:
    """Return the cost of a weighted sum of ``taps`` neighbours for each output."""
    return _product("other", outputs, 2 * taps - 1)


def fourier(transforms: int, length: int, *, real: bool = False) -> Cost:
    """Return the cost of fast Fourier transforms: 5 n log2 n each, half of it where one side is real.

    The usual figure (Van Loan, 1992), with log2 rounded up for lengths that are no power of two.
    """
    levels = max(length - 1, 1).bit_length()
    flops = 5 * transforms * length * levels // (2 if real else 1)
    half = " / 2" if real else ""
    return Cost("other", flops, 0, f"5 x {transforms} x {length} x {levels}{half}")


def factorisation(batch: int, size: int, thirds: int) -> Cost:
    """Return the cost of dense linear algebra that takes ``thirds`` x n^3 / 3 operations."""
    flops = batch * thirds * size**3 // 3
    return Cost("other", flops, 0, f"{batch} x {thirds} x {size}^3 / 3")


def nothing() -> Cost:
    """Return the cost of moving data: no operation."""
    return Cost("other", 0, 0, "0: data is only moved")


def total(kind: Kind, *parts: Cost) -> Cost:
    """Return the cost of one operator that does all of ``parts``."""
    return Cost(
        kind,
        sum(part.flops for part in parts),
        sum(part.macs for part in parts),
        " + ".join(part.formula for part in parts),
    )


def window_positions(inputs: Sequence[int], outputs: Sequence[int]) -> tuple[int, ...]:
    """Return how often the window of a convolution is laid along each axis of the image.

    Once for each output of a convolution, once for each input of a transposed one: the smaller of both,
    since strides and missing padding make a convolution's output the smaller, a transposed one's the larger.
    """
    return tuple(min(pair) for pair in zip(inputs, outputs, strict=True))


def einsum(equation: str, shapes: Sequence[Sequence[int]]) -> Cost:
    """Return the cost of an einsum of two operands; one alone is summed, or only moved.

    Raises
    ------
    ValueError
        If the equation does not fit the shapes, or has more than two operands.
    """
    left, _, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes) or len(terms) > 2:
        msg = f"{equation!r} of {len(shapes)} operands"
        raise ValueError(msg)
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for label, size in zip(_labels(term, len(shape)), shape, strict=True):
            sizes[label] = max(size, sizes.get(label, 1))
    if len(terms) == 2:
        return of_macs("matmul", *sizes.values())
    return reduction(prod(shapes[0])) if len(right) < len(left) else nothing()


def _labels(term: str, rank: int) -> list[str]:
    before, dots, after = term.partition("...")
    broadcast = rank - len(before) - len(after) if dots else 0
    # From the right, as broadcasting aligns them.
    return [*before, *(f"...{place}" for place in range(broadcast, 0, -1)), *after]


def _per_element(kind: Kind, elements: int, each: int) -> Cost:
    return Cost(kind, each * elements, 0, str(elements) if each == 1 else f"{each} x {elements}")


def _product(kind: Kind, *factors: int) -> Cost:
    return Cost(kind, prod(factors), 0, " x ".join(map(str, factors)))
