from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest

from iseg_widget import benchmark_large, cli
from iseg_widget.annotation import Annotation
from iseg_widget.methods.registry import load_method
from iseg_widget.widget.screen import Screen


def test_the_command_measures_large_images(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def here(function: str, *arguments: Any, module: str, **keywords: Any) -> dict[str, float]:
        assert module == benchmark_large.__name__
        found: dict[str, float] = getattr(benchmark_large, function)(*arguments, **keywords)
        return found

    monkeypatch.setattr(benchmark_large, "_in_process", here)
    monkeypatch.setattr(benchmark_large, "CLICKS", 2)
    monkeypatch.setattr(benchmark_large, "PHOTOGRAPH", (120, 90))
    monkeypatch.setattr(benchmark_large, "LARGE_SIZES", ((120, 90), (400, 300)))
    monkeypatch.setattr(benchmark_large, "OVERLAY_SIZE", (192, 108))
    monkeypatch.setattr(benchmark_large, "OBJECTS_SIZE", (400, 300))
    assert cli.main(["benchmark", "--large", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    groups = [row["group"] for row in rows]
    assert groups == [
        *["large click"] * 2,
        *["first picture"] * 2,
        "4K overlay",
        *["choose object"] * 2,
    ]
    assert all(row["value"] > 0 for row in rows)
    assert [row["ratio"] for row in rows if row["ratio"] is not None].count(1.0) >= 3


def test_a_click_on_a_small_object_of_a_large_image_needs_little_memory():
    """What it costs does not grow with the image: not even one mask of its size is made."""
    height, width = 4000, 6000
    image = np.zeros((height, width, 3), np.uint8)
    image[2000:2300, 3000:3400] = (200, 90, 40)
    image.flags.writeable = False
    mask = np.zeros((height, width), bool)
    mask[2000:2300, 3000:3390] = True
    annotation = Annotation(image, load_method("focalclick", device="cpu"))
    annotation.add_object(mask)
    screen = Screen(annotation)
    annotation.click(3200, 2150)
    tracemalloc.start()
    try:
        for x, y, positive in ((3395, 2100, True), (3200, 2310, False)):
            annotation.click(x, y, positive)
            before = screen.update(annotation)
            screen.mask(before)
            screen.others(before)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < height * width / 4
