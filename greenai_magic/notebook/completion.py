"""Completion of the magics' options, names of places and of the user's variables included."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

from greenai_magic.footprint.place import places_beginning
from greenai_magic.notebook.magics import COMMANDS, WITH_OPTIONS

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

_LINE = re.compile(r"^\s*(?P<magic>%%?carbon|%greenai|%%?flops)\s+(?P<rest>.*)$")
_AFTER = {"auto": ["on", "off"], "history": ["-n"], "last": ["--explain"]}


def option_matcher(shell: InteractiveShell) -> Any:
    """Return a matcher that completes what may follow ``%%carbon``, ``%greenai`` or ``%flops``."""

    @context_matcher()
    def greenai_options(context: CompletionContext) -> SimpleMatcherResult:
        line = context.full_text.split("\n")[context.cursor_line][: context.cursor_position]
        match = _LINE.match(line)
        found = _choices(shell, match["magic"], match["rest"], context.token) if match else []
        return {"completions": [SimpleCompletion(text=choice) for choice in found], "suppress": bool(found)}

    return greenai_options


def _choices(shell: InteractiveShell, magic: str, rest: str, token: str) -> list[str]:
    """Return what the token may become; what stands there already where nothing else may, not even a file."""
    kind = "cell" if magic.startswith("%%") else "line"
    before = rest.split()[:-1] if rest[-1:].strip() else rest.split()
    last = before[-1] if before else ""
    own = magic == "%greenai" and before[:1] and before[0] in WITH_OPTIONS
    function = _command(before[0]) if own else shell.magics_manager.magics[kind][magic.strip("%")]
    options = function.parser._option_string_actions  # noqa: SLF001 - argparse has no public look-up
    if magic == "%greenai" and not own:
        found = _AFTER.get(before[0], []) if before else list(COMMANDS)
    elif last == "--place":
        return places_beginning(token) or [token]
    elif last == "--score":
        if "." in token:
            return []
        found = [name for name in shell.user_ns if not name.startswith("_")]
        found = [name for name in found if name not in shell.user_ns_hidden]
    elif last in options and options[last].nargs is None:
        found = []
    else:
        return [option for option in options if option.startswith("--") and option.startswith(token)]
    return [choice for choice in found if choice.startswith(token)] or [token]


def _command(name: str) -> Any:
    # With it come the rooms that it needs, which loading the extension does not wait for.
    from greenai_magic.notebook.commands import with_options

    return with_options(name)
