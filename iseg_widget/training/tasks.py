"""What is trained how: tasks by network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.encode import disks, distance_maps
from iseg_widget.networks.fca_net import FCANetLite0
from iseg_widget.networks.focuscut import FocusCutLite0
from iseg_widget.networks.lite import LiteSegmenter
from iseg_widget.networks.ritm import DISK_RADIUS, RITMLite0
from iseg_widget.training.fca_net import FCANetTask
from iseg_widget.training.focalclick import FocalClickTask
from iseg_widget.training.focuscut import FocusCutTask
from iseg_widget.training.ia_fpn import IAFPNTask
from iseg_widget.training.ris_net import RISNetTask
from iseg_widget.training.segmenter import SegmenterTask

if TYPE_CHECKING:
    from iseg_widget.training.interaction import Interaction
    from iseg_widget.training.task import Task

Simulation = Mapping[str, Any]

CAP = 255.0
"""Distances end here, in pixels (iFCN Sec. 3.1)."""


def disk_maps(given: Interaction, size: tuple[int, int]) -> NDArray[np.float32]:
    """Previous probability, positive and negative disks ``(B, 3, H, W)``, as RITM is fed."""
    drawn = [disks(clicks, size, DISK_RADIUS) for clicks in given.clicks]
    return np.concatenate([given.previous[:, None], np.stack(drawn)], 1)


def distances(given: Interaction, size: tuple[int, int]) -> NDArray[np.float32]:
    """Distances to positive and negative clicks over their cap ``(B, 2, H, W)``, iFCN's input."""
    maps = [distance_maps(clicks, size, CAP) for clicks in given.clicks]
    return np.stack(maps) / np.float32(CAP)


def _ritm(simulation: Simulation) -> Task:
    return SegmenterTask(simulation, RITMLite0, disk_maps)


def _ifcn(simulation: Simulation) -> Task:
    if simulation["initial_mask"]:
        raise ValueError("iFCN is fed no previous mask: initial_mask must be 0")
    return SegmenterTask(simulation, lambda: LiteSegmenter(maps=2), distances)


def _fca_net(simulation: Simulation) -> Task:
    return FCANetTask(simulation, FCANetLite0)


def _focuscut(simulation: Simulation) -> Task:
    return FocusCutTask(simulation, FocusCutLite0)


TASKS: Mapping[str, Callable[[Simulation], Task]] = {
    "focalclick-lite0": FocalClickTask,
    "ritm-lite0": _ritm,
    "ifcn-lite0": _ifcn,
    "fcanet-lite0": _fca_net,
    "focuscut-lite0": _focuscut,
    "iafpn-lite0": IAFPNTask,
    "risnet-lite0": RISNetTask,
}
"""By network; called with a recipe's ``simulation``."""


def build_task(network: str, simulation: Simulation) -> Task:
    """Return the task that trains a network; ``ValueError`` names those that can be trained."""
    if network not in TASKS:
        raise ValueError(f"no training for {network!r}; there is for {sorted(TASKS)}")
    return TASKS[network](simulation)
