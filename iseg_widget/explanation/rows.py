"""The form in which panels are described, and the words that hold for every method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Form = Literal[
    "plain", "stack", "crop", "crops", "minus", "boxes", "scope", "input", "numbers", "channels"
]
"""How a panel comes from a recorded array.

``plain``: as it is. ``stack``: one panel for each item along the first axis. ``crop``: cut from the
image; nothing recorded. ``crops``: a stack of what is seen in as many regions. ``minus``: two
recorded arrays, one less the other. ``boxes``, ``scope``: drawn on the image. ``input``: a
normalised image. ``numbers``: a list. ``channels``: the mean of the first axis.
"""

ANSWER = "Answer"


@dataclass(frozen=True, slots=True)
class Row:
    """One panel, or one for each item of a stack.

    Attributes
    ----------
    key: name in the trace; ``#`` stands for the number of a turn. Of a crop: ``view/`` and its
        kind. Of a difference: a name of its own.
    title, caption: ``{n}``, ``{count}`` and ``{turn}`` are filled in.
    kind: see :data:`iseg_widget.explanation.KINDS`.
    group: heading under which the panel stands.
    where: kind of the view that the array covers; ``"image"`` for all of it.
    form: see :data:`Form`.
    of, minus: names of the two arrays of a difference.
    ink: ``"positive"`` or ``"negative"`` for maps of one kind of click.
    unit: of the values.
    baseline: of numbers: the value that changes nothing.
    """

    key: str
    title: str
    caption: str
    kind: str
    group: str
    where: str = "image"
    form: Form = "plain"
    of: str = ""
    minus: str = ""
    ink: str = ""
    unit: str = ""
    baseline: float = 0.0


Table = tuple[Row, ...]


def maps(
    group: str, where: str, positive: str, negative: str, drawn: str, source: str, unit: str = ""
) -> Table:
    """Rows of the positive and the negative click map."""
    rows = []
    for key, ink in ((positive, "positive"), (negative, "negative")):
        caption = f"{drawn.format(ink=ink)} ({source})."
        noun = "distance" if unit else "clicks"
        title = f"{ink.capitalize()} {noun}"
        rows.append(Row(key, title, caption, "map", group, where, ink=ink, unit=unit))
    return tuple(rows)


GENERIC_VIEWS = {
    "target_crop": ("Target crop", "The part of the image around the object that was looked at."),
    "focus_crop": ("Focus crop", "The part of the image that was refined."),
    "focus_view": ("Focus view", "A part of the image around a click that was looked at closely."),
    "zoom_in": ("Zoom-in", "The part of the image that the network saw."),
    "roi": ("Region", "A region of the image that was looked at again."),
}
"""Title and caption of a view whose method is not known."""

PROBABILITY = Row(
    "step.probability",
    "Probability",
    "What the networks say of every pixel, crops pasted back.",
    "probability",
    ANSWER,
)
MASK = Row(
    "step.mask",
    "Mask",
    "What the user gets: the probability above the threshold, after the method's own rules and, "
    "where a mask existed before, the progressive merge.",
    "mask",
    ANSWER,
)
