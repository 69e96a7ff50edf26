"""Hosts other than JupyterLab: marimo and Voilà, each with a real server."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import BrowserContext, Page

from tests.browser import lab
from tests.browser.widget import Widget

START_TIMEOUT = 120.0
PATIENCE = 120.0


@contextlib.contextmanager
def run_server(arguments: list[str], home: Path, address: str) -> Iterator[Path]:
    """Run ``python -m …`` until ``address`` answers; gives its log."""
    log = home / "server.log"
    folders = {name: str(home / name.lower()) for name in ("HOME", "XDG_CONFIG_HOME")}
    folders |= {name: str(home / name.lower()) for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME")}
    for folder in folders.values():
        Path(folder).mkdir(parents=True, exist_ok=True)
    environment = os.environ | lab.settings(home) | folders
    command = [sys.executable, "-m", *arguments]
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=home, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        end = time.monotonic() + START_TIMEOUT
        while not _answers(address):
            if time.monotonic() > end or server.poll() is not None:
                raise RuntimeError(f"{arguments[0]} did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.2)
        yield log
    finally:
        lab.stop(server)


def _answers(address: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=10):
        return True
    return False


@contextlib.contextmanager
def marimo(app: Path, home: Path, mode: str = "run") -> Iterator[str]:
    """Run marimo's server on a notebook; gives the page's address.

    ``mode`` is marimo's: ``run`` shows the outputs alone, ``edit`` the cells as well.
    """
    address = f"http://127.0.0.1:{(port := lab.free_port())}/"
    options = ["--headless", "--no-token", "--host", "127.0.0.1", "--port", str(port)]
    if mode == "edit":
        options.append("--skip-update-check")
    arguments = ["marimo", "--quiet", "--yes", mode, str(app), *options]
    with run_server(arguments, home, f"{address}health"):
        yield address


@contextlib.contextmanager
def voila(notebook: Path, home: Path) -> Iterator[str]:
    """Run Voilà's server on a notebook; gives the page's address."""
    port = lab.free_port()
    connections = home / "connections"
    connections.mkdir()
    options = [
        *("--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}"),
        f"--Voila.connection_dir_root={connections}",
    ]
    # Any page of the server but the notebook's: that one would start a kernel.
    address = f"http://127.0.0.1:{port}/"
    with run_server(["voila", str(notebook), *options], home, f"{address}voila/static/voila.js"):
        yield address


@contextlib.contextmanager
def visit(browser: BrowserContext, address: str) -> Iterator[Page]:
    """Open a page, patiently: hosts are large, and test machines small."""
    page = browser.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    try:
        page.goto(address, wait_until="commit")
        yield page
    finally:
        page.close()


def only_widget(page: Page, timeout: float = PATIENCE) -> Widget:
    """The page's widget, idle."""
    widget = Widget(None, page.locator(".iseg-widget"))
    widget.wait(timeout=timeout)
    return widget
