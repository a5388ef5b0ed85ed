"""Before and after, without a meter: predicted, recalculated and imported footprints, and why they differ."""

from greenai_magic.estimate.aposteriori import estimate_aposteriori
from greenai_magic.estimate.apriori import estimate_apriori
from greenai_magic.estimate.lint.card import lint_card
from greenai_magic.estimate.reconcile import reconcile
from greenai_magic.estimate.restate import restate

__all__ = ["estimate_aposteriori", "estimate_apriori", "lint_card", "reconcile", "restate"]
