"""Datasets by name: where they are and how to load them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from iseg_widget.datasets.base import BaseDataset
from iseg_widget.datasets.benchmark import Benchmark
from iseg_widget.datasets.berkeley import Berkeley
from iseg_widget.datasets.davis import Davis
from iseg_widget.datasets.demo_reader import Demo
from iseg_widget.datasets.files import sub_folders
from iseg_widget.datasets.folder import Folder
from iseg_widget.datasets.grabcut import GrabCut

BENCHMARKS: dict[str, type[Benchmark]] = {
    reader.name: reader for reader in (GrabCut, Berkeley, Davis)
}
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


def load(name: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> BaseDataset:
    """Load a dataset; images and masks are decoded only when a sample is asked for.

    Parameters
    ----------
    name
        ``"grabcut"``, ``"berkeley"``, ``"davis"``, ``"demo"``, or the path of a folder with
        ``images/`` and ``masks/`` (see :class:`~iseg_widget.datasets.folder.Folder`, which also has
        options).
    root
        The folder that holds the benchmark's folder, or the benchmark's folder itself. Default:
        ``$ISEG_DATA`` and its ``eval/``.

    Raises
    ------
    ValueError
        The name is unknown, or the data are not there; the message says what was expected and where
        was looked.
    """
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
