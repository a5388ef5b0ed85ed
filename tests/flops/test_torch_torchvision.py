"""torchvision publishes what each of its weights costs: every printed digit is met."""

from __future__ import annotations

import warnings

import pytest
import torch

try:
    import torchvision
    from torchvision.models import get_model_builder, get_model_weights, list_models
except (ImportError, RuntimeError) as error:
    pytest.skip(f"torchvision does not load: {error}", allow_module_level=True)

from greenai_magic.flops import count_flops

HALF_THE_LAST_DIGIT = 0.0005
FRAMES = {"r3d": 16, "r2plus1d": 16, "mc3": 16, "mvit": 16, "s3d": 16, "swin3d": 16}
"""The lengths of the videos: torchvision publishes the figure for one clip, as it feeds it."""
AUXILIARY = {"googlenet"}
"""What their figures of parameters leave out: heads that only training uses, and the file does not hold."""


def _shape(kind, name, weights):
    keywords = weights.transforms.keywords
    if kind is torchvision.models.segmentation:
        return 520, 520
    size = keywords["crop_size"]
    size = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    frames = FRAMES.get(name.partition("_")[0])
    return size if kind is torchvision.models else (frames, *(size * 2)[:2])


def _published():
    for kind in (torchvision.models, torchvision.models.segmentation, torchvision.models.video):
        for name in list_models(module=kind):
            for weights in get_model_weights(name):
                if "_ops" in weights.meta:
                    yield kind, name, weights


ROWS = list(_published())


@pytest.fixture(autouse=True)
def _no_initialisation(monkeypatch):
    """Random weights take longer to draw than to count."""
    for name in dir(torch.nn.init):
        if name.endswith("_") and not name.startswith("_"):
            monkeypatch.setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)


@pytest.mark.parametrize(("kind", "name", "weights"), ROWS, ids=[str(row[2]) for row in ROWS])
def test_operations_and_parameters_are_the_published_ones(kind, name, weights):
    shape = _shape(kind, name, weights)
    options = {"image_size": shape[-1]} if name.startswith("vit_") else {}
    if kind is torchvision.models.segmentation:
        options = {"weights_backbone": None, "aux_loss": name.startswith(("fcn", "deeplab"))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_model_builder(name)(weights=None, **options).eval()
    report = count_flops(model, (1, 3, *shape))
    assert report.uncounted == ()
    assert abs(report.macs / 1e9 - weights.meta["_ops"]) <= HALF_THE_LAST_DIGIT
    if name not in AUXILIARY:
        assert report.params == weights.meta["num_params"]


def test_every_kind_of_model_is_there():
    assert len(ROWS) > 120
