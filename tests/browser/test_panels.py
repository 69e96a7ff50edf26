"""The panels of views, options and replay in a real page, against what Python computes."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.lab import Notebook
from tests.browser.widget import Widget

CLICKS = [(180, 330), (225, 110)]
SECONDS = 1000
CANVAS_DATA = """image => {
    const canvas = document.createElement('canvas');
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
    let [low, high] = [255, 0];
    for (let i = 0; i < data.length; i += 4) {
        low = Math.min(low, data[i], data[i + 1], data[i + 2]);
        high = Math.max(high, data[i], data[i + 1], data[i + 2]);
    }
    return [canvas.width, canvas.height, low, high];
}"""


def get(widget: Widget, name: str) -> Locator:
    return widget.root.get_by_test_id(f"iseg-{name}")


def clicked(notebook: Notebook, method: str = "focalclick") -> Widget:
    """The widget with two clicks answered by a method."""
    if method != "focalclick":
        notebook.kernel.run(f"w.method = {method!r}")
    widget = notebook.widget()
    for x, y in CLICKS:
        widget.click(x, y)
    return widget


@pytest.mark.parametrize(
    ("method", "titles"),
    [
        ("focalclick", ["Target crop", "Coarse prediction", "Focus crop", "Boundary map"]),
        ("focuscut", ["Whole view", "Focus scope", "Focus view 1", "Local prediction 1"]),
    ],
)
def test_views_appear_with_their_words(notebook: Notebook, method: str, titles: list[str]) -> None:
    widget = clicked(notebook, method)
    rev, picture = widget.revision(), widget.picture()
    widget.key("w")
    cards = get(widget, "views-card")
    cards.first.wait_for(timeout=60 * SECONDS)
    names = cards.locator("strong").all_inner_texts()
    assert set(titles) <= set(names)
    captions = cards.locator("p").all_inner_texts()
    assert len(captions) == cards.count()
    assert all(len(caption) > 20 for caption in captions)
    assert any("Sec. 3" in caption for caption in captions)
    # What is painted: crops are pictures, nothing is blank but maps of clicks that are not there.
    ranges = dict(
        zip(names, cards.locator("img").evaluate_all(f"all => all.map({CANVAS_DATA})"), strict=True)
    )
    for title in titles:
        width, height, low, high = ranges[title]
        assert max(width, height) <= 512
        assert high - low > 60, f"{title} is blank"
    # Asking changed nothing.
    assert widget.revision() == rev
    assert notebook.kernel.value("[len(s.trace) for s in w.session.steps]") == [0, 0]

    card = cards.filter(has_text=titles[2]).first
    card.scroll_into_view_if_needed()
    thumb = card.get_by_test_id("iseg-views-thumb")
    thumb.focus()
    highlighted = widget.canvas.screenshot()
    thumb.blur()
    assert widget.canvas.screenshot() != highlighted
    assert picture.size

    thumb.click()
    box = get(widget, "lightbox")
    expect(box).to_be_visible()
    caption = get(widget, "lightbox-caption")
    first = caption.inner_text()
    widget.page.keyboard.press("ArrowRight")
    expect(caption).not_to_have_text(first)
    widget.page.keyboard.press("Escape")
    expect(box).to_be_hidden()

    # The next step's views take their place.
    get(widget, "explain-toggle").scroll_into_view_if_needed()
    widget.click(400, 130, positive=False)
    expect(get(widget, "views-step")).to_have_text("Step 3 of 3", timeout=60 * SECONDS)


def test_an_option_shows_what_it_changes(notebook: Notebook) -> None:
    notebook.kernel.run("w = iseg.SegmentationWidget(sample.image, truth=sample.mask)")
    notebook.add_cell("w")
    widget = notebook.widget(1)
    for x, y in CLICKS:
        widget.click(x, y)
    notebook.kernel.run("before = w.mask")
    widget.key("a")
    row = widget.root.locator("[data-option=focus_crop]")
    row.locator("select").select_option(label="off")
    get(widget, "added").wait_for(timeout=60 * SECONDS)
    widget.wait()
    assert notebook.kernel.value("w.options.focus_crop") == "off"
    added, removed = (
        int("".join(filter(str.isdigit, get(widget, name).inner_text())))
        for name in ("added", "removed")
    )
    count = "int((w.mask & ~before).sum()), int((before & ~w.mask).sum())"
    assert [added, removed] == notebook.kernel.value(f"[{count}]")
    assert added + removed > 0
    both = notebook.kernel.value("float((before & w.mask).sum() / (before | w.mask).sum())")
    assert get(widget, "iou-both").inner_text() == f"{both:.4f}"
    truth = notebook.kernel.value(
        "[float((m & sample.mask).sum() / (m | sample.mask).sum()) for m in (before, w.mask)]"
    )
    assert get(widget, "iou-truth").inner_text().startswith(f"{truth[0]:.4f} → {truth[1]:.4f}")
    shown = widget.canvas.screenshot()
    get(widget, "difference-show").uncheck()
    assert widget.canvas.screenshot() != shown

    # A wrong value is told in place and changes nothing.
    ratio = widget.root.locator("[data-option=r_tc]")
    ratio.locator("input").fill("99")
    widget.page.keyboard.press("Enter")
    expect(ratio.get_by_test_id("iseg-option-problem")).to_have_text(
        "r_tc must lie in 1..10, got 99.0"
    )
    assert notebook.kernel.value("w.options.r_tc") == 1.4
    get(widget, "options-reset").click()
    widget.page.wait_for_function(
        "row => row.dataset.changed === 'false'", arg=row.element_handle()
    )
    widget.wait()
    assert notebook.kernel.value("bool((w.mask == before).all())")


def test_replay_shows_the_past_and_comes_back(notebook: Notebook) -> None:
    widget = clicked(notebook)
    present = widget.picture()
    inferences = widget.root.get_attribute("data-inferences")
    masks = [notebook.kernel.mask(f"w.session.steps[{index}].mask") for index in (0, 1)]
    # A pixel that the second click added, and one that both steps hold.
    places = {"new": masks[1] & ~masks[0], "kept": masks[1] & masks[0]}
    x, y = inside(places["new"])
    kept = inside(places["kept"])

    widget.key("r")
    get(widget, "replay-text").get_by_text("after 2 steps").wait_for()
    get(widget, "replay-back").click()
    get(widget, "replay-text").get_by_text("Step 1 of 2").wait_for()
    first = widget.picture()
    bare = notebook.kernel.value(f"[int(v) for v in sample.image[{y}, {x}]]")
    assert close(widget, first, x, y, bare), "the second click's pixels are still there"
    assert not close(widget, present, x, y, bare)
    same = notebook.kernel.value(f"[int(v) for v in sample.image[{kept[1]}, {kept[0]}]]")
    assert not close(widget, first, *kept, same)

    # A press in the picture leads back and is no click.
    widget.press(x, y)
    get(widget, "replay-text").get_by_text("Present").wait_for()
    assert notebook.kernel.value("len(w.clicks)") == 2
    assert (widget.picture() == present).all()

    get(widget, "replay-speed").select_option("4")
    get(widget, "replay").press("Space")
    get(widget, "replay-text").get_by_text("Before the first").wait_for()
    get(widget, "replay-text").get_by_text("Present").wait_for()
    assert (widget.picture() == present).all()
    assert widget.root.get_attribute("data-inferences") == inferences


def inside(mask: object) -> tuple[int, int]:
    """The pixel farthest from the mask's border."""
    import cv2
    import numpy as np

    distance = cv2.distanceTransform(np.pad(np.asarray(mask), 1).astype(np.uint8), cv2.DIST_L2, 3)
    row, column = np.unravel_index(distance[1:-1, 1:-1].argmax(), distance[1:-1, 1:-1].shape)
    return int(column), int(row)


def close(widget: Widget, picture: object, x: int, y: int, colour: list[int]) -> bool:
    """Whether a pixel is shown in its own colour, without the mask's tint."""
    import numpy as np

    patch = widget.patch(picture, x, y, radius=0).astype(int)  # type: ignore[arg-type]
    return bool(np.abs(patch - colour).max() < 30)
