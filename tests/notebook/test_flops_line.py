"""What stands on the line of `%flops`."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from greenai_magic.notebook.flops import shape_and_type, split_expressions


@pytest.mark.parametrize(
    ("line", "model", "inputs"),
    [
        ("model", "model", ""),
        ("model x", "model", "x"),
        ("model (1, 3, 224, 224)", "model", "(1, 3, 224, 224)"),
        ("resnet50(weights = None) (1, 3)", "resnet50(weights = None)", "(1, 3)"),
        ("models[0] {'a': x, 'b': y}", "models[0]", "{'a': x, 'b': y}"),
        ("a if big else b", "a if big else b", ""),
        ("a if big else b x", "a if big else b", "x"),
        ("a + b", "a + b", ""),
        ("a or b", "a or b", ""),
        ("  ", "", ""),
    ],
)
def test_a_line_is_a_model_and_what_it_is_given(line: str, model: str, inputs: str) -> None:
    assert split_expressions(line) == (model, inputs)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1,3,224,224", (1, 3, 224, 224)),
        ("(8, 5)", (8, 5)),
        ("1,128:int64", ((1, 128), "int64")),
        ("7", (7,)),
    ],
)
def test_an_input_size_is_a_shape_and_a_type(text: str, meant: object) -> None:
    assert shape_and_type(text) == meant


@pytest.mark.parametrize("text", ["", "a,b", "1,-3", "0", "1.5,2", ":int64"])
def test_what_is_no_size_is_told_in_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="is no input size"):
        shape_and_type(text)
