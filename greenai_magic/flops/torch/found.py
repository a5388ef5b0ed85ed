"""Shapes of the inputs that a model of a known library says it takes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from greenai_magic.errors import FlopError
from greenai_magic.flops.formulas import Shape

Found = dict[str, tuple[Shape, str | None]]
"""Shape and type by the name of the argument; the name ``""`` is the first one."""

TOKENS = 128
"""Length of a text where nothing says another."""
SAMPLES = 16_000
"""Length of a sound where nothing says another: a second."""

_TORCHVISION_224 = [
    "alexnet",
    "convnext",
    "densenet",
    "googlenet",
    "maxvit",
    "mnasnet",
    "mobilenetv2",
    "mobilenetv3",
    "regnet",
    "resnet",
    "shufflenetv2",
    "squeezenet",
    "swin_transformer",
    "vgg",
]


def find_shapes(model: torch.nn.Module, batch: int) -> tuple[Found, str]:
    """Return the shapes that the model takes, and a note of where they are from.

    Raises
    ------
    FlopError
        If the model does not say.
    """
    for source, found in _sources(model, batch):
        if found:
            return found, f"inputs: from {source}"
    msg = (
        f"{type(model).__name__} does not say what it takes: pass a tensor, a dict of keyword arguments, "
        "a DataLoader, or a shape such as (1, 3, 224, 224)."
    )
    raise FlopError(msg)


def _sources(model: torch.nn.Module, batch: int) -> Iterator[tuple[str, Found]]:
    yield "timm's pretrained_cfg", _timm(model, batch)
    yield "the Hugging Face configuration", _hugging_face(model, batch)
    yield "the size that torchvision trains this family on", _torchvision(model, batch)
    yield "the first layer", _first_linear(model, batch)


def _timm(model: torch.nn.Module, batch: int) -> Found:
    config = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None)
    size = config.get("input_size") if isinstance(config, Mapping) else getattr(config, "input_size", None)
    return {"": ((batch, *size), None)} if size else {}


def _torchvision(model: torch.nn.Module, batch: int) -> Found:
    package, _, family = type(model).__module__.rpartition(".")
    if package not in ("torchvision.models", "torchvision.models.quantization"):
        return {}
    size = getattr(model, "image_size", None)  # vision transformers
    size = size or {"inception": 299}.get(family) or (224 if family in _TORCHVISION_224 else None)
    first = next((m for m in model.modules() if isinstance(m, torch.nn.Conv2d)), None)
    if size is None or first is None:
        return {}
    return {"": ((batch, first.in_channels, size, size), None)}


def _first_linear(model: torch.nn.Module, batch: int) -> Found:
    first = model
    while isinstance(first, torch.nn.Sequential) and len(first):
        first = first[0]
    return {"": ((batch, first.in_features), None)} if type(first) is torch.nn.Linear else {}


def _hugging_face(model: torch.nn.Module, batch: int) -> Found:
    config, main = getattr(model, "config", None), getattr(model, "main_input_name", None)
    if config is None or not isinstance(main, str) or not hasattr(config, "model_type"):
        return {}
    accepted = inspect.signature(model.forward).parameters
    main = main if main in accepted else "pixel_values"  # the default of those that do not say is a text
    found: Found = {}
    if main == "input_ids" or ("input_ids" in accepted and hasattr(config, "text_config")):
        found["input_ids"] = ((batch, _length(config.get_text_config(), "max_position_embeddings")), "int64")
    if "pixel_values" in accepted and (main == "pixel_values" or _is_dual_encoder(config)):
        found |= _pixels(config, batch)
    if (
        main == "input_features"
        and hasattr(config, "num_mel_bins")
        and hasattr(config, "max_source_positions")
    ):
        found[main] = ((batch, config.num_mel_bins, 2 * config.max_source_positions), None)
    if main == "input_values":
        frames, bins = getattr(config, "max_length", 0), getattr(config, "num_mel_bins", 0)
        channels = (config.audio_channels,) if hasattr(config, "audio_channels") else ()
        sound = (frames, bins) if frames and bins else (*channels, SAMPLES)
        found[main] = ((batch, *sound), None)
    if main not in found:
        return {}
    if getattr(config, "is_encoder_decoder", False) and "decoder_input_ids" in accepted:
        found["decoder_input_ids"] = ((batch, _length(config, "max_target_positions")), "int64")
    return found


def _is_dual_encoder(config: Any) -> bool:
    """Whether text and image go in side by side, as in CLIP; elsewhere the text has places for the image."""
    placed = hasattr(config, "image_token_id") or hasattr(config, "image_token_index")
    return hasattr(config, "vision_config") and hasattr(config, "text_config") and not placed


def _pixels(config: Any, batch: int) -> Found:
    part: Any
    for part in (config, getattr(config, "vision_config", None), getattr(config, "encoder", None)):
        size, channels = getattr(part, "image_size", None), getattr(part, "num_channels", 3)
        if size:
            height, width = (size, size) if isinstance(size, int) else tuple(size)[-2:]
            frames = (part.num_frames,) if hasattr(part, "num_frames") else ()
            return {"pixel_values": ((batch, *frames, channels, height, width), None)}
    return {}


def _length(config: Any, limit: str) -> int:
    most = getattr(config, limit, None) or TOKENS
    return min(TOKENS, most) if most > 0 else TOKENS
