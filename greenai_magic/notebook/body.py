"""Run the body of a cell magic as if the magic were not there.

Compiled like any cell, in the user's namespace, so that values, tracebacks, interrupts and nested
magics are what a bare cell gives. IPython's own ``%%time`` is the model.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import MutableMapping
from dataclasses import dataclass
from types import CodeType
from typing import TYPE_CHECKING, Any

from IPython.core.displayhook import DisplayHook
from IPython.core.error import UsageError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

NO_AWAIT = (
    "This cell awaits, which a cell magic cannot do: measure it with `async with greenai_magic.measure() "
    "as m:` in a plain cell, or switch on `%greenai auto on`, which measures every cell."
)


@dataclass(frozen=True, slots=True)
class Body:
    """A compiled cell: statements, and the last expression whose value the cell shows."""

    statements: tuple[CodeType, ...]
    value: CodeType | None
    filename: str


def compile_body(shell: InteractiveShell, body: str, header: str, no_await: str = NO_AWAIT) -> Body:
    """Compile a cell's body, before anything is measured.

    Parameters
    ----------
    shell : InteractiveShell
        Whose transformers, compiler flags and ``ast_node_interactivity`` apply.
    body : str
        The cell below the magic's line.
    header : str
        What stands above it in the source that tracebacks show: the magic's line, or nothing.
    no_await : str
        What a body that awaits is told: a way that works instead.

    Raises
    ------
    SyntaxError
        As in a bare cell.
    UsageError
        If the body awaits.
    """
    above = header.count("\n")
    try:
        source = shell.transform_cell(body)
    except SyntaxError as mistake:
        mistake.lineno = (mistake.lineno or 0) + above
        raise
    # A comment, for some versions draw less of a source that they cannot parse.
    whole = (f"# {header}" if header else "") + source
    filename = shell.compile.cache(whole, _cell_number(shell), raw_code=header + body)
    tree = shell.transform_ast(shell.compile.ast_parse("\n" * above + source, filename))
    statements, shown, value = _split(tree.body, shell.ast_node_interactivity)
    if shown and DisplayHook.semicolon_at_end_of_expression(body):
        # It silences the whole cell.
        statements, shown = shown, []
    # One by one, as the shell does: a future statement may stand below others.
    with shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
        codes = [shell.compile(ast.Module([node], []), filename, "exec") for node in statements]
        codes += [shell.compile(ast.Interactive([node]), filename, "single") for node in shown]
        last = [shell.compile(ast.Expression(value), filename, "eval")] if value else []
    if any(code.co_flags & inspect.CO_COROUTINE for code in (*codes, *last)):
        raise UsageError(no_await)
    return Body(tuple(codes), last[0] if last else None, filename)


def compile_expression(shell: InteractiveShell, expression: str) -> Body:
    """Compile one expression of the user's, such as a score.

    Raises
    ------
    SyntaxError
        If it is none.
    """
    filename = shell.compile.cache(expression, _cell_number(shell))
    return Body((), shell.compile(expression, filename, "eval"), filename)


def run_body(
    shell: InteractiveShell,
    body: Body,
    local_ns: MutableMapping[str, Any] | None = None,
) -> Any:
    """Run a compiled body in the user's namespace and return the value it shows.

    Parameters
    ----------
    shell : InteractiveShell
        Whose user it is.
    body : Body
        Which code.
    local_ns : mapping, optional
        The names of the function that the magic's line stands in.
    """
    __tracebackhide__ = True
    names = shell.user_ns if local_ns is None else local_ns
    try:
        for code in body.statements:
            exec(code, shell.user_global_ns, names)  # noqa: S102 - the user's own cell
        return eval(body.value, shell.user_global_ns, names) if body.value else None  # noqa: S307
    except BaseException as error:
        _hide_our_frames(shell, error, body.filename)
        raise


def compile_cell(shell: InteractiveShell, source: str, header: str, no_await: str = NO_AWAIT) -> Body:
    """Compile a cell's body as ``compile_body``; a mistake in it is drawn as in a bare cell."""
    __tracebackhide__ = True
    try:
        return compile_body(shell, source, header, no_await)
    except SyntaxError as mistake:
        raise _bare_syntax_error(shell, mistake) from None


def _bare_syntax_error(shell: InteractiveShell, mistake: SyntaxError) -> Exception:
    """Return an error of the same name and text that IPython draws as in a bare cell.

    It would draw the magic's frames above a real SyntaxError, and asks every other exception first
    whether it draws itself.
    """
    kind = type(mistake)
    lines = shell.SyntaxTB.structured_traceback(kind, mistake, [])
    drawn: type[Exception] = type(kind.__name__, (Exception,), {"_render_traceback_": lambda _error: lines})
    return drawn(str(mistake))


def _split(
    nodes: list[ast.stmt],
    interactivity: str,
) -> tuple[list[ast.stmt], list[ast.stmt], ast.expr | None]:
    """Return the statements to run, those that show a value of their own, and the last value."""
    nodes = list(nodes)
    if interactivity == "last_expr_or_assign" and nodes:
        assigned = _assigned_name(nodes[-1])
        if assigned:
            nodes.append(ast.fix_missing_locations(ast.copy_location(ast.Expr(assigned), nodes[-1])))
    last = nodes[-1] if nodes else None
    if interactivity == "none" or not isinstance(last, ast.Expr):
        return ([], nodes, None) if interactivity == "all" else (nodes, [], None)
    if interactivity == "all":
        return [], nodes[:-1], last.value
    return nodes[:-1], [], last.value


def _assigned_name(node: ast.stmt) -> ast.Name | None:
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) and isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    return None


def _cell_number(shell: InteractiveShell) -> int:
    # Since IPython 9.16 the shell counts a cell before it runs, and earlier after.
    cell = shell.displayhook.exec_result
    number: int = (cell and cell.execution_count) or shell.execution_count
    return number


def _hide_our_frames(shell: InteractiveShell, error: BaseException, filename: str) -> None:
    """Let IPython show the traceback from the cell's own frame on, as it would for a bare cell.

    Frames above ours cannot be cut from a traceback, but IPython asks the exception first whether
    it draws itself.
    """
    own = error.__traceback__
    while own is not None and own.tb_frame.f_code.co_filename != filename:
        own = own.tb_next
    if own is None:
        return

    def render() -> list[str]:
        # Once: raised again it has another story, and it must not hold itself or refuse to be pickled.
        del error._render_traceback_  # type: ignore[attr-defined]
        lines: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, own, tb_offset=0)
        return lines

    try:
        if not hasattr(error, "_render_traceback_"):
            error._render_traceback_ = render  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - the user's own class may refuse in any way, and its error comes first
        return
