"""Datasets by name: where they are and how to load them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from iseg_widget.datasets.base import BaseDataset
from iseg_widget.datasets.benchmark import Benchmark
from iseg_widget.datasets.berkeley import Berkeley
from iseg_widget.datasets.coco_mval import CocoMVal, CocoMValSeen, CocoMValUnseen
from iseg_widget.datasets.davis import Davis, DavisObjects
from iseg_widget.datasets.davis585 import Davis585, Davis585Scratch, Davis585Stm
from iseg_widget.datasets.defects import with_defects
from iseg_widget.datasets.demo_reader import Demo
from iseg_widget.datasets.files import sub_folders
from iseg_widget.datasets.folder import Folder
from iseg_widget.datasets.grabcut import GrabCut
from iseg_widget.datasets.pascal_voc import PascalVoc
from iseg_widget.datasets.sbd import Sbd, SbdTrain

_READERS: tuple[type[Benchmark], ...] = (
    *(GrabCut, Berkeley, Davis, DavisObjects, Davis585, Davis585Stm, Davis585Scratch),
    *(Sbd, SbdTrain, PascalVoc, CocoMVal, CocoMValSeen, CocoMValUnseen),
)
BENCHMARKS: dict[str, type[Benchmark]] = {reader.name: reader for reader in _READERS}
_ALIASES = {"davis345": "davis"}


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What is known about a dataset without reading it.

    ``path`` is the folder it was found in; ``None`` when it is not there, or needs none (``demo``).
    """

    name: str
    objects: int
    description: str
    available: bool
    path: Path | None
    looked_in: tuple[Path, ...] = ()


def list_datasets(root: str | os.PathLike[str] | None = None) -> tuple[DatasetInfo, ...]:
    """All datasets that :func:`load` knows by name, and where they are found, if they are.

    ``root`` as for :func:`load`.
    """
    demo = Demo()
    found = [DatasetInfo(demo.name, len(demo), demo.description, True, None)]
    for name, reader in BENCHMARKS.items():
        path, looked = reader.find(root)
        found.append(
            DatasetInfo(
                name, reader.objects, str(reader.description), path is not None, path, looked
            )
        )
    return tuple(found)


def load(
    name: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    *,
    defects: int | None = None,
) -> BaseDataset:
    """Load a dataset; images and masks are decoded only when a sample is asked for.

    Parameters
    ----------
    name
        One of ``"demo"``, ``"grabcut"``, ``"berkeley"``, ``"davis"``, ``"davis_objects"``,
        ``"davis585"``, ``"davis585_stm"``, ``"davis585_scratch"``, ``"sbd"``, ``"sbd_train"``,
        ``"pascal_voc"``, ``"coco_mval"``, ``"coco_mval_seen"``, ``"coco_mval_unseen"``, or the path
        of a folder with ``images/`` and ``masks/`` (see
        :class:`~iseg_widget.datasets.folder.Folder`, which also has options). With ``+defects``
        or ``+defects<seed>`` at the end, as ``defects``.
    root
        The folder that holds the benchmark's folder, or the benchmark's folder itself. Default:
        ``$ISEG_DATA`` and its ``eval/``.
    defects
        Seed for flawed initial masks, so that masks are corrected instead of drawn from scratch;
        see :func:`~iseg_widget.datasets.defects.with_defects`. ``None``: those of the dataset, if
        it has any.

    Raises
    ------
    ValueError
        The name is unknown, or the data are not there; the message says what was expected and where
        was looked.
    """
    suffix = re.fullmatch(r"(.+)\+defects(\d*)", str(name))
    if suffix is not None and not Path(name).expanduser().is_dir():
        seed = int(suffix[2] or 0) if defects is None else defects
        return load(suffix[1], root, defects=seed)
    dataset = _load(name, root)
    return dataset if defects is None else with_defects(dataset, defects)


def _load(name: str | os.PathLike[str], root: str | os.PathLike[str] | None) -> BaseDataset:
    key = _ALIASES.get(str(name).lower(), str(name).lower())
    if key in BENCHMARKS:
        reader = BENCHMARKS[key]
        return reader(reader.locate(root))
    if key == "demo":
        return Demo()
    folder = Path(name).expanduser()
    if root is not None and not folder.is_dir():
        folder = Path(root).expanduser() / name
    if folder.is_dir() and sub_folders(folder) is not None:
        return Folder(folder)
    known = ", ".join(("demo", *BENCHMARKS))
    if folder.is_dir():
        raise ValueError(
            f"{folder} is not a dataset folder: expected images/<stem>.jpg|png and "
            "masks/<stem>.png in it"
        )
    raise ValueError(
        f"unknown dataset {str(name)!r}: accepted are {known}, or a folder with images/ and "
        "masks/ in it"
    )
