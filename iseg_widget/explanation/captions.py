"""What each method records, in words: whose trace it is, and where the words for it are.

A table lists a method's panels in the order of its procedure. Its rows are known by the names of
the trace (``Step.trace``); methods themselves are not asked, so recorded steps explain themselves.
"""

from __future__ import annotations

from collections.abc import Collection

from iseg_widget.explanation.captions_baselines import BRS, F_BRS, IFCN, RITM
from iseg_widget.explanation.captions_features import FCA_NET, IA_FPN, RIS_NET
from iseg_widget.explanation.captions_views import FOCALCLICK, FOCUSCUT
from iseg_widget.explanation.rows import Table

_SIGNS: tuple[tuple[frozenset[str], Table], ...] = (
    (frozenset({"fused_probability", "roi_boxes"}), RIS_NET),
    (frozenset({"first_click", "removed"}), FCA_NET),
    (frozenset({"whole_view", "previous_mask"}), FOCUSCUT),
    (frozenset({"coarse_probability", "fine_probability"}), IA_FPN),
    (frozenset({"coarse", "previous_mask"}), FOCALCLICK),
    (frozenset({"crop_probability", "scale", "bias"}), F_BRS),
    (frozenset({"crop_probability", "input_change"}), BRS),
    (frozenset({"crop_probability", "previous_mask"}), RITM),
    (frozenset({"positive_distance", "negative_distance", "probability"}), IFCN),
)


def table_of(names: Collection[str]) -> Table | None:
    """Return the table of the method that records these names; ``None`` for an unknown one."""
    for needed, table in _SIGNS:
        if needed <= set(names):
            return table
    return None
