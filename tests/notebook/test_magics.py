"""What a magic's line means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

from greenai_magic.notebook.line import unquoted
from greenai_magic.notebook.magics import Magics, split_statement

PARSER: MagicArgumentParser = Magics.carbon_line.parser
WORDS = st.text(
    st.characters(codec="ascii", exclude_characters="'\"", categories=["L", "N", "P", "S"]), min_size=1
)


@pytest.mark.parametrize(
    ("line", "options", "statement"),
    [
        ("fit()", "", "fit()"),
        ("--quiet fit()", "--quiet", "fit()"),
        ("--stage a fit(x, y)", "--stage a", "fit(x, y)"),
        ("--stage=a -o run fit()", "--stage=a -o run", "fit()"),
        ("--tag note='two words' fit()", "--tag note='two words'", "fit()"),
        ("a = '--quiet'", "", "a = '--quiet'"),
        ("-a", "", "-a"),
        ("--quiet", "--quiet", ""),
        ("--quiet print('a   b')", "--quiet", "print('a   b')"),
        ("", "", ""),
    ],
)
def test_a_statement_begins_where_the_options_end(line: str, options: str, statement: str) -> None:
    assert split_statement(PARSER, line) == (options, statement)


@given(
    st.lists(st.sampled_from(["--quiet", "--stage a", "--tag 'a=b c'", "--place=FRA"])),
    WORDS.filter(str.isalpha),
)
def test_no_letter_of_the_line_is_lost(options: list[str], statement: str) -> None:
    line = " ".join([*options, statement])
    assert split_statement(PARSER, line) == (" ".join(options), statement)


@given(WORDS, st.sampled_from("'\""))
def test_quotes_around_all_of_it_are_taken_off_and_no_others(text: str, quote: str) -> None:
    assert unquoted(f"{quote}{text}{quote}") == text
    assert unquoted(text) == text
    assert unquoted(f"{quote}{text}") == f"{quote}{text}"
    assert unquoted(f"{quote}a{quote}{text}{quote}b{quote}") == f"{quote}a{quote}{text}{quote}b{quote}"


@pytest.mark.parametrize("magic", [Magics.carbon_cell, Magics.carbon_line, Magics.greenai])
def test_a_line_that_cannot_be_read_is_an_error_of_usage(magic: Any) -> None:
    with pytest.raises(UsageError):
        magic.parser.parse_args(["--no-such-option"])
