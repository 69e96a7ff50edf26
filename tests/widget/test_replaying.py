from __future__ import annotations

import numpy as np
import pytest

from iseg_widget.clicks import Click
from iseg_widget.masks import PackedMask
from iseg_widget.session import Session
from iseg_widget.widget.replaying import Frame, frame
from tests.widget.fakes import Disks


@pytest.fixture
def session() -> Session:
    truth = np.zeros((60, 80), bool)
    truth[20:40, 10:30] = True
    initial = np.zeros((60, 80), bool)
    initial[:5] = True
    made = Session(Disks(), np.zeros((60, 80, 3), np.uint8), initial, truth)
    made.click(20, 30)
    made.click_many([Click(40, 30), Click(50, 20, False)])
    made.edit(truth)
    return made


def mask_of(found: Frame) -> np.ndarray:
    assert not found.overlay.is_patch
    assert found.overlay.data is not None
    width, height = found.overlay.grid
    return PackedMask((height, width), found.overlay.data).unpack()


def test_frames_are_the_steps_and_nobody_is_asked(session: Session) -> None:
    method = session.method
    assert isinstance(method, Disks)
    steps = method.steps
    frames = [frame(session, index) for index in range(4)]
    assert method.steps == steps
    initial = session.initial_mask
    assert initial is not None
    masks = [initial, *(step.mask for step in session.steps)]
    for found, mask in zip(frames, masks, strict=True):
        assert np.array_equal(mask_of(found), mask)
        assert found.area == mask.sum()
        assert found.count == 3
    assert [len(found.clicks) for found in frames] == [0, 1, 3, 3]
    assert [found.new for found in frames] == [0, 1, 2, 0]
    assert [found.what for found in frames] == ["start", "clicks", "clicks", "edit"]
    assert [found.iou for found in frames] == [None, *(step.iou for step in session.steps)]
    assert frames[0].seconds is None
    assert frames[1].seconds == 0.004


@pytest.mark.parametrize("index", [-1, 4])
def test_a_frame_that_there_is_not(session: Session, index: int) -> None:
    with pytest.raises(ValueError, match=f"no frame {index}: the session has 3 steps"):
        frame(session, index)
