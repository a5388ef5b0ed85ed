"""The magics: thin. They parse, call and show."""

from __future__ import annotations

import functools
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import needs_local_scope, no_var_expand, output_can_be_silenced
from IPython.core.magic_arguments import argument, magic_arguments

from greenai_magic.notebook.body import Body, compile_cell, compile_expression, run_body
from greenai_magic.notebook.flops import FlopsMagics
from greenai_magic.notebook.line import how_many, parsed, pue, split_statement, told_as_usage, unquoted

if TYPE_CHECKING:
    from argparse import Namespace

    from IPython.core.interactiveshell import InteractiveShell

    from greenai_magic.notebook.crosscheck import CrossCheck
    from greenai_magic.notebook.session import Session
    from greenai_magic.runs.measure import Measuring
    from greenai_magic.runs.run import Status

COMMANDS = ("status", "history", "last", "boundary", "estimate", "probe", "config", "auto", "help")
WITH_OPTIONS = ("estimate", "probe")
"""Commands that have a parser of their own."""
_OWNERS = {"auto": "value", "history": "n", "last": "explain"}
"""What each command takes, and no other does."""

_OPTIONS = (
    argument(
        "--score", action="append", default=[], metavar="NAME=EXPR", help="a metric, evaluated after the cell"
    ),
    argument("--stage", default="", type=unquoted, help="training, evaluation, search, inference..."),
    argument("--tag", action="append", default=[], metavar="KEY=VALUE", help="a label; may be repeated"),
    argument(
        "--place", type=unquoted, help="where the electricity comes from: FRA, USA/CA, gcp/europe-west9"
    ),
    argument("--pue", type=pue, help="energy of the building over energy of the devices, 1 to 5"),
    argument(
        "--hardware", type=unquoted, help="what it uses, to count its making: 'laptop + monitor', 'A100 SXM'"
    ),
    argument("-o", "--output", metavar="VAR", type=unquoted, help="put the Run into this variable"),
    argument("--quiet", action="store_true", help="show no card"),
    argument("--no-save", action="store_true", help="keep the run out of the ledger"),
    argument("--crosscheck", action="store_true", help="run CodeCarbon alongside, and compare"),
)


def _with_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


class Magics:
    """``%%carbon``, ``%carbon`` and ``%greenai`` of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shell: InteractiveShell = session.shell

    @magic_arguments("%carbon")
    @argument("name", nargs="?", default="cell", type=unquoted, help="name of the run")
    @_with_options
    @output_can_be_silenced
    def carbon_cell(self, line: str, cell: str) -> Any:
        """Measure the energy and CO2e of a cell.

        The cell runs as if the magic were not there: same output, same value, same errors. A card
        below it shows the figures, each with its 95 % interval and where it comes from.

        Examples
        --------
        ::

            %%carbon
            model.fit(X, y)

            %%carbon big-model --stage training --score accuracy=model.score(X_test, y_test)
            model.fit(X, y)

            %%carbon --place FRA --pue 1.2 -o run --quiet
            model.fit(X, y)

            run.footprint.gwp
            print(run.measurement.machine.explain())
        """
        __tracebackhide__ = True
        options = parsed(self.carbon_cell, line)
        return self._measured(options, cell, f"%%carbon {line}".rstrip() + "\n")

    @magic_arguments("carbon")
    @argument("--name", default="cell", type=unquoted, help="name of the run")
    @_with_options
    @output_can_be_silenced
    @no_var_expand
    @needs_local_scope
    def carbon_line(self, line: str, local_ns: MutableMapping[str, Any] | None = None) -> Any:
        """Measure the energy and CO2e of one statement; options come before it.

        Examples
        --------
        ::

            %carbon model.fit(X, y)
            %carbon --stage evaluation model.score(X, y)
        """
        __tracebackhide__ = True
        given, statement = split_statement(self.carbon_line.parser, line)
        options = parsed(self.carbon_line, given)
        if not statement:
            msg = "%carbon needs a statement to measure, as in `%carbon model.fit(X, y)`."
            raise UsageError(msg)
        return self._measured(options, statement, "", local_ns)

    @magic_arguments()
    @argument("command", nargs="?", default="help", choices=COMMANDS, help="what to do")
    @argument("value", nargs="?", choices=("on", "off"), help="auto: whether every cell is measured")
    @argument("-n", type=how_many, help="history: how many runs; 10 when left out")
    @argument("--explain", action="store_true", help="last: formulas, inputs and sources of its figures")
    @no_var_expand
    @needs_local_scope
    def greenai(self, line: str, local_ns: MutableMapping[str, Any] | None = None) -> None:
        """Look at what was measured, estimate what was not, and set how.

        ``status``: what is measured on this machine, and what this kernel has used; ``history``: the
        last runs, and the totals; ``last``: the card of the last run, with ``--explain`` its formulas;
        ``boundary``: what the last run's footprint covers; ``estimate``: the footprint of hours of a
        device, or of operations; ``probe``: what a job will take, from a few of its steps;
        ``config``: the settings; ``auto on`` measures every cell, ``auto off`` no longer.

        Examples
        --------
        ::

            %greenai status
            %greenai history -n 20
            %greenai last --explain
            %greenai auto on
            %greenai estimate --device "A100 SXM" --hours 24 --place FRA
            %greenai probe --total 5000 train_step(batch)
        """
        from greenai_magic.notebook import commands

        __tracebackhide__ = True
        command, *rest = line.split(maxsplit=1) or [""]
        if command in WITH_OPTIONS:
            commands.with_options(command)(self._session, "".join(rest), local_ns)
            return
        options = parsed(self.greenai, line)
        for owner, name in _OWNERS.items():
            if getattr(options, name) and options.command != owner:
                msg = f"That belongs to `%greenai {owner}`, not to `%greenai {options.command}`."
                raise UsageError(msg)
        with told_as_usage():
            getattr(commands, options.command)(self._session, options)

    def _measured(
        self,
        options: Namespace,
        source: str,
        header: str,
        local_ns: MutableMapping[str, Any] | None = None,
    ) -> Any:
        from greenai_magic.notebook.display import attempt
        from greenai_magic.runs.measure import outcome

        __tracebackhide__ = True
        scores = dict(map(self._compiled_score, options.score))
        measuring = _prepared(options, source)
        body = compile_cell(self._shell, source, header)
        check = _crosscheck() if options.crosscheck else None
        started = attempt("This cell is not measured", measuring.start)
        status: Status = "ok"
        try:
            return run_body(self._shell, body, local_ns)
        except BaseException as error:
            status, scores = outcome(error), {}
            raise
        finally:
            stopped = started and attempt("This cell's figures are lost", measuring.stop)
            compared = check is not None and attempt("The crosscheck is lost", check.stop)
            if stopped:
                self._conclude(measuring, options, scores, status, check if compared else None)

    def _conclude(
        self,
        measuring: Measuring,
        options: Namespace,
        scores: dict[str, Body],
        status: Status,
        check: CrossCheck | None,
    ) -> None:
        from greenai_magic.notebook.display import attempt, conclude

        try:
            for name, body in scores.items():
                score = functools.partial(self._score, measuring, name, body)
                attempt(f"The score {name} is not kept", score)
        except (KeyboardInterrupt, SystemExit) as error:
            print(f"greenai: The run is kept without the score {name}: {type(error).__name__}")
            raise
        finally:
            conclude(measuring, status, shown=self._session.settings.card and not options.quiet)
            if options.output is not None:
                into = options.output
                attempt("The run is in no variable", lambda: self._shell.push({into: measuring.run}))
            if check is not None:
                attempt("The crosscheck cannot be shown", lambda: print(check.comparison(measuring.run)))

    def _compiled_score(self, text: str) -> tuple[str, Body]:
        name, expression = _pair(text, "--score accuracy=model.score(X, y)")
        try:
            return name, compile_expression(self._shell, expression)
        except SyntaxError as mistake:
            msg = f"The score {name} cannot be read: {mistake.msg}: {expression}"
            raise UsageError(msg) from None

    def _score(self, measuring: Measuring, name: str, body: Body) -> None:
        __tracebackhide__ = True
        measuring.score(name, run_body(self._shell, body))


def register(session: Session) -> None:
    """Add the magics to the session's shell."""
    magics, flops = Magics(session), FlopsMagics(session)
    shell = session.shell
    shell.register_magic_function(magics.carbon_cell, "cell", "carbon")
    shell.register_magic_function(magics.carbon_line, "line", "carbon")
    shell.register_magic_function(magics.greenai, "line", "greenai")
    shell.register_magic_function(flops.flops_cell, "cell", "flops")
    shell.register_magic_function(flops.flops_line, "line", "flops")


def unregister(session: Session) -> None:
    """Take the magics out of the session's shell."""
    magics = session.shell.magics_manager.magics
    for name in ("carbon", "greenai", "flops"):
        magics["cell"].pop(name, None)
        magics["line"].pop(name, None)


def _prepared(options: Namespace, source: str) -> Measuring:
    from greenai_magic.runs.labels import Labels
    from greenai_magic.runs.measure import Measuring

    labels = Labels(
        name=options.name or "cell",
        save=not options.no_save,
        place=options.place,
        pue=options.pue,
        hardware=options.hardware,
        stage=options.stage,
        tags=dict(_pair(text, "--tag data=digits") for text in options.tag),
        source=source,
    )
    with told_as_usage():
        return Measuring(labels)


def _pair(text: str, example: str) -> tuple[str, str]:
    name, equals, value = unquoted(text).partition("=")
    if not (name and equals and value):
        msg = f"{text!r} is not a name and a value; write it as in `{example}`."
        raise UsageError(msg)
    return name.strip(), unquoted(value.strip()).strip()


def _crosscheck() -> CrossCheck | None:
    from greenai_magic.notebook.crosscheck import CrossCheck
    from greenai_magic.notebook.display import attempt

    check = CrossCheck()
    return check if attempt("There is no crosscheck", check.start) else None
