"""Many objects with labels on one image."""

from iseg_widget.annotation.annotation import Annotation
from iseg_widget.annotation.state import PALETTE, RULES, AnnotatedObject, Rule

__all__ = ["PALETTE", "RULES", "AnnotatedObject", "Annotation", "Rule"]
