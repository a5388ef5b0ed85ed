"""Contributions: offsets and avoided emissions, told apart from the footprint and never taken from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from greenai_magic.errors import UnitError
from greenai_magic.quantity import Quantity, show

Kind = Literal["offset", "avoided", "provider offset claim"]
HEADING = "Contributions, not part of the footprint and not deducted from it"


@dataclass(frozen=True, slots=True)
class Contribution:
    """Something that somebody says of the climate and that is no part of a footprint.

    Attributes
    ----------
    kind : str
        ``"offset"`` (bought), ``"avoided"`` (elsewhere) or ``"provider offset claim"``.
    amount : Quantity
        In g CO2e; no code subtracts it from anything.
    note : str
        What was financed or claimed, by whom.
    """

    kind: Kind
    amount: Quantity
    note: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind) or self.amount.unit != "g CO2e":
            kinds = ", ".join(get_args(Kind))
            msg = f"A contribution is one of {kinds}, in g CO2e, not {self.kind!r} in {self.amount.unit}."
            raise UnitError(msg)

    def to_dict(self) -> dict[str, Any]:
        """Return plain types that JSON can hold, nothing lost."""
        return {"kind": self.kind, "amount": self.amount.to_dict(), "note": self.note}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Contribution:
        """Return the contribution that ``to_dict`` described."""
        return cls(plain["kind"], Quantity.from_dict(plain["amount"]), plain["note"])


def contributions_text(contributions: Iterable[Contribution]) -> str:
    """Return contributions as a table of their own, headed so that nobody deducts them."""
    rows = [f"  {c.kind:<22} {show(c.amount)}  {c.note}".rstrip() for c in contributions]
    return "\n".join((HEADING, *rows))
