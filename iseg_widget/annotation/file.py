"""The file of an annotation: one JSON, read and written whole.

It holds the final mask of every object, so that it can be opened without any method, and the log
of every object's session, so that the same method gives the same history.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import iseg_widget
from iseg_widget.actions import Action, check_log_version
from iseg_widget.annotation.past import Commands, PastWriter, read_past
from iseg_widget.annotation.state import (
    ObjectState,
    Snapshot,
    check_colour,
    check_label,
    check_rule,
    seen,
)
from iseg_widget.export import LabelledImage, LabelledMask
from iseg_widget.images import RGB
from iseg_widget.protocol import Method
from iseg_widget.provenance import plain_options, versions, weights_fingerprint
from iseg_widget.regions import Region

FORMAT = "iseg_widget annotation"
VERSION = 1


@dataclass(frozen=True)
class Stored:
    """What a file holds: the image's name, shape and fingerprint, the objects, the next id.

    ``done`` and ``undone`` are the commands before and after, if it holds any.
    """

    file_name: str
    shape: tuple[int, int]
    sha256: str
    snapshot: Snapshot
    next_id: int
    done: Commands = ()
    undone: Commands = ()


def image_sha256(image: RGB) -> str:
    """Return the SHA-256 of an image's pixels, row by row."""
    return hashlib.sha256(image.data).hexdigest()


def described(method: Method) -> dict[str, Any]:
    """Return a method's name, options and fingerprint of its weights, as JSON-able data."""
    options = plain_options(method.options)
    return {"name": method.name, "options": options, "weights": weights_fingerprint(method)}


def to_bytes(
    content: Stored,
    describe: Callable[[Method], Mapping[str, Any]],
    past: PastWriter | None = None,
) -> bytes:
    """Return the file's content; ``describe`` is :func:`described` or remembers what it said.

    With ``past`` the history of commands is in it.
    """
    snapshot = content.snapshot
    data = {
        "format": FORMAT,
        "version": VERSION,
        "written_by": {"iseg_widget": iseg_widget.__version__, **versions()},
        "image": {
            "file_name": content.file_name,
            "width": content.shape[1],
            "height": content.shape[0],
            "sha256": content.sha256,
        },
        "rule": snapshot.rule,
        "labels": [{"name": name, "colour": colour} for name, colour in snapshot.labels],
        "active": snapshot.active,
        "next_id": content.next_id,
        "objects": [_object(state, describe) for state in snapshot.objects],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    if past is not None:
        history = past.to_text(content.done, content.undone, lambda s: _method(s, describe))
        text = f'{text[:-1]},"history":{history}}}'
    return text.encode()


def _method(state: ObjectState, describe: Callable[[Method], Mapping[str, Any]]) -> Any:
    if state.session is not None:
        return describe(state.session.method)
    return None if state.saved is None else state.saved["method"]


def _object(state: ObjectState, describe: Callable[[Method], Mapping[str, Any]]) -> dict[str, Any]:
    return {
        **state.attributes(),
        "mask": state.region.rle(),
        "method": _method(state, describe),
        "log": state.log(),
    }


def labelled(snapshot: Snapshot, shape: tuple[int, int], file_name: str) -> LabelledImage:
    """Return the objects as :meth:`iseg_widget.annotation.Annotation.to_labelled` does."""
    states = snapshot.objects
    regions = seen(states) if snapshot.rule == "top" else [state.region for state in states]
    objects = tuple(
        LabelledMask(region.mask(), state.label, state.name)
        for region, state in zip(regions, states, strict=True)
    )
    return LabelledImage(file_name, shape, objects)


def read(path: str | os.PathLike[str]) -> Stored:
    """Read a file; the sessions stay logs.

    Raises
    ------
    ValueError: there is no such file, it is of another format or a later version, or damaged.
    """
    try:
        data = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise ValueError(f"no annotation at {path}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise ValueError(
            f"{path} is no annotation of iseg_widget (its 'format' is not {FORMAT!r}); COCO, "
            "labelme and mask pictures are read by iseg_widget.export and Annotation.from_labelled"
        )
    if data.get("version") != VERSION:
        raise ValueError(
            f"{path} has format version {data.get('version')!r}, accepted is {VERSION}; "
            f"it was written by {data.get('written_by')}"
        )
    try:
        return _stored(data)
    except KeyError as error:
        raise ValueError(f"{path} is damaged: {error.args[0]!r} is missing") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _stored(data: Mapping[str, Any]) -> Stored:
    image = data["image"]
    shape = (_integer(image["height"]), _integer(image["width"]))
    next_id = _integer(data["next_id"])
    made: dict[int, ObjectState] = {}
    snapshot = _snapshot(data, shape, next_id, made)
    done: list[tuple[str, Snapshot]] = []
    undone: list[tuple[str, Snapshot]] = []
    if data.get("history") is not None:
        done, undone = read_past(
            data["history"], lambda entry: _snapshot(entry, shape, next_id, made)
        )
        # Each has a revision of its own, none of them that of the present.
        done = [(name, replace(one, revision=-1 - n)) for n, (name, one) in enumerate(done)]
        undone = [
            (name, replace(one, revision=-1 - len(done) - n))
            for n, (name, one) in enumerate(undone)
        ]
    name, sha256 = str(image["file_name"]), str(image["sha256"])
    return Stored(name, shape, sha256, snapshot, next_id, done, undone)


def _snapshot(
    data: Mapping[str, Any], shape: tuple[int, int], next_id: int, made: dict[int, ObjectState]
) -> Snapshot:
    """Read objects, labels, rule and what is active; ``made`` has the objects read before."""
    labels = tuple((check_label(x["name"]), check_colour(x["colour"])) for x in data["labels"])
    names = [name for name, _ in labels]
    objects = []
    for number, entry in enumerate(data["objects"]):
        try:
            if id(entry) not in made:
                made[id(entry)] = _state(entry, shape)
            objects.append(made[id(entry)])
        except KeyError as error:
            raise ValueError(f"object {number} lacks {error.args[0]!r}") from error
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"object {number}: {error}") from error
    for number, state in enumerate(objects):
        if state.label not in names:
            raise ValueError(f"object {number}: its label {state.label!r} is not among {names}")
    ids = [state.id for state in objects]
    active = data["active"]
    if not names or len(set(names)) != len(names) or len(set(ids)) != len(ids):
        raise ValueError(f"labels and ids must differ, got {names} and {ids}")
    if any(not 0 < number < next_id for number in ids) or active not in (None, *ids):
        raise ValueError(f"ids {ids}, active {active} and next id {next_id} do not fit")
    rule = check_rule(data["rule"])
    shown = zip(seen(objects), objects, strict=True)
    if rule == "exclusive" and any(region is not state.region for region, state in shown):
        raise ValueError("its objects overlap, against its rule 'exclusive'")
    return Snapshot(tuple(objects), labels, rule, active)


def _state(entry: Mapping[str, Any], shape: tuple[int, int]) -> ObjectState:
    log, method = entry["log"], entry["method"]
    initial = _check_log(log, shape)
    if method is not None:
        method = {key: method[key] for key in ("name", "options", "weights")}
    colour = entry["colour"]
    for key in ("visible", "locked"):
        if not isinstance(entry[key], bool):
            raise TypeError(f"{key!r} must be true or false, got {entry[key]!r}")
    return ObjectState(
        id=_integer(entry["id"]),
        label=entry["label"],
        name=str(entry["name"]),
        colour=None if colour is None else check_colour(colour),
        visible=entry["visible"],
        locked=entry["locked"],
        region=Region.from_rle(entry["mask"], shape),
        initial=initial,
        saved={"method": method, "log": log} if log["actions"] else None,
    )


def _check_log(log: Mapping[str, Any], shape: tuple[int, int]) -> Region | None:
    """Check all that a later replay relies on; return the mask that the session begins with."""
    check_log_version(log)
    size = (log["image"]["height"], log["image"]["width"])
    if size != shape:
        raise ValueError(f"its log belongs to an image of {size}, not {shape}")
    for action in log["actions"]:
        if "edit" in action:
            Region.from_rle(action["edit"], shape)
            continue
        if "threshold" not in action and not action["clicks"]:
            raise ValueError("its log holds a step without clicks")
        Action.from_dict(action).check(shape)
    initial = log["initial_mask"]
    return None if initial is None else Region.from_rle(initial, shape)


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"expected a whole number, got {value!r}")
    return value
