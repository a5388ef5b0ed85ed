"""Models with random weights, their inputs, and their multiply-adds reckoned by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 its usual name

BATCH = 2


@dataclass(frozen=True)
class Specimen:
    """A model, its inputs, and what forward and backward passes cost in multiply-adds."""

    name: str
    build: Callable[[], tuple[nn.Module, Any]]
    forward: int
    backward: int


def conv(positions: int, inputs: int, outputs: int, taps: int, groups: int = 1) -> int:
    return positions * outputs * (inputs // groups) * taps


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


def resnet() -> Specimen:
    def build():
        model = nn.Sequential(
            nn.Conv2d(3, 8, 7, stride=2, padding=3),
            nn.MaxPool2d(2),
            Residual(8),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 5),
        )
        return model, torch.randn(BATCH, 3, 32, 32)

    stem = conv(BATCH * 16 * 16, 3, 8, 49)
    rest = 2 * conv(BATCH * 8 * 8, 8, 8, 9) + BATCH * 8 * 5
    return Specimen("resnet", build, stem + rest, stem + 2 * rest)


def mobilenet() -> Specimen:
    def build():
        model = nn.Sequential(
            nn.Conv2d(4, 12, 1),
            nn.ReLU6(),
            nn.Conv2d(12, 12, 3, stride=2, padding=1, groups=12),
            nn.BatchNorm2d(12),
            nn.Hardswish(),
            nn.Conv2d(12, 8, 1, groups=4),
        )
        return model, torch.randn(BATCH, 4, 10, 10)

    first = conv(BATCH * 100, 4, 12, 1)
    rest = conv(BATCH * 25, 12, 12, 9, 12) + conv(BATCH * 25, 12, 8, 1, 4)
    return Specimen("mobilenet", build, first + rest, first + 2 * rest)


class UNet(nn.Module):
    """Down and up with a skip, group normalisation, attention in the middle, a time embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Linear(6, 8)
        self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.qkv = nn.Conv1d(8, 24, 1)
        self.up = nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1)
        self.out = nn.Conv2d(6, 3, 3, padding=1)

    def forward(self, x, time):
        middle = F.silu(self.norm(self.down(x))) + self.time(time)[:, :, None, None]
        query, key, value = self.qkv(middle.flatten(2)).chunk(3, dim=1)
        weights = torch.einsum("bcq,bck->bqk", query, key).softmax(-1)
        attended = torch.einsum("bqk,bck->bcq", weights, value).view_as(middle)
        return self.out(torch.cat([self.up(middle + attended), x], 1))


def unet() -> Specimen:
    def build():
        return UNet(), (torch.randn(BATCH, 3, 16, 16), torch.randn(BATCH, 6))

    time, down = BATCH * 6 * 8, conv(BATCH * 64, 3, 8, 9)
    qkv, attention = BATCH * 64 * 8 * 24, 2 * BATCH * 64 * 64 * 8
    up = BATCH * 64 * 8 * 3 * 16  # each input element is spread by the whole kernel
    out = conv(BATCH * 256, 6, 3, 9)
    rest = qkv + attention + up + out
    # Neither the image nor the time wants a gradient.
    return Specimen("unet", build, time + down + rest, time + down + 2 * rest)


class GraphNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.message = nn.Linear(12, 8)
        self.update = nn.GRUCell(8, 6)
        self.score = nn.Linear(6, 1)

    def forward(self, nodes, edges):
        source, target = edges
        for _ in range(2):
            message = torch.relu(self.message(torch.cat([nodes[source], nodes[target]], -1)))
            gathered = torch.zeros(nodes.shape[0], 8).index_add(0, target, message)
            nodes = self.update(gathered, nodes)
        return self.score(nodes)


def graph() -> Specimen:
    def build():
        return GraphNet(), (torch.randn(7, 6), torch.randint(7, (2, 15)))

    message, inputs, state = 15 * 12 * 8, 7 * 8 * 18, 7 * 6 * 18
    forward = 2 * (message + inputs + state) + 7 * 6
    # The first nodes want no gradient: neither through the first message nor through the first state.
    return Specimen("graph", build, forward, 2 * forward - message - state)


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(6, 2, 3))
        self.matrix = nn.Parameter(torch.randn(6, 5))
        self.cube = nn.Parameter(torch.randn(4, 5, 3))
        self.vector = nn.Parameter(torch.randn(4))

    def forward(self, x):
        x = F.conv1d(x, self.kernel, groups=2)  # 2 x 6 x 8
        x = torch.tensordot(x, self.matrix, dims=([1], [0]))  # 2 x 8 x 5
        x = F.bilinear(x, x, self.cube)  # 2 x 8 x 4
        x = torch.addmm(torch.zeros(2, 8), x.mean(1), torch.ones(4, 8)) @ torch.ones(8, 4)
        return torch.mv(x, self.vector).dot(torch.ones(2))


def functional() -> Specimen:
    def build():
        model = Functional()
        model.cube = nn.Parameter(torch.randn(4, 5, 5))
        return model, torch.randn(2, 4, 10)

    first = conv(2 * 8, 4, 6, 3, 2)
    tensordot, bilinear = 16 * 6 * 5, 16 * 4 * (5 * 5 + 5)
    constants, vector, dot = 2 * 4 * 8 + 2 * 8 * 4, 2 * 4, 2
    forward = first + tensordot + bilinear + constants + vector + dot
    # A bilinear product has three gradients; the constants want none; the other gradients of mv and dot
    # are products without sums.
    backward = first + 2 * tensordot + bilinear_gradients(16, 4, 5, 5) + constants + vector
    return Specimen("functional", build, forward, backward)


def bilinear_gradients(tokens: int, outputs: int, left: int, right: int) -> int:
    of_left = tokens * outputs * left * right + tokens * left * right
    of_weight = tokens * outputs * left + tokens * outputs * left * right
    of_right = tokens * outputs * left + tokens * outputs * left * right
    return of_left + of_weight + of_right


def lstm() -> Specimen:
    def build():
        return nn.LSTM(5, 6, num_layers=2, bidirectional=True, batch_first=True), torch.randn(BATCH, 7, 5)

    forward = 2 * 7 * BATCH * 4 * 6 * ((5 + 6) + (12 + 6))
    return Specimen("lstm", build, forward, 2 * forward)


def gru() -> Specimen:
    def build():
        return nn.GRU(5, 6, bidirectional=True), torch.randn(7, BATCH, 5)

    inputs, state = 2 * 7 * BATCH * 5 * 18, 2 * 7 * BATCH * 6 * 18
    # The sequence wants no gradient, nor does the state that each direction starts from.
    return Specimen("gru", build, inputs + state, inputs + 2 * state - 2 * BATCH * 6 * 18)


def encoder(*, layer_norm_first: bool = False) -> Specimen:
    def build():
        layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, norm_first=layer_norm_first)
        return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval(), torch.randn(BATCH, 5, 8)

    tokens = BATCH * 5
    qkv, attention = tokens * 8 * 24, 2 * tokens * 5 * 8
    rest = tokens * 8 * 8 + 2 * tokens * 8 * 12
    forward = 2 * (qkv + attention + rest)
    # Fused attention makes its scores again; the sequence wants no gradient, unless it is normalised first.
    backward = 2 * forward + attention - (0 if layer_norm_first else qkv)
    return Specimen(f"encoder {layer_norm_first}", build, forward, backward)


def moe() -> Specimen:
    """Routed by hand, so that the course depends on the data, its cost does not."""

    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.router = nn.Linear(6, 4)
            self.experts = nn.ModuleList(nn.Linear(6, 6) for _ in range(4))

        def forward(self, x):
            chosen = self.router(x).topk(2).indices
            out = torch.zeros_like(x)
            for number, expert in enumerate(self.experts):
                where = (chosen == number).any(-1).nonzero().flatten()
                if where.numel():
                    out = out.index_add(0, where, expert(x[where]))
            return out

    def build():
        return Mixture(), torch.randn(9, 6)

    experts = 9 * 2 * 6 * 6
    return Specimen("moe", build, 9 * 6 * 4 + experts, experts)


PLAIN = [
    resnet(), mobilenet(), unet(), graph(), functional(), lstm(), gru(), encoder(), encoder(layer_norm_first=True), moe()
]  # fmt: skip
