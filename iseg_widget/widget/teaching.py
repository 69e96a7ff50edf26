"""What is done for the panels of views, options and replay, and the same from Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iseg_widget.methods.registry import build_options
from iseg_widget.widget import ablation
from iseg_widget.widget.acting import Acting
from iseg_widget.widget.actions import Ask, UseMethod, route
from iseg_widget.widget.explaining import MIME, Explainer
from iseg_widget.widget.messages.ablation import (
    AskDifference,
    AskOptions,
    CheckOptions,
    DifferenceReply,
    OptionsChecked,
    OptionsFormReply,
)
from iseg_widget.widget.messages.explain import Explain, ExplanationReply
from iseg_widget.widget.messages.replay import AskStepMask, StepMask
from iseg_widget.widget.replaying import beginning, frame

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from iseg_widget.widget.desk import Desk


class TeachingActions(Acting):
    """Pictures of the present state."""

    def figure(self, **keywords: Any) -> Figure:
        """Lay out the active object's latest step for a paper or a lecture.

        What the method looked at is found by answering the step once more.

        Parameters
        ----------
        keywords: of :func:`iseg_widget.explanation.figure`: ``title``, ``columns``, ``width``, …

        Raises
        ------
        ValueError: nothing was clicked yet.
        ImportError: matplotlib is missing.
        """
        from iseg_widget.explanation import figure

        self._wait()
        session = self._desk.session
        if session is None:
            raise ValueError("there is no step to show yet: nothing was clicked")
        return figure(session, **keywords)


@route(Explain)
def _explain(request: Explain) -> object:
    def answer(desk: Desk, name: str) -> ExplanationReply:
        session = desk.replayed_session()
        if session is None or session.step is None:
            return ExplanationReply(
                id=name, index=0, count=0, mime=MIME, panels=(), omitted=0, pictures=()
            )
        index = request.index
        if index is not None and index >= len(session.steps) and request.rev < desk.rev:
            index = None  # somebody went first and took that step back
        found = desk.aid(Explainer).explain(session, index, desk.pause)
        return ExplanationReply(
            id=name,
            index=found.index,
            count=found.count,
            mime=MIME,
            panels=found.panels,
            omitted=found.omitted,
            pictures=found.pictures,
        )

    return Ask(answer, title="The step could not be explained", patient=True)


@route(AskStepMask)
def _step_mask(request: AskStepMask) -> object:
    def answer(desk: Desk, name: str) -> StepMask:
        session = desk.replayed_session()
        index = request.index
        if session is not None and index > len(session.steps) and request.rev < desk.rev:
            index = len(session.steps)  # somebody went first and took that step back
        found = beginning(desk.mask) if session is None else frame(session, index)
        return StepMask(
            id=name,
            index=found.index,
            count=found.count,
            clicks=found.clicks,
            new=found.new,
            what=found.what,
            grid=found.overlay.grid,
            area=found.area,
            iou=found.iou,
            seconds=found.seconds,
            views=found.views,
            data=found.overlay.data,
        )

    return Ask(answer, title="The step could not be replayed", patient=True)


def _present(desk: Desk) -> tuple[str, Any]:
    """Name and options of the method that answers, or will once it is loaded."""
    method: Any = desk.answering or desk.given.method
    if isinstance(method, str):
        return method, build_options(method, desk.given.options)
    return method.name, method.options


@route(AskOptions)
def _options(_: AskOptions) -> object:
    def answer(desk: Desk, request_id: str) -> OptionsFormReply:
        name, options = _present(desk)
        form = ablation.options_form(name, options, desk.weights_of(name))
        return OptionsFormReply(
            id=request_id,
            method=form.method,
            title=form.title,
            fields=form.fields,
            values=form.values,
            code=form.code,
        )

    return Ask(answer, title="The options could not be listed")


@route(CheckOptions)
def _check(request: CheckOptions) -> object:
    def answer(desk: Desk, name: str) -> OptionsChecked:
        session = desk.session
        if session is not None:
            desk.aid(ablation.Replays).remember(session)
        return OptionsChecked(id=name, problems=ablation.check(request.method, request.values))

    return Ask(answer, title="The options could not be checked")


@route(AskDifference)
def _difference(request: AskDifference) -> object:
    def answer(desk: Desk, name: str) -> DifferenceReply:
        session = desk.replayed_session()
        if session is None:
            raise ValueError("there is nothing to compare: nothing was clicked yet")
        other = desk.build(UseMethod(request.method, request.values))
        before = desk.aid(ablation.Replays).mask(session, other, desk.pause)
        found = ablation.difference(before, session.mask, session.truth, session.ignore)
        packed = ablation.pack(found)
        added, removed = found.counts
        return DifferenceReply(
            id=name,
            grid=packed.grid,
            box=packed.box,
            added=added,
            removed=removed,
            iou=found.iou,
            truth_before=found.truth_before,
            truth_after=found.truth_after,
            parts=(packed.added, packed.removed) if added or removed else (),
        )

    return Ask(answer, title="The options could not be compared", patient=True)
