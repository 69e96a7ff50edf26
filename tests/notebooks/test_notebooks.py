"""Every notebook runs from the first to the last cell, and none carries outputs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from iseg_widget.methods.registry import list_methods

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def notebook(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def lacking(path: Path) -> str:
    """Return the method that a paper's notebook (``NN_METHOD``) is about if it has no weights."""
    name = path.stem.partition("_")[2]
    return name if name in set(list_methods()) - set(list_methods(loadable=True)) else ""


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


def test_is_valid_and_carries_no_outputs(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


@pytest.mark.notebook
def test_runs(
    path: Path, notebook: nbformat.NotebookNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lacking(path):
        pytest.skip(f"no weights of {lacking(path)} come with the package")
    # Notebooks find their results beside them.
    (tmp_path / "results").symlink_to(FOLDER / "results", target_is_directory=True)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    resources = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources)
    asyncio.run(client.async_execute())
    assert any(cell.get("outputs") for cell in notebook.cells)
