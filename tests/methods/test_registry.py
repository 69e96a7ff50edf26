from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

import iseg_widget as iseg
from iseg_widget.methods.registry import build_options, method_title, options_class, with_options
from iseg_widget.protocol import Method


@pytest.fixture(scope="module")
def method() -> Any:
    return iseg.load_method("focalclick", device="cpu")


def test_listed_methods():
    names = iseg.list_methods()
    assert "focalclick" in names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", iseg.list_methods())
def test_every_listed_method_has_a_title_and_frozen_options(name: str):
    assert method_title(name)
    options = options_class(name)
    assert build_options(name, None) == options()
    first = dataclasses.fields(options)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(options(), first, None)


def test_loaded_method_is_ready(method: Any):
    assert isinstance(method, Method)
    assert method.name == "focalclick"
    assert method.options == iseg.FocalClickOptions()
    image = np.zeros((30, 40, 3), np.uint8)
    assert iseg.Session(method, image).click(5, 5).mask.shape == (30, 40)


def test_options_as_a_mapping_or_as_the_dataclass():
    expected = iseg.FocalClickOptions(version="S1", r_tc=1.2)
    assert build_options("focalclick", {"version": "S1", "r_tc": 1.2}) == expected
    assert build_options("focalclick", expected) is expected
    assert build_options("focalclick", {}) == iseg.FocalClickOptions()


def test_with_options_shares_the_network(method: Any):
    other: Any = with_options(method, {"version": "S1"})
    assert other.network is method.network
    assert other.options.version == "S1"
    assert method.options.version == "S2"


def test_weights_by_name_are_the_default_ones(method: Any):
    (record, *_) = [r for r in iseg.list_weights() if r.method == "focalclick"]
    named: Any = iseg.load_method("focalclick", weights=record.name, device="cpu")
    ours, theirs = (m.network.state_dict() for m in (method, named))
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("call", [iseg.load_method, options_class, method_title])
def test_unknown_method(call: Any):
    with pytest.raises(ValueError, match="unknown method 'sam'; accepted are ris_net, fca_net"):
        call("sam")


def test_unknown_option_is_named_before_anything_is_loaded():
    with pytest.raises(ValueError, match=r"unknown option turns for focalclick; .* r_tc, "):
        iseg.load_method("focalclick", options={"turns": 3}, weights="missing.safetensors")


def test_option_of_another_value():
    with pytest.raises(ValueError, match="version must be 'S1' or 'S2'"):
        iseg.load_method("focalclick", options={"version": "S9"})


@pytest.mark.parametrize("options", [3, "S1", ["S1"], object()])
def test_other_kinds_of_options(options: Any):
    with pytest.raises(TypeError, match="must be FocalClickOptions or a mapping"):
        iseg.load_method("focalclick", options=options)


def test_unknown_device():
    with pytest.raises(ValueError, match="unknown device 'abacus'; accepted are 'auto', 'cpu'"):
        iseg.load_method("focalclick", device="abacus")


def test_absent_device(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="'cuda' was asked for"):
        iseg.load_method("focalclick", device="cuda")


def test_unknown_weights():
    with pytest.raises(ValueError, match=r"no weights 'huge' for 'focalclick'.*focalclick-lite0"):
        iseg.load_method("focalclick", weights="huge")
