"""An annotation: many labelled objects on one image, how they overlap, and their common history."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import ArrayLike

from iseg_widget.annotation import file
from iseg_widget.annotation.history import History
from iseg_widget.annotation.objects import ObjectBoard
from iseg_widget.annotation.state import ObjectState, placed
from iseg_widget.clicks import Click
from iseg_widget.export import LabelledImage, class_names, write_file
from iseg_widget.export.labelled import DEFAULT_LABEL
from iseg_widget.masks import as_mask
from iseg_widget.protocol import Method, Step
from iseg_widget.regions import Region
from iseg_widget.session import Session, replay

_T = TypeVar("_T")


class Annotation(ObjectBoard):
    """Many objects with labels on one image.

    Objects have ids, which are never reused, and lie in drawing order: later ones on top. Each has
    a :class:`iseg_widget.session.Session`, made when first needed. All commands, on whichever
    object, form one history. Locked objects keep their mask, label, name, colour and history until
    they are unlocked; what would change them raises ``ValueError``.

    The overlap rule:

    * ``"allow"``: masks may overlap. ``mask_of(id)`` is what was drawn, and so is what is exported.
    * ``"top"``: ``mask_of(id)`` is what was drawn; what is exported is what no later object covers,
      as in :meth:`flat`. So a change of order brings hidden pixels back.
    * ``"exclusive"``: no pixel has two owners. Whatever changes an object's mask takes the pixels
      it covers out of ``mask_of(other)`` of every unlocked object, above or below, hidden or not;
      pixels of locked objects stay out of ``mask_of(id)``.

    Under every rule the later object wins in :meth:`flat`. An annotation is not thread-safe.

    Parameters
    ----------
    image: path, PIL image, or array (see :mod:`iseg_widget.images`); kept once for all objects.
    method: answers clicks on objects that have no method of their own; without one, objects can
        only be drawn.
    labels: class labels, or a mapping of labels to colours ``"#rrggbb"``. Colours not given are
        those of a palette for people with colour-blindness, in order; they repeat after seven.
    rule: the overlap rule.
    file_name: the image's; default: that of the path, if one was given.
    sha256: of the image's pixels (:func:`iseg_widget.annotation.file.image_sha256`), if known.

    Raises
    ------
    ValueError, TypeError: unreadable image, or labels or rule that are none.
    """

    # What is done to one object's mask

    def click(
        self, x: float, y: float, positive: bool = True, object_id: int | None = None
    ) -> Step:
        """Add a click on an object (default: the active one); see :meth:`Session.click`."""
        return self.click_many([Click(x, y, positive)], object_id)

    def click_many(self, clicks: Sequence[Click], object_id: int | None = None) -> Step:
        """Add clicks that arrived together, as one step."""
        return self.act(lambda session: session.click_many(clicks), object_id, "click")

    def act(
        self, do: Callable[[Session], _T], object_id: int | None = None, name: str = "change"
    ) -> _T:
        """Do something with an object's session, as the command ``name``.

        Parameters
        ----------
        do: called with the session, e.g. ``lambda session: session.move(0, 120, 80)``, or
            ``lambda session: session.accept(pending, answer)`` after ``session(id).prepare(…)``.
            If it raises, nothing has happened.
        object_id: default: the active object.

        Returns
        -------
        What ``do`` returned. The mask is the session's, as far as the overlap rule lets it. If the
        steps are the same as before, it was no command.

        Raises
        ------
        ValueError: no object is active, it is locked, or no method is there for it.
        """
        session = self._realised(self._unlocked(object_id)).copy()
        before = session.steps
        outcome = do(session)
        after = session.steps
        if len(before) != len(after) or any(a is not b for a, b in zip(before, after, strict=True)):
            state = self._unlocked(object_id)
            answered = session.region
            new = replace(state, session=session, region=answered)
            objects = placed(self._now.objects, new, answered, self.rule)
            self._history.commit(name, objects=objects)
        return outcome

    def edit(self, mask: ArrayLike | Region, object_id: int | None = None) -> None:
        """Give an object (default: the active one) a mask that the user drew.

        It needs no method: the session takes the mask as an edit when it is next asked. Of several
        edits in between it sees the last; each can be undone here.
        """
        state = self._unlocked(object_id)
        drawn = mask if isinstance(mask, Region) else Region.of(as_mask(mask, self.shape))
        self._reshape("edit", state, drawn)

    def reset(self, object_id: int | None = None) -> None:
        """Take an object (default: the active one) back to its beginning, without any click."""
        state = self._unlocked(object_id)
        if state.region == (state.initial or Region(self.shape)) and not state.logged:
            return
        begun = replace(state, session=None, saved=None, ahead=False)
        first = Region(self.shape) if state.initial is None else state.initial
        objects = placed(self._now.objects, begun, first, self.rule)
        kept = objects[self._now.index(state.id)]
        kept = replace(kept, ahead=kept.region != first)
        objects = tuple(kept if other.id == kept.id else other for other in objects)
        self._history.commit("reset", objects=objects)

    def use_method(self, method: Method, object_id: int | None = None) -> None:
        """Replay an object's history with another method, which answers its clicks from now on.

        Edits change the pixels that they changed under the former method; where that is not there
        any more (in a file of another computer's), they are taken whole. It is no command as long
        as there is nothing to replay.
        """
        state = self._unlocked(object_id)
        if not state.logged:
            new = replace(state, method=method, session=None, saved=None)
            objects = tuple(new if other is state else other for other in self._now.objects)
            self._history.amend(objects=objects)
            return
        session = self._replayed(state, method)
        answered = session.region
        new = replace(
            state, method=method, session=session, saved=None, region=answered, ahead=False
        )
        objects = placed(self._now.objects, new, answered, self.rule)
        self._history.commit("method", objects=objects)

    def judge(self, truth: ArrayLike | None, ignore: ArrayLike | None = None) -> None:
        """Compare the steps of the first object from now on with a ground truth ``(H, W)``.

        Its IoU leaves out ``ignore``. It is no command, and nothing without objects.
        """
        if truth is None or not self._now.objects:
            return
        state = min(self._now.objects, key=lambda one: one.id)
        new = replace(
            state,
            truth=as_mask(truth, self.shape, "truth"),
            ignore=None if ignore is None else as_mask(ignore, self.shape, "ignore"),
        )
        objects = tuple(new if other is state else other for other in self._now.objects)
        self._history.amend(objects=objects)

    def _replayed(self, state: ObjectState, method: Method) -> Session:
        if state.session is not None:
            return self._realised(state).with_method(method)
        log = state.log()
        return replay(method, self._image, log, truth=state.truth, ignore=state.ignore)

    # Files

    @property
    def unsaved(self) -> bool:
        """Whether there is something that :meth:`save` has not written, or that was not loaded."""
        return self._now.revision != self._saved_revision

    def save(self, path: str | os.PathLike[str], *, history: bool = False) -> Path:
        """Write the annotation as one JSON file; a crash leaves the old file or the new one.

        It holds the image's name, shape and SHA-256 of its pixels, labels, objects with their masks
        and the logs of their sessions, methods with options and a fingerprint of the weights, and
        versions. With ``history`` also the commands that can be undone and redone, as far as they
        are not too many (:mod:`iseg_widget.annotation.past`).
        """
        return self.saving(history=history)(path)

    def saving(self, *, history: bool = False) -> Callable[[str | os.PathLike[str]], Path]:
        """Return what :meth:`save` would do now, to be called later and on one thread at a time.

        It takes no time; what is changed meanwhile does not get into the file.
        """
        now, next_id = self._now, self._next_id
        done, undone = tuple(self._history.done), tuple(self._history.undone)

        def write(path: str | os.PathLike[str]) -> Path:
            about = self.file_name, self.shape, self._fingerprint(), now, next_id
            content = file.Stored(*about, done, undone)
            past = self._past if history else None
            written = write_file(path, file.to_bytes(content, self._describe, past))
            self._saved_revision = now.revision
            return written

        return write

    def on_change(self, callback: Callable[[], object] | None) -> None:
        """Have ``callback()`` called after every command, undo and redo; ``None`` ends that.

        It is called on the thread that made the change, and must not change the annotation. What
        it raises, the one who made the change gets.
        """
        self._history.changed = callback

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        image: object,
        methods: Method | Mapping[str, Method] | None = None,
        *,
        check: bool = True,
        labels: Mapping[str, str] | None = None,
        sha256: str | None = None,
    ) -> Annotation:
        """Read what :meth:`save` wrote; the masks are those that were saved.

        Parameters
        ----------
        path: of the file.
        image: the same image.
        methods: one, or by name; the first is that of new objects. Sessions are replayed by the
            method of the name in the log when they are first needed. Where its answer is not the
            saved mask (other weights or options), the session takes that as a last edit. Objects
            whose method is not there keep mask and log; clicking on them raises.
        check: compare the SHA-256 of the image's pixels with the file's.
        labels: with their colours, declared besides those of the file.
        sha256: see :class:`Annotation`.

        Raises
        ------
        ValueError: the file is missing, damaged or of another format, or belongs to another image.
        """
        stored = file.read(path)
        known = {methods.name: methods} if isinstance(methods, Method) else dict(methods or {})
        first = next(iter(known.values()), None)
        made = cls(image, first, file_name=stored.file_name, sha256=sha256)
        if made.shape != stored.shape:
            raise ValueError(
                f"{path} belongs to an image of shape {stored.shape} (H, W), got {made.shape}"
            )
        if check and made._fingerprint() != stored.sha256:
            raise ValueError(
                f"{path} belongs to an image with other pixels, {stored.file_name!r}; "
                "check=False takes this one all the same"
            )
        made._methods, made._next_id = known, stored.next_id
        made._history = History(stored.snapshot.declaring(labels or {}))
        made._history.done += stored.done
        made._history.undone += stored.undone
        return made

    def to_labelled(self, file_name: str | None = None) -> LabelledImage:
        """Return the objects as :mod:`iseg_widget.export` takes them, those on top last.

        Under the rule ``"top"`` each has the pixels that no later object covers, else its mask.
        ``file_name`` is the image's; default: :attr:`file_name`.
        """
        return file.labelled(self._now, self.shape, file_name or self.file_name)

    @classmethod
    def from_labelled(
        cls,
        image: object,
        labelled: LabelledImage,
        method: Method | None = None,
        *,
        labels: Sequence[str] | Mapping[str, str] | None = None,
        rule: str = "allow",
    ) -> Annotation:
        """Make an annotation of masks read by :mod:`iseg_widget.export`, which sessions begin with.

        Parameters
        ----------
        image: of the masks' shape.
        labelled: objects, those on top last.
        method: see :class:`Annotation`.
        labels: the class labels; default: those that occur.
        rule: with ``"exclusive"`` later objects take pixels from earlier ones.

        Raises
        ------
        ValueError: the image has another shape, or a label is not among those given.
        """
        found = class_names([labelled], None if labels is None else list(labels))
        given = (found or (DEFAULT_LABEL,)) if labels is None else labels
        made = cls(image, method, labels=given, file_name=labelled.file_name)
        if made.shape != labelled.shape:
            raise ValueError(
                f"the masks belong to an image of shape {labelled.shape} (H, W), got {made.shape}"
            )
        for item in labelled.objects:
            made.add_object(item.mask, item.label, name=item.name)
        made.set_rule(rule)
        made._history = History(replace(made._now, active=None))
        return made

    def _fingerprint(self) -> str:
        if self._sha256 is None:
            self._sha256 = file.image_sha256(self._image)
        return self._sha256

    def _describe(self, method: Method) -> dict[str, Any]:
        if id(method) not in self._described:
            self._described[id(method)] = (method, file.described(method))
        return self._described[id(method)][1]
