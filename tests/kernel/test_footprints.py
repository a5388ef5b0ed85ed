"""A footprint at the end of a cell, and the commands of `%greenai` that make or show one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kernels import Cell, Kernel

pytestmark = pytest.mark.kernel


STEP = "def step(n=1):\n    return sum(range(1_000_000 * n))"
INTERRUPT = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
FAILS = "calls = []\ndef fails():\n    calls.append(step())\n    if len(calls) > 5: {failure}"


def _shown(cell: Cell) -> dict[str, str]:
    (shown,) = [output["data"] for output in cell.outputs if output["type"] == "display_data"]
    return shown


def _value(cell: Cell) -> dict[str, str]:
    (value,) = [output["data"] for output in cell.outputs if output["type"] == "execute_result"]
    return value


def test_a_footprint_shows_itself_and_inside_a_list_in_one_line(kernel: Kernel) -> None:
    kernel.ok("%%carbon --quiet --place FRA -o run\nsum(range(10_000_000))")
    faces = _value(kernel.ok("run.footprint"))
    assert faces["text/plain"].startswith("footprint: France · ≥ ")
    assert faces["text/html"].startswith('<div class="greenai">')
    listed = _value(kernel.ok("[run.footprint]"))["text/plain"]
    assert listed.startswith("[<Footprint in France: gwp ")
    assert listed.count("\n") == 0
    assert kernel.look("repr(run.footprint)")[0].startswith("'<Footprint in France")


def test_unloaded_a_footprint_is_one_line_again(new_kernel: Callable[..., Kernel]) -> None:
    kernel = new_kernel()
    kernel.ok("%%carbon --quiet --place FRA -o run\n1")
    kernel.ok("%unload_ext greenai_magic")
    faces = _value(kernel.ok("run.footprint"))
    assert faces.keys() == {"text/plain"}
    assert faces["text/plain"].startswith("<Footprint in France")


def test_hours_of_a_device_are_a_footprint_that_is_shown_and_kept(kernel: Kernel) -> None:
    faces = _shown(
        kernel.ok(
            '%greenai estimate --device "A100 SXM" --count 8 --hours 24 --load 0.5 --place FRA --embodied -o f'
        )
    )
    assert faces["text/plain"].startswith("footprint: France · ≥ ")
    assert faces["text/html"].startswith('<div class="greenai">')
    energy, scope_3 = kernel.look("f.energy_it_j.value", "f.gwp_g(3).value > 0")
    assert float(energy) == pytest.approx(8 * 24 * 3600 * 0.5 * 400)
    assert scope_3 == "True"


def test_operations_are_a_footprint_and_any_figure_may_be_the_user_s_expression(kernel: Kernel) -> None:
    kernel.ok(
        "from greenai_magic import Quantity\nper_epoch = 1e18\nwatts = Quantity(250.0, 'W', 'declared')"
    )
    kernel.ok(
        "%greenai estimate --flops per_epoch*3 --flop-per-s 1e13 --power-w watts --place world --pue 1.0 -o f"
    )
    assert float(kernel.look("f.energy_it_j.value")[0]) == pytest.approx(3e18 / 1e13 * 250)
    kernel.ok("%greenai estimate --flops '3 EFLOP' --flop-per-s 1e13 --power-w 250 --pue 1.0 -o g")
    assert kernel.look("g.energy_it_j.value == f.energy_it_j.value") == ["True"]


def test_the_place_and_pue_that_are_set_hold_for_estimates_too(new_kernel: Callable[..., Kernel]) -> None:
    kernel = new_kernel(GREENAI_COUNTRY="FRA", GREENAI_PUE="1.3")
    kernel.ok(
        "%greenai estimate --device V100S --hours 1 -o f\n%greenai estimate --power-w 9 --hours 1 --pue 1.1 -o g"
    )
    assert kernel.look("f.place.code, f.place.pue.value, g.place.pue.value") == ["('FRA', 1.3, 1.1)"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "Give --hours for what has run, or --flops"),
        ("--hours 3", "Give a device"),
        ("--device xyzzy --hours 3", "No table knows the device 'xyzzy'"),
        ("--hours 2 --power-w 300 --utilisation 0.2", "--utilisation cannot go with --hours"),
        ("--flops 1e18 --device V100S --memory-gb 3", "--memory-gb cannot go with --flops"),
        ("--flops '312 TFLOPS' --device V100S", "is a rate"),
        ("--hours -3 --power-w 300", "-3"),
        ("--hours 2 --power-w 300 --pue 0.5", "PUE"),
        ("--hours 2 --power-w 300 --nope", "no option --nope: `%greenai help`"),
        ("--hours 2 --power-w 300 -o print", "'print'"),
        ("--hours 2 --power-w 300 --hardware labtop", "did you mean laptop"),
    ],
)
def test_what_cannot_be_estimated_is_one_line(kernel: Kernel, line: str, told: str) -> None:
    cell = kernel.run(f"%greenai estimate {line}")
    assert cell.reply["ename"] == "UsageError"
    assert told in cell.stderr
    assert cell.stderr.count("\n") == 1


def test_an_error_in_the_user_s_expression_is_the_user_s(kernel: Kernel) -> None:
    cell = kernel.run("%greenai estimate --flops 1/0 --device V100S")
    assert cell.reply["ename"] == "ZeroDivisionError"
    assert "greenai" not in cell.traceback


def test_the_boundary_of_the_last_run_is_shown(kernel: Kernel) -> None:
    kernel.ok("%%carbon --quiet --hardware laptop\n1")
    told = kernel.ok("%greenai boundary").stdout
    assert told.startswith("Boundary\n")
    assert "completeness: " in told
    assert "Not assessed, and not zero: " in told


def test_a_probe_says_what_the_job_will_take_and_later_how_well_it_told(
    new_kernel: Callable[..., Kernel],
) -> None:
    kernel = new_kernel()
    kernel.ok(f"calls = []\n{STEP}")
    cell = kernel.ok(
        "%greenai probe --steps 5 --warmup 2 --total 20 --flops 1e6 -o told calls.append(step(n=2))"
    )
    assert cell.stdout.startswith(
        "greenai: The statement runs 7 times, the last 5 of them measured.\nforecast: 5 steps"
    )
    for words in ("Energy of a step", "pJ/FLOP", "Energy, 20 steps", "CO2e, 20 steps", "Duration, 20 steps"):
        assert words in cell.stdout
    assert kernel.look("len(calls), told.steps, told.probed") == ["(7, 20, 5)"]
    (run,) = kernel.runs()
    assert (run.name, run.status) == ("probe", "ok")
    early = kernel.run("%greenai probe --score")
    assert "The last run is the probe itself" in early.stderr
    kernel.ok("%%carbon --quiet job\nfor _ in range(20): step(n=2)")
    for _ in range(2):
        told = kernel.ok("%greenai probe --score").stdout
        assert told.startswith("forecast of 20 steps, and the last run\n")
        assert told.count("times the forecast") == 2
    kernel.run("%%carbon --quiet broken\n1/0")
    assert "did not come to its end" in kernel.run("%greenai probe --score").stderr


@pytest.mark.parametrize(("failure", "status"), [("1 / 0", "error"), (INTERRUPT, "interrupted")])
def test_what_fails_in_a_probe_is_the_user_s_and_the_steps_before_are_kept(
    kernel: Kernel, failure: str, status: str
) -> None:
    kernel.ok(f"{STEP}\n{FAILS.format(failure=failure)}")
    cell = kernel.run("%greenai probe --total 20 -o told fails()")
    assert cell.reply["ename"] == {"error": "ZeroDivisionError", "interrupted": "KeyboardInterrupt"}[status]
    assert "greenai_magic" not in cell.traceback
    assert "forecast: 5 steps measured" in cell.stdout
    assert kernel.look("told.probed, len(calls)") == ["(5, 6)"]
    assert (kernel.runs()[0].name, kernel.runs()[0].status) == ("probe", status)


def test_a_probe_that_fails_at_once_says_that_there_is_no_forecast(kernel: Kernel) -> None:
    cell = kernel.run("%greenai probe --total 20 nosuch()")
    assert cell.reply["ename"] == "NameError"
    assert "greenai: There is no forecast: 0 steps" in cell.stdout


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "needs a step of the job"),
        ("--total 20", "needs a step of the job"),
        ("--steps 2 step()", "2 is not a whole number from 3 up"),
        ("--total 0 step()", "0 is not a whole number from 1 up"),
        ("--total many step()", "many is not a whole number"),
        ("--nope step()", "no option --nope"),
        ("--score step()", "takes no statement"),
        ("--flops '1 TFLOPS' step()", "is a rate"),
        ("await step()", "This statement awaits"),
    ],
)
def test_what_cannot_be_probed_is_one_line_and_nothing_runs(kernel: Kernel, line: str, told: str) -> None:
    kernel.ok("def step(): print('never')")
    cell = kernel.run(f"%greenai probe {line}")
    assert cell.reply["ename"] == "UsageError"
    assert told in cell.stderr
    assert cell.stderr.count("\n") == 1
    assert "never" not in cell.stdout


def test_a_forecast_that_there_is_none_of_cannot_be_scored(new_kernel: Callable[..., Kernel]) -> None:
    cell = new_kernel().run("%greenai probe --score")
    assert "There is no forecast yet" in cell.stderr


def test_a_probe_sees_the_names_of_the_function_that_it_is_in_and_braces_are_its_own(kernel: Kernel) -> None:
    kernel.ok(
        f"{STEP}\nseen = []\ndef inside():\n    size = 2\n"
        "    get_ipython().run_line_magic('greenai', \"probe --steps 3 seen.append(({'a': 1}['a'], step(1)))\")\n"
        "inside()"
    )
    assert kernel.look("[pair[0] for pair in seen]") == ["[1, 1, 1]"]


def test_an_uncertainty_can_be_set_and_one_that_cannot_be_is_told(new_kernel: Callable[..., Kernel]) -> None:
    kernel = new_kernel(GREENAI_COUNTRY="FRA")
    kernel.ok(
        "%carbon --quiet --pue 1.5 1\n%config GreenAI.gsds = {'pue given': 1.2}\n%carbon --quiet --pue 1.5 1"
    )
    after, before = kernel.runs()
    assert after.footprint.place.pue.log_sd == pytest.approx(0.182, abs=0.001)
    assert after.footprint.place.pue.log_sd > before.footprint.place.pue.log_sd
    cell = kernel.run("%config GreenAI.gsds = {'pue': 1.2}")
    assert "did you mean" in cell.traceback + cell.stderr


@pytest.mark.parametrize("before", ["", "import matplotlib.pyplot as plt\nplt.figure(); plt.close()"])
def test_a_figure_at_the_end_of_a_cell_is_drawn_whether_pyplot_is_there_or_not(
    new_kernel: Callable[..., Kernel], before: str
) -> None:
    kernel = new_kernel()
    kernel.ok(f"{before}\nfrom greenai_magic.show.plots import tornado_plot")
    kernel.ok("%greenai estimate --device V100S --hours 1 --place FRA -o f")
    cell = kernel.ok("tornado_plot(f)")
    (drawn,) = [output["data"] for output in cell.outputs if "data" in output]
    assert "image/png" in drawn


def test_options_of_the_commands_are_completed(kernel: Kernel) -> None:
    assert {"estimate", "probe", "boundary"} <= set(_complete(kernel, "%greenai "))
    assert _complete(kernel, "%greenai estimate --em") == ["--embodied"]
    assert "FRA" in _complete(kernel, "%greenai estimate --hours 3 --place FR")
    assert {"--steps", "--total"} <= set(_complete(kernel, "%greenai probe --"))


def test_help_has_the_options_of_every_command(kernel: Kernel) -> None:
    told = kernel.ok("%greenai help").stdout
    for option in ("--explain", "--embodied", "--warmup", "--hardware"):
        assert option in told


def _complete(kernel: Kernel, line: str) -> list[str]:
    request = kernel.client.complete(line)
    while True:
        message = kernel.client.get_shell_msg(timeout=60)
        if message["parent_header"].get("msg_id") == request:
            matches: list[str] = message["content"]["matches"]
            return matches
