"""``CompareWidget``: the same clicks through several methods, side by side."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from iseg_widget.clicks import Click
from iseg_widget.images import read_image
from iseg_widget.masks import as_mask
from iseg_widget.protocol import Method, Step
from iseg_widget.session import Session
from iseg_widget.widget.actions import WarmUp
from iseg_widget.widget.codec import stills_png
from iseg_widget.widget.compare_actions import (
    RESET,
    Recall,
    RobotAct,
    add_click,
    change_click,
    job_of,
)
from iseg_widget.widget.compare_desk import CompareDesk, Published, describe, points_of
from iseg_widget.widget.compare_opening import Given
from iseg_widget.widget.compare_panes import COLOURS, read_panes
from iseg_widget.widget.messages import compare as messages
from iseg_widget.widget.threaded import MIN_HEIGHT, ThreadedWidget, bundle
from iseg_widget.widget.tiles import serve
from iseg_widget.widget.traits import MaskTrait, clicks_to_json, frozen
from iseg_widget.widget.worker import Job

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

    from iseg_widget.weights.registry import Weights


class CompareWidget(ThreadedWidget):
    """Click once, and see what several methods make of it.

    All panes get the same clicks in the same groups, so their sessions and masks are those that
    each method gives alone. A method that fails shows its error in its own pane and the others go
    on. The panes answer one after another on a thread of the widget's own; reading :attr:`masks`,
    :attr:`sessions` and the like waits for clicks that are under way, except inside callbacks.

    Parameters
    ----------
    image: path, PIL image, or array (see :mod:`iseg_widget.images`).
    methods: a sequence of method names, methods from :func:`iseg_widget.load_method`, and pairs
        ``(name, options)``; or a mapping from names of your own to those. Up to 8.
    mask: ``(H, W)`` existing mask that all are to correct.
    truth: ``(H, W)`` ground truth; gives IoU curves and the robot user.
    ignore: ``(H, W)`` pixels that the IoU leaves out.
    weights: mapping from method names to packaged weights or files.
    device: as in :func:`iseg_widget.load_method`.
    opacity: of the masks, 0 to 1.
    show_views: draw the crops that each method looked at.
    show_agreement: show one more pane that tells how many methods say object, for every pixel.
    height: of each picture on the page in CSS pixels; by default it follows the page's width.

    Raises
    ------
    ValueError, TypeError: unreadable image, mask of another shape, unknown method or option, two
        panes of the same name, …

    Examples
    --------
    >>> w = CompareWidget("cat.jpg", ["ritm", "focuscut"])               # doctest: +SKIP
    >>> w = CompareWidget("cat.jpg", {"crop": "focalclick",              # doctest: +SKIP
    ...                               "none": ("focalclick", {"target_crop": False})})
    """

    PAGE_TRAITS: ClassVar = frozenset(
        {"tool", "opacity", "show_mask", "show_views", "show_agreement", "robot_pane"}
    )

    _esm = bundle("compare.js")
    _css = bundle("compare.css")

    clicks = traitlets.Any((), read_only=True).tag(sync=True, to_json=clicks_to_json)
    panes = traitlets.Any((), read_only=True).tag(sync=True)
    image_size = traitlets.Any((0, 0), read_only=True).tag(sync=True)
    has_truth = traitlets.Bool(False, read_only=True).tag(sync=True)
    height = traitlets.Int(None, allow_none=True, min=MIN_HEIGHT).tag(sync=True)
    tool = traitlets.Enum(("positive", "negative"), "positive").tag(sync=True)
    opacity = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    show_mask = traitlets.Bool(True).tag(sync=True)
    show_views = traitlets.Bool(False).tag(sync=True)
    show_agreement = traitlets.Bool(True).tag(sync=True)
    robot_pane = traitlets.Int(0, min=0).tag(sync=True)
    masks = MaskTrait(None, allow_none=True, read_only=True)

    def __init__(  # noqa: PLR0913 - all but two are keywords
        self,
        image: object,
        methods: Sequence[str | Method | tuple[str, Any]] | Mapping[str, Any],
        *,
        mask: ArrayLike | None = None,
        truth: ArrayLike | None = None,
        ignore: ArrayLike | None = None,
        weights: Mapping[str, Weights] | None = None,
        device: str | torch.device = "auto",
        opacity: float = 0.5,
        show_views: bool = False,
        show_agreement: bool = True,
        height: int | None = None,
    ) -> None:
        pixels = read_image(image)
        shape = (pixels.shape[0], pixels.shape[1])
        if not 0 <= opacity <= 1:
            raise ValueError(f"opacity must lie in 0..1, got {opacity!r}")
        if height is not None and height < MIN_HEIGHT:
            raise ValueError(f"height must be at least {MIN_HEIGHT} pixels, got {height!r}")
        if weights is not None and not isinstance(weights, Mapping):
            raise TypeError(
                f"weights must map method names to weights, got {type(weights).__name__}"
            )
        given = Given(
            pixels,
            read_panes(methods),
            mask=None if mask is None else as_mask(mask, shape),
            truth=None if truth is None else as_mask(truth, shape, "truth"),
            ignore=None if ignore is None else as_mask(ignore, shape, "ignore"),
            weights=weights,
            device=device,
        )
        self._given = given
        self._desk = CompareDesk(
            given, send=self._send_reply, publish=self._publish, failed=self._report
        )
        super().__init__(self._desk.worker)
        with self._holding():
            self.set_trait("image_size", (shape[1], shape[0]))
            self.set_trait("has_truth", given.truth is not None)
            self.set_trait(
                "panes",
                [
                    {
                        "name": spec.name,
                        "title": spec.title,
                        "detail": spec.detail,
                        "colour": list(colour),
                    }
                    for spec, colour in zip(given.panes, COLOURS, strict=False)
                ],
            )
            self._publish(Published((), self._desk.masks))
        self.opacity, self.height = float(opacity), height
        self.show_views, self.show_agreement = bool(show_views), bool(show_agreement)

    # What a person does, from Python

    def click(self, x: float, y: float, positive: bool = True) -> dict[str, Step | None]:
        """Click at ``(x, y)`` pixels ((0, 0) is the centre of the top-left pixel) in all panes.

        Returns each pane's step, ``None`` for one that failed. Raises ``ValueError`` outside the
        image, and what the first pane raised if all failed; nothing has changed then.
        """
        return cast("dict[str, Step | None]", self._do(add_click(Click(x, y, positive))))

    def remove(self, index: int) -> None:
        """Remove a click; what came after it is computed again."""
        self._do(change_click(index, None))

    def move(self, index: int, x: float, y: float) -> None:
        """Move a click to ``(x, y)`` pixels; what came after it is computed again."""
        self._do(change_click(index, lambda click: Click(x, y, click.positive)))

    def undo(self) -> bool:
        """Take back the last action; ``False`` when there is none."""
        return bool(self._do(Recall("undo")))

    def redo(self) -> bool:
        """Do it again; ``False`` when nothing is undone."""
        return bool(self._do(Recall("redo")))

    def reset(self) -> None:
        """Remove all clicks; can be undone."""
        self._do(RESET)

    def robot_click(self, pane: int | str = 0) -> Click | None:
        """Let the robot user of the evaluation click where the mask of ``pane`` is most wrong.

        Parameters
        ----------
        pane: name or number of the pane that the robot looks at; all panes get its click.

        Returns
        -------
        The click (``None`` inside a callback, where nothing waits).

        Raises
        ------
        ValueError: the widget has no truth, there is no such pane, or its mask has no error.
        """
        return cast("Click | None", self._do(RobotAct(self._number(pane))))

    def _number(self, pane: int | str) -> int:
        if not isinstance(pane, str):
            return pane
        if pane not in self.names:
            raise ValueError(f"there is no pane {pane!r}; there are {', '.join(self.names)}")
        return self.names.index(pane)

    # What is there

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the panes, the keys of all mappings here."""
        return tuple(spec.name for spec in self._given.panes)

    @property
    def image(self) -> NDArray[np.uint8]:
        """``(H, W, 3)`` uint8 RGB."""
        return self._given.image

    @property
    def truth(self) -> NDArray[np.bool_] | None:
        """``(H, W)`` bool ground truth, if one was given."""
        return self._given.truth

    @property
    def sessions(self) -> dict[str, Session]:
        """Session of each pane whose method could be loaded; loads them if need be.

        Read from them; to act, use the widget's methods, which also tell the page.
        """
        if not self._in_callback and any(pane.session is None for pane in self._desk.panes):
            self._do(WarmUp())
        self._wait()
        return {
            pane.spec.name: pane.session for pane in self._desk.panes if pane.session is not None
        }

    @property
    def errors(self) -> dict[str, Exception]:
        """Why panes have no answer to the latest click; empty when all have."""
        self._wait()
        return {pane.spec.name: pane.error for pane in self._desk.panes if pane.error is not None}

    @property
    def ious(self) -> dict[str, list[float]]:
        """IoU after each step of each pane; empty lists without a truth."""
        self._wait()
        return {
            pane.spec.name: [iou for _, iou in points_of(pane) if iou is not None]
            for pane in self._desk.panes
        }

    @property
    def agreement(self) -> NDArray[np.int16]:
        """``(H, W)`` int16: how many panes say object; those in :attr:`errors` are left out."""
        masks, errors = self.masks, self.errors
        total = np.zeros(self.image.shape[:2], np.int16)
        for name, mask in masks.items():
            if name not in errors:
                total += mask
        return total

    def to_records(self) -> list[dict[str, Any]]:
        """Return one flat mapping per pane and step, e.g. for ``pandas.DataFrame``.

        Keys: ``name``, ``method``, ``step`` (from 1), ``clicks`` (so far), ``x``, ``y`` and
        ``positive`` of the step's last click, ``iou`` (``None`` without truth), ``seconds`` that
        the method took, ``area`` (pixels in the mask), and ``error`` (of the pane's latest, failed
        answer, else ``None``).
        """
        self._wait()
        records: list[dict[str, Any]] = []
        for pane in self._desk.panes:
            error = None if pane.error is None else describe(pane.error)
            steps = () if pane.session is None else pane.session.steps
            for number, (step, point) in enumerate(zip(steps, points_of(pane), strict=True), 1):
                records.append(
                    {
                        "name": pane.spec.name,
                        "method": pane.spec.method_name,
                        "step": number,
                        "clicks": point[0],
                        **step.clicks[-1].to_dict(),
                        "iou": step.iou,
                        "seconds": step.seconds,
                        "area": int(np.count_nonzero(step.mask)),
                        "error": error,
                    }
                )
        return records

    def figure(self, *, columns: int | None = None, width: float = 10.0) -> Figure:
        """Return all panes, the agreement and the IoU curves as a matplotlib figure.

        Parameters
        ----------
        columns: pictures beside each other; by default up to three.
        width: of the page in inches; its height follows.

        Raises
        ------
        ValueError: ``columns`` is less than 1.
        ImportError: matplotlib is missing.
        """
        from iseg_widget.widget.compare_figure import Shown, draw

        masks = self.masks
        panes = []
        for pane, colour in zip(self._desk.panes, COLOURS, strict=False):
            step = pane.step
            panes.append(
                Shown(
                    pane.spec.title,
                    pane.spec.detail,
                    colour,
                    masks[pane.spec.name],
                    [(clicks, iou) for clicks, iou in points_of(pane) if iou is not None],
                    seconds=None if step is None else step.seconds,
                    error=None if pane.error is None else describe(pane.error),
                )
            )
        agreement = self.agreement if self.show_agreement and len(panes) > 1 else None
        return draw(self.image, panes, self.clicks, agreement, columns=columns, width=width)

    # Jobs and messages

    def _publish(self, state: Published) -> None:
        masks = {name: frozen(mask) for name, mask in state.masks.items()}
        self._set_traits({"clicks": state.clicks, "masks": MappingProxyType(masks)})

    def _parse(self, content: object) -> messages.Request:
        return messages.parse_request(content)

    def _job_of(self, request: messages.Request) -> Job:
        return job_of(request)

    def _take(self, request: messages.Request) -> None:
        if isinstance(request, messages.GetTile):  # answered beside the queue
            serve(self._desk.tiles, request, 0, self._send_reply)
        else:
            super()._take(request)

    def close(self) -> None:
        """Stop the worker and remove the widget from the page."""
        super().close()
        if hasattr(self, "_desk"):
            self._desk.tiles.close()

    # Display

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Show the widget; a still picture goes along for readers without a kernel."""
        found: Any = super()._repr_mimebundle_(**kwargs)
        if found is None:
            return None
        with contextlib.suppress(RuntimeError):  # closed
            self._worker.submit(Job(WarmUp(quiet=True)))
        data = found[0] if isinstance(found, tuple) else found
        with self._holding():  # what is there now, without waiting
            tinted = list(zip(self.masks.values(), COLOURS, strict=False))
            png = stills_png(self.image, tinted, self.clicks, self.opacity)
        data["image/png"] = base64.b64encode(png).decode("ascii")
        return found
