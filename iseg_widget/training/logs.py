"""What a run writes about itself: CSV tables, and TensorBoard where it is wanted."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LOG = "log.csv"
VALIDATION = "validation.csv"
BOARD = "tensorboard"
SAMPLES = "samples"


class Means:
    """Means of named values since they were last taken; NaN counts as no value.

    ``values`` may be kept, and given to another one.
    """

    def __init__(self, values: Mapping[str, list[float]] | None = None) -> None:
        self.values: dict[str, list[float]] = {k: list(v) for k, v in (values or {}).items()}

    def add(self, values: Mapping[str, float]) -> None:
        """Count one value of each name."""
        for name, value in values.items():
            kept = self.values.setdefault(name, [])
            if not math.isnan(value):
                kept.append(value)

    def take(self) -> dict[str, float]:
        """Return the means and begin anew."""
        taken = {k: sum(v) / len(v) if v else math.nan for k, v in self.values.items()}
        self.values = {}
        return taken


class Table:
    """A CSV file with one line per logged step.

    Rows after ``step``, where a run begins or resumes, are of steps that will come again: they are
    dropped, so that no step is there twice.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        if not path.is_file():
            return
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        # A row that was being written when the run was killed may end anywhere.
        kept = [row for row in rows[1:] if len(row) == len(rows[0]) and int(row[0]) <= step]
        if not kept:
            path.unlink()
        elif len(kept) < len(rows) - 1:
            partial = path.with_suffix(".partial")
            with partial.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([rows[0], *kept])
            partial.replace(path)

    def write(self, row: Mapping[str, float | str]) -> None:
        """Append a row; its first value is the step. Text is written as it is."""
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow({k: v if isinstance(v, str) else f"{v:.6g}" for k, v in row.items()})


def open_board(folder: Path, step: int) -> Any:
    """Return a TensorBoard writer for the steps from ``step`` on.

    Raises ``ValueError`` when TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError(
            "logs for TensorBoard were asked for, and it is not installed: "
            'pip install "iseg-widget[train]", or pip install tensorboard'
        ) from error
    # Of an interrupted run, what comes again is not shown twice.
    return SummaryWriter(str(folder), purge_step=step + 1)


class Journal:
    """All that the first process of a run writes down.

    Parameters
    ----------
    out: folder of the run.
    step: where it begins or resumes.
    tensorboard: also write ``tensorboard/``; ``ValueError`` when it is not installed.
    """

    def __init__(self, out: Path, step: int, *, tensorboard: bool) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._board = open_board(out / BOARD, step) if tensorboard else None
        self._samples = out / SAMPLES
        self._training = Table(out / LOG, step)
        self._validation = Table(out / VALIDATION, step)

    def training(self, step: int, values: Mapping[str, float | str]) -> None:
        """Note the means of the last steps."""
        self._training.write({"step": step, **values})
        self._scalars("training", step, values)

    def validation(self, step: int, values: Mapping[str, float]) -> None:
        """Note what a validation found."""
        self._validation.write({"step": step, **values})
        self._scalars("validation", step, values)

    def picture(self, step: int, picture: NDArray[np.uint8]) -> None:
        """Write an ``(H, W, 3)`` picture of the step's samples."""
        self._samples.mkdir(exist_ok=True)
        cv2.imwrite(str(self._samples / f"{step:06d}.png"), picture[:, :, ::-1])
        if self._board is not None:
            self._board.add_image("samples", picture, step, dataformats="HWC")

    def _scalars(self, group: str, step: int, values: Mapping[str, float | str]) -> None:
        if self._board is not None:
            for name, value in values.items():
                if not isinstance(value, str) and not math.isnan(value):
                    self._board.add_scalar(f"{group}/{name}", value, step)

    def close(self) -> None:
        """Write what is still held back."""
        if self._board is not None:
            self._board.close()
