"""Validation in the loop: the real evaluation, with the averaged weights, on held-out objects."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from iseg_widget.datasets.base import MemoryDataset
from iseg_widget.evaluation.report import Report
from iseg_widget.evaluation.runner import evaluate
from iseg_widget.methods.registry import build_method
from iseg_widget.networks.inference import prepare
from iseg_widget.training.pool import Pool

MAX_CLICKS = 20
STOP_IOU = 0.90
"""Objects are done there, as in the published evaluations; IoU@k counts the IoU they had then."""

CLICKS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Validation:
    """How a run is validated.

    Attributes
    ----------
    method, options: the procedure around the network.
    dataset: held-out objects, always the same.
    """

    method: str
    options: Mapping[str, Any]
    dataset: MemoryDataset

    @classmethod
    def of(
        cls, pool: Pool, count: int, method: str, options: Mapping[str, Any] | None = None
    ) -> Validation:
        """Take the first ``count`` held-out objects of ``pool``; ``ValueError`` without any."""
        samples = tuple(itertools.islice(pool.development(), count))
        if not samples:
            raise ValueError(
                "validation needs held-out images: the recipe's development is 0, or none of them "
                "has an object"
            )
        return cls(method, dict(options or {}), MemoryDataset(samples, "development"))

    def run(
        self,
        net: nn.Module,
        state: Mapping[str, Tensor],
        device: torch.device,
        ready: Callable[[nn.Module], None],
    ) -> dict[str, float]:
        """Evaluate ``net`` with the weights ``state``; returns :func:`measures`.

        ``net`` is copied and stays as it is; no random numbers are drawn from global generators.
        ``ready`` is given the copy before it answers.
        """
        network = copy.deepcopy(net)
        network.load_state_dict(dict(state))
        ready(network)
        method = build_method(self.method, prepare(network, device), self.options)
        return measures(
            evaluate(method, self.dataset, MAX_CLICKS, stop_iou=STOP_IOU, progress=False)
        )


def measures(report: Report) -> dict[str, float]:
    """NoC@85, NoC@90 and IoU@1 to 5 of a report."""
    if report.faulty:
        raise ValueError(f"validation failed: {report.faulty[0].error}")
    found = {"noc85": report.noc(0.85), "noc90": report.noc(0.90)}
    return found | {f"iou{click}": report.iou_at(click) for click in CLICKS}


def better(found: Mapping[str, float], best: Mapping[str, float]) -> bool:
    """Whether ``found`` beats ``best`` (which may be empty): NoC@90, then NoC@85, then IoU@5."""
    return not best or _order(found) < _order(best)


def _order(values: Mapping[str, float]) -> tuple[float, float, float]:
    return values["noc90"], values["noc85"], -values["iou5"]
