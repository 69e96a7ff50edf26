"""Reading IA-FPN's published pair: what is accepted, what is refused, and what the message says."""

import json
from pathlib import Path

import pytest
import torch

from iseg_widget.methods.registry import load_method
from iseg_widget.networks.hrnet import HRNetOCR
from iseg_widget.networks.ia_fpn import CSFPNHRNet, IAFPNLite0, IAFPNPair
from iseg_widget.weights.registry import export, load_network

CLASS = "isegm.model.is_hrnet_model.HRNetModel"


def config(**parameters: object):
    given = {"width": 18, "ocr_width": 64, "small": True, "is_att": True, "norm_radius": 5}
    given |= {"use_disks": True, "with_prev_mask": True, "clicks_groups": None} | parameters
    return {
        "class": CLASS,
        "params": {
            name: {"type": "builtin", "value": value, "specified": True}
            for name, value in given.items()
        },
    }


def save(path: Path, state: dict, described: object):
    torch.save({"state_dict": state, "config": described}, path)
    return path


@pytest.fixture(scope="module")
def states():
    torch.manual_seed(0)
    return [CSFPNHRNet(small=True).state_dict() for _ in range(2)]


@pytest.fixture
def pair(tmp_path: Path, states: list):
    return tuple(
        save(tmp_path / f"{name}.pth", state, config())
        for name, state in zip(("coarse", "fine"), states, strict=True)
    )


@pytest.mark.parametrize("kind", [tuple, list, lambda files: tuple(map(str, files))])
def test_a_pair_becomes_the_networks_in_order(pair, states, kind):
    network = load_network("ia_fpn", kind(pair))
    assert isinstance(network, IAFPNPair)
    for part, state in zip((network.coarse_network, network.fine_network), states, strict=True):
        found = part.state_dict()
        assert set(found) == set(state)
        assert all(torch.equal(found[key], state[key]) for key in state)


def test_load_method_takes_a_pair(pair):
    method = load_method("ia_fpn", weights=pair, device="cpu", compat=True)
    assert method.options.compat
    assert not method.network.training


def test_the_published_key_lists_are_the_networks_entries(parity_root: Path):
    ours = {name: list(value.shape) for name, value in CSFPNHRNet().state_dict().items()}
    for name in ("coarse", "fine"):
        path = parity_root / f"keys_csfpn_{name}.json"
        if not path.is_file():
            pytest.skip(f"{path.name} is not in {parity_root}")
        assert dict(json.loads(path.read_text())) == ours


def test_one_file_or_three_are_refused(pair):
    for given in (pair[0], pair[:1], (*pair, pair[0]), ()):
        with pytest.raises(ValueError, match=r"2 files.*coarse network's and the fine network's"):
            load_network("ia_fpn", given)


def test_a_pair_for_a_method_that_takes_one_file_is_refused(pair):
    with pytest.raises(ValueError, match=r"'focalclick' is 1 file: pass its path.*got 2"):
        load_network("focalclick", pair)


def test_other_files_and_types_are_refused(pair, tmp_path: Path):
    with pytest.raises(ValueError, match=r"end with \.pth or \.pt, got .*x\.safetensors"):
        load_network("ia_fpn", (pair[0], tmp_path / "x.safetensors"))
    with pytest.raises(ValueError, match=r"no checkpoint at .*absent\.pth"):
        load_network("ia_fpn", (pair[0], tmp_path / "absent.pth"))
    with pytest.raises(TypeError, match="name, a path"):
        load_network("ia_fpn", 3)


def test_files_of_other_models_are_refused(pair, states, tmp_path: Path):
    plain = HRNetOCR(18, 64, small=True).state_dict()
    ritm = {f"feature_extractor.{key}": value for key, value in plain.items()}
    ritm |= {key: value for key, value in states[0].items() if key.startswith("maps_")}
    for state, described, message in (
        (ritm, config(), r"other\.pth does not fit CSFPNHRNet.*missing.*att"),
        (states[0], config(use_disks=False), "use_disks=False"),
        (states[0], config(norm_radius=3), "norm_radius=3"),
        (states[0], config() | {"class": "other.Model"}, r"other\.Model"),
        (states[0], None, "no published IA-FPN checkpoint"),
    ):
        other = save(tmp_path / "other.pth", state, described)
        with pytest.raises(ValueError, match=message):
            load_network("ia_fpn", (pair[0], other))


def test_networks_of_different_sizes_are_no_pair(pair, tmp_path: Path):
    state = CSFPNHRNet(18, 48, small=True).state_dict()
    other = save(tmp_path / "narrow.pth", state, config(ocr_width=48))
    with pytest.raises(ValueError, match=r"coarse\.pth and .*narrow\.pth are no pair"):
        load_network("ia_fpn", (pair[0], other))


class Attack:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return open, (str(self.path), "w")


def test_a_file_that_would_run_code_is_refused_and_does_not_run(pair, states, tmp_path: Path):
    mark = tmp_path / "mark"
    other = save(tmp_path / "other.pth", states[0], Attack(mark))
    with pytest.raises(ValueError, match=r"other\.pth.*would run code"):
        load_network("ia_fpn", (pair[0], other))
    assert not mark.exists()


def test_both_networks_go_into_one_weights_file(tmp_path: Path):
    torch.manual_seed(0)
    network, path = IAFPNLite0(), tmp_path / "lite.safetensors"
    export(network.state_dict(), path, {"network": "iafpn-lite0"})
    found = load_network("ia_fpn", path)
    assert isinstance(found, IAFPNLite0)
    for key, value in network.state_dict().items():
        torch.testing.assert_close(found.state_dict()[key], value, rtol=1e-2, atol=1e-3)


def test_without_weights_the_message_says_where_they_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("iseg_widget.weights.registry.list_weights", tuple)
    with pytest.raises(ValueError, match=r"github\.com/kleinzcy/CSFPN.*\(coarse\.pth, fine\.pth\)"):
        load_network("ia_fpn")
