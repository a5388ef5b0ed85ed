"""fvcore and thop, as they are, beside our count: agreement where they count, and a cause where they do not."""

from __future__ import annotations

import copy
import importlib.metadata
import logging
import subprocess
import sys
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("fvcore")
pytest.importorskip("thop")

import zoo  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812 its usual name

from greenai_magic.errors import FlopError, MissingExtra  # noqa: E402
from greenai_magic.flops import count_flops  # noqa: E402
from greenai_magic.flops.crosscheck import UNEXPLAINED, Line, Tally, Unseen, compare, crosscheck, explain  # noqa: E402
from greenai_magic.show.crosscheck import crosscheck_to_text  # noqa: E402

SPECIMENS = [zoo.resnet(), zoo.mobilenet(), zoo.unet(), zoo.graph(), zoo.functional(), zoo.lstm(), zoo.gru()]
SPECIMENS += [zoo.encoder(), zoo.moe()]


def checked(model, inputs, **options):
    report = count_flops(model, inputs, **options)
    return crosscheck(report, model, inputs, options.get("batch"))


def lines_of(comparison) -> dict[str, Line]:
    return {line.module: line for line in comparison.lines}


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.name)
def test_no_difference_in_the_zoo_is_unexplained(specimen):
    for comparison in checked(*specimen.build()):
        assert not comparison.failure
        assert comparison.ours == specimen.forward
        assert all(line.cause and line.cause != UNEXPLAINED for line in comparison.differing)
        assert all(not line.cause for line in comparison.lines if line.ours == line.theirs)


@pytest.mark.parametrize("build", [zoo.resnet, zoo.mobilenet, zoo.moe])
def test_both_agree_on_every_layer_of_a_model_of_ordinary_layers(build):
    for comparison in checked(*build().build()):
        assert not comparison.differing
        assert comparison.theirs == build().forward


def test_normalisation_in_the_peers_totals_is_told_and_left_out():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)).eval()
    fvcore, thop = checked(model, (1, 2, 5, 5))
    assert fvcore.others == {"batch_norm": 2 * 27}
    assert thop.others == {"normalization": 4 * 27}


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([nn.LSTM, nn.GRU, nn.RNN]),
    st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.booleans(), st.booleans(), st.integers(1, 4),
)  # fmt: skip
def test_recurrence_is_unseen_by_fvcore_and_more_by_thop(kind, size, hidden, layers, both, bias, steps):
    model = kind(size, hidden, layers, bidirectional=both, bias=bias)
    fvcore, thop = checked(model, (steps, 2, size))
    (unseen,), (more,) = fvcore.lines, thop.lines
    assert unseen.theirs == 0
    assert f"fvcore lists aten::{'rnn_tanh' if kind is nn.RNN else kind.__name__.lower()} as" in unseen.cause
    assert more.theirs > more.ours
    assert more.cause == "biases and elementwise work of the recurrence are counted too"


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(2, 5))
def test_a_transposed_convolution_is_right_in_fvcore_and_too_much_in_thop(groups, ins, outs, stride, size):
    model = nn.ConvTranspose2d(groups * ins, groups * outs, 3, stride=stride, groups=groups)
    fvcore, thop = checked(model, (2, groups * ins, size, size))
    assert not fvcore.differing
    (line,) = thop.lines
    assert line.theirs * size**2 == line.ours * ((size - 1) * stride + 3) ** 2
    assert "at its output's positions" in line.cause


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x):
        heads = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        return F.scaled_dot_product_attention(*heads)


def test_fused_attention_is_unseen_by_both_and_each_says_why():
    for comparison, why in zip(
        checked(Attention(), (2, 5, 8)),
        ("fvcore lists aten::scaled_dot_product_attention", "thop counts layers of the classes it knows"),
        strict=True,
    ):
        lines = lines_of(comparison)
        assert (lines[""].ours, lines[""].theirs) == (2 * 5 * 5 * 16, 0)
        assert lines[""].cause.startswith(f"SDPA unseen: {why}")
        assert lines["qkv"] == Line("qkv", "Linear", 2 * 5 * 8 * 24, 2 * 5 * 8 * 24)


class Conv1D(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(4, 6)), nn.Parameter(torch.randn(6))

    def forward(self, x):
        return torch.addmm(self.bias, x, self.weight)


def test_a_layer_of_a_class_of_ones_own_is_unseen_by_thop():
    fvcore, thop = checked(nn.Sequential(Conv1D(), nn.ReLU()), (3, 4))
    assert not fvcore.differing
    assert thop.differing[0].cause.startswith("addmm unseen: thop counts layers of the classes it knows")


def test_a_module_in_two_places_is_told_from_two_modules():
    layer = nn.Linear(4, 4)
    for comparison in checked(nn.Sequential(layer, nn.ReLU(), layer), (3, 4)):
        assert comparison.lines == (Line("0", "Linear", 2 * 48, 2 * 48),)
    fvcore, thop = checked(nn.Sequential(nn.Sequential(layer), nn.Sequential(layer)), (3, 4))
    assert fvcore.lines == (Line("0.0", "Linear", 2 * 48, 2 * 48),)
    causes = {line.module: line.cause for line in thop.differing}
    assert causes == {
        "0.0": "stands in 2 places, so that each call is counted 2 times",
        "1.0": "the same module as 0.0, counted again",
    }


class ByName(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.out = nn.Embedding(9, 4), nn.Linear(4, 2)

    def forward(self, input_ids=None, *, scale=1.0, **_):
        return {"scaled": scale * self.out(self.embedding(input_ids)), "none": None}


@pytest.mark.parametrize(
    ("inputs", "options"),
    [
        ({"input_ids": torch.ones(2, 3, dtype=torch.int64), "scale": 2.0}, {}),
        ({"input_ids": torch.ones(1, 3, dtype=torch.int64)}, {"batch": 2}),
        ((2, 3), {}),
    ],
)
def test_inputs_of_every_sort_reach_the_peers(inputs, options):
    for comparison in checked(ByName(), inputs, **options):
        assert comparison.lines == (Line("out", "Linear", 48, 48),)


def test_only_the_forward_pass_is_compared():
    for comparison in checked(nn.Linear(4, 2), (3, 4), backward=True):
        assert comparison.lines == (Line("", "Linear", 24, 24),)


def test_the_users_model_and_world_are_as_before(capsys):
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))
    calls = []
    model[0].register_forward_hook(lambda *_: calls.append(1))
    model[1].eval()
    state, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    attributes = {path: set(vars(module)) for path, module in model.named_modules()}
    modes = [module.training for module in model.modules()]
    checked(model, torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    after = model.state_dict()
    assert after.keys() == state.keys()
    assert all(torch.equal(after[name], state[name]) for name in state)
    assert torch.equal(random, torch.get_rng_state())
    assert attributes == {path: set(vars(module)) for path, module in model.named_modules()}
    assert modes == [module.training for module in model.modules()]
    assert not calls
    assert logging.root.manager.disable == logging.NOTSET
    assert capsys.readouterr() == ("", "")


class Moody(nn.Linear):
    def forward(self, x):
        if torch.jit.is_tracing():
            msg = "not while\nI am traced"
            raise KeyError(msg)
        return super().forward(x)


def test_a_peer_that_fails_is_one_sentence_and_the_other_is_still_heard():
    comparisons = checked(Moody(4, 2), (3, 4))
    assert comparisons[0].failure.startswith("it cannot count this model (KeyError: ")
    assert comparisons[1].ours == 24
    text = crosscheck_to_text(comparisons)
    assert text.splitlines()[1].startswith("  fvcore ")
    assert "it cannot count this model" in text.splitlines()[1]


def test_a_model_on_meta_has_its_crosscheck_too():
    with torch.device("meta"):
        model = nn.Linear(4000, 3000)
    for comparison in checked(model, (2, 4000)):
        assert comparison.failure or comparison.lines == (Line("", "Linear", 24_000_000, 24_000_000),)


def test_what_no_cause_accounts_for_is_unexplained():
    report = count_flops(nn.Linear(4, 2), (3, 4))
    (line,) = compare(report, Tally("nobody 1.0", macs={"": 23})).lines
    assert line == Line("", "Linear", 24, 23, UNEXPLAINED)
    assert "-1  unexplained" in crosscheck_to_text([compare(report, Tally("nobody 1.0", macs={"": 23}))])


def test_all_the_work_of_an_operator_is_a_likelier_cause_than_parts_of_several():
    report = count_flops(nn.Linear(4, 2), (3, 4))
    work = (("addmm", 6), ("addmm", 2), ("mm", 4), ("mv", 2))
    rows = tuple(replace(report.rows[0], op=f"aten.{op}", kind="matmul", macs=macs) for op, macs in work)
    report = replace(report, rows=rows)

    def cause(theirs):
        (line,) = compare(report, Tally("nobody 1.0", {"": theirs}, unseen={"": Unseen("who knows")})).lines
        return line.cause

    assert cause(14 - 8) == "addmm unseen: who knows"
    assert cause(0) == "addmm, mm, mv unseen: who knows"
    assert cause(14 - 10) == "addmm, mv unseen: who knows"
    assert cause(14 - 2) == "mv unseen: who knows"
    assert cause(14 - 13) == UNEXPLAINED


@given(
    st.lists(st.tuples(st.text("abc", min_size=1), st.integers(-50, 50)), max_size=6), st.integers(-99, 99)
)
def test_causes_account_for_the_difference_or_there_are_none(terms, difference):
    causes = explain(difference, terms)
    if causes is not None:
        assert set(causes) <= {cause for cause, _ in terms}
    whole = sum(amount for _, amount in terms)
    if any(amount for _, amount in terms):
        assert explain(whole, terms) is not None


def test_alike_modules_are_one_row_of_the_table():
    layers = nn.Sequential(*(Attention() for _ in range(3)))
    model = nn.Sequential(layers[0])
    text = crosscheck_to_text(checked(nn.ModuleList([model])[0], (2, 5, 8)))
    assert "alike" not in text

    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads = layers

        def forward(self, x):
            return sum(head(x) for head in self.heads)

    rows = crosscheck_to_text(checked(Sum(), (2, 5, 8))).splitlines()
    assert sum("heads.0 and 2 alike" in row for row in rows) == 2


def test_what_is_not_a_pytorch_model_has_no_crosscheck():
    report = count_flops(nn.Linear(4, 2), (3, 4))
    with pytest.raises(FlopError, match="PyTorch modules only: there is no crosscheck of a int"):
        crosscheck(report, 3)


@pytest.mark.parametrize("name", ["fvcore", "thop"])
def test_a_missing_peer_names_the_extra(name, monkeypatch):
    real = importlib.metadata.version

    def version(asked):
        if asked.endswith(name):
            raise importlib.metadata.PackageNotFoundError(asked)
        return real(asked)

    monkeypatch.setattr("greenai_magic.flops.torch.peers.version", version)
    with pytest.raises(MissingExtra, match=rf"needs {name}: run `pip install greenai-magic\[torch\]`"):
        checked(nn.Linear(4, 2), (3, 4))


@pytest.mark.parametrize(
    ("installed", "told"),
    [
        ({"thop": "0.1.1-2209072238"}, "thop 0.1.1-2209072238 (MIT)"),
        ({"ultralytics-thop": "2.2.3"}, "ultralytics-thop 2.2.3 (AGPL-3.0)"),
        ({"thop": "0.1.1-2209072238", "ultralytics-thop": "2.2.3"}, "thop 0.1.1-2209072238 (MIT)"),
    ],
)
def test_both_packages_of_that_name_are_told_apart(installed, told, monkeypatch):
    from greenai_magic.flops.torch import peers

    monkeypatch.setattr(peers, "_installed", installed.get)
    monkeypatch.setattr("thop.__version__", "0.1.1", raising=False)
    assert peers.thop_name() == told


def test_nothing_is_asked_of_the_network():
    code = (
        "import sys\n"
        "def told(event, args):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'): raise SystemExit(f'network: {args}')\n"
        "sys.addaudithook(told)\n"
        "from torch import nn\n"
        "from greenai_magic.flops import count_flops\n"
        "from greenai_magic.flops.crosscheck import crosscheck\n"
        "model = nn.Linear(4, 2)\n"
        "print([c.theirs for c in crosscheck(count_flops(model, (3, 4)), model, (3, 4))])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("[24, 24]\n", "", 0)
