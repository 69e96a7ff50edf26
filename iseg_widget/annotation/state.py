"""What an annotation consists of at one moment: immutable, so that undo means keeping it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from iseg_widget.actions import LOG_VERSION
from iseg_widget.clicks import Click
from iseg_widget.masks import Box
from iseg_widget.protocol import Method
from iseg_widget.regions import Region
from iseg_widget.session import Session

Rule = Literal["allow", "top", "exclusive"]
RULES: tuple[Rule, ...] = get_args(Rule)

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442")
"""Okabe and Ito's colours (2008) but black: people with colour-blindness can tell them apart."""


@dataclass(frozen=True, slots=True)
class AnnotatedObject:
    """An object as a list of objects shows it.

    Attributes
    ----------
    id: stays with the object and is never given to another.
    label, name: its class, and a name of its own (may be empty).
    colour: ``"#rrggbb"``: its own if it has one, else that of its label.
    visible, locked: hidden objects are not hit by clicks; locked ones cannot be changed.
    area, box: number of pixels, and the smallest half-open box that holds them (``None``: empty).
    clicks: of the object's session, in order.
    """

    id: int
    label: str
    name: str
    colour: str
    visible: bool
    locked: bool
    area: int
    box: Box | None
    clicks: tuple[Click, ...]


@dataclass(frozen=True, eq=False)
class ObjectState:
    """An object.

    ``region`` is its mask. ``session`` is made when first needed and never changed, only copied;
    until then ``initial`` is the mask it will begin with, or ``saved`` its log from a file.
    ``truth`` and ``ignore``: what its steps are compared with.
    ``ahead``: the mask was changed beside the session, which takes it as an edit when next needed.
    """

    id: int
    label: str
    region: Region
    name: str = ""
    colour: str | None = None
    visible: bool = True
    locked: bool = False
    method: Method | None = None
    initial: Region | None = None
    session: Session | None = None
    saved: Mapping[str, Any] | None = None
    ahead: bool = False
    truth: NDArray[np.bool_] | None = None
    ignore: NDArray[np.bool_] | None = None

    def reshaped(self, region: Region) -> ObjectState:
        """Return the object with another mask; itself when the mask is the same."""
        return self if region == self.region else replace(self, region=region, ahead=True)

    def clicks(self) -> tuple[Click, ...]:
        """Return the clicks, wherever they are kept."""
        if self.session is not None:
            return self.session.clicks
        actions = [] if self.saved is None else self.saved["log"]["actions"]
        return tuple(Click.from_dict(c) for action in actions for c in action.get("clicks", ()))

    @property
    def logged(self) -> bool:
        """Whether :meth:`log` holds any action; it is not made for that."""
        if self.ahead:
            return True
        if self.session is not None:
            return bool(self.session.actions)
        return self.saved is not None and bool(self.saved["log"]["actions"])

    def attributes(self) -> dict[str, Any]:
        """Return what a file holds of it beside mask, method and log."""
        names = ("id", "label", "name", "colour", "visible", "locked")
        return {name: getattr(self, name) for name in names}

    def acts(self) -> tuple[Any, ...]:
        """Return the actions of :meth:`log` as they are kept: nothing is encoded for that.

        They are actions, mappings from a file, and the mask as a region where it is ahead.
        """
        if self.session is not None:
            acts: tuple[Any, ...] = self.session.actions
        else:
            acts = () if self.saved is None else tuple(self.saved["log"]["actions"])
        return (*acts, self.region) if self.ahead else acts

    def frame(self) -> dict[str, Any]:
        """Return :meth:`log` without the actions; ``initial_mask`` is a region."""
        height, width = self.region.shape
        if self.session is not None:
            initial = self.session.initial
            method: str | None = self.session.method.name
        else:
            method = None if self.saved is None else self.saved["log"]["method"]
            initial = self.initial
        size = {"width": width, "height": height}
        return {"version": LOG_VERSION, "method": method, "image": size, "initial_mask": initial}

    def log(self) -> dict[str, Any]:
        """Return what :meth:`iseg_widget.session.Session.log` returns; ends in the mask."""
        if self.session is not None:
            log = self.session.log()
        elif self.saved is not None:
            log = dict(self.saved["log"])
        else:
            height, width = self.region.shape
            log = {
                "version": LOG_VERSION,
                "method": None,
                "image": {"width": width, "height": height},
                "initial_mask": None if self.initial is None else self.initial.rle(),
                "actions": [],
            }
        if self.ahead:
            log["actions"] = [*log["actions"], {"edit": self.region.rle()}]
        return log


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All objects, bottom first, the labels with their colours, the rule, and what is active.

    ``revision`` tells apart what commands made; selecting an object makes no other.
    """

    objects: tuple[ObjectState, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    rule: Rule = "allow"
    active: int | None = None
    revision: int = 0

    def index(self, number: int) -> int:
        """Return the place of an object; ``ValueError`` when there is none of that id."""
        for place, state in enumerate(self.objects):
            if state.id == number:
                return place
        ids = [state.id for state in self.objects]
        raise ValueError(f"there is no object {number!r}; the ids are {ids}")

    def declaring(self, labels: Mapping[str, str]) -> Snapshot:
        """Return the snapshot with labels added that it does not declare."""
        known = dict(self.labels)
        added = tuple(pair for pair in labels.items() if pair[0] not in known)
        return replace(self, labels=(*self.labels, *added)) if added else self

    def info(self, state: ObjectState) -> AnnotatedObject:
        """Return an object as the user sees it."""
        colour = state.colour or dict(self.labels)[state.label]
        return AnnotatedObject(
            id=state.id,
            label=state.label,
            name=state.name,
            colour=colour,
            visible=state.visible,
            locked=state.locked,
            area=state.region.area,
            box=state.region.box,
            clicks=state.clicks(),
        )


# Colours and labels


def check_colour(colour: object) -> str:
    """Return ``"#rrggbb"`` in lower case; ``ValueError`` for anything else."""
    if not isinstance(colour, str) or not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        raise ValueError(f"a colour is given as '#rrggbb', got {colour!r}")
    return colour.lower()


def check_label(label: object) -> str:
    """Return a label; ``ValueError`` unless it is text with something in it."""
    if not isinstance(label, str) or not label.strip():
        raise ValueError(f"a label is text that is not empty, got {label!r}")
    return label


def next_colour(taken: Iterable[str]) -> str:
    """Return the first colour of the palette that is taken least often."""
    used = list(taken)
    return min(PALETTE, key=used.count)


def with_colours(labels: Sequence[str] | Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return labels with their colours, those of the palette in order unless given.

    ``ValueError`` for no labels, an empty or repeated one, or a colour of another form.
    """
    names = [labels] if isinstance(labels, str) else list(labels)
    if not names or len(set(names)) != len(names):
        raise ValueError(f"labels must differ, and there must be one at least; got {names}")
    out: list[tuple[str, str]] = []
    for name in names:
        given = labels[name] if isinstance(labels, Mapping) else next_colour(c for _, c in out)
        out.append((check_label(name), check_colour(given)))
    return tuple(out)


# Overlap


def check_rule(rule: str) -> Rule:
    """Return the rule; ``ValueError`` naming those there are."""
    for known in RULES:
        if rule == known:
            return known
    raise ValueError(f"the overlap rule must be one of {', '.join(RULES)}, got {rule!r}")


def seen(objects: Sequence[ObjectState]) -> list[Region]:
    """Return of each object the part that no later one covers."""
    shown = []
    for place, state in enumerate(objects):
        region = state.region
        for above in objects[place + 1 :]:
            region = region.minus(above.region)
        shown.append(region)
    return shown


def made_exclusive(objects: Sequence[ObjectState]) -> tuple[ObjectState, ...]:
    """Return the objects without overlaps: locked ones keep theirs, then the later one wins.

    ``ValueError`` when two locked objects overlap.
    """
    owners = [state for state in objects if state.locked]
    for place, state in enumerate(owners):
        for other in owners[place + 1 :]:
            if state.region.minus(other.region) is not state.region:
                raise ValueError(
                    f"objects {state.id} and {other.id} are locked and overlap: "
                    "unlock one of them first"
                )
    kept = {state.id: state for state in owners}
    for state in reversed(objects):
        if not state.locked:
            region = state.region
            for owner in kept.values():
                region = region.minus(owner.region)
            kept[state.id] = state.reshaped(region)
    return tuple(kept[state.id] for state in objects)


def allowed(
    objects: Sequence[ObjectState], region: Region, rule: Rule, own: int | None = None
) -> Region:
    """Return the pixels that the object ``own`` (``None``: a new one) may take by the rule."""
    if rule == "exclusive":
        for state in objects:
            if state.locked and state.id != own:
                region = region.minus(state.region)
    return region


def placed(
    objects: Sequence[ObjectState], state: ObjectState, region: Region, rule: Rule
) -> tuple[ObjectState, ...]:
    """Return the objects, ``state`` in the place of its id with the mask ``region``, by the rule.

    Objects that stay the same are the same.
    """
    new = state.reshaped(allowed(objects, region, rule, state.id))
    if rule != "exclusive":
        return tuple(new if other.id == new.id else other for other in objects)
    return tuple(
        new if other.id == new.id else other.reshaped(other.region.minus(new.region))
        for other in objects
    )
