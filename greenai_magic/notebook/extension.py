"""How the extension comes into a shell, and how it goes and leaves nothing behind."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from greenai_magic.notebook import faces, magics
from greenai_magic.notebook.completion import option_matcher
from greenai_magic.notebook.session import Session
from greenai_magic.runs.settings import use_settings

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class Extension:
    """A session with its magics, settings and completion in the shell."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._session = Session(shell)
        shell.configurables.append(self._session.settings)
        magics.register(self._session)
        self._matcher = option_matcher(shell)
        shell.Completer.custom_matchers.append(self._matcher)
        faces.register(shell)
        # Opening the counters and learning what idle is need not wait for the first cell.
        self._opening = threading.Thread(target=_get_ready, name="greenai-open", daemon=True)
        self._opening.start()

    def leave(self) -> None:
        """Take everything back: no thread, no event handler, no configurable stays."""
        from greenai_magic.meter.discover import use_meter
        from greenai_magic.runs import clerk

        shell, settings = self._session.shell, self._session.settings
        if self._session.measures_every_cell:
            print("greenai: Cells are no longer measured by themselves; `%greenai auto on` brings that back.")
            self._session.measure_every_cell(on=False)
        magics.unregister(self._session)
        shell.configurables.remove(settings)
        shell.Completer.custom_matchers.remove(self._matcher)
        faces.unregister(shell)
        settings.unobserve_all()
        self._opening.join()
        clerk.close_ledger()
        use_settings(None)
        meter = use_meter(None)
        if meter is not None:
            meter.close()


def load(shell: InteractiveShell) -> None:
    """Load the extension into a shell; a second load replaces the first."""
    unload(shell)
    _loaded[id(shell)] = Extension(shell)


def unload(shell: InteractiveShell) -> None:
    """Take the extension out of a shell; nothing happens where it is not loaded."""
    extension = _loaded.pop(id(shell), None)
    if extension is not None:
        extension.leave()


def _get_ready() -> None:
    from greenai_magic.meter.discover import default_meter
    from greenai_magic.notebook import display  # noqa: F401 - imported for the first card's sake

    default_meter()


_loaded: dict[int, Extension] = {}
