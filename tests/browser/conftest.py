"""One JupyterLab and one Chromium for each file of tests, one page and kernel for each test."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import BrowserContext

from tests.browser import chromium, lab

HERE = Path(__file__).parent
WIDGET_CELLS = [
    "import iseg_widget as iseg\nsample = iseg.datasets.load('demo')[0]",
    "w = iseg.SegmentationWidget(sample.image)\nw",
]
WIDGET_NOTEBOOK = "widget.ipynb"

OpenNotebook = Callable[[str], lab.Notebook]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the browser."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell the fixtures whether the test failed."""
    report = yield
    if call.when == "call":
        item.stash[FAILED] = report.failed
    return report


FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    """Chromium."""
    if chromium.find() is None:
        pytest.fail("no Chromium found: `make chromium` installs it")
    with lab.browse() as running:
        yield running


def write_widget_notebook(folder: Path) -> None:
    """Write a notebook that only shows a widget."""
    quick = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code) for code in WIDGET_CELLS],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(quick, folder / WIDGET_NOTEBOOK)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Iterator[lab.Lab]:
    """JupyterLab with the project's notebooks and one that only shows a widget."""
    home = tmp_path_factory.mktemp("lab")
    write_widget_notebook(home)
    notebooks = [home / WIDGET_NOTEBOOK, *sorted((project_root / "notebooks").glob("*.ipynb"))]
    with lab.serve(notebooks, home / "server") as running:
        yield running


@pytest.fixture
def open_notebook(
    server: lab.Lab, browser: BrowserContext, request: pytest.FixtureRequest, project_root: Path
) -> Iterator[OpenNotebook]:
    """Open a notebook and run its cells; leaves pictures and logs when the test fails."""
    opened: list[lab.Notebook] = []
    with contextlib.ExitStack() as stack:

        def open_and_run(name: str) -> lab.Notebook:
            notebook = stack.enter_context(lab.open_page(server, browser, name))
            opened.append(notebook)
            notebook.load()
            notebook.run_all()
            return notebook

        yield open_and_run
        if request.node.stash.get(FAILED, True):
            name = re.sub(r"\W+", "-", request.node.name).strip("-")
            for number, notebook in enumerate(opened):
                notebook.record(project_root / "test-results" / f"{name}-{number}")


@pytest.fixture
def notebook(server: lab.Lab, open_notebook: OpenNotebook) -> lab.Notebook:
    """A notebook whose variable ``w`` is a widget on ``sample``; its cells ran."""
    write_widget_notebook(server.folder)  # Lab may have saved the cells of a slow test before
    return open_notebook(WIDGET_NOTEBOOK)
