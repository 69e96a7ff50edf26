"""FocalClick's click procedure and its helpers against the published code (cases C2, C3)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from iseg_widget.clicks import Click, to_array
from iseg_widget.methods.focalclick import FocalClick, FocalClickOptions
from iseg_widget.methods.focalclick_published import (
    focus_bounds,
    grow,
    mask_bounds,
    merge,
    zoom_box,
)
from iseg_widget.methods.registry import load_method
from iseg_widget.networks.focalclick import (
    Coarse,
    FocalClickNetwork,
    Geometry,
    NetworkInput,
    Refined,
)
from iseg_widget.networks.roi_align import roi_align
from iseg_widget.session import Session
from iseg_widget.views import intersect
from tests.published import case_checkpoint, load_case

pytestmark = pytest.mark.parity


class ClosedForm(FocalClickNetwork):
    """The recorded cases' network without weights; its click maps are squared distances."""

    def __init__(self) -> None:
        super().__init__(Geometry(inputs={"S2": NetworkInput(256, 5.0)}, sampling="corners"))
        self.placeholder = nn.Parameter(torch.zeros(1))

    def segment(self, image: torch.Tensor, interaction: torch.Tensor):
        previous, positive, negative = interaction.split(1, dim=1)
        width = image.shape[3]
        logits = 6 * torch.exp(-positive / (2 * (0.12 * width) ** 2))
        logits -= 6 * torch.exp(-negative / (2 * (0.05 * width) ** 2))
        logits += 3 * (previous - 0.5) + 8 * (image[:, :1] - image[:, 1:2] - 0.2)
        return Coarse(logits, F.avg_pool2d(torch.cat([image, 0.1 * logits], 1), 4))

    def refine(
        self, image: torch.Tensor, clicks: torch.Tensor, coarse: Coarse, boxes: torch.Tensor
    ):
        size = image.shape[2:]
        features = roi_align(coarse.features, boxes, coarse.features.shape[2:], 64 / 256)
        logits = roi_align(coarse.logits, boxes, size)
        mean = features.mean(1, keepdim=True)
        mean = F.interpolate(mean, size=size, mode="bilinear", align_corners=True)
        positive, negative = (clicks <= 25).float().split(1, dim=1)
        detail = 2 * (mean - 0.4) + 3 * positive - 3 * negative
        detail += 2 * (image[:, :1] - image[:, 2:3] - 0.2)
        return Refined(logits, detail, logits * 0, logits + detail)


class ClosedFormFocalClick(FocalClick):
    def _click_maps(self, clicks: tuple[Click, ...], box: tuple, fed: NetworkInput) -> np.ndarray:
        points = self.sampling.clicks(to_array(clicks), box, fed.side)
        rows, columns = np.mgrid[: fed.side, : fed.side].astype(np.float32)
        maps = np.full((2, fed.side, fed.side), 1e6, np.float32)
        for x, y, positive in points:
            nearest = maps[0 if positive else 1]
            np.minimum(nearest, (rows - y) ** 2 + (columns - x) ** 2, out=nearest)
        return maps


def unpacked(case: np.lib.npyio.NpzFile, shape: tuple[int, int]):
    return np.unpackbits(case["mask"], axis=-1, count=shape[1]).astype(bool)


def half_open(roi: np.ndarray):
    return int(roi[2]), int(roi[0]), int(roi[3]), int(roi[1])


C2 = ("analytic_scratch_0", "analytic_init_0", "segformerB0_S2_scratch", "hrnet18s_S2_init")


@pytest.mark.parametrize("name", C2)
def test_the_whole_procedure_equals_the_recorded_one(name: str, parity_root: Path, tmp_path: Path):
    case, meta = load_case(parity_root, f"C2_{name}")
    if meta["model"] == "analytic":
        method = ClosedFormFocalClick(ClosedForm(), FocalClickOptions(compat=True))
    else:
        path = case_checkpoint(parity_root, meta, tmp_path / "published.pth")
        method = load_method("focalclick", weights=path, compat=True, device="cpu")
    image = case["image"]
    masks = unpacked(case, image.shape[:2])
    initial = case["init_mask"].astype(bool) if "init_mask" in case else None
    session = Session(method, image, initial, trace=True)
    kept = case["kept_clicks"].tolist()
    for index, (row, column, positive) in enumerate(case["clicks"].tolist()):
        step = session.click_many([Click(column, row, bool(positive))])
        views = {view.kind: view.box for view in step.views}
        assert views["target_crop"] == half_open(case["global_roi"][index]), index
        assert views["focus_crop"] == half_open(case["focus_roi"][index]), index
        if index not in kept:
            continue
        place = kept.index(index)
        probability = case["prob"][place] / 65535
        deviation = np.abs(step.probability[::2, ::2] - probability).max()
        assert deviation <= 2e-3, index
        assert (step.mask != masks[place]).mean() <= 1e-3, index
        for ours, recorded in (("focus_coarse", "coarse"), ("refined", "refined")):
            patch = step.trace[ours][::4, ::4] * 255
            assert np.abs(patch - case[recorded][place]).max() <= 2e-3 * 255


@pytest.fixture
def pairs(parity_root: Path):
    """Recorded pairs: prediction, previous probability, click (row, column), target crop."""
    case, _ = load_case(parity_root, "C3_helpers")
    return case, [
        (
            case["pred"][index, :height, :width],
            case["prev"][index, :height, :width],
            tuple(case["yx"][index].tolist()),
            half_open(case["groi"][index]),
        )
        for index, (height, width) in enumerate(case["shape"])
    ]


@pytest.mark.parametrize(
    ("recorded", "kind", "ratio"),
    [
        ("crop14", "difference", 1.4),
        ("crop12", "difference", 1.2),
        ("obj", "object", 1.4),
        ("clk", "click", 1.4),
    ],
)
def test_focus_crops_equal_the_recorded_ones(pairs: tuple, recorded: str, kind: str, ratio: float):
    case, cases = pairs
    for index, (prediction, previous, pixel, target) in enumerate(cases):
        bounds = focus_bounds(prediction > 0.49, previous > 0.49, [pixel], kind)
        box = intersect(grow(bounds, ratio, prediction.shape), target)
        roi = half_open(case[recorded][index])
        assert box == (roi if roi[0] < roi[2] and roi[1] < roi[3] else None), index


def test_bounds_equal_the_recorded_ones(pairs: tuple):
    case, cases = pairs
    for index, (prediction, _, _, _) in enumerate(cases):
        mask = prediction > 0.5
        assert mask_bounds(mask) == half_open(case["bbox_pred"][index]), index
        assert grow(mask_bounds(mask), 1.4, mask.shape) == half_open(case["expand"][index]), index


def test_target_crops_equal_the_recorded_ones(pairs: tuple):
    case, cases = pairs
    for index, (prediction, _, _, _) in enumerate(cases):
        mask = prediction > 0.5
        if not mask.any():
            continue
        # Recorded before the cut to the image, with inclusive ends.
        r0, r1, c0, c1 = case["misc_exp"][index].tolist()
        height, width = mask.shape
        expected = max(c0, 0), max(r0, 0), min(c1, width - 1) + 1, min(r1, height - 1) + 1
        assert zoom_box(mask, 1.4) == expected, index


def test_merged_masks_equal_the_recorded_ones(pairs: tuple):
    case, cases = pairs
    for index, (prediction, previous, pixel, _) in enumerate(cases):
        recorded = case["pm"][index, : prediction.shape[0], : prediction.shape[1]] > 0
        merged = merge(previous > 0.5, prediction > 0.5, [pixel])
        assert np.array_equal(merged, recorded), index
