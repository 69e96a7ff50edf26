"""IA-FPN's click procedure and its zoom rule against the published code (cases F3)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from iseg_widget.clicks import Click
from iseg_widget.methods.ia_fpn import IAFPN, IAFPNOptions
from iseg_widget.methods.ia_fpn_rules import margin_ratio, zoom_box
from iseg_widget.methods.registry import load_method
from iseg_widget.networks.ia_fpn import IAFPNNetwork, Prediction
from iseg_widget.session import Session
from tests.csfpn import entries, key_list
from tests.published import load_case

pytestmark = pytest.mark.parity

TOLERANCE = 2e-3


def nearest(points: torch.Tensor, shape: tuple[int, int], kind: int):
    """Squared distance to the nearest click of a kind, ``(N, 1, H, W)``; 1e6 without one."""
    rows, columns = torch.arange(shape[0]).view(-1, 1), torch.arange(shape[1])
    x, y = points[..., 0, None, None], points[..., 1, None, None]
    distance = (rows - y) ** 2 + (columns - x) ** 2
    counts = (points[..., 2] == kind) & (points[..., :2].amax(2) >= 0)
    distance = torch.where(counts[..., None, None], distance, 1e6)
    return torch.cat([distance, torch.full((len(points), 1, *shape), 1e6)], 1).amin(1, True)


class ClosedForm(IAFPNNetwork):
    """The recorded cases' networks without weights; remembers the points it was given."""

    def __init__(self, fine: nn.Module | None = None) -> None:
        super().__init__()
        self.placeholder = nn.Parameter(torch.zeros(1))
        self.given = fine
        self.seen: dict[str, torch.Tensor] = {}

    def formula(self, which: str, maps: torch.Tensor, points: torch.Tensor, added: float):
        self.seen[which] = points
        shape = (maps.shape[2], maps.shape[3])
        width = shape[1]
        logits = 6 * torch.exp(-nearest(points, shape, 1) / (2 * (0.10 * width) ** 2))
        logits -= 6 * torch.exp(-nearest(points, shape, 0) / (2 * (0.03 * width) ** 2))
        return Prediction(logits + 2 * (maps[:, :1] - 0.5) - 0.5 + added)

    def coarse(self, image, maps, points, how):  # noqa: ARG002
        return self.formula("coarse", maps, points, 0.0)

    def fine(self, image, maps, points, how):
        if self.given is not None:
            self.seen["fine"] = points
            return self.given(image, maps, points, how)
        return self.formula("fine", maps, points, 0.4)


def half_open(roi: np.ndarray):
    return int(roi[2]), int(roi[0]), int(roi[3]) + 1, int(roi[1]) + 1


def check_points(found: torch.Tensor, recorded: np.ndarray):
    """Clicks in the order they were given; the recorded ones have positives first."""
    for rows, slots in zip(found.numpy(), recorded, strict=True):
        taken = slots[slots[:, 2] >= 0]
        taken = taken[np.argsort(taken[:, 2])]
        assert np.allclose(rows[:, :2], taken[:, 1::-1], atol=1e-4)


def compare(method: IAFPN, seen: dict, case: np.lib.npyio.NpzFile):
    session = Session(method, case["image"], trace=True)
    kept = case["kept_clicks"].tolist()
    for index, (row, column, positive) in enumerate(case["clicks"].tolist()):
        step = session.click_many([Click(column, row, bool(positive))])
        assert [view.box for view in step.views] == [half_open(case["object_roi"][index])], index
        assert step.trace["coarse_probability"].shape == tuple(case["hw_coarse"][index]), index
        assert step.trace["fine_probability"].shape == tuple(case["hw_fine"][index]), index
        if seen:
            check_points(seen["coarse"], case[f"points_int_{index}"])
            check_points(seen["fine"], case[f"points_seg_{index}"])
        if index not in kept:
            continue
        place = kept.index(index)
        if "coarse_prob" in case:
            coarse = case["coarse_prob"][place] / 65535
            found = step.trace["coarse_probability"][::2, ::2]
            assert np.abs(found - coarse).max() <= TOLERANCE, index
        fine = case["prob"][place] / 65535
        assert np.abs(step.probability[::2, ::2] - fine).max() <= TOLERANCE, index
        assert ((step.mask[::2, ::2]) != (fine > 0.49)).mean() <= 1e-3, index


def test_the_procedure_equals_the_recorded_one(parity_root: Path):
    case, _ = load_case(parity_root, "F3_analytic")
    network = ClosedForm()
    compare(IAFPN(network, IAFPNOptions(compat=True)), network.seen, case)


def test_the_procedure_with_the_published_fine_network(parity_root: Path, tmp_path: Path):
    case, meta = load_case(parity_root, "F3_csfpn_fine_only")
    config = json.loads((parity_root / "config_csfpn.json").read_text())
    paths = []
    for name, prefix, keys in zip(
        ("coarse", "fine"), meta["key_prefix"], meta["keys"], strict=True
    ):
        overrides = meta["overrides_added"][1] if name == "fine" else None
        state = entries(key_list(parity_root, keys), meta, prefix, overrides)
        paths.append(tmp_path / f"{name}.pth")
        torch.save({"state_dict": state, "config": config}, paths[-1])
    options = IAFPNOptions(crop_side=280)
    loaded = load_method("ia_fpn", weights=paths, options=options, compat=True, device="cpu")
    network = ClosedForm(loaded.network.fine_network)
    compare(IAFPN(network, loaded.options), network.seen, case)


def test_the_zoom_rule_equals_the_recorded_regions(parity_root: Path):
    case, _ = load_case(parity_root, "F3_zoom_rule")
    for shape, roi, ratio, region in zip(
        case["hw"].tolist(), case["bbox"], case["ratio"], case["roi"], strict=True
    ):
        x0, y0, x1, y1 = box = half_open(roi)
        assert margin_ratio(box, tuple(shape)) == pytest.approx(float(ratio), abs=1e-6)
        mask = np.zeros(shape, bool)
        mask[y0:y1, x0:x1] = True
        assert zoom_box(mask, []) == half_open(region)
