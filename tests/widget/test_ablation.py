from __future__ import annotations

import json

import numpy as np
import pytest

import iseg_widget as iseg
from iseg_widget.masks import PackedMask, iou
from iseg_widget.session import Session
from iseg_widget.widget import ablation
from iseg_widget.widget.ablation import Replays, difference, options_form, pack
from tests.widget.fakes import DiskOptions, Disks, disks


@pytest.fixture
def session() -> Session:
    made = Session(Disks(), np.zeros((60, 80, 3), np.uint8))
    made.click(20, 30)
    made.click(50, 30)
    return made


def test_a_form_has_values_defaults_and_code() -> None:
    method = iseg.load_method("focalclick", device="cpu", options={"r_tc": 1.2})
    form = options_form("focalclick", method.options, "focalclick-lite0")
    json.dumps(form.fields)
    assert (form.method, form.title) == ("focalclick", "FocalClick (CVPR 2022)")
    assert form.values["r_tc"] == 1.2
    by_name = {field["name"]: field for field in form.fields}
    assert by_name["r_tc"]["default"] == 1.4
    assert "Table 7" in by_name["r_tc"]["sources"]
    assert by_name["focus_crop"]["choices"] == ["difference", "object", "click", "off"]
    call = 'iseg.load_method("focalclick", weights="focalclick-lite0", options={"r_tc": 1.2})'
    assert form.code == f"method = {call}"
    made = eval(call, {"iseg": iseg})
    assert made.options == method.options
    plain = iseg.load_method("focalclick", device="cpu")
    assert (
        options_form("focalclick", plain.options).code == 'method = iseg.load_method("focalclick")'
    )


def test_a_method_of_ones_own_has_nothing_to_change() -> None:
    form = options_form("mine", DiskOptions(4.0))
    assert (form.title, form.fields, form.values, form.code) == ("mine", (), {}, "")


def test_options_are_checked_by_name() -> None:
    assert ablation.check("focalclick", {"r_tc": 2}) == {}
    found = ablation.check("focalclick", {"r_tc": 99, "merge_after": 1.5})
    assert found.keys() == {"r_tc", "merge_after"}
    with pytest.raises(ValueError, match="unknown method 'focalclock'"):
        ablation.check("focalclock", {})


def test_a_difference_counts_pixels() -> None:
    before, after, truth = np.zeros((3, 20, 30), bool)
    before[2:10, 3:13] = True
    after[4:12, 3:13] = True
    truth[4:12, 3:14] = True
    found = difference(before, after, truth)
    assert found.counts == (20, 20)
    assert found.iou == iou(before, after) == 60 / 100
    assert found.truth_before == iou(before, truth)
    assert found.truth_after == 80 / 88
    packed = pack(found)
    assert packed.grid == (30, 20)
    assert packed.box == (3, 2, 13, 12)
    shape = (10, 10)
    assert np.array_equal(PackedMask(shape, packed.added).unpack(), found.added[2:12, 3:13])
    assert np.array_equal(PackedMask(shape, packed.removed).unpack(), found.removed[2:12, 3:13])


def test_ignored_pixels_count_for_the_truth_only() -> None:
    before, after, ignore = np.zeros((3, 4, 4), bool)
    after[0] = True
    ignore[0] = True
    found = difference(before, after, before, ignore)
    assert found.truth_after == 1.0
    assert found.counts == (4, 0)
    assert found.iou == 0.0


def test_no_difference_is_an_empty_box() -> None:
    mask = np.eye(9, dtype=bool)
    found = difference(mask, mask)
    assert (found.iou, found.truth_before, found.truth_after) == (1.0, None, None)
    assert pack(found) == ablation.PackedDifference((9, 9), (0, 0, 0, 0))


def test_masks_of_other_shapes_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        difference(np.zeros((3, 4), bool), np.zeros((4, 3), bool))


def test_a_replay_under_other_options_leaves_the_session(session: Session) -> None:
    before = session.checkpoint()
    other = Disks(DiskOptions(4.0))
    found = Replays().mask(session, other)
    assert np.array_equal(found, disks((60, 80), session.clicks, 4.0))
    assert session.checkpoint() == before


def test_replays_are_not_repeated(session: Session) -> None:
    replays = Replays()
    other = Disks(DiskOptions(4.0))
    first = replays.mask(session, other)
    assert other.steps == 2
    assert np.array_equal(replays.mask(session, other), first)
    assert other.steps == 2
    session.click(30, 10)
    replays.mask(session, other)
    assert other.steps == 5
    session.undo()
    assert np.array_equal(replays.mask(session, other), first)
    assert other.steps == 5


def test_what_was_seen_is_remembered(session: Session) -> None:
    replays = Replays()
    method = session.method
    assert isinstance(method, Disks)
    replays.remember(session)
    changed = session.with_method(Disks(DiskOptions(4.0)))
    steps = method.steps
    assert np.array_equal(replays.mask(changed, method), session.mask)
    assert method.steps == steps


def test_few_masks_are_kept(session: Session) -> None:
    replays = Replays()
    for radius in range(ablation.KEPT + 4):
        replays.mask(session, Disks(DiskOptions(float(radius))))
    assert len(replays._kept) == ablation.KEPT
