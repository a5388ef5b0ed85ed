"""The whole tutorial in a kernel that has no network at all."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

TUTORIAL = Path(__file__).parents[2] / "notebooks" / "01_first_cell.ipynb"
# Imported by every Python before anything else: the only sockets left are those in the file system.
NO_NETWORK = """
import os, socket

class LocalSocket(socket.socket):
    def __init__(self, family=-1, *args, **kwargs):
        if family not in (socket.AF_UNIX,) and "fileno" not in kwargs:
            with open(os.environ["ATTEMPTS"], "a") as attempts:
                attempts.write(f"socket of family {family}\\n")
            raise OSError("no network here")
        super().__init__(family, *args, **kwargs)

def no_names(host, *args, **kwargs):
    with open(os.environ["ATTEMPTS"], "a") as attempts:
        attempts.write(f"looked up {host}\\n")
    raise OSError("no network here")

socket.socket = LocalSocket
socket.getaddrinfo = no_names
"""


@pytest.mark.kernel
def test_the_tutorial_needs_no_network_and_asks_for_none(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    attempts = tmp_path / "attempts"
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("ATTEMPTS", str(attempts))
    monkeypatch.setenv("GREENAI_LEDGER", str(tmp_path / "ledger.sqlite"))
    notebook = nbformat.read(TUTORIAL, as_version=4)
    witness = nbformat.v4.new_code_cell("import socket\nprint(socket.socket.__name__)")
    notebook.cells.append(witness)
    config = Config(KernelManager={"transport": "ipc"})

    NotebookClient(notebook, timeout=300, kernel_name="python3", config=config).execute()

    assert notebook.cells[-1].outputs[0].text.strip() == "LocalSocket"
    cards = [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "greenai" in output.get("data", {}).get("text/html", "")
    ]
    assert len(cards) == 2
    assert not attempts.exists(), attempts.read_text()
