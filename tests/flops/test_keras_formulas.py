"""Laws of the formulas that the walkers of Keras' graphs rest on."""

from __future__ import annotations

import string
from itertools import product
from math import prod

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from greenai_magic.flops.formulas import einsum, window_positions

sides = st.integers(1, 5)


def executed(equation, shapes):
    """Count the multiply-adds of an einsum by executing its loops."""
    left, right = equation.partition("->")[0].split(",")
    sizes = dict(zip(left, shapes[0], strict=True)) | dict(zip(right, shapes[1], strict=True))
    return sum(1 for _ in product(*(range(size) for size in sizes.values())))


@st.composite
def contractions(draw):
    labels = draw(st.lists(st.sampled_from(string.ascii_lowercase[:6]), min_size=1, max_size=5, unique=True))
    left = [label for label in labels if draw(st.booleans())] or labels[:1]
    right = [label for label in labels if draw(st.booleans())] or labels[-1:]
    out = [label for label in sorted({*left, *right}) if draw(st.booleans())]
    sizes = {label: draw(sides) for label in labels}
    shapes = [tuple(sizes[label] for label in term) for term in (left, right)]
    return f"{''.join(left)},{''.join(right)}->{''.join(out)}", shapes


@given(contractions())
def test_an_einsum_costs_one_multiply_add_for_each_turn_of_its_loops(contraction):
    equation, shapes = contraction
    cost = einsum(equation, shapes)
    assert (cost.macs, cost.flops) == (executed(equation, shapes), 2 * executed(equation, shapes))


@given(contractions())
def test_the_order_of_operands_does_not_matter(contraction):
    equation, shapes = contraction
    terms, _, out = equation.partition("->")
    assert (
        einsum(f"{','.join(terms.split(',')[::-1])}->{out}", shapes[::-1]).macs
        == einsum(equation, shapes).macs
    )


@given(st.lists(sides, max_size=3), sides, sides, sides)
def test_an_ellipsis_stands_for_the_axes_that_are_not_named(batch, rows, inner, columns):
    cost = einsum("...ij,jk->...ik", [(*batch, rows, inner), (inner, columns)])
    assert cost.macs == prod(batch) * rows * inner * columns


@given(sides, sides, sides)
def test_an_ellipsis_broadcasts_from_the_right(few, many, inner):
    assume(few > 1)
    cost = einsum("...i,...i->...", [(few, 1, inner), (many, inner)])
    assert cost.macs == few * many * inner


def test_an_einsum_of_one_operand_has_no_multiply_adds():
    assert einsum("ij->ji", [(3, 4)]).flops == 0
    assert (einsum("ij->i", [(3, 4)]).macs, einsum("ij->i", [(3, 4)]).flops) == (0, 12)


@pytest.mark.parametrize(
    ("equation", "shapes"), [("ij,jk->ik", [(2, 3)]), ("a,b,c->abc", [(2,), (3,), (4,)])]
)
def test_an_einsum_that_does_not_fit_is_refused(equation, shapes):
    with pytest.raises(ValueError, match="operands"):
        einsum(equation, shapes)


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 4), st.sampled_from(["same", "valid"]))
def test_the_window_is_laid_once_for_each_output_of_a_convolution(size, kernel, stride, padding):
    assume(size >= kernel)
    starts = range(0, size if padding == "same" else size - kernel + 1, stride)
    assert window_positions([size], [len(starts)]) == (len(starts),)


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 4))
def test_the_window_is_laid_once_for_each_input_of_a_transposed_convolution(size, kernel, stride):
    written = {place * stride + tap for place in range(size) for tap in range(kernel)}
    assert window_positions([size], [max(written) + 1]) == (size,)
