"""Published FCA-Net checkpoints: recognised, read safely, loaded without loss, or refused."""

import json
import pickle

import pytest
import torch

from iseg_widget.methods.registry import list_methods, load_method
from iseg_widget.networks.fca_net import FCANetwork
from iseg_widget.weights import registry
from iseg_widget.weights.checkpoint import read_checkpoint
from iseg_widget.weights.official_fca_net import SOURCE, build, recognise, rename

BACKBONES = ("resnet101", "res2net101")


@pytest.fixture(scope="module", params=BACKBONES)
def keys(request, parity_root):
    path = parity_root / f"keys_fcanet_{request.param}.json"
    if not path.is_file():
        pytest.skip(f"no {path.name} in {parity_root}")
    return request.param, json.loads(path.read_text())


def shapes(keys):
    """A state dict of the published names and shapes that takes no memory."""
    return {key: torch.empty(shape, device="meta") for key, shape in keys}


@pytest.mark.parity
def test_published_names_and_ours_correspond_one_to_one(keys):
    backbone, published = keys
    with torch.device("meta"):
        network = FCANetwork(backbone)
    ours = {name: list(value.shape) for name, value in network.state_dict().items()}
    assert {rename(key): shape for key, shape in published} == ours
    assert len(ours) == len(published)


@pytest.mark.parity
def test_the_backbone_is_recognised(keys):
    backbone, published = keys
    assert recognise(shapes(published), "a file") == backbone


@pytest.mark.parity
def test_a_missing_an_unknown_and_a_misshapen_entry_are_named(keys):
    _, published = keys
    state = shapes(published)
    del state["my_aspp.bn1.weight"]
    state["extra"] = torch.empty(1, device="meta")
    state["pred_decoder.pred_conv.6.weight"] = torch.empty((2, 128, 1, 1), device="meta")
    with pytest.raises(ValueError, match="a file does not fit") as caught, torch.device("meta"):
        build(state, "a file")
    for name in ("aspp.project.norm.weight", "extra", "head.2.weight"):
        assert name in str(caught.value)


def test_the_unused_head_keeps_its_weights():
    assert rename("first_pred_decoder.pred_conv.6.bias") == "first_click_head.2.bias"
    assert rename("pred_decoder.pred_conv.4.running_var") == "head.1.norm.running_var"
    assert rename("something.else") == "something.else"


def refusal(path):
    with pytest.raises(ValueError, match=str(path.name)) as caught:
        load_method("fca_net", weights=path)
    return str(caught.value)


class Trap:
    """Writes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_file_that_would_run_code_is_refused_and_runs_none(tmp_path):
    path, mark = tmp_path / "trap.pth", tmp_path / "mark"
    torch.save({"backbone_pre.conv1.weight": Trap(mark)}, path)
    assert "would run code" in refusal(path)
    path.write_bytes(pickle.dumps(Trap(mark)))
    refusal(path)
    assert not mark.exists()


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "short.pth"
    torch.save({"backbone_pre.conv1.weight": torch.zeros(64, 5, 7, 7)}, path)
    path.write_bytes(path.read_bytes()[:-2000])
    assert "truncated or damaged" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"\x80\x02", b"PK\x03\x04" + b"0" * 99])
def test_what_is_no_checkpoint_is_refused(content, tmp_path):
    path = tmp_path / "other.pth"
    path.write_bytes(content)
    assert "cannot read" in refusal(path)


def test_a_missing_file_is_named(tmp_path):
    assert "no checkpoint" in refusal(tmp_path / "nowhere.pth")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([torch.zeros(1)], "holds a list"),
        ({}, "empty"),
        ({"a": 1}, "'a' is no tensor"),
        ({"a": torch.zeros(1)}, "begin with a"),
        ({"backbone_pre.conv1.weight": torch.zeros(64, 6, 7, 7)}, "64 x 5 x 7 x 7"),
        ({"backbone_pre.conv1.weight": torch.zeros(64, 5, 7, 7)}, "missing"),
    ],
)
def test_other_contents_are_refused(content, reason, tmp_path, monkeypatch):
    path = tmp_path / "other.pth"
    torch.save(content, path)
    monkeypatch.setattr(torch.nn.init, "kaiming_uniform_", lambda tensor, **_: tensor)
    assert reason in refusal(path)


def test_files_of_old_pytorch_versions_are_read(tmp_path):
    path = tmp_path / "old.pth"
    torch.save({"a": torch.arange(3)}, path, _use_new_zipfile_serialization=False)
    assert torch.equal(read_checkpoint(path).state["a"], torch.arange(3))


def test_a_state_dict_may_lie_beside_a_config(tmp_path):
    path = tmp_path / "both.pth"
    torch.save({"state_dict": {"a": torch.zeros(2, dtype=torch.float16)}, "config": {"x": 1}}, path)
    found = read_checkpoint(path)
    assert found.config == {"config": {"x": 1}}
    assert found.state["a"].dtype == torch.float32


def test_for_other_weights_the_error_says_where_they_are_published():
    with pytest.raises(ValueError, match=SOURCE):
        load_method("fca_net", weights="x")


def test_only_methods_with_packaged_weights_are_loadable(monkeypatch):
    monkeypatch.setattr(registry, "has_weights", lambda method: method == "focalclick")
    assert list_methods(loadable=True) == ("focalclick",)
    assert {"focalclick", "fca_net"} <= set(list_methods())


def test_weights_of_another_method_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "other.safetensors"
    monkeypatch.setattr(registry, "networks", lambda: {"focalclick-x": object, "fcanet-x": object})
    registry.export({"a": torch.zeros(1)}, path, {"network": "focalclick-x"})
    with pytest.raises(ValueError, match="accepted are fcanet-x"):
        registry.load_network("fca_net", path)


def test_checkpoints_of_a_method_that_publishes_none_are_refused(tmp_path):
    with pytest.raises(ValueError, match="'no_method'"):
        registry.load_network("no_method", tmp_path / "x.pth")
