"""Draw ``masks/*.png`` anew from ``polygons.json``, in a source checkout."""

from pathlib import Path

import cv2

from iseg_widget.datasets.demo import polygons, rasterise

FOLDER = Path(__file__).parent


def write_masks(folder: Path) -> None:
    """Write one 8-bit PNG (0 and 255) per object into ``folder/masks``."""
    for name, item in polygons().items():
        image = cv2.imread(str(folder / "images" / item["image"]))
        if image is None:
            raise ValueError(f"cannot read {folder / 'images' / item['image']}")
        mask = rasterise(item, (image.shape[0], image.shape[1]))
        path = folder / "masks" / f"{name}.png"
        if not cv2.imwrite(str(path), mask, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            raise OSError(f"cannot write {path}")


if __name__ == "__main__":
    write_masks(FOLDER)
