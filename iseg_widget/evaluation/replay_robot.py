"""A robot user that repeats clicks that were given before: a person's, or another run's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.evaluation.records import Record

Mask = NDArray[np.bool_]
Size = tuple[int, int]


@dataclass(frozen=True)
class ReplayRobot:
    """Gives the clicks of a log for each sample, one after the other, whatever is predicted.

    An object ends with its last logged click. Its measures are then counted as those of any
    object that was done early: it keeps its last IoU, and counts as a failure with ``max_clicks``
    clicks for every target that it has not reached (:func:`iseg_widget.evaluation.metrics.noc`).

    Clicks that came together in the log are given one by one. Whether the sample has the initial
    mask that the log began with is not checked: the evaluation takes the sample's.

    Attributes
    ----------
    clicks: by sample name, at least one click each.
    sizes: by sample name, the image's ``(H, W)`` where it is known.

    Raises
    ------
    ValueError: a sample has no click.
    """

    clicks: Mapping[str, Sequence[Click]]
    sizes: Mapping[str, Size] = field(default_factory=dict)

    name: ClassVar[str] = "replay"

    def __post_init__(self) -> None:
        """Check and keep the clicks."""
        kept = {sample: tuple(clicks) for sample, clicks in self.clicks.items()}
        for sample, clicks in kept.items():
            if not clicks:
                raise ValueError(f"the log of {sample!r} holds no click")
        object.__setattr__(self, "clicks", kept)
        object.__setattr__(self, "sizes", dict(self.sizes))

    @classmethod
    def from_logs(
        cls, logs: Mapping[str, Mapping[str, Any]], *, skip_edits: bool = False
    ) -> ReplayRobot:
        """Take the logs of sessions.

        Parameters
        ----------
        logs: what :meth:`iseg_widget.Session.log` returned, by sample name.
        skip_edits: leave manual edits out. The clicks after one answered a mask that the replay
            then does not have.

        Raises
        ------
        ValueError: a log lacks parts, holds no click, or holds a manual edit.
        """
        clicks, sizes = {}, {}
        for sample, log in logs.items():
            try:
                clicks[sample] = _clicks_of(log, skip_edits)
                sizes[sample] = (int(log["image"]["height"]), int(log["image"]["width"]))
            except (ValueError, KeyError, TypeError) as error:
                reason = f"it lacks {error}" if isinstance(error, KeyError) else error
                raise ValueError(f"the log of {sample!r} cannot be replayed: {reason}") from error
        return cls(clicks, sizes)

    @classmethod
    def from_records(cls, records: Iterable[Record]) -> ReplayRobot:
        """Take the clicks of an earlier evaluation, e.g. ``report.valid``, for another method."""
        return cls({record.name: record.clicks for record in records})

    @property
    def description(self) -> str:
        """``"replay:logs=…"`` with a fingerprint of all clicks."""
        data = {
            sample: [[click.x, click.y, click.positive] for click in clicks]
            for sample, clicks in self.clicks.items()
        }
        digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
        return f"{self.name}:logs={digest[:16]}"

    def next_click(
        self,
        prediction: Mask,
        truth: Mask,
        clicks: Sequence[Click] = (),
        ignore: Mask | None = None,
        *,
        sample: str = "",
    ) -> Click | None:
        """Return the sample's next logged click, ``None`` after the last.

        Raises
        ------
        ValueError: there is no log for the sample, or its image had another size.
        """
        del truth, ignore
        if sample not in self.clicks:
            raise ValueError(f"there is no log for {sample!r} among {len(self.clicks)}")
        size = self.sizes.get(sample, prediction.shape)
        if size != prediction.shape:
            raise ValueError(
                f"the log of {sample!r} belongs to an image of {size[1]} x {size[0]} pixels, "
                f"the sample has {prediction.shape[1]} x {prediction.shape[0]}"
            )
        logged = self.clicks[sample]
        return logged[len(clicks)] if len(clicks) < len(logged) else None


def _clicks_of(log: Mapping[str, Any], skip_edits: bool) -> tuple[Click, ...]:
    from iseg_widget.actions import check_log_version

    check_log_version(log)
    clicks: list[Click] = []
    for action in log["actions"]:
        if "clicks" in action:
            clicks += [Click.from_dict(click) for click in action["clicks"]]
        elif "edit" not in action and "threshold" not in action:
            raise ValueError(f"an action holds 'clicks' or 'edit', got {sorted(action)}")
        elif not skip_edits:
            raise ValueError(
                "it holds a manual edit, which is no click (nor is another threshold); "
                "leave edits out with skip_edits=True"
            )
    return tuple(clicks)
