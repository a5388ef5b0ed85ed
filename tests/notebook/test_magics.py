"""What a magic's line means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

from greenai_magic.notebook.line import split_statement, unquoted, words
from greenai_magic.notebook.magics import Magics

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
        ("--score acc=f(x, y) fit(a, b)", "--score acc=f(x, y)", "fit(a, b)"),
        ("--qui fit()", "--qui", "fit()"),
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


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("  a  b\tc ", ["a", "b", "c"]),
        ("acc=f(x, y) b", ["acc=f(x, y)", "b"]),
        ("acc={'a b': [1, (2, 3)]}['a b'] b", ["acc={'a b': [1, (2, 3)]}['a b']", "b"]),
        ('"acc=a / b" c', ['"acc=a / b"', "c"]),
        ("f(')', 1) b", ["f(')', 1)", "b"]),
        ("don't stop", ["don't", "stop"]),
        (":( :) a", [":( :)", "a"]),
        (":( a", [":(", "a"]),
        ("a) b", ["a)", "b"]),
        ("(']) a", ["('])", "a"]),
        ("", []),
    ],
)
def test_quotes_and_brackets_keep_their_spaces(line: str, found: list[str]) -> None:
    assert [word for _, word in words(line)] == found


@given(st.text())
def test_every_letter_of_a_line_is_in_one_word_or_between_two(line: str) -> None:
    end = 0
    for begin, word in words(line):
        assert not line[end:begin].strip()
        assert line.startswith(word, begin)
        assert word == word.strip() != ""
        end = begin + len(word)
    assert not line[end:].strip()


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
