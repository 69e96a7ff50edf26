"""Masks to and from the formats of other tools.

Every function takes and returns plain values; :func:`write_file` puts them on disk without ever
leaving half a file.
"""

from iseg_widget.export.coco import from_coco, to_coco
from iseg_widget.export.geojson import Affine, to_geojson
from iseg_widget.export.labelled import LabelledImage, LabelledMask, class_names, write_file
from iseg_widget.export.labelme import from_labelme, to_labelme
from iseg_widget.export.png import binary_png, id_png, read_id_png, voc_pngs
from iseg_widget.export.save import FORMATS, read, save
from iseg_widget.export.yolo import from_yolo, to_yolo

__all__ = [
    "FORMATS",
    "Affine",
    "LabelledImage",
    "LabelledMask",
    "binary_png",
    "class_names",
    "from_coco",
    "from_labelme",
    "from_yolo",
    "id_png",
    "read",
    "read_id_png",
    "save",
    "to_coco",
    "to_geojson",
    "to_labelme",
    "to_yolo",
    "voc_pngs",
    "write_file",
]
