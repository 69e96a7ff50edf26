"""Training RIS-Net: the global branch, and the local one on simulated ROIs (Sec. 3.3, Eq. 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from iseg_widget.encode import distance_maps
from iseg_widget.networks.ris_net import (
    DISTANCE_CAP,
    GlobalFeatures,
    RISNetLite0,
    RISNetwork,
    enlarge,
)
from iseg_widget.training.interaction import Interaction
from iseg_widget.training.losses import batch_iou, click_discount_loss
from iseg_widget.training.roi_simulation import sample_rois
from iseg_widget.training.seen import Seen, Show
from iseg_widget.training.segmenter import Batch, ViewTask
from iseg_widget.training.tensors import images, stacked, targets


class RISNetTask(ViewTask):
    """What the trainer needs to know about RIS-Net.

    Parameters
    ----------
    simulation: as for :class:`~iseg_widget.training.segmenter.SegmenterTask`; beside it
        ``roi_count`` (N_ROI), ``discount`` (gamma of Eq. 2; 0: no local branch) and ``context``
        (pyramid pooling), as Table 2 varies them.
    build: the network.
    """

    def __init__(
        self, simulation: Mapping[str, Any], build: Callable[[], RISNetwork] = RISNetLite0
    ) -> None:
        if simulation["initial_mask"]:
            raise ValueError("RIS-Net is fed no previous mask: initial_mask must be 0")
        super().__init__(simulation, build)

    def _look(self, net: RISNetwork, image: Tensor, given: Interaction) -> GlobalFeatures:
        size = (image.shape[2], image.shape[3])
        maps = [distance_maps(clicks, size, DISTANCE_CAP) for clicks in given.clicks]
        return net.global_features(
            image, stacked(maps, image.device), context=self.simulation["context"]
        )

    def answer(self, net: RISNetwork, image: Tensor, given: Interaction) -> Tensor:
        """Return the global branch's logits ``(B, 1, H, W)`` for views ``(B, 3, H, W)``."""
        size = (image.shape[2], image.shape[3])
        return enlarge(self._look(net, image, given).logits.float(), net.stride, size)

    def losses(
        self,
        net: RISNetwork,
        batch: Batch,
        device: torch.device,
        dtype: torch.dtype | None,
        show: Show | None = None,
    ) -> dict[str, Tensor]:
        """Return the click discount loss, mean over the images, and the global branch's IoU."""
        rng = np.random.default_rng(batch.seed)
        image = images(batch.views, device)
        size = (image.shape[2], image.shape[3])
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            given = self.interact(net, batch, image, rng)
            net.train()
            found = self._look(net, image, given)
            boxes = [
                sample_rois(clicks, view.truth, rng, count=self.simulation["roi_count"])
                for clicks, view in zip(given.clicks, batch.views, strict=True)
            ]
            rois = torch.from_numpy(np.concatenate(boxes)).to(device)
            owner = torch.repeat_interleave(
                torch.arange(len(boxes), device=device),
                torch.tensor([len(rows) for rows in boxes], device=device),
            )
            local = net.local(found, rois.float(), owner)
        logits = enlarge(found.logits.float(), net.stride, size)
        truth, valid = targets(batch.views, device)
        if show is not None:
            show(Seen(image, given, truth, valid, logits))
        losses = [
            click_discount_loss(
                logits[i : i + 1],
                local[owner == i],
                rois[owner == i],
                truth[i : i + 1],
                valid[i : i + 1],
                gamma=self.simulation["discount"],
            )
            for i in range(len(boxes))
        ]
        return {"discounted": torch.stack(losses).mean(), "iou": batch_iou(logits, truth, valid)}
