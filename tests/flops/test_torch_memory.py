"""Bytes: of the weights, of all that is made, and of what lives at once."""

from __future__ import annotations

from torch import nn

from greenai_magic.flops import count_flops

ROWS, WIDE = 10, 100


def _chain(layers):
    return nn.Sequential(*[nn.Linear(WIDE, WIDE) for _ in range(layers)])


def test_a_chain_keeps_two_results_at_once_in_evaluation_and_all_in_training():
    made = ROWS * WIDE * 4
    for layers in (1, 2, 5):
        report = count_flops(_chain(layers), (ROWS, WIDE))
        assert report.activation_bytes == layers * made
        assert report.peak_activation_bytes == min(layers, 2) * made
        assert report.weight_bytes == layers * (WIDE * WIDE + WIDE) * 4
        trained = count_flops(_chain(layers), (ROWS, WIDE), backward=True)
        assert trained.activation_bytes == layers * made
        # At the end: the gradients of all weights, and of what the first layer made.
        assert trained.peak_activation_bytes >= max(layers * made, report.weight_bytes)


def test_views_and_work_in_place_make_nothing():
    class Views(nn.Module):
        def forward(self, x):
            return x.t().unsqueeze(0)[:, 1:].relu_().flatten()

    report = count_flops(Views(), (ROWS, WIDE))
    assert report.peak_activation_bytes in (0, ROWS * (WIDE - 1) * 4)  # flattening may have to copy


def test_bytes_moved_are_read_and_written_once_each():
    (row,) = [row for row in count_flops(_chain(1), (ROWS, WIDE)).rows if row.macs]
    assert row.bytes_moved == 4 * (ROWS * WIDE + WIDE * WIDE + WIDE + ROWS * WIDE)
    half = count_flops(_chain(1).bfloat16(), (ROWS, WIDE))
    assert sum(row.bytes_moved for row in half.rows) * 2 == row.bytes_moved
