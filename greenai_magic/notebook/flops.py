"""`%flops`: the operations of a model, without running it; `%%flops`: those of a cell that runs."""

from __future__ import annotations

import ast
from argparse import ArgumentTypeError
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import needs_local_scope, no_var_expand, output_can_be_silenced
from IPython.core.magic_arguments import argument, magic_arguments

from greenai_magic.notebook.body import compile_cell, compile_expression, run_body
from greenai_magic.notebook.line import parsed, parsed_in_part, told_as_usage, unquoted

if TYPE_CHECKING:
    from argparse import Namespace

    from IPython.core.interactiveshell import InteractiveShell

    from greenai_magic.flops.report import FlopReport
    from greenai_magic.notebook.session import Session

NO_AWAIT = (
    "This cell awaits, which `%%flops` cannot do: put the awaited part into a function that asyncio runs "
    "outside this cell, or count the model with `%flops`."
)
_CALLS_THE_COUNTER = frozenset({"torch._compile", "torch._dynamo.eval_frame"})
"""Modules of PyTorch's whose frames stand above one of a dispatch mode."""
_OPERATORS = "+-*/%@<>=!&|^~.,:"
"""What a second expression on the line does not begin with: it would be one with the first."""


def _levels(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        msg = f"{text} is no number of levels: write 0 for the model alone, 1 for its modules..."
        raise ArgumentTypeError(msg)
    return number


_SHOWN = (
    argument("--depth", type=_levels, help="levels of modules to show"),
    argument("--sort", choices=("order", "flops"), help="of the modules, in their order by default"),
    argument("--by", choices=("module", "op"), default="module", help="one line a module, or an operator"),
    argument("-o", "--output", metavar="VAR", type=unquoted, help="put the FlopReport into this variable"),
)


def _with_what_is_shown(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_SHOWN):
        function = option(function)
    return function


def _refuse_what_contradicts(options: Namespace) -> None:
    given = [f"--{name}" for name in ("depth", "sort") if getattr(options, name) is not None]
    if options.by == "op" and given:
        msg = f"{' and '.join(given)} cannot go with `--by op`, which shows no modules."
        raise UsageError(msg)


class FlopsMagics:
    """``%flops`` and ``%%flops`` of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shell: InteractiveShell = session.shell

    @magic_arguments("flops")
    @argument(
        "--input-size", action="append", default=[], type=unquoted, metavar="1,3,224,224",
        help="shape of an input, `1,128:int64` with its type; once for each input",
    )  # fmt: skip
    @argument("--inputs", type=unquoted, metavar="EXPR", help="a tensor, tuple, dict or DataLoader")
    @argument("--batch", type=int, help="how many items at once, where it is not the inputs' own number")
    @argument("--backward", action="store_true", help="count the backward pass too")
    @argument("--train-step", action="store_true", help="count a whole step: backward, loss and optimiser")
    @argument("--loss", type=unquoted, metavar="EXPR", help="of a step, such as `nn.CrossEntropyLoss()`")
    @argument(
        "--optimiser",
        "--optimizer",
        type=unquoted,
        metavar="EXPR",
        help="of a step, such as `torch.optim.AdamW`",
    )
    @argument("--energy", action="store_true", help="estimate what it takes here, or on --device")
    @argument("--device", type=unquoted, help="with --energy: the device, such as 'A100 SXM'")
    @argument("--crosscheck", action="store_true", help="let fvcore and thop count a copy, and compare")
    @_with_what_is_shown
    @no_var_expand
    @needs_local_scope
    def flops_line(self, line: str, local_ns: MutableMapping[str, Any] | None = None) -> None:
        """Count the operations, parameters and bytes of a PyTorch, Keras or scikit-learn model.

        Write an expression for the model, and one for its inputs where it does not say them itself.
        Nothing is computed and the model stays as it is. What could not be counted is listed.

        Examples
        --------
        ::

            %flops model
            %flops model (1, 3, 224, 224) --depth 2
            %flops bert --input-size 1,128:int64 --sort flops
            %flops model batch --backward -o report
            %flops model (1, 3, 224, 224) --crosscheck
            %flops model (1, 3, 224, 224) --energy
            %flops resnet50(weights=None) (8, 3, 800, 800) --train-step --optimiser torch.optim.AdamW

            report.by_kind
            print(report.explain("layer4"))
        """
        __tracebackhide__ = True
        options, rest = parsed_in_part(self.flops_line, line)
        _refuse_what_contradicts(options)
        model_text, inputs_text = split_expressions(" ".join(rest))
        if not model_text:
            msg = "%flops needs a model, as in `%flops model (1, 3, 224, 224)`."
            raise UsageError(msg)
        if bool(inputs_text) + bool(options.inputs) + bool(options.input_size) > 1:
            msg = f"The inputs are said twice: leave out {inputs_text or '--inputs'!r} or the other."
            raise UsageError(msg)
        if options.device is not None and not options.energy:
            msg = "--device belongs to --energy: operations are the same on every device."
            raise UsageError(msg)
        sizes = [shape_and_type(text) for text in options.input_size]
        texts = (model_text, inputs_text or options.inputs, options.loss, options.optimiser)
        model, inputs, loss, optimiser = (text and self._value(text, local_ns) for text in texts)
        self._count_and_show(model, sizes or inputs, options, loss=loss, optimiser=optimiser)

    def _value(self, text: str, local_ns: MutableMapping[str, Any] | None) -> Any:
        __tracebackhide__ = True
        try:
            expression = compile_expression(self._shell, text)
        except SyntaxError as mistake:
            msg = f"{text!r} cannot be read: {mistake.msg}."
            raise UsageError(msg) from None
        return run_body(self._shell, expression, local_ns)

    @magic_arguments("%flops")
    @_with_what_is_shown
    @output_can_be_silenced
    def flops_cell(self, line: str, cell: str) -> Any:
        """Count the operations that PyTorch really executes while a cell runs.

        The cell runs as if the magic were not there; what it is counted by costs some time. If it fails or
        is interrupted, what ran until then is shown.

        Examples
        --------
        ::

            %%flops --by op
            loss = criterion(model(x), y)
            loss.backward()
        """
        from greenai_magic.notebook.display import attempt

        __tracebackhide__ = True
        options = parsed(self.flops_cell, line)
        _refuse_what_contradicts(options)
        body = compile_cell(self._shell, cell, f"%%flops {line}".rstrip() + "\n", NO_AWAIT)
        counting, name = _counting(), "this cell, until it failed"
        counter = None
        try:
            with counting as counter:
                value = run_body(self._shell, body)
            name = "this cell"
        except BaseException as error:
            _without_counting_frames(error)
            raise
        finally:
            # What is interrupted or fails was counted so far, and its error goes on to the user.
            if counter is not None:
                attempt(
                    "The operations cannot be shown",
                    lambda: self._show(counter.report(name), options),
                )
        return value

    def _count_and_show(self, model: Any, inputs: Any, options: Namespace, **step: Any) -> None:
        from greenai_magic.flops import count_flops
        from greenai_magic.flops.crosscheck import crosscheck
        from greenai_magic.notebook.estimate import timed_here, with_data_sheet

        compared = footprint = None
        step |= {"batch": options.batch, "backward": options.backward, "train_step": options.train_step}
        with told_as_usage():
            if options.energy and options.device is None:
                report, footprint = timed_here(model, inputs, self._session.settings, **step)
            else:
                report = count_flops(model, inputs, **step)
            if options.crosscheck:
                compared = crosscheck(report, model, inputs, options.batch)
            if options.device is not None:
                footprint = with_data_sheet(report, options.device, self._session.settings)
        self._show(report, options)
        if footprint is not None:
            from greenai_magic.show.footprint import operations_line

            print(operations_line(footprint, options.device))
        if compared is not None:
            from greenai_magic.show.crosscheck import crosscheck_to_text

            print(crosscheck_to_text(compared))

    def _show(self, report: FlopReport, options: Namespace) -> None:
        from greenai_magic.notebook.display import show_flops

        show_flops(report, depth=options.depth, sort=options.sort or "order", by=options.by)
        if options.output is not None:
            self._shell.push({options.output: report})


def _counting() -> AbstractContextManager[Any]:
    try:
        from greenai_magic.flops.torch.cell import counting
    except ImportError:
        msg = "%%flops needs PyTorch: run `pip install greenai-magic[torch]`."
        raise UsageError(msg) from None
    return counting()


def _without_counting_frames(error: BaseException) -> None:
    """Take the counter, and how PyTorch calls it and is called by it, out of an error's traceback."""
    steps = []
    step = error.__traceback__
    while step is not None:
        steps.append(step)
        step = step.tb_next
    names = [step.tb_frame.f_globals.get("__name__", "") for step in steps]
    ours = [name.startswith("greenai_magic.flops.torch.") for name in names]
    for at in (at for at in range(len(steps)) if ours[at]):
        before = at - 1
        while before >= 0 and names[before] in _CALLS_THE_COUNTER:
            ours[before], before = True, before - 1
        if names[at + 1 : at + 2] == ["torch._ops"]:
            ours[at + 1] = True
    kept = [step for step, is_ours in zip(steps, ours, strict=True) if not is_ours]
    for step, following in zip(kept, [*kept[1:], None], strict=True):
        step.tb_next = following


def split_expressions(text: str) -> tuple[str, str]:
    """Split a line into its first expression and the one after it, if there are two.

    Two expressions meet at a space where both sides are whole, as in ``model (1, 3, 224, 224)``.
    """
    for i in (i for i, letter in enumerate(text) if letter.isspace()):
        first, second = text[:i].strip(), text[i:].strip()
        if second[:1] not in _OPERATORS and _is_expression(first) and _is_expression(second):
            return first, second
    return text.strip(), ""


def shape_and_type(text: str) -> Any:
    """Return what ``1,128:int64`` says: a shape, or a pair of shape and type where one is given.

    Raises
    ------
    UsageError
        If it is no shape.
    """
    shape, _, kind = text.partition(":")
    try:
        sizes = tuple(int(size) for size in shape.strip("()[]").split(",") if size.strip())
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        msg = f"{text!r} is no input size: write it as in `--input-size 1,3,224,224` or `1,128:int64`."
        raise UsageError(msg)
    return (sizes, kind) if kind else sizes


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return True


def _html(report: FlopReport) -> str:
    from greenai_magic.show.flops import describe_flops, flops_to_html

    return flops_to_html(describe_flops(report))


def _text(report: FlopReport, printer: Any, _cycle: bool) -> None:  # noqa: FBT001 - IPython's contract
    from greenai_magic.show.flops import describe_flops, flops_to_text

    printer.text(flops_to_text(describe_flops(report)))


FLOPS_FACES = {"text/html": _html, "text/plain": _text}
"""How a FlopReport is shown that a cell ends with."""
