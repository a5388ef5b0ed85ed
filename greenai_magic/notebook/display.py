"""Show a run, or one sentence about what went wrong; never more than that."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.display import publish_display_data

from greenai_magic.errors import GreenAIError
from greenai_magic.runs import clerk
from greenai_magic.runs.measure import Measuring
from greenai_magic.runs.run import Run, Status
from greenai_magic.show.card import describe, to_html, to_text

if TYPE_CHECKING:
    from greenai_magic.flops.report import FlopReport
    from greenai_magic.footprint.impacts import Footprint


def show_run(run: Run) -> None:
    """Display the card of a run; front ends choose the richest face that they can show."""
    view = describe(run)
    publish_display_data({"text/html": to_html(view), "text/plain": to_text(view)})


def conclude(measuring: Measuring, status: Status, *, shown: bool) -> None:
    """Keep a run whose window is closed, and show its card or nothing.

    Without a card the run is kept a moment later, so why an earlier one could not be kept is said here.
    """
    attempt("The run is not kept", lambda: measuring.finish(status, wait=shown))
    trouble = clerk.untold_trouble()
    if shown:
        attempt("The card cannot be shown", lambda: show_run(measuring.run))
    elif trouble:
        print(f"greenai: {trouble}")


def attempt(consequence: str, step: Callable[[], object]) -> bool:
    """Do a step of the measuring; a failure becomes one sentence and leaves the user's cell alone.

    Returns
    -------
    bool
        Whether the step succeeded.
    """
    try:
        step()
    except Exception as error:  # noqa: BLE001 - whatever fails here must not hide the user's result
        kind = "" if isinstance(error, GreenAIError) else f"{type(error).__name__}: "
        print(f"greenai: {consequence}: {kind}{' '.join(str(error).split())}")
        return False
    return True


def show_footprint(footprint: Footprint) -> None:
    """Display a footprint."""
    from greenai_magic.show.footprint import describe_footprint, footprint_to_html, footprint_to_text

    view = describe_footprint(footprint)
    publish_display_data({"text/html": footprint_to_html(view), "text/plain": footprint_to_text(view)})


def show_flops(report: FlopReport, **how: Any) -> None:
    """Display a report of operations; ``how`` is depth, sort and by, as ``describe_flops`` takes them."""
    from greenai_magic.show.flops import describe_flops, flops_to_html, flops_to_text

    view = describe_flops(report, **how)
    publish_display_data({"text/html": flops_to_html(view), "text/plain": flops_to_text(view)})
