"""In training, published networks are fed as their methods feed them at inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iseg_widget.clicks import Click
from iseg_widget.methods.registry import build_method
from iseg_widget.networks.ifcn import IFCNVGG16
from iseg_widget.training.interaction import Interaction
from iseg_widget.training.recipes import load_recipe
from iseg_widget.training.tasks import TASKS, build_task
from iseg_widget.weights.registry import networks
from tests.networks.test_inference import with_random_statistics

TOLERANCE = 4e-3
"""Of logits whose deviation is 1; some methods keep them as float16."""

CLICKS = (Click(20, 14), Click(47, 50, positive=False), Click(33, 30))

WHOLE: dict[str, dict[str, Any]] = {
    "ritm": {"zoom_in": False, "flip": False},
    "ifcn": {},
    "fca_net": {"short_side": 64},
    "focuscut": {"zoom_in": False, "focus_view": False, "size": 64},
    "focalclick": {"target_crop": False, "focus_crop": "off"},
    "ia_fpn": {"flip": False, "crop_side": 64, "zoom_threshold": 0.5},
    "ris_net": {"local_branch": False, "graph_cut": False},
}
"""Options under which a method answers from the image as it is."""

RECIPES = {
    "ritm": "ritm-lite0", "ifcn": "ifcn-lite0", "fcanet": "fca_net-lite0",
    "focuscut": "focuscut-lite0", "focalclick": "focalclick-lite0",
    "iafpn": "ia_fpn-lite0-coarse", "risnet": "ris_net-lite0",
}  # fmt: skip
"""A recipe of each kind of networks, for its simulation."""

LIGHT = {
    "ritm-hrnet18s", "fcanet-resnet101", "focuscut-resnet50", "focalclick-segformer-b0-s1",
    "focalclick-hrnet-18s-s2", "iafpn-hrnet18", "risnet-vgg16",
}  # fmt: skip
HEAVY = [name for name in TASKS if not name.endswith("lite0") and name not in LIGHT]


def probability_to_logits(probability: NDArray[np.float32]) -> NDArray[np.float64]:
    p = probability.astype(np.float64)
    return np.log(p / (1 - p))


def picture(side: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(3)
    coarse = torch.from_numpy(rng.random((1, 3, 9, 9)))
    smooth = nn.functional.interpolate(coarse, (side, side), mode="bilinear")[0]
    return np.asarray((smooth.permute(1, 2, 0).numpy() * 255).round(), np.uint8)


def lively(net: nn.Module, ask: Callable[[], Tensor]) -> Tensor:
    """Bring the last layer to logits of mean 0 and deviation 1, and ask again."""
    used: list[nn.Conv2d] = []
    hooks = [
        module.register_forward_hook(lambda conv, *_: used.append(conv))
        for module in net.modules()
        if isinstance(module, nn.Conv2d) and module.out_channels == 1
    ]
    with torch.no_grad():
        values = ask()
        for hook in hooks:
            hook.remove()
        # FCN adds up what three of them say; elsewhere the others are auxiliary.
        for layer in used if isinstance(net, IFCNVGG16) else used[-1:]:
            layer.weight /= values.std()
            layer.bias /= values.std()
        used[-1].bias -= values.mean() / values.std()
        return ask()


def compare(network: str) -> None:
    torch.manual_seed(0)
    recipe = load_recipe(RECIPES[network.partition("-")[0]])
    net: Any = with_random_statistics(networks()[network]())
    task: Any = build_task(network, recipe.simulation)
    side = 256 if recipe.method == "focalclick" else 64
    image = picture(side)
    mask = np.zeros((side, side), bool)
    if task.simulation["initial_mask"] or recipe.method in ("ia_fpn", "focuscut"):
        mask[16:40, 10:44] = True
    given = Interaction(
        [np.asarray([(c.x, c.y, c.positive) for c in CLICKS], np.float32)],
        mask[None].astype(np.float32),
    )
    view = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255))

    def ask() -> Tensor:
        if recipe.method == "ia_fpn":
            return task._coarse(net, view, given)[0]
        return task.answer(net, view, given)

    expected = lively(net, ask)
    method: Any = build_method(recipe.method, net, WHOLE[recipe.method])
    state = method.start(image, mask) if mask.any() else method.start(image)
    _, step = method.step(state, CLICKS, trace=True)
    found = step.probability
    if recipe.method == "ia_fpn":
        found = step.trace["coarse_probability"]
    values = expected[0, 0].double().numpy()
    assert values.shape == found.shape
    assert values.std() == pytest.approx(1.0, rel=0.01)
    assert np.abs(probability_to_logits(found) - values).max() < TOLERANCE


@pytest.mark.parametrize("network", sorted(LIGHT))
def test_a_view_that_needs_no_resizing_is_answered_as_by_the_method(network: str):
    compare(network)


@pytest.mark.slow
@pytest.mark.parametrize("network", HEAVY)
def test_so_are_the_larger_ones(network: str):
    compare(network)
