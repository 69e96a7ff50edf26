"""The requests that :class:`iseg_widget.SegmentationWidget` accepts, by kind."""

from __future__ import annotations

from iseg_widget.widget.messages.base import Known

REQUESTS: Known = {}
