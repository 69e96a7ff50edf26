"""Reading published checkpoints: what is accepted, what is refused, and what the message says."""

import json
from pathlib import Path

import pytest
import torch

from iseg_widget.methods.registry import load_method
from iseg_widget.networks.focalclick_published import FocalClickHRNet, FocalClickSegFormer
from iseg_widget.weights.checkpoint import read_checkpoint
from iseg_widget.weights.official_focalclick import Official, build

CLASSES = {
    "segformer": "isegm.model.is_segformer_model.SegFormerModel",
    "hrnet": "isegm.model.is_hrnet_model.HRNetModel",
}


def config(kind: str, **parameters: object):
    if kind == "segformer":
        given = {"pipeline_version": "s1", "model_version": "b0"}
    else:
        given = {"pipeline_version": "s2", "width": 18, "ocr_width": 48, "small": True}
    given |= {"use_disks": True, "with_prev_mask": True, "clicks_groups": None} | parameters
    return {
        "class": CLASSES[kind],
        "params": {
            name: {"type": "builtin", "value": value, "specified": True}
            for name, value in given.items()
        },
    }


def unused_entries():
    return {
        "maps_transform.0.weight": torch.zeros(16, 3, 3, 3),
        "refiner.feature_gate.0.bias": torch.zeros(1),
    }


@pytest.fixture
def file(tmp_path: Path):
    return tmp_path / "published.pth"


@pytest.fixture(scope="module")
def segformer_state():
    return FocalClickSegFormer("b0", "S1").state_dict()


def read(path: Path) -> Official:
    return build(read_checkpoint(path))


def save(path: Path, state: dict, described: dict):
    torch.save({"state_dict": state, "config": described}, path)
    return path


def test_a_segformer_file_becomes_its_network_and_reports_what_is_unused(
    file: Path, segformer_state: dict
):
    save(file, segformer_state | unused_entries(), config("segformer"))
    found = read(file)
    assert isinstance(found.network, FocalClickSegFormer)
    assert found.architecture == "focalclick-segformer-b0-s1"
    assert found.unused == tuple(unused_entries())
    for name, tensor in found.network.state_dict().items():
        assert torch.equal(tensor, segformer_state[name])


def test_an_hrnet_file_becomes_its_network(file: Path):
    state = FocalClickHRNet().state_dict()
    found = read(save(file, state, config("hrnet")))
    assert isinstance(found.network, FocalClickHRNet)
    assert (found.architecture, found.unused) == ("focalclick-hrnet-18s-s2", ())


def test_load_method_takes_a_published_file(file: Path, segformer_state: dict):
    save(file, segformer_state | unused_entries(), config("segformer"))
    method = load_method("focalclick", weights=file, device="cpu")
    assert isinstance(method.network, FocalClickSegFormer)


def test_every_published_key_list_is_accepted_and_complete(parity_root: Path):
    for path in sorted(parity_root.glob("keys_focalclick_*.json")):
        keys = {name: tuple(shape) for name, shape in json.loads(path.read_text())}
        size = path.stem.removeprefix("keys_focalclick_").split("_")[0]
        network = {
            "segformerB0": lambda: FocalClickSegFormer("b0"),
            "segformerB3": lambda: FocalClickSegFormer("b3"),
            "hrnet18s": FocalClickHRNet,
            "hrnet32": lambda: FocalClickHRNet(32, 128, small=False),
        }[size]()
        ours = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        assert ours.items() <= keys.items()
        prefixes = ("maps_transform.", "refiner.feature_gate.") if "segformer" in size else ()
        assert all(name.startswith(prefixes) for name in set(keys) - set(ours))


def test_half_precision_is_read_as_single(file: Path, segformer_state: dict):
    half = {k: v.half() if v.is_floating_point() else v for k, v in segformer_state.items()}
    network = read(save(file, half, config("segformer"))).network
    assert {v.dtype for v in network.state_dict().values()} <= {torch.float32, torch.int64}


def test_missing_unknown_and_misshapen_entries_are_named(file: Path, segformer_state: dict):
    state = dict(segformer_state)
    del state["refiner.refine_pred.bias"]
    state["surplus.weight"] = torch.zeros(1)
    state["refiner.refine_trimap.bias"] = torch.zeros(2)
    save(file, state, config("segformer"))
    with pytest.raises(ValueError, match=r"published\.pth") as error:
        read(file)
    for name in ("refiner.refine_pred.bias", "surplus.weight", "refiner.refine_trimap.bias"):
        assert name in str(error.value)


class Attack:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return open, (str(self.path), "w")


def test_a_config_that_would_run_code_is_refused_and_does_not_run(file: Path, tmp_path: Path):
    mark = tmp_path / "mark"
    save(file, {"a": torch.zeros(1)}, Attack(mark))
    with pytest.raises(ValueError, match=r"published\.pth.*would run code"):
        load_method("focalclick", weights=file)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("described", "message"),
    [
        (None, "should hold a 'config'"),
        ({"class": "x"}, "should hold a 'config'"),
        (config("hrnet", pipeline_version=None), "no FocalClick model"),
        (config("hrnet", use_disks=False), "use_disks=False"),
        (config("hrnet", width=None), "must give width, ocr_width and small"),
        (config("segformer", model_version="b5"), "'b5'"),
        (config("hrnet") | {"class": "other.Model"}, "other.Model"),
    ],
)
def test_other_content_is_refused_with_a_reason(file: Path, described: object, message: str):
    save(file, {"a": torch.zeros(1)}, described)
    with pytest.raises(ValueError, match=message) as error:
        read(file)
    assert "published.pth" in str(error.value)
