"""The training pool: random objects of a source of images and masks.

What an object is depends on the kind of a mask:

``object``     1 is the object, 255 is ignored;
``instances``  every id is an object, 255 is ignored;
``parts``      ids are classes of parts, all of them together the object;
``regions``    every id is a valid target, there is no background.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.datasets.base import Sample
from iseg_widget.training.sources import Entry, decode, open_source

IGNORED = 255
SMALLEST_OBJECT = 150
SMALLEST_FRACTION = 0.003
WHOLE_PERSON = 0.6
UNION = 0.12
ATTEMPTS = 6
DRAWS = 1000


@dataclass(frozen=True)
class Target:
    """An image ``(H, W, 3)`` uint8, its object ``(H, W)`` bool and its valid pixels."""

    image: NDArray[np.uint8]
    truth: NDArray[np.bool_]
    valid: NDArray[np.bool_]


def _ids(mask: NDArray[np.uint8]) -> tuple[list[int], NDArray[np.float64]]:
    """Ids of usable objects and their probabilities, in proportion to their side length."""
    counts = np.bincount(mask.ravel(), minlength=256)
    smallest = max(SMALLEST_OBJECT, SMALLEST_FRACTION * mask.size)
    ids = [i for i in range(1, IGNORED) if counts[i] >= smallest]
    weights = np.sqrt(counts[ids].astype(np.float64))
    return ids, weights / max(1.0, weights.sum())


def choose_target(
    mask: NDArray[np.uint8], kind: str, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Pick one object of a mask by the rules of its kind; ``None`` when there is none."""
    valid = mask != IGNORED
    if kind == "object" or (kind == "parts" and rng.random() < WHOLE_PERSON):
        truth = (mask > 0) & valid
        return (truth, valid) if truth.sum() >= SMALLEST_OBJECT else None
    ids, probabilities = _ids(mask)
    if not ids:
        return None
    chosen = ids[int(rng.choice(len(ids), p=probabilities))]
    truth = mask == chosen
    if len(ids) > 1 and rng.random() < UNION:
        grown = cv2.dilate(truth.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        touching = [i for i in ids if i != chosen and bool((grown & (mask == i)).any())]
        if touching:
            truth = truth | (mask == touching[int(rng.integers(len(touching)))])
    return truth, valid


class Pool:
    """Random targets of a training pool; decoded images stay in memory.

    Parameters
    ----------
    root: folder of the source, see :func:`iseg_widget.training.sources.open_source`.
    sets: sampling weight of each data set, times the square root of its number of images.
    development: this many images are held out, the same ones in every run.
    """

    def __init__(self, root: Path, sets: Mapping[str, float], development: int) -> None:
        self.root = root
        self.source = open_source(root)
        entries = sorted(self.source.entries, key=lambda entry: entry.key)
        unknown = set(sets) - {entry.set for entry in entries}
        if unknown:
            raise ValueError(f"the recipe names data sets that {root} lacks: {sorted(unknown)}")
        self.held_out = tuple(entries[:development])
        self._groups: list[list[Entry]] = []
        weights = []
        for name, weight in sets.items():
            group = [entry for entry in entries[development:] if entry.set == name]
            if group:
                self._groups.append(group)
                weights.append(weight * len(group) ** 0.5)
        if not self._groups:
            raise ValueError(f"holding out {development} images leaves none of {root} to train on")
        self._weights = np.asarray(weights) / np.sum(weights)
        self._read = lru_cache(maxsize=None)(self._decode)

    def _decode(self, entry: Entry) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return decode(self.source.files(entry), f"{entry.set}/{entry.stem} in {self.root}")

    def draw(self, rng: np.random.Generator) -> Target:
        """Return a random object; ``ValueError`` when the pool seems to hold none."""
        for _ in range(DRAWS):
            group = self._groups[int(rng.choice(len(self._groups), p=self._weights))]
            entry = group[int(rng.integers(len(group)))]
            image, mask = self._read(entry)
            chosen = choose_target(mask, entry.kind, rng)
            if chosen is not None:
                return Target(image, *chosen)
        raise ValueError(
            f"{DRAWS} draws from {self.root} gave no object of at least {SMALLEST_OBJECT} pixels"
        )

    def fixed(self, count: int, seed: int) -> Pool:
        """Return a pool that draws ``count`` fixed objects only, to prove a loop by overfitting."""
        rng = np.random.default_rng(seed)
        return _FixedPool(self, [self.draw(rng) for _ in range(count)])

    def development(self, seed: int = 0) -> Iterator[Sample]:
        """Yield one object of every held-out image, always the same one."""
        for entry in self.held_out:
            image, mask = self._decode(entry)
            rng = np.random.default_rng([seed, entry.key])
            for _ in range(ATTEMPTS):
                chosen = choose_target(mask, entry.kind, rng)
                if chosen is not None:
                    yield Sample(f"{entry.set}/{entry.stem}", image, chosen[0], ~chosen[1])
                    break


class _FixedPool(Pool):
    def __init__(self, pool: Pool, targets: list[Target]) -> None:
        self.root, self.held_out, self._targets = pool.root, pool.held_out, targets

    def draw(self, rng: np.random.Generator) -> Target:
        return self._targets[int(rng.integers(len(self._targets)))]
