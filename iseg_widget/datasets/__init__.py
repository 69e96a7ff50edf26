"""Datasets for evaluation and training: one reader per benchmark, and one for own folders.

>>> from iseg_widget import datasets
>>> sample = datasets.load("demo")[0]
>>> sample.mask.shape == sample.image.shape[:2]
True
"""

from __future__ import annotations

from iseg_widget.datasets.base import BaseDataset, Dataset, MemoryDataset, Sample
from iseg_widget.datasets.catalogue import DatasetInfo, list_datasets, load
from iseg_widget.datasets.defect_statistics import DefectStatistics, defect_statistics
from iseg_widget.datasets.defects import Defect, DefectOptions, simulate_defects, with_defects
from iseg_widget.datasets.folder import Folder

__all__ = [
    "BaseDataset",
    "Dataset",
    "DatasetInfo",
    "Defect",
    "DefectOptions",
    "DefectStatistics",
    "Folder",
    "MemoryDataset",
    "Sample",
    "defect_statistics",
    "list_datasets",
    "load",
    "simulate_defects",
    "with_defects",
]
