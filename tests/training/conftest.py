from __future__ import annotations

import pytest
import torch

from iseg_widget.networks.efficientnet_lite import EfficientNetLite0
from iseg_widget.training import focalclick, start


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights in place of ImageNet's, always the same, and a small Refiner."""
    torch.manual_seed(7)
    state = EfficientNetLite0().state_dict()
    monkeypatch.setattr(
        start, "imagenet_backbone", lambda: {k: v.clone() for k, v in state.items()}
    )
    monkeypatch.setattr(focalclick, "REFINER_SIDE", 64)
