"""What is trained how: tasks by network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from iseg_widget.encode import disks, distance_maps
from iseg_widget.networks.focalclick_published import RELEASED
from iseg_widget.networks.ritm import DISK_RADIUS, RITM_RELEASED
from iseg_widget.training.fca_net import FCANetTask
from iseg_widget.training.focalclick import FocalClickTask
from iseg_widget.training.focuscut import FocusCutTask
from iseg_widget.training.ia_fpn import IAFPNTask
from iseg_widget.training.ris_net import RISNetTask
from iseg_widget.training.segmenter import SegmenterTask
from iseg_widget.weights.registry import networks

if TYPE_CHECKING:
    from iseg_widget.training.interaction import Interaction
    from iseg_widget.training.task import Task

Simulation = Mapping[str, Any]

CAP = 255.0
"""Distances end here, in pixels (iFCN Sec. 3.1)."""

OCR = ("feature_extractor.conv3x3_ocr.", "feature_extractor.ocr_distri_head.")
"""Parts of the published HRNet that learn at the full rate, beside what is outside of it."""


def disk_maps(given: Interaction, size: tuple[int, int]) -> NDArray[np.float32]:
    """Previous probability, positive and negative disks ``(B, 3, H, W)``, as RITM is fed."""
    drawn = [disks(clicks, size, DISK_RADIUS) for clicks in given.clicks]
    return np.concatenate([given.previous[:, None], np.stack(drawn)], 1)


def distances(given: Interaction, size: tuple[int, int]) -> NDArray[np.float32]:
    """Distances to positive and negative clicks over their cap ``(B, 2, H, W)``, iFCN's input."""
    maps = [distance_maps(clicks, size, CAP) for clicks in given.clicks]
    return np.stack(maps) / np.float32(CAP)


def hrnet_without_ocr(name: str) -> bool:
    """The published HRNet of RITM but for OCR: ``lr_mult`` 0.1 there (``is_hrnet_model.py``).

    Its two prediction heads are among them.
    """
    return name.startswith("feature_extractor.") and not name.startswith(OCR)


def csfpn_slow(name: str) -> bool:
    """Likewise of IA-FPN's pair, with SGM and HSGM but for their four gammas."""
    _, _, rest = name.partition("_network.")
    return hrnet_without_ocr(rest) and not rest.endswith(".gamma")


def in_extractor(name: str) -> bool:
    """All of FocalClick's HRNet: the published code gives it one factor, with OCR, and it is 2."""
    return name.startswith("feature_extractor.")


def in_encoder(name: str) -> bool:
    """FocalClick's Mix Transformer, clicks' patch embedding included (``lr_mult`` 0.1)."""
    return name.startswith("feature_extractor.backbone.")


def in_pair(name: str) -> bool:
    """The ResNets of IA-FPN's pair."""
    return name.startswith(("coarse_network.backbone.", "fine_network.backbone."))


def _new(network: str) -> Callable[[], Any]:
    """Return what builds a network, as it is built when its weights are loaded."""
    return networks()[network]


def _focalclick(network: str, simulation: Simulation) -> Task:
    slow = in_extractor if "hrnet" in network else in_encoder
    return FocalClickTask(simulation, RELEASED[network], slow=slow)


def _ritm(network: str, simulation: Simulation) -> Task:
    if network == "ritm-lite0":
        return SegmenterTask(simulation, _new(network), disk_maps)
    return SegmenterTask(simulation, _new(network), disk_maps, slow=hrnet_without_ocr)


def _ifcn(network: str, simulation: Simulation) -> Task:
    if simulation["initial_mask"]:
        raise ValueError("iFCN is fed no previous mask: initial_mask must be 0")
    return SegmenterTask(simulation, _new(network), distances)


def _fca_net(network: str, simulation: Simulation) -> Task:
    return FCANetTask(simulation, _new(network))


def _focuscut(network: str, simulation: Simulation) -> Task:
    return FocusCutTask(simulation, _new(network))


def _ia_fpn(network: str, simulation: Simulation) -> Task:
    if network == "iafpn-hrnet18":
        return IAFPNTask(simulation, _new(network), auxiliary="bce", slow=csfpn_slow)
    return IAFPNTask(simulation, _new(network), slow=in_pair)


def _ris_net(network: str, simulation: Simulation) -> Task:
    return RISNetTask(simulation, _new(network))


TASKS: Mapping[str, Callable[[Simulation], Task]] = {
    "focalclick-lite0": cast("Callable[[Simulation], Task]", FocalClickTask),
    "iafpn-lite0": cast("Callable[[Simulation], Task]", IAFPNTask),
    **{
        network: partial(build, network)
        for build, accepted in (
            (_focalclick, RELEASED),
            (_ritm, ("ritm-lite0", *RITM_RELEASED)),
            (_ifcn, ("ifcn-lite0", "ifcn-vgg16")),
            (_fca_net, ("fcanet-lite0", "fcanet-resnet101", "fcanet-res2net101")),
            (_focuscut, ("focuscut-lite0", "focuscut-resnet50", "focuscut-resnet101")),
            (_ia_fpn, ("iafpn-hrnet18", "iafpn-resnet50", "iafpn-resnet101")),
            (_ris_net, ("risnet-lite0", "risnet-vgg16")),
        )
        for network in accepted
    },
}
"""By network, as :func:`~iseg_widget.weights.registry.networks` names them; called with a recipe's
``simulation``."""


def build_task(network: str, simulation: Simulation) -> Task:
    """Return the task that trains a network; ``ValueError`` names those that can be trained."""
    if network not in TASKS:
        raise ValueError(f"no training for {network!r}; there is for {sorted(TASKS)}")
    return TASKS[network](simulation)
