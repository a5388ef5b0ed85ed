"""Completion of the magics' options, names of places included."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

from greenai_magic.footprint.place import place_codes

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

_LINE = re.compile(r"^\s*(?P<magic>%%carbon|%carbon|%greenai)\s+(?P<rest>.*)$")
_MAGICS = {"%%carbon": ("cell", "carbon"), "%carbon": ("line", "carbon"), "%greenai": ("line", "greenai")}


def option_matcher(shell: InteractiveShell) -> Any:
    """Return a matcher that completes what may follow ``%%carbon``, ``%carbon`` or ``%greenai``."""

    @context_matcher()
    def greenai_options(context: CompletionContext) -> SimpleMatcherResult:
        line = context.full_text.split("\n")[context.cursor_line][: context.cursor_position]
        match = _LINE.match(line)
        if match is None:
            return {"completions": []}
        kind, name = _MAGICS[match["magic"]]
        words = match["rest"].split()
        token = context.token
        before = words[-2:-1] if words and line[-1:].strip() else words[-1:]
        choices = _choices(shell.magics_manager.magics[kind][name].parser, before[0] if before else "")
        found = [SimpleCompletion(text=choice) for choice in choices if choice.startswith(token)]
        return {"completions": found, "suppress": bool(found)}

    return greenai_options


def _choices(parser: ArgumentParser, before: str) -> list[str]:
    actions = parser._option_string_actions  # noqa: SLF001 - argparse has no public look-up
    if before == "--place":
        codes: list[str] = place_codes()
        return codes
    if before in actions and actions[before].nargs is None:
        return []
    positional = [str(c) for action in parser._actions for c in action.choices or ()]  # noqa: SLF001
    return [*positional, *(option for option in actions if option.startswith("--"))]
