"""History, clicks that are there, and objects, each by mouse, by keyboard alone and by touch."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from tests.browser.interactions.bench import Bench
from tests.browser.interactions.hands import Fingers, Hand, Keyboard, Mouse

OBJECT, OTHER = (176, 336), (416, 136)
DISC, SMALL, APART = "disc(150, 350, 60)", "disc(200, 350, 40)", "disc(380, 120, 40)"
IDS = "[o.id for o in w.objects]"


def test_undo_redo_and_jump(bench: Bench) -> None:
    bench.fresh(DISC)
    hand = bench.hand
    given = bench.kernel.mask(DISC)
    clicked = bench.answered(lambda: hand.at(*OTHER))
    expect(hand.get("redo")).to_be_disabled()
    assert np.array_equal(bench.answered(lambda: hand.push("undo")), given)
    assert bench.value("len(w.clicks)") == 0
    expect(hand.get("redo")).to_be_enabled()
    bench.agrees()
    assert np.array_equal(bench.answered(lambda: hand.push("redo")), clicked)
    bench.agrees()
    emptied = bench.answered(lambda: hand.push("reset"))
    assert not emptied.any()
    assert bench.value("len(w.clicks)") == 0

    hand.push("history-toggle")
    bench.until("w.panel", "history")
    entry = hand.get("history-entry").nth(bench.before)
    assert np.array_equal(bench.answered(lambda: hand.press(entry)), given)
    assert bench.value("[w.annotation.done, w.annotation.undone]") == [bench.before, 2]
    expect(entry).to_have_attribute("aria-current", "step")
    if isinstance(hand, Keyboard):
        hand.key("ArrowDown")
        expect(hand.get("history-entry").nth(bench.before + 1)).to_be_focused()
    bench.agrees()


def test_a_click_is_moved_and_deleted(bench: Bench) -> None:
    hand = bench.hand
    first = (OBJECT[0] + 60, OBJECT[1] + 60)
    bench.answered(lambda: hand.at(*OBJECT))
    bench.answered(lambda: hand.at(*first))
    start, other = bench.value("[[c.x, c.y] for c in w.clicks]")
    if isinstance(hand, Keyboard):
        hand.aim(*start)
        moved = bench.answered(lambda: hand.key("Shift+ArrowDown", 10))
        away = 10 * 4 / bench.scale()
        tolerance = 1.0
    else:
        moved = bench.answered(lambda: hand.draw([start, (start[0], start[1] + 50)]))
        away, tolerance = 50, 1.5
    now = bench.value("[[c.x, c.y] for c in w.clicks]")
    assert np.hypot(now[0][0] - start[0], now[0][1] - start[1] - away) < tolerance
    assert now[1] == other
    assert moved.any()
    bench.agrees()
    again = "w.session.method.step(w.session.method.start(w.image), [w.clicks[0]])[0]"
    replayed = bench.kernel.mask(f"w.session.method.step({again}, [w.clicks[1]])[1].mask")
    assert np.array_equal(moved, replayed)

    if isinstance(hand, Fingers):
        hand.at(*now[0])
        bench.answered(lambda: hand.push("click-remove"))
    else:
        if isinstance(hand, Keyboard):
            hand.aim(*now[0])
        else:
            bench.page.mouse.move(*bench.widget.position(*now[0]))
        bench.answered(lambda: bench.page.keyboard.press("Delete"))
    assert bench.value("[[c.x, c.y] for c in w.clicks]") == [other]
    bench.agrees()


# ----------------------------------------------------------------------------------------- objects
def rows(hand: Hand) -> Locator:
    """Rows of the list, the upper object first."""
    return hand.get("object")


def choose(hand: Hand, row: int) -> None:
    """Choose an object in the list."""
    if isinstance(hand, Keyboard):
        walk(hand, row)
        hand.key("Enter")
    else:
        hand.press(rows(hand).nth(row).locator(".iseg-object-name"))


def walk(hand: Keyboard, row: int) -> None:
    """Tab leads to the active object's row, arrow keys to the others."""
    hand.go(hand.widget.root.locator(".iseg-object[tabindex='0']"))
    hand.key("ArrowUp", rows(hand).count())
    hand.key("ArrowDown", row)
    expect(rows(hand).nth(row)).to_be_focused()


def mark(hand: Hand, row: int) -> None:
    """Mark an object beside the active one."""
    name = rows(hand).nth(row).locator(".iseg-object-name")
    if isinstance(hand, Mouse):
        name.click(modifiers=["Control"])
    elif isinstance(hand, Keyboard):
        walk(hand, row)
        hand.key("Space")
    else:
        hand.push("mark")
        hand.press(name)
    expect(rows(hand).nth(row)).to_have_attribute("aria-selected", "true")


def test_the_next_object_and_choosing_one(bench: Bench) -> None:
    bench.fresh(DISC)
    hand = bench.hand
    hand.push("objects-toggle")
    bench.until("w.panel", "objects")
    if isinstance(hand, Keyboard):
        hand.back()
    bench.answered(lambda: hand.push("new-object"))
    expect(rows(hand)).to_have_count(2)
    assert bench.value(f"{IDS}.index(w.active)") == 1
    if isinstance(hand, Keyboard):
        hand.back()
    bench.answered(lambda: hand.at(*OTHER))
    assert bench.value("[len(o.clicks) for o in w.objects]") == [0, 1]
    bench.answered(lambda: choose(hand, 1))
    assert bench.value(f"{IDS}.index(w.active)") == 0
    expect(rows(hand).nth(1)).to_have_attribute("data-active", "true")
    assert np.array_equal(bench.kernel.mask("w.mask"), bench.kernel.mask(DISC))
    if isinstance(hand, Keyboard):
        hand.back()
    hand.push("select")
    bench.until("w.tool", "select")
    clicks = bench.value("[[c.x, c.y] for c in w.objects[1].clicks]")
    bench.answered(lambda: hand.at(*clicks[0]))
    assert bench.value(f"{IDS}.index(w.active)") == 1
    assert bench.value("[len(o.clicks) for o in w.objects]") == [0, 1]
    expect(rows(hand).nth(0)).to_have_attribute("data-active", "true")


@pytest.mark.parametrize(("field", "shown"), [("visible", False), ("locked", True)])
def test_hidden_and_locked(bench: Bench, field: str, shown: bool) -> None:
    bench.fresh(DISC, APART)
    hand = bench.hand
    inside = [(380, 120)]
    before = bench.colours(inside)
    hand.push("objects-toggle")
    button = hand.get(f"object-{field}", rows(hand).nth(1))
    bench.answered(lambda: hand.press(button))
    assert bench.value(f"[o.{field} for o in w.objects]") == [shown, not shown]
    expect(button).to_have_attribute("aria-pressed", "true")
    if isinstance(hand, Keyboard):
        expect(button).to_be_focused()
    assert (bench.colours(inside) == before).all()
    choose(hand, 1)
    bench.until(f"{IDS}.index(w.active)", 0)
    if field == "locked":
        if isinstance(hand, Keyboard):
            hand.back()
        hand.at(*OTHER)
        expect(hand.get("error")).to_contain_text("locked")
        hand.press(hand.get("error-dismiss"))
        assert bench.value("len(w.clicks)") == 0
    bench.answered(lambda: hand.press(button))
    assert bench.value(f"[o.{field} for o in w.objects]") == [not shown, not shown]


def test_rename(bench: Bench) -> None:
    bench.fresh(DISC)
    hand = bench.hand
    hand.push("objects-toggle")
    if isinstance(hand, Mouse):
        rows(hand).locator(".iseg-object-name").dblclick()
    elif isinstance(hand, Keyboard):
        walk(hand, 0)
        hand.key("F2")
    else:
        hand.push("rename-object")
    expect(hand.get("object-name")).to_be_focused()
    bench.page.keyboard.type("u <b>n</b>")
    bench.answered(lambda: bench.page.keyboard.press("Enter"))
    assert bench.value("[o.name for o in w.objects]") == ["u <b>n</b>"]
    expect(rows(hand)).to_contain_text("u <b>n</b>")
    assert bench.value("w.tool") == "positive"


@pytest.mark.parametrize("how", ["merge", "subtract"])
def test_merge_and_subtract(bench: Bench, how: str) -> None:
    bench.fresh(DISC, SMALL)
    hand = bench.hand
    hand.push("objects-toggle")
    expect(hand.get(how)).to_be_disabled()
    mark(hand, 1)
    mask = bench.answered(lambda: hand.push(how))
    expected = f"{DISC} | {SMALL}" if how == "merge" else f"{SMALL} & ~{DISC}"
    assert np.array_equal(mask, bench.kernel.mask(expected))
    count = 1 if how == "merge" else 2
    assert bench.value("len(w.objects)") == count
    expect(rows(hand)).to_have_count(count)


def test_split_and_remove(bench: Bench) -> None:
    bench.fresh(f"{DISC} | {APART}")
    hand = bench.hand
    hand.push("objects-toggle")
    bench.answered(lambda: hand.push("split"))
    expect(rows(hand)).to_have_count(2)
    areas = sorted(bench.value("[o.area for o in w.objects]"))
    assert areas == sorted(int(bench.kernel.mask(one).sum()) for one in (DISC, APART))
    bench.answered(lambda: hand.push("remove-object"))
    expect(rows(hand)).to_have_count(1)
    assert bench.value("len(w.objects)") == 1
