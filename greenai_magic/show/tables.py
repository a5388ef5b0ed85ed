"""Plain-text tables: the history of runs and the state of a kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from greenai_magic.footprint.impacts import assess
from greenai_magic.footprint.place import Place
from greenai_magic.meter.measurement import Measurement
from greenai_magic.quantity import show
from greenai_magic.runs.ledger import Total
from greenai_magic.runs.run import Run
from greenai_magic.show.rows import aligned
from greenai_magic.show.words import at_least, figure, label, score_figure

_NAME = 24


def history_text(runs: Sequence[Run], totals: Sequence[Total]) -> str:
    """Return the runs as a table, newest first, with the totals below; failed ones count too."""
    if not totals:
        return "The ledger is empty: put %%carbon on a cell."
    head = ("when (UTC)", "name", "status", "duration", "energy", "CO2e", "scores")
    rows = [
        (
            f"{run.started_at:%Y-%m-%d %H:%M}",
            label(run.name)[:_NAME],
            run.status,
            show(run.measurement.duration),
            figure(run.measurement.machine),
            at_least(figure(run.footprint.gwp)),
            ", ".join(f"{label(name)} {score_figure(score)}" for name, score in run.scores.items()),
        )
        for run in runs
    ]
    lines = list(aligned([head, *rows]))
    lines += ["", "All runs in this ledger:"]
    lines += [
        f"  {total.group:<12} {total.count:>5}   {show(total.duration)}   {figure(total.machine)}   "
        f"{at_least(figure(total.gwp))}"
        for total in totals
    ]
    return "\n".join(lines)


def status_text(
    kernel: Measurement,
    sources: Mapping[str, str],
    notes: Sequence[str],
    place: Place,
    *,
    auto: bool,
) -> str:
    """Return what is measured here, where, and what was used in this kernel's lifetime so far.

    ``notes`` are those on the machine; what else the kernel's measurement notes is about its figures.
    """
    lines = ["Measured here"]
    lines += [
        f"  {component:<10} {energy.basis:<9} {sources[component]}"
        for component, energy in kernel.by_component.items()
    ]
    lines += [f"  {note}" for note in notes]
    co2e = assess(kernel.machine, place).gwp
    lines += [
        f"Place: {place.name}, {show(place.grid_intensity)}, PUE {show(place.pue)}",
        f"  {place.grid_intensity.source}",
    ]
    lines += [f"  {place.hint}"] if place.hint else []
    own = "not assessed" if kernel.attributed is None else figure(kernel.attributed)
    lines += [
        "Since the counters were opened, cells and pauses together",
        f"  this machine  {show(kernel.duration)}   {figure(kernel.machine)}   {at_least(figure(co2e))}",
        f"  this kernel   {own}",
        *(f"  {note}" for note in kernel.notes if note not in notes),
        f"Every cell is measured: {'yes' if auto else 'no (`%greenai auto on`)'}",
    ]
    return "\n".join(lines)
