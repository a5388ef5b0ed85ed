"""A measured cell answers as the same cell does without the magic: every case in two kernels."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from kernels import Cell, Kernel, is_card, plain

pytestmark = pytest.mark.kernel

HEADERS = ("%%carbon", "%%carbon --quiet")


class Case(NamedTuple):
    """A cell, and what is looked at afterwards. ``{H}`` marks the magic's line; it is the first else."""

    name: str
    cell: str
    look: str = "None"
    before: str = ""


VALUES = [
    Case("the last value", "a = 20\na + 1"),
    Case("a value and a semicolon", "1 + 1;"),
    Case("a semicolon, then a comment", "1 + 1;  # shown?"),
    Case("no value after an assignment", "a = 5", "a"),
    Case("no value after None", "None"),
    Case("the value before", "_", before="41 + 1"),
    Case("nothing but a comment", "# nothing to do"),
    Case("a string of several lines", 'text = """one\n  two\n\n    three"""\ntext'),
    Case("a string with a magic in it", 'text = """\n%%time\n!ls\n"""\ntext'),
    Case("a line that goes on", "a = 1 + \\\n    2\na"),
    Case("prints", "print('one')\nprint('two', end='')"),
    Case("prints on stderr", "import sys\nprint('out')\nprint('err', file=sys.stderr)"),
    Case("prints between displays", "print(1)\ndisplay('a')\nprint(2)\ndisplay('b')\nprint(3)\n'value'"),
    Case("a rich value", "from IPython.display import HTML\nHTML('<b>bold</b>')"),
    Case("a display that is updated", "h = display('x', display_id='h')\nh.update('y')"),
    Case("a warning", "import warnings\nwarnings.warn('careful', stacklevel=1)"),
    Case("a shell command", "!echo hello"),
    Case("a shell command's lines", "lines = !echo one; echo two\nlines"),
    Case("a line magic", "%time 1 + 1"),
    Case("help", "import json\n?json.loads"),
    Case("%%time inside", "{H}\n%%time\na = 6\na * 7"),
    Case("%%time outside", "%%time\n{H}\na = 6\na * 7"),
    Case("%%capture inside", "{H}\n%%capture caught\nprint('in')\n'value'", "caught.stdout"),
    Case("%%capture outside", "%%capture caught\n{H}\nprint('in')\na = 1", "caught.stdout"),
    Case("%%bash inside", "{H}\n%%bash\necho hello"),
    Case("twice measured", "{H}\n{H}\nprint('in')\n'value'"),
    Case("figures", "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);"),
    Case("a figure and its value", "import matplotlib.pyplot as plt\nplt.plot([1, 3])\nplt.gcf().number"),
    Case("a function", "def double(n):\n    return 2 * n\ndouble(4)", "double(5)"),
    Case("a generator", "def numbers():\n    yield from range(3)\nlist(numbers())"),
    Case("a coroutine function", "async def four():\n    return 4\nfour.__name__"),
    Case("a comprehension over a name of the cell", "n = 3\n[n * i for i in range(n)]"),
    Case(
        "a decorator",
        "import functools\n@functools.lru_cache\ndef one():\n    return 1\none(), one.cache_info().hits",
    ),
    Case("a class", "class A:\n    n = 3\n    def f(self):\n        return self.n\nA().f(), A.__module__"),
    Case("a dataclass", "from dataclasses import dataclass\n@dataclass\nclass D:\n    n: int = 1\nD()"),
    Case("pickling", "import pickle\nclass P: ...\npickle.loads(pickle.dumps(P())).__class__ is P"),
    Case("source", "import inspect\ndef f(a):\n    # why\n    return a\nprint(inspect.getsource(f))"),
    Case("global names", "def put():\n    global put_there\n    put_there = 7\nput()", "put_there"),
    Case(
        "nonlocal names",
        "def outer():\n    n = 1\n    def inner():\n        nonlocal n\n        n += 1\n    inner()\n    return n\nouter()",
    ),
    Case("a name that goes", "del gone\n'gone' in globals()", before="gone = 1"),
    Case("one namespace", "globals() is locals(), __name__, globals() is get_ipython().user_ns"),
    Case("a walrus and a star", "(w := 3)\nfirst, *rest = range(4)\nw, first, rest"),
    Case("a future statement below others", "import json\nfrom __future__ import division\n1 / 2"),
    Case("a thread", "import threading\nt = threading.Thread(target=print, args=('in',))\nt.start(); t.join()"),
    Case("a process", "import os\npid = os.fork()\nif not pid:\n    os._exit(3)\nos.waitpid(pid, 0)[1] >> 8"),
    Case("a program", "import subprocess\nsubprocess.run(['echo', 'hi'], capture_output=True).stdout"),
    Case("an exit that is caught", "try:\n    exit_code = 0\n    raise SystemExit(3)\nexcept SystemExit as e:\n    e.code"),
    Case("a value that cannot be shown", "class Bad:\n    def __repr__(self):\n        raise ValueError('no')\nBad();"),
]  # fmt: skip

ERRORS = [
    Case("an error", "a = 1\na / 0"),
    Case("an error after output", "print('before')\n1 / 0\nprint('never')"),
    Case("an error in a statement", "for i in range(3):\n    1 / (1 - i)"),
    Case("an error in a function of the cell", "def f(n):\n    m = n\n    return m / 0\n\nf(3)"),
    Case("an error in a function of an earlier cell", "earlier(1)", before="def earlier(n):\n    return n / 0"),
    Case("an error in a library", "import json\njson.loads('{')"),
    Case("a cause", "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('b') from e"),
    Case("a context", "try:\n    1 / 0\nexcept ZeroDivisionError:\n    {}['key']"),
    Case("no context", "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('b') from None"),
    Case("an unknown name", "printt('x')"),
    Case("an assertion", "assert 1 == 2, 'two lines\\nof text'"),
    Case("an error of the cell's own", "class Mine(Exception): ...\nraise Mine('a', 1)"),
    Case("an interrupt by hand", "raise KeyboardInterrupt"),
    Case("an exit", "import sys\nsys.exit(3)"),
    Case("an exit without a code", "raise SystemExit"),
    Case("an error in a magic", "{H}\n%%time\n1 / 0"),
    Case("a wrong magic", "%nosuchmagic\n1"),
    Case("a syntax error", "a = = 1"),
    Case("a syntax error further down", "print('never')\n\ndef f(:\n    pass"),
    Case("a wrong indent", "if True:\n    a = 1\n  b = 2"),
    Case("an open string", "a = 'open"),
    Case("an open bracket", "print((1)\n"),
    Case("a return at the top", "return 1"),
]  # fmt: skip

INTERACTIVITY = ["all", "last", "last_expr", "last_expr_or_assign", "none"]
STATEMENTS = [
    "1\na = 2\na",
    "1\n2;",
    "1\n2\na = 3",
    "1\na: int = 4",
    "b = [1]\nb[0] = 2",
    "a = 1\na += 1",
    "if True:\n    7\n8",
]


class Twins:
    """A bare kernel and one that measures; both have run as many cells."""

    def __init__(self, new_kernel: Callable[..., Kernel]) -> None:
        self.bare, self.measured = new_kernel(load=False), new_kernel()
        self.bare.ok("pass")
        self._numbers = itertools.count(1000, 10)

    def number(self) -> None:
        """Give both the same number again, a new one: older shells count some mistakes twice."""
        number = next(self._numbers)
        for kernel in (self.bare, self.measured):
            kernel.run(f"get_ipython().execution_count = {number}", silent=True)

    def run(self, case: Case, header: str) -> tuple[Cell, Cell]:
        if case.before:
            self.bare.ok(case.before)
            self.measured.ok(case.before)
        return self.bare.run(_cell(case.cell, None)), self.measured.run(_cell(case.cell, header))


@pytest.fixture(scope="module")
def twins(new_kernel: Callable[..., Kernel]) -> Twins:
    return Twins(new_kernel)


def _cell(cell: str, header: str | None) -> str:
    """Return the cell with the magic's line, or with a comment in its place so that lines keep their number."""
    if "{H}" in cell:
        return cell.replace("{H}", header) if header else cell.replace("{H}\n", "")
    return f"{header or '#'}\n{cell}"


def _seen(cell: Cell) -> list[Any]:
    """Return what a reader sees, without the card, and without what differs between two bare kernels too."""
    seen: list[Any] = []
    for output in cell.outputs:
        if is_card(output):
            continue
        if output["type"] == "error":
            seen.append(("error", _same(output["ename"]), _same(output["evalue"]), _same(cell.traceback)))
        elif output["type"] != "stream":
            data = {kind: _same(str(value)) for kind, value in output["data"].items()}
            seen.append((output["type"], data, output.get("execution_count")))
    return [*seen, _same(cell.stdout), _same(cell.stderr)]


def _errors(cell: Cell) -> list[str]:
    return [output["ename"] for output in cell.outputs if output["type"] == "error"]


def _same(text: str) -> str:
    text = re.sub(r"(CPU times|Wall time): .*", r"\1", plain(text))
    text = re.sub(r"0x[0-9a-f]+|pid=\d+", "", text)
    text = re.sub(r"(/\S*ipykernel_\d+/)?\d+\.py", "cell.py", text)
    return re.sub(r"(?m)^(\s+1 )#( %%carbon.*)?$", r"\1", text)


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("case", VALUES, ids=lambda case: case.name)
def test_a_measured_cell_shows_what_a_bare_one_does(twins: Twins, case: Case, header: str) -> None:
    bare, measured = twins.run(case, header)
    assert bare.status == measured.status == "ok"
    assert _seen(measured) == _seen(bare)
    assert bare.reply["execution_count"] == measured.reply["execution_count"]
    looks = ("_", "sorted(Out)[-1:]", case.look)
    assert [*map(_same, twins.measured.look(*looks))] == [*map(_same, twins.bare.look(*looks))]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case.name)
def test_a_measured_cell_fails_as_a_bare_one_does(twins: Twins, case: Case, header: str) -> None:
    twins.number()
    bare, measured = twins.run(case, header)
    # Before IPython 9, %%time and %%capture hid the error from the reply.
    assert measured.status == bare.status == ("error" if "%%" not in case.cell else bare.status)
    for part in ("ename", "evalue"):
        assert _same(measured.reply.get(part, "")) == _same(bare.reply.get(part, ""))
    if "%%" not in case.cell:
        assert _seen(measured) == _seen(bare)
    assert "greenai" not in measured.traceback
    assert _errors(measured) == _errors(bare)


@pytest.mark.parametrize("interactivity", INTERACTIVITY)
@pytest.mark.parametrize("statements", STATEMENTS)
def test_the_shell_s_own_choice_of_what_is_shown_holds(
    twins: Twins, interactivity: str, statements: str
) -> None:
    twins.number()
    set_it = f"get_ipython().ast_node_interactivity = {interactivity!r};"
    bare, measured = twins.run(Case("", statements, before=set_it), "%%carbon --quiet")
    assert _seen(measured) == _seen(bare)
    for kernel in (twins.bare, twins.measured):
        kernel.ok("get_ipython().ast_node_interactivity = 'last_expr'")


def test_a_future_statement_holds_for_its_cell_and_the_later_ones(twins: Twins) -> None:
    twins.number()
    body = "from __future__ import annotations\ndef f(a: no_such_name): ...\nf.__annotations__"
    bare, measured = twins.run(Case("", body), "%%carbon")
    assert measured.value == bare.value == "{'a': 'no_such_name'}"
    later = "def g(a: no_such_name): ...\ng.__annotations__"
    bare, measured = twins.run(Case("", later), "%%carbon")
    assert measured.value == bare.value == "{'a': 'no_such_name'}"


@pytest.mark.parametrize("header", HEADERS)
def test_an_error_under_capture_is_what_capture_makes_of_it(twins: Twins, header: str) -> None:
    bare, measured = twins.run(Case("", "%%capture caught\n{H}\nprint('in')\n1 / 0"), header)
    assert measured.status == bare.status
    assert _errors(measured) == _errors(bare) == ["ZeroDivisionError"]
