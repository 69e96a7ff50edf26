from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from iseg_widget.masks import PackedMask
from iseg_widget.widget import messages
from tests.widget import recording

RECORDED: dict[str, Any] = json.loads(recording.PATH.read_text(encoding="utf-8"))


def test_recorded_messages_are_what_the_widget_says_today() -> None:
    now = json.loads(json.dumps(recording.everything()))
    assert now["requests"] == RECORDED["requests"]
    assert now["malformed"] == RECORDED["malformed"]
    for new, old in zip(now["replies"], RECORDED["replies"], strict=True):
        # Compressed bytes may differ between library versions; masks may not.
        assert new["content"] == old["content"]
        assert new.get("mask") == old.get("mask")
        assert len(new["buffers"]) == len(old["buffers"])


def test_recording_has_every_kind_of_message() -> None:
    assert {entry["kind"] for entry in RECORDED["requests"]} == set(messages.REQUESTS)
    assert {entry["content"]["kind"] for entry in RECORDED["replies"]} == recording.kinds()
    bases = [e["content"]["base"] for e in RECORDED["replies"] if e["content"]["kind"] == "result"]
    assert None in bases
    assert any(base is not None for base in bases)


@pytest.mark.parametrize("content", RECORDED["requests"], ids=lambda content: content["id"])
def test_requests_are_read_without_loss(content: dict[str, Any]) -> None:
    assert messages.parse_request(content).to_json() == content


@pytest.mark.parametrize("case", RECORDED["malformed"], ids=lambda case: case["reason"])
def test_malformed_requests_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(messages.ProtocolError) as caught:
        messages.parse_request(case["content"])
    assert case["reason"] in str(caught.value)


@pytest.mark.parametrize("content", [None, [], "click", 3, {}, {"kind": ["click"], "id": "a"}])
def test_nonsense_is_refused(content: object) -> None:
    with pytest.raises(messages.ProtocolError):
        messages.parse_request(content)


def test_nan_is_no_position() -> None:
    click = {"id": "a", "rev": 0, "kind": "click", "x": float("nan"), "y": 0.0, "positive": True}
    with pytest.raises(messages.ProtocolError, match="x cannot be nan"):
        messages.parse_request(click)


def test_a_refusal_names_the_request() -> None:
    with pytest.raises(messages.ProtocolError) as caught:
        messages.parse_request({"id": "page.7", "kind": "paint"})
    assert caught.value.id == "page.7"


def test_overlays_of_the_recording_draw_its_masks() -> None:
    size = RECORDED["image"]
    mask = np.zeros((size["height"], size["width"]), bool)
    for entry in RECORDED["replies"]:
        content = entry["content"]
        if content["kind"] != "result":
            continue
        x0, y0, x1, y1 = content["box"]
        if content["base"] is None:
            mask[:] = False
        for name, buffer in zip(content["buffers"], entry["buffers"], strict=True):
            if name != "mask":
                continue
            packed = PackedMask((y1 - y0, x1 - x0), base64.b64decode(buffer))
            mask[y0:y1, x0:x1] = packed.unpack()
        assert recording.rows(mask) == entry["mask"]
        assert content["stats"]["area"] == mask.sum()
