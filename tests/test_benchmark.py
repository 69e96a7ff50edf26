"""The benchmark of networks: what is measured, and what ratios refer to. No times are tested."""

from __future__ import annotations

import json

import numpy as np
import pytest

from iseg_widget import benchmark, cli
from iseg_widget.benchmark import (
    NETWORK_SIZE,
    PUBLISHED_SECONDS,
    VARIANTS,
    architectures,
    format_rows,
    random_method,
    run_network_benchmark,
)
from iseg_widget.methods.registry import list_methods, options_class
from iseg_widget.session import Session
from iseg_widget.weights.registry import list_published, networks

GROUPS = ("click 1", "clicks 2 to 6", "click 6")


@pytest.fixture
def measured(monkeypatch):
    """Nothing is measured: every click takes twice the reference; returns the calls."""
    calls = []

    def stand_in(function, method, network, size, **keywords):
        calls.append({"method": method, "network": network, "size": size, **keywords})
        assert function == "measure_network"
        return {**dict.fromkeys(GROUPS, 3.0), "reference": 1.5, "memory": 100.0}

    monkeypatch.setattr(benchmark, "_in_process", stand_in)
    return calls


def test_every_network_is_measured_with_its_method():
    pairs = architectures()
    assert {network for _, network in pairs if network} == set(networks())
    assert {method for method, _ in pairs} <= set(list_methods())
    assert ("fca_net", "fcanet-resnet101") in pairs
    assert ("focuscut", "focuscut-lite0") in pairs


def test_published_networks_only():
    pairs = architectures(published=True)
    known = {entry.network for entry in list_published()}
    assert pairs
    assert {network for _, network in pairs} == known & set(networks())


def test_networks_of_one_method():
    assert {method for method, _ in architectures(["focuscut"])} == {"focuscut"}
    with pytest.raises(ValueError, match="unknown method 'sam'"):
        architectures(["sam"])


def test_a_method_without_networks_is_measured_if_it_needs_no_file(monkeypatch):
    from iseg_widget.methods import registry

    monkeypatch.setattr(registry, "method_title", lambda name: name)
    for found in ((), ("plain",)):
        monkeypatch.setattr(registry, "list_methods", lambda found=found, **_: found)
        assert architectures(["plain"]) == tuple((name, None) for name in found)
    assert architectures(["plain"], published=True) == ()


def test_the_table_and_the_variants_name_what_there_is():
    listed = {entry.network for entry in list_published()}
    for name, seconds in PUBLISHED_SECONDS.items():
        network, _, variant = name.partition(", ")
        assert network in listed
        assert set(seconds) <= set(GROUPS)
        if variant:
            assert variant in VARIANTS[network.split("-")[0]]
    for method, variants in VARIANTS.items():
        for options in variants.values():
            options_class(method)(**options)


@pytest.mark.parametrize("name", ["fcanet-lite0", "focuscut-lite0", "focalclick-hrnet-18s-s1"])
def test_random_weights_are_the_same_every_time_and_see_the_image(name):
    (method,) = (m for m in list_methods() if name.startswith(m.replace("_", "") + "-"))
    options = {"fca_net": {"short_side": 64}, "focuscut": {"size": 64}}.get(method, {})
    image = np.random.default_rng(1).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    first, second = (
        Session(random_method(method, name, image, options), image).click(20, 20).probability
        for _ in range(2)
    )
    assert np.array_equal(first, second)
    assert first.std() > 1e-3


def test_ratios_refer_to_the_reference_and_to_the_published_seconds(measured):
    rows = run_network_benchmark(["focuscut"], published=True, threads=1, repeat=2)
    assert rows[0].group == "reference"
    assert rows[0].value == 1.5
    found = {(row.group, row.name): row for row in rows[1:]}
    row = found["click 6", "focuscut-resnet50, fast"]
    assert row.ratio == 2
    assert row.published == pytest.approx(3.0 / 5.57)
    assert found["clicks 2 to 6", "focuscut-resnet50"].published is None
    assert found["click 1", "focuscut-resnet101, refocus new"].published is None
    assert found["memory", "focuscut-resnet50"].value == 100.0
    assert [call["options"] for call in measured[:3]] == [{}, {"fast": True}, {"refocus": "new"}]
    assert {(call["threads"], call["repeat"]) for call in measured} == {(1, 2)}
    shown = format_rows(rows)
    assert "2.00 x" in shown
    assert "0.54 x published" in shown


def test_at_another_size_nothing_is_compared_with_the_published_seconds(measured):
    rows = run_network_benchmark(["fca_net"], published=True, size=(64, 48))
    assert all(row.published is None for row in rows)
    assert all(call["size"] == (64, 48) for call in measured)


def test_the_command_measures_a_network(monkeypatch, capsys):
    pairs = (("focalclick", "focalclick-segformer-b0-s1"),)
    monkeypatch.setattr(benchmark, "architectures", lambda *_, **__: pairs)
    arguments = ["--size", "96x64", "--repeat", "1", "--threads", "1", "--json"]
    assert cli.main(["benchmark", "--published", *arguments]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["group"] for row in rows] == ["reference", *GROUPS, "memory"]
    assert all(row["value"] > 0 for row in rows)
    assert all(row["ratio"] > 0 for row in rows[1:-1])


def test_the_command_passes_its_choice_on(measured, capsys):
    assert cli.main(["benchmark", "--methods", "focuscut", "--methods", "fca_net"]) == 0
    assert {call["method"] for call in measured} == {"focuscut", "fca_net"}
    assert all(call["size"] == NETWORK_SIZE for call in measured)
    measured.clear()
    assert cli.main(["benchmark", "--methods", "all", "--published"]) == 0
    assert {call["network"] for call in measured} == {n for _, n in architectures(published=True)}
    capsys.readouterr()
    assert cli.main(["benchmark", "--methods", "sam"]) == 2
    assert "unknown method 'sam'" in capsys.readouterr().err
    assert cli.main(["benchmark", "--published", "--size", "9x9", "--size", "8x8"]) == 2
    assert "at one --size" in capsys.readouterr().err
