"""A step's views and trace as a list of described pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.explanation.captions import table_of
from iseg_widget.explanation.guesses import guess
from iseg_widget.explanation.panel import KINDS, Panel, in_range, steady
from iseg_widget.explanation.render import outlined, scoped
from iseg_widget.explanation.rows import (
    ANSWER,
    GENERIC_VIEWS,
    MASK,
    PROBABILITY,
    Row,
    Table,
)
from iseg_widget.protocol import Step
from iseg_widget.views import Box, cut, intersect, whole

__all__ = ["KINDS", "Panel", "explain"]

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""ImageNet's: FocusCut records its inputs normalised by them."""

_TURN = re.compile(r"_(\d+)$")


def explain(step: Step, image: NDArray[np.uint8]) -> tuple[Panel, ...]:
    """Return what a step looked at and thought, as pictures with captions.

    The order is that of the method's procedure; the answer comes last. A step that was not traced
    has its crops and its answer to show. The trace of a method that is not known gets plain
    panels: arrays without numbers in them are left out, and infinite and missing values shown
    as 0.

    Parameters
    ----------
    step: from :meth:`iseg_widget.Session.click` (of a session with ``trace=True``) or a method.
    image: ``(H, W, 3)`` uint8 RGB, the one that was clicked on.

    Raises
    ------
    ValueError: the image has another shape than the step's mask.
    TypeError: the image is no uint8 array.
    """
    if getattr(image, "dtype", None) != np.uint8:
        raise TypeError(f"image must be a uint8 array, got {getattr(image, 'dtype', type(image))}")
    mask = step.mask
    if image.shape != (*mask.shape, 3):
        raise ValueError(f"the step is of an image of {(*mask.shape, 3)}, got {image.shape}")
    table = table_of(step.trace)
    source = _Source(step, image, mask)
    panels = list(_generic_crops(source)) if table is None else _known(source, table)
    crops = "view/"
    done = {panel.key.split("/")[0] for panel in panels if not panel.key.startswith(crops)}
    for key, values in step.trace.items():
        if key not in done:
            panels.extend(guess(key, np.asarray(values), image))
    answers = [panel for panel in panels if panel.group == ANSWER]
    others = [panel for panel in panels if panel.group != ANSWER]
    if not any(panel.kind == "probability" for panel in answers):
        answers.extend(_plain(PROBABILITY, step.probability, source))
    answers.extend(_plain(MASK, mask, source))
    return (*others, *answers)


class _Source:
    """What panels are made from, by name: the trace, and the step's own answer."""

    def __init__(self, step: Step, image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> None:
        self.image = image
        self.trace: Mapping[str, NDArray[Any]] = {
            "step.mask": mask,
            **{key: np.asarray(values) for key, values in step.trace.items()},
        }
        self.step = step
        self.views = step.views
        self.edge = whole((image.shape[0], image.shape[1]))

    def get(self, name: str) -> NDArray[Any] | None:
        """Return an array by name, ``None`` where it is not recorded."""
        if name == "step.probability":
            return self.step.probability
        return self.trace.get(name)

    def box(self, where: str) -> Box | None:
        """Return the box of the first view of a kind; the whole image for ``"image"``."""
        if where == "image":
            return self.edge
        return next((view.box for view in self.views if view.kind == where), None)


def _generic_crops(source: _Source) -> Iterator[Panel]:
    for number, view in enumerate(source.views, start=1):
        default = view.kind.replace("_", " ").capitalize(), "A part of the image: " + view.kind
        title, caption = GENERIC_VIEWS.get(view.kind, default)
        yield Panel(
            f"view/{number}",
            title,
            caption,
            "image",
            cut(source.image, view.box),
            view.box,
            group="Views",
            view=view.kind,
        )


def _known(source: _Source, table: Table) -> list[Panel]:
    """Panels of a known method; rows of turns are gone through turn by turn."""
    panels: list[Panel] = []
    turns = sorted({int(match[1]) for key in source.trace if (match := _TURN.search(key))})
    index = 0
    while index < len(table):
        if "#" not in table[index].key:
            panels.extend(_of_row(table[index], source))
            index += 1
            continue
        stop = index
        while stop < len(table) and "#" in table[stop].key:
            stop += 1
        for turn in turns:
            found = [list(_of_row(row, source, turn)) for row in table[index:stop]]
            # By view rather than by row: what belongs together stands side by side.
            single = [panel for part in found if len(part) == 1 for panel in part]
            stacks = [part for part in found if len(part) > 1]
            panels.extend(single)
            panels.extend(panel for same in zip(*stacks, strict=True) for panel in same)
        index = stop
    return panels


def _of_row(row: Row, source: _Source, turn: int = 0) -> Iterator[Panel]:
    """Panels of one row of a table; none where nothing was recorded for it."""
    key = row.key.replace("#", str(turn))
    if row.form == "crop":
        box = source.box(row.where)
        if box is not None:
            yield _panel(row, key, cut(source.image, box), box)
        return
    if row.form == "minus":
        yield from _difference(row, key, source, turn)
        return
    values = source.get(key)
    if values is None:
        return
    makers = {"boxes": _drawn, "scope": _drawn, "numbers": _numbers}
    if row.form in makers:
        yield from makers[row.form](row, key, values, source)
    elif row.form in ("stack", "crops", "input"):
        yield from _stack(row, key, values, source, turn)
    elif row.form == "channels":
        mean = values.astype(np.float32).mean(axis=0)
        yield _panel(row, key, mean, source.box(row.where), limits=steady(mean, (0.01, 0.03, 0.1)))
    else:
        yield from _plain(row, values, source, key)


def _panel(
    row: Row,
    key: str,
    array: NDArray[Any],
    box: Box | None,
    *,
    limits: tuple[float, float] = (0.0, 1.0),
    words: Mapping[str, int] | None = None,
) -> Panel:
    filled = {"n": 1, "count": 1, "turn": 0, "first": 0, "second": 0, **(words or {})}
    return Panel(
        key,
        row.title.format(**filled),
        row.caption.format(**filled),
        row.kind,
        array,
        box,
        group=row.group.format(**filled),
        unit=row.unit,
        limits=limits,
        view="" if row.where == "image" else row.where,
        ink=row.ink,
        baseline=row.baseline,
    )


def _plain(row: Row, values: NDArray[Any], source: _Source, key: str = "") -> Iterator[Panel]:
    box = source.box(row.where)
    if row.kind == "mask":
        yield _panel(row, key or row.key, values > 0, box)
        return
    array = values.astype(np.float32)
    # Distances are shown up to the farthest; all else lies between 0 and 1.
    limits = (0.0, max(1.0, float(array.max(initial=0.0)))) if row.unit else (0.0, 1.0)
    yield _panel(row, key or row.key, array, box, limits=limits)


def _numbers(row: Row, key: str, values: NDArray[Any], source: _Source) -> Iterator[Panel]:  # noqa: ARG001
    array = values.astype(np.float32).ravel()
    limits = in_range(np.append(array, np.float32(row.baseline)))
    first, second = (int(value) for value in (*array[:2], 0, 0)[:2])
    yield _panel(row, key, array, None, limits=limits, words={"first": first, "second": second})


def _drawn(row: Row, key: str, values: NDArray[Any], source: _Source) -> Iterator[Panel]:
    """Boxes or focus scopes drawn on the image."""
    turn = _TURN.search(key)
    if row.form == "scope":
        picture = scoped(source.image, values.reshape(-1, 4))
    else:
        kind = "roi" if key.startswith("roi") else "focus_view"
        picture = outlined(source.image, [_box(row) for row in values.reshape(-1, 4)], kind)
    yield _panel(row, key, picture, source.edge, words={"turn": int(turn[1]) if turn else 0})


def _box(row: NDArray[Any]) -> Box:
    x0, y0, x1, y1 = (int(value) for value in row)
    return x0, y0, x1, y1


def _stack(row: Row, key: str, values: NDArray[Any], source: _Source, turn: int) -> Iterator[Panel]:
    """One panel for each item; of regions, each with what was seen there."""
    boxes = _boxes_of(row, source, turn)
    for index, item in enumerate(values):
        words = {"n": index + 1, "count": len(values), "turn": turn}
        array = _pixels(item) if row.form == "input" else item.astype(np.float32)
        box = source.box(row.where) if boxes is None else boxes[index]
        if boxes is not None and box is not None:
            array, box = _inside(array, box, source.edge)
        if row.form == "crops" and box is not None:
            yield Panel(
                f"view/{key}/{index + 1}",
                f"Region {index + 1}",
                "What the local branch looks at again, in the features of the whole image "
                "(Sec. 3.2.1, Fig. 2).",
                "image",
                cut(source.image, box),
                box,
                group=row.group,
                view=row.where,
            )
        yield _panel(row, f"{key}/{index + 1}", array, box, words=words)


def _boxes_of(row: Row, source: _Source, turn: int) -> list[Box] | None:
    """Boxes of a stack whose items lie in different places; ``None`` where all lie in one."""
    name = {"focus_view": f"focus_boxes_{turn}", "roi": "roi_boxes"}.get(row.where)
    values = None if name is None else source.get(name)
    return None if values is None else [_box(item) for item in values.reshape(-1, 4)]


def _inside(array: NDArray[Any], box: Box, edge: Box) -> tuple[NDArray[Any], Box | None]:
    """Cut what lies beyond the image off a view that was padded, and off its box."""
    common = intersect(box, edge)
    if common is None or common == box:
        return array, common
    spans = []
    for axis in (0, 1):
        cells = array.shape[1 - axis]
        scale = cells / (box[axis + 2] - box[axis])
        low = min(round((common[axis] - box[axis]) * scale), cells - 1)
        spans.append((low, max(low + 1, round((common[axis + 2] - box[axis]) * scale))))
    return array[spans[1][0] : spans[1][1], spans[0][0] : spans[0][1]], common


def _pixels(planes: NDArray[Any]) -> NDArray[np.uint8]:
    """Turn the colour channels of a normalised input back into an image."""
    colours = planes[:3].transpose(1, 2, 0) * _DEVIATION + _MEAN
    return np.clip(np.round(colours * 255.0), 0, 255).astype(np.uint8)


def _difference(row: Row, key: str, source: _Source, turn: int) -> Iterator[Panel]:
    names = [name.replace("#", str(turn)) for name in (row.of, row.minus)]
    after, before = (source.get(name) for name in names)
    if after is None or before is None:
        return
    if row.where == "focus_view":
        boxes = _boxes_of(row, source, turn) or []
        # Channel 5 of a view's input is the mask that was fed with it.
        for index, (view, answer, fed) in enumerate(zip(boxes, after, before, strict=True)):
            array, place = _inside(answer.astype(np.float32) - fed[5], view, source.edge)
            words = {"n": index + 1, "turn": turn}
            yield _panel(row, f"{key}/{index + 1}", array, place, limits=(-1.0, 1.0), words=words)
        return
    box = source.box(row.where)
    if names[0] == "step.probability" and box is not None:
        after = cut(after, box)
    if before.shape != after.shape:
        size = (after.shape[1], after.shape[0])
        before = cv2.resize(before.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    array = after.astype(np.float32) - before.astype(np.float32)
    yield _panel(row, key, array, box, limits=steady(array))
