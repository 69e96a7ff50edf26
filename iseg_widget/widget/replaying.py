"""Earlier moments of a session, for the page to play; nothing is computed for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from iseg_widget.actions import Action
from iseg_widget.clicks import Click
from iseg_widget.masks import PackedMask
from iseg_widget.protocol import View
from iseg_widget.session import Session
from iseg_widget.widget.codec import Overlay

What = Literal["start", "clicks", "box", "edit", "threshold"]


@dataclass(frozen=True)
class Frame:
    """A session after some of its steps.

    Attributes
    ----------
    index, count: steps that were made by then, and steps there are; frame 0 is the beginning.
    clicks: all until then; the last ``new`` of them came with this step.
    what: the step was: ``"start"`` (none yet), ``"clicks"``, ``"box"``, ``"edit"`` (by hand) or
        ``"threshold"``.
    overlay: the whole mask.
    area: its pixels in the image.
    iou: against the truth, if there is one.
    seconds: that the method took; ``None`` where it was not asked.
    views: crops that were looked at.
    """

    index: int
    count: int
    clicks: tuple[Click, ...]
    new: int
    what: What
    overlay: Overlay
    area: int
    iou: float | None
    seconds: float | None
    views: tuple[View, ...]


def _whole(mask: NDArray[np.bool_]) -> Overlay:
    """A mask from border to border."""
    height, width = mask.shape
    data = PackedMask.pack(np.ascontiguousarray(mask)).data
    return Overlay((width, height), (0, 0, width, height), is_patch=False, data=data)


def beginning(mask: NDArray[np.bool_]) -> Frame:
    """Return the only frame there is before a method was loaded, of a mask ``(H, W)`` bool."""
    overlay = _whole(mask)
    area = int(np.count_nonzero(mask))
    return Frame(0, 0, (), 0, "start", overlay, area, None, None, ())


def frame(session: Session, index: int) -> Frame:
    """Return the session after its first ``index`` steps.

    Raises
    ------
    ValueError: there are fewer steps.
    """
    steps, groups = session.steps, session.groups
    if not 0 <= index <= len(steps):
        raise ValueError(f"there is no frame {index}: the session has {len(steps)} steps")
    clicks = session.clicks[: sum(groups[:index])]
    if index == 0:
        initial = session.initial_mask
        mask = np.zeros(session.shape, bool) if initial is None else initial
        step, new = None, 0
    else:
        step, new = steps[index - 1], groups[index - 1]
        mask = step.mask
    return Frame(
        index,
        len(steps),
        clicks,
        new,
        _what(None if step is None else session.actions[index - 1]),
        _whole(mask),
        int(np.count_nonzero(mask)),
        None if step is None else step.iou,
        step.seconds if step is not None and step.clicks else None,
        () if step is None else step.views,
    )


def _what(action: Action | None) -> What:
    if action is None:
        return "start"
    if action.edited is not None:
        return "edit"
    if action.threshold is not None:
        return "threshold"
    return "clicks" if action.box is None else "box"
