"""Small annotations for tests, and all that can be seen of one."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.annotation import Annotation
from tests.methods.fake import DiskMethod

HEIGHT, WIDTH = 20, 30
SHAPE = (HEIGHT, WIDTH)
DISKS = DiskMethod()


def picture(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (*SHAPE, 3), np.uint8)


def rectangle(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def made(rule: str = "allow", *masks: NDArray[np.bool_], **options: Any) -> Annotation:
    """An annotation with the labels cat and dog, and an object of each mask."""
    annotation = Annotation(picture(), DISKS, labels=("cat", "dog"), rule=rule, **options)
    for mask in masks:
        annotation.add_object(mask)
    return annotation


def visible(annotation: Annotation) -> tuple[Any, ...]:
    """Everything but the sessions."""
    return (
        [dataclasses.astuple(info) for info in annotation.objects],
        [annotation.mask_of(info.id).tobytes() for info in annotation.objects],
        annotation.labels,
        annotation.rule,
    )


def histories(annotation: Annotation) -> list[dict[str, Any]]:
    """The sessions' logs."""
    return [annotation.session(info.id).log() for info in annotation.objects]
