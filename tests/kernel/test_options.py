"""The options of `%%carbon` and `%carbon`, the card, and the commands of `%greenai`."""

from __future__ import annotations

import re

import pytest
from kernels import Cell, Kernel, plain

pytestmark = pytest.mark.kernel


def _complete(kernel: Kernel, line: str) -> list[str]:
    request = kernel.client.complete(line)
    while True:
        message = kernel.client.get_shell_msg(timeout=60)
        if message["parent_header"].get("msg_id") == request:
            matches: list[str] = message["content"]["matches"]
            return matches


def _page(cell: Cell) -> str:
    return plain(cell.reply["payload"][0]["data"]["text/plain"])


def test_a_card_has_a_face_for_each_front_end(kernel: Kernel) -> None:
    cell = kernel.ok("%%carbon my-cell\n1 + 1")
    (card,) = cell.cards
    assert card.keys() == {"text/html", "text/plain"}
    assert card["text/plain"].startswith("greenai: my-cell · ")
    assert "my-cell" in card["text/html"]
    assert (cell.stdout, cell.stderr) == ("", "")


def test_quiet_changes_nothing_but_the_card(kernel: Kernel) -> None:
    cells = [kernel.ok(f"%%carbon {option} one-cell\nprint('out')\n41 + 1") for option in ("", "--quiet")]
    assert [len(cell.cards) for cell in cells] == [1, 0]
    assert {(cell.value, cell.stdout, cell.stderr) for cell in cells} == {("42", "out\n", "")}
    assert [run.name for run in kernel.runs()[:2]] == ["one-cell"] * 2


def test_the_run_comes_with_all_that_was_said_of_it(kernel: Kernel) -> None:
    kernel.ok(
        "%%carbon 'my run' --stage 'data work' --tag data=digits --tag note='two words' "
        '--score accuracy=right/all_of(4, b = 2) --score "half=len([1, 2]) / 4" -o kept --quiet\n'
        "right = 4\ndef all_of(a, b):\n    return a * b"
    )
    run = kernel.runs()[0]
    assert (run.name, run.stage, run.status) == ("my run", "data work", "ok")
    assert run.tags == {"data": "digits", "note": "two words"}
    assert run.scores == {"accuracy": 0.5, "half": 0.5}
    assert kernel.look("type(kept).__name__, kept.id") == [f"('Run', '{run.id}')"]
    assert kernel.look("__import__('greenai_magic').last_run() == kept") == ["True"]


def test_the_variable_of_a_failed_cell_holds_its_run(kernel: Kernel) -> None:
    kernel.run("%%carbon -o failed --quiet\n1 / 0")
    assert kernel.look("failed.status") == ["'error'"]


@pytest.mark.parametrize(
    "expression",
    ["1/0", "no_such_name", "'text'", "int('two\\nlines')", "print", "__import__('no_such')"],
)
def test_a_score_that_fails_costs_one_sentence_and_no_run(kernel: Kernel, expression: str) -> None:
    cell = kernel.ok(f"%%carbon scored --quiet --score bad={expression} --score good=0.5\n'value'")
    assert cell.stdout.startswith("greenai: The score bad is not kept: ")
    assert cell.stdout.count("\n") == 1
    assert (cell.value, cell.stderr) == ("'value'", "")
    assert kernel.runs()[0].scores == {"good": 0.5}


@pytest.mark.parametrize("expression", ["1+", "a =", "await f()", "f(x"])
def test_a_score_that_is_no_expression_is_told_before_anything_runs(kernel: Kernel, expression: str) -> None:
    cell = kernel.run(f"%%carbon --score good=1 --score 'bad={expression}'\nprint('never')")
    assert cell.reply["ename"] == "UsageError"
    assert "The score bad cannot be read: " in cell.stderr
    assert not cell.stdout


def test_a_score_that_exits_costs_its_cell_no_run(kernel: Kernel) -> None:
    cell = kernel.run("%%carbon left --score bad=exit_now()\ndef exit_now():\n    raise SystemExit(3)")
    assert cell.reply["ename"] == "SystemExit"
    assert cell.stdout == "greenai: The run is kept without the score bad: SystemExit\n"
    assert cell.cards[0]["text/plain"].startswith("greenai: left · ")
    assert (kernel.runs()[0].name, kernel.runs()[0].status) == ("left", "ok")


def test_a_run_that_is_not_to_be_kept_is_not(kernel: Kernel) -> None:
    before = len(kernel.runs())
    assert kernel.ok("%%carbon --no-save\n1").cards
    assert len(kernel.runs()) == before


def test_a_place_of_the_cell_s_own_is_used_for_that_cell_only(kernel: Kernel) -> None:
    named = kernel.ok("%%carbon --place FRA --pue 1.3\n1").cards[0]["text/plain"]
    assert "France" in named
    assert re.search(r"PUE +1\.30", named)
    assert re.search(r"PUE +1\.20", kernel.ok('%%carbon --pue "1.2"\n1').cards[0]["text/plain"])
    assert "Grid, World average" in kernel.ok("%%carbon\n1").cards[0]["text/plain"]
    assert "United Kingdom" in kernel.ok('%%carbon --place "united kingdom"\n1').cards[0]["text/plain"]


def test_hardware_is_counted_for_the_cell_that_names_it_or_for_all(kernel: Kernel) -> None:
    kernel.ok("%%carbon --quiet --hardware 'laptop + monitor'\n1")
    kernel.ok("%%carbon --quiet\n1")
    kernel.ok("%config GreenAI.hardware = 'A100 SXM'\n%carbon --quiet 1")
    by_setting, bare, by_option = kernel.runs()[:3]
    assert [run.hardware for run in (by_option, bare, by_setting)] == ["laptop + monitor", "", "A100 SXM"]
    assert bare.footprint.gwp_g(3) is None
    assert min(run.footprint.gwp_g(3).value for run in (by_option, by_setting)) > 0
    wrong = kernel.run("%config GreenAI.hardware = 'labtop'")
    assert "did you mean laptop" in wrong.traceback + wrong.stderr
    kernel.ok("%config GreenAI.hardware = ''")
    cell = kernel.run("%%carbon --hardware labtop\nprint('never')")
    assert (cell.reply["ename"], cell.stdout) == ("UsageError", "")
    assert "did you mean laptop" in cell.stderr


def test_an_unknown_place_is_the_world_and_the_card_says_what_was_meant(kernel: Kernel) -> None:
    card = " ".join(kernel.ok("%%carbon --place Frence\n1").cards[0]["text/plain"].split())
    assert "Grid, World average" in card
    assert "did you mean" in card
    assert "FRA" in card


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--pue 0.3", "number from 1"),
        ("--pue 0", "number from 1"),
        ("--pue nan", "number from 1"),
        ("--pue lots", "--pue: lots is not a number from 1 (a laptop) to 5"),
        ("--pue", "--pue"),
        ("--no-such-option", "--no-such-option"),
        ("--qui", "--qui"),
        ("one two", "'two' is too much for %%carbon: put in quotes"),
        ("--help", "`%%carbon?`"),
        ("-h", "`%%carbon?`"),
        ("--tag novalue", "--tag data=digits"),
        ("--score =1", "--score accuracy="),
        ("-o 2runs", "'2runs'"),
        ("-o In", "'In'"),
        ("-o _", "'_'"),
        ("-o get_ipython", "'get_ipython'"),
        ("-o quit", "'quit'"),
        ("-o print", "'print'"),
    ],
)
def test_a_wrong_option_is_one_line_and_nothing_runs(kernel: Kernel, line: str, says: str) -> None:
    before = len(kernel.runs())
    cell = kernel.run(f"%%carbon {line}\nprint('never')")
    assert cell.reply["ename"] == "UsageError"
    assert cell.stderr.startswith("UsageError: ")
    assert says in cell.stderr
    assert cell.stderr.count("\n") == 1
    assert not cell.stdout
    assert len(kernel.runs()) == before


@pytest.mark.parametrize("cell", ["%%carbon", "%%carbon --quiet\n", "%carbon", "%carbon --quiet"])
def test_measuring_nothing_says_how_to_write_it(kernel: Kernel, cell: str) -> None:
    assert kernel.run(cell).reply["ename"] == "UsageError"


@pytest.mark.parametrize(
    ("line", "says"),
    [("--qui 3", "--qui"), ("--nope 3", "--nope"), ("--help", "`%carbon?`"), ("--pue 9 3", "from 1")],
)
def test_a_wrong_option_before_a_statement_is_no_part_of_it(kernel: Kernel, line: str, says: str) -> None:
    cell = kernel.run(f"%carbon {line}")
    assert cell.reply["ename"] == "UsageError"
    assert says in cell.stderr


def test_names_in_braces_are_filled_in_on_the_magic_s_line_alone(kernel: Kernel) -> None:
    kernel.ok("seed = 7")
    assert (
        kernel.ok("%%carbon run-{seed} --quiet\nf'{seed}', '{seed}', '$seed'").value
        == "('7', '{seed}', '$seed')"
    )
    assert kernel.runs()[0].name == "run-7"


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("40 + 2", "42"),
        ("{'a': 1}['a'], '{seed}', '$seed'", "(1, '{seed}', '$seed')"),
        ("'--quiet'", "'--quiet'"),
        ("-3", "-3"),
        ("a = 3", None),
        ("40 + 2;", None),
        ("print('--stage')", None),
    ],
)
def test_the_line_magic_measures_the_statement_after_its_options(
    kernel: Kernel, statement: str, value: str | None
) -> None:
    cell = kernel.ok(f"%carbon --name line --stage 'my stage' --tag a=b {statement}")
    assert cell.value == value
    run = kernel.runs()[0]
    assert (run.name, run.stage, dict(run.tags)) == ("line", "my stage", {"a": "b"})


def test_the_line_magic_s_value_can_be_assigned_and_its_error_has_its_line(kernel: Kernel) -> None:
    kernel.ok("answer = %carbon --quiet 40 + 2")
    assert kernel.look("answer") == ["42"]
    traceback = kernel.run("%carbon --quiet 1 / 0").traceback
    assert "----> 1 1 / 0" in traceback
    assert "greenai" not in traceback


def test_the_line_magic_sees_the_names_of_the_function_that_it_is_in(kernel: Kernel) -> None:
    kernel.ok("def work(local):\n    result = %carbon --quiet local + 1\n    return result")
    assert kernel.ok("work(41)").value == "42"


def test_options_are_completed(kernel: Kernel) -> None:
    assert _complete(kernel, "%%carbon --sta") == ["--stage"]
    assert _complete(kernel, "%%carbon name --qu") == ["--quiet"]
    assert _complete(kernel, "%%carbon --place FRO") == ["FRO"]
    assert "FRA" in _complete(kernel, "%%carbon --place fran")
    assert _complete(kernel, "%%carbon --place deutsch") == ["DEU"]
    assert _complete(kernel, "a = 1\n%carbon --pu") == ["--pue"]
    assert _complete(kernel, "%greenai his") == ["history"]
    assert _complete(kernel, "%greenai auto ") == ["off", "on"]
    assert _complete(kernel, "%greenai last ") == ["--explain"]
    assert "--stage" not in _complete(kernel, "import os\nos.pa")


def test_a_score_is_completed_with_the_user_s_names_and_never_with_files(kernel: Kernel) -> None:
    kernel.ok("score_of_mine = 1\nopen('score_in_a_file', 'w').close()")
    assert _complete(kernel, "%%carbon --score score_") == ["score_of_mine"]
    assert _complete(kernel, "%%carbon --score accuracy=float(score_") == ["score_of_mine"]
    assert _complete(kernel, "%%carbon --score score_in") == ["score_in"]
    names = _complete(kernel, "%%carbon --score ")
    assert "score_of_mine" in names
    assert not {"score_in_a_file", "In", "get_ipython"} & set(names)


@pytest.mark.parametrize("magic", ["%%carbon", "%carbon", "%greenai"])
def test_a_question_mark_shows_examples_and_options(kernel: Kernel, magic: str) -> None:
    page = _page(kernel.ok(f"{magic}?"))
    assert re.search(rf"^\s*{magic} \[", page, re.MULTILINE)
    assert "Examples" in page
    assert "options:" in page or "optional arguments:" in page


def test_status_says_what_is_measured_where_and_how_much_so_far(kernel: Kernel) -> None:
    said = kernel.ok("%greenai status").stdout
    assert "cpu" in said
    assert "World average" in said
    assert "Every cell is measured: no" in said


def test_history_lists_as_many_runs_as_are_asked_for(kernel: Kernel) -> None:
    kernel.ok("%%carbon newest --quiet\n1")
    lines = kernel.ok("%greenai history -n 1").stdout.splitlines()
    assert "newest" in lines[1]
    assert not lines[2]


def test_last_shows_the_card_again_or_its_formulas(kernel: Kernel) -> None:
    kernel.ok("%%carbon the-last --quiet\n1")
    assert kernel.ok("%greenai last").cards[0]["text/plain"].startswith("greenai: the-last")
    explained = kernel.ok("%greenai last --explain")
    assert "machine energy" in explained.stdout
    assert "source:" in explained.stdout
    assert not explained.cards


def test_config_and_help_say_what_there_is(kernel: Kernel) -> None:
    assert "GreenAI.country" in kernel.ok("%greenai config").stdout
    for words in ("%greenai help", "%greenai"):
        said = kernel.ok(words).stdout
        assert "--score" in said
        assert "history" in said


WRONG_COMMANDS = (
    "no-such-command|auto|auto maybe|auto on now|history on|last -n 3|status --explain|--help"
    "|history -n 0|history -n -1|history -n 1.5|history -n 99999999999999999999"
)


@pytest.mark.parametrize("line", WRONG_COMMANDS.split("|"))
def test_a_wrong_command_is_one_line(kernel: Kernel, line: str) -> None:
    cell = kernel.run(f"%greenai {line}")
    assert not cell.stdout
    assert cell.reply["ename"] == "UsageError"
    assert cell.stderr.count("\n") == 1


def test_the_crosscheck_puts_codecarbon_s_figures_beside_ours(kernel: Kernel) -> None:
    cell = kernel.ok("%%carbon --crosscheck --quiet\nsum(range(100_000))")
    assert cell.stdout.startswith("Crosscheck with CodeCarbon")
    assert re.search(r"processor +ours .* theirs ", cell.stdout)
    assert (cell.value, cell.stderr) == ("4999950000", "")
    # Its task is over, so there can be another.
    failed = kernel.run("%%carbon --crosscheck --quiet\n1 / 0")
    assert failed.stdout.startswith("Crosscheck with CodeCarbon")
    assert failed.reply["ename"] == "ZeroDivisionError"


def test_a_crosscheck_within_another_is_refused_and_the_outer_one_goes_on(kernel: Kernel) -> None:
    cell = kernel.ok("%%carbon --crosscheck --quiet\n%%carbon --crosscheck --quiet\n41 + 1")
    refused, *compared = cell.stdout.splitlines()
    assert refused.startswith("greenai: There is no crosscheck: CodeCarbon measures one cell at a time")
    assert [line for line in compared if line.startswith("Crosscheck with")] == compared[:1]
    assert cell.value == "42"
    assert "There is no crosscheck" not in kernel.ok("%%carbon --crosscheck --quiet\n1").stdout
