"""Tables and JSON from files that nobody has checked; what is wrong is told by file and line."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from greenai_magic.errors import ImportFileError

LARGEST_BYTES = 200_000_000
LARGEST_NUMBER = 1e30
LONGEST_TEXT = 200
"""Letters kept of a name."""
_SHOWN_LETTERS = 40
_LONGEST_NUMBER = 64
_PREAMBLE = 20
"""Lines that a portal may put above the names of the columns."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_NOTHING = ("", "null", "none")

StrPath = str | Path


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table, by the names of its columns.

    Attributes
    ----------
    where : str
        ``"line 3 of emissions.csv"``, for sentences.
    cells : mapping of str to str
        As the file has them.
    """

    where: str
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """Return a cell fit to be shown, ``""`` where it is empty or the table has no such column."""
        cell = self.cells.get(column, "").strip()
        return "" if cell.casefold() in _NOTHING else clean(cell)

    def number(self, column: str, *, least: float = 0.0) -> float | None:
        """Return a cell as a number, None where it is empty or the table has no such column.

        Raises
        ------
        ImportFileError
            If it is no finite number from ``least`` up.
        """
        cell = self.cells.get(column, "").strip()
        where = f"{clean(column)} in {self.where}"
        return None if cell.casefold() in _NOTHING else number(cell, where, least=least)

    def needed(self, column: str) -> float:
        """Return a cell as a number; see :meth:`number`.

        Raises
        ------
        ImportFileError
            If it is empty or no finite number from 0 up.
        """
        value = self.number(column)
        if value is None:
            refuse(f"{column} is empty in {self.where}: fill it in or delete the row.")
        return value


def refuse(sentence: str) -> NoReturn:
    """Raise the error of a file that cannot be read for what it should be."""
    raise ImportFileError(sentence)


def clean(text: str) -> str:
    """Return a name fit to be shown: not too long, and without what steers a terminal."""
    return "".join(letter for letter in text[:LONGEST_TEXT] if letter.isprintable())


def number(value: object, where: str, *, least: float = 0.0) -> float:
    """Return a finite number from ``least`` up, out of a cell or a JSON value.

    Raises
    ------
    ImportFileError
        If it is none, so also if it is a formula.
    """
    text = str(value).strip()
    # Python reads more as numbers than files mean: 1_000, nan, digits of other scripts.
    usable = _NUMBER.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    parsed = float(text) if usable else math.nan
    if not least <= parsed <= LARGEST_NUMBER:
        shown = f"{text[:_SHOWN_LETTERS]!r}"
        refuse(f"{where} is {shown}, no number from {least:g} to {LARGEST_NUMBER:g}: mend it in the file.")
    return parsed


def moment(text: str) -> datetime | None:
    """Return the time that a text in ISO 8601 says, to the second, or None where it says none."""
    try:
        return datetime.fromisoformat(re.sub(r"[.,]\d+", "", text.strip()).replace("Z", "+00:00"))
    except ValueError:
        return None


def earlier(end: datetime | None, seconds: float) -> datetime | None:
    """Return the time so many seconds before, or None where there is none."""
    try:
        return None if end is None else end - timedelta(seconds=seconds)
    except OverflowError:
        return None


def without(*needed: str) -> Callable[[Sequence[str]], list[str]]:
    """Return what tells which of the columns ``needed`` a header lacks."""
    return lambda columns: [column for column in needed if column not in columns]


def read_text(path: StrPath) -> str:
    """Return the text of a file in UTF-8.

    Raises
    ------
    ImportFileError
        If it cannot be read, is too large or is no text.
    """
    file = Path(path)
    try:
        if file.stat().st_size > LARGEST_BYTES:
            refuse(f"{file.name} is larger than {LARGEST_BYTES / 1e6:g} MB: export a shorter period.")
        raw = file.read_bytes()
    except OSError as error:
        msg = f"{file.name} cannot be read: {error.strerror or error}."
        raise ImportFileError(msg) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        msg = f"Line {line} of {file.name} is not text in UTF-8: export the file again in that encoding."
        raise ImportFileError(msg) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        refuse(f"Line {line} of {file.name} has a NUL, so it is no text: export the file again.")
    return text


def read_rows(path: StrPath, lacking: Callable[[Sequence[str]], list[str]]) -> list[Row]:
    """Return the rows of a CSV file.

    Parameters
    ----------
    path : str or Path
        The file.
    lacking : callable
        Tells what a line of names lacks to be this table's, as :func:`without` does. The first line that
        lacks nothing names the columns, for a portal may put a title above it.

    Raises
    ------
    ImportFileError
        If the file is no such table.
    """
    name = Path(path).name
    lines = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    header: list[str] = []
    missing: list[str] = []
    rows: list[Row] = []
    try:
        for cells in lines:
            where = f"line {lines.line_num} of {name}"
            if header:
                rows += [_row(header, cells, where)] if any(map(str.strip, cells)) else []
            elif not (lacks := lacking(columns := [cell.strip() for cell in cells])):
                header = _checked_header(columns, where)
            elif lines.line_num > _PREAMBLE:
                break
            else:
                missing = missing or lacks
    except csv.Error as error:
        msg = f"Line {lines.line_num} of {name} is no CSV ({error}): export the file again."
        raise ImportFileError(msg) from error
    if not header:
        refuse(f"{name} has no column {' and '.join(missing or lacking([]))}: is it the right export?")
    return rows


def read_json(path: StrPath) -> Any:
    """Return what a JSON file says; of a file of JSON lines, the list of them.

    Raises
    ------
    ImportFileError
        If it is no JSON.
    """
    text, name = read_text(path), Path(path).name
    if not text.strip():
        refuse(f"{name} is empty: export it again.")
    try:
        return json.loads(text, parse_int=_integer)
    except json.JSONDecodeError as error:
        whole = error
    except RecursionError as error:
        msg = f"{name} is nested too deep to be an export: export the file again."
        raise ImportFileError(msg) from error
    documents = []
    for at, line in enumerate(text.splitlines(), 1):
        try:
            documents += [json.loads(line, parse_int=_integer)] if line.strip() else []
        except (json.JSONDecodeError, RecursionError) as error:
            msg = f"Line {max(at, whole.lineno)} of {name} is no JSON: export the file again."
            raise ImportFileError(msg) from error
    return documents


def _integer(digits: str) -> float:
    # Python refuses to read an integer of thousands of digits, and so would stop with its own words.
    return int(digits) if len(digits) <= _LONGEST_NUMBER else math.inf


def _checked_header(columns: list[str], where: str) -> list[str]:
    twice = next((column for column in columns if column and columns.count(column) > 1), None)
    if twice:
        refuse(f"The column {twice[:_SHOWN_LETTERS]!r} is there twice in {where}: keep one.")
    return columns


def _row(header: list[str], cells: list[str], where: str) -> Row:
    if len(cells) != len(header):
        refuse(
            f"Expected {len(header)} cells in {where}, found {len(cells)}: "
            f"two versions of a table may be mixed, so split the file there."
        )
    return Row(where, dict(zip(header, cells, strict=True)))
