"""What another setting changes: the options as a form, and the difference between two masks."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iseg_widget.masks import PackedMask, box_of, iou
from iseg_widget.methods.option_fields import OptionField, check_options, option_fields
from iseg_widget.methods.registry import list_methods, method_title, options_class
from iseg_widget.pieces import ended, finished
from iseg_widget.protocol import Method
from iseg_widget.provenance import changed_options, plain_options
from iseg_widget.session import Session
from iseg_widget.widget.codec import to_grid

Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]

KEPT = 12
"""Masks under other options that are kept."""


# The form


@dataclass(frozen=True)
class OptionsForm:
    """A method's options for people to change.

    Attributes
    ----------
    method, title: name, and name for people.
    fields: descriptions that JSON can carry, one for each option: ``name``, ``kind``, ``default``,
        ``doc``, ``sources``, ``accepted``, ``choices``, ``optional`` (see
        :class:`iseg_widget.methods.option_fields.OptionField`).
    values: what each option is now.
    code: Python that loads the method with these options.
    """

    method: str
    title: str
    fields: tuple[dict[str, Any], ...]
    values: dict[str, Any]
    code: str


def options_form(name: str, options: object, weights: object = None) -> OptionsForm:
    """Return the form of a method; one of one's own has no fields, as nobody can build it anew.

    Parameters
    ----------
    name: of the method.
    options: those it has now.
    weights: what it was loaded with, for the code.
    """
    known = name in list_methods()
    fields = option_fields(type(options)) if known else ()
    return OptionsForm(
        name,
        method_title(name) if known else name,
        tuple(_plain(field) for field in fields),
        {field.name: _json(getattr(options, field.name)) for field in fields},
        python_code(name, options, weights) if known else "",
    )


def python_code(name: str, options: object, weights: object = None) -> str:
    """Return Python that loads a method: what differs from the defaults, and nothing else."""
    parts = [repr(name)]
    if isinstance(weights, str):
        parts.append(f"weights={weights!r}")
    changed = {field: getattr(options, field) for field in changed_options(options)}
    if changed:
        parts.append(f"options={changed!r}")
    call = ", ".join(parts)
    if '"' not in call:
        call = call.replace("'", '"')
    return f"method = iseg.load_method({call})"


def check(name: str, values: Mapping[str, object]) -> dict[str, str]:
    """Return what is wrong with options of a method, by option; empty: nothing is.

    Raises
    ------
    ValueError: there is no such method.
    """
    return check_options(options_class(name), values)[1]


def _plain(field: OptionField) -> dict[str, Any]:
    return {
        "name": field.name,
        "kind": field.kind,
        "default": _json(field.default),
        "doc": field.doc,
        "sources": list(field.sources),
        "accepted": field.accepted,
        "choices": list(field.choices),
        "optional": field.optional,
    }


def _json(value: Any) -> Any:
    """What JSON can carry; other values as text."""
    if isinstance(value, dict):
        return {str(name): _json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


# The difference


@dataclass(frozen=True)
class Difference:
    """What lies between two masks of one image.

    ``added`` and ``removed`` are ``(H, W)`` bool: pixels of the second that are not in the first,
    and the other way round. ``iou`` is between both; ``truth_before`` and ``truth_after`` are
    against the truth, ``None`` where there is none.
    """

    added: Mask
    removed: Mask
    iou: float
    truth_before: float | None = None
    truth_after: float | None = None

    @property
    def counts(self) -> tuple[int, int]:
        """Pixels added and removed."""
        return int(np.count_nonzero(self.added)), int(np.count_nonzero(self.removed))


def difference(
    before: Mask, after: Mask, truth: Mask | None = None, ignore: Mask | None = None
) -> Difference:
    """Compare two masks ``(H, W)`` bool; ``ignore`` is left out of the IoU against ``truth``.

    Raises ``ValueError`` when they differ in shape.
    """
    between = iou(before, after)
    scores = (
        (None, None) if truth is None else (iou(before, truth, ignore), iou(after, truth, ignore))
    )
    return Difference(after & ~before, before & ~after, between, *scores)


@dataclass(frozen=True)
class PackedDifference:
    """A difference on the page's grid: the half-open box that holds all of it, and two masks of it.

    ``grid`` is (width, height). ``added`` and ``removed`` are packed as in
    :class:`iseg_widget.masks.PackedMask`; an empty box has none.
    """

    grid: tuple[int, int]
    box: Box
    added: bytes = b""
    removed: bytes = b""


def pack(found: Difference) -> PackedDifference:
    """Return the difference as it goes to the page."""
    added, removed = to_grid(found.added), to_grid(found.removed)
    grid = (added.shape[1], added.shape[0])
    box = box_of(added | removed)
    if box is None:
        return PackedDifference(grid, (0, 0, 0, 0))
    x0, y0, x1, y1 = box
    parts = (np.ascontiguousarray(part[y0:y1, x0:x1]) for part in (added, removed))
    return PackedDifference(grid, box, *(PackedMask.pack(part).data for part in parts))


class Replays:
    """Masks that a session's history gives under other methods and options.

    A mask that was seen once, because it was the session's own or because it was asked for, is not
    computed again.
    """

    def __init__(self) -> None:
        # The method is kept with it: its network's number cannot go to another.
        self._kept: OrderedDict[str, tuple[Method, PackedMask]] = OrderedDict()
        self._begun: tuple[str, Generator[None, None, Session]] | None = None

    def remember(self, session: Session) -> None:
        """Keep the mask that a session has now."""
        self._keep(_key(session, session.method), session.method, session.mask)

    def mask(
        self, session: Session, method: Method, pause: Callable[[], None] | None = None
    ) -> Mask:
        """Return the ``(H, W)`` bool mask of the session's clicks and edits under a method.

        ``pause`` is called after every step that is replayed. If it raises, the replay goes on with
        the next call, if that is for the same.
        """
        key = _key(session, method)
        known = self._kept.get(key)
        if known is not None:
            self._kept.move_to_end(key)
            return known[1].unpack()
        same = key == _key(session, session.method)
        found = session.mask if same else self._replayed(key, session, method, pause)
        self._keep(key, method, found)
        return found

    def _replayed(
        self, key: str, session: Session, method: Method, pause: Callable[[], None] | None
    ) -> Mask:
        begun = self._begun
        if begun is None or begun[0] != key:
            begun = key, session.in_steps_with(method)
        self._begun = begun
        try:
            return finished(begun[1], pause).mask
        finally:
            if ended(begun[1]):
                self._begun = None

    def _keep(self, key: str, method: Method, mask: Mask) -> None:
        self._kept[key] = method, PackedMask.pack(np.ascontiguousarray(mask))
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)


def _key(session: Session, method: Method) -> str:
    log = session.log()
    what = [
        method.name,
        id(getattr(method, "network", method)),
        {name: _number(value) for name, value in plain_options(method.options).items()},
        log["initial_mask"],
        log["actions"],
    ]
    text = json.dumps(what, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _number(value: object) -> object:
    """Pages do not tell 2 from 2.0."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
