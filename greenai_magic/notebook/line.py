"""What stands on a magic's line: words, quotes, brackets, names of variables."""

from __future__ import annotations

import builtins
import keyword
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from greenai_magic.errors import GreenAIError
from greenai_magic.footprint.place import PUE_MAX, checked_pue

if TYPE_CHECKING:
    from argparse import Namespace

    from IPython.core.magic_arguments import MagicArgumentParser

_CLOSING = {'"': '"', "'": "'", "(": ")", "[": "]", "{": "}"}
_QUOTES = "\"'"
HELP = ("-h", "--help")
MOST_RUNS = 1_000_000


def words(line: str) -> list[tuple[int, str]]:
    """Return where each word of a line begins, and the word; quotes and brackets keep their spaces.

    What nothing closes opens nothing: ``don't`` is a word.
    """
    found: list[tuple[int, str]] = []
    begin: int | None = None
    awaited: list[str] = []
    for i, char in enumerate(line):
        closing = _CLOSING.get(char)
        if char.isspace() and not awaited:
            if begin is not None:
                found.append((begin, line[begin:i]))
            begin = None
            continue
        begin = i if begin is None else begin
        if awaited and char == awaited[-1]:
            awaited.pop()
        elif closing and awaited[-1:] not in (['"'], ["'"]) and closing in line[i + 1 :]:
            awaited.append(closing)
    return found if begin is None else [*found, (begin, line[begin:].rstrip())]


def unquoted(text: str) -> str:
    """Return text without the quotes around all of it."""
    quote = text[:1]
    wrapped = len(text) > 1 and quote in _QUOTES and text[-1] == quote and quote not in text[1:-1]
    return text[1:-1] if wrapped else text


def parsed(magic: Any, line: str) -> Namespace:
    """Return the options on a magic's line.

    Raises
    ------
    UsageError
        If there is one that the magic does not know, or a variable that cannot be one.
    """
    options, rest = parsed_in_part(magic, line)
    if rest:
        raise UsageError(_not_understood(rest, f"%{magic.parser.prog}"))
    return options


def parsed_in_part(magic: Any, line: str) -> tuple[Namespace, list[str]]:
    """Return the options on a magic's line, and the words that are none.

    Raises
    ------
    UsageError
        If a word looks like an option that the magic does not know, or a variable cannot be one.
    """
    parser = magic.parser
    # To `%carbon`, what is short for an option would be a part of the statement.
    parser.allow_abbrev = False
    options: Namespace
    options, rest = parser.parse_known_args([word for _, word in words(line)])
    unknown = [word for word in rest if word.startswith("--") or word in HELP]
    if unknown:
        raise UsageError(_not_understood(unknown, f"%{parser.prog}"))
    name = getattr(options, "output", None)
    if name is not None and not _can_be_a_variable(name):
        msg = f"-o needs the name of a variable of your own, and {name!r} cannot be one."
        raise UsageError(msg)
    return options, rest


def split_statement(parser: MagicArgumentParser, line: str) -> tuple[str, str]:
    """Split a line magic's line into its leading options and the statement after them."""
    found = words(line)
    known = parser._option_string_actions  # noqa: SLF001 - argparse has no public look-up
    i = 0
    while i < len(found):
        option, joined, _ = found[i][1].partition("=")
        # No statement begins so: what looks like an option and is none, the parser refuses by its name.
        if option not in known and option not in HELP and not option.startswith("--"):
            break
        takes_value = option in known and known[option].nargs is None and not joined
        i += 2 if takes_value else 1
    cut = found[i][0] if i < len(found) else len(line)
    return line[:cut].strip(), line[cut:].strip()


@contextmanager
def told_as_usage() -> Iterator[None]:
    """Make an error of ours one line on the screen, as those of the magic's own line are."""
    try:
        yield
    except GreenAIError as error:
        raise UsageError(str(error)) from None


def pue(text: str) -> float:
    """Return the PUE that a word gives, for argparse."""
    try:
        return checked_pue(float(unquoted(text)))
    except ValueError:
        msg = f"{text} is not a number from 1 (a laptop) to {PUE_MAX:g}"
        raise ArgumentTypeError(msg) from None


def how_many(text: str) -> int:
    """Return the number of runs that a word gives, for argparse."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= MOST_RUNS:
        msg = f"{text} is not a whole number from 1 to {MOST_RUNS}"
        raise ArgumentTypeError(msg)
    return number


def _not_understood(rest: list[str], magic: str) -> str:
    # IPython's question mark knows magics, and not their commands.
    shown_by = "%greenai help" if " " in magic else f"{magic}?"
    if set(rest) & set(HELP):
        return f"`{shown_by}` shows the options, with examples."
    if rest[0].startswith("-"):
        return f"{magic} has no option {rest[0]}: `{shown_by}` shows those it has."
    return (
        f"{' '.join(rest)!r} is too much for {magic}: "
        'put in quotes what has spaces, as in `%%carbon "my run"`.'
    )


def _can_be_a_variable(name: str) -> bool:
    # Python's and IPython's own names would be lost, and IPython fills _, In and Out itself.
    taken = keyword.iskeyword(name) or hasattr(builtins, name) or name in ("In", "Out", "exit", "quit")
    return name.isidentifier() and not taken and bool(name.strip("_"))
