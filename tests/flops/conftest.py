from __future__ import annotations

import importlib.util

import pytest

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["test_torch*.py"]
else:
    import torch

    torch.set_num_threads(1)
    if importlib.util.find_spec("torchvision") and not torch.version.cuda:
        # The published torchvision is built for CUDA: beside a PyTorch for CPUs its own operators do not
        # load, and its Python code, which transformers imports, asks for them by name.
        _LIBRARY = torch.library.Library("torchvision", "DEF")
        _LIBRARY.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARY.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARY.define(
            "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, "
            "int sampling_ratio, bool aligned) -> Tensor"
        )


@pytest.fixture(autouse=True)
def _same_random_numbers():
    if importlib.util.find_spec("torch"):
        torch.manual_seed(0)
