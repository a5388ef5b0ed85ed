"""`measure` in scripts, where there is no IPython: blocks, functions, errors, exits, forks, signals."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kernels import kept

HEAVY = ("IPython", "traitlets", "ipywidgets", "numpy", "pandas", "matplotlib", "torch", "codecarbon")
LOADED = f"import sys; print([name for name in {HEAVY} if name in sys.modules])"
BEGUN = "from greenai_magic.runs import clerk; clerk.catch_up()"
Script = Callable[..., SimpleNamespace]


@pytest.fixture
def script(tmp_path: Path, quiet_env: dict[str, str]) -> Script:
    """Run Python code in a process of its own; say how it ended and what the ledger then holds."""

    def run(code: str, **env: str) -> SimpleNamespace:
        ledger = tmp_path / "ledger.sqlite"
        done = subprocess.run(
            [sys.executable, "-c", f"import greenai_magic\nfrom greenai_magic import measure\n{code}"],
            # Since 3.12 Python warns of any fork in a process with threads, ours among them.
            env=quiet_env | {"GREENAI_LEDGER": str(ledger), "PYTHONWARNINGS": "ignore"} | env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr, runs=kept(ledger))

    return run


def _ok(done: SimpleNamespace) -> Any:
    assert (done.code, done.err) == (0, "")
    return done


def test_a_block_is_measured_and_its_figures_are_there_inside_and_after(script: Script) -> None:
    done = _ok(
        script(
            "from greenai_magic import Quantity, last_run\n"
            "assert last_run() is None\n"
            "with measure('train', stage='training', tags={'a': 'b'}, place='FRA', pue=1.2) as m:\n"
            "    sum(range(100_000))\n"
            "    inside = m.energy_j, m.duration_s\n"
            "    assert m.run.status == 'running'\n"
            "figures = [m.energy_j, m.dynamic_j, m.attributed_j, m.gwp_g, m.duration_s]\n"
            "figures += [*inside, *m.energy_j_by_component.values()]\n"
            "assert all(isinstance(figure, Quantity) for figure in figures)\n"
            "assert [figure.unit for figure in figures[:5]] == ['J', 'J', 'J', 'g CO2e', 's']\n"
            "assert inside[1].value < m.duration_s.value == m.run.measurement.duration.value\n"
            "assert m.trace.times_s[-1] == m.duration_s.value\n"
            "assert last_run() == m.run\n"
            "assert 'machine energy' in m.energy_j.explain()\n"
        )
    )
    (run,) = done.runs
    assert (run.name, run.status, run.stage, dict(run.tags)) == ("train", "ok", "training", {"a": "b"})
    assert run.footprint.place.name == "France"
    assert run.source_hash == ""
    assert not done.out


def test_a_row_exists_from_the_start_and_a_killed_block_says_what_is_missing(script: Script) -> None:
    done = script(
        "import os, signal\n"
        "from greenai_magic.runs.ledger import Ledger, default_ledger_path\n"
        "with measure('killed', tags={'a': 'b'}):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert done.code == -signal.SIGKILL
    (run,) = done.runs
    assert (run.name, run.status, dict(run.tags)) == ("killed", "interrupted", {"a": "b"})
    assert run.measurement.machine.high > 0
    assert str(run.measurement.machine).startswith("<")
    assert "is not counted" in run.measurement.notes[-1]


def test_the_last_run_stays_when_its_object_is_used_again(script: Script) -> None:
    done = _ok(
        script(
            "from greenai_magic import last_run\n"
            "m = measure('twice')\n"
            "with m:\n"
            "    pass\n"
            "first = last_run()\n"
            "with m:\n"
            "    assert last_run() == first\n"
            "assert last_run() != first\n"
        )
    )
    assert [run.status for run in done.runs] == ["ok", "ok"]


def test_a_bad_value_in_the_environment_is_left_out_and_told_in_the_run(script: Script) -> None:
    done = _ok(script("with measure('x'):\n    pass", GREENAI_PUE="abc"))
    (run,) = done.runs
    assert any("PUE 'abc' is left out" in note for note in run.measurement.notes)
    assert run.footprint.place.pue.value == 1.0


@pytest.mark.parametrize(
    "wrong", ["measure(classmethod(print))", "measure(int)", "measure(3)", "measure()(3)"]
)
def test_what_cannot_be_measured_is_an_error_of_ours_at_once(script: Script, wrong: str) -> None:
    assert "GreenAIError: measure() takes a name or a function" in script(wrong).err


@pytest.mark.parametrize("wrong", ["pue='abc'", "pue=True", "tags=[1]", "place=3"])
def test_an_argument_that_cannot_be_one_is_an_error_of_ours_before_anything_runs(
    script: Script, wrong: str
) -> None:
    done = script(f"with measure({wrong}):\n    print('never')")
    assert done.err.splitlines()[-1].startswith("greenai_magic.errors.SettingError: ")
    assert not done.out


def test_figures_asked_for_before_there_are_any_are_an_error_of_ours(script: Script) -> None:
    done = script("measure().energy_j")
    assert "GreenAIError: Nothing is measured yet" in done.err


def test_an_asynchronous_block_is_measured(script: Script) -> None:
    done = _ok(
        script(
            "import asyncio\n"
            "async def work(name):\n"
            "    async with measure(name) as m:\n"
            "        await asyncio.sleep(0.05)\n"
            "    return m.duration_s.value\n"
            "async def both():\n"
            "    return await asyncio.gather(work('one'), work('two'))\n"
            "assert min(asyncio.run(both())) >= 0.05\n"
        )
    )
    assert sorted(run.name for run in done.runs) == ["one", "two"]


def test_a_cancelled_block_was_interrupted(script: Script) -> None:
    done = _ok(
        script(
            "import asyncio, contextlib\n"
            "async def work():\n"
            "    async with measure('cancelled'):\n"
            "        await asyncio.sleep(60)\n"
            "async def cancel():\n"
            "    with contextlib.suppress(asyncio.TimeoutError):\n"
            "        await asyncio.wait_for(work(), 0.05)\n"
            "asyncio.run(cancel())\n"
        )
    )
    assert [run.status for run in done.runs] == ["interrupted"]


def test_each_call_of_a_decorated_function_is_a_run(script: Script) -> None:
    done = _ok(
        script(
            "import asyncio, functools\n"
            "@measure\n"
            "def plain(a, *, b=1):\n    'What it does.'\n    return a + b\n"
            "@measure()\n"
            "def bare(): return 1\n"
            "@measure('named', stage='training')\n"
            "def other(): return 2\n"
            "@measure\n"
            "async def waits():\n    await asyncio.sleep(0)\n    return 3\n"
            "class Model:\n"
            "    @measure\n"
            "    def fit(self): return self\n"
            "model = Model()\n"
            "assert [plain(1, b=2), plain(1), bare(), other(), asyncio.run(waits())] == [3, 2, 1, 2, 3]\n"
            "assert model.fit() is model\n"
            "assert (plain.__name__, plain.__doc__) == ('plain', 'What it does.')\n"
            "assert asyncio.iscoroutinefunction(waits)\n"
            "assert measure(functools.partial(plain, 1))() == 2\n"
        )
    )
    names = [run.name for run in reversed(done.runs)]
    assert names[:6] == ["plain", "plain", "bare", "named", "waits", "fit"]
    assert sorted(names[6:]) == ["partial", "plain"]
    assert {run.name for run in done.runs if run.stage == "training"} == {"named"}


@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_a_generator_is_refused_with_the_way_that_works(script: Script, keyword: str) -> None:
    done = script(f"@measure\n{keyword} batches():\n    yield 1\n")
    last = done.err.splitlines()[-1]
    assert last.startswith("greenai_magic.errors.GreenAIError: batches is a generator")
    assert "`with measure():` around the loop" in last


def test_a_measure_can_be_taken_again_and_not_twice_at_once(script: Script) -> None:
    done = script(
        "m = measure('again')\n"
        "with m: m.score('a', 1)\n"
        "with m: assert m.run.status == 'running'\n"
        "with m:\n"
        "    with m: pass\n"
    )
    assert "GreenAIError: This is being measured already" in done.err
    assert [(run.status, dict(run.scores)) for run in reversed(done.runs)] == [
        ("ok", {"a": 1.0}),
        ("ok", {}),
        ("error", {}),
    ]


@pytest.mark.parametrize(
    ("ending", "code", "status"),
    [
        ("raise ValueError('mine')", 1, "error"),
        ("import sys; sys.exit(3)", 3, "error"),
        ("import sys; sys.exit()", 0, "ok"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "interrupted"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT, "interrupted"),
        (f"import os, signal; {BEGUN}; os.kill(os.getpid(), signal.SIGKILL)", -9, "interrupted"),
        (f"import os; {BEGUN}; os._exit(0)", 0, "interrupted"),
    ],
)
def test_a_script_ends_as_it_would_and_its_run_is_kept(
    script: Script, ending: str, code: int, status: str
) -> None:
    done = script(f"with measure('ends'):\n    {ending}\n")
    assert done.code == code
    assert [(run.name, run.status) for run in done.runs] == [("ends", status)]
    if "mine" in ending:
        assert done.err.splitlines()[-1] == "ValueError: mine"
        assert "During handling" not in done.err


def test_what_a_generator_left_unfinished_is_closed_with_it(script: Script) -> None:
    done = _ok(
        script(
            "def batches():\n"
            "    with measure('inside'):\n"
            "        yield 1\n"
            "        yield 2\n"
            "for batch in batches(): break\n"
        )
    )
    assert [run.name for run in done.runs] == ["inside"]


def test_a_forked_child_leaves_its_parent_s_run_alone_and_measures_its_own(script: Script) -> None:
    done = _ok(
        script(
            "import os, sys\n"
            "with measure('parent') as m:\n"
            "    pid = os.fork()\n"
            "    if not pid:\n"
            "        with measure('child') as own:\n"
            "            sum(range(1000))\n"
            "        assert own.energy_j.high > 0\n"
            "        sys.exit()\n"
            "    assert os.waitpid(pid, 0)[1] == 0\n"
        )
    )
    runs = {run.name: run for run in done.runs}
    assert {name: run.status for name, run in runs.items()} == {"parent": "ok", "child": "ok"}
    assert runs["parent"].session != runs["child"].session


def test_workers_of_a_pool_measure_their_own_work(script: Script) -> None:
    done = _ok(
        script(
            "import multiprocessing\n"
            "@measure\n"
            "def work(n): return n * n\n"
            "with multiprocessing.get_context('fork').Pool(2) as pool, measure('all'):\n"
            "    assert pool.map(work, range(4)) == [0, 1, 4, 9]\n"
            "    pool.close(); pool.join()\n"
        )
    )
    names = sorted(run.name for run in done.runs)
    assert names == ["all", "work", "work", "work", "work"]
    assert {run.status for run in done.runs} == {"ok"}


def test_threads_measure_at_once(script: Script) -> None:
    done = _ok(
        script(
            "import threading\n"
            "def work(n):\n"
            "    with measure(f'thread-{n}'):\n"
            "        sum(range(10_000))\n"
            "threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]\n"
            "for t in threads: t.start()\n"
            "for t in threads: t.join()\n"
        )
    )
    assert sorted(run.name for run in done.runs) == [f"thread-{n}" for n in range(4)]


def test_a_run_that_is_not_to_be_kept_is_not(script: Script) -> None:
    assert not _ok(script("with measure(save=False) as m: pass\nassert m.run.name == 'block'")).runs


def test_a_ledger_that_cannot_be_used_is_a_note_and_stops_nothing(script: Script, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = script(
        "with measure() as m: answer = 42\nprint(answer)\nprint(*m.run.measurement.notes)",
        GREENAI_LEDGER=str(tmp_path / "file" / "ledger.sqlite"),
    )
    assert done.code == 0
    assert done.out.startswith("42\n")
    assert done.out.count("not saved") == 1
    # What is still not kept when the process ends would be lost without a word.
    assert done.err.startswith("greenai: Run 'block' is not saved")
    assert done.err.count("\n") == 1


def test_a_pue_that_cannot_be_one_is_told_before_anything_runs(script: Script) -> None:
    done = script("with measure(pue=0): print('never')")
    assert done.err.splitlines()[-1].startswith("greenai_magic.errors.SettingError: PUE cannot be")
    assert not done.out


def test_importing_is_light_and_so_is_measuring(script: Script) -> None:
    assert _ok(script(LOADED)).out == "[]\n"
    assert _ok(script(f"with measure(): pass\n{LOADED}")).out == "[]\n"


def test_the_public_names_are_listed_before_they_are_loaded(script: Script) -> None:
    assert _ok(script("print(set(greenai_magic.__all__) <= set(dir(greenai_magic)))")).out == "True\n"
    assert "has no attribute 'nothing'" in script("greenai_magic.nothing").err


def test_nothing_here_has_a_network(script: Script) -> None:
    done = script("import urllib.request; urllib.request.urlopen('http://example.org')")
    assert "the tests run offline, and something looks up" in done.err
