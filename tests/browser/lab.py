"""Drive a real JupyterLab: start the server, open a notebook in Chromium, click in the widget."""

from __future__ import annotations

import ast
import asyncio
import base64
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jupyter_client.asynchronous.client import AsyncKernelClient
from numpy.typing import NDArray
from playwright.sync_api import BrowserContext, Locator, Page, ViewportSize, sync_playwright

from tests.browser import chromium
from tests.browser.widget import Comparison, Widget

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
START_TIMEOUT = 120.0
SIZE: ViewportSize = {"width": 1280, "height": 960}

T = TypeVar("T")


# ------------------------------------------------------------------------------------------ server
@dataclass(frozen=True)
class Lab:
    """A running server and the folder it was given; ``place``: the notebooks' address."""

    url: str
    token: str
    folder: Path
    log: Path
    runtime: Path
    place: str = "lab/tree"

    def address(self, notebook: str) -> str:
        """Page address of a notebook in the server's folder."""
        return f"{self.url}{self.place}/{notebook}?reset&token={self.token}"

    def sessions(self) -> list[dict[str, Any]]:
        """Kernel sessions that are open now."""
        request = urllib.request.Request(
            f"{self.url}api/sessions", headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            sessions: list[dict[str, Any]] = json.load(reply)
        return sessions


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(home: Path) -> dict[str, str]:
    """Folders of the server's own, so that neither reads nor changes what the person has."""
    names = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    folders = {name: str(home / folder) for name, folder in names.items()}
    for folder in folders.values():
        Path(folder).mkdir(parents=True, exist_ok=True)
    page = home / "config" / "labconfig" / "page_config.json"
    page.parent.mkdir(exist_ok=True)
    news = {"@jupyterlab/apputils-extension:announcements": True}
    page.write_text(json.dumps({"disabledExtensions": news}))
    return folders | {"JUPYTER_PREFER_ENV_PATH": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


@contextlib.contextmanager
def serve(notebooks: list[Path], home: Path, *, app: str = "jupyterlab") -> Iterator[Lab]:
    """Run JupyterLab on copies of the notebooks, in ``home``, on a free port.

    ``app="notebook"`` runs Notebook 7 instead.
    """
    folder = home / "notebooks"
    folder.mkdir(parents=True)
    for notebook in notebooks:
        shutil.copy(notebook, folder)
    environment = os.environ | settings(home)
    token = secrets.token_hex(16)
    log = home / "jupyterlab.log"
    command = [
        *(sys.executable, "-m", app, "--no-browser", "--allow-root"),
        "--expose-app-in-browser",
        "--LabApp.extension_manager=readonly",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={free_port()}",
        "--ServerApp.port_retries=50",
        f"--ServerApp.root_dir={folder}",
        "--ServerApp.terminals_enabled=False",
        f"--IdentityProvider.token={token}",
    ]
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        runtime = home / "runtime"
        url = _wait_for_server(server, runtime, log)
        place = "lab/tree" if app == "jupyterlab" else "notebooks"
        yield Lab(url, token, folder, log, runtime, place)
    finally:
        stop(server)


def stop(server: subprocess.Popen[bytes]) -> None:
    """End a server; it ends its kernels."""
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()  # kernels notice that their parent is gone
        server.wait()


def _wait_for_server(server: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """Address of the server, once it answers."""
    record = runtime / f"jpserver-{server.pid}.json"
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            url: str = json.loads(record.read_text())["url"]
            with urllib.request.urlopen(f"{url}api", timeout=10):
                return url
        time.sleep(0.2)
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-4000:]}")


# ----------------------------------------------------------------------------------------- browser
@contextlib.contextmanager
def browse(size: ViewportSize = SIZE) -> Iterator[BrowserContext]:
    """Run a Chromium without a display; ``size`` of its pages in CSS pixels."""
    path = chromium.find()
    if path is None:
        raise RuntimeError("no Chromium found: `make chromium` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS, headless=True)
        try:
            # One context: its pages share the cache, and Lab is large.
            yield browser.new_context(viewport=size)
        finally:
            browser.close()


@contextlib.contextmanager
def open_page(lab: Lab, browser: BrowserContext, name: str) -> Iterator[Notebook]:
    """Give a notebook a page of its own, not loaded yet."""
    notebook = Notebook(lab, browser.new_page(), name)
    try:
        yield notebook
    finally:
        notebook.close()
        notebook.page.close()


class Kernel:
    """Python values of the notebook's kernel, over a second connection to it."""

    def __init__(self, connection_file: Path) -> None:
        # Playwright runs an event loop in the test's thread: the kernel's sockets live in another.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kernel")
        self._runner = asyncio.Runner()
        self._client = AsyncKernelClient(connection_file=str(connection_file))
        self._do(self._connect())

    def _do(self, task: Coroutine[Any, Any, T]) -> T:
        return self._thread.submit(self._runner.run, task).result()

    async def _connect(self) -> None:
        self._client.load_connection_file()
        self._client.start_channels()
        await self._client.wait_for_ready(timeout=60)

    def run(self, code: str, *, timeout: float = 120) -> None:
        """Run statements; raises ``RuntimeError`` with the traceback when they fail."""
        self._execute(code, {}, timeout)

    def value(self, expression: str, *, timeout: float = 120) -> Any:
        """Value of an expression that JSON can carry."""
        return json.loads(self.text(f"__import__('json').dumps({expression})", timeout=timeout))

    def text(self, expression: str, *, timeout: float = 120) -> str:
        """Value of an expression that is a ``str``."""
        reply = self._execute("", {"value": expression}, timeout)["user_expressions"]["value"]
        if reply["status"] != "ok":
            raise RuntimeError("\n".join(reply["traceback"]))
        text: str = ast.literal_eval(reply["data"]["text/plain"])
        return text

    def mask(self, expression: str) -> NDArray[np.bool_]:
        """Value of an expression that is an ``(H, W)`` bool array."""
        packed = self.value(
            f"(lambda m: [m.shape, __import__('base64').b64encode("
            f"__import__('numpy').packbits(m).tobytes()).decode()])({expression})"
        )
        (height, width), data = packed
        bits = np.frombuffer(base64.b64decode(data), np.uint8)
        return np.unpackbits(bits, count=height * width).astype(bool).reshape(height, width)

    def _execute(self, code: str, expressions: dict[str, str], timeout: float) -> dict[str, Any]:
        return self._do(asyncio.wait_for(self._answer(code, expressions), timeout))

    async def _answer(self, code: str, expressions: dict[str, str]) -> dict[str, Any]:
        message = self._client.execute(
            code, silent=not code, store_history=False, user_expressions=expressions
        )
        while True:
            reply = await self._client.get_shell_msg()
            if reply["parent_header"].get("msg_id") == message:
                content: dict[str, Any] = reply["content"]
                if content["status"] != "ok":
                    raise RuntimeError("\n".join(content.get("traceback", [content["status"]])))
                return content

    def close(self) -> None:
        """Disconnect; the kernel goes on."""
        self._do(self._disconnect())
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    async def _disconnect(self) -> None:
        self._client.stop_channels()


class Notebook:
    """One notebook in one page of JupyterLab."""

    def __init__(self, lab: Lab, page: Page, name: str) -> None:
        self.lab = lab
        self.page = page
        self.name = name
        self.messages: list[str] = []
        self._kernel: Kernel | None = None
        page.on("console", lambda message: self.messages.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.messages.append(f"pageerror: {error}"))

    def load(self, timeout: float = 90) -> None:
        """Open the page and wait until the kernel is ready."""
        self.page.goto(self.lab.address(self.name), wait_until="domcontentloaded")
        self.page.wait_for_function(
            """() => {
                const panel = window.jupyterapp?.shell.currentWidget;
                return panel?.context?.isReady && panel.content?.widgets?.length
                    && panel.sessionContext.isReady
                    && panel.sessionContext.session?.kernel?.status === 'idle';
            }""",
            timeout=timeout * 1000,
        )

    @property
    def kernel(self) -> Kernel:
        """The notebook's kernel."""
        if self._kernel is None:
            session = next(s for s in self.lab.sessions() if s["path"] == self.name)
            file = self.lab.runtime / f"kernel-{session['kernel']['id']}.json"
            self._kernel = Kernel(file)
        return self._kernel

    def run_all(self, timeout: float = 180) -> None:
        """Run every cell, as the menu entry does; raises ``RuntimeError`` when one fails."""
        command = "notebook:run-all-cells"
        ran = self.page.evaluate(
            """([command, limit]) => Promise.race([
                window.jupyterapp.commands.execute(command).then(() => true),
                new Promise(done => setTimeout(() => done(false), limit)),
            ])""",
            [command, timeout * 1000],
        )
        if not ran:
            raise TimeoutError(f"the cells of {self.name} did not finish within {timeout} s")
        errors = self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .flatMap(cell => cell.model.type === 'code' ? cell.model.outputs.toJSON() : [])
                .filter(output => output.output_type === 'error')
                .map(output => output.traceback.join('\\n'))"""
        )
        if errors:
            raise RuntimeError("\n".join(errors))

    def add_cell(self, code: str) -> None:
        """Append a cell with this code and run it."""
        self.page.evaluate(
            """async code => {
                const {commands, shell} = window.jupyterapp;
                const content = shell.currentWidget.content;
                content.activeCellIndex = content.widgets.length - 1;
                await commands.execute('notebook:insert-cell-below');
                content.activeCell.model.sharedModel.setSource(code);
                await commands.execute('notebook:run-cell');
            }""",
            code,
        )

    def cell_count(self) -> int:
        """Number of cells in the notebook."""
        count: int = self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
        )
        return count

    def restart(self) -> None:
        """Restart the kernel; no cell is run."""
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
        )

    def save(self) -> Path:
        """Save the notebook and return its file."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")
        return self.lab.folder / self.name

    def widget(self, index: int = 0) -> Widget:
        """The ``index``-th segmentation widget of the notebook, in view and idle."""
        widget = Widget(self, self._show(index))
        widget.wait()
        return widget

    def comparison(self, index: int = 0) -> Comparison:
        """The ``index``-th widget of the notebook, which is a comparison, in view and idle."""
        comparison = Comparison(self, self._show(index))
        comparison.wait()
        return comparison

    def _show(self, index: int) -> Locator:
        """Bring the ``index``-th output with a widget into view."""
        self.page.evaluate(  # Lab keeps cells that are out of view out of the page
            """async index => {
                const type = 'application/vnd.jupyter.widget-view+json';
                const content = window.jupyterapp.shell.currentWidget.content;
                const cells = [...content.widgets.keys()].filter(i => {
                    const model = content.widgets[i].model;
                    return model.type === 'code'
                        && model.outputs.toJSON().some(output => type in (output.data ?? {}));
                });
                content.activeCellIndex = cells[index];
                await content.scrollToItem(cells[index], 'center');
            }""",
            index,
        )
        cell = self.page.locator(".jp-Notebook .jp-Cell.jp-mod-active")
        return cell.locator(".iseg-widget")

    def record(self, folder: Path) -> None:
        """Leave what there is to see: a screenshot, the page's console and the server's log."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "console.txt").write_text("\n".join(self.messages))
        shutil.copy(self.lab.log, folder)
        self.page.screenshot(path=folder / "page.png")

    def close(self) -> None:
        """Disconnect from the kernel and end it, so that tests do not share memory or names."""
        if self._kernel is not None:
            self._kernel.close()
        with contextlib.suppress(Exception):
            self.page.evaluate(
                "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"
            )
