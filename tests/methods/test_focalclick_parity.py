"""Helpers of FocalClick against the recorded outputs of the published code (cases C3)."""

import numpy as np
import pytest

from iseg_widget.masks import progressive_merge
from tests.published import load_case

pytestmark = pytest.mark.parity


def test_progressive_merge_equals_the_recorded_masks_where_the_click_changed(parity_root):
    case, _ = load_case(parity_root, "C3_helpers")
    compared = 0
    for index, (height, width) in enumerate(case["shape"]):
        new = case["pred"][index, :height, :width] > 0.5
        previous = case["prev"][index, :height, :width] > 0.5
        pixel = tuple(case["yx"][index])
        if new[pixel] == previous[pixel]:
            continue  # the published code then flips everything unchanged: a slip, not a rule
        recorded = case["pm"][index, :height, :width] > 0
        assert np.array_equal(progressive_merge(previous, new, [pixel]), recorded), index
        compared += 1
    assert compared >= 15
