"""Small folders in the layout of the benchmarks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

SHAPE = (12, 16)


def write_image(path: Path, shape: tuple[int, int] = SHAPE, value: int = 90) -> np.ndarray:
    """A grey RGB image with one bright pixel in the top-left corner."""
    pixels = np.full((*shape, 3), value, np.uint8)
    pixels[0, 0] = 255, 0, 0
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def write_mask(path: Path, values: dict[int, tuple[slice, slice]]) -> np.ndarray:
    """A mask of 0 with rectangles of other values."""
    pixels = np.zeros(SHAPE, np.uint8)
    for value, where in values.items():
        pixels[where] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


OBJECT = (slice(3, 9), slice(4, 10))
BAND = (slice(2, 3), slice(4, 10))


def write_pair(root: Path, stem: str, values: dict[int, tuple[slice, slice]] | None = None) -> None:
    """``images/<stem>.png`` and ``masks/<stem>.png``; without values, one object of 255."""
    write_image(root / "images" / f"{stem}.png")
    write_mask(root / "masks" / f"{stem}.png", {255: OBJECT} if values is None else values)


def write_davis585(root: Path, video: str, name: str, frame: str, init: tuple[str, ...]) -> None:
    """One object of the ClickSEG release, with the initial masks named (``sp``, ``stm``)."""
    folder = root / video
    write_image(folder / f"{frame}.jpg")
    write_mask(folder / f"{name}_{frame}.png", {255: OBJECT, 100: BAND})
    for number, kind in enumerate(init):
        flawed = slice(3, 8 - number), slice(4, 10)
        write_mask(folder / f"init_{kind}_{name}_{frame}.png", {255: flawed})


def write_sbd(root: Path, split: str, stems: dict[str, np.ndarray]) -> None:
    """``img/``, ``inst/`` and the list; an array of ids for every stem."""
    (root / "inst").mkdir(parents=True, exist_ok=True)
    for stem, ids in stems.items():
        write_image(root / "img" / f"{stem}.jpg", ids.shape)
        numbers = [value for value in np.unique(ids) if value]
        content = {
            "Segmentation": ids.astype(np.uint8),
            "Boundaries": np.zeros((len(numbers), 1), object),
            "Categories": np.array(numbers, np.uint8)[:, None],
        }
        scipy.io.savemat(root / "inst" / f"{stem}.mat", {"GTinst": content}, do_compression=True)
    (root / f"{split}.txt").write_text("\n".join(stems) + "\n")


def write_voc(root: Path, split: str, stems: dict[str, dict[int, tuple[slice, slice]]]) -> None:
    """``JPEGImages/``, ``SegmentationObject/`` with the palette, ``ImageSets/Segmentation/``."""
    (root / "SegmentationObject").mkdir(parents=True, exist_ok=True)
    for stem, values in stems.items():
        write_image(root / "JPEGImages" / f"{stem}.jpg")
        path = root / "SegmentationObject" / f"{stem}.png"
        picture = Image.fromarray(write_mask(path, values))
        picture.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
        picture.save(path)
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True, exist_ok=True)
    (lists / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))


def coco_content(categories: dict[int, str], images: int) -> dict:
    """COCO's annotations: on every image one 6 x 5 rectangle of each category, and one crowd."""
    content: dict = {
        "images": [
            {"id": i, "file_name": f"{i:012d}.jpg", "height": SHAPE[0], "width": SHAPE[1]}
            for i in range(1, images + 1)
        ],
        "categories": [{"id": key, "name": name} for key, name in categories.items()],
        "annotations": [],
    }
    for image in content["images"]:
        for column, key in enumerate(categories):
            number = len(content["annotations"]) // 2 + 1
            x0, y0 = 1 + column % 8, 2
            corners = [x0, y0, x0 + 6, y0, x0 + 6, y0 + 5, x0, y0 + 5]
            crowd = {"counts": [0, SHAPE[0] * SHAPE[1]], "size": list(SHAPE)}
            common = {"image_id": image["id"], "category_id": key}
            content["annotations"] += [
                {**common, "id": number, "iscrowd": 0, "area": 30.0, "segmentation": [corners]},
                {**common, "id": -number, "iscrowd": 1, "area": 192.0, "segmentation": crowd},
            ]
    return content


def write_coco(root: Path, content: dict, images: str = "val2017") -> None:
    """COCO val: images and ``annotations/instances_val2017.json``."""
    for image in content["images"]:
        write_image(root / images / image["file_name"])
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "annotations" / "instances_val2017.json").write_text(json.dumps(content))
