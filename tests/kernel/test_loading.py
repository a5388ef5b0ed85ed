"""Loading, settings and leaving: what is there afterwards, and what is not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kernels import Kernel, wait_until

pytestmark = pytest.mark.kernel

STATE = """
import threading
_ip = get_ipython()
def state():
    magics = _ip.magics_manager.magics
    return (
        len(_ip.configurables),
        len(_ip.Completer.custom_matchers),
        {event: len(handlers) for event, handlers in _ip.events.callbacks.items()},
        sorted(name for kind in magics.values() for name in kind if name in ("carbon", "greenai")),
    )
def threads():
    return sorted(thread.name for thread in threading.enumerate() if "greenai" in thread.name)
"""
PROFILE = "ipython/profile_default/ipython_config.py"


def _threads_gone(kernel: Kernel) -> bool:
    return kernel.look("threads()") == ["[]"]


HELD = "any('ledger.sqlite' in __import__('os').path.realpath(f'/proc/self/fd/{n}') for n in __import__('os').listdir('/proc/self/fd'))"


def test_unloading_leaves_nothing(new_kernel: Callable[..., Kernel]) -> None:
    kernel = new_kernel(load=False)
    kernel.ok(STATE)
    # The shell loads its own magic for this at its first use, and keeps it.
    kernel.ok("%unload_ext greenai_magic")
    before = kernel.look("state()")
    kernel.ok("%load_ext greenai_magic")
    loaded = kernel.look("state()")
    assert loaded != before
    kernel.ok("%%carbon --quiet\n1")
    kernel.ok("%greenai auto on")
    kernel.ok("%reload_ext greenai_magic")
    kernel.ok("%reload_ext greenai_magic")
    assert kernel.look("state()") == loaded
    assert len(kernel.ok("%%carbon\n1").cards) == 1
    assert kernel.look("threads().count('greenai-meter')") == ["1"]
    kernel.ok("%unload_ext greenai_magic")
    assert kernel.look("state()") == before
    wait_until(lambda: _threads_gone(kernel))
    assert kernel.look(HELD) == ["False"]
    assert "not found" in kernel.run("%carbon 1").stderr
    assert [run.status for run in kernel.runs()] == ["ok", "ok"]


def test_a_reload_says_that_cells_are_no_longer_measured_by_themselves(
    new_kernel: Callable[..., Kernel],
) -> None:
    kernel = new_kernel()
    assert not kernel.ok("%reload_ext greenai_magic").outputs
    kernel.ok("%greenai auto on")
    (told,) = kernel.ok("%reload_ext greenai_magic").stdout.splitlines()
    assert "`%greenai auto on`" in told
    assert "Every cell is measured: no" in kernel.ok("%greenai status").stdout


def test_runs_stay_together_wherever_the_notebook_goes(new_kernel: Callable[..., Kernel]) -> None:
    kernel = new_kernel()
    kernel.ok("import os\nfolder = os.getcwd()\n%config GreenAI.ledger = 'own.sqlite'\nos.makedirs('below')")
    kernel.ok("os.chdir('below')")
    kernel.ok("%%carbon --quiet\n1")
    kernel.settle()
    assert kernel.look("os.listdir(), os.path.isfile(folder + '/own.sqlite')") == ["([], True)"]


def test_loading_and_unloading_at_once_leaves_no_thread(new_kernel: Callable[..., Kernel]) -> None:
    kernel = new_kernel(load=False)
    kernel.ok(STATE)
    kernel.ok("%load_ext greenai_magic\n%reload_ext greenai_magic\n%unload_ext greenai_magic")
    wait_until(lambda: _threads_gone(kernel))


def test_a_cell_may_reload_the_extension_that_measures_it(new_kernel: Callable[..., Kernel]) -> None:
    kernel = new_kernel()
    cell = kernel.ok("%%carbon --quiet\nget_ipython().run_line_magic('reload_ext', 'greenai_magic')\n41 + 1")
    assert (cell.value, cell.stderr) == ("42", "")
    assert kernel.ok("%%carbon\n1").cards


def test_unloading_forgets_no_run(new_kernel: Callable[..., Kernel]) -> None:
    kernel = new_kernel()
    kernel.ok("%%carbon --quiet last-words\n1")
    kernel.ok("%unload_ext greenai_magic")
    assert [run.name for run in kernel.runs()] == ["last-words"]


def test_a_setting_holds_from_the_next_cell_on_and_over_a_reload(new_kernel: Callable[..., Kernel]) -> None:
    kernel = new_kernel()
    kernel.ok("%config GreenAI.country = 'FRA'")
    assert "France" in kernel.ok("%%carbon\n1").cards[0]["text/plain"]
    assert "France" in kernel.ok("%greenai status").stdout
    kernel.ok("%reload_ext greenai_magic")
    assert "France" in kernel.ok("%%carbon\n1").cards[0]["text/plain"]
    kernel.ok("%config GreenAI.country = None")
    assert "World average" in kernel.ok("%%carbon\n1").cards[0]["text/plain"]


def test_a_bad_setting_says_what_is_allowed_and_leaves_the_old_one(new_kernel: Callable[..., Kernel]) -> None:
    kernel = new_kernel()
    for name, good, bad, allowed in (
        ("country", "'FRA'", "'Frence'", "did you mean"),
        ("pue", "1.25", "0.2", "a number from 1"),
        ("pue", "1.25", "'lots'", "a number from 1"),
        ("save", "False", "'perhaps'", "boolean"),
        ("card", "False", "3", "boolean"),
    ):
        kernel.ok(f"%config GreenAI.{name} = {good}")
        said = kernel.run(f"%config GreenAI.{name} = {bad}").stderr
        assert allowed in said, name
        assert said.count("\n") == 1
        assert kernel.ok(f"%config GreenAI.{name}").value == good
    assert not kernel.ok("%reload_ext greenai_magic").outputs
    assert kernel.ok("%config GreenAI.country").value == "'FRA'"
    assert kernel.ok("%config GreenAI.pue").value == "1.25"
    kernel.ok("%config GreenAI.pue = 1.5")
    assert kernel.ok("%config GreenAI.pue").value == "1.5"


def test_the_profile_s_settings_are_used(new_kernel: Callable[..., Kernel]) -> None:
    profile = "c = get_config()\nc.GreenAI.country = 'FRA'\nc.GreenAI.card = False\nc.InteractiveShellApp.extensions = ['greenai_magic']"
    kernel = new_kernel(load=False, files={PROFILE: profile}, GREENAI_COUNTRY="DEU")
    assert not kernel.ok("%%carbon\n1").cards
    assert "France" in kernel.ok("%greenai status").stdout


def test_a_bad_profile_costs_a_sentence_for_each_value_and_nothing_else(
    new_kernel: Callable[..., Kernel],
) -> None:
    profile = (
        "c = get_config()\nc.GreenAI.country = 'Frence'\nc.GreenAI.pue = 0.5\nc.GreenAI.keep_source = True"
    )
    kernel = new_kernel(load=False, files={PROFILE: profile}, GREENAI_COUNTRY="DEU")
    said = kernel.ok("%load_ext greenai_magic")
    assert [line.split(" is left out: ")[0] for line in said.stdout.splitlines()] == [
        "greenai: The profile's country",
        "greenai: The profile's pue",
    ]
    assert not said.stderr
    kernel.ok("%%carbon --quiet\nkept_source = 1")
    assert kernel.runs()[0].source == "kept_source = 1\n"
    assert "Germany" in kernel.ok("%greenai status").stdout


def test_a_bad_environment_costs_a_sentence_for_each_value_and_nothing_else(
    new_kernel: Callable[..., Kernel],
) -> None:
    kernel = new_kernel(load=False, GREENAI_COUNTRY="Frence", GREENAI_PUE="lots")
    said = kernel.ok("%load_ext greenai_magic")
    assert [line.split(" is left out: ")[0] for line in said.stdout.splitlines()] == [
        "greenai: The environment's country",
        "greenai: The environment's pue",
    ]
    assert not said.stderr
    assert kernel.ok("%%carbon\n1").cards
    assert len(kernel.runs()) == 1


def test_codecarbon_s_own_settings_are_the_defaults(
    new_kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    (tmp_path / ".codecarbon.config").write_text("[codecarbon]\ncountry_iso_code = DEU\npue = 1.4\n")
    here = {".codecarbon.config": "[codecarbon]\ncountry_iso_code = FRA\nregion = bretagne\n"}
    kernel = new_kernel(files=here, HOME=str(tmp_path))
    said = kernel.ok("%greenai status").stdout
    assert "Place: France" in said
    assert "PUE 1.4" in said


def test_a_terminal_prints_the_card_as_text(tmp_path: Path, quiet_env: dict[str, str]) -> None:
    cells = "%load_ext greenai_magic\n%carbon 40 + 2\n%carbon 1 / 0\nget_ipython().run_cell('%%carbon\\nprint(6 * 7)');\n%greenai last\n"
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor"],
        input=cells,
        env=quiet_env | {"GREENAI_LEDGER": str(tmp_path / "ledger.sqlite")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr
    assert done.stdout.count("greenai: cell · ") == 4
    assert "<div" not in done.stdout
    assert "Out[2]: 42" in done.stdout
    assert "In [4]: 42\n" in done.stdout
    assert "----> 1 1 / 0" in done.stdout
    assert "greenai_magic/" not in done.stdout
