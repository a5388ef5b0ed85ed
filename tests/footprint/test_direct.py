"""Scope 1: declared litres and kilograms times a published factor."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.errors import SettingError
from greenai_magic.footprint.direct import burnt, leaked

amounts = st.floats(0, 1e9)
shares = st.floats(1e-6, 1)


@pytest.mark.parametrize(
    ("line", "grams"),
    [
        # US EPA, GHG Emission Factors Hub 2024, table 2: kg CO2 a US gallon.
        (burnt(3.785411784, "diesel"), 10_210),
        (burnt(3.785411784, "petrol"), 8_780),
        # IPCC AR6, 2021, chapter 7 supplement, table 7.SM.7; R-410A is half R-32 and half R-125.
        (leaked(1, "R-134a"), 1_530_000),
        (leaked(1, "R-32"), 771_000),
        (leaked(2, "R-410A"), (771 + 3740) * 1000),
    ],
    ids=lambda value: getattr(value, "item", None),
)
def test_published_factors(line, grams):
    assert line.quantity.value == pytest.approx(grams)
    assert (line.scope, line.stage, line.criterion, line.basis) == ("1", "use", "gwp", "declared")
    assert line.quantity.low < line.quantity.value < line.quantity.high


@given(amounts, shares, st.floats(1e-3, 1e2))
def test_linear_in_the_amount_and_in_the_share(amount, share, factor):
    for of in (burnt, leaked):
        whole = of(amount).quantity.value
        assert of(amount, share=share).quantity.value == pytest.approx(whole * share)
        assert of(amount * factor).quantity.value == pytest.approx(whole * factor)


def test_names_are_read_in_any_case():
    assert burnt(1, "DIESEL").quantity.value == burnt(1, "diesel").quantity.value
    assert leaked(1, "r-410a").quantity.value == leaked(1).quantity.value


@pytest.mark.parametrize("of", [burnt, leaked])
@pytest.mark.parametrize("amount", [-1, math.nan, math.inf, True, "12", None, 10**400, 1e300])
def test_an_amount_that_cannot_be_is_refused(of, amount):
    with pytest.raises(SettingError, match="amount"):
        of(amount)


@pytest.mark.parametrize("of", [burnt, leaked])
@pytest.mark.parametrize("share", [0, -0.1, 1.1, math.nan, True, "half"])
def test_a_share_that_cannot_be_is_refused(of, share):
    with pytest.raises(SettingError, match="share"):
        of(1.0, share=share)


@pytest.mark.parametrize("name", ["", "coal", "x" * 10_000])
def test_a_factor_that_nobody_knows_is_not_made_up(name):
    with pytest.raises(SettingError, match="diesel, petrol") as error:
        burnt(1.0, name)
    assert len(str(error.value)) < 200
    with pytest.raises(SettingError, match="R-134a"):
        leaked(1.0, name)
