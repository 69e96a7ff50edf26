"""How the page shows picture and mask: traits that survive a reload and can be set from Python."""

from __future__ import annotations

import traitlets

MASK_DISPLAYS = ("both", "fill", "contour")
BACKGROUNDS = ("shown", "dimmed", "checkerboard")


class ViewModes(traitlets.HasTraits):
    """Traits of the view.

    Attributes
    ----------
    loupe: magnify what is near the pointer (FocusCut's magnifier).
    loupe_zoom: how many times.
    pixel_grid: draw lines between pixels when they are large.
    contour_width: of the masks' outlines, in CSS pixels.
    mask_display: fill of the active mask, its contour, or both.
    background: what is outside of the active mask: ``"shown"``, or the object is cut out and the
        rest ``"dimmed"`` or a ``"checkerboard"``.
    invert: tint what is outside of the active mask instead of what is inside.
    side_by_side: show the picture without masks beside it.
    """

    loupe = traitlets.Bool(False).tag(sync=True)
    loupe_zoom = traitlets.Float(4.0, min=2.0, max=8.0).tag(sync=True)
    pixel_grid = traitlets.Bool(True).tag(sync=True)
    contour_width = traitlets.Float(1.5, min=0.5, max=8.0).tag(sync=True)
    mask_display = traitlets.Enum(MASK_DISPLAYS, "both").tag(sync=True)
    background = traitlets.Enum(BACKGROUNDS, "shown").tag(sync=True)
    invert = traitlets.Bool(False).tag(sync=True)
    side_by_side = traitlets.Bool(False).tag(sync=True)


VIEW_MODES = frozenset(ViewModes.class_own_traits())
"""Names of these traits; the page may set them."""
