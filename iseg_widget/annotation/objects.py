"""Objects and labels of an annotation: adding, removing, ordering, naming, uniting, parting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from numpy.typing import ArrayLike

from iseg_widget.annotation.board import Board
from iseg_widget.annotation.state import (
    ObjectState,
    allowed,
    check_colour,
    check_label,
    check_rule,
    made_exclusive,
    next_colour,
    placed,
)
from iseg_widget.masks import as_mask
from iseg_widget.protocol import Method
from iseg_widget.regions import Region, union


class ObjectBoard(Board):
    """The commands on whole objects and on labels."""

    # Objects

    def add_object(
        self,
        mask: ArrayLike | None = None,
        label: str | None = None,
        *,
        name: str = "",
        colour: str | None = None,
        method: Method | None = None,
        truth: ArrayLike | None = None,
        ignore: ArrayLike | None = None,
    ) -> int:
        """Add an object on top and make it active.

        Parameters
        ----------
        mask: ``(H, W)`` existing mask that is to be corrected.
        label: a declared one; default: the first.
        name, colour: its own, if it is to have one.
        method: answers its clicks; default: the annotation's.
        truth, ignore: ground truth of it and the pixels that its IoU leaves out; not saved.

        Raises
        ------
        ValueError, TypeError: the label is not declared, or the mask or colour does not fit.
        """
        initial = None
        if mask is not None:
            # What locked objects keep was never this one's.
            drawn = Region.of(as_mask(mask, self.shape))
            initial = allowed(self._now.objects, drawn, self.rule)
        new = ObjectState(
            id=self._next_id,
            label=self._declared(self._now.labels[0][0] if label is None else label),
            region=Region(self.shape) if initial is None else initial,
            name=str(name),
            colour=None if colour is None else check_colour(colour),
            method=method,
            initial=initial,
            truth=None if truth is None else as_mask(truth, self.shape, "truth"),
            ignore=None if ignore is None else as_mask(ignore, self.shape, "ignore"),
        )
        objects = placed((*self._now.objects, new), new, new.region, self.rule)
        self._next_id += 1
        self._history.commit("add", objects=objects, active=new.id)
        return new.id

    def remove(self, object_id: int) -> None:
        """Remove an object."""
        gone = self._unlocked(object_id)
        objects = tuple(state for state in self._now.objects if state is not gone)
        active = None if self.active == gone.id else self.active
        self._history.commit("remove", objects=objects, active=active)

    def select(self, object_id: int | None) -> None:
        """Make an object active, or none; no command of the history."""
        self._history.amend(active=None if object_id is None else self._state(object_id).id)

    def move_to(self, object_id: int, position: int) -> None:
        """Move an object in the drawing order; position 0 is at the bottom.

        ``ValueError`` for a position that there is not.
        """
        state, last = self._state(object_id), len(self._now.objects) - 1
        if not 0 <= position <= last:
            raise ValueError(f"position must be from 0 to {last}, got {position}")
        objects = [other for other in self._now.objects if other is not state]
        objects.insert(position, state)
        if tuple(objects) != self._now.objects:
            self._history.commit("move", objects=tuple(objects))

    def rename(self, object_id: int, name: str) -> None:
        """Give an object a name of its own, or ``""``."""
        self._set("rename", self._unlocked(object_id), name=str(name))

    def relabel(self, object_id: int, label: str) -> None:
        """Give an object another declared label."""
        self._set("relabel", self._unlocked(object_id), label=self._declared(label))

    def recolour(self, object_id: int, colour: str | None) -> None:
        """Give an object a colour ``"#rrggbb"`` of its own, or (``None``) that of its label."""
        checked = None if colour is None else check_colour(colour)
        self._set("recolour", self._unlocked(object_id), colour=checked)

    def show(self, object_id: int, visible: bool = True) -> None:
        """Show or hide an object."""
        self._set("show" if visible else "hide", self._state(object_id), visible=bool(visible))

    def lock(self, object_id: int, locked: bool = True) -> None:
        """Lock or unlock an object."""
        self._set("lock" if locked else "unlock", self._state(object_id), locked=bool(locked))

    def duplicate(self, object_id: int) -> int:
        """Add a copy, history included, right above an object and make it active.

        ``ValueError`` under the rule ``"exclusive"``: the two would share their pixels.
        """
        state = self._state(object_id)
        if self.rule == "exclusive":
            raise ValueError("under the rule 'exclusive' two objects cannot have the same pixels")
        new = replace(state, id=self._next_id, locked=False)
        self._insert_above("duplicate", state, [new])
        return new.id

    def merge(self, object_ids: Sequence[int]) -> int:
        """Unite objects; the first keeps its id, label, name, place and history.

        ``ValueError`` for fewer than two objects.
        """
        states = [self._unlocked(number) for number in dict.fromkeys(object_ids)]
        if len(states) < 2:
            raise ValueError(f"merging takes two objects or more, got {list(object_ids)}")
        first, united = states[0], union(state.region for state in states)
        rest = [state for state in self._now.objects if state not in states[1:]]
        objects = placed(rest, first, united, self.rule)
        self._history.commit("merge", objects=objects, active=first.id)
        return first.id

    def subtract(self, object_id: int, other_id: int) -> None:
        """Take the pixels of the other object out of an object; the other stays as it is."""
        state, other = self._unlocked(object_id), self._state(other_id)
        if state is other:
            raise ValueError(f"object {object_id} cannot be subtracted from itself")
        self._reshape("subtract", state, state.region.minus(other.region))

    def split(self, object_id: int) -> tuple[int, ...]:
        """Make an object of each 8-connected part, and return their ids, that of the object first.

        The object keeps its largest part and its history; the others lie right above it, with its
        label and colour and, if it has a name, that name with a number.
        """
        state = self._unlocked(object_id)
        parts = state.region.components()
        if len(parts) < 2:
            return (state.id,)
        kept = state.reshaped(parts[0])
        new = [
            ObjectState(
                id=self._next_id + number,
                label=state.label,
                region=part,
                name=f"{state.name} {number + 2}" if state.name else "",
                colour=state.colour,
                visible=state.visible,
                method=state.method,
                initial=part,
            )
            for number, part in enumerate(parts[1:])
        ]
        self._insert_above("split", kept, new, active=kept.id)
        return (kept.id, *(part.id for part in new))

    # Labels and the overlap rule

    def add_label(self, label: str, colour: str | None = None) -> None:
        """Declare a class label; ``ValueError`` if it is there already."""
        if check_label(label) in self.labels:
            raise ValueError(f"the label {label!r} is already declared")
        chosen = next_colour(self.labels.values()) if colour is None else check_colour(colour)
        self._history.commit("add label", labels=(*self._now.labels, (label, chosen)))

    def rename_label(self, label: str, new: str) -> None:
        """Rename a class, on locked objects too: it is the class that changes.

        ``ValueError`` if ``new`` is declared already.
        """
        self._declared(label)
        if check_label(new) in self.labels:
            raise ValueError(f"the label {new!r} is already declared")
        labels = tuple((new if n == label else n, colour) for n, colour in self._now.labels)
        objects = tuple(
            replace(state, label=new) if state.label == label else state
            for state in self._now.objects
        )
        self._history.commit("rename label", labels=labels, objects=objects)

    def recolour_label(self, label: str, colour: str) -> None:
        """Change the colour of a class."""
        self._declared(label)
        checked = check_colour(colour)
        labels = tuple((n, checked if n == label else old) for n, old in self._now.labels)
        self._history.commit("recolour label", labels=labels)

    def remove_label(self, label: str) -> None:
        """Remove a class; ``ValueError`` while objects have it, or when it is the last."""
        self._declared(label)
        users = [state.id for state in self._now.objects if state.label == label]
        if users or len(self._now.labels) == 1:
            raise ValueError(f"the label {label!r} is the last, or in use by the objects {users}")
        labels = tuple(entry for entry in self._now.labels if entry[0] != label)
        self._history.commit("remove label", labels=labels)

    def set_rule(self, rule: str) -> None:
        """Change the overlap rule.

        With ``"exclusive"`` overlaps are removed: locked objects keep their pixels, then later ones
        win. ``ValueError`` when two locked objects overlap.
        """
        checked = check_rule(rule)
        if checked != self.rule:
            now = self._now.objects
            objects = made_exclusive(now) if checked == "exclusive" else now
            self._history.commit("overlap rule", rule=checked, objects=objects)
