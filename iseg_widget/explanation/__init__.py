"""What a method looked at and what it thought, as described pictures.

:func:`explain` turns a step's views and trace into panels, :func:`render` paints one, and
:func:`figure` lays them all out on a page.
"""

from __future__ import annotations

from iseg_widget.explanation.figure import figure
from iseg_widget.explanation.panels import KINDS, Panel, explain
from iseg_widget.explanation.render import render

__all__ = ["KINDS", "Panel", "explain", "figure", "render"]
