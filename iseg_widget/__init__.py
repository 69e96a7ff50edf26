"""iseg_widget: click in the notebook, see the mask; swap the method and see why it differs."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iseg_widget import datasets as datasets
    from iseg_widget.api import segment as segment
    from iseg_widget.clicks import Click as Click
    from iseg_widget.evaluation.report import Report as Report
    from iseg_widget.evaluation.runner import evaluate as evaluate
    from iseg_widget.methods.fca_net import FCANetOptions as FCANetOptions
    from iseg_widget.methods.focalclick import FocalClickOptions as FocalClickOptions
    from iseg_widget.methods.focuscut import FocusCutOptions as FocusCutOptions
    from iseg_widget.methods.registry import list_methods as list_methods
    from iseg_widget.methods.registry import load_method as load_method
    from iseg_widget.session import Session as Session
    from iseg_widget.session import replay as replay
    from iseg_widget.weights.registry import list_weights as list_weights
    from iseg_widget.widget import SegmentationWidget as SegmentationWidget

try:
    __version__ = version("iseg-widget")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0"

# Importing the package must stay quick: torch and the widget come with the first use of a name.
_HOMES = {
    "Click": "iseg_widget.clicks",
    "FCANetOptions": "iseg_widget.methods.fca_net",
    "FocalClickOptions": "iseg_widget.methods.focalclick",
    "FocusCutOptions": "iseg_widget.methods.focuscut",
    "Report": "iseg_widget.evaluation.report",
    "SegmentationWidget": "iseg_widget.widget",
    "Session": "iseg_widget.session",
    "evaluate": "iseg_widget.evaluation.runner",
    "list_methods": "iseg_widget.methods.registry",
    "list_weights": "iseg_widget.weights.registry",
    "load_method": "iseg_widget.methods.registry",
    "replay": "iseg_widget.session",
    "segment": "iseg_widget.api",
}
_MODULES = ("datasets",)

__all__ = [
    "Click",
    "FCANetOptions",
    "FocalClickOptions",
    "FocusCutOptions",
    "Report",
    "SegmentationWidget",
    "Session",
    "__version__",
    "datasets",
    "evaluate",
    "list_methods",
    "list_weights",
    "load_method",
    "replay",
    "segment",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"iseg_widget.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'iseg_widget' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
