"""What a network was shown in the pass that counts: for pictures and for a teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from iseg_widget.training.interaction import Interaction


@dataclass(frozen=True)
class Seen:
    """The views of a batch, what was clicked on them, and the answer.

    Attributes
    ----------
    image: ``(B, 3, H, W)`` in 0..1.
    given: clicks and previous probability, in pixels of the views.
    truth, valid: ``(B, 1, H, W)``.
    logits: ``(B, 1, H, W)``, with gradients.
    patches: whether the views are close-ups about a click, as FocusCut's focus patches are.
    """

    image: Tensor
    given: Interaction
    truth: Tensor
    valid: Tensor
    logits: Tensor
    patches: bool = False


Show = Callable[[Seen], None]
"""Takes note of what was seen."""
