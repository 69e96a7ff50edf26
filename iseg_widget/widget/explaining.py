"""A step's views and trace as small pictures with words, for the page's panel of views.

Whoever asks gets the step answered again with its trace recorded (:meth:`Session.traced`), so
nothing is recorded while nobody looks. What was drawn is kept for a few steps.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.explanation import Panel, explain, render
from iseg_widget.explanation.panel import clicks_on
from iseg_widget.explanation.render import (
    GROUND,
    MASK,
    Rgb,
    colours,
    scale,
    scale_of,
    smooth,
)
from iseg_widget.explanation.rows import ANSWER
from iseg_widget.pieces import ended, finished
from iseg_widget.protocol import Step
from iseg_widget.session import Session
from iseg_widget.views import whole

LONGEST = 512
"""Longest side of a panel's picture in pixels."""
MOST = 36
"""Panels of a group that are shown; of more, those of the latest clicks, which come last."""
KEPT = 6
"""Steps whose panels are kept."""

MIME = "image/webp"
BARS = (200, 320)
STOPS = 9


@dataclass(frozen=True)
class Explanation:
    """Panels of a step.

    Attributes
    ----------
    index, count: number of the step, from 0, and of all steps.
    panels: descriptions that JSON can carry: ``key``, ``title``, ``caption``, ``group``, ``kind``,
        ``view``; ``box`` in the image (or null); ``width`` and ``height`` of the picture in
        pixels; ``aspect`` to show it with; ``smooth``, whether pixels may be interpolated;
        ``legend`` (see :func:`legend`); ``marks``, clicks on it, in shares of its sides.
    pictures: WebP, one for each panel.
    omitted: panels that were left out for want of room.
    """

    index: int
    count: int
    panels: tuple[dict[str, Any], ...]
    pictures: tuple[bytes, ...]
    omitted: int = 0


class Explainer:
    """Explains steps of sessions; what it drew last is at hand."""

    def __init__(self) -> None:
        # By the step's identity. The step is kept with it, so that no other can get its number.
        self._kept: OrderedDict[int, tuple[Step, int, Explanation]] = OrderedDict()
        self._begun: tuple[Step, int, Generator[None, None, Explanation]] | None = None

    def explain(
        self,
        session: Session,
        index: int | None = None,
        pause: Callable[[], None] | None = None,
    ) -> Explanation:
        """Return the panels of a step (``None``: the latest); the session stays as it is.

        ``pause`` is called between the pieces of the work. If it raises, what is done already is
        kept for the next call, if that is about the same step.

        Raises
        ------
        ValueError: there is no such step.
        """
        steps = session.steps
        if index is None:
            index = len(steps) - 1
        if not 0 <= index < len(steps):
            raise ValueError(f"there is no step {index}: the session has {len(steps)}")
        step = steps[index]
        known = self._kept.get(id(step))
        if known is not None and known[0] is step and known[1] == len(steps):
            self._kept.move_to_end(id(step))
            return known[2]
        begun = self._begun
        if begun is None or begun[0] is not step or begun[1] != len(steps):
            begun = step, len(steps), explain_in_pieces(session, index)
        # An error ends a generator, so it is put down only where it may go on.
        self._begun = begun
        try:
            made = finished(begun[2], pause)
        finally:
            if ended(begun[2]):
                self._begun = None
        self._kept[id(step)] = step, len(steps), made
        self._kept.move_to_end(id(step))
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return made


def explain_step(session: Session, index: int) -> Explanation:
    """Return the panels of a step of a session; see :class:`Explanation`."""
    return finished(explain_in_pieces(session, index))


def explain_in_pieces(session: Session, index: int) -> Generator[None, None, Explanation]:
    """Do what :func:`explain_step` does, and yield after the inference and after each picture."""
    steps, groups = session.steps, session.groups
    before = steps[index - 1].mask if index else session.initial_mask
    step = session.traced(index)
    yield
    every = [*explain(step, session.image), _change(step, before)]
    panels = list(_latest(every))
    clicks = session.clicks[: sum(groups[: index + 1])]
    pictures = []
    for panel in panels:
        yield
        pictures.append(_webp(panel))
    return Explanation(
        index,
        len(steps),
        tuple(_described(panel, clicks_on(panel, every, clicks)) for panel in panels),
        tuple(pictures),
        len(every) - len(panels),
    )


def _latest(panels: Sequence[Panel]) -> Iterable[Panel]:
    left = {panel.group: 0 for panel in panels}
    for panel in panels:
        left[panel.group] += 1
    for panel in panels:
        left[panel.group] -= 1
        if left[panel.group] < MOST:
            yield panel


def _change(step: Step, before: NDArray[np.bool_] | None) -> Panel:
    """What this step did to the mask."""
    mask = step.mask
    previous = np.zeros_like(mask) if before is None else before
    added, removed = mask & ~previous, previous & ~mask
    counts = f"{np.count_nonzero(added)} added, {np.count_nonzero(removed)} removed"
    return Panel(
        "step.change",
        "Previous against current",
        f"Mask of this step less the mask before it, in pixels: {counts}.",
        "difference",
        added.astype(np.float32) - removed.astype(np.float32),
        whole((mask.shape[0], mask.shape[1])),
        group=ANSWER,
        limits=(-1.0, 1.0),
    )


# Words


def _described(panel: Panel, clicks: Iterable[Click]) -> dict[str, Any]:
    height, width = _size(panel)
    return {
        "key": panel.key,
        "title": panel.title,
        "caption": panel.caption,
        "group": panel.group,
        "kind": panel.kind,
        "view": panel.view,
        "box": None if panel.box is None else list(panel.box),
        "width": width,
        "height": height,
        "aspect": float(panel.aspect),
        "smooth": smooth(panel),
        "legend": legend(panel),
        "marks": [_mark(panel, click) for click in clicks],
    }


def legend(panel: Panel) -> dict[str, Any] | None:
    """Return how to read a panel's colours, as JSON can carry it; ``None`` for images.

    ``{"kind": "scale", "stops", "low", "high", "unit"}``: colours at even distances from ``low`` to
    ``high``. ``{"kind": "inks", "inks": [[colour, meaning], …]}``. ``{"kind": "bars", "values",
    "low", "high", "baseline"}``: the first 64 numbers. Colours are ``"#rrggbb"``.
    """
    if panel.kind == "image":
        return None
    low, high = (float(value) for value in panel.limits)
    if panel.kind == "numbers":
        values = [round(float(value), 6) for value in panel.array[:64]]
        base = {"values": values, "baseline": float(panel.baseline)}
        return {"kind": "bars", **base, "low": low, "high": high}
    if panel.kind == "mask":
        return {"kind": "inks", "inks": [[_hex(MASK), "object"], [_hex(GROUND), "rest"]]}
    if panel.key == "step.change":
        table = scale("difference")
        inks = [[_hex(table[-1]), "added"], [_hex(table[0]), "removed"]]
        return {"kind": "inks", "inks": inks}
    name = scale_of(panel)
    table = scale(name or "value")
    stops = [_hex(table[round(place)]) for place in np.linspace(0, len(table) - 1, STOPS)]
    return {"kind": "scale", "stops": stops, "low": low, "high": high, "unit": panel.unit}


def _hex(colour: Rgb | NDArray[np.uint8]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*(int(value) for value in colour))


def _mark(panel: Panel, click: Click) -> dict[str, Any]:
    x0, y0, x1, y1 = panel.box or (0, 0, 1, 1)
    return {
        "x": (click.x + 0.5 - x0) / (x1 - x0),
        "y": (click.y + 0.5 - y0) / (y1 - y0),
        "positive": click.positive,
    }


# Pictures


def _size(panel: Panel) -> tuple[int, int]:
    """``(h, w)`` of a panel's picture: its own pixels, unless they are too many."""
    if panel.kind == "numbers":
        return BARS
    height, width = panel.array.shape[:2]
    factor = min(1.0, LONGEST / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def picture(panel: Panel) -> NDArray[np.uint8]:
    """Return a panel in colour, ``(h, w, 3)`` uint8 RGB, no side longer than :data:`LONGEST`."""
    size = _size(panel)
    if panel.kind == "numbers":
        return render(panel, size)
    array = panel.array
    if array.shape[:2] == size:
        return colours(panel)
    # Made smaller before it is coloured: less to colour, and no mixed colours.
    numbers: NDArray[Any] = np.asarray(array, np.uint8 if panel.kind == "image" else np.float32)
    small = cv2.resize(numbers, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return colours(replace(panel, array=small > 0.5 if panel.kind == "mask" else small))


def _webp(panel: Panel) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(picture(panel)))
    # Cells and masks have edges, which only a lossless picture keeps.
    if smooth(panel) and panel.key != "step.change":
        image.save(out, "WEBP", quality=88, method=1)
    else:
        image.save(out, "WEBP", lossless=True, quality=10, method=0)
    return out.getvalue()
