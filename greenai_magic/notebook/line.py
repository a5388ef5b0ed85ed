"""What stands on a magic's line: words, quotes, names of variables."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

WORD = re.compile(r"""(?:"[^"]*"|'[^']*'|\S)+""")


def unquoted(text: str) -> str:
    """Return text without the quotes around all of it."""
    quote = text[:1]
    wrapped = len(text) > 1 and quote in "\"'" and text[-1] == quote and quote not in text[1:-1]
    return text[1:-1] if wrapped else text


def parsed(magic: Any, line: str) -> Namespace:
    """Return the options on a magic's line.

    Raises
    ------
    UsageError
        If there is one that the magic does not know, or a variable that cannot be one.
    """
    options: Namespace = magic.parser.parse_args(WORD.findall(line))
    word = getattr(options, "output", None)
    if word is not None and (not word.isidentifier() or keyword.iskeyword(word)):
        msg = f"-o needs the name of a variable, and {word!r} cannot be one."
        raise UsageError(msg)
    return options
