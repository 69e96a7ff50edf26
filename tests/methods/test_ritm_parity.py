"""RITM's, BRS's and f-BRS's click procedures against the published code (cases D2, D3)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from iseg_widget.clicks import Click
from iseg_widget.methods.registry import load_method
from iseg_widget.methods.ritm import RITM, RITMOptions
from iseg_widget.networks.ritm import RITMNetwork
from iseg_widget.session import Session
from tests.published import case_checkpoint, load_case

pytestmark = pytest.mark.parity


class ClosedForm(RITMNetwork):
    """The recorded cases' network without weights; its click maps are squared distances."""

    def __init__(self) -> None:
        super().__init__((0.0,) * 3, (1.0,) * 3)
        self.placeholder = nn.Parameter(torch.zeros(1))

    def trunk(self, image: torch.Tensor, interaction: torch.Tensor):
        return torch.cat([image, interaction], 1)

    def classify(self, features: torch.Tensor):
        red, green, _, previous, positive, negative = features.split(1, dim=1)
        width = features.shape[3]
        logits = 6 * torch.exp(-positive / (2 * (0.12 * width) ** 2))
        logits -= 6 * torch.exp(-negative / (2 * (0.05 * width) ** 2))
        return logits + 3 * (previous - 0.5) + 8 * (red - green - 0.2)


class ClosedFormRITM(RITM):
    def _click_maps(self, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
        maps = np.full((2, *size), 1e6, np.float32)
        for x, y, positive in points:
            if max(x, y) < 0 and self.options.compat:
                continue
            nearest = maps[0 if positive else 1]
            np.minimum(nearest, (rows - y) ** 2 + (columns - x) ** 2, out=nearest)
        return maps


def half_open(roi: np.ndarray):
    return int(roi[2]), int(roi[0]), int(roi[3]) + 1, int(roi[1]) + 1


def compare(method: RITM, case: np.lib.npyio.NpzFile, tolerance: float):
    """Answer the recorded clicks; regions must be equal, probabilities within the tolerance."""
    session = Session(method, case["image"])
    kept = case["kept_clicks"].tolist() if "kept_clicks" in case else range(len(case["clicks"]))
    for index, (row, column, positive) in enumerate(case["clicks"].tolist()):
        before = session._timeline[-1].state if session._timeline else session._start
        look = method._look(before, (*session.clicks, Click(column, row, bool(positive))))
        step = session.click_many([Click(column, row, bool(positive))])
        roi = case["object_roi"][index]
        changed, *size = case["changed_roih_roiw"][index].tolist()
        assert look.region == (None if roi[0] < 0 else half_open(roi)), index
        assert (look.changed, step.views[0].box) == (bool(changed), look.fed), index
        if size[0] > 0:
            assert look.size == tuple(size), index
        if index in kept:
            recorded = case["prob"][list(kept).index(index)] / 65535
            found = step.probability[::2, ::2]
            assert np.abs(found - recorded).max() <= tolerance, index
            assert ((found > 0.49) != (recorded > 0.49)).mean() <= 1e-3, index


@pytest.mark.parametrize("name", ["analytic_400", "analytic_wide", "hrnet18s_cocolvis_nobrs"])
def test_the_whole_procedure_equals_the_recorded_one(name: str, parity_root: Path, tmp_path: Path):
    case, meta = load_case(parity_root, f"D2_{name}")
    if meta["model"] == "analytic":
        method = ClosedFormRITM(ClosedForm(), RITMOptions(compat=True))
    else:
        path = case_checkpoint(parity_root, meta, tmp_path / "published.pth")
        method = load_method("ritm", weights=path, compat=True, device="cpu")
    compare(method, case, 2e-3)


@pytest.mark.parametrize(("name", "method"), [("f-BRS-B", "f_brs"), ("RGB-BRS", "brs")])
def test_refinement_equals_the_recorded_one(
    name: str, method: str, parity_root: Path, tmp_path: Path
):
    case, meta = load_case(parity_root, f"D3_hrnet18s_cocolvis_{name}")
    path = case_checkpoint(parity_root, meta, tmp_path / "published.pth")
    built = load_method(method, weights=path, compat=True, device="cpu")
    compare(built, case, 2e-2)
