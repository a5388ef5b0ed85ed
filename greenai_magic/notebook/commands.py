"""What `%greenai` can do: one function a command, of the command's own name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from greenai_magic.meter.discover import default_meter
from greenai_magic.notebook.display import show_run
from greenai_magic.notebook.magics import WITH_OPTIONS
from greenai_magic.runs import clerk
from greenai_magic.runs.measure import last_run
from greenai_magic.runs.settings import current_settings
from greenai_magic.show.card import explain
from greenai_magic.show.footprint import boundary_to_text, describe_footprint
from greenai_magic.show.tables import history_text, status_text

if TYPE_CHECKING:
    from argparse import Namespace

    from greenai_magic.notebook.session import Session

RUNS_SHOWN = 10
_NOTHING_YET = "Nothing measured yet in this kernel: put %%carbon on a cell."


def status(session: Session, _options: Namespace) -> None:
    """Say what is measured here and what this kernel has used since the extension was loaded."""
    meter = default_meter()
    sources = {counter.component: counter.label for counter in meter.counters}
    print(
        status_text(
            meter.kernel.measure(),
            sources,
            meter.notes,
            session.place(),
            auto=session.measures_every_cell,
        )
    )


def history(_session: Session, options: Namespace) -> None:
    """List the last runs of the ledger, and its totals."""
    clerk.catch_up()
    ledger = clerk.ledger_at(current_settings().ledger)
    print(history_text(ledger.runs(options.n or RUNS_SHOWN), ledger.totals("status")))
    if ledger.waiting:
        print(f"Not in the file yet, and so not above: {ledger.waiting} of the last runs.")


def last(_session: Session, options: Namespace) -> None:
    """Show the last run again, or the formulas behind it."""
    run = last_run()
    if run is None:
        raise UsageError(_NOTHING_YET)
    if options.explain:
        print(explain(run))
    else:
        show_run(run)


def boundary(_session: Session, _options: Namespace) -> None:
    """Show what the footprint of the last run covers, and what it leaves out."""
    run = last_run()
    if run is None:
        raise UsageError(_NOTHING_YET)
    print(boundary_to_text(describe_footprint(run.footprint)))


def config(session: Session, _options: Namespace) -> None:
    """Print the settings and how to change them."""
    session.shell.run_line_magic("config", "GreenAI")


def auto(session: Session, options: Namespace) -> None:
    """Measure every cell from the next one on, or stop doing so."""
    if options.value is None:
        msg = "Write `%greenai auto on` or `%greenai auto off`."
        raise UsageError(msg)
    session.measure_every_cell(on=options.value == "on")
    print(
        "Every cell is measured from now on."
        if options.value == "on"
        else "Only %%carbon cells are measured."
    )


def help(session: Session, _options: Namespace) -> None:  # noqa: A001 - the command's own name
    """Print what `%greenai` and `%%carbon` take."""
    magics = session.shell.magics_manager.magics
    for magic in (magics["line"]["greenai"], *map(with_options, WITH_OPTIONS), magics["cell"]["carbon"]):
        print(magic.parser.format_help())


def with_options(command: str) -> Any:
    """Return the function of a command that has a parser of its own."""
    module = import_module(f"greenai_magic.notebook.{command}")
    return getattr(module, command)
