"""An operator without a formula is never zero; a formula is a function of shapes."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from greenai_magic.errors import FlopError, GreenAIError
from greenai_magic.flops import count_flops, register_flops, registry
from greenai_magic.flops.formulas import Cost, matmul
from greenai_magic.flops.torch.names import ALLOCATIONS, LOOKUPS, MOVES, PER_INPUT, PER_OUTPUT


@torch.library.custom_op("greenaitest::known", mutates_args=())
def known(x: torch.Tensor, weight: torch.Tensor, times: int = 2) -> torch.Tensor:
    return x @ weight * times


@torch.library.custom_op("greenaitest::unknown", mutates_args=())
def unknown(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


@torch.library.custom_op("greenaitest::opaque", mutates_args=())
def opaque(x: torch.Tensor) -> torch.Tensor:
    return x.exp()


known.register_fake(lambda x, weight, times=2: x.new_empty(x.shape[0], weight.shape[1]))
unknown.register_fake(torch.empty_like)


@register_flops("greenaitest::known")
def _known(x, weight, times, *, out) -> Cost:
    product = matmul(x[0], x[1], weight[1])
    return product._replace(flops=product.flops + times * math.prod(out))


class Custom(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x):
        x = known(x, torch.ones(4, 5), times=3) + known(x, torch.ones(4, 5))
        return unknown(unknown(x))


def test_a_custom_operator_is_counted_by_its_formula_and_others_are_listed():
    report = count_flops(Custom(), (3, 4))
    product, elements = 3 * 4 * 5, 3 * 5
    assert report.macs == 2 * product
    assert report.flops == 2 * (2 * product) + (3 + 2) * elements + elements
    (missing,) = report.uncounted
    assert (missing.op, missing.shapes, missing.calls, missing.modules) == (
        "greenaitest.unknown", ((3, 5),), 2, ("",)
    )  # fmt: skip


def test_an_operator_that_has_no_shapes_of_its_own_is_run():
    class Opaque(nn.Module):
        def forward(self, x):
            return opaque(x)

    report = count_flops(Opaque(), (3, 4))
    assert (report.method, len(report.uncounted)) == ("executed on this input", 1)


def test_an_operator_has_one_formula():
    with pytest.raises(FlopError, match="aten::mm is counted already, by _mm"):
        register_flops("aten::mm")(lambda a, b: 1)
    assert issubclass(FlopError, GreenAIError)
    register_flops("greenaitest::known")(_known)  # the same once more, as when a cell is run again


def test_a_formula_may_be_a_plain_number():
    @torch.library.custom_op("greenaitest::plain", mutates_args=())
    def plain(x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    plain.register_fake(torch.empty_like)

    @register_flops("greenaitest::plain")
    def seven(x):
        return 7 * math.prod(x)

    class Plain(nn.Module):
        def forward(self, x):
            return plain(x)

    report = count_flops(Plain(), (3, 4))
    assert (report.flops, report.macs, report.uncounted) == (84, 0, ())
    assert report.rows[0].formula == "seven: 84"


def test_every_name_is_one_that_pytorch_knows():
    names = [name for name in registry._FORMULAS if name.startswith(("aten::", "quantized::"))]
    names += [f"aten::{name}" for name in MOVES | LOOKUPS | ALLOCATIONS | PER_INPUT | PER_OUTPUT]
    known = {name.partition(".")[0] for name in torch._C._dispatch_get_all_op_names()}
    # Some are of older versions, or have only a variant in place.
    strange = sorted(name for name in names if name not in known and f"{name}_" not in known)
    assert strange == []


def test_importing_the_room_imports_no_framework():
    code = (
        "import sys, greenai_magic.flops as f; f.register_flops; f.FlopReport; "
        "print(sorted({'torch', 'keras', 'numpy', 'tensorflow'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
