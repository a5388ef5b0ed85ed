"""How a count of operations reads: exact, scaled, folded, and never quiet about what it lacks."""

from __future__ import annotations

import ast
import json
import operator
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.errors import FlopError
from greenai_magic.flops.report import FlopReport, Module, Row, Uncounted
from greenai_magic.show.flops import count, describe_flops, flops_to_html, flops_to_text, shape_text

CONV = Row(
    "a.conv", "forward", "aten.convolution", "convolution", ((1, 3, 8, 8), (4, 3, 3, 3)), 2, 27648, 13824, 9,
    "2 x 64 x 4 x 27",
)  # fmt: skip
RELU = Row("a.act", "forward", "aten.relu", "elementwise", ((1, 4, 8, 8),), 2, 512, 0, 9, "256")
MM = Row("fc", "backward", "aten.mm", "matmul", ((1, 3), (3, 4)), 1, 24, 12, 9, "2 x 1 x 3 x 4")
MODULES = (
    Module("", "Net", (1, 4), 0, 0),
    Module("a", "Sequential", (1, 4, 8, 8), 0, 0),
    Module("a.conv", "Conv2d", (1, 4, 8, 8), 108, 108),
    Module("a.act", "ReLU", (1, 4, 8, 8), 0, 0),
    Module("fc", "Linear", (1, 4), 16, 16),
)
UNKNOWN = Uncounted("mylib.op", ((1, 2),), 3, ("fc",))
GOLDEN = Path(__file__).parent.parent / "golden"
OPERATORS = {ast.Mult: operator.mul, ast.Add: operator.add}


def report(**parts) -> FlopReport:
    plain = FlopReport(
        "Net",
        "x 1x3x8x8 float32",
        "counted from shapes",
        (CONV, RELU, MM),
        MODULES,
        (),
        124,
        124,
        496,
        1000,
        800,
    )
    return replace(plain, **parts)


def text(**how) -> str:
    return flops_to_text(describe_flops(report(), **how))


def evaluate(node: ast.AST) -> int:
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](evaluate(node.left), evaluate(node.right))
    return node.value


def test_totals_are_sums_over_rows_however_they_are_grouped():
    whole = report()
    assert whole.flops == sum(whole.by_kind.values()) == sum(whole.by_phase.values()) == whole.by_module[""]
    assert whole.by_module["a"] == CONV.flops + RELU.flops
    assert (whole.macs, whole.macs_by_module["fc"], whole.params_by_module["a"]) == (13836, 12, 108)


def test_an_explanations_arithmetic_gives_each_figure():
    lines = report().explain().splitlines()
    assert lines[0] == "Net: 28,184 FLOPs, 13,836 MACs"
    formulas = [re.fullmatch(r" *= (.+?)( x \d+ calls)? = (.+) FLOPs", line) for line in lines]
    found = [match.groups() for match in formulas if match]
    assert len(found) == 3
    for formula, times, figure in found:
        calls = int((times or " x 1 calls").split()[1])
        assert evaluate(ast.parse(formula.replace("x", "*"), mode="eval").body) * calls == int(
            figure.replace(",", "")
        )


def test_an_explanation_is_of_one_module_and_an_unknown_one_is_an_error_of_ours():
    assert "aten.mm" not in report().explain("a")
    with pytest.raises(FlopError, match="no module 'b'"):
        report().explain("b")


def test_json_and_tables_hold_every_row():
    plain = json.loads(report().to_json())
    assert [row["flops"] for row in plain["rows"]] == [27648, 512, 24]
    assert (plain["flops"], plain["macs"]) == (28184, 13836)
    frame = pytest.importorskip("pandas") and report().to_pandas()
    assert frame.flops.sum() == 28184
    assert list(frame.module) == ["a.conv", "a.act", "fc"]


def test_counts_beyond_what_a_float_holds_stay_exact():
    huge = replace(MM, flops=2**70 + 1, macs=2**69)
    assert f"{2**70 + 1:,}" in flops_to_text(describe_flops(report(rows=(huge,))))
    assert report(rows=(huge, huge)).flops == 2**71 + 2


@given(st.integers(0, 999 * 10**18))
def test_a_scaled_count_is_within_half_a_percent_and_has_three_digits_at_most(number):
    figure, _, unit = count(number, "B").partition(" ")
    scale = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15, "EB": 1e18}[unit]
    assert float(figure.replace(",", "")) * scale == pytest.approx(number, rel=5.1e-3)
    assert len(figure.replace(".", "")) <= 3


def test_a_tree_shows_modules_in_order_or_by_cost_and_only_so_deep():
    names = [line.split()[0] for line in text().splitlines() if re.match(r" +(model|a|conv|act|fc) ", line)]
    assert names == ["model", "a", "conv", "act", "fc"]
    backwards = flops_to_text(describe_flops(report(rows=(replace(MM, flops=10**9), CONV)), sort="flops"))
    assert backwards.index("Linear") < backwards.index("Sequential")
    assert "Conv2d" not in text(depth=1)
    assert "Sequential" in text(depth=1)
    assert "aten.convolution  convolution  2 calls" in text(by="op")


def test_what_was_not_counted_makes_totals_lower_bounds_and_is_listed():
    partly = flops_to_text(describe_flops(report(uncounted=(UNKNOWN,))))
    assert partly.splitlines()[0] == "flops: Net · ≥ 13.8 kMACs · ≥ 28.2 kFLOPs · 124 parameters"
    assert partly.splitlines()[1] == ("  not counted, and not zero: mylib.op, 3 calls, first on 1x2 in fc")
    assert "  FLOPs: ≥ 28,184 (≥ 13,836 MACs); " in partly
    assert "≥" not in text()
    page = flops_to_html(describe_flops(report(uncounted=(UNKNOWN,))))
    assert "Not counted, and not zero" in page
    assert repr(report(uncounted=(UNKNOWN,))) == (
        "<FlopReport Net: at least 28,184 FLOPs, 13,836 MACs, 124 parameters>"
    )


def test_what_was_not_counted_shows_at_the_modules_that_it_is_in_and_at_no_other():
    deep = replace(UNKNOWN, modules=("a.act",))
    view = describe_flops(report(uncounted=(deep,), rows=(CONV, MM)))
    (model,) = view.branches
    first, last = model.children
    conv, act = first.children
    assert [branch.flops for branch in (model, first, conv, act, last)] == [
        "≥ 27.7 k", "≥ 27.6 k", "27.6 k", "≥ 0", "24",
    ]  # fmt: skip
    assert (act.macs, act.share, conv.macs) == ("≥ 0", "?", "13.8 k")
    (line,) = [line for line in flops_to_text(view).splitlines() if "ReLU" in line]
    assert " ".join(line.split()) == "act ReLU 1x4x8x8 0 ≥ 0 ≥ 0 ?"
    assert flops_to_html(view).count("≥ 0</span>") == 2


def test_an_operator_that_does_two_kinds_of_work_has_a_line_for_each():
    attention = replace(MM, kind="attention", flops=48, macs=24)
    lines = describe_flops(report(rows=(MM, attention, MM)), by="op").branches
    assert [(line.name, line.what, line.flops, line.macs, line.output) for line in lines] == [
        ("aten.mm", "matmul", "48", "24", "2 calls"),
        ("aten.mm", "attention", "48", "24", "1 call"),
    ]


def test_an_explanation_says_at_least_where_an_operator_of_the_module_was_not_counted():
    partly = report(uncounted=(UNKNOWN, replace(UNKNOWN, op="lib.other", modules=("a.act", ""))))
    assert partly.explain("fc").splitlines()[:2] == [
        "fc: at least 24 FLOPs, at least 12 MACs",
        "  fc: mylib.op was not counted, and is not zero",
    ]
    assert partly.explain().count("was not counted") == 2
    assert "  a.act, model: lib.other was not counted" in partly.explain()
    assert "  a.act: lib.other was not counted" in partly.explain("a")
    assert "at least" not in partly.explain("a.conv")
    assert "not counted" not in partly.explain("a.conv")


def test_what_an_engine_cannot_tell_is_not_assessed():
    assert "most at once, all phases not assessed" in flops_to_text(
        describe_flops(report(peak_activation_bytes=None))
    )


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.open = set(), []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x>', "</div><h1>", "\x1b[31m\x07"])
def test_names_from_outside_cannot_steer_the_page_or_the_terminal(name):
    module, row = Module("", name, (1,), 1, 1), replace(MM, module="", op=name)
    unknown = Uncounted(name, (), 1, (name,))
    hostile = report(
        model=name, inputs=name, rows=(row,), modules=(module,), uncounted=(unknown,), notes=(name,)
    )
    for by in ("module", "op"):
        view = describe_flops(hostile, by=by)
        page = Tags(flops_to_html(view))
        assert not page.open
        assert page.tags <= {"div", "strong", "span", "details", "summary", "ul", "li"}
        assert "\x1b" not in flops_to_text(view)


def assert_golden(name: str, written: str) -> None:
    path = GOLDEN / name
    if os.environ.get("GREENAI_UPDATE_GOLDEN"):
        path.write_text(written + "\n", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == written + "\n"


@pytest.mark.parametrize("by", ["module", "op"])
def test_both_faces_read_as_agreed(by):
    view = describe_flops(report(uncounted=(UNKNOWN,), notes=("Its dropout was left out.",)), by=by)
    assert_golden(f"flops_by_{by}.txt", flops_to_text(view))
    assert_golden(f"flops_by_{by}.html", flops_to_html(view))


def test_shapes_read_as_people_write_them():
    assert shape_text(((1, 3, 224, 224), ())) == "1x3x224x224, scalar"
    assert shape_text(()) == "no tensor"


def test_facts_say_what_they_are_of():
    assert dict(describe_flops(report()).facts)["inputs"] == "x 1x3x8x8 float32; counted from shapes"
    cell = dict(describe_flops(report(inputs="", method="executed on this input")).facts)
    assert "inputs" not in cell
    assert cell["method"] == "executed on this input"
    assert cell["activations"] == "made 1.00 kB in the forward pass; most at once, all phases 800 B"


@pytest.mark.parametrize("by", ["module", "op"])
def test_a_total_is_added_up_no_oftener_for_more_modules_or_operators(monkeypatch, by):
    looked = []
    whole = FlopReport.flops.fget
    monkeypatch.setattr(FlopReport, "flops", property(lambda self: looked.append(1) or whole(self)))
    described = [
        (describe_flops(report(modules=MODULES[:n], rows=(CONV, RELU, MM)[: n - 1]), by=by), len(looked))
        for n in (2, 4)
    ]
    (_, first), (_, both) = described
    assert both == 2 * first
