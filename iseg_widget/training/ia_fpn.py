"""Training IA-FPN: the coarse network, then the fine one on what the former finds (Sec. 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iseg_widget.clicks import Click
from iseg_widget.encode import disks, map_to_crop
from iseg_widget.methods.ia_fpn_rules import zoom_box
from iseg_widget.networks.ia_fpn import IAFPNLite0, IAFPNNetwork
from iseg_widget.networks.interaction_attention import Propagation
from iseg_widget.networks.layers import resize
from iseg_widget.training.crop_simulation import (
    SMALLEST_TRUTH,
    Scissors,
    SimulatedView,
    Window,
)
from iseg_widget.training.interaction import (
    Clicks,
    Interaction,
    InteractionSettings,
    interact,
    probabilities,
)
from iseg_widget.training.losses import (
    AUXILIARY,
    batch_iou,
    masked_bce,
    normalized_focal_loss,
)
from iseg_widget.training.pool import Pool
from iseg_widget.training.seen import Seen, Show
from iseg_widget.training.simulation import ViewSettings
from iseg_widget.training.task import in_backbone
from iseg_widget.training.tensors import images, stacked, targets
from iseg_widget.views import Box, whole

STAGES = ("coarse", "fine")


@dataclass(frozen=True)
class Scene:
    """A coarse view, and what finer views of it are cut with."""

    view: SimulatedView
    window: Window
    scissors: Scissors

    def zoomed(self, box: Box) -> SimulatedView:
        """Return the part ``box`` (pixels of the view) at the view's size, from the source."""
        height, width = self.view.truth.shape
        part = (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
        return self.scissors.cut(self.window.matrix((height, width), part), (height, width))


@dataclass(frozen=True)
class Batch:
    """Scenes and the number of click rounds before the one that counts."""

    scenes: list[Scene]
    rounds: int
    seed: int

    @property
    def views(self) -> list[SimulatedView]:
        """The coarse views."""
        return [scene.view for scene in self.scenes]


@dataclass(frozen=True)
class _Zoom:
    """What the fine network is shown of each scene."""

    boxes: list[Box]
    views: list[SimulatedView]
    image: Tensor
    given: Interaction
    logits: Tensor


def _points(clicks: Sequence[Clicks], device: torch.device) -> Tensor:
    """``(B, M, 3)`` rows ``x, y, kind``; slots that are left over are empty (-1)."""
    most = max(1, *(len(rows) for rows in clicks))
    points = np.full((len(clicks), most, 3), -1.0, np.float32)
    for index, rows in enumerate(clicks):
        points[index, : len(rows)] = rows
    return torch.from_numpy(points).to(device)


def _fine_part(net: IAFPNNetwork) -> nn.Module:
    """What the fine network has for itself."""
    return net.fine_part if isinstance(net, IAFPNLite0) else net.get_submodule("fine_network")


class IAFPNTask:
    """What the trainer needs to know about IA-FPN.

    Parameters
    ----------
    simulation: as for :class:`~iseg_widget.training.segmenter.SegmenterTask`; beside it ``stage``,
        ``"coarse"`` or ``"fine"`` (which starts from the coarse weights and leaves them as they
        are), ``sgm``, ``hsgm``: train with the module (Table 5), and, if there, ``attention``:
        ``"clicks"`` or ``"full"`` (Table 4).
    build: the network.
    auxiliary: loss of the auxiliary prediction in stage 1, if the network has one: ``"nfl"``, or
        ``"bce"``, as in the published code; the paper has none. Stage 2 has none in either.
    slow: which parameters the pretrained backbone has; default: those under ``backbone``.
    """

    def __init__(
        self,
        simulation: Mapping[str, Any],
        build: Callable[[], IAFPNNetwork] = IAFPNLite0,
        *,
        auxiliary: Literal["nfl", "bce"] = "nfl",
        slow: Callable[[str], bool] = in_backbone,
    ) -> None:
        if simulation["stage"] not in STAGES:
            raise ValueError(f"stage must be one of {STAGES}, got {simulation['stage']!r}")
        self.simulation = simulation
        self.fine = simulation["stage"] == "fine"
        self.how = Propagation(
            sgm=simulation["sgm"],
            hsgm=simulation["hsgm"],
            attention=simulation.get("attention", "clicks"),
        )
        self.interaction = InteractionSettings.of(simulation)
        self.network = build
        self.auxiliary = normalized_focal_loss if auxiliary == "nfl" else masked_bce
        self.pretrained = slow

    def begin(self, net: IAFPNNetwork) -> None:
        """Before the first step: stage 2 copies the coarse weights and freezes them."""
        if self.fine:
            net.start_fine_from_coarse()
        net.requires_grad_(requires_grad=not self.fine)
        _fine_part(net).requires_grad_(requires_grad=self.fine)

    def batch(
        self, pool: Pool, rng: np.random.Generator, count: int, size: tuple[int, int]
    ) -> Batch:
        """Draw ``count`` scenes whose coarse views have ``size`` (H, W)."""
        how = ViewSettings.of(self.simulation)
        rounds = self.interaction.rounds(rng)
        scenes: list[Scene] = []
        while len(scenes) < count:
            target = pool.draw(rng)
            window = how.window(target.truth, rng, size, first=rounds == 0)
            scissors = how.scissors(target, rng)
            view = scissors.cut(window.matrix(size), size)
            if view.truth.sum() >= SMALLEST_TRUTH:
                scenes.append(Scene(view, window, scissors))
        return Batch(scenes, rounds, int(rng.integers(2**31)))

    def ready(self, net: IAFPNNetwork) -> None:
        """In stage 1 the coarse weights answer in the fine network's place, too."""
        if not self.fine:
            net.start_fine_from_coarse()

    def losses(
        self,
        net: IAFPNNetwork,
        batch: Batch,
        device: torch.device,
        dtype: torch.dtype | None,
        show: Show | None = None,
    ) -> dict[str, Tensor]:
        """Return the normalized focal loss of this stage's network and, for the log, the IoU."""
        rng = np.random.default_rng(batch.seed)
        image = seen = images(batch.views, device)
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            given = interact(
                net,
                batch.views,
                batch.rounds,
                self.interaction,
                rng,
                answer=lambda given: self._predict(net, batch, seen, given),
            )
            if self.fine:
                with torch.no_grad():
                    found = probabilities(self._coarse(net, image, given)[0])
                # Statistics of what is frozen stay as they are.
                _fine_part(net).train()
                shown = self._zoom(net, batch, found, given)
                views, logits, auxiliary = shown.views, shown.logits, None
                image, given = shown.image, shown.given
            else:
                net.train()
                _fine_part(net).eval()
                views = batch.views
                logits, auxiliary = self._coarse(net, image, given)
        truth, valid = targets(views, device)
        if show is not None:
            show(Seen(image, given, truth, valid, logits, patches=self.fine))
        terms = {"nfl": normalized_focal_loss(logits, truth, valid)}
        if auxiliary is not None:
            terms["auxiliary"] = AUXILIARY * self.auxiliary(auxiliary, truth, valid)
        return {**terms, "iou": batch_iou(logits, truth, valid)}

    def _coarse(
        self, net: IAFPNNetwork, image: Tensor, given: Interaction
    ) -> tuple[Tensor, Tensor | None]:
        """Logits of the coarse network and of its auxiliary head, ``(B, 1, H, W)``."""
        size = (image.shape[2], image.shape[3])
        drawn = [disks(clicks, size, net.disk_radius) for clicks in given.clicks]
        maps = np.concatenate([given.previous[:, None], np.stack(drawn)], 1)
        device = image.device
        answer = net.coarse(
            image, stacked(list(maps), device), _points(given.clicks, device), self.how
        )
        auxiliary = answer.auxiliary
        return resize(answer.logits, size), None if auxiliary is None else resize(auxiliary, size)

    def _zoom(
        self, net: IAFPNNetwork, batch: Batch, found: NDArray[np.float32], given: Interaction
    ) -> _Zoom:
        """Zoom in on what the coarse network found and ask the fine one (Eq. 3 and 4)."""
        size = (found.shape[1], found.shape[2])
        device = next(net.parameters()).device
        boxes, maps, clicks = [], [], []
        for probability, rows in zip(found, given.clicks, strict=True):
            seen = [Click(float(x), float(y), bool(kind)) for x, y, kind in rows]
            box = zoom_box(probability > 0.5, seen) or whole(size)
            x0, y0, x1, y1 = box
            part = cv2.resize(probability[y0:y1, x0:x1], size[::-1])
            moved = map_to_crop(rows, box, size)
            drawn = disks(moved, size, net.disk_radius)
            boxes.append(box)
            clicks.append(moved)
            maps.append(np.concatenate([part[None], drawn]))
        views = [scene.zoomed(box) for scene, box in zip(batch.scenes, boxes, strict=True)]
        image = stacked([view.image for view in views], device)
        answer = net.fine(image, stacked(maps, device), _points(clicks, device), self.how)
        moved_to = Interaction(clicks, np.stack([fed[0] for fed in maps]))
        return _Zoom(boxes, views, image, moved_to, resize(answer.logits, size))

    def _predict(
        self, net: IAFPNNetwork, batch: Batch, image: Tensor, given: Interaction
    ) -> NDArray[np.float32]:
        """Probabilities ``(B, H, W)`` of this stage's procedure on the coarse views."""
        logits, _ = self._coarse(net, image, given)
        found = probabilities(logits)
        if not self.fine:
            return found
        shown = self._zoom(net, batch, found, given)
        answers = probabilities(shown.logits)
        pasted = np.zeros_like(found)
        for place, (x0, y0, x1, y1), answer in zip(pasted, shown.boxes, answers, strict=True):
            place[y0:y1, x0:x1] = cv2.resize(answer, (x1 - x0, y1 - y0))
        return pasted
