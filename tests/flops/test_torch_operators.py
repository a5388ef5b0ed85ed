"""Each family of operators, over its shapes: what is counted is what the definition multiplies."""

from __future__ import annotations

from math import prod

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F  # noqa: N812 its usual name

from greenai_magic.flops import count_flops

law = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))

small = st.integers(1, 5)
floats = st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16])


class Call(nn.Module):
    """A function as a model."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors):
        return self.function(*tensors)


def macs(function, *tensors, **options):
    report = count_flops(Call(function), tensors, **options)
    assert not report.uncounted
    return report.macs


def phases(model, inputs):
    report = count_flops(model, inputs, backward=True)
    assert not report.uncounted
    backward = sum(row.macs for row in report.rows if row.phase == "backward")
    return report.macs - backward, backward


@law
@given(st.lists(small, min_size=1, max_size=3), small, small, floats, st.booleans())
def test_linear(leading, inner, outer, dtype, bias):
    model = nn.Linear(inner, outer, bias=bias, dtype=dtype)
    product = prod(leading) * inner * outer
    report = count_flops(model, torch.empty(*leading, inner, dtype=dtype, device="meta"))
    assert (report.macs, report.flops) == (product, 2 * product)
    wanted = torch.empty(*leading, inner, dtype=dtype, requires_grad=True)
    assert phases(model, wanted) == (product, 2 * product)


@law
@given(*[st.integers(2, 5)] * 4)  # of one column, einsum makes an elementwise product and a sum
def test_products_of_matrices(batch, rows, inner, columns):
    a, b = torch.randn(batch, rows, inner), torch.randn(batch, inner, columns)
    product = rows * inner * columns
    assert macs(torch.bmm, a, b) == batch * product
    assert macs(torch.matmul, a, b[0]) == batch * product
    assert macs(lambda a, b: torch.einsum("bij,bjk->bik", a, b), a, b) == batch * product
    assert macs(lambda a, b: torch.einsum("bij,bjk->ik", a, b), a, b) == batch * product
    assert macs(torch.baddbmm, torch.randn(rows, columns), a, b) == batch * product
    assert macs(torch.addbmm, torch.randn(rows, columns), a, b) == batch * product
    assert macs(torch.addmm, torch.randn(columns), a[0], b[0]) == product
    assert macs(torch.mv, a[0], b[0, :, 0]) == rows * inner
    assert macs(torch.addmv, torch.randn(rows), a[0], b[0, :, 0]) == rows * inner
    assert macs(torch.dot, a[0, 0], b[0, :, 0]) == inner
    assert macs(torch.addr, torch.randn(rows, columns), a[0, :, 0], b[0, 0]) == rows * columns


@law
@given(st.integers(1, 3), st.data())
def test_convolution(dimensions, data):
    groups, inner, outer = data.draw(small), data.draw(small), data.draw(small)
    sides = st.tuples(*[st.integers(1, 3)] * dimensions)
    kernel, stride, dilation = data.draw(sides), data.draw(sides), data.draw(sides)
    padding, batch = data.draw(st.integers(0, 2)), data.draw(small)
    size = [d * (k - 1) + 1 + data.draw(st.integers(0, 4)) for k, d in zip(kernel, dilation, strict=True)]
    made = [
        (s + 2 * padding - d * (k - 1) - 1) // step + 1
        for s, k, d, step in zip(size, kernel, dilation, stride, strict=True)
    ]
    layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1](
        groups * inner, groups * outer, kernel, stride, padding, dilation, groups
    )
    product = batch * prod(made) * groups * outer * inner * prod(kernel)
    x = torch.randn(batch, groups * inner, *size)
    assert phases(layer, x) == (product, product)  # the input wants no gradient
    assert phases(layer, x.requires_grad_()) == (product, 2 * product)


@law
@given(st.integers(1, 3), st.data())
def test_transposed_convolution(dimensions, data):
    groups, inner, outer = data.draw(small), data.draw(small), data.draw(small)
    sides = st.tuples(*[st.integers(1, 3)] * dimensions)
    kernel, stride, size = data.draw(sides), data.draw(sides), data.draw(sides)
    extra = [data.draw(st.integers(0, step - 1)) for step in stride]
    layer = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[dimensions - 1](
        groups * inner, groups * outer, kernel, stride, output_padding=extra, groups=groups
    )
    # Each element of the input is spread by the whole kernel.
    product = 2 * prod(size) * groups * inner * outer * prod(kernel)
    x = torch.randn(2, groups * inner, *size)
    assert phases(layer, x) == (product, product)
    assert phases(layer, x.requires_grad_()) == (product, 2 * product)


@law
@given(small, small, small, small, st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_fused_attention(batch, queries, keys, heads, shared, size, causal):
    q = torch.randn(batch, heads * shared, queries, size, requires_grad=True)
    k, v = (torch.randn(batch, heads, keys, size, requires_grad=True) for _ in range(2))
    model = Call(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True))
    report = count_flops(model, (q, k, v), backward=True)
    product = 2 * batch * heads * shared * queries * keys * size
    fused = any(row.kind == "attention" for row in report.rows)
    forward = sum(row.macs for row in report.rows if row.phase == "forward")
    assert forward == product
    assert report.macs - forward == (5 * product // 2 if fused else 2 * product)


@law
@given(small, small, small, st.integers(1, 3), st.booleans(), st.booleans())
def test_fused_attention_with_a_mask(batch, queries, keys, heads, evaluate, given_mask):
    size = 4
    q = torch.randn(batch, heads, queries, size)
    k, v = torch.randn(batch, heads, keys, size), torch.randn(batch, heads, keys, size)
    mask = torch.zeros(queries, keys) if given_mask else None
    dropout = 0.0 if evaluate else 0.5
    call = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask, dropout_p=dropout)  # noqa: E731
    assert macs(call, q, k, v) == 2 * batch * heads * queries * keys * size


@law
@given(small, small, small, st.integers(1, 3))
def test_flexible_attention(batch, queries, keys, heads):
    from torch.nn.attention import flex_attention

    q, k = torch.randn(batch, heads, queries, 16), torch.randn(batch, heads, keys, 16)
    # Under causal masking too, every query is counted with every key.
    bend = lambda score, batch, head, query, key: torch.where(query >= key, score, -float("inf"))  # noqa: E731
    call = lambda q, k: flex_attention.flex_attention(q, k, k, score_mod=bend)  # noqa: E731
    assert macs(call, q, k) == 2 * batch * heads * queries * keys * 16
    assert flex_attention._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG is False


@law
@given(small, small, small, st.integers(1, 3), st.booleans(), st.booleans())
def test_multi_head_attention_module(batch, queries, keys, heads, training, weights):
    size = 4 * heads
    layer = nn.MultiheadAttention(size, heads, batch_first=True).train(training)
    q, k = torch.randn(batch, queries, size), torch.randn(batch, keys, size)
    call = Call(lambda q, k: layer(q, k, k, need_weights=weights))
    call.layer = layer
    projections = 2 * batch * queries * size * size + 2 * batch * keys * size * size
    assert count_flops(call, (q, k)).macs == projections + 2 * batch * queries * keys * size


@law
@given(st.sampled_from([(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)]), small, small, small, small, st.data())
def test_recurrent(kind, steps, batch, inputs, hidden, data):
    cell, gates = kind
    layers, both, first = data.draw(st.integers(1, 3)), data.draw(st.booleans()), data.draw(st.booleans())
    model = cell(inputs, hidden, layers, bidirectional=both, batch_first=first)
    sides = 1 + both
    sizes = [inputs] + [hidden * sides] * (layers - 1)
    x = torch.randn(*((batch, steps) if first else (steps, batch)), inputs)
    report = count_flops(model, x)
    assert report.macs == sum(sides * steps * batch * gates * hidden * (size + hidden) for size in sizes)
    assert report.by_kind["matmul"] == 0
    assert report.by_kind["recurrent"] > 2 * report.macs


@law
@given(small, small, st.integers(2, 5), st.integers(1, 4))
def test_recurrent_with_a_projection(steps, batch, hidden, inputs):
    projected = hidden - 1
    model = nn.LSTM(inputs, hidden, proj_size=projected)
    each = 4 * hidden * (inputs + projected) + hidden * projected
    assert count_flops(model, torch.randn(steps, batch, inputs)).macs == steps * batch * each


@law
@given(st.lists(small, min_size=1, max_size=4))
def test_elementwise_work_is_one_operation_an_element(shape):
    for function in (torch.exp, torch.relu, torch.sigmoid, torch.neg, F.gelu, F.silu, F.hardswish, F.elu):
        report = count_flops(Call(function), torch.randn(shape))
        assert (report.flops, report.macs, report.by_kind["elementwise"]) == (prod(shape), 0, prod(shape))
    report = count_flops(Call(lambda a, b: a + b), (torch.randn(shape), torch.randn(1)))
    assert report.flops == prod(shape)
    assert count_flops(Call(lambda a: a.add_(1).mul_(2)), torch.randn(shape)).flops == 2 * prod(shape)


@law
@given(st.lists(small, min_size=2, max_size=4))
def test_reductions_cost_what_they_read(shape):
    for function in (
        torch.sum,
        torch.mean,
        torch.amax,
        torch.prod,
        lambda x: x.sum(0),
        lambda x: x.cumsum(0),
    ):
        assert count_flops(Call(function), torch.randn(shape)).flops == prod(shape)


@law
@given(st.lists(small, min_size=2, max_size=4))
def test_moving_data_costs_nothing_and_is_known(shape):
    def shuffle(x):
        x = x.transpose(0, 1).contiguous().flatten().repeat(2)
        return torch.cat([x, x.flip(0)]).to(torch.float64)[torch.tensor([0])].unsqueeze(0).clone()

    report = count_flops(Call(shuffle), torch.randn(shape))
    assert (report.flops, report.uncounted) == (0, ())
    assert sum(row.bytes_moved for row in report.rows) > 0
    report = count_flops(nn.Embedding(10, 4), torch.zeros(shape, dtype=torch.long))
    assert (report.flops, report.uncounted) == (0, ())
    # A lookup reads of the table what it returns, and the indices.
    assert sum(row.bytes_moved for row in report.rows) == prod(shape) * (4 * 4 * 2 + 8)


@law
@given(small, st.integers(1, 3), st.integers(2, 5), st.booleans())
def test_normalisation(batch, groups, size, affine):
    channels, elements = 2 * groups, batch * 2 * groups * size
    x = torch.randn(batch, channels, size)
    extra = 2 if affine else 0
    for layer, each in (
        (nn.GroupNorm(groups, channels, affine=affine), 6 + extra),
        (nn.LayerNorm(size, elementwise_affine=affine), 6 + extra),
        (nn.BatchNorm1d(channels, affine=affine).eval(), 2 + extra),
    ):
        report = count_flops(layer, x)
        assert report.by_kind["normalisation"] == each * elements, layer
        assert not report.uncounted
    trained = count_flops(nn.BatchNorm1d(channels, affine=affine, track_running_stats=False), x)
    assert trained.by_kind["normalisation"] == (6 + extra) * elements
    assert count_flops(Call(lambda x: x.softmax(-1)), x).flops == 5 * elements


@law
@given(small, st.integers(2, 4), st.integers(4, 8))
def test_pooling_and_resizing(batch, window, size):
    x = torch.randn(batch, 3, size, size)
    made = batch * 3 * (size // window) ** 2
    for layer in (nn.AvgPool2d(window), nn.MaxPool2d(window)):
        report = count_flops(layer, x)
        assert (report.flops, report.uncounted) == (made * window**2, ())
    assert count_flops(nn.AdaptiveAvgPool2d(2), x).flops == batch * 3 * size**2
    larger = batch * 3 * (2 * size) ** 2
    # A sum and a product for the place of each row and column, as PyTorch finds it.
    assert count_flops(nn.Upsample(scale_factor=2), x).flops == 2 * 2 * (2 * size)
    assert count_flops(nn.Upsample(scale_factor=2, mode="bilinear"), x).flops == 7 * larger


@law
@given(small, st.sampled_from([4, 8, 16]))
def test_fourier_transforms(batch, size):
    x = torch.randn(batch, size)
    levels = size.bit_length() - 1
    assert count_flops(Call(torch.fft.fft), x.to(torch.complex64)).flops == 5 * batch * size * levels
    assert count_flops(Call(torch.fft.rfft), x).flops == 5 * batch * size * levels // 2


def test_sparse_products_are_listed_as_uncounted():
    dense = torch.eye(8)
    holder = torch.randn(8, 3, requires_grad=True)
    for sparse in (dense.to_sparse(), dense.to_sparse_csr()):
        products = (
            lambda x, sparse=sparse: sparse @ x,
            lambda x, sparse=sparse: torch.sparse.mm(sparse, x),
            lambda x, sparse=sparse: torch.addmm(x, sparse, x),
            lambda x, sparse=sparse: sparse @ x[:, 0],
        )
        for product in products:
            report = count_flops(Call(product), holder)
            assert (report.flops, len(report.uncounted)) == (0, 1)
        report = count_flops(Call(lambda a, x: x @ (a @ x).T + (a @ x).sum()), (sparse, holder))
        assert (report.macs, report.uncounted[0].calls) == (8 * 8 * 3, 2)


def test_a_complex_multiply_add_is_four_real_ones():
    a, b = torch.randn(2, 3, 4, dtype=torch.complex64), torch.randn(2, 4, 5, dtype=torch.complex64)
    report = count_flops(Call(torch.bmm), (a, b))
    assert (report.macs, report.flops) == (4 * 120, 8 * 120)
    assert "4 real multiply-adds for each complex one" in report.rows[0].formula
    assert macs(lambda a, b: a[0] @ b[0], a, b) == 4 * 60
    assert count_flops(Call(torch.bmm), (a.real, b.real)).macs == 120


def test_triangular_systems_from_either_side():
    a, b = torch.eye(4), torch.randn(8, 4)
    solve = torch.linalg.solve_triangular
    assert count_flops(Call(lambda a, b: solve(a, b, upper=True, left=False)), (a, b)).flops == 128
    assert count_flops(Call(lambda a, b: solve(a, b.T, upper=True)), (a, b)).flops == 128
    assert count_flops(Call(lambda a, b: torch.triangular_solve(b, a)[0]), (a, b[:4, :2])).flops == 32


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("SGD", {}),
        ("SGD", {"momentum": 0.9}),
        ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ("SGD", {"weight_decay": 0.1, "maximize": True}),
        ("Adam", {}),
        ("Adam", {"weight_decay": 0.1, "amsgrad": True, "maximize": True}),
        ("AdamW", {}),
        ("AdamW", {"weight_decay": 0, "amsgrad": True}),
        ("Adagrad", {}),
        ("Adagrad", {"weight_decay": 0.1}),
    ],
)
def test_fused_optimisers_cost_what_their_single_steps_do(kind, options):
    def cost(**how):
        model = nn.Linear(6, 5)
        optimiser = getattr(torch.optim, kind)(model.parameters(), lr=0.1, **options, **how)
        report = count_flops(model, (2, 6), train_step=True, loss=torch.sum, optimiser=optimiser)
        return report.by_phase["optimiser"], report.uncounted

    assert cost(fused=True) == cost(foreach=False)


def test_one_optimiser_with_and_another_without_decay():
    model = nn.ModuleList(nn.Linear(6, 5, bias=False) for _ in range(2))
    groups = [
        {"params": layer.parameters(), "weight_decay": decay}
        for layer, decay in zip(model, (0, 0.1), strict=True)
    ]
    optimiser = torch.optim.SGD(groups, lr=0.1, fused=True)
    call = Call(lambda x: model[0](x) + model[1](x))
    call.layers = model
    report = count_flops(call, (2, 6), train_step=True, loss=torch.sum, optimiser=optimiser)
    assert report.by_phase["optimiser"] == 30 + 2 * 30
