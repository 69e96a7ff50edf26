"""What large images and many objects cost, against small ones: see :mod:`iseg_widget.benchmark`.

The same photograph of about a megapixel is segmented alone and in the middle of larger images,
with the same clicks; so whatever a click costs more there is the cost of the image's size.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from iseg_widget.benchmark import CLICKS, Row, _in_process, _photograph, _set_threads

PHOTOGRAPH = (1200, 900)
LARGE_SIZES = (PHOTOGRAPH, (4000, 3000), (11600, 8700))
"""(width, height) of 1, 12 and 101 megapixels; the first is what the others are compared with."""

OVERLAY_SIZE = (3840, 2160)
OBJECTS = 30
OBJECTS_SIZE = (4000, 3000)


def measure_large(
    method: str, size: tuple[int, int], *, options: dict[str, Any], threads: int | None
) -> dict[str, float]:
    """Measure clicks on the photograph in the middle of an image of ``size`` (width, height).

    The mask of the object is given, and the clicks correct it here and there. Returns seconds in
    milliseconds: ``click`` (median; method, annotation and encoding of what the page gets), and
    ``first_picture`` (encoding what the page sees first).
    """
    import numpy as np

    from iseg_widget.annotation import Annotation
    from iseg_widget.methods.registry import load_method
    from iseg_widget.widget.pyramid import PicturePyramid
    from iseg_widget.widget.screen import Screen

    _set_threads(threads)
    photograph, truth = _photograph(PHOTOGRAPH)
    width, height = size
    left, top = (width - PHOTOGRAPH[0]) // 2, (height - PHOTOGRAPH[1]) // 2
    inside = (slice(top, top + PHOTOGRAPH[1]), slice(left, left + PHOTOGRAPH[0]))
    image = np.full((height, width, 3), 96, np.uint8)
    image[inside] = photograph
    mask = np.zeros((height, width), bool)
    mask[inside] = truth
    image.flags.writeable = False
    began = time.perf_counter()
    PicturePyramid(image).base()
    picture = time.perf_counter() - began
    annotation = Annotation(image, load_method(method, options=options, device="cpu"))
    annotation.add_object(mask)
    screen = Screen(annotation)
    rows, columns = np.nonzero(mask)
    chosen = np.random.default_rng(0).integers(len(rows), size=CLICKS + 1)
    seconds = []
    for place in chosen.tolist():
        began = time.perf_counter()
        annotation.click(float(columns[place]), float(rows[place]), positive=place % 3 != 0)
        before = screen.update(annotation)
        screen.mask(before)
        screen.others(before)
        seconds.append(time.perf_counter() - began)
    # The first pass of a network is slow, and the first click of an object prepares the image.
    return {"click": 1000 * statistics.median(seconds[1:]), "first_picture": 1000 * picture}


def measure_overlays(
    method: str, size: tuple[int, int], *, options: dict[str, Any], threads: int | None
) -> dict[str, float]:
    """Measure what robot clicks send to the page: median ``overlay`` in bytes."""
    from iseg_widget.annotation import Annotation
    from iseg_widget.evaluation.robot import next_click
    from iseg_widget.methods.registry import load_method
    from iseg_widget.widget.screen import Screen

    _set_threads(threads)
    image, truth = _photograph(size)
    annotation = Annotation(image, load_method(method, options=options, device="cpu"))
    number = annotation.add_object()
    screen = Screen(annotation)
    sizes = []
    for _ in range(CLICKS):
        click = next_click(annotation.mask_of(number), truth, annotation.info(number).clicks)
        annotation.click(click.x, click.y, click.positive)
        sizes.append(len(screen.mask(screen.update(annotation)).data or b""))
    return {"overlay": statistics.median(sizes)}


def measure_objects(count: int, size: tuple[int, int], *, threads: int | None) -> dict[str, float]:
    """Measure choosing another of ``count`` objects: median milliseconds of ``choose``."""
    import cv2
    import numpy as np

    from iseg_widget.annotation import Annotation
    from iseg_widget.widget.screen import Screen

    _set_threads(threads)
    width, height = size
    generator = np.random.default_rng(0)
    annotation = Annotation(np.zeros((height, width, 3), np.uint8))
    for _ in range(count):
        mask = np.zeros((height, width), np.uint8)
        radius = int(generator.integers(height // 30, height // 8))
        x, y = generator.integers(radius, (width - radius, height - radius)).tolist()
        cv2.circle(mask, (x, y), radius, 1, -1)
        annotation.add_object(mask > 0)
    screen = Screen(annotation)
    ids = [item.id for item in annotation.objects]
    seconds = []
    for turn in range(CLICKS):
        began = time.perf_counter()
        annotation.select(ids[turn * 7 % count])
        before = screen.update(annotation)
        screen.mask(before)
        screen.others(before)
        seconds.append(time.perf_counter() - began)
    return {"choose": 1000 * statistics.median(seconds)}


def run_large_benchmark(
    method: str = "focalclick",
    *,
    options: dict[str, Any] | None = None,
    threads: int | None = None,
) -> list[Row]:
    """Measure large images and many objects; ratios refer to the first row of each group."""
    rows: list[Row] = []
    keywords = {"options": options or {}, "threads": threads}
    measured = [
        _in_process("measure_large", method, size, module=__name__, **keywords)
        for size in LARGE_SIZES
    ]
    for group, label in (("click", "large click"), ("first_picture", "first picture")):
        first = measured[0][group]
        for size, result in zip(LARGE_SIZES, measured, strict=True):
            name = f"{method}, {size[0]} x {size[1]}"
            rows.append(Row(label, name, result[group], "ms", result[group] / first))
    overlay = _in_process("measure_overlays", method, OVERLAY_SIZE, module=__name__, **keywords)
    name = f"{method}, {OVERLAY_SIZE[0]} x {OVERLAY_SIZE[1]}"
    rows.append(Row("4K overlay", name, overlay["overlay"], "bytes"))
    chosen = [
        _in_process("measure_objects", count, OBJECTS_SIZE, module=__name__, threads=threads)
        for count in (2, OBJECTS)
    ]
    for count, result in zip((2, OBJECTS), chosen, strict=True):
        ratio = result["choose"] / chosen[0]["choose"]
        rows.append(Row("choose object", f"one of {count}", result["choose"], "ms", ratio))
    return rows
