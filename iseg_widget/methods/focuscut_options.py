"""Settings of FocusCut (Lin et al., CVPR 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Refocus = Literal["all", "new"]


@dataclass(frozen=True)
class FocusCutOptions:
    """Settings of FocusCut; the defaults are the paper's.

    Attributes
    ----------
    focus_view: refine around the clicks ("FV" of Table 1), else whole view only ("GV").
    turns: T, turns of the progressive focus strategy (Alg. 3); 1 is "GV + FV" of Table 1.
    fast: fast version (Sec. 3.5; Table 2, *): the scope of every turn is ``reduction`` times the
        last one's, all turns start from the whole view and go through the network together.
    reduction: factor of the fast version (Sec. 3.5: 0.8), and of ``adaptive_scope=False``.
    adaptive_scope: each turn's scope follows what the last one changed (Alg. 3, line 7), else it
        is ``reduction`` times the last one's. The fast version never adapts.
    iterative: a turn is fed the mask with the last turn's results ("w/ IP" of Table 3), else the
        whole view's.
    refocus: ``"all"`` refines around all clicks that were focused so far, at every click;
        ``"new"`` around the new ones only. The text leaves it open; the published code does all.
    lam: lambda: a change is focused when smaller than this part of the object (Alg. 2).
    omega: relax coefficient of the focus scope (Alg. 2).
    omega_hat: the same of later turns (Alg. 3).
    epsilon: pixels by which a turn's change is eroded, in a view of 384 (Alg. 3).
    size: side in pixels of the focus view, and shorter side of the whole view, as the network
        sees them (Sec. 4.1: 384; the published code has 512 for DAVIS).
    max_side: limit in pixels of the whole view's longer side, for very long images, whose shorter
        side is then less than ``size``; ``None``: no limit, as published.
    sigma: width in pixels of the Gaussian of a click, full width at half maximum.
    zoom_in: look at the object with a margin (Sec. 4.1), else always at the whole image.
    progressive_merge: update a mask that existed before, or was drawn, only in the changed region
        under the click. Not of this paper: FocalClick's way of keeping what is there.
    threshold: probability above which a pixel belongs to the mask.
    compat: follow a slip of the published code as well: the first click is answered twice, the
        second time zoomed in on the first answer, which is fed as the previous mask.
    """

    focus_view: bool = True
    turns: int = 3
    fast: bool = False
    reduction: float = 0.8
    adaptive_scope: bool = True
    iterative: bool = True
    refocus: Refocus = "all"
    lam: float = 0.2
    omega: float = 1.75
    omega_hat: float = 1.1
    epsilon: float = 2.0
    size: int = 384
    max_side: int | None = 2048
    sigma: float = 10.0
    zoom_in: bool = True
    progressive_merge: bool = True
    threshold: float = 0.5
    compat: bool = False

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a value outside what is accepted."""
        if self.refocus not in ("all", "new"):
            raise ValueError(f"refocus must be 'all' or 'new', got {self.refocus!r}")
        for name, low, high in (
            ("turns", 1, 20),
            ("size", 32, 4096),
            ("reduction", 0.1, 0.99),
            ("lam", 0.0, 10.0),
            ("omega", 0.5, 10.0),
            ("omega_hat", 0.5, 10.0),
            ("epsilon", 0.0, 100.0),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must lie in {low}..{high}, got {getattr(self, name)!r}")
        if self.max_side is not None and self.max_side < self.size:
            raise ValueError(
                f"max_side must be None or at least size ({self.size}), got {self.max_side!r}"
            )
        if not 0.0 < self.sigma <= 1000.0:
            raise ValueError(f"sigma must lie in 0..1000, got {self.sigma!r}")
        if not 0.0 < self.threshold < 1.0:
            raise ValueError(f"threshold must lie between 0 and 1, got {self.threshold!r}")

    @property
    def factor(self) -> float:
        """``reduction`` as the published code reads it, the fraction of its setting 3.8.

        In floating point it is just below 0.8, which decides where a scope is truncated.
        """
        return (self.turns + self.reduction) % 1.0
