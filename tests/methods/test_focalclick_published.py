"""FocalClick around published networks: their geometry with and without ``compat``."""

from pathlib import Path

import numpy as np
import pytest
import torch

from iseg_widget.clicks import Click
from iseg_widget.methods.focalclick import FocalClick, FocalClickOptions
from iseg_widget.methods.focalclick_published import merge, region_at
from iseg_widget.methods.registry import load_method, with_options
from iseg_widget.networks.focalclick import FocalClickLite0
from iseg_widget.networks.focalclick_published import FocalClickHRNet, FocalClickSegFormer
from iseg_widget.networks.inference import prepare
from iseg_widget.session import Session, replay
from tests.published import state_dict


def drawn(network: torch.nn.Module, gain: float = 1.0):
    keys = [(name, list(tensor.shape)) for name, tensor in network.state_dict().items()]
    network.load_state_dict(state_dict(keys, gain))
    return prepare(network, torch.device("cpu"))


@pytest.fixture(scope="module")
def segformer():
    return drawn(FocalClickSegFormer("b0", "S1"))


@pytest.fixture(scope="module")
def image():
    rows, columns = np.mgrid[:90, :130]
    waves = [np.sin(rows / 9 + columns / (7 + 5 * c)) * 90 + 128 for c in range(3)]
    return np.stack(waves, 2).astype(np.uint8)


def test_the_weights_version_replaces_the_options(segformer: FocalClickSegFormer):
    method = FocalClick(segformer, FocalClickOptions(version="S2"))
    assert method.options.version == "S1"
    assert with_options(method, {"r_tc": 1.2}).options.version == "S1"


def test_s1_halves_its_input_and_answers_at_full_size(segformer: FocalClickSegFormer):
    torch.manual_seed(0)
    image, maps = torch.rand(1, 3, 256, 256), torch.rand(1, 3, 256, 256)
    with torch.inference_mode():
        coarse = segformer.segment(image, maps)
    assert coarse.logits.shape == (1, 1, 256, 256)
    assert coarse.features.shape[2:] == (32, 32)


@pytest.mark.parametrize(
    ("build", "version", "radius"),
    [
        (FocalClickSegFormer, "S1", 3),
        (FocalClickSegFormer, "S2", 5),
        (FocalClickHRNet, "S1", 2),
        (FocalClickHRNet, "S2", 5),
    ],
)
def test_disks_have_the_published_radii_on_256_pixels(build: type, version: str, radius: float):
    geometry = build(version=version).geometry
    assert dict(geometry.inputs) == {version: (256, radius)}
    assert geometry.refiner == (256, 5)
    assert geometry.sampling == "corners"


@pytest.mark.parametrize("compat", [False, True])
def test_a_session_runs_edits_undoes_and_replays(
    segformer: FocalClickSegFormer, image: np.ndarray, compat: bool
):
    method = FocalClick(segformer, FocalClickOptions(compat=compat))
    session = Session(method, image)
    session.click(60, 40)
    first = session.mask
    session.click_many([Click(20, 20, positive=False), Click(100, 70)])
    session.undo()
    assert np.array_equal(session.mask, first)
    session.redo()
    drawn_mask = np.zeros(image.shape[:2], bool)
    drawn_mask[20:60, 30:80] = True
    session.edit(drawn_mask)
    step = session.click(50, 40, positive=False)
    assert np.isfinite(step.probability).all()
    assert np.array_equal(replay(method, image, session.log()).mask, session.mask)


def test_without_compat_an_initial_mask_is_cropped_at_the_first_click(
    segformer: FocalClickSegFormer, image: np.ndarray
):
    mask = np.zeros(image.shape[:2], bool)
    mask[30:50, 40:70] = True
    boxes = {}
    for compat in (False, True):
        method = FocalClick(segformer, FocalClickOptions(compat=compat))
        boxes[compat] = Session(method, image, mask).click(50, 40).views[0].box
    assert boxes[True] == (0, 0, 130, 90)
    assert boxes[False] != boxes[True]


def test_compat_serves_the_small_network_as_well(image: np.ndarray):
    method = FocalClick(drawn(FocalClickLite0()), FocalClickOptions(compat=True, version="S1"))
    session = Session(method, image)
    for x in range(20, 110, 8):
        step = session.click(x, 45, positive=x % 3 > 0)
    assert len(session.steps) == 12
    assert np.isfinite(step.probability).all()


def test_load_method_sets_compat(tmp_path: Path):
    torch.save(
        {
            "state_dict": FocalClickSegFormer("b0").state_dict(),
            "config": {
                "class": "isegm.model.is_segformer_model.SegFormerModel",
                "params": {
                    "pipeline_version": {"type": "builtin", "value": "s2", "specified": True},
                    "model_version": {"type": "builtin", "value": "b0", "specified": True},
                },
            },
        },
        tmp_path / "b0.pth",
    )
    options = {"r_fc": 1.2}
    method = load_method("focalclick", weights=tmp_path / "b0.pth", options=options, compat=True)
    assert method.options == FocalClickOptions(r_fc=1.2, compat=True)
    assert not load_method("focalclick", weights=tmp_path / "b0.pth").options.compat


def test_the_published_merge_flips_everything_unchanged_under_an_unchanged_click():
    previous = np.zeros((6, 6), bool)
    previous[1:3, 1:3] = True
    new = previous.copy()
    new[4, 4] = True
    merged = merge(previous, new, [(0, 5)])
    assert np.array_equal(merged, ~(previous ^ new) | previous)
    assert not merge(previous, new, [(1, 1)])[1, 1]
    assert np.array_equal(merge(previous, new, [(4, 4)]), new)


def test_regions_of_several_clicks_are_joined():
    changed = np.zeros((5, 9), bool)
    changed[1, 1:3] = changed[3, 6:8] = changed[0, 8] = True
    region = region_at(changed, [(1, 1), (3, 7)])
    assert region.sum() == 4
    assert not region[0, 8]
