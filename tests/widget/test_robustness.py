"""Ten thousand random messages: whatever a page says, widget and session stay consistent."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from tests.widget import fuzzing
from tests.widget.fuzzing import Conversation

EXAMPLES, LENGTH = 200, 50  # together 10 000
COUNT: Counter[str] = Counter()


@contextmanager
def conversation() -> Iterator[Conversation]:
    talk = Conversation.start()
    try:
        yield talk
    finally:
        talk.close()


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    # What fails depends on two threads: a smaller conversation is not looked for.
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
@given(said=fuzzing.conversations(LENGTH))
def _talk(said: list[Any]) -> None:
    with conversation() as talk:
        talk.say_all(said)
        talk.check()
        talk.check_history()
        for sent in talk.sent:
            kind = sent.content.get("kind") if isinstance(sent.content, dict) else None
            COUNT[f"{kind}" if sent.accepted else "refused"] += 1


def test_ten_thousand_random_messages_leave_everything_consistent() -> None:
    COUNT.clear()
    _talk()
    # The strategies reach every kind, and most messages get through.
    assert set(fuzzing.registered()) <= set(COUNT), COUNT
    assert COUNT["refused"] < COUNT.total() / 2
    assert COUNT.total() > EXAMPLES * LENGTH * 0.8, COUNT


def test_the_recorded_conversation_ten_times_on_one_widget() -> None:
    said = fuzzing.corpus()
    assert len(said) >= 1000
    with conversation() as talk:
        for turn in range(10):
            talk.say_all(said[100 * turn :] + said[: 100 * turn])
            talk.check()
        talk.check_history()


def test_four_views_and_a_cell_talk_at_once() -> None:
    said = fuzzing.corpus()
    with conversation() as talk:
        talk.say({"kind": "hello", "picture": True})
        failures: list[BaseException] = []

        def view(seed: int) -> None:
            own = said[:]
            random.Random(seed).shuffle(own)
            try:
                talk.say_all(own)
            except BaseException as error:  # noqa: BLE001 - told by the test
                failures.append(error)

        views = [threading.Thread(target=view, args=(seed,)) for seed in range(4)]
        for thread in views:
            thread.start()
        for step in range(200):  # cancelled by a view, or outside of the image: both are fine
            with suppress(RuntimeError, ValueError):
                talk.widget.click(step % 45, 5) if step % 3 else talk.widget.undo()
            assert talk.widget.mask.shape == fuzzing.SHAPE
        for thread in views:
            thread.join(60)
        assert not failures
        talk.say({"kind": "hello", "picture": False})
        talk.check()
        talk.check_history()
