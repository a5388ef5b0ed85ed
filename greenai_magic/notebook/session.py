"""What one kernel holds while the extension is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenai_magic.footprint.place import Place, find_place
from greenai_magic.notebook.settings import configured
from greenai_magic.runs.settings import environment_texts

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from greenai_magic.estimate.forecast import Forecast, Verdict
    from greenai_magic.notebook.automatic import Automatic


class Session:
    """One kernel's shell, its settings, whether every cell is measured, and what was forecast.

    Attributes
    ----------
    forecast : Forecast or None
        The last one of a whole job.
    probes : set of str
        Ids of the runs that were probes.
    verdicts : mapping of str to tuple of Verdict
        How forecasts came out, by the id of the run; later ones learn from them.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.settings, problems = configured(environment_texts(), shell.config.get("GreenAI", {}))
        self.automatic: Automatic | None = None
        self.forecast: Forecast | None = None
        self.probes: set[str] = set()
        self.verdicts: dict[str, tuple[Verdict, ...]] = {}
        for sentence in problems:
            print(f"greenai: {sentence}")

    def measure_every_cell(self, *, on: bool) -> None:
        """Begin or end measuring every cell."""
        from greenai_magic.notebook.automatic import Automatic

        if self.automatic is None:
            self.automatic = Automatic(self.shell, self.settings)
        self.automatic.switch(on=on)

    @property
    def measures_every_cell(self) -> bool:
        """Whether every cell is measured."""
        return self.automatic is not None and self.automatic.on

    def place(self) -> Place:
        """Return where the electricity of this kernel comes from."""
        return find_place(self.settings.country, pue=self.settings.pue)
