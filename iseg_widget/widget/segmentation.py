"""``SegmentationWidget``: click in the notebook, see the mask."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from iseg_widget.annotation import Annotation
from iseg_widget.clicks import Click
from iseg_widget.methods.registry import build_options, list_methods, method_title
from iseg_widget.protocol import Method, Step
from iseg_widget.session import Session
from iseg_widget.widget import messages, queue_thumbnails
from iseg_widget.widget.actions import Act, UseMethod, WarmUp, job_of
from iseg_widget.widget.autosave import Autosave, AutosaveActions, Loader, begun
from iseg_widget.widget.codec import still_png
from iseg_widget.widget.desk import Desk, Given, Published, clicking
from iseg_widget.widget.messages.queue import GetThumbnail
from iseg_widget.widget.messages.tiles import GetTile
from iseg_widget.widget.objects import ObjectActions
from iseg_widget.widget.queue import QueueActions, album_of
from iseg_widget.widget.scripting import ClickCallback, ScriptActions
from iseg_widget.widget.teaching import TeachingActions
from iseg_widget.widget.threaded import MIN_HEIGHT, ThreadedWidget, bundle
from iseg_widget.widget.tiles import serve
from iseg_widget.widget.timing_actions import TimingActions
from iseg_widget.widget.tools import ToolActions
from iseg_widget.widget.traits import (
    TOOLS,
    Done,
    MaskTrait,
    clicks_to_json,
    options_to_json,
)
from iseg_widget.widget.view_modes import VIEW_MODES, ViewModes
from iseg_widget.widget.worker import Job

if TYPE_CHECKING:
    import torch

    from iseg_widget.weights.registry import Weights

PAGE_TRAITS = VIEW_MODES | {"tool", "opacity", "show_mask", "show_views", "panel", "answered"}
"""What the page may set; all other traits are written by the kernel alone."""


class SegmentationWidget(  # every base but the last holds the commands of a feature
    ObjectActions,
    ToolActions,
    TeachingActions,
    ScriptActions,
    TimingActions,
    QueueActions,
    AutosaveActions,
    ViewModes,
    ThreadedWidget,
):
    """Segment the objects of an image by clicking on them.

    It begins with one object; :attr:`mask`, :attr:`clicks` and :attr:`session` are always those of
    the active one. All commands, on whichever object, form one history.

    The method answers on a thread of its own, so neither page nor kernel waits for it. Reading
    :attr:`mask`, :attr:`step` or :attr:`session` waits until all clicks are answered; so do
    :meth:`click`, :meth:`undo` and the like, which also raise what went wrong. Inside callbacks
    (``observe``, :meth:`on_error`) nothing waits: there they give what is there, and only
    enqueue.

    Parameters
    ----------
    image: path, PIL image, or array (see :mod:`iseg_widget.images`); or an
        :class:`iseg_widget.Annotation` to go on with, which then belongs to the widget; or, with
        ``out``, many images: a folder, a pattern or a list of files, see
        :class:`iseg_widget.FolderQueue` (which may be given itself).
    method: one of :func:`iseg_widget.list_methods`, or a method from
        :func:`iseg_widget.load_method`. A name is loaded when the widget is first shown.
    mask: ``(H, W)`` existing mask that is to be corrected.
    truth: ``(H, W)`` ground truth of the first object; the status line then shows the IoU.
    ignore: ``(H, W)`` pixels that the IoU leaves out.
    options: of the method: its options dataclass or a mapping of its fields.
    weights: packaged weights or a file for ``method``; or a mapping from method names to those.
    device: as in :func:`iseg_widget.load_method`.
    labels: class labels, or a mapping of labels to colours ``"#rrggbb"``.
    rule: how objects may overlap (see :class:`iseg_widget.Annotation`).
    out: folder for the results of many images. Every change is saved there at once; the same call
        goes on with the first image that is to do.
    formats: of the masks of many images.
    autosave: a file (``"work.json"``) that every change is written to by itself, history
        included. If it is there already the widget goes on with it: so the same cell, run again
        after a restart of the kernel, brings everything back; ``mask`` and ``rule`` are then those
        of the file. :attr:`saved` tells whether all is written.
    opacity: of the mask, 0 to 1.
    show_views: draw the crops that the method looked at.
    panel: beside the picture: ``"objects"``, ``"history"``, ``"explain"`` (what the method looked
        at), ``"options"``, or none.
    height: of the picture on the page in CSS pixels; by default it follows the image's shape.

    Raises
    ------
    ValueError, TypeError: unreadable image, mask of another shape, unknown method or option, …;
        or the file to save to belongs to another image, or is none of this kind: it then stays as
        it is.

    Examples
    --------
    >>> w = SegmentationWidget("cat.jpg")                # doctest: +SKIP
    >>> w.observe(lambda change: print(change.new.sum()), "mask")  # doctest: +SKIP
    """

    PAGE_TRAITS = PAGE_TRAITS
    _esm = bundle("widget.js")
    _css = bundle("widget.css")

    clicks = traitlets.Any((), read_only=True).tag(sync=True, to_json=clicks_to_json)
    method = traitlets.Any("").tag(sync=True)
    methods = traitlets.Any((), read_only=True).tag(sync=True)
    images = traitlets.Int(0, read_only=True).tag(sync=True)
    options = traitlets.Any(None).tag(sync=True, to_json=options_to_json)
    image_size = traitlets.Any((0, 0), read_only=True).tag(sync=True)
    objects = traitlets.Any((), read_only=True)
    height = traitlets.Int(None, allow_none=True, min=MIN_HEIGHT).tag(sync=True)
    tool = traitlets.Enum(TOOLS, "positive").tag(sync=True)
    opacity = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    show_mask = traitlets.Bool(True).tag(sync=True)
    show_views = traitlets.Bool(False).tag(sync=True)
    panel = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    # marimo runs the cells that use a widget again when the page sets a trait, and only then: so
    # there (``reactive``) the page sets ``answered`` to the revision that answers what it asked.
    reactive = traitlets.Bool(False, read_only=True).tag(sync=True)
    answered = traitlets.Int(0).tag(sync=True)
    mask = MaskTrait(None, allow_none=True, read_only=True)

    def __init__(  # noqa: PLR0913 - all but two are keywords
        self,
        image: object,
        method: str | Method = "focalclick",
        *,
        mask: ArrayLike | None = None,
        truth: ArrayLike | None = None,
        ignore: ArrayLike | None = None,
        options: Mapping[str, Any] | object | None = None,
        weights: Weights | Mapping[str, Weights] = None,
        device: str | torch.device = "auto",
        labels: Sequence[str] | Mapping[str, str] | None = None,
        rule: str = "allow",
        out: str | os.PathLike[str] | None = None,
        formats: str | Sequence[str] = ("png",),
        autosave: str | os.PathLike[str] | None = None,
        opacity: float = 0.5,
        show_views: bool = False,
        panel: str | None = None,
        height: int | None = None,
    ) -> None:
        name = _method_name(method)
        if not 0 <= opacity <= 1:
            raise ValueError(f"opacity must lie in 0..1, got {opacity!r}")
        if height is not None and height < MIN_HEIGHT:
            raise ValueError(f"height must be at least {MIN_HEIGHT} pixels, got {height!r}")
        if options is not None:
            options = build_options(name, options)
        queued = {"labels": labels, "rule": rule, "formats": formats}
        album = album_of(image, out, queued)
        kept: Autosave | None = None
        if album is not None:
            _nothing_else(mask=mask, truth=truth, ignore=ignore, autosave=autosave)
            annotation = album.annotation
        elif isinstance(image, Annotation):
            _nothing_else(mask=mask, truth=truth, ignore=ignore, labels=labels, autosave=autosave)
            annotation = image
        else:
            loader = Loader(method, options, weights, device)
            existing = {"mask": mask, "truth": truth, "ignore": ignore}
            annotation, kept = begun(image, autosave, loader, labels=labels, rule=rule, **existing)
            if annotation.method is not None:  # that of the file
                method, options, name = annotation.method, None, annotation.method.name
        shape = annotation.shape
        self._click_callbacks: list[ClickCallback] = []
        self._desk = Desk(
            annotation,
            Given(method, options, weights, device),
            send=self._send_reply,
            publish=self._publish,
            clicked=self._on_clicks,
            failed=self._report,
        )
        self._desk.album = album
        self._kept = kept
        super().__init__(self._desk.worker)
        with self._holding():
            self.set_trait("images", 0 if album is None else len(album.queue))
            self.set_trait("image_size", (shape[1], shape[0]))
            self.set_trait("reactive", type(self.comm).__module__.startswith("marimo."))
            self.set_trait("methods", _method_titles(name, weights))
            self.set_trait("mask", self._desk.region)
            self.set_trait("clicks", self._desk.clicks)
            self.set_trait("objects", annotation.objects)
            self.method = Done(name)
            self.options = Done(getattr(method, "options", None) if options is None else options)
        self.opacity, self.show_views, self.height = float(opacity), bool(show_views), height
        self.panel = panel
        if album is not None:
            album.send = self._send_reply
        self._follow_kept()

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        image: object,
        method: str | Method = "focalclick",
        **how: Any,
    ) -> SegmentationWidget:
        """Go on from a file that :meth:`save` wrote.

        Parameters
        ----------
        path: of the file.
        image: the same image.
        method: answers clicks on new objects. The methods that the file names are loaded with the
            options in it, if they can be loaded; objects of others keep their masks.
        how: other settings of the widget.

        Raises
        ------
        ValueError: the file is missing or damaged, or belongs to another image.
        """
        loader = Loader(method, weights=how.get("weights"), device=how.get("device", "auto"))
        annotation = Annotation.load(path, image, loader(path))
        annotation.method = None  # that of new objects is loaded when it is needed
        return cls(annotation, method, **how)

    # What a person does, from Python

    def click(self, x: float, y: float, positive: bool = True) -> Step:
        """Click at ``(x, y)`` pixels ((0, 0) is the centre of the top-left pixel).

        Raises ``ValueError`` outside the image; nothing has changed then.
        """
        return cast("Step", self._do(clicking([Click(x, y, positive)])))

    def edit(self, mask: ArrayLike) -> Step:
        """Replace the mask by one you made, ``(H, W)``; later clicks correct it."""
        return cast("Step", self._change(lambda session: session.edit(mask), "edit"))

    def remove(self, index: int) -> None:
        """Remove a click; what came after it is computed again."""
        self._change(lambda session: session.remove(index), "remove click")

    def move(self, index: int, x: float, y: float) -> None:
        """Move a click to ``(x, y)`` pixels; what came after it is computed again."""
        self._change(lambda session: session.move(index, x, y), "move click")

    def undo(self) -> bool:
        """Take back the last action; ``False`` when there is none."""
        return bool(self._do(Act(Annotation.undo)))

    def redo(self) -> bool:
        """Do it again; ``False`` when nothing is undone."""
        return bool(self._do(Act(Annotation.redo)))

    def reset(self) -> None:
        """Take the active object back to its beginning; can be undone."""
        self._do(Act(Annotation.reset))

    # What is there

    @property
    def session(self) -> Session:
        """The active object's session; loads the method if need be, and waits for clicks.

        It is a copy: to act, use the widget's methods. ``ValueError`` when no object is active.
        """
        if self._desk.annotation.method is None:
            self._do(WarmUp())
        self._wait()
        if self._desk.annotation.method is None:
            raise RuntimeError("the method is not loaded yet: nothing waits inside a callback")
        return self._desk.annotation.session()

    @property
    def annotation(self) -> Annotation:
        """All objects, to read from; to act, use the widget's methods. Waits for clicks."""
        self._wait()
        return self._desk.annotation

    @property
    def step(self) -> Step | None:
        """The latest step (its views, probability, IoU, …); ``None`` before the first."""
        self._wait()
        session = self._desk.session
        return None if session is None else session.step

    @property
    def image(self) -> NDArray[np.uint8]:
        """``(H, W, 3)`` uint8 RGB."""
        return self._desk.annotation.image

    def close(self) -> None:
        """Stop the worker, remove the widget from the page, and let go of a queue's folder."""
        super().close()
        if hasattr(self, "_desk"):
            self._desk.tiles.close()
            self._close_queue()
            self._close_kept()

    # Jobs

    def _change(self, do: Callable[[Session], Any], name: str) -> Any:
        """Do something with the active object's session that the method has to answer."""
        return self._do(Act(lambda annotation: annotation.act(do, name=name), asks=True))

    # Traits

    @traitlets.validate("method")
    def _validate_method(self, proposal: Mapping[str, Any]) -> Any:
        wish = proposal["value"]
        if isinstance(wish, Done):
            return wish.value
        _method_name(wish)
        self._do(UseMethod(wish))
        return self.method

    @traitlets.validate("options")
    def _validate_options(self, proposal: Mapping[str, Any]) -> Any:
        wish = proposal["value"]
        if isinstance(wish, Done):
            return wish.value
        self._do(UseMethod(None, build_options(self.method, wish)))
        return self.options

    def _publish(self, state: Published) -> None:
        values: dict[str, Any] = {
            "clicks": state.clicks,
            "image_size": state.image_size,
            "objects": state.objects,
            "mask": state.mask,
        }
        if state.method is not None:
            values |= {"method": Done(state.method), "options": Done(state.options)}
        self._set_traits(values)

    def _on_clicks(self, clicks: tuple[Click, ...]) -> None:
        """Call the callbacks, on the worker's thread; a failing one stops nothing else."""
        for click in clicks:
            for callback in tuple(self._click_callbacks):
                try:
                    callback(click)
                except Exception as error:  # noqa: BLE001 - a person's own callback
                    self._show_error("A callback on clicks failed", error)

    # Messages

    def _parse(self, content: object) -> messages.Request:
        return messages.parse_request(content)

    def _job_of(self, request: messages.Request) -> Job:
        return job_of(request)

    def _take(self, request: messages.Request) -> None:
        if isinstance(request, GetTile):  # answered beside the queue
            serve(self._desk.tiles, request, self._desk.opened, self._send_reply)
        elif isinstance(request, GetThumbnail):  # so are these, when nobody waits for more
            album = self._desk.album
            thumbnails = None if album is None else album.thumbnails
            queue_thumbnails.serve(thumbnails, request, self._worker.wait, self._send_reply)
        else:
            super()._take(request)

    # Display

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Show the widget; a still picture goes along for readers without a kernel."""
        found: Any = super()._repr_mimebundle_(**kwargs)
        if found is None:
            return None
        with contextlib.suppress(RuntimeError):  # closed
            self._desk.worker.submit(Job(WarmUp(quiet=True)))
        data = found[0] if isinstance(found, tuple) else found
        with self._holding():  # what is there now, without waiting
            png = still_png(self.image, self.mask, self.clicks, self.opacity)
        data["image/png"] = base64.b64encode(png).decode("ascii")
        return found


def _nothing_else(**given: object) -> None:
    """Refuse what an annotation brings along itself."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name} cannot be given with an annotation or with many images")


def _method_name(method: object) -> str:
    if isinstance(method, str):
        if method not in list_methods():
            raise ValueError(
                f"unknown method {method!r}; accepted are {', '.join(list_methods())}, "
                "or what load_method returns"
            )
        return method
    if isinstance(method, Method):
        return method.name
    raise TypeError(
        f"method must be a name or what load_method returns, got {type(method).__name__}"
    )


def _method_titles(own: str, weights: object) -> list[list[str]]:
    """Names and titles to choose from: what can be loaded here, and the widget's own method."""
    given = set(weights) if isinstance(weights, Mapping) else set()
    offered = {own, *given, *list_methods(loadable=True)}
    titles = [[name, method_title(name)] for name in list_methods() if name in offered]
    return titles if own in list_methods() else [[own, own], *titles]
