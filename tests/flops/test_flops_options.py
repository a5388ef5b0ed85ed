from __future__ import annotations

import pytest

from greenai_magic.notebook.flops import FlopsMagics
from greenai_magic.notebook.line import parsed_in_part


@pytest.mark.parametrize("spelling", ["--optimiser", "--optimizer"])
def test_an_optimiser_may_be_spelled_either_way(spelling):
    options, rest = parsed_in_part(FlopsMagics.flops_line, f"model --train-step {spelling} torch.optim.AdamW")
    assert (options.optimiser, rest) == ("torch.optim.AdamW", ["model"])
