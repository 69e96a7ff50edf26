"""The robot user: where the published evaluations click next.

All of them place the click "at the center of the largest error region between the previous
prediction and the ground truth mask" (FocalClick Sec. 4.1). What that comes to in their code:

* the Euclidean distance transform of the missed object (false negatives) and of the wrongly
  marked background (false positives), each padded by one pixel of "no error", so that the image's
  border counts as the region's border;
* pixels clicked before are set to zero distance, ignored pixels belong to neither map;
* the click goes to the first maximum in row-major order, positive when the missed object is
  farther from its border than the wrongly marked background, **negative when they tie**.

The published codes differ in what they do when nothing is left to click; that is a strategy here.
They compute distances in float64 (FCA-Net, FocusCut) or float32 (RITM, FocalClick), where equal
depths may differ in their last digit from call to call; here depths are compared exactly.
FCA-Net's text says that the first point "will undoubtedly be a positive point" (Sec. 4.1): from
scratch that follows from the rule, and its code has nothing more.

Other users are in :mod:`iseg_widget.evaluation.noisy_robot` and
:mod:`iseg_widget.evaluation.replay_robot`; all are :class:`Robot`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from iseg_widget.clicks import Click
from iseg_widget.evaluation.error_depth import deepest

Mask = NDArray[np.bool_]


@runtime_checkable
class Robot(Protocol):
    """A simulated user, asked for one click after the other.

    A robot keeps nothing between clicks and between objects, and can be pickled: objects may be
    evaluated in any order and in any process. One that draws at random takes its numbers from its
    seed, the sample's name and the count of earlier clicks, so that a click depends on nothing
    else.
    """

    @property
    def name(self) -> str:
        """What kind of user it is, in a word."""

    @property
    def description(self) -> str:
        """Name and parameters in a line; robots that may click differently differ here.

        It is what a run is filed under, and what tells two runs apart. :func:`find_robot` makes
        the robot from it again, unless the robot holds data.
        """

    def next_click(
        self,
        prediction: Mask,
        truth: Mask,
        clicks: Sequence[Click] = (),
        ignore: Mask | None = None,
        *,
        sample: str = "",
    ) -> Click | None:
        """Return the next click.

        Parameters
        ----------
        prediction, truth: ``(H, W)`` bool.
        clicks: earlier clicks on this object.
        ignore: ``(H, W)`` bool, pixels that are no error whatever is predicted there.
        sample: the sample's name.

        Returns
        -------
        The click, or ``None`` when the user has no further one: the object ends there.

        Raises
        ------
        ValueError: the masks differ in shape, or an earlier click lies outside.
        """


@dataclass(frozen=True, slots=True)
class PublishedRobot:
    """The robot user of a published evaluation.

    Attributes
    ----------
    name: key in :data:`ROBOTS`.
    restart: what happens when no error is left to click: click as if nothing had been predicted
        (True), or return a negative click at (0, 0) (False).
    """

    name: str
    restart: bool

    @property
    def description(self) -> str:
        """The name."""
        return self.name

    def next_click(
        self,
        prediction: Mask,
        truth: Mask,
        clicks: Sequence[Click] = (),
        ignore: Mask | None = None,
        *,
        sample: str = "",
    ) -> Click:
        """Return the next click, see :meth:`Robot.next_click`; there always is one."""
        del sample
        missed, wrong = errors(prediction, truth, ignore)
        clicked = check_clicks(clicks, prediction.shape)
        found = deepest((missed, wrong), clicked)
        if found is not None:
            return Click(found.column, found.row, positive=found.error == 0)
        if self.restart:
            return ROBOTS["fcanet"].next_click(np.zeros_like(truth), truth, (), ignore)
        return Click(0, 0, positive=False)


ROBOTS: dict[str, PublishedRobot] = {
    robot.name: robot
    for robot in (
        PublishedRobot("ritm", restart=False),
        PublishedRobot("fcanet", restart=False),
        PublishedRobot("focuscut", restart=True),
    )
}
"""``"ritm"`` (RITM and FocalClick), ``"fcanet"``, ``"focuscut"``: after the code they come from."""


def find_robot(robot: str | Robot) -> Robot:
    """Return a robot by name or description; a robot is returned as it is.

    Raises
    ------
    ValueError: no robot is called like that; the message names the accepted ones.
    TypeError: neither a name nor a robot.
    """
    if not isinstance(robot, str):
        if not isinstance(robot, Robot):
            raise TypeError(f"robot must be a name or a Robot, got {type(robot).__name__}")
        return robot
    if robot in ROBOTS:
        return ROBOTS[robot]
    from iseg_widget.evaluation.noisy_robot import NoisyRobot

    if robot.partition(":")[0] == NoisyRobot.name:
        return NoisyRobot.parse(robot)
    accepted = ", ".join([*ROBOTS, f"{NoisyRobot.name}:FIELD=VALUE,…"])
    raise ValueError(f"unknown robot {robot!r}; accepted are {accepted}")


def errors(prediction: Mask, truth: Mask, ignore: Mask | None = None) -> tuple[Mask, Mask]:
    """Return the missed object and the wrongly marked background, both ``(H, W)`` bool.

    Raises
    ------
    ValueError: the masks differ in shape.
    """
    for name, array in (("truth", truth), ("ignore", ignore)):
        if array is not None and array.shape != prediction.shape:
            raise ValueError(
                f"{name} has shape {array.shape}, the prediction has {prediction.shape}"
            )
    missed = truth & ~prediction
    wrong = prediction & ~truth
    if ignore is not None:
        missed &= ~ignore
        wrong &= ~ignore
    return missed, wrong


def check_clicks(clicks: Sequence[Click], shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the clicked pixels (row, column); ``ValueError`` when one lies outside ``shape``."""
    height, width = shape
    clicked = [click.pixel for click in clicks]
    for click, (row, column) in zip(clicks, clicked, strict=True):
        if not (0 <= row < height and 0 <= column < width):
            raise ValueError(f"{click} lies outside the {width} x {height} pixels of the masks")
    return clicked


def next_click(
    prediction: Mask,
    truth: Mask,
    previous_clicks: Sequence[Click] = (),
    ignore: Mask | None = None,
    *,
    robot: str = "ritm",
) -> Click:
    """Return the click that a published robot user gives next.

    Parameters
    ----------
    prediction, truth: ``(H, W)`` bool.
    previous_clicks: earlier clicks; their pixels are not clicked again.
    ignore: ``(H, W)`` bool, pixels that are no error whatever is predicted there.
    robot: key of :data:`ROBOTS`.

    Returns
    -------
    Click at the centre of a pixel. When no error is left: a negative click at (0, 0), or for
    ``"focuscut"`` the first click of the object.

    Raises
    ------
    ValueError: the masks differ in shape, a previous click lies outside, or the robot is unknown.
    """
    if robot not in ROBOTS:
        raise ValueError(f"unknown robot {robot!r}; accepted are {', '.join(ROBOTS)}")
    return ROBOTS[robot].next_click(prediction, truth, previous_clicks, ignore)
