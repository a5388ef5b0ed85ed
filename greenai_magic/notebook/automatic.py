"""`%greenai auto on`: measure every cell, through the shell's own events."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from greenai_magic.notebook.display import attempt, conclude
from greenai_magic.runs.labels import Labels
from greenai_magic.runs.measure import Measuring, outcome

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

    from greenai_magic.notebook.settings import GreenAI

# A cell that chooses what of it is measured, on whichever line, and one that is about measuring.
_MEASURES_ITSELF = re.compile(r"^\s*%%?carbon\b|\A\s*%(greenai|(un|re)?load_ext)\b", re.MULTILINE)


class Automatic:
    """The two event handlers, and the run of the cell under way.

    ``pre_run_cell`` and ``post_run_cell`` pair up on errors, interrupts and awaiting cells, and nest
    when a cell runs another.
    """

    def __init__(self, shell: InteractiveShell, settings: GreenAI) -> None:
        self._shell = shell
        self._settings = settings
        self._runs: list[Measuring | None] = []
        self.on = False

    def switch(self, *, on: bool) -> None:
        """Begin or end measuring every cell; the one under way is kept as far as it went."""
        if on == self.on:
            return
        for measuring in filter(None, self._runs):
            conclude(measuring, "ok", shown=False)
        act = self._shell.events.register if on else self._shell.events.unregister
        act("pre_run_cell", self._before)
        act("post_run_cell", self._after)
        self._runs.clear()
        self.on = on

    def _before(self, info: ExecutionInfo) -> None:
        source = info.raw_cell or ""
        # The outermost cell is the user's; what measures itself needs no second card.
        measured = not self._runs and not _MEASURES_ITSELF.search(source)
        self._runs.append(self._started(source) if measured else None)

    def _started(self, source: str) -> Measuring | None:
        begun: list[Measuring] = []

        def start() -> None:
            measuring = Measuring(Labels("cell", source=source))
            measuring.start()
            begun.append(measuring)

        return begun[0] if attempt("This cell is not measured", start) else None

    def _after(self, result: ExecutionResult) -> None:
        # The cell that switched this on ends without having begun.
        measuring = self._runs.pop() if self._runs else None
        if measuring is None or not attempt("This cell's figures are lost", measuring.stop):
            return
        if result.error_before_exec is not None:
            # A mistake in writing has run nothing.
            measuring.discard()
            return
        conclude(measuring, outcome(result.error_in_exec), shown=self._settings.card)
