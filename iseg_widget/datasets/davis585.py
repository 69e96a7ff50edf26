"""DAVIS-585: objects of DAVIS-2017 with flawed initial masks (FocalClick Sec. 3.2)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from iseg_widget.datasets.base import Sample
from iseg_widget.datasets.benchmark import Benchmark, encoding_note
from iseg_widget.datasets.files import read_image_file, read_merged_mask

_ABOVE = 128


class Davis585(Benchmark):
    """585 objects of 30 DAVIS-2017 validation videos, 10 frames each, none under 300 pixels.

    Every object starts from a flawed mask of IoU 0.75 to 0.85 that was made by super-pixels
    (FocalClick Sec. 3.2, Table 4 "From Initial Mask"). Layout of the published release: one folder
    a video, in it ``<frame>.jpg``, the objects ``<object>_<frame>.png`` and their initial masks
    ``init_sp_<object>_<frame>.png`` and ``init_stm_<object>_<frame>.png``. A mask is where a value
    is above 128; every pixel counts. Samples are called ``<video>/<object>_<frame>``; their order
    is that of the names (the published code takes the order of the file system).

    Parameters
    ----------
    root
        The folder that holds the videos' folders.

    Raises
    ------
    ValueError
        There is no object, an image is missing, or so is an initial mask that this variant starts
        from.
    """

    name = "davis585"
    folders = ("davis585", "DAVIS585", "DAVIS-585", "davis585/data", "DAVIS585/data")
    objects = 585
    description = (
        "DAVIS-585, objects of 30 videos, every pixel counts; starts from the initial masks made "
        "by super-pixels"
    )
    download = "DAVIS-585, which the authors of FocalClick published with their code (ClickSEG)"
    layout = (
        "{folder}/<video>/<frame>.jpg, {folder}/<video>/<object>_<frame>.png and "
        "{folder}/<video>/init_sp_<object>_<frame>.png"
    )
    initial: ClassVar[str] = "init_sp_"
    """How the files of the initial masks begin; empty: objects are segmented from scratch."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__(root)
        masks = sorted(
            path for path in self.root.glob("*/*.png") if not path.name.startswith(("init_", "."))
        )
        if not masks:
            raise ValueError(f"{self.root} holds no <video>/<object>_<frame>.png")
        for mask in masks:
            needed = [self._image_of(mask)]
            if self.initial:
                needed.append(mask.with_name(self.initial + mask.name))
            for path in needed:
                if not path.is_file():
                    raise ValueError(f"{mask}: {path.name} is missing beside it")
        self._masks = {f"{mask.parent.name}/{mask.stem}": mask for mask in masks}
        self._names = tuple(self._masks)
        here = "" if len(masks) == self.objects else f" (this copy has {len(masks)})"
        self.description = f"{self.description}{here}{encoding_note(self._image_of(masks[0]))}"

    @classmethod
    def holds(cls, place: Path) -> bool:
        """Whether there are videos' folders with initial masks in ``place``."""
        return next(place.glob("*/init_sp_*.png"), None) is not None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all samples, ``<video>/<object>_<frame>``, sorted; no file is read."""
        return self._names

    @staticmethod
    def _image_of(mask: Path) -> Path:
        return mask.with_name(mask.stem.rsplit("_", 1)[-1] + ".jpg")

    def _read(self, index: int) -> Sample:
        name = self._names[index]
        mask = self._masks[name]
        start = None
        if self.initial:
            start = read_merged_mask(mask.with_name(self.initial + mask.name), _ABOVE)
        return Sample(
            name,
            read_image_file(self._image_of(mask)),
            read_merged_mask(mask, _ABOVE),
            initial_mask=start,
        )


class Davis585Stm(Davis585):
    """DAVIS-585 from the release's second set of initial masks, ``init_stm_…``.

    They are the results of an offline model (the paper's other strategy, Sec. 3.2), so their IoU is
    not kept between 0.75 and 0.85. Table 4 uses the super-pixel ones.
    """

    name = "davis585_stm"
    description = (
        "DAVIS-585, objects of 30 videos, every pixel counts; starts from the initial masks of an "
        "offline model"
    )
    initial = "init_stm_"


class Davis585Scratch(Davis585):
    """DAVIS-585 without initial masks (Table 4 "From Scratch")."""

    name = "davis585_scratch"
    description = "DAVIS-585, objects of 30 videos, every pixel counts; segmented from scratch"
    initial = ""
