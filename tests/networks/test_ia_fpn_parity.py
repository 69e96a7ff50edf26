"""IA-FPN's networks and modules against the published code (cases F1, F2)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from iseg_widget.networks.ia_fpn import CSFPNHRNet
from iseg_widget.networks.ia_fpn_deeplab import IAFPNDeepLab
from iseg_widget.networks.interaction_attention import RELEASED, Propagation
from iseg_widget.networks.layers import resize
from tests.csfpn import deviation, entries, key_list, network_input, published_state, to_points
from tests.published import load_case

pytestmark = pytest.mark.parity

COMPAT = Propagation(compat=True)
TOLERANCE = 1e-3  # of the output's standard deviation


def weights_of(found: torch.Tensor, head: int, sample: int, count: int):
    """Weights ``(cells, count)`` of the clicks that count, without the empty slots."""
    rows = found[sample, head].reshape(-1, found.shape[-1])
    rows = rows[:, rows.sum(0) > 0]
    assert rows.shape[1] == count
    return rows.numpy()


def check_attention(found: torch.Tensor, case: np.lib.npyio.NpzFile, name: str, step: int = 1):
    for head in range(found.shape[1]):
        recorded = case[f"{name}_alpha_h{head}" if f"{name}_alpha_h0" in case else f"{name}_alpha"]
        counts = case[f"{name}_n"] if f"{name}_n" in case else case["n"]
        for sample, count in enumerate(counts.tolist()):
            weights = weights_of(found, head, sample, count)[::step]
            expected = recorded[sample, :, :count]
            assert np.abs(weights - expected).max() <= 1e-3, (name, head, sample)


@pytest.fixture(scope="module")
def load(parity_root: Path):
    def build(meta: dict):
        network = CSFPNHRNet().eval()
        network.load_state_dict(published_state(parity_root, meta))
        return network

    return build


def test_the_modules_equal_the_recorded_ones(parity_root: Path, load):
    case, meta = load_case(parity_root, "F1_modules_plain")
    extractor = load(meta).feature_extractor
    points = to_points(case["points"])
    with torch.inference_mode():
        out, sgm = extractor.att(torch.from_numpy(case["sgm_in"]), points, COMPAT)
        given = torch.from_numpy(case["sgm_out"])
        high, hsgm = extractor.upatt(given, torch.from_numpy(case["hsgm_low"]), points, COMPAT)
    assert deviation(out, case["sgm_out"]) <= TOLERANCE
    assert deviation(high, case["hsgm_out"]) <= TOLERANCE
    check_attention(sgm, case, "sgm")
    check_attention(hsgm, case, "hsgm")


@pytest.mark.parametrize("name", ["coarse", "fine"])
def test_the_published_network_equals_the_recorded_one(name: str, parity_root: Path, load):
    case, meta = load_case(parity_root, f"F1_csfpn_{name}_plain")
    network = load(meta)
    points = to_points(case["points"])
    image, maps = network_input(case["image"], points)
    assert np.array_equal(maps[:, 1:].numpy(), case["coord_features"])
    with torch.inference_mode():
        found = network(image, maps, points, COMPAT)
    size = (image.shape[2], image.shape[3])
    logits = resize(found.logits, size)[..., ::3, ::3]
    assert deviation(logits, case["instances"]) <= TOLERANCE
    auxiliary = resize(found.auxiliary, size)[..., ::3, ::3]
    assert deviation(auxiliary, case["instances_aux"]) <= TOLERANCE
    check_attention(found.sgm, case, "sgm")
    check_attention(found.hsgm, case, "hsgm", 3)


def renamed(target: dict, source: dict, prefix: str):
    """Entries of ``target`` filled from ``source``, both in the order of computation."""
    ours = [key for key in target if not key.endswith("num_batches_tracked")]
    theirs = [key for key in source if not key.endswith("num_batches_tracked")]
    assert len(ours) == len(theirs), prefix
    for key, other in zip(ours, theirs, strict=True):
        assert target[key].shape == source[other].shape, (key, other)
    return {key: source[other] for key, other in zip(ours, theirs, strict=True)}


def deeplab_state(network: IAFPNDeepLab, root: Path, meta: dict):
    """The published parts' entries under our names."""
    lists = [key_list(root, name) for name in meta["keys"]]
    body, modules = (
        entries(keys, meta, prefix, meta["overrides_added"])
        for keys, prefix in zip(lists, meta["key_prefix"], strict=True)
    )
    own = network.state_dict()
    state = dict(own)
    for ours, theirs, source in (
        ("backbone.", "backbone.", body),
        ("skip.", "skip_project.", body),
        ("aspp.", "aspp.", body),
        ("decoder.", "head.", body),
        ("sgm.", "att.", modules),
        ("hsgm.", "upatt.", modules),
        ("head.", "head.", modules),
    ):
        part = {key: value for key, value in own.items() if key.startswith(ours)}
        given = {key: value for key, value in source.items() if key.startswith(theirs)}
        state |= renamed(part, given, ours)
    return state


def transformed_maps(case: np.lib.npyio.NpzFile):
    """The maps that were added to the stem; every 3rd row and column is recorded."""
    maps = np.random.default_rng(64).standard_normal((1, 64, 32, 40)).astype(np.float32)
    assert np.array_equal(maps[..., ::3, ::3], case["coord_features_transformed"])
    return torch.from_numpy(maps)


def test_deeplab_equals_the_recorded_parts(parity_root: Path):
    case, meta = load_case(parity_root, "F2_deeplab_resnet50")
    network = IAFPNDeepLab(50, form=RELEASED).eval()
    network.load_state_dict(deeplab_state(network, parity_root, meta))
    points = to_points(case["points"])
    outputs = {}
    network.sgm.register_forward_hook(lambda *a: outputs.update(sgm=a[2][0]))
    network.hsgm.register_forward_hook(lambda *a: outputs.update(hsgm=a[2][0]))
    maps = transformed_maps(case)
    with torch.inference_mode():
        low, features = network.features(torch.from_numpy(case["image"]), maps)
        found = network.propagate(low, features, points, COMPAT)
    for ours, recorded in (
        (low[..., ::3, ::3], "low_level"),
        (features[..., ::3, ::3], "feature"),
        (outputs["sgm"][..., ::3, ::3], "sgm_out"),
        (outputs["hsgm"][:, ::4, ::3, ::3], "hsgm_out_ch4"),
        (found.logits, "logits"),
    ):
        assert deviation(ours, case[recorded]) <= TOLERANCE, recorded
    check_attention(found.sgm, case, "sgm")
    check_attention(found.hsgm, case, "hsgm")
