"""Several processes that train together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn

PATIENCE = timedelta(hours=2)
"""How long the others wait while the first one validates."""


@dataclass(frozen=True)
class Processes:
    """Which process among those that train together (``torchrun``); 0 of 1 when alone.

    ``place`` is its number on this machine, which is that of its GPU.
    """

    rank: int = 0
    count: int = 1
    place: int = 0

    @classmethod
    def join(cls) -> Processes:
        """Join the group that ``torchrun`` describes in the environment, if there is one."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        if not dist.is_initialized():
            backend = "nccl" if torch.cuda.is_available() else "gloo"
            dist.init_process_group(backend, timeout=PATIENCE)
        rank = dist.get_rank()
        return cls(rank, count, int(os.environ.get("LOCAL_RANK", str(rank))))

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            dist.barrier()

    def average_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Average gradients over the processes, in one message."""
        if self.count == 1:
            return
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        flat /= self.count
        offset = 0
        for parameter, gradient in zip(parameters, gradients, strict=True):
            size = gradient.numel()
            parameter.grad = flat[offset : offset + size].view_as(gradient)
            offset += size
