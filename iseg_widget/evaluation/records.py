"""What a run leaves behind: a record per object, and what the run was."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import iseg_widget
from iseg_widget.clicks import Click
from iseg_widget.provenance import versions

FORMAT = 1
"""Version of the JSON form of records and reports."""

LATER = frozenset({"changed", "dataset_description", "versions"})
"""Keys that older files of this format lack."""

INFORMATION = LATER | {"version"}
"""What a run says of itself that makes no other run of it."""


@dataclass(frozen=True)
class Record:
    """One object: the robot's clicks and what came of each.

    Attributes
    ----------
    name: the sample's name.
    clicks, ious, seconds: per click, in order; the IoU is that after the click, the seconds are
        what the method took.
    initial_iou: IoU before the first click (0 from scratch).
    start_seconds: time the method took for the image before the first click.
    scores: further measures per click, by name (``"biou"``, ``"assd"``).
    error: why the object could not be finished; ``None`` when it was. The measures of a report
        leave such an object out.
    """

    name: str
    clicks: tuple[Click, ...] = ()
    ious: tuple[float, ...] = ()
    seconds: tuple[float, ...] = ()
    initial_iou: float = 0.0
    start_seconds: float = 0.0
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as it goes to JSON."""
        return {
            "name": self.name,
            "clicks": [click.to_dict() for click in self.clicks],
            "ious": list(self.ious),
            "seconds": list(self.seconds),
            "initial_iou": self.initial_iou,
            "start_seconds": self.start_seconds,
            "scores": {name: list(values) for name, values in self.scores.items()},
            "error": self.error,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """Read what :meth:`to_dict` wrote; ``ValueError`` when keys are missing or unknown."""
        values = _checked(cls, data)
        values["clicks"] = tuple(Click.from_dict(click) for click in data["clicks"])
        values["ious"] = tuple(data["ious"])
        values["seconds"] = tuple(data["seconds"])
        values["scores"] = {name: tuple(found) for name, found in data["scores"].items()}
        return cls(**values)


@dataclass(frozen=True)
class RunInfo:
    """What was run; two runs may be continued as one when :meth:`differences` finds none.

    Attributes
    ----------
    method, options: the method's name and its options by field.
    weights: fingerprint of the network's weights; ``None`` for a method without.
    dataset, samples, sample_names: the dataset's name, length, and fingerprint of its names.
    dataset_description: what it said of itself, such as how this copy of it was made.
    max_clicks, stop_iou, metrics: see :func:`iseg_widget.evaluate`.
    robot: the robot's description.
    changed: names of the options that are not at their defaults; part of ``options``.
    version: of this package; for information only, like ``versions`` of what it builds on.
    """

    method: str
    options: Mapping[str, Any]
    weights: str | None
    dataset: str
    samples: int
    sample_names: str
    max_clicks: int
    stop_iou: float | None
    robot: str
    metrics: tuple[str, ...]
    changed: tuple[str, ...] = ()
    dataset_description: str = ""
    version: str = field(default_factory=lambda: iseg_widget.__version__)
    versions: Mapping[str, str] = field(default_factory=versions)

    def to_dict(self) -> dict[str, Any]:
        """Return the description as it goes to JSON."""
        data = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        lists = {"metrics": list(self.metrics), "changed": list(self.changed)}
        return {**data, "options": dict(self.options), "versions": dict(self.versions), **lists}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunInfo:
        """Read what :meth:`to_dict` wrote; ``ValueError`` when keys are missing or unknown."""
        values = _checked(cls, data)
        lists = {name: tuple(data.get(name, ())) for name in ("metrics", "changed")}
        return cls(**{"versions": {}, **values, **lists})

    @property
    def changed_options(self) -> dict[str, Any]:
        """The options that are not at their defaults, such as a size chosen for a dataset."""
        return {name: self.options[name] for name in self.changed}

    def differences(self, other: RunInfo) -> list[str]:
        """Name what differs, each as ``field: mine, not theirs``.

        Versions do not matter, nor which options are at their defaults, nor words.
        """
        mine, theirs = self.to_dict(), other.to_dict()
        return [
            f"{name}: {mine[name]!r}, not {theirs[name]!r}"
            for name in mine
            if name not in INFORMATION and mine[name] != theirs[name]
        ]


def _checked(cls: type[Record | RunInfo], data: Mapping[str, Any]) -> dict[str, Any]:
    expected = {field.name for field in dataclasses.fields(cls)}
    missing = expected - set(data) - LATER
    if missing or not set(data) <= expected:
        raise ValueError(
            f"a {cls.__name__} has the keys {sorted(expected)}; missing "
            f"{sorted(missing)}, unknown {sorted(set(data) - expected)}"
        )
    return dict(data)
