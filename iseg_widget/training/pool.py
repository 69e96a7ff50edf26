"""The training pool: random objects of sources of images and masks.

What an object is depends on the kind of a mask:

``object``     1 is the object, 255 is ignored;
``instances``  every id is an object, 255 is ignored;
``parts``      ids are classes of parts, all of them together the object;
``regions``    every id is a valid target, there is no background;
``groups``     objects that may overlap: every one is a group of ids, 255 is ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from iseg_widget.datasets.base import Sample
from iseg_widget.training.augmentation import Augmentation, Target, cover, paste
from iseg_widget.training.sources import Data, Entry, decode, open_sources

IGNORED = 255
SMALLEST_OBJECT = 150
SMALLEST_FRACTION = 0.003
ATTEMPTS = 6
DRAWS = 1000
MEMORY = 3 * 1024**3
"""Bytes of decoded images that are kept; those that come later are decoded every time."""

Groups = Sequence[tuple[int, ...]]

PLAIN = Augmentation()


@dataclass(frozen=True)
class _Decoded:
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    objects: Groups

    @property
    def size(self) -> int:
        return self.image.nbytes + self.mask.nbytes


def _objects(mask: NDArray[np.uint8], groups: Groups) -> tuple[list[tuple[int, ...]], list[float]]:
    """Usable objects, each by its ids, and their probabilities, in proportion to their length."""
    counts = np.bincount(mask.ravel(), minlength=256)
    smallest = max(SMALLEST_OBJECT, SMALLEST_FRACTION * mask.size)
    given = groups or [(int(index),) for index in np.flatnonzero(counts[1:IGNORED]) + 1]
    areas = {ids: int(sum(counts[index] for index in ids)) for ids in given}
    usable = [ids for ids in given if areas[ids] >= smallest]
    weights = np.sqrt(np.array([areas[ids] for ids in usable], np.float64))
    return usable, list(weights / max(1.0, weights.sum()))


def choose_target(
    mask: NDArray[np.uint8],
    kind: str,
    rng: np.random.Generator,
    groups: Groups = (),
    how: Augmentation = PLAIN,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Pick one object of a mask by the rules of its kind; ``None`` when there is none.

    ``groups`` are the ids of each object of the kind ``groups``; ``how`` says how often objects
    are merged, and parts stand alone. Returns the object and the valid pixels, ``(H, W)`` bool.
    """
    valid = mask != IGNORED
    if kind == "object" or (kind == "parts" and rng.random() < 1.0 - how.part):
        truth = (mask > 0) & valid
        return (truth, valid) if truth.sum() >= SMALLEST_OBJECT else None
    objects, probabilities = _objects(mask, groups if kind == "groups" else ())
    if not objects or (kind == "groups" and not groups):
        return None
    index = int(rng.choice(len(objects), p=probabilities))
    truth = np.isin(mask, objects[index])
    others = [ids for place, ids in enumerate(objects) if place != index]
    if others and rng.random() < how.merge:
        grown = cv2.dilate(truth.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        touching = [ids for ids in others if bool((grown & np.isin(mask, ids)).any())]
        if touching:
            truth = truth | np.isin(mask, touching[int(rng.integers(len(touching)))])
    elif others and how.merge_apart and rng.random() < how.merge_apart:
        truth = truth | np.isin(mask, others[int(rng.integers(len(others)))])
    return truth, valid


def other_objects(
    mask: NDArray[np.uint8], kind: str, truth: NDArray[np.bool_], valid: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """Pixels ``(H, W)`` of a mask's other objects; ``None`` for the kind that names one alone.

    Other parts and regions, and objects too small to be drawn, are among them.
    """
    return None if kind == "object" else (mask > 0) & valid & ~truth


class Pool:
    """Random targets of a training pool; decoded images stay in memory as far as it reaches.

    Parameters
    ----------
    data: where images and masks are, see :func:`iseg_widget.training.sources.open_sources`.
    sets: sampling weight of each data set, times the square root of its number of images.
    development: this many images are held out, the same ones in every run.
    augmentation: what is done to the objects that are drawn.
    """

    def __init__(
        self,
        data: Data,
        sets: Mapping[str, float],
        development: int,
        augmentation: Augmentation = PLAIN,
    ) -> None:
        self.source = open_sources(data)
        self.augmentation = augmentation
        self.origin = self.source.origin
        entries = sorted(self.source.entries, key=lambda entry: entry.key)
        there = {entry.set for entry in entries}
        unknown = set(sets) - there
        if unknown:
            raise ValueError(
                f"the recipe names data sets that {self.origin} lacks: {sorted(unknown)}; "
                f"there are {sorted(there)}"
            )
        self.held_out = tuple(entries[:development])
        self._groups: list[list[Entry]] = []
        weights = []
        for name, weight in sets.items():
            group = [entry for entry in entries[development:] if entry.set == name]
            if group:
                self._groups.append(group)
                weights.append(weight * len(group) ** 0.5)
        if not self._groups:
            raise ValueError(
                f"holding out {development} images leaves none of {self.origin} to train on"
            )
        self._weights = np.asarray(weights) / np.sum(weights)
        self._kept: dict[Entry, _Decoded] = {}
        self._room = MEMORY

    def _decode(self, entry: Entry) -> _Decoded:
        files = self.source.files(entry)
        image, mask = decode(files, f"{entry.set}/{entry.stem} in {self.origin}")
        return _Decoded(image, mask, files.objects)

    def _read(self, entry: Entry) -> _Decoded:
        kept = self._kept.get(entry)
        if kept is None:
            kept = self._decode(entry)
            # Entries are drawn evenly: keeping the first ones is as good as the latest.
            if kept.size <= self._room:
                self._room -= kept.size
                self._kept[entry] = kept
        return kept

    def draw(self, rng: np.random.Generator) -> Target:
        """Return a random object; ``ValueError`` when the pool seems to hold none."""
        target, kind = self._draw(rng)
        how = self.augmentation
        if how.paste + how.cover == 0.0:
            return target
        chance = rng.random()
        if chance >= how.paste + how.cover:
            return target
        other, other_kind = self._draw(rng)
        # A region of a picture is no thing that could stand elsewhere.
        if chance < how.paste:
            return target if kind == "regions" else paste(target, other, rng)
        return target if other_kind == "regions" else cover(target, other, rng)

    def _draw(self, rng: np.random.Generator) -> tuple[Target, str]:
        for _ in range(DRAWS):
            group = self._groups[int(rng.choice(len(self._groups), p=self._weights))]
            entry = group[int(rng.integers(len(group)))]
            found = self._read(entry)
            chosen = choose_target(found.mask, entry.kind, rng, found.objects, self.augmentation)
            if chosen is not None:
                others = other_objects(found.mask, entry.kind, *chosen)
                return Target(found.image, *chosen, others), entry.kind
        raise ValueError(
            f"{DRAWS} draws from {self.origin} gave no object of at least {SMALLEST_OBJECT} pixels"
        )

    def fixed(self, count: int, seed: int) -> Pool:
        """Return a pool that draws ``count`` fixed objects only, to prove a loop by overfitting."""
        rng = np.random.default_rng(seed)
        return _FixedPool(self, [self.draw(rng) for _ in range(count)])

    def development(self, seed: int = 0) -> Iterator[Sample]:
        """Yield one object of every held-out image, always the same one."""
        for entry in self.held_out:
            found = self._decode(entry)
            rng = np.random.default_rng([seed, entry.key])
            for _ in range(ATTEMPTS):
                chosen = choose_target(found.mask, entry.kind, rng, found.objects)
                if chosen is not None:
                    name = f"{entry.set}/{entry.stem}"
                    yield Sample(name, found.image, chosen[0], ~chosen[1])
                    break


class _FixedPool(Pool):
    def __init__(self, pool: Pool, targets: list[Target]) -> None:
        self.source, self.origin, self.held_out = pool.source, pool.origin, pool.held_out
        self._targets = targets

    def draw(self, rng: np.random.Generator) -> Target:
        return self._targets[int(rng.integers(len(self._targets)))]
