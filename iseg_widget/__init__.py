"""iseg_widget: click in the notebook, see the mask; swap the method and see why it differs."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iseg_widget import datasets as datasets
    from iseg_widget.annotation import Annotation as Annotation
    from iseg_widget.api import segment as segment
    from iseg_widget.clicks import Click as Click
    from iseg_widget.evaluation.published import published_results as published_results
    from iseg_widget.evaluation.report import Report as Report
    from iseg_widget.evaluation.runner import evaluate as evaluate
    from iseg_widget.explanation import explain as explain
    from iseg_widget.methods.brs import BRSOptions as BRSOptions
    from iseg_widget.methods.brs import FBRSOptions as FBRSOptions
    from iseg_widget.methods.fca_net import FCANetOptions as FCANetOptions
    from iseg_widget.methods.focalclick import FocalClickOptions as FocalClickOptions
    from iseg_widget.methods.focuscut import FocusCutOptions as FocusCutOptions
    from iseg_widget.methods.ia_fpn import IAFPNOptions as IAFPNOptions
    from iseg_widget.methods.ifcn import IFCNOptions as IFCNOptions
    from iseg_widget.methods.registry import list_methods as list_methods
    from iseg_widget.methods.registry import load_method as load_method
    from iseg_widget.methods.ris_net import RISNetOptions as RISNetOptions
    from iseg_widget.methods.ritm import RITMOptions as RITMOptions
    from iseg_widget.session import Session as Session
    from iseg_widget.session import replay as replay
    from iseg_widget.weights.registry import list_published as list_published
    from iseg_widget.weights.registry import list_weights as list_weights
    from iseg_widget.widget import CompareWidget as CompareWidget
    from iseg_widget.widget import SegmentationWidget as SegmentationWidget

try:
    __version__ = version("iseg-widget")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0"

# Importing the package must stay quick: torch and the widget come with the first use of a name.
_HOMES = {
    "Annotation": "iseg_widget.annotation",
    "BRSOptions": "iseg_widget.methods.brs",
    "Click": "iseg_widget.clicks",
    "CompareWidget": "iseg_widget.widget",
    "FBRSOptions": "iseg_widget.methods.brs",
    "FCANetOptions": "iseg_widget.methods.fca_net",
    "FocalClickOptions": "iseg_widget.methods.focalclick",
    "FocusCutOptions": "iseg_widget.methods.focuscut",
    "IAFPNOptions": "iseg_widget.methods.ia_fpn",
    "IFCNOptions": "iseg_widget.methods.ifcn",
    "RISNetOptions": "iseg_widget.methods.ris_net",
    "RITMOptions": "iseg_widget.methods.ritm",
    "Report": "iseg_widget.evaluation.report",
    "SegmentationWidget": "iseg_widget.widget",
    "Session": "iseg_widget.session",
    "evaluate": "iseg_widget.evaluation.runner",
    "explain": "iseg_widget.explanation",
    "list_methods": "iseg_widget.methods.registry",
    "list_published": "iseg_widget.weights.registry",
    "list_weights": "iseg_widget.weights.registry",
    "load_method": "iseg_widget.methods.registry",
    "published_results": "iseg_widget.evaluation.published",
    "replay": "iseg_widget.session",
    "segment": "iseg_widget.api",
}
_MODULES = ("datasets",)

__all__ = [
    "Annotation",
    "BRSOptions",
    "Click",
    "CompareWidget",
    "FBRSOptions",
    "FCANetOptions",
    "FocalClickOptions",
    "FocusCutOptions",
    "IAFPNOptions",
    "IFCNOptions",
    "RISNetOptions",
    "RITMOptions",
    "Report",
    "SegmentationWidget",
    "Session",
    "__version__",
    "datasets",
    "evaluate",
    "explain",
    "list_methods",
    "list_published",
    "list_weights",
    "load_method",
    "published_results",
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
