"""Keras on PyTorch: the operators that PyTorch dispatches, on tensors without memory.

PyTorch executes what nobody uses, such as the step with which Keras finds the shape of a recurrent layer's
output; the other backends do not, and it is not counted. Two more things that PyTorch alone does are left
out, for the count to be the model's: its fused attention computes the scores once more in the backward
pass, and its recurrent layers skip the gradient of the first state, which is no one's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from greenai_magic.flops.keras.calls import Call
from greenai_magic.flops.keras.layers import followed, phase_in
from greenai_magic.flops.keras.tally import Tally


def count(call: Call, tally: Tally) -> None:
    """Count the call of a model, and the gradients of its weights where the call asks for them."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from greenai_magic.flops.keras.torch_recorder import Recorder
    from greenai_magic.flops.torch.world import quiet_log

    def inside(scope: str) -> contextlib.AbstractContextManager[None]:
        path = call.tree.path_in(scope)
        entered: contextlib.AbstractContextManager[None] = recorder.inside(
            path or "", phase_in(scope) if path is None else None
        )
        return entered

    with (
        quiet_log(),
        torch.set_grad_enabled(call.differentiates),
        torch.random.fork_rng(devices=[]),
        _seeds_unread(),
        _states_kept() as states,
        sdpa_kernel(SDPBackend.MATH),
        FakeTensorMode(allow_non_fake_inputs=True),
    ):
        trainable = [_empty(v.shape, v.dtype).requires_grad_(call.differentiates) for v in call.trainable]
        others = [_empty(v.shape, v.dtype) for v in call.others]
        inputs = call.map_inputs(lambda leaf: _empty(leaf.shape, leaf.dtype))
        with Recorder() as recorder:
            with followed(call.tree, inside) as call.at_work:
                starts, made = call.stateless(trainable, others, inputs, inside)
            made += starts
            if call.differentiates:
                gradients = _gradients(recorder, starts, [*trainable, *states])
                with torch.no_grad():
                    made += call.updated(gradients[: len(trainable)], trainable, others, inside)
                made += gradients[len(trainable) :]
    recorder.tell(tally, made)


def _gradients(recorder: Any, starts: list[Any], wanted: list[Any]) -> list[Any]:
    import torch

    learning = [o for o in starts if o.requires_grad]
    if not learning:
        return [None] * len(wanted)
    ones = [torch.ones_like(o) for o in learning]
    with recorder.inside("", "backward"):
        return list(torch.autograd.grad(learning, wanted, ones, allow_unused=True))


def _empty(shape: Any, dtype: Any) -> Any:
    import keras
    import torch
    from keras.src.backend.torch.core import get_device, to_torch_dtype

    torch_dtype = to_torch_dtype(keras.backend.standardize_dtype(dtype))
    return torch.empty(tuple(shape), dtype=torch_dtype, device=get_device())


@contextlib.contextmanager
def _seeds_unread() -> Iterator[None]:
    # Keras reads the seed of a dropout to make a generator of it; a tensor without memory has none to read.
    import torch
    from keras.src.backend.torch import random as keras_random

    original = keras_random.torch_seed_generator
    keras_random.torch_seed_generator = lambda _: torch.Generator(device=keras_random.get_device())
    try:
        yield
    finally:
        keras_random.torch_seed_generator = original


@contextlib.contextmanager
def _states_kept() -> Iterator[list[Any]]:
    # Gradients of the first states, for the first step of a loop to be like the others.
    import keras
    import torch

    layer_class = keras.layers.RNN
    original = layer_class.get_initial_state
    kept: list[Any] = []

    def get_initial_state(self: Any, batch_size: Any) -> Any:
        states = original(self, batch_size)
        if torch.is_grad_enabled() and not self.unroll:
            kept.extend(s.requires_grad_() for s in keras.tree.flatten(states))
        return states

    layer_class.get_initial_state = get_initial_state
    try:
        yield kept
    finally:
        layer_class.get_initial_state = original
