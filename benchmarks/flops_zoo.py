"""Models at their usual sizes with random weights, their inputs, and their multiply-adds reckoned by hand.

Convention: products, convolutions, attention and recurrence; padding counts, and every query meets every
key. Fused attention makes its scores again in the backward pass, half of its forward pass more. torchvision
publishes the figures of its models to three decimals in the same convention, in billions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 its usual name

Built = tuple[nn.Module, dict[str, torch.Tensor]]


@dataclass(frozen=True)
class Specimen:
    """A model with its inputs by name, what a forward pass costs, and what torchvision says of it.

    The backward pass makes two products of each of the forward pass, but for gradients that are ``unwanted``
    (of what the model is given, mostly) and for work that is done ``again``.
    """

    build: Callable[[], Built]
    macs: int
    published_gmacs: float | None = None
    unwanted: int = 0
    again: int = 0

    @property
    def trained_macs(self) -> int:
        """Forward and backward."""
        return 3 * self.macs - self.unwanted + self.again


def conv(positions: int, inputs: int, outputs: int, taps: int, groups: int = 1) -> int:
    """Multiply-adds of a convolution that gives so many positions."""
    return positions * outputs * (inputs // groups) * taps


def resnet50(side: int = 224, batch: int = 1) -> int:
    """Bottlenecks 3, 4, 6, 3; the stride is in the 3x3 convolution."""
    total = conv((side // 2) ** 2, 3, 64, 49)
    side, inputs = side // 4, 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for block in range(blocks):
            before, side = side, side // 2 if stage and not block else side
            total += conv(before**2, inputs, width, 1) + conv(side**2, width, width, 9)
            total += conv(side**2, width, 4 * width, 1)
            total += 0 if block else conv(side**2, inputs, 4 * width, 1)
            inputs = 4 * width
    return batch * (total + 2048 * 1000)


def vgg16() -> int:
    """Thirteen 3x3 convolutions and three dense layers."""
    total, inputs, side = 0, 3, 224
    for outputs, layers in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(layers):
            total += conv(side**2, inputs, outputs, 9)
            inputs = outputs
        side //= 2
    return total + 7 * 7 * 512 * 4096 + 4096 * 4096 + 4096 * 1000


def mobilenet_v2() -> int:
    """Inverted bottlenecks: expand, one convolution in each channel, project."""
    side, inputs = 112, 32
    total = conv(side**2, 3, inputs, 9)
    settings = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
        (6, 320, 1, 1),
    )  # fmt: skip
    for expansion, outputs, blocks, stride in settings:
        for block in range(blocks):
            total += _inverted(side, inputs, outputs, expansion, 3, stride=1 if block else stride)
            side //= 1 if block else stride
            inputs = outputs
    return total + conv(side**2, 320, 1280, 1) + 1280 * 1000


def efficientnet_b0() -> int:
    """Reckon the same with larger windows, and squeeze-and-excitation of a quarter of each block's inputs."""
    side, inputs = 112, 32
    total = conv(side**2, 3, inputs, 9)
    settings = (
        (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4), (6, 3, 1, 320, 1),
    )  # fmt: skip
    for expansion, window, stride, outputs, blocks in settings:
        for block in range(blocks):
            total += _inverted(side, inputs, outputs, expansion, window, stride=1 if block else stride)
            total += 2 * inputs * expansion * (inputs // 4)
            side //= 1 if block else stride
            inputs = outputs
    return total + conv(side**2, 320, 1280, 1) + 1280 * 1000


def _inverted(side: int, inputs: int, outputs: int, expansion: int, window: int, *, stride: int) -> int:
    hidden, after = inputs * expansion, side // stride
    expand = conv(side**2, inputs, hidden, 1) if expansion > 1 else 0
    return expand + conv(after**2, hidden, hidden, window**2, hidden) + conv(after**2, hidden, outputs, 1)


def convnext_tiny() -> int:
    """Reckon a 7x7 convolution in each channel and a perceptron at each position."""
    side, width = 56, 96
    total = conv(side**2, 3, width, 16)
    for stage, blocks in enumerate((3, 3, 9, 3)):
        if stage:
            side //= 2
            total += conv(side**2, width, 2 * width, 4)
            width *= 2
        total += blocks * (conv(side**2, width, width, 49, width) + side**2 * 8 * width**2)
    return total + width * 1000


def vit_b_16() -> int:
    """Patches of 16 and a class token."""
    tokens, width = 14 * 14 + 1, 768
    return conv(14 * 14, 3, width, 256) + 12 * layer(tokens, width, 4 * width) + width * 1000


def swin_t() -> int:
    """Attention within windows of 7x7."""
    side, width = 56, 96
    total = conv(side**2, 3, width, 16)
    for stage, blocks in enumerate((2, 2, 6, 2)):
        if stage:
            side //= 2
            total += side**2 * 4 * width * 2 * width
            width *= 2
        total += blocks * side**2 * (12 * width**2 + 2 * 49 * width)
    return total + width * 1000


def layer(tokens: int, width: int, wide: int) -> int:
    """Multiply-adds of a transformer's layer: four projections, attention, a perceptron."""
    return tokens * (4 * width**2 + 2 * width * wide) + attended(tokens, tokens, width)


def attended(queries: int, keys: int, width: int) -> int:
    """Both products of attention."""
    return 2 * queries * keys * width


FUSED = {"eager": 0, "sdpa": 1}


def _vision(name: str, side: int = 224, batch: int = 1) -> Callable[[], Built]:
    def build() -> Built:
        from torchvision.models import get_model_builder

        return get_model_builder(name)(weights=None), {"x": torch.randn(batch, 3, side, side)}

    return build


def bert(attention: str) -> Specimen:
    """BERT base on 128 tokens, its pooler included."""

    def build() -> Built:
        from transformers import BertConfig, BertModel

        return BertModel(BertConfig(attn_implementation=attention)), _ids(30522)

    macs = 12 * layer(128, 768, 3072) + 768**2
    return Specimen(build, macs, again=FUSED[attention] * 12 * attended(128, 128, 768) // 2)


def gpt2(attention: str) -> Specimen:
    """GPT-2, the small one, on 128 tokens."""

    def build() -> Built:
        from transformers import GPT2Config, GPT2LMHeadModel

        return GPT2LMHeadModel(GPT2Config(attn_implementation=attention, use_cache=False)), _ids(50257)

    macs = 12 * layer(128, 768, 3072) + 128 * 768 * 50257
    return Specimen(build, macs, again=FUSED[attention] * 12 * attended(128, 128, 768) // 2)


@dataclass(frozen=True)
class Decoder:
    """The shape of a Llama or a Mixtral: ``keys`` heads of keys are shared by ``heads`` of queries."""

    width: int
    wide: int
    layers: int
    heads: int
    keys: int
    words: int
    length: int
    experts: int = 0

    def macs(self) -> int:
        """Reckon a forward pass on one sequence; two experts work on each token."""
        projections = 2 * self.width**2 + 2 * self.width * (self.width // self.heads * self.keys)
        perceptrons = (2 if self.experts else 1) * 3 * self.width * self.wide + self.width * self.experts
        linear = self.length * (self.layers * (projections + perceptrons) + self.width * self.words)
        return linear + self.layers * attended(self.length, self.length, self.width)

    def build(self, **options: Any) -> Built:
        """Make the model, and token ids for it."""
        from transformers import LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM

        shape = {
            "hidden_size": self.width, "intermediate_size": self.wide, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "num_key_value_heads": self.keys, "vocab_size": self.words,
            "max_position_embeddings": self.length, "use_cache": False,
        }  # fmt: skip
        if self.experts:
            config = MixtralConfig(**shape, num_local_experts=self.experts, num_experts_per_tok=2, **options)
            return MixtralForCausalLM(config), _ids(self.words, self.length)
        return LlamaForCausalLM(LlamaConfig(**shape, **options)), _ids(self.words, self.length)

    def specimen(self, attention: str) -> Specimen:
        """Return it with random weights."""
        again = FUSED[attention] * self.layers * attended(self.length, self.length, self.width) // 2
        return Specimen(lambda: self.build(attn_implementation=attention), self.macs(), again=again)

    def huge(self) -> Specimen:
        """Return it on ``meta``, in half precision."""

        def build() -> Built:
            with torch.device("meta"):
                model, inputs = self.build()
            return model.bfloat16(), inputs

        return Specimen(build, self.macs())


def t5() -> Specimen:
    """T5 small: 128 tokens in, 64 out."""
    length, made, width, wide, words = 128, 64, 512, 2048, 32128

    def build() -> Built:
        from transformers import T5Config, T5ForConditionalGeneration

        config = T5Config(d_model=width, d_kv=64, d_ff=wide, num_layers=6, num_heads=8, use_cache=False)
        ids = _ids(words, length) | {"decoder_input_ids": torch.randint(words, (1, made))}
        return T5ForConditionalGeneration(config), ids

    # No fused kernel gives the gradient of a learned bias, which only attention across has not.
    across = 6 * attended(made, length, width)
    macs = 6 * _two_stacks(length, made, width, wide) + made * width * words
    return Specimen(build, macs, again=across // 2)


def whisper() -> Specimen:
    """Whisper tiny: 30 seconds of sound, 32 tokens out."""
    bins, frames, made, width, wide, words = 80, 3000, 32, 384, 1536, 51865

    def build() -> Built:
        from transformers import WhisperConfig, WhisperForConditionalGeneration

        config = WhisperConfig(
            d_model=width, encoder_layers=4, decoder_layers=4, encoder_attention_heads=6,
            decoder_attention_heads=6, encoder_ffn_dim=wide, decoder_ffn_dim=wide, use_cache=False,
        )  # fmt: skip
        ids = torch.randint(words, (1, made))
        sound = torch.randn(1, bins, frames)
        return WhisperForConditionalGeneration(config), {"input_features": sound, "decoder_input_ids": ids}

    first, length = conv(frames, bins, width, 3), frames // 2
    macs = first + conv(length, width, width, 3) + made * width * words
    macs += 4 * _two_stacks(length, made, width, wide)
    fused = 4 * (
        attended(length, length, width) + attended(made, made, width) + attended(made, length, width)
    )
    return Specimen(build, macs, unwanted=first, again=fused // 2)


def _two_stacks(length: int, made: int, width: int, wide: int) -> int:
    """Reckon a layer of an encoder and one of a decoder that attends to it."""
    across = (2 * made + 2 * length) * width**2 + attended(made, length, width)
    return layer(length, width, wide) + layer(made, width, wide) + across


def recurrent(
    kind: type[nn.RNNBase], gates: int, inputs: int, state: int, layers: int, *, unwanted: int = 0
) -> Specimen:
    """Both directions, 100 steps."""
    deeper = (layers - 1) * (2 * state + state)
    macs = 2 * 100 * gates * state * (inputs + state + deeper)

    def build() -> Built:
        model = kind(inputs, state, num_layers=layers, bidirectional=True, batch_first=True)
        return model, {"input": torch.randn(1, 100, inputs)}

    return Specimen(build, macs, unwanted=unwanted)


class Functional(nn.Module):
    """No module inside: only calls of functions."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(64, 8, 3, 3))
        self.queries = nn.Parameter(torch.randn(64, 64))
        self.cube = nn.Parameter(torch.randn(16, 64, 32))
        self.mixing = nn.Parameter(torch.randn(1, 16, 10))
        self.vector = nn.Parameter(torch.randn(10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Go through a convolution, products of each sort and attention."""
        x = F.conv2d(x, self.kernel, padding=1, groups=2).flatten(2).mT  # 1 x 256 x 64
        x = F.scaled_dot_product_attention(F.linear(x, self.queries), x, x)
        x = F.bilinear(x, torch.einsum("btc,cd->btd", x, self.queries[:, :32]), self.cube)
        x = torch.baddbmm(torch.zeros(1, 256, 10), x, self.mixing)
        return torch.mv(x[0], self.vector)


def functional() -> Specimen:
    """Make a net of functions only, on 256 positions."""
    first = conv(256, 16, 64, 9, 2)
    bilinear = 256 * 16 * (64 * 32 + 32)
    vector = 256 * 10
    macs = first + 256 * 64 * 64 + attended(256, 256, 64) + 256 * 64 * 32 + bilinear + 256 * 16 * 10 + vector
    # Each of its three gradients is two products as well; that of a matrix in mv sums nothing.
    gradients = 256 * (3 * 16 * 64 * 32 + 64 * 32 + 16 * 64 + 16 * 32)
    return Specimen(
        lambda: (Functional(), {"x": torch.randn(1, 16, 16, 16)}),
        macs,
        unwanted=first + vector,
        again=gradients - 2 * bilinear,
    )


def _ids(words: int, length: int = 128) -> dict[str, torch.Tensor]:
    return {"input_ids": torch.randint(words, (1, length))}


LLAMA = Decoder(512, 1408, 8, 8, 4, 8000, 128)
MIXTRAL = Decoder(256, 512, 4, 8, 4, 4000, 64, experts=8)

ZOO = {
    "ResNet-50": Specimen(_vision("resnet50"), resnet50(), 4.089, conv(112**2, 3, 64, 49)),
    "VGG16": Specimen(_vision("vgg16"), vgg16(), 15.47, conv(224**2, 3, 64, 9)),
    "MobileNetV2": Specimen(_vision("mobilenet_v2"), mobilenet_v2(), 0.301, conv(112**2, 3, 32, 9)),
    "EfficientNet-B0": Specimen(_vision("efficientnet_b0"), efficientnet_b0(), 0.386, conv(112**2, 3, 32, 9)),
    "ConvNeXt-T": Specimen(_vision("convnext_tiny"), convnext_tiny(), 4.456, conv(56**2, 3, 96, 16)),
    "ViT-B/16": Specimen(
        _vision("vit_b_16"), vit_b_16(), 17.564, conv(14**2, 3, 768, 256), 12 * attended(197, 197, 768) // 2
    ),
    "Swin-T": Specimen(_vision("swin_t"), swin_t(), 4.491, conv(56**2, 3, 96, 16)),
    "BERT, sdpa": bert("sdpa"),
    "BERT, eager": bert("eager"),
    "GPT-2, sdpa": gpt2("sdpa"),
    "GPT-2, eager": gpt2("eager"),
    "Llama, sdpa": LLAMA.specimen("sdpa"),
    "Llama, eager": LLAMA.specimen("eager"),
    "T5": t5(),
    "Whisper": whisper(),
    "Mixtral": MIXTRAL.specimen("sdpa"),
    "LSTM": recurrent(nn.LSTM, 4, 128, 256, 2),
    # oneDNN's LSTM gives every gradient; step by step, input and first state want none.
    "GRU": recurrent(nn.GRU, 3, 64, 128, 1, unwanted=2 * 3 * 128 * (100 * 64 + 128)),
    "functional": functional(),
}
LARGE = "ResNet-50, 8x3x800x800"
HUGE = {
    "Llama 7B": Decoder(4096, 11008, 32, 32, 32, 32000, 2048).huge(),
    "Llama 70B": Decoder(8192, 28672, 80, 64, 8, 128256, 8192).huge(),
    "Llama 405B": Decoder(16384, 53248, 126, 128, 8, 128256, 8192).huge(),
    "Mixtral 8x7B": Decoder(4096, 14336, 32, 32, 8, 32000, 4096, experts=8).huge(),
}
ALL = ZOO | {LARGE: Specimen(_vision("resnet50", 800, 8), resnet50(800, 8))} | HUGE


@contextmanager
def torchvision_without_its_operators() -> Iterator[None]:
    """Let torchvision's Python code load beside a PyTorch for CPUs, for which its own operators do not."""
    if torch.version.cuda:
        yield
        return
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define(
        "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, "
        "int sampling_ratio, bool aligned) -> Tensor"
    )
    yield
