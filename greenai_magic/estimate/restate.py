"""Restate: an old footprint with newer factors beside it, and why the two differ."""

from __future__ import annotations

from dataclasses import dataclass, replace

from greenai_magic.errors import UnitError
from greenai_magic.estimate.reconcile import Reconciliation, reconcile
from greenai_magic.footprint.boundary import Boundary
from greenai_magic.footprint.impacts import Footprint, assess
from greenai_magic.footprint.left_out import unassessed
from greenai_magic.footprint.place import Place


@dataclass(frozen=True, slots=True)
class Restatement:
    """A footprint as it was told, and as newer factors tell it; the old one is never replaced.

    Attributes
    ----------
    old, new : Footprint
        Of the same energy.
    """

    old: Footprint
    new: Footprint

    @property
    def why(self) -> Reconciliation:
        """What lies between the two, cause by cause."""
        return reconcile(self.old, self.new)

    def __str__(self) -> str:
        return f"was {self.old}, is {self.new}: {self.why.sentence}"


def restate(old: Footprint, place: Place) -> Restatement:
    """Assess the energy of a footprint again with the factors of a place; what is not electricity stays.

    Parameters
    ----------
    old : Footprint
        As it was told.
    place : Place
        With the factors to use now.

    Returns
    -------
    Restatement
        The old footprint, unchanged, beside the new one.

    Raises
    ------
    UnitError
        If the footprint counts no electricity.
    """
    if old.energy_it is None:
        msg = "Only a footprint of electricity can be restated: this one does not keep its energy."
        raise UnitError(msg)
    kept = [line for line in old.lines if line.scope == "3" or (line.scope, line.criterion) == ("1", "gwp")]
    was = old.boundary or Boundary()
    declared = {cell: state for cell, state in was.cells.items() if state == "not relevant"}
    if not old.place.data_centre:
        # That a desk has no cooling water says nothing of the new place.
        declared.pop(("1", "use", "water"), None)
    own = set(unassessed(old.place, was))
    new = assess(
        old.energy_it,
        place,
        kept,
        boundary=replace(was, cells=declared),
        activity=old.activity,
        contributions=old.contributions,
        left_out=[text for text in old.not_assessed if text not in own],
        notes=old.notes,
    )
    return Restatement(old, new)
