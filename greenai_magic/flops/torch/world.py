"""The process around a count: what a model may change of it is put back."""

from __future__ import annotations

import contextlib
import logging
import random
import sys
from collections.abc import Iterator
from typing import Any

import torch


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    """Leave the process as it was, and be the same whatever it is: random states, switches, modes, log."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.utils._python_dispatch._disable_current_modes())
        stack.enter_context(torch.inference_mode(mode=False))
        for part in (_same_random_numbers, _switches, quiet_log):
            stack.enter_context(part())
        yield


@contextlib.contextmanager
def _same_random_numbers() -> Iterator[None]:
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    numpy = sys.modules.get("numpy")
    state, numpy_state = random.getstate(), numpy.random.get_state() if numpy else None
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(state)
            if numpy:
                numpy.random.set_state(numpy_state)


@contextlib.contextmanager
def _switches() -> Iterator[None]:
    """Run what is compiled as it is written, and the parts of fused modules one by one."""
    flexible: Any = sys.modules.get("torch.nn.attention.flex_attention")
    uncompiled = getattr(flexible, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", None)
    fast = torch.backends.mha.get_fastpath_enabled()
    with contextlib.ExitStack() as stack:
        if "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance"):  # since 2.6
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        torch.backends.mha.set_fastpath_enabled(False)
        if uncompiled is not None:
            flexible._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG = True
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
            if uncompiled is not None:
                flexible._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG = uncompiled


@contextlib.contextmanager
def quiet_log() -> Iterator[None]:
    """Keep still: what cannot be followed by shapes is tried otherwise, and said in a sentence."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(level)
