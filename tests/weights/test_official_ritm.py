"""Reading published RITM checkpoints: what is accepted, what is refused and why."""

import json
from pathlib import Path

import pytest
import torch

from iseg_widget.methods.registry import load_method
from iseg_widget.networks.focalclick_published import FocalClickHRNet
from iseg_widget.networks.ritm import RITM_RELEASED, RITMPublished
from iseg_widget.weights.checkpoint import read_checkpoint
from iseg_widget.weights.official_ritm import Official, build

HRNET = "isegm.model.is_hrnet_model.HRNetModel"
SIZES = {
    "ritm-hrnet18s": {"width": 18, "ocr_width": 48, "small": True},
    "ritm-hrnet18": {"width": 18, "ocr_width": 64, "small": False},
    "ritm-hrnet32": {"width": 32, "ocr_width": 128, "small": False},
}


def config(**parameters: object):
    given = {**SIZES["ritm-hrnet18s"], "use_disks": True, "norm_radius": 5, "clicks_groups": None}
    return {
        "class": HRNET,
        "params": {
            name: {"type": "builtin", "value": value, "specified": True}
            for name, value in (given | parameters).items()
        },
    }


@pytest.fixture
def file(tmp_path: Path):
    return tmp_path / "published.pth"


@pytest.fixture(scope="module")
def state():
    return RITMPublished().state_dict()


def save(path: Path, state: dict, described: object):
    torch.save({"state_dict": state, "config": described}, path)
    return path


def read(path: Path) -> Official:
    return build(read_checkpoint(path))


@pytest.mark.parametrize("name", SIZES)
def test_a_file_becomes_its_network(file: Path, name: str):
    state = RITM_RELEASED[name]().state_dict()
    found = read(save(file, state, config(**SIZES[name])))
    assert found.architecture == name
    assert all(torch.equal(v, state[k]) for k, v in found.network.state_dict().items())


@pytest.mark.parametrize("method", ["ritm", "brs", "f_brs"])
def test_load_method_takes_it(file: Path, state: dict, method: str):
    loaded = load_method(method, weights=save(file, state, config()), device="cpu", compat=True)
    assert isinstance(loaded.network, RITMPublished)
    assert loaded.name == method
    assert loaded.options.compat


@pytest.mark.parity
def test_every_published_key_list_is_that_of_its_network(parity_root: Path):
    lists = sorted(parity_root.glob("keys_ritm_*.json"))
    for path in lists:
        config = path.with_name(path.name.replace("keys_", "config_"))
        parameters = json.loads(config.read_text())["params"]
        size = {key: parameters[key]["value"] for key in ("width", "ocr_width", "small")}
        keys = {name: tuple(shape) for name, shape in json.loads(path.read_text())}
        network = RITMPublished(**size)
        ours = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        assert ours == keys, path.name
    assert lists


def test_half_precision_is_read_as_single(file: Path, state: dict):
    half = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    network = read(save(file, half, config())).network
    assert {v.dtype for v in network.state_dict().values()} <= {torch.float32, torch.int64}


def test_the_radius_of_disks_is_the_models(file: Path, state: dict):
    assert read(save(file, state, config())).network.disk_radius == 5
    assert read(save(file, state, config(norm_radius=3))).network.disk_radius == 3


def test_missing_unknown_and_misshapen_entries_are_named(file: Path, state: dict):
    changed = dict(state)
    del changed["feature_extractor.cls_head.bias"]
    changed["surplus.weight"] = torch.zeros(1)
    changed["maps_transform.3.scale"] = torch.zeros(2)
    with pytest.raises(ValueError, match=r"published\.pth") as error:
        read(save(file, changed, config()))
    for name in ("feature_extractor.cls_head.bias", "surplus.weight", "maps_transform.3.scale"):
        assert name in str(error.value)


def test_a_config_of_another_size_is_refused(file: Path, state: dict):
    with pytest.raises(ValueError, match=r"of another shape|missing"):
        read(save(file, state, config(**SIZES["ritm-hrnet32"])))


@pytest.mark.parametrize("method", ["ritm", "f_brs"])
def test_a_checkpoint_of_focalclick_is_refused_by_name(file: Path, method: str):
    save(file, FocalClickHRNet().state_dict(), config(pipeline_version="s2"))
    with pytest.raises(ValueError, match=r"published\.pth is no RITM model.*'focalclick'"):
        load_method(method, weights=file)


def test_one_without_its_mark_is_refused_by_its_entries(file: Path):
    save(file, FocalClickHRNet().state_dict(), config())
    with pytest.raises(ValueError, match=r"unknown \(e\.g\. refiner"):
        read(file)


def test_focalclick_refuses_one_of_ritm(file: Path, state: dict):
    with pytest.raises(ValueError, match="no FocalClick model: pipeline_version"):
        load_method("focalclick", weights=save(file, state, config()))


def test_a_checkpoint_of_ia_fpn_is_refused_by_name(file: Path, state: dict):
    with pytest.raises(ValueError, match=r"no RITM model: its config gives is_att.*'ia_fpn'"):
        read(save(file, state, config(is_att=True)))


def test_a_bare_state_dict_is_refused(file: Path, state: dict):
    torch.save(state, file)
    with pytest.raises(ValueError, match=r"no published RITM checkpoint.*should hold a 'config'"):
        read(file)


@pytest.mark.parametrize(
    ("described", "message"),
    [
        (None, "should hold a 'config'"),
        ({"class": "x"}, "should hold a 'config'"),
        (config(use_disks=False), "use_disks=False"),
        (config(with_prev_mask=False), "with_prev_mask=False"),
        (config(norm_mean_std=[[0.5] * 3, [0.5] * 3]), "norm_mean_std"),
        (config(norm_radius=None), "norm_radius"),
        (config(width=None), "must give width, ocr_width and small"),
        (config() | {"class": "isegm.model.is_deeplab_model.DeeplabModel"}, "DeeplabModel"),
    ],
)
def test_other_content_is_refused_with_a_reason(file: Path, described: object, message: str):
    with pytest.raises(ValueError, match=message) as error:
        read(save(file, {"a": torch.zeros(1)}, described))
    assert "published.pth" in str(error.value)
