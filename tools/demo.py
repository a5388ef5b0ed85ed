"""Run the first tutorial in a kernel of its own and print what its cells cost."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

TUTORIAL = Path(__file__).parent.parent / "notebooks" / "01_first_cell.ipynb"


def main() -> int:
    """Run the tutorial; return the exit status."""
    import nbformat
    from nbclient import NotebookClient
    from traitlets.config import Config

    notebook = nbformat.read(TUTORIAL, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        # A demonstration is none of the user's experiments.
        os.environ["GREENAI_LEDGER"] = str(Path(folder) / "ledger.sqlite")
        print(f"Running {TUTORIAL.name}: a simple model, then a larger one, on scikit-learn's digits...\n")
        # Sockets in the file system: over TCP the kernel warns about encryption at every start.
        config = Config(KernelManager={"transport": "ipc"})
        NotebookClient(notebook, timeout=600, kernel_name="python3", config=config).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            print("\n".join(filter(None, map(plain_text, cell.outputs))), end="\n\n" if cell.outputs else "")
    return 0


def plain_text(output: Any) -> str:
    """Return what a terminal would show of one output of a cell."""
    if output.output_type == "stream":
        return str(output.text).rstrip()
    return str(output.get("data", {}).get("text/plain", "")).rstrip()


if __name__ == "__main__":
    sys.exit(main())
