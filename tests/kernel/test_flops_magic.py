"""`%flops` in a real kernel: counts without running, leaves the user's names alone, and says what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kernels import Kernel

pytest.importorskip("torch")
pytestmark = pytest.mark.kernel

MODEL = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
x = torch.randn(3, 4)
calls = []
model.register_forward_hook(lambda *_: calls.append(1))
before = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
"""
SAME = (
    "all(torch.equal(v, before[0][k]) for k, v in model.state_dict().items()) "
    "and torch.equal(before[1], torch.get_rng_state()) and not calls and model.training"
)


def _flops(new_kernel: Callable[..., Kernel]) -> Kernel:
    kernel = new_kernel()
    kernel.ok(MODEL)
    return kernel


flops = pytest.fixture(_flops, scope="module", name="flops")


def _report(kernel: Kernel, line: str) -> dict[str, str]:
    cell = kernel.ok(line)
    assert not cell.stderr
    (output,) = [output for output in cell.outputs if output["type"] == "display_data"]
    return output["data"]


@pytest.mark.parametrize("line", ["%flops model x", "%flops model (3, 4)", "%flops model --input-size 3,4"])
def test_a_model_is_counted_and_stays_as_it_was(flops: Kernel, line: str) -> None:
    report = _report(flops, line)
    macs = 3 * (4 * 8 + 8 * 2)
    assert report["text/plain"].startswith(f"flops: Sequential · {macs} MACs · ")
    assert "<details" in report["text/html"]
    assert flops.look(SAME) == ["True"]


def test_a_report_goes_into_a_variable_and_shows_itself(flops: Kernel) -> None:
    _report(flops, "%flops model x --backward --by op -o report")
    assert flops.look("report.macs", "list(report.by_phase)") == [
        str(3 * (4 * 8 + 8 * 2) + 3 * (2 * 4 * 8 + 2 * 8 * 2) - 3 * 4 * 8),
        "['forward', 'backward']",
    ]
    cell = flops.ok("report")
    (value,) = [output["data"] for output in cell.outputs if output["type"] == "execute_result"]
    assert value["text/plain"].lstrip().startswith("flops: Sequential")
    assert '<div class="greenai">' in value["text/html"]


def test_a_crosscheck_follows_the_report_and_leaves_the_model_as_it_was(flops: Kernel) -> None:
    pytest.importorskip("fvcore")
    pytest.importorskip("thop")
    cell = flops.ok("%flops model x --crosscheck")
    assert [output["type"] for output in cell.outputs] == ["display_data", "stream"]
    assert not cell.stderr
    head, fvcore, thop = cell.stdout.splitlines()
    assert head.startswith("crosscheck: MACs of products")
    for line, peer in ((fvcore, "  fvcore "), (thop, "  thop ")):
        assert line.startswith(peer)
        assert line.endswith("ours 144, theirs 144; 2 of 2 modules agree")
    assert flops.look(SAME) == ["True"]


def test_a_cell_is_counted_while_it_runs(flops: Kernel) -> None:
    cell = flops.ok("%%flops -o cell\n(model(x).sum() > -1e9).item()")
    assert cell.value == "True"
    assert flops.look("cell.macs", "cell.method") == [str(3 * (4 * 8 + 8 * 2)), "'executed on this input'"]


@pytest.mark.parametrize(
    ("failure", "name"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("model(torch.zeros(3, 5))", "RuntimeError"),
    ],
)
def test_a_cell_that_fails_shows_what_it_did_until_then(flops: Kernel, failure: str, name: str) -> None:
    bare = flops.run(f"model(x)\n{failure}")
    cell = flops.run(f"%%flops -o partly\nmodel(x)\n{failure}")
    assert cell.reply["ename"] == name
    assert "greenai_magic" not in cell.traceback
    assert "_dynamo" not in cell.traceback
    assert cell.traceback.splitlines()[-1:] == bare.traceback.splitlines()[-1:]
    (output,) = [output for output in cell.outputs if output["type"] == "display_data"]
    assert output["data"]["text/plain"].startswith("flops: this cell, until it failed · 144 MACs · ")
    assert flops.look("partly.macs", "partly.model") == ["144", "'this cell, until it failed'"]
    flops.ok("calls.clear()")


def test_a_cell_that_awaits_is_told_what_to_count_instead(flops: Kernel) -> None:
    cell = flops.run("%%flops\nimport asyncio\nawait asyncio.sleep(0)")
    assert cell.reply["ename"] == "UsageError"
    assert "function that asyncio runs outside this cell" in cell.stderr
    assert "measure()" not in cell.stderr
    assert cell.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("%flops", "needs a model"),
        ("%flops 3", "no PyTorch module, no Keras model"),
        ("%flops model (3, 9)", "Sequential"),
        ("%flops model x --inputs x", "said twice"),
        ("%flops model --input-size a", "is no input size"),
        ("%flops model --nope", "no option --nope"),
        ("%flops model( x", "cannot be read"),
        ("%flops model x --device T4", "--device belongs to --energy"),
        ("%flops model x --energy --device nosuch", "No table knows the device 'nosuch'"),
        ("%flops model x --depth -1", "-1 is no number of levels"),
        ("%flops model x --by op --depth 1 --sort flops", "--depth and --sort cannot go with `--by op`"),
        ("%%flops --by op --sort order\nmodel(x)", "--sort cannot go with `--by op`"),
    ],
)
def test_what_cannot_be_counted_is_one_line(flops: Kernel, line: str, told: str) -> None:
    cell = flops.run(line)
    assert cell.reply["ename"] == "UsageError"
    assert told in cell.stderr
    assert cell.stderr.count("\n") == 1
    assert flops.look("model(x).shape") == ["torch.Size([3, 2])"]
    flops.ok("calls.clear()")


@pytest.mark.parametrize(("option", "where"), [("", "operators timed on this machine"), ("--device T4", "T4")])
def test_what_a_pass_takes_is_told_in_one_line_below_the_count(flops: Kernel, option: str, where: str) -> None:
    flops.ok(MODEL)
    cell = flops.ok(f"%flops model x --energy {option} -o report")
    (line,) = (line for line in cell.stdout.splitlines() if line.startswith("energy: "))
    assert line.startswith(f"energy: {where} · ≈ ")
    assert "Wh" in line
    assert " · ≥ " in line
    assert flops.look(SAME, "report.macs > 0") == ["True", "True"]


def test_a_users_own_error_in_the_line_is_the_users(flops: Kernel) -> None:
    cell = flops.run("%flops nosuch")
    assert cell.reply["ename"] == "NameError"
    assert "greenai_magic" not in cell.traceback
