"""Fixtures that all tests share: where the benchmark images and the recorded cases are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _folder(variable: str, default: Path | None) -> Path:
    given = os.environ.get(variable)
    path = Path(given) if given else default
    if path is None or not path.is_dir():
        pytest.skip(f"${variable} names no folder (it is {given!r})")
    return path.resolve()


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Benchmark images (``eval/``, ``train/``); the test is skipped where there are none."""
    return _folder("ISEG_DATA", None)


@pytest.fixture(scope="session")
def parity_root() -> Path:
    """Recorded cases of the published code; the test is skipped where there are none."""
    return _folder("ISEG_PARITY", ROOT / "tests" / "parity")
