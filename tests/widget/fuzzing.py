"""Random conversations with the widget, made of whatever requests the protocol knows.

Nothing here names a feature: kinds, fields and their checks come from the protocol's registry,
ranges from the fields' types and names, and more values from the recorded messages. So a new
request is tried as soon as it is registered.

``python -m tests.widget.fuzzing`` writes the recorded conversation anew.
"""

from __future__ import annotations

import json
import math
import threading
import types
import typing
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st

from iseg_widget.annotation import Annotation
from iseg_widget.session import replay
from iseg_widget.widget import messages
from iseg_widget.widget.actions import WarmUp
from iseg_widget.widget.messages import Request
from iseg_widget.widget.messages.base import MAX_ID
from iseg_widget.widget.segmentation import SegmentationWidget
from tests.widget import recording
from tests.widget.fakes import Disks, Page

CORPUS = Path(__file__).parent / "fixtures" / "conversation.json"
SHAPE = (30, 40)


def codes_of(board: Annotation) -> tuple[np.ndarray, tuple[int, ...]]:
    """What the page shows of the objects that are not active, and the ids that codes stand for."""
    visible = [item for item in board.objects if item.visible]
    codes = np.zeros(board.shape, np.uint8)
    for place, item in enumerate(visible):
        if item.id != board.active:
            codes[board.mask_of(item.id)] = 1 + place
    return codes, tuple(item.id for item in visible)


Check = Callable[[object], bool]
Message = dict[str, Any]

COMMON = ("id", "rev")
BESIDE = frozenset({"received", "activity", "picture"})
"""Replies that may come before the one that answers."""
UNANSWERED = frozenset({"ping"})
"""Requests that are only received."""


# ------------------------------------------------------------------------------- what there is
def registered() -> dict[str, tuple[type[Request], Mapping[str, Check]]]:
    """Every request kind of the protocol, with the checks of its own fields."""
    return dict(messages.REQUESTS)


def _seen() -> dict[tuple[str, str], list[Any]]:
    """Values of each field of each kind in the recorded messages."""
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for request in json.loads(recording.PATH.read_text(encoding="utf-8"))["requests"]:
        for name, value in request.items():
            if value not in found[request["kind"], name]:
                found[request["kind"], name].append(value)
    return found


# ------------------------------------------------------------------------------------ strategies
_TEXTS = st.sampled_from(
    [
        "disks",
        "focalclick",
        "object",
        "a",
        "",
        "<img src=x onerror=alert(1)>",
        "\u202e\0ü",
        "z" * 99,
    ]
)
_POSITIONS = st.floats(-3, max(SHAPE) + 3, allow_nan=False) | st.sampled_from(
    [0.0, -0.5, -0.51, SHAPE[0] - 0.5, SHAPE[1] - 0.5, SHAPE[1] - 0.49, 1e308, 7]
)
_COUNTS = st.integers(-1, 6)
JUNK = st.sampled_from(
    [None, True, -1, 3, 2**70, 0.5, math.nan, math.inf, "", "x", [], [1, "a"], {}, {"a": {}}]
)


def values(hint: Any, name: str = "") -> st.SearchStrategy[Any]:
    """JSON values for a field with this type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values(one, name) for one in arguments])
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return st.tuples(*[values(one, name) for one in arguments]).map(list)
    if origin in (tuple, list, Sequence) or origin is getattr(typing, "Sequence", None):
        return st.lists(values(arguments[0], name), max_size=5)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        bool: st.booleans(),
        int: _COUNTS,
        float: _POSITIONS,
        str: _TEXTS,
        type(None): st.none(),
    }
    if hint in plain:
        return plain[hint]
    if origin in (dict, Mapping) or hint in (dict, Mapping):
        options = st.sampled_from([{}, {"radius": 4.0}, {"radius": "x"}, {"nothing": 1}])
        return options if name == "options" else st.dictionaries(_TEXTS, JUNK, max_size=2)
    return JUNK


def _requests(kind: str, seen: Mapping[tuple[str, str], list[Any]]) -> st.SearchStrategy[Message]:
    """Requests of one kind, most of them well-formed."""
    cls, checks = registered()[kind]
    hints = typing.get_type_hints(cls)
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for name in checks:
        if name in COMMON:
            continue
        made = values(hints.get(name, Any), name)
        known = seen.get((kind, name))
        fields[name] = made | st.sampled_from(known) if known else made
    return st.fixed_dictionaries({"kind": st.just(kind), **fields})


def _spoil(message: Message, how: int, junk: Any) -> Message:
    """Break one thing in a request."""
    spoiled = dict(message)
    names = sorted(set(message) | {"id", "rev"})
    name = names[how % len(names)]
    match how % 4:
        case 0:
            spoiled[name] = None  # an id of None becomes no id at all, see `Conversation.say`
        case 1:
            spoiled[name] = junk
        case 2:
            spoiled["unheard-of"] = junk
        case _:
            spoiled.pop(name, None)
    return spoiled


def requests() -> st.SearchStrategy[Any]:
    """What a page may send, good and bad, without ids."""
    seen = _seen()
    good = st.sampled_from(sorted(registered())).flatmap(lambda kind: _requests(kind, seen))
    clicks = _requests("click", seen)
    bad = st.builds(_spoil, good, st.integers(0, 99), JUNK)
    return st.one_of(good, good, good, clicks, bad, JUNK)


def trait_updates() -> st.SearchStrategy[Message]:
    """What a page may set, and what it may not."""
    names = ("tool", "opacity", "show_mask", "show_views", "clicks", "method", "mask", "no_trait")
    state = st.dictionaries(
        st.sampled_from(names),
        JUNK | st.sampled_from(["positive", "negative"]),
        min_size=1,
        max_size=2,
    )
    return st.fixed_dictionaries({"update": state})


def conversations(length: int) -> st.SearchStrategy[list[Any]]:
    """Lists of this many messages."""
    one = st.one_of([requests()] * 9 + [trait_updates()])
    return st.lists(one, min_size=length, max_size=length)


# ---------------------------------------------------------------------------------- conversations
def _is_id(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= MAX_ID


@dataclass
class Sent:
    """A request and whether the protocol accepts it."""

    content: Any
    accepted: bool


@dataclass
class Conversation:
    """A widget, a page, and what was said. Several threads may :meth:`say` at once."""

    widget: SegmentationWidget
    method: Disks
    page: Page
    sent: list[Sent] = field(default_factory=list)
    count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(cls) -> Conversation:
        """Open a widget on a small image."""
        method = Disks()
        pixels = np.random.default_rng(0).integers(0, 255, (*SHAPE, 3), np.uint8)
        widget = SegmentationWidget(pixels, method)
        return cls(widget, method, Page(widget))

    def say(self, message: Any) -> None:
        """Send a request (with an id of its own) or a change of traits, as a comm would."""
        if isinstance(message, dict) and "update" in message:
            data = {"method": "update", "state": message["update"], "buffer_paths": []}
            self.widget._handle_msg({"content": {"data": data}, "buffers": []})
            return
        content = message
        if isinstance(message, dict):
            with self._lock:
                self.count += 1
                name = f"talk.{self.count}"
            content = {"id": name, "rev": max(self.page.rev, 0), **message}
            if _is_id(content["id"]):  # ids are unique in a view: that is the page's promise
                content["id"] = name
        try:
            messages.parse_request(content)
            accepted = True
        except messages.ProtocolError:
            accepted = False
        with self._lock:
            self.sent.append(Sent(content, accepted))
        self.page.raw(content)

    def say_all(self, said: Iterable[Any]) -> None:
        """Send one message after another without waiting for answers."""
        for message in said:
            self.say(message)

    def close(self) -> None:
        """Close the widget and wait for its thread."""
        worker = self.widget._desk.worker
        self.widget.close()
        worker.join(20)
        assert worker._thread is None or not worker._thread.is_alive(), "the thread did not end"

    # What must be true when all is answered

    def check(self) -> None:
        """Raise ``AssertionError`` where something is not as it should be."""
        self.page.settle()
        self.check_replies()
        self.check_state()

    def check_replies(self) -> None:
        """Every request was answered as the protocol promises."""
        received, answers, errors = self._answers()
        expected: Counter[str | None] = Counter()
        for sent in self.sent:
            name = sent.content.get("id") if isinstance(sent.content, Mapping) else None
            if sent.accepted:
                assert received[name] == 1, f"{sent.content} received {received[name]} times"
                wanted = 0 if sent.content["kind"] in UNANSWERED else 1
                assert len(answers[name]) == wanted, f"{sent.content} got {answers[name]}"
            else:
                valid = _is_id(name)
                expected[name if valid else None] += 1
                assert received[name] == 0 if valid else True, f"{sent.content} was received"
        for name, count in expected.items():
            if name is None:
                assert errors[None] >= count, "bad requests without an id left no error"
            else:
                assert answers[name] == ["error"] * count, f"{name}: {answers[name]}"

    def _answers(self) -> tuple[Counter[str], dict[str, list[str]], Counter[None]]:
        received: Counter[str] = Counter()
        answers: dict[str, list[str]] = defaultdict(list)
        errors: Counter[None] = Counter()
        for reply in self.page.replies:
            kind = reply["kind"]
            if kind == "received":
                assert reply["id"] not in answers, f"{reply['id']} was answered before"
                received[reply["id"]] += 1
            elif kind not in BESIDE:
                names = {*reply.get("ids", ()), *([reply["id"]] if reply.get("id") else [])}
                for name in names:
                    answers[name].append(kind)
                errors[None] += kind == "error" and not names
        return received, answers, errors

    def check_state(self) -> None:
        """Page, kernel and history tell the same story."""
        widget, page = self.widget, self.page
        worker = widget._desk.worker
        assert worker.queued == 0
        assert worker._thread is not None, "nothing was enqueued"
        assert worker._thread.is_alive(), "the worker's thread is dead"
        activities = page.of("activity")
        assert not activities or activities[-1]["what"] is None, "the page believes it is busy"
        revisions = [reply["rev"] for reply in page.of("result")]
        assert revisions == sorted(revisions), "revisions go back"
        last = page.of("result")[-1] if revisions else None
        if last is not None:
            self._check_page(last)
        self._check_objects()

    def _check_page(self, last: Mapping[str, Any]) -> None:
        """What the latest result told the page is what is there."""
        widget, page, board = self.widget, self.page, self.widget.annotation
        shown = board.active is not None and board.info(board.active).visible
        codes, ids = codes_of(board)
        assert page.mask is not None
        assert np.array_equal(page.mask, widget.mask & shown), "the page draws another mask"
        assert np.array_equal(page.others, codes), "the page draws other objects"
        assert last["others"]["ids"] == list(ids)
        assert last["active"] == board.active
        assert last["rule"] == board.rule
        assert dict(map(tuple, last["labels"])) == board.labels
        assert last["clicks"] == [click.to_dict() for click in widget.clicks]
        assert [o["id"] for o in last["objects"]] == [item.id for item in board.objects]
        assert (last["history"]["done"], last["history"]["undone"]) == (board.done, board.undone)

    def _check_objects(self) -> None:
        """Every object's clicks lie in the image, and its log leads to its mask."""
        board = self.widget.annotation
        self.widget._do(WarmUp())  # loads the method, if nobody needed it so far
        height, width = board.shape
        ids = [item.id for item in board.objects]
        assert len(set(ids)) == len(ids)
        assert board.active is None or board.active in ids
        assert self.widget.objects == board.objects
        for item in board.objects:
            mask = board.mask_of(item.id)
            assert item.label in board.labels
            assert item.area == np.count_nonzero(mask)
            for click in item.clicks:
                assert -0.5 <= click.x < width - 0.5, click
                assert -0.5 <= click.y < height - 0.5, click
            log = json.loads(json.dumps(board.session(item.id).log()))
            again = replay(board.session(item.id).method, board.image, log)
            assert np.array_equal(again.mask, mask), f"the log of {item.id} replays otherwise"

    def check_history(self) -> None:
        """Undo leads to the beginning, redo back to the same objects."""
        widget, board = self.widget, self.widget.annotation
        before, masks = board.objects, [board.mask_of(item.id) for item in board.objects]
        done, undone = board.done, board.undone
        for _ in range(done):
            assert widget.undo()
        assert not widget.undo()
        assert (board.done, board.undone) == (0, done + undone)
        assert [item.area for item in board.objects] == [0]
        for _ in range(done):
            assert widget.redo()
        assert board.objects == before
        for item, mask in zip(board.objects, masks, strict=True):
            assert np.array_equal(board.mask_of(item.id), mask)


# ----------------------------------------------------------------------------------------- corpus
def record(count: int = 1000) -> list[Any]:
    """Draw a long conversation."""
    import warnings

    from hypothesis.errors import NonInteractiveExampleWarning

    strategy = conversations(50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NonInteractiveExampleWarning)
        said: list[Any] = []
        while len(said) < count:
            said += strategy.example()
    return said[:count]


def corpus() -> list[Any]:
    """The recorded conversation."""
    said: list[Any] = json.loads(CORPUS.read_text(encoding="utf-8"))
    return said


if __name__ == "__main__":
    lines = ",\n".join(json.dumps(message) for message in record())
    CORPUS.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
