"""Hugging Face models from small configurations, with fused and with plain attention."""

from __future__ import annotations

import importlib.util

import torch
from zoo import BATCH, Specimen

WIDTH, WIDE, HEADS, LAYERS, WORDS, LENGTH = 16, 24, 4, 2, 50, 6
TOKENS = BATCH * LENGTH
FUSED = {"sdpa": 1, "eager": 0}
"""Fused attention makes its scores again in the backward pass: half of the forward pass more."""


def _ids(length: int = LENGTH) -> torch.Tensor:
    return torch.randint(WORDS, (BATCH, length))


def scores(queries: int, keys: int, width: int = WIDTH) -> int:
    """Both products of attention."""
    return 2 * BATCH * queries * keys * width


def bert(attention: str) -> Specimen:
    def build():
        from transformers import BertConfig, BertModel

        config = BertConfig(
            vocab_size=WORDS, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
            intermediate_size=WIDE, attn_implementation=attention,
        )  # fmt: skip
        return BertModel(config).eval(), {"input_ids": _ids()}

    attended = LAYERS * scores(LENGTH, LENGTH)
    linear = LAYERS * TOKENS * (4 * WIDTH * WIDTH + 2 * WIDTH * WIDE) + BATCH * WIDTH * WIDTH
    return _specimen("bert", attention, build, attended, linear)


def gpt2(attention: str) -> Specimen:
    def build():
        from transformers import GPT2Config, GPT2LMHeadModel

        config = GPT2Config(
            vocab_size=WORDS, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, n_inner=WIDE,
            attn_implementation=attention,
        )  # fmt: skip
        return GPT2LMHeadModel(config).eval(), {"input_ids": _ids()}

    attended = LAYERS * scores(LENGTH, LENGTH)
    linear = LAYERS * TOKENS * (4 * WIDTH * WIDTH + 2 * WIDTH * WIDE) + TOKENS * WIDTH * WORDS
    return _specimen("gpt2", attention, build, attended, linear)


def llama(attention: str) -> Specimen:
    """Two query heads share a key."""

    def build():
        from transformers import LlamaConfig, LlamaForCausalLM

        config = LlamaConfig(
            vocab_size=WORDS, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
            num_key_value_heads=HEADS // 2, intermediate_size=WIDE, attn_implementation=attention,
        )  # fmt: skip
        return LlamaForCausalLM(config).eval(), {"input_ids": _ids()}

    attended = LAYERS * scores(LENGTH, LENGTH)
    layer = 2 * WIDTH * WIDTH + 2 * WIDTH * WIDTH // 2 + 3 * WIDTH * WIDE
    return _specimen("llama", attention, build, attended, TOKENS * (LAYERS * layer + WIDTH * WORDS))


def mixtral(attention: str) -> Specimen:
    """Each token goes to two of four experts."""

    def build():
        from transformers import MixtralConfig, MixtralForCausalLM

        config = MixtralConfig(
            vocab_size=WORDS, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
            num_key_value_heads=HEADS // 2, intermediate_size=WIDE, num_local_experts=4,
            num_experts_per_tok=2, attn_implementation=attention,
        )  # fmt: skip
        return MixtralForCausalLM(config).eval(), {"input_ids": _ids()}

    attended = LAYERS * scores(LENGTH, LENGTH)
    layer = 2 * WIDTH * WIDTH + 2 * WIDTH * WIDTH // 2 + 4 * WIDTH + 2 * 3 * WIDTH * WIDE
    return _specimen("mixtral", attention, build, attended, TOKENS * (LAYERS * layer + WIDTH * WORDS))


def t5(attention: str) -> Specimen:
    def build():
        from transformers import T5Config, T5ForConditionalGeneration

        config = T5Config(
            vocab_size=WORDS, d_model=WIDTH, d_kv=5, d_ff=WIDE, num_layers=LAYERS, num_heads=HEADS,
            attn_implementation=attention,
        )  # fmt: skip
        return T5ForConditionalGeneration(config).eval(), {"input_ids": _ids(), "decoder_input_ids": _ids(4)}

    inner, made = HEADS * 5, BATCH * 4
    attended = LAYERS * (scores(LENGTH, LENGTH, inner) + scores(4, 4, inner) + scores(4, LENGTH, inner))
    projected = TOKENS * 4 + made * 4 + made * 2 + TOKENS * 2
    linear = LAYERS * (projected * WIDTH * inner + (TOKENS + made) * 2 * WIDTH * WIDE) + made * WIDTH * WORDS
    # The learned bias on the scores within a sequence wants a gradient, which no fused kernel gives.
    plain = LAYERS * (scores(LENGTH, LENGTH, inner) + scores(4, 4, inner))
    return _specimen("t5", attention, build, attended, linear, fused=attended - plain)


def whisper(attention: str) -> Specimen:
    bins, frames, positions = 8, 2 * LENGTH, LENGTH

    def build():
        from transformers import WhisperConfig, WhisperForConditionalGeneration

        config = WhisperConfig(
            vocab_size=WORDS, d_model=WIDTH, encoder_layers=LAYERS, decoder_layers=LAYERS,
            encoder_attention_heads=HEADS, decoder_attention_heads=HEADS, encoder_ffn_dim=WIDE,
            decoder_ffn_dim=WIDE, num_mel_bins=bins, max_source_positions=positions, pad_token_id=0,
            attn_implementation=attention,
        )  # fmt: skip
        inputs = {"input_features": torch.randn(BATCH, bins, frames), "decoder_input_ids": _ids(4)}
        return WhisperForConditionalGeneration(config).eval(), inputs

    made = BATCH * 4
    first = BATCH * frames * bins * WIDTH * 3
    second = TOKENS * WIDTH * WIDTH * 3
    attended = LAYERS * (scores(LENGTH, LENGTH) + scores(4, 4) + scores(4, LENGTH))
    projected = TOKENS * 4 + made * 4 + made * 2 + TOKENS * 2
    linear = LAYERS * (projected * WIDTH * WIDTH + (TOKENS + made) * 2 * WIDTH * WIDE) + made * WIDTH * WORDS
    # The sound itself wants no gradient.
    return _specimen("whisper", attention, build, attended, second + linear, only_weights=first)


def _specimen(name, attention, build, attended, linear, *, only_weights=0, fused=None) -> Specimen:
    forward = only_weights + attended + linear
    again = FUSED[attention] * (attended if fused is None else fused) // 2
    backward = only_weights + 2 * (attended + linear) + again
    return Specimen(f"{name} {attention}", build, forward, backward)


TRANSFORMERS = (
    [make(kind) for make in (bert, gpt2, llama, mixtral, t5, whisper) for kind in FUSED]
    if importlib.util.find_spec("transformers")
    else []
)
