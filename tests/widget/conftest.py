"""A widget on a small black image, answered by disks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from iseg_widget.widget.segmentation import SegmentationWidget
from tests.widget.fakes import Disks, Page

Make = Callable[..., tuple[SegmentationWidget, Page, Disks]]


@pytest.fixture
def make() -> Iterator[Make]:
    """Build widgets; they are closed after the test."""
    widgets: list[SegmentationWidget] = []

    def build(**keywords: Any) -> tuple[SegmentationWidget, Page, Disks]:
        method = keywords.pop("method", None) or Disks()
        image = keywords.pop("image", None)
        if image is None:
            image = np.zeros((60, 80, 3), np.uint8)
        widget = SegmentationWidget(image, method, **keywords)
        widgets.append(widget)
        return widget, Page(widget), method

    yield build
    for widget in widgets:
        worker = widget._desk.worker
        widget.close()
        worker.join(20)
