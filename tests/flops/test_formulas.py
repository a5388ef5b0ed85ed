"""Each formula against the definition, multiplied out element by element."""

from __future__ import annotations

from itertools import product
from math import prod

from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.flops import formulas

small = st.integers(1, 4)


@given(small, small, small, small)
def test_matmul(batch, rows, inner, columns):
    cost = formulas.matmul(rows, inner, columns, batch)
    assert cost.macs == sum(1 for _ in product(range(batch), range(rows), range(inner), range(columns)))
    assert cost.flops == 2 * cost.macs


@given(st.lists(small, min_size=2, max_size=4), st.lists(small, min_size=3, max_size=5))
def test_convolution(positions, weight):
    cost = formulas.convolution(positions, weight)
    taps = sum(1 for _ in product(*map(range, positions), *map(range, weight)))
    assert (cost.macs, cost.flops) == (taps, 2 * taps)
    for gradients in (0, 1, 2):
        back = formulas.convolution_backward(positions, weight, gradients, bias_elements=7)
        assert (back.macs, back.flops) == (gradients * taps, 2 * gradients * taps + 7)


@given(st.lists(small, min_size=1, max_size=2), small, small, small, small)
def test_attention(batch, queries, keys, key_size, value_size):
    scores = prod(batch) * queries * keys
    cost = formulas.attention(batch, queries, keys, key_size, value_size)
    assert cost.macs == scores * key_size + scores * value_size
    assert cost.flops == 2 * cost.macs + 6 * scores
    # The scores again, then the gradients of values, weights, queries and keys.
    back = formulas.attention_backward(batch, queries, keys, key_size, value_size)
    assert back.macs == scores * (key_size + value_size + value_size + key_size + key_size)
    if key_size == value_size:
        assert 2 * back.macs == 5 * cost.macs


@given(small, small, small, st.sampled_from(["lstm", "gru", "rnn"]))
def test_recurrent(tokens, inputs, hidden, cell):
    gates = formulas.RECURRENT_GATES[cell]
    weights = [(gates * hidden, inputs), (gates * hidden, hidden)]
    cost = formulas.recurrent(tokens, weights, hidden, cell)
    assert cost.macs == tokens * gates * hidden * (inputs + hidden)
    assert cost.flops - 2 * cost.macs == tokens * hidden * formulas.RECURRENT_UNIT[cell]


@given(
    st.sampled_from(
        [
            formulas.matmul(2, 3, 4),
            formulas.matmul(2, 3, 4, 5),
            formulas.convolution((2, 7, 7), (8, 4, 3, 3)),
            formulas.convolution_backward((2, 7, 7), (8, 4, 3, 3), 2, 5),
            formulas.attention((2, 3), 4, 5, 6, 7),
            formulas.attention_backward((2, 3), 4, 5, 6, 7),
            formulas.recurrent(6, [(8, 3), (8, 2)], 2, "lstm"),
            formulas.elementwise(10),
            formulas.elementwise(10, 3),
            formulas.softmax(10),
            formulas.normalisation(10),
            formulas.pooling(9, 4),
            formulas.interpolation(9, 4),
            formulas.fourier(3, 8),
            formulas.fourier(3, 8, real=True),
            formulas.factorisation(2, 3, 2),
            formulas.total("matmul", formulas.matmul(2, 3, 4), formulas.softmax(10)),
        ]
    )
)
def test_the_formula_in_words_gives_the_same_number(cost):
    written = cost.formula.replace(" x ", " * ").replace("^", "**").replace(" / ", " // ")
    assert eval(written) == cost.flops


def test_counts_are_exact_beyond_what_floats_hold():
    cost = formulas.matmul(10**9 + 1, 10**9 + 1, 10**9 + 1)
    assert cost.flops == 2 * (10**9 + 1) ** 3
