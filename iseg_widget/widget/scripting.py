"""What a notebook's code does with the widget: callbacks, waiting for a click, files."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from iseg_widget.clicks import Click
from iseg_widget.widget.acting import Acting

ClickCallback = Callable[[Click], object]


class ScriptActions(Acting):
    """Callbacks on clicks, waiting for a person, and files."""

    _click_callbacks: list[ClickCallback]

    def on_click(self, callback: ClickCallback, *, remove: bool = False) -> None:
        """Call ``callback(click)`` when a click is in the mask, whoever made it.

        It runs on the widget's own thread: inside, the widget's ``mask``, ``step`` and the like
        are those with the click, and nothing waits. What it raises is shown on the page.
        """
        if remove:
            self._click_callbacks.remove(callback)
        else:
            self._click_callbacks.append(callback)

    async def next_click(self) -> Click:
        """Wait for the next click and return it, once it is in the mask.

        For use inside a task (``asyncio.create_task``), so that no cell blocks: a kernel that runs
        a cell takes no messages of the page.
        """
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[Click] = loop.create_future()

        def tell(click: Click) -> None:
            def settle() -> None:
                if not arrived.done():
                    arrived.set_result(click)

            with contextlib.suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(settle)

        self.on_click(tell)
        try:
            return await arrived
        finally:
            self.on_click(tell, remove=True)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything as one JSON: objects, masks, clicks, options, versions.

        :meth:`iseg_widget.SegmentationWidget.load` goes on from it.
        """
        self._wait()
        return self._desk.annotation.save(path)

    def export(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,  # noqa: A002
        *,
        classes: Sequence[str] | None = None,
        **settings: Any,
    ) -> Path:
        """Write the objects that have pixels for other tools; see :func:`iseg_widget.export.save`.

        ``classes``: class names in the order of their numbers; default: the declared labels.
        """
        from iseg_widget.export import LabelledImage, save

        self._wait()
        annotation = self._desk.annotation
        found = annotation.to_labelled()
        kept = tuple(item for item in found.objects if item.mask.any())
        image = LabelledImage(found.file_name, found.shape, kept)
        return save(image, path, format, classes=classes or list(annotation.labels), **settings)
