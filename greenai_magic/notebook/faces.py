"""How facts are shown that a cell ends with: which type has which faces in this shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenai_magic.notebook.flops import FLOPS_FACES

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from greenai_magic.footprint.impacts import Footprint


def _html(footprint: Footprint) -> str:
    from greenai_magic.show.footprint import describe_footprint, footprint_to_html

    return footprint_to_html(describe_footprint(footprint))


def _text(footprint: Footprint, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - IPython's contract
    from greenai_magic.show.footprint import describe_footprint, footprint_to_text

    # Within a list or a dict, one line says enough.
    alone = not cycle and len(printer.stack) == 1
    printer.text(footprint_to_text(describe_footprint(footprint)) if alone else repr(footprint))


_FACES = {
    ("greenai_magic.flops.report", "FlopReport"): FLOPS_FACES,
    ("greenai_magic.footprint.impacts", "Footprint"): {"text/html": _html, "text/plain": _text},
}


def register(shell: InteractiveShell) -> None:
    """Give the types their faces; nothing of them is imported before one is shown."""
    for home, faces in _FACES.items():
        for kind, write in faces.items():
            shell.display_formatter.formatters[kind].for_type_by_name(*home, write)


def unregister(shell: InteractiveShell) -> None:
    """Take the faces back."""
    for home, faces in _FACES.items():
        for kind in faces:
            shell.display_formatter.formatters[kind].pop(".".join(home), None)
