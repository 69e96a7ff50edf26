"""Sessions on large images do not fill the kernel; closed widgets leave nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured on Linux")


def measure(project_root: Any, *arguments: object) -> dict[str, float]:
    """Run a measurement in a process of its own."""
    command = [sys.executable, "-m", "tests.widget.memory", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=project_root, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_five_hundred_clicks_on_twelve_megapixels_take_little_memory(project_root: Any) -> None:
    found = measure(project_root, "clicks", "spots", 500)
    assert found["grown"] < 50, found


def test_closed_widgets_are_freed(project_root: Any) -> None:
    found = measure(project_root, "close", 20)
    assert found["alive"] == 0, found
    assert found["grown"] < 20, found  # one picture of 12 megapixels takes 36
