"""Models that no machine here could hold, on meta, to the multiply-add."""

from __future__ import annotations

import pytest
import torch
from zoo_transformers import TRANSFORMERS

from greenai_magic.flops import count_flops

if not TRANSFORMERS:
    pytest.skip("transformers is not installed", allow_module_level=True)

LLAMAS = {
    "7B": (4096, 11008, 32, 32, 32, 32000, 2048),
    "70B": (8192, 28672, 80, 64, 8, 128256, 8192),
    "405B": (16384, 53248, 126, 128, 8, 128256, 8192),
}


@pytest.mark.parametrize("size", LLAMAS)
def test_llama(size):
    from transformers import LlamaConfig, LlamaForCausalLM

    width, wide, layers, heads, keys, words, length = LLAMAS[size]
    config = LlamaConfig(
        hidden_size=width, intermediate_size=wide, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=keys, vocab_size=words, max_position_embeddings=length,
    )  # fmt: skip
    with torch.device("meta"):
        model = LlamaForCausalLM(config).bfloat16().eval()
    report = count_flops(model, {"input_ids": ((1, length), "int64")})
    layer = 2 * width**2 + 2 * width * (width // heads * keys) + 3 * width * wide
    attended = 2 * layers * length**2 * width
    assert report.macs == length * (layers * layer + width * words) + attended
    assert (report.method, report.uncounted) == ("counted from shapes", ())
    assert report.weight_bytes >= 2 * report.params
    assert all(parameter.is_meta for parameter in model.parameters())


def test_mixtral():
    from transformers import MixtralConfig, MixtralForCausalLM

    with torch.device("meta"):
        model = MixtralForCausalLM(MixtralConfig(num_hidden_layers=4)).bfloat16().eval()
    report = count_flops(model, {"input_ids": ((1, 4096), "int64")}, backward=True)
    config = model.config
    width, keys = config.hidden_size, config.hidden_size // 32 * config.num_key_value_heads
    experts = width * 8 + 2 * 3 * width * config.intermediate_size
    attended = 4 * 2 * 4096**2 * width
    linear = 4096 * (4 * (2 * width**2 + 2 * width * keys + experts) + width * config.vocab_size)
    # Three times all, and fused attention's scores once more.
    assert report.macs == 3 * (linear + attended) + attended // 2
