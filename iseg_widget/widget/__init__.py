"""The notebook widgets: :class:`SegmentationWidget` and :class:`CompareWidget`.

======================  =======================================================================
``segmentation.py``     the widget: traits, Python interface, messages in and out
``desk.py``             what is done for a request: the annotation, the method, the answers
``actions.py``          what the desk can be asked to do
``messages/``           the messages between page and kernel (mirrored in ``js/src/messages/``)
``threaded.py``         what widgets with a worker have in common
``worker.py``           the one thread that does it, and the queue in front of it
``codec.py``            masks and pictures as bytes
``traits.py``           traits that are more than a plain value
``compare.py``          the comparison: as ``segmentation.py``
``compare_desk.py``     as ``desk.py``: one session for each pane, the same clicks for all
``compare_actions.py``  what that desk can be asked to do
``compare_opening.py``  how its panes get their methods
``compare_panes.py``    the panes, and the course of clicks that they answer
``compare_figure.py``   a comparison on a page
======================  =======================================================================
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iseg_widget.widget.compare import CompareWidget as CompareWidget
    from iseg_widget.widget.segmentation import SegmentationWidget as SegmentationWidget

_HOMES = {
    "CompareWidget": "iseg_widget.widget.compare",
    "SegmentationWidget": "iseg_widget.widget.segmentation",
}

__all__ = ["CompareWidget", "SegmentationWidget"]


def __getattr__(name: str) -> Any:
    # anywidget is imported with the first use, so that the protocol can be read without it.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
