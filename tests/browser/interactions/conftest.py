"""Everything a person can do, once by mouse, once by keyboard alone and once by touch.

All cases share one page of one JupyterLab; each begins with a clean widget, and says what must then
hold in the kernel and on the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import BrowserContext

from tests.browser import chromium, lab
from tests.browser.conftest import FAILED
from tests.browser.interactions.bench import FOLDER, SETUP, Bench
from tests.browser.interactions.hands import Fingers, Hand, Keyboard, Mouse

NOTEBOOK = "interactions.ipynb"
HANDS: dict[str, type[Hand]] = {"mouse": Mouse, "keyboard": Keyboard, "touch": Fingers}


@pytest.fixture(scope="package")
def screen() -> Iterator[BrowserContext]:
    """Chromium on a screen that takes fingers."""
    if chromium.find() is None:
        pytest.fail("no Chromium found: `make chromium` installs it")
    with lab.browse() as running:
        assert running.browser is not None
        with running.browser.new_context(viewport=lab.SIZE, has_touch=True) as context:
            yield context


@pytest.fixture(scope="package")
def page(
    screen: BrowserContext, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[lab.Notebook]:
    """One page for all cases: a widget on one picture, and one on a folder."""
    home = tmp_path_factory.mktemp("interactions")
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code) for code in (SETUP, "w", FOLDER)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(made, home / NOTEBOOK)
    with (
        lab.serve([home / NOTEBOOK], home / "server") as server,
        lab.open_page(server, screen, NOTEBOOK) as notebook,
    ):
        notebook.load()
        notebook.run_all()
        yield notebook


@pytest.fixture(scope="package")
def hands(page: lab.Notebook) -> dict[str, Hand]:
    """The ways to use the widget."""
    widget = page.widget()
    return {name: hand(widget) for name, hand in HANDS.items()}


@pytest.fixture(params=HANDS)
def bench(
    page: lab.Notebook,
    hands: dict[str, Hand],
    request: pytest.FixtureRequest,
    project_root: Path,
) -> Iterator[Bench]:
    """The widget, clean, in one of the hands."""
    one = Bench(page, hands[request.param])
    one.fresh()
    yield one
    if request.node.stash.get(FAILED, True):
        name = re.sub(r"\W+", "-", request.node.name).strip("-")
        page.record(project_root / "test-results" / name)
