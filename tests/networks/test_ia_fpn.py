"""IA-FPN's modules against plain loops, its networks' sizes, and what switching off means."""

import json
import math
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from iseg_widget.networks.hrnet import HRNetOCR
from iseg_widget.networks.ia_fpn import CSFPNHRNet, IAFPNLite0, IAFPNPair
from iseg_widget.networks.ia_fpn_deeplab import IAFPNDeepLab
from iseg_widget.networks.inference import prepare
from iseg_widget.networks.interaction_attention import (
    HSGM,
    PAPER,
    RELEASED,
    SGM,
    Form,
    Propagation,
    click_cells,
)
from iseg_widget.networks.layers import resize
from iseg_widget.networks.lite import LiteSegmenter
from iseg_widget.weights.registry import networks

FULL = Propagation(attention="full")
COMPAT = Propagation(compat=True)


def lively(module: nn.Module, seed: int = 0):
    """Random weights, so that nothing is left at the value it starts from."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
        for name, buffer in module.named_buffers():
            if name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    return module.eval()


def random(*shape: int, seed: int = 1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def clicks(*rows: tuple):
    return torch.tensor([rows], dtype=torch.float32)


TWO = clicks((5, 2, 1), (14, 9, 0))  # on a grid of stride 4: cells (0, 1) and (2, 3)


def transform(layer: nn.Conv2d, vector: torch.Tensor):
    out = layer.weight[:, :, 0, 0] @ vector
    return out if layer.bias is None else out + layer.bias


def message(attention: nn.Module, compared: list, values: list, place: int, nodes: list):
    """The sum of Eq. 5 or 7 at one cell, written out."""
    theta = transform(attention.query_conv, compared[place])
    weights = [
        math.exp(attention.scale * float(theta @ transform(attention.key_conv, compared[node])))
        for node in nodes
    ]
    sent = [transform(attention.value_conv, values[node]) for node in nodes]
    total = sum(w * v for w, v in zip(weights, sent, strict=True)) / sum(weights)
    return total if attention.gamma is None else attention.gamma * total


def cells_of(x: torch.Tensor):
    return list(x[0].flatten(1).T)


@pytest.mark.parametrize("form", [PAPER, RELEASED, Form(heads=2, scaled=True)])
def test_the_sgm_equals_equations_5_and_6_written_out(form: Form):
    module = lively(SGM(6, 3, form=form))
    x = random(1, 6, 3, 4)
    with torch.inference_mode():
        out, alpha = module(x, TWO)
        expected = torch.empty_like(x)
        for place, cell in enumerate(cells_of(x)):
            heads = [
                message(head, cells_of(x), cells_of(x), place, [1, 11]) for head in module.atts
            ]
            expected[0, :, place // 4, place % 4] = cell + sum(heads) / len(heads)
        torch.testing.assert_close(out, module.conv1(expected), rtol=1e-4, atol=1e-5)
    assert alpha.shape == (1, form.heads, 3, 4, 2)
    torch.testing.assert_close(alpha.sum(-1), torch.ones(1, form.heads, 3, 4))


@pytest.mark.parametrize("form", [PAPER, RELEASED])
def test_the_hsgm_equals_equation_7_written_out(form: Form):
    module = lively(HSGM(6, 2, 5, 3, form=form))
    x, low = random(1, 6, 3, 4), random(1, 2, 6, 8, seed=2)
    with torch.inference_mode():
        out, alpha = module(x, low, TWO)
        g = resize(x, (6, 8))
        sigma = module.fusion(torch.cat([g, low], 1))
        for place, cell in enumerate(cells_of(sigma)):
            sent = message(module, cells_of(g), cells_of(sigma), place, [1 * 8 + 2, 4 * 8 + 7])
            found = out[0, :, place // 8, place % 8]
            torch.testing.assert_close(found, cell + sent, rtol=1e-4, atol=1e-5)
    assert alpha.shape == (1, 1, 6, 8, 2)


def test_full_attention_has_every_cell_for_a_node(monkeypatch: pytest.MonkeyPatch):
    module = lively(SGM(6, 3, form=RELEASED))
    x = random(1, 6, 3, 4)
    everywhere = clicks(*((4 * (i % 4), 4 * (i // 4), i % 2) for i in range(12)))
    with torch.inference_mode():
        expected, _ = module(x, everywhere)
        found, alpha = module(x, TWO, FULL)
        monkeypatch.setattr("iseg_widget.networks.interaction_attention.CHUNK", 30)
        pieces, _ = module(x, TWO, FULL)
    assert alpha is None
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(pieces, expected, rtol=1e-4, atol=1e-5)


def test_a_new_module_changes_nothing_in_the_papers_form():
    x, low = random(1, 6, 3, 4), random(1, 2, 6, 8)
    torch.testing.assert_close(SGM(6, 3, form=PAPER)(x, TWO)[0], x)
    high = HSGM(6, 2, 5, 3, form=PAPER).eval()
    sigma = high.fusion(torch.cat([resize(x, (6, 8)), low], 1))
    torch.testing.assert_close(high(x, low, TWO)[0], sigma)


def test_no_click_sends_no_message_and_images_do_not_mix():
    module = lively(SGM(6, 3, form=PAPER))
    x = random(3, 6, 3, 4)
    points = torch.full((3, 2, 3), -1.0)
    points[0] = TWO[0]
    points[2, 1] = TWO[0, 0]
    with torch.inference_mode():
        out, alpha = module(x, points)
        alone, _ = module(x[:1], TWO)
        single, _ = module(x[2:], TWO[:, :1])
        none, _ = module(x, points[:, :0])
    torch.testing.assert_close(out[1], x[1])
    torch.testing.assert_close(none, x)
    torch.testing.assert_close(out[:1], alone)
    torch.testing.assert_close(out[2:], single)
    assert not alpha[1].any()


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(6)), st.integers(0, 100))
def test_the_order_and_the_kind_of_clicks_do_not_matter(order: list, seed: int):
    module = lively(SGM(6, 3, form=RELEASED))
    x = random(1, 6, 3, 4)
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand((1, 6, 3), generator=generator) * torch.tensor([15.9, 11.9, 1.0])
    points[..., 2] = 1.0
    shuffled = points[:, order].clone()
    shuffled[:, ::2, 2] = 0.0
    with torch.inference_mode():
        out, alpha = module(x, points)
        again, permuted = module(x, shuffled)
    torch.testing.assert_close(out, again, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alpha[..., order], permuted, rtol=1e-4, atol=1e-5)


def test_any_number_of_clicks_is_taken_and_48_by_the_published_code():
    module = lively(SGM(6, 3))
    x = random(1, 6, 3, 4)
    many = torch.rand((1, 100, 3), generator=torch.Generator().manual_seed(0)) * 7 + 4
    many[..., 2] = 1.0
    assert torch.isfinite(module(x, many)[0]).all()
    with pytest.raises(ValueError, match="48 clicks, got 49"):
        module(x, many[:, :49], COMPAT)
    module(x, many[:, :48], COMPAT)


@pytest.mark.parametrize(
    ("point", "sane", "published"),
    [
        ((0, 0, 1), 0, None),  # the first cell
        ((3.9, 3.9, 0), 0, None),
        ((-0.4, 0, 1), 0, None),  # a first pixel's left half
        ((4, 0, 1), 1, 1),
        ((15.9, 11.9, 0), 11, 11),
        ((16, 5, 1), None, None),
        ((5, 12, 1), None, None),
        ((-2, 5, 1), None, 3),  # wraps to the end of the upper row
        ((-9, 5, 1), None, 1),
        ((-2, 1, 1), None, None),
        ((5, -3, 1), None, None),
        ((5, 5, -1), None, None),  # an empty slot
    ],
)
def test_cells_of_clicks(point: tuple, sane: int | None, published: int | None):
    for compat, expected in ((False, sane), (True, published)):
        place, valid = click_cells(clicks(point), (3, 4), 4, compat=compat)
        assert (int(place) if valid.item() else None) == expected


def count(module: nn.Module):
    return sum(parameter.numel() for parameter in module.parameters())


class TestSizes:
    def test_hrnet_has_the_published_number_of_parameters(self):
        network = CSFPNHRNet()
        assert count(network) == 12_062_603
        assert count(network.feature_extractor.att) == 439_293
        assert count(network.feature_extractor.upatt) == 1_591_291
        assert count(CSFPNHRNet(sgm=False, hsgm=False)) == 10_032_019

    @pytest.mark.parametrize(
        ("depth", "channels", "expected"),
        [
            (34, None, 23_350_946),
            (50, None, 31_405_858),  # 31.41 M in Table 6
            (101, None, 58_440_866),  # 58.44 M in Table 6
            (101, 128, 50_397_986),
            (50, 256, 39_448_738),
        ],
    )
    def test_deeplab_without_modules_has_the_papers_number(self, depth, channels, expected):
        assert count(IAFPNDeepLab(depth, channels, sgm=False, hsgm=False)) == expected

    def test_the_modules_have_the_published_numbers(self, parity_root: Path):
        file = parity_root / "F_params.json"
        if not file.is_file():
            pytest.skip(f"F_params.json is not in {parity_root}")
        rows = 0
        for name, counts in json.loads(file.read_text()).items():
            found = re.search(r"Multihead\(red (\d), heads (\d)\)", name)
            if found:
                reduction, heads = int(found[1]), int(found[2])
                form = Form(heads, gamma=True, mixing=True, scaled=True, bias=True)
                assert count(SGM(128, reduction, form=form)) == counts[1], name
                assert count(HSGM(128, 64, 128, reduction, form=form)) == counts[2], name
                rows += 1
        assert rows == 12

    def test_both_lite_networks_together_fit_12_mb_in_half_precision(self):
        state = networks()["iafpn-lite0"]().state_dict()
        assert 2 * sum(value.numel() for value in state.values()) < 12e6


SMALL = {
    "hrnet": lambda: IAFPNPair(CSFPNHRNet(small=True), CSFPNHRNet(small=True)),
    "resnet34": lambda: IAFPNPair(IAFPNDeepLab(34), IAFPNDeepLab(34)),
    "lite0": IAFPNLite0,
}


@pytest.fixture(scope="module", params=SMALL)
def network(request: pytest.FixtureRequest):
    torch.manual_seed(0)
    built = SMALL[request.param]()
    for name, parameter in built.named_parameters():
        if "value_conv" in name or name.endswith("gamma"):
            nn.init.normal_(parameter, std=0.5)
        if "correct.1" in name:
            nn.init.normal_(parameter)
    return prepare(built, torch.device("cpu"))


def given_input(height: int = 45, width: int = 70):
    generator = torch.Generator().manual_seed(3)
    image = torch.rand((1, 3, height, width), generator=generator)
    maps = torch.rand((1, 3, height, width), generator=generator).round()
    return image, maps, clicks((30, 20, 1), (60, 40, 0))


def test_both_networks_answer_images_of_any_size(network):
    for size in ((45, 70), (33, 33), (64, 31)):
        image, maps, _ = given_input(*size)
        points = clicks((20, 20, 1))
        with torch.inference_mode():
            answers = [ask(image, maps, points) for ask in (network.coarse, network.fine)]
        half = tuple(math.ceil(side / 2) for side in size)
        for answer in answers:
            assert answer.logits.shape == (1, 1, *half)
            assert answer.hsgm.shape == (1, 1, *half, 1)
            assert answer.sgm.shape[-3:] == (*(math.ceil(side / 4) for side in size), 1)
            if answer.auxiliary is not None:
                assert answer.auxiliary.shape == answer.logits.shape
        assert not torch.allclose(answers[0].logits, answers[1].logits)


def test_each_module_can_be_bypassed(network):
    inputs = given_input()
    with torch.inference_mode():
        answers = {
            (sgm, hsgm): network.coarse(*inputs, Propagation(sgm, hsgm))
            for sgm in (True, False)
            for hsgm in (True, False)
        }
        moved = network.coarse(*inputs[:2], inputs[2].flip(-1), Propagation(False, False))
    for (sgm, hsgm), answer in answers.items():
        assert (answer.sgm is not None, answer.hsgm is not None) == (sgm, hsgm)
        assert answer.logits.shape == (1, 1, *((23, 35) if hsgm else (12, 18)))
    # Without both modules points are not looked at, and with either they matter.
    assert torch.equal(moved.logits, answers[False, False].logits)
    assert not torch.allclose(answers[True, True].logits, answers[False, True].logits)
    assert not torch.allclose(answers[True, False].logits, answers[False, False].logits)


def test_full_attention_runs_in_both_modules(network):
    inputs = given_input(33, 34)
    with torch.inference_mode():
        sparse, full = (network.fine(*inputs, how) for how in (Propagation(), FULL))
    assert full.sgm is None
    assert full.hsgm is None
    assert full.logits.shape == sparse.logits.shape
    assert not torch.allclose(full.logits, sparse.logits)


def test_the_fine_network_can_start_from_the_coarse_one(network):
    inputs = given_input()
    with torch.inference_mode():
        kept = {key: value.clone() for key, value in network.state_dict().items()}
        network.start_fine_from_coarse()
        assert torch.equal(network.coarse(*inputs).logits, network.fine(*inputs).logits)
        network.load_state_dict(kept)


def test_without_modules_hrnet_is_ritms():
    torch.manual_seed(0)
    network = CSFPNHRNet(small=True, sgm=False, hsgm=False).eval()
    plain = HRNetOCR(18, 64, small=True).eval()
    plain.load_state_dict(network.feature_extractor.state_dict())
    image, maps, points = given_input()
    with torch.inference_mode():
        mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        expected, auxiliary, _ = plain((image - mean) / std, network.maps_transform(maps))
        found = network(image, maps, points)
    torch.testing.assert_close(found.logits, expected)
    torch.testing.assert_close(found.auxiliary, auxiliary)


def test_a_lite_network_warmed_by_another_predicts_as_that_one():
    torch.manual_seed(0)
    other, ours = LiteSegmenter().eval(), IAFPNLite0().eval()
    missing, unexpected = ours.load_state_dict(other.state_dict(), strict=False)
    assert not unexpected
    assert {key.split(".")[0] for key in missing} == {"sgm", "hsgm", "correct", "fine_part"}
    ours.start_fine_from_coarse()
    image, maps, points = given_input()
    with torch.inference_mode():
        expected, _ = other(image, maps)
        for ask in (ours.coarse, ours.fine):
            found = ask(image, maps, points)
            torch.testing.assert_close(found.logits, resize(expected, (23, 35)))


def test_wrong_choices_are_refused():
    with pytest.raises(ValueError, match="heads"):
        Form(heads=0)
    with pytest.raises(ValueError, match="attention must be one of"):
        Propagation(attention="some")
    with pytest.raises(ValueError, match="depth must be one of"):
        IAFPNDeepLab(18)
