"""A step of the measuring that fails."""

from __future__ import annotations

import pytest

from greenai_magic.errors import LedgerError
from greenai_magic.notebook.display import attempt


def test_a_step_that_succeeds_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert attempt("Nothing", lambda: None)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("two\nlines"), "It is lost: ValueError: two lines"),
        (LedgerError("The file is full."), "It is lost: The file is full."),
        (ZeroDivisionError(), "It is lost: ZeroDivisionError: "),
    ],
)
def test_a_step_that_fails_is_one_sentence(
    capsys: pytest.CaptureFixture[str], error: Exception, sentence: str
) -> None:
    def fail() -> None:
        raise error

    assert not attempt("It is lost", fail)
    assert capsys.readouterr() == (f"greenai: {sentence}\n", "")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_goes_on(error: type[BaseException]) -> None:
    def interrupt() -> None:
        raise error

    with pytest.raises(error):
        attempt("It is lost", interrupt)
