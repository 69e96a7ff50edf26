"""Runs that can be repeated to the last bit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
CUBLAS_VALUES = (":4096:8", ":16:8")


def check_deterministic(device: torch.device) -> None:
    """Raise ``ValueError`` when CUDA's matrix products could differ from run to run."""
    if device.type == "cuda" and os.environ.get(CUBLAS) not in CUBLAS_VALUES:
        raise ValueError(
            f"a deterministic run on a GPU needs {CUBLAS}={CUBLAS_VALUES[0]} in the environment "
            "before Python starts"
        )


@contextmanager
def deterministic_algorithms() -> Iterator[None]:
    """Let PyTorch take only algorithms that give the same bits every time.

    An operation that has none raises ``RuntimeError``. Results also depend on the number of
    threads, the device and the versions of what is installed: keep those.
    """
    backend = torch.backends.cudnn
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        backend.benchmark,
    )
    torch.use_deterministic_algorithms(mode=True)
    backend.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        backend.benchmark = before[2]
